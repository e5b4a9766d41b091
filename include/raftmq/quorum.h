/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quorum: the agreed log. libraft's pure core (raft_step and its queries)
 * behind guards, our own storage, and the state machine it feeds: cluster and
 * coord. Only this floor includes <raft.h>. Raft is Ongaro's, with pre-vote,
 * leadership transfer and stand-by servers.
 *
 * One thread owns it. It never blocks but for the sync of term and vote (two
 * fdatasync per election). Nothing happens before the first quorum_tick.
 *
 * A failed write or sync of its own files ends the process: what the disk
 * holds is no longer known, and a restart finds out. A full disk does not: it
 * refuses proposals and goes on when there is room again.
 */
#ifndef RAFTMQ_QUORUM_H
#define RAFTMQ_QUORUM_H

#include <raftmq/base.h>
#include <raftmq/cluster.h>
#include <raftmq/coord.h>
#include <raftmq/disk.h>

struct quorum;

#define QUORUM_FRAME_MAX (2 << 20)         /* bytes of one frame to a peer */
#define QUORUM_FLIGHT_MAX 16384            /* own proposals not yet applied */
#define QUORUM_FLIGHT_BYTES_MAX (64 << 20) /* and their bytes */
#define QUORUM_MEMBERS_MAX 64
#define QUORUM_ADDRESS_MAX 300

struct quorum_peer {
	int32_t id;    /* node id, 0 and up */
	char *address; /* HOST:PORT of the peer listener */
};

enum quorum_role { QUORUM_FOLLOWER, QUORUM_CANDIDATE, QUORUM_LEADER };

/* One committed command, after it has been applied. Loans for the call. */
struct quorum_applied {
	int64_t index, term;
	enum quorum_target target;
	struct bytes command;
	uint64_t cookie; /* of our own proposal; 0 = another node's or replay */
	const struct cluster_effects *cluster_effects; /* target cluster */
	const struct coord_effects *coord_effects;     /* target coord */
};

/*
 * What leaves. All are called on the owner's thread, never inside
 * quorum_open or quorum_close. They may call anything here that only asks or
 * gathers (propose, read, the queries), but not tick, receive or turn_end.
 */
struct quorum_hooks {
	void *ctx;
	/*
	 * To a peer's quorum, best effort, the frame is a loan. Frames to one
	 * peer should keep their order; frames of a connection that has been
	 * superseded should be dropped. bulk marks pieces of a snapshot: if
	 * they travel on a connection of their own, heartbeats never wait
	 * behind them (at most one of 256 KiB is under way to a peer).
	 */
	void (*send)(void *ctx, int32_t peer, struct bytes frame, bool bulk);
	void (*give)(void *ctx, struct job *j);
	void (*applied)(void *ctx, const struct quorum_applied *e);
	/*
	 * Our proposal will not be applied under its cookie: refused (not
	 * leader, handing over, too much in flight, disk full), or outcome
	 * unknown because leadership was lost. Comes before role_changed.
	 */
	void (*dropped)(void *ctx, uint64_t cookie, bool may_still_commit);
	/* cluster and coord were replaced as a whole by a snapshot: pointers
	 * from quorum_cluster() and quorum_coord() are to be taken anew */
	void (*restored)(void *ctx);
	/* role, term or known leader changed; leader -1 = unknown */
	void (*role_changed)(void *ctx, enum quorum_role role, int64_t term,
			     int32_t leader);
	/* ids, addresses or roles of the members changed; may be NULL */
	void (*members_changed)(void *ctx);
};

struct quorum_config {
	int32_t id;
	/*
	 * The first members, the same list on every one of them: a blank node
	 * that stands in it founds the quorum with the others. NULL: this node
	 * joins a quorum that runs. Later starts read the members from the log.
	 */
	const struct quorum_peer *peers;
	int peers_n;
	struct disk *disk; /* files under quorum/ */
	uint32_t queue;    /* of its jobs that need order; not 0 */
	uint64_t seed;
	int64_t now_ms; /* monotonic */
	int32_t election_timeout_ms, heartbeat_ms; /* 0: 500 and 50 */
	/* take a snapshot after so much; 0: 65536 entries, 64 MiB */
	int64_t snapshot_entries, snapshot_bytes;
	/* kept below it, at most, for those who are behind; 0: 8192 */
	int64_t trailing_entries;
	/* the leader has all nodes compare their state this often; 0: 1024 */
	int64_t hash_entries;
	struct quorum_hooks hooks;
};

/*
 * Reads what is on disk, or founds. Blocks; calls no hook. Where own files are
 * damaged, or the log is shorter than what this node had promised, quorum/ is
 * set aside (quorum-damaged-1, ...) and the node begins anew: it does not vote
 * before the others have given it all that was agreed. -EBADMSG: the same, but
 * there are fewer than three first members, so nobody could. -EINVAL: the
 * directory belongs to another node, or peers are wrong.
 */
int quorum_open(struct quorum **out, const struct quorum_config *c) must_use;
/* Own files were lost or set aside since the founding, and what was agreed is
 * not all here again: what else stood on that disk may have suffered, too. */
bool quorum_has_forgotten(const struct quorum *q);
/* Before those end who asked: reads that wait are refused. */
void quorum_stop(struct quorum *q);
/*
 * Jobs that were given must still be brought back by their done() (which then
 * only frees): with or without having been run.
 */
void quorum_close(struct quorum *q);

/* The replicated state. Broker code sees it const; only apply changes it. */
const struct cluster *quorum_cluster(const struct quorum *q);
const struct coord *quorum_coord(const struct quorum *q);

/*
 * Leader only, else dropped at once (inside the call). The command is copied.
 * Proposals of one turn become one append. cookie != 0.
 */
void quorum_propose(struct quorum *q, enum quorum_target target,
		    struct bytes command, uint64_t cookie);
/* A frame from a peer's send(); from is authenticated by the connection. */
void quorum_receive(struct quorum *q, int32_t from, struct bytes frame);
/*
 * The connection to or from that peer broke: it may be dead. If it is the
 * leader and nothing is heard from it for two to four heartbeats (instead of
 * one to two election timeouts), this node asks for votes; with pre-vote a
 * leader that others still hear is not disturbed.
 */
void quorum_peer_lost(struct quorum *q, int32_t peer);
/* Time enters here and nowhere else: call it first in each turn. */
void quorum_tick(struct quorum *q, int64_t now_ms);
int64_t quorum_next_tick(const struct quorum *q); /* deadline, monotonic */
void quorum_turn_end(struct quorum *q); /* submit what was gathered */

/*
 * Leader hands over before a stop, to the given voter or to any. 0: under
 * way; new proposals are refused until another leads, or until an election
 * timeout has passed and this node still does. -EPERM: not leader. -ENOENT:
 * no such voter, or no other at all. -EAGAIN: no voter answers.
 */
int quorum_transfer(struct quorum *q, int32_t to /* -1 = any */) must_use;

/*
 * Everything committed when this was called has been applied here, and this
 * node still was leader then: for reads that must not be stale. Costs a round
 * trip to a majority, shared by the reads of a turn, and nothing on disk. The
 * answer comes as done(ok), at once if this node does not lead, never later
 * than leadership ends.
 */
void quorum_read(struct quorum *q, void (*done)(void *ctx, bool ok), void *ctx);

/* ---- members ------------------------------------------------------------- */

enum quorum_change_kind {
	QUORUM_ADD,     /* a stand-by: sees the log, does not vote */
	QUORUM_PROMOTE, /* a stand-by that is up to date becomes a voter */
	QUORUM_REMOVE,
};
struct quorum_change {
	enum quorum_change_kind kind;
	int32_t id;
	const char *address; /* of ADD */
	void (*done)(void *ctx, int error);
	void *ctx;
};
/*
 * Leader only, one at a time. done(error) once: 0 applied here; -EPERM not
 * leader; -EBUSY another change is under way or the term is young: try again;
 * -EAGAIN the stand-by lags, or too few of the voters that would be left answer
 * and vote: try again; -EEXIST; -ENOENT; -EINVAL would leave fewer than three
 * voters, or would remove the leader; -ECANCELED leadership was lost, outcome
 * unknown.
 * A removed node is not told: stop it.
 */
void quorum_change(struct quorum *q, const struct quorum_change *c);

struct quorum_member { /* for DescribeQuorum and quorum status */
	int32_t id;
	const char *address;
	bool voter;
	int64_t match_index;   /* leader only, else -1 */
	int64_t last_heard_ms; /* monotonic; -1 never */
};
int quorum_members_n(const struct quorum *q);
struct quorum_member quorum_member_at(const struct quorum *q, int i);

/* ---- queries ------------------------------------------------------------- */

enum quorum_role quorum_role(const struct quorum *q);
int64_t quorum_term(const struct quorum *q);
int32_t quorum_leader(const struct quorum *q); /* -1 unknown */
/* The leader has spoken within that time. A stand-by, which never asks for
 * votes, goes on believing in the last one that it heard. */
bool quorum_is_led(const struct quorum *q, int64_t within_ms);
int64_t quorum_commit_index(const struct quorum *q);
int64_t quorum_applied_index(const struct quorum *q);
int64_t quorum_last_index(const struct quorum *q);
int64_t quorum_snapshot_index(const struct quorum *q); /* 0 none */
bool quorum_disk_full(const struct quorum *q);

/* The cluster half as bytes, for a shard's own copy and for dumps. */
void quorum_state_encode(const struct quorum *q, struct buf *cluster_state);

#endif
