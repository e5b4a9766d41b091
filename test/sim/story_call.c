/* SPDX-License-Identifier: Apache-2.0 */
/* story_call: a request on a connection of its own, and its answer; see
 * story.h. A call that has begun under a name waits until it is ended. */
#include "story.h"

#define WAIT_US 15000000

int any_node(struct story *s)
{
	int leader = world_quorum_leader(s->w);

	if (leader && world_is_ready(s->w, leader))
		return leader;
	for (int i = 1; i <= s->config.nodes; i++)
		if (world_is_ready(s->w, i))
			return i;
	return 1;
}

int leader_node(struct story *s, struct story_partition p)
{
	const struct cluster *c = newest_cluster(s);
	const struct partition *x = c ? cluster_partition(c, p.topic, p.index)
				      : NULL;

	return x && x->leader >= 1 ? x->leader : any_node(s);
}

bool say_error(struct story *s, int16_t error)
{
	if (error == K_NONE)
		return false;
	say(s, "%s\n", kerr_name(error));
	return true;
}

/* ---- answers ------------------------------------------------------------- */

static void on_answer(void *ctx, int16_t key, int16_t version,
		      int32_t correlation, struct reader *r)
{
	struct call *c = ctx;

	(void)key, (void)version, (void)correlation;
	c->answered = true;
	c->answer = arena_dup(&c->s->arena, r->p, (size_t)(r->end - r->p));
	c->answer_n = (size_t)(r->end - r->p);
}

static void on_closed(void *ctx)
{
	struct call *c = ctx;

	c->closed = true;
	c->conn = NULL;
}

bool call_finished(void *ctx)
{
	const struct call *c = ctx;

	return c->answered || c->closed;
}

/* ---- calls --------------------------------------------------------------- */

static int client_at(struct story *s)
{
	const char *by = word_after(s, "by", "c1");
	int64_t v;

	if (*by != 'c')
		wrong(s, "clients are called c1, c2, ..");
	v = number_of(s, by + 1);
	if (v < 1 || v > s->config.clients)
		wrong(s, "there is no client %s", by);
	return (int)v - 1;
}

struct call *call_new(struct story *s, int16_t key, int16_t version, int node)
{
	struct call *c = arena_zalloc(&s->arena, sizeof(*c));
	const char *on = word_after(s, "on", NULL);

	c->s = s;
	c->key = key;
	c->version = version;
	c->node = on ? node_at(s, on) : node;
	c->limit_us = time_of(s, word_after(s, "within",
					    arena_printf(&s->arena, "%dus",
							 WAIT_US)));
	c->conn = world_dial(s->w, client_at(s), c->node,
			     (struct dialled){ c, on_answer, on_closed });
	return c;
}

static void send(struct call *c, const void *request)
{
	struct request_header h = { .key = c->key, .version = c->version,
				    .correlation_id = 1,
				    .client_id = str_of("story") };
	struct buf frame = { 0 };
	size_t at = frame_begin_request(&frame, &h);

	wire_encode(&frame, wire_api_find(c->key)->request, c->version,
		    request, NULL);
	frame_end(&frame, at, 0);
	world_send(c->conn, &frame);
	buf_fini(&frame);
}

static bool finish(struct story *s, struct call *c)
{
	const struct wire_type *t = wire_api_find(c->key)->response;
	struct reader r;

	run_until(s, c->limit_us, call_finished, c);
	if (c->conn)
		world_hang_up(c->conn);
	c->conn = NULL;
	if (!c->answered) {
		say(s, "%s\n", c->closed ? "connection closed" : "no answer");
		return false;
	}
	c->in = arena_zalloc(&s->arena, t->size);
	r = reader_of(c->answer, c->answer_n);
	if (!wire_decode(&r, t, c->version, c->in, &s->arena) || r.p != r.end)
		say(s, "an answer that is malformed\n");
	else
		c->tell(s, c);
	return true;
}

bool call_do(struct story *s, struct call *c, const void *request)
{
	send(c, request);
	return finish(s, c);
}

void call_go(struct story *s, struct call *c, const void *request)
{
	words_end(s);
	if (!s->begin) {
		(void)call_do(s, c, request);
		return;
	}
	send(c, request);
	if (map_find_str(&s->calls, str_of(s->begin)))
		wrong(s, "%s has begun already", s->begin);
	map_put_str(&s->calls, str_of(s->begin), c);
	pass(s, s->begin_us);
}

void call_end(struct story *s, const char *name)
{
	struct call *c = map_remove_str(&s->calls, str_of(name));
	const char *within = word_after(s, "within", NULL);

	if (!c)
		wrong(s, "nothing has begun as %s", name);
	if (within)
		c->limit_us = time_of(s, within);
	words_end(s);
	(void)finish(s, c);
}

bool call_is_answered(struct story *s, const char *name)
{
	struct call *c = map_find_str(&s->calls, str_of(name));

	if (!c)
		wrong(s, "nothing has begun as %s", name);
	return call_finished(c);
}
