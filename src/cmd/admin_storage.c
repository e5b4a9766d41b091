/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_storage: segment files looked at without a broker: all batches and
 * their checksums, what they hold, and a torn end cut off. It reads files in
 * Kafka's format, which is also what raftmqd writes; the journal, indexes and
 * checkpoints of raftmqd are its own business. raftmqd repairs a torn end by
 * itself when it starts: this is for those who want to see it first.
 *
 * Invariants:
 * 1. Only repair writes, only after being told to, and only behind the last
 *    whole batch of the last segment of a partition.
 * 2. Nothing is repaired while somebody holds the directory's lock.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"

#define WALK_LIMIT ((size_t)256 << 20)

struct segment_file {
	char *path, *partition; /* "TOPIC-P", the name of its directory */
	bool last;              /* of its partition */
	const uint8_t *p;
	size_t n;
	/* after looking: */
	int64_t batches, records, first, next, max_time;
	size_t good;      /* bytes of whole batches from the start */
	const char *flaw; /* what is wrong at good; NULL: nothing */
	bool torn;        /* nothing whole follows: a crash explains it */
};

struct storage {
	struct segment_file *v;
	int n;
	bool in_use;
};

/* ---- finding files ------------------------------------------------------- */

static bool is_segment(const char *name)
{
	size_t n = strlen(name);

	return n == 24 && strcmp(name + 20, ".log") == 0 &&
	       strspn(name, "0123456789") == 20;
}

static void add_file(struct storage *s, const char *path)
{
	const char *slash = strrchr(path, '/'), *from = slash;
	struct segment_file *f;

	while (from && from > path && from[-1] != '/')
		from--;
	s->v = mem_realloc(s->v, sizeof(*s->v) * (size_t)(s->n + 1));
	f = &s->v[s->n++];
	*f = (struct segment_file){ .path = mem_strdup(path), .last = true };
	f->partition = slash ? str_heap((struct str){ from,
						      (int32_t)(slash - from) })
			     : mem_strdup("");
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* What raftmqd has renamed, and does not use. */
static bool is_aside(const char *name)
{
	static const char *const ends[] = { "-damaged", "-stray", "-delete" };
	size_t n = strlen(name);

	for (size_t i = 0; i < countof(ends); i++) {
		size_t k = strlen(ends[i]);

		if (n > k && strcmp(name + n - k, ends[i]) == 0 &&
		    strchr(name, '.'))
			return true;
	}
	return false;
}

/* Depth 2: DATA/log/TOPIC-P; a directory of another kind holds no segments. */
static void add_directory(struct storage *s, const char *path, int depth)
{
	struct dirent **names;
	int n = scandir(path, &names, no_dots, alphasort);

	for (int i = 0; i < n; i++) {
		char child[4096];
		struct stat st;
		int len = snprintf(child, sizeof(child), "%s/%s", path,
				   names[i]->d_name);

		if (len < (int)sizeof(child) && stat(child, &st) == 0) {
			if (S_ISREG(st.st_mode) && is_segment(names[i]->d_name))
				add_file(s, child);
			else if (S_ISDIR(st.st_mode) && depth > 0 &&
				 !is_aside(names[i]->d_name))
				add_directory(s, child, depth - 1);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static bool is_locked(const char *directory)
{
	char path[4096];
	int fd;
	bool locked;

	if (snprintf(path, sizeof(path), "%s/lock", directory) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return locked;
}

static bool is_used(const char *path)
{
	char up[4096];

	for (int i = 0; i < 4; i++) {
		static const char *const above[] = { "", "/..", "/../..",
						     "/../../.." };

		if (snprintf(up, sizeof(up), "%s%s", path, above[i]) <
		    (int)sizeof(up) && is_locked(up))
			return true;
	}
	return false;
}

static bool map_file(struct admin *a, struct segment_file *f)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	void *p = NULL;

	if (fd < 0 || fstat(fd, &st) < 0) {
		admin_fail(a, EXIT_FAILED, "FILE", "%s: %s", f->path,
			   strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			 0);
	close(fd);
	if (p == MAP_FAILED) {
		admin_fail(a, EXIT_FAILED, "FILE", "%s: %s", f->path,
			   strerror(errno));
		return false;
	}
	f->p = p;
	f->n = p ? (size_t)st.st_size : 0;
	if (p)
		madvise(p, f->n, MADV_SEQUENTIAL);
	return true;
}

static void unmap_file(struct segment_file *f)
{
	if (f->p)
		munmap((void *)f->p, f->n);
	f->p = NULL;
}

static bool find_files(struct admin *a, struct storage *s)
{
	const char *path = a->args[0];
	struct stat st;

	if (stat(path, &st) < 0) {
		admin_fail(a, EXIT_MISSING, "FILE", "%s: %s", path,
			   strerror(errno));
		return false;
	}
	if (S_ISREG(st.st_mode))
		add_file(s, path);
	else
		add_directory(s, path, 2);
	for (int i = 0; i + 1 < s->n; i++)
		s->v[i].last = strcmp(s->v[i].partition,
				      s->v[i + 1].partition) != 0;
	if (s->n == 0)
		admin_note(a, "%s holds no segment", path);
	s->in_use = S_ISDIR(st.st_mode) && is_used(path);
	if (s->in_use)
		admin_note(a, "%s is in use: what is being written may look "
			   "torn", path);
	return true;
}

static void forget_files(struct storage *s)
{
	for (int i = 0; i < s->n; i++) {
		unmap_file(&s->v[i]);
		mem_free(s->v[i].path);
		mem_free(s->v[i].partition);
	}
	mem_free(s->v);
}

/* ---- looking ------------------------------------------------------------- */

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* NULL: a whole and healthy batch is there, with offsets from next on. */
static const char *flaw_at(const struct segment_file *f, size_t at,
			   struct batch *b)
{
	size_t left = f->n - at;

	if (left < BATCH_HEADER_SIZE)
		return "part of a header";
	if (batch_peek(f->p + at, left, b) != K_NONE)
		return "no batch header";
	if ((size_t)b->size > left)
		return "part of a batch";
	if (!batch_crc_ok(b))
		return "wrong checksum";
	if (f->batches && b->base_offset < f->next)
		return "offsets out of order";
	return NULL;
}

/* Is there anything whole behind the damage? */
static bool something_follows(const struct segment_file *f, size_t from)
{
	struct batch b;

	for (size_t at = from + 1; at + BATCH_HEADER_SIZE <= f->n; at++)
		if (f->p[at + 16] == 2 && !flaw_at(f, at, &b))
			return true;
	return false;
}

static void look(struct segment_file *f,
		 void (*each)(void *ctx, const struct segment_file *f,
			      const struct batch *b),
		 void *ctx)
{
	struct batch b;

	f->first = f->max_time = -1;
	if (!f->p) /* it is empty */
		return;
	while (f->good < f->n) {
		f->flaw = flaw_at(f, f->good, &b);
		if (f->flaw)
			break;
		if (each)
			each(ctx, f, &b);
		if (f->first < 0)
			f->first = b.base_offset;
		f->batches++;
		f->records += b.count;
		f->next = batch_next_offset(&b);
		f->max_time = max_of(f->max_time, b.max_timestamp);
		f->good += (size_t)b.size;
	}
	/* room that was reserved and not used yet is no damage */
	if (f->flaw && all_zero(f->p + f->good, f->n - f->good))
		f->flaw = NULL;
	f->torn = f->flaw && f->last && !something_follows(f, f->good);
}

static const char *verdict(const struct segment_file *f)
{
	return !f->flaw ? "ok" : f->torn ? "torn" : "damaged";
}

/* ---- check --------------------------------------------------------------- */

static const struct column check_columns[] = {
	{ "PARTITION", "partition", CELL_TEXT },
	{ "SEGMENT", "segment", CELL_TEXT },
	{ "BATCHES", "batches", CELL_NUMBER },
	{ "RECORDS", "records", CELL_NUMBER },
	{ "FIRST", "first_offset", CELL_NUMBER },
	{ "NEXT", "next_offset", CELL_NUMBER },
	{ "BYTES", "bytes", CELL_NUMBER },
	{ "GOOD", "good_bytes", CELL_NUMBER },
	{ "STATE", "state", CELL_TEXT },
	{ "WHAT", "flaw", CELL_TEXT },
};

static void check_row(struct section *s, const struct segment_file *f)
{
	const char *slash = strrchr(f->path, '/');

	row_begin(s);
	cell_text(s, f->partition);
	cell_text(s, slash ? slash + 1 : f->path);
	cell_int(s, f->batches);
	cell_int(s, f->records);
	cell_known(s, f->first);
	cell_known(s, f->batches ? f->next : -1);
	cell_int(s, (int64_t)f->n);
	cell_int(s, (int64_t)f->good);
	cell_text(s, verdict(f));
	cell_text(s, f->flaw);
}

void storage_check(struct admin *a)
{
	struct section *s = out_section(&a->out, "segments", check_columns);
	struct storage st = { 0 };

	if (!find_files(a, &st))
		return;
	for (int i = 0; i < st.n && !client_interrupted; i++) {
		struct segment_file *f = &st.v[i];

		if (!map_file(a, f))
			continue;
		look(f, NULL, NULL);
		check_row(s, f);
		if (f->flaw)
			admin_fail(a, EXIT_FAILED,
				   f->torn ? "TORN" : "DAMAGED",
				   "%s: %s at byte %zu", f->path, f->flaw,
				   f->good);
		unmap_file(f);
	}
	forget_files(&st);
}

/* ---- dump ---------------------------------------------------------------- */

static const struct column dump_columns[] = {
	{ "PARTITION", "partition", CELL_TEXT },
	{ "POS", "position", CELL_ID },
	{ "FIRST", "base_offset", CELL_ID },
	{ "LAST", "last_offset", CELL_ID },
	{ "COUNT", "records", CELL_ID },
	{ "EPOCH", "leader_epoch", CELL_ID },
	{ "MAX-TIME", "max_timestamp", CELL_TEXT },
	{ "CODEC", "codec", CELL_TEXT },
	{ "PRODUCER", "producer_id", CELL_ID },
	{ "PEPOCH", "producer_epoch", CELL_ID },
	{ "SEQUENCE", "base_sequence", CELL_ID },
	{ "FLAGS", "flags", CELL_LIST },
	{ "BYTES", "bytes", CELL_ID },
	{ "CRC", "crc", CELL_ID },
};

static void flags_cell(struct section *s, int16_t attributes)
{
	json_t *v = json_array();

	if (attributes & BATCH_LOG_APPEND_TIME)
		json_array_append_new(v, json_string("append-time"));
	if (attributes & BATCH_TRANSACTIONAL)
		json_array_append_new(v, json_string("transactional"));
	if (attributes & BATCH_CONTROL)
		json_array_append_new(v, json_string("control"));
	cell_json(s, v);
}

static void dump_batch(void *ctx, const struct segment_file *f,
		       const struct batch *b)
{
	struct section *s = ctx;
	char when[32];

	time_text(b->max_timestamp, when);
	row_begin(s);
	cell_text(s, f->partition);
	cell_int(s, (int64_t)f->good);
	cell_int(s, b->base_offset);
	cell_int(s, batch_last_offset(b));
	cell_int(s, b->count);
	cell_int(s, b->leader_epoch);
	cell_text(s, *when ? when : NULL);
	cell_text(s, codec_name(batch_codec(b)));
	cell_known(s, b->producer_id);
	cell_known(s, b->producer_epoch);
	cell_known(s, b->base_sequence);
	flags_cell(s, b->attributes);
	cell_int(s, b->size);
	cell_int(s, b->crc);
}

static void dump_records(void *ctx, const struct segment_file *f,
			 const struct batch *b)
{
	const char *dash = strrchr(f->partition, '-');
	struct str topic = str_of(f->partition);
	struct batch_walk w;
	struct record r;
	int64_t partition = -1;

	if (dash && str_to_i64(str_of(dash + 1), 0, INT32_MAX, &partition))
		topic.n = (int32_t)(dash - f->partition);
	if (b->attributes & BATCH_CONTROL)
		return;
	batch_walk_open(&w, b, WALK_LIMIT);
	while (batch_walk_next(&w, &r))
		message_row(ctx, topic, (int32_t)partition, &r);
	batch_walk_close(&w);
}

void storage_dump(struct admin *a)
{
	bool records = admin_has(a, "records");
	struct section *s = records ?
		out_section_n(&a->out, "messages", message_columns,
			      MESSAGE_COLUMNS) :
		out_section(&a->out, "batches", dump_columns);
	struct storage st = { 0 };

	if (!find_files(a, &st))
		return;
	for (int i = 0; i < st.n && !client_interrupted; i++) {
		struct segment_file *f = &st.v[i];

		if (!map_file(a, f))
			continue;
		look(f, records ? dump_records : dump_batch, s);
		if (f->flaw)
			admin_note(a, "%s: %s at byte %zu", f->path, f->flaw,
				   f->good);
		out_flush_rows(&a->out);
		unmap_file(f);
	}
	forget_files(&st);
}

/* ---- repair -------------------------------------------------------------- */

static bool cut(struct admin *a, const struct segment_file *f)
{
	int fd = open(f->path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && ftruncate(fd, (off_t)f->good) == 0 &&
		  fsync(fd) == 0;

	if (!ok)
		admin_fail(a, EXIT_FAILED, "FILE", "%s: %s", f->path,
			   strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static void repair_one(struct admin *a, struct section *s,
		       struct segment_file *f)
{
	const char *slash = strrchr(f->path, '/');
	char loss[4400];

	look(f, NULL, NULL);
	if (!f->flaw)
		return;
	if (!f->torn) {
		admin_fail(a, EXIT_FAILED, "DAMAGED",
			   "%s: %s at byte %zu, and whole batches behind it: "
			   "not what a crash leaves. Start the node: it "
			   "fetches the partition from another replica, if "
			   "there is one",
			   f->path, f->flaw, f->good);
		return;
	}
	snprintf(loss, sizeof(loss),
		 "%s: %s at byte %zu; the %zu bytes from there on will be cut "
		 "off, offsets up to %" PRId64 " stay.", f->path, f->flaw,
		 f->good, f->n - f->good, f->batches ? f->next - 1 : -1);
	if (!a->dry_run &&
	    (!admin_confirm(a, f->partition, loss) || !cut(a, f)))
		return;
	row_begin(s);
	cell_text(s, f->partition);
	cell_text(s, slash ? slash + 1 : f->path);
	cell_int(s, (int64_t)f->good);
	cell_int(s, (int64_t)(f->n - f->good));
	cell_text(s, admin_done(a, "cut", "would be cut"));
}

void storage_repair(struct admin *a)
{
	static const struct column columns[] = {
		{ "PARTITION", "partition", CELL_TEXT },
		{ "SEGMENT", "segment", CELL_TEXT },
		{ "BYTES", "good_bytes", CELL_NUMBER },
		{ "CUT", "cut_bytes", CELL_NUMBER },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "segments", columns);
	struct storage st = { 0 };

	if (!find_files(a, &st))
		return;
	if (st.in_use)
		admin_fail(a, EXIT_FAILED, "IN_USE",
			   "%s is in use: stop the node first", a->args[0]);
	for (int i = 0; !st.in_use && i < st.n; i++) {
		if (!map_file(a, &st.v[i]))
			continue;
		repair_one(a, s, &st.v[i]);
		unmap_file(&st.v[i]);
	}
	if (!st.in_use && a->status == EXIT_OK &&
	    json_array_size(s->rows) == 0)
		admin_note(a, "nothing to repair");
	forget_files(&st);
}
