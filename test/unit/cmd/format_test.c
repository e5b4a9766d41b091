/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by the format of -f, and as rows. */
#include <stdlib.h>

#include "admin.h"
#include "unit.h"

static struct bytes of(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, (int32_t)strlen(s) };
}

/* A batch of one record is the way to a record with encoded headers. */
struct one {
	struct batch_builder builder;
	struct batch_walk walk;
	struct record record;
};

static void make(struct one *o, struct bytes key, struct bytes value)
{
	struct record_header headers[] = {
		{ STR("h1"), of("x") }, { STR("h2"), of("y") },
		{ STR_NULL, BYTES_NULL },
	};
	struct batch b;
	struct bytes raw;

	*o = (struct one){ 0 };
	batch_build_begin(&o->builder, CODEC_NONE);
	batch_build_add(&o->builder, 1700000000125, key, value, headers);
	raw = batch_build_end(&o->builder, -1, -1, -1);
	ck_assert_int_eq(batch_peek(raw.p, (size_t)raw.n, &b), K_NONE);
	batch_walk_open(&o->walk, &b, 1 << 20);
	ck_assert(batch_walk_next(&o->walk, &o->record));
}

static void drop(struct one *o)
{
	batch_walk_close(&o->walk);
	batch_build_fini(&o->builder);
}

TEST(every_letter_of_the_format_has_its_value)
{
	struct buf b = { 0 };
	struct one o;

	make(&o, of("key"), of("value"));
	ck_assert(format_check("%t %p %o %k %v %T %h %K %S %% \\n"));
	format_message(&b, "%t %p %o %k %v %T %h %K %S %%\\n", STR("topic"), 7,
		       &o.record);
	ck_assert_str_eq(buf_c(&b), "topic 7 0 key value 1700000000125 "
				    "h1=x,h2=y 3 5 %\n");
	buf_fini(&b);
	drop(&o);
}

/* A pointer behind no bytes was NULL and 0: found by fuzzing, with UBSan. */
TEST(an_empty_format_prints_nothing)
{
	struct buf b = { 0 };
	struct one o;

	make(&o, of("key"), of("value"));
	format_message(&b, "", STR("topic"), 7, &o.record);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
	drop(&o);
}

TEST(a_message_is_never_taken_for_a_format)
{
	struct buf b = { 0 };
	struct one o;

	make(&o, of("%v"), of("100%\\n"));
	format_message(&b, "%k %v", STR("t"), 0, &o.record);
	ck_assert_str_eq(buf_c(&b), "%v 100%\\n");
	buf_fini(&b);
	drop(&o);
}

TEST(unknown_letters_and_escapes_are_refused)
{
	ck_assert(!format_check("%q"));
	ck_assert(!format_check("%v%"));
	ck_assert(!format_check("\\q"));
	ck_assert(format_check(""));
}

static const char *cell(const struct section *s, const char *key)
{
	return json_string_value(
		json_object_get(json_array_get(s->rows, 0), key));
}

TEST(what_is_no_text_is_printed_in_base64)
{
	struct out o = { .format = OUT_JSON };
	struct section *s;
	struct one one;

	out_init(&o, "raftmq.test/v1");
	s = out_section_n(&o, "messages", message_columns, MESSAGE_COLUMNS);
	make(&one, BYTES_NULL, of("\xff\xfe"));
	message_row(s, STR("t"), 3, &one.record);
	ck_assert_str_eq(cell(s, "value"), "//4=");
	ck_assert_str_eq(cell(s, "encoding"), "base64");
	ck_assert_ptr_null(cell(s, "key"));
	ck_assert_str_eq(cell(s, "timestamp"), "2023-11-14T22:13:20.125Z");
	drop(&one);
	json_decref(o.errors);
	json_decref(o.doc);
}
