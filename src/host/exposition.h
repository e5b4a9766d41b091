/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposition: Prometheus' text format, several of them into one. Pure.
 *
 * Each thread writes its share; samples of the same name and labels are added
 * up. Families keep the order of their first appearance.
 */
#ifndef HOST_EXPOSITION_H
#define HOST_EXPOSITION_H

#include <raftmq/base.h>

void exposition_merge(const struct bytes *parts, int n, struct buf *out);
/* "# HELP" and "# TYPE" and one sample; name may end in "{label=\"value\"}" */
void exposition_put(struct buf *out, const char *name, const char *kind,
		    const char *help, double value);
void exposition_value(struct buf *out, double value);

#endif
