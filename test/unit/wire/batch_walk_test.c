/* SPDX-License-Identifier: Apache-2.0 */
/* batch_walk.c and batch_build.c: records in, records out; and anything in */
#include <stdio.h>

#include "batch.h"
#include "golden.h"
#include "unit.h"

#define LIMIT ((size_t)1 << 20)

static void print_bytes(struct buf *out, struct bytes v)
{
	if (v.n < 0)
		buf_printf(out, "null");
	else
		buf_printf(out, "%d/%08x", v.n, crc32c(0, v.p, (size_t)v.n));
}

static void print_record(struct buf *out, const struct record *r)
{
	struct reader in = reader_of(r->headers_raw.p,
				     (size_t)r->headers_raw.n);
	struct record_header h;
	int32_t n = 0;

	buf_printf(out, "%" PRId64 " %" PRId64 " key=", r->offset,
		   r->timestamp);
	print_bytes(out, r->key);
	buf_printf(out, " value=");
	print_bytes(out, r->value);
	for (; record_header_next(&in, &h); n++) {
		buf_printf(out, " '%.*s'=", STR_ARG(h.key));
		print_bytes(out, h.value);
	}
	ck_assert_int_eq(n, r->headers_n);
	buf_printf(out, "\n");
}

static void print_header(struct buf *out, const struct batch *b)
{
	buf_printf(out, "batch offset=%" PRId64 " size=%d codec=%s",
		   b->base_offset, b->size, codec_name(batch_codec(b)));
	buf_printf(out, " log-append=%s txn=%s control=%s last=%" PRId64,
		   b->attributes & BATCH_LOG_APPEND_TIME ? "true" : "false",
		   b->attributes & BATCH_TRANSACTIONAL ? "true" : "false",
		   b->attributes & BATCH_CONTROL ? "true" : "false",
		   batch_last_offset(b));
	buf_printf(out, " base-time=%" PRId64 " max-time=%" PRId64,
		   b->base_timestamp, b->max_timestamp);
	buf_printf(out, " pid=%" PRId64 " epoch=%d seq=%d count=%d\n",
		   b->producer_id, b->producer_epoch, b->base_sequence,
		   b->count);
}

static void print_batch(struct buf *out, const struct batch *b)
{
	struct batch_walk w;
	struct record r;

	print_header(out, b);
	batch_walk_open(&w, b, LIMIT);
	while (batch_walk_next(&w, &r))
		print_record(out, &r);
	ck_assert_int_eq(w.error, K_NONE);
	batch_walk_close(&w);
}

static int golden_n;

/* NAME.batch reads as NAME.txt says that Kafka reads it. */
static void compare_golden(const char *path)
{
	struct buf in = { 0 }, want = { 0 }, got = { 0 };
	struct batch b;
	char text[256];
	const char *why;

	snprintf(text, sizeof(text), "%.*s.txt", (int)strlen(path) - 6, path);
	golden_read(path, &in);
	golden_read(text, &want);
	golden_n++;
	ck_assert_int_eq(batch_peek(in.p, in.n, &b), K_NONE);
	ck_assert_uint_eq((size_t)b.size, in.n);
	ck_assert(batch_crc_ok(&b));
	if (!codec_is_built(batch_codec(&b)))
		goto out;
	print_batch(&got, &b);
	ck_assert_msg(strcmp(buf_c(&got), buf_c(&want)) == 0,
		      "%s:\n%swanted\n%s", path, buf_c(&got), buf_c(&want));
	if (!(b.attributes & (BATCH_CONTROL | BATCH_LOG_APPEND_TIME)))
		ck_assert_int_eq(batch_check_client(&b, b.size, &why), K_NONE);
out:
	buf_fini(&in);
	buf_fini(&want);
	buf_fini(&got);
}

TEST(batches_of_java_and_librdkafka_read_as_kafka_reads_them)
{
	golden_list("batches", ".batch", compare_golden);
	ck_assert_int_ge(golden_n, 20);
}

/* ---- the builder --------------------------------------------------------- */

static void draw_bytes(struct prng *p, struct arena *a, struct bytes *out)
{
	uint8_t *at;

	*out = BYTES_NULL;
	if (prng_below(p, 6) == 0)
		return;
	out->n = (int32_t)prng_below(p, (uint64_t)1 << prng_below(p, 11));
	out->p = at = arena_alloc(a, (size_t)out->n);
	for (int32_t i = 0; i < out->n; i++)
		at[i] = (uint8_t)("abcdefgh"[prng_below(p, 8)]);
}

/* Adds a random record to the builder and, as text, to want. */
static void add_record(struct prng *p, struct batch_builder *b,
		       struct arena *a, struct buf *want)
{
	struct record_header *h = arena_alloc(a, 8 * sizeof(*h));
	struct record r = { .offset = b->count };
	struct bytes key;

	r.timestamp = (int64_t)(prng_next(p) >> prng_below(p, 64)) / 2;
	draw_bytes(p, a, &r.key);
	draw_bytes(p, a, &r.value);
	r.headers_n = prng_below(p, 3) ? 0 : (int32_t)prng_below(p, 8);
	for (int32_t i = 0; i < r.headers_n; i++) {
		draw_bytes(p, a, &key);
		draw_bytes(p, a, &h[i].value);
		h[i].key = (struct str){ (const char *)key.p, key.n };
		if (key.n < 0)
			h[i].key = STR("");
	}
	h[r.headers_n].key = STR_NULL;
	batch_build_add(b, r.timestamp, r.key, r.value, h);
	buf_printf(want, "%" PRId64 " %" PRId64 " key=", r.offset,
		   r.timestamp);
	print_bytes(want, r.key);
	buf_printf(want, " value=");
	print_bytes(want, r.value);
	for (int32_t i = 0; i < r.headers_n; i++) {
		buf_printf(want, " '%.*s'=", STR_ARG(h[i].key));
		print_bytes(want, h[i].value);
	}
	buf_printf(want, "\n");
}

TEST_TIMES(batch_walk_reads_what_the_builder_wrote, 5)
{
	enum codec codec = (enum codec)_i;
	struct batch_builder builder = { 0 };
	struct buf want = { 0 }, got = { 0 };
	struct arena a = { 0 };
	struct bytes out;
	struct batch b;
	struct prng p;

	if (!codec_is_built(codec))
		return;
	prng_init(&p, (uint64_t)_i);
	for (int round = 0; round < unit_rounds(100); round++) {
		size_t n = 1 + prng_below(&p, 100);

		want.n = got.n = 0;
		batch_build_begin(&builder, codec);
		for (size_t i = 0; i < n; i++)
			add_record(&p, &builder, &a, &want);
		out = batch_build_end(&builder, -1, -1, -1);
		ck_assert_int_eq(batch_peek(out.p, (size_t)out.n, &b), K_NONE);
		ck_assert_int_eq(b.size, out.n);
		ck_assert_int_eq(b.count, (int32_t)n);
		ck_assert_int_eq(batch_codec(&b), codec);
		ck_assert(batch_crc_ok(&b));
		print_batch(&got, &b);
		/* behind the header line */
		ck_assert_str_eq(strchr(buf_c(&got), '\n') + 1, buf_c(&want));
		arena_reset(&a);
	}
	arena_fini(&a);
	batch_build_fini(&builder);
	buf_fini(&want);
	buf_fini(&got);
}

TEST(batch_builder_makes_the_batch_kafka_makes)
{
	struct record_header h[] = {
		{ STR("a"), { (const uint8_t *)"1", 1 } },
		{ STR(""), BYTES_NULL },
		{ STR("a"), { (const uint8_t *)"", 0 } },
		{ STR_NULL, BYTES_NULL },
	};
	struct bytes empty = { (const uint8_t *)"", 0 };
	struct batch_builder b = { 0 };
	struct buf golden = { 0 };
	struct bytes out;
	int64_t t = 1700000000000;

	batch_build_begin(&b, CODEC_NONE);
	batch_build_add(&b, t, (struct bytes){ (const uint8_t *)"key", 3 },
			(struct bytes){ (const uint8_t *)"value", 5 }, NULL);
	batch_build_add(&b, t + 5, BYTES_NULL,
			(struct bytes){ (const uint8_t *)"no key", 6 }, NULL);
	batch_build_add(&b, t - 3,
			(struct bytes){ (const uint8_t *)"no value", 8 },
			BYTES_NULL, h);
	batch_build_add(&b, t + 1, empty, empty, NULL);
	out = batch_build_end(&b, -1, -1, -1);
	golden_read("batches/java-none.batch", &golden);
	ck_assert_uint_eq((size_t)out.n, golden.n);
	ck_assert_mem_eq(out.p, golden.p, golden.n);
	buf_fini(&golden);
	batch_build_fini(&b);
}

TEST(batch_builder_makes_the_marker_kafka_makes)
{
	static const uint8_t key[] = { 0, 0, 0, 1 };	    /* v0, commit */
	static const uint8_t value[] = { 0, 0, 0, 0, 0, 5 }; /* v0, epoch */
	struct batch_builder b = { 0 };
	struct buf golden = { 0 };
	struct bytes out;

	batch_build_begin(&b, CODEC_NONE);
	b.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
	batch_build_add(&b, 1700000000000, (struct bytes){ key, sizeof(key) },
			(struct bytes){ value, sizeof(value) }, NULL);
	out = batch_build_end(&b, 9000, 7, -1);
	golden_read("batches/java-commit.batch", &golden);
	ck_assert_uint_eq((size_t)out.n, golden.n);
	ck_assert_mem_eq(out.p, golden.p, golden.n);
	buf_fini(&golden);
	batch_build_fini(&b);
}

/* ---- what is not a batch ------------------------------------------------- */

/* Walks to the end or the error; the number of records. */
static int walk(const struct batch *b, size_t limit, enum kerr *err)
{
	struct batch_walk w;
	struct record r;
	int n = 0;

	batch_walk_open(&w, b, limit);
	while (batch_walk_next(&w, &r)) {
		struct reader in = reader_of(r.headers_raw.p,
					     (size_t)r.headers_raw.n);
		struct record_header h;

		while (record_header_next(&in, &h))
			;
		ck_assert(!in.bad);
		n++;
	}
	*err = w.error;
	batch_walk_close(&w);
	return n;
}

/* The bytes as the records of a batch of so many offsets. */
static enum kerr walk_bytes(const char *bytes, size_t n, int32_t count,
			    int32_t last_delta)
{
	struct buf all = { 0 };
	struct batch b;
	enum kerr err;

	memset(buf_grow(&all, BATCH_HEADER_SIZE), 0, BATCH_HEADER_SIZE);
	buf_put(&all, bytes, n);
	put_be32(all.p + 8, (uint32_t)all.n - 12);
	all.p[BATCH_MAGIC_AT] = BATCH_MAGIC;
	put_be32(all.p + BATCH_LAST_DELTA_AT, (uint32_t)last_delta);
	put_be32(all.p + BATCH_COUNT_AT, (uint32_t)count);
	ck_assert_int_eq(batch_peek(all.p, all.n, &b), K_NONE);
	walk(&b, LIMIT, &err);
	buf_fini(&all);
	return err;
}

#define WALK(bytes, count, last)                                               \
	walk_bytes(bytes, sizeof(bytes) - 1, count, last)

TEST(record_has_to_fill_its_bytes)
{
	/* length, attributes, time, offset, key -1, value -1, headers */
	ck_assert_int_eq(WALK("\x0c\0\0\0\1\1\0", 1, 0), K_NONE);
	ck_assert_int_eq(WALK("\x0e\0\0\0\1\1\0\0", 1, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x0a\0\0\0\1\1", 1, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x0c\0\0\0\1\1", 1, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x01\0\0\0\1\1\0", 1, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("", 1, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x0c\0\0\0\1\1\0", 0, 0), K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("", 0, 9), K_NONE); /* all was compacted */
	ck_assert_int_eq(WALK("", -1, 9), K_CORRUPT_MESSAGE);
}

TEST(record_lengths_are_checked)
{
	ck_assert_int_eq(WALK("\x0c\0\0\0\3\1\0", 1, 0), /* key -2 */
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x0c\0\0\0\1\x02\0", 1, 0), /* eats headers */
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x0c\0\0\0\1\1\1", 1, 0), /* headers -1 */
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x10\0\0\0\1\1\2\0\1", 1, 0), K_NONE);
	ck_assert_int_eq(WALK("\x10\0\0\0\1\1\2\1\1", 1, 0), /* null key */
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK("\x14\0\0\0\1\1\xfe\xff\xff\xff\x0f", 1, 0),
			 K_CORRUPT_MESSAGE); /* 2^31 headers */
}

TEST(record_offsets_have_to_grow_within_the_batch)
{
#define RECORD(delta) "\x0c\0\0" delta "\1\1\0"
	ck_assert_int_eq(WALK(RECORD("\0") RECORD("\4"), 2, 2), K_NONE);
	ck_assert_int_eq(WALK(RECORD("\0") RECORD("\4"), 2, 1),
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK(RECORD("\2") RECORD("\2"), 2, 1),
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK(RECORD("\4") RECORD("\0"), 2, 2),
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(WALK(RECORD("\1"), 1, 0), K_CORRUPT_MESSAGE);
}

TEST(batch_walk_stops_a_bomb_at_the_limit)
{
	static uint8_t zeroes[300000];
	struct bytes value = { zeroes, sizeof(zeroes) };
	struct batch_builder builder = { 0 };

	for (enum codec c = CODEC_GZIP; c <= CODEC_ZSTD; c++) {
		struct bytes out;
		struct batch b;
		enum kerr err;

		if (!codec_is_built(c))
			continue;
		batch_build_begin(&builder, c);
		batch_build_add(&builder, 0, BYTES_NULL, value, NULL);
		out = batch_build_end(&builder, -1, -1, -1);
		ck_assert_int_lt(out.n, 30000);
		ck_assert_int_eq(batch_peek(out.p, (size_t)out.n, &b), K_NONE);
		ck_assert_int_eq(walk(&b, 300000, &err), 0);
		ck_assert_int_eq(err, K_MESSAGE_TOO_LARGE);
		ck_assert_int_eq(walk(&b, 301000, &err), 1);
		ck_assert_int_eq(err, K_NONE);
	}
	batch_build_fini(&builder);
}

TEST(batch_of_an_unknown_codec_is_said_to_be_so)
{
	struct batch_builder builder = { 0 };
	struct bytes out;
	struct batch b;
	enum kerr err;

	batch_build_begin(&builder, CODEC_NONE);
	builder.attributes = 6;
	batch_build_add(&builder, 0, BYTES_NULL, BYTES_NULL, NULL);
	out = batch_build_end(&builder, -1, -1, -1);
	ck_assert_int_eq(batch_peek(out.p, (size_t)out.n, &b), K_NONE);
	ck_assert_int_eq(walk(&b, LIMIT, &err), 0);
	ck_assert_int_eq(err, K_UNSUPPORTED_COMPRESSION_TYPE);
	batch_build_fini(&builder);
}

/* ---- mutations ----------------------------------------------------------- */

static struct buf seeds[64];
static size_t seeds_n;

static void keep_seed(const char *path)
{
	golden_read(path, &seeds[seeds_n]);
	if (seeds[seeds_n].n < 2000) /* a large one takes longer, not further */
		seeds_n++;
	else
		buf_fini(&seeds[seeds_n]);
	ck_assert_uint_lt(seeds_n, countof(seeds));
}

/* In memory of exactly its size, so that the sanitizer sees every overrun. */
static void try_mutation(struct prng *p, const struct buf *seed)
{
	size_t n = prng_below(p, 3) ? seed->n : prng_below(p, seed->n) + 1;
	uint64_t flips = prng_below(p, 6);
	uint8_t *copy = mem_dup(seed->p, n);
	const char *why;
	struct batch b;
	enum kerr err;

	while (flips--) {
		/* rather behind the header, where the interpreters are */
		size_t from = n > 61 && prng_below(p, 4) ? 61 : 0;
		size_t at = from + prng_below(p, n - from);

		if (prng_below(p, 2))
			copy[at] ^= (uint8_t)(1 << prng_below(p, 8));
		else
			copy[at] = (uint8_t)prng_next(p);
	}
	if (n >= 61 && prng_below(p, 2))
		put_be32(copy + 8, (uint32_t)n - 12);
	if (batch_peek(copy, n, &b) == K_NONE && (size_t)b.size <= n) {
		(void)batch_check_client(&b, 100000, &why);
		(void)walk(&b, 65536, &err);
	}
	mem_free(copy);
}

TEST_TIMES(batch_mutated_is_never_read_out_of_bounds, 10)
{
	struct prng p;

	golden_list("batches", ".batch", keep_seed);
	prng_init(&p, (uint64_t)_i);
	for (int i = 0; i < unit_rounds(10000); i++)
		try_mutation(&p, &seeds[prng_below(&p, seeds_n)]);
	for (size_t i = 0; i < seeds_n; i++)
		buf_fini(&seeds[i]);
}
