/* SPDX-License-Identifier: Apache-2.0 */
/* How documents look. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"
#include "unit.h"

static const struct column columns[] = {
	{ "NAME", "name", CELL_TEXT },
	{ "COUNT", "count", CELL_NUMBER },
	{ "SIZE", "size_bytes", CELL_BYTES },
	{ "IDS", "ids", CELL_LIST },
};

/* What the document prints, with stdout caught in a file. */
static char *printed(struct out *o)
{
	char *text = mem_zalloc(4096);
	FILE *f = tmpfile();
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	ck_assert_int_ge(dup2(fileno(f), STDOUT_FILENO), 0);
	ck_assert(out_end(o));
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(f);
	ck_assert_uint_lt(fread(text, 1, 4095, f), 4095);
	fclose(f);
	return text;
}

static void fill(struct out *o)
{
	static const int32_t ids[] = { 1, 2 };
	struct section *s;

	out_init(o, "raftmq.test/v1");
	s = out_section(o, "things", columns);
	row_begin(s);
	cell_text(s, "one\ttwo");
	cell_int(s, 1234567);
	cell_int(s, 1536);
	cell_ints(s, ids, 2);
	row_begin(s);
	cell_null(s);
	cell_known(s, -1);
	cell_int(s, 0);
	cell_ints(s, NULL, 0);
}

TEST(a_table_is_for_people)
{
	struct out o = { .format = OUT_TABLE, .headers = true };
	char *text;

	fill(&o);
	text = printed(&o);
	ck_assert_str_eq(text, "NAME        COUNT    SIZE IDS\n"
			       "one two 1,234,567 1.5 KiB 1,2\n"
			       "-               -     0 B -\n");
	mem_free(text);
}

TEST(tsv_has_one_line_per_row_and_plain_numbers)
{
	struct out o = { .format = OUT_TSV, .headers = true };
	char *text;

	fill(&o);
	text = printed(&o);
	ck_assert_str_eq(text, "NAME\tCOUNT\tSIZE\tIDS\n"
			       "one two\t1234567\t1536\t1,2\n"
			       "-\t-\t0\t-\n");
	mem_free(text);
}

TEST(json_is_one_document_with_its_schema_and_errors)
{
	struct out o = { .format = OUT_JSON };
	json_t *doc, *row;
	char *text;

	fill(&o);
	out_error(&o, "NOT_CONTROLLER", "topic", "why");
	text = printed(&o);
	doc = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(doc);
	ck_assert_str_eq(json_string_value(json_object_get(doc, "schema")),
			 "raftmq.test/v1");
	row = json_array_get(json_object_get(doc, "things"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "count")),
			 1234567);
	row = json_array_get(json_object_get(doc, "things"), 1);
	ck_assert(json_is_null(json_object_get(row, "count")));
	row = json_array_get(json_object_get(doc, "errors"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "code")),
			 "NOT_CONTROLLER");
	json_decref(doc);
	mem_free(text);
}

TEST(jsonl_is_a_document_per_row)
{
	struct out o = { .format = OUT_JSONL };
	char *text, *second;
	json_t *row;

	fill(&o);
	text = printed(&o);
	second = strchr(text, '\n');
	ck_assert_ptr_nonnull(second);
	*second++ = '\0';
	row = json_loads(text, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(row, "section")),
			 "things");
	json_decref(row);
	row = json_loads(second, 0, NULL);
	ck_assert_ptr_nonnull(row);
	json_decref(row);
	mem_free(text);
}

TEST(quiet_silences_tables_but_not_json)
{
	struct out table = { .format = OUT_TABLE, .quiet = true };
	struct out json = { .format = OUT_JSON, .quiet = true };
	char *text;

	fill(&table);
	text = printed(&table);
	ck_assert_str_eq(text, "");
	mem_free(text);
	fill(&json);
	text = printed(&json);
	ck_assert_int_eq(text[0], '{');
	mem_free(text);
}

TEST(bytes_that_are_no_text_become_replacement_characters)
{
	struct str bad = { "a\xff\xc3z", 4 };
	json_t *j = json_of(bad);

	ck_assert_str_eq(json_string_value(j), "a\xef\xbf\xbd\xef\xbf\xbdz");
	json_decref(j);
	ck_assert(is_utf8(STR("h\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80")));
	ck_assert(!is_utf8(STR("\xc0\x80")));         /* overlong */
	ck_assert(!is_utf8(STR("\xed\xa0\x80")));     /* surrogate */
	ck_assert(!is_utf8(STR("\xf4\x90\x80\x80"))); /* too high */
	ck_assert(!is_utf8(STR("\xe6\xbc")));         /* cut */
}

TEST(numbers_are_shown_as_people_write_them)
{
	char t[32];

	show_number(0, t);
	ck_assert_str_eq(t, "0");
	show_number(-1234, t);
	ck_assert_str_eq(t, "-1,234");
	show_number(-123, t);
	ck_assert_str_eq(t, "-123");
	show_number(INT64_MIN, t);
	ck_assert_str_eq(t, "-9,223,372,036,854,775,808");
	show_bytes(1023, t);
	ck_assert_str_eq(t, "1023 B");
	show_bytes(10 << 20, t);
	ck_assert_str_eq(t, "10.0 MiB");
	show_bytes(INT64_MAX, t);
	ck_assert_str_eq(t, "8192 PiB");
	show_duration(41000, t);
	ck_assert_str_eq(t, "41s");
	show_duration(5400000, t);
	ck_assert_str_eq(t, "90m00s");
	show_duration(90000000, t);
	ck_assert_str_eq(t, "25h00m");
}
