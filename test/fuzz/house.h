/* SPDX-License-Identifier: Apache-2.0 */
/*
 * house: one node of brokers without a host: thread 0 and a shard, a disk in
 * memory, a pool that runs at once, and a quorum of one that agrees to all.
 * Every answer it gives has to be one that a client can read.
 */
#ifndef TEST_FUZZ_HOUSE_H
#define TEST_FUZZ_HOUSE_H

#include <raftmq/broker.h>
#include <raftmq/quorum.h>

#include "disk_mem.h"
#include "fuzz.h"

#define HOUSE_CALLS 600

struct house_call {
	int16_t key, version;
	bool done, closed;
	struct ask *ask;
};
struct agreed {
	struct list link;
	int target;
	uint64_t cookie;
	struct buf command;
};
struct house {
	struct disk_mem *mem;
	struct listener_info listener;
	struct node_info info;
	struct node_settings settings;
	struct broker *threads[2];
	struct list box[2], jobs, asks, log;
	struct cluster *cluster;
	struct coord *coord;
	int64_t applied, now_ms;
	struct house_call calls[HOUSE_CALLS];
	int calls_n;
	bool ready;
	int answers, refusals;
};
/* Registered, and with topics "t" (two partitions) and "u". */
void house_open(struct house *h);
void house_close(struct house *h);
/* A whole frame behind its size, on a connection of that thread; peer -1: a
 * client's. False: it has taken as many as it can. */
bool house_send(struct house *h, int thread, struct bytes frame, int32_t peer);
void house_pass(struct house *h, int64_t ms);

#endif
