/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leader's duties: append, note how far each follower is, move the high
 * watermark, wish for another in-sync set.
 *
 * Invariants:
 * 1. The high watermark counts every member of the maximal ISR: the committed
 *    one and the one asked for. So it is right whether or not the request has
 *    taken effect (KIP-497), until the committed one is known again.
 * 2. A follower's end is set only by a fetch under the current leader epoch,
 *    so what an older epoch acknowledged does not count (KIP-101, KIP-320).
 * 3. Progress is what the follower said last, not what was heard last: of its
 *    connections the youngest counts.
 * 4. It does not move while the committed ISR is below min.insync.replicas
 *    (KIP-966: a member of the ELR must have everything below it).
 */
#include <raftmq/replica.h>

#include "replica_internal.h"

/* Refused once: the cluster has to change first, so do not ask at once. */
#define ISR_RETRY_MS 100

enum kerr replica_check_min_isr(const struct replica *r)
{
	return r->isr_n < r->min_isr ? K_NOT_ENOUGH_REPLICAS : K_NONE;
}

enum kerr replica_append(struct replica *r, uint8_t *p, size_t n,
			 int64_t wall_ms, struct log_append *out)
{
	enum kerr error;

	assert(r->role == REPLICA_LEADER);
	error = log_append(r->log, &(struct log_offer){ p, n, r->leader_epoch,
							 wall_ms }, out);
	if (log_error(r->log))
		replica_offline(r);
	return error;
}

int replica_raise_high_watermark(struct replica *r)
{
	int64_t low = log_durable_end(r->log);

	if (r->role != REPLICA_LEADER || r->isr_n < r->min_isr)
		return 0;
	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].in_isr || r->peers[i].wanted)
			low = min_of(low, r->peers[i].end);
	low = max_of(low, log_start(r->log));
	if (low <= r->high_watermark)
		return 0;
	assert(low <= log_end(r->log));
	r->high_watermark = low;
	log_set_high_watermark(r->log, low);
	return REPLICA_HW_CHANGED;
}

int replica_on_durable(struct replica *r)
{
	return replica_raise_high_watermark(r);
}

/*
 * Where the logs part (KIP-595): the follower's last epoch must exist here and
 * reach at least to where it wants to go on.
 */
static enum kerr find_divergence(const struct replica *r,
				 const struct replica_fetch *f,
				 struct replica_divergence *d)
{
	int32_t epoch;
	int64_t end;

	if (f->last_epoch < 0)
		return K_NONE;
	log_epoch_end(r->log, f->last_epoch, &epoch, &end);
	if (epoch < 0)
		return K_OFFSET_OUT_OF_RANGE;
	if (epoch < f->last_epoch || end < f->offset)
		*d = (struct replica_divergence){ epoch, end };
	return K_NONE;
}

static void note_progress(struct replica *r, struct replica_peer *p,
			  const struct replica_fetch *f, int64_t now_ms)
{
	/* It has everything of now, or everything there was when it last
	 * asked: then it was caught up at that time. */
	if (f->offset >= log_end(r->log))
		p->caught_up_ms = now_ms;
	else if (p->last_fetch_ms >= 0 &&
		 f->offset >= p->last_fetch_leader_end)
		p->caught_up_ms = max_of(p->caught_up_ms, p->last_fetch_ms);
	p->end = f->offset;
	p->broker_epoch = f->broker_epoch;
	p->order = f->order;
	p->last_fetch_ms = now_ms;
	p->last_fetch_leader_end = log_end(r->log);
}

enum kerr replica_on_fetch(struct replica *r, const struct replica_fetch *f,
			   int64_t now_ms, int *changed,
			   struct replica_divergence *diverging)
{
	struct replica_peer *p;
	enum kerr error = replica_check_leader(r, f->current_epoch);

	*changed = 0;
	*diverging = (struct replica_divergence){ -1, -1 };
	if (error)
		return error;
	p = replica_peer_find(r, f->node);
	if (!p) /* our copy of the cluster may be behind: it will ask again */
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	if (f->broker_epoch < p->broker_epoch || f->order < p->order)
		return K_STALE_BROKER_EPOCH;
	error = find_divergence(r, f, diverging);
	if (error || diverging->epoch >= 0)
		return error;
	if (f->offset < log_start(r->log) || f->offset > log_end(r->log))
		return K_OFFSET_OUT_OF_RANGE;
	note_progress(r, p, f, now_ms);
	*changed = replica_raise_high_watermark(r);
	return K_NONE;
}

static bool lags(const struct replica *r, const struct replica_peer *p,
		 int64_t now_ms)
{
	return p->end != log_end(r->log) &&
	       now_ms - p->caught_up_ms > r->lag_max_ms;
}

/*
 * Only one that acknowledged under this epoch (KIP-320 rule 4) and is known,
 * by its broker epoch, to be the incarnation that did (KIP-903).
 */
static bool may_join(const struct replica *r, const struct replica_peer *p)
{
	return p->eligible && p->broker_epoch >= 0 &&
	       p->end >= r->high_watermark && p->end >= r->epoch_start;
}

bool replica_want_isr(struct replica *r, int64_t now_ms)
{
	size_t most = (size_t)(r->peers_n + 1) * sizeof(*r->isr_wanted);
	bool differs = false;
	int32_t n = 0;

	if (r->role != REPLICA_LEADER || r->isr_wanted_n ||
	    now_ms < r->isr_retry_ms)
		return false;
	for (int32_t i = 0; i < r->peers_n; i++) {
		struct replica_peer *p = &r->peers[i];

		p->wanted = p->in_isr ? !lags(r, p, now_ms) : may_join(r, p);
		differs |= p->wanted != p->in_isr;
	}
	if (!differs) {
		replica_forget_wish(r);
		return false;
	}
	r->isr_wanted = mem_realloc(r->isr_wanted, most);
	r->isr_wanted[n++] = r->node;
	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].wanted)
			r->isr_wanted[n++] = r->peers[i].node;
	r->isr_wanted_n = n;
	return true;
}

/*
 * Granted, or overtaken by a change (it may have been the same wish, asked
 * twice): the committed set is another one already, and who is new in it counts
 * although we have yet to be told.
 */
static bool is_settled(enum kerr error)
{
	return error == K_NONE || error == K_INVALID_UPDATE_VERSION ||
	       error == K_FENCED_LEADER_EPOCH;
}

int replica_isr_answered(struct replica *r, enum kerr error, int64_t now_ms)
{
	if (is_settled(error))
		return 0; /* replica_assign will end the wish */
	replica_forget_wish(r);
	r->isr_retry_ms = now_ms + ISR_RETRY_MS;
	return replica_raise_high_watermark(r);
}
