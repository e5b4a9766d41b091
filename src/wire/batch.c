/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch: the header of a record batch of format 2 (KIP-98), read, checked and
 * stamped where it lies. Not the records: those are batch_walk's, and nothing
 * here looks at them but the checksum.
 *
 * 1. Positions: baseOffset 0, batchLength 8 (counts from 12), leader epoch 12,
 *    magic 16, crc 17, attributes 21, lastOffsetDelta 23, baseTimestamp 27,
 *    maxTimestamp 35, producerId 43, producerEpoch 51, baseSequence 53,
 *    count 57, records 61.
 * 2. The checksum covers everything from the attributes on: base offset and
 *    leader epoch are stamped without it.
 */
#include <raftmq/wire.h>

#include "batch.h"

#define ATTRIBUTES_KNOWN                                                       \
	(BATCH_CODEC_MASK | BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL |      \
	 BATCH_CONTROL | BATCH_DELETE_HORIZON)
/* length, attributes, two deltas, key, value and headers: a byte each */
#define RECORD_SIZE_MIN 7

enum codec batch_codec(const struct batch *b)
{
	return (enum codec)(b->attributes & BATCH_CODEC_MASK);
}

enum kerr batch_peek(const uint8_t *p, size_t n, struct batch *b)
{
	int32_t length;

	*b = (struct batch){ .p = p };
	if (n > BATCH_MAGIC_AT && p[BATCH_MAGIC_AT] < BATCH_MAGIC)
		return K_UNSUPPORTED_FOR_MESSAGE_FORMAT;
	if (n < BATCH_HEADER_SIZE || p[BATCH_MAGIC_AT] != BATCH_MAGIC)
		return K_CORRUPT_MESSAGE;
	length = (int32_t)get_be32(p + BATCH_LENGTH_AT - 4);
	if (length < BATCH_HEADER_SIZE - BATCH_LENGTH_AT ||
	    length > INT32_MAX - BATCH_LENGTH_AT)
		return K_CORRUPT_MESSAGE;
	b->size = length + BATCH_LENGTH_AT;
	b->base_offset = (int64_t)get_be64(p);
	b->leader_epoch = (int32_t)get_be32(p + BATCH_LEADER_EPOCH_AT);
	b->crc = get_be32(p + BATCH_CRC_AT);
	b->attributes = (int16_t)get_be16(p + BATCH_ATTRIBUTES_AT);
	b->last_offset_delta = (int32_t)get_be32(p + BATCH_LAST_DELTA_AT);
	b->base_timestamp = (int64_t)get_be64(p + BATCH_BASE_TIMESTAMP_AT);
	b->max_timestamp = (int64_t)get_be64(p + BATCH_MAX_TIMESTAMP_AT);
	b->producer_id = (int64_t)get_be64(p + BATCH_PRODUCER_ID_AT);
	b->producer_epoch = (int16_t)get_be16(p + BATCH_PRODUCER_EPOCH_AT);
	b->base_sequence = (int32_t)get_be32(p + BATCH_SEQUENCE_AT);
	b->count = (int32_t)get_be32(p + BATCH_COUNT_AT);
	return K_NONE;
}

static uint32_t sum(const uint8_t *p, int32_t size)
{
	return crc32c(0, p + BATCH_ATTRIBUTES_AT,
		      (size_t)size - BATCH_ATTRIBUTES_AT);
}

bool batch_crc_ok(const struct batch *b)
{
	return sum(b->p, b->size) == b->crc;
}

static enum kerr refuse(enum kerr err, const char *text, const char **why)
{
	*why = text;
	return err;
}

/* What the numbers of the header say about the offsets. */
static const char *check_offsets(const struct batch *b)
{
	int64_t plain = (int64_t)b->size - BATCH_HEADER_SIZE;

	if (b->base_offset != 0)
		return "base offset of a client's batch is not 0";
	if (b->count <= 0)
		return "record count is not positive";
	if (b->last_offset_delta < 0)
		return "last offset delta is negative";
	if (b->last_offset_delta != b->count - 1)
		return "record count does not match last offset delta";
	if (plain == 0)
		return "no bytes where the records should be";
	if (batch_codec(b) == CODEC_NONE &&
	    plain < (int64_t)b->count * RECORD_SIZE_MIN)
		return "too few bytes for the number of records";
	return NULL;
}

static const char *check_attributes(const struct batch *b)
{
	if (b->attributes & ~ATTRIBUTES_KNOWN)
		return "unknown attribute bits";
	if (b->attributes & BATCH_CONTROL)
		return "clients may not write control batches";
	if (b->attributes & BATCH_DELETE_HORIZON)
		return "clients may not set a delete horizon";
	return NULL;
}

/*
 * A batch without a producer id may carry any epoch and sequence: sarama and
 * kafkajs leave zeroes there.
 */
static const char *check_producer(const struct batch *b)
{
	if (b->producer_id < -1)
		return "producer id is negative";
	if (b->producer_id == -1)
		return b->attributes & BATCH_TRANSACTIONAL
			? "transactional batch without a producer id" : NULL;
	if (b->producer_epoch < 0)
		return "producer id without an epoch";
	if (b->base_sequence < 0)
		return "producer id without a sequence";
	return NULL;
}

enum kerr batch_check_client(const struct batch *b, int32_t size_max,
			     const char **why)
{
	const char *text;

	*why = NULL;
	if (b->size > size_max)
		return refuse(K_MESSAGE_TOO_LARGE,
			      "batch is larger than the topic allows", why);
	/* before all else: damage must not look like the client's mistake */
	if (!batch_crc_ok(b))
		return refuse(K_CORRUPT_MESSAGE, "checksum does not match",
			      why);
	if (batch_codec(b) > CODEC_ZSTD)
		return refuse(K_UNSUPPORTED_COMPRESSION_TYPE, "unknown codec",
			      why);
	if (b->attributes & BATCH_LOG_APPEND_TIME)
		return refuse(K_INVALID_TIMESTAMP,
			      "clients may not set log-append time", why);
	if (b->base_timestamp < -1 || b->max_timestamp < -1)
		return refuse(K_INVALID_TIMESTAMP, "timestamp is negative",
			      why);
	text = check_attributes(b);
	if (!text)
		text = check_offsets(b);
	if (!text)
		text = check_producer(b);
	return text ? refuse(K_INVALID_RECORD, text, why) : K_NONE;
}

void batch_stamp(uint8_t *p, int64_t base_offset, int32_t leader_epoch)
{
	put_be64(p, (uint64_t)base_offset);
	put_be32(p + BATCH_LEADER_EPOCH_AT, (uint32_t)leader_epoch);
}

void batch_seal(uint8_t *p, int32_t size)
{
	put_be32(p + BATCH_CRC_AT, sum(p, size));
}

void batch_stamp_append_time(uint8_t *p, int64_t now_ms)
{
	int32_t length = (int32_t)get_be32(p + BATCH_LENGTH_AT - 4);
	uint16_t attributes = get_be16(p + BATCH_ATTRIBUTES_AT);

	put_be16(p + BATCH_ATTRIBUTES_AT,
		 (uint16_t)(attributes | BATCH_LOG_APPEND_TIME));
	put_be64(p + BATCH_MAX_TIMESTAMP_AT, (uint64_t)now_ms);
	batch_seal(p, length + BATCH_LENGTH_AT);
}
