/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: how a thread of a node asks another node: what host/link.c promises
 * (its states, pauses and errors), on the connections of the world.
 *
 *	idle --> dialling --> up
 *	  ^         |          |
 *	  +-- pause +----------+
 */
#include "conn.h"

#define DIAL_US 2000000
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 200

enum link_state { LINK_IDLE, LINK_DIALLING, LINK_UP, LINK_PAUSE };
struct link { /* the world's memory, with the node's asks in it */
	struct list link; /* node->links */
	struct sim_thread *t;
	int peer;
	enum ask_link kind;
	enum link_state state;
	struct list queued, sent;
	struct conn *conn;
	int64_t pause_ms;
	bool closed; /* a clean stop: nothing is asked any more */
};

static void dial(struct link *l);

/* Asks leave one by one: done() may end the node. */
static void fail(struct list *asks, int error)
{
	struct list *at;

	while ((at = list_pop(asks))) {
		struct ask *a = list_entry(at, struct ask, link);

		a->done(a, NULL, error);
	}
}

static void on_retry(struct world *w, void *ctx, bool alive)
{
	struct link *l = ctx;

	(void)w;
	if (!alive || l->state != LINK_PAUSE)
		return;
	node_set_time(l->t);
	l->state = LINK_IDLE;
	if (!list_empty(&l->queued) && !l->closed)
		dial(l);
}

static void hang_up(struct link *l)
{
	if (!l->conn)
		return;
	l->conn->link = NULL;
	conn_leave(l->conn);
	l->conn = NULL;
}

static void reset(struct link *l, int error)
{
	struct world *w = l->t->node->w;
	bool was_up = l->state == LINK_UP;

	hang_up(l);
	l->state = LINK_PAUSE;
	if (was_up)
		l->pause_ms = PAUSE_MIN_MS;
	plan_on(l->t, w->now_us + l->pause_ms * 1000, TAG_RETRY, on_retry, l);
	l->pause_ms = min_of(l->pause_ms * 2, (int64_t)PAUSE_MAX_MS);
	node_set_time(l->t);
	fail(&l->sent, error);
	if (!was_up)
		fail(&l->queued, error);
	node_wake(l->t, w->now_us + 5);
}

void link_broken(struct link *l)
{
	l->conn = NULL;
	reset(l, -ECONNRESET);
}

void link_answered(struct link *l, struct reader *r)
{
	struct list *first = list_pop(&l->sent);
	struct ask *a;

	if (!first)
		return;
	a = list_entry(first, struct ask, link);
	node_set_time(l->t);
	a->done(a, r, 0);
	node_wake(l->t, l->t->node->w->now_us + 5);
}

static void send_all(struct link *l)
{
	struct list *at;

	while ((at = list_pop(&l->queued))) {
		struct ask *a = list_entry(at, struct ask, link);

		list_push(&l->sent, at);
		conn_send(l->conn, a->frame.p, a->frame.n);
	}
}

/* ---- dialling ------------------------------------------------------------ */

static void on_dialled(struct world *w, void *ctx, bool alive)
{
	struct link *l = ctx;
	struct node *to;
	int thread = 0;

	if (!alive || l->state != LINK_DIALLING)
		return;
	to = node_of(w, l->peer);
	if (!net_is_open(w, l->t->node->id, l->peer)) {
		reset(l, -ETIMEDOUT);
		return;
	}
	if (!node_listens(to)) {
		reset(l, -ECONNREFUSED);
		return;
	}
	if (to->paused_until_us > w->now_us) {
		reset(l, -ETIMEDOUT);
		return;
	}
	if (l->kind == ASK_DATA)
		thread = (max_of(l->t->index, 1) - 1) % to->info.shards + 1;
	l->conn = conn_new(w, l->t->node->id, l->peer, thread);
	l->conn->link = l;
	l->conn->dialler = l->t;
	l->conn->of_peer = true;
	l->state = LINK_UP;
	l->pause_ms = PAUSE_MIN_MS;
	send_all(l);
}

/* A greeting waits for a node that stands still; a closed way answers none. */
static void dial(struct link *l)
{
	struct world *w = l->t->node->w;
	const struct node *to = node_of(w, l->peer);
	int64_t us = 2 * w->net.delay_us + world_below(w, w->net.jitter_us + 1);

	l->state = LINK_DIALLING;
	if (!net_is_open(w, l->t->node->id, l->peer))
		us = DIAL_US;
	else if (to->paused_until_us > w->now_us)
		us = min_of(to->paused_until_us - w->now_us + us,
			    (int64_t)DIAL_US);
	plan_on(l->t, w->now_us + us, TAG_DIAL, on_dialled, l);
}

/* ---- asking -------------------------------------------------------------- */

static bool take_late(struct list *from, struct list *late, int64_t now_ms)
{
	bool any = false;

	list_each (i, from, safe)
		if (list_entry(i, struct ask, link)->deadline_ms <= now_ms) {
			list_remove(i);
			list_push(late, i);
			any = true;
		}
	return any;
}

static void on_expiry(struct world *w, void *ctx, bool alive)
{
	struct link *l = ctx;
	struct list late;
	bool stuck;

	if (!alive)
		return;
	list_init(&late);
	node_set_time(l->t);
	stuck = take_late(&l->sent, &late, node_ms(l->t->node));
	take_late(&l->queued, &late, node_ms(l->t->node));
	if (stuck)
		reset(l, -ECONNRESET);
	fail(&late, -ETIMEDOUT);
	node_wake(l->t, w->now_us + 5);
}

static struct link *open_link(struct sim_thread *t, int peer,
			      enum ask_link kind)
{
	struct node *n = t->node;
	struct link *l;
	int owner;

	list_each (i, &n->links, safe) {
		l = list_entry(i, struct link, link);
		if (l->t == t && l->peer == peer && l->kind == kind)
			return l;
	}
	owner = estate_enter(0);
	l = mem_zalloc(sizeof(*l));
	l->t = t;
	l->peer = peer;
	l->kind = kind;
	l->pause_ms = PAUSE_MIN_MS;
	list_init(&l->queued);
	list_init(&l->sent);
	list_push(&n->links, &l->link);
	estate_enter(owner);
	return l;
}

static void refuse(struct world *w, void *ctx, bool alive)
{
	struct ask *a = ctx;

	(void)w;
	if (alive)
		a->done(a, NULL, -ECANCELED);
}

void net_ask(struct sim_thread *t, struct ask *a)
{
	struct world *w = t->node->w;
	struct link *l = open_link(t, a->node, a->kind);

	if (l->closed || t->stopping) {
		plan_on(t, w->now_us + 1, TAG_RETRY, refuse, a);
		return;
	}
	list_push(&l->queued, &a->link);
	plan_on(t, node_us(t->node, a->deadline_ms), TAG_EXPIRY, on_expiry, l);
	if (l->state == LINK_UP)
		send_all(l);
	else if (l->state == LINK_IDLE)
		dial(l);
}

/* ---- ends ---------------------------------------------------------------- */

void links_forget(struct node *n)
{
	struct list *at;

	while ((at = list_pop(&n->links)))
		mem_free(list_entry(at, struct link, link));
}

void links_cancel(struct node *n, bool thread_0)
{
	list_each (i, &n->links, safe) {
		struct link *l = list_entry(i, struct link, link);

		if ((l->t->index == 0) != thread_0)
			continue;
		l->closed = true;
		hang_up(l);
		l->state = LINK_IDLE;
		fail(&l->sent, -ECANCELED);
		fail(&l->queued, -ECANCELED);
	}
}
