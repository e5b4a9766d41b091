/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention, times, limits of reads, idempotence.
 */
#include "bench.h"

#define FIRST "log/t-0/00000000000000000000.log"

static struct bench b;
static struct log *l;
static struct log_settings set;

static void setup(uint64_t seed)
{
	set = bench_settings(true);
	set.segment_bytes = 1000;
	bench_init(&b, seed);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	bench_settle(&b);
}

TEST(retention_messages_keeps_exactly_the_newest)
{
	setup(1);
	set.retention_messages = 7;
	log_configure(l, &set);
	for (int i = 1; i < 200; i++) {
		int64_t end;

		bench_must_append(l, 0, MAKING(.n = 1 + i % 5, .tag = i));
		end = log_end(l);
		log_set_high_watermark(l, end - i % 3);
		ck_assert_int_eq(log_start(l),
				 max_of((int64_t)0, end - i % 3 - 7));
	}
	bench_tick(&b, 10000);
	ck_assert_int_le(log_segments(l), 3);
	ck_assert_int_eq(log_start(l), log_high_watermark(l) - 7);
	bench_fini(&b);
}

TEST(retention_bytes_deletes_whole_old_segments_below_the_high_watermark)
{
	setup(1);
	for (int i = 0; i < 60; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
	set.retention_bytes = 3000;
	log_configure(l, &set);
	bench_tick(&b, 10000);
	ck_assert_int_eq(log_start(l), 0);
	log_set_high_watermark(l, 120);
	bench_tick(&b, 10000);
	ck_assert_int_gt(log_start(l), 0);
	ck_assert_int_ge(log_bytes(l), 3000);
	ck_assert_int_lt(log_bytes(l), 4100);
	bench_fini(&b);
}

TEST(retention_ms_empties_a_log_and_keeps_its_next_offset)
{
	setup(1);
	for (int i = 0; i < 60; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
	log_set_high_watermark(l, 120);
	set.retention_ms = 1000;
	log_configure(l, &set);
	for (int i = 0; i < 20; i++)
		bench_tick(&b, 10000);
	ck_assert_int_eq(log_start(l), 120);
	ck_assert_int_eq(log_bytes(l), 0);
	bench_crash(&b, DISK_MEM_LOSE);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), 120);
	ck_assert_int_eq(log_start(l), 120);
	bench_fini(&b);
}

/* All but the newest messages go, the power with them some jobs later. */
static void cut_power_in_retention(int64_t messages, uint64_t jobs)
{
	int64_t end = log_end(l);

	set.retention_messages = messages;
	log_configure(l, &set);
	log_set_high_watermark(l, end);
	for (; jobs > 0; jobs--)
		bench_run_one(&b);
	bench_crash(&b, DISK_MEM_RANDOM);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_error(l), 0);
	ck_assert_int_eq(log_end(l), end);
	bench_fini(&b);
}

/* n batches that a checkpoint vouches for. */
static void setup_vouched(uint64_t seed, int n)
{
	setup(seed);
	for (int i = 0; i < n; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
	bench_tick(&b, 70000);
	bench_settle(&b);
}

/*
 * The file that stays was new, those before it went: a disk may keep that they
 * went and not that it came.
 */
TEST(a_power_cut_after_retention_leaves_a_log_that_is_whole)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		int32_t segments;

		setup_vouched(seed, 5);
		segments = log_segments(l);
		while (log_segments(l) == segments)
			bench_must_append(l, 0, MAKING(.n = 2, .tag = 7));
		bench_settle(&b);
		cut_power_in_retention(2, seed % 6);
	}
}

/*
 * Many files went at once: a disk may keep that a later one went and not that
 * an earlier one did.
 */
TEST(a_power_cut_in_the_midst_of_retention_takes_the_oldest_files_only)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		setup_vouched(seed, 60);
		ck_assert_int_gt(log_segments(l), 5);
		cut_power_in_retention(2 + (int64_t)(seed % 40), seed % 12);
	}
}

/* Its first file has gone, and the node stopped. */
static void setup_retained(uint64_t seed)
{
	setup_vouched(seed, 60);
	set.retention_messages = 100;
	log_configure(l, &set);
	log_set_high_watermark(l, log_end(l));
	bench_close(&b);
}

/* What retention took in the life before has gone before all that it takes in
 * this one (the simulator's seed 80205757). */
TEST(a_power_cut_takes_the_oldest_files_only_after_a_clean_stop_too)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		setup_retained(seed);
		bench_open(&b);
		l = bench_log(&b, "t", &set);
		cut_power_in_retention(20 + (int64_t)seed, 1);
	}
}

TEST(what_retention_took_before_a_clean_stop_never_comes_back)
{
	struct disk *d;

	setup_retained(1);
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->size_of(d, FIRST), -ENOENT);
	disk_mem_crash(b.mem, DISK_MEM_LOSE);
	ck_assert_int_eq(d->ops->size_of(d, FIRST), -ENOENT);
	bench_open(&b);
	bench_fini(&b);
}

/* A file from before the oldest that the checkpoint knows counts for nothing,
 * nor does it show that another one is missing. */
TEST(a_file_that_came_back_is_no_part_of_the_log)
{
	struct disk *d;
	struct file *f;
	int64_t end;

	setup_retained(1);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	end = log_end(l);
	set.retention_messages = 50;
	log_configure(l, &set);
	log_set_high_watermark(l, end);
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->open(d, FIRST, DISK_WRITE | DISK_CREATE, &f),
			 0);
	d->ops->close(f);
	bench_open(&b);
	ck_assert_int_eq(b.recovery.logs_damaged, 0);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_end(l), end);
	ck_assert_int_ge(log_start(l), end - 100);
	ck_assert_int_eq(d->ops->size_of(d, FIRST), -ENOENT);
	bench_fini(&b);
}

/* It begins anew at 7, is known so to a checkpoint, and then is sent 5 to 9. */
static void begin_inside(void)
{
	struct buf all;

	for (int i = 0; i < 2; i++)
		bench_must_append(l, 0, MAKING(.n = 5, .tag = i));
	all = bench_read_all(&b, l, 5, 10);
	ck_assert_int_eq(log_restart_at(l, 7), 0);
	bench_settle(&b);
	bench_close(&b);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_append_copy(l, 0, all.p, all.n), 0);
	buf_fini(&all);
}

/* A copy begins at an offset, and then with the batch that holds it: the empty
 * file that a checkpoint knows makes way for one that begins before. */
TEST(a_copy_that_began_inside_a_batch_is_whole_after_a_kill)
{
	for (int journaled = 0; journaled <= 1; journaled++) {
		setup(1);
		begin_inside();
		if (journaled)
			bench_settle(&b);
		bench_crash(&b, DISK_MEM_LOSE);
		bench_open(&b);
		l = bench_log(&b, "t", &set);
		ck_assert_int_eq(log_error(l), 0);
		ck_assert_int_eq(log_start(l), 7);
		ck_assert_int_eq(log_end(l), journaled ? 10 : 7);
		bench_fini(&b);
	}
}

/*
 * A power cut that came right after may have taken that it made way (the
 * simulator's seed 80072301: a copy called itself damaged).
 */
TEST(an_empty_file_is_not_in_the_way_of_one_that_began_before_it)
{
	struct file *f;
	struct disk *d;

	setup(1);
	d = disk_mem_disk(b.mem);
	set.durable = false;
	log_configure(l, &set);
	begin_inside();
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	ck_assert_int_eq(d->ops->open(d, "log/t-0/00000000000000000007.log",
				      DISK_WRITE | DISK_CREATE, &f), 0);
	d->ops->close(f);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	ck_assert_int_eq(log_error(l), 0);
	ck_assert_int_eq(log_start(l), 7);
	ck_assert_int_eq(log_end(l), 10);
	ck_assert_int_eq(log_segments(l), 1);
	bench_settle(&b);
	ck_assert_int_eq(d->ops->size_of(d, "log/t-0/"
					 "00000000000000000007.log"), -ENOENT);
	bench_fini(&b);
}

/* What a producer lost to the cut may be looked for through a long log, in
 * stretches that grow. */
TEST(a_cut_ends_though_a_batch_is_looked_for_in_a_hundred_files)
{
	setup(1);
	set.index_interval_bytes = 100;
	log_configure(l, &set);
	for (int i = 0; i < 6; i++)
		bench_must_append(l, 0, MAKING(.n = 1, .producer = 7,
					       .sequence = i, .pad = 900));
	ck_assert_int_eq(log_advance_start(l, 5), 0);
	bench_settle(&b);
	while (log_segments(l) < 100)
		bench_must_append(l, 0, MAKING(.n = 1));
	bench_must_append(l, 0, MAKING(.n = 1, .producer = 7, .sequence = 6));
	ck_assert_int_eq(log_truncate(l, log_end(l) - 1), 0);
	bench_must_append(l, 0, MAKING(.n = 1, .producer = 7, .sequence = 6));
	bench_fini(&b);
}

TEST(a_time_finds_the_first_record_that_is_as_late)
{
	int64_t ts, at;

	setup(1);
	for (int i = 0; i < 100; i++)
		bench_must_append(l, 0, MAKING(.n = 3, .ts = 1000 + i * 10,
					       .codec = i % 2 ? CODEC_LZ4 :
								CODEC_NONE));
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(log_find_time(l, 1000 + i * 10, 300, &ts,
					       &at), 1);
		ck_assert_int_eq(at, i * 3);
		ck_assert_int_eq(log_find_time(l, 1001 + i * 10, 300, &ts,
					       &at), 1);
		ck_assert_int_eq(at, i * 3 + 1);
		ck_assert_int_eq(ts, 1001 + i * 10);
	}
	ck_assert_int_eq(log_find_time(l, 5000, 300, &ts, &at), 0);
	ck_assert_int_eq(log_find_time(l, 1990, 297, &ts, &at), 0);
	ck_assert_int_eq(log_find_max_time(l, &ts, &at), 1);
	ck_assert_int_eq(ts, 1992);
	ck_assert_int_eq(at, 299);
	ck_assert_int_eq(log_advance_start(l, 151), 0);
	ck_assert_int_eq(log_find_time(l, 0, 300, &ts, &at), 1);
	ck_assert_int_eq(at, 151);
	bench_fini(&b);
}

TEST(a_time_that_cannot_be_looked_for_is_not_taken_for_none)
{
	int64_t ts, at;

	setup(1);
	for (int i = 0; i < 20; i++)
		bench_must_append(l, 0, MAKING(.n = 3, .ts = 1000 + i * 10));
	bench_settle(&b);
	ck_assert(disk_mem_spoil(b.mem, "log/t-0/00000000000000000000.log"));
	ck_assert_int_eq(log_find_time(l, 1000, 60, &ts, &at), -EIO);
	ck_assert_int_eq(log_error(l), -EIO);
	ck_assert_int_eq(log_find_time(l, 1000, 60, &ts, &at), -EIO);
	ck_assert_int_eq(log_find_max_time(l, &ts, &at), -EIO);
	bench_fini(&b);
}

TEST(a_read_is_whole_batches_within_its_bounds)
{
	struct prng p;
	struct log_slice s;

	setup(1);
	prng_init(&p, 5);
	for (int i = 0; i < 300; i++)
		bench_must_append(l, 0, MAKING(.n = 1 + i % 4,
					       .pad = prng_below(&p, 180)));
	bench_close(&b);
	bench_open(&b);
	l = bench_log(&b, "t", &set);
	for (int i = 0; i < 3000; i++) {
		int64_t end = (int64_t)prng_below(&p, 750);
		int64_t at = (int64_t)prng_below(&p, 750);
		int32_t max = (int32_t)prng_below(&p, 2500);
		bool one = prng_below(&p, 2);
		uint8_t *bytes;
		struct buf all = { 0 };

		ck_assert_int_eq(log_read(l, &(struct log_want){
				 at, end, max, one }, &s), K_NONE);
		ck_assert(!s.cold);
		if (!s.n)
			continue;
		ck_assert(s.first_offset <= at && s.next_offset > at);
		ck_assert_int_le(s.next_offset, end);
		bytes = buf_grow(&all, (size_t)s.n);
		ck_assert_int_eq(log_slice_read(&s, 0, bytes, (size_t)s.n,
						false), s.n);
		bench_check_bytes(&all, s.first_offset, s.next_offset);
		if (s.n > max) {
			struct batch h;

			ck_assert(one);
			ck_assert_int_eq(batch_peek(all.p, all.n, &h), K_NONE);
			ck_assert_int_eq(h.size, s.n);
		}
		buf_fini(&all);
		log_slice_drop(&s);
	}
	ck_assert_int_eq(bench_read(l, 751, 751, 1, &s),
			 K_OFFSET_OUT_OF_RANGE);
	bench_fini(&b);
}

TEST(a_repeated_batch_is_answered_with_its_first_offsets)
{
	struct log_append out;

	setup(1);
	for (int i = 0; i < 8; i++)
		bench_must_append(l, 0, MAKING(.n = 2, .producer = 5,
					       .sequence = i * 2));
	for (int i = 3; i < 8; i++) {
		ck_assert_int_eq(bench_append(l, 0,
			MAKING(.n = 2, .producer = 5, .sequence = i * 2),
			&out), K_NONE);
		ck_assert(out.duplicate);
		ck_assert_int_eq(out.base_offset, i * 2);
		ck_assert_int_eq(out.last_offset, i * 2 + 1);
	}
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 2, .producer = 5,
						   .sequence = 4), &out),
			 K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 2, .producer = 5,
						   .sequence = 18), &out),
			 K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	bench_must_append(l, 0, MAKING(.n = 2, .producer = 5, .sequence = 0,
				       .epoch = 1));
	ck_assert_int_eq(bench_append(l, 0, MAKING(.n = 2, .producer = 5,
						   .sequence = 16), &out),
			 K_INVALID_PRODUCER_EPOCH);
	ck_assert_int_eq(log_end(l), 18);
	bench_fini(&b);
}

TEST(sequence_numbers_go_round)
{
	setup(1);
	bench_must_append(l, 0, MAKING(.n = 4, .producer = 5,
				       .sequence = INT32_MAX - 1));
	bench_must_append(l, 0, MAKING(.n = 1, .producer = 5, .sequence = 2));
	bench_must_append(l, 0, MAKING(.n = 1, .producer = 5, .sequence = 3));
	bench_fini(&b);
}

TEST(an_append_is_refused_by_name)
{
	struct log_append out;
	struct buf two, one = bench_batch(MAKING(.n = 1));

	setup(1);
	set.max_message_bytes = 500;
	log_configure(l, &set);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.pad = 600), &out),
			 K_MESSAGE_TOO_LARGE);
	set.max_message_bytes = 5000;
	log_configure(l, &set);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.pad = 2000), &out),
			 K_RECORD_LIST_TOO_LARGE);
	set.timestamp_after_max_ms = 1000;
	set.timestamp_before_max_ms = 1000;
	log_configure(l, &set);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.ts = 5000000), &out),
			 K_INVALID_TIMESTAMP);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.ts = 5000), &out),
			 K_INVALID_TIMESTAMP);
	set = bench_settings(true);
	set.compact = true;
	log_configure(l, &set);
	ck_assert_int_eq(bench_append(l, 0, MAKING(.no_key = true), &out),
			 K_INVALID_RECORD);
	two = bench_batch(MAKING(.n = 1));
	buf_put(&two, one.p, one.n);
	ck_assert_int_eq(log_append(l, &(struct log_offer){ two.p, two.n, 0,
							    1 }, &out),
			 K_INVALID_RECORD);
	one.p[70] ^= 1;
	ck_assert_int_eq(log_append(l, &(struct log_offer){ one.p, one.n, 0,
							    1 }, &out),
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(log_end(l), 0);
	buf_fini(&one);
	buf_fini(&two);
	bench_fini(&b);
}

TEST(a_copy_holds_the_same_bytes_epochs_and_producers)
{
	struct buf all, copy, cut;
	struct log *f;

	setup(1);
	for (int i = 0; i < 50; i++)
		bench_must_append(l, i / 9, MAKING(.n = 3, .producer = 5,
						   .sequence = i * 3));
	all = bench_read_all(&b, l, 0, 150);
	f = bench_log(&b, "copy", &set);
	for (size_t at = 0; at < all.n;) {
		size_t n = min_of(all.n - at, (size_t)777);
		int64_t end = log_end(f);

		ck_assert_int_eq(log_append_copy(f, 5, all.p + at, n), 0);
		ck_assert_int_gt(log_end(f), end);
		at = (size_t)log_bytes(f);
	}
	copy = bench_read_all(&b, f, 0, 150);
	ck_assert_int_eq(copy.n, all.n);
	ck_assert_mem_eq(copy.p, all.p, all.n);
	ck_assert_int_eq(log_last_epoch(f), 5);
	ck_assert_int_eq(log_append_copy(f, 5, all.p, all.n), -EBADMSG);
	/* what no CRC covers: an offset too far, an epoch of the future */
	ck_assert_int_eq(log_restart_at(f, 0), 0);
	all.p[6] ^= 1;
	ck_assert_int_eq(log_append_copy(f, 5, all.p, all.n), -EBADMSG);
	all.p[6] ^= 1;
	all.p[15] ^= 8;
	ck_assert_int_eq(log_append_copy(f, 5, all.p, all.n), -EBADMSG);
	all.p[15] ^= 8;
	ck_assert_int_eq(log_end(f), 0);
	/* an empty log takes the batch that its start lies in */
	cut = bench_read_all(&b, l, 6, 150);
	ck_assert_int_eq(log_restart_at(f, 7), 0);
	ck_assert_int_eq(log_append_copy(f, 5, cut.p, cut.n), 0);
	ck_assert_int_eq(log_start(f), 7);
	ck_assert_int_eq(log_end(f), 150);
	buf_fini(&cut);
	cut = bench_read_all(&b, f, 7, 150);
	bench_check_bytes(&cut, 7, 150);
	buf_fini(&all);
	buf_fini(&copy);
	buf_fini(&cut);
	bench_fini(&b);
}

/* A leader gives whole batches: the first file begins before the log does. */
TEST(a_kill_leaves_the_batch_that_a_log_begins_in)
{
	for (int durable = 0; durable < 2; durable++) {
		struct buf all;
		struct log *f;

		setup(1);
		for (int i = 0; i < 50; i++)
			bench_must_append(l, 0, MAKING(.n = 3, .tag = i));
		all = bench_read_all(&b, l, 6, 150);
		set.durable = durable;
		f = bench_log(&b, "copy", &set);
		bench_must_append(f, 0, MAKING(.n = 2));
		bench_settle(&b);
		bench_tick(&b, 70000); /* a checkpoint knows what was before */
		bench_settle(&b);
		ck_assert_int_eq(log_restart_at(f, 7), 0);
		ck_assert_int_eq(log_append_copy(f, 5, all.p, all.n), 0);
		bench_settle(&b);
		buf_fini(&all);
		bench_crash(&b, DISK_MEM_KEEP);
		bench_open(&b);
		f = bench_log(&b, "copy", &set);
		ck_assert_int_eq(log_error(f), 0);
		ck_assert_int_eq(log_start(f), 7);
		ck_assert_int_eq(log_end(f), 150);
		all = bench_read_all(&b, f, 7, 150);
		bench_check_bytes(&all, 7, 150);
		buf_fini(&all);
		bench_fini(&b);
	}
}

/*
 * A node that lost its copy leads again, in passing, while it catches up with
 * what the cluster decided long ago: at an end where that epoch did not begin.
 */
TEST(an_epoch_without_a_record_gives_way_to_the_leaders_records)
{
	const enum disk_mem_crash how[] = { DISK_MEM_KEEP, DISK_MEM_LOSE };
	struct log_settings keep = bench_settings(true);
	struct buf all;
	struct log *f;

	for (int i = 0; i < 2; i++) {
		setup(1);
		bench_must_append(l, 2, MAKING(.n = 5));
		bench_must_append(l, 4, MAKING(.n = 5));
		all = bench_read_all(&b, l, 0, 10);
		f = bench_log(&b, "copy", &keep);
		log_begin_epoch(f, 7);
		bench_settle(&b);
		ck_assert_int_eq(log_append_copy(f, 5, all.p, all.n), 0);
		ck_assert_int_eq(log_last_epoch(f), 4);
		bench_settle(&b);
		bench_crash(&b, how[i]);
		bench_open(&b);
		f = bench_log(&b, "copy", &keep);
		ck_assert_int_eq(log_error(f), 0);
		ck_assert_int_eq(log_end(f), 10);
		ck_assert_int_eq(log_last_epoch(f), 4);
		buf_fini(&all);
		bench_fini(&b);
	}
}

TEST(epoch_ends_are_those_of_offset_for_leader_epoch)
{
	int32_t epoch;
	int64_t end;

	setup(1);
	bench_must_append(l, 2, MAKING(.n = 5));
	bench_must_append(l, 4, MAKING(.n = 5));
	log_begin_epoch(l, 7);
	log_epoch_end(l, 7, &epoch, &end);
	ck_assert(epoch == 7 && end == 10);
	log_epoch_end(l, 8, &epoch, &end);
	ck_assert(epoch == -1 && end == -1);
	log_epoch_end(l, 1, &epoch, &end);
	ck_assert(epoch == 1 && end == 0);
	log_epoch_end(l, 3, &epoch, &end);
	ck_assert(epoch == 2 && end == 5);
	log_epoch_end(l, 4, &epoch, &end);
	ck_assert(epoch == 4 && end == 10);
	bench_fini(&b);
}
