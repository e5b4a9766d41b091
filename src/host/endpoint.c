/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: see endpoint.h. Not a resolver with a cache.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "endpoint.h"

void endpoint_fini(struct endpoint *e)
{
	mem_free(e->host);
	*e = (struct endpoint){ 0 };
}

static bool host_is_fine(struct str h)
{
	for (int32_t i = 0; i < h.n; i++) {
		unsigned char c = (unsigned char)h.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("/@,[]", c))
			return false;
	}
	return h.n <= 255;
}

bool endpoint_parse(struct str text, bool port_zero, struct endpoint *out,
		    struct arena *a, const char **why)
{
	const char *colon = text.n > 0 ? memrchr(text.p, ':', (size_t)text.n)
				       : NULL;
	struct str host, port;
	int64_t number;

	*why = NULL;
	if (!colon) {
		*why = arena_printf(a, "'%.*s' is not HOST:PORT",
				    STR_ARG(text));
		return false;
	}
	host = (struct str){ text.p, (int32_t)(colon - text.p) };
	port = (struct str){ colon + 1, text.n - host.n - 1 };
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct str){ host.p + 1, host.n - 2 };
	else if (host.n && memchr(host.p, ':', (size_t)host.n))
		*why = arena_printf(a, "'%.*s': an IPv6 address needs brackets,"
				       " as in [::1]:9092", STR_ARG(text));
	if (!*why && !host_is_fine(host))
		*why = arena_printf(a, "'%.*s': no such host name can be",
				    STR_ARG(text));
	if (!*why && !str_to_i64(port, port_zero ? 0 : 1, 65535, &number))
		*why = arena_printf(a, "'%.*s': the port must be a number from"
				       " %d to 65535", STR_ARG(text),
				    port_zero ? 0 : 1);
	if (*why)
		return false;
	*out = (struct endpoint){ str_heap(host), (int32_t)number };
	return true;
}

void endpoint_print(struct buf *out, const char *host, int32_t port)
{
	buf_printf(out, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

bool endpoint_is_wildcard(const char *host)
{
	return !*host || !strcmp(host, "0.0.0.0") || !strcmp(host, "::") ||
	       !strcmp(host, "*");
}

bool endpoint_is_loopback(const char *host)
{
	return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) ||
	       !strcmp(host, "::1");
}

bool endpoint_is_number(const char *host)
{
	uint8_t b[16];

	return endpoint_is_wildcard(host) || inet_pton(AF_INET, host, b) == 1 ||
	       inet_pton(AF_INET6, host, b) == 1;
}

int endpoint_resolve(const char *host, int32_t port, bool passive,
		     struct sockaddr_storage *out, socklen_t *n)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found;
	char service[8];

	if (endpoint_is_wildcard(host))
		host = strchr(host, ':') ? "::" : "0.0.0.0";
	if (passive)
		hints.ai_flags |= AI_PASSIVE;
	if (endpoint_is_number(host))
		hints.ai_flags |= AI_NUMERICHOST;
	snprintf(service, sizeof(service), "%d", (int)port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -ENOENT;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*n = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

void endpoint_host_of(const struct sockaddr_storage *sa,
		      char out[ENDPOINT_HOST_MAX])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *four = (const struct sockaddr_in *)sa;

	snprintf(out, ENDPOINT_HOST_MAX, "?");
	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, out, ENDPOINT_HOST_MAX);
	else if (sa->ss_family == AF_INET6 &&
		 IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, out,
			  ENDPOINT_HOST_MAX);
	else if (sa->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &six->sin6_addr, out, ENDPOINT_HOST_MAX);
}

int32_t endpoint_port_of(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)sa)->sin_port);
}
