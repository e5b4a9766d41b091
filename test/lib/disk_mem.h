/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_mem: a struct disk whose files live in memory and which is as unkind
 * as a real one may be: what was not synced can be lost or torn, names that
 * were not synced in their directory can vanish, space can run out, writes
 * and syncs can fail. All of it from a seed: the same calls, the same disk.
 *
 * What POSIX promises and nothing more:
 *  - bytes survive a crash after sync() of their file;
 *  - names (create, rename, unlink, mkdir, rmdir) survive after sync_dir() of
 *    the directory they stand in; a rename is all or nothing;
 *  - a sync that fails loses what it was to save, for good, although reads
 *    go on showing it; a later sync that succeeds does not bring it back;
 *  - a sector of 512 bytes is old or new, never a mixture.
 *
 * One thread at a time. Directories can be renamed where they are, but not
 * moved into another directory (-EXDEV).
 */
#ifndef TEST_DISK_MEM_H
#define TEST_DISK_MEM_H

#include <raftmq/disk.h>

enum disk_mem_crash {
	DISK_MEM_KEEP,   /* the process died, the kernel did not: all is kept */
	DISK_MEM_LOSE,   /* nothing that was not synced is kept */
	DISK_MEM_PREFIX, /* per file the first unsynced writes, the last torn */
	DISK_MEM_RANDOM, /* any subset of the unsynced sectors and names */
	DISK_MEM_CRASHES,
};

struct disk_mem_stats {
	uint64_t writes, bytes_written, syncs, dir_syncs, reads;
};

struct disk_mem;
struct disk_mem *disk_mem_new(uint64_t seed);
void disk_mem_free(struct disk_mem *m); /* after closing all files */
struct disk *disk_mem_disk(struct disk_mem *m);

/*
 * The machine goes down and comes up again. Files that are open stay open but
 * every call on them is -EIO: close them. Planned faults are called off; the
 * budget stays.
 */
void disk_mem_crash(struct disk_mem *m, enum disk_mem_crash how);

/* At most so many bytes in all files, in pages of 4 KiB; -1 for no limit. */
void disk_mem_set_budget(struct disk_mem *m, int64_t bytes);
int64_t disk_mem_used(const struct disk_mem *m);
/* The nth write from now (1 = the next) fails with -EIO, partly done. */
void disk_mem_fail_write(struct disk_mem *m, unsigned nth);
/* The nth sync or sync_dir from now fails with -EIO; 0 calls it off. */
void disk_mem_fail_sync(struct disk_mem *m, unsigned nth);
/*
 * After n more changes (writes, syncs, truncations, names) everything fails
 * with -EIO until disk_mem_crash(). To try a crash at every step:
 * for (n = 0; ; n++) { cut_power(n); work; crash; recover; check }.
 */
void disk_mem_cut_power(struct disk_mem *m, uint64_t n);
/* So many of a hundred reads with nowait are -EAGAIN; 0 at first. */
void disk_mem_set_cold(struct disk_mem *m, unsigned percent);
/* Flips bits of one byte on the medium, silently. False: no such byte. */
bool disk_mem_flip(struct disk_mem *m, const char *path, int64_t pos,
		   uint8_t mask);
/* A file cannot be read any more: -EIO, now and later. False: no such file. */
bool disk_mem_spoil(struct disk_mem *m, const char *path);
struct disk_mem_stats disk_mem_stats(const struct disk_mem *m);

#endif
