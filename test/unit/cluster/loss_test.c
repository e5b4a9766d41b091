/* SPDX-License-Identifier: Apache-2.0 */
/* A copy that is damaged or gone: out of everything that counts (KIP-966). */
#include "stage.h"

/* By one broker, of t/0, with an epoch relative to what is right. */
static int16_t lose(struct stage *s, int32_t broker, int32_t leader_epoch)
{
	const struct partition *p = cluster_partition(s->c, STR("t"), 0);
	struct lose_replicas_command_partition mp = {
		0, p->leader_epoch + leader_epoch };
	struct lose_replicas_command_topic mt = { p->topic->id, 1, &mp };
	struct lose_replicas_command m = {
		.broker_id = broker,
		.broker_epoch = cluster_broker(s->c, broker)->epoch,
		.topics_n = 1, .topics = &mt,
	};
	const struct alter_partition_response *answer;

	stage_apply(s, &lose_replicas_command_type, &m);
	answer = s->fx.result;
	ck_assert_int_eq(answer->error_code, K_NONE);
	return answer->topics[0].partitions[0].error_code;
}

static void check(const char *before, int32_t broker, enum kerr error,
		  const char *after)
{
	struct stage s = stage_of(before);

	ck_assert_int_eq(lose(&s, broker, 0), error);
	ck_topics(&s, after);
	ck_assert_str_eq(stage_changes(&s), "t/0");
	stage_fini(&s);
}

TEST(a_damaged_leader_hands_over)
{
	check("brokers 1 2 3\ntopic t min.insync.replicas=1\n"
	      "0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1,2 elr=- last=-\n",
	      1, K_NONE,
	      "topic t\nset min.insync.replicas=1\n"
	      "0 leader=2 epoch=6 version=10 replicas=1,2,3 isr=2 elr=- last=-\n");
}

/* Else what it had told the leader before would bring it back at once. */
TEST(the_epoch_grows_though_the_leader_stays)
{
	check("brokers 1 2 3\ntopic t\n"
	      "0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1,2,3 elr=- last=-\n",
	      2, K_NONE,
	      "topic t\n"
	      "0 leader=1 epoch=6 version=10 replicas=1,2,3 isr=1,3 elr=- last=-\n");
}

TEST(the_epoch_grows_for_one_that_was_not_in_sync)
{
	check("brokers 1 2 3\ntopic t\n"
	      "0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1,3 elr=- last=-\n",
	      2, K_NONE,
	      "topic t\n"
	      "0 leader=1 epoch=6 version=10 replicas=1,2,3 isr=1,3 elr=- last=-\n");
}

TEST(a_damaged_copy_is_not_eligible_any_more)
{
	check("brokers 1f 2 3\ntopic t min.insync.replicas=2\n"
	      "0 leader=3 epoch=5 version=9 replicas=1,2,3 isr=3 elr=1,2 last=-\n",
	      2, K_NONE,
	      "topic t\nset min.insync.replicas=2\n"
	      "0 leader=3 epoch=6 version=10 replicas=1,2,3 isr=3 elr=1 last=-\n");
}

/* It leaves the ISR, and does not become eligible as one that left it. */
TEST(a_damaged_leader_waits_for_an_eligible_one)
{
	check("brokers 1f 2 3\ntopic t min.insync.replicas=2\n"
	      "0 leader=3 epoch=5 version=9 replicas=1,2,3 isr=3 elr=1 last=-\n",
	      3, K_ELIGIBLE_LEADERS_NOT_AVAILABLE,
	      "topic t\nset min.insync.replicas=2\n"
	      "0 leader=-1 epoch=6 version=10 replicas=1,2,3 isr=- elr=1 last=3\n");
}

/* The eligible one may have lost all itself: then the copy is needed. */
TEST(a_copy_is_not_given_up_for_one_that_is_not_heard)
{
	check("brokers 1f 2 3\ntopic t min.insync.replicas=2\n"
	      "0 leader=-1 epoch=5 version=9 replicas=1,2,3 isr=- elr=1,3 last=3\n",
	      3, K_ELIGIBLE_LEADERS_NOT_AVAILABLE,
	      "topic t\nset min.insync.replicas=2\n"
	      "0 leader=-1 epoch=6 version=10 replicas=1,2,3 isr=- elr=1 last=3\n");
}

TEST(the_last_copy_leads_nothing_and_is_not_forgotten)
{
	struct stage s = stage_of(
		"brokers 1 2 3\ntopic t\n"
		"0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1 elr=- last=-\n");

	ck_assert_int_eq(lose(&s, 1, 0), K_ELIGIBLE_LEADERS_NOT_AVAILABLE);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=6 version=10 replicas=1,2,3 isr=- elr=- last=1\n");
	stage_fence(&s, 1);
	stage_unfence(&s, 1); /* mended */
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=7 version=11 replicas=1,2,3 isr=1 elr=- last=-\n");
	stage_fini(&s);
}

TEST(where_unclean_elections_are_allowed_another_leads)
{
	check("brokers 1 2 3\ntopic t unclean.leader.election.enable=true\n"
	      "0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1 elr=- last=-\n",
	      1, K_NONE,
	      "topic t\nset unclean.leader.election.enable=true\n"
	      "0 leader=2 epoch=6 version=10 replicas=1,2,3 isr=2 elr=- last=-\n");
}

TEST(a_loss_is_told_under_the_epoch_of_now)
{
	struct stage s = stage_of(
		"brokers 1 2 3 4\ntopic t\n"
		"0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1,2 elr=- last=-\n");

	ck_assert_int_eq(lose(&s, 1, -1), K_FENCED_LEADER_EPOCH);
	ck_assert_int_eq(lose(&s, 1, 1), K_UNKNOWN_LEADER_EPOCH);
	ck_assert_int_eq(lose(&s, 4, 0), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(s.fx.changes_n, 0);
	stage_fini(&s);
}

TEST(only_the_registered_process_tells_a_loss)
{
	struct stage s = stage_of(
		"brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=5 version=9 replicas=1,2 isr=1,2 elr=- last=-\n");
	struct lose_replicas_command m = { .broker_id = 1, .broker_epoch = 7 };

	stage_apply(&s, &lose_replicas_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_STALE_BROKER_EPOCH);
	stage_fini(&s);
}

/* ---- a broker that does not know what it had promised -------------------- */

TEST(who_lost_track_is_not_eligible)
{
	struct stage s = stage_of(
		"brokers 1f 2 3\ntopic t min.insync.replicas=2\n"
		"0 leader=3 epoch=5 version=9 replicas=1,2,3 isr=3 elr=1,2 last=-\n");

	stage_restart_blind(&s, 1);
	ck_topics(&s, "topic t\nset min.insync.replicas=2\n"
		"0 leader=3 epoch=5 version=10 replicas=1,2,3 isr=3 elr=2 last=-\n");
	stage_fini(&s);
}

TEST(who_lost_track_leads_where_nobody_else_can)
{
	struct stage s = stage_of(
		"brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=5 version=9 replicas=1 isr=1 elr=- last=-\n");

	stage_restart_blind(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=6 version=10 replicas=1 isr=- elr=- last=1\n");
	stage_unfence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=7 version=11 replicas=1 isr=1 elr=- last=-\n");
	stage_fini(&s);
}
