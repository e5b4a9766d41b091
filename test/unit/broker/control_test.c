/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that only the quorum leader can serve: KIP-4, 590, 497, 966. */
#include "council.h"

static struct council c;

static void begin(int n)
{
	council_init(&c, n, NULL);
	council_begin(&c);
}

TEST(who_was_answered_through_a_node_sees_the_outcome_there)
{
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, "t");
	struct council_call *call;

	begin(3);
	node_of(&c, 3)->behind = true;
	call = council_send(&c, 3, 19, 7, &in);
	council_pass(&c, 100);
	ck_assert_ptr_nonnull(council_partition(&c, 1, "t", 0));
	ck_assert(!call->done);
	node_of(&c, 3)->behind = false;
	council_pass(&c, 10);
	ck_assert(call->done);
	ck_assert_ptr_nonnull(cluster_topic(node_of(&c, 3)->threads[1]->cluster,
					    STR("t")));
	ck_assert_int_eq(council_create(&c, 2, "t", 1),
			 K_TOPIC_ALREADY_EXISTS);
	council_fini(&c);
}

static struct council_call *send_create(const char *name, int32_t timeout_ms,
					bool validate_only)
{
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, name);

	in.timeout_ms = timeout_ms;
	in.validate_only = validate_only;
	return council_send(&c, 2, 19, 7, &in);
}

static int16_t error_of(const struct council_call *call)
{
	const struct create_topics_response *out = call->out;

	ck_assert(call->done);
	return out->topics[0].error_code;
}

TEST(without_a_majority_an_admin_request_times_out)
{
	struct council_call *call;

	begin(3);
	c.stalled = true;
	call = send_create("t", 500, false);
	council_pass(&c, 400);
	ck_assert(!call->done);
	council_pass(&c, 300);
	ck_assert_int_eq(error_of(call), K_REQUEST_TIMED_OUT);
	c.stalled = false;
	council_lead(&c, -1);
	call = send_create("u", 500, false);
	council_pass(&c, 600);
	ck_assert_int_eq(error_of(call), K_REQUEST_TIMED_OUT);
	council_fini(&c);
}

TEST(an_election_that_times_out_says_so_of_each_partition)
{
	static const int32_t partitions[] = { 0, 3 };
	struct elect_leaders_request_topic t = { STR("t"), 2,
						 (int32_t *)partitions };
	struct elect_leaders_request in;
	const struct elect_leaders_response *out;
	struct council_call *call;

	begin(3);
	c.stalled = true;
	wire_preset(&elect_leaders_request_type, &in);
	in.timeout_ms = 500;
	in.topic_partitions_n = 1;
	in.topic_partitions = &t;
	call = council_send(&c, 2, 43, 0, &in);
	council_pass(&c, 700);
	ck_assert(call->done);
	out = call->out; /* version 0 has nothing but this */
	ck_assert_int_eq(out->replica_election_results_n, 1);
	ck_assert_int_eq(out->replica_election_results->partition_result_n, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(out->replica_election_results
					 ->partition_result[i].error_code,
				 K_REQUEST_TIMED_OUT);
	c.stalled = false;
	council_fini(&c);
}

TEST(a_request_waits_for_the_next_leader)
{
	struct council_call *call;

	begin(3);
	council_lead(&c, -1);
	call = send_create("t", 5000, false);
	council_pass(&c, 300);
	ck_assert(!call->done);
	council_lead(&c, 3);
	council_pass(&c, 50);
	ck_assert_int_eq(error_of(call), K_NONE);
	council_fini(&c);
}

TEST(validate_only_creates_nothing)
{
	struct council_call *call;
	int before;

	begin(3);
	before = c.log_n;
	call = send_create("t", 5000, true);
	council_pass(&c, 50);
	ck_assert_int_eq(error_of(call), K_NONE);
	ck_assert_int_eq(c.log_n, before);
	council_fini(&c);
}

/* ---- settings ------------------------------------------------------------ */

static int16_t alter(int32_t node, int8_t type, const char *name,
		     const char *key, const char *value)
{
	struct incremental_alter_configs_request_config k = {
		str_of(key), 0, str_of(value) };
	struct incremental_alter_configs_request_resource r = {
		type, str_of(name), 1, &k };
	struct incremental_alter_configs_request in = { 1, &r, false };
	const struct incremental_alter_configs_response *out;

	out = council_ask(&c, node, 44, 1, &in);
	return out->responses[0].error_code;
}

/* Found by fuzzing: five bytes that name it again cost tens of KiB. */
TEST(a_resource_that_is_named_twice_is_described_once)
{
	struct describe_configs_request_resource v[3] = {
		{ 2, STR("t"), -1, NULL },
		{ 4, STR("1"), -1, NULL },
		{ 2, STR("t"), -1, NULL },
	};
	struct describe_configs_request in = { 3, v, true, true };
	const struct describe_configs_response *out;

	begin(1);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	out = council_ask(&c, 1, 32, 4, &in);
	ck_assert_int_eq(out->results_n, 2);
	ck_assert_int_eq(out->results[0].resource_type, 2);
	ck_assert_int_eq(out->results[1].resource_type, 4);
	council_fini(&c);
}

TEST(settings_are_altered_anywhere_and_seen_everywhere)
{
	struct describe_configs_request_resource r = { 2, STR("t"), -1, NULL };
	struct describe_configs_request in = { 1, &r, true, true };
	const struct describe_configs_response *out;
	bool found = false;

	begin(3);
	ck_assert_int_eq(council_create(&c, 2, "t", 1), K_NONE);
	ck_assert_int_eq(alter(2, 2, "t", "retention.ms", "77"), K_NONE);
	ck_assert_int_eq(alter(2, 2, "t", "retention.ms", "x"),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(2, 2, "t", "retention.mss", "7"),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(2, 2, "u", "retention.ms", "7"),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(alter(2, 4, "1", "node.id", "7"), K_INVALID_REQUEST);
	ck_assert_int_eq(alter(2, 4, "", "log.retention.ms", "8"), K_NONE);
	out = council_ask(&c, 3, 32, 4, &in);
	for (int32_t i = 0; i < out->results[0].configs_n; i++) {
		const struct describe_configs_response_config *k =
			&out->results[0].configs[i];

		if (!str_eq_c(k->name, "retention.ms"))
			continue;
		found = true;
		ck_assert(str_eq_c(k->value, "77"));
		ck_assert_int_eq(k->config_source, SOURCE_TOPIC);
		ck_assert_int_eq(k->synonyms_n, 3);
		ck_assert(str_eq_c(k->synonyms[1].value, "8"));
		ck_assert_int_gt(k->documentation.n, 0);
	}
	ck_assert(found);
	council_fini(&c);
}

/* ---- descriptions -------------------------------------------------------- */

TEST(partitions_are_described_page_by_page)
{
	struct describe_topic_partitions_request_cursor at = { STR("a"), 3 };
	struct describe_topic_partitions_request in;
	const struct describe_topic_partitions_response *out;

	begin(3);
	ck_assert_int_eq(council_create(&c, 1, "b", 2), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "a", 5), K_NONE);
	wire_preset(&describe_topic_partitions_request_type, &in);
	in.response_partition_limit = 3;
	out = council_ask(&c, 2, 75, 0, &in);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert_int_eq(out->topics[0].partitions_n, 3);
	ck_assert_ptr_nonnull(out->next_cursor);
	ck_assert_int_eq(out->next_cursor->partition_index, 3);
	in.cursor = &at;
	out = council_ask(&c, 2, 75, 0, &in);
	ck_assert_int_eq(out->topics_n, 2);
	ck_assert_int_eq(out->topics[0].partitions_n, 2);
	ck_assert_int_eq(out->topics[1].partitions_n, 1);
	ck_assert_int_eq(out->next_cursor->partition_index, 1);
	council_fini(&c);
}

TEST(the_quorum_is_described_by_its_leader)
{
	struct describe_quorum_request_partition p = { 0 };
	struct describe_quorum_request_topic t = { STR("__cluster_metadata"), 1,
						   &p };
	struct describe_quorum_request in = { 1, &t };
	const struct describe_quorum_response *out;

	begin(4);
	out = council_ask(&c, 2, 55, 2, &in);
	ck_assert_int_eq(out->topics[0].partitions[0].leader_id, 1);
	ck_assert_int_eq(out->topics[0].partitions[0].current_voters_n, 3);
	ck_assert_int_eq(out->topics[0].partitions[0].observers_n, 1);
	ck_assert_int_eq(out->nodes_n, 4);
	council_fini(&c);
}

/* ---- in-sync replicas ---------------------------------------------------- */

TEST(replicas_come_back_into_the_isr_of_idle_partitions)
{
	begin(3);
	ck_assert_int_eq(council_create(&c, 1, "t", 6), K_NONE);
	council_stop(&c, 2, false);
	council_pass(&c, 300);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(council_partition(&c, 1, "t", i)->isr.n, 2);
	c.asked[56] = 0;
	council_start(&c, 2);
	council_pass(&c, 2000);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(council_partition(&c, 1, "t", i)->isr.n, 3);
	ck_assert_int_le(c.asked[56], 6); /* gathered, not one by one */
	council_fini(&c);
}
