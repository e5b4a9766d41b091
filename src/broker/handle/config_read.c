/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_read: DescribeConfigs and ListConfigResources, from this thread's
 * copy of the cluster and this node's own settings. KIP-133, 226 (sources and
 * synonyms), 569 (types and documentation), 1142.
 */
#include "control.h"

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, METRICS = 16, GROUP = 32 };

/* ---- one setting --------------------------------------------------------- */

int8_t setting_wire_type(const struct setting *s)
{
	switch (s->type) {
	case SETTING_BOOL:
		return 1;
	case SETTING_STRING:
	case SETTING_ENUM:
		return 2;
	case SETTING_INT:
		return 3;
	case SETTING_LONG:
		return 5;
	case SETTING_DOUBLE:
		return 6;
	case SETTING_LIST:
	case SETTING_ENUM_LIST:
		return 7;
	}
	return 0;
}

bool setting_read_only(const struct setting *s, int scope)
{
	return !(s->scope & (scope == SETTING_NODE ?
			     SETTING_CLUSTER | SETTING_BROKER : scope));
}

/* "Decide for me" is shown as what was decided. */
static const char *decided(const struct broker *b, const struct setting_view *v,
			   enum setting_id id, const char *value,
			   struct arena *a)
{
	int32_t replicas = cluster_default_replicas(b->cluster, broker_number(
				b, SETTING_DEFAULT_REPLICATION_FACTOR));
	const struct topic *t = v->topic;

	if (strcmp(value, "-1") != 0)
		return value;
	if (id == SETTING_DEFAULT_REPLICATION_FACTOR)
		return arena_printf(a, "%d", replicas);
	if (id != SETTING_MIN_INSYNC_REPLICAS)
		return value;
	if (t && t->partitions_n > 0)
		replicas = t->partitions[0].replicas.n;
	return arena_printf(a, "%d", replicas > 2 ? 2 : 1);
}

struct setting_view setting_view_here(const struct broker *b)
{
	return (struct setting_view){ b->cluster, b->node->settings,
				      b->node->id, NULL, STR_NULL };
}

const char *setting_shown(const struct broker *b, const struct setting_view *v,
			  enum setting_id id, struct arena *a)
{
	struct setting_place places[SETTING_PLACES_MAX];

	setting_places(v, id, places);
	if (places[0].value[0] == '\0')
		return places[0].source == SOURCE_DEFAULT &&
				       settings[id].type != SETTING_LIST ?
			NULL : "";
	return decided(b, v, id, places[0].value, a);
}

static void show_synonyms(const struct setting_place *places, int n,
			  struct arena *a,
			  struct describe_configs_response_config *out)
{
	out->synonyms = wire_new(&describe_configs_response_synonym_type, n,
				 a);
	out->synonyms_n = n;
	for (int i = 0; i < n; i++) {
		out->synonyms[i].name = str_of(places[i].name);
		out->synonyms[i].value = str_of(places[i].value);
		out->synonyms[i].source = (int8_t)places[i].source;
	}
}

struct described { /* a resource */
	struct setting_view view;
	int scope; /* the enum setting_scope bit */
};

static void show(struct broker *b, struct request *rq,
		 const struct described *d, enum setting_id id,
		 struct describe_configs_response_config *out)
{
	const struct describe_configs_request *in = rq->in;
	const struct setting *s = &settings[id];
	struct setting_place places[SETTING_PLACES_MAX];
	int n = setting_places(&d->view, id, places);

	out->name = str_of(s->name);
	out->value = str_of(setting_shown(b, &d->view, id, &rq->arena));
	out->read_only = setting_read_only(s, d->scope);
	out->config_source = (int8_t)places[0].source;
	out->config_type = setting_wire_type(s);
	out->documentation = in->include_documentation ? str_of(s->doc) :
							 STR_NULL;
	if (d->scope == SETTING_CLUSTER)
		n = 1; /* the others are not the cluster's */
	if (in->include_synonyms)
		show_synonyms(places, n, &rq->arena, out);
}

/* ---- one resource -------------------------------------------------------- */

/* No keys are all keys. */
static bool is_asked(const struct describe_configs_request_resource *r,
		     const char *name)
{
	for (int32_t i = 0; i < r->configuration_keys_n; i++)
		if (str_eq_c(r->configuration_keys[i], name))
			return true;
	return r->configuration_keys_n <= 0;
}

/* Of the cluster-wide defaults only those that have been set. */
static bool belongs(const struct broker *b, const struct described *d,
		    const struct setting *s)
{
	if (d->scope == SETTING_CLUSTER)
		return map_find_str(&b->cluster->settings, str_of(s->name));
	return s->scope & d->scope;
}

static void show_all(struct broker *b, struct request *rq,
		     const struct describe_configs_request_resource *r,
		     const struct described *d,
		     struct describe_configs_response_result *out)
{
	out->configs = wire_new(&describe_configs_response_config_type,
				SETTING_COUNT, &rq->arena);
	for (int id = 0; id < SETTING_COUNT; id++)
		if (belongs(b, d, &settings[id]) &&
		    is_asked(r, settings[id].name))
			show(b, rq, d, (enum setting_id)id,
			     &out->configs[out->configs_n++]);
}

static void fail(struct describe_configs_response_result *out, int16_t error,
		 const char *why)
{
	out->error_code = error;
	out->error_message = str_of(why);
}

static void describe_topic(struct broker *b, struct request *rq,
			   const struct describe_configs_request_resource *r,
			   struct describe_configs_response_result *out)
{
	const char *why = topic_name_fault(r->resource_name);
	struct described d = { setting_view_here(b), SETTING_TOPIC };

	d.view.topic = cluster_topic(b->cluster, r->resource_name);
	if (why)
		fail(out, K_INVALID_TOPIC_EXCEPTION,
		     arena_printf(&rq->arena, "Topic name is invalid: %s",
				  why));
	else if (!d.view.topic)
		fail(out, K_UNKNOWN_TOPIC_OR_PARTITION,
		     kerr_text(K_UNKNOWN_TOPIC_OR_PARTITION));
	else
		show_all(b, rq, r, &d, out);
}

/* Whether the name is our id; else it fails. */
static bool is_ours(const struct broker *b, struct arena *a,
		    const struct describe_configs_request_resource *r,
		    struct describe_configs_response_result *out)
{
	const char *also =
		r->resource_type == BROKER ? " or empty string," : "";
	int64_t id;

	if (!str_to_i64(r->resource_name, 0, INT32_MAX, &id)) {
		fail(out, K_INVALID_REQUEST, arena_printf(a,
		     "Broker id must be an integer, but it is: %.*s",
		     STR_ARG(r->resource_name)));
		return false;
	}
	if (id != b->node->id)
		fail(out, K_INVALID_REQUEST, arena_printf(a,
		     "Unexpected broker id, expected %d%s but received %.*s",
		     b->node->id, also, STR_ARG(r->resource_name)));
	return id == b->node->id;
}

static void describe_broker(struct broker *b, struct request *rq,
			    const struct describe_configs_request_resource *r,
			    struct describe_configs_response_result *out)
{
	struct described d = { setting_view_here(b), SETTING_NODE };

	if (r->resource_name.n <= 0) {
		d.scope = SETTING_CLUSTER;
		d.view.broker = -1;
	} else if (!is_ours(b, &rq->arena, r, out)) {
		return;
	}
	show_all(b, rq, r, &d, out);
}

static void describe_group(struct broker *b, struct request *rq,
			   const struct describe_configs_request_resource *r,
			   struct describe_configs_response_result *out)
{
	struct described d = { setting_view_here(b), SETTING_GROUP };

	d.view.group = r->resource_name;
	if (r->resource_name.n <= 0)
		fail(out, K_INVALID_REQUEST, "Group name must not be empty");
	else
		show_all(b, rq, r, &d, out);
}

static void describe(struct broker *b, struct request *rq,
		     const struct describe_configs_request_resource *r,
		     struct describe_configs_response_result *result)
{
	result->resource_type = r->resource_type;
	result->resource_name = r->resource_name;
	if (r->resource_type == TOPIC)
		describe_topic(b, rq, r, result);
	else if (r->resource_type == BROKER)
		describe_broker(b, rq, r, result);
	else if (r->resource_type == GROUP)
		describe_group(b, rq, r, result);
	else if (r->resource_type == BROKER_LOGGER)
		is_ours(b, &rq->arena, r, result); /* there are none */
	else if (r->resource_type == METRICS && r->resource_name.n <= 0)
		fail(result, K_INVALID_REQUEST,
		     "Client metrics subscription name must not be empty");
	else if (r->resource_type != METRICS)
		fail(result, K_INVALID_REQUEST, arena_printf(
		     &rq->arena, "Unsupported resource type: %d",
		     r->resource_type));
}

/* Asked for before in this request. */
static bool is_repeated(struct map *seen, struct arena *a,
			const struct describe_configs_request_resource *r)
{
	struct str key = str_printf(a, "%d %.*s", r->resource_type,
				    STR_ARG(r->resource_name));

	if (map_find_str(seen, key))
		return true;
	map_put_str(seen, key, seen);
	return false;
}

/*
 * Each resource once, however often it is named: five bytes that name one cost
 * tens of KiB of answer, and a request may have millions of them.
 */
void handle_describe_configs(struct broker *b, struct request *rq)
{
	const struct describe_configs_request *in = rq->in;
	struct describe_configs_response *out = rq->out;
	struct map seen = { 0 };

	out->results_n = 0;
	out->results = wire_new(&describe_configs_response_result_type,
				in->resources_n, &rq->arena);
	for (int32_t i = 0; i < in->resources_n; i++)
		if (!is_repeated(&seen, &rq->arena, &in->resources[i]))
			describe(b, rq, &in->resources[i],
				 &out->results[out->results_n++]);
	map_fini(&seen);
	broker_answer(b, rq);
}

/* ---- ListConfigResources ------------------------------------------------- */

#define BIT(type) (UINT64_C(1) << (type))

static bool is_listable(int8_t type)
{
	return type == TOPIC || type == BROKER || type == BROKER_LOGGER ||
	       type == METRICS || type == GROUP;
}

static void list_one(struct list_config_resources_response *out,
		     struct str name, int8_t type)
{
	out->config_resources[out->config_resources_n++] =
		(struct list_config_resources_response_resource){ name, type };
}

/* The types that are wanted, a bit for each; none that is not listable. */
static uint64_t wanted(const struct request *rq)
{
	const struct list_config_resources_request *in = rq->in;
	uint64_t types = 0;

	if (rq->header.version == 0)
		return BIT(METRICS);
	for (int32_t i = 0; i < in->resource_types_n; i++)
		types |= BIT(in->resource_types[i]);
	return in->resource_types_n > 0 ? types : UINT64_MAX;
}

static void list_all(struct broker *b, struct request *rq)
{
	struct list_config_resources_response *out = rq->out;
	const struct cluster *c = b->cluster;
	uint64_t types = wanted(rq);
	size_t n = map_count(&c->topics) + 2 * map_count(&c->brokers) +
		   map_count(&c->group_settings);

	out->config_resources =
		wire_new(&list_config_resources_response_resource_type,
			 (int32_t)n, &rq->arena);
	for (struct map_iter i = map_first(&c->topics);
	     i.at && (types & BIT(TOPIC)); map_next(&i))
		list_one(out, str_dup(&rq->arena,
				      (struct str){ i.key, (int32_t)i.key_n }),
			 TOPIC);
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i)) {
		const struct broker_info *info = i.value;
		struct str name = str_printf(&rq->arena, "%d", info->id);

		if (types & BIT(BROKER))
			list_one(out, name, BROKER);
		if (types & BIT(BROKER_LOGGER))
			list_one(out, name, BROKER_LOGGER);
	}
	for (struct map_iter i = map_first(&c->group_settings);
	     i.at && (types & BIT(GROUP)); map_next(&i))
		list_one(out, str_dup(&rq->arena,
				      (struct str){ i.key, (int32_t)i.key_n }),
			 GROUP);
}

void handle_list_config_resources(struct broker *b, struct request *rq)
{
	const struct list_config_resources_request *in = rq->in;
	struct list_config_resources_response *out = rq->out;

	for (int32_t i = 0; i < in->resource_types_n; i++)
		if (!is_listable(in->resource_types[i]))
			out->error_code = K_UNSUPPORTED_VERSION;
	if (!out->error_code)
		list_all(b, rq);
	broker_answer(b, rq);
}
