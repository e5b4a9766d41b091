/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the quorum leader refuses brokers that register, beat or are
 * unregistered. What it does with those it takes is in membership_test.c.
 */
#include "control.h"
#include "council.h"

enum { REGISTER = 62, BEAT = 63, UNREGISTER = 64 };

static struct council c;

static void begin(int n)
{
	council_init(&c, n, NULL);
	council_begin(&c);
}

/* ---- registration -------------------------------------------------------- */

/* Of another process, with the directory that has this number. */
static struct broker_registration_request new_process(int32_t id,
						      uint8_t directory)
{
	static struct broker_registration_request_listener listeners[] = {
		{ STR("PLAINTEXT"), STR("elsewhere"), 9092, 0 },
		{ STR(PEER_LISTENER), STR("peer-elsewhere"), 7000, 0 },
	};
	static struct broker_registration_request_feature features[] = {
		{ STR("other.feature"), 7, 9 },
		{ STR(LEVEL_FEATURE), CLUSTER_LEVEL_MIN, CLUSTER_LEVEL_MIN },
	};
	static struct uuid directories[1];
	struct broker_registration_request in;

	wire_preset(&broker_registration_request_type, &in);
	in.broker_id = id;
	in.incarnation_id.b[0] = 99;
	directories[0] = (struct uuid){ { directory } };
	in.log_dirs = directories;
	in.log_dirs_n = 1;
	in.listeners = listeners;
	in.listeners_n = countof(listeners);
	in.features = features;
	in.features_n = countof(features);
	return in;
}

static const struct broker_registration_response *
answer_to(const struct council_call *call)
{
	ck_assert(call->done);
	ck_assert_int_eq(call->key, REGISTER);
	return call->out;
}

static int16_t enlist(int32_t node, int32_t peer,
		      const struct broker_registration_request *in)
{
	struct council_call *call =
		council_send_as(&c, node, peer, REGISTER, 4, in);

	council_pass(&c, 1);
	return answer_to(call)->error_code;
}

TEST(broker_that_is_new_is_registered_and_fenced)
{
	struct broker_registration_request in = new_process(5, 5);
	const struct broker_info *info;

	begin(3);
	ck_assert_int_eq(enlist(1, 5, &in), K_NONE);
	info = cluster_broker(c.nodes[0].cluster, 5);
	ck_assert_ptr_nonnull(info);
	ck_assert(info->fenced);
	ck_assert_str_eq(info->host, "elsewhere");
	ck_assert_int_eq(info->port, 9092);
	ck_assert_int_eq(info->listeners_n, 1);
	ck_assert_str_eq(info->peer_host, "peer-elsewhere");
	ck_assert_int_eq(info->level_max, CLUSTER_LEVEL_MIN);
	council_fini(&c);
}

TEST(same_process_that_registers_again_keeps_its_epoch)
{
	struct broker_registration_request in = new_process(5, 5);
	struct council_call *first, *second;

	begin(3);
	first = council_send_as(&c, 1, 5, REGISTER, 4, &in);
	council_pass(&c, 1);
	second = council_send_as(&c, 1, 5, REGISTER, 4, &in);
	council_pass(&c, 1);
	ck_assert_int_eq(answer_to(second)->error_code, K_NONE);
	ck_assert_int_eq(answer_to(second)->broker_epoch,
			 answer_to(first)->broker_epoch);
	council_fini(&c);
}

TEST(broker_registers_nobody_but_itself)
{
	struct broker_registration_request in = new_process(5, 5);

	begin(3);
	ck_assert_int_eq(enlist(1, 4, &in), K_CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_ptr_null(cluster_broker(c.nodes[0].cluster, 5));
	council_fini(&c);
}

TEST(registration_is_the_leaders)
{
	struct broker_registration_request in = new_process(5, 5);

	begin(3);
	ck_assert_int_eq(enlist(2, 5, &in), K_NOT_CONTROLLER);
	council_lead(&c, 2);
	ck_assert_int_eq(enlist(2, 5, &in), K_NONE);
	council_fini(&c);
}

TEST(broker_of_another_cluster_is_refused)
{
	struct broker_registration_request in = new_process(5, 5);
	struct uuid other;
	char id[UUID_TEXT_MAX];

	begin(3);
	other = c.nodes[0].cluster->id;
	other.b[3] ^= 1;
	uuid_text(other, id);
	in.cluster_id = str_of(id);
	ck_assert_int_eq(enlist(1, 5, &in), K_INCONSISTENT_CLUSTER_ID);
	in.cluster_id = STR("no id at all");
	ck_assert_int_eq(enlist(1, 5, &in), K_INCONSISTENT_CLUSTER_ID);
	uuid_text(c.nodes[0].cluster->id, id);
	in.cluster_id = str_of(id);
	ck_assert_int_eq(enlist(1, 5, &in), K_NONE);
	council_fini(&c);
}

TEST(double_of_a_broker_that_lives_is_refused)
{
	struct broker_registration_request in = new_process(3, 77);

	begin(3);
	ck_assert_int_eq(enlist(1, 3, &in), K_DUPLICATE_BROKER_REGISTRATION);
	council_stop(&c, 3, false);
	council_pass(&c, 700);
	ck_assert_int_eq(enlist(1, 3, &in), K_NONE);
	council_fini(&c);
}

TEST(registration_that_is_not_agreed_on_times_out)
{
	struct broker_registration_request in = new_process(5, 5);
	struct council_call *call;

	begin(3);
	c.stalled = true;
	call = council_send_as(&c, 1, 5, REGISTER, 4, &in);
	council_pass(&c, 4990);
	ck_assert(!call->done);
	council_pass(&c, 20);
	ck_assert_int_eq(answer_to(call)->error_code, K_REQUEST_TIMED_OUT);
	c.stalled = false;
	council_fini(&c);
}

/* ---- heartbeats ---------------------------------------------------------- */

static int64_t epoch_of(int32_t id)
{
	return cluster_broker(c.nodes[0].cluster, id)->epoch;
}

static struct broker_heartbeat_request beat_of(int32_t id)
{
	struct broker_heartbeat_request in;

	wire_preset(&broker_heartbeat_request_type, &in);
	in.broker_id = id;
	in.broker_epoch = epoch_of(id);
	in.current_metadata_offset = INT64_MAX;
	return in;
}

static const struct broker_heartbeat_response *
beat(int32_t node, int32_t peer, const struct broker_heartbeat_request *in)
{
	struct council_call *call =
		council_send_as(&c, node, peer, BEAT, 1, in);

	council_pass(&c, 1);
	ck_assert(call->done);
	return call->out;
}

TEST(heartbeat_of_who_is_not_registered_is_refused)
{
	struct broker_heartbeat_request in;

	begin(3);
	in = beat_of(2);
	ck_assert_int_eq(beat(1, 2, &in)->error_code, K_NONE);
	ck_assert_int_eq(beat(1, 3, &in)->error_code,
			 K_CLUSTER_AUTHORIZATION_FAILED);
	ck_assert_int_eq(beat(3, 2, &in)->error_code, K_NOT_CONTROLLER);
	in.broker_epoch--;
	ck_assert_int_eq(beat(1, 2, &in)->error_code, K_STALE_BROKER_EPOCH);
	in.broker_id = 9;
	ck_assert_int_eq(beat(1, 9, &in)->error_code,
			 K_BROKER_ID_NOT_REGISTERED);
	council_fini(&c);
}

/* It waits for who leads to be confirmed, or not: its error. */
static int16_t confirm(const struct council_call *call, bool ok)
{
	const struct broker_heartbeat_response *out;

	ck_assert(!call->done);
	council_confirm(&c, c.reads_n, ok);
	ck_assert(call->done);
	out = call->out;
	return out->error_code;
}

TEST(heartbeat_is_not_answered_by_who_may_have_been_deposed)
{
	struct broker_heartbeat_request in;
	struct council_call *call;

	begin(3);
	in = beat_of(2);
	c.doubted = true;
	call = council_send_as(&c, 1, 2, BEAT, 1, &in);
	council_pass(&c, 100);
	ck_assert_int_eq(confirm(call, false), K_NOT_CONTROLLER);
	council_fini(&c);
}

TEST(heartbeat_of_who_was_replaced_meanwhile_is_stale)
{
	struct broker_registration_request again = new_process(2, 2);
	struct broker_heartbeat_request in;
	struct council_call *call;

	begin(3);
	in = beat_of(2);
	c.doubted = true;
	call = council_send_as(&c, 1, 2, BEAT, 1, &in);
	ck_assert_int_eq(enlist(1, 2, &again), K_NONE);
	ck_assert_int_eq(confirm(call, true), K_STALE_BROKER_EPOCH);
	council_fini(&c);
}

TEST(newcomer_is_unfenced_when_it_is_caught_up)
{
	struct broker_registration_request reg = new_process(5, 5);
	const struct broker_heartbeat_response *out;
	struct broker_heartbeat_request in;

	begin(3);
	ck_assert_int_eq(enlist(1, 5, &reg), K_NONE);
	in = beat_of(5);
	in.current_metadata_offset = 0;
	out = beat(1, 5, &in);
	ck_assert(!out->is_caught_up);
	ck_assert(out->is_fenced);
	in.current_metadata_offset = c.log_n;
	in.want_fence = true;
	out = beat(1, 5, &in);
	ck_assert(out->is_caught_up);
	in.want_fence = false;
	ck_assert(cluster_broker(c.nodes[0].cluster, 5)->fenced);
	beat(1, 5, &in);
	out = beat(1, 5, &in);
	ck_assert(!out->is_fenced);
	ck_assert(!out->should_shut_down);
	council_fini(&c);
}

/* It has to see first what it has lost. */
TEST(who_was_fenced_has_to_catch_up_again)
{
	const struct broker_heartbeat_response *out;
	struct broker_heartbeat_request in;

	begin(3);
	ck_assert_int_eq(council_create(&c, 1, "t", 3), K_NONE);
	in = beat_of(3);
	in.current_metadata_offset = c.log_n;
	node_of(&c, 3)->frozen = true;
	council_pass(&c, 700);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 fenced");
	out = beat(1, 3, &in);
	ck_assert(!out->is_caught_up);
	ck_assert(out->is_fenced);
	in.current_metadata_offset = c.log_n;
	ck_assert(beat(1, 3, &in)->is_caught_up);
	ck_assert(!beat(1, 3, &in)->is_fenced);
	council_fini(&c);
}

TEST(wish_that_is_under_way_is_not_proposed_twice)
{
	struct broker_heartbeat_request in;
	int before;

	begin(3);
	in = beat_of(2);
	in.want_fence = true;
	c.stalled = true;
	before = c.log_n;
	beat(1, 2, &in);
	ck_assert_int_eq(c.log_n, before + 1);
	beat(1, 2, &in);
	ck_assert_int_eq(c.log_n, before + 1);
	c.stalled = false;
	council_pass(&c, 1);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 fenced 3 active");
	council_fini(&c);
}

static const struct partition *led_by(int32_t id)
{
	const struct partition *p;

	for (int i = 0; i < 3; i++) {
		p = council_partition(&c, 1, "t", i);
		if (p->leader == id)
			return p;
	}
	ck_abort_msg("broker %d leads nothing", id);
}

TEST(who_leads_what_another_may_lead_soon_has_to_stay)
{
	struct broker_heartbeat_request in;
	const struct partition *p;

	begin(3);
	ck_assert_int_eq(council_create(&c, 1, "t", 3), K_NONE);
	p = led_by(1);
	council_stop(&c, 2, false);
	council_stop(&c, 3, false);
	council_pass(&c, 300);
	ck_assert_int_eq(p->isr.n, 1);
	council_start(&c, 2);
	for (int i = 0; i < 300 && cluster_broker(c.nodes[0].cluster, 2)
					   ->fenced; i++)
		council_pass(&c, 1);
	node_of(&c, 2)->frozen = true; /* it has not caught up yet */
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 fenced");
	ck_assert_int_eq(p->isr.n, 1);
	in = beat_of(1);
	in.want_shut_down = true;
	beat(1, 1, &in);
	ck_assert(!beat(1, 1, &in)->should_shut_down);
	ck_assert_int_eq(p->leader, 1);
	node_of(&c, 2)->frozen = false;
	council_pass(&c, 500);
	ck_assert_int_eq(p->leader, 2);
	ck_assert(beat(1, 1, &in)->should_shut_down);
	council_fini(&c);
}

/* ---- UnregisterBroker ---------------------------------------------------- */

TEST(unregistration_that_is_not_agreed_on_times_out)
{
	struct unregister_broker_request in = { 2 };
	const struct unregister_broker_response *out;
	struct council_call *call;

	begin(3);
	c.stalled = true;
	call = council_send(&c, 3, UNREGISTER, 0, &in);
	council_pass(&c, 6000);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->error_code, K_REQUEST_TIMED_OUT);
	ck_assert(str_eq_c(out->error_message, kerr_text(K_REQUEST_TIMED_OUT)));
	c.stalled = false;
	council_fini(&c);
}
