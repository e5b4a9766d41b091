/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options of raftmq-bench: one table that the parser, the help and the checks
 * of ranges read. man/raftmq-bench.1 describes them at length.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum kind { TEXT, NUMBER, DURATION, FLAG, CODEC, ACKS, OUTPUT, FROM, CONFIG,
	    PID };

#define ALL (BENCH_PRODUCE | BENCH_CONSUME | BENCH_E2E)
#define SENDS (BENCH_PRODUCE | BENCH_E2E)
#define READS (BENCH_CONSUME | BENCH_E2E)
#define AT(field) offsetof(struct options, field)
#define MAX INT32_MAX

struct row {
	const char *name;
	int key;
	const char *arg;
	int modes;
	enum kind kind;
	size_t at;
	int64_t min, max;
	const char *doc;
};
static const struct row rows[] = {
	{ "bootstrap-server", 'b', "HOST:PORT,...", ALL, TEXT, AT(bootstrap),
	  0, 0, "brokers to ask first (RAFTMQ_BOOTSTRAP, localhost:9092)" },
	{ "topic", 't', "NAME", ALL, TEXT, AT(topic), 0, 0,
	  "made when it is missing (raftmq-bench)" },
	{ "partitions", 'p', "N", ALL, NUMBER, AT(partitions), 1, 1000000,
	  "of a topic that is made (16)" },
	{ "replicas", 'r', "N", ALL, NUMBER, AT(replicas), 1, 1000,
	  "of a topic that is made (the cluster's default)" },
	{ "config", 'c', "NAME=VALUE", ALL, CONFIG, 0, 0, 0,
	  "setting of a topic that is made; may be repeated" },
	{ "clients", 'C', "N", ALL, NUMBER, AT(clients), 1, 100000,
	  "each with a connection to each leading broker (1)" },
	{ "duration", 'd', "TIME", ALL, DURATION, AT(duration_ns), 1, 0,
	  "what is measured (30s; --until-end: no limit)" },
	{ "warmup", 'w', "TIME", ALL, DURATION, AT(warmup_ns), 0, 0,
	  "before it, under the same load, not measured (5s; "
	  "--until-end: 0)" },
	{ "rate", 'R', "N", SENDS, NUMBER, AT(rate), 0, INT64_MAX / 2,
	  "records per second; 0: as fast as the window allows "
	  "(produce 0, e2e 1000)" },
	{ "record-size", 's', "BYTES", SENDS, NUMBER, AT(record_size), 0,
	  64 << 20, "of a value (100)" },
	{ "key-size", 'k', "BYTES", SENDS, NUMBER, AT(key_size), 0, 1 << 20,
	  "of a key; 0: none (0)" },
	{ "batch-records", 'n', "N", SENDS, NUMBER, AT(batch_records), 1,
	  1000000, "in a batch; 1: one record per request (fills batch-bytes;"
	  " e2e 1)" },
	{ "batch-bytes", 'B', "BYTES", SENDS, NUMBER, AT(batch_bytes), 1,
	  64 << 20, "of a batch before it is compressed (16Ki)" },
	{ "request-batches", 'q', "N", SENDS, NUMBER, AT(request_batches), 1,
	  4096, "batches in a request, for as many partitions (1)" },
	{ "compression", 'z', "CODEC", SENDS, CODEC, AT(codec), 0, 0,
	  "none, gzip, snappy, lz4 or zstd (none)" },
	{ "compressible", 'x', "PERCENT", SENDS, NUMBER, AT(compressible), 0,
	  100, "of a value's bytes that are always the same (50)" },
	{ "acks", 'a', "0|1|all", SENDS, ACKS, AT(acks), 0, 0,
	  "who has a record before it is acknowledged (all)" },
	{ "idempotent", 'i', NULL, SENDS, FLAG, AT(idempotent), 0, 0,
	  "producer ids and sequences; acks=all, window up to 5" },
	{ "window", 'W', "N", SENDS, NUMBER, AT(window), 1, 100000,
	  "requests in flight on a connection (5)" },
	{ "from", 'f', "start|end", BENCH_CONSUME, FROM, AT(from_end), 0, 0,
	  "where reading begins (start)" },
	{ "again", 'A', NULL, BENCH_CONSUME, FLAG, AT(again), 0, 0,
	  "at the end of a partition, read it from the start again" },
	{ "until-end", 'u', NULL, BENCH_CONSUME, FLAG, AT(until_end), 0, 0,
	  "stop when all that was there at the start was read" },
	{ "check-crc", 'K', NULL, READS, FLAG, AT(check_crc), 0, 0,
	  "check the CRC of every batch that is read" },
	{ "fetch-bytes", 'F', "BYTES", READS, NUMBER, AT(fetch_bytes), 1, MAX,
	  "most that one fetch may bring (50Mi)" },
	{ "partition-bytes", 'P', "BYTES", READS, NUMBER, AT(partition_bytes),
	  1, MAX, "most of them from one partition (1Mi)" },
	{ "min-bytes", 'm', "BYTES", READS, NUMBER, AT(min_bytes), 0, MAX,
	  "least that a fetch waits for (1)" },
	{ "max-wait", 'M', "TIME", READS, DURATION, AT(max_wait_ns), 0, 0,
	  "longest that it waits for them (500ms)" },
	{ "timeout", 'T', "TIME", ALL, DURATION, AT(timeout_ns), 1, 0,
	  "of set-up, of an answer, of what is left at the end (30s)" },
	{ "wait", 'y', NULL, ALL, FLAG, AT(wait), 0, 0,
	  "for brokers that do not serve yet, as long as the time-out" },
	{ "pid", 'I', "PID", ALL, PID, 0, 1, MAX,
	  "a broker's process on this machine: its CPU time, memory and disk "
	  "bytes are reported; may be repeated" },
	{ "output", 'o', "table|json|tsv", ALL, OUTPUT, AT(output), 0, 0,
	  "form of the report (table)" },
	{ "no-headers", 'N', NULL, ALL, FLAG, AT(no_headers), 0, 0,
	  "no first line of names in TSV" },
	{ "histogram", 'H', "FILE", ALL, TEXT, AT(histogram), 0, 0,
	  "write the whole distribution of the latencies there" },
	{ "interval", 'l', "TIME", ALL, DURATION, AT(interval_ns), 1, 0,
	  "between the lines on stderr (1s)" },
	{ "quiet", 'Q', NULL, ALL, FLAG, AT(quiet), 0, 0,
	  "no lines on stderr but errors" },
	{ "verbose", 'v', NULL, ALL, FLAG, AT(verbose), 0, 0,
	  "a line on stderr for each request of the set-up" },
};

const char *argp_program_version = "raftmq-bench " PACKAGE_VERSION;

/* ---- values -------------------------------------------------------------- */

struct unit {
	const char *name;
	double times;
};

static bool scale(const char *text, const struct unit *units, double *out)
{
	char *end;
	double v;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtod(text, &end);
	if (errno || end == text || !(v >= 0))
		return false;
	for (; units->name; units++)
		if (!strcmp(end, units->name))
			break;
	if (!units->name)
		return false;
	*out = v * units->times;
	return true;
}

bool option_to_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	static const struct unit units[] = {
		{ "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 },
		{ "Ki", 1 << 10 }, { "Mi", 1 << 20 }, { "Gi", 1 << 30 },
		{ NULL, 0 },
	};
	double v;

	if (!scale(text, units, &v) || v > 9e18)
		return false;
	*out = (int64_t)v;
	return (double)*out == v && *out >= min && *out <= max;
}

bool option_to_ns(const char *text, int64_t *out)
{
	static const struct unit units[] = {
		{ "", 1e9 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
		{ "m", 60e9 }, { "h", 3600e9 }, { NULL, 0 },
	};
	double v;

	if (!scale(text, units, &v) || v > 1e17) /* three years */
		return false;
	*out = (int64_t)v;
	return true;
}

static bool parse_acks(const char *text, int64_t *out)
{
	if (!strcmp(text, "all") || !strcmp(text, "-1"))
		*out = -1;
	else if (!strcmp(text, "0") || !strcmp(text, "1"))
		*out = *text - '0';
	else
		return false;
	return true;
}

static bool parse_output(const char *text, int64_t *out)
{
	static const char *const names[] = { "table", "json", "tsv" };

	for (size_t i = 0; i < countof(names); i++)
		if (!strcmp(text, names[i])) {
			*out = (int64_t)i;
			return true;
		}
	return false;
}

static bool parse_codec(const char *text, int64_t *out)
{
	enum codec c;

	if (!codec_parse(str_of(text), &c) || !codec_is_built(c))
		return false;
	*out = c;
	return true;
}

static bool add_config(struct options *o, const char *text)
{
	if (o->configs_n == BENCH_CONFIGS_MAX || !strchr(text, '='))
		return false;
	o->configs[o->configs_n++] = text;
	return true;
}

static bool parse_value(struct options *o, const struct row *row,
			const char *text)
{
	char *field = (char *)o + row->at;
	int64_t *number = (int64_t *)(void *)field;

	switch (row->kind) {
	case TEXT:
		*(const char **)(void *)field = text;
		return *text != 0;
	case NUMBER:
		return option_to_number(text, row->min, row->max, number);
	case DURATION:
		return option_to_ns(text, number) && *number >= row->min;
	case FLAG:
		return *(bool *)field = true;
	case CODEC:
		return parse_codec(text, number);
	case ACKS:
		return parse_acks(text, number);
	case OUTPUT:
		return parse_output(text, number);
	case FROM:
		*(bool *)field = !strcmp(text, "end");
		return *(bool *)field || !strcmp(text, "start");
	case CONFIG:
		return add_config(o, text);
	case PID:
		return o->pids_n < BENCH_PIDS_MAX &&
		       option_to_number(text, row->min, row->max,
					&o->pids[o->pids_n++]);
	}
	return false;
}

/* ---- argp ---------------------------------------------------------------- */

/* Rules between options, once all are known. */
static void check(struct options *o, struct argp_state *state)
{
	if (o->warmup_ns < 0)
		o->warmup_ns = o->until_end ? 0 : 5 * SECOND;
	if (o->duration_ns < 0)
		o->duration_ns = (o->until_end ? 86400 : 30) * SECOND;
	if (o->idempotent && o->acks != -1)
		argp_error(state, "--idempotent needs --acks=all");
	if (o->idempotent && o->window > 5)
		argp_error(state, "--idempotent allows a window of 5");
	if (o->mode == BENCH_E2E && o->acks == 0)
		argp_error(state, "e2e needs --acks=1 or all: the offset of a "
			   "batch comes with its acknowledgement");
	if (o->mode == BENCH_E2E && o->rate == 0)
		argp_error(state, "e2e needs a --rate: what goes in as fast "
			   "as it can measures a queue, not a latency");
	if (o->again && o->until_end)
		argp_error(state, "--again never comes to an end");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key == ARGP_KEY_ARG)
		argp_error(state, "unexpected argument: %s", arg);
	if (key == ARGP_KEY_END)
		check(o, state);
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].key != key)
			continue;
		if (!(rows[i].modes & (int)o->mode))
			argp_error(state, "--%s: not here", rows[i].name);
		if (!parse_value(o, &rows[i], arg))
			argp_error(state, "--%s: %s does not fit",
				   rows[i].name, arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

struct mode {
	const char *name;
	enum bench_mode mode;
	const char *doc;
};
static const struct mode modes[] = {
	{ "produce", BENCH_PRODUCE,
	  "Sends records at a rate, or as fast as acknowledgements allow, and "
	  "reports rates and latencies." },
	{ "consume", BENCH_CONSUME,
	  "Reads all partitions as fast as it can, without a group." },
	{ "e2e", BENCH_E2E,
	  "Sends records and reads them back; latencies are from when a batch "
	  "was meant to be sent to when it was read." },
};

static _Noreturn void usage(FILE *f, int code)
{
	fprintf(f, "Usage: raftmq-bench produce|consume|e2e [OPTION...]\n"
		"A load generator for Kafka brokers.\n\n");
	for (size_t i = 0; i < countof(modes); i++)
		fprintf(f, "  %-9s %s\n", modes[i].name, modes[i].doc);
	fprintf(f, "\n`raftmq-bench COMMAND --help' lists the options, "
		"raftmq-bench(1) describes them.\n");
	exit(code);
}

static const struct mode *find_mode(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "--help") || !strcmp(word, "help"))
		usage(stdout, 0);
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		puts(argp_program_version);
		exit(0);
	}
	for (size_t i = 0; i < countof(modes); i++)
		if (!strcmp(word, modes[i].name))
			return &modes[i];
	usage(stderr, 2);
}

static void preset(struct options *o, enum bench_mode mode)
{
	const char *bootstrap = getenv("RAFTMQ_BOOTSTRAP");

	*o = (struct options){
		.mode = mode,
		.bootstrap = bootstrap && *bootstrap ? bootstrap :
						       "localhost:9092",
		.topic = "raftmq-bench",
		.partitions = 16,
		.replicas = -1,
		.clients = 1,
		.window = 5,
		.duration_ns = -1, /* check() decides */
		.warmup_ns = -1,
		.interval_ns = SECOND,
		.timeout_ns = 30 * SECOND,
		.record_size = 100,
		.batch_bytes = 16384,
		.request_batches = 1,
		.compressible = 50,
		.acks = -1,
		.fetch_bytes = 50 << 20,
		.partition_bytes = 1 << 20,
		.min_bytes = 1,
		.max_wait_ns = 500 * MILLISECOND,
	};
	if (mode == BENCH_E2E) {
		o->rate = 1000;
		o->batch_records = 1;
		o->from_end = true;
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct argp_option table[countof(rows) + 1] = { 0 };
	const struct mode *mode = find_mode(argc, argv);
	struct argp argp = { table, parse, NULL, mode->doc, NULL, NULL, NULL };
	char name[64];
	int n = 0;

	for (size_t i = 0; i < countof(rows); i++) {
		if (!(rows[i].modes & (int)mode->mode))
			continue;
		table[n].name = rows[i].name;
		table[n].key = rows[i].key;
		table[n].arg = rows[i].arg;
		table[n++].doc = rows[i].doc;
	}
	preset(o, mode->mode);
	snprintf(name, sizeof(name), "raftmq-bench %s", mode->name);
	argv[1] = name;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc - 1, argv + 1, 0, NULL, o);
}
