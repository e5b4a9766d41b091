/* SPDX-License-Identifier: Apache-2.0 */
/*
 * club: consumers of groups at a council's coordinator, in a line each: they
 * join, sync, beat and leave, in any version of the protocol.
 */
#ifndef TEST_BROKER_CLUB_H
#define TEST_BROKER_CLUB_H

#include "council.h"

enum {
	FIND_COORDINATOR = 10,
	JOIN = 11,
	HEARTBEAT = 12,
	LEAVE = 13,
	SYNC = 14
};

struct consumer {
	const char *group;
	const char *member;    /* "" before it has an id */
	const char *instance;  /* NULL: dynamic */
	const char *type;      /* "consumer" */
	const char *protocols; /* "range:a roundrobin:b": name and metadata */
	struct bytes metadata; /* unless null, of each of them in its place */
	int32_t session_ms, rebalance_ms;
	int32_t generation;
	int16_t join, sync, heartbeat, leave; /* versions; the newest */
	struct council_call *call;            /* the last one sent */
};
/* Of group "g", session 10 s, rebalance 60 s, protocols "range:x". */
struct consumer consumer_new(void);
struct consumer consumer_static(const char *instance);
/* It says in the way of real clients that it reads topic "t". */
struct consumer consumer_reader(void);

/* Sent to that node; what came is taken by the functions below. */
void club_send_join(struct council *c, int32_t node, struct consumer *k);
/* assignment: "" or, of the leader, "member=text member=text". */
void club_send_sync(struct council *c, int32_t node, struct consumer *k,
		    const char *assignment);

/* The answer has to be there; id and generation are taken from it. */
const struct join_group_response *club_joined(struct council *c,
					      struct consumer *k);
int16_t club_join_error(struct council *c, struct consumer *k);
/* Wants no error, and gives the assignment. */
const char *club_assigned(struct council *c, struct consumer *k);
int16_t club_sync_error(const struct consumer *k);

/* Asks and waits 300 ms: the error. */
int16_t club_join(struct council *c, int32_t node, struct consumer *k);
int16_t club_sync(struct council *c, int32_t node, struct consumer *k,
		  const char *assignment);
int16_t club_heartbeat(struct council *c, int32_t node,
		       const struct consumer *k);
/* Alone, in whatever version. */
int16_t club_leave(struct council *c, int32_t node, const struct consumer *k);

/* Is given an id where that comes first, and sends its join. */
void club_enter(struct council *c, int32_t node, struct consumer *k);
/* Enters, waits 300 ms, and is a member. */
void club_admit(struct council *c, int32_t node, struct consumer *k);
/* All enter and sync: a stable group, v[0] leads, each is assigned
 * "part-<its index>". */
void club_gather(struct council *c, int32_t node, struct consumer *v, int n);
/* A council of one, and such a group of newcomers at it. */
void club_found(struct council *c, struct consumer *v, int n);
/* All send their heartbeats every 2 s, and nobody is told anything. */
void club_beat(struct council *c, int32_t node, struct consumer *v, int n,
	       int64_t ms);

const struct group *club_group(struct council *c, int32_t node,
			       const char *name);
/* Of group "g", in a council named c. */
#define expect_group(node, name)                                               \
	ck_assert_str_eq(                                                      \
		group_state_name(club_group(&c, node, "g")->state), name)

#endif
