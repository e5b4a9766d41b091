/* SPDX-License-Identifier: Apache-2.0 */
/* Three copies of a partition that exchange by hand, fact by fact. */
#include <raftmq/replica.h>

#include "bench.h"

#define LAG_MS 1000

struct stage {
	struct bench bench[4]; /* by node, 1..3 */
	struct replica *r[4];
	int32_t pe; /* the cluster's partition epoch */
	int64_t now;
	bool eligible[3];
};

static void stage_init(struct stage *s)
{
	struct log_settings set = bench_settings(true);

	*s = (struct stage){ .now = 1000,
			     .eligible = { true, true, true } };
	for (int i = 1; i <= 3; i++) {
		bench_init(&s->bench[i], (uint64_t)i);
		bench_open(&s->bench[i]);
		s->r[i] = replica_new(bench_log(&s->bench[i], "t", &set), i,
				      LAG_MS);
	}
}

static void stage_fini(struct stage *s)
{
	for (int i = 1; i <= 3; i++) {
		replica_free(s->r[i]);
		bench_fini(&s->bench[i]);
	}
}
#define STAGE(s)                                                               \
	struct stage s __attribute__((cleanup(stage_fini)));                   \
	stage_init(&s)

/* Tells node (0 = all) what the cluster decided; isr as digits: 123. */
static void assign(struct stage *s, int node, int32_t leader, int32_t epoch,
		   int isr)
{
	const int32_t replicas[] = { 1, 2, 3 };
	int32_t list[3];
	struct replica_assignment a = {
		.leader = leader, .leader_epoch = epoch,
		.partition_epoch = ++s->pe, .replicas = replicas,
		.replicas_n = 3, .isr = list, .min_isr = 2,
		.eligible = s->eligible };

	for (int div = 100; div; div /= 10)
		if (isr / div % 10)
			list[a.isr_n++] = isr / div % 10;
	for (int i = 1; i <= 3; i++)
		if (!node || node == i)
			replica_assign(s->r[i], &a, s->now);
}

static void append(struct stage *s, int node, int n)
{
	struct buf b = bench_batch(MAKING(.n = n, .tag = node));
	struct log_append out;

	ck_assert_int_eq(replica_append(s->r[node], b.p, b.n, 1000, &out),
			 K_NONE);
	buf_fini(&b);
}

static void settle(struct stage *s, int node)
{
	bench_settle(&s->bench[node]);
	replica_on_durable(s->r[node]);
}

/* One question and answer between follower f and leader l, at l's error. */
static enum kerr exchange(struct stage *s, int f, int l)
{
	struct replica_fetch ask = { .node = f, .broker_epoch = 10 + f,
				     .current_epoch = s->r[f]->leader_epoch };
	struct replica_fetched got = { .leader_epoch = s->r[f]->leader_epoch };
	struct buf bytes = { 0 };
	int changed;

	if (!replica_next_fetch(s->r[f], &ask.offset, &ask.last_epoch))
		return K_UNKNOWN_SERVER_ERROR;
	got.error = (int16_t)replica_on_fetch(s->r[l], &ask, s->now, &changed,
					      &got.diverging);
	if (got.error == K_NONE && got.diverging.epoch < 0 &&
	    ask.offset < log_end(s->r[l]->log)) {
		bytes = bench_read_all(&s->bench[l], s->r[l]->log, ask.offset,
				       log_end(s->r[l]->log));
		got.p = bytes.p;
		got.n = (int32_t)bytes.n;
	}
	got.high_watermark = s->r[l]->high_watermark;
	got.log_start = log_start(s->r[l]->log);
	(void)!replica_on_fetched(s->r[f], &got, &changed);
	buf_fini(&bytes);
	settle(s, f);
	return (enum kerr)got.error;
}

static void expect_hw(struct stage *s, int node, int64_t hw)
{
	ck_assert_int_eq(s->r[node]->high_watermark, hw);
}

static void expect_same(struct stage *s, int a, int b)
{
	int64_t end = log_end(s->r[a]->log);
	struct buf x, y;

	ck_assert_int_eq(end, log_end(s->r[b]->log));
	x = bench_read_all(&s->bench[a], s->r[a]->log, 0, end);
	y = bench_read_all(&s->bench[b], s->r[b]->log, 0, end);
	ck_assert_uint_eq(x.n, y.n);
	ck_assert_mem_eq(x.p, y.p, x.n);
	buf_fini(&x);
	buf_fini(&y);
}

/* ---- the high watermark -------------------------------------------------- */

TEST(high_watermark_waits_for_every_in_sync_replica)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 3);
	settle(&s, 1);
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	expect_hw(&s, 1, 0);
	exchange(&s, 3, 1);
	exchange(&s, 3, 1);
	expect_hw(&s, 1, 3);
}

TEST(leader_counts_itself_when_it_is_durable)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	append(&s, 1, 3);
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	ck_assert_int_eq(replica_peer(s.r[1], 2)->end, 3);
	expect_hw(&s, 1, 0);
	settle(&s, 1);
	expect_hw(&s, 1, 3);
}

TEST(follower_asks_on_only_when_it_is_durable)
{
	int64_t offset;
	int32_t epoch;
	struct replica_fetched f = { .leader_epoch = 1,
				     .diverging = { -1, -1 } };
	struct buf bytes;
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	bytes = bench_read_all(&s.bench[1], s.r[1]->log, 0, 2);
	f.p = bytes.p;
	f.n = (int32_t)bytes.n;
	ck_assert_int_eq(replica_on_fetched(s.r[2], &f, &changed), 0);
	ck_assert(!replica_next_fetch(s.r[2], &offset, &epoch));
	settle(&s, 2);
	ck_assert(replica_next_fetch(s.r[2], &offset, &epoch));
	ck_assert_int_eq(offset, 2);
	buf_fini(&bytes);
}

TEST(replica_that_is_being_added_counts_already) /* KIP-497 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	exchange(&s, 2, 1);
	exchange(&s, 3, 1);
	ck_assert(replica_want_isr(s.r[1], s.now));
	ck_assert_int_eq(s.r[1]->isr_wanted_n, 3);
	append(&s, 1, 1);
	settle(&s, 1);
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	expect_hw(&s, 1, 0);
	replica_isr_answered(s.r[1], K_INELIGIBLE_REPLICA, s.now);
	expect_hw(&s, 1, 1);
}

/*
 * The answer may come before the change itself does: who is new in the set may
 * lead from now on, so nothing is committed without it.
 */
static void expect_to_count_until_told(enum kerr answer)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	exchange(&s, 2, 1);
	exchange(&s, 3, 1);
	ck_assert(replica_want_isr(s.r[1], s.now));
	append(&s, 1, 1);
	settle(&s, 1);
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	replica_isr_answered(s.r[1], answer, s.now);
	expect_hw(&s, 1, 0);
	ck_assert(!replica_want_isr(s.r[1], s.now));
	assign(&s, 0, 1, 1, 123);
	expect_hw(&s, 1, 0);
	exchange(&s, 3, 1);
	exchange(&s, 3, 1);
	expect_hw(&s, 1, 1);
}

TEST(replica_that_was_added_counts_before_the_change_is_told) /* KIP-497 */
{
	expect_to_count_until_told(K_NONE);
}

TEST(replica_that_may_have_been_added_counts_until_the_change_is_told)
{
	expect_to_count_until_told(K_INVALID_UPDATE_VERSION);
	expect_to_count_until_told(K_FENCED_LEADER_EPOCH);
}

TEST(replica_that_is_being_removed_counts_still) /* KIP-497 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 1);
	settle(&s, 1);
	s.now += LAG_MS + 1;
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	ck_assert(replica_want_isr(s.r[1], s.now));
	ck_assert_int_eq(s.r[1]->isr_wanted_n, 2);
	expect_hw(&s, 1, 0);
	assign(&s, 0, 1, 1, 12);
	expect_hw(&s, 1, 1);
}

TEST(nothing_is_committed_below_min_insync_replicas) /* KIP-966 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 1);
	ck_assert_int_eq(replica_check_min_isr(s.r[1]),
			 K_NOT_ENOUGH_REPLICAS);
	append(&s, 1, 1);
	settle(&s, 1);
	expect_hw(&s, 1, 0);
}

TEST(followers_high_watermark_stays_within_its_log) /* KAFKA-14704 */
{
	struct replica_fetched f = { .leader_epoch = 1, .high_watermark = 7,
				     .diverging = { -1, -1 } };
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	ck_assert_int_eq(replica_on_fetched(s.r[2], &f, &changed), 0);
	expect_hw(&s, 2, 0);
}

/* ---- epochs -------------------------------------------------------------- */

TEST(acknowledgement_under_another_epoch_does_not_count) /* KIP-320 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	settle(&s, 1);
	assign(&s, 1, 1, 2, 123); /* only the leader has heard of epoch 2 */
	ck_assert_int_eq(exchange(&s, 2, 1), K_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(replica_peer(s.r[1], 2)->end, -1);
	assign(&s, 2, 1, 3, 123);
	ck_assert_int_eq(exchange(&s, 2, 1), K_UNKNOWN_LEADER_EPOCH);
}

TEST(deposed_leader_acknowledges_nothing)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	settle(&s, 1);
	assign(&s, 2, 2, 2, 23); /* node 1 does not know */
	assign(&s, 3, 2, 2, 23);
	ck_assert_int_eq(exchange(&s, 3, 1), K_UNKNOWN_LEADER_EPOCH);
	expect_hw(&s, 1, 0);
	assign(&s, 1, 2, 2, 23);
	ck_assert_int_eq(replica_check_leader(s.r[1], -1),
			 K_NOT_LEADER_OR_FOLLOWER);
}

TEST(committed_record_survives_a_follower_that_leads_at_once) /* KIP-101 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	append(&s, 1, 1);
	settle(&s, 1);
	exchange(&s, 2, 1); /* 2 has it, and does not know that it is */
	exchange(&s, 2, 1); /* committed: its watermark was still 0 */
	expect_hw(&s, 1, 1);
	s.r[2]->high_watermark = 0;
	assign(&s, 0, 2, 2, 12);
	exchange(&s, 1, 2);
	ck_assert_int_eq(log_end(s.r[1]->log), 1);
	ck_assert_int_eq(log_end(s.r[2]->log), 1);
	exchange(&s, 1, 2);
	settle(&s, 2);
	expect_hw(&s, 2, 1);
}

TEST(what_only_the_old_leader_had_is_cut) /* KIP-101 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	settle(&s, 1);
	exchange(&s, 2, 1);
	append(&s, 1, 3); /* 2 never sees these */
	settle(&s, 1);
	assign(&s, 0, 2, 2, 23);
	append(&s, 2, 1);
	settle(&s, 2);
	for (int i = 0; i < 4; i++)
		exchange(&s, 1, 2);
	expect_same(&s, 1, 2);
	ck_assert_int_eq(log_end(s.r[1]->log), 3);
}

/* Batches go as a whole: the log may end before the cut, and the high
 * watermark with it (found by the simulator: seed 300443). */
TEST(a_cut_within_a_batch_takes_the_high_watermark_to_its_beginning)
{
	struct replica_fetched f = { .leader_epoch = 2, .p = NULL,
				     .high_watermark = 4, .log_start = 0,
				     .diverging = { 1, 4 } };
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 3);
	append(&s, 1, 3);
	settle(&s, 1);
	s.r[1]->high_watermark = 6;
	assign(&s, 0, 2, 2, 23);
	ck_assert_int_eq(replica_on_fetched(s.r[1], &f, &changed), 0);
	ck_assert_int_eq(log_end(s.r[1]->log), 3);
	ck_assert_int_eq(s.r[1]->high_watermark, 3);
}

TEST(logs_that_parted_several_times_meet_again) /* KIP-279 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	settle(&s, 1);
	exchange(&s, 2, 1);
	exchange(&s, 3, 1);
	assign(&s, 2, 2, 2, 23); /* each leads alone for a while */
	append(&s, 2, 2);
	settle(&s, 2);
	assign(&s, 1, 1, 3, 123);
	append(&s, 1, 1);
	settle(&s, 1);
	assign(&s, 2, 2, 4, 23);
	append(&s, 2, 3);
	settle(&s, 2);
	assign(&s, 1, 1, 5, 123);
	append(&s, 1, 4);
	settle(&s, 1);
	assign(&s, 0, 3, 6, 123);
	append(&s, 3, 1);
	settle(&s, 3);
	for (int i = 0; i < 8; i++) {
		exchange(&s, 1, 3);
		exchange(&s, 2, 3);
	}
	expect_same(&s, 1, 3);
	expect_same(&s, 2, 3);
}

/* ---- the in-sync set ----------------------------------------------------- */

TEST(follower_that_lags_is_wished_away)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 1);
	exchange(&s, 2, 1);
	exchange(&s, 2, 1);
	ck_assert(!replica_want_isr(s.r[1], s.now));
	s.now += LAG_MS + 1;
	ck_assert(replica_want_isr(s.r[1], s.now));
	ck_assert_int_eq(s.r[1]->isr_wanted_n, 2);
	ck_assert_int_eq(s.r[1]->isr_wanted[1], 2);
	ck_assert(!replica_want_isr(s.r[1], s.now)); /* one at a time */
}

TEST(idle_followers_do_not_lag)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 1);
	for (int i = 0; i < 2; i++) {
		exchange(&s, 2, 1);
		exchange(&s, 3, 1);
	}
	s.now += 100 * LAG_MS;
	ck_assert(!replica_want_isr(s.r[1], s.now));
}

TEST(only_who_reached_the_epochs_start_may_join) /* KIP-320 */
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	append(&s, 1, 2);
	settle(&s, 1);
	exchange(&s, 2, 1);
	assign(&s, 0, 1, 2, 12);
	ck_assert_int_eq(s.r[1]->epoch_start, 2);
	exchange(&s, 3, 1); /* asks from 0 */
	ck_assert(!replica_want_isr(s.r[1], s.now));
	exchange(&s, 3, 1); /* asks from 2 */
	ck_assert(replica_want_isr(s.r[1], s.now));
}

TEST(fenced_broker_may_not_join) /* KIP-903 */
{
	STAGE(s);
	s.eligible[2] = false;
	assign(&s, 0, 1, 1, 12);
	exchange(&s, 3, 1);
	ck_assert(!replica_want_isr(s.r[1], s.now));
	s.eligible[2] = true;
	assign(&s, 1, 1, 1, 12);
	ck_assert(replica_want_isr(s.r[1], s.now));
}

TEST(former_incarnation_of_a_broker_is_refused) /* KIP-903 */
{
	struct replica_fetch f = { .node = 2, .broker_epoch = 11,
				   .current_epoch = 1, .last_epoch = -1 };
	struct replica_divergence d;
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	exchange(&s, 2, 1); /* with broker epoch 12 */
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_STALE_BROKER_EPOCH);
}

/*
 * A thread that stalls hands on late what it has read: the follower has spoken
 * since, on another connection (the simulator's seed 80031150: its old offset
 * was the last that the leader heard, and it never came back into the ISR).
 */
TEST(what_a_follower_sent_before_it_gave_up_a_connection_does_not_count)
{
	struct replica_fetch f = { .node = 2, .broker_epoch = 12, .order = 7,
				   .current_epoch = 1, .last_epoch = 1 };
	struct replica_divergence d;
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 12);
	append(&s, 1, 3);
	settle(&s, 1);
	f.offset = 3;
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_NONE);
	expect_hw(&s, 1, 3);
	f.order = 6;
	f.offset = 0;
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_STALE_BROKER_EPOCH);
	ck_assert_int_eq(replica_peer(s.r[1], 2)->end, 3);
	f.order = 8; /* its copy began anew */
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_NONE);
	ck_assert_int_eq(replica_peer(s.r[1], 2)->end, 0);
	f.order = 7;
	f.offset = 3;
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_STALE_BROKER_EPOCH);
	ck_assert_int_eq(replica_peer(s.r[1], 2)->end, 0);
}

TEST(stranger_is_no_follower)
{
	struct replica_fetch f = { .node = 9, .broker_epoch = 1,
				   .current_epoch = 1, .last_epoch = -1 };
	struct replica_divergence d;
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	ck_assert_int_eq(replica_on_fetch(s.r[1], &f, s.now, &changed, &d),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
}

TEST(refused_wish_waits_before_it_is_repeated)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	exchange(&s, 3, 1);
	ck_assert(replica_want_isr(s.r[1], s.now));
	replica_isr_answered(s.r[1], K_INELIGIBLE_REPLICA, s.now);
	ck_assert(!replica_want_isr(s.r[1], s.now));
	s.now += 100;
	exchange(&s, 3, 1);
	ck_assert(replica_want_isr(s.r[1], s.now));
}

/* ---- falling behind, going back ------------------------------------------ */

/* Two of five records, 7 is in the second; followed by 2. */
static void lead_from_inside_a_batch(struct stage *s)
{
	append(s, 1, 5);
	append(s, 1, 5);
	settle(s, 1);
	exchange(s, 2, 1);
	exchange(s, 2, 1);
	ck_assert_int_eq(log_advance_start(s->r[1]->log, 7), 0);
}

TEST(follower_without_the_leaders_first_offset_begins_again)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	lead_from_inside_a_batch(&s);
	ck_assert_int_eq(exchange(&s, 3, 1), K_OFFSET_OUT_OF_RANGE);
	ck_assert_int_eq(log_start(s.r[3]->log), 7);
	ck_assert_int_eq(log_end(s.r[3]->log), 7);
}

/* No epoch of the leader's is old enough to say so. */
TEST(a_follower_that_parts_from_its_leader_below_its_start_begins_again)
{
	STAGE(s);
	assign(&s, 0, 3, 1, 123);
	append(&s, 3, 7); /* nobody else has it */
	settle(&s, 3);
	assign(&s, 0, 1, 2, 12);
	lead_from_inside_a_batch(&s);
	exchange(&s, 3, 1);
	ck_assert_int_eq(log_start(s.r[3]->log), 7);
	ck_assert_int_eq(log_end(s.r[3]->log), 7);
	exchange(&s, 3, 1);
	ck_assert_int_eq(log_start(s.r[3]->log), 7);
	ck_assert_int_eq(log_end(s.r[3]->log), 10);
}

TEST(log_start_follows_the_leaders)
{
	STAGE(s);
	assign(&s, 0, 1, 1, 12);
	append(&s, 1, 5);
	settle(&s, 1);
	for (int i = 0; i < 3; i++)
		exchange(&s, 2, 1);
	ck_assert_int_eq(log_advance_start(s.r[1]->log, 4), 0);
	exchange(&s, 2, 1);
	ck_assert_int_eq(log_start(s.r[2]->log), 4);
}

TEST(answer_to_a_question_of_an_older_epoch_is_thrown_away)
{
	struct replica_fetched f = { .leader_epoch = 1,
				     .diverging = { -1, -1 } };
	struct buf bytes;
	int changed;
	STAGE(s);

	assign(&s, 0, 1, 1, 123);
	append(&s, 1, 2);
	bytes = bench_read_all(&s.bench[1], s.r[1]->log, 0, 2);
	f.p = bytes.p;
	f.n = (int32_t)bytes.n;
	assign(&s, 0, 3, 2, 123);
	ck_assert_int_eq(replica_on_fetched(s.r[2], &f, &changed), 0);
	ck_assert_int_eq(log_end(s.r[2]->log), 0);
	buf_fini(&bytes);
}

TEST(older_partition_epochs_are_ignored)
{
	STAGE(s);
	s.pe = 7;
	assign(&s, 0, 1, 5, 123);
	s.pe = 0;
	assign(&s, 0, 2, 6, 123);
	ck_assert_int_eq(s.r[1]->leader_epoch, 5);
	ck_assert_int_eq(s.r[1]->role, REPLICA_LEADER);
}
