/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox: see mailbox.h. Not a scheduler: it moves pointers and rings bells.
 *
 * 1. The bell is rung only by the mail that finds the box empty. It is an
 *    eventfd and not a uv_async_t, which makes its receiver spin while the
 *    sender is not scheduled.
 * 2. A lane stands in `ready` at most once, and never while it is busy.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "mailbox.h"

/* ---- mailbox ------------------------------------------------------------- */

void mail_pile_push(struct mail_pile *p, deliver_fn *deliver, void *body)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->v = mem_realloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n++] = (struct mail){ deliver, body };
}

/* A burst must not be held for ever. */
static void pile_shrink(struct mail_pile *p)
{
	if (p->cap <= 4096)
		return;
	mem_free(p->v);
	*p = (struct mail_pile){ .bell = p->bell };
}

static void take_all(uv_poll_t *bell, int status, int events)
{
	struct mailbox *m = container_of(bell, struct mailbox, bell);
	struct mail_pile swap;
	uint64_t rings;

	(void)status;
	(void)events;
	if (m->wake)
		m->wake(m->owner);
	(void)!read(m->bell_fd, &rings, sizeof(rings));
	pthread_mutex_lock(&m->lock);
	swap = m->in;
	m->in = m->out;
	m->out = swap;
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < m->out.n; i++)
		m->out.v[i].deliver(m->owner, m->out.v[i].body);
	m->out.n = 0;
	pile_shrink(&m->out);
}

int mailbox_open(struct mailbox *m, uv_loop_t *loop, void *owner)
{
	int rv;

	*m = (struct mailbox){ .owner = owner };
	pthread_mutex_init(&m->lock, NULL);
	m->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->bell_fd < 0)
		return -errno;
	rv = uv_poll_init(loop, &m->bell, m->bell_fd);
	return rv < 0 ? rv : uv_poll_start(&m->bell, UV_READABLE, take_all);
}

/* The bell stays: somebody may just be ringing it. */
void mailbox_close(struct mailbox *m)
{
	if (!uv_is_closing((uv_handle_t *)&m->bell))
		uv_close((uv_handle_t *)&m->bell, NULL);
}

/* Mail for a thread that has ended: only its receiver could free it. Kept in
 * sight of leak checkers until the process ends. */
static struct undelivered {
	struct undelivered *next;
	struct mail_pile pile;
} *undelivered;

void mailbox_free(struct mailbox *m)
{
	struct undelivered *u;

	if (m->in.n) {
		u = mem_zalloc(sizeof(*u));
		*u = (struct undelivered){ undelivered, m->in };
		undelivered = u;
	} else {
		mem_free(m->in.v);
	}
	mem_free(m->out.v);
	close(m->bell_fd);
	pthread_mutex_destroy(&m->lock);
}

static void ring(struct mailbox *m)
{
	static const uint64_t one = 1;

	/* it cannot fail but for a counter at its end: then it rings anyway */
	(void)!write(m->bell_fd, &one, sizeof(one));
}

void mailbox_post(struct mailbox *m, deliver_fn *deliver, void *body)
{
	bool was_empty;

	pthread_mutex_lock(&m->lock);
	was_empty = m->in.n == 0;
	mail_pile_push(&m->in, deliver, body);
	pthread_mutex_unlock(&m->lock);
	if (was_empty)
		ring(m);
}

void mailbox_put(struct mailbox *m, struct mail_pile *p)
{
	if (p->n == 0)
		return;
	pthread_mutex_lock(&m->lock);
	p->bell = m->in.n == 0;
	for (size_t i = 0; i < p->n; i++)
		mail_pile_push(&m->in, p->v[i].deliver, p->v[i].body);
	pthread_mutex_unlock(&m->lock);
	p->n = 0;
	pile_shrink(p);
}

void mailbox_ring(struct mailbox *m, struct mail_pile *p)
{
	if (p->bell)
		ring(m);
	p->bell = false;
}

/* ---- lanes --------------------------------------------------------------- */

struct lane_key {
	void *home;
	uint64_t queue;
};
struct lane {
	struct list link; /* in ready, or alone */
	struct lane_key key;
	struct list jobs;
	bool busy;
};

void lanes_init(struct lanes *l)
{
	*l = (struct lanes){ 0 };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->some, NULL);
	list_init(&l->ready);
	list_init(&l->loose);
}

void lanes_fini(struct lanes *l)
{
	for (struct map_iter i = map_first(&l->by_queue); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&l->by_queue);
	pthread_cond_destroy(&l->some);
	pthread_mutex_destroy(&l->lock);
}

static struct lane *lane_of(struct lanes *l, const struct job *j)
{
	struct lane_key key = { j->home, j->queue };
	struct lane *lane = map_find(&l->by_queue, &key, sizeof(key));

	if (lane)
		return lane;
	lane = mem_zalloc(sizeof(*lane));
	lane->key = key;
	list_init(&lane->link);
	list_init(&lane->jobs);
	map_put(&l->by_queue, &key, sizeof(key), lane);
	return lane;
}

void lanes_push(struct lanes *l, struct job *j)
{
	struct lane *lane;

	pthread_mutex_lock(&l->lock);
	l->waiting++;
	if (j->queue == 0) {
		list_push(&l->loose, &j->link);
	} else {
		lane = lane_of(l, j);
		if (!lane->busy && list_empty(&lane->jobs))
			list_push(&l->ready, &lane->link);
		list_push(&lane->jobs, &j->link);
	}
	pthread_cond_signal(&l->some);
	pthread_mutex_unlock(&l->lock);
}

static struct job *pick(struct lanes *l, struct lane **lane)
{
	struct list *at = NULL;

	*lane = NULL;
	/* by turns, so that neither kind starves the other */
	l->loose_next = !l->loose_next;
	if (l->loose_next || list_empty(&l->ready))
		at = list_pop(&l->loose);
	if (at)
		return list_entry(at, struct job, link);
	at = list_pop(&l->ready);
	if (!at)
		return NULL;
	*lane = list_entry(at, struct lane, link);
	(*lane)->busy = true;
	return list_entry(list_pop(&(*lane)->jobs), struct job, link);
}

struct job *lanes_take(struct lanes *l, struct lane **lane)
{
	struct job *j;

	pthread_mutex_lock(&l->lock);
	while (!(j = pick(l, lane)) && !(l->closed && l->waiting == 0))
		pthread_cond_wait(&l->some, &l->lock);
	if (j)
		l->waiting--;
	if (l->closed && l->waiting == 0)
		pthread_cond_broadcast(&l->some);
	pthread_mutex_unlock(&l->lock);
	return j;
}

void lanes_finish(struct lanes *l, struct lane *lane)
{
	if (!lane)
		return;
	pthread_mutex_lock(&l->lock);
	lane->busy = false;
	if (list_empty(&lane->jobs)) {
		map_remove(&l->by_queue, &lane->key, sizeof(lane->key));
		mem_free(lane);
	} else {
		list_push(&l->ready, &lane->link);
		pthread_cond_signal(&l->some);
	}
	pthread_mutex_unlock(&l->lock);
}

void lanes_close(struct lanes *l)
{
	pthread_mutex_lock(&l->lock);
	l->closed = true;
	pthread_cond_broadcast(&l->some);
	pthread_mutex_unlock(&l->lock);
}

int64_t lanes_waiting(struct lanes *l)
{
	int64_t n;

	pthread_mutex_lock(&l->lock);
	n = l->waiting;
	pthread_mutex_unlock(&l->lock);
	return n;
}
