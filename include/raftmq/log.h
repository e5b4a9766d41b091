/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: one partition on disk, and the store that keeps a shard's logs.
 *
 * DATA/log/TOPIC-PARTITION/<20-digit base offset>.log holds Kafka v2 batches
 * byte for byte. Everything else (index, checkpoint, journal) is ours and can
 * be rebuilt or is checked before it is trusted. All disk access goes through
 * struct disk: page-cache reads and writes on the caller's thread, everything
 * that may block (fsync, unlink, preallocation, cold reads) as a job.
 *
 * A log belongs to one store, a store to one thread.
 */
#ifndef RAFTMQ_LOG_H
#define RAFTMQ_LOG_H

#include <raftmq/base.h>
#include <raftmq/disk.h>
#include <raftmq/wire.h>

/* Resolved topic settings, copied in. -1 = no limit, as in Kafka. */
struct log_settings {
	int64_t segment_bytes, segment_ms;
	int64_t retention_ms, retention_bytes;
	int64_t retention_messages; /* exactly the newest N offsets are kept */
	int64_t file_delete_delay_ms;
	int32_t index_interval_bytes;
	int32_t max_message_bytes;
	int64_t timestamp_before_max_ms, timestamp_after_max_ms;
	int64_t delete_retention_ms;
	bool delete_old;      /* cleanup.policy contains delete */
	bool compact;         /* cleanup.policy contains compact */
	bool log_append_time; /* message.timestamp.type */
	bool durable;         /* durability=disk */
};

/* ---- store: all logs of one shard, their journal and checkpoint ---------- */

struct log;
struct store;

struct store_config {
	struct disk *disk;
	struct outbox *out;  /* give only */
	int shard, shards;   /* 1..shards */
	int64_t now_ms, wall_ms;
	int64_t journal_bytes; /* rotate after this many */
	int64_t checkpoint_ms; /* and after so long; 0: a minute, as Kafka */
	struct prng prng;
	void *ctx;
	/*
	 * log_durable_end moved. Called from a job's done(), never from inside
	 * a call into this floor.
	 */
	void (*on_durable)(void *ctx, struct log *l);
	/*
	 * A write, read or sync failed, or bytes that were read are damaged:
	 * the log is offline for good, see store_log_set_aside. Called from
	 * done(), store_turn_end and store_tick.
	 */
	void (*on_offline)(void *ctx, struct log *l, int error);
	/* What made a log_read cold is at hand now. NULL: none. From done(). */
	void (*on_readable)(void *ctx, struct log *l);
	int32_t files_max; /* segment files open at a time; 0: 1024 */
	int64_t producer_expiry_ms; /* idle producers; 0: one day, as Kafka */
};

/*
 * Once per start of the node, before any store is opened, on any thread:
 * reads all checkpoints and journals (whatever the shard count was), repairs
 * every log whose tail is not vouched for, writes one fresh checkpoint.
 * A clean stop makes this a read of the checkpoints. A log that lost what it
 * had promised stays offline (log_error is -EBADMSG) until it is deleted.
 * -EBADMSG: a journal is damaged beyond what a crash explains, named in the
 * trace; nothing has been changed then.
 */
struct store_recovery { /* for the log line and the tests */
	bool clean;
	/* The checkpoint was lost: what was promised is unknown. At every start
	 * until store_seen. */
	bool blind;
	int64_t logs, logs_scanned, bytes_scanned, batches_replayed,
		bytes_truncated, logs_damaged;
};
int store_recover(struct disk *d, int64_t wall_ms,
		  struct store_recovery *out) must_use;
/* The cluster knows by now that this disk has forgotten (blind). */
int store_seen(struct disk *d);
int store_open(struct store **out, const struct store_config *c) must_use;
/* No new work for the pool, no durable appends: the beginning of an end. */
void store_stop(struct store *s);
bool store_is_idle(const struct store *s); /* nothing of it is in the pool */
/*
 * Syncs everything, writes the clean checkpoint, frees the store; blocks. The
 * store must be idle (-EBUSY otherwise, and then it is still there); an error
 * means that the next start finds it as after a crash.
 */
int store_close(struct store *s) must_use;
/* Forgets without writing: a crash. Jobs in the pool may end later. */
void store_free(struct store *s);

/*
 * End of a loop turn: everything appended since the last call goes to the
 * journal in one write and one sync on the pool (group commit). While one is
 * in flight the next gathers.
 */
void store_turn_end(struct store *s, int64_t now_ms);
/* Retention, rolling by time, journal rotation, paced write-back, deletes. */
void store_tick(struct store *s, int64_t now_ms, int64_t wall_ms);
/* Bytes appended and not yet durable: for admission control. */
int64_t store_unsynced_bytes(const struct store *s);

/*
 * Finds or creates the log of a partition. A directory of the same name with
 * another topic id is moved aside (NAME.ID-stray), never deleted.
 */
struct log_id {
	struct str topic; /* a loan for the call; 1 to 249 bytes, no '/' */
	struct uuid topic_id;
	int32_t partition;
};
int store_log_open(struct store *s, const struct log_id *id,
		   const struct log_settings *set, struct log **out) must_use;
/* Those that recovery found and nobody has opened yet; each() may open some.
 * An error of the disk: not all of them. */
int store_each_unopened(struct store *s,
			void (*each)(void *ctx, const struct log_id *id),
			void *ctx);
/* The directory is renamed now (NAME.ID-delete) and unlinked by a job after
 * file_delete_delay_ms, or at once when less than a sixteenth of its file
 * system is free; slices in use stay readable. */
void store_log_delete(struct store *s, struct log *l);
/*
 * For a log that is offline, once others have all that it had: the directory
 * is renamed (NAME.ID-damaged) and kept, l is gone as after a deletion, and
 * the next store_log_open begins anew, or is -EAGAIN until the journal knows of
 * it. Blocks for a sync of the directory. An error: it could not be renamed,
 * and l is still there.
 */
int store_log_set_aside(struct store *s, struct log *l) must_use;
/* The journal's error: no log of this store takes anything durable. 0: fine */
int store_error(const struct store *s);
/* The logs that are open. What nobody asked for stays on disk untouched. */
void store_each_log(struct store *s, void (*each)(void *ctx, struct log *l),
		    void *ctx);

/* ---- one log ------------------------------------------------------------- */

struct str log_topic(const struct log *l);
struct uuid log_topic_id(const struct log *l);
int32_t log_partition(const struct log *l);
void log_set_owner(struct log *l, void *owner); /* the replica */
void *log_owner(const struct log *l);
void log_configure(struct log *l, const struct log_settings *set);

int64_t log_start(const struct log *l); /* first offset that may be read */
int64_t log_end(const struct log *l);   /* next offset (LEO) */
int64_t log_durable_end(const struct log *l); /* == log_end if !durable */
int64_t log_bytes(const struct log *l);
int32_t log_segments(const struct log *l);
int log_error(const struct log *l); /* 0, or why it is offline */
/*
 * Offline, and acknowledged bytes stand in the journal alone: a start of the
 * node would write them anew. The journal is kept for it until log_forsake or
 * store_log_set_aside.
 */
bool log_needs_journal(const struct log *l);
/* Others have all that this failed log had: it counts as damaged, now and at
 * the next start. */
void log_forsake(struct log *l);
/* Kept in the checkpoint; a hint after a restart (never beyond log_end). */
void log_set_high_watermark(struct log *l, int64_t hw);
int64_t log_high_watermark(const struct log *l);

struct log_append {
	int64_t base_offset, last_offset;
	int64_t append_time_ms; /* -1 for CreateTime */
	bool duplicate; /* idempotence: offsets are those of the first time */
	const char *why; /* static text for an error, or NULL */
};
/*
 * Leader's append: p holds whole client batches, checked header by header
 * (batch_check_client), stamped in place and written. All or nothing.
 * Errors: K_CORRUPT_MESSAGE, K_MESSAGE_TOO_LARGE, K_INVALID_RECORD,
 * K_INVALID_TIMESTAMP, K_OUT_OF_ORDER_SEQUENCE_NUMBER,
 * K_INVALID_PRODUCER_EPOCH, K_UNKNOWN_PRODUCER_ID,
 * K_KAFKA_STORAGE_ERROR (nothing written; log offline unless -ENOSPC), ...
 */
struct log_offer {
	uint8_t *p;
	size_t n;
	int32_t leader_epoch;
	int64_t wall_ms;
};
enum kerr log_append(struct log *l, const struct log_offer *offer,
		     struct log_append *out);
/*
 * The leader refused it before it came to log_append, for a reason that
 * passes: what the producer has on its way behind it is refused alike.
 */
void log_refused(struct log *l, const uint8_t *p, size_t n, enum kerr error);
/*
 * Follower's append of the leader's bytes: whole batches from log_end on, a cut
 * batch at the end is ignored. CRC is checked again, and what it leaves out:
 * no gap (unless the log is compacted), no epoch later than the leader's own.
 * 0 or -errno; -EBADMSG: damaged or out of place, nothing of the bad batch
 * written.
 */
int log_append_copy(struct log *l, int32_t leader_epoch, const uint8_t *p,
		    size_t n) must_use;

/*
 * A range of whole batches in one segment file: what sendfile needs. Holds
 * the segment: it is not unlinked, truncated or recycled before drop.
 */
struct log_slice {
	struct segment *segment;
	struct file *file;
	int64_t pos;
	int32_t n; /* bytes; 0 = nothing there (yet) */
	int64_t first_offset, next_offset;
	bool cold; /* n is 0 because it would block: see on_readable */
};
/*
 * Batches from the one containing offset on, only batches whose last offset
 * is < end, at most bytes_max, but at least one batch when one_at_least.
 */
struct log_want {
	int64_t offset, end;
	int32_t bytes_max;
	bool one_at_least;
};
/*
 * K_OFFSET_OUT_OF_RANGE outside [log_start, log_end]. What this process has
 * not written itself is checked (CRC, offsets) before it is given out, once;
 * where it is damaged the log is offline: K_KAFKA_STORAGE_ERROR.
 */
enum kerr log_read(struct log *l, const struct log_want *want,
		   struct log_slice *out);
struct log_slice log_slice_hold(const struct log_slice *s); /* another ref */
void log_slice_drop(struct log_slice *s);
/* Bytes of a slice, for those who cannot sendfile; nowait as disk read. */
int64_t log_slice_read(const struct log_slice *s, int64_t from, void *p,
		       size_t n, bool nowait) must_use;

/* Follower: cut everything from offset on (KIP-101). Journaled. */
int log_truncate(struct log *l, int64_t offset) must_use;
/* Follower far behind: forget everything, begin at offset. */
int log_restart_at(struct log *l, int64_t offset) must_use;
/* DeleteRecords and followers: log_start moves up, never down. */
int log_advance_start(struct log *l, int64_t offset) must_use;

/* Leader epochs (KIP-101/279): */
void log_begin_epoch(struct log *l, int32_t epoch); /* became leader at end */
int32_t log_last_epoch(const struct log *l); /* -1 when empty */
int32_t log_epoch_at(const struct log *l, int64_t offset); /* -1 unknown */
/* End of the largest epoch <= asked: as OffsetForLeaderEpoch answers. */
void log_epoch_end(const struct log *l, int32_t epoch, int32_t *epoch_out,
		   int64_t *end_out); /* -1, -1 when unknown */

/* First record with timestamp >= ts and offset < end: 1; none: 0; else the
 * error, and nothing is known. */
int log_find_time(struct log *l, int64_t ts, int64_t end, int64_t *ts_out,
		  int64_t *offset_out) must_use;
/* The record with the largest timestamp (ListOffsets -3); 0: empty. */
int log_find_max_time(struct log *l, int64_t *ts_out, int64_t *offset_out)
	must_use;

/* Active idempotent producers, for DescribeProducers. */
struct log_producer {
	int64_t id, last_time_ms; /* maxTimestamp of its last batch */
	int16_t epoch;
	int32_t last_sequence;
};
void log_each_producer(struct log *l,
		       void (*each)(void *ctx, const struct log_producer *p),
		       void *ctx);

#endif
