/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: main of raftmq-admin. Finds noun and verb in the table, collects the
 * flags, runs the verb, prints its document. getopt_long and not argp: the
 * table has to feed completion and the nearest word as well, and errors must
 * be documents too.
 *
 * Invariants:
 * 1. Whatever happens, out_end runs: with -o json a document comes out.
 * 2. The first reason to fail is the exit code; two different ones are 1.
 */
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>

#include "admin.h"

#define LONG_BASE 1000 /* getopt values of flags: LONG_BASE + position */

static struct admin self;
static int at = 1; /* the next word of argv */

/* ---- signals ------------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	client_interrupted = 1;
}

static void catch_signals(void)
{
	/* the second one kills: nothing may hang for ever */
	struct sigaction s = { .sa_handler = on_signal,
			       .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &s, NULL);
	sigaction(SIGTERM, &s, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- flags --------------------------------------------------------------- */

/* The k-th flag: global ones first, then those of the verb. */
static const struct flag *flag_at(const struct verb *v, int k)
{
	for (const struct flag *f = admin_flags; f->name; f++)
		if (k-- == 0)
			return f;
	for (const struct flag *f = v ? v->flags : NULL; f && f->name; f++)
		if (k-- == 0)
			return f;
	return NULL;
}

static void unknown_flag(struct admin *a, const char *typed)
{
	const char *names[64];
	const char *near;
	int n = 0;

	for (const struct flag *f; n < 64 && (f = flag_at(a->verb, n)); n++)
		names[n] = f->name;
	while (*typed == '-')
		typed++;
	near = nearest_word(typed, names, n);
	if (near)
		admin_usage(a, "no flag --%s here; did you mean --%s?", typed,
			    near);
	else
		admin_usage(a, "no flag --%s here", typed);
}

static bool set_global(struct admin *a, const struct flag *f, const char *v)
{
	int64_t ms;

	switch (f->letter ? f->letter : f->name[0]) {
	case 'b':
		a->bootstrap = v;
		break;
	case 'o':
		if (!out_format_parse(v, &a->out.format)) {
			admin_usage(a, "-o %s: table, json, jsonl or tsv", v);
			return false;
		}
		break;
	case 'j':
		a->out.format = OUT_JSON;
		break;
	case 't':
		if (!duration_parse(str_of(v), &ms) || ms < 1 ||
		    ms > 86400000) {
			admin_usage(a, "--timeout %s: a time like 10s", v);
			return false;
		}
		a->timeout_ms = (int32_t)ms;
		a->timeout_given = true;
		break;
	default:
		break;
	}
	return true;
}

static bool note_flag(struct admin *a, const struct flag *f, const char *v)
{
	if (a->given_n == GIVEN_MAX) {
		admin_usage(a, "more than %d flags", GIVEN_MAX);
		return false;
	}
	a->given[a->given_n].flag = f;
	a->given[a->given_n++].value = v;
	for (const struct flag *g = admin_flags; g->name; g++)
		if (g == f)
			return set_global(a, f, v);
	return true;
}

struct option_table {
	struct option longs[64];
	char shorts[160];
};

static void list_options(const struct verb *v, bool stop, char *shorts,
			 struct option *longs)
{
	const struct flag *f;
	int n = 0;

	*shorts++ = stop ? '+' : '-';
	*shorts++ = ':';
	for (; (f = flag_at(v, n)); n++) {
		assert(n < 63);
		longs[n] = (struct option){ f->name, f->arg != NULL, NULL,
					    LONG_BASE + n };
		if (!f->letter)
			continue;
		*shorts++ = f->letter;
		if (f->arg)
			*shorts++ = ':';
	}
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	*shorts = '\0';
}

static const struct flag *flag_of(const struct verb *v, int c)
{
	const struct flag *f;

	if (c >= LONG_BASE)
		return flag_at(v, c - LONG_BASE);
	for (int n = 0; (f = flag_at(v, n)); n++)
		if (f->letter == c)
			return f;
	return NULL;
}

/* Collects flags: all, and the words between them, or up to the first word. */
static bool read_flags(struct admin *a, int argc, char **argv, bool stop)
{
	struct option_table t;
	int c;

	/* getopt learns its mode anew only when it starts anew */
	argv += at - 1;
	argc -= at - 1;
	optind = 0;
	list_options(a->verb, stop, t.shorts, t.longs);
	opterr = 0;
	while ((c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const struct flag *f = flag_of(a->verb, c);

		if (c == 1) {
			a->args[a->args_n++] = optarg;
		} else if (c == ':') {
			admin_usage(a, "%s wants a value", argv[optind - 1]);
			return false;
		} else if (!f && optopt > 0 && optopt < LONG_BASE) {
			admin_usage(a, "no flag -%c here", optopt);
			return false;
		} else if (!f) {
			unknown_flag(a, argv[optind - 1]);
			return false;
		} else if (!note_flag(a, f, optarg)) {
			return false;
		}
	}
	while (!stop && optind < argc)
		a->args[a->args_n++] = argv[optind++];
	at += optind - 1;
	return true;
}

/* ---- main ---------------------------------------------------------------- */

static bool find_verb(struct admin *a, int argc, char **argv)
{
	const struct noun *n = noun_find(argv[at]);
	const char *near;

	if (!n) {
		near = noun_nearest(argv[at]);
		admin_usage(a, "no noun %s%s%s%s", argv[at],
			    near ? "; did you mean " : "", near ? near : "",
			    near ? "?" : " (raftmq-admin help lists them)");
		return false;
	}
	at++;
	a->verb = verb_find(n->name, NULL);
	if (a->verb)
		return true;
	if (!read_flags(a, argc, argv, true))
		return false;
	if (at >= argc || admin_has(a, "help")) {
		help_noun(admin_has(a, "help") ? stdout : stderr, n->name);
		a->status = admin_has(a, "help") ? EXIT_OK : EXIT_USAGE;
		return false;
	}
	a->verb = verb_find(n->name, argv[at]);
	if (!a->verb) {
		near = verb_nearest(n->name, argv[at]);
		admin_usage(a, "no verb %s %s%s%s%s", n->name, argv[at],
			    near ? "; did you mean " : "", near ? near : "",
			    near ? "?" : "");
		return false;
	}
	at++;
	return true;
}

/* Noun, verb, flags and arguments; false when there is nothing to run. */
static bool understand(struct admin *a, int argc, char **argv)
{
	if (!read_flags(a, argc, argv, true))
		return false;
	if (at >= argc) {
		help_usage(admin_has(a, "help") ? stdout : stderr);
		a->status = admin_has(a, "help") ? EXIT_OK : EXIT_USAGE;
		return false;
	}
	if (!find_verb(a, argc, argv) || !read_flags(a, argc, argv, false))
		return false;
	if (admin_has(a, "help")) {
		help_verb(stdout, a->verb);
		return false;
	}
	a->dry_run = admin_has(a, "dry-run");
	a->yes = admin_has(a, "yes");
	a->quiet = admin_has(a, "quiet");
	a->verbose = admin_has(a, "verbose");
	a->out.quiet = a->quiet;
	a->out.headers = !admin_has(a, "no-headers");
	return true;
}

static void run(struct admin *a)
{
	char schema[80];

	snprintf(schema, sizeof(schema), "raftmq.%s%s%s/v1", a->verb->noun,
		 a->verb->name ? "." : "", a->verb->name ? a->verb->name : "");
	out_set(&a->out, "schema", json_string(schema));
	if (a->dry_run)
		out_set(&a->out, "dry_run", json_true());
	if (a->args_n < a->verb->args_min)
		admin_usage(a, "raftmq-admin %s %s %s: something is missing",
			    a->verb->noun, a->verb->name, a->verb->args);
	else if (a->verb->args_max >= 0 && a->args_n > a->verb->args_max)
		admin_usage(a, "%s is one word too many",
			    a->args[(int)a->verb->args_max]);
	else
		a->verb->run(a);
	if (client_interrupted)
		a->status = EXIT_INTERRUPTED;
}

int main(int argc, char **argv)
{
	const char *env = getenv("RAFTMQ_BOOTSTRAP");

	setlocale(LC_CTYPE, "");
	catch_signals();
	self.bootstrap = env && *env ? env : "localhost:9092";
	self.timeout_ms = 10000;
	self.out.headers = true;
	self.args = mem_zalloc(sizeof(char *) * (size_t)(argc + 1));
	out_init(&self.out, "raftmq.error/v1");
	if (understand(&self, argc, argv))
		run(&self);
	else if (self.status == EXIT_OK)
		return EXIT_OK; /* help, and nothing else */
	if (!out_end(&self.out) && self.status == EXIT_OK)
		self.status = EXIT_FAILED;
	client_free(self.client);
	mem_free(self.args);
	return self.status;
}
