/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heal: a copy that is damaged (found so at the start, or when it was read) or
 * whose disk failed is given up, kept aside, and fetched again from the leader.
 *
 *   WELL --log fails--> TELLING --others have it--> WAITING --(2)--> WELL
 *                       |    ^ \                                      ^
 *                 error v    |  `--nobody there--> ALONE ---------(2)-'
 *                       LATER                        | elected all the same
 *                            ^-----------------------'
 *
 * 1. The cluster hears first. Its answer is a command: this node is in sync
 *    no more, not eligible, leads nothing, and the leader's epoch grows, so
 *    that nothing this copy told its leader counts.
 * 2. Only when that is seen here, and another leads, the files go aside and an
 *    empty copy follows. Between the failure and that moment nothing is
 *    fetched, so no leader of a newer epoch knows anything of the old copy.
 * 3. The only copy is never touched, nor one whose others are not heard: it
 *    stays offline, and the log says why.
 */
#include "shard.h"

#define RETRY_MS 250

static const struct partition *partition_of(struct broker *b,
					    const struct hosted *h)
{
	const struct topic *t = cluster_topic_by_id(b->cluster, h->topic->id);

	if (!t || h->index >= t->partitions_n)
		return NULL;
	return &t->partitions[h->index];
}

static void again(struct broker *b, struct hosted *h)
{
	struct shard *s = b->shard;

	if (list_empty(&h->ill))
		list_push(&s->ill, &h->ill);
	if (!timer_is_armed(&s->heal_timer))
		wheel_arm(b->wheel, &s->heal_timer, b->now_ms + RETRY_MS);
}

/* ---- telling the cluster ------------------------------------------------- */

static void tell(struct broker *b, struct hosted *h, const struct partition *p)
{
	struct isr_wish *w = mem_zalloc(sizeof(*w));

	h->heal = HEAL_TELLING;
	h->heal_told_epoch = p->leader_epoch;
	list_init(&w->letter.link);
	w->letter.deliver = isr_deliver_wish;
	w->thread = b->thread;
	w->topic_id = h->topic->id;
	w->partition = h->index;
	w->leader_epoch = p->leader_epoch;
	w->lost = true;
	b->out.tell(b->out.ctx, 0, &w->letter);
}

static void say_alone(struct broker *b, struct hosted *h)
{
	bool mend = log_needs_journal(h->log);

	trace_error("broker", "the only whole copy of a partition is offline",
		    "topic=%s partition=%d error=\"%s\" files=log/%s-%d "
		    "do=\"%s\"", h->topic->name, h->index,
		    strerror(-log_error(h->log)), h->topic->name, h->index,
		    mend ? "the node ends, its next start writes what the "
			   "journal has" :
			   "look with raftmq-admin storage check, mend or "
			   "bring back the files, start the node again");
	if (mend)
		broker_fail(b, "the disk has failed, and with it the only "
			    "copy of a partition");
}

/* ---- beginning anew ------------------------------------------------------ */

/* Nobody counts us, and who leads knows nothing of the old copy. */
static bool may_begin_anew(const struct broker *b, const struct hosted *h,
			   const struct partition *p)
{
	return p->leader >= 0 && p->leader != b->node->id &&
	       p->leader_epoch > h->heal_epoch &&
	       !int32s_has(&p->isr, b->node->id) &&
	       !int32s_has(&p->elr, b->node->id);
}

static void begin_anew(struct broker *b, struct hosted *h,
		       const struct partition *p)
{
	int rc = store_log_set_aside(b->shard->store, h->log);

	if (rc < 0) {
		trace_error("broker", "a damaged log cannot be set aside",
			    "topic=%s partition=%d error=\"%s\"",
			    h->topic->name, h->index, strerror(-rc));
		h->heal = HEAL_LATER;
		again(b, h);
		return;
	}
	trace_warn("broker", "a partition is copied anew",
		   "topic=%s partition=%d leader=%d epoch=%d", h->topic->name,
		   h->index, p->leader, p->leader_epoch);
	h->heal = HEAL_WELL;
	h->log = NULL;
	replica_free(h->replica);
	h->replica = NULL;
	hosted_reopen(b, h);
}

void heal_look(struct broker *b, struct hosted *h)
{
	const struct partition *p = partition_of(b, h);

	if (!p || b->stopping || !h->replica || !log_error(h->log) ||
	    store_error(b->shard->store))
		return;
	if (h->heal == HEAL_WELL)
		h->heal_epoch = max_of(p->leader_epoch,
				       h->replica->leader_epoch);
	if (may_begin_anew(b, h, p))
		begin_anew(b, h, p);
	else if (h->heal == HEAL_WELL || h->heal == HEAL_LATER ||
		 (h->heal != HEAL_TELLING && p->leader == b->node->id &&
		  p->leader_epoch > h->heal_told_epoch))
		tell(b, h, p);
}

void heal_told(struct broker *b, struct hosted *h, int16_t error)
{
	if (h->heal != HEAL_TELLING)
		return; /* what came of it was seen before the answer */
	if (error == K_NONE) {
		h->heal = HEAL_WAITING;
		log_forsake(h->log);
		heal_look(b, h);
	} else if (error == K_ELIGIBLE_LEADERS_NOT_AVAILABLE) {
		h->heal = HEAL_ALONE;
		say_alone(b, h);
	} else {
		h->heal = HEAL_LATER;
		again(b, h);
	}
}

/* ---- what could not be opened -------------------------------------------- */

void heal_unopened(struct broker *b, struct hosted *h)
{
	again(b, h);
}

static void look_again(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, heal_timer);
	struct list now, *l;

	list_init(&now);
	list_splice(&now, &s->ill);
	while ((l = list_pop(&now))) {
		struct hosted *h = list_entry(l, struct hosted, ill);

		if (h->replica)
			heal_look(s->b, h);
		else if (!s->b->stopping)
			hosted_reopen(s->b, h);
	}
}

void heal_start(struct broker *b)
{
	list_init(&b->shard->ill);
	timer_init(&b->shard->heal_timer, look_again);
}
