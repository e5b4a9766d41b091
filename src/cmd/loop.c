/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: epoll, one timerfd, and connections with pipelined calls.
 *
 * Invariants:
 * 1. A call is in exactly one of unsent and sent from conn_send to on_end.
 * 2. Answers come in the order of the calls; anything else breaks the
 *    connection.
 * 3. A connection that is down has no calls and no descriptor.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define READ_MIN 65536
#define FRAME_MAX (INT64_C(256) << 20)
#define EVENTS 256
#define VECTORS 256 /* of one write; an idle core is better than a long one */

int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* ---- the loop ------------------------------------------------------------ */

void loop_init(struct loop *l)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	*l = (struct loop){ 0 };
	list_init(&l->dirty);
	list_init(&l->conns);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->epoll < 0 || l->timer < 0 ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->timer, &e) < 0)
		fatal("epoll, timerfd: %s", strerror(errno));
}

void loop_fini(struct loop *l)
{
	assert(list_empty(&l->conns));
	close(l->timer);
	close(l->epoll);
}

/* epoll counts in milliseconds; the pace of requests needs better. */
static void arm(struct loop *l, int64_t then_ns)
{
	struct itimerspec t = { 0 };

	if (l->armed_ns == then_ns)
		return;
	l->armed_ns = then_ns;
	t.it_value.tv_sec = then_ns / SECOND;
	t.it_value.tv_nsec = then_ns % SECOND;
	if (timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		fatal("timerfd_settime: %s", strerror(errno));
}

static void write_out(struct conn *c);
static void connected(struct conn *c);
static void read_in(struct conn *c);

static void handle(struct loop *l, const struct epoll_event *e)
{
	struct conn *c = e->data.ptr;
	uint64_t fired;

	if (!c) {
		l->armed_ns = 0;
		(void)!read(l->timer, &fired, sizeof(fired));
		return;
	}
	if (c->state == CONN_CONNECTING)
		connected(c);
	else if (c->state == CONN_UP && (e->events & EPOLLOUT))
		write_out(c);
	if (c->state == CONN_UP && (e->events & ~(uint32_t)EPOLLOUT))
		read_in(c);
}

void loop_turn(struct loop *l, int64_t then_ns)
{
	struct epoll_event events[EVENTS];
	struct list *link;
	int n, wait = -1;

	while ((link = list_pop(&l->dirty)) != NULL)
		write_out(list_entry(link, struct conn, dirty_link));
	if (l->hurry || then_ns <= clock_ns())
		wait = 0;
	else
		arm(l, then_ns);
	l->hurry = false;
	n = epoll_wait(l->epoll, events, EVENTS, wait);
	if (n < 0 && errno != EINTR)
		fatal("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		handle(l, &events[i]);
}

void loop_check(struct loop *l, int64_t now_ns, int64_t patience_ns)
{
	list_each(link, &l->conns, safe) {
		struct conn *c = list_entry(link, struct conn, link);
		int64_t since = c->opened_ns;

		if (c->state == CONN_UP) {
			if (list_empty(&c->sent))
				continue;
			since = list_entry(c->sent.next, struct call, link)
					->sent_ns;
			since = max_of(since, c->read_ns);
		}
		if (now_ns - since > patience_ns) {
			conn_break(c, ETIMEDOUT);
			safe = l->conns.next; /* on_down may have opened */
		}
	}
}

/* ---- connections --------------------------------------------------------- */

static void watch(struct conn *c, int op, bool wants_write)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	if (wants_write)
		e.events |= EPOLLOUT;
	if (epoll_ctl(c->loop->epoll, op, c->fd, &e) < 0)
		fatal("epoll_ctl: %s", strerror(errno));
	c->wants_write = wants_write;
}

void conn_init(struct conn *c, struct loop *l)
{
	*c = (struct conn){ .loop = l, .fd = -1 };
	list_init(&c->link);
	list_init(&c->dirty_link);
	list_init(&c->unsent);
	list_init(&c->sent);
}

void conn_fini(struct conn *c)
{
	c->on_down = NULL;
	conn_break(c, ECANCELED);
	buf_fini(&c->in);
}

int conn_open(struct conn *c, const struct sockaddr *to, socklen_t n)
{
	int one = 1;

	if (c->state != CONN_DOWN)
		return 0;
	c->fd = socket(to->sa_family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, to, n) < 0 && errno != EINPROGRESS) {
		int error = errno;

		close(c->fd);
		c->fd = -1;
		return -error;
	}
	c->state = CONN_CONNECTING;
	c->opened_ns = clock_ns();
	c->read_ns = 0;
	list_push(&c->loop->conns, &c->link);
	watch(c, EPOLL_CTL_ADD, true);
	return 0;
}

static void connected(struct conn *c)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error) {
		conn_break(c, error);
		return;
	}
	c->state = CONN_UP;
	c->read_ns = clock_ns();
	write_out(c);
}

static void end_broken(struct conn *c, struct list *calls)
{
	struct list *link;

	while ((link = list_pop(calls)) != NULL) {
		struct call *call = list_entry(link, struct call, link);

		call->on_end(call, c, CALL_BROKEN, NULL);
	}
}

void conn_break(struct conn *c, int error)
{
	struct list calls;

	if (c->state == CONN_DOWN)
		return;
	c->state = CONN_DOWN;
	close(c->fd);
	c->fd = -1;
	c->in.n = 0;
	list_remove(&c->link);
	list_remove(&c->dirty_link);
	/* in the order they were made; on_end may already open it again */
	list_init(&calls);
	list_splice(&calls, &c->sent);
	list_splice(&calls, &c->unsent);
	c->calls = 0;
	end_broken(c, &calls);
	if (c->on_down)
		c->on_down(c, error);
}

int32_t conn_take_id(struct conn *c)
{
	c->next_id = (c->next_id + 1) & INT32_MAX;
	return c->next_id;
}

/* ---- writing ------------------------------------------------------------- */

void conn_send(struct conn *c, struct call *call)
{
	assert(c->state != CONN_DOWN);
	call->sent_ns = clock_ns();
	call->iov_at = 0;
	list_push(&c->unsent, &call->link);
	c->calls++;
	if (c->state == CONN_UP && !c->wants_write &&
	    list_empty(&c->dirty_link))
		list_push(&c->loop->dirty, &c->dirty_link);
}

static int gather(const struct conn *c, struct iovec *v)
{
	int n = 0;

	list_each(link, &c->unsent, safe) {
		const struct call *call = list_entry(link, struct call, link);

		for (int i = call->iov_at; i < call->iov_n; i++) {
			if (n == VECTORS)
				return n;
			v[n++] = call->iov[i];
		}
	}
	return n;
}

static void written(struct conn *c, struct call *call)
{
	list_remove(&call->link);
	if (!call->unanswered) {
		list_push(&c->sent, &call->link);
		return;
	}
	c->calls--;
	c->loop->hurry = true; /* there is room for more: do not wait */
	call->on_end(call, c, CALL_WRITTEN, NULL);
}

/* Takes n written bytes off the front of the queue. */
static void advance(struct conn *c, size_t n)
{
	while (n > 0) {
		struct call *call = list_entry(c->unsent.next, struct call,
					       link);
		struct iovec *v = &call->iov[call->iov_at];

		if (n < v->iov_len) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		if (++call->iov_at == call->iov_n)
			written(c, call);
	}
}

static void write_out(struct conn *c)
{
	struct iovec v[VECTORS];
	bool full = false;

	while (c->state == CONN_UP && !list_empty(&c->unsent)) {
		struct msghdr m = { .msg_iov = v };
		ssize_t n;

		m.msg_iovlen = (size_t)gather(c, v);
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		full = n < 0 && errno == EAGAIN;
		if (full)
			break;
		if (n < 0) {
			conn_break(c, errno);
			return;
		}
		c->loop->bytes_out += n;
		advance(c, (size_t)n);
	}
	if (c->state == CONN_UP && full != c->wants_write)
		watch(c, EPOLL_CTL_MOD, full);
}

/* ---- reading ------------------------------------------------------------- */

static bool answer(struct conn *c, const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	struct call *call;
	int32_t id;

	if (list_empty(&c->sent))
		return false;
	call = list_entry(c->sent.next, struct call, link);
	if (!frame_read_response(&r, call->key, call->version, &id) ||
	    id != call->id)
		return false;
	list_remove(&call->link);
	c->calls--;
	call->on_end(call, c, CALL_ANSWERED, &r);
	return true;
}

/* Bytes that the frame at p needs, its size included; 0 when not yet known. */
static int64_t frame_size(const uint8_t *p, size_t n)
{
	return n < 4 ? 0 : (int64_t)get_be32(p) + 4;
}

/* Returns how many bytes more the last, incomplete frame needs; -1: nonsense */
static int64_t take_frames(struct conn *c)
{
	size_t at = 0;
	int64_t need = 0;

	while (c->state == CONN_UP) {
		need = frame_size(c->in.p + at, c->in.n - at);
		if (need > FRAME_MAX)
			return -1;
		if (need == 0 || need > (int64_t)(c->in.n - at))
			break;
		if (!answer(c, c->in.p + at + 4, (size_t)need - 4))
			return -1;
		at += (size_t)need;
	}
	if (c->state != CONN_UP)
		return 0;
	c->in.n -= at;
	if (at > 0 && c->in.n > 0)
		memmove(c->in.p, c->in.p + at, c->in.n);
	return need > 0 ? need - (int64_t)c->in.n : 0;
}

static void read_in(struct conn *c)
{
	int64_t need = frame_size(c->in.p, c->in.n);
	size_t room;
	ssize_t n;

	need = need > 0 ? need - (int64_t)c->in.n : 0;
	for (int times = 0; times < 8; times++) {
		buf_reserve(&c->in, (size_t)max_of(need, READ_MIN));
		room = c->in.cap - c->in.n;
		n = recv(c->fd, c->in.p + c->in.n, room, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_break(c, n < 0 ? errno : ECONNRESET);
			return;
		}
		c->loop->bytes_in += n;
		c->in.n += (size_t)n;
		c->read_ns = clock_ns();
		need = take_frames(c);
		if (need < 0)
			conn_break(c, EBADMSG);
		if (c->state != CONN_UP || (size_t)n < room)
			return;
	}
}
