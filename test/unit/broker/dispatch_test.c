/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a frame to a handler, and ApiVersions. */
#include "rig.h"

static struct rig r;

static struct rig_call *raw(int32_t peer, const void *p, size_t n)
{
	struct rig_call *c = rig_send_raw(
		&r, 1, 1, (struct bytes){ p, (int32_t)n }, peer);

	rig_settle(&r);
	return c;
}

TEST(what_nobody_can_read_closes_the_connection)
{
	static const uint8_t api[] = { 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff };
	static const uint8_t version[] = { 0, 3, 0, 99, 0, 0, 0, 1, 0, 0, 0 };
	static const uint8_t body[] = { 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff,
					0x7f, 0xff, 0xff, 0xff };
	static const uint8_t head[] = { 0, 3, 0 };

	rig_init(&r, 1, 1, NULL);
	ck_assert(raw(-1, api, sizeof(api))->closed);
	ck_assert(raw(-1, version, sizeof(version))->closed);
	ck_assert(raw(-1, body, sizeof(body))->closed);
	ck_assert(raw(-1, head, sizeof(head))->closed);
	rig_fini(&r);
}

TEST(what_is_for_brokers_is_not_for_clients)
{
	static const uint8_t alter[] = { 0, 56, 0, 3, 0, 0, 0, 1, 0xff, 0xff,
					 0 };

	rig_init(&r, 1, 1, NULL);
	ck_assert(raw(-1, alter, sizeof(alter))->closed);
	rig_fini(&r);
}

static struct api_versions_response *versions(int16_t version,
					      const char *name)
{
	struct api_versions_request in = { str_of(name), STR("1.0") };

	return rig_ask(&r, 1, 18, version, &in);
}

TEST(every_api_for_clients_is_listed_with_its_versions)
{
	struct api_versions_response *out;

	rig_init(&r, 1, 1, NULL);
	out = versions(3, "unit-test");
	ck_assert_int_eq(out->error_code, 0);
	ck_assert_int_ge(out->api_keys_n, 8);
	for (int32_t i = 0; i < out->api_keys_n; i++) {
		const struct api *api = api_find(out->api_keys[i].api_key);

		ck_assert_ptr_nonnull(api);
		ck_assert(!api->peer_only);
		ck_assert_int_eq(out->api_keys[i].min_version, api->min);
		ck_assert_int_eq(out->api_keys[i].max_version, api->max);
	}
	ck_assert_int_eq(out->api_keys[0].api_key, 0); /* KAFKA-18659 */
	ck_assert_int_eq(out->api_keys[0].min_version, 0);
	rig_fini(&r);
}

TEST(every_row_stays_within_what_the_schema_has)
{
	for (int16_t k = 0; k < API_KEYS; k++) {
		const struct api *api = api_find(k);

		if (!api)
			continue;
		ck_assert_int_eq(api->key, k);
		ck_assert_int_le(api->max, api->request->max);
		ck_assert_int_le(api->max, api->response->max);
		if (k != 0)
			ck_assert_int_ge(api->min, api->request->min);
	}
}

/* KIP-511: a client that knows more than we do must be able to ask. */
TEST(an_unknown_version_of_api_versions_is_answered_in_version_0)
{
	static const uint8_t frame[] = { 0, 18, 0, 9, 0, 0, 0, 1, 0xff, 0xff,
					 0, 2, 'a', 2, 'b', 0 };
	struct api_versions_response *out;
	struct rig_call *c;

	rig_init(&r, 1, 1, NULL);
	c = raw(-1, frame, sizeof(frame));
	ck_assert(c->done && !c->closed);
	ck_assert_int_eq(c->version, 0);
	out = c->out;
	ck_assert_int_eq(out->error_code, K_UNSUPPORTED_VERSION);
	ck_assert_int_eq(out->api_keys_n, 1);
	ck_assert_int_eq(out->api_keys[0].api_key, 18);
	rig_fini(&r);
}

TEST(a_client_has_a_proper_name)
{
	rig_init(&r, 1, 1, NULL);
	ck_assert_int_eq(versions(3, "a")->error_code, 0);
	ck_assert_int_eq(versions(3, "a-b.c")->error_code, 0);
	ck_assert_int_eq(versions(3, "")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(versions(3, "-a")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(versions(3, "a b")->error_code, K_INVALID_REQUEST);
	ck_assert_int_eq(versions(2, "")->error_code, 0);
	rig_fini(&r);
}

TEST(what_happened_is_counted)
{
	struct buf text = { 0 };

	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	rig_produce(&r, 1, "t", 0, -1, 3);
	rig_produce(&r, 1, "no", 0, -1, 3);
	rig_settle(&r);
	broker_metrics(r.nodes[0].threads[1].broker, &text);
	ck_assert_ptr_nonnull(strstr(
		buf_c(&text), "raftmq_requests_total{api=\"Produce\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(
		buf_c(&text),
		"raftmq_topic_messages_in_total{topic=\"t\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(
		buf_c(&text), "raftmq_partition_high_watermark{topic=\"t\","
			      "partition=\"0\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(buf_c(&text),
				     "raftmq_partition_leaders 1\n"));
	buf_fini(&text);
	rig_fini(&r);
}

/* ---- ending -------------------------------------------------------------- */

TEST_TIMES(a_stop_answers_whoever_waits, 3)
{
	struct fetch_request *in;
	struct rig_call *f, *p;

	rig_init(&r, 2, 1 + _i, NULL);
	rig_topic(&r, "t", "1,2|1,2|1,2", NULL);
	rig_pass(&r, 20);
	in = rig_fetch_new(&r, 60000, 1);
	for (int i = 0; i < 3; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	f = rig_fetch(&r, 1, 12, in);
	r.nodes[1].hold_jobs = true;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_settle(&r);
	ck_assert(!f->done && !p->done);
	r.nodes[0].cut = true;
	for (int k = 1; k <= r.shards; k++)
		broker_stop(r.nodes[0].threads[k].broker);
	rig_settle(&r);
	ck_assert(f->done && p->done);
	ck_assert_int_eq(rig_produced(p, NULL), K_NOT_LEADER_OR_FOLLOWER);
	for (int k = 1; k <= r.shards; k++)
		ck_assert(broker_is_idle(r.nodes[0].threads[k].broker));
	rig_fini(&r);
}

TEST(a_node_that_dies_frees_what_waits_with_it)
{
	struct fetch_request *in;

	rig_init(&r, 2, 3, NULL);
	rig_topic(&r, "t", "1,2|1,2|1,2", NULL);
	in = rig_fetch_new(&r, 60000, 1);
	for (int i = 0; i < 3; i++)
		rig_fetch_add(&r, in, "t", i, 0);
	rig_fetch(&r, 1, 12, in);
	in->session_epoch = 0;
	rig_fetch(&r, 1, 12, in);
	r.nodes[1].hold_jobs = true;
	for (int i = 0; i < 3; i++)
		rig_produce(&r, 1, "t", i, -1, 1);
	rig_settle(&r);
	rig_fini(&r); /* LeakSanitizer looks at the rest */
}
