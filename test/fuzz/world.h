/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: the agreed state, cluster and coord, for targets that change it. Not
 * a quorum: commands are applied as they come.
 */
#ifndef TEST_FUZZ_WORLD_H
#define TEST_FUZZ_WORLD_H

#include <raftmq/coord.h>

#include "fuzz.h"

struct world {
	struct cluster *cluster;
	struct coord *coord;
	struct arena arena; /* of the effects of the last command */
	int64_t index, wall_ms;
};

/* Empty, or with three brokers, a topic "t" and a group "g". */
void world_init(struct world *w, bool furnished);
void world_fini(struct world *w);
/* By their bytes: what a snapshot does. False: a half does not decode. */
bool world_copy(struct world *to, const struct world *from);
/*
 * Applies a command as the quorum would, if it is one that a proposer lets
 * pass: it decodes, and the values of settings in it are valid. False: not.
 */
bool world_apply(struct world *w, enum quorum_target target, int16_t key,
		 struct bytes body);
/* Encodes to the same bytes. */
bool world_same(const struct world *a, const struct world *b);
/* A cluster's state that only a newer program can play stops an older one:
 * meant so. */
bool world_is_newer(struct bytes state);

#endif
