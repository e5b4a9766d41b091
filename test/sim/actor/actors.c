/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actors: all of them together (actor.h).
 */
#include "admin.h"
#include "clerk.h"
#include "consumer.h"
#include "joiner.h"
#include "producer.h"

#include <stdio.h>

struct actors_config actors_config_random(uint64_t seed)
{
	struct prng r;
	struct actors_config c = { .seed = seed };

	prng_init(&r, seed);
	c.producers = 1 + (int)prng_below(&r, 3);
	c.plain = (int)prng_below(&r, 3);
	c.consumers = 1 + (int)prng_below(&r, 2);
	c.groups = prng_below(&r, 3) ? 1 : 0;
	c.members = c.groups ? 1 + (int)prng_below(&r, 4) : 0;
	c.topics = 1 + (int)prng_below(&r, 3);
	c.partitions = 1 + (int)prng_below(&r, 6);
	c.rate = 5 + (int)prng_below(&r, 25);
	c.records = 1 + (int)prng_below(&r, 20);
	c.admin = prng_below(&r, 3) ? 2 + (int)prng_below(&r, 40) : 0;
	c.memory = prng_below(&r, 4) == 0;
	c.retention = prng_below(&r, 3) == 0;
	c.codecs = prng_below(&r, 3) == 0;
	c.wrap = prng_below(&r, 4) == 0;
	c.follower_reads = prng_below(&r, 4) == 0;
	c.old = prng_below(&r, 2);
	c.again = prng_below(&r, 3) == 0;
	if (c.again)
		c.admin = 20 + (int)prng_below(&r, 200);
	c.clerk = prng_below(&r, 2) == 0;
	return c;
}

int actors_ends(const struct actors_config *c)
{
	int n = 1 + c->producers + c->plain + c->consumers +
		c->groups * c->members + c->clerk;

	return min_of(n, WORLD_CLIENTS_MAX);
}

static void make_all(struct actors *a)
{
	const struct actors_config *c = &a->c;
	int actor = 1;

	a->admin = admin_new(a);
	a->producers_n = c->producers + c->plain;
	a->producers = mem_zalloc(sizeof(struct producer *) *
				  (size_t)(a->producers_n + 1));
	for (int i = 0; i < a->producers_n; i++)
		a->producers[i] = producer_new(a, actor++, i < c->producers);
	a->consumers_n = c->consumers;
	a->consumers = mem_zalloc(sizeof(struct consumer *) *
				  (size_t)(a->consumers_n + 1));
	for (int i = 0; i < a->consumers_n; i++)
		a->consumers[i] = consumer_new(a, actor++);
	a->members_n = c->groups * c->members;
	a->members = mem_zalloc(sizeof(struct joiner *) *
				(size_t)(a->members_n + 1));
	for (int i = 0; i < a->members_n; i++)
		a->members[i] = joiner_new(a, actor++, i / c->members);
	if (c->clerk)
		a->clerk = clerk_new(a, actor++);
}

struct actors *actors_new(struct world *w, struct history *h,
			  const struct actors_config *c)
{
	struct actors *a = mem_zalloc(sizeof(*a));

	a->w = w;
	a->h = h;
	a->c = *c;
	a->ends = actors_ends(c);
	a->tick_ms = INT64_MAX;
	a->next_value = 1;
	prng_init(&a->prng, c->seed);
	a->wheel = wheel_new(cast_now_ms(a));
	make_all(a);
	return a;
}

void actors_free(struct actors *a)
{
	if (!a)
		return;
	wheel_free(a->wheel); /* first: it knows timers of all that goes */
	finale_free(a->finale);
	admin_free(a->admin);
	for (int i = 0; i < a->producers_n; i++)
		producer_free(a->producers[i]);
	for (int i = 0; i < a->consumers_n; i++)
		consumer_free(a->consumers[i]);
	for (int i = 0; i < a->members_n; i++)
		joiner_free(a->members[i]);
	if (a->clerk)
		clerk_free(a->clerk);
	mem_free(a->producers);
	mem_free(a->consumers);
	mem_free(a->members);
	mem_free(a);
}

void actors_start(struct actors *a)
{
	a->started = true;
	admin_start(a->admin);
	for (int i = 0; i < a->producers_n; i++)
		producer_start(a->producers[i]);
	for (int i = 0; i < a->consumers_n; i++)
		consumer_start(a->consumers[i]);
	for (int i = 0; i < a->members_n; i++)
		joiner_start(a->members[i]);
	if (a->clerk)
		clerk_start(a->clerk);
}

void actors_stop(struct actors *a)
{
	a->stopping = true;
	for (int i = 0; i < a->consumers_n; i++)
		consumer_stop(a->consumers[i]);
}

static void waits_for(struct actors *a, const struct caller *c)
{
	snprintf(a->waiting, sizeof(a->waiting), "%s", c->name);
}

const char *actors_waiting(struct actors *a)
{
	a->waiting[0] = '\0';
	if (!admin_is_settled(a->admin)) {
		snprintf(a->waiting, sizeof(a->waiting),
			 "admin at deed %d on t%d", (int)a->admin->deed,
			 a->admin->topic);
		return a->waiting;
	}
	if (a->finale) {
		finale_waits(a->finale, a->waiting, sizeof(a->waiting));
		return a->waiting;
	}
	if (!a->stopping)
		return a->waiting;
	for (int i = 0; i < a->producers_n; i++)
		if (!producer_is_settled(a->producers[i]))
			waits_for(a, &a->producers[i]->caller);
	for (int i = 0; i < a->consumers_n; i++)
		if (!consumer_is_settled(a->consumers[i]))
			waits_for(a, &a->consumers[i]->caller);
	for (int i = 0; i < a->members_n; i++)
		if (!joiner_is_settled(a->members[i]))
			waits_for(a, &a->members[i]->caller);
	if (a->clerk && !clerk_is_settled(a->clerk))
		waits_for(a, &a->clerk->caller);
	return a->waiting;
}

static bool are_settled(const struct actors *a)
{
	for (int i = 0; i < a->producers_n; i++)
		if (!producer_is_settled(a->producers[i]))
			return false;
	for (int i = 0; i < a->consumers_n; i++)
		if (!consumer_is_settled(a->consumers[i]))
			return false;
	for (int i = 0; i < a->members_n; i++)
		if (!joiner_is_settled(a->members[i]))
			return false;
	return !a->clerk || clerk_is_settled(a->clerk);
}

bool actors_settled(void *actors)
{
	const struct actors *a = actors;

	return admin_is_settled(a->admin) && (!a->stopping || are_settled(a));
}

void actors_offline(struct actors *a, const char *topic, int partition)
{
	int t = cast_topic_find(a, str_of(topic));

	if (t < 0 || partition >= PARTITIONS_MAX)
		return;
	a->topics[t].offline[partition] = true;
	history_set(a->h, a->topics[t].keys[partition], HISTORY_OFFLINE);
}

/* Members have been heard: they go before the reading begins. */
void actors_read_all(struct actors *a)
{
	for (int i = 0; i < a->members_n; i++)
		joiner_stop(a->members[i]);
	a->finale = finale_new(a);
}

bool actors_read(void *actors)
{
	const struct actors *a = actors;

	return a->finale && finale_is_done(a->finale);
}

void actors_allow_damage(struct actors *a, int node)
{
	a->damage[node] = true;
}

const struct actors_counts *actors_counts(const struct actors *a)
{
	return &a->n;
}

void actors_print(const struct actors *a, struct buf *out)
{
	const struct actors_counts *n = &a->n;

#define N(x) buf_printf(out, #x "=%" PRId64 " ", n->x)
	N(requests); N(answers); N(timeouts); N(broken); N(connections);
	N(sends); N(acks); N(fails); N(infos); N(retries); N(resets);
	N(polls); N(records); N(seeks); N(out_of_range); N(diverged);
	N(validated); N(follower_reads); N(sessions); N(damaged);
	N(commits); N(commits_ok); N(joins); N(generations); N(crashes);
	N(leaves); N(recalls); N(created); N(deleted); N(extended);
	N(altered); N(cuts);
	N(elections); N(final_records); N(final_partitions);
#undef N
	for (int i = 0; i < 256; i++)
		if (n->errors[i])
			buf_printf(out, "%s=%" PRId64 " ",
				   kerr_name((int16_t)(i == 255 ? -1 : i)),
				   n->errors[i]);
}
