/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetcher: the follower side of replication. One per leading broker and
 * shard, with one incremental fetch session for all partitions that are
 * followed from there (KIP-227): an exchange costs what changed.
 *
 *   asking: told the leader our offsets; it answers when it has data
 *   syncing: what came is on its way to the disk
 *
 * By asking for an offset we say that all before it is durable here. So after
 * data came, the next ask waits for the disk: an append with acks=all costs
 * one round trip and one sync, ours beside the leader's. When something else
 * changes while an ask waits at the leader (a partition more or less, another
 * epoch), a second one is sent; the leader then answers the first at once.
 *
 * 1. An answer counts for a partition only if its ask was sent after the
 *    leader was told where that partition stands (told <= serial).
 * 2. A partition that failed rests, forgotten by the session, and comes back.
 * 3. At most two asks are out.
 */
#include "shard.h"

#define FETCH 1
#define ASKS_MAX 2
#define REST_MAX_MS 1000
#define NEVER_TOLD INT64_MAX

struct fetcher {
	struct broker *b;
	int32_t leader;
	struct list idle;    /* struct hosted: the leader knows their offset */
	struct list changed; /* it does not: they stand in the next ask */
	struct list resting; /* after an error; not in the session */
	struct buf forgotten; /* struct partition_id: to leave the session */
	int32_t unsynced;    /* partitions that wait for the disk */
	int32_t session_id, session_epoch; /* epoch 0: begin a new one */
	int64_t serial;      /* of the last ask */
	int64_t begun;       /* of the first of this session */
	int64_t broker_epoch; /* as the leader was told */
	struct list out;     /* struct fetch_ask */
	int asks;            /* how many */
	int failures;        /* in a row */
	struct timer rest_timer, retry_timer;
	bool paused;         /* until retry_timer */
};
struct fetch_ask {
	struct ask ask;
	struct list out;   /* fetcher->out */
	struct fetcher *f; /* NULL: it ended before the answer came */
	int64_t serial;
};

static void pump(struct fetcher *f);

/* ---- partitions: idle, changed, resting ---------------------------------- */

static void move_to(struct hosted *h, struct list *to)
{
	list_remove(&h->in_fetcher);
	list_push(to, &h->in_fetcher);
}

static void mark_changed(struct hosted *h)
{
	h->told = NEVER_TOLD;
	move_to(h, &h->fetcher->changed);
}

/* What the leader would have to know has moved since we told it. */
static void check_changed(struct hosted *h)
{
	int64_t offset;
	int32_t epoch;

	if (!replica_next_fetch(h->replica, &offset, &epoch) ||
	    offset != h->told_offset ||
	    h->replica->leader_epoch != h->told_epoch ||
	    log_start(h->log) != h->told_start)
		mark_changed(h);
}

static void note_unsynced(struct hosted *h)
{
	bool now = log_durable_end(h->log) < log_end(h->log) &&
		   !log_error(h->log);

	if (now == h->unsynced)
		return;
	h->unsynced = now;
	h->fetcher->unsynced += now ? 1 : -1;
}

static void leave_session(struct fetcher *f, struct hosted *h)
{
	struct partition_id g = { h->topic->id, h->index };

	if (h->in_session)
		buf_put(&f->forgotten, &g, sizeof(g));
	h->in_session = false;
}

static void let_go(struct hosted *h)
{
	struct fetcher *f = h->fetcher;

	if (!f)
		return;
	if (h->unsynced)
		f->unsynced--;
	h->unsynced = false;
	leave_session(f, h);
	list_remove(&h->in_fetcher);
	h->fetcher = NULL;
}

static void arm_rest(struct fetcher *f, int64_t at_ms)
{
	if (!timer_is_armed(&f->rest_timer) || at_ms < f->rest_timer.at_ms)
		wheel_arm(f->b->wheel, &f->rest_timer, at_ms);
}

static void rest(struct fetcher *f, struct hosted *h)
{
	int64_t least = broker_number(f->b, SETTING_REPLICA_FETCH_BACKOFF_MS);

	leave_session(f, h);
	h->told = NEVER_TOLD;
	h->rest_ms = (int32_t)min_of(
		h->rest_ms ? 2 * (int64_t)h->rest_ms : max_of(least / 4, 1),
		REST_MAX_MS);
	h->rest_until_ms = f->b->now_ms + h->rest_ms;
	move_to(h, &f->resting);
	arm_rest(f, h->rest_until_ms);
}

static void wake_resting(struct timer *t)
{
	struct fetcher *f = container_of(t, struct fetcher, rest_timer);

	list_each (l, &f->resting, safe) {
		struct hosted *h = list_entry(l, struct hosted, in_fetcher);

		if (h->rest_until_ms <= f->b->now_ms)
			mark_changed(h);
		else
			arm_rest(f, h->rest_until_ms);
	}
	pump(f);
}

/* ---- asking -------------------------------------------------------------- */

static void stop_session(struct fetcher *f)
{
	list_each (l, &f->idle, safe)
		mark_changed(list_entry(l, struct hosted, in_fetcher));
	list_each (l, &f->changed, safe)
		list_entry(l, struct hosted, in_fetcher)->in_session = false;
	f->session_id = 0;
	f->session_epoch = 0;
	f->begun = NEVER_TOLD;
	f->forgotten.n = 0;
}

static void retry(struct timer *t)
{
	struct fetcher *f = container_of(t, struct fetcher, retry_timer);

	f->paused = false;
	pump(f);
}

static void pause_asking(struct fetcher *f)
{
	int64_t least = broker_number(f->b, SETTING_REPLICA_FETCH_BACKOFF_MS);
	int64_t ms = least << min_of(f->failures, 5);

	f->failures++;
	f->paused = true;
	wheel_arm(f->b->wheel, &f->retry_timer,
		  f->b->now_ms + min_of(max_of(ms, 1), REST_MAX_MS));
}

/* One topic per run of partitions of the same topic. */
static void fill_topics(struct fetcher *f, struct fetch_request *in,
			struct arena *a, int32_t n)
{
	int32_t max = (int32_t)broker_number(f->b,
					     SETTING_REPLICA_FETCH_MAX_BYTES);
	struct fetch_request_partition *p;
	struct fetch_request_topic *t = NULL;

	in->topics = arena_alloc(a, (size_t)n * sizeof(*in->topics));
	p = arena_alloc(a, (size_t)n * sizeof(*p));
	list_each (l, &f->changed, safe) {
		struct hosted *h = list_entry(l, struct hosted, in_fetcher);
		int64_t offset;
		int32_t epoch;

		if (!replica_next_fetch(h->replica, &offset, &epoch)) {
			rest(f, h);
			continue;
		}
		if (!t || !uuid_eq(t->topic_id, h->topic->id)) {
			t = &in->topics[in->topics_n++];
			*t = (struct fetch_request_topic){
				.topic_id = h->topic->id, .partitions = p };
		}
		wire_preset(&fetch_request_partition_type, p);
		p->partition = h->index;
		p->current_leader_epoch = h->replica->leader_epoch;
		p->fetch_offset = offset;
		p->last_fetched_epoch = epoch;
		p->log_start_offset = log_start(h->log);
		p->partition_max_bytes = max;
		p->high_watermark = h->replica->high_watermark;
		t->partitions_n++;
		p++;
		h->told = f->serial;
		h->told_offset = offset;
		h->told_epoch = h->replica->leader_epoch;
		h->told_start = log_start(h->log);
		h->in_session = true;
		move_to(h, &f->idle);
	}
}

static void fill_forgotten(struct fetcher *f, struct fetch_request *in,
			   struct arena *a)
{
	size_t n = f->forgotten.n / sizeof(struct partition_id);
	int32_t *ids = arena_alloc(a, n * sizeof(*ids));

	in->forgotten_topics_data =
		arena_alloc(a, n * sizeof(*in->forgotten_topics_data));
	for (size_t i = 0; i < n; i++) {
		struct partition_id g;

		memcpy(&g, f->forgotten.p + i * sizeof(g), sizeof(g));
		ids[i] = g.index;
		in->forgotten_topics_data[i] =
			(struct fetch_request_forgotten){
				.topic_id = g.topic, .partitions_n = 1,
				.partitions = &ids[i] };
	}
	in->forgotten_topics_data_n = (int32_t)n;
	f->forgotten.n = 0;
}

static void on_answer(struct ask *a, struct reader *r, int error);

static void send(struct fetcher *f, const struct fetch_request *in)
{
	const struct api *api = api_find(FETCH);
	struct request_header head = { FETCH, api->max, 0, STR_NULL };
	struct fetch_ask *fa = mem_zalloc(sizeof(*fa));
	struct ask *a = &fa->ask;
	size_t begin = frame_begin_request(&a->frame, &head);

	fa->f = f;
	fa->serial = f->serial;
	wire_encode(&a->frame, api->request, api->max, in, NULL);
	frame_end(&a->frame, begin, 0);
	list_init(&a->link);
	a->node = f->leader;
	a->kind = ASK_DATA;
	a->key = FETCH;
	a->version = api->max;
	a->deadline_ms = f->b->now_ms + in->max_wait_ms +
			 broker_number(f->b, SETTING_BROKER_SESSION_TIMEOUT_MS);
	a->done = on_answer;
	a->broker = f->b;
	list_push(&f->out, &fa->out);
	f->asks++;
	f->b->out.ask(f->b->out.ctx, a);
}

static void ask(struct fetcher *f)
{
	struct broker *b = f->b;
	struct arena a = { 0 };
	struct fetch_request in;
	int32_t n = 0;

	list_each (l, &f->changed, safe)
		n++;
	wire_preset(&fetch_request_type, &in);
	in.replica_state.replica_id = b->node->id;
	in.replica_state.replica_epoch = f->broker_epoch;
	if (f->session_epoch > 0)
		in.max_wait_ms = (int32_t)broker_number(
			b, SETTING_REPLICA_FETCH_WAIT_MAX_MS);
	in.min_bytes = 1;
	in.max_bytes = (int32_t)broker_number(
		b, SETTING_REPLICA_FETCH_RESPONSE_MAX_BYTES);
	in.session_id = f->session_id;
	in.session_epoch = f->session_epoch;
	in.rack_id = STR("");
	f->serial++;
	fill_topics(f, &in, &a, n);
	fill_forgotten(f, &in, &a);
	/* the epoch counts asks, whether or not they are answered yet */
	if (f->session_epoch == 0)
		f->begun = f->serial;
	else
		f->session_epoch = f->session_epoch == INT32_MAX ?
			1 : f->session_epoch + 1;
	send(f, &in);
	arena_fini(&a);
}

/*
 * The leader counts for its in-sync set only what was fetched under our present
 * registration (KIP-903). What it was told before that (a restarted broker
 * fetches while it is still fenced) has to be told again: a session leaves out
 * what did not change.
 */
static void note_registration(struct fetcher *f)
{
	int64_t epoch = cluster_broker_epoch(f->b->cluster, f->b->node->id);

	if (epoch == f->broker_epoch)
		return;
	f->broker_epoch = epoch;
	list_each (l, &f->idle, safe)
		mark_changed(list_entry(l, struct hosted, in_fetcher));
}

static bool has_anything(const struct fetcher *f)
{
	return !list_empty(&f->idle) || !list_empty(&f->changed);
}

/* A new session is begun by one ask alone, which does not wait for data: only
 * with its answer, which has the id, can others follow. */
static void pump(struct fetcher *f)
{
	bool news;

	note_registration(f);
	news = !list_empty(&f->changed) || f->forgotten.n > 0;
	if (f->paused || f->unsynced > 0 || f->b->stopping)
		return;
	if (f->asks == 0 ? has_anything(f) :
			   news && f->asks < ASKS_MAX && f->session_epoch > 0)
		ask(f);
}

/* ---- answers ------------------------------------------------------------- */

static void on_partition(struct fetcher *f, int64_t serial, struct uuid id,
			 const struct fetch_response_partition *in)
{
	struct hosted *h = hosted_find(f->b, (struct partition_id){
					     id, in->partition_index });
	struct replica_fetched got;
	int changed, rc;

	if (!h || h->fetcher != f || serial < h->told)
		return;
	got = (struct replica_fetched){
		.error = in->error_code,
		.leader_epoch = h->told_epoch,
		.high_watermark = in->high_watermark,
		.log_start = in->log_start_offset,
		.diverging = { in->diverging_epoch.epoch,
			       in->diverging_epoch.end_offset },
		.p = in->records.p,
		.n = max_of(in->records.n, 0),
	};
	rc = replica_on_fetched(h->replica, &got, &changed);
	hosted_changed(f->b, h, changed);
	hosted_touch(h);
	if (h->fetcher != f)
		return;
	note_unsynced(h);
	if (rc == -EAGAIN) {
		rest(f, h);
		return;
	}
	h->rest_ms = 0;
	/* where logs part, our offset may stay and our last epoch go: the
	 * leader waits to hear of it */
	if (got.diverging.epoch >= 0)
		mark_changed(h);
	else
		check_changed(h);
}

static int take(struct fetcher *f, int64_t serial, struct reader *r)
{
	const struct api *api = api_find(FETCH);
	struct arena a = { 0 };
	struct fetch_response out;
	int rc = 0;

	if (serial < f->begun)
		return 0; /* of a session that is over */
	if (!wire_decode(r, api->response, api->max, &out, &a)) {
		rc = -EBADMSG;
	} else if (out.error_code || !out.session_id) {
		rc = -EAGAIN;
	} else {
		if (f->session_epoch == 0)
			f->session_epoch = 1;
		f->session_id = out.session_id;
		for (int32_t i = 0; i < out.responses_n; i++) {
			struct fetch_response_topic *t = &out.responses[i];

			for (int32_t k = 0; k < t->partitions_n; k++)
				on_partition(f, serial, t->topic_id,
					     &t->partitions[k]);
		}
	}
	arena_fini(&a);
	return rc;
}

static void free_fetcher(struct fetcher *f)
{
	struct list *l;

	while ((l = list_pop(&f->out)))
		list_entry(l, struct fetch_ask, out)->f = NULL;
	wheel_disarm(&f->rest_timer);
	wheel_disarm(&f->retry_timer);
	buf_fini(&f->forgotten);
	mem_free(f);
}

static void heard(struct fetcher *f, int64_t serial, struct reader *r,
		  int error)
{
	f->asks--;
	if (!error)
		error = take(f, serial, r);
	if (error) {
		trace_debug("broker", "fetch from leader failed",
			    "leader=%d error=%s", f->leader, strerror(-error));
		stop_session(f);
		if (!f->paused)
			pause_asking(f);
	} else {
		f->failures = 0;
	}
}

static void on_answer(struct ask *a, struct reader *r, int error)
{
	struct fetch_ask *fa = container_of(a, struct fetch_ask, ask);

	list_remove(&fa->out);
	if (fa->f)
		heard(fa->f, fa->serial, r, error);
	buf_fini(&a->frame);
	mem_free(fa);
}

/* ---- who follows whom ---------------------------------------------------- */

static struct fetcher *get_fetcher(struct broker *b, int32_t leader)
{
	struct fetcher *f = map_find_i64(&b->shard->fetchers, leader);

	if (f)
		return f;
	f = mem_zalloc(sizeof(*f));
	f->b = b;
	f->leader = leader;
	list_init(&f->idle);
	list_init(&f->changed);
	list_init(&f->resting);
	list_init(&f->out);
	timer_init(&f->rest_timer, wake_resting);
	timer_init(&f->retry_timer, retry);
	map_put_i64(&b->shard->fetchers, leader, f);
	return f;
}

void fetcher_follow(struct broker *b, struct hosted *h)
{
	const struct replica *r = h->replica;
	struct fetcher *f = NULL;

	if (r->role == REPLICA_FOLLOWER && r->leader >= 0 &&
	    r->leader != r->node)
		f = get_fetcher(b, r->leader);
	if (h->fetcher != f)
		let_go(h);
	if (!f)
		return;
	h->fetcher = f;
	h->rest_ms = 0;
	note_unsynced(h);
	mark_changed(h);
}

void fetcher_forget(struct broker *b, struct hosted *h)
{
	(void)b;
	let_go(h);
}

void fetcher_on_durable(struct broker *b, struct hosted *h)
{
	(void)b;
	if (h->fetcher)
		note_unsynced(h);
}

void fetcher_turn_end(struct broker *b)
{
	for (struct map_iter i = map_first(&b->shard->fetchers); i.at;
	     map_next(&i))
		pump(i.value);
}

void fetcher_free_all(struct broker *b)
{
	for (struct map_iter i = map_first(&b->shard->fetchers); i.at;
	     map_next(&i))
		free_fetcher(i.value);
	map_fini(&b->shard->fetchers);
}
