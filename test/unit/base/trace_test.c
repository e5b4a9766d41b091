/* SPDX-License-Identifier: Apache-2.0 */
/* trace, fail, machine, and the list: what is said, and what must not be */
#include <stdio.h>

#include <raftmq/base.h>

#include "unit.h"

static char last[4096];
static int lines;

static void keep_line(enum trace_level level, const char *line)
{
	(void)level;
	snprintf(last, sizeof(last), "%s", line);
	lines++;
}

TEST(trace_is_one_logfmt_line)
{
	trace_sink = keep_line;
	trace_info("replica", "became leader", "topic=%s epoch=%d", "t", 3);
	ck_assert_str_eq(last, "level=info comp=replica msg=\"became leader\" "
			       "topic=t epoch=3");
	trace_warn("log", "odd", "name=\"%s\"", "a\nlevel=error\x7f");
	ck_assert_str_eq(last, "level=warn comp=log msg=\"odd\" "
			       "name=\"a level=error \"");
	trace_error("log", "none", NULL);
	ck_assert_str_eq(last, "level=error comp=log msg=\"none\"");
}

TEST(trace_below_the_level_is_silent)
{
	trace_sink = keep_line;
	trace_debug("log", "detail", "n=%d", 1);
	ck_assert_int_eq(lines, 0);
	trace_level_max = TRACE_DEBUG;
	trace_debug("log", "detail", "n=%d", 1);
	ck_assert_int_eq(lines, 1);
}

TEST(trace_cuts_what_is_too_long)
{
	trace_sink = keep_line;
	trace_info("log", "long", "x=%05000d", 1);
	ck_assert_uint_eq(strlen(last), 2047);
}

TEST(trace_without_a_sink_is_harmless)
{
	trace_info("log", "nobody listens", "n=%d", 1);
}

TEST_ABORTS(fatal_aborts)
{
	fatal("this is a \"test\": %d", 1);
}

static const char *const names[] = { "NEW", "OPEN", "CLOSED" };
static const uint32_t moves[] = { 1 << 1, 1 << 2, 0 };
static const struct machine machine = { "door", names, moves, 3 };

TEST(machine_makes_the_moves_of_its_table)
{
	unsigned state = 0;

	machine_move(&machine, &state, 1);
	machine_move(&machine, &state, 2);
	ck_assert_uint_eq(state, 2);
}

TEST_ABORTS(machine_aborts_on_any_other_move)
{
	unsigned state = 2;

	machine_move(&machine, &state, 0);
}

TEST(list_is_a_queue)
{
	struct list head, other, a, b, c;

	list_init(&head);
	list_init(&other);
	ck_assert_ptr_null(list_pop(&head));
	list_push(&head, &a);
	list_push(&head, &b);
	list_push(&other, &c);
	list_splice(&head, &other);
	ck_assert(list_empty(&other));
	list_splice(&head, &other);
	list_remove(&b);
	list_remove(&b);
	ck_assert_ptr_eq(list_pop(&head), &a);
	ck_assert_ptr_eq(list_pop(&head), &c);
	ck_assert(list_empty(&head));
}
