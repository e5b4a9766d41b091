/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica: one broker's copy of a partition. Leader or follower, epoch,
 * in-sync replicas, high watermark; and the fetcher that pulls from leaders.
 * Rules: KIP-101, 279, 320, 497, 595, 903, 966.
 *
 * 1. The high watermark never falls within an epoch, and only counts what
 *    replicas of the maximal ISR (committed ISR plus those being added) have
 *    acknowledged under this leader epoch. The leader counts itself by
 *    log_durable_end, a follower counts by the offset it fetches from, which
 *    it only moves up to its own log_durable_end.
 * 2. A follower never truncates to its high watermark, only where the
 *    leader's epochs say they part.
 * 3. A deposed leader acknowledges nothing.
 */
#ifndef RAFTMQ_REPLICA_H
#define RAFTMQ_REPLICA_H

#include <raftmq/base.h>
#include <raftmq/log.h>
#include <raftmq/wire.h>

enum replica_role { REPLICA_FOLLOWER, REPLICA_LEADER, REPLICA_OFFLINE };

struct replica_peer { /* what a leader knows of one follower */
	int32_t node;
	int64_t broker_epoch;  /* of the last fetch (KIP-903); -1 unknown */
	int64_t order;         /* and its place, see struct replica_fetch */
	int64_t end;           /* next offset: all before is durable */
	int64_t caught_up_ms;  /* last time it had everything of a moment */
	int64_t last_fetch_ms;
	int64_t last_fetch_leader_end;
	bool in_isr;   /* committed ISR */
	bool wanted;   /* in the ISR that is proposed, not answered yet */
	bool eligible; /* registered and not fenced, says the cluster */
};

struct replica {
	struct log *log;
	void *owner; /* the broker's bookkeeping for this partition */
	struct uuid topic_id;
	int32_t index;
	int32_t node; /* this broker */
	enum replica_role role;
	int32_t leader; /* -1 none */
	int32_t leader_epoch, partition_epoch;
	int64_t epoch_start; /* leader: log_end when the epoch began */
	int64_t high_watermark;
	struct replica_peer *peers; /* leader: the other replicas */
	int32_t peers_n;
	int32_t *isr; /* committed, as the cluster orders it */
	int32_t isr_n;
	int32_t *isr_wanted; /* proposed, not yet answered; self included */
	int32_t isr_wanted_n; /* 0 = none in flight */
	int32_t min_isr;      /* effective: never above the replica count */
	int64_t lag_max_ms;   /* replica.lag.time.max.ms */
	int64_t isr_retry_ms; /* not before: after a refused proposal */
};

struct replica_assignment { /* from cluster; loans */
	int32_t leader, leader_epoch, partition_epoch;
	const int32_t *replicas, *isr;
	int32_t replicas_n, isr_n;
	int32_t min_isr;
	/* registered and unfenced, same order as replicas; NULL = all are */
	const bool *eligible;
};

struct replica *replica_new(struct log *log, int32_t node, int64_t lag_max_ms);
void replica_free(struct replica *r); /* the log stays the store's */

/*
 * Committed cluster state; older partition epochs are ignored. Returns a set
 * of REPLICA_*_CHANGED bits. Becoming leader begins the epoch in the log. The
 * same partition epoch again only refreshes eligible and min_isr.
 */
enum {
	REPLICA_ROLE_CHANGED = 1,
	REPLICA_EPOCH_CHANGED = 2,
	REPLICA_HW_CHANGED = 4,
	REPLICA_ISR_CHANGED = 8,
	REPLICA_START_CHANGED = 16,
};
int replica_assign(struct replica *r, const struct replica_assignment *a,
		   int64_t now_ms);

/* -1 = do not check. K_FENCED_LEADER_EPOCH, K_UNKNOWN_LEADER_EPOCH,
 * K_NOT_LEADER_OR_FOLLOWER or K_NONE (KIP-320, in Kafka's order). */
enum kerr replica_check_leader(const struct replica *r, int32_t epoch);
/* acks=all before the append: K_NOT_ENOUGH_REPLICAS or K_NONE. */
enum kerr replica_check_min_isr(const struct replica *r);
enum kerr replica_append(struct replica *r, uint8_t *p, size_t n,
			 int64_t wall_ms, struct log_append *out);
/* The log became durable up to log_durable_end: maybe the HW moves. */
int replica_on_durable(struct replica *r);

/*
 * A follower fetches from offset: notes its progress, which may move the high
 * watermark and may make it ready for the ISR. K_NONE, or an epoch error, or
 * K_STALE_BROKER_EPOCH: of a former incarnation or connection, or
 * K_OFFSET_OUT_OF_RANGE; *diverging set when its last epoch does not fit.
 */
struct replica_divergence {
	int32_t epoch; /* -1: none */
	int64_t end_offset;
};
struct replica_fetch {
	int32_t node;
	int64_t broker_epoch;
	/* What was sent on one connection has one number; a follower speaks
	 * of a partition on another one only after it gave up the last, whose
	 * number is smaller. What comes late all the same does not count. */
	int64_t order;
	int64_t offset;
	int32_t current_epoch, last_epoch; /* -1 = not given */
};
enum kerr replica_on_fetch(struct replica *r, const struct replica_fetch *f,
			   int64_t now_ms, int *changed,
			   struct replica_divergence *diverging);

/*
 * The ISR the leader would like: true when it differs from the committed one
 * and no request is in flight; the list is r->isr_wanted and counts for the
 * high watermark from now on (maximal ISR). Shrinks by lag_max_ms, expands when
 * a follower has reached the HW and the start of the epoch (KIP-320 rule 4).
 */
bool replica_want_isr(struct replica *r, int64_t now_ms);
/* The answer to AlterPartition. Refused: the wish is forgotten, and the next
 * one waits a little. Granted, or overtaken by another change: it counts until
 * the partition epoch moves in replica_assign. A request whose fate is unknown
 * stays in flight: ask again with the same list. */
int replica_isr_answered(struct replica *r, enum kerr error, int64_t now_ms);
const struct replica_peer *replica_peer(const struct replica *r, int32_t node);

/* Where consumers' reads must stop: the high watermark. */
int64_t replica_read_end(const struct replica *r);
/* One line of text with everything above, for tests and traces. */
void replica_dump(const struct replica *r, struct buf *out);

/* ---- follower side (follower.c): one partition's exchange ---------------- */

/*
 * What the next fetch asks; false when not a follower, leaderless, or while
 * appended bytes are not durable yet: the offset asked for acknowledges all
 * before it.
 */
bool replica_next_fetch(const struct replica *r, int64_t *offset,
			int32_t *last_epoch);
struct replica_fetched { /* one partition of a leader's answer */
	int16_t error;
	int32_t leader_epoch; /* the epoch under which it was asked */
	int64_t high_watermark, log_start;
	struct replica_divergence diverging;
	const uint8_t *p;
	int32_t n;
};
/*
 * Appends, truncates, moves start and high watermark (never before a pending
 * truncation). 0: go on; -EAGAIN: back off (retriable error); else offline.
 */
int replica_on_fetched(struct replica *r, const struct replica_fetched *f,
		       int *changed) must_use;

#endif
