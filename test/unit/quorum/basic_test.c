/* SPDX-License-Identifier: Apache-2.0 */
/* What a quorum does when nothing goes wrong, and how long it takes. */
#include "sim.h"
#include "unit.h"

static bool acked(struct sim *s, void *arg)
{
	return sim_counts(s).acked >= *(int64_t *)arg;
}

TEST(quorum_of_one_leads_within_milliseconds)
{
	struct sim_config c = { .seed = 1, .founders = 1 };
	struct sim *s = sim_new(&c);
	int64_t begin = sim_now_ms(s);
	int64_t one = 1;

	sim_start(s, 0);
	ck_assert(sim_run_until(s, 1000, sim_has_leader, NULL));
	sim_propose(s, 0, 0);
	ck_assert(sim_run_until(s, 1000, acked, &one));
	ck_assert_int_lt(sim_now_ms(s) - begin, 60);
	sim_free(s);
}

TEST(quorum_of_three_elects_and_agrees)
{
	struct sim_config c = { .seed = 2, .founders = 3 };
	struct sim *s = sim_new(&c);
	int64_t n = 100;

	for (int i = 0; i < 3; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 5000, sim_has_leader, NULL));
	for (int i = 0; i < 100; i++)
		sim_propose(s, sim_leader(s), 10);
	ck_assert(sim_run_until(s, 1000, acked, &n));
	ck_assert(sim_run_until(s, 1000, sim_settled, NULL));
	sim_compare_logs(s);
	sim_free(s);
}

static bool all_have_applied(struct sim *s, void *index)
{
	for (int i = 0; i < 3; i++)
		if (quorum_applied_index(sim_node(s, i)) < *(int64_t *)index)
			return false;
	return true;
}

TEST(what_is_agreed_is_known_everywhere_before_the_next_heartbeat)
{
	struct sim_config c = { .seed = 8, .founders = 3,
				.heartbeat_ms = 200 };
	struct sim *s = sim_new(&c);
	int64_t index;

	for (int i = 0; i < 3; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	for (int i = 0; i < 20; i++) {
		index = quorum_last_index(sim_node(s, sim_leader(s))) + 1;
		sim_propose(s, sim_leader(s), 0);
		ck_assert(sim_run_until(s, 100, all_have_applied, &index));
		sim_run(s, 30);
	}
	sim_free(s);
}
