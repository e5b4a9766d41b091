/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand partitions: what it costs to make, fence and keep them. */
#include "stage.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void create_thousand(struct stage *s)
{
	static struct create_topics_command_topic t[1000];
	static char names[1000][8];
	struct create_topics_command m;
	const struct create_topics_response *answer;

	wire_preset(&create_topics_command_type, &m);
	for (int i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "t_%d", i);
		wire_preset(&create_topics_command_topic_type, &t[i]);
		t[i].name = str_of(names[i]);
		t[i].num_partitions = 10;
	}
	m.topics_n = 1000;
	m.topics = t;
	stage_apply(s, &create_topics_command_type, &m);
	answer = s->fx.result;
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(answer->topics[i].error_code, K_NONE);
	ck_assert_int_eq(s->fx.changes_n, 1000);
}

TEST(ten_thousand_partitions_are_cheap)
{
	struct stage s = stage_of("brokers 1 2 3\n");
	int64_t start = cpu_us(), made, fenced;
	size_t before = mallinfo2().uordblks, after;
	struct buf b = { 0 };

	create_thousand(&s);
	made = cpu_us() - start;
	arena_reset(&s.arena);
	after = mallinfo2().uordblks;
	start = cpu_us();
	stage_fence(&s, 1);
	fenced = cpu_us() - start;
	ck_assert_int_eq(s.fx.changes_n, 10001);
	cluster_encode(s.c, &b);
	if (getenv("VERBOSE"))
		fprintf(stderr, "create %d us, fence %d us, %zu bytes each, "
			"%zu in a snapshot\n", (int)made, (int)fenced,
			(after - before) / 10000, b.n / 10000);
	ck_assert_int_lt(made, 200000 * unit_slow());
	ck_assert_int_lt(fenced, 20000 * unit_slow());
	if (unit_slow() == 1)
		ck_assert_uint_lt((after - before) / 10000, 300);
	ck_assert_uint_lt(b.n / 10000, 40);
	buf_fini(&b);
	stage_fini(&s);
}
