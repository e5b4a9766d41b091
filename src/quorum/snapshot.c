/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot: the replicated state as a file; the contract is in snapshot.h. */
#include "snapshot.h"

#include <raftmq/base.h>

#include "tail.h"

/*
 * magic u32, version u16, zero u16, index i64, term u64, conf index i64,
 * conf length u32, data length u64; conf; data; crc u32 of all before
 */
#define SNAPSHOT_MAGIC 0x5251534e /* RQSN */
#define SNAPSHOT_VERSION 1
#define HEADER 44
#define CONF_N 32
#define DATA_N 36
#define SLICE (1 << 20) /* one write */

void snapshot_path(char out[SNAPSHOT_PATH_MAX], int64_t index)
{
	struct buf b = { 0 };

	buf_printf(&b, "quorum/snapshot.%020" PRId64, index);
	assert(b.n < SNAPSHOT_PATH_MAX);
	memcpy(out, buf_c(&b), b.n + 1);
	buf_fini(&b);
}

void snapshot_begin(struct buf *image, const struct snapshot *s)
{
	uint8_t *p = buf_grow(image, HEADER);

	put_be32(p, SNAPSHOT_MAGIC);
	put_be16(p + 4, SNAPSHOT_VERSION);
	put_be16(p + 6, 0);
	put_be64(p + 8, (uint64_t)s->index);
	put_be64(p + 16, s->term);
	put_be64(p + 24, (uint64_t)s->conf_index);
	put_be32(p + CONF_N, (uint32_t)s->conf.n);
	put_be64(p + DATA_N, 0);
	buf_put(image, s->conf.p, (size_t)s->conf.n);
}

void snapshot_end(struct buf *image)
{
	size_t conf_n = get_be32(image->p + CONF_N);

	put_be64(image->p + DATA_N, image->n - HEADER - conf_n);
	buf_put_i32(image, (int32_t)crc32c(0, image->p, image->n));
}

bool snapshot_parse(const struct buf *image, struct snapshot *out)
{
	const uint8_t *p = image->p;
	uint64_t conf_n, data_n;

	if (image->n < HEADER + 4 || get_be32(p) != SNAPSHOT_MAGIC ||
	    get_be16(p + 4) != SNAPSHOT_VERSION)
		return false;
	conf_n = get_be32(p + CONF_N);
	data_n = get_be64(p + DATA_N);
	if (conf_n > INT32_MAX || data_n > INT32_MAX ||
	    HEADER + conf_n + data_n + 4 != image->n)
		return false;
	if (get_be32(p + image->n - 4) != crc32c(0, p, image->n - 4))
		return false;
	out->index = (int64_t)get_be64(p + 8);
	out->term = get_be64(p + 16);
	out->conf_index = (int64_t)get_be64(p + 24);
	out->conf = (struct bytes){ p + HEADER, (int32_t)conf_n };
	out->data = (struct bytes){ p + HEADER + conf_n, (int32_t)data_n };
	return out->index > 0 && out->index <= TAIL_INDEX_MAX &&
	       out->term > 0 && out->term <= TAIL_TERM_MAX &&
	       out->conf_index > 0 && out->conf_index <= out->index;
}

static int write_sliced(struct disk *d, struct file *f, const struct buf *image)
{
	for (size_t at = 0; at < image->n; at += SLICE) {
		struct disk_span v = { image->p + at,
				       min_of((size_t)SLICE, image->n - at) };
		int rc = d->ops->write(f, (int64_t)at, &v, 1);

		if (rc)
			return rc;
		/* so that the sync at the end does not write all at once */
		d->ops->writeback(f, (int64_t)at, (int64_t)v.n);
	}
	return d->ops->sync(f);
}

int snapshot_write(struct disk *d, const struct buf *image, int64_t index,
		   const char *temp)
{
	char path[SNAPSHOT_PATH_MAX];
	struct file *f;
	int rc = d->ops->open(d, temp, DISK_WRITE | DISK_CREATE, &f);

	if (rc)
		return rc;
	rc = d->ops->truncate(f, 0);
	if (!rc)
		rc = write_sliced(d, f, image);
	d->ops->close(f);
	if (rc == -ENOSPC)
		(void)d->ops->unlink(d, temp);
	if (rc)
		return rc;
	snapshot_path(path, index);
	rc = d->ops->rename(d, temp, path);
	return rc ? rc : d->ops->sync_dir(d, "quorum");
}

/* ---- which there are ----------------------------------------------------- */

struct listing {
	int64_t *v; /* ascending */
	int n;
	bool temps;
};

static void note(void *ctx, const char *name, bool is_dir)
{
	struct listing *l = ctx;
	struct str s = str_of(name);
	int64_t index;

	if (is_dir || !str_has_prefix(s, "snapshot."))
		return;
	s = (struct str){ name + 9, s.n - 9 };
	while (s.n > 1 && *s.p == '0') {
		s.p++;
		s.n--;
	}
	if (!str_to_i64(s, 1, INT64_MAX, &index))
		return;
	l->v = mem_realloc(l->v, ((size_t)l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = index;
}

static int read_image(struct disk *d, int64_t index, struct buf *image)
{
	char path[SNAPSHOT_PATH_MAX];
	struct file *f;
	int64_t size, n;
	int rc;

	snapshot_path(path, index);
	rc = d->ops->open(d, path, DISK_READ, &f);
	if (rc)
		return rc;
	size = d->ops->size(f);
	if (size >= 0) {
		image->n = 0;
		n = d->ops->read(f, 0, buf_grow(image, (size_t)size),
				 (size_t)size, false);
		rc = n < 0 ? (int)n : 0;
		image->n = n < 0 ? 0 : (size_t)n;
	} else {
		rc = (int)size;
	}
	d->ops->close(f);
	return rc;
}

int snapshot_load(struct disk *d, struct buf *image, struct snapshot *out)
{
	struct listing l = { 0 };
	int64_t index;
	int rc = d->ops->list(d, "quorum", note, &l);

	if (!rc && !l.n)
		rc = -ENOENT;
	index = l.n ? l.v[l.n - 1] : 0;
	mem_free(l.v);
	if (rc)
		return rc;
	rc = read_image(d, index, image);
	if (!rc && (!snapshot_parse(image, out) || out->index != index)) {
		trace_error("quorum", "own snapshot is damaged",
			    "file=quorum/snapshot.%020" PRId64, index);
		rc = -EBADMSG;
	}
	return rc;
}

int snapshot_sweep(struct disk *d, int64_t index, bool temps)
{
	static const char *const temp[] = { "quorum/taken.new",
					    "quorum/installed.new" };
	struct listing l = { 0 };
	int rc = d->ops->list(d, "quorum", note, &l);

	for (int i = 0; !rc && i < l.n && l.v[i] < index; i++) {
		char path[SNAPSHOT_PATH_MAX];

		snapshot_path(path, l.v[i]);
		rc = d->ops->unlink(d, path);
	}
	mem_free(l.v);
	for (size_t i = 0; temps && i < countof(temp); i++)
		(void)d->ops->unlink(d, temp[i]);
	return rc;
}
