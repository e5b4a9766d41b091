/* SPDX-License-Identifier: Apache-2.0 */
/* compress.c: what comes out is what went in, and never too much */
#include <raftmq/wire.h>

#include "unit.h"

static struct bytes bytes_of(const struct buf *b)
{
	return (struct bytes){ b->p, (int32_t)b->n };
}

static void repeat(struct prng *p, size_t n, struct buf *out)
{
	size_t from = prng_below(p, out->n);
	size_t len = min_of(prng_below(p, 60), n - out->n);

	for (size_t i = 0; i < len; i++)
		buf_put_u8(out, out->p[from + i]);
}

/* Bytes with repetitions, so that every codec has something to do. */
static void draw(struct prng *p, size_t n, struct buf *out)
{
	out->n = 0;
	while (out->n < n)
		if (out->n > 100 && prng_below(p, 20) == 0)
			repeat(p, n, out);
		else
			buf_put_u8(out, (uint8_t)prng_next(p));
}

TEST(codec_names_are_kafkas)
{
	enum codec c;

	for (int i = 0; i < 5; i++) {
		ck_assert(codec_parse(str_of(codec_name((enum codec)i)), &c));
		ck_assert_int_eq(c, i);
	}
	ck_assert_str_eq(codec_name(CODEC_SNAPPY), "snappy");
	ck_assert_str_eq(codec_name((enum codec)7), "unknown");
	ck_assert(!codec_parse(STR("brotli"), &c));
	ck_assert(!codec_parse(STR("gzi"), &c));
	ck_assert(!codec_parse(STR_NULL, &c));
	ck_assert(!codec_is_built((enum codec)5));
}

TEST_TIMES(codec_round_trip_of_every_size, 5)
{
	static const size_t sizes[] = { 0,     1,     2,     100,    8191,
					8192,  8193,  32768, 32769,  65536,
					65537, 100000, 1000000 };
	struct buf in = { 0 }, packed = { 0 }, out = { 0 };
	enum codec c = (enum codec)_i;
	struct prng p;

	prng_init(&p, 3);
	for (size_t i = 0; i < countof(sizes) && codec_is_built(c); i++) {
		draw(&p, sizes[i], &in);
		packed.n = 0;
		out.n = 0;
		buf_put(&out, "before", 6);
		ck_assert_int_eq(codec_compress(c, bytes_of(&in), &packed), 0);
		ck_assert_int_eq(codec_decompress(c, bytes_of(&packed),
						  in.n, &out), 0);
		ck_assert_uint_eq(out.n, in.n + 6);
		ck_assert_mem_eq(out.p, "before", 6);
		if (in.n)
			ck_assert_mem_eq(out.p + 6, in.p, in.n);
		if (in.n)
			ck_assert_int_eq(codec_decompress(c, bytes_of(&packed),
							  in.n - 1, &out),
					 -E2BIG);
		ck_assert_uint_eq(out.n, in.n + 6);
	}
	buf_fini(&in);
	buf_fini(&packed);
	buf_fini(&out);
}

TEST_TIMES(codec_bomb_costs_no_more_than_the_limit, 5)
{
	size_t size = (size_t)64 << 20, limit = (size_t)1 << 20;
	struct bytes zeroes = { mem_zalloc(size), (int32_t)size };
	struct buf packed = { 0 }, out = { 0 };
	enum codec c = (enum codec)_i;

	if (codec_is_built(c)) {
		ck_assert_int_eq(codec_compress(c, zeroes, &packed), 0);
		ck_assert_int_eq(codec_decompress(c, bytes_of(&packed), limit,
						  &out), -E2BIG);
		ck_assert_uint_eq(out.n, 0);
		ck_assert_uint_le(out.cap, 2 * limit);
	}
	mem_free((void *)(uintptr_t)zeroes.p);
	buf_fini(&packed);
	buf_fini(&out);
}

TEST_TIMES(codec_cut_input_is_malformed, 4)
{
	struct buf in = { 0 }, packed = { 0 }, out = { 0 };
	enum codec c = (enum codec)(_i + 1);
	struct prng p;

	prng_init(&p, 4);
	draw(&p, 3000, &in);
	if (codec_is_built(c))
		ck_assert_int_eq(codec_compress(c, bytes_of(&in), &packed), 0);
	for (int32_t n = 0; n < (int32_t)packed.n; n++) {
		uint8_t *cut = mem_dup(packed.p, (size_t)n);
		struct bytes b = { cut, n };
		int err = codec_decompress(c, b, 10000, &out);

		/* xerial framing without any block is no error, as in Java */
		if (c == CODEC_SNAPPY && n == 16)
			ck_assert_int_eq(err, 0);
		else
			ck_assert_int_eq(err, -EBADMSG);
		ck_assert_uint_eq(out.n, 0);
		mem_free(cut);
	}
	buf_fini(&in);
	buf_fini(&packed);
	buf_fini(&out);
}

TEST_TIMES(codec_bytes_behind_the_end_are_malformed, 4)
{
	struct buf packed = { 0 }, out = { 0 };
	enum codec c = (enum codec)(_i + 1);
	struct bytes in = { (const uint8_t *)"some text", 9 };

	if (codec_is_built(c)) {
		ck_assert_int_eq(codec_compress(c, in, &packed), 0);
		buf_put(&packed, "\xff\xff\xff\xff\xff", 5);
		ck_assert_int_eq(codec_decompress(c, bytes_of(&packed), 1000,
						  &out), -EBADMSG);
	}
	buf_fini(&packed);
	buf_fini(&out);
}

/* RFC 1952, 2.2; LZ4 frame format; RFC 8878, 3: frames may follow frames. */
TEST_TIMES(codec_joined_frames_are_read, 4)
{
	struct buf packed = { 0 }, out = { 0 };
	enum codec c = (enum codec)(_i + 1);

	if (c != CODEC_SNAPPY && codec_is_built(c)) {
		struct bytes a = { (const uint8_t *)"first,", 6 };
		struct bytes b = { (const uint8_t *)"second", 6 };

		ck_assert_int_eq(codec_compress(c, a, &packed), 0);
		ck_assert_int_eq(codec_compress(c, b, &packed), 0);
		ck_assert_int_eq(codec_decompress(c, bytes_of(&packed), 12,
						  &out), 0);
		ck_assert_str_eq(buf_c(&out), "first,second");
	}
	buf_fini(&packed);
	buf_fini(&out);
}

TEST_TIMES(codec_garbage_is_malformed, 4)
{
	enum codec c = (enum codec)(_i + 1);
	struct buf in = { 0 }, out = { 0 };
	struct prng p;

	prng_init(&p, 5);
	for (int i = 0; i < unit_rounds(2000) && codec_is_built(c); i++) {
		size_t n = prng_below(&p, 60);
		uint8_t *copy;
		int err;

		in.n = 0;
		while (in.n < n)
			buf_put_u8(&in, (uint8_t)prng_next(&p));
		copy = mem_dup(in.p, n);
		out.n = 0;
		err = codec_decompress(c, (struct bytes){ copy, (int32_t)n },
				       100000, &out);
		/* by chance it may be raw snappy: nothing marks that */
		if (c != CODEC_SNAPPY)
			ck_assert_int_eq(err, -EBADMSG);
		mem_free(copy);
	}
	buf_fini(&in);
	buf_fini(&out);
}

#ifdef HAVE_SNAPPY
static int unsnap(const char *p, size_t n, size_t limit, struct buf *out)
{
	uint8_t *copy = mem_dup(p, n);
	int err;

	out->n = 0;
	err = codec_decompress(CODEC_SNAPPY,
			       (struct bytes){ copy, (int32_t)n }, limit, out);
	mem_free(copy);
	return err;
}
#define UNSNAP(p, limit, out) unsnap(p, sizeof(p) - 1, limit, out)
#define XERIAL "\x82SNAPPY\0\0\0\0\1\0\0\0\1"

TEST(snappy_raw_and_framed_are_both_read)
{
	struct buf out = { 0 };

	/* length 5, literal of 5 */
	ck_assert_int_eq(UNSNAP("\5\x10hello", 5, &out), 0);
	ck_assert_str_eq(buf_c(&out), "hello");
	ck_assert_int_eq(UNSNAP(XERIAL "\0\0\0\7\5\x10hello"
				       "\0\0\0\5\3\x08you", 8, &out), 0);
	ck_assert_str_eq(buf_c(&out), "helloyou");
	ck_assert_int_eq(UNSNAP(XERIAL "\0\0\0\7\5\x10hello"
				       "\0\0\0\5\3\x08you", 7, &out), -E2BIG);
	ck_assert_int_eq(UNSNAP(XERIAL "\0\0\0\x08\5\x10hello", 99, &out),
			 -EBADMSG);
	ck_assert_int_eq(UNSNAP(XERIAL "\xff\xff\xff\xff\5\x10hello", 99, &out),
			 -EBADMSG);
	ck_assert_int_eq(UNSNAP(XERIAL "\0\0", 99, &out), -EBADMSG);
	buf_fini(&out);
}

TEST(snappy_declared_length_is_not_trusted)
{
	struct buf out = { 0 };

	/* 4 GiB from seven bytes */
	ck_assert_int_eq(UNSNAP("\xff\xff\xff\xff\x0f\0x", (size_t)1 << 40,
				&out), -EBADMSG);
	/* 150 bytes from three, possible but over the limit */
	ck_assert_int_eq(UNSNAP("\x96\1\0xxxxxxxx", 149, &out), -E2BIG);
	ck_assert_uint_eq(out.cap, 0);
	buf_fini(&out);
}
#endif

#ifdef HAVE_ZSTD
/* RFC 8878, 3.1.1.1.2: the exponent of the window is in the descriptor. */
/* Found by fuzzing: ten bytes of format 0.6 took 34 MB. */
TEST(zstd_formats_of_before_its_first_release_are_refused)
{
	static const uint8_t old[] = { 0x26, 0xb5, 0x2f, 0xfd, 0x5d,
				       0x58, 0,    0 };
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 1,
					     0,    0,    0,    7 };
	struct buf packed = { 0 }, out = { 0 };

	if (!codec_is_built(CODEC_ZSTD))
		return;
	ck_assert_int_eq(codec_decompress(CODEC_ZSTD,
					  (struct bytes){ old, sizeof(old) },
					  1000, &out), -EBADMSG);
	ck_assert_int_eq(codec_compress(CODEC_ZSTD,
					(struct bytes){ old, sizeof(old) },
					&packed), 0);
	buf_put(&packed, skippable, sizeof(skippable));
	ck_assert_int_eq(codec_decompress(CODEC_ZSTD,
					  (struct bytes){ packed.p,
							  (int32_t)packed.n },
					  1000, &out), 0);
	ck_assert_uint_eq(out.n, sizeof(old));
	buf_put(&packed, old, sizeof(old));
	ck_assert_int_eq(codec_decompress(CODEC_ZSTD,
					  (struct bytes){ packed.p,
							  (int32_t)packed.n },
					  1000, &out), -EBADMSG);
	buf_fini(&packed);
	buf_fini(&out);
}

TEST(zstd_window_is_at_most_8_mib)
{
	/* magic, descriptor 0, window, one raw block of one byte, the last */
	uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 9, 0, 0, 'x' };
	struct bytes in = { frame, sizeof(frame) };
	struct buf out = { 0 };

	ck_assert_int_eq(codec_decompress(CODEC_ZSTD, in, 100, &out), 0);
	ck_assert_str_eq(buf_c(&out), "x");
	frame[5] = 14 << 3;
	ck_assert_int_eq(codec_decompress(CODEC_ZSTD, in, 100, &out),
			 -EBADMSG);
	buf_fini(&out);
}
#endif
