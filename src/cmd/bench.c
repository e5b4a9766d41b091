/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: main of raftmq-bench, and the run from set-up to report.
 *
 *	set-up -> warm-up -> measured -> drained -> report
 *
 * Exit: 0, or 1 when a batch was refused, lost or damaged, 2 usage, 3 nothing
 * to connect to, 4 not allowed, 5 not found, 130 interrupted.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

#define HOUSEKEEPING_NS (100 * MILLISECOND)
#define SILENCE_NS (250 * MILLISECOND)

static void on_signal(int number)
{
	(void)number;
	client_interrupted = 1;
}

static void prepare_process(void)
{
	struct sigaction a = { .sa_handler = on_signal };
	struct rlimit files;

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* sleeps of a thread are 50 us late by default */
	prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void take_snapshot(const struct run *r, struct snapshot *s)
{
	s->at_ns = clock_ns();
	s->own_cpu_s = process_own_cpu_s();
	s->machine = machine_time_read();
	for (int i = 0; i < r->options.pids_n; i++)
		if (!process_read(&s->pids[i], r->options.pids[i]))
			s->pids[i].cpu_s = -1; /* it is not there (any more) */
}

/* Brokers that have gone silent without closing: who leads now? */
static void keep_house(struct run *r, int64_t now_ns)
{
	list_each(link, &r->loop.conns, safe) {
		const struct conn *c = list_entry(link, struct conn, link);
		const struct list *calls = &c->sent;
		const struct call *first;
		int64_t since, allowed = SILENCE_NS;

		if (c->owner == r || c->calls == 0)
			continue;
		if (list_empty(calls))
			calls = &c->unsent;
		first = list_entry(calls->next, struct call, link);
		since = first->sent_ns;
		if (calls == &c->sent)
			since = max_of(since, c->read_ns);
		if (first->key == 1) /* a fetch may be meant to wait */
			allowed += r->options.max_wait_ns;
		if (now_ns - since > allowed)
			topology_doubt(r);
	}
	loop_check(&r->loop, now_ns, r->options.timeout_ns);
}

static int64_t tick(struct run *r, int64_t now_ns)
{
	int64_t next = topology_tick(r, now_ns), at;

	if (r->produce) {
		at = produce_tick(r->produce, now_ns);
		next = min_of(next, at);
	}
	if (r->consume) {
		at = consume_tick(r->consume, now_ns);
		next = min_of(next, at);
	}
	return next;
}

static bool is_drained(const struct run *r)
{
	return (!r->produce || produce_outstanding(r->produce) == 0) &&
	       (!r->match || match_waiting(r->match) == 0);
}

static bool is_over(struct run *r, int64_t now_ns)
{
	if (client_interrupted)
		r->interrupted = true;
	if (r->broken || r->interrupted)
		return true;
	if (r->consume && consume_is_done(r->consume))
		return true;
	return now_ns >= r->tally.to_ns &&
	       (is_drained(r) ||
		now_ns >= r->tally.to_ns + r->options.timeout_ns);
}

/* The last read of the clock before the first request is the start. */
static void run_loop(struct run *r)
{
	struct tally *t = &r->tally;
	int64_t now = clock_ns(), next, house = now;

	tally_start(t, &r->options, now);
	do {
		next = tick(r, now);
		next = min_of(next, t->line_ns + r->options.interval_ns);
		next = min_of(next, house + HOUSEKEEPING_NS);
		if (r->before.at_ns == 0)
			next = min_of(next, t->from_ns);
		else if (r->after.at_ns == 0)
			next = min_of(next, t->to_ns);
		loop_turn(&r->loop, next);
		now = clock_ns();
		if (r->before.at_ns == 0 && now >= t->from_ns)
			take_snapshot(r, &r->before);
		if (r->after.at_ns == 0 && now >= t->to_ns)
			take_snapshot(r, &r->after);
		if (now >= house + HOUSEKEEPING_NS) {
			keep_house(r, now);
			house = now;
		}
		if (now >= t->line_ns + r->options.interval_ns)
			tally_line(r, now);
	} while (!is_over(r, now));
	if (r->before.at_ns == 0)
		take_snapshot(r, &r->before);
	if (r->after.at_ns == 0) /* ended early: that is all there is */
		take_snapshot(r, &r->after);
	t->to_ns = min_of(t->to_ns, r->after.at_ns);
	t->to_ns = max_of(t->to_ns, t->from_ns);
	tally_end(t, now);
	if (r->produce)
		t->unacked = produce_outstanding(r->produce);
	if (r->match)
		t->unseen = match_waiting(r->match);
}

static int set_up(struct run *r)
{
	const struct options *o = &r->options;
	int code = topology_open(r);

	if (code)
		return code;
	tally_init(&r->tally, o, r->topology.partitions_n);
	if (o->mode != BENCH_CONSUME) {
		stock_init(&r->stock, o);
		r->produce = produce_new(r);
		code = produce_setup(r->produce);
	}
	if (o->mode != BENCH_PRODUCE)
		r->consume = consume_new(r);
	if (o->mode == BENCH_E2E)
		r->match = match_new(&r->tally);
	return code;
}

static void tear_down(struct run *r)
{
	produce_free(r->produce);
	consume_free(r->consume);
	match_free(r->match);
	stock_fini(&r->stock);
	tally_fini(&r->tally);
	topology_close(r);
	loop_fini(&r->loop);
}

static int conclude(const struct run *r)
{
	const struct tally *t = &r->tally;
	int error = 0;

	report_print(r);
	if (r->options.histogram)
		error = report_histogram(r);
	if (error)
		fprintf(stderr, "raftmq-bench: %s: %s\n", r->options.histogram,
			strerror(-error));
	if (r->broken)
		fprintf(stderr, "raftmq-bench: %s\n", r->broken);
	if (r->interrupted)
		return 130;
	return error || r->broken || t->refused || t->unacked || t->crc_bad ||
	       t->unseen ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct run run;
	int code;

	options_parse(&run.options, argc, argv);
	prepare_process();
	loop_init(&run.loop);
	code = set_up(&run);
	if (!code) {
		run_loop(&run);
		code = conclude(&run);
	}
	tear_down(&run);
	return code;
}
