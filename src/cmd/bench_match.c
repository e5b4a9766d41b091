/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match: end to end without touching the records. A batch is known by its
 * partition and base offset: the acknowledgement names the offset and knows
 * when the batch was meant to be sent, the fetch names the offset and knows
 * when it was seen. Whichever comes first waits for the other, in a hash table
 * with linear probing: several producers' acknowledgements are not in order of
 * offsets.
 *
 * Invariant: no slot between a note's own place and where it lies is empty.
 */
#include "bench.h"

enum side { NOBODY, SENT, SEEN };
struct note {
	int64_t offset, at_ns;
	int32_t partition;
	enum side side;
};
struct match {
	struct tally *tally;
	struct note *notes;
	uint64_t cap, n; /* cap is a power of two, at least twice n */
	int64_t waiting;
};

#define CAP_FIRST 1024

struct match *match_new(struct tally *t)
{
	struct match *m = mem_zalloc(sizeof(*m));

	m->tally = t;
	m->cap = CAP_FIRST;
	m->notes = mem_zalloc(m->cap * sizeof(*m->notes));
	return m;
}

void match_free(struct match *m)
{
	if (!m)
		return;
	mem_free(m->notes);
	mem_free(m);
}

static uint64_t place_of(const struct match *m, const struct note *key)
{
	uint64_t x = (uint64_t)key->offset +
		     (uint64_t)key->partition * 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return (x ^ (x >> 32)) & (m->cap - 1);
}

/* The note about the same batch, or the empty slot where it would lie. */
static struct note *find(const struct match *m, const struct note *key)
{
	uint64_t i = place_of(m, key);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct note *at = &m->notes[i];

		if (at->side == NOBODY || (at->offset == key->offset &&
					   at->partition == key->partition))
			return at;
	}
}

static void grow(struct match *m)
{
	struct note *old = m->notes;
	uint64_t n = m->cap;

	m->cap *= 2;
	m->notes = mem_zalloc(m->cap * sizeof(*m->notes));
	for (uint64_t i = 0; i < n; i++)
		if (old[i].side != NOBODY)
			*find(m, &old[i]) = old[i];
	mem_free(old);
}

/* Closes the hole: what stands behind it may belong into it. */
static void take_out(struct match *m, struct note *hole)
{
	uint64_t mask = m->cap - 1, to = (uint64_t)(hole - m->notes);

	for (uint64_t i = (to + 1) & mask; m->notes[i].side != NOBODY;
	     i = (i + 1) & mask) {
		uint64_t own = place_of(m, &m->notes[i]);

		if (((i - own) & mask) < ((i - to) & mask))
			continue; /* it would come before its place */
		m->notes[to] = m->notes[i];
		to = i;
	}
	m->notes[to].side = NOBODY;
	m->n--;
}

static void meet(struct match *m, const struct note *sent,
		 const struct note *seen)
{
	int64_t us = (seen->at_ns - sent->at_ns) / 1000;

	if (tally_is_measured(m->tally, sent->at_ns))
		histogram_add(&m->tally->e2e, us, 1);
	histogram_add(&m->tally->line, us, 1);
}

static void add(struct match *m, const struct note *note)
{
	struct note *at = find(m, note);

	if (at->side == note->side) /* a repetition */
		return;
	m->waiting += note->side == SENT;
	if (at->side == NOBODY) {
		*at = *note;
		if (++m->n * 2 > m->cap)
			grow(m);
		return;
	}
	meet(m, note->side == SENT ? note : at,
	     note->side == SENT ? at : note);
	m->waiting--;
	take_out(m, at);
}

void match_sent(struct match *m, int32_t partition, int64_t offset,
		int64_t intended_ns)
{
	if (offset < 0) /* a duplicate whose place is not known any more */
		m->tally->unmatched++;
	else
		add(m, &(struct note){ offset, intended_ns, partition, SENT });
}

void match_seen(struct match *m, int32_t partition, int64_t offset,
		int64_t now_ns)
{
	add(m, &(struct note){ offset, now_ns, partition, SEEN });
}

int64_t match_waiting(const struct match *m)
{
	return m->waiting;
}
