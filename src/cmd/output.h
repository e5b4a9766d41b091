/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output: what a command prints. A command fills one document: named sections
 * of rows, each cell under the key of its column, and errors. How it looks is
 * decided at the end: a table for people, one JSON object, a JSON object per
 * row, or lines of tab-separated values.
 *
 * The JSON is the contract: {"schema":"raftmq.NOUN.VERB/v1", sections,
 * "errors":[...]}; numbers are plain, bytes and milliseconds without units,
 * times RFC 3339 in UTC, null where nothing is known. Keys may be added to a
 * version, never changed. The tables are not.
 */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include <jansson.h>

#include <raftmq/base.h>

enum out_format { OUT_TABLE, OUT_JSON, OUT_JSONL, OUT_TSV };
bool out_format_parse(const char *name, enum out_format *out);

enum cell_kind {
	CELL_TEXT,
	CELL_NUMBER,   /* right-aligned, 1,234 in tables */
	CELL_ID,       /* a number that is not counted with: no commas */
	CELL_BYTES,    /* 1.2 MiB in tables */
	CELL_DURATION, /* milliseconds; 41s in tables */
	CELL_LIST,     /* array; 1,2,3 in tables */
};
struct column {
	const char *title; /* of the table */
	const char *key;   /* in JSON */
	enum cell_kind kind;
};

struct section {
	const char *key;
	const struct column *columns;
	int columns_n;
	json_t *rows;
	json_t *row; /* being filled */
	int at;      /* next column */
};

#define SECTIONS_MAX 8
struct out {
	enum out_format format;
	bool headers;
	bool quiet; /* nothing on stdout but JSON */
	json_t *doc, *errors;
	struct section sections[SECTIONS_MAX];
	int sections_n;
};

void out_init(struct out *o, const char *schema);
/* A section; in jsonl its rows are printed as they are complete. */
#define out_section(o, key, columns)                                           \
	out_section_n(o, key, columns, (int)countof(columns))
struct section *out_section_n(struct out *o, const char *key,
			      const struct column *columns, int n);
/* A fact beside the sections. Takes the reference. */
void out_set(struct out *o, const char *key, json_t *value);
/* code: "UNKNOWN_TOPIC_OR_PARTITION", "CONNECT", ...; about may be NULL */
void out_error(struct out *o, const char *code, const char *about,
	       const char *message);
/* Prints what is there to print. False: stdout does not take it. */
bool out_end(struct out *o) must_use;
/* Buffered rows of jsonl go out now. */
void out_flush_rows(struct out *o);

/* A row, then its cells in the order of the columns. */
void row_begin(struct section *s);
void cell_str(struct section *s, struct str v); /* null is null */
void cell_text(struct section *s, const char *v);
void cell_int(struct section *s, int64_t v);
void cell_known(struct section *s, int64_t v); /* negative is null */
void cell_bool(struct section *s, bool v);
void cell_null(struct section *s);
void cell_ints(struct section *s, const int32_t *v, int32_t n);
void cell_json(struct section *s, json_t *v); /* takes the reference */

/* Text of any bytes as JSON: what is not UTF-8 becomes U+FFFD. */
json_t *json_of(struct str v);
bool is_utf8(struct str v);
/* "1,234", "1.2 MiB", "41s" */
void show_number(int64_t v, char out[32]);
void show_bytes(int64_t v, char out[32]);
void show_duration(int64_t ms, char out[32]);

#endif
