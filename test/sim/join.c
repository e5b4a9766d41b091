/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: a node that is no founder becomes a member, as host/join.c does it in
 * the daemon: it asks any founder, is sent on to the quorum's leader, and asks
 * again until it is ready, unless a leader speaks to it as to a member.
 */
#include <stdio.h>

#include "conn.h"

#define RETRY_US 500000
#define SETTLE_MS 2000

/* ---- the leader's side --------------------------------------------------- */

static void on_changed(void *ctx, int error)
{
	struct node *n = ctx;

	world_note(n->w, "node %d has let a node join: %s", n->id,
		   error ? strerror(-error) : "welcome");
}

static void let_join(struct world *w, void *ctx, bool alive)
{
	struct node *n = w->running;
	int id = (int)(intptr_t)ctx;
	char address[24];

	if (!alive || n->state != NODE_UP ||
	    quorum_role(n->quorum) != QUORUM_LEADER)
		return;
	snprintf(address, sizeof(address), "peer%d:7000", id);
	node_set_time(&n->threads[0]);
	quorum_change(n->quorum, &(struct quorum_change){
		.kind = QUORUM_ADD, .id = id, .address = address,
		.done = on_changed, .ctx = n });
	node_wake_soon(&n->threads[0], 10);
}

/* ---- the side of the one that comes -------------------------------------- */

static bool can_ask(const struct node *n, const struct node *other)
{
	return net_is_open(n->w, n->id, other->id) &&
	       net_is_open(n->w, other->id, n->id) && node_listens(other);
}

static void ask(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx, *by;
	int32_t leader;

	if (!alive || n->state != NODE_UP || n->ready)
		return;
	plan_on(&n->threads[0], w->now_us + RETRY_US, TAG_JOIN, ask, n);
	if (quorum_is_led(n->quorum, SETTLE_MS))
		return;
	by = node_of(w, 1 + (int)world_below(w, node_founders(w)));
	leader = can_ask(n, by) ? quorum_leader(by->quorum) : -1;
	if (leader < 1 || leader == n->id || !can_ask(n, node_of(w, leader)))
		return;
	plan_on(&node_of(w, leader)->threads[0], w->now_us + 500, TAG_JOIN,
		let_join, (void *)(intptr_t)n->id);
}

void node_join(struct node *n)
{
	if (n->id > node_founders(n->w))
		ask(n->w, n, true);
}
