/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two brokers in one loop: one listens (peer.c, conn.c), one dials (link.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "link.h"
#include "peer.h"
#include "unit.h"

static uv_loop_t loop;
static struct wheel *wheel;
static struct peers peers;
static struct links links;
static struct conns conns;
static struct arena arena;
static struct uuid cluster_1 = { { 1 } }, cluster_2 = { { 2 } };
static struct uuid own_cluster;
static struct buf notes; /* what happened */
static bool echo = true;

static void wake(void *ctx)
{
	(void)ctx;
}

static bool knows(void *ctx, int32_t node)
{
	(void)ctx;
	return node == 1 || node == 2;
}

static struct uuid cluster_id(void *ctx)
{
	(void)ctx;
	return own_cluster;
}

static void welcome(void *ctx, const struct conn_origin *o,
		    const struct hello *h)
{
	(void)ctx;
	buf_printf(&notes, "welcome %d purpose %d thread %d %.*s\n",
		   (int)o->peer, (int)h->purpose, h->thread,
		   STR_ARG(h->address));
	conns_add(&conns, o);
}

/* Answers every request with its own body. */
static void on_request(void *ctx, struct request *rq)
{
	struct reader r = reader_of(rq->frame, rq->frame_n);
	struct request_header h;
	size_t at;

	(void)ctx;
	ck_assert(frame_read_request(&r, &h));
	buf_printf(&notes, "request %d of %d\n", h.key, (int)rq->peer);
	if (!echo) {
		request_free(rq);
		return;
	}
	at = frame_begin_response(&rq->answer, h.key, h.version,
				  h.correlation_id);
	buf_put(&rq->answer, r.p, reader_left(&r));
	frame_end(&rq->answer, at, 0);
	conns_answer(&conns, rq);
}

static void on_frame(void *ctx, int32_t peer, struct bytes frame)
{
	(void)ctx;
	buf_printf(&notes, "frame of %d: %.*s\n", (int)peer, frame.n, frame.p);
}

static bool yes(void *ctx, int64_t now_ms)
{
	(void)ctx;
	(void)now_ms;
	return true;
}

static void on_done(void *ctx, struct request *rq)
{
	(void)ctx;
	request_free(rq);
}

static void on_gone(void *ctx, const struct conn_origin *o, bool lost)
{
	(void)ctx;
	(void)o;
	(void)lost;
}

static void on_lost(void *ctx, int32_t node)
{
	(void)ctx;
	buf_printf(&notes, "lost %d\n", (int)node);
}

static void spin(int ms)
{
	int64_t end = clock_now_ms() + ms;

	do {
		uv_run(&loop, UV_RUN_NOWAIT);
		conns.now_ms = links.now_ms = peers.now_ms = clock_now_ms();
		wheel_advance(wheel, conns.now_ms);
		conns_flush(&conns);
		links_flush(&links);
		usleep(200);
	} while (clock_now_ms() < end);
}

/* Turns until the text has been noted, for at most two seconds. */
static bool noted(const char *text)
{
	for (int i = 0; i < 400; i++) {
		if (strstr(buf_c(&notes), text))
			return true;
		spin(5);
	}
	return false;
}

static void begin(void)
{
	struct endpoint any = { (char *)"127.0.0.1", 0 };
	int64_t now = clock_now_ms();
	const char *why;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	wheel = wheel_new(now);
	conns = (struct conns){
		.loop = &loop, .wheel = wheel, .now_ms = now,
		.limits = { .frame_max = 1 << 20, .requests_max = 100,
			    .request_bytes_max = 1 << 20,
			    .answer_bytes_max = 1 << 20, .memory_max = -1,
			    .idle_ms = 600000, .read_ms = 30000 },
		.hooks = { .request = on_request, .frame = on_frame,
			   .lease_ok = yes, .done = on_done, .gone = on_gone,
			   .wake = wake },
	};
	conns_init(&conns);
	links = (struct links){
		.loop = &loop, .wheel = wheel, .now_ms = now,
		.hooks = { .lost = on_lost, .wake = wake },
		.self = { .cluster = cluster_1, .node = 1, .thread = 3,
			  .shards = 4, .address = STR("10.0.0.1:7000") },
		.frame_max = 1 << 20,
	};
	links_init(&links);
	peers = (struct peers){
		.loop = &loop, .wheel = wheel, .now_ms = now, .self = 2,
		.shards = 4,
		.hooks = { .knows = knows, .cluster = cluster_id,
			   .welcome = welcome, .wake = wake },
	};
	own_cluster = cluster_1;
	peers_init(&peers);
	peers.listener.ctx = &peers;
	peers.listener.on_accept = peers_accept;
	ck_assert_int_eq(listener_bind(&peers.listener, &loop, &any, &arena,
				       &why), 0);
	ck_assert_int_eq(listener_start(&peers.listener, 10), 0);
	links_address(&links, 2, "127.0.0.1", peers.listener.port);
}

static void end(void)
{
	links_close(&links);
	peers_close(&peers);
	conns_close_all(&conns);
	spin(5);
	links_fini(&links);
	conns_fini(&conns);
	wheel_free(wheel);
	buf_fini(&notes);
	arena_fini(&arena);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void on_answer(struct ask *a, struct reader *r, int error)
{
	if (r)
		buf_printf(&notes, "answer %.*s\n", (int)reader_left(r), r->p);
	else
		buf_printf(&notes, "error %s of %s\n", strerrorname_np(-error),
			   (const char *)a->ctx);
	buf_fini(&a->frame);
	mem_free(a);
}

static void ask(int32_t node, const char *body, int64_t wait_ms)
{
	struct request_header h = { .key = 1, .version = 4,
				    .client_id = STR("t") };
	struct ask *a = mem_zalloc(sizeof(*a));
	size_t at;

	*a = (struct ask){ .node = node, .kind = ASK_DATA, .key = 1,
			   .version = 4, .done = on_answer,
			   .deadline_ms = clock_now_ms() + wait_ms,
			   .ctx = (void *)body };
	at = frame_begin_request(&a->frame, &h);
	buf_put(&a->frame, body, strlen(body));
	frame_end(&a->frame, at, 0);
	links_ask(&links, a);
}

TEST(link_asks_are_answered_in_order_on_one_connection)
{
	begin();
	ask(2, "one", 2000);
	ask(2, "two", 2000);
	ck_assert(noted("answer two"));
	ask(2, "three", 2000);
	ck_assert(noted("answer three"));
	ck_assert_str_eq(buf_c(&notes),
			 "welcome 1 purpose 4 thread 3 10.0.0.1:7000\n"
			 "request 1 of 1\nrequest 1 of 1\n"
			 "answer one\nanswer two\n"
			 "request 1 of 1\nanswer three\n");
	end();
}

TEST(link_quorum_frames_wait_for_the_connection_they_begin)
{
	struct bytes a = { (const uint8_t *)"first", 5 };
	struct bytes b = { (const uint8_t *)"second", 6 };

	begin();
	links_send(&links, 2, HELLO_QUORUM, a);
	links_send(&links, 2, HELLO_QUORUM, b);
	ck_assert(noted("welcome 1 purpose 1"));
	ck_assert(noted("frame of 1: first\nframe of 1: second"));
	links_send(&links, 2, HELLO_QUORUM, a);
	ck_assert(noted("second\nframe of 1: first"));
	end();
}

TEST(link_that_is_kept_is_dialled_without_being_asked)
{
	begin();
	links_keep(&links, 2, HELLO_QUORUM);
	ck_assert(noted("welcome 1 purpose 1"));
	spin(20);
	conns_close_all(&conns);
	ck_assert(noted("lost 2\nwelcome 1 purpose 1"));
	end();
}

TEST(link_unreachable_node_is_told_at_once)
{
	begin();
	listener_close(&peers.listener);
	ask(2, "one", 60000);
	ck_assert(noted("error ECONNREFUSED of one"));
	ask(9, "nine", 60000);
	ck_assert(noted("error EHOSTUNREACH of nine"));
	end();
}

TEST(link_ask_without_an_answer_ends_at_its_deadline)
{
	begin();
	echo = false;
	ask(2, "one", 100);
	ask(2, "two", 60000);
	ck_assert(noted("error ETIMEDOUT of one"));
	ck_assert(noted("error ECONNRESET of two"));
	ck_assert_ptr_null(strstr(buf_c(&notes), "lost")); /* we gave up */
	echo = true;
	ask(2, "three", 2000);
	ck_assert(noted("answer three"));
	end();
}

TEST(link_broken_by_the_other_side_is_lost_and_dialled_anew)
{
	begin();
	ask(2, "one", 2000);
	ck_assert(noted("answer one"));
	echo = false;
	ask(2, "two", 2000);
	spin(20);
	conns_close_all(&conns);
	ck_assert(noted("lost 2"));
	ck_assert(noted("error ECONNRESET of two"));
	echo = true;
	ask(2, "three", 2000);
	ck_assert(noted("answer three"));
	end();
}

TEST_TIMES(peer_refuses_whom_it_does_not_know, 3)
{
	begin();
	if (_i == 0)
		own_cluster = cluster_2;
	else if (_i == 1)
		links.self.node = 2; /* two nodes of one number */
	else
		links.self.node = 7;
	ask(2, "one", 2000);
	ck_assert(noted("error EACCES of one"));
	ck_assert_ptr_null(strstr(buf_c(&notes), "welcome"));
	end();
}

TEST(peer_gives_up_on_what_is_no_hello)
{
	begin();
	for (int i = 0; i < 3; i++) {
		static const char *const noise[] = {
			"GET / HTTP/1.1\r\n\r\n", "\0\0\0\4ABCD",
			"\377\377\377\377",
		};
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_storage sa;
		socklen_t n;
		char c;

		ck_assert_int_eq(endpoint_resolve("127.0.0.1",
						  peers.listener.port, false,
						  &sa, &n), 0);
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, n), 0);
		ck_assert_int_gt(write(fd, noise[i], i == 0 ? 18 : i == 1 ? 8
								: 4), 0);
		do /* it is greeted, and then given up */
			spin(20);
		while (recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
		ck_assert_int_eq(peers.greetings_n, 0);
		close(fd);
	}
	end();
}

TEST(hello_survives_its_encoding)
{
	struct hello h = { .cluster = { { 1, 2 } }, .node = 7,
			   .purpose = HELLO_BULK, .thread = 2, .shards = 8,
			   .joins = true, .address = STR("h:1") }, back;
	struct hello_answer a = { .error = HELLO_SAME_NODE, .node = 3,
				  .shards = 4, .text = STR("why") }, again;
	struct buf b = { 0 };

	hello_encode(&b, &h);
	ck_assert(hello_decode(b.p + 4, b.n - 4, &back));
	ck_assert_int_eq(back.node, 7);
	ck_assert_int_eq(back.purpose, HELLO_BULK);
	ck_assert(back.joins && str_eq_c(back.address, "h:1"));
	for (size_t n = 0; n < b.n - 4; n++)
		ck_assert(!hello_decode(b.p + 4, n, &back));
	b.n = 0;
	hello_answer_encode(&b, &a);
	ck_assert(hello_answer_decode(b.p + 4, b.n - 4, &again));
	ck_assert(again.error == HELLO_SAME_NODE &&
		  str_eq_c(again.text, "why"));
	buf_fini(&b);
}
