/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Voters whose disks are wiped, and what they may do before they have been
 * given everything again (newcomer.c); and that founding, which only
 * newcomers do, gets to its end whoever dies on the way.
 */
#include "core.h"
#include "sim.h"
#include "unit.h"

static struct sim *found(uint64_t seed, int nodes)
{
	struct sim_config c = { .seed = seed, .founders = nodes };
	struct sim *s = sim_new(&c);

	for (int i = 0; i < nodes; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	return s;
}

static void propose_some(struct sim *s)
{
	for (int i = 0; i < 20; i++) {
		sim_propose(s, sim_leader(s), 0);
		sim_run(s, 5);
	}
	sim_run(s, 200);
}

TEST(founders_are_newcomers_until_something_is_committed)
{
	struct sim_config c = { .seed = 3, .founders = 3 };
	struct sim *s = sim_new(&c);

	for (int i = 0; i < 3; i++)
		sim_start(s, i);
	for (int i = 0; i < 3; i++)
		ck_assert(sim_node(s, i)->vote.now.newcomer);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	sim_run(s, 200); /* the commit reaches them with the next heartbeat */
	for (int i = 0; i < 3; i++)
		ck_assert(!sim_node(s, i)->vote.now.newcomer);
	sim_free(s);
}

/*
 * A and B have committed what C lacks; B is wiped, A is down. With B's vote C
 * would lead without what was acknowledged. (reliability: NATS 2.12.1, where
 * a node that came back empty helped to elect one that was behind.)
 */
TEST_TIMES(a_wiped_voter_elects_nobody_who_lacks_what_was_agreed, 20)
{
	struct sim *s = found((uint64_t)_i + 1, 3);
	int a = sim_leader(s), b = (a + 1) % 3, c = (a + 2) % 3;

	sim_cut(s, a, c, true);
	sim_cut(s, b, c, true);
	sim_run(s, 1000);
	ck_assert_int_eq(sim_leader(s), a);
	propose_some(s);
	sim_crash(s, b, DISK_MEM_KEEP, true);
	sim_crash(s, a, DISK_MEM_KEEP, true);
	sim_wipe(s, b);
	sim_heal(s);
	sim_start(s, b);
	sim_run(s, 20000);
	ck_assert_int_eq(sim_leader(s), -1);
	sim_start(s, a);
	ck_assert(sim_run_until(s, 20000, sim_settled, NULL));
	sim_free(s);
}

/* The leader that knew it hands over; then it has all, and its vote counts. */
TEST_TIMES(a_wiped_voter_is_given_all_again_and_votes, 20)
{
	struct sim *s = found((uint64_t)_i + 1, 3);
	int victim = (sim_leader(s) + 1 + _i % 2) % 3, leader;

	propose_some(s);
	sim_crash(s, victim, DISK_MEM_KEEP, true);
	propose_some(s);
	sim_wipe(s, victim);
	sim_start(s, victim);
	ck_assert(sim_run_until(s, 20000, sim_settled, NULL));
	sim_run(s, 1000);
	ck_assert(!sim_node(s, victim)->vote.now.newcomer);
	leader = sim_leader(s);
	sim_crash(s, leader == victim ? (victim + 1) % 3 : leader,
		  DISK_MEM_KEEP, true);
	ck_assert(sim_run_until(s, 20000, sim_has_leader, NULL));
	propose_some(s);
	sim_free(s);
}

TEST_TIMES(a_wiped_leader_comes_back_as_a_follower, 10)
{
	struct sim *s = found((uint64_t)_i + 1, 3);
	int a = sim_leader(s);

	propose_some(s);
	sim_crash(s, a, DISK_MEM_KEEP, true);
	sim_wipe(s, a);
	sim_start(s, a);
	ck_assert(sim_run_until(s, 20000, sim_settled, NULL));
	propose_some(s);
	ck_assert(sim_run_until(s, 20000, sim_settled, NULL));
	sim_free(s);
}

/* Whatever died in the middle of it, in whatever order they come back. */
TEST_TIMES(founding_ends_whoever_dies_on_the_way, 300)
{
	struct sim_config c = { .seed = (uint64_t)_i + 1, .founders = 3 };
	struct sim *s = sim_new(&c);
	struct prng *p = sim_prng(s);

	for (int i = 0; i < 3; i++)
		if (prng_below(p, 2))
			sim_start(s, i);
	for (int round = 0; round < 8; round++) {
		int node = (int)prng_below(p, 3);

		sim_run(s, (int64_t)prng_below(p, 800));
		if (!sim_node(s, node))
			sim_start(s, node);
		else if (prng_below(p, 2))
			sim_crash_in_job(s, node);
		else
			sim_crash(s, node, DISK_MEM_RANDOM, true);
	}
	sim_heal(s);
	for (int i = 0; i < 3; i++)
		if (!sim_node(s, i))
			sim_start(s, i);
	ck_assert(sim_run_until(s, 30000, sim_settled, NULL));
	sim_free(s);
}
