/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: see clock.h. Not a timer: those are wheels (base) and uv_timer_t.
 */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		fatal("clock %d cannot be read: %s", (int)id, strerror(errno));
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint64_t clock_entropy(void)
{
	uint64_t v;
	ssize_t n;

	do
		n = getrandom(&v, sizeof(v), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(v))
		fatal("no entropy: %s", strerror(errno));
	return v;
}

struct uuid clock_uuid(void)
{
	struct prng p;

	prng_init(&p, clock_entropy());
	return prng_uuid(&p);
}

void clock_text(char out[CLOCK_TEXT_MAX])
{
	int64_t ms = clock_wall_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_TEXT_MAX - n, ".%03dZ", (int)(ms % 1000));
}
