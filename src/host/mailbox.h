/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox: how threads speak to each other. The only file of the project with
 * locks and atomics; everything else has one owner thread.
 *
 * struct mailbox: many writers, one reading loop. Mail is delivered on the
 * owner's thread, in the order of posting, in batches: all that has come is
 * taken with one lock and one wake-up.
 *
 * struct lanes: work for a pool of threads. Jobs of one (home, queue) run one
 * after another in order, others side by side; queue 0 knows no order.
 *
 * 1. What is posted belongs to the mailbox until deliver is called with it.
 * 2. Posting to a closed mailbox keeps the mail, undelivered: the process is
 *    about to end.
 */
#ifndef HOST_MAILBOX_H
#define HOST_MAILBOX_H

#include <pthread.h>
#include <uv.h>

#include <raftmq/base.h>
#include <raftmq/disk.h>

typedef void deliver_fn(void *owner, void *body);

struct mail {
	deliver_fn *deliver;
	void *body;
};
struct mail_pile { /* owned */
	struct mail *v;
	size_t n, cap;
	bool bell; /* owed to the mailbox it was put into */
};
struct mailbox {
	pthread_mutex_t lock;
	struct mail_pile in;  /* under the lock */
	struct mail_pile out; /* the owner's: being delivered */
	int bell_fd; /* an eventfd */
	uv_poll_t bell;
	void *owner;
	void (*wake)(void *owner); /* before each batch; may be NULL */
	int64_t away; /* the owner's: jobs given from here, not home yet */
};

/* On the loop's thread, or before it runs. */
int mailbox_open(struct mailbox *m, uv_loop_t *loop, void *owner) must_use;
void mailbox_close(struct mailbox *m); /* owner; the loop must still run */
void mailbox_free(struct mailbox *m);  /* after the threads have ended */
void mailbox_post(struct mailbox *m, deliver_fn *deliver, void *body);
/* What a thread gathered for another in one turn: one lock, one bell. It is
 * rung when all others have theirs: who wakes first is not ahead of them. */
void mail_pile_push(struct mail_pile *p, deliver_fn *deliver, void *body);
void mailbox_put(struct mailbox *m, struct mail_pile *p);
void mailbox_ring(struct mailbox *m, struct mail_pile *p); /* if it has to be */

struct lane;
struct lanes {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct map by_queue;  /* (home, queue) -> struct lane * */
	struct list ready;    /* lanes with a job that may run now */
	struct list loose;    /* jobs of queue 0 */
	bool loose_next, closed;
	int64_t waiting;
};
void lanes_init(struct lanes *l);
void lanes_fini(struct lanes *l); /* jobs that never ran are forgotten */
void lanes_push(struct lanes *l, struct job *j);
/* Blocks; NULL once closed and empty. The job's lane is busy until finish. */
struct job *lanes_take(struct lanes *l, struct lane **lane);
void lanes_finish(struct lanes *l, struct lane *lane);
void lanes_close(struct lanes *l);
int64_t lanes_waiting(struct lanes *l);

#endif
