/* SPDX-License-Identifier: Apache-2.0 */
/* chance: see chance.h */
#include "chance.h"

enum { BROKERS = 5, NAMES = 6 };
static const char *const names[NAMES] = { "a", "b", "c.d", "c_d", "e", "f" };

static int32_t pick(struct prng *p, int32_t n)
{
	return (int32_t)prng_below(p, (uint64_t)n);
}

static struct str pick_name(struct prng *p)
{
	return str_of(names[pick(p, NAMES)]);
}

static struct bytes encode(struct stage *s, struct prng *p,
			   const struct wire_type *type, const void *m)
{
	struct buf b = { 0 };
	struct bytes out;

	cluster_command(&b, s->c,
			(struct cluster_origin){ s->c->applied * 10,
						 prng_next(p) }, type, m);
	out.n = (int32_t)b.n;
	out.p = arena_dup(&s->arena, b.p, b.n);
	buf_fini(&b);
	return out;
}

static struct bytes register_one(struct stage *s, struct prng *p)
{
	struct register_broker_command_listener l = { STR("PLAINTEXT"),
						      STR("h"), 9092, 0 };
	struct register_broker_command m;
	const struct broker_info *b;

	wire_preset(&register_broker_command_type, &m);
	m.broker_id = 1 + pick(p, BROKERS);
	b = cluster_broker(s->c, m.broker_id);
	m.incarnation = prng_uuid(p);
	m.directory.b[0] = (uint8_t)m.broker_id;
	if (pick(p, 8) == 0)
		m.directory = prng_uuid(p);
	if (b && pick(p, 2))
		m.previous_epoch = b->epoch;
	if (b && pick(p, 4) == 0)
		m.incarnation = b->incarnation;
	m.listeners_n = 1;
	m.listeners = &l;
	m.peer_host = STR("p");
	m.alive = pick(p, 8) == 0;
	if (m.broker_id > 2)
		m.rack = m.broker_id % 2 ? STR("odd") : STR("even");
	return encode(s, p, &register_broker_command_type, &m);
}

static struct bytes state_of_one(struct stage *s, struct prng *p, int8_t fence,
				 bool stopping)
{
	struct set_broker_state_command m = { .broker_id =
						      1 + pick(p, BROKERS) };
	const struct broker_info *b = cluster_broker(s->c, m.broker_id);

	m.broker_epoch = b ? b->epoch : 1;
	if (pick(p, 16) == 0)
		m.broker_epoch--;
	m.fence = fence;
	m.stopping = stopping;
	return encode(s, p, &set_broker_state_command_type, &m);
}

static struct bytes create_one(struct stage *s, struct prng *p)
{
	struct create_topics_command_setting set[] = {
		{ STR("min.insync.replicas"), pick(p, 2) ? STR("1") : STR("2") },
		{ STR("unclean.leader.election.enable"), STR("true") },
		{ STR("durability"), STR("memory") },
	};
	struct create_topics_command_topic t;
	struct create_topics_command m;

	wire_preset(&create_topics_command_type, &m);
	wire_preset(&create_topics_command_topic_type, &t);
	t.name = pick_name(p);
	t.num_partitions = pick(p, 6) - 1;
	t.replication_factor = (int16_t)(pick(p, 6) - 1);
	t.settings_n = 0;
	t.settings = &set[pick(p, 3)];
	t.settings_n = pick(p, 2);
	m.topics_n = 1;
	m.topics = &t;
	m.cluster_max = 20;
	return encode(s, p, &create_topics_command_type, &m);
}

static struct bytes delete_one(struct stage *s, struct prng *p)
{
	struct delete_topics_command_topic t = { pick_name(p), { { 0 } } };
	struct delete_topics_command m = { 1, &t };

	return encode(s, p, &delete_topics_command_type, &m);
}

static struct bytes grow_one(struct stage *s, struct prng *p)
{
	struct create_partitions_command_topic t = {
		.name = pick_name(p), .count = pick(p, 9), .assignments_n = -1,
	};
	struct create_partitions_command m;

	wire_preset(&create_partitions_command_type, &m);
	m.topics_n = 1;
	m.topics = &t;
	m.cluster_max = 20;
	return encode(s, p, &create_partitions_command_type, &m);
}

static struct bytes alter_one(struct stage *s, struct prng *p)
{
	struct alter_settings_command_entry e[] = {
		{ STR("min.insync.replicas"), 0,
		  pick(p, 2) ? STR("1") : STR("3"), STR(""), false },
		{ STR("unclean.leader.election.enable"), 0,
		  pick(p, 2) ? STR("true") : STR("false"), STR(""), false },
		{ STR("cleanup.policy"), (int8_t)(2 + pick(p, 2)),
		  STR("compact"), STR("delete"), false },
		{ STR("min.insync.replicas"), 1, STR_NULL, STR(""), false },
	};
	struct alter_settings_command_resource r = {
		.type = 2, .name = pick_name(p), .replace = pick(p, 9) == 0,
		.entries_n = 1, .entries = &e[pick(p, 4)],
	};
	struct alter_settings_command m = { 1, &r };

	if (pick(p, 6) == 0) {
		r.type = 4;
		r.name = STR("");
	}
	return encode(s, p, &alter_settings_command_type, &m);
}

static const struct partition *pick_partition(struct stage *s, struct prng *p)
{
	const struct topic *t = cluster_topic(s->c, pick_name(p));

	return t ? &t->partitions[pick(p, t->partitions_n)] : NULL;
}

static struct bytes isr_of_one(struct stage *s, struct prng *p)
{
	const struct partition *part = pick_partition(s, p);
	struct alter_isr_command_broker v[BROKERS];
	struct alter_isr_command_partition mp = { .isr = v };
	struct alter_isr_command_topic mt = { .partitions_n = 1,
					      .partitions = &mp };
	struct alter_isr_command m = { .topics_n = 1, .topics = &mt };

	if (!part || part->leader < 0 || !cluster_broker(s->c, part->leader))
		return create_one(s, p);
	m.broker_id = part->leader;
	m.broker_epoch = cluster_broker(s->c, part->leader)->epoch;
	mt.topic_id = part->topic->id;
	mp.partition = part->index;
	mp.leader_epoch = part->leader_epoch - (pick(p, 16) == 0);
	mp.partition_epoch = part->partition_epoch - (pick(p, 16) == 0);
	for (int32_t i = 0; i < part->replicas.n; i++) {
		int32_t id = part->replicas.v[i];

		if (id == part->leader || pick(p, 3))
			v[mp.isr_n++] = (struct alter_isr_command_broker){
				id, cluster_broker_epoch(s->c, id)
			};
	}
	return encode(s, p, &alter_isr_command_type, &m);
}

static struct bytes elect_some(struct stage *s, struct prng *p)
{
	int32_t index = pick(p, 4);
	struct elect_leaders_command_topic t = { pick_name(p), 1, &index };
	struct elect_leaders_command m = { .type = pick(p, 6) == 0,
					   .topics_n = pick(p, 2) ? 1 : -1,
					   .topics = &t };

	return encode(s, p, &elect_leaders_command_type, &m);
}

static struct bytes unregister_one(struct stage *s, struct prng *p)
{
	struct unregister_broker_command m = { 1 + pick(p, BROKERS) };

	return encode(s, p, &unregister_broker_command_type, &m);
}

struct bytes chance_loss(struct stage *s, struct prng *p)
{
	const struct partition *part = pick_partition(s, p);
	struct lose_replicas_command_partition mp;
	struct lose_replicas_command_topic mt = { .partitions_n = 1,
						  .partitions = &mp };
	struct lose_replicas_command m = { .topics_n = 1, .topics = &mt };

	if (!part)
		return create_one(s, p);
	m.broker_id = part->replicas.v[pick(p, part->replicas.n)];
	m.broker_epoch = cluster_broker_epoch(s->c, m.broker_id);
	mt.topic_id = part->topic->id;
	mp.partition = part->index;
	mp.leader_epoch = part->leader_epoch - (pick(p, 16) == 0);
	return encode(s, p, &lose_replicas_command_type, &m);
}

struct bytes chance_command(struct stage *s, struct prng *p)
{
	switch (pick(p, 24)) {
	case 0: case 1: case 2:
		return register_one(s, p);
	case 3: case 4:
		return state_of_one(s, p, 1, false);
	case 5: case 6: case 7: case 8: case 9:
		return state_of_one(s, p, 2, false);
	case 10:
		return state_of_one(s, p, 0, true);
	case 11: case 12: case 13:
		return create_one(s, p);
	case 14:
		return pick(p, 4) ? grow_one(s, p) : delete_one(s, p);
	case 15:
		return grow_one(s, p);
	case 16: case 17:
		return alter_one(s, p);
	case 18: case 19: case 20: case 21:
		return isr_of_one(s, p);
	case 22:
		return elect_some(s, p);
	default:
		return pick(p, 8) ? isr_of_one(s, p) : unregister_one(s, p);
	}
}

struct stage chance_stage(uint64_t seed)
{
	struct bootstrap_command_member members[] = {
		{ 1, STR("a"), 1 }, { 2, STR("b"), 2 }, { 3, STR("c"), 3 },
	};
	struct bootstrap_command m = { .members_n = 3, .members = members };
	struct stage s = { .c = cluster_new(), .seed = seed };

	m.cluster_id.b[0] = 1;
	stage_apply(&s, &bootstrap_command_type, &m);
	return s;
}
