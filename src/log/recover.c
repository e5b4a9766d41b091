/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover: once per start, before any store. Gathers the checkpoints and the
 * journals of the life that ended, has each log repaired that may need it, and
 * begins a new life with one fresh checkpoint.
 *
 * 1. Until that checkpoint is renamed into place nothing that this start needs
 *    is destroyed: a crash in the middle is followed by the same recovery.
 * 2. It is renamed after everything it vouches for was synced.
 * 3. Nothing is deleted because nobody mentions it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "repair.h"

#define SYNC_ALL 16 /* files and directories, from which on all are synced */

#define BLIND "blind"
#define BLIND_PATH JOURNAL_ROOT "/" BLIND

struct past { /* what the life that ended left behind */
	struct disk *disk;
	uint64_t life;
	bool blind; /* no checkpoints that can be trusted */
	bool was_blind; /* at a start before, and nobody has heard of it */
	int shards; /* highest shard number seen in a file name */
	struct buf *body; /* entries, per shard [0..shards] */
	struct map entries; /* dir -> struct known_log, the latest */
	uint64_t *start_seq; /* per shard */
	bool *clean;
	int clean_of; /* how many shards a clean stop had; 0: none seen */
};

/* ---- gathering ----------------------------------------------------------- */

static void note_file(void *ctx, const char *name, bool is_dir)
{
	struct past *p = ctx;
	int64_t n;
	size_t k = strcspn(name, ".");

	p->was_blind |= !strcmp(name, BLIND);
	if (!is_dir &&
	    str_to_i64((struct str){ name, (int32_t)k }, 0, 65535, &n))
		p->shards = max_of(p->shards, (int)n);
}

static int find_life(struct past *p)
{
	struct checkpoint_head h;
	int r = checkpoint_load(p->disk, 0, &h, NULL);

	if (!r) {
		p->life = h.life;
		return 0;
	}
	if (r != -ENOENT && r != -EBADMSG)
		return r;
	p->blind = true;
	if (r == -EBADMSG)
		trace_error("log", "the checkpoint is damaged, every log will "
			    "be read", "file=" JOURNAL_ROOT "/0.checkpoint");
	for (int i = 1; i <= p->shards; i++) {
		r = checkpoint_load(p->disk, i, &h, NULL);
		if (!r)
			p->life = max_of(p->life, h.life);
		else if (r != -ENOENT && r != -EBADMSG)
			return r;
		r = replay_life(p->disk, i, &p->life);
		if (r)
			return r;
	}
	return 0;
}

static int take_entries(struct past *p, const struct buf *body,
			const struct checkpoint_head *h, int shard)
{
	struct reader r = reader_of(body->p, body->n);
	struct bytes entry;

	while (checkpoint_next(&r, &entry)) {
		struct str name = checkpoint_name(entry);
		struct known_log *k;

		if (name.n < 0) {
			r.bad = true;
			break;
		}
		k = map_find_str(&p->entries, name);
		if (checkpoint_says_gone(entry)) {
			if (k)
				k->gone = true;
			continue;
		}
		if (!k) {
			k = mem_alloc(sizeof(*k));
			map_put_str(&p->entries, name, k);
		}
		k->entry = entry;
		k->checkpoint = h->number;
		k->names = h->names;
		k->gone = false;
	}
	if (!r.bad)
		return 0;
	trace_error("log", "a checkpoint is damaged", "shard=%d", shard);
	return -EBADMSG;
}

static int load_shard(struct past *p, int shard, struct checkpoint_head *h,
		      struct buf *body)
{
	int r = checkpoint_load(p->disk, shard, h, NULL);

	if (!r && h->life == p->life)
		r = checkpoint_load(p->disk, shard, h, body);
	else if (!r)
		return -ENOENT; /* of an earlier life */
	if (r == -EBADMSG)
		trace_error("log", "a checkpoint is damaged", "shard=%d",
			    shard);
	return r ? r : take_entries(p, body, h, shard);
}

static int gather(struct past *p)
{
	struct checkpoint_head h;
	int r = p->blind ? 0 : load_shard(p, 0, &h, &p->body[0]);

	for (int i = 1; i <= p->shards && !r; i++) {
		r = load_shard(p, i, &h, &p->body[i]);
		if (r) {
			r = r == -ENOENT ? 0 : r;
			continue;
		}
		p->start_seq[i] = h.journal_seq;
		p->clean[i] = h.clean;
		if (h.clean)
			p->clean_of = h.shards;
	}
	return r;
}

static void forget_entries(struct past *p)
{
	for (struct map_iter i = map_first(&p->entries); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&p->entries);
}

/*
 * A checkpoint is damaged: a crash does not explain that, it is written aside
 * and renamed. What the others say may be older than a cut that it knew of, so
 * none counts; there are the files, and all that the journal still has.
 */
static void know_nothing(struct past *p)
{
	trace_error("log", "the checkpoints are of no use, every log will be "
		    "read", "dir=" JOURNAL_ROOT);
	forget_entries(p);
	for (int i = 0; i <= p->shards; i++) {
		p->start_seq[i] = 0;
		p->clean[i] = false;
	}
	p->blind = true;
}

static bool was_clean(const struct past *p)
{
	if (p->blind || !p->clean_of || p->clean_of > p->shards)
		return false;
	for (int i = 1; i <= p->clean_of; i++)
		if (!p->clean[i])
			return false;
	return true;
}

/* ---- the logs ------------------------------------------------------------ */

struct walk {
	struct past *past;
	struct repair *repair;
	struct buf *out;
	struct map seen, moved;
	bool clean;
	int error;
};

static bool is_aside(const char *name)
{
	static const char *const ends[] = { "-delete", "-stray", "-damaged" };
	size_t n = strlen(name);

	for (size_t i = 0; i < countof(ends); i++) {
		size_t k = strlen(ends[i]);

		if (n > k && strcmp(name + n - k, ends[i]) == 0)
			return true;
	}
	return false;
}

/*
 * NAME.ID.LIFE.N-delete, or -damaged: in the life that ended it was put aside
 * on purpose, though the journal may not say so yet.
 */
static void note_moved(struct walk *w, const char *name)
{
	char life[32];
	const char *dot[2] = { NULL, NULL };
	uint64_t *n;

	for (const char *p = name; *p; p++)
		if (*p == '.') {
			dot[0] = dot[1];
			dot[1] = p;
		}
	snprintf(life, sizeof(life), ".%" PRIx64 ".", w->past->life);
	if (!dot[0] || strncmp(dot[0], life, strlen(life)) != 0)
		return;
	n = map_find(&w->moved, name, (size_t)(dot[0] - name));
	if (!n) {
		n = mem_zalloc(sizeof(*n));
		map_put(&w->moved, name, (size_t)(dot[0] - name), n);
	}
	*n = max_of(*n, (uint64_t)strtoull(dot[1] + 1, NULL, 16) + 1);
}

/*
 * Its files, if it had any, are aside on purpose, since that checkpoint. Where
 * it promised something the journal says so before it speaks of another log of
 * that name. What it says of another topic (rl) has nothing to do with it.
 */
static bool was_moved(struct walk *w, const struct known_log *k,
		      const struct replay_log *rl)
{
	struct log *l = checkpoint_read_log(w->repair->store, k->entry);
	char id[UUID_TEXT_MAX], name[LOG_PATH_MAX];
	const uint64_t *n = NULL;

	if (l && l->end > 0 && (!rl || uuid_eq(l->topic_id, rl->topic_id))) {
		uuid_text(l->topic_id, id);
		snprintf(name, sizeof(name), "%.*s.%s", LOG_NAME_KEEP, l->dir,
			 id);
		n = map_find(&w->moved, name, strlen(name));
	}
	if (l)
		log_free(l);
	return n && *n > k->names;
}

/* What the last checkpoint says of it; NULL: nothing, or that it is gone. What
 * is there under its name all the same is another one, or its remains. */
static struct known_log *known_as(const struct past *p, const char *name)
{
	struct known_log *k = map_find(&p->entries, name, strlen(name));

	return k && !k->gone ? k : NULL;
}

/* After a clean stop: one look at each file's length. */
static bool is_as_known(struct walk *w, const struct known_log *k)
{
	struct log *l = checkpoint_read_log(w->repair->store, k->entry);
	bool fits = l && !l->damaged && survey_sizes_fit(l);

	if (l)
		log_free(l);
	return fits;
}

static void each_dir(void *ctx, const char *name, bool is_dir)
{
	struct walk *w = ctx;
	struct known_log *k;

	if (!is_dir || w->error)
		return;
	if (is_aside(name)) {
		note_moved(w, name);
		return;
	}
	k = known_as(w->past, name);
	map_put(&w->seen, name, strlen(name), w);
	if (w->clean && k && is_as_known(w, k)) {
		checkpoint_put(w->out, k->entry.p, (size_t)k->entry.n);
		w->repair->stats->logs++;
		return;
	}
	w->error = repair_log(w->repair, name, k, w->out);
	if (w->error)
		trace_error("log", "a log cannot be recovered",
			    "log=%s error=\"%s\"", name,
			    strerror(-w->error));
}

/* What the journal speaks of and no directory holds. */
static void each_replayed(struct walk *w)
{
	const struct replay *r = w->repair->replay;

	for (struct map_iter i = map_first(&r->logs); i.at && !w->error;
	     map_next(&i)) {
		const struct replay_log *l = i.value;
		const struct known_log *k = known_as(w->past, l->dir);

		if (map_find(&w->seen, l->dir, strlen(l->dir)))
			continue;
		map_put(&w->seen, l->dir, strlen(l->dir), w);
		if (l->deleted || (!l->anew && k && was_moved(w, k, l)))
			continue;
		w->error = repair_log(w->repair, l->dir, k, w->out);
	}
}

/* What a checkpoint speaks of and nothing else: somebody took it away. */
static void each_missing(struct walk *w)
{
	for (struct map_iter i = map_first(&w->past->entries);
	     i.at && !w->error; map_next(&i)) {
		const struct known_log *k = i.value;
		char dir[LOG_PATH_MAX];

		if (k->gone || map_find(&w->seen, i.key, i.key_n) ||
		    was_moved(w, k, NULL))
			continue;
		snprintf(dir, sizeof(dir), "%.*s", (int)i.key_n,
			 (const char *)i.key);
		w->error = repair_log(w->repair, dir, k, w->out);
	}
}

static int sync_one(struct disk *d, const char *path, bool writeback)
{
	struct file *f;
	int64_t size;
	int r = disk_open(d, path, DISK_WRITE, &f);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (writeback) {
		size = d->ops->size(f);
		if (size > 0)
			d->ops->writeback(f, 0, size);
	} else {
		r = d->ops->sync(f) ? -EIO : 0;
	}
	d->ops->close(f);
	return r;
}

/*
 * Each file in turn costs a commit of the file system; for ten thousand that
 * is what a start consists of. All at once it is one.
 */
static int sync_repaired(struct disk *d, struct repair *r)
{
	char path[2 * LOG_PATH_MAX];
	int e = 0;

	if (map_count(&r->files) + 2 * map_count(&r->dirs) > SYNC_ALL)
		return d->ops->sync_all(d) ? -EIO : 0;
	for (int pass = 0; pass < 2; pass++)
		for (struct map_iter i = map_first(&r->files); i.at && !e;
		     map_next(&i)) {
			snprintf(path, sizeof(path), "%.*s", (int)i.key_n,
				 (const char *)i.key);
			e = sync_one(d, path, pass == 0);
		}
	for (struct map_iter i = map_first(&r->dirs); i.at && !e;
	     map_next(&i)) {
		snprintf(path, sizeof(path), "%.*s/" METADATA_NAME,
			 (int)i.key_n, (const char *)i.key);
		e = sync_one(d, path, false);
		snprintf(path, sizeof(path), "%.*s", (int)i.key_n,
			 (const char *)i.key);
		if (!e)
			e = d->ops->sync_dir(d, path);
	}
	if (!e && map_count(&r->dirs))
		e = d->ops->sync_dir(d, LOG_ROOT);
	return e;
}

static int walk_logs(struct past *p, const struct replay *replay,
		     int64_t wall_ms, struct store_recovery *stats,
		     struct buf *out)
{
	struct store_config c = { .disk = p->disk, .wall_ms = wall_ms };
	struct repair repair = { .store = store_new(&c), .replay = replay,
				 .stats = stats, .blind = p->blind,
				 .life = p->life };
	struct walk w = { .past = p, .repair = &repair, .out = out,
			  .clean = stats->clean };
	int r = p->disk->ops->list(p->disk, LOG_ROOT, each_dir, &w);

	if (!w.error)
		w.error = r;
	each_replayed(&w);
	each_missing(&w);
	if (!w.error)
		w.error = sync_repaired(p->disk, &repair);
	map_fini(&w.seen);
	for (struct map_iter i = map_first(&w.moved); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&w.moved);
	map_fini(&repair.files);
	map_fini(&repair.dirs);
	store_free(repair.store);
	return w.error;
}

/* ---- the door ------------------------------------------------------------ */

static int begin_life(struct past *p, const struct buf *body)
{
	struct checkpoint_head h = { .life = p->life + 1,
				     .bytes = (int64_t)body->n };
	struct disk *d = p->disk;
	char path[64];
	int r = checkpoint_save(d, &h, body);

	/* Old by their life already; gone they cost nothing next time. */
	for (int i = 1; i <= p->shards && !r; i++) {
		checkpoint_path(i, path);
		(void)!d->ops->unlink(d, path);
	}
	return r;
}

/* ---- until the others know ----------------------------------------------- */

/* The next start finds good checkpoints; what was lost is lost all the same. */
static int stay_blind(struct disk *d)
{
	struct file *f;
	int r = disk_open(d, BLIND_PATH, DISK_WRITE | DISK_CREATE, &f);

	if (r)
		return r;
	d->ops->close(f);
	return d->ops->sync_dir(d, JOURNAL_ROOT);
}

int store_seen(struct disk *d)
{
	int r = d->ops->unlink(d, BLIND_PATH);

	return r ? r : d->ops->sync_dir(d, JOURNAL_ROOT);
}

static int make_roots(struct disk *d)
{
	int r = d->ops->mkdir(d, JOURNAL_ROOT);

	if (!r)
		r = d->ops->mkdir(d, LOG_ROOT);
	if (!r)
		r = d->ops->sync_dir(d, ".");
	return r;
}

static void past_fini(struct past *p)
{
	forget_entries(p);
	for (int i = 0; p->body && i <= p->shards; i++)
		buf_fini(&p->body[i]);
	mem_free(p->body);
	mem_free(p->start_seq);
	mem_free(p->clean);
}

static int recover(struct past *p, struct replay *replay, int64_t wall_ms,
		   struct store_recovery *out)
{
	struct buf body = { 0 };
	int r = make_roots(p->disk);

	if (!r)
		r = p->disk->ops->list(p->disk, JOURNAL_ROOT, note_file, p);
	if (r)
		return r;
	p->body = mem_zalloc((size_t)(p->shards + 1) * sizeof(*p->body));
	p->start_seq = mem_zalloc((size_t)(p->shards + 1) * sizeof(uint64_t));
	p->clean = mem_zalloc((size_t)(p->shards + 1) * sizeof(bool));
	r = find_life(p);
	if (!r)
		r = gather(p);
	if (r == -EBADMSG) {
		know_nothing(p);
		r = 0;
	}
	if (r)
		return r;
	out->blind = p->blind || p->was_blind;
	out->clean = was_clean(p);
	for (int i = 1; i <= p->shards && !r && !out->clean; i++)
		r = replay_read(replay, i, p->life, p->start_seq[i]);
	if (!r)
		r = walk_logs(p, replay, wall_ms, out, &body);
	if (!r && p->blind)
		r = stay_blind(p->disk);
	if (!r)
		r = begin_life(p, &body);
	buf_fini(&body);
	return r;
}

int store_recover(struct disk *d, int64_t wall_ms, struct store_recovery *out)
{
	struct past past = { .disk = d };
	struct replay replay;
	int r;

	memset(out, 0, sizeof(*out));
	replay_init(&replay, d);
	r = recover(&past, &replay, wall_ms, out);
	replay_fini(&replay);
	past_fini(&past);
	if (r)
		trace_error("log", "recovery failed", "error=\"%s\"",
			    strerror(-r));
	return r;
}
