/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join: a node that is in no list of peers becomes a member: it asks any
 * member, is sent on to the quorum leader, and is added as a stand-by. After
 * that it is found by the quorum, not the other way round.
 *
 * 1. Asking blocks, so the pool does it, one question at a time, each with a
 *    time-out; the answer is judged on thread 0.
 * 2. It goes on until the node is ready: an answer that was lost is asked for
 *    again, and so is a welcome that was never agreed on. The entry that lists
 *    this node may be in its own log and with the leader that wrote it: it is
 *    a member when a leader speaks to it.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "node.h"
#include "sock.h"

#define RETRY_MS 500
#define SETTLE_MS 2000 /* for the quorum's first frame after a welcome */
#define WAIT_S 3

struct question {
	struct job job;
	struct node *node;
	struct endpoint where;
	struct buf hello;
	uint8_t in[4 + HELLO_MAX];
	size_t n;
	struct hello_answer answer; /* valid when rv == 0 */
	int rv;
};

/* ---- asking -------------------------------------------------------------- */

static int dial(const struct endpoint *e)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	struct sockaddr_storage sa;
	socklen_t n;
	int fd, rv = endpoint_resolve(e->host, e->port, false, &sa, &n);

	if (rv < 0)
		return rv;
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
	    connect(fd, (const struct sockaddr *)&sa, n) == 0)
		return fd;
	rv = -errno;
	close(fd);
	return rv;
}

static int read_answer(struct question *q, int fd)
{
	size_t want = 4;

	while (q->n < want) {
		ssize_t n = recv(fd, q->in + q->n, want - q->n, 0);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		q->n += (size_t)n;
		if (q->n == 4)
			want += get_be32(q->in);
		if (want > sizeof(q->in))
			return -EPROTO;
	}
	return hello_answer_decode(q->in + 4, q->n - 4, &q->answer) ? 0
								    : -EPROTO;
}

static void ask(struct job *j)
{
	struct question *q = container_of(j, struct question, job);
	int fd = dial(&q->where);

	q->rv = fd;
	if (fd < 0)
		return;
	if (send(fd, q->hello.p, q->hello.n, MSG_NOSIGNAL) !=
	    (ssize_t)q->hello.n)
		q->rv = -EIO;
	else
		q->rv = read_answer(q, fd);
	close(fd);
}

/* ---- judging ------------------------------------------------------------- */

static void ask_any(struct node *n);

static void look(struct timer *t)
{
	struct node *n = container_of(t, struct node, join);
	struct thread *home = &n->threads[0];

	if (n->state != NODE_JOINING)
		return;
	if (quorum_is_led(n->quorum, SETTLE_MS))
		wheel_arm(home->wheel, t, home->now_ms + SETTLE_MS);
	else
		ask_any(n);
}

static void look_later(struct node *n, int64_t ms)
{
	struct thread *t = &n->threads[0];

	timer_init(&n->join, look);
	wheel_arm(t->wheel, &n->join, t->now_ms + ms);
}

static void follow(struct node *n, struct str address)
{
	struct arena a = { 0 };
	struct endpoint e;
	const char *why;

	endpoint_fini(&n->next);
	if (endpoint_parse(address, false, &e, &a, &why))
		n->next = e;
	arena_fini(&a);
}

/* The quorum leader: our answers to it need its address from the start. */
static void meet(struct node *n, const struct question *q)
{
	struct buf b = { 0 };

	endpoint_print(&b, q->where.host, q->where.port);
	node_met(n, q->answer.node, buf_c(&b));
	buf_fini(&b);
}

static int64_t judge(struct node *n, const struct question *q)
{
	const struct hello_answer *a = &q->answer;

	if (q->rv < 0) {
		trace_warn("join", "no answer", "host=%s port=%d error=\"%s\"",
			   q->where.host, (int)q->where.port,
			   strerror(-q->rv));
		endpoint_fini(&n->next);
		return RETRY_MS;
	}
	if (a->error == HELLO_WELCOME) {
		trace_info("join", "welcome", "by=%d", (int)a->node);
		meet(n, q);
		return SETTLE_MS;
	}
	if (a->error == HELLO_NOT_LEADER && a->text.n > 0) {
		follow(n, a->text);
		return 0;
	}
	trace_warn("join", "not yet", "by=%d why=\"%.*s\"", (int)a->node,
		   STR_ARG(a->text));
	endpoint_fini(&n->next);
	return RETRY_MS;
}

static void answered(struct job *j)
{
	struct question *q = container_of(j, struct question, job);
	struct node *n = q->node;

	if (n->state == NODE_JOINING)
		look_later(n, judge(n, q));
	endpoint_fini(&q->where);
	buf_fini(&q->hello);
	mem_free(q);
}

static void ask_any(struct node *n)
{
	const struct endpoint *e = n->next.host ? &n->next : &n->plan->join;
	struct thread *t = &n->threads[0];
	struct hello h = t->links.self;
	struct question *q;

	q = mem_zalloc(sizeof(*q));
	q->node = n;
	q->where = (struct endpoint){ mem_strdup(e->host), e->port };
	h.purpose = HELLO_JOIN;
	hello_encode(&q->hello, &h);
	q->job.run = ask;
	q->job.done = answered;
	thread_give(t, &q->job);
}

/* One that was a member before is looked for by the leader. */
void node_join(struct node *n)
{
	if (quorum_members_n(n->quorum) > 0)
		look_later(n, SETTLE_MS);
	else
		ask_any(n);
}

/* ---- the member's side --------------------------------------------------- */

static void on_changed(void *ctx, int error)
{
	enum hello_error e = error == 0 || error == -EEXIST ? HELLO_WELCOME
			   : error == -EPERM ? HELLO_NOT_LEADER
					     : HELLO_TRY_AGAIN;

	peers_joined(ctx, e, str_of(e == HELLO_TRY_AGAIN ? strerror(-error)
							 : ""));
}

static void send_on(struct node *n, struct joiner *j)
{
	int32_t leader = quorum_leader(n->quorum);
	const struct endpoint *e =
		map_find_i64(&n->threads[0].links.addresses, leader);
	struct buf b = { 0 };

	if (e)
		endpoint_print(&b, e->host, e->port);
	peers_joined(j, e ? HELLO_NOT_LEADER : HELLO_TRY_AGAIN,
		     str_of(e ? buf_c(&b) : "there is no quorum leader"));
	buf_fini(&b);
}

void node_let_join(void *node, const struct hello *h, struct joiner *j)
{
	struct node *n = node;
	struct arena a = { 0 };
	struct endpoint e;
	const char *why;

	if (quorum_role(n->quorum) != QUORUM_LEADER) {
		send_on(n, j);
		return;
	}
	if (!endpoint_parse(h->address, false, &e, &a, &why)) {
		peers_joined(j, HELLO_MALFORMED, str_of(why));
		arena_fini(&a);
		return;
	}
	endpoint_fini(&e);
	trace_info("join", "a node joins", "node=%d address=%.*s",
		   (int)h->node, STR_ARG(h->address));
	quorum_change(n->quorum, &(struct quorum_change){
		.kind = QUORUM_ADD, .id = h->node,
		.address = str_c(&a, h->address), .done = on_changed,
		.ctx = j });
	arena_fini(&a);
}
