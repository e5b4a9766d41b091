/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: what people type, understood: durations, times, offsets, partitions,
 * key=value; and the hash that Java's producer chooses partitions with.
 */
#ifndef CMD_WORDS_H
#define CMD_WORDS_H

#include <raftmq/base.h>

/* "10s", "500ms", "2m", "1h30m", "7d"; a bare number is milliseconds. */
bool duration_parse(struct str s, int64_t *ms) must_use;
/*
 * "2026-11-23", "2026-11-23 14:05", "2026-11-23T14:05:01.250Z", "...+02:00";
 * without a zone it is the machine's own time. Or epoch milliseconds.
 */
bool time_parse(struct str s, int64_t *epoch_ms) must_use;
/* RFC 3339 in UTC with milliseconds, 24 characters; "" when negative. */
void time_text(int64_t epoch_ms, char out[32]);

/* A place in a partition. */
struct position {
	enum position_kind {
		POSITION_START,
		POSITION_END,
		POSITION_OFFSET, /* value */
		POSITION_TIME,   /* value: epoch ms */
		POSITION_SHIFT,  /* value: records from the current place */
		POSITION_FILE,   /* path */
	} kind;
	int64_t value;
	const char *path;
};
/*
 * start, end, 1234, @TIME, -1h (that long before now_ms), +N and -N, file:F.
 */
bool position_parse(const char *s, int64_t now_ms,
		    struct position *out) must_use;

/* "TOPIC", "TOPIC:P", "TOPIC:P@OFFSET"; -1 for what is not there. */
struct place {
	struct str topic;
	int32_t partition;
	int64_t offset;
};
bool place_parse(const char *s, struct place *out) must_use;

/* "key=value" as two loans; no '=': value is null. */
void pair_parse(const char *s, struct str *key, struct str *value);

/* Copies with \n \t \r \0 \\ and \xHH replaced; -1 where it is malformed. */
int unescape(const char *s, struct buf *out) must_use;

/* murmur2 as Kafka's producers use it (seed 0x9747b28c). */
uint32_t murmur2(const void *p, size_t n);
/* The partition of a key: positive murmur2 modulo n. */
int32_t key_partition(struct bytes key, int32_t n);

/* The nearest of the words, or NULL when none is near. */
const char *nearest_word(const char *typed, const char *const *words, int n);

#endif
