/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer: where other brokers are heard. Reads the hello of each new connection,
 * decides, answers, and hands the connection to the thread it is for. Thread 0.
 *
 * 1. Only a node that the cluster or `peers` knows is let in, under its number;
 *    one that is not known may only ask to join.
 * 2. A hello must be whole within 5 s and 1 KiB; at most 64 wait at once.
 */
#ifndef HOST_PEER_H
#define HOST_PEER_H

#include <uv.h>

#include "conn.h"
#include "hello.h"
#include "listener.h"

struct joiner;
struct peer_hooks {
	void *ctx;
	bool (*knows)(void *ctx, int32_t node);
	struct uuid (*cluster)(void *ctx);
	/* takes the descriptor; the hello is a loan */
	void (*welcome)(void *ctx, const struct conn_origin *o,
			const struct hello *h);
	/* somebody wants to be a member: answered by peers_joined, once */
	void (*join)(void *ctx, const struct hello *h, struct joiner *j);
	void (*wake)(void *ctx);
};
struct peers {
	struct listener listener;
	uv_loop_t *loop;
	struct wheel *wheel;
	int64_t now_ms;
	int32_t self;
	int16_t shards;
	struct peer_hooks hooks;
	struct list greetings;
	int greetings_n;
};
void peers_init(struct peers *ps);
void peers_accept(void *peers, struct listener *l, int fd,
		  const struct sockaddr_storage *from);
void peers_joined(struct joiner *j, enum hello_error error, struct str text);
void peers_close(struct peers *ps);

#endif
