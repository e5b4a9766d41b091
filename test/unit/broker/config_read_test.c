/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeConfigs, ListConfigResources: KIP-133, 226, 569, 1142. */
#include "council.h"

enum { TOPIC = 2, BROKER = 4, LOGGER = 8, METRICS = 16, GROUP = 32 };
enum { DESCRIBE = 32, ALTER = 44, LIST = 74 };

typedef struct describe_configs_request_resource resource;
typedef struct describe_configs_response_result described;
typedef struct describe_configs_response_config config;

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
}

static void alter(int8_t type, const char *name, const char *key,
		  const char *value)
{
	struct incremental_alter_configs_request_config k = {
		str_of(key), 0, str_of(value) };
	struct incremental_alter_configs_request_resource r = {
		type, str_of(name), 1, &k };
	struct incremental_alter_configs_request in = { 1, &r, false };
	const struct incremental_alter_configs_response *out =
		council_ask(&c, 1, ALTER, 1, &in);

	ck_assert_int_eq(out->responses[0].error_code, K_NONE);
}

static const described *describe_keys(int32_t node, int16_t version,
				      int8_t type, const char *name,
				      struct str *keys, int32_t n)
{
	resource r = { type, str_of(name), n, keys };
	struct describe_configs_request in = { 1, &r, true, version >= 3 };
	const struct describe_configs_response *out =
		council_ask(&c, node, DESCRIBE, version, &in);

	ck_assert_int_eq(out->results_n, 1);
	ck_assert_int_eq(out->results[0].resource_type, type);
	ck_assert_int_eq(out->results[0].error_code != 0,
			 out->results[0].error_message.n > 0);
	ck_assert(!out->results[0].error_code || !out->results[0].configs_n);
	return &out->results[0];
}

static const described *describe(int32_t node, int8_t type, const char *name)
{
	return describe_keys(node, 4, type, name, NULL, -1);
}

static const config *find(const described *d, const char *name)
{
	for (int32_t i = 0; i < d->configs_n; i++)
		if (str_eq_c(d->configs[i].name, name))
			return &d->configs[i];
	return NULL;
}

static const config *get(const described *d, const char *name)
{
	const config *found = find(d, name);

	ck_assert_msg(found, "%s is not described", name);
	return found;
}

/* "1 retention.ms=77, 5 log.retention.ms=8": sources, names, values */
static const char *synonyms(const config *k)
{
	const char *text = "";

	for (int32_t i = 0; i < k->synonyms_n; i++)
		text = arena_printf(&c.arena, "%s%s%d %.*s=%.*s", text,
				    i ? ", " : "", k->synonyms[i].source,
				    STR_ARG(k->synonyms[i].name),
				    STR_ARG(k->synonyms[i].value));
	return text;
}

/* ---- where a value comes from -------------------------------------------- */

TEST(a_value_has_a_source_and_names_of_those_behind_it)
{
	const config *k;

	begin(2, "log.retention.ms=1000");
	k = get(describe(2, TOPIC, "t"), "retention.ms");
	ck_assert(str_eq_c(k->value, "1000"));
	ck_assert_int_eq(k->config_source, SOURCE_NODE);
	alter(BROKER, "", "log.retention.ms", "2000");
	k = get(describe(2, TOPIC, "t"), "retention.ms");
	ck_assert_int_eq(k->config_source, SOURCE_CLUSTER);
	alter(BROKER, "2", "log.retention.ms", "3000");
	k = get(describe(2, TOPIC, "t"), "retention.ms");
	ck_assert_int_eq(k->config_source, SOURCE_BROKER);
	alter(TOPIC, "t", "retention.ms", "4000");
	k = get(describe(2, TOPIC, "t"), "retention.ms");
	ck_assert_int_eq(k->config_source, SOURCE_TOPIC);
	ck_assert(str_eq_c(k->value, "4000"));
	ck_assert(!k->read_only && !k->is_sensitive);
	ck_assert_str_eq(synonyms(k), "1 retention.ms=4000, "
			 "2 log.retention.ms=3000, 3 log.retention.ms=2000, "
			 "4 log.retention.ms=1000, "
			 "5 log.retention.ms=604800000");
	k = get(describe(1, TOPIC, "t"), "retention.ms"); /* another's */
	ck_assert_str_eq(synonyms(k), "1 retention.ms=4000, "
			 "3 log.retention.ms=2000, 4 log.retention.ms=1000, "
			 "5 log.retention.ms=604800000");
	k = get(describe(1, TOPIC, "t"), "segment.ms");
	ck_assert_int_eq(k->config_source, SOURCE_DEFAULT);
	ck_assert_str_eq(synonyms(k), "5 log.roll.ms=604800000");
	council_fini(&c);
}

TEST(a_broker_describes_itself)
{
	const described *d;

	begin(2, "num.partitions=3");
	alter(BROKER, "1", "log.retention.ms", "9");
	d = describe(1, BROKER, "1");
	ck_assert_int_eq(get(d, "num.partitions")->config_source, SOURCE_NODE);
	ck_assert(!get(d, "num.partitions")->read_only);
	ck_assert(str_eq_c(get(d, "node.id")->value, "1"));
	ck_assert(get(d, "node.id")->read_only);
	ck_assert_int_eq(get(d, "log.retention.ms")->config_source,
			 SOURCE_BROKER);
	ck_assert(str_eq_c(get(d, "log.retention.ms")->value, "9"));
	ck_assert_int_eq(get(d, "broker.rack")->value.n, -1); /* unset */
	ck_assert_ptr_null(find(d, "retention.ms")); /* of topics */
	ck_assert(str_eq_c(get(describe(2, BROKER, "2"), "log.retention.ms")
				   ->value, "604800000"));
	council_fini(&c);
}

TEST(of_all_brokers_together_only_what_was_set_is_described)
{
	const described *d;

	begin(2, "log.retention.ms=1000");
	ck_assert_int_eq(describe(1, BROKER, "")->configs_n, 0);
	alter(BROKER, "", "log.retention.ms", "2000");
	alter(BROKER, "1", "log.retention.ms", "3000");
	d = describe(1, BROKER, "");
	ck_assert_int_eq(d->configs_n, 1);
	ck_assert(str_eq_c(get(d, "log.retention.ms")->value, "2000"));
	ck_assert_int_eq(get(d, "log.retention.ms")->config_source,
			 SOURCE_CLUSTER);
	ck_assert_str_eq(synonyms(get(d, "log.retention.ms")),
			 "3 log.retention.ms=2000");
	council_fini(&c);
}

TEST(a_group_has_its_own_values_or_those_of_all)
{
	const config *k;

	begin(2, NULL);
	alter(GROUP, "g", "consumer.session.timeout.ms", "50000");
	k = get(describe(2, GROUP, "g"), "consumer.session.timeout.ms");
	ck_assert(str_eq_c(k->value, "50000"));
	ck_assert_int_eq(k->config_source, SOURCE_GROUP);
	ck_assert_str_eq(synonyms(k),
			 "8 consumer.session.timeout.ms=50000, "
			 "5 group.consumer.session.timeout.ms=45000");
	k = get(describe(2, GROUP, "h"), "consumer.session.timeout.ms");
	ck_assert_int_eq(k->config_source, SOURCE_DEFAULT);
	ck_assert_int_eq(describe(2, GROUP, "")->error_code, K_INVALID_REQUEST);
	council_fini(&c);
}

TEST(what_is_decided_by_the_replicas_is_shown_as_decided)
{
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, "one");

	begin(3, NULL);
	t.num_partitions = t.replication_factor = 1;
	council_ask(&c, 1, 19, 7, &in);
	ck_assert(str_eq_c(get(describe(1, TOPIC, "t"), "min.insync.replicas")
				   ->value, "2"));
	ck_assert(str_eq_c(get(describe(1, TOPIC, "one"),
			       "min.insync.replicas")->value, "1"));
	ck_assert(str_eq_c(get(describe(1, BROKER, "1"),
			       "default.replication.factor")->value, "3"));
	council_fini(&c);
}

/* ---- versions, types, keys ----------------------------------------------- */

TEST(types_and_words_come_with_version_3)
{
	begin(2, NULL);
	for (int16_t v = 1; v <= 4; v++) {
		const config *k = get(describe_keys(1, v, TOPIC, "t", NULL, -1),
				      "retention.ms");

		ck_assert_int_eq(k->config_type, v < 3 ? 0 : 5);
		ck_assert_int_eq(k->documentation.n > 0, v >= 3);
		ck_assert_int_eq(k->config_source, SOURCE_DEFAULT);
		ck_assert_int_eq(k->synonyms_n, 1);
	}
	council_fini(&c);
}

TEST(every_type_has_its_number)
{
	const described *t, *b;

	begin(2, NULL);
	t = describe(1, TOPIC, "t");
	b = describe(1, BROKER, "1");
	ck_assert_int_eq(get(t, "preallocate")->config_type, 1);
	ck_assert_int_eq(get(t, "compression.type")->config_type, 2);
	ck_assert_int_eq(get(b, "log.dirs")->config_type, 2);
	ck_assert_int_eq(get(t, "segment.bytes")->config_type, 3);
	ck_assert_int_eq(get(t, "retention.ms")->config_type, 5);
	ck_assert_int_eq(get(t, "min.cleanable.dirty.ratio")->config_type, 6);
	ck_assert_int_eq(get(t, "cleanup.policy")->config_type, 7);
	ck_assert_int_eq(get(b, "listeners")->config_type, 7);
	council_fini(&c);
}

TEST(words_and_synonyms_come_when_they_are_asked_for)
{
	resource r = { TOPIC, STR("t"), -1, NULL };
	struct describe_configs_request in = { 1, &r, false, false };
	const struct describe_configs_response *out;
	const config *k;

	begin(2, NULL);
	out = council_ask(&c, 1, DESCRIBE, 4, &in);
	k = get(&out->results[0], "retention.ms");
	ck_assert_int_eq(k->synonyms_n, 0);
	ck_assert_int_eq(k->documentation.n, -1);
	council_fini(&c);
}

TEST(only_the_keys_that_were_asked_for_are_described)
{
	struct str keys[3] = { STR("retention.ms"), STR("nothing"),
			       STR("segment.ms") };
	const described *d;

	begin(2, NULL);
	d = describe_keys(1, 4, TOPIC, "t", keys, 3);
	ck_assert_int_eq(d->configs_n, 2);
	get(d, "retention.ms");
	get(d, "segment.ms");
	d = describe_keys(1, 4, TOPIC, "t", keys + 1, 1);
	ck_assert_int_eq(d->configs_n, 0);
	ck_assert_int_eq(d->error_code, K_NONE);
	/* no keys are all keys */
	d = describe_keys(1, 4, TOPIC, "t", keys, 0);
	ck_assert_int_eq(d->configs_n, describe(1, TOPIC, "t")->configs_n);
	council_fini(&c);
}

/* ---- what is not there --------------------------------------------------- */

TEST(what_is_not_there_is_not_described)
{
	begin(2, NULL);
	ck_assert_int_eq(describe(1, TOPIC, "no")->error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(describe(1, TOPIC, "a/b")->error_code,
			 K_INVALID_TOPIC_EXCEPTION);
	ck_assert_int_eq(describe(1, BROKER, "2")->error_code,
			 K_INVALID_REQUEST); /* only of itself */
	ck_assert_int_eq(describe(1, BROKER, "one")->error_code,
			 K_INVALID_REQUEST);
	ck_assert_int_eq(describe(1, 77, "t")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(describe(1, 0, "t")->error_code, K_INVALID_REQUEST);
	council_fini(&c);
}

TEST(log_levels_and_metrics_have_names_and_no_settings)
{
	begin(2, NULL);
	ck_assert_int_eq(describe(1, LOGGER, "1")->error_code, K_NONE);
	ck_assert_int_eq(describe(1, LOGGER, "2")->error_code,
			 K_INVALID_REQUEST);
	ck_assert_int_eq(describe(1, LOGGER, "")->error_code,
			 K_INVALID_REQUEST);
	ck_assert_int_eq(describe(1, METRICS, "m")->error_code, K_NONE);
	ck_assert_int_eq(describe(1, METRICS, "")->error_code,
			 K_INVALID_REQUEST);
	council_fini(&c);
}

/* ---- ListConfigResources ------------------------------------------------- */

/* "2 t, 4 1": types and names */
static const char *list(int16_t version, int8_t *types, int32_t n)
{
	struct list_config_resources_request in = { n, types };
	const struct list_config_resources_response *out =
		council_ask(&c, 2, LIST, version, &in);
	const char *text = "";

	if (out->error_code)
		return kerr_text(out->error_code);
	for (int32_t i = 0; i < out->config_resources_n; i++)
		text = arena_printf(&c.arena, "%s%s%d %.*s", text,
				    i ? ", " : "",
				    out->config_resources[i].resource_type,
				    STR_ARG(out->config_resources[i]
						    .resource_name));
	return text;
}

TEST(resources_with_settings_are_listed_by_type)
{
	static int8_t types[] = { TOPIC, GROUP, BROKER };
	static int8_t metrics[] = { METRICS }, more[] = { TOPIC, 77 };
	static int8_t strange[] = { TOPIC, -1 }, twice[] = { TOPIC, TOPIC };

	begin(2, NULL);
	alter(GROUP, "g", "consumer.session.timeout.ms", "50000");
	ck_assert_str_eq(list(0, NULL, 0), "");
	ck_assert_str_eq(list(1, types, 1), "2 t");
	ck_assert_str_eq(list(1, types + 1, 1), "32 g");
	ck_assert_str_eq(list(1, types, 3), "2 t, 4 1, 4 2, 32 g");
	ck_assert_str_eq(list(1, NULL, 0),
			 "2 t, 4 1, 8 1, 4 2, 8 2, 32 g");
	ck_assert_str_eq(list(1, metrics, 1), "");
	ck_assert_str_eq(list(1, twice, 2), "2 t");
	ck_assert_str_eq(list(1, more, 2), kerr_text(K_UNSUPPORTED_VERSION));
	ck_assert_str_eq(list(1, strange, 2),
			 kerr_text(K_UNSUPPORTED_VERSION));
	council_fini(&c);
}
