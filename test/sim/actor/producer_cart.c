/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer_cart: Produce requests on their way, and what their answers mean.
 */
#include "producer.h"

#define CART_MAX 8 /* parcels */

#define CRC_AT 17
#define CRC_FROM 21
#define ID_AT 43
#define EPOCH_AT 51
#define SEQUENCE_AT 53

struct cart {
	struct producer *p;
	int node;
	int n;
	struct parcel *parcels[CART_MAX];
};

/* Under the identity of now; the bytes stay as they are from here on. */
static void sign(struct producer *p, struct parcel *x)
{
	struct lane *l = x->lane;
	uint8_t *b = x->bytes.p;

	x->order = l->next_order;
	l->next_order += x->records;
	if (!p->idempotent)
		return;
	x->sequence = l->next_seq;
	l->next_seq = (int32_t)(((int64_t)l->next_seq + x->records) &
				INT32_MAX);
	put_be64(b + ID_AT, (uint64_t)p->id);
	put_be16(b + EPOCH_AT, (uint16_t)p->epoch);
	put_be32(b + SEQUENCE_AT, (uint32_t)x->sequence);
	put_be32(b + CRC_AT, crc32c(0, b + CRC_FROM, x->bytes.n - CRC_FROM));
}

static void note_sent(struct producer *p, struct parcel *x)
{
	struct actors *a = p->a;
	struct history_send s = {
		.process = p->process,
		.key = x->lane->key,
		.acks = (int8_t)p->acks,
		.producer = p->idempotent ? p->number : -1,
	};

	for (int i = 0; i < x->records; i++) {
		uint32_t op;

		s.value = x->value + (uint64_t)i;
		s.sequence = x->order + i;
		op = history_send(a->h, world_now_us(a->w), &s);
		if (i == 0)
			x->op = op;
	}
	a->n.sends += x->records;
}

/* ---- answers ------------------------------------------------------------- */

/* The attempt has certainly written nothing. */
static bool is_certain(int16_t code)
{
	switch (code) {
	case K_UNKNOWN_TOPIC_OR_PARTITION:
	case K_UNKNOWN_TOPIC_ID:
	case K_INCONSISTENT_TOPIC_ID:
	case K_LEADER_NOT_AVAILABLE:
	case K_NOT_ENOUGH_REPLICAS:
	case K_MESSAGE_TOO_LARGE:
	case K_RECORD_LIST_TOO_LARGE:
	case K_INVALID_TIMESTAMP:
	case K_OUT_OF_ORDER_SEQUENCE_NUMBER:
	case K_UNKNOWN_PRODUCER_ID:
	case K_INVALID_PRODUCER_EPOCH:
		return true;
	default:
		return false;
	}
}

static void give_up(struct producer *p, struct parcel *x)
{
	bool leaves = p->idempotent && x->order >= 0;

	parcel_end(p, x, x->maybe ? HISTORY_INFO : HISTORY_FAIL, -1);
	if (leaves)
		producer_leave(p);
}

static void failed(struct producer *p, struct parcel *x, bool certain)
{
	if (!certain)
		x->maybe = true;
	if (p->idempotent && p->identity != IDENTITY_HELD)
		give_up(p, x);
	else if (p->retries)
		parcel_again(p, x);
	else
		give_up(p, x);
}

static void out_of_order(struct producer *p, struct parcel *x, int16_t code)
{
	struct lane *l = x->lane;

	/* what was before it is not there yet, and will be */
	if (code == K_OUT_OF_ORDER_SEQUENCE_NUMBER &&
	    x->order > l->acked_order && p->identity == IDENTITY_HELD) {
		parcel_again(p, x);
		return;
	}
	world_note(p->a->w,
		   "%s: %s on %s-%d at sequence %d, acknowledged to %" PRId64
		   " of %" PRId64,
		   p->caller.name, kerr_name(code),
		   p->a->topics[l->topic].name, l->partition, x->sequence,
		   l->acked_order, x->order);
	give_up(p, x);
}

static void parcel_told(struct producer *p, struct parcel *x, int16_t code,
			int64_t base_offset)
{
	cast_count_error(p->a, code);
	switch (code) {
	case K_NONE:
		if (base_offset < 0)
			world_violation(p->a->w,
					"Produce was acknowledged without an "
					"offset");
		parcel_end(p, x, HISTORY_OK, base_offset);
		return;
	case K_DUPLICATE_SEQUENCE_NUMBER:
		parcel_end(p, x, HISTORY_OK, -1);
		return;
	case K_OUT_OF_ORDER_SEQUENCE_NUMBER:
	case K_UNKNOWN_PRODUCER_ID:
	case K_INVALID_PRODUCER_EPOCH:
		if (p->idempotent) {
			out_of_order(p, x, code);
			return;
		}
		break;
	case K_MESSAGE_TOO_LARGE:
	case K_RECORD_LIST_TOO_LARGE:
	case K_INVALID_TIMESTAMP: /* the clock of the broker was moved */
		give_up(p, x);
		return;
	case K_CORRUPT_MESSAGE:
		break;
	default:
		if (!kerr_is_retriable(code))
			break;
		caller_doubt(&p->caller);
		failed(p, x, is_certain(code));
		return;
	}
	world_violation(p->a->w, "Produce was answered %s", kerr_name(code));
	failed(p, x, false);
}

static void cart_lost(struct cart *c)
{
	caller_doubt(&c->p->caller);
	for (int i = 0; i < c->n; i++)
		failed(c->p, c->parcels[i], false);
}

static struct parcel *take(struct cart *c, int topic, int32_t partition)
{
	for (int i = 0; i < c->n; i++) {
		struct parcel *x = c->parcels[i];

		if (x->lane->topic == topic &&
		    x->lane->partition == partition) {
			c->parcels[i] = c->parcels[--c->n];
			return x;
		}
	}
	return NULL;
}

static void cart_answered(struct cart *c, const struct produce_response *r,
			  int16_t version)
{
	struct producer *p = c->p;

	for (int32_t i = 0; i < r->responses_n; i++) {
		const struct produce_response_topic *t = &r->responses[i];
		int topic = version >= 13 ?
				    caller_topic_of(&p->caller, t->topic_id) :
				    cast_topic_find(p->a, t->name);

		for (int32_t k = 0; k < t->partition_responses_n; k++) {
			const struct produce_response_partition *q =
				&t->partition_responses[k];
			struct parcel *x = take(c, topic, q->index);

			if (!x) {
				world_violation(p->a->w, "Produce: an answer "
							 "for what was not "
							 "sent");
				return;
			}
			caller_hint(&p->caller, topic, q->index,
				    (struct place){
					    q->current_leader.leader_id,
					    q->current_leader.leader_epoch });
			parcel_told(p, x, q->error_code, q->base_offset);
		}
	}
	if (c->n) {
		world_violation(p->a->w, "Produce: a partition is missing in "
					 "the answer");
		cart_lost(c);
	}
}

static void on_produced(void *ctx, const struct answer *a)
{
	struct cart *c = ctx;
	struct producer *p = c->p;

	p->carts--;
	for (int i = 0; i < c->n; i++)
		c->parcels[i]->lane->flying--;
	if (a->body)
		cart_answered(c, a->body, a->version);
	else
		cart_lost(c);
	mem_free(c);
	producer_pump(p);
}

static void cart_drop(void *ctx)
{
	struct cart *c = ctx;

	for (int i = 0; i < c->n; i++)
		parcel_free(c->p, c->parcels[i]);
	mem_free(c);
}

/* ---- requests ------------------------------------------------------------ */

struct freight { /* a request, while it is made */
	struct produce_request_topic topics[CART_MAX];
	struct produce_request_partition parts[CART_MAX][CART_MAX];
	int numbers[CART_MAX];
	int n;
};

static void load(struct freight *f, struct producer *p, struct parcel *x)
{
	struct produce_request_topic *t;
	int i = 0;

	while (i < f->n && f->numbers[i] != x->lane->topic)
		i++;
	t = &f->topics[i];
	if (i == f->n) {
		f->numbers[f->n++] = x->lane->topic;
		wire_preset(&produce_request_topic_type, t);
		t->name = str_of(p->a->topics[x->lane->topic].name);
		caller_topic_id(&p->caller, x->lane->topic, &t->topic_id);
		t->partition_data = f->parts[i];
	}
	t->partition_data[t->partition_data_n++] =
		(struct produce_request_partition){
			.index = x->lane->partition,
			.records = { x->bytes.p, (int32_t)x->bytes.n, NULL },
		};
}

static void cart_free_silent(struct cart *c)
{
	for (int i = 0; i < c->n; i++) {
		c->parcels[i]->lane->flying--;
		parcel_end(c->p, c->parcels[i], HISTORY_OK, -1);
	}
	c->p->carts--;
	mem_free(c);
}

static void cart_go(struct cart *c)
{
	struct producer *p = c->p;
	struct freight f;
	struct produce_request rq;

	f.n = 0;
	for (int i = 0; i < c->n; i++)
		load(&f, p, c->parcels[i]);
	wire_preset(&produce_request_type, &rq);
	rq.transactional_id = STR_NULL;
	rq.acks = p->acks;
	rq.timeout_ms = (int32_t)p->request_ms;
	rq.topic_data = f.topics;
	rq.topic_data_n = f.n;
	p->carts++;
	caller_ask(&p->caller, &(struct caller_ask){ .node = c->node,
						     .key = API_PRODUCE,
						     .body = &rq,
						     .silent = p->acks == 0,
						     .then = on_produced,
						     .ctx = c,
						     .drop = cart_drop });
	if (p->acks == 0)
		cart_free_silent(c);
}

/* ---- what may go --------------------------------------------------------- */

static void put_in(struct cart *c, struct parcel *x)
{
	struct producer *p = c->p;

	list_remove(&x->link);
	if (x->order < 0) {
		sign(p, x);
		note_sent(p, x);
	} else {
		for (int i = 0; i < x->records; i++)
			history_retried(p->a->h, x->op + (uint32_t)i);
	}
	x->lane->flying++;
	c->parcels[c->n++] = x;
}

static void drop_expired(struct producer *p, struct lane *l)
{
	bool gone = p->a->topics[l->topic].deleted;
	int64_t now = cast_now_ms(p->a);

	list_each(i, &l->waiting, safe) {
		struct parcel *x = list_entry(i, struct parcel, link);

		if (gone || x->deadline_ms <= now)
			give_up(p, x);
	}
}

/* Where its next parcel goes; 0: not now. */
static int lane_node(struct producer *p, struct lane *l)
{
	const struct place *at;
	struct uuid id;

	if (list_empty(&l->waiting) || l->flying >= FLYING_MAX ||
	    l->not_before_ms > cast_now_ms(p->a))
		return 0;
	at = caller_place(&p->caller, l->topic, l->partition);
	if (!at)
		return 0;
	if (p->caller.version[API_PRODUCE] >= 13 &&
	    !caller_topic_id(&p->caller, l->topic, &id)) {
		caller_doubt(&p->caller);
		return 0;
	}
	return at->leader;
}

static bool send_cart(struct producer *p)
{
	struct cart *c = NULL;

	for (int i = 0; i < p->lanes_n; i++) {
		int node = lane_node(p, p->lanes[i]);

		if (!node || (c && (node != c->node || c->n == CART_MAX)))
			continue;
		if (!c) {
			c = mem_zalloc(sizeof(*c));
			c->p = p;
			c->node = node;
		}
		put_in(c, list_entry(p->lanes[i]->waiting.next, struct parcel,
				     link));
	}
	if (c)
		cart_go(c);
	return c != NULL;
}

void producer_pump(struct producer *p)
{
	bool waits = false;

	for (int i = 0; i < p->lanes_n; i++)
		if (!list_empty(&p->lanes[i]->waiting))
			drop_expired(p, p->lanes[i]);
	if (p->idempotent)
		producer_identify(p);
	if (!p->idempotent || p->identity == IDENTITY_HELD)
		while (send_cart(p))
			;
	for (int i = 0; i < p->lanes_n; i++)
		waits |= !list_empty(&p->lanes[i]->waiting);
	if (waits && !timer_is_armed(&p->pump))
		cast_arm(p->a, &p->pump, cast_backoff(p->a) / 4);
}
