/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock: see sock.h. Not an abstraction of sockets: the options in one place.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "sock.h"

#define PEER_SILENT_MS 5000 /* unacknowledged bytes: the host is gone */

static void set(int fd, int level, int name, int value)
{
	/* options are hints: a socket without them still works */
	(void)!setsockopt(fd, level, name, &value, sizeof(value));
}

int sock_new(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static bool is_any_port(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *four = (const struct sockaddr_in *)sa;

	return sa->ss_family == AF_INET6 ? six->sin6_port == 0
					 : four->sin_port == 0;
}

int sock_bind(const struct sockaddr_storage *sa, socklen_t n)
{
	int fd = sock_new(sa->ss_family);
	int rv;

	if (fd < 0)
		return fd;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* the address may be bound twice while nobody listens: listening
	 * for a moment shows whether somebody does */
	if (bind(fd, (const struct sockaddr *)sa, n) == 0 &&
	    (is_any_port(sa) ||
	     (listen(fd, 1) == 0 && shutdown(fd, SHUT_RD) == 0)))
		return fd;
	rv = -errno;
	close(fd);
	return rv;
}

int sock_error(int fd)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -errno;
	return -error;
}

void sock_client_options(int fd, int send_bytes, int receive_bytes)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (send_bytes >= 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, send_bytes);
	if (receive_bytes >= 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, receive_bytes);
}

void sock_peer_options(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENT_MS);
}
