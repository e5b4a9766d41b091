/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elect: who leads a partition and who is in sync, after anything that may
 * change it. KIP-497 (ISR), KIP-966 (eligible leader replicas), KIP-460.
 *
 * 1. A leader is in the ISR, registered, not fenced; who stops leads nothing
 *    that another can lead.
 * 2. The ELR holds replicas that left the ISR while it was smaller than
 *    min.insync.replicas, or were not in it when it began so (topic.c). As the
 *    high watermark does not move then, each of them has all that was
 *    acknowledged, and may lead once the ISR is empty. It is empty as soon as
 *    the ISR is large enough again.
 * 3. When ISR and ELR are empty, only the leader of the end may come back by
 *    itself, when it is heard again; anyone else only by an unclean election.
 * 4. The leader's epoch grows when the leader changes (none counts), the
 *    partition's at every change.
 */
#include "state.h"

struct topic_rules topic_rules(const struct cluster *c, const struct topic *t)
{
	return (struct topic_rules){
		.min_isr = setting_number(setting_of_topic(
			c, NULL, t, SETTING_MIN_INSYNC_REPLICAS)),
		.unclean = setting_bool(setting_of_topic(
			c, NULL, t, SETTING_UNCLEAN_LEADER_ELECTION_ENABLE)),
		.durable = strcmp(setting_of_topic(c, NULL, t,
						   SETTING_DURABILITY),
				  "disk") == 0,
	};
}

int32_t rules_min_isr(const struct topic_rules *r, int32_t replicas_n)
{
	if (r->min_isr < 1)
		return replicas_n > 2 ? 2 : 1;
	return (int32_t)min_of(r->min_isr, (int64_t)replicas_n);
}

int32_t cluster_min_isr(const struct cluster *c, const struct topic *t,
			int32_t replicas_n)
{
	struct topic_rules r = topic_rules(c, t);

	return rules_min_isr(&r, replicas_n);
}

/* ---- one partition ------------------------------------------------------- */

/* What a partition shall be. The lists are in order of the replicas. */
struct target {
	struct int32s isr, elr;
	int32_t leader, last_known;
	int32_t lost; /* leads nothing, or -1 */
};

static void add(struct int32s *l, int32_t v)
{
	l->v[l->n++] = v;
}

static void drop(struct int32s *l, int32_t v)
{
	int32_t n = 0;

	for (int32_t i = 0; i < l->n; i++)
		if (l->v[i] != v)
			l->v[n++] = l->v[i];
	l->n = n;
}

static void settle_elr(struct target *t, const struct partition *p,
		       int32_t min_isr, int32_t lost)
{
	t->elr.n = 0;
	if (t->isr.n >= min_isr)
		return;
	for (int32_t i = 0; i < p->replicas.n; i++) {
		int32_t r = p->replicas.v[i];

		if (r == lost || int32s_has(&t->isr, r))
			continue;
		if (int32s_has(&p->elr, r) || int32s_has(&p->isr, r))
			add(&t->elr, r);
	}
}

static bool may_lead(const struct change *x, const struct target *t, int32_t r)
{
	if (!cluster_broker_active(x->c, r))
		return false;
	return int32s_has(&t->isr, r) ||
	       (t->isr.n == 0 && int32s_has(&t->elr, r));
}

/* May stay, though it stops: nobody takes its place. */
static bool may_stay(const struct change *x, const struct target *t, int32_t r)
{
	const struct broker_info *b = cluster_broker(x->c, r);

	return b && !b->fenced && int32s_has(&t->isr, r);
}

static int32_t choose(const struct change *x, const struct partition *p,
		      const struct target *t, enum election how)
{
	int32_t first = p->replicas.v[0];

	if (how == ELECT_PREFERRED && may_lead(x, t, first))
		return first;
	if (p->leader >= 0 && may_lead(x, t, p->leader))
		return p->leader;
	for (int32_t i = 0; i < p->replicas.n; i++)
		if (may_lead(x, t, p->replicas.v[i]))
			return p->replicas.v[i];
	if (p->leader >= 0 && may_stay(x, t, p->leader))
		return p->leader;
	return -1;
}

/* Nobody who surely has everything is there. */
static int32_t choose_unclean(const struct change *x,
			      const struct partition *p,
			      const struct target *t, bool any)
{
	if (t->isr.n == 0 && t->elr.n == 0 && t->last_known >= 0 &&
	    t->last_known != t->lost &&
	    cluster_broker_active(x->c, t->last_known))
		return t->last_known;
	for (int32_t i = 0; any && i < p->replicas.n; i++)
		if (p->replicas.v[i] != t->lost &&
		    cluster_broker_active(x->c, p->replicas.v[i]))
			return p->replicas.v[i];
	return -1;
}

static void settle_leader(struct change *x, const struct partition *p,
			  const struct topic_rules *rules, struct target *t,
			  enum election how)
{
	t->leader = choose(x, p, t, how);
	if (t->leader < 0) {
		t->leader = choose_unclean(x, p, t, how == ELECT_UNCLEAN ||
						    rules->unclean);
		if (t->leader < 0)
			return;
		t->isr.n = 0;
		t->elr.n = 0;
	}
	if (!int32s_has(&t->isr, t->leader)) { /* from the ELR, or unclean */
		t->isr.n = 0;
		add(&t->isr, t->leader);
		drop(&t->elr, t->leader);
	}
	if (t->isr.n >= rules_min_isr(rules, p->replicas.n))
		t->elr.n = 0;
	t->last_known = -1;
}

static bool store(struct partition *p, const struct target *t)
{
	bool moved = t->leader != p->leader;

	if (!moved && t->last_known == p->last_known_leader &&
	    int32s_eq(&t->isr, &p->isr) && int32s_eq(&t->elr, &p->elr))
		return false;
	if (!int32s_eq(&t->isr, &p->isr))
		int32s_set(&p->isr, t->isr.v, t->isr.n);
	if (!int32s_eq(&t->elr, &p->elr))
		int32s_set(&p->elr, t->elr.v, t->elr.n);
	p->leader = t->leader;
	p->last_known_leader = t->last_known;
	p->leader_epoch += moved;
	p->partition_epoch++;
	return true;
}

bool partition_settle(struct change *x, struct partition *p,
		      const struct topic_rules *rules,
		      const struct isr_change *change)
{
	int32_t min_isr = rules_min_isr(rules, p->replicas.n);
	int32_t space[64], *room = space;
	struct target t;
	bool changed;

	if ((size_t)p->replicas.n * 2 > countof(space))
		room = arena_alloc(x->arena, (size_t)p->replicas.n * 2 *
					     sizeof(*room));
	t.isr = (struct int32s){ room, 0 };
	t.elr = (struct int32s){ room + p->replicas.n, 0 };
	for (int32_t i = 0; i < p->replicas.n; i++) {
		const struct int32s isr = { (int32_t *)(uintptr_t)change->isr,
					    change->isr_n };

		if (int32s_has(&isr, p->replicas.v[i]))
			add(&t.isr, p->replicas.v[i]);
	}
	t.lost = change->lost;
	t.last_known = p->last_known_leader;
	if (t.last_known < 0 && p->leader >= 0)
		t.last_known = p->leader;
	if (change->lost_for_ever && t.last_known == change->lost)
		t.last_known = -1;
	settle_elr(&t, p, min_isr, change->lost);
	settle_leader(x, p, rules, &t, change->how);
	changed = store(p, &t);
	if (changed)
		change_note_partition(x, p);
	return changed;
}

/* ---- all partitions ------------------------------------------------------ */

bool partition_without(struct change *x, struct partition *p,
		       const struct topic_rules *rules, int32_t broker,
		       const struct isr_change *how)
{
	int32_t space[64], *isr = space;
	struct isr_change change = *how;

	if ((size_t)p->isr.n > countof(space))
		isr = arena_alloc(x->arena, (size_t)p->isr.n * sizeof(*isr));
	change.isr = isr;
	change.isr_n = 0;
	for (int32_t i = 0; i < p->isr.n; i++)
		if (p->isr.v[i] != broker)
			isr[change.isr_n++] = p->isr.v[i];
	return partition_settle(x, p, rules, &change);
}

/* The rules of a topic cost a few look-ups: only for those that need them. */
static const struct topic_rules *rules_once(const struct change *x,
					    const struct topic *t,
					    struct topic_rules *rules,
					    bool *known)
{
	if (!*known)
		*rules = topic_rules(x->c, t);
	*known = true;
	return rules;
}

/*
 * With durability=disk all that a replica acknowledged is on its disk, and an
 * unclean stop takes nothing from it; another directory takes everything. Who
 * lost track comes back as the last known leader, if nobody better is there.
 */
static void without_one(struct change *x, struct partition *p,
			const struct topic_rules *rules, int32_t broker,
			enum loss loss)
{
	struct isr_change how = { .how = ELECT_ONLINE, .lost = -1 };

	if (loss == LOST_ALL || loss == LOST_TRACK ||
	    (loss == LOST_CACHE && !rules->durable))
		how.lost = broker;
	how.lost_for_ever = loss == LOST_ALL;
	partition_without(x, p, rules, broker, &how);
}

void elect_without(struct change *x, int32_t broker, enum loss loss)
{
	for (struct map_iter i = map_first(&x->c->topics); i.at; map_next(&i)) {
		struct topic *t = i.value;
		struct topic_rules rules;
		bool known = false;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			struct partition *p = &t->partitions[k];

			if (int32s_has(&p->isr, broker) ||
			    (loss && (int32s_has(&p->elr, broker) ||
				      p->last_known_leader == broker)))
				without_one(x, p, rules_once(x, t, &rules,
							     &known),
					    broker, loss);
		}
	}
}

bool elect_has_other(const struct change *x, const struct int32s *of,
		     int32_t broker)
{
	for (int32_t i = 0; i < of->n; i++)
		if (of->v[i] != broker && cluster_broker_active(x->c, of->v[i]))
			return true;
	return false;
}

void elect_drain(struct change *x, int32_t broker)
{
	const struct isr_change how = { .how = ELECT_ONLINE, .lost = -1 };

	for (struct map_iter i = map_first(&x->c->topics); i.at; map_next(&i)) {
		struct topic *t = i.value;
		struct topic_rules rules;
		bool known = false;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			struct partition *p = &t->partitions[k];

			if (int32s_has(&p->isr, broker) &&
			    elect_has_other(x, &p->isr, broker))
				partition_without(x, p,
						  rules_once(x, t, &rules,
							     &known),
						  broker, &how);
		}
	}
}

static void leaderless_of(struct change *x, struct topic *t)
{
	const struct isr_change how = { .how = ELECT_ONLINE, .lost = -1 };
	struct topic_rules rules;
	bool known = false;

	for (int32_t k = 0; k < t->partitions_n; k++) {
		struct partition *p = &t->partitions[k];

		if (p->leader < 0)
			partition_without(x, p,
					  rules_once(x, t, &rules, &known),
					  -1, &how);
	}
}

void elect_leaderless(struct change *x, struct topic *topic)
{
	if (topic) {
		leaderless_of(x, topic);
		return;
	}
	for (struct map_iter i = map_first(&x->c->topics); i.at; map_next(&i))
		leaderless_of(x, i.value);
}

static void again_of(struct change *x, struct topic *t)
{
	const struct isr_change how = { .how = ELECT_ONLINE, .lost = -1 };
	struct topic_rules rules = topic_rules(x->c, t);

	for (int32_t k = 0; k < t->partitions_n; k++)
		partition_without(x, &t->partitions[k], &rules, -1, &how);
}

void elect_again(struct change *x, struct topic *topic)
{
	if (topic) {
		again_of(x, topic);
		return;
	}
	for (struct map_iter i = map_first(&x->c->topics); i.at; map_next(&i))
		again_of(x, i.value);
}

/* ---- ElectLeaders -------------------------------------------------------- */

static int16_t elect_one(struct change *x, struct partition *p,
			 const struct topic_rules *rules, enum election how)
{
	if (how == ELECT_PREFERRED && p->leader == p->replicas.v[0])
		return K_ELECTION_NOT_NEEDED;
	if (how == ELECT_UNCLEAN && p->leader >= 0)
		return K_ELECTION_NOT_NEEDED;
	partition_without(x, p, rules, -1,
			  &(struct isr_change){ .how = how, .lost = -1 });
	if (how == ELECT_PREFERRED)
		return p->leader == p->replicas.v[0] ?
			K_NONE : K_PREFERRED_LEADER_NOT_AVAILABLE;
	return p->leader >= 0 ? K_NONE : K_ELIGIBLE_LEADERS_NOT_AVAILABLE;
}

static void elect_asked(struct change *x,
			const struct elect_leaders_command_topic *asked,
			enum election how,
			struct elect_leaders_response_topic *out)
{
	struct topic *t = topic_of(x->c, asked->name);
	struct topic_rules rules = { 0 };

	out->topic = asked->name;
	out->partition_result_n = asked->partitions_n;
	out->partition_result = wire_new(&elect_leaders_response_partition_type,
					 asked->partitions_n, x->arena);
	if (t)
		rules = topic_rules(x->c, t);
	for (int32_t i = 0; i < asked->partitions_n; i++) {
		struct elect_leaders_response_partition *r =
			&out->partition_result[i];
		int32_t index = asked->partitions[i];

		r->partition_id = index;
		if (!t || index < 0 || index >= t->partitions_n)
			r->error_code = K_UNKNOWN_TOPIC_OR_PARTITION;
		else
			r->error_code = elect_one(x, &t->partitions[index],
						  &rules, how);
		if (r->error_code != K_NONE)
			r->error_message =
				str_of(kerr_text(r->error_code));
	}
}

static void elect_whole_topic(struct change *x, struct topic *t,
			      enum election how,
			      struct elect_leaders_response_topic *out)
{
	struct topic_rules rules = topic_rules(x->c, t);

	out->topic = str_dup(x->arena, str_of(t->name));
	out->partition_result = wire_new(&elect_leaders_response_partition_type,
					 t->partitions_n, x->arena);
	for (int32_t i = 0; i < t->partitions_n; i++) {
		struct elect_leaders_response_partition *r =
			&out->partition_result[out->partition_result_n];
		int16_t error = elect_one(x, &t->partitions[i], &rules, how);

		if (error == K_ELECTION_NOT_NEEDED)
			continue;
		r->partition_id = i;
		r->error_code = error;
		if (error != K_NONE)
			r->error_message = str_of(kerr_text(error));
		out->partition_result_n++;
	}
}

static void elect_all(struct change *x, enum election how,
		      struct elect_leaders_response *answer)
{
	answer->replica_election_results =
		wire_new(&elect_leaders_response_topic_type,
			 (int32_t)map_count(&x->c->topics), x->arena);
	for (struct map_iter i = map_first(&x->c->topics); i.at; map_next(&i)) {
		struct elect_leaders_response_topic *out =
			&answer->replica_election_results
				[answer->replica_election_results_n];

		elect_whole_topic(x, i.value, how, out);
		if (out->partition_result_n > 0)
			answer->replica_election_results_n++;
	}
}

void apply_elect_leaders(struct change *x, const void *command)
{
	const struct elect_leaders_command *m = command;
	struct elect_leaders_response *answer =
		change_answer(x, &elect_leaders_response_type);
	enum election how = m->type == 0 ? ELECT_PREFERRED : ELECT_UNCLEAN;

	if (m->type != 0 && m->type != 1) {
		answer->error_code = x->out->error = K_INVALID_REQUEST;
		return;
	}
	if (m->topics_n < 0) {
		elect_all(x, how, answer);
		return;
	}
	answer->replica_election_results_n = m->topics_n;
	answer->replica_election_results =
		wire_new(&elect_leaders_response_topic_type, m->topics_n,
			 x->arena);
	for (int32_t i = 0; i < m->topics_n; i++)
		elect_asked(x, &m->topics[i], how,
			    &answer->replica_election_results[i]);
}
