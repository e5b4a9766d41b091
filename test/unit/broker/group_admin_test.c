/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeGroups, ListGroups, DeleteGroups, FindCoordinator: KIP-229, 345, 430,
 * 518, 699, 1043. */
#include "commits.h"

enum { DESCRIBE = 15, LIST = 16, DELETE = 42 };
#define AT_ONCE "group.initial.rebalance.delay.ms=0"

static struct council c;

static void begin(int n)
{
	council_init(&c, n, AT_ONCE);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 1), K_NONE);
}

static void make_stable(struct consumer *k, const char *group)
{
	k->group = group;
	club_gather(&c, 1, k, 1);
}

/* A group without members, by an offset of it. */
static void make_simple(const char *group)
{
	struct commit m = commit_simple(1);

	m.group = group;
	commit_must(&c, m);
}

/* ---- DescribeGroups ------------------------------------------------------ */

static const struct describe_groups_response_group *
describe(int32_t node, int16_t version, const char *group)
{
	struct str name = str_of(group);
	struct describe_groups_request in = { 1, &name, version >= 3 };
	const struct describe_groups_response *out =
		council_ask(&c, node, DESCRIBE, version, &in);

	ck_assert_int_eq(out->groups_n, 1);
	ck_assert(str_eq_c(out->groups[0].group_id, group));
	return &out->groups[0];
}

static void expect_text(struct bytes b, const char *text)
{
	ck_assert_int_eq(b.n, (int)strlen(text));
	ck_assert(memcmp(b.p, text, strlen(text)) == 0);
}

TEST(a_stable_group_is_described_with_what_its_members_do)
{
	struct consumer k = consumer_reader();
	const struct describe_groups_response_group *g;
	const struct describe_groups_response_member *m;

	begin(1);
	k.instance = "i";
	make_stable(&k, "g");
	for (int16_t v = 0; v <= 6; v++) {
		g = describe(1, v, "g");
		ck_assert_int_eq(g->error_code, K_NONE);
		ck_assert(str_eq_c(g->group_state, "Stable"));
		ck_assert(str_eq_c(g->protocol_type, "consumer"));
		ck_assert(str_eq_c(g->protocol_data, "range"));
		ck_assert_int_eq(g->error_message.n, -1);
		ck_assert_int_eq(g->members_n, 1);
		m = &g->members[0];
		ck_assert(str_eq_c(m->member_id, k.member));
		ck_assert(str_eq(m->group_instance_id,
				 v >= 4 ? STR("i") : STR_NULL));
		ck_assert(str_eq_c(m->client_id, "test"));
		ck_assert(str_eq_c(m->client_host, "/10.0.0.7"));
		ck_assert_int_eq(m->member_metadata.n, 13);
		ck_assert_int_eq(m->member_metadata.p[8], 't');
		ck_assert(memcmp(m->member_metadata.p, k.metadata.p, 13) == 0);
		expect_text(m->member_assignment, "part-0");
	}
	council_fini(&c);
}

TEST(a_group_that_waits_for_its_assignment_shows_no_metadata)
{
	const struct describe_groups_response_group *g;
	struct consumer k = consumer_reader();

	begin(1);
	club_admit(&c, 1, &k);
	g = describe(1, 5, "g");
	ck_assert_int_eq(g->error_code, K_NONE);
	ck_assert(str_eq_c(g->group_state, "CompletingRebalance"));
	ck_assert(str_eq_c(g->protocol_type, "consumer"));
	ck_assert(str_eq_c(g->protocol_data, ""));
	ck_assert_int_eq(g->members_n, 1);
	ck_assert(str_eq_c(g->members[0].member_id, k.member));
	ck_assert_int_eq(g->members[0].group_instance_id.n, -1);
	expect_text(g->members[0].member_metadata, "");
	expect_text(g->members[0].member_assignment, "");
	council_fini(&c);
}

TEST(a_group_without_members_is_empty)
{
	const struct describe_groups_response_group *g;
	struct consumer k = consumer_reader();

	begin(1);
	make_simple("simple");
	g = describe(1, 6, "simple");
	ck_assert_int_eq(g->error_code, K_NONE);
	ck_assert(str_eq_c(g->group_state, "Empty"));
	ck_assert(str_eq_c(g->protocol_type, ""));
	ck_assert_int_eq(g->members_n, 0);
	make_stable(&k, "left");
	ck_assert_int_eq(club_leave(&c, 1, &k), K_NONE);
	g = describe(1, 6, "left");
	ck_assert(str_eq_c(g->group_state, "Empty"));
	ck_assert(str_eq_c(g->protocol_type, "consumer"));
	ck_assert(str_eq_c(g->protocol_data, ""));
	ck_assert_int_eq(g->members_n, 0);
	council_fini(&c);
}

TEST(a_group_that_is_not_there_is_dead_or_not_found) /* KIP-1043 */
{
	const struct describe_groups_response_group *g;

	begin(1);
	for (int16_t v = 0; v <= 6; v++) {
		g = describe(1, v, "nobody");
		ck_assert(str_eq_c(g->group_state, "Dead"));
		ck_assert_int_eq(g->members_n, 0);
		ck_assert_int_eq(g->error_code,
				 v < 6 ? K_NONE : K_GROUP_ID_NOT_FOUND);
	}
	ck_assert(str_eq_c(g->error_message, "Group nobody not found."));
	council_fini(&c);
}

TEST(what_may_be_done_to_a_group_is_told_when_asked_for) /* KIP-430 */
{
	struct str name = STR("simple");
	struct describe_groups_request in = { 1, &name, false };
	const struct describe_groups_response *out;
	/* read, delete, describe, describe configs, alter configs */
	const int32_t all = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

	begin(1);
	make_simple("simple");
	out = council_ask(&c, 1, DESCRIBE, 5, &in);
	ck_assert_int_eq(out->groups[0].authorized_operations, INT32_MIN);
	ck_assert_int_eq(describe(1, 3, "simple")->authorized_operations, all);
	ck_assert_int_eq(describe(1, 5, "nobody")->authorized_operations, all);
	ck_assert_int_eq(describe(1, 6, "nobody")->authorized_operations,
			 INT32_MIN);
	council_fini(&c);
}

TEST(many_groups_are_described_in_the_order_they_are_asked_for)
{
	struct str names[] = { STR("nobody"), STR("simple"), STR("") };
	struct describe_groups_request in = { 3, names, false };
	const struct describe_groups_response *out;

	begin(1);
	make_simple("simple");
	make_simple("");
	out = council_ask(&c, 1, DESCRIBE, 5, &in);
	ck_assert_int_eq(out->groups_n, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert(str_eq(out->groups[i].group_id, names[i]));
		ck_assert_int_eq(out->groups[i].error_code, K_NONE);
		ck_assert(str_eq_c(out->groups[i].group_state,
				   i ? "Empty" : "Dead"));
	}
	council_fini(&c);
}

/* ---- ListGroups ---------------------------------------------------------- */

/* The names, in order, a space between. */
static const char *list(int16_t version, const char *state, const char *type)
{
	struct str states[] = { STR("Dead"), str_of(state) };
	struct str types[] = { STR("share"), str_of(type) };
	struct list_groups_request in = { state ? 2 : 0, states,
					  type ? 2 : 0, types };
	const struct list_groups_response *out =
		council_ask(&c, 1, LIST, version, &in);
	const char *text = "";

	ck_assert_int_eq(out->error_code, K_NONE);
	for (int32_t i = 0; i < out->groups_n; i++)
		text = arena_printf(&c.arena, "%s%s%.*s", text, i ? " " : "",
				    STR_ARG(out->groups[i].group_id));
	return text;
}

TEST(groups_are_listed_with_their_kind_and_state)
{
	struct list_groups_request in = { 0 };
	const struct list_groups_response *out;
	struct consumer k = consumer_reader();

	begin(1);
	ck_assert_str_eq(list(0, NULL, NULL), "");
	make_simple("a");
	make_stable(&k, "b");
	for (int16_t v = 0; v <= 5; v++) {
		ck_assert_str_eq(list(v, NULL, NULL), "a b");
		out = council_ask(&c, 1, LIST, v, &in);
		ck_assert(str_eq_c(out->groups[0].protocol_type, ""));
		ck_assert(str_eq_c(out->groups[1].protocol_type, "consumer"));
		ck_assert(str_eq_c(out->groups[0].group_state,
				   v >= 4 ? "Empty" : ""));
		ck_assert(str_eq_c(out->groups[1].group_state,
				   v >= 4 ? "Stable" : ""));
		ck_assert(str_eq_c(out->groups[1].group_type,
				   v >= 5 ? "classic" : ""));
	}
	council_fini(&c);
}

TEST(groups_are_listed_by_state_whatever_its_case) /* KIP-518 */
{
	struct consumer b = consumer_reader(), d = b;

	begin(1);
	make_simple("a");
	make_stable(&b, "b");
	d.group = "d";
	club_admit(&c, 1, &d);
	ck_assert_str_eq(list(4, "Empty", NULL), "a");
	ck_assert_str_eq(list(4, "stable", NULL), "b");
	ck_assert_str_eq(list(5, "COMPLETINGREBALANCE", NULL), "d");
	ck_assert_str_eq(list(5, "Dead", NULL), "");
	ck_assert_str_eq(list(5, "Stabl", NULL), "");
	ck_assert_str_eq(list(5, "Stably", NULL), "");
	council_fini(&c);
}

TEST(groups_are_listed_by_type) /* KIP-1043 */
{
	struct consumer b = consumer_reader();

	begin(1);
	make_simple("a");
	make_stable(&b, "b");
	ck_assert_str_eq(list(5, NULL, "classic"), "a b");
	ck_assert_str_eq(list(5, NULL, "Classic"), "a b");
	ck_assert_str_eq(list(5, NULL, "consumer"), "");
	ck_assert_str_eq(list(5, "Stable", "classic"), "b");
	ck_assert_str_eq(list(5, "Stable", "consumer"), "");
	council_fini(&c);
}

TEST(each_node_lists_the_groups_it_coordinates)
{
	struct list_groups_request in = { 0 };
	const struct list_groups_response *out;

	begin(3);
	make_simple("a");
	out = council_ask(&c, 2, LIST, 4, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->groups_n, 0);
	c.doubted = true;
	council_lead(&c, 2);
	out = council_ask(&c, 2, LIST, 4, &in);
	ck_assert_int_eq(out->error_code, K_COORDINATOR_LOAD_IN_PROGRESS);
	ck_assert_int_eq(out->groups_n, 0);
	council_confirm(&c, c.reads_n, true);
	out = council_ask(&c, 2, LIST, 4, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->groups_n, 1);
	out = council_ask(&c, 1, LIST, 4, &in);
	ck_assert_int_eq(out->groups_n, 0);
	council_fini(&c);
}

TEST(a_group_is_described_by_its_coordinator_alone)
{
	const struct describe_groups_response_group *g;

	begin(3);
	make_simple("a");
	g = describe(2, 6, "a");
	ck_assert_int_eq(g->error_code, K_NOT_COORDINATOR);
	ck_assert(str_eq_c(g->group_state, ""));
	ck_assert_int_eq(g->authorized_operations, INT32_MIN);
	ck_assert_int_eq(describe(2, 0, "nobody")->error_code,
			 K_NOT_COORDINATOR);
	c.doubted = true;
	council_lead(&c, 2);
	council_pass(&c, 1);
	ck_assert_int_eq(describe(2, 6, "a")->error_code,
			 K_COORDINATOR_LOAD_IN_PROGRESS);
	council_confirm(&c, c.reads_n, true);
	ck_assert_int_eq(describe(2, 6, "a")->error_code, K_NONE);
	council_fini(&c);
}

/* ---- DeleteGroups (KIP-229) ---------------------------------------------- */

static struct council_call *send_delete(int32_t node, int16_t version,
					struct str *names, int32_t n)
{
	struct delete_groups_request in = { n, names };

	return council_send(&c, node, DELETE, version, &in);
}

static int16_t delete(int32_t node, int16_t version, const char *group)
{
	struct str name = str_of(group);
	struct council_call *call = send_delete(node, version, &name, 1);
	const struct delete_groups_response *out;

	council_pass(&c, 10);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->results_n, 1);
	ck_assert(str_eq_c(out->results[0].group_id, group));
	return out->results[0].error_code;
}

TEST(a_group_without_members_is_deleted_with_its_offsets)
{
	struct council_call *call;
	const struct offset_fetch_response *out;

	begin(1);
	for (int16_t v = 0; v <= 2; v++) {
		make_simple("g");
		ck_assert_int_eq(delete(1, v, "g"), K_NONE);
		ck_assert_str_eq(list(4, NULL, NULL), "");
		call = fetch_send(&c, 1, 7, "g", "t", 0);
		council_pass(&c, 10);
		out = call->out;
		ck_assert_int_eq(out->topics[0].partitions[0].committed_offset,
				 -1);
		ck_assert_int_eq(delete(1, v, "g"), K_GROUP_ID_NOT_FOUND);
	}
	council_fini(&c);
}

TEST(a_group_with_members_stays)
{
	struct consumer k = consumer_reader();

	begin(1);
	make_stable(&k, "g");
	ck_assert_int_eq(delete(1, 2, "g"), K_NON_EMPTY_GROUP);
	ck_assert_str_eq(list(4, "Stable", NULL), "g");
	ck_assert_int_eq(club_leave(&c, 1, &k), K_NONE);
	ck_assert_int_eq(delete(1, 2, "g"), K_NONE);
	council_fini(&c);
}

TEST(each_group_that_is_to_be_deleted_has_its_own_answer)
{
	struct str names[] = { STR("a"), STR("nobody"), STR("b"), STR("") };
	static const int16_t expected[] = { K_NONE, K_GROUP_ID_NOT_FOUND,
					    K_NON_EMPTY_GROUP, K_NONE };
	const struct delete_groups_response *out;
	struct council_call *call;
	struct consumer b = consumer_reader();

	begin(1);
	make_simple("a");
	make_simple("");
	make_stable(&b, "b");
	call = send_delete(1, 2, names, 4);
	council_pass(&c, 10);
	out = call->out;
	ck_assert_int_eq(out->results_n, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert(str_eq(out->results[i].group_id, names[i]));
		ck_assert_int_eq(out->results[i].error_code, expected[i]);
	}
	ck_assert_str_eq(list(4, NULL, NULL), "b");
	council_fini(&c);
}

TEST(groups_are_deleted_by_their_coordinator_alone)
{
	begin(3);
	make_simple("g");
	ck_assert_int_eq(delete(2, 2, "g"), K_NOT_COORDINATOR);
	ck_assert_int_eq(delete(2, 0, "nobody"), K_NOT_COORDINATOR);
	c.doubted = true;
	council_lead(&c, 2);
	council_pass(&c, 1);
	ck_assert_int_eq(delete(2, 2, "g"), K_COORDINATOR_LOAD_IN_PROGRESS);
	council_confirm(&c, c.reads_n, true);
	ck_assert_int_eq(delete(2, 2, "g"), K_NONE);
	council_fini(&c);
}

TEST(a_group_whose_deletion_was_lost_may_be_gone)
{
	const struct delete_groups_response *out;
	struct str name = STR("g");
	struct council_call *call;

	begin(3);
	make_simple("g");
	c.stalled = true;
	call = send_delete(1, 2, &name, 1);
	council_pass(&c, 20);
	ck_assert(!call->done);
	council_drop(&c, true);
	council_lead(&c, 2);
	council_pass(&c, 1);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->results_n, 1);
	ck_assert_int_eq(out->results[0].error_code, K_NOT_COORDINATOR);
	c.stalled = false;
	council_pass(&c, 10);
	ck_assert_int_eq(delete(2, 2, "g"), K_GROUP_ID_NOT_FOUND);
	council_fini(&c);
}

/* ---- FindCoordinator ----------------------------------------------------- */

static const struct find_coordinator_response *find(int32_t node,
						    int16_t version,
						    int8_t type)
{
	struct str keys[] = { STR("g"), STR("") };
	struct find_coordinator_request in = { STR("g"), type, 2, keys };

	return council_ask(&c, node, FIND_COORDINATOR, version, &in);
}

TEST(the_quorum_leader_coordinates_all_groups)
{
	const struct find_coordinator_response *out;

	begin(3);
	council_lead(&c, 2);
	council_pass(&c, 1);
	for (int16_t v = 0; v <= 3; v++) {
		out = find(3, v, 0);
		ck_assert_int_eq(out->error_code, K_NONE);
		ck_assert_int_eq(out->node_id, 2);
		ck_assert(str_eq_c(out->host, "host"));
		ck_assert_int_eq(out->port, 9002);
	}
	for (int16_t v = 4; v <= 6; v++) { /* KIP-699 */
		out = find(2, v, 0);
		ck_assert_int_eq(out->coordinators_n, 2);
		ck_assert(str_eq_c(out->coordinators[0].key, "g"));
		ck_assert(str_eq_c(out->coordinators[1].key, ""));
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(out->coordinators[i].error_code,
					 K_NONE);
			ck_assert_int_eq(out->coordinators[i].node_id, 2);
			ck_assert(str_eq_c(out->coordinators[i].host, "host"));
			ck_assert_int_eq(out->coordinators[i].port, 9002);
		}
	}
	council_fini(&c);
}

/* In the oldest version, in the newest of one, and of many. */
static void expect_no_coordinator(int8_t type, int16_t error)
{
	const struct find_coordinator_response *out;

	for (int16_t v = 1; v <= 3; v++) {
		out = find(1, v, type);
		ck_assert_int_eq(out->error_code, error);
		ck_assert_int_gt(out->error_message.n, 0);
		ck_assert_int_eq(out->node_id, -1);
		ck_assert(str_eq_c(out->host, ""));
		ck_assert_int_eq(out->port, -1);
	}
	out = find(1, 6, type);
	ck_assert_int_eq(out->coordinators_n, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(out->coordinators[i].error_code, error);
		ck_assert_int_gt(out->coordinators[i].error_message.n, 0);
		ck_assert_int_eq(out->coordinators[i].node_id, -1);
		ck_assert(str_eq_c(out->coordinators[i].host, ""));
		ck_assert_int_eq(out->coordinators[i].port, -1);
	}
}

TEST(there_is_no_coordinator_while_nobody_leads)
{
	begin(3);
	council_lead(&c, -1);
	council_pass(&c, 1);
	expect_no_coordinator(0, K_COORDINATOR_NOT_AVAILABLE);
	council_lead(&c, 3);
	council_pass(&c, 1);
	ck_assert_int_eq(find(1, 0, 0)->node_id, 3);
	council_fini(&c);
}

TEST(transactions_and_share_groups_have_no_coordinator)
{
	begin(1);
	expect_no_coordinator(1, K_INVALID_REQUEST);
	expect_no_coordinator(2, K_INVALID_REQUEST);
	council_fini(&c);
}
