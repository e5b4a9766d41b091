/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quorum: the agreed log. libraft's pure core (raft_step and its queries)
 * behind guards, our own storage, and the state machine it feeds: cluster and
 * coord. Only this floor includes <raft.h>.
 *
 * One thread owns it. It never blocks but for the sync of term and vote.
 */
#ifndef RAFTMQ_QUORUM_H
#define RAFTMQ_QUORUM_H

#include <raftmq/base.h>
#include <raftmq/cluster.h>
#include <raftmq/coord.h>
#include <raftmq/disk.h>

struct quorum;

struct quorum_peer {
	int32_t id;
	char *address; /* HOST:PORT of the peer listener */
};

enum quorum_role { QUORUM_FOLLOWER, QUORUM_CANDIDATE, QUORUM_LEADER };

enum quorum_target { QUORUM_TO_CLUSTER = 1, QUORUM_TO_COORD = 2 };

/* One committed command, after it has been applied. Loans for the call. */
struct quorum_applied {
	int64_t index, term;
	enum quorum_target target;
	struct bytes command;
	uint64_t cookie; /* of our own proposal; 0 = another node's or replay */
	const struct cluster_effects *cluster_effects; /* target cluster */
	const struct coord_effects *coord_effects;     /* target coord */
};

struct quorum_hooks {
	void *ctx;
	/* to a peer's quorum, best effort, frame is a loan */
	void (*send)(void *ctx, int32_t peer, struct bytes frame);
	void (*give)(void *ctx, struct job *j);
	void (*applied)(void *ctx, const struct quorum_applied *e);
	/* our proposal will not be applied under its cookie: outcome unknown
	 * (leadership lost) or refused (not leader, too much in flight) */
	void (*dropped)(void *ctx, uint64_t cookie, bool may_still_commit);
	/* cluster and coord were replaced as a whole by a snapshot */
	void (*restored)(void *ctx);
	void (*role_changed)(void *ctx, enum quorum_role role, int64_t term,
			     int32_t leader); /* leader -1 = unknown */
};

struct quorum_config {
	int32_t id;
	const struct quorum_peer *peers; /* the first members; NULL: joins */
	int peers_n;
	struct disk *disk; /* files under quorum/ */
	uint64_t seed;
	int64_t now_ms;
	int32_t election_timeout_ms, heartbeat_ms;
	int64_t snapshot_entries, snapshot_bytes; /* take one after so much */
	struct quorum_hooks hooks;
};

/* -EBADMSG: own log damaged or shorter than promised (trace says which). */
int quorum_open(struct quorum **out, const struct quorum_config *c) must_use;
void quorum_close(struct quorum *q);

/* The replicated state. Broker code sees it const; only apply changes it. */
const struct cluster *quorum_cluster(const struct quorum *q);
const struct coord *quorum_coord(const struct quorum *q);

/* Leader only, else dropped at once. Proposals of one turn become one append. */
void quorum_propose(struct quorum *q, enum quorum_target target,
		    struct bytes command, uint64_t cookie);
/* A frame from a peer's send(); from is authenticated by the connection. */
void quorum_receive(struct quorum *q, int32_t from, struct bytes frame);
/* The connection to or from that peer broke: it may be dead. */
void quorum_peer_lost(struct quorum *q, int32_t peer);
void quorum_tick(struct quorum *q, int64_t now_ms);
int64_t quorum_next_tick(const struct quorum *q); /* deadline, monotonic */
void quorum_turn_end(struct quorum *q); /* submit what was gathered */

/* Leader hands over before a stop; 0, or -EAGAIN when no peer is up to date. */
int quorum_transfer(struct quorum *q, int32_t to /* -1 = any */) must_use;

/* Everything committed when this was called has been applied here, and this
 * node still was leader then: for reads that must not be stale. The answer
 * comes as done(ok). */
void quorum_read(struct quorum *q, void (*done)(void *ctx, bool ok), void *ctx);

enum quorum_role quorum_role(const struct quorum *q);
int64_t quorum_term(const struct quorum *q);
int32_t quorum_leader(const struct quorum *q); /* -1 unknown */
int64_t quorum_commit_index(const struct quorum *q);
int64_t quorum_applied_index(const struct quorum *q);
int64_t quorum_last_index(const struct quorum *q);

struct quorum_member { /* for DescribeQuorum and quorum status */
	int32_t id;
	const char *address;
	bool voter;
	int64_t match_index;    /* leader only, else -1 */
	int64_t last_heard_ms;  /* monotonic; -1 never */
};
int quorum_members_n(const struct quorum *q);
struct quorum_member quorum_member_at(const struct quorum *q, int i);

/* Whole replicated state as bytes, for a shard's own copy and for dumps. */
void quorum_state_encode(const struct quorum *q, struct buf *cluster_state);

#endif
