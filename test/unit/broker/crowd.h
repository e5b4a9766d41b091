/* SPDX-License-Identifier: Apache-2.0 */
/* crowd: groups from outside: a member of the classic protocol, what a group
 * commits and fetches. */
#ifndef TEST_BROKER_CROWD_H
#define TEST_BROKER_CROWD_H

#include "council.h"

struct joiner {
	const char *group;
	const char *type;      /* NULL: "consumer", which subscribes to t */
	const char *instance;  /* NULL: a dynamic member */
	int32_t session_ms;    /* 0: 10 s */
	struct str id;         /* by the broker */
	int32_t generation;
};

/* At node 1, alone in its group, which has no initial delay: from then on the
 * group waits for the assignment. */
void joiner_join(struct council *c, struct joiner *j);
/* The assignment of everything; the group is stable. */
void joiner_sync(struct council *c, struct joiner *j, const char *assignment);
void joiner_leave(struct council *c, const struct joiner *j);

/* One partition in one request of OffsetCommit. */
struct commit {
	const char *group, *topic, *text;
	struct str member;
	const char *instance;
	int32_t generation, partition, epoch;
	int64_t offset, retention_ms;
};

/* What a consumer without a group protocol says: of g, for partition 0 of t. */
struct commit commit_simple(int64_t offset);
struct commit commit_of(const struct joiner *j, int64_t offset);
struct council_call *commit_send(struct council *c, int32_t node,
				 int16_t version, struct commit m);
/* The only one in the answer. */
int16_t commit_error(const struct council_call *call);
/* Of one partition, or (topic NULL) of all there are. */
struct council_call *fetch_send(struct council *c, int32_t node,
				int16_t version, const char *group,
				const char *topic, int32_t partition);
/* As node 1 knows it; one of nobody when it does not. */
struct uuid crowd_topic_id(struct council *c, const char *topic);

#endif
