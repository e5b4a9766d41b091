/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_ask: the requests of the administrator, and their answers' codes.
 */
#include "admin.h"

#include <stdio.h>

#define LEADER_TRIES 500 /* a minute: as long as AdminClient waits */

static const char *name(const struct admin *d)
{
	return d->a->topics[d->topic].name;
}

/* The code of the one thing that was asked for. */
static int16_t code_of(const struct admin *d, const struct answer *a)
{
	const struct create_topics_response *create = a->body;
	const struct delete_topics_response *del = a->body;
	const struct create_partitions_response *extend = a->body;
	const struct incremental_alter_configs_response *alter = a->body;
	const struct delete_records_response *cut = a->body;
	const struct elect_leaders_response *elect = a->body;

	switch (d->deed) {
	case DEED_CREATE:
		return create->topics_n == 1 ? create->topics->error_code : -1;
	case DEED_DELETE:
		return del->responses_n == 1 ? del->responses->error_code : -1;
	case DEED_EXTEND:
		return extend->results_n == 1 ? extend->results->error_code :
						-1;
	case DEED_ALTER:
		return alter->responses_n == 1 ? alter->responses->error_code :
						 -1;
	case DEED_CUT:
		return cut->topics_n == 1 && cut->topics->partitions_n == 1 ?
			       cut->topics->partitions->error_code :
			       -1;
	default:
		if (elect->error_code)
			return elect->error_code;
		return elect->replica_election_results_n == 1 &&
				       elect->replica_election_results
						       ->partition_result_n ==
					       1 ?
			       elect->replica_election_results
				       ->partition_result->error_code :
			       -1;
	}
}

static void on_told(void *ctx, const struct answer *a)
{
	struct admin *d = ctx;

	admin_told(d, a->body ? code_of(d, a) : 0, !a->body);
}

static void ask(struct admin *d, int node, enum api_key key, const void *body)
{
	caller_ask(&d->caller, &(struct caller_ask){ .node = node,
						     .key = (int16_t)key,
						     .body = body,
						     .then = on_told,
						     .ctx = d });
}

static int add_config(struct create_topics_request_config *v, int n,
		      const char *key, const char *value)
{
	wire_preset(&create_topics_request_config_type, &v[n]);
	v[n].name = str_of(key);
	v[n].value = str_of(value);
	return n + 1;
}

static void ask_create(struct admin *d)
{
	struct actors *a = d->a;
	const struct actor_topic *t = &a->topics[d->topic];
	struct create_topics_request rq;
	struct create_topics_request_topic q;
	struct create_topics_request_config v[4];
	char number[2][24];
	int n = 0;

	wire_preset(&create_topics_request_type, &rq);
	wire_preset(&create_topics_request_topic_type, &q);
	if (t->memory)
		n = add_config(v, n, "durability", "memory");
	snprintf(number[0], sizeof(number[0]), "%d", 10 + d->topic * 37);
	if (t->retention)
		n = add_config(v, n, "retention.messages", number[0]);
	snprintf(number[1], sizeof(number[1]), "%d", a->c.min_insync);
	if (a->c.min_insync)
		n = add_config(v, n, "min.insync.replicas", number[1]);
	q.name = str_of(t->name);
	q.num_partitions = t->partitions;
	q.replication_factor = (int16_t)min_of(world_nodes(a->w), 3);
	q.configs = v;
	q.configs_n = n;
	rq.topics = &q;
	rq.topics_n = 1;
	rq.timeout_ms = 3000;
	ask(d, caller_any(&d->caller), API_CREATE_TOPICS, &rq);
}

static void ask_delete(struct admin *d)
{
	struct delete_topics_request rq;
	struct delete_topics_request_topic q;
	struct str names[1] = { str_of(name(d)) };
	const struct actor_topic *t = &d->a->topics[d->topic];

	wire_preset(&delete_topics_request_type, &rq);
	wire_preset(&delete_topics_request_topic_type, &q);
	q.name = t->again ? STR_NULL : names[0];
	q.topic_id = t->id;
	rq.topics = &q;
	rq.topics_n = 1;
	rq.topic_names = names;
	rq.topic_names_n = 1;
	rq.timeout_ms = 3000;
	ask(d, caller_any(&d->caller), API_DELETE_TOPICS, &rq);
}

static void ask_extend(struct admin *d)
{
	struct create_partitions_request rq;
	struct create_partitions_request_topic q;

	wire_preset(&create_partitions_request_type, &rq);
	wire_preset(&create_partitions_request_topic_type, &q);
	q.name = str_of(name(d));
	q.count = (int32_t)d->number;
	q.assignments = NULL;
	q.assignments_n = -1;
	rq.topics = &q;
	rq.topics_n = 1;
	rq.timeout_ms = 3000;
	ask(d, caller_any(&d->caller), API_CREATE_PARTITIONS, &rq);
}

static void ask_alter(struct admin *d)
{
	struct incremental_alter_configs_request rq;
	struct incremental_alter_configs_request_resource q;
	struct incremental_alter_configs_request_config v;

	wire_preset(&incremental_alter_configs_request_type, &rq);
	wire_preset(&incremental_alter_configs_request_resource_type, &q);
	wire_preset(&incremental_alter_configs_request_config_type, &v);
	v.name = str_of(d->name);
	v.value = str_of(d->value);
	q.resource_type = 2; /* a topic */
	q.resource_name = str_of(name(d));
	q.configs = &v;
	q.configs_n = 1;
	rq.resources = &q;
	rq.resources_n = 1;
	ask(d, caller_any(&d->caller), API_INCREMENTAL_ALTER_CONFIGS, &rq);
}

static void ask_cut(struct admin *d)
{
	const struct place *at =
		caller_place(&d->caller, d->topic, d->partition);
	struct delete_records_request rq;
	struct delete_records_request_topic q;
	struct delete_records_request_partition p;

	if (!at && d->tries++ > LEADER_TRIES) {
		admin_told(d, K_LEADER_NOT_AVAILABLE, true);
		return;
	}
	if (!at) {
		cast_arm(d->a, &d->next, cast_backoff(d->a));
		return;
	}
	wire_preset(&delete_records_request_type, &rq);
	wire_preset(&delete_records_request_topic_type, &q);
	wire_preset(&delete_records_request_partition_type, &p);
	p.partition_index = d->partition;
	p.offset = d->number;
	q.name = str_of(name(d));
	q.partitions = &p;
	q.partitions_n = 1;
	rq.topics = &q;
	rq.topics_n = 1;
	rq.timeout_ms = 3000;
	ask(d, at->leader, API_DELETE_RECORDS, &rq);
}

static void ask_elect(struct admin *d)
{
	struct elect_leaders_request rq;
	struct elect_leaders_request_topic q;
	int32_t partition = d->partition;

	wire_preset(&elect_leaders_request_type, &rq);
	wire_preset(&elect_leaders_request_topic_type, &q);
	q.topic = str_of(name(d));
	q.partitions = &partition;
	q.partitions_n = 1;
	rq.topic_partitions = &q;
	rq.topic_partitions_n = 1;
	rq.timeout_ms = 3000;
	ask(d, caller_any(&d->caller), API_ELECT_LEADERS, &rq);
}

void admin_ask(struct admin *d)
{
	switch (d->deed) {
	case DEED_CREATE:
		ask_create(d);
		break;
	case DEED_DELETE:
		ask_delete(d);
		break;
	case DEED_EXTEND:
		ask_extend(d);
		break;
	case DEED_ALTER:
		ask_alter(d);
		break;
	case DEED_CUT:
		ask_cut(d);
		break;
	default:
		ask_elect(d);
	}
}
