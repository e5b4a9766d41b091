/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people type: durations, times, places, offsets, formats of messages,
 * addresses, ids, names of topics, values of settings.
 *
 * input: which parser u8, the text
 */
#include <raftmq/cluster.h>

#include "admin.h"
#include "endpoint.h"
#include "words.h"

#include "fuzz.h"

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)64 << 10) + 64 * n;
}

static struct arena arena;
static struct buf out;

static void try_duration(struct str s)
{
	int64_t ms;

	if (duration_parse(s, &ms))
		must(ms >= 0);
}

static void try_time(struct str s)
{
	char text[32];
	int64_t ms, again;

	if (!time_parse(s, &ms))
		return;
	time_text(ms, text);
	must(strlen(text) < sizeof(text));
	/* four digits of a year are what is read */
	if (strlen(text) == 24)
		must(time_parse(str_of(text), &again) && again == ms);
}

static void try_position(struct str s)
{
	struct position p;

	if (position_parse(str_c(&arena, s), 1700000000000, &p))
		must(p.kind <= POSITION_FILE);
}

static void try_place(struct str s)
{
	struct place p;

	if (place_parse(str_c(&arena, s), &p))
		must(p.topic.n > 0 && p.partition >= -1 && p.offset >= -1);
}

static void try_pair(struct str s)
{
	struct str key, value;

	pair_parse(str_c(&arena, s), &key, &value);
	must(key.n >= 0 && key.n + max_of(value.n, 0) <= s.n);
}

static void try_format(struct str s)
{
	static const uint8_t headers[] = { 2, 'k', 2, 'v', 4, 'a', 'b', 1 };
	struct record r = { 5, 6, { headers, 3 }, BYTES_NULL, 2,
			    { headers, sizeof(headers) } };
	const char *format = str_c(&arena, s);
	bool ok = format_check(format);

	format_message(&out, format, STR("topic"), 1, &r);
	must(!ok || out.n <= 30 * (size_t)s.n);
}

static void try_unescape(struct str s)
{
	if (unescape(str_c(&arena, s), &out) == 0)
		must(out.n <= (size_t)s.n);
}

static void try_endpoint(struct str s)
{
	struct endpoint e, f;
	const char *why;
	struct str again;

	if (!endpoint_parse(s, true, &e, &arena, &why)) {
		must(why);
		return;
	}
	must(e.port >= 0 && e.port <= 65535);
	endpoint_print(&out, e.host, e.port);
	again = (struct str){ (const char *)out.p, (int32_t)out.n };
	must(endpoint_parse(again, true, &f, &arena, &why));
	must(!strcmp(e.host, f.host) && e.port == f.port);
	(void)endpoint_is_number(e.host);
	(void)endpoint_is_loopback(e.host);
	endpoint_fini(&e);
	endpoint_fini(&f);
}

static void try_uuid(struct str s)
{
	char text[UUID_TEXT_MAX];
	struct uuid u, v;

	if (!uuid_parse(s, &u))
		return;
	uuid_text(u, text);
	must(uuid_parse(str_of(text), &v) && uuid_eq(u, v));
}

static void try_number(struct str s)
{
	int64_t v, w;

	if (!str_to_i64(s, -1000000, INT64_MAX, &v))
		return;
	must(v >= -1000000);
	must(str_to_i64(str_printf(&arena, "%" PRId64, v), INT64_MIN,
			INT64_MAX, &w) && v == w);
}

static void try_near(struct str s)
{
	static const char *const words[] = { "topic", "group", "quorum" };
	const char *c = str_c(&arena, s);

	(void)nearest_word(c, words, countof(words));
	(void)setting_nearest(s, SETTING_TOPIC);
	must(str_distance(c, "retention.ms", 6) <= 6);
}

static void try_names(struct str s)
{
	enum out_format format;
	enum codec codec;

	(void)topic_name_fault(s);
	(void)out_format_parse(str_c(&arena, s), &format);
	if (codec_parse(s, &codec))
		must(str_eq_c(s, codec_name(codec)));
	(void)setting_alias_find(s);
	(void)setting_ignored(s);
	must(key_partition((struct bytes){ (const uint8_t *)s.p, s.n }, 7) < 7);
}

/* The first byte of the text chooses the setting. */
static void try_setting(struct str s)
{
	const struct setting *set;

	if (s.n < 1)
		return;
	set = &settings[(uint8_t)s.p[0] % SETTING_COUNT];
	s = (struct str){ s.p + 1, s.n - 1 };
	if (setting_fault(set, s, &arena))
		return;
	if (set->type == SETTING_INT || set->type == SETTING_LONG) {
		int64_t v = setting_number(str_c(&arena, s));

		must(v >= set->min && v <= set->max);
	}
	if (set->type == SETTING_DOUBLE)
		(void)setting_double(str_c(&arena, s));
}

static void try_text(struct str s)
{
	must(is_utf8(s) || s.n > 0);
	json_decref(json_of(s));
}

static void (*const parsers[])(struct str s) = {
	try_duration, try_time,     try_position, try_place, try_pair,
	try_format,   try_unescape, try_endpoint, try_uuid,  try_number,
	try_near,     try_names,    try_setting,  try_text,
};

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	uint8_t which = read_u8(&r) % countof(parsers);
	struct bytes rest = fuzz_rest(&r);

	if (rest.n > 65536)
		return;
	arena_reset(&arena);
	fuzz_clear(&out);
	parsers[which]((struct str){ (const char *)rest.p, rest.n });
}
