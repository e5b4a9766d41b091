/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core: what the files of this floor share. One struct quorum per node, used
 * by its owner's thread; jobs touch only what hangs on them, and the log on
 * disk, which is theirs alone between open and close.
 *
 *   quorum.c   front door: propose, receive, tick, queries
 *   read.c     reads that must not be stale
 *   open.c     from the files to a running node; founding one; closing
 *   step.c     raft_step and what its updates ask for, in their order
 *   apply.c    committed entries into the state machine, snapshots of it
 *   write.c    the jobs
 *   stream.c   snapshots to and from peers
 *   member.c   who belongs to it
 *
 * 1. raft_step is called in step.c alone and never from inside itself.
 * 2. The tail holds what the core believes to be in the log, always.
 * 3. Term and vote are on disk before anything else of a step leaves.
 * 4. Entries are applied once, in order, up to min(commit, stored), and never
 *    while a snapshot is being installed.
 * 5. Jobs that touch the log run one at a time, in the order they were made.
 */
#ifndef QUORUM_CORE_H
#define QUORUM_CORE_H

#include <raft.h>

#include <raftmq/quorum.h>

#include "entries.h"
#include "fsm.h"
#include "guard.h"
#include "message.h"
#include "snapshot.h"
#include "tail.h"
#include "vote.h"
#include "waiting.h"

#define SUBMIT_MAX 1024 /* entries of one RAFT_SUBMIT */
#define SUBMIT_BYTES_MAX (1 << 20)
#define GATHER_KEEP (1 << 20) /* bytes of a buffer worth keeping */
#define INFLIGHT_MAX 4096               /* entries to a peer, unanswered */
#define TRAILING_MAX (2LL * INFLIGHT_MAX) /* entries kept below a snapshot */
#define TRAILING_BYTES_MAX (32 << 20)
#define MARK_SYNC_MS 100
#define FULL_RETRY_MS 200 /* between two tries on a full disk */
#define HASH_MS 1000      /* between two comparisons of the state */

struct quorum;

/* A job of this floor. */
struct work {
	struct job job;
	struct list link; /* in quorum.ordered */
	struct quorum *q;
	bool is_ordered;
	int rc; /* of run */
	int (*run)(struct work *w);
	void (*done)(struct work *w);  /* owner; unordered ones look at rc */
	void (*drop)(struct work *w);  /* frees it */
};

struct stream_out { /* a snapshot on its way to a peer */
	int32_t peer;
	int64_t index, total;
	int64_t at;       /* of the piece under way; == total: all arrived */
	int64_t sent_ms;  /* the piece; 0 = it is being read */
	int64_t moved_ms; /* last progress */
	bool again;       /* the core has asked for another one since */
};
struct stream_in { /* one on its way here */
	int32_t peer;
	int64_t index, total;
	struct buf image;
};

struct heard {
	int32_t node;
	int64_t at_ms;
	int lacking; /* rejections in a row below what it acknowledged */
	int64_t told; /* the highest commit index that it was sent */
	bool votes;   /* it has said that it is no newcomer */
};

struct quorum {
	struct quorum_hooks hooks;
	struct disk *disk;
	int32_t id;
	uint32_t queue;
	int64_t now_ms;
	int32_t election_timeout_ms, heartbeat_ms;
	int64_t snapshot_entries, snapshot_bytes, hash_entries;
	int64_t trailing_entries, trailing_bytes;

	struct raft raft;
	bool raft_inited, started, stepping, closed;
	struct vote_file vote;
	uint64_t group;
	struct tail tail;
	struct arena frame_arena; /* of the message being received */
	struct buf frame;         /* the message being sent */

	/* jobs (write.c) */
	int jobs_out; /* given, not brought back */
	struct list ordered;
	bool ordered_out;      /* the first of them is out */
	bool full;             /* it did not fit on the disk */
	int64_t full_retry_ms; /* and is to be tried again then */
	struct entries entries;
	struct buf batch;     /* records that wait for the job before */
	struct writes writes; /* what they are */
	bool writing;         /* a job with a batch is under way */
	struct writes flying; /* of that one */
	int64_t mark_synced_ms;

	/* snapshots (apply.c, stream.c) */
	int64_t snapshot_index; /* the newest durable one */
	uint64_t snapshot_term;
	int64_t bytes_since_snapshot;
	bool taking;
	int64_t take_after_ms; /* not before; after a failure */
	bool installing;
	uint64_t installing_term; /* of the snapshot's last entry */
	struct stream_out streams[QUORUM_MEMBERS_MAX];
	int streams_n;
	struct stream_in incoming;

	/* the state machine (apply.c) */
	struct fsm fsm;
	int64_t applied;
	bool applying;
	struct buf conf; /* of the last applied RAFT_CHANGE, encoded */
	int64_t conf_index;
	int64_t hash_index, hash_ms; /* last check applied, proposed */
	struct buf expectation;      /* to be proposed */

	/* roles (step.c) */
	enum quorum_role role;
	uint64_t term;
	int32_t leader;
	uint64_t leader_term, led_term;
	bool own_term_applied; /* an entry of the own term, as leader */
	int64_t heard_ms;      /* from the leader of leader_term */
	bool hurried;          /* shortened election timeout */
	int32_t lost_leader;
	int64_t lost_ms;
	bool members_dirty; /* members_changed is due */
	struct heard heard[QUORUM_MEMBERS_MAX];
	int heard_n;

	/* proposals and reads (quorum.c) */
	struct buf gather; /* payloads of gathering */
	struct waitings gathering, flight, reads;
	struct {
		uint64_t serial;
		bool open;     /* asked, not confirmed */
		int64_t index; /* to be applied before its reads */
		size_t reads;  /* the first so many of them are in it */
		int64_t sent_ms;
		int32_t answers[QUORUM_MEMBERS_MAX];
		int answers_n;
	} round; /* read.c */
	int64_t flight_bytes; /* gathering and flight */
	bool barrier_wanted;
	int32_t transfer_to;       /* -1 any */
	int64_t transfer_until_ms; /* 0 = none wanted */

	struct { /* member.c */
		bool active;
		int64_t index;
		void (*done)(void *ctx, int error);
		void *ctx;
	} change;
};

/* step.c */
void step_start(struct quorum *q, const struct raft_event *e);
void step_receive(struct quorum *q, struct raft_message *m);
/* 0 or libraft's code; the first index is tail_next before the call */
int step_submit(struct quorum *q, struct raft_entry *entries, unsigned n);
int step_transfer(struct quorum *q, raft_id to);
void step_timeout(struct quorum *q);
void step_persisted(struct quorum *q, int64_t index);
void step_installed(struct quorum *q, const struct snapshot *s);
void step_taken(struct quorum *q, const struct snapshot *s, unsigned trailing);
void step_committed_conf(struct quorum *q, int64_t index);
void step_hurry(struct quorum *q, int32_t lost);
void step_hurry_check(struct quorum *q);
int64_t step_patience_end(const struct quorum *q); /* INT64_MAX: none */
uint64_t step_term_at(const struct quorum *q, int64_t index); /* 0 unknown */
void step_save_vote(struct quorum *q);
void step_send(struct quorum *q, struct message *m, int32_t to, bool bulk);
void step_announce(struct quorum *q); /* what is committed, at a turn's end */

/* apply.c */
void apply_committed(struct quorum *q);
void apply_snapshot(struct quorum *q, const struct snapshot *s,
		    struct fsm_image *image);

/* write.c */
void write_entries(struct quorum *q, int64_t index, unsigned n);
void write_void(struct quorum *q); /* what is under way is not to be told */
void write_flush(struct quorum *q);
void write_order(struct quorum *q, struct work *w); /* after those before */
void write_give(struct quorum *q, struct work *w);  /* beside the others */
void write_trim(struct quorum *q, int64_t index);
void write_tick(struct quorum *q);

/* stream.c */
void stream_begin(struct quorum *q, int32_t peer);
void stream_piece(struct quorum *q, int32_t from,
		  const struct message_piece *p);
void stream_result(struct quorum *q, int32_t from,
		   const struct message_piece_result *r);
void stream_acknowledged(struct quorum *q, int32_t peer);
void stream_tick(struct quorum *q);
int64_t stream_next(const struct quorum *q, int64_t before);
void stream_stop_all(struct quorum *q);
int64_t stream_oldest(const struct quorum *q); /* snapshot still needed */
void stream_install(struct quorum *q);         /* the incoming one */

/* member.c */
void member_applied(struct quorum *q, int64_t index);
void member_lost(struct quorum *q);
void member_heard(struct quorum *q, int32_t node);
struct heard *member_find(const struct quorum *q, int32_t node); /* or NULL */
bool member_answers(const struct quorum *q, int32_t node); /* of late */
void member_lacks(struct quorum *q, int32_t node, bool lacks);
void member_votes(struct quorum *q, int32_t node, bool votes);

/* newcomer.c */
bool newcomer_may_vote(const struct quorum *q, const struct message *m);
void newcomer_look(struct quorum *q); /* after each step */
void newcomer_lacks(struct quorum *q, int32_t peer, int row);
int newcomer_set_aside(struct disk *d); /* quorum/, which is damaged */
bool newcomer_is_later(struct disk *d); /* that has happened */

/* quorum.c */
void quorum_lose(struct quorum *q); /* leadership: tells all who wait */
uint64_t quorum_cookie(struct quorum *q, const struct entry *e);
void quorum_try_transfer(struct quorum *q);

/* read.c */
void read_begin(struct quorum *q);
bool read_waits(const struct quorum *q); /* for a round to begin */
void read_answer(struct quorum *q);
void read_refuse_all(struct quorum *q);
void read_tick(struct quorum *q);
void read_probe(struct quorum *q, int32_t from, const struct message_probe *p);
void read_probe_result(struct quorum *q, int32_t from,
		       const struct message_probe *p);

/* open.c */
void quorum_begin(struct quorum *q); /* RAFT_START */
void quorum_free(struct quorum *q);

#endif
