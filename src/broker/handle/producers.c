/* SPDX-License-Identifier: Apache-2.0 */
/*
 * InitProducerId and AllocateProducerIds: identities for idempotent producers
 * (KIP-98, KIP-360). Every broker hands ids out of a block of its own, which
 * it gets from the agreed log through the quorum leader.
 *
 * 1. An id is handed out once in the life of the cluster: a block that was
 *    lost on its way is never used.
 */
#include "call.h"
#include "coordinator.h"

#define BLOCK_SIZE 1000
#define ASK_TIMEOUT_MS 5000
#define ALLOCATE_PRODUCER_IDS 67

/* ---- AllocateProducerIds: at the quorum leader, for another broker ------- */

static void on_allocated(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;
	struct allocate_producer_ids_response *out = rq->out;
	const struct producer_ids_allocated *r =
		p->error ? NULL : p->coord->result;

	if (!r) {
		out->error_code = K_NOT_CONTROLLER;
	} else {
		out->producer_id_start = r->base;
		out->producer_id_len = r->count;
	}
	broker_answer(b, rq);
}

void handle_allocate_producer_ids(struct broker *b, struct request *rq)
{
	const struct producer_ids_allocate c = { .count = BLOCK_SIZE };

	propose_coord(b, &producer_ids_allocate_type, &c, on_allocated, rq);
}

/* ---- InitProducerId ------------------------------------------------------ */

static void answer(struct broker *b, struct request *rq, enum kerr error)
{
	struct coordinator *c = b->coordinator;
	struct init_producer_id_response *out = rq->out;

	out->error_code = (int16_t)error;
	out->producer_id = error ? -1 : c->next_id++;
	out->producer_epoch = error ? -1 : 0;
	broker_answer(b, rq);
}

static void serve_waiters(struct broker *b, enum kerr error)
{
	struct coordinator *c = b->coordinator;

	while (!list_empty(&c->id_waiters) &&
	       (error || c->next_id < c->end_id)) {
		struct list *l = c->id_waiters.next;

		list_remove(l);
		answer(b, list_entry(l, struct request, link), error);
	}
}

static void ask_for_ids(struct broker *b);

static void on_ids(struct broker *b, void *ctx, const void *response, int error)
{
	const struct allocate_producer_ids_response *r = response;
	struct coordinator *c = b->coordinator;

	(void)ctx;
	c->asking_ids = false;
	if (error || r->error_code) {
		/* of the errors that can be tried again the one that sends no
		 * client to a coordinator of transactions */
		serve_waiters(b, K_COORDINATOR_LOAD_IN_PROGRESS);
		return;
	}
	c->next_id = r->producer_id_start;
	c->end_id = r->producer_id_start + r->producer_id_len;
	serve_waiters(b, K_NONE);
	if (!list_empty(&c->id_waiters))
		ask_for_ids(b);
}

static void ask_for_ids(struct broker *b)
{
	struct allocate_producer_ids_request in = {
		.broker_id = b->node->id,
		.broker_epoch = cluster_broker_epoch(b->cluster, b->node->id),
	};

	if (b->coordinator->asking_ids)
		return;
	b->coordinator->asking_ids = true;
	call_leader(b, ALLOCATE_PRODUCER_IDS, &in, ASK_TIMEOUT_MS,
		    (struct callback){ on_ids, NULL });
}

void handle_init_producer_id(struct broker *b, struct request *rq)
{
	const struct init_producer_id_request *in = rq->in;
	struct coordinator *c = b->coordinator;

	if (in->transactional_id.n >= 0 ||
	    (in->producer_id < 0) != (in->producer_epoch < 0)) {
		answer(b, rq, K_INVALID_REQUEST);
		return;
	}
	if (c->next_id < c->end_id) {
		answer(b, rq, K_NONE);
		return;
	}
	list_push(&c->id_waiters, &rq->link);
	ask_for_ids(b);
}
