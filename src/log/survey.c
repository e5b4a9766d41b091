/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survey: what there is of one log after a crash. What the checkpoint vouches
 * for stays; what stands behind it in the files is taken batch by batch as long
 * as each one is whole; the journal decides wherever it speaks. Nothing is
 * changed here: repair.c acts.
 *
 * 1. Where a file and the journal differ the journal is right, and nothing
 *    that stands behind the difference in the file is kept.
 * 2. After a cut that is in the journal a durable log ends where the journal
 *    ends: what stands behind it may be from before the cut.
 */
#include <stdio.h>

#include "repair.h"

/* ---- what the journal says ----------------------------------------------- */

static void view_add(struct plan *p, int32_t op)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->view = mem_realloc(p->view,
				      (size_t)p->cap * sizeof(*p->view));
	}
	p->view[p->n++] = op;
}

static void plan_op(struct plan *p, const struct replay_log *rl,
		    const struct replay_op *op, int32_t i)
{
	switch (op->kind) {
	case JOURNAL_APPEND:
		view_add(p, i);
		break;
	case JOURNAL_EPOCH:
		epochs_begin(&p->epochs, (int32_t)op->a, op->b);
		break;
	case JOURNAL_CUT:
		assert(!p->n || rl); /* a view is of what was replayed */
		while (p->n && rl->v[p->view[p->n - 1]].b > op->a)
			p->n--;
		p->low = min_of(p->low, op->a);
		p->closed_end = op->b;
		epochs_cut_end(&p->epochs, op->a);
		break;
	case JOURNAL_CLEAR:
		p->n = 0;
		p->restart = p->low = op->a;
		p->closed_end = op->b;
		p->epochs.n = 0;
		break;
	default:
		break;
	}
}

/* A cut that was noted and is not in the journal was the last thing done. */
static int plan_note(struct work *w)
{
	struct replay_op op = { .kind = JOURNAL_CUT };
	char dir[LOG_PATH_MAX];
	struct vouch note;
	int r;

	if (!w->old)
		return 0;
	snprintf(dir, sizeof(dir), LOG_ROOT "/%s", w->dir);
	r = cut_note_load(w->r->store->disk, dir, w->r->life,
			  w->known->checkpoint, &note);
	if (r || !note.kind)
		return r;
	for (int32_t i = 0; w->rl && i < w->rl->n; i++)
		if (w->rl->v[i].kind == note.kind &&
		    w->rl->v[i].a == note.cut)
			return 0;
	op.kind = note.kind;
	op.a = note.cut;
	op.b = w->old->set.durable;
	plan_op(&w->plan, w->rl, &op, -1);
	return 0;
}

static int make_plan(struct work *w)
{
	int32_t n = w->rl ? w->rl->n : 0;

	w->plan.low = w->plan.restart = NONE;
	for (int32_t i = 0; w->old && i < w->old->epochs.n; i++)
		epochs_begin(&w->plan.epochs, w->old->epochs.v[i].epoch,
			     w->old->epochs.v[i].start);
	for (int32_t i = 0; i < n; i++)
		plan_op(&w->plan, w->rl, &w->rl->v[i], i);
	return plan_note(w);
}

const struct replay_op *survey_op(const struct work *w)
{
	return w->at < w->plan.n ? &w->rl->v[w->plan.view[w->at]] : NULL;
}

int64_t survey_end(const struct work *w)
{
	if (w->plan.n)
		return w->rl->v[w->plan.view[w->plan.n - 1]].b;
	return w->plan.low;
}

/* ---- what the directory says --------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcmp(name + n - k, suffix) == 0;
}

static void note_name(void *ctx, const char *name, bool is_dir)
{
	struct work *w = ctx;
	struct place *p = &w->place;
	struct disk *d = w->r->store->disk;
	char path[2 * LOG_PATH_MAX];
	int64_t base;

	if (is_dir)
		return;
	if (has_suffix(name, ".deleted") || has_suffix(name, ".cleaned")) {
		snprintf(path, sizeof(path), LOG_ROOT "/%s/%s", w->dir, name);
		(void)!d->ops->unlink(d, path);
		return;
	}
	if (strlen(name) != 24 || !has_suffix(name, ".log") ||
	    !str_to_i64((struct str){ name, 20 }, 0, INT64_MAX, &base))
		return;
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 8;
		p->base = mem_realloc(p->base,
				      (size_t)p->cap * sizeof(*p->base));
	}
	p->base[p->n++] = base; /* names come sorted */
}

static int list_place(struct work *w)
{
	struct disk *d = w->r->store->disk;
	char path[LOG_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), LOG_ROOT "/%s", w->dir);
	r = d->ops->list(d, path, note_name, w);
	w->place.missing = r == -ENOENT;
	return w->place.missing ? 0 : r;
}

int survey_metadata(struct work *w, struct uuid *id)
{
	struct disk *d = w->r->store->disk;
	char path[LOG_PATH_MAX + 32], text[128], *at;
	struct file *f;
	int64_t got;
	int r;

	memset(id, 0, sizeof(*id));
	snprintf(path, sizeof(path), LOG_ROOT "/%s/" METADATA_NAME, w->dir);
	r = disk_open(d, path, DISK_READ, &f);
	if (r)
		return r == -ENOENT ? 0 : r;
	got = disk_read(d, f, 0, text, sizeof(text) - 1);
	d->ops->close(f);
	if (got < 0)
		return (int)got;
	text[got] = '\0';
	at = strstr(text, "topic_id: ");
	if (!at)
		return 0;
	at += 10;
	if (!uuid_parse((struct str){ at, (int32_t)strcspn(at, "\r\n ") }, id))
		memset(id, 0, sizeof(*id));
	return 0;
}

bool survey_split_name(const char *dir, struct str *topic, int32_t *partition)
{
	const char *dash = strrchr(dir, '-');
	int64_t n;

	if (!dash || dash == dir ||
	    !str_to_i64(str_of(dash + 1), 0, INT32_MAX, &n))
		return false;
	*topic = (struct str){ dir, (int32_t)(dash - dir) };
	*partition = (int32_t)n;
	return log_can_be(*topic, *partition);
}

void survey_blame(struct work *w, int64_t base, int64_t pos, const char *why)
{
	if (!w->damaged) {
		w->why = why;
		w->bad_base = base;
		w->bad_pos = pos;
	}
	w->damaged = true;
}

/* ---- beginning ----------------------------------------------------------- */

static struct segment *old_segment(const struct work *w, int64_t base)
{
	for (int32_t i = 0; w->old && i < w->old->seg_n; i++)
		if (w->old->seg[i]->base == base)
			return w->old->seg[i];
	return NULL;
}

int64_t survey_file_size(struct segment *g)
{
	struct file *f;
	int r = segment_file(g, &f);

	return r ? r : g->disk->ops->size(f);
}

/* Where the checkpoint stops to vouch, and never above the lowest cut. */
static void find_bound(struct work *w)
{
	w->bound = w->old ? w->old->end : 0;
	for (int32_t i = 0; w->old && i < w->old->seg_n; i++) {
		struct segment *g = w->old->seg[i];

		if (g->synced < g->size) {
			w->bound = g->synced_next;
			break;
		}
	}
	w->bound = min_of(w->bound, w->plan.low);
}

/*
 * Files the checkpoint knows of must be there below the bound, oldest ones
 * apart: those may have been let go since, but not after a clean stop, and not
 * all without a newer one. What else stands below them had gone before.
 */
static void check_places(struct work *w)
{
	int64_t newest = w->place.n ? w->place.base[w->place.n - 1] : -1;
	bool older = w->r->stats->clean;
	int32_t k = 0;

	if (w->plan.restart != NONE)
		return;
	for (int32_t i = 0; w->old && i < w->old->seg_n; i++) {
		struct segment *g = w->old->seg[i];

		while (k < w->place.n && w->place.base[k] < g->base)
			k++;
		if (k < w->place.n && w->place.base[k] == g->base) {
			older = true;
			continue;
		}
		if (g->base >= w->bound || !g->size)
			continue; /* was not yet there for certain, or cut */
		if (older || newest < g->base)
			survey_blame(w, g->base, -1, "a segment is missing");
	}
}

bool survey_is_untouched(struct work *w)
{
	if (!w->old || w->rl || w->plan.low != NONE ||
	    w->old->seg_n != w->place.n)
		return false;
	for (int32_t i = 0; i < w->place.n; i++) {
		struct segment *g = w->old->seg[i];

		if (g->base != w->place.base[i] || g->synced != g->size)
			return false;
	}
	return survey_sizes_fit(w->old);
}

/* Every file the checkpoint knows is there, and as long as it says. */
bool survey_sizes_fit(const struct log *old)
{
	struct disk *d = old->store->disk;
	char path[LOG_PATH_MAX];

	for (int32_t i = 0; i < old->seg_n; i++) {
		segment_path(old->seg[i], path);
		if (d->ops->size_of(d, path) != old->seg[i]->size)
			return false;
	}
	return true;
}

struct log *survey_new_log(struct work *w)
{
	struct log_settings set = { .segment_bytes = INT32_MAX,
				    .segment_ms = -1,
				    .retention_messages = -1 };
	struct store *s = w->r->store;
	struct uuid id;
	struct str topic;
	struct log *l;
	int32_t partition;

	if (!survey_split_name(w->dir, &topic, &partition))
		return NULL;
	if (w->old) {
		set.durable = w->old->set.durable;
		set.compact = w->old->set.compact;
	}
	/* of a log that was damaged the checkpoint may not know the topic */
	if (w->old &&
	    !(w->old->damaged && uuid_is_zero(w->old->topic_id))) {
		id = w->old->topic_id;
	} else if (w->rl) {
		id = w->rl->topic_id;
	} else {
		/* without checkpoints nobody else knows whose these are */
		bool needed = w->old || (w->r->blind && w->place.n);
		int e = survey_metadata(w, &id);

		if (e && !needed)
			return NULL;
		w->named = !e && !uuid_is_zero(id);
		if (needed && !w->named)
			survey_blame(w, -1, -1, "its topic is not known");
	}
	if (!w->old && !w->rl && uuid_is_zero(id) && !w->place.n)
		return NULL; /* hardly begun */
	if (w->plan.n)
		set.durable = true;
	l = log_new(s, topic, id, partition, &set);
	if (!w->old || w->plan.restart != NONE)
		return l;
	l->start = w->old->start;
	l->hw = w->old->hw;
	l->closed = w->old->closed;
	if (w->recheck)
		return l; /* every batch is noted again */
	/* Its lists move over; old keeps its segments to compare with. */
	l->epochs = w->old->epochs;
	memset(&w->old->epochs, 0, sizeof(w->old->epochs));
	l->producers = w->old->producers;
	list_init(&l->producers.lru);
	list_splice(&l->producers.lru, &w->old->producers.lru);
	producers_init(&w->old->producers);
	return l;
}

/* ---- looking ------------------------------------------------------------- */

static struct segment *add_file(struct work *w, int64_t base)
{
	struct segment *g = segment_new(w->log, base, w->r->store->wall_ms);
	struct segment *o = old_segment(w, base);

	if (o) {
		g->created_ms = o->created_ms;
		g->first_ts = o->first_ts;
	}
	log_add_segment(w->log, g);
	return g;
}

/* A segment wholly below the bound, as the checkpoint has it. */
static bool take_whole(struct work *w, struct segment *o)
{
	struct segment *g = add_file(w, o->base);

	if (survey_file_size(g) != o->size)
		return false;
	g->max_ts = o->max_ts;
	g->size = o->size;
	g->next = o->next;
	w->log->bytes += o->size;
	w->log->end = o->next;
	return true;
}

/*
 * The bytes of a segment before offset are taken without being noted: the
 * checkpoint's lists know them. The CRCs are looked at all the same. Of a log
 * that was damaged the checkpoint has no lists.
 */
static int take_part(struct work *w, struct segment *g, int64_t offset)
{
	int64_t size = survey_file_size(g);
	struct scan s;
	struct file *f;
	int r = segment_file(g, &f);

	if (r || size < 0)
		return r ? r : (int)size;
	scan_open(&s, g->disk, f, 0, size);
	while ((r = scan_next_whole(&s)) > 0) {
		if (batch_next_offset(&s.batch) > offset)
			break;
		if (!batch_crc_ok(&s.batch))
			break;
		if (w->recheck) {
			log_note_batch(w->log, &s.batch, s.batch.max_timestamp);
			continue;
		}
		if (!g->size)
			g->first_ts = s.batch.max_timestamp;
		g->size = (uint32_t)s.pos;
		g->next = batch_next_offset(&s.batch);
		g->max_ts = max_of(g->max_ts, s.batch.max_timestamp);
	}
	scan_close(&s);
	w->r->stats->bytes_scanned += g->size;
	if (!w->recheck)
		w->log->bytes += g->size;
	w->log->end = g->next;
	return r == -EBADMSG ? 0 : min_of(r, 0);
}

/* The segment that holds the bound. */
static int take_last(struct work *w, struct segment *o)
{
	struct segment *g = add_file(w, o->base);
	int64_t size = survey_file_size(g);
	int r;

	if (size < 0)
		return (int)size;
	if (!w->recheck && o->synced_next == w->bound && size >= o->synced) {
		g->size = o->synced;
		g->next = o->synced_next;
		g->max_ts = o->max_ts;
		w->log->bytes += g->size;
		w->log->end = g->next;
		return 0;
	}
	r = take_part(w, g, min_of(w->bound, o->next));
	if (!r && g->next == o->next && o->synced == o->size &&
	    g->size != o->size)
		survey_blame(w, o->base, -1, "not the bytes that were synced");
	if (!r && g->next < min_of(w->bound, o->next) && !w->log->set.compact)
		survey_blame(w, o->base, g->size, size > g->size ?
			     "no whole batch" : "the segment is too short");
	return r;
}

/* Segments up to the bound; the scan goes on behind them. */
static int take_vouched(struct work *w)
{
	int r = 0;

	for (; w->file < w->place.n && !r && !w->damaged; w->file++) {
		int64_t base = w->place.base[w->file];
		struct segment *o = old_segment(w, base);

		if (base >= w->bound && !(o && base == w->bound))
			break;
		if (!o)
			continue; /* gone before the checkpoint, by its names */
		if (!w->recheck && o->next <= w->bound &&
		    o->synced == o->size && take_whole(w, o))
			continue;
		if (w->log->seg_n &&
		    w->log->seg[w->log->seg_n - 1]->base == base)
			log_pop_segment(w->log); /* was of another size */
		r = take_last(w, o);
		if (o->next > w->bound) {
			w->file++;
			break;
		}
	}
	/* What stands behind the bound is noted again as it is found. */
	epochs_cut_end(&w->log->epochs, w->bound);
	producers_cut(&w->log->producers, w->bound);
	return r;
}

/* Does the journal agree with this batch of a file? */
static bool agrees(struct work *w, const struct batch *b)
{
	const struct replay_op *op;

	while ((op = survey_op(w)) && op->b <= b->base_offset &&
	       op->b <= w->log->end)
		w->at++; /* below what is vouched for */
	op = survey_op(w);
	if (!op || op->a > b->base_offset)
		return op || !w->plan.closed_end ||
		       b->base_offset < survey_end(w);
	if (op->a != b->base_offset || op->crc != b->crc ||
	    op->epoch != b->leader_epoch)
		return false;
	w->at++;
	return true;
}

/* No batch is of an older epoch than its offset is known to belong to. */
static bool is_of_epoch(const struct work *w, const struct batch *b)
{
	const struct epochs *e = &w->plan.epochs;
	int32_t i = e->n - 1;

	while (i >= 0 && e->v[i].start > b->base_offset)
		i--;
	return b->leader_epoch >= log_last_epoch(w->log) &&
	       (i < 0 || b->leader_epoch >= e->v[i].epoch);
}

static bool fits(struct work *w, const struct batch *b, int64_t limit)
{
	return batch_crc_ok(b) && b->last_offset_delta >= 0 &&
	       log_follows(w->log, w->log->end, b->base_offset) &&
	       batch_last_offset(b) < limit &&
	       is_of_epoch(w, b) && agrees(w, b);
}

/*
 * No checkpoint, and nothing in the journal, says where the log ends; or one
 * does, of a log that was damaged: what it knew came from a start like that.
 */
static bool is_unknown(const struct work *w)
{
	return w->recheck || (w->r->blind && !w->old && !w->plan.n &&
			      w->plan.low == NONE);
}

/* In a file whose bytes nobody vouches for: is there life behind the tear, or
 * what cannot be read? */
static bool is_torn_tail(struct work *w, struct segment *g, int64_t size)
{
	struct scan s;
	struct file *f;
	bool whole = false;
	int r = 0;

	if (!is_unknown(w) || segment_file(g, &f))
		return true;
	scan_open(&s, g->disk, f, (int64_t)g->size + 1, size);
	while (!whole && (r = scan_seek(&s)) > 0) {
		int64_t pos = s.pos;

		whole = scan_next_whole(&s) > 0 && batch_crc_ok(&s.batch) &&
			s.batch.base_offset >= g->next;
		s.pos = pos + 1;
	}
	scan_close(&s);
	return !whole && r == 0;
}

/* Notes the whole batches of the last segment. 1: to its end, 0: stopped. */
static int scan_segment(struct work *w, struct segment *g, int64_t limit)
{
	int64_t size = survey_file_size(g);
	struct scan s;
	struct file *f;
	bool whole, reaches;
	int r = segment_file(g, &f);

	if (r || size < 0)
		return r ? r : (int)size;
	w->r->stats->bytes_scanned += size - g->size;
	scan_open(&s, g->disk, f, g->size, size);
	while ((r = scan_next_whole(&s)) > 0) {
		if (!fits(w, &s.batch, limit))
			break;
		log_note_batch(w->log, &s.batch, s.batch.max_timestamp);
	}
	whole = r > 0 && batch_crc_ok(&s.batch);
	scan_close(&s);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (r == 0)
		return 1;
	w->torn = true;
	/* A batch that reaches into the next file's offsets had been cut. */
	reaches = r > 0 && s.batch.base_offset >= w->log->end &&
		  batch_last_offset(&s.batch) >= limit;
	if (!whole && !is_torn_tail(w, g, size))
		survey_blame(w, g->base, g->size,
			     "no whole batch, and whole ones behind it");
	else if (whole && !reaches && is_unknown(w))
		survey_blame(w, g->base, g->size, "a batch out of place");
	return reaches;
}

/* Is the first batch of that file the one the journal has there? */
static bool is_known_file(struct work *w, int64_t base)
{
	struct segment *g = segment_new(w->log, base, 0);
	struct scan s;
	struct file *f;
	bool known = base == survey_end(w);

	if (!segment_file(g, &f)) {
		scan_open(&s, g->disk, f, 0, survey_file_size(g));
		if (scan_next(&s) > 0)
			for (int32_t i = 0; i < w->plan.n && !known; i++) {
				struct replay_op *op =
					&w->rl->v[w->plan.view[i]];

				known = op->a == s.batch.base_offset &&
					op->crc == s.batch.crc;
			}
		scan_close(&s);
	}
	segment_abandon(g);
	return known;
}

/* As far as retention and deletions had come, by the journal. */
static int64_t journaled_start(const struct work *w)
{
	int64_t start = w->rl ? w->rl->start : 0;

	for (int32_t i = 0; w->rl && i < w->rl->n; i++)
		if (w->rl->v[i].kind == JOURNAL_START)
			start = max_of(start, w->rl->v[i].a);
	return start;
}

/*
 * What came first after the log began anew there may begin before (a leader
 * gives whole batches). Where nothing but the files tells what came.
 */
static bool spans_restart(struct work *w, int64_t base)
{
	struct segment *g;
	struct scan s;
	struct file *f;
	bool spans = false;

	if (w->plan.closed_end)
		return false; /* the journal has it */
	g = segment_new(w->log, base, 0);
	if (!segment_file(g, &f)) {
		scan_open(&s, g->disk, f, 0, survey_file_size(g));
		spans = scan_next_whole(&s) > 0 && batch_crc_ok(&s.batch) &&
			batch_last_offset(&s.batch) >= w->plan.restart;
		scan_close(&s);
	}
	segment_abandon(g);
	return spans;
}

/*
 * Where a log begins that no checkpoint knows, or that was cleared. Its first
 * file may stand higher than the journal's first batch because retention let
 * the others go; or because it is from before, or their names never reached the
 * disk, and then it counts for nothing: the journal has all.
 */
static void find_beginning(struct work *w)
{
	int64_t expected = w->plan.restart, base;

	if (expected == NONE && w->plan.n)
		expected = w->rl->v[w->plan.view[0]].a;
	while (w->file < w->place.n && w->plan.restart != NONE &&
	       w->place.base[w->file] < w->plan.restart &&
	       !spans_restart(w, w->place.base[w->file]))
		w->file++;
	base = w->file < w->place.n ? w->place.base[w->file] : expected;
	if (base < w->plan.restart && w->plan.restart != NONE)
		w->gone = w->plan.restart;
	if (base > expected && (w->plan.n || w->plan.closed_end) &&
	    ((w->plan.n && base > journaled_start(w)) ||
	     !is_known_file(w, base))) {
		w->file = w->place.n;
		base = expected;
	}
	w->log->end = base == NONE ? 0 : base;
}

/*
 * The first file stands behind what is vouched for and not let go: the names
 * of those before it never reached the disk, but the journal has them.
 */
static bool lacks_front(const struct work *w, int64_t base)
{
	return w->old && w->plan.restart == NONE && w->plan.n &&
	       !w->log->seg_n && base > max_of(w->bound, journaled_start(w));
}

/* The base of the next file, which is w->file. */
static int64_t next_base(struct work *w)
{
	while (w->gone && w->file < w->place.n &&
	       w->place.base[w->file] == w->gone)
		w->file++;
	return w->file < w->place.n ? w->place.base[w->file] : INT64_MAX;
}

static int scan_rest(struct work *w)
{
	struct log *l = w->log;
	struct segment *g = l->seg_n ? l->seg[l->seg_n - 1] : NULL;
	int r = 1;

	for (;;) {
		int64_t limit = next_base(w);

		if (g)
			r = scan_segment(w, g, limit);
		if (r < 0 || w->file == w->place.n || w->damaged)
			return min_of(r, 0);
		if (r == 0 || limit < l->end || lacks_front(w, limit) ||
		    (l->seg_n && limit > l->end && !l->set.compact)) {
			if (limit >= l->end && is_unknown(w))
				survey_blame(w, limit, -1, "a hole before it");
			return 0; /* the rest is not ours */
		}
		g = add_file(w, limit);
		g->next = l->end = limit;
		w->file++;
	}
}

/* What will be there when the journal has been written behind the files. */
static int64_t coming_end(struct work *w)
{
	const struct replay_op *op = survey_op(w);

	if (!op || (op->a > w->log->end && w->log->seg_n))
		return w->log->end;
	return max_of(w->log->end, survey_end(w));
}

static int64_t last_base(const struct work *w)
{
	const struct log *l = w->log;

	return l->seg_n ? l->seg[l->seg_n - 1]->base : -1;
}

int64_t survey_journaled_end(const struct work *w)
{
	const struct epochs *e = &w->plan.epochs;
	int64_t end = e->n ? e->v[e->n - 1].start : 0;

	if (w->plan.n || w->plan.closed_end)
		end = max_of(end, survey_end(w));
	return end;
}

static void check_promise(struct work *w)
{
	int64_t end = coming_end(w);
	int64_t promised = w->old ? w->old->promised_end : -1;

	if (end < min_of(promised, w->plan.low) || end < w->bound ||
	    (w->r->blind && !w->old && end < survey_journaled_end(w)))
		survey_blame(w, last_base(w), -1,
			     "it ends before what was acknowledged");
}

/* ---- the door ------------------------------------------------------------ */

int survey_begin(struct work *w)
{
	int r = list_place(w);

	return r ? r : make_plan(w);
}

void survey_fini(struct work *w)
{
	epochs_fini(&w->plan.epochs);
	mem_free(w->plan.view);
	mem_free(w->place.base);
}

int survey_log(struct work *w)
{
	int r = 0;

	find_bound(w);
	check_places(w);
	if (!w->old || w->plan.restart != NONE)
		find_beginning(w);
	else if (!w->damaged)
		r = take_vouched(w);
	if (!r && !w->damaged)
		r = scan_rest(w);
	if (!r && !w->damaged)
		check_promise(w);
	/* from what was taken by its size, and may be no batches */
	if (!r && !w->damaged)
		r = log_refill_producers(w->log);
	return r;
}
