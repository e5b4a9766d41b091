/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datadir: see datadir.h. Not a disk: disk_file.c works inside it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "datadir.h"
#include "properties.h"

#define FORMAT 1
#define META_MAX 4096

/* ---- meta ---------------------------------------------------------------- */

struct meta {
	int64_t version, node;
	struct uuid cluster, directory;
	uint32_t crc;
	bool bad;
};

static void print_meta(const struct datadir *d, struct buf *out)
{
	char cluster[UUID_TEXT_MAX], directory[UUID_TEXT_MAX];

	uuid_text(d->cluster, cluster);
	uuid_text(d->directory, directory);
	buf_printf(out, "version=%d\nnode.id=%d\ncluster.id=%s\n"
			"directory.id=%s\n", FORMAT, (int)d->node,
		   uuid_is_zero(d->cluster) ? "" : cluster, directory);
	buf_printf(out, "crc=%08x\n", crc32c(0, out->p, out->n));
}

static void read_entry(void *ctx, int line, const char *key, const char *value)
{
	struct meta *m = ctx;
	struct str v = str_of(value);

	(void)line;
	if (!strcmp(key, "version"))
		m->bad |= !str_to_i64(v, 1, INT32_MAX, &m->version);
	else if (!strcmp(key, "node.id"))
		m->bad |= !str_to_i64(v, 0, INT32_MAX, &m->node);
	else if (!strcmp(key, "cluster.id") && v.n)
		m->bad |= !uuid_parse(v, &m->cluster);
	else if (!strcmp(key, "directory.id"))
		m->bad |= !uuid_parse(v, &m->directory);
	else if (!strcmp(key, "crc"))
		m->bad |= sscanf(value, "%8x", &m->crc) != 1;
}

static bool parse_meta(const char *text, size_t n, struct meta *m)
{
	const char *crc = memmem(text, n, "crc=", 4);
	int line;

	*m = (struct meta){ .version = -1, .node = -1 };
	if (!crc || properties_parse(text, n, read_entry, m, &line) < 0)
		return false;
	return !m->bad && m->version > 0 && m->node >= 0 &&
	       !uuid_is_zero(m->directory) &&
	       m->crc == crc32c(0, text, (size_t)(crc - text));
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

static int write_meta(const struct datadir *d)
{
	struct buf text = { 0 };
	int fd, rv;

	print_meta(d, &text);
	fd = openat(d->dir_fd, "meta.new",
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	rv = fd < 0 ? -errno : write_all(fd, text.p, text.n);
	if (rv == 0 && fsync(fd) < 0)
		rv = -errno;
	if (fd >= 0)
		close(fd);
	if (rv == 0 && renameat(d->dir_fd, "meta.new", d->dir_fd, "meta") < 0)
		rv = -errno;
	if (rv == 0 && fsync(d->dir_fd) < 0)
		rv = -errno;
	buf_fini(&text);
	return rv;
}

/* -ENOENT: there is none yet */
static int read_meta(const struct datadir *d, struct meta *m)
{
	char text[META_MAX];
	int fd = openat(d->dir_fd, "meta", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 0)
		return -errno;
	return parse_meta(text, (size_t)n, m) ? 0 : -EBADMSG;
}

/* ---- opening ------------------------------------------------------------- */

static int make_path(const char *path)
{
	char *p = mem_strdup(path);
	int rv = 0;

	for (char *at = p + 1; rv == 0 && at; ) {
		at = strchr(at, '/');
		if (at)
			*at = '\0';
		if (mkdir(p, 0750) < 0 && errno != EEXIST)
			rv = -errno;
		if (at)
			*at++ = '/';
	}
	mem_free(p);
	return rv;
}

static bool is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool empty = true;

	while (dir && empty && (e = readdir(dir)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
			!strcmp(e->d_name, "lost+found") ||
			!strcmp(e->d_name, "lock") ||
			!strcmp(e->d_name, "meta.new");
	if (dir)
		closedir(dir);
	return empty;
}

static int lock(struct datadir *d, struct arena *a, const char **why)
{
	char pid[16] = "";
	ssize_t n;

	d->lock_fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC,
			    0640);
	if (d->lock_fd < 0) {
		*why = arena_printf(a, "%s cannot be written: %s", d->path,
				    strerror(errno));
		return -errno;
	}
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(d->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[max_of(n, 0)] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		*why = arena_printf(a, "%s is used by another raftmqd (pid %s);"
				       " give this node a directory of its own "
				       "with --data-dir, or stop the other one",
				    d->path, *pid ? pid : "unknown");
		return -EBUSY;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	(void)!ftruncate(d->lock_fd, 0); /* for people: nothing depends on it */
	(void)!pwrite(d->lock_fd, pid, (size_t)n, 0);
	return 0;
}

static int make_meta(struct datadir *d, struct arena *a, const char **why)
{
	int rv;

	if (!is_empty(d->dir_fd)) {
		*why = arena_printf(a, "%s has files in it but is no data "
				       "directory of raftmq (there is no file "
				       "'meta'); name an empty or new one",
				    d->path);
		return -EPERM;
	}
	d->directory = clock_uuid();
	d->fresh = true;
	rv = write_meta(d);
	if (rv < 0)
		*why = arena_printf(a, "%s/meta cannot be written: %s", d->path,
				    strerror(-rv));
	return rv;
}

static int take_meta(struct datadir *d, struct arena *a, const char **why)
{
	struct meta m = { 0 };
	int rv = read_meta(d, &m);

	if (rv == -ENOENT)
		return make_meta(d, a, why);
	if (rv == -EBADMSG)
		*why = arena_printf(a, "%s/meta is damaged; restore it, or "
				       "start this node anew in an empty "
				       "directory", d->path);
	else if (rv < 0)
		*why = arena_printf(a, "%s/meta %s", d->path, strerror(-rv));
	if (rv < 0)
		return rv;
	if (m.version != FORMAT || m.node != d->node) {
		*why = m.version != FORMAT
			? arena_printf(a, "%s was written in format %" PRId64
					  ", this program knows %d", d->path,
				       m.version, FORMAT)
			: arena_printf(a, "%s belongs to node %" PRId64 ", not "
					  "to node %d; start with --node-id %"
					  PRId64 " or name another directory",
				       d->path, m.node, (int)d->node, m.node);
		return -EPERM;
	}
	d->cluster = m.cluster;
	d->directory = m.directory;
	return 0;
}

int datadir_open(struct datadir *d, const char *path, int32_t node,
		 struct arena *a, const char **why)
{
	int rv = make_path(path);

	*d = (struct datadir){ .path = mem_strdup(path), .node = node,
			       .dir_fd = -1, .lock_fd = -1 };
	if (rv == 0)
		d->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rv == 0 && d->dir_fd < 0)
		rv = -errno;
	if (rv < 0)
		*why = arena_printf(a, "%s cannot be used: %s", path,
				    strerror(-rv));
	if (rv == 0)
		rv = lock(d, a, why);
	if (rv == 0)
		rv = take_meta(d, a, why);
	if (rv < 0)
		datadir_close(d);
	return rv;
}

void datadir_close(struct datadir *d)
{
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->dir_fd >= 0)
		close(d->dir_fd);
	mem_free(d->path);
	*d = (struct datadir){ .dir_fd = -1, .lock_fd = -1 };
}

int datadir_set_cluster(struct datadir *d, struct uuid cluster)
{
	if (uuid_eq(d->cluster, cluster))
		return 0;
	if (!uuid_is_zero(d->cluster))
		return -EPERM;
	d->cluster = cluster;
	return write_meta(d);
}
