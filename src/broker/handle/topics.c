/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics: CreateTopics, DeleteTopics, CreatePartitions. What a request alone
 * shows to be wrong is answered here, item by item; the rest is one command,
 * whose answer is put beside. The decisions are cluster's (topic.c).
 *
 * KIP-4, 195 (CreatePartitions), 464 (defaults), 516 (ids), 525 (settings in
 * the answer), 599 is not served (there are no quotas).
 */
#include "control.h"

static struct str message_of(int16_t error)
{
	return str_of(kerr_text(error));
}

/* Whether that name comes more than once: a map from name to how often. */
static void count_name(struct map *seen, struct str name)
{
	intptr_t n = (intptr_t)map_find_str(seen, name);

	map_put_str(seen, name, (void *)(n + 1));
}

static bool is_double(const struct map *seen, struct str name)
{
	return (intptr_t)map_find_str(seen, name) > 1;
}

static void *room(struct arena *a, int32_t n, size_t size)
{
	return arena_zalloc(a, (size_t)max_of(n, 1) * size);
}

/* ---- CreateTopics -------------------------------------------------------- */

struct creation { /* rq->state */
	struct create_topics_response_topic *refused;
	int32_t refused_n;
	/* names alone, of topics whose settings are at fault, and how */
	struct create_topics_command misset;
	const char **why;
};

static void create_late(struct request *rq, int16_t error)
{
	const struct create_topics_request *in = rq->in;
	struct create_topics_response *out = rq->out;

	out->topics_n = in->topics_n;
	out->topics = wire_new(&create_topics_response_topic_type,
			       in->topics_n, &rq->arena);
	for (int32_t i = 0; i < in->topics_n; i++) {
		out->topics[i].name = in->topics[i].name;
		out->topics[i].error_code = error;
		out->topics[i].error_message = message_of(error);
		out->topics[i].configs_n = -1;
	}
}

static int64_t number_of(const struct broker *b,
			 const struct create_topics_request_topic *t,
			 enum setting_id id, struct arena *a)
{
	for (int32_t i = 0; i < t->configs_n; i++)
		if (str_eq_c(t->configs[i].name, settings[id].name))
			return setting_number(str_c(a, t->configs[i].value));
	return setting_number(setting_of_topic(b->cluster, b->node->settings,
					       NULL, id));
}

static const char *config_fault(const struct broker *b,
				const struct create_topics_request_topic *t,
				struct arena *a)
{
	for (int32_t i = 0; i < t->configs_n; i++) {
		const struct create_topics_request_config *c = &t->configs[i];
		const char *why;

		if (c->value.n < 0)
			return arena_printf(a, "Null value not supported for "
					    "topic configs: %.*s",
					    STR_ARG(c->name));
		why = setting_refusal(c->name, c->value, SETTING_TOPIC, a);
		if (why)
			return why;
	}
	if (t->configs_n <= 0)
		return NULL;
	return setting_lag_conflict(
		number_of(b, t, SETTING_MIN_COMPACTION_LAG_MS, a),
		number_of(b, t, SETTING_MAX_COMPACTION_LAG_MS, a));
}

static void refuse_creation(struct creation *c, struct str name, int16_t error,
			    struct str why)
{
	struct create_topics_response_topic *r = &c->refused[c->refused_n++];

	wire_preset(&create_topics_response_topic_type, r);
	r->name = name;
	r->error_code = error;
	r->error_message = why;
	r->configs_n = -1;
}

static void copy_creation(const struct create_topics_request_topic *in,
			  struct arena *a,
			  struct create_topics_command_topic *out)
{
	wire_preset(&create_topics_command_topic_type, out);
	out->name = in->name;
	out->num_partitions = in->num_partitions;
	out->replication_factor = in->replication_factor;
	out->assignments_n = in->assignments_n;
	out->assignments = room(a, in->assignments_n,
				sizeof(*out->assignments));
	for (int32_t i = 0; i < in->assignments_n; i++) {
		out->assignments[i].partition =
			in->assignments[i].partition_index;
		out->assignments[i].brokers_n =
			in->assignments[i].broker_ids_n;
		out->assignments[i].brokers = in->assignments[i].broker_ids;
	}
	out->settings_n = in->configs_n;
	out->settings = room(a, in->configs_n, sizeof(*out->settings));
	for (int32_t i = 0; i < in->configs_n; i++) {
		out->settings[i].name = in->configs[i].name;
		out->settings[i].value = in->configs[i].value;
	}
}

/* The settings that the topic has, as DescribeConfigs would show them. */
static void show_settings(struct broker *b, struct request *rq,
			  const struct create_topics_request_topic *asked,
			  struct create_topics_response_topic *out)
{
	const struct topic *t = cluster_topic(b->cluster, out->name);
	struct setting_view v = setting_view_here(b);
	int32_t n = 0;

	v.topic = t;
	out->configs = wire_new(&create_topics_response_config_type,
				SETTING_COUNT, &rq->arena);
	for (int id = 0; id < SETTING_COUNT; id++) {
		struct create_topics_response_config *c = &out->configs[n];
		struct setting_place places[SETTING_PLACES_MAX];

		if (!(settings[id].scope & SETTING_TOPIC))
			continue;
		setting_places(&v, (enum setting_id)id, places);
		c->name = str_of(settings[id].name);
		c->value = str_of(setting_shown(b, &v, (enum setting_id)id,
						&rq->arena));
		c->config_source = (int8_t)places[0].source;
		for (int32_t i = 0; !t && i < asked->configs_n; i++)
			if (str_eq(asked->configs[i].name, c->name)) {
				c->value = asked->configs[i].value;
				c->config_source = SOURCE_TOPIC;
			}
		n++;
	}
	out->configs_n = n;
}

static void show_all(struct broker *b, struct request *rq,
		     struct create_topics_response *out)
{
	const struct create_topics_request *in = rq->in;
	int32_t k = 0; /* the answers are in the order of the request */

	if (rq->header.version < 5)
		return;
	for (int32_t i = 0; i < out->topics_n; i++) {
		while (!str_eq(in->topics[k].name, out->topics[i].name))
			k++;
		if (!out->topics[i].error_code)
			show_settings(b, rq, &in->topics[k], &out->topics[i]);
	}
}

/* Behind what was decided stands what was refused before. */
static void created(struct broker *b, struct request *rq, void *result)
{
	struct create_topics_response *out = result;
	const struct creation *c = rq->state;
	struct create_topics_response_topic *all;

	show_all(b, rq, out);
	all = room(&rq->arena, out->topics_n + c->refused_n, sizeof(*all));
	if (out->topics_n > 0)
		memcpy(all, out->topics,
		       (size_t)out->topics_n * sizeof(*all));
	if (c->refused_n > 0)
		memcpy(all + out->topics_n, c->refused,
		       (size_t)c->refused_n * sizeof(*all));
	out->topics = all;
	out->topics_n += c->refused_n;
	rq->out = out;
}

/* A fault of the name counts before one of the settings. */
static void refuse_misset(struct broker *b, struct request *rq,
			  struct creation *c)
{
	const struct create_topics_response *out;

	if (c->misset.topics_n == 0)
		return;
	out = control_preview(b, rq, &create_topics_command_type, &c->misset);
	for (int32_t i = 0; i < out->topics_n; i++) {
		const struct create_topics_response_topic *t = &out->topics[i];

		if (t->error_code == K_INVALID_TOPIC_EXCEPTION ||
		    t->error_code == K_TOPIC_ALREADY_EXISTS)
			refuse_creation(c, t->name, t->error_code,
					t->error_message);
		else
			refuse_creation(c, t->name, K_INVALID_CONFIG,
					str_of(c->why[i]));
	}
}

static void sort_creation(struct broker *b, struct request *rq,
			  const struct create_topics_request_topic *t,
			  struct create_topics_command *m)
{
	const char *why = config_fault(b, t, &rq->arena);
	struct creation *c = rq->state;

	if (str_eq_c(t->name, "__cluster_metadata")) {
		refuse_creation(c, t->name, K_TOPIC_AUTHORIZATION_FAILED,
				STR("This topic stands for the quorum."));
	} else if (why) {
		c->why[c->misset.topics_n] = why;
		c->misset.topics[c->misset.topics_n++].name = t->name;
	} else {
		copy_creation(t, &rq->arena, &m->topics[m->topics_n++]);
	}
}

/* Into the command what is fit for it, the rest is refused. */
static void sort_creations(struct broker *b, struct request *rq,
			   struct create_topics_command *m)
{
	const struct create_topics_request *in = rq->in;
	struct creation *c = arena_zalloc(&rq->arena, sizeof(*c));
	struct map seen = { 0 }, told = { 0 };
	int32_t n = in->topics_n;

	rq->state = c;
	c->refused = room(&rq->arena, n, sizeof(*c->refused));
	c->misset.topics = room(&rq->arena, n, sizeof(*c->misset.topics));
	c->why = room(&rq->arena, n, sizeof(*c->why));
	m->topics = room(&rq->arena, n, sizeof(*m->topics));
	for (int32_t i = 0; i < n; i++)
		count_name(&seen, in->topics[i].name);
	for (int32_t i = 0; i < n; i++) {
		const struct create_topics_request_topic *t = &in->topics[i];

		if (!is_double(&seen, t->name)) {
			sort_creation(b, rq, t, m);
			continue;
		}
		if (!map_find_str(&told, t->name))
			refuse_creation(c, t->name, K_INVALID_REQUEST,
					STR("Duplicate topic name."));
		map_put_str(&told, t->name, c);
	}
	refuse_misset(b, rq, c);
	map_fini(&seen);
	map_fini(&told);
}

void handle_create_topics(struct broker *b, struct request *rq)
{
	const struct create_topics_request *in = rq->in;
	struct create_topics_command m;
	struct admission a;

	if (!control_here(b, rq, in->timeout_ms, create_late))
		return;
	wire_preset(&create_topics_command_type, &m);
	m.default_partitions = (int32_t)broker_number(b,
						SETTING_NUM_PARTITIONS);
	m.default_replicas = (int32_t)broker_number(
		b, SETTING_DEFAULT_REPLICATION_FACTOR);
	m.request_max = (int32_t)broker_number(
		b, SETTING_MAX_PARTITIONS_PER_REQUEST);
	m.cluster_max = (int32_t)broker_number(b, SETTING_MAX_PARTITIONS);
	sort_creations(b, rq, &m);
	a = (struct admission){ &create_topics_command_type, &m,
				in->timeout_ms, created, create_late };
	if (in->validate_only || m.topics_n == 0)
		control_rehearse(b, rq, &a);
	else
		control_admit(b, rq, &a);
}

/* ---- DeleteTopics -------------------------------------------------------- */

/* Versions before 6 have names alone. */
static struct delete_topics_request_topic *deletions(
	const struct request *rq, struct arena *a, int32_t *n)
{
	const struct delete_topics_request *in = rq->in;
	struct delete_topics_request_topic *v;

	*n = in->topics_n;
	if (rq->header.version >= 6)
		return in->topics;
	*n = in->topic_names_n;
	v = wire_new(&delete_topics_request_topic_type, *n, a);
	for (int32_t i = 0; i < *n; i++)
		v[i].name = in->topic_names[i];
	return v;
}

static void delete_late(struct request *rq, int16_t error)
{
	struct delete_topics_response *out = rq->out;
	struct delete_topics_request_topic *v =
		deletions(rq, &rq->arena, &out->responses_n);

	out->responses = wire_new(&delete_topics_response_response_type,
				  out->responses_n, &rq->arena);
	for (int32_t i = 0; i < out->responses_n; i++) {
		out->responses[i].name = v[i].name;
		out->responses[i].topic_id = v[i].topic_id;
		out->responses[i].error_code = error;
		out->responses[i].error_message = message_of(error);
	}
}

struct deletion { /* rq->state */
	struct delete_topics_response_response *refused;
	int32_t refused_n;
	struct map names, ids; /* how often each comes; -1 told */
};

static void refuse_deletion(struct deletion *d, struct str name,
			    struct uuid id, const char *why)
{
	struct delete_topics_response_response *r =
		&d->refused[d->refused_n++];

	wire_preset(&delete_topics_response_response_type, r);
	r->name = name;
	r->topic_id = id;
	r->error_code = K_INVALID_REQUEST;
	r->error_message = str_of(why);
}

static intptr_t times_of(const struct map *m, const void *key, size_t n)
{
	return (intptr_t)map_find(m, key, n);
}

static void count_deletions(struct deletion *d,
			    const struct delete_topics_request_topic *v,
			    int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		const struct uuid *id = &v[i].topic_id;
		intptr_t times = times_of(&d->ids, id->b, sizeof(id->b));

		if (v[i].name.n < 0)
			map_put(&d->ids, id->b, sizeof(id->b),
				(void *)(times + 1));
		else if (uuid_is_zero(*id))
			count_name(&d->names, v[i].name);
	}
}

/* A topic of which both the name and the id were given: it stays. */
static void refuse_pair(const struct broker *b, struct deletion *d,
			const struct delete_topics_request_topic *v)
{
	const struct topic *t = cluster_topic(b->cluster, v->name);
	const struct uuid *id = t ? &t->id : NULL;

	if (!id || !uuid_is_zero(v->topic_id) ||
	    (intptr_t)map_find_str(&d->names, v->name) != 1 ||
	    !times_of(&d->ids, id->b, sizeof(id->b)))
		return;
	refuse_deletion(d, v->name, *id, "The provided topic name maps to an "
			"ID that was already supplied.");
	map_put_str(&d->names, v->name, (void *)(intptr_t)-1);
	if (times_of(&d->ids, id->b, sizeof(id->b)) == 1)
		map_put(&d->ids, id->b, sizeof(id->b), (void *)(intptr_t)-1);
}

/* Whether it is fit for the command. */
static bool sort_deletion(struct deletion *d,
			  const struct delete_topics_request_topic *v)
{
	bool by_id = v->name.n < 0;
	const void *key = by_id ? (const void *)v->topic_id.b : v->name.p;
	size_t n = by_id ? sizeof(v->topic_id.b) : (size_t)v->name.n;
	struct map *seen = by_id ? &d->ids : &d->names;

	if (by_id == uuid_is_zero(v->topic_id)) {
		refuse_deletion(d, v->name, v->topic_id, by_id ?
			"Neither topic name nor id were specified." :
			"You may not specify both topic name and topic id.");
		return false;
	}
	if (times_of(seen, key, n) > 1) {
		refuse_deletion(d, v->name, v->topic_id, by_id ?
				"Duplicate topic id." :
				"Duplicate topic name.");
		map_put(seen, key, n, (void *)(intptr_t)-1);
	}
	return times_of(seen, key, n) == 1;
}

static struct deletion *sort_deletions(struct broker *b, struct request *rq,
				       struct delete_topics_command *m)
{
	struct deletion *d = arena_zalloc(&rq->arena, sizeof(*d));
	int32_t n;
	struct delete_topics_request_topic *v =
		deletions(rq, &rq->arena, &n);

	d->refused = room(&rq->arena, n, sizeof(*d->refused));
	m->topics = room(&rq->arena, n, sizeof(*m->topics));
	count_deletions(d, v, n);
	for (int32_t i = 0; i < n; i++)
		if (v[i].name.n >= 0)
			refuse_pair(b, d, &v[i]);
	for (int32_t i = 0; i < n; i++)
		if (sort_deletion(d, &v[i]))
			m->topics[m->topics_n++] =
				(struct delete_topics_command_topic){
					v[i].name, v[i].topic_id };
	map_fini(&d->names);
	map_fini(&d->ids);
	return d;
}

static void deleted(struct broker *b, struct request *rq, void *result)
{
	struct delete_topics_response *out = result;
	const struct deletion *d = rq->state;
	struct delete_topics_response_response *all =
		room(&rq->arena, out->responses_n + d->refused_n,
		     sizeof(*all));

	(void)b;
	if (out->responses_n > 0)
		memcpy(all, out->responses,
		       (size_t)out->responses_n * sizeof(*all));
	if (d->refused_n > 0)
		memcpy(all + out->responses_n, d->refused,
		       (size_t)d->refused_n * sizeof(*all));
	out->responses = all;
	out->responses_n += d->refused_n;
	rq->out = out;
}

static bool may_delete(const struct broker *b)
{
	return setting_bool(setting_of_broker(b->cluster, b->node->settings,
					      b->node->id,
					      SETTING_DELETE_TOPIC_ENABLE));
}

void handle_delete_topics(struct broker *b, struct request *rq)
{
	const struct delete_topics_request *in = rq->in;
	struct delete_topics_command m = { 0 };

	if (!control_here(b, rq, in->timeout_ms, delete_late))
		return;
	if (!may_delete(b)) {
		delete_late(rq, rq->header.version < 3 ?
			    K_INVALID_REQUEST : K_TOPIC_DELETION_DISABLED);
		broker_answer(b, rq);
		return;
	}
	rq->state = sort_deletions(b, rq, &m);
	if (m.topics_n == 0) {
		deleted(b, rq, wire_new(&delete_topics_response_type, 1,
					&rq->arena));
		broker_answer(b, rq);
		return;
	}
	control_admit(b, rq, &(struct admission){
		&delete_topics_command_type, &m, in->timeout_ms, deleted,
		delete_late });
}

/* ---- CreatePartitions ---------------------------------------------------- */

static void grow_late(struct request *rq, int16_t error)
{
	const struct create_partitions_request *in = rq->in;
	struct create_partitions_response *out = rq->out;

	out->results_n = in->topics_n;
	out->results = wire_new(&create_partitions_response_result_type,
				in->topics_n, &rq->arena);
	for (int32_t i = 0; i < in->topics_n; i++) {
		out->results[i].name = in->topics[i].name;
		out->results[i].error_code = error;
		out->results[i].error_message = message_of(error);
	}
}

static void grown(struct broker *b, struct request *rq, void *result)
{
	const struct create_partitions_request *in = rq->in;
	struct create_partitions_response *out = result, *all = rq->out;
	struct map seen = { 0 }, told = { 0 };
	int32_t decided = 0;

	(void)b;
	all->results = wire_new(&create_partitions_response_result_type,
				in->topics_n, &rq->arena);
	for (int32_t i = 0; i < in->topics_n; i++)
		count_name(&seen, in->topics[i].name);
	for (int32_t i = 0; i < in->topics_n; i++) {
		struct create_partitions_response_result *r =
			&all->results[all->results_n];

		if (!is_double(&seen, in->topics[i].name)) {
			*r = out->results[decided++];
		} else if (!map_find_str(&told, in->topics[i].name)) {
			map_put_str(&told, in->topics[i].name, all);
			r->name = in->topics[i].name;
			r->error_code = K_INVALID_REQUEST;
			r->error_message = STR("Duplicate topic in request.");
		} else {
			continue;
		}
		all->results_n++;
	}
	map_fini(&seen);
	map_fini(&told);
}

static void sort_growth(struct request *rq, struct create_partitions_command *m)
{
	const struct create_partitions_request *in = rq->in;
	struct map seen = { 0 };

	m->topics = room(&rq->arena, in->topics_n, sizeof(*m->topics));
	for (int32_t i = 0; i < in->topics_n; i++)
		count_name(&seen, in->topics[i].name);
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct create_partitions_request_topic *t =
			&in->topics[i];
		struct create_partitions_command_topic *out =
			&m->topics[m->topics_n];

		if (is_double(&seen, t->name))
			continue;
		m->topics_n++;
		out->name = t->name;
		out->count = t->count;
		out->assignments_n = t->assignments_n;
		out->assignments = room(&rq->arena, t->assignments_n,
					sizeof(*out->assignments));
		for (int32_t k = 0; k < t->assignments_n; k++) {
			out->assignments[k].brokers_n =
				t->assignments[k].broker_ids_n;
			out->assignments[k].brokers =
				t->assignments[k].broker_ids;
		}
	}
	map_fini(&seen);
}

void handle_create_partitions(struct broker *b, struct request *rq)
{
	const struct create_partitions_request *in = rq->in;
	struct create_partitions_command m;
	struct admission a;

	if (!control_here(b, rq, in->timeout_ms, grow_late))
		return;
	wire_preset(&create_partitions_command_type, &m);
	m.request_max = (int32_t)broker_number(
		b, SETTING_MAX_PARTITIONS_PER_REQUEST);
	m.cluster_max = (int32_t)broker_number(b, SETTING_MAX_PARTITIONS);
	sort_growth(rq, &m);
	a = (struct admission){ &create_partitions_command_type, &m,
				in->timeout_ms, grown, grow_late };
	if (in->validate_only || m.topics_n == 0)
		control_rehearse(b, rq, &a);
	else
		control_admit(b, rq, &a);
}
