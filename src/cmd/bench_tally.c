/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally: what is counted, and the lines on stderr while the run goes on.
 *
 * Rates count what was acknowledged or read within the measured time.
 * Latencies count every batch that was meant to be sent within it, also when
 * its acknowledgement came later: slow answers must not fall off the end.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

void gap_start(struct gap *g, int64_t now_ns)
{
	*g = (struct gap){ .last_ns = now_ns };
}

void gap_note(struct gap *g, int64_t now_ns)
{
	if (now_ns <= g->last_ns)
		return;
	if (now_ns - g->last_ns > g->max_ns) {
		g->max_ns = now_ns - g->last_ns;
		g->max_at_ns = g->last_ns;
	}
	g->last_ns = now_ns;
}

void tally_init(struct tally *t, const struct options *o, int32_t partitions)
{
	*t = (struct tally){ .mode = o->mode, .gaps_n = partitions };
	histogram_init(&t->ack);
	histogram_init(&t->fetch);
	histogram_init(&t->e2e);
	histogram_init(&t->line);
	t->gaps = mem_zalloc((size_t)partitions * sizeof(*t->gaps));
}

void tally_fini(struct tally *t)
{
	histogram_fini(&t->ack);
	histogram_fini(&t->fetch);
	histogram_fini(&t->e2e);
	histogram_fini(&t->line);
	mem_free(t->gaps);
}

void tally_start(struct tally *t, const struct options *o, int64_t now_ns)
{
	t->start_ns = t->line_ns = now_ns;
	t->from_ns = now_ns + o->warmup_ns;
	t->to_ns = t->from_ns + o->duration_ns;
	/* times before that lie behind the last note: they do not count */
	gap_start(&t->gap, t->from_ns);
	for (int32_t i = 0; i < t->gaps_n; i++)
		gap_start(&t->gaps[i], t->from_ns);
}

bool tally_is_measured(const struct tally *t, int64_t at_ns)
{
	return at_ns >= t->from_ns && at_ns < t->to_ns;
}

void tally_error(struct tally *t, int16_t code)
{
	if (code < -1 || code >= TALLY_ERRORS - 1)
		code = K_UNKNOWN_SERVER_ERROR;
	t->errors[code + 1]++;
}

static void flow_add(struct flow *f, const struct flow *more)
{
	f->records += more->records;
	f->batches += more->batches;
	f->payload += more->payload;
	f->size += more->size;
	f->requests += more->requests;
}

void tally_ack(struct tally *t, const struct ack *a)
{
	struct flow one = { .records = a->records, .batches = 1,
			    .payload = a->payload, .size = a->size };
	int64_t us = (a->now_ns - a->intended_ns) / 1000;

	flow_add(&t->last_sent, &one);
	if (t->mode == BENCH_PRODUCE)
		histogram_add(&t->line, us, 1);
	if (tally_is_measured(t, a->intended_ns))
		histogram_add(&t->ack, us, 1);
	if (tally_is_measured(t, a->now_ns)) {
		flow_add(&t->sent, &one);
		gap_note(&t->gap, a->now_ns);
		gap_note(&t->gaps[a->partition], a->now_ns);
	}
}

void tally_fetched(struct tally *t, const struct fetched *f)
{
	struct flow one = { .records = f->records, .batches = f->batches,
			    .size = f->size, .requests = 1 };
	int64_t us = (f->now_ns - f->asked_ns) / 1000;

	flow_add(&t->last_seen, &one);
	if (tally_is_measured(t, f->now_ns))
		flow_add(&t->seen, &one);
	if (f->records == 0) /* how long it waited says nothing */
		return;
	if (t->mode == BENCH_CONSUME)
		histogram_add(&t->line, us, 1);
	if (tally_is_measured(t, f->asked_ns))
		histogram_add(&t->fetch, us, 1);
}

void tally_end(struct tally *t, int64_t now_ns)
{
	now_ns = min_of(now_ns, t->to_ns);
	gap_note(&t->gap, now_ns);
	for (int32_t i = 0; i < t->gaps_n; i++)
		gap_note(&t->gaps[i], now_ns);
}

static int64_t all_errors(const struct tally *t)
{
	int64_t n = 0;

	for (int i = 0; i < TALLY_ERRORS; i++)
		n += t->errors[i];
	return n;
}

static const char *phase(const struct tally *t, int64_t now_ns)
{
	if (now_ns <= t->from_ns + MILLISECOND)
		return " (warm-up)";
	return now_ns > t->to_ns + MILLISECOND * 500 ? " (rest)" : "";
}

void tally_line(struct run *r, int64_t now_ns)
{
	struct tally *t = &r->tally;
	double s = (double)(now_ns - t->line_ns) / (double)SECOND;
	const struct flow *f = t->mode == BENCH_CONSUME ? &t->last_seen :
							  &t->last_sent;
	int64_t bytes = t->mode == BENCH_CONSUME ? f->size : f->payload;
	const struct histogram *h = &t->line;

	if (!r->options.quiet && s > 0)
		fprintf(stderr, "%6.1fs%s %9.0f rec/s %8.2f MB/s  p50 %.2f "
			"p99 %.2f p99.9 %.2f max %.2f ms  errors %" PRId64
			" retries %" PRId64 "\n",
			(double)(now_ns - t->start_ns) / (double)SECOND,
			phase(t, now_ns),
			(double)f->records / s, (double)bytes / s / 1e6,
			(double)histogram_at(h, 50) / 1e3,
			(double)histogram_at(h, 99) / 1e3,
			(double)histogram_at(h, 99.9) / 1e3,
			(double)h->max / 1e3, all_errors(t), t->retries);
	t->line_ns = now_ns;
	t->last_sent = t->last_seen = (struct flow){ 0 };
	histogram_reset(&t->line);
}
