/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that is used again: logs that were deleted, and what the next start
 * makes of the one that began under the same name.
 */
#include <stdio.h>

#include "bench.h"

#define FIRST "log/t-0/00000000000000000000.log" /* the last topic's */

static struct bench b;
static struct log *l;
static struct log_settings set;
/* Not one byte is as in bench_log's: an id that is half the same counts as that
 * one, damaged. */
static const struct uuid next = { .b = {
	201, 202, 203, 204, 205, 206, 207, 208,
	209, 210, 211, 212, 213, 214, 215, 216 } };

/* The last topic of that name: three records, in the journal. */
static void setup(void)
{
	set = bench_settings(true);
	set.file_delete_delay_ms = 3600000;
	bench_init(&b, 1);
	b.journal_bytes = 1 << 20;
	bench_open(&b);
	bench_settle(&b); /* what earlier lives deleted is swept away */
	l = bench_log(&b, "t", &set);
	bench_must_append(l, 0, MAKING(.n = 3, .tag = 1));
	bench_settle(&b);
}

/* And the next one, with so many records. */
static void open_next(int32_t n)
{
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &set, &l), 0);
	if (n)
		bench_must_append(l, 0, MAKING(.n = n, .tag = 2));
	bench_settle(&b);
	ck_assert_int_eq(log_durable_end(l), n);
}

/* It has them after a start, and nothing else. */
static void check_next(int32_t n)
{
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &set, &l), 0);
	ck_assert_int_eq(log_error(l), 0);
	ck_assert_int_eq(log_end(l), n);
	bench_close(&b);
	bench_fini(&b);
}

/* ---- a power cut takes names --------------------------------------------- */

static void find_deleted(void *ctx, const char *name, bool is_dir)
{
	if (is_dir && strstr(name, "-delete"))
		snprintf(ctx, 120, "log/%s", name);
}

static void count_aside(void *ctx, const char *name, bool is_dir)
{
	(void)is_dir;
	*(int *)ctx += strstr(name, "-stray") != NULL;
}

static void remove_one(void *ctx, const char *name, bool is_dir)
{
	struct disk *d = ctx;
	char path[120];

	(void)is_dir;
	snprintf(path, sizeof(path), "log/t-0/%s", name);
	ck_assert_int_eq(d->ops->unlink(d, path), 0);
}

static void lose_directory(struct disk *d)
{
	ck_assert_int_eq(d->ops->list(d, "log/t-0", remove_one, d), 0);
	ck_assert_int_eq(d->ops->rmdir(d, "log/t-0"), 0);
}

/* The last topic's directory has its name again, the new one's never had. */
static void take_names_back(struct disk *d)
{
	char deleted[120] = "";

	ck_assert_int_eq(d->ops->list(d, "log", find_deleted, deleted), 0);
	lose_directory(d);
	ck_assert_int_eq(d->ops->rename(d, deleted, "log/t-0"), 0);
}

/*
 * Its files are there, and not what says whose they are: they count for
 * nothing, all that began since the last checkpoint is in the journal (the
 * simulator's seed 70040071: a follower took the last topic's batch for its
 * own). Here with a batch of the new topic in the journal, or none.
 */
TEST_TIMES(files_of_the_last_topic_are_not_taken_for_those_of_the_next, 2)
{
	struct disk *d;

	setup();
	d = disk_mem_disk(b.mem);
	store_log_delete(b.store, l);
	open_next(_i ? 2 : 0);
	bench_crash(&b, DISK_MEM_KEEP);
	take_names_back(d);
	ck_assert_int_eq(d->ops->unlink(d, "log/t-0/partition.metadata"), 0);
	check_next(_i ? 2 : 0);
}

/*
 * The last topic was deleted while this node was down: its directory is put
 * aside when the new one comes, whose own name a power cut takes (the
 * simulator's seed 92 with one node and power-all).
 */
TEST(what_is_aside_is_not_the_topic_that_the_journal_speaks_of)
{
	setup();
	bench_close(&b);
	bench_open(&b);
	open_next(2);
	bench_crash(&b, DISK_MEM_KEEP);
	lose_directory(disk_mem_disk(b.mem));
	check_next(2);
}

/*
 * Once a checkpoint speaks of the new topic its directory has that name on
 * disk: nothing else tells any more that what would be found is another's.
 */
TEST(a_checkpoint_speaks_of_names_that_are_on_disk)
{
	setup();
	bench_tick(&b, 70000); /* all of it is synced */
	store_log_delete(b.store, l);
	open_next(0);
	for (int i = 0; i < 3; i++)
		bench_tick(&b, 70000);
	bench_crash(&b, DISK_MEM_LOSE);
	check_next(0);
}

/* The same of the one that a clean stop writes, cut at any of its steps. */
TEST(a_stop_cut_short_speaks_of_names_that_are_on_disk)
{
	int stopped = -1;

	for (unsigned steps = 0; stopped; steps++) {
		ck_assert_uint_lt(steps, 100);
		struct disk *d;

		setup();
		d = disk_mem_disk(b.mem);
		bench_tick(&b, 70000);
		store_log_delete(b.store, l);
		open_next(0);
		disk_mem_cut_power(b.mem, steps);
		store_stop(b.store);
		stopped = store_close(b.store);
		b.store = NULL;
		bench_crash(&b, DISK_MEM_LOSE);
		if (!stopped)
			ck_assert_int_lt(d->ops->size_of(d, FIRST), 0);
		check_next(0);
	}
}

/* Which of them are there nobody knows: no checkpoint may speak of them. */
TEST(names_that_cannot_be_synced_end_the_store)
{
	setup();
	bench_tick(&b, 70000);
	store_log_delete(b.store, l);
	open_next(0);
	disk_mem_fail_sync(b.mem, 1);
	bench_tick(&b, 70000);
	bench_tick(&b, 70000);
	ck_assert_int_eq(store_error(b.store), -EIO);
	bench_drop(&b);
	bench_fini(&b);
}

/* Its deletion may have failed: a log begins where nothing is. */
TEST(what_is_left_in_the_place_of_a_new_log_is_moved_aside)
{
	struct disk *d;
	struct file *f;
	struct buf batch = bench_batch(MAKING(.n = 3, .tag = 1));

	set = bench_settings(true);
	bench_init(&b, 1);
	bench_open(&b);
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->mkdir(d, "log/t-0"), 0);
	ck_assert_int_eq(d->ops->open(d, FIRST, DISK_WRITE | DISK_CREATE, &f),
			 0);
	ck_assert_int_eq(d->ops->write(f, 0, &(struct disk_span){ batch.p,
								  batch.n }, 1),
			 0);
	d->ops->close(f);
	buf_fini(&batch);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), 0);
	for (int i = 0; i < 2; i++) {
		bench_settle(&b);
		bench_crash(&b, DISK_MEM_KEEP);
		bench_open(&b);
		l = bench_log(&b, "t", &set);
		ck_assert_int_eq(log_end(l), 0);
	}
	bench_must_append(l, 0, MAKING(.n = 1));
	bench_close(&b);
	bench_fini(&b);
}

/* What a new log finds in its place is kept, unless it is nothing. */
TEST_TIMES(only_a_directory_with_something_in_it_goes_aside, 2)
{
	struct disk *d;
	struct file *f;
	int n = 0;

	setup();
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->mkdir(d, "log/u-0"), 0);
	if (_i) {
		ck_assert_int_eq(d->ops->open(d, "log/u-0/notes",
					      DISK_WRITE | DISK_CREATE, &f), 0);
		d->ops->close(f);
	}
	l = bench_log(&b, "u", &set);
	bench_must_append(l, 0, MAKING(.n = 1, .tag = 3));
	bench_settle(&b);
	ck_assert_int_eq(d->ops->list(d, "log", count_aside, &n), 0);
	ck_assert_int_eq(n, _i);
	bench_close(&b);
	bench_fini(&b);
}

/* ---- what a checkpoint says of the last ---------------------------------- */

/*
 * A checkpoint that a start left behind speaks of its logs as long as the
 * process lives. One that is deleted meanwhile, with its files gone for good,
 * is not missed at the next start (found by the simulator: seed 100160).
 */
TEST(a_deleted_log_is_not_missed)
{
	setup();
	bench_close(&b);
	bench_open(&b);
	store_log_delete(b.store, bench_log(&b, "t", &set));
	for (int i = 0; i < 100; i++)
		bench_tick(&b, 60000);
	bench_close(&b);
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_error(l), 0);
	ck_assert_int_eq(log_end(l), 0);
	bench_close(&b);
	bench_fini(&b);
}

/*
 * The checkpoint says that a log is gone, its files stand aside, and a power
 * cut took the name of the next one's directory: then the journal has it, and
 * that it has nothing to do with the last (the simulator's seed 50000128).
 */
TEST(the_journal_of_a_topic_made_again_is_not_taken_for_the_last_ones)
{
	struct log *filler;

	setup();
	bench_close(&b);
	bench_open(&b);
	bench_settle(&b);
	store_log_delete(b.store, bench_log(&b, "t", &set));
	filler = bench_log(&b, "filler", &set);
	for (int i = 0; i < 80; i++) { /* the journal says it no more */
		bench_must_append(filler, 1, MAKING(.n = 1, .pad = 60000));
		bench_settle(&b);
	}
	open_next(2);
	bench_crash(&b, DISK_MEM_LOSE);
	check_next(2);
}
