/* SPDX-License-Identifier: Apache-2.0 */
/* AlterConfigs and IncrementalAlterConfigs: KIP-133, 226, 339. */
#include "council.h"

enum { TOPIC = 2, BROKER = 4, LOGGER = 8, GROUP = 32 };
enum { SET, DROP, APPEND, SUBTRACT };
enum { REPLACE = 33, ALTER = 44 };

typedef struct incremental_alter_configs_request_config op;
typedef struct incremental_alter_configs_request_resource resource;
typedef struct incremental_alter_configs_response altered;

/* For one resource: name, operation, value. */
#define OPS(...)                                                               \
	(op[]){ __VA_ARGS__ }, (int32_t)countof(((op[]){ __VA_ARGS__ }))

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
}

static altered *alter_all(int16_t version, resource *v, int32_t n)
{
	struct incremental_alter_configs_request in = { n, v, false };

	return council_ask(&c, 2, ALTER, version, &in);
}

static int16_t alter(int8_t type, const char *name, op *ops, int32_t n)
{
	resource r = { type, str_of(name), n, ops };
	const altered *out = alter_all(1, &r, 1);

	ck_assert_int_eq(out->responses_n, 1);
	ck_assert_int_eq(out->responses[0].resource_type, type);
	ck_assert(str_eq_c(out->responses[0].resource_name, name));
	ck_assert_int_eq(out->responses[0].error_code != 0,
			 out->responses[0].error_message.n > 0);
	return out->responses[0].error_code;
}

/* What the topic itself says, or "-". */
static const char *own(const char *topic, const char *name)
{
	const struct topic *t =
		cluster_topic(c.nodes[0].cluster, str_of(topic));
	const char *value = map_find_str(&t->settings, str_of(name));

	return value ? value : "-";
}

/* ---- altering one by one ------------------------------------------------- */

TEST(settings_are_set_and_dropped_in_both_versions)
{
	op set = { STR("retention.ms"), SET, STR("5") };
	op drop = { STR("retention.ms"), DROP, STR_NULL };
	resource r = { TOPIC, STR("t"), 1, NULL };

	begin(2, NULL);
	for (int16_t v = 0; v <= 1; v++) {
		r.configs = &set;
		ck_assert_int_eq(alter_all(v, &r, 1)->responses[0].error_code,
				 K_NONE);
		ck_assert_str_eq(own("t", "retention.ms"), "5");
		r.configs = &drop;
		ck_assert_int_eq(alter_all(v, &r, 1)->responses[0].error_code,
				 K_NONE);
		ck_assert_str_eq(own("t", "retention.ms"), "-");
	}
	/* what is not there can be dropped, what nobody knows, too */
	ck_assert_int_eq(alter(TOPIC, "t", &drop, 1), K_NONE);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("x"), DROP, STR("y") })),
			 K_NONE);
	council_fini(&c);
}

TEST(lists_are_appended_to_and_subtracted_from)
{
	const struct str policy = STR("cleanup.policy");

	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ policy, APPEND,
						 STR("compact") })), K_NONE);
	ck_assert_str_eq(own("t", "cleanup.policy"), "delete,compact");
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ policy, APPEND,
						 STR("compact") })), K_NONE);
	ck_assert_str_eq(own("t", "cleanup.policy"), "delete,compact");
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ policy, SUBTRACT,
						 STR("delete") })), K_NONE);
	ck_assert_str_eq(own("t", "cleanup.policy"), "compact");
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ policy, APPEND,
						 STR("burn") })),
			 K_INVALID_CONFIG);
	ck_assert_str_eq(own("t", "cleanup.policy"), "compact");
	council_fini(&c);
}

TEST(a_list_of_brokers_begins_with_what_counts_for_them)
{
	const struct str policy = STR("log.cleanup.policy");
	const struct map *one;

	begin(2, NULL);
	ck_assert_int_eq(alter(BROKER, "", OPS({ policy, SET,
						 STR("compact") })), K_NONE);
	ck_assert_int_eq(alter(BROKER, "2", OPS({ policy, APPEND,
						  STR("delete") })), K_NONE);
	one = map_find_i64(&c.nodes[0].cluster->broker_settings, 2);
	ck_assert_str_eq(map_find_str(one, policy), "compact,delete");
	council_fini(&c);
}

TEST(a_list_of_a_topic_begins_with_its_default)
{
	begin(2, "log.cleanup.policy=compact");
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("cleanup.policy"), APPEND,
						 STR("delete") })), K_NONE);
	ck_assert_str_eq(own("t", "cleanup.policy"), "compact,delete");
	council_fini(&c);
}

TEST(only_lists_are_appended_to)
{
	op add = { STR("retention.ms"), APPEND, STR("5") };
	resource r = { TOPIC, STR("t"), 1, &add };

	begin(2, NULL);
	ck_assert(str_eq_c(alter_all(1, &r, 1)->responses[0].error_message,
			   "Can't APPEND to key retention.ms because its type "
			   "is not LIST."));
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("retention.ms"), APPEND,
						 STR("5") })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("retention.ms"), SUBTRACT,
						 STR("5") })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("retention.ms"), 4,
						 STR("5") })),
			 K_INVALID_REQUEST);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("retention.ms"), -1,
						 STR("5") })),
			 K_INVALID_REQUEST);
	ck_assert_str_eq(own("t", "retention.ms"), "-");
	council_fini(&c);
}

TEST(a_value_is_null_only_where_it_is_dropped)
{
	begin(2, NULL);
	for (int8_t how = SET; how <= SUBTRACT; how++)
		ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("cleanup.policy"),
							 how, STR_NULL })),
				 how == DROP ? K_NONE : K_INVALID_REQUEST);
	council_fini(&c);
}

TEST(a_resource_is_altered_as_a_whole_or_not_at_all)
{
	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "t",
			       OPS({ STR("retention.ms"), SET, STR("5") },
				   { STR("retention.bytes"), SET, STR("x") })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t",
			       OPS({ STR("retention.ms"), SET, STR("5") },
				   { STR("retention.ms"), DROP, STR_NULL })),
			 K_INVALID_REQUEST); /* twice */
	ck_assert_str_eq(own("t", "retention.ms"), "-");
	council_fini(&c);
}

TEST(each_resource_is_answered_in_its_place)
{
	op good = { STR("retention.ms"), SET, STR("5") };
	op bad = { STR("retention.ms"), SET, STR("x") };
	resource v[5] = { { TOPIC, STR("t"), 1, &bad },
			  { TOPIC, STR("u"), 1, &good },
			  { TOPIC, STR("v"), 1, &good },
			  { 77, STR("t"), 1, &good },
			  { TOPIC, STR("u"), 1, &good } };
	const altered *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "u", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "v", 1), K_NONE);
	out = alter_all(1, v, 5);
	ck_assert_int_eq(out->responses_n, 4); /* u once */
	ck_assert_int_eq(out->responses[0].error_code, K_INVALID_CONFIG);
	ck_assert_int_eq(out->responses[1].error_code, K_INVALID_REQUEST);
	ck_assert(str_eq_c(out->responses[1].error_message,
			   "Each resource must appear at most once."));
	ck_assert_int_eq(out->responses[2].error_code, K_NONE);
	ck_assert(str_eq_c(out->responses[2].resource_name, "v"));
	ck_assert_int_eq(out->responses[3].error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(out->responses[3].resource_type, 77);
	ck_assert_str_eq(own("t", "retention.ms"), "-");
	ck_assert_str_eq(own("u", "retention.ms"), "-");
	ck_assert_str_eq(own("v", "retention.ms"), "5");
	council_fini(&c);
}

TEST(what_is_not_there_is_not_altered)
{
	op good = { STR("retention.ms"), SET, STR("5") };

	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "no", &good, 1),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	good.value = STR("x"); /* whatever else is wrong */
	ck_assert_int_eq(alter(TOPIC, "no", &good, 1),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(alter(BROKER, "9", OPS({ STR("log.retention.ms"), SET,
						  STR("5") })),
			 K_BROKER_ID_NOT_REGISTERED);
	ck_assert_int_eq(alter(BROKER, "one", OPS({ STR("log.retention.ms"),
						    SET, STR("5") })),
			 K_INVALID_REQUEST);
	ck_assert_int_eq(alter(GROUP, "", OPS({
				 STR("consumer.session.timeout.ms"), SET,
				 STR("50000") })), K_INVALID_REQUEST);
	ck_assert_int_eq(alter(LOGGER, "2", OPS({ STR("x"), SET,
						  STR("INFO") })),
			 K_INVALID_REQUEST);
	council_fini(&c);
}

TEST(each_kind_of_resource_has_settings_of_its_own)
{
	op of_topics = { STR("retention.ms"), SET, STR("5") };
	op of_brokers = { STR("log.retention.ms"), SET, STR("5") };
	op of_groups = { STR("consumer.session.timeout.ms"), SET,
			 STR("50000") };

	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "t", &of_brokers, 1), K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", &of_groups, 1), K_INVALID_CONFIG);
	ck_assert_int_eq(alter(BROKER, "", &of_topics, 1), K_INVALID_CONFIG);
	ck_assert_int_eq(alter(BROKER, "1", &of_groups, 1), K_INVALID_CONFIG);
	ck_assert_int_eq(alter(GROUP, "g", &of_topics, 1), K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", &of_topics, 1), K_NONE);
	ck_assert_int_eq(alter(BROKER, "", &of_brokers, 1), K_NONE);
	ck_assert_int_eq(alter(BROKER, "1", &of_brokers, 1), K_NONE);
	ck_assert_int_eq(alter(GROUP, "g", &of_groups, 1), K_NONE);
	council_fini(&c);
}

TEST(what_is_read_at_the_start_is_not_altered)
{
	begin(2, NULL);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(alter(BROKER, i ? "1" : "", OPS({
					 STR("log.dirs"), SET, STR("/") })),
				 K_INVALID_REQUEST);
	ck_assert_int_eq(alter(BROKER, "1", OPS({ STR("min.insync.replicas"),
						  SET, STR("1") })),
			 K_INVALID_CONFIG); /* all or none */
	ck_assert_int_eq(alter(BROKER, "", OPS({ STR("min.insync.replicas"),
						 SET, STR("1") })), K_NONE);
	council_fini(&c);
}

TEST(no_more_groups_have_settings_than_there_may_be)
{
	op set = { STR("consumer.session.timeout.ms"), SET, STR("50000") };
	op drop = { STR("consumer.session.timeout.ms"), DROP, STR_NULL };

	begin(2, "max.groups=1");
	ck_assert_int_eq(alter(GROUP, "g", &set, 1), K_NONE);
	ck_assert_int_eq(alter(GROUP, "h", &set, 1), K_POLICY_VIOLATION);
	ck_assert_int_eq(alter(GROUP, "g", &set, 1), K_NONE);
	ck_assert_int_eq(alter(GROUP, "g", &drop, 1), K_NONE);
	ck_assert_int_eq(alter(GROUP, "h", &set, 1), K_NONE);
	council_fini(&c);
}

/* ---- compaction lags ----------------------------------------------------- */

TEST(compaction_lags_must_not_contradict_what_is_there)
{
	const struct str min = STR("min.compaction.lag.ms");
	const struct str max = STR("max.compaction.lag.ms");

	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ max, SET, STR("10") })),
			 K_NONE);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ min, SET, STR("11") })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ min, SET, STR("10") })),
			 K_NONE);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ max, SET, STR("9") })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ min, SET, STR("20") },
					       { max, SET, STR("20") })),
			 K_NONE);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ min, SET, STR("30") },
					       { max, DROP, STR_NULL })),
			 K_NONE);
	ck_assert_str_eq(own("t", "min.compaction.lag.ms"), "30");
	council_fini(&c);
}

/* ---- the older request --------------------------------------------------- */

typedef struct alter_configs_request_config pair;

static struct alter_configs_response *replace(int16_t version, int8_t type,
					      const char *name, pair *v,
					      int32_t n)
{
	struct alter_configs_request_resource r = { type, str_of(name), n, v };
	struct alter_configs_request in = { 1, &r, false };

	return council_ask(&c, 2, REPLACE, version, &in);
}

TEST(the_older_request_replaces_all_settings)
{
	const struct alter_configs_response *out;
	pair bytes = { STR("retention.bytes"), STR("9") };

	begin(2, NULL);
	for (int16_t v = 0; v <= 2; v++) {
		ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("retention.ms"),
							 SET, STR("5") })),
				 K_NONE);
		out = replace(v, TOPIC, "t", &bytes, 1);
		ck_assert_int_eq(out->responses_n, 1);
		ck_assert_int_eq(out->responses[0].error_code, K_NONE);
		ck_assert_int_eq(out->responses[0].resource_type, TOPIC);
		ck_assert(str_eq_c(out->responses[0].resource_name, "t"));
		ck_assert_str_eq(own("t", "retention.ms"), "-");
		ck_assert_str_eq(own("t", "retention.bytes"), "9");
	}
	out = replace(2, TOPIC, "t", NULL, 0);
	ck_assert_int_eq(out->responses[0].error_code, K_NONE);
	ck_assert_str_eq(own("t", "retention.bytes"), "-");
	council_fini(&c);
}

TEST(what_is_replaced_contradicts_nothing)
{
	pair min = { STR("min.compaction.lag.ms"), STR("20") };

	begin(2, NULL);
	ck_assert_int_eq(alter(TOPIC, "t", OPS({ STR("max.compaction.lag.ms"),
						 SET, STR("10") })), K_NONE);
	ck_assert_int_eq(replace(2, TOPIC, "t", &min, 1)
				 ->responses[0].error_code, K_NONE);
	ck_assert_str_eq(own("t", "max.compaction.lag.ms"), "-");
	council_fini(&c);
}

TEST(the_older_request_refuses_what_the_newer_does)
{
	pair null = { STR("retention.ms"), STR_NULL };
	pair bad = { STR("retention.ms"), STR("x") };
	pair twice[2] = { { STR("retention.ms"), STR("5") },
			  { STR("retention.ms"), STR("6") } };

	begin(2, NULL);
	ck_assert_int_eq(replace(2, TOPIC, "t", &null, 1)
				 ->responses[0].error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(replace(2, TOPIC, "t", &bad, 1)
				 ->responses[0].error_code, K_INVALID_CONFIG);
	ck_assert_int_eq(replace(2, TOPIC, "t", twice, 2)
				 ->responses[0].error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(replace(2, TOPIC, "no", twice, 1)
				 ->responses[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(replace(2, LOGGER, "1", twice, 1)
				 ->responses[0].error_code, K_INVALID_REQUEST);
	ck_assert_str_eq(own("t", "retention.ms"), "-");
	council_fini(&c);
}

/* ---- validate_only, and no quorum ---------------------------------------- */

TEST(validate_only_alters_nothing)
{
	op good = { STR("retention.ms"), SET, STR("5") };
	resource v[2] = { { TOPIC, STR("t"), 1, &good },
			  { TOPIC, STR("no"), 1, &good } };
	struct incremental_alter_configs_request in = { 2, v, true };
	struct alter_configs_request_resource old = { TOPIC, STR("t"), 0,
						      NULL };
	struct alter_configs_request in_old = { 1, &old, true };
	const struct alter_configs_response *out_old;
	const altered *out;
	int before;

	begin(2, NULL);
	before = c.log_n;
	out = council_ask(&c, 2, ALTER, 1, &in);
	ck_assert_int_eq(out->responses[0].error_code, K_NONE);
	ck_assert_int_eq(out->responses[1].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	out_old = council_ask(&c, 2, REPLACE, 2, &in_old);
	ck_assert_int_eq(out_old->responses[0].error_code, K_NONE);
	ck_assert_int_eq(c.log_n, before);
	council_fini(&c);
}

TEST(what_is_not_agreed_on_is_late_and_what_is_wrong_stays_wrong)
{
	op good = { STR("retention.ms"), SET, STR("5") };
	op bad = { STR("retention.ms"), SET, STR("x") };
	resource v[2] = { { TOPIC, STR("t"), 1, &bad },
			  { TOPIC, STR("u"), 1, &good } };
	struct incremental_alter_configs_request in = { 2, v, false };
	struct council_call *call;
	const altered *out;

	begin(1, NULL);
	ck_assert_int_eq(council_create(&c, 1, "u", 1), K_NONE);
	c.stalled = true;
	call = council_send(&c, 1, ALTER, 1, &in);
	council_pass(&c, 29990);
	ck_assert(!call->done);
	council_pass(&c, 20);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->responses_n, 2);
	ck_assert_int_eq(out->responses[0].error_code, K_INVALID_CONFIG);
	ck_assert_int_eq(out->responses[1].error_code, K_REQUEST_TIMED_OUT);
	ck_assert_int_gt(out->responses[1].error_message.n, 0);
	c.stalled = false;
	council_fini(&c);
}
