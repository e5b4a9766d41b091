/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going back: a follower cuts what its leader does not have (KIP-101), starts
 * anew far ahead, and log_start moves up.
 *
 * 1. Bytes that a reader holds are not overwritten: the file keeps them until
 *    the last reader leaves, and appends go on in a new segment meanwhile.
 * 2. A cut is in the journal before anything that is appended after it.
 * 3. A cut below what a checkpoint vouches for is noted first (cut_note.c).
 * 4. What idempotent producers had written below the cut is remembered as if
 *    the rest had never been there.
 */
#include "log_internal.h"

#define LOOK_BACK ((int64_t)256 << 10) /* first stretch; doubles */
#define LOOK_BACK_MAX ((int64_t)64 << 20)

/* The wanted batches of one stretch that begins at a border. */
static int note_stretch(struct log *l, struct segment *g, int64_t from,
			int64_t to)
{
	struct producers older;
	struct scan s;
	struct file *f;
	int r = segment_file(g, &f);

	if (r)
		return r;
	producers_init(&older);
	scan_open(&s, g->disk, f, from, to);
	while ((r = scan_next(&s)) > 0)
		if (producers_want(&l->producers, &s.batch))
			producers_note(&older, &s.batch,
				       s.batch.max_timestamp);
	scan_close(&s);
	if (!r)
		producers_refill(&l->producers, &older);
	producers_fini(&older);
	return r;
}

/* Backwards through one segment, in stretches that grow. */
static int look_back(struct log *l, struct segment *g, int64_t *step)
{
	int64_t to = g->size, from;
	int r = segment_index(g, false);

	while (!r && to > 0 && producers_wanting(&l->producers)) {
		from = max_of(to - *step, (int64_t)0);
		from = index_by_pos(&g->index, (uint32_t)from).pos;
		r = note_stretch(l, g, from, to);
		to = from;
		*step = min_of(*step * 2, LOOK_BACK_MAX);
	}
	return r;
}

int log_refill_producers(struct log *l)
{
	int64_t step = LOOK_BACK;
	int r = 0;

	for (int32_t i = l->seg_n - 1; i >= 0 && !r; i--) {
		if (!producers_wanting(&l->producers))
			break;
		r = look_back(l, l->seg[i], &step);
	}
	producers_settle(&l->producers);
	return r;
}

/* ---- segments ------------------------------------------------------------ */

/*
 * One empty segment at offset instead of all others. Its name is on disk
 * before theirs go: a directory never looks as if the log had been lost.
 */
static int replace_all(struct log *l, enum journal_kind kind, int64_t offset)
{
	struct segment **old = l->seg, *g, *clash = NULL;
	char path[LOG_PATH_MAX];
	int32_t n = l->seg_n, cap = l->seg_cap;
	int64_t bytes = l->bytes;
	int r = cut_note(l, kind, offset);

	if (r)
		return r;
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
		return replace_all(l, JOURNAL_CUT, offset);
	r = cut_note(l, JOURNAL_CUT, offset);
	if (r)
		return r;
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
	int64_t was = l->end;
	int r = cut_segments(l, offset);

	log_forget_spots(l);
	/*
	 * Appends go on in a new file: in the old one a power cut could leave
	 * a mixture of what was cut and what came instead.
	 */
	l->closed = true;
	l->hw = min_of(l->hw, l->end);
	l->start = min_of(l->start, l->end);
	l->durable_end = min_of(l->durable_end, l->end);
	l->journaled_end = min_of(l->journaled_end, l->end);
	epochs_cut_end(&l->epochs, l->end);
	producers_cut(&l->producers, l->end);
	if (!r)
		r = log_refill_producers(l);
	/* It is cut already: there is no way back to try again. */
	return r && l->end < was ? -EIO : r;
}

int log_clear(struct log *l, int64_t offset)
{
	int r = replace_all(l, JOURNAL_CLEAR, offset);

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

/* To a start after a kill they would say that what comes is of another log. */
void log_forget_epochs(struct log *l)
{
	int32_t was = l->epochs.n;

	epochs_cut_end(&l->epochs, l->end);
	if (l->epochs.n < was)
		journal_note(l->store, l, JOURNAL_CUT, l->end, l->set.durable);
}

int log_truncate(struct log *l, int64_t offset)
{
	int r;

	if (l->error)
		return l->error;
	if (offset >= l->end) {
		if (offset == l->end)
			log_forget_epochs(l);
		return 0;
	}
	if (offset <= l->start)
		return log_restart_at(l, offset);
	r = log_cut(l, offset);
	if (!r) {
		journal_lower(l->store, l, l->end);
		journal_note(l->store, l, JOURNAL_CUT, l->end,
			     l->set.durable);
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
		journal_note(l->store, l, JOURNAL_CLEAR, offset,
			     l->set.durable);
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
