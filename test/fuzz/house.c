/* SPDX-License-Identifier: Apache-2.0 */
/* house: see house.h. */
#include "house.h"

#define WALL_MS ((int64_t)1700000000000)
#define STEP_MS 10

/* ---- the outbox ---------------------------------------------------------- */

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct house *h = ctx;

	must(thread == 0 || thread == 1);
	list_push(&h->box[thread], &l->link);
}

static void out_give(void *ctx, struct job *j)
{
	struct house *h = ctx;

	list_push(&h->jobs, &j->link);
}

static void out_ask(void *ctx, struct ask *a)
{
	struct house *h = ctx;

	list_push(&h->asks, &a->link);
}

static void agree(struct house *h, int target, struct bytes command,
		  uint64_t cookie)
{
	struct agreed *e = mem_zalloc(sizeof(*e));

	e->target = target;
	e->cookie = cookie;
	buf_put(&e->command, command.p, (size_t)command.n);
	list_push(&h->log, &e->link);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	must(command.n > 0 && command.n <= QUORUM_COMMAND_MAX);
	agree(ctx, target, command, cookie);
}

/* The frame as it leaves: the encoded part with the holes filled. */
static void whole_frame(const struct request *rq, struct buf *out)
{
	size_t at = 0;

	for (int32_t i = 0; i < rq->splices.n; i++) {
		const struct splice *s = &rq->splices.v[i];
		uint8_t *to;

		buf_put(out, rq->answer.p + at, s->at - at);
		at = s->at;
		to = buf_grow(out, (size_t)s->n);
		must(log_slice_read(s->ref, 0, to, (size_t)s->n, false) ==
		     s->n);
	}
	buf_put(out, rq->answer.p + at, rq->answer.n - at);
	must(out->n >= 8 && get_be32(out->p) == out->n - 4);
}

/* What any client would do with it. */
static void read_answer(const struct house_call *c, const struct buf *frame)
{
	const struct wire_api *api = wire_api_find(c->key);
	struct reader r = reader_of(frame->p + 4, frame->n - 4);
	struct arena a = { 0 };
	int32_t correlation;
	void *object;

	must(frame_read_response(&r, c->key, c->version, &correlation));
	object = arena_alloc(&a, api->response->size);
	must(wire_decode(&r, api->response, c->version, object, &a));
	must(reader_left(&r) == 0);
	arena_fini(&a);
}

static void finish_ask(struct house_call *c, const struct buf *frame)
{
	struct reader r = reader_of(frame->p + 4, frame->n - 4);
	int32_t correlation;

	must(frame_read_response(&r, c->key, c->version, &correlation));
	c->ask->done(c->ask, &r, 0);
}

static void out_answer(void *ctx, struct request *rq)
{
	struct house *h = ctx;
	struct house_call *c = &h->calls[rq->conn - 1];
	struct buf frame = { 0 };

	must(!c->done);
	c->done = true;
	c->closed = rq->close;
	if (rq->api)
		c->version = rq->header.version;
	if (!rq->silent) {
		whole_frame(rq, &frame);
		read_answer(c, &frame);
		h->answers++;
	} else {
		h->refusals++;
	}
	if (c->ask && rq->silent)
		c->ask->done(c->ask, NULL, -ECONNRESET);
	else if (c->ask)
		finish_ask(c, &frame);
	request_free(rq);
	buf_fini(&frame);
}

/* ---- the quorum ---------------------------------------------------------- */

static bool q_is_leader(void *ctx)
{
	(void)ctx;
	return true;
}

static int32_t q_leader(void *ctx)
{
	(void)ctx;
	return 1;
}

static int64_t q_term(void *ctx)
{
	(void)ctx;
	return 1;
}

static int64_t q_commit(void *ctx)
{
	return ((struct house *)ctx)->applied;
}

static void q_read(void *ctx, void (*done)(void *ctx, bool ok), void *arg)
{
	(void)ctx;
	done(arg, true);
}

static int q_transfer(void *ctx, int32_t to)
{
	(void)ctx;
	(void)to;
	return -EAGAIN;
}

static int q_members(void *ctx, struct quorum_view_member *v, int n)
{
	struct house *h = ctx;

	if (n > 0)
		v[0] = (struct quorum_view_member){ 1, true, h->applied,
						    h->now_ms };
	return 1;
}

static void apply_one(struct house *h, struct agreed *e)
{
	struct bytes command = { e->command.p, (int32_t)e->command.n };
	bool is_cluster = e->target == QUORUM_TO_CLUSTER;
	struct arena a = { 0 };
	struct cluster_effects ce = { .arena = &a };
	struct coord_effects oe = { .arena = &a };

	h->applied++;
	if (is_cluster)
		cluster_apply(h->cluster, h->applied, command, &ce);
	else
		coord_apply(h->coord, h->cluster, h->applied, command, &oe);
	if (h->threads[0])
		broker_applied(h->threads[0], &(struct broker_entry){
			h->applied, e->target, command, e->cookie,
			is_cluster ? &ce : NULL, is_cluster ? NULL : &oe });
	arena_fini(&a);
	buf_fini(&e->command);
	mem_free(e);
}

static bool apply_all(struct house *h)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&h->log))) {
		apply_one(h, list_entry(l, struct agreed, link));
		any = true;
	}
	return any;
}

/* ---- turning ------------------------------------------------------------- */

static void send_on(struct house *h, int thread, struct bytes frame,
		    int32_t peer, struct ask *ask)
{
	struct house_call *c = &h->calls[h->calls_n];
	struct request *rq = request_new(mem_dup(frame.p, (size_t)frame.n),
					 (size_t)frame.n);

	h->calls_n++;
	*c = (struct house_call){ .ask = ask };
	rq->thread = thread;
	rq->conn = (uint64_t)h->calls_n;
	rq->peer = peer;
	rq->host = "10.0.0.7";
	rq->arrived_ms = h->now_ms;
	if (frame.n >= 4) {
		c->key = (int16_t)get_be16(frame.p);
		c->version = (int16_t)get_be16(frame.p + 2);
	}
	broker_set_time(h->threads[thread], h->now_ms, WALL_MS + h->now_ms);
	broker_request(h->threads[thread], rq);
}

static bool carry_asks(struct house *h)
{
	struct list now, *l;
	bool any = false;

	list_init(&now);
	list_splice(&now, &h->asks);
	while ((l = list_pop(&now))) {
		struct ask *a = list_entry(l, struct ask, link);
		struct bytes frame = { a->frame.p + 4,
				       (int32_t)a->frame.n - 4 };

		any = true;
		if (a->node != 1 || h->calls_n == HOUSE_CALLS)
			a->done(a, NULL, -ECONNRESET);
		else
			send_on(h, a->kind == ASK_DATA, frame, 1, a);
	}
	return any;
}

static bool run_letters(struct house *h, int thread)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&h->box[thread]))) {
		struct letter *m = list_entry(l, struct letter, link);

		m->deliver(h->threads[thread], m);
		any = true;
	}
	return any;
}

static bool run_jobs(struct house *h)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&h->jobs))) {
		struct job *j = list_entry(l, struct job, link);

		j->run(j);
		j->done(j);
		any = true;
	}
	return any;
}

static bool turn(struct house *h)
{
	bool any = false;

	for (int t = 1; t >= 0; t--) {
		struct broker *b = h->threads[t];
		int64_t next;

		broker_set_time(b, h->now_ms, WALL_MS + h->now_ms);
		next = broker_next_tick(b);
		if (next >= 0 && next <= h->now_ms)
			broker_tick(b);
		any |= run_letters(h, t);
		broker_turn_end(b);
	}
	any |= run_jobs(h);
	any |= carry_asks(h);
	any |= apply_all(h);
	return any;
}

static void settle(struct house *h)
{
	for (int i = 0; turn(h); i++)
		must(i < 1000); /* it comes to rest */
}

/* The first step at which anything is due, end at the latest. */
static int64_t next_step(const struct house *h, int64_t end)
{
	int64_t at = end, steps;

	for (int t = 0; t < 2; t++) {
		int64_t next = broker_next_tick(h->threads[t]);

		if (next >= 0)
			at = min_of(at, next);
	}
	steps = (at - h->now_ms + STEP_MS - 1) / STEP_MS;
	return h->now_ms + max_of(steps, 1) * STEP_MS;
}

/* From one thing that is due to the next. */
void house_pass(struct house *h, int64_t ms)
{
	int64_t end = h->now_ms + ms;

	for (settle(h); h->now_ms < end; settle(h))
		h->now_ms = next_step(h, end);
}

bool house_send(struct house *h, int thread, struct bytes frame, int32_t peer)
{
	if (h->calls_n >= HOUSE_CALLS - 100)
		return false;
	send_on(h, thread, frame, peer, NULL);
	return true;
}

/* ---- opening and closing ------------------------------------------------- */

static void on_ready(void *ctx)
{
	((struct house *)ctx)->ready = true;
}

static void on_refused(void *ctx, const char *why)
{
	(void)ctx;
	fatal("the node had to end: %s", why);
}

static void open_thread(struct house *h, int t)
{
	struct broker_config c = {
		.thread = t, .node = &h->info, .seed = 3,
		.now_ms = h->now_ms, .wall_ms = WALL_MS + h->now_ms,
		.out = { h, out_answer, out_tell, out_propose, out_ask,
			 out_give },
	};

	if (t == 0) {
		c.cluster = h->cluster;
		c.coord = h->coord;
		c.host_ctx = h;
		c.on_ready = on_ready;
		c.on_refused = on_refused;
		c.quorum = (struct quorum_view){
			.ctx = h, .is_leader = q_is_leader,
			.leader = q_leader, .term = q_term, .read = q_read,
			.transfer = q_transfer, .members = q_members,
			.commit_index = q_commit };
	}
	must(broker_open(&h->threads[t], &c) == 0);
}

static void set(struct house *h, enum setting_id id, const char *value)
{
	h->settings.values[id] = value;
	h->settings.sources[id] = "flag";
}

static void describe(struct house *h)
{
	node_settings_preset(&h->settings);
	set(h, SETTING_NODE_ID, "1");
	set(h, SETTING_PEERS, "1@peer:7001");
	/* partitions are what a few bytes may cost most, up to their limits */
	set(h, SETTING_MAX_PARTITIONS_PER_REQUEST, "50");
	set(h, SETTING_MAX_PARTITIONS, "200");
	h->listener = (struct listener_info){ (char *)"PLAINTEXT",
					      (char *)"host", 9092 };
	h->info = (struct node_info){
		.id = 1, .shards = 1, .listeners = &h->listener,
		.listeners_n = 1, .peer_host = "peer", .peer_port = 7001,
		.settings = &h->settings, .version = "test",
		.disk = disk_mem_disk(h->mem) };
	h->info.directory_id.b[0] = h->info.incarnation.b[0] = 1;
}

static void add_topic(struct house *h, const char *name, int32_t partitions)
{
	struct create_topics_command_topic t;
	struct create_topics_command c;
	struct buf b = { 0 };

	wire_preset(&create_topics_command_topic_type, &t);
	t.name = str_of(name);
	t.num_partitions = partitions;
	t.replication_factor = 1;
	wire_preset(&create_topics_command_type, &c);
	c.topics = &t;
	c.topics_n = 1;
	cluster_command(&b, h->cluster, (struct cluster_origin){ WALL_MS, 9 },
			&create_topics_command_type, &c);
	agree(h, QUORUM_TO_CLUSTER, (struct bytes){ b.p, (int32_t)b.n }, 0);
	buf_fini(&b);
}

void house_open(struct house *h)
{
	struct store_recovery found;

	memset(h, 0, sizeof(*h));
	h->mem = disk_mem_new(1);
	h->now_ms = 1000;
	h->cluster = cluster_new();
	h->coord = coord_new();
	for (int t = 0; t < 2; t++)
		list_init(&h->box[t]);
	list_init(&h->jobs);
	list_init(&h->asks);
	list_init(&h->log);
	describe(h);
	must(store_recover(h->info.disk, WALL_MS, &found) == 0);
	open_thread(h, 1);
	open_thread(h, 0);
	broker_role_changed(h->threads[0], true, 1, 1, -1);
	for (int i = 0; i < 100 && !h->ready; i++)
		house_pass(h, STEP_MS);
	must(h->ready);
	add_topic(h, "t", 2);
	add_topic(h, "u", 1);
	house_pass(h, 20);
	h->calls_n = 0; /* what it asked itself so far is answered */
}

void house_close(struct house *h)
{
	struct list *l;

	for (int i = 0; i < 20; i++) {
		run_letters(h, 1);
		run_letters(h, 0);
		run_jobs(h);
		while ((l = list_pop(&h->asks))) {
			struct ask *a = list_entry(l, struct ask, link);

			a->done(a, NULL, -ECONNRESET);
		}
	}
	for (int i = 0; i < h->calls_n; i++)
		if (h->calls[i].ask && !h->calls[i].done)
			h->calls[i].ask->done(h->calls[i].ask, NULL,
					      -ECONNRESET);
	while ((l = list_pop(&h->log))) {
		struct agreed *e = list_entry(l, struct agreed, link);

		buf_fini(&e->command);
		mem_free(e);
	}
	broker_free(h->threads[1]);
	broker_free(h->threads[0]);
	cluster_free(h->cluster);
	coord_free(h->coord);
	disk_mem_free(h->mem);
}
