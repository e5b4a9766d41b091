/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding records by their time (ListOffsets). Rare, so it may read: the
 * index gives the neighbourhood, headers the batch, a walk the record.
 */
#include "log_internal.h"

struct wanted {
	int64_t ts;     /* first record with timestamp >= ts ... */
	int64_t from;   /* ... and offset >= from ... */
	int64_t end;    /* ... and < end */
	int64_t ts_out, offset_out;
};

/* 1 found in this batch, 0 not, else negative. The batch is whole. */
static int walk_batch(const struct batch *b, struct wanted *w)
{
	struct batch_walk walk;
	struct record r;
	bool found = false;

	if (b->attributes & BATCH_LOG_APPEND_TIME) {
		w->ts_out = b->max_timestamp;
		w->offset_out = max_of(b->base_offset, w->from);
		return w->offset_out < w->end;
	}
	batch_walk_open(&walk, b, LOG_WALK_LIMIT);
	while (!found && batch_walk_next(&walk, &r)) {
		found = r.timestamp >= w->ts && r.offset >= w->from &&
			r.offset < w->end;
		if (found) {
			w->ts_out = r.timestamp;
			w->offset_out = r.offset;
		}
	}
	batch_walk_close(&walk);
	return found;
}

static int find_in_segment(struct segment *g, struct wanted *w)
{
	struct scan s, whole;
	struct index_entry e;
	struct file *f;
	int r = segment_index(g, false), found = 0;

	if (!r)
		r = segment_file(g, &f);
	if (r)
		return r;
	e = index_by_time(&g->index, w->ts);
	segment_scan(g, f, &s, &(struct spot){ g->base, g->base + e.offset,
						e.pos }, g->size);
	while (!found && (r = scan_next(&s)) > 0) {
		if (s.batch.base_offset >= w->end)
			break;
		if (s.batch.max_timestamp < w->ts ||
		    batch_next_offset(&s.batch) <= w->from)
			continue;
		scan_open(&whole, g->disk, f, s.batch_pos, g->size);
		r = scan_next_whole(&whole);
		found = r > 0 ? walk_batch(&whole.batch, w) : 0;
		scan_close(&whole);
		if (r < 0)
			break;
	}
	scan_close(&s);
	return found ? 1 : min_of(r, 0);
}

/* No space to open a file passes; what cannot be read is lost for good. */
static int settle(struct log *l, int r)
{
	if (r < 0 && !disk_error_passes(r))
		log_fail(l, r);
	return r;
}

int log_find_time(struct log *l, int64_t ts, int64_t end, int64_t *ts_out,
		  int64_t *offset_out)
{
	struct wanted w = { ts, l->start, min_of(end, l->end), -1, -1 };
	int r = l->error;

	for (int32_t i = 0; i < l->seg_n && !r; i++) {
		struct segment *g = l->seg[i];

		if (g->next <= w.from || g->max_ts < ts)
			continue;
		if (g->base >= w.end)
			break;
		r = find_in_segment(g, &w);
	}
	*ts_out = w.ts_out;
	*offset_out = w.offset_out;
	return settle(l, r);
}

/* The largest header time < bound of the batches from log_start on. */
static int max_time_below(struct log *l, struct segment *g, int64_t bound,
			  int64_t *max)
{
	struct scan s;
	struct file *f;
	int r;

	if (g->next <= l->start || g->max_ts <= *max)
		return 0;
	if (g->base >= l->start && g->max_ts < bound) {
		*max = g->max_ts;
		return 0;
	}
	r = segment_file(g, &f);
	if (r)
		return r;
	segment_scan(g, f, &s, &(struct spot){ g->base, g->base, 0 }, g->size);
	while ((r = scan_next(&s)) > 0)
		if (batch_next_offset(&s.batch) > l->start &&
		    s.batch.max_timestamp < bound)
			*max = max_of(*max, s.batch.max_timestamp);
	scan_close(&s);
	return r;
}

/*
 * A header may promise a time that only records below log_start have, or none
 * at all when its writer lied: then the next lower one is asked for.
 */
#define MAX_TIME_TRIES 8

int log_find_max_time(struct log *l, int64_t *ts_out, int64_t *offset_out)
{
	int64_t bound = INT64_MAX;
	int r = l->error;

	*ts_out = *offset_out = -1;
	for (int try = 0; try < MAX_TIME_TRIES && !r; try++) {
		int64_t max = INT64_MIN;

		for (int32_t i = 0; i < l->seg_n && !r; i++)
			r = max_time_below(l, l->seg[i], bound, &max);
		if (r || max == INT64_MIN)
			return settle(l, r);
		r = log_find_time(l, max, l->end, ts_out, offset_out);
		bound = max;
	}
	return r;
}
