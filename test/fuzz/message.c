/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: every message of the schema, requests and responses, in every
 * version. What was read is written and read again: twice the same bytes.
 *
 * input: which message u16, which version u8, the body
 */
#include <raftmq/wire.h>

#include "fuzz.h"

/* The codec's own promise is 64 times the body; here it is held twice, beside
 * two encodings and a print of it. */
size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)256 << 10) + 512 * n;
}

static void *decode(struct arena *a, const struct wire_type *t,
		    int16_t version, struct reader *r)
{
	size_t left = reader_left(r), before;
	void *object = arena_alloc(a, t->size);

	before = a->bytes;
	if (!wire_decode(r, t, version, object, a))
		object = NULL;
	must(a->bytes - before <= 64 * left);
	return object;
}

void fuzz_one(const uint8_t *p, size_t n)
{
	static struct buf one, two, text;
	static struct arena a;
	struct reader r = reader_of(p, n), again;
	const struct wire_type *t =
		kafka_messages[(uint16_t)read_i16(&r) % kafka_messages_n];
	uint8_t choice = read_u8(&r);
	int16_t version = (int16_t)(t->min + choice % (t->max - t->min + 1));
	void *object;

	arena_reset(&a);
	fuzz_clear(&one);
	fuzz_clear(&two);
	fuzz_clear(&text);
	object = decode(&a, t, version, &r);
	if (!object)
		return;
	wire_encode(&one, t, version, object, NULL);
	again = reader_of(one.p, one.n);
	object = decode(&a, t, version, &again);
	must(object && reader_left(&again) == 0);
	wire_encode(&two, t, version, object, NULL);
	must(fuzz_same(&one, &two));
	if (n < 1000)
		wire_print(&text, t, version, object);
}
