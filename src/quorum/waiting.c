/* SPDX-License-Identifier: Apache-2.0 */
/* waiting: two small queues; the contract is in waiting.h. */
#include "waiting.h"

void waitings_push(struct waitings *w, struct waiting x)
{
	if (w->head + w->n == w->cap && w->head > w->n) {
		memmove(w->v, w->v + w->head, w->n * sizeof(*w->v));
		w->head = 0;
	}
	if (w->head + w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 64;
		w->v = mem_realloc(w->v, w->cap * sizeof(*w->v));
	}
	w->v[w->head + w->n++] = x;
}

struct waiting *waitings_at(struct waitings *w, size_t i)
{
	assert(i < w->n);
	return &w->v[w->head + i];
}

struct waiting waitings_pop(struct waitings *w)
{
	assert(w->n);
	w->n--;
	return w->v[w->head++];
}

void waitings_fini(struct waitings *w)
{
	mem_free(w->v);
	*w = (struct waitings){ 0 };
}

void writes_push(struct writes *w, int64_t index, int64_t n)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->v = mem_realloc(w->v, w->cap * sizeof(*w->v));
	}
	w->v[w->n++] = (struct write){ index, n };
}

/*
 * Comparing terms instead would not do: an entry can be replaced twice and
 * come back with the term it had, while the middle one is being written.
 */
void writes_cut(struct writes *w, int64_t index)
{
	for (size_t i = 0; i < w->n; i++) {
		int64_t left = index - w->v[i].index;

		w->v[i].live = min_of(w->v[i].live, max_of(left, (int64_t)0));
	}
}

int64_t writes_report(const struct writes *w)
{
	int64_t last = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].live > 0)
			last = max_of(last, w->v[i].index + w->v[i].live - 1);
	return last;
}

void writes_move(struct writes *to, struct writes *from)
{
	struct writes empty = *to;

	empty.n = 0;
	*to = *from;
	*from = empty;
}

void writes_fini(struct writes *w)
{
	mem_free(w->v);
	*w = (struct writes){ 0 };
}
