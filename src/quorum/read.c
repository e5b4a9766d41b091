/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read: reads that must not be stale, without an entry in the log (Ongaro's
 * dissertation, 6.4: read index). All reads of a turn share a round: the
 * leader notes its commit index and asks the voters whether they are still in
 * its term. A majority that says so has elected nobody else before it was
 * asked, so nothing was acknowledged elsewhere; and once an entry of the own
 * term is committed, the commit index covers what earlier leaders did.
 *
 * 1. One round is under way at a time; reads that come meanwhile share the
 *    next one.
 * 2. A read is answered when its round is confirmed and its index applied.
 * 3. All are refused when leadership ends.
 */
#include "core.h"

void quorum_read(struct quorum *q, void (*done)(void *ctx, bool ok), void *ctx)
{
	if (q->role != QUORUM_LEADER || q->transfer_until_ms)
		done(ctx, false);
	else
		waitings_push(&q->reads,
			      (struct waiting){ .done = done, .ctx = ctx });
}

void read_refuse_all(struct quorum *q)
{
	while (q->reads.n) {
		struct waiting x = waitings_pop(&q->reads);

		x.done(x.ctx, false);
	}
	q->round.reads = 0;
	q->round.open = false;
}

/* Those of the confirmed round that have been applied; called after apply. */
void read_answer(struct quorum *q)
{
	if (q->round.open || q->round.index > q->applied)
		return;
	while (q->round.reads) {
		struct waiting x = waitings_pop(&q->reads);

		q->round.reads--;
		x.done(x.ctx, true);
	}
}

static void ask_voters(struct quorum *q)
{
	const struct raft_configuration *c = &q->raft.configuration;

	q->round.sent_ms = q->now_ms;
	for (unsigned i = 0; i < c->n; i++) {
		struct message m = { .type = MESSAGE_PROBE };

		if (c->servers[i].role != RAFT_VOTER ||
		    c->servers[i].id == q->raft.id)
			continue;
		m.probe = (struct message_probe){ q->term, q->round.serial };
		step_send(q, &m, node_of(c->servers[i].id), false);
	}
}

static bool has_answered(const struct quorum *q, int32_t node)
{
	for (int i = 0; i < q->round.answers_n; i++)
		if (q->round.answers[i] == node)
			return true;
	return false;
}

/* Counted among the voters of this moment. */
static void count(struct quorum *q)
{
	const struct raft_configuration *c = &q->raft.configuration;
	unsigned voters = 0, yes = 0;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->servers[i].role != RAFT_VOTER)
			continue;
		voters++;
		yes += c->servers[i].id == q->raft.id ||
		       has_answered(q, node_of(c->servers[i].id));
	}
	if (yes <= voters / 2)
		return;
	q->round.open = false;
	read_answer(q);
}

/* At the end of a turn: the next round, if there are reads and none is out. */
void read_begin(struct quorum *q)
{
	if (!read_waits(q) || !q->own_term_applied)
		return;
	q->round.serial++;
	q->round.index = quorum_commit_index(q);
	q->round.reads = q->reads.n;
	q->round.answers_n = 0;
	q->round.open = true;
	ask_voters(q);
	count(q); /* a sole voter is its own majority */
}

bool read_waits(const struct quorum *q)
{
	return q->role == QUORUM_LEADER && q->reads.n && !q->round.reads;
}

void read_tick(struct quorum *q)
{
	if (q->role == QUORUM_LEADER && q->round.open &&
	    q->now_ms - q->round.sent_ms >= q->heartbeat_ms)
		ask_voters(q);
}

void read_probe(struct quorum *q, int32_t from, const struct message_probe *p)
{
	struct message m = { .type = MESSAGE_PROBE_RESULT, .probe = *p };

	if (p->term == raft_current_term(&q->raft))
		step_send(q, &m, from, false);
}

void read_probe_result(struct quorum *q, int32_t from,
		       const struct message_probe *p)
{
	if (q->role != QUORUM_LEADER || !q->round.open ||
	    p->term != q->term || p->serial != q->round.serial ||
	    has_answered(q, from) || q->round.answers_n == QUORUM_MEMBERS_MAX)
		return;
	q->round.answers[q->round.answers_n++] = from;
	count(q);
}
