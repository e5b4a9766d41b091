/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_build: makes one batch, record by record. Not for what clients send:
 * that is stored as it came.
 *
 * 1. out holds room for the header and then the records, plain until the end.
 */
#include "batch.h"

void batch_build_begin(struct batch_builder *b, enum codec codec)
{
	struct buf out = b->out; /* its memory serves again */

	*b = (struct batch_builder){ .out = out, .codec = codec };
	b->out.n = 0;
	memset(buf_grow(&b->out, BATCH_HEADER_SIZE), 0, BATCH_HEADER_SIZE);
}

static size_t varint_size(int64_t v)
{
	/* gcc and clang shift the sign in, as zigzag wants it */
	/* cppcheck-suppress shiftTooManyBitsSigned */
	uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	return (size_t)(63 - __builtin_clzll(z | 1)) / 7 + 1;
}

static size_t bytes_size(struct bytes v)
{
	return varint_size(v.n) + (v.n > 0 ? (size_t)v.n : 0);
}

static void put_bytes(struct buf *out, struct bytes v)
{
	buf_put_varint(out, v.n);
	if (v.n > 0)
		buf_put(out, v.p, (size_t)v.n);
}

static struct bytes bytes_of(struct str s)
{
	return (struct bytes){ (const uint8_t *)s.p, s.n };
}

void batch_build_add(struct batch_builder *b, int64_t timestamp,
		     struct bytes key, struct bytes value,
		     const struct record_header *headers)
{
	struct buf *out = &b->out;
	int32_t headers_n = 0;
	int64_t time;
	size_t size;

	if (b->count == 0)
		b->base_timestamp = b->max_timestamp = timestamp;
	b->max_timestamp = max_of(b->max_timestamp, timestamp);
	time = (int64_t)((uint64_t)timestamp - (uint64_t)b->base_timestamp);
	size = 1 + varint_size(time) + varint_size(b->count) +
	       bytes_size(key) + bytes_size(value);
	for (; headers && headers[headers_n].key.n >= 0; headers_n++)
		size += bytes_size(bytes_of(headers[headers_n].key)) +
			bytes_size(headers[headers_n].value);
	size += varint_size(headers_n);
	buf_reserve(out, size + 10);
	buf_put_varint(out, (int64_t)size);
	buf_put_u8(out, 0);
	buf_put_varint(out, time);
	buf_put_varint(out, b->count);
	put_bytes(out, key);
	put_bytes(out, value);
	buf_put_varint(out, headers_n);
	for (int32_t i = 0; i < headers_n; i++) {
		put_bytes(out, bytes_of(headers[i].key));
		put_bytes(out, headers[i].value);
	}
	b->count++;
}

/* Replaces the plain records by their compressed form. */
static void squeeze(struct batch_builder *b)
{
	struct bytes plain = { b->out.p + BATCH_HEADER_SIZE,
			       (int32_t)(b->out.n - BATCH_HEADER_SIZE) };
	struct buf squeezed = { 0 };
	int err = codec_compress(b->codec, plain, &squeezed);

	if (err)
		fatal("batch: %s: %s", codec_name(b->codec), strerror(-err));
	b->out.n = BATCH_HEADER_SIZE;
	buf_put(&b->out, squeezed.p, squeezed.n);
	buf_fini(&squeezed);
}

struct bytes batch_build_end(struct batch_builder *b, int64_t producer_id,
			     int16_t producer_epoch, int32_t base_sequence)
{
	uint8_t *p;
	int32_t size;

	assert(b->count > 0 && b->out.n <= INT32_MAX);
	if (b->codec != CODEC_NONE)
		squeeze(b);
	assert(b->out.n <= INT32_MAX);
	p = b->out.p;
	size = (int32_t)b->out.n;
	batch_stamp(p, 0, -1);
	put_be32(p + BATCH_LENGTH_AT - 4, (uint32_t)(size - BATCH_LENGTH_AT));
	p[BATCH_MAGIC_AT] = BATCH_MAGIC;
	put_be16(p + BATCH_ATTRIBUTES_AT,
		 (uint16_t)(b->attributes | (int16_t)b->codec));
	put_be32(p + BATCH_LAST_DELTA_AT, (uint32_t)(b->count - 1));
	put_be64(p + BATCH_BASE_TIMESTAMP_AT, (uint64_t)b->base_timestamp);
	put_be64(p + BATCH_MAX_TIMESTAMP_AT, (uint64_t)b->max_timestamp);
	put_be64(p + BATCH_PRODUCER_ID_AT, (uint64_t)producer_id);
	put_be16(p + BATCH_PRODUCER_EPOCH_AT, (uint16_t)producer_epoch);
	put_be32(p + BATCH_SEQUENCE_AT, (uint32_t)base_sequence);
	put_be32(p + BATCH_COUNT_AT, (uint32_t)b->count);
	batch_seal(p, size);
	return (struct bytes){ p, size };
}

void batch_build_fini(struct batch_builder *b)
{
	buf_fini(&b->out);
}
