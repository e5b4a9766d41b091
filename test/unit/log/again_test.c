/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that is used again: logs that were deleted, and what the next start
 * makes of the one that began under the same name.
 */
#include "bench.h"

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
