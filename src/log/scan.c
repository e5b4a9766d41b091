/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: the batches of a file, one after another, through a small window. Not
 * a check of what is inside them: the caller asks for the CRC if it matters.
 * May run on a pool thread: it touches its own memory and the file.
 */
#include "log_internal.h"

#define SCAN_CHUNK ((size_t)8 << 10)
#define SCAN_CHUNK_WHOLE ((size_t)256 << 10)

void scan_open(struct scan *s, struct disk *d, struct file *f, int64_t from,
	       int64_t to)
{
	memset(s, 0, sizeof(*s));
	s->disk = d;
	s->file = f;
	s->pos = from;
	s->end = to;
	s->chunk = SCAN_CHUNK;
	s->offset = -1;
}

void scan_close(struct scan *s)
{
	buf_fini(&s->buf);
}

/* The n bytes at pos, in the window; NULL with *error when they are not. */
static const uint8_t *window(struct scan *s, int64_t pos, size_t n, int *error)
{
	size_t want;
	int64_t got;

	if (pos >= s->at && pos + (int64_t)n <= s->at + (int64_t)s->buf.n)
		return s->buf.p + (pos - s->at);
	want = max_of(n, s->chunk);
	if ((int64_t)want > s->end - pos)
		want = (size_t)(s->end - pos);
	s->buf.n = 0;
	s->at = pos;
	buf_reserve(&s->buf, want);
	got = s->disk->ops->read(s->file, pos, s->buf.p, want, s->nowait);
	if (got < 0) {
		*error = (int)got;
		return NULL;
	}
	s->buf.n = (size_t)got;
	if ((size_t)got >= n)
		return s->buf.p;
	*error = -EBADMSG; /* the file is shorter than it should be */
	return NULL;
}

static int next(struct scan *s, bool whole)
{
	const uint8_t *p;
	int error = 0;

	if (s->pos >= s->end)
		return 0;
	if (s->end - s->pos < BATCH_HEADER_SIZE)
		return -EBADMSG;
	p = window(s, s->pos, BATCH_HEADER_SIZE, &error);
	if (!p)
		return error;
	if (batch_peek(p, BATCH_HEADER_SIZE, &s->batch) != K_NONE ||
	    s->batch.size < BATCH_HEADER_SIZE ||
	    s->batch.size > s->end - s->pos)
		return -EBADMSG;
	if (s->offset >= 0 && (s->batch.base_offset != s->offset ||
			       s->batch.last_offset_delta < 0))
		return -EBADMSG;
	if (whole) {
		p = window(s, s->pos, (size_t)s->batch.size, &error);
		if (!p)
			return error;
		s->batch.p = p;
	}
	s->batch_pos = s->pos;
	s->pos += s->batch.size;
	if (s->offset >= 0)
		s->offset = batch_next_offset(&s->batch);
	return 1;
}

int scan_next(struct scan *s)
{
	return next(s, false);
}

int scan_next_whole(struct scan *s)
{
	s->chunk = SCAN_CHUNK_WHOLE;
	return next(s, true);
}

int scan_seek(struct scan *s)
{
	s->chunk = SCAN_CHUNK_WHOLE;
	while (s->end - s->pos >= BATCH_HEADER_SIZE) {
		int error = 0;
		const uint8_t *p = window(s, s->pos, BATCH_HEADER_SIZE, &error);
		size_t n;

		if (!p)
			return error;
		n = s->buf.n - (size_t)(p - s->buf.p) - BATCH_MAGIC_AT;
		p += BATCH_MAGIC_AT;
		p = memchr(p, BATCH_MAGIC, n);
		if (p) {
			s->pos = s->at + (p - s->buf.p) - BATCH_MAGIC_AT;
			return 1;
		}
		s->pos += (int64_t)n;
	}
	return 0;
}
