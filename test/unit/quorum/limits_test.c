/* SPDX-License-Identifier: Apache-2.0 */
/* What is bounded, full, forged or has drifted. */
#include "core.h"
#include "sim.h"
#include "unit.h"

static struct sim *begin(const struct sim_config *c)
{
	struct sim *s = sim_new(c);

	for (int i = 0; i < c->founders; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	return s;
}

/* ---- proposals ----------------------------------------------------------- */

/* No time passes in these two: nothing is applied. */
TEST(proposals_in_flight_are_bounded)
{
	struct sim_config c = { .seed = 1, .founders = 1 };
	struct sim *s = begin(&c);

	for (int i = 0; i < QUORUM_FLIGHT_MAX + 10; i++)
		sim_propose(s, 0, 0);
	ck_assert_int_eq(sim_counts(s).refused, 10);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	ck_assert_int_eq(sim_counts(s).acked, QUORUM_FLIGHT_MAX);
	sim_free(s);
}

TEST(proposed_bytes_are_bounded)
{
	struct sim_config c = { .seed = 1, .founders = 1, .big_state = true };
	struct sim *s = begin(&c);

	sim_propose(s, 0, QUORUM_COMMAND_MAX);
	ck_assert_int_eq(sim_counts(s).refused, 1);
	for (int i = 0; i < 70; i++)
		sim_propose(s, 0, QUORUM_COMMAND_MAX - 2000);
	ck_assert_int_eq(sim_counts(s).refused, 1 + 6);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_propose(s, 0, QUORUM_COMMAND_MAX - 2000);
	ck_assert_int_eq(sim_counts(s).refused, 1 + 6);
	sim_free(s);
}

TEST(follower_refuses_proposals_and_reads)
{
	struct sim_config c = { .seed = 1, .founders = 3 };
	struct sim *s = begin(&c);

	sim_propose(s, (sim_leader(s) + 1) % 3, 0);
	sim_read(s, (sim_leader(s) + 1) % 3);
	ck_assert_int_eq(sim_counts(s).refused, 1);
	ck_assert_int_eq(sim_counts(s).reads_ok, 0);
	sim_read(s, sim_leader(s));
	sim_run(s, 50);
	ck_assert_int_eq(sim_counts(s).reads_ok, 1);
	sim_free(s);
}

/* A leader that nobody hears any more must not answer reads. */
TEST(cut_off_leader_answers_no_read)
{
	struct sim_config c = { .seed = 1, .founders = 3 };
	struct sim *s = begin(&c);
	int old = sim_leader(s);

	for (int i = 0; i < 3; i++)
		if (i != old)
			sim_cut(s, old, i, true);
	sim_read(s, old);
	sim_run(s, 3000);
	ck_assert_int_ne(sim_leader(s), old);
	sim_propose(s, sim_leader(s), 0);
	sim_run(s, 100);
	ck_assert_int_eq(sim_counts(s).acked, 1);
	ck_assert_int_eq(sim_counts(s).reads_ok, 0);
	sim_heal(s);
	ck_assert(sim_run_until(s, 3000, sim_settled, NULL));
	ck_assert_int_eq(sim_counts(s).reads_ok, 0);
	sim_free(s);
}

/* ---- a full disk --------------------------------------------------------- */

static void fill(struct sim *s, int node, int64_t left)
{
	struct disk_mem *m = sim_disk(s, node);

	disk_mem_set_budget(m, disk_mem_used(m) + left);
}

TEST(quorum_of_one_waits_for_room_and_loses_nothing)
{
	struct sim_config c = { .seed = 1, .founders = 1,
				.snapshot_entries = 50,
				.segment_bytes = 4096 };
	struct sim *s = begin(&c);

	fill(s, 0, 64 << 10);
	for (int i = 0; i < 300; i++) {
		sim_propose(s, 0, 2000);
		sim_run(s, 5);
	}
	ck_assert(quorum_disk_full(sim_node(s, 0)));
	ck_assert_int_gt(sim_counts(s).refused, 0);
	ck_assert_int_gt(sim_counts(s).acked, 0);
	disk_mem_set_budget(sim_disk(s, 0), -1);
	sim_run(s, 1000);
	ck_assert(!quorum_disk_full(sim_node(s, 0)));
	sim_propose(s, 0, 0);
	ck_assert(sim_run_until(s, 1000, sim_settled, NULL));
	/* what was refused was refused, all else was done */
	ck_assert_int_eq(sim_counts(s).acked + sim_counts(s).refused, 301);
	sim_crash(s, 0, DISK_MEM_LOSE, false);
	sim_start(s, 0);
	ck_assert(sim_run_until(s, 1000, sim_settled, NULL));
	sim_free(s);
}

TEST(leader_with_a_full_disk_lets_another_lead)
{
	struct sim_config c = { .seed = 1, .founders = 3,
				.segment_bytes = 4096 };
	struct sim *s = begin(&c);
	int old = sim_leader(s);

	fill(s, old, 0);
	for (int i = 0; i < 400; i++) {
		sim_propose(s, sim_leader(s), 500);
		sim_run(s, 5);
	}
	ck_assert_int_ne(sim_leader(s), old);
	ck_assert_int_gt(sim_counts(s).acked, 100);
	disk_mem_set_budget(sim_disk(s, old), -1);
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	sim_free(s);
}

TEST_ABORTS(failed_sync_of_the_log_ends_the_process)
{
	struct sim_config c = { .seed = 1, .founders = 1 };
	struct sim *s = begin(&c);

	disk_mem_fail_sync(sim_disk(s, 0), 1);
	sim_propose(s, 0, 0);
	sim_run(s, 100);
}

TEST_ABORTS(failed_sync_of_the_vote_ends_the_process)
{
	struct sim_config c = { .seed = 1, .founders = 3 };
	struct sim *s = begin(&c);
	int leader = sim_leader(s);

	for (int i = 0; i < 3; i++)
		if (i != leader)
			disk_mem_fail_sync(sim_disk(s, i), 1);
	sim_crash(s, leader, DISK_MEM_KEEP, true);
	sim_run(s, 3000);
}

/* ---- drift --------------------------------------------------------------- */

TEST_ABORTS(node_whose_state_has_drifted_stops)
{
	struct sim_config c = { .seed = 1, .founders = 3, .hash_entries = 8,
				.big_state = true };
	struct sim *s = begin(&c);
	int node = (sim_leader(s) + 1) % 3;

	((struct coord *)quorum_coord(sim_node(s, node)))->next_producer_id++;
	for (int i = 0; i < 100; i++) {
		sim_propose(s, sim_leader(s), 0);
		sim_run(s, 50);
	}
}

/* ---- forged frames ------------------------------------------------------- */

static void forge_raft(struct prng *p, struct message *m)
{
	uint8_t *body = (uint8_t *)&m->raft;
	size_t n = sizeof(m->raft.append_entries);

	/* small numbers are the ones that mean something */
	for (size_t at = 0; at + 8 <= n; at += 8) {
		uint64_t v = prng_below(p, 8) ? prng_below(p, 70) :
						prng_next(p);

		memcpy(body + offsetof(struct raft_message, append_entries) +
		       at, &v, 8);
	}
	if (m->type == MESSAGE_VOTE) {
		m->raft.request_vote.disrupt_leader = prng_below(p, 2);
		m->raft.request_vote.pre_vote = prng_below(p, 2);
	} else if (m->type == MESSAGE_VOTE_RESULT) {
		m->raft.request_vote_result.vote_granted = prng_below(p, 2);
		m->raft.request_vote_result.pre_vote = prng_below(p, 2);
	} else if (m->type == MESSAGE_APPEND) {
		m->raft.append_entries.n_entries = 0;
	}
}

/* A tail of its own, so that the entries need not be anybody's. */
static void forge_entries(struct prng *p, struct message *m, struct tail *t)
{
	struct raft_append_entries *ae = &m->raft.append_entries;
	uint8_t junk[8] = { 3, 1, 4, 1, 5, 9, 2, 6 };
	uint64_t term = ae->prev_log_term;

	tail_init(t, (int64_t)ae->prev_log_index + 1);
	if (m->type != MESSAGE_APPEND)
		return;
	ae->n_entries = (unsigned)prng_below(p, 4);
	for (unsigned i = 0; i < ae->n_entries; i++) {
		term += prng_below(p, 3);
		tail_push(t, term, (uint8_t)(1 + prng_below(p, 3)),
			  (struct bytes){ junk, (int32_t)prng_below(p, 9) });
	}
}

static void forge(struct sim *s, int node, int from)
{
	struct prng *p = sim_prng(s);
	struct quorum *q = sim_node(s, node);
	struct message m = { .type = (enum message_type)
				     (1 + prng_below(p, 9)) };
	struct buf b = { 0 };
	struct tail t;
	uint8_t junk[40];

	if (m.type <= MESSAGE_TIMEOUT_NOW) {
		forge_raft(p, &m);
	} else if (m.type == MESSAGE_PIECE) {
		m.piece.index = (int64_t)prng_below(p, 90);
		m.piece.total = (int64_t)prng_below(p, 90);
		m.piece.at = (int64_t)prng_below(p, 60);
		m.piece.term = prng_below(p, 50);
		m.piece.data = (struct bytes){ junk,
					       (int32_t)prng_below(p, 40) };
	} else if (m.type >= MESSAGE_PROBE) {
		m.probe = (struct message_probe){ prng_below(p, 9),
						  prng_below(p, 9) };
	} else {
		m.piece_result.index = (int64_t)prng_below(p, 90);
		m.piece_result.next = (int64_t)prng_below(p, 90);
	}
	forge_entries(p, &m, &t);
	m.group = q->group;
	m.from = from;
	m.to = node;
	memset(junk, 7, sizeof(junk));
	message_encode(&b, &m, &t);
	tail_fini(&t);
	if (prng_below(p, 10) == 0)
		b.n = prng_below(p, b.n);
	sim_receive(s, node, from, (struct bytes){ b.p, (int32_t)b.n });
	buf_fini(&b);
}

/*
 * A peer may lie about anything but who it is. What it says may cost the
 * quorum its leader, for it speaks with authority; it may not cost memory,
 * or the process. Node 2 is a liar from the start and never heard truly.
 */
TEST(forged_frames_never_crash_a_node)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_config c = { .seed = seed, .founders = 3 };
		struct sim *s = sim_new(&c);

		sim_start(s, 0);
		sim_start(s, 1);
		ck_assert(sim_run_until(s, 10000, sim_has_leader, NULL));
		for (int i = 0; i < 500; i++) {
			forge(s, (int)(prng_below(sim_prng(s), 2)), 2);
			sim_run(s, (int64_t)prng_below(sim_prng(s), 3));
		}
		sim_free(s);
	}
}

TEST(random_bytes_are_no_frame)
{
	struct prng p;
	struct arena a = { 0 };
	struct message m;

	prng_init(&p, 5);
	for (int i = 0; i < unit_rounds(100000); i++) {
		uint8_t b[120];
		int32_t n = (int32_t)prng_below(&p, sizeof(b));

		for (int32_t j = 0; j < n; j++)
			b[j] = (uint8_t)prng_next(&p);
		if (n > MESSAGE_HEADER) { /* well framed, at least */
			b[0] = 1;
			b[1] = (uint8_t)(1 + prng_below(&p, 8));
			b[2] = b[3] = 0;
			put_be32(b + 4, crc32c(0, b + 8, (size_t)n - 8));
		}
		arena_reset(&a);
		if (message_decode((struct bytes){ b, n }, &m, &a))
			ck_assert_int_ge(m.from, 0);
	}
	arena_fini(&a);
}

TEST(frames_of_another_quorum_are_dropped)
{
	struct sim_config c = { .seed = 1, .founders = 3 };
	struct sim *s = begin(&c);
	int64_t term = quorum_term(sim_node(s, 0));
	struct message m = { .type = MESSAGE_APPEND, .from = 1, .to = 0 };
	struct buf b = { 0 };

	m.group = sim_node(s, 0)->group + 2;
	m.raft.append_entries.term = 1000;
	message_encode(&b, &m, NULL);
	sim_receive(s, 0, 1, (struct bytes){ b.p, (int32_t)b.n });
	ck_assert_int_eq(quorum_term(sim_node(s, 0)), term);
	b.n = 0;
	m.group--; /* no quorum at all */
	m.group = 0;
	message_encode(&b, &m, NULL);
	sim_receive(s, 0, 1, (struct bytes){ b.p, (int32_t)b.n });
	ck_assert_int_eq(quorum_term(sim_node(s, 0)), term);
	buf_fini(&b);
	sim_free(s);
}
