/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic protocol of consumer groups, as members see it: KIP-62, 134, 394,
 * 559. Static members are in statics_test.c, who leaves is in leave_test.c.
 */
#include "club.h"

static struct council c;

static void begin(const char *set)
{
	council_init(&c, 1, set);
	council_begin(&c);
}

static struct consumer v[4]; /* a stable group of n, v[0] leads */

static void begin_stable(int n)
{
	club_found(&c, v, n);
	expect_group(1, "Stable");
}

static size_t members(void)
{
	return map_count(&club_group(&c, 1, "g")->members);
}

/* ---- joining ------------------------------------------------------------- */

TEST(newcomer_is_given_an_id_first) /* KIP-394 */
{
	struct consumer k = consumer_new();
	const struct join_group_response *out;

	begin(NULL);
	k.join = 4;
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	out = k.call->out;
	ck_assert_int_eq(strncmp(k.member, "test-", 5), 0);
	ck_assert_uint_eq(strlen(k.member), 5 + 36);
	ck_assert_int_eq(out->generation_id, -1);
	ck_assert_int_eq(out->leader.n, 0);
	ck_assert_int_eq(out->members_n, 0);
	ck_assert_ptr_null(club_group(&c, 1, "g"));
	ck_assert_int_eq(club_join(&c, 1, &k), K_NONE);
	out = k.call->out;
	ck_assert_int_eq(out->generation_id, 1);
	ck_assert(str_eq(out->leader, out->member_id));
	council_fini(&c);
}

TEST(id_that_was_handed_out_is_kept)
{
	struct consumer k = consumer_new();
	const char *id;

	begin(NULL);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	id = k.member;
	ck_assert_int_eq(club_join(&c, 1, &k), K_NONE);
	ck_assert_str_eq(k.member, id);
	council_fini(&c);
}

TEST(id_that_was_not_used_in_its_session_is_unknown)
{
	struct consumer k = consumer_new();

	begin(NULL);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	council_pass(&c, k.session_ms + 1);
	ck_assert_int_eq(club_join(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST_TIMES(every_version_joins_and_reads_what_it_knows, 10)
{
	struct consumer k = consumer_new();
	const struct join_group_response *out;

	begin(NULL);
	k.join = (int16_t)_i;
	club_admit(&c, 1, &k);
	out = club_joined(&c, &k);
	ck_assert_int_eq(out->generation_id, 1);
	ck_assert(str_eq_c(out->protocol_name, "range"));
	if (_i >= 7)
		ck_assert(str_eq_c(out->protocol_type, "consumer"));
	ck_assert_int_eq(out->members_n, 1);
	ck_assert(str_eq(out->members[0].member_id, out->member_id));
	ck_assert_int_eq(out->members[0].metadata.n, 1);
	ck_assert_int_eq(out->members[0].metadata.p[0], 'x');
	ck_assert(!out->skip_assignment);
	/* version 0 has no time of its own for the rebalance */
	ck_assert_int_eq(group_rebalance_timeout_ms(club_group(&c, 1, "g")),
			 _i ? k.rebalance_ms : k.session_ms);
	council_fini(&c);
}

TEST(only_the_leader_is_told_who_the_members_are)
{
	const struct join_group_response *out;

	begin(NULL);
	for (int i = 0; i < 3; i++) {
		v[i] = consumer_new();
		v[i].protocols = i == 1 ? "range:b" : "range:a";
		club_enter(&c, 1, &v[i]);
	}
	council_pass(&c, 400);
	for (int i = 1; i < 3; i++)
		ck_assert_int_eq(club_joined(&c, &v[i])->members_n, 0);
	out = club_joined(&c, &v[0]);
	ck_assert(str_eq(out->leader, out->member_id));
	ck_assert_int_eq(out->members_n, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert(str_eq_c(out->members[i].member_id, v[i].member));
		ck_assert_int_eq(out->members[i].group_instance_id.n, -1);
		ck_assert_int_eq(out->members[i].metadata.p[0],
				 i == 1 ? 'b' : 'a');
	}
	council_fini(&c);
}

TEST(session_out_of_bounds_is_refused)
{
	static const int32_t refused[] = { 5999, 1800001, 0, -1 };
	struct consumer k = consumer_new();

	begin(NULL);
	for (size_t i = 0; i < countof(refused); i++) {
		k.session_ms = refused[i];
		ck_assert_int_eq(club_join(&c, 1, &k),
				 K_INVALID_SESSION_TIMEOUT);
	}
	k.session_ms = 6000;
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	k.member = "";
	k.session_ms = 1800000;
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	council_fini(&c);
}

TEST(group_without_a_name_is_refused)
{
	struct consumer k = consumer_new();

	begin(NULL);
	k.group = "";
	ck_assert_int_eq(club_join(&c, 1, &k), K_INVALID_GROUP_ID);
	ck_assert_int_eq(club_sync(&c, 1, &k, ""), K_INVALID_GROUP_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_INVALID_GROUP_ID);
	for (k.leave = 0; k.leave <= 5; k.leave++)
		ck_assert_int_eq(club_leave(&c, 1, &k), K_INVALID_GROUP_ID);
	council_fini(&c);
}

static void expect_unknown(struct consumer *k)
{
	ck_assert_int_eq(club_join(&c, 1, k), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_sync(&c, 1, k, ""), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, k), K_UNKNOWN_MEMBER_ID);
	for (k->leave = 0; k->leave <= 5; k->leave++)
		ck_assert_int_eq(club_leave(&c, 1, k), K_UNKNOWN_MEMBER_ID);
}

TEST(member_that_nobody_knows_is_told_so)
{
	struct consumer k = consumer_new();

	k.member = "nobody";
	begin(NULL);
	expect_unknown(&k);
	ck_assert_ptr_null(club_group(&c, 1, "g"));
	v[0] = consumer_new();
	club_gather(&c, 1, v, 1);
	k.generation = 1;
	expect_unknown(&k);
	expect_group(1, "Stable");
	council_fini(&c);
}

static int16_t join_as(const char *member, const char *type,
		       const char *protocols, int16_t version)
{
	struct consumer k = consumer_new();

	k.member = member;
	k.type = type;
	k.protocols = protocols;
	k.join = version;
	return club_join(&c, 1, &k);
}

TEST_TIMES(protocols_that_the_group_does_not_speak_are_refused, 10)
{
	const int16_t version = (int16_t)_i;
	const int16_t error = K_INCONSISTENT_GROUP_PROTOCOL;

	begin(NULL);
	ck_assert_int_eq(join_as("", "consumer", "", version), error);
	ck_assert_int_eq(join_as("", "", "range:x", version), error);
	ck_assert_ptr_null(club_group(&c, 1, "g"));
	v[0] = consumer_new();
	v[0].protocols = "range:x sticky:x";
	club_gather(&c, 1, v, 1);
	ck_assert_int_eq(join_as("", "consumer", "other:x", version), error);
	ck_assert_int_eq(join_as("", "connect", "range:x", version), error);
	ck_assert_int_eq(join_as("", "consumer", "", version), error);
	ck_assert_int_eq(join_as(v[0].member, "consumer", "", version), error);
	expect_group(1, "Stable");
	ck_assert_uint_eq(members(), 1);
	council_fini(&c);
}

TEST(protocol_that_all_speak_is_taken)
{
	const char *const speak[] = { "range:x sticky:x", "sticky:x odd:x",
				      "range:x sticky:x" };

	begin(NULL);
	for (int i = 0; i < 3; i++) {
		v[i] = consumer_new();
		v[i].protocols = speak[i];
		club_enter(&c, 1, &v[i]);
	}
	council_pass(&c, 400);
	for (int i = 0; i < 3; i++)
		ck_assert(str_eq_c(club_joined(&c, &v[i])->protocol_name,
				   "sticky"));
	council_fini(&c);
}

TEST(full_group_takes_no_newcomer)
{
	struct consumer old = consumer_new(), young = consumer_new();

	begin("group.max.size=2");
	v[0] = v[1] = consumer_new();
	club_gather(&c, 1, v, 2);
	old.join = 3;
	ck_assert_int_eq(club_join(&c, 1, &old), K_GROUP_MAX_SIZE_REACHED);
	ck_assert_int_eq(club_join(&c, 1, &young), K_GROUP_MAX_SIZE_REACHED);
	ck_assert_int_eq(((struct join_group_response *)young.call->out)
				 ->member_id.n, 0);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_leave(&c, 1, &v[1]), K_NONE);
	club_enter(&c, 1, &young);
	ck_assert_int_eq(club_join(&c, 1, &v[0]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &young), K_NONE);
	council_fini(&c);
}

TEST(group_that_is_one_too_many_is_refused)
{
	struct consumer k = consumer_new();

	begin("max.groups=1");
	club_gather(&c, 1, &k, 1);
	ck_assert_int_eq(club_heartbeat(&c, 1, &k), K_NONE);
	k = consumer_new();
	k.group = "h";
	ck_assert_int_eq(club_join(&c, 1, &k), K_COORDINATOR_NOT_AVAILABLE);
	k.group = "g";
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	council_fini(&c);
}

/* ---- the initial delay (KIP-134) ----------------------------------------- */

TEST(first_members_of_a_group_wait_for_one_another)
{
	begin("group.initial.rebalance.delay.ms=1000");
	for (int i = 0; i < 3; i++) {
		v[i] = consumer_new();
		v[i].join = 3;
	}
	club_send_join(&c, 1, &v[0]);
	council_pass(&c, 900);
	club_send_join(&c, 1, &v[1]);
	council_pass(&c, 200); /* somebody came: once more */
	ck_assert(!v[0].call->done);
	ck_assert(!v[1].call->done);
	club_send_join(&c, 1, &v[2]);
	council_pass(&c, 1880); /* and again, up to 3000 */
	ck_assert(!v[0].call->done);
	council_pass(&c, 30);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(club_join_error(&c, &v[i]), K_NONE);
		ck_assert_int_eq(v[i].generation, 1);
	}
	council_fini(&c);
}

TEST(initial_delay_ends_with_the_time_for_the_rebalance)
{
	struct consumer k = consumer_new();

	begin("group.initial.rebalance.delay.ms=60000");
	k.rebalance_ms = 500;
	k.join = 3;
	club_send_join(&c, 1, &k);
	council_pass(&c, 490);
	ck_assert(!k.call->done);
	council_pass(&c, 20);
	ck_assert_int_eq(club_join_error(&c, &k), K_NONE);
	council_fini(&c);
}

TEST(without_a_delay_the_first_member_is_answered_at_once)
{
	struct consumer k = consumer_new();

	begin("group.initial.rebalance.delay.ms=0");
	k.join = 3;
	club_send_join(&c, 1, &k);
	council_pass(&c, 2);
	ck_assert_int_eq(club_join_error(&c, &k), K_NONE);
	council_fini(&c);
}

/* ---- rebalances ---------------------------------------------------------- */

TEST(newcomer_makes_the_members_join_again)
{
	begin_stable(2);
	v[2] = consumer_new();
	club_enter(&c, 1, &v[2]);
	council_pass(&c, 1);
	ck_assert(!v[2].call->done);
	expect_group(1, "PreparingRebalance");
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_sync(&c, 1, &v[1], ""), K_REBALANCE_IN_PROGRESS);
	club_send_join(&c, 1, &v[1]);
	council_pass(&c, 1000);
	ck_assert(!v[1].call->done);
	club_send_join(&c, 1, &v[0]); /* the last one: nothing to wait for */
	council_pass(&c, 1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(club_join_error(&c, &v[i]), K_NONE);
		ck_assert_int_eq(v[i].generation, 2);
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[i]), K_NONE);
	}
	ck_assert(str_eq_c(club_joined(&c, &v[2])->leader, v[0].member));
	council_fini(&c);
}

TEST(who_does_not_come_back_in_time_is_out)
{
	begin_stable(2);
	v[2] = consumer_new();
	club_enter(&c, 1, &v[2]);
	for (int i = 0; i < 14; i++) { /* it lives, it does not join */
		council_pass(&c, 4000);
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]),
				 K_REBALANCE_IN_PROGRESS);
		if (i == 0)
			club_send_join(&c, 1, &v[1]);
	}
	ck_assert(!v[1].call->done);
	council_pass(&c, 4010);
	ck_assert_int_eq(club_join_error(&c, &v[1]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &v[2]), K_NONE);
	ck_assert_uint_eq(members(), 2);
	ck_assert_str_eq(club_group(&c, 1, "g")->leader, v[1].member);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(id_that_is_on_its_way_is_waited_for)
{
	struct consumer late = consumer_new();

	begin_stable(1);
	ck_assert_int_eq(club_join(&c, 1, &late), K_MEMBER_ID_REQUIRED);
	club_send_join(&c, 1, &v[0]); /* the leader wants a rebalance */
	council_pass(&c, 500);
	ck_assert(!v[0].call->done);
	club_send_join(&c, 1, &late);
	council_pass(&c, 1);
	ck_assert_int_eq(club_join_error(&c, &late), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 2);
	council_fini(&c);
}

TEST(id_that_never_comes_is_not_waited_for_after_its_session)
{
	struct consumer late = consumer_new();

	begin_stable(1);
	ck_assert_int_eq(club_join(&c, 1, &late), K_MEMBER_ID_REQUIRED);
	club_send_join(&c, 1, &v[0]);
	council_pass(&c, 9600);
	ck_assert(!v[0].call->done);
	council_pass(&c, 200);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	council_fini(&c);
}

TEST(follower_that_joins_again_unchanged_disturbs_nobody)
{
	begin_stable(2);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(v[1].generation, 1);
	ck_assert_int_eq(club_joined(&c, &v[1])->members_n, 0);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_NONE);
	v[1].protocols = "range:y";
	club_send_join(&c, 1, &v[1]);
	council_pass(&c, 1);
	ck_assert(!v[1].call->done);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	council_fini(&c);
}

TEST(join_that_is_repeated_before_the_sync_is_answered_the_same)
{
	const struct join_group_response *out;

	begin(NULL);
	v[0] = v[1] = consumer_new();
	club_enter(&c, 1, &v[0]);
	club_enter(&c, 1, &v[1]);
	council_pass(&c, 400);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(club_join_error(&c, &v[i]), K_NONE);
		ck_assert_int_eq(club_join(&c, 1, &v[i]), K_NONE);
		out = club_joined(&c, &v[i]);
		ck_assert_int_eq(out->generation_id, 1);
		ck_assert_int_eq(out->members_n, i ? 0 : 2);
	}
	council_fini(&c);
}

/* ---- sync ---------------------------------------------------------------- */

/* Two have joined, v[0] leads, nobody has synced. */
static void begin_joined(void)
{
	begin(NULL);
	v[0] = v[1] = consumer_new();
	club_enter(&c, 1, &v[0]);
	club_enter(&c, 1, &v[1]);
	council_pass(&c, 400);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(club_join_error(&c, &v[i]), K_NONE);
	expect_group(1, "CompletingRebalance");
}

TEST_TIMES(followers_wait_for_what_the_leader_assigns, 6)
{
	const struct sync_group_response *out;

	begin_joined();
	v[0].sync = v[1].sync = (int16_t)_i;
	club_send_sync(&c, 1, &v[1], "");
	council_pass(&c, 1000);
	ck_assert(!v[1].call->done);
	club_send_sync(&c, 1, &v[0], arena_printf(&c.arena, "%s=mine nobody=x",
						  v[0].member));
	council_pass(&c, 1);
	ck_assert_str_eq(club_assigned(&c, &v[0]), "mine");
	ck_assert_str_eq(club_assigned(&c, &v[1]), ""); /* not named */
	out = v[1].call->out;
	if (_i >= 5) {
		ck_assert(str_eq_c(out->protocol_type, "consumer"));
		ck_assert(str_eq_c(out->protocol_name, "range"));
	}
	expect_group(1, "Stable");
	council_fini(&c);
}

TEST(what_a_follower_assigns_counts_for_nothing)
{
	begin_joined();
	club_send_sync(&c, 1, &v[1], arena_printf(&c.arena, "%s=all",
						  v[1].member));
	council_pass(&c, 1);
	ck_assert(!v[1].call->done);
	ck_assert_int_eq(club_sync(&c, 1, &v[0], ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &v[1]), "");
	council_fini(&c);
}

TEST(sync_in_a_stable_group_is_told_what_was_assigned)
{
	begin_stable(2);
	ck_assert_int_eq(club_sync(&c, 1, &v[1], ""), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &v[1]), "part-1");
	ck_assert_int_eq(club_sync(&c, 1, &v[0],
				   arena_printf(&c.arena, "%s=new",
						v[0].member)), K_NONE);
	ck_assert_str_eq(club_assigned(&c, &v[0]), "part-0");
	council_fini(&c);
}

TEST(other_generation_is_refused)
{
	begin_stable(1);
	for (int32_t g = 0; g < 3; g += 2) {
		v[0].generation = g;
		ck_assert_int_eq(club_sync(&c, 1, &v[0], ""),
				 K_ILLEGAL_GENERATION);
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]),
				 K_ILLEGAL_GENERATION);
	}
	council_fini(&c);
}

static int16_t sync_speaking(const char *type, const char *protocol)
{
	struct consumer k = v[0];

	k.type = type;
	k.protocols = protocol;
	return club_sync(&c, 1, &k, "");
}

TEST(sync_by_another_protocol_is_refused) /* KIP-559 */
{
	begin_stable(1);
	ck_assert_int_eq(sync_speaking("connect", "range"),
			 K_INCONSISTENT_GROUP_PROTOCOL);
	ck_assert_int_eq(sync_speaking("consumer", "sticky"),
			 K_INCONSISTENT_GROUP_PROTOCOL);
	ck_assert_int_eq(sync_speaking("consumer", "range"), K_NONE);
	v[0].sync = 4; /* does not say */
	ck_assert_int_eq(sync_speaking("connect", "sticky"), K_NONE);
	council_fini(&c);
}

TEST(newest_sync_has_to_say_its_protocol)
{
	struct sync_group_request in;
	const struct sync_group_response *out;

	begin_stable(1);
	wire_preset(&sync_group_request_type, &in);
	in.group_id = STR("g");
	in.generation_id = 1;
	in.member_id = str_of(v[0].member);
	in.protocol_type = STR("consumer");
	in.protocol_name = STR_NULL;
	out = council_ask(&c, 1, SYNC, 5, &in);
	ck_assert_int_eq(out->error_code, K_INCONSISTENT_GROUP_PROTOCOL);
	in.protocol_type = STR_NULL;
	in.protocol_name = STR("range");
	out = council_ask(&c, 1, SYNC, 5, &in);
	ck_assert_int_eq(out->error_code, K_INCONSISTENT_GROUP_PROTOCOL);
	council_fini(&c);
}

TEST(who_waits_to_sync_is_told_of_the_next_rebalance)
{
	begin_joined();
	club_send_sync(&c, 1, &v[1], "");
	council_pass(&c, 1);
	ck_assert(!v[1].call->done);
	v[2] = consumer_new();
	club_enter(&c, 1, &v[2]);
	council_pass(&c, 1);
	ck_assert_int_eq(club_sync_error(&v[1]), K_REBALANCE_IN_PROGRESS);
	council_fini(&c);
}

TEST(sync_of_who_leaves_is_refused)
{
	begin_joined();
	club_send_sync(&c, 1, &v[1], "");
	council_pass(&c, 10);
	ck_assert(!v[1].call->done);
	ck_assert_int_eq(club_leave(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_sync_error(&v[1]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(leader_that_never_syncs_is_out)
{
	begin_joined();
	for (int i = 0; i < 14; i++) {
		council_pass(&c, 4000);
		for (int k = 0; k < 2; k++)
			ck_assert_int_eq(club_heartbeat(&c, 1, &v[k]), K_NONE);
		if (i == 0)
			club_send_sync(&c, 1, &v[1], "");
	}
	ck_assert(!v[1].call->done);
	council_pass(&c, 4010);
	ck_assert_int_eq(club_sync_error(&v[1]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	ck_assert_str_eq(club_group(&c, 1, "g")->leader, v[1].member);
	council_fini(&c);
}

TEST(join_that_is_repeated_leaves_no_more_time_to_sync)
{
	begin_joined();
	for (int i = 0; i < 14; i++) {
		council_pass(&c, 3700);
		ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_NONE);
	}
	council_pass(&c, 4000); /* more than 60 s in all */
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

/* ---- sessions ------------------------------------------------------------ */

TEST(silent_member_is_out_after_its_session)
{
	begin_stable(2);
	club_beat(&c, 1, v, 1, 9900); /* v[1] says nothing */
	expect_group(1, "Stable");
	council_pass(&c, 200);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_join(&c, 1, &v[0]), K_NONE);
	ck_assert_int_eq(v[0].generation, 2);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	council_fini(&c);
}

TEST(member_that_beats_stays)
{
	begin_stable(3);
	club_beat(&c, 1, v, 3, 30000);
	expect_group(1, "Stable");
	ck_assert_uint_eq(members(), 3);
	council_fini(&c);
}

TEST_TIMES(heartbeat_is_answered_alike_in_every_version, 5)
{
	begin_stable(1);
	v[0].heartbeat = (int16_t)_i;
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_NONE);
	v[0].generation++;
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_ILLEGAL_GENERATION);
	v[0].member = "nobody";
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST(sync_and_join_are_signs_of_life_as_well)
{
	begin_stable(2);
	council_pass(&c, 9000);
	ck_assert_int_eq(club_sync(&c, 1, &v[0], ""), K_NONE);
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	council_pass(&c, 9000);
	expect_group(1, "Stable");
	ck_assert_uint_eq(members(), 2);
	council_fini(&c);
}

TEST(session_begins_anew_when_the_sync_is_answered)
{
	begin_joined();
	club_send_sync(&c, 1, &v[1], "");
	council_pass(&c, 9000);
	ck_assert_int_eq(club_sync(&c, 1, &v[0], ""), K_NONE);
	ck_assert_int_eq(club_sync_error(&v[1]), K_NONE);
	council_pass(&c, 9500);
	expect_group(1, "Stable");
	council_pass(&c, 600);
	expect_group(1, "Empty");
	council_fini(&c);
}

TEST(refused_heartbeat_is_no_sign_of_life)
{
	struct consumer stale;

	begin_stable(1);
	stale = v[0];
	stale.generation = 0;
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(club_heartbeat(&c, 1, &stale),
				 K_ILLEGAL_GENERATION);
		council_pass(&c, 2400);
	}
	council_pass(&c, 500);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_UNKNOWN_MEMBER_ID);
	expect_group(1, "Empty");
	council_fini(&c);
}

TEST(who_waits_for_the_others_is_not_silent)
{
	begin_stable(2);
	club_send_join(&c, 1, &v[0]);
	for (int i = 0; i < 8; i++) {
		council_pass(&c, 5000);
		ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]),
				 K_REBALANCE_IN_PROGRESS);
	}
	ck_assert(!v[0].call->done); /* 40 s, in a session of 10 s */
	ck_assert_int_eq(club_join(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 2);
	council_fini(&c);
}

TEST(who_waits_is_waited_for_and_who_is_silent_is_not)
{
	begin_stable(2);
	club_send_join(&c, 1, &v[0]);
	council_pass(&c, 9500);
	ck_assert(!v[0].call->done);
	council_pass(&c, 600);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}
