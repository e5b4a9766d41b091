/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_size_test: a long legal history, judged in time n log n. With
 * RAFTMQ_HISTORY_OPS=10000000 (and CK_FORK=no, CK_RUN_CASE=verdict_size_test,
 * since a test ends after a minute otherwise) it prints the figures for that.
 */
#include "judged.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define KEYS 16
#define FLIGHT 5

struct big {
	struct history h;
	struct prng rng;
	int64_t now;
	uint64_t *log[KEYS];
	int64_t end[KEYS], acked[KEYS], position[2][KEYS];
	uint32_t flight[KEYS][FLIGHT];
	unsigned sent[KEYS], ended[KEYS];
	int64_t cap;
};

static void send(struct big *b, int key)
{
	struct history_send s = { .process = key % 4,
				  .key = key,
				  .value = prng_next(&b->rng),
				  .acks = -1,
				  .producer = key % 4,
				  .sequence = b->end[key] };

	b->flight[key][b->sent[key]++ % FLIGHT] =
		history_send(&b->h, b->now++, &s);
	b->log[key][b->end[key]++] = s.value;
}

static void end_send(struct big *b, int key)
{
	uint32_t op = b->flight[key][b->ended[key]++ % FLIGHT];

	history_sent(&b->h, op, HISTORY_OK, b->acked[key]++, b->now++);
}

static void read_from(struct big *b, uint32_t op, int key, int64_t *position)
{
	struct history_answer a = { .key = key,
				    .epoch = 1,
				    .from = *position,
				    .hw = b->acked[key],
				    .stable = -1 };

	history_answer(&b->h, op, &a);
	while (*position < b->acked[key]) {
		history_read(&b->h, *position, b->log[key][*position]);
		++*position;
	}
}

static void poll(struct big *b, int key, int reader)
{
	uint32_t op = history_poll(&b->h, 4 + reader, HISTORY_ASSIGN, false,
				   b->now++);
	struct history_commit c = { .process = 4 + reader,
				    .group = reader,
				    .key = key,
				    .generation = 1 };

	read_from(b, op, key, &b->position[reader][key]);
	history_polled(&b->h, op, HISTORY_OK, b->now++);
	c.offset = b->position[reader][key];
	op = history_commit(&b->h, b->now++, &c);
	history_committed(&b->h, op, HISTORY_OK, b->now++);
	if (prng_below(&b->rng, 10) == 0) {
		op = history_fetch(&b->h, 6, reader, key, b->now++);
		history_fetched(&b->h, op, HISTORY_OK, c.offset, b->now++);
	}
}

static void finish(struct big *b)
{
	for (int k = 0; k < KEYS; k++) {
		int64_t from = 0;
		uint32_t op;

		while (b->ended[k] < b->sent[k])
			end_send(b, k);
		op = history_poll(&b->h, 7, HISTORY_FINAL, false, b->now++);
		read_from(b, op, k, &from);
		history_polled(&b->h, op, HISTORY_OK, b->now++);
		mem_free(b->log[k]);
	}
}

static void fill(struct big *b, uint32_t ops)
{
	prng_init(&b->rng, 1);
	history_init(&b->h);
	b->cap = ops / KEYS + 1000;
	for (int k = 0; k < KEYS; k++) {
		char topic[16];

		snprintf(topic, sizeof(topic), "t%d", k);
		ck_assert_int_eq(history_key(&b->h, topic, 0), k);
		b->log[k] = mem_alloc((size_t)b->cap * sizeof(uint64_t));
	}
	history_group(&b->h, "a");
	history_group(&b->h, "b");
	while (b->h.ops_n < ops) {
		int k = (int)prng_below(&b->rng, KEYS);

		if (b->sent[k] - b->ended[k] == FLIGHT)
			end_send(b, k);
		else if (b->end[k] < b->cap)
			send(b, k);
		if (prng_below(&b->rng, 40) == 0)
			poll(b, k, (int)prng_below(&b->rng, 2));
	}
	finish(b);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double peak_mib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)r.ru_maxrss / 1024;
}

TEST(a_long_history_is_judged)
{
	const char *wish = getenv("RAFTMQ_HISTORY_OPS");
	struct big *b = mem_zalloc(sizeof(*b));
	double begin, filled, judged, before;
	struct verdict v;

	begin = seconds();
	fill(b, wish ? (uint32_t)atol(wish) : 200000);
	filled = seconds();
	before = peak_mib();
	verdict_judge(&b->h, 16, &v);
	judged = seconds();
	expect_verdict(&v, VALID, "a long one");
	ck_assert_uint_eq(v.values_read, v.sends[HISTORY_OK]);
	ck_assert_uint_eq(v.stale, 0);
	if (wish)
		printf("%u operations, %u records read: recorded in %.1f s, "
		       "judged in %.1f s (CPU); %.0f MiB, then %.0f\n",
		       b->h.ops_n, b->h.records_n, filled - begin,
		       judged - filled, before, peak_mib());
	verdict_fini(&v);
	history_fini(&b->h);
	mem_free(b);
}
