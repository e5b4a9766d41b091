/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_log: the log of each lane, from what was read by anyone and from
 * what acks=all sends were told. A pair of offset and send is kept once, so
 * that reading a thousand times costs no memory.
 */
#include "verdict_internal.h"

#include <stdlib.h>

/* ---- values -------------------------------------------------------------- */

static uint64_t slot_of(const struct judge *j, uint64_t value)
{
	uint64_t x = value * 0x9e3779b97f4a7c15U;

	return (x ^ x >> 32) & j->by_value_mask;
}

uint32_t send_of(const struct judge *j, uint64_t value)
{
	for (uint64_t i = slot_of(j, value);; i++) {
		uint32_t op = j->by_value[i & j->by_value_mask];

		if (op == NONE || j->h->ops[op].send.value == value)
			return op;
	}
}

static void add_value(struct judge *j, uint32_t op)
{
	uint64_t value = j->h->ops[op].send.value;
	uint64_t i = slot_of(j, value);

	for (; j->by_value[i & j->by_value_mask] != NONE; i++) {
		uint32_t other = j->by_value[i & j->by_value_mask];

		if (j->h->ops[other].send.value != value)
			continue;
		if (told(j, VERDICT_BAD_HISTORY, j->h->ops[op].key)) {
			tell(j, "value %" PRIu64 " was sent twice:", value);
			tell_op(j, "", other);
			tell_op(j, ",", op);
			told_end(j);
		}
		return;
	}
	j->by_value[i & j->by_value_mask] = op;
}

static void values_make(struct judge *j)
{
	const struct history *h = j->h;
	uint64_t sends = 0, size = 16;

	for (uint32_t i = 0; i < h->ops_n; i++)
		sends += h->ops[i].kind == HISTORY_SEND;
	while (size < 2 * sends)
		size *= 2;
	j->by_value_mask = size - 1;
	j->by_value = mem_alloc(size * sizeof(*j->by_value));
	memset(j->by_value, 0xff, size * sizeof(*j->by_value));
	for (uint32_t i = 0; i < h->ops_n; i++)
		if (h->ops[i].kind == HISTORY_SEND)
			add_value(j, i);
}

/* ---- what is seen where -------------------------------------------------- */

/* By the leader's answer to the first poll after a time; without one, by what
 * was told at any time. */
static int64_t start_after(const struct judge *j, int key, int64_t at_us)
{
	int64_t asked_us = INT64_MAX, start = -1, highest = -1;

	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		for (uint32_t k = 0; o->kind == HISTORY_POLL && k < o->poll.n;
		     k++) {
			const struct history_answer *a =
				&j->h->answers[o->poll.first + k];

			if (a->key != key)
				continue;
			highest = max_of(highest, a->log_start);
			if (a->epoch < 0 || a->log_start < 0 ||
			    o->invoked_us < at_us || o->invoked_us >= asked_us)
				continue;
			asked_us = o->invoked_us;
			start = a->log_start;
		}
	}
	return start >= 0 ? start : highest;
}

bool was_gone(const struct judge *j, uint32_t lane, int64_t offset,
	      int64_t at_us)
{
	int key = j->lanes[lane].key;

	if (offset < started_below(j, lane, at_us))
		return true;
	return (j->h->keys[key].properties & HISTORY_RETENTION) &&
	       offset < start_after(j, key, at_us);
}

/* The log knows of what producers wrote as long as it has their batches. */
static bool is_forgotten(const struct judge *j, const struct known *seen,
			 int64_t offset, uint32_t by)
{
	int64_t at_us = offset > seen->offset ? j->h->ops[by].completed_us :
						seen->since_us;

	return was_gone(j, seen->lane, min_of(offset, seen->offset), at_us);
}

static void duplicate(struct judge *j, const struct known *first,
		      int64_t offset, uint32_t by)
{
	const struct history_op *o = &j->h->ops[first->op];

	if (j->flags[first->op] & SEND_DUPLICATE)
		return;
	j->flags[first->op] |= SEND_DUPLICATE;
	if (o->send.producer < 0 ?
		    o->retried || o->outcome != HISTORY_OK :
		    is_forgotten(j, first, offset, by)) {
		j->v->duplicates++;
		return;
	}
	if (!told(j, VERDICT_DUPLICATE, o->key))
		return;
	tell(j, "value %" PRIu64 " at offsets %" PRId64 " and %" PRId64 ":",
	     o->send.value, first->offset, offset);
	tell_op(j, "", first->op);
	if (by != first->op)
		tell_op(j, ", seen by", by);
	told_end(j);
}

/* by: the poll that read it, or the send itself that was told. */
static void observe(struct judge *j, uint32_t lane, struct known what,
		    uint32_t by)
{
	uint32_t seen = j->seen[what.op];

	what.lane = lane;
	if (seen != NONE && j->known[seen].lane == lane) {
		struct known *k = &j->known[seen];

		if (k->offset == what.offset) {
			k->since_us = min_of(k->since_us, what.since_us);
			return;
		}
		duplicate(j, k, what.offset, by);
	} else {
		j->seen[what.op] = j->known_n;
	}
	if (j->known_n == j->known_cap) {
		j->known_cap = j->known_cap ? 2 * j->known_cap : 256;
		j->known = mem_realloc(j->known,
				       j->known_cap * sizeof(*j->known));
	}
	j->known[j->known_n++] = what;
}

/* Nobody had sent it there by then, or to another life of the topic. */
static bool is_phantom(const struct judge *j, uint32_t send, uint32_t poll,
		       int key)
{
	const struct history_op *s, *p = &j->h->ops[poll];
	uint32_t life, lane;

	if (send == NONE)
		return true;
	s = &j->h->ops[send];
	if (s->key != key || p->completed_us < s->invoked_us)
		return true;
	if (!has_deletions(j, key))
		return false;
	life = life_of_send(j, send);
	lane = lane_of_poll(j, poll, key);
	return life != NONE && lane != NONE && life != j->lanes[lane].life;
}

static void phantom(struct judge *j, const struct history_record *r,
		    uint32_t send, uint32_t poll, int key)
{
	if (!told(j, VERDICT_PHANTOM, key))
		return;
	tell(j, "value %" PRIu64 " at offset %" PRId64 " was not sent there:",
	     r->value, r->offset);
	tell_op(j, " read by", poll);
	if (send != NONE)
		tell_op(j, ", but", send);
	told_end(j);
}

static void failed_read(struct judge *j, const struct history_record *r,
			uint32_t send, uint32_t poll)
{
	if (j->flags[send] & SEND_FAILED_READ)
		return;
	j->flags[send] |= SEND_FAILED_READ;
	if (!told(j, VERDICT_G1A, j->h->ops[send].key))
		return;
	tell(j, "value %" PRIu64 " at offset %" PRId64 ":", r->value,
	     r->offset);
	tell_op(j, "", send);
	tell_op(j, ", read by", poll);
	told_end(j);
}

static void record(struct judge *j, const struct history_record *r,
		   uint32_t poll, const struct history_answer *a)
{
	uint32_t send = send_of(j, r->value);
	uint32_t lane = lane_of_poll(j, poll, a->key);

	if (is_phantom(j, send, poll, a->key)) {
		if (send == NONE || !(j->flags[send] & SEND_PHANTOM))
			phantom(j, r, send, poll, a->key);
		if (send != NONE)
			j->flags[send] |= SEND_PHANTOM;
		return;
	}
	if (j->h->ops[send].outcome == HISTORY_FAIL)
		failed_read(j, r, send, poll);
	if (!(j->flags[send] & SEND_READ))
		j->v->values_read++;
	j->flags[send] |= SEND_READ;
	if (lane == NONE)
		return;
	j->lanes[lane].highest_read = max_of(j->lanes[lane].highest_read,
					     r->offset);
	observe(j, lane,
		(struct known){ .offset = r->offset,
				.since_us = j->h->ops[poll].completed_us,
				.op = send },
		poll);
}

static void final_read(struct judge *j, const struct history_answer *a,
		       uint32_t poll, uint32_t lane)
{
	struct lane *l = &j->lanes[lane];

	j->v->final_reads++;
	if (l->last_final == NONE ||
	    j->h->ops[l->last_final].invoked_us <= j->h->ops[poll].invoked_us) {
		l->last_final = poll;
		l->final_end = a->hw;
	}
}

static void observe_poll(struct judge *j, uint32_t poll)
{
	const struct history *h = j->h;
	const struct history_op *o = &h->ops[poll];
	bool unjudged = false;

	j->v->polls++;
	for (uint32_t i = 0; i < o->poll.n; i++) {
		const struct history_answer *a = &h->answers[o->poll.first + i];
		uint32_t lane = lane_of_poll(j, poll, a->key);

		unjudged |= lane == NONE;
		if (lane != NONE) {
			struct life *l = &j->lives[j->lanes[lane].life];

			l->told_start = max_of(l->told_start, a->log_start);
			if (o->mode == HISTORY_FINAL &&
			    o->outcome == HISTORY_OK)
				final_read(j, a, poll, lane);
		}
		for (uint32_t r = 0; r < a->n; r++)
			record(j, &h->records[a->first + r], poll, a);
	}
	j->v->unjudged += unjudged;
}

static void observe_send(struct judge *j, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	uint32_t lane;

	j->v->sends[o->outcome]++;
	if (!is_acked(o))
		return;
	lane = lane_of_send(j, op);
	j->v->unjudged += lane == NONE;
	if (lane == NONE || o->send.offset < 0)
		return;
	observe(j, lane,
		(struct known){ .offset = o->send.offset,
				.since_us = o->completed_us,
				.op = op },
		op);
}

/* ---- sealed -------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->op < y->op ? -1 : x->op > y->op;
}

/* Sorts, keeps each pair once, and counts what each lane has. */
static void seal(struct judge *j)
{
	uint32_t n = 0;

	if (j->known_n > 0)
		qsort(j->known, j->known_n, sizeof(*j->known), by_place);
	for (uint32_t i = 0; i < j->known_n; i++) {
		struct known *k = &j->known[i];
		struct known *last = n > 0 ? &j->known[n - 1] : NULL;
		struct lane *l = &j->lanes[k->lane];

		if (last && by_place(k, last) == 0) {
			last->since_us = min_of(last->since_us, k->since_us);
			continue;
		}
		if (l->n++ == 0)
			l->first = n;
		j->known[n++] = *k;
	}
	j->known_n = n;
}

static void find_inconsistent(struct judge *j)
{
	for (uint32_t i = 1; i < j->known_n; i++) {
		const struct known *k = &j->known[i], *before = k - 1;

		if (k->lane != before->lane || k->offset != before->offset ||
		    !told(j, VERDICT_INCONSISTENT_OFFSETS,
			  j->lanes[k->lane].key))
			continue;
		tell(j,
		     "offset %" PRId64 " has values %" PRIu64 " and %" PRIu64
		     ":",
		     k->offset, j->h->ops[before->op].send.value,
		     j->h->ops[k->op].send.value);
		tell_op(j, "", before->op);
		tell_op(j, ",", k->op);
		told_end(j);
	}
}

/* seen[]: the first place of a send in its own lane, else in another. */
static void index_sends(struct judge *j)
{
	memset(j->seen, 0xff, (j->h->ops_n + 1) * sizeof(*j->seen));
	for (uint32_t i = 0; i < j->known_n; i++) {
		const struct known *k = &j->known[i];
		uint32_t seen = j->seen[k->op];

		if (seen == NONE || (j->known[seen].lane != k->lane &&
				     k->lane == lane_of_send(j, k->op)))
			j->seen[k->op] = i;
	}
	j->since_min = mem_alloc((j->known_n + 1) * sizeof(*j->since_min));
	for (uint32_t i = j->known_n; i-- > 0;) {
		const struct known *k = &j->known[i];

		j->since_min[i] = k->since_us;
		if (i + 1 < j->known_n && k[1].lane == k->lane)
			j->since_min[i] = min_of(k->since_us,
						 j->since_min[i + 1]);
	}
}

void log_make(struct judge *j)
{
	const struct history *h = j->h;

	values_make(j);
	j->seen = mem_alloc((h->ops_n + 1) * sizeof(*j->seen));
	memset(j->seen, 0xff, (h->ops_n + 1) * sizeof(*j->seen));
	j->flags = mem_zalloc(h->ops_n + 1);
	for (uint32_t i = 0; i < h->ops_n; i++) {
		if (h->ops[i].kind == HISTORY_SEND)
			observe_send(j, i);
		else if (h->ops[i].kind == HISTORY_POLL)
			observe_poll(j, i);
	}
	seal(j);
	find_inconsistent(j);
	index_sends(j);
}

void log_fini_all(struct judge *j)
{
	mem_free(j->by_value);
	mem_free(j->known);
	mem_free(j->since_min);
	mem_free(j->seen);
	mem_free(j->flags);
}

/* Offsets without gaps stand where they would: that place is tried first. */
uint32_t known_from(const struct judge *j, uint32_t lane, int64_t offset)
{
	const struct lane *l = &j->lanes[lane];
	uint32_t low = l->first, high = l->first + l->n;

	if (l->n == 0 || offset <= j->known[low].offset)
		return low;
	if (offset - j->known[low].offset < l->n) {
		uint32_t guess =
			low + (uint32_t)(offset - j->known[low].offset);

		if (j->known[guess].offset == offset &&
		    j->known[guess - 1].offset != offset)
			return guess;
	}
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (j->known[mid].offset < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
