/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: what /proc says of a broker on this machine. Read before and after
 * the measured time; never in between, because that costs time of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

static bool read_all(char *text, size_t n, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t got;

	if (!f)
		return false;
	got = fread(text, 1, n - 1, f);
	text[got] = 0;
	fclose(f);
	return got > 0;
}

static bool read_of(char *text, size_t n, int64_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s", pid, name);
	return read_all(text, n, path);
}

/* The number behind "\nname:", times scale; -1 when there is none. */
static int64_t field(const char *text, const char *name, int64_t scale)
{
	const char *at = strstr(text, name);

	if (!at)
		return -1;
	return strtoll(at + strlen(name), NULL, 10) * scale;
}

/* stat: "pid (name) state ppid ..."; the name may hold anything. */
static bool read_stat(struct process *p, const char *text)
{
	const char *at = strrchr(text, ')');
	unsigned long long user, system;
	long long threads;

	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
			  "%*u %llu %llu %*d %*d %*d %*d %lld", &user, &system,
			  &threads) != 3)
		return false;
	p->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	p->threads = threads;
	return true;
}

bool process_read(struct process *p, int64_t pid)
{
	char text[16384];

	*p = (struct process){ pid, 0, -1, -1, -1, -1, -1, 0 };
	if (!read_of(text, sizeof(text), pid, "stat") || !read_stat(p, text))
		return false;
	if (read_of(text, sizeof(text), pid, "status")) {
		p->rss = field(text, "\nVmRSS:", 1024);
		p->rss_peak = field(text, "\nVmHWM:", 1024);
	}
	if (read_of(text, sizeof(text), pid, "smaps_rollup"))
		p->pss = field(text, "\nPss:", 1024);
	if (read_of(text, sizeof(text), pid, "io")) {
		p->read_bytes = field(text, "\nread_bytes:", 1);
		p->write_bytes = field(text, "\nwrite_bytes:", 1);
	}
	return true;
}

struct machine_time machine_time_read(void)
{
	struct machine_time m = { 0 };
	unsigned long long v[8] = { 0 };
	double tick = (double)sysconf(_SC_CLK_TCK);
	char text[1024];

	if (!read_all(text, sizeof(text), "/proc/stat") ||
	    sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
		   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		return m;
	for (size_t i = 0; i < countof(v); i++)
		m.total += (double)v[i] / tick;
	m.softirq = (double)v[6] / tick;
	m.steal = (double)v[7] / tick;
	return m;
}

double process_own_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
