/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defects of libraft 0.22.1 that guard.c answers, shown on the installed
 * library itself ("core_..."), and their absence behind the guard
 * ("guard_..."). When a core test fails with a newer library, its guard may
 * have become unnecessary: that is news, not an accident.
 *
 * Here: liveness, storms and leaks, T2 to T12, T15.
 */
#include <stdlib.h>

#include "raw.h"

/* ---- T2 ------------------------------------------------------------------ */

static void pre_vote_of_old_term(struct raw *s, struct raft_message *m)
{
	raw_start(s, raw_change(3, 0, 1), 9, 3);
	memset(m, 0, sizeof(*m));
	m->type = RAFT_REQUEST_VOTE;
	m->server_id = 2;
	m->request_vote.version = 2;
	m->request_vote.term = 6;
	m->request_vote.candidate_id = 2;
	m->request_vote.last_log_index = 20;
	m->request_vote.last_log_term = 5;
	m->request_vote.pre_vote = true;
	ck_assert_int_eq(raw_receive(s, m), 0);
}

TEST(core_hides_its_term_from_a_pre_candidate)
{
	struct raw s;
	struct raft_message m;

	pre_vote_of_old_term(&s, &m);
	ck_assert(!raw_sent(&s, RAFT_REQUEST_VOTE_RESULT)
			   ->request_vote_result.vote_granted);
	ck_assert_uint_eq(raw_sent(&s, RAFT_REQUEST_VOTE_RESULT)
				  ->request_vote_result.term, 6);
}

TEST(guard_tells_a_pre_candidate_the_term)
{
	struct raw s;
	struct raft_message m, answer;

	pre_vote_of_old_term(&s, &m);
	answer = *raw_sent(&s, RAFT_REQUEST_VOTE_RESULT);
	guard_pre_vote_term(&s.r, &m, &answer);
	ck_assert_uint_eq(answer.request_vote_result.term, 9);
}

/* ---- T3, T4 -------------------------------------------------------------- */

TEST(core_counts_entries_of_a_refused_submit)
{
	struct raw s;
	struct raft_entry one = raw_change(3, 1, 0);
	struct raft_entry two[2] = { { .type = COMMAND }, raw_change(3, 2, 0) };
	raft_index last;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	ck_assert_int_eq(raw_submit(&s, &one, 1), 0);
	last = raft_last_index(&s.r);
	ck_assert_int_eq(raw_submit(&s, two, 2), RAFT_CANTCHANGE);
	ck_assert_uint_gt(raft_last_index(&s.r), last); /* of nothing */
}

TEST(guard_holds_changes_back)
{
	struct raw s;
	struct guard_change g = { .own_term_committed = true,
				  .voters_before = 3, .voters_after = 3 };
	struct raft_entry one = raw_change(3, 1, 0);

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	ck_assert_int_eq(guard_change_fault(&s.r, &g), 0);
	g.own_term_committed = false;
	ck_assert_int_eq(guard_change_fault(&s.r, &g), -EBUSY);
	g.own_term_committed = true;
	g.voters_after = 4;
	ck_assert_int_eq(guard_change_fault(&s.r, &g), 0);
	g.voters_after = 2; /* T3: the dead end */
	ck_assert_int_eq(guard_change_fault(&s.r, &g), -EINVAL);
	g.voters_before = 1;
	ck_assert_int_eq(guard_change_fault(&s.r, &g), -EINVAL);
	g.voters_before = g.voters_after = 1; /* a stand-by comes or goes */
	ck_assert_int_eq(guard_change_fault(&s.r, &g), 0);
	ck_assert_int_eq(raw_submit(&s, &one, 1), 0);
	ck_assert_int_eq(guard_change_fault(&s.r, &g), -EBUSY);
}

TEST(core_voter_to_be_refuses_its_vote)
{
	struct raw s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE, .server_id = 2 };

	/* server 1 is a stand-by in its own log; 2 knows that it is a voter */
	struct raft_configuration c;
	struct raft_entry first = { .type = RAFT_CHANGE, .term = 1 };

	raw_allow_leaks();
	raft_configuration_init(&c);
	raft_configuration_add(&c, 1, "1", RAFT_STANDBY);
	raft_configuration_add(&c, 2, "2", RAFT_VOTER);
	first.buf = raw_encoded(&c);
	raft_configuration_close(&c);
	raw_start(&s, first, 5, 3);
	m.request_vote.version = 2;
	m.request_vote.term = 6;
	m.request_vote.candidate_id = 2;
	m.request_vote.last_log_index = 4;
	m.request_vote.last_log_term = 5;
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert(!raw_sent(&s, RAFT_REQUEST_VOTE_RESULT)
			   ->request_vote_result.vote_granted);
}

/* ---- T5 ------------------------------------------------------------------ */

TEST(core_tells_a_transferee_too_early)
{
	struct raw s;
	struct raft_event e = { .type = RAFT_TRANSFER };
	struct raft_message m;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	e.transfer.server_id = 2;
	ck_assert_int_eq(raw_step(&s, &e), 0);
	m = raw_ack(&s, 2, 3); /* of 6 */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_ptr_nonnull(raw_sent(&s, RAFT_TIMEOUT_NOW));
	m = raw_ack(&s, 2, 6); /* now it has all, but is not told again */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_ptr_null(raw_sent(&s, RAFT_TIMEOUT_NOW));
}

TEST(guard_hands_over_only_to_one_that_has_all)
{
	struct raw s;
	struct raft_message m;

	raw_start(&s, raw_change(3, 1, 1), 7, 5);
	raw_lead(&s);
	m = raw_ack(&s, 2, 3);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	m = raw_ack(&s, 4, 6); /* a stand-by */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 0), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 2), 0);
	m = raw_ack(&s, 2, 6);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 0), 2);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 2), 2);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 3), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 4), 0);
}

/* ---- T6 ------------------------------------------------------------------ */

TEST(core_gives_up_catching_up_a_server_that_has_all)
{
	struct raw s;
	struct raft_event e = { .type = RAFT_CATCH_UP };
	struct raft_message m;
	int status;

	raw_start(&s, raw_change(3, 1, 1), 7, 5);
	raw_lead(&s);
	m = raw_ack(&s, 4, 6);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert(guard_is_up_to_date(&s.r, 4, 0));
	e.catch_up.server_id = 4;
	ck_assert_int_eq(raw_step(&s, &e), 0);
	for (int i = 0; i < 200; i++) {
		for (raft_id id = 2; id <= 4; id++) {
			m = raw_ack(&s, id, 6);
			ck_assert_int_eq(raw_receive(&s, &m), 0);
		}
		s.now += 50;
		ck_assert_int_eq(raw_timeout(&s), 0);
	}
	ck_assert_int_eq(raft_catch_up(&s.r, 4, &status), 0);
	ck_assert_int_eq(status, RAFT_CATCH_UP_ABORTED);
}

TEST(guard_up_to_date_means_acknowledged)
{
	struct raw s;
	struct raft_message m;

	raw_start(&s, raw_change(3, 1, 1), 7, 5);
	raw_lead(&s);
	ck_assert(!guard_is_up_to_date(&s.r, 4, 100)); /* never heard */
	m = raw_ack(&s, 4, 4);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert(!guard_is_up_to_date(&s.r, 4, 1));
	ck_assert(guard_is_up_to_date(&s.r, 4, 2));
	ck_assert(!guard_is_up_to_date(&s.r, 9, 100));
}

/* ---- T7 ------------------------------------------------------------------ */

TEST(core_timeout_stays_in_the_past)
{
	struct raw s;
	struct raft_entry e = { .type = RAFT_CHANGE };
	struct raft_configuration c = raw_conf(3, 1);
	struct raft_message m;
	int late = 0;

	raw_start(&s, raw_change(3, 1, 1), 7, 5);
	raw_lead(&s);
	c.servers[3].role = RAFT_SPARE;
	e.buf = raw_encoded(&c);
	raft_configuration_close(&c);
	ck_assert_int_eq(raw_submit(&s, &e, 1), 0);
	for (int i = 0; i < 100; i++) {
		for (raft_id id = 2; id <= 3; id++) {
			m = raw_ack(&s, id, 6);
			ck_assert_int_eq(raw_receive(&s, &m), 0);
		}
		s.now += 60;
		ck_assert_int_eq(raw_timeout(&s), 0);
		late += (int64_t)raft_timeout(&s.r) <= s.now;
		ck_assert_int_gt(guard_deadline(&s.r, s.now), s.now);
	}
	ck_assert_int_gt(late, 90);
}

/* ---- T8 ------------------------------------------------------------------ */

TEST(core_with_a_capacity_threshold_fails_when_it_wins)
{
	struct raw s;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raft_set_capacity_threshold(&s.r, 10);
	ck_assert_int_eq(raw_timeout(&s), 0);
	ck_assert_int_eq(raw_vote(&s, 2, true, 1), 0);
	ck_assert_int_eq(raw_vote(&s, 2, false, 1), RAFT_NOSPACE);
	ck_assert_int_eq(GUARD_CAPACITY, 0);
}

/* ---- T9 ------------------------------------------------------------------ */

TEST(core_sends_a_snapshot_again_at_every_heartbeat)
{
	struct raw s;
	struct raft_event e = { .type = RAFT_SNAPSHOT };
	struct raft_message m;
	int snapshots = 0;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	m = raw_ack(&s, 3, 6);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	e.snapshot.metadata.index = 5;
	e.snapshot.metadata.term = 7;
	e.snapshot.metadata.configuration = raw_conf(3, 0);
	e.snapshot.metadata.configuration_index = 1;
	ck_assert_int_eq(raw_step(&s, &e), 0);
	for (int i = 0; i < 40; i++) {
		const struct raft_message *ae;

		m = raw_ack(&s, 3, 6);
		ck_assert_int_eq(raw_receive(&s, &m), 0);
		s.now += 50;
		ck_assert_int_eq(raw_timeout(&s), 0);
		ae = raw_sent(&s, RAFT_APPEND_ENTRIES);
		ck_assert_ptr_nonnull(ae);
		/* server 2 is empty and says so while it installs */
		m = raw_rejection(&s, 2, ae->append_entries.prev_log_index, 0);
		if (ae->server_id == 3)
			m = raw_rejection(&s, 2, 5, 0);
		ck_assert_int_eq(raw_receive(&s, &m), 0);
		snapshots += raw_sent(&s, RAFT_INSTALL_SNAPSHOT) != NULL;
	}
	ck_assert_int_gt(snapshots, 5);
}

/* ---- T10 ----------------------------------------------------------------- */

TEST(guard_wants_votes_only_as_candidate)
{
	struct raw s;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	ck_assert(!guard_wants_vote_result(&s.r));
	ck_assert_int_eq(raw_timeout(&s), 0);
	ck_assert(guard_wants_vote_result(&s.r));
	ck_assert_int_eq(raw_vote(&s, 2, true, 0), 0);
	ck_assert_int_eq(raw_vote(&s, 2, false, 0), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert(!guard_wants_vote_result(&s.r));
}

TEST(core_follower_moves_its_term_by_a_late_vote)
{
	struct raw s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = 2 };

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	m.request_vote_result.version = 2;
	m.request_vote_result.term = 8; /* of a pre-vote: nobody has it */
	m.request_vote_result.pre_vote = true;
	/* the byte where in_pre_vote would be is zero here */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_current_term(&s.r), 8);
}

/* ---- T12 ----------------------------------------------------------------- */

static int blocks;

static void *count_malloc(void *data, size_t n)
{
	(void)data;
	blocks++;
	return malloc(n);
}

static void count_free(void *data, void *p)
{
	(void)data;
	blocks -= p != NULL;
	free(p);
}

static void *count_calloc(void *data, size_t n, size_t size)
{
	(void)data;
	blocks++;
	return calloc(n, size);
}

static void *count_realloc(void *data, void *p, size_t n)
{
	(void)data;
	blocks += p == NULL;
	return realloc(p, n);
}

static struct raft_message install(uint64_t index)
{
	struct raft_message m = { .type = RAFT_INSTALL_SNAPSHOT,
				  .server_id = 2 };
	struct raft_install_snapshot *is = &m.install_snapshot;

	is->term = 9;
	is->last_index = index;
	is->last_term = 8;
	is->conf = raw_conf(3, 0);
	is->conf_index = 1;
	is->data.base = raft_malloc(1);
	is->data.len = 1;
	return m;
}

TEST(guard_frees_a_snapshot_that_the_core_ignores)
{
	static struct raft_heap heap = { NULL, count_malloc, count_free,
					 count_calloc, count_realloc, NULL,
					 NULL };
	struct raw s;
	struct raft_install_snapshot is;
	struct raft_message m;
	int before;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raft_heap_set(&heap);
	m = install(20);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert(s.u.flags & RAFT_UPDATE_SNAPSHOT);
	before = blocks;
	m = install(30);
	is = m.install_snapshot;
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_int_gt(blocks, before); /* the core's leak */
	guard_free_install(&is, true, &s.u);
	ck_assert_int_eq(blocks, before);
	raft_heap_set_default();
}

/* ---- T15 ----------------------------------------------------------------- */

/* Server 1 is a stand-by that follows server 3. */
static void stand_by(struct raw *s)
{
	struct raft_entry first = { .type = RAFT_CHANGE, .term = 1 };
	struct raft_configuration c;
	struct raft_message m;

	raw_allow_leaks();
	raft_configuration_init(&c);
	ck_assert_int_eq(raft_configuration_add(&c, 1, "1", RAFT_STANDBY), 0);
	ck_assert_int_eq(raft_configuration_add(&c, 2, "2", RAFT_VOTER), 0);
	ck_assert_int_eq(raft_configuration_add(&c, 3, "3", RAFT_VOTER), 0);
	first.buf = raw_encoded(&c);
	raft_configuration_close(&c);
	raw_start(s, first, 7, 5);
	m = raw_append(3, 7, 5, 7);
	ck_assert_int_eq(raw_receive(s, &m), 0);
	s->now += 10000; /* of silence */
}

static bool gives_its_vote(struct raw *s, bool guarded)
{
	struct raft_message m = { .type = RAFT_REQUEST_VOTE, .server_id = 2,
				  .server_address = "2" };
	struct raft_event e = { .type = RAFT_RECEIVE };
	struct raft_server *me = NULL;
	const struct raft_message *sent;

	m.request_vote.version = 2;
	m.request_vote.term = 9;
	m.request_vote.candidate_id = 2;
	m.request_vote.last_log_index = 9;
	m.request_vote.last_log_term = 7;
	e.receive.message = &m;
	if (guarded)
		me = guard_may_vote(&s->r, &e, true);
	ck_assert_int_eq(raw_step(s, &e), 0);
	if (me)
		me->role = RAFT_STANDBY;
	sent = raw_sent(s, RAFT_REQUEST_VOTE_RESULT);
	return sent && sent->request_vote_result.vote_granted;
}

TEST(core_stand_by_never_votes)
{
	struct raw s;

	stand_by(&s);
	ck_assert(!gives_its_vote(&s, false));
}

TEST(guard_stand_by_votes_when_its_leader_is_gone)
{
	struct raw s;

	stand_by(&s);
	ck_assert(gives_its_vote(&s, true));
	ck_assert_int_eq(s.r.configuration.servers[0].role, RAFT_STANDBY);
}
