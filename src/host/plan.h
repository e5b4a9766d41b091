/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: what the settings mean for this node: who it is, where it listens,
 * what it tells clients, who its peers are. Pure: text in, plan out.
 *
 * 1. A client is never told an address it cannot reach without somebody having
 *    written it down: a listener on every address needs advertised.listeners.
 * 2. Several peers on one host get ports and directories next to each other.
 */
#ifndef HOST_PLAN_H
#define HOST_PLAN_H

#include <raftmq/cluster.h>
#include <raftmq/quorum.h>

#include "endpoint.h"

struct plan_listener {
	char *name;
	struct endpoint bind, advertised; /* port 0: any */
};
struct plan {
	int32_t id;
	struct plan_listener *listeners;
	int listeners_n;
	struct quorum_peer *peers; /* the first members; 0 of them: joins */
	int peers_n;
	bool alone;          /* no peers and no join: a cluster of its own */
	struct endpoint peer; /* own peer listener; host NULL: none */
	struct endpoint peer_advertised; /* what other brokers dial */
	struct endpoint join; /* host NULL: not asked to */
	struct endpoint http; /* host NULL: none */
	int shards;
};

/* Writes derived defaults (listeners, log.dirs, ...) back into s; their text
 * lives in the arena. Faults: one line each. */
bool plan_make(struct plan *p, struct node_settings *s, struct arena *a,
	       struct buf *faults, struct buf *warnings) must_use;
void plan_fini(struct plan *p);

#endif
