/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "mailbox.h"
#include "pool.h"
#include "unit.h"

enum { WRITERS = 4, EACH = 20000 };

struct reader_side {
	uv_loop_t loop;
	struct mailbox box;
	intptr_t last[WRITERS];
	int received;
};

static void deliver(void *owner, void *body)
{
	struct reader_side *r = owner;
	intptr_t v = (intptr_t)body, from = v % WRITERS;

	ck_assert_int_gt(v / WRITERS, r->last[from]);
	r->last[from] = v / WRITERS;
	if (++r->received == WRITERS * EACH)
		mailbox_close(&r->box);
}

struct writer {
	pthread_t t;
	struct mailbox *box;
	intptr_t id;
};

static void *post_many(void *arg)
{
	struct writer *w = arg;

	for (intptr_t i = 1; i <= EACH; i++)
		mailbox_post(w->box, deliver, (void *)(i * WRITERS + w->id));
	return NULL;
}

TEST(mailbox_delivers_everything_in_order_of_each_writer)
{
	struct reader_side r = { 0 };
	struct writer w[WRITERS];

	ck_assert_int_eq(uv_loop_init(&r.loop), 0);
	ck_assert_int_eq(mailbox_open(&r.box, &r.loop, &r), 0);
	for (intptr_t i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ .box = &r.box, .id = i };
		pthread_create(&w[i].t, NULL, post_many, &w[i]);
	}
	uv_run(&r.loop, UV_RUN_DEFAULT);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(w[i].t, NULL);
	ck_assert_int_eq(r.received, WRITERS * EACH);
	mailbox_free(&r.box);
	ck_assert_int_eq(uv_loop_close(&r.loop), 0);
}

/* ---- pool ---------------------------------------------------------------- */

enum { JOBS = 400, QUEUES = 5 };

struct numbered {
	struct job job;
	int number;
};
struct home {
	uv_loop_t loop;
	struct mailbox box;
	int ran_last[QUEUES + 1]; /* each written by one job at a time */
	int done_last[QUEUES + 1];
	int done;
};
static struct home home;

static void run_numbered(struct job *j)
{
	struct numbered *n = container_of(j, struct numbered, job);

	if (n->number % 7 == 0)
		usleep(200);
	if (j->queue == 0)
		return;
	ck_assert_int_lt(home.ran_last[j->queue], n->number);
	home.ran_last[j->queue] = n->number;
}

static void done_numbered(struct job *j)
{
	struct numbered *n = container_of(j, struct numbered, job);

	if (j->queue) {
		ck_assert_int_lt(home.done_last[j->queue], n->number);
		home.done_last[j->queue] = n->number;
	}
	mem_free(n);
	if (++home.done == JOBS)
		mailbox_close(&home.box);
}

TEST(pool_runs_a_queue_in_order_and_comes_home_in_order)
{
	struct pool p;

	ck_assert_int_eq(uv_loop_init(&home.loop), 0);
	ck_assert_int_eq(mailbox_open(&home.box, &home.loop, &home), 0);
	ck_assert_int_eq(pool_open(&p, 4), 0);
	for (int i = 0; i < JOBS; i++) {
		struct numbered *n = mem_zalloc(sizeof(*n));

		n->number = i + 1;
		n->job.queue = (uint32_t)(i % (QUEUES + 1));
		n->job.run = run_numbered;
		n->job.done = done_numbered;
		pool_give(&p, &home.box, &n->job);
	}
	uv_run(&home.loop, UV_RUN_DEFAULT);
	pool_close(&p);
	ck_assert_int_eq(home.done, JOBS);
	ck_assert_int_eq(home.box.away, 0);
	mailbox_free(&home.box);
	ck_assert_int_eq(uv_loop_close(&home.loop), 0);
}
