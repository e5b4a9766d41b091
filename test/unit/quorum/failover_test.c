/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a quorum is without a leader, and what does not cost it one: at
 * the default 500 ms election timeout and 50 ms heartbeat. From kill to the
 * first entry of the new term applied.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "sim.h"
#include "unit.h"

#define KILLS 200

static struct sim *running(uint64_t seed, int nodes)
{
	struct sim_config c = { .seed = seed, .founders = nodes };
	struct sim *s = sim_new(&c);

	for (int i = 0; i < nodes; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	/* anywhere between two heartbeats */
	sim_run(s, 200 + (int64_t)prng_below(sim_prng(s), 50));
	return s;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted outages in ms after killing the leader, once per seed. */
static void measure(int nodes, bool notice, int64_t out[KILLS])
{
	for (int i = 0; i < KILLS; i++) {
		struct sim *s = running((uint64_t)i + 1, nodes);
		int64_t begin;

		for (int j = 0; j < 5; j++) {
			sim_propose(s, sim_leader(s), 0);
			sim_run(s, 7);
		}
		begin = sim_now_ms(s);
		sim_crash(s, sim_leader(s), DISK_MEM_KEEP, notice);
		ck_assert(sim_run_until(s, 10000, sim_has_leader, NULL));
		out[i] = sim_now_ms(s) - begin;
		sim_free(s);
	}
	qsort(out, KILLS, sizeof(*out), compare);
	if (getenv("RAFTMQ_SIM_TRACE"))
		fprintf(stderr, "%d nodes, notice %d: min %d p50 %d p95 %d "
			"max %d ms\n", nodes, notice, (int)out[0],
			(int)out[KILLS / 2], (int)out[KILLS * 95 / 100],
			(int)out[KILLS - 1]);
}

TEST(killed_leader_of_three_is_replaced_within_300_ms)
{
	int64_t ms[KILLS];

	measure(3, true, ms);
	ck_assert_int_le(ms[KILLS / 2], 200);
	ck_assert_int_le(ms[KILLS * 95 / 100], 300);
	ck_assert_int_le(ms[KILLS - 1], 600);
}

TEST(killed_leader_of_five_is_replaced_within_300_ms)
{
	int64_t ms[KILLS];

	measure(5, true, ms);
	ck_assert_int_le(ms[KILLS / 2], 200);
	ck_assert_int_le(ms[KILLS * 95 / 100], 300);
	ck_assert_int_le(ms[KILLS - 1], 600);
}

/* Without the hint: one that was stopped, or whose machine is gone. */
TEST(silent_leader_is_replaced_soon_after_the_election_timeout)
{
	int64_t ms[KILLS];

	for (int nodes = 3; nodes <= 5; nodes += 2) {
		measure(nodes, false, ms);
		ck_assert_int_ge(ms[0], 450);
		ck_assert_int_le(ms[KILLS / 2], 650);
		ck_assert_int_le(ms[KILLS * 95 / 100], 800);
		ck_assert_int_le(ms[KILLS - 1], 1200);
	}
}

static int64_t highest_term(struct sim *s, int nodes)
{
	int64_t term = 0;

	for (int i = 0; i < nodes; i++)
		term = max_of(term, quorum_term(sim_node(s, i)));
	return term;
}

TEST(flapping_connections_do_not_cost_a_living_leader_its_term)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim *s = running(seed, 3);
		int leader = sim_leader(s);
		int64_t term = highest_term(s, 3);

		/* every link to it resets, again and again; it is back soon */
		for (int i = 0; i < 100; i++) {
			for (int n = 0; n < 3; n++)
				if (n != leader)
					quorum_peer_lost(sim_node(s, n),
							 leader);
			sim_run(s, 20);
		}
		ck_assert_int_eq(highest_term(s, 3), term);
		ck_assert_int_eq(sim_leader(s), leader);
		sim_free(s);
	}
}

TEST(one_broken_link_does_not_cost_the_leader_its_term)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim *s = running(seed, 3);
		int leader = sim_leader(s);
		int other = (leader + 1) % 3;
		int64_t term = highest_term(s, 3);

		sim_cut(s, leader, other, true);
		quorum_peer_lost(sim_node(s, other), leader);
		sim_run(s, 3000);
		ck_assert_int_eq(highest_term(s, 3), term);
		ck_assert_int_eq(sim_leader(s), leader);
		sim_heal(s);
		ck_assert(sim_run_until(s, 3000, sim_settled, NULL));
		sim_free(s);
	}
}

TEST(leader_without_majority_steps_down_within_an_election_timeout)
{
	struct sim *s = running(5, 3);
	int leader = sim_leader(s);
	struct quorum *q = sim_node(s, leader);

	for (int i = 0; i < 3; i++)
		if (i != leader)
			sim_cut(s, leader, i, true);
	sim_run(s, 1100); /* one to be missed, one to be counted */
	ck_assert_int_ne(quorum_role(q), QUORUM_LEADER);
	sim_propose(s, leader, 0);
	ck_assert_int_eq(sim_counts(s).refused, 1);
	sim_free(s);
}

TEST(leader_hands_over_within_milliseconds)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim *s = running(seed, 3);
		int leader = sim_leader(s);
		int64_t begin;

		for (int i = 0; i < 50; i++)
			sim_propose(s, leader, 0);
		begin = sim_now_ms(s);
		ck_assert_int_eq(quorum_transfer(sim_node(s, leader), -1), 0);
		sim_propose(s, leader, 0); /* no longer its business */
		ck_assert_int_eq(sim_counts(s).refused, 1);
		sim_run(s, 70);
		ck_assert_int_ne(sim_leader(s), leader);
		ck_assert(sim_run_until(s, 100, sim_settled, NULL));
		ck_assert_int_lt(sim_now_ms(s) - begin, 200);
		ck_assert_int_eq(sim_counts(s).acked, 50);
		sim_free(s);
	}
}

TEST(handing_over_to_nobody_is_refused)
{
	struct sim *s = running(1, 1);

	ck_assert_int_eq(quorum_transfer(sim_node(s, 0), -1), -ENOENT);
	sim_free(s);
	s = running(1, 3);
	for (int i = 0; i < 3; i++)
		if (i != sim_leader(s))
			ck_assert_int_eq(quorum_transfer(sim_node(s, i), -1),
					 -EPERM);
	ck_assert_int_eq(quorum_transfer(sim_node(s, sim_leader(s)), 7),
			 -ENOENT);
	sim_free(s);
}

TEST(failed_hand_over_ends_after_an_election_timeout)
{
	struct sim *s = running(3, 3);
	int leader = sim_leader(s);

	for (int i = 0; i < 3; i++)
		if (i != leader)
			sim_cut(s, leader, i, true);
	sim_propose(s, leader, 0); /* the others will not have this one */
	ck_assert_int_eq(quorum_transfer(sim_node(s, leader), -1), 0);
	sim_run(s, 20);
	sim_heal(s);
	ck_assert(sim_run_until(s, 3000, sim_settled, NULL));
	sim_propose(s, sim_leader(s), 0);
	sim_run(s, 600);
	ck_assert_int_ge(sim_counts(s).acked, 1);
	sim_free(s);
}
