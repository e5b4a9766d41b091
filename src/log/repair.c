/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: one log after a crash. survey.c has found what is whole; here it
 * becomes what a store can open, and its entry in the checkpoint.
 *
 * 1. First everything is looked at, then something is changed. A log that has
 *    less than it had promised is damaged: it is named and left untouched.
 */
#include <stdio.h>

#include "repair.h"

/* ---- acting -------------------------------------------------------------- */

static void sync_later(struct work *w, const struct segment *g)
{
	char path[LOG_PATH_MAX];

	segment_path(g, path);
	map_put(&w->r->files, path, strlen(path), w->r);
	log_dir_path(w->log, path);
	map_put(&w->r->dirs, path, strlen(path), w->r);
}

/* Files that are not part of the log any more. */
static int remove_files(struct work *w)
{
	struct disk *d = w->r->store->disk;
	struct log *l = w->log;
	char path[LOG_PATH_MAX];
	int r = 0;

	for (int32_t i = 0; i < w->place.n && !r; i++) {
		bool kept = false;

		for (int32_t k = 0; k < l->seg_n; k++)
			kept |= l->seg[k]->base == w->place.base[i];
		if (kept)
			continue;
		snprintf(path, sizeof(path), LOG_ROOT "/%s/%020" PRId64 ".log",
			 w->dir, w->place.base[i]);
		r = d->ops->unlink(d, path);
		if (r == -ENOENT)
			r = 0; /* an empty one that made room meanwhile */
	}
	return r;
}

/* The last file is cut to its whole batches. */
static int cut_last(struct work *w)
{
	struct log *l = w->log;
	struct segment *g;
	struct file *f;
	int64_t size;
	int r;

	for (int32_t i = 0; i < l->seg_n; i++) {
		g = l->seg[i];
		size = survey_file_size(g);
		if (size < 0)
			return (int)size;
		if (size == g->size)
			continue;
		w->r->stats->bytes_truncated += size - g->size;
		r = segment_file(g, &f);
		if (!r)
			r = g->disk->ops->truncate(f, g->size);
		if (r)
			return r;
		sync_later(w, g);
	}
	return 0;
}

static int write_view(struct work *w)
{
	const struct replay_op *op;
	struct buf buf = { 0 };
	struct batch b;
	int r = 0;

	for (; !r && (op = survey_op(w)); w->at++) {
		if (op->b <= w->log->end)
			continue;
		if (op->a > w->log->end && w->log->seg_n) {
			/* It was not durable then: nothing was promised. */
			trace_warn("log", "a stretch was lost before the log "
				   "became durable", "log=%s from=%" PRId64
				   " to=%" PRId64, w->dir, w->log->end, op->a);
			break;
		}
		r = replay_fetch(w->r->replay, op, &buf);
		if (!r)
			r = batch_peek(buf.p, buf.n, &b) == K_NONE ? 0 :
								     -EBADMSG;
		if (!r)
			r = log_write_batches(w->log, buf.p, buf.n, &b);
		if (!r) {
			sync_later(w, w->log->seg[w->log->seg_n - 1]);
			w->r->stats->batches_replayed++;
		}
	}
	buf_fini(&buf);
	return r;
}

static int make_dir(struct work *w)
{
	char path[LOG_PATH_MAX];
	int r = 0;

	log_dir_path(w->log, path);
	if (w->place.missing || w->misnamed || !(w->old || w->named))
		r = dirs_make(w->r->store, w->log, path);
	map_put(&w->r->dirs, path, strlen(path), w->r);
	return r;
}

/* START, an epoch without records, and where everything must lie. */
static void settle(struct work *w)
{
	struct log *l = w->log;
	int64_t first = l->seg_n ? l->seg[0]->base : l->end;
	const struct epochs *e = &w->plan.epochs;

	if (e->n && e->v[e->n - 1].start == l->end &&
	    e->v[e->n - 1].epoch > log_last_epoch(l))
		epochs_begin(&l->epochs, e->v[e->n - 1].epoch, l->end);
	for (int32_t i = 0; w->rl && i < w->rl->n; i++) {
		const struct replay_op *op = &w->rl->v[i];

		if (op->kind == JOURNAL_CLEAR)
			l->start = op->a;
		if (op->kind == JOURNAL_START)
			l->start = max_of(l->start, op->a);
	}
	if (w->rl && w->plan.low == NONE) {
		l->start = max_of(l->start, w->rl->start);
		l->hw = max_of(l->hw, w->rl->hw);
	}
	l->start = min_of(max_of(l->start, first), l->end);
	l->hw = min_of(max_of(l->hw, l->start), l->end);
	epochs_cut_start(&l->epochs, l->start);
}

static int act(struct work *w)
{
	struct log *l = w->log;
	struct segment *g;
	int r = make_dir(w);

	if (!r)
		r = cut_last(w);
	if (!r)
		r = write_view(w);
	if (!r && !l->seg_n && l->end > 0) {
		r = log_roll(l, l->end, w->r->store->wall_ms, &g);
		if (!r)
			sync_later(w, g);
	}
	for (int32_t i = 0; i < l->seg_n && !r; i++)
		if (l->seg[i]->next > w->bound || l->seg[i]->fresh)
			sync_later(w, l->seg[i]);
	if (r)
		return r;
	settle(w);
	return remove_files(w);
}

static void put_entry(const struct log *l, struct buf *out)
{
	struct buf one = { 0 };

	for (int32_t i = 0; i < l->seg_n; i++) {
		struct segment *g = l->seg[i];

		g->fresh = false;
		segment_synced(g, g->size, g->next);
	}
	checkpoint_put_log(&one, l);
	checkpoint_put(out, one.p, one.n);
	buf_fini(&one);
}

/* The log it was, or a name for what nobody knows more of. */
static struct log *damaged_log(struct work *w)
{
	struct log_settings set = { .durable = true };
	struct uuid none = { { 0 } };
	int32_t partition;
	struct str topic;

	if (w->old)
		return w->old;
	if (!w->log && survey_split_name(w->dir, &topic, &partition))
		w->log = log_new(w->r->store, topic,
				 w->rl ? w->rl->topic_id : none, partition,
				 &set);
	return w->log;
}

static void say_damaged(const struct work *w)
{
	char file[32] = "";

	if (w->bad_base >= 0)
		snprintf(file, sizeof(file), "/%020" PRId64 ".log",
			 w->bad_base);
	trace_error("log", "a log is damaged",
		    "file=" LOG_ROOT "/%s%s pos=%" PRId64 " why=\"%s\" end=%"
		    PRId64 " vouched=%" PRId64, w->dir, file, w->bad_pos,
		    w->why, w->log ? w->log->end : -1, w->bound);
}

/* Left as it is; what it had promised is remembered. */
static void put_damaged(struct work *w, struct buf *out)
{
	struct log *l = damaged_log(w);
	struct buf one = { 0 };

	if (!l)
		return;
	say_damaged(w);
	l->damaged = true;
	if (w->old && l->set.durable)
		l->promised_end = max_of(l->promised_end, l->end);
	if (!w->old || (w->plan.n && w->plan.low == NONE))
		l->promised_end = max_of(l->promised_end,
					 survey_journaled_end(w));
	checkpoint_put_log(&one, l);
	checkpoint_put(out, one.p, one.n);
	buf_fini(&one);
	w->r->stats->logs_damaged++;
}

/* The entry stays as it is: whoever opens the log will not read it either. */
static void put_unreadable(struct work *w, struct buf *out)
{
	struct bytes entry = w->known->entry;

	survey_blame(w, -1, -1, "the checkpoint's entry makes no sense");
	say_damaged(w);
	checkpoint_put(out, entry.p, (size_t)entry.n);
	w->r->stats->logs++;
	w->r->stats->logs_damaged++;
}

/* The node can do without this one log; anything else stops the start. */
static bool is_damage(int error)
{
	return error == -EBADMSG || error == -EIO;
}

static int work_on(struct work *w, struct buf *out)
{
	int r;

	w->log = survey_new_log(w);
	if (!w->log)
		return 0;
	w->r->stats->logs++;
	w->r->stats->logs_scanned++;
	r = survey_log(w);
	if (is_damage(r))
		survey_blame(w, w->log->seg_n ?
			     w->log->seg[w->log->seg_n - 1]->base : -1, -1,
			     strerror(-r));
	if (w->damaged) {
		put_damaged(w, out);
		return 0;
	}
	if (w->recheck)
		trace_warn("log", "a log that was damaged is whole again",
			   "log=%s end=%" PRId64, w->dir, w->log->end);
	if (!r)
		r = act(w);
	if (!r)
		put_entry(w->log, out);
	return r;
}

/* Out of the way, under a name that nothing else has. */
static int put_away(struct work *w, const char *suffix)
{
	struct disk *d = w->r->store->disk;
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];
	int r = -ENOTEMPTY;

	snprintf(from, sizeof(from), LOG_ROOT "/%s", w->dir);
	for (unsigned i = 0; r == -ENOTEMPTY || r == -EEXIST; i++) {
		snprintf(to, sizeof(to), LOG_ROOT "/%.160s.%" PRIx64 ".%x-%s",
			 w->dir, w->r->life, i, suffix);
		r = d->ops->rename(d, from, to);
	}
	if (!r)
		trace_warn("log", "a directory that is not known to be this "
			   "topic's is moved aside", "from=%s to=%s", from, to);
	return r == -ENOENT ? 0 : r;
}

/*
 * A log that began since the last checkpoint: the journal has all of it. Files
 * that are not known to be its own may be those of the last topic of that name,
 * whose other name a power cut took.
 */
static bool needs_no_files(const struct work *w)
{
	return !w->old && !w->unreadable && !w->r->blind;
}

/* The directory is of another topic than the journal's: it stays, aside. */
static int check_topic(struct work *w)
{
	struct uuid id;
	int r = survey_metadata(w, &id);

	w->named = !r && uuid_eq(id, w->rl->topic_id);
	if (r || w->named)
		return r;
	if (uuid_is_zero(id))
		return needs_no_files(w) ? put_away(w, "delete") : 0;
	w->misnamed = dirs_same_topic(id, w->rl->topic_id);
	if (!w->misnamed)
		return put_away(w, "stray");
	trace_warn("log", "a topic id is damaged, and written anew",
		   "file=" LOG_ROOT "/%s/" METADATA_NAME, w->dir);
	return 0;
}

static int look_at(struct work *w)
{
	int r = 0;

	if (w->known && !(w->rl && w->rl->anew)) {
		w->old = checkpoint_read_log(w->r->store, w->known->entry);
		w->unreadable = !w->old;
	}
	if (w->old && w->rl &&
	    !dirs_same_topic(w->old->topic_id, w->rl->topic_id)) {
		log_free(w->old); /* another topic had that name before */
		w->old = NULL;
	}
	if (w->old && w->rl) /* which may know it from a damaged file */
		w->old->topic_id = w->rl->topic_id;
	if (w->rl && !w->rl->deleted)
		r = check_topic(w);
	if (w->rl && w->rl->deleted)
		w->rl = NULL;
	return r ? r : survey_begin(w);
}

int repair_log(struct repair *r, const char *dir, const struct known_log *known,
	       struct buf *out)
{
	struct work w = { .r = r, .dir = dir, .known = known };
	int e;

	w.rl = replay_find(r->replay, dir);
	e = look_at(&w);
	w.recheck = w.old && w.old->damaged;
	if (w.unreadable) {
		put_unreadable(&w, out);
		e = 0;
	} else if (is_damage(e)) {
		survey_blame(&w, -1, -1, strerror(-e));
		put_damaged(&w, out);
		e = 0;
	} else if (e) {
		/* nothing can be said */
	} else if (w.place.missing && !w.rl) {
		if (w.old && w.old->end > 0) {
			survey_blame(&w, -1, -1, "the directory is missing");
			put_damaged(&w, out);
		}
	} else if (!w.recheck && survey_is_untouched(&w)) {
		checkpoint_put(out, known->entry.p, (size_t)known->entry.n);
		r->stats->logs++;
	} else {
		e = work_on(&w, out);
	}
	if (w.old)
		log_free(w.old);
	if (w.log)
		log_free(w.log);
	survey_fini(&w);
	return e;
}
