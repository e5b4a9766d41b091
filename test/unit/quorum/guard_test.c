/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defects of libraft 0.22.1 that guard.c answers, shown on the installed
 * library itself ("core_..."), and their absence behind the guard
 * ("guard_..."). When a core test fails with a newer library, its guard may
 * have become unnecessary: that is news, not an accident.
 *
 * Here: safety, G1 to G4, and T1.
 */
#include "raw.h"

/* ---- G1 ------------------------------------------------------------------ */

TEST(core_sole_voter_leads_without_a_new_term)
{
	struct raw s;

	raw_start(&s, raw_change(1, 1, 1), 5, 3);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 5); /* it may have led it */
	ck_assert_uint_eq(raft_voted_for(&s.r), 0);
}

/* A sole voter that a message of a later term has made a follower. */
static void depose(struct raw *s)
{
	struct raft_message m = raw_append(2, 9, 3, 5);

	raw_start(s, raw_change(1, 1, 1), 5, 3);
	ck_assert_int_eq(raw_receive(s, &m), 0);
	ck_assert_int_eq(raft_state(&s->r), RAFT_FOLLOWER);
	ck_assert_uint_eq(raft_current_term(&s->r), 9);
}

TEST(core_sole_voter_usurps_the_term_of_another_leader)
{
	struct raw s;

	depose(&s);
	s.now += 2000;
	ck_assert_int_eq(raw_timeout(&s), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 9); /* server 2 leads it */
}

TEST(guard_sole_voter_takes_a_new_term_first)
{
	struct raw s;
	struct raft_message m;

	depose(&s);
	ck_assert(guard_is_sole_voter(&s.r.configuration, 1));
	guard_self_request(&s.r, 5, &m);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_current_term(&s.r), 10);
	ck_assert_uint_eq(raft_voted_for(&s.r), 1);
	s.now += 2000;
	ck_assert_int_eq(raw_timeout(&s), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 10);
}

TEST(guard_sole_voter_is_nobody_else)
{
	struct raft_configuration c = raw_conf(1, 2);

	ck_assert(guard_is_sole_voter(&c, 1));
	ck_assert(!guard_is_sole_voter(&c, 2)); /* a stand-by */
	ck_assert(!guard_is_sole_voter(&c, 9));
	raft_configuration_close(&c);
	c = raw_conf(2, 0);
	ck_assert(!guard_is_sole_voter(&c, 1));
	raft_configuration_close(&c);
}

/* ---- G2 ------------------------------------------------------------------ */

/* The stale append's answer looks like an acknowledgement in the new term. */
static void stale_append(struct raw *s, struct raft_message *m,
			 struct raft_message *answer)
{
	raw_start(s, raw_change(3, 0, 1), 7, 2);
	*m = raw_append(2, 3, 0, 0);
	ck_assert_int_eq(raw_receive(s, m), 0);
	ck_assert_ptr_nonnull(raw_sent(s, RAFT_APPEND_ENTRIES_RESULT));
	*answer = *raw_sent(s, RAFT_APPEND_ENTRIES_RESULT);
}

TEST(core_acknowledges_an_append_of_an_old_term)
{
	struct raw s;
	struct raft_message m, answer;

	stale_append(&s, &m, &answer);
	/* success, in a term the sender may lead by now, of whatever was in
	 * last_log_index, which nobody has set */
	ck_assert_uint_eq(answer.append_entries_result.rejected, 0);
	ck_assert_uint_eq(answer.append_entries_result.term, 7);
}

TEST(core_leader_commits_by_such_an_acknowledgement)
{
	struct raw s;
	struct raft_message m;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	m = raw_ack(&s, 2, 6); /* garbage that happens to be an index */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 6);
}

TEST(guard_acknowledges_nothing_of_an_old_term)
{
	struct raw s;
	struct raft_message m, answer;

	stale_append(&s, &m, &answer);
	answer.append_entries_result.last_log_index = 999;
	guard_stale_ack(&s.r, &m, &answer);
	ck_assert_uint_eq(answer.append_entries_result.last_log_index, 0);
	/* and leaves those of the term alone */
	m.append_entries.term = 7;
	answer.append_entries_result.last_log_index = 2;
	guard_stale_ack(&s.r, &m, &answer);
	ck_assert_uint_eq(answer.append_entries_result.last_log_index, 2);
}

/* ---- G3 ------------------------------------------------------------------ */

TEST(core_notes_a_change_under_the_wrong_index)
{
	struct raw s;
	struct raft_message m = raw_append(2, 5, 3, 5);
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   raw_change(3, 1, 5) };

	raw_start(&s, raw_change(3, 0, 1), 5, 3);
	raw_with_entries(&m, v, 2);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(s.r.configuration_uncommitted_index, 4); /* is 5 */
}

TEST(core_keeps_a_change_that_was_truncated)
{
	struct raw s;
	struct raft_message m = raw_append(2, 5, 3, 5);
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   raw_change(3, 1, 5) };
	struct raft_entry other = { .term = 6, .type = COMMAND };

	raw_start(&s, raw_change(3, 0, 1), 5, 3);
	raw_with_entries(&m, v, 2);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	/* another leader has something else at 5, where the change is */
	m = raw_append(3, 6, 4, 5);
	raw_with_entries(&m, &other, 1);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(s.r.configuration.n, 4);
}

TEST(guard_gives_a_change_a_step_of_its_own)
{
	struct raft_entry v[5] = { { .type = COMMAND }, { .type = COMMAND },
				   { .type = RAFT_CHANGE },
				   { .type = RAFT_CHANGE },
				   { .type = RAFT_BARRIER } };

	ck_assert_uint_eq(guard_slice(v, 5), 2);
	ck_assert_uint_eq(guard_slice(v + 2, 3), 1);
	ck_assert_uint_eq(guard_slice(v + 3, 2), 1);
	ck_assert_uint_eq(guard_slice(v + 4, 1), 1);
	ck_assert_uint_eq(guard_slice(v, 0), 0);
}

TEST(guard_lets_a_truncated_change_roll_back)
{
	struct raw s;
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   raw_change(3, 1, 5) };
	struct raft_entry other = { .term = 6, .type = COMMAND };
	struct raft_message m;

	raw_start(&s, raw_change(3, 0, 1), 5, 3);
	for (unsigned at = 0, n; at < 2; at += n) {
		n = guard_slice(v + at, 2 - at);
		m = raw_append(2, 5, 3 + at, 5);
		raw_with_entries(&m, v + at, n);
		ck_assert_int_eq(raw_receive(&s, &m), 0);
	}
	ck_assert_uint_eq(s.r.configuration_uncommitted_index, 5);
	m = raw_append(3, 6, 4, 5);
	raw_with_entries(&m, &other, 1);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(s.r.configuration.n, 3);
}

/* ---- G4, T1, T11 --------------------------------------------------------- */

/* A follower with everything up to 10 committed and compacted. */
static void compacted(struct raw *s)
{
	struct raft_event e = { .type = RAFT_SNAPSHOT };
	struct raft_message m;

	raw_start(s, raw_change(3, 0, 1), 5, 12);
	m = raw_append(2, 5, 12, 5);
	m.append_entries.leader_commit = 12;
	ck_assert_int_eq(raw_receive(s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s->r), 12);
	e.snapshot.metadata.index = 10;
	e.snapshot.metadata.term = 5;
	e.snapshot.metadata.configuration = raw_conf(3, 0);
	e.snapshot.metadata.configuration_index = 1;
	ck_assert_int_eq(raw_step(s, &e), 0);
}

static struct raft_message old_append(struct raft_entry v[3])
{
	struct raft_message m = raw_append(2, 5, 0, 0);

	v[0] = raw_change(3, 0, 1);
	v[1] = v[2] = (struct raft_entry){ .term = 5, .type = COMMAND };
	raw_with_entries(&m, v, 3);
	return m;
}

TEST(core_ruins_its_log_with_old_entries)
{
	struct raw s;
	struct raft_entry v[3];
	struct raft_message m;

	compacted(&s);
	m = old_append(v);
	(void)raw_receive(&s, &m);
	/* 1 to 3 were put behind 12: a log that nobody ever had */
	ck_assert_uint_ne(raft_last_index(&s.r), 12);
}

TEST(core_rejects_what_it_has_compacted)
{
	struct raw s;
	struct raft_message m;

	compacted(&s);
	m = raw_append(2, 5, 4, 5); /* the leader lost our acknowledgements */
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raw_sent(&s, RAFT_APPEND_ENTRIES_RESULT)
				  ->append_entries_result.rejected, 4);
}

TEST(guard_begins_an_append_at_the_commit_index)
{
	struct raw s;
	struct raft_entry v[3];
	struct raft_message m;

	compacted(&s);
	m = old_append(v);
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.n_entries, 0);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 12);
	ck_assert_uint_eq(m.append_entries.prev_log_term, 5);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_last_index(&s.r), 12);
	ck_assert_uint_eq(raw_sent(&s, RAFT_APPEND_ENTRIES_RESULT)
				  ->append_entries_result.rejected, 0);
}

TEST(guard_keeps_what_is_new_in_an_append)
{
	struct raw s;
	struct raft_entry v[4];
	struct raft_message m = raw_append(2, 5, 10, 5);

	compacted(&s);
	for (int i = 0; i < 4; i++)
		v[i] = (struct raft_entry){ .term = 5, .type = COMMAND };
	raw_with_entries(&m, v, 4); /* 11 to 14 */
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.n_entries, 2);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 12);
	ck_assert_ptr_eq(m.append_entries.entries, v + 2);
	/* of an old term: the core has to refuse it as it is */
	m = raw_append(2, 4, 0, 0);
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 0);
}

TEST(core_commit_index_goes_back)
{
	struct raw s;
	struct raft_message m;

	compacted(&s);
	ck_assert_uint_eq(raft_commit_index(&s.r), 12);
	m = raw_append(2, 5, 10, 5); /* a heartbeat at the snapshot */
	m.append_entries.leader_commit = 15;
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 10);
}

TEST(guard_commit_index_stays)
{
	struct raw s;
	struct raft_message m;

	compacted(&s);
	m = raw_append(2, 5, 10, 5);
	m.append_entries.leader_commit = 15;
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 12);
}

/* A leader that has lost touch with server 2, which had acknowledged 5. */
static void probing(struct raw *s)
{
	struct raft_message m;

	raw_start(s, raw_change(3, 0, 1), 7, 5);
	raw_lead(s);
	m = raw_ack(s, 2, 5);
	ck_assert_int_eq(raw_receive(s, &m), 0);
	for (int i = 0; i < 30; i++) {
		m = raw_ack(s, 3, 6);
		ck_assert_int_eq(raw_receive(s, &m), 0);
		s->now += 50;
		ck_assert_int_eq(raw_timeout(s), 0);
	}
	ck_assert_int_eq(raft_state(&s->r), RAFT_LEADER);
}

TEST(core_leader_follows_a_rejection_below_the_match)
{
	struct raw s;
	struct raft_message m;

	probing(&s);
	m = raw_rejection(&s, 2, 5, 2);
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raw_match(&s, 2), 5);
	ck_assert_uint_lt(raw_sent(&s, RAFT_APPEND_ENTRIES)
				  ->append_entries.prev_log_index, 5);
}

TEST(guard_drops_a_rejection_below_the_match)
{
	struct raw s;
	struct raft_message m;

	probing(&s);
	m = raw_rejection(&s, 2, 5, 2);
	ck_assert(guard_rejection_is_stale(&s.r, &m));
	m = raw_rejection(&s, 2, 7, 6); /* one that may be true */
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
	m = raw_ack(&s, 2, 2);
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
	m = raw_rejection(&s, 2, 5, 2);
	m.append_entries_result.term++; /* the core has to step down */
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
}
