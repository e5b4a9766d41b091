/* SPDX-License-Identifier: Apache-2.0 */
/* What silence decides: proposals from the leader's timers, applied at once. */
#include "world.h"

struct stage {
	struct world w;
	struct wheel *wheel;
	struct sessions *s;
	int proposals;
	bool refuse;          /* the quorum drops everything */
	const char *waiting;  /* this member's request is parked */
};

static void on_propose(void *ctx, const struct wire_type *type,
		       const void *command)
{
	struct stage *t = ctx;

	t->proposals++;
	if (t->refuse)
		return;
	world_apply(&t->w, type, command);
	for (int32_t i = 0; i < t->w.effects.groups_n; i++)
		sessions_changed(t->s, t->w.effects.groups[i], t->w.now_ms);
}

static bool is_waiting(void *ctx, struct str group, struct str member)
{
	struct stage *t = ctx;

	(void)group;
	return t->waiting && str_eq_c(member, t->waiting);
}

static void stage_init(struct stage *t)
{
	struct sessions_config c = { .ctx = t,
				     .propose = on_propose,
				     .is_waiting = is_waiting,
				     .initial_delay_ms = 100,
				     .offsets_retention_ms = 5000,
				     .offsets_check_ms = 600000 };

	*t = (struct stage){ 0 };
	world_init(&t->w);
	t->wheel = c.wheel = wheel_new(t->w.now_ms);
	c.coord = t->w.coord;
	t->s = sessions_new(&c);
	sessions_start(t->s, t->w.coord, t->w.now_ms);
}

static void stage_fini(struct stage *t)
{
	sessions_free(t->s);
	wheel_free(t->wheel);
	world_fini(&t->w);
}
#define STAGE(t)                                                               \
	struct stage t __attribute__((cleanup(stage_fini)));                   \
	stage_init(&t)

static void pass(struct stage *t, int64_t ms)
{
	for (int64_t i = 0; i < ms; i += 10) {
		t->w.now_ms += 10;
		wheel_advance(t->wheel, t->w.now_ms);
	}
}

static void changed(struct stage *t)
{
	sessions_changed(t->s, STR("g"), t->w.now_ms);
}

static void enter(struct stage *t, const char *member)
{
	ck_assert_int_eq(join(&t->w, "g", member, "range:a"), 0);
	changed(t);
}

static void stable(struct stage *t, int members)
{
	stable_group(&t->w, "g", members);
	changed(t);
	for (int i = 0; i < members; i++) {
		char id[] = { 'm', (char)('1' + i), 0 };

		sessions_synced(t->s, STR("g"), str_of(id), t->w.now_ms);
	}
}

TEST(initial_delay_lasts_longer_when_someone_comes) /* KIP-134 */
{
	STAGE(t);
	enter(&t, "m1");
	pass(&t, 90);
	enter(&t, "m2");
	pass(&t, 20);
	expect_state(&t.w, "g", "PreparingRebalance");
	pass(&t, 100);
	expect_state(&t.w, "g", "CompletingRebalance");
	ck_assert_int_eq(map_count(&group_named(&t.w, "g")->members), 2);
}

TEST(silent_member_is_out_after_its_session)
{
	STAGE(t);
	stable(&t, 2);
	for (int i = 0; i < 6; i++) {
		pass(&t, 3000);
		sessions_heard(t.s, STR("g"), STR("m1"), t.w.now_ms);
		if (i < 1)
			sessions_heard(t.s, STR("g"), STR("m2"), t.w.now_ms);
	}
	ck_assert_ptr_null(group_member_of(group_named(&t.w, "g"), STR("m2")));
	ck_assert_ptr_nonnull(
		group_member_of(group_named(&t.w, "g"), STR("m1")));
}

TEST(member_whose_request_waits_is_not_silent)
{
	STAGE(t);
	stable(&t, 1);
	t.waiting = "m1";
	pass(&t, 50000);
	expect_state(&t.w, "g", "Stable");
	t.waiting = NULL;
	pass(&t, 10100);
	expect_state(&t.w, "g", "Empty");
}

TEST(rebalance_ends_without_those_who_stay_away)
{
	STAGE(t);
	stable(&t, 2);
	enter(&t, "m3");
	t.waiting = "m3";
	for (int i = 0; i < 58; i++) {
		pass(&t, 1000);
		sessions_heard(t.s, STR("g"), STR("m1"), t.w.now_ms);
		sessions_heard(t.s, STR("g"), STR("m2"), t.w.now_ms);
	}
	expect_state(&t.w, "g", "PreparingRebalance");
	pass(&t, 2100);
	expect_state(&t.w, "g", "CompletingRebalance");
	ck_assert_int_eq(map_count(&group_named(&t.w, "g")->members), 1);
}

TEST(leader_that_never_syncs_is_out)
{
	STAGE(t);
	enter(&t, "m1");
	enter(&t, "m2");
	pass(&t, 200);
	expect_state(&t.w, "g", "CompletingRebalance");
	sessions_synced(t.s, STR("g"), STR("m2"), t.w.now_ms);
	for (int i = 0; i < 61; i++) {
		pass(&t, 1000);
		sessions_heard(t.s, STR("g"), STR("m1"), t.w.now_ms);
		sessions_heard(t.s, STR("g"), STR("m2"), t.w.now_ms);
	}
	ck_assert_ptr_null(group_member_of(group_named(&t.w, "g"), STR("m1")));
}

TEST(id_that_is_never_used_holds_a_rebalance_only_for_its_session)
{
	struct group_join hold = { .group_id = STR("g"),
				   .member_id = STR("m1"),
				   .new_member_id = STR("x"),
				   .group_instance_id = STR_NULL,
				   .hold = true };
	STAGE(t);

	stable(&t, 1);
	sessions_pend(t.s, STR("g"), STR("ghost"), 6000, t.w.now_ms);
	ck_assert_int_eq(sessions_pending(t.s, STR("g")), 1);
	t.waiting = "m1";
	join_with(&t.w, &hold, "range:a");
	changed(&t);
	pass(&t, 5900);
	expect_state(&t.w, "g", "PreparingRebalance");
	pass(&t, 200);
	ck_assert_int_eq(sessions_pending(t.s, STR("g")), 0);
	expect_state(&t.w, "g", "CompletingRebalance");
}

TEST(id_is_used_once)
{
	STAGE(t);
	sessions_pend(t.s, STR("g"), STR("m1"), 6000, t.w.now_ms);
	ck_assert(sessions_unpend(t.s, STR("g"), STR("m1")));
	ck_assert(!sessions_unpend(t.s, STR("g"), STR("m1")));
}

TEST(lost_proposal_is_repeated)
{
	STAGE(t);
	stable(&t, 1);
	t.refuse = true;
	pass(&t, 10100);
	ck_assert_int_eq(t.proposals, 1);
	t.refuse = false;
	pass(&t, 1100);
	expect_state(&t.w, "g", "Empty");
}

TEST(new_leader_gives_everyone_a_fresh_session)
{
	STAGE(t);
	stable(&t, 1);
	pass(&t, 9000);
	sessions_stop(t.s);
	sessions_start(t.s, t.w.coord, t.w.now_ms);
	pass(&t, 9000);
	expect_state(&t.w, "g", "Stable");
	pass(&t, 1100);
	expect_state(&t.w, "g", "Empty");
}

TEST(nobody_speaks_after_stop)
{
	STAGE(t);
	stable(&t, 2);
	sessions_stop(t.s);
	pass(&t, 60000);
	ck_assert_int_eq(t.proposals, 0);
}

TEST(old_offsets_are_looked_for_now_and_then)
{
	STAGE(t);
	commit(&t.w, "simple", "", -1, 5);
	pass(&t, 610000);
	ck_assert_ptr_null(coord_group(t.w.coord, STR("simple")));
}
