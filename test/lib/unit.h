/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit: how a unit test is written. A test is named after a fact; it finds its
 * way into the check binary of its floor by standing in a file that is linked
 * (no list to keep). Files become test cases, each test runs in a process of
 * its own.
 *
 *	TEST(list_pop_takes_the_first)
 *	{
 *		ck_assert_ptr_eq(list_pop(&head), &first);
 *	}
 *
 * CK_RUN_CASE=wheel_test runs one file, CK_FORK=no all in one process (for the
 * debugger; tests that abort are then left out). UNIT_SHORT=10 asks for a tenth
 * of the rounds, UNIT_SLOW=50 grants bounds of time fifty times as much: both
 * for valgrind.
 */
#ifndef TEST_LIB_UNIT_H
#define TEST_LIB_UNIT_H

#include <check.h>
#include <signal.h>

struct unit {
	const TTest *test;
	const char *file;
	int signal; /* it must die from; 0 = it must return */
	int times;
	char *name; /* of the test case, when it is the first of it */
	struct unit *next;
};
void unit_add(struct unit *u);
/* n, or less of it where tests have to be short: at least 1 */
int unit_rounds(int n);
/* How many times slower than a plain build this run may be: 1 or more; what a
 * bound of time is multiplied with. Above 1 the sizes of blocks differ, too. */
int unit_slow(void);

#define UNIT(fact, sig, n)                                                     \
	static void fact##_fn(int _i);                                         \
	static const TTest fact##_ttest = { #fact, fact##_fn, __FILE__,        \
					    __LINE__ };                        \
	__attribute__((constructor)) static void fact##_add(void)              \
	{                                                                      \
		static struct unit u = { &fact##_ttest, __FILE__, sig, n,      \
					 NULL, NULL };                         \
		unit_add(&u);                                                  \
	}                                                                      \
	static void fact##_fn(__attribute__((unused)) int _i)

/* A fact. */
#define TEST(fact) UNIT(fact, 0, 1)
/* A fact about what must not be: the test has to die of an assertion. */
#define TEST_ABORTS(fact) UNIT(fact, SIGABRT, 1)
/* A fact that holds n times; _i counts from 0 to n - 1. */
#define TEST_TIMES(fact, n) UNIT(fact, 0, n)

#endif
