/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: what the HTTP port says of the node and of the cluster, as thread 0
 * sees it: text for probes, JSON for the console page, the host's own metrics.
 */
#ifndef HOST_REPORT_H
#define HOST_REPORT_H

#include <raftmq/base.h>

struct node;
bool report_ready(const struct node *n, struct buf *text);
bool report_health(const struct node *n, struct buf *text);
void report_cluster(const struct node *n, struct buf *json);
void report_metrics(struct node *n, struct buf *text);

#endif
