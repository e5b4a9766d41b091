/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/base.h>

#include "unit.h"

TEST(mem_alloc_of_nothing_is_not_null)
{
	void *p = mem_alloc(0);

	ck_assert_ptr_nonnull(p);
	mem_free(p);
	mem_free(NULL);
}

TEST_ABORTS(arena_aborts_when_asked_for_more_than_there_can_be)
{
	struct arena a = { 0 };

	(void)!arena_alloc(&a, SIZE_MAX - 8);
}

TEST_ABORTS(buf_aborts_when_asked_for_more_than_there_can_be)
{
	struct buf b = { 0 };

	buf_put_u8(&b, 1);
	buf_reserve(&b, SIZE_MAX);
}

TEST(arena_blocks_are_aligned_and_do_not_overlap)
{
	struct arena a = { 0 };
	uint8_t *blocks[300];

	for (size_t i = 0; i < countof(blocks); i++) {
		blocks[i] = arena_alloc(&a, i);
		ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
		memset(blocks[i], (int)i, i);
	}
	for (size_t i = 0; i < countof(blocks); i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_eq(blocks[i][k], (uint8_t)i);
	ck_assert_uint_eq(a.bytes, 299 * 300 / 2);
	arena_fini(&a);
}

TEST(arena_large_block_leaves_the_small_chunk_usable)
{
	struct arena a = { 0 };
	uint8_t *first = arena_alloc(&a, 16);
	uint8_t *large = arena_alloc(&a, (size_t)1 << 20);
	uint8_t *second = arena_alloc(&a, 16);

	large[0] = large[(1 << 20) - 1] = 1;
	ck_assert_int_gt(second - first, 0);
	ck_assert_int_lt(second - first, 128);
	arena_fini(&a);
}

TEST(arena_reset_reuses_what_it_has)
{
	struct arena a = { 0 };
	void *first, *again;

	first = arena_alloc(&a, 100);
	arena_reset(&a);
	ck_assert_uint_eq(a.bytes, 0);
	again = arena_alloc(&a, 100);
	ck_assert_ptr_eq(first, again);
	arena_fini(&a);
	ck_assert_ptr_null(a.head);
}

TEST(arena_zalloc_is_zero_after_reset)
{
	struct arena a = { 0 };
	uint8_t *p = arena_alloc(&a, 64);

	memset(p, 0xff, 64);
	arena_reset(&a);
	p = arena_zalloc(&a, 64);
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(p[i], 0);
	arena_fini(&a);
}

TEST(arena_printf_terminates)
{
	struct arena a = { 0 };

	ck_assert_str_eq(arena_printf(&a, "%s-%d", "orders", 7), "orders-7");
	ck_assert_mem_eq(arena_dup(&a, "abc", 3), "abc", 3);
	arena_fini(&a);
}
