/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going back: a follower cuts what its leader does not have (KIP-101), starts
 * anew far ahead, and log_start moves up.
 *
 * 1. Bytes that a reader holds are not overwritten: the file keeps them until
 *    the last reader leaves, and appends go on in a new segment meanwhile.
 * 2. A cut is in the journal before anything that is appended after it.
 * 3. What idempotent producers had written below the cut is remembered as if
 *    the rest had never been there.
 */
#include "log_internal.h"

#define LOOK_BACK ((int64_t)256 << 10) /* first stretch; doubles */

/* Notes the producers' batches of one stretch that begins at a border. */
static int note_stretch(struct segment *g, int64_t from, int64_t to,
			struct producers *out)
{
	struct scan s;
	struct file *f;
	int r = segment_file(g, &f);

	if (r)
		return r;
	scan_open(&s, g->disk, f, from, to);
	while ((r = scan_next(&s)) > 0)
		producers_note(out, &s.batch, s.batch.max_timestamp);
	scan_close(&s);
	return r;
}

/* Backwards through the log until every cut window is full again. */
static int refill_producers(struct log *l)
{
	int64_t to, from, step = LOOK_BACK;
	int32_t wanting = 1;
	int r = 0;

	for (int32_t i = l->seg_n - 1; i >= 0 && wanting && !r; i--) {
		struct segment *g = l->seg[i];

		r = segment_index(g, false);
		for (to = g->size; to > 0 && wanting && !r; to = from) {
			struct producers older;

			from = index_by_pos(&g->index,
					    (uint32_t)max_of(to - step, 0)).pos;
			producers_init(&older);
			r = note_stretch(g, from, to, &older);
			if (!r)
				wanting = producers_refill(&l->producers,
							   &older);
			producers_fini(&older);
			step *= 2;
		}
	}
	return r;
}

int log_cut_producers(struct log *l, int64_t offset)
{
	int r = 0;

	if (producers_cut(&l->producers, offset))
		r = refill_producers(l);
	producers_settle(&l->producers);
	return r;
}

/*
 * One empty segment at offset instead of all others. Its name is on disk
 * before theirs go: a directory never looks as if the log had been lost.
 */
static int replace_all(struct log *l, int64_t offset)
{
	struct segment **old = l->seg, *g, *clash = NULL;
	char path[LOG_PATH_MAX];
	int32_t n = l->seg_n, cap = l->seg_cap;
	int64_t bytes = l->bytes;
	int r;

	for (int32_t i = 0; i < n; i++)
		if (old[i]->base == offset)
			clash = old[i];
	if (clash && segment_set_aside(clash))
		return -EIO;
	l->seg = NULL;
	l->seg_n = l->seg_cap = 0;
	l->bytes = 0;
	r = log_roll(l, offset, l->store->wall_ms, &g);
	if (r) {
		mem_free(l->seg);
		l->seg = old;
		l->seg_n = n;
		l->seg_cap = cap;
		l->bytes = bytes;
		return clash ? -EIO : r;
	}
	log_dir_path(l, path);
	r = l->store->disk->ops->sync_dir(l->store->disk, path);
	for (int32_t i = 0; i < n; i++)
		segment_delete(old[i]);
	mem_free(old);
	l->end = offset;
	return r;
}

/* The segment that offset lies in, cut; every later one removed. */
static int cut_segments(struct log *l, int64_t offset)
{
	struct spot at = { -1, 0, 0 };
	int32_t i = log_find_segment(l, offset);
	struct segment *g;
	int r;

	if (i < 0)
		return 0;
	g = l->seg[i];
	at.offset = max_of(offset, g->base);
	if (offset > g->base) {
		r = log_locate(l, g, offset, false, &at);
		if (r)
			return r;
	}
	offset = min_of(offset, at.offset);
	if (at.pos == 0 && i == 0)
		return replace_all(l, offset);
	if (at.pos == 0) {
		log_remove_segments(l, i, l->seg_n - i);
		l->end = offset;
		return 0;
	}
	log_remove_segments(l, i + 1, l->seg_n - i - 1);
	l->bytes -= g->size - at.pos;
	r = segment_cut(g, at.pos, offset);
	l->end = offset;
	return r;
}

int log_cut(struct log *l, int64_t offset)
{
	int r = cut_segments(l, offset);

	log_forget_spots(l);
	l->closed = false;
	l->hw = min_of(l->hw, l->end);
	l->start = min_of(l->start, l->end);
	l->durable_end = min_of(l->durable_end, l->end);
	l->journaled_end = min_of(l->journaled_end, l->end);
	epochs_cut_end(&l->epochs, l->end);
	if (!r)
		r = log_cut_producers(l, l->end);
	return r;
}

int log_clear(struct log *l, int64_t offset)
{
	int r = replace_all(l, offset);

	if (r)
		return r;
	log_forget_spots(l);
	l->closed = false;
	l->start = l->end = l->hw = offset;
	l->durable_end = l->journaled_end = offset;
	l->epochs.n = 0;
	producers_fini(&l->producers);
	return 0;
}

static int settle(struct log *l, int error)
{
	if (error && !disk_error_passes(error))
		log_fail(l, error);
	return error;
}

int log_truncate(struct log *l, int64_t offset)
{
	int r;

	if (l->error)
		return l->error;
	if (offset >= l->end) {
		epochs_cut_end(&l->epochs, max_of(offset, l->end));
		return 0;
	}
	if (offset <= l->start)
		return log_restart_at(l, offset);
	r = log_cut(l, offset);
	if (!r) {
		journal_lower(l->store, l, l->end);
		journal_note(l->store, l, JOURNAL_CUT, l->end, 0);
	}
	return settle(l, r);
}

int log_restart_at(struct log *l, int64_t offset)
{
	int r;

	if (l->error)
		return l->error;
	r = log_clear(l, offset);
	if (!r) {
		journal_lower(l->store, l, INT64_MIN);
		journal_note(l->store, l, JOURNAL_CLEAR, offset, 0);
	}
	return settle(l, r);
}

void log_raise_start(struct log *l, int64_t offset)
{
	if (offset <= l->start)
		return;
	l->start = offset;
	epochs_cut_start(&l->epochs, offset);
	log_drop_below_start(l);
}

int log_advance_start(struct log *l, int64_t offset)
{
	if (l->error)
		return l->error;
	if (offset <= l->start)
		return 0;
	if (offset > l->end) /* a follower behind its leader's start */
		return log_restart_at(l, offset);
	log_raise_start(l, offset);
	journal_note(l->store, l, JOURNAL_START, offset, 0);
	return 0;
}
