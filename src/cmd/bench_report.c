/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: one list of named values, printed as a table for people, as JSON or
 * as TSV for programs. Names and their order are a contract: new ones come at
 * the end of their group in JSON, and at the very end in TSV.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define ROWS_MAX 96

enum kind { COUNT, REAL, TEXT, TITLE };
struct row {
	const char *key, *label, *unit;
	enum kind kind;
	int64_t count;
	double real;
	const char *text;
};
struct rows {
	struct row v[ROWS_MAX];
	int n;
	struct arena arena;
};

static struct row *add(struct rows *rows, enum kind kind, const char *key,
		       const char *label)
{
	struct row *row = &rows->v[rows->n++];

	assert(rows->n < ROWS_MAX);
	*row = (struct row){ .key = key, .label = label, .kind = kind,
			     .unit = "" };
	return row;
}

static void add_count(struct rows *rows, const char *key, const char *label,
		      int64_t v)
{
	add(rows, COUNT, key, label)->count = v;
}

static void add_real(struct rows *rows, const char *key, const char *label,
		     double v, const char *unit)
{
	struct row *row = add(rows, REAL, key, label);

	row->real = v;
	row->unit = unit;
}

static void add_text(struct rows *rows, const char *key, const char *label,
		     const char *v)
{
	add(rows, TEXT, key, label)->text = v;
}

static double per(double a, double b)
{
	return b > 0 ? a / b : 0;
}

/* ---- what is reported ---------------------------------------------------- */

static const char *mode_name(const struct run *r)
{
	switch (r->options.mode) {
	case BENCH_PRODUCE:
		return "produce";
	case BENCH_CONSUME:
		return "consume";
	case BENCH_E2E:
		return "e2e";
	}
	return "";
}

static double measured_s(const struct run *r)
{
	return (double)(r->tally.to_ns - r->tally.from_ns) / (double)SECOND;
}

static void add_settings(struct rows *rows, const struct run *r)
{
	const struct options *o = &r->options;
	char *acks = arena_printf(&rows->arena, "%d", (int)o->acks);

	add(rows, TITLE, NULL, "run");
	add_text(rows, "command", "command", mode_name(r));
	add_text(rows, "topic", "topic", o->topic);
	add_count(rows, "partitions", "partitions", r->topology.partitions_n);
	add_count(rows, "clients", "clients", o->clients);
	add_real(rows, "seconds", "measured", measured_s(r), "s");
	if (o->mode == BENCH_CONSUME)
		return;
	add_text(rows, "acks", "acks", o->acks < 0 ? "all" : acks);
	add_text(rows, "idempotent", "idempotent",
		 o->idempotent ? "yes" : "no");
	add_text(rows, "compression", "compression",
		 codec_name((enum codec)o->codec));
	add_count(rows, "record_bytes", "bytes in a record",
		  o->record_size + o->key_size);
	add_count(rows, "batch_records", "records in a batch",
		  r->stock.records);
	add_count(rows, "window", "window", o->window);
	add_count(rows, "offered_records_per_s", "offered records/s", o->rate);
}

static void add_flow(struct rows *rows, const struct run *r,
		     const struct flow *f, bool sent)
{
	double s = measured_s(r);

	add(rows, TITLE, NULL, sent ? "acknowledged" : "read");
	add_count(rows, sent ? "sent_records" : "read_records", "records",
		  f->records);
	add_real(rows, sent ? "sent_records_per_s" : "read_records_per_s",
		 "records/s", per((double)f->records, s), "");
	add_real(rows, sent ? "sent_mb_per_s" : "read_mb_per_s",
		 sent ? "keys and values" : "batches",
		 per((double)(sent ? f->payload : f->size), s) / 1e6, "MB/s");
	if (sent)
		add_real(rows, "sent_batch_mb_per_s", "batches",
			 per((double)f->size, s) / 1e6, "MB/s");
	add_count(rows, sent ? "sent_requests" : "read_requests", "requests",
		  f->requests);
	add_real(rows, sent ? "sent_requests_per_s" : "read_requests_per_s",
		 "requests/s", per((double)f->requests, s), "");
}

static void add_latency(struct rows *rows, const struct histogram *h,
			const char *name, const char *title)
{
	static const struct {
		double percent;
		const char *key, *label;
	} points[] = {
		{ 50, "p50", "p50" }, { 90, "p90", "p90" },
		{ 99, "p99", "p99" }, { 99.9, "p99_9", "p99.9" },
		{ 99.99, "p99_99", "p99.99" }, { 100, "max", "max" },
	};
	struct arena *a = &rows->arena;

	add(rows, TITLE, NULL, title);
	add_count(rows, arena_printf(a, "%s_count", name), "count", h->count);
	add_real(rows, arena_printf(a, "%s_mean_us", name), "mean",
		 histogram_mean(h), "us");
	for (size_t i = 0; i < countof(points); i++)
		add_real(rows, arena_printf(a, "%s_%s_us", name, points[i].key),
			 points[i].label,
			 (double)histogram_at(h, points[i].percent), "us");
}

static void add_gaps(struct rows *rows, const struct tally *t)
{
	int32_t worst = 0;

	for (int32_t i = 0; i < t->gaps_n; i++)
		if (t->gaps[i].max_ns > t->gaps[worst].max_ns)
			worst = i;
	add_real(rows, "gap_ms", "longest gap, all partitions",
		 (double)t->gap.max_ns / 1e6, "ms");
	add_real(rows, "gap_partition_ms", "longest gap, one partition",
		 (double)t->gaps[worst].max_ns / 1e6, "ms");
	add_count(rows, "gap_partition", "which partition", worst);
	add_real(rows, "gap_partition_at_s", "at",
		 (double)(t->gaps[worst].max_at_ns - t->start_ns) / 1e9, "s");
}

static char *error_text(struct rows *rows, const struct tally *t)
{
	struct buf b = { 0 };
	char *text;

	for (int i = 0; i < TALLY_ERRORS; i++)
		if (t->errors[i])
			buf_printf(&b, "%s%s=%" PRId64, b.n ? "," : "",
				   kerr_name((int16_t)(i - 1)), t->errors[i]);
	text = arena_printf(&rows->arena, "%s", b.n ? buf_c(&b) : "none");
	buf_fini(&b);
	return text;
}

static void add_troubles(struct rows *rows, const struct run *r)
{
	const struct tally *t = &r->tally;

	add(rows, TITLE, NULL, "troubles");
	if (r->options.mode != BENCH_CONSUME) {
		add_gaps(rows, t);
		add_count(rows, "retries", "batches sent again", t->retries);
		add_count(rows, "refused", "batches refused for good",
			  t->refused);
		add_count(rows, "unacked", "batches without an answer",
			  t->unacked);
	}
	if (r->options.mode == BENCH_E2E) {
		add_count(rows, "unseen", "acknowledged and not read",
			  t->unseen);
		add_count(rows, "unmatched", "acknowledged, place unknown",
			  t->unmatched);
	}
	if (r->options.mode != BENCH_PRODUCE)
		add_count(rows, "crc_bad", "batches with a bad CRC",
			  t->crc_bad);
	add_count(rows, "breaks", "connections broken", t->breaks);
	add_count(rows, "refreshes", "metadata refreshed", t->refreshes);
	add_count(rows, "leader_changes", "leaders changed", t->moves);
	add_text(rows, "errors", "errors", error_text(rows, t));
}

static void add_machine(struct rows *rows, const struct run *r)
{
	const struct snapshot *a = &r->before, *b = &r->after;
	double s = (double)(b->at_ns - a->at_ns) / (double)SECOND;
	double all = b->machine.total - a->machine.total;

	add(rows, TITLE, NULL, "this machine");
	add_real(rows, "own_cpu_percent", "raftmq-bench, of one core",
		 per(b->own_cpu_s - a->own_cpu_s, s) * 100, "%");
	add_real(rows, "softirq_percent", "softirq, of all cores",
		 per(b->machine.softirq - a->machine.softirq, all) * 100, "%");
	add_real(rows, "steal_percent", "stolen, of all cores",
		 per(b->machine.steal - a->machine.steal, all) * 100, "%");
}

/* Of the brokers together; a process that went away counts as nothing. */
static struct process sum(const struct run *r)
{
	struct process all = { 0 };

	for (int i = 0; i < r->options.pids_n; i++) {
		const struct process *a = &r->before.pids[i];
		const struct process *b = &r->after.pids[i];

		if (a->cpu_s < 0 || b->cpu_s < 0)
			continue;
		all.cpu_s += b->cpu_s - a->cpu_s;
		all.rss += b->rss;
		all.rss_peak += b->rss_peak;
		all.pss += b->pss;
		all.threads += b->threads;
		all.read_bytes += b->read_bytes - a->read_bytes;
		all.write_bytes += b->write_bytes - a->write_bytes;
	}
	return all;
}

static void add_brokers(struct rows *rows, const struct run *r)
{
	struct process p = sum(r);
	const struct flow *sent = &r->tally.sent, *seen = &r->tally.seen;
	bool reads = r->options.mode == BENCH_CONSUME;
	double bytes = (double)(reads ? seen->size : sent->payload);
	double requests = (double)(sent->requests + seen->requests);
	double s = (double)(r->after.at_ns - r->before.at_ns) / (double)SECOND;

	if (r->options.pids_n == 0)
		return;
	add(rows, TITLE, NULL, "brokers");
	add_real(rows, "broker_cpu_s", "CPU time", p.cpu_s, "s");
	add_real(rows, "broker_cores", "cores", per(p.cpu_s, s), "");
	add_real(rows, "broker_cpu_s_per_gb",
		 reads ? "CPU time per GB of batches" :
			 "CPU time per GB of keys and values",
		 per(p.cpu_s, bytes / 1e9), "s");
	add_real(rows, "broker_cpu_us_per_request", "CPU time per request",
		 per(p.cpu_s * 1e6, requests), "us");
	add_real(rows, "broker_rss_mb", "resident", (double)p.rss / 1e6, "MB");
	add_real(rows, "broker_rss_peak_mb", "resident, at most",
		 (double)p.rss_peak / 1e6, "MB");
	add_real(rows, "broker_pss_mb", "proportional",
		 (double)p.pss / 1e6, "MB");
	add_count(rows, "broker_threads", "threads", p.threads);
	add_real(rows, "broker_written_mb", "written to disks",
		 (double)p.write_bytes / 1e6, "MB");
	add_real(rows, "broker_read_mb", "read from disks",
		 (double)p.read_bytes / 1e6, "MB");
}

static void collect(struct rows *rows, const struct run *r)
{
	const struct tally *t = &r->tally;

	add_settings(rows, r);
	if (r->options.mode != BENCH_CONSUME)
		add_flow(rows, r, &t->sent, true);
	if (r->options.mode != BENCH_PRODUCE)
		add_flow(rows, r, &t->seen, false);
	if (r->options.mode != BENCH_CONSUME)
		add_latency(rows, &t->ack, "ack",
			    "due to acknowledged, by batch");
	if (r->options.mode == BENCH_E2E)
		add_latency(rows, &t->e2e, "e2e", "due to read, by batch");
	if (r->options.mode != BENCH_PRODUCE)
		add_latency(rows, &t->fetch, "fetch", "fetches with records");
	add_troubles(rows, r);
	add_machine(rows, r);
	add_brokers(rows, r);
}

/* ---- table --------------------------------------------------------------- */

/* 1234567 as 1,234,567 */
static void with_commas(char *out, size_t n, const char *digits)
{
	size_t whole = strcspn(digits, "."), at = 0;

	for (size_t i = 0; digits[i] && at + 2 < n; i++) {
		if (i > 0 && i < whole && (whole - i) % 3 == 0 &&
		    digits[i - 1] != '-')
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
}

static void print_value(const struct row *row)
{
	char digits[64], text[96];
	double size = row->real < 0 ? -row->real : row->real;

	if (row->kind == TEXT) {
		printf("  %-28s %14s\n", row->label, row->text);
		return;
	}
	if (row->kind == COUNT)
		snprintf(digits, sizeof(digits), "%" PRId64, row->count);
	else
		snprintf(digits, sizeof(digits), "%.*f",
			 size >= 1000 ? 0 : size >= 10 ? 1 : 3, row->real);
	with_commas(text, sizeof(text), digits);
	printf("  %-28s %14s%s%s\n", row->label, text, *row->unit ? " " : "",
	       row->unit);
}

static void print_table(const struct rows *rows)
{
	for (int i = 0; i < rows->n; i++)
		if (rows->v[i].kind == TITLE)
			printf("%s%s\n", i ? "\n" : "", rows->v[i].label);
		else
			print_value(&rows->v[i]);
}

/* ---- JSON and TSV -------------------------------------------------------- */

static json_t *errors_json(const struct tally *t)
{
	json_t *o = json_object();

	for (int i = 0; i < TALLY_ERRORS; i++)
		if (t->errors[i])
			json_object_set_new(o, kerr_name((int16_t)(i - 1)),
					    json_integer(t->errors[i]));
	return o;
}

static json_t *value_json(const struct row *row)
{
	if (row->kind == COUNT)
		return json_integer(row->count);
	if (row->kind == REAL)
		return json_real(row->real);
	return json_string(row->text);
}

static void print_json(const struct rows *rows, const struct run *r)
{
	json_t *o = json_object();
	char schema[64];

	snprintf(schema, sizeof(schema), "raftmq.bench.%s/v1", mode_name(r));
	json_object_set_new(o, "schema", json_string(schema));
	for (int i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];

		if (row->kind == TITLE)
			continue;
		json_object_set_new(o, row->key, !strcmp(row->key, "errors") ?
				    errors_json(&r->tally) : value_json(row));
	}
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(o);
}

static void print_tsv_line(const struct rows *rows, bool names)
{
	const char *between = "";

	for (int i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];

		if (row->kind == TITLE)
			continue;
		fputs(between, stdout);
		between = "\t";
		if (names)
			fputs(row->key, stdout);
		else if (row->kind == COUNT)
			printf("%" PRId64, row->count);
		else if (row->kind == REAL)
			printf("%.6g", row->real);
		else
			fputs(row->text, stdout);
	}
	putchar('\n');
}

void report_print(const struct run *r)
{
	static struct rows rows;

	rows.n = 0;
	collect(&rows, r);
	switch ((enum bench_output)r->options.output) {
	case OUTPUT_TABLE:
		print_table(&rows);
		break;
	case OUTPUT_JSON:
		print_json(&rows, r);
		break;
	case OUTPUT_TSV:
		if (!r->options.no_headers)
			print_tsv_line(&rows, true);
		print_tsv_line(&rows, false);
		break;
	}
	fflush(stdout);
	arena_fini(&rows.arena);
}

int report_histogram(const struct run *r)
{
	const struct tally *t = &r->tally;
	FILE *f = fopen(r->options.histogram, "we");
	int error;

	if (!f)
		return -errno;
	histogram_print(r->options.mode == BENCH_PRODUCE ? &t->ack :
			r->options.mode == BENCH_CONSUME ? &t->fetch :
							   &t->e2e, f);
	error = ferror(f) ? -EIO : 0;
	if (fclose(f) != 0 && !error)
		error = -errno;
	return error;
}
