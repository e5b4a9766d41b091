/* SPDX-License-Identifier: Apache-2.0 */
/* histogram: what it promises about digits, percentiles and merging. */
#include <stdlib.h>

#include "histogram.h"
#include "unit.h"

static int64_t only(int64_t value)
{
	struct histogram h;
	int64_t got;

	histogram_init(&h);
	histogram_add(&h, value, 1);
	/* a larger one, so that max does not cap the slot's end */
	histogram_add(&h, HISTOGRAM_MAX, 1);
	got = histogram_at(&h, 50);
	histogram_fini(&h);
	return got;
}

TEST(histogram_empty_is_zero)
{
	struct histogram h;

	histogram_init(&h);
	ck_assert_int_eq(histogram_at(&h, 0), 0);
	ck_assert_int_eq(histogram_at(&h, 100), 0);
	ck_assert(histogram_mean(&h) == 0);
	ck_assert(histogram_deviation(&h) == 0);
	histogram_fini(&h);
}

TEST(histogram_values_below_2048_are_exact)
{
	for (int64_t v = 0; v < 2048; v++)
		ck_assert_int_eq(only(v), v);
}

TEST(histogram_keeps_three_digits)
{
	for (int bit = 1; bit < 40; bit++) {
		int64_t base = INT64_C(1) << bit;

		for (int64_t v = base - 1; v <= base + base / 3;
		     v += base / 7 + 1) {
			int64_t got = only(v);

			ck_assert_int_ge(got, v);
			ck_assert_int_le(got - v, v / 1024);
		}
	}
}

TEST(histogram_slots_do_not_overlap)
{
	int64_t last = -1;

	for (int64_t v = 0; v < 100000; v++) {
		int64_t got = only(v);

		ck_assert_int_ge(got, last);
		last = got;
		v = v < 5000 ? v : v + 97;
	}
}

TEST(histogram_percentile_is_the_value_of_that_rank)
{
	struct histogram h;

	histogram_init(&h);
	for (int v = 1; v <= 1000; v++)
		histogram_add(&h, v, 1);
	ck_assert_int_eq(histogram_at(&h, 0), 1);
	ck_assert_int_eq(histogram_at(&h, 50), 500);
	ck_assert_int_eq(histogram_at(&h, 99), 990);
	ck_assert_int_eq(histogram_at(&h, 99.9), 999);
	ck_assert_int_eq(histogram_at(&h, 99.99), 1000);
	ck_assert_int_eq(histogram_at(&h, 100), 1000);
	ck_assert_int_eq(h.min, 1);
	ck_assert_int_eq(h.max, 1000);
	ck_assert_double_eq_tol(histogram_mean(&h), 500.5, 1e-9);
	ck_assert_double_eq_tol(histogram_deviation(&h), 288.675, 1e-3);
	histogram_fini(&h);
}

TEST(histogram_percentile_never_exceeds_max)
{
	struct histogram h;

	histogram_init(&h);
	histogram_add(&h, 1000001, 3);
	ck_assert_int_eq(histogram_at(&h, 50), 1000001);
	ck_assert_int_eq(histogram_at(&h, 100), 1000001);
	histogram_fini(&h);
}

TEST(histogram_clamps_what_it_cannot_hold)
{
	struct histogram h;

	histogram_init(&h);
	histogram_add(&h, -5, 1);
	histogram_add(&h, INT64_MAX, 1);
	histogram_add(&h, 7, 0);
	ck_assert_int_eq(h.count, 2);
	ck_assert_int_eq(h.min, 0);
	ck_assert_int_eq(h.max, HISTOGRAM_MAX);
	ck_assert_int_eq(histogram_at(&h, 100), HISTOGRAM_MAX);
	histogram_fini(&h);
}

TEST(histogram_merge_equals_adding_all)
{
	struct histogram a, b, all;
	uint64_t x = 88172645463325252u;

	histogram_init(&a);
	histogram_init(&b);
	histogram_init(&all);
	for (int i = 0; i < 20000; i++) {
		int64_t v;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v = (int64_t)(x >> (24 + i % 30));
		histogram_add(i & 1 ? &a : &b, v, 1);
		histogram_add(&all, v, 1);
	}
	histogram_merge(&a, &b);
	ck_assert_int_eq(a.count, all.count);
	ck_assert_int_eq(a.min, all.min);
	ck_assert_int_eq(a.max, all.max);
	for (double p = 0; p <= 100; p += 0.37)
		ck_assert_int_eq(histogram_at(&a, p), histogram_at(&all, p));
	histogram_reset(&b);
	ck_assert_int_eq(b.count, 0);
	histogram_merge(&a, &b);
	ck_assert_int_eq(a.min, all.min);
	histogram_merge(&b, &all);
	ck_assert_int_eq(b.min, all.min);
	ck_assert_int_eq(histogram_at(&b, 75), histogram_at(&all, 75));
	histogram_fini(&a);
	histogram_fini(&b);
	histogram_fini(&all);
}

TEST(histogram_print_ends_at_the_largest_value)
{
	struct histogram h;
	char *text = NULL, *row;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	histogram_init(&h);
	histogram_add(&h, 10, 99);
	histogram_add(&h, 500, 1);
	histogram_print(&h, f);
	fclose(f);
	row = strstr(text, "          10 0.990000000000         99");
	ck_assert_ptr_nonnull(row);
	ck_assert_ptr_nonnull(strstr(row, "100.00\n         500 1.0000"));
	ck_assert_ptr_nonnull(strstr(text, "Total count    =          100]"));
	free(text);
	histogram_fini(&h);
}
