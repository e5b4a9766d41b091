/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: connections that one thread opens to other brokers' peer listeners.
 *
 * One link per (node, purpose). It dials when there is something to send, and
 * again after a pause (20 ms, doubled up to 200 ms) while it fails.
 *
 * 1. An ask is answered exactly once: with the response in the order of
 *    asking, or with an error. What cannot be reached is told at once, not at
 *    the deadline.
 * 2. An ask that is not answered by its deadline resets the connection: behind
 *    it nothing could be answered either.
 * 3. Quorum frames are best effort: they are dropped when there is no
 *    connection and none is being made, or when too much waits.
 * 4. hooks.lost is called when an established connection is broken by the
 *    other side, never for what this side gave up.
 *
 *	idle --> resolving --> connecting --> greeting --> up
 *	  ^          |             |              |         |
 *	  +----------+--- pause <--+--------------+---------+
 */
#ifndef HOST_LINK_H
#define HOST_LINK_H

#include <uv.h>

#include <raftmq/broker.h>

#include "endpoint.h"
#include "hello.h"

struct link_hooks {
	void *ctx;
	void (*lost)(void *ctx, int32_t node);
	void (*give)(void *ctx, struct job *j);
	void (*wake)(void *ctx);
};
struct links {
	uv_loop_t *loop;
	struct wheel *wheel;
	struct link_hooks hooks;
	struct hello self; /* what we say; purpose is set per link */
	int64_t frame_max; /* of one answer */
	int64_t now_ms;
	struct map by_node;   /* (node, purpose) -> struct link * */
	struct map addresses; /* node -> struct endpoint * */
	struct list dirty;    /* have something to write */
	struct list refused;  /* asks that came after links_close */
	bool closing;
};
void links_init(struct links *ls);
void links_fini(struct links *ls); /* after links_close and a loop turn */
/* Where a node is heard. A link to another place is dialled anew. */
void links_address(struct links *ls, int32_t node, const char *host,
		   int32_t port);
bool links_knows(const struct links *ls, int32_t node);
void links_ask(struct links *ls, struct ask *a);
void links_send(struct links *ls, int32_t node, enum hello_purpose purpose,
		struct bytes frame);
/* From now on dialled without being asked, so that frames find it open and a
 * death of the other side is seen at once. */
void links_keep(struct links *ls, int32_t node, enum hello_purpose purpose);
void links_flush(struct links *ls);
/* Everything that waits, and what comes later (at the next flush, or at the
 * next links_close), is answered with -ECANCELED. */
void links_close(struct links *ls);

#endif
