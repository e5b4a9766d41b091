/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step: raft_step and what its updates ask for. Not the reasons for handling
 * messages with care: those are in guard.c.
 *
 * The order of an update: term and vote (synced), entries, snapshot, messages
 * (they point into the core: before the next step), commits, roles.
 */
#include "core.h"

static const char no_address[] = "-"; /* peers are found by their id */

uint64_t step_term_at(const struct quorum *q, int64_t index)
{
	const struct entry *e = tail_get(&q->tail, index);

	if (e)
		return e->term;
	if (q->installing && index == q->tail.first - 1)
		return q->installing_term;
	return index == q->snapshot_index ? q->snapshot_term : 0;
}

void step_save_vote(struct quorum *q)
{
	struct vote v = q->vote.now;
	int rc;

	v.term = raft_current_term(&q->raft);
	v.voted_for = raft_voted_for(&q->raft);
	v.group = q->group;
	if (v.term == q->vote.now.term && v.group == q->vote.now.group &&
	    v.voted_for == q->vote.now.voted_for)
		return;
	rc = vote_save(&q->vote, &v);
	if (rc)
		fatal("quorum: cannot save term and vote: %s; what is on disk "
		      "is unknown, so this node stops", strerror(-rc));
}

/* ---- sending ------------------------------------------------------------- */

void step_send(struct quorum *q, struct message *m, int32_t to, bool bulk)
{
	m->group = q->group;
	m->from = q->id;
	m->to = to;
	q->frame.n = 0;
	message_encode(&q->frame, m, &q->tail);
	assert(q->frame.n <= QUORUM_FRAME_MAX);
	q->hooks.send(q->hooks.ctx, to,
		      (struct bytes){ q->frame.p, (int32_t)q->frame.n }, bulk);
}

/* How many of the entries fit into one frame; at least one. */
static unsigned fitting(const struct quorum *q, int64_t first, unsigned n)
{
	int64_t bytes = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct entry *e = tail_get(&q->tail, first + i);

		assert(e);
		bytes += e->n;
		if (i && bytes > MESSAGE_APPEND_MAX)
			break;
	}
	return i;
}

/* What does not follow what it has may be refused, and nothing is learnt. */
static void note_told(struct quorum *q, const struct raft_message *m)
{
	struct heard *h = member_find(q, node_of(m->server_id));
	raft_index match;

	if (!h || raft_match_index(&q->raft, m->server_id, &match))
		return;
	match = min_of(match, m->append_entries.leader_commit);
	h->told = max_of(h->told, (int64_t)match);
}

static void send_append(struct quorum *q, const struct raft_message *m)
{
	struct message out = { .type = MESSAGE_APPEND, .raft = *m };
	struct raft_append_entries *ae = &out.raft.append_entries;
	unsigned left = ae->n_entries;

	do {
		int64_t first = (int64_t)ae->prev_log_index + 1;
		unsigned n = fitting(q, first, left);

		ae->n_entries = n;
		step_send(q, &out, node_of(m->server_id), false);
		left -= n;
		ae->prev_log_index += n;
		ae->prev_log_term =
			step_term_at(q, (int64_t)ae->prev_log_index);
	} while (left);
	note_told(q, m);
}

/*
 * The core tells of a commit with the next entry or heartbeat. Nobody is to
 * wait for that: a client may be at another node with what it heard from this
 * one. Only those are told whose log is known to agree up to there.
 */
void step_announce(struct quorum *q)
{
	int64_t commit = quorum_commit_index(q);
	struct raft_message m = { .type = RAFT_APPEND_ENTRIES };

	m.append_entries = (struct raft_append_entries){
		.term = q->term,
		.prev_log_index = (raft_index)commit,
		.prev_log_term = step_term_at(q, commit),
		.leader_commit = (raft_index)commit,
	};
	for (int i = 0; i < q->heard_n; i++) {
		raft_index match;

		m.server_id = raft_id_of(q->heard[i].node);
		if (q->heard[i].told < commit &&
		    raft_match_index(&q->raft, m.server_id, &match) == 0 &&
		    (int64_t)match >= commit)
			send_append(q, &m);
	}
}

static void send_one(struct quorum *q, const struct raft_message *m)
{
	struct message out = { .raft = *m };

	switch (m->type) {
	case RAFT_APPEND_ENTRIES:
		send_append(q, m);
		return;
	case RAFT_INSTALL_SNAPSHOT:
		stream_begin(q, node_of(m->server_id));
		return;
	case RAFT_APPEND_ENTRIES_RESULT:
		out.type = MESSAGE_APPEND_RESULT;
		out.newcomer = q->vote.now.newcomer != NEWCOMER_NO;
		break;
	case RAFT_REQUEST_VOTE:
		out.type = MESSAGE_VOTE;
		out.newcomer = q->vote.now.newcomer == NEWCOMER_FOUNDER;
		break;
	case RAFT_REQUEST_VOTE_RESULT:
		out.type = MESSAGE_VOTE_RESULT;
		break;
	case RAFT_TIMEOUT_NOW:
		out.type = MESSAGE_TIMEOUT_NOW;
		break;
	}
	step_send(q, &out, node_of(m->server_id), false);
}

static void send_all(struct quorum *q, const struct raft_event *e,
		     struct raft_update *u)
{
	for (unsigned i = 0; i < u->messages.n; i++) {
		struct raft_message *m = &u->messages.batch[i];

		if (e->type == RAFT_RECEIVE) {
			guard_stale_ack(&q->raft, e->receive.message, m);
			guard_pre_vote_term(&q->raft, e->receive.message, m);
		}
		if (m->server_id != q->raft.id)
			send_one(q, m);
	}
}

/* ---- one step ------------------------------------------------------------ */

static void take_entries(struct quorum *q, const struct raft_event *e,
			 const struct raft_update *u)
{
	int64_t index = (int64_t)u->entries.index;
	int64_t next = tail_next(&q->tail);

	if (index < next) {
		q->members_dirty = true; /* a change may be rolled back */
		tail_cut(&q->tail, index);
		writes_cut(&q->writes, index);
		writes_cut(&q->flying, index);
	}
	assert(index == tail_next(&q->tail));
	for (unsigned i = 0; i < u->entries.n; i++) {
		const struct raft_entry *x = &u->entries.batch[i];
		struct bytes data = { x->buf.base, (int32_t)x->buf.len };

		tail_push(&q->tail, x->term, (uint8_t)x->type, data);
		if (x->type == RAFT_CHANGE)
			q->members_dirty = true;
	}
	write_entries(q, index, u->entries.n);
	/* ours stay ours; a received batch and the core's barrier do not */
	if (e->type != RAFT_SUBMIT)
		raft_free(u->entries.batch[0].batch);
}

static void take_snapshot(struct quorum *q, struct raft_update *u)
{
	int64_t index = (int64_t)u->snapshot.metadata.index;

	assert(index > q->applied);
	q->installing = true;
	q->installing_term = u->snapshot.metadata.term;
	tail_reset(&q->tail, index + 1);
	write_void(q);
	/* the image itself is the stream's; the core had a handle of it */
	raft_free(u->snapshot.chunk.base);
	raft_configuration_close(&u->snapshot.metadata.configuration);
	stream_install(q);
}

static enum quorum_role role_of(struct quorum *q)
{
	switch (raft_state(&q->raft)) {
	case RAFT_LEADER:
		return QUORUM_LEADER;
	case RAFT_CANDIDATE:
		return QUORUM_CANDIDATE;
	default:
		return QUORUM_FOLLOWER;
	}
}

/* The core goes on naming the old leader when the term has moved on. */
static int32_t leader_of(struct quorum *q, enum quorum_role role)
{
	const char *address;
	raft_id id = 0;

	if (role == QUORUM_LEADER)
		return q->id;
	if (role == QUORUM_CANDIDATE || q->leader_term != q->term)
		return -1;
	raft_leader(&q->raft, &id, &address);
	return id ? node_of(id) : -1;
}

static void became_leader(struct quorum *q)
{
	int64_t last = tail_next(&q->tail) - 1;

	q->led_term = q->term;
	q->own_term_applied = false;
	/* the core appends one itself only if its log is ahead of commit */
	q->barrier_wanted = step_term_at(q, last) != q->term;
	step_hurry_check(q);
	trace_info("quorum", "leads", "term=%" PRIu64 " last=%" PRId64,
		   q->term, last);
}

static void note_roles(struct quorum *q)
{
	enum quorum_role role = role_of(q);
	bool lost, won;
	uint64_t term = raft_current_term(&q->raft);
	int32_t leader;

	lost = q->role == QUORUM_LEADER &&
	       (role != QUORUM_LEADER || term != q->term);
	won = role == QUORUM_LEADER &&
	      (q->role != QUORUM_LEADER || term != q->term);
	if (role == q->role && term == q->term &&
	    leader_of(q, role) == q->leader)
		return;
	q->role = role;
	q->term = term;
	leader = q->leader = leader_of(q, role);
	if (lost)
		quorum_lose(q);
	if (won)
		became_leader(q);
	q->hooks.role_changed(q->hooks.ctx, role, (int64_t)term, leader);
}

static void note_members(struct quorum *q)
{
	if (!q->members_dirty)
		return;
	q->members_dirty = false;
	if (q->hooks.members_changed)
		q->hooks.members_changed(q->hooks.ctx);
}

/* Returns what raft_step returned; only a submit or a transfer may fail. */
static int step(struct quorum *q, struct raft_event *e)
{
	struct raft_update u = { 0 };
	struct raft_install_snapshot is = { 0 };
	bool was_installing = q->installing;
	struct raft_server *standby = guard_may_vote(
		&q->raft, e, q->now_ms - q->heard_ms >= q->election_timeout_ms);
	bool is_install = e->type == RAFT_RECEIVE &&
			  e->receive.message->type == RAFT_INSTALL_SNAPSHOT;
	int rc;

	assert(!q->stepping && !q->closed);
	if (is_install)
		is = e->receive.message->install_snapshot;
	e->time = (raft_time)q->now_ms;
	e->capacity = GUARD_CAPACITY;
	q->stepping = true;
	rc = raft_step(&q->raft, e, &u);
	q->stepping = false;
	if (standby)
		standby->role = RAFT_STANDBY;
	if (rc && (e->type == RAFT_SUBMIT || e->type == RAFT_TRANSFER))
		return rc;
	if (rc)
		fatal("quorum: raft_step failed: %s (%s)", raft_strerror(rc),
		      raft_errmsg(&q->raft));
	if (u.flags & (RAFT_UPDATE_CURRENT_TERM) ||
	    u.flags & (RAFT_UPDATE_VOTED_FOR))
		step_save_vote(q);
	if (u.flags & (RAFT_UPDATE_ENTRIES))
		take_entries(q, e, &u);
	if (u.flags & (RAFT_UPDATE_SNAPSHOT))
		take_snapshot(q, &u);
	if (is_install)
		guard_free_install(&is, was_installing, &u);
	if (u.flags & (RAFT_UPDATE_MESSAGES) || u.messages.n)
		send_all(q, e, &u);
	apply_committed(q);
	note_roles(q);
	newcomer_look(q);
	note_members(q);
	return 0;
}

static void must_step(struct quorum *q, struct raft_event *e)
{
	int rc = step(q, e);

	assert(rc == 0);
}

/* ---- the events ---------------------------------------------------------- */

void step_start(struct quorum *q, const struct raft_event *e)
{
	struct raft_event event = *e;

	q->started = true;
	must_step(q, &event);
}

static void receive(struct quorum *q, struct raft_message *m)
{
	struct raft_event e = { .type = RAFT_RECEIVE };

	e.receive.message = m;
	must_step(q, &e);
}

/* G3, G4: an append in pieces that the core takes well. */
static void receive_append(struct quorum *q, struct raft_message *m)
{
	struct raft_append_entries ae = m->append_entries;
	struct raft_entry *at;
	unsigned left;

	guard_trim_append(&q->raft,
			  step_term_at(q, quorum_commit_index(q)), &ae);
	left = ae.n_entries;
	at = ae.entries;
	do {
		unsigned n = guard_slice(at, left);
		void *batch = n ? raft_malloc(1) : NULL;

		for (unsigned i = 0; i < n; i++)
			at[i].batch = batch;
		ae.entries = at;
		ae.n_entries = n;
		m->append_entries = ae;
		receive(q, m);
		if (!n)
			return;
		ae.prev_log_index += n;
		ae.prev_log_term = at[n - 1].term;
		at += n;
		left -= n;
		/* if it was refused, so will be the rest: answer once */
	} while (left && step_term_at(q, (int64_t)ae.prev_log_index) ==
				 ae.prev_log_term);
}

/* Whoever speaks as the leader of our term is. */
static void note_leader(struct quorum *q, const struct raft_message *m)
{
	uint64_t term;

	if (m->type == RAFT_APPEND_ENTRIES)
		term = m->append_entries.term;
	else if (m->type == RAFT_INSTALL_SNAPSHOT)
		term = m->install_snapshot.term;
	else
		return;
	if (term < raft_current_term(&q->raft))
		return;
	q->leader_term = term;
	q->heard_ms = q->now_ms;
	if (q->hurried && (node_of(m->server_id) != q->lost_leader ||
			   q->now_ms - q->lost_ms >= q->heartbeat_ms)) {
		q->hurried = false;
		raft_set_election_timeout(&q->raft,
					  (unsigned)q->election_timeout_ms);
	}
}

void step_receive(struct quorum *q, struct raft_message *m)
{
	m->server_address = no_address;
	if (!guard_is_sound(&q->raft, m)) {
		trace_warn("quorum", "senseless message dropped",
			   "peer=%d type=%d", node_of(m->server_id),
			   (int)m->type);
		return;
	}
	if (m->type == RAFT_REQUEST_VOTE_RESULT &&
	    !guard_wants_vote_result(&q->raft))
		return;
	if (guard_rejection_is_stale(&q->raft, m)) {
		member_lacks(q, node_of(m->server_id), true);
		return;
	}
	if (m->type == RAFT_APPEND_ENTRIES_RESULT)
		member_lacks(q, node_of(m->server_id), false);
	if (m->type == RAFT_APPEND_ENTRIES &&
	    guard_contradicts(&q->raft, &m->append_entries, step_term_at, q)) {
		trace_error("quorum", "a leader contradicts what is committed",
			    "peer=%d term=%llu", node_of(m->server_id),
			    m->append_entries.term);
		return;
	}
	note_leader(q, m);
	if (m->type == RAFT_APPEND_ENTRIES)
		receive_append(q, m);
	else
		receive(q, m);
}

int step_submit(struct quorum *q, struct raft_entry *entries, unsigned n)
{
	static char ours; /* the core wants a batch; it never looks into it */
	struct raft_event e = { .type = RAFT_SUBMIT };

	for (unsigned i = 0; i < n; i++) {
		entries[i].term = raft_current_term(&q->raft);
		entries[i].batch = &ours;
	}
	e.submit.entries = entries;
	e.submit.n = n;
	return step(q, &e);
}

int step_transfer(struct quorum *q, raft_id to)
{
	struct raft_event e = { .type = RAFT_TRANSFER };

	e.transfer.server_id = to;
	return step(q, &e);
}

/* G1: true when the term had to be moved first. */
static bool ask_self(struct quorum *q)
{
	struct raft *r = &q->raft;
	struct raft_message m;

	if (raft_state(r) != RAFT_FOLLOWER || q->installing ||
	    !guard_is_sole_voter(&r->configuration, r->id) ||
	    (raft_voted_for(r) == r->id &&
	     q->led_term != raft_current_term(r)))
		return false;
	guard_self_request(r, step_term_at(q, tail_next(&q->tail) - 1), &m);
	receive(q, &m);
	return true;
}

void step_timeout(struct quorum *q)
{
	struct raft_event e = { .type = RAFT_TIMEOUT };

	if (!ask_self(q))
		must_step(q, &e);
}

void step_persisted(struct quorum *q, int64_t index)
{
	struct raft_event e = { .type = RAFT_PERSISTED_ENTRIES };

	e.persisted_entries.index = (raft_index)index;
	must_step(q, &e);
}

static void describe(const struct snapshot *s, struct raft_snapshot_metadata *m)
{
	m->index = (raft_index)s->index;
	m->term = s->term;
	m->configuration_index = (raft_index)s->conf_index;
	if (!guard_read_configuration(s->conf.p, (size_t)s->conf.n,
				      &m->configuration))
		fatal("quorum: malformed members in a snapshot");
}

void step_installed(struct quorum *q, const struct snapshot *s)
{
	struct raft_event e = { .type = RAFT_PERSISTED_SNAPSHOT };

	describe(s, &e.persisted_snapshot.metadata);
	e.persisted_snapshot.last = true;
	q->members_dirty = true;
	must_step(q, &e);
}

void step_taken(struct quorum *q, const struct snapshot *s, unsigned trailing)
{
	struct raft_event e = { .type = RAFT_SNAPSHOT };

	describe(s, &e.snapshot.metadata);
	e.snapshot.trailing = trailing;
	must_step(q, &e);
}

void step_committed_conf(struct quorum *q, int64_t index)
{
	struct raft_event e = { .type = RAFT_CONFIGURATION };
	const struct entry *x = tail_get(&q->tail, index);

	if (!x || !guard_read_configuration(x->data, (size_t)x->n,
					    &e.configuration.conf))
		fatal("quorum: malformed members in the agreed log");
	e.configuration.index = (raft_index)index;
	q->members_dirty = true;
	must_step(q, &e);
}

/* ---- hurrying an election ------------------------------------------------ */

/*
 * The connection to the leader broke. Two heartbeats of silence are proof
 * enough then, so the running timer is drawn anew from two to four of them,
 * counted from when it was last heard; a leader that lives and gets through
 * in any other way resets it, and whoever still hears it refuses the pre-vote.
 */
void step_hurry(struct quorum *q, int32_t lost)
{
	const char *address;
	raft_id id = 0;

	if (!q->started || raft_state(&q->raft) != RAFT_FOLLOWER)
		return;
	raft_leader(&q->raft, &id, &address);
	if (!id || node_of(id) != lost)
		return;
	q->hurried = true;
	q->lost_leader = lost;
	q->lost_ms = q->now_ms;
	raft_set_election_timeout(&q->raft, (unsigned)q->heartbeat_ms * 2);
}

/*
 * Raft draws from one to two election timeouts, so that votes do not split;
 * four heartbeats are as good. Until one timeout has passed nobody votes
 * against a leader.
 */
int64_t step_patience_end(const struct quorum *q)
{
	const uint64_t own[] = { (uint64_t)q->id, q->term };
	uint64_t spread = 4 * (uint64_t)q->heartbeat_ms + 1;

	if (!q->started || q->hurried || q->role != QUORUM_FOLLOWER ||
	    q->leader_term != q->term)
		return INT64_MAX;
	return q->heard_ms + q->election_timeout_ms +
	       (int64_t)(hash64(own, sizeof(own), 0) % spread);
}

/* Back to normal: leading, or it has taken as long as any election. */
void step_hurry_check(struct quorum *q)
{
	if (q->now_ms >= step_patience_end(q))
		step_hurry(q, q->leader);
	if (!q->hurried)
		return;
	if (q->role != QUORUM_LEADER &&
	    q->now_ms - q->lost_ms < 2LL * q->election_timeout_ms)
		return;
	q->hurried = false;
	raft_set_election_timeout(&q->raft, (unsigned)q->election_timeout_ms);
}
