/* SPDX-License-Identifier: Apache-2.0 */
/*
 * produce: what is to be sent, to whom, in which order, and what becomes of it.
 *
 * A sender is one producer: it has a route (a connection) to each broker that
 * leads partitions, and a lane to each partition. A parcel is one batch on its
 * way, an order is one request with parcels for different partitions.
 *
 *	due -> lane -> route.todo -> order in flight -> acknowledged | refused
 *	         ^                        |
 *	         +-- held, until a leader is known and the lane is empty --+
 *
 * Invariants:
 * 1. Parcels of a lane are sent in the order in which they were made, also
 *    after failures: while one is held, all later ones are held, and they
 *    leave only when none of the lane is on its way. So sequences have no
 *    holes, and a repeated batch keeps its sequence (KIP-98).
 * 2. lane.out counts its parcels in todo and in flight.
 * 3. The time a parcel was meant to be sent never changes.
 */
#include <stdlib.h>

#include "bench.h"

#define RETRY_NS (20 * MILLISECOND)
#define RECONNECT_NS (50 * MILLISECOND)
#define SILENCE_NS (250 * MILLISECOND)
#define OUTSTANDING_MAX (1 << 20)
#define MADE_MAX 4096 /* in one turn of the loop */
#define TRIES_MAX 1000

struct parcel {
	struct list link;
	int64_t intended_ns, no;
	int32_t partition, sequence, batch, tries;
};
struct lane {
	struct list held; /* by no */
	struct list link; /* in sender.lanes_held, when held is not empty */
	int32_t sequence, out;
	int64_t retry_ns;
};
struct route {
	struct conn conn;
	struct sender *sender;
	struct list todo;
	struct list link; /* in produce.wanting: may have something to send */
	int32_t broker;
	int32_t cursor; /* in the broker's partitions, when not paced */
};
struct sender {
	struct produce *produce;
	struct lane *lanes;
	struct route **routes;
	int32_t routes_n;
	struct list lanes_held;
	int64_t id, no;
	int16_t epoch;
	int32_t cursor;
};
struct order {
	struct call call; /* first: on_end gets this */
	struct list link; /* in produce.spare_orders */
	struct route *route;
	struct buf head;
	int32_t n;
	struct parcel **parcels;
	uint8_t (*signs)[BATCH_HEADER_SIZE];
};
struct produce {
	struct run *run;
	struct sender *senders;
	int32_t senders_n;
	struct list wanting;
	struct list spare_parcels, spare_orders;
	struct produce_request request; /* filled anew for every order */
	struct produce_request_topic topic;
	struct splices splices;
	struct arena arena;
	int64_t due, outstanding, swept_ns;
	int32_t next_batch;
};

/* ---- parcels and orders: recycled ---------------------------------------- */

static struct parcel *new_parcel(struct produce *p)
{
	struct list *link = list_pop(&p->spare_parcels);

	p->outstanding++;
	return link ? list_entry(link, struct parcel, link) :
		      mem_alloc(sizeof(struct parcel));
}

static void drop_parcel(struct produce *p, struct parcel *parcel)
{
	p->outstanding--;
	list_push(&p->spare_parcels, &parcel->link);
}

static struct order *new_order(struct produce *p)
{
	struct list *link = list_pop(&p->spare_orders);
	size_t n = (size_t)p->run->options.request_batches;
	struct order *o;

	if (link)
		return list_entry(link, struct order, link);
	o = mem_zalloc(sizeof(*o));
	list_init(&o->call.link);
	o->parcels = mem_alloc(n * sizeof(*o->parcels));
	o->signs = mem_alloc(n * sizeof(*o->signs));
	o->call.iov = mem_alloc((n * 3 + 1) * sizeof(*o->call.iov));
	return o;
}

static void free_order(struct order *o)
{
	mem_free(o->parcels);
	mem_free(o->signs);
	mem_free(o->call.iov);
	buf_fini(&o->head);
	mem_free(o);
}

/* ---- lanes and routes ---------------------------------------------------- */

static void want(struct route *route)
{
	if (list_empty(&route->link))
		list_push(&route->sender->produce->wanting, &route->link);
}

static void hold(struct sender *s, struct parcel *parcel)
{
	struct lane *lane = &s->lanes[parcel->partition];
	struct list *at = lane->held.prev;

	if (list_empty(&lane->held))
		list_push(&s->lanes_held, &lane->link);
	while (at != &lane->held &&
	       list_entry(at, struct parcel, link)->no > parcel->no)
		at = at->prev;
	list_push(at->next, &parcel->link); /* behind at */
}

static void route_down(struct conn *c, int error);

/* The route to a broker, connecting; NULL while that makes no sense. */
static struct route *route_to(struct sender *s, int32_t broker, int64_t now_ns)
{
	struct run *r = s->produce->run;
	struct broker *b = &r->topology.brokers[broker];
	struct route *route;

	if (broker >= s->routes_n) {
		s->routes = mem_realloc(s->routes, (size_t)(broker + 1) *
					sizeof(*s->routes));
		while (s->routes_n <= broker)
			s->routes[s->routes_n++] = NULL;
	}
	route = s->routes[broker];
	if (!route) {
		route = s->routes[broker] = mem_zalloc(sizeof(*route));
		conn_init(&route->conn, &r->loop);
		route->conn.owner = route;
		route->conn.on_down = route_down;
		list_init(&route->todo);
		list_init(&route->link);
		route->sender = s;
		route->broker = broker;
		route->cursor = (int32_t)(s - s->produce->senders);
	}
	if (route->conn.state != CONN_DOWN)
		return route;
	if (!b->at_n || now_ns < b->not_before_ns)
		return NULL;
	if (conn_open(&route->conn, (void *)&b->at, b->at_n) < 0) {
		b->not_before_ns = now_ns + RECONNECT_NS;
		return NULL;
	}
	return route;
}

static struct route *route_for(struct sender *s, int32_t partition,
			       int64_t now_ns)
{
	const struct topology *t = &s->produce->run->topology;
	int32_t leader = t->partitions[partition].leader;

	return leader < 0 ? NULL : route_to(s, leader, now_ns);
}

static void post(struct route *route, struct parcel *parcel)
{
	route->sender->lanes[parcel->partition].out++;
	list_push(&route->todo, &parcel->link);
	want(route);
}

static void place(struct sender *s, struct parcel *parcel, int64_t now_ns)
{
	struct lane *lane = &s->lanes[parcel->partition];
	struct route *route = NULL;

	if (list_empty(&lane->held))
		route = route_for(s, parcel->partition, now_ns);
	if (route)
		post(route, parcel);
	else
		hold(s, parcel);
}

/* Lets the held parcels of all lanes go for which it is time. */
static void release(struct sender *s, int64_t now_ns)
{
	list_each(link, &s->lanes_held, safe) {
		struct lane *lane = list_entry(link, struct lane, link);
		struct route *route;
		struct list *held;

		if (lane->out > 0 || now_ns < lane->retry_ns)
			continue;
		route = route_for(s, (int32_t)(lane - s->lanes), now_ns);
		if (!route)
			continue;
		list_remove(&lane->link);
		while ((held = list_pop(&lane->held)) != NULL)
			post(route, list_entry(held, struct parcel, link));
	}
}

static void make(struct sender *s, int32_t partition, int64_t intended_ns,
		 int64_t now_ns)
{
	struct produce *p = s->produce;
	const struct stock *stock = &p->run->stock;
	struct parcel *parcel = new_parcel(p);
	struct lane *lane = &s->lanes[partition];

	*parcel = (struct parcel){
		.intended_ns = intended_ns,
		.no = s->no++,
		.partition = partition,
		.sequence = lane->sequence,
		.batch = p->next_batch,
	};
	list_init(&parcel->link);
	/* sequences wrap to 0 behind the largest */
	lane->sequence = (int32_t)(((uint32_t)lane->sequence +
				    (uint32_t)stock->records) & INT32_MAX);
	p->next_batch = (p->next_batch + 1) % stock->batches_n;
	p->run->tally.due++;
	place(s, parcel, now_ns);
}

/* ---- what becomes of a parcel -------------------------------------------- */

static void acknowledged(struct sender *s, struct parcel *parcel,
			 int64_t offset, int64_t now_ns)
{
	struct produce *p = s->produce;
	struct run *r = p->run;
	const struct stock *stock = &r->stock;
	struct ack ack = {
		.partition = parcel->partition,
		.intended_ns = parcel->intended_ns,
		.now_ns = now_ns,
		.records = stock->records,
		.payload = stock->payload,
		.size = stock->batches[parcel->batch].n,
	};

	s->lanes[parcel->partition].out--;
	tally_ack(&r->tally, &ack);
	if (r->match)
		match_sent(r->match, parcel->partition, offset,
			   parcel->intended_ns);
	drop_parcel(p, parcel);
}

static void again(struct sender *s, struct parcel *parcel, int64_t retry_ns)
{
	struct lane *lane = &s->lanes[parcel->partition];

	lane->out--;
	lane->retry_ns = max_of(lane->retry_ns, retry_ns);
	hold(s, parcel);
}

static bool blames_leader(int16_t code)
{
	return code == K_NOT_LEADER_OR_FOLLOWER ||
	       code == K_LEADER_NOT_AVAILABLE ||
	       code == K_UNKNOWN_TOPIC_OR_PARTITION ||
	       code == K_FENCED_LEADER_EPOCH ||
	       code == K_UNKNOWN_LEADER_EPOCH ||
	       code == K_KAFKA_STORAGE_ERROR;
}

static void refused(struct route *route, struct parcel *parcel, int16_t code,
		    int64_t now_ns)
{
	struct sender *s = route->sender;
	struct run *r = s->produce->run;
	struct partition *at = &r->topology.partitions[parcel->partition];

	tally_error(&r->tally, code);
	if (blames_leader(code)) {
		if (at->leader == route->broker)
			at->leader = -1;
		topology_doubt(r);
	}
	if (parcel->tries++ < TRIES_MAX &&
	    (kerr_is_retriable(code) || blames_leader(code) ||
	     code == K_OUT_OF_ORDER_SEQUENCE_NUMBER)) {
		r->tally.retries++;
		again(s, parcel, now_ns + RETRY_NS);
		return;
	}
	r->tally.refused++;
	if (r->options.idempotent)
		r->broken = "a batch was refused for good, which leaves a "
			    "hole in the sequence";
	s->lanes[parcel->partition].out--;
	drop_parcel(s->produce, parcel);
}

static struct parcel *take(struct order *o, int32_t partition)
{
	for (int32_t i = 0; i < o->n; i++) {
		struct parcel *parcel = o->parcels[i];

		if (parcel && parcel->partition == partition) {
			o->parcels[i] = NULL;
			return parcel;
		}
	}
	return NULL;
}

static void answered(struct order *o, int64_t now_ns, struct reader *in)
{
	struct route *route = o->route;
	struct produce *p = route->sender->produce;
	struct produce_response a;

	arena_reset(&p->arena);
	if (!wire_decode(in, &produce_response_type, o->call.version, &a,
			 &p->arena) || a.responses_n != 1)
		return;
	for (int32_t i = 0; i < a.responses[0].partition_responses_n; i++) {
		const struct produce_response_partition *m =
			&a.responses[0].partition_responses[i];
		struct parcel *parcel = take(o, m->index);

		if (!parcel)
			continue;
		if (m->error_code == K_NONE ||
		    m->error_code == K_DUPLICATE_SEQUENCE_NUMBER)
			acknowledged(route->sender, parcel, m->base_offset,
				     now_ns);
		else
			refused(route, parcel, m->error_code, now_ns);
	}
}

static void ended(struct call *call, struct conn *c, enum call_end how,
		  struct reader *in)
{
	struct order *o = container_of(call, struct order, call);
	struct route *route = o->route;
	struct sender *s = route->sender;
	struct tally *t = &s->produce->run->tally;
	int64_t now = how == CALL_ANSWERED ? c->read_ns : clock_ns();

	if (how == CALL_ANSWERED)
		answered(o, now, in);
	else if (how == CALL_WRITTEN)
		for (int32_t i = 0; i < o->n; i++)
			acknowledged(s, take(o, o->parcels[i]->partition), -1,
				     now);
	if (how != CALL_BROKEN && tally_is_measured(t, now))
		t->sent.requests++;
	/* what had no answer of its own is sent again */
	for (int32_t i = 0; i < o->n; i++) {
		if (!o->parcels[i])
			continue;
		t->retries += c->read_ns > 0; /* else it never left */
		again(s, o->parcels[i], now + RETRY_NS);
	}
	list_push(&s->produce->spare_orders, &o->link);
	want(route);
}

static void route_down(struct conn *c, int error)
{
	struct route *route = c->owner;
	struct run *r = route->sender->produce->run;
	struct broker *b = &r->topology.brokers[route->broker];
	struct list *link;
	int64_t now = clock_ns();

	(void)error;
	r->tally.breaks += c->read_ns > 0;
	b->not_before_ns = now + RECONNECT_NS;
	while ((link = list_pop(&route->todo)) != NULL)
		again(route->sender, list_entry(link, struct parcel, link), 0);
	topology_doubt(r);
}

/* ---- orders -------------------------------------------------------------- */

static void add_iov(struct order *o, const void *p, size_t n)
{
	o->call.iov[o->call.iov_n++] = (struct iovec){
		(void *)(uintptr_t)p, n };
}

static void add_batch(struct order *o, int32_t i)
{
	struct sender *s = o->route->sender;
	struct run *r = s->produce->run;
	struct bytes batch = r->stock.batches[o->parcels[i]->batch];

	if (!r->options.idempotent) {
		add_iov(o, batch.p, (size_t)batch.n);
		return;
	}
	stock_sign(batch, s->id, s->epoch, o->parcels[i]->sequence,
		   o->signs[i]);
	add_iov(o, o->signs[i], BATCH_HEADER_SIZE);
	add_iov(o, batch.p + BATCH_HEADER_SIZE,
		(size_t)batch.n - BATCH_HEADER_SIZE);
}

static void encode(struct order *o)
{
	struct produce *p = o->route->sender->produce;
	struct run *r = p->run;
	struct request_header h = { 0, r->topology.produce_version, 0,
				    STR("raftmq-bench") };
	size_t begin, from = 0;

	h.correlation_id = o->call.id = conn_take_id(&o->route->conn);
	for (int32_t i = 0; i < o->n; i++) {
		struct produce_request_partition *m =
			&p->topic.partition_data[i];

		m->index = o->parcels[i]->partition;
		m->records = (struct records){
			NULL, r->stock.batches[o->parcels[i]->batch].n, o };
	}
	p->topic.partition_data_n = o->n;
	p->splices.n = 0;
	p->splices.bytes = 0;
	o->head.n = 0;
	begin = frame_begin_request(&o->head, &h);
	wire_encode(&o->head, &produce_request_type, h.version, &p->request,
		    &p->splices);
	frame_end(&o->head, begin, p->splices.bytes);
	o->call.iov_n = 0;
	for (int32_t i = 0; i < p->splices.n; i++) {
		add_iov(o, o->head.p + from, p->splices.v[i].at - from);
		from = p->splices.v[i].at;
		add_batch(o, i);
	}
	if (from < o->head.n)
		add_iov(o, o->head.p + from, o->head.n - from);
}

/* The next of the route's parcels that fits into the order, or NULL. */
static struct parcel *next_parcel(struct route *route, const struct order *o)
{
	struct sender *s = route->sender;
	const struct topology *t = &s->produce->run->topology;

	while (!list_empty(&route->todo)) {
		struct parcel *parcel = list_entry(route->todo.next,
						   struct parcel, link);

		if (t->partitions[parcel->partition].leader != route->broker ||
		    !list_empty(&s->lanes[parcel->partition].held)) {
			list_remove(&parcel->link);
			again(s, parcel, 0);
			continue;
		}
		for (int32_t i = 0; i < o->n; i++)
			if (o->parcels[i]->partition == parcel->partition)
				return NULL;
		list_remove(&parcel->link);
		return parcel;
	}
	return NULL;
}

static bool send_order(struct route *route)
{
	struct produce *p = route->sender->produce;
	const struct options *options = &p->run->options;
	struct order *o = new_order(p);
	struct parcel *parcel;

	o->route = route;
	o->n = 0;
	while (o->n < options->request_batches &&
	       (parcel = next_parcel(route, o)) != NULL)
		o->parcels[o->n++] = parcel;
	if (o->n == 0) {
		list_push(&p->spare_orders, &o->link);
		return false;
	}
	o->call.key = 0;
	o->call.version = p->run->topology.produce_version;
	o->call.unanswered = options->acks == 0;
	o->call.on_end = ended;
	encode(o);
	conn_send(&route->conn, &o->call);
	return true;
}

/* As fast as the window allows: parcels for one more order. */
static bool make_order(struct route *route, int64_t now_ns)
{
	struct sender *s = route->sender;
	struct produce *p = s->produce;
	const struct broker *b = &p->run->topology.brokers[route->broker];
	int64_t wanted = p->run->options.request_batches;
	int64_t made = 0;

	if (p->run->options.rate > 0 || now_ns >= p->run->tally.to_ns)
		return false;
	for (int32_t i = 0; i < b->led_n && made < wanted; i++) {
		int32_t partition;

		route->cursor = (route->cursor + 1) % b->led_n;
		partition = b->led[route->cursor];
		if (!list_empty(&s->lanes[partition].held))
			continue;
		make(s, partition, now_ns, now_ns);
		made++;
	}
	return made > 0;
}

static void pump(struct route *route, int64_t now_ns)
{
	const struct run *r = route->sender->produce->run;

	while (route->conn.state != CONN_DOWN &&
	       route->conn.calls < r->options.window) {
		if (list_empty(&route->todo) && !make_order(route, now_ns))
			break;
		if (!send_order(route))
			break;
	}
}

/* ---- time ---------------------------------------------------------------- */

/* When the k-th group of batches is due. */
static int64_t due_at(const struct produce *p, int64_t k)
{
	const struct options *o = &p->run->options;
	__int128 records = (__int128)k * p->run->stock.records *
			   o->request_batches;

	return p->run->tally.start_ns + (int64_t)(records * SECOND / o->rate);
}

static int64_t pace(struct produce *p, int64_t now_ns)
{
	const struct run *r = p->run;
	int64_t at, most = p->due + MADE_MAX;

	while ((at = due_at(p, p->due)) <= now_ns && at < r->tally.to_ns &&
	       p->due < most) {
		struct sender *s = &p->senders[p->due % p->senders_n];

		if (p->outstanding >= OUTSTANDING_MAX)
			return INT64_MAX; /* still due when there is room */
		for (int64_t i = 0; i < r->options.request_batches; i++) {
			s->cursor = (s->cursor + 1) % r->topology.partitions_n;
			make(s, s->cursor, at, now_ns);
		}
		p->due++;
	}
	return at < r->tally.to_ns ? at : INT64_MAX;
}

/* From time to time: what nothing else wakes up. */
static void sweep(struct produce *p, int64_t now_ns)
{
	for (int32_t i = 0; i < p->senders_n; i++) {
		struct sender *s = &p->senders[i];

		release(s, now_ns);
		if (p->run->options.rate > 0)
			continue;
		for (int32_t b = 0; b < p->run->topology.brokers_n; b++) {
			struct route *route;

			if (p->run->topology.brokers[b].led_n == 0)
				continue;
			route = route_to(s, b, now_ns);
			if (route)
				want(route);
		}
	}
	p->swept_ns = now_ns;
}

int64_t produce_tick(struct produce *p, int64_t now_ns)
{
	int64_t next = INT64_MAX;
	struct list *link;

	if (now_ns >= p->swept_ns + RETRY_NS / 2)
		sweep(p, now_ns);
	if (p->run->options.rate > 0)
		next = pace(p, now_ns);
	while ((link = list_pop(&p->wanting)) != NULL)
		pump(list_entry(link, struct route, link), now_ns);
	return min_of(next, p->swept_ns + RETRY_NS / 2);
}

/* A stopped process keeps its connections: give them up once it leads none. */
static void break_silent(struct produce *p, struct sender *s, int64_t now_ns)
{
	for (int32_t i = 0; i < s->routes_n; i++) {
		struct route *route = s->routes[i];

		if (route && route->conn.calls > 0 &&
		    p->run->topology.brokers[i].led_n == 0 &&
		    now_ns - max_of(route->conn.read_ns,
				    route->conn.opened_ns) > SILENCE_NS)
			conn_break(&route->conn, ETIMEDOUT);
	}
}

void produce_moved(struct produce *p, int64_t now_ns)
{
	for (int32_t i = 0; i < p->senders_n; i++)
		break_silent(p, &p->senders[i], now_ns);
	sweep(p, now_ns);
}

int64_t produce_outstanding(const struct produce *p)
{
	return p->outstanding;
}

/* ---- beginning and end --------------------------------------------------- */

static void init_sender(struct produce *p, struct sender *s)
{
	int32_t n = p->run->topology.partitions_n;

	s->produce = p;
	s->id = -1;
	s->epoch = -1;
	s->cursor = (int32_t)((s - p->senders) % n) - 1;
	list_init(&s->lanes_held);
	s->lanes = mem_zalloc((size_t)n * sizeof(*s->lanes));
	for (int32_t i = 0; i < n; i++) {
		list_init(&s->lanes[i].held);
		list_init(&s->lanes[i].link);
	}
}

struct produce *produce_new(struct run *r)
{
	struct produce *p = mem_zalloc(sizeof(*p));
	int32_t batches = (int32_t)r->options.request_batches;

	p->run = r;
	list_init(&p->wanting);
	list_init(&p->spare_parcels);
	list_init(&p->spare_orders);
	wire_preset(&produce_request_type, &p->request);
	wire_preset(&produce_request_topic_type, &p->topic);
	p->request.acks = (int16_t)r->options.acks;
	p->request.timeout_ms = (int32_t)(r->options.timeout_ns / MILLISECOND);
	p->request.topic_data = &p->topic;
	p->request.topic_data_n = 1;
	p->topic.name = str_of(r->topology.topic);
	p->topic.partition_data = mem_zalloc(
		(size_t)batches * sizeof(*p->topic.partition_data));
	for (int32_t i = 0; i < batches; i++)
		wire_preset(&produce_request_partition_type,
			    &p->topic.partition_data[i]);
	p->senders_n = (int32_t)r->options.clients;
	p->senders = mem_zalloc((size_t)p->senders_n * sizeof(*p->senders));
	for (int32_t i = 0; i < p->senders_n; i++)
		init_sender(p, &p->senders[i]);
	return p;
}

int produce_setup(struct produce *p)
{
	int error = 0;

	if (!p->run->options.idempotent)
		return 0;
	for (int32_t i = 0; !error && i < p->senders_n; i++)
		error = topology_producer_id(p->run, &p->senders[i].id,
					     &p->senders[i].epoch);
	return error;
}

static void free_parcels(struct list *head)
{
	struct list *link;

	while ((link = list_pop(head)) != NULL)
		mem_free(list_entry(link, struct parcel, link));
}

static void free_sender(struct produce *p, struct sender *s)
{
	for (int32_t i = 0; i < s->routes_n; i++) {
		struct route *route = s->routes[i];

		if (!route)
			continue;
		conn_fini(&route->conn);
		free_parcels(&route->todo);
		mem_free(route);
	}
	for (int32_t i = 0; i < p->run->topology.partitions_n; i++)
		free_parcels(&s->lanes[i].held);
	mem_free(s->routes);
	mem_free(s->lanes);
}

void produce_free(struct produce *p)
{
	struct list *link;

	if (!p)
		return;
	for (int32_t i = 0; i < p->senders_n; i++)
		free_sender(p, &p->senders[i]);
	free_parcels(&p->spare_parcels);
	while ((link = list_pop(&p->spare_orders)) != NULL)
		free_order(list_entry(link, struct order, link));
	mem_free(p->senders);
	mem_free(p->topic.partition_data);
	splices_fini(&p->splices);
	arena_fini(&p->arena);
	mem_free(p);
}
