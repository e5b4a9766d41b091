/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: what libraft 0.22.1 gets wrong and how this floor keeps it from
 * mattering. Every guard is one small function with its reason; each has a
 * test that shows the defect in the installed library.
 *
 * G guards are about safety (two leaders, phantom acknowledgements, logs that
 * differ), T guards about liveness, crashes and forged input.
 *
 *   G1  guard_is_sole_voter, guard_self_request
 *   G2  guard_stale_ack
 *   G3  guard_slice
 *   G4  guard_trim_append (and T1, T11)
 *   T1  guard_rejection_is_stale
 *   T2  guard_pre_vote_term
 *   T3  guard_change_fault (with T4)
 *   T5  guard_transfer_target
 *   T6  guard_is_up_to_date (instead of CATCH_UP)
 *   T7  guard_deadline
 *   T8  GUARD_CAPACITY
 *   T9  stream.c: one snapshot under way per peer
 *   T10 guard_wants_vote_result
 *   T12 guard_free_install
 *   T13 guard_read_configuration
 *   T14 guard_is_sound, guard_contradicts, guard_contradicts_snapshot
 *   T15 guard_may_vote
 *   T16 guard_start_fits, and what tail.h says of indexes and terms
 */
#ifndef QUORUM_GUARD_H
#define QUORUM_GUARD_H

#include <raft.h>

#include <raftmq/base.h>

#include "message.h"

struct quorum;

/* T8: 0 for raft_event.capacity, and no threshold is ever set. With one, a
 * candidate that wins while disks are full is left a half-made leader. */
#define GUARD_CAPACITY 0

bool guard_is_sole_voter(const struct raft_configuration *c, raft_id self);
/*
 * G1: a follower that is the only voter must not lead without a new term:
 * what it asks itself before its RAFT_TIMEOUT.
 */
void guard_self_request(struct raft *r, uint64_t last_term,
			struct raft_message *out);
/* G2: fixes the answer that came out of a step on a message of an old term. */
void guard_stale_ack(const struct raft *r, const struct raft_message *in,
		     struct raft_message *out);
/* G3: how many of the entries may go into the next RAFT_RECEIVE. */
unsigned guard_slice(const struct raft_entry *entries, unsigned n);
/*
 * G4, T1, T11: an append that begins below our commit index loses what we
 * have; commit_term is the term of the entry there.
 */
void guard_trim_append(const struct raft *r, uint64_t commit_term,
		       struct raft_append_entries *ae);
/* T1: a rejection that contradicts what the peer acknowledged. */
bool guard_rejection_is_stale(const struct raft *r,
			      const struct raft_message *m);
/* T2: fixes the answer to a pre-vote request of an old term. */
void guard_pre_vote_term(const struct raft *r, const struct raft_message *in,
			 struct raft_message *out);
/* T10: a vote that nobody waits for must not reach the core. */
bool guard_wants_vote_result(struct raft *r);

/* What the floor knows and the core does not. */
struct guard_change {
	bool own_term_committed;
	int voters_after; /* the change would leave so many */
	int voters_before;
};
/* T3, T4: 0, or why a configuration change must wait or must not be. */
int guard_change_fault(const struct raft *r, const struct guard_change *c);
/*
 * T15: around the step on a RequestVote: a stand-by becomes a voter for it. To
 * be turned back: what this returns, if it is not NULL, into a stand-by.
 * silent: nothing was heard from a leader for an election timeout.
 */
struct raft_server *guard_may_vote(struct raft *r, const struct raft_event *e,
				   bool silent);
/* T16: the core has room for what it says of a start with these entries. */
bool guard_start_fits(const struct tail *t);
/* T5: a voter that has everything: `to`, or any when it is 0; else 0. */
raft_id guard_transfer_target(struct raft *r, raft_id to);
/* T6: near enough to become a voter without delaying commits. */
bool guard_is_up_to_date(struct raft *r, raft_id id, unsigned slack);
/* T7: when to wake up. */
int64_t guard_deadline(const struct raft *r, int64_t now_ms);

/*
 * T12: after a step on an InstallSnapshot while another is being installed.
 * in: as it was before the step.
 */
void guard_free_install(const struct raft_install_snapshot *in,
			bool was_installing, const struct raft_update *u);
/*
 * T13: parses libraft's encoding of a configuration strictly. On success out
 * is the caller's to close; out may be NULL to only check.
 */
bool guard_read_configuration(const void *p, size_t n,
			      struct raft_configuration *out) must_use;
/*
 * T14: an append that contradicts what is committed here; term_at gives 0 for
 * an index whose term is not known.
 */
bool guard_contradicts(const struct raft *r,
		       const struct raft_append_entries *ae,
		       uint64_t (*term_at)(const struct quorum *q,
					   int64_t index),
		       const struct quorum *q) must_use;
/* T14: the same of a snapshot, by its last entry. */
bool guard_contradicts_snapshot(const struct raft *r,
				const struct raft_install_snapshot *is,
				uint64_t known_term) must_use;
/* T14: may this well-framed message be fed to the core at all? */
bool guard_is_sound(struct raft *r, const struct raft_message *m) must_use;

#endif
