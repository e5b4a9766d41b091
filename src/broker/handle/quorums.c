/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quorums: DescribeQuorum, by the name that Kafka's tools ask for: the agreed
 * log looks like partition 0 of __cluster_metadata. KIP-595, 836, 853.
 */
#include "control.h"

enum { TIMEOUT_MS = 5000, MEMBERS_MAX = 256 };
#define METADATA_TOPIC "__cluster_metadata"

static void describe_late(struct request *rq, int16_t error)
{
	struct describe_quorum_response *out = rq->out;

	out->error_code = error;
	out->error_message = str_of(kerr_text(error));
}

static void show_member(const struct broker *b,
			const struct quorum_view_member *m,
			struct describe_quorum_response_replica *out)
{
	int64_t wall_ms = -1;

	if (m->last_heard_ms >= 0)
		wall_ms = b->wall_ms - (b->now_ms - m->last_heard_ms);
	if (m->id == b->node->id)
		wall_ms = b->wall_ms;
	out->replica_id = m->id;
	out->log_end_offset = m->match_index;
	out->last_fetch_timestamp = wall_ms;
	out->last_caught_up_timestamp = wall_ms;
}

static void show_members(struct broker *b, struct arena *a,
			 struct describe_quorum_response_partition *out)
{
	struct quorum_view_member v[MEMBERS_MAX];
	int n = b->quorum.members(b->quorum.ctx, v, MEMBERS_MAX);

	n = min_of(n, (int)MEMBERS_MAX);
	out->current_voters =
		wire_new(&describe_quorum_response_replica_type, n, a);
	out->observers = wire_new(&describe_quorum_response_replica_type, n,
				  a);
	for (int i = 0; i < n; i++)
		show_member(b, &v[i], v[i].voter ?
			    &out->current_voters[out->current_voters_n++] :
			    &out->observers[out->observers_n++]);
}

static void show_nodes(const struct broker *b, struct arena *a,
		       struct describe_quorum_response *out)
{
	out->nodes = wire_new(&describe_quorum_response_node_type,
			      (int32_t)map_count(&b->cluster->brokers), a);
	for (struct map_iter i = map_first(&b->cluster->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *info = i.value;
		struct describe_quorum_response_node *n =
			&out->nodes[out->nodes_n++];

		n->node_id = info->id;
		n->listeners =
			wire_new(&describe_quorum_response_listener_type, 1, a);
		n->listeners_n = 1;
		n->listeners[0].name = STR(PEER_LISTENER);
		n->listeners[0].host = str_of(info->peer_host);
		n->listeners[0].port = (uint16_t)info->peer_port;
	}
}

/* That partition and no other: a request may name it a million times. */
static bool is_the_quorum(const struct describe_quorum_request *in)
{
	return in->topics_n == 1 && in->topics[0].partitions_n == 1 &&
	       str_eq_c(in->topics[0].topic_name, METADATA_TOPIC) &&
	       in->topics[0].partitions[0].partition_index == 0;
}

static void show_partition(struct broker *b, struct arena *a, bool known,
			   struct describe_quorum_response_partition *out)
{
	out->leader_id = -1;
	out->leader_epoch = -1;
	out->high_watermark = -1;
	if (!known) {
		out->error_code = K_UNKNOWN_TOPIC_OR_PARTITION;
		out->error_message = str_of(kerr_text(out->error_code));
		return;
	}
	out->leader_id = b->node->id;
	out->leader_epoch = (int32_t)b->quorum.term(b->quorum.ctx);
	out->high_watermark = b->quorum.commit_index(b->quorum.ctx);
	show_members(b, a, out);
}

void handle_describe_quorum(struct broker *b, struct request *rq)
{
	const struct describe_quorum_request *in = rq->in;
	struct describe_quorum_response *out = rq->out;
	struct arena *a = &rq->arena;

	if (!control_here(b, rq, TIMEOUT_MS, describe_late))
		return;
	out->topics_n = in->topics_n;
	out->topics = wire_new(&describe_quorum_response_topic_type,
			       in->topics_n, a);
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct describe_quorum_request_topic *t = &in->topics[i];
		struct describe_quorum_response_topic *r = &out->topics[i];

		r->topic_name = t->topic_name;
		r->partitions_n = t->partitions_n;
		r->partitions =
			wire_new(&describe_quorum_response_partition_type,
				 t->partitions_n, a);
		for (int32_t k = 0; k < t->partitions_n; k++) {
			r->partitions[k].partition_index =
				t->partitions[k].partition_index;
			show_partition(b, a, is_the_quorum(in),
				       &r->partitions[k]);
		}
	}
	show_nodes(b, a, out);
	broker_answer(b, rq);
}
