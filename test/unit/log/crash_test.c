/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seeded workload on several logs, and the power goes at every step of it.
 * After each recovery: what was reported durable is there byte for byte, what
 * stands behind it had been appended once and fits, and epochs and producers
 * are those of the bytes. Then the workload goes on, and the power goes again.
 */
#include <stdlib.h>

#include "bench.h"

#define LOGS 3
#define LIVES 3
#define STEPS 60

struct mark {
	int64_t base, next;
	int32_t epoch;
	uint32_t crc;
};
struct model {
	char name[4];
	bool durable;
	struct log *log;
	struct mark *now; /* what an undisturbed log holds */
	int32_t n, cap;
	struct mark *ever; /* everything that was ever appended */
	int32_t ever_n, ever_cap;
	int64_t promised; /* nothing below it may be lost */
	int64_t empty_at; /* began anew here: no record yet, no promise */
	int32_t epoch;
	int32_t sequence[2];
	bool whole; /* from offset 0 on */
	bool aside; /* given up: it may be found damaged once more */
};
struct run {
	struct bench b;
	struct prng prng;
	struct model m[LOGS];
	enum disk_mem_crash how;
	int tag;
	bool dead;
};

static void push(struct mark **v, int32_t *n, int32_t *cap, struct mark m)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 32;
		*v = mem_realloc(*v, (size_t)*cap * sizeof(**v));
	}
	(*v)[(*n)++] = m;
}

static struct log_settings settings_of(const struct model *m)
{
	struct log_settings set = bench_settings(m->durable);

	set.segment_bytes = 900;
	set.file_delete_delay_ms = 0;
	return set;
}

/* ---- the work ------------------------------------------------------------ */

static void append(struct run *r, struct model *m)
{
	int which = (int)prng_below(&r->prng, 3);
	struct making k = { .n = 1 + (int)prng_below(&r->prng, 4),
			    .producer = -1, .tag = r->tag++,
			    .pad = prng_below(&r->prng, 120) };
	struct log_append out;
	struct buf buf;
	struct batch b;

	if (which < 2) {
		k.producer = 100 + which;
		k.epoch = 0;
		k.sequence = m->sequence[which];
	}
	buf = bench_batch(bench_fill(k));
	if (log_append(m->log, &(struct log_offer){ buf.p, buf.n, m->epoch,
						    r->b.wall_ms },
		       &out) == K_NONE) {
		ck_assert(!out.duplicate);
		ck_assert_int_eq(batch_peek(buf.p, buf.n, &b), K_NONE);
		push(&m->now, &m->n, &m->cap,
		     (struct mark){ b.base_offset, batch_next_offset(&b),
				    b.leader_epoch, b.crc });
		push(&m->ever, &m->ever_n, &m->ever_cap, m->now[m->n - 1]);
		if (which < 2)
			m->sequence[which] += k.n;
	} else {
		trace_info("test", "refused", "why=%s", out.why);
		r->dead = true;
	}
	buf_fini(&buf);
}

/* The producers' next sequence follows from what the log has. */
static void take_sequence(void *ctx, const struct log_producer *p)
{
	struct model *m = ctx;

	m->sequence[p->id - 100] = p->last_sequence + 1;
}

static void take_sequences(struct model *m)
{
	m->sequence[0] = m->sequence[1] = 0;
	log_each_producer(m->log, take_sequence, m);
}

static void cut(struct run *r, struct model *m)
{
	int32_t keep = m->n ? (int32_t)prng_below(&r->prng,
						  (uint64_t)m->n) : 0;
	int64_t at;

	if (!m->n)
		return;
	keep = max_of(keep, m->n - 6);
	at = m->now[keep].base;
	if (at < log_start(m->log))
		return;
	if (log_truncate(m->log, at)) {
		trace_info("test", "no cut", "at=%d", (int)at);
		r->dead = true;
	} else {
		ck_assert_int_eq(log_end(m->log), at);
		m->n = keep;
	}
	m->promised = keep ? min_of(m->promised, at) : 0;
	if (!keep)
		m->empty_at = at;
	m->epoch++;
	if (!r->dead)
		take_sequences(m);
}

static void restart(struct run *r, struct model *m)
{
	int64_t at = log_end(m->log) + (int64_t)prng_below(&r->prng, 20);

	if (log_restart_at(m->log, at))
		r->dead = true;
	m->n = 0;
	m->promised = 0;
	m->empty_at = at;
	m->whole = false;
	m->epoch++;
	take_sequences(m);
}

static void recreate(struct run *r, struct model *m)
{
	struct log_settings set = settings_of(m);

	store_log_delete(r->b.store, m->log);
	m->n = 0;
	m->promised = m->empty_at = 0;
	m->epoch++;
	m->whole = true;
	if (store_log_open(r->b.store, &(struct log_id){ str_of(m->name),
				   { { 7 } }, 0 }, &set, &m->log))
		r->dead = true;
	else
		take_sequences(m);
}

/* When the journal knows of the end of the one before. */
static int open_anew(struct run *r, struct model *m,
		     const struct log_settings *set)
{
	int e;

	while ((e = store_log_open(r->b.store, &(struct log_id){
					   str_of(m->name), { { 7 } }, 0 },
				   set, &m->log)) == -EAGAIN) {
		store_turn_end(r->b.store, r->b.now_ms);
		if (!bench_run_one(&r->b))
			return -EIO; /* the journal has failed */
	}
	return e;
}

/* What a failed write left may be found, as may what was never answered. */
static bool fail_a_write(struct run *r, struct model *m)
{
	struct buf buf = bench_batch(MAKING(.n = 1, .tag = r->tag++));
	struct log_append out;
	struct batch b;
	enum kerr e;

	disk_mem_fail_write(r->b.mem, 1);
	e = log_append(m->log, &(struct log_offer){ buf.p, buf.n, m->epoch,
						    r->b.wall_ms }, &out);
	ck_assert_int_eq(batch_peek(buf.p, buf.n, &b), K_NONE);
	push(&m->ever, &m->ever_n, &m->ever_cap,
	     (struct mark){ b.base_offset, batch_next_offset(&b),
			    b.leader_epoch, b.crc });
	buf_fini(&buf);
	return e != K_NONE && log_error(m->log);
}

/* Its disk fails, others have all it had, it begins anew. */
static void lose(struct run *r, struct model *m)
{
	struct log_settings set = settings_of(m);

	if (!fail_a_write(r, m)) {
		r->dead = true;
		return;
	}
	m->aside = true; /* whatever becomes of it from here on */
	m->n = 0;
	m->promised = m->empty_at = 0;
	m->epoch++;
	m->whole = true;
	if (store_log_set_aside(r->b.store, m->log) ||
	    open_anew(r, m, &set))
		r->dead = true;
	else
		take_sequences(m);
}

static void note_promises(struct run *r)
{
	for (int i = 0; i < LOGS; i++) {
		struct model *m = &r->m[i];

		/* Whether or not it is durable: a kill alone loses nothing. */
		if (log_durable_end(m->log) <= m->empty_at)
			continue;
		if (m->durable)
			m->promised = max_of(m->promised,
					     log_durable_end(m->log));
		else if (r->how == DISK_MEM_KEEP && !r->dead)
			m->promised = log_end(m->log);
	}
}

static void step(struct run *r)
{
	struct model *m = &r->m[prng_below(&r->prng, LOGS)];
	int what = (int)prng_below(&r->prng, 100);

	trace_info("test", "step", "log=%s what=%d end=%d durable=%d",
		   m->name, what, (int)log_end(m->log),
		   (int)log_durable_end(m->log));

	if (what < 50)
		append(r, m);
	else if (what < 56)
		cut(r, m);
	else if (what < 57)
		restart(r, m);
	else if (what < 58)
		recreate(r, m);
	else if (what < 59)
		lose(r, m);
	else if (what < 60)
		log_begin_epoch(m->log, ++m->epoch);
	else if (what < 65)
		log_set_high_watermark(m->log, log_durable_end(m->log));
	else if (what < 80)
		store_turn_end(r->b.store, r->b.now_ms);
	else if (what < 95)
		bench_run_one(&r->b);
	else
		bench_tick(&r->b, 30000);
	for (int i = 0; i < LOGS && !r->dead; i++)
		r->dead |= log_error(r->m[i].log) != 0;
	if (!r->dead)
		note_promises(r);
}

/* ---- the checks ---------------------------------------------------------- */

static bool was_appended(const struct model *m, const struct mark *k)
{
	for (int32_t i = 0; i < m->ever_n; i++)
		if (memcmp(&m->ever[i], k, sizeof(*k)) == 0)
			return true;
	return false;
}

/* Below what was promised exactly the expected, above something fitting. */
static void check_content(struct run *r, struct model *m)
{
	int64_t start = log_start(m->log), end = log_end(m->log);
	struct buf all = bench_read_all(&r->b, m->log, start, end);
	struct mark *got = NULL;
	int32_t n = 0, cap = 0, k = 0;
	struct batch b;

	bench_check_bytes(&all, start, end);
	if (m->n && m->promised > m->now[0].base)
		ck_assert_int_le(start, m->now[0].base);
	for (size_t at = 0; at < all.n; at += (size_t)b.size) {
		struct mark x = { 0 };

		ck_assert_int_eq(batch_peek(all.p + at, all.n - at, &b),
				 K_NONE);
		x.base = b.base_offset;
		x.next = batch_next_offset(&b);
		x.epoch = b.leader_epoch;
		x.crc = b.crc;
		push(&got, &n, &cap, x);
		ck_assert(was_appended(m, &x));
		ck_assert_int_eq(log_epoch_at(m->log, x.base), x.epoch);
		while (k < m->n && m->now[k].base < x.base)
			k++;
		if (x.next > m->promised)
			continue;
		ck_assert_int_lt(k, m->n);
		ck_assert_mem_eq(&m->now[k], &x, sizeof(x));
	}
	buf_fini(&all);
	ck_assert_msg(end >= m->promised, "%s ends at %d, promised %d",
		      m->name, (int)end, (int)m->promised);
	mem_free(m->now);
	m->now = got;
	m->n = n;
	m->cap = cap;
}

struct expected {
	int64_t id;
	int32_t last;
	int seen;
};

static void check_producer(void *ctx, const struct log_producer *p)
{
	struct expected *e = ctx;

	if (p->id != e->id)
		return;
	e->seen++;
	ck_assert_int_eq(p->last_sequence, e->last);
}

/* The last five batches of each producer are known again. */
static void check_producers(struct run *r, struct model *m)
{
	struct buf all = bench_read_all(&r->b, m->log, 0, log_end(m->log));
	struct batch b;

	for (int64_t id = 100; id < 102; id++) {
		struct expected e = { id, -1, 0 };
		size_t last[5] = { 0 };
		int n = 0;

		for (size_t at = 0; at < all.n; at += (size_t)b.size) {
			ck_assert_int_eq(batch_peek(all.p + at, all.n - at,
						    &b), K_NONE);
			if (b.producer_id != id)
				continue;
			last[n++ % 5] = at;
			e.last = b.base_sequence + b.last_offset_delta;
		}
		log_each_producer(m->log, check_producer, &e);
		ck_assert_int_eq(e.seen, n > 0);
		for (int i = 0; i < n && i < 5; i++) {
			struct log_append out;
			struct buf one = { 0 };
			int64_t was;

			(void)!batch_peek(all.p + last[i], all.n, &b);
			was = b.base_offset;
			buf_put(&one, b.p, (size_t)b.size);
			put_be64(one.p, 0);
			put_be32(one.p + 12, UINT32_MAX);
			ck_assert_int_eq(log_append(m->log,
					&(struct log_offer){ one.p, one.n, 9999,
							     r->b.wall_ms },
					&out),
					 K_NONE);
			ck_assert(out.duplicate);
			ck_assert_int_eq(out.base_offset, was);
			buf_fini(&one);
		}
	}
	buf_fini(&all);
}

static void give_up(struct run *r, struct model *m)
{
	struct log_settings set = settings_of(m);

	if (store_log_set_aside(r->b.store, m->log) == 0)
		m->log = NULL;
	if (!m->log)
		(void)!open_anew(r, m, &set);
}

static void check(struct run *r)
{
	for (int i = 0; i < LOGS; i++) {
		struct model *m = &r->m[i];

		trace_info("test", "check", "log=%s start=%d end=%d "
			   "promised=%d", m->name, (int)log_start(m->log),
			   (int)log_end(m->log), (int)m->promised);
		if (log_error(m->log) && m->aside && !m->promised)
			give_up(r, m);
		m->aside = false;
		ck_assert_int_eq(log_error(m->log), 0);
		ck_assert_int_le(log_high_watermark(m->log), log_end(m->log));
		check_content(r, m);
		if (m->whole && log_start(m->log) == 0)
			check_producers(r, m);
		m->epoch = max_of(m->epoch, log_last_epoch(m->log)) + 1;
		m->promised = log_end(m->log);
		take_sequences(m);
	}
}

/* ---- lives --------------------------------------------------------------- */

static bool begin(struct run *r)
{
	if (bench_try_open(&r->b))
		return false;
	for (int i = 0; i < LOGS; i++) {
		struct model *m = &r->m[i];
		struct log_settings set = settings_of(m);

		if (store_log_open(r->b.store, &(struct log_id){
					   str_of(m->name), { { 7 } }, 0 },
				   &set, &m->log))
			return false;
	}
	return true;
}

static void setup(struct run *r, uint64_t seed, enum disk_mem_crash how)
{
	memset(r, 0, sizeof(*r));
	bench_init(&r->b, seed);
	r->b.journal_bytes = 12 << 10;
	r->b.files_max = 3;
	r->how = how;
	prng_init(&r->prng, seed);
	for (int i = 0; i < LOGS; i++) {
		r->m[i].name[0] = (char)('a' + i);
		r->m[i].durable = i < 2;
		r->m[i].whole = true;
	}
}

static void teardown(struct run *r)
{
	bench_fini(&r->b);
	for (int i = 0; i < LOGS; i++) {
		mem_free(r->m[i].now);
		mem_free(r->m[i].ever);
	}
}

/* The power goes after so many changes. False: the workload got through. */
static bool live(struct run *r, uint64_t power)
{
	bool up;

	r->dead = false;
	disk_mem_cut_power(r->b.mem, power);
	up = begin(r);
	if (up && r->b.recovery.logs)
		check(r);
	for (int i = 0; up && !r->dead && i < unit_rounds(STEPS); i++)
		step(r);
	bench_crash(&r->b, r->how);
	return up && !r->dead;
}

static void verify(struct run *r)
{
	ck_assert(begin(r));
	check(r);
	bench_crash(&r->b, r->how);
}

static void every_step(uint64_t seed, enum disk_mem_crash how)
{
	bool through = false;

	/* Were there no end, something would go wrong with the power on. */
	for (uint64_t power = 0; !through; power++) {
		struct run r;

		ck_assert_uint_lt(power, 2000);
		setup(&r, seed, how);
		through = true;
		trace_info("test", "power", "n=%d how=%d seed=%d", (int)power,
			   (int)how, (int)seed);
		for (int life = 0; life < LIVES; life++) {
			through &= live(&r, power + (uint64_t)life * 7);
			verify(&r);
		}
		teardown(&r);
	}
}

static uint64_t seed_of(int i)
{
	const char *from = getenv("UNIT_SEED");

	return (from ? strtoull(from, NULL, 10) : 1) + (uint64_t)i;
}

TEST_TIMES(a_kill_at_any_step_loses_nothing, 4)
{
	every_step(seed_of(_i), DISK_MEM_KEEP);
}

TEST_TIMES(a_power_cut_at_any_step_loses_nothing_durable, 4)
{
	every_step(seed_of(_i), DISK_MEM_LOSE);
}

TEST_TIMES(a_torn_write_at_any_step_loses_nothing_durable, 4)
{
	every_step(seed_of(_i), DISK_MEM_PREFIX);
}

TEST_TIMES(lost_sectors_and_names_at_any_step_lose_nothing_durable, 4)
{
	every_step(seed_of(_i), DISK_MEM_RANDOM);
}
