/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn: see conn.h. Life of a connection, and its reading half. Not a
 * protocol: what is in a frame is the broker's business.
 *
 *	add --> reading <--> paused (limits) --> ending --> closed
 */
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "conn_parts.h"

#define READ_BUDGET (512 << 10) /* of one connection in one turn */
#define FRAME_FIRST 4096        /* buffer of a frame that begins */

/* ---- table --------------------------------------------------------------- */

void conns_init(struct conns *cs)
{
	list_init(&cs->dirty);
	list_init(&cs->starved);
	cs->serial = 1;
}

void conns_fini(struct conns *cs)
{
	assert(cs->open_n == 0);
	mem_free(cs->slots);
	mem_free(cs->unused);
	mem_free(cs->scratch);
	cs->slots = NULL;
	cs->unused = NULL;
	cs->scratch = NULL;
}

struct conn *conn_find(struct conns *cs, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct conn *c;

	if (slot >= cs->slots_n)
		return NULL;
	c = cs->slots[slot];
	return c && c->id == id ? c : NULL;
}

static void enter(struct conns *cs, struct conn *c)
{
	uint32_t slot = cs->slots_n;

	if (cs->unused_n) {
		slot = cs->unused[--cs->unused_n];
	} else if (cs->slots_n++ == cs->slots_cap) {
		cs->slots_cap = cs->slots_cap ? cs->slots_cap * 2 : 16;
		cs->slots = mem_realloc(cs->slots, cs->slots_cap *
							   sizeof(*cs->slots));
		cs->unused = mem_realloc(cs->unused,
					 cs->slots_cap * sizeof(*cs->unused));
	}
	cs->slots[slot] = c;
	c->id = (uint64_t)cs->serial++ << 32 | slot;
	cs->open_n++;
}

static void leave(struct conns *cs, struct conn *c)
{
	uint32_t slot = (uint32_t)c->id;

	cs->slots[slot] = NULL;
	cs->unused[cs->unused_n++] = slot;
	cs->open_n--;
}

/* ---- life ---------------------------------------------------------------- */

static void on_event(uv_poll_t *poll, int status, int events);

static void free_conn(uv_handle_t *h)
{
	struct conn *c = container_of((uv_poll_t *)h, struct conn, poll);

	mem_free(c->frame);
	mem_free(c->ring);
	buf_fini(&c->rest);
	mem_free(c);
}

static bool is_paused(const struct conn *c)
{
	const struct conn_limits *l = &c->home->limits;

	return c->next - c->first >= (uint64_t)l->requests_max ||
	       c->request_bytes > l->request_bytes_max ||
	       c->answer_bytes > l->answer_bytes_max ||
	       !list_empty(&c->starved_link);
}

void conn_watch(struct conn *c)
{
	int events = 0;

	if (!c->ending && !is_paused(c) && c->rest.n == 0)
		events |= UV_READABLE;
	if (c->blocked)
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, on_event);
	else
		uv_poll_stop(&c->poll);
}

void conn_mark(struct conn *c)
{
	if (list_empty(&c->dirty_link))
		list_push(&c->home->dirty, &c->dirty_link);
}

/* What is not written any more; a request the pool works on stays with it. */
static void drop_requests(struct conn *c)
{
	while (c->first < c->next) {
		struct request *rq = *conn_slot(c, c->first);

		if (rq && !(c->warming && c->cursor.splice < rq->splices.n))
			c->home->hooks.done(c->home->hooks.ctx, rq);
		c->warming = false;
		c->first++;
	}
}

static void uncharge(struct conns *cs, int64_t n)
{
	struct list *at;

	cs->memory -= n;
	if (cs->limits.memory_max >= 0 && cs->memory > cs->limits.memory_max)
		return;
	while ((at = list_pop(&cs->starved)))
		conn_mark(list_entry(at, struct conn, starved_link));
}

void conn_close(struct conn *c, bool lost)
{
	struct conns *cs = c->home;

	if (uv_is_closing((uv_handle_t *)&c->poll))
		return;
	leave(cs, c);
	list_remove(&c->dirty_link);
	list_remove(&c->starved_link);
	wheel_disarm(&c->timer);
	drop_requests(c);
	uncharge(cs, c->request_bytes + (int64_t)(c->have + c->rest.n));
	uv_close((uv_handle_t *)&c->poll, free_conn);
	close(c->origin.fd);
	cs->hooks.gone(cs->hooks.ctx, &c->origin, lost);
}

void conn_pop(struct conn *c)
{
	struct request *rq = *conn_slot(c, c->first);

	c->first++;
	c->cursor = (struct conn_cursor){ 0 };
	c->request_bytes -= rq->memory;
	c->answer_bytes -= (int64_t)rq->answer.n + rq->splices.bytes;
	if (rq->close)
		c->ending = true;
	uncharge(c->home, rq->memory);
	c->home->hooks.done(c->home->hooks.ctx, rq);
}

/*
 * One timer for both deadlines. It is armed lazily: traffic only notes its
 * time, and a timer that fires too early is armed again.
 */
static int64_t deadline(const struct conn *c)
{
	const struct conn_limits *l = &c->home->limits;
	int64_t at = c->origin.kind == CONN_CLIENT ? c->active_ms + l->idle_ms
						   : INT64_MAX;

	if (c->frame_since_ms)
		at = min_of(at, c->frame_since_ms + l->read_ms +
				(int64_t)(c->want >> 20) * 1000);
	return at;
}

static void on_deadline(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	int64_t now = c->home->now_ms, at = deadline(c);

	if (at <= now && c->frame_since_ms && !is_paused(c)) {
		trace_warn("conn", "request did not arrive in time",
			   "client=%s bytes=%zu of=%zu", c->origin.host,
			   c->have, c->want);
		conn_close(c, false);
	} else if (at <= now && c->first == c->next && !c->frame_since_ms) {
		conn_close(c, false); /* idle */
	} else if (at <= now && c->answer_bytes > 0) {
		trace_warn("conn", "client does not read its answers",
			   "client=%s bytes=%" PRId64, c->origin.host,
			   c->answer_bytes);
		conn_close(c, false);
	} else if (at <= now) { /* a request is being served */
		wheel_arm(c->home->wheel, t, now + c->home->limits.idle_ms);
	} else if (at < INT64_MAX) {
		wheel_arm(c->home->wheel, t, at);
	}
}

static void expect(struct conn *c)
{
	int64_t at = deadline(c);

	if (at < INT64_MAX && (!timer_is_armed(&c->timer) ||
			       at < c->timer.at_ms))
		wheel_arm(c->home->wheel, &c->timer, at);
}

void conns_add(struct conns *cs, const struct conn_origin *o)
{
	struct conn *c = mem_zalloc(sizeof(*c));

	if (!cs->scratch)
		cs->scratch = mem_alloc(SCRATCH_READ + SCRATCH_SLICES);
	c->home = cs;
	c->origin = *o;
	c->active_ms = cs->now_ms;
	list_init(&c->dirty_link);
	list_init(&c->starved_link);
	timer_init(&c->timer, on_deadline);
	if (uv_poll_init(cs->loop, &c->poll, o->fd) < 0) {
		trace_error("conn", "connection cannot be watched", "client=%s",
			    o->host);
		close(o->fd);
		cs->hooks.gone(cs->hooks.ctx, o, false);
		mem_free(c);
		return;
	}
	enter(cs, c);
	expect(c);
	conn_watch(c);
}

void conns_close_all(struct conns *cs)
{
	for (uint32_t i = 0; i < cs->slots_n; i++)
		if (cs->slots[i])
			conn_close(cs->slots[i], false);
}

/* ---- reading ------------------------------------------------------------- */

static void grow_ring(struct conn *c)
{
	uint32_t cap = c->ring_cap ? c->ring_cap * 2 : 8;
	struct request **ring = mem_zalloc(cap * sizeof(*ring));

	for (uint64_t i = c->first; i < c->next; i++)
		ring[i & (cap - 1)] = *conn_slot(c, i);
	mem_free(c->ring);
	c->ring = ring;
	c->ring_cap = cap;
}

static void deliver_request(struct conn *c, uint8_t *frame, size_t n)
{
	struct conns *cs = c->home;
	struct request *rq = request_new(frame, n);

	if (c->next - c->first == c->ring_cap)
		grow_ring(c);
	rq->thread = cs->thread;
	rq->conn = c->id;
	rq->order = c->next;
	rq->peer = c->origin.peer;
	rq->peer_order = c->origin.peer_order;
	rq->host = str_c(&rq->arena, str_of(c->origin.host));
	rq->listener = c->origin.listener;
	rq->arrived_ms = cs->now_ms;
	rq->memory = (int32_t)n;
	*conn_slot(c, c->next++) = NULL;
	c->request_bytes += (int64_t)n;
	cs->memory += (int64_t)n;
	if (cs->limits.memory_max >= 0 && cs->memory > cs->limits.memory_max &&
	    list_empty(&c->starved_link))
		list_push(&cs->starved, &c->starved_link);
	cs->hooks.request(cs->hooks.ctx, rq);
}

/* frame is owned here and n is what was announced. */
static void deliver(struct conn *c, uint8_t *frame, size_t n)
{
	c->active_ms = c->home->now_ms;
	c->frame_since_ms = 0;
	c->head_n = 0;
	c->want = 0;
	if (c->origin.kind == CONN_QUORUM) {
		c->home->hooks.frame(c->home->hooks.ctx, c->origin.peer,
				     (struct bytes){ frame, (int32_t)n });
		mem_free(frame);
		return;
	}
	deliver_request(c, frame, n);
}

static bool announce(struct conn *c)
{
	int32_t n = (int32_t)get_be32(c->head);

	if (n > 0 && n <= c->home->limits.frame_max) {
		c->want = (size_t)n;
		return true;
	}
	trace_warn("conn", "frame refused",
		   "client=%s size=%d limit=%" PRId64, c->origin.host, (int)n,
		   c->home->limits.frame_max);
	return false;
}

static void begin_partial(struct conn *c, const uint8_t *p, size_t n)
{
	c->cap = min_of(c->want, max_of(n * 2, (size_t)FRAME_FIRST));
	c->frame = mem_alloc(c->cap);
	c->have = n;
	memcpy(c->frame, p, n);
	c->home->memory += (int64_t)n;
}

/* Room for what comes: doubled when full, never above what was announced. */
static void grow_partial(struct conn *c)
{
	if (c->have < c->cap)
		return;
	c->cap = min_of(c->want, c->cap * 2);
	c->frame = mem_realloc(c->frame, c->cap);
}

static void end_partial(struct conn *c)
{
	uint8_t *frame = c->frame;

	c->home->memory -= (int64_t)c->have; /* charged anew, as a request */
	c->frame = NULL;
	c->have = c->cap = 0;
	deliver(c, frame, c->want);
}

/* Frames that begin at p; false: closed. What may not be served yet stays. */
static bool feed(struct conn *c, const uint8_t *p, size_t n)
{
	while (n) {
		size_t take = min_of(n, (size_t)(4 - c->head_n));

		if (is_paused(c)) {
			buf_put(&c->rest, p, n);
			c->home->memory += (int64_t)n;
			break;
		}
		memcpy(c->head + c->head_n, p, take);
		c->head_n = (uint8_t)(c->head_n + take);
		p += take;
		n -= take;
		if (c->head_n < 4)
			break;
		if (!announce(c)) {
			conn_close(c, false);
			return false;
		}
		if (n < c->want) {
			begin_partial(c, p, n);
			break;
		}
		take = c->want;
		deliver(c, mem_dup(p, take), take);
		p += take;
		n -= take;
	}
	if (c->head_n && !c->frame_since_ms)
		c->frame_since_ms = c->home->now_ms;
	return true;
}

/* One read: the rest of the frame under way first, then the scratch buffer. */
static ssize_t read_some(struct conn *c, size_t *asked)
{
	struct iovec v[2];
	int n = 0;

	if (c->frame) {
		grow_partial(c);
		v[n++] = (struct iovec){ c->frame + c->have, c->cap - c->have };
	}
	/* only behind a frame that will be whole: else its rest comes first */
	if (!c->frame || c->cap == c->want)
		v[n++] = (struct iovec){ c->home->scratch, SCRATCH_READ };
	*asked = 0;
	for (int i = 0; i < n; i++)
		*asked += v[i].iov_len;
	return readv(c->origin.fd, v, n);
}

/* n bytes came: false when the connection was closed. */
static bool accept_bytes(struct conn *c, size_t n)
{
	if (c->frame) {
		size_t take = min_of(n, c->cap - c->have);

		c->have += take;
		c->home->memory += (int64_t)take;
		n -= take;
		if (c->have < c->want)
			return true;
		end_partial(c);
	}
	return feed(c, c->home->scratch, n);
}

/* What was read when it was paused comes before anything else. */
void conn_resume(struct conn *c)
{
	struct buf rest = c->rest;

	if (rest.n && !is_paused(c) && !c->ending) {
		c->rest = (struct buf){ 0 };
		c->home->memory -= (int64_t)rest.n;
		if (!feed(c, rest.p, rest.n)) {
			buf_fini(&rest);
			return;
		}
		buf_fini(&rest);
		expect(c);
	}
	conn_watch(c);
}

static void read_frames(struct conn *c)
{
	size_t budget = READ_BUDGET, asked;

	for (;;) {
		ssize_t n = read_some(c, &asked);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			conn_close(c, true);
			return;
		}
		if (!accept_bytes(c, (size_t)n))
			return;
		budget -= min_of(budget, (size_t)n);
		if ((size_t)n < asked || budget == 0 || c->ending ||
		    is_paused(c))
			break;
	}
	expect(c);
	conn_watch(c);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct conn *c = container_of(poll, struct conn, poll);

	c->home->hooks.wake(c->home->hooks.ctx);
	if (status < 0) {
		conn_close(c, true);
		return;
	}
	if (events & UV_WRITABLE) {
		c->blocked = false;
		conn_mark(c);
	}
	if (events & UV_READABLE && c->rest.n == 0)
		read_frames(c);
	else
		conn_watch(c);
}
