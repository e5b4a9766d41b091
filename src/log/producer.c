/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producers: what a log remembers of its idempotent producers (KIP-98): the
 * last five batches of each, so that a repeated one is answered with the
 * offsets of the first time and a missing one is noticed. Followers note what
 * the leader took; only a leader checks.
 *
 * 1. It is a function of the log's batches, the expiry and the limit apart.
 * 2. At most PRODUCERS_MAX per log; the least recently used one gives way.
 * 3. A producer that is known has at least one batch, except between
 *    producers_cut and producers_settle.
 * 4. What is on its way behind a batch that was refused for a reason that
 *    passes is refused with it, not as out of order: a client that hears of a
 *    gap gives up, or takes a new epoch and sends again what it cannot know to
 *    be missing.
 * 5. What the leader before refused is not known here. The first gap of a
 *    producer under a new leader is taken for that: it is to try again.
 */
#include "log_internal.h"

void producers_init(struct producers *ps)
{
	memset(ps, 0, sizeof(*ps));
	list_init(&ps->lru);
}

static void forget(struct producers *ps, struct producer *p)
{
	list_remove(&p->link);
	map_remove_i64(&ps->by_id, p->id);
	mem_free(p);
	ps->n--;
}

void producers_fini(struct producers *ps)
{
	list_each(i, &ps->lru, safe)
		forget(ps, list_entry(i, struct producer, link));
	map_fini(&ps->by_id);
	producers_init(ps);
}

struct producer *producers_find(const struct producers *ps, int64_t id)
{
	return ps->n ? map_find_i64(&ps->by_id, id) : NULL;
}

/* Sequence numbers go round at 2^31-1 to 0. */
int32_t producer_next_seq(int32_t seq, int32_t more)
{
	return (int32_t)(((int64_t)seq + more) & INT32_MAX);
}

static int32_t last_seq(const struct batch *b)
{
	return producer_next_seq(b->base_sequence, b->last_offset_delta);
}

/* ---- refusals ------------------------------------------------------------ */

enum { /* then the client has left it out for good */
	TURNED_AWAY_MAX = 100,
	TURNED_AWAY_BEFORE_MAX = 20, /* by the leader before */
	DOUBTS_MAX = 64, /* gaps under one leader that may be of that kind */
};

static bool is_before(int32_t a, int32_t b)
{
	int32_t ahead = (b - a) & INT32_MAX;

	return ahead != 0 && ahead <= INT32_MAX / 2;
}

static struct refusal *refusal_of(struct producers *ps, const struct batch *b)
{
	for (int i = 0; i < REFUSALS_MAX; i++)
		if (ps->refusals[i].error != K_NONE &&
		    ps->refusals[i].producer == b->producer_id &&
		    ps->refusals[i].epoch == b->producer_epoch)
			return &ps->refusals[i];
	return NULL;
}

static void remember(struct producers *ps, struct refusal *r,
		     const struct refusal *what)
{
	if (!r) {
		r = &ps->refusals[ps->refusals_at];
		ps->refusals_at = (ps->refusals_at + 1) % REFUSALS_MAX;
	}
	*r = *what;
}

void producers_refused(struct producers *ps, const struct batch *b,
		       enum kerr error)
{
	struct refusal *r = refusal_of(ps, b);

	if (b->producer_id < 0)
		return;
	if (r && r->left && r->seq != b->base_sequence)
		return; /* it comes behind that one */
	remember(ps, r, &(struct refusal){ b->producer_id, error,
					   b->base_sequence, b->producer_epoch,
					   TURNED_AWAY_MAX });
}

/* The leader before may have refused what is missing, from seq on. */
static void refused_before(struct producers *ps, const struct batch *b,
			   const struct tenure *t, int32_t seq)
{
	struct refusal *r = refusal_of(ps, b);

	if (ps->doubted != t->since)
		ps->doubts = 0;
	if ((r && r->seq == seq) || ps->doubts == DOUBTS_MAX)
		return; /* once only */
	ps->doubted = t->since;
	ps->doubts++;
	remember(ps, r, &(struct refusal){ b->producer_id,
					   K_NOT_LEADER_OR_FOLLOWER, seq,
					   b->producer_epoch,
					   TURNED_AWAY_BEFORE_MAX });
}

/* expected is the sequence that would be taken, -1 if any would. */
static enum kerr behind_refused(struct producers *ps, const struct batch *b,
			      int32_t expected)
{
	struct refusal *r = refusal_of(ps, b);

	if (!r || !r->left || !is_before(r->seq, b->base_sequence) ||
	    (expected >= 0 && r->seq != expected))
		return K_NONE;
	r->left--;
	return r->error;
}

/* It is in the log after all; what came before it may still be copied. */
static void forget_refusal(struct producers *ps, const struct batch *b)
{
	struct refusal *r = refusal_of(ps, b);

	if (r && !is_before(b->base_sequence, r->seq))
		r->error = K_NONE;
}

/* ---- checking ------------------------------------------------------------ */

static enum kerr out_of_order(struct producers *ps, const struct batch *b,
			      int32_t expected, const char **why)
{
	enum kerr e = behind_refused(ps, b, expected);

	if (e == K_NONE)
		return K_OUT_OF_ORDER_SEQUENCE_NUMBER;
	*why = "a batch before this one was refused and has to come first";
	return e;
}

static enum kerr check_known(struct producers *ps, const struct producer *p,
			     const struct batch *b, const struct tenure *t,
			     const char **why)
{
	const struct producer_batch *last = &p->v[p->n - 1];
	int32_t next = producer_next_seq(last->last_seq, 1);

	*why = "the sequence number does not follow the last one";
	if (b->producer_epoch > p->epoch) {
		next = 0;
		*why = "a new producer epoch must begin with sequence 0";
	}
	if (b->base_sequence == next)
		return K_NONE;
	if (last->last_offset < t->since && is_before(next, b->base_sequence))
		refused_before(ps, b, t, next);
	return out_of_order(ps, b, next, why);
}

enum kerr producers_check(struct producers *ps, const struct batch *b,
			  const struct tenure *t,
			  const struct producer_batch **dup, const char **why)
{
	const struct producer *p;
	enum kerr e;

	*dup = NULL;
	if (b->producer_id < 0)
		return K_NONE;
	p = producers_find(ps, b->producer_id);
	if (!p) { /* any sequence would do */
		if (t->whole && b->base_sequence != 0)
			refused_before(ps, b, t, 0);
		e = out_of_order(ps, b, -1, why);
		return e == K_OUT_OF_ORDER_SEQUENCE_NUMBER ? K_NONE : e;
	}
	if (b->producer_epoch < p->epoch) {
		*why = "a newer epoch of this producer has written here";
		return K_INVALID_PRODUCER_EPOCH;
	}
	for (int i = 0; i < p->n && b->producer_epoch == p->epoch; i++) {
		if (p->v[i].first_seq == b->base_sequence &&
		    p->v[i].last_seq == last_seq(b)) {
			*dup = &p->v[i];
			return K_NONE;
		}
	}
	return check_known(ps, p, b, t, why);
}

/* ---- noting -------------------------------------------------------------- */

static struct producer *add(struct producers *ps, int64_t id)
{
	struct producer *p;

	if (ps->n == PRODUCERS_MAX)
		forget(ps, list_entry(ps->lru.next, struct producer, link));
	p = mem_zalloc(sizeof(*p));
	list_init(&p->link);
	p->id = id;
	map_put_i64(&ps->by_id, id, p);
	ps->n++;
	return p;
}

void producers_note(struct producers *ps, const struct batch *b,
		    int64_t wall_ms)
{
	struct producer *p;

	if (b->producer_id < 0 || (b->attributes & BATCH_CONTROL))
		return;
	forget_refusal(ps, b);
	p = producers_find(ps, b->producer_id);
	if (!p)
		p = add(ps, b->producer_id);
	else if (p->n && b->base_offset <= p->v[p->n - 1].last_offset)
		return; /* a recovery sees again what it had counted */
	if (p->epoch != b->producer_epoch)
		p->n = 0;
	p->epoch = b->producer_epoch;
	if (p->n == PRODUCER_BATCHES) {
		memmove(p->v, p->v + 1, sizeof(p->v) - sizeof(p->v[0]));
		p->n--;
	}
	p->v[p->n++] = (struct producer_batch){
		.first_seq = b->base_sequence,
		.last_seq = last_seq(b),
		.first_offset = b->base_offset,
		.last_offset = batch_last_offset(b),
		.time_ms = b->max_timestamp,
	};
	p->last_time_ms = wall_ms;
	list_remove(&p->link);
	list_push(&ps->lru, &p->link);
}

void producers_expire(struct producers *ps, int64_t wall_ms, int64_t after_ms)
{
	list_each(i, &ps->lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);

		if (wall_ms - p->last_time_ms < after_ms)
			break; /* the rest was used later */
		forget(ps, p);
	}
}

/* Sequence 0 in the window: nothing older belongs to this epoch. */
static bool is_full(const struct producer *p)
{
	return p->n == PRODUCER_BATCHES || (p->n && p->v[0].first_seq == 0);
}

void producers_cut(struct producers *ps, int64_t offset)
{
	list_each(i, &ps->lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);

		p->was = p->n;
		while (p->n && p->v[p->n - 1].last_offset >= offset)
			p->n--;
		p->wanting = p->n != p->was;
	}
}

int32_t producers_wanting(struct producers *ps)
{
	int32_t wanting = 0;

	list_each(i, &ps->lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);

		if (is_full(p) || p->n >= p->was)
			p->wanting = false;
		wanting += p->wanting;
	}
	return wanting;
}

bool producers_want(const struct producers *ps, const struct batch *b)
{
	const struct producer *p = producers_find(ps, b->producer_id);

	return p && p->wanting &&
	       (!p->n || batch_last_offset(b) < p->v[0].first_offset);
}

static void prepend(struct producer *p, const struct producer *older)
{
	int k = min_of(PRODUCER_BATCHES - p->n, older->n);

	if (!p->n) {
		p->epoch = older->epoch;
		p->last_time_ms = older->last_time_ms;
	}
	memmove(p->v + k, p->v, p->n * sizeof(p->v[0]));
	memcpy(p->v, older->v + older->n - k, (size_t)k * sizeof(p->v[0]));
	p->n = (uint8_t)(p->n + k);
}

void producers_refill(struct producers *ps, const struct producers *older)
{
	list_each(i, &older->lru, safe) {
		struct producer *o = list_entry(i, struct producer, link);
		struct producer *p = producers_find(ps, o->id);

		assert(p); /* it is there for what older has to give */
		if (p->n && p->epoch != o->epoch)
			p->wanting = false; /* only older epochs are left */
		else
			prepend(p, o);
	}
}

void producers_settle(struct producers *ps)
{
	list_each(i, &ps->lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);

		p->wanting = false;
		if (!p->n)
			forget(ps, p);
	}
}

void producers_encode(const struct producers *ps, struct buf *out)
{
	buf_put_i32(out, ps->n);
	list_each(i, &ps->lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);

		buf_put_i64(out, p->id);
		buf_put_i64(out, p->last_time_ms);
		buf_put_i16(out, p->epoch);
		buf_put_u8(out, p->n);
		for (int k = 0; k < p->n; k++) {
			buf_put_i32(out, p->v[k].first_seq);
			buf_put_i32(out, p->v[k].last_seq);
			buf_put_i64(out, p->v[k].first_offset);
			buf_put_i64(out, p->v[k].last_offset);
			buf_put_i64(out, p->v[k].time_ms);
		}
	}
}

static bool read_producer(struct producers *ps, struct reader *r)
{
	int64_t id = read_i64(r), time_ms = read_i64(r);
	int16_t epoch = read_i16(r);
	uint8_t n = read_u8(r);
	struct producer *p;

	if (r->bad || n == 0 || n > PRODUCER_BATCHES ||
	    producers_find(ps, id))
		return false;
	p = add(ps, id);
	list_push(&ps->lru, &p->link);
	p->last_time_ms = time_ms;
	p->epoch = epoch;
	p->n = n;
	for (int k = 0; k < n; k++) {
		p->v[k].first_seq = read_i32(r);
		p->v[k].last_seq = read_i32(r);
		p->v[k].first_offset = read_i64(r);
		p->v[k].last_offset = read_i64(r);
		p->v[k].time_ms = read_i64(r);
	}
	return true;
}

void producers_decode(struct producers *ps, struct reader *r)
{
	int32_t n = read_i32(r);

	for (int32_t i = 0; i < n && !r->bad; i++)
		if (!read_producer(ps, r))
			r->bad = true;
}

void log_each_producer(struct log *l,
		       void (*each)(void *ctx, const struct log_producer *p),
		       void *ctx)
{
	list_each(i, &l->producers.lru, safe) {
		struct producer *p = list_entry(i, struct producer, link);
		struct log_producer out = {
			.id = p->id,
			.last_time_ms = p->v[p->n - 1].time_ms,
			.epoch = p->epoch,
			.last_sequence = p->v[p->n - 1].last_seq,
		};

		each(ctx, &out);
	}
}
