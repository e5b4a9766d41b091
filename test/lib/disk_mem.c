/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_mem: the disk of tests and of the simulator (see disk_mem.h). The
 * files themselves are disk_tree's. Not fast, and not safe for two threads.
 */
#include <stdlib.h>

#include "disk_mem.h"
#include "disk_tree.h"

struct disk_mem {
	struct disk disk;
	struct prng prng;
	struct tree tree;
	int64_t budget; /* -1: none */
	unsigned fail_write, fail_sync; /* countdowns; 0: off */
	unsigned cold; /* percent */
	uint64_t power, life;
	bool power_ends, off;
	struct disk_mem_stats stats;
};

struct file {
	struct disk_mem *mem;
	struct node *node;
	bool writes;
	uint64_t life; /* of the disk, when it was opened */
};

/* ---- faults -------------------------------------------------------------- */

static int check_alive(const struct file *f)
{
	return f->mem->off || f->life != f->mem->life ? -EIO : 0;
}

/* Every change asks here first. */
static int spend_power(struct disk_mem *m)
{
	if (m->power_ends && m->power == 0)
		m->off = true;
	if (m->off)
		return -EIO;
	if (m->power_ends)
		m->power--;
	return 0;
}

static bool is_nth(unsigned *countdown)
{
	return *countdown && --*countdown == 0;
}

/* ---- operations on files ------------------------------------------------- */

static void mem_close(struct file *f)
{
	disk_tree_lose_user(&f->mem->tree, f->node);
	disk_node_drop(f->node);
	mem_free(f);
}

static int64_t mem_read(struct file *f, int64_t pos, void *p, size_t n,
			bool nowait)
{
	struct disk_mem *m = f->mem;

	assert(pos >= 0);
	if (check_alive(f))
		return -EIO;
	m->stats.reads++;
	if (f->node->unreadable)
		return -EIO;
	if (nowait && prng_below(&m->prng, 100) < m->cold)
		return -EAGAIN;
	return (int64_t)disk_image_read(&f->node->seen, pos, p, n);
}

/* How many bytes at pos the budget allows; takes what it gives. */
static size_t take_space(struct disk_mem *m, struct node *node, int64_t pos,
			 size_t n)
{
	int64_t end = disk_tree_round_up(pos + (int64_t)n);
	int64_t can;

	if (m->budget >= 0 && end > node->charged) {
		can = max_of(m->budget - m->tree.used, (int64_t)0);
		can = (node->charged + can) / DISK_PAGE * DISK_PAGE;
		end = min_of(end, max_of(can, node->charged));
	}
	if (end > node->charged)
		disk_tree_charge(&m->tree, node, end);
	end = max_of(node->charged, end);
	if (end >= pos + (int64_t)n)
		return n;
	return end > pos ? (size_t)(end - pos) : 0;
}

static int mem_write(struct file *f, int64_t pos, const struct disk_span *v,
		     int n)
{
	struct disk_mem *m = f->mem;
	struct buf all = { 0 };
	size_t fits;
	int err = 0;

	assert(pos >= 0);
	if (!f->writes)
		return -EBADF;
	if (check_alive(f) || spend_power(m))
		return -EIO;
	for (int i = 0; i < n; i++)
		buf_put(&all, v[i].p, v[i].n);
	fits = all.n ? take_space(m, f->node, pos, all.n) : 0;
	if (fits < all.n)
		err = -ENOSPC;
	if (is_nth(&m->fail_write)) {
		fits = (size_t)prng_below(&m->prng, fits + 1);
		err = -EIO;
	}
	disk_node_write(f->node, pos, all.p, fits);
	m->stats.writes++;
	m->stats.bytes_written += fits;
	buf_fini(&all);
	return err;
}

static int mem_sync(struct file *f)
{
	if (check_alive(f) || spend_power(f->mem))
		return -EIO;
	f->mem->stats.syncs++;
	if (is_nth(&f->mem->fail_sync)) {
		disk_node_forget(f->node); /* marked clean, never written */
		return -EIO;
	}
	disk_node_sync(f->node);
	return 0;
}

static int64_t mem_size(struct file *f)
{
	return check_alive(f) ? -EIO : f->node->seen.size;
}

static int mem_truncate(struct file *f, int64_t size)
{
	assert(size >= 0);
	if (!f->writes)
		return -EBADF;
	if (check_alive(f) || spend_power(f->mem))
		return -EIO;
	disk_node_truncate(f->node, size);
	size = min_of(disk_tree_round_up(size), f->node->charged);
	disk_tree_charge(&f->mem->tree, f->node, size);
	return 0;
}

static int mem_reserve(struct file *f, int64_t size)
{
	struct disk_mem *m = f->mem;
	int64_t more = disk_tree_round_up(size) - f->node->charged;

	if (!f->writes)
		return -EBADF;
	if (check_alive(f) || spend_power(m))
		return -EIO;
	if (more <= 0)
		return 0;
	if (m->budget >= 0 && m->tree.used + more > m->budget)
		return -ENOSPC;
	disk_tree_charge(&m->tree, f->node, disk_tree_round_up(size));
	return 0;
}

static void mem_writeback(struct file *f, int64_t pos, int64_t n)
{
	(void)f, (void)pos, (void)n;
}

static int mem_fd(struct file *f)
{
	(void)f;
	return -1;
}

/* ---- operations on names ------------------------------------------------- */

struct found { /* what a path leads to */
	struct node *dir;  /* that holds the last name; NULL for the root */
	struct node *node; /* NULL when the last name is missing */
	char name[256];
};

static struct disk_mem *of(struct disk *d)
{
	return container_of(d, struct disk_mem, disk);
}

/* 0, or -ENOENT or -ENOTDIR when the way to the last name is no way. */
static int find(struct disk_mem *m, const char *path, struct found *out)
{
	*out = (struct found){ .node = m->tree.root };
	if (m->off)
		return -EIO;
	if (strcmp(path, ".") == 0)
		return 0;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n >= sizeof(out->name))
			return -ENAMETOOLONG;
		if (!out->node)
			return -ENOENT;
		if (!out->node->is_dir)
			return -ENOTDIR;
		memcpy(out->name, path, n);
		out->name[n] = '\0';
		out->dir = out->node;
		out->node = map_find_str(&out->dir->now, str_of(out->name));
		path += n;
		path += strspn(path, "/");
	}
	return 0;
}

static struct place place_of(const struct found *at)
{
	return (struct place){ at->dir, at->name };
}

static int create(struct disk_mem *m, struct found *at, bool is_dir)
{
	int err = spend_power(m);

	if (err)
		return err;
	at->node = disk_tree_add(&m->tree, is_dir);
	disk_tree_move(&m->tree, (struct place){ 0 }, place_of(at), at->node);
	return 0;
}

static int64_t mem_size_of(struct disk *d, const char *path)
{
	struct disk_mem *m = of(d);
	struct found at;
	int err = find(m, path, &at);

	if (err)
		return err;
	if (!at.node)
		return -ENOENT;
	return at.node->is_dir ? -EISDIR : at.node->seen.size;
}

static int mem_open(struct disk *d, const char *path, int flags,
		    struct file **out)
{
	struct disk_mem *m = of(d);
	struct found at;
	int err = find(m, path, &at);

	if (err)
		return err;
	if (at.node && at.node->is_dir)
		return -EISDIR;
	if (at.node && flags & DISK_EXCL)
		return -EEXIST;
	if (!at.node && !(flags & DISK_CREATE))
		return -ENOENT;
	if (!at.node)
		err = create(m, &at, false);
	if (err)
		return err;
	*out = mem_zalloc(sizeof(**out));
	(*out)->mem = m;
	(*out)->node = disk_node_hold(at.node);
	(*out)->writes = flags & (DISK_WRITE | DISK_CREATE);
	(*out)->life = m->life;
	at.node->users++;
	return 0;
}

/* May what is at from take the place of what is at to? */
static int check_rename(const struct found *from, const struct found *to)
{
	if (!from->node)
		return -ENOENT;
	if (!from->dir || !to->dir)
		return -EBUSY;
	if (from->node->is_dir && from->dir != to->dir)
		return -EXDEV;
	if (!to->node)
		return 0;
	if (to->node->is_dir && !from->node->is_dir)
		return -EISDIR;
	if (!to->node->is_dir && from->node->is_dir)
		return -ENOTDIR;
	if (to->node->is_dir && map_count(&to->node->now))
		return -ENOTEMPTY;
	return 0;
}

static int mem_rename(struct disk *d, const char *from, const char *to)
{
	struct disk_mem *m = of(d);
	struct found a, b;
	int err = find(m, from, &a);

	if (!err)
		err = find(m, to, &b);
	if (!err)
		err = check_rename(&a, &b);
	if (err || a.node == b.node)
		return err;
	err = spend_power(m);
	if (err)
		return err;
	disk_tree_move(&m->tree, place_of(&a), place_of(&b), a.node);
	return 0;
}

static int remove_node(struct disk_mem *m, struct found *at)
{
	int err = spend_power(m);

	if (err)
		return err;
	disk_tree_move(&m->tree, place_of(at), (struct place){ 0 }, at->node);
	return 0;
}

static int mem_unlink(struct disk *d, const char *path)
{
	struct found at;
	int err = find(of(d), path, &at);

	if (err)
		return err;
	if (!at.node)
		return -ENOENT;
	return at.node->is_dir ? -EISDIR : remove_node(of(d), &at);
}

static int mem_mkdir(struct disk *d, const char *path)
{
	struct found at;
	int err = find(of(d), path, &at);

	if (err)
		return err;
	if (at.node)
		return at.node->is_dir ? 0 : -EEXIST;
	return create(of(d), &at, true);
}

static int mem_rmdir(struct disk *d, const char *path)
{
	struct found at;
	int err = find(of(d), path, &at);

	if (err)
		return err;
	if (!at.node)
		return -ENOENT;
	if (!at.node->is_dir)
		return -ENOTDIR;
	if (!at.dir)
		return -EBUSY;
	if (map_count(&at.node->now))
		return -ENOTEMPTY;
	return remove_node(of(d), &at);
}

static int find_dir(struct disk_mem *m, const char *path, struct node **out)
{
	struct found at;
	int err = find(m, path, &at);

	if (err)
		return err;
	if (!at.node)
		return -ENOENT;
	if (!at.node->is_dir)
		return -ENOTDIR;
	*out = at.node;
	return 0;
}

/* One after another: the power may go in between. */
static int sync_nodes(struct disk_mem *m)
{
	list_each (l, &m->tree.nodes, safe) {
		struct node *n = list_entry(l, struct node, link);

		if (spend_power(m))
			return -EIO;
		if (n->is_dir)
			disk_tree_sync_dir(&m->tree, n);
		else
			disk_node_sync(n);
	}
	return is_nth(&m->fail_sync) ? -EIO : 0;
}

static int mem_sync_all(struct disk *d)
{
	struct disk_mem *m = of(d);
	int err;

	m->stats.syncs++;
	disk_tree_hold_all(&m->tree); /* names that go take nodes along */
	err = sync_nodes(m);
	disk_tree_drop_all(&m->tree);
	return err;
}

static int mem_sync_dir(struct disk *d, const char *path)
{
	struct disk_mem *m = of(d);
	struct node *dir;
	int err = find_dir(m, path, &dir);

	if (!err)
		err = spend_power(m);
	if (err)
		return err;
	m->stats.dir_syncs++;
	if (is_nth(&m->fail_sync))
		return -EIO;
	disk_tree_sync_dir(&m->tree, dir);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int mem_list(struct disk *d, const char *path,
		    void (*each)(void *ctx, const char *name, bool is_dir),
		    void *ctx)
{
	struct node *dir;
	char **names;
	size_t n = 0;
	int err = find_dir(of(d), path, &dir);

	if (err)
		return err;
	names = mem_alloc(map_count(&dir->now) * sizeof(*names));
	for (struct map_iter i = map_first(&dir->now); i.at; map_next(&i))
		names[n++] = str_heap(
			(struct str){ i.key, (int32_t)i.key_n });
	qsort(names, n, sizeof(*names), compare);
	disk_node_hold(dir); /* each may remove what it is shown */
	for (size_t i = 0; i < n; i++) {
		struct node *at = map_find_str(&dir->now, str_of(names[i]));

		if (at)
			each(ctx, names[i], at->is_dir);
		mem_free(names[i]);
	}
	disk_node_drop(dir);
	mem_free(names);
	return 0;
}

static int mem_space(struct disk *d, int64_t *total, int64_t *usable)
{
	struct disk_mem *m = of(d);

	if (m->off)
		return -EIO;
	*total = m->budget >= 0 ? m->budget : (int64_t)1 << 40;
	*usable = max_of(*total - m->tree.used, (int64_t)0);
	return 0;
}

static const struct disk_ops ops = {
	.open = mem_open,
	.close = mem_close,
	.read = mem_read,
	.write = mem_write,
	.sync = mem_sync,
	.size = mem_size,
	.truncate = mem_truncate,
	.reserve = mem_reserve,
	.writeback = mem_writeback,
	.fd = mem_fd,
	.rename = mem_rename,
	.unlink = mem_unlink,
	.mkdir = mem_mkdir,
	.rmdir = mem_rmdir,
	.size_of = mem_size_of,
	.sync_dir = mem_sync_dir,
	.sync_all = mem_sync_all,
	.list = mem_list,
	.space = mem_space,
};

/* ---- the disk itself ----------------------------------------------------- */

struct disk_mem *disk_mem_new(uint64_t seed)
{
	struct disk_mem *m = mem_zalloc(sizeof(*m));

	m->disk.ops = &ops;
	prng_init(&m->prng, seed);
	disk_tree_init(&m->tree);
	m->budget = -1;
	return m;
}

void disk_mem_free(struct disk_mem *m)
{
	disk_tree_fini(&m->tree);
	mem_free(m);
}

struct disk *disk_mem_disk(struct disk_mem *m)
{
	return &m->disk;
}

void disk_mem_crash(struct disk_mem *m, enum disk_mem_crash how)
{
	if (how != DISK_MEM_KEEP)
		disk_tree_crash(&m->tree, &m->prng, how);
	m->fail_write = m->fail_sync = 0;
	m->power_ends = m->off = false;
	m->life++;
}

void disk_mem_set_budget(struct disk_mem *m, int64_t bytes)
{
	m->budget = bytes;
}

int64_t disk_mem_used(const struct disk_mem *m)
{
	return m->tree.used;
}

void disk_mem_fail_write(struct disk_mem *m, unsigned nth)
{
	m->fail_write = nth;
}

void disk_mem_fail_sync(struct disk_mem *m, unsigned nth)
{
	m->fail_sync = nth;
}

void disk_mem_cut_power(struct disk_mem *m, uint64_t n)
{
	m->power_ends = true;
	m->power = n;
}

void disk_mem_set_cold(struct disk_mem *m, unsigned percent)
{
	m->cold = percent;
}

bool disk_mem_flip(struct disk_mem *m, const char *path, int64_t pos,
		   uint8_t mask)
{
	struct found at;

	return !find(m, path, &at) && at.node &&
	       disk_node_flip(at.node, pos, mask);
}

bool disk_mem_spoil(struct disk_mem *m, const char *path)
{
	struct found at;

	if (find(m, path, &at) || !at.node)
		return false;
	at.node->unreadable = true;
	return true;
}

struct disk_mem_stats disk_mem_stats(const struct disk_mem *m)
{
	return m->stats;
}
