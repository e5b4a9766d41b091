/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer: see peer.h. Not the dialling side: link.c. Not the conversation after
 * the hello: conn.c.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "sock.h"

#define GREETINGS_MAX 64
#define GREETING_MS 5000

struct greeting {
	struct list link;
	struct peers *home;
	uv_poll_t poll;
	int fd;
	char host[ENDPOINT_HOST_MAX];
	uint8_t in[4 + HELLO_MAX];
	size_t have;
	struct timer timer;
	struct joiner *joiner; /* whom we still owe an answer */
};
struct joiner {
	struct greeting *greeting; /* NULL: it went away */
};

void peers_init(struct peers *ps)
{
	list_init(&ps->greetings);
}

static void free_greeting(uv_handle_t *h)
{
	mem_free(container_of((uv_poll_t *)h, struct greeting, poll));
}

/* The descriptor stays open when it has been handed on. */
static void end(struct greeting *g, bool handed_on)
{
	list_remove(&g->link);
	g->home->greetings_n--;
	if (g->joiner)
		g->joiner->greeting = NULL;
	wheel_disarm(&g->timer);
	uv_close((uv_handle_t *)&g->poll, free_greeting);
	if (!handed_on)
		close(g->fd);
}

static void on_timeout(struct timer *t)
{
	end(container_of(t, struct greeting, timer), false);
}

static enum hello_error judge(const struct peers *ps, const struct hello *h,
			      char why[256])
{
	struct uuid own = ps->hooks.cluster(ps->hooks.ctx);
	char ours[UUID_TEXT_MAX], theirs[UUID_TEXT_MAX];

	if (!uuid_is_zero(own) && !uuid_is_zero(h->cluster) &&
	    !uuid_eq(own, h->cluster)) {
		uuid_text(own, ours);
		uuid_text(h->cluster, theirs);
		snprintf(why, 256, "node %d belongs to cluster %s, not to %s",
			 (int)ps->self, ours, theirs);
		return HELLO_OTHER_CLUSTER;
	}
	if (h->node == ps->self) {
		snprintf(why, 256, "two nodes call themselves node %d",
			 (int)ps->self);
		return HELLO_SAME_NODE;
	}
	if (h->purpose != HELLO_JOIN &&
	    !ps->hooks.knows(ps->hooks.ctx, h->node)) {
		snprintf(why, 256, "node %d is not a member of this cluster",
			 (int)h->node);
		return HELLO_UNKNOWN_NODE;
	}
	return HELLO_WELCOME;
}

/* A fresh socket takes these few bytes at once; if not, it is not worth it. */
static bool answer(struct greeting *g, const struct hello_answer *a)
{
	struct buf out = { 0 };
	ssize_t n;

	hello_answer_encode(&out, a);
	n = send(g->fd, out.p, out.n, MSG_NOSIGNAL);
	if (n != (ssize_t)out.n)
		n = -1;
	buf_fini(&out);
	return n > 0;
}

static void begin_join(struct greeting *g, const struct hello *h)
{
	uv_poll_stop(&g->poll);
	g->joiner = mem_zalloc(sizeof(*g->joiner));
	g->joiner->greeting = g;
	g->home->hooks.join(g->home->hooks.ctx, h, g->joiner);
}

void peers_joined(struct joiner *j, enum hello_error error, struct str text)
{
	struct greeting *g = j->greeting;
	struct hello_answer a = { .error = error, .text = text };

	mem_free(j);
	if (!g)
		return;
	g->joiner = NULL;
	a.node = g->home->self;
	a.shards = g->home->shards;
	a.cluster = g->home->hooks.cluster(g->home->hooks.ctx);
	answer(g, &a);
	end(g, false);
}

static void take_hello(struct greeting *g, const uint8_t *body, size_t n)
{
	struct peers *ps = g->home;
	char why[256] = "";
	struct hello_answer a = { .node = ps->self, .shards = ps->shards,
				  .cluster = ps->hooks.cluster(ps->hooks.ctx) };
	struct conn_origin o = { .fd = g->fd };
	struct hello h;

	if (!hello_decode(body, n, &h)) {
		trace_warn("peer", "not a broker's hello", "from=%s", g->host);
		end(g, false);
		return;
	}
	a.error = judge(ps, &h, why);
	a.text = str_of(why);
	if (a.error)
		trace_error("peer", "connection of a broker refused",
			    "from=%s node=%d why=\"%s\"", g->host, (int)h.node,
			    why);
	if (!a.error && h.purpose == HELLO_JOIN) {
		begin_join(g, &h);
		return;
	}
	if (!answer(g, &a) || a.error) {
		end(g, false);
		return;
	}
	o.kind = h.purpose == HELLO_QUORUM || h.purpose == HELLO_BULK
			 ? CONN_QUORUM : CONN_PEER;
	o.peer = h.node;
	memcpy(o.host, g->host, sizeof(o.host));
	end(g, true);
	ps->hooks.welcome(ps->hooks.ctx, &o, &h);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct greeting *g = container_of(poll, struct greeting, poll);
	ssize_t n = status < 0 ? 0
			       : recv(g->fd, g->in + g->have,
				      sizeof(g->in) - g->have, 0);
	int32_t want;

	(void)events;
	g->home->hooks.wake(g->home->hooks.ctx);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(g, false);
		return;
	}
	g->have += (size_t)n;
	if (g->have < 4)
		return;
	want = (int32_t)get_be32(g->in);
	if (want <= 0 || want > HELLO_MAX ||
	    g->have - 4 > (size_t)want) /* nothing may follow the hello */
		end(g, false);
	else if (g->have - 4 == (size_t)want)
		take_hello(g, g->in + 4, (size_t)want);
}

void peers_accept(void *peers, struct listener *l, int fd,
		  const struct sockaddr_storage *from)
{
	struct peers *ps = peers;
	struct greeting *g;

	(void)l;
	ps->hooks.wake(ps->hooks.ctx);
	if (ps->greetings_n >= GREETINGS_MAX) {
		close(fd);
		return;
	}
	sock_peer_options(fd);
	g = mem_zalloc(sizeof(*g));
	g->home = ps;
	g->fd = fd;
	endpoint_host_of(from, g->host);
	timer_init(&g->timer, on_timeout);
	if (uv_poll_init(ps->loop, &g->poll, fd) < 0 ||
	    uv_poll_start(&g->poll, UV_READABLE, on_readable) < 0)
		fatal("uv_poll on a new socket");
	wheel_arm(ps->wheel, &g->timer, ps->now_ms + GREETING_MS);
	list_push(&ps->greetings, &g->link);
	ps->greetings_n++;
}

void peers_close(struct peers *ps)
{
	listener_close(&ps->listener);
	list_each(at, &ps->greetings, safe)
		end(list_entry(at, struct greeting, link), false);
}
