/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_format: messages as text by the format of -f, and as rows. The letters
 * are kcat's: %t topic, %p partition, %o offset, %k key, %v value (%s too), %T
 * time in epoch ms, %h headers as key=value,... and the sizes %K, %S.
 */
#include "admin.h"

const struct column message_columns[] = {
	{ "TOPIC", "topic", CELL_TEXT },
	{ "PART", "partition", CELL_ID },
	{ "OFFSET", "offset", CELL_ID },
	{ "TIME", "timestamp", CELL_TEXT },
	{ "KEY", "key", CELL_TEXT },
	{ "VALUE", "value", CELL_TEXT },
	{ "HEADERS", "headers", CELL_LIST },
	{ "ENCODING", "encoding", CELL_TEXT },
};

bool format_check(const char *format)
{
	struct buf b = { 0 };
	bool ok = unescape(format, &b) == 0;

	for (const char *p = format; ok && (p = strchr(p, '%')); p += 2)
		ok = p[1] && strchr("tpokvsThKS%", p[1]);
	buf_fini(&b);
	return ok;
}

static void put_bytes(struct buf *out, struct bytes b)
{
	if (b.n > 0)
		buf_put(out, b.p, (size_t)b.n);
}

static void put_headers(struct buf *out, const struct record *r)
{
	struct reader h = reader_of(r->headers_raw.p,
				    (size_t)max_of(r->headers_raw.n, 0));
	struct record_header one;

	for (int32_t i = 0; i < r->headers_n; i++) {
		if (!record_header_next(&h, &one))
			return;
		buf_printf(out, "%s%.*s=", i ? "," : "", STR_ARG(one.key));
		put_bytes(out, one.value);
	}
}

static void put_letter(struct buf *out, char letter, const struct record *r)
{
	switch (letter) {
	case 'o':
		buf_printf(out, "%" PRId64, r->offset);
		break;
	case 'k':
		put_bytes(out, r->key);
		break;
	case 'v':
	case 's':
		put_bytes(out, r->value);
		break;
	case 'T':
		buf_printf(out, "%" PRId64, r->timestamp);
		break;
	case 'h':
		put_headers(out, r);
		break;
	case 'K':
		buf_printf(out, "%" PRId32, r->key.n);
		break;
	case 'S':
		buf_printf(out, "%" PRId32, r->value.n);
		break;
	default:
		buf_put_u8(out, (uint8_t)letter);
		break;
	}
}

void format_message(struct buf *out, const char *format, struct str topic,
		    int32_t partition, const struct record *r)
{
	struct buf plain = { 0 };
	const char *p, *end;

	/* escapes first: bytes of the message are never taken for one */
	if (unescape(format, &plain))
		plain.n = 0;
	p = buf_c(&plain);
	end = p + plain.n;
	for (; p < end; p++) {
		if (*p != '%' || p + 1 == end) {
			buf_put_u8(out, (uint8_t)*p);
			continue;
		}
		p++;
		if (*p == 't')
			buf_put(out, topic.p, (size_t)topic.n);
		else if (*p == 'p')
			buf_printf(out, "%" PRId32, partition);
		else
			put_letter(out, *p, r);
	}
	buf_fini(&plain);
}

/* ---- rows ---------------------------------------------------------------- */

static struct str text_of(struct bytes b)
{
	return (struct str){ (const char *)b.p, b.n };
}

static json_t *base64(struct bytes b)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf out = { 0 };
	json_t *j;

	if (b.n < 0)
		return json_null();
	for (int32_t i = 0; i < b.n; i += 3) {
		int32_t n = min_of(b.n - i, 3);
		uint32_t v = (uint32_t)b.p[i] << 16;

		v |= n > 1 ? (uint32_t)b.p[i + 1] << 8 : 0;
		v |= n > 2 ? b.p[i + 2] : 0;
		for (int32_t k = 0; k < 4; k++)
			buf_put_u8(&out, k > n ? '=' :
				   (uint8_t)digits[v >> (18 - 6 * k) & 63]);
	}
	j = json_stringn(out.n ? (const char *)out.p : "", out.n);
	buf_fini(&out);
	return j;
}

static bool all_text(const struct record *r)
{
	struct reader h = reader_of(r->headers_raw.p,
				    (size_t)max_of(r->headers_raw.n, 0));
	struct record_header one;

	if (!is_utf8(text_of(r->key)) || !is_utf8(text_of(r->value)))
		return false;
	for (int32_t i = 0; i < r->headers_n; i++)
		if (!record_header_next(&h, &one) ||
		    !is_utf8(text_of(one.value)))
			return false;
	return true;
}

static json_t *headers_of(const struct record *r, bool text)
{
	struct reader h = reader_of(r->headers_raw.p,
				    (size_t)max_of(r->headers_raw.n, 0));
	struct record_header one;
	json_t *list = json_array();

	for (int32_t i = 0; i < r->headers_n; i++) {
		json_t *pair = json_array();

		if (!record_header_next(&h, &one)) {
			json_decref(pair);
			break;
		}
		json_array_append_new(pair, json_of(one.key));
		json_array_append_new(pair, text ? json_of(text_of(one.value)) :
						   base64(one.value));
		json_array_append_new(list, pair);
	}
	return list;
}

/* What is not text comes in base64, and encoding says so. */
void message_row(struct section *s, struct str topic, int32_t partition,
		 const struct record *r)
{
	bool text = all_text(r);
	char when[32];

	time_text(r->timestamp, when);
	row_begin(s);
	cell_str(s, topic);
	cell_int(s, partition);
	cell_int(s, r->offset);
	cell_text(s, *when ? when : NULL);
	cell_json(s, text ? json_of(text_of(r->key)) : base64(r->key));
	cell_json(s, text ? json_of(text_of(r->value)) : base64(r->value));
	cell_json(s, headers_of(r, text));
	cell_text(s, text ? "text" : "base64");
}
