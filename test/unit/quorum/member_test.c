/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to the quorum, and snapshots for those who come late. */
#include "core.h"
#include "sim.h"
#include "unit.h"

static struct sim *begin(const struct sim_config *c)
{
	struct sim *s = sim_new(c);

	for (int i = 0; i < c->founders + c->joiners; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	return s;
}

static bool changed(struct sim *s, void *unused)
{
	(void)unused;
	return sim_last_change_error(s) != -EINPROGRESS;
}

static int change(struct sim *s, enum quorum_change_kind kind, int node)
{
	sim_change(s, kind, node);
	ck_assert(sim_run_until(s, 5000, changed, NULL));
	return sim_last_change_error(s);
}

static void work(struct sim *s, int n, int32_t bytes)
{
	for (int i = 0; i < n; i++) {
		sim_propose(s, sim_leader(s), bytes);
		if (i % 8 == 7)
			sim_run(s, 2);
	}
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
}

TEST(stand_by_joins_sees_everything_and_becomes_a_voter)
{
	struct sim_config c = { .seed = 3, .founders = 3, .joiners = 1 };
	struct sim *s = begin(&c);
	int leader = sim_leader(s);
	struct quorum *q;

	work(s, 50, 0);
	ck_assert_int_eq(change(s, QUORUM_PROMOTE, 3), -ENOENT);
	ck_assert_int_eq(change(s, QUORUM_ADD, 3), 0);
	ck_assert_int_eq(change(s, QUORUM_ADD, 3), -EEXIST);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	q = sim_node(s, 3);
	ck_assert_int_eq(quorum_members_n(q), 4);
	ck_assert_int_eq(quorum_applied_index(q),
			 quorum_applied_index(sim_node(s, leader)));
	ck_assert(!quorum_member_at(q, 3).voter);
	ck_assert_str_eq(quorum_member_at(q, 3).address, "node3:9");
	ck_assert_int_eq(change(s, QUORUM_PROMOTE, 3), 0);
	ck_assert_int_eq(change(s, QUORUM_PROMOTE, 3), -EEXIST);
	sim_run(s, 200);
	ck_assert(quorum_member_at(q, 3).voter);
	/* a voter it is: without two of the founders it is needed */
	for (int i = 0, n = 0; i < 3 && n < 1; i++)
		if (i != sim_leader(s)) {
			sim_crash(s, i, DISK_MEM_KEEP, true);
			n++;
		}
	work(s, 20, 0);
	sim_free(s);
}

TEST(dead_voter_is_replaced_by_a_new_one)
{
	struct sim_config c = { .seed = 4, .founders = 3, .joiners = 1 };
	struct sim *s = begin(&c);
	int dead = (sim_leader(s) + 1) % 3;

	sim_crash(s, dead, DISK_MEM_LOSE, true);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, dead), -EINVAL); /* 2 left */
	ck_assert_int_eq(change(s, QUORUM_ADD, 3), 0);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	ck_assert_int_eq(change(s, QUORUM_PROMOTE, 3), 0);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, dead), 0);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, sim_leader(s)), -EINVAL);
	ck_assert_int_eq(quorum_members_n(sim_node(s, sim_leader(s))), 3);
	/* and now one more of the founders may die */
	sim_crash(s, sim_leader(s), DISK_MEM_LOSE, true);
	ck_assert(sim_run_until(s, 5000, sim_has_leader, NULL));
	work(s, 20, 0);
	sim_free(s);
}

TEST(voters_of_a_quorum_of_one_do_not_grow)
{
	struct sim_config c = { .seed = 5, .founders = 1, .joiners = 1 };
	struct sim *s = begin(&c);

	ck_assert_int_eq(change(s, QUORUM_ADD, 1), 0);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	ck_assert_int_eq(change(s, QUORUM_PROMOTE, 1), -EINVAL);
	work(s, 20, 0);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, 1), 0);
	sim_free(s);
}

TEST(change_of_members_whose_leader_dies_is_not_confirmed)
{
	struct sim_config c = { .seed = 6, .founders = 3, .joiners = 1 };
	struct sim *s = begin(&c);
	int leader = sim_leader(s);

	for (int i = 0; i < 3; i++)
		if (i != leader)
			sim_cut(s, leader, i, true);
	sim_change(s, QUORUM_ADD, 3);
	sim_run(s, 2000);
	ck_assert_int_eq(sim_last_change_error(s), -ECANCELED);
	sim_heal(s);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	ck_assert_int_eq(quorum_members_n(sim_node(s, leader)), 3);
	sim_free(s);
}

/* Else nobody could be elected after all had stopped: newcomers do not vote. */
TEST(change_that_newcomers_would_have_to_carry_is_refused)
{
	struct sim_config c = { .seed = 7, .founders = 5 };
	struct sim *s = sim_new(&c);
	int leader, out = -1;

	for (int i = 0; i < 5; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_has_leader, NULL));
	leader = sim_leader(s);
	for (int i = 0, cut = 0; i < 5; i++) {
		if (i == leader)
			continue;
		if (cut++ < 2)
			for (int k = 0; k < 5; k++)
				sim_cut(s, i, k, k != i);
		else
			out = i;
	}
	sim_propose(s, leader, 0);
	sim_run(s, 400); /* two of them have never heard of a commit */
	ck_assert_int_eq(sim_leader(s), leader);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, out), -EAGAIN);
	sim_heal(s);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_run(s, 200);
	ck_assert_int_eq(change(s, QUORUM_REMOVE, out), 0);
	sim_free(s);
}

/* ---- late comers --------------------------------------------------------- */

static struct sim *with_big_state(int joiners, int n, int32_t bytes)
{
	struct sim_config c = { .seed = 8,
				.founders = 3,
				.joiners = joiners,
				.snapshot_entries = 500,
				.trailing_entries = 10,
				.segment_bytes = 4 << 20,
				.big_state = true };
	struct sim *s = begin(&c);

	work(s, n, bytes);
	return s;
}

static bool follows(struct sim *s, void *node)
{
	struct quorum *q = sim_node(s, *(int *)node);

	return q && quorum_applied_index(q) >= sim_acked_index(s);
}

static int64_t term(struct sim *s)
{
	return quorum_term(sim_node(s, sim_leader(s)));
}

TEST(big_snapshot_does_not_disturb_the_leader)
{
	struct sim *s = with_big_state(0, 1500, 16000);
	int late = (sim_leader(s) + 1) % 3;
	int64_t before = term(s);

	/* 1500 values of 16 KB: more than 20 MB of state */
	sim_crash(s, late, DISK_MEM_KEEP, true);
	work(s, 600, 1000);
	sim_start(s, late);
	ck_assert(sim_run_until(s, 20000, follows, &late));
	ck_assert_int_ge(sim_counts(s).installs, 1);
	ck_assert_int_eq(term(s), before);
	/* one stream, however many heartbeats it took */
	ck_assert_int_le(sim_counts(s).installs, 2);
	sim_free(s);
}

TEST(snapshot_stream_goes_on_where_it_broke)
{
	struct sim *s = with_big_state(1, 600, 8000);
	int late = 3;
	int64_t frames;

	sim_net(s)->lose = 20; /* of pieces, too */
	sim_change(s, QUORUM_ADD, late);
	ck_assert(sim_run_until(s, 60000, follows, &late));
	frames = sim_counts(s).frames;
	ck_assert_int_gt(frames, 0);
	ck_assert_int_le(sim_counts(s).installs, 2);
	sim_heal(s);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_free(s);
}

TEST(snapshot_stream_begins_again_for_a_receiver_that_died)
{
	struct sim *s = with_big_state(1, 600, 8000);
	int late = 3;

	sim_change(s, QUORUM_ADD, late);
	for (int i = 0; i < 10; i++) {
		sim_run(s, 5 + i * 10);
		sim_crash(s, late, DISK_MEM_RANDOM, i % 2);
		sim_start(s, late);
	}
	ck_assert(sim_run_until(s, 60000, follows, &late));
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_free(s);
}

static bool streams(struct sim *s, void *unused)
{
	(void)unused;
	return sim_node(s, sim_leader(s))->streams_n == 1;
}

/* Its snapshot is replaced and swept while it is being sent. */
TEST(snapshot_that_is_being_sent_is_not_swept)
{
	struct sim *s = with_big_state(1, 600, 8000);
	int late = 3;
	int64_t first = quorum_snapshot_index(sim_node(s, sim_leader(s)));

	sim_net(s)->delay_us = 5000; /* 10 ms a piece */
	sim_change(s, QUORUM_ADD, late);
	ck_assert(sim_run_until(s, 1000, streams, NULL));
	work(s, 1200, 100);
	ck_assert_int_gt(quorum_snapshot_index(sim_node(s, sim_leader(s))),
			 first);
	ck_assert(sim_run_until(s, 60000, follows, &late));
	sim_heal(s);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_free(s);
}
