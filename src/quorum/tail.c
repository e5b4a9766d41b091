/* SPDX-License-Identifier: Apache-2.0 */
/* tail: the entries in memory; the contract is in tail.h. */
#include "tail.h"

void tail_init(struct tail *t, int64_t first)
{
	*t = (struct tail){ .first = first };
}

static struct entry **at(const struct tail *t, size_t i)
{
	return &t->ring[(t->head + i) & (t->cap - 1)];
}

void tail_fini(struct tail *t)
{
	tail_reset(t, t->first);
	mem_free(t->ring);
	*t = (struct tail){ 0 };
}

int64_t tail_next(const struct tail *t)
{
	return t->first + (int64_t)t->n;
}

const struct entry *tail_get(const struct tail *t, int64_t index)
{
	if (index < t->first || index >= tail_next(t))
		return NULL;
	return *at(t, (size_t)(index - t->first));
}

static void grow(struct tail *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct entry **ring = mem_alloc(cap * sizeof(*ring));

	for (size_t i = 0; i < t->n; i++)
		ring[i] = *at(t, i);
	mem_free(t->ring);
	t->ring = ring;
	t->cap = cap;
	t->head = 0;
}

const struct entry *tail_push(struct tail *t, uint64_t term, uint8_t type,
			      struct bytes data)
{
	size_t n = data.n > 0 ? (size_t)data.n : 0;
	struct entry *e = mem_alloc(sizeof(*e) + n);

	e->index = tail_next(t);
	e->term = term;
	e->type = type;
	e->n = (int32_t)n;
	if (n)
		memcpy(e->data, data.p, n);
	if (t->n == t->cap)
		grow(t);
	t->n++;
	*at(t, t->n - 1) = e;
	t->bytes += (int64_t)n;
	return e;
}

static void drop(struct tail *t, struct entry *e)
{
	t->bytes -= e->n;
	t->n--;
	mem_free(e);
}

void tail_cut(struct tail *t, int64_t index)
{
	assert(index >= t->first);
	while (tail_next(t) > index)
		drop(t, *at(t, t->n - 1));
}

void tail_trim(struct tail *t, int64_t index)
{
	while (t->n && t->first <= index) {
		struct entry *e = *at(t, 0);

		t->head = (t->head + 1) & (t->cap - 1);
		t->first++;
		drop(t, e);
	}
}

void tail_reset(struct tail *t, int64_t first)
{
	while (t->n)
		drop(t, *at(t, t->n - 1));
	t->head = 0;
	t->first = first;
}
