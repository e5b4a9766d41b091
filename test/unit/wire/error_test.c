/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/wire.h>

#include "unit.h"

TEST(every_code_from_unknown_server_error_to_133_has_a_row)
{
	ck_assert_str_eq(kerr_name(-1), "UNKNOWN_SERVER_ERROR");
	ck_assert_str_eq(kerr_name(0), "NONE");
	for (int16_t code = 0; code <= 133; code++) {
		ck_assert_str_ne(kerr_name(code), "UNKNOWN_SERVER_ERROR");
		ck_assert_uint_gt(strlen(kerr_text(code)), 5);
	}
	ck_assert_str_eq(kerr_name(133), "SHARE_SESSION_LIMIT_REACHED");
	ck_assert_int_eq(K_SHARE_SESSION_LIMIT_REACHED, 133);
}

TEST(codes_from_the_future_read_as_unknown_server_error)
{
	ck_assert_str_eq(kerr_name(134), "UNKNOWN_SERVER_ERROR");
	ck_assert_str_eq(kerr_name(-2), "UNKNOWN_SERVER_ERROR");
	ck_assert_str_eq(kerr_name(INT16_MAX), "UNKNOWN_SERVER_ERROR");
	ck_assert_str_eq(kerr_name(INT16_MIN), "UNKNOWN_SERVER_ERROR");
}

/* org.apache.kafka.common.errors.RetriableException in Kafka 4.2 */
TEST(retriable_codes_are_those_of_kafka)
{
	static const int16_t codes[] = {
		2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71,
		72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 122, 123,
		133,
	};
	size_t next = 0;

	for (int16_t code = -1; code <= 133; code++) {
		bool want = next < countof(codes) && codes[next] == code;

		next += want;
		ck_assert_msg(kerr_is_retriable(code) == want, "%s",
			      kerr_name(code));
	}
	ck_assert_uint_eq(next, countof(codes));
}
