/* SPDX-License-Identifier: Apache-2.0 */
/* Members that say which instance they are: KIP-345, KIP-814, KIP-496. */
#include "club.h"

static struct council c;
static struct consumer v[2]; /* "one" leads, "two" follows */

static void begin(int16_t version)
{
	council_init(&c, 1, NULL);
	council_begin(&c);
	v[0] = consumer_static("one");
	v[1] = consumer_static("two");
	v[0].join = v[1].join = version;
	club_gather(&c, 1, v, 2);
	expect_group(1, "Stable");
}

/* It was started anew and does not know its id. */
static struct consumer restarted(const struct consumer *k)
{
	struct consumer again = *k;

	again.member = "";
	again.generation = -1;
	return again;
}

static int16_t leave(const char *member, const char *instance)
{
	struct consumer k = consumer_static(instance);

	k.member = member;
	return club_leave(&c, 1, &k);
}

TEST(static_member_needs_no_id_to_join)
{
	begin(5);
	ck_assert_int_eq(strncmp(v[0].member, "one-", 4), 0);
	ck_assert_uint_eq(strlen(v[0].member), 4 + 36);
	ck_assert_int_eq(strncmp(v[1].member, "two-", 4), 0);
	council_fini(&c);
}

TEST(leader_is_told_the_instances)
{
	const struct join_group_response *out;

	begin(9);
	club_send_join(&c, 1, &v[0]);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	out = club_joined(&c, &v[0]);
	ck_assert_int_eq(out->members_n, 2);
	ck_assert(str_eq_c(out->members[0].group_instance_id, "one"));
	ck_assert(str_eq_c(out->members[1].group_instance_id, "two"));
	council_fini(&c);
}

TEST(follower_that_was_restarted_goes_on_without_a_rebalance)
{
	struct consumer again;

	begin(9);
	again = restarted(&v[1]);
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	ck_assert_str_ne(again.member, v[1].member);
	ck_assert_int_eq(again.generation, 1);
	ck_assert(!club_joined(&c, &again)->skip_assignment);
	ck_assert_int_eq(club_joined(&c, &again)->members_n, 0);
	ck_assert(str_eq_c(club_joined(&c, &again)->leader, v[0].member));
	ck_assert_int_eq(club_sync(&c, 1, &again, ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &again), "part-1");
	ck_assert_int_eq(club_heartbeat(&c, 1, &again), K_NONE);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_NONE);
	council_fini(&c);
}

/* Nobody may believe that it has to assign: it is told the id it had. */
TEST_TIMES(leader_that_was_restarted_does_not_assign, 4)
{
	const int16_t version = (int16_t)(5 + _i);
	const struct join_group_response *out;
	struct consumer again;

	begin(version);
	again = restarted(&v[0]);
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	out = club_joined(&c, &again);
	ck_assert(str_eq_c(out->leader, v[0].member));
	ck_assert_int_eq(out->members_n, 0);
	ck_assert_int_eq(out->generation_id, 1);
	ck_assert_int_eq(club_sync(&c, 1, &again, ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &again), "part-0");
	council_fini(&c);
}

TEST(leader_of_a_new_client_is_told_to_skip_the_assignment) /* KIP-814 */
{
	const struct join_group_response *out;
	struct consumer again;

	begin(9);
	again = restarted(&v[0]);
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	out = club_joined(&c, &again);
	ck_assert(out->skip_assignment);
	ck_assert(str_eq_c(out->leader, again.member));
	ck_assert_int_eq(out->members_n, 2);
	ck_assert_int_eq(out->generation_id, 1);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_NONE);
	council_fini(&c);
}

TEST(former_self_is_fenced_everywhere)
{
	struct consumer again;

	begin(9);
	again = restarted(&v[1]);
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_FENCED_INSTANCE_ID);
	ck_assert_int_eq(club_sync(&c, 1, &v[1], ""), K_FENCED_INSTANCE_ID);
	for (v[1].heartbeat = 3; v[1].heartbeat <= 4; v[1].heartbeat++)
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]),
				 K_FENCED_INSTANCE_ID);
	for (v[1].leave = 3; v[1].leave <= 5; v[1].leave++)
		ck_assert_int_eq(club_leave(&c, 1, &v[1]),
				 K_FENCED_INSTANCE_ID);
	v[1].heartbeat = 2; /* cannot say who it is */
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &again), K_NONE);
	council_fini(&c);
}

TEST(join_that_waits_is_fenced_when_its_successor_comes)
{
	struct consumer again;

	begin(9);
	v[1].protocols = "range:y";
	club_send_join(&c, 1, &v[1]);
	council_pass(&c, 10);
	ck_assert(!v[1].call->done);
	again = restarted(&v[1]);
	club_send_join(&c, 1, &again);
	council_pass(&c, 10);
	ck_assert_int_eq(club_join_error(&c, &v[1]), K_FENCED_INSTANCE_ID);
	ck_assert(!again.call->done);
	ck_assert_int_eq(club_join(&c, 1, &v[0]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &again), K_NONE);
	ck_assert_int_eq(again.generation, 2);
	council_fini(&c);
}

TEST(sync_that_waits_is_fenced_when_its_successor_comes)
{
	struct consumer again;

	begin(9);
	club_send_join(&c, 1, &v[0]);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	club_send_sync(&c, 1, &v[1], "");
	council_pass(&c, 10);
	ck_assert(!v[1].call->done);
	again = restarted(&v[1]);
	club_send_join(&c, 1, &again);
	council_pass(&c, 10);
	ck_assert_int_eq(club_sync_error(&v[1]), K_FENCED_INSTANCE_ID);
	/* the leader may have assigned to the one that is gone */
	expect_group(1, "PreparingRebalance");
	council_fini(&c);
}

TEST(instance_that_nobody_knows_is_told_so)
{
	struct consumer k;

	begin(9);
	k = v[1];
	k.instance = "three";
	ck_assert_int_eq(club_join(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_sync(&c, 1, &k, ""), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_leave(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave("", "three"), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave("", NULL), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_NONE);
	council_fini(&c);
}

TEST(id_of_another_instance_is_fenced)
{
	struct consumer k;

	begin(9);
	k = v[0];
	k.instance = "two";
	ck_assert_int_eq(club_join(&c, 1, &k), K_FENCED_INSTANCE_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_FENCED_INSTANCE_ID);
	ck_assert_int_eq(club_leave(&c, 1, &k), K_FENCED_INSTANCE_ID);
	council_fini(&c);
}

TEST(administrator_removes_an_instance_by_its_name)
{
	begin(9);
	ck_assert_int_eq(leave("", "two"), K_NONE);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(leave("", "two"), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave(v[0].member, "one"), K_NONE);
	expect_group(1, "Empty");
	council_fini(&c);
}

TEST(instances_that_are_away_stay_when_the_rebalance_ends)
{
	struct consumer k = consumer_new();

	begin(9);
	club_enter(&c, 1, &k);
	for (int i = 0; i < 15; i++) {
		council_pass(&c, 4010);
		for (int j = 0; j < 2 && i < 14; j++)
			ck_assert_int_eq(club_heartbeat(&c, 1, &v[j]),
					 K_REBALANCE_IN_PROGRESS);
	}
	ck_assert_int_eq(club_join_error(&c, &k), K_NONE);
	ck_assert_int_eq(club_joined(&c, &k)->members_n, 3);
	ck_assert(str_eq_c(club_joined(&c, &k)->leader, k.member));
	council_fini(&c);
}

TEST(instance_that_is_silent_is_out_after_its_session)
{
	begin(9);
	club_beat(&c, 1, v, 1, 9900);
	expect_group(1, "Stable");
	council_pass(&c, 200);
	expect_group(1, "PreparingRebalance");
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(restarted_instance_without_a_common_protocol_is_refused)
{
	struct consumer again;

	begin(9);
	again = restarted(&v[1]);
	again.protocols = "sticky:x";
	ck_assert_int_eq(club_join(&c, 1, &again),
			 K_INCONSISTENT_GROUP_PROTOCOL);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_NONE);
	council_fini(&c);
}

TEST(restarted_instance_that_changes_the_protocol_rebalances)
{
	struct consumer again;

	council_init(&c, 1, NULL);
	council_begin(&c);
	v[0] = consumer_static("one");
	v[1] = consumer_static("two");
	v[0].protocols = v[1].protocols = "range:x sticky:x";
	club_gather(&c, 1, v, 2);
	again = restarted(&v[1]);
	again.protocols = "sticky:x";
	club_send_join(&c, 1, &again);
	council_pass(&c, 10);
	ck_assert(!again.call->done);
	ck_assert_int_eq(club_join(&c, 1, &v[0]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &again), K_NONE);
	ck_assert_int_eq(again.generation, 2);
	ck_assert(str_eq_c(club_joined(&c, &again)->protocol_name, "sticky"));
	council_fini(&c);
}

TEST(restarted_instance_is_taken_as_it_says_it_is_now)
{
	const struct join_group_response *out;
	struct consumer again;

	begin(9);
	again = restarted(&v[1]);
	again.session_ms = 20000;
	again.protocols = "range:y";
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	ck_assert_int_eq(again.generation, 1);
	club_beat(&c, 1, v, 1, 15000); /* longer than its old session */
	ck_assert_int_eq(club_heartbeat(&c, 1, &again), K_NONE);
	club_send_join(&c, 1, &v[0]);
	ck_assert_int_eq(club_join(&c, 1, &again), K_NONE);
	out = club_joined(&c, &v[0]);
	ck_assert_int_eq(out->members_n, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(out->members[i].metadata.p[0],
				 str_eq_c(out->members[i].group_instance_id,
					  "two") ? 'y' : 'x');
	council_fini(&c);
}
