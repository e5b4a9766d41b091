/* SPDX-License-Identifier: Apache-2.0 */
/* hints: see hints.h. */
#include "hints.h"

#include "shard.h"

#define NODES_MAX 64 /* more than that a client asks for metadata anyway */

bool hint_wanted(int16_t error)
{
	return error == K_NOT_LEADER_OR_FOLLOWER ||
	       error == K_FENCED_LEADER_EPOCH;
}

void hint_produce(struct broker *b, struct partition_id id,
		  struct produce_response_partition *out)
{
	if (hint_wanted(out->error_code))
		hosted_leader(b, id, &out->current_leader.leader_id,
			      &out->current_leader.leader_epoch);
}

struct nodes { /* named so far, each once */
	int32_t v[NODES_MAX];
	int n;
};

static void note(struct nodes *all, int32_t node)
{
	if (node < 0 || all->n == NODES_MAX)
		return;
	for (int i = 0; i < all->n; i++)
		if (all->v[i] == node)
			return;
	all->v[all->n++] = node;
}

/* The two responses call the same thing by two names. */
_Static_assert(sizeof(struct produce_response_node) ==
		       sizeof(struct fetch_response_node) &&
	       offsetof(struct produce_response_node, rack) ==
		       offsetof(struct fetch_response_node, rack) &&
	       offsetof(struct produce_response_node, port) ==
		       offsetof(struct fetch_response_node, port),
	       "nodes of Produce and Fetch differ");

static struct produce_response_node *addresses(struct broker *b,
					       struct request *rq,
					       const struct nodes *all,
					       int32_t *n)
{
	struct produce_response_node *v =
		arena_alloc(&rq->arena, (size_t)all->n * sizeof(*v));

	*n = 0;
	for (int i = 0; i < all->n; i++) {
		const struct broker_info *info =
			cluster_broker(b->cluster, all->v[i]);
		const struct broker_listener *at =
			broker_address(b, info, rq->listener);

		if (at)
			v[(*n)++] = (struct produce_response_node){
				all->v[i], str_of(at->host), at->port,
				str_of(info->rack) };
	}
	return v;
}

void hint_produce_nodes(struct broker *b, struct request *rq,
			struct produce_response *out)
{
	struct nodes all = { .n = 0 };

	for (int32_t i = 0; i < out->responses_n; i++) {
		struct produce_response_topic *t = &out->responses[i];

		for (int32_t k = 0; k < t->partition_responses_n; k++)
			note(&all, t->partition_responses[k]
					   .current_leader.leader_id);
	}
	if (all.n)
		out->node_endpoints =
			addresses(b, rq, &all, &out->node_endpoints_n);
}

void hint_fetch_nodes(struct broker *b, struct request *rq,
		      struct fetch_response *out)
{
	struct nodes all = { .n = 0 };

	for (int32_t i = 0; i < out->responses_n; i++) {
		struct fetch_response_topic *t = &out->responses[i];

		for (int32_t k = 0; k < t->partitions_n; k++)
			note(&all, t->partitions[k].current_leader.leader_id);
	}
	if (all.n)
		out->node_endpoints = (void *)addresses(
			b, rq, &all, &out->node_endpoints_n);
}
