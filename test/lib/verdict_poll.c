/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_poll: walks polls, seeks, crashes and owns in the order of the
 * history, with a position for each process and partition.
 */
#include "verdict_internal.h"

/* What one process knows of one partition. */
struct view {
	int32_t process, key; /* key -1: the process as such */
	uint32_t lives;       /* crashes of the process, when it was valid */
	uint32_t lane;        /* NONE: no position */
	int64_t next;         /* offset; -1: no position */
	uint32_t last;        /* the poll or seek that set it */
	bool owned;           /* key -1: it records what it owns */
	bool used;
	/* of the leader of epoch, -1: none */
	int32_t epoch;
	uint32_t epoch_lane;
	int64_t hw, log_start;
};

struct views {
	struct view *p;
	uint32_t n, size; /* a power of two */
};

/* ---- table --------------------------------------------------------------- */

static uint32_t place(const struct views *s, int32_t process, int32_t key)
{
	uint64_t x = ((uint64_t)(uint32_t)process << 32 | (uint32_t)key) *
		     0x9e3779b97f4a7c15U;
	uint32_t i = (uint32_t)(x >> 32) & (s->size - 1);

	while (s->p[i].used &&
	       (s->p[i].process != process || s->p[i].key != key))
		i = (i + 1) & (s->size - 1);
	return i;
}

static void grow(struct views *s)
{
	struct views old = *s;

	s->size *= 2;
	s->p = mem_zalloc(s->size * sizeof(*s->p));
	for (uint32_t i = 0; i < old.size; i++)
		if (old.p[i].used)
			s->p[place(s, old.p[i].process, old.p[i].key)] =
				old.p[i];
	mem_free(old.p);
}

/* Valid until the next call. */
static struct view *view_of(struct views *s, int32_t process, int32_t key)
{
	struct view *v;

	if (2 * s->n >= s->size)
		grow(s);
	v = &s->p[place(s, process, key)];
	if (!v->used) {
		s->n++;
		*v = (struct view){ .process = process,
				    .key = key,
				    .lane = NONE,
				    .next = -1,
				    .epoch = -1,
				    .used = true };
	}
	return v;
}

/* ---- one answer ---------------------------------------------------------- */

struct walk {
	struct judge *j;
	struct views views;
	uint32_t poll;
	const struct history_op *op;
	const struct history_answer *a;
	uint32_t lane;
	bool between; /* position before the poll counts */
};

static void nonmonotonic(struct walk *w, bool within, int64_t offset,
			 const struct view *v)
{
	struct judge *j = w->j;

	if (!told(j,
		  within ? VERDICT_INT_NONMONOTONIC_POLL :
			   VERDICT_NONMONOTONIC_POLL,
		  w->a->key))
		return;
	tell(j, "offset %" PRId64 " after position %" PRId64 ":", offset,
	     v->next);
	tell_op(j, "", w->poll);
	if (!within)
		tell_op(j, ", before that", v->last);
	told_end(j);
}

/* from: where the reader was; *at: the known at or above it. */
static void skipped(struct walk *w, bool within, int64_t offset,
		    const struct view *v, uint32_t at)
{
	struct judge *j = w->j;
	const struct known *k = &j->known[at];

	if (!told(j, within ? VERDICT_INT_POLL_SKIP : VERDICT_POLL_SKIP,
		  w->a->key))
		return;
	tell(j,
	     "from position %" PRId64 " to %" PRId64 ", past value %" PRIu64
	     " at %" PRId64 ":",
	     v->next, offset, j->h->ops[k->op].send.value, k->offset);
	tell_op(j, "", w->poll);
	if (!within && v->last != w->poll)
		tell_op(j, ", before that", v->last);
	tell_op(j, ", past", k->op);
	told_end(j);
}

static bool may_skip(const struct walk *w, bool within)
{
	return w->op->mode == HISTORY_FINAL || (!within && !w->between) ||
	       w->j->h->keys[w->a->key].properties & HISTORY_COMPACTED;
}

static void above_end(struct walk *w, const struct history_record *r)
{
	struct judge *j = w->j;
	const struct history_answer *a = w->a;
	bool stable = w->op->committed && a->stable >= 0 &&
		      (a->hw < 0 || a->stable < a->hw);
	int64_t end = stable ? a->stable : a->hw;

	if (end < 0 || r->offset < end || !told(j, VERDICT_ABOVE_END, a->key))
		return;
	tell(j,
	     "offset %" PRId64 " read, %s %" PRId64 ":", r->offset,
	     stable ? "last stable offset" : "high watermark", end);
	tell_op(j, "", w->poll);
	told_end(j);
}

/* Moves the position over the records; at follows it through the known. */
static void walk_records(struct walk *w, struct view *v)
{
	struct judge *j = w->j;
	const struct lane *l = &j->lanes[w->lane];
	uint32_t end = l->first + l->n;
	uint32_t at = v->next < 0 ? end : known_from(j, w->lane, v->next);

	for (uint32_t i = 0; i < w->a->n; i++) {
		const struct history_record *r =
			&j->h->records[w->a->first + i];
		bool within = i > 0;

		above_end(w, r);
		if (v->next >= 0 && r->offset < v->next) {
			if (within || w->between)
				nonmonotonic(w, within, r->offset, v);
			at = known_from(j, w->lane, r->offset);
		} else if (v->next < 0) {
			at = known_from(j, w->lane, r->offset);
		} else if (at < end && j->known[at].offset < r->offset) {
			int64_t gone = gone_below(j, w->lane,
						  w->op->completed_us);

			at = known_from(j, w->lane, max_of(v->next, gone));
			if (at < end && j->known[at].offset < r->offset &&
			    !may_skip(w, within))
				skipped(w, within, r->offset, v, at);
			at = known_from(j, w->lane, r->offset);
		}
		while (at < end && j->known[at].offset <= r->offset)
			at++;
		v->next = r->offset + 1;
		v->last = w->poll;
	}
}

/* ---- what else an answer tells ------------------------------------------- */

static void told_back(struct walk *w, enum verdict_error e, int64_t before,
		      int64_t now)
{
	struct judge *j = w->j;

	if (!told(j, e, w->a->key))
		return;
	tell(j, "%" PRId64 " after %" PRId64 " of leader epoch %d:", now,
	     before, w->a->epoch);
	tell_op(j, "", w->poll);
	told_end(j);
}

/* What the leader of one epoch tells one process never goes back. */
static void check_leader(struct walk *w, struct view *v)
{
	const struct history_answer *a = w->a;

	if (a->epoch < 0)
		return;
	if (v->epoch != a->epoch || v->epoch_lane != w->lane) {
		v->epoch = a->epoch;
		v->epoch_lane = w->lane;
		v->hw = a->hw;
		v->log_start = a->log_start;
		return;
	}
	if (a->hw >= 0 && a->hw < v->hw)
		told_back(w, VERDICT_HW_BACK, v->hw, a->hw);
	if (a->log_start >= 0 && a->log_start < v->log_start)
		told_back(w, VERDICT_START_BACK, v->log_start, a->log_start);
	v->hw = max_of(v->hw, a->hw);
	v->log_start = max_of(v->log_start, a->log_start);
}

static void check_start(struct walk *w)
{
	struct judge *j = w->j;
	const struct history_answer *a = w->a;
	struct life *life = &j->lives[j->lanes[w->lane].life];
	int64_t explained;

	if (a->log_start <= 0 || life->jump_told ||
	    j->h->keys[a->key].properties & HISTORY_RETENTION)
		return;
	explained = started_below(j, w->lane, w->op->completed_us);
	if (a->log_start <= explained)
		return;
	life->jump_told = true;
	if (!told(j, VERDICT_START_JUMP, a->key))
		return;
	tell(j, "log start %" PRId64 ", nothing moved it beyond %" PRId64 ":",
	     a->log_start, explained);
	tell_op(j, "", w->poll);
	told_end(j);
}

/* position: up to where the process has read now. */
static void measure(struct walk *w, int64_t position)
{
	struct judge *j = w->j;
	const struct lane *l = &j->lanes[w->lane];
	uint32_t at;
	int64_t since, lag;

	if (position < 0 || w->op->mode == HISTORY_FINAL || w->op->committed)
		return;
	at = known_from(j, w->lane, position);
	if (at == l->first + l->n)
		return;
	since = j->since_min[at];
	lag = w->op->completed_us - since;
	if (lag > j->v->lag_worst_us) {
		j->v->lag_worst_us = lag;
		j->v->lag_op = w->poll;
	}
	if (w->a->hw >= 0 && w->a->hw <= position &&
	    since < w->op->invoked_us) {
		j->v->stale++;
		j->v->stale_worst_us = max_of(j->v->stale_worst_us,
					      w->op->invoked_us - since);
	}
}

static void walk_answer(struct walk *w)
{
	struct views *s = &w->views;
	const struct view *self = view_of(s, w->op->process, -1);
	uint32_t lives = self->lives;
	bool judged = w->op->mode == HISTORY_ASSIGN ||
		      (w->op->mode == HISTORY_SUBSCRIBE && self->owned);
	struct view scan, *v = view_of(s, w->op->process, w->a->key);

	if (w->lane == NONE) {
		v->lane = NONE;
		v->next = -1;
		return;
	}
	check_leader(w, v);
	check_start(w);
	if (w->op->mode == HISTORY_FINAL) {
		/* moves nothing that its process knows */
		scan = (struct view){ .next = -1, .lane = w->lane };
		v = &scan;
	}
	if (v->lane != w->lane || v->lives != lives)
		v->next = -1;
	v->lane = w->lane;
	v->lives = lives;
	if (v->next < 0 && w->op->mode != HISTORY_FINAL) {
		v->next = w->a->from;
		v->last = w->poll;
	}
	w->between = judged;
	walk_records(w, v);
	measure(w, v->next);
}

static void walk_poll(struct walk *w)
{
	for (uint32_t i = 0; i < w->op->poll.n; i++) {
		w->a = &w->j->h->answers[w->op->poll.first + i];
		w->lane = lane_of_poll(w->j, w->poll, w->a->key);
		walk_answer(w);
	}
}

/* ---- all ----------------------------------------------------------------- */

/* next -1: anywhere */
static void set_position(struct walk *w, int64_t next)
{
	int64_t now = w->op->invoked_us;
	uint32_t lives = view_of(&w->views, w->op->process, -1)->lives;
	struct view *v = view_of(&w->views, w->op->process, w->op->key);

	v->lane = lane_at(w->j, w->op->key, now, now);
	v->lives = lives;
	v->next = v->lane == NONE ? -1 : next;
	v->last = w->poll;
}

static void walk_op(struct walk *w)
{
	if (w->op->kind == HISTORY_POLL) {
		walk_poll(w);
	} else if (w->op->kind == HISTORY_SEEK) {
		set_position(w, w->op->at.offset);
	} else if (w->op->kind == HISTORY_CRASH) {
		view_of(&w->views, w->op->process, -1)->lives++;
	} else if (w->op->kind == HISTORY_OWN) {
		view_of(&w->views, w->op->process, -1)->owned = true;
		set_position(w, -1);
	}
}

void polls_judge(struct judge *j)
{
	struct walk w = { .j = j, .views = { .size = 64 } };

	w.views.p = mem_zalloc(w.views.size * sizeof(*w.views.p));
	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		w.poll = i;
		w.op = &j->h->ops[i];
		walk_op(&w);
	}
	mem_free(w.views.p);
}
