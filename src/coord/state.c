/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator's state as bytes, as a hash and as text. Groups, members and
 * offsets are written in the order in which they are walked, so that a copy
 * made from the bytes walks them in the same order.
 */
#include "group_internal.h"

static struct str text(const char *s)
{
	return str_of(s);
}

static void encode_members(const struct group *g, struct group_image_member *to,
			   struct arena *arena)
{
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;
		size_t n = (size_t)max_of(m->protocols_n, 1);

		to->id = text(m->id);
		to->instance_id = text(m->instance_id);
		to->client_id = text(m->client_id ? m->client_id : "");
		to->client_host = text(m->client_host ? m->client_host : "");
		to->session_timeout_ms = m->session_timeout_ms;
		to->rebalance_timeout_ms = m->rebalance_timeout_ms;
		to->awaiting_join = m->awaiting_join;
		to->assignment =
			(struct bytes){ m->assignment, m->assignment_n };
		to->protocols_n = m->protocols_n;
		to->protocols = arena_zalloc(arena, n * sizeof(*to->protocols));
		for (int32_t k = 0; k < m->protocols_n; k++) {
			to->protocols[k].name = text(m->protocols[k].name);
			to->protocols[k].metadata =
				(struct bytes){ m->protocols[k].metadata,
						m->protocols[k].metadata_n };
		}
		to++;
	}
}

static void encode_offsets(const struct group *g,
			   struct group_image_offset *to)
{
	for (struct map_iter i = map_first(&g->offsets); i.at; map_next(&i)) {
		const struct group_offset *o = i.value;

		*to++ = (struct group_image_offset){
			.topic_id = o->topic_id,
			.topic = text(o->topic),
			.partition = o->partition,
			.offset = o->offset,
			.leader_epoch = o->leader_epoch,
			.metadata = text(o->metadata),
			.commit_ms = o->commit_ms,
			.expire_ms = o->expire_ms,
		};
	}
}

static void encode_group(const struct group *g, struct buf *out)
{
	size_t members_n = map_count(&g->members);
	size_t offsets_n = map_count(&g->offsets);
	struct arena arena = { 0 };
	struct group_image s = {
		.id = text(g->id),
		.state = (int8_t)g->state,
		.generation = g->generation,
		.protocol_type = text(g->protocol_type),
		.protocol = text(g->protocol),
		.leader = text(g->leader),
		.rebalance_serial = g->rebalance_serial,
		.state_since_ms = g->state_since_ms,
		.initial_delay = g->initial_delay,
		.members_n = (int32_t)members_n,
		.offsets_n = (int32_t)offsets_n,
	};

	s.members = arena_zalloc(&arena,
				 max_of(members_n, 1) * sizeof(*s.members));
	s.offsets = arena_zalloc(&arena,
				 max_of(offsets_n, 1) * sizeof(*s.offsets));
	encode_members(g, s.members, &arena);
	encode_offsets(g, s.offsets);
	wire_encode(out, &group_image_type, 0, &s, NULL);
	arena_fini(&arena);
}

void coord_encode(const struct coord *c, struct buf *out)
{
	struct coord_image s = {
		.applied = c->applied,
		.next_producer_id = c->next_producer_id,
		.groups_n = (int32_t)map_count(&c->groups),
	};

	wire_encode(out, &coord_image_type, 0, &s, NULL);
	for (struct map_iter i = map_first(&c->groups); i.at; map_next(&i))
		encode_group(i.value, out);
}

static char *heap(struct str s)
{
	return s.n < 0 ? NULL : str_heap(s);
}

/* False: a name is missing or there twice. */
static bool decode_member(struct coord *c, struct group *g,
			  const struct group_image_member *from)
{
	size_t n = (size_t)max_of(from->protocols_n, 0);
	struct member *m;

	if (from->id.n < 0 || group_find_member(g, from->id) ||
	    group_static(g, from->instance_id))
		return false;
	m = group_add_member(c, g, from->id, from->instance_id);
	m->client_id = heap(from->client_id);
	m->client_host = heap(from->client_host);
	m->session_timeout_ms = from->session_timeout_ms;
	m->rebalance_timeout_ms = from->rebalance_timeout_ms;
	m->awaiting_join = from->awaiting_join;
	member_set_assignment(m, from->assignment);
	m->protocols = n ? mem_zalloc(n * sizeof(*m->protocols)) : NULL;
	m->protocols_n = (int32_t)n;
	for (size_t i = 0; i < n; i++) {
		struct bytes b = from->protocols[i].metadata;

		m->protocols[i].name = heap(from->protocols[i].name);
		m->protocols[i].metadata_n = max_of(b.n, 0);
		if (b.n > 0)
			m->protocols[i].metadata = mem_dup(b.p, (size_t)b.n);
	}
	return true;
}

static bool decode_offset(struct coord *c, struct group *g,
			  const struct group_image_offset *from)
{
	int64_t before = c->offsets_n;
	struct group_offset *o =
		group_put_offset(c, g, from->topic_id, from->partition);

	if (c->offsets_n == before)
		return false; /* there twice */
	o->topic = heap(from->topic);
	o->offset = from->offset;
	o->leader_epoch = from->leader_epoch;
	o->metadata = heap(from->metadata);
	o->commit_ms = from->commit_ms;
	o->expire_ms = from->expire_ms;
	return true;
}

static bool is_sound(const struct coord *c, const struct group_image *s)
{
	return s->id.n >= 0 && s->state >= 0 && s->state < GROUP_DEAD &&
	       s->members_n >= 0 && s->offsets_n >= 0 &&
	       !coord_group(c, s->id);
}

static bool decode_group(struct coord *c, struct reader *r)
{
	struct arena arena = { 0 };
	struct group_image s;
	struct group *g;
	bool ok = wire_decode(r, &group_image_type, 0, &s, &arena) &&
		  is_sound(c, &s);

	if (ok) {
		g = mem_zalloc(sizeof(*g));
		g->id = heap(s.id);
		g->state = (enum group_state)s.state;
		g->generation = s.generation;
		g->protocol_type = heap(s.protocol_type);
		g->protocol = heap(s.protocol);
		g->leader = heap(s.leader);
		g->rebalance_serial = s.rebalance_serial;
		g->state_since_ms = s.state_since_ms;
		g->initial_delay = s.initial_delay;
		map_put_str(&c->groups, s.id, g);
		for (int32_t i = 0; ok && i < s.members_n; i++)
			ok = decode_member(c, g, &s.members[i]);
		for (int32_t i = 0; ok && i < s.offsets_n; i++)
			ok = decode_offset(c, g, &s.offsets[i]);
	}
	arena_fini(&arena);
	return ok;
}

struct coord *coord_decode(struct bytes in)
{
	struct reader r = reader_of(in.p, (size_t)max_of(in.n, 0));
	struct coord *c = coord_new();
	struct arena arena = { 0 };
	struct coord_image s;
	bool ok = wire_decode(&r, &coord_image_type, 0, &s, &arena);

	arena_fini(&arena);
	if (ok) {
		c->applied = s.applied;
		c->next_producer_id = s.next_producer_id;
	}
	for (int32_t i = 0; ok && i < s.groups_n; i++)
		ok = decode_group(c, &r);
	if (ok && reader_left(&r) == 0)
		return c;
	coord_free(c);
	return NULL;
}

uint64_t coord_hash(const struct coord *c)
{
	struct buf b = { 0 };
	uint64_t hash;

	coord_encode(c, &b);
	hash = hash64(b.p, b.n, 0);
	buf_fini(&b);
	return hash;
}

static void dump_group(const struct group *g, struct buf *out)
{
	struct map_iter i;

	buf_printf(out, "group %s %s generation=%d", g->id,
		   group_state_name(g->state), g->generation);
	buf_printf(out, " type=%s protocol=%s leader=%s",
		   g->protocol_type ? g->protocol_type : "-",
		   g->protocol ? g->protocol : "-",
		   g->leader ? g->leader : "-");
	buf_printf(out, "%s\n", g->initial_delay ? " gathering" : "");
	for (i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;

		buf_printf(out, "  member %s%s%s%s assigned=%.*s\n", m->id,
			   m->instance_id ? " static=" : "",
			   m->instance_id ? m->instance_id : "",
			   m->awaiting_join ? " joined" : "", m->assignment_n,
			   m->assignment ? (const char *)m->assignment : "");
	}
	for (i = map_first(&g->offsets); i.at; map_next(&i)) {
		const struct group_offset *o = i.value;

		buf_printf(out, "  offset %s-%d %" PRId64 " epoch=%d \"%s\"\n",
			   o->topic, o->partition, o->offset, o->leader_epoch,
			   o->metadata);
	}
}

void coord_dump(const struct coord *c, struct buf *out)
{
	buf_printf(out, "producer_ids %" PRId64 "\n", c->next_producer_id);
	for (struct map_iter i = map_first(&c->groups); i.at; map_next(&i))
		dump_group(i.value, out);
}
