/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index: a sparse way from an offset or a time to a place in a segment. One
 * sorted array; when it reaches INDEX_MAX entries every second one goes and
 * the interval doubles, so that a segment never costs more than 128 KiB.
 *
 * 1. offset and pos grow strictly, max_ts never falls.
 * 2. Every answer is at or before what was asked: scan forward from there.
 */
#include "log_internal.h"

void index_fini(struct index *x)
{
	mem_free(x->v);
	memset(x, 0, sizeof(*x));
}

static void thin(struct index *x)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < x->n; i += 2)
		x->v[n++] = x->v[i];
	x->n = n;
	x->interval *= 2;
}

void index_note(struct index *x, uint32_t interval,
		const struct index_entry *e)
{
	uint32_t last = x->n ? x->v[x->n - 1].pos : 0;

	if (x->interval < interval)
		x->interval = interval;
	if (e->pos <= last || e->pos - last < x->interval)
		return;
	if (x->n == INDEX_MAX)
		thin(x);
	if (x->n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 8;
		x->v = mem_realloc(x->v, x->cap * sizeof(*x->v));
	}
	x->v[x->n++] = *e;
}

#define FIND(x, field, op, wanted)                                             \
	do {                                                                   \
		uint32_t lo = 0, hi = (x)->n;                                  \
		while (lo < hi) {                                              \
			uint32_t mid = lo + (hi - lo) / 2;                     \
			if ((x)->v[mid].field op(wanted))                      \
				lo = mid + 1;                                  \
			else                                                   \
				hi = mid;                                      \
		}                                                              \
		if (lo)                                                        \
			return (x)->v[lo - 1];                                 \
	} while (0)

static const struct index_entry origin = { 0, 0, INT64_MIN };

struct index_entry index_by_offset(const struct index *x, uint32_t offset)
{
	FIND(x, offset, <=, offset);
	return origin;
}

struct index_entry index_by_pos(const struct index *x, uint32_t pos)
{
	FIND(x, pos, <=, pos);
	return origin;
}

struct index_entry index_by_time(const struct index *x, int64_t ts)
{
	FIND(x, max_ts, <, ts);
	return origin;
}

void index_cut(struct index *x, uint32_t pos)
{
	while (x->n && x->v[x->n - 1].pos >= pos)
		x->n--;
}
