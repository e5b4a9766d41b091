/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_session: see fetch_session.h.
 *
 * 1. Clients' sessions are bounded in number (by setting) and together in
 *    partitions; a new one may push out one that was idle for EVICT_MS, and
 *    where there is none it gets no session. Brokers always get theirs.
 */
#include "fetch_session.h"

#define EVICT_MS 120000
#define ENTRIES_MAX 250000 /* of clients, per shard */

static int64_t sessions_max(const struct broker *b)
{
	int64_t all = broker_number(
		b, SETTING_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);

	return (all + b->node->shards - 1) / b->node->shards;
}

static void free_entry(struct fetch_entry *e)
{
	list_remove(&e->unknown);
	mem_free(e->want);
	mem_free(e);
}

static void free_topic(struct fetch_topic *t)
{
	for (struct map_iter i = map_first(&t->entries); i.at; map_next(&i))
		free_entry(i.value);
	map_fini(&t->entries);
	if (t->name.n >= 0)
		mem_free((void *)(uintptr_t)t->name.p);
	mem_free(t);
}

static void free_session(struct broker *b, struct fetch_session *s)
{
	for (int i = 0; i < s->threads; i++)
		if (s->feeds[i])
			feed_close(b, i, s->feeds[i]);
	for (struct map_iter i = map_first(&s->topics); i.at; map_next(&i))
		free_topic(i.value);
	map_fini(&s->topics);
	if (s->peer < 0)
		b->shard->session_entries -= s->entries_n;
	map_remove_i64(&b->shard->sessions, s->id);
	list_remove(&s->lru);
	mem_free(s->feeds);
	mem_free(s->slots_n);
	mem_free(s);
}

static bool make_room(struct broker *b)
{
	struct shard *sh = b->shard;
	int64_t clients = 0;

	list_each (l, &sh->session_lru, safe) {
		struct fetch_session *s =
			list_entry(l, struct fetch_session, lru);
		bool idle = !s->current && s->used_ms + EVICT_MS <= b->now_ms;

		if (s->peer >= 0 && idle)
			free_session(b, s);
		else
			clients += s->peer < 0;
	}
	if (clients < sessions_max(b))
		return true;
	list_each (l, &sh->session_lru, safe) {
		struct fetch_session *s =
			list_entry(l, struct fetch_session, lru);

		if (s->used_ms + EVICT_MS > b->now_ms)
			return false;
		if (s->peer >= 0 || s->current)
			continue;
		free_session(b, s);
		return true;
	}
	return false;
}

static int32_t free_id(struct broker *b)
{
	int32_t id;

	do
		id = 1 + (int32_t)prng_below(&b->prng, INT32_MAX - 1);
	while (map_find_i64(&b->shard->sessions, id));
	return id;
}

struct fetch_session *session_new(struct broker *b, int32_t peer, bool by_id)
{
	struct shard *sh = b->shard;
	struct fetch_session *s;
	size_t threads = (size_t)b->node->shards + 1;

	if (!make_room(b) && peer < 0)
		return NULL;
	if (peer < 0 && sh->session_entries >= ENTRIES_MAX)
		return NULL;
	s = mem_zalloc(sizeof(*s));
	s->id = free_id(b);
	s->epoch = 1;
	s->peer = peer;
	s->by_id = by_id;
	s->used_ms = b->now_ms;
	s->threads = (int)threads;
	s->feeds = mem_zalloc(threads * sizeof(struct feed *));
	s->slots_n = mem_zalloc(threads * sizeof(*s->slots_n));
	list_init(&s->unknown);
	list_push(&sh->session_lru, &s->lru);
	map_put_i64(&sh->sessions, s->id, s);
	return s;
}

struct fetch_session *session_find(struct broker *b, int32_t id)
{
	struct fetch_session *s = map_find_i64(&b->shard->sessions, id);

	if (!s || s->doomed)
		return NULL;
	s->used_ms = b->now_ms;
	list_remove(&s->lru);
	list_push(&b->shard->session_lru, &s->lru);
	return s;
}

void session_end(struct broker *b, struct fetch_session *s)
{
	if (s->current)
		s->doomed = true;
	else
		free_session(b, s);
}

bool session_release(struct broker *b, struct fetch_session *s)
{
	s->current = NULL;
	s->used_ms = b->now_ms;
	if (!s->doomed)
		return true;
	free_session(b, s);
	return false;
}

static struct fetch_topic *find_topic(const struct fetch_session *s,
				      const struct fetch_key *key)
{
	return s->by_id ? map_find(&s->topics, key->id.b, sizeof(key->id.b)) :
			  map_find_str(&s->topics, key->name);
}

static struct fetch_topic *get_topic(struct fetch_session *s,
				     const struct fetch_key *key)
{
	struct fetch_topic *t = find_topic(s, key);

	if (t)
		return t;
	t = mem_zalloc(sizeof(*t));
	t->id = key->id;
	t->name = STR_NULL;
	if (s->by_id) {
		map_put(&s->topics, key->id.b, sizeof(key->id.b), t);
		return t;
	}
	t->name = (struct str){ str_heap(key->name), max_of(key->name.n, 0) };
	map_put_str(&s->topics, t->name, t);
	return t;
}

struct fetch_entry *session_entry(struct broker *b, struct fetch_session *s,
				  const struct fetch_key *key)
{
	struct fetch_topic *t = get_topic(s, key);
	struct fetch_entry *e = map_find_i64(&t->entries, key->partition);

	if (e)
		return e;
	if (s->peer < 0) {
		if (b->shard->session_entries >= ENTRIES_MAX)
			return NULL;
		b->shard->session_entries++;
	}
	e = mem_zalloc(sizeof(*e));
	e->topic = t;
	e->partition = key->partition;
	list_init(&e->unknown);
	map_put_i64(&t->entries, key->partition, e);
	s->entries_n++;
	return e;
}

struct feed_slot *session_forget(struct broker *b, struct fetch_session *s,
				 const struct fetch_key *key, int *thread)
{
	struct fetch_topic *t = find_topic(s, key);
	struct fetch_entry *e = t ?
		map_remove_i64(&t->entries, key->partition) : NULL;
	struct feed_slot *slot;

	if (!e)
		return NULL;
	slot = e->slot;
	*thread = e->thread;
	s->entries_n--;
	if (s->peer < 0)
		b->shard->session_entries--;
	free_entry(e);
	if (map_count(&t->entries) == 0) {
		if (s->by_id)
			map_remove(&s->topics, t->id.b, sizeof(t->id.b));
		else
			map_remove_str(&s->topics, t->name);
		free_topic(t);
	}
	return slot;
}

void fetch_session_free_all(struct broker *b)
{
	for (struct map_iter i = map_first(&b->shard->sessions); i.at;
	     map_next(&i))
		free_session(b, i.value);
	map_fini(&b->shard->sessions);
}
