/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock: batches that are encoded, and compressed, before the run, and sent
 * again and again. Several, so that neither side works on bytes that stay in
 * a cache. Their timestamps are those of the set-up.
 */
#include <time.h>

#include "bench.h"

#define STOCK_BYTES (INT64_C(8) << 20)
#define STOCK_MAX 64
#define PRODUCER_ID_AT 43
#define CRC_AT 17
#define ATTRIBUTES_AT 21

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* The first percent% are always the same, the rest is noise. */
static void fill(uint8_t *p, int64_t n, int64_t percent, struct prng *dice)
{
	int64_t same = n * percent / 100;

	for (int64_t i = 0; i < same; i++)
		p[i] = (uint8_t)("raftmq bench "[i % 13]);
	for (int64_t i = same; i < n; i++)
		p[i] = (uint8_t)prng_next(dice);
}

/* Bytes that a record takes in a batch, about: lengths and deltas are 10. */
static int64_t record_bytes(const struct options *o)
{
	return o->record_size + o->key_size + 10;
}

static int32_t records_of(const struct options *o)
{
	int64_t room = o->batch_bytes - BATCH_HEADER_SIZE;

	if (o->batch_records > 0)
		return (int32_t)o->batch_records;
	room /= record_bytes(o);
	return (int32_t)min_of(max_of(room, 1), 1000000);
}

void stock_init(struct stock *s, const struct options *o)
{
	struct batch_builder b = { 0 };
	uint8_t *value = mem_alloc((size_t)o->record_size + 1);
	uint8_t *key = mem_alloc((size_t)o->key_size + 1);
	struct bytes k = { key, (int32_t)o->key_size }, batch;
	struct bytes v = { value, (int32_t)o->record_size };
	int64_t now = wall_ms();
	struct prng dice;

	prng_init(&dice, 42);
	*s = (struct stock){ .records = records_of(o) };
	s->payload = s->records * (o->record_size + o->key_size);
	s->batches_n = (int32_t)min_of(STOCK_MAX, 1 + STOCK_BYTES /
				       (s->records * record_bytes(o)));
	s->batches = mem_zalloc((size_t)s->batches_n * sizeof(*s->batches));
	for (int32_t i = 0; i < s->batches_n; i++) {
		batch_build_begin(&b, (enum codec)o->codec);
		for (int32_t n = 0; n < s->records; n++) {
			fill(value, o->record_size, o->compressible, &dice);
			fill(key, o->key_size, 0, &dice);
			batch_build_add(&b, now, o->key_size ? k : BYTES_NULL,
					v, NULL);
		}
		batch = batch_build_end(&b, -1, -1, -1);
		s->batches[i].p = mem_dup(batch.p, (size_t)batch.n);
		s->batches[i].n = batch.n;
	}
	batch_build_fini(&b);
	mem_free(value);
	mem_free(key);
}

void stock_fini(struct stock *s)
{
	for (int32_t i = 0; i < s->batches_n; i++)
		mem_free((void *)(uintptr_t)s->batches[i].p);
	mem_free(s->batches);
	*s = (struct stock){ 0 };
}

void stock_sign(struct bytes batch, int64_t producer_id, int16_t epoch,
		int32_t sequence, uint8_t head[BATCH_HEADER_SIZE])
{
	size_t left = (size_t)batch.n - BATCH_HEADER_SIZE;
	uint32_t crc;

	memcpy(head, batch.p, BATCH_HEADER_SIZE);
	put_be64(head + PRODUCER_ID_AT, (uint64_t)producer_id);
	put_be16(head + PRODUCER_ID_AT + 8, (uint16_t)epoch);
	put_be32(head + PRODUCER_ID_AT + 10, (uint32_t)sequence);
	crc = crc32c(0, head + ATTRIBUTES_AT,
		     BATCH_HEADER_SIZE - ATTRIBUTES_AT);
	put_be32(head + CRC_AT, crc32c(crc, batch.p + BATCH_HEADER_SIZE, left));
}
