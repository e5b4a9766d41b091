/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread: one request, several shards. With one shard, or when all items are
 * at home, nothing travels and run is called in place.
 *
 * 1. The request stays with its thread, which touches neither the items nor
 *    the errands that are out, and does not free it before all are home.
 * 2. Errands to one shard arrive in the order they were sent in.
 * 3. A shard runs an errand once it has applied what the request's thread had:
 *    who hears of a topic on one connection finds it on every shard.
 */
#include "shard.h"

/* When the node dies errands may still be out: they come to nothing. */
static void drop(struct owned *o)
{
	struct spread *s = container_of(o, struct spread, owned);

	assert(s->out == 0 || s->home->dying);
	for (int i = 0; i < s->errands_n; i++) {
		struct errand *e = &s->errands[i];
		struct list *l;

		while ((l = list_pop(&e->waits)))
			list_remove(&list_entry(l, struct wait, mine)->link);
		list_remove(&e->link);
		wheel_disarm(&e->timer);
		arena_fini(&e->arena);
	}
}

struct spread *spread_new(struct broker *b, struct request *rq,
			  void (*run)(struct broker *b, struct errand *e),
			  void (*done)(struct broker *b, struct spread *s))
{
	int n = b->node->shards + 1;
	struct spread *s;

	s = arena_zalloc(&rq->arena,
			 sizeof(*s) + (size_t)n * sizeof(s->errands[0]));
	s->owned.drop = drop;
	s->home = b;
	s->rq = rq;
	s->run = run;
	s->done = done;
	s->errands_n = n;
	for (int i = 0; i < n; i++) {
		s->errands[i].spread = s;
		s->errands[i].thread = i;
		list_init(&s->errands[i].link);
		list_init(&s->errands[i].waits);
		list_init(&s->errands[i].letter.link);
		timer_init(&s->errands[i].timer, NULL);
	}
	request_own(rq, &s->owned);
	return s;
}

void spread_add(struct spread *s, int thread, void *item)
{
	struct errand *e;
	void **items;

	assert(thread >= 0 && thread < s->errands_n);
	e = &s->errands[thread];
	items = e->items;
	if (e->n == e->cap) {
		e->cap = max_of(8, 2 * e->cap);
		e->items = arena_alloc(&s->rq->arena,
				       (size_t)e->cap * sizeof(*items));
		if (e->n)
			memcpy(e->items, items, (size_t)e->n * sizeof(*items));
	}
	e->items[e->n++] = item;
}

static void arrive(struct spread *s)
{
	assert(s->out > 0);
	if (--s->out == 0)
		s->done(s->home, s);
}

static void deliver_home(struct broker *b, struct letter *l)
{
	struct errand *e = list_entry(l, struct errand, letter);

	(void)b;
	arrive(e->spread);
}

void errand_home(struct broker *b, struct errand *e)
{
	struct spread *s = e->spread;

	if (b->thread == s->home->thread) {
		arrive(s);
		return;
	}
	e->letter.deliver = deliver_home;
	b->out.tell(b->out.ctx, s->home->thread, &e->letter);
}

static bool is_early(const struct broker *b, const struct errand *e)
{
	return b->shard && !b->stopping &&
	       b->cluster->applied < e->spread->applied;
}

static void deliver_out(struct broker *b, struct letter *l)
{
	struct errand *e = list_entry(l, struct errand, letter);

	e->at = b;
	if (is_early(b, e))
		list_push(&b->shard->early, &e->link);
	else
		e->spread->run(b, e);
}

void spread_caught_up(struct broker *b)
{
	list_each(l, &b->shard->early, safe) {
		struct errand *e = list_entry(l, struct errand, link);

		if (is_early(b, e))
			continue;
		list_remove(&e->link);
		e->spread->run(b, e);
	}
}

void spread_go(struct spread *s)
{
	struct broker *b = s->home;

	s->applied = b->cluster->applied;
	s->out = 1; /* ourselves, so that done comes after the last is sent */
	for (int i = 0; i < s->errands_n; i++) {
		struct errand *e = &s->errands[i];

		if (e->n == 0)
			continue;
		s->out++;
		e->at = b;
		if (i == b->thread) {
			s->run(b, e);
			continue;
		}
		e->letter.deliver = deliver_out;
		b->out.tell(b->out.ctx, i, &e->letter);
	}
	if (--s->out == 0)
		s->done(b, s);
}
