/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: listening sockets of thread 0, and the gate that counts clients.
 *
 * 1. Accepted descriptors are non-blocking and close-on-exec.
 * 2. Out of descriptors, or too many new connections per second: accepting
 *    pauses, nobody spins.
 */
#ifndef HOST_LISTENER_H
#define HOST_LISTENER_H

#include <uv.h>

#include "endpoint.h"

struct listener {
	uv_poll_t poll;
	uv_timer_t pause;
	int fd;
	bool open, paused;
	int32_t port; /* the bound one */
	int32_t rate_max; /* accepts per second; 0: any number */
	int32_t accepted; /* in this second */
	uint64_t second;
	void *ctx;
	void (*on_accept)(void *ctx, struct listener *l, int fd,
			  const struct sockaddr_storage *from);
};
/* Binds; *why (arena) says what is wrong. */
int listener_bind(struct listener *l, uv_loop_t *loop, const struct endpoint *e,
		  struct arena *a, const char **why) must_use;
int listener_start(struct listener *l, int backlog) must_use;
void listener_close(struct listener *l); /* harmless when not open */

/* How many clients there are, and from where. */
struct gate {
	int64_t total, total_max, per_host_max;
	struct map hosts; /* text -> count as pointer */
	int64_t refused;
};
bool gate_enter(struct gate *g, const char *host) must_use;
void gate_leave(struct gate *g, const char *host);
void gate_fini(struct gate *g);

#endif
