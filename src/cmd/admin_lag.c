/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_lag: what groups have committed, and how far that is from the end.
 */
#include <stdlib.h>

#include "admin_group.h"

const struct column lag_columns[] = {
	{ "GROUP", "group", CELL_TEXT },
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PART", "partition", CELL_ID },
	{ "COMMITTED", "committed_offset", CELL_NUMBER },
	{ "END", "end_offset", CELL_NUMBER },
	{ "LAG", "lag", CELL_NUMBER },
	{ "AGE", "age_ms", CELL_DURATION },
	{ "CLIENT", "client_id", CELL_TEXT },
	{ "HOST", "host", CELL_TEXT },
	{ "MEMBER", "member_id", CELL_TEXT },
};

static int by_place(const void *x, const void *y)
{
	const struct committed *a = x, *b = y;
	int d = str_cmp(a->topic, b->topic);

	return d ? d : (a->partition > b->partition) -
		       (a->partition < b->partition);
}

static bool refused_at(struct admin *a, int16_t code, struct str id)
{
	if (code)
		admin_refused(a, code, id, STR_NULL);
	return code != 0;
}

/* Topics of the answer, in whichever version it came, one after another. */
static void gather(struct buf *b, struct str topic,
		   const struct offset_fetch_response_partition *p, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		struct committed c = { .topic = topic,
				       .partition = p[i].partition_index,
				       .offset = p[i].committed_offset,
				       .metadata = p[i].metadata };

		if (!p[i].error_code && p[i].committed_offset >= 0)
			buf_put(b, &c, sizeof(c));
	}
}

static bool ask_committed(struct admin *a, struct str id,
			  struct offset_fetch_response *rs)
{
	struct offset_fetch_request rq;
	struct offset_fetch_request_group g;

	wire_preset(&offset_fetch_request_type, &rq);
	wire_preset(&offset_fetch_request_group_type, &g);
	rq.group_id = g.group_id = id;
	rq.topics_n = g.topics_n = -1;
	rq.groups = &g;
	rq.groups_n = 1;
	return admin_call(a, CLIENT_GROUP(id), 9, &rq, rs);
}

bool group_committed(struct admin *a, struct str id, struct committed **v,
		     int32_t *n)
{
	struct offset_fetch_response rs;
	struct buf b = { 0 };

	if (!ask_committed(a, id, &rs) || refused_at(a, rs.error_code, id))
		return false;
	for (int32_t t = 0; t < rs.topics_n; t++)
		gather(&b, rs.topics[t].name, rs.topics[t].partitions,
		       rs.topics[t].partitions_n);
	for (int32_t g = 0; g < rs.groups_n; g++) {
		if (refused_at(a, rs.groups[g].error_code, id)) {
			buf_fini(&b);
			return false;
		}
		for (int32_t t = 0; t < rs.groups[g].topics_n; t++)
			gather(&b, rs.groups[g].topics[t].name,
			       rs.groups[g].topics[t].partitions,
			       rs.groups[g].topics[t].partitions_n);
	}
	*n = (int32_t)(b.n / sizeof(**v));
	*v = arena_dup(client_arena(a->client), b.p, b.n);
	buf_fini(&b);
	if (*n > 1)
		qsort(*v, (size_t)*n, sizeof(**v), by_place);
	return true;
}

/* The leader as the metadata has it; a topic that is gone has none. */
static int32_t leader_in(const struct metadata_response *m, struct str topic,
			 int32_t partition)
{
	for (int32_t t = 0; t < m->topics_n; t++)
		for (int32_t p = 0; str_eq(m->topics[t].name, topic) &&
				    p < m->topics[t].partitions_n; p++)
			if (m->topics[t].partitions[p].partition_index ==
			    partition)
				return m->topics[t].partitions[p].leader_id;
	return SPOT_LEADERLESS;
}

bool group_ends(struct admin *a, struct committed *v, int32_t n)
{
	struct arena *arena = client_arena(admin_client(a));
	size_t room = (size_t)max_of(n, 1);
	struct str *names = arena_alloc(arena, sizeof(*names) * room);
	struct spot *spots = arena_alloc(arena, sizeof(*spots) * room);
	struct metadata_response m;
	int32_t names_n = 0;

	for (int32_t i = 0; i < n; i++)
		if (i == 0 || !str_eq(v[i].topic, v[i - 1].topic))
			names[names_n++] = v[i].topic;
	if (client_metadata(a->client, names, names_n, &m)) {
		admin_client_failed(a);
		return false;
	}
	for (int32_t i = 0; i < n; i++)
		spots[i] = (struct spot){
			.topic = v[i].topic,
			.partition = v[i].partition,
			.leader = leader_in(&m, v[i].topic, v[i].partition),
			.ask = TIME_LATEST,
		};
	if (!admin_offsets(a, spots, n))
		return false;
	for (int32_t i = 0; i < n; i++)
		v[i].end = spots[i];
	return true;
}

/* How long the first message not yet read has been there. */
static void age_cell(struct admin *a, struct section *s,
		     const struct committed *c, bool wanted)
{
	int64_t then;

	if (!wanted || c->end.error) {
		cell_null(s);
		return;
	}
	if (c->end.offset <= c->offset) {
		cell_int(s, 0);
		return;
	}
	then = admin_time_at(a, c->topic, c->partition, c->offset);
	if (then < 0)
		cell_null(s);
	else
		cell_int(s, max_of(admin_wall_ms() - then, 0));
}

static void lag_row(struct admin *a, struct section *s, const struct group *g,
		    const struct committed *c, bool age)
{
	const struct member *m = group_owner(g, c->topic, c->partition);

	row_begin(s);
	cell_str(s, g->id);
	cell_str(s, c->topic);
	cell_int(s, c->partition);
	cell_known(s, c->offset);
	cell_known(s, c->end.offset);
	if (c->offset < 0 || c->end.error)
		cell_null(s);
	else
		cell_int(s, max_of(c->end.offset - c->offset, 0));
	age_cell(a, s, c, age && c->offset >= 0);
	cell_str(s, m ? m->client : STR_NULL);
	cell_str(s, m ? m->host : STR_NULL);
	cell_str(s, m ? m->id : STR_NULL);
}

/* Partitions that are assigned but without a commit belong to the picture. */
static void add_assigned(struct admin *a, const struct group *g,
			 struct committed **v, int32_t *n)
{
	struct committed *all;
	int32_t had = *n, room = had;

	for (int32_t i = 0; i < g->members_n; i++)
		room += g->members[i].parts_n;
	all = arena_alloc(client_arena(a->client),
			  sizeof(*all) * (size_t)max_of(room, 1));
	if (had)
		memcpy(all, *v, sizeof(*all) * (size_t)had);
	for (int32_t i = 0; i < g->members_n; i++)
		for (int32_t p = 0; p < g->members[i].parts_n; p++) {
			struct committed c = {
				.topic = g->members[i].parts[p].topic,
				.partition = g->members[i].parts[p].partition,
				.offset = -1,
			};

			if (!had || !bsearch(&c, all, (size_t)had,
					     sizeof(*all), by_place))
				all[(*n)++] = c;
		}
	if (*n > 1)
		qsort(all, (size_t)*n, sizeof(*all), by_place);
	*v = all;
}

bool group_lag_rows(struct admin *a, struct section *s, const struct group *g,
		    bool age)
{
	struct committed *v;
	int32_t n;

	if (!group_committed(a, g->id, &v, &n))
		return false;
	add_assigned(a, g, &v, &n);
	if (!group_ends(a, v, n))
		return false;
	for (int32_t i = 0; i < n; i++)
		lag_row(a, s, g, &v[i], age);
	return true;
}

static void total_rows(struct section *total, const struct section *s,
		       struct str id)
{
	int64_t lag = 0, partitions = 0;
	size_t i;
	json_t *row;
	const char *name;

	json_array_foreach(s->rows, i, row) {
		name = json_string_value(json_object_get(row, "group"));
		if (!name || !str_eq_c(id, name))
			continue;
		lag += json_integer_value(json_object_get(row, "lag"));
		partitions++;
	}
	row_begin(total);
	cell_str(total, id);
	cell_int(total, partitions);
	cell_int(total, lag);
}

void group_lag(struct admin *a)
{
	static const struct column columns[] = {
		{ "GROUP", "group", CELL_TEXT },
		{ "PARTITIONS", "partitions", CELL_NUMBER },
		{ "TOTAL-LAG", "lag", CELL_NUMBER },
	};
	struct section *s = out_section_n(&a->out, "partitions", lag_columns,
					  LAG_COLUMNS);
	struct section *t = out_section(&a->out, "groups", columns);
	struct listed_group *all = NULL;
	int32_t n = a->args_n;

	if (n == 0 && !group_each(a, &all, &n))
		return;
	for (int32_t i = 0; i < n; i++) {
		struct str id = all ? all[i].id : str_of(a->args[i]);
		struct group g;

		/* share and streams groups have no offsets of this kind */
		if (all && (str_eq_c(all[i].type, "share") ||
			    str_eq_c(all[i].type, "Share") ||
			    str_eq_c(all[i].type, "streams") ||
			    str_eq_c(all[i].type, "Streams")))
			continue;
		if (!group_get(a, id, &g))
			continue;
		if (!group_lag_rows(a, s, &g, admin_has(a, "age")))
			return;
		total_rows(t, s, id);
	}
}

int32_t admin_readers(struct admin *a, struct str topic)
{
	struct listed_group *all;
	int32_t n, readers = 0;

	if (!group_each(a, &all, &n))
		return -1;
	for (int32_t i = 0; i < n; i++) {
		struct committed *v;
		int32_t k, found = 0;

		if (!group_committed(a, all[i].id, &v, &k))
			return -1;
		for (int32_t c = 0; c < k && !found; c++)
			found = str_eq(v[c].topic, topic);
		readers += found;
	}
	return readers;
}
