/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace: log lines as logfmt. Not a logger: the sink has the file, the time
 * and the locks.
 *
 * 1. One call, one line: control characters in values become spaces.
 * 2. A level that is off costs one comparison.
 */
#include <stdio.h>

#include <raftmq/base.h>

enum trace_level trace_level_max = TRACE_INFO;
void (*trace_sink)(enum trace_level level, const char *line);

static const char *const names[] = {
	[TRACE_ERROR] = "error",
	[TRACE_WARN] = "warn",
	[TRACE_INFO] = "info",
	[TRACE_DEBUG] = "debug",
};

static printf_like(4, 0) void emit(enum trace_level level, const char *comp,
				   const char *msg, const char *pairs,
				   va_list ap)
{
	char line[2048];
	size_t n;
	int head;

	head = snprintf(line, sizeof(line), "level=%s comp=%s msg=\"%s\"",
			names[level], comp, msg);
	n = min_of((size_t)head, sizeof(line) - 1);
	if (pairs && *pairs && n < sizeof(line) - 1) {
		line[n++] = ' ';
		vsnprintf(line + n, sizeof(line) - n, pairs, ap);
	}
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	trace_sink(level, line);
}

void trace(enum trace_level level, const char *comp, const char *msg,
	   const char *pairs, ...)
{
	va_list ap;

	if (level > trace_level_max || !trace_sink)
		return;
	va_start(ap, pairs);
	emit(level, comp, msg, pairs, ap);
	va_end(ap);
}
