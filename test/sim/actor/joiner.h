/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joiner: a member of a consumer group under the classic protocol: eager
 * rebalances, range assignment done by whoever leads the group, offsets
 * committed now and then and before partitions are given up. Dynamic or static
 * (KIP-345). It leaves, or dies without a word, and comes back.
 *
 *	  +--> DEAD -> FIND -> JOIN -> SYNC -> OFFSETS -> STABLE -> LEAVE --+
 *	  |     ^       ^       ^                           |               |
 *	  |     |       +-------+---- lost, rebalance ------+               |
 *	  +-----+-------------------------------- ------------------------ -+
 *
 * 1. One request of the group at a time, besides a heartbeat and a commit.
 * 2. What comes back from before a crash or another generation is not heard.
 */
#ifndef SIM_JOINER_H
#define SIM_JOINER_H

#include "intake.h"

#define JOINER_ID_MAX 128

enum joiner_state {
	JOINER_DEAD,
	JOINER_FIND,
	JOINER_JOIN,
	JOINER_SYNC,
	JOINER_OFFSETS,
	JOINER_STABLE,
	JOINER_LEAVE,
};

struct joiner_part {
	int topic, partition;
};

struct joiner_past { /* what it had before it joined anew */
	int32_t generation;
	int n;
	struct joiner_part parts[INTAKE_PARTS_MAX];
	int64_t offsets[INTAKE_PARTS_MAX];
};

struct joiner {
	struct caller caller;
	struct intake in;
	struct actors *a;
	int actor, number; /* of the group, in the actors */
	int group;         /* in the history */
	char group_name[8];
	enum joiner_state state;
	bool busy;      /* a request of its state is on its way */
	bool beating, committing;
	bool rejoins;   /* the group told it to, once it has committed */
	bool stopped;
	char id[JOINER_ID_MAX]; /* "" none */
	char instance[16];      /* "" dynamic */
	int32_t generation;
	int coordinator;
	int32_t session_ms, rebalance_ms;
	int64_t beat_ms, commit_ms;
	uint64_t seen; /* the topics at the last join, as a number */
	struct buf plan; /* what the leader assigns, encoded */
	struct joiner_part owned[INTAKE_PARTS_MAX];
	int owned_n;
	int64_t committed[INTAKE_PARTS_MAX]; /* like parts of in */
	struct joiner_past past;
	struct timer step, beat, commit, fate;
};

struct joiner *joiner_new(struct actors *a, int actor, int group);
void joiner_free(struct joiner *m);
void joiner_start(struct joiner *m);
void joiner_stop(struct joiner *m); /* not a word more */
bool joiner_is_settled(const struct joiner *m);

/* ---- between its files --------------------------------------------------- */

void joiner_go(struct joiner *m, enum joiner_state to, int64_t in_ms);
/* An error of the group; false: it is no such error (or none). */
bool joiner_erred(struct joiner *m, const char *where, int16_t code);
void joiner_lost(struct joiner *m); /* no answer: finds the coordinator anew */
uint64_t joiner_topics_seen(const struct joiner *m);
struct str joiner_instance(const struct joiner *m); /* null: dynamic */

/* joiner_join.c */
void joiner_find(struct joiner *m);
void joiner_join(struct joiner *m);
void joiner_sync(struct joiner *m);
void joiner_beat(struct joiner *m);
void joiner_leave(struct joiner *m);
/* joiner_range.c */
void joiner_subscribe(const struct joiner *m, struct buf *out);
void joiner_assign(struct joiner *m, const struct join_group_response *r,
		   struct sync_group_request *out, struct arena *arena);
bool joiner_assigned(struct joiner *m, struct bytes b);
/* joiner_offsets.c */
void joiner_fetch(struct joiner *m);
bool joiner_commit(struct joiner *m); /* false: there is nothing to commit */
void joiner_remember(struct joiner *m);
void joiner_commit_late(struct joiner *m);

#endif
