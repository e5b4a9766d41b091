/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteTopics, by name and by id: KIP-4, 516. */
#include "council.h"

enum { DELETE = 20 };

typedef struct delete_topics_request_topic doomed;

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
}

static bool exists(const char *name)
{
	return cluster_topic(c.nodes[0].cluster, str_of(name)) != NULL;
}

static struct delete_topics_request deletion(doomed *v, int32_t n)
{
	struct delete_topics_request in;

	wire_preset(&delete_topics_request_type, &in);
	in.timeout_ms = 5000;
	in.topics_n = n;
	in.topics = v;
	return in;
}

static struct delete_topics_response *delete(doomed *v, int32_t n)
{
	struct delete_topics_request in = deletion(v, n);

	return council_ask(&c, 2, DELETE, 6, &in);
}

static struct delete_topics_response *delete_names(int16_t version,
						   struct str *v, int32_t n)
{
	struct delete_topics_request in = deletion(NULL, 0);

	in.topic_names_n = n;
	in.topic_names = v;
	return council_ask(&c, 2, DELETE, version, &in);
}

/* The answer for that name; only if it is there once. */
static const struct delete_topics_response_response *deleted(
	const struct delete_topics_response *out, const char *name)
{
	const struct delete_topics_response_response *found = NULL;

	for (int32_t i = 0; i < out->responses_n; i++)
		if (str_eq_c(out->responses[i].name, name)) {
			ck_assert_msg(!found, "%s comes twice", name);
			found = &out->responses[i];
		}
	ck_assert_msg(found, "%s is not in the answer", name);
	return found;
}

static struct uuid id_of(const char *name)
{
	return cluster_topic(c.nodes[0].cluster, str_of(name))->id;
}

TEST(topics_are_deleted_by_name_in_every_version)
{
	const struct delete_topics_response *out;

	begin(2, NULL);
	for (int16_t v = 1; v <= 5; v++) {
		struct str names[3] = { STR("t"), STR("gone"), STR("") };

		ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
		out = delete_names(v, names, 3);
		ck_assert_int_eq(out->responses_n, 3);
		ck_assert_int_eq(deleted(out, "")->error_code,
				 K_UNKNOWN_TOPIC_OR_PARTITION);
		ck_assert_int_eq(deleted(out, "t")->error_code, K_NONE);
		ck_assert_int_eq(deleted(out, "gone")->error_code,
				 K_UNKNOWN_TOPIC_OR_PARTITION);
		ck_assert_int_eq(deleted(out, "gone")->error_message.n > 0,
				 v >= 5);
		ck_assert(!exists("t"));
	}
	council_fini(&c);
}

TEST(topics_are_deleted_by_name_or_id)
{
	struct uuid a, b, nobody = { { 7 } };
	const struct delete_topics_response *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "b", 1), K_NONE);
	a = id_of("a");
	b = id_of("b");
	out = delete((doomed[]){ { STR("a"), { { 0 } } }, { STR_NULL, b },
				 { STR_NULL, nobody } }, 3);
	ck_assert_int_eq(out->responses_n, 3);
	ck_assert_int_eq(deleted(out, "a")->error_code, K_NONE);
	ck_assert(uuid_eq(deleted(out, "a")->topic_id, a));
	ck_assert_int_eq(deleted(out, "b")->error_code, K_NONE);
	ck_assert(uuid_eq(deleted(out, "b")->topic_id, b));
	ck_assert_int_eq(out->responses[2].error_code, K_UNKNOWN_TOPIC_ID);
	ck_assert_int_eq(out->responses[2].name.n, -1);
	ck_assert(uuid_eq(out->responses[2].topic_id, nobody));
	ck_assert(!exists("a") && !exists("b"));
	council_fini(&c);
}

TEST(a_topic_to_delete_has_a_name_or_an_id)
{
	const struct delete_topics_response *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	out = delete((doomed[]){ { STR("a"), id_of("a") } }, 1);
	ck_assert_int_eq(out->responses_n, 1);
	ck_assert_int_eq(deleted(out, "a")->error_code, K_INVALID_REQUEST);
	ck_assert(uuid_eq(deleted(out, "a")->topic_id, id_of("a")));
	out = delete((doomed[]){ { STR_NULL, { { 0 } } } }, 1);
	ck_assert_int_eq(out->responses_n, 1);
	ck_assert_int_eq(out->responses[0].error_code, K_INVALID_REQUEST);
	ck_assert(str_eq_c(out->responses[0].error_message,
			   "Neither topic name nor id were specified."));
	ck_assert(exists("a"));
	council_fini(&c);
}

TEST(what_is_to_be_deleted_twice_is_not_deleted_and_told_once)
{
	struct str names[3] = { STR("a"), STR("b"), STR("a") };
	struct uuid b;
	const struct delete_topics_response *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	ck_assert_int_eq(council_create(&c, 1, "b", 1), K_NONE);
	b = id_of("b");
	out = delete((doomed[]){ { STR_NULL, b }, { STR_NULL, b } }, 2);
	ck_assert_int_eq(out->responses_n, 1);
	ck_assert_int_eq(out->responses[0].error_code, K_INVALID_REQUEST);
	ck_assert(uuid_eq(out->responses[0].topic_id, b));
	ck_assert_int_eq(out->responses[0].name.n, -1);
	out = delete_names(5, names, 3);
	ck_assert_int_eq(out->responses_n, 2);
	ck_assert_int_eq(deleted(out, "a")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(deleted(out, "b")->error_code, K_NONE);
	ck_assert(exists("a") && !exists("b"));
	council_fini(&c);
}

TEST(a_name_and_an_id_of_one_topic_contradict_each_other)
{
	struct uuid a;
	const struct delete_topics_response *out;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	a = id_of("a");
	out = delete((doomed[]){ { STR("a"), { { 0 } } }, { STR_NULL, a } }, 2);
	ck_assert_int_eq(out->responses_n, 1);
	ck_assert_int_eq(deleted(out, "a")->error_code, K_INVALID_REQUEST);
	ck_assert(uuid_eq(deleted(out, "a")->topic_id, a));
	out = delete((doomed[]){ { STR_NULL, a }, { STR("a"), { { 0 } } },
				 { STR_NULL, a } }, 3);
	ck_assert_int_eq(out->responses_n, 2); /* the id's double, too */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(out->responses[i].error_code,
				 K_INVALID_REQUEST);
	ck_assert(exists("a"));
	council_fini(&c);
}

TEST(where_nothing_is_left_to_delete_nobody_is_asked)
{
	struct delete_topics_request in = deletion(NULL, 0);
	struct str names[2] = { STR("a"), STR("a") };
	const struct delete_topics_response *out;
	int before;

	begin(2, NULL);
	ck_assert_int_eq(council_create(&c, 1, "a", 1), K_NONE);
	before = c.log_n;
	out = council_ask(&c, 2, DELETE, 6, &in);
	ck_assert_int_eq(out->responses_n, 0);
	out = delete_names(5, names, 2);
	ck_assert_int_eq(deleted(out, "a")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(c.log_n, before);
	ck_assert(exists("a"));
	council_fini(&c);
}

TEST(deleting_can_be_switched_off)
{
	struct str t = STR("t");

	begin(2, "delete.topic.enable=false");
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
	for (int16_t v = 1; v <= 5; v++)
		ck_assert_int_eq(deleted(delete_names(v, &t, 1), "t")
					 ->error_code,
				 v < 3 ? K_INVALID_REQUEST :
					 K_TOPIC_DELETION_DISABLED);
	ck_assert_int_eq(delete((doomed[]){ { STR_NULL, id_of("t") } }, 1)
				 ->responses[0].error_code,
			 K_TOPIC_DELETION_DISABLED);
	ck_assert(exists("t"));
	council_fini(&c);
}
