/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check-history [--json] [--merge] [--lines N] FILE...
 *
 * Judges histories in the text form of history.h (`-': standard input), each
 * on its own, or with --merge all as parts of one: clients of one run that
 * wrote a file each, with one clock and with process numbers of their own.
 * Exit status: 0 valid, 1 a violation, 2 not readable.
 */
#include "verdict.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static bool as_json;
static bool merge;
static unsigned lines_max = 16;

static bool read_lines(struct history *h, FILE *f, const char *name)
{
	char *line = NULL;
	size_t cap = 0;
	unsigned long number = 0;
	const char *why = NULL;
	bool good = true;
	ssize_t n;

	while (good && (n = getline(&line, &cap, f)) >= 0) {
		number++;
		if (n > 0 && line[n - 1] == '\n')
			n--;
		if (n > INT32_MAX)
			why = "too long";
		good = n <= INT32_MAX &&
		       history_read_line(h, (struct str){ line, (int32_t)n },
					 &why);
		if (!good)
			fprintf(stderr, "%s:%lu: %s\n", name, number, why);
	}
	if (good && ferror(f)) {
		fprintf(stderr, "%s: cannot be read\n", name);
		good = false;
	}
	free(line);
	return good;
}

static bool read_file(struct history *h, const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	bool good;

	if (!f) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return false;
	}
	good = read_lines(h, f, name);
	if (f != stdin)
		fclose(f);
	return good;
}

/* True: no violation. */
static bool judge(const struct history *h, const char *name)
{
	struct buf out = { 0 };
	struct verdict v;
	bool valid;

	verdict_judge(h, lines_max, &v);
	valid = v.violations == 0;
	if (as_json) {
		verdict_json(&v, &out);
	} else {
		if (name)
			printf("%s:\n", name);
		verdict_print(&v, h, &out);
	}
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	verdict_fini(&v);
	return valid;
}

static int usage(void)
{
	fprintf(stderr, "usage: check-history [--json] [--merge] [--lines N] "
			"FILE...\n");
	return 2;
}

static bool options(int argc, char **argv)
{
	static const struct option all[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "merge", no_argument, NULL, 'm' },
		{ "lines", required_argument, NULL, 'l' },
		{ 0 },
	};
	int64_t n;
	int c;

	while ((c = getopt_long(argc, argv, "", all, NULL)) != -1) {
		if (c == 'j')
			as_json = true;
		else if (c == 'm')
			merge = true;
		else if (c == 'l' && str_to_i64(str_of(optarg), 0, INT32_MAX,
						&n))
			lines_max = (unsigned)n;
		else
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct history h;
	bool valid = true, readable = true;

	if (!options(argc, argv))
		return usage();
	history_init(&h);
	for (int i = optind; i < argc && readable; i++) {
		readable = read_file(&h, argv[i]);
		if (!readable || (merge && i + 1 < argc))
			continue;
		valid &= judge(&h, merge || argc - optind == 1 ? NULL :
								 argv[i]);
		history_reset(&h);
	}
	history_fini(&h);
	return !readable ? 2 : valid ? 0 : 1;
}
