/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel: timers, armed and disarmed in O(1). Not a clock: now is what the
 * caller says.
 *
 * Level L has 64 slots of 64^L ms. A timer stands in the level of the highest
 * 6-bit digit in which its time differs from now, in the slot of that digit;
 * when now reaches the start of a slot, its timers move down a level or fire.
 *
 * 1. Everything in a slot of level 0 is due at the same millisecond.
 * 2. In levels above 0 every armed slot lies after the digit of now: so the
 *    lowest level that holds anything holds the earliest timer.
 * 3. Timers of the same millisecond fire in the order they were armed: a
 *    slot is moved down when now enters it, before anything can be armed
 *    below it.
 * 4. A set bit means the slot may hold timers (disarming does not know the
 *    wheel); a clear bit means that it does not.
 */
#include <raftmq/base.h>

#define DIGIT 6
#define SLOTS (1u << DIGIT)
#define LEVELS 11 /* 66 bits: every int64_t has a place */

struct wheel {
	int64_t now;
	struct list due; /* armed for a time that had come */
	uint64_t bits[LEVELS];
	struct list slots[LEVELS][SLOTS];
};

struct spot {
	unsigned level, slot;
	int64_t at; /* start of the slot */
};

struct wheel *wheel_new(int64_t now_ms)
{
	struct wheel *w = mem_zalloc(sizeof(*w));

	assert(now_ms >= 0);
	w->now = now_ms;
	list_init(&w->due);
	for (unsigned l = 0; l < LEVELS; l++)
		for (unsigned s = 0; s < SLOTS; s++)
			list_init(&w->slots[l][s]);
	return w;
}

static void forget(struct list *timers)
{
	while (list_pop(timers))
		;
}

void wheel_free(struct wheel *w)
{
	if (!w)
		return;
	forget(&w->due);
	for (unsigned l = 0; l < LEVELS; l++)
		for (unsigned s = 0; s < SLOTS; s++)
			forget(&w->slots[l][s]);
	mem_free(w);
}

void timer_init(struct timer *t, void (*on_fire)(struct timer *))
{
	*t = (struct timer){ .on_fire = on_fire };
	list_init(&t->link);
}

bool timer_is_armed(const struct timer *t)
{
	return !list_empty(&t->link);
}

static unsigned digit_of(int64_t time, unsigned level)
{
	return (unsigned)((uint64_t)time >> (level * DIGIT)) & (SLOTS - 1);
}

static void place(struct wheel *w, struct timer *t)
{
	uint64_t differs = (uint64_t)(t->at_ms ^ w->now) | 1;
	unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / DIGIT;
	unsigned slot = digit_of(t->at_ms, level);

	list_push(&w->slots[level][slot], &t->link);
	w->bits[level] |= (uint64_t)1 << slot;
}

void wheel_arm(struct wheel *w, struct timer *t, int64_t at_ms)
{
	assert(t->on_fire);
	list_remove(&t->link);
	t->at_ms = at_ms;
	if (at_ms <= w->now)
		list_push(&w->due, &t->link);
	else
		place(w, t);
}

void wheel_disarm(struct timer *t)
{
	list_remove(&t->link);
}

/* Where the slot begins: the digits of now above it, then its own. */
static int64_t start_of(const struct wheel *w, unsigned level, unsigned slot)
{
	unsigned shift = level * DIGIT;
	uint64_t above = 0;

	if (shift + DIGIT < 64)
		above = (uint64_t)w->now >> (shift + DIGIT) << (shift + DIGIT);
	return (int64_t)(above | (uint64_t)slot << shift);
}

/* The first slot that holds anything; false if the wheel is empty. */
static bool find(const struct wheel *w, struct spot *out)
{
	for (unsigned l = 0; l < LEVELS; l++)
		for (uint64_t b = w->bits[l]; b; b &= b - 1) {
			unsigned slot = (unsigned)__builtin_ctzll(b);

			if (list_empty(&w->slots[l][slot]))
				continue;
			*out = (struct spot){ l, slot, start_of(w, l, slot) };
			return true;
		}
	return false;
}

/* Drops the bits that disarming has left behind. */
static void tidy(struct wheel *w)
{
	for (unsigned l = 0; l < LEVELS; l++)
		for (uint64_t b = w->bits[l]; b; b &= b - 1)
			if (list_empty(&w->slots[l][__builtin_ctzll(b)]))
				w->bits[l] &= ~(b & (0 - b));
}

static void fire(struct list *timers)
{
	struct list *l;

	while ((l = list_pop(timers))) {
		struct timer *t = list_entry(l, struct timer, link);

		t->on_fire(t);
	}
}

void wheel_advance(struct wheel *w, int64_t now_ms)
{
	struct list batch;
	struct list *l;
	struct spot s;

	assert(now_ms >= w->now);
	list_init(&batch);
	/* what these arm for now waits for the next call: no endless loop */
	list_splice(&batch, &w->due);
	fire(&batch);
	while (find(w, &s) && s.at <= now_ms) {
		w->now = max_of(w->now, s.at);
		w->bits[s.level] &= ~((uint64_t)1 << s.slot);
		list_splice(&batch, &w->slots[s.level][s.slot]);
		if (s.level == 0) {
			fire(&batch);
			continue;
		}
		while ((l = list_pop(&batch)))
			place(w, list_entry(l, struct timer, link));
	}
	w->now = now_ms;
	tidy(w);
}

int64_t wheel_next(const struct wheel *w)
{
	struct spot s;

	if (!list_empty(&w->due))
		return w->now;
	return find(w, &s) ? s.at : -1;
}
