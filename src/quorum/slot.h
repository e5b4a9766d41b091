/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot: a small record kept twice in one file, each copy with a serial number
 * and a CRC, in sectors of their own. What goes in is vote.c's and mark.c's
 * business, and so is when to sync.
 *
 * 1. The file is made complete (temporary name, sync, rename, sync of the
 *    directory): once it is there, both copies are.
 * 2. At any time at most one copy is being overwritten.
 */
#ifndef QUORUM_SLOT_H
#define QUORUM_SLOT_H

#include <raftmq/disk.h>

#define SLOT_DATA 48

struct slots {
	struct disk *disk;
	struct file *file;
	uint64_t serial; /* of the newest copy */
	uint32_t magic;
	bool whole; /* both copies were good and equal when it was opened */
};

/* -ENOENT: no file. -EBADMSG: neither copy is good. data: of the newer one */
int slots_open(struct slots *s, struct disk *d, const char *path,
	       uint32_t magic, uint8_t data[SLOT_DATA]) must_use;
int slots_create(struct slots *s, struct disk *d, const char *path,
		 uint32_t magic, const uint8_t data[SLOT_DATA]) must_use;
/* Overwrites the copy that stands at serial % 2, not synced. */
int slots_put(struct slots *s, const uint8_t data[SLOT_DATA]) must_use;
/* Overwrites both copies, one after the other, each synced. */
int slots_put_both(struct slots *s, const uint8_t data[SLOT_DATA]) must_use;
int slots_sync(struct slots *s) must_use;
void slots_close(struct slots *s);

#endif
