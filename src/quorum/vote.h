/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vote: the term this node is in and whom it voted for in it. The one thing
 * that is written and synced on the spot, before anything else of a step.
 *
 * 1. Both copies are on disk before vote_save returns: whichever of them is
 *    damaged at rest or torn by a crash, the other one has every promise that
 *    was ever given.
 */
#ifndef QUORUM_VOTE_H
#define QUORUM_VOTE_H

#include "slot.h"

enum newcomer { /* newcomer.c */
	NEWCOMER_NO,
	NEWCOMER_FOUNDER, /* began with an empty directory */
	NEWCOMER_LATER,   /* and knows that the quorum is older than that */
};
struct vote {
	uint64_t term;
	uint64_t voted_for; /* raft id, 0 = nobody */
	uint64_t group;     /* which quorum this is; 0 = has not joined yet */
	uint8_t newcomer; /* enum newcomer: its log may lack what it promised */
};
struct vote_file {
	struct slots slots;
	int32_t node;
	struct vote now;
};

/* -ENOENT: blank. -EBADMSG: damaged. -EINVAL: another node's. */
int vote_open(struct vote_file *v, struct disk *d, int32_t node) must_use;
int vote_create(struct vote_file *v, struct disk *d, int32_t node,
		const struct vote *first) must_use;
int vote_save(struct vote_file *v, const struct vote *next) must_use;
void vote_close(struct vote_file *v);

#endif
