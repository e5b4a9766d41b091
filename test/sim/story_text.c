/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story_text: any message of the protocol, from text: the way back from
 * wire_print, in braces. "{replica_id: 2, topics: [{name: \"t\"}]}"; fields
 * that are not named keep their defaults; 0x bytes are not known here.
 */
#include <ctype.h>

#include "story.h"

struct text {
	struct story *s;
	const char *p;
	int16_t version;
};

static char peek(struct text *t)
{
	while (isspace((unsigned char)*t->p) || *t->p == ',')
		t->p++;
	return *t->p;
}

static void expect(struct text *t, char c)
{
	if (peek(t) != c)
		wrong(t->s, "'%c' is missing at \"%s\"", c, t->p);
	t->p++;
}

/* A bare word or what stands in quotes. */
static struct str read_word(struct text *t)
{
	const char *begin;
	bool quoted = peek(t) == '"';
	struct str out;

	begin = t->p += quoted;
	while (*t->p && (quoted ? *t->p != '"' : !strchr(" ,:{}[]", *t->p)))
		t->p++;
	out = (struct str){ begin, (int32_t)(t->p - begin) };
	if (quoted)
		expect(t, '"');
	else if (!out.n)
		wrong(t->s, "a value is missing at \"%s\"", t->p);
	if (!quoted && str_eq_c(out, "null"))
		return STR_NULL;
	return out;
}

/* The id of a topic that is there, by its name. */
static struct uuid topic_id(struct text *t, struct str name)
{
	const struct cluster *c = newest_cluster(t->s);
	const struct topic *topic = c ? cluster_topic(c, name) : NULL;

	if (!topic)
		wrong(t->s, "there is no topic %.*s", STR_ARG(name));
	return topic->id;
}

static size_t read_value(struct text *t, const struct wire_field *f,
			 uint8_t *out)
{
	struct str word = read_word(t);
	int64_t v = 0;

	switch (f->kind) {
	case WIRE_STR:
		*(struct str *)(void *)out = word;
		return sizeof(struct str);
	case WIRE_BYTES:
		*(struct bytes *)(void *)out = (struct bytes){
			(const uint8_t *)word.p, word.n };
		return sizeof(struct bytes);
	case WIRE_UUID:
		*(struct uuid *)(void *)out = topic_id(t, word);
		return sizeof(struct uuid);
	case WIRE_BOOL:
		*(bool *)out = str_eq_c(word, "true");
		return sizeof(bool);
	default:
		if (!str_to_i64(word, INT64_MIN, INT64_MAX, &v))
			wrong(t->s, "%s: \"%.*s\" is not a number", f->name,
			      STR_ARG(word));
	}
	if (f->kind == WIRE_I8)
		*(int8_t *)out = (int8_t)v;
	else if (f->kind == WIRE_I16 || f->kind == WIRE_U16)
		*(int16_t *)(void *)out = (int16_t)v;
	else if (f->kind == WIRE_I32 || f->kind == WIRE_U32)
		*(int32_t *)(void *)out = (int32_t)v;
	else if (f->kind == WIRE_I64)
		*(int64_t *)(void *)out = v;
	else
		wrong(t->s, "%s cannot be written as text", f->name);
	return f->kind == WIRE_I8 ? 1 : f->kind == WIRE_I16 ? 2
	       : f->kind == WIRE_I64 ? 8 : 4;
}

static void read_message(struct text *t, const struct wire_type *type,
			 uint8_t *object);

static void read_array(struct text *t, const struct wire_field *f,
		       uint8_t *object)
{
	enum { MOST = 16 };
	size_t size = f->kind == WIRE_STRUCT ? f->type->size : 16;
	uint8_t *v = f->kind == WIRE_STRUCT
			     ? wire_new(f->type, MOST, &t->s->arena)
			     : arena_zalloc(&t->s->arena, MOST * size);
	uint8_t *at = v;
	int32_t n = 0;

	expect(t, '[');
	for (; peek(t) != ']'; n++) {
		if (n == MOST)
			wrong(t->s, "%s is too long", f->name);
		if (f->kind == WIRE_STRUCT) {
			read_message(t, f->type, at);
			at += size;
		} else {
			at += read_value(t, f, at);
		}
	}
	expect(t, ']');
	memcpy(object + f->offset, &v, sizeof(v));
	memcpy(object + f->count_offset, &n, sizeof(n));
}

static const struct wire_field *find(struct text *t,
				     const struct wire_type *type,
				     struct str name)
{
	for (uint16_t i = 0; i < type->fields_n; i++) {
		const struct wire_field *f = &type->fields[i];

		if (str_eq_c(name, f->name) && f->min <= t->version &&
		    f->max >= t->version)
			return f;
	}
	wrong(t->s, "%s has no %.*s in version %d", type->name, STR_ARG(name),
	      t->version);
}

static void read_message(struct text *t, const struct wire_type *type,
			 uint8_t *object)
{
	expect(t, '{');
	while (peek(t) != '}') {
		const struct wire_field *f = find(t, type, read_word(t));

		expect(t, ':');
		if (f->array)
			read_array(t, f, object);
		else if (f->kind != WIRE_STRUCT)
			(void)read_value(t, f, object + f->offset);
		else if (f->null_min > f->null_max)
			read_message(t, f->type, object + f->offset);
		else
			wrong(t->s, "%s cannot be written as text", f->name);
	}
	expect(t, '}');
}

void text_to_message(struct story *s, const char *text,
		     const struct wire_type *type, int16_t version,
		     void *object)
{
	struct text t = { s, text, version };

	wire_preset(type, object);
	read_message(&t, type, object);
	if (peek(&t))
		wrong(s, "\"%s\" behind the message", t.p);
}
