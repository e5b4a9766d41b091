/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: an input as the files of a data directory on a disk in memory.
 *
 * An input is a row of files: which one u8 (by the target's table, modulo its
 * length), pages u8, length u16, the bytes. The file is filled up with zeroes
 * to so many pages of 4 KiB. The last one that names a file counts.
 */
#ifndef TEST_FUZZ_FILES_H
#define TEST_FUZZ_FILES_H

#include <raftmq/disk.h>

#include "disk_mem.h"
#include "fuzz.h"

#define FILES_PAGE 4096
#define FILES_MAX 64

struct files {
	const char *const *paths;
	int n;
	bool present[FILES_MAX];
	struct buf bytes[FILES_MAX];
};
void files_read(struct files *f, struct reader *r, const char *const *paths,
		int n);
/* Makes the directories above each and writes them, synced. */
void files_write(const struct files *f, struct disk *d);
void files_fini(struct files *f);
/* Every name and byte on the disk, in order: to see whether it changed. */
void files_dump(struct disk *d, struct buf *out);
/* Those bytes stand in one of the files. */
bool files_have(const struct files *f, const void *p, size_t n);

#endif
