/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: see hello.h. Not a secret: who may dial is a matter of the network,
 * and of what the listener knows of the cluster.
 */
#include "hello.h"

static const char magic[4] = { 'R', 'M', 'Q', 'P' };

static size_t begin(struct buf *out)
{
	size_t at = out->n;

	buf_put_i32(out, 0);
	buf_put(out, magic, sizeof(magic));
	buf_put_i16(out, HELLO_VERSION);
	return at;
}

static void end(struct buf *out, size_t at)
{
	put_be32(out->p + at, (uint32_t)(out->n - at - 4));
}

static void put_str(struct buf *out, struct str s)
{
	int16_t n = (int16_t)min_of(max_of(s.n, 0), 512);

	buf_put_i16(out, n);
	buf_put(out, s.p, (size_t)n);
}

static struct uuid get_uuid(struct reader *r)
{
	const uint8_t *p = read_span(r, 16);
	struct uuid u = { { 0 } };

	if (p)
		memcpy(u.b, p, 16);
	return u;
}

static struct str get_str(struct reader *r)
{
	int16_t n = read_i16(r);
	const uint8_t *p;

	if (n < 0)
		r->bad = true;
	p = r->bad ? NULL : read_span(r, (size_t)n);
	return (struct str){ (const char *)p, p ? n : 0 };
}

static bool is_ours(struct reader *r)
{
	const uint8_t *p = read_span(r, sizeof(magic));

	return p && !memcmp(p, magic, sizeof(magic)) &&
	       read_i16(r) == HELLO_VERSION;
}

void hello_encode(struct buf *out, const struct hello *h)
{
	size_t at = begin(out);

	buf_put(out, h->cluster.b, 16);
	buf_put_i32(out, h->node);
	buf_put(out, h->incarnation.b, 16);
	buf_put_u8(out, (uint8_t)h->purpose);
	buf_put_i16(out, h->thread);
	buf_put_i16(out, h->shards);
	buf_put_u8(out, h->joins);
	put_str(out, h->address);
	end(out, at);
}

bool hello_decode(const uint8_t *body, size_t n, struct hello *h)
{
	struct reader r = reader_of(body, n);

	*h = (struct hello){ 0 };
	if (!is_ours(&r))
		return false;
	h->cluster = get_uuid(&r);
	h->node = read_i32(&r);
	h->incarnation = get_uuid(&r);
	h->purpose = read_u8(&r);
	h->thread = read_i16(&r);
	h->shards = read_i16(&r);
	h->joins = read_u8(&r) != 0;
	h->address = get_str(&r);
	return !r.bad && h->node >= 0 && h->purpose >= HELLO_QUORUM &&
	       h->purpose <= HELLO_JOIN && h->thread >= 0 && h->shards > 0;
}

void hello_answer_encode(struct buf *out, const struct hello_answer *a)
{
	size_t at = begin(out);

	buf_put_i16(out, (int16_t)a->error);
	buf_put_i32(out, a->node);
	buf_put(out, a->cluster.b, 16);
	buf_put_i16(out, a->shards);
	put_str(out, a->text);
	end(out, at);
}

bool hello_answer_decode(const uint8_t *body, size_t n, struct hello_answer *a)
{
	struct reader r = reader_of(body, n);
	int16_t error;

	*a = (struct hello_answer){ 0 };
	if (!is_ours(&r))
		return false;
	error = read_i16(&r);
	a->error = error >= 0 && error <= HELLO_TRY_AGAIN
			   ? (enum hello_error)error : HELLO_MALFORMED;
	a->node = read_i32(&r);
	a->cluster = get_uuid(&r);
	a->shards = read_i16(&r);
	a->text = get_str(&r);
	return !r.bad;
}
