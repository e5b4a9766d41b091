/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush: segments reach the disk in the background, a few at a time. The
 * cycle: a new journal file begins; what is dirty at that moment is synced;
 * a checkpoint says so; the old journal file is free.
 *
 *	IDLE --cycle_begin--> SYNC --nothing left--> WRITE --written--> IDLE
 *
 * 1. A segment's bytes count as synced only when its name, its directory's
 *    name and the topic's id are on disk as well.
 * 2. A sync that failed is not repeated: that log is offline. What it had
 *    acknowledged may stand in the journal alone then, so no journal file is
 *    let go (store.held) before it is known that others have it.
 * 3. A checkpoint speaks of directories whose names are on disk: under an older
 *    name's remains the next start would take them for its own.
 */
#include <stdio.h>

#include "log_internal.h"

#define SYNC_BATCH 64
#define WRITEBACK_STEP ((uint32_t)2 << 20)
#define CYCLE_MS 60000 /* if the store was not told another time */
#define RETRY_MS 1000

struct sync_item {
	struct segment *segment; /* held */
	struct file *file;
	uint32_t size;
	int64_t next;
	uint32_t cuts; /* a cut meanwhile makes the answer worthless */
	char *dir; /* to be synced, too; NULL: not needed */
	int error;
};
struct sync_job {
	struct store_job base;
	struct disk *disk;
	bool root; /* log/ itself has new names */
	int root_error;
	bool cycle; /* part of the cycle, else of store_sync_log */
	bool naming; /* of store_sync_names */
	int n;
	struct sync_item v[];
};

/* ---- the job ------------------------------------------------------------- */

/* The names above a new file; partition.metadata stands beside it. */
static int sync_names(struct disk *d, const char *dir)
{
	char path[LOG_PATH_MAX];
	struct file *f;
	int r;

	snprintf(path, sizeof(path), "%s/" METADATA_NAME, dir);
	r = disk_open(d, path, DISK_WRITE, &f);
	if (!r) {
		r = d->ops->sync(f);
		d->ops->close(f);
	}
	if (r && r != -ENOENT)
		return r;
	r = d->ops->sync_dir(d, dir);
	return r == -ENOENT ? 0 : r; /* deleted meanwhile */
}

static void sync_run(struct store_job *base)
{
	struct sync_job *j = (struct sync_job *)base;
	const struct disk_ops *ops = j->disk->ops;

	if (j->root)
		j->root_error = ops->sync_dir(j->disk, LOG_ROOT);
	for (int i = 0; i < j->n; i++)
		ops->writeback(j->v[i].file, 0, j->v[i].size);
	for (int i = 0; i < j->n; i++) {
		struct sync_item *v = &j->v[i];

		v->error = ops->sync(v->file);
		if (!v->error && v->dir)
			v->error = j->root_error ? j->root_error :
				   sync_names(j->disk, v->dir);
	}
}

static void take_item(struct sync_item *i)
{
	struct segment *g = i->segment;

	if (!g->log)
		return; /* deleted meanwhile */
	if (i->error) {
		log_fail(g->log, -EIO);
		return;
	}
	if (i->dir)
		g->fresh = false;
	if (g->cuts == i->cuts)
		segment_synced(g, i->size, i->next);
	if (g->synced < g->size || g->fresh)
		segment_mark_dirty(g);
}

static void release_hold(struct log *l)
{
	l->sync_hold = false;
	if (l->gone || l->error || !l->set.durable ||
	    l->journaled_end <= l->durable_end)
		return;
	l->durable_end = l->journaled_end;
	if (l->store->c.on_durable && !l->store->closing)
		l->store->c.on_durable(l->store->c.ctx, l);
}

static void sync_finish(struct store_job *base)
{
	struct sync_job *j = (struct sync_job *)base;

	if (j->root_error && !base->store->journal.error)
		journal_fail(base->store, -EIO);
	for (int i = 0; i < j->n; i++)
		take_item(&j->v[i]);
	if (j->cycle) {
		base->store->syncing = false;
		cycle_step(base->store);
	} else if (j->naming) {
		base->log->naming = base->log->unnamed = false;
		if (!base->log->gone && !base->log->error)
			log_drop_below_start(base->log);
	} else {
		release_hold(base->log);
	}
}

static void sync_release(struct store_job *base)
{
	struct sync_job *j = (struct sync_job *)base;

	for (int i = 0; i < j->n; i++) {
		segment_drop(j->v[i].segment);
		mem_free(j->v[i].dir);
	}
	mem_free(j);
}

static struct sync_job *make_sync(struct store *s, int32_t max)
{
	struct sync_job *j =
		mem_zalloc(sizeof(*j) + (size_t)max * sizeof(j->v[0]));

	j->base.run = sync_run;
	j->base.finish = sync_finish;
	j->base.release = sync_release;
	j->disk = s->disk;
	return j;
}

/* names: those of its directory, too, as a new file needs it. */
static void add_item(struct sync_job *j, struct segment *g, bool names)
{
	struct sync_item *i = &j->v[j->n];
	char path[LOG_PATH_MAX];
	int r = segment_file(g, &i->file);

	if (r) {
		if (disk_error_passes(r))
			segment_mark_dirty(g);
		else
			log_fail(g->log, r);
		return;
	}
	i->segment = g;
	i->size = g->size;
	i->next = g->next;
	i->cuts = g->cuts;
	if (g->fresh || names) {
		log_dir_path(g->log, path);
		i->dir = mem_strdup(path);
	}
	segment_hold(g);
	j->n++;
}

/* ---- one log, at once ---------------------------------------------------- */

void store_sync_log(struct log *l)
{
	struct sync_job *j = make_sync(l->store, l->seg_n);

	for (int32_t i = 0; i < l->seg_n; i++) {
		struct segment *g = l->seg[i];
		bool names = i == 0 && l->unnamed;

		if (g->synced < g->size || g->fresh || names)
			add_item(j, g, names);
	}
	if (!j->n) {
		mem_free(j);
		return;
	}
	j->base.log = l;
	j->root = true;
	l->sync_hold = true;
	store_give(l->store, &j->base, QUEUE_SYNC);
}

void store_sync_names(struct log *l)
{
	bool second = l->seg_n > 1 && l->seg[1]->fresh;
	struct sync_job *j;

	if (l->naming || l->store->stopping || l->error || !l->seg_n)
		return;
	j = make_sync(l->store, 1);
	j->naming = true;
	add_item(j, l->seg[second], true);
	if (!j->n) {
		mem_free(j);
		return;
	}
	j->base.log = l;
	j->root = l->store->root_fresh;
	l->naming = true;
	store_give(l->store, &j->base, QUEUE_SYNC);
}

/* ---- writing back what a busy log leaves behind -------------------------- */

struct writeback_job {
	struct store_job base;
	struct segment *segment; /* held */
	struct file *file;
	int64_t pos, n;
};

static void writeback_run(struct store_job *base)
{
	struct writeback_job *j = (struct writeback_job *)base;

	j->segment->disk->ops->writeback(j->file, j->pos, j->n);
}

static void writeback_release(struct store_job *base)
{
	struct writeback_job *j = (struct writeback_job *)base;

	segment_drop(j->segment);
	mem_free(j);
}

void segment_writeback(struct segment *g)
{
	struct writeback_job *j;
	struct file *f;

	if (g->size - g->started < WRITEBACK_STEP || !g->store->journal.on ||
	    segment_file(g, &f))
		return;
	j = mem_zalloc(sizeof(*j));
	j->base.run = writeback_run;
	j->base.release = writeback_release;
	j->segment = g;
	j->file = f;
	j->pos = g->started;
	j->n = g->size - g->started;
	g->started = g->size;
	segment_hold(g);
	store_give(g->store, &j->base, QUEUE_SYNC);
}

/* ---- the cycle ----------------------------------------------------------- */

static struct sync_job *next_batch(struct store *s)
{
	struct sync_job *j = make_sync(s, SYNC_BATCH);
	struct list *i;

	j->cycle = true;
	while (j->n < SYNC_BATCH && (i = list_pop(&s->todo))) {
		struct segment *g = list_entry(i, struct segment, dirty);

		if (g->log && !g->log->error)
			add_item(j, g, false);
	}
	if (j->n || s->root_fresh) {
		j->root = s->root_fresh;
		s->root_fresh = false;
		return j;
	}
	mem_free(j);
	return NULL;
}

void cycle_step(struct store *s)
{
	struct sync_job *j;

	if (s->cycle != CYCLE_SYNC || s->stopping || s->syncing || s->held ||
	    s->journal.error)
		return;
	j = next_batch(s);
	if (j) {
		s->syncing = true;
		store_give(s, &j->base, QUEUE_SYNC);
		return;
	}
	s->cycle = CYCLE_WRITE;
	checkpoint_take(s);
	journal_submit(s); /* what it waits for */
}

static void begin(struct store *s)
{
	s->cycle = CYCLE_SYNC;
	s->cycle_ms = s->now_ms;
	s->cycle_seq = s->journal.seq;
	list_splice(&s->todo, &s->dirty);
	cycle_step(s);
}

void cycle_begin(struct store *s)
{
	if (s->cycle != CYCLE_IDLE || s->stopping || s->held)
		return;
	journal_rotate(s);
	begin(s);
}

void cycle_written(struct store *s, int error)
{
	s->cycle = CYCLE_IDLE;
	s->cycle_ms = s->now_ms;
	if (!error) {
		s->journal.start_seq = s->cycle_seq;
		store_checkpoint_written(s);
	} else if (!disk_error_passes(error)) {
		journal_fail(s, error);
	}
}

void cycle_tick(struct store *s)
{
	struct journal *j = &s->journal;
	bool used = j->pos > JOURNAL_PAGE;
	int64_t every_ms = s->c.checkpoint_ms ? s->c.checkpoint_ms : CYCLE_MS;
	bool due = s->now_ms - s->cycle_ms >= every_ms ||
		   s->dirty_bytes >= 4 * journal_bytes_max(s);

	if (s->cycle != CYCLE_IDLE || s->stopping || j->error || s->held)
		return;
	if (j->start_seq < j->seq) {
		if (s->now_ms - s->cycle_ms >= RETRY_MS)
			begin(s); /* the last one found no space */
		return;
	}
	if (!due || (!used && list_empty(&s->dirty)))
		return;
	if (!used)
		begin(s);
	else if (journal_can_rotate(s))
		cycle_begin(s);
	else
		j->rotate = true; /* with the next frame */
}
