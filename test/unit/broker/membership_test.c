/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers that come, fall silent, stop and come back: KIP-500, 631, 966. */
#include "council.h"

static struct council c;

TEST(a_cluster_founds_itself_and_everybody_gets_ready)
{
	council_init(&c, 3, "min.insync.replicas=1");
	council_pass(&c, 200);
	ck_assert_int_eq(c.log_n, 0); /* nobody leads */
	council_lead(&c, 2);
	council_pass(&c, 30);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(c.nodes[i].ready, 1);
	ck_assert_str_eq(council_brokers(&c, 3), "1 active 2 active 3 active");
	ck_assert(!uuid_is_zero(c.nodes[0].cluster->id));
	/* the file counted when the cluster was formed */
	ck_assert_str_eq(setting_of_broker(c.nodes[2].cluster, NULL, -1,
					   SETTING_MIN_INSYNC_REPLICAS), "1");
	ck_assert_str_eq(cluster_broker(c.nodes[0].cluster, 3)->host, "host");
	ck_assert_int_eq(cluster_broker(c.nodes[0].cluster, 3)->port, 9003);
	ck_assert_int_eq(cluster_broker(c.nodes[0].cluster, 3)->peer_port,
			 7003);
	council_fini(&c);
}

TEST(idle_brokers_agree_on_nothing)
{
	int before;

	council_init(&c, 3, NULL);
	council_begin(&c);
	before = c.log_n;
	council_pass(&c, 5000);
	ck_assert_int_eq(c.log_n, before);
	council_fini(&c);
}

TEST(a_frozen_broker_loses_its_leaderships_within_its_session)
{
	int32_t leader;

	council_init(&c, 3, NULL);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 3), K_NONE);
	node_of(&c, 2)->frozen = true;
	council_pass(&c, 500);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 active");
	council_pass(&c, 180);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 fenced 3 active");
	for (int i = 0; i < 3; i++) {
		leader = council_partition(&c, 1, "t", i)->leader;
		ck_assert(leader == 1 || leader == 3);
	}
	node_of(&c, 2)->frozen = false;
	council_pass(&c, 200);
	ck_assert_str_eq(council_brokers(&c, 3), "1 active 2 active 3 active");
	ck_assert_int_eq(node_of(&c, 2)->ready, 1);
	council_fini(&c);
}

TEST(a_killed_broker_is_given_up_after_two_heartbeats)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	council_stop(&c, 3, false);
	council_pass(&c, 80);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 active");
	council_pass(&c, 50);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 fenced");
	council_start(&c, 3);
	council_pass(&c, 60);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 active");
	ck_assert_int_eq(node_of(&c, 3)->ready, 1);
	council_fini(&c);
}

TEST(a_connection_that_comes_back_in_time_costs_nothing)
{
	int before;

	council_init(&c, 3, NULL);
	council_begin(&c);
	before = c.log_n;
	council_cut(&c, 3, true);
	council_pass(&c, 40);
	council_cut(&c, 3, false);
	council_pass(&c, 1000);
	ck_assert_int_eq(c.log_n, before);
	council_fini(&c);
}

/* ---- the lease ----------------------------------------------------------- */

static bool may_serve(int32_t node)
{
	struct member_node *n = node_of(&c, node);

	return broker_lease_ok(n->threads[0], c.now_ms) &&
	       broker_lease_ok(n->threads[1], c.now_ms);
}

TEST(who_does_not_hear_from_the_leader_stops_serving)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	ck_assert(may_serve(2));
	council_cut(&c, 2, true);
	council_pass(&c, 500);
	ck_assert(may_serve(2));
	council_pass(&c, 110);
	ck_assert(!may_serve(2));
	council_cut(&c, 2, false);
	council_pass(&c, 40);
	ck_assert(may_serve(2));
	council_fini(&c);
}

TEST(another_quorum_leader_changes_nothing_for_brokers)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	council_lead(&c, -1);
	council_pass(&c, 400);
	council_lead(&c, 3);
	council_pass(&c, 2);
	for (int i = 1; i <= 3; i++)
		ck_assert(may_serve(i));
	council_pass(&c, 2000);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 2 active 3 active");
	council_fini(&c);
}

TEST(a_heartbeat_is_not_waited_for_when_its_leader_is_gone)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	node_of(&c, 1)->frozen = true; /* takes heartbeats, answers none */
	council_pass(&c, 550);
	council_lead(&c, 2);
	council_pass(&c, 2);
	ck_assert(may_serve(2));
	ck_assert(may_serve(3));
	council_pass(&c, 140); /* the old leader had two heartbeats */
	ck_assert_str_eq(council_brokers(&c, 2), "1 fenced 2 active 3 active");
	council_fini(&c);
}

/* ---- restarts ------------------------------------------------------------ */

TEST(a_clean_stop_leaves_a_mark_that_counts_once)
{
	int64_t epoch;

	council_init(&c, 3, "log.durability=memory");
	council_begin(&c);
	epoch = cluster_broker(c.nodes[0].cluster, 3)->epoch;
	council_stop(&c, 3, true);
	council_start(&c, 3);
	ck_assert_int_eq(membership_take_mark(node_of(&c, 3)->threads[0]), -1);
	council_pass(&c, 100);
	ck_assert_int_gt(cluster_broker(c.nodes[0].cluster, 3)->epoch, epoch);
	ck_assert_int_eq(node_of(&c, 3)->ready, 1);
	council_fini(&c);
}

TEST(the_mark_says_under_which_epoch_it_stopped)
{
	struct member_node *n;

	council_init(&c, 1, NULL);
	council_begin(&c);
	n = node_of(&c, 1);
	ck_assert_int_eq(membership_leave_mark(n->threads[0]), 0);
	ck_assert_int_eq(membership_take_mark(n->threads[0]),
			 membership_epoch(n->threads[0]));
	ck_assert_int_eq(membership_take_mark(n->threads[0]), -1);
	council_fini(&c);
}

TEST(a_single_node_that_was_killed_leads_its_partitions_again)
{
	council_init(&c, 1, NULL);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 2), K_NONE);
	council_lead(&c, -1);
	council_stop(&c, 1, false);
	council_start(&c, 1);
	council_lead(&c, 1);
	council_pass(&c, 40);
	ck_assert_int_eq(node_of(&c, 1)->ready, 1);
	ck_assert_int_eq(council_partition(&c, 1, "t", 1)->leader, 1);
	council_fini(&c);
}

/* ---- doubles ------------------------------------------------------------- */

TEST(a_second_process_with_the_same_id_is_refused_and_says_why)
{
	struct member_node *n;

	council_init(&c, 4, NULL);
	n = node_of(&c, 4);
	council_lead(&c, 1);
	council_pass(&c, 100);
	council_stop(&c, 4, false);
	n->info.id = 3; /* misconfigured: node 3 runs elsewhere */
	n->id = 3;
	council_start(&c, 4);
	n->id = 3;
	council_pass(&c, 4000);
	ck_assert_ptr_nonnull(n->refused);
	ck_assert_ptr_null(node_of(&c, 3)->refused);
	ck_assert_str_eq(council_brokers(&c, 1),
			 "1 active 2 active 3 active 4 fenced");
	council_fini(&c);
}

TEST(who_has_been_replaced_ends_and_does_not_fight)
{
	struct register_broker_command m;
	struct buf b = { 0 };
	struct member_node *n;

	council_init(&c, 3, NULL);
	council_begin(&c);
	n = node_of(&c, 3);
	wire_preset(&register_broker_command_type, &m);
	m.broker_id = 3;
	m.incarnation.b[5] = 77;
	m.directory = n->info.directory_id; /* a copy of its disk */
	cluster_command(&b, c.nodes[0].cluster, (struct cluster_origin){ 0, 1 },
			&register_broker_command_type, &m);
	c.log[c.log_n++] = (struct agreed){
		1, { arena_dup(&c.arena, b.p, b.n), (int32_t)b.n }, 0, 0 };
	buf_fini(&b);
	council_pass(&c, 200);
	ck_assert_ptr_nonnull(n->refused);
	council_fini(&c);
}

TEST(a_broker_that_was_unregistered_registers_again)
{
	struct unregister_broker_request in = { 2 };
	const struct unregister_broker_response *out;
	int64_t epoch;

	council_init(&c, 3, NULL);
	council_begin(&c);
	epoch = cluster_broker(c.nodes[0].cluster, 2)->epoch;
	out = council_ask(&c, 3, 64, 0, &in);
	ck_assert_int_eq(out->error_code, K_NONE);
	council_pass(&c, 200);
	ck_assert_str_eq(council_brokers(&c, 1), "1 active 3 active 2 active");
	ck_assert_int_gt(cluster_broker(c.nodes[0].cluster, 2)->epoch, epoch);
	in.broker_id = 99;
	out = council_ask(&c, 3, 64, 0, &in);
	ck_assert_int_eq(out->error_code, K_BROKER_ID_NOT_REGISTERED);
	council_fini(&c);
}

/* ---- draining ------------------------------------------------------------ */

static void on_drained(void *ctx)
{
	((struct member_node *)ctx)->drained = true;
}

static void drain(int32_t node, int64_t ms)
{
	struct member_node *n = node_of(&c, node);

	broker_drain(n->threads[0], c.now_ms + ms, on_drained, n);
}

TEST(who_drains_hands_over_and_is_done_at_once)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 6), K_NONE);
	drain(2, 10000);
	council_pass(&c, 60);
	ck_assert(node_of(&c, 2)->drained);
	ck_assert_str_eq(council_brokers(&c, 1),
			 "1 active 2 fenced stopping 3 active");
	for (int i = 0; i < 6; i++)
		ck_assert_int_ne(council_partition(&c, 1, "t", i)->leader, 2);
	council_fini(&c);
}

TEST(the_quorum_leader_drains_as_well)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 6), K_NONE);
	drain(1, 10000);
	council_pass(&c, 60);
	ck_assert(node_of(&c, 1)->drained);
	for (int i = 0; i < 6; i++)
		ck_assert_int_ne(council_partition(&c, 2, "t", i)->leader, 1);
	council_fini(&c);
}

TEST(a_single_node_drains_without_waiting_for_anyone)
{
	council_init(&c, 1, NULL);
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 2), K_NONE);
	drain(1, 10000);
	council_pass(&c, 60);
	ck_assert(node_of(&c, 1)->drained);
	council_fini(&c);
}

TEST(a_drain_ends_at_its_deadline_when_nobody_leads)
{
	council_init(&c, 3, NULL);
	council_begin(&c);
	council_lead(&c, -1);
	drain(2, 700);
	council_pass(&c, 600);
	ck_assert(!node_of(&c, 2)->drained);
	council_pass(&c, 120);
	ck_assert(node_of(&c, 2)->drained);
	council_fini(&c);
}

TEST(who_stops_asks_nothing_more)
{
	enum { HEARTBEAT = 63 };
	int asked;

	council_init(&c, 3, NULL);
	council_begin(&c);
	council_stop(&c, 2, false);
	node_of(&c, 1)->frozen = true;
	asked = c.asked[HEARTBEAT];
	council_pass(&c, 1000);
	ck_assert_int_gt(c.asked[HEARTBEAT], asked);
	broker_stop(node_of(&c, 3)->threads[0]); /* one is under way */
	asked = c.asked[HEARTBEAT];
	node_of(&c, 1)->frozen = false;
	council_pass(&c, 1000);
	ck_assert_int_eq(c.asked[HEARTBEAT], asked);
	council_fini(&c);
}

/* ---- balance ------------------------------------------------------------- */

TEST(leaderships_go_back_to_where_they_are_preferred)
{
	int at_home = 0;

	council_init(&c, 3, "leader.imbalance.check.interval.seconds=1");
	council_begin(&c);
	ck_assert_int_eq(council_create(&c, 1, "t", 6), K_NONE);
	council_stop(&c, 3, true);
	council_pass(&c, 300);
	council_start(&c, 3);
	council_pass(&c, 3000);
	for (int i = 0; i < 6; i++) {
		const struct partition *p = council_partition(&c, 1, "t", i);

		at_home += p->leader == p->replicas.v[0];
	}
	ck_assert_int_eq(at_home, 6);
	council_fini(&c);
}
