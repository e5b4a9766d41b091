/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_group: groups listed, described, deleted. Both protocols: what
 * ConsumerGroupDescribe (KIP-848) does not know is asked of DescribeGroups.
 */
#include <stdlib.h>

#include "admin_group.h"

bool group_each(struct admin *a, struct listed_group **v, int32_t *n)
{
	struct list_groups_request rq;
	struct list_groups_response rs;
	struct metadata_response m;
	struct buf b = { 0 };

	*n = 0;
	if (!admin_metadata(a, NULL, 0, &m))
		return false;
	wire_preset(&list_groups_request_type, &rq);
	for (int32_t i = 0; i < m.brokers_n; i++) {
		if (!admin_call(a, CLIENT_NODE(m.brokers[i].node_id), 16, &rq,
				&rs)) {
			buf_fini(&b);
			return false;
		}
		if (rs.error_code)
			admin_refused(a, rs.error_code, STR("groups"),
				      STR_NULL);
		for (int32_t g = 0; g < rs.groups_n; g++) {
			struct listed_group l = {
				rs.groups[g].group_id,
				rs.groups[g].protocol_type,
				rs.groups[g].group_state,
				rs.groups[g].group_type,
				m.brokers[i].node_id,
			};

			buf_put(&b, &l, sizeof(l));
			(*n)++;
		}
	}
	*v = arena_dup(client_arena(a->client), b.p, b.n);
	buf_fini(&b);
	return true;
}

static int by_id(const void *x, const void *y)
{
	const struct listed_group *a = x, *b = y;

	return str_cmp(a->id, b->id);
}

void group_list(struct admin *a)
{
	static const struct column columns[] = {
		{ "GROUP", "group", CELL_TEXT },
		{ "STATE", "state", CELL_TEXT },
		{ "TYPE", "type", CELL_TEXT },
		{ "PROTOCOL", "protocol", CELL_TEXT },
		{ "COORDINATOR", "coordinator", CELL_ID },
	};
	struct section *s = out_section(&a->out, "groups", columns);
	const char *state = admin_value(a, "state");
	struct listed_group *v;
	int32_t n;

	if (!group_each(a, &v, &n))
		return;
	if (n > 1)
		qsort(v, (size_t)n, sizeof(*v), by_id);
	for (int32_t i = 0; i < n; i++) {
		if (state && (v[i].state.n != (int32_t)strlen(state) ||
			      strncasecmp(v[i].state.p, state,
					  (size_t)v[i].state.n) != 0))
			continue;
		row_begin(s);
		cell_str(s, v[i].id);
		cell_str(s, v[i].state);
		cell_str(s, v[i].type.n > 0 ? v[i].type : STR_NULL);
		cell_str(s, v[i].protocol.n > 0 ? v[i].protocol : STR_NULL);
		cell_int(s, v[i].coordinator);
	}
}

/* ---- one group, of either protocol --------------------------------------- */

static void take_parts(struct member *m, struct arena *arena,
		       const struct consumer_group_describe_response_assignment
			       *from)
{
	int32_t n = 0;

	for (int32_t t = 0; t < from->topic_partitions_n; t++)
		n += from->topic_partitions[t].partitions_n;
	m->parts = arena_alloc(arena, sizeof(*m->parts) * (size_t)max_of(n, 1));
	for (int32_t t = 0; t < from->topic_partitions_n; t++)
		for (int32_t p = 0; p < from->topic_partitions[t].partitions_n;
		     p++)
			m->parts[m->parts_n++] = (struct place){
				from->topic_partitions[t].topic_name,
				from->topic_partitions[t].partitions[p], -1 };
}

static void take_new(struct admin *a, struct group *g,
		     const struct consumer_group_describe_response_group *r)
{
	struct arena *arena = client_arena(a->client);

	g->state = r->group_state;
	g->type = STR("consumer");
	g->protocol = r->assignor_name;
	g->epoch = r->group_epoch;
	g->members_n = r->members_n;
	g->members = arena_zalloc(arena, sizeof(*g->members) *
					 (size_t)max_of(r->members_n, 1));
	for (int32_t i = 0; i < r->members_n; i++) {
		struct member *m = &g->members[i];

		m->id = r->members[i].member_id;
		m->instance = r->members[i].instance_id;
		m->client = r->members[i].client_id;
		m->host = r->members[i].client_host;
		m->epoch = r->members[i].member_epoch;
		take_parts(m, arena, &r->members[i].assignment);
	}
}

/* The assignment is the consumers' own (ConsumerProtocol), when it is one. */
static void read_assignment(struct member *m, struct bytes from,
			    struct arena *arena)
{
	struct reader r = reader_of(from.p, (size_t)max_of(from.n, 0));
	int16_t version = read_i16(&r);
	struct consumer_protocol_assignment v;
	int32_t n = 0;

	version = min_of(version, consumer_protocol_assignment_type.max);
	if (r.bad || version < 0 ||
	    !wire_decode(&r, &consumer_protocol_assignment_type, version, &v,
			 arena))
		return;
	for (int32_t t = 0; t < v.assigned_partitions_n; t++)
		n += v.assigned_partitions[t].partitions_n;
	m->parts = arena_alloc(arena, sizeof(*m->parts) * (size_t)max_of(n, 1));
	for (int32_t t = 0; t < v.assigned_partitions_n; t++)
		for (int32_t p = 0; p < v.assigned_partitions[t].partitions_n;
		     p++)
			m->parts[m->parts_n++] = (struct place){
				v.assigned_partitions[t].topic,
				v.assigned_partitions[t].partitions[p], -1 };
}

static void take_classic(struct admin *a, struct group *g,
			 const struct describe_groups_response_group *r)
{
	struct arena *arena = client_arena(a->client);

	g->state = r->group_state;
	g->type = STR("classic");
	g->protocol = r->protocol_data;
	g->epoch = -1;
	g->members_n = r->members_n;
	g->members = arena_zalloc(arena, sizeof(*g->members) *
					 (size_t)max_of(r->members_n, 1));
	for (int32_t i = 0; i < r->members_n; i++) {
		struct member *m = &g->members[i];

		m->id = r->members[i].member_id;
		m->instance = r->members[i].group_instance_id;
		m->client = r->members[i].client_id;
		m->host = r->members[i].client_host;
		m->epoch = -1;
		if (str_eq_c(r->protocol_type, "consumer"))
			read_assignment(m, r->members[i].member_assignment,
					arena);
	}
}

/* 1: there it is, 0: not a group of this protocol, -1: reported. */
static int get_new(struct admin *a, struct str id, struct group *g)
{
	struct consumer_group_describe_request rq;
	struct consumer_group_describe_response rs;
	int16_t code;

	if (client_serves(admin_client(a), 69) == 0)
		return 0;
	wire_preset(&consumer_group_describe_request_type, &rq);
	rq.group_ids = &id;
	rq.group_ids_n = 1;
	if (!admin_call(a, CLIENT_GROUP(id), 69, &rq, &rs))
		return -1;
	code = rs.groups_n == 1 ? rs.groups[0].error_code :
				  K_UNKNOWN_SERVER_ERROR;
	if (code == K_GROUP_ID_NOT_FOUND || code == K_UNSUPPORTED_VERSION)
		return 0;
	if (code) {
		admin_refused(a, code, id, rs.groups_n == 1 ?
			      rs.groups[0].error_message : STR_NULL);
		return -1;
	}
	take_new(a, g, &rs.groups[0]);
	return 1;
}

bool group_get(struct admin *a, struct str id, struct group *g)
{
	struct describe_groups_request rq;
	struct describe_groups_response rs;
	int16_t code;
	int found;

	*g = (struct group){ .id = id };
	found = get_new(a, id, g);
	if (found)
		return found > 0;
	wire_preset(&describe_groups_request_type, &rq);
	rq.groups = &id;
	rq.groups_n = 1;
	if (!admin_call(a, CLIENT_GROUP(id), 15, &rq, &rs))
		return false;
	code = rs.groups_n == 1 ? rs.groups[0].error_code :
				  K_UNKNOWN_SERVER_ERROR;
	/* before version 6 a group that is not there is dead */
	if (!code && str_eq_c(rs.groups[0].group_state, "Dead"))
		code = K_GROUP_ID_NOT_FOUND;
	if (code) {
		admin_refused(a, code, id, STR_NULL);
		return false;
	}
	take_classic(a, g, &rs.groups[0]);
	return true;
}

bool group_is_active(const struct group *g)
{
	return g->members_n > 0;
}

const struct member *group_owner(const struct group *g, struct str topic,
				 int32_t partition)
{
	for (int32_t i = 0; i < g->members_n; i++)
		for (int32_t p = 0; p < g->members[i].parts_n; p++)
			if (g->members[i].parts[p].partition == partition &&
			    str_eq(g->members[i].parts[p].topic, topic))
				return &g->members[i];
	return NULL;
}

/* ---- describe ------------------------------------------------------------ */

static const struct column group_columns[] = {
	{ "GROUP", "group", CELL_TEXT },
	{ "STATE", "state", CELL_TEXT },
	{ "TYPE", "type", CELL_TEXT },
	{ "ASSIGNOR", "assignor", CELL_TEXT },
	{ "EPOCH", "epoch", CELL_ID },
	{ "COORDINATOR", "coordinator", CELL_ID },
	{ "MEMBERS", "members", CELL_NUMBER },
};
static const struct column member_columns[] = {
	{ "GROUP", "group", CELL_TEXT },
	{ "CLIENT", "client_id", CELL_TEXT },
	{ "HOST", "host", CELL_TEXT },
	{ "INSTANCE", "instance_id", CELL_TEXT },
	{ "EPOCH", "epoch", CELL_ID },
	{ "PARTITIONS", "partitions", CELL_LIST },
	{ "MEMBER", "member_id", CELL_TEXT },
};

static void group_row(struct admin *a, struct section *s, const struct group *g)
{
	int32_t node = -1;

	if (client_coordinator(a->client, g->id, &node))
		node = -1;
	row_begin(s);
	cell_str(s, g->id);
	cell_str(s, g->state);
	cell_str(s, g->type);
	cell_str(s, g->protocol.n > 0 ? g->protocol : STR_NULL);
	cell_known(s, g->epoch);
	cell_known(s, node);
	cell_int(s, g->members_n);
}

static void member_rows(struct section *s, const struct group *g)
{
	for (int32_t i = 0; i < g->members_n; i++) {
		const struct member *m = &g->members[i];
		json_t *parts = json_array();

		for (int32_t p = 0; p < m->parts_n; p++) {
			char text[320];

			snprintf(text, sizeof(text), "%.*s:%" PRId32,
				 STR_ARG(m->parts[p].topic),
				 m->parts[p].partition);
			json_array_append_new(parts, json_of(str_of(text)));
		}
		row_begin(s);
		cell_str(s, g->id);
		cell_str(s, m->client);
		cell_str(s, m->host);
		cell_str(s, m->instance);
		cell_known(s, m->epoch);
		cell_json(s, parts);
		cell_str(s, m->id);
	}
}

void group_describe(struct admin *a)
{
	bool members = admin_has(a, "members");
	bool offsets = admin_has(a, "offsets");
	bool all = !members && !offsets;
	struct section *g = NULL, *m = NULL, *o = NULL;

	if (all)
		g = out_section(&a->out, "groups", group_columns);
	if (all || members)
		m = out_section(&a->out, "members", member_columns);
	if (all || offsets)
		o = out_section_n(&a->out, "offsets", lag_columns, LAG_COLUMNS);
	for (int i = 0; i < a->args_n; i++) {
		struct group group;

		if (!group_get(a, str_of(a->args[i]), &group))
			continue;
		if (g)
			group_row(a, g, &group);
		if (m)
			member_rows(m, &group);
		if (o && !group_lag_rows(a, o, &group, false))
			return;
	}
}

/* ---- delete -------------------------------------------------------------- */

static void delete_one(struct admin *a, struct section *s, struct str id)
{
	struct delete_groups_request rq;
	struct delete_groups_response rs;

	wire_preset(&delete_groups_request_type, &rq);
	rq.groups_names = &id;
	rq.groups_names_n = 1;
	if (!admin_call(a, CLIENT_GROUP(id), 42, &rq, &rs))
		return;
	if (rs.results_n == 1 && rs.results[0].error_code) {
		admin_refused(a, rs.results[0].error_code, id, STR_NULL);
		return;
	}
	row_begin(s);
	cell_str(s, id);
	cell_text(s, "deleted");
}

void group_delete(struct admin *a)
{
	static const struct column columns[] = {
		{ "GROUP", "group", CELL_TEXT },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "groups", columns);
	struct buf loss = { 0 };

	for (int i = 0; i < a->args_n; i++) {
		struct committed *v;
		struct group g;
		int32_t n;

		if (!group_get(a, str_of(a->args[i]), &g) ||
		    !group_committed(a, g.id, &v, &n))
			break;
		buf_printf(&loss, "%s%s: %.*s, %" PRId32 " members, offsets of "
			   "%" PRId32 " partitions", i ? "\n" : "", a->args[i],
			   STR_ARG(g.state), g.members_n, n);
		if (!a->dry_run)
			continue;
		row_begin(s);
		cell_text(s, a->args[i]);
		cell_text(s, "would be deleted");
	}
	if (a->status == EXIT_OK &&
	    admin_confirm(a, a->args[0], buf_c(&loss)))
		for (int i = 0; i < a->args_n; i++)
			delete_one(a, s, str_of(a->args[i]));
	buf_fini(&loss);
}
