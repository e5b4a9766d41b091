/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halt: a node that is told to stop, as host/stop.c does it in the daemon:
 * drain, hand over, close; and that nothing of it is left in memory then.
 */
#include "parts.h"

#define DRAIN_MS 3000
#define HAND_OVER_MS 2000

/* ---- a clean stop: drain, hand over, close ------------------------------- */

void node_close(struct node *n)
{
	if (n->state == NODE_CLOSING)
		return;
	n->state = NODE_CLOSING;
	broker_stop(n->threads[0].broker);
	net_close_conns(n);
	for (int i = 1; i <= n->info.shards; i++) {
		broker_stop(n->threads[i].broker);
		n->threads[i].stopping = true;
		node_wake_soon(&n->threads[i], 50);
	}
}

static bool are_idle(const struct node *n)
{
	if (n->jobs_out || !list_empty(&n->threads[0].letters))
		return false;
	for (int i = 1; i <= n->info.shards; i++)
		if (!list_empty(&n->threads[i].letters) ||
		    !list_empty(&n->threads[i].answers) ||
		    !broker_is_idle(n->threads[i].broker))
			return false;
	return true;
}

/* Of those whose thread has ended before. */
static void drop_answers(struct sim_thread *t)
{
	struct list *l;

	while ((l = list_pop(&t->answers)))
		request_free(list_entry(l, struct request, link));
}

/* To threads that have ended: it is kept, as in host/mailbox.h. */
static bool has_mail(const struct node *n)
{
	for (int i = 0; i <= n->info.shards; i++)
		if (!list_empty(&n->threads[i].letters))
			return true;
	return false;
}

/* Thread 0 ends last and takes the process with it. */
static void finish(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;
	int rc = 0;

	if (!alive)
		return;
	if (!are_idle(n)) { /* the quorum went on meanwhile */
		plan(w, w->now_us + 200, n->id, TAG_CLOSE, finish, n);
		return;
	}
	for (int i = n->info.shards; i >= 0; i--) {
		int r;

		if (i == 0) {
			net_close_links(n);
			broker_stop(n->threads[0].broker);
			quorum_stop(n->quorum);
		}
		r = broker_close(n->threads[i].broker);
		n->threads[i].broker = NULL;
		rc = rc < 0 ? rc : r;
	}
	if (rc < 0 && !n->failed && !n->damaged)
		world_violation(w, "node %d did not close: %s", n->id,
				strerror(-rc));
	quorum_close(n->quorum);
	n->quorum = NULL;
	for (int i = 0; i <= n->info.shards; i++)
		drop_answers(&n->threads[i]);
	if (estate_bytes(n->id) && !n->failed && !has_mail(n))
		world_violation(w, "node %d stopped, and %zu bytes were not "
				"freed", n->id, estate_bytes(n->id));
	node_leave(n, DEATH_STOP);
}

void node_look_after_stop(struct sim_thread *t)
{
	struct node *n = t->node;

	if (n->state != NODE_CLOSING || t->idle || !are_idle(n)) {
		if (n->state == NODE_CLOSING && !t->idle && t->index > 0)
			node_wake_soon(t, 1000);
		return;
	}
	for (int i = 0; i <= n->info.shards; i++)
		n->threads[i].idle = true;
	plan(n->w, n->w->now_us + 50, n->id, TAG_CLOSE, finish, n);
}

static void hand_over_late(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;

	(void)w;
	if (alive && n->state == NODE_HANDING_OVER)
		node_close(n);
}

static void on_drained(void *ctx)
{
	struct node *n = ctx;

	if (n->state != NODE_DRAINING)
		return;
	n->state = NODE_HANDING_OVER;
	if (quorum_role(n->quorum) != QUORUM_LEADER ||
	    quorum_transfer(n->quorum, -1) < 0) {
		node_close(n);
		return;
	}
	node_wake_soon(&n->threads[0], 10);
	plan(n->w, n->w->now_us + HAND_OVER_MS * 1000, n->id, TAG_CLOSE,
	     hand_over_late, n);
}

static void begin_stop(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;

	(void)w;
	if (!alive || n->state != NODE_UP)
		return;
	if (!n->ready) {
		node_close(n);
		return;
	}
	n->state = NODE_DRAINING;
	node_set_time(&n->threads[0]);
	broker_drain(n->threads[0].broker, node_ms(n) + DRAIN_MS, on_drained,
		     n);
	node_wake_soon(&n->threads[0], 10);
}

void world_end(struct world *w, int node, enum world_death how)
{
	struct node *n = node_of(w, node);

	if (n->state == NODE_DOWN)
		return;
	if (how == DEATH_STOP) {
		w->counts.stops++;
		world_note(w, "node %d is told to stop", node);
		plan(w, w->now_us, node, TAG_CLOSE, begin_stop, n);
		return;
	}
	w->counts.kills += how == DEATH_KILL;
	w->counts.power_cuts += how == DEATH_POWER;
	node_die(n, how);
}
