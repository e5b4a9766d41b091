/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer.h"

/* Topics and partitions come and go. */
static void follow_topics(struct consumer *c)
{
	struct actors *a = c->a;

	intake_prune(&c->in);
	for (int t = 0; t < a->topics_n; t++) {
		if (!cast_is_open(&a->topics[t]))
			continue;
		for (int p = 0; p < a->topics[t].partitions; p++)
			if ((t * 31 + p * 17 + c->in.actor * 7) % 100 <
				    c->share &&
			    !intake_find(&c->in, t, p))
				intake_add(&c->in, t, p, SEEK_EARLIEST);
	}
}

static void seek_somewhere(struct consumer *c)
{
	struct actors *a = c->a;
	struct intake_part *p;
	int64_t ago;

	if (!c->in.parts_n)
		return;
	p = c->in.parts[cast_below(a, c->in.parts_n)];
	if (p->state != PART_READY)
		return;
	ago = cast_below(a, 20000);
	switch (cast_below(a, 4)) {
	case 0:
		intake_seek(p, SEEK_LATEST);
		break;
	case 1:
	case 2:
		intake_seek(p, cast_wall_ms(a) - ago);
		break;
	default:
		intake_seek(p, SEEK_EARLIEST);
	}
}

static void die(struct consumer *c)
{
	c->a->n.crashes++;
	caller_crash(&c->caller);
	intake_crash(&c->in);
	c->dead = true;
}

static void on_deed(struct timer *t)
{
	struct consumer *c = container_of(t, struct consumer, deed);
	struct actors *a = c->a;

	if (a->stopping)
		return;
	cast_arm(a, &c->deed, 500 + cast_below(a, 3000));
	if (c->dead) {
		c->dead = false;
		caller_watch(&c->caller);
	} else if (cast_chance(a, 2)) {
		die(c);
		return;
	}
	follow_topics(c);
	if (cast_chance(a, 20))
		seek_somewhere(c);
	intake_pump(&c->in);
}

struct consumer *consumer_new(struct actors *a, int i)
{
	struct consumer *c = mem_zalloc(sizeof(*c));

	c->a = a;
	caller_init(&c->caller, a, "reader", i);
	intake_init(&c->in, &c->caller, i, HISTORY_ASSIGN);
	if (a->c.follower_reads && c->caller.version[API_FETCH] >= 11 &&
	    prng_below(&a->prng, 2)) {
		c->in.rack = STR("rack");
		c->in.followers = true;
	}
	c->share = 30 + (int)prng_below(&a->prng, 71);
	timer_init(&c->deed, on_deed);
	return c;
}

void consumer_start(struct consumer *c)
{
	caller_watch(&c->caller);
	cast_arm(c->a, &c->deed, 1 + cast_below(c->a, 1000));
}

void consumer_stop(struct consumer *c)
{
	wheel_disarm(&c->deed);
	caller_quiet(&c->caller);
	intake_stop(&c->in);
}

bool consumer_is_settled(const struct consumer *c)
{
	return intake_is_idle(&c->in);
}

void consumer_free(struct consumer *c)
{
	caller_fini(&c->caller);
	intake_fini(&c->in);
	mem_free(c);
}
