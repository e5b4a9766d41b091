/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member: a member of a consumer group under the classic protocol: eager
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
#ifndef SIM_MEMBER_H
#define SIM_MEMBER_H

#include "intake.h"

#define MEMBER_ID_MAX 128

enum member_state {
	MEMBER_DEAD,
	MEMBER_FIND,
	MEMBER_JOIN,
	MEMBER_SYNC,
	MEMBER_OFFSETS,
	MEMBER_STABLE,
	MEMBER_LEAVE,
};

struct owned {
	int topic, partition;
};

struct member {
	struct caller caller;
	struct intake in;
	struct actors *a;
	int actor, number; /* of the group, in the actors */
	int group;         /* in the history */
	char group_name[8];
	enum member_state state;
	bool busy;      /* a request of its state is on its way */
	bool beating, committing;
	bool rejoins;   /* the group told it to, once it has committed */
	bool stopped;
	char id[MEMBER_ID_MAX]; /* "" none */
	char instance[16];      /* "" dynamic */
	int32_t generation;
	int coordinator;
	int32_t session_ms, rebalance_ms;
	int64_t beat_ms, commit_ms;
	uint64_t seen; /* the topics at the last join, as a number */
	struct buf plan; /* what the leader assigns, encoded */
	struct owned owned[INTAKE_PARTS_MAX];
	int owned_n;
	int64_t committed[INTAKE_PARTS_MAX]; /* like parts of in */
	struct timer step, beat, commit, fate;
};

struct member *member_new(struct actors *a, int actor, int group);
void member_free(struct member *m);
void member_start(struct member *m);
void member_stop(struct member *m); /* not a word more */
bool member_is_settled(const struct member *m);

/* ---- between its files --------------------------------------------------- */

void member_go(struct member *m, enum member_state to, int64_t in_ms);
/* An error of the group; false: it is no such error (or none). */
bool member_erred(struct member *m, const char *where, int16_t code);
void member_lost(struct member *m); /* no answer: finds the coordinator anew */
uint64_t member_topics_seen(const struct member *m);
struct str member_instance(const struct member *m); /* null: dynamic */

/* member_join.c */
void member_find(struct member *m);
void member_join(struct member *m);
void member_sync(struct member *m);
void member_beat(struct member *m);
void member_leave(struct member *m);
/* member_range.c */
void member_subscribe(const struct member *m, struct buf *out);
void member_assign(struct member *m, const struct join_group_response *r,
		   struct sync_group_request *out, struct arena *arena);
bool member_assigned(struct member *m, struct bytes b);
/* member_offsets.c */
void member_fetch(struct member *m);
bool member_commit(struct member *m); /* false: there is nothing to commit */

#endif
