/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/base.h>

#include "unit.h"

TEST(buf_writes_big_endian)
{
	static const uint8_t want[] = { 0xfe, 0xff, 0xfe, 0x01, 0x02, 0x03,
					0x04, 0,    0,    0,    0,    0,
					0,    0x12, 0x34 };
	struct buf b = { 0 };

	buf_put_u8(&b, 0xfe);
	buf_put_i16(&b, -2);
	buf_put_i32(&b, 0x01020304);
	buf_put_i64(&b, 0x1234);
	ck_assert_uint_eq(b.n, sizeof(want));
	ck_assert_mem_eq(b.p, want, sizeof(want));
	buf_fini(&b);
	ck_assert_ptr_null(b.p);
}

TEST(reader_reads_what_buf_wrote)
{
	struct buf b = { 0 };
	struct reader r;

	buf_put_u8(&b, 200);
	buf_put_i16(&b, INT16_MIN);
	buf_put_i32(&b, INT32_MIN);
	buf_put_i32(&b, -1);
	buf_put_i64(&b, INT64_MIN);
	buf_put(&b, "xyz", 3);
	r = reader_of(b.p, b.n);
	ck_assert_uint_eq(read_u8(&r), 200);
	ck_assert_int_eq(read_i16(&r), INT16_MIN);
	ck_assert_int_eq(read_i32(&r), INT32_MIN);
	ck_assert_uint_eq(read_u32(&r), UINT32_MAX);
	ck_assert_int_eq(read_i64(&r), INT64_MIN);
	ck_assert_mem_eq(read_span(&r, 3), "xyz", 3);
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(!r.bad);
	buf_fini(&b);
}

TEST(reader_stays_bad_once_something_did_not_fit)
{
	struct reader r = reader_of("\1\2\3", 3);

	ck_assert_int_eq(read_i32(&r), 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(read_u8(&r), 0);
	ck_assert_ptr_null(read_span(&r, 0));
	ck_assert_uint_eq(reader_left(&r), 0);
}

TEST(reader_of_nothing_is_empty_not_bad)
{
	struct reader r = reader_of(NULL, 0);

	ck_assert_ptr_nonnull(read_span(&r, 0));
	ck_assert(!r.bad);
	ck_assert_uint_eq(read_uvarint(&r), 0);
	ck_assert(r.bad);
}

TEST(varint_round_trips_at_every_length)
{
	struct buf b = { 0 };
	struct reader r;

	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t d = 0; d < 3; d++) {
			uint64_t v = ((uint64_t)1 << bit) + d - 1;

			buf_put_uvarint(&b, v);
			buf_put_varint(&b, (int64_t)v);
			buf_put_varint(&b, -(int64_t)(v >> 1));
		}
	r = reader_of(b.p, b.n);
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t d = 0; d < 3; d++) {
			uint64_t v = ((uint64_t)1 << bit) + d - 1;

			ck_assert_uint_eq(read_uvarint(&r), v);
			ck_assert_int_eq(read_varint(&r), (int64_t)v);
			ck_assert_int_eq(read_varint(&r), -(int64_t)(v >> 1));
		}
	ck_assert(!r.bad);
	ck_assert_uint_eq(reader_left(&r), 0);
	buf_fini(&b);
}

TEST(varint_is_zigzag)
{
	struct buf b = { 0 };

	buf_put_varint(&b, -1);
	buf_put_varint(&b, 1);
	buf_put_varint(&b, -65);
	ck_assert_uint_eq(b.n, 4);
	ck_assert_mem_eq(b.p, "\x01\x02\x81\x01", 4);
	buf_fini(&b);
}

TEST(uvarint_of_more_than_64_bits_is_bad)
{
	static const char max[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	static const char over[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
	static const char endless[] =
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
	struct reader r = reader_of(max, sizeof(max) - 1);

	ck_assert_uint_eq(read_uvarint(&r), UINT64_MAX);
	ck_assert(!r.bad);
	r = reader_of(over, sizeof(over) - 1);
	ck_assert_uint_eq(read_uvarint(&r), 0);
	ck_assert(r.bad);
	r = reader_of(endless, sizeof(endless) - 1);
	ck_assert_uint_eq(read_uvarint(&r), 0);
	ck_assert(r.bad);
	r = reader_of(max, 5); /* cut */
	ck_assert_uint_eq(read_uvarint(&r), 0);
	ck_assert(r.bad);
}

TEST(buf_c_terminates_without_counting)
{
	struct buf b = { 0 };

	ck_assert_str_eq(buf_c(&b), "");
	buf_printf(&b, "%s=%d", "a", 1);
	buf_printf(&b, ",%0200d", 5);
	ck_assert_uint_eq(b.n, 204);
	ck_assert_uint_eq(strlen(buf_c(&b)), 204);
	buf_fini(&b);
}
