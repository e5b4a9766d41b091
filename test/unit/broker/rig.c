/* SPDX-License-Identifier: Apache-2.0 */
/* rig: see rig.h. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "shard.h"

#define FOREVER (INT64_MAX / 4)

/* ---- exits --------------------------------------------------------------- */

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct rig_thread *t = ctx;

	ck_assert_int_ge(thread, 0);
	ck_assert_int_le(thread, t->node->rig->shards);
	list_push(&t->node->threads[thread].box, &l->link);
}

static void out_give(void *ctx, struct job *j)
{
	struct rig_thread *t = ctx;

	list_push(&t->jobs, &j->link);
}

static void out_ask(void *ctx, struct ask *a)
{
	struct rig_thread *t = ctx;

	t->node->asks_n++;
	list_push(&t->node->asks, &a->link);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	(void)ctx, (void)target, (void)command, (void)cookie;
	ck_abort_msg("nobody here proposes");
}

/* The frame as it leaves: the encoded part with the holes filled. */
static struct buf whole_frame(struct rig_call *c, const struct request *rq)
{
	struct buf out = { 0 };
	size_t at = 0;

	for (int32_t i = 0; i < rq->splices.n; i++) {
		const struct splice *s = &rq->splices.v[i];
		const struct log_slice *slice = s->ref;

		buf_put(&out, rq->answer.p + at, s->at - at);
		at = s->at;
		ck_assert_int_eq(slice->n, s->n);
		ck_assert_int_eq(s->n, log_slice_read(
			slice, 0, buf_grow(&out, (size_t)s->n), (size_t)s->n,
			false));
		c->bytes += s->n;
	}
	buf_put(&out, rq->answer.p + at, rq->answer.n - at);
	ck_assert_uint_eq(get_be32(out.p), out.n - 4);
	return out;
}

static void finish_ask(struct rig_call *c, struct buf *frame)
{
	struct reader in = reader_of(frame->p + 4, frame->n - 4);
	int32_t correlation;

	ck_assert(frame_read_response(&in, c->key, c->version, &correlation));
	c->ask->done(c->ask, &in, 0);
}

static void decode(struct rig *r, struct rig_call *c, const struct buf *frame)
{
	const struct wire_api *api = wire_api_find(c->key);
	struct reader in = reader_of(
		arena_dup(&r->arena, frame->p + 4, frame->n - 4), frame->n - 4);
	int32_t correlation;

	ck_assert(frame_read_response(&in, c->key, c->version, &correlation));
	c->out = arena_alloc(&r->arena, api->response->size);
	ck_assert(wire_decode(&in, api->response, c->version, c->out,
			      &r->arena));
	ck_assert_uint_eq(reader_left(&in), 0);
}

static void out_answer(void *ctx, struct request *rq)
{
	struct rig_thread *t = ctx;
	struct rig *r = t->node->rig;
	struct rig_call *c = r->calls[rq->conn];
	struct buf frame = { 0 };

	ck_assert_int_eq(t->index, rq->thread);
	ck_assert(!c->done);
	c->done = true;
	c->closed = rq->close;
	c->silent = rq->silent;
	if (rq->api)
		c->version = rq->header.version;
	if (!rq->silent)
		frame = whole_frame(c, rq);
	request_free(rq);
	if (c->ask) {
		ck_assert(!c->silent);
		finish_ask(c, &frame);
	} else if (!c->silent) {
		decode(r, c, &frame);
	}
	buf_fini(&frame);
}

/* ---- turning ------------------------------------------------------------- */

static void set_time(struct rig_thread *t)
{
	broker_set_time(t->broker, t->node->rig->now_ms,
			t->node->rig->wall_ms);
}

static bool run_letters(struct rig_thread *t)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&t->box))) {
		struct letter *m = list_entry(l, struct letter, link);

		m->deliver(t->broker, m);
		any = true;
	}
	return any;
}

static bool run_jobs(struct rig_thread *t)
{
	bool any = false;
	struct list now, *l;

	list_init(&now);
	list_splice(&now, &t->jobs);
	while ((l = list_pop(&now))) {
		struct job *j = list_entry(l, struct job, link);

		j->run(j);
		j->done(j);
		t->node->jobs_n++;
		any = true;
	}
	return any;
}

static struct rig_call *new_call(struct rig *r, struct rig_thread *at)
{
	struct rig_call *c = arena_zalloc(&r->arena, sizeof(*c));

	c->at = at;
	ck_assert_int_lt(r->calls_n + 1, RIG_CALLS);
	r->calls[++r->calls_n] = c;
	return c;
}

static void submit(struct rig *r, struct rig_call *c, struct bytes frame,
		   int32_t peer)
{
	struct request *rq = request_new(mem_dup(frame.p, (size_t)frame.n),
					 (size_t)frame.n);

	rq->thread = c->at->index;
	rq->conn = (uint64_t)r->calls_n;
	rq->peer = peer;
	rq->host = "10.0.0.7";
	rq->listener = 0;
	rq->arrived_ms = r->now_ms;
	if (frame.n >= 4) {
		c->key = (int16_t)get_be16(frame.p);
		c->version = (int16_t)get_be16(frame.p + 2);
	}
	set_time(c->at);
	broker_request(c->at->broker, rq);
}

static bool run_asks(struct rig_node *n)
{
	struct rig *r = n->rig;
	bool any = false;
	struct list now, *l;

	list_init(&now);
	if (!n->hold_asks)
		list_splice(&now, &n->asks);
	while ((l = list_pop(&now))) {
		struct ask *a = list_entry(l, struct ask, link);
		struct rig_node *to = &r->nodes[a->node - 1];
		struct rig_call *c;

		any = true;
		if (n->cut || to->cut) {
			a->done(a, NULL, -ECONNRESET);
			continue;
		}
		c = new_call(r, &to->threads[1 + n->id % r->shards]);
		c->ask = a;
		submit(r, c,
		       (struct bytes){ a->frame.p + 4,
				       (int32_t)a->frame.n - 4 },
		       n->id);
	}
	return any;
}

static bool turn(struct rig_thread *t, bool jobs)
{
	bool any;

	set_time(t);
	if (broker_next_tick(t->broker) >= 0 &&
	    broker_next_tick(t->broker) <= t->node->rig->now_ms)
		broker_tick(t->broker);
	any = run_letters(t);
	if (jobs && !t->node->hold_jobs)
		any |= run_jobs(t);
	broker_turn_end(t->broker);
	return any || !list_empty(&t->box);
}

static bool turn_all(struct rig *r, bool everything)
{
	bool any = false;

	for (int i = 0; i < r->nodes_n; i++) {
		for (int k = 0; k <= r->shards; k++)
			any |= turn(&r->nodes[i].threads[k], everything);
		if (everything)
			any |= run_asks(&r->nodes[i]);
	}
	return any;
}

void rig_turn(struct rig *r)
{
	while (turn_all(r, false))
		;
}

static bool anything_left(const struct rig *r)
{
	for (int i = 0; i < r->nodes_n; i++) {
		const struct rig_node *n = &r->nodes[i];

		if (!n->hold_asks && !list_empty(&n->asks))
			return true;
		for (int k = 0; k <= r->shards; k++)
			if (!list_empty(&n->threads[k].box) ||
			    (!n->hold_jobs && !list_empty(&n->threads[k].jobs)))
				return true;
	}
	return false;
}

void rig_settle(struct rig *r)
{
	for (int i = 0; turn_all(r, true) || anything_left(r); i++)
		ck_assert_msg(i < 10000, "it does not come to rest");
}

void rig_pass(struct rig *r, int64_t ms)
{
	while (ms-- > 0) {
		r->now_ms++;
		r->wall_ms++;
		rig_settle(r);
	}
}

/* ---- the cluster --------------------------------------------------------- */

static void tell_all(struct rig *r, struct bytes command)
{
	for (int i = 0; i < r->nodes_n; i++)
		relay_command(r->nodes[i].threads[0].broker, r->c->applied,
			      command);
}

void rig_command(struct rig *r, const struct wire_type *type, const void *c)
{
	struct buf b = { 0 };
	struct bytes bytes;

	cluster_command(&b, r->c,
			(struct cluster_origin){ r->wall_ms,
						 (uint64_t)r->c->applied + 7 },
			type, c);
	bytes = (struct bytes){ b.p, (int32_t)b.n };
	r->fx = (struct cluster_effects){ .arena = &r->arena };
	cluster_apply(r->c, r->c->applied + 1, bytes, &r->fx);
	tell_all(r, bytes);
	buf_fini(&b);
}

static void bootstrap(struct rig *r)
{
	struct bootstrap_command_member m[RIG_NODES];
	struct bootstrap_command c;

	wire_preset(&bootstrap_command_type, &c);
	c.cluster_id.b[0] = 1;
	for (int i = 0; i < r->nodes_n; i++)
		m[i] = (struct bootstrap_command_member){ i + 1, STR("peer"),
							  9000 };
	c.members = m;
	c.members_n = r->nodes_n;
	rig_command(r, &bootstrap_command_type, &c);
}

void rig_register(struct rig *r, int32_t node)
{
	struct register_broker_command_listener l = { STR("PLAINTEXT"),
						      STR("host"),
						      9090 + node, 0 };
	struct register_broker_command c;

	wire_preset(&register_broker_command_type, &c);
	c.broker_id = node;
	c.incarnation = r->nodes[node - 1].info.incarnation;
	c.directory.b[0] = (uint8_t)node;
	c.listeners = &l;
	c.listeners_n = 1;
	c.peer_host = STR("peer");
	c.peer_port = 9190 + node;
	c.rack = str_of(r->nodes[node - 1].info.rack);
	rig_command(r, &register_broker_command_type, &c);
	ck_assert_int_eq(r->fx.error, 0);
}

void rig_fence(struct rig *r, int32_t node, bool fenced)
{
	struct set_broker_state_command c;

	wire_preset(&set_broker_state_command_type, &c);
	c.broker_id = node;
	c.broker_epoch = cluster_broker(r->c, node)->epoch;
	c.fence = fenced ? 1 : 2;
	rig_command(r, &set_broker_state_command_type, &c);
}

static int32_t parse_replicas(struct rig *r, const char *text,
			      struct create_topics_command_assignment *a)
{
	int32_t n = 0;

	for (; *text; n++, text += *text == '|') {
		a[n].partition = n;
		a[n].brokers_n = 0;
		a[n].brokers = arena_alloc(&r->arena,
					   RIG_NODES * sizeof(int32_t));
		for (; *text && *text != '|'; text++)
			if (*text != ',')
				a[n].brokers[a[n].brokers_n++] = *text - '0';
	}
	return n;
}

static void parse_setting(struct rig *r, const char *text, struct str *name,
			  struct str *value)
{
	const char *is = strchr(text, '=');

	ck_assert_ptr_nonnull(is);
	*name = str_dup(&r->arena, (struct str){ text, (int32_t)(is - text) });
	*value = str_of(is + 1);
}

const struct topic *rig_topic_begin(struct rig *r, const char *name,
				    const char *replicas, const char *set)
{
	struct create_topics_command_assignment a[64];
	struct create_topics_command_setting s;
	struct create_topics_command_topic t;
	struct create_topics_command c;
	const struct create_topics_response *out;

	wire_preset(&create_topics_command_type, &c);
	wire_preset(&create_topics_command_topic_type, &t);
	t.name = str_of(name);
	t.assignments = a;
	t.assignments_n = parse_replicas(r, replicas, a);
	if (set) {
		parse_setting(r, set, &s.name, &s.value);
		t.settings = &s;
		t.settings_n = 1;
	}
	c.topics = &t;
	c.topics_n = 1;
	rig_command(r, &create_topics_command_type, &c);
	out = r->fx.result;
	ck_assert_int_eq(out->topics[0].error_code, 0);
	return cluster_topic(r->c, str_of(name));
}

void rig_delete_topic_begin(struct rig *r, const char *name)
{
	struct delete_topics_command_topic t = { .name = str_of(name) };
	struct delete_topics_command c = { 1, &t };

	rig_command(r, &delete_topics_command_type, &c);
}

static void on_loss(struct rig *r, struct broker *b, struct isr_wish *w)
{
	struct lose_replicas_command_partition p = { w->partition,
						     w->leader_epoch };
	struct lose_replicas_command_topic t = { w->topic_id, 1, &p };
	struct lose_replicas_command c = {
		b->node->id, cluster_broker(r->c, b->node->id)->epoch, 1, &t };
	const struct alter_partition_response *out;

	r->losses++;
	rig_command(r, &lose_replicas_command_type, &c);
	out = r->fx.result;
	isr_answer(b, w, out->topics[0].partitions[0].error_code);
}

/* Thread 0 would ask the quorum leader; here the cluster decides at once. */
static void on_isr_wish(struct broker *b, struct isr_wish *w)
{
	struct rig *r = b->host_ctx;
	struct alter_isr_command_broker ids[RIG_NODES];
	struct alter_isr_command_partition p = {
		w->partition, w->leader_epoch, w->partition_epoch, w->n, ids };
	struct alter_isr_command_topic t = { w->topic_id, 1, &p };
	struct alter_isr_command c = {
		b->node->id, cluster_broker(r->c, b->node->id)->epoch, 1, &t };
	const struct alter_partition_response *out;

	if (w->lost) {
		on_loss(r, b, w);
		return;
	}
	r->isr_wishes++;
	if (r->refuse_isr) {
		isr_answer(b, w, K_INELIGIBLE_REPLICA);
		return;
	}
	for (int32_t i = 0; i < w->n; i++)
		ids[i] = (struct alter_isr_command_broker){
			w->isr[i].broker_id, w->isr[i].broker_epoch };
	rig_command(r, &alter_isr_command_type, &c);
	out = r->fx.result;
	isr_answer(b, w, out->error_code ? out->error_code :
			 out->topics[0].partitions[0].error_code);
}

void rig_lease(struct rig *r, int32_t node, int64_t until_ms)
{
	relay_standing(r->nodes[node - 1].threads[0].broker, until_ms, 1);
	rig_turn(r);
}

/* ---- opening ------------------------------------------------------------- */

static void on_refused(void *ctx, const char *why)
{
	struct rig *r = ctx;

	r->refused = why;
}

/* Nobody leads the quorum: thread 0 has nothing to say of its own. */
static int32_t no_leader(void *ctx)
{
	(void)ctx;
	return -1;
}

static bool is_no_leader(void *ctx)
{
	(void)ctx;
	return false;
}

static void open_thread(struct rig_node *n, int i)
{
	struct rig_thread *t = &n->threads[i];
	struct broker_config c = {
		.thread = i, .node = &n->info,
		.seed = (uint64_t)(n->id * 10 + i),
		.now_ms = n->rig->now_ms, .wall_ms = n->rig->wall_ms,
		.cluster = i == 0 ? n->rig->c : NULL,
		.coord = i == 0 ? n->rig->coord : NULL,
		.host_ctx = n->rig,
		.on_refused = on_refused,
		.quorum = { .leader = no_leader, .is_leader = is_no_leader },
		.out = { t, out_answer, out_tell, out_propose, out_ask,
			 out_give },
	};

	ck_assert_int_eq(broker_open(&t->broker, &c), 0);
	if (i == 0)
		t->broker->on_isr_wish = on_isr_wish;
}

static void fill_info(struct rig_node *n, int i, const char *set)
{
	static const char *const racks[] = { "a", "b", "c" };
	struct str name, value;

	n->listener = (struct listener_info){ .name = (char *)"PLAINTEXT",
					      .host = (char *)"host",
					      .port = 9091 + i };
	node_settings_preset(&n->settings);
	if (set) {
		parse_setting(n->rig, set, &name, &value);
		n->settings.values[setting_find(name) - settings] = value.p;
		n->settings.sources[setting_find(name) - settings] = "flag";
	}
	n->info = (struct node_info){
		.id = i + 1, .incarnation.b[0] = (uint8_t)(i + 1),
		.shards = n->rig->shards,
		.listeners = &n->listener, .listeners_n = 1,
		.peer_host = "peer", .peer_port = 9191 + i, .rack = racks[i],
		.settings = &n->settings, .version = "test",
		.disk = disk_mem_disk(n->mem),
	};
}

static void open_node(struct rig *r, int i, const char *set)
{
	struct rig_node *n = &r->nodes[i];
	struct store_recovery found;

	n->rig = r;
	n->id = i + 1;
	n->mem = disk_mem_new((uint64_t)i + 1);
	fill_info(n, i, set);
	list_init(&n->asks);
	for (int k = 0; k <= r->shards; k++) {
		n->threads[k].node = n;
		n->threads[k].index = k;
		list_init(&n->threads[k].box);
		list_init(&n->threads[k].jobs);
	}
	ck_assert_int_eq(store_recover(n->info.disk, r->wall_ms, &found), 0);
	for (int k = r->shards; k >= 0; k--)
		open_thread(n, k);
}

static void print(enum trace_level level, const char *line)
{
	fprintf(stderr, "%d %s\n", (int)level, line);
}

void rig_init(struct rig *r, int nodes, int shards, const char *set)
{
	if (getenv("UNIT_TRACE")) {
		trace_sink = print;
		trace_level_max = TRACE_DEBUG;
	}
	memset(r, 0, sizeof(*r));
	r->nodes_n = nodes;
	r->shards = shards;
	r->now_ms = 1000000;
	r->wall_ms = 1700000000000;
	r->sequence = -1;
	r->c = cluster_new();
	r->coord = coord_new();
	for (int i = 0; i < nodes; i++)
		open_node(r, i, set);
	bootstrap(r);
	for (int i = 0; i < nodes; i++) {
		rig_register(r, i + 1);
		rig_fence(r, i + 1, false);
		rig_lease(r, i + 1, FOREVER);
	}
	rig_settle(r);
}

void rig_fini(struct rig *r)
{
	for (int i = 0; i < r->nodes_n; i++) {
		r->nodes[i].hold_jobs = r->nodes[i].hold_asks = false;
		r->nodes[i].cut = true;
	}
	for (int i = 0; i < 100 && anything_left(r); i++)
		turn_all(r, true);
	for (int i = 1; i <= r->calls_n; i++)
		if (r->calls[i]->ask && !r->calls[i]->done)
			r->calls[i]->ask->done(r->calls[i]->ask, NULL,
					       -ECONNRESET);
	for (int i = 0; i < r->nodes_n; i++) {
		for (int k = 0; k <= r->shards; k++)
			broker_free(r->nodes[i].threads[k].broker);
		disk_mem_free(r->nodes[i].mem);
	}
	cluster_free(r->c);
	coord_free(r->coord);
	arena_fini(&r->arena);
}

/* ---- requests ------------------------------------------------------------ */

struct rig_call *rig_send_raw(struct rig *r, int32_t node, int thread,
			      struct bytes frame, int32_t peer)
{
	struct rig_call *c =
		new_call(r, &r->nodes[node - 1].threads[thread]);

	submit(r, c, frame, peer);
	return c;
}

struct rig_call *rig_send(struct rig *r, int32_t node, int thread, int16_t key,
			  int16_t version, const void *in)
{
	struct request_header h = { key, version, r->calls_n, STR("test") };
	struct buf b = { 0 };
	struct rig_call *c;

	frame_begin_request(&b, &h);
	wire_encode(&b, wire_api_find(key)->request, version, in, NULL);
	c = rig_send_raw(r, node, thread,
			 (struct bytes){ b.p + 4, (int32_t)b.n - 4 }, -1);
	buf_fini(&b);
	return c;
}

void *rig_ask(struct rig *r, int32_t node, int16_t key, int16_t version,
	      const void *in)
{
	struct rig_call *c = rig_send(r, node, 1, key, version, in);

	rig_settle(r);
	ck_assert(c->done);
	ck_assert_ptr_nonnull(c->out);
	return c->out;
}

static struct bytes batch_of(struct rig *r, int n)
{
	struct batch_builder bb = { 0 };
	struct bytes out;

	batch_build_begin(&bb, CODEC_NONE);
	for (int i = 0; i < n; i++)
		batch_build_add(&bb, r->wall_ms, BYTES_NULL, (struct bytes){
				(const uint8_t *)"0123456789", 10 }, NULL);
	out = batch_build_end(&bb, r->sequence < 0 ? -1 : 7,
			      r->sequence < 0 ? -1 : 0, r->sequence);
	out.p = arena_dup(&r->arena, out.p, (size_t)out.n);
	batch_build_fini(&bb);
	return out;
}

struct rig_call *rig_produce(struct rig *r, int32_t node, const char *topic,
			     int32_t partition, int16_t acks, int n)
{
	struct bytes batch = batch_of(r, n);
	struct produce_request_partition p = {
		partition, { batch.p, batch.n, NULL } };
	struct produce_request_topic t = { .name = str_of(topic),
					   .partition_data_n = 1,
					   .partition_data = &p };
	struct produce_request in;

	wire_preset(&produce_request_type, &in);
	in.acks = acks;
	in.timeout_ms = 1000;
	in.topic_data = &t;
	in.topic_data_n = 1;
	return rig_send(r, node, 1, 0, 12, &in);
}

int16_t rig_produced(const struct rig_call *c, int64_t *base)
{
	const struct produce_response *out = c->out;

	ck_assert(c->done);
	ck_assert_int_eq(out->responses_n, 1);
	if (base)
		*base = out->responses[0].partition_responses[0].base_offset;
	return out->responses[0].partition_responses[0].error_code;
}

struct fetch_request *rig_fetch_new(struct rig *r, int32_t max_wait_ms,
				    int32_t min_bytes)
{
	struct fetch_request *in = arena_alloc(&r->arena, sizeof(*in));

	wire_preset(&fetch_request_type, in);
	in->max_wait_ms = max_wait_ms;
	in->min_bytes = min_bytes;
	in->topics = arena_alloc(&r->arena, 64 * sizeof(*in->topics));
	in->rack_id = STR("");
	return in;
}

void rig_fetch_add(struct rig *r, struct fetch_request *in, const char *topic,
		   int32_t partition, int64_t offset)
{
	struct fetch_request_topic *t = &in->topics[in->topics_n++];
	const struct topic *known = cluster_topic(r->c, str_of(topic));

	ck_assert_int_le(in->topics_n, 64);
	*t = (struct fetch_request_topic){ .topic = str_of(topic),
					   .partitions_n = 1 };
	if (known)
		t->topic_id = known->id;
	t->partitions = arena_alloc(&r->arena, sizeof(*t->partitions));
	wire_preset(&fetch_request_partition_type, t->partitions);
	t->partitions->partition = partition;
	t->partitions->fetch_offset = offset;
	t->partitions->partition_max_bytes = 1 << 20;
}

struct rig_call *rig_fetch(struct rig *r, int32_t node, int16_t version,
			   const struct fetch_request *in)
{
	struct rig_call *c = rig_send(r, node, 1, 1, version, in);

	rig_settle(r);
	return c;
}

static bool is_topic(const struct rig *r, const struct rig_call *c,
		     const struct fetch_response_topic *t, const char *name)
{
	const struct topic *known = cluster_topic(r->c, str_of(name));

	if (c->version < 13)
		return str_eq_c(t->topic, name);
	return known && uuid_eq(known->id, t->topic_id);
}

struct fetch_response_partition *rig_fetched(struct rig *r,
					     const struct rig_call *c,
					     const char *topic,
					     int32_t partition)
{
	const struct fetch_response *out = c->out;

	ck_assert(c->done);
	for (int32_t i = 0; i < out->responses_n; i++) {
		const struct fetch_response_topic *t = &out->responses[i];

		for (int32_t k = 0; k < t->partitions_n; k++)
			if (is_topic(r, c, t, topic) &&
			    t->partitions[k].partition_index == partition)
				return &t->partitions[k];
	}
	return NULL;
}

int rig_records(const struct fetch_response_partition *p)
{
	const uint8_t *at;
	int32_t left;
	int n = 0;

	ck_assert_ptr_nonnull(p);
	at = p->records.p;
	left = p->records.n;
	while (left >= BATCH_HEADER_SIZE) {
		struct batch b;

		ck_assert_int_eq(batch_peek(at, (size_t)left, &b), K_NONE);
		ck_assert_int_le(b.size, left);
		ck_assert(batch_crc_ok(&b));
		n += b.count;
		at += b.size;
		left -= b.size;
	}
	return n;
}

const char *rig_replica(struct rig *r, int32_t node, const char *topic,
			int32_t partition)
{
	const struct topic *t = cluster_topic(r->c, str_of(topic));
	int shard = broker_shard_of(str_of(topic), partition, r->shards);
	struct hosted *h = hosted_find(
		r->nodes[node - 1].threads[shard].broker,
		(struct partition_id){ t->id, partition });
	struct buf b = { 0 };
	const char *text;

	if (!h || !h->replica)
		return "none\n";
	replica_dump(h->replica, &b);
	text = arena_dup(&r->arena, buf_c(&b), b.n + 1);
	buf_fini(&b);
	return text;
}
