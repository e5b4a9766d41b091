/* SPDX-License-Identifier: Apache-2.0 */
/* crowd: see crowd.h */
#include "crowd.h"

/* version 0, one topic, "t", no user data */
static const uint8_t subscription[] = { 0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff,
					0xff, 0xff };

void joiner_join(struct council *c, struct joiner *j)
{
	struct join_group_request_protocol p = {
		STR("range"), { subscription, sizeof(subscription) } };
	struct join_group_request in;
	const struct join_group_response *out;

	wire_preset(&join_group_request_type, &in);
	in.group_id = str_of(j->group);
	in.session_timeout_ms = j->session_ms ? j->session_ms : 10000;
	in.rebalance_timeout_ms = 60000;
	in.member_id = j->id.n > 0 ? j->id : STR("");
	in.group_instance_id = str_of(j->instance);
	in.protocol_type = str_of(j->type ? j->type : "consumer");
	in.protocols = &p;
	in.protocols_n = 1;
	/* the newest that hands out an id and takes the member in one go */
	out = council_ask(c, 1, 11, j->instance ? 5 : 3, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
	j->id = out->member_id;
	j->generation = out->generation_id;
}

void joiner_sync(struct council *c, struct joiner *j, const char *assignment)
{
	struct sync_group_request_assignment a = {
		j->id, { (const uint8_t *)assignment,
			 (int32_t)strlen(assignment) } };
	struct sync_group_request in;
	const struct sync_group_response *out;

	wire_preset(&sync_group_request_type, &in);
	in.group_id = str_of(j->group);
	in.generation_id = j->generation;
	in.member_id = j->id;
	in.group_instance_id = str_of(j->instance);
	in.assignments = &a;
	in.assignments_n = 1;
	out = council_ask(c, 1, 14, 3, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
}

void joiner_leave(struct council *c, const struct joiner *j)
{
	struct leave_group_request in;
	const struct leave_group_response *out;

	wire_preset(&leave_group_request_type, &in);
	in.group_id = str_of(j->group);
	in.member_id = j->id;
	out = council_ask(c, 1, 13, 2, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
}

/* ---- offsets ------------------------------------------------------------- */

struct commit commit_simple(int64_t offset)
{
	return (struct commit){ .group = "g", .topic = "t", .text = "note",
				.member = STR(""), .generation = -1,
				.epoch = -1, .offset = offset,
				.retention_ms = -1 };
}

struct commit commit_of(const struct joiner *j, int64_t offset)
{
	struct commit m = commit_simple(offset);

	m.group = j->group;
	m.member = j->id;
	m.generation = j->generation;
	return m;
}

struct uuid crowd_topic_id(struct council *c, const char *topic)
{
	const struct topic *t = cluster_topic(node_of(c, 1)->cluster,
					      str_of(topic));

	return t ? t->id : (struct uuid){ { 9, 9, 9 } };
}

struct council_call *commit_send(struct council *c, int32_t node,
				 int16_t version, struct commit m)
{
	struct offset_commit_request_partition p = {
		m.partition, m.offset, m.epoch, str_of(m.text) };
	struct offset_commit_request_topic t = {
		str_of(m.topic), crowd_topic_id(c, m.topic), 1, &p };
	struct offset_commit_request in = {
		str_of(m.group), m.generation, m.member, str_of(m.instance),
		m.retention_ms, 1, &t };

	return council_send(c, node, 8, version, &in);
}

int16_t commit_error(const struct council_call *call)
{
	const struct offset_commit_response *out = call->out;

	ck_assert(call->done);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert_int_eq(out->topics[0].partitions_n, 1);
	return out->topics[0].partitions[0].error_code;
}

struct council_call *fetch_send(struct council *c, int32_t node,
				int16_t version, const char *group,
				const char *topic, int32_t partition)
{
	struct offset_fetch_request_topic old = { str_of(topic), 1,
						  &partition };
	struct offset_fetch_request_group_topic t = { str_of(topic),
						      { { 0 } }, 1,
						      &partition };
	struct offset_fetch_request_group g = { str_of(group), STR_NULL, -1,
						topic ? 1 : -1, &t };
	struct offset_fetch_request in = { str_of(group), topic ? 1 : -1, &old,
					   1, &g, true };

	if (topic)
		t.topic_id = crowd_topic_id(c, topic);
	return council_send(c, node, 9, version, &in);
}
