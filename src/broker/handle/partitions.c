/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions: DescribeTopicPartitions (page by page, with the eligible leader
 * replicas of KIP-966) and ElectLeaders (KIP-183, 460).
 */
#include <stdlib.h>

#include "control.h"

/* ---- DescribeTopicPartitions --------------------------------------------- */

/* What may be done to a topic when nothing is forbidden: a bit for each of
 * Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs
 * (KIP-430). */
enum { ALL_OPERATIONS = 0xdf8 };

struct page {
	struct broker *broker;
	struct request *rq;
	struct describe_topic_partitions_response *out;
	int32_t room;  /* partitions left on this page */
	int32_t first; /* partition to begin with, in the first topic */
	bool full;
};

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names in order and each once, so that a cursor means something. */
static int32_t names_of(struct broker *b, struct request *rq,
			struct str **names)
{
	const struct describe_topic_partitions_request *in = rq->in;
	size_t all = map_count(&b->cluster->topics);
	int32_t n = 0, once = 0;

	*names = arena_alloc(&rq->arena, sizeof(**names) *
			     (max_of(all, (size_t)in->topics_n) + 1));
	for (int32_t i = 0; i < in->topics_n; i++)
		(*names)[n++] = in->topics[i].name;
	if (in->topics_n == 0)
		for (struct map_iter i = map_first(&b->cluster->topics); i.at;
		     map_next(&i))
			(*names)[n++] = (struct str){ i.key,
						      (int32_t)i.key_n };
	if (n > 1)
		qsort(*names, (size_t)n, sizeof(**names), by_name);
	for (int32_t i = 0; i < n; i++)
		if (once == 0 || !str_eq((*names)[once - 1], (*names)[i]))
			(*names)[once++] = (*names)[i];
	return once;
}

static void copy_list(struct arena *a, const struct int32s *l, int32_t *n,
		      int32_t **v)
{
	*n = l->n;
	*v = l->n ? arena_dup(a, l->v, (size_t)l->n * sizeof(**v)) : NULL;
}

static void list_offline(struct page *g, const struct partition *p,
			 struct describe_topic_partitions_response_partition
				 *out)
{
	out->offline_replicas =
		arena_alloc(&g->rq->arena, (size_t)p->replicas.n *
					   sizeof(*out->offline_replicas));
	for (int32_t i = 0; i < p->replicas.n; i++) {
		const struct broker_info *info = cluster_broker(
			g->broker->cluster, p->replicas.v[i]);

		if (!info || info->fenced)
			out->offline_replicas[out->offline_replicas_n++] =
				p->replicas.v[i];
	}
}

static void show_partition(struct page *g, const struct partition *p,
			   struct describe_topic_partitions_response_partition
				   *out)
{
	struct arena *a = &g->rq->arena;

	out->error_code = p->leader < 0 ? K_LEADER_NOT_AVAILABLE : K_NONE;
	out->partition_index = p->index;
	out->leader_id = p->leader;
	out->leader_epoch = p->leader_epoch;
	copy_list(a, &p->replicas, &out->replica_nodes_n, &out->replica_nodes);
	copy_list(a, &p->isr, &out->isr_nodes_n, &out->isr_nodes);
	copy_list(a, &p->elr, &out->eligible_leader_replicas_n,
		  &out->eligible_leader_replicas);
	out->last_known_elr_n = p->last_known_leader >= 0;
	if (p->last_known_leader >= 0)
		out->last_known_elr = arena_dup(a, &p->last_known_leader,
						sizeof(int32_t));
	list_offline(g, p, out);
}

static void set_cursor(struct page *g, struct str topic, int32_t partition)
{
	g->out->next_cursor =
		wire_new(&describe_topic_partitions_response_cursor_type, 1,
			 &g->rq->arena);
	g->out->next_cursor->topic_name = str_dup(&g->rq->arena, topic);
	g->out->next_cursor->partition_index = partition;
	g->full = true;
}

static void show_topic(struct page *g, struct str name)
{
	const struct topic *t = cluster_topic(g->broker->cluster, name);
	struct describe_topic_partitions_response_topic *out =
		&g->out->topics[g->out->topics_n++];
	int32_t first = g->first, n;

	g->first = 0;
	out->name = str_dup(&g->rq->arena, name);
	if (!t) {
		out->error_code = topic_name_fault(name) ?
			K_INVALID_TOPIC_EXCEPTION :
			K_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	out->topic_id = t->id;
	out->is_internal = t->internal;
	out->topic_authorized_operations = ALL_OPERATIONS;
	n = min_of(max_of(t->partitions_n - first, 0), g->room);
	out->partitions =
		wire_new(&describe_topic_partitions_response_partition_type, n,
			 &g->rq->arena);
	out->partitions_n = n;
	for (int32_t i = 0; i < n; i++)
		show_partition(g, &t->partitions[first + i],
			       &out->partitions[i]);
	g->room -= n;
	if (first + n < t->partitions_n)
		set_cursor(g, name, first + n);
}

/* The cursor points nowhere: what was named is told so. */
static void refuse_page(struct page *g)
{
	const struct describe_topic_partitions_request *in = g->rq->in;

	g->out->topics =
		wire_new(&describe_topic_partitions_response_topic_type,
			 in->topics_n, &g->rq->arena);
	g->out->topics_n = in->topics_n;
	for (int32_t i = 0; i < in->topics_n; i++) {
		g->out->topics[i].name = in->topics[i].name;
		g->out->topics[i].error_code = K_INVALID_REQUEST;
	}
	broker_answer(g->broker, g->rq);
}

void handle_describe_topic_partitions(struct broker *b, struct request *rq)
{
	const struct describe_topic_partitions_request *in = rq->in;
	struct page g = { .broker = b, .rq = rq, .out = rq->out };
	struct str *names;
	int32_t n = names_of(b, rq, &names), i = 0;

	g.room = (int32_t)min_of(in->response_partition_limit, broker_number(
		b, SETTING_MAX_REQUEST_PARTITION_SIZE_LIMIT));
	g.room = max_of(g.room, 1);
	if (in->cursor && in->cursor->partition_index < 0) {
		refuse_page(&g);
		return;
	}
	if (in->cursor) {
		while (i < n && str_cmp(names[i], in->cursor->topic_name) < 0)
			i++;
		if (i < n && str_eq(names[i], in->cursor->topic_name))
			g.first = in->cursor->partition_index;
	}
	g.out->topics = wire_new(&describe_topic_partitions_response_topic_type,
				 n - i, &rq->arena);
	for (; i < n && !g.full; i++) {
		if (g.room == 0)
			set_cursor(&g, names[i], 0);
		else
			show_topic(&g, names[i]);
	}
	broker_answer(b, rq);
}

/* ---- ElectLeaders -------------------------------------------------------- */

/* Version 0 has no room for an error of all: each partition tells it. */
static void elect_late(struct request *rq, int16_t error)
{
	const struct elect_leaders_request *in = rq->in;
	struct elect_leaders_response *out = rq->out;
	int32_t n = max_of(in->topic_partitions_n, 0);

	out->error_code = error;
	out->replica_election_results_n = n;
	out->replica_election_results =
		wire_new(&elect_leaders_response_topic_type, n, &rq->arena);
	for (int32_t i = 0; i < n; i++) {
		const struct elect_leaders_request_topic *t =
			&in->topic_partitions[i];
		struct elect_leaders_response_topic *r =
			&out->replica_election_results[i];

		r->topic = t->topic;
		r->partition_result_n = t->partitions_n;
		r->partition_result =
			wire_new(&elect_leaders_response_partition_type,
				 t->partitions_n, &rq->arena);
		for (int32_t k = 0; k < t->partitions_n; k++) {
			r->partition_result[k].partition_id = t->partitions[k];
			r->partition_result[k].error_code = error;
		}
	}
}

static void elected(struct broker *b, struct request *rq, void *result)
{
	(void)b;
	rq->out = result;
}

/*
 * Kafka cannot say who shall lead the quorum. Here __cluster_metadata, whose
 * only partition there is 0, stands for the quorum and a partition of it for a
 * member: to elect 2 is to have node 2 lead it. Asked of the quorum leader,
 * which hands over (Raft's leadership transfer) when that member is caught up.
 */
static int16_t hand_over(struct broker *b, int32_t to)
{
	if (to == b->node->id)
		return K_ELECTION_NOT_NEEDED;
	switch (b->quorum.transfer(b->quorum.ctx, to)) {
	case 0:
		return K_NONE;
	case -ENOENT:
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	default:
		return K_PREFERRED_LEADER_NOT_AVAILABLE;
	}
}

static void elect_quorum_leader(struct broker *b, struct request *rq,
				const struct elect_leaders_request_topic *in)
{
	struct elect_leaders_response *out = rq->out;
	struct elect_leaders_response_topic *t =
		wire_new(&elect_leaders_response_topic_type, 1, &rq->arena);

	t->topic = in->topic;
	t->partition_result = wire_new(&elect_leaders_response_partition_type,
				       1, &rq->arena);
	t->partition_result_n = 1;
	t->partition_result->partition_id = in->partitions[0];
	t->partition_result->error_code = hand_over(b, in->partitions[0]);
	if (t->partition_result->error_code)
		t->partition_result->error_message =
			str_of(kerr_text(t->partition_result->error_code));
	out->replica_election_results = t;
	out->replica_election_results_n = 1;
	broker_answer(b, rq);
}

void handle_elect_leaders(struct broker *b, struct request *rq)
{
	const struct elect_leaders_request *in = rq->in;
	struct elect_leaders_command m = { .type = in->election_type,
					   .topics_n = in->topic_partitions_n };

	if (!control_here(b, rq, in->timeout_ms, elect_late))
		return;
	if (m.topics_n == 1 && in->topic_partitions[0].partitions_n == 1 &&
	    str_eq_c(in->topic_partitions[0].topic, "__cluster_metadata")) {
		elect_quorum_leader(b, rq, in->topic_partitions);
		return;
	}
	m.topics = arena_alloc(&rq->arena, (size_t)max_of(m.topics_n, 1) *
					   sizeof(*m.topics));
	for (int32_t i = 0; i < m.topics_n; i++)
		m.topics[i] = (struct elect_leaders_command_topic){
			in->topic_partitions[i].topic,
			in->topic_partitions[i].partitions_n,
			in->topic_partitions[i].partitions };
	control_admit(b, rq, &(struct admission){
		&elect_leaders_command_type, &m, in->timeout_ms, elected,
		elect_late });
}
