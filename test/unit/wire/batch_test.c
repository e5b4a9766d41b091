/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c: headers, and every fault that a client's batch can have */
#include "batch.h"
#include "unit.h"

static struct batch_builder builder;

/* A correct batch of three records. */
static uint8_t *make(enum codec codec, size_t *n)
{
	struct bytes key = { (const uint8_t *)"key", 3 };
	struct bytes value = { (const uint8_t *)"some value", 10 };
	struct bytes out;

	batch_build_begin(&builder, codec);
	for (int i = 0; i < 3; i++)
		batch_build_add(&builder, 1000 + i, key, value, NULL);
	out = batch_build_end(&builder, 7, 1, 20);
	*n = (size_t)out.n;
	return builder.out.p;
}

TEST(batch_peek_reads_every_field)
{
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	batch_stamp(p, 5000000000, 42);
	ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
	ck_assert_ptr_eq(b.p, p);
	ck_assert_uint_eq((size_t)b.size, n);
	ck_assert_int_eq(b.base_offset, 5000000000);
	ck_assert_int_eq(b.leader_epoch, 42);
	ck_assert_int_eq(b.attributes, 0);
	ck_assert_int_eq(b.last_offset_delta, 2);
	ck_assert_int_eq(b.base_timestamp, 1000);
	ck_assert_int_eq(b.max_timestamp, 1002);
	ck_assert_int_eq(b.producer_id, 7);
	ck_assert_int_eq(b.producer_epoch, 1);
	ck_assert_int_eq(b.base_sequence, 20);
	ck_assert_int_eq(b.count, 3);
	ck_assert_int_eq(batch_last_offset(&b), 5000000002);
	ck_assert_int_eq(batch_next_offset(&b), 5000000003);
	ck_assert(batch_crc_ok(&b));
	batch_build_fini(&builder);
}

TEST(batch_peek_looks_at_the_header_only)
{
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);
	uint8_t *header = mem_dup(p, BATCH_HEADER_SIZE);

	ck_assert_int_eq(batch_peek(header, BATCH_HEADER_SIZE, &b), K_NONE);
	ck_assert_uint_eq((size_t)b.size, n);
	ck_assert_int_eq(batch_peek(header, BATCH_HEADER_SIZE - 1, &b),
			 K_CORRUPT_MESSAGE);
	ck_assert_int_eq(batch_peek(header, 0, &b), K_CORRUPT_MESSAGE);
	mem_free(header);
	batch_build_fini(&builder);
}

TEST(batch_peek_refuses_other_formats_and_lengths)
{
	static const struct {
		int32_t length;
		enum kerr err;
	} cases[] = {
		{ 48, K_CORRUPT_MESSAGE }, { 49, K_NONE },
		{ 0, K_CORRUPT_MESSAGE },  { -1, K_CORRUPT_MESSAGE },
		{ INT32_MIN, K_CORRUPT_MESSAGE },
		{ INT32_MAX, K_CORRUPT_MESSAGE },
		{ INT32_MAX - 11, K_CORRUPT_MESSAGE },
		{ INT32_MAX - 12, K_NONE },
	};
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	for (size_t i = 0; i < countof(cases); i++) {
		put_be32(p + 8, (uint32_t)cases[i].length);
		ck_assert_int_eq(batch_peek(p, n, &b), cases[i].err);
	}
	for (int magic = 0; magic < 256; magic++) {
		p[16] = (uint8_t)magic;
		put_be32(p + 8, (uint32_t)n - 12);
		ck_assert_int_eq(batch_peek(p, n, &b),
				 magic < 2 ? K_UNSUPPORTED_FOR_MESSAGE_FORMAT :
				 magic > 2 ? K_CORRUPT_MESSAGE : K_NONE);
	}
	p[16] = 1; /* an old message may be shorter than our header */
	ck_assert_int_eq(batch_peek(p, 26, &b),
			 K_UNSUPPORTED_FOR_MESSAGE_FORMAT);
	batch_build_fini(&builder);
}

TEST(batch_crc_covers_attributes_to_end_and_nothing_before)
{
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	for (size_t i = 0; i < n; i++) {
		bool covered = i >= 17;

		if (i >= 8 && i < 12) /* the length itself */
			continue;
		p[i] ^= 0x10;
		if (i != 16 && i != 21) {
			ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
			ck_assert_int_eq(batch_crc_ok(&b), !covered);
		}
		p[i] ^= 0x10;
	}
	batch_build_fini(&builder);
}

TEST(batch_append_time_is_stamped_with_its_checksum)
{
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	batch_stamp_append_time(p, 777777);
	ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
	ck_assert(batch_crc_ok(&b));
	ck_assert_int_eq(b.attributes, BATCH_LOG_APPEND_TIME);
	ck_assert_int_eq(b.max_timestamp, 777777);
	ck_assert_int_eq(b.base_timestamp, 1000);
	batch_build_fini(&builder);
}

/* ---- batch_check_client -------------------------------------------------- */

struct fault {
	const char *why; /* NULL: no fault */
	size_t at;
	unsigned size;
	int64_t value;
	enum kerr err;
};

/* Sources: LogValidator and UnifiedLog of Apache Kafka 4.2 by behaviour; the
 * epochs and sequences beside pid -1 are what sarama and kafkajs send. */
static const struct fault faults[] = {
	{ NULL, 0, 0, 0, K_NONE },
	{ NULL, 12, 4, 99, K_NONE },		   /* leader epoch */
	{ NULL, 35, 8, 5, K_NONE },		   /* max below base time */
	{ NULL, 27, 8, -1, K_NONE },		   /* no timestamp */
	{ "unknown codec", 21, 2, 5, K_UNSUPPORTED_COMPRESSION_TYPE },
	{ "unknown codec", 21, 2, 7, K_UNSUPPORTED_COMPRESSION_TYPE },
	{ "clients may not set log-append time", 21, 2, 0x08,
	  K_INVALID_TIMESTAMP },
	{ "timestamp is negative", 27, 8, -2, K_INVALID_TIMESTAMP },
	{ "timestamp is negative", 35, 8, INT64_MIN, K_INVALID_TIMESTAMP },
	{ "unknown attribute bits", 21, 2, 0x80, K_INVALID_RECORD },
	{ "unknown attribute bits", 21, 2, -0x8000, K_INVALID_RECORD },
	{ "clients may not write control batches", 21, 2, 0x20,
	  K_INVALID_RECORD },
	{ "clients may not write control batches", 21, 2, 0x30,
	  K_INVALID_RECORD },
	{ "clients may not set a delete horizon", 21, 2, 0x40,
	  K_INVALID_RECORD },
	{ NULL, 21, 2, 0x10, K_NONE },
	{ "base offset of a client's batch is not 0", 0, 8, 1,
	  K_INVALID_RECORD },
	{ "base offset of a client's batch is not 0", 0, 8, -1,
	  K_INVALID_RECORD },
	{ "record count is not positive", 57, 4, 0, K_INVALID_RECORD },
	{ "record count is not positive", 57, 4, -3, K_INVALID_RECORD },
	{ "last offset delta is negative", 23, 4, -1, K_INVALID_RECORD },
	{ "last offset delta is negative", 23, 4, INT32_MIN,
	  K_INVALID_RECORD },
	{ "record count does not match last offset delta", 23, 4, 3,
	  K_INVALID_RECORD },
	{ "record count does not match last offset delta", 57, 4, INT32_MAX,
	  K_INVALID_RECORD },
	{ "producer id is negative", 43, 8, -2, K_INVALID_RECORD },
	{ "producer id without an epoch", 51, 2, -1, K_INVALID_RECORD },
	{ "producer id without a sequence", 53, 4, -1, K_INVALID_RECORD },
	{ NULL, 43, 8, -1, K_NONE }, /* pid -1 with epoch 1, sequence 20 */
};

static void patch(uint8_t *p, size_t at, unsigned size, int64_t value)
{
	switch (size) {
	case 2:
		put_be16(p + at, (uint16_t)value);
		break;
	case 4:
		put_be32(p + at, (uint32_t)value);
		break;
	case 8:
		put_be64(p + at, (uint64_t)value);
		break;
	default:
		break;
	}
}

static void check(uint8_t *p, size_t n, enum kerr err, const char *want)
{
	const char *why = "untouched";
	struct batch b;

	batch_seal(p, (int32_t)n);
	ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
	ck_assert_int_eq(batch_check_client(&b, 1000, &why), err);
	if (want)
		ck_assert_str_eq(why, want);
	else
		ck_assert_ptr_null(why);
}

TEST_TIMES(batch_fault_is_named, (int)countof(faults))
{
	const struct fault *f = &faults[_i];
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	patch(p, f->at, f->size, f->value);
	check(p, n, f->err, f->why);
	batch_build_fini(&builder);
}

TEST(batch_fault_of_two_fields_is_named)
{
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	patch(p, 43, 8, -1);
	patch(p, 21, 2, BATCH_TRANSACTIONAL);
	check(p, n, K_INVALID_RECORD,
	      "transactional batch without a producer id");
	p = make(CODEC_NONE, &n);
	patch(p, 23, 4, 99);
	patch(p, 57, 4, 100);
	check(p, n, K_INVALID_RECORD,
	      "too few bytes for the number of records");
	p = make(CODEC_NONE, &n);
	patch(p, 8, 4, 61 - 12);
	check(p, 61, K_INVALID_RECORD, "no bytes where the records should be");
	patch(p, 21, 2, CODEC_ZSTD);
	check(p, 61, K_INVALID_RECORD, "no bytes where the records should be");
	batch_build_fini(&builder);
}

TEST(batch_of_exactly_the_largest_size_is_fine)
{
	const char *why;
	struct batch b;
	size_t n;
	uint8_t *p = make(CODEC_NONE, &n);

	ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
	ck_assert_int_eq(batch_check_client(&b, (int32_t)n, &why), K_NONE);
	ck_assert_int_eq(batch_check_client(&b, (int32_t)n - 1, &why),
			 K_MESSAGE_TOO_LARGE);
	ck_assert_str_eq(why, "batch is larger than the topic allows");
	batch_build_fini(&builder);
}

/* A damaged batch is retriable, whatever the damage looks like. */
TEST(batch_damage_is_never_the_clients_fault)
{
	size_t n;
	uint8_t *p = make(CODEC_GZIP, &n);

	for (size_t bit = 17 * 8; bit < n * 8; bit++) {
		const char *why;
		struct batch b;

		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(batch_peek(p, n, &b), K_NONE);
		ck_assert_int_eq(batch_check_client(&b, 1000, &why),
				 K_CORRUPT_MESSAGE);
		ck_assert_str_eq(why, "checksum does not match");
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	batch_build_fini(&builder);
}
