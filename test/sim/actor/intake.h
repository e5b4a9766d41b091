/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: reading partitions, as all consumers do it: Fetch with or without
 * sessions (KIP-227), from leaders and followers (KIP-392), with epochs
 * (KIP-320, KIP-595), ListOffsets when a position is missing or gone.
 *
 * 1. One Fetch at a time to each node; a partition is in one of them at most.
 * 2. An answer counts only if the partition was not moved meanwhile.
 * 3. Each partition is a process of its own in the history: its polls do not
 *    overlap, whichever node they come from.
 * 4. What comes must follow: offsets without gaps, epochs that do not go
 *    back, checksums that hold. Anything else is a violation.
 */
#ifndef SIM_INTAKE_H
#define SIM_INTAKE_H

#include "caller.h"

#define INTAKE_PARTS_MAX 64
#define SAMPLES 32

/* Where to begin; timestamps as ListOffsets has them. */
#define SEEK_EARLIEST (-2)
#define SEEK_LATEST (-1)

enum part_state {
	PART_LOST,     /* seeks `seek' when it can */
	PART_SEEKING,  /* has asked */
	PART_DOUBTED,  /* its last epoch is to be compared with the leader */
	PART_CHECKING, /* has asked */
	PART_READY,
};

struct sample { /* a record that was read */
	int64_t offset, timestamp;
};

struct intake_part {
	struct intake *in;
	int topic, partition, key, process;
	enum part_state state;
	int64_t seek;
	int64_t position;
	int32_t last_epoch;   /* of the batch before the position; -1 */
	int32_t leader_epoch; /* under which it was last checked */
	int replica;          /* 0: the leader */
	int64_t replica_until_ms, not_before_ms;
	unsigned moved; /* how often */
	bool fetching, dropped;
	int refs;       /* requests that know it */
	int64_t hw, log_start; /* last told; -1 */
	int64_t latest;        /* the end, as ListOffsets told it last, */
	int32_t latest_epoch;  /* under that epoch; -1: none */
	int64_t news_ms;       /* when something came last */
	int64_t idle_ms;       /* told that it is at the end; 0: is not */
	struct sample samples[SAMPLES];
	unsigned samples_n;
	/* HISTORY_FINAL: all of it is one poll, from `from' */
	int64_t from;
	int64_t began_us;
	struct buf scan; /* of struct history_record */
};

struct told { /* what the session of a node knows of a partition */
	int topic, partition;
	struct uuid id;
	int64_t position;
	int32_t epoch, last_epoch;
};
struct tap { /* fetches from one node */
	bool busy;
	int32_t id, epoch; /* of the session; epoch 0: a new one */
	struct told told[INTAKE_PARTS_MAX];
	int told_n;
};

struct intake {
	struct caller *caller;
	struct actors *a;
	enum history_mode mode;
	bool sessions, epochs; /* whether it uses them */
	bool followers; /* now and then reads from one, unasked (KIP-392) */
	struct str rack;
	int32_t max_wait_ms, part_bytes;
	bool stopped;
	struct intake_part *parts[INTAKE_PARTS_MAX];
	int parts_n;
	struct tap taps[WORLD_NODES_MAX + 1];
	int asking; /* requests on their way */
	struct timer pump;
	int actor;  /* for the process numbers */
};

void intake_init(struct intake *in, struct caller *c, int actor,
		 enum history_mode mode);
void intake_fini(struct intake *in);
/* After caller_crash: nothing comes back any more. */
void intake_crash(struct intake *in);
/* offset >= 0: from there, else a SEEK. NULL: too many. */
struct intake_part *intake_add(struct intake *in, int topic, int partition,
			       int64_t offset);
struct intake_part *intake_find(struct intake *in, int topic, int partition);
void intake_clear(struct intake *in);
void intake_prune(struct intake *in); /* deleted topics go */
void intake_seek(struct intake_part *p, int64_t to); /* a SEEK or a time */
void intake_conclude(struct intake *in); /* of HISTORY_FINAL: says it all */
void intake_stop(struct intake *in); /* no new requests */
void intake_pump(struct intake *in);
bool intake_is_idle(const struct intake *in); /* nothing on its way */

/* ---- between its files --------------------------------------------------- */

void part_hold(struct intake_part *p);
void part_drop(struct intake_part *p);
void part_move(struct intake_part *p, int64_t offset); /* and says so */
void part_later(struct intake_part *p); /* after an error */
/* intake_fetch.c */
bool intake_fetch(struct intake *in, int node);
/* intake_read.c: all that one partition's part of an answer says */
struct fetched {
	int node;
	int32_t epoch; /* that was asked with; -1 */
	bool follower;
	int64_t asked_us;
	const struct fetch_response_partition *told;
};
void part_fetched(struct intake_part *p, const struct fetched *f);
/* intake_seek.c */
void part_seek(struct intake_part *p, const struct place *at);
void part_check(struct intake_part *p, const struct place *at);
void part_diverged(struct intake_part *p, int32_t epoch, int64_t end);

#endif
