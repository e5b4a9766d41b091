/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write: the jobs of this floor and their order. Ordered jobs (the log) run
 * one at a time; while one is out, new records gather, so that one sync
 * serves all that came meanwhile. A job that finds the disk full stays first
 * and is tried again; any other failure ends the process.
 */
#include "core.h"

static void run(struct job *j)
{
	struct work *w = container_of(j, struct work, job);

	w->rc = w->run(w);
}

static void out(struct quorum *q, struct work *w)
{
	q->jobs_out++;
	q->hooks.give(q->hooks.ctx, &w->job);
}

static void out_next(struct quorum *q)
{
	struct list *first = q->ordered.next;

	if (q->ordered_out || q->full || first == &q->ordered)
		return;
	q->ordered_out = true;
	out(q, list_entry(first, struct work, link));
}

static void back_ordered(struct quorum *q, struct work *w)
{
	q->ordered_out = false;
	if (w->rc == -ENOSPC) {
		if (!q->full_retry_ms)
			trace_error("quorum", "disk full: proposals refused",
				    "bytes=%zu", q->batch.n);
		q->full = true;
		q->full_retry_ms = q->now_ms + FULL_RETRY_MS;
		return;
	}
	if (w->rc)
		fatal("quorum: cannot write its log: %s; what is on disk is "
		      "unknown, so this node stops", strerror(-w->rc));
	if (q->full_retry_ms)
		trace_info("quorum", "disk has room again", "last=%" PRId64,
			   tail_next(&q->tail) - 1);
	q->full_retry_ms = 0;
	list_remove(&w->link);
	w->done(w);
	w->drop(w);
	out_next(q);
}

static void back(struct job *j)
{
	struct work *w = container_of(j, struct work, job);
	struct quorum *q = w->q;

	q->jobs_out--;
	if (q->closed) {
		list_remove(&w->link);
		w->drop(w);
		quorum_free(q);
	} else if (w->is_ordered) {
		back_ordered(q, w);
	} else {
		w->done(w);
		w->drop(w);
	}
}

static void prepare(struct quorum *q, struct work *w, uint32_t queue)
{
	w->q = q;
	w->job.queue = queue;
	w->job.run = run;
	w->job.done = back;
	list_init(&w->job.link);
	list_init(&w->link);
}

void write_order(struct quorum *q, struct work *w)
{
	prepare(q, w, q->queue);
	w->is_ordered = true;
	list_push(&q->ordered, &w->link);
	out_next(q);
}

void write_give(struct quorum *q, struct work *w)
{
	prepare(q, w, 0);
	out(q, w);
}

void write_tick(struct quorum *q)
{
	if (!q->full || q->now_ms < q->full_retry_ms)
		return;
	q->full = false;
	out_next(q);
}

/* ---- entries ------------------------------------------------------------- */

struct append {
	struct work work;
	struct buf batch;
	int64_t next; /* index behind its last record */
	bool sync_mark;
};

static int append_run(struct work *w)
{
	struct append *a = container_of(w, struct append, work);
	int rc = entries_append(&w->q->entries, &a->batch, a->next);

	if (!rc && a->sync_mark)
		rc = entries_sync_mark(&w->q->entries);
	return rc;
}

static void append_done(struct work *w)
{
	struct quorum *q = w->q;
	int64_t index = writes_report(&q->flying);

	q->writing = false;
	q->flying.n = 0;
	if (index > (int64_t)q->raft.last_stored && !q->installing)
		step_persisted(q, index);
	write_flush(q);
}

static void append_drop(struct work *w)
{
	struct append *a = container_of(w, struct append, work);

	buf_fini(&a->batch);
	mem_free(a);
}

void write_entries(struct quorum *q, int64_t index, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct entry *e = tail_get(&q->tail, index + i);

		entries_encode(&q->batch, e);
		q->bytes_since_snapshot += e->n;
	}
	writes_push(&q->writes, index, n);
}

void write_void(struct quorum *q)
{
	q->batch.n = 0;
	q->writes.n = 0;
	q->flying.n = 0;
}

void write_flush(struct quorum *q)
{
	struct append *a;
	struct write *last;

	if (q->writing || !q->writes.n)
		return;
	last = &q->writes.v[q->writes.n - 1];
	a = mem_zalloc(sizeof(*a));
	a->batch = q->batch;
	q->batch = (struct buf){ 0 };
	a->next = tail_next(&q->tail);
	assert(last->index <= a->next);
	a->sync_mark = q->now_ms - q->mark_synced_ms >= MARK_SYNC_MS;
	if (a->sync_mark)
		q->mark_synced_ms = q->now_ms;
	a->work.run = append_run;
	a->work.done = append_done;
	a->work.drop = append_drop;
	writes_move(&q->flying, &q->writes);
	q->writing = true;
	write_order(q, &a->work);
}

/* ---- trimming ------------------------------------------------------------ */

struct trim {
	struct work work;
	int64_t index;    /* entries up to it are not needed */
	int64_t snapshot; /* nor snapshots below it */
};

static int trim_run(struct work *w)
{
	struct trim *t = container_of(w, struct trim, work);
	int rc = entries_trim(&w->q->entries, t->index);

	return rc ? rc : snapshot_sweep(w->q->disk, t->snapshot, false);
}

static void trim_done(struct work *w)
{
	(void)w;
}

static void trim_drop(struct work *w)
{
	mem_free(container_of(w, struct trim, work));
}

void write_trim(struct quorum *q, int64_t index)
{
	struct trim *t = mem_zalloc(sizeof(*t));

	t->index = index;
	t->snapshot = stream_oldest(q);
	t->work.run = trim_run;
	t->work.done = trim_done;
	t->work.drop = trim_drop;
	write_order(q, &t->work);
}
