/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: everything that touches files goes through this table of functions,
 * so that a simulator can be the disk. host/disk_file.c is the POSIX one;
 * test/lib/disk_mem.c keeps files in memory and can lose, tear and refuse.
 *
 * Paths are relative to the data directory the table was made for, with '/'.
 * All functions return 0 (or a count) or a negative errno. They may be called
 * from any thread; one file is used by one thread at a time, except that
 * reads may run beside one writer.
 */
#ifndef RAFTMQ_DISK_H
#define RAFTMQ_DISK_H

#include <raftmq/base.h>

struct disk;
struct file; /* opaque; made by open, freed by close */

enum disk_open {
	DISK_READ = 0,
	DISK_WRITE = 1,  /* read and write */
	DISK_CREATE = 2, /* with DISK_WRITE: make it if it is missing */
	DISK_EXCL = 4,   /* with DISK_CREATE: -EEXIST if it is there */
};

struct disk_span { /* one piece of a gathered write */
	const void *p;
	size_t n;
};

struct disk_ops {
	int (*open)(struct disk *d, const char *path, int flags,
		    struct file **out);
	void (*close)(struct file *f);
	/* short at end of file only; nowait: -EAGAIN unless cached */
	int64_t (*read)(struct file *f, int64_t pos, void *p, size_t n,
			bool nowait);
	/* all or error; -ENOSPC leaves the file as long as it was or longer */
	int (*write)(struct file *f, int64_t pos, const struct disk_span *v,
		     int n);
	int (*sync)(struct file *f); /* fdatasync; a failure is final */
	int64_t (*size)(struct file *f);
	int64_t (*size_of)(struct disk *d, const char *path); /* not open */
	int (*truncate)(struct file *f, int64_t size);
	int (*reserve)(struct file *f, int64_t size); /* blocks, not length */
	/* begin writing pages back without waiting (sync_file_range) */
	void (*writeback)(struct file *f, int64_t pos, int64_t n);
	int (*fd)(struct file *f); /* for sendfile; -1 where there is none */
	int (*rename)(struct disk *d, const char *from, const char *to);
	int (*unlink)(struct disk *d, const char *path);
	int (*mkdir)(struct disk *d, const char *path); /* 0 if it exists */
	int (*rmdir)(struct disk *d, const char *path);
	int (*sync_dir)(struct disk *d, const char *path);
	/* All files and directories, also what others wrote to that file
	 * system: for those who have very many. A failure is final. */
	int (*sync_all)(struct disk *d);
	/* names without . and .., sorted bytewise; is_dir per name */
	int (*list)(struct disk *d, const char *path,
		    void (*each)(void *ctx, const char *name, bool is_dir),
		    void *ctx);
	int (*space)(struct disk *d, int64_t *total, int64_t *usable);
};

struct disk {
	const struct disk_ops *ops;
};

/*
 * A piece of work for the pool. run() is called on a pool thread and may touch
 * only what hangs on the job; done() is called afterwards on the thread that
 * gave it. Jobs of one queue run one after another, in order; different queues
 * run side by side.
 */
struct job {
	struct list link;
	uint32_t queue;                /* 0 = no order wanted */
	void (*run)(struct job *j);    /* pool thread */
	void (*done)(struct job *j);   /* owner thread; frees the job */
	void *home;                    /* the outbox's own: set by host */
};

#endif
