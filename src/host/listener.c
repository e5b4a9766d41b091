/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: see listener.h. Not the owner of what it accepts.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "listener.h"
#include "sock.h"

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 100

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *t)
{
	struct listener *l = container_of(t, struct listener, pause);

	l->paused = false;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void pause_accepting(struct listener *l)
{
	if (l->paused)
		return;
	l->paused = true;
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

static bool is_too_fast(struct listener *l)
{
	uint64_t second = uv_now(l->poll.loop) / 1000;

	if (second != l->second) {
		l->second = second;
		l->accepted = 0;
	}
	return l->rate_max && ++l->accepted > l->rate_max;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = container_of(poll, struct listener, poll);
	struct sockaddr_storage from;
	socklen_t n;
	int fd;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && !l->paused; i++) {
		n = sizeof(from);
		fd = accept4(l->fd, (struct sockaddr *)&from, &n,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->on_accept(l->ctx, l, fd, &from);
			if (is_too_fast(l))
				pause_accepting(l);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			trace_error("listener", "cannot accept", "why=\"%s\"",
				    strerror(errno));
			pause_accepting(l);
		} /* anything else concerns only that one connection */
	}
}

int listener_bind(struct listener *l, uv_loop_t *loop, const struct endpoint *e,
		  struct arena *a, const char **why)
{
	struct sockaddr_storage sa;
	socklen_t n = 0;
	int rv = endpoint_resolve(e->host, e->port, true, &sa, &n);

	if (rv < 0) {
		*why = arena_printf(a, "there is no host %s", e->host);
		return rv;
	}
	l->fd = sock_bind(&sa, n);
	if (l->fd < 0) {
		*why = arena_printf(a, "cannot listen on %s:%d: %s", e->host,
				    (int)e->port, strerror(-l->fd));
		return l->fd;
	}
	n = sizeof(sa);
	if (getsockname(l->fd, (struct sockaddr *)&sa, &n) < 0)
		fatal("getsockname: %s", strerror(errno));
	l->port = endpoint_port_of(&sa);
	uv_timer_init(loop, &l->pause);
	rv = uv_poll_init(loop, &l->poll, l->fd);
	if (rv < 0)
		fatal("uv_poll_init: %s", uv_strerror(rv));
	l->open = true;
	return 0;
}

int listener_start(struct listener *l, int backlog)
{
	if (listen(l->fd, backlog) < 0)
		return -errno;
	return uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void listener_close(struct listener *l)
{
	if (!l->open)
		return;
	l->open = false;
	uv_close((uv_handle_t *)&l->pause, NULL);
	uv_close((uv_handle_t *)&l->poll, NULL);
	close(l->fd);
}

/* ---- gate ---------------------------------------------------------------- */

bool gate_enter(struct gate *g, const char *host)
{
	intptr_t n = (intptr_t)map_find_str(&g->hosts, str_of(host));

	if (g->total >= g->total_max ||
	    (g->per_host_max > 0 && n >= g->per_host_max)) {
		g->refused++;
		return false;
	}
	g->total++;
	map_put_str(&g->hosts, str_of(host), (void *)(n + 1));
	return true;
}

void gate_leave(struct gate *g, const char *host)
{
	intptr_t n = (intptr_t)map_find_str(&g->hosts, str_of(host));

	assert(n > 0 && g->total > 0);
	g->total--;
	if (n == 1)
		map_remove_str(&g->hosts, str_of(host));
	else
		map_put_str(&g->hosts, str_of(host), (void *)(n - 1));
}

void gate_fini(struct gate *g)
{
	map_fini(&g->hosts);
}
