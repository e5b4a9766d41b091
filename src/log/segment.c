/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment: one file of batches, opened when it is needed and closed when too
 * many are open. Not what is in the batches; that is the log's business.
 *
 * 1. size counts whole batches that the log knows of. The file may be longer
 *    for a moment (a failed write, a cut while somebody reads): whatever
 *    stands behind size is never read and never appended to while trim is set.
 * 2. Only the log's own reference left (refs == 1): the file may be closed,
 *    cut, or opened again.
 */
#include <stdio.h>

#include "log_internal.h"

#define OPEN_MAX 1024
#define CHECK_BYTES ((uint32_t)1 << 20) /* at a time, as a loop waits */

struct segment *segment_new(struct log *l, int64_t base, int64_t now_ms)
{
	struct segment *g = mem_zalloc(sizeof(*g));

	list_init(&g->lru);
	list_init(&g->dirty);
	g->store = l->store;
	g->log = l;
	g->disk = l->store->disk;
	g->refs = 1;
	g->base = g->next = g->synced_next = base;
	g->first_ts = g->max_ts = INT64_MIN;
	g->created_ms = now_ms;
	return g;
}

void segment_path(const struct segment *g, char out[LOG_PATH_MAX])
{
	snprintf(out, LOG_PATH_MAX, LOG_ROOT "/%s/%020" PRId64 ".log",
		 g->log->dir, g->base);
}

static void close_file(struct segment *g)
{
	if (!g->file)
		return;
	g->disk->ops->close(g->file);
	g->file = NULL;
	list_remove(&g->lru);
	if (g->store)
		g->store->open_n--;
}

static void evict(struct store *s)
{
	int32_t max = s->c.files_max > 0 ? s->c.files_max : OPEN_MAX;

	if (s->open_n < max)
		return;
	list_each(i, &s->open, safe) {
		struct segment *g = list_entry(i, struct segment, lru);

		if (g->log && g->refs == 1) { /* else: the last reader's */
			close_file(g);
			return;
		}
	}
}

/* The log knows of more bytes than there are: somebody took them away. */
static int check_size(struct segment *g)
{
	int64_t size = g->disk->ops->size(g->file);
	char path[LOG_PATH_MAX];

	if (size >= g->size)
		return 0;
	close_file(g);
	if (size < 0)
		return (int)size;
	segment_path(g, path);
	trace_error("log", "a segment is too short", "file=%s bytes=%" PRId64
		    " expected=%" PRIu32, path, size, g->size);
	return -EBADMSG;
}

static int open_file(struct segment *g)
{
	char path[LOG_PATH_MAX];
	int flags = DISK_WRITE | (g->create ? DISK_CREATE : 0), error;

	assert(g->log);
	evict(g->store);
	segment_path(g, path);
	error = disk_open(g->disk, path, flags, &g->file);
	if (error) {
		g->file = NULL;
		return error;
	}
	list_push(&g->store->open, &g->lru);
	g->store->open_n++;
	if (!g->create)
		return check_size(g);
	/* A leftover of that name is from before a crash that forgot it. */
	error = g->disk->ops->truncate(g->file, 0);
	if (error) {
		close_file(g);
		return error;
	}
	g->create = false;
	g->fresh = true;
	return 0;
}

int segment_file(struct segment *g, struct file **out)
{
	int error;

	if (!g->file) {
		error = open_file(g);
		if (error)
			return error;
	} else if (g->store) {
		list_remove(&g->lru);
		list_push(&g->store->open, &g->lru);
	}
	*out = g->file;
	return 0;
}

static void trim(struct segment *g)
{
	struct file *f;
	int error = segment_file(g, &f);

	if (!error)
		error = g->disk->ops->truncate(f, g->size);
	if (error)
		log_fail(g->log, error);
	else
		g->trim = false;
}

void segment_hold(struct segment *g)
{
	g->refs++;
}

void segment_drop(struct segment *g)
{
	assert(g->refs > 0);
	g->refs--;
	if (g->refs == 1 && g->trim && g->log && g->store)
		trim(g);
	if (g->refs)
		return;
	close_file(g);
	list_remove(&g->dirty);
	index_fini(&g->index);
	mem_free(g);
}

static void count_dirty(struct segment *g, int64_t more)
{
	if (g->store)
		g->store->dirty_bytes += more;
}

void segment_mark_dirty(struct segment *g)
{
	if (g->store && list_empty(&g->dirty))
		list_push(&g->store->dirty, &g->dirty);
}

void segment_grow(struct segment *g, uint32_t n)
{
	if (g->sound_to != g->size) /* a gap: what is new counts more */
		g->sound_from = g->size;
	g->sound_to = g->size + n;
	g->size += n;
	count_dirty(g, n);
	segment_mark_dirty(g);
}

void segment_synced(struct segment *g, uint32_t size, int64_t next)
{
	if (size > g->size)
		size = g->size; /* cut while the sync was under way */
	if (next > g->next)
		next = g->next;
	if (size > g->synced) {
		count_dirty(g, -(int64_t)(size - g->synced));
		g->synced = size;
		g->synced_next = next;
	}
	if (g->synced == g->size && !g->fresh)
		list_remove(&g->dirty);
}

int segment_write(struct segment *g, const void *p, size_t n)
{
	struct file *f;
	int error = segment_file(g, &f);

	if (error)
		return error;
	error = disk_write(g->disk, f, g->size, p, n);
	/* Half a batch behind size is harmless, but ugly for other readers. */
	if (error == -ENOSPC && g->disk->ops->truncate(f, g->size))
		error = -EIO;
	return error;
}

void segment_scan(const struct segment *g, struct file *f, struct scan *s,
		  const struct spot *from, uint32_t end)
{
	scan_open(s, g->disk, f, from->pos, end);
	if (g->log && !g->log->set.compact)
		s->offset = from->offset;
}

/* The largest timestamp before pos, from the index and the headers. */
static int find_max_ts(struct segment *g, uint32_t pos, int64_t *out)
{
	struct index_entry e = { 0, 0, INT64_MIN };
	struct scan s;
	struct file *f;
	int r = segment_file(g, &f);

	if (r)
		return r;
	if (g->index.built && pos)
		e = index_by_pos(&g->index, pos - 1);
	*out = e.max_ts;
	segment_scan(g, f, &s, &(struct spot){ g->base, g->base + e.offset,
						e.pos }, pos);
	while ((r = scan_next(&s)) > 0)
		*out = max_of(*out, s.batch.max_timestamp);
	scan_close(&s);
	return r;
}

int segment_cut(struct segment *g, uint32_t pos, int64_t offset)
{
	int error = find_max_ts(g, pos, &g->max_ts);

	if (error)
		return error;
	count_dirty(g, -(int64_t)(g->size - g->synced));
	g->size = pos;
	g->next = offset;
	g->cuts++;
	if (g->synced > pos) {
		g->synced = pos;
		g->synced_next = offset;
	}
	count_dirty(g, g->size - g->synced);
	g->started = min_of(g->started, pos);
	if (!pos)
		g->first_ts = INT64_MIN;
	g->sound_to = min_of(g->sound_to, pos);
	g->sound_from = min_of(g->sound_from, pos);
	index_cut(&g->index, pos);
	segment_mark_dirty(g); /* the new length wants a sync, too */
	g->trim = true;
	if (g->refs == 1)
		trim(g);
	return g->trim && g->refs == 1 ? -EIO : 0;
}

void segment_index_note(struct segment *g, const struct batch *b, uint32_t pos)
{
	struct index_entry e = {
		.offset = (uint32_t)(b->base_offset - g->base),
		.pos = pos,
		.max_ts = g->max_ts,
	};
	int32_t step = g->log ? g->log->set.index_interval_bytes : 0;

	index_note(&g->index, step > 0 ? (uint32_t)step : 4096, &e);
}

int segment_index(struct segment *g, bool nowait)
{
	int64_t max_ts = g->max_ts;
	struct scan s;
	struct file *f;
	int r;

	if (g->index.built)
		return 0;
	r = segment_file(g, &f);
	if (r)
		return r;
	index_fini(&g->index);
	segment_scan(g, f, &s, &(struct spot){ g->base, g->base, 0 }, g->size);
	s.nowait = nowait;
	g->max_ts = INT64_MIN;
	while ((r = scan_next(&s)) > 0) {
		segment_index_note(g, &s.batch, (uint32_t)s.batch_pos);
		g->max_ts = max_of(g->max_ts, s.batch.max_timestamp);
	}
	scan_close(&s);
	g->index.built = r == 0;
	if (r)
		g->max_ts = max_ts;
	return r;
}

/* ---- checking ------------------------------------------------------------ */

static void say_unsound(const struct segment *g, int64_t pos, const char *why)
{
	char path[LOG_PATH_MAX];

	segment_path(g, path);
	trace_error("log", "a segment is damaged",
		    "file=%s pos=%" PRId64 " why=\"%s\"", path, pos, why);
}

static const char *flaw_of(const struct segment *g, const struct batch *b,
			   int64_t next)
{
	if (!batch_crc_ok(b))
		return "wrong checksum";
	if (b->last_offset_delta < 0 ||
	    !log_follows(g->log, next, b->base_offset) ||
	    batch_next_offset(b) > g->next)
		return "offsets out of place";
	return NULL;
}

/* Two stretches become one where they touch; else the newer one counts. */
static void note_sound(struct segment *g, const struct spot *from,
		       const struct spot *to)
{
	if (from->pos > g->sound_to || to->pos < g->sound_from ||
	    g->sound_from == g->sound_to) {
		g->sound_from = from->pos;
		g->sound_to = to->pos;
		g->sound_next = to->offset;
		return;
	}
	g->sound_from = min_of(g->sound_from, from->pos);
	if (to->pos < g->sound_to)
		return;
	g->sound_to = to->pos;
	g->sound_next = to->offset;
}

/* From at on, a batch at least; on -EAGAIN *stop is the end of the first. */
static int check_stretch(struct segment *g, struct scan *s, struct spot at,
			 struct spot *stop)
{
	uint32_t begin = at.pos, end = stop->pos;
	const char *flaw = NULL;
	int r;

	while (at.pos < end && at.pos - begin < CHECK_BYTES) {
		r = scan_next_whole(s);
		if (r > 0)
			flaw = flaw_of(g, &s->batch, at.offset);
		else if (r == 0 || r == -EBADMSG)
			flaw = "no whole batch";
		if (flaw) {
			say_unsound(g, at.pos, flaw);
			return -EBADMSG;
		}
		if (r == -EAGAIN && at.pos == begin && s->batch.size > 0)
			stop->pos = begin + (uint32_t)s->batch.size;
		if (r < 0 && (r != -EAGAIN || at.pos == begin))
			return r;
		if (r < 0)
			break; /* the rest another time */
		at.pos = (uint32_t)s->pos;
		at.offset = batch_next_offset(&s->batch);
	}
	*stop = at;
	return 0;
}

int segment_check(struct segment *g, const struct spot *from,
		  struct spot *stop)
{
	struct scan s;
	struct file *f;
	int r;

	if (from->pos >= g->sound_from && from->pos < g->sound_to) {
		if (stop->pos > g->sound_to)
			*stop = (struct spot){ g->base, g->sound_to ==
					       g->size ? g->next :
					       g->sound_next, g->sound_to };
		return 0;
	}
	r = segment_file(g, &f);
	if (r)
		return r;
	scan_open(&s, g->disk, f, from->pos, g->size);
	s.nowait = true;
	r = check_stretch(g, &s, *from, stop);
	scan_close(&s);
	if (!r)
		note_sound(g, from, stop);
	return r;
}

/* Renamed at once, since a new segment may want the name. */
int segment_set_aside(struct segment *g)
{
	char path[LOG_PATH_MAX], to[LOG_PATH_MAX + 32];
	struct store *s = g->store;
	int r;

	if (g->create || g->aside)
		return 0;
	segment_path(g, path);
	snprintf(to, sizeof(to), "%s.%" PRIu64 ".deleted", path,
		 s->next_name++);
	r = s->disk->ops->rename(s->disk, path, to);
	if (!r)
		store_unlink(s, to, false);
	g->aside = true;
	return r;
}

void segment_abandon(struct segment *g)
{
	count_dirty(g, -(int64_t)(g->size - g->synced));
	list_remove(&g->dirty);
	g->log = NULL;
	g->trim = false;
	segment_drop(g);
}

void segment_delete(struct segment *g)
{
	(void)!segment_set_aside(g); /* a name that stays is found at start */
	segment_abandon(g);
}
