/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that is used again: logs that were deleted, and what the next start
 * makes of the one that began under the same name.
 */
#include <stdio.h>

#include "bench.h"

/* ---- a power cut takes names --------------------------------------------- */

static void find_deleted(void *ctx, const char *name, bool is_dir)
{
	if (is_dir && strstr(name, "-delete"))
		snprintf(ctx, 120, "log/%s", name);
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
	struct log_settings settings = bench_settings(true);
	struct uuid next = { .b = { 1, 2, 3 } };
	struct bench b;
	struct disk *d;
	struct log *l;

	bench_init(&b, 1);
	bench_open(&b);
	bench_settle(&b);
	d = disk_mem_disk(b.mem);
	l = bench_log(&b, "t", &settings);
	bench_must_append(l, 0, MAKING(.n = 3, .tag = 1));
	bench_settle(&b);
	store_log_delete(b.store, l);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	if (_i)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = 2));
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	take_names_back(d);
	ck_assert_int_eq(d->ops->unlink(d, "log/t-0/partition.metadata"), 0);
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	ck_assert_int_eq(log_end(l), _i ? 2 : 0);
	bench_close(&b);
	bench_fini(&b);
}

/*
 * The last topic was deleted while this node was down: its directory is put
 * aside when the new one comes, whose own name a power cut takes (the
 * simulator's seed 92 with one node and power-all).
 */
TEST(what_is_aside_is_not_the_topic_that_the_journal_speaks_of)
{
	struct log_settings settings = bench_settings(true);
	struct uuid next = { .b = { 1, 2, 3 } };
	struct bench b;
	struct log *l;

	bench_init(&b, 1);
	bench_open(&b);
	l = bench_log(&b, "t", &settings);
	bench_must_append(l, 0, MAKING(.n = 3, .tag = 1));
	bench_close(&b);
	bench_open(&b);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	bench_must_append(l, 0, MAKING(.n = 2, .tag = 2));
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	lose_directory(disk_mem_disk(b.mem));
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	ck_assert_int_eq(log_end(l), 2);
	bench_close(&b);
	bench_fini(&b);
}

/*
 * Once a checkpoint speaks of the new topic, written in the turn of things or
 * by a clean stop, its directory has that name on disk: nothing else tells any
 * more that what would be found there is another's.
 */
TEST_TIMES(a_checkpoint_speaks_of_names_that_are_on_disk, 2)
{
	struct log_settings settings = bench_settings(true);
	struct uuid next = { .b = { 1, 2, 3 } };
	struct bench b;
	struct log *l;

	settings.file_delete_delay_ms = 3600000;
	bench_init(&b, 1);
	bench_open(&b);
	bench_settle(&b);
	l = bench_log(&b, "t", &settings);
	bench_must_append(l, 0, MAKING(.n = 3, .tag = 1));
	bench_settle(&b);
	bench_tick(&b, 70000); /* all of it is synced */
	bench_settle(&b);
	store_log_delete(b.store, l);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	bench_settle(&b);
	if (_i == 0) {
		for (int i = 0; i < 3; i++)
			bench_tick(&b, 70000);
		bench_crash(&b, DISK_MEM_LOSE);
	} else {
		bench_close(&b);
		disk_mem_crash(b.mem, DISK_MEM_LOSE);
	}
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	ck_assert_int_eq(store_log_open(b.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &l), 0);
	ck_assert_int_eq(log_end(l), 0);
	bench_close(&b);
	bench_fini(&b);
}

/* Which of them are there nobody knows: no checkpoint may speak of them. */
TEST(names_that_cannot_be_synced_end_the_store)
{
	struct log_settings settings = bench_settings(true);
	struct bench b;

	bench_init(&b, 1);
	bench_open(&b);
	bench_settle(&b);
	bench_log(&b, "t", &settings);
	bench_settle(&b);
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
	struct log_settings settings = bench_settings(true);
	struct bench b;
	struct disk *d;
	struct file *f;
	struct log *l;
	struct buf batch = bench_batch(MAKING(.n = 3, .tag = 1));

	bench_init(&b, 1);
	bench_open(&b);
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->mkdir(d, "log/t-0"), 0);
	ck_assert_int_eq(d->ops->open(d, "log/t-0/00000000000000000000.log",
				      DISK_WRITE | DISK_CREATE, &f), 0);
	ck_assert_int_eq(d->ops->write(f, 0, &(struct disk_span){ batch.p,
								  batch.n }, 1),
			 0);
	d->ops->close(f);
	buf_fini(&batch);
	l = bench_log(&b, "t", &settings);
	ck_assert_int_eq(log_end(l), 0);
	for (int i = 0; i < 2; i++) {
		bench_settle(&b);
		bench_crash(&b, DISK_MEM_KEEP);
		bench_open(&b);
		l = bench_log(&b, "t", &settings);
		ck_assert_int_eq(log_end(l), 0);
	}
	bench_must_append(l, 0, MAKING(.n = 1));
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
	struct log_settings settings = bench_settings(true);
	struct bench bench;
	struct log *log;

	bench_init(&bench, 1);
	bench_open(&bench);
	log = bench_log(&bench, "t", &settings);
	bench_must_append(log, 1, MAKING(.n = 3));
	bench_settle(&bench);
	bench_close(&bench);
	bench_open(&bench);
	store_log_delete(bench.store, bench_log(&bench, "t", &settings));
	for (int i = 0; i < 10; i++)
		bench_tick(&bench, 60000);
	bench_close(&bench);
	bench_open(&bench);
	ck_assert_int_eq(bench.recovery.logs_damaged, 0);
	log = bench_log(&bench, "t", &settings);
	ck_assert_int_eq(log_error(log), 0);
	ck_assert_int_eq(log_end(log), 0);
	bench_close(&bench);
	bench_fini(&bench);
}

/*
 * The checkpoint says that a log is gone, its files stand aside, and a power
 * cut took the name of the next one's directory: then the journal has it, and
 * that it has nothing to do with the last (the simulator's seed 50000128).
 */
TEST(the_journal_of_a_topic_made_again_is_not_taken_for_the_last_ones)
{
	struct log_settings settings = bench_settings(true);
	struct bench bench;
	struct log *log, *filler;
	struct uuid next = { .b = { 1, 2, 3 } };

	settings.file_delete_delay_ms = 3600000;
	bench_init(&bench, 1);
	bench.journal_bytes = 1 << 20;
	bench_open(&bench);
	log = bench_log(&bench, "t", &settings);
	bench_must_append(log, 1, MAKING(.n = 3));
	bench_settle(&bench);
	bench_close(&bench);
	bench_open(&bench);
	bench_settle(&bench); /* what earlier lives deleted is swept away */
	store_log_delete(bench.store, bench_log(&bench, "t", &settings));
	filler = bench_log(&bench, "filler", &settings);
	for (int i = 0; i < 80; i++) { /* the journal says it no more */
		bench_must_append(filler, 1, MAKING(.n = 1, .pad = 60000));
		bench_settle(&bench);
	}
	ck_assert_int_eq(store_log_open(bench.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &log), 0);
	bench_must_append(log, 1, MAKING(.n = 2));
	bench_settle(&bench);
	ck_assert_int_eq(log_durable_end(log), 2);
	bench_crash(&bench, DISK_MEM_LOSE);
	bench_open(&bench);
	ck_assert_int_eq(store_log_open(bench.store, &(struct log_id){
				 STR("t"), next, 0 }, &settings, &log), 0);
	ck_assert_int_eq(log_error(log), 0);
	ck_assert_int_eq(log_end(log), 2);
	bench_close(&bench);
	bench_fini(&bench);
}
