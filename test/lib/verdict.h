/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict: judges a history of client operations (history.h). It knows
 * nothing but what clients saw, so whatever it calls a violation is one, and
 * a user could have noticed.
 *
 * The log of a partition is put together from what was read by anyone and
 * from acks=all sends that were told their offset. What acks=1 and acks=0 were
 * told binds nobody until it has been read: a record below the high watermark
 * is there for good.
 *
 * Violations, by the names of Jepsen's Kafka workload where it has one:
 *
 *  duplicate	a value stands at two offsets. Legal for a producer that is
 *		not idempotent, if the send was retried or its outcome is not
 *		known; and where the first had gone below the log start when
 *		the second was written: with the last batches of a producer a
 *		log may forget it, as Kafka's does
 *  inconsistent-offsets	an offset holds two values
 *  lost-write	acknowledged (acks=all), or read once by anybody, and not in
 *		a final read that goes beyond its offset. Without a final read
 *		of the partition: acknowledged below the highest offset read,
 *		and never read
 *  unseen	the same at the end of the log: beyond all that was read
 *  G1a		a send that failed was read
 *  phantom	a value was read that nobody had sent there by then, or that
 *		was sent to a topic deleted since
 *  int-poll-skip, poll-skip	a known record between two of one poll, or
 *		between one poll (or seek) and the next of its process
 *  int-nonmonotonic-poll, nonmonotonic-poll	the same, going back
 *  nonmonotonic-send	two acks=all sends, one invoked after the other was
 *		acknowledged (by any process), or two of one idempotent
 *		producer, stand in the log the other way round; but for one
 *		that may be such a legal duplicate
 *  above-end	a record at or above the high watermark that its own answer
 *		told (read_committed: the last stable offset)
 *  hw-back, start-back	a process is told a lower high watermark or log start
 *		than before by the leader of the same epoch
 *  start-jump	a log start was told that no `start' explains, and the
 *		partition has no HISTORY_RETENTION, nor HISTORY_MEMORY and has
 *		seen a power cut
 *  commit-back	a committed offset was fetched that a later commit had
 *		replaced for certain, or none was where one must be
 *  commit-phantom	an offset was fetched that nobody had committed
 *  commit-beyond	a committed offset beyond the end of the final read, of
 *		a partition that no power cut or deletion has touched
 *  commit-fenced	a commit succeeded after another process had been told
 *		that it owns the partition in a later generation
 *  two-owners	two processes were told to own a partition in one generation
 *  bad-history	the history breaks its own rules: a value was sent twice, a
 *		completion precedes its invocation
 *
 * Only counted, since Kafka allows it for a bounded time (a fetch from a
 * follower, a high watermark that lags behind): `stale', polls that came to
 * the end of the log although a record there had been acknowledged or read
 * before the poll was invoked.
 *
 * Legal losses: below a log start that was told (HISTORY_RETENTION) or set
 * (start, from its invocation on); all of a deleted topic; on a partition with
 * HISTORY_MEMORY what was acknowledged or read before a power cut: the log
 * is judged from cut to cut. An operation that overlaps a cut or a deletion
 * could be on either side of it; it is left out (`unjudged').
 *
 * With HISTORY_OFFLINE what was acknowledged may stay unread where no final
 * read says more: nobody who has it is there to ask.
 *
 * Time is O(n log n), memory about 150 bytes a send and 100 a consumer and
 * partition, whatever was read how often; freed at the end.
 */
#ifndef TEST_LIB_VERDICT_H
#define TEST_LIB_VERDICT_H

#include "history.h"

enum verdict_error {
	VERDICT_DUPLICATE,
	VERDICT_INCONSISTENT_OFFSETS,
	VERDICT_LOST_WRITE,
	VERDICT_UNSEEN,
	VERDICT_G1A,
	VERDICT_PHANTOM,
	VERDICT_INT_POLL_SKIP,
	VERDICT_POLL_SKIP,
	VERDICT_INT_NONMONOTONIC_POLL,
	VERDICT_NONMONOTONIC_POLL,
	VERDICT_NONMONOTONIC_SEND,
	VERDICT_ABOVE_END,
	VERDICT_HW_BACK,
	VERDICT_START_BACK,
	VERDICT_START_JUMP,
	VERDICT_COMMIT_BACK,
	VERDICT_COMMIT_PHANTOM,
	VERDICT_COMMIT_BEYOND,
	VERDICT_COMMIT_FENCED,
	VERDICT_TWO_OWNERS,
	VERDICT_BAD_HISTORY,
	VERDICT_ERRORS,
};

struct verdict {
	uint64_t errors[VERDICT_ERRORS];
	uint64_t violations; /* all of them */
	struct buf lines;    /* the violations in words, one a line */

	/* only reported */
	uint64_t ops, sends[HISTORY_OUTCOMES], polls, records;
	uint64_t final_reads; /* partitions of them */
	uint64_t values_read; /* of those sent, by anyone */
	uint64_t duplicates;  /* legal ones */
	uint64_t lost;        /* legally: ok with acks 0 or 1, never read */
	uint64_t unjudged;    /* operations at a cut or a deletion */
	uint64_t stale;
	int64_t stale_worst_us; /* acknowledged so long before the poll */
	/* the longest that a record was there when a poll ended that had not
	 * come to it, and that poll */
	int64_t lag_worst_us;
	uint32_t lag_op;
	int64_t gap_worst_us; /* between acknowledgements of a partition */
	int gap_key;          /* -1: no two acknowledgements */
	int outages_n;        /* faults and cuts in the history; after each, */
	int64_t outage_p50_us, outage_p99_us, outage_max_us; /* outages */
};

/* Names as above. */
const char *verdict_error_name(enum verdict_error e);

/*
 * Fills v, which verdict_fini frees. Each kind of violation is told in words
 * lines_max times at most; all are counted.
 */
void verdict_judge(const struct history *h, unsigned lines_max,
		   struct verdict *v);
void verdict_fini(struct verdict *v);

void verdict_print(const struct verdict *v, const struct history *h,
		   struct buf *out);
void verdict_json(const struct verdict *v, struct buf *out); /* one line */

#endif
