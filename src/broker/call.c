/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to whoever leads the quorum: through its handler when that is
 * us, over the peer link else. Both ways the bytes are the same, so nothing
 * works alone and fails in a cluster.
 */
#include "call.h"
#include "control.h"

struct call {
	struct list link; /* control->calls */
	called_fn *done;  /* NULL: the broker has ended */
	void *ctx;
	struct broker *broker;
	const struct api *api;
	bool asked; /* of another node: the link will answer */
};

static void finish(struct call *c, const void *out, int error)
{
	list_remove(&c->link);
	c->done(c->broker, c->ctx, out, error);
	mem_free(c);
}

static void on_local(struct request *rq)
{
	finish(rq->on_answer_ctx, rq->out, 0);
	request_free(rq);
}

static void on_remote(struct ask *a, struct reader *r, int error)
{
	struct call *c = a->ctx;
	struct arena arena = { 0 };
	void *out = NULL;

	if (!c->done) {
		mem_free(c);
		buf_fini(&a->frame);
		mem_free(a);
		return;
	}
	if (!error) {
		out = arena_alloc(&arena, c->api->response->size);
		if (!wire_decode(r, c->api->response, a->version, out, &arena))
			error = -EBADMSG;
	}
	finish(c, error ? NULL : out, error);
	arena_fini(&arena);
	buf_fini(&a->frame);
	mem_free(a);
}

static void encode(struct buf *out, const struct api *api, const void *in)
{
	struct request_header h = { .key = api->key, .version = api->max,
				    .client_id = STR_NULL };
	size_t begin = frame_begin_request(out, &h);

	wire_encode(out, api->request, api->max, in, NULL);
	frame_end(out, begin, 0);
}

/* To ourselves: encoded and decoded, so that in may go. */
static void call_local(struct broker *b, struct call *c, const void *in)
{
	struct buf frame = { 0 };
	struct request *rq;
	struct reader r;

	wire_encode(&frame, c->api->request, c->api->max, in, NULL);
	rq = request_internal(b, c->api->key, on_local, c);
	rq->frame = frame.p;
	rq->frame_n = frame.n;
	rq->peer = b->node->id;
	r = reader_of(rq->frame, rq->frame_n);
	if (!wire_decode(&r, c->api->request, c->api->max, rq->in, &rq->arena))
		fatal("%s: what was encoded does not decode", c->api->name);
	broker_submit(b, rq);
}

void call_leader(struct broker *b, int16_t key, const void *in,
		 int64_t timeout_ms, struct callback then)
{
	int32_t leader = b->quorum.leader(b->quorum.ctx);
	struct call *c;
	struct ask *a;

	if (leader < 0) {
		then.done(b, then.ctx, NULL, -EAGAIN);
		return;
	}
	c = mem_zalloc(sizeof(*c));
	c->done = then.done;
	c->ctx = then.ctx;
	c->broker = b;
	c->api = api_find(key);
	assert(c->api && c->api->thread == ON_QUORUM);
	list_push(&b->control->calls, &c->link);
	if (leader == b->node->id) {
		call_local(b, c, in);
		return;
	}
	c->asked = true;
	a = mem_zalloc(sizeof(*a));
	a->node = leader;
	a->kind = ASK_CONTROL;
	a->key = key;
	a->version = c->api->max;
	a->deadline_ms = b->now_ms + timeout_ms;
	a->done = on_remote;
	a->broker = b;
	a->ctx = c;
	encode(&a->frame, c->api, in);
	b->out.ask(b->out.ctx, a);
}

void call_close(struct broker *b)
{
	struct list *l;

	while ((l = list_pop(&b->control->calls))) {
		struct call *c = list_entry(l, struct call, link);

		mem_free(c->ctx);
		c->done = NULL;
		if (!c->asked) /* its request is gone already */
			mem_free(c);
	}
}
