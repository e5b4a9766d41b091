/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full disks, failing disks, readers that hold on, settings that change.
 */
#include "bench.h"

static struct bench b;
static struct log *l;
static struct log_settings set;

static void setup(bool durable)
{
	set = bench_settings(durable);
	bench_init(&b, 1);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	bench_settle(&b);
}

static void reopen(void)
{
	bench_open(&b);
	l = bench_log(&b, "t", &set);
}

TEST(a_full_disk_refuses_an_append_and_nothing_else_changes)
{
	struct log_append out;
	struct buf all;

	setup(false);
	bench_must_append(l, 0, MAKING(.n = 2));
	disk_mem_set_budget(b.mem, disk_mem_used(b.mem));
	ck_assert_int_eq(bench_append(l, 0, MAKING(.pad = 20000), &out),
			 K_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(log_error(l), 0);
	ck_assert_int_eq(log_end(l), 2);
	disk_mem_set_budget(b.mem, -1);
	bench_must_append(l, 0, MAKING(.pad = 20000));
	all = bench_read_all(&b, l, 0, 3);
	bench_check_bytes(&all, 0, 3);
	buf_fini(&all);
	bench_fini(&b);
}

TEST(a_full_journal_acknowledges_nothing_until_there_is_space)
{
	struct log_append out;

	setup(true);
	/* The journal's file grows in steps; one of them will not fit. */
	for (int i = 0; i < 9 && log_durable_end(l) == log_end(l); i++) {
		disk_mem_set_budget(b.mem, -1);
		bench_must_append(l, 0, MAKING(.pad = 900000));
		disk_mem_set_budget(b.mem, disk_mem_used(b.mem));
		bench_settle(&b);
	}
	ck_assert_int_lt(log_durable_end(l), log_end(l));
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 1), &out),
			 K_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(log_error(l), 0);
	disk_mem_set_budget(b.mem, -1);
	bench_tick(&b, 1000);
	ck_assert_int_eq(log_durable_end(l), log_end(l));
	bench_must_append(l, 0, MAKING(.n = 1));
	bench_fini(&b);
}

TEST(a_failed_sync_of_the_journal_takes_all_logs_offline)
{
	struct log_append out;

	setup(true);
	bench_must_append(l, 0, MAKING(.n = 1));
	bench_settle(&b);
	bench_must_append(l, 0, MAKING(.n = 1));
	disk_mem_fail_sync(b.mem, 1);
	bench_settle(&b);
	ck_assert_int_eq(log_durable_end(l), 1);
	ck_assert_int_ne(log_error(l), 0);
	ck_assert_int_eq(b.offline_calls, 1);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 1), &out),
			 K_KAFKA_STORAGE_ERROR);
	bench_fini(&b);
}

TEST(a_failed_write_takes_one_log_offline)
{
	struct log_append out;
	struct log *other;

	setup(true);
	other = bench_log(&b, "other", &set);
	bench_must_append(l, 0, MAKING(.n = 1));
	disk_mem_fail_write(b.mem, 1);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 1), &out),
			 K_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(log_error(l), -EIO);
	bench_settle(&b);
	ck_assert_int_eq(b.offline_calls, 1);
	bench_must_append(other, 0, MAKING(.n = 1));
	bench_fini(&b);
}

/* Every way to lose the bytes of a held slice, and they stay the same. */
static void held(void (*lose)(void))
{
	struct log_slice s, again;
	uint8_t *before, *after;

	setup(false);
	for (int i = 0; i < 10; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
	log_set_high_watermark(l, 20);
	ck_assert_int_eq(bench_read(l, 0, 20, 1 << 20, &s), K_NONE);
	ck_assert_int_eq(s.next_offset, 20);
	before = mem_alloc((size_t)s.n);
	after = mem_alloc((size_t)s.n);
	ck_assert_int_eq(log_slice_read(&s, 0, before, (size_t)s.n, false),
			 s.n);
	again = log_slice_hold(&s);
	log_slice_drop(&s);
	lose();
	bench_settle(&b);
	ck_assert_int_eq(log_slice_read(&again, 0, after, (size_t)again.n,
					false), again.n);
	ck_assert_mem_eq(before, after, (size_t)again.n);
	log_slice_drop(&again);
	mem_free(before);
	mem_free(after);
	bench_fini(&b);
}

static void by_truncating(void)
{
	struct buf all;

	ck_assert_int_eq(log_truncate(l, 10), 0);
	for (int i = 0; i < 10; i++)
		bench_must_append(l, 1, MAKING(.n = 2, .tag = 100 + i));
	all = bench_read_all(&b, l, 0, 30);
	bench_check_bytes(&all, 0, 30);
	buf_fini(&all);
}

static void by_restarting(void)
{
	ck_assert_int_eq(log_restart_at(l, 0), 0);
	bench_must_append(l, 1, MAKING(.n = 2, .tag = 100));
}

static void by_deleting(void)
{
	store_log_delete(b.store, l);
	bench_tick(&b, 5000);
}

static void by_retention(void)
{
	set.retention_ms = 1;
	log_configure(l, &set);
	for (int i = 0; i < 4; i++)
		bench_tick(&b, 100000);
	ck_assert_int_eq(log_start(l), 20);
	ck_assert_int_eq(log_bytes(l), 0);
}

TEST(a_held_slice_outlives_a_truncation)
{
	held(by_truncating);
}

TEST(a_held_slice_outlives_a_restart)
{
	held(by_restarting);
}

TEST(a_held_slice_outlives_the_deletion_of_its_log)
{
	held(by_deleting);
}

TEST(a_held_slice_outlives_retention)
{
	held(by_retention);
}

TEST(a_log_that_becomes_durable_waits_for_a_sync_of_what_stands)
{
	setup(false);
	bench_must_append(l, 0, MAKING(.n = 3));
	set.durable = true;
	log_configure(l, &set);
	ck_assert_int_eq(log_durable_end(l), 3);
	bench_must_append(l, 0, MAKING(.n = 2));
	ck_assert_int_eq(log_durable_end(l), 3);
	bench_settle(&b);
	ck_assert_int_eq(log_durable_end(l), 5);
	bench_crash(&b, DISK_MEM_LOSE);
	reopen();
	ck_assert_int_eq(log_end(l), 5);
	bench_fini(&b);
}

TEST(a_deleted_log_does_not_come_back)
{
	setup(true);
	bench_must_append(l, 0, MAKING(.n = 3));
	bench_settle(&b);
	store_log_delete(b.store, l);
	bench_settle(&b);
	bench_tick(&b, 5000);
	bench_crash(&b, DISK_MEM_KEEP);
	reopen();
	ck_assert_int_eq(log_end(l), 0);
	bench_fini(&b);
}

static void shorten(const char *path, int64_t size)
{
	struct disk *d = disk_mem_disk(b.mem);
	struct file *f;

	ck_assert_int_eq(d->ops->open(d, path, DISK_WRITE, &f), 0);
	ck_assert_int_eq(d->ops->truncate(f, size), 0);
	d->ops->close(f);
}

TEST(damage_below_the_vouched_end_is_named_and_nothing_is_cut)
{
	struct log_append out;
	struct log_slice s;

	setup(true);
	for (int i = 0; i < 20; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
	bench_close(&b);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	bench_must_append(l, 0, MAKING(.n = 2));
	bench_settle(&b);
	shorten("log/t-0/00000000000000000000.log", 300);
	bench_crash(&b, DISK_MEM_KEEP);
	reopen();
	ck_assert_int_eq(b.recovery.logs_damaged, 1);
	ck_assert_int_eq(log_error(l), -EBADMSG);
	ck_assert_int_eq(bench_read(l, 0, 40, 1 << 20, &s),
			 K_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 1), &out),
			 K_KAFKA_STORAGE_ERROR);
	bench_crash(&b, DISK_MEM_KEEP);
	reopen();
	ck_assert_int_eq(log_error(l), -EBADMSG);
	bench_fini(&b);
}

TEST(a_damaged_journal_is_refused)
{
	setup(true);
	for (int i = 0; i < 5; i++) {
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
		bench_settle(&b);
	}
	ck_assert(disk_mem_flip(b.mem, "journal/1.1", 4096 + 4096 + 100, 4));
	bench_crash(&b, DISK_MEM_KEEP);
	ck_assert_int_eq(bench_try_open(&b), -EBADMSG);
	bench_fini(&b);
}

TEST(logs_are_found_whatever_the_number_of_shards_was)
{
	setup(true);
	bench_must_append(l, 0, MAKING(.n = 7));
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_LOSE);
	b.shard = 3;
	b.shards = 4;
	reopen();
	ck_assert_int_eq(log_end(l), 7);
	bench_must_append(l, 0, MAKING(.n = 1));
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_LOSE);
	b.shard = b.shards = 1;
	reopen();
	ck_assert_int_eq(log_end(l), 8);
	bench_close(&b);
	reopen();
	ck_assert(b.recovery.clean);
	ck_assert_int_eq(log_end(l), 8);
	bench_fini(&b);
}

TEST(a_directory_of_another_topic_is_moved_aside)
{
	struct uuid other = { { 9, 9 } };
	struct log *o;

	setup(false);
	bench_must_append(l, 0, MAKING(.n = 7));
	bench_close(&b);
	bench_open(&b);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), other, 0 }, &set, &o), 0);
	ck_assert_int_eq(log_end(o), 0);
	bench_must_append(o, 0, MAKING(.n = 1));
	bench_fini(&b);
}

TEST(cold_bytes_are_fetched_by_a_job)
{
	struct buf all;

	setup(false);
	for (int i = 0; i < 400; i++)
		bench_must_append(l, 0, MAKING(.n = 3, .pad = 900, .tag = i));
	bench_close(&b);
	reopen();
	disk_mem_set_cold(b.mem, 60);
	all = bench_read_all(&b, l, 500, 1200);
	bench_check_bytes(&all, 500, 1200);
	ck_assert_int_gt(b.readable_calls, 0);
	buf_fini(&all);
	bench_fini(&b);
}
