/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage: how long a history went without acknowledgements. A part of
 * history.h.
 */
#include "history.h"

#include <stdlib.h>

/* From one acknowledgement to the next of the same partition. */
struct gap {
	int64_t from_us, to_us;
	int32_t key;
};

struct gaps {
	struct gap *p;
	uint32_t n;
};

static int by_key_and_time(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->from_us < y->from_us ? -1 : x->from_us > y->from_us;
}

/* The last moment of the history that is known. */
static int64_t end_of(const struct history *h)
{
	int64_t end = INT64_MIN;

	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		end = max_of(end, o->invoked_us);
		if (o->outcome != HISTORY_OPEN)
			end = max_of(end, o->completed_us);
	}
	return end;
}

/*
 * Acknowledgements of key (-1: all), as gaps without an end yet; last[key]
 * gets the time of the last invocation.
 */
static struct gaps acknowledgements(const struct history *h, int key,
				    int64_t *last)
{
	struct gaps g = { 0 };

	for (uint32_t i = 0; i < h->ops_n; i++)
		g.n += h->ops[i].kind == HISTORY_SEND;
	g.p = mem_alloc((g.n + 1) * sizeof(*g.p));
	g.n = 0;
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (o->kind != HISTORY_SEND || (key >= 0 && o->key != key))
			continue;
		last[o->key] = max_of(last[o->key], o->invoked_us);
		if (o->outcome == HISTORY_OK)
			g.p[g.n++] = (struct gap){ o->completed_us, 0, o->key };
	}
	return g;
}

/* In the order of keys, of time within. */
static struct gaps gaps_of(const struct history *h, int key)
{
	int64_t *last = mem_alloc((size_t)(h->keys_n + 1) * sizeof(*last));
	int64_t end = end_of(h);
	struct gaps g;
	uint32_t n = 0;

	for (int k = 0; k < h->keys_n; k++)
		last[k] = INT64_MIN;
	g = acknowledgements(h, key, last);
	qsort(g.p, g.n, sizeof(*g.p), by_key_and_time);
	for (uint32_t i = 0; i < g.n; i++) {
		struct gap gap = g.p[i];

		if (i + 1 < g.n && g.p[i + 1].key == gap.key)
			gap.to_us = g.p[i + 1].from_us;
		else if (last[gap.key] > gap.from_us)
			gap.to_us = end;
		else
			continue;
		g.p[n++] = gap;
	}
	g.n = n;
	mem_free(last);
	return g;
}

/* The first fault whose window has not ended at from. */
static int first_touched(const int64_t *faults, int n, int64_t from,
			 int64_t window)
{
	int low = 0, high = n;

	while (low < high) {
		int mid = low + (high - low) / 2;

		if (faults[mid] + window <= from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void history_outages(const struct history *h, int key, const int64_t *faults_us,
		     int n, int64_t window_us, int64_t *out_us)
{
	struct gaps g = gaps_of(h, key);

	for (int f = 0; f < n; f++) {
		assert(f == 0 || faults_us[f - 1] <= faults_us[f]);
		out_us[f] = 0;
	}
	for (uint32_t i = 0; i < g.n; i++) {
		struct gap *gap = &g.p[i];
		int f = first_touched(faults_us, n, gap->from_us, window_us);

		for (; f < n && faults_us[f] < gap->to_us; f++)
			out_us[f] = max_of(out_us[f],
					   gap->to_us - gap->from_us);
	}
	mem_free(g.p);
}

int64_t history_gap(const struct history *h, int key, int *worst_key)
{
	struct gaps g = gaps_of(h, key);
	int64_t worst = 0;

	*worst_key = -1;
	for (uint32_t i = 0; i < g.n; i++) {
		int64_t us = g.p[i].to_us - g.p[i].from_us;

		if (*worst_key < 0 || us > worst) {
			worst = us;
			*worst_key = g.p[i].key;
		}
	}
	mem_free(g.p);
	return worst;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

int64_t history_percentile(int64_t *v, int n, double p)
{
	double rank = p / 100 * n;
	int i = (int)rank;

	if (n == 0)
		return 0;
	qsort(v, (size_t)n, sizeof(*v), by_size);
	if (i > 0 && (double)i >= rank)
		i--;
	return v[min_of(i, n - 1)];
}
