/* SPDX-License-Identifier: Apache-2.0 */
/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers. */
#include "rig.h"

static struct rig r;

static void produce(const char *topic, int32_t partition, int n)
{
	struct rig_call *p = rig_produce(&r, 1, topic, partition, -1, n);

	rig_settle(&r);
	ck_assert_int_eq(rig_produced(p, NULL), 0);
}

static struct list_offsets_response_partition list(int16_t version,
						   int32_t partition,
						   int64_t timestamp)
{
	struct list_offsets_request_partition p = { partition, -1, timestamp };
	struct list_offsets_request_topic t = { STR("t"), 1, &p };
	struct list_offsets_request in;
	struct list_offsets_response *out;

	wire_preset(&list_offsets_request_type, &in);
	in.replica_id = -1;
	in.topics = &t;
	in.topics_n = 1;
	out = rig_ask(&r, 1, 2, version, &in);
	return out->topics[0].partitions[0];
}

TEST(the_ends_of_a_partition_are_listed)
{
	rig_init(&r, 1, 2, NULL);
	rig_topic(&r, "t", "1|1|1", NULL);
	produce("t", 1, 4);
	ck_assert_int_eq(list(7, 1, -1).offset, 4);
	ck_assert_int_eq(list(7, 1, -1).timestamp, -1);
	ck_assert_int_eq(list(7, 1, -1).leader_epoch, 0);
	ck_assert_int_eq(list(7, 1, -2).offset, 0);
	ck_assert_int_eq(list(7, 1, -3).timestamp, r.wall_ms); /* KIP-734 */
	ck_assert_int_eq(list(8, 1, -4).offset, 0); /* KIP-405 */
	ck_assert_int_eq(list(9, 1, -5).offset, -1); /* KIP-1005 */
	ck_assert_int_eq(list(11, 1, -6).offset, -1);
	ck_assert_int_eq(list(7, 2, -1).offset, 0);
	rig_fini(&r);
}

TEST(a_timestamp_is_found_or_not)
{
	struct list_offsets_response_partition p;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	produce("t", 0, 2);
	rig_pass(&r, 10);
	produce("t", 0, 2);
	p = list(4, 0, r.wall_ms - 5);
	ck_assert_int_eq(p.offset, 2);
	ck_assert_int_eq(p.timestamp, r.wall_ms);
	p = list(4, 0, r.wall_ms + 1); /* none is not an error (KIP-79) */
	ck_assert_int_eq(p.error_code, 0);
	ck_assert_int_eq(p.offset, -1);
	ck_assert_int_eq(p.timestamp, -1);
	rig_fini(&r);
}

TEST(a_special_timestamp_has_its_first_version)
{
	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	ck_assert_int_eq(list(6, 0, -3).error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(list(7, 0, -4).error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(list(8, 0, -5).error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(list(10, 0, -6).error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(list(11, 0, -7).error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(list(7, 0, -3).error_code, 0);
	rig_fini(&r);
}

TEST(a_partition_that_is_listed_twice_is_refused)
{
	struct list_offsets_request_partition p[] = { { 0, -1, -1 },
						      { 1, -1, -1 },
						      { 0, -1, -2 } };
	struct list_offsets_request_topic t = { STR("t"), 3, p };
	struct list_offsets_request in;
	struct list_offsets_response *out;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1|1", NULL);
	wire_preset(&list_offsets_request_type, &in);
	in.topics = &t;
	in.topics_n = 1;
	out = rig_ask(&r, 1, 2, 5, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_INVALID_REQUEST);
	ck_assert_int_eq(out->topics[0].partitions[1].error_code, 0);
	ck_assert_int_eq(out->topics[0].partitions[2].error_code,
			 K_INVALID_REQUEST);
	rig_fini(&r);
}

/* KIP-207: it must not say less than the leader before it has said. */
TEST(a_new_leader_does_not_guess_the_end)
{
	struct list_offsets_request_partition p = { 0, -1, -1 };
	struct list_offsets_request_topic t = { STR("t"), 1, &p };
	struct list_offsets_request in;
	struct list_offsets_response *out;

	rig_init(&r, 3, 1, NULL);
	rig_topic(&r, "t", "1,2,3", NULL);
	r.nodes[1].hold_asks = r.nodes[2].hold_asks = false;
	rig_pass(&r, 20);
	produce("t", 0, 3); /* the followers have heard of no HW yet */
	r.nodes[2].hold_asks = true;
	r.nodes[0].cut = true;
	rig_fence(&r, 1, true);
	rig_settle(&r);
	wire_preset(&list_offsets_request_type, &in);
	in.topics = &t;
	in.topics_n = 1;
	out = rig_ask(&r, 2, 2, 5, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_OFFSET_NOT_AVAILABLE);
	out = rig_ask(&r, 2, 2, 4, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_LEADER_NOT_AVAILABLE);
	r.nodes[2].hold_asks = false;
	rig_pass(&r, 100);
	out = rig_ask(&r, 2, 2, 5, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code, 0);
	ck_assert_int_eq(out->topics[0].partitions[0].offset, 3);
	rig_fini(&r);
}

static struct offset_for_leader_epoch_response_partition epoch_end(
	int32_t node, int32_t epoch, int32_t current)
{
	struct offset_for_leader_epoch_request_partition p = { 0, current,
							       epoch };
	struct offset_for_leader_epoch_request_topic t = { STR("t"), 1, &p };
	struct offset_for_leader_epoch_request in;
	struct offset_for_leader_epoch_response *out;

	wire_preset(&offset_for_leader_epoch_request_type, &in);
	in.replica_id = -1;
	in.topics = &t;
	in.topics_n = 1;
	out = rig_ask(&r, node, 23, 4, &in);
	return out->topics[0].partitions[0];
}

/* KIP-101, KIP-320 */
TEST(the_end_of_an_epoch_is_where_the_next_begins)
{
	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	produce("t", 0, 3);
	rig_pass(&r, 20);
	rig_fence(&r, 1, true);
	rig_settle(&r);
	rig_produce(&r, 2, "t", 0, 1, 2);
	rig_settle(&r);
	ck_assert_int_eq(epoch_end(2, 0, -1).end_offset, 3);
	ck_assert_int_eq(epoch_end(2, 0, -1).leader_epoch, 0);
	ck_assert_int_eq(epoch_end(2, 1, 1).end_offset, 5);
	ck_assert_int_eq(epoch_end(2, 2, -1).end_offset, -1);
	ck_assert_int_eq(epoch_end(2, 1, 0).error_code, K_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(epoch_end(2, 1, 2).error_code,
			 K_UNKNOWN_LEADER_EPOCH);
	rig_fini(&r);
}

/* A reader whose history is not ours is told where the two part (KIP-595). */
TEST(a_fetch_with_a_history_of_its_own_is_told)
{
	struct fetch_request *in;
	struct fetch_response_partition *p;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	produce("t", 0, 3);
	rig_pass(&r, 20);
	rig_fence(&r, 1, true);
	rig_settle(&r);
	rig_produce(&r, 2, "t", 0, 1, 2);
	rig_settle(&r);
	in = rig_fetch_new(&r, 500, 1);
	rig_fetch_add(&r, in, "t", 0, 4);
	in->topics[0].partitions[0].last_fetched_epoch = 0;
	p = rig_fetched(&r, rig_fetch(&r, 2, 12, in), "t", 0);
	ck_assert_int_eq(p->error_code, 0);
	ck_assert_int_eq(p->diverging_epoch.epoch, 0);
	ck_assert_int_eq(p->diverging_epoch.end_offset, 3);
	ck_assert_int_eq(p->records.n, 0);
	rig_fini(&r);
}

/* ---- DeleteRecords (KIP-107) --------------------------------------------- */

static struct rig_call *delete_before(int64_t offset)
{
	struct delete_records_request_partition p = { 0, offset };
	struct delete_records_request_topic t = { STR("t"), 1, &p };
	struct delete_records_request in = { 1, &t, 1000 };

	return rig_send(&r, 1, 1, 21, 2, &in);
}

static struct delete_records_response_partition deleted(struct rig_call *c)
{
	ck_assert(c->done);
	return ((struct delete_records_response *)c->out)
		->topics[0].partitions[0];
}

TEST(records_are_deleted_up_to_an_offset)
{
	struct rig_call *c;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	produce("t", 0, 3);
	produce("t", 0, 3);
	c = delete_before(3);
	rig_settle(&r);
	ck_assert_int_eq(deleted(c).error_code, 0);
	ck_assert_int_eq(deleted(c).low_watermark, 3);
	ck_assert_int_eq(list(5, 0, -2).offset, 3);
	c = delete_before(7);
	rig_settle(&r);
	ck_assert_int_eq(deleted(c).error_code, K_OFFSET_OUT_OF_RANGE);
	c = delete_before(-1); /* all that is committed */
	rig_settle(&r);
	ck_assert_int_eq(deleted(c).low_watermark, 6);
	rig_fini(&r);
}

TEST(deletion_waits_for_the_replicas_that_are_up)
{
	struct rig_call *c;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	rig_pass(&r, 20);
	produce("t", 0, 3);
	c = delete_before(2);
	rig_settle(&r);
	ck_assert(!c->done);
	rig_pass(&r, 20);
	ck_assert_int_eq(deleted(c).error_code, 0);
	ck_assert_int_eq(deleted(c).low_watermark, 2);
	ck_assert_ptr_nonnull(strstr(rig_replica(&r, 2, "t", 0), "start=2 "));
	rig_fini(&r);
}

TEST(deletion_that_a_replica_does_not_follow_times_out)
{
	struct rig_call *c;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	rig_pass(&r, 20);
	produce("t", 0, 3);
	r.nodes[1].hold_asks = true;
	c = delete_before(2);
	rig_pass(&r, 1100);
	ck_assert_int_eq(deleted(c).error_code, K_REQUEST_TIMED_OUT);
	rig_fini(&r);
}

/* The session of before is still there, with what it once said. */
TEST(deletion_does_not_wait_for_a_session_that_a_replica_has_left)
{
	struct rig_call *c;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	rig_pass(&r, 20);
	r.nodes[1].cut = true; /* its fetch breaks: it begins a new session */
	rig_pass(&r, 700);
	r.nodes[1].cut = false;
	rig_pass(&r, 300);
	produce("t", 0, 3);
	c = delete_before(2);
	rig_pass(&r, 20);
	ck_assert_int_eq(deleted(c).error_code, 0);
	ck_assert_int_eq(deleted(c).low_watermark, 2);
	rig_fini(&r);
}

TEST(a_compacted_topic_loses_no_records_by_deletion)
{
	struct rig_call *c;

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", "cleanup.policy=compact");
	c = delete_before(0);
	rig_settle(&r);
	ck_assert_int_eq(deleted(c).error_code, K_POLICY_VIOLATION);
	rig_fini(&r);
}

/* ---- DescribeProducers (KIP-664) ----------------------------------------- */

TEST(an_idempotent_producer_is_described)
{
	struct batch_builder b = { 0 };
	struct bytes batch;
	struct produce_request_partition part = { .index = 0 };
	struct produce_request_topic pt = { .name = STR("t"),
					    .partition_data_n = 1,
					    .partition_data = &part };
	struct produce_request pr;
	int32_t partition = 0;
	struct describe_producers_request_topic t = { STR("t"), 1,
						      &partition };
	struct describe_producers_request in = { 1, &t };
	struct describe_producers_response *out;

	rig_init(&r, 1, 2, NULL);
	rig_topic(&r, "t", "1|1", NULL);
	batch_build_begin(&b, CODEC_NONE);
	batch_build_add(&b, r.wall_ms, BYTES_NULL, BYTES_NULL, NULL);
	batch = batch_build_end(&b, 77, 3, 0);
	part.records = (struct records){ batch.p, batch.n, NULL };
	wire_preset(&produce_request_type, &pr);
	pr.acks = -1;
	pr.timeout_ms = 1000;
	pr.topic_data = &pt;
	pr.topic_data_n = 1;
	rig_ask(&r, 1, 0, 9, &pr);
	out = rig_ask(&r, 1, 61, 0, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].active_producers_n, 1);
	ck_assert_int_eq(out->topics[0].partitions[0].active_producers[0]
				 .producer_id, 77);
	ck_assert_int_eq(out->topics[0].partitions[0].active_producers[0]
				 .producer_epoch, 3);
	batch_build_fini(&b);
	rig_fini(&r);
}
