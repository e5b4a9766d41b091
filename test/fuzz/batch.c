/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record batch as a producer or another broker sends it: header, checks of
 * a client's batch, stamps, the walk over its records with their headers; and
 * what was walked, built and walked again.
 *
 * input: flags u8, the batch
 *   1  magic and length are set to what a batch of that size has
 *   2  the checksum is made right
 *   4  the bytes behind the header are plain: compress them by the codec that
 *      the attributes name
 */
#include <raftmq/wire.h>

#include "fuzz.h"

#define FIT 1
#define SUM 2
#define SQUEEZE 4
#define CRC_AT 17
#define MAGIC_AT 16
#define ATTRIBUTES_AT 21
/* what LZ4 and zstd want for their windows, whatever the input */
#define CODEC_MEMORY ((size_t)20 << 20)
#define PLAIN_MAX ((size_t)1 << 20)

/* As much as the broker would let it become: a hundred times its size. */
static size_t plain_limit(size_t n)
{
	return min_of(PLAIN_MAX, 100 * n);
}

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	/* a buffer that doubles is there twice for a moment */
	return CODEC_MEMORY + 4 * plain_limit(n) + 64 * n;
}

static void squeeze(struct buf *b)
{
	struct bytes plain = { b->p + BATCH_HEADER_SIZE,
			       (int32_t)(b->n - BATCH_HEADER_SIZE) };
	enum codec c = (enum codec)(get_be16(b->p + ATTRIBUTES_AT) &
				    BATCH_CODEC_MASK);
	static struct buf out;

	fuzz_clear(&out);
	if (c == CODEC_NONE || !codec_is_built(c) ||
	    codec_compress(c, plain, &out))
		return;
	b->n = BATCH_HEADER_SIZE;
	buf_put(b, out.p, out.n);
}

static void prepare(struct buf *b, uint8_t flags)
{
	if (b->n < BATCH_HEADER_SIZE)
		return;
	if (flags & SQUEEZE)
		squeeze(b);
	if (flags & FIT) {
		b->p[MAGIC_AT] = 2;
		put_be32(b->p + 8, (uint32_t)(b->n - BATCH_LENGTH_AT));
	}
	if (flags & SUM)
		put_be32(b->p + CRC_AT,
			 crc32c(0, b->p + ATTRIBUTES_AT, b->n - ATTRIBUTES_AT));
}

static int32_t walk_headers(const struct record *r)
{
	struct reader h = reader_of(r->headers_raw.p,
				    (size_t)r->headers_raw.n);
	struct record_header one;
	int32_t n = 0;

	while (record_header_next(&h, &one)) {
		must(one.key.n >= 0 && one.value.n >= -1);
		n++;
	}
	must(!h.bad && n == r->headers_n);
	return n;
}

/* All records into the builder; how many, or -1 when the batch is bad. */
static int64_t walk(const struct batch *b, struct batch_builder *to)
{
	struct batch_walk w;
	struct record r;
	int64_t n = 0, last = -1;

	batch_walk_open(&w, b, plain_limit((size_t)b->size));
	must(w.plain.n <= plain_limit((size_t)b->size));
	while (batch_walk_next(&w, &r)) {
		int64_t delta = (int64_t)((uint64_t)r.offset -
					  (uint64_t)b->base_offset);

		must(delta > last && delta <= b->last_offset_delta);
		last = delta;
		walk_headers(&r);
		if (to)
			batch_build_add(to, r.timestamp, r.key, r.value, NULL);
		n++;
	}
	must(w.error || n == b->count);
	if (w.error)
		n = -1;
	batch_walk_close(&w);
	return n;
}

/* Keys and values as they were, in a batch of our own. */
static void check_built(const struct batch *old, int64_t n,
			struct batch_builder *bb)
{
	struct bytes made = batch_build_end(bb, -1, -1, -1);
	struct batch_walk w, v;
	struct record r, s;
	const char *why;
	struct batch b;

	must(batch_peek(made.p, (size_t)made.n, &b) == K_NONE);
	must(b.size == made.n && b.count == n && batch_crc_ok(&b));
	if (b.base_timestamp >= 0 && b.max_timestamp >= 0)
		must(batch_check_client(&b, INT32_MAX, &why) == K_NONE);
	batch_walk_open(&w, old, plain_limit((size_t)old->size));
	batch_walk_open(&v, &b, plain_limit((size_t)b.size));
	while (batch_walk_next(&w, &r)) {
		must(batch_walk_next(&v, &s));
		must(r.key.n == s.key.n && r.value.n == s.value.n);
		must(r.timestamp == s.timestamp);
		must(r.key.n <= 0 || !memcmp(r.key.p, s.key.p, r.key.n));
		must(r.value.n <= 0 ||
		     !memcmp(r.value.p, s.value.p, r.value.n));
	}
	must(!batch_walk_next(&v, &s) && !v.error);
	batch_walk_close(&v);
	batch_walk_close(&w);
}

static void check_stamps(struct buf *copy)
{
	struct batch b;

	batch_stamp(copy->p, 77, 5);
	must(batch_peek(copy->p, copy->n, &b) == K_NONE);
	must(b.base_offset == 77 && b.leader_epoch == 5 && batch_crc_ok(&b));
	batch_stamp_append_time(copy->p, 1234);
	must(batch_peek(copy->p, copy->n, &b) == K_NONE);
	must(b.max_timestamp == 1234 && batch_crc_ok(&b));
}

static void read_whole(struct buf *b, const struct batch *batch)
{
	static struct batch_builder bb;
	const char *why = "";
	bool ok = batch_crc_ok(batch);
	enum kerr e = batch_check_client(batch, INT32_MAX, &why);
	int64_t n;

	must((e == K_NONE) == (why == NULL));
	must(e != K_NONE || ok);
	batch_build_begin(&bb, CODEC_NONE);
	n = walk(batch, &bb);
	if (n > 0)
		check_built(batch, n, &bb);
	if (ok) {
		b->n = (size_t)batch->size;
		check_stamps(b);
	}
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	uint8_t flags = read_u8(&r);
	struct bytes rest = fuzz_rest(&r);
	static struct buf made;
	struct batch batch;
	struct buf b;

	fuzz_clear(&made);
	buf_put(&made, rest.p, (size_t)rest.n);
	prepare(&made, flags);
	b = (struct buf){ mem_dup(made.p, made.n), made.n, made.n };
	if (batch_peek(b.p, b.n, &batch) == K_NONE &&
	    (size_t)batch.size <= b.n)
		read_whole(&b, &batch);
	buf_fini(&b);
}
