/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Committed offsets: written, deleted, expired; and the groups that go with
 * them.
 *
 * Invariants:
 * 1. An offset is kept under the topic's id: a topic that was deleted and made
 *    again has none.
 * 2. A commit is taken from a member of the current generation, or from anyone
 *    while the group has no members (KIP-211, simple consumers).
 */
#include "group_internal.h"

#define KEY_SIZE 20

static void make_key(uint8_t key[KEY_SIZE], struct uuid id, int32_t partition)
{
	memcpy(key, id.b, sizeof(id.b));
	put_be32(key + sizeof(id.b), (uint32_t)partition);
}

const struct group_offset *group_offset_of(const struct group *g,
					   struct uuid topic_id,
					   int32_t partition)
{
	uint8_t key[KEY_SIZE];

	make_key(key, topic_id, partition);
	return g ? map_find(&g->offsets, key, sizeof(key)) : NULL;
}

struct group_offset *group_put_offset(struct coord *c, struct group *g,
				      struct uuid topic_id, int32_t partition)
{
	uint8_t key[KEY_SIZE];
	struct group_offset *o;

	make_key(key, topic_id, partition);
	o = map_find(&g->offsets, key, sizeof(key));
	if (o)
		return o;
	o = mem_zalloc(sizeof(*o));
	o->topic_id = topic_id;
	o->partition = partition;
	map_put(&g->offsets, key, sizeof(key), o);
	c->offsets_n++;
	return o;
}

void group_offset_free(struct group_offset *o)
{
	mem_free(o->topic);
	mem_free(o->metadata);
	mem_free(o);
}

static void drop_offset(struct coord *c, struct group *g,
			struct group_offset *o)
{
	uint8_t key[KEY_SIZE];

	make_key(key, o->topic_id, o->partition);
	map_remove(&g->offsets, key, sizeof(key));
	group_offset_free(o);
	c->offsets_n--;
}

/* ---- commit -------------------------------------------------------------- */

static int16_t check_commit(const struct group *g,
			    const struct offsets_commit *c)
{
	enum kerr error;

	if (c->generation_id < 0 && (!g || g->state == GROUP_EMPTY))
		return K_NONE;
	if (!g)
		return K_ILLEGAL_GENERATION;
	error = group_check_member(g, c->member_id, c->group_instance_id,
				   c->generation_id);
	if (!error && g->state == GROUP_COMPLETING_REBALANCE)
		return K_REBALANCE_IN_PROGRESS;
	return (int16_t)error;
}

static int16_t commit_one(struct apply *a, struct group *g,
			  const struct offsets_commit *c,
			  const struct offsets_commit_topic *t,
			  const struct offsets_commit_partition *p)
{
	const struct topic *topic =
		cluster_topic_by_id(a->cluster, t->topic_id);
	struct group_offset *o;

	if (p->error_code)
		return p->error_code;
	if (!topic || p->partition_index < 0 ||
	    p->partition_index >= topic->partitions_n)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	o = group_put_offset(a->coord, g, t->topic_id, p->partition_index);
	if (!o->topic)
		o->topic = mem_strdup(topic->name);
	o->offset = p->offset;
	o->leader_epoch = p->leader_epoch;
	if (!o->metadata || !str_eq_c(p->metadata, o->metadata)) {
		mem_free(o->metadata);
		o->metadata = p->metadata.n < 0 ? mem_strdup("")
						: str_heap(p->metadata);
	}
	o->commit_ms = a->time_ms;
	o->expire_ms = c->retention_ms < 0 ? -1 :
		       a->time_ms + min_of(c->retention_ms,
					   INT64_MAX - a->time_ms);
	return K_NONE;
}

/* The response's partitions of one topic, each committed unless refused. */
static void commit_topic(struct apply *a, struct group *g, int16_t refused,
			 const struct offsets_commit *c, int32_t at)
{
	struct offset_commit_response *r = a->out->result;
	const struct offsets_commit_topic *from = &c->topics[at];
	struct offset_commit_response_topic *to = &r->topics[at];
	size_t n = (size_t)max_of(from->partitions_n, 1);

	to->name = str_dup(a->arena, from->name);
	to->topic_id = from->topic_id;
	to->partitions_n = from->partitions_n;
	to->partitions = arena_zalloc(a->arena, n * sizeof(*to->partitions));
	for (int32_t i = 0; i < from->partitions_n; i++) {
		to->partitions[i].partition_index =
			from->partitions[i].partition_index;
		to->partitions[i].error_code = refused ? refused
			: commit_one(a, g, c, from, &from->partitions[i]);
	}
}

void offsets_commit(struct apply *a, const struct offsets_commit *c)
{
	struct offset_commit_response *r =
		apply_result(a, &offset_commit_response_type);
	struct group *g = group_find(a->coord, c->group_id);
	int16_t refused = check_commit(g, c);

	if (!refused)
		g = group_make(a, c->group_id);
	r->topics_n = c->topics_n;
	r->topics = arena_zalloc(a->arena, (size_t)max_of(c->topics_n, 1) *
						   sizeof(*r->topics));
	for (int32_t i = 0; i < c->topics_n; i++)
		commit_topic(a, g, refused, c, i);
}

/* ---- delete -------------------------------------------------------------- */

static int16_t delete_one(struct apply *a, struct group *g,
			  const struct topic *topic, int32_t partition)
{
	const struct group_offset *found;

	if (!topic || partition < 0 || partition >= topic->partitions_n)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	if (group_subscribes(g, str_of(topic->name)))
		return K_GROUP_SUBSCRIBED_TO_TOPIC;
	found = group_offset_of(g, topic->id, partition);
	if (found)
		drop_offset(a->coord, g, (struct group_offset *)found);
	return K_NONE;
}

static void delete_topic(struct apply *a, struct group *g,
			 const struct offsets_delete_topic *from,
			 struct offset_delete_response_topic *to)
{
	const struct topic *topic = cluster_topic(a->cluster, from->name);
	size_t n = (size_t)max_of(from->partitions_n, 1);

	to->name = str_dup(a->arena, from->name);
	to->partitions_n = from->partitions_n;
	to->partitions = arena_zalloc(a->arena, n * sizeof(*to->partitions));
	for (int32_t i = 0; i < from->partitions_n; i++) {
		to->partitions[i].partition_index = from->partitions[i];
		to->partitions[i].error_code =
			delete_one(a, g, topic, from->partitions[i]);
	}
}

void offsets_delete(struct apply *a, const struct offsets_delete *d)
{
	struct offset_delete_response *r =
		apply_result(a, &offset_delete_response_type);
	struct group *g = group_find(a->coord, d->group_id);

	if (!g) {
		r->error_code = K_GROUP_ID_NOT_FOUND;
		return;
	}
	if (g->state != GROUP_EMPTY &&
	    (!g->protocol_type || strcmp(g->protocol_type, "consumer") != 0)) {
		r->error_code = K_NON_EMPTY_GROUP;
		return;
	}
	r->topics_n = d->topics_n;
	r->topics = arena_zalloc(a->arena, (size_t)max_of(d->topics_n, 1) *
						   sizeof(*r->topics));
	for (int32_t i = 0; i < d->topics_n; i++)
		delete_topic(a, g, &d->topics[i], &r->topics[i]);
}

static int16_t delete_group(struct apply *a, struct str id)
{
	struct group *g = group_find(a->coord, id);

	if (!g)
		return K_GROUP_ID_NOT_FOUND;
	if (map_count(&g->members))
		return K_NON_EMPTY_GROUP;
	apply_changed(a, g);
	group_destroy(a->coord, g);
	return K_NONE;
}

void groups_delete(struct apply *a, const struct groups_delete *d)
{
	struct delete_groups_response *r =
		apply_result(a, &delete_groups_response_type);

	r->results_n = d->groups_n;
	r->results = arena_zalloc(a->arena, (size_t)max_of(d->groups_n, 1) *
						    sizeof(*r->results));
	for (int32_t i = 0; i < d->groups_n; i++) {
		r->results[i].group_id = str_dup(a->arena, d->groups[i]);
		r->results[i].error_code = delete_group(a, d->groups[i]);
	}
}

/* ---- expiry (KIP-211) ---------------------------------------------------- */

static bool is_expired(const struct apply *a, const struct group *g,
		       const struct group_offset *o, int64_t retention_ms)
{
	int64_t since = o->commit_ms;

	if (!cluster_topic_by_id(a->cluster, o->topic_id))
		return true;
	if (o->expire_ms >= 0)
		return a->time_ms >= o->expire_ms;
	if (g->state == GROUP_EMPTY && g->protocol_type)
		since = max_of(since, g->state_since_ms);
	else if (g->state != GROUP_EMPTY &&
		 (g->state != GROUP_STABLE ||
		  !g->protocol_type ||
		  strcmp(g->protocol_type, "consumer") != 0 ||
		  group_subscribes(g, str_of(o->topic))))
		return false;
	return a->time_ms - since >= retention_ms;
}

void offsets_expire(struct apply *a, const struct offsets_expire *e)
{
	struct map_iter i, k;

	for (i = map_first(&a->coord->groups); i.at; map_next(&i)) {
		struct group *g = i.value;

		for (k = map_first(&g->offsets); k.at; map_next(&k))
			if (is_expired(a, g, k.value, e->retention_ms))
				drop_offset(a->coord, g, k.value);
		if (g->state == GROUP_EMPTY && map_count(&g->offsets) == 0) {
			apply_changed(a, g);
			group_destroy(a->coord, g);
		}
	}
}
