/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail: the end of a process that met a bug or lost its disk. Not for errors
 * that a caller could handle: those are return values.
 *
 * 1. fatal() never returns and never allocates: memory may be what is lost.
 * 2. The last words go to the sink if there is one, else to stderr.
 */
#include <stdio.h>
#include <stdlib.h>

#include <raftmq/base.h>

#define TEXT_MAX 900

void fatal(const char *fmt, ...)
{
	char text[TEXT_MAX];
	char line[TEXT_MAX + 100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if (*c == '"' || (unsigned char)*c < ' ')
			*c = '\'';
	snprintf(line, sizeof(line), "level=error comp=fatal msg=\"%s\"", text);
	if (trace_sink)
		trace_sink(TRACE_ERROR, line);
	else
		fprintf(stderr, "%s\n", line);
	abort();
}
