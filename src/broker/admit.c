/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: a request becomes a command, and the command's outcome its answer.
 *
 * 1. A request is answered once: by its outcome or, when that takes too long,
 *    by late; an outcome that comes afterwards is dropped.
 * 2. An admission lives until its proposal has ended, its request may be gone
 *    before.
 */
#include "control.h"

struct admitted {
	struct list link; /* control->admissions */
	struct broker *broker;
	struct request *rq; /* NULL: answered */
	bool ours; /* else one of another thread's, lent to us */
	struct timer timer;
	admit_fn *done;
	late_fn *late;
};

static void let_go(struct admitted *a)
{
	wheel_disarm(&a->timer);
	list_remove(&a->link);
	mem_free(a);
}

static void fail(struct admitted *a, int16_t error)
{
	struct request *rq = a->rq;

	a->rq = NULL;
	wheel_disarm(&a->timer);
	a->late(rq, error);
	broker_answer(a->broker, rq);
}

static void on_late(struct timer *t)
{
	fail(container_of(t, struct admitted, timer), K_REQUEST_TIMED_OUT);
}

/* The effects are a loan for this call; an answer may travel further. */
static void *copy_result(struct arena *a, const struct cluster_effects *e)
{
	const struct wire_type *type = e->result_type;
	struct buf b = { 0 };
	struct reader r;
	void *out;

	if (!type)
		return NULL;
	wire_encode(&b, type, type->max, e->result, NULL);
	r = reader_of(arena_dup(a, b.p, b.n), b.n);
	buf_fini(&b);
	out = arena_alloc(a, type->size);
	if (!wire_decode(&r, type, type->max, out, a))
		fatal("%s: what was encoded does not decode", type->name);
	return out;
}

static void on_proposed(struct broker *b, void *ctx, const struct proposed *p)
{
	struct admitted *a = ctx;
	struct request *rq = a->rq;

	if (rq && p->error) {
		fail(a, p->error == -EAGAIN ? K_NOT_CONTROLLER :
					      K_REQUEST_TIMED_OUT);
	} else if (rq) {
		void *result = copy_result(&rq->arena, p->cluster);

		a->rq = NULL;
		a->done(b, rq, result);
		broker_answer(b, rq);
	}
	let_go(a);
}

static bool is_too_large(struct broker *b, struct request *rq,
			 const struct admission *a)
{
	struct buf bytes = { 0 };
	bool large;

	wire_encode(&bytes, a->type, a->type->max, a->command, NULL);
	large = bytes.n > QUORUM_COMMAND_MAX - 64; /* its header, its padding */
	buf_fini(&bytes);
	if (large) {
		a->late(rq, K_POLICY_VIOLATION);
		broker_answer(b, rq);
	}
	return large;
}

void *control_preview(struct broker *b, struct request *rq,
		      const struct wire_type *type, const void *command)
{
	struct cluster_effects e = { .arena = &rq->arena };
	struct cluster_origin origin = { b->wall_ms, prng_next(&b->prng) };

	cluster_preview(b->cluster, origin, type, command, &e);
	return copy_result(&rq->arena, &e);
}

void control_rehearse(struct broker *b, struct request *rq,
		      const struct admission *a)
{
	if (is_too_large(b, rq, a))
		return;
	a->done(b, rq, control_preview(b, rq, a->type, a->command));
	broker_answer(b, rq);
}

void control_admit(struct broker *b, struct request *rq,
		   const struct admission *in)
{
	struct admitted *a;

	if (is_too_large(b, rq, in))
		return;
	a = mem_zalloc(sizeof(*a));
	a->broker = b;
	a->rq = rq;
	a->ours = rq->thread == b->thread;
	a->done = in->done;
	a->late = in->late;
	list_push(&b->control->admissions, &a->link);
	timer_init(&a->timer, on_late);
	wheel_arm(b->wheel, &a->timer, b->now_ms + max_of(in->timeout_ms, 1));
	propose_cluster(b, in->type, in->command, on_proposed, a);
}

void admit_close(struct broker *b)
{
	struct list *l;

	while ((l = list_pop(&b->control->admissions))) {
		struct admitted *a = list_entry(l, struct admitted, link);

		if (a->rq && !a->ours) /* ours were in b->held */
			request_free(a->rq);
		let_go(a);
	}
}
