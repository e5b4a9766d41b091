/* SPDX-License-Identifier: Apache-2.0 */
/* commits: see commits.h */
#include "commits.h"

struct commit commit_simple(int64_t offset)
{
	return (struct commit){ .group = "g", .topic = "t", .text = "note",
				.member = "", .generation = -1,
				.epoch = -1, .offset = offset,
				.retention_ms = -1 };
}

struct commit commit_of(const struct consumer *k, int64_t offset)
{
	struct commit m = commit_simple(offset);

	m.group = k->group;
	m.member = k->member;
	m.generation = k->generation;
	return m;
}

struct uuid commit_topic_id(struct council *c, const char *topic)
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
		str_of(m.topic), commit_topic_id(c, m.topic), 1, &p };
	struct offset_commit_request in = {
		str_of(m.group), m.generation, str_of(m.member),
		str_of(m.instance), m.retention_ms, 1, &t };

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

void commit_must(struct council *c, struct commit m)
{
	struct council_call *call = commit_send(c, 1, 9, m);

	council_pass(c, 10);
	ck_assert_int_eq(commit_error(call), K_NONE);
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
		t.topic_id = commit_topic_id(c, topic);
	return council_send(c, node, 9, version, &in);
}
