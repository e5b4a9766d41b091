/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposition: see exposition.h. Not a validator: the parts are our own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exposition.h"

struct sample {
	double value;
};
struct family {
	struct str help, type; /* lines, loans */
	struct map samples;    /* "name{labels}" -> struct sample * */
};
struct merge {
	struct map families; /* name -> struct family * */
	struct family *at;   /* whose samples follow */
};

static struct str line_of(struct bytes part, size_t at)
{
	const char *p = (const char *)part.p + at;
	const char *nl = memchr(p, '\n', (size_t)part.n - at);

	return (struct str){ p, nl ? (int32_t)(nl - p)
				   : part.n - (int32_t)at };
}

static struct family *family_of(struct merge *m, struct str name)
{
	struct family *f = map_find_str(&m->families, name);

	if (!f) {
		f = mem_zalloc(sizeof(*f));
		map_put_str(&m->families, name, f);
	}
	return f;
}

static void take_comment(struct merge *m, struct str line)
{
	struct str name = { line.p + 7, line.n - 7 };
	const char *blank;

	if (line.n < 8)
		return;
	blank = memchr(name.p, ' ', (size_t)name.n);
	if (blank)
		name.n = (int32_t)(blank - name.p);
	m->at = family_of(m, name);
	if (str_has_prefix(line, "# HELP"))
		m->at->help = line;
	else
		m->at->type = line;
}

static void take_sample(struct merge *m, struct str line)
{
	const char *blank = memrchr(line.p, ' ', (size_t)line.n);
	struct sample *s;
	char number[64];
	struct str key;

	if (!blank || line.n - (blank - line.p) > (ptrdiff_t)sizeof(number))
		return;
	key = (struct str){ line.p, (int32_t)(blank - line.p) };
	snprintf(number, sizeof(number), "%.*s",
		 (int)(line.p + line.n - blank - 1), blank + 1);
	if (!m->at)
		m->at = family_of(m, key);
	s = map_find_str(&m->at->samples, key);
	if (!s) {
		s = mem_zalloc(sizeof(*s));
		map_put_str(&m->at->samples, key, s);
	}
	s->value += strtod(number, NULL);
}

static void take(struct merge *m, struct bytes part)
{
	m->at = NULL;
	for (size_t at = 0; at < (size_t)max_of(part.n, 0); ) {
		struct str line = line_of(part, at);

		if (line.n && line.p[0] == '#')
			take_comment(m, line);
		else if (line.n)
			take_sample(m, line);
		at += (size_t)line.n + 1;
	}
}

void exposition_value(struct buf *out, double value)
{
	if (fabs(value) < 9e15 && value == floor(value))
		buf_printf(out, "%.0f", value);
	else
		buf_printf(out, "%.9g", value);
}

static void put_family(struct buf *out, struct family *f)
{
	if (f->help.n)
		buf_printf(out, "%.*s\n", STR_ARG(f->help));
	if (f->type.n)
		buf_printf(out, "%.*s\n", STR_ARG(f->type));
	for (struct map_iter i = map_first(&f->samples); i.at; map_next(&i)) {
		struct sample *s = i.value;

		buf_put(out, i.key, i.key_n);
		buf_put_u8(out, ' ');
		exposition_value(out, s->value);
		buf_put_u8(out, '\n');
		mem_free(s);
	}
	map_fini(&f->samples);
	mem_free(f);
}

void exposition_merge(const struct bytes *parts, int n, struct buf *out)
{
	struct merge m = { 0 };

	for (int i = 0; i < n; i++)
		take(&m, parts[i]);
	for (struct map_iter i = map_first(&m.families); i.at; map_next(&i))
		put_family(out, i.value);
	map_fini(&m.families);
}

void exposition_put(struct buf *out, const char *name, const char *kind,
		    const char *help, double value)
{
	int n = (int)strcspn(name, "{");

	buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n%s ", n, name, help,
		   n, name, kind, name);
	exposition_value(out, value);
	buf_put_u8(out, '\n');
}
