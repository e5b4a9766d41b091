/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: what a start needs to know of every log, in one file: segments,
 * how far each is on disk for certain, epochs, producers, high watermark.
 *
 *	journal/0.checkpoint  all logs, written by a recovery; begins a life
 *	journal/N.checkpoint  the logs of shard N, written in that life
 *
 * 1. A file is written aside, synced and renamed: it is there whole or not.
 * 2. A shard's file counts only in the life of the 0 file it belongs to; the
 *    rename of a new 0 file makes all others old at once.
 * 3. It waits until the journal has everything that was done before it was
 *    taken: a start never sees the outcome of a cut without the cut.
 * 4. A head and each entry have a CRC of their own: an entry can be read
 *    alone, at the place an index remembers.
 */
#include <stdio.h>

#include "log_internal.h"

#define CHECKPOINT_MAGIC UINT64_C(0x524d5143484b5031) /* "RMQCHKP1" */
#define HEAD CHECKPOINT_HEAD
#define SEGMENT_BYTES 56

enum { FLAG_DURABLE = 1, FLAG_COMPACT = 2, FLAG_DAMAGED = 4, FLAG_CLOSED = 8 };

void checkpoint_path(int shard, char out[64])
{
	snprintf(out, 64, JOURNAL_ROOT "/%d.checkpoint", shard);
}

/* ---- one log ------------------------------------------------------------- */

static void put_segment(struct buf *b, const struct segment *g)
{
	buf_put_i64(b, g->base);
	buf_put_i64(b, g->next);
	buf_put_i32(b, (int32_t)g->size);
	buf_put_i32(b, (int32_t)(g->fresh ? 0 : g->synced));
	buf_put_i64(b, g->fresh ? g->base : g->synced_next);
	buf_put_i64(b, g->first_ts);
	buf_put_i64(b, g->max_ts);
	buf_put_i64(b, g->created_ms);
}

void checkpoint_put_log(struct buf *b, const struct log *l)
{
	int flags = (l->set.durable ? FLAG_DURABLE : 0) |
		    (l->set.compact ? FLAG_COMPACT : 0) |
		    (l->damaged ? FLAG_DAMAGED : 0) |
		    (l->closed ? FLAG_CLOSED : 0);
	struct str dir = str_of(l->dir);

	buf_put_i16(b, (int16_t)dir.n);
	buf_put(b, dir.p, (size_t)dir.n);
	buf_put_i16(b, (int16_t)l->topic_n);
	buf_put(b, l->topic_id.b, 16);
	buf_put_i32(b, l->partition);
	buf_put_u8(b, (uint8_t)flags);
	buf_put_i64(b, l->start);
	buf_put_i64(b, l->end);
	buf_put_i64(b, l->hw);
	buf_put_i64(b, l->damaged     ? l->promised_end :
		       l->set.durable ? l->durable_end : -1);
	buf_put_i32(b, l->seg_n);
	for (int32_t i = 0; i < l->seg_n; i++)
		put_segment(b, l->seg[i]);
	buf_put_i32(b, l->epochs.n);
	for (int32_t i = 0; i < l->epochs.n; i++) {
		buf_put_i32(b, l->epochs.v[i].epoch);
		buf_put_i64(b, l->epochs.v[i].start);
	}
	producers_encode(&l->producers, b);
}

void checkpoint_put(struct buf *b, const void *p, size_t n)
{
	buf_put_i32(b, (int32_t)n);
	buf_put_i32(b, (int32_t)crc32c(0, p, n));
	buf_put(b, p, n);
}

struct str checkpoint_name(struct bytes entry)
{
	struct reader r = reader_of(entry.p, (size_t)entry.n);
	int16_t n = read_i16(&r);
	const uint8_t *p = read_span(&r, n < 0 ? SIZE_MAX : (size_t)n);

	return p ? (struct str){ (const char *)p, n } : STR_NULL;
}

/* The name alone, with the length of no topic. */
static void put_gone(struct buf *b, struct str dir)
{
	buf_put_i16(b, (int16_t)dir.n);
	buf_put(b, dir.p, (size_t)dir.n);
	buf_put_i16(b, -1);
}

bool checkpoint_says_gone(struct bytes entry)
{
	struct str dir = checkpoint_name(entry);
	struct reader r = reader_of(entry.p, (size_t)entry.n);

	(void)!read_span(&r, 2 + (size_t)max_of(dir.n, 0));
	return read_i16(&r) == -1 && !r.bad && !reader_left(&r);
}

static void read_segment(struct log *l, struct reader *r)
{
	struct segment *g = segment_new(l, read_i64(r), 0);

	g->next = read_i64(r);
	g->size = (uint32_t)read_i32(r);
	g->synced = (uint32_t)read_i32(r);
	g->started = g->synced;
	g->synced_next = read_i64(r);
	g->first_ts = read_i64(r);
	g->max_ts = read_i64(r);
	g->created_ms = read_i64(r);
	g->index.built = g->size == 0;
	log_add_segment(l, g);
}

static void read_lists(struct log *l, struct reader *r)
{
	int32_t n = read_i32(r);

	if (n < 0 || (size_t)n > reader_left(r) / SEGMENT_BYTES)
		r->bad = true;
	for (int32_t i = 0; i < n && !r->bad; i++)
		read_segment(l, r);
	n = read_i32(r);
	if (n < 0 || (size_t)n > reader_left(r) / 12)
		r->bad = true;
	for (int32_t i = 0; i < n && !r->bad; i++) {
		int32_t epoch = read_i32(r);

		epochs_begin(&l->epochs, epoch, read_i64(r));
	}
	producers_decode(&l->producers, r);
}

/* Whether the numbers can be those of one log. The sums were right, so this is
 * no damage by a disk; but whoever reads it trusts every one of them. A log
 * that is damaged has promised more than it has. */
static bool is_sound(const struct log *l)
{
	int64_t next = 0;

	if (l->start < 0 || l->start > l->end || l->hw > l->end ||
	    (l->promised_end > l->end && !l->damaged))
		return false;
	for (int32_t i = 0; i < l->seg_n; i++) {
		const struct segment *g = l->seg[i];

		if (g->base < next || g->next < g->base ||
		    g->size > INT32_MAX || g->synced > g->size ||
		    g->synced_next < g->base || g->synced_next > g->next ||
		    !g->size != (g->next == g->base) ||
		    !g->synced != (g->synced_next == g->base))
			return false;
		next = g->next;
	}
	return l->damaged || !l->seg_n || next == l->end;
}

/* What an entry begins with. */
static bool read_id(struct reader *r, struct log_id *out)
{
	int16_t dir_n = read_i16(r), topic_n;
	const uint8_t *dir = read_span(r, dir_n < 0 ? SIZE_MAX : (size_t)dir_n);
	const uint8_t *id;

	topic_n = read_i16(r);
	id = read_span(r, 16);
	out->partition = read_i32(r);
	if (r->bad || topic_n < 0 || topic_n > dir_n)
		return false;
	out->topic = (struct str){ (const char *)dir, topic_n };
	memcpy(out->topic_id.b, id, 16);
	return log_can_be(out->topic, out->partition);
}

bool checkpoint_read_id(struct bytes entry, struct log_id *out)
{
	struct reader r = reader_of(entry.p, (size_t)entry.n);

	return read_id(&r, out);
}

struct log *checkpoint_read_log(struct store *s, struct bytes entry)
{
	struct log_settings set = { .segment_bytes = INT32_MAX,
				    .segment_ms = -1,
				    .retention_messages = -1 };
	struct str dir = checkpoint_name(entry);
	struct reader r = reader_of(entry.p, (size_t)entry.n);
	struct log_id id;
	struct log *l;
	uint8_t flags;

	if (!read_id(&r, &id))
		return NULL;
	flags = read_u8(&r);
	set.durable = flags & FLAG_DURABLE;
	set.compact = flags & FLAG_COMPACT;
	l = log_new(s, id.topic, id.topic_id, id.partition, &set);
	l->damaged = flags & FLAG_DAMAGED;
	l->closed = flags & FLAG_CLOSED;
	l->start = read_i64(&r);
	l->end = read_i64(&r);
	l->hw = read_i64(&r);
	l->promised_end = read_i64(&r);
	l->durable_end = l->journaled_end = l->end;
	read_lists(l, &r);
	if (!r.bad && !reader_left(&r) && str_eq_c(dir, l->dir) && is_sound(l))
		return l;
	log_free(l);
	return NULL;
}

/* ---- files --------------------------------------------------------------- */

static void put_head(uint8_t p[HEAD], const struct checkpoint_head *h)
{
	memset(p, 0, HEAD);
	put_be64(p, CHECKPOINT_MAGIC);
	put_be32(p + 8, (uint32_t)h->shard);
	put_be32(p + 12, (uint32_t)h->shards);
	put_be64(p + 16, h->life);
	put_be64(p + 24, h->journal_seq);
	put_be32(p + 32, h->clean);
	put_be64(p + 36, (uint64_t)h->bytes);
	put_be64(p + 44, h->number);
	put_be64(p + 52, h->names);
	put_be32(p + 60, crc32c(0, p, 60));
}

static bool get_head(const uint8_t p[HEAD], struct checkpoint_head *h)
{
	if (get_be64(p) != CHECKPOINT_MAGIC ||
	    get_be32(p + 60) != crc32c(0, p, 60))
		return false;
	h->shard = (int)get_be32(p + 8);
	h->shards = (int)get_be32(p + 12);
	h->life = get_be64(p + 16);
	h->journal_seq = get_be64(p + 24);
	h->clean = get_be32(p + 32);
	h->bytes = (int64_t)get_be64(p + 36);
	h->number = get_be64(p + 44);
	h->names = get_be64(p + 52);
	return h->bytes >= 0;
}

int checkpoint_save(struct disk *d, const struct checkpoint_head *h,
		    const struct buf *body)
{
	char path[64], tmp[80];
	uint8_t head[HEAD];
	struct disk_span v[2] = { { head, HEAD }, { body->p, body->n } };
	struct file *f;
	int r;

	put_head(head, h);
	checkpoint_path(h->shard, path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	r = disk_open(d, tmp, DISK_WRITE | DISK_CREATE, &f);
	if (r)
		return r;
	r = d->ops->truncate(f, 0);
	if (!r)
		r = d->ops->write(f, 0, v, body->n ? 2 : 1);
	if (!r)
		r = d->ops->sync(f) ? -EIO : 0;
	d->ops->close(f);
	if (!r)
		r = d->ops->rename(d, tmp, path);
	if (!r)
		r = d->ops->sync_dir(d, JOURNAL_ROOT) ? -EIO : 0;
	return r;
}

static int load(struct disk *d, struct file *f, struct checkpoint_head *h,
		struct buf *body)
{
	uint8_t head[HEAD];
	int64_t size = d->ops->size(f), got;

	if (size < 0)
		return (int)size;
	got = disk_read(d, f, 0, head, HEAD);
	if (got < 0)
		return (int)got;
	if (got < HEAD || !get_head(head, h) || size != HEAD + h->bytes)
		return -EBADMSG;
	if (!body)
		return 0;
	got = disk_read(d, f, HEAD, buf_grow(body, (size_t)h->bytes),
			(size_t)h->bytes);
	if (got < 0)
		return (int)got;
	return got == h->bytes ? 0 : -EBADMSG;
}

int checkpoint_load(struct disk *d, int shard, struct checkpoint_head *h,
		    struct buf *body)
{
	char path[64];
	struct file *f;
	int r;

	checkpoint_path(shard, path);
	r = disk_open(d, path, DISK_READ, &f);
	if (r)
		return r;
	r = load(d, f, h, body);
	d->ops->close(f);
	return r;
}

bool checkpoint_next(struct reader *r, struct bytes *entry)
{
	int32_t n;
	uint32_t crc;

	if (!reader_left(r))
		return false;
	n = read_i32(r);
	crc = read_u32(r);
	if (n < 0)
		r->bad = true;
	entry->n = n;
	entry->p = r->bad ? NULL : read_span(r, (size_t)n);
	if (!r->bad && crc32c(0, entry->p, (size_t)n) != crc)
		r->bad = true;
	return !r->bad;
}

/* ---- the store's own ----------------------------------------------------- */

struct checkpoint_job {
	struct store_job base;
	struct disk *disk;
	struct checkpoint_head head;
	struct buf body;
	int error;
};

static void write_run(struct store_job *base)
{
	struct checkpoint_job *j = (struct checkpoint_job *)base;

	j->error = checkpoint_save(j->disk, &j->head, &j->body);
}

static void write_finish(struct store_job *base)
{
	cycle_written(base->store, ((struct checkpoint_job *)base)->error);
}

static void write_release(struct store_job *base)
{
	struct checkpoint_job *j = (struct checkpoint_job *)base;

	buf_fini(&j->body);
	mem_free(j);
}

static void put_all(struct store *s, struct buf *body)
{
	struct buf one = { 0 };

	s->checkpoint++;
	/* first: a log of that name may have begun since */
	for (struct map_iter i = map_first(&s->erased); i.at; map_next(&i)) {
		one.n = 0;
		put_gone(&one, (struct str){ i.key, (int32_t)i.key_n });
		checkpoint_put(body, one.p, one.n);
	}
	list_each(i, &s->logs, safe) {
		struct log *l = list_entry(i, struct log, link);

		one.n = 0;
		vouch_encoded(l, s->checkpoint);
		checkpoint_put_log(&one, l);
		checkpoint_put(body, one.p, one.n);
	}
	buf_fini(&one);
}

static struct checkpoint_head head_of(const struct store *s, bool clean,
				      const struct buf *body)
{
	return (struct checkpoint_head){
		.life = s->life,
		.shard = s->c.shard,
		.shards = s->c.shards,
		.number = s->checkpoint,
		.names = s->next_name,
		.journal_seq = s->cycle_seq,
		.clean = clean,
		.bytes = (int64_t)body->n,
	};
}

void checkpoint_take(struct store *s)
{
	struct checkpoint_job *j = mem_zalloc(sizeof(*j));

	put_all(s, &j->body);
	j->head = head_of(s, false, &j->body);
	j->disk = s->disk;
	j->base.run = write_run;
	j->base.finish = write_finish;
	j->base.release = write_release;
	assert(!s->taken);
	s->taken = &j->base;
	s->taken_frame = journal_last_frame(s);
	checkpoint_write(s);
}

void checkpoint_write(struct store *s)
{
	struct store_job *j = s->taken;

	if (!j || !journal_has(s, s->taken_frame))
		return;
	s->taken = NULL;
	store_give(s, j, QUEUE_FILES);
}

void checkpoint_drop(struct store *s)
{
	if (s->taken)
		write_release(s->taken);
	s->taken = NULL;
}

int checkpoint_write_clean(struct store *s)
{
	struct checkpoint_head h;
	struct buf body = { 0 };
	int r;

	put_all(s, &body);
	s->cycle_seq = s->journal.seq + 1; /* no journal file is needed */
	h = head_of(s, true, &body);
	r = checkpoint_save(s->disk, &h, &body);
	buf_fini(&body);
	return r;
}
