/* SPDX-License-Identifier: Apache-2.0 */
/* What people type. */
#include <stdlib.h>
#include <time.h>

#include "unit.h"
#include "words.h"

static int64_t duration(const char *s)
{
	int64_t ms;

	return duration_parse(str_of(s), &ms) ? ms : -1;
}

static int64_t moment(const char *s)
{
	int64_t ms;

	return time_parse(str_of(s), &ms) ? ms : -1;
}

TEST(durations_have_units_and_a_bare_number_is_milliseconds)
{
	ck_assert_int_eq(duration("250"), 250);
	ck_assert_int_eq(duration("250ms"), 250);
	ck_assert_int_eq(duration("10s"), 10000);
	ck_assert_int_eq(duration("2m"), 120000);
	ck_assert_int_eq(duration("1h30m"), 5400000);
	ck_assert_int_eq(duration("1m500ms"), 60500);
	ck_assert_int_eq(duration("7d"), 604800000);
	ck_assert_int_eq(duration("2w"), 1209600000);
}

TEST(what_is_no_duration_is_refused)
{
	static const char *const bad[] = { "", "s", "1x", "1h30", "-5s",
					   "1.5h", "5 s", "99999999999999999w",
					   "9223372036854775807s" };

	for (unsigned i = 0; i < countof(bad); i++)
		ck_assert_msg(duration(bad[i]) == -1, "%s", bad[i]);
}

TEST(times_are_rfc_3339_or_epoch_milliseconds)
{
	ck_assert_int_eq(moment("1700000000000"), 1700000000000);
	ck_assert_int_eq(moment("2023-11-14T22:13:20Z"), 1700000000000);
	ck_assert_int_eq(moment("2023-11-14T22:13:20.5Z"), 1700000000500);
	ck_assert_int_eq(moment("2023-11-14 22:13:20,125Z"), 1700000000125);
	ck_assert_int_eq(moment("2023-11-15T00:13:20+02:00"), 1700000000000);
	ck_assert_int_eq(moment("2023-11-14T16:43:20-0530"), 1700000000000);
	ck_assert_int_eq(moment("2024-02-29Z"), 1709164800000);
}

TEST(a_time_without_a_zone_is_the_machines)
{
	setenv("TZ", "TST-3", 1);
	tzset();
	ck_assert_int_eq(moment("2023-11-15 01:13:20"), 1700000000000);
	ck_assert_int_eq(moment("2023-11-15 01:13"), 1699999980000);
	ck_assert_int_eq(moment("2023-11-15"), 1699995600000);
}

TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = {
		"", "yesterday", "2023-11-31x", "2023-13-01", "2023-02-30",
		"2023-11-14T25:00", "2023-11-14T22:13:20.Z", "2023-1-1",
		"2023-11-14T22:13:20+99:00", "2023-11-14T", "-5",
		"2023-04-31", "2023-11-14T22:13:20Zulu",
	};

	for (unsigned i = 0; i < countof(bad); i++)
		ck_assert_msg(moment(bad[i]) == -1, "%s", bad[i]);
}

TEST(times_are_printed_in_utc)
{
	char text[32];

	time_text(1700000000125, text);
	ck_assert_str_eq(text, "2023-11-14T22:13:20.125Z");
	time_text(0, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
	time_text(-1, text);
	ck_assert_str_eq(text, "");
}

static void position(const char *s, enum position_kind kind, int64_t value)
{
	struct position p;

	ck_assert_msg(position_parse(s, 1000000, &p), "%s", s);
	ck_assert_msg(p.kind == kind && p.value == value,
		      "%s: %d %" PRId64, s, (int)p.kind, p.value);
}

TEST(positions_are_what_kafkas_tools_can_do_in_fewer_letters)
{
	position("start", POSITION_START, 0);
	position("end", POSITION_END, 0);
	position("42", POSITION_OFFSET, 42);
	position("@1700000000000", POSITION_TIME, 1700000000000);
	position("@2023-11-14T22:13:20Z", POSITION_TIME, 1700000000000);
	position("-10s", POSITION_TIME, 990000);
	position("-1h", POSITION_TIME, 0);
	position("-5", POSITION_SHIFT, -5);
	position("+5", POSITION_SHIFT, 5);
}

TEST(what_is_no_position_is_refused)
{
	static const char *const bad[] = { "", "begin", "+1h", "-", "@", "@x",
					   "file:", "12x", "--5", "-1y" };
	struct position p;

	for (unsigned i = 0; i < countof(bad); i++)
		ck_assert_msg(!position_parse(bad[i], 0, &p), "%s", bad[i]);
}

TEST(places_are_topic_partition_offset)
{
	struct place p;

	ck_assert(place_parse("a.b", &p));
	ck_assert(str_eq_c(p.topic, "a.b"));
	ck_assert_int_eq(p.partition, -1);
	ck_assert(place_parse("t:12", &p));
	ck_assert_int_eq(p.partition, 12);
	ck_assert_int_eq(p.offset, -1);
	ck_assert(place_parse("t:12@345", &p));
	ck_assert(str_eq_c(p.topic, "t"));
	ck_assert_int_eq(p.partition, 12);
	ck_assert_int_eq(p.offset, 345);
	ck_assert(!place_parse("t:", &p));
	ck_assert(!place_parse(":1", &p));
	ck_assert(!place_parse("t:x", &p));
	ck_assert(!place_parse("t:1@", &p));
	ck_assert(!place_parse("t:1@-1", &p));
}

TEST(escapes_become_bytes)
{
	struct buf b = { 0 };

	ck_assert_int_eq(unescape("a\\tb\\n\\x41\\\\\\0", &b), 0);
	ck_assert_uint_eq(b.n, 7);
	ck_assert_mem_eq(b.p, "a\tb\nA\\", 7);
	ck_assert_int_eq(unescape("\\q", &b), -EINVAL);
	ck_assert_int_eq(unescape("\\x4", &b), -EINVAL);
	ck_assert_int_eq(unescape("end\\", &b), -EINVAL);
	buf_fini(&b);
}

/* From Kafka's UtilsTest.testMurmur2. */
TEST(murmur2_is_javas)
{
	static const struct {
		const char *key;
		int32_t hash;
	} known[] = {
		{ "21", -973932308 },
		{ "foobar", -790332482 },
		{ "a-little-bit-long-string", -985981536 },
		{ "a-little-bit-longer-string", -1486304829 },
		{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
		  -58897971 },
		{ "abc", 479470107 },
	};

	for (unsigned i = 0; i < countof(known); i++)
		ck_assert_msg((int32_t)murmur2(known[i].key,
					       strlen(known[i].key)) ==
			      known[i].hash, "%s", known[i].key);
}

TEST(a_key_goes_where_java_sends_it)
{
	struct bytes key = { (const uint8_t *)"foobar", 6 };

	/* (-790332482 & 0x7fffffff) % 7 */
	ck_assert_int_eq(key_partition(key, 7), 1357151166 % 7);
	ck_assert_int_eq(key_partition(key, 1), 0);
}

TEST(the_nearest_word_is_offered_and_none_when_none_is_near)
{
	static const char *const words[] = { "list", "describe", "delete",
					     "add-partitions" };

	ck_assert_str_eq(nearest_word("lst", words, 4), "list");
	ck_assert_str_eq(nearest_word("describ", words, 4), "describe");
	ck_assert_str_eq(nearest_word("dleete", words, 4), "delete");
	ck_assert_str_eq(nearest_word("add", words, 4), "add-partitions");
	ck_assert_ptr_null(nearest_word("quux", words, 4));
	ck_assert_ptr_null(nearest_word("x", words, 4));
}
