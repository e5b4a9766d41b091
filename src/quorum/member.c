/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member: who belongs to the quorum. One change at a time, each of one
 * server, each a RAFT_CHANGE entry; what may be changed when is guard.c's
 * (T3, T4, T6).
 */
#include "core.h"

#define PROMOTE_SLACK 1024 /* entries a new voter may still lack */

static const struct raft_server *find(const struct quorum *q, int32_t id)
{
	const struct raft_configuration *c = &q->raft.configuration;

	for (unsigned i = 0; i < c->n; i++)
		if (c->servers[i].id == raft_id_of(id))
			return &c->servers[i];
	return NULL;
}

static int voters(const struct quorum *q)
{
	const struct raft_configuration *c = &q->raft.configuration;
	int n = 0;

	for (unsigned i = 0; i < c->n; i++)
		n += c->servers[i].role == RAFT_VOTER;
	return n;
}

static bool answers_and_votes(const struct quorum *q, raft_id id)
{
	int32_t node = node_of(id);

	return member_answers(q, node) && member_find(q, node)->votes;
}

/* By a majority of the voters after it, newcomers apart: where all stop before
 * it is committed, nobody could be elected any more without them. */
static bool is_carried(const struct quorum *q, const struct quorum_change *x)
{
	const struct raft_configuration *c = &q->raft.configuration;
	int n = 0, with = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct raft_server *s = &c->servers[i];
		bool it = s->id == raft_id_of(x->id);

		if ((it && x->kind == QUORUM_REMOVE) ||
		    (s->role != RAFT_VOTER &&
		     !(it && x->kind == QUORUM_PROMOTE)))
			continue;
		n++;
		with += s->id == q->raft.id || answers_and_votes(q, s->id);
	}
	return with > n / 2;
}

/* 0, or why this change cannot be made at all, or not now. */
static int fault(struct quorum *q, const struct quorum_change *x)
{
	const struct raft_server *s = find(q, x->id);
	struct guard_change g = { .own_term_committed = q->own_term_applied,
				  .voters_before = voters(q) };
	int after = g.voters_before;

	if (x->id < 0 || x->id == INT32_MAX)
		return -EINVAL;
	if (x->kind == QUORUM_ADD && s)
		return -EEXIST;
	if (x->kind == QUORUM_ADD && (!x->address || !*x->address ||
				   strlen(x->address) > QUORUM_ADDRESS_MAX ||
				   q->raft.configuration.n >=
					   QUORUM_MEMBERS_MAX))
		return -EINVAL;
	if (x->kind != QUORUM_ADD && !s)
		return -ENOENT;
	if (x->kind == QUORUM_PROMOTE && s->role == RAFT_VOTER)
		return -EEXIST;
	if (x->kind == QUORUM_REMOVE && x->id == q->id)
		return -EINVAL;
	if (x->kind == QUORUM_PROMOTE)
		after++;
	if (x->kind == QUORUM_REMOVE && s->role == RAFT_VOTER)
		after--;
	g.voters_after = after;
	if (guard_change_fault(&q->raft, &g))
		return guard_change_fault(&q->raft, &g);
	if (x->kind == QUORUM_PROMOTE &&
	    !guard_is_up_to_date(&q->raft, raft_id_of(x->id), PROMOTE_SLACK))
		return -EAGAIN;
	return x->kind == QUORUM_ADD || is_carried(q, x) ? 0 : -EAGAIN;
}

/* The configuration after the change; the order of servers is kept. */
static int build(struct quorum *q, const struct quorum_change *x,
		 struct raft_configuration *out)
{
	const struct raft_configuration *c = &q->raft.configuration;
	int rc = 0;

	raft_configuration_init(out);
	for (unsigned i = 0; i < c->n && !rc; i++) {
		const struct raft_server *s = &c->servers[i];
		bool it = s->id == raft_id_of(x->id);

		if (it && x->kind == QUORUM_REMOVE)
			continue;
		rc = raft_configuration_add(out, s->id, s->address,
					    it ? RAFT_VOTER : s->role);
	}
	if (!rc && x->kind == QUORUM_ADD)
		rc = raft_configuration_add(out, raft_id_of(x->id),
					    x->address, RAFT_STANDBY);
	return rc ? -EEXIST : 0; /* the address is another member's */
}

static int submit(struct quorum *q, const struct quorum_change *x)
{
	struct raft_configuration c;
	struct raft_entry e = { .type = RAFT_CHANGE };
	int64_t index;
	int rc = build(q, x, &c);

	if (!rc && raft_configuration_encode(&c, &e.buf))
		fatal("out of memory");
	raft_configuration_close(&c);
	if (rc)
		return rc;
	index = tail_next(&q->tail);
	/* before the step: a sole voter may apply within it */
	q->change.index = index;
	rc = step_submit(q, &e, 1);
	raft_free(e.buf.base);
	return rc ? -EBUSY : 0;
}

void quorum_change(struct quorum *q, const struct quorum_change *x)
{
	int rc;

	assert(!q->stepping && !q->applying);
	if (q->role != QUORUM_LEADER) {
		x->done(x->ctx, -EPERM);
		return;
	}
	rc = q->change.active ? -EBUSY : fault(q, x);
	if (!rc) {
		q->change.done = x->done;
		q->change.ctx = x->ctx;
		q->change.active = true;
		rc = submit(q, x);
		if (rc)
			q->change.active = false;
	}
	if (rc)
		x->done(x->ctx, rc);
	else
		trace_info("quorum", "members change", "node=%d kind=%d",
			   x->id, (int)x->kind);
}

static void finish(struct quorum *q, int error)
{
	if (!q->change.active)
		return;
	q->change.active = false;
	q->change.done(q->change.ctx, error);
}

void member_applied(struct quorum *q, int64_t index)
{
	if (q->change.active && index == q->change.index)
		finish(q, 0);
}

void member_lost(struct quorum *q)
{
	finish(q, -ECANCELED);
}

/* ---- when was it heard --------------------------------------------------- */

struct heard *member_find(const struct quorum *q, int32_t node)
{
	for (int i = 0; i < q->heard_n; i++)
		if (q->heard[i].node == node)
			return (struct heard *)&q->heard[i];
	return NULL;
}

bool member_answers(const struct quorum *q, int32_t node)
{
	const struct heard *h = member_find(q, node);

	return h && q->now_ms - h->at_ms < q->election_timeout_ms;
}

void member_heard(struct quorum *q, int32_t node)
{
	struct heard *h = member_find(q, node);

	if (!h && q->heard_n < QUORUM_MEMBERS_MAX) {
		h = &q->heard[q->heard_n++];
		*h = (struct heard){ .node = node };
	}
	if (h)
		h->at_ms = q->now_ms;
}

void member_votes(struct quorum *q, int32_t node, bool votes)
{
	struct heard *h = member_find(q, node);

	if (h)
		h->votes = votes;
}

void member_lacks(struct quorum *q, int32_t node, bool lacks)
{
	struct heard *h = member_find(q, node);

	if (!h)
		return;
	h->lacking = lacks ? h->lacking + 1 : 0;
	if (lacks)
		newcomer_lacks(q, node, h->lacking);
}

int quorum_members_n(const struct quorum *q)
{
	return (int)q->raft.configuration.n;
}

bool quorum_is_led(const struct quorum *q, int64_t within_ms)
{
	const struct heard *h = member_find(q, q->leader);

	return q->leader == q->id ||
	       (h && h->at_ms >= 0 && q->now_ms - h->at_ms < within_ms);
}

struct quorum_member quorum_member_at(const struct quorum *q, int i)
{
	const struct raft_server *s = &q->raft.configuration.servers[i];
	struct quorum_member m = { .id = node_of(s->id),
				   .address = s->address,
				   .voter = s->role == RAFT_VOTER,
				   .match_index = -1,
				   .last_heard_ms = -1 };
	const struct heard *h = member_find(q, m.id);
	raft_index match;

	assert(i >= 0 && i < quorum_members_n(q));
	if (raft_match_index(&q->raft, s->id, &match) == 0)
		m.match_index = (int64_t)match;
	if (m.id == q->id)
		m.last_heard_ms = q->now_ms;
	else if (h)
		m.last_heard_ms = h->at_ms;
	return m;
}
