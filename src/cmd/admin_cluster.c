/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_cluster: the cluster, its brokers and its quorum.
 */
#include "admin.h"

struct census { /* what can be counted in the metadata */
	int64_t topics, partitions, replicas;
	int64_t offline, under_replicated;
};

static void count(const struct metadata_response *m, struct census *c)
{
	for (int32_t i = 0; i < m->topics_n; i++) {
		const struct metadata_response_topic *t = &m->topics[i];

		c->topics += !t->error_code;
		for (int32_t p = 0; p < t->partitions_n; p++) {
			c->partitions++;
			c->replicas += t->partitions[p].replica_nodes_n;
			c->offline += t->partitions[p].leader_id < 0;
			c->under_replicated += t->partitions[p].isr_nodes_n <
					       t->partitions[p].replica_nodes_n;
		}
	}
}

static bool describe_cluster(struct admin *a,
			     struct describe_cluster_response *rs)
{
	struct describe_cluster_request rq;

	wire_preset(&describe_cluster_request_type, &rq);
	rq.include_fenced_brokers = true;
	if (!admin_call(a, CLIENT_ANY, 60, &rq, rs))
		return false;
	if (rs->error_code)
		admin_refused(a, rs->error_code, STR("cluster"),
			      rs->error_message);
	return !rs->error_code;
}

static int64_t led_by(const struct metadata_response *m, int32_t node,
		      int64_t *replicas)
{
	int64_t leads = 0;

	*replicas = 0;
	for (int32_t i = 0; i < m->topics_n; i++)
		for (int32_t p = 0; p < m->topics[i].partitions_n; p++) {
			const struct metadata_response_partition *q =
				&m->topics[i].partitions[p];

			leads += q->leader_id == node;
			for (int32_t r = 0; r < q->replica_nodes_n; r++)
				*replicas += q->replica_nodes[r] == node;
		}
	return leads;
}

static const struct column broker_columns[] = {
	{ "ID", "id", CELL_ID },
	{ "HOST", "host", CELL_TEXT },
	{ "PORT", "port", CELL_ID },
	{ "RACK", "rack", CELL_TEXT },
	{ "STATE", "state", CELL_TEXT },
	{ "CONTROLLER", "controller", CELL_TEXT },
	{ "LEADERS", "leaders", CELL_NUMBER },
	{ "REPLICAS", "replicas", CELL_NUMBER },
};

static void broker_row(struct section *s,
		       const struct describe_cluster_response *c,
		       const struct describe_cluster_response_broker *b,
		       const struct metadata_response *m)
{
	int64_t replicas, leads = led_by(m, b->broker_id, &replicas);

	row_begin(s);
	cell_int(s, b->broker_id);
	cell_str(s, b->host);
	cell_int(s, b->port);
	cell_str(s, b->rack);
	cell_text(s, b->is_fenced ? "fenced" : "up");
	cell_bool(s, b->broker_id == c->controller_id);
	cell_int(s, leads);
	cell_int(s, replicas);
}

void cluster_status(struct admin *a)
{
	static const struct column columns[] = {
		{ "CLUSTER", "cluster_id", CELL_TEXT },
		{ "CONTROLLER", "controller", CELL_ID },
		{ "BROKERS", "brokers_up", CELL_NUMBER },
		{ "TOPICS", "topics", CELL_NUMBER },
		{ "PARTITIONS", "partitions", CELL_NUMBER },
		{ "REPLICAS", "replicas", CELL_NUMBER },
		{ "UNDER-REPLICATED", "under_replicated", CELL_NUMBER },
		{ "OFFLINE", "offline", CELL_NUMBER },
	};
	struct section *s = out_section(&a->out, "cluster", columns);
	struct section *b = out_section(&a->out, "brokers", broker_columns);
	struct describe_cluster_response c;
	struct metadata_response m;
	struct census n = { 0 };
	int64_t up = 0;

	if (!describe_cluster(a, &c) || !admin_metadata(a, NULL, -1, &m))
		return;
	count(&m, &n);
	for (int32_t i = 0; i < c.brokers_n; i++) {
		up += !c.brokers[i].is_fenced;
		broker_row(b, &c, &c.brokers[i], &m);
	}
	row_begin(s);
	cell_str(s, c.cluster_id);
	cell_known(s, c.controller_id);
	cell_int(s, up);
	cell_int(s, n.topics);
	cell_int(s, n.partitions);
	cell_int(s, n.replicas);
	cell_int(s, n.under_replicated);
	cell_int(s, n.offline);
}

/* ---- health -------------------------------------------------------------- */

struct verdict {
	struct buf reasons;
	int reasons_n;
};

static void blame(struct verdict *v, const char *fmt, ...) printf_like(2, 3);
static void blame(struct verdict *v, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&v->reasons, "%s%s", v->reasons_n++ ? ", " : "", text);
}

/* Replicas that are assigned to brokers nobody has seen are down as well. */
static void blame_brokers(struct verdict *v,
			  const struct describe_cluster_response *c,
			  const struct metadata_response *m)
{
	struct map missing = { 0 };

	for (int32_t i = 0; i < c->brokers_n; i++)
		if (c->brokers[i].is_fenced)
			map_put_i64(&missing, c->brokers[i].broker_id, v);
	for (int32_t i = 0; i < m->topics_n; i++)
		for (int32_t p = 0; p < m->topics[i].partitions_n; p++) {
			const struct metadata_response_partition *q =
				&m->topics[i].partitions[p];

			for (int32_t r = 0; r < q->offline_replicas_n; r++)
				map_put_i64(&missing, q->offline_replicas[r],
					    v);
		}
	for (struct map_iter i = map_first(&missing); i.at; map_next(&i)) {
		int64_t id = (int64_t)get_be64(i.key);

		blame(v, "broker %" PRId64 " is down", id);
	}
	map_fini(&missing);
}

static void blame_partitions(struct verdict *v,
			     const struct metadata_response *m)
{
	struct census n = { 0 };

	count(m, &n);
	if (n.offline)
		blame(v, "%" PRId64 " partition%s without a leader", n.offline,
		      n.offline == 1 ? "" : "s");
	if (n.under_replicated)
		blame(v, "%" PRId64 " under-replicated partition%s",
		      n.under_replicated, n.under_replicated == 1 ? "" : "s");
}

/* False: the cluster could not be asked; then the reason is the client's. */
static bool examine(struct admin *a, struct verdict *v)
{
	struct describe_cluster_request rq;
	struct describe_cluster_response c;
	struct metadata_response m;

	wire_preset(&describe_cluster_request_type, &rq);
	rq.include_fenced_brokers = true;
	if (client_call(admin_client(a), CLIENT_ANY, 60, &rq, &c) ||
	    client_metadata(a->client, NULL, -1, &m))
		return false;
	if (c.error_code)
		blame(v, "%s", kerr_text(c.error_code));
	if (c.controller_id < 0)
		blame(v, "no controller");
	blame_brokers(v, &c, &m);
	blame_partitions(v, &m);
	return true;
}

static void print_verdict(struct admin *a, struct verdict *v)
{
	static const struct column columns[] = {
		{ "STATE", "state", CELL_TEXT },
		{ "REASON", "reason", CELL_TEXT },
	};
	struct section *s;
	const char *state = v->reasons_n ? "UNHEALTHY" : "HEALTHY";

	if (a->out.format == OUT_TABLE) {
		if (!a->quiet)
			printf("%s%s%s\n", state, v->reasons_n ? "  " : "",
			       buf_c(&v->reasons));
		return;
	}
	s = out_section(&a->out, "health", columns);
	row_begin(s);
	cell_text(s, state);
	cell_text(s, v->reasons_n ? buf_c(&v->reasons) : NULL);
}

void cluster_health(struct admin *a)
{
	bool wait = admin_has(a, "exit-when-healthy");
	int64_t deadline = a->timeout_given ? client_now_ms() + a->timeout_ms :
					      INT64_MAX;
	struct verdict v = { 0 };
	bool asked;

	for (;;) {
		v.reasons.n = 0;
		v.reasons_n = 0;
		asked = examine(a, &v);
		if ((asked && !v.reasons_n) || !wait || client_interrupted ||
		    client_now_ms() > deadline)
			break;
		client_reset(a->client);
		poll(NULL, 0, 200);
	}
	if (!asked) {
		admin_client_failed(a);
	} else {
		print_verdict(a, &v);
		if (v.reasons_n)
			admin_set_status(a, EXIT_UNHEALTHY);
	}
	buf_fini(&v.reasons);
}

/* ---- brokers ------------------------------------------------------------- */

void broker_list(struct admin *a)
{
	struct section *s = out_section(&a->out, "brokers", broker_columns);
	struct describe_cluster_response c;
	struct metadata_response m;

	if (!describe_cluster(a, &c) || !admin_metadata(a, NULL, -1, &m))
		return;
	for (int32_t i = 0; i < c.brokers_n; i++)
		broker_row(s, &c, &c.brokers[i], &m);
}

static void disk_row(struct section *s, int32_t node,
		     const struct describe_log_dirs_response_result *r)
{
	int64_t used = 0, n = 0;

	for (int32_t t = 0; t < r->topics_n; t++) {
		n += r->topics[t].partitions_n;
		for (int32_t p = 0; p < r->topics[t].partitions_n; p++)
			used += r->topics[t].partitions[p].partition_size;
	}
	row_begin(s);
	cell_int(s, node);
	cell_str(s, r->log_dir);
	cell_text(s, r->error_code ? kerr_name(r->error_code) : "ok");
	cell_int(s, n);
	cell_int(s, used);
	cell_known(s, r->usable_bytes);
	cell_known(s, r->total_bytes);
}

static void disk_rows(struct admin *a, struct section *s, int32_t node)
{
	struct describe_log_dirs_request rq;
	struct describe_log_dirs_response rs;

	wire_preset(&describe_log_dirs_request_type, &rq);
	rq.topics_n = -1;
	if (!admin_call(a, CLIENT_NODE(node), 35, &rq, &rs))
		return;
	for (int32_t i = 0; i < rs.results_n; i++)
		disk_row(s, node, &rs.results[i]);
}

void broker_describe(struct admin *a)
{
	static const struct column columns[] = {
		{ "BROKER", "broker", CELL_ID },
		{ "DIRECTORY", "directory", CELL_TEXT },
		{ "STATE", "state", CELL_TEXT },
		{ "REPLICAS", "replicas", CELL_NUMBER },
		{ "USED", "used_bytes", CELL_BYTES },
		{ "FREE", "free_bytes", CELL_BYTES },
		{ "TOTAL", "total_bytes", CELL_BYTES },
	};
	struct section *b = out_section(&a->out, "brokers", broker_columns);
	struct section *d = out_section(&a->out, "disks", columns);
	struct section *s = out_section_n(&a->out, "configs", config_columns,
					  CONFIG_COLUMNS);
	struct describe_cluster_response c;
	struct metadata_response m;

	if (!describe_cluster(a, &c) || !admin_metadata(a, NULL, -1, &m))
		return;
	for (int i = 0; i < a->args_n; i++) {
		int64_t id;
		int32_t k = 0;

		if (!str_to_i64(str_of(a->args[i]), 0, INT32_MAX, &id)) {
			admin_usage(a, "%s is not the number of a broker",
				    a->args[i]);
			continue;
		}
		while (k < c.brokers_n && c.brokers[k].broker_id != id)
			k++;
		if (k == c.brokers_n) {
			admin_fail(a, EXIT_MISSING, "BROKER_ID_NOT_REGISTERED",
				   "no broker %s", a->args[i]);
			continue;
		}
		broker_row(b, &c, &c.brokers[k], &m);
		if (c.brokers[k].is_fenced)
			continue;
		disk_rows(a, d, (int32_t)id);
		admin_describe_configs(a, s, RESOURCE_BROKER,
				       str_of(a->args[i]),
				       admin_has(a, "all"));
	}
}

/* ---- quorum -------------------------------------------------------------- */

static void member_rows(struct section *s,
			const struct describe_quorum_response_partition *p,
			bool voters)
{
	int32_t n = voters ? p->current_voters_n : p->observers_n;
	int64_t now = admin_wall_ms(), top = p->high_watermark;

	for (int32_t i = 0; i < p->current_voters_n; i++)
		if (p->current_voters[i].replica_id == p->leader_id)
			top = max_of(top, p->current_voters[i].log_end_offset);
	for (int32_t i = 0; i < n; i++) {
		const struct describe_quorum_response_replica *r =
			voters ? &p->current_voters[i] : &p->observers[i];
		int64_t lag = top - r->log_end_offset;

		row_begin(s);
		cell_int(s, r->replica_id);
		cell_text(s, !voters ? "observer" :
			  r->replica_id == p->leader_id ? "leader" : "voter");
		cell_known(s, r->log_end_offset);
		cell_known(s, r->log_end_offset < 0 ? -1 : max_of(lag, 0));
		if (r->last_caught_up_timestamp > 0)
			cell_int(s, max_of(now - r->last_caught_up_timestamp,
					   0));
		else
			cell_null(s);
	}
}

static const struct column quorum_columns[] = {
	{ "LEADER", "leader", CELL_ID },
	{ "TERM", "term", CELL_ID },
	{ "COMMITTED", "high_watermark", CELL_NUMBER },
	{ "VOTERS", "voters", CELL_NUMBER },
	{ "OBSERVERS", "observers", CELL_NUMBER },
};

/* NULL: reported. */
static const struct describe_quorum_response_partition *
describe_quorum(struct admin *a)
{
	struct arena *arena = client_arena(admin_client(a));
	struct describe_quorum_response *rs = arena_alloc(arena, sizeof(*rs));
	struct describe_quorum_request_partition p;
	struct describe_quorum_request_topic t;
	struct describe_quorum_request rq;
	const struct describe_quorum_response_partition *r;

	wire_preset(&describe_quorum_request_type, &rq);
	wire_preset(&describe_quorum_request_topic_type, &t);
	wire_preset(&describe_quorum_request_partition_type, &p);
	t.topic_name = STR("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	if (!admin_call(a, CLIENT_CONTROLLER, 55, &rq, rs))
		return NULL;
	if (rs->error_code || rs->topics_n < 1 ||
	    rs->topics[0].partitions_n < 1) {
		admin_refused(a, rs->error_code, STR("quorum"),
			      rs->error_message);
		return NULL;
	}
	r = &rs->topics[0].partitions[0];
	if (!r->error_code)
		return r;
	admin_refused(a, r->error_code, STR("quorum"), r->error_message);
	return NULL;
}

static void quorum_row(struct section *q,
		       const struct describe_quorum_response_partition *r)
{
	row_begin(q);
	cell_known(q, r->leader_id);
	cell_int(q, r->leader_epoch);
	cell_int(q, r->high_watermark);
	cell_int(q, r->current_voters_n);
	cell_int(q, r->observers_n);
}

void quorum_status(struct admin *a)
{
	static const struct column columns[] = {
		{ "NODE", "node", CELL_ID },
		{ "ROLE", "role", CELL_TEXT },
		{ "LOG-END", "log_end_offset", CELL_NUMBER },
		{ "LAG", "lag", CELL_NUMBER },
		{ "BEHIND-SINCE", "behind_ms", CELL_DURATION },
	};
	struct section *q = out_section(&a->out, "quorum", quorum_columns);
	struct section *s = out_section(&a->out, "members", columns);
	const struct describe_quorum_response_partition *r =
		describe_quorum(a);

	if (!r)
		return;
	quorum_row(q, r);
	member_rows(s, r, true);
	member_rows(s, r, false);
}

/* The request as raftmqd understands it; Apache Kafka knows no such topic. */
static bool ask_transfer(struct admin *a, int32_t to)
{
	struct elect_leaders_request rq;
	struct elect_leaders_response rs;
	struct elect_leaders_request_topic t;
	const struct elect_leaders_response_partition *p;

	wire_preset(&elect_leaders_request_type, &rq);
	wire_preset(&elect_leaders_request_topic_type, &t);
	t.topic = STR("__cluster_metadata");
	t.partitions = &to;
	t.partitions_n = 1;
	rq.topic_partitions = &t;
	rq.topic_partitions_n = 1;
	rq.timeout_ms = a->timeout_ms;
	if (!admin_call(a, CLIENT_CONTROLLER, 43, &rq, &rs))
		return false;
	p = rs.replica_election_results_n == 1 &&
	    rs.replica_election_results[0].partition_result_n == 1 ?
		rs.replica_election_results[0].partition_result : NULL;
	if (p && (!p->error_code || p->error_code == K_ELECTION_NOT_NEEDED))
		return true;
	if (p && p->error_code == K_UNKNOWN_TOPIC_OR_PARTITION)
		admin_fail(a, EXIT_MISSING, "VOTER_NOT_FOUND",
			   "%s is no voter of the quorum (or this is not "
			   "raftmqd)", a->args[0]);
	else
		admin_refused(a, p ? p->error_code : rs.error_code,
			      STR("quorum"),
			      p ? p->error_message : STR_NULL);
	return false;
}

void quorum_transfer_leader(struct admin *a)
{
	struct section *q = out_section(&a->out, "quorum", quorum_columns);
	int64_t to, deadline = client_now_ms() + a->timeout_ms;
	const struct describe_quorum_response_partition *r;

	if (!str_to_i64(str_of(a->args[0]), 0, INT32_MAX, &to)) {
		admin_usage(a, "%s is not the number of a node", a->args[0]);
		return;
	}
	if (!a->dry_run && !ask_transfer(a, (int32_t)to))
		return;
	while ((r = describe_quorum(a)) && !a->dry_run && r->leader_id != to) {
		if (client_now_ms() > deadline || client_interrupted) {
			admin_fail(a, EXIT_FAILED, "NOT_ELECTED",
				   "node %" PRId64 " was asked to lead and "
				   "does not", to);
			break;
		}
		poll(NULL, 0, 20);
	}
	if (r)
		quorum_row(q, r);
}
