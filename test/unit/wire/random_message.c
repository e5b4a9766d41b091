/* SPDX-License-Identifier: Apache-2.0 */
#include "random_message.h"

struct filler {
	struct arena *a;
	struct prng *p;
	int16_t version;
	int depth;
};

static bool chance(struct filler *f, unsigned one_in)
{
	return prng_below(f->p, one_in) == 0;
}

static const uint8_t *random_bytes(struct filler *f, int32_t *n)
{
	uint8_t *p;

	*n = (int32_t)prng_below(f->p, chance(f, 20) ? 300 : 12);
	p = arena_alloc(f->a, (size_t)*n + 1);
	for (int32_t i = 0; i < *n; i++)
		p[i] = (uint8_t)prng_next(f->p);
	return p;
}

/* What Kafka's strings may be here: no zeroes. */
static const char *random_text(struct filler *f, int32_t *n)
{
	uint8_t *p = (uint8_t *)(uintptr_t)random_bytes(f, n);

	for (int32_t i = 0; i < *n; i++)
		p[i] |= !p[i];
	return (const char *)p;
}

static int64_t random_number(struct filler *f)
{
	static const int64_t edges[] = { 0, 1, -1, INT32_MAX, INT32_MIN,
					 INT64_MAX, INT64_MIN, 127, 128 };

	if (chance(f, 3))
		return edges[prng_below(f->p, countof(edges))];
	return (int64_t)prng_next(f->p);
}

static void fill_struct(struct filler *f, const struct wire_type *t, void *o);

static void fill_one(struct filler *f, const struct wire_field *field, void *p)
{
	struct str *s = p;
	struct bytes *b = p;
	struct records *rec = p;
	int64_t v = random_number(f);
	double real = (double)v / 3;

	switch (field->kind) {
	case WIRE_BOOL:
		*(bool *)p = v & 1;
		break;
	case WIRE_I8:
		memcpy(p, &v, 1);
		break;
	case WIRE_I16:
	case WIRE_U16:
		memcpy(p, &v, 2);
		break;
	case WIRE_I32:
	case WIRE_U32:
		memcpy(p, &v, 4);
		break;
	case WIRE_I64:
		memcpy(p, &v, 8);
		break;
	case WIRE_F64:
		memcpy(p, &real, 8);
		break;
	case WIRE_UUID:
		*(struct uuid *)p = prng_uuid(f->p);
		break;
	case WIRE_STR:
		s->p = random_text(f, &s->n);
		break;
	case WIRE_BYTES:
		b->p = random_bytes(f, &b->n);
		break;
	case WIRE_RECORDS:
		rec->p = random_bytes(f, &rec->n);
		break;
	default:
		fill_struct(f, field->type, p);
	}
}

static size_t size_of(const struct wire_field *field)
{
	static const size_t sizes[] = {
		[WIRE_BOOL] = 1, [WIRE_I8] = 1, [WIRE_I16] = 2,
		[WIRE_U16] = 2, [WIRE_I32] = 4, [WIRE_U32] = 4,
		[WIRE_I64] = 8, [WIRE_F64] = 8,
		[WIRE_UUID] = sizeof(struct uuid),
		[WIRE_STR] = sizeof(struct str),
		[WIRE_BYTES] = sizeof(struct bytes),
		[WIRE_RECORDS] = sizeof(struct records),
	};

	return field->kind == WIRE_STRUCT ? field->type->size :
					    sizes[field->kind];
}

static void set_null(const struct wire_field *field, uint8_t *o)
{
	uint8_t *p = o + field->offset;
	int32_t *count = (void *)(o + field->count_offset);

	if (field->array)
		*count = -1;
	else if (field->kind == WIRE_STRUCT)
		*(void **)(void *)p = NULL;
	else if (field->kind == WIRE_STR)
		*(struct str *)(void *)p = STR_NULL;
	else if (field->kind == WIRE_BYTES)
		*(struct bytes *)(void *)p = BYTES_NULL;
	else
		*(struct records *)(void *)p = (struct records){ NULL, -1, 0 };
}

static void fill_array(struct filler *f, const struct wire_field *field,
		       uint8_t *o)
{
	int32_t n = (int32_t)prng_below(f->p, f->depth > 2 ? 3 : 4);
	int32_t *count = (void *)(o + field->count_offset);
	size_t size = size_of(field);
	uint8_t *p = arena_zalloc(f->a, (size_t)n * size + 1);

	*count = n;
	*(void **)(void *)(o + field->offset) = p;
	for (int32_t i = 0; i < n; i++)
		fill_one(f, field, p + (size_t)i * size);
}

static void fill_field(struct filler *f, const struct wire_field *field,
		       uint8_t *o)
{
	bool nullable = f->version >= field->null_min &&
			f->version <= field->null_max;
	uint8_t *p = o + field->offset;

	if (nullable && chance(f, 4)) {
		set_null(field, o);
	} else if (field->array) {
		fill_array(f, field, o);
	} else if (field->kind == WIRE_STRUCT &&
		   field->null_min <= field->null_max) {
		void *inner = arena_alloc(f->a, field->type->size);

		*(void **)(void *)p = inner;
		fill_struct(f, field->type, inner);
	} else {
		fill_one(f, field, p);
	}
}

static void fill_struct(struct filler *f, const struct wire_type *t, void *o)
{
	wire_preset(t, o);
	f->depth++;
	for (uint16_t i = 0; i < t->fields_n; i++) {
		const struct wire_field *field = &t->fields[i];

		if (f->version < field->min || f->version > field->max)
			continue;
		if (field->tag >= 0 && chance(f, 3))
			continue; /* tagged fields may keep their default */
		fill_field(f, field, o);
	}
	f->depth--;
}

void random_message(const struct wire_type *t, int16_t version, void *object,
		    struct arena *a, struct prng *p)
{
	struct filler f = { .a = a, .p = p, .version = version };

	fill_struct(&f, t, object);
}
