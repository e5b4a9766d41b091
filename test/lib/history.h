/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: what the clients of a run did and what they were told, as an
 * append-only list in memory. verdict.h judges it; nothing here does.
 *
 * An operation has a process (the client: one thread of control), the time it
 * was invoked, the time it completed, and an outcome. What is one moment only
 * (seek, crash, own, cut, fault) is complete at once. Times are microseconds
 * of one clock that all processes share; the wall clock of one machine or the
 * virtual time of a simulator will do.
 *
 *	int k = history_key(h, "t", 0);
 *	uint32_t op = history_send(h, now, &(struct history_send){
 *		.process = 1, .key = k, .value = 42, .acks = -1,
 *		.producer = -1 });
 *	...
 *	history_sent(h, op, HISTORY_OK, offset, now);
 *
 * Rules for who records:
 *  - a value is sent once in a history; a retry is the same operation and says
 *    so with history_retried;
 *  - `fail' is certainty: nothing of the operation ever reached a log. When in
 *    doubt it is `info'. What never completes counts as `info';
 *  - polls, seeks and crashes of one process do not overlap and stand in the
 *    order in which they happened. All else may stand in any order.
 *
 * Cheap: 64 bytes an operation, 56 for each partition of a poll's answer, 16 a
 * record read. At most 2^31 of each. Memory grows by doubling and stays
 * for the next run (history_reset).
 */
#ifndef TEST_LIB_HISTORY_H
#define TEST_LIB_HISTORY_H

#include <raftmq/base.h>

enum history_kind {
	HISTORY_SEND,
	HISTORY_POLL,
	HISTORY_SEEK,
	HISTORY_CRASH,
	HISTORY_COMMIT,
	HISTORY_FETCH, /* of a committed offset */
	HISTORY_OWN,
	HISTORY_START,
	HISTORY_DELETE,
	HISTORY_CUT,
	HISTORY_FAULT,
	HISTORY_KINDS,
};

enum history_outcome {
	HISTORY_OPEN, /* not complete: as info, without an end */
	HISTORY_OK,
	HISTORY_FAIL, /* it certainly did not happen */
	HISTORY_INFO, /* it may have happened, or still happen */
	HISTORY_OUTCOMES,
};

/* How a poll came by its records. */
enum history_mode {
	/* told its partitions: no record is left out, none comes again, but
	 * after a seek or a crash */
	HISTORY_ASSIGN,
	/* a member of a group: as above between two owns of the partition if
	 * the process records what it owns, unjudged if it records none */
	HISTORY_SUBSCRIBE,
	/* the reference: one scan of all of [from, hw) after healing */
	HISTORY_FINAL,
	HISTORY_MODES,
};

/* What is legal for a partition, beyond the default: on disk, kept for ever. */
enum history_property {
	HISTORY_MEMORY = 1,    /* a power cut may take what was acknowledged */
	HISTORY_RETENTION = 2, /* its log start may move without a `start' */
	HISTORY_COMPACTED = 4, /* records between others may vanish */
	HISTORY_OFFLINE = 8,   /* nobody leads it in the end, rightly */
};

#define HISTORY_NONE UINT32_MAX /* no operation */
#define HISTORY_NOW INT64_MAX   /* completed_us of what is open */

struct history_op {
	int64_t invoked_us, completed_us;
	uint8_t kind, outcome;
	int8_t acks;       /* send: -1, 0, 1 */
	uint8_t retried;   /* send */
	uint8_t mode;      /* poll */
	uint8_t committed; /* poll: isolation read_committed */
	uint16_t unused;
	int32_t process;
	int32_t key; /* delete: the topic; fault: the label; else or -1 */
	union {
		struct {
			uint64_t value;
			int64_t producer, offset;
			int64_t sequence;
		} send;
		struct {
			uint32_t first, n; /* answers */
		} poll;
		struct { /* seek, commit, fetch, own, start */
			int64_t offset;
			int32_t group, generation;
		} at;
	};
};

/* What a poll was told of one partition. -1: not told. */
struct history_answer {
	int32_t key;
	int32_t epoch; /* of the leader that answered; -1 also for a follower */
	int64_t from;  /* the offset that was asked for */
	int64_t hw, log_start;
	int64_t stable;    /* last stable offset */
	uint32_t first, n; /* records */
};

struct history_record {
	int64_t offset;
	uint64_t value;
};

struct history_partition {
	int32_t topic, partition;
	unsigned properties;
};

struct history_names { /* text <-> dense number */
	struct map ids;
	char **text;
	int n, cap;
};

/* Read what you like; change through the functions below only. */
struct history {
	struct history_op *ops;
	struct history_answer *answers;
	struct history_record *records;
	struct history_partition *keys;
	uint32_t ops_n, answers_n, records_n;
	uint32_t ops_cap, answers_cap, records_cap;
	int keys_n, keys_cap;
	struct map key_ids;
	struct history_names topics, groups, labels;
};

void history_init(struct history *h);
void history_fini(struct history *h);
void history_reset(struct history *h); /* empty again; keeps its memory */

/* ---- names: the same text gives the same number, from 0 ------------------ */

/* A partition of a topic. Topics have Kafka's names, groups no blanks. */
int history_key(struct history *h, const char *topic, int partition);
int history_topic(struct history *h, const char *name);
int history_group(struct history *h, const char *name);
void history_set(struct history *h, int key, unsigned properties);

/* ---- sends --------------------------------------------------------------- */

struct history_send {
	int32_t process;
	int32_t key;
	uint64_t value; /* never sent before in this history */
	int8_t acks;    /* -1 all, 1, 0 */
	/* Idempotent: a number for this producer (its id, or any other that
	 * no producer shares), else -1. Sequences rise within a producer and
	 * partition, in the order in which the log must have them. */
	int64_t producer;
	int64_t sequence;
};
uint32_t history_send(struct history *h, int64_t now_us,
		      const struct history_send *s);
/* More than one attempt may have reached a broker. */
void history_retried(struct history *h, uint32_t op);
/* offset -1: not told. acks=0: ok means that it left. */
void history_sent(struct history *h, uint32_t op, enum history_outcome outcome,
		  int64_t offset, int64_t now_us);

/* ---- polls --------------------------------------------------------------- */

/*
 * Once its answer is there: history_answer for each partition told of, each
 * followed by history_read for its records in the order in which they came,
 * then history_polled, with no call for another operation in between. Records
 * are those that the consumer saw, without what stood before the offset asked
 * for in the first batch. first and n of the answer are filled in here.
 * Records of a poll are believed whatever its outcome.
 */
uint32_t history_poll(struct history *h, int32_t process,
		      enum history_mode mode, bool committed, int64_t now_us);
void history_answer(struct history *h, uint32_t op,
		    const struct history_answer *a);
void history_read(struct history *h, int64_t offset, uint64_t value);
void history_polled(struct history *h, uint32_t op,
		    enum history_outcome outcome, int64_t now_us);

/*
 * The consumer's position is offset now; -1: anywhere (earliest, committed).
 * Also to be recorded when the client moves by itself (out of range).
 */
void history_seek(struct history *h, int32_t process, int key, int64_t offset,
		  int64_t now_us);
/* The client is gone with its positions; the number may be used again. */
void history_crash(struct history *h, int32_t process, int64_t now_us);

/* ---- groups -------------------------------------------------------------- */

struct history_commit {
	int32_t process;
	int group;
	int key;
	int64_t offset;     /* -1: takes the committed offset away */
	int32_t generation; /* or member epoch; -1: none (not as a member) */
};
uint32_t history_commit(struct history *h, int64_t now_us,
			const struct history_commit *c);
void history_committed(struct history *h, uint32_t op,
		       enum history_outcome outcome, int64_t now_us);

uint32_t history_fetch(struct history *h, int32_t process, int group, int key,
		       int64_t now_us);
/* offset -1: none is committed */
void history_fetched(struct history *h, uint32_t op,
		     enum history_outcome outcome, int64_t offset,
		     int64_t now_us);

struct history_own {
	int32_t process;
	int group;
	int32_t generation;
	int key;
};
/* The process has been told that it owns the partition in the generation. */
void history_own(struct history *h, int64_t now_us,
		 const struct history_own *o);

/* ---- what makes loss legal ----------------------------------------------- */

/* Everything below offset may go (DeleteRecords; retention, told in advance).*/
uint32_t history_start(struct history *h, int32_t process, int key,
		       int64_t offset, int64_t now_us);
/* A topic is deleted; what is seen under its name later is another topic. */
uint32_t history_delete(struct history *h, int32_t process, int topic,
			int64_t now_us);
/* Ends history_start and history_delete. */
void history_done(struct history *h, uint32_t op, enum history_outcome outcome,
		  int64_t now_us);
/* Power was lost on some node: licence for partitions with HISTORY_MEMORY. */
void history_cut(struct history *h, int64_t now_us);
/* Any other fault. Not judged: outages are measured from it. */
void history_fault(struct history *h, const char *label, int64_t now_us);

/* ---- as text (history_text.c) -------------------------------------------- */

/*
 * One line an operation, fields parted by one blank, `-' for none; lines that
 * begin with # and empty lines are left out. PARTITION is topic/number.
 * OUTCOME is open, ok, fail, info. Open operations have `-' for COMPLETED.
 * history.py writes the same.
 *
 *	key PARTITION [memory] [retention] [compacted] [offline]
 *	KIND PROCESS INVOKED COMPLETED OUTCOME ...
 *	send ... PARTITION VALUE ACKS PRODUCER SEQUENCE RETRIED OFFSET
 *		ACKS all, 1, 0; PRODUCER a number or -; RETRIED 0 or 1
 *	poll ... MODE ISOLATION [@ PARTITION FROM HW LOGSTART STABLE EPOCH
 *			[OFFSET=VALUE]...]...
 *		MODE assign, subscribe, final; ISOLATION uncommitted, committed
 *	seek ... PARTITION OFFSET
 *	crash ...
 *	commit ... GROUP GENERATION PARTITION OFFSET
 *	fetch ... GROUP PARTITION OFFSET
 *	own ... GROUP GENERATION PARTITION
 *	start ... PARTITION OFFSET
 *	delete ... TOPIC
 *	cut ...
 *	fault ... LABEL (to the end of the line)
 */
void history_write_op(const struct history *h, uint32_t op, struct buf *out);
void history_write(const struct history *h, struct buf *out); /* all of it */
/*
 * Appends the operation of one line (without its newline), or nothing when it
 * is a comment. False: it is not a line of this form; h is as before but for
 * names. why says what is wrong with it (a literal).
 */
bool history_read_line(struct history *h, struct str line,
		       const char **why) must_use;
const char *history_kind_name(enum history_kind kind);
const char *history_outcome_name(enum history_outcome outcome);

/* ---- outages ------------------------------------------------------------- */

/*
 * For each fault the longest time without an acknowledgement that touches
 * [fault, fault + window): between two ok sends of one partition, or from its
 * last one to the end of the history if more were invoked. key -1: the worst
 * of all partitions. faults_us ascends. O(n log n) together.
 */
void history_outages(const struct history *h, int key, const int64_t *faults_us,
		     int n, int64_t window_us, int64_t *out_us);
/* The longest such time of all the history, and of which partition; 0, -1. */
int64_t history_gap(const struct history *h, int key, int *worst_key);
/* Sorts v and gives the smallest element that p of 100 do not exceed. */
int64_t history_percentile(int64_t *v, int n, double p);

#endif
