/* SPDX-License-Identifier: Apache-2.0 */
/* The birth of a cluster; brokers that come and go (KIP-500, KIP-903). */
#include "stage.h"

static struct register_broker_command hello(int32_t id, uint8_t incarnation)
{
	struct register_broker_command m;

	wire_preset(&register_broker_command_type, &m);
	m.broker_id = id;
	m.incarnation.b[0] = incarnation;
	m.directory.b[0] = (uint8_t)id;
	m.peer_host = STR("p");
	m.peer_port = 19092;
	return m;
}

static int16_t say(struct stage *s, const struct register_broker_command *m)
{
	stage_apply(s, &register_broker_command_type, m);
	return s->fx.error;
}

TEST(the_first_members_are_known_before_they_register)
{
	struct bootstrap_command_member members[] = {
		{ 1, STR("a"), 7001 }, { 2, STR("b"), 7002 },
		{ 3, STR("c"), 7003 },
	};
	struct bootstrap_command_setting set = {
		STR("min.insync.replicas"), STR("1")
	};
	struct bootstrap_command m = { .members_n = 3, .members = members,
				       .settings_n = 1, .settings = &set };
	struct stage s = { .c = cluster_new() };

	m.cluster_id.b[3] = 9;
	stage_apply(&s, &bootstrap_command_type, &m);
	ck_assert_int_eq(s.c->level, 1);
	ck_assert_str_eq(stage_brokers(&s), "1 fenced 2 fenced 3 fenced");
	ck_assert_str_eq(stage_changes(&s), "broker 1 broker 2 broker 3 "
			 "settings -1 bootstrapped");
	ck_assert_str_eq(setting_of_broker(s.c, NULL, 1,
					   SETTING_MIN_INSYNC_REPLICAS), "1");
	m.cluster_id.b[3] = 8; /* another leader had the same idea */
	stage_apply(&s, &bootstrap_command_type, &m);
	ck_assert_int_eq(s.c->id.b[3], 9);
	ck_assert_int_eq(s.fx.changes_n, 0);
	stage_fini(&s);
}

TEST(a_topic_made_while_members_start_gets_all_its_replicas)
{
	struct stage s = stage_of("brokers 1 2f 3f\n");

	ck_assert_int_eq(stage_create(&s, "t", 1, -1, NULL), K_NONE);
	ck_assert_int_eq(cluster_partition(s.c, STR("t"), 0)->replicas.n, 3);
	ck_assert_int_eq(cluster_partition(s.c, STR("t"), 0)->isr.n, 1);
	ck_assert_int_eq(cluster_partition(s.c, STR("t"), 0)->leader, 1);
	stage_fini(&s);
}

TEST(the_same_process_may_register_twice_and_keeps_its_epoch)
{
	struct stage s = stage_of("brokers 7\n");
	struct register_broker_command m = hello(1, 1);
	const struct broker_registration_response *answer;
	int64_t epoch;

	ck_assert_int_eq(say(&s, &m), K_NONE);
	answer = s.fx.result;
	epoch = answer->broker_epoch;
	stage_unfence(&s, 1);
	ck_assert_int_eq(say(&s, &m), K_NONE);
	answer = s.fx.result;
	ck_assert_int_eq(answer->broker_epoch, epoch);
	ck_assert(cluster_broker_active(s.c, 1));
	m = hello(1, 2);
	ck_assert_int_eq(say(&s, &m), K_NONE);
	answer = s.fx.result;
	ck_assert_int_gt(answer->broker_epoch, epoch);
	ck_assert(!cluster_broker_active(s.c, 1));
	stage_fini(&s);
}

TEST(a_second_process_with_the_id_of_a_living_broker_is_refused)
{
	struct stage s = stage_of("brokers 7\n");
	struct register_broker_command m = hello(1, 1);

	m.alive = true; /* of nobody: does not matter */
	ck_assert_int_eq(say(&s, &m), K_NONE);
	m = hello(1, 2);
	m.alive = true;
	ck_assert_int_eq(say(&s, &m), K_DUPLICATE_BROKER_REGISTRATION);
	stage_stop(&s, 1); /* the old one has said that it goes */
	ck_assert_int_eq(say(&s, &m), K_NONE);
	stage_fini(&s);
}

TEST(a_program_that_cannot_play_the_level_is_refused)
{
	struct stage s = stage_of("brokers 7\n");
	struct register_broker_command m = hello(1, 1);
	struct set_level_command up = { .level = 2 };

	m.level_min = 2;
	m.level_max = 3;
	ck_assert_int_eq(say(&s, &m), K_UNSUPPORTED_VERSION);
	ck_assert_ptr_null(cluster_broker(s.c, 1));
	stage_apply(&s, &set_level_command_type, &up); /* 7 cannot play it */
	ck_assert_int_eq(s.fx.error, K_INVALID_UPDATE_VERSION);
	up.level = 0;
	stage_apply(&s, &set_level_command_type, &up);
	ck_assert_int_eq(s.fx.error, K_INVALID_UPDATE_VERSION);
	stage_fini(&s);
}

TEST(there_is_a_limit_to_brokers)
{
	struct stage s = stage_of("brokers 1 2\n");
	struct register_broker_command m = hello(3, 1);

	m.brokers_max = 2;
	ck_assert_int_eq(say(&s, &m), K_POLICY_VIOLATION);
	m.broker_id = 2;
	ck_assert_int_eq(say(&s, &m), K_NONE);
	stage_fini(&s);
}

TEST(a_stale_epoch_changes_nothing)
{
	struct stage s = stage_of("brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n");
	struct set_broker_state_command m = { .broker_id = 1,
					      .broker_epoch = 1, .fence = 1 };

	stage_restart(&s, 1, true, true);
	stage_unfence(&s, 1);
	stage_apply(&s, &set_broker_state_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_STALE_BROKER_EPOCH);
	ck_assert(cluster_broker_active(s.c, 1));
	m.broker_id = 9;
	stage_apply(&s, &set_broker_state_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_STALE_BROKER_EPOCH);
	stage_fini(&s);
}

TEST(an_unregistered_broker_leads_nothing_and_is_gone)
{
	struct unregister_broker_command m = { .broker_id = 1 };
	struct stage s = stage_of("brokers 1 2\ntopic t\n"
		"0 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-\n");

	stage_apply(&s, &unregister_broker_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_NONE);
	ck_assert_str_eq(stage_brokers(&s), "2 active");
	ck_topics(&s, "topic t\n"
		"0 leader=2 epoch=1 version=1 replicas=1,2 isr=2 elr=- last=-\n");
	stage_apply(&s, &unregister_broker_command_type, &m);
	ck_assert_int_eq(s.fx.error, K_BROKER_ID_NOT_REGISTERED);
	stage_fini(&s);
}

TEST(a_stopping_broker_is_not_unfenced_by_a_late_heartbeat)
{
	struct stage s = stage_of("brokers 1 2\n");

	stage_stop(&s, 1);
	stage_fence(&s, 1);
	stage_unfence(&s, 1);
	ck_assert_str_eq(stage_brokers(&s), "1 fenced stopping 2 active");
	stage_restart(&s, 1, true, true);
	stage_unfence(&s, 1);
	ck_assert_str_eq(stage_brokers(&s), "1 active 2 active");
	stage_fini(&s);
}
