/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: how the shards' copies of the cluster keep up with the quorum's.
 * Thread 0 tells every shard each committed command, and the whole state when
 * there is none to build on; each shard applies them to its own copy
 * (cluster_apply is deterministic, so the copies are equal).
 *
 * Not here: what a shard does about a change; that is shard.c.
 *
 * 1. A shard hears commands in the order of the log, after the snapshot they
 *    build on: letters keep their order.
 */
#include "inside.h"
#include "shard.h"

struct relayed {
	struct letter letter;
	int64_t index;
	int64_t lease_until_ms;
	int32_t quorum_leader;
	int32_t n;
	uint8_t bytes[];
};

static void tell_shards(struct broker *b, void (*deliver)(struct broker *to,
							  struct letter *l),
			const struct relayed *like, struct bytes bytes)
{
	size_t n = bytes.n > 0 ? (size_t)bytes.n : 0;

	for (int i = 1; i <= b->node->shards; i++) {
		struct relayed *m = mem_alloc(sizeof(*m) + n);

		*m = *like;
		list_init(&m->letter.link);
		m->letter.deliver = deliver;
		m->n = (int32_t)n;
		if (n)
			memcpy(m->bytes, bytes.p, n);
		b->out.tell(b->out.ctx, i, &m->letter);
	}
}

static void deliver_command(struct broker *b, struct letter *l)
{
	struct relayed *m = list_entry(l, struct relayed, letter);
	struct cluster_effects e = { .arena = &b->scratch };

	assert(b->copy);
	cluster_apply(b->copy, m->index, (struct bytes){ m->bytes, m->n }, &e);
	shard_applied(b, &e);
	spread_caught_up(b);
	arena_reset(&b->scratch);
	mem_free(m);
}

void relay_command(struct broker *b, int64_t index, struct bytes command)
{
	tell_shards(b, deliver_command, &(struct relayed){ .index = index },
		    command);
}

static void deliver_snapshot(struct broker *b, struct letter *l)
{
	struct relayed *m = list_entry(l, struct relayed, letter);
	struct cluster *before = b->copy;

	b->copy = cluster_decode((struct bytes){ m->bytes, m->n });
	if (!b->copy)
		fatal("a snapshot of the cluster from thread 0 is damaged");
	b->cluster = b->copy;
	shard_restored(b);
	spread_caught_up(b);
	cluster_free(before);
	mem_free(m);
}

void relay_snapshot(struct broker *b)
{
	struct buf state = { 0 };

	cluster_encode(b->cluster, &state);
	tell_shards(b, deliver_snapshot, &(struct relayed){ .index = 0 },
		    (struct bytes){ state.p, (int32_t)state.n });
	buf_fini(&state);
}

static void deliver_standing(struct broker *b, struct letter *l)
{
	struct relayed *m = list_entry(l, struct relayed, letter);

	b->lease_until_ms = m->lease_until_ms;
	b->quorum_leader = m->quorum_leader;
	mem_free(m);
}

void relay_standing(struct broker *b, int64_t lease_until_ms,
		    int32_t quorum_leader)
{
	b->lease_until_ms = lease_until_ms;
	b->quorum_leader = quorum_leader;
	tell_shards(b, deliver_standing,
		    &(struct relayed){ .lease_until_ms = lease_until_ms,
				       .quorum_leader = quorum_leader },
		    BYTES_NULL);
}
