/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeCluster, UnregisterBroker, DescribeQuorum, and Metadata of topics
 * that are missing: KIP-430, 500, 595, 700, 853, 919, 1073. */
#include "council.h"

enum { METADATA = 3, ALTER = 44, QUORUM = 55, CLUSTER = 60, UNREGISTER = 64 };

typedef struct describe_cluster_response cluster_told;
typedef struct describe_quorum_response quorum_told;
typedef struct describe_quorum_response_partition quorum_partition;

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
}

static void *answer_after_5_s(const struct council_call *call)
{
	council_pass(&c, 4900);
	ck_assert(!call->done);
	council_pass(&c, 200);
	ck_assert(call->done);
	return call->out;
}

/* ---- DescribeCluster ----------------------------------------------------- */

static const cluster_told *describe(int32_t node, int16_t version,
				    int8_t endpoint, bool fenced)
{
	struct describe_cluster_request in;

	wire_preset(&describe_cluster_request_type, &in);
	in.endpoint_type = endpoint;
	in.include_fenced_brokers = fenced;
	return council_ask(&c, node, CLUSTER, version, &in);
}

TEST(a_cluster_is_described_by_its_brokers)
{
	char id[UUID_TEXT_MAX];

	begin(3, NULL);
	council_lead(&c, 2);
	council_pass(&c, 300);
	uuid_text(c.nodes[0].cluster->id, id);
	for (int16_t v = 0; v <= 2; v++) {
		const cluster_told *out = describe(3, v, 1, false);

		ck_assert_int_eq(out->error_code, K_NONE);
		ck_assert(str_eq_c(out->cluster_id, id));
		ck_assert_int_eq(out->controller_id, 2);
		ck_assert_int_eq(out->endpoint_type, 1);
		ck_assert_int_eq(out->brokers_n, 3);
		ck_assert_int_eq(out->brokers[2].broker_id, 3);
		ck_assert(str_eq_c(out->brokers[2].host, "host"));
		ck_assert_int_eq(out->brokers[2].port, 9003);
		ck_assert_int_eq(out->brokers[2].rack.n, -1);
		ck_assert_int_eq(out->cluster_authorized_operations,
				 INT32_MIN);
	}
	council_fini(&c);
}

TEST(a_fenced_broker_is_described_on_request)
{
	const cluster_told *out;

	begin(3, NULL);
	council_stop(&c, 3, false);
	council_pass(&c, 500);
	out = describe(1, 2, 1, false);
	ck_assert_int_eq(out->brokers_n, 2);
	ck_assert(!out->brokers[1].is_fenced);
	ck_assert_int_eq(describe(1, 1, 1, false)->brokers_n, 2);
	out = describe(1, 2, 1, true);
	ck_assert_int_eq(out->brokers_n, 3);
	ck_assert(!out->brokers[1].is_fenced);
	ck_assert_int_eq(out->brokers[2].broker_id, 3);
	ck_assert(out->brokers[2].is_fenced);
	ck_assert_int_eq(out->brokers[2].port, 9003);
	council_fini(&c);
}

TEST(controllers_are_not_asked_for_at_a_brokers_listener)
{
	const cluster_told *out;

	begin(2, NULL);
	out = describe(1, 1, 2, false);
	ck_assert_int_eq(out->error_code, K_MISMATCHED_ENDPOINT_TYPE);
	ck_assert_int_gt(out->error_message.n, 0);
	ck_assert_int_eq(out->endpoint_type, 2);
	ck_assert_int_eq(out->brokers_n, 0);
	out = describe(1, 2, 3, false);
	ck_assert_int_eq(out->error_code, K_UNSUPPORTED_ENDPOINT_TYPE);
	ck_assert_int_eq(describe(1, 2, 0, false)->error_code,
			 K_UNSUPPORTED_ENDPOINT_TYPE);
	council_fini(&c);
}

TEST(what_may_be_done_to_a_cluster_is_told_on_request)
{
	struct describe_cluster_request in;
	const cluster_told *out;

	begin(2, NULL);
	wire_preset(&describe_cluster_request_type, &in);
	in.include_cluster_authorized_operations = true;
	out = council_ask(&c, 1, CLUSTER, 0, &in);
	ck_assert_int_eq(out->cluster_authorized_operations,
			 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 |
				 1 << 11 | 1 << 12);
	council_fini(&c);
}

/* ---- UnregisterBroker ---------------------------------------------------- */

static int16_t unregister(int32_t node, int32_t broker)
{
	struct unregister_broker_request in = { broker };
	const struct unregister_broker_response *out =
		council_ask(&c, node, UNREGISTER, 0, &in);

	ck_assert_int_eq(out->error_code != 0, out->error_message.n > 0);
	return out->error_code;
}

TEST(a_broker_that_is_gone_is_forgotten_through_any_node)
{
	struct incremental_alter_configs_request_config k = {
		STR("log.retention.ms"), 0, STR("5") };
	struct incremental_alter_configs_request_resource r = { 4, STR("4"), 1,
								&k };
	struct incremental_alter_configs_request in = { 1, &r, false };

	begin(4, NULL);
	ck_assert_int_eq(council_create(&c, 1, "t", 8), K_NONE);
	council_ask(&c, 1, ALTER, 1, &in);
	ck_assert_uint_eq(map_count(&c.nodes[0].cluster->broker_settings), 1);
	council_stop(&c, 4, false);
	council_pass(&c, 500);
	ck_assert_int_eq(describe(1, 2, 1, true)->brokers_n, 4);
	ck_assert_int_eq(unregister(2, 4), K_NONE);
	ck_assert_int_eq(describe(1, 2, 1, true)->brokers_n, 3);
	ck_assert_uint_eq(map_count(&c.nodes[0].cluster->broker_settings), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_ne(council_partition(&c, 1, "t", i)->leader, 4);
	ck_assert_int_eq(unregister(2, 4), K_BROKER_ID_NOT_REGISTERED);
	ck_assert_int_eq(unregister(1, -1), K_BROKER_ID_NOT_REGISTERED);
	council_start(&c, 4);
	council_pass(&c, 500);
	ck_assert_str_eq(council_brokers(&c, 1),
			 "1 active 2 active 3 active 4 active");
	council_fini(&c);
}

TEST_TIMES(who_is_to_be_forgotten_without_a_quorum_stays, 2)
{
	struct unregister_broker_request in = { 2 };
	const struct unregister_broker_response *out;
	struct council_call *call;

	begin(3, NULL);
	if (_i)
		council_lead(&c, -1);
	c.stalled = true;
	call = council_send(&c, 1, UNREGISTER, 0, &in);
	out = answer_after_5_s(call);
	ck_assert_int_eq(out->error_code, K_REQUEST_TIMED_OUT);
	ck_assert_int_gt(out->error_message.n, 0);
	c.stalled = false;
	council_fini(&c);
}

/* ---- DescribeQuorum ------------------------------------------------------ */

static const quorum_told *describe_quorum(int32_t node, int16_t version,
					  const char *topic, int32_t partition)
{
	struct describe_quorum_request_partition p = { partition };
	struct describe_quorum_request_topic t = { str_of(topic), 1, &p };
	struct describe_quorum_request in = { 1, &t };

	return council_ask(&c, node, QUORUM, version, &in);
}

TEST(the_quorum_is_the_same_whoever_is_asked)
{
	begin(4, NULL);
	council_lead(&c, 3);
	council_pass(&c, 300);
	for (int32_t node = 1; node <= 4; node++)
		for (int16_t v = 0; v <= 2; v++) {
			const quorum_told *out = describe_quorum(
				node, v, "__cluster_metadata", 0);
			const quorum_partition *p = out->topics[0].partitions;

			ck_assert_int_eq(out->error_code, K_NONE);
			ck_assert_int_eq(p->error_code, K_NONE);
			ck_assert_int_eq(p->leader_id, 3);
			ck_assert_int_eq(p->leader_epoch, c.term);
			ck_assert_int_eq(p->high_watermark, c.log_n);
			ck_assert_int_eq(p->current_voters_n, 3);
			ck_assert_int_eq(p->current_voters[2].replica_id, 3);
			ck_assert_int_eq(p->observers_n, 1);
			ck_assert_int_eq(p->observers[0].replica_id, 4);
			ck_assert_int_eq(p->observers[0].log_end_offset,
					 c.log_n);
			ck_assert_int_eq(p->observers[0].last_fetch_timestamp
						 > 0, v >= 1);
			ck_assert_int_eq(out->nodes_n, v >= 2 ? 4 : 0);
		}
	council_fini(&c);
}

TEST(a_member_was_heard_just_now_or_never)
{
	const quorum_partition *p;
	int64_t before;

	begin(3, NULL);
	council_stop(&c, 3, false);
	before = c.now_ms + 1000000000;
	p = describe_quorum(2, 1, "__cluster_metadata", 0)->topics[0].partitions;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_ge(p->current_voters[i].last_fetch_timestamp,
				 before);
		ck_assert_int_eq(p->current_voters[i].last_caught_up_timestamp,
				 p->current_voters[i].last_fetch_timestamp);
	}
	ck_assert_int_eq(p->current_voters[2].last_fetch_timestamp, -1);
	ck_assert_int_eq(p->current_voters[2].last_caught_up_timestamp, -1);
	council_fini(&c);
}

TEST(members_of_the_quorum_have_addresses)
{
	const quorum_told *out;

	begin(2, NULL);
	out = describe_quorum(2, 2, "__cluster_metadata", 0);
	ck_assert_int_eq(out->nodes[1].node_id, 2);
	ck_assert_int_eq(out->nodes[1].listeners_n, 1);
	ck_assert(str_eq_c(out->nodes[1].listeners[0].host, "peer"));
	ck_assert_int_eq(out->nodes[1].listeners[0].port, 7002);
	council_fini(&c);
}

TEST(only_the_log_of_the_quorum_is_described)
{
	const quorum_partition *p;
	const quorum_told *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	for (int i = 0; i < 2; i++) {
		out = describe_quorum(2, 2, i ? "t" : "__cluster_metadata",
				      i ? 0 : 1);
		ck_assert_int_eq(out->error_code, K_NONE);
		p = out->topics[0].partitions;
		ck_assert_int_eq(p->error_code, K_UNKNOWN_TOPIC_OR_PARTITION);
		ck_assert_int_gt(p->error_message.n, 0);
		ck_assert_int_eq(p->leader_id, -1);
		ck_assert_int_eq(p->current_voters_n, 0);
	}
	council_fini(&c);
}

TEST(a_quorum_that_is_named_twice_is_not_described)
{
	struct describe_quorum_request_partition p[2] = { { 0 }, { 0 } };
	struct describe_quorum_request_topic t[2] = {
		{ STR("__cluster_metadata"), 2, p },
		{ STR("__cluster_metadata"), 1, p } };
	struct describe_quorum_request in = { 1, t };
	const quorum_told *out;

	begin(2, NULL);
	for (int i = 0; i < 2; i++) {
		out = council_ask(&c, 1, QUORUM, 2, &in);
		ck_assert_int_eq(out->topics_n, in.topics_n);
		ck_assert_int_eq(out->topics[0].partitions[0].error_code,
				 K_UNKNOWN_TOPIC_OR_PARTITION);
		ck_assert_int_eq(out->topics[0].partitions[0].current_voters_n,
				 0);
		in.topics_n = 2;
		t[0].partitions_n = 1;
	}
	council_fini(&c);
}

TEST(a_quorum_without_a_leader_is_not_described)
{
	struct describe_quorum_request_partition p = { 0 };
	struct describe_quorum_request_topic t = { STR("__cluster_metadata"), 1,
						   &p };
	struct describe_quorum_request in = { 1, &t };
	struct council_call *call;
	const quorum_told *out;

	begin(3, NULL);
	council_lead(&c, -1);
	call = council_send(&c, 2, QUORUM, 2, &in);
	out = answer_after_5_s(call);
	ck_assert_int_eq(out->error_code, K_REQUEST_TIMED_OUT);
	ck_assert_int_gt(out->error_message.n, 0);
	ck_assert_int_eq(out->topics_n, 0);
	council_fini(&c);
}

/* ---- Metadata of what is missing ----------------------------------------- */

typedef struct metadata_request_topic asked;
typedef struct metadata_response metadata;

static const metadata *look(int16_t version, asked *v, int32_t n, bool create)
{
	struct metadata_request in;

	wire_preset(&metadata_request_type, &in);
	in.topics_n = n;
	in.topics = v;
	in.allow_auto_topic_creation = create;
	return council_ask(&c, 2, METADATA, version, &in);
}

static bool exists(const char *name)
{
	return cluster_topic(c.nodes[0].cluster, str_of(name)) != NULL;
}

TEST(a_missing_topic_is_made_when_client_and_settings_want_it)
{
	asked a = { .name = STR("a") }, b = { .name = STR("b") },
	      d = { .name = STR("d") };
	const metadata *out;

	begin(3, "num.partitions=2");
	out = look(4, &a, 1, true);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
	ck_assert(str_eq_c(out->topics[0].name, "a"));
	ck_assert_int_eq(out->topics[0].partitions_n, 2);
	ck_assert_int_gt(out->topics[0].partitions[1].leader_id, 0);
	out = look(3, &b, 1, false); /* such a version cannot forbid it */
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
	ck_assert(exists("b"));
	for (int16_t v = 4; v <= 13; v++) {
		out = look(v, &d, 1, false);
		ck_assert_int_eq(out->topics[0].error_code,
				 K_UNKNOWN_TOPIC_OR_PARTITION);
	}
	ck_assert(!exists("d"));
	council_fini(&c);
}

TEST(no_topic_is_made_where_settings_forbid_it)
{
	asked a = { .name = STR("a") };

	begin(2, "auto.create.topics.enable=false");
	ck_assert_int_eq(look(0, &a, 1, true)->topics[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(look(13, &a, 1, true)->topics[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert(!exists("a"));
	council_fini(&c);
}

TEST(each_missing_topic_is_made_once_and_no_other)
{
	asked v[5] = { { .name = STR("a") }, { .name = STR("x/y") },
		       { .name = STR("a") }, { .name = STR("a.b") },
		       { .name = STR("a_b") } };
	const metadata *out;
	int32_t a = 0;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a.b", 1), K_NONE);
	out = look(12, v, 5, true);
	for (int32_t i = 0; i < out->topics_n; i++) {
		int16_t error = out->topics[i].error_code;

		if (str_eq_c(out->topics[i].name, "x/y") ||
		    str_eq_c(out->topics[i].name, "a_b"))
			ck_assert_int_eq(error, K_INVALID_TOPIC_EXCEPTION);
		else
			ck_assert_int_eq(error, K_NONE);
		a += str_eq_c(out->topics[i].name, "a");
	}
	ck_assert_int_eq(out->topics_n, 4);
	ck_assert_int_eq(a, 1);
	ck_assert_uint_eq(map_count(&c.nodes[0].cluster->topics), 2);
	council_fini(&c);
}

TEST(a_missing_topic_that_could_not_be_made_in_time_is_told_so)
{
	asked a = { .name = STR("a") };
	struct metadata_request in;
	struct council_call *call;
	const metadata *out;

	begin(3, NULL);
	c.stalled = true;
	wire_preset(&metadata_request_type, &in);
	in.topics_n = 1;
	in.topics = &a;
	call = council_send(&c, 1, METADATA, 9, &in);
	out = answer_after_5_s(call);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert_int_eq(out->topics[0].error_code, K_REQUEST_TIMED_OUT);
	ck_assert(str_eq_c(out->topics[0].name, "a"));
	c.stalled = false;
	council_fini(&c);
}

TEST(no_topics_are_none_and_all_topics_are_all)
{
	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "b", 1), K_NONE);
	ck_assert_int_eq(look(0, NULL, 0, true)->topics_n, 2);
	for (int16_t v = 1; v <= 13; v++) {
		ck_assert_int_eq(look(v, NULL, 0, true)->topics_n, 0);
		ck_assert_int_eq(look(v, NULL, -1, true)->topics_n, 2);
	}
	council_fini(&c);
}

TEST(a_topic_is_found_by_its_id_and_only_since_version_12)
{
	asked v = { .name = STR_NULL };
	const metadata *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	v.topic_id = cluster_topic(c.nodes[0].cluster, STR("a"))->id;
	out = look(12, &v, 1, false);
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
	ck_assert(str_eq_c(out->topics[0].name, "a"));
	ck_assert(uuid_eq(out->topics[0].topic_id, v.topic_id));
	for (int16_t i = 10; i <= 11; i++) {
		out = look(i, &v, 1, true);
		ck_assert_int_eq(out->topics[0].error_code, K_INVALID_REQUEST);
		ck_assert_int_eq(out->topics[0].partitions_n, 0);
	}
	v.topic_id = (struct uuid){ { 0 } };
	ck_assert_int_eq(look(12, &v, 1, true)->topics[0].error_code,
			 K_INVALID_REQUEST);
	v.name = STR("");
	ck_assert_int_eq(look(12, &v, 1, true)->topics[0].error_code,
			 K_INVALID_TOPIC_EXCEPTION);
	council_fini(&c);
}

TEST(what_may_be_done_is_told_from_version_8_on_request)
{
	asked a = { .name = STR("a") };
	struct metadata_request in;
	const metadata *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	wire_preset(&metadata_request_type, &in);
	in.topics_n = 1;
	in.topics = &a;
	out = council_ask(&c, 1, METADATA, 8, &in);
	ck_assert_int_eq(out->cluster_authorized_operations, INT32_MIN);
	ck_assert_int_eq(out->topics[0].topic_authorized_operations,
			 INT32_MIN);
	in.include_cluster_authorized_operations = true;
	in.include_topic_authorized_operations = true;
	out = council_ask(&c, 1, METADATA, 8, &in);
	ck_assert_int_eq(out->cluster_authorized_operations, 0x1fa0);
	ck_assert_int_eq(out->topics[0].topic_authorized_operations, 0xdf8);
	council_fini(&c);
}

TEST(a_controller_is_a_broker_that_lives)
{
	begin(3, NULL);
	ck_assert_int_eq(look(1, NULL, 0, true)->controller_id, 1);
	council_lead(&c, 3);
	council_pass(&c, 100);
	ck_assert_int_eq(look(1, NULL, 0, true)->controller_id, 3);
	council_lead(&c, -1); /* it lives all the same */
	ck_assert_int_eq(look(1, NULL, 0, true)->controller_id, 3);
	council_stop(&c, 3, false);
	council_lead(&c, 1);
	council_pass(&c, 1000);
	ck_assert_int_eq(look(1, NULL, 0, true)->controller_id, 1);
	council_fini(&c);
}
