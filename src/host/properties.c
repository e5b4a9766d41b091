/* SPDX-License-Identifier: Apache-2.0 */
/*
 * properties: see properties.h. Not a validator: conf.c knows the keys.
 */
#include "properties.h"

struct scan {
	const char *p, *end;
	int line; /* of p, from 1 */
	struct buf logical; /* one entry, continuation lines joined */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

/* One natural line without its end; false at the end of the text. */
static bool next_line(struct scan *s, const char **line, size_t *n)
{
	const char *nl;

	if (s->p == s->end)
		return false;
	nl = memchr(s->p, '\n', (size_t)(s->end - s->p));
	*line = s->p;
	*n = (size_t)((nl ? nl : s->end) - s->p);
	s->p = nl ? nl + 1 : s->end;
	s->line++;
	if (*n && (*line)[*n - 1] == '\r')
		--*n;
	return true;
}

static void trim(const char **line, size_t *n)
{
	while (*n && is_blank(**line)) {
		++*line;
		--*n;
	}
}

static bool is_continued(const char *line, size_t n)
{
	size_t slashes = 0;

	while (slashes < n && line[n - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 1;
}

/* Joins continuation lines; false at the end. *first is the entry's line. */
static bool next_entry(struct scan *s, int *first)
{
	const char *line;
	size_t n;
	bool more;

	s->logical.n = 0;
	do {
		if (!next_line(s, &line, &n))
			return false;
		trim(&line, &n);
	} while (n == 0 || *line == '#' || *line == '!');
	*first = s->line;
	do {
		more = is_continued(line, n);
		buf_put(&s->logical, line, more ? n - 1 : n);
		if (!more || !next_line(s, &line, &n))
			break;
		trim(&line, &n);
	} while (more);
	return true;
}

static int hex(const uint8_t *p, size_t n)
{
	int v = 0;

	if (n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			v = v * 16 + (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static void put_utf8(struct buf *out, int v)
{
	if (v < 0x80) {
		buf_put_u8(out, (uint8_t)v);
		return;
	}
	if (v < 0x800) {
		buf_put_u8(out, (uint8_t)(0xc0 | v >> 6));
	} else {
		buf_put_u8(out, (uint8_t)(0xe0 | v >> 12));
		buf_put_u8(out, (uint8_t)(0x80 | (v >> 6 & 0x3f)));
	}
	buf_put_u8(out, (uint8_t)(0x80 | (v & 0x3f)));
}

static int unescape(const uint8_t *p, size_t n, struct buf *out)
{
	static const char from[] = "tnrf", to[] = "\t\n\r\f";

	for (size_t i = 0; i < n; i++) {
		const char *known;
		int v;

		if (p[i] == 0)
			return -EINVAL;
		if (p[i] != '\\' || i + 1 == n) {
			if (p[i] != '\\')
				buf_put_u8(out, p[i]);
			continue;
		}
		i++;
		known = p[i] ? strchr(from, p[i]) : NULL;
		if (known) {
			buf_put_u8(out, (uint8_t)to[known - from]);
		} else if (p[i] == 'u') {
			v = hex(p + i + 1, n - i - 1);
			if (v <= 0)
				return -EINVAL;
			put_utf8(out, v);
			i += 4;
		} else {
			buf_put_u8(out, p[i]);
		}
	}
	return 0;
}

/* Where the key ends and where the value begins. */
static size_t split(const uint8_t *p, size_t n, size_t *value)
{
	size_t key = 0, at;

	while (key < n && !is_blank((char)p[key]) && p[key] != '=' &&
	       p[key] != ':')
		key += p[key] == '\\' && key + 1 < n ? 2 : 1;
	at = key;
	while (at < n && is_blank((char)p[at]))
		at++;
	if (at < n && (p[at] == '=' || p[at] == ':'))
		at++;
	while (at < n && is_blank((char)p[at]))
		at++;
	*value = at;
	return key;
}

int properties_parse(const char *text, size_t n, properties_fn *each, void *ctx,
		     int *fault_line)
{
	struct scan s = { .p = text, .end = text + n };
	struct buf key = { 0 }, value = { 0 };
	int first, rv = 0;

	while (rv == 0 && next_entry(&s, &first)) {
		size_t at, key_n;

		if (s.logical.n == 0) /* a backslash and nothing after it */
			continue;
		key_n = split(s.logical.p, s.logical.n, &at);
		key.n = value.n = 0;
		rv = unescape(s.logical.p, key_n, &key);
		if (rv == 0)
			rv = unescape(s.logical.p + at, s.logical.n - at,
				      &value);
		/* blanks at the end are never meant (Java keeps them) */
		while (value.n && is_blank((char)value.p[value.n - 1]))
			value.n--;
		if (rv == 0)
			each(ctx, first, buf_c(&key), buf_c(&value));
		else
			*fault_line = first;
	}
	buf_fini(&s.logical);
	buf_fini(&key);
	buf_fini(&value);
	return rv;
}
