/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: what lies between the ends of the world: ways that are open, closed or
 * clogged, connections as TCP has them, and frames of the quorum, which may be
 * lost. The links of a node to its peers are link.c's.
 *
 * 1. What is sent on a connection arrives whole and in order, or the rest of
 *    it never does: once something is dropped, the connection is half-open.
 * 2. A server's answers leave in the order of the requests, at a moment of
 *    their own after they were made: slices are read then, and the lease is
 *    asked then.
 * 3. A request that is on its way when its connection breaks may still be
 *    carried out.
 */
#include "conn.h"

struct parcel { /* on a clogged way */
	struct list link;
	int from, to;
	int64_t *lane; /* in the conn or the world; kept by what holds it */
	struct sim_thread *thread; /* of a node; NULL: a client */
	uint32_t life;
	enum event_tag tag;
	event_fn *fn;
	void *ctx;
};

/* ---- ways ---------------------------------------------------------------- */

static int64_t travel_us(struct world *w)
{
	int64_t us = w->net.delay_us + world_below(w, w->net.jitter_us + 1);

	if (world_chance(w, w->net.slow))
		us += world_below(w, w->net.slow_us);
	return us;
}

bool net_is_open(const struct world *w, int a, int b)
{
	return w->ways[a][b] == WAY_OPEN && w->ways[b][a] == WAY_OPEN;
}

void world_set_net(struct world *w, struct world_net net)
{
	w->net = net;
}

static int64_t arrival(struct world *w, int64_t *lane)
{
	int64_t at = w->now_us + travel_us(w);

	if (lane) {
		at = max_of(at, *lane + 1);
		*lane = at;
	}
	return at;
}

static void deliver(struct world *w, const struct parcel *p)
{
	int64_t at = arrival(w, p->lane);

	if (p->thread)
		plan_on(p->thread, at, p->tag, p->fn, p->ctx);
	else
		plan(w, at, 0, p->tag, p->fn, p->ctx);
}

void world_set_way(struct world *w, int from, int to, enum world_way way)
{
	w->ways[from][to] = way;
	if (way != WAY_OPEN) /* what is clogged stays before what comes later */
		return;
	list_each (l, &w->clogged, safe) {
		struct parcel *p = list_entry(l, struct parcel, link);

		if (p->from != from || p->to != to)
			continue;
		list_remove(l);
		if (!p->thread || p->life == p->thread->node->life)
			deliver(w, p);
		else
			p->fn(w, p->ctx, false);
		mem_free(p);
	}
}

/* false: dropped, and ctx is gone. */
static bool carry(struct world *w, struct parcel p)
{
	enum world_way way = w->ways[p.from][p.to];
	struct parcel *kept;

	if (way == WAY_OPEN) {
		deliver(w, &p);
		return true;
	}
	if (way == WAY_DROPS) {
		p.fn(w, p.ctx, false);
		return false;
	}
	kept = mem_dup(&p, sizeof(p));
	kept->life = p.thread ? p.thread->node->life : 0;
	list_push(&w->clogged, &kept->link);
	return true;
}

/* ---- frames of the quorum ------------------------------------------------ */

struct frame {
	int from, to;
	struct buf bytes;
};

static void free_frame(struct frame *f)
{
	int owner = estate_enter(0);

	buf_fini(&f->bytes);
	mem_free(f);
	estate_enter(owner);
}

static void frame_arrives(struct world *w, void *ctx, bool alive)
{
	struct frame *f = ctx;
	struct node *n = alive ? node_of(w, f->to) : NULL;

	if (n && n->quorum && n->threads[0].broker &&
	    n->state != NODE_CLOSING) {
		struct sim_thread *t = &n->threads[0];

		struct frame copy = *f;

		w->counts.frames++;
		fold(w, hash64(f->bytes.p, f->bytes.n, 0), (uint64_t)f->from);
		/* the node's from here on: it may die of it */
		copy.bytes.p = mem_dup(f->bytes.p, f->bytes.n);
		free_frame(f);
		node_set_time(t);
		quorum_receive(n->quorum, copy.from,
			       (struct bytes){ copy.bytes.p,
					       (int32_t)copy.bytes.n });
		mem_free(copy.bytes.p);
		node_wake(t, w->now_us + 1 + world_below(w, 10));
		return;
	}
	free_frame(f);
}

static void send_frame(struct world *w, int from, int to, struct bytes frame,
		       bool order)
{
	struct frame *f = mem_zalloc(sizeof(*f));

	f->from = from;
	f->to = to;
	buf_put(&f->bytes, frame.p, (size_t)frame.n);
	(void)carry(w, (struct parcel){
		.from = from, .to = to, .tag = TAG_FRAME,
		.thread = &node_of(w, to)->threads[0],
		.lane = order ? &w->lanes[from][to] : NULL,
		.fn = frame_arrives, .ctx = f });
}

void net_frame(struct node *n, int32_t peer, struct bytes frame, bool bulk)
{
	struct world *w = n->w;
	int owner;

	if (!node_listens(node_of(w, peer)) || world_chance(w, w->net.lose))
		return;
	owner = estate_enter(0);
	send_frame(w, n->id, peer, frame,
		   !bulk && !world_chance(w, w->net.reorder));
	if (world_chance(w, w->net.twice))
		send_frame(w, n->id, peer, frame, false);
	estate_enter(owner);
}

/* ---- connections: ends --------------------------------------------------- */

static struct conn *find(struct world *w, uint64_t id)
{
	return map_find_i64(&w->conns, (int64_t)id);
}

static struct sim_thread *server_thread(const struct conn *c)
{
	return &node_of(c->w, c->to)->threads[c->thread];
}

static void free_if_over(struct conn *c)
{
	if (c->client_open || c->server_open || c->refs)
		return;
	map_remove_i64(&c->w->conns, (int64_t)c->id);
	mem_free(c->slots);
	mem_free(c);
}

/* One event less knows it; freed when nobody and nothing is left that does. */
static void let_go(struct conn *c)
{
	int owner = estate_enter(0);

	c->refs--;
	free_if_over(c);
	estate_enter(owner);
}

struct conn *conn_new(struct world *w, int from, int to, int thread)
{
	int owner = estate_enter(0);
	struct conn *c = mem_zalloc(sizeof(*c));

	c->w = w;
	c->id = ++w->conns_made;
	c->from = from;
	c->to = to;
	c->thread = thread;
	c->client_open = c->server_open = true;
	map_put_i64(&w->conns, (int64_t)c->id, c);
	estate_enter(owner);
	return c;
}

/* What was answered and not written goes; in the node, on its thread. */
static void drop_answers(struct conn *c)
{
	for (uint64_t i = c->first; i < c->next; i++) {
		struct request **slot = conn_slot(c, i);

		if (*slot)
			request_free(*slot);
		*slot = NULL;
	}
	c->first = c->next;
}

static void client_hears_end(struct world *w, void *ctx, bool alive)
{
	struct conn *c = ctx;

	(void)w;
	if (alive && c->client_open) {
		c->client_open = false;
		if (c->link)
			link_broken(c->link);
		else
			c->to_client.on_closed(c->to_client.ctx);
	}
	let_go(c);
}

static void server_hears_end(struct world *w, void *ctx, bool alive)
{
	struct conn *c = ctx;

	(void)w;
	if (alive && c->server_open) {
		c->server_open = false;
		drop_answers(c);
	}
	let_go(c);
}

static void tell_client_end(struct conn *c)
{
	c->refs++;
	c->stuck_back |= !carry(c->w, (struct parcel){
		.from = c->to, .to = c->from, .lane = &c->back_us,
		.thread = c->link ? c->dialler : NULL, .tag = TAG_CLOSED,
		.fn = client_hears_end, .ctx = c });
}

static void tell_server_end(struct conn *c)
{
	c->refs++;
	c->stuck_out |= !carry(c->w, (struct parcel){
		.from = c->from, .to = c->to, .lane = &c->out_us,
		.thread = server_thread(c), .tag = TAG_CLOSED,
		.fn = server_hears_end, .ctx = c });
}

/* The server closes it: in the node, on the conn's thread. */
static void close_here(struct conn *c)
{
	int owner;

	if (!c->server_open)
		return;
	c->server_open = false;
	drop_answers(c);
	owner = estate_enter(0);
	if (c->client_open && !c->stuck_back)
		tell_client_end(c);
	free_if_over(c);
	estate_enter(owner);
}

void conn_leave(struct conn *c)
{
	int owner = estate_enter(0);

	c->client_open = false;
	if (c->server_open)
		tell_server_end(c);
	free_if_over(c);
	estate_enter(owner);
}

/* ---- connections: answers ------------------------------------------------ */

struct answer {
	struct conn *conn;
	int16_t key, version;
	struct buf frame; /* without the size */
	size_t frame_n;
};

static void answer_arrives(struct world *w, void *ctx, bool alive)
{
	struct answer a = *(struct answer *)ctx;
	struct conn *c = a.conn;
	uint8_t *frame = NULL; /* of whoever reads it */
	struct reader r;
	int32_t correlation;
	int owner;

	c->stuck_back |= !alive; /* nothing comes behind what is lost */
	if (alive && c->client_open)
		frame = mem_dup(a.frame.p, a.frame.n);
	owner = estate_enter(0);
	buf_fini(&a.frame);
	mem_free(ctx);
	estate_enter(owner);
	if (!frame) {
		let_go(c);
		return;
	}
	r = reader_of(frame, a.frame_n);
	fold(w, hash64(frame, a.frame_n, 0), c->id);
	if (!frame_read_response(&r, a.key, a.version, &correlation))
		world_violation(w, "node %d answered API %d without a header",
				c->to, a.key);
	else if (c->link)
		link_answered(c->link, &r);
	else
		c->to_client.on_answer(c->to_client.ctx, a.key, a.version,
				       correlation, &r);
	mem_free(frame);
	let_go(c);
}

/*
 * A batch's offset and epoch stand outside of its checksum. When the disk tells
 * another thing after the broker has looked, no client can know, here as with
 * Kafka: that much comes true.
 */
static void mend_heads(struct faulty *fa, const struct log_slice *slice,
		       uint8_t *p, size_t n)
{
	uint8_t *truth = mem_alloc(n);
	size_t size = 0;

	faulty_quiet(fa, true);
	if (log_slice_read(slice, 0, truth, n, false) != (int64_t)n)
		n = 0;
	faulty_quiet(fa, false);
	for (size_t at = 0; at + BATCH_HEADER_SIZE <= n; at += size) {
		memcpy(p + at, truth + at, 8);
		memcpy(p + at + 12, truth + at + 12, 4);
		size = 12 + (size_t)get_be32(truth + at + 8);
	}
	mem_free(truth);
}

/* The frame with its holes filled from the log; false: the disk refused. */
static bool whole_frame(struct node *node, const struct request *rq,
			struct buf *out)
{
	size_t at = 0;

	for (int32_t i = 0; i < rq->splices.n; i++) {
		const struct splice *s = &rq->splices.v[i];
		size_t n = (size_t)s->n;

		buf_put(out, rq->answer.p + at, s->at - at);
		at = s->at;
		if (log_slice_read(s->ref, 0, buf_grow(out, n), n, false) !=
		    (int64_t)n)
			return false;
		if (faulty_lies(node->disk))
			mend_heads(node->disk, s->ref, out->p + out->n - n, n);
	}
	buf_put(out, rq->answer.p + at, rq->answer.n - at);
	return true;
}

static void send_answer(struct conn *c, struct request *rq)
{
	struct buf whole = { 0 };
	struct answer *a;
	int owner;

	if (!whole_frame(node_of(c->w, c->to), rq, &whole)) {
		buf_fini(&whole);
		close_here(c);
		return;
	}
	owner = estate_enter(0);
	a = mem_zalloc(sizeof(*a));
	a->conn = c;
	a->key = rq->header.key;
	a->version = rq->header.version;
	buf_put(&a->frame, whole.p + 4, whole.n - 4);
	a->frame_n = a->frame.n;
	c->refs++;
	if (c->stuck_back)
		answer_arrives(c->w, a, false);
	else
		c->stuck_back = !carry(c->w, (struct parcel){
			.from = c->to, .to = c->from, .lane = &c->back_us,
			.thread = c->link ? c->dialler : NULL,
			.tag = TAG_ANSWER,
			.fn = answer_arrives, .ctx = a });
	estate_enter(owner);
	buf_fini(&whole);
}

static void write_out(struct world *w, void *ctx, bool alive)
{
	struct conn *c = ctx;
	struct sim_thread *t;
	struct request *rq;

	(void)w;
	c->writing = false;
	if (!alive) {
		let_go(c);
		return;
	}
	t = server_thread(c);
	while (c->server_open && c->first < c->next &&
	       (rq = *conn_slot(c, c->first))) {
		bool close = rq->close;

		if (rq->data && !broker_lease_ok(t->broker, node_ms(t->node))) {
			close_here(c);
			break;
		}
		if (!rq->silent)
			send_answer(c, rq);
		if (!c->server_open)
			break;
		*conn_slot(c, c->first++) = NULL;
		request_free(rq);
		if (close)
			close_here(c);
	}
	let_go(c);
}

void net_answer(struct sim_thread *t, struct request *rq)
{
	struct world *w = t->node->w;
	struct conn *c;
	int64_t at;

	if (!rq->conn) {
		if (rq->on_answer)
			rq->on_answer(rq);
		else
			request_free(rq);
		return;
	}
	c = find(w, rq->conn);
	if (!c || !c->server_open) {
		request_free(rq);
		return;
	}
	*conn_slot(c, rq->order) = rq;
	if (c->writing || rq->order != c->first)
		return;
	at = w->now_us + 1 + world_below(w, 20);
	if (world_chance(w, 2)) /* its reader is slow */
		at += world_below(w, 100000);
	c->writing = true;
	c->refs++;
	plan_on(server_thread(c), at, TAG_WRITE, write_out, c);
}

/* ---- connections: requests ----------------------------------------------- */

struct sent {
	struct conn *conn;
	struct buf frame; /* without the size */
};

struct request **conn_slot(struct conn *c, uint64_t order)
{
	return &c->slots[order % c->slots_n];
}

static void more_slots(struct conn *c)
{
	uint32_t n = c->slots_n ? 2 * c->slots_n : 8;
	int owner = estate_enter(0);
	struct request **v = mem_zalloc(n * sizeof(struct request *));

	for (uint64_t i = c->first; i < c->next; i++)
		v[i % n] = c->slots[i % c->slots_n];
	mem_free(c->slots);
	c->slots = v;
	c->slots_n = n;
	estate_enter(owner);
}

static void handle(struct conn *c, struct request *rq)
{
	struct node *n = node_of(c->w, c->to);
	struct sim_thread *t = server_thread(c);

	if (c->next - c->first == c->slots_n)
		more_slots(c);
	rq->thread = c->thread;
	rq->conn = c->id;
	rq->order = c->next++;
	*conn_slot(c, rq->order) = NULL;
	rq->peer = c->of_peer ? c->from : -1;
	rq->peer_order = (int64_t)c->id;
	rq->host = "10.0.0.7";
	rq->arrived_ms = node_ms(n);
	c->w->counts.requests++;
	node_set_time(t);
	broker_request(t->broker, rq);
	node_wake(t, c->w->now_us + 1 + world_below(c->w, 20));
}

static void request_arrives(struct world *w, void *ctx, bool alive)
{
	struct sent *s = ctx;
	struct conn *c = s->conn;
	struct request *rq = NULL;
	int owner;

	c->stuck_out |= !alive;
	if (alive && c->server_open && server_thread(c)->broker) {
		fold(w, hash64(s->frame.p, s->frame.n, 0), c->id);
		rq = request_new(mem_dup(s->frame.p, s->frame.n), s->frame.n);
	}
	owner = estate_enter(0);
	buf_fini(&s->frame);
	mem_free(s);
	estate_enter(owner);
	if (rq)
		handle(c, rq);
	let_go(c);
}

void conn_send(struct conn *c, const uint8_t *frame, size_t n)
{
	int owner = estate_enter(0);
	struct sent *s = mem_zalloc(sizeof(*s));

	s->conn = c;
	buf_put(&s->frame, frame + 4, n - 4);
	c->refs++;
	if (c->stuck_out)
		request_arrives(c->w, s, false);
	else
		c->stuck_out = !carry(c->w, (struct parcel){
			.from = c->from, .to = c->to, .lane = &c->out_us,
			.thread = server_thread(c), .tag = TAG_REQUEST,
			.fn = request_arrives, .ctx = s });
	estate_enter(owner);
}

/* ---- clients ------------------------------------------------------------- */

int world_client_end(const struct world *w, int client)
{
	return w->config.nodes + 1 + client;
}

struct conn *world_dial(struct world *w, int client, int node,
			struct dialled to)
{
	struct node *n = node_of(w, node);
	int end = world_client_end(w, client);
	struct conn *c;

	n->next_shard = n->next_shard % n->info.shards + 1;
	c = conn_new(w, end, node, n->next_shard);
	c->to_client = to;
	c->stuck_out = w->ways[end][node] == WAY_DROPS;
	if (!node_listens(n) || !n->ready) { /* refused, if that is heard */
		c->server_open = false;
		tell_client_end(c);
	}
	return c;
}

void world_send(struct conn *c, const struct buf *frame)
{
	assert(c->client_open);
	conn_send(c, frame->p, frame->n);
}

void world_hang_up(struct conn *c)
{
	conn_leave(c);
}

/* ---- breaks -------------------------------------------------------------- */

static bool is_between(const struct conn *c, int a, int b)
{
	return (c->from == a && c->to == b) || (c->from == b && c->to == a);
}

void world_reset(struct world *w, int a, int b)
{
	w->counts.resets++;
	world_note(w, "connections between %d and %d are reset", a, b);
	for (struct map_iter i = map_first(&w->conns); i.at; map_next(&i)) {
		struct conn *c = i.value;

		if (!is_between(c, a, b))
			continue;
		c->refs++; /* held over both */
		if (c->client_open)
			tell_client_end(c);
		if (c->server_open)
			tell_server_end(c);
		let_go(c);
	}
	for (int k = 0; k < 2; k++) {
		int at = k ? b : a, other = k ? a : b;

		if (at <= w->config.nodes && other <= w->config.nodes &&
		    node_of(w, at)->state != NODE_DOWN)
			node_lost(node_of(w, at), other);
	}
}

/* Its kernel closes what it had; whoever can be reached hears of it. */
void net_node_died(struct node *n)
{
	struct world *w = n->w;

	for (struct map_iter i = map_first(&w->conns); i.at; map_next(&i)) {
		struct conn *c = i.value;

		if (c->to == n->id && c->server_open) {
			c->server_open = false;
			c->first = c->next;
			if (c->client_open)
				tell_client_end(c);
			free_if_over(c);
		} else if (c->from == n->id && c->client_open) {
			c->client_open = false;
			c->link = NULL;
			if (c->server_open)
				tell_server_end(c);
			free_if_over(c);
		}
	}
	links_forget(n);
	for (int i = 1; i <= w->config.nodes; i++)
		if (i != n->id && node_of(w, i)->state != NODE_DOWN &&
		    net_is_open(w, n->id, i))
			node_lost(node_of(w, i), n->id);
}

void net_close_conns(struct node *n)
{
	for (struct map_iter i = map_first(&n->w->conns); i.at; map_next(&i)) {
		struct conn *c = i.value;

		if (c->to == n->id && c->thread > 0)
			close_here(c);
	}
	links_cancel(n, false);
}

void net_close_links(struct node *n)
{
	for (struct map_iter i = map_first(&n->w->conns); i.at; map_next(&i)) {
		struct conn *c = i.value;

		if (c->to == n->id)
			close_here(c);
	}
	links_cancel(n, true);
}

void net_init(struct world *w)
{
	list_init(&w->clogged);
	world_set_net(w, (struct world_net){ .delay_us = 150,
					     .jitter_us = 200 });
}

void net_fini(struct world *w)
{
	struct list *l;

	while ((l = list_pop(&w->clogged))) {
		struct parcel *p = list_entry(l, struct parcel, link);

		p->fn(w, p->ctx, false);
		mem_free(p);
	}
	for (struct map_iter i = map_first(&w->conns); i.at; map_next(&i)) {
		struct conn *c = i.value;

		mem_free(c->slots);
		mem_free(c);
	}
	map_fini(&w->conns);
}
