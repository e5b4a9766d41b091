/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: HOST:PORT, listeners and peers as text, and as socket addresses.
 *
 * Forms: "host:9092", "10.0.0.1:9092", "[::1]:9092", ":9092" (every address),
 * "NAME://HOST:PORT" in listeners, "ID@HOST:PORT" in peers.
 */
#ifndef HOST_ENDPOINT_H
#define HOST_ENDPOINT_H

#include <sys/socket.h>

#include <raftmq/base.h>

struct endpoint { /* owned; host without brackets, "" = every address */
	char *host;
	int32_t port;
};
void endpoint_fini(struct endpoint *e);
/* false: *why is a sentence in the arena. Port 0 only when port_zero. */
bool endpoint_parse(struct str text, bool port_zero, struct endpoint *out,
		    struct arena *a, const char **why) must_use;
/* "host:port", brackets where needed */
void endpoint_print(struct buf *out, const char *host, int32_t port);
/* 0.0.0.0, ::, "" or *: not an address one could be reached at */
bool endpoint_is_wildcard(const char *host);
bool endpoint_is_loopback(const char *host);

/*
 * The first address of the name. Numbers at once; names by getaddrinfo, which
 * blocks: only on the pool or before the threads run. 0 or -ENOENT.
 */
int endpoint_resolve(const char *host, int32_t port, bool passive,
		     struct sockaddr_storage *out, socklen_t *n) must_use;
bool endpoint_is_number(const char *host); /* resolves without blocking */
/* "10.0.0.7", "::1" (v4-mapped addresses as v4) */
#define ENDPOINT_HOST_MAX 46
void endpoint_host_of(const struct sockaddr_storage *sa,
		      char out[ENDPOINT_HOST_MAX]);
int32_t endpoint_port_of(const struct sockaddr_storage *sa);

#endif
