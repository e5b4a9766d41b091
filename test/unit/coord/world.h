/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A coordinator under test: commands in short words, answers as error codes,
 * state as text. Every command passes through its encoding, and after every
 * one a copy made from a snapshot must look and hash the same.
 */
#ifndef TEST_COORD_WORLD_H
#define TEST_COORD_WORLD_H

#include <raftmq/coord.h>
#include <unit.h>

struct world {
	struct coord *coord;
	struct cluster *cluster; /* one broker, topic t with 4 partitions */
	struct arena arena;      /* of the last effects */
	struct coord_effects effects;
	int64_t now_ms, index;
};
void world_init(struct world *w);
void world_fini(struct world *w);
void world_topic(struct world *w, const char *name, int32_t partitions);
void world_untopic(struct world *w, const char *name);
void world_apply(struct world *w, const struct wire_type *type,
		 const void *command);

/* protocols: "range:a,roundrobin:b" */
int16_t join(struct world *w, const char *group, const char *member,
	     const char *protocols);
int16_t join_static(struct world *w, const char *group, const char *new_id,
		    const char *instance, const char *protocols);
int16_t join_with(struct world *w, struct group_join *j, const char *protocols);
const struct group_joined *joined(const struct world *w); /* the last join */
int16_t sync_all(struct world *w, const char *group, const char *from,
		 int32_t generation);
int16_t leave(struct world *w, const char *group, const char *member);
int16_t leave_static(struct world *w, const char *group, const char *instance);
int16_t expire(struct world *w, const char *group, const char *member);
int16_t complete(struct world *w, const char *group);
/* of t-0, epoch 3, metadata "note" */
int16_t commit(struct world *w, const char *group, const char *member,
	       int32_t generation, int64_t offset);
int64_t committed(struct world *w, const char *group); /* -1: none */
void expire_offsets(struct world *w, int64_t retention_ms);
/* m1, m2, .. join, the rebalance completes, m1 leads and assigns names. */
void stable_group(struct world *w, const char *group, int members);

const struct group *group_named(struct world *w, const char *id);
void expect_dump(struct world *w, const char *text);
#define expect_state(w, group, text)                                           \
	ck_assert_str_eq(group_state_name(group_named(w, group)->state), text)

#endif
