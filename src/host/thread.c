/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: see thread.h. Not the node: node.c puts the threads together.
 */
#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "node.h"
#include "thread.h"

#define ROUNDS 4 /* of ends of turn before sockets are looked at again */
#define SHARD_STACK_BYTES (1 << 20)

/* ---- outbox -------------------------------------------------------------- */

static void deliver_answer(void *owner, void *body)
{
	struct thread *t = owner;
	struct request *rq = body;

	if (rq->conn)
		conns_answer(&t->conns, rq);
	else if (rq->on_answer)
		rq->on_answer(rq);
	else
		request_free(rq);
}

static void out_answer(void *ctx, struct request *rq)
{
	struct thread *t = ctx;

	if (rq->thread == t->index)
		deliver_answer(t, rq);
	else
		mail_pile_push(&t->mail[rq->thread], deliver_answer, rq);
}

static void deliver_letter(void *owner, void *body)
{
	struct thread *t = owner;
	struct letter *l = body;

	if (t->broker)
		l->deliver(t->broker, l);
}

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct thread *t = ctx;

	assert(thread >= 0 && thread < t->node->threads_n);
	mail_pile_push(&t->mail[thread], deliver_letter, l);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	struct thread *t = ctx;

	assert(t->index == 0);
	t->again = true;
	node_propose(t->node, target, command, cookie);
}

static void out_ask(void *ctx, struct ask *a)
{
	struct thread *t = ctx;

	links_ask(&t->links, a);
}

void thread_give(void *thread, struct job *j)
{
	struct thread *t = thread;

	pool_give(node_pool(t->node), &t->box, j);
}

struct outbox thread_outbox(struct thread *t)
{
	return (struct outbox){
		.ctx = t,
		.answer = out_answer,
		.tell = out_tell,
		.propose = out_propose,
		.ask = out_ask,
		.give = thread_give,
	};
}

/* ---- connections and links ----------------------------------------------- */

static void on_request(void *ctx, struct request *rq)
{
	struct thread *t = ctx;

	broker_request(t->broker, rq);
}

static void on_frame(void *ctx, int32_t peer, struct bytes frame)
{
	struct thread *t = ctx;

	node_frame(t->node, peer, frame);
}

static bool is_lease_ok(void *ctx, int64_t now_ms)
{
	struct thread *t = ctx;

	return broker_lease_ok(t->broker, now_ms);
}

static void on_done(void *ctx, struct request *rq)
{
	(void)ctx;
	request_free(rq);
}

static void on_gone(void *ctx, const struct conn_origin *o, bool lost)
{
	struct thread *t = ctx;

	node_conn_gone(t->node, t, o, lost);
}

static void on_lost(void *ctx, int32_t node)
{
	struct thread *t = ctx;

	node_peer_lost(t->node, node);
}

static void wire_up(struct thread *t)
{
	t->conns = (struct conns){
		.loop = &t->loop,
		.wheel = t->wheel,
		.thread = t->index,
		.now_ms = t->now_ms,
		.hooks = { .ctx = t, .request = on_request, .frame = on_frame,
			   .lease_ok = is_lease_ok, .done = on_done,
			   .gone = on_gone, .give = thread_give,
			   .wake = thread_wake },
	};
	conns_init(&t->conns);
	t->links = (struct links){
		.loop = &t->loop,
		.wheel = t->wheel,
		.now_ms = t->now_ms,
		.hooks = { .ctx = t, .lost = on_lost, .give = thread_give,
			   .wake = thread_wake },
	};
	links_init(&t->links);
	node_fill_thread(t->node, t);
}

void thread_send_mail(struct thread *t)
{
	struct thread *to = t->node->threads;

	for (int i = 0; i < t->node->threads_n; i++)
		mailbox_put(&to[i].box, &t->mail[i]);
	for (int i = 0; i < t->node->threads_n; i++)
		mailbox_ring(&to[i].box, &t->mail[i]);
}

/* ---- a turn -------------------------------------------------------------- */

void thread_wake(void *thread)
{
	struct thread *t = thread;

	if (t->awake)
		return;
	t->awake = true;
	t->now_ms = clock_now_ms();
	t->wall_ms = clock_wall_ms();
	t->conns.now_ms = t->links.now_ms = t->now_ms;
	if (t->broker)
		broker_set_time(t->broker, t->now_ms, t->wall_ms);
	if (t->index == 0)
		node_turn_begin(t->node, t->now_ms);
}

static int64_t next_due(const struct thread *t)
{
	int64_t at = t->broker ? broker_next_tick(t->broker) : -1;
	int64_t wheel = wheel_next(t->wheel);
	int64_t quorum = t->index == 0 ? node_next_tick(t->node) : -1;
	int64_t due = INT64_MAX;

	if (at >= 0)
		due = at;
	if (wheel >= 0)
		due = min_of(due, wheel);
	if (quorum >= 0)
		due = min_of(due, quorum);
	return due;
}

static void on_alarm(uv_timer_t *h);

static void arm_after(struct thread *t, int64_t at_ms, int64_t least_ms)
{
	t->alarm_at_ms = at_ms;
	if (at_ms == INT64_MAX)
		uv_timer_stop(&t->alarm);
	else
		uv_timer_start(&t->alarm, on_alarm,
			       (uint64_t)max_of(at_ms - t->now_ms, least_ms),
			       0);
}

static void arm(struct thread *t, int64_t at_ms)
{
	if (at_ms != t->alarm_at_ms || !uv_is_active((uv_handle_t *)&t->alarm))
		arm_after(t, at_ms, 0);
}

/*
 * It only ends the wait: turn() looks at what is due. But libuv's clock may
 * run a little ahead of ours; then turn() came before the time, found the
 * alarm still set, and the wait that follows needs a new one.
 */
static void on_alarm(uv_timer_t *h)
{
	struct thread *t = container_of(h, struct thread, alarm);

	arm_after(t, next_due(t), 1);
}

static void end_if_stopping(struct thread *t)
{
	if (!t->stopping || t->stopped || t->box.away > 0)
		return;
	if (!t->idle && t->broker && !broker_is_idle(t->broker))
		return;
	if (!t->idle)
		node_thread_idle(t->node, t);
	t->idle = true;
	if (!t->ending)
		return;
	t->stopped = true;
	links_close(&t->links);
	node_thread_stopped(t->node, t);
	uv_close((uv_handle_t *)&t->turn_end, NULL);
	uv_close((uv_handle_t *)&t->alarm, NULL);
	mailbox_close(&t->box);
}

static void turn(uv_check_t *h)
{
	struct thread *t = container_of(h, struct thread, turn_end);
	bool more = true;

	thread_wake(t);
	t->turns++;
	wheel_advance(t->wheel, t->now_ms);
	if (t->broker) {
		int64_t at = broker_next_tick(t->broker);

		if (at >= 0 && at <= t->now_ms)
			broker_tick(t->broker);
	}
	for (int i = 0; i < ROUNDS && more; i++) {
		thread_send_mail(t); /* others may begin already */
		if (t->broker)
			broker_turn_end(t->broker);
		t->again = false;
		if (t->index == 0)
			node_turn_end(t->node);
		more = conns_flush(&t->conns) || t->again;
		links_flush(&t->links);
	}
	thread_send_mail(t);
	arm(t, more ? t->now_ms : next_due(t));
	t->awake = false;
	end_if_stopping(t);
}

/* ---- life ---------------------------------------------------------------- */

void thread_init(struct thread *t, struct node *node, int index)
{
	int rv;

	*t = (struct thread){ .index = index, .node = node };
	t->now_ms = clock_now_ms();
	t->wall_ms = clock_wall_ms();
	rv = uv_loop_init(&t->loop);
	if (rv == 0)
		rv = mailbox_open(&t->box, &t->loop, t);
	if (rv == 0)
		rv = uv_check_init(&t->loop, &t->turn_end);
	if (rv == 0)
		rv = uv_timer_init(&t->loop, &t->alarm);
	if (rv == 0)
		rv = uv_check_start(&t->turn_end, turn);
	if (rv < 0)
		fatal("thread %d cannot be made: %s", index, uv_strerror(rv));
	t->box.wake = thread_wake;
	t->mail = mem_zalloc((size_t)node->threads_n * sizeof(*t->mail));
	t->wheel = wheel_new(t->now_ms);
	wire_up(t);
	arm(t, t->now_ms); /* the first turn sets the alarm of the broker */
}

void thread_fini(struct thread *t)
{
	conns_fini(&t->conns);
	links_fini(&t->links);
	wheel_free(t->wheel);
	mailbox_free(&t->box);
	for (int i = 0; i < t->node->threads_n; i++)
		mem_free(t->mail[i].v);
	mem_free(t->mail);
	if (uv_loop_close(&t->loop) < 0)
		trace_warn("thread", "handles left open", "thread=%d",
			   t->index);
}

int thread_open_broker(struct thread *t, struct broker_config *c)
{
	c->thread = t->index;
	c->node = node_info(t->node);
	c->out = thread_outbox(t);
	c->seed = clock_entropy();
	c->now_ms = t->now_ms = clock_now_ms();
	c->wall_ms = t->wall_ms = clock_wall_ms();
	t->conns.now_ms = t->links.now_ms = t->now_ms;
	return broker_open(&t->broker, c);
}

static void *run(void *arg)
{
	struct thread *t = arg;
	struct broker_config c = { 0 };
	char name[16];

	snprintf(name, sizeof(name), "shard-%d", t->index);
	pthread_setname_np(pthread_self(), name);
	t->error = thread_open_broker(t, &c);
	if (t->error < 0)
		t->broker = NULL;
	thread_send_mail(t);
	node_thread_opened(t->node, t);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	return NULL;
}

int thread_start(struct thread *t)
{
	pthread_attr_t attr;
	sigset_t all, saved;
	int rv;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SHARD_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	rv = -pthread_create(&t->handle, &attr, run, t);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attr);
	t->runs = rv == 0;
	return rv;
}

static void deliver_stop(void *owner, void *body)
{
	struct thread *t = owner;

	(void)body;
	conns_close_all(&t->conns);
	links_close(&t->links);
	if (t->broker)
		broker_stop(t->broker);
	t->stopping = true;
}

static void deliver_end(void *owner, void *body)
{
	struct thread *t = owner;

	(void)body;
	t->ending = true;
}

void thread_end(struct thread *t)
{
	thread_post(t, deliver_end, NULL);
}

void thread_stop(struct thread *t)
{
	thread_post(t, deliver_stop, NULL);
}

void thread_post(struct thread *t, deliver_fn *deliver, void *body)
{
	mailbox_post(&t->box, deliver, body);
}
