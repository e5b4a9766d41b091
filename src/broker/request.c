/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: how one begins and ends. Its way in between is dispatch.c's.
 */
#include "inside.h"

struct request *request_new(uint8_t *frame, size_t frame_n)
{
	struct request *rq = mem_zalloc(sizeof(*rq));

	list_init(&rq->link);
	list_init(&rq->letter.link);
	list_init(&rq->owned);
	list_init(&rq->held);
	arena_init(&rq->arena);
	timer_init(&rq->timer, NULL);
	rq->frame = frame;
	rq->frame_n = frame_n;
	rq->peer = -1;
	return rq;
}

struct request *request_internal(struct broker *b, int16_t key,
				 void (*on_answer)(struct request *rq),
				 void *ctx)
{
	struct request *rq = request_new(NULL, 0);

	rq->api = api_find(key);
	assert(rq->api);
	rq->header = (struct request_header){ key, rq->api->max, 0, STR_NULL };
	rq->thread = b->thread;
	rq->arrived_ms = b->now_ms;
	rq->on_answer = on_answer;
	rq->on_answer_ctx = ctx;
	rq->in = arena_alloc(&rq->arena, rq->api->request->size);
	wire_preset(rq->api->request, rq->in);
	return rq;
}

void request_own(struct request *rq, struct owned *o)
{
	list_push(&rq->owned, &o->link);
}

void request_free(struct request *rq)
{
	struct list *l;

	wheel_disarm(&rq->timer);
	list_remove(&rq->held);
	while ((l = list_pop(&rq->owned))) {
		struct owned *o = list_entry(l, struct owned, link);

		o->drop(o);
	}
	buf_fini(&rq->answer);
	splices_fini(&rq->splices);
	arena_fini(&rq->arena);
	mem_free(rq->frame);
	mem_free(rq);
}
