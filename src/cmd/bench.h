/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: the load generator. What its files share.
 *
 *	bench.c            main, the run from set-up to report
 *	bench_option.c     the table of options
 *	bench_topology.c   brokers, partitions, leaders; set-up
 *	bench_stock.c      batches encoded before the run
 *	bench_produce.c    producers: lanes, retries, sequences
 *	bench_consume.c    consumers
 *	bench_match.c      end to end: what was sent meets what was seen
 *	bench_tally.c      counting, interval lines
 *	bench_process.c    what /proc says of the brokers on this machine
 *	bench_report.c     table, JSON, TSV
 *
 * One thread. Times are nanoseconds of the monotonic clock, latencies are
 * counted in microseconds from the time at which a batch was meant to be sent
 * (open loop: a slow broker does not slow the schedule down, so that nothing
 * is omitted).
 */
#ifndef RAFTMQ_CMD_BENCH_H
#define RAFTMQ_CMD_BENCH_H

#include <signal.h>

#include "client.h"
#include "histogram.h"
#include "loop.h"

/* ---- options (bench_option.c) -------------------------------------------- */

enum bench_mode { BENCH_PRODUCE = 1, BENCH_CONSUME = 2, BENCH_E2E = 4 };
enum bench_output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_TSV };
#define BENCH_PIDS_MAX 16
#define BENCH_CONFIGS_MAX 32

struct options {
	enum bench_mode mode;
	const char *bootstrap, *topic, *histogram;
	int64_t partitions, replicas; /* -1: what the cluster's default is */
	const char *configs[BENCH_CONFIGS_MAX]; /* NAME=VALUE */
	int configs_n;
	int64_t clients, window;
	int64_t duration_ns, warmup_ns, interval_ns, timeout_ns;
	int64_t pids[BENCH_PIDS_MAX];
	int pids_n;
	int64_t output; /* enum bench_output */
	bool quiet, no_headers, verbose, wait;
	/* produce */
	int64_t rate; /* records/s, 0 = as fast as the window allows */
	int64_t record_size, key_size, batch_records, batch_bytes;
	int64_t request_batches, codec, compressible, acks;
	bool idempotent;
	/* consume */
	bool from_end, again, until_end, check_crc;
	int64_t fetch_bytes, partition_bytes, min_bytes, max_wait_ns;
};
/* Exits with 2 on a mistake, with 0 after --help. */
void options_parse(struct options *o, int argc, char **argv);
/* "100", "2.5k", "16Ki": a number with an optional unit, or false. */
bool option_to_number(const char *text, int64_t min, int64_t max,
		      int64_t *out) must_use;
/* "10", "500ms", "1.5m": seconds unless a unit says otherwise, or false. */
bool option_to_ns(const char *text, int64_t *out) must_use;

/* ---- counting (bench_tally.c) -------------------------------------------- */

#define TALLY_ERRORS 256 /* codes -1 .. 254 */

struct gap {
	int64_t last_ns, max_ns, max_at_ns;
};
void gap_start(struct gap *g, int64_t now_ns);
void gap_note(struct gap *g, int64_t now_ns);

struct flow { /* of one direction */
	int64_t records, batches, requests;
	int64_t payload; /* keys and values, in bytes; only when sending */
	int64_t size;    /* of the batches, as they travel */
};
struct tally {
	int64_t start_ns, from_ns, to_ns; /* warm-up; measured: [from, to) */
	struct flow sent, seen;           /* within the measured time */
	struct flow last_sent, last_seen; /* since the last interval line */
	/* what was asked for, whenever it came in */
	int64_t due, retries, refused, unacked, unmatched, unseen;
	int64_t breaks, refreshes, moves, crc_bad;
	int64_t errors[TALLY_ERRORS]; /* by code + 1 */
	struct histogram ack, fetch, e2e;
	struct histogram line; /* since the last interval line */
	enum bench_mode mode;
	struct gap gap;
	struct gap *gaps; /* by partition */
	int32_t gaps_n;
	int64_t line_ns; /* of the last interval line */
};
struct run;
void tally_init(struct tally *t, const struct options *o, int32_t partitions);
void tally_fini(struct tally *t);
void tally_start(struct tally *t, const struct options *o, int64_t now_ns);
bool tally_is_measured(const struct tally *t, int64_t at_ns);
void tally_error(struct tally *t, int16_t code);
struct ack { /* of a batch */
	int32_t partition;
	int64_t intended_ns, now_ns;
	int64_t records, payload, size; /* size: encoded, in bytes */
};
void tally_ack(struct tally *t, const struct ack *a);
struct fetched { /* one answer with records */
	int64_t asked_ns, now_ns;
	int64_t records, size, batches;
};
void tally_fetched(struct tally *t, const struct fetched *f);
void tally_end(struct tally *t, int64_t now_ns); /* closes the gaps */
void tally_line(struct run *r, int64_t now_ns); /* prints, starts the next */

/* ---- brokers and partitions (bench_topology.c) --------------------------- */

struct broker {
	int32_t node;
	char host[256];
	int32_t port;
	struct sockaddr_storage at;
	socklen_t at_n;           /* 0: the name did not resolve */
	int32_t *led, led_n;      /* partitions it leads */
	int64_t not_before_ns;    /* connect again then */
};
struct partition {
	int32_t leader; /* index of the broker, -1 = none known */
	int32_t epoch;
	int64_t first_offset, end_offset; /* at set-up */
};
struct topology {
	char *topic;
	struct partition *partitions;
	int32_t partitions_n;
	struct broker *brokers;
	int32_t brokers_n;
	int16_t produce_version, fetch_version, metadata_version;
	struct client *client; /* set-up only */
	/* refreshing while the run goes on */
	struct conn control;
	struct call ask;
	struct buf ask_bytes;
	struct iovec ask_iov;
	bool asking, wanted;
	int32_t asked;        /* broker asked last */
	int64_t asked_ns;
	struct arena arena;
};
/*
 * Finds the cluster, makes the topic when it is missing, waits for leaders,
 * asks for offsets. 0 or an exit code, and the reason was printed.
 */
int topology_open(struct run *r) must_use;
void topology_close(struct run *r);
/* An idempotent producer's id; 0 or an exit code. */
int topology_producer_id(struct run *r, int64_t *id, int16_t *epoch) must_use;
/* Leaders are in doubt: ask as soon as it is allowed. */
void topology_doubt(struct run *r);
/* Drives the refreshing; returns when it wants to be called again. */
int64_t topology_tick(struct run *r, int64_t now_ns);

/* ---- batches (bench_stock.c) --------------------------------------------- */

struct stock {
	struct bytes *batches;
	int32_t batches_n;
	int32_t records;      /* in each batch */
	int64_t payload;      /* keys and values of one batch, in bytes */
};
void stock_init(struct stock *s, const struct options *o);
void stock_fini(struct stock *s);
/* Header of a batch under another producer; the rest of the bytes stays. */
void stock_sign(struct bytes batch, int64_t producer_id, int16_t epoch,
		int32_t sequence, uint8_t head[BATCH_HEADER_SIZE]);

/* ---- producers (bench_produce.c) ----------------------------------------- */

struct produce;
struct produce *produce_new(struct run *r);
void produce_free(struct produce *p);
/* Ids of idempotent producers; 0 or an exit code. */
int produce_setup(struct produce *p) must_use;
/* Makes what is due and sends it; returns when the next is due. */
int64_t produce_tick(struct produce *p, int64_t now_ns);
/* The leaders are known anew. */
void produce_moved(struct produce *p, int64_t now_ns);
/* Batches that are not acknowledged yet. */
int64_t produce_outstanding(const struct produce *p);

/* ---- consumers (bench_consume.c) ----------------------------------------- */

struct consume;
struct consume *consume_new(struct run *r);
void consume_free(struct consume *c);
int64_t consume_tick(struct consume *c, int64_t now_ns);
void consume_moved(struct consume *c, int64_t now_ns);
bool consume_is_done(const struct consume *c); /* --until-end */

/* ---- end to end (bench_match.c) ------------------------------------------ */

struct match;
struct match *match_new(struct tally *t);
void match_free(struct match *m);
/* In any order. Offset -1: acknowledged, but where it lies is not known. */
void match_sent(struct match *m, int32_t partition, int64_t offset,
		int64_t intended_ns);
void match_seen(struct match *m, int32_t partition, int64_t offset,
		int64_t now_ns);
int64_t match_waiting(const struct match *m); /* acknowledged, not yet seen */

/* ---- the brokers' processes (bench_process.c) ---------------------------- */

struct process {
	int64_t pid;
	double cpu_s;             /* user and system, all threads */
	int64_t rss, rss_peak, pss; /* bytes; -1 = cannot be read */
	int64_t read_bytes, write_bytes; /* of the disk */
	int64_t threads;
};
struct machine_time { /* seconds of all cores since boot */
	double total, steal, softirq;
};
bool process_read(struct process *p, int64_t pid) must_use;
struct machine_time machine_time_read(void);
double process_own_cpu_s(void);

/* ---- the run (bench.c), the report (bench_report.c) ---------------------- */

struct snapshot { /* taken when measuring starts and ends */
	struct process pids[BENCH_PIDS_MAX];
	struct machine_time machine;
	double own_cpu_s;
	int64_t at_ns;
};
struct run {
	struct options options;
	struct loop loop;
	struct topology topology;
	struct stock stock;
	struct tally tally;
	struct produce *produce;
	struct consume *consume;
	struct match *match;
	struct snapshot before, after;
	const char *broken; /* why the run ended early, or NULL */
	bool interrupted;
};
void report_print(const struct run *r);
/* 0 or a negative errno. */
int report_histogram(const struct run *r) must_use;

#endif
