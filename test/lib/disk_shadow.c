/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_shadow: the daemon's disk with a second directory beside it that holds
 * what a power cut would leave: exactly what was synced. Linked around
 * disk_file_new (ld --wrap) into raftmqd-shadow, a program of the tests; the
 * daemon that is installed has nothing of it. Not a fault injector: a test
 * kills the process and then puts the second directory in the first one's
 * place (test/nemesis/shadow.py).
 *
 * The live directory is what the process sees. Below SHADOW_DIR:
 *
 *	data/ID   content of a file, as of its last sync
 *	dirs/ID   names of a directory, as of its last sync: lines "f ID name"
 *		  or "d ID name"; dirs/1 is the top
 *	of/INODE  symbolic link that reads ID: which of the live ones is which
 *	meta      the file of datadir.c, which is synced where it is written
 *
 * 1. A name is durable after the sync of its directory only, content after
 *    the sync of its file only; neither implies the other.
 * 2. A directory's names change as one: dirs/ID is replaced by rename.
 * 3. What is written while a sync runs may or may not be part of it.
 * 4. Without SHADOW_DIR in place, all that is live is durable: so it is after
 *    the power came back. With it, this process follows one that was killed:
 *    nothing counts as synced but what was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datadir.h"
#include "disk_file.h"

enum { RANGES_MAX = 256, ROOT = 1 };

struct range {
	int64_t from, to;
};

struct inode {
	struct list link;
	int64_t id, ino;
	bool seen; /* by this process */
	int64_t cut; /* shortest length since the last sync */
	struct range ranges[RANGES_MAX]; /* written since then */
	int ranges_n;
};

struct file {
	struct file *real;
	struct inode *inode;
};

struct shadow {
	struct disk disk;
	struct disk *real;
	int live, dir; /* the two directories */
	pthread_mutex_t lock; /* all below, and every change of names */
	struct list inodes;
	struct map by_ino;
	int64_t last_id;
};

static struct shadow *the_one;

struct disk *__real_disk_file_new(int dir_fd);
struct disk *__wrap_disk_file_new(int dir_fd);
void __real_disk_file_free(struct disk *d);
void __wrap_disk_file_free(struct disk *d);
int __real_datadir_set_cluster(struct datadir *d, struct uuid cluster);
int __wrap_datadir_set_cluster(struct datadir *d, struct uuid cluster);

static void must(bool ok, const char *what)
{
	if (!ok)
		fatal("disk_shadow: %s: %s", what, strerror(errno));
}

static struct shadow *shadow_of(struct disk *d)
{
	return container_of(d, struct shadow, disk);
}

static void enter(struct shadow *s)
{
	pthread_mutex_lock(&s->lock);
}

static void leave(struct shadow *s)
{
	pthread_mutex_unlock(&s->lock);
}

/* ---- inodes -------------------------------------------------------------- */

static void note_range(struct inode *i, int64_t from, int64_t to)
{
	struct range *last = i->ranges_n ? &i->ranges[i->ranges_n - 1] : NULL;

	if (last && from <= last->to && from >= last->from) {
		last->to = max_of(last->to, to);
	} else if (i->ranges_n < RANGES_MAX) {
		i->ranges[i->ranges_n++] = (struct range){ from, to };
	} else { /* no matter which: what is copied once more is the same */
		i->ranges[0] = (struct range){ 0, INT64_MAX };
		i->ranges_n = 1;
	}
}

static void forget_changes(struct inode *i)
{
	i->ranges_n = 0;
	i->cut = INT64_MAX;
}

static struct inode *add_inode(struct shadow *s, int64_t ino, int64_t id)
{
	struct inode *i = mem_zalloc(sizeof(*i));

	i->ino = ino;
	i->id = id;
	forget_changes(i);
	list_push(&s->inodes, &i->link);
	map_put_i64(&s->by_ino, ino, i);
	return i;
}

static struct inode *new_inode(struct shadow *s, int64_t ino, bool is_dir)
{
	struct inode *i = add_inode(s, ino, ++s->last_id);
	char path[64], id[32];
	int fd;

	snprintf(path, sizeof(path), "%s/%" PRId64, is_dir ? "dirs" : "data",
		 i->id);
	fd = openat(s->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0640);
	must(fd >= 0, path);
	close(fd);
	snprintf(path, sizeof(path), "of/%" PRId64, ino);
	snprintf(id, sizeof(id), "%" PRId64, i->id);
	must(symlinkat(id, s->dir, path) == 0, path);
	return i;
}

static bool stat_live(struct shadow *s, const char *path, struct stat *st)
{
	return fstatat(s->live, *path ? path : ".", st,
		       AT_SYMLINK_NOFOLLOW) == 0;
}

static struct inode *inode_of(struct shadow *s, const struct stat *st)
{
	struct inode *i = map_find_i64(&s->by_ino, (int64_t)st->st_ino);

	if (!i)
		i = new_inode(s, (int64_t)st->st_ino, S_ISDIR(st->st_mode));
	i->seen = true;
	return i;
}

/* Its number may soon be that of another file. */
static void drop_ino(struct shadow *s, int64_t ino)
{
	char path[64];

	snprintf(path, sizeof(path), "of/%" PRId64, ino);
	(void)map_remove_i64(&s->by_ino, ino);
	(void)!unlinkat(s->dir, path, 0);
}

/* ---- files --------------------------------------------------------------- */

static int shadow_open(struct disk *d, const char *path, int flags,
		       struct file **out)
{
	struct shadow *s = shadow_of(d);
	struct file *real;
	struct stat st;
	int rv;

	enter(s);
	rv = s->real->ops->open(s->real, path, flags, &real);
	if (rv == 0) {
		must(fstat(s->real->ops->fd(real), &st) == 0, path);
		*out = mem_zalloc(sizeof(**out));
		(*out)->real = real;
		(*out)->inode = inode_of(s, &st);
	}
	leave(s);
	return rv;
}

static void shadow_close(struct file *f)
{
	the_one->real->ops->close(f->real);
	mem_free(f);
}

static int64_t shadow_read(struct file *f, int64_t pos, void *p, size_t n,
			   bool nowait)
{
	return the_one->real->ops->read(f->real, pos, p, n, nowait);
}

/* Noted when it is there: a sync meanwhile need not have it. */
static int shadow_write(struct file *f, int64_t pos, const struct disk_span *v,
			int n)
{
	int rv = the_one->real->ops->write(f->real, pos, v, n);
	int64_t end = pos;

	for (int i = 0; i < n; i++)
		end += (int64_t)v[i].n;
	enter(the_one);
	note_range(f->inode, pos, end);
	leave(the_one);
	return rv;
}

static void copy_range(int from, int to, int64_t at, int64_t end)
{
	static char data[1 << 16]; /* under the lock */

	while (at < end) {
		size_t n = (size_t)min_of(end - at, (int64_t)sizeof(data));
		ssize_t got = pread(from, data, n, at);

		must(got >= 0, "read");
		if (got == 0)
			return;
		must(pwrite(to, data, (size_t)got, at) == got, "write");
		at += got;
	}
}

/* What is noted of the file becomes durable, and its length. */
static void settle(struct shadow *s, int live, struct inode *i,
		   const struct inode *noted)
{
	char path[64];
	struct stat st, old;
	int fd;

	snprintf(path, sizeof(path), "data/%" PRId64, i->id);
	fd = openat(s->dir, path, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && fstat(fd, &old) == 0 && fstat(live, &st) == 0, path);
	if (noted->cut < old.st_size)
		must(ftruncate(fd, noted->cut) == 0, path);
	for (int k = 0; k < noted->ranges_n; k++)
		copy_range(live, fd, noted->ranges[k].from,
			   min_of(noted->ranges[k].to, (int64_t)st.st_size));
	must(ftruncate(fd, st.st_size) == 0, path);
	close(fd);
}

static int shadow_sync(struct file *f)
{
	struct shadow *s = the_one;
	struct inode noted;
	int rv;

	enter(s);
	noted = *f->inode;
	forget_changes(f->inode);
	leave(s);
	rv = s->real->ops->sync(f->real);
	if (rv < 0)
		return rv; /* what was noted will never be durable */
	enter(s);
	settle(s, s->real->ops->fd(f->real), f->inode, &noted);
	leave(s);
	return 0;
}

static int64_t shadow_size(struct file *f)
{
	return the_one->real->ops->size(f->real);
}

static int shadow_truncate(struct file *f, int64_t size)
{
	int rv = the_one->real->ops->truncate(f->real, size);

	enter(the_one);
	if (rv == 0)
		f->inode->cut = min_of(f->inode->cut, size);
	leave(the_one);
	return rv;
}

static int shadow_reserve(struct file *f, int64_t size)
{
	return the_one->real->ops->reserve(f->real, size);
}

static void shadow_writeback(struct file *f, int64_t pos, int64_t n)
{
	the_one->real->ops->writeback(f->real, pos, n); /* promises nothing */
}

static int shadow_fd(struct file *f)
{
	return the_one->real->ops->fd(f->real);
}

/* ---- names --------------------------------------------------------------- */

static int shadow_rename(struct disk *d, const char *from, const char *to)
{
	struct shadow *s = shadow_of(d);
	struct stat st;
	bool over;
	int rv;

	enter(s);
	over = stat_live(s, to, &st);
	rv = s->real->ops->rename(s->real, from, to);
	if (rv == 0 && over)
		drop_ino(s, (int64_t)st.st_ino);
	leave(s);
	return rv;
}

static int take_away(struct disk *d, const char *path,
		     int (*how)(struct disk *d, const char *path))
{
	struct shadow *s = shadow_of(d);
	struct stat st;
	bool there;
	int rv;

	enter(s);
	there = stat_live(s, path, &st);
	rv = how(s->real, path);
	if (rv == 0 && there)
		drop_ino(s, (int64_t)st.st_ino);
	leave(s);
	return rv;
}

static int shadow_unlink(struct disk *d, const char *path)
{
	return take_away(d, path, shadow_of(d)->real->ops->unlink);
}

static int shadow_rmdir(struct disk *d, const char *path)
{
	return take_away(d, path, shadow_of(d)->real->ops->rmdir);
}

static int shadow_mkdir(struct disk *d, const char *path)
{
	struct shadow *s = shadow_of(d);
	struct stat st;
	int rv;

	enter(s);
	rv = s->real->ops->mkdir(s->real, path);
	if (rv == 0 && stat_live(s, path, &st))
		(void)inode_of(s, &st);
	leave(s);
	return rv;
}

struct names {
	struct shadow *s;
	const char *path;
	struct buf text;
};

/* datadir.c syncs what is its own, on its own. */
static bool is_foreign(const char *path, const char *name)
{
	return (!*path || !strcmp(path, ".")) &&
	       (!strcmp(name, "meta") || !strcmp(name, "meta.new") ||
		!strcmp(name, "lock"));
}

static void add_name(void *ctx, const char *name, bool is_dir)
{
	struct names *n = ctx;
	char path[1024];
	struct stat st;

	if (is_foreign(n->path, name))
		return;
	snprintf(path, sizeof(path), "%s/%s", *n->path ? n->path : ".", name);
	if (stat_live(n->s, path, &st))
		buf_printf(&n->text, "%c %" PRId64 " %s\n", is_dir ? 'd' : 'f',
			   inode_of(n->s, &st)->id, name);
}

static void replace(struct shadow *s, const char *path, const struct buf *text)
{
	int fd = openat(s->dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0640);

	must(fd >= 0, path);
	must(write(fd, text->p, text->n) == (ssize_t)text->n, path);
	close(fd);
	must(renameat(s->dir, "new", s->dir, path) == 0, path);
}

static void settle_names(struct shadow *s, const char *path)
{
	struct names n = { .s = s, .path = path };
	char to[64];
	struct stat st;

	must(stat_live(s, path, &st), path);
	must(s->real->ops->list(s->real, path, add_name, &n) == 0, path);
	snprintf(to, sizeof(to), "dirs/%" PRId64, inode_of(s, &st)->id);
	replace(s, to, &n.text);
	buf_fini(&n.text);
}

static int shadow_sync_dir(struct disk *d, const char *path)
{
	struct shadow *s = shadow_of(d);
	int rv;

	enter(s);
	rv = s->real->ops->sync_dir(s->real, path);
	if (rv == 0)
		settle_names(s, path);
	leave(s);
	return rv;
}

static int shadow_list(struct disk *d, const char *path,
		       void (*each)(void *ctx, const char *name, bool is_dir),
		       void *ctx)
{
	struct disk *real = shadow_of(d)->real;

	return real->ops->list(real, path, each, ctx);
}

static int64_t shadow_size_of(struct disk *d, const char *path)
{
	struct disk *real = shadow_of(d)->real;

	return real->ops->size_of(real, path);
}

/* ---- everything at once -------------------------------------------------- */

struct tour {
	struct disk *d;
	const char *path;
	int rv;
};

static int sync_tree(struct disk *d, const char *path);

static int sync_one(struct disk *d, const char *path)
{
	struct file *f;
	int rv = shadow_open(d, path, DISK_READ, &f);

	if (rv < 0)
		return rv;
	rv = shadow_sync(f);
	shadow_close(f);
	return rv;
}

static void sync_entry(void *ctx, const char *name, bool is_dir)
{
	struct tour *w = ctx;
	struct arena a = { 0 };
	const char *path = arena_printf(&a, "%s%s%s", w->path,
					*w->path ? "/" : "", name);

	if (w->rv == 0)
		w->rv = is_dir ? sync_tree(w->d, path) : sync_one(w->d, path);
	arena_fini(&a);
}

static int sync_tree(struct disk *d, const char *path)
{
	struct tour w = { d, path, 0 };
	int rv = shadow_list(d, path, sync_entry, &w);

	if (rv == 0)
		rv = w.rv;
	return rv < 0 ? rv : shadow_sync_dir(d, path);
}

static int shadow_sync_all(struct disk *d)
{
	return sync_tree(d, "");
}

static int shadow_space(struct disk *d, int64_t *total, int64_t *usable)
{
	struct disk *real = shadow_of(d)->real;

	return real->ops->space(real, total, usable);
}

static const struct disk_ops ops = {
	.open = shadow_open,
	.close = shadow_close,
	.read = shadow_read,
	.write = shadow_write,
	.sync = shadow_sync,
	.size = shadow_size,
	.truncate = shadow_truncate,
	.reserve = shadow_reserve,
	.writeback = shadow_writeback,
	.fd = shadow_fd,
	.rename = shadow_rename,
	.unlink = shadow_unlink,
	.mkdir = shadow_mkdir,
	.rmdir = shadow_rmdir,
	.size_of = shadow_size_of,
	.sync_dir = shadow_sync_dir,
	.sync_all = shadow_sync_all,
	.list = shadow_list,
	.space = shadow_space,
};

/* ---- the start ----------------------------------------------------------- */

struct walk {
	struct shadow *s;
	const char *path;
	bool durable; /* all that is found */
};

static void walk_dir(struct walk *w);

static void walk_name(void *ctx, const char *name, bool is_dir)
{
	const struct walk *w = ctx;
	struct shadow *s = w->s;
	char path[1024];
	struct inode *i;
	struct stat st;
	int fd;

	if (is_foreign(w->path, name))
		return;
	snprintf(path, sizeof(path), "%s/%s", w->path, name);
	must(stat_live(s, path, &st), path);
	i = inode_of(s, &st);
	if (is_dir) {
		walk_dir(&(struct walk){ s, path, w->durable });
		return;
	}
	note_range(i, 0, INT64_MAX);
	i->cut = 0;
	if (w->durable) {
		fd = openat(s->live, path, O_RDONLY | O_CLOEXEC);
		must(fd >= 0, path);
		settle(s, fd, i, i);
		close(fd);
		forget_changes(i);
	}
}

static void walk_dir(struct walk *w)
{
	must(w->s->real->ops->list(w->s->real, w->path, walk_name, w) == 0,
	     w->path);
	if (w->durable)
		settle_names(w->s, w->path);
}

/* Which live file is which, as the process before this one knew it. */
static void recall(void *ctx, const char *name, bool is_dir)
{
	struct shadow *s = ctx;
	char path[64], id[32] = "";

	(void)is_dir;
	snprintf(path, sizeof(path), "of/%s", name);
	must(readlinkat(s->dir, path, id, sizeof(id) - 1) > 0, path);
	add_inode(s, strtoll(name, NULL, 10), strtoll(id, NULL, 10));
}

static void note_id(void *ctx, const char *name, bool is_dir)
{
	struct shadow *s = ctx;

	(void)is_dir;
	s->last_id = max_of(s->last_id, (int64_t)strtoll(name, NULL, 10));
}

/* After a walk: what it did not meet is gone. */
static void forget_unseen(struct shadow *s)
{
	list_each(at, &s->inodes, next) {
		struct inode *i = list_entry(at, struct inode, link);

		if (!i->seen) {
			list_remove(&i->link);
			drop_ino(s, i->ino);
			mem_free(i);
		}
	}
}

static void copy_meta(struct shadow *s)
{
	struct buf text = { 0 };
	char data[4096];
	int fd = openat(s->live, "meta", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	must(fd >= 0, "meta");
	n = read(fd, data, sizeof(data));
	must(n >= 0, "meta");
	close(fd);
	buf_put(&text, data, (size_t)n);
	replace(s, "meta", &text);
	buf_fini(&text);
}

static void begin(struct shadow *s, const char *path)
{
	char temp[1024];
	struct stat st;

	snprintf(temp, sizeof(temp), "%s.%d", path, (int)getpid());
	must(mkdir(temp, 0750) == 0, temp);
	s->dir = open(temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(s->dir >= 0, temp);
	must(mkdirat(s->dir, "data", 0750) == 0 &&
	     mkdirat(s->dir, "dirs", 0750) == 0 &&
	     mkdirat(s->dir, "of", 0750) == 0, temp);
	must(stat_live(s, ".", &st), "live");
	must(new_inode(s, (int64_t)st.st_ino, true)->id == ROOT, "top");
	walk_dir(&(struct walk){ s, ".", true });
	copy_meta(s);
	must(rename(temp, path) == 0, path);
}

static void go_on(struct shadow *s)
{
	struct disk *d = __real_disk_file_new(dup(s->dir));
	struct stat st;

	must(d->ops->list(d, "of", recall, s) == 0 &&
	     d->ops->list(d, "data", note_id, s) == 0 &&
	     d->ops->list(d, "dirs", note_id, s) == 0, "list");
	__real_disk_file_free(d);
	must(stat_live(s, ".", &st), "live");
	must(inode_of(s, &st)->id == ROOT, "the top is another");
	walk_dir(&(struct walk){ s, ".", false });
	forget_unseen(s);
	copy_meta(s);
}

struct disk *__wrap_disk_file_new(int dir_fd)
{
	const char *path = getenv("SHADOW_DIR");
	struct shadow *s = mem_zalloc(sizeof(*s));

	must(path && *path, "SHADOW_DIR is not set");
	s->disk.ops = &ops;
	s->live = dup(dir_fd);
	s->real = __real_disk_file_new(dir_fd);
	list_init(&s->inodes);
	pthread_mutex_init(&s->lock, NULL);
	the_one = s;
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir >= 0)
		go_on(s);
	else
		begin(s, path);
	return &s->disk;
}

/* The process ends: what is not the real disk's goes with it. */
void __wrap_disk_file_free(struct disk *d)
{
	__real_disk_file_free(shadow_of(d)->real);
}

int __wrap_datadir_set_cluster(struct datadir *d, struct uuid cluster)
{
	int rv = __real_datadir_set_cluster(d, cluster);

	if (rv == 0) {
		enter(the_one);
		copy_meta(the_one);
		leave(the_one);
	}
	return rv;
}
