/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defects of libraft 0.22.1 that guard.c answers, shown on the installed
 * library itself ("core_..."), and their absence behind the guard
 * ("guard_..."). When a core test fails with a newer library, its guard may
 * have become unnecessary: that is news, not an accident.
 *
 * Here: forged input, T13, T14 and T16.
 */
#include <sys/mman.h>

#include "raw.h"

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
		struct raft_configuration c = raw_conf(voters, 3), got;
		struct raft_buffer b = raw_encoded(&c);

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
	struct raft_configuration c = raw_conf(3, 2);
	struct raft_buffer b = raw_encoded(&c);
	struct prng p;

	prng_init(&p, 7);
	for (int i = 0; i < unit_rounds(20000); i++) {
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
	struct raw s;
	struct raft_entry v[2] = { { .term = 6, .type = COMMAND },
				   { .term = 7, .type = COMMAND } };
	struct raft_message good = raw_append(2, 7, 5, 6), m;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
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
	m = good; /* the first entry of all names the members */
	m.append_entries.prev_log_index = m.append_entries.prev_log_term = 0;
	ck_assert(!guard_is_sound(&s.r, &m));
	v[1].type = 4;
	ck_assert(!guard_is_sound(&s.r, &good));
	v[1].type = RAFT_CHANGE; /* of nothing */
	v[1].buf.base = &s;
	v[1].buf.len = 9;
	ck_assert(!guard_is_sound(&s.r, &good));
}

TEST(guard_refuses_a_second_leader_of_the_term)
{
	struct raw s;
	struct raft_message m;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	raw_lead(&s);
	m = raw_append(2, raft_current_term(&s.r), 5, 7);
	ck_assert(!guard_is_sound(&s.r, &m));
	m.append_entries.term++;
	ck_assert(guard_is_sound(&s.r, &m));
}

TEST(guard_refuses_votes_nobody_could_give)
{
	struct raw s;
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = 2 };

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
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

/* Found by fuzzing: the node went back to before what it had applied. */
TEST(guard_refuses_a_snapshot_that_contradicts_what_is_committed)
{
	struct raft_install_snapshot is = { .term = 7, .last_index = 4,
					    .last_term = 7 };
	struct raft_message m;
	struct raw s;

	raw_start(&s, raw_change(3, 0, 1), 7, 5);
	m = raw_append(2, 7, 5, 7);
	m.append_entries.leader_commit = 5;
	ck_assert_int_eq(raw_receive(&s, &m), 0);
	ck_assert_uint_eq(raft_commit_index(&s.r), 5);
	ck_assert(!guard_contradicts_snapshot(&s.r, &is, 7));
	is.last_term = 6;
	ck_assert(guard_contradicts_snapshot(&s.r, &is, 7));
	ck_assert(!guard_contradicts_snapshot(&s.r, &is, 0)); /* unknown */
	is.last_index = 6; /* not committed here */
	ck_assert(!guard_contradicts_snapshot(&s.r, &is, 7));
	is.last_index = 4;
	is.term = 6; /* of a leader of the past: the core ignores it */
	ck_assert(!guard_contradicts_snapshot(&s.r, &is, 7));
}

/* ---- T16 ----------------------------------------------------------------- */

/* Three entries of a term behind a snapshot of it, the last with that index. */
static void start_with(uint64_t last, uint64_t term)
{
	struct raft_snapshot_metadata m = { .index = last - 3, .term = term,
					    .configuration = raw_conf(3, 0),
					    .configuration_index = 1 };
	struct raft_entry v[3];
	struct raft_event e = { .type = RAFT_START };
	struct raw s = { .now = 10000 };

	for (int i = 0; i < 3; i++)
		v[i] = (struct raft_entry){ .term = term, .type = COMMAND };
	ck_assert_int_eq(raft_init(&s.r, NULL, NULL, 1, "1"), 0);
	e.start.term = term;
	e.start.metadata = &m;
	e.start.start_index = last - 2;
	e.start.entries = v;
	e.start.n_entries = 3;
	ck_assert_int_eq(raw_step(&s, &e), 0);
	ck_assert_uint_eq(raft_last_index(&s.r), last);
	raft_close(&s.r, NULL);
}

/* Debian's is built with _FORTIFY_SOURCE; others go over their stack. */
TEST_ABORTS(core_speaks_of_long_numbers_beyond_its_room)
{
	start_with(1ULL << 61, 1ULL << 61);
}

TEST(guard_lets_no_number_be_so_long)
{
	static const size_t n[] = { 3, 999999, 1000000 };
	struct entry e = { .term = TAIL_TERM_MAX }, *ring[1] = { &e };
	struct tail t = { ring, 1, 0, 0, 0, 0 }; /* each entry is that one */

	start_with(TAIL_INDEX_MAX, TAIL_TERM_MAX);
	for (size_t i = 0; i < countof(n); i++) {
		t.n = n[i];
		t.first = TAIL_INDEX_MAX - (int64_t)t.n + 1;
		ck_assert_int_eq(guard_start_fits(&t), i < 2);
	}
	e.term = 10000; /* the more they are, the shorter they have to be */
	ck_assert(guard_start_fits(&t));
}
