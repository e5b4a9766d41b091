/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsm: what the agreed log feeds. A command entry is one byte of target and
 * the command; cluster and coord decide and change in one step.
 *
 * To find a node whose state has drifted, the leader now and then proposes a
 * check: every node hashes its state when it applies it. Then the leader
 * proposes what it found, and a node that found something else stops: what it
 * would answer is wrong, and nobody else can tell.
 */
#ifndef QUORUM_FSM_H
#define QUORUM_FSM_H

#include <raftmq/quorum.h>

#include "tail.h"

#define FSM_HASHES 4 /* checks that may be under way */

enum fsm_target { /* behind enum quorum_target */
	FSM_CHECK = 3,
	FSM_EXPECT = 4, /* index i64, hash of cluster u64, of coord u64 */
};
struct fsm_hash {
	int64_t index; /* 0 = none */
	uint64_t cluster, coord;
};
struct fsm {
	struct cluster *cluster;
	struct coord *coord;
	struct fsm_hash hashes[FSM_HASHES];
	struct arena arena; /* of the effects, per entry */
	struct cluster_effects cluster_effects;
	struct coord_effects coord_effects;
};

void fsm_init(struct fsm *f);
void fsm_fini(struct fsm *f);
/*
 * Applies one command entry. True: it was a cluster or coord command and out
 * (but for the cookie) tells of it, as loans until the next call.
 */
bool fsm_apply(struct fsm *f, const struct entry *e,
	       struct quorum_applied *out) must_use;
/* The check at that index, to be proposed by the leader, if it is here. */
bool fsm_expectation(const struct fsm *f, int64_t index, struct buf *out);

void fsm_encode(const struct fsm *f, struct buf *out);
/* NULL cluster: damaged. Any thread. */
struct fsm_image {
	struct cluster *cluster;
	struct coord *coord;
};
bool fsm_decode(struct bytes in, struct fsm_image *out) must_use;
void fsm_replace(struct fsm *f, struct fsm_image *image);
void fsm_image_fini(struct fsm_image *image);

#endif
