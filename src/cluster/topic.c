/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic: topics and partitions that are created, and topics that are deleted.
 * The errors are Kafka's, per topic. Not the places of replicas (place.c).
 *
 * 1. A topic is made as a whole or not at all.
 * 2. The ids of topics are drawn from the seed of the command.
 */
#include "state.h"

static struct verdict refuse(int16_t error, const char *why)
{
	return (struct verdict){ error, why };
}

/* How many partitions this command may still make. */
struct budget {
	int64_t request, cluster;
};

static struct verdict spend(struct budget *b, struct arena *a, int64_t n)
{
	if (n > b->request)
		return refuse(K_POLICY_VIOLATION,
			      "Excessively large number of partitions per "
			      "request.");
	if (n > b->cluster)
		return refuse(K_POLICY_VIOLATION, arena_printf(a, "The cluster "
			"has room for %" PRId64 " more partitions.",
			b->cluster));
	b->request -= n;
	b->cluster -= n;
	return FINE;
}

static struct verdict check_name(struct change *x, struct str name)
{
	const char *why = topic_name_fault(name);
	const struct topic *other;

	if (why)
		return refuse(K_INVALID_TOPIC_EXCEPTION, arena_printf(x->arena,
			"Topic name is invalid: %s", why));
	if (topic_of(x->c, name))
		return refuse(K_TOPIC_ALREADY_EXISTS, arena_printf(x->arena,
			"Topic '%.*s' already exists.", STR_ARG(name)));
	other = topic_collision(x->c, name);
	if (other)
		return refuse(K_INVALID_TOPIC_EXCEPTION, arena_printf(x->arena,
			"Topic '%.*s' collides with existing topic: %s",
			STR_ARG(name), other->name));
	return FINE;
}

/* ---- assignments that were given ----------------------------------------- */

static struct verdict check_replicas(struct change *x, const int32_t *v,
				     int32_t n, int32_t expected)
{
	bool active = false;

	if (n <= 0)
		return refuse(K_INVALID_REPLICA_ASSIGNMENT,
			      "The manual partition assignment includes an "
			      "empty replica list.");
	for (int32_t i = 0; i < n; i++) {
		struct int32s before = { (int32_t *)(uintptr_t)v, i };

		if (!broker_of(x->c, v[i]))
			return refuse(K_INVALID_REPLICA_ASSIGNMENT,
				arena_printf(x->arena, "The manual partition "
				"assignment includes broker %d, but no such "
				"broker is registered.", v[i]));
		if (int32s_has(&before, v[i]))
			return refuse(K_INVALID_REPLICA_ASSIGNMENT,
				arena_printf(x->arena, "The manual partition "
				"assignment includes the broker %d more than "
				"once.", v[i]));
		active |= cluster_broker_active(x->c, v[i]);
	}
	if (n != expected)
		return refuse(K_INVALID_REPLICA_ASSIGNMENT,
			arena_printf(x->arena, "The manual partition "
			"assignment includes a partition with %d replica(s), "
			"but this is not consistent with previous partitions, "
			"which have %d replica(s).", n, expected));
	if (!active)
		return refuse(K_INVALID_REPLICA_ASSIGNMENT,
			      "All brokers specified in the manual partition "
			      "assignment are fenced or in controlled "
			      "shutdown.");
	return FINE;
}

static struct verdict check_assignments(
	struct change *x, const struct create_topics_command_topic *m)
{
	int32_t n = m->assignments_n;
	bool *seen = arena_zalloc(x->arena, (size_t)n);

	if (m->replication_factor != -1)
		return refuse(K_INVALID_REQUEST,
			      "A manual partition assignment was specified, "
			      "but replication factor was not set to -1.");
	if (m->num_partitions != -1)
		return refuse(K_INVALID_REQUEST,
			      "A manual partition assignment was specified, "
			      "but numPartitions was not set to -1.");
	for (int32_t i = 0; i < n; i++) {
		int32_t k = m->assignments[i].partition;
		struct verdict v;

		if (k < 0 || k >= n)
			return refuse(K_INVALID_REPLICA_ASSIGNMENT,
				      "partitions should be a consecutive "
				      "0-based integer sequence");
		if (seen[k])
			return refuse(K_INVALID_REPLICA_ASSIGNMENT,
				arena_printf(x->arena, "Found multiple manual "
				"partition assignments for partition %d", k));
		seen[k] = true;
		v = check_replicas(x, m->assignments[i].brokers,
				   m->assignments[i].brokers_n,
				   m->assignments[0].brokers_n);
		if (v.error)
			return v;
	}
	return FINE;
}

/* ---- creating ------------------------------------------------------------ */

/* With too few in sync for anything to be acknowledged, those that are not
 * there have all of it: nothing (KIP-966). */
static void init_partition(struct change *x, const struct topic_rules *rules,
			   struct partition *p, const int32_t *replicas,
			   int32_t n)
{
	int32_t *in = arena_alloc(x->arena, 2 * (size_t)n * sizeof(*in));
	int32_t *out = in + n, in_n = 0, out_n = 0;

	for (int32_t i = 0; i < n; i++) {
		if (cluster_broker_active(x->c, replicas[i]))
			in[in_n++] = replicas[i];
		else
			out[out_n++] = replicas[i];
	}
	assert(in_n > 0);
	int32s_set(&p->replicas, replicas, n);
	int32s_set(&p->isr, in, in_n);
	if (in_n < rules_min_isr(rules, n))
		int32s_set(&p->elr, out, out_n);
	p->leader = in[0];
}

/* How many, and of what breadth, once the defaults have been filled in. */
struct measure {
	int32_t partitions, replicas;
};

static struct verdict measure(struct change *x,
			      const struct create_topics_command *m,
			      const struct create_topics_command_topic *t,
			      struct measure *out)
{
	if (t->assignments_n > 0) {
		out->partitions = t->assignments_n;
		out->replicas = t->assignments[0].brokers_n;
		return check_assignments(x, t);
	}
	if (t->replication_factor < -1 || t->replication_factor == 0)
		return refuse(K_INVALID_REPLICATION_FACTOR,
			      "Replication factor must be larger than 0, or -1 "
			      "to use the default value.");
	if (t->num_partitions < -1 || t->num_partitions == 0)
		return refuse(K_INVALID_PARTITIONS,
			      "Number of partitions must be larger than 0, or "
			      "-1 to use the default value.");
	out->partitions = t->num_partitions == -1 ? m->default_partitions :
						    t->num_partitions;
	out->replicas = t->replication_factor == -1 ?
		cluster_default_replicas(x->c, m->default_replicas) :
		t->replication_factor;
	return FINE;
}

static struct uuid draw_id(struct change *x)
{
	struct uuid id;

	do
		id = prng_uuid(&x->prng);
	while (uuid_is_zero(id) || topic_of_id(x->c, id));
	return id;
}

static void fill(struct change *x, struct placer *placer, struct topic *t,
		 const struct create_topics_command_topic *m, int32_t replicas)
{
	int32_t *v = arena_alloc(x->arena, (size_t)replicas * sizeof(*v));
	struct topic_rules rules;

	for (int32_t i = 0; i < m->settings_n; i++)
		settings_put(&t->settings, m->settings[i].name,
			     m->settings[i].value);
	rules = topic_rules(x->c, t);
	placer_begin_topic(placer, NULL);
	for (int32_t i = 0; i < m->assignments_n; i++) {
		placer_count(placer, m->assignments[i].brokers, replicas);
		init_partition(x, &rules,
			       &t->partitions[m->assignments[i].partition],
			       m->assignments[i].brokers, replicas);
	}
	for (int32_t i = m->assignments_n; i < t->partitions_n; i++) {
		placer_place(placer, replicas, v);
		init_partition(x, &rules, &t->partitions[i], v, replicas);
	}
}

struct creation { /* of one command */
	struct change *x;
	const struct create_topics_command *m;
	struct placer *placer;
	struct budget budget;
};

static struct verdict create_one(struct creation *c,
				 const struct create_topics_command_topic *t,
				 struct create_topics_response_topic *out)
{
	struct change *x = c->x;
	struct verdict v = check_name(x, t->name);
	struct measure size = { 0 };
	struct topic *made;

	if (!v.error)
		v = measure(x, c->m, t, &size);
	if (!v.error && t->assignments_n <= 0) {
		v.why = placer_fault(c->placer, size.replicas);
		if (v.why)
			v.error = K_INVALID_REPLICATION_FACTOR;
	}
	if (!v.error)
		v = spend(&c->budget, x->arena, size.partitions);
	if (v.error)
		return v;
	made = topic_new(t->name, draw_id(x), size.partitions);
	fill(x, c->placer, made, t, size.replicas);
	out->num_partitions = size.partitions;
	out->replication_factor = (int16_t)size.replicas;
	if (x->dry) {
		topic_free(made);
		return FINE;
	}
	out->topic_id = made->id;
	topic_insert(x->c, made);
	change_note_topic(x, CLUSTER_TOPIC_CREATED, made);
	return FINE;
}

static struct budget budget_of(const struct change *x, int32_t request_max,
			       int32_t cluster_max)
{
	return (struct budget){ request_max,
				max_of(cluster_max - x->c->partitions_n, 0) };
}

void apply_create_topics(struct change *x, const void *command)
{
	const struct create_topics_command *m = command;
	struct create_topics_response *answer =
		change_answer(x, &create_topics_response_type);
	struct creation c = { x, m, placer_new(x),
			      budget_of(x, m->request_max, m->cluster_max) };

	answer->topics_n = m->topics_n;
	answer->topics = wire_new(&create_topics_response_topic_type,
				  m->topics_n, x->arena);
	for (int32_t i = 0; i < m->topics_n; i++) {
		struct create_topics_response_topic *out = &answer->topics[i];
		struct verdict v = create_one(&c, &m->topics[i], out);

		out->name = m->topics[i].name;
		out->configs_n = -1;
		out->error_code = v.error;
		if (v.why)
			out->error_message = str_of(v.why);
	}
}

/* ---- deleting ------------------------------------------------------------ */

void apply_delete_topics(struct change *x, const void *command)
{
	const struct delete_topics_command *m = command;
	struct delete_topics_response *answer =
		change_answer(x, &delete_topics_response_type);

	answer->responses_n = m->topics_n;
	answer->responses = wire_new(&delete_topics_response_response_type,
				     m->topics_n, x->arena);
	for (int32_t i = 0; i < m->topics_n; i++) {
		struct delete_topics_response_response *out =
			&answer->responses[i];
		bool by_name = m->topics[i].name.n >= 0;
		struct topic *t = by_name ?
			topic_of(x->c, m->topics[i].name) :
			topic_of_id(x->c, m->topics[i].topic_id);

		out->name = m->topics[i].name;
		out->topic_id = m->topics[i].topic_id;
		if (!t) {
			out->error_code = by_name ?
				K_UNKNOWN_TOPIC_OR_PARTITION :
				K_UNKNOWN_TOPIC_ID;
			out->error_message =
				str_of(kerr_text(out->error_code));
			continue;
		}
		out->name = str_dup(x->arena, str_of(t->name));
		out->topic_id = t->id;
		change_note_topic(x, CLUSTER_TOPIC_DELETED, t);
		topic_remove(x->c, t);
	}
}

/* ---- more partitions ----------------------------------------------------- */

static struct verdict check_growth(struct change *x, const struct topic *t,
				   const struct create_partitions_command_topic
					   *m)
{
	int32_t more;

	if (!t)
		return refuse(K_UNKNOWN_TOPIC_OR_PARTITION,
			      "This server does not host this "
			      "topic-partition.");
	if (m->count == t->partitions_n)
		return refuse(K_INVALID_PARTITIONS, arena_printf(x->arena,
			"Topic already has %d partition(s).", t->partitions_n));
	if (m->count < t->partitions_n)
		return refuse(K_INVALID_PARTITIONS, arena_printf(x->arena,
			"The topic %s currently has %d partition(s); %d would "
			"not be an increase.", t->name, t->partitions_n,
			m->count));
	more = m->count - t->partitions_n;
	if (m->assignments_n >= 0 && m->assignments_n != more)
		return refuse(K_INVALID_REPLICA_ASSIGNMENT,
			arena_printf(x->arena, "Attempted to add %d additional "
			"partition(s), but only %d assignment(s) were "
			"specified.", more, m->assignments_n));
	for (int32_t i = 0; i < m->assignments_n; i++) {
		struct verdict v = check_replicas(
			x, m->assignments[i].brokers,
			m->assignments[i].brokers_n,
			t->partitions[0].replicas.n);

		if (v.error)
			return v;
	}
	return FINE;
}

static void grow(struct change *x, struct placer *placer, struct topic *t,
		 const struct create_partitions_command_topic *m)
{
	int32_t replicas = t->partitions[0].replicas.n, from = t->partitions_n;
	int32_t *v = arena_alloc(x->arena, (size_t)replicas * sizeof(*v));
	struct topic_rules rules = topic_rules(x->c, t);

	placer_begin_topic(placer, t);
	topic_grow(x->c, t, m->count);
	for (int32_t i = from; i < m->count; i++) {
		struct partition *p = &t->partitions[i];

		if (m->assignments_n >= 0) {
			init_partition(x, &rules, p,
				       m->assignments[i - from].brokers,
				       replicas);
			placer_count(placer, p->replicas.v, replicas);
		} else {
			placer_place(placer, replicas, v);
			init_partition(x, &rules, p, v, replicas);
		}
		change_note_partition(x, p);
	}
}

void apply_create_partitions(struct change *x, const void *command)
{
	const struct create_partitions_command *m = command;
	struct create_partitions_response *answer =
		change_answer(x, &create_partitions_response_type);
	struct budget budget = budget_of(x, m->request_max, m->cluster_max);
	struct placer *placer = placer_new(x);

	answer->results_n = m->topics_n;
	answer->results = wire_new(&create_partitions_response_result_type,
				   m->topics_n, x->arena);
	for (int32_t i = 0; i < m->topics_n; i++) {
		const struct create_partitions_command_topic *asked =
			&m->topics[i];
		struct topic *t = topic_of(x->c, asked->name);
		struct verdict v = check_growth(x, t, asked);

		if (!v.error && asked->assignments_n < 0) {
			v.why = placer_fault(placer,
					     t->partitions[0].replicas.n);
			if (v.why)
				v.error = K_INVALID_REPLICATION_FACTOR;
		}
		if (!v.error)
			v = spend(&budget, x->arena,
				  asked->count - t->partitions_n);
		if (!v.error && !x->dry)
			grow(x, placer, t, asked);
		answer->results[i].name = asked->name;
		answer->results[i].error_code = v.error;
		if (v.why)
			answer->results[i].error_message = str_of(v.why);
	}
}
