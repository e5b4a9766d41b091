/* SPDX-License-Identifier: Apache-2.0 */
/* guard: what libraft 0.22.1 gets wrong; the list is in guard.h. */
#include "guard.h"

#include <raftmq/quorum.h>

static unsigned voters(const struct raft_configuration *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++)
		n += c->servers[i].role == RAFT_VOTER;
	return n;
}

static const struct raft_server *server(const struct raft_configuration *c,
					raft_id id)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->servers[i].id == id)
			return &c->servers[i];
	return NULL;
}

/*
 * G1. At RAFT_START, and when its timer fires, a sole voter turns leader in
 * the term it is in. If it had led in that term before and lost entries with
 * a crash, a stand-by keeps one entry and the leader another under the same
 * index and term: Raft's log matching is broken. So the term goes up first:
 * before START on disk, later by a vote request to itself.
 */
bool guard_is_sole_voter(const struct raft_configuration *c, raft_id self)
{
	const struct raft_server *s = server(c, self);

	return s && s->role == RAFT_VOTER && voters(c) == 1;
}

void guard_self_request(struct raft *r, uint64_t last_term,
			struct raft_message *out)
{
	memset(out, 0, sizeof(*out));
	out->type = RAFT_REQUEST_VOTE;
	out->server_id = r->id;
	out->server_address = r->address;
	out->request_vote.version = 2;
	out->request_vote.term = raft_current_term(r) + 1;
	out->request_vote.candidate_id = r->id;
	out->request_vote.last_log_index = raft_last_index(r);
	out->request_vote.last_log_term = last_term;
	out->request_vote.disrupt_leader = true;
}

/*
 * G2. The answer to an append of an old term that begins at index 0, and to
 * any InstallSnapshot of an old term, says rejected = 0 and leaves
 * last_log_index uninitialised, under the new term. If the sender leads that
 * term by now, it takes garbage for an acknowledgement and commits what
 * nobody has. Zero acknowledges nothing.
 */
void guard_stale_ack(const struct raft *r, const struct raft_message *in,
		     struct raft_message *out)
{
	uint64_t term;

	if (out->type != RAFT_APPEND_ENTRIES_RESULT)
		return;
	if (in->type == RAFT_APPEND_ENTRIES)
		term = in->append_entries.term;
	else if (in->type == RAFT_INSTALL_SNAPSHOT)
		term = in->install_snapshot.term;
	else
		return;
	if (term < raft_current_term(r))
		out->append_entries_result.last_log_index = 0;
}

/*
 * G3. A follower notes for a RAFT_CHANGE the index of the first new entry of
 * the message, whatever the change's own. Truncation then fails to roll the
 * configuration back and commit fails to confirm it. A change is the only
 * entry of its step here.
 */
unsigned guard_slice(const struct raft_entry *entries, unsigned n)
{
	if (n && entries[0].type == RAFT_CHANGE)
		return 1;
	for (unsigned i = 0; i < n; i++)
		if (entries[i].type == RAFT_CHANGE)
			return i;
	return n;
}

/*
 * G4, T1, T11. An append that reaches below what this server has compacted
 * (with prev 0 it passes the check) is appended at the end of the log. One
 * whose prev was compacted is rejected, and the leader walks back below what
 * was acknowledged. One anchored at an old index takes the commit index back.
 * What a leader of this or a later term sends for committed indexes is what
 * we have (leader completeness), so the append starts at our commit index.
 */
void guard_trim_append(const struct raft *r, uint64_t commit_term,
		       struct raft_append_entries *ae)
{
	uint64_t commit = raft_commit_index(r);
	uint64_t known;

	if (r->snapshot.installing || ae->term < raft_current_term(r) ||
	    ae->prev_log_index >= commit)
		return;
	known = min_of(commit - ae->prev_log_index, (uint64_t)ae->n_entries);
	ae->entries += known;
	ae->n_entries -= (unsigned)known;
	ae->prev_log_index = commit;
	ae->prev_log_term = commit_term;
}

/*
 * T1. A peer that rejects below what it has acknowledged in this term is an
 * echo from before (or has lost its log, which no answer can mend): following
 * it down would meet `match < next` in the core.
 */
bool guard_rejection_is_stale(const struct raft *r,
			      const struct raft_message *m)
{
	const struct raft_append_entries_result *a = &m->append_entries_result;
	raft_index match;

	if (m->type != RAFT_APPEND_ENTRIES_RESULT || !a->rejected ||
	    a->term != raft_current_term(r))
		return false;
	if (raft_match_index(r, m->server_id, &match))
		return false;
	return a->last_log_index < match;
}

/*
 * T2. The answer to a pre-vote request repeats the asker's term, even one
 * that is too low, so the asker never learns of the newer term and asks for
 * ever: with the longer log at the lower term, nobody can be elected.
 */
void guard_pre_vote_term(const struct raft *r, const struct raft_message *in,
			 struct raft_message *out)
{
	if (in->type == RAFT_REQUEST_VOTE && in->request_vote.pre_vote &&
	    out->type == RAFT_REQUEST_VOTE_RESULT &&
	    in->request_vote.term < raft_current_term(r))
		out->request_vote_result.term = raft_current_term(r);
}

/*
 * T10. The handler of vote results looks into the candidate's half of a union
 * before it asks whether it is one: a late result moves a follower's term, or
 * not, by a byte of a heap address.
 */
bool guard_wants_vote_result(struct raft *r)
{
	return raft_state(r) == RAFT_CANDIDATE;
}

/*
 * T4. A change that is refused leaves its neighbours in the core's log, and a
 * change right after an election is not held back until the term has a
 * committed entry (the known flaw of single-server changes).
 * T3. A server whose own log says it is no voter refuses its vote; through
 * one or two voters that is a dead end. Fewer than three, once there were
 * three, is refused, and so is growing one voter: its peers could elect a
 * leader before the old sole voter's entry is on any disk but theirs.
 */
int guard_change_fault(const struct raft *r, const struct guard_change *c)
{
	if (!c->own_term_committed || r->configuration_uncommitted_index ||
	    raft_transferee(r) || r->leader_state.promotee_id)
		return -EBUSY;
	if (c->voters_after != c->voters_before &&
	    (c->voters_after < 3 || c->voters_before < 3))
		return -EINVAL;
	return 0;
}

static bool has_everything(struct raft *r, raft_id id)
{
	return guard_is_up_to_date(r, id, 0);
}

/*
 * T5. A transfer to a server that lags sends its TimeoutNow at the first
 * acknowledgement, which is ignored as too early, and never again; meanwhile
 * the leader refuses everything. So only to one that has it all.
 */
raft_id guard_transfer_target(struct raft *r, raft_id to)
{
	for (unsigned i = 0; i < r->configuration.n; i++) {
		const struct raft_server *s = &r->configuration.servers[i];

		if (s->id == r->id || s->role != RAFT_VOTER ||
		    (to && s->id != to))
			continue;
		if (has_everything(r, s->id))
			return s->id;
	}
	return 0;
}

/*
 * T15. A stand-by refuses its vote. It may have been promoted and not have
 * heard of it, and then it is needed: servers vote whatever their own
 * configuration says (Raft dissertation, 4.1). Nor does it ever time out, so it
 * goes on knowing a leader that is gone, and refuses for that.
 */
struct raft_server *guard_may_vote(struct raft *r, const struct raft_event *e,
				   bool silent)
{
	if (e->type != RAFT_RECEIVE ||
	    e->receive.message->type != RAFT_REQUEST_VOTE)
		return NULL;
	for (unsigned i = 0; i < r->configuration.n; i++) {
		struct raft_server *s = &r->configuration.servers[i];

		if (s->id == r->id && s->role == RAFT_STANDBY) {
			s->role = RAFT_VOTER;
			if (silent && r->state == RAFT_FOLLOWER)
				r->follower_state.current_leader.id = 0;
			return s;
		}
	}
	return NULL;
}

/*
 * T16. At RAFT_START the core prints how many entries there are and index and
 * term of the first and the last, in words of its own, into 64 bytes, unless
 * there is but one. What does not fit goes over the stack.
 */
bool guard_start_fits(const struct tail *t)
{
	int64_t last = tail_next(t) - 1;

	if (t->n < 2)
		return true;
	return snprintf(NULL, 0, "%zu entries (%" PRId64 "^%" PRIu64
			"..%" PRId64 "^%" PRIu64 ")", t->n, t->first,
			tail_get(t, t->first)->term, last,
			tail_get(t, last)->term) < 64;
}

/*
 * T6. RAFT_CATCH_UP of a server that has everything waits for news of it and
 * is aborted after five seconds. The leader's own numbers say the same.
 */
bool guard_is_up_to_date(struct raft *r, raft_id id, unsigned slack)
{
	raft_index match;

	if (raft_match_index(r, id, &match))
		return false;
	return match && match + slack >= raft_last_index(r);
}

/*
 * T7. Some states (a spare server, for one) keep raft_timeout in the past;
 * without a tick in between that is a busy loop.
 */
int64_t guard_deadline(const struct raft *r, int64_t now_ms)
{
	int64_t at = (int64_t)raft_timeout(r);

	return max_of(at, now_ms + 1);
}

/*
 * T12. The core drops an InstallSnapshot that comes while it installs
 * another, without freeing it.
 */
void guard_free_install(const struct raft_install_snapshot *in,
			bool was_installing, const struct raft_update *u)
{
	struct raft_install_snapshot is = *in;

	if (!was_installing || (u->flags & RAFT_UPDATE_SNAPSHOT) ||
	    (u->flags & RAFT_UPDATE_MESSAGES))
		return;
	raft_configuration_close(&is.conf);
	raft_free(is.data.base);
}

/* ---- T13: configurations ------------------------------------------------- */

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/*
 * T13. raft_configuration_decode trusts the count and the lengths and reads
 * past the end of a short buffer. Layout: u8 1, u64 count, and per server
 * u64 id, a terminated address, u8 role; zeroes up to a multiple of 8.
 */
static bool read_server(struct reader *r, struct raft_configuration *out)
{
	const uint8_t *id = read_span(r, 8);
	const uint8_t *end;
	const char *address;
	uint8_t role;
	uint64_t n;

	if (r->bad)
		return false;
	end = memchr(r->p, 0, reader_left(r));
	if (!end || end == r->p || end - r->p > QUORUM_ADDRESS_MAX)
		return false;
	address = (const char *)read_span(r, (size_t)(end - r->p) + 1);
	role = read_u8(r);
	n = get_le64(id);
	if (r->bad || !n || n > INT32_MAX || role > RAFT_SPARE)
		return false;
	return raft_configuration_add(out, n, address, role) == 0;
}

bool guard_read_configuration(const void *p, size_t n,
			      struct raft_configuration *out)
{
	struct raft_configuration c;
	struct reader r = reader_of(p, n);
	const uint8_t *count;
	uint64_t servers;
	bool ok;

	raft_configuration_init(&c);
	ok = read_u8(&r) == 1;
	count = read_span(&r, 8);
	servers = r.bad ? 0 : get_le64(count);
	ok = ok && servers >= 1 && servers <= QUORUM_MEMBERS_MAX;
	for (uint64_t i = 0; ok && i < servers; i++)
		ok = read_server(&r, &c);
	ok = ok && voters(&c) >= 1 && reader_left(&r) < 8;
	while (ok && reader_left(&r))
		ok = read_u8(&r) == 0;
	if (!ok || !out)
		raft_configuration_close(&c);
	else
		*out = c;
	return ok;
}

/* ---- T14: messages ------------------------------------------------------- */

/* Zero together or not at all, and within bounds. */
static bool place_ok(uint64_t index, uint64_t term)
{
	return (index == 0) == (term == 0) && index < MESSAGE_INDEX_MAX &&
	       term < MESSAGE_TERM_MAX;
}

static bool append_ok(struct raft *r, const struct raft_append_entries *ae)
{
	uint64_t term = ae->prev_log_term;

	if (!ae->term || !place_ok(ae->prev_log_index, term) ||
	    term > ae->term || ae->leader_commit >= MESSAGE_INDEX_MAX)
		return false;
	/* there is one leader per term, and it is this server */
	if (raft_state(r) == RAFT_LEADER && ae->term == raft_current_term(r))
		return false;
	/* entry 1 names the members: without it no start would find them */
	if (!ae->prev_log_index && ae->n_entries &&
	    ae->entries[0].type != RAFT_CHANGE)
		return false;
	for (unsigned i = 0; i < ae->n_entries; i++) {
		const struct raft_entry *e = &ae->entries[i];

		if (!e->term || e->term < term || e->term > ae->term ||
		    e->type < RAFT_COMMAND || e->type > RAFT_CHANGE)
			return false;
		if (e->type == RAFT_CHANGE &&
		    !guard_read_configuration(e->buf.base, e->buf.len, NULL))
			return false;
		term = e->term;
	}
	return true;
}

/*
 * The core shuts down when a leader contradicts what is committed. A leader
 * that was elected cannot; one that was not is no reason to stop.
 */
bool guard_contradicts(const struct raft *r,
		       const struct raft_append_entries *ae,
		       uint64_t (*term_at)(const struct quorum *q,
					   int64_t index),
		       const struct quorum *q)
{
	uint64_t commit = raft_commit_index(r);
	uint64_t term = ae->prev_log_term;

	/* while a snapshot is installed, its last entry is what is known */
	if (ae->term < raft_current_term(r))
		return false;
	for (unsigned i = 0; i <= ae->n_entries; i++) {
		uint64_t index = ae->prev_log_index + i;
		uint64_t known;

		if (index > commit)
			break;
		known = index ? term_at(q, (int64_t)index) : 0;
		if (i)
			term = ae->entries[i - 1].term;
		if (known && known != term)
			return true;
	}
	return false;
}

/*
 * The core takes a snapshot that ends where it has an entry of another term,
 * even below what is committed: it would go back to before what was applied.
 */
bool guard_contradicts_snapshot(const struct raft *r,
				const struct raft_install_snapshot *is,
				uint64_t known_term)
{
	return is->term >= raft_current_term(r) &&
	       is->last_index <= raft_commit_index(r) && known_term &&
	       known_term != is->last_term;
}

static bool install_ok(struct raft *r, const struct raft_install_snapshot *is)
{
	return is->term && is->last_index && is->last_term &&
	       is->last_term <= is->term && is->conf_index &&
	       is->conf_index <= is->last_index &&
	       is->last_index < MESSAGE_INDEX_MAX &&
	       !(raft_state(r) == RAFT_LEADER &&
		 is->term == raft_current_term(r));
}

static bool vote_result_ok(struct raft *r,
			   const struct raft_request_vote_result *v)
{
	/* the core asserts that nobody grants what was not asked for */
	return v->term && !(v->vote_granted &&
			    v->term > raft_current_term(r) + 1);
}

/*
 * T14. The core asserts what a well-behaved peer would send and, built
 * without assertions, goes on with what it got.
 */
bool guard_is_sound(struct raft *r, const struct raft_message *m)
{
	const struct raft_request_vote *rv = &m->request_vote;
	const struct raft_append_entries_result *ar = &m->append_entries_result;
	const struct raft_timeout_now *tn = &m->timeout_now;

	switch (m->type) {
	case RAFT_REQUEST_VOTE:
		return rv->term && rv->term < MESSAGE_TERM_MAX &&
		       rv->candidate_id == m->server_id &&
		       place_ok(rv->last_log_index, rv->last_log_term) &&
		       rv->last_log_term <= rv->term;
	case RAFT_REQUEST_VOTE_RESULT:
		return m->request_vote_result.term < MESSAGE_TERM_MAX &&
		       vote_result_ok(r, &m->request_vote_result);
	case RAFT_APPEND_ENTRIES:
		return m->append_entries.term < MESSAGE_TERM_MAX &&
		       append_ok(r, &m->append_entries);
	case RAFT_APPEND_ENTRIES_RESULT:
		return ar->term && ar->term < MESSAGE_TERM_MAX &&
		       ar->rejected < MESSAGE_INDEX_MAX &&
		       ar->last_log_index < MESSAGE_INDEX_MAX;
	case RAFT_INSTALL_SNAPSHOT:
		return m->install_snapshot.term < MESSAGE_TERM_MAX &&
		       install_ok(r, &m->install_snapshot);
	case RAFT_TIMEOUT_NOW:
		return tn->term && tn->term < MESSAGE_TERM_MAX &&
		       place_ok(tn->last_log_index, tn->last_log_term) &&
		       tn->last_log_term <= tn->term;
	}
	return false;
}
