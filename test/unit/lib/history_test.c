/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_test: what is recorded, and its text form.
 */
#include "judged.h"

/* One line of each kind and outcome, as history_write writes them. */
static const char all_kinds[] =
	"key t/0 memory retention\n"
	"key t/1 compacted offline\n"
	"send 1 10 20 ok t/0 18446744073709551615 all 7 3 1 42\n"
	"send 1 11 - open t/0 2 1 - - 0 -\n"
	"send 1 12 30 fail t/1 3 0 - - 0 -\n"
	"poll 2 21 40 ok assign uncommitted @ t/0 0 9 0 9 3 0=2 1=5"
	" @ t/1 4 - - - -\n"
	"poll 2 41 50 info subscribe committed\n"
	"poll 2 51 - open final uncommitted\n"
	"seek 2 60 60 ok t/1 7\n"
	"seek 2 61 61 ok t/1 -\n"
	"crash 2 62 62 ok\n"
	"commit 3 70 71 ok g 5 t/0 8\n"
	"commit 3 72 - open g - t/0 -\n"
	"fetch 3 73 74 ok g t/0 8\n"
	"fetch 3 75 76 info other t/0 -\n"
	"own 3 77 77 ok g 5 t/1\n"
	"start 4 78 79 ok t/0 6\n"
	"delete 4 80 90 info t\n"
	"cut - 91 91 ok\n"
	"fault - 92 92 ok kill -9 of node 2\n";

TEST(history_text_is_read_as_it_is_written)
{
	struct buf text = { 0 };
	struct history h;

	history_of(&h, all_kinds);
	history_write(&h, &text);
	ck_assert_str_eq(buf_c(&text), all_kinds);
	buf_fini(&text);
	history_fini(&h);
}

TEST(history_text_may_have_comments)
{
	struct history h;

	history_of(&h, "# a comment\n\ncrash 1 2 2 ok\n");
	ck_assert_uint_eq(h.ops_n, 1);
	history_fini(&h);
}

TEST(history_text_that_is_wrong_is_refused)
{
	static const char *const wrong[] = {
		"sent 1 10 20 ok t/0 1 all - - 0 0",
		"send 1 10 20 ok t/0 1 all - - 0",
		"send 1 10 20 ok t/0 1 all - - 0 0 0",
		"send 1 10 20 ok t/0 1 all - - 0 0 ",
		"send 1 10 20 ok t/0 1 2 - - 0 0",
		"send 1 10 20 ok t/0 -1 all - - 0 0",
		"send 1 10 20 ok t/0 18446744073709551616 all - - 0 0",
		"send 1 10 20 ok t 1 all - - 0 0",
		"send 1 10 20 ok /0 1 all - - 0 0",
		"send 1 10 20 ok t/x 1 all - - 0 0",
		"send 1 10 - ok t/0 1 all - - 0 0",
		"send 1 10 20 open t/0 1 all - - 0 0",
		"send 1 10 20 done t/0 1 all - - 0 0",
		"send 1 x 20 ok t/0 1 all - - 0 0",
		"send  1 10 20 ok t/0 1 all - - 0 0",
		"send 3000000000 10 20 ok t/0 1 all - - 0 0",
		"poll 1 10 20 ok assign",
		"poll 1 10 20 ok assign uncommitted t/0 0 1 0 - -",
		"poll 1 10 20 ok assign uncommitted @ t/0 0 1 0 -",
		"poll 1 10 20 ok assign uncommitted @ t/0 0 1 0 - - 1=1 x",
		"poll 1 10 20 ok assign uncommitted @ t/0 0 1 0 - - -=1",
		"seek 1 10 20 ok t/0 1",
		"crash 1 10 10 info",
		"crash 1 10 10 ok now",
		"cut - 10 10 ok now",
		"fault - 10 10 ok",
		"delete 1 10 20 ok",
		"key t/0 quick",
		"key t",
	};
	struct history h;

	history_init(&h);
	for (unsigned i = 0; i < countof(wrong); i++) {
		const char *why = NULL;

		if (history_read_line(&h, str_of(wrong[i]), &why))
			ck_abort_msg("taken: %s", wrong[i]);
		ck_assert_ptr_nonnull(why);
		ck_assert_uint_eq(h.ops_n + h.answers_n + h.records_n, 0);
	}
	history_fini(&h);
}

TEST(history_names_are_numbers_in_order)
{
	struct history h;

	history_init(&h);
	ck_assert_int_eq(history_key(&h, "t", 0), 0);
	ck_assert_int_eq(history_key(&h, "t", 1), 1);
	ck_assert_int_eq(history_key(&h, "u", 0), 2);
	ck_assert_int_eq(history_key(&h, "t", 0), 0);
	ck_assert_int_eq(history_topic(&h, "u"), 1);
	ck_assert_int_eq(history_group(&h, "u"), 0);
	history_fini(&h);
}

TEST(history_reset_forgets_everything)
{
	struct buf text = { 0 };
	struct history h;

	history_of(&h, all_kinds);
	history_reset(&h);
	history_write(&h, &text);
	ck_assert_uint_eq(text.n, 0);
	ck_assert_int_eq(history_key(&h, "u", 3), 0);
	ck_assert_uint_eq(h.keys[0].properties, 0);
	history_crash(&h, 1, 2);
	history_write(&h, &text);
	ck_assert_str_eq(buf_c(&text), "crash 1 2 2 ok\n");
	buf_fini(&text);
	history_fini(&h);
}

TEST(history_sends_may_overlap)
{
	struct buf text = { 0 };
	struct history h;
	struct history_send s = { .acks = -1, .producer = -1, .sequence = -1 };
	uint32_t a, b;

	history_init(&h);
	s.key = history_key(&h, "t", 0);
	a = history_send(&h, 1, &s);
	s.value = 1;
	b = history_send(&h, 2, &s);
	history_retried(&h, a);
	history_sent(&h, b, HISTORY_OK, 0, 3);
	history_sent(&h, a, HISTORY_OK, 1, 4);
	history_write(&h, &text);
	ck_assert_str_eq(buf_c(&text), "send 0 1 4 ok t/0 0 all - - 1 1\n"
				       "send 0 2 3 ok t/0 1 all - - 0 0\n");
	buf_fini(&text);
	history_fini(&h);
}

TEST_ABORTS(an_operation_completes_once)
{
	struct history h;
	uint32_t op;

	history_init(&h);
	op = history_poll(&h, 1, HISTORY_ASSIGN, false, 0);
	history_polled(&h, op, HISTORY_OK, 1);
	history_polled(&h, op, HISTORY_OK, 2);
}

TEST_ABORTS(answers_of_two_polls_do_not_mix)
{
	struct history h;
	struct history_answer a = { 0 };
	uint32_t first, second;

	history_init(&h);
	a.key = history_key(&h, "t", 0);
	first = history_poll(&h, 1, HISTORY_ASSIGN, false, 0);
	second = history_poll(&h, 2, HISTORY_ASSIGN, false, 0);
	history_answer(&h, first, &a);
	history_answer(&h, second, &a);
	history_answer(&h, first, &a);
}
