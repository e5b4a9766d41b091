/* SPDX-License-Identifier: Apache-2.0 */
/* Members that leave their group, alone or several at once. */
#include "club.h"

static struct council c;
static struct consumer v[3]; /* a stable group, v[0] leads */

TEST_TIMES(member_leaves_and_the_others_are_told, 6)
{
	club_found(&c, v, 2);
	v[1].leave = (int16_t)_i;
	ck_assert_int_eq(club_leave(&c, 1, &v[1]), K_NONE);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_heartbeat(&c, 1, &v[0]), K_REBALANCE_IN_PROGRESS);
	ck_assert_int_eq(club_leave(&c, 1, &v[1]), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(club_join(&c, 1, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	council_fini(&c);
}

TEST(group_that_all_have_left_is_empty_and_goes_on_counting)
{
	struct consumer k = consumer_new();

	club_found(&c, v, 1);
	ck_assert_int_eq(club_leave(&c, 1, &v[0]), K_NONE);
	expect_group(1, "Empty");
	ck_assert_int_eq(club_group(&c, 1, "g")->generation, 2);
	k.type = "connect"; /* nobody is there who would mind */
	club_admit(&c, 1, &k);
	ck_assert_int_eq(k.generation, 3);
	council_fini(&c);
}

TEST(who_leaves_is_not_answered_what_it_waits_for)
{
	struct council_call *waits;

	club_found(&c, v, 2);
	club_send_join(&c, 1, &v[0]);
	waits = v[0].call;
	council_pass(&c, 10);
	ck_assert(!waits->done);
	ck_assert_int_eq(club_leave(&c, 1, &v[0]), K_NONE);
	ck_assert(waits->done);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

TEST_TIMES(id_that_was_only_handed_out_may_leave, 6)
{
	struct consumer k = consumer_new();

	club_found(&c, v, 1);
	ck_assert_int_eq(club_join(&c, 1, &k), K_MEMBER_ID_REQUIRED);
	club_send_join(&c, 1, &v[0]);
	council_pass(&c, 10);
	ck_assert(!v[0].call->done);
	k.leave = (int16_t)_i;
	ck_assert_int_eq(club_leave(&c, 1, &k), K_NONE);
	/* nobody is waited for any more */
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	ck_assert_int_eq(club_leave(&c, 1, &k), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}

static const struct leave_group_response *
leave_together(int16_t version, const char *const *ids, int n)
{
	struct leave_group_request_member m[4];
	struct leave_group_request in;

	wire_preset(&leave_group_request_type, &in);
	in.group_id = STR("g");
	in.members = m;
	in.members_n = n;
	for (int i = 0; i < n; i++)
		m[i] = (struct leave_group_request_member){
			str_of(ids[i]), STR_NULL, STR_NULL };
	return council_ask(&c, 1, LEAVE, version, &in);
}

TEST_TIMES(several_leave_at_once_and_each_is_answered, 3)
{
	const struct leave_group_response *out;
	const char *ids[4];

	club_found(&c, v, 3);
	ids[0] = ids[3] = v[1].member;
	ids[1] = "nobody";
	ids[2] = v[2].member;
	out = leave_together((int16_t)(_i + 3), ids, 4);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->members_n, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert(str_eq_c(out->members[i].member_id, ids[i]));
		ck_assert_int_eq(out->members[i].error_code,
				 i % 2 ? K_UNKNOWN_MEMBER_ID : K_NONE);
	}
	ck_assert_uint_eq(map_count(&club_group(&c, 1, "g")->members), 1);
	out = leave_together((int16_t)(_i + 3), ids, 0);
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->members_n, 0);
	council_fini(&c);
}

TEST(several_that_leave_at_once_are_one_rebalance)
{
	const char *ids[2];

	club_found(&c, v, 3);
	club_send_join(&c, 1, &v[0]);
	club_send_join(&c, 1, &v[2]);
	council_pass(&c, 10);
	ck_assert(!v[0].call->done);
	ids[0] = v[1].member; /* was waited for */
	ids[1] = v[2].member; /* waits itself */
	leave_together(3, ids, 2);
	ck_assert_int_eq(club_join_error(&c, &v[0]), K_NONE);
	ck_assert_int_eq(club_joined(&c, &v[0])->members_n, 1);
	ck_assert_int_eq(v[0].generation, 2);
	ck_assert_int_eq(club_join_error(&c, &v[2]), K_UNKNOWN_MEMBER_ID);
	council_fini(&c);
}
