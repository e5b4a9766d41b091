/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of the agreed state: bytes that decode are a state that encodes,
 * decodes and encodes to the same bytes, that can be shown, and that takes
 * commands.
 *
 * input: flags u8 (1: the coordinator's half), the bytes
 */
#include "world.h"

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)256 << 10) + 1024 * n;
}

static struct buf body;

static void put(struct world *w, enum quorum_target target,
		const struct wire_type *t, const void *command)
{
	fuzz_clear(&body);
	wire_encode(&body, t, 0, command, NULL);
	must(world_apply(w, target, t->key,
			 (struct bytes){ body.p, (int32_t)body.n }));
}

/* ---- cluster ------------------------------------------------------------- */

static bool is_fine(struct world *w, const struct map *m)
{
	for (struct map_iter i = map_first(m); i.at; map_next(&i)) {
		struct str name = { i.key, (int32_t)i.key_n };
		const struct setting *s = setting_find(name);

		if (s && setting_fault(s, str_of(i.value), &w->arena))
			return false;
	}
	return true;
}

/* What proposers never let in can be in no snapshot. */
static bool are_settings_fine(struct world *w)
{
	const struct cluster *c = w->cluster;
	bool ok = is_fine(w, &c->settings);
	struct map_iter i;

	for (i = map_first(&c->broker_settings); i.at; map_next(&i))
		ok = ok && is_fine(w, i.value);
	for (i = map_first(&c->topics); i.at; map_next(&i))
		ok = ok && is_fine(w, &((struct topic *)i.value)->settings);
	return ok;
}

static void fence_all(struct world *w, int8_t fence)
{
	struct map_iter i;

	for (i = map_first(&w->cluster->brokers); i.at; map_next(&i)) {
		const struct broker_info *b = i.value;
		struct set_broker_state_command c;

		wire_preset(&set_broker_state_command_type, &c);
		c.broker_id = b->id;
		c.broker_epoch = b->epoch;
		c.fence = fence;
		put(w, QUORUM_TO_CLUSTER, &set_broker_state_command_type, &c);
	}
}

static void change_cluster(struct world *w)
{
	struct elect_leaders_command e;

	fence_all(w, 1);
	fence_all(w, 2);
	wire_preset(&elect_leaders_command_type, &e);
	e.topics_n = -1;
	put(w, QUORUM_TO_CLUSTER, &elect_leaders_command_type, &e);
	while (map_count(&w->cluster->topics)) {
		struct topic *t = map_first(&w->cluster->topics).value;
		struct delete_topics_command_topic d = { .name = STR_NULL,
							 .topic_id = t->id };
		struct delete_topics_command c = { 1, &d };

		put(w, QUORUM_TO_CLUSTER, &delete_topics_command_type, &c);
	}
}

/* ---- coord --------------------------------------------------------------- */

static void expire_members(struct world *w, struct group *g)
{
	int left = (int)map_count(&g->members);

	for (; left && map_count(&g->members); left--) {
		const struct member *m = map_first(&g->members).value;
		struct group_expire e = { str_of(g->id), str_of(m->id),
					  g->generation };

		put(w, QUORUM_TO_COORD, &group_expire_type, &e);
	}
}

static void change_coord(struct world *w)
{
	struct offsets_expire o = { 1000 };
	struct map_iter i;

	for (i = map_first(&w->coord->groups); i.at; map_next(&i)) {
		struct group *g = i.value;
		struct group_complete c = { str_of(g->id),
					    g->rebalance_serial };

		put(w, QUORUM_TO_COORD, &group_complete_type, &c);
		expire_members(w, g);
	}
	put(w, QUORUM_TO_COORD, &offsets_expire_type, &o);
}

/* ---- both ---------------------------------------------------------------- */

static void look(const struct world *w)
{
	static struct buf text;

	fuzz_clear(&text);
	cluster_dump(w->cluster, &text);
	coord_dump(w->coord, &text);
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	bool is_coord = read_u8(&r) & 1;
	struct world w = { .wall_ms = 1700000000000 }, twin;
	struct bytes in = fuzz_rest(&r);

	if (!is_coord && world_is_newer(in))
		return;
	w.cluster = is_coord ? cluster_new() : cluster_decode(in);
	w.coord = is_coord ? coord_decode(in) : coord_new();
	if (w.cluster && w.coord) {
		must(world_copy(&twin, &w) && world_same(&w, &twin));
		world_fini(&twin);
		look(&w);
		w.index = max_of(w.cluster->applied, w.coord->applied);
		if (w.index < 0 || w.index > INT64_MAX / 2)
			w.index = w.cluster->applied = 0;
		if (is_coord)
			change_coord(&w);
		else if (are_settings_fine(&w))
			change_cluster(&w);
	}
	world_fini(&w);
}
