/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isr: a leader asks for another set of in-sync replicas. KIP-497 (epochs of
 * partitions), KIP-841 (nobody fenced or stopping), KIP-903 (nobody who has
 * registered anew since the leader saw it).
 */
#include "state.h"

static bool same_members(const struct partition *p,
			 const struct alter_isr_command_partition *m)
{
	if (m->isr_n != p->isr.n)
		return false;
	for (int32_t i = 0; i < m->isr_n; i++)
		if (!int32s_has(&p->isr, m->isr[i].id))
			return false;
	return true;
}

/* A set of replicas with the leader among them. */
static bool is_legal(const struct partition *p,
		     const struct alter_isr_command_partition *m)
{
	bool leader = false;

	for (int32_t i = 0; i < m->isr_n; i++) {
		if (!int32s_has(&p->replicas, m->isr[i].id))
			return false;
		for (int32_t k = 0; k < i; k++)
			if (m->isr[k].id == m->isr[i].id)
				return false;
		leader |= m->isr[i].id == p->leader;
	}
	return leader;
}

/* The leader itself may stop: it leads on when nobody else can. */
static bool is_eligible(const struct change *x, const struct partition *p,
			const struct alter_isr_command_broker *m)
{
	const struct broker_info *b = cluster_broker(x->c, m->id);

	if (!b || b->fenced || (b->stopping && m->id != p->leader))
		return false;
	return m->epoch == -1 || m->epoch == b->epoch;
}

static int16_t check(const struct change *x, int32_t broker,
		     const struct partition *p,
		     const struct alter_isr_command_partition *m)
{
	if (!p)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	if (m->leader_epoch > p->leader_epoch ||
	    m->partition_epoch > p->partition_epoch)
		return K_NOT_CONTROLLER;
	if (m->leader_epoch < p->leader_epoch)
		return K_FENCED_LEADER_EPOCH;
	if (broker != p->leader)
		return K_INVALID_REQUEST;
	if (m->partition_epoch < p->partition_epoch)
		return K_INVALID_UPDATE_VERSION;
	if (!is_legal(p, m))
		return K_INVALID_REQUEST;
	for (int32_t i = 0; i < m->isr_n; i++)
		if (!is_eligible(x, p, &m->isr[i]))
			return K_INELIGIBLE_REPLICA;
	return K_NONE;
}

static void settle(struct change *x, struct partition *p,
		   const struct alter_isr_command_partition *m)
{
	struct topic_rules rules = topic_rules(x->c, p->topic);
	struct isr_change change = { .how = ELECT_ONLINE, .lost = -1 };
	int32_t *isr = arena_alloc(x->arena,
				   (size_t)m->isr_n * sizeof(*isr));

	for (int32_t i = 0; i < m->isr_n; i++)
		isr[i] = m->isr[i].id;
	change.isr = isr;
	change.isr_n = m->isr_n;
	partition_settle(x, p, &rules, &change);
}

void partition_describe(struct change *x, const struct partition *p,
			struct alter_partition_response_partition *out)
{
	out->leader_id = p->leader;
	out->leader_epoch = p->leader_epoch;
	out->partition_epoch = p->partition_epoch;
	out->isr_n = p->isr.n;
	out->isr = arena_dup(x->arena, p->isr.v,
			     (size_t)p->isr.n * sizeof(*p->isr.v));
}

static void alter_one(struct change *x, int32_t broker, struct topic *t,
		      const struct alter_isr_command_partition *m,
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
	out->error_code = check(x, broker, p, m);
	if (!p || out->error_code != K_NONE)
		return;
	if (!same_members(p, m))
		settle(x, p, m);
	partition_describe(x, p, out);
}

void apply_alter_isr(struct change *x, const void *command)
{
	const struct alter_isr_command *m = command;
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
		const struct alter_isr_command_topic *asked = &m->topics[i];
		struct alter_partition_response_topic *out =
			&answer->topics[i];
		struct topic *t = topic_of_id(x->c, asked->topic_id);

		out->topic_id = asked->topic_id;
		out->partitions_n = asked->partitions_n;
		out->partitions =
			wire_new(&alter_partition_response_partition_type,
				 asked->partitions_n, x->arena);
		for (int32_t k = 0; k < asked->partitions_n; k++)
			alter_one(x, m->broker_id, t, &asked->partitions[k],
				  &out->partitions[k]);
	}
}
