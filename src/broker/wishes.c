/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wishes: the shards' wishes for other in-sync sets, gathered on thread 0 and
 * asked of the quorum leader in one AlterPartition at a time (KIP-497); and
 * the leader's end of that request.
 *
 *	waiting -> (turn end) asked -> answered, or waiting again
 *
 * 1. One request is under way at a time, so wishes of one partition stay in
 *    order; what comes meanwhile is gathered for the next.
 * 2. A wish whose fate is unknown is asked again: the epochs in it make that
 *    harmless.
 */
#include "call.h"
#include "control.h"

enum { ALTER_PARTITION = 56, RETRY_MS = 20, TIMEOUT_MS = 2000 };
enum { ASK_MAX = 1000 }; /* partitions in one request */

struct wishes {
	struct broker *broker;
	struct list waiting, asked; /* struct isr_wish, by its letter's link */
	struct timer timer;
	uint64_t serial;
	bool asking;
};

struct ask_ctx {
	struct wishes *w;
	uint64_t serial;
};

static struct isr_wish *wish_at(const struct list *l)
{
	return list_entry(l, struct isr_wish, letter.link);
}

static void wait_again(struct wishes *w)
{
	struct list later;

	list_init(&later);
	list_splice(&later, &w->waiting);
	list_splice(&w->waiting, &w->asked);
	list_splice(&w->waiting, &later);
}

static void retry(struct wishes *w)
{
	wait_again(w);
	wheel_arm(w->broker->wheel, &w->timer, w->broker->now_ms + RETRY_MS);
}

/* The answer lists topics and partitions in the order of the request. */
static int16_t decision_of(const struct alter_partition_response *r, int32_t i)
{
	if (i >= r->topics_n || r->topics[i].partitions_n != 1)
		return K_UNKNOWN_SERVER_ERROR;
	return r->topics[i].partitions[0].error_code;
}

/*
 * Nothing is known of the wishes. Another registration refuses this request,
 * but an earlier one with the same wishes may have been heard before it.
 */
static bool is_open(const struct wishes *w, int16_t error)
{
	return error == K_NOT_CONTROLLER || error == K_REQUEST_TIMED_OUT ||
	       (error == K_STALE_BROKER_EPOCH && !list_empty(&w->asked) &&
		!wish_at(w->asked.next)->lost);
}

static void on_answer(struct broker *b, void *ctx, const void *out, int error)
{
	const struct alter_partition_response *r = out;
	struct ask_ctx *c = ctx;
	struct wishes *w = c->w;
	bool current = c->serial == w->serial;
	struct list *l;

	mem_free(c);
	if (!current)
		return;
	w->asking = false;
	if (error || is_open(w, r->error_code)) {
		retry(w);
		return;
	}
	for (int32_t i = 0; (l = list_pop(&w->asked)); i++) {
		int16_t verdict = r->error_code ? r->error_code :
						  decision_of(r, i);

		isr_answer(b, wish_at(l), verdict);
	}
	wishes_turn_end(b);
}

static void fill(struct alter_partition_request_topic *t,
		 struct alter_partition_request_partition *p,
		 struct isr_wish *w)
{
	wire_preset(&alter_partition_request_partition_type, p);
	t->topic_id = w->topic_id;
	t->partitions_n = 1;
	t->partitions = p;
	p->partition_index = w->partition;
	p->leader_epoch = w->leader_epoch;
	p->partition_epoch = w->partition_epoch;
	p->new_isr_with_epochs = w->isr;
	p->new_isr_with_epochs_n = w->n;
}

/* One request has wishes, or losses, not both. */
static bool next_is(const struct wishes *w, bool lost)
{
	return !list_empty(&w->waiting) &&
	       wish_at(w->waiting.next)->lost == lost;
}

static void ask(struct wishes *w)
{
	struct broker *b = w->broker;
	struct alter_partition_request in;
	struct alter_partition_request_partition *parts;
	struct ask_ctx *c = mem_alloc(sizeof(*c));
	bool lost = wish_at(w->waiting.next)->lost;
	struct arena a = { 0 };
	int32_t n = 0;

	*c = (struct ask_ctx){ w, ++w->serial };
	w->asking = true;
	wire_preset(&alter_partition_request_type, &in);
	in.broker_id = b->node->id;
	in.broker_epoch = membership_epoch(b);
	in.topics = arena_zalloc(&a, ASK_MAX * sizeof(*in.topics));
	parts = arena_alloc(&a, ASK_MAX * sizeof(*parts));
	for (; n < ASK_MAX && next_is(w, lost); n++) {
		struct list *l = list_pop(&w->waiting);

		assert(l);
		fill(&in.topics[n], &parts[n], wish_at(l));
		list_push(&w->asked, l);
	}
	in.topics_n = n;
	in.lost = lost;
	call_leader(b, ALTER_PARTITION, &in, TIMEOUT_MS,
		    (struct callback){ on_answer, c });
	arena_fini(&a);
}

void wishes_turn_end(struct broker *b)
{
	struct wishes *w = b->control->wishes;

	if (w->asking || list_empty(&w->waiting) || timer_is_armed(&w->timer))
		return;
	if (membership_epoch(b) < 0)
		wheel_arm(b->wheel, &w->timer, b->now_ms + RETRY_MS);
	else
		ask(w);
}

static void on_timer(struct timer *t)
{
	wishes_turn_end(container_of(t, struct wishes, timer)->broker);
}

/* Another leader: what the old one was asked may never be answered. */
void wishes_look(struct broker *b)
{
	struct wishes *w = b->control->wishes;

	w->serial++;
	w->asking = false;
	wait_again(w);
	wheel_disarm(&w->timer);
	wishes_turn_end(b);
}

static void on_wish(struct broker *b, struct isr_wish *wish)
{
	list_push(&b->control->wishes->waiting, &wish->letter.link);
}

struct wishes *wishes_new(struct broker *b)
{
	struct wishes *w = mem_zalloc(sizeof(*w));

	w->broker = b;
	list_init(&w->waiting);
	list_init(&w->asked);
	timer_init(&w->timer, on_timer);
	b->on_isr_wish = on_wish;
	return w;
}

void wishes_free(struct wishes *w)
{
	struct list *l;

	wheel_disarm(&w->timer);
	list_splice(&w->waiting, &w->asked);
	while ((l = list_pop(&w->waiting)))
		mem_free(wish_at(l));
	mem_free(w);
}

/* ---- AlterPartition: the leader's end ------------------------------------ */

static void alter_late(struct request *rq, int16_t error)
{
	struct alter_partition_response *out = rq->out;

	out->error_code = error;
}

static void altered(struct broker *b, struct request *rq, void *result)
{
	(void)b;
	rq->out = result;
}

static void copy_isr(const struct alter_partition_request_partition *in,
		     struct arena *a, struct alter_isr_command_partition *out)
{
	int32_t n = in->new_isr_with_epochs_n;

	if (n == 0) /* version 2 */
		n = in->new_isr_n;
	out->isr_n = n;
	out->isr = arena_alloc(a, (size_t)max_of(n, 1) * sizeof(*out->isr));
	for (int32_t i = 0; i < n; i++) {
		out->isr[i].id = in->new_isr_with_epochs_n ?
			in->new_isr_with_epochs[i].broker_id : in->new_isr[i];
		out->isr[i].epoch = in->new_isr_with_epochs_n ?
			in->new_isr_with_epochs[i].broker_epoch : -1;
	}
}

static void copy_topic(const struct alter_partition_request_topic *in,
		       struct arena *a, struct alter_isr_command_topic *out)
{
	out->topic_id = in->topic_id;
	out->partitions_n = in->partitions_n;
	out->partitions = arena_zalloc(a, (size_t)max_of(in->partitions_n, 1) *
					  sizeof(*out->partitions));
	for (int32_t i = 0; i < in->partitions_n; i++) {
		const struct alter_partition_request_partition *p =
			&in->partitions[i];

		out->partitions[i].partition = p->partition_index;
		out->partitions[i].leader_epoch = p->leader_epoch;
		out->partitions[i].partition_epoch = p->partition_epoch;
		copy_isr(p, a, &out->partitions[i]);
	}
}

/* Who is to have the data instead has to be there. */
static void lose(struct broker *b, struct request *rq)
{
	const struct alter_partition_request *in = rq->in;
	struct lose_replicas_command m = { .broker_id = in->broker_id,
					   .broker_epoch = in->broker_epoch,
					   .topics_n = in->topics_n };

	if (!liveness_has_heard_all(b->control->liveness)) {
		alter_late(rq, K_NOT_CONTROLLER); /* not yet: ask again */
		broker_answer(b, rq);
		return;
	}
	m.topics = arena_alloc(&rq->arena, (size_t)max_of(in->topics_n, 1) *
					   sizeof(*m.topics));
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct alter_partition_request_topic *t = &in->topics[i];
		struct lose_replicas_command_partition *p = arena_alloc(
			&rq->arena, (size_t)max_of(t->partitions_n, 1) *
				    sizeof(*p));

		m.topics[i] = (struct lose_replicas_command_topic){
			t->topic_id, t->partitions_n, p };
		for (int32_t k = 0; k < t->partitions_n; k++)
			p[k] = (struct lose_replicas_command_partition){
				t->partitions[k].partition_index,
				t->partitions[k].leader_epoch };
	}
	control_admit(b, rq, &(struct admission){
		&lose_replicas_command_type, &m, TIMEOUT_MS, altered,
		alter_late });
}

void handle_alter_partition(struct broker *b, struct request *rq)
{
	const struct alter_partition_request *in = rq->in;
	struct alter_isr_command m = { .broker_id = in->broker_id,
				       .broker_epoch = in->broker_epoch };

	if (!b->control->active || rq->peer != in->broker_id) {
		alter_late(rq, b->control->active ?
			   K_CLUSTER_AUTHORIZATION_FAILED : K_NOT_CONTROLLER);
		broker_answer(b, rq);
		return;
	}
	if (in->lost) {
		lose(b, rq);
		return;
	}
	m.topics_n = in->topics_n;
	m.topics = arena_alloc(&rq->arena, (size_t)max_of(in->topics_n, 1) *
					   sizeof(*m.topics));
	for (int32_t i = 0; i < in->topics_n; i++)
		copy_topic(&in->topics[i], &rq->arena, &m.topics[i]);
	control_admit(b, rq, &(struct admission){
		&alter_isr_command_type, &m, TIMEOUT_MS, altered,
		alter_late });
}
