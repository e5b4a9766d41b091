/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn: accepted connections of one thread. Bytes to frames, answers to bytes.
 *
 * 1. Requests are read ahead of earlier answers (pipelining); answers leave in
 *    the order of their requests, whoever answers first.
 * 2. Memory is taken for bytes that have arrived, never for bytes that were
 *    announced. An idle connection has no buffer.
 * 3. A connection that has too much under way, or whose client does not read,
 *    is not read itself: it costs only itself.
 * 4. Nothing that depends on a lease (request->data) is written without asking
 *    lease_ok with a fresh clock right before the system call. If the lease is
 *    gone the connection is closed: the client asks elsewhere.
 * 5. The loop never waits for the disk: file bytes that are not in the page
 *    cache are read by the pool first.
 *
 * Reading stands in conn.c, writing in conn_write.c.
 */
#ifndef HOST_CONN_H
#define HOST_CONN_H

#include <uv.h>

#include <raftmq/broker.h>

#include "endpoint.h"

enum conn_kind {
	CONN_CLIENT,
	CONN_PEER,   /* requests of another broker */
	CONN_QUORUM, /* one-way frames of another broker's quorum */
};
struct conn_origin { /* who accepted what; travels between threads by value */
	int fd;      /* non-blocking */
	enum conn_kind kind;
	int32_t peer; /* -1 = a client */
	int64_t peer_order; /* a connection that is younger has more */
	int listener;
	char host[ENDPOINT_HOST_MAX];
};
struct conn_limits {
	int64_t frame_max;         /* bytes of one request */
	int32_t requests_max;      /* under way on one connection */
	int64_t request_bytes_max; /* of requests under way on one connection */
	int64_t answer_bytes_max;  /* waiting for one slow client */
	int64_t memory_max;        /* of the whole thread; -1 none */
	int64_t idle_ms;
	int64_t read_ms; /* for one request; and 1 s more for each MiB */
};
struct conn_hooks {
	void *ctx;
	/* a whole frame has arrived; rq belongs to the callee */
	void (*request)(void *ctx, struct request *rq);
	/* of CONN_QUORUM; a loan */
	void (*frame)(void *ctx, int32_t peer, struct bytes frame);
	bool (*lease_ok)(void *ctx, int64_t now_ms);
	/* written or dropped: rq belongs to the callee */
	void (*done)(void *ctx, struct request *rq);
	/* ended: by the other side (lost) or by us */
	void (*gone)(void *ctx, const struct conn_origin *o, bool lost);
	void (*give)(void *ctx, struct job *j);
	/* first thing of each callback: lets the thread look at the clock */
	void (*wake)(void *ctx);
};

struct conn;
struct conns {
	uv_loop_t *loop;
	struct wheel *wheel;
	const struct disk_ops *disk; /* of the slices' files */
	struct conn_limits limits;
	struct conn_hooks hooks;
	int thread;
	int64_t now_ms; /* kept fresh by the owner */
	struct conn **slots;
	uint32_t *unused; /* slots below slots_n that are free; a stack */
	uint32_t slots_n, slots_cap, unused_n;
	uint32_t serial;
	int32_t open_n;
	int64_t memory; /* of frames, whole or under way */
	struct list dirty;   /* have something to write, or to read again */
	struct list starved; /* not read because memory_max is reached */
	uint8_t *scratch;    /* of the thread, for reading and small slices */
};
void conns_init(struct conns *cs);
void conns_fini(struct conns *cs); /* after conns_close_all and a loop turn */
/* Takes the descriptor. */
void conns_add(struct conns *cs, const struct conn_origin *o);
/* The answer of a request that hooks.request handed out. */
void conns_answer(struct conns *cs, struct request *rq);
/* At the end of a turn: writes what can be written. That may make room for
 * requests that wait: true when there is more to flush then. */
bool conns_flush(struct conns *cs);
void conns_close_all(struct conns *cs);
bool conns_are_quiet(const struct conns *cs); /* nothing left to write */

#endif
