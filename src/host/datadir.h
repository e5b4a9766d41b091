/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datadir: the directory of a node: who may use it, and whose it is.
 *
 * 1. One process at a time: flock on DIR/lock.
 * 2. DIR/meta says which node and which cluster the data belong to; a node of
 *    another number, or of another cluster, never starts on it.
 * 3. meta is replaced as a whole (write, sync, rename, sync of the directory)
 *    and carries a checksum.
 */
#ifndef HOST_DATADIR_H
#define HOST_DATADIR_H

#include <raftmq/disk.h>

struct datadir {
	char *path;
	int dir_fd, lock_fd;
	int32_t node;
	struct uuid cluster;   /* zero until known */
	struct uuid directory; /* made once: a wiped disk has another */
	bool fresh;            /* made just now */
};

/*
 * Makes the directory if it is missing. 0; -EBUSY (another process), -EPERM
 * (not ours: another node's, or no data directory at all), -EBADMSG (meta
 * damaged) or what the system said. *why is a sentence in the arena.
 */
int datadir_open(struct datadir *d, const char *path, int32_t node,
		 struct arena *a, const char **why) must_use;
void datadir_close(struct datadir *d);
/* The cluster made itself known. -EPERM: it is another one than before. */
int datadir_set_cluster(struct datadir *d, struct uuid cluster) must_use;

#endif
