/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetCommit, OffsetFetch: KIP-211, 289, 320, 345, 516, 709. */
#include "commits.h"

enum { COMMIT = 8, FETCH = 9, DELETE = 47 };
#define AT_ONCE "group.initial.rebalance.delay.ms=0"

static struct council c;

static void begin(int n, const char *set)
{
	council_init(&c, n, set);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 4), K_NONE);
}

/* The error of a commit, whose answer has to be about what was committed. */
static int16_t commit_at(int32_t node, int16_t version, struct commit m)
{
	struct council_call *call = commit_send(&c, node, version, m);
	const struct offset_commit_response_topic *t;
	int16_t error;

	council_pass(&c, 10);
	error = commit_error(call);
	t = ((const struct offset_commit_response *)call->out)->topics;
	ck_assert(str_eq_c(t->name, version < 10 ? m.topic : ""));
	if (version >= 10)
		ck_assert(uuid_eq(t->topic_id, commit_topic_id(&c, m.topic)));
	ck_assert_int_eq(t->partitions[0].partition_index, m.partition);
	return error;
}

static int16_t commit(int16_t version, struct commit m)
{
	return commit_at(1, version, m);
}

/* The answer of a version below 8. */
static const struct offset_fetch_response *
fetch_old(int32_t node, int16_t version, const char *group, const char *topic,
	  int32_t partition)
{
	struct council_call *call = fetch_send(&c, node, version, group, topic,
					       partition);

	council_pass(&c, 10);
	ck_assert(call->done);
	return call->out;
}

/* The only group of the answer of a version from 8 on. */
static const struct offset_fetch_response_group *
fetch_new(int32_t node, int16_t version, const char *group, const char *topic,
	  int32_t partition)
{
	const struct offset_fetch_response *out =
		fetch_old(node, version, group, topic, partition);

	ck_assert_int_eq(out->groups_n, 1);
	ck_assert(str_eq_c(out->groups[0].group_id, group));
	return &out->groups[0];
}

/* What is committed for a partition, whatever the version. */
static const struct offset_fetch_response_partition *
fetch(int16_t version, const char *group, const char *topic, int32_t partition)
{
	const struct offset_fetch_response *old;
	const struct offset_fetch_response_group *g;

	if (version < 8) {
		old = fetch_old(1, version, group, topic, partition);
		ck_assert_int_eq(old->error_code, K_NONE);
		ck_assert_int_eq(old->topics_n, 1);
		ck_assert(str_eq_c(old->topics[0].name, topic));
		ck_assert_int_eq(old->topics[0].partitions_n, 1);
		return &old->topics[0].partitions[0];
	}
	g = fetch_new(1, version, group, topic, partition);
	ck_assert_int_eq(g->error_code, K_NONE);
	ck_assert_int_eq(g->topics_n, 1);
	if (version >= 10)
		ck_assert(uuid_eq(g->topics[0].topic_id,
				  commit_topic_id(&c, topic)));
	else
		ck_assert(str_eq_c(g->topics[0].name, topic));
	ck_assert_int_eq(g->topics[0].partitions_n, 1);
	return &g->topics[0].partitions[0];
}

static int64_t committed(const char *group)
{
	const struct offset_fetch_response_partition *p =
		fetch(9, group, "t", 0);

	ck_assert_int_eq(p->error_code, K_NONE);
	return p->committed_offset;
}

/* ---- what was committed is fetched --------------------------------------- */

TEST(a_commit_of_any_version_is_fetched_by_any_version)
{
	const struct offset_fetch_response_partition *p;
	struct commit m = commit_simple(0);

	begin(1, NULL);
	for (int16_t v = 2; v <= 10; v++) {
		m.offset = 100 + v;
		m.epoch = v;
		ck_assert_int_eq(commit(v, m), K_NONE);
		for (int16_t f = 1; f <= 10; f++) {
			p = fetch(f, "g", "t", 0);
			ck_assert_int_eq(p->error_code, K_NONE);
			ck_assert_int_eq(p->committed_offset, 100 + v);
			ck_assert_int_eq(p->committed_leader_epoch,
					 v >= 6 && f >= 5 ? v : -1);
			ck_assert(str_eq_c(p->metadata, "note"));
		}
	}
	council_fini(&c);
}

TEST(a_commit_without_a_text_is_fetched_with_an_empty_one)
{
	struct commit m = commit_simple(5);

	begin(1, NULL);
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.text = NULL;
	ck_assert_int_eq(commit(9, m), K_NONE);
	ck_assert(str_eq_c(fetch(9, "g", "t", 0)->metadata, ""));
	council_fini(&c);
}

TEST(the_newest_commit_counts_though_it_is_lower)
{
	begin(1, NULL);
	ck_assert_int_eq(commit(8, commit_simple(50)), K_NONE);
	ck_assert_int_eq(commit(8, commit_simple(20)), K_NONE);
	ck_assert_int_eq(committed("g"), 20);
	council_fini(&c);
}

static void expect_nothing(int16_t version, const char *group,
			   const char *topic, int32_t partition)
{
	const struct offset_fetch_response_partition *p =
		fetch(version, group, topic, partition);

	ck_assert_int_eq(p->partition_index, partition);
	ck_assert_int_eq(p->committed_offset, -1);
	ck_assert_int_eq(p->committed_leader_epoch, -1);
	ck_assert(str_eq_c(p->metadata, ""));
	ck_assert_int_eq(p->error_code, version >= 10 && !strcmp(topic, "u")
					? K_UNKNOWN_TOPIC_ID : K_NONE);
}

TEST(what_nobody_committed_is_minus_one_and_no_error)
{
	begin(1, NULL);
	ck_assert_int_eq(commit(9, commit_simple(1)), K_NONE);
	for (int16_t v = 1; v <= 10; v++) {
		expect_nothing(v, "nobody", "t", 0);
		expect_nothing(v, "g", "t", 1);
		expect_nothing(v, "g", "t", 4); /* there is none */
		expect_nothing(v, "g", "u", 0); /* by its id an error */
	}
	council_fini(&c);
}

TEST(all_offsets_of_a_group_are_asked_for_with_null)
{
	const struct offset_fetch_response_group *g;
	const struct offset_fetch_response *old;
	struct commit m = commit_simple(7);

	begin(1, NULL);
	ck_assert_int_eq(council_create(&c, 1, "w", 1), K_NONE);
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.topic = "w";
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.topic = "t";
	m.partition = 3;
	ck_assert_int_eq(commit(9, m), K_NONE);
	for (int16_t v = 2; v <= 7; v++) {
		old = fetch_old(1, v, "g", NULL, 0);
		ck_assert_int_eq(old->topics_n, 2);
		ck_assert(str_eq_c(old->topics[1].name, "w"));
		ck_assert_int_eq(old->topics[0].partitions_n, 2);
		ck_assert_int_eq(old->topics[0].partitions[1].partition_index,
				 3);
		ck_assert_int_eq(fetch_old(1, v, "x", NULL, 0)->topics_n, 0);
	}
	for (int16_t v = 8; v <= 10; v++) {
		g = fetch_new(1, v, "g", NULL, 0);
		ck_assert_int_eq(g->topics_n, 2);
		ck_assert_int_eq(g->topics[0].partitions_n, 2);
		ck_assert_int_eq(g->topics[1].partitions[0].committed_offset,
				 7);
		ck_assert(str_eq_c(g->topics[1].name, v < 10 ? "w" : ""));
		if (v == 10)
			ck_assert(uuid_eq(g->topics[1].topic_id,
					  commit_topic_id(&c, "w")));
		ck_assert_int_eq(fetch_new(1, v, "x", NULL, 0)->topics_n, 0);
	}
	council_fini(&c);
}

TEST(many_groups_are_fetched_at_once) /* KIP-709 */
{
	int32_t zero = 0;
	struct offset_fetch_request_group_topic t = { STR("t"), { { 0 } }, 1,
						      &zero };
	struct offset_fetch_request_group groups[] = {
		{ STR("g"), STR("m"), 3, 1, &t },
		{ STR("nobody"), STR_NULL, -1, 1, &t },
		{ STR("h"), STR_NULL, -1, -1, NULL },
	};
	struct offset_fetch_request in = { .groups_n = 3, .groups = groups };
	const struct offset_fetch_response *out;
	struct commit m = commit_simple(30);

	begin(1, NULL);
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.group = "h";
	m.offset = 31;
	ck_assert_int_eq(commit(9, m), K_NONE);
	out = council_ask(&c, 1, FETCH, 9, &in);
	ck_assert_int_eq(out->groups_n, 3);
	for (int i = 0; i < 3; i++) {
		static const int64_t expected[] = { 30, -1, 31 };

		ck_assert(str_eq(out->groups[i].group_id, groups[i].group_id));
		ck_assert_int_eq(out->groups[i].error_code, K_NONE);
		ck_assert_int_eq(out->groups[i].topics_n, 1);
		ck_assert_int_eq(out->groups[i].topics[0].partitions[0]
					 .committed_offset, expected[i]);
	}
	council_fini(&c);
}

static void delete_topic(const char *name)
{
	struct str names[] = { str_of(name) };
	struct delete_topics_request in = { .topic_names_n = 1,
					    .topic_names = names,
					    .timeout_ms = 1000 };
	const struct delete_topics_response *out =
		council_ask(&c, 1, 20, 5, &in);

	ck_assert_int_eq(out->responses[0].error_code, K_NONE);
}

TEST(offsets_go_with_their_topic)
{
	begin(1, NULL);
	ck_assert_int_eq(council_create(&c, 1, "w", 1), K_NONE);
	for (int i = 0; i < 2; i++) {
		struct commit m = commit_simple(7);

		m.topic = i ? "w" : "t";
		ck_assert_int_eq(commit(10, m), K_NONE);
	}
	delete_topic("t");
	ck_assert_int_eq(committed("g"), -1);
	ck_assert_int_eq(fetch_old(1, 7, "g", NULL, 0)->topics_n, 1);
	ck_assert_int_eq(fetch_new(1, 10, "g", NULL, 0)->topics_n, 1);
	ck_assert_int_eq(council_create(&c, 1, "t", 4), K_NONE);
	ck_assert_int_eq(committed("g"), -1);
	ck_assert_int_eq(fetch_new(1, 9, "g", NULL, 0)->topics_n, 1);
	council_fini(&c);
}

TEST(commits_outlive_the_process_and_its_leadership)
{
	begin(3, NULL);
	ck_assert_int_eq(commit(9, commit_simple(77)), K_NONE);
	council_stop(&c, 1, false);
	council_lead(&c, 2);
	council_pass(&c, 10);
	council_start(&c, 1);
	council_pass(&c, 100);
	council_lead(&c, 1);
	ck_assert_int_eq(committed("g"), 77);
	council_fini(&c);
}

/* ---- what is refused ----------------------------------------------------- */

TEST(a_commit_of_what_does_not_exist_is_refused)
{
	struct commit m = commit_simple(1);

	begin(1, NULL);
	m.topic = "u";
	ck_assert_int_eq(commit(2, m), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(commit(9, m), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(commit(10, m), K_UNKNOWN_TOPIC_ID);
	m.topic = "t";
	for (int16_t v = 9; v <= 10; v++) {
		m.partition = 4;
		ck_assert_int_eq(commit(v, m), K_UNKNOWN_TOPIC_OR_PARTITION);
		m.partition = -1;
		ck_assert_int_eq(commit(v, m), K_UNKNOWN_TOPIC_OR_PARTITION);
	}
	council_fini(&c);
}

TEST(what_is_good_in_a_commit_is_taken_though_the_rest_is_not)
{
	struct offset_commit_request_partition p[] = {
		{ 0, 10, -1, STR("") }, { 9, 11, -1, STR("") },
		{ 3, 12, -1, STR("") } };
	struct offset_commit_request_topic t[] = {
		{ STR("u"), { { 0 } }, 1, p }, { STR("t"), { { 0 } }, 3, p } };
	struct offset_commit_request in = { STR("g"), -1, STR(""), STR_NULL,
					    -1, 2, t };
	const struct offset_commit_response *out;

	begin(1, NULL);
	out = council_ask(&c, 1, COMMIT, 9, &in);
	ck_assert_int_eq(out->topics_n, 2);
	ck_assert(str_eq_c(out->topics[0].name, "u"));
	ck_assert(str_eq_c(out->topics[1].name, "t"));
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(out->topics[1].partitions[0].error_code, K_NONE);
	ck_assert_int_eq(out->topics[1].partitions[1].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(out->topics[1].partitions[1].partition_index, 9);
	ck_assert_int_eq(out->topics[1].partitions[2].error_code, K_NONE);
	ck_assert_int_eq(committed("g"), 10);
	ck_assert_int_eq(fetch(7, "g", "t", 3)->committed_offset, 12);
	council_fini(&c);
}

TEST(a_text_that_is_too_long_is_refused)
{
	struct commit m = commit_simple(2);
	char text[4098];

	begin(1, NULL);
	memset(text, 'x', sizeof(text));
	text[4096] = '\0';
	m.text = text;
	ck_assert_int_eq(commit(9, m), K_NONE);
	text[4096] = 'x';
	text[4097] = '\0';
	m.offset = 3;
	ck_assert_int_eq(commit(2, m), K_OFFSET_METADATA_TOO_LARGE);
	ck_assert_int_eq(commit(10, m), K_OFFSET_METADATA_TOO_LARGE);
	ck_assert_int_eq(committed("g"), 2);
	ck_assert_int_eq(fetch(9, "g", "t", 0)->metadata.n, 4096);
	council_fini(&c);
}

TEST(a_commit_for_an_unknown_group_is_refused_to_members)
{
	struct commit m = commit_simple(1);

	begin(1, NULL);
	m.member = "m";
	m.generation = 0;
	ck_assert_int_eq(commit(8, m), K_ILLEGAL_GENERATION);
	ck_assert_int_eq(commit(9, m), K_GROUP_ID_NOT_FOUND);
	ck_assert_ptr_null(coord_group(node_of(&c, 1)->coord, STR("g")));
	m.generation = -1; /* that is nobody's generation */
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.generation = 0;
	ck_assert_int_eq(commit(9, m), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(a_member_commits_in_its_generation_only)
{
	struct consumer k = consumer_reader();
	struct commit m;

	begin(1, AT_ONCE);
	club_admit(&c, 1, &k);
	m = commit_of(&k, 4);
	ck_assert_int_eq(commit(9, m), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_sync(&c, 1, &k, ""), K_NONE);
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.offset = 5;
	m.generation = k.generation + 1;
	ck_assert_int_eq(commit(9, m), K_ILLEGAL_GENERATION);
	m.generation = -1;
	ck_assert_int_eq(commit(9, m), K_ILLEGAL_GENERATION);
	m.generation = k.generation;
	m.member = "another";
	ck_assert_int_eq(commit(9, m), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(commit(9, commit_simple(5)), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(committed("g"), 4);
	ck_assert_int_eq(club_leave(&c, 1, &k), K_NONE);
	ck_assert_int_eq(commit(9, commit_of(&k, 6)), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(commit(9, commit_simple(7)), K_NONE);
	ck_assert_int_eq(committed("g"), 7);
	council_fini(&c);
}

TEST(a_static_member_commits_under_its_own_id_only) /* KIP-345 */
{
	struct consumer k = consumer_reader();
	struct commit m;

	begin(1, AT_ONCE);
	k.instance = "i";
	club_gather(&c, 1, &k, 1);
	m = commit_of(&k, 4);
	m.instance = "i";
	ck_assert_int_eq(commit(7, m), K_NONE);
	m.instance = "other";
	ck_assert_int_eq(commit(7, m), K_UNKNOWN_MEMBER_ID);
	m.instance = "i";
	m.member = "former";
	ck_assert_int_eq(commit(7, m), K_FENCED_INSTANCE_ID);
	ck_assert_int_eq(committed("g"), 4);
	council_fini(&c);
}

TEST(a_commit_of_nothing_makes_no_group)
{
	struct offset_commit_request in = { STR("g"), -1, STR(""), STR_NULL,
					    -1, 0, NULL };
	const struct offset_commit_response *out;
	struct commit m = commit_simple(1);
	int before;

	begin(1, NULL);
	before = c.log_n;
	out = council_ask(&c, 1, COMMIT, 9, &in);
	ck_assert_int_eq(out->topics_n, 0);
	m.topic = "u";
	ck_assert_int_eq(commit(9, m), K_UNKNOWN_TOPIC_OR_PARTITION);
	m.topic = "t";
	m.partition = 4;
	ck_assert_int_eq(commit(10, m), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(c.log_n, before);
	ck_assert_ptr_null(coord_group(node_of(&c, 1)->coord, STR("g")));
	council_fini(&c);
}

TEST(who_commits_in_vain_is_not_alive)
{
	struct consumer k = consumer_reader();
	struct commit m;

	begin(1, AT_ONCE);
	k.session_ms = 6000;
	club_gather(&c, 1, &k, 1);
	council_pass(&c, 4000);
	m = commit_of(&k, 1);
	m.generation--;
	ck_assert_int_eq(commit(9, m), K_ILLEGAL_GENERATION);
	council_pass(&c, 2100);
	ck_assert_int_eq(commit(9, commit_of(&k, 1)), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(who_commits_is_alive)
{
	struct consumer k = consumer_reader();

	begin(1, AT_ONCE);
	k.session_ms = 6000;
	club_gather(&c, 1, &k, 1);
	for (int i = 0; i < 4; i++) {
		council_pass(&c, 5000);
		ck_assert_int_eq(commit(5, commit_of(&k, i)), K_NONE);
	}
	council_pass(&c, 6100);
	ck_assert_int_eq(commit(5, commit_of(&k, 9)), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(committed("g"), 3);
	council_fini(&c);
}

TEST(an_empty_group_id_is_good_for_commits_alone)
{
	struct offset_delete_request in = { .group_id = STR("") };
	const struct offset_delete_response *out;
	struct commit m = commit_simple(8);

	begin(1, NULL);
	m.group = "";
	ck_assert_int_eq(commit(2, m), K_NONE);
	ck_assert_int_eq(committed(""), 8);
	ck_assert_int_eq(fetch(1, "", "t", 0)->committed_offset, 8);
	out = council_ask(&c, 1, DELETE, 0, &in);
	ck_assert_int_eq(out->error_code, K_INVALID_GROUP_ID);
	council_fini(&c);
}

TEST(there_are_no_more_offsets_than_the_limit)
{
	struct commit m = commit_simple(1);

	begin(1, "max.offsets=2");
	for (m.partition = 0; m.partition < 2; m.partition++)
		ck_assert_int_eq(commit(9, m), K_NONE);
	ck_assert_int_eq(commit(9, m), K_COORDINATOR_NOT_AVAILABLE);
	expect_nothing(9, "g", "t", 2);
	for (int16_t v = 9; v <= 10; v++) { /* goes on with those it has */
		m = commit_simple(v);
		ck_assert_int_eq(commit(v, m), K_NONE);
		ck_assert_int_eq(committed("g"), v);
	}
	council_fini(&c);
}

TEST(there_are_no_more_groups_than_the_limit)
{
	struct commit m = commit_simple(1);

	begin(1, "max.groups=1");
	ck_assert_int_eq(commit(9, m), K_NONE);
	m.group = "h";
	ck_assert_int_eq(commit(9, m), K_COORDINATOR_NOT_AVAILABLE);
	m.group = "g";
	m.offset = 2;
	ck_assert_int_eq(commit(9, m), K_NONE);
	ck_assert_int_eq(committed("g"), 2);
	council_fini(&c);
}

/* ---- who coordinates ----------------------------------------------------- */

/* All of them, as the node that is asked sees it. */
static void expect_refused(int32_t node, int16_t error)
{
	const struct offset_fetch_response_group *g;
	const struct offset_fetch_response *old;
	struct commit m = commit_simple(9);

	m.partition = 3;
	for (int16_t v = 2; v <= 10; v++)
		ck_assert_int_eq(commit_at(node, v, m), error);
	old = fetch_old(node, 1, "g", "t", 2); /* has no error of all */
	ck_assert_int_eq(old->topics_n, 1);
	ck_assert(str_eq_c(old->topics[0].name, "t"));
	ck_assert_int_eq(old->topics[0].partitions[0].partition_index, 2);
	ck_assert_int_eq(old->topics[0].partitions[0].error_code, error);
	ck_assert_int_eq(old->topics[0].partitions[0].committed_offset, -1);
	for (int16_t v = 2; v <= 7; v++) {
		old = fetch_old(node, v, "g", v % 2 ? NULL : "t", 0);
		ck_assert_int_eq(old->error_code, error);
		ck_assert_int_eq(old->topics_n, 0);
	}
	for (int16_t v = 8; v <= 10; v++) {
		g = fetch_new(node, v, "g", v % 2 ? NULL : "t", 0);
		ck_assert_int_eq(g->error_code, error);
		ck_assert_int_eq(g->topics_n, 0);
	}
}

TEST(only_the_quorum_leader_takes_commits_and_tells_them)
{
	struct offset_delete_request in = { .group_id = STR("g") };
	const struct offset_delete_response *out;

	begin(3, NULL);
	ck_assert_int_eq(commit(9, commit_simple(1)), K_NONE);
	expect_refused(2, K_NOT_COORDINATOR);
	out = council_ask(&c, 3, DELETE, 0, &in);
	ck_assert_int_eq(out->error_code, K_NOT_COORDINATOR);
	ck_assert_int_eq(committed("g"), 1);
	council_fini(&c);
}

TEST(a_new_coordinator_says_that_it_is_loading)
{
	begin(3, NULL);
	ck_assert_int_eq(commit(9, commit_simple(1)), K_NONE);
	c.doubted = true; /* it does not know yet what was agreed */
	council_lead(&c, 2);
	council_pass(&c, 10);
	expect_refused(2, K_COORDINATOR_LOAD_IN_PROGRESS);
	expect_refused(1, K_NOT_COORDINATOR);
	council_confirm(&c, c.reads_n, true);
	ck_assert_int_eq(fetch_new(2, 9, "g", "t", 0)->topics[0].partitions[0]
				 .committed_offset, 1);
	council_fini(&c);
}

TEST(who_never_gets_to_coordinate_takes_nothing)
{
	begin(3, NULL);
	c.doubted = true;
	council_lead(&c, 2);
	council_lead(&c, 3);
	council_confirm(&c, c.reads_n, true); /* of 2 and of 3 */
	council_pass(&c, 10);
	expect_refused(2, K_NOT_COORDINATOR);
	ck_assert_int_eq(fetch_new(3, 9, "g", NULL, 0)->error_code, K_NONE);
	council_fini(&c);
}

TEST(a_fetch_is_answered_when_the_leader_is_sure_that_it_leads)
{
	const struct offset_fetch_response *out;
	struct council_call *call;

	begin(1, NULL);
	ck_assert_int_eq(commit(9, commit_simple(3)), K_NONE);
	c.doubted = true;
	call = fetch_send(&c, 1, 9, "g", "t", 0);
	council_pass(&c, 100);
	ck_assert(!call->done);
	ck_assert_int_eq(commit(9, commit_simple(4)), K_NONE);
	council_confirm(&c, c.reads_n, true);
	council_pass(&c, 1);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->groups[0].topics[0].partitions[0]
				 .committed_offset, 4);
	council_fini(&c);
}

TEST(a_leader_that_cannot_be_sure_tells_no_offsets)
{
	struct council_call *call[3];
	const struct offset_fetch_response *out;

	begin(1, NULL);
	ck_assert_int_eq(commit(9, commit_simple(3)), K_NONE);
	c.doubted = true;
	call[0] = fetch_send(&c, 1, 1, "g", "t", 0);
	call[1] = fetch_send(&c, 1, 7, "g", "t", 0);
	call[2] = fetch_send(&c, 1, 8, "g", "t", 0);
	council_pass(&c, 1);
	council_confirm(&c, c.reads_n, false);
	council_pass(&c, 1);
	for (int i = 0; i < 3; i++)
		ck_assert(call[i]->done);
	out = call[0]->out;
	ck_assert_int_eq(out->topics[0].partitions[0].error_code,
			 K_NOT_COORDINATOR);
	ck_assert_int_eq(out->topics[0].partitions[0].committed_offset, -1);
	out = call[1]->out;
	ck_assert_int_eq(out->error_code, K_NOT_COORDINATOR);
	ck_assert_int_eq(out->topics_n, 0);
	out = call[2]->out;
	ck_assert_int_eq(out->groups[0].error_code, K_NOT_COORDINATOR);
	ck_assert_int_eq(out->groups[0].topics_n, 0);
	council_fini(&c);
}

/* ---- the quorum ---------------------------------------------------------- */

TEST(a_commit_waits_until_it_is_agreed_on)
{
	struct council_call *call;
	int before;

	begin(3, NULL);
	ck_assert_int_eq(commit(9, commit_simple(1)), K_NONE);
	c.stalled = true;
	before = c.log_n;
	call = commit_send(&c, 1, 9, commit_simple(2));
	council_pass(&c, 20);
	ck_assert(!call->done);
	ck_assert_int_eq(committed("g"), 1);
	c.stalled = false;
	council_pass(&c, 1);
	ck_assert_int_eq(commit_error(call), K_NONE);
	ck_assert_int_eq(committed("g"), 2);
	ck_assert_int_eq(c.log_n, before + 1);
	council_fini(&c);
}

/* A commit of 2 after one of 1, when the leader is lost: what the next leader
 * has then. */
static int64_t lose_leader(bool kept)
{
	struct council_call *call;

	begin(3, NULL);
	ck_assert_int_eq(commit(9, commit_simple(1)), K_NONE);
	c.stalled = true;
	call = commit_send(&c, 1, 9, commit_simple(2));
	council_pass(&c, 20);
	council_drop(&c, kept);
	council_lead(&c, 2);
	council_pass(&c, 1);
	ck_assert_int_eq(commit_error(call), K_NOT_COORDINATOR);
	c.stalled = false;
	council_pass(&c, 100);
	return fetch_new(2, 9, "g", "t", 0)->topics[0].partitions[0]
		.committed_offset;
}

TEST(a_commit_whose_leader_was_lost_is_answered_so_and_may_count)
{
	ck_assert_int_eq(lose_leader(true), 2);
	council_fini(&c);
	ck_assert_int_eq(lose_leader(false), 1);
	council_fini(&c);
}

TEST(a_commit_is_repeated_at_the_next_leader)
{
	lose_leader(true);
	ck_assert_int_eq(commit_at(2, 9, commit_simple(3)), K_NONE);
	ck_assert_int_eq(fetch_new(2, 9, "g", "t", 0)->topics[0].partitions[0]
				 .committed_offset, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(node_of(&c, i + 1)->coord->offsets_n, 1);
	council_fini(&c);
}

/* ---- expiry (KIP-211) ---------------------------------------------------- */

TEST(offsets_of_nobody_expire_after_their_retention)
{
	struct commit m = commit_simple(5);

	begin(1, "offsets.retention.minutes=1 "
		 "offsets.retention.check.interval.ms=1000");
	ck_assert_int_eq(commit(9, m), K_NONE);
	council_pass(&c, 30000);
	m.partition = 1;
	ck_assert_int_eq(commit(9, m), K_NONE);
	council_pass(&c, 29000);
	ck_assert_int_eq(committed("g"), 5);
	council_pass(&c, 2500);
	ck_assert_int_eq(committed("g"), -1);
	ck_assert_int_eq(fetch(9, "g", "t", 1)->committed_offset, 5);
	council_pass(&c, 30000);
	ck_assert_ptr_null(coord_group(node_of(&c, 1)->coord, STR("g")));
	council_fini(&c);
}

TEST(a_retention_of_its_own_counts_in_old_versions)
{
	struct commit m = commit_simple(5);

	begin(1, "offsets.retention.check.interval.ms=1000");
	m.retention_ms = 10000;
	ck_assert_int_eq(commit(4, m), K_NONE);
	m.partition = 1;
	ck_assert_int_eq(commit(5, m), K_NONE); /* has no place for it */
	council_pass(&c, 9000);
	ck_assert_int_eq(committed("g"), 5);
	council_pass(&c, 2500);
	ck_assert_int_eq(committed("g"), -1);
	ck_assert_int_eq(fetch(9, "g", "t", 1)->committed_offset, 5);
	council_fini(&c);
}
