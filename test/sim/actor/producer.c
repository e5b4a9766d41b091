/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer: what it makes, and when.
 */
#include "producer.h"

static struct lane *lane_get(struct producer *p, int topic, int partition)
{
	struct lane *l;

	for (int i = 0; i < p->lanes_n; i++)
		if (p->lanes[i]->topic == topic &&
		    p->lanes[i]->partition == partition)
			return p->lanes[i];
	l = mem_zalloc(sizeof(*l));
	l->topic = topic;
	l->partition = partition;
	l->key = p->a->topics[topic].keys[partition];
	l->next_seq = p->first_seq;
	list_init(&l->waiting);
	p->lanes = mem_realloc(p->lanes, ((size_t)p->lanes_n + 1) *
						 sizeof(struct lane *));
	p->lanes[p->lanes_n++] = l;
	return l;
}

/* Most values are small. */
static int some_size(struct producer *p)
{
	int64_t size = 10 + cast_below(p->a, 200);

	if (cast_chance(p->a, 5))
		size = 10 + cast_below(p->a, p->size_max);
	return (int)size;
}

static void make_parcel(struct producer *p, struct lane *l)
{
	struct actors *a = p->a;
	struct parcel *x = mem_zalloc(sizeof(*x));
	char key[8];

	x->lane = l;
	x->order = -1;
	x->records = 1 + (int)cast_below(a, a->c.records);
	x->value = a->next_value;
	x->deadline_ms = cast_now_ms(a) + p->delivery_ms;
	a->next_value += (uint64_t)x->records;
	batch_build_begin(&p->builder, p->codec);
	for (int i = 0; i < x->records; i++) {
		uint64_t v = x->value + (uint64_t)i;
		struct bytes k = BYTES_NULL;

		if (v % 3) {
			memcpy(key, "key-", 4);
			put_be32(key + 4, (uint32_t)(v % 97));
			k = (struct bytes){ (const uint8_t *)key, 8 };
		}
		batch_build_add(&p->builder, cast_wall_ms(a), k,
				cast_value(&p->value, v, some_size(p)), NULL);
	}
	/* until it leaves: as if it came from nobody */
	struct bytes b = batch_build_end(&p->builder, -1, -1, -1);

	buf_put(&x->bytes, b.p, (size_t)b.n);
	list_push(&l->waiting, &x->link);
	p->parcels++;
}

static void on_make(struct timer *t)
{
	struct producer *p = container_of(t, struct producer, make);
	struct actors *a = p->a;
	bool by_id = p->caller.version[API_PRODUCE] >= 13;
	int topic = cast_some_topic(a, by_id), partition;

	if (a->stopping)
		return;
	cast_arm(a, &p->make, 1 + cast_below(a, 2000 / a->c.rate));
	if (topic < 0 || p->parcels > 200)
		return;
	partition = (int)cast_below(a, a->topics[topic].partitions);
	make_parcel(p, lane_get(p, topic, partition));
	producer_pump(p);
}

static void on_pump(struct timer *t)
{
	producer_pump(container_of(t, struct producer, pump));
}

static enum codec some_codec(struct producer *p)
{
	enum codec c = (enum codec)prng_below(&p->a->prng, CODEC_ZSTD + 1);

	if (!p->a->c.codecs || !codec_is_built(c))
		return CODEC_NONE;
	/* zstd came with Produce 7 (KIP-110) */
	if (c == CODEC_ZSTD && p->caller.version[API_PRODUCE] < 7)
		return CODEC_LZ4;
	return c;
}

struct producer *producer_new(struct actors *a, int i, bool idempotent)
{
	static const int16_t levels[] = { -1, -1, 1, 0 };
	struct producer *p = mem_zalloc(sizeof(*p));
	struct prng *r = &a->prng;

	p->a = a;
	caller_init(&p->caller, a, idempotent ? "idem" : "plain", i);
	p->process = cast_process(i, 0);
	p->idempotent = idempotent;
	p->acks = idempotent ? -1 : levels[prng_below(r, countof(levels))];
	p->retries = idempotent || prng_below(r, 2);
	p->bumps = prng_below(r, 2);
	p->codec = some_codec(p);
	p->size_max = prng_below(r, 4) ? 512 : 4096;
	p->delivery_ms = 2000 << prng_below(r, 7);
	p->request_ms = 1000 << prng_below(r, 6);
	if (idempotent && a->c.wrap)
		p->first_seq = INT32_MAX - (int32_t)prng_below(r, 60);
	p->number = -1;
	p->id = -1;
	timer_init(&p->make, on_make);
	timer_init(&p->pump, on_pump);
	return p;
}

void producer_start(struct producer *p)
{
	caller_watch(&p->caller);
	cast_arm(p->a, &p->make, 1 + cast_below(p->a, 300));
}

bool producer_is_settled(const struct producer *p)
{
	return p->parcels == 0 && p->carts == 0;
}

static void lane_free(struct producer *p, struct lane *l)
{
	list_each(i, &l->waiting, safe)
		parcel_free(p, list_entry(i, struct parcel, link));
	mem_free(l);
}

void producer_free(struct producer *p)
{
	caller_fini(&p->caller);
	for (int i = 0; i < p->lanes_n; i++)
		lane_free(p, p->lanes[i]);
	mem_free(p->lanes);
	batch_build_fini(&p->builder);
	buf_fini(&p->value);
	mem_free(p);
}
