/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a log: which bytes of which file. No byte of a record is touched;
 * the headers in between are, and only where neither the recent appends nor
 * the places where readers stopped nor the index know the answer.
 */
#include "log_internal.h"

#define WARM_BYTES ((int64_t)1 << 20) /* read ahead of a cold reader */
#define SMALL_BYTES ((uint32_t)256 << 10)

void log_forget_spots(struct log *l)
{
	l->recent_n = l->recent_at = 0;
	for (int i = 0; i < LOG_HINTS; i++)
		l->hint[i].base = -1;
}

static void note_hint(struct log *l, const struct spot *s)
{
	l->hint[l->hint_at] = *s;
	l->hint_at = (l->hint_at + 1) % LOG_HINTS;
}

int32_t log_find_segment(const struct log *l, int64_t offset)
{
	int32_t lo = 0, hi = l->seg_n;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;

		if (l->seg[mid]->next <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->seg_n ? lo : -1;
}

static void better(struct spot *best, const struct spot *s, int64_t base,
		   int64_t offset)
{
	if (s->base == base && s->offset <= offset && s->pos >= best->pos)
		*best = *s;
}

/* The nearest known batch at or before offset. */
static struct spot nearest(const struct log *l, const struct segment *g,
			   int64_t offset)
{
	struct index_entry e = { 0, 0, 0 };
	struct spot best;

	if (g->index.built && offset - g->base <= UINT32_MAX)
		e = index_by_offset(&g->index, (uint32_t)(offset - g->base));
	best = (struct spot){ g->base, g->base + e.offset, e.pos };
	for (uint32_t i = 0; i < l->recent_n; i++)
		better(&best, &l->recent[i], g->base, offset);
	for (int i = 0; i < LOG_HINTS; i++)
		better(&best, &l->hint[i], g->base, offset);
	return best;
}

int log_locate(struct log *l, struct segment *g, int64_t offset, bool nowait,
	       struct spot *out)
{
	struct spot known = *out;
	struct scan s;
	struct file *f;
	int r;

	*out = (struct spot){ g->base, g->next, g->size };
	if (offset >= g->next)
		return 0;
	*out = nearest(l, g, max_of(offset, g->base));
	better(out, &known, g->base, offset);
	if (out->offset == offset)
		return 0;
	r = segment_file(g, &f);
	if (r)
		return r;
	segment_scan(g, f, &s, out, g->size);
	s.nowait = nowait;
	while ((r = scan_next(&s)) > 0) {
		out->offset = s.batch.base_offset;
		out->pos = (uint32_t)s.batch_pos;
		if (batch_next_offset(&s.batch) > offset)
			break;
	}
	scan_close(&s);
	return r > 0 ? 0 : r ? r : -EBADMSG; /* next > offset: it is there */
}

/* The last batch border at or before pos, beginning from a known one. */
static int border(struct log *l, struct segment *g, struct spot *at,
		  uint32_t pos)
{
	struct index_entry e = { 0, 0, 0 };
	struct scan s;
	struct file *f;
	int r;

	if (g->index.built)
		e = index_by_pos(&g->index, pos);
	if (e.pos > at->pos)
		*at = (struct spot){ g->base, g->base + e.offset, e.pos };
	for (uint32_t i = 0; i < l->recent_n; i++)
		if (l->recent[i].base == g->base && l->recent[i].pos <= pos &&
		    l->recent[i].pos > at->pos)
			*at = l->recent[i];
	if (at->pos == pos)
		return 0;
	r = segment_file(g, &f);
	if (r)
		return r;
	segment_scan(g, f, &s, at, g->size);
	s.nowait = true;
	while ((r = scan_next(&s)) > 0 && s.pos <= pos) {
		at->pos = (uint32_t)s.pos;
		at->offset = batch_next_offset(&s.batch);
	}
	scan_close(&s);
	return r < 0 ? r : 0;
}

/* Where a read that begins at from must stop: a border, bytes_max on. */
static int find_stop(struct log *l, struct segment *g,
		     const struct log_want *want, const struct spot *from,
		     struct spot *stop)
{
	struct spot last = *from;
	int r = log_locate(l, g, want->end, true, &last);

	if (r)
		return r;
	*stop = last;
	if ((int64_t)last.pos - from->pos <= want->bytes_max)
		return 0;
	*stop = *from;
	if (want->bytes_max < BATCH_HEADER_SIZE)
		return 0;
	return border(l, g, stop, from->pos + (uint32_t)want->bytes_max);
}

static int one_batch(struct segment *g, struct spot *at)
{
	struct scan s;
	struct file *f;
	int r = segment_file(g, &f);

	if (r)
		return r;
	segment_scan(g, f, &s, at, g->size);
	s.nowait = true;
	r = scan_next(&s);
	if (r > 0) {
		at->pos = (uint32_t)s.pos;
		at->offset = batch_next_offset(&s.batch);
	}
	scan_close(&s);
	return r > 0 ? 0 : r ? r : -EBADMSG;
}

/* ---- warming: what is not in the page cache is fetched by a job ---------- */

struct warm_job {
	struct store_job base;
	struct segment *segment;
	struct file *file;
	int64_t from, to; /* to be read into the page cache */
	uint32_t size;
	bool build; /* the index is wanted, too */
	int64_t first; /* offset of the first batch; -1: any, with gaps */
	struct segment copy; /* size, base and the index under way */
	int error;
};

static int warm_range(struct warm_job *w)
{
	uint8_t *p = mem_alloc(64 << 10);
	int64_t got = 1;

	for (int64_t at = w->from; at < w->to && got > 0; at += got)
		got = disk_read(w->copy.disk, w->file, at, p, 64 << 10);
	mem_free(p);
	return got < 0 ? (int)got : 0;
}

static void warm_run(struct store_job *j)
{
	struct warm_job *w = (struct warm_job *)j;
	struct scan s;
	int r = 0;

	if (w->build) {
		scan_open(&s, w->copy.disk, w->file, 0, w->size);
		s.offset = w->first;
		while ((r = scan_next(&s)) > 0) {
			segment_index_note(&w->copy, &s.batch,
					   (uint32_t)s.batch_pos);
			w->copy.max_ts = max_of(w->copy.max_ts,
						s.batch.max_timestamp);
		}
		scan_close(&s);
	}
	w->error = r ? r : warm_range(w);
}

static void warm_finish(struct store_job *j)
{
	struct warm_job *w = (struct warm_job *)j;
	struct segment *g = w->segment;
	struct log *l = j->log;

	l->warming = false;
	if (l->gone)
		return;
	if (w->error && g->log == l)
		log_fail(l, w->error);
	if (w->build && !w->error && !g->index.built && g->size >= w->size) {
		index_fini(&g->index);
		g->index = w->copy.index;
		g->index.built = true;
		memset(&w->copy.index, 0, sizeof(w->copy.index));
	}
	if (j->store->c.on_readable)
		j->store->c.on_readable(j->store->c.ctx, l);
}

static void warm_release(struct store_job *j)
{
	struct warm_job *w = (struct warm_job *)j;

	index_fini(&w->copy.index);
	segment_drop(w->segment);
	mem_free(w);
}

static void warm(struct log *l, struct segment *g, int64_t from, int64_t n)
{
	struct warm_job *w;
	struct file *f;

	if (l->warming || segment_file(g, &f))
		return;
	w = mem_zalloc(sizeof(*w));
	w->base.run = warm_run;
	w->base.finish = warm_finish;
	w->base.release = warm_release;
	w->base.log = l;
	w->segment = g;
	w->file = f;
	w->size = g->size;
	w->from = from;
	w->to = min_of(from + max_of(n, 1), (int64_t)g->size);
	w->build = !g->index.built;
	w->first = l->set.compact ? -1 : g->base;
	w->copy.disk = g->disk;
	w->copy.base = g->base;
	w->copy.max_ts = INT64_MIN;
	segment_hold(g);
	l->warming = true;
	store_give(l->store, &w->base, QUEUE_NONE);
}

/* ---- the door ------------------------------------------------------------ */

/* What lies in between has to be read; of one batch all, if it is large. */
static enum kerr read_failed(struct log *l, struct segment *g, int error,
			     const struct log_slice *lacks,
			     struct log_slice *out)
{
	if (error == -EAGAIN) {
		warm(l, g, lacks->pos, max_of(WARM_BYTES, (int64_t)lacks->n));
		out->cold = true;
		return K_NONE;
	}
	if (error != -EMFILE && error != -ENFILE)
		log_fail(l, error);
	return K_KAFKA_STORAGE_ERROR;
}

static int find_slice(struct log *l, struct segment *g,
		      const struct log_want *want, struct spot *from,
		      struct spot *stop)
{
	int r = log_locate(l, g, want->offset, true, from);

	*stop = *from;
	if (!r)
		r = find_stop(l, g, want, from, stop);
	if (!r && stop->pos == from->pos && want->one_at_least) {
		r = one_batch(g, stop);
		if (!r && stop->offset > want->end)
			*stop = *from; /* not yet visible as a whole */
	}
	if (!r && stop->pos > from->pos)
		r = segment_check(g, from, stop);
	return r;
}

/*
 * Without an index only the places known by heart are cheap: the tail, where
 * a reader stopped. Small segments get their index here, others by a job.
 */
static int ready(struct log *l, struct segment *g, int64_t offset)
{
	if (g->index.built)
		return 0;
	if (g->size <= SMALL_BYTES)
		return segment_index(g, true);
	return nearest(l, g, offset).offset == offset ? 0 : -EAGAIN;
}

static enum kerr read_segment(struct log *l, struct segment *g,
			      const struct log_want *want,
			      struct log_slice *out)
{
	struct spot from = { -1, want->offset, 0 }, stop = from;
	struct log_slice lacks = { .n = 0 };
	int r = ready(l, g, want->offset);

	if (!r)
		r = find_slice(l, g, want, &from, &stop);
	if (!r)
		r = segment_file(g, &out->file);
	if (r) {
		lacks.pos = from.pos;
		lacks.n = (int32_t)(stop.pos - from.pos);
		return read_failed(l, g, r, &lacks, out);
	}
	if (stop.pos <= from.pos)
		return K_NONE;
	note_hint(l, &stop);
	out->segment = g;
	out->pos = from.pos;
	out->n = (int32_t)(stop.pos - from.pos);
	out->first_offset = from.offset;
	out->next_offset = stop.offset;
	segment_hold(g);
	return K_NONE;
}

enum kerr log_read(struct log *l, const struct log_want *want,
		   struct log_slice *out)
{
	struct log_want w = *want;
	int32_t i;

	memset(out, 0, sizeof(*out));
	out->first_offset = out->next_offset = w.offset;
	if (l->error)
		return K_KAFKA_STORAGE_ERROR;
	if (w.offset < l->start || w.offset > l->end)
		return K_OFFSET_OUT_OF_RANGE;
	w.end = min_of(w.end, l->end);
	i = w.offset < w.end ? log_find_segment(l, w.offset) : -1;
	return i < 0 ? K_NONE : read_segment(l, l->seg[i], &w, out);
}

struct log_slice log_slice_hold(const struct log_slice *s)
{
	if (s->segment)
		segment_hold(s->segment);
	return *s;
}

void log_slice_drop(struct log_slice *s)
{
	if (s->segment)
		segment_drop(s->segment);
	s->segment = NULL;
	s->file = NULL;
	s->n = 0;
}

int64_t log_slice_read(const struct log_slice *s, int64_t from, void *p,
		       size_t n, bool nowait)
{
	if (!s->segment || from >= s->n)
		return 0;
	if ((int64_t)n > s->n - from)
		n = (size_t)(s->n - from);
	return s->segment->disk->ops->read(s->file, s->pos + from, p, n,
					   nowait);
}
