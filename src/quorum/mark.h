/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mark: how far the log was on disk for certain. A log that ends before its
 * mark was damaged at rest and has lost entries that this node acknowledged:
 * it must not vote any more. Without it a flipped bit in the middle of a log
 * looks like a write that a crash cut short, and the rest would be dropped
 * silently.
 *
 * 1. A mark is written only after the sync of what it covers.
 * 2. It is itself synced now and then and at a clean stop; an older mark says
 *    less, never anything wrong.
 * Used by the thread of the log's jobs alone.
 */
#ifndef QUORUM_MARK_H
#define QUORUM_MARK_H

#include "slot.h"

struct mark {
	uint64_t segment; /* serial number of the segment file */
	int64_t pos;      /* synced bytes in it */
	int64_t index;    /* last entry, for people */
};
struct mark_file {
	struct slots slots;
	struct mark now;
};

int mark_open(struct mark_file *m, struct disk *d) must_use;
int mark_create(struct mark_file *m, struct disk *d,
		const struct mark *first) must_use;
int mark_put(struct mark_file *m, const struct mark *next) must_use;
int mark_sync(struct mark_file *m) must_use;
void mark_close(struct mark_file *m);

#endif
