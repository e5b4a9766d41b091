/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_random_test: thousands of legal histories raise no alarm, and each
 * kind of error planted into one is found.
 */
#include "judged.h"
#include "model.h"
#include "mutant.h"

#include <stdio.h>

static void judge_seed(uint64_t seed, int steps)
{
	struct history h;
	struct verdict v;
	char about[64];

	snprintf(about, sizeof(about), "seed %d of %d steps", (int)seed, steps);
	history_init(&h);
	model_run(&h, seed, steps);
	verdict_judge(&h, 16, &v);
	expect_verdict(&v, VALID, about);
	verdict_fini(&v);
	history_fini(&h);
}

TEST_TIMES(a_legal_history_raises_no_alarm, 8)
{
	for (int i = 0; i < 500; i++) {
		uint64_t seed = (uint64_t)(_i * 500 + i);

		judge_seed(seed, 100);
		judge_seed(seed, 600);
		if (i % 10 == 0)
			judge_seed(seed, 5000);
	}
}

/* Whether there was a place for it. */
static bool is_caught(const struct mutant *mutant, uint64_t seed)
{
	struct history h;
	struct prng rng;
	struct verdict v;
	bool planted;

	prng_init(&rng, seed);
	history_init(&h);
	model_run(&h, seed, 4000);
	planted = mutant->plant(&h, &rng);
	verdict_judge(&h, 16, &v);
	if (planted && v.errors[mutant->error] == 0)
		ck_abort_msg("%s, seed %d: no %s among %d violations",
			     mutant->name, (int)seed,
			     verdict_error_name(mutant->error),
			     (int)v.violations);
	if (!planted)
		ck_assert_uint_eq(v.violations, 0);
	verdict_fini(&v);
	history_fini(&h);
	return planted;
}

TEST_TIMES(each_planted_error_is_named, MUTANTS)
{
	int planted = 0;

	for (uint64_t seed = 0; seed < 60; seed++)
		planted += is_caught(&mutants[_i], seed);
	if (planted < 30)
		ck_abort_msg("%s: only %d times", mutants[_i].name, planted);
}

TEST(each_error_has_a_mutant)
{
	for (int e = 0; e < VERDICT_ERRORS; e++) {
		bool found = false;

		for (int i = 0; i < MUTANTS; i++)
			found |= (int)mutants[i].error == e;
		ck_assert_msg(found, "%s", verdict_error_name(e));
	}
}

TEST_TIMES(a_random_history_is_read_as_it_is_written, 50)
{
	struct buf text = { 0 }, again = { 0 };
	struct history h, copy;

	history_init(&h);
	model_run(&h, (uint64_t)_i, 400);
	history_write(&h, &text);
	history_of(&copy, buf_c(&text));
	ck_assert_uint_eq(copy.ops_n, h.ops_n);
	ck_assert_uint_eq(copy.records_n, h.records_n);
	history_write(&copy, &again);
	ck_assert_str_eq(buf_c(&again), buf_c(&text));
	buf_fini(&text);
	buf_fini(&again);
	history_fini(&h);
	history_fini(&copy);
}
