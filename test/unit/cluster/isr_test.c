/* SPDX-License-Identifier: Apache-2.0 */
/* AlterPartition: KIP-497, KIP-841, KIP-903. */
#include "stage.h"

static struct alter_isr_command_broker members[] = { { 1, -1 }, { 2, -1 } };

/* epochs relative to what is right */
static int16_t ask(struct stage *s, int32_t from, int32_t leader_epoch,
		   int32_t version)
{
	const struct partition *p = cluster_partition(s->c, STR("t"), 0);
	struct alter_isr_command_partition mp = {
		.leader_epoch = p->leader_epoch + leader_epoch,
		.partition_epoch = p->partition_epoch + version,
		.isr_n = 2, .isr = members,
	};
	struct alter_isr_command_topic mt = { p->topic->id, 1, &mp };
	struct alter_isr_command m = {
		.broker_id = from,
		.broker_epoch = cluster_broker(s->c, from)->epoch,
		.topics_n = 1, .topics = &mt,
	};
	const struct alter_partition_response *answer;

	stage_apply(s, &alter_isr_command_type, &m);
	answer = s->fx.result;
	return answer->topics[0].partitions[0].error_code;
}

#define TWO                                                                    \
	"brokers 1 2 3 4f\ntopic t\n"                                          \
	"0 leader=1 epoch=5 version=9 replicas=1,2,3,4 isr=1 elr=- last=-\n"

TEST(only_the_leader_of_this_epoch_may_ask)
{
	struct stage s = stage_of(TWO);

	ck_assert_int_eq(ask(&s, 1, -1, 0), K_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(ask(&s, 1, 1, 0), K_NOT_CONTROLLER);
	ck_assert_int_eq(ask(&s, 1, 0, -1), K_INVALID_UPDATE_VERSION);
	ck_assert_int_eq(ask(&s, 1, 0, 1), K_NOT_CONTROLLER);
	ck_assert_int_eq(ask(&s, 2, 0, 0), K_INVALID_REQUEST);
	ck_assert_int_eq(s.fx.changes_n, 0);
	ck_assert_int_eq(ask(&s, 1, 0, 0), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=5 version=10 replicas=1,2,3,4 isr=1,2 elr=- last=-\n");
	ck_assert_int_eq(ask(&s, 1, 0, 0), K_NONE); /* is so already */
	ck_assert_int_eq(s.fx.changes_n, 0);
	stage_fini(&s);
}

TEST(an_isr_is_a_set_of_replicas_with_its_leader)
{
	struct stage s = stage_of(TWO);

	ck_assert_int_eq(stage_isr(&s, "t", 0, "2,3"), K_INVALID_REQUEST);
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,7"), K_INVALID_REQUEST);
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,2,2"), K_INVALID_REQUEST);
	ck_assert_int_eq(stage_isr(&s, "t", 0, "-"), K_INVALID_REQUEST);
	stage_fini(&s);
}

TEST(who_is_fenced_or_stops_does_not_come_in)
{
	struct stage s = stage_of(TWO);

	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,4"), K_INELIGIBLE_REPLICA);
	stage_stop(&s, 2);
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,2"), K_INELIGIBLE_REPLICA);
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,3"), K_NONE);
	stage_fini(&s);
}

/* KIP-903: it was caught up before it lost its disk and registered anew */
TEST(who_registered_anew_does_not_come_in_under_its_old_epoch)
{
	struct stage s = stage_of(TWO);

	members[1].epoch = cluster_broker(s.c, 2)->epoch;
	stage_restart(&s, 2, true, false);
	stage_unfence(&s, 2);
	ck_assert_int_eq(ask(&s, 1, 0, 0), K_INELIGIBLE_REPLICA);
	members[1].epoch = cluster_broker(s.c, 2)->epoch;
	ck_assert_int_eq(ask(&s, 1, 0, 0), K_NONE);
	members[1].epoch = -1;
	stage_fini(&s);
}

TEST(a_broker_of_an_old_registration_is_not_heard)
{
	struct stage s = stage_of(TWO);
	struct alter_isr_command m = { .broker_id = 1, .broker_epoch = 77 };

	stage_apply(&s, &alter_isr_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_STALE_BROKER_EPOCH);
	stage_fini(&s);
}

TEST(topics_and_partitions_that_do_not_exist)
{
	struct stage s = stage_of(TWO);
	struct alter_isr_command_partition mp = { .partition = 8 };
	struct alter_isr_command_topic mt[2] = {
		{ { { 99 } }, 1, &mp },
		{ cluster_topic(s.c, STR("t"))->id, 1, &mp },
	};
	struct alter_isr_command m = { 1, 1, 2, mt };
	const struct alter_partition_response *answer;

	stage_apply(&s, &alter_isr_command_type, &m);
	answer = s.fx.result;
	ck_assert_int_eq(answer->topics[0].partitions[0].error_code,
			 K_UNKNOWN_TOPIC_ID);
	ck_assert_int_eq(answer->topics[1].partitions[0].error_code,
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	stage_fini(&s);
}

/* KIP-966 */
TEST(shrinking_below_the_minimum_keeps_who_left_eligible)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1,2,3 elr=- last=-\n");

	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,2"), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=5 version=10 replicas=1,2,3 isr=1,2 elr=- last=-\n");
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1"), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=5 version=11 replicas=1,2,3 isr=1 elr=2 last=-\n");
	stage_fini(&s);
}
