/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loss: a broker says that its copy of a partition is damaged or gone. It
 * begins again as one that has nothing, so it must first be nobody that counts:
 * not in sync, not eligible (KIP-966), not a leader.
 *
 * 1. The leader's epoch grows even where the leader stays: all that was told
 *    to it under the old one, and whatever of that is still on its way, does
 *    not count any more (KIP-101, KIP-320).
 * 2. Where nobody who has the data is there to lead, the broker stays the last
 *    known leader: its copy may be mended, and then leads again.
 */
#include "state.h"

static void bump(struct change *x, struct partition *p, bool noted)
{
	p->leader_epoch++;
	if (noted)
		return;
	p->partition_epoch++;
	change_note_partition(x, p);
}

static int16_t lose(struct change *x, struct partition *p, int32_t broker)
{
	struct topic_rules rules = topic_rules(x->c, p->topic);
	struct isr_change how = { .how = ELECT_ONLINE, .lost = broker };
	int32_t epoch = p->leader_epoch;
	bool changed;

	/* one that is not heard may be gone itself: it does not count */
	how.lost_for_ever = elect_has_other(x, &p->isr, broker) ||
			    elect_has_other(x, &p->elr, broker);
	changed = partition_without(x, p, &rules, broker, &how);
	if (p->leader_epoch == epoch)
		bump(x, p, changed);
	if (p->leader >= 0 || how.lost_for_ever ||
	    (p->last_known_leader >= 0 && p->last_known_leader != broker))
		return K_NONE;
	return K_ELIGIBLE_LEADERS_NOT_AVAILABLE;
}

static int16_t check(const struct partition *p, int32_t broker,
		     int32_t leader_epoch)
{
	if (!p || !int32s_has(&p->replicas, broker))
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	if (leader_epoch > p->leader_epoch)
		return K_UNKNOWN_LEADER_EPOCH;
	if (leader_epoch < p->leader_epoch)
		return K_FENCED_LEADER_EPOCH;
	return K_NONE;
}

static void lose_one(struct change *x, int32_t broker, struct topic *t,
		     const struct lose_replicas_command_partition *m,
		     struct alter_partition_response_partition *out)
{
	struct partition *p = NULL;

	out->partition_index = m->partition;
	if (!t) {
		out->error_code = K_UNKNOWN_TOPIC_ID;
		return;
	}
	if (m->partition >= 0 && m->partition < t->partitions_n)
		p = &t->partitions[m->partition];
	out->error_code = check(p, broker, m->leader_epoch);
	if (out->error_code != K_NONE)
		return;
	out->error_code = lose(x, p, broker);
	partition_describe(x, p, out);
}

void apply_lose_replicas(struct change *x, const void *command)
{
	const struct lose_replicas_command *m = command;
	struct alter_partition_response *answer =
		change_answer(x, &alter_partition_response_type);

	if (!broker_of_epoch(x->c, m->broker_id, m->broker_epoch)) {
		answer->error_code = x->out->error = K_STALE_BROKER_EPOCH;
		return;
	}
	answer->topics_n = m->topics_n;
	answer->topics = wire_new(&alter_partition_response_topic_type,
				  m->topics_n, x->arena);
	for (int32_t i = 0; i < m->topics_n; i++) {
		const struct lose_replicas_command_topic *asked =
			&m->topics[i];
		struct alter_partition_response_topic *out =
			&answer->topics[i];
		struct topic *t = topic_of_id(x->c, asked->topic_id);

		out->topic_id = asked->topic_id;
		out->partitions_n = asked->partitions_n;
		out->partitions =
			wire_new(&alter_partition_response_partition_type,
				 asked->partitions_n, x->arena);
		for (int32_t k = 0; k < asked->partitions_n; k++)
			lose_one(x, m->broker_id, t, &asked->partitions[k],
				 &out->partitions[k]);
	}
}
