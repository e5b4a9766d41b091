/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: metrics, health and the console page, read only, on thread 0. Built
 * without libmicrohttpd there is none.
 */
#ifndef HOST_HTTP_H
#define HOST_HTTP_H

#include "endpoint.h"

struct http;
struct node;
/* NULL: *why is a sentence (static or in the node's arena). */
struct http *http_open(struct node *n, const struct endpoint *e,
		       const char **why) must_use;
void http_close(struct http *h);
void http_address(const struct http *h, struct buf *out);

#endif
