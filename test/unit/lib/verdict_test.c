/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_test: for each violation the smallest history that shows it, and one
 * that is nearly the same and legal. What is a violation and what is not is
 * taken from Jepsen's Kafka workload, where it has the name.
 */
#include "judged.h"

/* 10 and 11 acknowledged at 0 and 1 */
#define TWO                                                                    \
	"send 1 0 5 ok t/0 10 all - - 0 0\n"                                   \
	"send 1 10 15 ok t/0 11 all - - 0 1\n"
#define SCAN "poll 9 900 950 ok final uncommitted @ t/0 0 "

TEST(verdict_of_nothing_is_valid)
{
	expect("", VALID);
	expect(TWO SCAN "2 0 - - 0=10 1=11\n", VALID);
}

TEST(a_value_at_two_offsets_is_a_duplicate)
{
	expect(TWO SCAN "3 0 - - 0=10 1=11 2=11\n", VERDICT_DUPLICATE);
	/* read elsewhere than acknowledged */
	expect("send 1 0 5 ok t/0 10 all - - 0 4\n"
	       "poll 2 20 25 ok assign uncommitted @ t/0 3 - - - - 3=10\n",
	       VERDICT_DUPLICATE);
	/* a retry may do so, or one of which the outcome is not known */
	expect("send 1 0 5 ok t/0 10 all - - 1 1\n" SCAN "2 0 - - 0=10 1=10\n",
	       VALID);
	expect("send 1 0 5 info t/0 10 all - - 0 -\n" SCAN
	       "2 0 - - 0=10 1=10\n",
	       VALID);
	/* but never with idempotence */
	expect("send 1 0 5 ok t/0 10 all 7 0 1 1\n" SCAN "2 0 - - 0=10 1=10\n",
	       VERDICT_DUPLICATE);
	expect("send 1 0 5 info t/0 10 all 7 0 1 -\n" SCAN
	       "2 0 - - 0=10 1=10\n",
	       VERDICT_DUPLICATE);
}

/* Forgotten with the records: the first poll after it says from where on. */
TEST(a_duplicate_of_what_retention_removed_is_legal)
{
#define TWICE(start)                                                           \
	"send 1 0 15 ok t/0 10 all 7 0 1 1\n"                                  \
	"poll 2 5 8 ok assign uncommitted @ t/0 0 1 - - 3 0=10\n"              \
	"poll 2 20 25 ok assign uncommitted @ t/0 1 2 " start " - 3 1=10\n"    \
	"poll 2 30 35 ok assign uncommitted @ t/0 2 2 1 - 3\n"                 \
	"poll 9 900 950 ok final uncommitted @ t/0 1 2 1 - - 1=10\n"

	expect("key t/0 retention\n" TWICE("1"), VALID);
	expect("start 3 1 2 ok t/0 1\n" TWICE("1"), VALID);
	/* gone only later, or not at all */
	expect("key t/0 retention\n" TWICE("0"), VERDICT_DUPLICATE);
	expect("start 3 28 29 ok t/0 1\n" TWICE("0"), VERDICT_DUPLICATE);
#undef TWICE
	/* the first was seen by nobody, and the next one has gone, too */
#define BEHIND                                                                 \
	"send 1 0 15 ok t/0 10 all 7 0 1 2\n"                                  \
	"send 1 0 8 ok t/0 11 all 7 1 0 1\n"                                   \
	"poll 2 20 25 ok assign uncommitted @ t/0 2 3 2 - 3 2=10\n"            \
	"poll 9 900 950 ok final uncommitted @ t/0 2 3 2 - - 2=10\n"
	expect("key t/0 retention\n" BEHIND, VALID);
	expect("start 3 1 2 ok t/0 2\n" BEHIND, VALID);
	expect("start 3 18 19 ok t/0 2\n" BEHIND, VERDICT_NONMONOTONIC_SEND);
#undef BEHIND
}

TEST(legal_duplicates_are_counted)
{
	struct verdict v = judged("send 1 0 5 ok t/0 10 all - - 1 1\n" SCAN
				  "2 0 - - 0=10 1=10\n",
				  VALID);

	ck_assert_uint_eq(v.duplicates, 1);
	verdict_fini(&v);
}

TEST(an_offset_with_two_values_is_inconsistent)
{
	expect("send 1 0 5 ok t/0 10 all - - 0 0\n"
	       "send 2 0 5 ok t/0 11 all - - 0 0\n" SCAN "1 0 - - 0=10\n",
	       VERDICT_INCONSISTENT_OFFSETS);
	expect("send 1 0 - open t/0 10 1 - - 0 -\n"
	       "send 1 0 - open t/0 11 1 - - 0 -\n"
	       "poll 2 10 20 ok assign uncommitted @ t/0 0 1 - - - 0=10\n" SCAN
	       "1 0 - - 0=11\n",
	       VERDICT_INCONSISTENT_OFFSETS);
	/* what an acks=1 leader told binds nobody until it is read */
	expect("send 1 0 5 ok t/0 10 1 - - 0 0\n"
	       "send 2 0 5 ok t/0 11 all - - 0 0\n" SCAN "1 0 - - 0=11\n",
	       VALID);
	/* another partition */
	expect("send 1 0 5 ok t/0 10 all - - 0 0\n"
	       "send 2 0 5 ok t/1 11 all - - 0 0\n" SCAN "1 0 - - 0=10\n"
	       "poll 9 960 970 ok final uncommitted @ t/1 0 1 0 - - 0=11\n",
	       VALID);
}

TEST(an_acknowledged_value_missing_below_the_end_is_lost)
{
	expect(TWO SCAN "2 0 - - 1=11\n", VERDICT_LOST_WRITE);
	expect("send 1 0 5 ok t/0 10 1 - - 0 0\n"
	       "send 1 10 15 ok t/0 11 all - - 0 1\n" SCAN "2 0 - - 1=11\n",
	       VALID);
	expect("send 1 0 5 ok t/0 10 0 - - 0 -\n"
	       "send 1 10 15 ok t/0 11 all - - 0 1\n" SCAN "2 0 - - 1=11\n",
	       VALID);
	expect("send 1 0 5 info t/0 10 all - - 0 -\n"
	       "send 1 10 15 ok t/0 11 all - - 0 1\n" SCAN "2 0 - - 1=11\n",
	       VALID);
}

TEST(what_anyone_has_read_may_not_get_lost)
{
	/* whatever its acks: it was below the high watermark */
	expect("send 1 0 5 ok t/0 10 1 - - 0 0\n"
	       "send 1 10 15 ok t/0 11 all - - 0 1\n"
	       "poll 2 20 25 ok assign uncommitted @ t/0 0 1 - - - 0=10\n" SCAN
	       "2 0 - - 1=11\n",
	       VERDICT_LOST_WRITE);
	expect("send 1 0 - open t/0 10 all - - 0 -\n"
	       "poll 2 20 25 ok assign uncommitted @ t/0 0 1 - - - 0=10\n" SCAN
	       "0 0 - -\n",
	       VERDICT_UNSEEN);
	expect("send 1 0 - open t/0 10 all - - 0 -\n"
	       "poll 2 960 970 ok assign uncommitted @ t/0 0 1 - - - 0=10\n"
	       SCAN "0 0 - -\n",
	       VALID);
}

TEST(an_acknowledged_value_missing_at_the_end_is_unseen)
{
	expect(TWO SCAN "1 0 - - 0=10\n", VERDICT_UNSEEN);
	/* acknowledged while the scan went on */
	expect("send 1 0 5 ok t/0 10 all - - 0 0\n"
	       "send 1 899 901 ok t/0 11 all - - 0 1\n"
	       "poll 2 960 970 ok assign uncommitted @ t/0 1 2 - - - 1=11\n"
	       SCAN "1 0 - - 0=10\n",
	       VALID);
	/* nobody was told where it is */
	expect("send 1 0 5 ok t/0 10 all - - 0 -\n" SCAN "0 0 - -\n",
	       VERDICT_UNSEEN);
	expect("send 1 0 5 ok t/0 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VALID);
}

TEST(without_a_final_read_all_polls_together_are_one)
{
	expect(TWO, VERDICT_UNSEEN);
	expect(TWO "poll 2 20 25 ok subscribe uncommitted @ t/0 1 2 - - - 1=11\n",
	       VERDICT_LOST_WRITE);
	expect(TWO "poll 2 20 25 ok subscribe uncommitted @ t/0 1 2 - - - 1=11\n"
		   "poll 3 20 25 ok subscribe uncommitted @ t/0 0 2 - - - 0=10\n",
	       VALID);
	/* a scan that failed is none */
	expect(TWO "poll 9 900 950 fail final uncommitted @ t/0 0 1 0 - - 0=10\n",
	       VERDICT_UNSEEN);
}

TEST(what_nobody_can_lead_in_the_end_may_stay_unread_and_no_more)
{
	expect("key t/0 offline\n" TWO, VALID);
	expect("key t/1 offline\n" TWO, VERDICT_UNSEEN);
	/* it was read all the same */
	expect("key t/0 offline\n" TWO SCAN "1 0 - - 0=10\n", VERDICT_UNSEEN);
	expect("key t/0 offline\n" TWO SCAN "2 0 - - 1=11\n",
	       VERDICT_LOST_WRITE);
	expect("key t/0 offline\n"
	       "send 1 0 5 fail t/0 10 all - - 0 -\n"
	       "poll 2 20 25 ok assign uncommitted @ t/0 0 1 - - - 0=10\n",
	       VERDICT_G1A);
}

TEST(a_failed_send_that_is_read_is_G1a)
{
	expect("send 1 0 5 fail t/0 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VERDICT_G1A);
	expect("send 1 0 5 info t/0 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VALID);
	expect("send 1 0 5 fail t/0 10 all - - 0 -\n" SCAN "0 0 - -\n", VALID);
}

TEST(a_value_that_was_not_sent_is_a_phantom)
{
	expect(SCAN "1 0 - - 0=10\n", VERDICT_PHANTOM);
	expect("send 1 0 - open t/1 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VERDICT_PHANTOM);
	expect("send 1 960 970 info t/0 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VERDICT_PHANTOM);
	expect("send 1 940 970 info t/0 10 all - - 0 -\n" SCAN "1 0 - - 0=10\n",
	       VALID);
}

#define FOUR                                                                   \
	TWO "send 1 20 25 ok t/0 12 all - - 0 2\n"                             \
	    "send 1 30 35 ok t/0 13 all - - 0 3\n"
#define SCAN_FOUR SCAN "4 0 - - 0=10 1=11 2=12 3=13\n"
#define A(times) "poll 2 " times " ok assign uncommitted @ t/0 "

TEST(a_poll_must_not_leave_out_a_record_in_between)
{
	expect(FOUR A("40 45") "0 4 - - - 0=10 2=12 3=13\n" SCAN_FOUR,
	       VERDICT_INT_POLL_SKIP);
	/* not in a group either */
	expect(FOUR "poll 2 40 45 ok subscribe uncommitted"
		    " @ t/0 0 4 - - - 0=10 2=12\n" SCAN_FOUR,
	       VERDICT_INT_POLL_SKIP);
	/* nothing is known of offset 1: a control record, perhaps */
	expect("send 1 0 5 ok t/0 10 all - - 0 0\n"
	       "send 1 10 15 ok t/0 12 all - - 0 2\n" A("40 45")
	       "0 3 - - - 0=10 2=12\n" SCAN "3 0 - - 0=10 2=12\n",
	       VALID);
	expect("key t/0 compacted\n" FOUR A("40 45")
	       "0 4 - - - 0=10 2=12 3=13\n" SCAN "4 0 - - 0=10 3=13\n",
	       VALID);
}

TEST(an_assigned_consumer_skips_nothing)
{
	expect(FOUR A("40 45") "0 4 - - - 0=10\n" A("50 55")
	       "2 4 - - - 2=12 3=13\n" SCAN_FOUR,
	       VERDICT_POLL_SKIP);
	expect(FOUR A("40 45") "0 4 - - - 0=10\n"
	       "seek 2 46 46 ok t/0 2\n" A("50 55") "2 4 - - - 2=12 3=13\n"
	       SCAN_FOUR,
	       VALID);
	expect(FOUR A("40 45") "0 4 - - - 0=10\n"
	       "seek 2 46 46 ok t/0 1\n" A("50 55") "2 4 - - - 2=12 3=13\n"
	       SCAN_FOUR,
	       VERDICT_POLL_SKIP);
	expect(FOUR A("40 45") "0 4 - - - 0=10\n"
	       "crash 2 46 46 ok\n" A("50 55") "2 4 - - - 2=12 3=13\n"
	       SCAN_FOUR,
	       VALID);
	/* what it asked for counts as well */
	expect(FOUR A("40 45") "1 4 - - - 3=13\n" SCAN_FOUR,
	       VERDICT_POLL_SKIP);
}

TEST(a_member_of_a_group_may_skip_at_a_rebalance_only)
{
#define S(times) "poll 2 " times " ok subscribe uncommitted @ t/0 "
#define OWN(time, generation)                                                  \
	"own 2 " time " " time " ok g " generation " t/0\n"
	expect(FOUR S("40 45") "0 4 - - - 0=10\n" S("50 55")
	       "2 4 - - - 2=12\n" SCAN_FOUR,
	       VALID);
	expect(FOUR OWN("39", "1") S("40 45") "0 4 - - - 0=10\n" S("50 55")
	       "2 4 - - - 2=12\n" SCAN_FOUR,
	       VERDICT_POLL_SKIP);
	expect(FOUR OWN("39", "1") S("40 45") "0 4 - - - 0=10\n" OWN("46", "2")
	       S("50 55") "2 4 - - - 2=12\n" SCAN_FOUR,
	       VALID);
	expect(FOUR OWN("39", "1") S("40 45") "0 4 - - - 0=10 1=11\n" S("50 55")
	       "0 4 - - - 0=10\n" SCAN_FOUR,
	       VERDICT_NONMONOTONIC_POLL);
}

TEST(a_poll_must_not_go_back)
{
	expect(FOUR A("40 45") "0 4 - - - 0=10 1=11 1=11 2=12\n" SCAN_FOUR,
	       VERDICT_INT_NONMONOTONIC_POLL);
	expect(FOUR A("40 45") "0 4 - - - 0=10 1=11\n" A("50 55")
	       "1 4 - - - 1=11 2=12\n" SCAN_FOUR,
	       VERDICT_NONMONOTONIC_POLL);
	expect(FOUR A("40 45") "0 4 - - - 0=10 1=11\n"
	       "seek 2 46 46 ok t/0 0\n" A("50 55") "0 4 - - - 0=10 1=11\n"
	       SCAN_FOUR,
	       VALID);
	expect(FOUR A("40 45") "0 4 - - - 0=10 1=11\n"
	       "poll 3 50 55 ok assign uncommitted @ t/0 0 4 - - - 0=10\n"
	       SCAN_FOUR,
	       VALID);
}

TEST(an_acknowledged_send_stands_before_what_is_sent_then)
{
	expect("send 1 0 5 ok t/0 10 all - - 0 1\n"
	       "send 1 6 9 ok t/0 11 all - - 0 0\n" SCAN "2 0 - - 0=11 1=10\n",
	       VERDICT_NONMONOTONIC_SEND);
	/* pipelined */
	expect("send 1 0 5 ok t/0 10 all - - 0 1\n"
	       "send 1 4 9 ok t/0 11 all - - 0 0\n" SCAN "2 0 - - 0=11 1=10\n",
	       VALID);
	/* acks=1: the leader may have been none any more */
	expect("send 1 0 5 ok t/0 10 all - - 0 1\n"
	       "send 1 6 9 ok t/0 11 1 - - 0 0\n" SCAN "2 0 - - 1=10\n",
	       VALID);
}

TEST(an_idempotent_producer_keeps_its_order)
{
	expect("send 1 0 50 ok t/0 10 all 7 0 0 1\n"
	       "send 1 1 50 ok t/0 11 all 7 1 0 0\n" SCAN
	       "2 0 - - 0=11 1=10\n",
	       VERDICT_NONMONOTONIC_SEND);
	expect("send 1 0 50 info t/0 10 all 7 0 1 -\n"
	       "send 1 1 50 info t/0 11 all 7 1 1 -\n" SCAN
	       "2 0 - - 0=11 1=10\n",
	       VERDICT_NONMONOTONIC_SEND);
	expect("send 1 0 50 ok t/0 10 all 7 0 0 1\n"
	       "send 1 1 50 ok t/0 11 all 8 1 0 0\n" SCAN
	       "2 0 - - 0=11 1=10\n",
	       VALID);
}

TEST(nobody_reads_at_or_above_the_end_told)
{
	expect(FOUR A("40 45") "0 1 - - - 0=10 1=11\n" SCAN_FOUR,
	       VERDICT_ABOVE_END);
	expect(FOUR A("40 45") "0 2 - - - 0=10 1=11\n" SCAN_FOUR, VALID);
	expect(FOUR "poll 2 40 45 ok assign committed"
		    " @ t/0 0 4 - 1 - 0=10 1=11\n" SCAN_FOUR,
	       VERDICT_ABOVE_END);
	expect(FOUR A("40 45") "0 4 - 1 - 0=10 1=11\n" SCAN_FOUR, VALID);
}

TEST(a_leader_does_not_take_its_high_watermark_back)
{
	expect(FOUR A("40 45") "0 4 - - 3\n" A("50 55") "0 3 - - 3\n" SCAN_FOUR,
	       VERDICT_HW_BACK);
	expect(FOUR A("40 45") "0 4 - - 3\n" A("50 55") "0 3 - - 4\n" SCAN_FOUR,
	       VALID);
	expect(FOUR A("40 45") "0 4 - - -\n" A("50 55") "0 3 - - -\n" SCAN_FOUR,
	       VALID);
	expect(FOUR A("40 45") "0 4 - - 3\n"
	       "poll 3 50 55 ok assign uncommitted @ t/0 0 3 - - 3\n" SCAN_FOUR,
	       VALID);
}

TEST(a_leader_does_not_take_its_log_start_back)
{
#define START "start 5 36 37 ok t/0 2\n"
#define SCAN_LATE "poll 9 900 950 ok final uncommitted @ t/0 2 4 2 - - 2=12 3=13\n"
	expect(FOUR START A("40 45") "2 4 2 - 3\n" A("50 55")
	       "2 4 0 - 3\n" SCAN_LATE,
	       VERDICT_START_BACK);
	expect(FOUR START A("40 45") "2 4 2 - 3\n" A("50 55")
	       "2 4 0 - 4\n" SCAN_LATE,
	       VALID);
}

TEST(a_log_start_does_not_move_without_a_reason)
{
	expect("key t/0 retention\n" FOUR SCAN_LATE, VALID);
	expect(FOUR START SCAN_LATE, VALID);
	expect(FOUR A("40 45") "2 4 2 - -\n" SCAN_FOUR, VERDICT_START_JUMP);
	expect("key t/0 retention\n" FOUR A("40 45") "2 4 2 - -\n" SCAN_FOUR,
	       VALID);
	expect(FOUR "start 5 36 37 fail t/0 2\n" A("40 45")
	       "2 4 2 - -\n" SCAN_FOUR,
	       VERDICT_START_JUMP);
	expect(FOUR "start 5 36 37 info t/0 2\n" A("40 45")
	       "2 4 2 - -\n" SCAN_FOUR,
	       VALID);
}

TEST(what_is_below_the_log_start_may_be_gone_from_then_on)
{
	expect(FOUR "start 5 36 37 ok t/0 2\n"
	       "poll 9 900 950 ok final uncommitted @ t/0 3 4 - - - 3=13\n",
	       VERDICT_LOST_WRITE);
	expect(FOUR "seek 2 38 38 ok t/0 0\n" START A("40 45")
	       "- - - - - 2=12\n" SCAN_LATE,
	       VALID);
	/* not before */
	expect(FOUR "seek 2 38 38 ok t/0 0\n" A("40 45") "- - - - - 2=12\n"
	       "start 5 46 47 ok t/0 2\n" SCAN_LATE,
	       VERDICT_POLL_SKIP);
}

TEST(a_deleted_topic_takes_its_records_along)
{
#define ONE "send 1 0 5 ok t/0 10 all - - 0 0\n"
#define AGAIN                                                                  \
	"send 1 60 65 ok t/0 20 all - - 0 0\n" SCAN "1 0 - - 0=20\n"
	expect(ONE AGAIN, VERDICT_INCONSISTENT_OFFSETS);
	expect(ONE "delete 5 50 55 ok t\n" AGAIN, VALID);
	expect(ONE "delete 5 50 55 ok u\n" AGAIN, VERDICT_INCONSISTENT_OFFSETS);
	expect(ONE "delete 5 50 55 fail t\n" AGAIN,
	       VERDICT_INCONSISTENT_OFFSETS);
	/* it may still happen: nothing can be said */
	expect(ONE "delete 5 50 55 info t\n" AGAIN, VALID);
	/* the second says that the first is over */
	expect(TWO "delete 5 50 55 info t\ndelete 5 56 57 ok t\n"
		   "send 1 60 65 ok t/0 20 all - - 0 0\n" SCAN "0 0 - -\n",
	       VERDICT_UNSEEN);
	/* no record comes back */
	expect(TWO "delete 5 50 55 ok t\n" SCAN "2 0 - - 1=11\n",
	       VERDICT_PHANTOM);
}

TEST(an_operation_across_a_deletion_is_not_judged)
{
	struct verdict v = judged("send 1 0 52 ok t/0 10 all - - 0 0\n"
				  "delete 5 50 55 ok t\n" SCAN "0 0 - -\n",
				  VALID);

	ck_assert_uint_eq(v.unjudged, 1);
	verdict_fini(&v);
}

TEST(a_power_cut_is_a_licence_for_memory_alone)
{
#define AFTER(scan)                                                            \
	TWO "cut - 50 50 ok\n"                                                 \
	    "send 1 60 65 ok t/0 20 all - - 0 1\n" scan
	/* 11 was lost and its offset used again */
	expect("key t/0 memory\n" AFTER(SCAN "2 0 - - 0=10 1=20\n"), VALID);
	expect("key t/0 memory\n" AFTER(SCAN "1 0 - - 0=10\n"), VERDICT_UNSEEN);
	expect(TWO "cut - 50 50 ok\n" SCAN "1 0 - - 0=10\n", VERDICT_UNSEEN);
	expect("key t/0 memory\n" TWO SCAN "1 0 - - 0=10\n", VERDICT_UNSEEN);
	expect("key t/0 memory\n" TWO "fault - 50 50 ok kill 1\n" SCAN
	       "1 0 - - 0=10\n",
	       VERDICT_UNSEEN);
	expect("key t/0 memory\n" TWO "cut - 50 50 ok\n" SCAN "1 0 - - 0=10\n",
	       VALID);
}

#define C(times, outcome, offset)                                              \
	"commit 1 " times " " outcome " g 1 t/0 " offset "\n"
#define F(times, offset) "fetch 2 " times " ok g t/0 " offset "\n"

TEST(a_committed_offset_does_not_go_back)
{
	expect(C("0 5", "ok", "1") C("10 15", "ok", "2") F("20 25", "2"),
	       VALID);
	expect(C("0 5", "ok", "1") C("10 15", "ok", "2") F("20 25", "1"),
	       VERDICT_COMMIT_BACK);
	expect(C("0 5", "ok", "1") C("10 15", "ok", "2") F("20 25", "-"),
	       VERDICT_COMMIT_BACK);
	expect(F("20 25", "-"), VALID);
	/* at the same time, or not known */
	expect(C("0 5", "ok", "1") C("10 22", "ok", "2") F("20 25", "1"),
	       VALID);
	expect(C("0 5", "ok", "1") C("10 15", "info", "2") F("20 25", "1"),
	       VALID);
	expect(C("0 5", "info", "1") C("10 15", "ok", "2") F("20 25", "1"),
	       VALID);
	/* not known, but seen */
	expect(C("0 5", "ok", "1") C("10 15", "info", "2") F("20 25", "2")
	       F("30 35", "1"),
	       VERDICT_COMMIT_BACK);
	expect(C("0 5", "ok", "1") C("10 15", "info", "2") F("20 25", "2")
	       F("24 35", "1"),
	       VALID);
	expect(C("0 5", "ok", "1") C("10 15", "info", "2")
	       C("26 40", "ok", "1") F("20 25", "2") F("30 35", "1"),
	       VALID);
	/* back on purpose */
	expect(C("0 5", "ok", "2") C("10 15", "ok", "1") F("20 25", "1"),
	       VALID);
	/* another group, another partition */
	expect(C("0 5", "ok", "1") "commit 1 10 15 ok h 1 t/0 2\n"
				   "commit 1 10 15 ok g 1 t/1 2\n"
	       F("20 25", "1"),
	       VALID);
}

TEST(a_committed_offset_comes_from_somewhere)
{
	expect(C("0 5", "ok", "1") F("20 25", "3"), VERDICT_COMMIT_PHANTOM);
	expect(C("0 5", "ok", "1") C("6 7", "fail", "3") F("20 25", "3"),
	       VERDICT_COMMIT_PHANTOM);
	expect(C("0 5", "ok", "1") C("24 30", "ok", "3") F("20 25", "3"),
	       VALID);
	expect(C("0 5", "ok", "1") C("26 30", "ok", "3") F("20 25", "3"),
	       VERDICT_COMMIT_PHANTOM);
}

TEST(a_committed_offset_is_not_beyond_the_end)
{
	expect(TWO C("20 25", "ok", "2") SCAN "2 0 - - 0=10 1=11\n", VALID);
	expect(TWO C("20 25", "ok", "3") SCAN "2 0 - - 0=10 1=11\n",
	       VERDICT_COMMIT_BEYOND);
	expect(TWO C("960 965", "ok", "3") SCAN "2 0 - - 0=10 1=11\n", VALID);
	expect("key t/0 memory\n" TWO C("20 25", "ok", "2") "cut - 30 30 ok\n"
	       SCAN "1 0 - - 0=10\n",
	       VALID);
}

TEST(a_partition_has_one_owner_in_a_generation)
{
	expect("own 1 5 5 ok g 3 t/0\nown 2 9 9 ok g 3 t/0\n",
	       VERDICT_TWO_OWNERS);
	expect("own 1 5 5 ok g 3 t/0\nown 2 9 9 ok g 4 t/0\n", VALID);
	expect("own 1 5 5 ok g 3 t/0\nown 2 9 9 ok g 3 t/1\n", VALID);
	expect("own 1 5 5 ok g 3 t/0\nown 2 9 9 ok h 3 t/0\n", VALID);
	expect("own 1 5 5 ok g 3 t/0\nown 1 9 9 ok g 3 t/0\n", VALID);
}

TEST(an_owner_of_old_does_not_commit)
{
	expect("own 1 5 5 ok g 0 t/0\nown 2 9 9 ok g 4 t/0\n"
	       C("10 15", "ok", "1"),
	       VERDICT_COMMIT_FENCED);
	expect("own 1 5 5 ok g 0 t/0\nown 2 9 9 ok g 4 t/0\n"
	       C("8 15", "ok", "1"),
	       VALID);
	expect("own 1 5 5 ok g 0 t/0\nown 2 9 9 ok g 4 t/0\n"
	       C("10 15", "fail", "1"),
	       VALID);
	expect("own 2 9 9 ok g 0 t/0\nown 1 5 5 ok g 4 t/0\n"
	       C("10 15", "ok", "1"),
	       VALID);
	/* the second to last generation was another's */
	expect("own 2 5 5 ok g 3 t/0\nown 1 9 9 ok g 4 t/0\n"
	       C("10 15", "ok", "1"),
	       VERDICT_COMMIT_FENCED);
}

TEST(a_value_is_sent_once)
{
	expect("send 1 0 5 info t/0 10 all - - 0 -\n"
	       "send 1 6 8 info t/0 10 all - - 0 -\n",
	       VERDICT_BAD_HISTORY);
	expect("send 1 6 5 info t/0 10 all - - 0 -\n", VERDICT_BAD_HISTORY);
}

TEST(a_stale_poll_is_counted_and_legal)
{
	struct verdict v = judged(TWO A("20 25") "1 1 - - -\n" SCAN
				      "2 0 - - 0=10 1=11\n",
				  VALID);

	ck_assert_uint_eq(v.stale, 1);
	ck_assert_int_eq(v.stale_worst_us, 5);
	ck_assert_int_eq(v.lag_worst_us, 10);
	ck_assert_uint_eq(v.lag_op, 2);
	verdict_fini(&v);
	/* acknowledged after the poll had begun */
	v = judged(TWO A("14 25") "1 1 - - -\n" SCAN "2 0 - - 0=10 1=11\n",
		   VALID);
	ck_assert_uint_eq(v.stale, 0);
	verdict_fini(&v);
	/* it did not say that this was the end */
	v = judged(TWO A("20 25") "1 2 - - -\n" SCAN "2 0 - - 0=10 1=11\n",
		   VALID);
	ck_assert_uint_eq(v.stale, 0);
	verdict_fini(&v);
}

TEST(all_violations_count_and_some_are_told)
{
	struct buf json = { 0 };
	struct history h;
	struct verdict v;

	history_of(&h, SCAN "3 0 - - 0=10 1=11 2=12\n");
	verdict_judge(&h, 2, &v);
	ck_assert_uint_eq(v.errors[VERDICT_PHANTOM], 3);
	ck_assert_uint_eq(v.violations, 3);
	ck_assert_str_eq(
		buf_c(&v.lines),
		"phantom t/0: value 10 at offset 0 was not sent there: read by"
		" final read #0 of process 9 (900-950 us, ok)\n"
		"phantom t/0: value 11 at offset 1 was not sent there: read by"
		" final read #0 of process 9 (900-950 us, ok)\n");
	verdict_json(&v, &json);
	ck_assert_ptr_nonnull(strstr(buf_c(&json),
				     "\"errors\":{\"phantom\":3},\"ops\":1,"));
	ck_assert_ptr_nonnull(strstr(buf_c(&json), "\"valid\":false"));
	buf_fini(&json);
	verdict_fini(&v);
	history_fini(&h);
}
