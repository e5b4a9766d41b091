/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raftmq-sim: runs seeds, many of them side by side, each worker in a process
 * of its own, so that an assertion that fails ends one seed and not the rest.
 *
 *	raftmq-sim -s 17 -v             one seed, with its whole story
 *	raftmq-sim -s 1 -n 1000         seeds 1 to 1000
 *	raftmq-sim --hours 8            so long, from a seed by the clock
 *	raftmq-sim -n 1000 --first      until one fails
 *
 * Exit status: 0, or 1 if any seed failed, or 2 if the command is wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

enum { WORKERS_MAX = 64, SEEDS_A_WORKER = 25, SHOWN_MAX = 30 };

struct batch_of_seeds { /* of one worker, in memory that it shares with main */
	uint64_t first, n;
	uint64_t done; /* results that main may read */
	uint64_t now;  /* the seed it is at */
	int64_t since_s;
	struct run_result results[SEEDS_A_WORKER];
};
struct worker {
	pid_t pid;
	struct batch_of_seeds *job;
	uint64_t read; /* results that main has read */
};
struct totals {
	uint64_t seeds, failures;
	int64_t sim_us;
	struct world_counts world;
	int64_t faults[FAULT_KINDS];
	int64_t sends, acks, records;
};
struct command {
	uint64_t seed, n;
	double hours;
	int workers;
	int64_t limit_s; /* of real time for one seed */
	bool twice;      /* each seed twice: the hashes must agree */
	bool first;      /* no more once one has failed */
	bool quiet;
	struct run_config run;
};

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- a worker ------------------------------------------------------------ */

static void run_one(const struct command *c, uint64_t seed,
		    struct run_result *r)
{
	struct run_config rc = c->run;
	static struct run_result again;

	rc.seed = seed;
	run_seed(&rc, r);
	if (!c->twice || r->failed)
		return;
	run_seed(&rc, &again);
	if (again.hash == r->hash)
		return;
	r->failed = true;
	snprintf(r->why, sizeof(r->why), "two runs differ: hash %016" PRIx64
		 " and %016" PRIx64, r->hash, again.hash);
}

static void work(const struct command *c, struct batch_of_seeds *j)
{
	for (uint64_t i = 0; i < j->n; i++) {
		j->now = j->first + i;
		j->since_s = now_s();
		run_one(c, j->now, &j->results[i]);
		__atomic_store_n(&j->done, i + 1, __ATOMIC_RELEASE);
	}
}

static void start(const struct command *c, struct worker *w, uint64_t first,
		  uint64_t n)
{
	struct batch_of_seeds *j = w->job;

	memset(j, 0, sizeof(*j));
	j->first = j->now = first;
	j->n = n;
	j->since_s = now_s();
	w->read = 0;
	fflush(stdout);
	fflush(stderr);
	w->pid = fork();
	if (w->pid == 0) {
		work(c, j);
		_exit(0);
	}
	if (w->pid < 0) {
		perror("raftmq-sim: fork");
		exit(2);
	}
}

/* ---- results ------------------------------------------------------------- */

static void add_world(struct world_counts *to, const struct world_counts *x)
{
	int64_t *a = (int64_t *)to;
	const int64_t *b = (const int64_t *)x;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += b[i];
}

static void take(const struct command *c, struct totals *t,
		 const struct run_result *r)
{
	t->seeds++;
	t->sim_us += r->sim_us;
	add_world(&t->world, &r->world);
	for (int i = 0; i < FAULT_KINDS; i++)
		t->faults[i] += r->faults[i];
	t->sends += r->sends;
	t->acks += r->acks;
	t->records += r->records;
	if (r->failed && t->failures++ < SHOWN_MAX)
		printf("FAILED seed %" PRIu64 " (%s)\n       %s\n", r->seed,
		       r->what, r->why);
	else if (!r->failed && !c->quiet && c->n == 1)
		printf("seed %" PRIu64 ": %s\n", r->seed, r->what);
	fflush(stdout);
}

static void read_results(const struct command *c, struct totals *t,
			 struct worker *w)
{
	uint64_t done = __atomic_load_n(&w->job->done, __ATOMIC_ACQUIRE);

	while (w->read < done)
		take(c, t, &w->job->results[w->read++]);
}

/* It died in the middle of a seed: that one failed, the rest is to be done. */
static void note_death(const struct command *c, struct totals *t,
		       struct worker *w, int status)
{
	static struct run_result r;

	r = (struct run_result){ .seed = w->job->now, .failed = true };
	snprintf(r.what, sizeof(r.what), "run it alone to see more");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(r.why, sizeof(r.why), "no end after %" PRId64
			 " s of real time", c->limit_s);
	else if (WIFSIGNALED(status))
		snprintf(r.why, sizeof(r.why), "signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(r.why, sizeof(r.why), "exit status %d",
			 WEXITSTATUS(status));
	take(c, t, &r);
}

static void kill_if_stuck(const struct command *c, struct worker *w)
{
	if (now_s() - w->job->since_s > c->limit_s)
		kill(w->pid, SIGALRM);
}

/* true: it has ended, and its seeds up to *next are accounted for. */
static bool has_ended(const struct command *c, struct totals *t,
		      struct worker *w, uint64_t *left_first, uint64_t *left_n)
{
	int status;

	*left_n = 0;
	read_results(c, t, w);
	if (waitpid(w->pid, &status, WNOHANG) != w->pid) {
		kill_if_stuck(c, w);
		return false;
	}
	read_results(c, t, w);
	if (w->read < w->job->n) {
		note_death(c, t, w, status);
		*left_first = w->job->now + 1;
		*left_n = w->job->first + w->job->n - *left_first;
	}
	w->pid = 0;
	return true;
}

static void progress(const struct totals *t, int64_t begin_s)
{
	double s = (double)max_of(now_s() - begin_s, (int64_t)1);

	fprintf(stderr, "%" PRIu64 " seeds, %" PRIu64 " failed, %.1f seeds/s, "
		"%.1f simulated hours\n", t->seeds, t->failures,
		(double)t->seeds / s, (double)t->sim_us / 3.6e9);
}

static void print_totals(const struct totals *t, int64_t begin_s)
{
	double s = (double)max_of(now_s() - begin_s, (int64_t)1);

	printf("%" PRIu64 " seeds in %.0f s (%.1f/s), %.2f simulated hours, %"
	       PRId64 " events\n", t->seeds, s, (double)t->seeds / s,
	       (double)t->sim_us / 3.6e9, t->world.events);
	printf("clients: %" PRId64 " records sent, %" PRId64 " acknowledged, %"
	       PRId64 " in the end\n", t->sends, t->acks, t->records);
	printf("cluster: %" PRId64 " starts, %" PRId64 " quorum leaders, %"
	       PRId64 " partition epochs, %" PRId64 " deaths at an exit or a "
	       "disk call, %" PRId64 " by itself\n", t->world.starts,
	       t->world.elections, t->world.epochs, t->world.dooms,
	       t->world.fatals);
	printf("faults:");
	for (int i = 0; i < FAULT_KINDS; i++)
		if (t->faults[i])
			printf(" %s %" PRId64, fault_name((enum fault_kind)i),
			       t->faults[i]);
	printf("\n%" PRIu64 " passed, %" PRIu64 " failed\n",
	       t->seeds - t->failures, t->failures);
}

/* ---- all of them --------------------------------------------------------- */

static bool is_over(const struct command *c, const struct totals *t,
		    uint64_t given, int64_t begin_s)
{
	if (c->first && t->failures)
		return true;
	if (c->hours > 0)
		return (double)(now_s() - begin_s) >= c->hours * 3600;
	return given >= c->n;
}

static void pass_time(void)
{
	struct timespec t = { 0, 5000000 };

	nanosleep(&t, NULL);
}

static int run_all(const struct command *c)
{
	static struct worker workers[WORKERS_MAX];
	struct totals t = { 0 };
	uint64_t given = 0, left_first = 0, left_n = 0;
	int64_t begin_s = now_s(), shown_s = begin_s;
	int alive = 0;

	for (int i = 0; i < c->workers; i++) {
		workers[i].job = mmap(NULL, sizeof(struct batch_of_seeds),
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (workers[i].job == MAP_FAILED)
			return 2;
	}
	do {
		for (int i = 0; i < c->workers; i++) {
			struct worker *w = &workers[i];
			uint64_t n = c->first ? 1 : SEEDS_A_WORKER;

			if (w->pid && !has_ended(c, &t, w, &left_first,
						 &left_n))
				continue;
			if (left_n) {
				start(c, w, left_first, left_n);
				left_n = 0;
				continue;
			}
			if (is_over(c, &t, given, begin_s))
				continue;
			if (c->hours <= 0)
				n = min_of(n, c->n - given);
			start(c, w, c->seed + given, n);
			given += n;
		}
		alive = 0;
		for (int i = 0; i < c->workers; i++)
			alive += workers[i].pid != 0;
		if (!c->quiet && now_s() - shown_s >= 30) {
			progress(&t, begin_s);
			shown_s = now_s();
		}
		pass_time();
	} while (alive || !is_over(c, &t, given, begin_s));
	print_totals(&t, begin_s);
	return t.failures > 0;
}

static int run_loud(const struct command *c)
{
	static struct run_result r;

	run_one(c, c->seed, &r);
	printf("seed %" PRIu64 ": %s\nhash %016" PRIx64 ", %.1f simulated s\n",
	       r.seed, r.what, r.hash, (double)r.sim_us / 1e6);
	if (r.failed)
		printf("FAILED %s\n", r.why);
	return r.failed;
}

/* ---- the command --------------------------------------------------------- */

static const char usage[] =
	"usage: raftmq-sim [-s SEED] [-n SEEDS] [-j WORKERS] [OPTION...]\n"
	"  -s, --seed N         the first seed (1)\n"
	"  -n, --seeds N        how many (1)\n"
	"      --hours H        so long, instead of so many\n"
	"  -j, --workers N      processes side by side (all cores)\n"
	"  -f, --faults LIST    kinds that may happen, by commas; none\n"
	"  -x, --without LIST   kinds that may not\n"
	"      --nodes N        1, 3 or 5 (by the seed)\n"
	"      --seconds S      of the phase with faults (by the seed)\n"
	"      --first          no more once one has failed\n"
	"      --twice          each seed twice: the same must happen\n"
	"      --history FILE   what clients saw, as text\n"
	"  -v, --verbose        one seed, in this process, with its story\n"
	"  -q, --quiet\n";

static uint32_t parse_kinds(const char *text)
{
	uint32_t kinds = 0;
	char *copy = mem_strdup(text), *at = copy, *name;

	if (!strcmp(text, "none"))
		*copy = '\0';
	while ((name = strsep(&at, ",")))
		if (*name) {
			int k = fault_find(name);

			if (k < 0) {
				fprintf(stderr, "raftmq-sim: no fault is called"
					" %s\n", name);
				exit(2);
			}
			kinds |= 1u << k;
		}
	mem_free(copy);
	return kinds;
}

enum { HOURS = 256, NODES, SECONDS, FIRST, TWICE, HISTORY };

static void parse_one(struct command *c, int option)
{
	switch (option) {
	case 's': c->seed = strtoull(optarg, NULL, 0); break;
	case 'n': c->n = strtoull(optarg, NULL, 0); break;
	case 'j': c->workers = atoi(optarg); break;
	case 'f': c->run.kinds = parse_kinds(optarg); break;
	case 'x': c->run.kinds &= ~parse_kinds(optarg); break;
	case 'v': c->run.loud = true; break;
	case 'q': c->quiet = true; break;
	case HOURS: c->hours = atof(optarg); break;
	case NODES: c->run.nodes = atoi(optarg); break;
	case SECONDS: c->run.us = (int64_t)(atof(optarg) * 1e6); break;
	case FIRST: c->first = true; break;
	case TWICE: c->twice = true; break;
	case HISTORY: c->run.history = optarg; break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' }, { "seeds", 1, NULL, 'n' },
		{ "workers", 1, NULL, 'j' }, { "faults", 1, NULL, 'f' },
		{ "without", 1, NULL, 'x' }, { "verbose", 0, NULL, 'v' },
		{ "quiet", 0, NULL, 'q' }, { "hours", 1, NULL, HOURS },
		{ "nodes", 1, NULL, NODES }, { "seconds", 1, NULL, SECONDS },
		{ "first", 0, NULL, FIRST }, { "twice", 0, NULL, TWICE },
		{ "history", 1, NULL, HISTORY }, { NULL, 0, NULL, 0 } };
	struct command c = { .seed = 0, .n = 1, .limit_s = 120,
			     .run = { .kinds = (1u << FAULT_KINDS) - 1 } };
	int option;

	c.workers = (int)sysconf(_SC_NPROCESSORS_ONLN);
	while ((option = getopt_long(argc, argv, "s:n:j:f:x:vq", options,
				     NULL)) >= 0)
		parse_one(&c, option);
	if (optind < argc || c.workers < 1 || c.workers > WORKERS_MAX) {
		fputs(usage, stderr);
		return 2;
	}
	if (!c.seed)
		c.seed = c.hours > 0 ? (uint64_t)time(NULL) * 100000 : 1;
	return c.run.loud ? run_loud(&c) : run_all(&c);
}
