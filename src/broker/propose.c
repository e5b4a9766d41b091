/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proposals in flight, by cookie. How many there may be is the quorum's
 * business: it refuses what is too much.
 *
 * 1. done is called exactly once for each proposal, unless the broker ends.
 */
#include "propose.h"

struct waiting {
	proposed_fn *done;
	void *ctx;
};
struct proposals {
	struct map waiting; /* cookie -> struct waiting * */
	uint64_t last;
};

struct proposals *proposals_new(void)
{
	return mem_zalloc(sizeof(struct proposals));
}

void proposals_free(struct proposals *p)
{
	for (struct map_iter i = map_first(&p->waiting); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&p->waiting);
	mem_free(p);
}

static uint64_t remember(struct broker *b, proposed_fn *done, void *ctx)
{
	struct waiting *w = mem_alloc(sizeof(*w));

	*w = (struct waiting){ done, ctx };
	map_put_i64(&b->proposals->waiting, (int64_t)++b->proposals->last, w);
	return b->proposals->last;
}

static void propose(struct broker *b, int target, struct buf *command,
		    uint64_t cookie)
{
	struct bytes bytes = { command->p, (int32_t)command->n };

	b->out.propose(b->out.ctx, target, bytes, cookie);
	buf_fini(command);
}

void propose_cluster(struct broker *b, const struct wire_type *type,
		     const void *command, proposed_fn *done, void *ctx)
{
	struct cluster_origin origin = { b->wall_ms, prng_next(&b->prng) };
	struct buf bytes = { 0 };

	cluster_command(&bytes, b->cluster, origin, type, command);
	propose(b, QUORUM_TO_CLUSTER, &bytes, remember(b, done, ctx));
}

void propose_coord(struct broker *b, const struct wire_type *type,
		   const void *command, proposed_fn *done, void *ctx)
{
	struct buf bytes = { 0 };

	coord_command(&bytes, b->wall_ms, type, command);
	propose(b, QUORUM_TO_COORD, &bytes, remember(b, done, ctx));
}

static void end(struct broker *b, uint64_t cookie, const struct proposed *p)
{
	struct waiting *w =
		map_remove_i64(&b->proposals->waiting, (int64_t)cookie);

	if (w && w->done)
		w->done(b, w->ctx, p);
	mem_free(w);
}

void proposals_applied(struct broker *b, uint64_t cookie,
		       const struct cluster_effects *ce,
		       const struct coord_effects *oe)
{
	struct proposed p = { 0, ce, oe };

	end(b, cookie, &p);
}

void proposals_dropped(struct broker *b, uint64_t cookie,
		       bool may_still_commit)
{
	struct proposed p = { may_still_commit ? -ECANCELED : -EAGAIN, NULL,
			      NULL };

	end(b, cookie, &p);
}

/* What is asked for meanwhile stays: nobody is left who could mind. */
void proposals_stop(struct broker *b)
{
	for (size_t n = map_count(&b->proposals->waiting); n > 0; n--) {
		struct map_iter i = map_first(&b->proposals->waiting);

		if (i.at)
			proposals_dropped(b, get_be64(i.key), true);
	}
}
