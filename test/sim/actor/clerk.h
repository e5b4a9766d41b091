/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clerk: it asks what operators ask, of any node at any time, and keeps the
 * books of a group without members: it commits an offset, deletes it, deletes
 * the group, and looks what is there.
 *
 * 1. What it was told to be done is there when it looks. What was lost may
 *    have happened, at any time since.
 */
#ifndef SIM_CLERK_H
#define SIM_CLERK_H

#include "caller.h"

#define CLERK_DOUBTS_MAX 64

enum clerk_deed {
	CLERK_COMMIT, /* OffsetCommit of a simple consumer */
	CLERK_FORGET, /* OffsetDelete */
	CLERK_DISSOLVE, /* DeleteGroups */
	CLERK_RECALL, /* OffsetFetch */
	CLERK_LIST_GROUPS,
	CLERK_DESCRIBE_GROUP,
	CLERK_CLUSTER,
	CLERK_PARTITIONS,
	CLERK_CONFIGS,
	CLERK_LOG_DIRS,
	CLERK_QUORUM,
	CLERK_PRODUCERS,
	CLERK_DEEDS,
};

struct clerk {
	struct actors *a;
	struct caller caller;
	struct timer next;
	bool busy;
	enum clerk_deed deed;
	int coordinator; /* 0: to be found */
	int topic;       /* whose partition 0 the offset is of; -1: none */
	int64_t last;    /* offset that was committed last, or was to be */
	int64_t offset;  /* as it was told; -1: none */
	int64_t doubts[CLERK_DOUBTS_MAX]; /* may be there as well */
	int doubts_n;
	bool lost_count; /* there were more */
};
struct clerk *clerk_new(struct actors *a, int i);
void clerk_start(struct clerk *c);
bool clerk_is_settled(const struct clerk *c);
void clerk_free(struct clerk *c);

/* clerk_ask.c */
void clerk_ask(struct clerk *c);
/* From there: the code of what was asked; -1: the answer makes no sense. */
void clerk_told(struct clerk *c, int16_t code, bool lost);
void clerk_recalled(struct clerk *c, int64_t offset);

#endif
