/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node: what the threads of a node share, and what thread 0 does for all.
 *
 * 1. After the start, other threads only read: info, disk, pool, threads[],
 *    settings. Everything else here is thread 0's.
 * 2. Clients are accepted once the broker is registered and caught up, not
 *    before; the ready line is printed then.
 *
 * opening -> joining -> serving -> draining -> handing over -> closing
 */
#ifndef HOST_NODE_H
#define HOST_NODE_H

#include <raftmq/quorum.h>

#include "conf.h"
#include "datadir.h"
#include "http.h"
#include "listener.h"
#include "peer.h"
#include "thread.h"

enum node_state {
	NODE_OPENING,
	NODE_JOINING,
	NODE_SERVING,
	NODE_DRAINING,
	NODE_HANDING_OVER,
	NODE_CLOSING,
};
struct node {
	struct conf *conf;
	const struct plan *plan;
	const struct node_settings *settings;
	struct arena arena; /* of the start's messages and info's texts */
	struct datadir dir;
	struct disk *disk;
	bool blind; /* what the disk had promised is not known */
	struct pool pool;
	struct node_info info;
	struct thread *threads; /* plan->shards + 1 */
	int threads_n;

	/* thread 0 */
	struct quorum *quorum;
	enum node_state state;
	int status;           /* of node_run */
	int opened_n, idle_n, stopped_n;
	bool open_failed;
	int32_t last_leader;  /* of the quorum, -1 none yet */
	struct listener *listeners;
	struct gate gate;
	int next_shard;       /* gets the next client */
	int64_t peers_heard;  /* connections of brokers so far */
	struct peers peers;
	struct http *http;
	uv_signal_t signals[3];
	struct timer hand_over;
	struct timer join;    /* until the quorum has us */
	struct endpoint next; /* whom to ask, if not plan->join */
	int64_t started_ms;
};

/* For threads. */
struct thread *node_thread(struct node *n, int index);
struct pool *node_pool(struct node *n);
const struct node_info *node_info(const struct node *n);
void node_fill_thread(struct node *n, struct thread *t);
void node_conn_gone(struct node *n, struct thread *t,
		    const struct conn_origin *o, bool lost);
void node_peer_lost(struct node *n, int32_t peer);
void node_thread_opened(struct node *n, struct thread *t);
void node_thread_idle(struct node *n, struct thread *t);
void node_thread_stopped(struct node *n, struct thread *t);

/* For thread 0 (quorum.c of this floor is wiring.c). */
int node_open_quorum(struct node *n) must_use;
struct quorum_view node_quorum_view(struct node *n);
void node_addresses(struct node *n); /* tells the threads what is new */
/* What a node says of itself, until the agreed log says it. */
void node_met(struct node *n, int32_t id, const char *address);
void node_propose(struct node *n, int target, struct bytes command,
		  uint64_t cookie);
void node_frame(struct node *n, int32_t peer, struct bytes frame);
void node_turn_begin(struct node *n, int64_t now_ms);
void node_turn_end(struct node *n);
int64_t node_next_tick(const struct node *n);
bool node_knows(void *node, int32_t peer);
struct uuid node_cluster_id(void *node);
void node_limits(struct node *n); /* settings that may change at run time */

/* join.c */
void node_join(struct node *n); /* asks until the quorum has us */
void node_let_join(void *node, const struct hello *h, struct joiner *j);

/* stop.c */
void node_watch_signals(struct node *n);
void node_stop(struct node *n, int status);
void node_close(struct node *n, int status); /* without handing over */

#endif
