/* SPDX-License-Identifier: Apache-2.0 */
/*
 * properties: the file format of raftmq.conf, the part of Java's properties
 * that people use: `key = value`, `key: value` and `key value` lines; comments
 * begin with # or !; a backslash at the end of a line continues it (leading
 * blanks of the next line are dropped); \t \n \r \f \\ \uXXXX and \: \= \# in
 * keys and values. The last line of a key wins, as in Java.
 */
#ifndef HOST_PROPERTIES_H
#define HOST_PROPERTIES_H

#include <raftmq/base.h>

/* key and value are loans for the call; line is where the entry begins */
typedef void properties_fn(void *ctx, int line, const char *key,
			   const char *value);
/*
 * 0, or -EINVAL for bytes that are no text (a zero, a broken \u): *fault_line
 * says where. Calls each for every entry up to there.
 */
int properties_parse(const char *text, size_t n, properties_fn *each, void *ctx,
		     int *fault_line) must_use;

#endif
