/* SPDX-License-Identifier: Apache-2.0 */
/* raftmq-bench: options, signed batches, matching, what counts as measured. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "unit.h"

static int64_t number(const char *text)
{
	int64_t v;

	return option_to_number(text, 0, INT64_MAX / 2, &v) ? v : -1;
}

TEST(option_numbers_have_units)
{
	ck_assert_int_eq(number("0"), 0);
	ck_assert_int_eq(number("100"), 100);
	ck_assert_int_eq(number("2.5k"), 2500);
	ck_assert_int_eq(number("3M"), 3000000);
	ck_assert_int_eq(number("16Ki"), 16384);
	ck_assert_int_eq(number("1Gi"), 1 << 30);
}

TEST(option_numbers_that_are_none)
{
	static const char *const bad[] = { "", " 1", "-1", "+1", "1 k", "1K",
					   "k", "1.5", "0x10z", "nan", "inf",
					   "1e99", "1kk" };

	for (size_t i = 0; i < countof(bad); i++)
		ck_assert_msg(number(bad[i]) == -1, "%s", bad[i]);
}

TEST(option_numbers_stay_in_range)
{
	int64_t v;

	ck_assert(option_to_number("5", 1, 5, &v));
	ck_assert(!option_to_number("6", 1, 5, &v));
	ck_assert(!option_to_number("0", 1, 5, &v));
}

TEST(option_times_are_seconds_without_a_unit)
{
	int64_t v;

	ck_assert(option_to_ns("10", &v));
	ck_assert_int_eq(v, 10 * SECOND);
	ck_assert(option_to_ns("250ms", &v));
	ck_assert_int_eq(v, 250 * MILLISECOND);
	ck_assert(option_to_ns("1.5m", &v));
	ck_assert_int_eq(v, 90 * SECOND);
	ck_assert(!option_to_ns("1d", &v));
	ck_assert(!option_to_ns("s", &v));
}

static void parse(struct options *o, const char *line)
{
	static char text[512];
	char *argv[32] = { (char *)"raftmq-bench" }, *at = text;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	while ((argv[argc] = strsep(&at, " ")) != NULL)
		argc++;
	options_parse(o, argc, argv);
}

TEST(options_of_produce)
{
	struct options o;

	unsetenv("RAFTMQ_BOOTSTRAP");
	parse(&o, "produce -b h:1 -t x -R 10k -s 1Ki -n 1 -z lz4 -a 1 -C 16"
	      " -d 2m -w 0 -c a=b -c c= --pid 7 -o json");
	ck_assert_int_eq(o.mode, BENCH_PRODUCE);
	ck_assert_str_eq(o.bootstrap, "h:1");
	ck_assert_int_eq(o.rate, 10000);
	ck_assert_int_eq(o.record_size, 1024);
	ck_assert_int_eq(o.batch_records, 1);
	ck_assert_int_eq(o.codec, CODEC_LZ4);
	ck_assert_int_eq(o.acks, 1);
	ck_assert_int_eq(o.clients, 16);
	ck_assert_int_eq(o.duration_ns, 120 * SECOND);
	ck_assert_int_eq(o.warmup_ns, 0);
	ck_assert_int_eq(o.configs_n, 2);
	ck_assert_int_eq(o.pids_n, 1);
	ck_assert_int_eq(o.pids[0], 7);
	ck_assert_int_eq(o.output, OUTPUT_JSON);
}

TEST(options_have_defaults)
{
	struct options o;

	setenv("RAFTMQ_BOOTSTRAP", "b:9", 1);
	parse(&o, "produce");
	ck_assert_str_eq(o.bootstrap, "b:9");
	ck_assert_int_eq(o.acks, -1);
	ck_assert_int_eq(o.warmup_ns, 5 * SECOND);
	ck_assert_int_eq(o.duration_ns, 30 * SECOND);
	parse(&o, "consume --until-end");
	ck_assert_int_eq(o.warmup_ns, 0);
	ck_assert_int_gt(o.duration_ns, 3600 * SECOND);
	parse(&o, "e2e");
	ck_assert_int_gt(o.rate, 0);
	ck_assert(o.from_end);
}

TEST_TIMES(options_that_do_not_fit_exit_with_2, 12)
{
	static const char *const lines[] = {
		"", "eat", "produce extra", "produce -a 2", "produce -n 0",
		"produce -z bz2", "produce -i -a 1", "produce -i -W 6",
		"consume -R 5", "e2e -a 0", "e2e -R 0", "consume -A -u",
	};
	struct options o;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		parse(&o, lines[_i]);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%s",
		      lines[_i]);
}

/* ---- stock --------------------------------------------------------------- */

TEST(stock_fills_a_batch_and_no_more)
{
	struct options o = { .record_size = 100, .batch_bytes = 16384 };
	struct stock s;

	stock_init(&s, &o);
	ck_assert_int_gt(s.batches_n, 1);
	for (int i = 0; i < s.batches_n; i++) {
		ck_assert_int_le(s.batches[i].n, 16384);
		ck_assert_int_ge(s.batches[i].n, 16384 - 400);
	}
	ck_assert_int_eq(s.payload, s.records * 100);
	stock_fini(&s);
}

TEST(stock_noise_does_not_compress)
{
	struct options o = { .record_size = 1000, .batch_records = 100,
			     .codec = CODEC_LZ4, .compressible = 0 };
	struct stock noise, text;

	stock_init(&noise, &o);
	o.compressible = 90;
	stock_init(&text, &o);
	ck_assert_int_gt(noise.batches[0].n, 100000);
	ck_assert_int_lt(text.batches[0].n, 20000);
	stock_fini(&noise);
	stock_fini(&text);
}

TEST(stock_signs_a_batch_that_brokers_take)
{
	struct options o = { .record_size = 10, .batch_records = 7 };
	struct stock s;
	struct batch b;
	uint8_t *whole;
	const char *why;

	stock_init(&s, &o);
	whole = mem_dup(s.batches[0].p, (size_t)s.batches[0].n);
	stock_sign(s.batches[0], 4711, 3, 70, whole);
	ck_assert_int_eq(batch_peek(whole, (size_t)s.batches[0].n, &b), K_NONE);
	ck_assert_int_eq(batch_check_client(&b, 1 << 20, &why), K_NONE);
	ck_assert_int_eq(b.producer_id, 4711);
	ck_assert_int_eq(b.producer_epoch, 3);
	ck_assert_int_eq(b.base_sequence, 70);
	ck_assert_int_eq(b.count, 7);
	mem_free(whole);
	stock_fini(&s);
}

/* ---- tally and match ----------------------------------------------------- */

struct fixture {
	struct options options;
	struct tally tally;
	struct match *match;
};

/* Measured is [10 s, 20 s). */
static void start(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->options.mode = BENCH_E2E;
	f->options.warmup_ns = 4 * SECOND;
	f->options.duration_ns = 10 * SECOND;
	tally_init(&f->tally, &f->options, 2);
	tally_start(&f->tally, &f->options, 6 * SECOND);
	f->match = match_new(&f->tally);
}

static void stop(struct fixture *f)
{
	match_free(f->match);
	tally_fini(&f->tally);
}

static void ack(struct fixture *f, int64_t intended_ms, int64_t now_ms)
{
	struct ack a = { 0, intended_ms * MILLISECOND, now_ms * MILLISECOND,
			 5, 500, 600 };

	tally_ack(&f->tally, &a);
}

TEST(tally_rates_count_acks_and_latencies_count_intentions)
{
	struct fixture f;

	start(&f);
	ack(&f, 9000, 9500);   /* neither */
	ack(&f, 9900, 10100);  /* rate only */
	ack(&f, 15000, 15002); /* both */
	ack(&f, 19000, 23000); /* latency only */
	ack(&f, 20000, 20001); /* neither */
	ck_assert_int_eq(f.tally.sent.batches, 2);
	ck_assert_int_eq(f.tally.sent.records, 10);
	ck_assert_int_eq(f.tally.sent.payload, 1000);
	ck_assert_int_eq(f.tally.ack.count, 2);
	ck_assert_int_eq(f.tally.ack.max, 4000000);
	stop(&f);
}

TEST(tally_gap_reaches_from_start_to_end)
{
	struct fixture f;

	start(&f);
	ack(&f, 9000, 9500);
	ack(&f, 13000, 13000);
	tally_end(&f.tally, 25 * SECOND);
	ck_assert_int_eq(f.tally.gap.max_ns, 7 * SECOND);
	ck_assert_int_eq(f.tally.gap.max_at_ns, 13 * SECOND);
	ck_assert_int_eq(f.tally.gaps[1].max_ns, 10 * SECOND);
	stop(&f);
}

TEST(match_takes_either_side_first)
{
	struct fixture f;

	start(&f);
	match_sent(f.match, 0, 100, 11 * SECOND);
	ck_assert_int_eq(match_waiting(f.match), 1);
	match_seen(f.match, 0, 100, 11 * SECOND + MILLISECOND);
	match_seen(f.match, 1, 100, 12 * SECOND + 3 * MILLISECOND);
	match_sent(f.match, 1, 100, 12 * SECOND);
	ck_assert_int_eq(match_waiting(f.match), 0);
	ck_assert_int_eq(f.tally.e2e.count, 2);
	ck_assert_int_eq(f.tally.e2e.min, 1000);
	ck_assert_int_eq(f.tally.e2e.max, 3000);
	stop(&f);
}

TEST(match_leaves_alone_what_is_not_ours)
{
	struct fixture f;

	start(&f);
	match_seen(f.match, 0, 1, 11 * SECOND); /* a stranger's */
	match_seen(f.match, 0, 2, 11 * SECOND);
	match_sent(f.match, 0, 2, 10 * SECOND);
	match_sent(f.match, 1, 1, 10 * SECOND); /* another partition */
	match_sent(f.match, 0, -1, 10 * SECOND);
	ck_assert_int_eq(f.tally.e2e.count, 1);
	ck_assert_int_eq(f.tally.unmatched, 1);
	ck_assert_int_eq(match_waiting(f.match), 1);
	stop(&f);
}

TEST(match_counts_a_repetition_once)
{
	struct fixture f;

	start(&f);
	match_sent(f.match, 0, 7, 11 * SECOND);
	match_sent(f.match, 0, 7, 12 * SECOND);
	ck_assert_int_eq(match_waiting(f.match), 1);
	match_seen(f.match, 0, 7, 13 * SECOND);
	ck_assert_int_eq(f.tally.e2e.max, 2000000);
	stop(&f);
}

/* Sent and seen in their own random orders: each finds its own. */
TEST(match_finds_all_in_any_order)
{
	enum { N = 20000 };
	struct fixture f;
	struct prng dice;
	int *order = mem_alloc(2 * N * sizeof(*order));

	start(&f);
	prng_init(&dice, 7);
	for (int i = 0; i < 2 * N; i++)
		order[i] = i;
	for (int i = 2 * N - 1; i > 0; i--) {
		int j = (int)prng_below(&dice, (uint64_t)i + 1), x = order[i];

		order[i] = order[j];
		order[j] = x;
	}
	for (int i = 0; i < 2 * N; i++) {
		int k = order[i] / 2;
		int64_t at = 11 * SECOND + k * 1000;

		if (order[i] % 2)
			match_sent(f.match, k % 5, k / 5 * 13, at);
		else
			match_seen(f.match, k % 5, k / 5 * 13, at + 42000);
	}
	ck_assert_int_eq(match_waiting(f.match), 0);
	ck_assert_int_eq(f.tally.e2e.count, N);
	ck_assert_int_eq(f.tally.e2e.min, 42);
	ck_assert_int_eq(f.tally.e2e.max, 42);
	mem_free(order);
	stop(&f);
}

/* ---- process ------------------------------------------------------------- */

TEST(process_reads_itself)
{
	struct process p;
	struct machine_time m = machine_time_read();

	ck_assert(process_read(&p, getpid()));
	ck_assert_int_gt(p.rss, 100000);
	ck_assert_int_ge(p.threads, 1);
	ck_assert(m.total > 0);
	ck_assert(!process_read(&p, INT32_MAX));
}
