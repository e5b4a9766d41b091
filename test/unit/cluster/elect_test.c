/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads: KIP-966 (eligible leader replicas), KIP-460, KIP-497. */
#include "stage.h"

#define THREE                                                                  \
	"brokers 1 2 3\n"                                                      \
	"topic t\n"                                                            \
	"0 leader=1 epoch=0 version=0 replicas=1,2,3 isr=1,2,3 elr=- last=-\n" \
	"1 leader=2 epoch=4 version=7 replicas=2,3,1 isr=2,3,1 elr=- last=-\n"

TEST(fencing_moves_every_leadership_in_one_command)
{
	struct stage s = stage_of(THREE);

	stage_fence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2,3 isr=2,3 elr=- last=-\n"
		"1 leader=2 epoch=4 version=8 replicas=2,3,1 isr=2,3 elr=- last=-\n");
	ck_assert_str_eq(stage_changes(&s), "t/0 t/1 broker 1");
	stage_fini(&s);
}

TEST(a_replica_out_of_sync_is_never_elected)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2,3 isr=1,3 elr=- last=-\n");

	stage_fence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=3 epoch=1 version=1 replicas=1,2,3 isr=3 elr=1 last=-\n");
	stage_fini(&s);
}

/* KIP-966: who leaves the ISR while it is below min.insync.replicas stays
 * eligible, because nothing is committed any more. */
TEST(the_last_in_sync_replicas_become_eligible_and_come_back)
{
	struct stage s = stage_of(THREE);

	stage_fence(&s, 1);
	stage_fence(&s, 2);
	stage_fence(&s, 3);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=3 version=3 replicas=1,2,3 isr=- elr=2,3 last=3\n"
		"1 leader=-1 epoch=6 version=10 replicas=2,3,1 isr=- elr=2,3 last=3\n");
	stage_unfence(&s, 1); /* was out of sync before the others went */
	ck_assert_str_eq(stage_changes(&s), "broker 1");
	stage_unfence(&s, 2);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=4 version=4 replicas=1,2,3 isr=2 elr=3 last=-\n"
		"1 leader=2 epoch=7 version=11 replicas=2,3,1 isr=2 elr=3 last=-\n");
	stage_fini(&s);
}

TEST(an_isr_that_is_large_enough_again_ends_eligibility)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=2 epoch=4 version=4 replicas=1,2,3 isr=2 elr=3 last=-\n");

	ck_assert_int_eq(stage_isr(&s, "t", 0, "2,1"), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=4 version=5 replicas=1,2,3 isr=1,2 elr=- last=-\n");
	stage_fini(&s);
}

/* With min.insync.replicas=1 a leader alone commits: nobody else has it. */
TEST(a_leader_that_may_commit_alone_leaves_nobody_eligible)
{
	struct stage s = stage_of("brokers 1 2\n"
		"topic t min.insync.replicas=1\n"
		"0 leader=-1 epoch=4 version=4 replicas=1,2 isr=- elr=1,2 last=2\n");

	stage_fence(&s, 2);
	stage_unfence(&s, 2);
	ck_topics(&s, "topic t\nset min.insync.replicas=1\n"
		"0 leader=1 epoch=5 version=5 replicas=1,2 isr=1 elr=- last=-\n");
	stage_fini(&s);
}

TEST(a_single_replica_comes_back_as_leader)
{
	struct stage s = stage_of("brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n");

	stage_fence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=1 version=1 replicas=1 isr=- elr=1 last=1\n");
	stage_unfence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=2 version=2 replicas=1 isr=1 elr=- last=-\n");
	stage_fini(&s);
}

/* Alone it could acknowledge nothing: who was not there has all of it. */
TEST(a_partition_that_one_began_alone_outlives_its_disk)
{
	struct stage s = stage_of("brokers 1 2f 3f\n");

	ck_assert_int_eq(stage_create(&s, "t", 1, 3, NULL), 0);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2,3 isr=1 elr=2,3 last=-\n");
	stage_restart(&s, 1, false, false);
	stage_unfence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2,3 isr=- elr=2,3 last=-\n");
	stage_unfence(&s, 3);
	ck_topics(&s, "topic t\n"
		"0 leader=3 epoch=2 version=2 replicas=1,2,3 isr=3 elr=2 last=-\n");
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,3"), 0);
	ck_topics(&s, "topic t\n"
		"0 leader=3 epoch=2 version=3 replicas=1,2,3 isr=1,3 elr=- last=-\n");
	stage_fini(&s);
}

TEST(no_unclean_election_unless_the_topic_allows_it)
{
	struct stage s = stage_of("brokers 1 2\n"
		"topic t unclean.leader.election.enable=true\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=- last=-\n"
		"topic u\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=- last=-\n");

	stage_fence(&s, 1);
	ck_topics(&s, "topic t\nset unclean.leader.election.enable=true\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2 isr=2 elr=- last=-\n"
		"topic u\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=1 last=1\n");
	stage_fini(&s);
}

static int16_t elect(struct stage *s, int8_t type, const char *topic, int32_t p)
{
	struct elect_leaders_command_topic t = { .name = str_of(topic),
						 .partitions_n = 1,
						 .partitions = &p };
	struct elect_leaders_command m = { .type = type, .topics_n = 1,
					   .topics = &t };
	const struct elect_leaders_response *answer;

	stage_apply(s, &elect_leaders_command_type, &m);
	answer = s->fx.result;
	return answer->replica_election_results[0].partition_result[0]
		.error_code;
}

TEST(a_preferred_leader_is_elected_when_it_is_in_sync)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2,3 isr=1,2 elr=- last=-\n"
		"1 leader=3 epoch=1 version=1 replicas=2,3,1 isr=3,1 elr=- last=-\n"
		"2 leader=3 epoch=1 version=1 replicas=3,1,2 isr=3,1 elr=- last=-\n");

	ck_assert_int_eq(elect(&s, 0, "t", 0), K_NONE);
	ck_assert_int_eq(elect(&s, 0, "t", 1),
			 K_PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(elect(&s, 0, "t", 2), K_ELECTION_NOT_NEEDED);
	ck_assert_int_eq(elect(&s, 0, "t", 3), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(elect(&s, 0, "u", 0), K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_topics(&s, "topic t\n"
		"0 leader=1 epoch=2 version=2 replicas=1,2,3 isr=1,2 elr=- last=-\n"
		"1 leader=3 epoch=1 version=1 replicas=2,3,1 isr=3,1 elr=- last=-\n"
		"2 leader=3 epoch=1 version=1 replicas=3,1,2 isr=3,1 elr=- last=-\n");
	stage_fini(&s);
}

TEST(an_operator_may_elect_uncleanly)
{
	struct stage s = stage_of("brokers 1f 2\ntopic t\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=1 last=1\n");

	ck_assert_int_eq(elect(&s, 0, "t", 0),
			 K_PREFERRED_LEADER_NOT_AVAILABLE);
	ck_assert_int_eq(elect(&s, 1, "t", 0), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=2 version=2 replicas=1,2 isr=2 elr=- last=-\n");
	ck_assert_int_eq(elect(&s, 1, "t", 0), K_ELECTION_NOT_NEEDED);
	stage_fence(&s, 2);
	ck_assert_int_eq(elect(&s, 1, "t", 0),
			 K_ELIGIBLE_LEADERS_NOT_AVAILABLE);
	stage_fini(&s);
}

TEST(electing_all_lists_only_what_was_needed)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=1 epoch=1 version=1 replicas=1,2 isr=1,2 elr=- last=-\n"
		"topic u\n"
		"0 leader=1 epoch=1 version=1 replicas=2,1 isr=1,2 elr=- last=-\n");
	struct elect_leaders_command m = { .type = 0, .topics_n = -1 };
	const struct elect_leaders_response *answer;

	stage_apply(&s, &elect_leaders_command_type, &m);
	answer = s.fx.result;
	ck_assert_int_eq(answer->replica_election_results_n, 1);
	ck_assert(str_eq_c(answer->replica_election_results[0].topic, "u"));
	ck_assert_str_eq(stage_changes(&s), "u/0");
	stage_fini(&s);
}

/* ---- controlled shutdown ------------------------------------------------- */

TEST(who_stops_hands_over_what_others_can_lead)
{
	struct stage s = stage_of("brokers 1 2 3\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-\n"
		"1 leader=2 epoch=0 version=0 replicas=2,1 isr=1,2 elr=- last=-\n"
		"2 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=- last=-\n"
		"3 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n");

	stage_stop(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2 isr=2 elr=- last=-\n"
		"1 leader=2 epoch=0 version=1 replicas=2,1 isr=2 elr=- last=-\n"
		"2 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=- last=-\n"
		"3 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n");
	/* a follower catches up while the leader still stops: it takes over */
	ck_assert_int_eq(stage_isr(&s, "t", 2, "1,2"), K_NONE);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2 isr=2 elr=- last=-\n"
		"1 leader=2 epoch=0 version=1 replicas=2,1 isr=2 elr=- last=-\n"
		"2 leader=2 epoch=1 version=1 replicas=1,2 isr=1,2 elr=- last=-\n"
		"3 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n");
	ck_assert_int_eq(stage_isr(&s, "t", 0, "1,2"), K_INELIGIBLE_REPLICA);
	stage_fini(&s);
}

/* ---- restarts ------------------------------------------------------------ */

TEST(a_new_incarnation_fences_the_old_and_leads_nothing)
{
	struct stage s = stage_of(THREE);

	stage_restart(&s, 1, false, true);
	ck_assert_str_eq(stage_brokers(&s), "1 fenced 2 active 3 active");
	ck_assert_int_eq(cluster_broker(s.c, 1)->epoch, 4);
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2,3 isr=2,3 elr=- last=-\n"
		"1 leader=2 epoch=4 version=8 replicas=2,3,1 isr=2,3 elr=- last=-\n");
	stage_fini(&s);
}

#define ALONE(setting)                                                         \
	"brokers 1\ntopic t" setting "\n"                                      \
	"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=- last=-\n"

/* KIP-966: what an unclean stop may have cost, an eligible replica may lack */
TEST(an_unclean_stop_costs_eligibility_only_where_memory_acknowledges)
{
	struct stage s = stage_of(ALONE(" durability=memory"));
	struct stage d = stage_of(ALONE(""));
	struct stage k = stage_of(ALONE(" durability=memory"));

	stage_restart(&s, 1, false, true);
	ck_topics(&s, "topic t\nset durability=memory\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=- last=1\n");
	stage_unfence(&s, 1); /* still the best there is */
	ck_topics(&s, "topic t\nset durability=memory\n"
		"0 leader=1 epoch=2 version=2 replicas=1,2 isr=1 elr=- last=-\n");
	stage_restart(&d, 1, false, true);
	ck_topics(&d, "topic t\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=1 last=1\n");
	stage_restart(&k, 1, true, true);
	ck_topics(&k, "topic t\nset durability=memory\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=1 last=1\n");
	stage_fini(&s);
	stage_fini(&d);
	stage_fini(&k);
}

/* KAFKA-14139: an empty disk must not lead because its node once did */
TEST(an_empty_disk_is_never_elected_by_itself)
{
	struct stage s = stage_of(ALONE(""));

	stage_restart(&s, 1, true, false);
	stage_unfence(&s, 1);
	ck_topics(&s, "topic t\n"
		"0 leader=-1 epoch=1 version=1 replicas=1,2 isr=- elr=- last=-\n");
	ck_assert_int_eq(elect(&s, 1, "t", 0), K_NONE);
	stage_fini(&s);
}
