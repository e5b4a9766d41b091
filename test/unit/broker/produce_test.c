/* SPDX-License-Identifier: Apache-2.0 */
/* Produce: when it is answered, and with what. */
#include <stdio.h>

#include "rig.h"

static struct rig r;

static int count_in(int32_t node, const char *topic, int32_t partition)
{
	struct fetch_request *in = rig_fetch_new(&r, 0, 1);

	rig_fetch_add(&r, in, topic, partition, 0);
	return rig_records(rig_fetched(&r, rig_fetch(&r, node, 18, in), topic,
				       partition));
}

TEST(a_record_that_was_produced_is_fetched)
{
	struct rig_call *p;
	int64_t base;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	p = rig_produce(&r, 1, "t", 0, -1, 3);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, &base), 0);
	ck_assert_int_eq(base, 0);
	ck_assert_int_eq(count_in(1, "t", 0), 3);
	rig_fini(&r);
}

TEST(acks_0_has_no_answer)
{
	struct rig_call *p;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	p = rig_produce(&r, 1, "t", 0, 0, 1);
	rig_settle(&r);
	ck_assert(p->done && p->silent && !p->closed);
	ck_assert_int_eq(count_in(1, "t", 0), 1);
	rig_fini(&r);
}

TEST(an_error_of_acks_0_closes_the_connection)
{
	struct rig_call *p;

	rig_init(&r, 1, 1, NULL);
	p = rig_produce(&r, 1, "nothing", 0, 0, 1);
	rig_settle(&r);
	ck_assert(p->done && p->silent && p->closed);
	rig_fini(&r);
}

TEST(acks_1_waits_for_the_disk_of_a_durable_topic)
{
	struct rig_call *p;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", "durability=disk");
	r.nodes[0].hold_jobs = true;
	p = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_turn(&r);
	ck_assert(!p->done);
	r.nodes[0].hold_jobs = false;
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), 0);
	rig_fini(&r);
}

TEST(acks_1_does_not_wait_for_the_disk_of_a_topic_in_memory)
{
	struct rig_call *one, *all;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", "durability=memory");
	r.nodes[0].hold_jobs = true;
	one = rig_produce(&r, 1, "t", 0, 1, 1);
	all = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_turn(&r);
	ck_assert_int_eq(rig_produced(one, NULL), 0);
	ck_assert_int_eq(rig_produced(all, NULL), 0);
	rig_fini(&r);
}

TEST(acks_all_waits_for_every_in_sync_replica)
{
	struct rig_call *one, *all;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	r.nodes[1].hold_jobs = true; /* it has the record, not on its disk */
	one = rig_produce(&r, 1, "t", 0, 1, 1);
	all = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_settle(&r);
	ck_assert(one->done);
	ck_assert(!all->done);
	r.nodes[1].hold_jobs = false;
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(all, NULL), 0);
	rig_fini(&r);
}

TEST(waiting_for_acks_ends_with_time)
{
	struct rig_call *p;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	r.nodes[1].hold_jobs = true;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_pass(&r, 990);
	ck_assert(!p->done);
	rig_pass(&r, 20);
	ck_assert_int_eq(rig_produced(p, NULL), K_REQUEST_TIMED_OUT);
	rig_fini(&r);
}

TEST(too_few_in_sync_replicas_refuse_acks_all_before_the_append)
{
	struct rig_call *all, *one;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", "min.insync.replicas=2");
	rig_fence(&r, 2, true);
	rig_settle(&r);
	all = rig_produce(&r, 1, "t", 0, -1, 1);
	one = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(all, NULL), K_NOT_ENOUGH_REPLICAS);
	ck_assert_int_eq(rig_produced(one, NULL), 0);
	rig_fini(&r);
}

static int16_t produce_as(int32_t sequence)
{
	struct rig_call *p;

	r.sequence = sequence;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_pass(&r, 600); /* a follower that rests after an error comes back */
	return rig_produced(p, NULL);
}

/* librdkafka before 2.4 ends a producer that then hears of a gap. */
TEST_TIMES(what_is_sent_behind_a_refused_batch_is_refused_alike, 2)
{
	int16_t error = _i ? K_NOT_LEADER_OR_FOLLOWER : K_NOT_ENOUGH_REPLICAS;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", "min.insync.replicas=2");
	ck_assert_int_eq(produce_as(0), 0);
	if (_i)
		rig_lease(&r, 1, r.now_ms - 1);
	else
		rig_fence(&r, 2, true);
	rig_settle(&r);
	ck_assert_int_eq(produce_as(1), error);
	if (_i)
		rig_lease(&r, 1, INT64_MAX);
	else
		rig_fence(&r, 2, false);
	rig_pass(&r, 1500);
	ck_assert_int_eq(produce_as(2), error);
	ck_assert_int_eq(produce_as(1), 0);
	ck_assert_int_eq(produce_as(3), K_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(produce_as(2), 0);
	rig_fini(&r);
}

TEST(who_is_not_leader_says_who_is)
{
	struct rig_call *p;
	const struct produce_response *out;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	p = rig_produce(&r, 2, "t", 0, -1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), K_NOT_LEADER_OR_FOLLOWER);
	out = p->out; /* KIP-951 */
	ck_assert_int_eq(out->responses[0].partition_responses[0]
				 .current_leader.leader_id, 1);
	ck_assert_int_eq(out->node_endpoints_n, 1);
	ck_assert_int_eq(out->node_endpoints[0].node_id, 1);
	ck_assert_int_eq(out->node_endpoints[0].port, 9091);
	rig_fini(&r);
}

TEST(what_does_not_exist_is_unknown)
{
	struct rig_call *topic, *partition;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	topic = rig_produce(&r, 1, "nothing", 0, 1, 1);
	partition = rig_produce(&r, 1, "t", 1, 1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(topic, NULL),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(rig_produced(partition, NULL),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	rig_fini(&r);
}

TEST(without_a_lease_a_leader_does_not_lead)
{
	struct rig_call *p;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	rig_lease(&r, 1, r.now_ms);
	p = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), K_NOT_LEADER_OR_FOLLOWER);
	rig_fini(&r);
}

TEST(a_deposed_leader_acknowledges_nothing)
{
	struct rig_call *p;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	r.nodes[1].hold_jobs = true;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_settle(&r);
	rig_fence(&r, 1, true); /* node 2 leads now */
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), K_NOT_LEADER_OR_FOLLOWER);
	rig_fini(&r);
}

/* A connection does not wait for its earlier answers (performance over
 * Kafka's muting), and keeps its order per partition all the same. */
TEST_TIMES(pipelined_requests_are_appended_in_order, 3)
{
	struct rig_call *p[12];
	int64_t base;

	rig_init(&r, 1, 1 + _i, NULL);
	rig_topic(&r, "t", "1|1|1", NULL);
	r.nodes[0].hold_jobs = true;
	for (int i = 0; i < 12; i++)
		p[i] = rig_produce(&r, 1, "t", i % 3, i % 2 ? -1 : 1, 1);
	rig_turn(&r);
	r.nodes[0].hold_jobs = false;
	rig_settle(&r);
	for (int i = 0; i < 12; i++) {
		ck_assert_int_eq(rig_produced(p[i], &base), 0);
		ck_assert_int_eq(base, i / 3);
	}
	rig_fini(&r);
}

/* A request with one batch for each partition, and one for a topic that is
 * not there. */
static struct rig_call *produce_many(int partitions, int16_t version)
{
	const struct topic *t = cluster_topic(r.c, STR("t"));
	struct produce_request_partition p[9];
	struct produce_request_topic topics[2];
	struct produce_request in;
	struct batch_builder b = { 0 };
	struct rig_call *c;
	struct bytes batch;

	batch_build_begin(&b, CODEC_LZ4);
	batch_build_add(&b, r.wall_ms, BYTES_NULL, BYTES_NULL, NULL);
	batch = batch_build_end(&b, -1, -1, -1);
	for (int i = 0; i < partitions; i++)
		p[i] = (struct produce_request_partition){
			i, { batch.p, batch.n, NULL } };
	topics[0] = (struct produce_request_topic){
		STR("t"), t->id, partitions, p };
	topics[1] = (struct produce_request_topic){
		STR("nothing"), { { 9, 9 } }, 1, p };
	wire_preset(&produce_request_type, &in);
	in.acks = -1;
	in.timeout_ms = 1000;
	in.topic_data = topics;
	in.topic_data_n = 2;
	c = rig_send(&r, 1, 1, 0, version, &in);
	batch_build_fini(&b);
	return c;
}

TEST_TIMES(partitions_of_several_shards_are_answered_together, 3)
{
	struct rig_call *c;
	const struct produce_response *out;

	rig_init(&r, 1, 1 + _i, NULL);
	rig_topic(&r, "t", "1|1|1|1|1|1|1|1|1", NULL);
	c = produce_many(9, 13); /* by topic id, KIP-516 */
	rig_settle(&r);
	ck_assert(c->done);
	out = c->out;
	ck_assert_int_eq(out->responses_n, 2);
	for (int i = 0; i < 9; i++) {
		ck_assert_int_eq(out->responses[0].partition_responses[i].index,
				 i);
		ck_assert_int_eq(
			out->responses[0].partition_responses[i].error_code, 0);
		ck_assert_int_eq(count_in(1, "t", i), 1);
	}
	ck_assert_int_eq(out->responses[1].partition_responses[0].error_code,
			 K_UNKNOWN_TOPIC_ID);
	rig_fini(&r);
}

TEST(a_shard_that_has_not_heard_of_a_topic_yet_lets_its_batches_wait)
{
	struct rig_thread *behind;
	struct rig_call *c;
	struct list *news;

	rig_init(&r, 1, 2, NULL);
	rig_settle(&r);
	rig_topic_begin(&r, "t", "1|1|1|1|1|1|1|1|1", NULL);
	behind = &r.nodes[0].threads[2]; /* the connection is with 1 */
	news = list_pop(&behind->box);
	ck_assert(news && list_empty(&behind->box));
	rig_turn(&r);
	c = produce_many(9, 12);
	rig_turn(&r);
	ck_assert(!c->done);
	list_push(&behind->box, news);
	rig_settle(&r);
	ck_assert(c->done);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(count_in(1, "t", i), 1);
	rig_fini(&r);
}

/* A shard that heard of the new topic must not be ahead of another one that has
 * the directory of the old. */
TEST_TIMES(topic_made_again_waits_until_the_old_one_is_gone_everywhere, 2)
{
	struct list held, *l, *box;
	struct disk *d;
	char path[64];

	rig_init(&r, 1, 2, NULL);
	d = disk_mem_disk(r.nodes[0].mem);
	box = &r.nodes[0].threads[1 + _i].box;
	rig_topic(&r, "t", "1|1", NULL);
	for (int k = 0; k < 8; k++) { /* each time it has another id */
		rig_delete_topic_begin(&r, "t");
		rig_topic_begin(&r, "t", "1|1", NULL);
		list_init(&held);
		list_splice(&held, box);
		rig_settle(&r); /* the other one has heard of both */
		while ((l = list_pop(&held)))
			list_push(box, l);
		rig_settle(&r);
		produce_many(2, 12);
		rig_settle(&r);
		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof(path),
				 "log/t-%d/partition.metadata", i);
			ck_assert_int_gt(d->ops->size_of(d, path), 0);
			ck_assert_int_eq(count_in(1, "t", i), 1);
		}
	}
	rig_fini(&r);
}

/* KAFKA-18659: advertised for what old clients conclude, and not served. */
TEST(produce_before_version_3_closes_the_connection)
{
	static const uint8_t frame[] = { 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff };
	struct rig_call *c;

	rig_init(&r, 1, 1, NULL);
	c = rig_send_raw(&r, 1, 1,
			 (struct bytes){ frame, sizeof(frame) }, -1);
	ck_assert(c->done && c->closed && c->silent);
	rig_fini(&r);
}

static struct rig_call *produce_bytes(const uint8_t *p, int32_t n, int16_t acks)
{
	struct produce_request_partition part = { 0, { p, n, NULL } };
	struct produce_request_topic t = { .name = STR("t"),
					   .partition_data_n = 1,
					   .partition_data = &part };
	struct produce_request in;
	struct rig_call *c;

	wire_preset(&produce_request_type, &in);
	in.acks = acks;
	in.topic_data = &t;
	in.topic_data_n = 1;
	c = rig_send(&r, 1, 1, 0, 12, &in);
	rig_settle(&r);
	return c;
}

TEST(batches_that_are_wrong_are_refused_by_name)
{
	struct batch_builder b = { 0 };
	struct bytes one;
	struct buf two = { 0 };

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	batch_build_begin(&b, CODEC_NONE);
	batch_build_add(&b, r.wall_ms, BYTES_NULL, BYTES_NULL, NULL);
	one = batch_build_end(&b, -1, -1, -1);
	buf_put(&two, one.p, (size_t)one.n);
	buf_put(&two, one.p, (size_t)one.n);
	ck_assert_int_eq(K_INVALID_RECORD,
			 rig_produced(produce_bytes(two.p, (int32_t)two.n, 1),
				      NULL));
	ck_assert_int_eq(K_CORRUPT_MESSAGE,
			 rig_produced(produce_bytes(one.p, one.n - 1, 1),
				      NULL));
	ck_assert_int_eq(K_INVALID_RECORD,
			 rig_produced(produce_bytes(one.p, 0, 1), NULL));
	ck_assert_int_eq(K_INVALID_REQUIRED_ACKS,
			 rig_produced(produce_bytes(one.p, one.n, 2), NULL));
	two.p[one.n - 1] ^= 1;
	ck_assert_int_eq(K_CORRUPT_MESSAGE,
			 rig_produced(produce_bytes(two.p, one.n, 1), NULL));
	ck_assert_int_eq(count_in(1, "t", 0), 0);
	buf_fini(&two);
	batch_build_fini(&b);
	rig_fini(&r);
}

/* Admission: a disk that falls behind makes producers wait, not memory grow. */
TEST(producers_wait_for_a_disk_that_is_behind)
{
	struct rig_call *p[3];
	int64_t base;

	rig_init(&r, 1, 1, "log.unsynced.max.bytes=1");
	rig_topic(&r, "t", "1", NULL);
	r.nodes[0].hold_jobs = true;
	for (int i = 0; i < 3; i++)
		p[i] = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_turn(&r);
	ck_assert_ptr_nonnull(strstr(rig_replica(&r, 1, "t", 0), "end=1 "));
	r.nodes[0].hold_jobs = false;
	rig_settle(&r);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(rig_produced(p[i], &base), 0);
		ck_assert_int_eq(base, i);
	}
	rig_fini(&r);
}

TEST(a_failed_disk_is_a_storage_error_of_its_partition)
{
	struct rig_call *p;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	disk_mem_fail_sync(r.nodes[0].mem, 1);
	p = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), K_KAFKA_STORAGE_ERROR);
	p = rig_produce(&r, 1, "t", 0, 1, 1);
	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), K_KAFKA_STORAGE_ERROR);
	ck_assert_ptr_nonnull(r.refused); /* and the end of its node */
	rig_fini(&r);
}
