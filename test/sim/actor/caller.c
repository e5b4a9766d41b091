/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller: connections, requests and their answers.
 */
#include "caller.h"

#include <stdio.h>

struct call {
	struct list link;
	struct timer timer;
	struct caller_line *line;
	int node;
	int16_t key, version;
	int32_t correlation;
	caller_then then;
	void *ctx;
	void (*drop)(void *ctx);
};

void caller_init(struct caller *c, struct actors *a, const char *role, int i)
{
	memset(c, 0, sizeof(*c));
	c->a = a;
	c->end = a->next_end++ % a->ends;
	snprintf(c->name, sizeof(c->name), "%s-%d", role, i);
	c->timeout_ms = 500 << prng_below(&a->prng, 7);
	c->timeout_ms = min_of(c->timeout_ms, 30000);
	c->look_every_ms = 1000 + (int64_t)prng_below(&a->prng, 6000);
	for (int n = 0; n <= WORLD_NODES_MAX; n++) {
		c->lines[n].caller = c;
		c->lines[n].node = n;
		list_init(&c->lines[n].calls);
	}
	caller_map_init(c);
	caller_pick_versions(c);
}

static void call_free(struct call *k)
{
	wheel_disarm(&k->timer);
	list_remove(&k->link);
	mem_free(k);
}

static void forget_calls(struct caller_line *l)
{
	list_each(i, &l->calls, safe) {
		struct call *k = list_entry(i, struct call, link);

		if (k->drop)
			k->drop(k->ctx);
		call_free(k);
	}
}

static void line_close(struct caller_line *l)
{
	if (l->conn)
		world_hang_up(l->conn);
	l->conn = NULL;
}

void caller_crash(struct caller *c)
{
	for (int n = 1; n <= WORLD_NODES_MAX; n++) {
		struct caller_line *l = &c->lines[n];

		line_close(l);
		forget_calls(l);
	}
	caller_map_fini(c);
}

/* The world has ended: its connections are gone. */
void caller_fini(struct caller *c)
{
	for (int n = 1; n <= WORLD_NODES_MAX; n++) {
		c->lines[n].conn = NULL;
		forget_calls(&c->lines[n]);
	}
	caller_map_fini(c);
	buf_fini(&c->out);
	arena_fini(&c->arena);
}

static void come_back(struct call *k, const void *body)
{
	struct answer a = { k->node, k->key, k->version, body };
	caller_then then = k->then;
	void *ctx = k->ctx;

	call_free(k);
	then(ctx, &a);
}

/* Everything that waited comes back without an answer. What is asked by those
 * that are told goes over a new connection. */
static void line_lost(struct caller_line *l)
{
	struct list lost;
	struct list *i;

	list_init(&lost);
	list_splice(&lost, &l->calls);
	while ((i = list_pop(&lost)) != NULL)
		come_back(list_entry(i, struct call, link), NULL);
}

static void on_closed(void *ctx)
{
	struct caller_line *l = ctx;

	l->conn = NULL;
	l->caller->a->n.broken++;
	line_lost(l);
}

static void on_timeout(struct timer *t)
{
	struct call *k = container_of(t, struct call, timer);
	struct caller_line *l = k->line;

	l->caller->a->n.timeouts++;
	line_close(l);
	line_lost(l);
}

static void on_answer(void *ctx, int16_t key, int16_t version,
		      int32_t correlation, struct reader *r)
{
	struct caller_line *l = ctx;
	struct caller *c = l->caller;
	struct world *w = c->a->w;
	const struct wire_api *api = wire_api_find(key);
	struct call *k;
	void *body;

	if (list_empty(&l->calls)) {
		world_violation(w, "%s: an answer that nobody waits for",
				c->name);
		return;
	}
	k = list_entry(l->calls.next, struct call, link);
	if (k->correlation != correlation || k->key != key ||
	    k->version != version) {
		world_violation(w,
				"%s: node %d answers API %d v%d, number %d; "
				"API %d v%d, number %d is waited for",
				c->name, l->node, key, version, correlation,
				k->key, k->version, k->correlation);
		return;
	}
	c->a->n.answers++;
	arena_reset(&c->arena);
	body = arena_zalloc(&c->arena, api->response->size);
	if (!wire_decode(r, api->response, version, body, &c->arena) ||
	    reader_left(r)) {
		world_violation(w, "%s: a malformed answer to %s v%d", c->name,
				api->name, version);
		return;
	}
	come_back(k, body);
}

static void on_greeted(void *ctx, const struct answer *a)
{
	struct caller *c = ctx;
	const struct api_versions_response *r = a->body;

	if (r)
		cast_may(c->a, "ApiVersions", r->error_code);
}

static void greet(struct caller *c, int node)
{
	struct api_versions_request rq;

	wire_preset(&api_versions_request_type, &rq);
	rq.client_software_name = STR("actor");
	rq.client_software_version = STR("1.0");
	caller_ask(c, &(struct caller_ask){ .node = node,
					    .key = API_API_VERSIONS,
					    .body = &rq,
					    .then = on_greeted,
					    .ctx = c });
}

static void line_dial(struct caller_line *l)
{
	struct caller *c = l->caller;

	l->conn = world_dial(c->a->w, c->end, l->node,
			     (struct dialled){ l, on_answer, on_closed });
	l->correlation = (int32_t)cast_below(c->a, INT32_MAX);
	c->a->n.connections++;
	if (c->version[API_API_VERSIONS] > 0)
		greet(c, l->node);
}

static void encode(struct caller *c, const struct caller_ask *q,
		   int32_t correlation)
{
	const struct wire_api *api = wire_api_find(q->key);
	struct request_header h = { q->key, c->version[q->key], correlation,
				    str_of(c->name) };
	size_t begin;

	c->out.n = 0;
	begin = frame_begin_request(&c->out, &h);
	wire_encode(&c->out, api->request, h.version, q->body, NULL);
	frame_end(&c->out, begin, 0);
}

void caller_ask(struct caller *c, const struct caller_ask *q)
{
	struct caller_line *l = &c->lines[q->node];
	struct call *k;

	assert(q->node >= 1 && q->node <= world_nodes(c->a->w));
	if (!l->conn)
		line_dial(l);
	c->a->n.requests++;
	l->correlation = (l->correlation + 1) & INT32_MAX;
	encode(c, q, l->correlation);
	world_send(l->conn, &c->out);
	if (q->silent)
		return;
	k = mem_zalloc(sizeof(*k));
	k->line = l;
	k->node = q->node;
	k->key = q->key;
	k->version = c->version[q->key];
	k->correlation = l->correlation;
	k->then = q->then;
	k->ctx = q->ctx;
	k->drop = q->drop;
	list_push(&l->calls, &k->link);
	timer_init(&k->timer, on_timeout);
	cast_arm(c->a, &k->timer, q->timeout_ms ? q->timeout_ms :
						  c->timeout_ms);
}

bool caller_is_idle(const struct caller *c)
{
	for (int n = 1; n <= WORLD_NODES_MAX; n++)
		if (!list_empty(&c->lines[n].calls))
			return false;
	return true;
}

int caller_any(struct caller *c)
{
	return 1 + (int)cast_below(c->a, world_nodes(c->a->w));
}
