/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock: sockets made and set up the same way everywhere: non-blocking,
 * close-on-exec, without Nagle's delay.
 */
#ifndef HOST_SOCK_H
#define HOST_SOCK_H

#include <sys/socket.h>

#include <raftmq/base.h>

int sock_new(int family) must_use; /* descriptor or -errno */
/* Bound, not listening yet. */
int sock_bind(const struct sockaddr_storage *sa, socklen_t n) must_use;
int sock_error(int fd) must_use; /* of a connect that has ended */
/* Of a client: keep-alive, buffers (-1: the system's). */
void sock_client_options(int fd, int send_bytes, int receive_bytes);
/* Of a broker: a dead host is noticed within seconds. */
void sock_peer_options(int fd);

#endif
