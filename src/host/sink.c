/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: see sink.h. Not a log framework: base/trace.c made the line.
 */
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "sink.h"

#define SLOTS 64

struct slot { /* one kind of line, as this thread saw it */
	uint64_t hash;
	int64_t since_ms;
	uint32_t seen, suppressed;
};
static __thread struct slot slots[SLOTS];
static bool journal; /* systemd reads: a priority instead of a time */

/* Everything up to the end of msg="..." names the kind of line. */
static uint64_t kind_of(const char *line)
{
	const char *msg = strstr(line, "msg=\"");
	const char *end = msg ? strchr(msg + 5, '"') : NULL;

	return hash64(line, end ? (size_t)(end - line) : strlen(line), 1);
}

static bool pass(const char *line, int64_t now_ms, uint32_t *suppressed)
{
	uint64_t hash = kind_of(line);
	struct slot *s = &slots[hash % SLOTS];

	*suppressed = 0;
	if (s->hash != hash || now_ms - s->since_ms >= SINK_WINDOW_MS) {
		if (s->hash == hash)
			*suppressed = s->suppressed;
		*s = (struct slot){ .hash = hash, .since_ms = now_ms };
	}
	if (s->seen >= SINK_BURST) {
		s->suppressed++;
		return false;
	}
	s->seen++;
	return true;
}

bool sink_format(struct buf *out, enum trace_level level, const char *line,
		 int64_t now_ms)
{
	static const int priority[] = { 3, 4, 6, 7 };
	char ts[CLOCK_TEXT_MAX];
	uint32_t suppressed;

	if (level != TRACE_DEBUG && !pass(line, now_ms, &suppressed))
		return false;
	if (level == TRACE_DEBUG)
		suppressed = 0;
	if (journal) {
		buf_printf(out, "<%d>", priority[level]);
	} else {
		clock_text(ts);
		buf_printf(out, "ts=%s ", ts);
	}
	buf_put(out, line, strlen(line));
	if (suppressed)
		buf_printf(out, " suppressed=%u", suppressed);
	buf_put_u8(out, '\n');
	return true;
}

static void put_line(enum trace_level level, const char *line)
{
	int saved = errno;
	struct buf b = { 0 };
	ssize_t n = 0;

	if (sink_format(&b, level, line, clock_now_ms()))
		n = write(STDERR_FILENO, b.p, b.n);
	(void)n; /* there is nobody left to tell */
	buf_fini(&b);
	errno = saved;
}

void sink_open(void)
{
	journal = getenv("JOURNAL_STREAM") != NULL;
	trace_sink = put_line;
}

bool sink_level_parse(struct str word, enum trace_level *out)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	for (unsigned i = 0; i < countof(names); i++) {
		if (!str_eq_c(word, names[i]))
			continue;
		*out = (enum trace_level)i;
		return true;
	}
	return false;
}
