/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: committed entries into the state machine, and snapshots of it. A
 * snapshot is encoded here and now, since the state goes on changing; what is
 * slow about it (checksum, write, sync) is a job beside the others.
 */
#include "core.h"

static void apply_change(struct quorum *q, const struct entry *e)
{
	q->conf.n = 0;
	buf_put(&q->conf, e->data, (size_t)e->n);
	q->conf_index = e->index;
	step_committed_conf(q, e->index);
	member_applied(q, e->index);
}

static void apply_command(struct quorum *q, const struct entry *e)
{
	bool is_check = e->n && e->data[0] == FSM_CHECK;
	struct quorum_applied a;
	bool tells = fsm_apply(&q->fsm, e, &a);

	a.cookie = quorum_cookie(q, e);
	if (tells)
		q->hooks.applied(q->hooks.ctx, &a);
	if (!is_check)
		return;
	q->hash_index = e->index;
	q->expectation.n = 0;
	if (q->role == QUORUM_LEADER && e->term == q->term)
		fsm_expectation(&q->fsm, e->index, &q->expectation);
}

static void apply_one(struct quorum *q, const struct entry *e)
{
	if (q->role == QUORUM_LEADER && e->term == q->term)
		q->own_term_applied = true;
	switch (e->type) {
	case RAFT_COMMAND:
		apply_command(q, e);
		break;
	case RAFT_CHANGE:
		apply_change(q, e);
		break;
	case RAFT_BARRIER:
		break;
	default:
		fatal("quorum: entry %" PRId64 " is of unknown type %u",
		      e->index, e->type);
	}
	read_answer(q);
}

/* ---- taking a snapshot --------------------------------------------------- */

struct take {
	struct work work;
	struct buf image;
	struct snapshot s; /* conf is a copy, data unused */
};

static int take_run(struct work *w)
{
	struct take *t = container_of(w, struct take, work);

	snapshot_end(&t->image);
	return snapshot_write(w->q->disk, &t->image, t->s.index,
			      "quorum/taken.new");
}

/* How many entries below the snapshot stay, for followers that lag. */
static unsigned trailing(const struct quorum *q, int64_t index)
{
	int64_t bytes = 0;
	int64_t n = 0;

	while (n < q->trailing_entries && bytes <= q->trailing_bytes) {
		const struct entry *e = tail_get(&q->tail, index - n);

		if (!e)
			break;
		bytes += e->n;
		n++;
	}
	return (unsigned)n;
}

static void taken(struct quorum *q, const struct snapshot *s)
{
	unsigned keep = trailing(q, s->index);

	step_taken(q, s, keep);
	q->snapshot_index = s->index;
	q->snapshot_term = s->term;
	tail_trim(&q->tail, s->index - keep);
	trace_info("quorum", "snapshot taken", "index=%" PRId64, s->index);
	write_trim(q, s->index - keep);
}

static void take_done(struct work *w)
{
	struct take *t = container_of(w, struct take, work);
	struct quorum *q = w->q;

	q->taking = false;
	if (w->rc == -ENOSPC) {
		trace_warn("quorum", "no room for a snapshot", "bytes=%zu",
			   t->image.n);
		q->take_after_ms = q->now_ms + 10000;
		return;
	}
	if (w->rc)
		fatal("quorum: cannot write a snapshot: %s; what is on disk is "
		      "unknown, so this node stops", strerror(-w->rc));
	/* one from the leader overtook it */
	if (q->installing || t->s.index <= q->snapshot_index)
		return;
	taken(q, &t->s);
}

static void take_drop(struct work *w)
{
	struct take *t = container_of(w, struct take, work);

	buf_fini(&t->image);
	mem_free((void *)t->s.conf.p);
	mem_free(t);
}

static void take(struct quorum *q)
{
	struct take *t = mem_zalloc(sizeof(*t));

	t->s.index = q->applied;
	t->s.term = step_term_at(q, q->applied);
	t->s.conf_index = q->conf_index;
	t->s.conf = (struct bytes){ mem_dup(q->conf.p, q->conf.n),
				    (int32_t)q->conf.n };
	assert(t->s.term && t->s.conf_index);
	snapshot_begin(&t->image, &t->s);
	fsm_encode(&q->fsm, &t->image);
	q->taking = true;
	q->bytes_since_snapshot = 0;
	t->work.run = take_run;
	t->work.done = take_done;
	t->work.drop = take_drop;
	write_give(q, &t->work);
}

static void maybe_take(struct quorum *q)
{
	int64_t entries = q->applied - q->snapshot_index;

	if (q->installing || q->taking || entries <= 0 ||
	    q->now_ms < q->take_after_ms)
		return;
	if (entries >= q->snapshot_entries ||
	    q->bytes_since_snapshot >= q->snapshot_bytes)
		take(q);
}

/* ---- both ---------------------------------------------------------------- */

void apply_committed(struct quorum *q)
{
	if (q->applying)
		return;
	q->applying = true;
	while (!q->installing) {
		int64_t end = min_of((int64_t)raft_commit_index(&q->raft),
				     (int64_t)q->raft.last_stored);
		const struct entry *e;

		if (q->applied >= end)
			break;
		e = tail_get(&q->tail, q->applied + 1);
		assert(e);
		q->applied++;
		apply_one(q, e);
	}
	q->applying = false;
	maybe_take(q);
}

/* One from the leader has been installed: it replaces everything. */
void apply_snapshot(struct quorum *q, const struct snapshot *s,
		    struct fsm_image *image)
{
	fsm_replace(&q->fsm, image);
	q->applied = s->index;
	q->snapshot_index = s->index;
	q->snapshot_term = s->term;
	q->bytes_since_snapshot = 0;
	q->conf.n = 0;
	buf_put(&q->conf, s->conf.p, (size_t)s->conf.n);
	q->conf_index = s->conf_index;
	q->installing = false;
	q->hooks.restored(q->hooks.ctx);
	step_installed(q, s);
	write_trim(q, s->index);
}
