/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/base.h>

#include "unit.h"

TEST(str_null_differs_from_empty)
{
	ck_assert(!str_eq(STR_NULL, STR("")));
	ck_assert(str_eq(STR_NULL, str_of(NULL)));
	ck_assert(str_eq(STR(""), str_of("")));
	ck_assert_int_lt(str_cmp(STR_NULL, STR("")), 0);
}

TEST(str_cmp_is_bytewise)
{
	ck_assert_int_lt(str_cmp(STR("ab"), STR("abc")), 0);
	ck_assert_int_gt(str_cmp(STR("b"), STR("abc")), 0);
	ck_assert_int_gt(str_cmp(STR("\xff"), STR("a")), 0);
	ck_assert_int_eq(str_cmp(STR("a\0b"), STR("a\0b")), 0);
	ck_assert(str_eq_c(STR("abc"), "abc"));
	ck_assert(!str_eq_c(STR("abc"), "abd"));
	ck_assert(!str_eq_c(STR("abc"), NULL));
}

TEST(str_prefix_of_itself)
{
	ck_assert(str_has_prefix(STR("abc"), "abc"));
	ck_assert(str_has_prefix(STR("abc"), ""));
	ck_assert(!str_has_prefix(STR("ab"), "abc"));
	ck_assert(!str_has_prefix(STR_NULL, ""));
}

TEST(str_copies_are_terminated)
{
	struct arena a = { 0 };
	struct str s = { "abcdef", 3 };
	char *heap = str_heap(s);

	ck_assert_str_eq(str_c(&a, s), "abc");
	ck_assert_str_eq(str_c(&a, STR_NULL), "");
	ck_assert_str_eq(heap, "abc");
	ck_assert_str_eq(str_dup(&a, s).p, "abc");
	ck_assert_int_eq(str_dup(&a, STR_NULL).n, -1);
	ck_assert(str_eq_c(str_printf(&a, "%d", 42), "42"));
	mem_free(heap);
	arena_fini(&a);
}

TEST(str_to_i64_takes_whole_numbers_in_range)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 }, { "-0", 0 }, { "42", 42 }, { "-1", -1 },
		{ "007", 7 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0",
		"9223372036854775808", "-9223372036854775809",
		"99999999999999999999999",
	};
	int64_t v = 77;

	for (size_t i = 0; i < countof(good); i++) {
		ck_assert_msg(str_to_i64(str_of(good[i].text), INT64_MIN,
					 INT64_MAX, &v), "%s", good[i].text);
		ck_assert_int_eq(v, good[i].value);
	}
	v = 77;
	for (size_t i = 0; i < countof(bad); i++)
		ck_assert_msg(!str_to_i64(str_of(bad[i]), INT64_MIN, INT64_MAX,
					  &v), "%s", bad[i]);
	ck_assert(!str_to_i64(STR_NULL, INT64_MIN, INT64_MAX, &v));
	ck_assert(!str_to_i64(STR("11"), 0, 10, &v));
	ck_assert(!str_to_i64(STR("-1"), 0, 10, &v));
	ck_assert_int_eq(v, 77);
}

TEST(str_distance_counts_edits)
{
	ck_assert_uint_eq(str_distance("", "", 9), 0);
	ck_assert_uint_eq(str_distance("abc", "", 9), 3);
	ck_assert_uint_eq(str_distance("kitten", "sitting", 9), 3);
	ck_assert_uint_eq(str_distance("log.dirs", "log.dir", 9), 1);
	ck_assert_uint_eq(str_distance("ab", "ba", 9), 2);
}

TEST(str_distance_stops_at_its_limit)
{
	ck_assert_uint_eq(str_distance("kitten", "sitting", 4), 3);
	ck_assert_uint_eq(str_distance("kitten", "sitting", 3), 3);
	ck_assert_uint_eq(str_distance("kitten", "sitting", 2), 2);
	ck_assert_uint_eq(str_distance("abcdef", "uvwxyz", 5), 5);
	ck_assert_uint_eq(str_distance("", "abcdef", 5), 5);
	ck_assert_uint_eq(str_distance("same", "same", 1), 0);
}

TEST(str_distance_is_the_same_below_any_limit)
{
	struct prng r;

	prng_init(&r, 1);
	for (int i = 0; i < 2000; i++) {
		char text[2][12] = { "", "" };
		unsigned d;

		for (int k = 0; k < 2; k++)
			for (size_t n = prng_below(&r, 12); n-- > 0;)
				text[k][n] = "abc"[prng_below(&r, 3)];
		d = str_distance(text[0], text[1], UINT32_MAX);
		for (unsigned most = 0; most < 13; most++)
			ck_assert_uint_eq(str_distance(text[0], text[1], most),
					  min_of(d, most));
	}
}
