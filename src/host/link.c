/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: see link.h. Not the listening side: peer.c.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "sock.h"

#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 200
#define REFUSED_PAUSE_MS 1000
#define DIAL_MS 2000   /* for connecting and greeting together */
#define QUEUE_MAX (8 << 20) /* bytes of quorum frames that wait */
#define EARLY_MAX (64 << 10)
#define KEEP_MAX (1 << 20)  /* of an empty read buffer */

enum link_state {
	LINK_IDLE,
	LINK_RESOLVING,
	LINK_CONNECTING,
	LINK_GREETING,
	LINK_UP,
	LINK_PAUSE,
};
struct link {
	struct links *home;
	int32_t node;
	enum hello_purpose purpose;
	enum link_state state;
	int fd;
	uv_poll_t *poll; /* NULL unless connecting or later */
	int events;
	bool blocked;
	struct list queued, sent; /* asks; sent: in the order of answers */
	int32_t correlation;
	bool keep;        /* dialled for its own sake */
	struct buf early; /* frames for a connection that is being made */
	struct buf out, in;
	size_t out_at;
	int64_t pause_ms;
	struct timer retry;  /* pause over, or dialling took too long */
	struct timer expiry; /* the first deadline of an ask */
	struct list dirty_link;
};

static void dial(struct link *l);
static void on_event(uv_poll_t *poll, int status, int events);

static void mark(struct link *l)
{
	if (list_empty(&l->dirty_link))
		list_push(&l->home->dirty, &l->dirty_link);
}

/* ---- ends ---------------------------------------------------------------- */

static void fail_asks(struct list *asks, int error)
{
	struct list now;
	struct list *at;

	list_init(&now);
	list_splice(&now, asks); /* done() may ask again */
	while ((at = list_pop(&now))) {
		struct ask *a = list_entry(at, struct ask, link);

		a->done(a, NULL, error);
	}
}

static void free_poll(uv_handle_t *h)
{
	mem_free(h);
}

static void disconnect(struct link *l)
{
	if (l->poll)
		uv_close((uv_handle_t *)l->poll, free_poll);
	if (l->fd >= 0)
		close(l->fd);
	l->poll = NULL;
	l->fd = -1;
	l->events = 0;
	l->blocked = false;
	l->out.n = l->out_at = l->in.n = l->early.n = 0;
	list_remove(&l->dirty_link);
	wheel_disarm(&l->retry);
}

/* The connection, or the attempt, is over. */
static void reset(struct link *l, int error, int64_t pause_ms, bool lost)
{
	bool was_up = l->state == LINK_UP;

	disconnect(l);
	l->state = LINK_PAUSE;
	if (was_up)
		l->pause_ms = PAUSE_MIN_MS;
	pause_ms = max_of(pause_ms, l->pause_ms);
	l->pause_ms = min_of(l->pause_ms * 2, (int64_t)PAUSE_MAX_MS);
	wheel_arm(l->home->wheel, &l->retry, l->home->now_ms + pause_ms);
	fail_asks(&l->sent, error);
	if (!was_up)
		fail_asks(&l->queued, error);
	if (was_up && lost)
		l->home->hooks.lost(l->home->hooks.ctx, l->node);
}

static void on_retry(struct timer *t)
{
	struct link *l = container_of(t, struct link, retry);

	if (l->state != LINK_PAUSE) {
		reset(l, -ETIMEDOUT, 0, false);
		return;
	}
	l->state = LINK_IDLE;
	if (l->home->closing)
		return;
	if (l->keep || !list_empty(&l->queued))
		dial(l);
}

/* ---- asks ---------------------------------------------------------------- */

static int64_t first_deadline(const struct link *l)
{
	int64_t at = INT64_MAX;

	list_each(i, &l->sent, si)
		at = min_of(at, list_entry(i, struct ask, link)->deadline_ms);
	list_each(i, &l->queued, sq)
		at = min_of(at, list_entry(i, struct ask, link)->deadline_ms);
	return at;
}

static void on_expiry(struct timer *t)
{
	struct link *l = container_of(t, struct link, expiry);
	int64_t now = l->home->now_ms, at;
	struct list late;
	bool stuck = false;

	list_init(&late);
	list_each(i, &l->sent, si)
		if (list_entry(i, struct ask, link)->deadline_ms <= now) {
			list_remove(i);
			list_push(&late, i);
			stuck = true;
		}
	list_each(i, &l->queued, sq)
		if (list_entry(i, struct ask, link)->deadline_ms <= now) {
			list_remove(i);
			list_push(&late, i);
		}
	if (stuck)
		reset(l, -ECONNRESET, 0, false);
	fail_asks(&late, -ETIMEDOUT);
	at = first_deadline(l);
	if (at < INT64_MAX)
		wheel_arm(l->home->wheel, &l->expiry, at);
}

static void send_asks(struct link *l)
{
	struct list *at;

	while ((at = list_pop(&l->queued))) {
		struct ask *a = list_entry(at, struct ask, link);

		l->correlation = (l->correlation + 1) & INT32_MAX;
		assert(a->frame.n >= 12);
		put_be32(a->frame.p + 8, (uint32_t)l->correlation);
		buf_put(&l->out, a->frame.p, a->frame.n);
		list_push(&l->sent, at);
	}
	mark(l);
}

/* One answer: n bytes of body. false: it does not fit what was asked. */
static bool take_answer(struct link *l, const uint8_t *body, size_t n)
{
	struct reader r = reader_of(body, n);
	struct list *first = list_pop(&l->sent);
	struct ask *a;
	int32_t correlation;

	if (!first)
		return false;
	a = list_entry(first, struct ask, link);
	if (!frame_read_response(&r, a->key, a->version, &correlation) ||
	    correlation != (int32_t)get_be32(a->frame.p + 8)) {
		list_push(&l->sent, first); /* reset answers it */
		return false;
	}
	a->done(a, &r, 0);
	return true;
}

/* ---- greeting ------------------------------------------------------------ */

static void greet(struct link *l)
{
	struct hello h = l->home->self;

	h.purpose = l->purpose;
	l->state = LINK_GREETING;
	hello_encode(&l->out, &h);
	mark(l);
}

static bool take_welcome(struct link *l, const uint8_t *body, size_t n)
{
	struct hello_answer a;

	if (!hello_answer_decode(body, n, &a)) {
		reset(l, -EPROTO, REFUSED_PAUSE_MS, false);
		return false;
	}
	if (a.error != HELLO_WELCOME || a.node != l->node) {
		trace_error("peer", "a peer does not want us",
			    "node=%d answers=%d why=\"%.*s\"", (int)l->node,
			    (int)a.node,
			    STR_ARG(a.error ? a.text
					    : STR("another node has this "
						  "address")));
		reset(l, -EACCES, REFUSED_PAUSE_MS, false);
		return false;
	}
	l->state = LINK_UP;
	l->pause_ms = PAUSE_MIN_MS;
	wheel_disarm(&l->retry);
	buf_put(&l->out, l->early.p, l->early.n);
	buf_fini(&l->early);
	send_asks(l);
	return true;
}

/* ---- reading and writing ------------------------------------------------- */

/* Whole frames at the front of the buffer; false: reset. */
static bool take_frames(struct link *l)
{
	size_t at = 0;

	while (l->in.n - at >= 4) {
		int64_t n = (int32_t)get_be32(l->in.p + at);
		int64_t max = l->state == LINK_GREETING ? HELLO_MAX
							: l->home->frame_max;

		if (n < 0 || n > max) {
			reset(l, -EPROTO, 0, false);
			return false;
		}
		if (l->in.n - at - 4 < (size_t)n)
			break;
		if (l->state == LINK_GREETING) {
			if (!take_welcome(l, l->in.p + at + 4, (size_t)n))
				return false;
		} else if (!take_answer(l, l->in.p + at + 4, (size_t)n)) {
			trace_error("peer", "an answer nobody asked for",
				    "node=%d", (int)l->node);
			reset(l, -EPROTO, 0, false);
			return false;
		}
		at += 4 + (size_t)n;
	}
	if (at)
		memmove(l->in.p, l->in.p + at, l->in.n - at);
	l->in.n -= at;
	if (l->in.n == 0 && l->in.cap > KEEP_MAX)
		buf_fini(&l->in);
	return true;
}

static void read_some(struct link *l)
{
	ssize_t n;

	buf_reserve(&l->in, max_of((size_t)16384, l->in.n));
	n = recv(l->fd, l->in.p + l->in.n, l->in.cap - l->in.n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		reset(l, -ECONNRESET, 0, true);
		return;
	}
	l->in.n += (size_t)n;
	take_frames(l);
}

static void watch(struct link *l)
{
	int events = UV_READABLE;

	if (!l->poll)
		return;
	if (l->blocked || l->state == LINK_CONNECTING)
		events |= UV_WRITABLE;
	if (events != l->events)
		uv_poll_start(l->poll, events, on_event);
	l->events = events;
}

static void write_some(struct link *l)
{
	ssize_t n;

	if (l->state != LINK_UP && l->state != LINK_GREETING)
		return;
	while (l->out_at < l->out.n && !l->blocked) {
		n = send(l->fd, l->out.p + l->out_at, l->out.n - l->out_at,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			reset(l, -ECONNRESET, 0, true);
			return;
		}
		l->out_at += (size_t)max_of(n, 0);
		l->blocked = l->out_at < l->out.n;
	}
	if (l->out_at == l->out.n) {
		l->out.n = l->out_at = 0;
		if (l->out.cap > KEEP_MAX)
			buf_fini(&l->out);
	}
	watch(l);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct link *l = poll->data;
	int error;

	l->home->hooks.wake(l->home->hooks.ctx);
	if (l->state == LINK_CONNECTING) {
		error = status < 0 ? -ECONNREFUSED : sock_error(l->fd);
		if (error < 0)
			reset(l, error, 0, false);
		else
			greet(l);
		return;
	}
	if (status < 0) {
		reset(l, -ECONNRESET, 0, true);
		return;
	}
	if (events & UV_WRITABLE) {
		l->blocked = false;
		mark(l);
	}
	if (events & UV_READABLE)
		read_some(l);
}

/* ---- dialling ------------------------------------------------------------ */

struct lookup { /* a name, on the pool */
	struct job job;
	struct links *home;
	int32_t node;
	enum hello_purpose purpose;
	struct endpoint where;
	struct sockaddr_storage sa;
	socklen_t n;
	int rv;
};

static struct link *find(const struct links *ls, int32_t node,
			 enum hello_purpose purpose)
{
	return map_find_i64(&ls->by_node, (int64_t)node << 8 | purpose);
}

static void connect_to(struct link *l, const struct sockaddr_storage *sa,
		       socklen_t n)
{
	int rv;

	l->fd = sock_new(sa->ss_family);
	if (l->fd < 0) {
		reset(l, l->fd, 0, false);
		return;
	}
	sock_peer_options(l->fd);
	do
		rv = connect(l->fd, (const struct sockaddr *)sa, n);
	while (rv < 0 && errno == EINTR);
	if (rv < 0 && errno != EINPROGRESS) {
		reset(l, -errno, 0, false);
		return;
	}
	l->poll = mem_zalloc(sizeof(*l->poll));
	l->poll->data = l;
	if (uv_poll_init(l->home->loop, l->poll, l->fd) < 0) {
		mem_free(l->poll);
		l->poll = NULL;
		reset(l, -EMFILE, 0, false);
		return;
	}
	l->state = LINK_CONNECTING;
	watch(l);
}

static void look_up(struct job *j)
{
	struct lookup *w = container_of(j, struct lookup, job);

	w->rv = endpoint_resolve(w->where.host, w->where.port, false, &w->sa,
				 &w->n);
}

static void look_up_done(struct job *j)
{
	struct lookup *w = container_of(j, struct lookup, job);
	struct link *l = find(w->home, w->node, w->purpose);

	if (l && l->state == LINK_RESOLVING && !w->home->closing) {
		if (w->rv == 0) {
			connect_to(l, &w->sa, w->n);
		} else {
			trace_warn("peer", "a peer's name is not known",
				   "node=%d host=%s", (int)w->node,
				   w->where.host);
			reset(l, -EHOSTUNREACH, 0, false);
		}
	}
	endpoint_fini(&w->where);
	mem_free(w);
}

static void resolve(struct link *l, const struct endpoint *e)
{
	struct lookup *w = mem_zalloc(sizeof(*w));

	w->home = l->home;
	w->node = l->node;
	w->purpose = l->purpose;
	w->where = (struct endpoint){ mem_strdup(e->host), e->port };
	w->job.run = look_up;
	w->job.done = look_up_done;
	l->home->hooks.give(l->home->hooks.ctx, &w->job);
}

static void dial(struct link *l)
{
	const struct endpoint *e = map_find_i64(&l->home->addresses, l->node);
	struct sockaddr_storage sa;
	socklen_t n;

	if (!e) {
		reset(l, -EHOSTUNREACH, 0, false);
		return;
	}
	l->state = LINK_RESOLVING;
	wheel_arm(l->home->wheel, &l->retry, l->home->now_ms + DIAL_MS);
	if (!endpoint_is_number(e->host))
		resolve(l, e);
	else if (endpoint_resolve(e->host, e->port, false, &sa, &n) < 0)
		reset(l, -EHOSTUNREACH, 0, false);
	else
		connect_to(l, &sa, n);
}

/* ---- front --------------------------------------------------------------- */

static struct link *open_link(struct links *ls, int32_t node,
			      enum hello_purpose purpose)
{
	struct link *l = find(ls, node, purpose);

	if (l)
		return l;
	l = mem_zalloc(sizeof(*l));
	l->home = ls;
	l->node = node;
	l->purpose = purpose;
	l->fd = -1;
	l->pause_ms = PAUSE_MIN_MS;
	list_init(&l->queued);
	list_init(&l->sent);
	list_init(&l->dirty_link);
	timer_init(&l->retry, on_retry);
	timer_init(&l->expiry, on_expiry);
	map_put_i64(&ls->by_node, (int64_t)node << 8 | purpose, l);
	return l;
}

void links_init(struct links *ls)
{
	list_init(&ls->dirty);
	list_init(&ls->refused);
}

void links_ask(struct links *ls, struct ask *a)
{
	struct link *l;

	if (ls->closing) { /* not from inside the call that asks */
		list_push(&ls->refused, &a->link);
		return;
	}
	l = open_link(ls, a->node, a->kind == ASK_DATA ? HELLO_DATA
						       : HELLO_CONTROL);
	list_push(&l->queued, &a->link);
	if (!timer_is_armed(&l->expiry) || a->deadline_ms < l->expiry.at_ms)
		wheel_arm(ls->wheel, &l->expiry, a->deadline_ms);
	if (l->state == LINK_UP)
		send_asks(l);
	else if (l->state == LINK_IDLE)
		dial(l);
}

void links_send(struct links *ls, int32_t node, enum hello_purpose purpose,
		struct bytes frame)
{
	struct link *l = open_link(ls, node, purpose);
	struct buf *to = &l->early;

	if (l->state == LINK_IDLE && !ls->closing)
		dial(l);
	if (l->state == LINK_UP)
		to = &l->out;
	if (l->state == LINK_PAUSE || l->state == LINK_IDLE ||
	    to->n + (size_t)frame.n > (to == &l->out ? QUEUE_MAX : EARLY_MAX))
		return;
	buf_put_i32(to, frame.n);
	buf_put(to, frame.p, (size_t)frame.n);
	if (l->state == LINK_UP)
		mark(l);
}

void links_keep(struct links *ls, int32_t node, enum hello_purpose purpose)
{
	struct link *l = open_link(ls, node, purpose);

	l->keep = true;
	if (l->state == LINK_IDLE && !ls->closing)
		dial(l);
}

void links_flush(struct links *ls)
{
	struct list *at;

	while ((at = list_pop(&ls->dirty)))
		write_some(list_entry(at, struct link, dirty_link));
	fail_asks(&ls->refused, -ECANCELED);
}

bool links_knows(const struct links *ls, int32_t node)
{
	return map_find_i64(&ls->addresses, node) != NULL;
}

void links_address(struct links *ls, int32_t node, const char *host,
		   int32_t port)
{
	struct endpoint *e = map_find_i64(&ls->addresses, node);

	if (e && e->port == port && !strcmp(e->host, host))
		return;
	if (e) {
		endpoint_fini(e);
		for (int p = HELLO_QUORUM; p <= HELLO_DATA; p++) {
			struct link *l = find(ls, node, (enum hello_purpose)p);

			if (l && l->state != LINK_IDLE)
				reset(l, -ECONNRESET, 0, false);
		}
	} else {
		e = mem_zalloc(sizeof(*e));
		map_put_i64(&ls->addresses, node, e);
	}
	*e = (struct endpoint){ mem_strdup(host), port };
}

void links_close(struct links *ls)
{
	ls->closing = true;
	for (struct map_iter i = map_first(&ls->by_node); i.at; map_next(&i)) {
		struct link *l = i.value;

		disconnect(l);
		l->state = LINK_IDLE;
		wheel_disarm(&l->expiry);
		fail_asks(&l->sent, -ECANCELED);
		fail_asks(&l->queued, -ECANCELED);
	}
	fail_asks(&ls->refused, -ECANCELED);
}

void links_fini(struct links *ls)
{
	for (struct map_iter i = map_first(&ls->by_node); i.at; map_next(&i)) {
		struct link *l = i.value;

		buf_fini(&l->early);
		buf_fini(&l->out);
		buf_fini(&l->in);
		mem_free(l);
	}
	for (struct map_iter i = map_first(&ls->addresses); i.at;
	     map_next(&i)) {
		endpoint_fini(i.value);
		mem_free(i.value);
	}
	map_fini(&ls->by_node);
	map_fini(&ls->addresses);
}
