/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig: a few nodes of brokers without a host: mailboxes, a pool that runs when
 * it is told to, links between the nodes, disks in memory, one clock. The
 * cluster is one state machine that everybody hears; commands are applied at
 * once. Requests go in as frames and come out as decoded answers.
 */
#ifndef TEST_BROKER_RIG_H
#define TEST_BROKER_RIG_H

#include "disk_mem.h"
#include "inside.h"
#include "unit.h"

#define RIG_THREADS 4 /* thread 0 and at most three shards */
#define RIG_NODES 3
#define RIG_CALLS 4096

struct rig;
struct rig_node;
struct rig_thread {
	struct rig_node *node;
	int index;
	struct broker *broker;
	struct list box;  /* struct letter */
	struct list jobs; /* struct job */
};
struct rig_node {
	struct rig *rig;
	int32_t id;
	struct disk_mem *mem;
	struct listener_info listener;
	struct node_info info;
	struct node_settings settings;
	struct rig_thread threads[RIG_THREADS];
	struct list asks; /* struct ask */
	bool hold_jobs;   /* the disk stands still */
	bool hold_asks;   /* what it asks of others stays on the way */
	bool cut;         /* nobody reaches it, it reaches nobody */
	int asks_n, jobs_n;
};
struct rig_call {
	struct rig_thread *at;
	int16_t key, version;
	bool done, closed, silent;
	void *out; /* decoded, in the rig's arena */
	struct ask *ask; /* of another node */
	int64_t bytes;   /* of the answer's records */
};
struct rig {
	struct cluster *c;
	struct coord *coord;
	struct cluster_effects fx; /* of the last command */
	struct arena arena;
	struct rig_node nodes[RIG_NODES];
	int nodes_n, shards;
	int64_t now_ms, wall_ms;
	struct rig_call *calls[RIG_CALLS]; /* by connection, from 1 */
	int calls_n;
	int32_t sequence; /* of the next batch of producer 7; -1: of nobody */
	bool refuse_isr;
	int isr_wishes, losses;
	const char *refused; /* why a node has to end */
};

/* Nodes 1..n, registered and unfenced, with leases. set: "name=value". */
void rig_init(struct rig *r, int nodes, int shards, const char *set);
void rig_fini(struct rig *r);
/* Applies a command and tells everybody. */
void rig_command(struct rig *r, const struct wire_type *type, const void *c);
/* "1,2|2,1": the replicas of each partition; set: "name=value" or NULL. Nobody
 * has read the letter yet. */
const struct topic *rig_topic_begin(struct rig *r, const char *name,
				    const char *replicas, const char *set);
void rig_delete_topic_begin(struct rig *r, const char *name);
/* Its process, as info.incarnation says, registers anew. */
void rig_register(struct rig *r, int32_t node);
/* Fences it, and takes it out; or lets it back in. */
void rig_fence(struct rig *r, int32_t node, bool fenced);
void rig_lease(struct rig *r, int32_t node, int64_t until_ms);

/* Until nothing moves any more without time. */
void rig_settle(struct rig *r);
static inline const struct topic *rig_topic(struct rig *r, const char *name,
					    const char *replicas,
					    const char *set)
{
	const struct topic *t = rig_topic_begin(r, name, replicas, set);

	rig_settle(r);
	return t;
}
static inline void rig_delete_topic(struct rig *r, const char *name)
{
	rig_delete_topic_begin(r, name);
	rig_settle(r);
}
/* Time passes, a millisecond at a time, and everything in it happens. */
void rig_pass(struct rig *r, int64_t ms);
/* Letters and turns only: jobs and asks stay where they are. */
void rig_turn(struct rig *r);

/* A request on a connection of that thread of that node. in is encoded. */
struct rig_call *rig_send(struct rig *r, int32_t node, int thread, int16_t key,
			  int16_t version, const void *in);
/* The same, by raw bytes behind the size. peer: a broker's connection, or -1 */
struct rig_call *rig_send_raw(struct rig *r, int32_t node, int thread,
			      struct bytes frame, int32_t peer);
/* Sends, settles, and wants the answer to be there. */
void *rig_ask(struct rig *r, int32_t node, int16_t key, int16_t version,
	      const void *in);

/* ---- Produce and Fetch in a line ----------------------------------------- */

/* One batch of n records of 10 bytes. */
struct rig_call *rig_produce(struct rig *r, int32_t node, const char *topic,
			     int32_t partition, int16_t acks, int n);
/* error and base offset of the only partition of an answer to Produce */
int16_t rig_produced(const struct rig_call *c, int64_t *base);

struct fetch_request *rig_fetch_new(struct rig *r, int32_t max_wait_ms,
				    int32_t min_bytes);
void rig_fetch_add(struct rig *r, struct fetch_request *in, const char *topic,
		   int32_t partition, int64_t offset);
struct rig_call *rig_fetch(struct rig *r, int32_t node, int16_t version,
			   const struct fetch_request *in);
/* The partition in an answer, or NULL. */
struct fetch_response_partition *rig_fetched(struct rig *r,
					     const struct rig_call *c,
					     const char *topic,
					     int32_t partition);
/* How many records of whole batches there are. */
int rig_records(const struct fetch_response_partition *p);

/* The replica's own line of text ("leader=1 ..."), in the arena. */
const char *rig_replica(struct rig *r, int32_t node, const char *topic,
			int32_t partition);

#endif
