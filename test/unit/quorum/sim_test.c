/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quorums under everything that can happen to them, from seeds. What must
 * hold at every step is asserted in sim.c; here is what is done to them, and
 * that they serve again once it is over (Ongaro's safety properties, figure
 * 3.2; and liveness, which Raft has only when messages arrive).
 *
 * RAFTMQ_SIM_SEEDS=N runs N seeds instead of the usual few hundred,
 * RAFTMQ_SIM_FIRST=S begins at S: the way to repeat one that failed, with
 * RAFTMQ_SIM_TRACE=1 to see its log lines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "sim.h"
#include "unit.h"

struct chaos {
	struct sim *s;
	struct sim_config config;
	int nodes;
	int crash, cut, isolate, transfer, change; /* per thousand actions */
	int burst;                        /* proposals at once */
	int big;                          /* per cent with many bytes */
	bool in_jobs;
};

static int64_t number(const char *name, int64_t preset)
{
	const char *text = getenv(name);

	return text ? atoll(text) : preset;
}

static int below(struct chaos *c, int limit)
{
	return (int)prng_below(sim_prng(c->s), (uint64_t)limit);
}

static void draw(struct chaos *c, uint64_t seed)
{
	static const int founders[] = { 1, 3, 3, 3, 5, 5 };
	static const int64_t trailing[] = { 1, 5, 50, 0 };
	struct prng p;

	prng_init(&p, seed * 7919 + 1);
	*c = (struct chaos){ 0 };
	c->config.seed = seed;
	c->config.founders = founders[prng_below(&p, countof(founders))];
	c->config.joiners = (int)prng_below(&p, 3);
	c->config.snapshot_entries = 20 + (int64_t)prng_below(&p, 200);
	c->config.hash_entries = 16;
	c->config.trailing_entries = trailing[prng_below(&p, 4)];
	c->config.segment_bytes = 1000 + (int64_t)prng_below(&p, 20000);
	c->config.disk_us = prng_below(&p, 2) ? 0 : 1000 << prng_below(&p, 8);
	c->crash = (int)prng_below(&p, 60);
	c->cut = (int)prng_below(&p, 80);
	c->isolate = (int)prng_below(&p, 40);
	c->transfer = (int)prng_below(&p, 20);
	c->change = c->config.joiners ? (int)prng_below(&p, 100) : 0;
	c->burst = 1 + (int)prng_below(&p, 6);
	c->big = prng_below(&p, 4) ? 0 : 20;
	c->in_jobs = prng_below(&p, 2);
	c->nodes = c->config.founders + c->config.joiners;
	c->s = sim_new(&c->config);
	if (prng_below(&p, 5)) {
		*sim_net(c->s) = (struct sim_net){
			.lose = (int)prng_below(&p, 15),
			.twice = (int)prng_below(&p, 10),
			.reorder = (int)prng_below(&p, 2) *
				   (int)prng_below(&p, 50),
			.ancient = (int)prng_below(&p, 2) *
				   (int)prng_below(&p, 5),
			.delay_us = 100 + (int64_t)prng_below(&p, 5000),
			.jitter_us = 1 + (int64_t)prng_below(&p, 5000),
		};
	}
}

static void propose(struct chaos *c)
{
	int node = below(c, c->nodes);

	/* whoever believes to lead, even if another does */
	for (int i = 0; i < 10 && !sim_leads(c->s, node); i++)
		node = below(c, c->nodes);
	for (int i = below(c, c->burst + 1); i >= 0; i--)
		sim_propose(c->s, node,
			    below(c, 100) < c->big ? below(c, 9000) : 0);
	if (below(c, 4) == 0)
		sim_read(c->s, node);
}

static void crash_or_start(struct chaos *c)
{
	int node = below(c, c->nodes);

	if (!sim_node(c->s, node))
		sim_start(c->s, node);
	else if (c->in_jobs && below(c, 2))
		sim_crash_in_job(c->s, node);
	else
		sim_crash(c->s, node,
			  (enum disk_mem_crash)below(c, DISK_MEM_CRASHES),
			  below(c, 2));
}

static void change(struct chaos *c)
{
	static const enum quorum_change_kind what[] = {
		QUORUM_ADD, QUORUM_ADD, QUORUM_PROMOTE, QUORUM_PROMOTE,
		QUORUM_REMOVE,
	};

	sim_change(c->s, what[below(c, countof(what))], below(c, c->nodes));
}

/* The leader alone, or with one other; or everyone together again. */
static void isolate(struct chaos *c)
{
	int leader = sim_leader(c->s);
	int friend = below(c, c->nodes);
	bool on = leader >= 0 && below(c, 2);

	for (int a = 0; a < c->nodes; a++)
		for (int b = 0; b < a; b++) {
			bool x = a == leader || a == friend;
			bool y = b == leader || b == friend;

			sim_cut(c->s, a, b, on && x != y);
		}
}

static void act(struct chaos *c)
{
	int leader = sim_leader(c->s);
	int what = below(c, 1000);

	propose(c);
	if ((what -= c->crash) < 0) {
		crash_or_start(c);
	} else if ((what -= c->cut) < 0) {
		int a = below(c, c->nodes), b = below(c, c->nodes);

		if (a != b)
			sim_cut(c->s, a, b, below(c, 3) != 0);
	} else if ((what -= c->isolate) < 0) {
		isolate(c);
	} else if ((what -= c->transfer) < 0) {
		if (leader >= 0 && quorum_transfer(sim_node(c->s, leader),
						   below(c, 2) - 1))
			return;
	} else if ((what -= c->change) < 0) {
		change(c);
	}
}

static void report(struct chaos *c, const char *what)
{
	fprintf(stderr, "sim_test: seed %" PRIu64 ": %s\n", c->config.seed,
		what);
	for (int i = 0; i < c->nodes; i++) {
		struct quorum *q = sim_node(c->s, i);

		if (q)
			fprintf(stderr, "  %d: role %d term %" PRId64
				" leader %d applied %" PRId64 " commit %" PRId64
				" last %" PRId64 " snapshot %" PRId64
				" installing %d members %d\n", i,
				(int)quorum_role(q), quorum_term(q),
				quorum_leader(q), quorum_applied_index(q),
				quorum_commit_index(q), quorum_last_index(q),
				quorum_snapshot_index(q), q->installing,
				quorum_members_n(q));
	}
	ck_abort_msg("seed %" PRIu64 ": %s", c->config.seed, what);
}

/* Everything works again: so must the quorum, and soon. */
static void recover(struct chaos *c)
{
	int64_t acked;

	sim_heal(c->s);
	c->in_jobs = false;
	for (int i = 0; i < c->nodes; i++)
		if (!sim_node(c->s, i))
			sim_start(c->s, i);
	sim_run(c->s, 1000);
	if (!sim_run_until(c->s, 20000, sim_settled, NULL))
		report(c, "does not settle");
	acked = sim_counts(c->s).acked;
	for (int i = 0; i < 20; i++)
		sim_propose(c->s, sim_leader(c->s), 0);
	sim_read(c->s, sim_leader(c->s));
	sim_run(c->s, 500);
	if (sim_counts(c->s).acked < acked + 20)
		report(c, "does not serve");
	if (!sim_run_until(c->s, 20000, sim_settled, NULL))
		report(c, "does not settle again");
	sim_compare_logs(c->s);
}

static void add(struct sim_counts *sum, const struct sim_counts *c)
{
	sum->acked += c->acked;
	sum->unknown += c->unknown;
	sum->applied += c->applied;
	sum->reads_ok += c->reads_ok;
	sum->elections += c->elections;
	sum->installs += c->installs;
	sum->crashes += c->crashes;
	sum->frames += c->frames;
	sum->changes_ok += c->changes_ok;
}

static void run_seed(uint64_t seed, struct sim_counts *sum)
{
	struct chaos c;
	struct sim_counts counts;

	draw(&c, seed);
	for (int i = 0; i < c.nodes; i++)
		sim_start(c.s, i);
	for (int i = 0; i < 300; i++) {
		sim_run(c.s, 1 + below(&c, 20));
		act(&c);
		if (i % 50 == 0)
			sim_compare_logs(c.s);
	}
	recover(&c);
	counts = sim_counts(c.s);
	add(sum, &counts);
	sim_free(c.s);
}

static void print(enum trace_level level, const char *line)
{
	(void)level;
	fprintf(stderr, "%s\n", line);
}

TEST(quorum_survives_chaos)
{
	int64_t n = number("RAFTMQ_SIM_SEEDS", unit_rounds(300));
	int64_t first = number("RAFTMQ_SIM_FIRST", 1);
	struct sim_counts sum = { 0 };

	if (getenv("RAFTMQ_SIM_TRACE"))
		trace_sink = print;
	for (int64_t i = first; i < first + n; i++)
		run_seed((uint64_t)i, &sum);
	if (getenv("RAFTMQ_SIM_SEEDS"))
		fprintf(stderr, "%" PRId64 " seeds: acked %" PRId64
			" unknown %" PRId64 " applied %" PRId64 " reads %"
			PRId64 " elections %" PRId64 " installs %" PRId64
			" crashes %" PRId64 " frames %" PRId64 " changes %"
			PRId64 "\n", n, sum.acked, sum.unknown, sum.applied,
			sum.reads_ok, sum.elections, sum.installs,
			sum.crashes, sum.frames, sum.changes_ok);
	if (n < 100)
		return;
	/* it is chaos, and not a walk in the park */
	ck_assert_int_gt(sum.installs, n / 10);
	ck_assert_int_gt(sum.elections, 2 * n);
	ck_assert_int_gt(sum.unknown, n / 10);
	ck_assert_int_gt(sum.changes_ok, n / 10);
}
