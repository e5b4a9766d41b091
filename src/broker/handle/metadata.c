/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata (KIP-392, 430, 516, 1102): brokers, topics, who leads. From this
 * shard's copy of the cluster, which may be a moment behind but never wrong:
 * leader epochs are those that were agreed.
 *
 * A topic that does not exist is created first, when client and settings say
 * so; then the request is answered, so that the client need not ask twice.
 *
 * 1. A broker that has not caught up since its start answers nothing: clients
 *    would take topics that it does not know yet for gone.
 */
#include "inside.h"

#define CREATE_TOPICS 19
#define CREATE_TIMEOUT_MS 5000
/* all operations on a topic, on the cluster, as bits of Kafka's AclOperation */
#define TOPIC_OPERATIONS 0xdf8
#define CLUSTER_OPERATIONS 0x1fa0

struct asked { /* rq->state */
	struct broker *b;
	struct request *rq;
	int16_t *errors; /* by topic of the request, of creating it */
};

/* ---- the answer ---------------------------------------------------------- */

static bool is_alive(const struct broker *b, const struct request *rq,
		     int32_t node)
{
	return broker_address(b, cluster_broker(b->cluster, node),
			      rq->listener) != NULL;
}

static void list_brokers(const struct broker *b, struct request *rq)
{
	struct metadata_response *out = rq->out;
	size_t n = map_count(&b->cluster->brokers);

	out->brokers = arena_alloc(&rq->arena, n * sizeof(*out->brokers));
	for (struct map_iter i = map_first(&b->cluster->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *info = i.value;
		const struct broker_listener *at =
			broker_address(b, info, rq->listener);

		if (at)
			out->brokers[out->brokers_n++] =
				(struct metadata_response_broker){
					info->id, str_of(at->host), at->port,
					str_of(info->rack) };
	}
}

static enum kerr no_leader(const struct broker *b, const struct request *rq,
			   int32_t leader)
{
	const struct broker_info *info = cluster_broker(b->cluster, leader);

	if (!info || info->fenced || rq->header.version < 6)
		return K_LEADER_NOT_AVAILABLE;
	return K_LISTENER_NOT_FOUND;
}

static void list_partition(const struct broker *b, struct request *rq,
			   const struct partition *p,
			   struct metadata_response_partition *out)
{
	wire_preset(&metadata_response_partition_type, out);
	out->partition_index = p->index;
	out->leader_epoch = p->leader_epoch;
	out->leader_id = p->leader;
	if (!is_alive(b, rq, p->leader)) {
		out->error_code = (int16_t)no_leader(b, rq, p->leader);
		out->leader_id = -1;
	}
	out->replica_nodes = p->replicas.v;
	out->replica_nodes_n = p->replicas.n;
	out->isr_nodes = p->isr.v;
	out->isr_nodes_n = p->isr.n;
	for (int32_t i = 0; i < p->replicas.n; i++) {
		if (is_alive(b, rq, p->replicas.v[i]))
			continue;
		if (!out->offline_replicas_n)
			out->offline_replicas = arena_alloc(
				&rq->arena, (size_t)p->replicas.n *
						    sizeof(int32_t));
		out->offline_replicas[out->offline_replicas_n++] =
			p->replicas.v[i];
	}
}

static void list_topic(const struct broker *b, struct request *rq,
		       const struct topic *t)
{
	const struct metadata_request *in = rq->in;
	struct metadata_response *all = rq->out;
	struct metadata_response_topic *out = &all->topics[all->topics_n++];

	wire_preset(&metadata_response_topic_type, out);
	out->name = str_of(t->name);
	out->topic_id = t->id;
	out->is_internal = t->internal;
	out->partitions_n = t->partitions_n;
	out->partitions = arena_alloc(&rq->arena,
				      (size_t)t->partitions_n *
					      sizeof(*out->partitions));
	if (in->include_topic_authorized_operations)
		out->topic_authorized_operations = TOPIC_OPERATIONS;
	for (int32_t i = 0; i < t->partitions_n; i++)
		list_partition(b, rq, &t->partitions[i], &out->partitions[i]);
}

static void list_fault(struct request *rq, struct str name, struct uuid id,
		       enum kerr error)
{
	struct metadata_response *all = rq->out;
	struct metadata_response_topic *out = &all->topics[all->topics_n++];

	wire_preset(&metadata_response_topic_type, out);
	out->error_code = (int16_t)error;
	out->name = name.n < 0 && rq->header.version < 12 ? STR("") : name;
	out->topic_id = id;
}

/* Before version 12 a topic is asked for by name and by nothing else. */
static bool is_malformed(const struct request *rq,
			 const struct metadata_request_topic *in)
{
	if (rq->header.version >= 12)
		return in->name.n < 0 && uuid_is_zero(in->topic_id);
	return in->name.n < 0 || !uuid_is_zero(in->topic_id);
}

/* A topic once, however often it is named: a few bytes that name one of many
 * partitions cost a megabyte of answer. */
static void list_once(const struct broker *b, struct request *rq,
		      const struct topic *t, struct map *seen)
{
	if (map_find(seen, t->id.b, sizeof(t->id.b)))
		return;
	map_put(seen, t->id.b, sizeof(t->id.b), seen);
	list_topic(b, rq, t);
}

static void list_asked(const struct broker *b, struct request *rq, int32_t i,
		       struct map *seen)
{
	const struct metadata_request *in = rq->in;
	const struct metadata_request_topic *want = &in->topics[i];
	const struct asked *a = rq->state;
	const struct topic *t;

	if (is_malformed(rq, want)) {
		list_fault(rq, want->name, want->topic_id, K_INVALID_REQUEST);
		return;
	}
	t = want->name.n < 0 ? cluster_topic_by_id(b->cluster, want->topic_id) :
			       cluster_topic(b->cluster, want->name);
	if (t)
		list_once(b, rq, t, seen);
	else if (want->name.n < 0)
		list_fault(rq, want->name, want->topic_id, K_UNKNOWN_TOPIC_ID);
	else if (topic_name_fault(want->name))
		list_fault(rq, want->name, want->topic_id,
			   K_INVALID_TOPIC_EXCEPTION);
	else
		list_fault(rq, want->name, want->topic_id,
			   a && a->errors[i] ? (enum kerr)a->errors[i] :
					       K_UNKNOWN_TOPIC_OR_PARTITION);
}

static bool asks_for_all(const struct request *rq)
{
	const struct metadata_request *in = rq->in;

	return in->topics_n < 0 ||
	       (in->topics_n == 0 && rq->header.version == 0);
}

static void finish(struct broker *b, struct request *rq)
{
	const struct metadata_request *in = rq->in;
	struct metadata_response *out = rq->out;
	size_t n = asks_for_all(rq) ? map_count(&b->cluster->topics) :
				      (size_t)in->topics_n;
	char *id = arena_alloc(&rq->arena, UUID_TEXT_MAX);
	struct map seen = { 0 };

	uuid_text(b->cluster->id, id);
	out->cluster_id = str_of(id);
	out->controller_id = broker_controller(b);
	if (in->include_cluster_authorized_operations)
		out->cluster_authorized_operations = CLUSTER_OPERATIONS;
	list_brokers(b, rq);
	out->topics = arena_alloc(&rq->arena, n * sizeof(*out->topics));
	if (asks_for_all(rq))
		for (struct map_iter i = map_first(&b->cluster->topics); i.at;
		     map_next(&i))
			list_topic(b, rq, i.value);
	else
		for (int32_t i = 0; i < in->topics_n; i++)
			list_asked(b, rq, i, &seen);
	map_fini(&seen);
	broker_answer(b, rq);
}

/* ---- creating what is missing -------------------------------------------- */

static bool is_missing(const struct broker *b, const struct request *rq,
		       const struct metadata_request_topic *in)
{
	return in->name.n >= 0 && !is_malformed(rq, in) &&
	       !cluster_topic(b->cluster, in->name) &&
	       !topic_name_fault(in->name);
}

static bool may_create(const struct broker *b, const struct request *rq)
{
	const struct metadata_request *in = rq->in;

	if (asks_for_all(rq) || !api_find(CREATE_TOPICS) ||
	    (rq->header.version >= 4 && !in->allow_auto_topic_creation))
		return false;
	return setting_bool(setting_of_broker(
		b->cluster, b->node->settings, b->node->id,
		SETTING_AUTO_CREATE_TOPICS_ENABLE));
}

/* One that another request created meanwhile exists; one that was created and
 * has not reached our copy yet has no leader yet, as far as we can tell. */
static int16_t error_of(const struct map *created, struct str name)
{
	const struct create_topics_response_topic *t =
		map_find_str(created, name);

	if (!t)
		return K_NONE;
	return !t->error_code || t->error_code == K_TOPIC_ALREADY_EXISTS ?
		K_LEADER_NOT_AVAILABLE : t->error_code;
}

static void on_created(struct request *creation)
{
	struct asked *a = creation->on_answer_ctx;
	const struct metadata_request *in = a->rq->in;
	const struct create_topics_response *out = creation->out;
	struct map created = { 0 };

	for (int32_t i = 0; i < out->topics_n; i++)
		map_put_str(&created, out->topics[i].name, &out->topics[i]);
	for (int32_t i = 0; i < in->topics_n; i++)
		if (in->topics[i].name.n >= 0)
			a->errors[i] = error_of(&created, in->topics[i].name);
	map_fini(&created);
	finish(a->b, a->rq);
	request_free(creation);
}

static void create(struct broker *b, struct request *rq, int32_t missing)
{
	const struct metadata_request *in = rq->in;
	struct asked *a = arena_zalloc(&rq->arena, sizeof(*a));
	struct request *creation =
		request_internal(b, CREATE_TOPICS, on_created, a);
	struct create_topics_request *c = creation->in;
	struct map seen = { 0 };

	a->b = b;
	a->rq = rq;
	a->errors = arena_zalloc(&rq->arena,
				 (size_t)in->topics_n * sizeof(*a->errors));
	rq->state = a;
	c->timeout_ms = CREATE_TIMEOUT_MS;
	c->topics = arena_alloc(&creation->arena,
				(size_t)missing * sizeof(*c->topics));
	for (int32_t i = 0; i < in->topics_n; i++) {
		struct create_topics_request_topic *t =
			&c->topics[c->topics_n];

		if (!is_missing(b, rq, &in->topics[i]) ||
		    map_find_str(&seen, in->topics[i].name))
			continue;
		map_put_str(&seen, in->topics[i].name, a);
		c->topics_n++;
		wire_preset(&create_topics_request_topic_type, t);
		t->name = str_dup(&creation->arena, in->topics[i].name);
		t->num_partitions = -1;
		t->replication_factor = -1;
	}
	map_fini(&seen);
	broker_submit(b, creation);
}

void handle_metadata(struct broker *b, struct request *rq)
{
	const struct metadata_request *in = rq->in;
	int32_t missing = 0;

	if (b->lease_until_ms == 0) {
		broker_refuse(b, rq, "asked for metadata before it is ready");
		return;
	}
	if (may_create(b, rq))
		for (int32_t i = 0; i < in->topics_n; i++)
			missing += is_missing(b, rq, &in->topics[i]);
	if (missing)
		create(b, rq, missing);
	else
		finish(b, rq);
}
