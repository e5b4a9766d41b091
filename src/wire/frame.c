/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame: sizes and headers around the bodies. Request header v1 is key,
 * version, correlation id and client id; v2 adds tags and keeps the client id
 * as it was (KIP-482). Response header v0 is the correlation id, v1 adds tags.
 *
 * Nothing here looks at a body.
 */
#include <raftmq/wire.h>

#define API_VERSIONS 18

const struct wire_api *wire_api_find(int16_t key)
{
	if (key < 0 || key >= kafka_apis_n || !kafka_apis[key].name)
		return NULL;
	return &kafka_apis[key];
}

static bool request_is_flexible(int16_t key, int16_t version)
{
	const struct wire_api *api = wire_api_find(key);

	return api && wire_is_flexible(api->request, version);
}

static bool response_is_flexible(int16_t key, int16_t version)
{
	const struct wire_api *api = wire_api_find(key);

	/* KIP-511: a client must be able to read it before it knows */
	return key != API_VERSIONS && api &&
	       wire_is_flexible(api->response, version);
}

static void skip_tags(struct reader *r)
{
	uint64_t n = read_uvarint(r);

	for (uint64_t i = 0; i < n && !r->bad; i++) {
		(void)read_uvarint(r);
		(void)read_span(r, read_uvarint(r));
	}
}

/* A text like those of the codec: without a zero. */
static struct str read_client_id(struct reader *r)
{
	int16_t n = read_i16(r);
	const char *p;

	if (n < -1)
		r->bad = true;
	if (n < 0 || r->bad)
		return STR_NULL;
	p = (const char *)read_span(r, (size_t)n);
	if (p && memchr(p, 0, (size_t)n))
		r->bad = true;
	return (struct str){ p, n };
}

bool frame_read_request(struct reader *r, struct request_header *h)
{
	h->key = read_i16(r);
	h->version = read_i16(r);
	h->correlation_id = read_i32(r);
	h->client_id = read_client_id(r);
	if (request_is_flexible(h->key, h->version))
		skip_tags(r);
	if (r->bad)
		h->client_id = STR_NULL;
	return !r->bad;
}

bool frame_read_response(struct reader *r, int16_t key, int16_t version,
			 int32_t *correlation_id)
{
	*correlation_id = read_i32(r);
	if (response_is_flexible(key, version))
		skip_tags(r);
	return !r->bad;
}

size_t frame_begin_request(struct buf *out, const struct request_header *h)
{
	size_t begin = out->n;

	buf_put_i32(out, 0);
	buf_put_i16(out, h->key);
	buf_put_i16(out, h->version);
	buf_put_i32(out, h->correlation_id);
	buf_put_i16(out, (int16_t)h->client_id.n);
	if (h->client_id.n > 0)
		buf_put(out, h->client_id.p, (size_t)h->client_id.n);
	if (request_is_flexible(h->key, h->version))
		buf_put_uvarint(out, 0);
	return begin;
}

size_t frame_begin_response(struct buf *out, int16_t key, int16_t version,
			    int32_t correlation_id)
{
	size_t begin = out->n;

	buf_put_i32(out, 0);
	buf_put_i32(out, correlation_id);
	if (response_is_flexible(key, version))
		buf_put_uvarint(out, 0);
	return begin;
}

void frame_end(struct buf *out, size_t begin, int64_t spliced_bytes)
{
	int64_t n = (int64_t)(out->n - begin - 4) + spliced_bytes;

	assert(n >= 0 && n <= INT32_MAX);
	put_be32(out->p + begin, (uint32_t)n);
}
