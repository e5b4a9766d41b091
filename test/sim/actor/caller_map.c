/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller_map: what a client believes of topics and leaders. It asks when it
 * has to, after errors, and every few seconds.
 */
#include "caller.h"

void caller_map_fini(struct caller *c)
{
	for (int i = 0; i < c->sights_n; i++)
		mem_free(c->sights[i].places);
	mem_free(c->sights);
	c->sights = NULL;
	c->sights_n = 0;
	c->looking = false;
	c->doubting = false;
	wheel_disarm(&c->look);
}

void caller_quiet(struct caller *c)
{
	wheel_disarm(&c->look);
}

static struct sight *sight_get(struct caller *c, int topic)
{
	if (topic >= c->sights_n) {
		c->sights = mem_realloc(c->sights, ((size_t)topic + 1) *
							   sizeof(*c->sights));
		memset(c->sights + c->sights_n, 0,
		       ((size_t)topic + 1 - (size_t)c->sights_n) *
			       sizeof(*c->sights));
		c->sights_n = topic + 1;
	}
	return &c->sights[topic];
}

static void sight_grow(struct sight *s, int32_t n)
{
	if (n <= s->places_n)
		return;
	s->places = mem_realloc(s->places, (size_t)n * sizeof(*s->places));
	for (; s->places_n < n; s->places_n++)
		s->places[s->places_n] = (struct place){ -1, -1 };
}

static void place_set(struct place *p, struct place to)
{
	if (to.epoch >= 0 && p->epoch > to.epoch)
		return;
	*p = to;
}

void caller_hint(struct caller *c, int topic, int partition, struct place p)
{
	struct sight *s = sight_get(c, topic);

	if (p.leader < 1 || p.leader > world_nodes(c->a->w) || p.epoch < 0 ||
	    partition >= s->places_n || p.epoch <= s->places[partition].epoch)
		return;
	s->places[partition] = p;
}

/* Which of those of its name it is: each has been made once, the last by the
 * administrator, who has seen the ids of all before; -1: none of them. */
static int whose(struct caller *c, const struct metadata_response_topic *t)
{
	int last = cast_topic_find(c->a, t->name);

	if (last < 0 || !c->a->topics[last].again || t->error_code)
		return last;
	for (int i = 0; i <= last; i++)
		if (uuid_eq(c->a->topics[i].id, t->topic_id))
			return c->version[API_METADATA] >= 10 ? i : -1;
	if (c->version[API_METADATA] < 10 ||
	    !uuid_is_zero(c->a->topics[last].id))
		return -1;
	c->a->topics[last].id = t->topic_id;
	return last;
}

static void see_topic(struct caller *c, const struct metadata_response_topic *t)
{
	int topic = whose(c, t);
	struct sight *s;

	if (topic < 0 || !cast_may(c->a, "Metadata of a topic", t->error_code))
		return;
	s = sight_get(c, topic);
	if (t->error_code)
		return;
	s->known = true;
	if (c->version[API_METADATA] >= 10)
		s->id = t->topic_id;
	for (int32_t i = 0; i < t->partitions_n; i++) {
		const struct metadata_response_partition *p = &t->partitions[i];

		if (p->partition_index < 0 ||
		    p->partition_index >= PARTITIONS_MAX) {
			world_violation(c->a->w, "Metadata: partition %d",
					p->partition_index);
			return;
		}
		cast_may(c->a, "Metadata of a partition", p->error_code);
		sight_grow(s, p->partition_index + 1);
		if (!p->error_code)
			place_set(&s->places[p->partition_index],
				  (struct place){ p->leader_id,
						  p->leader_epoch });
		else
			s->places[p->partition_index].leader = -1;
	}
}

static void on_seen(void *ctx, const struct answer *a)
{
	struct caller *c = ctx;
	const struct metadata_response *r = a->body;

	c->looking = false;
	c->doubting = false;
	if (!r) {
		caller_doubt(c);
		return;
	}
	cast_arm(c->a, &c->look, c->look_every_ms);
	for (int32_t i = 0; i < r->topics_n; i++)
		see_topic(c, &r->topics[i]);
}

/* All topics from clients that might create one by asking for it. */
static void look(struct caller *c)
{
	struct metadata_request rq;
	struct metadata_request_topic topics[TOPICS_MAX];
	int n = 0;

	wire_preset(&metadata_request_type, &rq);
	rq.allow_auto_topic_creation = false;
	for (int i = 0; i < c->a->topics_n; i++) {
		if (c->a->topics[i].deleted)
			continue;
		wire_preset(&metadata_request_topic_type, &topics[n]);
		topics[n++].name = str_of(c->a->topics[i].name);
	}
	rq.topics = topics;
	rq.topics_n = n;
	if (c->version[API_METADATA] < 4)
		rq.topics_n = c->version[API_METADATA] ? -1 : 0;
	if (rq.topics_n <= 0)
		rq.topics = NULL;
	c->looking = true;
	c->looked_ms = cast_now_ms(c->a);
	caller_ask(c, &(struct caller_ask){ .node = caller_any(c),
					    .key = API_METADATA,
					    .body = &rq,
					    .then = on_seen,
					    .ctx = c });
}

static void on_look(struct timer *t)
{
	struct caller *c = container_of(t, struct caller, look);

	if (!c->looking)
		look(c);
}

void caller_map_init(struct caller *c)
{
	timer_init(&c->look, on_look);
}

void caller_watch(struct caller *c)
{
	cast_arm(c->a, &c->look, 1);
}

void caller_doubt(struct caller *c)
{
	if (c->doubting)
		return;
	c->doubting = true;
	if (!c->looking)
		cast_arm(c->a, &c->look, cast_backoff(c->a) / 2);
}

const struct place *caller_place(struct caller *c, int topic, int partition)
{
	struct sight *s = sight_get(c, topic);

	if (!s->known || partition >= s->places_n ||
	    s->places[partition].leader < 1) {
		caller_doubt(c);
		return NULL;
	}
	return &s->places[partition];
}

int caller_partitions(const struct caller *c, int topic)
{
	return topic < c->sights_n && c->sights[topic].known ?
		       c->sights[topic].places_n :
		       0;
}

bool caller_topic_id(const struct caller *c, int topic, struct uuid *out)
{
	if (topic >= c->sights_n || uuid_is_zero(c->sights[topic].id))
		return false;
	*out = c->sights[topic].id;
	return true;
}

int caller_topic_of(const struct caller *c, struct uuid id)
{
	for (int i = 0; i < c->sights_n; i++)
		if (uuid_eq(c->sights[i].id, id))
			return i;
	return -1;
}
