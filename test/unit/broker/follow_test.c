/* SPDX-License-Identifier: Apache-2.0 */
/* Replication between brokers: fetchers, the high watermark, the ISR. */
#include <stdio.h>

#include "rig.h"
#include "shard.h"

static struct rig r;

static void produce(int32_t node, int32_t partition, int16_t acks, int n)
{
	struct rig_call *p = rig_produce(&r, node, "t", partition, acks, n);

	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), 0);
}

static bool says(int32_t node, int32_t partition, const char *what)
{
	const char *text = rig_replica(&r, node, "t", partition);

	if (strstr(text, what))
		return true;
	fprintf(stderr, "node %d: %s", node, text);
	return false;
}

TEST_TIMES(followers_have_what_the_leader_has, 3)
{
	rig_init(&r, 3, 1 + _i, NULL);
	rig_topic(&r, "t", "1,2,3|2,3,1|3,1,2", NULL);
	rig_pass(&r, 20); /* a leader may hear of it after its followers */
	for (int i = 0; i < 3; i++)
		produce(i + 1, i, -1, 5);
	rig_pass(&r, 11);
	for (int node = 1; node <= 3; node++)
		for (int i = 0; i < 3; i++) {
			ck_assert(says(node, i, "hw=5 "));
			ck_assert(says(node, i, "end=5 durable=5"));
		}
	rig_fini(&r);
}

/*
 * What a node hears before its own registration is the past: it may be older
 * than its log, and who leads there may lack what was acknowledged since.
 */
TEST_TIMES(a_started_process_follows_nobody_before_it_is_registered, 2)
{
	rig_init(&r, 2, 1, NULL);
	r.nodes[1].info.incarnation.b[0] = 77;
	r.nodes[1].threads[1].broker->shard->current = false;
	rig_topic(&r, "t", "1,2|2,1", "min.insync.replicas=1");
	rig_fence(&r, 2, true);
	rig_pass(&r, 20);
	produce(1, 0, 1, 5);
	rig_pass(&r, 2000);
	ck_assert(says(2, 0, "none"));
	ck_assert(says(2, 1, "none"));
	if (_i == 0) {
		rig_register(&r, 2);
	} else {
		rig_register(&r, 1); /* of another: no change for us */
		ck_assert(says(2, 0, "none"));
		rig_register(&r, 2);
	}
	rig_fence(&r, 2, false);
	rig_pass(&r, 2000);
	ck_assert(says(2, 0, "leader=1"));
	ck_assert(says(2, 0, "end=5"));
	rig_fini(&r);
}

/* An append costs each follower one ask, however many partitions it has. */
TEST(an_append_is_one_exchange)
{
	int before;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2|1,2|1,2|1,2", NULL);
	produce(1, 0, -1, 1);
	rig_pass(&r, 20);
	before = r.nodes[1].asks_n;
	produce(1, 1, -1, 1);
	ck_assert_int_eq(r.nodes[1].asks_n, before + 1);
	rig_fini(&r);
}

TEST(an_idle_follower_asks_once_per_wait)
{
	int before;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2|1,2", NULL);
	rig_pass(&r, 1000);
	before = r.nodes[1].asks_n;
	rig_pass(&r, 5000);
	ck_assert_int_le(r.nodes[1].asks_n - before, 11);
	ck_assert_int_eq(r.isr_wishes, 0);
	rig_fini(&r);
}

TEST(a_high_watermark_that_rose_reaches_followers_soon)
{
	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	produce(1, 0, -1, 1);
	ck_assert(says(1, 0, "hw=1 "));
	ck_assert(says(2, 0, "hw=0 ")); /* no second exchange per append */
	rig_pass(&r, 11);
	ck_assert(says(2, 0, "hw=1 "));
	rig_fini(&r);
}

TEST(a_follower_says_at_once_what_became_durable)
{
	struct rig_call *p;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2|1,2", NULL);
	rig_pass(&r, 600);
	r.nodes[1].hold_jobs = true;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_settle(&r);
	ck_assert(says(2, 0, "end=1 durable=0"));
	ck_assert(!p->done);
	r.nodes[1].hold_jobs = false;
	rig_settle(&r); /* no time passes */
	ck_assert(p->done);
	rig_fini(&r);
}

TEST(a_new_partition_is_followed_without_waiting)
{
	struct rig_call *p;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL); /* its ask waits at the leader */
	rig_pass(&r, 100);
	rig_topic(&r, "u", "1,2", NULL);
	p = rig_produce(&r, 1, "u", 0, -1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), 0);
	rig_fini(&r);
}

TEST(a_follower_that_stays_away_leaves_the_isr_and_comes_back)
{
	rig_init(&r, 2, 1, "replica.lag.time.max.ms=1000");
	rig_topic(&r, "t", "1,2", NULL);
	produce(1, 0, -1, 1);
	r.nodes[1].cut = true;
	rig_pass(&r, 600);
	rig_produce(&r, 1, "t", 0, 1, 1);
	rig_pass(&r, 800);
	ck_assert(says(1, 0, "isr=1,2"));
	rig_pass(&r, 1000);
	ck_assert(says(1, 0, "isr=1 "));
	ck_assert(says(1, 0, "hw=2 "));
	r.nodes[1].cut = false;
	rig_pass(&r, 1100);
	ck_assert(says(1, 0, "isr=1,2"));
	rig_fini(&r);
}

TEST(an_idle_partition_keeps_its_isr_at_the_first_record)
{
	rig_init(&r, 2, 1, "replica.lag.time.max.ms=1000");
	rig_topic(&r, "t", "1,2", NULL);
	rig_pass(&r, 5000);
	r.nodes[1].hold_jobs = true;
	rig_produce(&r, 1, "t", 0, 1, 1);
	rig_pass(&r, 600); /* a look at all partitions is among them */
	ck_assert(says(1, 0, "isr=1,2"));
	ck_assert_int_eq(r.isr_wishes, 0);
	rig_fini(&r);
}

TEST(a_refused_wish_is_wished_again)
{
	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	produce(1, 0, -1, 1);
	rig_fence(&r, 2, true);
	rig_settle(&r);
	ck_assert(says(1, 0, "isr=1 "));
	r.refuse_isr = true;
	rig_fence(&r, 2, false);
	rig_pass(&r, 50);
	ck_assert_int_ge(r.isr_wishes, 1);
	ck_assert(says(1, 0, "isr=1 "));
	r.refuse_isr = false;
	rig_pass(&r, 300);
	ck_assert(says(1, 0, "isr=1,2"));
	rig_fini(&r);
}

/* KIP-903: it asks once while it is fenced, and then nothing changes. */
TEST(what_was_fetched_while_fenced_is_said_again_afterwards)
{
	rig_init(&r, 3, 1, NULL);
	rig_topic(&r, "t", "1,2,3", NULL);
	produce(1, 0, -1, 2);
	rig_fence(&r, 3, true);
	rig_fence(&r, 1, true);
	rig_pass(&r, 200);
	ck_assert(says(2, 0, "leader leader=2"));
	ck_assert(says(2, 0, "isr=2 "));
	rig_fence(&r, 3, false);
	rig_pass(&r, 50);
	ck_assert(says(2, 0, "isr=2,3"));
	rig_fini(&r);
}

TEST_TIMES(after_a_failover_the_new_leader_goes_on, 2)
{
	rig_init(&r, 3, 1 + _i, NULL);
	rig_topic(&r, "t", "1,2,3", NULL);
	produce(1, 0, -1, 4);
	r.nodes[0].cut = true;
	rig_fence(&r, 1, true);
	rig_pass(&r, 20);
	ck_assert(says(2, 0, "leader leader=2"));
	produce(2, 0, -1, 1);
	ck_assert(says(2, 0, "hw=5 "));
	r.nodes[0].cut = false;
	rig_fence(&r, 1, false);
	rig_pass(&r, 1200);
	ck_assert(says(1, 0, "follower leader=2"));
	ck_assert(says(1, 0, "end=5 "));
	ck_assert(says(2, 0, "isr=1,2,3"));
	rig_fini(&r);
}

/* What the old leader had alone is cut off where the epochs part (KIP-101). */
TEST(a_deposed_leader_drops_what_was_never_committed)
{
	rig_init(&r, 2, 1, "replica.lag.time.max.ms=600000");
	rig_topic(&r, "t", "1,2", NULL);
	produce(1, 0, -1, 2);
	rig_pass(&r, 20);
	r.nodes[1].cut = true;
	rig_pass(&r, 600); /* what was on its way comes to nothing */
	rig_produce(&r, 1, "t", 0, 1, 3);
	rig_settle(&r);
	ck_assert(says(1, 0, "hw=2 "));
	ck_assert(says(1, 0, "end=5 "));
	rig_fence(&r, 1, true);
	rig_settle(&r);
	produce(2, 0, 1, 1);
	r.nodes[1].cut = false;
	rig_fence(&r, 1, false);
	rig_pass(&r, 1500);
	ck_assert(says(1, 0, "end=3 "));
	ck_assert(says(1, 0, "hw=3 "));
	rig_fini(&r);
}

TEST(a_consumer_is_sent_to_a_replica_in_its_rack)
{
	struct fetch_request *in;
	struct fetch_response_partition *p;

	rig_init(&r, 2, 1,
		 "replica.selector.class="
		 "org.apache.kafka.common.replica.RackAwareReplicaSelector");
	rig_topic(&r, "t", "1,2", NULL); /* KIP-392 */
	produce(1, 0, -1, 3);
	rig_pass(&r, 20);
	in = rig_fetch_new(&r, 500, 1);
	in->rack_id = STR("b");
	rig_fetch_add(&r, in, "t", 0, 0);
	p = rig_fetched(&r, rig_fetch(&r, 1, 17, in), "t", 0);
	ck_assert_int_eq(p->preferred_read_replica, 2);
	ck_assert_int_eq(p->records.n, 0);
	p = rig_fetched(&r, rig_fetch(&r, 2, 17, in), "t", 0);
	ck_assert_int_eq(rig_records(p), 3);
	ck_assert_int_eq(p->preferred_read_replica, -1);
	rig_fini(&r);
}

/* KAFKA: an offset that a follower does not have yet is not out of range. */
TEST(a_follower_that_is_behind_does_not_reset_its_reader)
{
	struct fetch_request *in;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	in = rig_fetch_new(&r, 0, 1);
	rig_fetch_add(&r, in, "t", 0, 9);
	ck_assert_int_eq(rig_fetched(&r, rig_fetch(&r, 2, 17, in), "t",
				     0)->error_code, K_OFFSET_NOT_AVAILABLE);
	ck_assert_int_eq(rig_fetched(&r, rig_fetch(&r, 1, 17, in), "t",
				     0)->error_code, K_OFFSET_OUT_OF_RANGE);
	rig_fini(&r);
}

TEST(a_leader_that_is_gone_is_asked_ever_more_seldom)
{
	int before;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	r.nodes[0].cut = true;
	rig_pass(&r, 5000);
	before = r.nodes[1].asks_n;
	rig_pass(&r, 5000);
	ck_assert_int_le(r.nodes[1].asks_n - before, 6);
	ck_assert_int_ge(r.nodes[1].asks_n - before, 4);
	rig_fini(&r);
}

/*
 * It was killed and is back before anyone noticed, under its old epoch and
 * with less than it had: nobody cuts what it does not have.
 */
TEST(a_leader_without_a_lease_tells_its_followers_nothing)
{
	rig_init(&r, 3, 1, "log.durability=memory");
	rig_topic(&r, "t", "1,2,3", NULL);
	rig_pass(&r, 20);
	produce(1, 0, -1, 5);
	produce(1, 0, -1, 5);
	rig_pass(&r, 20);
	rig_lease(&r, 1, 0);
	ck_assert_int_eq(log_truncate(hosted_find(r.nodes[0].threads[1].broker,
		(struct partition_id){ cluster_topic(r.c, STR("t"))->id, 0 })
		->log, 5), 0);
	r.nodes[0].cut = true; /* connections break: sessions begin anew */
	rig_pass(&r, 1000);
	r.nodes[0].cut = false;
	rig_pass(&r, 2000);
	ck_assert(says(2, 0, "end=10 "));
	ck_assert(says(3, 0, "end=10 "));
	rig_fini(&r);
}
