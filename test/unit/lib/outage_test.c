/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage_test: gaps between acknowledgements, and after faults.
 */
#include "judged.h"

/* t/0: acknowledged at 10, 20, 90; t/1: at 15, 25, and asked for more at 26 */
static const char two_partitions[] =
	"send 1 0 10 ok t/0 1 all - - 0 0\n"
	"send 1 11 20 ok t/0 2 all - - 0 1\n"
	"send 1 21 90 ok t/0 3 all - - 0 2\n"
	"send 2 0 15 ok t/1 4 all - - 0 0\n"
	"send 2 16 25 ok t/1 5 all - - 0 1\n"
	"send 2 26 120 fail t/1 6 all - - 0 -\n";

TEST(the_longest_gap_is_of_one_partition)
{
	struct history h;
	int key;

	history_of(&h, two_partitions);
	ck_assert_int_eq(history_gap(&h, 0, &key), 70);
	ck_assert_int_eq(key, 0);
	/* 25 to the end: it was asked to acknowledge more */
	ck_assert_int_eq(history_gap(&h, 1, &key), 95);
	ck_assert_int_eq(history_gap(&h, -1, &key), 95);
	ck_assert_int_eq(key, 1);
	history_fini(&h);
}

TEST(no_acknowledgement_is_no_gap)
{
	struct history h;
	int key;

	history_of(&h, "send 1 0 10 fail t/0 1 all - - 0 -\n");
	ck_assert_int_eq(history_gap(&h, -1, &key), 0);
	ck_assert_int_eq(key, -1);
	history_fini(&h);
}

TEST(an_outage_is_the_longest_gap_that_a_fault_touches)
{
	const int64_t faults[] = { 12, 30, 89, 130 };
	int64_t out[4];
	struct history h;

	history_of(&h, two_partitions);
	history_outages(&h, 0, faults, 4, 5, out);
	ck_assert_int_eq(out[0], 10);
	ck_assert_int_eq(out[1], 70);
	ck_assert_int_eq(out[2], 70);
	ck_assert_int_eq(out[3], 0);
	/* the window reaches the next gap */
	history_outages(&h, 0, faults, 4, 9, out);
	ck_assert_int_eq(out[0], 70);
	history_outages(&h, -1, faults, 4, 5, out);
	ck_assert_int_eq(out[0], 10);
	ck_assert_int_eq(out[1], 95);
	history_fini(&h);
}

TEST(percentile_is_an_element)
{
	int64_t v[] = { 5, 1, 4, 2, 3 };

	ck_assert_int_eq(history_percentile(v, 5, 50), 3);
	ck_assert_int_eq(history_percentile(v, 5, 99), 5);
	ck_assert_int_eq(history_percentile(v, 5, 100), 5);
	ck_assert_int_eq(history_percentile(v, 5, 0), 1);
	ck_assert_int_eq(history_percentile(v, 5, 20), 1);
	ck_assert_int_eq(history_percentile(v, 5, 21), 2);
	ck_assert_int_eq(history_percentile(v, 0, 50), 0);
}

TEST(a_verdict_has_the_outages_of_its_faults)
{
	struct verdict v = judged("fault - 12 12 ok kill 1\n"
				  "cut - 30 30 ok\n"
				  "send 1 0 10 ok t/0 1 1 - - 0 0\n"
				  "send 1 11 20 ok t/0 2 1 - - 0 1\n"
				  "send 1 21 90 ok t/0 3 1 - - 0 2\n",
				  VALID);

	ck_assert_int_eq(v.outages_n, 2);
	ck_assert_int_eq(v.outage_p50_us, 70);
	ck_assert_int_eq(v.outage_max_us, 70);
	ck_assert_int_eq(v.gap_worst_us, 70);
	verdict_fini(&v);
}
