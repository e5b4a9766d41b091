/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch (KIP-74, 227, 320, 392, 516, 595, 951): one request becomes a part for
 * every shard that has something for it; the parts wait there (feed.c) and
 * what they bring is put together here.
 *
 *   begin --feed_send--> WAITING --enough, error, time, next--> SETTLED
 *   SETTLED --last part home--> finish
 *
 * 1. Only the peer listener makes a fetch another broker's (CVE-2018-1288).
 * 2. It settles when the parts together have min_bytes, when any of them is
 *    urgent, at max_wait, or when the next request of its session comes: so
 *    another broker can say at once what became durable there.
 * 3. The parts hold what they read; the answer lends it until it is written.
 */
#include "fetch_session.h"

#include "hints.h"

struct fetch { /* rq->state */
	struct broker *b;
	struct request *rq;
	struct fetch_session *session; /* NULL: without */
	int32_t peer;
	struct feed_part **parts; /* by thread; NULL: none */
	int threads, parts_n;
	int away; /* parts that are, and one while we are at it */
	bool settled;
	bool full;
	bool overflow; /* more partitions than a session may remember */
	int64_t min_bytes;
	int32_t max_bytes;
	struct list unknown; /* struct fetch_entry, without a session */
	struct list *unknowns; /* that one, or the session's */
};

static bool by_id(const struct request *rq)
{
	return rq->header.version >= 13;
}

/* ---- the answer ---------------------------------------------------------- */

static void answer_error(struct broker *b, struct request *rq, enum kerr error)
{
	struct fetch_response *out = rq->out;

	out->error_code = (int16_t)error;
	counters_error(b, 1, (int16_t)error);
	broker_answer(b, rq);
}

struct fill { /* one pass over all results, in the order of the answer */
	struct fetch *f;
	struct fetch_response *out;
	int64_t room;
	bool any;
};

static void each_result(struct fetch *f, struct fill *fill,
			void (*each)(struct fill *fill,
				     const struct fetch_entry *e,
				     struct feed_result *r))
{
	int first = (int)((uint32_t)f->rq->header.correlation_id %
			  (uint32_t)f->threads);

	list_each (l, f->unknowns, safe)
		each(fill, list_entry(l, struct fetch_entry, unknown), NULL);
	for (int i = 0; i < f->threads; i++) {
		struct feed_part *p = f->parts[(first + i) % f->threads];

		for (int32_t k = 0; p && k < p->results_n; k++)
			each(fill, p->results[k]->cookie, p->results[k]);
	}
}

static void count_one(struct fill *fill, const struct fetch_entry *e,
		      struct feed_result *r)
{
	(void)r;
	if (e->topic->out_n++ == 0)
		fill->out->responses_n++;
}

static struct fetch_response_topic *topic_of(struct fill *fill,
					     struct fetch_topic *t)
{
	struct request *rq = fill->f->rq;

	if (t->out)
		return t->out;
	t->out = &fill->out->responses[fill->out->responses_n++];
	*t->out = (struct fetch_response_topic){
		.topic = t->name,
		.topic_id = t->id,
		.partitions = arena_alloc(
			&rq->arena, (size_t)t->out_n *
				sizeof(struct fetch_response_partition)),
	};
	return t->out;
}

/* The first that has data may be larger than all limits; no other (KIP-74). */
static void fill_records(struct fill *fill,
			 struct fetch_response_partition *out,
			 struct feed_result *r)
{
	out->records = (struct records){ NULL, 0, NULL };
	if (r->slice.n == 0 || (fill->any && r->slice.n > fill->room))
		return;
	out->records.n = r->slice.n;
	out->records.ref = &r->slice;
	fill->room -= r->slice.n;
	fill->any = true;
}

static void fill_one(struct fill *fill, const struct fetch_entry *e,
		     struct feed_result *r)
{
	struct fetch_response_topic *t = topic_of(fill, e->topic);
	struct fetch_response_partition *out =
		&t->partitions[t->partitions_n++];

	wire_preset(&fetch_response_partition_type, out);
	out->partition_index = e->partition;
	out->records = (struct records){ NULL, 0, NULL };
	out->aborted_transactions_n = -1;
	if (!r) {
		out->error_code = e->error;
		out->high_watermark = -1;
		return;
	}
	out->error_code = r->error;
	out->high_watermark = r->high_watermark;
	out->last_stable_offset = r->high_watermark; /* no transactions */
	out->log_start_offset = r->log_start;
	out->diverging_epoch.epoch = r->diverging.epoch;
	out->diverging_epoch.end_offset = r->diverging.end_offset;
	out->current_leader.leader_id = r->leader;
	out->current_leader.leader_epoch = r->leader_epoch;
	out->preferred_read_replica = r->preferred;
	if (!r->error &&
	    ((struct fetch_request *)fill->f->rq->in)->isolation_level == 1)
		out->aborted_transactions_n = 0;
	fill_records(fill, out, r);
}

static void clear_one(struct fill *fill, const struct fetch_entry *e,
		      struct feed_result *r)
{
	(void)fill;
	(void)r;
	e->topic->out = NULL;
	e->topic->out_n = 0;
}

static void build(struct fetch *f)
{
	struct fetch_response *out = f->rq->out;
	struct fill fill = { .f = f, .out = out, .room = f->max_bytes };
	size_t n;

	each_result(f, &fill, count_one);
	n = (size_t)out->responses_n;
	out->responses =
		arena_alloc(&f->rq->arena, n * sizeof(*out->responses));
	out->responses_n = 0;
	each_result(f, &fill, fill_one);
	each_result(f, &fill, clear_one);
	if (f->session && !f->session->doomed)
		out->session_id = f->session->id;
	if (f->rq->header.version >= 16)
		hint_fetch_nodes(f->b, f->rq, out);
}

/* A session by name whose topic was made anew would wait for the old one. */
static void check_stale(struct fill *fill, const struct fetch_entry *e,
			struct feed_result *r)
{
	struct fetch_session *s = fill->f->session;
	const struct topic *t;

	if (!r || r->error != K_UNKNOWN_TOPIC_OR_PARTITION)
		return;
	t = cluster_topic(fill->f->b->cluster, e->topic->name);
	if (!t || !uuid_eq(t->id, e->id))
		s->doomed = true;
}

static void fetch_begin(struct broker *b, struct request *rq);

static void finish(struct fetch *f)
{
	struct broker *b = f->b;
	struct fetch_session *s = f->session;
	struct request *next = NULL;

	wheel_disarm(&f->rq->timer);
	if (f->overflow) { /* the reader begins another, or goes without */
		assert(s);
		s->doomed = true;
		((struct fetch_response *)f->rq->out)->error_code =
			K_FETCH_SESSION_ID_NOT_FOUND;
	} else {
		build(f);
	}
	if (s) {
		if (!s->by_id)
			each_result(f, &(struct fill){ .f = f }, check_stale);
		next = s->next;
		s->next = NULL;
	}
	broker_answer(b, f->rq);
	if (s)
		session_release(b, s);
	if (next)
		fetch_begin(b, next);
}

/* ---- waiting ------------------------------------------------------------- */

static void come_back(struct fetch *f)
{
	assert(f->away > 0);
	if (--f->away == 0)
		finish(f);
}

/* Whatever there is, is enough. */
static void settle(struct fetch *f)
{
	f->settled = true;
	f->away++;
	for (int i = 0; i < f->threads; i++)
		if (f->parts[i])
			feed_recall(f->b, f->parts[i]);
	come_back(f);
}

bool fetch_is_waiting(const struct request *rq)
{
	const struct fetch *f = rq->state;

	return f && !f->settled;
}

void fetch_settle(struct request *rq)
{
	settle(rq->state);
}

static void on_time(struct timer *t)
{
	fetch_settle(container_of(t, struct request, timer));
}

static bool is_enough(const struct fetch *f)
{
	int64_t bytes = 0;

	for (int i = 0; i < f->threads; i++) {
		const struct feed_part *p = f->parts[i];

		if (!p)
			continue;
		/* a part that is away is its shard's: not to be looked into */
		if (!p->away && p->urgent)
			return true;
		bytes += p->known;
	}
	return bytes >= f->min_bytes;
}

/* One part has what it was sent for. Together they may still be short. */
static void on_home(struct feed_part *p)
{
	struct fetch *f = p->ctx;

	p->known = p->bytes;
	if (f->settled) {
		come_back(f);
		return;
	}
	if (is_enough(f)) {
		settle(f);
		come_back(f);
		return;
	}
	p->want = p->bytes + 1;
	feed_send(f->b, p);
}

static void send_all(struct fetch *f)
{
	const struct fetch_request *in = f->rq->in;
	bool no_wait = in->max_wait_ms <= 0 || f->min_bytes <= 0 ||
		       f->b->stopping ||
		       !list_empty(f->unknowns) || f->parts_n == 0 ||
		       f->overflow;

	f->settled = no_wait;
	f->away = f->parts_n + 1;
	if (!no_wait) {
		timer_init(&f->rq->timer, on_time);
		wheel_arm(f->b->wheel, &f->rq->timer,
			  f->b->now_ms + in->max_wait_ms);
	}
	for (int i = 0; i < f->threads; i++) {
		struct feed_part *p = f->parts[i];

		if (!p)
			continue;
		p->no_wait = f->settled; /* by one that was here, maybe */
		p->want = f->parts_n == 1 ? f->min_bytes : 1;
		p->max_bytes = f->max_bytes;
		p->full = f->full;
		feed_send(f->b, p);
	}
	come_back(f);
}

/* ---- what is asked ------------------------------------------------------- */

static struct feed_part *part_of(struct fetch *f, int thread)
{
	const struct fetch_request *in = f->rq->in;
	struct feed **feed = NULL;
	struct feed_part *p = f->parts[thread];

	if (p)
		return p;
	if (f->session) {
		feed = &f->session->feeds[thread];
		if (!*feed)
			*feed = feed_new(f->peer);
	}
	p = feed_part_new(f->b, f->rq, thread, feed ? *feed : NULL, f->peer);
	p->on_home = on_home;
	p->ctx = f;
	p->broker_epoch = in->replica_state.replica_epoch;
	p->rack = in->rack_id;
	f->parts[thread] = p;
	f->parts_n++;
	return p;
}

static void set_change(struct feed_change *c,
		       const struct fetch_request_partition *in)
{
	c->offset = in->fetch_offset;
	c->log_start = in->log_start_offset;
	c->high_watermark = in->high_watermark;
	c->max_bytes = in->partition_max_bytes;
	c->current_epoch = in->current_leader_epoch;
	c->last_epoch = in->last_fetched_epoch;
}

static const struct topic *resolve(struct fetch *f, const struct fetch_entry *e,
				   int16_t *error)
{
	const struct cluster *c = f->b->cluster;
	const struct topic *t = by_id(f->rq) ?
		cluster_topic_by_id(c, e->topic->id) :
		cluster_topic(c, e->topic->name);

	*error = K_NONE;
	if (!t)
		*error = by_id(f->rq) ? K_UNKNOWN_TOPIC_ID :
					K_UNKNOWN_TOPIC_OR_PARTITION;
	else if (e->partition < 0 || e->partition >= t->partitions_n)
		*error = K_UNKNOWN_TOPIC_OR_PARTITION;
	return t;
}

/* Finds the shard of an entry that is new, or was unknown. */
static bool place(struct fetch *f, struct fetch_entry *e,
		  const struct fetch_request_partition *in)
{
	const struct topic *t = resolve(f, e, &e->error);
	struct feed_part *p;

	if (e->error)
		return false;
	e->id = t->id;
	e->thread = broker_shard_of(str_of(t->name), e->partition,
				    f->b->node->shards);
	p = part_of(f, e->thread);
	e->slot = feed_slot_new(
		p, (struct partition_id){ t->id, e->partition }, e);
	set_change(feed_change_add(p, FEED_ADD, e->slot), in);
	if (f->session)
		f->session->slots_n[e->thread]++;
	return true;
}

static void place_or_note(struct fetch *f, struct fetch_entry *e,
			  const struct fetch_request_partition *in)
{
	if (place(f, e, in))
		return;
	counters_error(f->b, 1, e->error);
	list_remove(&e->unknown);
	list_push(f->unknowns, &e->unknown);
	if (!f->session || e->want == in)
		return;
	mem_free(e->want);
	e->want = mem_dup(in, sizeof(*in));
}

static void ask_session(struct fetch *f, const struct fetch_request_topic *t,
			const struct fetch_request_partition *in)
{
	struct fetch_key key = { t->topic_id, t->topic, in->partition };
	struct fetch_entry *e = session_entry(f->b, f->session, &key);

	if (!e)
		f->overflow = true;
	else if (e->slot)
		set_change(feed_change_add(part_of(f, e->thread), FEED_SET,
					   e->slot), in);
	else
		place_or_note(f, e, in);
}

static void ask_once(struct fetch *f, struct fetch_topic *topic,
		     const struct fetch_request_partition *in)
{
	struct fetch_entry *e = arena_zalloc(&f->rq->arena, sizeof(*e));

	list_init(&e->unknown);
	e->topic = topic;
	e->partition = in->partition;
	place_or_note(f, e, in);
}

static void ask_topic(struct fetch *f, const struct fetch_request_topic *in)
{
	struct fetch_topic *t = NULL;

	if (!f->session) {
		t = arena_zalloc(&f->rq->arena, sizeof(*t));
		t->id = in->topic_id;
		t->name = in->topic;
	}
	for (int32_t i = 0; i < in->partitions_n; i++) {
		if (t)
			ask_once(f, t, &in->partitions[i]);
		else
			ask_session(f, in, &in->partitions[i]);
	}
}

static void forget(struct fetch *f)
{
	const struct fetch_request *in = f->rq->in;

	for (int32_t i = 0; i < in->forgotten_topics_data_n; i++) {
		const struct fetch_request_forgotten *t =
			&in->forgotten_topics_data[i];

		for (int32_t k = 0; k < t->partitions_n; k++) {
			int thread = 0;
			struct fetch_key key = { t->topic_id, t->topic,
						 t->partitions[k] };
			struct feed_slot *slot = session_forget(
				f->b, f->session, &key, &thread);

			if (!slot)
				continue;
			feed_change_add(part_of(f, thread), FEED_DROP, slot);
			f->session->slots_n[thread]--;
		}
	}
}

static void retry_unknown(struct fetch *f)
{
	struct list was;

	list_init(&was);
	list_splice(&was, &f->session->unknown);
	list_each (l, &was, safe) {
		struct fetch_entry *e =
			list_entry(l, struct fetch_entry, unknown);

		list_remove(&e->unknown);
		place_or_note(f, e, e->want);
	}
}

static void ask_all(struct fetch *f)
{
	const struct fetch_request *in = f->rq->in;

	if (f->session) {
		forget(f);
		retry_unknown(f);
	}
	for (int32_t i = 0; i < in->topics_n; i++)
		ask_topic(f, &in->topics[i]);
	for (int i = 0; f->session && i < f->threads; i++)
		if (f->session->slots_n[i] > 0)
			part_of(f, i);
}

/* ---- sessions ------------------------------------------------------------ */

/* K_NONE and *out, NULL for a fetch without one. */
static enum kerr pick_session(struct broker *b, struct request *rq,
			      int32_t peer, struct fetch_session **out)
{
	const struct fetch_request *in = rq->in;
	struct fetch_session *s = in->session_id ?
		session_find(b, in->session_id) : NULL;

	*out = NULL;
	if (rq->header.version < 7 || in->session_epoch <= 0) {
		if (s && s->peer == peer)
			session_end(b, s);
		if (rq->header.version >= 7 && in->session_epoch == 0 &&
		    in->topics_n > 0)
			*out = session_new(b, peer, by_id(rq));
		return K_NONE;
	}
	if (!s || s->peer != peer)
		return K_FETCH_SESSION_ID_NOT_FOUND;
	if (s->epoch != in->session_epoch)
		return K_INVALID_FETCH_SESSION_EPOCH;
	if (s->by_id != by_id(rq))
		return K_FETCH_SESSION_TOPIC_ID_ERROR;
	s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
	*out = s;
	return K_NONE;
}

static struct fetch *fetch_new(struct broker *b, struct request *rq,
			       struct fetch_session *s, int32_t peer)
{
	const struct fetch_request *in = rq->in;
	struct fetch *f = arena_zalloc(&rq->arena, sizeof(*f));

	f->b = b;
	f->rq = rq;
	f->session = s;
	f->peer = peer;
	f->threads = b->node->shards + 1;
	f->parts = arena_zalloc(&rq->arena, (size_t)f->threads *
						    sizeof(struct feed_part *));
	f->max_bytes = max_of(0, in->max_bytes);
	if (peer < 0)
		f->max_bytes = (int32_t)min_of(
			f->max_bytes,
			broker_number(b, SETTING_FETCH_MAX_BYTES));
	f->min_bytes = min_of(in->min_bytes, f->max_bytes);
	f->full = !s || in->session_epoch <= 0;
	list_init(&f->unknown);
	f->unknowns = s ? &s->unknown : &f->unknown;
	rq->state = f;
	return f;
}

static int32_t follower_of(const struct request *rq)
{
	const struct fetch_request *in = rq->in;

	return rq->header.version >= 15 ? in->replica_state.replica_id :
					  in->replica_id;
}

static void fetch_begin(struct broker *b, struct request *rq)
{
	int32_t peer = max_of(follower_of(rq), -1);
	struct fetch_session *s;
	enum kerr error = pick_session(b, rq, peer, &s);
	struct fetch *f;

	if (error) {
		answer_error(b, rq, error);
		return;
	}
	rq->data = peer < 0;
	f = fetch_new(b, rq, s, peer);
	if (s)
		s->current = f;
	ask_all(f);
	send_all(f);
}

void handle_fetch(struct broker *b, struct request *rq)
{
	const struct fetch_request *in = rq->in;
	int32_t peer = follower_of(rq);
	struct fetch_session *s;

	if (peer >= 0 && peer != rq->peer) {
		broker_refuse(b, rq, "not the broker that it says it is");
		return;
	}
	s = in->session_id > 0 && in->session_epoch >= 0 ?
		session_find(b, in->session_id) : NULL;
	if (!s || !s->current) {
		fetch_begin(b, rq);
		return;
	}
	if (s->next) {
		answer_error(b, rq, K_INVALID_FETCH_SESSION_EPOCH);
		return;
	}
	s->next = rq; /* what waits is answered now, then this one's turn */
	settle(s->current);
}
