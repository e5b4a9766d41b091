/* SPDX-License-Identifier: Apache-2.0 */
/* world: see world.h. */
#include "world.h"

#define PARTITIONS_MAX 200 /* of one topic in one command */

/* ---- what a proposer would refuse ---------------------------------------- */

static bool is_fine(struct arena *a, struct str name, struct str value)
{
	const struct setting *s = setting_find(name);

	return value.n < 0 || !s || !setting_fault(s, value, a);
}

/* Words are appended to lists alone, and taken out of them. */
static bool is_fine_entry(struct arena *a,
			  const struct alter_settings_command_entry *e)
{
	const struct setting *s = setting_find(e->name);
	bool wordwise = e->op == 2 || e->op == 3;

	return is_fine(a, e->name, e->value) &&
	       (!wordwise || !s || s->type == SETTING_LIST ||
		s->type == SETTING_ENUM_LIST);
}

static bool are_settings_fine(struct arena *a, const struct wire_type *t,
			      const void *body)
{
	const struct bootstrap_command *b = body;
	const struct create_topics_command *c = body;
	const struct alter_settings_command *s = body;
	bool ok = true;

	if (t == &bootstrap_command_type)
		for (int32_t i = 0; i < b->settings_n; i++)
			ok = ok && is_fine(a, b->settings[i].name,
					   b->settings[i].value);
	if (t == &create_topics_command_type)
		for (int32_t i = 0; i < c->topics_n; i++)
			for (int32_t k = 0; k < c->topics[i].settings_n; k++)
				ok = ok && is_fine(a,
					c->topics[i].settings[k].name,
					c->topics[i].settings[k].value);
	if (t == &alter_settings_command_type)
		for (int32_t i = 0; i < s->resources_n; i++)
			for (int32_t k = 0; k < s->resources[i].entries_n; k++)
				ok = ok && is_fine_entry(
					a, &s->resources[i].entries[k]);
	return ok;
}

/* Proposers draw ids that nobody has. */
static bool is_drawn(const struct world *w, const struct wire_type *t,
		     const void *body)
{
	const struct group_join *j = body;
	const struct group *g;

	if (t != &group_join_type)
		return true;
	g = coord_group(w->coord, j->group_id);
	return j->new_member_id.n > 0 &&
	       (!g || !group_member_of(g, j->new_member_id));
}

/* A proposer gives the limits of its settings, not a client: a request of few
 * bytes makes as many partitions as they let it. Many only take time here. */
static bool is_limited(const struct wire_type *t, const void *body)
{
	const struct create_topics_command *c = body;
	const struct create_partitions_command *g = body;
	int32_t asked = 0, leave = 0;

	if (t == &create_topics_command_type) {
		leave = c->request_max;
		asked = c->topics_n ? c->default_partitions : 0;
		for (int32_t i = 0; i < c->topics_n; i++)
			asked = max_of(asked, c->topics[i].num_partitions);
	} else if (t == &create_partitions_command_type) {
		leave = g->request_max;
		for (int32_t i = 0; i < g->topics_n; i++)
			asked = max_of(asked, g->topics[i].count);
	}
	return min_of(asked, leave) <= PARTITIONS_MAX;
}

static const struct wire_type *find_type(enum quorum_target target, int16_t key)
{
	bool cluster = target == QUORUM_TO_CLUSTER;
	int n = cluster ? cluster_command_messages_n : coord_command_messages_n;
	const struct wire_type *const *v =
		cluster ? cluster_command_messages : coord_command_messages;

	for (int i = 0; i < n; i++)
		if (v[i]->key == key && key < 40) /* then results, images */
			return v[i];
	return NULL;
}

/* ---- applying ------------------------------------------------------------ */

static void apply_cluster(struct world *w, struct bytes command)
{
	struct cluster_effects e = { .arena = &w->arena };
	struct buf out = { 0 };

	cluster_apply(w->cluster, ++w->index, command, &e);
	if (e.result_type) /* the proposer copies it */
		wire_encode(&out, e.result_type, e.result_type->max, e.result,
			    NULL);
	buf_fini(&out);
}

static void apply_coord(struct world *w, struct bytes command)
{
	struct coord_effects e = { .arena = &w->arena };
	struct buf out = { 0 };

	coord_apply(w->coord, w->cluster, ++w->index, command, &e);
	if (e.result_type)
		wire_encode(&out, e.result_type, e.result_type->max, e.result,
			    NULL);
	for (int32_t i = 0; i < e.groups_n; i++)
		must(e.groups[i].n >= 0);
	buf_fini(&out);
}

bool world_apply(struct world *w, enum quorum_target target, int16_t key,
		 struct bytes body)
{
	const struct wire_type *t = find_type(target, key);
	struct reader r = reader_of(body.p, (size_t)body.n);
	struct buf bytes = { 0 };
	struct bytes command;
	void *decoded;

	arena_reset(&w->arena);
	if (!t)
		return false;
	decoded = arena_alloc(&w->arena, t->size);
	if (!wire_decode(&r, t, 0, decoded, &w->arena) || reader_left(&r) ||
	    !are_settings_fine(&w->arena, t, decoded) ||
	    !is_drawn(w, t, decoded) || !is_limited(t, decoded))
		return false;
	arena_reset(&w->arena);
	w->wall_ms += 1000;
	buf_put_i16(&bytes, key);
	if (target == QUORUM_TO_CLUSTER)
		buf_put_i16(&bytes, 0);
	buf_put_i64(&bytes, w->wall_ms);
	if (target == QUORUM_TO_CLUSTER)
		buf_put_i64(&bytes, w->index);
	buf_put(&bytes, body.p, (size_t)body.n);
	command = (struct bytes){ bytes.p, (int32_t)bytes.n };
	if (target == QUORUM_TO_CLUSTER)
		apply_cluster(w, command);
	else
		apply_coord(w, command);
	buf_fini(&bytes);
	return true;
}

/* ---- beginning and end --------------------------------------------------- */

static void put(struct world *w, enum quorum_target target,
		const struct wire_type *t, const void *command)
{
	struct buf b = { 0 };

	wire_encode(&b, t, 0, command, NULL);
	must(world_apply(w, target, t->key,
			 (struct bytes){ b.p, (int32_t)b.n }));
	buf_fini(&b);
}

static void add_broker(struct world *w, int32_t id)
{
	struct register_broker_command_listener at = { STR("PLAINTEXT"),
						       STR("h"), 9092, 0 };
	struct register_broker_command r;
	struct set_broker_state_command s;

	wire_preset(&register_broker_command_type, &r);
	r.broker_id = id;
	r.incarnation.b[0] = r.directory.b[0] = (uint8_t)id;
	r.listeners = &at;
	r.listeners_n = 1;
	r.peer_host = STR("h");
	r.peer_port = 9190;
	put(w, QUORUM_TO_CLUSTER, &register_broker_command_type, &r);
	wire_preset(&set_broker_state_command_type, &s);
	s.broker_id = id;
	s.broker_epoch = cluster_broker(w->cluster, id)->epoch;
	s.fence = 2;
	put(w, QUORUM_TO_CLUSTER, &set_broker_state_command_type, &s);
}

static void add_topic(struct world *w)
{
	struct create_topics_command_topic t;
	struct create_topics_command c;

	wire_preset(&create_topics_command_topic_type, &t);
	t.name = STR("t");
	t.num_partitions = 3;
	t.replication_factor = 3;
	wire_preset(&create_topics_command_type, &c);
	c.topics = &t;
	c.topics_n = 1;
	put(w, QUORUM_TO_CLUSTER, &create_topics_command_type, &c);
}

static void add_group(struct world *w)
{
	struct group_join_protocol p = { STR("range"),
					 { (const uint8_t *)"x", 1 } };
	struct group_join j;

	wire_preset(&group_join_type, &j);
	j.group_id = STR("g");
	j.new_member_id = STR("m0");
	j.client_id = STR("c");
	j.client_host = STR("h");
	j.session_timeout_ms = j.rebalance_timeout_ms = 10000;
	j.protocol_type = STR("consumer");
	j.protocols = &p;
	j.protocols_n = 1;
	j.known = true;
	j.member_id = STR("m1");
	j.size_max = 100;
	j.group_instance_id = STR_NULL;
	put(w, QUORUM_TO_COORD, &group_join_type, &j);
}

static void furnish(struct world *w)
{
	struct bootstrap_command b;

	wire_preset(&bootstrap_command_type, &b);
	b.cluster_id.b[0] = 1;
	put(w, QUORUM_TO_CLUSTER, &bootstrap_command_type, &b);
	for (int32_t id = 1; id <= 3; id++)
		add_broker(w, id);
	add_topic(w);
	add_group(w);
}

void world_init(struct world *w, bool furnished)
{
	*w = (struct world){ .cluster = cluster_new(),
			     .coord = coord_new(),
			     .wall_ms = 1700000000000 };
	if (furnished)
		furnish(w);
}

void world_fini(struct world *w)
{
	if (w->cluster)
		cluster_free(w->cluster);
	if (w->coord)
		coord_free(w->coord);
	arena_fini(&w->arena);
}

/* ---- copies -------------------------------------------------------------- */

bool world_copy(struct world *to, const struct world *from)
{
	struct buf b = { 0 };

	*to = (struct world){ .index = from->index, .wall_ms = from->wall_ms };
	cluster_encode(from->cluster, &b);
	to->cluster = cluster_decode((struct bytes){ b.p, (int32_t)b.n });
	fuzz_clear(&b);
	coord_encode(from->coord, &b);
	to->coord = coord_decode((struct bytes){ b.p, (int32_t)b.n });
	buf_fini(&b);
	return to->cluster && to->coord;
}

bool world_same(const struct world *a, const struct world *b)
{
	struct buf x = { 0 }, y = { 0 };
	bool same;

	cluster_encode(a->cluster, &x);
	cluster_encode(b->cluster, &y);
	coord_encode(a->coord, &x);
	coord_encode(b->coord, &y);
	same = fuzz_same(&x, &y) &&
	       a->cluster->partitions_n == b->cluster->partitions_n &&
	       a->coord->members_n == b->coord->members_n &&
	       a->coord->offsets_n == b->coord->offsets_n;
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

bool world_is_newer(struct bytes state)
{
	struct reader r = reader_of(state.p, (size_t)state.n);

	read_u8(&r);
	read_span(&r, 16);
	return read_varint(&r) > CLUSTER_LEVEL_MAX;
}
