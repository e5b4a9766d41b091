/* SPDX-License-Identifier: Apache-2.0 */
/* Topics made and deleted: the errors are those of Kafka 4.2. */
#include "stage.h"

TEST(names_that_are_refused)
{
	struct stage s = stage_of("brokers 1\n");
	char longest[251];
	const char *why;

	memset(longest, 'x', 250);
	longest[250] = '\0';
	ck_assert_int_eq(stage_create(&s, "", 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, ".", 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, "..", 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, "../etc", 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, "a b", 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, longest, 1, 1, NULL),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(stage_create(&s, longest + 1, 1, 1, NULL), K_NONE);
	ck_assert_int_eq(stage_create(&s, "a.b_c-D9", 1, 1, NULL), K_NONE);
	ck_assert_int_eq(stage_create(&s, "a.b_c-D9", 1, 1, &why),
			 K_TOPIC_ALREADY_EXISTS);
	ck_assert_str_eq(why, "Topic 'a.b_c-D9' already exists.");
	ck_assert_int_eq(stage_create(&s, "a_b.c-D9", 1, 1, &why),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_str_eq(why, "Topic 'a_b.c-D9' collides with existing topic: "
			      "a.b_c-D9");
	stage_fini(&s);
}

TEST(counts_that_are_refused)
{
	struct stage s = stage_of("brokers 1 2 3f\n");
	const char *why;

	ck_assert_int_eq(stage_create(&s, "t", 0, 1, NULL),
			 K_INVALID_PARTITIONS);
	ck_assert_int_eq(stage_create(&s, "t", -2, 1, NULL),
			 K_INVALID_PARTITIONS);
	ck_assert_int_eq(stage_create(&s, "t", 1, 0, NULL),
			 K_INVALID_REPLICATION_FACTOR);
	ck_assert_int_eq(stage_create(&s, "t", 1, -2, NULL),
			 K_INVALID_REPLICATION_FACTOR);
	ck_assert_int_eq(stage_create(&s, "t", 1, 4, &why),
			 K_INVALID_REPLICATION_FACTOR);
	ck_assert_str_eq(why, "Unable to replicate the partition 4 time(s): "
			 "The target replication factor of 4 cannot be reached "
			 "because only 3 broker(s) are registered.");
	ck_assert_int_eq(stage_create(&s, "t", 10001, 1, NULL),
			 K_POLICY_VIOLATION);
	ck_assert_int_eq(stage_create(&s, "t", INT32_MAX, 1, NULL),
			 K_POLICY_VIOLATION);
	ck_assert_int_eq(s.c->partitions_n, 0);
	ck_assert_int_eq(stage_create(&s, "t", -1, -1, NULL), K_NONE);
	ck_assert_int_eq(cluster_topic(s.c, STR("t"))->partitions_n, 1);
	ck_assert_int_eq(cluster_partition(s.c, STR("t"), 0)->replicas.n, 3);
	stage_fence(&s, 1);
	stage_fence(&s, 2);
	ck_assert_int_eq(stage_create(&s, "u", 1, 1, NULL),
			 K_INVALID_REPLICATION_FACTOR);
	stage_fini(&s);
}

/* ---- assignments by hand ------------------------------------------------- */

static int16_t assign(struct stage *s, int32_t first, const char *a,
		      int32_t second, const char *b)
{
	int32_t va[16], vb[16];
	struct create_topics_command_assignment parts[2] = {
		{ first, ids_parse(a, va), va },
		{ second, b ? ids_parse(b, vb) : 0, vb },
	};
	struct create_topics_command_topic t;
	struct create_topics_command m;
	const struct create_topics_response *answer;

	wire_preset(&create_topics_command_type, &m);
	wire_preset(&create_topics_command_topic_type, &t);
	t.name = STR("t");
	t.assignments_n = b ? 2 : 1;
	t.assignments = parts;
	m.topics_n = 1;
	m.topics = &t;
	stage_apply(s, &create_topics_command_type, &m);
	answer = s->fx.result;
	return answer->topics[0].error_code;
}

TEST(assignments_that_are_refused)
{
	struct stage s = stage_of("brokers 1 2 3f\n");
	int16_t refused = K_INVALID_REPLICA_ASSIGNMENT;

	ck_assert_int_eq(assign(&s, 0, "1,2", 0, "2,1"), refused);
	ck_assert_int_eq(assign(&s, 0, "1,2", 2, "2,1"), refused);
	ck_assert_int_eq(assign(&s, -1, "1,2", 1, "2,1"), refused);
	ck_assert_int_eq(assign(&s, 0, "1,1", 1, "2,1"), refused);
	ck_assert_int_eq(assign(&s, 0, "1,2", 1, "1"), refused);
	ck_assert_int_eq(assign(&s, 0, "1,9", 1, "1,2"), refused);
	ck_assert_int_eq(assign(&s, 0, "-", 1, "-"), refused);
	ck_assert_int_eq(assign(&s, 0, "3", 1, "1"), refused);
	ck_assert_int_eq(assign(&s, 1, "3,2", 0, "2,1"), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=0 version=0 replicas=2,1 isr=2,1 elr=- last=-\n"
		"1 leader=2 epoch=0 version=0 replicas=3,2 isr=2 elr=- last=-\n");
	stage_fini(&s);
}

/* ---- deleting ------------------------------------------------------------ */

static int16_t delete(struct stage *s, const char *name, struct uuid id)
{
	struct delete_topics_command_topic t = { str_of(name), id };
	struct delete_topics_command m = { 1, &t };
	const struct delete_topics_response *answer;

	stage_apply(s, &delete_topics_command_type, &m);
	answer = s->fx.result;
	return answer->responses[0].error_code;
}

TEST(a_topic_is_deleted_by_name_or_by_id)
{
	struct stage s = stage_of("brokers 1\n");
	struct uuid none = { { 0 } }, id, again;

	ck_assert_int_eq(delete(&s, "t", none), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(delete(&s, NULL, none), K_UNKNOWN_TOPIC_ID);
	ck_assert_int_eq(stage_create(&s, "t.x", 3, 1, NULL), K_NONE);
	id = cluster_topic(s.c, STR("t.x"))->id;
	ck_assert_int_eq(delete(&s, "t.x", none), K_NONE);
	ck_assert_str_eq(stage_changes(&s), "deleted t.x");
	ck_assert_int_eq(s.c->partitions_n, 0);
	ck_assert_int_eq(stage_create(&s, "t_x", 3, 1, NULL), K_NONE);
	again = cluster_topic(s.c, STR("t_x"))->id;
	ck_assert(!uuid_eq(id, again));
	ck_assert_int_eq(delete(&s, NULL, again), K_NONE);
	ck_assert_ptr_null(cluster_topic_by_id(s.c, again));
	ck_assert_ptr_null(cluster_topic(s.c, STR("t_x")));
	stage_fini(&s);
}

/* ---- more partitions ----------------------------------------------------- */

static int16_t grow(struct stage *s, const char *name, int32_t count,
		    const char *assignment, const char **why)
{
	int32_t v[16];
	struct create_partitions_command_assignment a = { 0, v };
	struct create_partitions_command_topic t = {
		.name = str_of(name), .count = count, .assignments_n = -1,
	};
	struct create_partitions_command m;
	const struct create_partitions_response *answer;

	wire_preset(&create_partitions_command_type, &m);
	m.topics_n = 1;
	m.topics = &t;
	if (assignment) {
		a.brokers_n = ids_parse(assignment, v);
		t.assignments_n = 1;
		t.assignments = &a;
	}
	stage_apply(s, &create_partitions_command_type, &m);
	answer = s->fx.result;
	*why = str_c(&s->arena, answer->results[0].error_message);
	return answer->results[0].error_code;
}

TEST(partitions_are_only_ever_added)
{
	struct stage s = stage_of("brokers 1 2\ntopic t\n"
		"0 leader=2 epoch=5 version=6 replicas=1,2 isr=2 elr=- last=-\n"
		"1 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-\n");
	const char *why;

	ck_assert_int_eq(grow(&s, "u", 3, NULL, &why),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(grow(&s, "t", 2, NULL, &why), K_INVALID_PARTITIONS);
	ck_assert_str_eq(why, "Topic already has 2 partition(s).");
	ck_assert_int_eq(grow(&s, "t", 1, NULL, &why), K_INVALID_PARTITIONS);
	ck_assert_str_eq(why, "The topic t currently has 2 partition(s); 1 "
			      "would not be an increase.");
	ck_assert_int_eq(grow(&s, "t", 4, "1,2", &why),
			 K_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(grow(&s, "t", 3, "1", &why),
			 K_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(grow(&s, "t", INT32_MAX, NULL, &why),
			 K_POLICY_VIOLATION);
	ck_assert_int_eq(grow(&s, "t", 3, "2,1", &why), K_NONE);
	ck_assert_str_eq(stage_changes(&s), "t/2");
	/* broker 1 leads two of three by preference: 2 gets the next */
	ck_assert_int_eq(grow(&s, "t", 4, NULL, &why), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=5 version=6 replicas=1,2 isr=2 elr=- last=-\n"
		"1 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-\n"
		"2 leader=2 epoch=0 version=0 replicas=2,1 isr=2,1 elr=- last=-\n"
		"3 leader=2 epoch=0 version=0 replicas=2,1 isr=2,1 elr=- last=-\n");
	stage_fini(&s);
}

/* ---- asking without doing ------------------------------------------------ */

TEST(a_preview_answers_and_changes_nothing)
{
	struct stage s = stage_of("brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-\n");
	struct create_topics_command_topic t[2];
	struct create_topics_command m;
	const struct create_topics_response *answer;
	uint64_t before = cluster_hash(s.c);

	wire_preset(&create_topics_command_type, &m);
	wire_preset(&create_topics_command_topic_type, &t[0]);
	t[0].name = STR("t");
	t[1] = t[0];
	t[1].name = STR("u");
	t[1].num_partitions = 7;
	m.topics_n = 2;
	m.topics = t;
	s.fx.arena = &s.arena;
	cluster_preview(s.c, (struct cluster_origin){ 0, 1 },
			&create_topics_command_type, &m, &s.fx);
	answer = s.fx.result;
	ck_assert_int_eq(answer->topics[0].error_code, K_TOPIC_ALREADY_EXISTS);
	ck_assert_int_eq(answer->topics[1].error_code, K_NONE);
	ck_assert_int_eq(answer->topics[1].num_partitions, 7);
	ck_assert_int_eq(answer->topics[1].replication_factor, 2);
	ck_assert(cluster_hash(s.c) == before);
	stage_fini(&s);
}
