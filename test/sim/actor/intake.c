/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: which partitions are read, and what is to be asked next for each.
 */
#include "intake.h"

static void on_pump(struct timer *t)
{
	intake_pump(container_of(t, struct intake, pump));
}

void intake_init(struct intake *in, struct caller *c, int actor,
		 enum history_mode mode)
{
	struct prng *r = &c->a->prng;

	memset(in, 0, sizeof(*in));
	in->caller = c;
	in->a = c->a;
	in->mode = mode;
	in->actor = actor;
	in->sessions = c->version[API_FETCH] >= 7 && prng_below(r, 3);
	in->epochs = c->version[API_FETCH] >= 9 &&
		     c->version[API_METADATA] >= 7 && prng_below(r, 8);
	in->rack = STR("");
	in->max_wait_ms = 50 << prng_below(r, 4);
	in->part_bytes = 4096 << prng_below(r, 9);
	timer_init(&in->pump, on_pump);
}

static void part_free(struct intake_part *p)
{
	buf_fini(&p->scan);
	mem_free(p);
}

void part_hold(struct intake_part *p)
{
	p->refs++;
	p->in->asking++;
}

void part_drop(struct intake_part *p)
{
	p->in->asking--;
	if (--p->refs == 0 && p->dropped)
		part_free(p);
}

void intake_fini(struct intake *in)
{
	wheel_disarm(&in->pump);
	for (int i = 0; i < in->parts_n; i++)
		part_free(in->parts[i]);
	in->parts_n = 0;
}

void intake_crash(struct intake *in)
{
	struct world *w = in->a->w;

	assert(in->asking == 0);
	for (int i = 0; i < in->parts_n; i++)
		history_crash(in->a->h, in->parts[i]->process,
			      world_now_us(w));
	intake_fini(in);
	memset(in->taps, 0, sizeof(in->taps));
}

struct intake_part *intake_find(struct intake *in, int topic, int partition)
{
	for (int i = 0; i < in->parts_n; i++)
		if (in->parts[i]->topic == topic &&
		    in->parts[i]->partition == partition)
			return in->parts[i];
	return NULL;
}

struct intake_part *intake_add(struct intake *in, int topic, int partition,
			       int64_t offset)
{
	struct intake_part *p;

	if (in->parts_n == INTAKE_PARTS_MAX)
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->in = in;
	p->topic = topic;
	p->partition = partition;
	p->key = in->a->topics[topic].keys[partition];
	p->process = cast_process(in->actor, p->key);
	p->last_epoch = p->leader_epoch = p->latest_epoch = -1;
	p->hw = p->log_start = -1;
	p->news_ms = cast_now_ms(in->a);
	in->parts[in->parts_n++] = p;
	if (offset >= 0)
		part_move(p, offset);
	else
		intake_seek(p, offset);
	return p;
}

static void leave(struct intake_part *p)
{
	p->dropped = true;
	p->moved++;
	if (p->refs == 0)
		part_free(p);
}

void intake_clear(struct intake *in)
{
	for (int i = 0; i < in->parts_n; i++)
		leave(in->parts[i]);
	in->parts_n = 0;
}

void intake_prune(struct intake *in)
{
	int n = 0;

	for (int i = 0; i < in->parts_n; i++) {
		struct intake_part *p = in->parts[i];

		if (in->a->topics[p->topic].deleted)
			leave(p);
		else
			in->parts[n++] = p;
	}
	in->parts_n = n;
}

void intake_seek(struct intake_part *p, int64_t to)
{
	p->seek = to;
	p->state = PART_LOST;
	p->moved++;
	p->fetching = false;
	p->not_before_ms = 0;
	p->idle_ms = 0;
	if (!timer_is_armed(&p->in->pump))
		cast_arm(p->in->a, &p->in->pump, 1);
}

void part_move(struct intake_part *p, int64_t offset)
{
	struct actors *a = p->in->a;

	if (p->in->mode != HISTORY_FINAL)
		history_seek(a->h, p->process, p->key, offset,
			     world_now_us(a->w));
	p->from = offset;
	p->began_us = world_now_us(a->w);
	p->scan.n = 0;
	a->n.seeks++;
	p->position = offset;
	p->last_epoch = -1;
	p->state = PART_READY;
	p->moved++;
	p->fetching = false;
	p->idle_ms = 0;
	p->news_ms = cast_now_ms(a);
	if (!timer_is_armed(&p->in->pump))
		cast_arm(a, &p->in->pump, 1);
}

void part_later(struct intake_part *p)
{
	p->not_before_ms = cast_now_ms(p->in->a) + cast_backoff(p->in->a);
	p->replica = 0;
	caller_doubt(p->in->caller);
}

void intake_stop(struct intake *in)
{
	in->stopped = true;
	wheel_disarm(&in->pump);
}

bool intake_is_idle(const struct intake *in)
{
	return in->asking == 0;
}

/* All nodes stand in one rack, so no leader names a follower: it is as if one
 * had. */
static void turn_to_follower(struct intake_part *p)
{
	struct actors *a = p->in->a;

	p->replica = 1 + (int)cast_below(a, world_nodes(a->w));
	p->replica_until_ms = cast_now_ms(a) + 500 + cast_below(a, 5000);
}

/* Java checks with OffsetForLeaderEpoch before Fetch could do it (v12). */
static void step(struct intake_part *p)
{
	struct intake *in = p->in;
	const struct place *at;

	if (p->state == PART_SEEKING || p->state == PART_CHECKING ||
	    p->fetching || p->not_before_ms > cast_now_ms(in->a))
		return;
	at = caller_place(in->caller, p->topic, p->partition);
	if (!at)
		return;
	if (p->state == PART_LOST) {
		part_seek(p, at);
		return;
	}
	if (in->epochs && at->epoch > p->leader_epoch) {
		if (in->caller->version[API_FETCH] < 12 && p->last_epoch >= 0)
			p->state = PART_DOUBTED;
		p->leader_epoch = at->epoch;
		p->replica = 0;
	}
	if (p->state == PART_DOUBTED)
		part_check(p, at);
	else if (in->followers && !p->replica && cast_chance(in->a, 2))
		turn_to_follower(p);
}

void intake_pump(struct intake *in)
{
	bool waits = false;

	if (in->stopped)
		return;
	for (int i = 0; i < in->parts_n; i++)
		step(in->parts[i]);
	for (int n = 1; n <= world_nodes(in->a->w); n++)
		intake_fetch(in, n);
	for (int i = 0; i < in->parts_n; i++) {
		const struct intake_part *p = in->parts[i];

		waits |= !p->fetching && p->state != PART_SEEKING &&
			 p->state != PART_CHECKING;
	}
	if (waits && !timer_is_armed(&in->pump))
		cast_arm(in->a, &in->pump, 10 + cast_below(in->a, 20));
}
