/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node: see node.h. Puts the floors together and starts them. Not the way out:
 * stop.c. Not the quorum's hooks: wiring.c.
 */
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "disk_file.h"
#include "node.h"
#include "service.h"
#include "sink.h"
#include "sock.h"

struct thread *node_thread(struct node *n, int index)
{
	assert(index >= 0 && index < n->threads_n);
	return &n->threads[index];
}

struct pool *node_pool(struct node *n)
{
	return &n->pool;
}

const struct node_info *node_info(const struct node *n)
{
	return &n->info;
}

static int64_t number(const struct node *n, enum setting_id id)
{
	return setting_number(n->settings->values[id]);
}

/* ---- what threads are told ----------------------------------------------- */

/* What other brokers dial; lives as long as the node. */
static struct str own_address(struct node *n)
{
	struct buf b = { 0 };
	struct str text = STR("");

	if (n->info.peer_host) {
		endpoint_print(&b, n->info.peer_host, n->info.peer_port);
		text = str_printf(&n->arena, "%s", buf_c(&b));
	}
	buf_fini(&b);
	return text;
}

void node_fill_thread(struct node *n, struct thread *t)
{
	int64_t memory = number(n, SETTING_QUEUED_MAX_REQUEST_BYTES);
	int64_t answers = number(n, SETTING_REPLICA_FETCH_RESPONSE_MAX_BYTES);

	t->conns.disk = n->disk->ops;
	t->conns.limits = (struct conn_limits){
		.frame_max = number(n, SETTING_SOCKET_REQUEST_MAX_BYTES),
		.requests_max =
			(int32_t)number(n, SETTING_CONNECTION_MAX_REQUESTS),
		.request_bytes_max =
			number(n, SETTING_CONNECTION_MAX_REQUEST_BYTES),
		.answer_bytes_max =
			number(n, SETTING_CONNECTION_MAX_ANSWER_BYTES),
		.memory_max = memory < 0 ? -1 : memory / n->plan->shards,
		.idle_ms = number(n, SETTING_CONNECTIONS_MAX_IDLE_MS),
		.read_ms = number(n, SETTING_REQUEST_READ_TIMEOUT_MS),
	};
	/* an answer may hold one batch more than was asked for */
	t->links.frame_max = answers + number(n, SETTING_MESSAGE_MAX_BYTES) +
			     ((int64_t)64 << 20);
	t->links.self = (struct hello){
		.cluster = n->dir.cluster,
		.node = n->plan->id,
		.incarnation = n->info.incarnation,
		.thread = (int16_t)t->index,
		.shards = (int16_t)n->plan->shards,
		.joins = n->plan->join.host != NULL,
		.address = own_address(n),
	};
}

struct idle {
	int64_t ms;
};

static void deliver_idle(void *owner, void *body)
{
	struct thread *t = owner;
	struct idle *i = body;

	t->conns.limits.idle_ms = i->ms;
	mem_free(i);
}

static int64_t live(const struct node *n, enum setting_id id)
{
	return setting_number(setting_of_broker(quorum_cluster(n->quorum),
						n->settings, n->plan->id, id));
}

void node_limits(struct node *n)
{
	struct idle idle = { live(n, SETTING_CONNECTIONS_MAX_IDLE_MS) };

	n->gate.total_max = live(n, SETTING_MAX_CONNECTIONS);
	n->gate.per_host_max = live(n, SETTING_MAX_CONNECTIONS_PER_IP);
	for (int i = 0; i < n->plan->listeners_n; i++)
		n->listeners[i].rate_max =
			(int32_t)live(n, SETTING_MAX_CONNECTION_CREATION_RATE);
	for (int i = 0; i < n->threads_n; i++)
		thread_post(&n->threads[i], deliver_idle,
			    mem_dup(&idle, sizeof(idle)));
}

/* ---- connections --------------------------------------------------------- */

static void deliver_conn(void *owner, void *body)
{
	struct thread *t = owner;
	struct conn_origin *o = body;

	if (t->stopping || !t->broker) {
		close(o->fd);
		node_conn_gone(t->node, t, o, false);
	} else {
		conns_add(&t->conns, o);
	}
	mem_free(o);
}

static void hand_over(struct node *n, int thread, const struct conn_origin *o)
{
	thread_post(&n->threads[thread], deliver_conn, mem_dup(o, sizeof(*o)));
}

static void on_client(void *ctx, struct listener *l, int fd,
		      const struct sockaddr_storage *from)
{
	struct node *n = ctx;
	struct conn_origin o = { .fd = fd, .kind = CONN_CLIENT, .peer = -1,
				 .listener = (int)(l - n->listeners) };

	thread_wake(&n->threads[0]);
	endpoint_host_of(from, o.host);
	if (!gate_enter(&n->gate, o.host)) {
		trace_warn("listener", "too many connections", "client=%s "
			   "connections=%" PRId64, o.host, n->gate.total);
		close(fd);
		return;
	}
	sock_client_options(fd,
			    (int)number(n, SETTING_SOCKET_SEND_BUFFER_BYTES),
			    (int)number(n,
					SETTING_SOCKET_RECEIVE_BUFFER_BYTES));
	n->next_shard = n->next_shard % n->plan->shards + 1;
	hand_over(n, n->next_shard, &o);
}

static void on_broker(void *ctx, const struct conn_origin *o,
		      const struct hello *h)
{
	struct node *n = ctx;
	struct conn_origin known = *o;
	char address[QUORUM_ADDRESS_MAX];
	int thread = 0;

	known.peer_order = ++n->peers_heard;
	snprintf(address, sizeof(address), "%.*s", STR_ARG(h->address));
	node_met(n, h->node, address);
	if (h->purpose == HELLO_DATA)
		thread = (max_of(h->thread, 1) - 1) % n->plan->shards + 1;
	hand_over(n, thread, &known);
}

static void deliver_leave(void *owner, void *body)
{
	struct thread *t = owner;

	gate_leave(&t->node->gate, body);
	mem_free(body);
}

void node_conn_gone(struct node *n, struct thread *t,
		    const struct conn_origin *o, bool lost)
{
	(void)t;
	if (o->kind == CONN_CLIENT)
		thread_post(&n->threads[0], deliver_leave, mem_strdup(o->host));
	else if (lost)
		node_peer_lost(n, o->peer);
}

/* ---- serving ------------------------------------------------------------- */

static void print_ready(struct node *n)
{
	const struct plan_listener *l = &n->plan->listeners[0];
	struct buf kafka = { 0 }, http = { 0 };

	endpoint_print(&kafka, l->bind.host, n->listeners[0].port);
	if (n->http)
		http_address(n->http, &http);
	else
		buf_printf(&http, "none");
	printf("ready kafka=%s http=%s node=%d pid=%d in %" PRId64 " ms\n",
	       buf_c(&kafka), buf_c(&http), (int)n->plan->id, (int)getpid(),
	       clock_now_ms() - n->started_ms);
	fflush(stdout);
	service_ready();
	buf_fini(&kafka);
	buf_fini(&http);
}

static void on_ready(void *ctx)
{
	struct node *n = ctx;
	int backlog = (int)number(n, SETTING_SOCKET_LISTEN_BACKLOG_SIZE);

	if (n->state != NODE_JOINING)
		return;
	n->state = NODE_SERVING;
	for (int i = 0; i < n->plan->listeners_n; i++) {
		int rv = listener_start(&n->listeners[i], backlog);

		if (rv == 0)
			continue;
		trace_error("node", "cannot listen", "port=%d error=\"%s\"",
			    (int)n->listeners[i].port, strerror(-rv));
		node_close(n, 2);
		return;
	}
	print_ready(n);
}

static void on_refused(void *ctx, const char *why)
{
	trace_error("node", "refused by the cluster", "why=\"%s\"", why);
	node_close(ctx, 1);
}

/* ---- opening ------------------------------------------------------------- */

static int complain(const char *what, const char *why)
{
	trace_error("node", what, "why=\"%s\"", why);
	return 2;
}

static int open_directory(struct node *n)
{
	const char *path = n->settings->values[SETTING_LOG_DIRS];
	struct store_recovery r;
	const char *why;
	int rv;

	if (strchr(path, ','))
		return complain("cannot start", "log.dirs: one directory is "
						"used, not a list");
	if (datadir_open(&n->dir, path, n->plan->id, &n->arena, &why) < 0)
		return complain("cannot start", why);
	n->disk = disk_file_new(dup(n->dir.dir_fd));
	rv = store_recover(n->disk, clock_wall_ms(), &r);
	if (rv < 0) {
		trace_error("node", "the logs cannot be recovered",
			    "dir=%s error=\"%s\"", path, strerror(-rv));
		return 1;
	}
	if (!r.clean && !n->dir.fresh)
		trace_info("node", "recovered after a crash",
			   "logs=%" PRId64 " scanned=%" PRId64
			   " bytes=%" PRId64 " replayed=%" PRId64
			   " truncated=%" PRId64 " damaged=%" PRId64, r.logs,
			   r.logs_scanned, r.bytes_scanned, r.batches_replayed,
			   r.bytes_truncated, r.logs_damaged);
	n->blind = r.blind;
	return 0;
}

static int bind_listeners(struct node *n)
{
	const struct plan *p = n->plan;
	uv_loop_t *loop = &n->threads[0].loop;
	const char *why;

	for (int i = 0; i < p->listeners_n; i++) {
		struct listener *l = &n->listeners[i];

		l->ctx = n;
		l->on_accept = on_client;
		if (listener_bind(l, loop, &p->listeners[i].bind, &n->arena,
				  &why) < 0)
			return complain("cannot start", why);
	}
	if (!p->peer.host)
		return 0;
	n->peers.listener.ctx = &n->peers;
	n->peers.listener.on_accept = peers_accept;
	if (listener_bind(&n->peers.listener, loop, &p->peer, &n->arena,
			  &why) < 0)
		return complain("cannot start", why);
	return 0;
}

/* After binding: port 0 has become a number. */
static void fill_info(struct node *n)
{
	const struct plan *p = n->plan;
	struct listener_info *l =
		arena_zalloc(&n->arena, (size_t)p->listeners_n * sizeof(*l));

	for (int i = 0; i < p->listeners_n; i++) {
		l[i].name = p->listeners[i].name;
		l[i].host = p->listeners[i].advertised.host;
		l[i].port = p->listeners[i].advertised.port;
		if (l[i].port == 0)
			l[i].port = n->listeners[i].port;
	}
	n->info.listeners = l;
}

static void prepare_info(struct node *n)
{
	const struct plan *p = n->plan;
	const char *rack = n->settings->values[SETTING_BROKER_RACK];

	n->info = (struct node_info){
		.id = p->id,
		.incarnation = clock_uuid(),
		.directory_id = n->dir.directory,
		.blind = n->blind,
		.shards = p->shards,
		.listeners_n = p->listeners_n,
		.peer_host = p->peer_advertised.host,
		.peer_port = p->peer_advertised.port,
		.rack = *rack ? rack : NULL,
		.settings = n->settings,
		.version = HOST_VERSION,
		.disk = n->disk,
	};
}

static void wake_peers(void *ctx)
{
	struct node *n = ctx;

	thread_wake(&n->threads[0]);
}

static void prepare_peers(struct node *n)
{
	struct thread *t = &n->threads[0];

	n->peers = (struct peers){
		.loop = &t->loop, .wheel = t->wheel, .now_ms = t->now_ms,
		.self = n->plan->id, .shards = (int16_t)n->plan->shards,
		.hooks = { .ctx = n, .knows = node_knows,
			   .cluster = node_cluster_id, .welcome = on_broker,
			   .join = node_let_join, .wake = wake_peers },
	};
	peers_init(&n->peers);
}

static void start_quorum(struct node *n)
{
	struct thread *t = &n->threads[0];
	struct broker_config c = {
		.cluster = quorum_cluster(n->quorum),
		.coord = quorum_coord(n->quorum),
		.quorum = node_quorum_view(n),
		.host_ctx = n,
		.on_ready = on_ready,
		.on_refused = on_refused,
	};
	int rv;

	n->state = NODE_JOINING;
	rv = thread_open_broker(t, &c);
	if (rv < 0) {
		trace_error("node", "thread 0 cannot start", "error=\"%s\"",
			    strerror(-rv));
		t->broker = NULL;
		node_close(n, 1);
		return;
	}
	node_addresses(n);
	node_limits(n);
	if (n->peers.listener.open && listener_start(&n->peers.listener, 128))
		fatal("listen on the peer listener");
	if (n->plan->join.host)
		node_join(n);
}

static void deliver_opened(void *owner, void *body)
{
	struct node *n = ((struct thread *)owner)->node;
	struct thread *t = body;

	if (t->error < 0) {
		trace_error("node", "a shard cannot start",
			    "shard=%d error=\"%s\"", t->index,
			    strerror(-t->error));
		n->open_failed = true;
	}
	if (++n->opened_n < n->plan->shards)
		return;
	if (n->open_failed)
		node_close(n, 1);
	else if (n->state == NODE_OPENING)
		start_quorum(n);
}

void node_thread_opened(struct node *n, struct thread *t)
{
	thread_post(&n->threads[0], deliver_opened, t);
}

static int open_threads(struct node *n)
{
	n->threads_n = n->plan->shards + 1;
	n->threads = mem_zalloc((size_t)n->threads_n * sizeof(*n->threads));
	for (int i = 0; i < n->threads_n; i++)
		thread_init(&n->threads[i], n, i);
	n->listeners = mem_zalloc((size_t)n->plan->listeners_n *
				  sizeof(*n->listeners));
	timer_init(&n->hand_over, NULL);
	timer_init(&n->join, NULL);
	prepare_peers(n);
	return bind_listeners(n);
}

static int open_parts(struct node *n)
{
	int rv = open_directory(n);

	if (rv)
		return rv;
	prepare_info(n);
	rv = open_threads(n);
	if (rv)
		return rv;
	fill_info(n);
	if (pool_open(&n->pool, (int)number(n, SETTING_POOL_THREADS)) < 0)
		return complain("cannot start", "no threads for the pool");
	rv = node_open_quorum(n);
	if (rv < 0) {
		trace_error("node", "the quorum's files cannot be used",
			    "dir=%s error=\"%s\"", n->dir.path, strerror(-rv));
		return 1;
	}
	n->info.blind |= quorum_has_forgotten(n->quorum);
	if (n->plan->http.host) {
		const char *why = NULL;

		n->http = http_open(n, &n->plan->http, &why);
		if (!n->http && why)
			return complain("cannot start", why);
	}
	for (int i = 1; i < n->threads_n; i++)
		if (thread_start(&n->threads[i]) < 0)
			fatal("no threads");
	return 0;
}

/* Small: an idle node is meant to be. */
static void set_limits(int threads)
{
	struct rlimit files;

	mallopt(M_ARENA_MAX, threads + 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void close_parts(struct node *n)
{
	if (n->quorum)
		quorum_close(n->quorum);
	for (int i = 0; i < n->threads_n; i++)
		thread_fini(&n->threads[i]);
	if (n->disk)
		disk_file_free(n->disk);
	gate_fini(&n->gate);
	endpoint_fini(&n->next);
	mem_free(n->threads);
	mem_free(n->listeners);
	datadir_close(&n->dir);
	arena_fini(&n->arena);
}

int node_run(struct conf *c)
{
	struct node n = { .conf = c, .plan = conf_plan(c),
			  .settings = conf_settings(c),
			  .dir = { .dir_fd = -1, .lock_fd = -1 },
			  .started_ms = clock_now_ms(), .last_leader = -1 };
	int rv;

	sink_level_parse(str_of(n.settings->values[SETTING_LOG_LEVEL]),
			 &trace_level_max);
	sink_open();
	set_limits(n.plan->shards);
	rv = open_parts(&n);
	if (rv) {
		datadir_close(&n.dir); /* the rest goes with the process */
		return rv;
	}
	node_watch_signals(&n);
	uv_run(&n.threads[0].loop, UV_RUN_DEFAULT);
	pool_close(&n.pool);
	rv = n.status;
	close_parts(&n);
	return rv;
}
