/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries: the log on disk. Append-only segment files
 * quorum/log.<20-digit serial>, a header and then records, one per entry,
 * each with a CRC. Truncation is no operation of its own: a record with an
 * index that was there before replaces it and all behind it, so what is on
 * disk is a history, in the order of the jobs that wrote it.
 *
 * 1. A batch of records is written and synced before the next is begun; each
 *    record knows where its batch ends. A bad record with a later batch
 *    behind it is therefore damage and not a write that a crash cut short.
 * 2. A segment is begun after the sync of the one before.
 * 3. A segment that says reset (a snapshot was installed) makes all before it
 *    void; otherwise it says at which index it continues.
 * 4. Segments are deleted from the front only, once a snapshot covers them.
 *
 * entries_open and entries_close: the owner. All else: its jobs, in order.
 */
#ifndef QUORUM_ENTRIES_H
#define QUORUM_ENTRIES_H

#include <raftmq/disk.h>

#include "mark.h"
#include "tail.h"

struct segment {
	uint64_t serial;
	int64_t start; /* index it continues at */
};
struct entries {
	struct disk *disk;
	int32_t node;
	int64_t segment_bytes; /* a new segment is begun behind so much */
	struct file *file;     /* the last segment; NULL = none yet */
	int64_t pos;           /* its synced bytes */
	uint64_t batch;        /* number of the last one */
	int64_t next;          /* index behind the last record */
	struct segment *segments;
	int segments_n;
	struct mark_file mark;
};

/* No log, or no more than the founding of one: see quorum's open.c. */
bool entries_are_fresh(struct disk *d);
/*
 * Reads all into the tail (whose first index is where the oldest surviving
 * segment starts). -EBADMSG: damaged, or the mark is missing.
 */
int entries_open(struct entries *s, struct disk *d, int32_t node,
		 struct tail *t) must_use;
/* A new log: empty, or with entry 1 when there is one in the batch. */
int entries_create(struct entries *s, struct disk *d, int32_t node,
		   struct buf *batch) must_use;
void entries_close(struct entries *s); /* syncs the mark when it can */

/* Lays out a record at the end of a batch; entries_append completes it. */
void entries_encode(struct buf *batch, const struct entry *e);
/*
 * Writes and syncs one batch. next: index behind its last record. -ENOSPC:
 * nothing happened, the same batch may be tried again. Else final.
 */
int entries_append(struct entries *s, struct buf *batch, int64_t next) must_use;
/* Deletes segments that hold nothing above index. */
int entries_trim(struct entries *s, int64_t index) must_use;
/* Everything is void; the log goes on at start. -ENOSPC as above. */
int entries_reset(struct entries *s, int64_t start) must_use;
int entries_sync_mark(struct entries *s) must_use;

#endif
