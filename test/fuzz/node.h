/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node: one quorum on a disk in memory, alone with its input: what it sends
 * goes nowhere, its jobs run when they are told to, time is the target's.
 */
#ifndef TEST_FUZZ_NODE_H
#define TEST_FUZZ_NODE_H

#include "core.h"

#include "disk_mem.h"
#include "fuzz.h"

struct node {
	struct disk_mem *mem;
	struct quorum *q;
	struct list jobs;
	int64_t now_ms;
	int64_t applied; /* the last index that was told */
	bool stopped; /* restored or lost count on purpose */
};
/* Node 1 of peers 1 to n; n 0: it joins. What quorum_open says. */
int node_open(struct node *n, int peers) must_use;
void node_close(struct node *n); /* the process dies: no more jobs */
void node_run(struct node *n);
/* So much later: a tick, a turn, and its jobs. */
void node_pass(struct node *n, int64_t ms);
void node_propose(struct node *n);

#endif
