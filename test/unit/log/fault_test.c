/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full disks, failing disks, readers that hold on, settings that change.
 */
#include "bench.h"
#include "replay.h"

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

static enum kerr try(int32_t sequence, int16_t epoch, size_t pad)
{
	struct log_append out;

	return bench_append(l, 0, MAKING(.n = 1, .producer = 5, .epoch = epoch,
					 .sequence = sequence, .pad = pad),
			    &out);
}

/*
 * librdkafka takes a new epoch when it hears of a gap, for all its partitions,
 * and sends again what was still on its way to others: twice in their logs.
 */
TEST(what_follows_a_batch_refused_for_want_of_room_is_not_out_of_order)
{
	for (int16_t epoch = 0; epoch < 2; epoch++) {
		int32_t s = epoch ? 0 : 1;

		setup(false);
		/* unknown here, known, or of a new epoch: all the same */
		ck_assert_int_eq(try(0, 0, 0), K_NONE);
		disk_mem_set_budget(b.mem, disk_mem_used(b.mem));
		ck_assert_int_eq(try(s, epoch, 20000), K_KAFKA_STORAGE_ERROR);
		disk_mem_set_budget(b.mem, -1);
		ck_assert_int_eq(try(s + 1, epoch, 0), K_KAFKA_STORAGE_ERROR);
		ck_assert_int_eq(try(s + 2, epoch, 0), K_KAFKA_STORAGE_ERROR);
		ck_assert_int_eq(try(s, epoch, 20000), K_NONE);
		ck_assert_int_eq(try(s + 2, epoch, 0),
				 K_OUT_OF_ORDER_SEQUENCE_NUMBER);
		ck_assert_int_eq(try(s + 1, epoch, 0), K_NONE);
		ck_assert_int_eq(try(s + 2, epoch, 0), K_NONE);
		bench_fini(&b);
	}
}

TEST(a_refusal_is_remembered_while_older_batches_are_copied)
{
	struct buf early;

	setup(false);
	ck_assert_int_eq(try(0, 0, 0), K_NONE);
	early = bench_batch(MAKING(.n = 1, .producer = 5, .sequence = 2));
	log_refused(l, early.p, early.n, K_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(try(1, 0, 0), K_NONE);
	ck_assert_int_eq(try(3, 0, 0), K_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(try(2, 0, 0), K_NONE);
	ck_assert_int_eq(try(4, 0, 0), K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	buf_fini(&early);
	bench_fini(&b);
}

static enum kerr try_under(int32_t leader_epoch, int32_t sequence,
			   int16_t epoch)
{
	struct log_append out;

	return bench_append(l, leader_epoch,
			    MAKING(.n = 1, .producer = 5, .epoch = epoch,
				   .sequence = sequence), &out);
}

/* It refused one that was on its way, and librdkafka sends the next to the new
 * leader before it sends that one again. */
TEST(a_gap_may_be_what_the_leader_before_refused)
{
	for (int16_t epoch = 0; epoch < 3; epoch++) { /* 2: unknown here */
		int32_t s = epoch == 0 ? 3 : 0;

		setup(false);
		if (epoch < 2)
			ck_assert_int_eq(try_under(0, 2, 0), K_NONE);
		log_begin_epoch(l, 1);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(try_under(1, s + 1, epoch),
					 K_NOT_LEADER_OR_FOLLOWER);
		ck_assert_int_eq(try_under(1, s, epoch), K_NONE);
		ck_assert_int_eq(try_under(1, s + 1, epoch), K_NONE);
		/* this one has seen everything since */
		ck_assert_int_eq(try_under(1, s + 3, epoch),
				 K_OUT_OF_ORDER_SEQUENCE_NUMBER);
		bench_fini(&b);
	}
}

TEST(what_no_leader_refused_does_not_come)
{
	setup(false);
	ck_assert_int_eq(try_under(0, 2, 0), K_NONE);
	log_begin_epoch(l, 1);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(try_under(1, 4, 0), K_NOT_LEADER_OR_FOLLOWER);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(try_under(1, 4, 0),
				 K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	/* not a gap */
	ck_assert_int_eq(try_under(1, 1, 0), K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(try_under(1, 3, 0), K_NONE);
	bench_fini(&b);
}

/* More than are remembered at once, again and again. */
TEST(many_gaps_under_a_new_leader_are_told_in_the_end)
{
	struct log_append out;
	int turned = 0;
	enum kerr e;

	setup(false);
	for (int p = 1; p <= 100; p++)
		bench_must_append(l, 0, MAKING(.n = 1, .producer = p));
	log_begin_epoch(l, 1);
	for (int i = 0; i < 30; i++) {
		for (int p = 1; p <= 100; p++) {
			e = bench_append(l, 1, MAKING(.n = 1, .producer = p,
						      .sequence = 5), &out);
			turned += e == K_NOT_LEADER_OR_FOLLOWER;
			ck_assert(e == K_NOT_LEADER_OR_FOLLOWER ||
				  e == K_OUT_OF_ORDER_SEQUENCE_NUMBER);
		}
	}
	ck_assert_int_ge(turned, 64);
	ck_assert_int_le(turned, 64 * 20);
	ck_assert_int_eq(e, K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	bench_fini(&b);
}

TEST(the_first_batch_of_a_producer_stays_the_first)
{
	setup(false);
	ck_assert_int_eq(try(7, 0, 0), K_NONE); /* unknown: any will do */
	disk_mem_set_budget(b.mem, disk_mem_used(b.mem));
	ck_assert_int_eq(try(8, 0, 20000), K_KAFKA_STORAGE_ERROR);
	disk_mem_set_budget(b.mem, -1);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(try(9, 0, 0), K_KAFKA_STORAGE_ERROR);
	/* the client has left it out */
	ck_assert_int_eq(try(9, 0, 0), K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	bench_fini(&b);
	setup(false);
	disk_mem_set_budget(b.mem, disk_mem_used(b.mem));
	ck_assert_int_eq(try(0, 0, 20000), K_KAFKA_STORAGE_ERROR);
	disk_mem_set_budget(b.mem, -1);
	ck_assert_int_eq(try(1, 0, 0), K_KAFKA_STORAGE_ERROR);
	ck_assert_int_eq(try(0, 0, 0), K_NONE);
	ck_assert_int_eq(try(1, 0, 0), K_NONE);
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

/* Of a file of one of two logs, in the cycle; l is that log from here on. */
static struct log *fail_a_sync_of_one(void)
{
	struct log *two[2];

	setup(true);
	for (int life = 0; life < 2; life++) {
		if (life) { /* their files have names by then */
			bench_close(&b);
			reopen();
		}
		two[0] = l;
		two[1] = bench_log(&b, "other", &set);
		for (int i = 0; i < 2; i++)
			bench_must_append(two[i], 0, MAKING(.n = 1));
		bench_settle(&b);
	}
	disk_mem_fail_sync(b.mem, 1);
	for (int i = 0; i < 4 && !b.offline_calls; i++)
		bench_tick(&b, 61000);
	ck_assert_int_eq(b.offline_calls, 1);
	l = two[!log_error(two[0])];
	ck_assert_int_eq(log_error(l), -EIO);
	return two[l == two[0]];
}

/*
 * The kernel drops what it could not write, and shows it all the same. Only
 * the journal has it: it has to be there until that log is given up.
 */
TEST(the_journal_is_kept_for_a_log_whose_sync_failed)
{
	struct log *other = fail_a_sync_of_one();
	struct buf all;
	int64_t n = 0;

	ck_assert(log_needs_journal(l));
	for (int i = 0; i < 30; i++) {
		bench_must_append(other, 0, MAKING(.n = 1, .pad = 500));
		bench_tick(&b, 61000);
	}
	bench_crash(&b, DISK_MEM_LOSE);
	reopen();
	other = bench_log(&b, "other", &set);
	for (int i = 0; i < 2; i++) {
		struct log *of = i ? other : l;

		ck_assert_int_eq(log_error(of), 0);
		all = bench_read_all(&b, of, 0, log_end(of));
		bench_check_bytes(&all, 0, log_end(of));
		buf_fini(&all);
		n += log_end(of);
	}
	ck_assert_int_eq(n, 2 + 2 + 30);
	bench_fini(&b);
}

TEST(a_log_that_was_given_up_holds_nothing_back)
{
	fail_a_sync_of_one();
	log_forsake(l);
	ck_assert(!log_needs_journal(l));
	for (int i = 0; i < 4; i++)
		bench_tick(&b, 61000);
	ck_assert_int_eq(store_log_set_aside(b.store, l), 0);
	bench_close(&b);
	bench_open(&b);
	ck_assert(b.recovery.clean);
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

TEST(a_deleted_log_gives_its_room_at_once_to_a_full_disk)
{
	int64_t used;

	setup(true);
	set.file_delete_delay_ms = 60000;
	log_configure(l, &set);
	bench_must_append(l, 0, MAKING(.pad = 900000));
	bench_settle(&b);
	used = disk_mem_used(b.mem);
	store_log_delete(b.store, l);
	bench_settle(&b);
	bench_tick(&b, 1000);
	bench_settle(&b);
	ck_assert_int_ge(disk_mem_used(b.mem), used);
	disk_mem_set_budget(b.mem, used + used / 20);
	bench_tick(&b, 1000);
	bench_settle(&b);
	ck_assert_int_lt(disk_mem_used(b.mem), used - 900000);
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

/*
 * Without a checkpoint nobody knows how long a file was: behind a tear every
 * byte may begin a batch. Found by fuzzing: each was looked at through a read
 * of its own of up to 256 KiB, hours for a file of some hundred MiB.
 */
TEST(a_torn_tail_is_read_once)
{
	static uint8_t torn[1 << 20];
	struct disk_span v = { torn, sizeof(torn) };
	struct disk *d;
	struct file *f;
	uint64_t reads;

	setup(false);
	bench_must_append(l, 1, MAKING(.n = 3));
	bench_close(&b);
	bench_lose_journal(&b);
	d = disk_mem_disk(b.mem);
	ck_assert_int_eq(d->ops->open(d, "log/t-0/00000000000000000000.log",
				      DISK_WRITE, &f), 0);
	ck_assert_int_eq(d->ops->write(f, d->ops->size(f), &v, 1), 0);
	d->ops->close(f);
	reads = disk_mem_stats(b.mem).reads;
	reopen();
	ck_assert_uint_lt(disk_mem_stats(b.mem).reads - reads, 100);
	ck_assert_int_eq(log_end(l), 3);
	bench_close(&b);
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

static void journal_five(bool later)
{
	setup(true);
	if (later) { /* in a later life than the first */
		bench_close(&b);
		reopen();
	}
	for (int i = 0; i < 5; i++) {
		bench_must_append(l, 0, MAKING(.n = 2, .tag = i));
		bench_settle(&b);
	}
}

/* Its frames are of this life, by their salt: it was in use. */
TEST_TIMES(a_journal_is_read_without_its_first_page, 4)
{
	struct buf all;

	journal_five(_i & 1);
	ck_assert(disk_mem_flip(b.mem, "journal/1.1", _i & 2 ? 3 : 40, 4));
	bench_crash(&b, DISK_MEM_LOSE);
	reopen();
	ck_assert_int_eq(log_end(l), 10);
	all = bench_read_all(&b, l, 0, 10);
	bench_check_bytes(&all, 0, 10);
	buf_fini(&all);
	bench_fini(&b);
}

TEST(a_journal_without_its_first_page_and_frame_is_refused)
{
	journal_five(false);
	ck_assert(disk_mem_flip(b.mem, "journal/1.1", 40, 4));
	ck_assert(disk_mem_flip(b.mem, "journal/1.1", 4096 + 40, 4));
	bench_crash(&b, DISK_MEM_LOSE);
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
	const struct uuid other = { .b = {
		91, 92, 93, 94, 95, 96, 97, 98,
		99, 100, 101, 102, 103, 104, 105, 106 } };
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

/*
 * The frame's checksum was right; the batch is read again when its turn comes,
 * and its own does not cover offset and epoch. What comes then has to be what
 * the frame had (the simulator's seed 70150640: the next batch of the log stood
 * below the last, and what was behind was cut).
 */
TEST_TIMES(a_batch_of_the_journal_is_the_one_that_its_frame_had, 5)
{
	struct log_settings settings = bench_settings(true);
	struct bench bench;
	struct replay replay;
	struct replay_op *op;
	struct buf out = { 0 };
	uint64_t life = 0;

	bench_init(&bench, 1);
	bench_open(&bench);
	bench_must_append(bench_log(&bench, "t", &settings), 3,
			  MAKING(.n = 2));
	bench_settle(&bench);
	bench_crash(&bench, DISK_MEM_KEEP);
	replay_init(&replay, disk_mem_disk(bench.mem));
	ck_assert_int_eq(replay_life(replay.disk, 1, &life), 0);
	ck_assert_int_eq(replay_read(&replay, 1, life, 0), 0);
	op = replay_find(&replay, "t-0")->v;
	op->a += _i == 1;
	op->b += _i == 2;
	op->epoch += _i == 3;
	op->crc += _i == 4;
	ck_assert_int_eq(replay_fetch(&replay, op, &out), _i ? -EBADMSG : 0);
	buf_fini(&out);
	replay_fini(&replay);
	bench_fini(&bench);
}

/*
 * The one batch is damaged, the checkpoint too, and of the journal only an
 * epoch tells that there was one: that is remembered, whatever end follows (the
 * simulator's seed 80063096: whole again, with nothing in it).
 */
TEST(what_a_damaged_log_had_promised_outlives_every_start)
{
	static const char path[] = "log/t-0/00000000000000000000.log";

	setup(true);
	bench_must_append(l, 0, MAKING(.n = 2));
	bench_settle(&b);
	bench_close(&b);
	reopen();
	log_begin_epoch(l, 3);
	bench_settle(&b);
	bench_crash(&b, DISK_MEM_KEEP);
	ck_assert(disk_mem_flip(b.mem, path, 100, 1));
	ck_assert(disk_mem_flip(b.mem, "journal/0.checkpoint", 20, 1));
	for (int i = 0; i < 4; i++) {
		reopen();
		ck_assert_int_eq(b.recovery.logs_damaged, 1);
		ck_assert_int_eq(log_error(l), -EBADMSG);
		if (i % 2)
			bench_crash(&b, DISK_MEM_KEEP);
		else
			bench_close(&b);
	}
	bench_fini(&b);
}
