/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insync: a leader's wishes for another in-sync set, on their way to the quorum
 * and back (KIP-497). What to wish is the replica's; whom to ask is thread 0's.
 *
 * 1. Per partition one wish is under way at a time.
 * 2. Followers that came are noticed when they fetch; those that stay away by
 *    a look at all partitions, twice per replica.lag.time.max.ms.
 */
#include "shard.h"

#define RETRY_MS 100 /* after a refused wish */

static void retry_soon(struct broker *b, struct hosted *h)
{
	struct shard *s = b->shard;

	if (list_empty(&h->isr_retry))
		list_push(&s->isr_retry, &h->isr_retry);
	if (!timer_is_armed(&s->retry_timer))
		wheel_arm(b->wheel, &s->retry_timer, b->now_ms + RETRY_MS + 1);
}

static void deliver_decision(struct broker *b, struct letter *l)
{
	struct isr_wish *w = list_entry(l, struct isr_wish, letter);
	struct hosted *h = hosted_find(b, (struct partition_id){
					  w->topic_id, w->partition });

	/* a partition epoch that moved has ended the wish by itself */
	if (w->lost) {
		if (h && h->replica && log_error(h->log))
			heal_told(b, h, w->error);
	} else if (h && h->replica &&
	    h->replica->partition_epoch == w->partition_epoch) {
		hosted_changed(b, h,
			       replica_isr_answered(h->replica,
						    (enum kerr)w->error,
						    b->now_ms));
		hosted_touch(h);
		if (w->error)
			retry_soon(b, h);
	}
	mem_free(w);
}

void isr_answer(struct broker *b, struct isr_wish *w, int16_t error)
{
	w->error = error;
	w->letter.deliver = deliver_decision;
	b->out.tell(b->out.ctx, w->thread, &w->letter);
}

void isr_deliver_wish(struct broker *b, struct letter *l)
{
	struct isr_wish *w = list_entry(l, struct isr_wish, letter);

	if (b->on_isr_wish)
		b->on_isr_wish(b, w);
	else
		isr_answer(b, w, K_NOT_CONTROLLER);
}

void isr_look(struct broker *b, struct hosted *h)
{
	const struct replica *r = h->replica;
	struct isr_wish *w;

	if (!r || !replica_want_isr(h->replica, b->now_ms))
		return;
	w = mem_zalloc(sizeof(*w) +
		       (size_t)r->isr_wanted_n * sizeof(w->isr[0]));
	list_init(&w->letter.link);
	w->letter.deliver = isr_deliver_wish;
	w->thread = b->thread;
	w->topic_id = r->topic_id;
	w->partition = r->index;
	w->leader_epoch = r->leader_epoch;
	w->partition_epoch = r->partition_epoch;
	w->n = r->isr_wanted_n;
	for (int32_t i = 0; i < w->n; i++) {
		int32_t node = r->isr_wanted[i];
		const struct replica_peer *p = replica_peer(r, node);

		w->isr[i].broker_id = node;
		w->isr[i].broker_epoch = p ? p->broker_epoch :
			cluster_broker_epoch(b->cluster, node);
	}
	trace_debug("broker", "wishes another isr",
		    "topic=%s partition=%d n=%d", h->topic->name, h->index,
		    w->n);
	b->out.tell(b->out.ctx, 0, &w->letter);
}

static void look_at_all(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, isr_timer);
	struct broker *b = s->b;

	for (struct map_iter i = map_first(&s->topics); i.at; map_next(&i)) {
		struct hosted_topic *ht = i.value;

		for (int32_t k = 0; k < ht->at_n; k++)
			if (ht->at[k])
				isr_look(b, ht->at[k]);
	}
	wheel_arm(b->wheel, t, b->now_ms +
		  broker_number(b, SETTING_REPLICA_LAG_TIME_MAX_MS) / 2);
}

static void look_again(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, retry_timer);
	struct list *l;

	while ((l = list_pop(&s->isr_retry)))
		isr_look(s->b, list_entry(l, struct hosted, isr_retry));
}

void isr_start(struct broker *b)
{
	timer_init(&b->shard->isr_timer, look_at_all);
	timer_init(&b->shard->retry_timer, look_again);
	wheel_arm(b->wheel, &b->shard->isr_timer, b->now_ms +
		  broker_number(b, SETTING_REPLICA_LAG_TIME_MAX_MS) / 2);
}
