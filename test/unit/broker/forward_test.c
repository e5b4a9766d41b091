/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on their way to the quorum leader, in envelopes: KIP-590. */
#include "council.h"

enum { CREATE = 19, ENVELOPE = 58, HEARTBEAT = 63 };
enum { UNREGISTER = 64, PRODUCER_IDS = 67 };

static struct council c;

static void begin(int n)
{
	council_init(&c, n, NULL);
	council_begin(&c);
}

/* ---- the leader's end ---------------------------------------------------- */

/* Of a request with that content; in the arena. */
static struct bytes inner(int16_t key, int16_t version,
			  const struct wire_type *type, const void *in)
{
	struct request_header h = { key, version, 77, STR("client") };
	struct buf b = { 0 };
	struct bytes out;

	frame_begin_request(&b, &h);
	wire_encode(&b, type, version, in, NULL);
	out = (struct bytes){ arena_dup(&c.arena, b.p + 4, b.n - 4),
			      (int32_t)b.n - 4 };
	buf_fini(&b);
	return out;
}

static const struct envelope_response *open_at(int32_t node,
					       struct bytes content)
{
	struct envelope_request in;
	struct council_call *call;

	wire_preset(&envelope_request_type, &in);
	in.request_data = content;
	in.client_host_address = (struct bytes){ (const uint8_t *)"10.0.0.9",
						 8 };
	call = council_send_as(&c, node, 3, ENVELOPE, 0, &in);
	council_pass(&c, 50);
	ck_assert(call->done);
	ck_assert_ptr_nonnull(call->out);
	return call->out;
}

static struct bytes unregister_nobody(void)
{
	struct unregister_broker_request in = { 9 };

	return inner(UNREGISTER, 0, &unregister_broker_request_type, &in);
}

TEST(what_is_in_an_envelope_is_answered_in_one)
{
	const struct envelope_response *out;
	struct unregister_broker_response in;
	struct reader r;
	int32_t correlation;

	begin(3);
	out = open_at(1, unregister_nobody());
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->applied, c.log_n);
	r = reader_of(out->response_data.p, (size_t)out->response_data.n);
	ck_assert(frame_read_response(&r, UNREGISTER, 0, &correlation));
	ck_assert_int_eq(correlation, 77);
	ck_assert(wire_decode(&r, &unregister_broker_response_type, 0, &in,
			      &c.arena));
	ck_assert_int_eq(in.error_code, K_BROKER_ID_NOT_REGISTERED);
	council_fini(&c);
}

TEST(an_envelope_is_opened_by_nobody_but_the_leader)
{
	begin(3);
	ck_assert_int_eq(open_at(2, unregister_nobody())->error_code,
			 K_NOT_CONTROLLER);
	council_lead(&c, 2);
	ck_assert_int_eq(open_at(2, unregister_nobody())->error_code, K_NONE);
	council_fini(&c);
}

static struct bytes creation(int16_t version)
{
	struct create_topics_request in;

	wire_preset(&create_topics_request_type, &in);
	return inner(CREATE, version, &create_topics_request_type, &in);
}

TEST(an_envelope_holds_what_clients_ask_of_the_leader_and_nothing_else)
{
	struct metadata_request metadata;
	struct broker_heartbeat_request heartbeat;
	struct bytes v[5];

	begin(3);
	wire_preset(&metadata_request_type, &metadata);
	wire_preset(&broker_heartbeat_request_type, &heartbeat);
	v[0] = inner(3, 9, &metadata_request_type, &metadata);
	v[1] = inner(HEARTBEAT, 1, &broker_heartbeat_request_type, &heartbeat);
	v[2] = inner(999, 0, &metadata_request_type, &metadata);
	v[3] = creation(7);
	v[3].n -= 5;
	v[4] = (struct bytes){ (const uint8_t *)"\1", 1 };
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(open_at(1, v[i])->error_code,
				 K_INVALID_REQUEST);
	ck_assert_int_eq(open_at(1, creation(1))->error_code,
			 K_INVALID_REQUEST);
	ck_assert_int_eq(open_at(1, creation(7))->error_code, K_NONE);
	council_fini(&c);
}

TEST(a_broker_that_asks_the_wrong_one_is_told_so_at_once)
{
	struct allocate_producer_ids_request in = { 3, 1 };
	const struct allocate_producer_ids_response *out;
	struct council_call *call;

	begin(3);
	call = council_send_as(&c, 2, 3, PRODUCER_IDS, 0, &in);
	council_pass(&c, 1);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->error_code, K_NOT_CONTROLLER);
	council_fini(&c);
}

/* ---- the other end ------------------------------------------------------- */

static struct council_call *send_create(int32_t node, const char *name,
					int32_t timeout_ms)
{
	struct create_topics_request_topic t;
	struct create_topics_request in = council_creation(&t, name);

	in.timeout_ms = timeout_ms;
	return council_send(&c, node, CREATE, 7, &in);
}

static int16_t error_of(const struct council_call *call)
{
	const struct create_topics_response *out = call->out;

	ck_assert(call->done);
	ck_assert_int_eq(out->topics_n, 1);
	return out->topics[0].error_code;
}

TEST(who_waits_for_a_leader_may_become_it)
{
	struct council_call *call;

	begin(3);
	council_lead(&c, -1);
	call = send_create(2, "t", 5000);
	council_pass(&c, 105); /* it looks every 20 ms, and just has */
	ck_assert(!call->done);
	council_lead(&c, 2);
	council_pass(&c, 2);
	ck_assert_int_eq(error_of(call), K_NONE);
	council_fini(&c);
}

TEST(who_cannot_be_reached_is_asked_again)
{
	struct council_call *call;

	begin(3);
	council_cut(&c, 2, true);
	call = send_create(2, "t", 5000);
	council_pass(&c, 300);
	ck_assert(!call->done);
	ck_assert_ptr_null(council_partition(&c, 1, "t", 0));
	council_cut(&c, 2, false);
	council_pass(&c, 50);
	ck_assert_int_eq(error_of(call), K_NONE);
	council_fini(&c);
}

TEST(a_leader_that_is_silent_is_not_waited_for_longer_than_asked)
{
	struct council_call *call;

	begin(3);
	node_of(&c, 1)->frozen = true;
	call = send_create(2, "t", 200);
	council_pass(&c, 150);
	ck_assert(!call->done);
	council_pass(&c, 100);
	ck_assert_int_eq(error_of(call), K_REQUEST_TIMED_OUT);
	node_of(&c, 1)->frozen = false;
	council_fini(&c);
}

TEST(an_outcome_that_this_node_does_not_see_in_time_is_told_all_the_same)
{
	struct council_call *call;

	begin(3);
	node_of(&c, 3)->behind = true;
	call = send_create(3, "t", 500);
	council_pass(&c, 400);
	ck_assert(!call->done);
	council_pass(&c, 200);
	ck_assert_int_eq(error_of(call), K_NONE);
	ck_assert_ptr_null(council_partition(&c, 3, "t", 0));
	council_fini(&c);
}

TEST(a_node_that_ends_answers_nothing_of_what_it_passed_on)
{
	struct council_call *waiting, *behind;

	begin(3);
	node_of(&c, 3)->behind = true;
	behind = send_create(3, "t", 5000);
	council_pass(&c, 50);
	council_lead(&c, -1);
	waiting = send_create(3, "u", 5000);
	council_pass(&c, 50);
	council_stop(&c, 3, true);
	ck_assert(!behind->done && !waiting->done);
	council_lead(&c, 1);
	council_pass(&c, 50);
	ck_assert_ptr_nonnull(council_partition(&c, 1, "t", 0));
	ck_assert_ptr_null(council_partition(&c, 1, "u", 0));
	council_fini(&c);
}

/* ---- stopping ------------------------------------------------------------ */

TEST(a_leader_that_stops_waits_for_nothing_more)
{
	struct council_call *call;

	begin(2);
	c.stalled = true;
	call = send_create(1, "t", 5000);
	council_pass(&c, 10);
	ck_assert(!call->done);
	broker_stop(node_of(&c, 1)->threads[0]);
	council_pass(&c, 1);
	ck_assert_int_eq(error_of(call), K_REQUEST_TIMED_OUT);
	c.stalled = false;
	council_fini(&c);
}
