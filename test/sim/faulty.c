/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty: the disk of a simulated node: disk_mem behind a table that lets the
 * node die at any call, and lies and refuses as it is told. What a crash does
 * to the bytes is disk_mem's.
 *
 * 1. Files stay the world's: a process that dies leaves them to be closed.
 * 2. Reads lie in what is handed out, never on the medium: read again, and
 *    the truth may come. (disk_mem_flip is for lies that stay.)
 */
#include "parts.h"

struct faulty {
	struct disk disk;
	struct node *node;
	struct prng prng; /* its own: faults of one disk move no other chance */
	struct world_disk_faults faults, saved;
	struct list files;
};
struct file {
	struct list link;
	struct faulty *faulty;
	struct file *inner;
};

/* The inner table's files, as it knows them. */
#define INNER(fa) (disk_mem_disk((fa)->node->mem))

static struct faulty *of(struct disk *d)
{
	return container_of(d, struct faulty, disk);
}

/* Every call: the node may die before it; the world owns what it makes. */
static int enter(struct faulty *fa)
{
	node_exit_point(fa->node, true);
	return estate_enter(0);
}

static bool hits(struct faulty *fa, int per_ten_thousand)
{
	if (per_ten_thousand <= 0 ||
	    prng_below(&fa->prng, 10000) >= (uint64_t)per_ten_thousand)
		return false;
	fa->node->failed = true;
	return true;
}

static bool is_dead(struct faulty *fa)
{
	if (fa->faults.dead)
		fa->node->failed = true;
	return fa->faults.dead;
}

/* ---- files --------------------------------------------------------------- */

static void f_close(struct file *f)
{
	int owner = estate_enter(0);

	INNER(f->faulty)->ops->close(f->inner);
	list_remove(&f->link);
	mem_free(f);
	estate_enter(owner);
}

static int64_t lie(struct file *f, int64_t pos, uint8_t *p, int64_t got)
{
	struct faulty *fa = f->faulty;
	const struct disk_ops *ops = INNER(fa)->ops;

	if (got <= 0)
		return got;
	if (hits(fa, fa->faults.read_flip))
		p[prng_below(&fa->prng, (uint64_t)got)] ^=
			(uint8_t)(1u << prng_below(&fa->prng, 8));
	if (pos >= 4096 && hits(fa, fa->faults.read_stray))
		(void)ops->read(f->inner, pos - 4096, p,
				(size_t)min_of(got, (int64_t)512), false);
	return got;
}

static int64_t f_read(struct file *f, int64_t pos, void *p, size_t n,
		      bool nowait)
{
	struct faulty *fa = f->faulty;
	int owner = enter(fa);
	int64_t rc;

	if (is_dead(fa) || hits(fa, fa->faults.read_error))
		rc = -EIO;
	else if (nowait && prng_below(&fa->prng, 100) <
				   (uint64_t)fa->faults.cold)
		rc = -EAGAIN;
	else
		rc = lie(f, pos, p, INNER(fa)->ops->read(f->inner, pos, p, n,
							 nowait));
	estate_enter(owner);
	return rc;
}

static int f_write(struct file *f, int64_t pos, const struct disk_span *v,
		   int n)
{
	struct faulty *fa = f->faulty;
	int owner = enter(fa);
	int rc;

	if (hits(fa, fa->faults.write_error))
		disk_mem_fail_write(fa->node->mem, 1);
	rc = is_dead(fa) ? -EIO : INNER(fa)->ops->write(f->inner, pos, v, n);
	fa->node->failed |= rc == -ENOSPC;
	estate_enter(owner);
	return rc;
}

static int f_sync(struct file *f)
{
	struct faulty *fa = f->faulty;
	int owner = enter(fa);
	int rc;

	if (hits(fa, fa->faults.sync_error))
		disk_mem_fail_sync(fa->node->mem, 1);
	rc = is_dead(fa) ? -EIO : INNER(fa)->ops->sync(f->inner);
	estate_enter(owner);
	return rc;
}

static int64_t f_size(struct file *f)
{
	return INNER(f->faulty)->ops->size(f->inner);
}

static int f_truncate(struct file *f, int64_t size)
{
	struct faulty *fa = f->faulty;
	int owner = enter(fa);
	int rc = is_dead(fa) ? -EIO
			     : INNER(fa)->ops->truncate(f->inner, size);

	fa->node->failed |= rc == -ENOSPC;
	estate_enter(owner);
	return rc;
}

static int f_reserve(struct file *f, int64_t size)
{
	struct faulty *fa = f->faulty;
	int owner = enter(fa);
	int rc = is_dead(fa) ? -EIO : INNER(fa)->ops->reserve(f->inner, size);

	fa->node->failed |= rc == -ENOSPC;
	estate_enter(owner);
	return rc;
}

static void f_writeback(struct file *f, int64_t pos, int64_t n)
{
	int owner = estate_enter(0);

	INNER(f->faulty)->ops->writeback(f->inner, pos, n);
	estate_enter(owner);
}

static int f_fd(struct file *f)
{
	(void)f;
	return -1;
}

/* ---- names --------------------------------------------------------------- */

static int d_open(struct disk *d, const char *path, int flags,
		  struct file **out)
{
	struct faulty *fa = of(d);
	int owner = enter(fa);
	struct file *inner = NULL;
	int rc = is_dead(fa) ? -EIO
			     : INNER(fa)->ops->open(INNER(fa), path, flags,
						    &inner);

	fa->node->failed |= rc == -ENOSPC;
	if (rc == 0) {
		struct file *f = mem_zalloc(sizeof(*f));

		f->faulty = fa;
		f->inner = inner;
		list_push(&fa->files, &f->link);
		*out = f;
	}
	estate_enter(owner);
	return rc;
}

#define NAME_CALL(fn, ...)                                                     \
	struct faulty *fa = of(d);                                             \
	int owner = enter(fa);                                                 \
	int rc = is_dead(fa) ? -EIO : INNER(fa)->ops->fn(INNER(fa),            \
							 __VA_ARGS__);         \
	fa->node->failed |= rc == -ENOSPC;                                     \
	estate_enter(owner);                                                   \
	return rc

static int64_t d_size_of(struct disk *d, const char *path)
{
	struct faulty *fa = of(d);
	int owner = enter(fa);
	int64_t rc = is_dead(fa) ? -EIO
				 : INNER(fa)->ops->size_of(INNER(fa), path);

	estate_enter(owner);
	return rc;
}

static int d_rename(struct disk *d, const char *from, const char *to)
{
	NAME_CALL(rename, from, to);
}

static int d_unlink(struct disk *d, const char *path)
{
	NAME_CALL(unlink, path);
}

static int d_mkdir(struct disk *d, const char *path)
{
	NAME_CALL(mkdir, path);
}

static int d_rmdir(struct disk *d, const char *path)
{
	NAME_CALL(rmdir, path);
}

static int d_sync_dir(struct disk *d, const char *path)
{
	struct faulty *fa = of(d);
	int owner = enter(fa);
	int rc;

	if (hits(fa, fa->faults.sync_error))
		disk_mem_fail_sync(fa->node->mem, 1);
	rc = is_dead(fa) ? -EIO : INNER(fa)->ops->sync_dir(INNER(fa), path);
	estate_enter(owner);
	return rc;
}

static int d_sync_all(struct disk *d)
{
	struct faulty *fa = of(d);
	int owner = enter(fa);
	int rc;

	if (hits(fa, fa->faults.sync_error))
		disk_mem_fail_sync(fa->node->mem, 1);
	rc = is_dead(fa) ? -EIO : INNER(fa)->ops->sync_all(INNER(fa));
	estate_enter(owner);
	return rc;
}

struct listing {
	struct buf names; /* of the node, which may die while they are read */
	int owner;
};

static void list_one(void *ctx, const char *name, bool is_dir)
{
	struct listing *l = ctx;
	int world = estate_enter(l->owner);

	buf_put_u8(&l->names, is_dir);
	buf_put(&l->names, name, strlen(name) + 1);
	estate_enter(world);
}

static int d_list(struct disk *d, const char *path,
		  void (*each)(void *ctx, const char *name, bool is_dir),
		  void *ctx)
{
	struct faulty *fa = of(d);
	struct listing l = { .owner = enter(fa) };
	int rc = is_dead(fa) ? -EIO : INNER(fa)->ops->list(INNER(fa), path,
							   list_one, &l);

	estate_enter(l.owner);
	for (size_t at = 0; at < l.names.n;) {
		const char *name = (const char *)l.names.p + at + 1;

		each(ctx, name, l.names.p[at]);
		at += 2 + strlen(name);
	}
	buf_fini(&l.names);
	return rc;
}

static int d_space(struct disk *d, int64_t *total, int64_t *usable)
{
	return INNER(of(d))->ops->space(INNER(of(d)), total, usable);
}

static const struct disk_ops ops = {
	.open = d_open, .close = f_close, .read = f_read, .write = f_write,
	.sync = f_sync, .size = f_size, .size_of = d_size_of,
	.truncate = f_truncate,
	.reserve = f_reserve, .writeback = f_writeback, .fd = f_fd,
	.rename = d_rename, .unlink = d_unlink, .mkdir = d_mkdir,
	.rmdir = d_rmdir, .sync_dir = d_sync_dir, .list = d_list,
	.sync_all = d_sync_all,
	.space = d_space,
};

/* ---- the disk ------------------------------------------------------------ */

struct faulty *faulty_new(struct node *n)
{
	struct faulty *fa = mem_zalloc(sizeof(*fa));

	fa->disk.ops = &ops;
	fa->node = n;
	prng_init(&fa->prng, prng_next(&n->w->prng));
	list_init(&fa->files);
	return fa;
}

static void close_all(struct faulty *fa)
{
	while (!list_empty(&fa->files))
		f_close(list_entry(fa->files.next, struct file, link));
}

void faulty_free(struct faulty *fa)
{
	close_all(fa);
	mem_free(fa);
}

struct disk *faulty_disk(struct faulty *fa)
{
	return &fa->disk;
}

void faulty_set(struct faulty *fa, struct world_disk_faults faults)
{
	fa->faults = faults;
}

void faulty_quiet(struct faulty *fa, bool quiet)
{
	if (quiet)
		fa->saved = fa->faults;
	fa->faults = quiet ? (struct world_disk_faults){ 0 } : fa->saved;
}

bool faulty_lies(const struct faulty *fa)
{
	return fa->faults.read_flip || fa->faults.read_stray;
}

int64_t faulty_job_us(struct faulty *fa)
{
	int64_t limit = fa->faults.job_us ? fa->faults.job_us : 1000;
	int64_t us = 30 + (int64_t)prng_below(&fa->prng, (uint64_t)limit);

	if (prng_below(&fa->prng, 100) < (uint64_t)fa->faults.slow_sync)
		us += (int64_t)prng_below(&fa->prng, 200000);
	return us;
}

void faulty_crash(struct faulty *fa, enum disk_mem_crash how)
{
	disk_mem_crash(fa->node->mem, how);
	close_all(fa);
}
