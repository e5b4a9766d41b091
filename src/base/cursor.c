/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor: bytes that grow at the end, and bounded reading. Not a codec: what
 * the bytes mean stands in wire.
 *
 * 1. A reader never looks at or behind end; bad is set once and stays, and p
 *    does not move any more.
 * 2. A buf doubles: n appends cost O(n).
 */
#include <stdio.h>

#include <raftmq/base.h>

#define VARINT_MAX 10 /* bytes of the longest LEB128 of 64 bits */

void buf_fini(struct buf *b)
{
	mem_free(b->p);
	*b = (struct buf){ 0 };
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	if (__builtin_add_overflow(b->n, more, &need) || need > SIZE_MAX / 2)
		fatal("buffer too large: %zu and %zu bytes", b->n, more);
	if (need <= b->cap)
		return;
	cap = max_of(b->cap * 2, (size_t)64);
	cap = max_of(cap, need);
	b->p = mem_realloc(b->p, cap);
	b->cap = cap;
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
	uint8_t *p;

	buf_reserve(b, max_of(n, (size_t)1)); /* never NULL */
	p = b->p + b->n;
	b->n += n;
	return p;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n)
		memcpy(buf_grow(b, n), p, n);
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	*buf_grow(b, 1) = v;
}

void buf_put_i16(struct buf *b, int16_t v)
{
	put_be16(buf_grow(b, sizeof(v)), (uint16_t)v);
}

void buf_put_i32(struct buf *b, int32_t v)
{
	put_be32(buf_grow(b, sizeof(v)), (uint32_t)v);
}

void buf_put_i64(struct buf *b, int64_t v)
{
	put_be64(buf_grow(b, sizeof(v)), (uint64_t)v);
}

void buf_put_uvarint(struct buf *b, uint64_t v)
{
	uint8_t *p;
	size_t n = 0;

	buf_reserve(b, VARINT_MAX);
	p = b->p + b->n;
	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	b->n += n;
}

void buf_put_varint(struct buf *b, int64_t v)
{
	/* gcc and clang shift the sign in, as zigzag wants it */
	/* cppcheck-suppress shiftTooManyBitsSigned */
	buf_put_uvarint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	buf_reserve(b, (size_t)n + 1); /* the zero is written, not counted */
	vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
	va_end(again);
	b->n += (size_t)n;
}

const char *buf_c(struct buf *b)
{
	buf_reserve(b, 1);
	b->p[b->n] = '\0';
	return (const char *)b->p;
}

struct reader reader_of(const void *p, size_t n)
{
	static const uint8_t nothing[1];
	const uint8_t *at = p ? p : nothing;

	assert(p || n == 0);
	return (struct reader){ at, at + n, false };
}

size_t reader_left(const struct reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

const uint8_t *read_span(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p = p + n;
	return p;
}

uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = read_span(r, 1);

	return p ? *p : 0;
}

int16_t read_i16(struct reader *r)
{
	const uint8_t *p = read_span(r, 2);

	return p ? (int16_t)get_be16(p) : 0;
}

int32_t read_i32(struct reader *r)
{
	return (int32_t)read_u32(r);
}

uint32_t read_u32(struct reader *r)
{
	const uint8_t *p = read_span(r, 4);

	return p ? get_be32(p) : 0;
}

int64_t read_i64(struct reader *r)
{
	const uint8_t *p = read_span(r, 8);

	return p ? (int64_t)get_be64(p) : 0;
}

uint64_t read_uvarint(struct reader *r)
{
	size_t left = reader_left(r);
	size_t max = min_of(left, (size_t)VARINT_MAX);
	uint64_t v = 0;

	for (size_t i = 0; i < max; i++) {
		uint8_t byte = r->p[i];

		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (i == VARINT_MAX - 1 && byte > 1)
			break; /* more than 64 bits */
		r->p += i + 1;
		return v;
	}
	r->bad = true;
	return 0;
}

int64_t read_varint(struct reader *r)
{
	uint64_t v = read_uvarint(r);

	return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}
