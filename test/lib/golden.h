/* SPDX-License-Identifier: Apache-2.0 */
/* golden: the files of test/golden, wherever the test was built. */
#ifndef TEST_LIB_GOLDEN_H
#define TEST_LIB_GOLDEN_H

#include <raftmq/base.h>

/* Appends test/golden/PATH to out; the test fails without it. */
void golden_read(const char *path, struct buf *out);
/* Calls each with every name in test/golden/DIR that ends so, sorted. */
void golden_list(const char *dir, const char *ending,
		 void (*each)(const char *path));

#endif
