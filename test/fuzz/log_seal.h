/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_seal: makes the sums in a file of the log floor right, as far as its
 * bytes look like such a file. It knows the layouts by heart, from the heads of
 * src/log: a layout that changed would only make the fuzzer see less.
 */
#ifndef TEST_FUZZ_LOG_SEAL_H
#define TEST_FUZZ_LOG_SEAL_H

#include <raftmq/base.h>

void log_seal(const char *path, struct buf *b);

#endif
