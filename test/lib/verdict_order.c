/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_order: the order of the log against the order of the sends. What was
 * acknowledged before another send began stands before it, and an idempotent
 * producer's records stand in the order of their sequences.
 */
#include "verdict_internal.h"

#include <stdlib.h>

struct item {
	uint32_t lane, op;
	int64_t producer; /* or 0 */
	int64_t at;       /* time, or sequence */
};

struct items {
	struct item *p;
	uint32_t n;
};

static int by_lane_and_at(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->producer != y->producer)
		return x->producer < y->producer ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Most histories are in order already, or nearly. */
static void sort(struct items *s)
{
	for (uint32_t i = 1; i < s->n; i++)
		if (by_lane_and_at(&s->p[i - 1], &s->p[i]) > 0) {
			qsort(s->p, s->n, sizeof(*s->p), by_lane_and_at);
			return;
		}
}

static void push(struct items *s, struct item item)
{
	s->p[s->n++] = item;
}

static struct items items_new(const struct judge *j)
{
	uint32_t sends = 0;

	for (uint32_t i = 0; i < j->h->ops_n; i++)
		sends += j->h->ops[i].kind == HISTORY_SEND;
	return (struct items){ mem_alloc((sends + 1) * sizeof(struct item)),
			       0 };
}

static void out_of_order(struct judge *j, uint32_t first, uint32_t second,
			 const char *how)
{
	if (!told(j, VERDICT_NONMONOTONIC_SEND, j->h->ops[second].key))
		return;
	tell(j, "values %" PRIu64 ", %" PRIu64 ": %s",
	     j->h->ops[first].send.value, j->h->ops[second].send.value, how);
	tell_op(j, ":", first);
	tell_op(j, ", then", second);
	told_end(j);
}

/* ---- acknowledged before the other began --------------------------------- */

static void gather_acked(struct judge *j, struct items *ended,
			 struct items *begun)
{
	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];
		uint32_t lane;

		if (!is_acked(o) || o->send.offset < 0)
			continue;
		lane = lane_of_send(j, i);
		if (lane == NONE)
			continue;
		push(ended, (struct item){ lane, i, 0, o->completed_us });
		push(begun, (struct item){ lane, i, 0, o->invoked_us });
	}
	sort(ended);
	sort(begun);
}

static void judge_times(struct judge *j)
{
	struct items ended = items_new(j), begun = items_new(j);
	uint32_t e = 0, highest = NONE;

	gather_acked(j, &ended, &begun);
	for (uint32_t b = 0; b < begun.n; b++) {
		const struct item *second = &begun.p[b];
		int64_t offset = j->h->ops[second->op].send.offset;

		if (b == 0 || second[-1].lane != second->lane)
			highest = NONE;
		for (; e < ended.n && ended.p[e].lane <= second->lane; e++) {
			uint32_t op = ended.p[e].op;

			if (ended.p[e].lane == second->lane &&
			    ended.p[e].at >= second->at)
				break;
			if (ended.p[e].lane == second->lane &&
			    (highest == NONE ||
			     j->h->ops[highest].send.offset <
				     j->h->ops[op].send.offset))
				highest = op;
		}
		if (highest != NONE &&
		    j->h->ops[highest].send.offset > offset)
			out_of_order(j, highest, second->op,
				     "acknowledged, then sent");
	}
	mem_free(ended.p);
	mem_free(begun.p);
}

/* ---- sequences of one producer ------------------------------------------- */

/* Told or counted: it has no one place. */
static bool stands_twice(const struct judge *j, uint32_t send)
{
	return j->flags[send] & SEND_DUPLICATE;
}

/* It was written again, when the log had forgotten its producer: what came
 * behind it the first time had gone. */
static bool is_repeated(const struct judge *j, const struct item *top,
			int64_t behind)
{
	const struct known *k = &j->known[j->seen[top->op]];

	return was_gone(j, top->lane, behind, k->since_us);
}

static void judge_sequences(struct judge *j)
{
	struct items s = items_new(j);

	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if (o->kind != HISTORY_SEND || o->send.producer < 0 ||
		    o->outcome == HISTORY_FAIL || j->seen[i] == NONE ||
		    stands_twice(j, i))
			continue;
		push(&s, (struct item){ j->known[j->seen[i]].lane, i,
					o->send.producer, o->send.sequence });
	}
	sort(&s);
	for (uint32_t i = 1, highest = 0; i < s.n; i++) {
		const struct item *now = &s.p[i], *top = &s.p[highest];
		int64_t offset = j->known[j->seen[now->op]].offset;

		if (now->lane != top->lane || now->producer != top->producer ||
		    offset > j->known[j->seen[top->op]].offset)
			highest = i;
		else if (now->at > top->at && !is_repeated(j, top, offset))
			out_of_order(j, top->op, now->op,
				     "against the producer's sequence");
	}
	mem_free(s.p);
}

void order_judge(struct judge *j)
{
	judge_times(j);
	judge_sequences(j);
}
