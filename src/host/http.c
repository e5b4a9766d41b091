/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: see http.h. libmicrohttpd under the loop of thread 0: its epoll
 * descriptor is one more thing to wait for.
 *
 * 1. Only GET and HEAD, only what stands in pages[]; nothing is changed.
 * 2. /metrics waits for the other threads' shares without blocking anything:
 *    the connection is suspended, a letter goes round, it is resumed.
 */
#include "node.h"
#include "report.h"

#ifdef HAVE_HTTP
#include <microhttpd.h>
#include <stdio.h>

#include "console.h"
#include "exposition.h"
#include "sock.h"

#define IDLE_S 30
#define CONNECTION_BYTES (16 << 10)

struct gather { /* the shares of all threads, for one request */
	struct list link;
	struct http *home;
	struct MHD_Connection *connection;
	struct buf *parts; /* per thread */
	int missing;
	bool done;
};
struct http {
	struct node *node;
	struct MHD_Daemon *daemon;
	struct listener where; /* for its address only */
	char *host;
	uv_poll_t poll;
	uv_timer_t timer;
	struct list gathers;
	int users; /* handles to close, then it is freed */
};

static const char seen; /* the first call of a request has been */

static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		uv_timer_start(&h->timer, h->timer.timer_cb, max_of(ms, 1), 0);
	else
		uv_timer_stop(&h->timer);
}

/* ---- answers ------------------------------------------------------------- */

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status,
			     const char *type, struct buf *body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		body->n, body->p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rv;

	buf_fini(body);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r, "Content-Security-Policy",
				"default-src 'self' 'unsafe-inline'");
	rv = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rv;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned status,
			   const char *text)
{
	struct buf b = { 0 };

	buf_put(&b, text, strlen(text));
	return reply(c, status, "text/plain; charset=utf-8", &b);
}

static enum MHD_Result on_live(struct http *h, struct MHD_Connection *c)
{
	(void)h;
	return say(c, MHD_HTTP_OK, "alive\n");
}

static enum MHD_Result on_probe(struct MHD_Connection *c, bool ok,
				struct buf *text)
{
	return reply(c, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
		     "text/plain; charset=utf-8", text);
}

static enum MHD_Result on_ready_probe(struct http *h, struct MHD_Connection *c)
{
	struct buf b = { 0 };
	bool ok = report_ready(h->node, &b);

	return on_probe(c, ok, &b);
}

static enum MHD_Result on_health(struct http *h, struct MHD_Connection *c)
{
	struct buf b = { 0 };
	bool ok = report_health(h->node, &b);

	return on_probe(c, ok, &b);
}

static enum MHD_Result on_cluster(struct http *h, struct MHD_Connection *c)
{
	struct buf b = { 0 };

	report_cluster(h->node, &b);
	return reply(c, MHD_HTTP_OK, "application/json", &b);
}

static enum MHD_Result on_console(struct http *h, struct MHD_Connection *c)
{
	struct buf b = { 0 };

	(void)h;
	buf_put(&b, console_html, sizeof(console_html) - 1);
	return reply(c, MHD_HTTP_OK, "text/html; charset=utf-8", &b);
}

/* ---- metrics ------------------------------------------------------------- */

static void deliver_part(void *owner, void *body)
{
	struct gather *g = body;

	(void)owner;
	if (--g->missing > 0)
		return;
	g->done = true;
	list_remove(&g->link);
	MHD_resume_connection(g->connection);
	run(g->home);
}

static void deliver_gather(void *owner, void *body)
{
	struct thread *t = owner;
	struct gather *g = body;

	if (t->broker)
		broker_metrics(t->broker, &g->parts[t->index]);
	thread_post(node_thread(t->node, 0), deliver_part, g);
}

static void begin_gather(struct http *h, struct MHD_Connection *c, void **state)
{
	struct gather *g = mem_zalloc(sizeof(*g));

	g->home = h;
	g->connection = c;
	g->missing = h->node->threads_n;
	g->parts = mem_zalloc((size_t)g->missing * sizeof(*g->parts));
	list_push(&h->gathers, &g->link);
	*state = g;
	MHD_suspend_connection(c);
	for (int i = 0; i < h->node->threads_n; i++)
		thread_post(node_thread(h->node, i), deliver_gather, g);
}

static enum MHD_Result end_gather(struct http *h, struct MHD_Connection *c,
				  struct gather *g)
{
	struct buf own = { 0 }, out = { 0 };
	int n = h->node->threads_n;
	struct bytes *parts = mem_zalloc((size_t)(n + 1) * sizeof(*parts));

	report_metrics(h->node, &own);
	parts[0] = (struct bytes){ own.p, (int32_t)own.n };
	for (int i = 0; i < n; i++)
		parts[i + 1] = (struct bytes){ g->parts[i].p,
					       (int32_t)g->parts[i].n };
	exposition_merge(parts, n + 1, &out);
	mem_free(parts);
	buf_fini(&own);
	return reply(c, MHD_HTTP_OK,
		     "text/plain; version=0.0.4; charset=utf-8", &out);
}

static void free_gather(struct gather *g)
{
	for (int i = 0; i < g->home->node->threads_n; i++)
		buf_fini(&g->parts[i]);
	mem_free(g->parts);
	mem_free(g);
}

/* ---- requests ------------------------------------------------------------ */

static const struct page {
	const char *path;
	enum MHD_Result (*show)(struct http *h, struct MHD_Connection *c);
} pages[] = {
	{ "/", on_console },
	{ "/livez", on_live },
	{ "/readyz", on_ready_probe },
	{ "/healthz", on_health },
	{ "/v1/status/ready", on_ready_probe },
	{ "/api/v1/cluster", on_cluster },
};

static enum MHD_Result route(struct http *h, struct MHD_Connection *c,
			     const char *path, void **state)
{
	for (unsigned i = 0; i < countof(pages); i++)
		if (!strcmp(pages[i].path, path))
			return pages[i].show(h, c);
	if (strcmp(path, "/metrics") != 0)
		return say(c, MHD_HTTP_NOT_FOUND, "there is no such page\n");
	if (*state != &seen)
		return end_gather(h, c, *state);
	begin_gather(h, c, state);
	return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *data_n, void **state)
{
	(void)version;
	(void)data;
	if (!*state) {
		*state = (void *)&seen;
		return MHD_YES;
	}
	if (*data_n) { /* nobody wants a body */
		*data_n = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "this port only shows\n");
	return route(ctx, c, url, state);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)ctx;
	(void)c;
	(void)code;
	if (*state && *state != &seen)
		free_gather(*state);
	*state = NULL;
}

/* ---- life ---------------------------------------------------------------- */

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct http *h = container_of(p, struct http, poll);

	(void)status;
	(void)events;
	thread_wake(node_thread(h->node, 0));
	run(h);
}

static void on_timer(uv_timer_t *t)
{
	struct http *h = container_of(t, struct http, timer);

	thread_wake(node_thread(h->node, 0));
	run(h);
}

static int bind_http(struct http *h, const struct endpoint *e,
		     const char **why)
{
	struct sockaddr_storage sa;
	socklen_t n;
	int fd = endpoint_resolve(e->host, e->port, true, &sa, &n);

	if (fd == 0)
		fd = sock_bind(&sa, n);
	if (fd >= 0 && listen(fd, 64) < 0)
		fatal("listen: %s", strerror(errno));
	if (fd < 0) {
		*why = arena_printf(&h->node->arena,
				    "cannot listen on %s:%d: %s (http.listen)",
				    e->host, (int)e->port, strerror(-fd));
		return fd;
	}
	n = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0)
		h->where.port = endpoint_port_of(&sa);
	h->host = mem_strdup(*e->host ? e->host : "0.0.0.0");
	return fd;
}

struct http *http_open(struct node *n, const struct endpoint *e,
		       const char **why)
{
	struct http *h = mem_zalloc(sizeof(*h));
	uv_loop_t *loop = &node_thread(n, 0)->loop;
	unsigned max = (unsigned)setting_number(
		n->settings->values[SETTING_HTTP_MAX_CONNECTIONS]);
	const union MHD_DaemonInfo *info;
	int fd;

	h->node = n;
	list_init(&h->gathers);
	fd = bind_http(h, e, why);
	if (fd < 0) {
		mem_free(h);
		return NULL;
	}
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, max,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_END);
	info = h->daemon ? MHD_get_daemon_info(h->daemon,
					       MHD_DAEMON_INFO_EPOLL_FD)
			 : NULL;
	if (!info)
		fatal("libmicrohttpd does not start");
	uv_timer_init(loop, &h->timer);
	h->timer.timer_cb = on_timer;
	uv_poll_init(loop, &h->poll, info->epoll_fd);
	uv_poll_start(&h->poll, UV_READABLE, on_poll);
	return h;
}

static void on_closed(uv_handle_t *handle)
{
	struct http *h = handle->data;

	if (--h->users > 0)
		return;
	mem_free(h->host);
	mem_free(h);
}

void http_close(struct http *h)
{
	struct list *at;

	while ((at = list_pop(&h->gathers))) { /* shards have ended */
		struct gather *g = list_entry(at, struct gather, link);

		g->done = true;
		MHD_resume_connection(g->connection);
	}
	MHD_run(h->daemon);
	h->users = 2;
	h->poll.data = h->timer.data = h;
	uv_close((uv_handle_t *)&h->poll, on_closed);
	uv_close((uv_handle_t *)&h->timer, on_closed);
	MHD_stop_daemon(h->daemon);
}

void http_address(const struct http *h, struct buf *out)
{
	endpoint_print(out, h->host, h->where.port);
}

#else /* no libmicrohttpd */

struct http *http_open(struct node *n, const struct endpoint *e,
		       const char **why)
{
	(void)n;
	(void)e;
	*why = NULL; /* not a fault: it was built so */
	return NULL;
}

void http_close(struct http *h)
{
	(void)h;
}

void http_address(const struct http *h, struct buf *out)
{
	(void)h;
	(void)out;
}
#endif
