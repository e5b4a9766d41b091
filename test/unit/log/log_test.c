/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending and reading one log.
 */
#include "bench.h"

static struct bench b;
static struct log *l;

static void setup(bool durable)
{
	struct log_settings set = bench_settings(durable);

	bench_init(&b, 1);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
}

TEST(log_append_gives_offsets_one_after_another)
{
	setup(false);
	ck_assert_int_eq(log_end(l), 0);
	bench_must_append(l, 0, MAKING(.n = 3));
	bench_must_append(l, 0, MAKING(.n = 1));
	bench_must_append(l, 1, MAKING(.n = 10));
	ck_assert_int_eq(log_end(l), 14);
	ck_assert_int_eq(log_durable_end(l), 14);
	bench_fini(&b);
}

TEST(log_read_gives_back_what_was_appended)
{
	struct buf all;

	setup(true);
	for (int i = 0; i < 200; i++)
		bench_must_append(l, i / 50, MAKING(.n = 1 + i % 7, .tag = i));
	all = bench_read_all(&b, l, 0, log_end(l));
	bench_check_bytes(&all, 0, log_end(l));
	ck_assert_int_eq(all.n, log_bytes(l));
	buf_fini(&all);
	bench_fini(&b);
}

TEST(durable_end_moves_only_after_the_journal_was_synced)
{
	setup(true);
	bench_run(&b);
	bench_must_append(l, 0, MAKING(.n = 5));
	ck_assert_int_eq(log_durable_end(l), 0);
	store_turn_end(b.store, b.now_ms);
	ck_assert_int_eq(log_durable_end(l), 0);
	bench_must_append(l, 0, MAKING(.n = 5));
	ck_assert(bench_run_one(&b));
	ck_assert_int_eq(log_durable_end(l), 5);
	ck_assert_int_eq(b.durable_calls, 1);
	bench_settle(&b);
	ck_assert_int_eq(log_durable_end(l), 10);
	bench_fini(&b);
}

TEST(a_clean_stop_and_a_start_show_the_same_log)
{
	struct log_settings set = bench_settings(true);
	struct buf before, after;

	setup(true);
	for (int i = 0; i < 50; i++)
		bench_must_append(l, i / 10, MAKING(.n = 2, .tag = i));
	log_set_high_watermark(l, 70);
	before = bench_read_all(&b, l, 0, 100);
	bench_close(&b);
	bench_open(&b);
	ck_assert(b.recovery.clean);
	ck_assert_int_eq(b.recovery.logs_scanned, 0);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), 100);
	ck_assert_int_eq(log_durable_end(l), 100);
	ck_assert_int_eq(log_high_watermark(l), 70);
	ck_assert_int_eq(log_last_epoch(l), 4);
	ck_assert_int_eq(log_epoch_at(l, 45), 2);
	after = bench_read_all(&b, l, 0, 100);
	ck_assert_mem_eq(before.p, after.p, before.n);
	buf_fini(&before);
	buf_fini(&after);
	bench_must_append(l, 4, MAKING(.n = 2));
	bench_fini(&b);
}

TEST(after_a_kill_everything_written_is_still_there)
{
	struct log_settings set = bench_settings(true);
	struct buf before, after;

	setup(true);
	for (int i = 0; i < 50; i++)
		bench_must_append(l, i / 10, MAKING(.n = 2, .tag = i));
	before = bench_read_all(&b, l, 0, 100);
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	bench_open(&b);
	ck_assert(!b.recovery.clean);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), 100);
	after = bench_read_all(&b, l, 0, 100);
	ck_assert_mem_eq(before.p, after.p, before.n);
	buf_fini(&before);
	buf_fini(&after);
	bench_fini(&b);
}

TEST(after_a_power_cut_the_journal_gives_back_what_was_durable)
{
	struct log_settings set = bench_settings(true);
	struct buf before, after;

	setup(true);
	for (int i = 0; i < 50; i++)
		bench_must_append(l, i / 10, MAKING(.n = 2, .tag = i));
	bench_settle(&b);
	ck_assert_int_eq(log_durable_end(l), 100);
	before = bench_read_all(&b, l, 0, 100);
	bench_crash(&b, DISK_MEM_LOSE);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), 100);
	ck_assert_int_eq(b.recovery.batches_replayed, 50);
	after = bench_read_all(&b, l, 0, 100);
	ck_assert_mem_eq(before.p, after.p, before.n);
	ck_assert_int_eq(log_last_epoch(l), 4);
	buf_fini(&before);
	buf_fini(&after);
	bench_fini(&b);
}
