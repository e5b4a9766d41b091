/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every message in every version. */
#include <raftmq/wire.h>

#include "random_message.h"
#include "unit.h"

#define ROUNDS 12
#define MUTATIONS 100000

static bool decode(struct bytes in, const struct wire_type *t, int16_t version,
		   void *object, struct arena *a)
{
	struct reader r = reader_of(in.p, (size_t)in.n);

	return wire_decode(&r, t, version, object, a) && reader_left(&r) == 0;
}

static struct bytes loan(const struct buf *b)
{
	return (struct bytes){ b->p, (int32_t)b->n };
}

static void round_trip(const struct wire_type *t, int16_t version,
		       struct prng *p)
{
	struct buf once = { 0 }, twice = { 0 }, before = { 0 }, after = { 0 };
	struct arena a = { 0 };
	void *object = mem_alloc(t->size);

	random_message(t, version, object, &a, p);
	wire_encode(&once, t, version, object, NULL);
	wire_print(&before, t, version, object);
	arena_reset(&a);
	ck_assert_msg(decode(loan(&once), t, version, object, &a),
		      "%s v%d does not decode", t->name, version);
	ck_assert_msg(a.bytes <= 64 * once.n, "%s v%d: %zu bytes cost %zu",
		      t->name, version, once.n, a.bytes);
	wire_print(&after, t, version, object);
	ck_assert_str_eq(buf_c(&before), buf_c(&after));
	wire_encode(&twice, t, version, object, NULL);
	ck_assert_uint_eq(once.n, twice.n);
	ck_assert_mem_eq(once.p, twice.p, once.n);
	arena_fini(&a);
	buf_fini(&once);
	buf_fini(&twice);
	buf_fini(&before);
	buf_fini(&after);
	mem_free(object);
}

TEST(every_message_in_every_version_survives_a_round_trip)
{
	struct prng p;

	prng_init(&p, 1);
	for (int i = 0; i < kafka_messages_n; i++) {
		const struct wire_type *t = kafka_messages[i];

		for (int16_t v = t->min; v <= t->max; v++)
			for (int n = 0; n < ROUNDS; n++)
				round_trip(t, v, &p);
	}
}

/* The shortest encoding of an element decides what memory it can claim. */
static void check_cost(const struct wire_type *t, int16_t version)
{
	void *object = mem_alloc(t->size);
	struct buf out = { 0 };

	wire_preset(t, object);
	wire_encode(&out, t, version, object, NULL);
	ck_assert_msg(t->size <= 64 * out.n, "%s v%d: %zu bytes cost %zu",
		      t->name, version, out.n, t->size);
	buf_fini(&out);
	mem_free(object);
}

static void check_costs(const struct wire_type *t, int16_t version)
{
	for (uint16_t i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];

		if (f->kind != WIRE_STRUCT || version < f->min ||
		    version > f->max)
			continue;
		if (f->array || f->null_min <= f->null_max)
			check_cost(f->type, version);
		check_costs(f->type, version);
	}
}

TEST(no_valid_element_needs_more_memory_than_its_bytes_pay_for)
{
	for (int i = 0; i < kafka_messages_n; i++) {
		const struct wire_type *t = kafka_messages[i];

		for (int16_t v = t->min; v <= t->max; v++)
			check_costs(t, v);
	}
}

static void mutate(struct buf *b, struct prng *p)
{
	unsigned changes = (unsigned)prng_below(p, 4);

	if (prng_below(p, 3) == 0)
		b->n = prng_below(p, b->n + 1);
	for (unsigned i = 0; i < changes && b->n > 0; i++) {
		uint8_t *at = &b->p[prng_below(p, b->n)];

		*at = prng_below(p, 2) ? (uint8_t)prng_next(p) :
					 (uint8_t)(*at ^ (1 << prng_below(p, 8)));
	}
}

static void mutated_decode(const struct wire_type *t, int16_t version,
			   struct prng *p)
{
	struct arena a = { 0 };
	struct buf out = { 0 }, text = { 0 };
	void *object = mem_alloc(t->size);
	uint8_t *exact;
	bool ok;

	random_message(t, version, object, &a, p);
	wire_encode(&out, t, version, object, NULL);
	mutate(&out, p);
	exact = mem_dup(out.p, out.n); /* so that reading too far is seen */
	arena_reset(&a);
	ok = decode((struct bytes){ exact, (int32_t)out.n }, t, version, object,
		    &a);
	ck_assert_uint_le(a.bytes, 64 * out.n);
	if (ok)
		wire_print(&text, t, version, object);
	arena_fini(&a);
	mem_free(exact);
	buf_fini(&text);
	buf_fini(&out);
	mem_free(object);
}

TEST(damaged_bytes_neither_crash_nor_cost_more_than_64_times_their_size)
{
	struct prng p;

	prng_init(&p, 2);
	for (int n = 0; n < MUTATIONS; n++) {
		const struct wire_type *t =
			kafka_messages[n % kafka_messages_n];
		int versions = t->max - t->min + 1;

		mutated_decode(t, (int16_t)(t->min + (int)prng_below(
			&p, (uint64_t)versions)), &p);
	}
}
