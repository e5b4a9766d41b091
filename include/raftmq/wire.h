/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: bytes <-> structs.
 *
 * All messages stand in one line language (src/wire/kafka.schema; the agreed
 * log's commands use it too). schema.awk turns a schema into C structs and
 * constant field tables, and one interpreter (codec.c) encodes and decodes
 * them. There is no per-version code anywhere else.
 *
 * From the schema to C (<raftmq/gen/UNIT.h>):
 *   message ProduceRequest         struct produce_request
 *                                  const struct wire_type produce_request_type
 *   its array topic_data [topic]   int32_t topic_data_n;   (-1 = null array)
 *                                  struct produce_request_topic *topic_data;
 *   and in it [partition]          struct produce_request_partition
 *   string / nullable string       struct str
 *   bytes / nullable bytes         struct bytes
 *   records                        struct records
 *   int8 int16 int32 int64 uuid    int8_t int16_t int32_t int64_t struct uuid
 *   bool, float64                  bool, double
 *   nullable struct                pointer, NULL when null
 * Field names are Kafka's in snake_case; request and response of one API have
 * their own types. Structs with no fields of their own still exist.
 */
#ifndef RAFTMQ_WIRE_H
#define RAFTMQ_WIRE_H

#include <raftmq/base.h>

/* ---- errors (error.c, from tbl/error.def) -------------------------------- */

/* enum kerr: Kafka's error codes as K_NONE, K_OFFSET_OUT_OF_RANGE, ... */
enum kerr {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a number of the table */
#define ERROR(name, code, retriable, text) K_##name = code,
#include <raftmq/tbl/error.def>
#undef ERROR
};
const char *kerr_name(int16_t code); /* "NOT_LEADER_OR_FOLLOWER" */
const char *kerr_text(int16_t code); /* one sentence for people */
bool kerr_is_retriable(int16_t code);

/* ---- codec (codec.c) ----------------------------------------------------- */

/*
 * A batch of records inside a message. On decode, p is a loan from the frame.
 * On encode either p points at the bytes or, when p is NULL and n > 0, the
 * bytes come from elsewhere (a file): encode then leaves them out and notes a
 * splice, and whoever writes the frame fills the hole from ref.
 */
struct records {
	const uint8_t *p;
	int32_t n; /* -1 = null */
	void *ref;
};
struct splice {
	size_t at; /* position in the encoded buffer, holes not counted */
	int32_t n; /* bytes that belong there */
	void *ref;
};
struct splices {
	struct splice *v;
	int32_t n, cap;
	int64_t bytes; /* sum of n: frame length = buffer + this */
};
void splices_fini(struct splices *s);

enum wire_kind {
	WIRE_BOOL, WIRE_I8, WIRE_I16, WIRE_U16, WIRE_I32, WIRE_U32, WIRE_I64,
	WIRE_F64, WIRE_UUID, WIRE_STR, WIRE_BYTES, WIRE_RECORDS, WIRE_STRUCT,
};
struct wire_field {
	const char *name;             /* snake_case, for printing */
	const struct wire_type *type; /* of struct elements */
	uint8_t kind;                 /* enum wire_kind (of the element) */
	bool array;
	int8_t tag;                   /* -1: not a tagged field */
	int16_t min, max;             /* versions that have it */
	int16_t null_min, null_max;   /* null is legal; min > max: never */
	uint16_t offset;              /* of the value or pointer */
	uint16_t count_offset;        /* of the _n of an array */
};
struct wire_type {
	const char *name;   /* "ProduceRequest" or "ProduceRequest.topic" */
	size_t size;
	const void *preset; /* an object with every field at its default */
	const struct wire_field *fields; /* first the plain, then by tag */
	uint16_t plain_n, fields_n;
	int16_t key;        /* as in the schema; -1 for nested structs */
	int16_t min, max;   /* versions the schema describes */
	int16_t flexible;   /* first flexible version; 32767 = never */
};

/* Sets every field to its default. Response arrays start empty, not null. */
void wire_preset(const struct wire_type *t, void *object);
/* n objects with every field at its default; NULL for n = 0. */
void *wire_new(const struct wire_type *t, int32_t n, struct arena *a) must_use;
/*
 * Appends the body (no header). Fields absent from the version are left out;
 * a null where the version does not allow one is a bug and aborts. A text is
 * cut at a zero byte and at 32767 bytes, the protocol's limit. sp may be NULL
 * when no records field has a ref.
 */
void wire_encode(struct buf *out, const struct wire_type *t, int16_t version,
		 const void *object, struct splices *sp);
/*
 * Presets, then reads the body. Text and bytes are loans from the input,
 * arrays live in the arena. Array counts are checked against what is left
 * before anything is allocated: N input bytes cost at most 64*N in memory.
 * Unknown tags are skipped. Returns false (and sets r->bad) when malformed; a
 * text with a zero byte in it is, although Kafka would take it.
 */
bool wire_decode(struct reader *r, const struct wire_type *t, int16_t version,
		 void *object, struct arena *a) must_use;
/* One field per line, nested by indentation: for tests, traces and tools. */
void wire_print(struct buf *out, const struct wire_type *t, int16_t version,
		const void *object);

/* ---- frames (frame.c) ---------------------------------------------------- */

struct request_header {
	int16_t key, version;
	int32_t correlation_id;
	struct str client_id; /* nullable */
};
/* The pair of types of an API key, or NULL when the schema has none. */
struct wire_api {
	int16_t key;
	const char *name; /* "Produce" */
	const struct wire_type *request, *response;
};
const struct wire_api *wire_api_find(int16_t key);
bool wire_is_flexible(const struct wire_type *t, int16_t version);

/*
 * Reads the request header behind the size; the flexible part (header v2) by
 * the schema's table (KIP-482). Unknown keys are read as header v1.
 */
bool frame_read_request(struct reader *r, struct request_header *h) must_use;
/* Reserves the size, writes the header; frame_end fills the size in. */
size_t frame_begin_request(struct buf *out, const struct request_header *h);
size_t frame_begin_response(struct buf *out, int16_t key, int16_t version,
			    int32_t correlation_id);
void frame_end(struct buf *out, size_t begin, int64_t spliced_bytes);
/* Response header; ApiVersions is always v0 (KIP-511). */
bool frame_read_response(struct reader *r, int16_t key, int16_t version,
			 int32_t *correlation_id) must_use;

/* ---- record batches v2 (batch.c) ----------------------------------------- */

#define BATCH_HEADER_SIZE 61
#define BATCH_LENGTH_AT 12 /* batchLength counts from here */
#define BATCH_MAGIC_AT 16
#define BATCH_MAGIC 2

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };
#define BATCH_CODEC_MASK 0x07
#define BATCH_LOG_APPEND_TIME 0x08
#define BATCH_TRANSACTIONAL 0x10
#define BATCH_CONTROL 0x20
#define BATCH_DELETE_HORIZON 0x40

struct batch { /* a parsed header; p is a loan */
	const uint8_t *p;
	int32_t size; /* whole batch in bytes, header included */
	int64_t base_offset;
	int32_t leader_epoch;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp, max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t count;
};
static inline int64_t batch_last_offset(const struct batch *b)
{
	return b->base_offset + b->last_offset_delta;
}
static inline int64_t batch_next_offset(const struct batch *b)
{
	return batch_last_offset(b) + 1;
}
enum codec batch_codec(const struct batch *b);

/*
 * Reads the header of the batch at p; needs BATCH_HEADER_SIZE bytes, and does
 * not look behind it. K_NONE, K_CORRUPT_MESSAGE, or
 * K_UNSUPPORTED_FOR_MESSAGE_FORMAT for magic 0 and 1. When the whole batch is
 * not in [p, p+n) the result is K_NONE and b->size > n: the caller decides.
 */
enum kerr batch_peek(const uint8_t *p, size_t n, struct batch *b);
/* CRC32C over attributes..end; the whole batch must be there. */
bool batch_crc_ok(const struct batch *b);
/*
 * Everything a broker can check of a client's batch without decompressing, by
 * name (why is a static text, NULL with K_NONE). The whole batch must be
 * there. In this order: size (K_MESSAGE_TOO_LARGE), CRC (K_CORRUPT_MESSAGE),
 * codec known (K_UNSUPPORTED_COMPRESSION_TYPE), log-append time and negative
 * timestamps (K_INVALID_TIMESTAMP), and as K_INVALID_RECORD: unknown
 * attributes, control bit, delete horizon, base offset not 0, count and offset
 * delta, too few bytes, producer id without epoch or sequence, a transaction
 * without producer id. One pass over the bytes for the CRC, nothing else.
 */
enum kerr batch_check_client(const struct batch *b, int32_t size_max,
			     const char **why);
/* Stamped in place; both lie outside the CRC. */
void batch_stamp(uint8_t *p, int64_t base_offset, int32_t leader_epoch);
/* Log-append time: sets the bit and maxTimestamp, recomputes the CRC. */
void batch_stamp_append_time(uint8_t *p, int64_t now_ms);

struct record {
	int64_t offset;
	int64_t timestamp;
	struct bytes key, value; /* nullable; loans from the walk's buffer */
	int32_t headers_n;
	struct bytes headers_raw; /* encoded headers: header_next reads them */
};
struct record_header {
	struct str key;
	struct bytes value;
};
/*
 * Walks the records of a whole batch; decompresses into its own buffer, at
 * most limit bytes. walk_next gives false at the end or on error: ask error.
 * K_CORRUPT_MESSAGE, K_MESSAGE_TOO_LARGE (over the limit) or
 * K_UNSUPPORTED_COMPRESSION_TYPE (the codec was not built in).
 */
struct batch_walk {
	struct batch batch;
	struct reader r;
	struct buf plain;
	int32_t left;
	int32_t last; /* offset delta of the record before; -1 at first */
	enum kerr error;
};
void batch_walk_open(struct batch_walk *w, const struct batch *b, size_t limit);
bool batch_walk_next(struct batch_walk *w, struct record *out);
void batch_walk_close(struct batch_walk *w);
bool record_header_next(struct reader *r, struct record_header *out);

/*
 * Builds one batch; used by tools, tests and the broker's own records. All
 * zeroes is valid; a builder serves for many batches. The codec must be built
 * in: ask codec_is_built.
 */
struct batch_builder {
	struct buf out; /* the finished batch after batch_build_end */
	int64_t base_timestamp, max_timestamp;
	int32_t count;
	enum codec codec;
	int16_t attributes; /* BATCH_TRANSACTIONAL and such; 0 after begin */
};
void batch_build_begin(struct batch_builder *b, enum codec codec);
/* headers end with one whose key is null; NULL for none. */
void batch_build_add(struct batch_builder *b, int64_t timestamp,
		     struct bytes key, struct bytes value,
		     const struct record_header *headers);
/*
 * At least one record. Producer id -1, epoch -1, sequence -1 for none. Base
 * offset 0, leader epoch -1. Returns the batch: a loan until the next begin.
 */
struct bytes batch_build_end(struct batch_builder *b, int64_t producer_id,
			     int16_t producer_epoch, int32_t base_sequence);
void batch_build_fini(struct batch_builder *b);

/* ---- codecs (compress.c: the only file with foreign headers) ------------- */

const char *codec_name(enum codec c);
bool codec_parse(struct str name, enum codec *out);
bool codec_is_built(enum codec c); /* configure may have left one out */
/*
 * Appends to out at most limit bytes, streaming, so that a bomb costs no more
 * than the limit. 0, -EBADMSG (malformed, cut, bytes behind the end), -E2BIG
 * (over the limit), -ENOTSUP; on an error out is as it was. Snappy: raw and
 * xerial framing are both read, xerial is written. Zstd: windows up to 8 MiB.
 */
int codec_decompress(enum codec c, struct bytes in, size_t limit,
		     struct buf *out) must_use;
int codec_compress(enum codec c, struct bytes in, struct buf *out) must_use;

#include <raftmq/gen/kafka.h> /* from src/wire/kafka.schema */

#endif
