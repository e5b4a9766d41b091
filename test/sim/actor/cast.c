/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cast: clock, chance and topics of the actors. One wheel for all their
 * timers; the world calls when the next of them may be due.
 */
#include "cast.h"

#include <stdio.h>

int64_t cast_now_ms(const struct actors *a)
{
	return world_now_us(a->w) / 1000;
}

/* Records are of today, whatever the clock of a node says. */
int64_t cast_wall_ms(const struct actors *a)
{
	return INT64_C(1700000000000) + cast_now_ms(a);
}

static void plan_tick(struct actors *a);

static void on_tick(void *ctx)
{
	struct actors *a = ctx;
	int64_t now = cast_now_ms(a);

	a->pending--;
	if (now < a->tick_ms)
		return; /* an earlier one was planned later, and came */
	a->tick_ms = INT64_MAX;
	wheel_advance(a->wheel, now);
	plan_tick(a);
}

static void plan_tick(struct actors *a)
{
	int64_t at = wheel_next(a->wheel);

	if (at < 0 || at >= a->tick_ms)
		return;
	at = max_of(at, cast_now_ms(a) + 1);
	if (at >= a->tick_ms)
		return;
	a->tick_ms = at;
	a->pending++;
	world_at(a->w, at * 1000, on_tick, a);
}

void cast_arm(struct actors *a, struct timer *t, int64_t in_ms)
{
	wheel_arm(a->wheel, t, cast_now_ms(a) + max_of(in_ms, 1));
	plan_tick(a);
}

int64_t cast_below(struct actors *a, int64_t limit)
{
	return limit <= 0 ? 0 :
			    (int64_t)prng_below(world_prng(a->w),
						(uint64_t)limit);
}

bool cast_chance(struct actors *a, int percent)
{
	return cast_below(a, 100) < percent;
}

int64_t cast_backoff(struct actors *a)
{
	return 20 + cast_below(a, 181);
}

void cast_count_error(struct actors *a, int16_t code)
{
	if (code)
		a->n.errors[code & 255]++;
}

bool cast_may(struct actors *a, const char *where, int16_t code)
{
	cast_count_error(a, code);
	if (code == K_NONE || kerr_is_retriable(code))
		return true;
	world_violation(a->w, "%s was answered %s", where, kerr_name(code));
	return false;
}

bool cast_is_open(const struct actor_topic *t)
{
	return t->there && !t->again;
}

int cast_some_topic(struct actors *a, bool by_id)
{
	int there[TOPICS_MAX], n = 0;

	for (int i = 0; i < a->topics_n; i++)
		if (by_id ? a->topics[i].there : cast_is_open(&a->topics[i]))
			there[n++] = i;
	return n ? there[cast_below(a, n)] : -1;
}

int cast_topic_find(const struct actors *a, struct str name)
{
	for (int i = a->topics_n - 1; i >= 0; i--)
		if (str_eq_c(name, a->topics[i].name))
			return i;
	return -1;
}

struct actor_topic *cast_topic_add(struct actors *a, int partitions,
				   bool again)
{
	struct actor_topic *t;
	char number[24]; /* its name in the history */

	assert(a->topics_n < TOPICS_MAX && partitions <= PARTITIONS_MAX);
	t = &a->topics[a->topics_n];
	memset(t, 0, sizeof(*t));
	snprintf(number, sizeof(number), "t%d", a->topics_n++);
	snprintf(t->name, sizeof(t->name), "%s", again ? "again" : number);
	t->again = again;
	t->number = history_topic(a->h, number);
	t->partitions = partitions;
	for (int i = 0; i < PARTITIONS_MAX; i++)
		t->keys[i] = history_key(a->h, number, i);
	return t;
}

int cast_process(int actor, int key)
{
	return actor * TOPICS_MAX * PARTITIONS_MAX + key;
}

static uint8_t filling(uint64_t value, int i)
{
	return (uint8_t)('a' + (value + (uint64_t)i * 7) % 26);
}

struct bytes cast_value(struct buf *b, uint64_t value, int size)
{
	b->n = 0;
	size = max_of(size, VALUE_MIN);
	buf_printf(b, "%020" PRIu64 ":%05d:", value, size);
	for (int i = (int)b->n; i < size; i++)
		buf_put_u8(b, filling(value, i));
	return (struct bytes){ b->p, size };
}

bool cast_value_read(struct bytes b, uint64_t *value)
{
	const char *p = (const char *)b.p;
	int64_t v, size;

	if (b.n < VALUE_MIN || p[20] != ':' || p[26] != ':' ||
	    !str_to_i64((struct str){ p, 20 }, 0, INT64_MAX, &v) ||
	    !str_to_i64((struct str){ p + 21, 5 }, 0, 99999, &size) ||
	    size != b.n)
		return false;
	*value = (uint64_t)v;
	for (int i = VALUE_MIN; i < b.n; i++)
		if (b.p[i] != filling(*value, i))
			return false;
	return true;
}
