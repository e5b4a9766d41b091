/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeTopicPartitions (KIP-966) and ElectLeaders (KIP-183, 460). */
#include "council.h"

enum { CREATE = 19, ELECT = 43, PARTITIONS = 75 };
enum { PREFERRED, UNCLEAN };

typedef struct describe_topic_partitions_response page;
typedef struct describe_topic_partitions_response_topic described;

static struct council c;

static void begin(int n)
{
	council_init(&c, n, NULL);
	council_begin(&c);
}

/* One partition there. */
static void place(const char *name, int32_t first, int32_t second)
{
	int32_t nodes[2] = { first, second };
	struct create_topics_request_assignment at = { 0, 2, nodes };
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, name);
	const struct create_topics_response *out;

	t.assignments_n = 1;
	t.assignments = &at;
	out = council_ask(&c, 1, CREATE, 7, &in);
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
}

/* ---- DescribeTopicPartitions --------------------------------------------- */

static const page *read_page(const char *const *names, int32_t limit,
			     const char *topic, int32_t partition)
{
	struct describe_topic_partitions_request_cursor at = {
		str_of(topic), partition };
	struct describe_topic_partitions_request_topic t[8];
	struct describe_topic_partitions_request in;

	wire_preset(&describe_topic_partitions_request_type, &in);
	for (; names && names[in.topics_n]; in.topics_n++)
		t[in.topics_n].name = str_of(names[in.topics_n]);
	in.topics = t;
	in.response_partition_limit = limit;
	in.cursor = topic ? &at : NULL;
	return council_ask(&c, 2, PARTITIONS, 0, &in);
}

/* "a 0 1, b:3 > b 2": topics (with errors), their partitions, the cursor. */
static const char *told(const page *p)
{
	const char *text = "";

	for (int32_t i = 0; i < p->topics_n; i++) {
		const described *t = &p->topics[i];

		text = arena_printf(&c.arena, "%s%s%.*s", text, i ? ", " : "",
				    STR_ARG(t->name));
		if (t->error_code)
			text = arena_printf(&c.arena, "%s:%d", text,
					    t->error_code);
		for (int32_t k = 0; k < t->partitions_n; k++)
			text = arena_printf(&c.arena, "%s %d", text,
					    t->partitions[k].partition_index);
	}
	if (!p->next_cursor)
		return text;
	return arena_printf(&c.arena, "%s > %.*s %d", text,
			    STR_ARG(p->next_cursor->topic_name),
			    p->next_cursor->partition_index);
}

static void make_abc(void)
{
	begin(2);
	ck_assert_int_eq(council_create(&c, 1, "b", 3), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "c", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "a", 2), K_NONE);
}

TEST(all_topics_are_described_in_the_order_of_their_names)
{
	make_abc();
	ck_assert_str_eq(told(read_page(NULL, 2000, NULL, 0)),
			 "a 0 1, b 0 1 2, c 0");
	ck_assert_str_eq(told(read_page(NULL, 5, NULL, 0)),
			 "a 0 1, b 0 1 2 > c 0");
	ck_assert_str_eq(told(read_page(NULL, 3, NULL, 0)), "a 0 1, b 0 > b 1");
	ck_assert_str_eq(told(read_page(NULL, 0, NULL, 0)), "a 0 > a 1");
	ck_assert_str_eq(told(read_page(NULL, -5, NULL, 0)), "a 0 > a 1");
	council_fini(&c);
}

TEST(a_page_begins_at_the_cursor)
{
	make_abc();
	ck_assert_str_eq(told(read_page(NULL, 2, "b", 1)), "b 1 2 > c 0");
	ck_assert_str_eq(told(read_page(NULL, 2, "c", 0)), "c 0");
	ck_assert_str_eq(told(read_page(NULL, 9, "c", 5)), "c");
	ck_assert_str_eq(told(read_page(NULL, 9, "d", 0)), "");
	/* the topic of the cursor is gone */
	ck_assert_str_eq(told(read_page(NULL, 9, "aa", 4)), "b 0 1 2, c 0");
	council_fini(&c);
}

TEST(topics_that_are_named_are_described_each_once)
{
	const char *const names[] = { "c", "no", "a", "c", "a/b", NULL };

	make_abc();
	ck_assert_str_eq(told(read_page(names, 9, NULL, 0)),
			 "a 0 1, a/b:17, c 0, no:3");
	ck_assert_str_eq(told(read_page(names, 2, NULL, 0)), "a 0 1 > a/b 0");
	ck_assert_str_eq(told(read_page(names, 9, "c", 0)), "c 0, no:3");
	council_fini(&c);
}

TEST(a_cursor_that_points_nowhere_is_refused)
{
	const char *const names[] = { "c", "a", NULL };

	make_abc();
	ck_assert_str_eq(told(read_page(names, 9, "a", -1)), "c:42, a:42");
	council_fini(&c);
}

TEST(a_partition_is_described_with_those_who_may_lead_it)
{
	const struct describe_topic_partitions_response_partition *p;
	const page *out;

	begin(3);
	place("t", 3, 2);
	out = read_page(NULL, 9, NULL, 0);
	ck_assert(uuid_eq(out->topics[0].topic_id,
			  cluster_topic(c.nodes[0].cluster, STR("t"))->id));
	ck_assert(!out->topics[0].is_internal);
	ck_assert_int_eq(out->topics[0].topic_authorized_operations, 0xdf8);
	p = &out->topics[0].partitions[0];
	ck_assert_int_eq(p->error_code, K_NONE);
	ck_assert_int_eq(p->leader_id, 3);
	ck_assert_int_eq(p->leader_epoch, 0);
	ck_assert_int_eq(p->replica_nodes_n, 2);
	ck_assert_int_eq(p->replica_nodes[0], 3);
	ck_assert_int_eq(p->isr_nodes_n, 2);
	ck_assert_int_eq(p->offline_replicas_n, 0);
	council_stop(&c, 3, false);
	council_pass(&c, 1000);
	p = read_page(NULL, 9, NULL, 0)->topics[0].partitions;
	ck_assert_int_eq(p->leader_id, 2);
	ck_assert_int_eq(p->leader_epoch, 1);
	ck_assert_int_eq(p->isr_nodes_n, 1);
	ck_assert_int_eq(p->isr_nodes[0], 2);
	ck_assert_int_eq(p->offline_replicas_n, 1);
	ck_assert_int_eq(p->offline_replicas[0], 3);
	council_fini(&c);
}

TEST(a_partition_without_a_leader_says_who_led_it_last)
{
	const struct describe_topic_partitions_response_partition *p;

	begin(3);
	place("t", 3, 1);
	council_stop(&c, 1, false);
	council_lead(&c, 2);
	council_pass(&c, 1000);
	council_stop(&c, 3, false);
	council_pass(&c, 1000);
	p = read_page(NULL, 9, NULL, 0)->topics[0].partitions;
	ck_assert_int_eq(p->error_code, K_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(p->leader_id, -1);
	ck_assert_int_eq(p->offline_replicas_n, 2);
	ck_assert_int_eq(p->eligible_leader_replicas_n, 1);
	ck_assert_int_eq(p->eligible_leader_replicas[0], 3);
	ck_assert_int_eq(p->last_known_elr_n, 1);
	ck_assert_int_eq(p->last_known_elr[0], 3);
	council_fini(&c);
}

/* ---- ElectLeaders -------------------------------------------------------- */

typedef struct elect_leaders_response elected;

static const elected *elect(int16_t version, int8_t how, const char *topic,
			    int32_t partition)
{
	struct elect_leaders_request_topic t = { str_of(topic), 1,
						 &partition };
	struct elect_leaders_request in = { how, topic ? 1 : -1, &t, 5000 };

	return council_ask(&c, 2, ELECT, version, &in);
}

static int16_t elect_one(int8_t how, const char *topic, int32_t partition)
{
	const elected *out = elect(2, how, topic, partition);
	const struct elect_leaders_response_partition *p;

	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->replica_election_results_n, 1);
	ck_assert(str_eq_c(out->replica_election_results[0].topic, topic));
	ck_assert_int_eq(out->replica_election_results[0].partition_result_n,
			 1);
	p = out->replica_election_results[0].partition_result;
	ck_assert_int_eq(p->partition_id, partition);
	ck_assert_int_eq(p->error_code != 0, p->error_message.n > 0);
	return p->error_code;
}

static int32_t leader(const char *topic)
{
	return council_partition(&c, 1, topic, 0)->leader;
}

/* 3 led t and has come back. */
static void lead_elsewhere(void)
{
	begin(3);
	place("t", 3, 2);
	place("u", 1, 2);
	council_stop(&c, 3, false);
	council_pass(&c, 300);
	council_start(&c, 3);
	council_pass(&c, 2000);
	ck_assert_int_eq(leader("t"), 2);
	ck_assert_int_eq(council_partition(&c, 1, "t", 0)->isr.n, 2);
}

TEST(the_preferred_leader_is_elected)
{
	lead_elsewhere();
	ck_assert_int_eq(elect_one(PREFERRED, "t", 0), K_NONE);
	ck_assert_int_eq(leader("t"), 3);
	ck_assert_int_eq(elect_one(PREFERRED, "t", 0), K_ELECTION_NOT_NEEDED);
	ck_assert_int_eq(elect_one(PREFERRED, "t", 1),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(elect_one(PREFERRED, "t", -1),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(elect_one(PREFERRED, "no", 0),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	council_stop(&c, 3, false);
	council_pass(&c, 300);
	ck_assert_int_eq(elect_one(PREFERRED, "t", 0),
			 K_PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(leader("t"), 2);
	council_fini(&c);
}

TEST_TIMES(of_all_partitions_those_are_told_that_needed_an_election, 3)
{
	const elected *out;

	lead_elsewhere();
	out = elect((int16_t)_i, PREFERRED, NULL, 0);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->replica_election_results_n, 1);
	ck_assert(str_eq_c(out->replica_election_results[0].topic, "t"));
	ck_assert_int_eq(out->replica_election_results[0].partition_result_n,
			 1);
	ck_assert_int_eq(out->replica_election_results[0]
				 .partition_result[0].error_code, K_NONE);
	ck_assert_int_eq(leader("t"), 3);
	ck_assert_int_eq(elect((int16_t)_i, PREFERRED, NULL, 0)
				 ->replica_election_results_n, 0);
	council_fini(&c);
}

TEST(an_unclean_election_takes_whom_it_can_get)
{
	begin(4);
	place("t", 3, 4);
	ck_assert_int_eq(elect_one(UNCLEAN, "t", 0), K_ELECTION_NOT_NEEDED);
	council_stop(&c, 4, false);
	council_pass(&c, 300);
	council_stop(&c, 3, false);
	council_pass(&c, 1000);
	ck_assert_int_eq(leader("t"), -1);
	ck_assert_int_eq(elect_one(PREFERRED, "t", 0),
			 K_PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(elect_one(UNCLEAN, "t", 0),
			 K_ELIGIBLE_LEADERS_NOT_AVAILABLE);
	council_start(&c, 4);
	council_pass(&c, 1000);
	ck_assert_int_eq(leader("t"), -1); /* it lacks what 3 alone took */
	ck_assert_int_eq(elect_one(UNCLEAN, "t", 0), K_NONE);
	ck_assert_int_eq(leader("t"), 4);
	council_fini(&c);
}

TEST(elections_are_of_two_kinds)
{
	const elected *out;

	begin(2);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	out = elect(1, 2, "t", 0);
	ck_assert_int_eq(out->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(leader("t") > 0, 1);
	council_fini(&c);
}

TEST(a_member_is_made_to_lead_the_quorum)
{
	begin(3);
	c.transfer = 0;
	ck_assert_int_eq(elect_one(PREFERRED, "__cluster_metadata", 3),
			 K_NONE);
	ck_assert_int_eq(c.transfer_to, 3);
	c.transfer = -ENOENT;
	ck_assert_int_eq(elect_one(PREFERRED, "__cluster_metadata", 9),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	c.transfer = -EAGAIN;
	ck_assert_int_eq(elect_one(PREFERRED, "__cluster_metadata", 2),
			 K_PREFERRED_LEADER_NOT_AVAILABLE);
	c.transfer_to = 0;
	ck_assert_int_eq(elect_one(PREFERRED, "__cluster_metadata", 1),
			 K_ELECTION_NOT_NEEDED);
	ck_assert_int_eq(c.transfer_to, 0);
	council_fini(&c);
}
