/* SPDX-License-Identifier: Apache-2.0 */
/* node: see node.h. */
#include "node.h"

static void on_send(void *ctx, int32_t peer, struct bytes frame, bool bulk)
{
	(void)bulk;
	(void)ctx;
	must(frame.n > 0 && frame.n <= QUORUM_FRAME_MAX && peer != 1);
}

static void on_give(void *ctx, struct job *j)
{
	struct node *n = ctx;

	list_push(&n->jobs, &j->link);
}

static void on_applied(void *ctx, const struct quorum_applied *e)
{
	struct node *n = ctx;

	must(e->index > n->applied);
	n->applied = e->index;
}

static void on_dropped(void *ctx, uint64_t cookie, bool may_still_commit)
{
	(void)ctx;
	(void)may_still_commit;
	must(cookie);
}

static void on_restored(void *ctx)
{
	struct node *n = ctx;

	must(quorum_applied_index(n->q) >= n->applied);
	n->applied = quorum_applied_index(n->q);
}

static void on_role(void *ctx, enum quorum_role role, int64_t term,
		    int32_t leader)
{
	(void)ctx;
	must(role != QUORUM_LEADER || leader == 1);
	must(term >= 0);
}

int node_open(struct node *n, int peers)
{
	static char addresses[3][8] = { "a:1", "b:2", "c:3" };
	struct quorum_peer list[3];
	struct quorum_config c = {
		.id = 1,
		.peers = peers ? list : NULL,
		.peers_n = peers,
		.disk = disk_mem_disk(n->mem),
		.queue = 1,
		.seed = 7,
		.now_ms = n->now_ms,
		.snapshot_entries = 8,
		.hash_entries = 4,
		.hooks = { n, on_send, on_give, on_applied, on_dropped,
			   on_restored, on_role, NULL },
	};

	for (int i = 0; i < 3; i++)
		list[i] = (struct quorum_peer){ i + 1, addresses[i] };
	list_init(&n->jobs);
	n->q = NULL;
	return quorum_open(&n->q, &c);
}

void node_run(struct node *n)
{
	struct list *i;

	while ((i = list_pop(&n->jobs))) {
		struct job *j = list_entry(i, struct job, link);

		j->run(j);
		j->done(j);
	}
}

void node_close(struct node *n)
{
	struct list *i;

	quorum_close(n->q);
	while ((i = list_pop(&n->jobs))) {
		struct job *j = list_entry(i, struct job, link);

		j->done(j);
	}
	n->q = NULL;
}

void node_pass(struct node *n, int64_t ms)
{
	n->now_ms += ms;
	quorum_tick(n->q, n->now_ms);
	quorum_turn_end(n->q);
	node_run(n);
	quorum_turn_end(n->q);
	must(quorum_next_tick(n->q) >= 0);
	must(quorum_applied_index(n->q) <= quorum_last_index(n->q) ||
	     quorum_applied_index(n->q) == quorum_snapshot_index(n->q));
}

void node_propose(struct node *n)
{
	struct producer_ids_allocate p = { 10 };
	static uint64_t cookie;
	struct buf b = { 0 };

	coord_command(&b, n->now_ms, &producer_ids_allocate_type, &p);
	quorum_propose(n->q, QUORUM_TO_COORD,
		       (struct bytes){ b.p, (int32_t)b.n }, ++cookie);
	buf_fini(&b);
}
