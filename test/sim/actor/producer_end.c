/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer_end: how parcels end, and how a producer comes by an identity.
 */
#include "producer.h"

void parcel_free(struct producer *p, struct parcel *x)
{
	list_remove(&x->link);
	buf_fini(&x->bytes);
	mem_free(x);
	p->parcels--;
}

void parcel_end(struct producer *p, struct parcel *x, enum history_outcome o,
		int64_t base_offset)
{
	struct actors *a = p->a;
	struct actor_topic *t = &a->topics[x->lane->topic];

	if (x->order >= 0) {
		for (int i = 0; i < x->records; i++)
			history_sent(a->h, x->op + (uint32_t)i, o,
				     base_offset < 0 ? -1 : base_offset + i,
				     world_now_us(a->w));
		if (o == HISTORY_OK)
			a->n.acks += x->records;
		else if (o == HISTORY_FAIL)
			a->n.fails += x->records;
		else
			a->n.infos += x->records;
	}
	if (o == HISTORY_OK) {
		x->lane->acked_order =
			max_of(x->lane->acked_order,
			       x->order + x->records);
		if (base_offset >= 0)
			t->end[x->lane->partition] =
				max_of(t->end[x->lane->partition],
				       base_offset + x->records);
	}
	parcel_free(p, x);
}

/* Back into its lane, before all that came later. */
void parcel_again(struct producer *p, struct parcel *x)
{
	struct list *at = &x->lane->waiting;

	p->a->n.retries++;
	list_remove(&x->link);
	list_each(i, &x->lane->waiting, safe) {
		struct parcel *y = list_entry(i, struct parcel, link);

		if (y->order < 0 || y->order > x->order) {
			at = i;
			break;
		}
	}
	list_push(at, &x->link);
	x->lane->not_before_ms =
		cast_now_ms(p->a) + cast_backoff(p->a);
}

/* ---- identities ---------------------------------------------------------- */

static void give_up_sent(struct producer *p, struct lane *l)
{
	list_each(i, &l->waiting, safe) {
		struct parcel *x = list_entry(i, struct parcel, link);

		if (x->order >= 0)
			parcel_end(p, x,
				   x->maybe ? HISTORY_INFO : HISTORY_FAIL, -1);
	}
	l->next_order = 0;
	l->acked_order = 0;
}

void producer_leave(struct producer *p)
{
	if (p->identity != IDENTITY_HELD)
		return;
	p->identity = IDENTITY_LEFT;
	p->a->n.resets++;
}

static void begin(struct producer *p, int64_t id, int16_t epoch)
{
	bool fresh = id != p->id;

	p->identity = IDENTITY_HELD;
	p->id = id;
	p->epoch = epoch;
	p->number = p->a->next_identity++;
	for (int i = 0; i < p->lanes_n; i++)
		p->lanes[i]->next_seq = fresh ? p->first_seq : 0;
	/* lanes that begin later begin so, too */
	p->first_seq = fresh ? p->first_seq : 0;
}

static void on_identity(void *ctx, const struct answer *a)
{
	struct producer *p = ctx;
	const struct init_producer_id_response *r = a->body;

	p->identity = IDENTITY_NONE;
	p->ask_not_before_ms = cast_now_ms(p->a) + cast_backoff(p->a);
	if (r && cast_may(p->a, "InitProducerId", r->error_code) &&
	    !r->error_code) {
		if (r->producer_id < 0 || r->producer_epoch < 0)
			world_violation(p->a->w, "InitProducerId gave no id");
		begin(p, r->producer_id, r->producer_epoch);
	}
	producer_pump(p);
}

static void ask_identity(struct producer *p)
{
	struct init_producer_id_request rq;

	wire_preset(&init_producer_id_request_type, &rq);
	rq.transactional_id = STR_NULL;
	rq.transaction_timeout_ms = INT32_MAX;
	p->identity = IDENTITY_ASKED;
	caller_ask(&p->caller, &(struct caller_ask){
				       .node = caller_any(&p->caller),
				       .key = API_INIT_PRODUCER_ID,
				       .body = &rq,
				       .then = on_identity,
				       .ctx = p });
}

/* Java counts the epoch up by itself, librdkafka asks anew. */
void producer_identify(struct producer *p)
{
	if (p->identity == IDENTITY_LEFT && p->carts == 0) {
		for (int i = 0; i < p->lanes_n; i++)
			give_up_sent(p, p->lanes[i]);
		p->identity = IDENTITY_NONE;
		if (p->bumps && p->epoch < INT16_MAX - 1) {
			begin(p, p->id, (int16_t)(p->epoch + 1));
			return;
		}
	}
	if (p->identity == IDENTITY_NONE && p->parcels > 0 &&
	    cast_now_ms(p->a) >= p->ask_not_before_ms)
		ask_identity(p);
}
