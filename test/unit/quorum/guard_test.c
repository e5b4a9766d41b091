/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defects of libraft 0.22.1 that guard.c answers, shown on the installed
 * library itself ("core_..."), and their absence behind the guard
 * ("guard_..."). When a core test fails with a newer library, its guard may
 * have become unnecessary: that is news, not an accident.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "core.h"
#include "unit.h"

#define COMMAND RAFT_COMMAND

struct server {
	struct raft r;
	struct raft_update u;
	int64_t now;
	uint64_t terms[64]; /* of entries, by index */
	int last;
};

static struct raft_configuration conf(int voters, int standbys)
{
	struct raft_configuration c;

	raft_configuration_init(&c);
	for (int i = 1; i <= voters + standbys; i++) {
		char address[2] = { (char)('0' + i), 0 };

		ck_assert_int_eq(raft_configuration_add(
					 &c, (raft_id)i, address,
					 i <= voters ? RAFT_VOTER :
						       RAFT_STANDBY), 0);
	}
	return c;
}

static struct raft_buffer encoded(const struct raft_configuration *c)
{
	struct raft_buffer b;

	ck_assert_int_eq(raft_configuration_encode(c, &b), 0);
	return b;
}

/* A change entry of that configuration; the buffer leaks into the test. */
static struct raft_entry change(int voters, int standbys, uint64_t term)
{
	struct raft_configuration c = conf(voters, standbys);
	struct raft_entry e = { .type = RAFT_CHANGE, .term = term };

	e.buf = encoded(&c);
	raft_configuration_close(&c);
	return e;
}

static int step(struct server *s, struct raft_event *e)
{
	e->time = (raft_time)s->now;
	e->capacity = GUARD_CAPACITY;
	memset(&s->u, 0, sizeof(s->u));
	return raft_step(&s->r, e, &s->u);
}

/* Server 1 of a configuration; last - 1 commands of the term behind it. */
static void start(struct server *s, struct raft_entry first, uint64_t term,
		  int last)
{
	struct raft_entry v[64] = { first };
	struct raft_event e = { .type = RAFT_START };

	memset(s, 0, sizeof(*s));
	s->now = 10000;
	ck_assert_int_eq(raft_init(&s->r, NULL, NULL, 1, "1"), 0);
	raft_seed(&s->r, 42);
	raft_set_election_timeout(&s->r, 500);
	raft_set_heartbeat_timeout(&s->r, 50);
	raft_set_pre_vote(&s->r, true);
	for (int i = 1; i < last; i++)
		v[i] = (struct raft_entry){ .term = term, .type = COMMAND };
	e.start.term = term;
	e.start.start_index = 1;
	e.start.entries = v;
	e.start.n_entries = (unsigned)last;
	ck_assert_int_eq(step(s, &e), 0);
}

static int timeout(struct server *s)
{
	struct raft_event e = { .type = RAFT_TIMEOUT };

	s->now = max_of(s->now, (int64_t)raft_timeout(&s->r));
	return step(s, &e);
}

static int receive(struct server *s, struct raft_message *m)
{
	struct raft_event e = { .type = RAFT_RECEIVE };

	m->server_address = "?";
	e.receive.message = m;
	return step(s, &e);
}

static int vote(struct server *s, raft_id from, bool pre_vote,
		uint16_t capacity)
{
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = from };

	m.request_vote_result.version = 2;
	m.request_vote_result.term =
		raft_current_term(&s->r) + (pre_vote ? 1 : 0);
	m.request_vote_result.vote_granted = true;
	m.request_vote_result.pre_vote = pre_vote;
	m.request_vote_result.features = 1;
	m.request_vote_result.capacity = capacity;
	return receive(s, &m);
}

static void persist(struct server *s)
{
	struct raft_event e = { .type = RAFT_PERSISTED_ENTRIES };

	e.persisted_entries.index = raft_last_index(&s->r);
	if (e.persisted_entries.index > s->r.last_stored)
		ck_assert_int_eq(step(s, &e), 0);
}

static void lead(struct server *s)
{
	ck_assert_int_eq(timeout(s), 0);
	ck_assert_int_eq(vote(s, 2, true, 0), 0);
	ck_assert_int_eq(vote(s, 2, false, 0), 0);
	ck_assert_int_eq(raft_state(&s->r), RAFT_LEADER);
	persist(s);
}

static int submit(struct server *s, struct raft_entry *v, unsigned n)
{
	static char batch;
	struct raft_event e = { .type = RAFT_SUBMIT };

	for (unsigned i = 0; i < n; i++) {
		v[i].term = raft_current_term(&s->r);
		v[i].batch = &batch;
	}
	e.submit.entries = v;
	e.submit.n = n;
	return step(s, &e);
}

static struct raft_message ack(struct server *s, raft_id from, uint64_t last)
{
	struct raft_message m = { .type = RAFT_APPEND_ENTRIES_RESULT,
				  .server_id = from };

	m.append_entries_result.version = 2;
	m.append_entries_result.term = raft_current_term(&s->r);
	m.append_entries_result.last_log_index = last;
	return m;
}

static struct raft_message rejection(struct server *s, raft_id from,
				     uint64_t rejected, uint64_t last)
{
	struct raft_message m = ack(s, from, last);

	m.append_entries_result.rejected = rejected;
	return m;
}

static struct raft_message append(raft_id from, uint64_t term, uint64_t prev,
				  uint64_t prev_term)
{
	struct raft_message m = { .type = RAFT_APPEND_ENTRIES,
				  .server_id = from };

	m.append_entries.term = term;
	m.append_entries.prev_log_index = prev;
	m.append_entries.prev_log_term = prev_term;
	return m;
}

static void with_entries(struct raft_message *m, struct raft_entry *v,
			 unsigned n)
{
	void *batch = raft_malloc(1);

	for (unsigned i = 0; i < n; i++)
		v[i].batch = batch;
	m->append_entries.entries = v;
	m->append_entries.n_entries = n;
}

static const struct raft_message *sent(struct server *s, int type)
{
	for (unsigned i = 0; i < s->u.messages.n; i++)
		if ((int)s->u.messages.batch[i].type == type)
			return &s->u.messages.batch[i];
	return NULL;
}

static uint64_t match(struct server *s, raft_id id)
{
	raft_index index = 0;

	ck_assert_int_eq(raft_match_index(&s->r, id, &index), 0);
	return index;
}

/* ---- G1 ------------------------------------------------------------------ */

TEST(core_sole_voter_leads_without_a_new_term)
{
	struct server s;

	start(&s, change(1, 1, 1), 5, 3);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 5); /* it may have led it */
	ck_assert_uint_eq(raft_voted_for(&s.r), 0);
}

/* A sole voter that a message of a later term has made a follower. */
static void depose(struct server *s)
{
	struct raft_message m = append(2, 9, 3, 5);

	start(s, change(1, 1, 1), 5, 3);
	ck_assert_int_eq(receive(s, &m), 0);
	ck_assert_int_eq(raft_state(&s->r), RAFT_FOLLOWER);
	ck_assert_uint_eq(raft_current_term(&s->r), 9);
}

TEST(core_sole_voter_usurps_the_term_of_another_leader)
{
	struct server s;

	depose(&s);
	s.now += 2000;
	ck_assert_int_eq(timeout(&s), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 9); /* server 2 leads it */
}

TEST(guard_sole_voter_takes_a_new_term_first)
{
	struct server s;
	struct raft_message m;

	depose(&s);
	ck_assert(guard_is_sole_voter(&s.r.configuration, 1));
	guard_self_request(&s.r, 5, &m);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(raft_current_term(&s.r), 10);
	ck_assert_uint_eq(raft_voted_for(&s.r), 1);
	s.now += 2000;
	ck_assert_int_eq(timeout(&s), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert_uint_eq(raft_current_term(&s.r), 10);
}

TEST(guard_sole_voter_is_nobody_else)
{
	struct raft_configuration c = conf(1, 2);

	ck_assert(guard_is_sole_voter(&c, 1));
	ck_assert(!guard_is_sole_voter(&c, 2)); /* a stand-by */
	ck_assert(!guard_is_sole_voter(&c, 9));
	raft_configuration_close(&c);
	c = conf(2, 0);
	ck_assert(!guard_is_sole_voter(&c, 1));
	raft_configuration_close(&c);
}

/* ---- G2 ------------------------------------------------------------------ */

/* The stale append's answer looks like an acknowledgement in the new term. */
static void stale_append(struct server *s, struct raft_message *m,
			 struct raft_message *answer)
{
	start(s, change(3, 0, 1), 7, 2);
	*m = append(2, 3, 0, 0);
	ck_assert_int_eq(receive(s, m), 0);
	ck_assert_ptr_nonnull(sent(s, RAFT_APPEND_ENTRIES_RESULT));
	*answer = *sent(s, RAFT_APPEND_ENTRIES_RESULT);
}

TEST(core_acknowledges_an_append_of_an_old_term)
{
	struct server s;
	struct raft_message m, answer;

	stale_append(&s, &m, &answer);
	/* success, in a term the sender may lead by now, of whatever was in
	 * last_log_index, which nobody has set */
	ck_assert_uint_eq(answer.append_entries_result.rejected, 0);
	ck_assert_uint_eq(answer.append_entries_result.term, 7);
}

TEST(core_leader_commits_by_such_an_acknowledgement)
{
	struct server s;
	struct raft_message m;

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
	m = ack(&s, 2, 6); /* garbage that happens to be an index */
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 6);
}

TEST(guard_acknowledges_nothing_of_an_old_term)
{
	struct server s;
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
	struct server s;
	struct raft_message m = append(2, 5, 3, 5);
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   change(3, 1, 5) };

	start(&s, change(3, 0, 1), 5, 3);
	with_entries(&m, v, 2);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(s.r.configuration_uncommitted_index, 4); /* is 5 */
}

TEST(core_keeps_a_change_that_was_truncated)
{
	struct server s;
	struct raft_message m = append(2, 5, 3, 5);
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   change(3, 1, 5) };
	struct raft_entry other = { .term = 6, .type = COMMAND };

	start(&s, change(3, 0, 1), 5, 3);
	with_entries(&m, v, 2);
	ck_assert_int_eq(receive(&s, &m), 0);
	/* another leader has something else at 5, where the change is */
	m = append(3, 6, 4, 5);
	with_entries(&m, &other, 1);
	ck_assert_int_eq(receive(&s, &m), 0);
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
	struct server s;
	struct raft_entry v[2] = { { .term = 5, .type = COMMAND },
				   change(3, 1, 5) };
	struct raft_entry other = { .term = 6, .type = COMMAND };
	struct raft_message m;

	start(&s, change(3, 0, 1), 5, 3);
	for (unsigned at = 0, n; at < 2; at += n) {
		n = guard_slice(v + at, 2 - at);
		m = append(2, 5, 3 + at, 5);
		with_entries(&m, v + at, n);
		ck_assert_int_eq(receive(&s, &m), 0);
	}
	ck_assert_uint_eq(s.r.configuration_uncommitted_index, 5);
	m = append(3, 6, 4, 5);
	with_entries(&m, &other, 1);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(s.r.configuration.n, 3);
}

/* ---- G4, T1, T11 --------------------------------------------------------- */

/* A follower with everything up to 10 committed and compacted. */
static void compacted(struct server *s)
{
	struct raft_event e = { .type = RAFT_SNAPSHOT };
	struct raft_message m;

	start(s, change(3, 0, 1), 5, 12);
	m = append(2, 5, 12, 5);
	m.append_entries.leader_commit = 12;
	ck_assert_int_eq(receive(s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s->r), 12);
	e.snapshot.metadata.index = 10;
	e.snapshot.metadata.term = 5;
	e.snapshot.metadata.configuration = conf(3, 0);
	e.snapshot.metadata.configuration_index = 1;
	ck_assert_int_eq(step(s, &e), 0);
}

static struct raft_message old_append(struct raft_entry v[3])
{
	struct raft_message m = append(2, 5, 0, 0);

	v[0] = change(3, 0, 1);
	v[1] = v[2] = (struct raft_entry){ .term = 5, .type = COMMAND };
	with_entries(&m, v, 3);
	return m;
}

TEST(core_ruins_its_log_with_old_entries)
{
	struct server s;
	struct raft_entry v[3];
	struct raft_message m;

	compacted(&s);
	m = old_append(v);
	(void)receive(&s, &m);
	/* 1 to 3 were put behind 12: a log that nobody ever had */
	ck_assert_uint_ne(raft_last_index(&s.r), 12);
}

TEST(core_rejects_what_it_has_compacted)
{
	struct server s;
	struct raft_message m;

	compacted(&s);
	m = append(2, 5, 4, 5); /* the leader lost our acknowledgements */
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(sent(&s, RAFT_APPEND_ENTRIES_RESULT)
				  ->append_entries_result.rejected, 4);
}

TEST(guard_begins_an_append_at_the_commit_index)
{
	struct server s;
	struct raft_entry v[3];
	struct raft_message m;

	compacted(&s);
	m = old_append(v);
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.n_entries, 0);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 12);
	ck_assert_uint_eq(m.append_entries.prev_log_term, 5);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(raft_last_index(&s.r), 12);
	ck_assert_uint_eq(sent(&s, RAFT_APPEND_ENTRIES_RESULT)
				  ->append_entries_result.rejected, 0);
}

TEST(guard_keeps_what_is_new_in_an_append)
{
	struct server s;
	struct raft_entry v[4];
	struct raft_message m = append(2, 5, 10, 5);

	compacted(&s);
	for (int i = 0; i < 4; i++)
		v[i] = (struct raft_entry){ .term = 5, .type = COMMAND };
	with_entries(&m, v, 4); /* 11 to 14 */
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.n_entries, 2);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 12);
	ck_assert_ptr_eq(m.append_entries.entries, v + 2);
	/* of an old term: the core has to refuse it as it is */
	m = append(2, 4, 0, 0);
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_uint_eq(m.append_entries.prev_log_index, 0);
}

TEST(core_commit_index_goes_back)
{
	struct server s;
	struct raft_message m;

	compacted(&s);
	ck_assert_uint_eq(raft_commit_index(&s.r), 12);
	m = append(2, 5, 10, 5); /* a heartbeat at the snapshot */
	m.append_entries.leader_commit = 15;
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 10);
}

TEST(guard_commit_index_stays)
{
	struct server s;
	struct raft_message m;

	compacted(&s);
	m = append(2, 5, 10, 5);
	m.append_entries.leader_commit = 15;
	guard_trim_append(&s.r, 5, &m.append_entries);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 12);
}

/* A leader that has lost touch with server 2, which had acknowledged 5. */
static void probing(struct server *s)
{
	struct raft_message m;

	start(s, change(3, 0, 1), 7, 5);
	lead(s);
	m = ack(s, 2, 5);
	ck_assert_int_eq(receive(s, &m), 0);
	for (int i = 0; i < 30; i++) {
		m = ack(s, 3, 6);
		ck_assert_int_eq(receive(s, &m), 0);
		s->now += 50;
		ck_assert_int_eq(timeout(s), 0);
	}
	ck_assert_int_eq(raft_state(&s->r), RAFT_LEADER);
}

TEST(core_leader_follows_a_rejection_below_the_match)
{
	struct server s;
	struct raft_message m;

	probing(&s);
	m = rejection(&s, 2, 5, 2);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(match(&s, 2), 5);
	ck_assert_uint_lt(sent(&s, RAFT_APPEND_ENTRIES)
				  ->append_entries.prev_log_index, 5);
}

TEST(guard_drops_a_rejection_below_the_match)
{
	struct server s;
	struct raft_message m;

	probing(&s);
	m = rejection(&s, 2, 5, 2);
	ck_assert(guard_rejection_is_stale(&s.r, &m));
	m = rejection(&s, 2, 7, 6); /* one that may be true */
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
	m = ack(&s, 2, 2);
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
	m = rejection(&s, 2, 5, 2);
	m.append_entries_result.term++; /* the core has to step down */
	ck_assert(!guard_rejection_is_stale(&s.r, &m));
}

/* ---- T2 ------------------------------------------------------------------ */

static void pre_vote_of_old_term(struct server *s, struct raft_message *m)
{
	start(s, change(3, 0, 1), 9, 3);
	memset(m, 0, sizeof(*m));
	m->type = RAFT_REQUEST_VOTE;
	m->server_id = 2;
	m->request_vote.version = 2;
	m->request_vote.term = 6;
	m->request_vote.candidate_id = 2;
	m->request_vote.last_log_index = 20;
	m->request_vote.last_log_term = 5;
	m->request_vote.pre_vote = true;
	ck_assert_int_eq(receive(s, m), 0);
}

TEST(core_hides_its_term_from_a_pre_candidate)
{
	struct server s;
	struct raft_message m;

	pre_vote_of_old_term(&s, &m);
	ck_assert(!sent(&s, RAFT_REQUEST_VOTE_RESULT)
			   ->request_vote_result.vote_granted);
	ck_assert_uint_eq(sent(&s, RAFT_REQUEST_VOTE_RESULT)
				  ->request_vote_result.term, 6);
}

TEST(guard_tells_a_pre_candidate_the_term)
{
	struct server s;
	struct raft_message m, answer;

	pre_vote_of_old_term(&s, &m);
	answer = *sent(&s, RAFT_REQUEST_VOTE_RESULT);
	guard_pre_vote_term(&s.r, &m, &answer);
	ck_assert_uint_eq(answer.request_vote_result.term, 9);
}

/* ---- T3, T4 -------------------------------------------------------------- */

TEST(core_counts_entries_of_a_refused_submit)
{
	struct server s;
	struct raft_entry one = change(3, 1, 0);
	struct raft_entry two[2] = { { .type = COMMAND }, change(3, 2, 0) };
	raft_index last;

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
	ck_assert_int_eq(submit(&s, &one, 1), 0);
	last = raft_last_index(&s.r);
	ck_assert_int_eq(submit(&s, two, 2), RAFT_CANTCHANGE);
	ck_assert_uint_gt(raft_last_index(&s.r), last); /* of nothing */
}

TEST(guard_holds_changes_back)
{
	struct server s;
	struct guard_change g = { .own_term_committed = true,
				  .voters_before = 3, .voters_after = 3 };
	struct raft_entry one = change(3, 1, 0);

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
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
	ck_assert_int_eq(submit(&s, &one, 1), 0);
	ck_assert_int_eq(guard_change_fault(&s.r, &g), -EBUSY);
}

TEST(core_voter_to_be_refuses_its_vote)
{
	struct server s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE, .server_id = 2 };

	/* server 1 is a stand-by in its own log; 2 knows that it is a voter */
	struct raft_configuration c;
	struct raft_entry first = { .type = RAFT_CHANGE, .term = 1 };

	raft_configuration_init(&c);
	raft_configuration_add(&c, 1, "1", RAFT_STANDBY);
	raft_configuration_add(&c, 2, "2", RAFT_VOTER);
	first.buf = encoded(&c);
	raft_configuration_close(&c);
	start(&s, first, 5, 3);
	m.request_vote.version = 2;
	m.request_vote.term = 6;
	m.request_vote.candidate_id = 2;
	m.request_vote.last_log_index = 4;
	m.request_vote.last_log_term = 5;
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert(!sent(&s, RAFT_REQUEST_VOTE_RESULT)
			   ->request_vote_result.vote_granted);
}

/* ---- T5 ------------------------------------------------------------------ */

TEST(core_tells_a_transferee_too_early)
{
	struct server s;
	struct raft_event e = { .type = RAFT_TRANSFER };
	struct raft_message m;

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
	e.transfer.server_id = 2;
	ck_assert_int_eq(step(&s, &e), 0);
	m = ack(&s, 2, 3); /* of 6 */
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_ptr_nonnull(sent(&s, RAFT_TIMEOUT_NOW));
	m = ack(&s, 2, 6); /* now it has all, but is not told again */
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_ptr_null(sent(&s, RAFT_TIMEOUT_NOW));
}

TEST(guard_hands_over_only_to_one_that_has_all)
{
	struct server s;
	struct raft_message m;

	start(&s, change(3, 1, 1), 7, 5);
	lead(&s);
	m = ack(&s, 2, 3);
	ck_assert_int_eq(receive(&s, &m), 0);
	m = ack(&s, 4, 6); /* a stand-by */
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 0), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 2), 0);
	m = ack(&s, 2, 6);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 0), 2);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 2), 2);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 3), 0);
	ck_assert_uint_eq(guard_transfer_target(&s.r, 4), 0);
}

/* ---- T6 ------------------------------------------------------------------ */

TEST(core_gives_up_catching_up_a_server_that_has_all)
{
	struct server s;
	struct raft_event e = { .type = RAFT_CATCH_UP };
	struct raft_message m;
	int status;

	start(&s, change(3, 1, 1), 7, 5);
	lead(&s);
	m = ack(&s, 4, 6);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert(guard_is_up_to_date(&s.r, 4, 0));
	e.catch_up.server_id = 4;
	ck_assert_int_eq(step(&s, &e), 0);
	for (int i = 0; i < 200; i++) {
		for (raft_id id = 2; id <= 4; id++) {
			m = ack(&s, id, 6);
			ck_assert_int_eq(receive(&s, &m), 0);
		}
		s.now += 50;
		ck_assert_int_eq(timeout(&s), 0);
	}
	ck_assert_int_eq(raft_catch_up(&s.r, 4, &status), 0);
	ck_assert_int_eq(status, RAFT_CATCH_UP_ABORTED);
}

TEST(guard_up_to_date_means_acknowledged)
{
	struct server s;
	struct raft_message m;

	start(&s, change(3, 1, 1), 7, 5);
	lead(&s);
	ck_assert(!guard_is_up_to_date(&s.r, 4, 100)); /* never heard */
	m = ack(&s, 4, 4);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert(!guard_is_up_to_date(&s.r, 4, 1));
	ck_assert(guard_is_up_to_date(&s.r, 4, 2));
	ck_assert(!guard_is_up_to_date(&s.r, 9, 100));
}

/* ---- T7 ------------------------------------------------------------------ */

TEST(core_timeout_stays_in_the_past)
{
	struct server s;
	struct raft_entry e = { .type = RAFT_CHANGE };
	struct raft_configuration c = conf(3, 1);
	struct raft_message m;
	int late = 0;

	start(&s, change(3, 1, 1), 7, 5);
	lead(&s);
	c.servers[3].role = RAFT_SPARE;
	e.buf = encoded(&c);
	raft_configuration_close(&c);
	ck_assert_int_eq(submit(&s, &e, 1), 0);
	for (int i = 0; i < 100; i++) {
		for (raft_id id = 2; id <= 3; id++) {
			m = ack(&s, id, 6);
			ck_assert_int_eq(receive(&s, &m), 0);
		}
		s.now += 60;
		ck_assert_int_eq(timeout(&s), 0);
		late += (int64_t)raft_timeout(&s.r) <= s.now;
		ck_assert_int_gt(guard_deadline(&s.r, s.now), s.now);
	}
	ck_assert_int_gt(late, 90);
}

/* ---- T8 ------------------------------------------------------------------ */

TEST(core_with_a_capacity_threshold_fails_when_it_wins)
{
	struct server s;

	start(&s, change(3, 0, 1), 7, 5);
	raft_set_capacity_threshold(&s.r, 10);
	ck_assert_int_eq(timeout(&s), 0);
	ck_assert_int_eq(vote(&s, 2, true, 1), 0);
	ck_assert_int_eq(vote(&s, 2, false, 1), RAFT_NOSPACE);
	ck_assert_int_eq(GUARD_CAPACITY, 0);
}

/* ---- T9 ------------------------------------------------------------------ */

TEST(core_sends_a_snapshot_again_at_every_heartbeat)
{
	struct server s;
	struct raft_event e = { .type = RAFT_SNAPSHOT };
	struct raft_message m;
	int snapshots = 0;

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
	m = ack(&s, 3, 6);
	ck_assert_int_eq(receive(&s, &m), 0);
	e.snapshot.metadata.index = 5;
	e.snapshot.metadata.term = 7;
	e.snapshot.metadata.configuration = conf(3, 0);
	e.snapshot.metadata.configuration_index = 1;
	ck_assert_int_eq(step(&s, &e), 0);
	for (int i = 0; i < 40; i++) {
		const struct raft_message *ae;

		m = ack(&s, 3, 6);
		ck_assert_int_eq(receive(&s, &m), 0);
		s.now += 50;
		ck_assert_int_eq(timeout(&s), 0);
		ae = sent(&s, RAFT_APPEND_ENTRIES);
		ck_assert_ptr_nonnull(ae);
		/* server 2 is empty and says so while it installs */
		m = rejection(&s, 2, ae->append_entries.prev_log_index, 0);
		if (ae->server_id == 3)
			m = rejection(&s, 2, 5, 0);
		ck_assert_int_eq(receive(&s, &m), 0);
		snapshots += sent(&s, RAFT_INSTALL_SNAPSHOT) != NULL;
	}
	ck_assert_int_gt(snapshots, 5);
}

/* ---- T10 ----------------------------------------------------------------- */

TEST(guard_wants_votes_only_as_candidate)
{
	struct server s;

	start(&s, change(3, 0, 1), 7, 5);
	ck_assert(!guard_wants_vote_result(&s.r));
	ck_assert_int_eq(timeout(&s), 0);
	ck_assert(guard_wants_vote_result(&s.r));
	ck_assert_int_eq(vote(&s, 2, true, 0), 0);
	ck_assert_int_eq(vote(&s, 2, false, 0), 0);
	ck_assert_int_eq(raft_state(&s.r), RAFT_LEADER);
	ck_assert(!guard_wants_vote_result(&s.r));
}

TEST(core_follower_moves_its_term_by_a_late_vote)
{
	struct server s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = 2 };

	start(&s, change(3, 0, 1), 7, 5);
	m.request_vote_result.version = 2;
	m.request_vote_result.term = 8; /* of a pre-vote: nobody has it */
	m.request_vote_result.pre_vote = true;
	/* the byte where in_pre_vote would be is zero here */
	ck_assert_int_eq(receive(&s, &m), 0);
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
	is->conf = conf(3, 0);
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
	struct server s;
	struct raft_install_snapshot is;
	struct raft_message m;
	int before;

	start(&s, change(3, 0, 1), 7, 5);
	raft_heap_set(&heap);
	m = install(20);
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert(s.u.flags & RAFT_UPDATE_SNAPSHOT);
	before = blocks;
	m = install(30);
	is = m.install_snapshot;
	ck_assert_int_eq(receive(&s, &m), 0);
	ck_assert_int_gt(blocks, before); /* the core's leak */
	guard_free_install(&is, true, &s.u);
	ck_assert_int_eq(blocks, before);
	raft_heap_set_default();
}

/* ---- T13 ----------------------------------------------------------------- */

#if !defined(__SANITIZE_ADDRESS__)
/* On the last bytes of a page behind which there is nothing. */
static void decode_at_the_edge(const uint8_t *bytes, size_t n)
{
	struct raft_configuration c;
	struct raft_buffer b;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(munmap(p + 4096, 4096), 0);
	b.base = p + 4096 - n;
	b.len = n;
	memcpy(b.base, bytes, n);
	(void)raft_configuration_decode(&b, &c);
}

UNIT(core_reads_past_a_short_configuration, SIGSEGV, 1)
{
	static const uint8_t forged[9] = { 1, 3 };

	decode_at_the_edge(forged, sizeof(forged));
}
#endif

TEST(guard_reads_the_configurations_that_the_core_makes)
{
	for (int voters = 1; voters <= 5; voters++) {
		struct raft_configuration c = conf(voters, 3), got;
		struct raft_buffer b = encoded(&c);

		ck_assert(guard_read_configuration(b.base, b.len, &got));
		ck_assert_uint_eq(got.n, c.n);
		for (unsigned i = 0; i < c.n; i++) {
			ck_assert_uint_eq(got.servers[i].id, c.servers[i].id);
			ck_assert_int_eq(got.servers[i].role,
					 c.servers[i].role);
			ck_assert_str_eq(got.servers[i].address,
					 c.servers[i].address);
		}
		/* no prefix of it is one, and nothing longer */
		for (size_t n = 0; n < b.len; n++) {
			uint8_t *part = mem_dup(b.base, n ? n : 1);
			bool ok = guard_read_configuration(part, n, NULL);

			mem_free(part);
			ck_assert(!ok || b.len - n < 8);
		}
		raft_configuration_close(&got);
		raft_configuration_close(&c);
		raft_free(b.base);
	}
}

TEST(guard_survives_forged_configurations)
{
	struct raft_configuration c = conf(3, 2);
	struct raft_buffer b = encoded(&c);
	struct prng p;

	prng_init(&p, 7);
	for (int i = 0; i < 20000; i++) {
		uint8_t *forged = mem_dup(b.base, b.len);

		for (uint64_t n = 1 + prng_below(&p, 4); n; n--)
			forged[prng_below(&p, b.len)] = (uint8_t)prng_next(&p);
		(void)!guard_read_configuration(forged, b.len, NULL);
		mem_free(forged);
	}
	raft_configuration_close(&c);
	raft_free(b.base);
}

/* ---- T14 ----------------------------------------------------------------- */

TEST(guard_refuses_senseless_appends)
{
	struct server s;
	struct raft_entry v[2] = { { .term = 6, .type = COMMAND },
				   { .term = 7, .type = COMMAND } };
	struct raft_message good = append(2, 7, 5, 6), m;

	start(&s, change(3, 0, 1), 7, 5);
	good.append_entries.entries = v;
	good.append_entries.n_entries = 2;
	ck_assert(guard_is_sound(&s.r, &good));
	m = good;
	m.append_entries.term = 0;
	ck_assert(!guard_is_sound(&s.r, &m));
	m = good;
	m.append_entries.prev_log_term = 0;
	ck_assert(!guard_is_sound(&s.r, &m));
	m = good;
	m.append_entries.prev_log_term = 8;
	ck_assert(!guard_is_sound(&s.r, &m));
	m = good;
	m.append_entries.prev_log_index = MESSAGE_INDEX_MAX;
	ck_assert(!guard_is_sound(&s.r, &m));
	v[1].term = 5; /* goes back */
	ck_assert(!guard_is_sound(&s.r, &good));
	v[1].term = 8; /* beyond the leader's */
	ck_assert(!guard_is_sound(&s.r, &good));
	v[1].term = 7;
	v[1].type = 4;
	ck_assert(!guard_is_sound(&s.r, &good));
	v[1].type = RAFT_CHANGE; /* of nothing */
	v[1].buf.base = &s;
	v[1].buf.len = 9;
	ck_assert(!guard_is_sound(&s.r, &good));
}

TEST(guard_refuses_a_second_leader_of_the_term)
{
	struct server s;
	struct raft_message m;

	start(&s, change(3, 0, 1), 7, 5);
	lead(&s);
	m = append(2, raft_current_term(&s.r), 5, 7);
	ck_assert(!guard_is_sound(&s.r, &m));
	m.append_entries.term++;
	ck_assert(guard_is_sound(&s.r, &m));
}

TEST(guard_refuses_votes_nobody_could_give)
{
	struct server s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = 2 };

	start(&s, change(3, 0, 1), 7, 5);
	m.request_vote_result.term = 9;
	m.request_vote_result.vote_granted = true;
	ck_assert(!guard_is_sound(&s.r, &m));
	m.request_vote_result.vote_granted = false;
	ck_assert(guard_is_sound(&s.r, &m));
	m = (struct raft_message){ .type = RAFT_REQUEST_VOTE, .server_id = 2 };
	m.request_vote.term = 9;
	m.request_vote.candidate_id = 3; /* asks for another */
	ck_assert(!guard_is_sound(&s.r, &m));
	m.request_vote.candidate_id = 2;
	ck_assert(guard_is_sound(&s.r, &m));
	m.request_vote.last_log_index = 4; /* of no term */
	ck_assert(!guard_is_sound(&s.r, &m));
}
