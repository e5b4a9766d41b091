/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: threads, sockets, files, clock. The only floor that is not pure: it
 * gives the floors below time, bytes and a disk, and carries out what leaves
 * through their outboxes.
 *
 * The front door is short: read a configuration, run a node.
 *
 *	conf = conf_new();
 *	conf_flag(conf, "node.id", "2", "--node-id");
 *	if (conf_load(conf, "raftmq.conf") == 0)
 *		status = node_run(conf);
 *	conf_free(conf);
 *
 * Threads of a node: 0 is the caller's (quorum, thread 0's broker, signals,
 * HTTP, accepting), 1..shards are the shards (connections, partitions), and a
 * pool for everything that may block.
 */
#ifndef RAFTMQ_HOST_H
#define RAFTMQ_HOST_H

#include <raftmq/base.h>
#include <raftmq/broker.h>
#include <raftmq/cluster.h>
#include <raftmq/disk.h>

#define HOST_VERSION PACKAGE_VERSION /* of configure.ac */

/* ---- configuration (conf.c, plan.c) -------------------------------------- */

/*
 * A setting comes from a flag, else the environment (RAFTMQ_NODE_ID for
 * node.id), else the file (Java properties), else the table's default.
 */
struct conf;
struct conf *conf_new(void);
void conf_free(struct conf *c);
/* flag is what the user typed, for messages. The last of a key wins. */
void conf_flag(struct conf *c, const char *key, const char *value,
	       const char *flag);
/*
 * Reads everything, checks everything. file NULL: RAFTMQ_CONFIG, or no file.
 * 0, or -EINVAL: conf_faults has one line for each thing that is wrong. In
 * both cases conf_warnings has a line for each thing that is odd.
 */
int conf_load(struct conf *c, const char *file) must_use;
const char *conf_faults(const struct conf *c);
const char *conf_warnings(const struct conf *c);
/* "key = value  # source" in the order of the table; what is unset is left out
 * unless all is asked for */
void conf_print(const struct conf *c, bool all, struct buf *out);
const struct node_settings *conf_settings(const struct conf *c);

/* ---- a node (node.c) ----------------------------------------------------- */

/*
 * Runs the node until it is told to stop: TERM and INT hand leaderships over,
 * write everything to disk and return 0; a second one ends the process at
 * once with status 1. HUP reads the configuration again. Prints the ready line
 * to stdout. Any other result is the exit status after a failure that was
 * traced: 1 failed, 2 not configured to start here (directory, address).
 */
int node_run(struct conf *c) must_use;

#endif
