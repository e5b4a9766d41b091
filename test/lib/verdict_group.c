/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_group: committed offsets and owners.
 *
 * The committed offset of a group and partition is a register: a fetch has to
 * return what some commit wrote that was not replaced for certain before the
 * fetch began. A commit C is replaced when another one was invoked after C
 * had completed and has itself completed; so with M, the latest invocation
 * among the commits that completed before the fetch, exactly those that ended
 * before M are out. A fetch that returns what a single commit wrote says
 * that this one has been effective by then, whatever its own client was told.
 *
 * A deleted topic takes its committed offsets along at some time: partitions
 * of such topics are left out.
 */
#include "verdict_internal.h"

#include <stdlib.h>

/* An operation of a group, sortable in the ways that are needed. */
struct entry {
	int32_t group, key;
	int64_t first, second; /* within group and key */
	uint32_t op;
	int64_t most; /* of a prefix */
};

struct entries {
	struct entry *p;
	uint32_t n;
};

static int same_register(const struct entry *x, const struct entry *y)
{
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int by_all(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = same_register(x, y);

	if (c)
		return c;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->second < y->second ? -1 : x->second > y->second;
}

static struct entries entries_new(const struct judge *j)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < j->h->ops_n; i++)
		n += j->h->ops[i].kind == HISTORY_COMMIT ||
		     j->h->ops[i].kind == HISTORY_FETCH ||
		     j->h->ops[i].kind == HISTORY_OWN;
	return (struct entries){ mem_alloc((n + 1) * sizeof(struct entry)), 0 };
}

static void push(struct entries *s, const struct judge *j, uint32_t op,
		 int64_t first, int64_t second)
{
	const struct history_op *o = &j->h->ops[op];

	s->p[s->n++] = (struct entry){ .group = o->at.group,
				       .key = o->key,
				       .first = first,
				       .second = second,
				       .op = op };
}

/* The last entry that is not above (group, key, first, second), or NULL. */
static const struct entry *last_up_to(const struct entries *s,
				      const struct entry *what)
{
	uint32_t low = 0, high = s->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (by_all(&s->p[mid], what) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || same_register(&s->p[low - 1], what) != 0)
		return NULL;
	return &s->p[low - 1];
}

/* ---- the register -------------------------------------------------------- */

struct registers {
	struct entries ended;  /* effective by; most: their invocation */
	struct entries values; /* offset, invoked; most: end of their effect */
};

static void sort_values(const struct judge *j, struct entries *s)
{
	qsort(s->p, s->n, sizeof(*s->p), by_all);
	for (uint32_t i = 0; i < s->n; i++) {
		struct entry *e = &s->p[i];

		e->most = effect_end(&j->h->ops[e->op]);
		if (i > 0 && same_register(e, e - 1) == 0 &&
		    e->first == e[-1].first)
			e->most = max_of(e->most, e[-1].most);
	}
}

static void sort_ended(const struct judge *j, struct entries *s)
{
	qsort(s->p, s->n, sizeof(*s->p), by_all);
	for (uint32_t i = 0; i < s->n; i++) {
		struct entry *e = &s->p[i];

		e->most = j->h->ops[e->op].invoked_us;
		if (i > 0 && same_register(e, e - 1) == 0)
			e->most = max_of(e->most, e[-1].most);
	}
}

/* A fetch tells that the only commit of its offset has been effective. */
static void attribute(struct judge *j, struct registers *r, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	struct entry value = { .group = o->at.group,
			       .key = o->key,
			       .first = o->at.offset,
			       .second = INT64_MAX };
	const struct entry *e = last_up_to(&r->values, &value);

	if (!e || e->first != value.first)
		return;
	if (e > r->values.p && same_register(e, e - 1) == 0 &&
	    e[-1].first == e->first)
		return;
	push(&r->ended, j, e->op, o->completed_us, 0);
}

static bool is_fetched(const struct history_op *o)
{
	return o->kind == HISTORY_FETCH && o->outcome == HISTORY_OK;
}

static struct registers registers_make(struct judge *j)
{
	struct registers r = { entries_new(j), entries_new(j) };

	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if (o->kind != HISTORY_COMMIT || o->outcome == HISTORY_FAIL)
			continue;
		if (o->outcome == HISTORY_OK)
			push(&r.ended, j, i, o->completed_us, 0);
		push(&r.values, j, i, o->at.offset, o->invoked_us);
	}
	sort_values(j, &r.values);
	for (uint32_t i = 0; i < j->h->ops_n; i++)
		if (is_fetched(&j->h->ops[i]))
			attribute(j, &r, i);
	sort_ended(j, &r.ended);
	return r;
}

/* written: the last commit of that offset; replaced: one since, or NULL. */
static void bad_fetch(struct judge *j, uint32_t op, const struct entry *written,
		      const struct entry *replaced)
{
	const struct history_op *o = &j->h->ops[op];

	if (!told(j,
		  written || o->at.offset < 0 ? VERDICT_COMMIT_BACK :
						VERDICT_COMMIT_PHANTOM,
		  o->key))
		return;
	tell(j, "group %s, committed offset ", j->h->groups.text[o->at.group]);
	if (o->at.offset < 0)
		tell(j, "none:");
	else
		tell(j, "%" PRId64 ":", o->at.offset);
	tell_op(j, "", op);
	if (written)
		tell_op(j, ", written by", written->op);
	if (replaced)
		tell_op(j, ", replaced by", replaced->op);
	told_end(j);
}

static void judge_fetch(struct judge *j, const struct registers *r,
			uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	struct entry before = { .group = o->at.group,
				.key = o->key,
				.first = o->invoked_us - 1 };
	struct entry value = { .group = o->at.group,
			       .key = o->key,
			       .first = o->at.offset,
			       .second = o->completed_us };
	const struct entry *ended = last_up_to(&r->ended, &before);
	const struct entry *written = last_up_to(&r->values, &value);

	if (written && written->first != o->at.offset)
		written = NULL;
	if (!written && !ended && o->at.offset < 0)
		return;
	if (!written || (ended && written->most < ended->most))
		bad_fetch(j, op, written, ended);
}

static void judge_registers(struct judge *j)
{
	struct registers r = registers_make(j);

	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if (is_fetched(o) && !has_deletions(j, o->key))
			judge_fetch(j, &r, i);
	}
	mem_free(r.ended.p);
	mem_free(r.values.p);
}

/* ---- beyond the end ------------------------------------------------------ */

static void judge_beyond(struct judge *j, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	uint32_t lane = lane_at(j, o->key, o->invoked_us, o->completed_us);
	const struct lane *l;

	/* after a cut or a deletion it may be a position from before */
	if (lane != j->lane_first[o->key])
		return;
	l = &j->lanes[lane];
	if (l->last_final == NONE || o->at.offset <= l->final_end ||
	    o->completed_us >= j->h->ops[l->last_final].invoked_us ||
	    !told(j, VERDICT_COMMIT_BEYOND, o->key))
		return;
	tell(j, "group %s, committed offset %" PRId64 ", log end %" PRId64 ":",
	     j->h->groups.text[o->at.group], o->at.offset, l->final_end);
	tell_op(j, "", op);
	tell_op(j, ", end by", l->last_final);
	told_end(j);
}

/* ---- owners -------------------------------------------------------------- */

static void judge_owners(struct judge *j)
{
	struct entries s = entries_new(j);

	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if (o->kind == HISTORY_OWN && o->at.generation >= 0)
			push(&s, j, i, o->at.generation, o->process);
	}
	qsort(s.p, s.n, sizeof(*s.p), by_all);
	for (uint32_t i = 1; i < s.n; i++) {
		const struct entry *e = &s.p[i], *before = e - 1;

		if (same_register(e, before) != 0 ||
		    e->first != before->first || e->second == before->second ||
		    !told(j, VERDICT_TWO_OWNERS, e->key))
			continue;
		tell(j, "group %s, generation %" PRId64 ":",
		     j->h->groups.text[e->group], e->first);
		tell_op(j, "", before->op);
		tell_op(j, ",", e->op);
		told_end(j);
	}
	mem_free(s.p);
}

/* The latest generation told, and the latest told to another process. */
struct latest {
	uint32_t own[2]; /* operations, NONE */
};

static void take_own(const struct history *h, struct latest *l, uint32_t op)
{
	const struct history_op *o = &h->ops[op];

	if (l->own[0] == NONE) {
		l->own[0] = op;
	} else if (h->ops[l->own[0]].process == o->process) {
		if (h->ops[l->own[0]].at.generation < o->at.generation)
			l->own[0] = op;
	} else if (h->ops[l->own[0]].at.generation < o->at.generation) {
		l->own[1] = l->own[0];
		l->own[0] = op;
	} else if (l->own[1] == NONE || h->ops[l->own[1]].at.generation <
						o->at.generation) {
		l->own[1] = op;
	}
}

static void judge_fence(struct judge *j, const struct latest *l, uint32_t op)
{
	const struct history *h = j->h;
	const struct history_op *o = &h->ops[op];
	uint32_t own = l->own[0];

	if (own != NONE && h->ops[own].process == o->process)
		own = l->own[1];
	if (own == NONE || h->ops[own].at.generation <= o->at.generation ||
	    h->ops[own].invoked_us >= o->invoked_us ||
	    !told(j, VERDICT_COMMIT_FENCED, o->key))
		return;
	tell(j, "group %s, generation %d after %d:",
	     h->groups.text[o->at.group], o->at.generation,
	     h->ops[own].at.generation);
	tell_op(j, "", op);
	tell_op(j, ", owner", own);
	told_end(j);
}

/* Sweeps each register in time; at one time commits come first. */
static void judge_fences(struct judge *j)
{
	const struct history *h = j->h;
	struct entries s = entries_new(j);
	struct latest l = { { NONE, NONE } };

	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if ((o->kind == HISTORY_OWN ||
		     (o->kind == HISTORY_COMMIT &&
		      o->outcome == HISTORY_OK)) &&
		    o->at.generation >= 0)
			push(&s, j, i, o->invoked_us, o->kind == HISTORY_OWN);
	}
	qsort(s.p, s.n, sizeof(*s.p), by_all);
	for (uint32_t i = 0; i < s.n; i++) {
		if (i == 0 || same_register(&s.p[i], &s.p[i - 1]) != 0)
			l = (struct latest){ { NONE, NONE } };
		if (h->ops[s.p[i].op].kind == HISTORY_OWN)
			take_own(h, &l, s.p[i].op);
		else
			judge_fence(j, &l, s.p[i].op);
	}
	mem_free(s.p);
}

void group_judge(struct judge *j)
{
	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if ((o->kind == HISTORY_COMMIT || o->kind == HISTORY_FETCH) &&
		    o->outcome == HISTORY_OK)
			judge_beyond(j, i);
	}
	judge_registers(j);
	judge_owners(j);
	judge_fences(j);
}
