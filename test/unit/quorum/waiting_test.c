/* SPDX-License-Identifier: Apache-2.0 */
/* The tail of the log in memory, and what is on its way to disk. */
#include "tail.h"
#include "unit.h"
#include "waiting.h"

TEST(writes_report_what_is_on_disk_and_still_in_the_log)
{
	struct writes w = { 0 };

	ck_assert_int_eq(writes_report(&w), 0);
	writes_push(&w, 5, 6); /* 5 to 10 */
	ck_assert_int_eq(writes_report(&w), 10);
	writes_cut(&w, 8);
	ck_assert_int_eq(writes_report(&w), 7);
	/* 8 and 9 anew: cut before 10 came back, which was 10 twice */
	writes_push(&w, 8, 2);
	ck_assert_int_eq(writes_report(&w), 9);
	writes_cut(&w, 9);
	ck_assert_int_eq(writes_report(&w), 8);
	writes_cut(&w, 2);
	ck_assert_int_eq(writes_report(&w), 0);
	writes_fini(&w);
}

/* The same index and term again does not revive an older write. */
TEST(writes_that_were_cut_stay_cut)
{
	struct writes flying = { 0 }, waiting = { 0 };

	writes_push(&flying, 5, 3); /* 5 to 7 of term 4 */
	writes_cut(&flying, 6);     /* 6 of term 5 */
	writes_push(&waiting, 6, 1);
	writes_cut(&flying, 6);     /* 6 and 7 of term 4, by another leader */
	writes_cut(&waiting, 6);
	writes_push(&waiting, 6, 2);
	ck_assert_int_eq(writes_report(&flying), 5);
	writes_move(&flying, &waiting);
	ck_assert_uint_eq(waiting.n, 0);
	ck_assert_int_eq(writes_report(&flying), 7);
	writes_fini(&flying);
	writes_fini(&waiting);
}

TEST(waitings_come_out_in_the_order_they_went_in)
{
	struct waitings w = { 0 };
	uint64_t in = 0, out = 0;
	struct prng p;

	prng_init(&p, 3);
	for (int i = 0; i < 10000; i++) {
		if (prng_below(&p, 100) < 53)
			waitings_push(&w, (struct waiting){ .cookie = ++in });
		else if (w.n)
			ck_assert_uint_eq(waitings_pop(&w).cookie, ++out);
		if (w.n)
			ck_assert_uint_eq(waitings_at(&w, w.n - 1)->cookie,
					  in);
	}
	ck_assert_uint_eq(w.n, in - out);
	waitings_fini(&w);
}

TEST(tail_holds_entries_by_index)
{
	struct tail t;
	struct prng p;
	int64_t first = 1, next = 1;

	tail_init(&t, 1);
	prng_init(&p, 4);
	for (int i = 0; i < 20000; i++) {
		uint8_t v = (uint8_t)next;

		switch (prng_below(&p, 20)) {
		case 0:
			next = first +
			       (int64_t)prng_below(&p, (uint64_t)(next + 1 -
								  first));
			tail_cut(&t, next);
			break;
		case 1:
			first += (int64_t)prng_below(&p, (uint64_t)(next + 1 -
								    first));
			tail_trim(&t, first - 1);
			break;
		default:
			ck_assert_int_eq(tail_push(&t, 1, 1,
						   (struct bytes){ &v, 1 })
						 ->index, next);
			next++;
		}
		ck_assert_int_eq(t.first, first);
		ck_assert_int_eq(tail_next(&t), next);
		ck_assert_int_eq(t.bytes, next - first);
		ck_assert_ptr_null(tail_get(&t, first - 1));
		ck_assert_ptr_null(tail_get(&t, next));
		if (next > first)
			ck_assert_uint_eq(tail_get(&t, next - 1)->data[0],
					  (uint8_t)(next - 1));
	}
	tail_reset(&t, 77);
	ck_assert_int_eq(tail_next(&t), 77);
	tail_fini(&t);
}
