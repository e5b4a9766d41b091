/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole broker behind its sockets: frames of clients and of peers, any API in
 * any version, one after another; what they leave behind meets the next one.
 * Nothing stops it, every answer can be read by a client, and it costs no more
 * than it should.
 *
 * input: steps
 *   0, 1 length u16, frame   of a client (1: sums of batches are made right)
 *   2, 3 length u16, frame   of a broker, to the shard (2) or to thread 0 (3)
 *   4 u8                     so many times 40 ms pass
 */
#include "house.h"
#include "log_seal.h"

#define PRODUCE 0
#define PASS_MAX_MS 10000 /* of a whole input: time alone finds little */

/* A node at rest, its disk, the answers (DescribeConfigs tells all there is to
 * tell about a resource of five bytes). */
size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)24 << 20) + 4096 * n;
}

/* The batches of a Produce request, where they lie. */
static void seal_batches(uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	struct request_header h;
	struct produce_request in;
	struct arena a = { 0 };

	if (frame_read_request(&r, &h) && h.key == PRODUCE &&
	    h.version >= produce_request_type.min &&
	    h.version <= produce_request_type.max &&
	    wire_decode(&r, &produce_request_type, h.version, &in, &a))
		for (int32_t i = 0; i < in.topic_data_n; i++)
			for (int32_t k = 0;
			     k < in.topic_data[i].partition_data_n; k++) {
				struct records *x =
					&in.topic_data[i]
						 .partition_data[k].records;
				struct buf b = { .n = (size_t)max_of(x->n, 0) };

				if (!b.n) /* x->p may be NULL */
					continue;
				b.p = p + (x->p - p);
				log_seal("/.log", &b);
			}
	arena_fini(&a);
}

static bool step(struct house *h, struct reader *r, int64_t until)
{
	uint8_t kind = read_u8(r) % 5;
	struct bytes b;
	uint8_t *copy;
	bool ok;

	if (kind == 4) {
		house_pass(h, min_of(40 * (int64_t)read_u8(r),
				     until - h->now_ms));
		return true;
	}
	b = fuzz_take(r, (uint16_t)read_i16(r));
	copy = mem_dup(b.p, (size_t)b.n);
	if (kind == 1)
		seal_batches(copy, (size_t)b.n);
	b.p = copy;
	ok = house_send(h, kind != 3, b, kind < 2 ? -1 : 2);
	mem_free(copy);
	house_pass(h, 0);
	return ok;
}

void fuzz_one(const uint8_t *p, size_t n)
{
	static struct house h;
	struct reader r = reader_of(p, n);
	int64_t until;

	house_open(&h);
	until = h.now_ms + PASS_MAX_MS;
	for (int i = 0; i < 100 && reader_left(&r); i++)
		if (!step(&h, &r, until))
			break;
	house_pass(&h, 500);
	house_close(&h);
}
