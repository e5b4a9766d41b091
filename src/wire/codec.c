/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: one interpreter that reads and writes every message by walking the
 * field tables made from the schema. It knows the encodings (KIP-482: compact
 * lengths and tagged fields from the first flexible version), and nothing of
 * any message.
 *
 * Invariants:
 * 1. Decoding touches no byte behind reader.end and allocates at most 64 bytes
 *    per byte of input; the schema is shaped so that no valid message needs
 *    more (a test measures every type in every version).
 * 2. decode(encode(x)) == x for the fields of the version, and
 *    encode(decode(b)) == b for bytes written by Kafka.
 * 3. Depth of recursion is the depth of the schema, not of the input.
 */
#include <raftmq/wire.h>

#define MEMORY_PER_BYTE 64

static const size_t sizes[] = {
	[WIRE_BOOL] = sizeof(bool),
	[WIRE_I8] = 1,
	[WIRE_I16] = 2,
	[WIRE_U16] = 2,
	[WIRE_I32] = 4,
	[WIRE_U32] = 4,
	[WIRE_I64] = 8,
	[WIRE_F64] = 8,
	[WIRE_UUID] = sizeof(struct uuid),
	[WIRE_STR] = sizeof(struct str),
	[WIRE_BYTES] = sizeof(struct bytes),
	[WIRE_RECORDS] = sizeof(struct records),
};

static size_t element_size(const struct wire_field *f)
{
	return f->kind == WIRE_STRUCT ? f->type->size : sizes[f->kind];
}

static bool has_field(const struct wire_field *f, int16_t version)
{
	return version >= f->min && version <= f->max;
}

static bool may_be_null(const struct wire_field *f, int16_t version)
{
	return version >= f->null_min && version <= f->null_max;
}

/* A struct whose field may ever be null is held by pointer. */
static bool is_pointer(const struct wire_field *f)
{
	return f->kind == WIRE_STRUCT && !f->array &&
	       f->null_min <= f->null_max;
}

bool wire_is_flexible(const struct wire_type *t, int16_t version)
{
	return version >= t->flexible;
}

void wire_preset(const struct wire_type *t, void *object)
{
	memcpy(object, t->preset, t->size);
}

void *wire_new(const struct wire_type *t, int32_t n, struct arena *a)
{
	uint8_t *p;

	assert(n >= 0);
	if (n == 0)
		return NULL;
	p = arena_alloc(a, (size_t)n * t->size);
	for (int32_t i = 0; i < n; i++)
		memcpy(p + (size_t)i * t->size, t->preset, t->size);
	return p;
}

/* ---- decoding ------------------------------------------------------------ */

struct decoder {
	struct reader *r;
	struct arena *a;
	size_t limit; /* of a->bytes */
	int16_t version;
	bool flexible;
};

static void decode_struct(struct decoder *d, const struct wire_type *t,
			  void *object);

/* -1 for null; anything longer than the input is malformed. */
static int32_t decode_length(struct decoder *d, bool is_short)
{
	uint64_t n; /* length + 1 */

	if (d->flexible)
		n = read_uvarint(d->r);
	else if (is_short)
		n = (uint64_t)(read_i16(d->r) + (int64_t)1);
	else
		n = (uint64_t)(read_i32(d->r) + (int64_t)1);
	if (n > reader_left(d->r) + 1 || n > INT32_MAX) {
		d->r->bad = true;
		return 0;
	}
	return (int32_t)n - 1;
}

static void decode_span(struct decoder *d, const struct wire_field *f,
			const uint8_t **p, int32_t *n)
{
	bool text = f->kind == WIRE_STR;
	int32_t length = decode_length(d, text);

	if (length < 0) {
		if (f->array || !may_be_null(f, d->version))
			d->r->bad = true;
		*p = NULL;
		*n = -1;
		return;
	}
	if (text && length > INT16_MAX)
		d->r->bad = true;
	*p = read_span(d->r, (size_t)length);
	*n = length;
	/* inside, texts end with a zero: two that differ behind one would be
	 * the same to some and not to others */
	if (text && *p && memchr(*p, 0, (size_t)length))
		d->r->bad = true;
}

static double decode_f64(struct reader *r)
{
	int64_t bits = read_i64(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void decode_uuid(struct reader *r, struct uuid *u)
{
	const uint8_t *p = read_span(r, sizeof(u->b));

	if (p)
		memcpy(u->b, p, sizeof(u->b));
}

static void decode_one(struct decoder *d, const struct wire_field *f, void *p)
{
	struct str *s = p;
	struct bytes *b = p;
	struct records *rec = p;

	switch (f->kind) {
	case WIRE_BOOL:
		*(bool *)p = read_u8(d->r) != 0;
		break;
	case WIRE_I8:
		*(int8_t *)p = (int8_t)read_u8(d->r);
		break;
	case WIRE_I16:
	case WIRE_U16:
		*(int16_t *)p = read_i16(d->r);
		break;
	case WIRE_I32:
	case WIRE_U32:
		*(int32_t *)p = read_i32(d->r);
		break;
	case WIRE_I64:
		*(int64_t *)p = read_i64(d->r);
		break;
	case WIRE_F64:
		*(double *)p = decode_f64(d->r);
		break;
	case WIRE_UUID:
		decode_uuid(d->r, p);
		break;
	case WIRE_STR:
		decode_span(d, f, (const uint8_t **)(void *)&s->p, &s->n);
		break;
	case WIRE_BYTES:
		decode_span(d, f, &b->p, &b->n);
		break;
	case WIRE_RECORDS:
		decode_span(d, f, &rec->p, &rec->n);
		rec->ref = NULL;
		break;
	case WIRE_STRUCT:
		decode_struct(d, f->type, p);
		break;
	default:
		fatal("codec: kind %d of %s", f->kind, f->name);
	}
}

/* NULL (and bad) when the input is too short to pay for the memory. */
static uint8_t *allocate(struct decoder *d, size_t n, size_t size)
{
	if (n * size > d->limit - d->a->bytes) {
		d->r->bad = true;
		return NULL;
	}
	return arena_alloc(d->a, n * size);
}

static void decode_array(struct decoder *d, const struct wire_field *f,
			 uint8_t *object)
{
	int32_t *count = (void *)(object + f->count_offset);
	void **elements = (void *)(object + f->offset);
	size_t size = element_size(f);
	int32_t n = decode_length(d, false);
	uint8_t *p;

	*elements = NULL;
	*count = n;
	if (n < 0 && !may_be_null(f, d->version))
		d->r->bad = true;
	if (n <= 0)
		return;
	p = allocate(d, (size_t)n, size);
	if (!p) {
		*count = 0;
		return;
	}
	*elements = p;
	for (int32_t i = 0; i < n; i++, p += size) {
		decode_one(d, f, p);
		if (d->r->bad) {
			*count = i + 1;
			return;
		}
	}
}

static void decode_pointer(struct decoder *d, const struct wire_field *f,
			   void **out)
{
	int8_t mark = 1;

	*out = NULL;
	if (may_be_null(f, d->version))
		mark = (int8_t)read_u8(d->r);
	if (mark < 0 || d->r->bad)
		return;
	*out = allocate(d, 1, f->type->size);
	if (*out)
		decode_struct(d, f->type, *out);
}

static void decode_field(struct decoder *d, const struct wire_field *f,
			 uint8_t *object)
{
	if (f->array)
		decode_array(d, f, object);
	else if (is_pointer(f))
		decode_pointer(d, f, (void **)(void *)(object + f->offset));
	else
		decode_one(d, f, object + f->offset);
}

static const struct wire_field *find_tag(const struct wire_type *t,
					 int16_t version, uint64_t tag)
{
	for (uint16_t i = t->plain_n; i < t->fields_n; i++)
		if ((uint64_t)t->fields[i].tag == tag)
			return has_field(&t->fields[i], version) ?
				       &t->fields[i] : NULL;
	return NULL;
}

/* A tagged field must fill its size exactly; unknown ones are skipped. */
static void decode_tags(struct decoder *d, const struct wire_type *t,
			uint8_t *object)
{
	uint64_t n = read_uvarint(d->r);

	for (uint64_t i = 0; i < n && !d->r->bad; i++) {
		uint64_t tag = read_uvarint(d->r);
		uint64_t size = read_uvarint(d->r);
		const struct wire_field *f = find_tag(t, d->version, tag);
		const uint8_t *p = read_span(d->r, size);
		struct decoder inner = *d;
		struct reader r;

		if (!p || !f)
			continue;
		r = reader_of(p, size);
		inner.r = &r;
		decode_field(&inner, f, object);
		if (r.bad || reader_left(&r) > 0)
			d->r->bad = true;
	}
}

static void decode_struct(struct decoder *d, const struct wire_type *t,
			  void *object)
{
	const struct wire_field *f = t->fields, *end = f + t->plain_n;

	memcpy(object, t->preset, t->size);
	for (; f < end; f++)
		if (has_field(f, d->version))
			decode_field(d, f, object);
	if (d->flexible)
		decode_tags(d, t, object);
}

bool wire_decode(struct reader *r, const struct wire_type *t, int16_t version,
		 void *object, struct arena *a)
{
	struct decoder d = {
		.r = r,
		.a = a,
		.limit = a->bytes + MEMORY_PER_BYTE * reader_left(r),
		.version = version,
		.flexible = wire_is_flexible(t, version),
	};

	decode_struct(&d, t, object);
	return !r->bad;
}

/* ---- encoding ------------------------------------------------------------ */

struct encoder {
	struct buf *out;
	struct splices *sp;
	int16_t version;
	bool flexible;
};

static void encode_struct(struct encoder *e, const struct wire_type *t,
			  const void *object);

static void encode_length(struct encoder *e, int32_t n, bool is_short)
{
	if (e->flexible)
		buf_put_uvarint(e->out, (uint64_t)(n + (int64_t)1));
	else if (is_short)
		buf_put_i16(e->out, (int16_t)n);
	else
		buf_put_i32(e->out, n);
}

static void check_null(struct encoder *e, const struct wire_field *f, bool null)
{
	if (null && !may_be_null(f, e->version))
		fatal("codec: %s is null in version %d", f->name, e->version);
}

/* The protocol ends texts at 32767 bytes, and we at a zero; one that has more
 * is cut, at a character, so that no message of ours can break a connection. */
static int32_t clip(struct str s)
{
	const char *zero = s.n > 0 ? memchr(s.p, 0, (size_t)s.n) : NULL;
	int32_t n = zero ? (int32_t)(zero - s.p) : s.n;

	if (n <= INT16_MAX)
		return n;
	n = INT16_MAX;
	while (n > 0 && ((uint8_t)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void encode_str(struct encoder *e, struct str s)
{
	int32_t n = clip(s);

	encode_length(e, n, true);
	if (n > 0)
		buf_put(e->out, s.p, (size_t)n);
}

static void note_splice(struct encoder *e, const struct records *rec)
{
	struct splices *sp = e->sp;

	assert(sp);
	if (sp->n == sp->cap) {
		sp->cap = sp->cap ? sp->cap * 2 : 8;
		sp->v = mem_realloc(sp->v, (size_t)sp->cap * sizeof(*sp->v));
	}
	sp->v[sp->n++] = (struct splice){
		.at = e->out->n, .n = rec->n, .ref = rec->ref,
	};
	sp->bytes += rec->n;
}

static void encode_records(struct encoder *e, const struct records *rec)
{
	encode_length(e, rec->n, false);
	if (rec->n <= 0)
		return;
	if (rec->p)
		buf_put(e->out, rec->p, (size_t)rec->n);
	else
		note_splice(e, rec);
}

void splices_fini(struct splices *s)
{
	mem_free(s->v);
	memset(s, 0, sizeof(*s));
}

static void encode_f64(struct buf *out, double v)
{
	int64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	buf_put_i64(out, bits);
}

static void encode_bytes(struct encoder *e, struct bytes b)
{
	encode_length(e, b.n, false);
	if (b.n > 0)
		buf_put(e->out, b.p, (size_t)b.n);
}

static void encode_one(struct encoder *e, const struct wire_field *f,
		       const void *p)
{
	switch (f->kind) {
	case WIRE_BOOL:
	case WIRE_I8:
		buf_put_u8(e->out, *(const uint8_t *)p);
		break;
	case WIRE_I16:
	case WIRE_U16:
		buf_put_i16(e->out, *(const int16_t *)p);
		break;
	case WIRE_I32:
	case WIRE_U32:
		buf_put_i32(e->out, *(const int32_t *)p);
		break;
	case WIRE_I64:
		buf_put_i64(e->out, *(const int64_t *)p);
		break;
	case WIRE_F64:
		encode_f64(e->out, *(const double *)p);
		break;
	case WIRE_UUID:
		buf_put(e->out, p, sizeof(struct uuid));
		break;
	case WIRE_STR:
		check_null(e, f, ((const struct str *)p)->n < 0);
		encode_str(e, *(const struct str *)p);
		break;
	case WIRE_BYTES:
		check_null(e, f, ((const struct bytes *)p)->n < 0);
		encode_bytes(e, *(const struct bytes *)p);
		break;
	case WIRE_RECORDS:
		check_null(e, f, ((const struct records *)p)->n < 0);
		encode_records(e, p);
		break;
	case WIRE_STRUCT:
		encode_struct(e, f->type, p);
		break;
	default:
		fatal("codec: kind %d of %s", f->kind, f->name);
	}
}

static void encode_array(struct encoder *e, const struct wire_field *f,
			 const uint8_t *object)
{
	const void *at = object + f->offset, *count = object + f->count_offset;
	const uint8_t *p = *(uint8_t *const *)at;
	int32_t n = *(const int32_t *)count;
	size_t size = element_size(f);

	check_null(e, f, n < 0);
	encode_length(e, n, false);
	for (int32_t i = 0; i < n; i++)
		encode_one(e, f, p + (size_t)i * size);
}

static void encode_pointer(struct encoder *e, const struct wire_field *f,
			   const void *p)
{
	check_null(e, f, !p);
	if (may_be_null(f, e->version))
		buf_put_u8(e->out, p ? 1 : 0xff);
	if (p)
		encode_struct(e, f->type, p);
}

static void encode_field(struct encoder *e, const struct wire_field *f,
			 const uint8_t *object)
{
	const void *p = object + f->offset;

	if (f->array)
		encode_array(e, f, object);
	else if (is_pointer(f))
		encode_pointer(e, f, *(void *const *)p);
	else
		encode_one(e, f, p);
}

static bool is_preset(const struct wire_type *t, const uint8_t *object);

/* Whether a field has its default; lists and texts only default to empty or
 * null, so the count decides. */
static bool field_is_preset(const struct wire_type *t,
			    const struct wire_field *f, const uint8_t *object)
{
	const uint8_t *preset = t->preset;
	size_t at = f->array ? f->count_offset : f->offset;
	const void *p = object + at, *q = preset + at;

	if (f->array)
		return *(const int32_t *)p == *(const int32_t *)q;
	switch (f->kind) {
	case WIRE_STR:
		return ((const struct str *)p)->n == ((const struct str *)q)->n;
	case WIRE_BYTES:
	case WIRE_RECORDS:
		return ((const struct bytes *)p)->n ==
		       ((const struct bytes *)q)->n;
	case WIRE_STRUCT:
		if (is_pointer(f))
			return *(void *const *)p == NULL;
		return is_preset(f->type, p);
	default:
		return memcmp(p, q, sizes[f->kind]) == 0;
	}
}

static bool is_preset(const struct wire_type *t, const uint8_t *object)
{
	for (uint16_t i = 0; i < t->fields_n; i++)
		if (!field_is_preset(t, &t->fields[i], object))
			return false;
	return true;
}

static bool has_tag(struct encoder *e, const struct wire_type *t, uint16_t i,
		    const uint8_t *object)
{
	return has_field(&t->fields[i], e->version) &&
	       !field_is_preset(t, &t->fields[i], object);
}

/* The size stands before the value and is as long as it must be: the value is
 * written first and then moved up. */
static void encode_tag(struct encoder *e, const struct wire_field *f,
		       const uint8_t *object)
{
	struct buf *out = e->out;
	int32_t splices = e->sp ? e->sp->n : 0;
	uint8_t size[10];
	size_t begin, n, after;

	buf_put_uvarint(out, (uint64_t)f->tag);
	begin = out->n;
	encode_field(e, f, object);
	assert(!e->sp || e->sp->n == splices);
	n = out->n - begin;
	buf_put_uvarint(out, n);
	after = out->n - begin - n;
	assert(after <= sizeof(size));
	memcpy(size, out->p + begin + n, after);
	memmove(out->p + begin + after, out->p + begin, n);
	memcpy(out->p + begin, size, after);
}

static void encode_tags(struct encoder *e, const struct wire_type *t,
			const uint8_t *object)
{
	uint64_t n = 0;

	for (uint16_t i = t->plain_n; i < t->fields_n; i++)
		n += has_tag(e, t, i, object);
	buf_put_uvarint(e->out, n);
	for (uint16_t i = t->plain_n; n && i < t->fields_n; i++)
		if (has_tag(e, t, i, object))
			encode_tag(e, &t->fields[i], object);
}

static void encode_struct(struct encoder *e, const struct wire_type *t,
			  const void *object)
{
	const struct wire_field *f = t->fields, *end = f + t->plain_n;

	for (; f < end; f++)
		if (has_field(f, e->version))
			encode_field(e, f, object);
	if (e->flexible)
		encode_tags(e, t, object);
}

void wire_encode(struct buf *out, const struct wire_type *t, int16_t version,
		 const void *object, struct splices *sp)
{
	struct encoder e = {
		.out = out,
		.sp = sp,
		.version = version,
		.flexible = wire_is_flexible(t, version),
	};

	encode_struct(&e, t, object);
}
