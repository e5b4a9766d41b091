/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch: a request's way from its frame to its handler, and its answer's
 * way back to the connection. The table of APIs is tbl/api.def.
 *
 * 1. What nobody can answer (an unknown API or version, a malformed body)
 *    closes the connection and leaves one line in the log. ApiVersions is the
 *    exception: a client must be able to ask without knowing (KIP-511).
 * 2. A handler finds rq->in decoded and rq->out preset, and answers once.
 * 3. A request is decoded on the thread of its connection, handled on the one
 *    that api.def names, encoded where it is answered.
 */
#include "inside.h"

#define API_VERSIONS 18
#define REFUSED_SAID 10

static const struct api apis[API_KEYS] = {
#define API(key, name, snake, thread, acl, min, max, peer_only)                \
	[key] = { key, #name, min, max, ON_##thread, acl, peer_only,           \
		  &snake##_request_type, &snake##_response_type,               \
		  handle_##snake },
#include <raftmq/tbl/api.def>
#undef API
};

const struct api *api_find(int16_t key)
{
	if (key < 0 || key >= API_KEYS || !apis[key].handle)
		return NULL;
	return &apis[key];
}

static void hand_over(struct broker *b, struct request *rq)
{
	list_remove(&rq->held);
	if (rq->conn)
		b->out.answer(b->out.ctx, rq);
	else
		rq->on_answer(rq);
}

static void deliver_answer(struct broker *b, struct letter *l)
{
	hand_over(b, list_entry(l, struct request, letter));
}

static void send_home(struct broker *b, struct request *rq)
{
	if (rq->thread == b->thread) {
		hand_over(b, rq);
		return;
	}
	rq->letter.deliver = deliver_answer;
	b->out.tell(b->out.ctx, rq->thread, &rq->letter);
}

static void encode(struct request *rq)
{
	size_t begin = frame_begin_response(&rq->answer, rq->header.key,
					    rq->header.version,
					    rq->header.correlation_id);

	wire_encode(&rq->answer, rq->api->response, rq->header.version, rq->out,
		    &rq->splices);
	frame_end(&rq->answer, begin, rq->splices.bytes);
}

void broker_answer(struct broker *b, struct request *rq)
{
	counters_answered(b, rq);
	if (rq->conn && !rq->silent)
		encode(rq);
	send_home(b, rq);
}

/* Whoever sends rubbish does not fill the log: so many lines a second. */
static bool may_say(struct broker *b)
{
	if (b->now_ms - b->refused_ms >= 1000) {
		if (b->refused > REFUSED_SAID)
			trace_info("broker", "more requests refused", "n=%d",
				   b->refused - REFUSED_SAID);
		b->refused_ms = b->now_ms;
		b->refused = 0;
	}
	return ++b->refused <= REFUSED_SAID;
}

void broker_refuse(struct broker *b, struct request *rq, const char *why)
{
	if (may_say(b))
		trace_info("broker", why,
			   "client=%s key=%d version=%d size=%zu",
			   rq->host ? rq->host : "-", rq->header.key,
			   rq->header.version, rq->frame_n);
	counters_refused(b);
	rq->silent = true;
	rq->close = true;
	send_home(b, rq);
}

/* In the oldest form, which every client can read, and only about itself. */
static void answer_unknown_version(struct broker *b, struct request *rq)
{
	struct api_versions_response *out;

	out = arena_alloc(&rq->arena, sizeof(*out));
	wire_preset(rq->api->response, out);
	out->error_code = K_UNSUPPORTED_VERSION;
	out->api_keys = arena_alloc(&rq->arena, sizeof(*out->api_keys));
	out->api_keys[0] = (struct api_versions_response_api){
		API_VERSIONS, rq->api->min, rq->api->max };
	out->api_keys_n = 1;
	rq->out = out;
	rq->header.version = 0;
	broker_answer(b, rq);
}

static void deliver_request(struct broker *b, struct letter *l)
{
	struct request *rq = list_entry(l, struct request, letter);

	rq->api->handle(b, rq);
}

static void run(struct broker *b, struct request *rq)
{
	rq->out = arena_alloc(&rq->arena, rq->api->response->size);
	wire_preset(rq->api->response, rq->out);
	if (rq->api->thread == ON_SHARD || b->thread == 0) {
		rq->api->handle(b, rq);
		return;
	}
	rq->letter.deliver = deliver_request;
	b->out.tell(b->out.ctx, 0, &rq->letter);
}

void broker_submit(struct broker *b, struct request *rq)
{
	assert(!rq->conn && rq->on_answer);
	list_push(&b->held, &rq->held);
	run(b, rq);
}

void broker_request(struct broker *b, struct request *rq)
{
	struct reader r = reader_of(rq->frame, rq->frame_n);

	list_push(&b->held, &rq->held);
	if (!frame_read_request(&r, &rq->header)) {
		broker_refuse(b, rq, "malformed request header");
		return;
	}
	if (b->stopping) {
		broker_refuse(b, rq, "came while stopping");
		return;
	}
	rq->api = api_find(rq->header.key);
	if (!rq->api || (rq->api->peer_only && rq->peer < 0)) {
		broker_refuse(b, rq, "unknown api");
		return;
	}
	if (rq->header.version < rq->api->min ||
	    rq->header.version > rq->api->max) {
		if (rq->header.key == API_VERSIONS)
			answer_unknown_version(b, rq);
		else
			broker_refuse(b, rq, "unknown version");
		return;
	}
	if (rq->header.version < rq->api->request->min) {
		broker_refuse(b, rq, "version that is advertised, not served");
		return;
	}
	rq->in = arena_alloc(&rq->arena, rq->api->request->size);
	if (!wire_decode(&r, rq->api->request, rq->header.version, rq->in,
			 &rq->arena)) {
		broker_refuse(b, rq, "malformed request");
		return;
	}
	run(b, rq);
}
