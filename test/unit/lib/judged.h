/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judged: small histories as text, and what the judge must say of them.
 */
#ifndef TEST_UNIT_JUDGED_H
#define TEST_UNIT_JUDGED_H

#include "unit.h"
#include "verdict.h"

#define VALID (-1)

/* Reads lines into an empty history; the test fails if one is not read. */
void history_of(struct history *h, const char *text);
/* The judge must name this error and no other (VALID: none). */
void expect(const char *text, int error);
/* The same, and gives the verdict; verdict_fini it. */
struct verdict judged(const char *text, int error);
void expect_verdict(const struct verdict *v, int error, const char *about);

#endif
