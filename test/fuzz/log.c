/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash, or worse, left of the logs: segments, journals, checkpoints,
 * notes of cuts. A start either names what is wrong or ends with logs in order:
 * whole batches with right sums, offsets that grow, and not one that was not
 * in the files. A second start finds the same; a log that is online takes
 * batches, and still has all of it after a clean stop.
 *
 * input: flags u8 (1: sums are made right; 2: t-0 is durable), files (files.h)
 */
#include <stdlib.h>

#include <raftmq/log.h>

#include "files.h"
#include "log_seal.h"

#define SUMS 1
#define DURABLE 2

static const char *const paths[] = {
	"journal/0.checkpoint",
	"journal/1.checkpoint",
	"journal/2.checkpoint",
	"journal/1.0",
	"journal/1.1",
	"journal/2.0",
	"log/t-0/partition.metadata",
	"log/t-0/cut",
	"log/t-0/00000000000000000000.log",
	"log/t-0/00000000000000000003.log",
	"log/t-0/00000000000000000007.log",
	"log/t-0/00000000000000000030.log",
	"log/u-1/partition.metadata",
	"log/u-1/00000000000000000000.log",
	"log/u-1/00000000000000000002.log.deleted",
	"log/v-2-delete/00000000000000000000.log",
	"log/wrong/00000000000000000000.log",
};

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	size_t pages = 0;

	/* every file may ask for 15 pages with four bytes, and the disk keeps
	 * it twice; a scan's window is 256 KiB, a frame of the journal 4 MiB */
	for (size_t i = 1; i + 1 < n; i++)
		pages += p[i] > 0;
	pages = min_of(pages, countof(paths)) * 16;
	return ((size_t)12 << 20) + 10 * FILES_PAGE * pages + 128 * n;
}

/* ---- a store whose pool runs at once ------------------------------------- */

struct plant {
	struct disk_mem *mem;
	struct store *store;
	struct outbox out;
	struct list jobs;
	const struct files *files;
	int offline;
};

static void give(void *ctx, struct job *j)
{
	struct plant *p = ctx;

	list_push(&p->jobs, &j->link);
}

static void run_jobs(struct plant *p)
{
	struct list *i;

	while ((i = list_pop(&p->jobs))) {
		struct job *j = list_entry(i, struct job, link);

		j->run(j);
		j->done(j);
	}
}

static void on_offline(void *ctx, struct log *l, int error)
{
	struct plant *p = ctx;

	must(log_error(l) == error);
	p->offline++;
}

static void on_durable(void *ctx, struct log *l)
{
	(void)ctx;
	must(log_durable_end(l) <= log_end(l));
}

static void open_store(struct plant *p)
{
	struct store_config c = {
		.disk = disk_mem_disk(p->mem),
		.out = &p->out,
		.shard = 1,
		.shards = 1,
		.now_ms = 1000,
		.wall_ms = 2000,
		.ctx = p,
		.on_durable = on_durable,
		.on_offline = on_offline,
	};

	must(store_open(&p->store, &c) == 0);
}

/* A log that went offline makes it an unclean stop; nothing else does. */
static bool close_store(struct plant *p)
{
	bool offline = p->offline > 0;
	int rc;

	do {
		store_turn_end(p->store, 1000);
		run_jobs(p);
	} while (!store_is_idle(p->store));
	store_stop(p->store);
	run_jobs(p);
	rc = store_close(p->store);
	must(!rc || offline || p->offline);
	run_jobs(p);
	p->store = NULL;
	p->offline = 0;
	return rc == 0;
}

/* ---- what a log holds ---------------------------------------------------- */

static void check_batches(struct plant *p, const struct buf *all,
			  const struct log *l)
{
	int64_t next = -1;
	struct batch b;

	for (size_t at = 0; at < all->n; at += (size_t)b.size) {
		const uint8_t *x = all->p + at;

		must(batch_peek(x, all->n - at, &b) == K_NONE);
		must((size_t)b.size <= all->n - at && batch_crc_ok(&b));
		must(b.base_offset >= next);
		must(b.last_offset_delta >= 0);
		next = batch_next_offset(&b);
		must(next <= log_end(l));
		/* nothing that nobody wrote */
		must(!p->files || files_have(p->files, x, (size_t)b.size));
	}
}

static void read_all(struct plant *p, struct log *l, struct buf *all)
{
	int64_t at = log_start(l);
	struct log_slice s;

	all->n = 0;
	must(at >= 0 && at <= log_end(l));
	must(log_high_watermark(l) <= log_end(l));
	while (at < log_end(l)) {
		struct log_want want = { at, log_end(l), 1 << 16, true };
		enum kerr e = log_read(l, &want, &s);
		uint8_t *to;

		must(e == K_NONE || (e == K_KAFKA_STORAGE_ERROR &&
				     log_error(l)));
		if (e || !s.n)
			break;
		must(!s.cold && s.next_offset > at);
		to = buf_grow(all, (size_t)s.n);
		must(log_slice_read(&s, 0, to, (size_t)s.n, false) == s.n);
		at = s.next_offset;
		log_slice_drop(&s);
	}
	check_batches(p, all, l);
}

static void note_producer(void *ctx, const struct log_producer *p)
{
	(void)p;
	++*(int *)ctx;
}

static void ask(struct log *l)
{
	int64_t ts, offset, end;
	int32_t epoch;
	int n = 0, r;

	log_epoch_end(l, log_last_epoch(l), &epoch, &end);
	must(end <= log_end(l));
	r = log_find_max_time(l, &ts, &offset);
	must(r <= 0 || (offset >= 0 && offset < log_end(l)));
	must(r >= 0 || log_error(l) == r);
	r = log_find_time(l, 1000, log_end(l), &ts, &offset);
	must(r <= 0 || (ts >= 1000 && offset < log_end(l)));
	must(r >= 0 || log_error(l) == r);
	log_each_producer(l, note_producer, &n);
}

static struct log *open_log(struct plant *p, const char *topic, bool durable)
{
	struct log_settings set = {
		.segment_bytes = 1 << 20,
		.segment_ms = -1,
		.retention_ms = -1,
		.retention_bytes = -1,
		.retention_messages = -1,
		.file_delete_delay_ms = 1000,
		.index_interval_bytes = 64,
		.max_message_bytes = 1 << 20,
		.timestamp_before_max_ms = INT64_MAX,
		.timestamp_after_max_ms = INT64_MAX,
		.delete_old = true,
		.durable = durable,
	};
	struct log_id id = { str_of(topic), { { 1, (uint8_t)*topic } },
			     topic[0] == 'u' };
	struct log *l;
	int rc = store_log_open(p->store, &id, &set, &l);

	return rc ? NULL : l;
}

static bool append(struct log *l)
{
	struct batch_builder bb = { 0 };
	struct bytes key = { (const uint8_t *)"k", 1 }, b;
	int32_t epoch = max_of(log_last_epoch(l), 0);
	struct log_append out;
	enum kerr e;

	batch_build_begin(&bb, CODEC_NONE);
	batch_build_add(&bb, 5000, key, key, NULL);
	b = batch_build_end(&bb, -1, -1, -1);
	log_begin_epoch(l, epoch);
	e = log_append(l, &(struct log_offer){ (uint8_t *)(uintptr_t)b.p,
					       (size_t)b.n, epoch, 2000 },
		       &out);
	must(e == K_NONE || log_error(l) || log_end(l) > INT64_MAX / 2);
	batch_build_fini(&bb);
	return e == K_NONE;
}

/* ---- starts -------------------------------------------------------------- */

/* The first one after whatever happened. */
static bool start(struct plant *p)
{
	struct disk *d = disk_mem_disk(p->mem);
	struct buf before = { 0 }, after = { 0 };
	struct store_recovery found;
	int rc;

	/* the roots are made, that is all */
	must(d->ops->mkdir(d, "journal") == 0 && d->ops->mkdir(d, "log") == 0);
	files_dump(d, &before);
	rc = store_recover(d, 2000, &found);
	if (rc) {
		files_dump(d, &after);
		must(rc == -EBADMSG && fuzz_same(&before, &after));
	}
	buf_fini(&before);
	buf_fini(&after);
	return rc == 0;
}

struct seen {
	struct log *log;
	struct buf all, again;
	bool takes;
};

static void look(struct plant *p, struct seen *s, const char *topic,
		 bool durable)
{
	int64_t had;

	s->log = open_log(p, topic, durable);
	if (!s->log || log_error(s->log))
		return;
	had = log_bytes(s->log);
	read_all(p, s->log, &s->all);
	ask(s->log);
	/* nobody has looked at the bytes below log_start, which are vouched
	 * for: when they are damaged it is seen by the first read */
	s->takes = append(s->log) && (s->all.n || !had);
}

/* All that was read before, and the batch behind it, if it took it. */
static void look_again(struct plant *p, struct seen *s, const char *topic,
		       bool durable)
{
	s->log = open_log(p, topic, durable);
	must(s->log && !log_error(s->log));
	read_all(p, s->log, &s->again);
	must(s->again.n >= s->all.n + BATCH_HEADER_SIZE);
	must(!s->all.n || !memcmp(s->again.p, s->all.p, s->all.n));
}

static void run(struct plant *p, bool durable)
{
	struct seen t = { 0 }, u = { 0 };
	struct store_recovery found;
	bool clean;

	open_store(p);
	look(p, &t, "t", durable);
	look(p, &u, "u", false);
	clean = close_store(p);
	p->files = NULL;
	must(store_recover(disk_mem_disk(p->mem), 2000, &found) == 0);
	must(found.clean || !clean);
	open_store(p);
	if (t.takes)
		look_again(p, &t, "t", durable);
	if (u.takes)
		look_again(p, &u, "u", false);
	close_store(p);
	buf_fini(&t.all);
	buf_fini(&t.again);
	buf_fini(&u.all);
	buf_fini(&u.again);
}

void fuzz_one(const uint8_t *bytes, size_t n)
{
	struct reader r = reader_of(bytes, n);
	uint8_t flags = read_u8(&r);
	struct plant p = { .mem = disk_mem_new(1) };
	struct files f;

	list_init(&p.jobs);
	p.out.ctx = &p;
	p.out.give = give;
	p.files = &f;
	files_read(&f, &r, paths, countof(paths));
	if (flags & SUMS)
		for (int i = 0; i < f.n; i++)
			log_seal(paths[i], &f.bytes[i]);
	files_write(&f, disk_mem_disk(p.mem));
	if (start(&p))
		run(&p, flags & DURABLE);
	disk_mem_free(p.mem);
	files_fini(&f);
}
