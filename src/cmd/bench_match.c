/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match: end to end without touching the records. A batch is known by its
 * partition and base offset: the acknowledgement names the offset and knows
 * when the batch was meant to be sent, the fetch names the offset and knows
 * when it was seen. Whichever comes first waits for the other.
 *
 * Invariant: per partition both queues are in order of offsets, and at most
 * one of them is not empty after match_*, unless offsets were skipped.
 */
#include "bench.h"

struct note {
	int64_t offset, at_ns;
};
struct queue { /* a ring of a power of two */
	struct note *v;
	uint32_t cap, head, n;
};
struct pair {
	struct queue sent, seen;
};
struct match {
	struct tally *tally;
	struct pair *pairs;
	int32_t pairs_n;
	int64_t waiting;
};

struct match *match_new(struct tally *t, int32_t partitions)
{
	struct match *m = mem_zalloc(sizeof(*m));

	m->tally = t;
	m->pairs_n = partitions;
	m->pairs = mem_zalloc((size_t)partitions * sizeof(*m->pairs));
	return m;
}

void match_free(struct match *m)
{
	if (!m)
		return;
	for (int32_t i = 0; i < m->pairs_n; i++) {
		mem_free(m->pairs[i].sent.v);
		mem_free(m->pairs[i].seen.v);
	}
	mem_free(m->pairs);
	mem_free(m);
}

static struct note *front(const struct queue *q)
{
	return q->n ? &q->v[q->head & (q->cap - 1)] : NULL;
}

static void pop(struct queue *q)
{
	q->head++;
	q->n--;
}

static void push(struct queue *q, struct note note)
{
	if (q->n == q->cap) {
		uint32_t cap = q->cap ? q->cap * 2 : 16;
		struct note *v = mem_alloc(cap * sizeof(*v));

		for (uint32_t i = 0; i < q->n; i++)
			v[i] = q->v[(q->head + i) & (q->cap - 1)];
		mem_free(q->v);
		*q = (struct queue){ v, cap, 0, q->n };
	}
	q->v[(q->head + q->n++) & (q->cap - 1)] = note;
}

static void settle(struct match *m, struct pair *p)
{
	struct tally *t = m->tally;
	struct note *a, *b;

	while ((a = front(&p->sent)) && (b = front(&p->seen))) {
		if (a->offset == b->offset) {
			if (tally_is_measured(t, a->at_ns))
				histogram_add(&t->e2e,
					      (b->at_ns - a->at_ns) / 1000, 1);
			histogram_add(&t->line, (b->at_ns - a->at_ns) / 1000,
				      1);
			pop(&p->sent);
			pop(&p->seen);
			m->waiting--;
		} else if (a->offset < b->offset) {
			t->unmatched++; /* its place was passed over */
			pop(&p->sent);
			m->waiting--;
		} else {
			pop(&p->seen); /* a stranger's, or a repetition */
		}
	}
}

void match_sent(struct match *m, int32_t partition, int64_t offset,
		int64_t intended_ns)
{
	struct pair *p = &m->pairs[partition];

	if (offset < 0) { /* a duplicate whose place is not known any more */
		m->tally->unmatched++;
		return;
	}
	push(&p->sent, (struct note){ offset, intended_ns });
	m->waiting++;
	settle(m, p);
}

void match_seen(struct match *m, int32_t partition, int64_t offset,
		int64_t now_ns)
{
	struct pair *p = &m->pairs[partition];

	push(&p->seen, (struct note){ offset, now_ns });
	settle(m, p);
}

int64_t match_waiting(const struct match *m)
{
	return m->waiting;
}
