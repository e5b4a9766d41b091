/* SPDX-License-Identifier: Apache-2.0 */
/* What the client makes of addresses, connections that fail, and answers. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "unit.h"

static bool is_not_controller(int16_t code)
{
	return code == K_NOT_CONTROLLER;
}

TEST(answers_are_searched_for_errors_in_every_depth)
{
	struct create_topics_response rs;
	struct create_topics_response_topic t[2];

	wire_preset(&create_topics_response_type, &rs);
	wire_preset(&create_topics_response_topic_type, &t[0]);
	wire_preset(&create_topics_response_topic_type, &t[1]);
	rs.topics = t;
	rs.topics_n = 2;
	ck_assert(!client_answer_has(&create_topics_response_type, 7, &rs,
				     is_not_controller));
	t[1].error_code = K_NOT_CONTROLLER;
	ck_assert(client_answer_has(&create_topics_response_type, 7, &rs,
				    is_not_controller));
}

TEST(fields_of_other_versions_are_not_searched)
{
	struct find_coordinator_response rs;

	wire_preset(&find_coordinator_response_type, &rs);
	rs.error_code = K_NOT_CONTROLLER;
	ck_assert(client_answer_has(&find_coordinator_response_type, 3, &rs,
				    is_not_controller));
	ck_assert(!client_answer_has(&find_coordinator_response_type, 4, &rs,
				     is_not_controller));
}

/* A port of this machine on which nobody listens, or one that is silent. */
static int silent_port(int *port, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (backlog)
		ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

TEST(a_refused_connection_is_said_at_once)
{
	struct client_options o = { .timeout_ms = 5000 };
	struct metadata_response m;
	char address[64];
	struct client *c;
	int port, fd = silent_port(&port, 0);
	int64_t begin = client_now_ms();

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	o.bootstrap = address;
	c = client_new(&o);
	ck_assert_int_eq(client_metadata(c, NULL, -1, &m), -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(client_error(c), address));
	ck_assert_int_lt(client_now_ms() - begin, 1000);
	client_free(c);
	close(fd);
}

TEST(a_silent_broker_costs_the_timeout_and_no_more)
{
	struct client_options o = { .timeout_ms = 100 };
	struct metadata_response m;
	char address[64];
	struct client *c;
	int port, fd = silent_port(&port, 5);
	int64_t begin = client_now_ms();

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	o.bootstrap = address;
	c = client_new(&o);
	ck_assert_int_eq(client_metadata(c, NULL, -1, &m), -ETIMEDOUT);
	ck_assert_int_ge(client_now_ms() - begin, 100);
	ck_assert_int_lt(client_now_ms() - begin, 2000);
	client_free(c);
	close(fd);
}

TEST(an_unusable_address_is_an_error)
{
	struct client_options o = { .bootstrap = ":x,h:0,h:99999",
				    .timeout_ms = 100 };
	struct client *c = client_new(&o);
	struct metadata_response m;

	ck_assert_int_eq(client_metadata(c, NULL, -1, &m), -EINVAL);
	client_free(c);
}
