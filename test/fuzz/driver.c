/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver: main() of a target where no fuzzer brings one. Replays files, and
 * all files of directories; without arguments those that are kept for the
 * target, test/fuzz/corpus/NAME of the program fuzz-NAME; with "-" the bytes
 * of its standard input (for AFL++). One line tells what was done.
 *
 * Every input runs again and again, until memory is not more afterwards than it
 * was before: targets keep buffers, but what grows with every run leaks.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_SECONDS 20 /* with sanitizers, on a busy machine */
#define RUNS_MAX 10 /* an arena doubles its chunk six times */
#define INPUT_MAX ((size_t)16 << 20)

static const char *now_at = "-"; /* the input under test */
static int inputs;
static bool tells; /* -v: a line per input */

/* Which input it was, when it ends the process. */
static void tell_input(void)
{
	static const char says[] = "input: ";

	(void)!write(STDERR_FILENO, says, sizeof(says) - 1);
	(void)!write(STDERR_FILENO, now_at, strlen(now_at));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static void on_signal(int number)
{
	tell_input();
	signal(number, SIG_DFL);
	raise(number);
}

/* In a block of exactly that size: a byte too far is found by ASan. */
static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	size_t held;

	if (!exact)
		abort();
	memcpy(exact, bytes, n);
	alarm(INPUT_SECONDS);
	LLVMFuzzerTestOneInput(exact, n);
	for (int i = 0; i < RUNS_MAX; i++) {
		held = fuzz_held();
		LLVMFuzzerTestOneInput(exact, n);
		if (fuzz_held() <= held)
			break;
		if (i + 1 < RUNS_MAX)
			continue;
		fprintf(stderr, "%zu bytes more with each run\n",
			fuzz_held() - held);
		abort();
	}
	alarm(0);
	if (tells)
		printf("%s: %zu bytes, %zu of memory\n", now_at, n,
		       fuzz_peak());
	free(exact);
	inputs++;
}

static void run_stream(FILE *f, const char *name)
{
	static uint8_t bytes[INPUT_MAX];
	size_t n = fread(bytes, 1, sizeof(bytes), f);

	if (ferror(f) || n == sizeof(bytes)) {
		fprintf(stderr, "%s: cannot be read whole\n", name);
		exit(1);
	}
	now_at = name;
	run(bytes, n);
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		exit(1);
	}
	run_stream(f, path);
	fclose(f);
}

static int is_input(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	char inner[4096];
	int n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	n = scandir(path, &names, is_input, alphasort);
	if (n < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		snprintf(inner, sizeof(inner), "%s/%s", path,
			 names[i]->d_name);
		run_path(inner);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	static const int deaths[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE,
				      SIGILL, SIGALRM };
	const char *name = strrchr(argv[0], '/');
	char path[4096];

	LLVMFuzzerInitialize(&argc, &argv);
	for (size_t i = 0; i < countof(deaths); i++)
		signal(deaths[i], on_signal);
	name = strstr(name ? name : argv[0], "fuzz-");
	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		tells = true;
		argv++;
		argc--;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-") == 0)
			run_stream(stdin, "-");
		else
			run_path(argv[i]);
	}
	if (argc == 1) {
		snprintf(path, sizeof(path), CORPUS "/%s",
			 name ? name + 5 : "");
		run_path(path);
	}
	printf("%s: %d inputs replayed\n", name ? name : argv[0], inputs);
	return inputs ? 0 : 1;
}
