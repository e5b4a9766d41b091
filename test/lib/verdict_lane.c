/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_lane: where the life of a partition may change, and what may be
 * gone from it. Boundaries are few, so that adding one may be linear.
 */
#include "verdict_internal.h"

#include <stdlib.h>

/* ---- boundaries ---------------------------------------------------------- */

/* A send with acks=0 is complete when it left. */
int64_t effect_end(const struct history_op *op)
{
	if (op->kind == HISTORY_SEND && op->acks == 0)
		return HISTORY_NOW;
	return op->outcome == HISTORY_OK || op->outcome == HISTORY_FAIL ?
		       op->completed_us :
		       HISTORY_NOW;
}

/*
 * A deletion that may have happened may still happen, until another one has
 * succeeded: then the first cannot have been later.
 */
static int64_t deletion_end(const struct history *h, uint32_t op)
{
	const struct history_op *o = &h->ops[op];
	int64_t end = effect_end(o);

	if (end < HISTORY_NOW)
		return end;
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *other = &h->ops[i];

		if (other->kind == HISTORY_DELETE && other->key == o->key &&
		    other->outcome == HISTORY_OK &&
		    other->completed_us >= o->invoked_us)
			end = min_of(end, other->completed_us);
	}
	return end;
}

struct all_boundaries {
	struct boundary *p;
	int *topic; /* -1: cuts */
	uint32_t n;
};

static struct all_boundaries collect(const struct history *h)
{
	struct all_boundaries a = { 0 };
	uint32_t cap = 0;

	for (uint32_t i = 0; i < h->ops_n; i++)
		cap += h->ops[i].kind == HISTORY_DELETE ||
		       h->ops[i].kind == HISTORY_CUT;
	a.p = mem_alloc((cap + 1) * sizeof(*a.p));
	a.topic = mem_alloc((cap + 1) * sizeof(*a.topic));
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (o->kind == HISTORY_DELETE && o->outcome != HISTORY_FAIL)
			a.p[a.n] = (struct boundary){
				o->invoked_us, deletion_end(h, i), true
			};
		else if (o->kind == HISTORY_CUT)
			a.p[a.n] = (struct boundary){ o->invoked_us,
						      o->invoked_us, false };
		else
			continue;
		a.topic[a.n++] = o->kind == HISTORY_CUT ? -1 : o->key;
	}
	return a;
}

static int by_begin(const void *a, const void *b)
{
	const struct boundary *x = a, *y = b;

	return x->begin_us < y->begin_us ? -1 : x->begin_us > y->begin_us;
}

/* Those of one partition, parted: what overlaps becomes one. */
static uint32_t boundaries_of(const struct history *h, int key,
			      const struct all_boundaries *all,
			      struct boundary *out)
{
	const struct history_partition *p = &h->keys[key];
	uint32_t n = 0, parted = 0;

	for (uint32_t i = 0; i < all->n; i++)
		if (all->topic[i] == p->topic ||
		    (all->topic[i] < 0 && p->properties & HISTORY_MEMORY))
			out[n++] = all->p[i];
	qsort(out, n, sizeof(*out), by_begin);
	for (uint32_t i = 0; i < n; i++) {
		struct boundary *last = parted ? &out[parted - 1] : NULL;

		if (last && out[i].begin_us <= last->end_us) {
			last->end_us = max_of(last->end_us, out[i].end_us);
			last->deleted |= out[i].deleted;
		} else {
			out[parted++] = out[i];
		}
	}
	return parted;
}

/* ---- starts -------------------------------------------------------------- */

static int by_key_and_time(const void *a, const void *b)
{
	const struct start *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->from_us < y->from_us ? -1 : x->from_us > y->from_us;
}

static struct boundary *boundaries_begin(const struct judge *j, int key)
{
	return &j->boundaries[j->lane_first[key] - (uint32_t)key];
}

static uint32_t boundaries_count(const struct judge *j, int key)
{
	return j->lane_first[key + 1] - j->lane_first[key] - 1;
}

/* One for each life that the operation can have met. */
static uint32_t add_start(const struct judge *j, const struct history_op *o,
			  struct start *out)
{
	const struct boundary *b = boundaries_begin(j, o->key);
	uint32_t n = boundaries_count(j, o->key), added = 0;
	uint32_t lane = j->lane_first[o->key], last = NONE;
	int64_t end = effect_end(o);

	for (uint32_t i = 0; i <= n; i++, lane++) {
		int64_t from = i == 0 ? INT64_MIN : b[i - 1].begin_us;
		int64_t to = i == n ? INT64_MAX : b[i].end_us;

		if (o->invoked_us > to || end < from ||
		    j->lanes[lane].life == last)
			continue;
		last = j->lanes[lane].life;
		if (out)
			out[added] = (struct start){
				max_of(o->invoked_us, from), o->at.offset,
				o->key, last
			};
		added++;
	}
	return added;
}

static bool is_start(const struct history_op *o)
{
	return o->kind == HISTORY_START && o->outcome != HISTORY_FAIL;
}

static void starts_make(struct judge *j)
{
	const struct history *h = j->h;
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->ops_n; i++)
		if (is_start(&h->ops[i]))
			n += add_start(j, &h->ops[i], NULL);
	j->starts = mem_alloc((n + 1) * sizeof(*j->starts));
	for (uint32_t i = 0; i < h->ops_n; i++)
		if (is_start(&h->ops[i]))
			j->starts_n += add_start(j, &h->ops[i],
						 &j->starts[j->starts_n]);
	qsort(j->starts, j->starts_n, sizeof(*j->starts), by_key_and_time);
	for (uint32_t i = 1; i < j->starts_n; i++) {
		struct start *s = &j->starts[i], *before = s - 1;

		if (s->key == before->key && s->life == before->life)
			s->offset = max_of(s->offset, before->offset);
	}
}

int64_t started_below(const struct judge *j, uint32_t lane, int64_t at_us)
{
	const struct lane *l = &j->lanes[lane];
	uint32_t low = 0, high = j->starts_n;

	while (low < high) { /* the first that is later */
		uint32_t mid = low + (high - low) / 2;
		const struct start *s = &j->starts[mid];

		if (s->key < l->key ||
		    (s->key == l->key && s->from_us <= at_us))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || j->starts[low - 1].key != l->key ||
	    j->starts[low - 1].life != l->life)
		return 0;
	return j->starts[low - 1].offset;
}

int64_t gone_below(const struct judge *j, uint32_t lane, int64_t at_us)
{
	const struct lane *l = &j->lanes[lane];
	int64_t below = started_below(j, lane, at_us);

	if (j->h->keys[l->key].properties & HISTORY_RETENTION)
		below = max_of(below, j->lives[l->life].told_start);
	return below;
}

/* ---- lanes --------------------------------------------------------------- */

static void add_lanes(struct judge *j, int key, uint32_t boundaries,
		      uint32_t *life)
{
	uint32_t first = j->lane_first[key];
	const struct boundary *b = boundaries_begin(j, key);

	for (uint32_t i = 0; i <= boundaries; i++) {
		if (i == 0 || b[i - 1].deleted)
			++*life;
		j->lanes[first + i] = (struct lane){ .key = key,
						     .life = *life - 1,
						     .highest_read = -1,
						     .last_final = NONE };
	}
}

void lanes_make(struct judge *j)
{
	const struct history *h = j->h;
	struct all_boundaries all = collect(h);
	size_t keys = (size_t)h->keys_n;
	size_t most = keys * (all.n + 1) + 1;
	uint32_t life = 0;

	j->lane_first = mem_zalloc((keys + 1) * sizeof(*j->lane_first));
	j->boundaries = mem_alloc(most * sizeof(*j->boundaries));
	j->lanes = mem_alloc(most * sizeof(*j->lanes));
	for (int k = 0; k < h->keys_n; k++) {
		uint32_t n = boundaries_of(h, k, &all, boundaries_begin(j, k));

		j->lane_first[k + 1] = j->lane_first[k] + n + 1;
		add_lanes(j, k, n, &life);
	}
	j->lives = mem_zalloc((life + 1) * sizeof(*j->lives));
	starts_make(j);
	mem_free(all.p);
	mem_free(all.topic);
}

void lanes_free(struct judge *j)
{
	mem_free(j->lane_first);
	mem_free(j->boundaries);
	mem_free(j->lanes);
	mem_free(j->lives);
	mem_free(j->starts);
}

/* Strictly between two boundaries: what touches one may be on both sides. */
uint32_t lane_at(const struct judge *j, int key, int64_t from_us,
		 int64_t to_us)
{
	const struct boundary *b = boundaries_begin(j, key);
	uint32_t n = boundaries_count(j, key), low = 0, high = n;

	if (n == 0)
		return j->lane_first[key];
	while (low < high) { /* the first that ends at from or later */
		uint32_t mid = low + (high - low) / 2;

		if (b[mid].end_us < from_us)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < n && to_us >= b[low].begin_us)
		return NONE;
	return j->lane_first[key] + low;
}

uint32_t lane_of_send(const struct judge *j, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];

	return lane_at(j, o->key, o->invoked_us, effect_end(o));
}

uint32_t life_of_send(const struct judge *j, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	int64_t end = o->retried ? HISTORY_NOW : effect_end(o);
	uint32_t lane = lane_at(j, o->key, o->invoked_us, o->invoked_us);
	uint32_t last = lane_at(j, o->key, end, end);

	if (end == HISTORY_NOW)
		last = j->lane_first[o->key + 1] - 1;
	if (lane == NONE || last == NONE ||
	    j->lanes[lane].life != j->lanes[last].life)
		return NONE;
	return j->lanes[lane].life;
}

uint32_t lane_of_poll(const struct judge *j, uint32_t op, int key)
{
	const struct history_op *o = &j->h->ops[op];

	return lane_at(j, key, o->invoked_us, o->completed_us);
}

bool has_deletions(const struct judge *j, int key)
{
	uint32_t first = j->lane_first[key];

	return j->lanes[first].life !=
	       j->lanes[j->lane_first[key + 1] - 1].life;
}

bool is_last_lane(const struct judge *j, uint32_t lane)
{
	return j->lane_first[j->lanes[lane].key + 1] - 1 == lane;
}
