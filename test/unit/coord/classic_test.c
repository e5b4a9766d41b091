/* SPDX-License-Identifier: Apache-2.0 */
/* The classic rebalance protocol, fact by fact. */
#include "world.h"

#define WORLD(w)                                                               \
	struct world w __attribute__((cleanup(world_fini)));                   \
	world_init(&w)

TEST(first_members_gather_until_the_delay_is_over) /* KIP-134 */
{
	WORLD(w);
	ck_assert_int_eq(join(&w, "g", "m1", "range:a"), K_NONE);
	ck_assert_int_eq(join(&w, "g", "m2", "range:b"), K_NONE);
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert(group_named(&w, "g")->initial_delay);
	ck_assert_int_eq(complete(&w, "g"), K_NONE);
	expect_dump(&w, "producer_ids 0\n"
		"group g CompletingRebalance generation=1 type=consumer "
		"protocol=range leader=m1\n"
		"  member m1 assigned=\n"
		"  member m2 assigned=\n");
}

TEST(leaders_sync_makes_the_group_stable)
{
	WORLD(w);
	join(&w, "g", "m1", "range:a");
	join(&w, "g", "m2", "range:b");
	complete(&w, "g");
	ck_assert_int_eq(sync_all(&w, "g", "m2", 1), K_NONE);
	expect_state(&w, "g", "CompletingRebalance");
	ck_assert_int_eq(sync_all(&w, "g", "m1", 1), K_NONE);
	expect_dump(&w, "producer_ids 0\n"
		"group g Stable generation=1 type=consumer "
		"protocol=range leader=m1\n"
		"  member m1 assigned=m1\n"
		"  member m2 assigned=m2\n");
}

TEST(sync_of_another_generation_is_refused)
{
	WORLD(w);
	join(&w, "g", "m1", "range:a");
	complete(&w, "g");
	ck_assert_int_eq(sync_all(&w, "g", "m1", 0), K_ILLEGAL_GENERATION);
	ck_assert_int_eq(sync_all(&w, "g", "m9", 1), K_UNKNOWN_MEMBER_ID);
}

TEST(sync_during_a_rebalance_says_so)
{
	WORLD(w);
	stable_group(&w, "g", 1);
	join(&w, "g", "m2", "range:a");
	ck_assert_int_eq(sync_all(&w, "g", "m1", 1), K_REBALANCE_IN_PROGRESS);
}

TEST(newcomer_begins_a_rebalance_and_all_joined_ends_it)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	join(&w, "g", "m3", "range:a");
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert(!group_named(&w, "g")->initial_delay);
	join(&w, "g", "m1", "range:a");
	expect_state(&w, "g", "PreparingRebalance");
	join(&w, "g", "m2", "range:a");
	expect_state(&w, "g", "CompletingRebalance");
	ck_assert_int_eq(group_named(&w, "g")->generation, 2);
	ck_assert_str_eq(group_named(&w, "g")->leader, "m1");
}

TEST(ids_still_on_their_way_hold_the_rebalance) /* KIP-394 */
{
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR("m1"),
				.new_member_id = STR("x"),
				.group_instance_id = STR_NULL,
				.hold = true };
	WORLD(w);

	stable_group(&w, "g", 1);
	join(&w, "g", "m2", "range:a");
	join_with(&w, &j, "range:a");
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert(group_all_joined(group_named(&w, "g")));
	complete(&w, "g");
	expect_state(&w, "g", "CompletingRebalance");
}

TEST(follower_that_rejoins_unchanged_disturbs_nobody)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	ck_assert_int_eq(join(&w, "g", "m2", "range:a"), K_NONE);
	expect_state(&w, "g", "Stable");
	ck_assert_int_eq(join(&w, "g", "m2", "range:changed"), K_NONE);
	expect_state(&w, "g", "PreparingRebalance");
}

TEST(leader_that_rejoins_wants_a_rebalance)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	join(&w, "g", "m1", "range:a");
	expect_state(&w, "g", "PreparingRebalance");
}

TEST(join_that_repeats_itself_before_the_sync_gets_the_same_generation)
{
	WORLD(w);
	join(&w, "g", "m1", "range:a");
	complete(&w, "g");
	ck_assert_int_eq(join(&w, "g", "m1", "range:a"), K_NONE);
	expect_state(&w, "g", "CompletingRebalance");
	ck_assert_int_eq(group_named(&w, "g")->generation, 1);
}

TEST(who_does_not_join_in_time_is_out)
{
	WORLD(w);
	stable_group(&w, "g", 3);
	join(&w, "g", "m2", "range:a");
	join(&w, "g", "m1", "range:a");
	ck_assert_int_eq(complete(&w, "g"), K_NONE);
	expect_state(&w, "g", "CompletingRebalance");
	ck_assert_ptr_null(group_member_of(group_named(&w, "g"), STR("m3")));
}

TEST(leader_that_is_out_is_replaced)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	join(&w, "g", "m2", "range:changed");
	complete(&w, "g");
	ck_assert_str_eq(group_named(&w, "g")->leader, "m2");
}

TEST(late_timer_of_a_past_rebalance_does_nothing)
{
	struct group_complete old = { .group_id = STR("g"),
				      .rebalance_serial = 1 };
	WORLD(w);

	stable_group(&w, "g", 2);
	join(&w, "g", "m1", "range:a");
	world_apply(&w, &group_complete_type, &old);
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert_int_eq(map_count(&group_named(&w, "g")->members), 2);
}

TEST(protocol_with_most_votes_among_common_ones_wins)
{
	WORLD(w);
	join(&w, "g", "m1", "sticky:a,range:a,roundrobin:a");
	join(&w, "g", "m2", "roundrobin:b,range:b");
	join(&w, "g", "m3", "roundrobin:c,range:c");
	complete(&w, "g");
	ck_assert_str_eq(group_named(&w, "g")->protocol, "roundrobin");
}

TEST(member_without_a_common_protocol_is_refused)
{
	WORLD(w);
	stable_group(&w, "g", 1);
	ck_assert_int_eq(join(&w, "g", "m2", "sticky:a"),
			 K_INCONSISTENT_GROUP_PROTOCOL);
	expect_state(&w, "g", "Stable");
}

TEST(member_that_comes_back_without_a_common_protocol_is_refused)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	ck_assert_int_eq(join(&w, "g", "m2", "sticky:a"),
			 K_INCONSISTENT_GROUP_PROTOCOL);
	expect_state(&w, "g", "Stable");
	ck_assert_uint_eq(map_count(&group_named(&w, "g")->members), 2);
}

TEST(refused_first_join_leaves_no_group_behind)
{
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR("stranger"),
				.new_member_id = STR("x"),
				.group_instance_id = STR_NULL };
	WORLD(w);

	ck_assert_int_eq(join_with(&w, &j, "range:a"), K_UNKNOWN_MEMBER_ID);
	ck_assert_ptr_null(coord_group(w.coord, STR("g")));
}

TEST(full_group_takes_nobody)
{
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR(""),
				.new_member_id = STR("m3"),
				.group_instance_id = STR_NULL,
				.size_max = 2 };
	WORLD(w);

	stable_group(&w, "g", 2);
	ck_assert_int_eq(join_with(&w, &j, "range:a"),
			 K_GROUP_MAX_SIZE_REACHED);
}

TEST(leaving_rebalances_the_rest)
{
	WORLD(w);
	stable_group(&w, "g", 3);
	ck_assert_int_eq(leave(&w, "g", "m2"), K_NONE);
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert_int_eq(leave(&w, "g", "m2"), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave(&w, "none", "m2"), K_UNKNOWN_MEMBER_ID);
}

TEST(last_one_leaves_an_empty_group)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	leave(&w, "g", "m1");
	leave(&w, "g", "m2");
	expect_dump(&w, "producer_ids 0\n"
		"group g Empty generation=2 type=consumer "
		"protocol=- leader=-\n");
	ck_assert_int_eq(w.coord->members_n, 0);
}

TEST(empty_group_begins_with_a_delay_again)
{
	WORLD(w);
	stable_group(&w, "g", 1);
	leave(&w, "g", "m1");
	join(&w, "g", "m1", "range:a");
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert(group_named(&w, "g")->initial_delay);
	complete(&w, "g");
	ck_assert_int_eq(group_named(&w, "g")->generation, 3);
}

TEST(expiry_is_a_leave_of_the_silent)
{
	WORLD(w);
	stable_group(&w, "g", 2);
	ck_assert_int_eq(expire(&w, "g", "m2"), K_NONE);
	expect_state(&w, "g", "PreparingRebalance");
	ck_assert_int_eq(expire(&w, "g", "m2"), K_UNKNOWN_MEMBER_ID);
}

/* ---- static members (KIP-345, KIP-814) ----------------------------------- */

static void stable_static(struct world *w)
{
	ck_assert_int_eq(join_static(w, "g", "a-1", "a", "range:x"), K_NONE);
	ck_assert_int_eq(join_static(w, "g", "b-1", "b", "range:x"), K_NONE);
	ck_assert_int_eq(complete(w, "g"), K_NONE);
	world_apply(w, &group_sync_type,
		    &(struct group_sync){ .group_id = STR("g"),
					  .member_id = STR("a-1"),
					  .group_instance_id = STR("a"),
					  .generation_id = 1 });
	expect_state(w, "g", "Stable");
}

TEST(static_member_comes_back_without_a_rebalance)
{
	WORLD(w);
	stable_static(&w);
	ck_assert_int_eq(join_static(&w, "g", "b-2", "b", "range:x"), K_NONE);
	expect_state(&w, "g", "Stable");
	ck_assert(str_eq_c(joined(&w)->member_id, "b-2"));
	ck_assert_int_eq(joined(&w)->leader.n, -1);
	ck_assert_ptr_null(group_member_of(group_named(&w, "g"), STR("b-1")));
	ck_assert_ptr_nonnull(group_static(group_named(&w, "g"), STR("b")));
}

TEST(static_leader_that_is_back_is_kept_from_assigning)
{
	WORLD(w);
	stable_static(&w);
	join_static(&w, "g", "a-2", "a", "range:x");
	expect_state(&w, "g", "Stable");
	ck_assert(str_eq_c(joined(&w)->leader, "a-1"));
	ck_assert(!joined(&w)->skip_assignment);
	ck_assert_str_eq(group_named(&w, "g")->leader, "a-2");
}

TEST(static_leader_of_a_new_client_is_told_to_skip)
{
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR(""),
				.new_member_id = STR("a-2"),
				.group_instance_id = STR("a"),
				.can_skip = true };
	WORLD(w);

	stable_static(&w);
	join_with(&w, &j, "range:x");
	ck_assert_int_eq(joined(&w)->leader.n, -1);
	ck_assert(joined(&w)->skip_assignment);
}

TEST(former_self_of_a_static_member_is_fenced)
{
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR("b-1"),
				.new_member_id = STR("b-3"),
				.group_instance_id = STR("b") };
	const struct group *g;
	WORLD(w);

	stable_static(&w);
	join_static(&w, "g", "b-2", "b", "range:x");
	ck_assert_int_eq(join_with(&w, &j, "range:x"), K_FENCED_INSTANCE_ID);
	g = group_named(&w, "g");
	ck_assert_int_eq(group_check_member(g, STR("b-1"), STR("b"), 1),
			 K_FENCED_INSTANCE_ID);
	ck_assert_int_eq(group_check_member(g, STR("b-2"), STR("b"), 1),
			 K_NONE);
	ck_assert_int_eq(group_check_member(g, STR("b-2"), STR("c"), 1),
			 K_UNKNOWN_MEMBER_ID);
}

TEST(static_members_that_are_away_stay_when_time_is_up)
{
	WORLD(w);
	stable_static(&w);
	join(&w, "g", "m1", "range:x");
	ck_assert_int_eq(complete(&w, "g"), K_NONE);
	expect_state(&w, "g", "CompletingRebalance");
	ck_assert_int_eq(map_count(&group_named(&w, "g")->members), 3);
	ck_assert_str_eq(group_named(&w, "g")->leader, "m1");
}

TEST(static_member_leaves_by_its_instance)
{
	WORLD(w);
	stable_static(&w);
	ck_assert_int_eq(leave_static(&w, "g", "c"), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(leave_static(&w, "g", "b"), K_NONE);
	ck_assert_int_eq(map_count(&group_named(&w, "g")->members), 1);
}

TEST(static_member_with_another_favourite_protocol_rebalances)
{
	WORLD(w);
	stable_static(&w);
	join_static(&w, "g", "b-2", "b", "sticky:x,range:x");
	expect_state(&w, "g", "Stable");
	ck_assert_int_eq(join_static(&w, "g", "b-3", "b", "sticky:x"),
			 K_INCONSISTENT_GROUP_PROTOCOL);
}
