/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_partition: partitions listed, trimmed, and led by others.
 */
#include <stdlib.h>

#include "admin.h"

/* ---- list ---------------------------------------------------------------- */

static const struct column list_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PART", "partition", CELL_ID },
	{ "LEADER", "leader", CELL_ID },
	{ "EPOCH", "leader_epoch", CELL_ID },
	{ "REPLICAS", "replicas", CELL_LIST },
	{ "ISR", "isr", CELL_LIST },
	{ "OFFLINE", "offline_replicas", CELL_LIST },
	{ "STATE", "state", CELL_TEXT },
};

struct filter {
	bool under_replicated, offline, under_min_isr;
};

static bool matches(const struct filter *f,
		    const struct metadata_response_partition *p,
		    int64_t min_isr)
{
	if (!f->under_replicated && !f->offline && !f->under_min_isr)
		return true;
	return (f->under_replicated && p->isr_nodes_n < p->replica_nodes_n) ||
	       (f->offline && p->leader_id < 0) ||
	       (f->under_min_isr && p->isr_nodes_n < min_isr);
}

static const char *state_of(const struct metadata_response_partition *p)
{
	if (p->leader_id < 0)
		return "offline";
	if (p->isr_nodes_n < p->replica_nodes_n)
		return "under-replicated";
	if (p->replica_nodes_n > 0 && p->leader_id != p->replica_nodes[0])
		return "other leader";
	return "ok";
}

static int64_t min_isr_of(struct admin *a, struct str topic)
{
	const char *text = admin_config_value(a, RESOURCE_TOPIC, topic,
					      "min.insync.replicas");
	int64_t n = 1;

	if (text && !str_to_i64(str_of(text), 1, 1000, &n))
		n = 1;
	return n;
}

void partition_list(struct admin *a)
{
	struct section *s = out_section(&a->out, "partitions", list_columns);
	struct filter f = {
		.under_replicated = admin_has(a, "under-replicated"),
		.offline = admin_has(a, "offline"),
		.under_min_isr = admin_has(a, "under-min-isr"),
	};
	struct metadata_response m;

	if (!admin_topics(a, &m))
		return;
	for (int32_t i = 0; i < m.topics_n; i++) {
		const struct metadata_response_topic *t = &m.topics[i];
		int64_t min_isr = 0;

		if (t->error_code)
			continue;
		if (f.under_min_isr)
			min_isr = min_isr_of(a, t->name);
		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct metadata_response_partition *p =
				&t->partitions[k];

			if (!matches(&f, p, min_isr))
				continue;
			row_begin(s);
			cell_str(s, t->name);
			cell_int(s, p->partition_index);
			cell_known(s, p->leader_id);
			cell_known(s, p->leader_epoch);
			cell_ints(s, p->replica_nodes, p->replica_nodes_n);
			cell_ints(s, p->isr_nodes, p->isr_nodes_n);
			cell_ints(s, p->offline_replicas,
				  p->offline_replicas_n);
			cell_text(s, state_of(p));
		}
	}
}

/* ---- places: TOPIC or TOPIC:P, as partitions ----------------------------- */

static int by_topic(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	int d = str_cmp(a->topic, b->topic);

	return d ? d : (a->partition > b->partition) -
		       (a->partition < b->partition);
}

/* Arguments as spots, ordered by topic and partition; NULL: reported. */
struct spot *admin_argument_spots(struct admin *a, int32_t *n)
{
	struct arena *arena = client_arena(admin_client(a));
	struct place *v = arena_zalloc(arena, sizeof(*v) *
				       (size_t)max_of(a->args_n, 1));
	struct metadata_response m;
	struct spot *all, *out;
	struct str *names;
	int32_t all_n;

	*n = 0;
	if (!admin_places(a, v))
		return NULL;
	qsort(v, (size_t)a->args_n, sizeof(*v), by_topic);
	names = arena_alloc(arena, sizeof(*names) * (size_t)a->args_n);
	all_n = 0;
	for (int i = 0; i < a->args_n; i++)
		if (i == 0 || !str_eq(v[i].topic, v[i - 1].topic))
			names[all_n++] = v[i].topic;
	if (!admin_metadata(a, names, all_n, &m) || a->status != EXIT_OK)
		return NULL;
	admin_sort_topics(&m);
	all = admin_spots(a, &m, TIME_LATEST, &all_n);
	out = arena_alloc(arena, sizeof(*out) * (size_t)max_of(all_n, 1));
	for (int i = 0; i < a->args_n; i++) {
		int32_t before = *n;

		for (int32_t k = 0; k < all_n; k++)
			if (str_eq(all[k].topic, v[i].topic) &&
			    (v[i].partition < 0 ||
			     v[i].partition == all[k].partition) &&
			    *n < all_n)
				out[(*n)++] = all[k];
		if (*n > before)
			continue;
		admin_fail(a, EXIT_MISSING, "UNKNOWN_TOPIC_OR_PARTITION",
			   "%.*s has no partition %" PRId32,
			   STR_ARG(v[i].topic), v[i].partition);
		return NULL;
	}
	return out;
}

/* ---- trim ---------------------------------------------------------------- */

static const struct column trim_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PART", "partition", CELL_ID },
	{ "START", "start_offset", CELL_NUMBER },
	{ "END", "end_offset", CELL_NUMBER },
	{ "NEW-START", "new_start_offset", CELL_NUMBER },
	{ "DELETED", "deleted", CELL_NUMBER },
	{ "STATUS", "status", CELL_TEXT },
};

struct trim {
	struct spot *start, *end, *goal; /* goal[i].offset: the new start */
	int32_t n;
};

static bool trim_goal(struct admin *a, struct trim *t)
{
	struct position p;
	int64_t keep = -1;

	if (!admin_number(a, "keep", 0, INT64_MAX, &keep))
		return false;
	if ((keep < 0) == !admin_has(a, "to")) {
		admin_usage(a, "either --to or --keep is wanted");
		return false;
	}
	for (int32_t i = 0; keep >= 0 && i < t->n; i++) {
		t->goal[i] = t->end[i];
		t->goal[i].offset = max_of(t->end[i].offset - keep,
					   t->start[i].offset);
	}
	if (keep >= 0)
		return true;
	if (!admin_position(a, "to", &p))
		return false;
	if (p.kind == POSITION_SHIFT || p.kind == POSITION_FILE) {
		admin_usage(a, "--to %s: OFFSET, @TIME, -TIME or end is wanted",
			    admin_value(a, "to"));
		return false;
	}
	if (!admin_find_position(a, &p, t->goal, t->n))
		return false;
	for (int32_t i = 0; p.kind == POSITION_OFFSET && i < t->n; i++)
		t->goal[i].offset = p.value;
	return true;
}

static void trim_row(struct section *s, const struct trim *t, int32_t i,
		     const char *status)
{
	int64_t deleted = t->goal[i].offset - t->start[i].offset;

	row_begin(s);
	cell_str(s, t->goal[i].topic);
	cell_int(s, t->goal[i].partition);
	cell_known(s, t->start[i].offset);
	cell_known(s, t->end[i].offset);
	cell_known(s, t->goal[i].offset);
	cell_int(s, max_of(deleted, 0));
	cell_text(s, status);
}

static void trim_one(struct admin *a, struct section *s, struct trim *t,
		     int32_t i)
{
	struct delete_records_request_partition p;
	struct delete_records_request_topic topic;
	struct delete_records_request rq;
	struct delete_records_response rs;
	const struct delete_records_response_partition *r;
	struct spot *g = &t->goal[i];

	wire_preset(&delete_records_request_type, &rq);
	wire_preset(&delete_records_request_topic_type, &topic);
	wire_preset(&delete_records_request_partition_type, &p);
	p.partition_index = g->partition;
	p.offset = g->offset;
	topic.name = g->topic;
	topic.partitions = &p;
	topic.partitions_n = 1;
	rq.topics = &topic;
	rq.topics_n = 1;
	rq.timeout_ms = a->timeout_ms;
	if (!admin_call(a, CLIENT_LEADER(g->topic, g->partition), 21, &rq,
			&rs) || rs.topics_n != 1 ||
	    rs.topics[0].partitions_n != 1)
		return;
	r = &rs.topics[0].partitions[0];
	if (r->error_code) {
		admin_refused(a, r->error_code,
			      str_printf(client_arena(a->client),
					 "%.*s:%" PRId32, STR_ARG(g->topic),
					 g->partition),
			      STR_NULL);
		return;
	}
	g->offset = r->low_watermark;
	trim_row(s, t, i, "trimmed");
}

static void trim_all(struct admin *a, struct section *s, struct trim *t)
{
	int64_t sum = 0;
	char loss[200], count[32];

	for (int32_t i = 0; i < t->n; i++)
		sum += max_of(t->goal[i].offset - t->start[i].offset, 0);
	show_number(sum, count);
	snprintf(loss, sizeof(loss),
		 "%s messages of %" PRId32 " partitions will be deleted.",
		 count, t->n);
	for (int32_t i = 0; a->dry_run && i < t->n; i++)
		trim_row(s, t, i, "would be trimmed");
	if (!admin_confirm(a, a->args[0], loss))
		return;
	for (int32_t i = 0; i < t->n; i++) {
		if (t->goal[i].offset <= t->start[i].offset)
			trim_row(s, t, i, "nothing to do");
		else
			trim_one(a, s, t, i);
	}
}

void topic_trim(struct admin *a)
{
	struct section *s = out_section(&a->out, "partitions", trim_columns);
	struct trim t;
	size_t size;

	t.goal = admin_argument_spots(a, &t.n);
	if (!t.goal)
		return;
	size = sizeof(*t.goal) * (size_t)t.n;
	t.start = arena_dup(client_arena(a->client), t.goal, size);
	t.end = arena_dup(client_arena(a->client), t.goal, size);
	for (int32_t i = 0; i < t.n; i++)
		t.start[i].ask = TIME_EARLIEST;
	if (!admin_offsets(a, t.start, t.n) || !admin_offsets(a, t.end, t.n))
		return;
	for (int32_t i = 0; i < t.n; i++) {
		if (!t.start[i].error && !t.end[i].error)
			continue;
		admin_refused(a, max_of(t.start[i].error, t.end[i].error),
			      t.goal[i].topic, STR_NULL);
		return;
	}
	if (trim_goal(a, &t))
		trim_all(a, s, &t);
}

/* ---- leaders ------------------------------------------------------------- */

static void elected(struct admin *a, struct section *s, struct str topic,
		    const struct elect_leaders_response_partition *p)
{
	if (p->error_code && p->error_code != K_ELECTION_NOT_NEEDED) {
		admin_refused(a, p->error_code,
			      str_printf(client_arena(a->client),
					 "%.*s:%" PRId32, STR_ARG(topic),
					 p->partition_id),
			      p->error_message);
		return;
	}
	row_begin(s);
	cell_str(s, topic);
	cell_int(s, p->partition_id);
	cell_text(s, p->error_code ? "not needed" : "elected");
}

static void ask_election(struct admin *a, struct section *s,
			 const struct spot *v, int32_t n)
{
	struct elect_leaders_request rq;
	struct elect_leaders_response rs;
	struct elect_leaders_request_topic *t = NULL;

	wire_preset(&elect_leaders_request_type, &rq);
	rq.election_type = admin_has(a, "unclean");
	rq.timeout_ms = a->timeout_ms;
	rq.topic_partitions_n = v ? 0 : -1;
	rq.topic_partitions = wire_new(&elect_leaders_request_topic_type, n,
				       client_arena(admin_client(a)));
	for (int32_t i = 0; i < n; i++) {
		if (!t || !str_eq(t->topic, v[i].topic)) {
			t = &rq.topic_partitions[rq.topic_partitions_n++];
			t->topic = v[i].topic;
			t->partitions = arena_alloc(
				client_arena(a->client), 4 * (size_t)(n - i));
			t->partitions_n = 0;
		}
		t->partitions[t->partitions_n++] = v[i].partition;
	}
	if (!admin_call(a, CLIENT_CONTROLLER, 43, &rq, &rs))
		return;
	if (rs.error_code)
		admin_refused(a, rs.error_code, STR("election"), STR_NULL);
	for (int32_t i = 0; i < rs.replica_election_results_n; i++)
		for (int32_t p = 0;
		     p < rs.replica_election_results[i].partition_result_n; p++)
			elected(a, s, rs.replica_election_results[i].topic,
				&rs.replica_election_results[i]
					 .partition_result[p]);
}

void partition_elect_leader(struct admin *a)
{
	static const struct column columns[] = {
		{ "TOPIC", "topic", CELL_TEXT },
		{ "PART", "partition", CELL_ID },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "partitions", columns);
	struct spot *v = NULL;
	int32_t n = 0;

	if (a->args_n) {
		v = admin_argument_spots(a, &n);
		if (!v)
			return;
	}
	if (a->dry_run) {
		for (int32_t i = 0; i < n; i++) {
			row_begin(s);
			cell_str(s, v[i].topic);
			cell_int(s, v[i].partition);
			cell_text(s, "would be elected");
		}
		return;
	}
	if (admin_has(a, "unclean") &&
	    !admin_confirm(a, a->args_n ? a->args[0] : "unclean",
			   "What the dead leader alone had will be lost."))
		return;
	ask_election(a, s, v, n);
}
