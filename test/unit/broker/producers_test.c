/* SPDX-License-Identifier: Apache-2.0 */
/* InitProducerId, AllocateProducerIds, DescribeProducers: KIP-98, 360, 664,
 * 730. */
#include "council.h"
#include "rig.h"

enum { PRODUCE = 0, INIT = 22, DESCRIBE = 61, ALLOCATE = 67, BLOCK = 1000 };

static struct council c;
static struct rig r;
static bool seen[20 * BLOCK]; /* ids of this test */

static void begin(int n)
{
	memset(seen, 0, sizeof(seen));
	council_init(&c, n, NULL);
	council_begin(&c);
}

/* ---- InitProducerId ------------------------------------------------------ */

static struct council_call *send_init(int32_t node, int16_t version)
{
	struct init_producer_id_request in = { STR_NULL, 60000, -1, -1 };

	return council_send(&c, node, INIT, version, &in);
}

static int16_t error_of(const struct council_call *call)
{
	const struct init_producer_id_response *out = call->out;

	ck_assert(call->done);
	if (out->error_code) {
		ck_assert_int_eq(out->producer_id, -1);
		ck_assert_int_eq(out->producer_epoch, -1);
	}
	return out->error_code;
}

/* The id, which has to be one. */
static int64_t id_of(const struct council_call *call)
{
	const struct init_producer_id_response *out = call->out;

	ck_assert_int_eq(error_of(call), K_NONE);
	ck_assert_int_ge(out->producer_id, 0);
	ck_assert_int_eq(out->producer_epoch, 0);
	return out->producer_id;
}

static int64_t init(int32_t node)
{
	struct council_call *call = send_init(node, 4);

	council_pass(&c, 0);
	return id_of(call);
}

/* All are of the first blocks. */
static bool is_new(int64_t id)
{
	bool is;

	ck_assert_int_lt(id, (int)countof(seen));
	is = !seen[id];
	seen[id] = true;
	return is;
}

TEST(each_producer_gets_an_id_of_its_own_in_every_version)
{
	struct council_call *call;
	int64_t last = -1;

	begin(1);
	for (int16_t v = 0; v <= 5; v++) {
		call = send_init(1, v);
		council_pass(&c, 0);
		ck_assert_int_gt(id_of(call), last);
		last = id_of(call);
	}
	council_fini(&c);
}

TEST(ids_are_unique_over_the_nodes_and_their_blocks)
{
	begin(3);
	for (int i = 0; i < BLOCK + 1; i++)
		for (int32_t node = 1; node <= 3; node++)
			ck_assert(is_new(init(node)));
	/* of 2 and 3; node 1 asks itself */
	ck_assert_int_eq(c.asked[ALLOCATE], 4);
	council_fini(&c);
}

TEST(a_block_that_was_begun_ends_with_its_process)
{
	int64_t before;

	begin(3);
	before = init(2);
	ck_assert_int_eq(init(2), before + 1);
	council_stop(&c, 2, true);
	council_start(&c, 2);
	council_pass(&c, 100);
	ck_assert_int_ge(init(2), before + BLOCK);
	council_fini(&c);
}

TEST(ids_stay_unique_when_every_node_was_killed)
{
	int64_t most = 0;

	begin(3);
	for (int32_t node = 1; node <= 3; node++)
		most = max_of(most, init(node));
	council_lead(&c, -1);
	for (int32_t node = 1; node <= 3; node++)
		council_stop(&c, node, false);
	for (int32_t node = 1; node <= 3; node++)
		council_start(&c, node);
	council_lead(&c, 3);
	council_pass(&c, 100);
	for (int32_t node = 1; node <= 3; node++)
		ck_assert_int_gt(init(node), most);
	council_fini(&c);
}

TEST(a_new_quorum_leader_goes_on_with_ids)
{
	int64_t first, at_new;

	begin(3);
	first = init(2);
	council_lead(&c, 3);
	council_pass(&c, 10);
	ck_assert_int_eq(init(2), first + 1); /* of the block it has */
	at_new = init(3);
	ck_assert_int_ge(at_new, first + BLOCK);
	ck_assert_int_ge(init(1), at_new + BLOCK);
	council_fini(&c);
}

TEST(there_are_no_transactions)
{
	struct init_producer_id_request in = { STR("tx"), 60000, -1, -1 };
	const struct init_producer_id_response *out;

	begin(1);
	for (int16_t v = 0; v <= 5; v++) {
		in.transactional_id = v % 2 ? STR("tx") : STR("");
		out = council_ask(&c, 1, INIT, v, &in);
		ck_assert_int_eq(out->error_code, K_INVALID_REQUEST);
		ck_assert_int_eq(out->producer_id, -1);
		ck_assert_int_eq(out->producer_epoch, -1);
	}
	council_fini(&c);
}

TEST(an_id_that_a_producer_had_is_not_given_again) /* KIP-360 */
{
	struct init_producer_id_request in = { STR_NULL, 60000, 0, 3 };
	const struct init_producer_id_response *out;

	begin(1);
	in.producer_id = init(1);
	out = council_ask(&c, 1, INIT, 3, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->producer_id, in.producer_id + 1);
	ck_assert_int_eq(out->producer_epoch, 0);
	in.producer_epoch = -1;
	out = council_ask(&c, 1, INIT, 3, &in);
	ck_assert_int_eq(out->error_code, K_INVALID_REQUEST);
	in.producer_id = -1;
	in.producer_epoch = 0;
	out = council_ask(&c, 1, INIT, 5, &in);
	ck_assert_int_eq(out->error_code, K_INVALID_REQUEST);
	out = council_ask(&c, 1, INIT, 2, &in); /* which has no place for it */
	ck_assert_int_eq(out->error_code, K_NONE);
	council_fini(&c);
}

/* ---- blocks -------------------------------------------------------------- */

TEST(producers_that_wait_for_a_block_share_it)
{
	enum { WAITING = BLOCK + 500 };
	struct council_call *call[WAITING];

	begin(3);
	c.stalled = true;
	for (int i = 0; i < WAITING; i++)
		call[i] = send_init(2, 4);
	council_pass(&c, 20);
	for (int i = 0; i < WAITING; i++)
		ck_assert(!call[i]->done);
	ck_assert_int_eq(c.asked[ALLOCATE], 1);
	c.stalled = false;
	council_pass(&c, 1);
	for (int i = 0; i < WAITING; i++)
		ck_assert(is_new(id_of(call[i])));
	ck_assert_int_eq(c.asked[ALLOCATE], 2);
	council_fini(&c);
}

/* A block that node 2 asked for and whose leader is lost: the first id of the
 * next block. */
static int64_t lose_block(bool kept)
{
	struct council_call *call;

	begin(3);
	c.stalled = true;
	call = send_init(2, 4);
	council_pass(&c, 20);
	ck_assert(!call->done);
	council_drop(&c, kept);
	council_lead(&c, 3);
	council_pass(&c, 1);
	/* what Kafka says; clients try it again where they are */
	ck_assert_int_eq(error_of(call), K_COORDINATOR_LOAD_IN_PROGRESS);
	c.stalled = false;
	council_pass(&c, 10);
	return init(2);
}

TEST(a_block_that_was_lost_on_its_way_is_never_used)
{
	ck_assert_int_eq(lose_block(true), BLOCK);
	council_fini(&c);
	ck_assert_int_eq(lose_block(false), 0);
	council_fini(&c);
}

TEST(without_a_leader_a_producer_tries_again)
{
	struct council_call *call;

	begin(3);
	council_lead(&c, -1);
	for (int32_t node = 1; node <= 3; node++) {
		call = send_init(node, 1);
		council_pass(&c, 0);
		ck_assert_int_eq(error_of(call),
				 K_COORDINATOR_LOAD_IN_PROGRESS);
	}
	council_lead(&c, 2);
	council_pass(&c, 10);
	ck_assert(init(1) != init(3));
	council_fini(&c);
}

TEST(a_leader_that_is_frozen_is_not_waited_for_without_end)
{
	struct council_call *call, *second;

	begin(3);
	node_of(&c, 1)->frozen = true;
	call = send_init(2, 4);
	council_pass(&c, 4900);
	second = send_init(2, 4);
	council_pass(&c, 1);
	ck_assert(!call->done);
	ck_assert(!second->done);
	council_pass(&c, 200);
	ck_assert_int_eq(error_of(call), K_COORDINATOR_LOAD_IN_PROGRESS);
	ck_assert_int_eq(error_of(second), K_COORDINATOR_LOAD_IN_PROGRESS);
	node_of(&c, 1)->frozen = false;
	council_pass(&c, 100);
	ck_assert_int_ge(init(2), 0);
	council_fini(&c);
}

TEST(blocks_are_for_brokers_alone)
{
	struct allocate_producer_ids_request in = { 1, 1 };
	struct council_call *call;

	begin(1);
	call = council_send(&c, 1, ALLOCATE, 0, &in);
	council_pass(&c, 10);
	ck_assert(call->done);
	ck_assert_ptr_null(call->out); /* the connection is closed */
	ck_assert_int_eq(init(1), 0);
	council_fini(&c);
}

/* ---- DescribeProducers --------------------------------------------------- */

static void produce(int64_t id, int16_t epoch, int32_t sequence,
		    int32_t partition)
{
	struct batch_builder b = { 0 };
	struct produce_request_partition p = { .index = partition };
	struct produce_request_topic t = { .name = STR("t"),
					   .partition_data_n = 1,
					   .partition_data = &p };
	struct produce_request in;
	const struct produce_response *out;
	struct bytes batch;

	batch_build_begin(&b, CODEC_NONE);
	batch_build_add(&b, r.wall_ms, BYTES_NULL, BYTES_NULL, NULL);
	batch_build_add(&b, r.wall_ms + 5, BYTES_NULL, BYTES_NULL, NULL);
	batch = batch_build_end(&b, id, epoch, sequence);
	p.records = (struct records){ batch.p, batch.n, NULL };
	wire_preset(&produce_request_type, &in);
	in.acks = -1;
	in.timeout_ms = 1000;
	in.topic_data = &t;
	in.topic_data_n = 1;
	out = rig_ask(&r, 1, PRODUCE, 9, &in);
	ck_assert_int_eq(out->responses[0].partition_responses[0].error_code,
			 K_NONE);
	batch_build_fini(&b);
}

static const struct describe_producers_response_partition *
describe(int32_t node, const char *topic, int32_t partition)
{
	struct describe_producers_request_topic t = { str_of(topic), 1,
						      &partition };
	struct describe_producers_request in = { 1, &t };
	const struct describe_producers_response *out =
		rig_ask(&r, node, DESCRIBE, 0, &in);

	ck_assert_int_eq(out->topics_n, 1);
	ck_assert(str_eq_c(out->topics[0].name, topic));
	ck_assert_int_eq(out->topics[0].partitions_n, 1);
	ck_assert_int_eq(out->topics[0].partitions[0].partition_index,
			 partition);
	return &out->topics[0].partitions[0];
}

TEST(a_producer_is_described_by_what_it_wrote_last)
{
	const struct describe_producers_response_partition *p;

	rig_init(&r, 1, 2, NULL);
	rig_topic(&r, "t", "1|1", NULL);
	ck_assert_int_eq(describe(1, "t", 0)->active_producers_n, 0);
	produce(77, 3, 0, 0);
	produce(77, 3, 2, 0);
	p = describe(1, "t", 0);
	ck_assert_int_eq(p->error_code, K_NONE);
	ck_assert_int_eq(p->active_producers_n, 1);
	ck_assert_int_eq(p->active_producers[0].producer_epoch, 3);
	ck_assert_int_eq(p->active_producers[0].last_sequence, 3);
	ck_assert_int_eq(p->active_producers[0].last_timestamp, r.wall_ms + 5);
	ck_assert_int_eq(p->active_producers[0].coordinator_epoch, -1);
	ck_assert_int_eq(p->active_producers[0].current_txn_start_offset, -1);
	produce(77, 4, 0, 0); /* it began anew */
	p = describe(1, "t", 0);
	ck_assert_int_eq(p->active_producers_n, 1);
	ck_assert_int_eq(p->active_producers[0].producer_epoch, 4);
	ck_assert_int_eq(p->active_producers[0].last_sequence, 1);
	ck_assert_int_eq(describe(1, "t", 1)->active_producers_n, 0);
	rig_fini(&r);
}

TEST(all_producers_of_a_partition_are_described_once)
{
	const struct describe_producers_response_partition *p;
	bool described[20] = { false };

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	for (int i = 0; i < 20; i++)
		produce(100 + i, 0, 0, 0);
	produce(-1, -1, -1, 0); /* of nobody */
	p = describe(1, "t", 0);
	ck_assert_int_eq(p->active_producers_n, 20);
	for (int i = 0; i < 20; i++) {
		int64_t id = p->active_producers[i].producer_id;

		ck_assert(id >= 100 && id < 120 && !described[id - 100]);
		described[id - 100] = true;
		ck_assert_int_eq(p->active_producers[i].last_sequence, 1);
	}
	rig_fini(&r);
}

TEST(every_replica_describes_its_producers)
{
	const struct describe_producers_response_partition *p;

	rig_init(&r, 3, 2, NULL);
	rig_topic(&r, "t", "1,2", NULL);
	produce(77, 0, 0, 0);
	rig_pass(&r, 20);
	for (int32_t node = 1; node <= 2; node++) {
		p = describe(node, "t", 0);
		ck_assert_int_eq(p->error_code, K_NONE);
		ck_assert_int_eq(p->active_producers_n, 1);
		ck_assert_int_eq(p->active_producers[0].producer_id, 77);
	}
	p = describe(3, "t", 0);
	ck_assert_int_eq(p->error_code, K_NOT_LEADER_OR_FOLLOWER);
	ck_assert_int_eq(p->active_producers_n, 0);
	rig_fini(&r);
}

TEST(producers_of_what_does_not_exist_are_not_described)
{
	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	ck_assert_int_eq(describe(1, "u", 0)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(describe(1, "t", 1)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(describe(1, "t", -1)->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	rig_fini(&r);
}
