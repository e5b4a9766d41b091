/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries: writing the log; the contract is in entries.h. Reading it back is
 * in entries_load.c.
 */
#include "entries.h"

#include <raftmq/base.h>

#include "entries_file.h"

void entries_path(char out[ENTRIES_PATH_MAX], uint64_t serial)
{
	struct buf b = { 0 };

	buf_printf(&b, "quorum/log.%020" PRIu64, serial);
	assert(b.n < ENTRIES_PATH_MAX);
	memcpy(out, buf_c(&b), b.n + 1);
	buf_fini(&b);
}

void entries_push_segment(struct entries *s, uint64_t serial, int64_t start)
{
	size_t n = (size_t)s->segments_n + 1;

	s->segments = mem_realloc(s->segments, n * sizeof(*s->segments));
	s->segments[s->segments_n++] = (struct segment){ serial, start };
}

int entries_put_mark(struct entries *s)
{
	struct mark m = { s->segments[s->segments_n - 1].serial, s->pos,
			  s->next - 1 };

	return mark_put(&s->mark, &m);
}

static int write_header(struct entries *s, struct file *f, uint64_t serial,
			int64_t start, bool reset)
{
	uint8_t b[SEGMENT_HEADER] = { 0 };
	struct disk_span v = { b, sizeof(b) };
	int rc;

	put_be32(b, SEGMENT_MAGIC);
	put_be16(b + 4, SEGMENT_VERSION);
	put_be16(b + 6, reset ? SEGMENT_RESET : 0);
	put_be32(b + 8, (uint32_t)s->node);
	put_be64(b + 12, serial);
	put_be64(b + 20, (uint64_t)start);
	put_be64(b + 28, s->batch);
	put_be32(b + SEGMENT_HEADER - 4, crc32c(0, b, SEGMENT_HEADER - 4));
	rc = s->disk->ops->truncate(f, 0); /* left by a crash: not ours */
	if (rc)
		return rc;
	rc = s->disk->ops->reserve(f, s->segment_bytes);
	if (rc && rc != -EOPNOTSUPP && rc != -ENOSYS && rc != -EINVAL)
		return rc;
	return s->disk->ops->write(f, 0, &v, 1);
}

/* A new last segment. -ENOSPC leaves all as it was. */
static int begin_segment(struct entries *s, int64_t start, bool reset)
{
	uint64_t serial = 1;
	char path[ENTRIES_PATH_MAX];
	struct file *f;
	int rc;

	if (s->segments_n)
		serial = s->segments[s->segments_n - 1].serial + 1;
	entries_path(path, serial);
	rc = s->disk->ops->open(s->disk, path, DISK_WRITE | DISK_CREATE, &f);
	if (rc)
		return rc;
	rc = write_header(s, f, serial, start, reset);
	if (!rc)
		rc = s->disk->ops->sync(f);
	if (!rc)
		rc = s->disk->ops->sync_dir(s->disk, "quorum");
	if (rc) {
		s->disk->ops->close(f);
		if (rc == -ENOSPC)
			(void)s->disk->ops->unlink(s->disk, path);
		return rc;
	}
	if (s->file)
		s->disk->ops->close(s->file);
	s->file = f;
	s->pos = SEGMENT_HEADER;
	s->next = start;
	entries_push_segment(s, serial, start);
	return 0;
}

void entries_close(struct entries *s)
{
	if (s->mark.slots.file) {
		/* best effort: an older mark says less, nothing wrong */
		if (mark_sync(&s->mark))
			trace_warn("quorum", "mark not synced",
				   "file=quorum/mark");
		mark_close(&s->mark);
	}
	if (s->file)
		s->disk->ops->close(s->file);
	s->file = NULL;
	mem_free(s->segments);
	s->segments = NULL;
	s->segments_n = 0;
}

void entries_encode(struct buf *batch, const struct entry *e)
{
	uint8_t *p = buf_grow(batch, RECORD_HEADER + (size_t)e->n);

	memset(p, 0, RECORD_HEADER);
	put_be32(p + RECORD_LENGTH, (uint32_t)e->n);
	put_be64(p + RECORD_INDEX, (uint64_t)e->index);
	put_be64(p + RECORD_TERM, e->term);
	p[RECORD_TYPE] = e->type;
	memcpy(p + RECORD_HEADER, e->data, (size_t)e->n);
}

/* Fills in what depends on the place in the file, and the checksums. */
static void complete(struct entries *s, struct buf *batch)
{
	uint64_t end = (uint64_t)s->pos + batch->n;

	for (size_t at = 0; at < batch->n;) {
		uint8_t *p = batch->p + at;
		size_t n = RECORD_HEADER + get_be32(p + RECORD_LENGTH);

		put_be32(p, RECORD_MAGIC);
		put_be64(p + RECORD_POS, (uint64_t)s->pos + at);
		put_be64(p + RECORD_END, end);
		put_be64(p + RECORD_BATCH, s->batch + 1);
		put_be32(p + RECORD_CRC,
			 crc32c(0, p + RECORD_POS, n - RECORD_POS));
		at += n;
	}
}

/* One sync for header and batch; the mark's brings the names to disk. */
int entries_create(struct entries *s, struct disk *d, int32_t node,
		   struct buf *batch)
{
	char path[ENTRIES_PATH_MAX];
	struct disk_span v;
	struct mark m;
	int rc;

	*s = (struct entries){ .disk = d,
			       .node = node,
			       .segment_bytes = SEGMENT_BYTES,
			       .pos = SEGMENT_HEADER,
			       .next = batch->n ? 2 : 1 };
	entries_path(path, 1);
	rc = d->ops->open(d, path, DISK_WRITE | DISK_CREATE, &s->file);
	if (rc)
		return rc;
	rc = write_header(s, s->file, 1, 1, true);
	complete(s, batch);
	v = (struct disk_span){ batch->p, batch->n };
	if (!rc && batch->n)
		rc = d->ops->write(s->file, s->pos, &v, 1);
	if (!rc)
		rc = d->ops->sync(s->file);
	s->pos += (int64_t)batch->n;
	s->batch = batch->n ? 1 : 0;
	entries_push_segment(s, 1, 1);
	m = (struct mark){ 1, s->pos, s->next - 1 };
	if (!rc)
		rc = mark_create(&s->mark, d, &m);
	if (rc)
		entries_close(s);
	return rc;
}

int entries_append(struct entries *s, struct buf *batch, int64_t next)
{
	struct disk_span v = { batch->p, batch->n };
	int rc = 0;

	if (s->pos >= s->segment_bytes)
		rc = begin_segment(s, s->next, false);
	if (rc)
		return rc;
	complete(s, batch);
	rc = s->disk->ops->write(s->file, s->pos, &v, 1);
	if (rc)
		return rc;
	rc = s->disk->ops->sync(s->file);
	if (rc) /* even a full disk is final here: what is on it is unknown */
		return rc == -ENOSPC ? -EIO : rc;
	s->pos += (int64_t)batch->n;
	s->batch++;
	s->next = next;
	return entries_put_mark(s);
}

static int delete_front(struct entries *s, int n)
{
	for (int i = 0; i < n; i++) {
		char path[ENTRIES_PATH_MAX];
		int rc;

		entries_path(path, s->segments[i].serial);
		rc = s->disk->ops->unlink(s->disk, path);
		if (rc && rc != -ENOENT)
			return rc;
	}
	s->segments_n -= n;
	memmove(s->segments, s->segments + n,
		(size_t)s->segments_n * sizeof(*s->segments));
	return 0;
}

int entries_trim(struct entries *s, int64_t index)
{
	int n = 0;

	while (n + 1 < s->segments_n && s->segments[n + 1].start <= index + 1)
		n++;
	return delete_front(s, n);
}

int entries_reset(struct entries *s, int64_t start)
{
	int rc = begin_segment(s, start, true);

	if (!rc)
		rc = entries_put_mark(s);
	if (!rc)
		rc = mark_sync(&s->mark);
	return rc ? rc : delete_front(s, s->segments_n - 1);
}

int entries_sync_mark(struct entries *s)
{
	return mark_sync(&s->mark);
}
