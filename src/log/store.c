/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: all logs of one shard. It finds them, hands work to the pool, sweeps,
 * and ends. What makes bytes durable stands in journal.c and flush.c.
 *
 * 1. A job is on store.jobs from store_give until its release; a store that
 *    goes away first leaves the job alone: finish is then not called.
 * 2. A log that is deleted lives until the last job that points to it ended.
 * 3. on_durable and on_offline are called from done(), turn_end and tick.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log_internal.h"

#define SWEEP_MS 5000

struct doomed {
	struct list link;
	int64_t at_ms;
	uint64_t frame; /* the journal says that the log is deleted */
	char path[LOG_PATH_MAX];
};

/* ---- jobs ---------------------------------------------------------------- */

static void run(struct job *job)
{
	struct store_job *j = container_of(job, struct store_job, job);

	j->run(j);
}

static void let_go(struct log *l)
{
	if (--l->jobs == 0 && l->gone)
		log_free(l);
}

static void done(struct job *job)
{
	struct store_job *j = container_of(job, struct store_job, job);
	struct store *s = j->store;
	struct log *l = s ? j->log : NULL;

	list_remove(&j->link);
	if (s && j->finish)
		j->finish(j);
	j->release(j);
	if (l)
		let_go(l);
	if (s)
		store_report(s);
}

void store_give(struct store *s, struct store_job *j, int kind)
{
	list_init(&j->link);
	list_init(&j->job.link);
	j->store = s;
	if (j->log)
		j->log->jobs++;
	list_push(&s->jobs, &j->link);
	j->job.run = run;
	j->job.done = done;
	j->job.queue = kind ? (uint32_t)(s->c.shard * 4 + kind) : 0;
	if (s->c.out && !s->closing) {
		s->c.out->give(s->c.out->ctx, &j->job);
		return;
	}
	run(&j->job);
	done(&j->job);
}

struct unlink_job {
	struct store_job base;
	struct disk *disk;
	bool dir;
	char path[LOG_PATH_MAX + 32];
};

struct sweep_dir {
	struct disk *disk;
	const char *path;
};

static void unlink_in(void *ctx, const char *name, bool is_dir)
{
	struct sweep_dir *d = ctx;
	char path[2 * LOG_PATH_MAX];

	if (is_dir)
		return;
	snprintf(path, sizeof(path), "%s/%s", d->path, name);
	(void)!d->disk->ops->unlink(d->disk, path);
}

static void remove_dir(struct disk *disk, const char *path)
{
	struct sweep_dir d = { disk, path };

	(void)!disk->ops->list(disk, path, unlink_in, &d);
	(void)!disk->ops->rmdir(disk, path);
}

static void unlink_run(struct store_job *base)
{
	struct unlink_job *j = (struct unlink_job *)base;

	if (!j->dir)
		(void)!j->disk->ops->unlink(j->disk, j->path);
	/* Its new name first: under the old one it must not look damaged. */
	else if (!j->disk->ops->sync_dir(j->disk, LOG_ROOT))
		remove_dir(j->disk, j->path);
}

static void free_job(struct store_job *base)
{
	mem_free(base);
}

void store_unlink(struct store *s, const char *path, bool dir)
{
	struct unlink_job *j = mem_zalloc(sizeof(*j));

	j->base.run = unlink_run;
	j->base.release = free_job;
	j->disk = s->disk;
	j->dir = dir;
	snprintf(j->path, sizeof(j->path), "%s", path);
	store_give(s, &j->base, QUEUE_FILES);
}

/* Directories that an earlier life had renamed and not yet removed. */
static void clean_one(void *ctx, const char *name, bool is_dir)
{
	struct disk *d = ctx;
	char path[LOG_PATH_MAX];
	size_t n = strlen(name);

	if (!is_dir || n < 7 || strcmp(name + n - 7, "-delete") != 0)
		return;
	snprintf(path, sizeof(path), LOG_ROOT "/%s", name);
	remove_dir(d, path);
}

static void clean_run(struct store_job *base)
{
	struct unlink_job *j = (struct unlink_job *)base;

	if (!j->disk->ops->sync_dir(j->disk, LOG_ROOT))
		(void)!j->disk->ops->list(j->disk, LOG_ROOT, clean_one,
					  j->disk);
}

static void clean_deleted(struct store *s)
{
	struct unlink_job *j = mem_zalloc(sizeof(*j));

	j->base.run = clean_run;
	j->base.release = free_job;
	j->disk = s->disk;
	store_give(s, &j->base, QUEUE_FILES);
}

/* ---- what recovery left: entries of 0.checkpoint by name ----------------- */

struct known {
	uint64_t hash;
	int64_t pos; /* in the file; 0: taken */
	int32_t n;
	uint32_t crc;
};
struct checkpoint_index {
	int32_t n;
	struct known v[];
};

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static uint64_t hash_name(struct str name)
{
	return hash64(name.p, (size_t)name.n, 0);
}

/* The first of those with that hash, which follow each other, or NULL. */
static struct known *first_known(const struct store *s, uint64_t hash)
{
	struct known key = { .hash = hash }, *v = s->known->v;
	struct known *k = bsearch(&key, v, (size_t)s->known->n, sizeof(key),
				  compare_known);

	while (k && k > v && k[-1].hash == hash)
		k--;
	return k;
}

static int load_known(struct store *s)
{
	struct checkpoint_head h;
	struct buf body = { 0 };
	struct bytes entry;
	struct reader r;
	int32_t n = 0;
	int e = checkpoint_load(s->disk, 0, &h, &body);

	if (e) {
		buf_fini(&body);
		return e;
	}
	s->life = h.life;
	for (r = reader_of(body.p, body.n); checkpoint_next(&r, &entry);)
		n++;
	s->known = mem_zalloc(sizeof(*s->known) +
			      (size_t)n * sizeof(s->known->v[0]));
	for (r = reader_of(body.p, body.n); checkpoint_next(&r, &entry);)
		s->known->v[s->known->n++] = (struct known){
			hash_name(checkpoint_name(entry)),
			CHECKPOINT_HEAD + (entry.p - body.p), entry.n,
			crc32c(0, entry.p, (size_t)entry.n)
		};
	qsort(s->known->v, (size_t)n, sizeof(s->known->v[0]), compare_known);
	buf_fini(&body);
	return r.bad ? -EBADMSG : 0;
}

/* The disk may tell something else now than when its sum was looked at. */
static int read_entry(struct store *s, const struct known *k, struct buf *out)
{
	char path[64];
	struct file *f;
	int64_t got;
	int r;

	checkpoint_path(0, path);
	r = disk_open(s->disk, path, DISK_READ, &f);
	if (r)
		return r;
	out->n = 0;
	got = disk_read(s->disk, f, k->pos, buf_grow(out, (size_t)k->n),
			(size_t)k->n);
	s->disk->ops->close(f);
	if (got < 0)
		return (int)got;
	if (got != k->n || crc32c(0, out->p, (size_t)k->n) != k->crc)
		return -EBADMSG;
	return 0;
}

/* The log as recovery left it, or NULL when there was none of that name. */
static int take_known(struct store *s, struct str dir, struct log **out)
{
	uint64_t hash = hash_name(dir);
	struct known *k = first_known(s, hash);
	struct buf entry = { 0 };
	int r = 0;

	*out = NULL;
	for (; k && k < s->known->v + s->known->n && k->hash == hash; k++) {
		struct bytes b;

		if (!k->pos)
			continue;
		r = read_entry(s, k, &entry);
		if (r)
			break;
		b = (struct bytes){ entry.p, (int32_t)entry.n };
		if (!str_eq(checkpoint_name(b), dir))
			continue;
		k->pos = 0;
		*out = checkpoint_read_log(s, b);
		r = *out ? 0 : -EBADMSG;
		break;
	}
	buf_fini(&entry);
	return r;
}

/* Nobody took it, and it is what it was when the store was opened. */
static bool is_unopened(const struct store *s, struct bytes entry, int64_t pos)
{
	uint64_t hash = hash_name(checkpoint_name(entry));
	const struct known *end = s->known->v + s->known->n;
	const struct known *k = first_known(s, hash);

	for (; k && k < end && k->hash == hash; k++)
		if (k->pos == pos)
			return k->crc == crc32c(0, entry.p, (size_t)entry.n);
	return false;
}

int store_each_unopened(struct store *s,
			void (*each)(void *ctx, const struct log_id *id),
			void *ctx)
{
	struct checkpoint_head h;
	struct buf body = { 0 };
	struct bytes entry;
	struct reader r;
	struct log_id id;
	int e = s->known->n ? checkpoint_load(s->disk, 0, &h, &body) : 0;

	r = reader_of(body.p, body.n);
	while (!e && checkpoint_next(&r, &entry))
		if (is_unopened(s, entry, CHECKPOINT_HEAD +
					  (entry.p - body.p)) &&
		    checkpoint_read_id(entry, &id))
			each(ctx, &id);
	buf_fini(&body);
	return e;
}

static bool was_known(const struct store *s, struct str dir)
{
	return first_known(s, hash_name(dir)) != NULL;
}

/* ---- opening and deleting logs ------------------------------------------- */

void log_dir_path(const struct log *l, char out[LOG_PATH_MAX])
{
	snprintf(out, LOG_PATH_MAX, LOG_ROOT "/%s", l->dir);
}

static void bury(struct store *s, const struct log *l)
{
	uint64_t *until = map_find(&s->buried, l->dir, strlen(l->dir));

	if (!until) {
		until = mem_alloc(sizeof(*until));
		map_put(&s->buried, l->dir, strlen(l->dir), until);
	}
	*until = s->checkpoint;
}

/*
 * What a crash finds of the log that ended must not be taken for the next one,
 * which has the same topic id: that begins when the journal knows of the end.
 */
static void end_at(struct store *s, const struct log *l, uint64_t frame)
{
	uint64_t *at = map_find(&s->ended, l->dir, strlen(l->dir));

	if (!at) {
		at = mem_alloc(sizeof(*at));
		map_put(&s->ended, l->dir, strlen(l->dir), at);
	}
	*at = frame;
}

static bool may_begin(struct store *s, const struct log *l)
{
	uint64_t *at = map_find(&s->ended, l->dir, strlen(l->dir));

	if (at && !journal_has(s, *at))
		return false;
	mem_free(map_remove(&s->ended, l->dir, strlen(l->dir)));
	return true;
}

static void admit(struct store *s, struct log *l,
		  const struct log_settings *set)
{
	l->set = *set;
	l->id = s->next_id++;
	l->durable_end = l->journaled_end = l->end;
	if (l->damaged)
		l->error = -EBADMSG;
	list_push(&s->logs, &l->link);
	map_put(&s->by_dir, l->dir, strlen(l->dir), l);
	log_retain_messages(l);
}

int store_log_open(struct store *s, const struct log_id *id,
		   const struct log_settings *set, struct log **out)
{
	struct log *l = log_new(s, id->topic, id->topic_id, id->partition, set);
	struct log *old;
	bool known;
	int r;

	/* or the next start refuses what it reads of it */
	assert(log_can_be(id->topic, id->partition));
	*out = map_find(&s->by_dir, l->dir, strlen(l->dir));
	if (*out) {
		log_free(l);
		if (!uuid_eq((*out)->topic_id, id->topic_id))
			return -EEXIST;
		log_configure(*out, set);
		return 0;
	}
	if (!may_begin(s, l)) {
		log_free(l);
		return -EAGAIN;
	}
	r = take_known(s, str_of(l->dir), &old);
	/* of some damaged logs not even the topic is known: it is this one */
	known = !r && old &&
		(dirs_same_topic(old->topic_id, id->topic_id) ||
		 (old->damaged && uuid_is_zero(old->topic_id)));
	if (known) {
		log_free(l);
		l = old;
		if (!uuid_eq(l->topic_id, id->topic_id))
			dirs_mend_topic(s, l, id->topic_id);
	} else if (!r) {
		struct uuid before = { { 0 } };

		if (old) {
			before = old->topic_id;
			bury(s, old); /* the checkpoint speaks of it */
			log_free(old);
		}
		r = dirs_begin(s, l, before);
	}
	if (r) {
		log_free(l);
		return r;
	}
	admit(s, l, set);
	if (known) { /* 0.checkpoint is number 0 */
		vouch_encoded(l, 0);
		vouch_written(l);
	} else {
		journal_name(s, l);
	}
	*out = l;
	return 0;
}

void store_checkpoint_written(struct store *s)
{
	s->checkpoint_kept = s->checkpoint;
	list_each(i, &s->logs, safe)
		vouch_written(list_entry(i, struct log, link));
	for (struct map_iter i = map_first(&s->buried); i.at; map_next(&i)) {
		if (*(uint64_t *)i.value >= s->checkpoint)
			continue;
		mem_free(map_remove(&s->buried, i.key, i.key_n));
	}
}

/* Its directory has another name now: only jobs and readers are left. */
static void forget(struct store *s, struct log *l)
{
	map_remove(&s->by_dir, l->dir, strlen(l->dir));
	if (l->vouched[0].end > 0 || l->vouched[1].end > 0)
		bury(s, l);
	if (was_known(s, str_of(l->dir)))
		map_put(&s->erased, l->dir, strlen(l->dir), s);
	list_remove(&l->link);
	list_remove(&l->failed);
	for (int32_t i = 0; i < l->seg_n; i++)
		segment_abandon(l->seg[i]);
	l->seg_n = 0;
	l->gone = true;
	l->owner = NULL;
	list_push(&s->gone, &l->link);
	log_release(l);
	if (!l->jobs)
		log_free(l);
}

void store_log_delete(struct store *s, struct log *l)
{
	struct doomed *d = mem_zalloc(sizeof(*d));
	char from[LOG_PATH_MAX];

	log_dir_path(l, from);
	dirs_path(s, l, l->topic_id, "delete", d->path);
	journal_forget(s, l);
	s->root_fresh = true;
	if (!s->disk->ops->rename(s->disk, from, d->path)) {
		d->at_ms = s->now_ms + max_of(l->set.file_delete_delay_ms, 0);
		d->frame = journal_last_frame(s);
		list_push(&s->doomed, &d->link);
	} else {
		mem_free(d);
	}
	forget(s, l);
}

/*
 * The new name is on disk before anything begins under the old one: a start
 * must not take the damaged files for those of the new log, which has the same
 * topic id.
 */
int store_log_set_aside(struct store *s, struct log *l)
{
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];
	int r, gone;

	assert(l->error);
	log_dir_path(l, from);
	dirs_path(s, l, l->topic_id, "damaged", to);
	gone = s->disk->ops->rename(s->disk, from, to);
	if (gone && gone != -ENOENT)
		return gone;
	r = s->disk->ops->sync_dir(s->disk, LOG_ROOT);
	if (r)
		return r;
	trace_warn("log", "a damaged log is set aside, to be copied anew",
		   "log=%s error=\"%s\" kept=%s", l->dir, strerror(-l->error),
		   gone ? "nothing" : to);
	journal_forget(s, l);
	end_at(s, l, journal_last_frame(s));
	forget(s, l);
	return 0;
}

int store_error(const struct store *s)
{
	return s->journal.error;
}

void store_each_log(struct store *s, void (*each)(void *ctx, struct log *l),
		    void *ctx)
{
	list_each(i, &s->logs, safe)
		each(ctx, list_entry(i, struct log, link));
}

/* ---- turning ------------------------------------------------------------- */

void store_report(struct store *s)
{
	struct list *i;

	while ((i = list_pop(&s->failed))) {
		struct log *l = list_entry(i, struct log, failed);

		if (s->c.on_offline)
			s->c.on_offline(s->c.ctx, l, l->error);
	}
}

void store_turn_end(struct store *s, int64_t now_ms)
{
	s->now_ms = now_ms;
	journal_submit(s);
	store_report(s);
}

static void sweep(struct store *s)
{
	s->sweep_ms = s->now_ms;
	list_each(i, &s->logs, safe) {
		struct log *l = list_entry(i, struct log, link);

		log_roll_by_time(l, s->wall_ms);
		log_retain(l, s->wall_ms);
		producers_expire(&l->producers, s->wall_ms,
				 s->c.producer_expiry_ms > 0 ?
					 s->c.producer_expiry_ms :
					 PRODUCER_EXPIRY_MS);
	}
}

/* Who deletes a topic to make room gets it at once. */
static bool room_is_short(const struct store *s)
{
	int64_t total, usable;

	return s->disk->ops->space(s->disk, &total, &usable) == 0 &&
	       usable < total / 16;
}

static void remove_doomed(struct store *s, bool all)
{
	bool now = !list_empty(&s->doomed) && room_is_short(s);

	list_each(i, &s->doomed, safe) {
		struct doomed *d = list_entry(i, struct doomed, link);
		bool due = now || d->at_ms <= s->now_ms;

		if (!all && !(due && journal_has(s, d->frame)))
			continue;
		list_remove(&d->link);
		store_unlink(s, d->path, true);
		mem_free(d);
	}
}

void store_tick(struct store *s, int64_t now_ms, int64_t wall_ms)
{
	s->now_ms = now_ms;
	s->wall_ms = wall_ms;
	if (s->stopping)
		return;
	journal_submit(s);
	cycle_tick(s);
	if (now_ms - s->sweep_ms >= SWEEP_MS)
		sweep(s);
	remove_doomed(s, false);
	store_report(s);
}

/* ---- beginning and ending ------------------------------------------------ */

struct store *store_new(const struct store_config *c)
{
	struct store *s = mem_zalloc(sizeof(*s));

	s->c = *c;
	s->disk = c->disk;
	list_init(&s->logs);
	list_init(&s->gone);
	list_init(&s->open);
	list_init(&s->dirty);
	list_init(&s->todo);
	list_init(&s->jobs);
	list_init(&s->failed);
	list_init(&s->doomed);
	s->now_ms = s->cycle_ms = s->sweep_ms = c->now_ms;
	s->wall_ms = c->wall_ms;
	s->next_id = 1;
	return s;
}

int store_open(struct store **out, const struct store_config *c)
{
	struct store *s = store_new(c);
	int r = load_known(s);

	if (r) {
		trace_error("log", "no usable checkpoint, recover first",
			    "error=\"%s\"", strerror(-r));
		store_free(s);
		return r;
	}
	journal_init(s);
	if (c->shard == 1)
		clean_deleted(s);
	*out = s;
	return 0;
}

void store_stop(struct store *s)
{
	s->stopping = true;
}

bool store_is_idle(const struct store *s)
{
	return list_empty(&s->jobs);
}

static int sync_all(struct store *s)
{
	int r = 0;

	list_each(i, &s->logs, safe) {
		struct log *l = list_entry(i, struct log, link);

		if (!l->error)
			store_sync_log(l);
		if (l->error && !l->damaged)
			r = l->error;
	}
	return r;
}

int store_close(struct store *s)
{
	int r;

	if (!store_is_idle(s))
		return -EBUSY;
	s->stopping = s->closing = true;
	r = s->journal.error ? s->journal.error : sync_all(s);
	if (!r && s->root_fresh)
		r = s->disk->ops->sync_dir(s->disk, LOG_ROOT);
	if (!r)
		r = checkpoint_write_clean(s);
	if (!r)
		remove_doomed(s, true); /* no checkpoint knows of them */
	store_free(s);
	return r;
}

static void orphan(struct list *segments)
{
	struct list *i;

	while ((i = list_pop(segments)))
		list_entry(i, struct segment, lru)->store = NULL;
}

void store_free(struct store *s)
{
	list_each(i, &s->jobs, safe_job) {
		list_remove(i);
		list_entry(i, struct store_job, link)->store = NULL;
	}
	list_splice(&s->logs, &s->gone);
	list_each(i, &s->logs, safe_log)
		log_free(list_entry(i, struct log, link));
	list_each(i, &s->doomed, safe) {
		list_remove(i);
		mem_free(list_entry(i, struct doomed, link));
	}
	orphan(&s->open);
	checkpoint_drop(s);
	journal_fini(s);
	map_fini(&s->by_dir);
	for (struct map_iter i = map_first(&s->buried); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&s->buried);
	map_fini(&s->erased);
	for (struct map_iter i = map_first(&s->ended); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&s->ended);
	mem_free(s->known);
	mem_free(s);
}
