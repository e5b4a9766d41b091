/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings and what a value may be. */
#include "stage.h"

static struct arena arena;

static const char *refusal(const char *name, const char *value, int scope)
{
	const char *why = setting_refusal(str_of(name), str_of(value), scope,
					  &arena);

	return why ? why : "";
}

TEST(every_default_is_a_legal_value)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &settings[i];
		bool unset = s->preset[0] == '\0';

		ck_assert_msg(s->name && s->doc, "row %zu", i);
		ck_assert_ptr_eq(setting_find(str_of(s->name)), s);
		if (!unset)
			ck_assert_msg(!setting_fault(s, str_of(s->preset),
						     &arena), "%s", s->name);
		else
			ck_assert_msg(s->broker_name || s->min <= 0, "%s",
				      s->name);
	}
	arena_fini(&arena);
}

TEST(every_topic_setting_has_a_default_of_its_own_kind)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &settings[i], *b;

		if (!s->broker_name)
			continue;
		b = setting_find(str_of(s->broker_name));
		ck_assert_msg(b != NULL, "%s", s->name);
		ck_assert_msg(b->scope & SETTING_NODE, "%s", s->name);
		ck_assert_msg(b->type == s->type && b->min == s->min &&
			      b->max == s->max, "%s", s->name);
	}
}

TEST(other_names_of_kafka_are_no_settings)
{
	const struct setting_alias *a =
		setting_alias_find(STR("log.retention.hours"));

	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(a->id, SETTING_LOG_RETENTION_MS);
	ck_assert_int_eq(a->factor, 3600000);
	ck_assert_ptr_null(setting_find(STR("log.retention.hours")));
	ck_assert_ptr_nonnull(setting_ignored(STR("zookeeper.connect")));
	ck_assert_ptr_null(setting_ignored(STR("ssl.keystore.location")));
	ck_assert_ptr_null(setting_ignored(STR("node.id")));
}

TEST(values_are_checked)
{
	int topic = SETTING_TOPIC;

	ck_assert_str_eq(refusal("retention.ms", "-1", topic), "");
	ck_assert_str_eq(refusal("retention.ms", " 7 ", topic), "");
	ck_assert_str_eq(refusal("retention.ms", "-2", topic),
			 "Invalid value -2 for configuration retention.ms: "
			 "must be at least -1");
	ck_assert_str_eq(refusal("retention.ms", "1e3", topic),
			 "Invalid value 1e3 for configuration retention.ms: "
			 "not a number of type LONG");
	ck_assert_str_ne(refusal("max.message.bytes", "2147483648", topic), "");
	ck_assert_str_ne(refusal("min.insync.replicas", "0", topic), "");
	ck_assert_str_eq(refusal("preallocate", "TRUE", topic), "");
	ck_assert_str_ne(refusal("preallocate", "yes", topic), "");
	ck_assert_str_ne(refusal("remote.storage.enable", "true", topic), "");
	ck_assert_str_eq(refusal("cleanup.policy", "compact, delete", topic),
			 "");
	ck_assert_str_ne(refusal("cleanup.policy", "compact,x", topic), "");
	ck_assert_str_eq(refusal("cleanup.policy", "", topic), "");
	ck_assert_str_ne(refusal("durability", "Disk", topic), "");
	ck_assert_str_eq(refusal("min.cleanable.dirty.ratio", "0.25", topic),
			 "");
	ck_assert_str_ne(refusal("min.cleanable.dirty.ratio", "1.5", topic),
			 "");
	ck_assert_str_ne(refusal("min.cleanable.dirty.ratio", ".", topic), "");
	ck_assert_str_ne(refusal("retention.ms", NULL, topic), "");
	arena_fini(&arena);
}

TEST(an_unknown_name_is_refused_with_the_nearest)
{
	ck_assert_str_eq(refusal("retention.mss", "1", SETTING_TOPIC),
			 "Unknown configuration retention.mss; did you mean "
			 "retention.ms?");
	ck_assert_str_eq(refusal("what.is.this", "1", SETTING_TOPIC),
			 "Unknown configuration what.is.this.");
	ck_assert_str_eq(refusal("log.retention.ms", "1", SETTING_TOPIC),
			 "Unknown configuration log.retention.ms; did you mean "
			 "retention.ms?");
	arena_fini(&arena);
}

TEST(what_is_read_at_start_is_not_changed_at_run_time)
{
	ck_assert_str_eq(refusal("shards", "1", SETTING_CLUSTER),
			 "Cannot update shards at run time: it is read at "
			 "start.");
	ck_assert_str_eq(refusal("min.insync.replicas", "1", SETTING_BROKER),
			 "min.insync.replicas is the same on all brokers: it "
			 "cannot be set for one.");
	ck_assert_str_eq(refusal("log.retention.ms", "1", SETTING_BROKER), "");
	arena_fini(&arena);
}

TEST(values_are_read)
{
	ck_assert_int_eq(setting_number(" 42 "), 42);
	ck_assert(setting_bool("True"));
	ck_assert(!setting_bool("false"));
	ck_assert_double_eq_tol(setting_double("0.25"), 0.25, 1e-12);
	ck_assert(setting_list_has("compact, delete", "delete"));
	ck_assert(!setting_list_has("compacted", "compact"));
}

TEST_ABORTS(a_number_that_was_never_checked_is_a_bug)
{
	setting_number("x");
}
