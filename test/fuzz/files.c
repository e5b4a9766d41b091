/* SPDX-License-Identifier: Apache-2.0 */
/* files: see files.h. */
#include "files.h"

#include <stdio.h>

#define PAGES_MAX 16 /* a journal with a few frames */

void files_read(struct files *f, struct reader *r, const char *const *paths,
		int n)
{
	must(n <= FILES_MAX);
	memset(f, 0, sizeof(*f));
	f->paths = paths;
	f->n = n;
	while (reader_left(r)) {
		int which = read_u8(r) % n;
		size_t pages = read_u8(r) % PAGES_MAX * (size_t)FILES_PAGE;
		struct bytes b = fuzz_take(r, (uint16_t)read_i16(r));
		struct buf *to = &f->bytes[which];

		if (r->bad)
			return;
		f->present[which] = true;
		to->n = 0;
		buf_put(to, b.p, (size_t)b.n);
		if (to->n < pages) {
			size_t more = pages - to->n;

			memset(buf_grow(to, more), 0, more);
		}
	}
}

void files_fini(struct files *f)
{
	for (int i = 0; i < f->n; i++)
		buf_fini(&f->bytes[i]);
}

static void make_dirs(struct disk *d, const char *path)
{
	char dir[256];

	for (const char *p = path; (p = strchr(p, '/')); p++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		must(d->ops->mkdir(d, dir) == 0);
	}
}

/* The names above a file are kept in a crash, as its bytes are. */
static void sync_dirs(struct disk *d, const char *path)
{
	char dir[256];

	must(d->ops->sync_dir(d, ".") == 0);
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		must(d->ops->sync_dir(d, dir) == 0);
	}
}

void files_write(const struct files *f, struct disk *d)
{
	for (int i = 0; i < f->n; i++) {
		struct disk_span v = { f->bytes[i].p, f->bytes[i].n };
		struct file *file;

		if (!f->present[i])
			continue;
		make_dirs(d, f->paths[i]);
		must(d->ops->open(d, f->paths[i], DISK_WRITE | DISK_CREATE,
				  &file) == 0);
		must(!v.n || d->ops->write(file, 0, &v, 1) == 0);
		must(d->ops->sync(file) == 0);
		d->ops->close(file);
		sync_dirs(d, f->paths[i]);
	}
}

bool files_have(const struct files *f, const void *p, size_t n)
{
	for (int i = 0; i < f->n; i++)
		if (f->bytes[i].n &&
		    memmem(f->bytes[i].p, f->bytes[i].n, p, n))
			return true;
	return false;
}

/* ---- the whole disk as bytes --------------------------------------------- */

struct dump {
	struct disk *d;
	struct buf *out;
	const char *dir;
};

static void dump_dir(struct disk *d, const char *dir, struct buf *out);

static void dump_file(struct disk *d, const char *path, struct buf *out)
{
	struct file *f;
	int64_t size;

	must(d->ops->open(d, path, DISK_READ, &f) == 0);
	size = d->ops->size(f);
	must(size >= 0);
	must(d->ops->read(f, 0, buf_grow(out, (size_t)size), (size_t)size,
			  false) == size);
	d->ops->close(f);
}

static void dump_one(void *ctx, const char *name, bool is_dir)
{
	struct dump *x = ctx;
	char path[1024];

	snprintf(path, sizeof(path), "%s%s%s", x->dir, *x->dir ? "/" : "",
		 name);
	buf_printf(x->out, "%s%s:", path, is_dir ? "/" : "");
	if (is_dir)
		dump_dir(x->d, path, x->out);
	else
		dump_file(x->d, path, x->out);
}

static void dump_dir(struct disk *d, const char *dir, struct buf *out)
{
	struct dump x = { d, out, dir };

	must(d->ops->list(d, *dir ? dir : ".", dump_one, &x) == 0);
}

void files_dump(struct disk *d, struct buf *out)
{
	out->n = 0;
	dump_dir(d, "", out);
}
