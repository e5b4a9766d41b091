/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: threads for work that may block: fsync, cold reads, unlink, recovery.
 *
 * 1. job->home is the struct mailbox of the thread that gave the job; run() is
 *    called on a pool thread, done() afterwards on that mailbox's thread.
 * 2. Jobs of one (home, queue) run in the order they were given.
 */
#ifndef HOST_POOL_H
#define HOST_POOL_H

#include "mailbox.h"

#define POOL_THREADS_MAX 64

struct pool {
	struct lanes lanes;
	pthread_t threads[POOL_THREADS_MAX];
	int n;
};
int pool_open(struct pool *p, int threads) must_use;
/* Runs what was given, then ends the threads. done() of the last ones is
 * posted and up to the mailboxes. */
void pool_close(struct pool *p);
void pool_give(struct pool *p, struct mailbox *home, struct job *j);

#endif
