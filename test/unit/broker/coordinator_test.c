/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the coordinator of the groups is, and what its clients see when it
 * moves, is not ready yet or cannot get anything agreed on.
 */
#include "club.h"

static struct council c;

static void begin(int n)
{
	council_init(&c, n, NULL);
	council_begin(&c);
}

/* And all threads have heard of it. */
static void lead(int32_t node)
{
	council_lead(&c, node);
	council_pass(&c, 1);
}

/* ---- FindCoordinator ----------------------------------------------------- */

/* In versions with one key: as if it were one of many. */
static struct find_coordinator_response_coordinator
find_one(int32_t node, int16_t version, int8_t type)
{
	struct find_coordinator_request in;
	const struct find_coordinator_response *out;
	struct str key = STR("g");

	wire_preset(&find_coordinator_request_type, &in);
	in.key_type = type;
	in.key = key;
	in.coordinator_keys = &key;
	in.coordinator_keys_n = version < 4 ? 0 : 1;
	out = council_ask(&c, node, FIND_COORDINATOR, version, &in);
	ck_assert_int_eq(out->coordinators_n, version < 4 ? 0 : 1);
	if (version >= 4)
		return out->coordinators[0];
	return (struct find_coordinator_response_coordinator){
		key, out->node_id, out->host, out->port, out->error_code,
		out->error_message };
}

TEST_TIMES(every_node_and_version_tells_where_the_coordinator_is, 7)
{
	begin(3);
	for (int32_t at = 1; at <= 3; at++) {
		lead(at);
		for (int32_t node = 1; node <= 3; node++) {
			struct find_coordinator_response_coordinator out =
				find_one(node, (int16_t)_i, 0);

			ck_assert_int_eq(out.error_code, K_NONE);
			ck_assert_int_eq(out.node_id, at);
			ck_assert(str_eq_c(out.host, "host"));
			ck_assert_int_eq(out.port, 9000 + at);
			ck_assert(str_eq_c(out.key, "g"));
		}
	}
	council_fini(&c);
}

static void expect_nowhere(struct find_coordinator_response_coordinator at,
			   int16_t error)
{
	ck_assert_int_eq(at.error_code, error);
	ck_assert_int_eq(at.node_id, -1);
	ck_assert_int_eq(at.host.n, 0);
	ck_assert_int_eq(at.port, -1);
}

TEST_TIMES(while_nobody_leads_there_is_no_coordinator, 7)
{
	begin(3);
	lead(-1);
	expect_nowhere(find_one(2, (int16_t)_i, 0),
		       K_COORDINATOR_NOT_AVAILABLE);
	lead(2);
	ck_assert_int_eq(find_one(2, (int16_t)_i, 0).node_id, 2);
	council_fini(&c);
}

TEST(leader_that_is_fenced_has_no_address_for_clients)
{
	begin(3);
	council_stop(&c, 3, false);
	council_pass(&c, 300);
	c.leader = -1;
	lead(3); /* of the quorum, and not registered yet */
	expect_nowhere(find_one(2, 4, 0), K_COORDINATOR_NOT_AVAILABLE);
	council_fini(&c);
}

TEST_TIMES(only_groups_have_a_coordinator, 6)
{
	begin(1);
	for (int8_t type = 1; type < 4; type++)
		expect_nowhere(find_one(1, (int16_t)(_i + 1), type),
			       K_INVALID_REQUEST);
	council_fini(&c);
}

TEST(many_groups_are_found_at_once)
{
	struct str keys[] = { STR("a"), STR("b"), STR("") };
	struct find_coordinator_request in;
	const struct find_coordinator_response *out;

	begin(1);
	wire_preset(&find_coordinator_request_type, &in);
	in.coordinator_keys = keys;
	in.coordinator_keys_n = countof(keys);
	out = council_ask(&c, 1, FIND_COORDINATOR, 4, &in);
	ck_assert_int_eq(out->coordinators_n, countof(keys));
	for (size_t i = 0; i < countof(keys); i++) {
		ck_assert(str_eq(out->coordinators[i].key, keys[i]));
		ck_assert_int_eq(out->coordinators[i].node_id, 1);
		ck_assert_int_eq(out->coordinators[i].error_code, K_NONE);
	}
	in.coordinator_keys_n = 0;
	out = council_ask(&c, 1, FIND_COORDINATOR, 4, &in);
	ck_assert_int_eq(out->coordinators_n, 0);
	council_fini(&c);
}

/* ---- its role ------------------------------------------------------------ */

/* On a node that is not the coordinator, or not yet. */
static void expect_all(int32_t node, const struct consumer *k, int16_t error)
{
	struct consumer copy = *k;

	ck_assert_int_eq(club_join(&c, node, &copy), error);
	ck_assert_int_eq(club_sync(&c, node, &copy, ""), error);
	ck_assert_int_eq(club_heartbeat(&c, node, &copy), error);
	for (copy.leave = 0; copy.leave <= 5; copy.leave++)
		ck_assert_int_eq(club_leave(&c, node, &copy), error);
}

TEST(who_is_not_the_coordinator_says_so)
{
	struct consumer k = consumer_new();

	begin(3);
	expect_all(2, &k, K_NOT_COORDINATOR);
	club_gather(&c, 1, &k, 1);
	expect_all(2, &k, K_NOT_COORDINATOR);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_NONE);
	council_fini(&c);
}

TEST(groups_go_on_at_the_next_coordinator)
{
	struct consumer v[2] = { consumer_new(), consumer_new() };

	begin(3);
	club_gather(&c, 1, v, 2);
	club_beat(&c, 1, v, 2, 8000);
	lead(2);
	expect_all(1, &v[0], K_NOT_COORDINATOR);
	ck_assert_int_eq(club_heartbeat(&c, 2, &v[0]), K_NONE);
	ck_assert_int_eq(club_sync(&c, 2, &v[1], ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &v[1]), "part-1");
	council_pass(&c, 1000);
	club_beat(&c, 2, v, 1, 8500); /* v[1] is silent from here on */
	ck_assert_uint_eq(map_count(&club_group(&c, 2, "g")->members), 2);
	council_pass(&c, 1000);
	ck_assert_uint_eq(map_count(&club_group(&c, 2, "g")->members), 1);
	council_fini(&c);
}

TEST(session_begins_anew_at_the_next_coordinator)
{
	struct consumer k = consumer_new();

	begin(3);
	club_gather(&c, 1, &k, 1);
	council_pass(&c, 9000);
	lead(2);
	council_pass(&c, 9000);
	ck_assert_int_eq(club_heartbeat(&c, 2, &k), K_NONE);
	council_pass(&c, 10100);
	ck_assert_int_eq(club_heartbeat(&c, 2, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(who_waits_is_sent_to_the_next_coordinator)
{
	struct consumer v[3] = { consumer_new(), consumer_new(),
				 consumer_new() };

	begin(3);
	v[2].group = "h";
	club_gather(&c, 1, v, 2);
	club_send_join(&c, 1, &v[0]);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	club_send_sync(&c, 1, &v[1], "");
	club_enter(&c, 1, &v[2]);
	council_pass(&c, 10);
	ck_assert(!v[1].call->done);
	ck_assert(!v[2].call->done);
	lead(3);
	ck_assert_int_eq(club_sync_error(&v[1]), K_NOT_COORDINATOR);
	ck_assert_int_eq(club_join_error(&c, &v[2]), K_NOT_COORDINATOR);
	ck_assert_int_eq(club_join(&c, 3, &v[2]), K_NONE);
	club_send_sync(&c, 3, &v[1], "");
	ck_assert_int_eq(club_sync(&c, 3, &v[0],
				   arena_printf(&c.arena, "%s=b",
						v[1].member)), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &v[1]), "b");
	council_fini(&c);
}

TEST(rebalance_ends_at_the_next_coordinator)
{
	struct consumer v[2] = { consumer_new(), consumer_new() };

	begin(3);
	v[0].rebalance_ms = v[1].rebalance_ms = 5000;
	club_gather(&c, 1, v, 2);
	club_send_join(&c, 1, &v[0]);
	council_pass(&c, 10);
	lead(2);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NOT_COORDINATOR);
	club_send_join(&c, 2, &v[0]);
	council_pass(&c, 4900);
	ck_assert(!v[0].call->done);
	council_pass(&c, 200);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	council_fini(&c);
}

TEST(id_that_was_handed_out_is_not_known_to_the_next_coordinator)
{
	struct consumer k = consumer_new();

	begin(3);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	lead(2);
	ck_assert_int_eq(club_join(&c, 2, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(new_leader_is_loading_until_it_is_confirmed)
{
	struct consumer k = consumer_new();

	begin(3);
	club_gather(&c, 1, &k, 1);
	c.doubted = true;
	lead(2);
	ck_assert_int_eq(find_one(1, 4, 0).node_id, 2);
	expect_all(2, &k, K_COORDINATOR_LOAD_IN_PROGRESS);
	council_confirm(&c, c.reads_n, true);
	ck_assert_int_eq(club_heartbeat(&c, 2, &k), K_NONE);
	council_fini(&c);
}

TEST(leader_that_is_not_confirmed_never_serves)
{
	struct consumer k = consumer_new();

	begin(3);
	club_gather(&c, 1, &k, 1);
	c.doubted = true;
	lead(2);
	council_confirm(&c, c.reads_n, false);
	expect_all(2, &k, K_COORDINATOR_LOAD_IN_PROGRESS);
	lead(3);
	ck_assert_int_eq(club_heartbeat(&c, 3, &k), K_NONE);
	council_fini(&c);
}

TEST(confirmation_of_a_term_that_is_over_counts_for_nothing)
{
	struct consumer k = consumer_new();
	int first;

	begin(3);
	club_gather(&c, 1, &k, 1);
	c.doubted = true;
	lead(2);
	lead(3);
	first = c.reads_n;
	lead(2);
	council_confirm(&c, first, true);
	ck_assert_int_eq(club_heartbeat(&c, 2, &k),
			 K_COORDINATOR_LOAD_IN_PROGRESS);
	council_confirm(&c, c.reads_n, true);
	ck_assert_int_eq(club_heartbeat(&c, 2, &k), K_NONE);
	council_fini(&c);
}

TEST(who_was_given_a_snapshot_coordinates_what_is_in_it)
{
	struct consumer k = consumer_new();

	begin(3);
	node_of(&c, 3)->behind = true;
	club_gather(&c, 1, &k, 1);
	ck_assert_ptr_null(club_group(&c, 3, "g"));
	council_restore(&c, 3, 1);
	node_of(&c, 3)->behind = false;
	council_pass(&c, 1);
	ck_assert_int_eq(club_heartbeat(&c, 3, &k), K_NOT_COORDINATOR);
	lead(3);
	ck_assert_int_eq(club_sync(&c, 3, &k, ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &k), "part-0");
	council_pass(&c, 10100); /* and its sessions run */
	ck_assert_int_eq(club_heartbeat(&c, 3, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

/* ---- the quorum ---------------------------------------------------------- */

TEST(answers_wait_for_what_is_agreed_on)
{
	struct consumer k = consumer_new();

	begin(3);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	c.stalled = true;
	club_send_join(&c, 1, &k);
	council_pass(&c, 5000);
	ck_assert(!k.call->done);
	ck_assert_ptr_null(club_group(&c, 1, "g"));
	c.stalled = false;
	council_pass(&c, 300);
	ck_assert_int_eq(club_join_error(&c, &k), K_NONE);
	council_fini(&c);
}

TEST(assignment_is_not_told_before_it_is_agreed_on)
{
	struct consumer v[2] = { consumer_new(), consumer_new() };

	begin(3);
	club_gather(&c, 1, v, 2);
	club_send_join(&c, 1, &v[0]);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	c.stalled = true;
	club_send_sync(&c, 1, &v[1], "");
	club_send_sync(&c, 1, &v[0], "");
	council_pass(&c, 100);
	ck_assert(!v[0].call->done);
	ck_assert(!v[1].call->done);
	c.stalled = false;
	council_pass(&c, 1);
	ck_assert_int_eq(club_sync_error(&v[0]), K_NONE);
	ck_assert_int_eq(club_sync_error(&v[1]), K_NONE);
	council_fini(&c);
}

TEST(member_is_not_out_before_that_is_agreed_on)
{
	struct consumer k = consumer_new();

	begin(3);
	club_gather(&c, 1, &k, 1);
	c.stalled = true;
	council_pass(&c, 15000);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_NONE);
	c.stalled = false;
	council_pass(&c, 1);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(what_is_agreed_on_too_late_is_left_to_the_next_coordinator)
{
	struct consumer v[2] = { consumer_new(), consumer_new() };

	begin(3);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(club_join(&c, 1, &v[i]),
				 K_MEMBER_ID_REQUIRED);
	c.stalled = true;
	club_send_join(&c, 1, &v[0]);
	club_send_join(&c, 1, &v[1]);
	council_pass(&c, 10);
	lead(2);
	c.stalled = false;
	council_pass(&c, 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(club_join_error(&c, &v[i]),
				 K_NOT_COORDINATOR);
	ck_assert_int_eq(club_join(&c, 2, &v[0]), K_NONE);
	council_fini(&c);
}

TEST(quorum_that_takes_nothing_more_is_left_for_another)
{
	struct consumer k = consumer_new(), joined = consumer_new();

	begin(3);
	joined.group = "h";
	club_gather(&c, 1, &joined, 1);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	c.full = true;
	ck_assert_int_eq(club_join(&c, 1, &k), K_NOT_COORDINATOR);
	for (joined.leave = 0; joined.leave <= 5; joined.leave++)
		ck_assert_int_eq(club_leave(&c, 1, &joined),
				 K_NOT_COORDINATOR);
	c.full = false;
	club_send_join(&c, 1, &joined); /* the leader wants a rebalance */
	council_pass(&c, 1);
	ck_assert_int_eq(club_join_error(&c, &joined), K_NONE);
	c.full = true;
	ck_assert_int_eq(club_sync(&c, 1, &joined, ""), K_NOT_COORDINATOR);
	c.full = false;
	ck_assert_int_eq(club_sync(&c, 1, &joined, ""), K_NONE);
	council_fini(&c);
}

TEST(expiry_that_was_not_taken_is_proposed_again)
{
	struct consumer k = consumer_new();

	begin(1);
	club_gather(&c, 1, &k, 1);
	c.full = true;
	council_pass(&c, 10500);
	c.full = false;
	ck_assert_uint_eq(map_count(&club_group(&c, 1, "g")->members), 1);
	council_pass(&c, 1000);
	ck_assert_uint_eq(map_count(&club_group(&c, 1, "g")->members), 0);
	council_fini(&c);
}

/* ---- side by side -------------------------------------------------------- */

TEST(groups_do_not_disturb_one_another)
{
	struct consumer v[6], k = consumer_new();

	begin(1);
	for (int i = 0; i < 6; i++) {
		v[i] = consumer_new();
		v[i].group = i < 2 ? "g" : i < 4 ? "h" : "i";
	}
	for (int i = 0; i < 6; i += 2)
		club_gather(&c, 1, &v[i], 2);
	club_enter(&c, 1, &k);
	v[3].generation = 2;
	council_pass(&c, 1);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[2]), K_NONE);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[3]), K_ILLEGAL_GENERATION);
	ck_assert_int_eq(club_leave(&c, 1, &v[4]), K_NONE);
	ck_assert(!k.call->done);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[2]), K_NONE);
	v[5].group = "h"; /* a member of another group is nobody here */
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[5]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST_TIMES(coordinator_that_ends_frees_what_waits, 2)
{
	struct consumer v[2] = { consumer_new(), consumer_new() };

	begin(1);
	v[1].group = "h";
	for (int i = 0; i < 2; i++) {
		v[i].join = 3;
		club_send_join(&c, 1, &v[i]);
	}
	council_pass(&c, 10);
	ck_assert(!v[0].call->done);
	council_stop(&c, 1, _i);
	ck_assert_ptr_null(v[0].call->out);
	council_fini(&c);
}
