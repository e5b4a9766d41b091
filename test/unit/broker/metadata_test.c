/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata: brokers, topics, leaders, and what is said when one is missing. */
#include "rig.h"

static struct rig r;

static struct metadata_response *ask(int16_t version, const char *topic)
{
	struct metadata_request_topic t = { .name = str_of(topic) };
	struct metadata_request in;

	wire_preset(&metadata_request_type, &in);
	in.topics = &t;
	in.topics_n = topic ? 1 : -1;
	if (version == 0 && !topic)
		in.topics_n = 0; /* all, then */
	return rig_ask(&r, 1, 3, version, &in);
}

TEST(metadata_tells_who_is_there_and_who_leads)
{
	const struct topic *t;
	struct metadata_response *out;

	rig_init(&r, 3, 1, NULL);
	t = rig_topic(&r, "t", "2,3|3,1", NULL);
	out = ask(12, "t");
	ck_assert_int_eq(out->brokers_n, 3);
	ck_assert_int_eq(out->brokers[1].node_id, 2);
	ck_assert_int_eq(out->brokers[1].port, 9092);
	ck_assert(str_eq_c(out->brokers[1].host, "host"));
	ck_assert(str_eq_c(out->brokers[1].rack, "b"));
	ck_assert_int_eq(out->controller_id, 1);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert(uuid_eq(out->topics[0].topic_id, t->id));
	ck_assert_int_eq(out->topics[0].partitions_n, 2);
	ck_assert_int_eq(out->topics[0].partitions[0].leader_id, 2);
	ck_assert_int_eq(out->topics[0].partitions[1].leader_id, 3);
	ck_assert_int_eq(out->topics[0].partitions[1].isr_nodes_n, 2);
	rig_fini(&r);
}

TEST(all_topics_are_null_and_before_version_1_empty)
{
	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	rig_topic(&r, "u", "1", NULL);
	ck_assert_int_eq(ask(0, NULL)->topics_n, 2);
	ck_assert_int_eq(ask(1, NULL)->topics_n, 2);
	ck_assert_int_eq(ask(13, NULL)->topics_n, 2);
	rig_fini(&r);
}

TEST(a_dead_broker_is_not_listed_and_leads_nothing)
{
	struct metadata_response *out;

	rig_init(&r, 2, 1, NULL);
	rig_topic(&r, "t", "2", NULL);
	rig_fence(&r, 2, true);
	rig_settle(&r);
	out = ask(9, "t");
	ck_assert_int_eq(out->brokers_n, 1);
	ck_assert_int_eq(out->topics[0].error_code, 0);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(out->topics[0].partitions[0].leader_id, -1);
	ck_assert_int_eq(out->topics[0].partitions[0].offline_replicas_n, 1);
	rig_fini(&r);
}

TEST(what_is_not_there_is_said_in_the_way_it_was_asked_for)
{
	struct metadata_request_topic t = { .topic_id = { { 5 } },
					    .name = STR_NULL };
	struct metadata_request in;
	struct metadata_response *out;

	rig_init(&r, 1, 1, "auto.create.topics.enable=false");
	ck_assert_int_eq(ask(9, "no")->topics[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(ask(9, "a/b")->topics[0].error_code,
			 K_INVALID_TOPIC_EXCEPTION);
	wire_preset(&metadata_request_type, &in);
	in.topics = &t;
	in.topics_n = 1;
	out = rig_ask(&r, 1, 3, 12, &in); /* KIP-516 */
	ck_assert_int_eq(out->topics[0].error_code, K_UNKNOWN_TOPIC_ID);
	ck_assert_int_eq(out->topics[0].name.n, -1);
	rig_fini(&r);
}

/* Found by fuzzing: bytes that name a topic again cost all its partitions. */
TEST(a_topic_that_is_named_twice_is_listed_once)
{
	struct metadata_request_topic t[3] = { { .name = STR("t") },
					       { .name = STR("t") },
					       { .name = STR_NULL } };
	struct metadata_request in;
	struct metadata_response *out;

	rig_init(&r, 1, 1, NULL);
	t[2].topic_id = rig_topic(&r, "t", "1|1", NULL)->id;
	wire_preset(&metadata_request_type, &in);
	in.topics = t;
	in.topics_n = 3;
	out = rig_ask(&r, 1, 3, 12, &in);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert_int_eq(out->topics[0].partitions_n, 2);
	rig_fini(&r);
}

TEST(before_it_is_ready_a_broker_says_nothing)
{
	struct metadata_request in;
	struct rig_call *c;

	rig_init(&r, 1, 1, NULL);
	rig_lease(&r, 1, 0);
	wire_preset(&metadata_request_type, &in);
	c = rig_send(&r, 1, 1, 3, 9, &in);
	ck_assert(c->done && c->closed && c->silent);
	rig_fini(&r);
}
