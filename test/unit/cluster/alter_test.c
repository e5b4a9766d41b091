/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that change: KIP-133, KIP-226, KIP-339. */
#include "stage.h"

enum { SET, DELETE, APPEND, SUBTRACT };
enum { TOPIC = 2, BROKER = 4, GROUP = 32 };

struct op {
	int8_t op;
	const char *name, *value;
};

static int16_t alter(struct stage *s, int8_t type, const char *name,
		     bool replace, const struct op *ops)
{
	struct alter_settings_command_entry e[8];
	struct alter_settings_command_resource r = {
		.type = type, .name = str_of(name), .replace = replace,
		.entries = e,
	};
	struct alter_settings_command m = { 1, &r };
	const struct incremental_alter_configs_response *answer;

	for (; ops && ops[r.entries_n].name; r.entries_n++)
		e[r.entries_n] = (struct alter_settings_command_entry){
			.name = str_of(ops[r.entries_n].name),
			.op = ops[r.entries_n].op,
			.value = str_of(ops[r.entries_n].value),
			.fallback = STR("delete"),
		};
	stage_apply(s, &alter_settings_command_type, &m);
	answer = s->fx.result;
	return answer->responses[0].error_code;
}

#define OPS(...) ((const struct op[]){ __VA_ARGS__, { 0 } })
#define ONE                                                                    \
	"brokers 1 2 3\ntopic t\n"                                             \
	"0 leader=1 epoch=5 version=9 replicas=1,2,3 isr=1 elr=2 last=-\n"

static const char *topic_value(struct stage *s, enum setting_id id)
{
	return setting_of_topic(s->c, NULL, cluster_topic(s->c, STR("t")), id);
}

TEST(settings_are_set_deleted_and_replaced)
{
	struct stage s = stage_of(ONE);

	ck_assert_int_eq(alter(&s, TOPIC, "t", false,
			       OPS({ SET, "retention.ms", "5" },
				   { SET, "segment.bytes", "99999" })), K_NONE);
	ck_assert_str_eq(stage_changes(&s), "configured t");
	ck_assert_str_eq(topic_value(&s, SETTING_RETENTION_MS), "5");
	ck_assert_int_eq(alter(&s, TOPIC, "t", false,
			       OPS({ DELETE, "retention.ms", NULL })), K_NONE);
	ck_assert_str_eq(topic_value(&s, SETTING_RETENTION_MS), "604800000");
	ck_assert_str_eq(topic_value(&s, SETTING_SEGMENT_BYTES), "99999");
	ck_assert_int_eq(alter(&s, TOPIC, "t", true,
			       OPS({ SET, "retention.ms", "6" })), K_NONE);
	ck_assert_str_eq(topic_value(&s, SETTING_RETENTION_MS), "6");
	ck_assert_str_eq(topic_value(&s, SETTING_SEGMENT_BYTES), "1073741824");
	stage_fini(&s);
}

TEST(lists_grow_and_shrink_word_by_word)
{
	struct stage s = stage_of(ONE);

	ck_assert_int_eq(alter(&s, TOPIC, "t", false, OPS({ APPEND,
			       "cleanup.policy", "compact, delete" })), K_NONE);
	ck_assert_str_eq(topic_value(&s, SETTING_CLEANUP_POLICY),
			 "delete,compact");
	ck_assert_int_eq(alter(&s, TOPIC, "t", false, OPS({ SUBTRACT,
			       "cleanup.policy", "delete" })), K_NONE);
	ck_assert_str_eq(topic_value(&s, SETTING_CLEANUP_POLICY), "compact");
	ck_assert_int_eq(alter(&s, TOPIC, "t", false,
			       OPS({ SET, "retention.ms", "5" },
				   { SUBTRACT, "cleanup.policy", "compact" })),
			 K_INVALID_CONFIG);
	ck_assert_int_eq(s.fx.changes_n, 0); /* as a whole or not at all */
	ck_assert_str_eq(topic_value(&s, SETTING_RETENTION_MS), "604800000");
	stage_fini(&s);
}

TEST(a_value_is_looked_for_from_the_topic_to_the_default)
{
	struct stage s = stage_of(ONE);
	struct node_settings n;

	node_settings_preset(&n);
	n.values[SETTING_NODE_ID] = "1";
	n.values[SETTING_LOG_RETENTION_MS] = "4";
	n.sources[SETTING_LOG_RETENTION_MS] = "file:1";
	const struct topic *t = cluster_topic(s.c, STR("t"));
	enum setting_id id = SETTING_RETENTION_MS;

	ck_assert_str_eq(setting_of_topic(s.c, &n, t, id), "4");
	alter(&s, BROKER, "", false, OPS({ SET, "log.retention.ms", "3" }));
	ck_assert_str_eq(stage_changes(&s), "settings -1");
	ck_assert_str_eq(setting_of_topic(s.c, &n, t, id), "3");
	alter(&s, BROKER, "1", false, OPS({ SET, "log.retention.ms", "2" }));
	ck_assert_str_eq(stage_changes(&s), "settings 1");
	ck_assert_str_eq(setting_of_topic(s.c, &n, t, id), "2");
	alter(&s, TOPIC, "t", false, OPS({ SET, "retention.ms", "1" }));
	ck_assert_str_eq(setting_of_topic(s.c, &n, t, id), "1");

	struct setting_place places[SETTING_PLACES_MAX];

	ck_assert_int_eq(5, setting_places(
		&(struct setting_view){ s.c, &n, 1, t, STR_NULL }, id, places));
	for (int i = 0; i < 5; i++) {
		static const char *const values[] = { "1", "2", "3", "4",
						      "604800000" };

		ck_assert_int_eq(places[i].source, i + 1);
		ck_assert_str_eq(places[i].value, values[i]);
		ck_assert_str_eq(places[i].name, i ? "log.retention.ms" :
						     "retention.ms");
	}
	stage_fini(&s);
}

TEST(what_apply_acts_on_does_not_come_from_a_node)
{
	struct stage s = stage_of(ONE);
	struct node_settings n;
	const struct topic *t = cluster_topic(s.c, STR("t"));

	node_settings_preset(&n);
	n.values[SETTING_MIN_INSYNC_REPLICAS] = "3";
	n.sources[SETTING_MIN_INSYNC_REPLICAS] = "flag";
	ck_assert_str_eq(setting_of_topic(s.c, &n, t,
					  SETTING_MIN_INSYNC_REPLICAS), "-1");
	ck_assert_int_eq(cluster_min_isr(s.c, t, 3), 2);
	ck_assert_int_eq(cluster_min_isr(s.c, t, 2), 1);
	ck_assert_int_eq(cluster_min_isr(s.c, t, 1), 1);
	alter(&s, BROKER, "", false, OPS({ SET, "min.insync.replicas", "3" }));
	ck_assert_int_eq(cluster_min_isr(s.c, t, 3), 3);
	ck_assert_int_eq(cluster_min_isr(s.c, t, 2), 2);
	stage_fini(&s);
}

/* KIP-966: from now on the leader commits alone; nobody else has that. */
TEST(a_lower_minimum_ends_eligibility)
{
	struct stage s = stage_of(ONE);

	alter(&s, TOPIC, "t", false, OPS({ SET, "min.insync.replicas", "1" }));
	ck_assert_str_eq(stage_changes(&s), "configured t t/0");
	ck_topics(&s, "topic t\nset min.insync.replicas=1\n"
		"0 leader=1 epoch=5 version=10 replicas=1,2,3 isr=1 elr=- last=-\n");
	stage_fini(&s);
	s = stage_of(ONE);
	alter(&s, BROKER, "", false, OPS({ SET, "min.insync.replicas", "1" }));
	ck_assert_str_eq(stage_changes(&s), "settings -1 t/0");
	stage_fini(&s);
}

TEST(allowing_unclean_elections_holds_them_at_once)
{
	struct stage s = stage_of("brokers 1f 2\ntopic t\n"
		"0 leader=-1 epoch=5 version=9 replicas=1,2 isr=- elr=1 last=1\n");

	alter(&s, TOPIC, "t", false,
	      OPS({ SET, "unclean.leader.election.enable", "true" }));
	ck_topics(&s, "topic t\nset unclean.leader.election.enable=true\n"
		"0 leader=2 epoch=6 version=10 replicas=1,2 isr=2 elr=- last=-\n");
	stage_fini(&s);
}

TEST(groups_have_settings_of_their_own)
{
	struct stage s = stage_of(ONE);
	const struct op *ops =
		OPS({ SET, "consumer.session.timeout.ms", "50000" });

	ck_assert_int_eq(alter(&s, GROUP, "g", false, ops), K_NONE);
	ck_assert_str_eq(stage_changes(&s), "group g");
	ck_assert_str_eq(setting_of_group(s.c, NULL, STR("g"),
			 SETTING_CONSUMER_SESSION_TIMEOUT_MS), "50000");
	ck_assert_str_eq(setting_of_group(s.c, NULL, STR("h"),
			 SETTING_CONSUMER_SESSION_TIMEOUT_MS), "45000");
	ck_assert_int_eq(alter(&s, GROUP, "g", true, NULL), K_NONE);
	ck_assert_uint_eq(map_count(&s.c->group_settings), 0);
	stage_fini(&s);
}

TEST(resources_that_do_not_exist)
{
	struct stage s = stage_of(ONE);

	ck_assert_int_eq(alter(&s, TOPIC, "u", false, NULL),
			 K_UNKNOWN_TOPIC_OR_PARTITION);
	ck_assert_int_eq(alter(&s, BROKER, "9", false, NULL),
			 K_BROKER_ID_NOT_REGISTERED);
	ck_assert_int_eq(alter(&s, BROKER, "x", false, NULL),
			 K_INVALID_REQUEST);
	ck_assert_int_eq(alter(&s, GROUP, "", false, NULL), K_INVALID_REQUEST);
	ck_assert_int_eq(alter(&s, 77, "x", false, NULL), K_INVALID_REQUEST);
	stage_fini(&s);
}
