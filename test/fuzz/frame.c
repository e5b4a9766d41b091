/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole frames behind their size: header and body, as they come off a socket.
 *
 * input: kind u8, then
 *   even  a request as a client sends it
 *   odd   key u8, version u8, a response as a broker sends it
 */
#include <raftmq/wire.h>

#include "fuzz.h"

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)256 << 10) + 256 * n;
}

static struct arena arena;
static struct buf one, two;

/* The body is read to wherever it ends, and written. */
static bool body(struct reader *r, const struct wire_type *t, int16_t version,
		 struct buf *out)
{
	void *object = arena_alloc(&arena, t->size);

	if (!wire_decode(r, t, version, object, &arena))
		return false;
	wire_encode(out, t, version, object, NULL);
	return true;
}

static bool has_version(const struct wire_type *t, int16_t version)
{
	return version >= t->min && version <= t->max;
}

static bool request(struct reader *r, struct request_header *h, struct buf *out)
{
	const struct wire_api *api;
	size_t at;

	if (!frame_read_request(r, h)) {
		must(h->client_id.n == -1);
		return false;
	}
	api = wire_api_find(h->key);
	if (!api || !has_version(api->request, h->version))
		return false;
	at = frame_begin_request(out, h);
	if (!body(r, api->request, h->version, out))
		return false;
	frame_end(out, at, 0);
	return true;
}

static void try_request(struct reader *r)
{
	struct request_header h, g;
	struct reader again;

	if (!request(r, &h, &one))
		return;
	must(get_be32(one.p) == one.n - 4);
	again = reader_of(one.p + 4, one.n - 4);
	must(request(&again, &g, &two));
	must(reader_left(&again) == 0);
	must(g.key == h.key && g.version == h.version &&
	     g.correlation_id == h.correlation_id &&
	     str_eq(g.client_id, h.client_id));
	must(fuzz_same(&one, &two));
}

static bool response(struct reader *r, const struct wire_api *api,
		     int16_t version, struct buf *out)
{
	int32_t id;
	size_t at;

	if (!frame_read_response(r, api->key, version, &id))
		return false;
	at = frame_begin_response(out, api->key, version, id);
	if (!body(r, api->response, version, out))
		return false;
	frame_end(out, at, 0);
	return true;
}

static void try_response(struct reader *r)
{
	const struct wire_api *api = wire_api_find(read_u8(r));
	int16_t version = read_u8(r);
	struct reader again;

	if (!api || !has_version(api->response, version) ||
	    !response(r, api, version, &one))
		return;
	again = reader_of(one.p + 4, one.n - 4);
	must(response(&again, api, version, &two));
	must(reader_left(&again) == 0 && fuzz_same(&one, &two));
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);

	arena_reset(&arena);
	fuzz_clear(&one);
	fuzz_clear(&two);
	if (read_u8(&r) & 1)
		try_response(&r);
	else
		try_request(&r);
}
