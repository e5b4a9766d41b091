/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress: the four codecs of record batches. The only file of wire that
 * knows their libraries. Not tuned for ratio: the broker compresses only what
 * it wrote or compacted itself.
 *
 * 1. What comes out is counted as it comes: no length that the input declares
 *    is trusted with memory, out never grows beyond the limit and one byte
 *    (the byte that shows that there was more).
 * 2. On an error out is as long as it was.
 * 3. Nothing outlives a call: any thread may compress.
 */
#include <lz4frame.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_SNAPPY
#include <snappy-c.h>
#endif

#include <raftmq/wire.h>

#define STEP 8192 /* first room for what comes out */
/* RFC 8878, 3.1.1.1.2: what decoders should support at least; we at most */
#define ZSTD_WINDOW_LOG 23
/* snappy's best element: three bytes that stand for 64 */
#define SNAPPY_RATIO 22
#define SNAPPY_BLOCK 32768

static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };

const char *codec_name(enum codec c)
{
	return c < countof(names) ? names[c] : "unknown";
}

bool codec_parse(struct str name, enum codec *out)
{
	for (size_t i = 0; i < countof(names); i++) {
		if (!str_eq_c(name, names[i]))
			continue;
		*out = (enum codec)i;
		return true;
	}
	return false;
}

bool codec_is_built(enum codec c)
{
	switch (c) {
	/* NOLINTNEXTLINE(bugprone-branch-clone): they differ without zstd */
	case CODEC_NONE:
	case CODEC_GZIP:
	case CODEC_LZ4:
		return true;
	case CODEC_SNAPPY:
#ifdef HAVE_SNAPPY
		return true;
#else
		return false;
#endif
	case CODEC_ZSTD:
#ifdef HAVE_ZSTD
		return true;
#else
		return false;
#endif
	}
	return false;
}

/* What comes out, between where it began and where it has to end. */
struct sink {
	struct buf *out;
	size_t end; /* limit and one byte */
};

/* Room for some more bytes behind out; 0 when it is over the limit. */
static size_t make_room(struct sink *s)
{
	size_t left = s->end - s->out->n;
	size_t more = max_of(s->out->n, (size_t)STEP);

	more = min_of(more, left);
	buf_reserve(s->out, more);
	return more;
}

static int finish(const struct sink *s, bool whole)
{
	if (s->out->n == s->end)
		return -E2BIG;
	return whole ? 0 : -EBADMSG;
}

/* ---- gzip ---------------------------------------------------------------- */

#define GZIP_WINDOW (15 + 16) /* 32 KiB, with gzip's header and trailer */

static int inflate_part(z_stream *z, struct sink *s)
{
	size_t room = make_room(s);
	int ret;

	z->next_out = s->out->p + s->out->n;
	z->avail_out = (uInt)min_of(room, (size_t)1 << 30);
	room = z->avail_out;
	ret = inflate(z, Z_NO_FLUSH);
	s->out->n += room - z->avail_out;
	if (ret == Z_MEM_ERROR)
		fatal("out of memory: inflate");
	return ret;
}

static int read_gzip(struct bytes in, struct sink *s)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in.p,
		       .avail_in = (uInt)in.n };
	int ret = inflateInit2(&z, GZIP_WINDOW);

	if (ret != Z_OK)
		fatal("inflateInit2: %d", ret);
	while (s->out->n < s->end) {
		ret = inflate_part(&z, s);
		if (ret == Z_STREAM_END && z.avail_in)
			ret = inflateReset(&z); /* members may follow */
		if (ret != Z_OK)
			break;
	}
	inflateEnd(&z);
	return finish(s, ret == Z_STREAM_END);
}

static int write_gzip(struct bytes in, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in.p,
		       .avail_in = (uInt)in.n };
	uLong bound;
	int ret = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
			       GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);

	if (ret != Z_OK)
		fatal("deflateInit2: %d", ret);
	bound = deflateBound(&z, z.avail_in);
	buf_reserve(out, bound);
	z.next_out = out->p + out->n;
	z.avail_out = (uInt)bound;
	ret = deflate(&z, Z_FINISH);
	assert(ret == Z_STREAM_END);
	out->n += bound - z.avail_out;
	deflateEnd(&z);
	return 0;
}

/* ---- snappy -------------------------------------------------------------- */

#ifdef HAVE_SNAPPY

/* What snappy-java puts around the blocks: magic, version, lowest reader. */
static const uint8_t xerial[] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
				  0,	0,   0,	  1,   0,   0,	 0,   1 };
#define XERIAL_MAGIC_SIZE 8

static int read_snappy_block(const uint8_t *p, size_t n, struct sink *s)
{
	size_t length;

	if (snappy_uncompressed_length((const char *)p, n, &length))
		return -EBADMSG;
	if (length > n * SNAPPY_RATIO)
		return -EBADMSG;
	if (length >= s->end - s->out->n)
		return -E2BIG;
	buf_reserve(s->out, length + 1);
	if (snappy_uncompress((const char *)p, n,
			      (char *)s->out->p + s->out->n, &length))
		return -EBADMSG;
	s->out->n += length;
	return 0;
}

static int read_snappy(struct bytes in, struct sink *s)
{
	struct reader r = reader_of(in.p, (size_t)in.n);
	int err = 0;

	if (in.n < XERIAL_MAGIC_SIZE ||
	    memcmp(in.p, xerial, XERIAL_MAGIC_SIZE) != 0)
		return read_snappy_block(in.p, (size_t)in.n, s);
	read_span(&r, sizeof(xerial));
	while (reader_left(&r) && !err) {
		int32_t n = read_i32(&r);
		const uint8_t *p = n < 0 ? NULL : read_span(&r, (size_t)n);

		err = p ? read_snappy_block(p, (size_t)n, s) : -EBADMSG;
	}
	return r.bad ? -EBADMSG : err;
}

static int write_snappy(struct bytes in, struct buf *out)
{
	size_t left = (size_t)in.n, at = 0;

	buf_put(out, xerial, sizeof(xerial));
	while (left) {
		size_t part = min_of(left, (size_t)SNAPPY_BLOCK);
		size_t n = snappy_max_compressed_length(part);
		snappy_status status;

		buf_reserve(out, 4 + n);
		status = snappy_compress((const char *)in.p + at, part,
					 (char *)out->p + out->n + 4, &n);
		assert(status == SNAPPY_OK);
		put_be32(out->p + out->n, (uint32_t)n);
		out->n += 4 + n;
		at += part;
		left -= part;
	}
	return 0;
}

#else

static int read_snappy(struct bytes in, struct sink *s)
{
	(void)in, (void)s;
	return -ENOTSUP;
}

static int write_snappy(struct bytes in, struct buf *out)
{
	(void)in, (void)out;
	return -ENOTSUP;
}

#endif

/* ---- lz4 ----------------------------------------------------------------- */

static int read_lz4(struct bytes in, struct sink *s)
{
	LZ4F_dctx *dctx;
	size_t at = 0, size = (size_t)in.n, ret;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)))
		fatal("out of memory: lz4");
	do {
		size_t made = make_room(s), used = size - at;

		ret = LZ4F_decompress(dctx, s->out->p + s->out->n, &made,
				      in.p + at, &used, NULL);
		if (LZ4F_isError(ret))
			break;
		s->out->n += made;
		at += used;
		if (!made && !used)
			break; /* the input is cut */
	} while (s->out->n < s->end && (ret || at < size));
	LZ4F_freeDecompressionContext(dctx);
	return finish(s, ret == 0 && at == size);
}

static int write_lz4(struct bytes in, struct buf *out)
{
	/* Kafka's reader refuses blocks that lean on earlier ones */
	LZ4F_preferences_t prefs = {
		.frameInfo = { .blockSizeID = LZ4F_max64KB,
			       .blockMode = LZ4F_blockIndependent },
	};
	size_t bound = LZ4F_compressFrameBound((size_t)in.n, &prefs);
	size_t n;

	buf_reserve(out, bound);
	n = LZ4F_compressFrame(out->p + out->n, bound, in.p, (size_t)in.n,
			       &prefs);
	if (LZ4F_isError(n))
		fatal("lz4: %s", LZ4F_getErrorName(n));
	out->n += n;
	return 0;
}

/* ---- zstd ---------------------------------------------------------------- */

#ifdef HAVE_ZSTD

/* A library may still read the formats before 0.8, whose windows it does not
 * limit. */
static bool begins_frame(const ZSTD_inBuffer *src)
{
	uint32_t magic;

	if (src->size - src->pos < sizeof(magic))
		return false;
	memcpy(&magic, (const uint8_t *)src->src + src->pos, sizeof(magic));
	magic = le32toh(magic);
	return magic == ZSTD_MAGICNUMBER ||
	       (magic & ZSTD_MAGIC_SKIPPABLE_MASK) ==
		       ZSTD_MAGIC_SKIPPABLE_START;
}

static int read_zstd(struct bytes in, struct sink *s)
{
	ZSTD_inBuffer src = { in.p, (size_t)in.n, 0 };
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	size_t ret;

	if (!dctx)
		fatal("out of memory: zstd");
	ret = ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax,
				     ZSTD_WINDOW_LOG);
	assert(!ZSTD_isError(ret));
	ret = 0;
	do {
		size_t room = make_room(s), before = src.pos;
		ZSTD_outBuffer dst = { s->out->p + s->out->n, room, 0 };

		if (ret == 0 && !begins_frame(&src)) {
			ret = 1;
			break;
		}
		ret = ZSTD_decompressStream(dctx, &dst, &src);
		if (ZSTD_isError(ret))
			break;
		s->out->n += dst.pos;
		if (!dst.pos && src.pos == before)
			break; /* the input is cut */
	} while (s->out->n < s->end && (ret || src.pos < src.size));
	ZSTD_freeDCtx(dctx);
	return finish(s, ret == 0 && src.pos == src.size);
}

static int write_zstd(struct bytes in, struct buf *out)
{
	size_t bound = ZSTD_compressBound((size_t)in.n), n;

	buf_reserve(out, bound);
	n = ZSTD_compress(out->p + out->n, bound, in.p, (size_t)in.n,
			  ZSTD_CLEVEL_DEFAULT);
	if (ZSTD_isError(n))
		fatal("zstd: %s", ZSTD_getErrorName(n));
	out->n += n;
	return 0;
}

#else

static int read_zstd(struct bytes in, struct sink *s)
{
	(void)in, (void)s;
	return -ENOTSUP;
}

static int write_zstd(struct bytes in, struct buf *out)
{
	(void)in, (void)out;
	return -ENOTSUP;
}

#endif

/* ---- the choice ---------------------------------------------------------- */

static int read_plain(struct bytes in, struct sink *s)
{
	if ((size_t)in.n >= s->end - s->out->n)
		return -E2BIG;
	buf_put(s->out, in.p, (size_t)in.n);
	return 0;
}

static int write_plain(struct bytes in, struct buf *out)
{
	buf_put(out, in.p, (size_t)in.n);
	return 0;
}

static int (*const readers[])(struct bytes in, struct sink *s) = {
	read_plain, read_gzip, read_snappy, read_lz4, read_zstd,
};
static int (*const writers[])(struct bytes in, struct buf *out) = {
	write_plain, write_gzip, write_snappy, write_lz4, write_zstd,
};

int codec_decompress(enum codec c, struct bytes in, size_t limit,
		     struct buf *out)
{
	size_t begin = out->n;
	struct sink s = { out, begin + min_of(limit, SIZE_MAX / 4) + 1 };
	int err;

	assert(in.n >= 0);
	if (c >= countof(readers))
		return -ENOTSUP;
	err = readers[c](in, &s);
	if (err)
		out->n = begin;
	return err;
}

int codec_compress(enum codec c, struct bytes in, struct buf *out)
{
	assert(in.n >= 0);
	return c < countof(writers) ? writers[c](in, out) : -ENOTSUP;
}
