/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/wire.h>

#include "unit.h"

static struct reader behind_size(const struct buf *b)
{
	ck_assert_uint_eq(get_be32(b->p), b->n - 4);
	return reader_of(b->p + 4, b->n - 4);
}

static void check_request(int16_t key, int16_t version, struct str client_id)
{
	struct request_header h = { key, version, 77, client_id }, back;
	struct buf out = { 0 };
	struct reader r;
	size_t begin = frame_begin_request(&out, &h);

	frame_end(&out, begin, 0);
	r = behind_size(&out);
	ck_assert(frame_read_request(&r, &back));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert_int_eq(back.key, key);
	ck_assert_int_eq(back.version, version);
	ck_assert_int_eq(back.correlation_id, 77);
	ck_assert(str_eq(back.client_id, client_id));
	buf_fini(&out);
}

TEST(request_headers_of_every_api_and_version_survive_a_round_trip)
{
	for (int16_t key = 0; key < kafka_apis_n; key++) {
		const struct wire_api *api = wire_api_find(key);

		if (!api)
			continue;
		ck_assert_int_eq(api->key, key);
		ck_assert_int_eq(api->request->key, key);
		ck_assert_int_eq(api->response->key, key);
		ck_assert_int_eq(api->request->min, api->response->min);
		ck_assert_int_eq(api->request->max, api->response->max);
		for (int16_t v = 0; v <= api->request->max; v++) {
			check_request(key, v, STR("client"));
			check_request(key, v, STR_NULL);
			check_request(key, v, STR(""));
		}
	}
}

/* KIP-482: the client id stays as it was, the tags follow it */
TEST(a_flexible_request_header_has_tags_behind_an_old_client_id)
{
	static const uint8_t in[] = {
		0, 3, 0, 9, 0, 0, 0, 1, 0, 2, 'm', 'e',
		1, 5, 2, 'x', 'y', /* one unknown tag */
		42,
	};
	struct reader r = reader_of(in, sizeof(in));
	struct request_header h;

	ck_assert(frame_read_request(&r, &h));
	ck_assert(str_eq_c(h.client_id, "me"));
	ck_assert_uint_eq(read_u8(&r), 42);
}

TEST(keys_the_schema_does_not_know_are_read_as_header_v1)
{
	static const uint8_t in[] = { 3, 231, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 1 };
	struct reader r = reader_of(in, sizeof(in));
	struct request_header h;

	ck_assert(frame_read_request(&r, &h));
	ck_assert_int_eq(h.key, 999);
	ck_assert_int_eq(h.client_id.n, -1);
	ck_assert_uint_eq(reader_left(&r), 1);
	ck_assert_ptr_null(wire_api_find(999));
	ck_assert_ptr_null(wire_api_find(-1));
	ck_assert_ptr_null(wire_api_find(4));
}

TEST(every_cut_of_a_request_header_is_malformed)
{
	static const uint8_t in[] = { 0, 3, 0, 9, 0, 0, 0, 1,
				      0, 2, 'm', 'e', 0 };
	struct request_header h;

	for (size_t n = 0; n < sizeof(in); n++) {
		struct reader r = reader_of(in, n);

		ck_assert(!frame_read_request(&r, &h));
		ck_assert_int_eq(h.client_id.n, -1);
	}
}

/* It goes into commands, which are read as strictly as anything. */
TEST(a_client_id_with_a_zero_is_malformed)
{
	static const uint8_t in[] = { 0, 11, 0, 5, 0, 0, 0, 1, 0, 3, 'a', 0,
				      'b' };
	struct reader r = reader_of(in, sizeof(in));
	struct request_header h;

	ck_assert(!frame_read_request(&r, &h));
	ck_assert_int_eq(h.client_id.n, -1);
}

TEST(a_negative_client_id_length_other_than_null_is_malformed)
{
	static const uint8_t in[] = { 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xfe };
	struct reader r = reader_of(in, sizeof(in));
	struct request_header h;

	ck_assert(!frame_read_request(&r, &h));
}

static size_t response_header(int16_t key, int16_t version)
{
	struct buf out = { 0 };
	struct reader r;
	int32_t id;
	size_t n, begin = frame_begin_response(&out, key, version, 5);

	frame_end(&out, begin, 0);
	r = behind_size(&out);
	n = reader_left(&r);
	ck_assert(frame_read_response(&r, key, version, &id));
	ck_assert_int_eq(id, 5);
	ck_assert_uint_eq(reader_left(&r), 0);
	buf_fini(&out);
	return n;
}

/* KIP-511 */
TEST(the_answer_to_api_versions_never_has_tags_in_its_header)
{
	ck_assert_uint_eq(response_header(3, 8), 4);
	ck_assert_uint_eq(response_header(3, 9), 5);
	ck_assert_uint_eq(response_header(17, 1), 4);
	for (int16_t v = 0; v <= 4; v++)
		ck_assert_uint_eq(response_header(18, v), 4);
}

TEST(frames_stand_one_behind_the_other_and_count_spliced_bytes)
{
	struct buf out = { 0 };
	size_t first, second;

	first = frame_begin_response(&out, 1, 4, 1);
	frame_end(&out, first, 1000);
	second = frame_begin_response(&out, 1, 4, 2);
	buf_put_u8(&out, 0);
	frame_end(&out, second, 0);
	ck_assert_uint_eq(get_be32(out.p), 1004);
	ck_assert_uint_eq(get_be32(out.p + second), 5);
	buf_fini(&out);
}
