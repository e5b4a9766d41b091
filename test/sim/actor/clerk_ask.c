/* SPDX-License-Identifier: Apache-2.0 */
/* clerk_ask: the clerk's requests, and what their answers have to be. */
#include "clerk.h"

#include <stdlib.h>

#define GROUP "clerk"

static const char *name(const struct clerk *c)
{
	return c->a->topics[c->topic].name;
}

static void wrong(struct clerk *c, const char *what)
{
	world_violation(c->a->w, "clerk: deed %d: %s", (int)c->deed, what);
}

static bool is_one(struct clerk *c, int32_t n)
{
	if (n != 1)
		wrong(c, "not one answer to one question");
	return n == 1;
}

/* ---- what answers say ---------------------------------------------------- */

static int16_t code_of_commit(struct clerk *c, const void *body)
{
	const struct offset_commit_response *r = body;

	return is_one(c, r->topics_n) && is_one(c, r->topics->partitions_n) ?
		       r->topics->partitions->error_code : 0;
}

static int16_t code_of_forget(struct clerk *c, const void *body)
{
	const struct offset_delete_response *r = body;

	if (r->error_code)
		return r->error_code;
	return is_one(c, r->topics_n) && is_one(c, r->topics->partitions_n) ?
		       r->topics->partitions->error_code : 0;
}

static int16_t code_of_dissolve(struct clerk *c, const void *body)
{
	const struct delete_groups_response *r = body;

	return is_one(c, r->results_n) ? r->results->error_code : 0;
}

static int16_t code_of_recall(struct clerk *c, const void *body)
{
	const struct offset_fetch_response *r = body;
	const struct offset_fetch_response_partition *p;

	if (r->error_code)
		return r->error_code;
	if (!is_one(c, r->topics_n) || !is_one(c, r->topics->partitions_n))
		return 0;
	p = r->topics->partitions;
	if (!p->error_code)
		clerk_recalled(c, p->committed_offset);
	return p->error_code;
}

static int16_t code_of_list(struct clerk *c, const void *body)
{
	const struct list_groups_response *r = body;

	(void)c;
	return r->error_code;
}

static int16_t code_of_group(struct clerk *c, const void *body)
{
	const struct describe_groups_response *r = body;
	const struct describe_groups_response_group *g = r->groups;

	if (!is_one(c, r->groups_n))
		return 0;
	if (!g->error_code && g->members_n)
		wrong(c, "a member of a group that has none");
	/* from version 6 on nobody knows a group that is dead (KIP-1043) */
	return g->error_code == K_GROUP_ID_NOT_FOUND ? 0 : g->error_code;
}

static bool is_node(const struct clerk *c, int32_t id)
{
	return id >= 1 && id <= world_nodes(c->a->w);
}

static int16_t code_of_cluster(struct clerk *c, const void *body)
{
	const struct describe_cluster_response *r = body;

	for (int32_t i = 0; i < r->brokers_n; i++)
		if (!is_node(c, r->brokers[i].broker_id))
			wrong(c, "a broker that is none");
	if (r->controller_id != -1 && !is_node(c, r->controller_id))
		wrong(c, "a controller that is none");
	return r->error_code;
}

static bool has(const int32_t *v, int32_t n, int32_t node)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == node)
			return true;
	return false;
}

/* ISR and ELR are of the replicas and have nobody in common; the leader is in
 * the ISR. KIP-966. */
static void
check_partition(struct clerk *c,
		const struct describe_topic_partitions_response_partition *p)
{
	for (int32_t i = 0; i < p->isr_nodes_n; i++)
		if (!has(p->replica_nodes, p->replica_nodes_n,
			 p->isr_nodes[i]))
			wrong(c, "in sync, and no replica");
	for (int32_t i = 0; i < p->eligible_leader_replicas_n; i++) {
		int32_t node = p->eligible_leader_replicas[i];

		if (!has(p->replica_nodes, p->replica_nodes_n, node))
			wrong(c, "eligible, and no replica");
		if (has(p->isr_nodes, p->isr_nodes_n, node))
			wrong(c, "eligible, and in sync");
	}
	if (p->leader_id >= 0 &&
	    !has(p->isr_nodes, p->isr_nodes_n, p->leader_id))
		wrong(c, "a leader that is not in sync");
}

static int16_t code_of_partitions(struct clerk *c, const void *body)
{
	const struct describe_topic_partitions_response *r = body;

	for (int32_t i = 0; i < r->topics_n; i++)
		for (int32_t k = 0; k < r->topics[i].partitions_n; k++)
			check_partition(c, &r->topics[i].partitions[k]);
	return is_one(c, r->topics_n) ? r->topics->error_code : 0;
}

static int16_t code_of_configs(struct clerk *c, const void *body)
{
	const struct describe_configs_response *r = body;

	if (!is_one(c, r->results_n))
		return 0;
	if (!r->results->error_code && r->results->configs_n < 20)
		wrong(c, "a topic with too few settings");
	return r->results->error_code;
}

static int16_t code_of_log_dirs(struct clerk *c, const void *body)
{
	const struct describe_log_dirs_response *r = body;

	if (r->error_code || !is_one(c, r->results_n))
		return r->error_code;
	for (int32_t i = 0; i < r->results->topics_n; i++)
		for (int32_t k = 0; k < r->results->topics[i].partitions_n; k++)
			if (r->results->topics[i].partitions[k]
				    .partition_size < 0)
				wrong(c, "a log of less than nothing");
	return 0;
}

static int16_t code_of_quorum(struct clerk *c, const void *body)
{
	const struct describe_quorum_response *r = body;

	if (r->error_code)
		return r->error_code;
	if (!is_one(c, r->topics_n) || !is_one(c, r->topics->partitions_n))
		return 0;
	if (!r->topics->partitions->error_code &&
	    !is_node(c, r->topics->partitions->leader_id))
		wrong(c, "a quorum without a leader answers");
	return r->topics->partitions->error_code;
}

static int16_t code_of_producers(struct clerk *c, const void *body)
{
	const struct describe_producers_response *r = body;

	return is_one(c, r->topics_n) && is_one(c, r->topics->partitions_n) ?
		       r->topics->partitions->error_code : 0;
}

static const struct {
	int16_t key;
	int16_t (*code)(struct clerk *c, const void *body);
	bool of_coordinator;
} deeds[CLERK_DEEDS] = {
	[CLERK_COMMIT] = { API_OFFSET_COMMIT, code_of_commit, true },
	[CLERK_FORGET] = { API_OFFSET_DELETE, code_of_forget, true },
	[CLERK_DISSOLVE] = { API_DELETE_GROUPS, code_of_dissolve, true },
	[CLERK_RECALL] = { API_OFFSET_FETCH, code_of_recall, true },
	[CLERK_LIST_GROUPS] = { API_LIST_GROUPS, code_of_list, false },
	[CLERK_DESCRIBE_GROUP] = { API_DESCRIBE_GROUPS, code_of_group, true },
	[CLERK_CLUSTER] = { API_DESCRIBE_CLUSTER, code_of_cluster, false },
	[CLERK_PARTITIONS] = { API_DESCRIBE_TOPIC_PARTITIONS,
			       code_of_partitions, false },
	[CLERK_CONFIGS] = { API_DESCRIBE_CONFIGS, code_of_configs, false },
	[CLERK_LOG_DIRS] = { API_DESCRIBE_LOG_DIRS, code_of_log_dirs, false },
	[CLERK_QUORUM] = { API_DESCRIBE_QUORUM, code_of_quorum, false },
	[CLERK_PRODUCERS] = { API_DESCRIBE_PRODUCERS, code_of_producers,
			      false },
};

static void on_told(void *ctx, const struct answer *a)
{
	struct clerk *c = ctx;

	clerk_told(c, a->body ? deeds[c->deed].code(c, a->body) : 0, !a->body);
}

static void send(struct clerk *c, int node, const void *body)
{
	caller_ask(&c->caller, &(struct caller_ask){
		.node = node, .key = deeds[c->deed].key, .body = body,
		.then = on_told, .ctx = c });
}

/* ---- questions ----------------------------------------------------------- */

static void ask_commit(struct clerk *c, int node)
{
	struct offset_commit_request rq;
	struct offset_commit_request_topic t;
	struct offset_commit_request_partition p;

	wire_preset(&offset_commit_request_type, &rq);
	wire_preset(&offset_commit_request_topic_type, &t);
	wire_preset(&offset_commit_request_partition_type, &p);
	p.committed_offset = c->last;
	p.committed_metadata = STR("");
	t.name = str_of(name(c));
	t.topic_id = c->a->topics[c->topic].id;
	t.partitions = &p;
	t.partitions_n = 1;
	rq.group_id = STR(GROUP);
	rq.generation_id_or_member_epoch = -1;
	rq.member_id = STR("");
	rq.topics = &t;
	rq.topics_n = 1;
	send(c, node, &rq);
}

static void ask_forget(struct clerk *c, int node)
{
	struct offset_delete_request rq;
	struct offset_delete_request_topic t;
	struct offset_delete_request_partition p = { 0 };

	wire_preset(&offset_delete_request_type, &rq);
	wire_preset(&offset_delete_request_topic_type, &t);
	t.name = str_of(name(c));
	t.partitions = &p;
	t.partitions_n = 1;
	rq.group_id = STR(GROUP);
	rq.topics = &t;
	rq.topics_n = 1;
	send(c, node, &rq);
}

static void ask_recall(struct clerk *c, int node)
{
	struct offset_fetch_request rq;
	struct offset_fetch_request_topic t;
	int32_t p = 0;

	wire_preset(&offset_fetch_request_type, &rq);
	wire_preset(&offset_fetch_request_topic_type, &t);
	t.name = str_of(name(c));
	t.partition_indexes = &p;
	t.partition_indexes_n = 1;
	rq.group_id = STR(GROUP);
	rq.topics = &t;
	rq.topics_n = 1;
	send(c, node, &rq);
}

static void ask_groups(struct clerk *c, int node)
{
	struct delete_groups_request dissolve;
	struct describe_groups_request describe;
	struct list_groups_request list;
	struct str group = STR(GROUP);

	wire_preset(&delete_groups_request_type, &dissolve);
	wire_preset(&describe_groups_request_type, &describe);
	wire_preset(&list_groups_request_type, &list);
	dissolve.groups_names = describe.groups = &group;
	dissolve.groups_names_n = describe.groups_n = 1;
	send(c, node, c->deed == CLERK_DISSOLVE ? (const void *)&dissolve :
		      c->deed == CLERK_LIST_GROUPS ? (const void *)&list :
						     (const void *)&describe);
}

static void ask_topic(struct clerk *c, int node)
{
	struct describe_topic_partitions_request parts;
	struct describe_topic_partitions_request_topic t;
	struct describe_configs_request configs;
	struct describe_configs_request_resource r;

	wire_preset(&describe_topic_partitions_request_type, &parts);
	wire_preset(&describe_topic_partitions_request_topic_type, &t);
	wire_preset(&describe_configs_request_type, &configs);
	wire_preset(&describe_configs_request_resource_type, &r);
	t.name = str_of(name(c));
	parts.topics = &t;
	parts.topics_n = 1;
	parts.response_partition_limit = 2000;
	r.resource_type = 2; /* a topic */
	r.resource_name = str_of(name(c));
	r.configuration_keys_n = -1;
	configs.resources = &r;
	configs.resources_n = 1;
	configs.include_synonyms = true;
	send(c, node, c->deed == CLERK_CONFIGS ? (const void *)&configs :
						 (const void *)&parts);
}

static void ask_producers(struct clerk *c, int node)
{
	struct describe_producers_request rq;
	struct describe_producers_request_topic t;
	int32_t p = 0;

	wire_preset(&describe_producers_request_type, &rq);
	wire_preset(&describe_producers_request_topic_type, &t);
	t.name = str_of(name(c));
	t.partition_indexes = &p;
	t.partition_indexes_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	send(c, node, &rq);
}

static void ask_house(struct clerk *c, int node)
{
	struct describe_cluster_request cluster;
	struct describe_log_dirs_request dirs;
	struct describe_quorum_request quorum;
	struct describe_quorum_request_topic t;
	struct describe_quorum_request_partition p = { 0 };

	wire_preset(&describe_cluster_request_type, &cluster);
	wire_preset(&describe_log_dirs_request_type, &dirs);
	wire_preset(&describe_quorum_request_type, &quorum);
	wire_preset(&describe_quorum_request_topic_type, &t);
	dirs.topics_n = -1; /* all of them */
	t.topic_name = STR("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	quorum.topics = &t;
	quorum.topics_n = 1;
	send(c, node, c->deed == CLERK_CLUSTER ? (const void *)&cluster :
		      c->deed == CLERK_LOG_DIRS ? (const void *)&dirs :
						  (const void *)&quorum);
}

static void ask_it(struct clerk *c, int node)
{
	switch (c->deed) {
	case CLERK_COMMIT:
		ask_commit(c, node);
		break;
	case CLERK_FORGET:
		ask_forget(c, node);
		break;
	case CLERK_RECALL:
		ask_recall(c, node);
		break;
	case CLERK_DISSOLVE:
	case CLERK_LIST_GROUPS:
	case CLERK_DESCRIBE_GROUP:
		ask_groups(c, node);
		break;
	case CLERK_PARTITIONS:
	case CLERK_CONFIGS:
		ask_topic(c, node);
		break;
	case CLERK_PRODUCERS:
		ask_producers(c, node);
		break;
	default:
		ask_house(c, node);
	}
}

/* ---- whom to ask --------------------------------------------------------- */

static void on_found(void *ctx, const struct answer *a)
{
	struct clerk *c = ctx;
	const struct find_coordinator_response *r = a->body;
	int16_t code = -1;

	if (r && a->version < 4) {
		code = r->error_code;
		c->coordinator = r->node_id;
	} else if (r && is_one(c, r->coordinators_n)) {
		code = r->coordinators->error_code;
		c->coordinator = r->coordinators->node_id;
	}
	if (code == K_NONE && is_node(c, c->coordinator)) {
		ask_it(c, c->coordinator);
		return;
	}
	c->coordinator = 0;
	c->deed = CLERK_CLUSTER; /* nothing was done */
	clerk_told(c, 0, true);
}

static void find(struct clerk *c)
{
	struct find_coordinator_request rq;
	struct str group = STR(GROUP);

	wire_preset(&find_coordinator_request_type, &rq);
	rq.key = group;
	rq.coordinator_keys = &group;
	rq.coordinator_keys_n = 1;
	caller_ask(&c->caller, &(struct caller_ask){
		.node = caller_any(&c->caller), .key = API_FIND_COORDINATOR,
		.body = &rq, .then = on_found, .ctx = c });
}

void clerk_ask(struct clerk *c)
{
	if (!deeds[c->deed].of_coordinator)
		ask_it(c, caller_any(&c->caller));
	else if (c->coordinator)
		ask_it(c, c->coordinator);
	else
		find(c);
}
