/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output: rows of JSON values, and four ways to print them. Knows nothing of
 * what the rows mean.
 *
 * Invariants:
 * 1. Every row of a section has every key of its columns, in their order.
 * 2. stdout carries data only; with JSON exactly one document, whatever
 *    happened before.
 */
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"

bool out_format_parse(const char *name, enum out_format *out)
{
	static const char *const names[] = { "table", "json", "jsonl", "tsv" };

	for (unsigned i = 0; i < countof(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum out_format)i;
		return true;
	}
	return false;
}

void out_init(struct out *o, const char *schema)
{
	o->doc = json_object();
	json_object_set_new(o->doc, "schema", json_string(schema));
	o->errors = json_array();
}

struct section *out_section_n(struct out *o, const char *key,
			      const struct column *columns, int n)
{
	struct section *s = &o->sections[o->sections_n++];

	assert(o->sections_n <= SECTIONS_MAX);
	*s = (struct section){ .key = key, .columns = columns,
			       .columns_n = n, .rows = json_array() };
	json_object_set_new(o->doc, key, s->rows);
	return s;
}

void out_set(struct out *o, const char *key, json_t *value)
{
	json_object_set_new(o->doc, key, value);
}

void out_error(struct out *o, const char *code, const char *about,
	       const char *message)
{
	json_t *e = json_object();

	json_object_set_new(e, "code", json_string(code));
	json_object_set_new(e, "about",
			    about ? json_of(str_of(about)) : json_null());
	json_object_set_new(e, "message", json_of(str_of(message)));
	json_array_append_new(o->errors, e);
}

/* ---- cells --------------------------------------------------------------- */

void row_begin(struct section *s)
{
	assert(s->at == 0 || s->at == s->columns_n);
	s->row = json_object();
	s->at = 0;
	json_array_append_new(s->rows, s->row);
}

void cell_json(struct section *s, json_t *v)
{
	assert(s->at < s->columns_n);
	json_object_set_new(s->row, s->columns[s->at++].key, v);
}

static size_t utf8_length(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 :
		   *p >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (n <= 1 || n > left)
		return n <= left ? n : 0;
	c = *p & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

bool is_utf8(struct str v)
{
	for (int32_t i = 0; i < v.n;) {
		size_t n = utf8_length((const uint8_t *)v.p + i,
				       (size_t)(v.n - i));

		if (!n)
			return false;
		i += (int32_t)n;
	}
	return true;
}

json_t *json_of(struct str v)
{
	struct buf b = { 0 };
	json_t *j;

	if (v.n < 0)
		return json_null();
	if (is_utf8(v))
		return json_stringn(v.n ? v.p : "", (size_t)v.n);
	for (int32_t i = 0; i < v.n;) {
		size_t n = utf8_length((const uint8_t *)v.p + i,
				       (size_t)(v.n - i));

		if (n)
			buf_put(&b, v.p + i, n);
		else
			buf_put(&b, "\xef\xbf\xbd", 3);
		i += (int32_t)max_of(n, (size_t)1);
	}
	j = json_stringn((const char *)b.p, b.n);
	buf_fini(&b);
	return j;
}

void cell_str(struct section *s, struct str v)
{
	cell_json(s, json_of(v));
}

void cell_text(struct section *s, const char *v)
{
	cell_json(s, json_of(str_of(v)));
}

void cell_int(struct section *s, int64_t v)
{
	cell_json(s, json_integer(v));
}

void cell_known(struct section *s, int64_t v)
{
	cell_json(s, v < 0 ? json_null() : json_integer(v));
}

void cell_bool(struct section *s, bool v)
{
	cell_json(s, json_boolean(v));
}

void cell_null(struct section *s)
{
	cell_json(s, json_null());
}

void cell_ints(struct section *s, const int32_t *v, int32_t n)
{
	json_t *a = json_array();

	for (int32_t i = 0; i < n; i++)
		json_array_append_new(a, json_integer(v[i]));
	cell_json(s, a);
}

/* ---- values as text ------------------------------------------------------ */

void show_number(int64_t v, char out[32])
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, v);
	int at = 0;

	for (int i = 0; i < n; i++) {
		int left = n - i;

		if (i > (v < 0) && left % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
}

void show_bytes(int64_t v, char out[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
					     "PiB" };
	double d = (double)v;
	unsigned u = 0;

	while (d >= 1024 && u + 1 < countof(units)) {
		d /= 1024;
		u++;
	}
	snprintf(out, 32, u && d < 99.95 ? "%.1f %s" : "%.0f %s", d, units[u]);
}

void show_duration(int64_t ms, char out[32])
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, 32, "%" PRId64 "ms", ms);
	else if (s < 120)
		snprintf(out, 32, "%" PRId64 "s", s);
	else if (s < 7200)
		snprintf(out, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 172800)
		snprintf(out, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600,
			 s / 60 % 60);
	else
		snprintf(out, 32, "%" PRId64 "d%02" PRId64 "h", s / 86400,
			 s / 3600 % 24);
}

/* Numbers and words, without units: what scripts want. */
static void put_raw(struct buf *b, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		buf_put(b, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		buf_printf(b, "%g", json_real_value(v));
		break;
	case JSON_TRUE:
		buf_printf(b, "yes");
		break;
	case JSON_FALSE:
		buf_printf(b, "no");
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				buf_put_u8(b, ',');
			put_raw(b, json_array_get(v, i));
		}
		break;
	case JSON_OBJECT:
	case JSON_NULL:
		break;
	}
}

static void put_shown(struct buf *b, const json_t *v, enum cell_kind kind)
{
	char text[32];

	if (!json_is_integer(v) || kind == CELL_TEXT || kind == CELL_LIST ||
	    kind == CELL_ID) {
		put_raw(b, v);
		return;
	}
	if (kind == CELL_BYTES)
		show_bytes(json_integer_value(v), text);
	else if (kind == CELL_DURATION)
		show_duration(json_integer_value(v), text);
	else
		show_number(json_integer_value(v), text);
	buf_printf(b, "%s", text);
}

/* ---- printing ------------------------------------------------------------ */

static void print_tsv_row(const struct section *s, const json_t *row)
{
	struct buf b = { 0 };

	for (int i = 0; i < s->columns_n; i++) {
		size_t begin;

		if (i)
			buf_put_u8(&b, '\t');
		begin = b.n;
		put_raw(&b, json_object_get(row, s->columns[i].key));
		if (b.n == begin)
			buf_put_u8(&b, '-');
		/* one row, one line, whatever the texts hold */
		for (size_t at = begin; at < b.n; at++)
			if (b.p[at] < ' ')
				b.p[at] = ' ';
	}
	printf("%s\n", buf_c(&b));
	buf_fini(&b);
}

static void print_tsv(const struct out *o)
{
	for (int n = 0; n < o->sections_n; n++) {
		const struct section *s = &o->sections[n];
		size_t i;
		json_t *row;

		if (n)
			printf("\n");
		for (int c = 0; o->headers && c < s->columns_n; c++)
			printf("%s%s", s->columns[c].title,
			       c + 1 < s->columns_n ? "\t" : "\n");
		json_array_foreach(s->rows, i, row)
			print_tsv_row(s, row);
	}
}

static void print_line(json_t *row, const char *section)
{
	json_t *copy = json_object();

	json_object_set_new(copy, "section", json_string(section));
	json_object_update(copy, row);
	json_dumpf(copy, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(copy);
	putchar('\n');
}

void out_flush_rows(struct out *o)
{
	size_t i;
	json_t *row;

	/* TSV of more than one section has to wait for its order */
	if (o->format == OUT_TSV && o->sections_n == 1) {
		print_tsv(o);
		o->headers = false;
	} else if (o->format == OUT_JSONL) {
		for (int n = 0; n < o->sections_n; n++)
			json_array_foreach(o->sections[n].rows, i, row)
				print_line(row, o->sections[n].key);
	} else {
		return;
	}
	for (int n = 0; n < o->sections_n; n++)
		json_array_clear(o->sections[n].rows);
}

static void print_jsonl(struct out *o)
{
	size_t i;
	json_t *row;

	out_flush_rows(o);
	json_array_foreach(o->errors, i, row)
		print_line(row, "errors");
}

static void add_line(struct libscols_table *t, const struct section *s,
		     const json_t *row)
{
	struct libscols_line *l = scols_table_new_line(t, NULL);

	for (int i = 0; i < s->columns_n; i++) {
		struct buf b = { 0 };

		put_shown(&b, json_object_get(row, s->columns[i].key),
			  s->columns[i].kind);
		if (!b.n)
			buf_put_u8(&b, '-');
		for (size_t at = 0; at < b.n; at++)
			if (b.p[at] < ' ')
				b.p[at] = ' ';
		scols_line_set_data(l, (size_t)i, buf_c(&b));
		buf_fini(&b);
	}
}

static void print_table(const struct out *o, const struct section *s)
{
	struct libscols_table *t = scols_new_table();
	size_t i;
	json_t *row;

	scols_table_enable_noheadings(t, !o->headers);
	scols_table_enable_nowrap(t, 1);
	scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
	for (int c = 0; c < s->columns_n; c++) {
		enum cell_kind k = s->columns[c].kind;
		bool right = k != CELL_TEXT && k != CELL_LIST;

		scols_table_new_column(t, s->columns[c].title, 1,
				       right ? SCOLS_FL_RIGHT : 0);
	}
	json_array_foreach(s->rows, i, row)
		add_line(t, s, row);
	scols_print_table(t);
	scols_unref_table(t);
}

static void print_tables(const struct out *o)
{
	bool first = true;

	for (int n = 0; n < o->sections_n; n++) {
		const struct section *s = &o->sections[n];

		if (json_array_size(s->rows) == 0)
			continue;
		if (!first)
			printf("\n");
		first = false;
		print_table(o, s);
	}
}

bool out_end(struct out *o)
{
	if (!o->doc)
		return true;
	json_object_set_new(o->doc, "errors", o->errors);
	switch (o->format) {
	case OUT_TABLE:
		if (!o->quiet)
			print_tables(o);
		break;
	case OUT_TSV:
		if (!o->quiet)
			print_tsv(o);
		break;
	case OUT_JSON:
		json_dumpf(o->doc, stdout, JSON_INDENT(2));
		putchar('\n');
		break;
	case OUT_JSONL:
		print_jsonl(o);
		break;
	}
	json_decref(o->doc);
	o->doc = NULL;
	return fflush(stdout) == 0 && !ferror(stdout);
}
