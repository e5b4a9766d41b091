/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that is the other end of a socketpair, and a broker that answers
 * when the test says so. Sources of the facts: KIP-32 and Kafka's protocol
 * guide (answers in the order of requests), reliability of slow clients.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "disk_file.h"
#include "unit.h"

static uv_loop_t loop;
static struct conns conns;
static struct list requests; /* handed out, not answered */
static int requests_n, done_n, gone_n, lost_n;
static bool lease = true;
static int64_t now = 1000;
static int client;
static struct list jobs;

static void on_request(void *ctx, struct request *rq)
{
	(void)ctx;
	list_push(&requests, &rq->link);
	requests_n++;
}

static bool is_lease_ok(void *ctx, int64_t now_ms)
{
	(void)ctx;
	(void)now_ms;
	return lease;
}

static void on_done(void *ctx, struct request *rq)
{
	(void)ctx;
	done_n++;
	request_free(rq);
}

static void on_gone(void *ctx, const struct conn_origin *o, bool lost)
{
	(void)ctx;
	(void)o;
	gone_n++;
	lost_n += lost;
}

static void on_give(void *ctx, struct job *j)
{
	(void)ctx;
	list_push(&jobs, &j->link);
}

static void on_wake(void *ctx)
{
	(void)ctx;
}

static void spin(void)
{
	for (int i = 0; i < 5; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		conns.now_ms = now;
		wheel_advance(conns.wheel, now);
		while (conns_flush(&conns))
			;
	}
}

static void begin_with(struct conn_origin o)
{
	int pair[2];

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	list_init(&requests);
	list_init(&jobs);
	conns = (struct conns){
		.loop = &loop,
		.wheel = wheel_new(now),
		.now_ms = now,
		.thread = 2,
		.limits = { .frame_max = 1 << 20, .requests_max = 4,
			    .request_bytes_max = 1 << 20,
			    .answer_bytes_max = 1 << 16, .memory_max = -1,
			    .idle_ms = 600000, .read_ms = 30000 },
		.hooks = { .request = on_request, .lease_ok = is_lease_ok,
			   .done = on_done, .gone = on_gone, .give = on_give,
			   .wake = on_wake },
	};
	conns_init(&conns);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    pair), 0);
	client = pair[0];
	o.fd = pair[1];
	conns_add(&conns, &o);
}

static void begin(void)
{
	begin_with((struct conn_origin){ .kind = CONN_CLIENT, .peer = -1,
					 .host = "10.0.0.7" });
}

static void end(void)
{
	struct list *at;

	conns_close_all(&conns);
	while ((at = list_pop(&requests)))
		request_free(list_entry(at, struct request, link));
	spin();
	conns_fini(&conns);
	wheel_free(conns.wheel);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	close(client);
}

static void say(const void *p, size_t n)
{
	ck_assert_int_eq(write(client, p, n), (int)n);
}

/* A frame of n bytes, all of them c. */
static void say_frame(uint32_t n, char c)
{
	struct buf b = { 0 };

	buf_put_i32(&b, (int32_t)n);
	memset(buf_grow(&b, n), c, n);
	say(b.p, b.n);
	buf_fini(&b);
}

static struct request *first(void)
{
	return list_entry(list_pop(&requests), struct request, link);
}

static void answer(struct request *rq, const char *text)
{
	buf_put(&rq->answer, text, strlen(text));
	conns_answer(&conns, rq);
}

static const char *heard(void)
{
	static char text[1 << 16];
	ssize_t n = read(client, text, sizeof(text) - 1);

	text[max_of(n, 0)] = '\0';
	return text;
}

TEST(conn_of_a_broker_tells_of_which_and_how_young_it_is)
{
	struct request *rq;

	begin_with((struct conn_origin){ .kind = CONN_PEER, .peer = 3,
					 .peer_order = 17 });
	say_frame(10, 'a');
	spin();
	rq = first();
	ck_assert_int_eq(rq->peer, 3);
	ck_assert_int_eq(rq->peer_order, 17);
	answer(rq, "A");
	spin();
	end();
}

TEST(conn_answers_leave_in_the_order_of_requests)
{
	struct request *a, *b, *c;

	begin();
	say_frame(10, 'a');
	say_frame(20, 'b');
	say_frame(30, 'c');
	spin();
	ck_assert_int_eq(requests_n, 3);
	a = first();
	b = first();
	c = first();
	ck_assert_int_eq(a->frame_n, 10);
	ck_assert_int_eq(c->frame[29], 'c');
	ck_assert_int_eq(a->thread, 2);
	ck_assert_str_eq(a->host, "10.0.0.7");
	answer(c, "C");
	answer(b, "B");
	spin();
	ck_assert_str_eq(heard(), "");
	answer(a, "A");
	spin();
	ck_assert_str_eq(heard(), "ABC");
	ck_assert_int_eq(done_n, 3);
	ck_assert_int_eq(conns.memory, 0);
	end();
}

TEST(conn_frame_in_single_bytes)
{
	struct buf b = { 0 };

	begin();
	buf_put_i32(&b, 3);
	buf_put(&b, "xyz", 3);
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(requests_n, 0);
		say(b.p + i, 1);
		spin();
	}
	ck_assert_int_eq(requests_n, 1);
	ck_assert_int_eq(memcmp(list_entry(requests.next, struct request, link)
					->frame, "xyz", 3), 0);
	buf_fini(&b);
	end();
}

TEST(conn_large_frame_grows_as_bytes_arrive)
{
	uint8_t head[4], *body = mem_alloc(1 << 20);
	int64_t sent = 0;

	begin();
	put_be32(head, 1 << 20);
	memset(body, 'x', 1 << 20);
	say(head, 4);
	spin();
	ck_assert_int_lt(conns.memory, 65536); /* nothing announced is taken */
	while (sent < 1 << 20) {
		ssize_t n = write(client, body + sent, (1 << 20) - sent);

		if (n > 0)
			sent += n;
		spin();
		ck_assert_int_le(conns.memory, sent);
	}
	ck_assert_int_eq(requests_n, 1);
	ck_assert_int_eq(list_entry(requests.next, struct request, link)
				 ->frame_n, 1 << 20);
	mem_free(body);
	end();
}

TEST_TIMES(conn_impossible_size_closes, 4)
{
	static const uint32_t sizes[] = { 0, 0x80000000u, 0xffffffffu,
					  (1 << 20) + 1 };
	uint8_t head[4];

	begin();
	put_be32(head, sizes[_i]);
	say(head, 4);
	spin();
	ck_assert_int_eq(gone_n, 1);
	ck_assert_int_eq(conns.open_n, 0);
	end();
}

TEST(conn_with_too_many_requests_is_not_read)
{
	begin();
	for (int i = 0; i < 10; i++)
		say_frame(8, (char)('0' + i));
	spin();
	ck_assert_int_eq(requests_n, 4);
	answer(first(), "0");
	spin();
	ck_assert_int_eq(requests_n, 5);
	for (int i = 1; i < 10; i++) {
		answer(first(), "x");
		spin();
	}
	ck_assert_int_eq(requests_n, 10);
	ck_assert_str_eq(heard(), "0xxxxxxxxx");
	end();
}

TEST(conn_whose_client_does_not_read_is_not_read)
{
	struct request *rq;

	begin();
	say_frame(8, 'a');
	spin();
	rq = first();
	memset(buf_grow(&rq->answer, 4 << 20), 'A', 4 << 20);
	conns_answer(&conns, rq);
	spin();
	say_frame(8, 'b');
	spin();
	ck_assert_int_eq(requests_n, 1);
	for (int i = 0; i < 2000 && requests_n == 1; i++) {
		heard();
		spin();
	}
	ck_assert_int_eq(requests_n, 2);
	end();
}

TEST(conn_acks_zero_is_not_answered)
{
	struct request *rq;

	begin();
	say_frame(8, 'a');
	say_frame(8, 'b');
	spin();
	rq = first();
	rq->silent = true;
	conns_answer(&conns, rq);
	answer(first(), "B");
	spin();
	ck_assert_str_eq(heard(), "B");
	end();
}

TEST(conn_closes_after_an_answer_that_says_so)
{
	struct request *rq;

	begin();
	say_frame(8, 'a');
	say_frame(8, 'b');
	spin();
	rq = first();
	rq->close = true;
	answer(rq, "bye");
	answer(first(), "never");
	spin();
	ck_assert_str_eq(heard(), "bye");
	ck_assert_int_eq(gone_n, 1);
	ck_assert_int_eq(done_n, 2);
	end();
}

TEST(conn_leased_answer_is_dropped_without_the_lease)
{
	struct request *rq;

	begin();
	say_frame(8, 'a');
	spin();
	rq = first();
	rq->data = true;
	lease = false;
	answer(rq, "stale");
	spin();
	ck_assert_str_eq(heard(), "");
	ck_assert_int_eq(gone_n, 1);
	ck_assert_int_eq(done_n, 1);
	end();
}

TEST(conn_frame_that_does_not_come_is_given_up)
{
	begin();
	say("\0\0", 2);
	spin();
	now += 29000;
	spin();
	ck_assert_int_eq(gone_n, 0);
	now += 2000;
	spin();
	ck_assert_int_eq(gone_n, 1);
	end();
}

TEST(conn_idle_is_closed_but_not_while_it_waits_for_an_answer)
{
	begin();
	say_frame(8, 'a');
	spin();
	now += 700000;
	spin();
	ck_assert_int_eq(gone_n, 0);
	answer(first(), "A");
	spin();
	now += 1300000;
	spin();
	ck_assert_int_eq(gone_n, 1);
	end();
}

TEST(conn_answer_after_the_client_has_gone_is_dropped)
{
	struct request *rq;

	begin();
	say_frame(8, 'a');
	spin();
	rq = first();
	close(client);
	spin();
	ck_assert_int_eq(lost_n, 1);
	answer(rq, "late");
	spin();
	ck_assert_int_eq(done_n, 1);
	client = -1;
	end();
}

/* ---- slices -------------------------------------------------------------- */

static struct disk *disk;
static struct file *file;
static char dir[] = "/tmp/raftmq-conn-test.XXXXXX";

static void make_file(size_t n)
{
	uint8_t *p = mem_alloc(n);
	struct disk_span span = { p, n };

	ck_assert_ptr_nonnull(mkdtemp(dir));
	disk = disk_file_new(open(dir, O_RDONLY | O_DIRECTORY));
	conns.disk = disk->ops;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)('a' + i % 26);
	ck_assert_int_eq(disk->ops->open(disk, "x", DISK_WRITE | DISK_CREATE,
					 &file), 0);
	ck_assert_int_eq(disk->ops->write(file, 0, &span, 1), 0);
	mem_free(p);
}

static void remove_file(void)
{
	disk->ops->close(file);
	disk->ops->unlink(disk, "x");
	disk_file_free(disk);
	rmdir(dir);
}

static void put_slice(struct request *rq, int64_t pos, int32_t n)
{
	struct log_slice *s = arena_zalloc(&rq->arena, sizeof(*s));
	struct splices *v = &rq->splices;

	*s = (struct log_slice){ .file = file, .pos = pos, .n = n };
	v->v = mem_realloc(v->v, (size_t)(v->n + 1) * sizeof(*v->v));
	v->v[v->n++] = (struct splice){ rq->answer.n, n, s };
	v->bytes += n;
}

static const char *expected(const char *before, int64_t pos, size_t n,
			    const char *after)
{
	static char text[1 << 16];
	size_t at = strlen(before);

	memcpy(text, before, at);
	for (size_t i = 0; i < n; i++)
		text[at++] = (char)('a' + (pos + (int64_t)i) % 26);
	memcpy(text + at, after, strlen(after) + 1);
	return text;
}

TEST_TIMES(conn_fills_holes_from_files, 2)
{
	/* copied, and by sendfile */
	static const int32_t sizes[] = { 100, 40000 };
	struct request *rq;

	begin();
	make_file(100000);
	say_frame(8, 'a');
	say_frame(8, 'b');
	spin();
	rq = first();
	buf_put(&rq->answer, "HEAD", 4);
	put_slice(rq, 17, sizes[_i]);
	buf_put(&rq->answer, "TAIL", 4);
	conns_answer(&conns, rq);
	answer(first(), "B");
	spin();
	ck_assert_str_eq(heard(), expected("HEAD", 17, (size_t)sizes[_i],
					   "TAILB"));
	ck_assert_int_eq(done_n, 2);
	remove_file();
	end();
}

TEST(conn_large_slices_survive_a_slow_reader)
{
	enum { N = 3 << 20 };
	struct request *rq;
	size_t at = 0, wrong = 0;

	begin();
	make_file(N);
	say_frame(8, 'a');
	spin();
	rq = first();
	put_slice(rq, 0, N / 2);
	put_slice(rq, N / 2, N / 2);
	buf_put(&rq->answer, "END", 3);
	conns_answer(&conns, rq);
	while (at < N + 3) {
		char text[7001];
		ssize_t n = read(client, text, sizeof(text));

		for (ssize_t i = 0; i < n; i++, at++)
			wrong += text[i] != (at < N ? (char)('a' + at % 26)
						    : "END"[at - N]);
		spin();
	}
	ck_assert_int_eq(wrong, 0);
	ck_assert_int_eq(done_n, 1);
	remove_file();
	end();
}

/* A disk on which nothing is cached until somebody has waited for it. */
static struct disk_ops cold;
static bool warm;

static int64_t cold_read(struct file *f, int64_t pos, void *p, size_t n,
			 bool nowait)
{
	if (nowait && !warm)
		return -EAGAIN;
	warm = true;
	return disk->ops->read(f, pos, p, n, false);
}

static void run_jobs(void)
{
	struct list *at;

	while ((at = list_pop(&jobs))) {
		struct job *j = list_entry(at, struct job, link);

		j->run(j);
		j->done(j);
	}
}

TEST_TIMES(conn_cold_slices_are_read_by_the_pool_first, 2)
{
	static const int32_t sizes[] = { 100, 40000 };
	struct request *rq;

	begin();
	make_file(100000);
	cold = *disk->ops;
	cold.read = cold_read;
	conns.disk = &cold;
	say_frame(8, 'a');
	spin();
	rq = first();
	put_slice(rq, 3, sizes[_i]);
	conns_answer(&conns, rq);
	spin();
	ck_assert_str_eq(heard(), "");
	ck_assert(!list_empty(&jobs));
	run_jobs();
	spin();
	ck_assert_str_eq(heard(), expected("", 3, (size_t)sizes[_i], ""));
	remove_file();
	end();
}

TEST(conn_closed_while_the_pool_reads_keeps_the_slice_until_then)
{
	struct request *rq;

	begin();
	make_file(100000);
	cold = *disk->ops;
	cold.read = cold_read;
	conns.disk = &cold;
	say_frame(8, 'a');
	spin();
	rq = first();
	put_slice(rq, 3, 40000);
	conns_answer(&conns, rq);
	spin();
	conns_close_all(&conns);
	spin();
	ck_assert_int_eq(done_n, 0);
	run_jobs();
	ck_assert_int_eq(done_n, 1);
	remove_file();
	end();
}
