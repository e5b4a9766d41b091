/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print: messages as text, one field per line, nested by indentation. For
 * tests, traces and tools; not an exchange format and never read back.
 */
#include <raftmq/wire.h>

#define BYTES_SHOWN 32

struct printer {
	struct buf *out;
	int16_t version;
};

static void print_struct(struct printer *p, const struct wire_type *t,
			 const void *object, int depth);

static void print_str(struct buf *out, struct str s)
{
	if (s.n < 0) {
		buf_printf(out, "null");
		return;
	}
	buf_put_u8(out, '"');
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_put_u8(out, c);
	}
	buf_put_u8(out, '"');
}

static void print_bytes(struct buf *out, struct bytes b)
{
	if (b.n < 0) {
		buf_printf(out, "null");
		return;
	}
	buf_printf(out, "%" PRId32 " bytes", b.n);
	if (b.n > 0)
		buf_put_u8(out, ' ');
	for (int32_t i = 0; i < min_of(b.n, BYTES_SHOWN); i++)
		buf_printf(out, "%02x", b.p[i]);
	if (b.n > BYTES_SHOWN)
		buf_printf(out, "...");
}

static void print_records(struct buf *out, const struct records *rec)
{
	if (rec->n > 0 && !rec->p)
		buf_printf(out, "%" PRId32 " bytes elsewhere", rec->n);
	else
		print_bytes(out, (struct bytes){ rec->p, rec->n });
}

static void print_uuid(struct buf *out, struct uuid u)
{
	char text[UUID_TEXT_MAX];

	uuid_text(u, text);
	buf_printf(out, "%s", text);
}

static void print_scalar(struct buf *out, uint8_t kind, const void *v)
{
	switch (kind) {
	case WIRE_BOOL:
		buf_printf(out, "%s", *(const bool *)v ? "true" : "false");
		break;
	case WIRE_I8:
		buf_printf(out, "%d", *(const int8_t *)v);
		break;
	case WIRE_I16:
		buf_printf(out, "%d", *(const int16_t *)v);
		break;
	case WIRE_U16:
		buf_printf(out, "%u", *(const uint16_t *)v);
		break;
	case WIRE_I32:
		buf_printf(out, "%" PRId32, *(const int32_t *)v);
		break;
	case WIRE_U32:
		buf_printf(out, "%" PRIu32, *(const uint32_t *)v);
		break;
	case WIRE_I64:
		buf_printf(out, "%" PRId64, *(const int64_t *)v);
		break;
	case WIRE_F64:
		buf_printf(out, "%.17g", *(const double *)v);
		break;
	case WIRE_UUID:
		print_uuid(out, *(const struct uuid *)v);
		break;
	case WIRE_STR:
		print_str(out, *(const struct str *)v);
		break;
	case WIRE_BYTES:
		print_bytes(out, *(const struct bytes *)v);
		break;
	case WIRE_RECORDS:
		print_records(out, v);
		break;
	default:
		fatal("print: kind %d", kind);
	}
}

static size_t scalar_size(uint8_t kind)
{
	switch (kind) {
	case WIRE_BOOL:
		return sizeof(bool);
	case WIRE_I8:
		return 1;
	case WIRE_I16:
	case WIRE_U16:
		return 2;
	case WIRE_I32:
	case WIRE_U32:
		return 4;
	case WIRE_I64:
	case WIRE_F64:
		return 8;
	case WIRE_RECORDS:
		return sizeof(struct records);
	default:
		return sizeof(struct str);
	}
}

static void indent(struct buf *out, int depth)
{
	while (depth-- > 0)
		buf_put_u8(out, '\t');
}

static void print_list(struct printer *p, const struct wire_field *f,
		       const uint8_t *v, int32_t n)
{
	size_t size = scalar_size(f->kind);

	buf_put_u8(p->out, '[');
	for (int32_t i = 0; i < n; i++) {
		buf_printf(p->out, "%s", i ? ", " : "");
		print_scalar(p->out, f->kind, v + (size_t)i * size);
	}
	buf_printf(p->out, "]\n");
}

static void print_array(struct printer *p, const struct wire_field *f,
			const uint8_t *object, int depth)
{
	const void *at = object + f->offset, *count = object + f->count_offset;
	const uint8_t *v = *(uint8_t *const *)at;
	int32_t n = *(const int32_t *)count;

	if (n < 0) {
		buf_printf(p->out, "%s: null\n", f->name);
	} else if (f->kind != WIRE_STRUCT) {
		buf_printf(p->out, "%s: ", f->name);
		print_list(p, f, v, n);
	} else {
		buf_printf(p->out, "%s: %" PRId32 "\n", f->name, n);
		for (int32_t i = 0; i < n; i++) {
			indent(p->out, depth);
			buf_printf(p->out, "- %" PRId32 "\n", i);
			print_struct(p, f->type, v + (size_t)i * f->type->size,
				     depth + 1);
		}
	}
}

static void print_field(struct printer *p, const struct wire_field *f,
			const uint8_t *object, int depth)
{
	const void *v = object + f->offset;

	indent(p->out, depth);
	if (f->array) {
		print_array(p, f, object, depth);
		return;
	}
	if (f->kind == WIRE_STRUCT) {
		if (f->null_min <= f->null_max)
			v = *(void *const *)v;
		buf_printf(p->out, "%s:%s\n", f->name, v ? "" : " null");
		if (v)
			print_struct(p, f->type, v, depth + 1);
		return;
	}
	buf_printf(p->out, "%s: ", f->name);
	print_scalar(p->out, f->kind, v);
	buf_put_u8(p->out, '\n');
}

static void print_struct(struct printer *p, const struct wire_type *t,
			 const void *object, int depth)
{
	for (uint16_t i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];

		if (p->version >= f->min && p->version <= f->max)
			print_field(p, f, object, depth);
	}
}

void wire_print(struct buf *out, const struct wire_type *t, int16_t version,
		const void *object)
{
	struct printer p = { .out = out, .version = version };

	buf_printf(out, "%s v%d\n", t->name, version);
	print_struct(&p, t, object, 1);
}
