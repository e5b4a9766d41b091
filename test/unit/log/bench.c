/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: see bench.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static void give(void *ctx, struct job *j)
{
	struct bench *b = ctx;

	list_push(&b->jobs, &j->link);
}

static void on_durable(void *ctx, struct log *l)
{
	struct bench *b = ctx;

	ck_assert_int_le(log_durable_end(l), log_end(l));
	b->durable_calls++;
}

static void on_offline(void *ctx, struct log *l, int error)
{
	struct bench *b = ctx;

	ck_assert_int_eq(log_error(l), error);
	b->offline_calls++;
}

static void on_readable(void *ctx, struct log *l)
{
	struct bench *b = ctx;

	(void)l;
	b->readable_calls++;
}

static void print(enum trace_level level, const char *line)
{
	fprintf(stderr, "%d %s\n", (int)level, line);
}

void bench_init(struct bench *b, uint64_t seed)
{
	if (getenv("UNIT_TRACE"))
		trace_sink = print;
	memset(b, 0, sizeof(*b));
	b->mem = disk_mem_new(seed);
	list_init(&b->jobs);
	b->out.ctx = b;
	b->out.give = give;
	b->now_ms = 1000000;
	b->wall_ms = 2000000;
	b->shard = b->shards = 1;
}

void bench_fini(struct bench *b)
{
	bench_drop(b);
	disk_mem_free(b->mem);
}

int bench_try_open(struct bench *b)
{
	struct store_config c = {
		.disk = disk_mem_disk(b->mem),
		.out = &b->out,
		.shard = b->shard,
		.shards = b->shards,
		.now_ms = b->now_ms,
		.wall_ms = b->wall_ms,
		.journal_bytes = b->journal_bytes,
		.files_max = b->files_max,
		.ctx = b,
		.on_durable = on_durable,
		.on_offline = on_offline,
		.on_readable = on_readable,
	};
	int r = store_recover(c.disk, b->wall_ms, &b->recovery);

	return r ? r : store_open(&b->store, &c);
}

void bench_open(struct bench *b)
{
	ck_assert_int_eq(bench_try_open(b), 0);
}

bool bench_run_one(struct bench *b)
{
	struct list *i = list_pop(&b->jobs);
	struct job *j;

	if (!i)
		return false;
	j = list_entry(i, struct job, link);
	j->run(j);
	j->done(j);
	return true;
}

void bench_run(struct bench *b)
{
	while (bench_run_one(b))
		;
}

void bench_settle(struct bench *b)
{
	do {
		store_turn_end(b->store, b->now_ms);
		bench_run(b);
	} while (!store_is_idle(b->store));
}

void bench_tick(struct bench *b, int64_t ms)
{
	b->now_ms += ms;
	b->wall_ms += ms;
	store_tick(b->store, b->now_ms, b->wall_ms);
	bench_settle(b);
}

void bench_close(struct bench *b)
{
	bench_settle(b);
	store_stop(b->store);
	bench_run(b);
	ck_assert_int_eq(store_close(b->store), 0);
	b->store = NULL;
}

void bench_drop(struct bench *b)
{
	struct list *i;

	if (b->store)
		store_free(b->store);
	b->store = NULL;
	while ((i = list_pop(&b->jobs))) {
		struct job *j = list_entry(i, struct job, link);

		j->done(j);
	}
}

void bench_crash(struct bench *b, enum disk_mem_crash how)
{
	disk_mem_crash(b->mem, how);
	bench_drop(b);
}

void bench_lose_journal(struct bench *b)
{
	static const char *const gone[] = {
		"journal/0.checkpoint", "journal/1.checkpoint", "journal/1.1",
	};
	struct disk *d = disk_mem_disk(b->mem);

	for (size_t i = 0; i < countof(gone); i++)
		ck_assert_int_eq(d->ops->unlink(d, gone[i]), 0);
}

struct log_settings bench_settings(bool durable)
{
	return (struct log_settings){
		.segment_bytes = 1 << 20,
		.segment_ms = -1,
		.retention_ms = -1,
		.retention_bytes = -1,
		.retention_messages = -1,
		.file_delete_delay_ms = 1000,
		.index_interval_bytes = 256,
		.max_message_bytes = 1 << 20,
		.timestamp_before_max_ms = INT64_MAX,
		.timestamp_after_max_ms = INT64_MAX,
		.delete_retention_ms = 1000,
		.delete_old = true,
		.durable = durable,
	};
}

static struct uuid id_of(const char *topic)
{
	struct uuid u = { { 1 } };

	memcpy(u.b + 1, topic, min_of(strlen(topic), sizeof(u.b) - 1));
	return u;
}

struct log *bench_log(struct bench *b, const char *topic,
		      const struct log_settings *set)
{
	struct log *l = NULL;

	ck_assert_int_eq(store_log_open(b->store, &(struct log_id){
				 str_of(topic), id_of(topic), 0 }, set, &l), 0);
	return l;
}

struct making bench_fill(struct making m)
{
	if (m.producer <= 0) {
		m.producer = -1;
		m.epoch = -1;
		m.sequence = -1;
	}
	m.n = max_of(m.n, 1);
	m.ts = m.ts ? m.ts : 1000;
	return m;
}

struct buf bench_batch(struct making m)
{
	struct batch_builder bb = { 0 };
	struct buf out = { 0 };
	struct bytes done;
	char key[32];
	char *value = mem_zalloc(64 + m.pad);

	batch_build_begin(&bb, m.codec);
	for (int32_t i = 0; i < m.n; i++) {
		int k = snprintf(key, sizeof(key), "key-%d", i);
		int v = snprintf(value, 64, "value-%d-%d", m.tag, i);
		struct bytes kb = { (const uint8_t *)key, k };
		struct bytes vb = { (const uint8_t *)value,
				    v + (int32_t)m.pad };

		batch_build_add(&bb, m.ts + i, m.no_key ? BYTES_NULL : kb, vb,
				NULL);
	}
	done = batch_build_end(&bb, m.producer, m.epoch, m.sequence);
	buf_put(&out, done.p, (size_t)done.n);
	batch_build_fini(&bb);
	mem_free(value);
	return out;
}

enum kerr bench_append(struct log *l, int32_t epoch, struct making m,
		       struct log_append *out)
{
	struct buf b = bench_batch(m);
	enum kerr e = log_append(l, &(struct log_offer){ b.p, b.n, epoch,
							 2000000 }, out);

	buf_fini(&b);
	return e;
}

void bench_must_append(struct log *l, int32_t epoch, struct making m)
{
	struct log_append out;
	int64_t end = log_end(l);
	enum kerr e = bench_append(l, epoch, m, &out);

	ck_assert_msg(e == K_NONE, "%s: %s", kerr_name((int16_t)e), out.why);
	ck_assert_int_eq(out.base_offset, end);
	ck_assert_int_eq(out.last_offset, end + m.n - 1);
	ck_assert_int_eq(log_end(l), end + m.n);
}

enum kerr bench_read(struct log *l, int64_t offset, int64_t end,
		     int32_t bytes_max, struct log_slice *out)
{
	return log_read(l, &(struct log_want){ offset, end, bytes_max, true },
			out);
}

struct buf bench_read_all(struct bench *b, struct log *l, int64_t from,
			  int64_t end)
{
	struct buf all = { 0 };
	struct log_slice s;

	while (from < end) {
		enum kerr e = bench_read(l, from, end, 1 << 16, &s);

		ck_assert_msg(e == K_NONE, "%s", kerr_name((int16_t)e));
		if (s.cold) {
			bench_run(b);
			continue;
		}
		if (!s.n)
			break;
		ck_assert_int_le(s.first_offset, from);
		ck_assert_int_gt(s.next_offset, from);
		ck_assert_int_le(s.next_offset, end);
		ck_assert_int_eq(log_slice_read(&s, 0, buf_grow(&all,
								(size_t)s.n),
						(size_t)s.n, false), s.n);
		from = s.next_offset;
		log_slice_drop(&s);
	}
	return all;
}

void bench_check_bytes(const struct buf *bytes, int64_t from, int64_t end)
{
	struct batch b;
	size_t at = 0;
	int64_t next = -1;

	while (at < bytes->n) {
		ck_assert_int_eq(batch_peek(bytes->p + at, bytes->n - at, &b),
				 K_NONE);
		ck_assert_int_le(b.size, bytes->n - at);
		ck_assert(batch_crc_ok(&b));
		if (next < 0)
			ck_assert(b.base_offset <= from &&
				  batch_next_offset(&b) > from);
		else
			ck_assert_int_eq(b.base_offset, next);
		next = batch_next_offset(&b);
		at += (size_t)b.size;
	}
	ck_assert_int_eq(next < 0 ? from : next, end);
}
