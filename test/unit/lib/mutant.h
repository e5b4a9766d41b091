/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant: plants one violation into a legal history of the model, where there
 * is a place for it. What else is wrong then is not said.
 */
#ifndef TEST_UNIT_MUTANT_H
#define TEST_UNIT_MUTANT_H

#include "model.h"
#include "verdict.h"

/* Of one violation there may be several ways; each has a name. */
struct mutant {
	const char *name;
	enum verdict_error error;
	/* False: no place in this history, which is as before. */
	bool (*plant)(struct history *h, struct prng *rng);
};
#define MUTANTS 29
extern const struct mutant mutants[MUTANTS];

#endif
