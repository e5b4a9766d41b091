/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetDelete: KIP-496. */
#include "commits.h"

enum { DELETE = 47 };
#define AT_ONCE "group.initial.rebalance.delay.ms=0"

static struct council c;

static void begin(int n)
{
	council_init(&c, n, AT_ONCE);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 4), K_NONE);
}

static int64_t committed(const char *topic, int32_t partition)
{
	struct council_call *call =
		fetch_send(&c, 1, 7, "g", topic, partition);
	const struct offset_fetch_response *out;

	council_pass(&c, 10);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->topics[0].partitions[0].error_code, K_NONE);
	return out->topics[0].partitions[0].committed_offset;
}

static struct council_call *send_delete(const char *group, const char *topic,
					int32_t partition)
{
	struct offset_delete_request_partition p = { partition };
	struct offset_delete_request_topic t = { str_of(topic), 1, &p };
	struct offset_delete_request in = { str_of(group), 1, &t };

	return council_send(&c, 1, DELETE, 0, &in);
}

static const struct offset_delete_response *
delete(const char *group, const char *topic, int32_t partition)
{
	struct council_call *call = send_delete(group, topic, partition);

	council_pass(&c, 10);
	ck_assert(call->done);
	return call->out;
}

static int16_t delete_one(const char *topic, int32_t partition)
{
	const struct offset_delete_response *out =
		delete("g", topic, partition);

	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->topics_n, 1);
	ck_assert(str_eq_c(out->topics[0].name, topic));
	ck_assert_int_eq(out->topics[0].partitions_n, 1);
	ck_assert_int_eq(out->topics[0].partitions[0].partition_index,
			 partition);
	return out->topics[0].partitions[0].error_code;
}

TEST(an_offset_is_deleted_and_its_neighbours_stay)
{
	struct commit m = commit_simple(5);

	begin(1);
	for (m.partition = 0; m.partition < 2; m.partition++)
		commit_must(&c, m);
	ck_assert_int_eq(delete_one("t", 0), K_NONE);
	ck_assert_int_eq(committed("t", 0), -1);
	ck_assert_int_eq(committed("t", 1), 5);
	ck_assert_int_eq(delete_one("t", 0), K_NONE); /* is gone already */
	ck_assert_int_eq(delete_one("t", 4), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(delete_one("u", 0), K_UNKNOWN_TOPIC_OR_PARTITION);
	council_fini(&c);
}

TEST(offsets_of_an_unknown_group_are_not_deleted)
{
	const struct offset_delete_response *out;

	begin(1);
	out = delete("nobody", "t", 0);
	ck_assert_int_eq(out->error_code, K_GROUP_ID_NOT_FOUND);
	ck_assert_int_eq(out->topics_n, 0);
	council_fini(&c);
}

TEST(offsets_of_a_topic_that_a_member_reads_are_not_deleted)
{
	struct consumer k = consumer_reader();
	struct commit m;

	begin(1);
	ck_assert_int_eq(council_create(&c, 1, "w", 1), K_NONE);
	club_gather(&c, 1, &k, 1);
	m = commit_of(&k, 4);
	commit_must(&c, m);
	m.topic = "w";
	commit_must(&c, m);
	ck_assert_int_eq(delete_one("t", 0), K_GROUP_SUBSCRIBED_TO_TOPIC);
	ck_assert_int_eq(delete_one("w", 0), K_NONE);
	ck_assert_int_eq(committed("t", 0), 4);
	ck_assert_int_eq(committed("w", 0), -1);
	ck_assert_int_eq(club_leave(&c, 1, &k), K_NONE);
	ck_assert_int_eq(delete_one("t", 0), K_NONE);
	ck_assert_int_eq(committed("t", 0), -1);
	council_fini(&c);
}

TEST(offsets_of_members_of_another_kind_are_not_deleted)
{
	struct consumer k = consumer_reader();
	const struct offset_delete_response *out;

	begin(1);
	k.type = "connect";
	club_admit(&c, 1, &k);
	out = delete("g", "t", 0);
	ck_assert_int_eq(out->error_code, K_NON_EMPTY_GROUP);
	ck_assert_int_eq(out->topics_n, 0);
	council_fini(&c);
}

TEST(a_deletion_whose_leader_was_lost_is_answered_so)
{
	const struct offset_delete_response *out;
	struct council_call *call;

	begin(3);
	commit_must(&c, commit_simple(1));
	c.stalled = true;
	call = send_delete("g", "t", 0);
	council_pass(&c, 20);
	ck_assert(!call->done);
	council_drop(&c, false);
	council_pass(&c, 1);
	ck_assert(call->done);
	out = call->out;
	ck_assert_int_eq(out->error_code, K_NOT_COORDINATOR);
	c.stalled = false;
	ck_assert_int_eq(committed("t", 0), 1);
	council_fini(&c);
}
