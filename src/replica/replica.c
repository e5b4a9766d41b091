/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One copy of a partition: role, epoch and what the cluster says of it. What a
 * leader does stands in leader.c, what a follower does in follower.c.
 *
 * Not here: messages, sessions, waiting requests. Those are the broker's.
 *
 *   FOLLOWER <--replica_assign--> LEADER    any --replica_offline--> OFFLINE
 *
 * Invariants:
 * 1. high_watermark <= log_end, and never falls while the epoch lasts.
 * 2. peers is empty unless role is LEADER.
 * 3. leader_epoch and partition_epoch only grow.
 */
#include <raftmq/replica.h>

#include "replica_internal.h"

struct replica *replica_new(struct log *log, int32_t node, int64_t lag_max_ms)
{
	struct replica *r = mem_zalloc(sizeof(*r));
	int64_t hw = log_high_watermark(log);

	r->log = log;
	r->topic_id = log_topic_id(log);
	r->index = log_partition(log);
	r->node = node;
	r->role = REPLICA_FOLLOWER;
	r->leader = -1;
	r->leader_epoch = -1;
	r->partition_epoch = -1;
	r->min_isr = 1;
	r->lag_max_ms = lag_max_ms;
	r->high_watermark = max_of(log_start(log), min_of(hw, log_end(log)));
	return r;
}

void replica_free(struct replica *r)
{
	mem_free(r->peers);
	mem_free(r->isr);
	mem_free(r->isr_wanted);
	mem_free(r);
}

struct replica_peer *replica_peer_find(struct replica *r, int32_t node)
{
	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].node == node)
			return &r->peers[i];
	return NULL;
}

const struct replica_peer *replica_peer(const struct replica *r, int32_t node)
{
	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].node == node)
			return &r->peers[i];
	return NULL;
}

static bool has(const int32_t *v, int32_t n, int32_t node)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == node)
			return true;
	return false;
}

int replica_offline(struct replica *r)
{
	if (r->role == REPLICA_OFFLINE)
		return 0;
	r->role = REPLICA_OFFLINE;
	mem_free(r->peers);
	r->peers = NULL;
	r->peers_n = 0;
	return REPLICA_ROLE_CHANGED;
}

void replica_forget_wish(struct replica *r)
{
	r->isr_wanted_n = 0;
	for (int32_t i = 0; i < r->peers_n; i++)
		r->peers[i].wanted = false;
}

static void copy_isr(struct replica *r, const struct replica_assignment *a)
{
	size_t size = (size_t)a->isr_n * sizeof(*a->isr);

	mem_free(r->isr);
	r->isr = size ? mem_dup(a->isr, size) : NULL;
	r->isr_n = a->isr_n;
}

/* Keeps what is known of followers that stay; forgets those that left. */
static void copy_peers(struct replica *r, const struct replica_assignment *a,
		       int64_t now_ms)
{
	size_t most = (size_t)max_of(a->replicas_n, 1);
	struct replica_peer *fresh = mem_zalloc(most * sizeof(*fresh));
	int32_t n = 0;

	for (int32_t i = 0; i < a->replicas_n; i++) {
		int32_t node = a->replicas[i];
		const struct replica_peer *old = replica_peer(r, node);
		struct replica_peer *p = &fresh[n];

		if (node == r->node)
			continue;
		if (old)
			*p = *old;
		else
			*p = (struct replica_peer){ .node = node,
				.broker_epoch = -1, .end = -1,
				.caught_up_ms = now_ms, .last_fetch_ms = -1 };
		p->in_isr = has(a->isr, a->isr_n, node);
		p->wanted = has(r->isr_wanted, r->isr_wanted_n, node);
		p->eligible = !a->eligible || a->eligible[i];
		n++;
	}
	mem_free(r->peers);
	r->peers = fresh;
	r->peers_n = n;
}

static void begin_epoch(struct replica *r, const struct replica_assignment *a)
{
	mem_free(r->peers);
	r->peers = NULL;
	r->peers_n = 0;
	r->isr_retry_ms = 0;
	r->leader_epoch = a->leader_epoch;
	r->leader = a->leader;
	if (a->leader != r->node) {
		r->role = REPLICA_FOLLOWER;
		return;
	}
	r->role = REPLICA_LEADER;
	r->epoch_start = log_end(r->log);
	log_begin_epoch(r->log, a->leader_epoch);
}

int replica_assign(struct replica *r, const struct replica_assignment *a,
		   int64_t now_ms)
{
	enum replica_role before = r->role;
	int changed = 0;

	assert(a->replicas_n >= 0 && a->isr_n >= 0);
	if (log_error(r->log))
		return replica_offline(r);
	if (a->partition_epoch < r->partition_epoch ||
	    a->leader_epoch < r->leader_epoch)
		return 0;
	if (a->partition_epoch > r->partition_epoch) {
		changed |= REPLICA_ISR_CHANGED;
		replica_forget_wish(r);
	}
	if (a->leader_epoch > r->leader_epoch) {
		changed |= REPLICA_EPOCH_CHANGED;
		begin_epoch(r, a);
	}
	r->partition_epoch = a->partition_epoch;
	r->min_isr = max_of(1, min_of(a->min_isr, a->replicas_n));
	copy_isr(r, a);
	if (r->role == REPLICA_LEADER) {
		copy_peers(r, a, now_ms);
		changed |= replica_raise_high_watermark(r);
	}
	if (r->role != before)
		changed |= REPLICA_ROLE_CHANGED;
	return changed;
}

/* Kafka's order: epochs are compared before leadership (KIP-320). */
enum kerr replica_check_leader(const struct replica *r, int32_t epoch)
{
	if (r->role == REPLICA_OFFLINE)
		return K_KAFKA_STORAGE_ERROR;
	if (epoch >= 0 && epoch < r->leader_epoch)
		return K_FENCED_LEADER_EPOCH;
	if (epoch >= 0 && epoch > r->leader_epoch)
		return K_UNKNOWN_LEADER_EPOCH;
	if (r->role != REPLICA_LEADER)
		return K_NOT_LEADER_OR_FOLLOWER;
	return K_NONE;
}

int64_t replica_read_end(const struct replica *r)
{
	return r->high_watermark;
}

static void dump_ids(struct buf *out, const char *name, const int32_t *v,
		     int32_t n)
{
	buf_printf(out, " %s=", name);
	for (int32_t i = 0; i < n; i++)
		buf_printf(out, "%s%d", i ? "," : "", v[i]);
	if (n == 0)
		buf_printf(out, "-");
}

void replica_dump(const struct replica *r, struct buf *out)
{
	static const char *const roles[] = { "follower", "leader", "offline" };

	buf_printf(out, "%s leader=%d epoch=%d pe=%d hw=%" PRId64,
		   roles[r->role], r->leader, r->leader_epoch,
		   r->partition_epoch, r->high_watermark);
	buf_printf(out, " start=%" PRId64 " end=%" PRId64 " durable=%" PRId64,
		   log_start(r->log), log_end(r->log),
		   log_durable_end(r->log));
	dump_ids(out, "isr", r->isr, r->isr_n);
	if (r->isr_wanted_n)
		dump_ids(out, "wanted", r->isr_wanted, r->isr_wanted_n);
	for (int32_t i = 0; i < r->peers_n; i++)
		buf_printf(out, " %d@%" PRId64, r->peers[i].node,
			   r->peers[i].end);
	buf_printf(out, "\n");
}
