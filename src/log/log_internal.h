/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms of the log floor and what they know of each other. Nothing here is
 * seen outside src/log; the contract stands in <raftmq/log.h>.
 *
 * 1. Everything is owned by the store's thread, except what a job carries: a
 *    job touches its own memory and files held for it, nothing else.
 * 2. A segment file is closed, cut or unlinked only while no reader or job
 *    holds the segment (refs > 1). Bytes below a held slice never change.
 * 3. The offsets of a log are those of its segments: seg[i].next <=
 *    seg[i+1].base, and log.end == the last segment's next.
 */
#ifndef LOG_INTERNAL_H
#define LOG_INTERNAL_H

#include <raftmq/log.h>

#define LOG_PATH_MAX 400
#define LOG_TOPIC_MAX 249 /* bytes of a topic's name, as in Kafka */
#define LOG_ROOT "log"
#define LOG_NAME_KEEP 160 /* of a directory's name that gets a longer one */
#define JOURNAL_ROOT "journal"
#define METADATA_NAME "partition.metadata" /* as Kafka writes it */
#define CUT_NAME "cut" /* see cut_note.c */
/* What one walk over the records of a batch may decompress to. */
#define LOG_WALK_LIMIT ((size_t)256 << 20)

/* ---- scan.c: batches of a file, one after another ------------------------ */

struct scan {
	struct disk *disk;
	struct file *file;
	int64_t pos; /* of the next batch */
	int64_t end; /* nothing is read behind it */
	struct buf buf;
	int64_t at; /* file position of buf */
	size_t chunk;
	bool nowait;
	int64_t offset; /* of the next batch; -1: any, there may be gaps */
	struct batch batch;
	int64_t batch_pos;
};
void scan_open(struct scan *s, struct disk *d, struct file *f, int64_t from,
	       int64_t to);
void scan_close(struct scan *s);
/*
 * 1: a batch, 0: the end, -EBADMSG: no whole batch stands at pos, or one of
 * another offset, which no checksum covers; -EAGAIN:
 * not in the page cache and nowait was asked, else the disk's error. A header
 * alone needs its 61 bytes; scan_next_whole also reads the rest into memory.
 */
int scan_next(struct scan *s) must_use;
int scan_next_whole(struct scan *s) must_use;
/*
 * Moves on, from pos itself, to a byte that a batch may begin at: its magic is
 * right. 1: there is one, 0: none before the end, else the disk's error.
 */
int scan_seek(struct scan *s) must_use;

/* ---- index.c: offset and time -> a place near, for one segment ----------- */

struct index_entry {
	uint32_t offset; /* of the batch at pos, relative to the base */
	uint32_t pos;
	int64_t max_ts; /* of everything before pos */
};
struct index {
	struct index_entry *v;
	uint32_t n, cap;
	uint32_t interval; /* bytes between entries; doubles when it is full */
	bool built;        /* covers the segment, so far as it is sparse */
};
#define INDEX_MAX 8192
void index_fini(struct index *x);
/* A batch is about to stand at pos. */
void index_note(struct index *x, uint32_t interval,
		const struct index_entry *e);
/* Last entry at or before; a zero entry (the segment's start) when none. */
struct index_entry index_by_offset(const struct index *x, uint32_t offset);
struct index_entry index_by_pos(const struct index *x, uint32_t pos);
/* The last entry before which every timestamp is < ts. */
struct index_entry index_by_time(const struct index *x, int64_t ts);
void index_cut(struct index *x, uint32_t pos);

struct spot { /* the batch that begins at pos has this base offset */
	int64_t base; /* of the segment */
	int64_t offset;
	uint32_t pos;
};

/* ---- segment.c: one file ------------------------------------------------- */

struct segment {
	struct list lru;   /* store.open, while the file is open */
	struct list dirty; /* store.dirty, while synced < size */
	struct store *store; /* NULL: the store is gone */
	struct log *log;     /* NULL: no longer part of a log */
	struct disk *disk;
	struct file *file; /* NULL: not open */
	uint32_t refs;     /* the log, slices, jobs */
	int64_t base, next;
	uint32_t size;    /* bytes of whole batches */
	uint32_t synced;  /* of them on disk for certain */
	uint32_t started; /* writeback begun up to here */
	uint32_t cuts; /* how often it was cut */
	uint32_t sound_from, sound_to; /* written or checked in this life */
	int64_t sound_next; /* offset at sound_to, unless that is the end */
	int64_t synced_next; /* offset after the last synced batch */
	int64_t first_ts, max_ts, created_ms;
	bool trim;   /* the file is longer than size; cut it when none reads */
	bool fresh;  /* its name is not known to be on disk */
	bool create; /* no file yet: the first write makes it */
	bool aside;  /* renamed: to be unlinked */
	struct index index;
};
struct segment *segment_new(struct log *l, int64_t base, int64_t now_ms);
void segment_hold(struct segment *g);
void segment_drop(struct segment *g);
void segment_path(const struct segment *g, char out[LOG_PATH_MAX]);
int segment_file(struct segment *g, struct file **out) must_use;
int segment_write(struct segment *g, const void *p, size_t n) must_use;
/*
 * What is to be read from there on, up to stop: batches that this process has
 * neither written nor checked are checked now, a stretch of them; *stop moves
 * back to where it ends. -EBADMSG: damaged, and the trace says where.
 */
int segment_check(struct segment *g, const struct spot *from,
		  struct spot *stop) must_use;
/* Everything from pos (a batch's start, offset) on is forgotten. */
int segment_cut(struct segment *g, uint32_t pos, int64_t offset) must_use;
/* The batches from a spot up to end, each of the offset that comes next. */
void segment_scan(const struct segment *g, struct file *f, struct scan *s,
		  const struct spot *from, uint32_t end);
int segment_index(struct segment *g, bool nowait) must_use;
void segment_index_note(struct segment *g, const struct batch *b, uint32_t pos);
void segment_grow(struct segment *g, uint32_t n);
void segment_mark_dirty(struct segment *g);
void segment_synced(struct segment *g, uint32_t size, int64_t next);
/* Its log is deleted with the directory: only readers are left. */
void segment_abandon(struct segment *g);
/* Out of its log; the file is renamed and unlinked by a job. */
int segment_set_aside(struct segment *g) must_use;
void segment_delete(struct segment *g);

/* ---- epoch.c: where each leader epoch began ------------------------------ */

struct epoch {
	int32_t epoch;
	int64_t start;
};
struct epochs {
	struct epoch *v;
	int32_t n, cap;
};
void epochs_fini(struct epochs *e);
void epochs_begin(struct epochs *e, int32_t epoch, int64_t start);
void epochs_cut_end(struct epochs *e, int64_t offset);
void epochs_cut_start(struct epochs *e, int64_t offset);

/* ---- producer.c: idempotent producers of one log ------------------------- */

#define PRODUCER_BATCHES 5
#define PRODUCERS_MAX 8192
#define PRODUCER_EXPIRY_MS ((int64_t)24 * 3600 * 1000)

struct producer_batch {
	int32_t first_seq, last_seq;
	int64_t first_offset, last_offset;
	int64_t time_ms; /* maxTimestamp of the batch */
};
struct producer {
	struct list link; /* least recently used first */
	int64_t id;
	int64_t last_time_ms;
	int16_t epoch;
	uint8_t n, was;
	bool wanting; /* its window lost batches to a cut */
	struct producer_batch v[PRODUCER_BATCHES]; /* oldest first */
};
#define REFUSALS_MAX 8
struct refusal { /* a batch that was refused for a reason that passes */
	int64_t producer;
	enum kerr error; /* K_NONE: nothing is remembered */
	int32_t seq;
	int16_t epoch;
	int16_t left; /* later ones to turn away */
};
struct producers {
	struct map by_id;
	struct list lru;
	int32_t n;
	int32_t refusals_at; /* where the next one goes */
	int32_t doubts;  /* gaps that the leader before may have left */
	int64_t doubted; /* under the leader that began there */
	struct refusal refusals[REFUSALS_MAX];
};
void producers_init(struct producers *ps);
void producers_fini(struct producers *ps);
struct tenure { /* of the leader that checks */
	int64_t since; /* its first offset; -1: none led before it */
	bool whole; /* others led, but nothing of theirs was removed since */
};
/* K_NONE with *dup set: that batch is already in the log. */
enum kerr producers_check(struct producers *ps, const struct batch *b,
			  const struct tenure *t,
			  const struct producer_batch **dup, const char **why);
/* The batch was turned away for a reason that passes: it will be back. */
void producers_refused(struct producers *ps, const struct batch *b,
		       enum kerr error);
void producers_note(struct producers *ps, const struct batch *b,
		    int64_t wall_ms);
void producers_expire(struct producers *ps, int64_t wall_ms, int64_t after_ms);
void producers_encode(const struct producers *ps, struct buf *out);
void producers_decode(struct producers *ps, struct reader *r);
/*
 * A cut log: batches from offset on are forgotten. Producers that do not come
 * to as many as they had (by what is noted then) want older ones: they are
 * refilled from ever earlier stretches of the log, then settled.
 */
void producers_cut(struct producers *ps, int64_t offset);
int32_t producers_wanting(struct producers *ps);
bool producers_want(const struct producers *ps, const struct batch *b);
void producers_refill(struct producers *ps, const struct producers *older);
void producers_settle(struct producers *ps);
struct producer *producers_find(const struct producers *ps, int64_t id);
int32_t producer_next_seq(int32_t seq, int32_t more);

/* What an entry of the journal says. */
enum journal_kind {
	JOURNAL_NAME = 1, JOURNAL_APPEND, JOURNAL_CUT, JOURNAL_CLEAR,
	JOURNAL_START, JOURNAL_EPOCH, JOURNAL_DELETE,
};

/* ---- log.c, log_read.c, log_time.c, log_cut.c ---------------------------- */

struct vouch { /* what a checkpoint says of a log, and what was cut since */
	uint64_t checkpoint;
	int64_t end, cut;
	enum journal_kind kind; /* of the cut; 0: none */
};
#define LOG_RECENT 32 /* batches of the active segment */
#define LOG_HINTS 4   /* where readers stopped */

struct log {
	struct list link; /* store.logs */
	struct list failed; /* store.failed: on_offline is owed */
	struct store *store;
	void *owner;
	char *dir; /* TOPIC-PARTITION */
	int32_t topic_n;
	int32_t partition;
	struct uuid topic_id;
	struct log_settings set;
	struct segment **seg;
	int32_t seg_n, seg_cap;
	int64_t start, end, hw;
	int64_t durable_end; /* meaningful when set.durable */
	int64_t journaled_end;
	int64_t bytes;
	int error;
	bool closed;    /* the last segment takes no more; roll on append */
	bool sync_hold; /* became durable: a sync must end before acks move */
	bool naming;    /* store_sync_names is under way */
	bool unnamed;   /* a file went, and that is not on disk yet */
	bool warming;
	bool damaged; /* found so at a start, or forsaken */
	bool held;    /* one of store.held */
	/* durable_end in the checkpoint, for repair.c; of a log that is damaged
	 * as it was before that. -1: nothing was promised */
	int64_t promised_end;
	struct vouch vouched[2]; /* by the checkpoint on disk, and the next */
	bool gone; /* deleted; lives until jobs let go */
	int32_t jobs; /* that point here */
	uint32_t id;  /* in this life's journal */
	uint64_t named_seq; /* journal file that knows the id */
	struct epochs epochs;
	struct producers producers;
	struct spot *recent; /* ring, allocated with the first append */
	uint32_t recent_n, recent_at;
	struct spot hint[LOG_HINTS];
	uint32_t hint_at;
	int32_t frame_slot[2]; /* place in the journal's frames; -1 = none */
};

/* Has a directory such a name? Whoever reads one from a disk asks. */
bool log_can_be(struct str topic, int32_t partition);
struct log *log_new(struct store *s, struct str topic, struct uuid topic_id,
		    int32_t partition, const struct log_settings *set);
void log_free(struct log *l); /* drops its segments, touches no file */
void log_fail(struct log *l, int error); /* offline for good */
void log_release(struct log *l); /* the journal is not kept for it any more */
struct segment *log_active(const struct log *l); /* NULL: none takes bytes */
int log_roll(struct log *l, int64_t base, int64_t now_ms, struct segment **out)
	must_use;
void log_add_segment(struct log *l, struct segment *g);
/* One batch with its final offsets is in the segment: note it everywhere. */
void log_note_batch(struct log *l, const struct batch *b, int64_t wall_ms);
int log_write_batches(struct log *l, const uint8_t *p, size_t n,
		      const struct batch *first) must_use;
/* First segment with next > offset, or -1. */
int32_t log_find_segment(const struct log *l, int64_t offset);
/*
 * First batch with a next offset > offset: its place. *out goes in as a place
 * known to be at or before it, base -1 for none. -EAGAIN if nowait.
 */
int log_locate(struct log *l, struct segment *g, int64_t offset, bool nowait,
	       struct spot *out) must_use;
void log_forget_spots(struct log *l);
void log_remove_segments(struct log *l, int32_t from, int32_t n);
void log_pop_segment(struct log *l); /* the last; its file stays */
/* The work behind log_truncate and friends, without the journal. */
int log_cut(struct log *l, int64_t offset) must_use;
int log_clear(struct log *l, int64_t offset) must_use;
/* May a batch of that offset stand where next is expected? No checksum covers
 * it; but only compaction leaves gaps. */
bool log_follows(const struct log *l, int64_t next, int64_t offset);
/* Epochs that began at the end, without a record, did not begin at all. */
void log_forget_epochs(struct log *l);
/* After producers_cut and what was noted since. */
int log_refill_producers(struct log *l) must_use;
void log_dir_path(const struct log *l, char out[LOG_PATH_MAX]);
void log_raise_start(struct log *l, int64_t offset);
/* ---- cut_note.c ---------------------------------------------------------- */

/* Before a log is cut or cleared. */
int cut_note(struct log *l, enum journal_kind kind, int64_t offset) must_use;
/* In a new directory whose name a checkpoint knows from an earlier log. */
int cut_note_anew(struct log *l, const char *dir) must_use;
/* What was noted about that checkpoint; kind 0 when nothing was. */
int cut_note_load(struct disk *d, const char *dir, uint64_t life,
		  uint64_t checkpoint, struct vouch *out) must_use;
void vouch_encoded(struct log *l, uint64_t checkpoint);
void vouch_written(struct log *l);

/* retain.c */
void log_retain(struct log *l, int64_t wall_ms);
void log_retain_messages(struct log *l);
void log_drop_below_start(struct log *l);
void log_roll_by_time(struct log *l, int64_t wall_ms);

/* ---- journal.c ----------------------------------------------------------- */


struct frame_mark { /* where a log will be durable when the frame is */
	struct log *log;
	int64_t end;
};
struct frame {
	struct buf buf;
	struct frame_mark *v;
	int32_t n, cap;
};
#define JOURNAL_PAGE 4096
#define JOURNAL_MAGIC UINT64_C(0x524d514a524e4c31) /* "RMQJRNL1" */
#define FRAME_MAGIC UINT64_C(0x524d514652414d45)   /* "RMQFRAME" */
#define FRAME_HEADER 64 /* magic 8, salt 8, number 8, bytes 4, crc 4, zeroes */
#define JOURNAL_BYTES_DEFAULT ((int64_t)64 << 20)

struct journal {
	struct frame frame[2];
	int filling;
	bool on;     /* false in a recovery */
	bool busy;   /* a frame is in the pool */
	bool full;   /* no space: nothing durable is taken until there is */
	bool rotate; /* begin the next file as soon as possible */
	int error;   /* failed for good */
	int64_t retry_ms;
	struct file *file[2];
	int64_t reserved[2];
	uint64_t seq;       /* file of the filling frame */
	uint64_t start_seq; /* oldest file that a recovery would need */
	uint64_t frame_seq;
	int64_t pos;
	struct { /* the frame that is in the pool, or that found no space */
		int slot;
		uint64_t seq, frame_seq;
		int64_t pos;
		size_t n;
		bool header;
	} flight;
};
void journal_init(struct store *s);
int64_t journal_bytes_max(const struct store *s);
void journal_path(int shard, uint64_t seq, char out[64]);
uint64_t journal_salt(uint64_t life, int shard, uint64_t seq);
/* The number of the frame that will hold the latest entry. */
uint64_t journal_last_frame(const struct store *s);
bool journal_has(const struct store *s, uint64_t frame); /* on disk */
bool journal_can_rotate(const struct store *s);
void journal_rotate(struct store *s);
void journal_name(struct store *s, struct log *l); /* a log begins */
void journal_append(struct store *s, struct log *l, const uint8_t *p, size_t n);
void journal_note(struct store *s, struct log *l, enum journal_kind kind,
		  int64_t a, int64_t b);
/* The log was cut: frames vouch for nothing behind offset any more. */
void journal_lower(struct store *s, struct log *l, int64_t offset);
void journal_forget(struct store *s, struct log *l);
void journal_submit(struct store *s);
void journal_fail(struct store *s, int error);
void journal_fini(struct store *s);
bool journal_takes(const struct store *s);

/* ---- store.c ------------------------------------------------------------- */

struct checkpoint_index;

struct store_job {
	struct job job;
	struct list link;
	struct store *store; /* NULL: gone; finish is not called */
	struct log *log;     /* kept alive meanwhile; NULL: none */
	void (*run)(struct store_job *j);
	void (*finish)(struct store_job *j); /* owner thread, store alive */
	void (*release)(struct store_job *j); /* always, last */
};

struct store {
	struct store_config c;
	struct disk *disk;
	struct list logs;
	struct list gone; /* deleted, a job still points to them */
	struct map by_dir;
	struct list open;  /* segments with an open file, least used first */
	struct list dirty; /* segments */
	struct list jobs;  /* in the pool */
	struct list failed; /* logs whose on_offline is owed */
	struct list doomed; /* directories to unlink later */
	struct map buried; /* deleted, but a checkpoint still vouches for it */
	/* ended in this life, and 0.checkpoint will always speak of them: this
	 * shard's checkpoints say that they are no more */
	struct map erased;
	struct map ended; /* set aside -> the journal's frame that says so */
	int32_t open_n;
	int64_t dirty_bytes;
	int64_t now_ms, wall_ms;
	uint64_t life;
	uint64_t checkpoint; /* number of the latest one in this life */
	uint64_t checkpoint_kept; /* the latest that is on disk */
	uint32_t next_id;
	uint64_t next_name; /* for renamed files */
	bool stopping, closing;
	struct journal journal;
	struct checkpoint_index *known; /* logs as recovery left them */
	/* the checkpoint cycle, flush.c */
	enum { CYCLE_IDLE, CYCLE_SYNC, CYCLE_WRITE } cycle;
	int64_t cycle_ms;       /* when the last one began */
	uint64_t cycle_seq;     /* will be the oldest journal file needed */
	struct store_job *taken; /* a checkpoint that waits for the journal */
	uint64_t taken_frame;
	struct list todo;       /* segments the cycle has yet to sync */
	bool root_fresh;        /* names in log/ are not yet synced */
	bool syncing;           /* a job of the cycle is in the pool */
	int32_t held;           /* failed logs that the journal is kept for */
	int64_t sweep_ms;       /* last look for what retention lets go */
};
enum { QUEUE_NONE, QUEUE_JOURNAL, QUEUE_SYNC, QUEUE_FILES };
/* Inline when there is no pool (a recovery, a stop). j->log is held. */
void store_give(struct store *s, struct store_job *j, int queue_kind);
void store_unlink(struct store *s, const char *path, bool dir);

/* ---- flush.c: write-back and sync as jobs -------------------------------- */

void segment_writeback(struct segment *g); /* begins it now and then */
/*
 * A new journal file begins, everything dirty is synced in the background, a
 * checkpoint is written, and the old file is free.
 */
void cycle_begin(struct store *s);
void cycle_step(struct store *s);
void cycle_written(struct store *s, int error);
void cycle_tick(struct store *s);
/* Became durable at run time: sync what stands, then release sync_hold. */
void store_sync_log(struct log *l);
/* What its first segments are called, and that none stands before them, goes to
 * disk; then more of what lies below log_start is deleted. */
void store_sync_names(struct log *l);
void store_report(struct store *s); /* calls on_offline where it is owed */
struct store *store_new(const struct store_config *c); /* knows no log */
void store_checkpoint_written(struct store *s);

/* ---- dirs.c -------------------------------------------------------------- */

/* Another name for the directory of l, which no other has. */
void dirs_path(struct store *s, const struct log *l, struct uuid topic,
	       const char *suffix, char out[LOG_PATH_MAX]);
/* A log's directory and its partition.metadata. */
int dirs_make(struct store *s, const struct log *l, const char *dir) must_use;
/* Of a new log. What is in its place, of the topic that was there before, goes
 * aside; zero: nobody knows of any. */
int dirs_begin(struct store *s, struct log *l, struct uuid before) must_use;
/* Equal, or one is the other with some of its bytes damaged. */
bool dirs_same_topic(struct uuid a, struct uuid b);
/* The log was known by the damaged id of its file: this is the right one. */
void dirs_mend_topic(struct store *s, struct log *l, struct uuid topic);

/* ---- checkpoint.c -------------------------------------------------------- */

#define CHECKPOINT_HEAD 64

struct checkpoint_head {
	uint64_t life, number, journal_seq;
	uint64_t names; /* store.next_name: what was renamed before */
	int64_t bytes; /* of the entries behind it */
	int shard, shards;
	bool clean;
};
void checkpoint_path(int shard, char out[64]);
/* An entry is what checkpoint_put_log made; checkpoint_put frames it. */
void checkpoint_put_log(struct buf *b, const struct log *l);
void checkpoint_put(struct buf *b, const void *p, size_t n);
bool checkpoint_next(struct reader *r, struct bytes *entry);
struct str checkpoint_name(struct bytes entry);
bool checkpoint_says_gone(struct bytes entry); /* the log of that name */
struct log *checkpoint_read_log(struct store *s, struct bytes entry);
bool checkpoint_read_id(struct bytes entry, struct log_id *out);
/* body NULL: only the head is read. */
int checkpoint_load(struct disk *d, int shard, struct checkpoint_head *h,
		    struct buf *body) must_use;
int checkpoint_save(struct disk *d, const struct checkpoint_head *h,
		    const struct buf *body) must_use;
/* Now, to be written by a job as soon as it may be; then cycle_written. */
void checkpoint_take(struct store *s);
void checkpoint_write(struct store *s); /* what was taken, if it may be */
void checkpoint_drop(struct store *s);
int checkpoint_write_clean(struct store *s) must_use;

/* No space, no file descriptors: it passes. Anything else is for good. */
static inline bool disk_error_passes(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EMFILE ||
	       error == -ENFILE;
}

/* ---- disk, without the arrows -------------------------------------------- */

static inline int disk_open(struct disk *d, const char *path, int flags,
			    struct file **out)
{
	return d->ops->open(d, path, flags, out);
}
static inline int64_t disk_read(struct disk *d, struct file *f, int64_t pos,
				void *p, size_t n)
{
	return d->ops->read(f, pos, p, n, false);
}
static inline int disk_write(struct disk *d, struct file *f, int64_t pos,
			     const void *p, size_t n)
{
	struct disk_span v = { p, n };

	return d->ops->write(f, pos, &v, 1);
}

#endif
