/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed: the shard's side of Fetch. See feed.h; reading one partition is
 * feed_read.c's.
 *
 * 1. A part waits in at most one feed, a feed has at most one part waiting.
 * 2. What a part holds of the log is let go of on the shard it came from.
 * 3. New data wakes whoever waits at the end of the turn. A high watermark
 *    that rose without data is told to followers HW_DELAY_MS later, or with
 *    the next data: so that it comes soon, and costs no second exchange for
 *    every append.
 */
#include "feed.h"

#include "feed_read.h"

#define HW_DELAY_MS 10

/* ---- slots --------------------------------------------------------------- */

static void make_ready(struct feed_slot *s)
{
	if (list_empty(&s->ready))
		list_push(&s->feed->ready, &s->ready);
}

static void attach(struct broker *b, struct feed_slot *s)
{
	s->hosted = hosted_find(b, s->id);
	list_remove(&s->at_hosted);
	if (s->hosted)
		list_push(s->feed->peer >= 0 ? &s->hosted->followers :
					       &s->hosted->readers,
			  &s->at_hosted);
}

static void detach(struct feed_slot *s)
{
	list_remove(&s->at_hosted);
	list_remove(&s->in_feed);
	list_remove(&s->ready);
}

static void begin(struct feed_part *p, struct feed_slot *s)
{
	s->feed = p->feed;
	s->told_hw = -1;
	s->told_start = -1;
	list_push(&p->feed->slots, &s->in_feed);
}

static void set(struct broker *b, const struct feed_part *p,
		const struct feed_change *c)
{
	struct feed_slot *s = c->slot;

	s->progress = s->feed->peer >= 0;
	s->order = p->order;
	if (s->progress && c->high_watermark >= 0 &&
	    c->high_watermark != INT64_MAX)
		s->told_hw = c->high_watermark; /* KIP-1166: it says so */
	s->offset = c->offset;
	s->log_start = c->log_start;
	s->max_bytes = c->max_bytes;
	s->current_epoch = c->current_epoch;
	s->last_epoch = c->last_epoch;
	if (!s->hosted || s->progress)
		attach(b, s); /* who spoke last stands last: feed_start_of */
	make_ready(s);
	if (s->hosted && !list_empty(&s->hosted->start_waits))
		hosted_touch(s->hosted);
}

static void apply_changes(struct broker *b, struct feed_part *p)
{
	for (int32_t i = 0; i < p->changes_n; i++) {
		const struct feed_change *c = &p->changes[i];

		if (c->verb == FEED_DROP) {
			detach(c->slot);
			mem_free(c->slot);
			continue;
		}
		if (c->verb == FEED_ADD)
			begin(p, c->slot);
		set(b, p, c);
	}
	p->changes_n = 0;
}

/* By the session that it used last: one that it has left is still there, and
 * may yet hear what was sent before. */
int64_t feed_start_of(const struct hosted *h, int32_t node)
{
	int64_t start = -1, order = 0;

	list_each (l, &h->followers, safe) {
		struct feed_slot *s =
			list_entry(l, struct feed_slot, at_hosted);

		if (s->feed->peer == node && s->order >= order) {
			order = s->order;
			start = s->log_start;
		}
	}
	return start;
}

/* ---- one look ------------------------------------------------------------ */

static void drop_results(struct feed_part *p)
{
	for (int32_t i = 0; i < p->results_n; i++)
		if (p->results[i]->slice.n)
			log_slice_drop(&p->results[i]->slice);
	p->results_n = 0;
	p->bytes = 0;
	p->urgent = false;
}

static void grow_results(struct feed_part *p)
{
	struct feed_result **v;

	p->results_cap = max_of(8, 2 * p->results_cap);
	v = arena_alloc(&p->arena, (size_t)p->results_cap * sizeof(*v));
	if (p->results_made)
		memcpy(v, p->results, (size_t)p->results_made * sizeof(*v));
	p->results = v;
}

/* Those of an earlier look are used again. */
static struct feed_result *add_result(struct feed_part *p, struct feed_slot *s)
{
	struct feed_result *r;

	if (p->results_n == p->results_made) {
		if (p->results_made == p->results_cap)
			grow_results(p);
		p->results[p->results_made++] =
			arena_alloc(&p->arena, sizeof(*r));
	}
	r = p->results[p->results_n++];
	*r = (struct feed_result){ .slot = s, .cookie = s->cookie,
				   .preferred = -1, .leader = -1,
				   .leader_epoch = -1,
				   .diverging = { -1, -1 } };
	return r;
}

struct gathered {
	bool news, full;
};

static void read_slot(struct broker *b, struct feed_part *p,
		      struct feed_slot *s, struct list *again,
		      struct gathered *g)
{
	struct feed_result *r;
	enum feed_found found;

	if (!s->hosted)
		attach(b, s);
	r = add_result(p, s);
	found = feed_read(b, p, s, r);
	if (found == FEED_NOTHING || found == FEED_LATER)
		p->results_n--;
	if (found == FEED_NOTHING)
		return;
	list_push(again, &s->ready);
	p->bytes += r->slice.n;
	p->urgent |= found == FEED_URGENT;
	g->news |= found == FEED_NEWS;
	g->full |= found == FEED_LATER;
}

/*
 * Looks at what is ready, until the answer is full. Slots with nothing more to
 * say leave the list; those with data go to its end, so that one partition
 * does not starve the others. True: worth an answer.
 */
static bool gather(struct broker *b, struct feed_part *p)
{
	struct feed *f = p->feed;
	struct gathered g = { false, false };
	struct list again;

	list_init(&again);
	while (!list_empty(&f->ready) &&
	       (p->bytes == 0 || p->bytes < p->max_bytes))
		read_slot(b, p,
			  list_entry(list_pop(&f->ready), struct feed_slot,
				     ready),
			  &again, &g);
	list_splice(&f->ready, &again);
	p->urgent |= g.full || (g.news && f->hw_due);
	return p->urgent || p->bytes >= p->want;
}

/* A first answer has all partitions, also those with nothing in them. */
static void fill_up(struct broker *b, struct feed_part *p)
{
	for (int32_t i = 0; i < p->results_n; i++)
		p->results[i]->slot->answered = true;
	list_each (l, &p->feed->slots, safe) {
		struct feed_slot *s = list_entry(l, struct feed_slot, in_feed);

		if (!s->answered)
			feed_describe(b, s, add_result(p, s));
	}
}

static void note_told(struct feed_part *p)
{
	for (int32_t i = 0; i < p->results_n; i++) {
		const struct feed_result *r = p->results[i];

		r->slot->answered = false;
		r->slot->told_hw = r->high_watermark;
		r->slot->told_start = r->log_start;
		if (r->slice.n && r->slot->hosted)
			r->slot->hosted->topic->bytes_out +=
				(uint64_t)r->slice.n;
	}
}

/* Without a session the slots are the part's own, and leave with it. */
static void let_go(struct feed_part *p)
{
	list_each (l, &p->own.slots, safe) {
		struct feed_slot *s = list_entry(l, struct feed_slot, in_feed);

		list_remove(&s->at_hosted);
		s->hosted = NULL;
	}
}

/* They are here again: the part had not brought enough. */
static void come_again(struct feed_part *p)
{
	list_each (l, &p->own.slots, safe)
		make_ready(list_entry(l, struct feed_slot, in_feed));
}

static void deliver_home(struct broker *b, struct letter *l)
{
	struct feed_part *p = list_entry(l, struct feed_part, letter);

	(void)b;
	p->away = false;
	if (p->recalled && !p->recall_met)
		return; /* the recall is still under way, and comes back too */
	p->on_home(p);
}

static void conclude(struct broker *b, struct feed_part *p)
{
	struct feed *f = p->feed;

	if (p->full)
		fill_up(b, p);
	note_told(p);
	f->part = NULL;
	f->hw_due = false;
	wheel_disarm(&f->hw_timer);
	list_remove(&f->due);
	let_go(p);
	if (b->thread == p->home->thread) {
		deliver_home(b, &p->letter);
		return;
	}
	p->letter.deliver = deliver_home;
	b->out.tell(b->out.ctx, p->home->thread, &p->letter);
}

static void look(struct broker *b, struct feed_part *p)
{
	drop_results(p);
	if (gather(b, p) || p->no_wait)
		conclude(b, p);
}

/* ---- waking -------------------------------------------------------------- */

static void make_due(struct feed *f)
{
	if (f->part && list_empty(&f->due))
		list_push(&f->shard->due_feeds, &f->due);
}

static void wake(struct list *slots)
{
	list_each (l, slots, safe) {
		struct feed_slot *s =
			list_entry(l, struct feed_slot, at_hosted);

		make_ready(s);
		make_due(s->feed);
	}
}

static void wake_later(struct broker *b, struct list *slots)
{
	list_each (l, slots, safe) {
		struct feed_slot *s =
			list_entry(l, struct feed_slot, at_hosted);

		make_ready(s);
		if (!timer_is_armed(&s->feed->hw_timer))
			wheel_arm(b->wheel, &s->feed->hw_timer,
				  b->now_ms + HW_DELAY_MS);
	}
}

static void tell_marks(struct timer *t)
{
	struct feed *f = container_of(t, struct feed, hw_timer);

	f->hw_due = true;
	make_due(f);
}

void feed_wake(struct broker *b, struct hosted *h)
{
	int64_t hw = h->replica->high_watermark, end = log_end(h->log);
	int64_t start = log_start(h->log);

	if (hw != h->shown_hw)
		wake(&h->readers);
	if (end != h->shown_end)
		wake(&h->followers);
	else if (hw != h->shown_hw || start != h->shown_start)
		wake_later(b, &h->followers);
	h->shown_hw = hw;
	h->shown_end = end;
	h->shown_start = start;
}

void feed_wake_all(struct broker *b, struct hosted *h)
{
	(void)b;
	wake(&h->readers);
	wake(&h->followers);
}

static void orphan(struct list *slots)
{
	list_each (l, slots, safe) {
		struct feed_slot *s =
			list_entry(l, struct feed_slot, at_hosted);

		s->hosted = NULL;
		list_remove(&s->at_hosted);
		make_ready(s);
		make_due(s->feed);
	}
}

void feed_orphan(struct broker *b, struct hosted *h)
{
	(void)b;
	orphan(&h->readers);
	orphan(&h->followers);
}

void feed_turn_end(struct broker *b)
{
	struct list *l;

	while ((l = list_pop(&b->shard->due_feeds)))
		look(b, list_entry(l, struct feed, due)->part);
}

/* ---- coming and going ---------------------------------------------------- */

static void init(struct feed *f, int32_t peer)
{
	*f = (struct feed){ .peer = peer };
	list_init(&f->slots);
	list_init(&f->ready);
	list_init(&f->due);
	list_init(&f->in_shard);
	timer_init(&f->hw_timer, tell_marks);
}

struct feed *feed_new(int32_t peer)
{
	struct feed *f = mem_alloc(sizeof(*f));

	init(f, peer);
	return f;
}

static void deliver_out(struct broker *b, struct letter *l)
{
	struct feed_part *p = list_entry(l, struct feed_part, letter);
	struct feed *f = p->feed;

	if (!f->shard && f != &p->own)
		list_push(&b->shard->feeds, &f->in_shard);
	f->shard = b->shard;
	assert(!f->part);
	f->part = p;
	come_again(p);
	apply_changes(b, p);
	look(b, p);
}

void feed_send(struct broker *b, struct feed_part *p)
{
	p->away = true;
	p->recalled = false;
	p->recall_met = false;
	if (p->thread == b->thread) {
		deliver_out(b, &p->letter);
		return;
	}
	p->letter.deliver = deliver_out;
	b->out.tell(b->out.ctx, p->thread, &p->letter);
}

static void recall_is_back(struct broker *b, struct letter *l)
{
	struct feed_part *p = list_entry(l, struct feed_part, recall);

	(void)b;
	assert(!p->away); /* letters keep their order: the part came before */
	p->recalled = false;
	p->on_home(p);
}

static void deliver_recall(struct broker *b, struct letter *l)
{
	struct feed_part *p = list_entry(l, struct feed_part, recall);

	if (p->feed->part != p) {
		p->recall.deliver = recall_is_back;
		b->out.tell(b->out.ctx, p->home->thread, &p->recall);
		return;
	}
	p->recall_met = true;
	p->no_wait = true;
	look(b, p);
}

void feed_recall(struct broker *b, struct feed_part *p)
{
	if (!p->away || p->recalled)
		return;
	p->recalled = true;
	p->recall.deliver = deliver_recall;
	if (p->thread == b->thread)
		deliver_recall(b, &p->recall);
	else
		b->out.tell(b->out.ctx, p->thread, &p->recall);
}

static void free_feed(struct feed *f)
{
	struct list *l;

	while ((l = list_pop(&f->slots))) {
		struct feed_slot *s = list_entry(l, struct feed_slot, in_feed);

		detach(s);
		mem_free(s);
	}
	wheel_disarm(&f->hw_timer);
	list_remove(&f->due);
	list_remove(&f->in_shard);
	mem_free(f);
}

struct closing {
	struct letter letter;
	struct feed *feed;
};

static void deliver_close(struct broker *b, struct letter *l)
{
	struct closing *c = list_entry(l, struct closing, letter);

	(void)b;
	free_feed(c->feed);
	mem_free(c);
}

void feed_close(struct broker *b, int thread, struct feed *feed)
{
	struct closing *c;

	if (b->dying)
		return; /* its shard frees it */
	if (thread == b->thread) {
		free_feed(feed);
		return;
	}
	c = mem_zalloc(sizeof(*c));
	list_init(&c->letter.link);
	c->letter.deliver = deliver_close;
	c->feed = feed;
	b->out.tell(b->out.ctx, thread, &c->letter);
}

void feed_free_all(struct broker *b)
{
	struct list *l;

	while ((l = list_pop(&b->shard->feeds)))
		free_feed(list_entry(l, struct feed, in_shard));
}

/* ---- parts --------------------------------------------------------------- */

static void free_part(struct feed_part *p)
{
	drop_results(p);
	let_go(p);
	list_remove(&p->own.due);
	wheel_disarm(&p->own.hw_timer);
	arena_fini(&p->arena);
	mem_free(p);
}

static void deliver_end(struct broker *b, struct letter *l)
{
	struct feed_part *p = list_entry(l, struct feed_part, letter);

	(void)b;
	free_part(p);
}

static void drop_part(struct owned *o)
{
	struct feed_part *p = container_of(o, struct feed_part, owned);
	struct broker *b = p->home;

	if (b->dying) {
		free_part(p);
		return;
	}
	assert(!p->away);
	if (p->thread == b->thread) {
		deliver_end(b, &p->letter);
		return;
	}
	p->letter.deliver = deliver_end;
	b->out.tell(b->out.ctx, p->thread, &p->letter);
}

struct feed_part *feed_part_new(struct broker *b, struct request *rq,
				int thread, struct feed *feed, int32_t peer)
{
	struct feed_part *p = mem_zalloc(sizeof(*p));

	list_init(&p->letter.link);
	list_init(&p->recall.link);
	init(&p->own, peer);
	p->home = b;
	p->thread = thread;
	p->feed = feed ? feed : &p->own;
	p->version = rq->header.version;
	p->order = rq->peer_order;
	p->owned.drop = drop_part;
	request_own(rq, &p->owned);
	return p;
}

struct feed_change *feed_change_add(struct feed_part *p, enum feed_verb verb,
				    struct feed_slot *slot)
{
	struct feed_change *c = p->changes;

	if (p->changes_n == p->changes_cap) {
		p->changes_cap = max_of(16, 2 * p->changes_cap);
		p->changes = arena_alloc(&p->arena, (size_t)p->changes_cap *
							    sizeof(*c));
		if (p->changes_n)
			memcpy(p->changes, c,
			       (size_t)p->changes_n * sizeof(*c));
	}
	c = &p->changes[p->changes_n++];
	*c = (struct feed_change){ .verb = verb, .slot = slot,
				   .log_start = -1, .high_watermark = -1,
				   .current_epoch = -1, .last_epoch = -1 };
	return c;
}

struct feed_slot *feed_slot_new(struct feed_part *p, struct partition_id id,
				void *cookie)
{
	struct feed_slot *s = p->feed == &p->own ?
		arena_zalloc(&p->arena, sizeof(*s)) : mem_zalloc(sizeof(*s));

	list_init(&s->at_hosted);
	list_init(&s->in_feed);
	list_init(&s->ready);
	s->id = id;
	s->cookie = cookie;
	return s;
}
