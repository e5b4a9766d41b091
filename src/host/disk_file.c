/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file: see disk_file.h. Not a cache: the kernel's page cache is.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk_file.h"

struct disk_file {
	struct disk disk;
	int dir;
};
struct file {
	int fd;
	int sync_error; /* sticky; set by the one thread that syncs */
};

static int dir_of(const struct disk *d)
{
	return container_of(d, const struct disk_file, disk)->dir;
}

static int file_open(struct disk *d, const char *path, int flags,
		     struct file **out)
{
	int how = O_CLOEXEC | (flags & DISK_WRITE ? O_RDWR : O_RDONLY);
	int fd;

	if (flags & DISK_CREATE)
		how |= O_CREAT;
	if (flags & DISK_EXCL)
		how |= O_EXCL;
	do
		fd = openat(dir_of(d), path, how, 0640);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	*out = mem_zalloc(sizeof(**out));
	(*out)->fd = fd;
	return 0;
}

static void file_close(struct file *f)
{
	close(f->fd);
	mem_free(f);
}

static int64_t file_read(struct file *f, int64_t pos, void *p, size_t n,
			 bool nowait)
{
	size_t have = 0;

	while (have < n) {
		struct iovec v = { (uint8_t *)p + have, n - have };
		ssize_t got = preadv2(f->fd, &v, 1, pos + (int64_t)have,
				      nowait ? RWF_NOWAIT : 0);

		if (got == 0)
			break;
		if (got > 0) {
			have += (size_t)got;
		} else if (nowait && errno == EOPNOTSUPP) {
			nowait = false; /* a file system without it */
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return (int64_t)have;
}

/* Drops n bytes from the front of v; returns how many pieces are gone. */
static int skip(struct iovec *v, int n, size_t done)
{
	int i = 0;

	while (i < n && done >= v[i].iov_len)
		done -= v[i++].iov_len;
	if (i < n) {
		v[i].iov_base = (uint8_t *)v[i].iov_base + done;
		v[i].iov_len -= done;
	}
	return i;
}

static int write_some(int fd, int64_t *pos, struct iovec *v, int n)
{
	int at = skip(v, n, 0);

	while (at < n) {
		ssize_t put = pwritev(fd, v + at, n - at, *pos);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		*pos += put;
		at += skip(v + at, n - at, (size_t)put);
	}
	return 0;
}

static int file_write(struct file *f, int64_t pos, const struct disk_span *s,
		      int n)
{
	struct iovec v[64];
	int rv = 0;

	for (int at = 0; at < n && rv == 0; at += (int)countof(v)) {
		int m = min_of(n - at, (int)countof(v));

		for (int i = 0; i < m; i++)
			v[i] = (struct iovec){ (void *)s[at + i].p,
					       s[at + i].n };
		rv = write_some(f->fd, &pos, v, m);
	}
	return rv;
}

static int file_sync(struct file *f)
{
	if (f->sync_error == 0 && fdatasync(f->fd) < 0)
		f->sync_error = -errno;
	return f->sync_error;
}

static int64_t file_size(struct file *f)
{
	struct stat st;

	return fstat(f->fd, &st) < 0 ? -errno : st.st_size;
}

static int file_truncate(struct file *f, int64_t size)
{
	int rv;

	do
		rv = ftruncate(f->fd, size);
	while (rv < 0 && errno == EINTR);
	return rv < 0 ? -errno : 0;
}

static int file_reserve(struct file *f, int64_t size)
{
	int rv;

	do
		rv = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, size);
	while (rv < 0 && errno == EINTR);
	/* a file system that cannot: blocks are found when written */
	return rv < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

static void file_writeback(struct file *f, int64_t pos, int64_t n)
{
	/* a hint; what it would report, the next sync reports */
	(void)!sync_file_range(f->fd, pos, n, SYNC_FILE_RANGE_WRITE);
}

static int file_fd(struct file *f)
{
	return f->fd;
}

static int disk_rename(struct disk *d, const char *from, const char *to)
{
	return renameat(dir_of(d), from, dir_of(d), to) < 0 ? -errno : 0;
}

static int disk_unlink(struct disk *d, const char *path)
{
	return unlinkat(dir_of(d), path, 0) < 0 ? -errno : 0;
}

static int disk_mkdir(struct disk *d, const char *path)
{
	if (mkdirat(dir_of(d), path, 0750) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

static int disk_rmdir(struct disk *d, const char *path)
{
	return unlinkat(dir_of(d), path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int open_dir(struct disk *d, const char *path)
{
	int fd;

	if (!*path)
		path = ".";
	fd = openat(dir_of(d), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int disk_sync_dir(struct disk *d, const char *path)
{
	int fd = open_dir(d, path);
	int rv;

	if (fd < 0)
		return fd;
	rv = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rv;
}

/* Since Linux 5.8 it tells of pages that could not be written. */
static int disk_sync_all(struct disk *d)
{
	return syncfs(dir_of(d)) < 0 ? -errno : 0;
}

struct entry {
	char *name;
	bool is_dir;
};
struct entries {
	struct entry *v;
	size_t n, cap;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name,
		      ((const struct entry *)b)->name);
}

static bool is_dir(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int read_names(DIR *dir, struct entries *es)
{
	struct dirent *e;

	while ((errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (es->n == es->cap) {
			es->cap = es->cap ? es->cap * 2 : 16;
			es->v = mem_realloc(es->v, es->cap * sizeof(*es->v));
		}
		es->v[es->n++] = (struct entry){ mem_strdup(e->d_name),
						 is_dir(dirfd(dir), e) };
	}
	return -errno;
}

static int disk_list(struct disk *d, const char *path,
		     void (*each)(void *ctx, const char *name, bool is_dir),
		     void *ctx)
{
	struct entries es = { 0 };
	int fd = open_dir(d, path);
	DIR *dir;
	int rv;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		rv = -errno;
		close(fd);
		return rv;
	}
	rv = read_names(dir, &es);
	closedir(dir);
	if (es.n)
		qsort(es.v, es.n, sizeof(*es.v), compare);
	for (size_t i = 0; i < es.n; i++) {
		if (rv == 0)
			each(ctx, es.v[i].name, es.v[i].is_dir);
		mem_free(es.v[i].name);
	}
	mem_free(es.v);
	return rv;
}

static int64_t disk_size_of(struct disk *d, const char *path)
{
	struct stat st;

	if (fstatat(dir_of(d), path, &st, 0) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? (int64_t)st.st_size : -EISDIR;
}

static int disk_space(struct disk *d, int64_t *total, int64_t *usable)
{
	struct statvfs st;

	if (fstatvfs(dir_of(d), &st) < 0)
		return -errno;
	*total = (int64_t)st.f_blocks * (int64_t)st.f_frsize;
	*usable = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
	return 0;
}

static const struct disk_ops ops = {
	.open = file_open,
	.close = file_close,
	.read = file_read,
	.write = file_write,
	.sync = file_sync,
	.size = file_size,
	.size_of = disk_size_of,
	.truncate = file_truncate,
	.reserve = file_reserve,
	.writeback = file_writeback,
	.fd = file_fd,
	.rename = disk_rename,
	.unlink = disk_unlink,
	.mkdir = disk_mkdir,
	.rmdir = disk_rmdir,
	.sync_dir = disk_sync_dir,
	.sync_all = disk_sync_all,
	.list = disk_list,
	.space = disk_space,
};

struct disk *disk_file_new(int dir_fd)
{
	struct disk_file *d = mem_zalloc(sizeof(*d));

	d->disk.ops = &ops;
	d->dir = dir_fd;
	return &d->disk;
}

void disk_file_free(struct disk *d)
{
	struct disk_file *self = container_of(d, struct disk_file, disk);

	close(self->dir);
	mem_free(self);
}
