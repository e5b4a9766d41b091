/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A follower's side of one partition's exchange with its leader.
 *
 * Invariants:
 * 1. It cuts its log only where the leader's epochs say the two part
 *    (KIP-101, KIP-279), never at its high watermark.
 * 2. An answer to a question asked under an older epoch is thrown away.
 * 3. The high watermark follows the leader's, never beyond the own end, and
 *    only with or after the bytes it covers (KAFKA-14704).
 * 4. The next question is asked when everything before it is durable, since
 *    asking acknowledges (see leader.c).
 */
#include <raftmq/replica.h>

#include "replica_internal.h"

bool replica_next_fetch(const struct replica *r, int64_t *offset,
			int32_t *last_epoch)
{
	if (r->role != REPLICA_FOLLOWER || r->leader < 0 ||
	    r->leader == r->node)
		return false;
	if (log_durable_end(r->log) < log_end(r->log))
		return false;
	*offset = log_end(r->log);
	*last_epoch = log_last_epoch(r->log);
	return true;
}

/*
 * The leader's largest epoch not above ours is d->epoch, ending at
 * d->end_offset. Where we know that epoch too, the logs agree up to the smaller
 * end. Where we do not, they can agree at most up to the end of our largest
 * epoch below it; the next exchange compares again (KIP-279).
 */
static int64_t parting_offset(const struct replica *r,
			      const struct replica_divergence *d)
{
	int32_t epoch;
	int64_t end;

	log_epoch_end(r->log, d->epoch, &epoch, &end);
	if (epoch < 0)
		return min_of(d->end_offset, log_end(r->log));
	if (epoch == d->epoch)
		end = min_of(end, d->end_offset);
	return min_of(end, log_end(r->log));
}

static int cut(struct replica *r, const struct replica_divergence *d,
	       int *changed)
{
	int64_t at = max_of(parting_offset(r, d), log_start(r->log));
	int rc;

	if (at < r->high_watermark)
		trace_warn("replica", "cutting below the high watermark",
			   "topic=%.*s partition=%d at=%" PRId64 " hw=%" PRId64
			   " leader=%d epoch=%d",
			   STR_ARG(log_topic(r->log)), r->index, at,
			   r->high_watermark, r->leader, r->leader_epoch);
	rc = log_truncate(r->log, at);
	if (rc < 0)
		return rc;
	at = min_of(at, log_end(r->log)); /* batches go as a whole */
	if (r->high_watermark > at) {
		r->high_watermark = at;
		log_set_high_watermark(r->log, at);
		*changed |= REPLICA_HW_CHANGED;
	}
	return 0;
}

static int begin_at(struct replica *r, int64_t offset, int *changed)
{
	int rc;

	trace_info("replica", "out of the leader's range, beginning again",
		   "topic=%.*s partition=%d end=%" PRId64 " at=%" PRId64,
		   STR_ARG(log_topic(r->log)), r->index, log_end(r->log),
		   offset);
	rc = log_restart_at(r->log, offset);
	if (rc < 0)
		return rc;
	r->high_watermark = offset;
	log_set_high_watermark(r->log, offset);
	*changed |= REPLICA_HW_CHANGED | REPLICA_START_CHANGED;
	return 0;
}

/*
 * The leader no longer has what we need next: begin at its first offset. Or it
 * does not have it yet, and we have nothing, so that no epoch says where we
 * part: a leader that lost what was in memory begins before our empty log.
 */
static int begin_again(struct replica *r, int64_t leader_start, int *changed)
{
	if (leader_start <= log_end(r->log) &&
	    log_start(r->log) < log_end(r->log))
		return -EAGAIN;
	return begin_at(r, leader_start, changed);
}

/*
 * The leader's log starts where ours ends, inside a batch that we do not have:
 * we part from it further down, of which it knows no epoch any more.
 */
static bool parts_below_start(const struct replica *r,
			      const struct replica_fetched *f)
{
	int64_t end = log_end(r->log);
	struct batch b;

	return f->log_start >= end && log_start(r->log) < end &&
	       (size_t)f->n >= BATCH_HEADER_SIZE &&
	       batch_peek(f->p, (size_t)f->n, &b) == K_NONE &&
	       b.base_offset < end && batch_last_offset(&b) >= end;
}

static int follow_marks(struct replica *r, const struct replica_fetched *f,
			int *changed)
{
	int64_t hw = min_of(f->high_watermark, log_end(r->log));
	int64_t start = min_of(f->log_start, log_end(r->log));
	int rc;

	if (start > log_start(r->log)) {
		rc = log_advance_start(r->log, start);
		if (rc < 0)
			return rc;
		*changed |= REPLICA_START_CHANGED;
	}
	hw = max_of(hw, log_start(r->log));
	if (hw > r->high_watermark) {
		r->high_watermark = hw;
		log_set_high_watermark(r->log, hw);
		*changed |= REPLICA_HW_CHANGED;
	}
	return 0;
}

static int take(struct replica *r, const struct replica_fetched *f,
		int *changed)
{
	int rc;

	if (f->error == K_OFFSET_OUT_OF_RANGE)
		return begin_again(r, f->log_start, changed);
	if (f->error)
		return -EAGAIN;
	if (f->diverging.epoch >= 0)
		return cut(r, &f->diverging, changed);
	if (f->n > 0 && parts_below_start(r, f))
		return begin_at(r, f->log_start, changed);
	if (f->n > 0) {
		rc = log_append_copy(r->log, f->leader_epoch, f->p,
				     (size_t)f->n);
		if (rc < 0)
			return rc;
	}
	return follow_marks(r, f, changed);
}

int replica_on_fetched(struct replica *r, const struct replica_fetched *f,
		       int *changed)
{
	int rc;

	*changed = 0;
	if (r->role != REPLICA_FOLLOWER || f->leader_epoch != r->leader_epoch)
		return 0;
	rc = take(r, f, changed);
	if (rc >= 0 || rc == -EAGAIN)
		return rc;
	/* bad bytes, no space, no file descriptors: nothing was done */
	if (!log_error(r->log))
		return -EAGAIN;
	*changed |= replica_offline(r);
	return rc;
}
