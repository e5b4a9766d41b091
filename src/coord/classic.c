/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic rebalance protocol: join, sync, leave, and what happens when
 * someone is silent. Each function applies one command: it decides and changes
 * in one step. Requests that wait are not here; their holder reads the group
 * again when the effects name it.
 *
 * Rules: KIP-62, KIP-134, KIP-345, KIP-394, KIP-559, KIP-800, KIP-814.
 */
#include "group_internal.h"

/* ---- the rebalance ------------------------------------------------------- */

static void prepare_rebalance(struct apply *a, struct group *g)
{
	g->initial_delay = g->state == GROUP_EMPTY;
	group_set_state(a, g, GROUP_PREPARING_REBALANCE);
	g->rebalance_serial++;
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		struct member *m = i.value;

		m->awaiting_join = false;
		member_set_assignment(m, BYTES_NULL);
	}
}

static void drop_absent(struct apply *a, struct group *g)
{
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		struct member *m = i.value;

		if (!m->awaiting_join && !m->instance_id)
			group_remove_member(a->coord, g, m);
	}
}

/* The leader stays while it is there; else the first that has joined leads,
 * or, when only absent static members are left, the first of them. */
static void elect_leader(struct group *g)
{
	struct member *first = NULL;

	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		struct member *m = i.value;

		if (!m->awaiting_join)
			continue;
		if (g->leader && strcmp(g->leader, m->id) == 0)
			return;
		if (!first)
			first = m;
	}
	assert(first);
	group_set_text(&g->leader, str_of(first->id));
}

static void become_empty(struct apply *a, struct group *g)
{
	g->initial_delay = false;
	g->generation++;
	group_set_text(&g->protocol, STR_NULL);
	group_set_text(&g->leader, STR_NULL);
	group_set_state(a, g, GROUP_EMPTY);
}

static bool anyone_joined(const struct group *g)
{
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i))
		if (((const struct member *)i.value)->awaiting_join)
			return true;
	return false;
}

/* Ends the joining: a new generation of those who are there. */
static void complete(struct apply *a, struct group *g)
{
	assert(g->state == GROUP_PREPARING_REBALANCE);
	drop_absent(a, g);
	if (map_count(&g->members) == 0) {
		become_empty(a, g);
		return;
	}
	if (!anyone_joined(g)) /* only static ones, all away: wait once more */
	{
		g->rebalance_serial++;
		return;
	}
	elect_leader(g);
	g->generation++;
	g->initial_delay = false;
	group_set_text(&g->protocol, str_of(group_select_protocol(g)));
	group_set_state(a, g, GROUP_COMPLETING_REBALANCE);
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		struct member *m = i.value;

		m->awaiting_join = false;
		member_set_assignment(m, BYTES_NULL);
	}
}

static void complete_if_all(struct apply *a, struct group *g, bool hold)
{
	if (g->state == GROUP_PREPARING_REBALANCE && !g->initial_delay &&
	    !hold && group_all_joined(g))
		complete(a, g);
}

/* ---- join ---------------------------------------------------------------- */

static void refuse(struct apply *a, struct group *g, int16_t error)
{
	struct group_joined *r = a->out->result;

	r->error_code = error;
	if (g->state == GROUP_EMPTY && g->generation == 0 &&
	    map_count(&g->offsets) == 0)
		group_destroy(a->coord, g); /* made for nothing */
}

static void describe(struct member *m, const struct group_join *j)
{
	group_set_text(&m->client_id, j->client_id);
	group_set_text(&m->client_host, j->client_host);
	m->session_timeout_ms = j->session_timeout_ms;
	m->rebalance_timeout_ms = j->rebalance_timeout_ms;
	member_set_protocols(m, j);
}

/* m takes part in a rebalance, which begins now if none is under way. */
static void rebalance_with(struct apply *a, struct group *g, struct member *m,
			   const struct group_join *j)
{
	describe(m, j);
	if (g->state != GROUP_PREPARING_REBALANCE)
		prepare_rebalance(a, g);
	m->awaiting_join = true;
	complete_if_all(a, g, j->hold);
}

static void add(struct apply *a, struct group *g, const struct group_join *j,
		struct str id)
{
	struct group_joined *r = a->out->result;
	struct member *m;

	if (j->size_max > 0 && map_count(&g->members) >= (size_t)j->size_max) {
		refuse(a, g, K_GROUP_MAX_SIZE_REACHED);
		return;
	}
	if (map_count(&g->members) == 0)
		group_set_text(&g->protocol_type, j->protocol_type);
	r->member_id = str_dup(a->arena, id);
	m = group_add_member(a->coord, g, id, j->group_instance_id);
	rebalance_with(a, g, m, j);
}

/*
 * A static member is back without its id: the new id takes the old one's
 * place. In a stable group nothing else happens unless the protocol would be
 * another one; then it must not believe that it has to assign.
 */
static void replace_static(struct apply *a, struct group *g, struct member *m,
			   const struct group_join *j)
{
	struct group_joined *r = a->out->result;
	struct str old_leader = str_dup(a->arena, str_of(g->leader));
	bool leads = str_eq_c(old_leader, m->id);
	const char *protocol;

	group_rename_member(g, m, j->new_member_id);
	r->member_id = str_dup(a->arena, j->new_member_id);
	if (g->state != GROUP_STABLE) {
		rebalance_with(a, g, m, j);
		return;
	}
	describe(m, j);
	protocol = group_select_protocol(g);
	if (!protocol || strcmp(protocol, g->protocol) != 0) {
		rebalance_with(a, g, m, j);
		return;
	}
	if (!leads)
		return;
	if (j->can_skip)
		r->skip_assignment = true;
	else
		r->leader = old_leader;
}

static void join_new(struct apply *a, struct group *g,
		     const struct group_join *j)
{
	struct member *m = j->group_instance_id.n >= 0
		? map_find_str(&g->statics, j->group_instance_id) : NULL;

	if (!group_supports(g, j, m))
		refuse(a, g, K_INCONSISTENT_GROUP_PROTOCOL);
	else if (m)
		replace_static(a, g, m, j);
	else
		add(a, g, j, j->new_member_id);
}

/* m is one of the group and says who it is. */
static void rejoin(struct apply *a, struct group *g, struct member *m,
		   const struct group_join *j)
{
	struct group_joined *r = a->out->result;
	bool leads = g->leader && strcmp(g->leader, m->id) == 0;
	bool same = member_matches(m, j);

	r->member_id = str_dup(a->arena, j->member_id);
	if (g->state == GROUP_COMPLETING_REBALANCE && same)
		return; /* it did not get the answer: it may have it again */
	if (g->state == GROUP_STABLE && same && !leads)
		return;
	rebalance_with(a, g, m, j);
}

static void join_known(struct apply *a, struct group *g,
		       const struct group_join *j)
{
	struct member *m = group_find_member(g, j->member_id);
	const struct member *as_static = group_static(g, j->group_instance_id);

	if (!m && j->known && j->group_instance_id.n < 0) {
		if (group_supports(g, j, NULL))
			add(a, g, j, j->member_id);
		else
			refuse(a, g, K_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	if (as_static && as_static != m)
		refuse(a, g, K_FENCED_INSTANCE_ID);
	else if (!m || (j->group_instance_id.n >= 0 && !as_static))
		refuse(a, g, K_UNKNOWN_MEMBER_ID);
	else if (!group_supports(g, j, m))
		refuse(a, g, K_INCONSISTENT_GROUP_PROTOCOL);
	else
		rejoin(a, g, m, j);
}

void classic_join(struct apply *a, const struct group_join *j)
{
	struct group_joined *r = apply_result(a, &group_joined_type);
	struct group *g;

	r->member_id = str_dup(a->arena, j->member_id);
	g = group_make(a, j->group_id);
	apply_changed(a, g);
	if (j->member_id.n <= 0)
		join_new(a, g, j);
	else
		join_known(a, g, j);
}

/* ---- sync ---------------------------------------------------------------- */

static void assign(struct group *g, const struct group_sync *s)
{
	for (int32_t i = 0; i < s->assignments_n; i++) {
		struct member *m =
			group_find_member(g, s->assignments[i].member_id);

		if (m)
			member_set_assignment(m, s->assignments[i].assignment);
	}
}

void classic_sync(struct apply *a, const struct group_sync *s)
{
	struct group_synced *r = apply_result(a, &group_synced_type);
	struct group *g = group_find(a->coord, s->group_id);

	r->error_code = (int16_t)group_check_member(
		g, s->member_id, s->group_instance_id, s->generation_id);
	if (r->error_code)
		return;
	if (g->state == GROUP_PREPARING_REBALANCE)
		r->error_code = K_REBALANCE_IN_PROGRESS;
	if (g->state != GROUP_COMPLETING_REBALANCE ||
	    !str_eq_c(s->member_id, g->leader))
		return;
	assign(g, s);
	group_set_state(a, g, GROUP_STABLE);
	apply_changed(a, g);
}

/* ---- going --------------------------------------------------------------- */

/* Some have been removed. */
static void rebalance_without(struct apply *a, struct group *g)
{
	if (g->state != GROUP_PREPARING_REBALANCE)
		prepare_rebalance(a, g);
	if (map_count(&g->members) == 0 ||
	    (!g->initial_delay && group_all_joined(g)))
		complete(a, g);
	apply_changed(a, g);
}

static int16_t leave_one(struct apply *a, struct group *g,
			 const struct group_leave_member *l)
{
	const struct member *as_static = group_static(g, l->group_instance_id);
	struct member *m = group_find_member(g, l->member_id);

	if (l->group_instance_id.n >= 0) {
		if (!as_static)
			return K_UNKNOWN_MEMBER_ID;
		if (l->member_id.n > 0 && as_static != m)
			return K_FENCED_INSTANCE_ID;
		m = group_find_member(g, str_of(as_static->id));
	}
	if (!m)
		return K_UNKNOWN_MEMBER_ID;
	group_remove_member(a->coord, g, m);
	return K_NONE;
}

void classic_leave(struct apply *a, const struct group_leave *l)
{
	struct leave_group_response *r =
		apply_result(a, &leave_group_response_type);
	struct group *g = group_find(a->coord, l->group_id);
	bool any = false;

	r->members_n = l->members_n;
	r->members = arena_zalloc(a->arena, (size_t)max_of(l->members_n, 1) *
						    sizeof(*r->members));
	for (int32_t i = 0; i < l->members_n; i++) {
		const struct group_leave_member *from = &l->members[i];
		struct leave_group_response_member *to = &r->members[i];

		to->member_id = str_dup(a->arena, from->member_id);
		to->group_instance_id =
			str_dup(a->arena, from->group_instance_id);
		to->error_code = g ? leave_one(a, g, from)
				   : (int16_t)K_UNKNOWN_MEMBER_ID;
		any |= to->error_code == K_NONE;
	}
	if (any)
		rebalance_without(a, g);
}

void classic_expire(struct apply *a, const struct group_expire *e)
{
	struct group_synced *r = apply_result(a, &group_synced_type);
	struct group *g = group_find(a->coord, e->group_id);
	struct member *m = group_find_member(g, e->member_id);

	if (!m || g->generation != e->generation_id) {
		r->error_code = K_UNKNOWN_MEMBER_ID;
		return;
	}
	group_remove_member(a->coord, g, m);
	rebalance_without(a, g);
}

void classic_complete(struct apply *a, const struct group_complete *c)
{
	struct group_synced *r = apply_result(a, &group_synced_type);
	struct group *g = group_find(a->coord, c->group_id);

	if (!g || g->state != GROUP_PREPARING_REBALANCE ||
	    g->rebalance_serial != c->rebalance_serial) {
		r->error_code = K_ILLEGAL_GENERATION;
		return;
	}
	complete(a, g);
	apply_changed(a, g);
}
