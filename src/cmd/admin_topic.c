/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_topic: topics listed, described, made and deleted. Their partitions:
 * admin_partition.c.
 */
#include <stdlib.h>

#include "admin.h"

static struct str *arg_names(struct admin *a)
{
	struct str *v = arena_alloc(client_arena(admin_client(a)),
				    sizeof(*v) * (size_t)max_of(a->args_n, 1));

	for (int i = 0; i < a->args_n; i++)
		v[i] = str_of(a->args[i]);
	return v;
}

static const struct column topic_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PARTITIONS", "partitions", CELL_NUMBER },
	{ "REPLICAS", "replicas", CELL_NUMBER },
	{ "UNDER-REPLICATED", "under_replicated", CELL_NUMBER },
	{ "OFFLINE", "offline", CELL_NUMBER },
	{ "INTERNAL", "internal", CELL_TEXT },
	{ "ID", "topic_id", CELL_TEXT },
};

static void topic_row(struct section *s,
		      const struct metadata_response_topic *t)
{
	char id[UUID_TEXT_MAX];
	int64_t under = 0, offline = 0, replicas = 0;

	for (int32_t i = 0; i < t->partitions_n; i++) {
		const struct metadata_response_partition *p =
			&t->partitions[i];

		under += p->isr_nodes_n < p->replica_nodes_n;
		offline += p->leader_id < 0;
		replicas = max_of(replicas, p->replica_nodes_n);
	}
	uuid_text(t->topic_id, id);
	row_begin(s);
	cell_str(s, t->name);
	cell_int(s, t->partitions_n);
	cell_int(s, replicas);
	cell_int(s, under);
	cell_int(s, offline);
	cell_bool(s, t->is_internal);
	cell_text(s, uuid_is_zero(t->topic_id) ? NULL : id);
}

static int by_name(const void *x, const void *y)
{
	const struct metadata_response_topic *a = x, *b = y;

	return str_cmp(a->name, b->name);
}

static int by_partition(const void *x, const void *y)
{
	const struct metadata_response_partition *a = x, *b = y;

	return (a->partition_index > b->partition_index) -
	       (a->partition_index < b->partition_index);
}

void admin_sort_topics(struct metadata_response *m)
{
	if (m->topics_n > 1)
		qsort(m->topics, (size_t)m->topics_n, sizeof(*m->topics),
		      by_name);
	for (int32_t i = 0; i < m->topics_n; i++)
		if (m->topics[i].partitions_n > 1)
			qsort(m->topics[i].partitions,
			      (size_t)m->topics[i].partitions_n,
			      sizeof(*m->topics[i].partitions), by_partition);
}

bool admin_topics(struct admin *a, struct metadata_response *m)
{
	if (!admin_metadata(a, arg_names(a), a->args_n ? a->args_n : -1, m))
		return false;
	admin_sort_topics(m);
	return true;
}

void topic_list(struct admin *a)
{
	struct section *s = out_section(&a->out, "topics", topic_columns);
	bool internal = admin_has(a, "internal") || a->args_n;
	struct metadata_response m;

	if (!admin_topics(a, &m))
		return;
	for (int32_t i = 0; i < m.topics_n; i++)
		if (!m.topics[i].error_code &&
		    (internal || !m.topics[i].is_internal))
			topic_row(s, &m.topics[i]);
}

/* ---- create -------------------------------------------------------------- */

static const struct column create_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PARTITIONS", "partitions", CELL_NUMBER },
	{ "REPLICAS", "replicas", CELL_NUMBER },
	{ "STATUS", "status", CELL_TEXT },
};

static bool read_configs(struct admin *a, struct create_topics_request_topic *t)
{
	const char *v;
	int n = 0;

	while (admin_value_at(a, "config", n))
		n++;
	t->configs = wire_new(&create_topics_request_config_type, n,
			      client_arena(a->client));
	t->configs_n = n;
	for (int i = 0; i < n; i++) {
		v = admin_value_at(a, "config", i);
		pair_parse(v, &t->configs[i].name, &t->configs[i].value);
		if (t->configs[i].value.n >= 0)
			continue;
		admin_usage(a, "--config %s: KEY=VALUE is wanted", v);
		return false;
	}
	return true;
}

static void created(struct admin *a, struct section *s,
		    const struct create_topics_response_topic *t,
		    const struct create_topics_request_topic *asked)
{
	bool known = t->error_code == K_TOPIC_ALREADY_EXISTS &&
		     admin_has(a, "if-not-exists");

	if (t->error_code && !known) {
		admin_refused(a, t->error_code, t->name, t->error_message);
		return;
	}
	row_begin(s);
	cell_str(s, t->name);
	cell_known(s, t->num_partitions > 0 ? t->num_partitions :
		   known ? -1 : asked->num_partitions);
	cell_known(s, t->replication_factor > 0 ? t->replication_factor :
		   known ? -1 : asked->replication_factor);
	cell_text(s, known ? "exists" :
		  admin_done(a, "created", "would be created"));
}

void topic_create(struct admin *a)
{
	struct section *s = out_section(&a->out, "topics", create_columns);
	int64_t partitions = -1, replicas = -1;
	struct create_topics_request rq;
	struct create_topics_response rs;
	struct create_topics_request_topic t;

	if (!admin_number(a, "partitions", 1, 1000000, &partitions) ||
	    !admin_number(a, "replicas", 1, 1000, &replicas))
		return;
	wire_preset(&create_topics_request_topic_type, &t);
	wire_preset(&create_topics_request_type, &rq);
	admin_client(a);
	if (!read_configs(a, &t))
		return;
	t.num_partitions = (int32_t)partitions;
	t.replication_factor = (int16_t)replicas;
	rq.topics_n = a->args_n;
	rq.topics = wire_new(&create_topics_request_topic_type, a->args_n,
			     client_arena(a->client));
	for (int i = 0; i < a->args_n; i++) {
		rq.topics[i] = t;
		rq.topics[i].name = str_of(a->args[i]);
	}
	rq.timeout_ms = a->timeout_ms;
	rq.validate_only = a->dry_run;
	if (!admin_call(a, CLIENT_CONTROLLER, 19, &rq, &rs))
		return;
	for (int32_t i = 0; i < rs.topics_n; i++)
		created(a, s, &rs.topics[i], &t);
}

/* ---- describe ------------------------------------------------------------ */

static const struct column partition_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PART", "partition", CELL_ID },
	{ "LEADER", "leader", CELL_ID },
	{ "EPOCH", "leader_epoch", CELL_ID },
	{ "REPLICAS", "replicas", CELL_LIST },
	{ "ISR", "isr", CELL_LIST },
	{ "OFFLINE", "offline_replicas", CELL_LIST },
	{ "START", "start_offset", CELL_NUMBER },
	{ "END", "end_offset", CELL_NUMBER },
	{ "MESSAGES", "messages", CELL_NUMBER },
};

static void partition_rows(struct section *s,
			   const struct metadata_response_topic *t,
			   const struct spot *start, const struct spot *end)
{
	for (int32_t i = 0; i < t->partitions_n; i++) {
		const struct metadata_response_partition *p =
			&t->partitions[i];
		bool known = !start[i].error && !end[i].error;

		row_begin(s);
		cell_str(s, t->name);
		cell_int(s, p->partition_index);
		cell_known(s, p->leader_id);
		cell_known(s, p->leader_epoch);
		cell_ints(s, p->replica_nodes, p->replica_nodes_n);
		cell_ints(s, p->isr_nodes, p->isr_nodes_n);
		cell_ints(s, p->offline_replicas, p->offline_replicas_n);
		cell_known(s, start[i].offset);
		cell_known(s, end[i].offset);
		cell_known(s, known ? end[i].offset - start[i].offset : -1);
	}
}

static bool describe_partitions(struct admin *a, struct section *s,
				const struct metadata_response *m)
{
	struct spot *start, *end;
	int32_t n, at = 0;

	start = admin_spots(a, m, TIME_EARLIEST, &n);
	end = admin_spots(a, m, TIME_LATEST, &n);
	if (!admin_offsets(a, start, n) || !admin_offsets(a, end, n))
		return false;
	for (int32_t i = 0; i < m->topics_n; i++) {
		if (m->topics[i].error_code)
			continue;
		partition_rows(s, &m->topics[i], start + at, end + at);
		at += m->topics[i].partitions_n;
	}
	return true;
}

void topic_describe(struct admin *a)
{
	bool summary = admin_has(a, "summary");
	bool configs = admin_has(a, "configs");
	bool partitions = admin_has(a, "partitions");
	bool all = !summary && !configs && !partitions;
	struct section *t = NULL, *p = NULL, *c = NULL;
	struct metadata_response m;

	if (all || summary)
		t = out_section(&a->out, "topics", topic_columns);
	if (all || configs)
		c = out_section_n(&a->out, "configs", config_columns,
				  CONFIG_COLUMNS);
	if (all || partitions)
		p = out_section(&a->out, "partitions", partition_columns);
	if (!admin_topics(a, &m))
		return;
	for (int32_t i = 0; i < m.topics_n; i++) {
		if (m.topics[i].error_code)
			continue;
		if (t)
			topic_row(t, &m.topics[i]);
		if (c)
			admin_describe_configs(a, c, RESOURCE_TOPIC,
					       m.topics[i].name,
					       admin_has(a, "all"));
	}
	if (p)
		(void)!describe_partitions(a, p, &m);
}

/* ---- alter --------------------------------------------------------------- */

void topic_alter(struct admin *a)
{
	struct section *s = out_section_n(&a->out, "configs", change_columns,
					  CHANGE_COLUMNS);
	struct setting_change v[GIVEN_MAX + 1];
	const char *word;
	int n = 0;

	for (int i = 0; (word = admin_value_at(a, "config", i)); i++) {
		pair_parse(word, &v[n].key, &v[n].value);
		if (v[n++].value.n >= 0)
			continue;
		admin_usage(a, "--config %s: KEY=VALUE is wanted", word);
		return;
	}
	for (int i = 0; (word = admin_value_at(a, "unset", i)); i++)
		v[n++] = (struct setting_change){ str_of(word), STR_NULL };
	v[n].key = STR_NULL;
	if (n == 0) {
		admin_usage(a, "nothing to alter: --config KEY=VALUE or "
			    "--unset KEY");
		return;
	}
	for (int i = 0; i < a->args_n; i++)
		if (!admin_alter_configs(a, s, RESOURCE_TOPIC,
					 str_of(a->args[i]), v))
			return;
}

/* ---- delete -------------------------------------------------------------- */

static void describe_loss(struct admin *a, struct buf *b,
			  const struct metadata_response_topic *t)
{
	struct metadata_response one = { .topics_n = 1,
		.topics = (struct metadata_response_topic *)t };
	int64_t messages = 0, bytes = admin_topic_bytes(a, t);
	struct spot *start, *end;
	char count[32], size[32];
	int32_t n, groups = admin_readers(a, t->name);

	start = admin_spots(a, &one, TIME_EARLIEST, &n);
	end = admin_spots(a, &one, TIME_LATEST, &n);
	if (admin_offsets(a, start, n) && admin_offsets(a, end, n))
		for (int32_t i = 0; i < n; i++)
			if (!start[i].error && !end[i].error)
				messages += end[i].offset - start[i].offset;
	show_number(messages, count);
	show_bytes(max_of(bytes, 0), size);
	buf_printf(b, "%s%.*s: %" PRId32 " partitions, %s messages",
		   b->n ? "\n" : "", STR_ARG(t->name), t->partitions_n, count);
	if (bytes >= 0)
		buf_printf(b, ", %s", size);
	if (groups >= 0)
		buf_printf(b, ", read by %" PRId32 " group%s", groups,
			   groups == 1 ? "" : "s");
}

/* All or none: one that is not there must not leave half of it done. */
static bool all_there(struct admin *a, struct metadata_response *m)
{
	bool skip = admin_has(a, "if-exists");
	int32_t n = 0;

	if (client_metadata(admin_client(a), arg_names(a), a->args_n, m)) {
		admin_client_failed(a);
		return false;
	}
	for (int32_t i = 0; i < m->topics_n; i++) {
		int16_t code = m->topics[i].error_code;

		if (!code || code == K_LEADER_NOT_AVAILABLE)
			m->topics[n++] = m->topics[i];
		else if (!skip || code != K_UNKNOWN_TOPIC_OR_PARTITION)
			admin_refused(a, code, m->topics[i].name, STR_NULL);
	}
	m->topics_n = n;
	admin_sort_topics(m);
	return a->status == EXIT_OK;
}

static void delete_topics(struct admin *a, struct section *s,
			  const struct metadata_response *m)
{
	struct delete_topics_request rq;
	struct delete_topics_response rs;

	wire_preset(&delete_topics_request_type, &rq);
	rq.topics_n = rq.topic_names_n = m->topics_n;
	rq.topics = wire_new(&delete_topics_request_topic_type, m->topics_n,
			     client_arena(a->client));
	rq.topic_names = arena_alloc(client_arena(a->client),
				     sizeof(struct str) * (size_t)m->topics_n);
	for (int32_t i = 0; i < m->topics_n; i++)
		rq.topics[i].name = rq.topic_names[i] = m->topics[i].name;
	rq.timeout_ms = a->timeout_ms;
	if (!admin_call(a, CLIENT_CONTROLLER, 20, &rq, &rs))
		return;
	for (int32_t i = 0; i < rs.responses_n; i++) {
		const struct delete_topics_response_response *r =
			&rs.responses[i];

		if (r->error_code) {
			admin_refused(a, r->error_code, r->name,
				      r->error_message);
			continue;
		}
		row_begin(s);
		cell_str(s, r->name);
		cell_text(s, "deleted");
	}
}

void topic_delete(struct admin *a)
{
	static const struct column columns[] = {
		{ "TOPIC", "topic", CELL_TEXT },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "topics", columns);
	struct metadata_response m;
	struct buf loss = { 0 };
	char several[64];
	char *name;

	if (!all_there(a, &m) || m.topics_n == 0)
		return;
	for (int32_t i = 0; !a->yes && i < m.topics_n; i++)
		describe_loss(a, &loss, &m.topics[i]);
	for (int32_t i = 0; a->dry_run && i < m.topics_n; i++) {
		row_begin(s);
		cell_str(s, m.topics[i].name);
		cell_text(s, "would be deleted");
	}
	if (a->dry_run && loss.n)
		admin_note(a, "%s", buf_c(&loss));
	snprintf(several, sizeof(several), "%" PRId32 " topics", m.topics_n);
	name = m.topics_n == 1 ? str_heap(m.topics[0].name) :
				 mem_strdup(several);
	if (admin_confirm(a, name, buf_c(&loss)))
		delete_topics(a, s, &m);
	mem_free(name);
	buf_fini(&loss);
}

/* ---- more partitions ----------------------------------------------------- */

static bool partition_goal(struct admin *a, int32_t now, int32_t *goal)
{
	const char *v = admin_value(a, "partitions");
	int64_t n;

	if (v && str_to_i64(str_of(v + (*v == '+')), 1, 1000000, &n)) {
		*goal = (int32_t)(*v == '+' ? now + n : n);
		return true;
	}
	admin_usage(a, "-p N (as many shall there be) or -p +N (as many more) "
		    "is wanted");
	return false;
}

void topic_add_partitions(struct admin *a)
{
	static const struct column columns[] = {
		{ "TOPIC", "topic", CELL_TEXT },
		{ "BEFORE", "before", CELL_NUMBER },
		{ "PARTITIONS", "partitions", CELL_NUMBER },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "topics", columns);
	struct create_partitions_request rq;
	struct create_partitions_response rs;
	struct metadata_response m;

	if (!all_there(a, &m))
		return;
	wire_preset(&create_partitions_request_type, &rq);
	rq.topics = wire_new(&create_partitions_request_topic_type, m.topics_n,
			     client_arena(a->client));
	rq.topics_n = m.topics_n;
	for (int32_t i = 0; i < m.topics_n; i++) {
		rq.topics[i].name = m.topics[i].name;
		rq.topics[i].assignments_n = -1;
		if (!partition_goal(a, m.topics[i].partitions_n,
				    &rq.topics[i].count))
			return;
	}
	rq.timeout_ms = a->timeout_ms;
	rq.validate_only = a->dry_run;
	if (!admin_call(a, CLIENT_CONTROLLER, 37, &rq, &rs))
		return;
	for (int32_t i = 0; i < rs.results_n; i++) {
		if (rs.results[i].error_code) {
			admin_refused(a, rs.results[i].error_code,
				      rs.results[i].name,
				      rs.results[i].error_message);
			continue;
		}
		/* answers need not come in the order of the question */
		for (int32_t k = 0; k < m.topics_n; k++) {
			if (!str_eq(m.topics[k].name, rs.results[i].name))
				continue;
			row_begin(s);
			cell_str(s, m.topics[k].name);
			cell_int(s, m.topics[k].partitions_n);
			cell_int(s, rq.topics[k].count);
			cell_text(s, admin_done(a, "added", "would be added"));
		}
	}
}
