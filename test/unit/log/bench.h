/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: a store on a disk in memory, with a pool that runs when it is told
 * to, and batches that are easy to make and to recognise.
 */
#ifndef TEST_LOG_BENCH_H
#define TEST_LOG_BENCH_H

#include <raftmq/log.h>

#include "disk_mem.h"
#include "unit.h"

struct bench {
	struct disk_mem *mem;
	struct store *store;
	struct outbox out;
	struct list jobs;
	int64_t now_ms, wall_ms;
	int64_t journal_bytes;
	int32_t files_max;
	int shard, shards;
	int durable_calls, offline_calls, readable_calls;
	struct store_recovery recovery;
};

void bench_init(struct bench *b, uint64_t seed);
void bench_fini(struct bench *b);
int bench_try_open(struct bench *b); /* recover and open */
void bench_open(struct bench *b);
bool bench_run_one(struct bench *b); /* a job; false: there was none */
void bench_run(struct bench *b);     /* all jobs, and those they give */
/* Turn ends and jobs run until nothing is left to do. */
void bench_settle(struct bench *b);
void bench_tick(struct bench *b, int64_t ms);
void bench_close(struct bench *b);
void bench_drop(struct bench *b); /* the process is gone, jobs with it */
void bench_crash(struct bench *b, enum disk_mem_crash how); /* and drop */
/* After a clean stop of the first life: checkpoints and journal are gone. */
void bench_lose_journal(struct bench *b);

struct log_settings bench_settings(bool durable);
struct log *bench_log(struct bench *b, const char *topic,
		      const struct log_settings *set);

/* A batch of n records "key-I" -> "value-TAG-I" with timestamps ts + i. */
struct making {
	int32_t n;
	int64_t ts;
	int64_t producer; /* 0: none */
	int16_t epoch;
	int32_t sequence;
	enum codec codec;
	int tag;
	size_t pad; /* bytes more in each value */
	bool no_key;
};
/* MAKING(.n = 3, .tag = 7): what is not said is ordinary. */
#define MAKING(...) bench_fill((struct making){ __VA_ARGS__ })
struct making bench_fill(struct making m);
struct buf bench_batch(struct making m);
/* Appends as leader of epoch; the error, or K_NONE. */
enum kerr bench_append(struct log *l, int32_t epoch, struct making m,
		       struct log_append *out);
void bench_must_append(struct log *l, int32_t epoch, struct making m);
/* log_read, in a line. */
enum kerr bench_read(struct log *l, int64_t offset, int64_t end,
		     int32_t bytes_max, struct log_slice *out);
/* Everything in [from, end) as one buffer. */
struct buf bench_read_all(struct bench *b, struct log *l, int64_t from,
			  int64_t end);
/* Whole batches, offsets without a gap from `from` to `end`, CRCs right. */
void bench_check_bytes(const struct buf *bytes, int64_t from, int64_t end);

#endif
