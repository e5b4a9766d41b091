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
	if (once.n > 0) /* ApiVersionsRequest v0 has no bytes at all */
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
			for (int n = 0; n < unit_rounds(ROUNDS); n++)
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

		if (prng_below(p, 2))
			*at = (uint8_t)prng_next(p);
		else
			*at ^= (uint8_t)(1 << prng_below(p, 8));
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
	for (int n = 0; n < unit_rounds(MUTATIONS); n++) {
		const struct wire_type *t =
			kafka_messages[n % kafka_messages_n];
		int versions = t->max - t->min + 1;

		mutated_decode(t, (int16_t)(t->min + (int)prng_below(
			&p, (uint64_t)versions)), &p);
	}
}

/* ---- single facts -------------------------------------------------------- */

static struct bytes encode(struct buf *out, const struct wire_type *t,
			   int16_t version, const void *object)
{
	out->n = 0;
	wire_encode(out, t, version, object, NULL);
	return loan(out);
}

TEST(defaults_are_those_of_the_schema)
{
	struct fetch_request f;
	struct fetch_request_partition *p;
	struct metadata_request m;
	struct arena a = { 0 };

	wire_preset(&fetch_request_type, &f);
	ck_assert_int_eq(f.replica_id, -1);
	ck_assert_int_eq(f.max_bytes, INT32_MAX);
	ck_assert_int_eq(f.replica_state.replica_epoch, -1);
	ck_assert_int_eq(f.cluster_id.n, -1);
	ck_assert_int_eq(f.rack_id.n, 0);
	wire_preset(&metadata_request_type, &m);
	ck_assert(m.allow_auto_topic_creation);
	p = wire_new(&fetch_request_partition_type, 3, &a);
	ck_assert_int_eq(p[2].high_watermark, INT64_MAX);
	ck_assert_int_eq(p[2].current_leader_epoch, -1);
	ck_assert_ptr_null(wire_new(&fetch_request_partition_type, 0, &a));
	arena_fini(&a);
}

TEST(fields_absent_from_a_version_read_as_their_default)
{
	struct heartbeat_request h, back;
	struct buf out = { 0 };
	struct arena a = { 0 };

	wire_preset(&heartbeat_request_type, &h);
	h.group_id = STR("g");
	h.group_instance_id = STR("lost in version 2");
	ck_assert(decode(encode(&out, &heartbeat_request_type, 2, &h),
			 &heartbeat_request_type, 2, &back, &a));
	ck_assert(str_eq_c(back.group_id, "g"));
	ck_assert_int_eq(back.group_instance_id.n, -1);
	buf_fini(&out);
	arena_fini(&a);
}

/* KIP-482: a newer peer may add tagged fields anywhere */
TEST(unknown_tagged_fields_are_skipped)
{
	static const uint8_t in[] = {
		0, 0, 2,        /* no error, one api */
		0, 18, 0, 0, 0, 4, 1, 99, 3, 'a', 'b', 'c', /* unknown tag 99 */
		0, 0, 0, 7,     /* throttle */
		2,              /* two tags: */
		1, 8, 0, 0, 0, 0, 0, 0, 0, 5, /* 1: the epoch */
		77, 1, 0,       /* 77: unknown */
	};
	struct api_versions_response v;
	struct arena a = { 0 };

	ck_assert(decode((struct bytes){ in, sizeof(in) },
			 &api_versions_response_type, 3, &v, &a));
	ck_assert_int_eq(v.api_keys_n, 1);
	ck_assert_int_eq(v.api_keys[0].max_version, 4);
	ck_assert_int_eq(v.throttle_time_ms, 7);
	ck_assert_int_eq(v.finalized_features_epoch, 5);
	arena_fini(&a);
}

TEST(a_tagged_field_must_fill_its_size)
{
	static const uint8_t in[] = { 0, 0, 1, 0, 0, 0, 7,
				      1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0 };
	struct api_versions_response v;
	struct arena a = { 0 };

	ck_assert(!decode((struct bytes){ in, sizeof(in) },
			  &api_versions_response_type, 3, &v, &a));
	arena_fini(&a);
}

TEST(tagged_fields_with_their_default_are_not_written)
{
	struct api_versions_response v;
	struct buf out = { 0 };

	wire_preset(&api_versions_response_type, &v);
	/* error, no keys, throttle, no tags */
	ck_assert_int_eq(encode(&out, &api_versions_response_type, 3, &v).n,
			 2 + 1 + 4 + 1);
	v.zk_migration_ready = true;
	ck_assert_int_eq(encode(&out, &api_versions_response_type, 3, &v).n,
			 2 + 1 + 4 + 1 + 3);
	buf_fini(&out);
}

TEST(null_where_the_version_has_none_is_malformed)
{
	static const uint8_t null_topics[] = { 0xff, 0xff, 0xff, 0xff };
	struct metadata_request m;
	struct bytes in = { null_topics, 4 };
	struct arena a = { 0 };

	ck_assert(!decode(in, &metadata_request_type, 0, &m, &a));
	ck_assert(decode(in, &metadata_request_type, 1, &m, &a));
	ck_assert_int_eq(m.topics_n, -1);
	arena_fini(&a);
}

/*
 * Found by fuzzing: two groups "a" and "a\0b" were one to those who compare C
 * strings, and deleting one freed what the other still stood for.
 */
TEST(a_zero_in_a_text_is_malformed_in_bytes_it_is_not)
{
	static const uint8_t bad[] = { 0, 3, 'a', 0, 'b' };
	static const uint8_t good[] = { 0, 1, 'g', 0, 0, 0, 1, 0, 1, 'm',
					0, 0, 0, 1, 0, 1, 'm',
					0, 0, 0, 3, 'a', 0, 'b' };
	struct find_coordinator_request find;
	struct sync_group_request sync;
	struct reader r = reader_of(bad, sizeof(bad));
	struct arena a = { 0 };

	ck_assert(!wire_decode(&r, &find_coordinator_request_type, 0, &find,
			       &a));
	r = reader_of(good, sizeof(good));
	ck_assert(wire_decode(&r, &sync_group_request_type, 0, &sync, &a));
	ck_assert_int_eq(sync.assignments[0].assignment.n, 3);
	arena_fini(&a);
}

TEST(a_text_is_written_up_to_its_zero)
{
	struct find_coordinator_request find;
	struct buf out = { 0 };

	wire_preset(&find_coordinator_request_type, &find);
	find.key = STR("a\0b");
	wire_encode(&out, &find_coordinator_request_type, 0, &find, NULL);
	ck_assert_uint_eq(out.n, 3);
	ck_assert_mem_eq(out.p, "\0\1a", 3);
	buf_fini(&out);
}

TEST_ABORTS(writing_null_where_the_version_has_none_is_a_bug)
{
	struct metadata_request m;
	struct buf out = { 0 };

	wire_preset(&metadata_request_type, &m);
	m.topics_n = -1;
	wire_encode(&out, &metadata_request_type, 0, &m, NULL);
}

TEST(a_count_larger_than_the_input_allocates_nothing)
{
	static const uint8_t in[] = { 0x7f, 0xff, 0xff, 0xff, 0, 1, 'x' };
	struct metadata_request m;
	struct arena a = { 0 };

	ck_assert(!decode((struct bytes){ in, sizeof(in) },
			  &metadata_request_type, 1, &m, &a));
	ck_assert_uint_eq(a.bytes, 0);
	arena_fini(&a);
}

TEST(a_text_longer_than_the_protocol_allows_is_cut_at_a_character)
{
	struct api_versions_request v, back;
	struct buf text = { 0 }, out = { 0 };
	struct arena a = { 0 };

	for (int i = 0; i < 20000; i++)
		buf_put(&text, "\xc3\xa4", 2);
	wire_preset(&api_versions_request_type, &v);
	v.client_software_name = (struct str){ (char *)text.p, (int)text.n };
	ck_assert(decode(encode(&out, &api_versions_request_type, 3, &v),
			 &api_versions_request_type, 3, &back, &a));
	ck_assert_int_eq(back.client_software_name.n, 32766);
	buf_fini(&text);
	buf_fini(&out);
	arena_fini(&a);
}

TEST(records_from_elsewhere_leave_a_hole_and_a_note)
{
	struct fetch_response f;
	struct fetch_response_topic topic;
	struct fetch_response_partition part[2];
	struct splices sp = { 0 };
	struct buf out = { 0 }, whole = { 0 };
	uint8_t data[100];
	int file;

	memset(data, 'd', sizeof(data));
	wire_preset(&fetch_response_type, &f);
	wire_preset(&fetch_response_topic_type, &topic);
	for (int i = 0; i < 2; i++)
		wire_preset(&fetch_response_partition_type, &part[i]);
	f.responses = &topic;
	f.responses_n = 1;
	topic.partitions = part;
	topic.partitions_n = 2;
	part[0].records = (struct records){ data, sizeof(data), NULL };
	wire_encode(&whole, &fetch_response_type, 12, &f, NULL);
	part[0].records = (struct records){ NULL, sizeof(data), &file };
	wire_encode(&out, &fetch_response_type, 12, &f, &sp);
	ck_assert_int_eq(sp.n, 1);
	ck_assert_int_eq(sp.bytes, sizeof(data));
	ck_assert_ptr_eq(sp.v[0].ref, &file);
	ck_assert_uint_eq(out.n + sizeof(data), whole.n);
	ck_assert_mem_eq(out.p, whole.p, sp.v[0].at);
	ck_assert_mem_eq(out.p + sp.v[0].at,
			 whole.p + sp.v[0].at + sizeof(data),
			 out.n - sp.v[0].at);
	splices_fini(&sp);
	buf_fini(&out);
	buf_fini(&whole);
}

TEST(nullable_structs_are_pointers)
{
	struct describe_topic_partitions_request d, back;
	struct describe_topic_partitions_request_cursor cursor;
	const struct wire_type *t = &describe_topic_partitions_request_type;
	struct buf out = { 0 };
	struct arena a = { 0 };

	wire_preset(t, &d);
	ck_assert(decode(encode(&out, t, 0, &d), t, 0, &back, &a));
	ck_assert_ptr_null(back.cursor);
	wire_preset(&describe_topic_partitions_request_cursor_type, &cursor);
	cursor.topic_name = STR("t");
	cursor.partition_index = 3;
	d.cursor = &cursor;
	ck_assert(decode(encode(&out, t, 0, &d), t, 0, &back, &a));
	ck_assert_int_eq(back.cursor->partition_index, 3);
	buf_fini(&out);
	arena_fini(&a);
}

TEST(a_message_prints_one_field_per_line)
{
	struct metadata_request m;
	struct metadata_request_topic topic[2];
	struct buf out = { 0 };

	wire_preset(&metadata_request_type, &m);
	wire_preset(&metadata_request_topic_type, &topic[0]);
	wire_preset(&metadata_request_topic_type, &topic[1]);
	topic[0].name = STR("a\n\"b\"");
	topic[1].name = STR_NULL;
	m.topics = topic;
	m.topics_n = 2;
	wire_print(&out, &metadata_request_type, 10, &m);
	ck_assert_str_eq(buf_c(&out),
		"MetadataRequest v10\n"
		"\ttopics: 2\n"
		"\t- 0\n"
		"\t\ttopic_id: AAAAAAAAAAAAAAAAAAAAAA\n"
		"\t\tname: \"a\\x0a\\\"b\\\"\"\n"
		"\t- 1\n"
		"\t\ttopic_id: AAAAAAAAAAAAAAAAAAAAAA\n"
		"\t\tname: null\n"
		"\tallow_auto_topic_creation: true\n"
		"\tinclude_cluster_authorized_operations: false\n"
		"\tinclude_topic_authorized_operations: false\n");
	buf_fini(&out);
}
