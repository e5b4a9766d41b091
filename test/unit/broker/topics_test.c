/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics and CreatePartitions: KIP-4, 195, 464, 516, 525. */
#include "council.h"

enum { CREATE = 19, DELETE = 20, GROW = 37, TIMEOUT_MS = 5000 };

typedef struct create_topics_request_topic new_topic;
typedef struct create_topics_response_topic made_topic;

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
}

/* ---- CreateTopics -------------------------------------------------------- */

static new_topic topic(const char *name, int32_t partitions, int16_t replicas)
{
	new_topic t;

	wire_preset(&create_topics_request_topic_type, &t);
	t.name = str_of(name);
	t.num_partitions = partitions;
	t.replication_factor = replicas;
	return t;
}

static struct create_topics_request creation(new_topic *v, int32_t n)
{
	struct create_topics_request in;

	wire_preset(&create_topics_request_type, &in);
	in.timeout_ms = TIMEOUT_MS;
	in.topics_n = n;
	in.topics = v;
	return in;
}

static struct create_topics_response *create(int16_t version, new_topic *v,
					     int32_t n)
{
	struct create_topics_request in = creation(v, n);

	return council_ask(&c, 2, CREATE, version, &in);
}

static const made_topic *made(const struct create_topics_response *out,
			      const char *name)
{
	for (int32_t i = 0; i < out->topics_n; i++)
		if (str_eq_c(out->topics[i].name, name))
			return &out->topics[i];
	ck_abort_msg("%s is not in the answer", name);
	return NULL;
}

static int16_t create_one(new_topic t)
{
	const struct create_topics_response *out = create(7, &t, 1);

	ck_assert_int_eq(out->topics_n, 1);
	return out->topics[0].error_code;
}

static int16_t create_with(const char *name, const char *key, struct str value)
{
	struct create_topics_request_config s = { str_of(key), value };
	new_topic t = topic(name, 1, 1);

	t.configs_n = 1;
	t.configs = &s;
	return create_one(t);
}

static const struct create_topics_response_config *shown(
	const made_topic *t, const char *name)
{
	for (int32_t i = 0; i < t->configs_n; i++)
		if (str_eq_c(t->configs[i].name, name))
			return &t->configs[i];
	ck_abort_msg("%s is not shown", name);
	return NULL;
}

static bool exists(const char *name)
{
	return cluster_topic(c.nodes[0].cluster, str_of(name)) != NULL;
}

TEST(what_was_made_is_told_as_far_as_the_version_goes)
{
	static const char *const names[] = { "v2", "v3", "v4", "v5", "v6",
					     "v7" };

	begin(3, NULL);
	for (int16_t v = 2; v <= 7; v++) {
		const char *name = names[v - 2];
		new_topic t = topic(name, 4, 2);
		const made_topic *m = made(create(v, &t, 1), name);
		const struct topic *is =
			cluster_topic(c.nodes[0].cluster, t.name);

		ck_assert_int_eq(m->error_code, K_NONE);
		ck_assert_int_eq(m->error_message.n, -1);
		ck_assert_int_eq(m->num_partitions, v < 5 ? -1 : 4);
		ck_assert_int_eq(m->replication_factor, v < 5 ? -1 : 2);
		ck_assert_int_eq(m->configs_n > 0, v >= 5);
		ck_assert(uuid_eq(m->topic_id,
				  v < 7 ? (struct uuid){ { 0 } } : is->id));
		ck_assert_int_eq(is->partitions_n, 4);
		ck_assert_int_eq(is->partitions[3].replicas.n, 2);
	}
	council_fini(&c);
}

TEST(each_topic_of_a_request_is_judged_alone)
{
	new_topic v[6] = { topic("a/b", 1, 1), topic("fine", 1, 1),
			   topic("none", 0, 1), topic("wide", 1, 4),
			   topic("thin", 1, 0), topic("less", -2, 1) };
	const struct create_topics_response *out;

	begin(3, NULL);
	out = create(7, v, 6);
	ck_assert_int_eq(out->topics_n, 6);
	ck_assert_int_eq(made(out, "a/b")->error_code,
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_gt(made(out, "a/b")->error_message.n, 0);
	ck_assert_int_eq(made(out, "a/b")->configs_n, -1);
	ck_assert_int_eq(made(out, "fine")->error_code, K_NONE);
	ck_assert_int_eq(made(out, "none")->error_code, K_INVALID_PARTITIONS);
	ck_assert_int_eq(made(out, "less")->error_code, K_INVALID_PARTITIONS);
	ck_assert_int_eq(made(out, "wide")->error_code,
			 K_INVALID_REPLICATION_FACTOR);
	ck_assert_int_eq(made(out, "thin")->error_code,
			 K_INVALID_REPLICATION_FACTOR);
	ck_assert(exists("fine"));
	ck_assert_int_eq(map_count(&c.nodes[0].cluster->topics), 1);
	council_fini(&c);
}

TEST(a_name_that_is_taken_or_looks_like_one_is_refused)
{
	begin(2, NULL);
	ck_assert_int_eq(create_one(topic("a.b", 1, 1)), K_NONE);
	ck_assert_int_eq(create_one(topic("a.b", 1, 1)),
			 K_TOPIC_ALREADY_EXISTS);
	ck_assert_int_eq(create_one(topic("a_b", 1, 1)),
			 K_INVALID_TOPIC_EXCEPTION);
	/* whatever else is wrong with it */
	ck_assert_int_eq(create_one(topic("a.b", 0, 9)),
			 K_TOPIC_ALREADY_EXISTS);
	ck_assert_int_eq(create_with("a.b", "retention.ms", STR("x")),
			 K_TOPIC_ALREADY_EXISTS);
	ck_assert_int_eq(create_with("a/b", "retention.ms", STR("x")),
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(create_with("a_b", "retention.ms", STR("x")),
			 K_INVALID_TOPIC_EXCEPTION);
	council_fini(&c);
}

TEST(the_log_of_the_quorum_is_no_topic_to_be_made)
{
	new_topic v[2] = { topic("__cluster_metadata", 1, 1),
			   topic("t", 1, 1) };
	const struct create_topics_response *out;

	begin(2, NULL);
	out = create(7, v, 2);
	ck_assert_int_eq(made(out, "__cluster_metadata")->error_code,
			 K_TOPIC_AUTHORIZATION_FAILED);
	ck_assert_int_eq(made(out, "t")->error_code, K_NONE);
	ck_assert(!exists("__cluster_metadata"));
	council_fini(&c);
}

TEST(a_name_that_comes_twice_is_refused_once)
{
	new_topic v[5] = { topic("twice", 1, 1), topic("once", 1, 1),
			   topic("twice", 2, 1), topic("", 1, 1),
			   topic("twice", 3, 1) };
	const struct create_topics_response *out;

	begin(2, NULL);
	out = create(5, v, 5);
	ck_assert_int_eq(out->topics_n, 3);
	ck_assert_int_eq(made(out, "twice")->error_code, K_INVALID_REQUEST);
	ck_assert(str_eq_c(made(out, "twice")->error_message,
			   "Duplicate topic name."));
	ck_assert_int_eq(made(out, "once")->error_code, K_NONE);
	ck_assert_int_eq(made(out, "")->error_code, K_INVALID_TOPIC_EXCEPTION);
	ck_assert(!exists("twice"));
	council_fini(&c);
}

TEST(a_request_for_no_topics_is_answered_at_once)
{
	struct create_topics_request in = creation(NULL, 0);
	struct council_call *call;

	begin(2, NULL);
	c.stalled = true;
	call = council_send(&c, 1, CREATE, 7, &in);
	council_pass(&c, 1);
	ck_assert(call->done);
	ck_assert_int_eq(((struct create_topics_response *)call->out)->topics_n,
			 0);
	c.stalled = false;
	council_fini(&c);
}

TEST(defaults_are_those_of_the_settings)
{
	const struct topic *t;

	begin(3, "num.partitions=7");
	ck_assert_int_eq(create_one(topic("t", -1, -1)), K_NONE);
	t = cluster_topic(c.nodes[0].cluster, STR("t"));
	ck_assert_int_eq(t->partitions_n, 7);
	ck_assert_int_eq(t->partitions[0].replicas.n, 3);
	council_fini(&c);
	begin(3, "default.replication.factor=2");
	ck_assert_int_eq(create_one(topic("t", 2, -1)), K_NONE);
	ck_assert_int_eq(council_partition(&c, 1, "t", 1)->replicas.n, 2);
	council_fini(&c);
}

TEST(a_request_makes_no_more_partitions_than_are_allowed)
{
	new_topic v[2] = { topic("a", 3, 1), topic("b", 3, 1) };
	const struct create_topics_response *out;

	begin(2, "max.partitions.per.request=5");
	out = create(7, v, 2);
	ck_assert_int_eq(made(out, "a")->error_code, K_NONE);
	ck_assert_int_eq(made(out, "b")->error_code, K_POLICY_VIOLATION);
	council_fini(&c);
	begin(2, "max.partitions=5");
	ck_assert_int_eq(create_one(v[0]), K_NONE);
	ck_assert_int_eq(create_one(v[1]), K_POLICY_VIOLATION);
	council_fini(&c);
}

TEST(a_command_that_is_too_large_for_the_quorum_is_refused)
{
	enum { SIZE = 32000, N = 33 };
	char *text = mem_zalloc(SIZE);
	struct create_topics_request_config s = {
		STR("leader.replication.throttled.replicas"), { text, SIZE } };
	new_topic v[N];
	const struct create_topics_response *out;
	int before;

	memset(text, '1', SIZE);
	begin(2, NULL);
	for (int i = 0; i < N; i++) {
		v[i] = topic(arena_printf(&c.arena, "t%d", i), 1, 1);
		v[i].configs_n = 1;
		v[i].configs = &s;
	}
	before = c.log_n;
	for (int dry = 0; dry < 2; dry++) {
		struct create_topics_request in = creation(v, N);

		in.validate_only = dry;
		out = council_ask(&c, 2, CREATE, 5, &in);
		ck_assert_int_eq(out->topics_n, N);
		for (int i = 0; i < N; i++)
			ck_assert_int_eq(out->topics[i].error_code,
					 K_POLICY_VIOLATION);
	}
	ck_assert_int_eq(c.log_n, before);
	ck_assert_int_eq(create(5, v, 10)->topics[9].error_code, K_NONE);
	mem_free(text);
	council_fini(&c);
}

/* ---- settings of new topics ---------------------------------------------- */

TEST(settings_of_a_new_topic_are_checked)
{
	begin(2, NULL);
	ck_assert_int_eq(create_with("t", "retention.ms", STR("x")),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", "retention.ms", STR("-2")),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", "retention.ms", STR_NULL),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", "retention.mss", STR("1")),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", "log.retention.ms", STR("1")),
			 K_INVALID_CONFIG); /* a broker's */
	ck_assert_int_eq(create_with("t", "cleanup.policy", STR("burn")),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(create_with("t", "min.insync.replicas", STR("x")),
			 K_INVALID_CONFIG);
	ck_assert(!exists("t"));
	ck_assert_int_eq(create_with("t", "cleanup.policy",
				     STR("compact,delete")), K_NONE);
	ck_assert_int_eq(create_with("u", "leader.replication.throttled."
				     "replicas", STR("")), K_NONE);
	council_fini(&c);
}

TEST(settings_of_a_new_topic_must_not_contradict_each_other)
{
	struct create_topics_request_config s[2] = {
		{ STR("min.compaction.lag.ms"), STR("10") },
		{ STR("max.compaction.lag.ms"), STR("9") } };
	new_topic t = topic("t", 1, 1);

	begin(2, NULL);
	t.configs_n = 2;
	t.configs = s;
	ck_assert_int_eq(create_one(t), K_INVALID_CONFIG);
	ck_assert(!exists("t"));
	s[1].value = STR("10");
	ck_assert_int_eq(create_one(t), K_NONE);
	council_fini(&c);
}

static void check_shown(const made_topic *t)
{
	ck_assert(str_eq_c(shown(t, "retention.ms")->value, "77"));
	ck_assert_int_eq(shown(t, "retention.ms")->config_source,
			 SOURCE_TOPIC);
	ck_assert(!shown(t, "retention.ms")->read_only);
	ck_assert(!shown(t, "retention.ms")->is_sensitive);
	ck_assert(str_eq_c(shown(t, "segment.bytes")->value, "4096"));
	ck_assert_int_eq(shown(t, "segment.bytes")->config_source,
			 SOURCE_NODE);
	ck_assert(str_eq_c(shown(t, "cleanup.policy")->value, "delete"));
	ck_assert_int_eq(shown(t, "cleanup.policy")->config_source,
			 SOURCE_DEFAULT);
	for (int32_t i = 0; i < t->configs_n; i++)
		ck_assert(!str_eq_c(t->configs[i].name, "node.id"));
}

TEST(the_answer_shows_the_settings_that_a_topic_gets)
{
	struct create_topics_request_config s = { STR("retention.ms"),
						  STR("77") };
	new_topic t = topic("t", 3, 1);
	struct create_topics_request in = creation(&t, 1);
	const struct create_topics_response *out;

	begin(2, "log.segment.bytes=4096");
	t.configs_n = 1;
	t.configs = &s;
	in.validate_only = true;
	out = council_ask(&c, 2, CREATE, 7, &in);
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
	ck_assert_int_eq(out->topics[0].num_partitions, 3);
	ck_assert_int_eq(out->topics[0].replication_factor, 1);
	check_shown(&out->topics[0]);
	ck_assert(!exists("t"));
	out = create(7, &t, 1);
	ck_assert_int_eq(out->topics[0].error_code, K_NONE);
	check_shown(&out->topics[0]);
	out = create(7, &t, 1);
	ck_assert_int_eq(out->topics[0].error_code, K_TOPIC_ALREADY_EXISTS);
	ck_assert_int_eq(out->topics[0].configs_n, -1);
	council_fini(&c);
}

TEST(validate_only_refuses_what_would_be_refused)
{
	new_topic v[3] = { topic("t", 1, 9), topic("t", 1, 1),
			   topic("u", 1, 9) };
	struct create_topics_request in = creation(v, 3);
	const struct create_topics_response *out;

	begin(2, NULL);
	in.validate_only = true;
	out = council_ask(&c, 2, CREATE, 4, &in);
	ck_assert_int_eq(out->topics_n, 2);
	ck_assert_int_eq(made(out, "t")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(made(out, "u")->error_code,
			 K_INVALID_REPLICATION_FACTOR);
	council_fini(&c);
}

/* ---- places by hand ------------------------------------------------------ */

static int32_t one_two[] = { 1, 2 }, three_one[] = { 3, 1 }, nine[] = { 9 };

static new_topic placed(struct create_topics_request_assignment *v, int32_t n)
{
	new_topic t = topic("t", -1, -1);

	t.assignments_n = n;
	t.assignments = v;
	return t;
}

TEST(places_that_are_given_are_kept)
{
	struct create_topics_request_assignment v[2] = {
		{ 1, 2, three_one }, { 0, 2, one_two } };
	const struct topic *t;

	begin(3, NULL);
	ck_assert_int_eq(create_one(placed(v, 2)), K_NONE);
	t = cluster_topic(c.nodes[0].cluster, STR("t"));
	ck_assert_int_eq(t->partitions_n, 2);
	ck_assert_int_eq(t->partitions[0].leader, 1);
	ck_assert_int_eq(t->partitions[0].replicas.v[1], 2);
	ck_assert_int_eq(t->partitions[1].leader, 3);
	ck_assert_int_eq(t->partitions[1].isr.n, 2);
	council_fini(&c);
}

TEST(places_leave_no_room_for_numbers)
{
	struct create_topics_request_assignment v[2] = {
		{ 0, 2, one_two }, { 0, 2, three_one } };
	new_topic t;

	begin(3, NULL);
	t = placed(v, 1);
	t.num_partitions = 1;
	ck_assert_int_eq(create_one(t), K_INVALID_REQUEST);
	t = placed(v, 1);
	t.replication_factor = 2;
	ck_assert_int_eq(create_one(t), K_INVALID_REQUEST);
	ck_assert_int_eq(create_one(placed(v, 2)),
			 K_INVALID_REPLICA_ASSIGNMENT); /* 0 twice */
	v[1].partition_index = 2;
	ck_assert_int_eq(create_one(placed(v, 2)),
			 K_INVALID_REPLICA_ASSIGNMENT); /* 1 missing */
	v[1] = (struct create_topics_request_assignment){ 1, 1, nine };
	ck_assert_int_eq(create_one(placed(v, 2)),
			 K_INVALID_REPLICA_ASSIGNMENT); /* nobody */
	v[1] = (struct create_topics_request_assignment){ 1, 0, NULL };
	ck_assert_int_eq(create_one(placed(v, 2)),
			 K_INVALID_REPLICA_ASSIGNMENT);
	ck_assert(!exists("t"));
	council_fini(&c);
}

/* ---- CreatePartitions ---------------------------------------------------- */

typedef struct create_partitions_request_topic grown;

static struct create_partitions_request growth(grown *v, int32_t n)
{
	struct create_partitions_request in;

	wire_preset(&create_partitions_request_type, &in);
	in.timeout_ms = TIMEOUT_MS;
	in.topics_n = n;
	in.topics = v;
	return in;
}

static int16_t grow(int16_t version, grown t)
{
	struct create_partitions_request in = growth(&t, 1);
	const struct create_partitions_response *out =
		council_ask(&c, 2, GROW, version, &in);

	ck_assert_int_eq(out->results_n, 1);
	ck_assert(str_eq(out->results[0].name, t.name));
	ck_assert_int_eq(out->results[0].error_code != 0,
			 out->results[0].error_message.n > 0);
	return out->results[0].error_code;
}

static int32_t count(const char *name)
{
	return cluster_topic(c.nodes[0].cluster, str_of(name))->partitions_n;
}

TEST(partitions_are_added_in_every_version)
{
	begin(3, NULL);
	ck_assert_int_eq(create_one(topic("t", 1, 2)), K_NONE);
	for (int16_t v = 0; v <= 3; v++)
		ck_assert_int_eq(grow(v, (grown){ STR("t"), 2 + v, -1, NULL }),
				 K_NONE);
	ck_assert_int_eq(count("t"), 5);
	ck_assert_int_eq(council_partition(&c, 1, "t", 4)->replicas.n, 2);
	ck_assert_int_gt(council_partition(&c, 1, "t", 4)->leader, 0);
	council_fini(&c);
}

TEST(partitions_never_become_fewer)
{
	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "t", 3), K_NONE);
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 3, -1, NULL }),
			 K_INVALID_PARTITIONS);
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 2, -1, NULL }),
			 K_INVALID_PARTITIONS);
	ck_assert_int_eq(grow(3, (grown){ STR("t"), -1, -1, NULL }),
			 K_INVALID_PARTITIONS);
	ck_assert_int_eq(grow(3, (grown){ STR("u"), 4, -1, NULL }),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 1000000, -1, NULL }),
			 K_POLICY_VIOLATION);
	ck_assert_int_eq(count("t"), 3);
	council_fini(&c);
}

TEST(new_partitions_go_where_they_are_told_to)
{
	struct create_partitions_request_assignment v[2] = {
		{ 2, three_one }, { 2, one_two } };

	begin(3, NULL);
	ck_assert_int_eq(create_one(topic("t", 1, 2)), K_NONE);
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 2, 2, v }),
			 K_INVALID_REPLICA_ASSIGNMENT); /* one too many */
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 4, 2, v }),
			 K_INVALID_REPLICA_ASSIGNMENT); /* one missing */
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 3, 2, v }), K_NONE);
	ck_assert_int_eq(council_partition(&c, 1, "t", 1)->leader, 3);
	ck_assert_int_eq(council_partition(&c, 1, "t", 2)->leader, 1);
	v[0] = (struct create_partitions_request_assignment){ 1, nine };
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 4, 1, v }),
			 K_INVALID_REPLICA_ASSIGNMENT);
	v[0].broker_ids = one_two; /* one replica; the others have two */
	ck_assert_int_eq(grow(3, (grown){ STR("t"), 4, 1, v }),
			 K_INVALID_REPLICA_ASSIGNMENT);
	ck_assert_int_eq(count("t"), 3);
	council_fini(&c);
}

TEST(a_topic_that_is_to_grow_twice_does_not_grow)
{
	grown v[4] = { { STR("t"), 2, -1, NULL }, { STR("u"), 2, -1, NULL },
		       { STR("t"), 3, -1, NULL }, { STR("t"), 4, -1, NULL } };
	struct create_partitions_request in = growth(v, 4);
	const struct create_partitions_response *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "u", 1), K_NONE);
	out = council_ask(&c, 2, GROW, 3, &in);
	ck_assert_int_eq(out->results_n, 2);
	ck_assert(str_eq_c(out->results[0].name, "t"));
	ck_assert_int_eq(out->results[0].error_code, K_INVALID_REQUEST);
	ck_assert(str_eq_c(out->results[1].name, "u"));
	ck_assert_int_eq(out->results[1].error_code, K_NONE);
	ck_assert_int_eq(count("t"), 1);
	ck_assert_int_eq(count("u"), 2);
	council_fini(&c);
}

TEST(where_no_topic_is_to_grow_nobody_is_asked)
{
	struct create_partitions_request in = growth(NULL, 0);
	const struct create_partitions_response *out;
	int before;

	begin(2, NULL);
	before = c.log_n;
	out = council_ask(&c, 2, GROW, 3, &in);
	ck_assert_int_eq(out->results_n, 0);
	ck_assert_int_eq(c.log_n, before);
	council_fini(&c);
}

TEST(validate_only_adds_no_partitions)
{
	grown v[2] = { { STR("t"), 4, -1, NULL }, { STR("u"), 4, -1, NULL } };
	struct create_partitions_request in = growth(v, 2);
	const struct create_partitions_response *out;
	int before;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	in.validate_only = true;
	before = c.log_n;
	out = council_ask(&c, 2, GROW, 3, &in);
	ck_assert_int_eq(out->results[0].error_code, K_NONE);
	ck_assert_int_eq(out->results[1].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(c.log_n, before);
	ck_assert_int_eq(count("t"), 1);
	council_fini(&c);
}

/* ---- a quorum that does not answer --------------------------------------- */

static void *stall(int32_t node, int16_t key, int16_t version, const void *in)
{
	struct council_call *call = council_send(&c, node, key, version, in);

	council_pass(&c, 400);
	ck_assert(!call->done);
	council_pass(&c, 200);
	ck_assert(call->done);
	return call->out;
}

TEST_TIMES(what_is_not_agreed_on_in_time_is_told_item_by_item, 2)
{
	new_topic t[2] = { topic("a", 1, 1), topic("b", 1, 1) };
	struct delete_topics_request_topic d[2] = { { .name = STR("x") },
						    { STR_NULL, { { 3 } } } };
	grown g[1] = { { STR("x"), 4, -1, NULL } };
	struct create_topics_request create = creation(t, 2);
	struct delete_topics_request delete = { 2, d, 0, NULL, 500 };
	struct create_partitions_request grow = growth(g, 1);
	const struct create_topics_response *made;
	const struct delete_topics_response *gone;
	const struct create_partitions_response *more;
	int32_t node = _i + 1; /* the leader, and another */

	begin(3, NULL);
	ck_assert_int_eq(council_create(&c, 1, "x", 1), K_NONE);
	create.timeout_ms = grow.timeout_ms = 500;
	c.stalled = true;
	made = stall(node, CREATE, 7, &create);
	ck_assert_int_eq(made->topics_n, 2);
	ck_assert_int_eq(made->topics[1].error_code, K_REQUEST_TIMED_OUT);
	ck_assert_int_eq(made->topics[1].configs_n, -1);
	gone = stall(node, DELETE, 6, &delete);
	ck_assert_int_eq(gone->responses_n, 2);
	ck_assert(str_eq_c(gone->responses[0].name, "x"));
	ck_assert(uuid_eq(gone->responses[1].topic_id, d[1].topic_id));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(gone->responses[i].error_code,
				 K_REQUEST_TIMED_OUT);
	more = stall(node, GROW, 3, &grow);
	ck_assert_int_eq(more->results_n, 1);
	ck_assert_int_eq(more->results[0].error_code, K_REQUEST_TIMED_OUT);
	ck_assert_int_gt(more->results[0].error_message.n, 0);
	c.stalled = false;
	council_pass(&c, 50);
	/* it was only late */
	ck_assert(exists("a") && !exists("x"));
	council_fini(&c);
}

TEST_TIMES(a_proposal_that_is_lost_is_told_by_whether_it_may_be_kept, 2)
{
	new_topic t = topic("t", 1, 1);
	struct create_topics_request in = creation(&t, 1);
	struct council_call *call;

	begin(2, NULL);
	c.stalled = true;
	call = council_send(&c, 1, CREATE, 7, &in);
	council_pass(&c, 10);
	ck_assert(!call->done);
	broker_dropped(c.nodes[0].threads[0], c.log[c.log_n - 1].cookie, _i);
	council_pass(&c, 1);
	ck_assert(call->done);
	ck_assert_int_eq(made(call->out, "t")->error_code,
			 _i ? K_REQUEST_TIMED_OUT : K_NOT_CONTROLLER);
	c.stalled = false;
	council_fini(&c);
}

TEST(a_broker_that_is_killed_forgets_what_it_was_asked)
{
	new_topic t = topic("t", 1, 1);
	struct create_topics_request in = creation(&t, 1);
	struct council_call *own, *other;

	begin(3, NULL);
	c.stalled = true;
	own = council_send(&c, 1, CREATE, 7, &in);
	other = council_send(&c, 2, CREATE, 7, &in);
	council_pass(&c, 10);
	council_stop(&c, 1, false);
	c.stalled = false;
	council_lead(&c, 3);
	council_pass(&c, 200);
	ck_assert(!own->done);
	ck_assert(other->done);
	/* it was asked again; what the first asking led to was in the log */
	ck_assert_int_eq(made(other->out, "t")->error_code,
			 K_TOPIC_ALREADY_EXISTS);
	council_fini(&c);
}
