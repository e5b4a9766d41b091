/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: see pool.h. Not a queue: mailbox.c has the lanes and their lock.
 */
#include <signal.h>
#include <stdio.h>

#include "pool.h"

#define STACK_BYTES (256 << 10)

static void finish(void *owner, void *body)
{
	struct job *j = body;
	struct mailbox *home = j->home;

	(void)owner;
	home->away--;
	j->done(j);
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct lane *lane;
	struct job *j;

	pthread_setname_np(pthread_self(), "pool");
	while ((j = lanes_take(&p->lanes, &lane))) {
		j->run(j);
		/* first: after the post the job may be gone, and the next
		 * of its lane must not run before it is on its way home */
		mailbox_post(j->home, finish, j);
		lanes_finish(&p->lanes, lane);
	}
	return NULL;
}

int pool_open(struct pool *p, int threads)
{
	pthread_attr_t attr;
	sigset_t all, saved;
	int rv = 0;

	assert(threads > 0 && threads <= POOL_THREADS_MAX);
	*p = (struct pool){ 0 };
	lanes_init(&p->lanes);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	for (int i = 0; i < threads && rv == 0; i++) {
		rv = -pthread_create(&p->threads[i], &attr, work, p);
		if (rv == 0)
			p->n++;
	}
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attr);
	if (rv < 0)
		pool_close(p);
	return rv;
}

void pool_close(struct pool *p)
{
	lanes_close(&p->lanes);
	for (int i = 0; i < p->n; i++)
		pthread_join(p->threads[i], NULL);
	p->n = 0;
	lanes_fini(&p->lanes);
}

void pool_give(struct pool *p, struct mailbox *home, struct job *j)
{
	j->home = home;
	home->away++;
	lanes_push(&p->lanes, j);
}
