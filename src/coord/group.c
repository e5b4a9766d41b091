/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer group and its members as data: made, found, changed, freed. What
 * requests do to them stands in classic.c and offset.c.
 *
 *   EMPTY --join--> PREPARING --all joined, or time out--> COMPLETING
 *   COMPLETING --leader's sync--> STABLE
 *   COMPLETING, STABLE --join, leave, expiry--> PREPARING
 *   PREPARING, COMPLETING, STABLE --last one left--> EMPTY
 *
 * Invariants:
 * 1. A member with an instance id stands in statics under it, and only it.
 * 2. EMPTY has no members; COMPLETING and STABLE have a leader and a protocol.
 * 3. generation grows with every completed rebalance.
 */
#include "group_internal.h"

#define BIT(s) (1u << (s))

static const char *const state_names[] = {
	"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead",
};
static const uint32_t state_moves[] = {
	[GROUP_EMPTY] = BIT(GROUP_PREPARING_REBALANCE) | BIT(GROUP_DEAD),
	[GROUP_PREPARING_REBALANCE] =
		BIT(GROUP_COMPLETING_REBALANCE) | BIT(GROUP_EMPTY),
	[GROUP_COMPLETING_REBALANCE] =
		BIT(GROUP_STABLE) | BIT(GROUP_PREPARING_REBALANCE),
	[GROUP_STABLE] = BIT(GROUP_PREPARING_REBALANCE),
	[GROUP_DEAD] = 0,
};
static const struct machine machine = {
	"group", state_names, state_moves, countof(state_names),
};

const char *group_state_name(enum group_state s)
{
	assert((size_t)s < countof(state_names));
	return state_names[s];
}

void group_set_state(struct apply *a, struct group *g, enum group_state to)
{
	unsigned state = g->state;

	machine_move(&machine, &state, to);
	g->state = (enum group_state)state;
	g->state_since_ms = a->time_ms;
}

const struct group *coord_group(const struct coord *c, struct str id)
{
	return map_find_str(&c->groups, id);
}

struct group *group_find(struct coord *c, struct str id)
{
	return map_find_str(&c->groups, id);
}

struct group *group_make(struct apply *a, struct str id)
{
	struct group *g = group_find(a->coord, id);

	if (g)
		return g;
	g = mem_zalloc(sizeof(*g));
	g->id = str_heap(id);
	g->state = GROUP_EMPTY;
	g->state_since_ms = a->time_ms;
	map_put_str(&a->coord->groups, id, g);
	return g;
}

static void member_free(struct member *m)
{
	for (int32_t i = 0; i < m->protocols_n; i++) {
		mem_free(m->protocols[i].name);
		mem_free(m->protocols[i].metadata);
	}
	mem_free(m->protocols);
	mem_free(m->assignment);
	mem_free(m->id);
	mem_free(m->instance_id);
	mem_free(m->client_id);
	mem_free(m->client_host);
	mem_free(m);
}

void group_free(struct group *g)
{
	struct map_iter i;

	for (i = map_first(&g->members); i.at; map_next(&i))
		member_free(i.value);
	for (i = map_first(&g->offsets); i.at; map_next(&i))
		group_offset_free(i.value);
	map_fini(&g->members);
	map_fini(&g->statics);
	map_fini(&g->offsets);
	mem_free(g->id);
	mem_free(g->protocol_type);
	mem_free(g->protocol);
	mem_free(g->leader);
	mem_free(g);
}

void group_destroy(struct coord *c, struct group *g)
{
	c->members_n -= (int64_t)map_count(&g->members);
	c->offsets_n -= (int64_t)map_count(&g->offsets);
	map_remove_str(&c->groups, str_of(g->id));
	group_free(g);
}

void group_set_text(char **at, struct str s)
{
	mem_free(*at);
	*at = s.n < 0 ? NULL : str_heap(s);
}

struct member *group_find_member(const struct group *g, struct str id)
{
	return g ? map_find_str(&g->members, id) : NULL;
}

const struct member *group_member_of(const struct group *g, struct str id)
{
	return group_find_member(g, id);
}

const struct member *group_static(const struct group *g, struct str instance)
{
	if (!g || instance.n < 0)
		return NULL;
	return map_find_str(&g->statics, instance);
}

struct member *group_add_member(struct coord *c, struct group *g,
				struct str id, struct str instance_id)
{
	struct member *m = mem_zalloc(sizeof(*m));

	assert(!group_find_member(g, id));
	m->id = str_heap(id);
	map_put_str(&g->members, id, m);
	if (instance_id.n >= 0) {
		assert(!group_static(g, instance_id));
		m->instance_id = str_heap(instance_id);
		map_put_str(&g->statics, instance_id, m);
	}
	c->members_n++;
	return m;
}

void group_remove_member(struct coord *c, struct group *g, struct member *m)
{
	if (g->leader && strcmp(g->leader, m->id) == 0)
		group_set_text(&g->leader, STR_NULL);
	if (m->instance_id)
		map_remove_str(&g->statics, str_of(m->instance_id));
	map_remove_str(&g->members, str_of(m->id));
	member_free(m);
	c->members_n--;
}

/* A static member came back under a new id (KIP-345). */
void group_rename_member(struct group *g, struct member *m, struct str id)
{
	bool leads = g->leader && strcmp(g->leader, m->id) == 0;

	map_remove_str(&g->members, str_of(m->id));
	group_set_text(&m->id, id);
	map_put_str(&g->members, id, m);
	if (leads)
		group_set_text(&g->leader, id);
}

void member_set_assignment(struct member *m, struct bytes assignment)
{
	mem_free(m->assignment);
	m->assignment_n = max_of(assignment.n, 0);
	m->assignment = m->assignment_n
		? mem_dup(assignment.p, (size_t)assignment.n) : NULL;
}

int32_t group_rebalance_timeout_ms(const struct group *g)
{
	int32_t longest = 0;

	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;

		longest = max_of(longest, m->rebalance_timeout_ms);
	}
	return longest;
}

bool group_all_joined(const struct group *g)
{
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;

		if (!m->awaiting_join)
			return false;
	}
	return true;
}

enum kerr group_check_member(const struct group *g, struct str member_id,
			     struct str instance_id, int32_t generation)
{
	const struct member *as_static = group_static(g, instance_id);

	if (!g)
		return K_UNKNOWN_MEMBER_ID;
	if (instance_id.n >= 0 && !as_static)
		return K_UNKNOWN_MEMBER_ID;
	if (as_static && !str_eq_c(member_id, as_static->id))
		return K_FENCED_INSTANCE_ID;
	if (!group_member_of(g, member_id))
		return K_UNKNOWN_MEMBER_ID;
	if (generation != g->generation)
		return K_ILLEGAL_GENERATION;
	return K_NONE;
}
