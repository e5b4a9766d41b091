/* SPDX-License-Identifier: Apache-2.0 */
/* entries_file: the layout of a segment, shared by its writer and reader. */
#ifndef QUORUM_ENTRIES_FILE_H
#define QUORUM_ENTRIES_FILE_H

#include "entries.h"

#define ENTRIES_PATH_MAX 48
#define SEGMENT_BYTES (8 << 20)

/*
 * magic u32, version u16, flags u16, node i32, serial u64, start i64,
 * last batch before it u64, zeroes, crc u32 of all that
 */
#define SEGMENT_HEADER 64
#define SEGMENT_MAGIC 0x52514c47 /* RQLG */
#define SEGMENT_VERSION 1
#define SEGMENT_RESET 1

/* big-endian; crc over everything behind it, data included */
#define RECORD_MAGIC 0x52514545 /* RQEE */
#define RECORD_CRC 4
#define RECORD_POS 8     /* u64, where in the file this record stands */
#define RECORD_END 16    /* u64, where its batch ends */
#define RECORD_BATCH 24  /* u64 */
#define RECORD_INDEX 32  /* u64 */
#define RECORD_TERM 40   /* u64 */
#define RECORD_LENGTH 48 /* u32, of the data */
#define RECORD_TYPE 52   /* u8, and three zeroes */
#define RECORD_HEADER 56

void entries_path(char out[ENTRIES_PATH_MAX], uint64_t serial);
int entries_put_mark(struct entries *s) must_use;
void entries_push_segment(struct entries *s, uint64_t serial, int64_t start);

#endif
