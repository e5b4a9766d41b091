/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: the replicated state as of one index, as a file
 * quorum/snapshot.<20-digit index>. The same bytes travel to a peer that is
 * too far behind.
 *
 * 1. A file under that name is whole: temporary name, sync, rename, sync of
 *    the directory. One that does not check out was damaged at rest.
 * 2. The newest one is the one that counts; older ones stay while they are
 *    being sent.
 */
#ifndef QUORUM_SNAPSHOT_H
#define QUORUM_SNAPSHOT_H

#include <raftmq/disk.h>

#define SNAPSHOT_PATH_MAX 48
#define SNAPSHOT_MAX ((int64_t)1 << 30) /* bytes of an image */

struct snapshot {
	int64_t index;
	uint64_t term;
	int64_t conf_index;
	struct bytes conf; /* as in a RAFT_CHANGE entry */
	struct bytes data; /* fsm.c's */
};

/* Begins an image; the data is appended behind, then it is ended. */
void snapshot_begin(struct buf *image, const struct snapshot *s);
void snapshot_end(struct buf *image); /* lengths and CRC: slow, for a job */
/* False: not whole. The parts are loans from the image. */
bool snapshot_parse(const struct buf *image, struct snapshot *out) must_use;

void snapshot_path(char out[SNAPSHOT_PATH_MAX], int64_t index);
/* temp: a name of the caller's, so that two writers do not meet */
int snapshot_write(struct disk *d, const struct buf *image, int64_t index,
		   const char *temp) must_use;
/* The newest. -ENOENT: none. -EBADMSG: damaged. */
int snapshot_load(struct disk *d, struct buf *image,
		  struct snapshot *out) must_use;
/* Deletes those below index, and temporary files when temps is set. */
int snapshot_sweep(struct disk *d, int64_t index, bool temps) must_use;

#endif
