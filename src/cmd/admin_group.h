/* SPDX-License-Identifier: Apache-2.0 */
/* admin_group: a consumer group as the commands see it, of either protocol. */
#ifndef CMD_ADMIN_GROUP_H
#define CMD_ADMIN_GROUP_H

#include "admin.h"

struct member {
	struct str id, instance, client, host;
	int32_t epoch; /* -1: a classic group has none */
	struct place *parts; /* assigned */
	int32_t parts_n;
};
struct group {
	struct str id, state, type, protocol;
	int32_t epoch; /* -1: not told */
	struct member *members;
	int32_t members_n;
};
struct committed {
	struct str topic;
	int32_t partition;
	int64_t offset;
	struct str metadata;
	struct spot end; /* of the partition, after group_ends() */
};

/* Asks its coordinator; false: reported. */
bool group_get(struct admin *a, struct str id, struct group *out) must_use;
bool group_is_active(const struct group *g);
/* All it has committed, by topic and partition; false: reported. */
bool group_committed(struct admin *a, struct str id, struct committed **v,
		     int32_t *n) must_use;
/* Looks up where the partitions end. */
bool group_ends(struct admin *a, struct committed *v, int32_t n) must_use;
/* The member that has the partition, or NULL. */
const struct member *group_owner(const struct group *g, struct str topic,
				 int32_t partition);
/* Ids of all groups of all brokers; false: reported. */
struct listed_group {
	struct str id, protocol, state, type;
	int32_t coordinator;
};
bool group_each(struct admin *a, struct listed_group **v,
		int32_t *n) must_use;
/* Offsets and lag of one group as rows; see admin_lag.c */
extern const struct column lag_columns[];
#define LAG_COLUMNS 10
bool group_lag_rows(struct admin *a, struct section *s, const struct group *g,
		    bool age) must_use;

#endif
