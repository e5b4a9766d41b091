/* SPDX-License-Identifier: Apache-2.0 */
/*
 * council: a few nodes with thread 0 and one shard each, and between them a
 * quorum that never disagrees: one log, a leader that the test names, commands
 * that are agreed on at the end of the turn. Time passes when it is told to.
 */
#ifndef TEST_BROKER_COUNCIL_H
#define TEST_BROKER_COUNCIL_H

#include "control.h"
#include "disk_mem.h"
#include "unit.h"

enum { COUNCIL_NODES = 5, COUNCIL_CALLS = 20000 };

struct council;
struct member_node {
	struct council *council;
	int32_t id;
	struct disk_mem *mem;
	struct listener_info listener;
	struct node_info info;
	struct node_settings settings;
	struct broker *threads[2];
	struct list box[2], jobs, asks;
	struct cluster *cluster; /* its own state */
	struct coord *coord;
	struct list dead; /* states that were replaced */
	int applied;      /* entries of the log */
	bool up;
	bool frozen; /* SIGSTOP */
	bool cut;    /* unreachable */
	bool behind; /* does not hear what is agreed */
	int ready;
	const char *refused;
	bool drained;
	uint8_t incarnation;
};
struct agreed {
	int target;
	struct bytes command;
	int32_t proposer;
	uint64_t cookie;
};
struct council_call {
	struct member_node *at, *from; /* from: of asks */
	int16_t key, version;
	bool done, broken;
	void *out;
	struct ask *ask;
};
struct council {
	struct member_node nodes[COUNCIL_NODES];
	int n;
	int32_t leader; /* -1 none */
	int64_t term;
	struct agreed log[4096];
	int log_n;
	bool stalled; /* nothing is agreed on */
	bool full;    /* takes no more commands */
	bool doubted; /* nobody confirms who leads: reads wait */
	struct { void (*done)(void *ctx, bool ok); void *ctx; } reads[64];
	int reads_n;
	int transfer; /* what the quorum answers to it */
	int32_t transfer_to;
	struct arena arena;
	int64_t now_ms;
	struct council_call *calls[COUNCIL_CALLS];
	int calls_n;
	int asked[128]; /* asks by API key */
};

/* Nodes 1..n, all started; set: "name=value name=value", of every node, or
 * NULL. */
void council_init(struct council *c, int n, const char *set);
void council_fini(struct council *c);
/* Another leader (or none: -1), everybody who listens hears of it. */
void council_lead(struct council *c, int32_t node);
/* What was proposed to the leader and is not applied yet is dropped before it
 * steps down; kept: the next one has it nevertheless. */
void council_drop(struct council *c, bool kept);
void council_pass(struct council *c, int64_t ms);
/* The first n reads that waited are told; no doubt is left with the last. */
void council_confirm(struct council *c, int n, bool ok);
/* Starts until all are ready, node 1 leading. */
void council_begin(struct council *c);

void council_start(struct council *c, int32_t node);
/* clean: closed in order, else killed; connections break either way. */
void council_stop(struct council *c, int32_t node, bool clean);
/* It is given a snapshot of what node from has applied. */
void council_restore(struct council *c, int32_t node, int32_t from);
void council_cut(struct council *c, int32_t node, bool cut);

/* On a client's connection to the shard of that node. */
struct council_call *council_send(struct council *c, int32_t node, int16_t key,
				  int16_t version, const void *in);
/* The same from another broker, to thread 0. */
struct council_call *council_send_as(struct council *c, int32_t node,
				     int32_t peer, int16_t key,
				     int16_t version, const void *in);
/* Sends, lets 300 ms pass, and wants the answer to be there. */
void *council_ask(struct council *c, int32_t node, int16_t key,
		  int16_t version, const void *in);
/* A request for one topic with defaults, which is t: it may be changed. */
struct create_topics_request
council_creation(struct create_topics_request_topic *t, const char *name);
/* By name, with defaults: the error. */
int16_t council_create(struct council *c, int32_t node, const char *name,
		       int32_t partitions);
struct member_node *node_of(struct council *c, int32_t id);
const struct partition *council_partition(struct council *c, int32_t node,
					  const char *topic, int32_t index);
/* "1 active 2 fenced", as that node sees it; in the arena. */
const char *council_brokers(struct council *c, int32_t node);

#endif
