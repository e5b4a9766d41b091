/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose: thread 0's way into the agreed log and back. Each proposal has a
 * cookie; when its command has been applied here, or when it is sure that this
 * leader will not see that, done is called once.
 */
#ifndef BROKER_PROPOSE_H
#define BROKER_PROPOSE_H

#include "inside.h"

/* What became of a proposal. The effects are loans for the call. */
struct proposed {
	/* 0: applied. -EAGAIN: refused, nothing happened. -ECANCELED: the
	 * leadership was lost meanwhile, it may yet be applied. */
	int error;
	const struct cluster_effects *cluster;
	const struct coord_effects *coord;
};
typedef void proposed_fn(struct broker *b, void *ctx, const struct proposed *p);

struct proposals;
struct proposals *proposals_new(void);
void proposals_free(struct proposals *p);
/* The end of the thread: all that wait are told that it may still commit. */
void proposals_stop(struct broker *b); /* done is not called any more */

/* One of command.schema's commands of the half that is named. done may be
 * NULL; it may be called before these return. */
void propose_cluster(struct broker *b, const struct wire_type *type,
		     const void *command, proposed_fn *done, void *ctx);
void propose_coord(struct broker *b, const struct wire_type *type,
		   const void *command, proposed_fn *done, void *ctx);

/* From broker_applied and broker_dropped. Unknown cookies are ignored. */
void proposals_applied(struct broker *b, uint64_t cookie,
		       const struct cluster_effects *ce,
		       const struct coord_effects *oe);
void proposals_dropped(struct broker *b, uint64_t cookie,
		       bool may_still_commit);

#endif
