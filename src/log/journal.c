/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal: what makes an acknowledgement cheap. All batches of a loop turn,
 * whatever their log, are one frame: one sequential write and one sync on the
 * pool. While a frame is in flight the next one fills.
 *
 * Two files in turn (slot = seq & 1). When one is full the other begins, and a
 * checkpoint (checkpoint.c) frees the first. A file begins with a page that
 * names its life, shard and seq; frames carry the salt made of these and a
 * running number, so that what an earlier use left behind is never replayed.
 *
 * 1. One frame is in flight at most; frame n+1 is written after frame n is on
 *    disk. A whole frame behind a broken one is therefore damage, not a crash.
 * 2. Frames begin at multiples of 4 KiB: no write touches a page that holds
 *    an earlier frame.
 * 3. A log's cuts stand in the journal before its later batches.
 * 4. A failed write or sync is final: every log of the store goes offline. No
 *    space is not a failure: the frame waits, nothing durable is taken.
 */
#include <stdio.h>

#include "log_internal.h"

#define GROW ((int64_t)4 << 20) /* the file grows in such steps */
#define RETRY_MS 500
#define BUF_KEEP ((size_t)4 << 20)

struct frame_job {
	struct store_job base;
	struct disk *disk;
	struct file *file;
	char path[64];
	uint8_t *header; /* page to be written first, or NULL */
	uint8_t *p;
	size_t n;
	int64_t pos, reserved;
	int error;
};

int64_t journal_bytes_max(const struct store *s)
{
	return s->c.journal_bytes > 0 ? s->c.journal_bytes :
					JOURNAL_BYTES_DEFAULT;
}

bool journal_takes(const struct store *s)
{
	return !s->journal.error && !s->journal.full && !s->stopping;
}

void journal_path(int shard, uint64_t seq, char out[64])
{
	snprintf(out, 64, JOURNAL_ROOT "/%d.%d", shard, (int)(seq & 1));
}

uint64_t journal_salt(uint64_t life, int shard, uint64_t seq)
{
	uint64_t v[3] = { htobe64(life), htobe64((uint64_t)shard),
			  htobe64(seq) };

	return hash64(v, sizeof(v), 0x6a6f75726e616c31);
}

void journal_init(struct store *s)
{
	struct journal *j = &s->journal;

	j->on = true;
	j->seq = j->start_seq = 1;
	j->frame_seq = 1;
	j->pos = JOURNAL_PAGE;
}

void journal_fini(struct store *s)
{
	struct journal *j = &s->journal;

	for (int i = 0; i < 2; i++) {
		/* What is in flight is the job's to close and free. */
		if (!j->busy || i == j->filling)
			buf_fini(&j->frame[i].buf);
		mem_free(j->frame[i].v);
		if (j->file[i] && !(j->busy && i == j->flight.slot))
			s->disk->ops->close(j->file[i]);
	}
}

/* ---- filling a frame ----------------------------------------------------- */

static struct frame *filling(struct store *s)
{
	struct frame *f = &s->journal.frame[s->journal.filling];

	if (!f->buf.n)
		memset(buf_grow(&f->buf, FRAME_HEADER), 0, FRAME_HEADER);
	return f;
}

static void put_head(struct buf *b, enum journal_kind kind, uint32_t id,
		     size_t n)
{
	buf_put_u8(b, (uint8_t)kind);
	buf_put_i32(b, (int32_t)id);
	buf_put_i32(b, (int32_t)n);
}

/* Each file names the logs it speaks of: it can be read alone. */
static void name(struct store *s, struct log *l, struct frame *f)
{
	if (l->named_seq == s->journal.seq)
		return;
	l->named_seq = s->journal.seq;
	put_head(&f->buf, JOURNAL_NAME, l->id, 16 + 4 + (size_t)l->topic_n);
	buf_put(&f->buf, l->topic_id.b, 16);
	buf_put_i32(&f->buf, l->partition);
	buf_put(&f->buf, l->dir, (size_t)l->topic_n);
}

void journal_name(struct store *s, struct log *l)
{
	if (s->journal.on && !s->journal.error)
		name(s, l, filling(s));
}

static void mark(struct journal *j, struct log *l)
{
	struct frame *f = &j->frame[j->filling];
	int32_t *slot = &l->frame_slot[j->filling];

	if (*slot < 0) {
		if (f->n == f->cap) {
			f->cap = f->cap ? f->cap * 2 : 16;
			f->v = mem_realloc(f->v,
					   (size_t)f->cap * sizeof(*f->v));
		}
		*slot = f->n++;
		f->v[*slot].log = l;
	}
	f->v[*slot].end = l->end;
}

void journal_append(struct store *s, struct log *l, const uint8_t *p, size_t n)
{
	struct frame *f;

	if (!s->journal.on)
		return;
	f = filling(s);
	name(s, l, f);
	put_head(&f->buf, JOURNAL_APPEND, l->id, n + 16);
	buf_put_i64(&f->buf, l->hw);
	buf_put_i64(&f->buf, l->start);
	buf_put(&f->buf, p, n);
	mark(&s->journal, l);
}

void journal_note(struct store *s, struct log *l, enum journal_kind kind,
		  int64_t a, int64_t b)
{
	struct frame *f;

	if (!s->journal.on || s->journal.error)
		return;
	f = filling(s);
	name(s, l, f);
	put_head(&f->buf, kind, l->id, 16);
	buf_put_i64(&f->buf, a);
	buf_put_i64(&f->buf, b);
}

void journal_lower(struct store *s, struct log *l, int64_t offset)
{
	for (int i = 0; i < 2; i++) {
		struct frame *f = &s->journal.frame[i];

		if (l->frame_slot[i] >= 0 &&
		    f->v[l->frame_slot[i]].end > offset)
			f->v[l->frame_slot[i]].end = offset;
	}
}

void journal_forget(struct store *s, struct log *l)
{
	if (l->vouched[0].end > 0 || l->vouched[1].end > 0 ||
	    (l->named_seq && l->named_seq >= s->journal.start_seq))
		journal_note(s, l, JOURNAL_DELETE, 0, 0);
	for (int i = 0; i < 2; i++) {
		if (l->frame_slot[i] >= 0)
			s->journal.frame[i].v[l->frame_slot[i]].log = NULL;
		l->frame_slot[i] = -1;
	}
}

/* ---- the job ------------------------------------------------------------- */

static int prepare(struct frame_job *j)
{
	const struct disk_ops *ops = j->disk->ops;
	int64_t end = j->pos + (int64_t)j->n, size;
	int r;

	if (!j->file) {
		r = disk_open(j->disk, j->path, DISK_WRITE | DISK_CREATE,
			      &j->file);
		if (r) {
			j->file = NULL;
			return r;
		}
		r = ops->sync_dir(j->disk, JOURNAL_ROOT);
		if (r)
			return r;
	}
	if (end <= j->reserved)
		return 0;
	end = (end + GROW - 1) / GROW * GROW;
	size = ops->size(j->file);
	if (size < 0)
		return (int)size;
	/* Blocks and length now, so that a commit changes neither. */
	r = ops->reserve(j->file, end);
	if (!r && size < end)
		r = ops->truncate(j->file, end);
	if (!r)
		j->reserved = end;
	return r;
}

static void frame_run(struct store_job *base)
{
	struct frame_job *j = (struct frame_job *)base;
	const struct disk_ops *ops = j->disk->ops;
	uint32_t crc;

	put_be32(j->p + 28, 0);
	crc = crc32c(0, j->p, j->n);
	put_be32(j->p + 28, crc);
	j->error = prepare(j);
	if (!j->error && j->header)
		j->error = disk_write(j->disk, j->file, 0, j->header,
				      JOURNAL_PAGE);
	if (!j->error)
		j->error = disk_write(j->disk, j->file, j->pos, j->p, j->n);
	if (!j->error) {
		j->error = ops->sync(j->file);
		if (j->error) /* never to be tried again, whatever it says */
			j->error = -EIO;
	}
}

void journal_fail(struct store *s, int error)
{
	s->journal.error = error;
	trace_error("log", "the journal failed, nothing is taken any more",
		    "shard=%d error=\"%s\"", s->c.shard, strerror(-error));
	list_each(i, &s->logs, safe)
		log_fail(list_entry(i, struct log, link), error);
}

static void vouch(struct store *s, struct frame *f, int which)
{
	for (int32_t i = 0; i < f->n; i++) {
		struct log *l = f->v[i].log;

		if (!l)
			continue;
		l->frame_slot[which] = -1;
		if (f->v[i].end <= l->journaled_end)
			continue;
		l->journaled_end = min_of(f->v[i].end, l->end);
		if (l->sync_hold)
			continue;
		l->durable_end = l->journaled_end;
		if (l->set.durable && s->c.on_durable)
			s->c.on_durable(s->c.ctx, l);
	}
	f->n = 0;
	f->buf.n = 0;
	if (f->buf.cap > BUF_KEEP)
		buf_fini(&f->buf);
}

static void frame_finish(struct store_job *base)
{
	struct frame_job *j = (struct frame_job *)base;
	struct store *s = base->store;
	struct journal *g = &s->journal;
	struct frame *f = &g->frame[1 - g->filling];

	g->busy = false;
	g->file[g->flight.slot] = j->file;
	g->reserved[g->flight.slot] = j->reserved;
	/* the bytes were lent to the job */
	if (disk_error_passes(j->error)) {
		if (!g->full)
			trace_error("log", "no space for the journal",
				    "shard=%d", s->c.shard);
		g->full = true;
		g->retry_ms = s->now_ms + RETRY_MS;
		return;
	}
	if (j->error) {
		journal_fail(s, j->error);
		return;
	}
	if (g->full)
		trace_info("log", "the journal has space again", "shard=%d",
			   s->c.shard);
	g->full = false;
	g->flight.n = 0;
	vouch(s, f, 1 - g->filling);
	checkpoint_write(s);
	journal_submit(s);
}

static void frame_release(struct store_job *base)
{
	struct frame_job *j = (struct frame_job *)base;

	if (!base->store) { /* the store left both to us */
		if (j->file)
			j->disk->ops->close(j->file);
		mem_free(j->p);
	}
	mem_free(j->header);
	mem_free(j);
}

static uint8_t *make_header(const struct store *s, uint64_t seq)
{
	uint8_t *p = mem_zalloc(JOURNAL_PAGE);

	put_be64(p, JOURNAL_MAGIC);
	put_be64(p + 8, s->life);
	put_be64(p + 16, (uint64_t)s->c.shard);
	put_be64(p + 24, seq);
	put_be64(p + 32, journal_salt(s->life, s->c.shard, seq));
	put_be64(p + 40, s->journal.flight.frame_seq);
	put_be32(p + 48, crc32c(0, p, 48));
	return p;
}

static void launch(struct store *s)
{
	struct journal *j = &s->journal;
	struct frame *f = &j->frame[1 - j->filling];
	struct frame_job *job = mem_zalloc(sizeof(*job));

	job->base.run = frame_run;
	job->base.finish = frame_finish;
	job->base.release = frame_release;
	job->disk = s->disk;
	job->file = j->file[j->flight.slot];
	journal_path(s->c.shard, j->flight.seq, job->path);
	job->p = f->buf.p;
	job->n = f->buf.n;
	job->pos = j->flight.pos;
	job->reserved = j->reserved[j->flight.slot];
	if (j->flight.header)
		job->header = make_header(s, j->flight.seq);
	j->busy = true;
	store_give(s, &job->base, QUEUE_JOURNAL);
}

static void seal(struct store *s, struct frame *f)
{
	struct journal *j = &s->journal;
	size_t pad = (JOURNAL_PAGE - f->buf.n % JOURNAL_PAGE) % JOURNAL_PAGE;
	uint32_t used = (uint32_t)f->buf.n;

	if (pad)
		memset(buf_grow(&f->buf, pad), 0, pad);
	put_be64(f->buf.p, FRAME_MAGIC);
	put_be64(f->buf.p + 8, journal_salt(s->life, s->c.shard, j->seq));
	put_be64(f->buf.p + 16, j->frame_seq);
	put_be32(f->buf.p + 24, used);
}

uint64_t journal_last_frame(const struct store *s)
{
	const struct journal *j = &s->journal;

	return j->frame[j->filling].buf.n ? j->frame_seq : j->frame_seq - 1;
}

bool journal_has(const struct store *s, uint64_t frame)
{
	const struct journal *j = &s->journal;

	/* One frame is in flight at most: the one before the next. */
	return frame + (j->busy || j->full) < j->frame_seq;
}

bool journal_can_rotate(const struct store *s)
{
	const struct journal *j = &s->journal;

	return j->start_seq == j->seq && !j->frame[j->filling].buf.n &&
	       j->pos > JOURNAL_PAGE;
}

void journal_rotate(struct store *s)
{
	struct journal *j = &s->journal;

	assert(journal_can_rotate(s));
	j->seq++;
	j->pos = JOURNAL_PAGE;
	j->rotate = false;
}

void journal_submit(struct store *s)
{
	struct journal *j = &s->journal;
	struct frame *f = &j->frame[j->filling];

	if (j->busy || j->error || !j->on)
		return;
	if (j->full) { /* the frame that found no space is still there */
		if (s->now_ms >= j->retry_ms)
			launch(s);
		return;
	}
	if (!f->buf.n)
		return;
	seal(s, f);
	j->flight.slot = (int)(j->seq & 1);
	j->flight.seq = j->seq;
	j->flight.pos = j->pos;
	j->flight.header = j->pos == JOURNAL_PAGE;
	j->flight.frame_seq = j->frame_seq++;
	j->flight.n = f->buf.n;
	j->pos += (int64_t)f->buf.n;
	j->filling = 1 - j->filling;
	launch(s);
	if ((j->rotate || j->pos >= journal_bytes_max(s)) &&
	    journal_can_rotate(s))
		cycle_begin(s);
}

int64_t store_unsynced_bytes(const struct store *s)
{
	return (int64_t)(s->journal.frame[0].buf.n +
			 s->journal.frame[1].buf.n);
}
