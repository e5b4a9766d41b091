/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park: errands that wait until a partition has come to an offset: durable
 * here (acks=1), replicated (acks=all), forgotten everywhere (DeleteRecords).
 * The lists hang on the partition, so that what moves finds who waits for it.
 *
 * Not here: fetches that wait for data. Those are feed.c's.
 *
 * 1. A list is in the order of need, first come first: appends make offsets
 *    that grow, so only the front is ever looked at.
 * 2. An errand goes home once: when its last wait ends, or at its time.
 */
#include "shard.h"

void wait_for(struct list *waits, struct wait *w, struct errand *e,
	      int64_t need)
{
	struct list *at = waits->prev;

	w->errand = e;
	w->need = need;
	e->left++;
	/* a duplicate waits for an offset of long ago */
	while (at != waits && list_entry(at, struct wait, link)->need > need)
		at = at->prev;
	list_push(at->next, &w->link);
	list_push(&e->waits, &w->mine);
}

static void end(struct broker *b, struct wait *w, enum kerr error)
{
	struct errand *e = w->errand;

	*w->error = (int16_t)error;
	list_remove(&w->link);
	list_remove(&w->mine);
	if (--e->left > 0)
		return;
	wheel_disarm(&e->timer);
	errand_home(b, e);
}

/* All that are left, together; then the errand goes home. */
static void time_out(struct timer *t)
{
	struct errand *e = container_of(t, struct errand, timer);

	/* the last end() sends the errand, and with it the list, home */
	for (int32_t left = e->left; left > 0; left--)
		end(e->at, list_entry(e->waits.next, struct wait, mine),
		    K_REQUEST_TIMED_OUT);
}

void errand_wait(struct broker *b, struct errand *e, int64_t until_ms)
{
	if (e->left == 0) {
		errand_home(b, e);
		return;
	}
	timer_init(&e->timer, time_out);
	wheel_arm(b->wheel, &e->timer, until_ms);
}

static void settle_until(struct broker *b, struct list *waits, int64_t have,
			 enum kerr error)
{
	while (!list_empty(waits)) {
		struct wait *w = list_entry(waits->next, struct wait, link);

		if (w->need > have)
			return;
		if (w->low)
			*w->low = have;
		end(b, w, error);
	}
}

/* Of all replicas that are up; one that has not said so yet holds it back. */
static int64_t low_watermark(const struct hosted *h)
{
	const struct replica *r = h->replica;
	int64_t low = log_start(h->log);

	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].eligible)
			low = min_of(low, feed_start_of(h, r->peers[i].node));
	return low;
}

void park_settle(struct broker *b, struct hosted *h)
{
	const struct replica *r = h->replica;

	settle_until(b, &h->durable_waits, log_durable_end(h->log), K_NONE);
	if (!list_empty(&h->hw_waits))
		settle_until(b, &h->hw_waits, r->high_watermark,
			     replica_check_min_isr(r) ?
				     K_NOT_ENOUGH_REPLICAS_AFTER_APPEND :
				     K_NONE);
	if (!list_empty(&h->start_waits))
		settle_until(b, &h->start_waits, low_watermark(h), K_NONE);
}

static void fail(struct broker *b, struct list *waits, enum kerr error)
{
	while (!list_empty(waits))
		end(b, list_entry(waits->next, struct wait, link), error);
}

void park_fail(struct broker *b, struct hosted *h, enum kerr error)
{
	fail(b, &h->durable_waits, error);
	fail(b, &h->hw_waits, error);
	fail(b, &h->start_waits, error);
}
