/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_walk: the records of one batch, one after another. Not needed on the
 * way of a plain produce or fetch, where batches stay closed.
 *
 * 1. Every record is loaned from the batch, or from plain when it was
 *    compressed; plain is never larger than the limit.
 * 2. The walk ends exactly with the bytes: records that lack bytes, bytes that
 *    lack a record, and offsets that do not grow are K_CORRUPT_MESSAGE.
 *    Gaps in the offsets are fine, compaction leaves them.
 */
#include <raftmq/wire.h>

static enum kerr error_of(int err)
{
	switch (err) {
	case 0:
		return K_NONE;
	case -E2BIG:
		return K_MESSAGE_TOO_LARGE;
	case -ENOTSUP:
		return K_UNSUPPORTED_COMPRESSION_TYPE;
	default:
		return K_CORRUPT_MESSAGE;
	}
}

void batch_walk_open(struct batch_walk *w, const struct batch *b, size_t limit)
{
	struct bytes in = { b->p + BATCH_HEADER_SIZE,
			    b->size - BATCH_HEADER_SIZE };

	*w = (struct batch_walk){ .batch = *b, .left = b->count, .last = -1 };
	w->r = reader_of(in.p, (size_t)in.n);
	if (b->count < 0)
		w->error = K_CORRUPT_MESSAGE;
	if (batch_codec(b) == CODEC_NONE || w->error || in.n == 0)
		return;
	w->error = error_of(codec_decompress(batch_codec(b), in, limit,
					     &w->plain));
	w->r = reader_of(w->plain.p, w->plain.n);
}

static struct bytes read_bytes(struct reader *r)
{
	int64_t n = read_varint(r);

	if (n == -1 && !r->bad)
		return BYTES_NULL;
	if (n < 0 || n > INT32_MAX)
		r->bad = true;
	if (r->bad)
		return BYTES_NULL;
	return (struct bytes){ read_span(r, (size_t)n), (int32_t)n };
}

bool record_header_next(struct reader *r, struct record_header *out)
{
	struct bytes key;

	if (reader_left(r) == 0)
		return false;
	key = read_bytes(r);
	if (key.n < 0)
		r->bad = true; /* a header's key is never null */
	out->value = read_bytes(r);
	out->key = (struct str){ (const char *)key.p, key.n };
	return !r->bad;
}

/* Takes the headers, which fill the record to its end. */
static bool read_headers(struct reader *r, struct record *out)
{
	int64_t n = read_varint(r);
	struct record_header h;
	struct reader all = *r;

	/* each is at least two bytes */
	if (r->bad || n < 0 || (uint64_t)n > reader_left(r) / 2)
		return false;
	out->headers_n = (int32_t)n;
	out->headers_raw = (struct bytes){ r->p, (int32_t)reader_left(r) };
	for (; n > 0; n--)
		if (!record_header_next(&all, &h))
			return false;
	return reader_left(&all) == 0;
}

static bool read_record(struct batch_walk *w, struct record *out)
{
	const struct batch *b = &w->batch;
	int64_t size = read_varint(&w->r), time, delta;
	const uint8_t *p;
	struct reader r;

	if (w->r.bad || size < 0)
		return false;
	p = read_span(&w->r, (size_t)size);
	if (!p)
		return false;
	r = reader_of(p, (size_t)size);
	read_u8(&r); /* attributes: none are known, none are refused */
	time = read_varint(&r);
	delta = read_varint(&r);
	out->key = read_bytes(&r);
	out->value = read_bytes(&r);
	if (!read_headers(&r, out))
		return false;
	if (delta <= w->last || delta > b->last_offset_delta)
		return false;
	w->last = (int32_t)delta;
	/* unsigned: whoever sends an overflow gets a strange time, no more */
	out->offset = (int64_t)((uint64_t)b->base_offset + (uint64_t)delta);
	out->timestamp = (int64_t)((uint64_t)b->base_timestamp +
				   (uint64_t)time);
	if (b->attributes & BATCH_LOG_APPEND_TIME)
		out->timestamp = b->max_timestamp;
	return true;
}

bool batch_walk_next(struct batch_walk *w, struct record *out)
{
	if (w->error)
		return false;
	if (w->left == 0) {
		if (reader_left(&w->r))
			w->error = K_CORRUPT_MESSAGE;
		return false;
	}
	w->left--;
	if (read_record(w, out))
		return true;
	w->error = K_CORRUPT_MESSAGE;
	return false;
}

void batch_walk_close(struct batch_walk *w)
{
	buf_fini(&w->plain);
}
