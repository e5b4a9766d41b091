/* SPDX-License-Identifier: Apache-2.0 */
/* council: see council.h */
#include "council.h"

#include <raftmq/quorum.h>
#include <stdio.h>
#include <stdlib.h>

static char peers[] = "1@peer:7001,2@peer:7002,3@peer:7003,4@peer:7004,"
		      "5@peer:7005";

struct member_node *node_of(struct council *c, int32_t id)
{
	return &c->nodes[id - 1];
}

/* ---- the outbox ---------------------------------------------------------- */

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct member_node *n = ctx;

	list_push(&n->box[thread], &l->link);
}

static void out_give(void *ctx, struct job *j)
{
	struct member_node *n = ctx;

	list_push(&n->jobs, &j->link);
}

static void out_ask(void *ctx, struct ask *a)
{
	struct member_node *n = ctx;

	if (a->key < 128)
		n->council->asked[a->key]++;
	list_push(&n->asks, &a->link);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	struct member_node *n = ctx;
	struct council *c = n->council;

	if (c->leader != n->id || c->full) {
		broker_dropped(n->threads[0], cookie, false);
		return;
	}
	ck_assert_int_lt(c->log_n, (int)countof(c->log));
	command.p = arena_dup(&c->arena, command.p, (size_t)command.n);
	c->log[c->log_n++] = (struct agreed){ target, command, n->id, cookie };
}

static void decode(struct council *c, struct council_call *call,
		   struct request *rq)
{
	struct reader in = reader_of(arena_dup(&c->arena, rq->answer.p + 4,
					       rq->answer.n - 4),
				     rq->answer.n - 4);
	const struct wire_api *api = wire_api_find(call->key);
	int32_t correlation;

	ck_assert(frame_read_response(&in, call->key, call->version,
				      &correlation));
	if (call->ask) {
		call->ask->done(call->ask, &in, 0);
		return;
	}
	call->out = arena_alloc(&c->arena, api->response->size);
	ck_assert(wire_decode(&in, api->response, call->version, call->out,
			      &c->arena));
}

static void out_answer(void *ctx, struct request *rq)
{
	struct member_node *n = ctx;
	struct council_call *call = n->council->calls[rq->conn];

	ck_assert(!call->done);
	call->done = true;
	if (call->broken)
		; /* nobody is there to read it */
	else if (!rq->silent)
		decode(n->council, call, rq);
	else if (call->ask)
		call->ask->done(call->ask, NULL, -ECONNRESET);
	request_free(rq);
}

/* ---- the quorum ---------------------------------------------------------- */

static bool q_is_leader(void *ctx)
{
	struct member_node *n = ctx;

	return n->council->leader == n->id;
}

static int32_t q_leader(void *ctx)
{
	return ((struct member_node *)ctx)->council->leader;
}

static int64_t q_term(void *ctx)
{
	return ((struct member_node *)ctx)->council->term;
}

static int64_t q_commit(void *ctx)
{
	return ((struct member_node *)ctx)->council->log_n;
}

static void q_read(void *ctx, void (*done)(void *ctx, bool ok), void *arg)
{
	struct council *c = ((struct member_node *)ctx)->council;

	if (!c->doubted) {
		done(arg, q_is_leader(ctx));
		return;
	}
	ck_assert_int_lt(c->reads_n, (int)countof(c->reads));
	c->reads[c->reads_n].done = done;
	c->reads[c->reads_n++].ctx = arg;
}

void council_confirm(struct council *c, int n, bool ok)
{
	c->doubted = n < c->reads_n;
	for (int i = 0; i < n; i++)
		c->reads[i].done(c->reads[i].ctx, ok);
	c->reads_n -= n;
	memmove(c->reads, c->reads + n,
		(size_t)c->reads_n * sizeof(*c->reads));
}

static int q_transfer(void *ctx, int32_t to)
{
	struct council *c = ((struct member_node *)ctx)->council;

	c->transfer_to = to;
	return c->transfer;
}

static int q_members(void *ctx, struct quorum_view_member *v, int n)
{
	struct council *c = ((struct member_node *)ctx)->council;

	for (int i = 0; i < min_of(n, c->n); i++)
		v[i] = (struct quorum_view_member){
			.id = i + 1, .voter = i < 3, .match_index = c->log_n,
			.last_heard_ms = c->nodes[i].up ? c->now_ms : -1 };
	return c->n;
}

static void apply_one(struct member_node *n, bool tell)
{
	struct council *c = n->council;
	const struct agreed *e = &c->log[n->applied++];
	struct arena a = { 0 };
	struct cluster_effects ce = { .arena = &a };
	struct coord_effects oe = { .arena = &a };

	if (e->target == QUORUM_TO_CLUSTER)
		cluster_apply(n->cluster, n->applied, e->command, &ce);
	else
		coord_apply(n->coord, n->cluster, n->applied, e->command, &oe);
	if (tell)
		broker_applied(n->threads[0], &(struct broker_entry){
			n->applied, e->target, e->command,
			e->proposer == n->id ? e->cookie : 0,
			e->target == QUORUM_TO_CLUSTER ? &ce : NULL,
			e->target == QUORUM_TO_CLUSTER ? NULL : &oe });
	arena_fini(&a);
}

static bool apply_all(struct member_node *n)
{
	bool any = false;

	if (!n->up || n->frozen || n->behind || n->cut || n->council->stalled)
		return false;
	while (n->applied < n->council->log_n) {
		apply_one(n, true);
		any = true;
	}
	return any;
}

static void tell_role(struct member_node *n, int32_t old)
{
	struct council *c = n->council;

	broker_role_changed(n->threads[0], c->leader == n->id, c->term,
			    c->leader, old);
}

void council_lead(struct council *c, int32_t node)
{
	int32_t old = c->leader;

	c->leader = node;
	c->term++;
	if (node > 0) /* a leader has all that was agreed */
		apply_all(node_of(c, node));
	for (int i = 0; i < c->n; i++)
		if (c->nodes[i].up && !c->nodes[i].frozen)
			tell_role(&c->nodes[i], old);
}

void council_drop(struct council *c, bool kept)
{
	struct member_node *n = node_of(c, c->leader);
	int from = n->applied, to = c->log_n;

	if (!kept)
		c->log_n = from;
	for (int i = from; i < to; i++)
		if (c->log[i].proposer == n->id)
			broker_dropped(n->threads[0], c->log[i].cookie, true);
}

/* ---- turning ------------------------------------------------------------- */

static void submit(struct council *c, struct council_call *call,
		   struct bytes frame, int32_t peer)
{
	struct request *rq = request_new(mem_dup(frame.p, (size_t)frame.n),
					 (size_t)frame.n);
	int thread = call->ask ? call->ask->kind == ASK_DATA : peer < 0;

	rq->thread = thread;
	rq->conn = (uint64_t)c->calls_n;
	rq->peer = peer;
	rq->host = "10.0.0.7";
	rq->arrived_ms = c->now_ms;
	call->key = (int16_t)get_be16(frame.p);
	call->version = (int16_t)get_be16(frame.p + 2);
	broker_set_time(call->at->threads[thread], c->now_ms,
			c->now_ms + 1000000000);
	broker_request(call->at->threads[thread], rq);
}

static struct council_call *new_call(struct council *c, struct member_node *at)
{
	struct council_call *call = arena_zalloc(&c->arena, sizeof(*call));

	ck_assert_int_lt(c->calls_n + 1, COUNCIL_CALLS);
	c->calls[++c->calls_n] = call;
	call->at = at;
	return call;
}

static bool carry_ask(struct member_node *n, struct ask *a)
{
	struct council *c = n->council;
	struct member_node *to = node_of(c, a->node);
	struct council_call *call;

	if (to->up && to->frozen && !n->cut && c->now_ms < a->deadline_ms) {
		list_push(&n->asks, &a->link); /* nobody reads it */
		return false;
	}
	if (!to->up || n->cut || to->cut || to->frozen) {
		a->done(a, NULL, to->frozen ? -ETIMEDOUT : -ECONNRESET);
		return true;
	}
	call = new_call(c, to);
	call->ask = a;
	call->from = n;
	submit(c, call, (struct bytes){ a->frame.p + 4,
					(int32_t)a->frame.n - 4 }, n->id);
	return true;
}

static bool carry_asks(struct member_node *n)
{
	struct list now, *l;
	bool any = false;

	list_init(&now);
	list_splice(&now, &n->asks);
	while ((l = list_pop(&now)))
		any |= carry_ask(n, list_entry(l, struct ask, link));
	return any;
}

static bool run_letters(struct member_node *n, int thread)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&n->box[thread]))) {
		struct letter *m = list_entry(l, struct letter, link);

		m->deliver(n->threads[thread], m);
		any = true;
	}
	return any;
}

static bool run_jobs(struct member_node *n)
{
	struct list *l;
	bool any = false;

	while ((l = list_pop(&n->jobs))) {
		struct job *j = list_entry(l, struct job, link);

		j->run(j);
		j->done(j);
		any = true;
	}
	return any;
}

static bool turn(struct member_node *n)
{
	struct council *c = n->council;
	bool any = false;

	if (!n->up || n->frozen)
		return false;
	for (int t = 1; t >= 0; t--) {
		struct broker *b = n->threads[t];
		int64_t next;

		broker_set_time(b, c->now_ms, c->now_ms + 1000000000);
		next = broker_next_tick(b);
		if (next >= 0 && next <= c->now_ms)
			broker_tick(b);
		any |= run_letters(n, t);
		broker_turn_end(b);
	}
	any |= run_jobs(n);
	any |= carry_asks(n);
	any |= apply_all(n);
	return any;
}

static void settle(struct council *c)
{
	bool any = true;

	for (int i = 0; any; i++) {
		ck_assert_int_lt(i, 1000);
		any = false;
		for (int k = 0; k < c->n; k++)
			any |= turn(&c->nodes[k]);
	}
}

void council_pass(struct council *c, int64_t ms)
{
	for (settle(c); ms > 0; ms--) {
		c->now_ms++;
		settle(c);
	}
}

/* ---- starting, stopping -------------------------------------------------- */

static void on_ready(void *ctx)
{
	((struct member_node *)ctx)->ready++;
}

static void on_refused(void *ctx, const char *why)
{
	((struct member_node *)ctx)->refused = why;
}

static void open_thread(struct member_node *n, int t)
{
	struct broker_config config = {
		.thread = t, .node = &n->info, .seed = (uint64_t)n->id,
		.now_ms = n->council->now_ms, .wall_ms = 1000000000,
		.out = { n, out_answer, out_tell, out_propose, out_ask,
			 out_give },
	};

	if (t == 0) {
		config.cluster = n->cluster;
		config.coord = n->coord;
		config.host_ctx = n;
		config.on_ready = on_ready;
		config.on_refused = on_refused;
		config.quorum = (struct quorum_view){
			.ctx = n, .is_leader = q_is_leader, .leader = q_leader,
			.term = q_term, .read = q_read,
			.transfer = q_transfer, .members = q_members,
			.commit_index = q_commit };
	}
	ck_assert_int_eq(broker_open(&n->threads[t], &config), 0);
}

void council_start(struct council *c, int32_t node)
{
	struct member_node *n = node_of(c, node);
	struct store_recovery found;

	n->info.incarnation.b[0] = (uint8_t)node;
	n->info.incarnation.b[1] = ++n->incarnation;
	n->cluster = cluster_new();
	n->coord = coord_new();
	n->applied = n->ready = 0;
	n->refused = NULL;
	n->drained = false;
	ck_assert_int_eq(store_recover(n->info.disk, 1000000000, &found), 0);
	n->info.blind = found.blind;
	while (n->applied < c->log_n && !n->behind)
		apply_one(n, false);
	open_thread(n, 1);
	open_thread(n, 0);
	n->up = true;
	if (c->leader >= 0)
		tell_role(n, -1);
}

/* What it asked, and what others asked of it, is not answered any more. */
static void break_calls(struct council *c, struct member_node *n)
{
	for (int i = 1; i <= c->calls_n; i++) {
		struct council_call *call = c->calls[i];

		if ((call->at != n && call->from != n) || call->done ||
		    call->broken || !call->ask)
			continue;
		call->broken = true;
		call->ask->done(call->ask, NULL, -ECONNRESET);
	}
}

static void drop_mail(struct member_node *n)
{
	struct list *l;

	n->frozen = false;
	n->cut = true;
	for (int i = 0; i < 100; i++) {
		run_letters(n, 1);
		run_letters(n, 0);
		run_jobs(n);
		while ((l = list_pop(&n->asks))) {
			struct ask *a = list_entry(l, struct ask, link);

			a->done(a, NULL, -ECONNRESET);
		}
	}
	n->cut = false;
}

void council_stop(struct council *c, int32_t node, bool clean)
{
	struct member_node *n = node_of(c, node);

	break_calls(c, n);
	drop_mail(n);
	for (int t = 1; t >= 0; t--) {
		if (clean)
			ck_assert_int_eq(broker_close(n->threads[t]), 0);
		else
			broker_free(n->threads[t]);
		n->threads[t] = NULL;
	}
	n->up = false;
	cluster_free(n->cluster);
	coord_free(n->coord);
	for (int i = 0; i < c->n; i++)
		if (c->nodes[i].up)
			broker_peer_lost(c->nodes[i].threads[0], node);
}

void council_restore(struct council *c, int32_t node, int32_t from)
{
	struct member_node *n = node_of(c, node), *f = node_of(c, from);
	struct cluster *cluster = n->cluster;
	struct coord *coord = n->coord;
	struct buf a = { 0 }, b = { 0 };

	cluster_encode(f->cluster, &a);
	coord_encode(f->coord, &b);
	n->cluster = cluster_decode((struct bytes){ a.p, (int32_t)a.n });
	n->coord = coord_decode((struct bytes){ b.p, (int32_t)b.n });
	n->applied = f->applied;
	broker_restored(n->threads[0], n->cluster, n->coord);
	cluster_free(cluster);
	coord_free(coord);
	buf_fini(&a);
	buf_fini(&b);
}

void council_cut(struct council *c, int32_t node, bool cut)
{
	node_of(c, node)->cut = cut;
	for (int i = 0; cut && i < c->n; i++)
		if (c->nodes[i].up && c->nodes[i].id != node)
			broker_peer_lost(c->nodes[i].threads[0], node);
}

static void set(struct node_settings *s, const char *text)
{
	const char *is = strchr(text, '=');
	const struct setting *found =
		setting_find((struct str){ text, (int32_t)(is - text) });

	ck_assert_ptr_nonnull(found);
	s->values[setting_id_of(found)] = is + 1;
	s->sources[setting_id_of(found)] = "flag";
}

static void set_all(struct council *c, struct node_settings *s,
		    const char *text)
{
	for (size_t n; *text; text += n + (text[n] == ' ')) {
		n = strcspn(text, " ");
		set(s, arena_printf(&c->arena, "%.*s", (int)n, text));
	}
}

static void prepare(struct council *c, int i, const char *text)
{
	struct member_node *n = &c->nodes[i];

	n->council = c;
	n->id = i + 1;
	n->mem = disk_mem_new((uint64_t)i);
	node_settings_preset(&n->settings);
	n->settings.values[SETTING_NODE_ID] =
		arena_printf(&c->arena, "%d", n->id);
	n->settings.values[SETTING_PEERS] =
		arena_printf(&c->arena, "%.*s", 12 * min_of(c->n, 3) - 1, peers);
	if (text)
		set_all(c, &n->settings, text);
	n->listener = (struct listener_info){ (char *)"PLAINTEXT",
					      (char *)"host", 9000 + n->id };
	n->info = (struct node_info){
		.id = n->id, .shards = 1, .listeners = &n->listener,
		.listeners_n = 1, .peer_host = "peer", .peer_port = 7000 + n->id,
		.settings = &n->settings, .version = "test",
		.disk = disk_mem_disk(n->mem) };
	n->info.directory_id.b[0] = (uint8_t)n->id;
	list_init(&n->box[0]);
	list_init(&n->box[1]);
	list_init(&n->jobs);
	list_init(&n->asks);
}

static void print(enum trace_level level, const char *line)
{
	fprintf(stderr, "%d %s\n", (int)level, line);
}

void council_init(struct council *c, int n, const char *text)
{
	if (getenv("UNIT_TRACE")) {
		trace_sink = print;
		trace_level_max = TRACE_DEBUG;
	}
	memset(c, 0, sizeof(*c));
	c->n = n;
	c->leader = -1;
	c->transfer = -EAGAIN;
	c->now_ms = 1000;
	for (int i = 0; i < n; i++)
		prepare(c, i, text);
	for (int i = 1; i <= n; i++)
		council_start(c, i);
}

void council_begin(struct council *c)
{
	council_lead(c, 1);
	for (int i = 0; i < 50; i++)
		council_pass(c, 10);
	for (int i = 0; i < c->n; i++)
		ck_assert_int_eq(c->nodes[i].ready, 1);
}

void council_fini(struct council *c)
{
	for (int i = 0; i < c->n; i++) {
		if (c->nodes[i].up)
			council_stop(c, i + 1, false);
		disk_mem_free(c->nodes[i].mem);
	}
	arena_fini(&c->arena);
}

/* ---- asking -------------------------------------------------------------- */

struct council_call *council_send_as(struct council *c, int32_t node,
				     int32_t peer, int16_t key,
				     int16_t version, const void *in)
{
	struct request_header h = { key, version, c->calls_n, STR("test") };
	struct council_call *call = new_call(c, node_of(c, node));
	struct buf b = { 0 };

	frame_begin_request(&b, &h);
	wire_encode(&b, wire_api_find(key)->request, version, in, NULL);
	submit(c, call, (struct bytes){ b.p + 4, (int32_t)b.n - 4 }, peer);
	buf_fini(&b);
	return call;
}

struct council_call *council_send(struct council *c, int32_t node, int16_t key,
				  int16_t version, const void *in)
{
	return council_send_as(c, node, -1, key, version, in);
}

void *council_ask(struct council *c, int32_t node, int16_t key,
		  int16_t version, const void *in)
{
	struct council_call *call = council_send(c, node, key, version, in);

	council_pass(c, 300);
	ck_assert(call->done);
	ck_assert_ptr_nonnull(call->out);
	return call->out;
}

struct create_topics_request
council_creation(struct create_topics_request_topic *t, const char *name)
{
	struct create_topics_request in;

	wire_preset(&create_topics_request_type, &in);
	wire_preset(&create_topics_request_topic_type, t);
	t->name = str_of(name);
	t->num_partitions = t->replication_factor = -1;
	in.timeout_ms = 5000;
	in.topics_n = 1;
	in.topics = t;
	return in;
}

int16_t council_create(struct council *c, int32_t node, const char *name,
		       int32_t partitions)
{
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, name);
	const struct create_topics_response *out;

	t.num_partitions = partitions;
	out = council_ask(c, node, 19, 7, &in);
	ck_assert_int_eq(out->topics_n, 1);
	return out->topics[0].error_code;
}

const struct partition *council_partition(struct council *c, int32_t node,
					  const char *topic, int32_t index)
{
	return cluster_partition(node_of(c, node)->cluster, str_of(topic),
				 index);
}

const char *council_brokers(struct council *c, int32_t node)
{
	const struct cluster *s = node_of(c, node)->cluster;
	struct buf b = { 0 };
	const char *text;

	for (struct map_iter i = map_first(&s->brokers); i.at; map_next(&i)) {
		const struct broker_info *info = i.value;

		buf_printf(&b, "%s%d %s%s", b.n ? " " : "", info->id,
			   info->fenced ? "fenced" : "active",
			   info->stopping ? " stopping" : "");
	}
	text = arena_printf(&c->arena, "%s", buf_c(&b));
	buf_fini(&b);
	return text;
}
