/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <raftmq/base.h>

#include "unit.h"

struct probe {
	struct timer timer;
	int id;
	int64_t again_ms; /* re-arms itself so much later; 0 = not */
};

static struct wheel *wheel;
static int64_t fired_at[4096];
static int fired[4096];
static int fired_n;

static void on_fire(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	ck_assert(!timer_is_armed(t));
	ck_assert_int_lt(fired_n, (int)countof(fired));
	fired_at[fired_n] = t->at_ms;
	fired[fired_n++] = p->id;
	if (p->again_ms)
		wheel_arm(wheel, t, t->at_ms + p->again_ms);
}

static void arm(struct probe *p, int id, int64_t at_ms)
{
	*p = (struct probe){ .id = id };
	timer_init(&p->timer, on_fire);
	wheel_arm(wheel, &p->timer, at_ms);
}

static void begin(int64_t now_ms)
{
	fired_n = 0;
	wheel = wheel_new(now_ms);
}

TEST(timer_fires_at_its_time_not_before)
{
	static const int64_t times[] = { 1,    2,     63,	 64,
					 65,   127,   128,	 4095,
					 4096, 4097,  262143,	 262144,
					 1 << 30,     (int64_t)1 << 50,
					 INT64_MAX };
	struct probe p;

	for (size_t i = 0; i < countof(times); i++)
		for (int64_t start = 0; start < 200; start += 37) {
			int64_t at = times[i];

			if (at <= start)
				continue;
			begin(start);
			arm(&p, 1, at);
			ck_assert_int_le(wheel_next(wheel), at);
			wheel_advance(wheel, at - 1);
			ck_assert_int_eq(fired_n, 0);
			ck_assert(timer_is_armed(&p.timer));
			ck_assert_int_eq(wheel_next(wheel), at);
			wheel_advance(wheel, at);
			ck_assert_int_eq(fired_n, 1);
			ck_assert_int_eq(wheel_next(wheel), -1);
			wheel_free(wheel);
		}
}

TEST(timers_fire_in_order_of_time_then_of_arming)
{
	static struct probe probes[2000];
	struct prng p;

	for (uint64_t seed = 0; seed < 20; seed++) {
		prng_init(&p, seed);
		begin((int64_t)prng_below(&p, 100000));
		for (int i = 0; i < 2000; i++) {
			int64_t now = (int64_t)prng_below(&p, 20) * 5000;

			arm(&probes[i], i, 200000 + now);
		}
		wheel_advance(wheel, 400000);
		ck_assert_int_eq(fired_n, 2000);
		for (int i = 1; i < fired_n; i++) {
			ck_assert_int_le(fired_at[i - 1], fired_at[i]);
			if (fired_at[i - 1] == fired_at[i])
				ck_assert_int_lt(fired[i - 1], fired[i]);
		}
		wheel_free(wheel);
	}
}

/* Against the obvious: a list that is searched. Arming and disarming between
 * small and large steps of time. */
TEST(wheel_agrees_with_a_plain_list)
{
	static struct probe probes[100];
	int64_t now = 1000;
	struct prng p;
	int expected;

	prng_init(&p, 5);
	begin(now);
	for (int i = 0; i < 100; i++) {
		arm(&probes[i], i, now + 1);
		wheel_disarm(&probes[i].timer);
	}
	for (int round = 0; round < unit_rounds(5000); round++) {
		for (int k = 0; k < 10; k++) {
			uint64_t far = (uint64_t)1 << prng_below(&p, 22);
			size_t i = prng_below(&p, 100);
			int64_t at = now + 1 + (int64_t)prng_below(&p, far);

			if (prng_below(&p, 3))
				wheel_arm(wheel, &probes[i].timer, at);
			else
				wheel_disarm(&probes[i].timer);
		}
		now += 1 + (int64_t)prng_below(
				    &p, (uint64_t)1 << prng_below(&p, 14));
		expected = 0;
		for (int i = 0; i < 100; i++)
			expected += timer_is_armed(&probes[i].timer) &&
				    probes[i].timer.at_ms <= now;
		fired_n = 0;
		wheel_advance(wheel, now);
		ck_assert_int_eq(fired_n, expected);
		for (int i = 0; i < 100; i++)
			if (timer_is_armed(&probes[i].timer)) {
				ck_assert_int_gt(probes[i].timer.at_ms, now);
				ck_assert_int_le(wheel_next(wheel),
						 probes[i].timer.at_ms);
			}
	}
	wheel_free(wheel);
}

TEST(timer_in_the_past_is_due_at_the_next_advance)
{
	struct probe a, b;

	begin(100);
	arm(&a, 1, 100);
	arm(&b, 2, -5);
	ck_assert_int_eq(wheel_next(wheel), 100);
	wheel_advance(wheel, 100);
	ck_assert_int_eq(fired_n, 2);
	wheel_free(wheel);
}

TEST(timer_that_re_arms_fires_within_the_same_advance)
{
	struct probe a;

	begin(0);
	arm(&a, 1, 10);
	a.again_ms = 10;
	wheel_advance(wheel, 1000);
	ck_assert_int_eq(fired_n, 100);
	ck_assert_int_eq(wheel_next(wheel), 1010);
	wheel_free(wheel);
	ck_assert(!timer_is_armed(&a.timer));
	wheel_disarm(&a.timer); /* the wheel is gone, this is harmless */
}

static struct probe victim;

static void disarm_victim(struct timer *t)
{
	(void)t;
	wheel_disarm(&victim.timer);
}

TEST(timer_may_be_disarmed_by_another_of_the_same_time)
{
	struct probe killer;

	begin(0);
	arm(&killer, 1, 5);
	killer.timer.on_fire = disarm_victim;
	arm(&victim, 2, 5);
	wheel_advance(wheel, 5);
	ck_assert_int_eq(fired_n, 0);
	ck_assert(!timer_is_armed(&victim.timer));
	wheel_free(wheel);
}

TEST_ABORTS(wheel_never_goes_back)
{
	begin(100);
	wheel_advance(wheel, 99);
}
