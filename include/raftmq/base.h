/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: the words of the language. Memory, text, bytes, cursors, lists, maps,
 * timers, checksums, random numbers from a seed, log lines.
 *
 * Nothing here knows the time, draws entropy or touches a file: those arrive
 * as arguments. Out of memory and broken invariants abort the process; every
 * structure that a client can grow is bounded by its owner instead.
 */
#ifndef RAFTMQ_BASE_H
#define RAFTMQ_BASE_H

#ifdef NDEBUG
#error "assertions stay on: build without NDEBUG"
#endif

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define must_use __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))

/* ---- failing (fail.c) ---------------------------------------------------- */

/* Writes one log line with the text and aborts. For bugs and lost disks. */
_Noreturn void fatal(const char *fmt, ...) printf_like(1, 2);

/* ---- memory (mem.c): never NULL, aborts when there is none --------------- */

void *mem_alloc(size_t n) must_use;
void *mem_zalloc(size_t n) must_use;
void *mem_realloc(void *p, size_t n) must_use;
void *mem_dup(const void *p, size_t n) must_use;
char *mem_strdup(const char *s) must_use;
void mem_free(void *p);

/*
 * An arena: memory that is freed at once. Blocks are 16-byte aligned and live
 * until arena_fini or arena_reset. An arena of all zeroes is valid and empty.
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *head;
	size_t bytes; /* handed out since init or reset */
};
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);
void *arena_alloc(struct arena *a, size_t n) must_use;
void *arena_zalloc(struct arena *a, size_t n) must_use;
void *arena_dup(struct arena *a, const void *p, size_t n) must_use;
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);

/* ---- text and bytes (text.c): loans, never owners ------------------------ */

/* n == -1 (and p == NULL) is Kafka's null; otherwise n bytes, not terminated */
struct str {
	const char *p;
	int32_t n;
};
struct bytes {
	const uint8_t *p;
	int32_t n;
};
#define STR(literal) ((struct str){ (literal), (int32_t)sizeof(literal) - 1 })
#define STR_NULL ((struct str){ NULL, -1 })
#define BYTES_NULL ((struct bytes){ NULL, -1 })
/* for printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)((s).n < 0 ? 0 : (s).n), (s).n < 0 ? "" : (s).p

struct str str_of(const char *terminated); /* NULL gives STR_NULL */
bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *terminated);
int str_cmp(struct str a, struct str b); /* bytewise; null sorts first */
bool str_has_prefix(struct str s, const char *prefix);
struct str str_dup(struct arena *a, struct str s);
char *str_c(struct arena *a, struct str s); /* terminated copy; null -> "" */
char *str_heap(struct str s);               /* terminated copy, mem_free it */
struct str str_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);
/* Whole string as a decimal number in [min, max], or false. */
bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out) must_use;
/* Edit distance (Levenshtein) of the first 64 bytes, for "did you mean". What
 * is limit or more is limit: strangers can ask, so it gives up early. */
unsigned str_distance(const char *a, const char *b, unsigned limit);

/* ---- growing buffers and cursors (cursor.c) ------------------------------ */

/* Owner of n bytes. All zeroes is valid and empty. */
struct buf {
	uint8_t *p;
	size_t n, cap;
};
void buf_fini(struct buf *b);
void buf_reserve(struct buf *b, size_t more);
uint8_t *buf_grow(struct buf *b, size_t n); /* n uninitialised bytes at end */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_i16(struct buf *b, int16_t v); /* big-endian, as all of Kafka */
void buf_put_i32(struct buf *b, int32_t v);
void buf_put_i64(struct buf *b, int64_t v);
void buf_put_uvarint(struct buf *b, uint64_t v); /* LEB128 */
void buf_put_varint(struct buf *b, int64_t v);   /* zigzag, then LEB128 */
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
const char *buf_c(struct buf *b); /* terminates without counting the zero */

/*
 * Bounded reading with a sticky flag: once something did not fit, bad stays
 * set and every further read yields zero. Check once at the end.
 */
struct reader {
	const uint8_t *p, *end;
	bool bad;
};
struct reader reader_of(const void *p, size_t n);
size_t reader_left(const struct reader *r);
uint8_t read_u8(struct reader *r);
int16_t read_i16(struct reader *r);
int32_t read_i32(struct reader *r);
uint32_t read_u32(struct reader *r);
int64_t read_i64(struct reader *r);
uint64_t read_uvarint(struct reader *r); /* at most 10 bytes, else bad */
int64_t read_varint(struct reader *r);
const uint8_t *read_span(struct reader *r, size_t n); /* loan, or NULL+bad */

/* Unaligned big-endian access, for stamping in place. */
static inline uint16_t get_be16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}
static inline uint32_t get_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}
static inline uint64_t get_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}
static inline void put_be16(void *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}
static inline void put_be32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}
static inline void put_be64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

/* ---- intrusive list: a ring through its head ----------------------------- */

struct list {
	struct list *next, *prev;
};
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_push(struct list *head, struct list *l) /* at end */
{
	l->next = head;
	l->prev = head->prev;
	head->prev->next = l;
	head->prev = l;
}
static inline void list_remove(struct list *l) /* harmless when alone */
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}
static inline struct list *list_pop(struct list *head) /* first, or NULL */
{
	struct list *l = head->next;

	if (l == head)
		return NULL;
	list_remove(l);
	return l;
}
/* Moves all of from to the end of to; from is left empty. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}
#define list_entry(l, type, member) container_of(l, type, member)
/* The current element may be removed while walking. */
/* NOLINTBEGIN(bugprone-macro-parentheses): l and safe are declared by it */
#define list_each(l, head, safe)                                               \
	for (struct list *l = (head)->next, *safe = l->next; l != (head);      \
	     l = safe, safe = l->next)
/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- map (map.c): bytes -> pointer, walked in order of insertion --------- */

/*
 * Keys are copied. The order of walking is the order of insertion and nothing
 * else, so two nodes that did the same see the same (never address order).
 * All zeroes is valid and empty. uthash underneath.
 */
struct map_node;
struct map {
	struct map_node *nodes;
};
struct map_iter {
	struct map_node *at, *next;
	const void *key;
	size_t key_n;
	void *value;
};
void map_fini(struct map *m); /* the values are the owner's business */
size_t map_count(const struct map *m);
void *map_find(const struct map *m, const void *key, size_t n);
/* replaces the value of a key that is there; the key keeps its place */
void map_put(struct map *m, const void *key, size_t n, void *v);
void *map_remove(struct map *m, const void *key, size_t n); /* value or NULL */
void *map_find_str(const struct map *m, struct str key);
void map_put_str(struct map *m, struct str key, void *v);
void *map_remove_str(struct map *m, struct str key);
void *map_find_i64(const struct map *m, int64_t key);
/* An iterator's key: eight bytes, big-endian. */
void map_put_i64(struct map *m, int64_t key, void *v);
void *map_remove_i64(struct map *m, int64_t key);
/* for (struct map_iter i = map_first(m); i.at; map_next(&i)); the current
 * entry may be removed while walking */
struct map_iter map_first(const struct map *m);
void map_next(struct map_iter *i);

/* ---- timers (wheel.c): hierarchical wheel, 1 ms ticks -------------------- */

struct timer {
	struct list link;
	int64_t at_ms;                     /* monotonic */
	void (*on_fire)(struct timer *t);  /* already disarmed; may re-arm */
};
struct wheel;
struct wheel *wheel_new(int64_t now_ms);
void wheel_free(struct wheel *w); /* armed timers are forgotten */
void timer_init(struct timer *t, void (*on_fire)(struct timer *));
bool timer_is_armed(const struct timer *t);
/* Re-arms. A time that has come is due at the next wheel_advance. */
void wheel_arm(struct wheel *w, struct timer *t, int64_t at_ms);
void wheel_disarm(struct timer *t); /* harmless when not armed */
/*
 * Fires everything due at now, in order of time, and of arming at the same
 * time. Timers armed meanwhile for a later time up to now fire as well.
 */
void wheel_advance(struct wheel *w, int64_t now_ms);
/* Time of the next possible fire (may be early, never late); -1 if none. */
int64_t wheel_next(const struct wheel *w);

/* ---- identifiers, random numbers, checksums ------------------------------ */

struct uuid {
	uint8_t b[16]; /* big-endian, as on the wire; all zero = none */
};
#define UUID_TEXT_MAX 23 /* 22 characters of unpadded base64url and the zero */
bool uuid_eq(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid u);
void uuid_text(struct uuid u, char out[UUID_TEXT_MAX]); /* Kafka's form */
/* That form, with or without its two '='; anything else is false. */
bool uuid_parse(struct str s, struct uuid *out) must_use;

struct prng {
	uint64_t s[4]; /* xoshiro256** */
};
void prng_init(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
uint64_t prng_below(struct prng *p, uint64_t limit); /* limit > 0, unbiased */
struct uuid prng_uuid(struct prng *p);               /* version 4 */

uint32_t crc32c(uint32_t crc, const void *p, size_t n); /* start with 0 */
uint32_t crc32c_table(uint32_t crc, const void *p, size_t n); /* no isa-l */
uint64_t hash64(const void *p, size_t n, uint64_t seed); /* stable, for ids */

/* ---- checked state machines (machine.c) ---------------------------------- */

/* moves[from] is a bit mask of allowed targets; a forbidden move aborts. */
struct machine {
	const char *name;
	const char *const *states;
	const uint32_t *moves;
	unsigned states_n;
};
void machine_move(const struct machine *m, unsigned *state, unsigned to);

/* ---- log lines (trace.c): logfmt, one line each, to the sink ------------- */

enum trace_level { TRACE_ERROR, TRACE_WARN, TRACE_INFO, TRACE_DEBUG };
/*
 * trace_info("replica", "became leader", "topic=%s partition=%d epoch=%d", ..)
 * pairs is a printf format of logfmt pairs; values with spaces must be quoted
 * by the caller; control characters become spaces. "" means no pairs. The sink
 * stamps the time. Default sink: none (tests), default level: info.
 */
void trace(enum trace_level level, const char *comp, const char *msg,
	   const char *pairs, ...) printf_like(4, 5);
#define trace_error(...) trace(TRACE_ERROR, __VA_ARGS__)
#define trace_warn(...) trace(TRACE_WARN, __VA_ARGS__)
#define trace_info(...) trace(TRACE_INFO, __VA_ARGS__)
#define trace_debug(...) trace(TRACE_DEBUG, __VA_ARGS__)
extern enum trace_level trace_level_max; /* set once, before threads start */
extern void (*trace_sink)(enum trace_level level, const char *line);

/* ---- the five exits of everything that is pure --------------------------- */

/* Which half of the agreed state applies a command. */
enum quorum_target { QUORUM_TO_CLUSTER = 1, QUORUM_TO_COORD = 2 };
#define QUORUM_COMMAND_MAX (1 << 20) /* bytes of one command */

struct request; /* broker.h */
struct letter;  /* broker.h */
struct ask;     /* broker.h */
struct job;     /* disk.h */

/*
 * Whatever a pure floor wants from the world leaves here. Each call hands its
 * argument over: it belongs to the receiver from then on.
 */
struct outbox {
	void *ctx;
	/* write the encoded answer to the connection it came from */
	void (*answer)(void *ctx, struct request *rq);
	/* deliver to thread 0 (quorum) or 1..N (shards) of this node */
	void (*tell)(void *ctx, int thread, struct letter *l);
	/* append to the agreed log; thread 0 only. bytes are copied, at most
	 * QUORUM_COMMAND_MAX; target is an enum quorum_target */
	void (*propose)(void *ctx, int target, struct bytes command,
			uint64_t cookie);
	/* send a request to another broker's peer listener */
	void (*ask)(void *ctx, struct ask *a);
	/* run on the pool, then come back to this thread */
	void (*give)(void *ctx, struct job *j);
};

#endif
