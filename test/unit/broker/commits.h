/* SPDX-License-Identifier: Apache-2.0 */
/* commits: what a group commits, and what is fetched of it. */
#ifndef TEST_BROKER_COMMITS_H
#define TEST_BROKER_COMMITS_H

#include "club.h"

/* One partition in one request of OffsetCommit. */
struct commit {
	const char *group, *topic, *text;
	const char *member, *instance;
	int32_t generation, partition, epoch;
	int64_t offset, retention_ms;
};

/* What a consumer without a group protocol says: of g, for partition 0 of t. */
struct commit commit_simple(int64_t offset);
struct commit commit_of(const struct consumer *k, int64_t offset);
struct council_call *commit_send(struct council *c, int32_t node,
				 int16_t version, struct commit m);
/* At node 1; it has to succeed. */
void commit_must(struct council *c, struct commit m);
/* The only one in the answer. */
int16_t commit_error(const struct council_call *call);
/* Of one partition, or (topic NULL) of all there are. */
struct council_call *fetch_send(struct council *c, int32_t node,
				int16_t version, const char *group,
				const char *topic, int32_t partition);
/* As node 1 knows it; one of nobody when it does not. */
struct uuid commit_topic_id(struct council *c, const char *topic);

#endif
