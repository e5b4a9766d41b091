/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file: struct disk on POSIX files below one directory.
 *
 * 1. Paths are relative; nothing above the directory is ever opened.
 * 2. An fsync that failed is remembered by its file: it fails for ever
 *    (the kernel may have marked the lost pages clean).
 */
#ifndef HOST_DISK_FILE_H
#define HOST_DISK_FILE_H

#include <raftmq/disk.h>

/* dir_fd is taken over. */
struct disk *disk_file_new(int dir_fd) must_use;
void disk_file_free(struct disk *d);

#endif
