/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant: see mutant.h. Most work on MODEL_PLAIN, where nothing is excused.
 */
#include "mutant.h"

/* ---- places -------------------------------------------------------------- */

/*
 * Walks all operations once from a random one: for (i = ..; i.left; next(&i)).
 */
struct walk {
	const struct history *h;
	uint32_t op, left;
};

static struct walk from_anywhere(const struct history *h, struct prng *rng)
{
	uint32_t n = h->ops_n;

	return (struct walk){ h, (uint32_t)prng_below(rng, n), n };
}

static void next(struct walk *w)
{
	w->op = (w->op + 1) % w->h->ops_n;
	w->left--;
}

static struct history_answer *answer_of(struct history *h, uint32_t op, int key)
{
	const struct history_op *o = &h->ops[op];

	if (o->kind != HISTORY_POLL)
		return NULL;
	for (uint32_t i = 0; i < o->poll.n; i++)
		if (h->answers[o->poll.first + i].key == key)
			return &h->answers[o->poll.first + i];
	return NULL;
}

static struct history_record *records_of(struct history *h,
					 const struct history_answer *a)
{
	return &h->records[a->first];
}

/* The answer of the first or second final read, the last operations. */
static struct history_answer *final_of(struct history *h, int which, int key)
{
	return answer_of(h, h->ops_n - 2 + (uint32_t)which, key);
}

static void leave_out(struct history *h, struct history_answer *a, uint32_t i)
{
	struct history_record *r = records_of(h, a);

	memmove(&r[i], &r[i + 1], (a->n - i - 1) * sizeof(*r));
	a->n--;
}

static bool was_read(struct history *h, uint64_t value, int key)
{
	const struct history_answer *a = final_of(h, 0, key);

	for (uint32_t i = 0; i < a->n; i++)
		if (records_of(h, a)[i].value == value)
			return true;
	return false;
}

static bool is_acked(const struct history_op *o)
{
	return o->kind == HISTORY_SEND && o->outcome == HISTORY_OK &&
	       o->acks < 0 && o->key == MODEL_PLAIN;
}

/* Two acks=all sends, told their offsets, one after the other. */
static bool two_acked(struct history *h, struct prng *rng,
		      struct history_op *two[2])
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		two[0] = &h->ops[w.op];
		if (!is_acked(two[0]) || two[0]->send.offset < 0)
			continue;
		for (uint32_t i = w.op + 1; i < h->ops_n; i++) {
			two[1] = &h->ops[i];
			if (is_acked(two[1]) && two[1]->send.offset >= 0 &&
			    two[1]->invoked_us > two[0]->completed_us)
				return true;
		}
	}
	return false;
}

/* A poll of an assigned reader with at least n records of the partition. */
static struct history_answer *long_answer(struct history *h, struct prng *rng,
					  uint32_t n, uint32_t *op)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_answer *a = answer_of(h, w.op, MODEL_PLAIN);

		if (!a || a->n < n || h->ops[w.op].mode != HISTORY_ASSIGN)
			continue;
		*op = w.op;
		return a;
	}
	return NULL;
}

/* The answer before it that set the position of its process, or NULL. */
static struct history_answer *answer_before(struct history *h, uint32_t op,
					    int key)
{
	int32_t process = h->ops[op].process;

	while (op-- > 0) {
		const struct history_op *o = &h->ops[op];
		struct history_answer *a = answer_of(h, op, key);

		if (o->process != process)
			continue;
		if (o->kind == HISTORY_CRASH ||
		    (o->kind == HISTORY_SEEK && o->key == key))
			return NULL;
		if (a)
			return a;
	}
	return NULL;
}

/* One with at least n records that goes on from another with some. */
static struct history_answer *next_answer(struct history *h, struct prng *rng,
					  uint32_t n,
					  struct history_answer **before)
{
	for (int i = 0; i < 50; i++) {
		uint32_t op;
		struct history_answer *a = long_answer(h, rng, n, &op);

		if (!a)
			return NULL;
		*before = answer_before(h, op, MODEL_PLAIN);
		if (*before && (*before)->n > 0)
			return a;
	}
	return NULL;
}

/* ---- of the log ---------------------------------------------------------- */

static bool once_more(struct history *h, struct prng *rng)
{
	const struct history_answer *a = final_of(h, 0, MODEL_PLAIN);
	const struct history_record *r;
	struct history_answer again = { .key = MODEL_PLAIN,
					.epoch = -1,
					.from = -1,
					.hw = -1,
					.log_start = -1,
					.stable = -1 };
	int64_t end = a->hw, now = h->ops[h->ops_n - 1].completed_us + 1;
	uint32_t op;

	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		const struct history_op *o = &h->ops[w.op];

		if (o->kind != HISTORY_SEND || o->key != MODEL_PLAIN ||
		    !was_read(h, o->send.value, MODEL_PLAIN) ||
		    (o->send.producer < 0 &&
		     (o->retried || o->outcome != HISTORY_OK)))
			continue;
		r = &(struct history_record){ end, o->send.value };
		op = history_poll(h, MODEL_STRANGER, HISTORY_ASSIGN, false,
				  now);
		history_answer(h, op, &again);
		history_read(h, r->offset, r->value);
		history_polled(h, op, HISTORY_OK, now);
		return true;
	}
	return false;
}

/* Nobody else has to have read what stands there. */
static bool other_value(struct history *h, struct prng *rng)
{
	const struct history_answer *a = final_of(h, 1, MODEL_PLAIN);

	for (struct walk w = from_anywhere(h, rng); w.left && a->n; next(&w)) {
		const struct history_op *o = &h->ops[w.op];

		if (o->kind != HISTORY_SEND || o->key != MODEL_PLAIN ||
		    o->outcome == HISTORY_FAIL ||
		    was_read(h, o->send.value, MODEL_PLAIN))
			continue;
		records_of(h, a)[prng_below(rng, a->n)].value = o->send.value;
		return true;
	}
	return false;
}

static bool same_offset(struct history *h, struct prng *rng)
{
	struct history_op *two[2];

	if (!two_acked(h, rng, two))
		return false;
	two[1]->send.offset = two[0]->send.offset;
	return true;
}

static bool lose(struct history *h, struct prng *rng)
{
	struct history_answer *a = final_of(h, (int)prng_below(rng, 2),
					    MODEL_PLAIN);

	if (a->n == 0)
		return false;
	leave_out(h, a, (uint32_t)prng_below(rng, a->n));
	return true;
}

/* Retention is no licence for what stands above the start. */
static bool lose_retained(struct history *h, struct prng *rng)
{
	struct history_answer *a = final_of(h, 1, MODEL_RETENTION);

	if (a->n == 0)
		return false;
	leave_out(h, a, (uint32_t)prng_below(rng, a->n));
	return true;
}

static bool lose_end(struct history *h, struct prng *rng)
{
	struct history_answer *a = final_of(h, 1, MODEL_PLAIN);

	(void)rng;
	if (a->n == 0)
		return false;
	/* the other scan has read it, but ended before this one began */
	a->hw = records_of(h, a)[a->n - 1].offset;
	a->n--;
	return true;
}

/* acknowledged, and in none of the scans, which go to its end */
static bool acknowledge_lost(struct history *h, struct prng *rng)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_op *o = &h->ops[w.op];

		if (o->kind != HISTORY_SEND || o->key != MODEL_PLAIN ||
		    o->acks >= 0 || o->outcome != HISTORY_FAIL)
			continue;
		o->outcome = HISTORY_OK;
		o->send.offset = -1;
		return true;
	}
	return false;
}

static bool fail_read(struct history *h, struct prng *rng)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_op *o = &h->ops[w.op];

		if (o->kind != HISTORY_SEND || o->outcome == HISTORY_OPEN ||
		    !was_read(h, o->send.value, o->key))
			continue;
		o->outcome = HISTORY_FAIL;
		return true;
	}
	return false;
}

static bool make_up(struct history *h, struct prng *rng)
{
	if (h->records_n == 0)
		return false;
	h->records[prng_below(rng, h->records_n)].value = 1ULL << 60;
	return true;
}

/* A value of another partition. */
static bool stray(struct history *h, struct prng *rng)
{
	struct history_answer *a = final_of(h, 0, MODEL_PLAIN);
	struct history_answer *b = final_of(h, 0, MODEL_STARTS);

	if (a->n == 0 || b->n == 0)
		return false;
	records_of(h, a)[prng_below(rng, a->n)].value =
		records_of(h, b)[prng_below(rng, b->n)].value;
	return true;
}

static bool read_early(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 1, &op);

	for (uint32_t i = 0; a && i < h->ops_n; i++) {
		struct history_op *o = &h->ops[i];

		if (o->kind != HISTORY_SEND ||
		    o->send.value != records_of(h, a)->value)
			continue;
		o->invoked_us = h->ops[op].completed_us + 1;
		o->completed_us = max_of(o->completed_us, o->invoked_us);
		return true;
	}
	return false;
}

static bool send_twice(struct history *h, struct prng *rng)
{
	struct history_op *two[2];

	if (!two_acked(h, rng, two))
		return false;
	two[1]->send.value = two[0]->send.value;
	return true;
}

static bool against_time(struct history *h, struct prng *rng)
{
	struct history_op *two[2];
	int64_t offset;

	if (!two_acked(h, rng, two))
		return false;
	offset = two[0]->send.offset;
	two[0]->send.offset = two[1]->send.offset;
	two[1]->send.offset = offset;
	return true;
}

/* Two that overlap, so that only their sequences say what is wrong. */
static bool against_sequence(struct history *h, struct prng *rng)
{
	struct history_op *first = NULL;

	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_op *o = &h->ops[w.op];
		int64_t sequence;

		if (o->kind != HISTORY_SEND || o->key != MODEL_PLAIN ||
		    o->send.producer < 0 ||
		    !was_read(h, o->send.value, o->key))
			continue;
		if (!first) {
			first = o;
			continue;
		}
		sequence = o->send.sequence;
		o->send.sequence = first->send.sequence;
		first->send.sequence = sequence;
		return true;
	}
	return false;
}

/* ---- of polls ------------------------------------------------------------ */

static bool skip_within(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 3, &op);

	if (a)
		leave_out(h, a, 1 + (uint32_t)prng_below(rng, a->n - 2));
	return a;
}

static bool skip_between(struct history *h, struct prng *rng)
{
	struct history_answer *before;
	struct history_answer *a = next_answer(h, rng, 2, &before);

	if (!a)
		return false;
	a->from = -1;
	leave_out(h, a, 0);
	return true;
}

/* A broker that answers with less than it was asked for. */
static bool skip_at_once(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 2, &op);

	if (!a || a->from < 0)
		return false;
	leave_out(h, a, 0);
	return true;
}

static bool back_within(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 2, &op);
	struct history_record *r, swap;

	if (!a)
		return false;
	r = records_of(h, a) + prng_below(rng, a->n - 1);
	swap = r[0];
	r[0] = r[1];
	r[1] = swap;
	return true;
}

static bool back_between(struct history *h, struct prng *rng)
{
	struct history_answer *before;
	struct history_answer *a = next_answer(h, rng, 1, &before);

	if (!a)
		return false;
	*records_of(h, a) = records_of(h, before)[before->n - 1];
	return true;
}

static bool beyond_end(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 1, &op);

	if (a)
		a->hw = records_of(h, a)[a->n - 1].offset;
	return a;
}

/* Two answers of one epoch to one process, the first with a number > 0. */
static struct history_answer *same_leader(struct history *h, struct prng *rng,
					  int key, bool start)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_answer *a = answer_of(h, w.op, key), *b;

		if (!a || a->epoch < 0 || (start ? a->log_start : a->hw) <= 0)
			continue;
		for (uint32_t i = w.op + 1; i < h->ops_n; i++) {
			b = answer_of(h, i, key);
			if (b && h->ops[i].process == h->ops[w.op].process &&
			    b->epoch == a->epoch)
				return b;
		}
	}
	return NULL;
}

static bool hw_back(struct history *h, struct prng *rng)
{
	struct history_answer *a = same_leader(h, rng, MODEL_PLAIN, false);

	if (a)
		a->hw = 0;
	return a;
}

static bool start_back(struct history *h, struct prng *rng)
{
	struct history_answer *a = same_leader(h, rng, MODEL_STARTS, true);

	if (a)
		a->log_start = 0;
	return a;
}

static bool start_jump(struct history *h, struct prng *rng)
{
	uint32_t op;
	struct history_answer *a = long_answer(h, rng, 1, &op);

	if (a)
		a->log_start = 1 + (int64_t)prng_below(rng, 5);
	return a;
}

/* ---- of groups ----------------------------------------------------------- */

/* A commit of the group that is not for the deletable topic. */
static bool is_commit(const struct history_op *o)
{
	return o->kind == HISTORY_COMMIT && o->outcome == HISTORY_OK &&
	       o->key != MODEL_DELETED;
}

static bool replaced_before(const struct history *h, uint32_t c, int64_t us)
{
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (is_commit(o) && o->key == h->ops[c].key &&
		    o->invoked_us > h->ops[c].completed_us &&
		    o->completed_us < us)
			return true;
	}
	return false;
}

/* No other commit of that offset. */
static bool is_alone(const struct history *h, uint32_t c)
{
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (i != c && o->kind == HISTORY_COMMIT &&
		    o->key == h->ops[c].key &&
		    o->at.offset == h->ops[c].at.offset)
			return false;
	}
	return true;
}

static struct history_op *some_fetch(struct history *h, struct prng *rng)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_op *o = &h->ops[w.op];

		if (o->kind == HISTORY_FETCH && o->outcome == HISTORY_OK &&
		    o->key != MODEL_DELETED)
			return o;
	}
	return NULL;
}

static bool fetch_replaced(struct history *h, struct history_op *fetch)
{
	for (uint32_t i = 0; i < h->ops_n; i++)
		if (is_commit(&h->ops[i]) && h->ops[i].key == fetch->key &&
		    is_alone(h, i) &&
		    replaced_before(h, i, fetch->invoked_us)) {
			fetch->at.offset = h->ops[i].at.offset;
			return true;
		}
	return false;
}

static bool fetch_old(struct history *h, struct prng *rng)
{
	for (int i = 0; i < 50; i++) {
		struct history_op *fetch = some_fetch(h, rng);

		if (fetch && fetch_replaced(h, fetch))
			return true;
	}
	return false;
}

static bool fetch_none(struct history *h, struct prng *rng)
{
	struct history_op *fetch = some_fetch(h, rng);

	for (uint32_t i = 0; fetch && i < h->ops_n; i++)
		if (is_commit(&h->ops[i]) && h->ops[i].key == fetch->key &&
		    h->ops[i].completed_us < fetch->invoked_us) {
			fetch->at.offset = -1;
			return true;
		}
	return false;
}

static bool fetch_made_up(struct history *h, struct prng *rng)
{
	struct history_op *fetch = some_fetch(h, rng);

	if (fetch)
		fetch->at.offset = 1LL << 40;
	return fetch;
}

static bool commit_beyond(struct history *h, struct prng *rng)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		struct history_op *o = &h->ops[w.op];

		if (!is_commit(o) || o->key != MODEL_PLAIN)
			continue;
		o->at.offset = final_of(h, 1, MODEL_PLAIN)->hw + 1;
		return true;
	}
	return false;
}

/* One of an old generation, which the model fails. */
static bool commit_late(struct history *h, struct prng *rng)
{
	struct history_commit c = { .process = MODEL_STRANGER, .key = -1 };
	int64_t now = h->ops[h->ops_n - 1].completed_us + 1;

	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		const struct history_op *o = &h->ops[w.op];

		if (o->kind == HISTORY_OWN && o->key == MODEL_PLAIN) {
			c.key = o->key;
			c.group = o->at.group;
			c.generation = o->at.generation - 1;
		}
	}
	if (c.key < 0)
		return false;
	history_committed(h, history_commit(h, now, &c), HISTORY_OK, now);
	return true;
}

static bool own_too(struct history *h, struct prng *rng)
{
	for (struct walk w = from_anywhere(h, rng); w.left; next(&w)) {
		const struct history_op *o = &h->ops[w.op];
		struct history_own own = { .process = MODEL_STRANGER };

		if (o->kind != HISTORY_OWN)
			continue;
		own.group = o->at.group;
		own.generation = o->at.generation;
		own.key = o->key;
		history_own(h, o->invoked_us, &own);
		return true;
	}
	return false;
}

const struct mutant mutants[MUTANTS] = {
	{ "once more", VERDICT_DUPLICATE, once_more },
	{ "other value", VERDICT_INCONSISTENT_OFFSETS, other_value },
	{ "same offset", VERDICT_INCONSISTENT_OFFSETS, same_offset },
	{ "lose", VERDICT_LOST_WRITE, lose },
	{ "lose retained", VERDICT_LOST_WRITE, lose_retained },
	{ "lose end", VERDICT_UNSEEN, lose_end },
	{ "acknowledge lost", VERDICT_UNSEEN, acknowledge_lost },
	{ "fail read", VERDICT_G1A, fail_read },
	{ "make up", VERDICT_PHANTOM, make_up },
	{ "stray", VERDICT_PHANTOM, stray },
	{ "read early", VERDICT_PHANTOM, read_early },
	{ "send twice", VERDICT_BAD_HISTORY, send_twice },
	{ "against time", VERDICT_NONMONOTONIC_SEND, against_time },
	{ "against sequence", VERDICT_NONMONOTONIC_SEND, against_sequence },
	{ "skip within", VERDICT_INT_POLL_SKIP, skip_within },
	{ "skip between", VERDICT_POLL_SKIP, skip_between },
	{ "skip at once", VERDICT_POLL_SKIP, skip_at_once },
	{ "back within", VERDICT_INT_NONMONOTONIC_POLL, back_within },
	{ "back between", VERDICT_NONMONOTONIC_POLL, back_between },
	{ "beyond end", VERDICT_ABOVE_END, beyond_end },
	{ "hw back", VERDICT_HW_BACK, hw_back },
	{ "start back", VERDICT_START_BACK, start_back },
	{ "start jump", VERDICT_START_JUMP, start_jump },
	{ "fetch old", VERDICT_COMMIT_BACK, fetch_old },
	{ "fetch none", VERDICT_COMMIT_BACK, fetch_none },
	{ "fetch made up", VERDICT_COMMIT_PHANTOM, fetch_made_up },
	{ "commit beyond", VERDICT_COMMIT_BEYOND, commit_beyond },
	{ "commit late", VERDICT_COMMIT_FENCED, commit_late },
	{ "own too", VERDICT_TWO_OWNERS, own_too },
};
