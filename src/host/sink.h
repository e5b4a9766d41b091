/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: where traces go. Stamps the time, writes one line to stderr with one
 * write(2), and lets no line repeat more than a few times in a while.
 *
 * 1. A repeat is a line with the same level, comp and msg, whatever its pairs:
 *    SINK_BURST of them pass per SINK_WINDOW_MS and thread, the next one that
 *    passes says how many did not (suppressed=N).
 * 2. Nothing is shared between threads: each has its own table, so there is no
 *    lock and a line is never torn (it is shorter than PIPE_BUF).
 */
#ifndef HOST_SINK_H
#define HOST_SINK_H

#include <raftmq/base.h>

#define SINK_BURST 10
#define SINK_WINDOW_MS 10000

void sink_open(void); /* from now on trace() writes to stderr */
bool sink_level_parse(struct str word, enum trace_level *out);
/* One line through the filter at that time; false: suppressed. For tests. */
bool sink_format(struct buf *out, enum trace_level level, const char *line,
		 int64_t now_ms);

#endif
