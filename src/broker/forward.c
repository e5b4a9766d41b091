/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward: requests that only the quorum leader can serve, on a node that is
 * not. KIP-590's Envelope, over the peer link.
 *
 *	control_here -> wait for a leader -> ask it -> (lost: wait again)
 *		     -> wait until what it had applied is applied here -> answer
 *
 * 1. Who was answered through this node sees the outcome on this node.
 * 2. A request whose answer was lost is asked again, as every Kafka client and
 *    broker does: creating twice fails the second time, by name.
 */
#include "control.h"

enum { RETRY_MS = 20, SPARE_MS = 100, ENVELOPE = 58 };

struct forward {
	struct list link; /* control->forwards, or ->behind */
	struct broker *broker;
	struct request *rq;
	struct timer timer; /* the next try; or the end of patience */
	int64_t deadline_ms;
	int64_t applied; /* the leader's; for behind */
	bool ours; /* the request is of this thread */
	bool asking;
	bool closed; /* the broker ended while we asked */
	late_fn *late;
};

static void finish(struct forward *f)
{
	struct request *rq = f->rq;
	struct broker *b = f->broker;

	wheel_disarm(&f->timer);
	list_remove(&f->link);
	mem_free(f);
	broker_answer(b, rq);
}

static void give_up(struct forward *f, int16_t error)
{
	f->late(f->rq, error);
	finish(f);
}

static void attempt(struct forward *f);

static void retry(struct forward *f)
{
	struct broker *b = f->broker;

	if (b->now_ms + RETRY_MS >= f->deadline_ms) {
		give_up(f, K_REQUEST_TIMED_OUT);
		return;
	}
	wheel_arm(b->wheel, &f->timer, b->now_ms + RETRY_MS);
}

static void on_timer(struct timer *t)
{
	struct forward *f = container_of(t, struct forward, timer);

	if (f->applied > 0) /* behind: the answer is there all the same */
		finish(f);
	else
		attempt(f);
}

/* ---- asking -------------------------------------------------------------- */

static bool take_answer(struct forward *f, struct reader *r, int16_t *error)
{
	struct arena *a = &f->rq->arena;
	struct envelope_response out;
	struct reader inner;
	int32_t correlation;

	if (!wire_decode(r, &envelope_response_type, 0, &out, a))
		return false;
	*error = out.error_code;
	if (out.error_code)
		return true;
	if (out.response_data.n < 0)
		return false;
	f->applied = out.applied;
	inner = reader_of(arena_dup(a, out.response_data.p,
				    (size_t)out.response_data.n),
			  (size_t)out.response_data.n);
	return frame_read_response(&inner, f->rq->header.key,
				   f->rq->header.version, &correlation) &&
	       wire_decode(&inner, f->rq->api->response,
			   f->rq->header.version, f->rq->out, a);
}

static void on_answer(struct ask *a, struct reader *r, int error)
{
	struct forward *f = a->ctx;
	int16_t refused = K_NONE;

	buf_fini(&a->frame);
	mem_free(a);
	if (f->closed) {
		mem_free(f);
		return;
	}
	f->asking = false;
	if (error || !take_answer(f, r, &refused) || refused) {
		f->applied = 0;
		retry(f);
		return;
	}
	if (f->broker->cluster->applied >= f->applied) {
		finish(f);
		return;
	}
	list_remove(&f->link);
	list_push(&f->broker->control->behind, &f->link);
	wheel_arm(f->broker->wheel, &f->timer,
		  max_of(f->deadline_ms, f->broker->now_ms + SPARE_MS));
}

static struct bytes inner_frame(struct buf *b, const struct request *rq)
{
	size_t begin = frame_begin_request(b, &rq->header);

	wire_encode(b, rq->api->request, rq->header.version, rq->in, NULL);
	return (struct bytes){ b->p + begin + 4, (int32_t)(b->n - begin - 4) };
}

static void encode(struct buf *out, const struct request *rq)
{
	struct request_header h = { .key = ENVELOPE, .client_id = STR_NULL };
	struct envelope_request m;
	struct buf inner = { 0 };
	size_t begin;

	wire_preset(&envelope_request_type, &m);
	m.request_data = inner_frame(&inner, rq);
	m.request_principal = BYTES_NULL;
	if (rq->host)
		m.client_host_address = (struct bytes){
			(const uint8_t *)rq->host, (int32_t)strlen(rq->host) };
	begin = frame_begin_request(out, &h);
	wire_encode(out, &envelope_request_type, 0, &m, NULL);
	frame_end(out, begin, 0);
	buf_fini(&inner);
}

static void ask(struct forward *f, int32_t leader)
{
	struct broker *b = f->broker;
	struct ask *a = mem_zalloc(sizeof(*a));

	list_init(&a->link);
	a->node = leader;
	a->kind = ASK_CONTROL;
	a->key = ENVELOPE;
	a->version = 0;
	a->deadline_ms = f->deadline_ms;
	a->done = on_answer;
	a->broker = b;
	a->ctx = f;
	encode(&a->frame, f->rq);
	f->asking = true;
	b->out.ask(b->out.ctx, a);
}

static void attempt(struct forward *f)
{
	struct broker *b = f->broker;
	int32_t leader = b->quorum.leader(b->quorum.ctx);

	wheel_disarm(&f->timer);
	if (b->control->active) {
		struct request *rq = f->rq;

		list_remove(&f->link);
		mem_free(f);
		rq->api->handle(b, rq);
	} else if (leader < 0 || leader == b->node->id) {
		retry(f); /* nobody leads, or we are not ready to */
	} else {
		ask(f, leader);
	}
}

bool control_here(struct broker *b, struct request *rq, int64_t timeout_ms,
		  late_fn *late)
{
	struct forward *f;

	if (b->control->active)
		return true;
	if (rq->peer >= 0 && rq->peer != b->node->id) {
		late(rq, K_NOT_CONTROLLER); /* the asker will find the leader */
		broker_answer(b, rq);
		return false;
	}
	f = mem_zalloc(sizeof(*f));
	f->broker = b;
	f->rq = rq;
	f->ours = rq->thread == b->thread;
	f->late = late;
	/* what is left of its time, if it had to wait here before */
	f->deadline_ms = max_of(rq->arrived_ms, 1) + max_of(timeout_ms, 1);
	timer_init(&f->timer, on_timer);
	list_push(&b->control->forwards, &f->link);
	attempt(f);
	return false;
}

void forward_caught_up(struct broker *b)
{
	list_each (l, &b->control->behind, next) {
		struct forward *f = list_entry(l, struct forward, link);

		if (b->cluster->applied >= f->applied)
			finish(f);
	}
}

void forward_look(struct broker *b)
{
	struct control *c = b->control;
	struct list now;

	if (!c->active && b->quorum.leader(b->quorum.ctx) < 0)
		return;
	list_init(&now);
	list_splice(&now, &c->forwards);
	for (struct list *l; (l = list_pop(&now));) {
		struct forward *f = list_entry(l, struct forward, link);

		list_push(&c->forwards, &f->link);
		if (!f->asking && timer_is_armed(&f->timer))
			attempt(f);
	}
}

void forward_close(struct broker *b)
{
	struct control *c = b->control;
	struct list *l;

	list_splice(&c->forwards, &c->behind);
	while ((l = list_pop(&c->forwards))) {
		struct forward *f = list_entry(l, struct forward, link);

		wheel_disarm(&f->timer);
		if (!f->ours) /* ours were in b->held */
			request_free(f->rq);
		f->closed = true;
		if (!f->asking)
			mem_free(f);
	}
}

/* ---- the leader's end ---------------------------------------------------- */

struct opened {
	struct broker *broker;
	struct request *outer;
};

static void on_inner_answer(struct request *rq)
{
	struct opened *o = rq->on_answer_ctx;
	struct request *outer = o->outer;
	struct envelope_response *out = outer->out;
	struct buf b = { 0 };
	size_t begin;

	begin = frame_begin_response(&b, rq->header.key, rq->header.version,
				     rq->header.correlation_id);
	wire_encode(&b, rq->api->response, rq->header.version, rq->out, NULL);
	begin += 4; /* the size is the envelope's business */
	out->response_data.n = (int32_t)(b.n - begin);
	out->response_data.p = arena_dup(&outer->arena, b.p + begin,
					 b.n - begin);
	out->applied = o->broker->cluster->applied;
	buf_fini(&b);
	request_free(rq);
	broker_answer(o->broker, outer);
}

static bool open_inner(struct broker *b, struct request *rq)
{
	const struct request *outer =
		((struct opened *)rq->on_answer_ctx)->outer;
	const struct envelope_request *in = outer->in;
	struct reader r = reader_of(rq->frame, rq->frame_n);

	if (!frame_read_request(&r, &rq->header))
		return false;
	rq->api = api_find(rq->header.key);
	if (!rq->api || rq->api->thread != ON_QUORUM || rq->api->peer_only ||
	    rq->header.version < rq->api->min ||
	    rq->header.version > rq->api->max ||
	    rq->header.version < rq->api->request->min)
		return false;
	rq->host = str_c(&rq->arena, (struct str){
		(const char *)in->client_host_address.p,
		in->client_host_address.n });
	rq->thread = b->thread;
	rq->arrived_ms = b->now_ms;
	rq->in = arena_alloc(&rq->arena, rq->api->request->size);
	return wire_decode(&r, rq->api->request, rq->header.version, rq->in,
			   &rq->arena);
}

void handle_envelope(struct broker *b, struct request *outer)
{
	const struct envelope_request *in = outer->in;
	struct envelope_response *out = outer->out;
	struct opened *o = arena_alloc(&outer->arena, sizeof(*o));
	struct request *rq;

	if (!b->control->active) {
		out->error_code = K_NOT_CONTROLLER;
		broker_answer(b, outer);
		return;
	}
	*o = (struct opened){ b, outer };
	rq = request_new(mem_dup(in->request_data.p,
				 (size_t)max_of(in->request_data.n, 0)),
			 (size_t)max_of(in->request_data.n, 0));
	rq->on_answer = on_inner_answer;
	rq->on_answer_ctx = o;
	if (!open_inner(b, rq)) {
		request_free(rq);
		out->error_code = K_INVALID_REQUEST;
		broker_answer(b, outer);
		return;
	}
	broker_submit(b, rq);
}
