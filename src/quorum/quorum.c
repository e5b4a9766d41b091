/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quorum: the front door. What comes in during a turn is gathered and
 * submitted as one append at its end.
 */
#include "core.h"

const struct cluster *quorum_cluster(const struct quorum *q)
{
	return q->fsm.cluster;
}

const struct coord *quorum_coord(const struct quorum *q)
{
	return q->fsm.coord;
}

void quorum_state_encode(const struct quorum *q, struct buf *cluster_state)
{
	cluster_encode(q->fsm.cluster, cluster_state);
}

enum quorum_role quorum_role(const struct quorum *q)
{
	return q->role;
}

int64_t quorum_term(const struct quorum *q)
{
	return (int64_t)q->term;
}

int32_t quorum_leader(const struct quorum *q)
{
	return q->leader;
}

int64_t quorum_commit_index(const struct quorum *q)
{
	return (int64_t)raft_commit_index(&q->raft);
}

int64_t quorum_applied_index(const struct quorum *q)
{
	return q->applied;
}

int64_t quorum_last_index(const struct quorum *q)
{
	return tail_next(&q->tail) - 1;
}

int64_t quorum_snapshot_index(const struct quorum *q)
{
	return q->snapshot_index;
}

bool quorum_disk_full(const struct quorum *q)
{
	return q->full_retry_ms != 0;
}

/* ---- proposals ------------------------------------------------- */

static void gather(struct quorum *q, uint8_t target, struct bytes command,
		   uint64_t cookie)
{
	int32_t n = max_of(command.n, 0) + 1;

	buf_put_u8(&q->gather, target);
	if (n > 1)
		buf_put(&q->gather, command.p, (size_t)n - 1);
	waitings_push(&q->gathering,
		      (struct waiting){ .cookie = cookie, .bytes = n });
	q->flight_bytes += n;
}

static bool takes_proposals(const struct quorum *q, int32_t n)
{
	return q->role == QUORUM_LEADER && !q->transfer_until_ms &&
	       !q->full_retry_ms && n < QUORUM_COMMAND_MAX &&
	       q->gathering.n + q->flight.n < QUORUM_FLIGHT_MAX &&
	       q->flight_bytes + n < QUORUM_FLIGHT_BYTES_MAX;
}

void quorum_propose(struct quorum *q, enum quorum_target target,
		    struct bytes command, uint64_t cookie)
{
	assert(cookie);
	assert(target == QUORUM_TO_CLUSTER || target == QUORUM_TO_COORD);
	if (takes_proposals(q, command.n))
		gather(q, (uint8_t)target, command, cookie);
	else
		q->hooks.dropped(q->hooks.ctx, cookie, false);
}

static void drop_first(struct quorum *q, struct waitings *w, bool may_commit)
{
	struct waiting x = waitings_pop(w);

	q->flight_bytes -= x.bytes;
	if (x.cookie)
		q->hooks.dropped(q->hooks.ctx, x.cookie, may_commit);
}

static void drop_gathered(struct quorum *q)
{
	q->gather.n = 0;
	while (q->gathering.n)
		drop_first(q, &q->gathering, false);
}

void quorum_lose(struct quorum *q)
{
	trace_info("quorum", "leads no longer", "term=%" PRIu64, q->term);
	q->own_term_applied = false;
	q->barrier_wanted = false;
	q->transfer_until_ms = 0;
	q->expectation.n = 0;
	stream_stop_all(q);
	while (q->flight.n)
		drop_first(q, &q->flight, true);
	drop_gathered(q);
	read_refuse_all(q);
	member_lost(q);
}

/* Which of our proposals is it that is being applied? */
uint64_t quorum_cookie(struct quorum *q, const struct entry *e)
{
	struct waiting x;

	if (!q->flight.n || waitings_at(&q->flight, 0)->index != e->index)
		return 0;
	x = waitings_pop(&q->flight);
	q->flight_bytes -= x.bytes;
	return x.cookie;
}

/* ---- submitting ---------------------------------------------------------- */

static void submit_barrier(struct quorum *q)
{
	static uint64_t zero;
	struct raft_entry e = { .type = RAFT_BARRIER,
				.buf = { &zero, sizeof(zero) } };

	if (!step_submit(q, &e, 1))
		q->barrier_wanted = false;
}

/* One RAFT_SUBMIT of what has been gathered, or of the first part of it. */
static void submit_some(struct quorum *q, size_t *at)
{
	struct raft_entry *v;
	int64_t index = tail_next(&q->tail);
	size_t begin = *at;
	unsigned n = 0;

	v = mem_zalloc(sizeof(*v) * min_of(q->gathering.n,
					   (size_t)SUBMIT_MAX));
	while (n < SUBMIT_MAX && n < q->gathering.n) {
		size_t bytes = (size_t)waitings_at(&q->gathering, n)->bytes;

		if (n && *at - begin + bytes > SUBMIT_BYTES_MAX)
			break;
		v[n].type = RAFT_COMMAND;
		v[n].buf.base = q->gather.p + *at;
		v[n].buf.len = bytes;
		*at += bytes;
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		struct waiting x = waitings_pop(&q->gathering);

		x.index = index + i;
		waitings_push(&q->flight, x);
	}
	if (step_submit(q, v, n)) {
		/* cannot be: a transfer refuses proposals before */
		trace_error("quorum", "submit refused", "term=%" PRIu64,
			    q->term);
		while (q->flight.n &&
		       waitings_at(&q->flight, 0)->index < index)
			drop_first(q, &q->flight, true);
		while (q->flight.n)
			drop_first(q, &q->flight, false);
		drop_gathered(q);
	} else {
		q->barrier_wanted = false;
	}
	mem_free(v);
}

/* Now and then everyone compares what it has become: fsm.c. */
static void maybe_check(struct quorum *q)
{
	if (q->transfer_until_ms || !q->own_term_applied)
		return;
	if (q->expectation.n) {
		gather(q, FSM_EXPECT,
		       (struct bytes){ q->expectation.p,
				       (int32_t)q->expectation.n }, 0);
		q->expectation.n = 0;
	} else if (q->applied - q->hash_index >= q->hash_entries &&
		   q->now_ms - q->hash_ms >= HASH_MS) {
		q->hash_ms = q->now_ms;
		gather(q, FSM_CHECK, BYTES_NULL, 0);
	}
}

void quorum_turn_end(struct quorum *q)
{
	size_t at = 0;

	if (!q->started)
		return;
	if (q->role == QUORUM_LEADER) {
		maybe_check(q);
		while (q->role == QUORUM_LEADER && q->gathering.n)
			submit_some(q, &at);
		q->gather.n = 0;
		if (q->gather.cap > GATHER_KEEP) /* after a burst */
			buf_fini(&q->gather);
		if (q->role == QUORUM_LEADER && q->barrier_wanted)
			submit_barrier(q);
		read_begin(q);
		if (q->role == QUORUM_LEADER)
			step_announce(q);
	}
	write_flush(q);
}

/* ---- handing over -------------------------------------------------------- */

static bool answers(const struct quorum *q, int i)
{
	struct quorum_member m = quorum_member_at(q, i);

	return m.voter && m.id != q->id && member_answers(q, m.id);
}

int quorum_transfer(struct quorum *q, int32_t to)
{
	bool exists = false, alive = false;

	if (q->role != QUORUM_LEADER)
		return -EPERM;
	for (int i = 0; i < quorum_members_n(q); i++) {
		struct quorum_member m = quorum_member_at(q, i);

		if (!m.voter || m.id == q->id || (to >= 0 && m.id != to))
			continue;
		exists = true;
		alive = alive || answers(q, i);
	}
	if (!exists)
		return -ENOENT;
	if (!alive)
		return -EAGAIN;
	q->transfer_to = to;
	q->transfer_until_ms = q->now_ms + q->election_timeout_ms;
	quorum_try_transfer(q);
	return 0;
}

void quorum_try_transfer(struct quorum *q)
{
	raft_id to;

	if (!q->transfer_until_ms || q->role != QUORUM_LEADER ||
	    raft_transferee(&q->raft))
		return;
	if (q->now_ms >= q->transfer_until_ms) {
		trace_warn("quorum", "handing over failed", "to=%d",
			   q->transfer_to);
		q->transfer_until_ms = 0;
		return;
	}
	/* what was accepted before should be answered before; with a full
	 * disk it cannot be */
	if (!q->full_retry_ms &&
	    (q->gathering.n || q->flight.n || q->reads.n))
		return;
	to = guard_transfer_target(&q->raft, q->transfer_to < 0 ?
				   0 : raft_id_of(q->transfer_to));
	if (to && !step_transfer(q, to))
		trace_info("quorum", "hands over", "to=%d", node_of(to));
}

/* A leader whose disk is full lets another one go on. */
static void yield_when_full(struct quorum *q)
{
	if (q->full_retry_ms && q->role == QUORUM_LEADER &&
	    !q->transfer_until_ms && quorum_transfer(q, -1) == 0)
		trace_warn("quorum", "disk full: hands over", "term=%" PRIu64,
			   q->term);
}

/* ---- time and frames ----------------------------------------------------- */

void quorum_tick(struct quorum *q, int64_t now_ms)
{
	assert(now_ms >= q->now_ms);
	q->now_ms = now_ms;
	if (!q->started) {
		quorum_begin(q);
		return;
	}
	step_hurry_check(q);
	write_tick(q);
	stream_tick(q);
	read_tick(q);
	if (now_ms >= (int64_t)raft_timeout(&q->raft))
		step_timeout(q);
	yield_when_full(q);
	quorum_try_transfer(q);
}

int64_t quorum_next_tick(const struct quorum *q)
{
	int64_t at;

	if (!q->started || q->gathering.n || q->barrier_wanted ||
	    q->expectation.n || (read_waits(q) && q->own_term_applied))
		return q->now_ms;
	at = guard_deadline(&q->raft, q->now_ms);
	at = stream_next(q, at);
	if (q->full)
		at = min_of(at, q->full_retry_ms);
	if (q->transfer_until_ms)
		at = min_of(at, q->transfer_until_ms);
	if (q->round.open)
		at = min_of(at, q->round.sent_ms + q->heartbeat_ms);
	at = min_of(at, step_patience_end(q));
	if (q->hurried)
		at = min_of(at, q->lost_ms + 2LL * q->election_timeout_ms);
	return max_of(at, q->now_ms + 1);
}

void quorum_peer_lost(struct quorum *q, int32_t peer)
{
	step_hurry(q, peer);
}

/* Frames of another quorum: the peers were set up differently. */
static bool same_group(struct quorum *q, const struct message *m)
{
	if (m->group && m->group == q->group)
		return true;
	if (m->group && !q->group &&
	    (m->type == MESSAGE_APPEND || m->type == MESSAGE_PIECE)) {
		q->group = m->group;
		step_save_vote(q);
		return true;
	}
	if (m->group && q->group)
		trace_error("quorum", "peer belongs to another quorum: was it "
			    "started with the same peers?", "peer=%d",
			    m->from);
	return false;
}

static void dispatch(struct quorum *q, struct message *m)
{
	switch (m->type) {
	case MESSAGE_PIECE:
		stream_piece(q, m->from, &m->piece);
		break;
	case MESSAGE_PIECE_RESULT:
		stream_result(q, m->from, &m->piece_result);
		break;
	case MESSAGE_PROBE:
		read_probe(q, m->from, &m->probe);
		break;
	case MESSAGE_PROBE_RESULT:
		read_probe_result(q, m->from, &m->probe);
		break;
	case MESSAGE_VOTE:
		if (newcomer_may_vote(q, m))
			step_receive(q, &m->raft);
		break;
	default:
		if (m->type == MESSAGE_APPEND_RESULT)
			member_votes(q, m->from, !m->newcomer);
		step_receive(q, &m->raft);
		if (m->type == MESSAGE_APPEND_RESULT &&
		    q->role == QUORUM_LEADER) {
			stream_acknowledged(q, m->from);
			quorum_try_transfer(q);
		}
	}
}

void quorum_receive(struct quorum *q, int32_t from, struct bytes frame)
{
	struct message m;

	if (!q->started)
		return;
	arena_reset(&q->frame_arena);
	if (!message_decode(frame, &m, &q->frame_arena) || m.from != from ||
	    m.from == q->id || m.to != q->id) {
		trace_warn("quorum", "malformed frame dropped", "peer=%d",
			   from);
		return;
	}
	if (!same_group(q, &m))
		return;
	member_heard(q, from);
	dispatch(q, &m);
}
