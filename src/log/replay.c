/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: reads the journals of the life that ended and tells, log by log,
 * what had been done in which order. It changes nothing; repair.c acts.
 *
 * 1. A frame counts when its salt, number and CRC fit. The first that does not
 *    ends the journal, unless a later one of the same file still fits: then
 *    bytes that had been on disk are gone, and that is damage (-EBADMSG).
 * 2. Batches stay in their file; an operation only remembers where.
 * 3. A file whose first page is damaged is known by the salt of its frames.
 */
#include <stdio.h>

#include "replay.h"

struct tape { /* one journal file */
	struct disk *disk;
	struct file *file;
	uint64_t life, seq, first_frame, salt;
	int64_t size;
	int shard;
	bool headless; /* its first page says nothing */
	struct map names; /* id in this file -> struct replay_log */
};

void replay_init(struct replay *r, struct disk *d)
{
	memset(r, 0, sizeof(*r));
	r->disk = d;
}

void replay_fini(struct replay *r)
{
	for (struct map_iter i = map_first(&r->logs); i.at; map_next(&i)) {
		struct replay_log *l = i.value;

		mem_free(l->dir);
		mem_free(l->v);
		mem_free(l);
	}
	map_fini(&r->logs);
	for (int i = 0; i < r->files_n; i++)
		r->disk->ops->close(r->files[i]);
	mem_free(r->files);
}

static struct replay_op *add_op(struct replay_log *l, enum journal_kind kind)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->v = mem_realloc(l->v, (size_t)l->cap * sizeof(*l->v));
	}
	memset(&l->v[l->n], 0, sizeof(l->v[0]));
	l->v[l->n].kind = kind;
	return &l->v[l->n++];
}

struct replay_log *replay_find(const struct replay *r, const char *dir)
{
	return map_find(&r->logs, dir, strlen(dir));
}

/* What was before belongs to a log that is no more. */
static void forget(struct replay_log *l)
{
	l->n = 0;
	l->start = l->hw = 0;
	l->anew = true;
}

/* The last topic of that name is the one that counts. */
static struct replay_log *learn_name(struct replay *r, struct reader *p)
{
	const uint8_t *id = read_span(p, 16);
	int32_t partition = read_i32(p);
	struct str topic = { (const char *)p->p, (int32_t)reader_left(p) };
	struct replay_log *l;
	struct buf dir = { 0 };

	if (p->bad || !log_can_be(topic, partition))
		return NULL;
	buf_printf(&dir, "%.*s-%" PRId32, STR_ARG(topic), partition);
	l = replay_find(r, buf_c(&dir));
	if (!l) {
		l = mem_zalloc(sizeof(*l));
		l->dir = mem_strdup(buf_c(&dir));
		map_put(&r->logs, l->dir, strlen(l->dir), l);
	} else if (memcmp(l->topic_id.b, id, 16) != 0) {
		forget(l);
	}
	buf_fini(&dir);
	memcpy(l->topic_id.b, id, 16);
	l->topic_n = topic.n;
	l->partition = partition;
	l->deleted = false;
	return l;
}

static bool learn_batches(struct replay *r, struct replay_log *l,
			  struct reader *p, int64_t pos)
{
	const uint8_t *begin;
	struct batch b;
	int64_t start;

	l->hw = read_i64(p);
	start = read_i64(p);
	l->start = max_of(l->start, start);
	begin = p->p;
	while (!p->bad && reader_left(p)) {
		struct replay_op *op;

		if (batch_peek(p->p, reader_left(p), &b) != K_NONE ||
		    (size_t)b.size > reader_left(p))
			return false;
		op = add_op(l, JOURNAL_APPEND);
		op->file = r->files_n - 1;
		op->pos = pos + (p->p - begin);
		op->size = b.size;
		op->crc = b.crc;
		op->epoch = b.leader_epoch;
		op->a = b.base_offset;
		op->b = batch_next_offset(&b);
		(void)!read_span(p, (size_t)b.size);
	}
	return !p->bad;
}

/* One entry of a frame; pos is where its payload stands in the file. */
static bool learn(struct replay *r, struct tape *t, struct reader *p,
		  int64_t frame_pos, const uint8_t *frame)
{
	enum journal_kind kind = (enum journal_kind)read_u8(p);
	int64_t id = read_u32(p);
	uint32_t n = read_u32(p);
	const uint8_t *payload = read_span(p, n);
	struct replay_log *l = map_find_i64(&t->names, id);
	struct reader q;
	struct replay_op *op;

	if (!payload)
		return false;
	q = reader_of(payload, n);
	if (kind == JOURNAL_NAME) {
		l = learn_name(r, &q);
		map_put_i64(&t->names, id, l);
		return l != NULL;
	}
	if (!l)
		return false;
	if (kind == JOURNAL_APPEND)
		return learn_batches(r, l, &q,
				     frame_pos + (payload - frame) + 16);
	if (kind == JOURNAL_DELETE) {
		forget(l);
		l->deleted = true;
		return true;
	}
	op = add_op(l, kind);
	op->a = read_i64(&q);
	op->b = read_i64(&q);
	return !q.bad && kind >= JOURNAL_CUT && kind < JOURNAL_DELETE;
}

/* ---- frames -------------------------------------------------------------- */

static int read_at(struct tape *t, int64_t pos, void *p, size_t n)
{
	int64_t got = disk_read(t->disk, t->file, pos, p, n);

	if (got < 0)
		return (int)got;
	return got == (int64_t)n ? 0 : -EBADMSG;
}

static int64_t padded(uint32_t n)
{
	return ((int64_t)n + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
}

/* 1: a whole frame in buf, 0: none stands here, else the disk's error. */
static int read_frame(struct tape *t, int64_t pos, uint64_t *number,
		      struct buf *buf)
{
	uint8_t head[FRAME_HEADER];
	uint32_t used, crc;
	int64_t n;
	int r;

	if (pos + JOURNAL_PAGE > t->size)
		return 0;
	r = read_at(t, pos, head, sizeof(head));
	if (r)
		return r == -EBADMSG ? 0 : r;
	used = get_be32(head + 24);
	n = padded(used);
	if (get_be64(head) != FRAME_MAGIC || get_be64(head + 8) != t->salt ||
	    used < FRAME_HEADER || pos + n > t->size)
		return 0;
	buf->n = 0;
	r = read_at(t, pos, buf_grow(buf, (size_t)n), (size_t)n);
	if (r)
		return r == -EBADMSG ? 0 : r;
	if (memcmp(buf->p, head, sizeof(head)) != 0)
		return 0; /* a frame, but of another place */
	crc = get_be32(buf->p + 28);
	put_be32(buf->p + 28, 0);
	if (crc32c(0, buf->p, (size_t)n) != crc)
		return 0;
	*number = get_be64(head + 16);
	return 1;
}

/* Before the journal is at its end the disk is asked again: a read that went
 * wrong once must not look like a frame that was never written. */
static int next_frame(struct tape *t, int64_t pos, uint64_t expected,
		      struct buf *buf)
{
	uint64_t number = 0;
	int r = 0;

	for (int i = 0; i < 2; i++) {
		r = read_frame(t, pos, &number, buf);
		if (r > 0 && number == expected)
			return 1;
	}
	return min_of(r, 0);
}

/* Is there a whole frame behind the one that is broken? */
static int look_behind(struct tape *t, int64_t pos, uint64_t expected)
{
	struct buf buf = { 0 };
	uint64_t number = 0;
	int r = 0;

	for (; pos < t->size && r <= 0; pos += JOURNAL_PAGE) {
		r = read_frame(t, pos, &number, &buf);
		if (r < 0)
			break;
		if (r > 0 && number < expected)
			r = 0;
	}
	buf_fini(&buf);
	if (r <= 0)
		return r;
	trace_error("log", "the journal is damaged",
		    "file=" JOURNAL_ROOT "/%d.%d frame=%" PRIu64 " do=\"if "
		    "other nodes have the data, remove the directory "
		    JOURNAL_ROOT " and start again\"", t->shard,
		    (int)(t->seq & 1), expected);
	return -EBADMSG;
}

static int read_frames(struct replay *r, struct tape *t, uint64_t *expected)
{
	struct buf buf = { 0 };
	int64_t pos = JOURNAL_PAGE;
	int e;

	while ((e = next_frame(t, pos, *expected, &buf)) > 0) {
		uint32_t used = get_be32(buf.p + 24);
		struct reader p = reader_of(buf.p + FRAME_HEADER,
					    used - FRAME_HEADER);

		while (e > 0 && reader_left(&p))
			if (!learn(r, t, &p, pos, buf.p))
				e = -EBADMSG;
		if (e < 0) {
			trace_error("log", "a journal frame makes no sense",
				    "shard=%d frame=%" PRIu64, t->shard,
				    *expected);
			break;
		}
		r->bytes += (int64_t)buf.n;
		pos += (int64_t)buf.n;
		(*expected)++;
	}
	buf_fini(&buf);
	return e < 0 ? e : look_behind(t, pos, *expected);
}

/* ---- files --------------------------------------------------------------- */

/* 1: a journal, or what may be one without its first page; 0: none. */
static int open_tape(struct disk *d, int shard, int slot, struct tape *t)
{
	uint8_t page[JOURNAL_PAGE];
	char path[64];
	int r;

	memset(t, 0, sizeof(*t));
	t->disk = d;
	t->shard = shard;
	journal_path(shard, (uint64_t)slot, path);
	r = disk_open(d, path, DISK_READ, &t->file);
	if (r)
		return r == -ENOENT ? 0 : r;
	t->size = d->ops->size(t->file);
	r = t->size < 0 ? (int)t->size : read_at(t, 0, page, sizeof(page));
	if (r && r != -EBADMSG) {
		d->ops->close(t->file);
		return r;
	}
	t->headless = r || get_be64(page) != JOURNAL_MAGIC ||
		      get_be32(page + 48) != crc32c(0, page, 48) ||
		      get_be64(page + 16) != (uint64_t)shard;
	if (t->headless)
		return 1;
	t->life = get_be64(page + 8);
	t->seq = get_be64(page + 24);
	t->salt = get_be64(page + 32);
	t->first_frame = get_be64(page + 40);
	return 1;
}

int replay_life(struct disk *d, int shard, uint64_t *life)
{
	struct tape t;

	for (int slot = 0; slot < 2; slot++) {
		int r = open_tape(d, shard, slot, &t);

		if (r < 0)
			return r;
		if (!r)
			continue;
		*life = max_of(*life, t.life); /* 0 when it says nothing */
		d->ops->close(t.file);
	}
	return 0;
}

/*
 * It may be the one file of this slot that would be read. Frames behind a first
 * one that is broken were on disk, and the first page with them.
 */
static int guess_head(struct tape *t, int slot, uint64_t life,
		      uint64_t start_seq)
{
	struct buf buf = { 0 };
	int r;

	t->life = life;
	t->seq = max_of(start_seq, (uint64_t)1);
	t->seq += (t->seq ^ (uint64_t)slot) & 1;
	t->salt = journal_salt(life, t->shard, t->seq);
	r = read_frame(t, JOURNAL_PAGE, &t->first_frame, &buf);
	buf_fini(&buf);
	if (r > 0)
		trace_warn("log", "the first page of a journal is damaged, and "
			   "not needed", "file=" JOURNAL_ROOT "/%d.%d",
			   t->shard, slot);
	return r ? r : look_behind(t, 2 * (int64_t)JOURNAL_PAGE, 0);
}

static int read_tape(struct replay *r, struct tape *t, uint64_t *expected)
{
	int e;

	r->files = mem_realloc(r->files, (size_t)(r->files_n + 1) *
						 sizeof(*r->files));
	r->files[r->files_n++] = t->file;
	if (*expected && *expected != t->first_frame) {
		trace_error("log", "frames are missing between journal files",
			    "shard=%d file=%" PRIu64, t->shard, t->seq);
		return -EBADMSG;
	}
	*expected = t->first_frame;
	e = read_frames(r, t, expected);
	map_fini(&t->names);
	return e;
}

int replay_read(struct replay *r, int shard, uint64_t life, uint64_t start_seq)
{
	struct tape t[2];
	bool use[2] = { false, false };
	uint64_t expected = 0;
	int e = 0, first;

	for (int slot = 0; slot < 2; slot++) {
		int open = open_tape(r->disk, shard, slot, &t[slot]);
		int got = open;

		if (got > 0 && t[slot].headless)
			got = guess_head(&t[slot], slot, life, start_seq);
		if (got < 0)
			e = got;
		use[slot] = got > 0 && t[slot].life == life &&
			    t[slot].seq >= start_seq;
		if (open > 0 && !use[slot])
			r->disk->ops->close(t[slot].file);
	}
	first = use[0] && use[1] && t[1].seq < t[0].seq ? 1 : 0;
	for (int i = 0; i < 2; i++) {
		int slot = first ^ i;

		if (!use[slot])
			continue;
		if (e)
			r->disk->ops->close(t[slot].file);
		else
			e = read_tape(r, &t[slot], &expected);
	}
	return e;
}

/* As the frame had it: its CRC covered all, the batch's own does not cover
 * offset and epoch. */
static bool is_the_batch(const struct replay_op *op, const struct buf *bytes)
{
	struct batch b;

	return batch_peek(bytes->p, bytes->n, &b) == K_NONE &&
	       b.size == op->size && b.base_offset == op->a &&
	       batch_next_offset(&b) == op->b && b.leader_epoch == op->epoch &&
	       b.crc == op->crc && batch_crc_ok(&b);
}

static int fetch(const struct replay *r, const struct replay_op *op,
		 struct buf *out)
{
	int64_t got;

	out->n = 0;
	got = disk_read(r->disk, r->files[op->file], op->pos,
			buf_grow(out, (size_t)op->size), (size_t)op->size);
	if (got < 0)
		return (int)got;
	return got == op->size && is_the_batch(op, out) ? 0 : -EBADMSG;
}

int replay_fetch(const struct replay *r, const struct replay_op *op,
		 struct buf *out)
{
	int e = fetch(r, op, out);

	return e == -EBADMSG ? fetch(r, op, out) : e; /* it was good before */
}
