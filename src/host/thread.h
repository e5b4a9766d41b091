/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread: a loop, a broker, a mailbox, connections and links. One turn:
 *
 *	wait -> mail and sockets (requests) -> timers -> end of turn (group
 *	commit, proposals) -> everything that is to be written, at once
 *
 * 1. A thread touches its own things and, of the others, the mailbox alone.
 * 2. The clock is read once per turn, at the first thing that happens in it,
 *    and again before anything that depends on a lease leaves.
 * 3. A thread ends only after every job it gave has come home.
 */
#ifndef HOST_THREAD_H
#define HOST_THREAD_H

#include <uv.h>

#include "conn.h"
#include "link.h"
#include "pool.h"

struct node;
struct thread {
	int index; /* 0, or 1..shards */
	struct node *node;
	uv_loop_t loop;
	struct mailbox box;
	struct broker *broker;
	struct wheel *wheel; /* the host's own timers */
	struct conns conns;
	struct links links;
	uv_check_t turn_end;
	uv_timer_t alarm;
	int64_t alarm_at_ms;
	struct mail_pile *mail; /* for each thread: gathered in this turn */
	int64_t now_ms, wall_ms;
	bool awake;    /* has read the clock in this turn */
	bool again;    /* something was gathered after its end of turn */
	bool stopping; /* idle once its jobs and requests are home */
	bool idle;     /* has been said to be */
	bool ending;   /* all are idle: it may end */
	bool stopped;
	int64_t turns;
	pthread_t handle;
	bool runs;     /* handle is valid: for thread 0 to join */
	int error;     /* of opening */
};

/* On the main thread, before any of them runs. */
void thread_init(struct thread *t, struct node *node, int index);
void thread_fini(struct thread *t); /* after all threads have ended */
struct outbox thread_outbox(struct thread *t);
/* Opens the broker. Thread 0's caller adds what only thread 0 has. */
int thread_open_broker(struct thread *t, struct broker_config *c) must_use;
/* Shards: runs until thread_stop; opened is posted to thread 0 first. */
int thread_start(struct thread *t) must_use;
/* Any thread: asks t to end. Thread 0 ends its own. */
void thread_stop(struct thread *t);
void thread_end(struct thread *t); /* a shard, when all are idle */
void thread_wake(void *thread); /* first thing of each callback */
void thread_post(struct thread *t, deliver_fn *deliver, void *body);
void thread_send_mail(struct thread *t); /* what its broker gathered */
void thread_give(void *thread, struct job *j);

#endif
