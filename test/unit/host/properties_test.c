/* SPDX-License-Identifier: Apache-2.0 */
#include "properties.h"
#include "unit.h"

static struct buf seen;

static void note(void *ctx, int line, const char *key, const char *value)
{
	(void)ctx;
	buf_printf(&seen, "%d[%s][%s]\n", line, key, value);
}

static const char *parse(const char *text)
{
	int line = 0;

	seen.n = 0;
	if (properties_parse(text, strlen(text), note, NULL, &line) < 0)
		buf_printf(&seen, "fault in %d\n", line);
	return buf_c(&seen);
}

TEST(properties_separators_are_equals_colon_and_blank)
{
	ck_assert_str_eq(parse("a=1\nb : 2\nc 3\n  d\t=\t4 \n"),
			 "1[a][1]\n2[b][2]\n3[c][3]\n4[d][4]\n");
}

TEST(properties_comments_and_empty_lines_are_nothing)
{
	ck_assert_str_eq(parse("# a=1\n\n  ! b=2\r\n\r\nc=#3\r\n"),
			 "5[c][#3]\n");
}

TEST(properties_backslash_continues_a_line)
{
	ck_assert_str_eq(parse("a=1,\\\n   2,\\\n\t3\nb=4\n"),
			 "1[a][1,2,3]\n4[b][4]\n");
	ck_assert_str_eq(parse("a=1\\\\\nb=2"), "1[a][1\\]\n2[b][2]\n");
	ck_assert_str_eq(parse("a=1\\"), "1[a][1]\n");
	ck_assert_str_eq(parse("\\"), "");
	ck_assert_str_eq(parse("\\\n\na=1\n\\\nb=2"), "3[a][1]\n4[b][2]\n");
}

TEST(properties_escapes)
{
	ck_assert_str_eq(parse("a\\=b\\:c\\ d=\\u00e9\\t\\u20AC\\q"),
			 "1[a=b:c d][\xc3\xa9\t\xe2\x82\xac"
			 "q]\n");
	ck_assert_str_eq(parse("x=1\na=\\u12g4"), "1[x][1]\nfault in 2\n");
}

TEST(properties_key_without_value_is_empty)
{
	ck_assert_str_eq(parse("a\nb=\n"), "1[a][]\n2[b][]\n");
}

TEST(properties_zero_bytes_are_refused)
{
	int line = 0;

	seen.n = 0;
	ck_assert_int_eq(properties_parse("a=1\nb=\0002", 8, note, NULL, &line),
			 -EINVAL);
	ck_assert_int_eq(line, 2);
}
