/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h: what recover.c, replay.c and repair.c share. See their heads.
 */
#ifndef LOG_REPLAY_H
#define LOG_REPLAY_H

#include "log_internal.h"

struct replay_op {
	enum journal_kind kind;
	int32_t file; /* APPEND: where the batch stands */
	int32_t size;
	uint32_t crc;
	int32_t epoch;
	int64_t pos;
	int64_t a, b; /* APPEND: first and next offset; else as noted */
};
struct replay_log {
	char *dir;
	int32_t topic_n, partition;
	struct uuid topic_id;
	bool anew;    /* one of that name was deleted: no checkpoint counts */
	bool deleted; /* and that was the last thing that happened */
	int64_t hw, start;
	struct replay_op *v;
	int32_t n, cap;
};
struct replay {
	struct disk *disk;
	struct map logs; /* dir -> struct replay_log */
	struct file **files;
	int files_n;
	int64_t bytes;
};
void replay_init(struct replay *r, struct disk *d);
void replay_fini(struct replay *r);
/* Raises *life to the latest one that the shard's journal files know. */
int replay_life(struct disk *d, int shard, uint64_t *life) must_use;
int replay_read(struct replay *r, int shard, uint64_t life, uint64_t start_seq)
	must_use;
struct replay_log *replay_find(const struct replay *r, const char *dir);
/* The batch of an APPEND, checked. */
int replay_fetch(const struct replay *r, const struct replay_op *op,
		 struct buf *out) must_use;

/* ---- repair.c ------------------------------------------------------------ */

struct repair {
	struct store *store; /* without a pool: work is done at once */
	const struct replay *replay;
	struct store_recovery *stats;
	bool blind; /* no checkpoint says what had been synced */
	uint64_t life; /* the one that ended */
	/* files and directories to be synced at the end */
	struct map files, dirs;
};
/*
 * Makes one log whole and appends its checkpoint entry to out (nothing when
 * there is no log). known NULL: no checkpoint knows it. A log that
 * cannot be made whole is left as it is, flagged as damaged.
 */
struct known_log {
	struct bytes entry;
	uint64_t checkpoint; /* number of the one it is from */
	uint64_t names; /* what was renamed before that one */
	bool gone; /* a later one says that it is no more */
};
int repair_log(struct repair *r, const char *dir, const struct known_log *known,
	       struct buf *out) must_use;

#endif
