/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries_load: reading the log back and telling a write that a crash cut
 * short (the end of the log, nobody was told of it) from damage (entries that
 * this node acknowledged are gone: it must not vote).
 *
 * Damage is: a bad record in any segment but the last; a bad record in the
 * last segment with proof of a later batch behind it; an end before the mark;
 * a record that does not continue what is there or is of no known type; a log
 * that is not there although its mark is.
 */
#include <raft.h>

#include <raftmq/base.h>

#include "entries_file.h"

struct scan {
	const uint8_t *p;
	size_t n;
	size_t good; /* end of the last good record */
	uint64_t batch, batch_end;
};

/* Size of the record at that place, or 0 when it is not a good one. */
static size_t good_record(const struct scan *c, size_t at)
{
	const uint8_t *p = c->p + at;
	size_t left = c->n - at;
	uint32_t n;

	if (left < RECORD_HEADER || get_be32(p) != RECORD_MAGIC ||
	    get_be64(p + RECORD_POS) != at)
		return 0;
	n = get_be32(p + RECORD_LENGTH);
	if (n > left - RECORD_HEADER)
		return 0;
	if (get_be32(p + RECORD_CRC) !=
	    crc32c(0, p + RECORD_POS, RECORD_HEADER - RECORD_POS + n))
		return 0;
	return RECORD_HEADER + n;
}

/* Is there a good record of a batch so late that this place was synced? */
static bool later_batch_behind(const struct scan *c)
{
	uint64_t proof = c->batch + (c->batch_end == c->good ? 2 : 1);

	for (size_t at = c->good; at + RECORD_HEADER <= c->n; at++)
		if (good_record(c, at) &&
		    get_be64(c->p + at + RECORD_BATCH) >= proof)
			return true;
	return false;
}

/* 0, or -EBADMSG for a record that cannot follow. */
static int take_record(struct tail *t, const uint8_t *p)
{
	int64_t index = (int64_t)get_be64(p + RECORD_INDEX);
	uint64_t term = get_be64(p + RECORD_TERM);
	uint32_t n = get_be32(p + RECORD_LENGTH);
	const struct entry *before;

	if (index < 1 || index > tail_next(t) || index > TAIL_INDEX_MAX ||
	    !term || term > TAIL_TERM_MAX || n > INT32_MAX ||
	    p[RECORD_TYPE] < RAFT_COMMAND || p[RECORD_TYPE] > RAFT_CHANGE)
		return -EBADMSG;
	if (index < t->first)
		tail_reset(t, index);
	tail_cut(t, index);
	before = tail_get(t, index - 1);
	if (before && before->term > term)
		return -EBADMSG;
	tail_push(t, term, p[RECORD_TYPE],
		  (struct bytes){ p + RECORD_HEADER, (int32_t)n });
	return 0;
}

static int take_records(struct scan *c, struct tail *t)
{
	size_t n;

	while ((n = good_record(c, c->good))) {
		const uint8_t *p = c->p + c->good;

		if (take_record(t, p))
			return -EBADMSG;
		c->batch = get_be64(p + RECORD_BATCH);
		c->batch_end = get_be64(p + RECORD_END);
		c->good += n;
	}
	return 0;
}

static int read_whole(struct disk *d, struct file *f, struct buf *out)
{
	int64_t size = d->ops->size(f);
	int64_t n;

	if (size < 0)
		return (int)size;
	n = d->ops->read(f, 0, buf_grow(out, (size_t)size), (size_t)size,
			 false);
	if (n < 0)
		return (int)n;
	out->n = (size_t)n;
	return 0;
}

static bool header_good(const struct entries *s, const struct buf *b,
			uint64_t serial)
{
	return b->n >= SEGMENT_HEADER && get_be32(b->p) == SEGMENT_MAGIC &&
	       get_be32(b->p + SEGMENT_HEADER - 4) ==
		       crc32c(0, b->p, SEGMENT_HEADER - 4) &&
	       get_be16(b->p + 4) == SEGMENT_VERSION &&
	       (int32_t)get_be32(b->p + 8) == s->node &&
	       get_be64(b->p + 12) == serial;
}

static int damaged(uint64_t serial, size_t pos, const char *what)
{
	trace_error("quorum", "own log is damaged",
		    "file=quorum/log.%020" PRIu64 " pos=%zu what=\"%s\"",
		    serial, pos, what);
	return -EBADMSG;
}

/* The end of the last segment: drops what a crash cut short. */
static int finish(struct entries *s, const struct scan *c)
{
	const struct mark *m = &s->mark.now;
	uint64_t serial = s->segments[s->segments_n - 1].serial;
	int rc;

	if (later_batch_behind(c))
		return damaged(serial, c->good, "bad record, good ones behind");
	if (serial < m->segment ||
	    (serial == m->segment && (int64_t)c->good < m->pos))
		return damaged(serial, c->good,
			       "ends before what was acknowledged");
	s->pos = (int64_t)c->good;
	s->batch = c->batch;
	if (c->good < c->n) {
		trace_info("quorum", "log: dropped a write cut short",
			   "bytes=%zu", c->n - c->good);
		rc = s->disk->ops->truncate(s->file, s->pos);
		if (rc)
			return rc;
	}
	/* what was read may have been in the page cache alone */
	return s->disk->ops->sync(s->file);
}

static int load_segment(struct entries *s, uint64_t serial, bool last,
			struct tail *t)
{
	struct buf b = { 0 };
	struct scan c;
	int64_t start;
	bool reset;
	int rc = read_whole(s->disk, s->file, &b);

	if (!rc && !header_good(s, &b, serial))
		rc = damaged(serial, 0, "bad header");
	if (rc)
		goto out;
	reset = get_be16(b.p + 6) & SEGMENT_RESET;
	start = (int64_t)get_be64(b.p + 20);
	if (start < 1 || start > TAIL_INDEX_MAX + 1) { /* behind a snapshot */
		rc = damaged(serial, 0, "begins at no index");
		goto out;
	}
	if (reset || !s->segments_n)
		tail_reset(t, start);
	if (start != tail_next(t)) {
		rc = damaged(serial, 0, "does not continue the one before");
		goto out;
	}
	if (reset)
		s->segments_n = 0;
	entries_push_segment(s, serial, start);
	c = (struct scan){ b.p, b.n, SEGMENT_HEADER, get_be64(b.p + 28),
			   SEGMENT_HEADER };
	rc = take_records(&c, t);
	if (rc)
		damaged(serial, c.good, "record out of order");
	else if (last)
		rc = finish(s, &c);
	else if (c.good != c.n)
		rc = damaged(serial, c.good, "bad record");
	s->next = tail_next(t);
out:
	buf_fini(&b);
	return rc;
}

/* ---- which segments there are -------------------------------------------- */

struct listing {
	uint64_t *v;
	size_t n;
};

static void note(void *ctx, const char *name, bool is_dir)
{
	struct listing *l = ctx;
	struct str s = str_of(name);
	int64_t serial;

	if (is_dir || s.n != 24 || !str_has_prefix(s, "log."))
		return;
	s = (struct str){ name + 4, 20 };
	while (s.n > 1 && *s.p == '0') {
		s.p++;
		s.n--;
	}
	if (!str_to_i64(s, 1, INT64_MAX, &serial))
		return;
	l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (uint64_t)serial; /* names come sorted */
}

/*
 * A crash while a segment was being begun leaves a last file without a whole
 * header: nothing was in it yet. With more than that in it, it is damage.
 */
static bool never_begun(struct entries *s, uint64_t serial)
{
	char path[ENTRIES_PATH_MAX];
	struct buf b = { 0 };
	struct file *f;
	bool yes = false;

	entries_path(path, serial);
	if (s->disk->ops->open(s->disk, path, DISK_READ, &f))
		return false;
	if (!read_whole(s->disk, f, &b))
		yes = b.n <= SEGMENT_HEADER && !header_good(s, &b, serial);
	s->disk->ops->close(f);
	buf_fini(&b);
	return yes;
}

static int load_all(struct entries *s, struct listing *l, struct tail *t)
{
	size_t from;

	if (l->n && l->v[l->n - 1] > s->mark.now.segment &&
	    never_begun(s, l->v[l->n - 1])) {
		char path[ENTRIES_PATH_MAX];

		entries_path(path, l->v[--l->n]);
		(void)s->disk->ops->unlink(s->disk, path);
	}
	if (!l->n)
		return damaged(s->mark.now.segment, 0, "missing");
	/* names that were deleted and came back after a crash: skip the gap */
	for (from = l->n - 1; from && l->v[from - 1] + 1 == l->v[from];)
		from--;
	for (size_t i = from; i < l->n; i++) {
		char path[ENTRIES_PATH_MAX];
		int rc;

		if (s->file)
			s->disk->ops->close(s->file);
		s->file = NULL;
		entries_path(path, l->v[i]);
		rc = s->disk->ops->open(s->disk, path, DISK_WRITE, &s->file);
		if (!rc)
			rc = load_segment(s, l->v[i], i + 1 == l->n, t);
		if (rc)
			return rc;
	}
	return 0;
}

bool entries_are_fresh(struct disk *d)
{
	struct listing l = { 0 };
	struct file *f;
	struct buf b = { 0 };
	bool fresh = false;
	size_t n;

	if (d->ops->list(d, "quorum", note, &l))
		goto out;
	fresh = l.n == 0;
	if (l.n != 1 || l.v[0] != 1 ||
	    d->ops->open(d, "quorum/log.00000000000000000001", DISK_READ, &f))
		goto out;
	if (!read_whole(d, f, &b)) {
		struct scan c = { b.p, b.n, SEGMENT_HEADER, 0, 0 };

		n = b.n > SEGMENT_HEADER ? good_record(&c, c.good) : 0;
		fresh = !n || !good_record(&c, c.good + n);
	}
	d->ops->close(f);
out:
	buf_fini(&b);
	mem_free(l.v);
	return fresh;
}

int entries_open(struct entries *s, struct disk *d, int32_t node,
		 struct tail *t)
{
	struct listing l = { 0 };
	int rc;

	*s = (struct entries){ .disk = d,
			       .node = node,
			       .segment_bytes = SEGMENT_BYTES };
	rc = mark_open(&s->mark, d);
	if (rc == -ENOENT || rc == -EBADMSG) {
		trace_error("quorum", "the mark of the log is missing or bad",
			    "file=quorum/mark");
		rc = -EBADMSG;
	}
	if (rc)
		return rc;
	rc = d->ops->list(d, "quorum", note, &l);
	if (!rc)
		rc = load_all(s, &l, t);
	if (!rc)
		rc = entries_put_mark(s);
	mem_free(l.v);
	if (rc)
		entries_close(s);
	return rc;
}
