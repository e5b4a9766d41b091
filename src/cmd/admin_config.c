/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_config: settings of topics, brokers and groups (KIP-226, KIP-339).
 */
#include "admin.h"

const struct column config_columns[] = {
	{ "ENTITY", "entity", CELL_TEXT },
	{ "KEY", "key", CELL_TEXT },
	{ "VALUE", "value", CELL_TEXT },
	{ "SOURCE", "source", CELL_TEXT },
	{ "READ-ONLY", "read_only", CELL_TEXT },
	{ "TYPE", "type", CELL_TEXT },
};

static const char *entity_word(int8_t type)
{
	switch (type) {
	case RESOURCE_TOPIC:
		return "topic";
	case RESOURCE_BROKER:
		return "broker";
	case RESOURCE_GROUP:
		return "group";
	case RESOURCE_METRICS:
		return "client-metrics";
	default:
		return "other";
	}
}

/* topic/NAME, broker/ID, broker, group/NAME; topics by their bare name. */
static bool parse_entity(struct admin *a, const char *s, int8_t *type,
			 struct str *name)
{
	static const int8_t types[] = { RESOURCE_TOPIC, RESOURCE_BROKER,
					RESOURCE_GROUP, RESOURCE_METRICS };
	const char *slash = strchr(s, '/');
	struct str word = str_of(s);

	*name = slash ? str_of(slash + 1) : STR("");
	if (slash)
		word.n = (int32_t)(slash - s);
	for (unsigned i = 0; i < countof(types); i++) {
		if (!str_eq_c(word, entity_word(types[i])))
			continue;
		*type = types[i];
		if (name->n > 0 || (!slash && *type == RESOURCE_BROKER))
			return true;
	}
	admin_usage(a, "%s: topic/NAME, broker/ID, broker or group/NAME is "
		    "wanted", s);
	return false;
}

/* A broker is asked about itself; any about the others. */
static struct client_target target_of(int8_t type, struct str name)
{
	int64_t id;

	if (type == RESOURCE_BROKER && str_to_i64(name, 0, INT32_MAX, &id))
		return CLIENT_NODE((int32_t)id);
	return CLIENT_ANY;
}

static const char *source_word(int8_t source)
{
	static const char *const words[] = {
		"unknown", "topic", "broker", "all brokers", "file",
		"default", "logger", "client-metrics", "group",
	};

	return source >= 0 && source < (int8_t)countof(words) ? words[source] :
								"unknown";
}

static const char *type_word(int8_t type)
{
	static const char *const words[] = {
		NULL, "boolean", "string", "int", "short", "long", "double",
		"list", "class", "password",
	};

	return type > 0 && type < (int8_t)countof(words) ? words[type] : NULL;
}

static bool describe(struct admin *a, int8_t type, struct str name,
		     const char *key, struct describe_configs_response *rs)
{
	struct describe_configs_request rq;
	struct describe_configs_request_resource r;
	struct str wanted = str_of(key);

	wire_preset(&describe_configs_request_type, &rq);
	wire_preset(&describe_configs_request_resource_type, &r);
	r.resource_type = type;
	r.resource_name = name;
	r.configuration_keys_n = key ? 1 : -1;
	r.configuration_keys = key ? &wanted : NULL;
	rq.resources = &r;
	rq.resources_n = 1;
	if (!admin_call(a, target_of(type, name), 32, &rq, rs))
		return false;
	if (rs->results_n == 1 && !rs->results[0].error_code)
		return true;
	if (rs->results_n == 1)
		admin_refused(a, rs->results[0].error_code, name,
			      rs->results[0].error_message);
	return false;
}

static bool is_default(const struct describe_configs_response_config *c)
{
	return c->config_source == 5 || c->config_source < 0;
}

static void config_row(struct section *s, int8_t type, struct str name,
		       const struct describe_configs_response_config *c)
{
	char entity[320];

	snprintf(entity, sizeof(entity), "%s%s%.*s", entity_word(type),
		 name.n > 0 ? "/" : "", STR_ARG(name));
	row_begin(s);
	cell_text(s, entity);
	cell_str(s, c->name);
	cell_str(s, c->is_sensitive ? STR_NULL : c->value);
	cell_text(s, source_word(c->config_source));
	cell_bool(s, c->read_only);
	cell_text(s, type_word(c->config_type));
}

void admin_describe_configs(struct admin *a, struct section *s, int8_t type,
			    struct str name, bool all)
{
	struct describe_configs_response rs;
	const struct describe_configs_response_result *r;

	if (!describe(a, type, name, NULL, &rs))
		return;
	r = &rs.results[0];
	for (int32_t i = 0; i < r->configs_n; i++) {
		const struct describe_configs_response_config *c =
			&r->configs[i];
		/* for a topic, what the broker's file says is a default too */
		bool own = type == RESOURCE_TOPIC ? c->config_source == 1 :
			   !is_default(c);

		if (all || own)
			config_row(s, type, name, c);
	}
}

const char *admin_config_value(struct admin *a, int8_t type, struct str name,
			       const char *key)
{
	struct describe_configs_response rs;

	if (!describe(a, type, name, key, &rs))
		return NULL;
	for (int32_t i = 0; i < rs.results[0].configs_n; i++)
		if (str_eq_c(rs.results[0].configs[i].name, key))
			return str_c(client_arena(a->client),
				     rs.results[0].configs[i].value);
	return NULL;
}

static void get_keys(struct admin *a, struct section *s, int8_t type,
		     struct str name)
{
	struct describe_configs_response rs;
	const struct describe_configs_response_result *r;

	if (!describe(a, type, name, NULL, &rs))
		return;
	r = &rs.results[0];
	for (int i = 1; i < a->args_n; i++) {
		int32_t k = 0;

		while (k < r->configs_n &&
		       !str_eq_c(r->configs[k].name, a->args[i]))
			k++;
		if (k < r->configs_n)
			config_row(s, type, name, &r->configs[k]);
		else
			admin_fail(a, EXIT_MISSING, "RESOURCE_NOT_FOUND",
				   "%s: no such setting", a->args[i]);
	}
}

void config_get(struct admin *a)
{
	struct section *s = out_section_n(&a->out, "configs", config_columns,
					  CONFIG_COLUMNS);
	struct str name;
	int8_t type;

	if (!parse_entity(a, a->args[0], &type, &name))
		return;
	if (a->args_n > 1)
		get_keys(a, s, type, name);
	else
		admin_describe_configs(a, s, type, name, admin_has(a, "all"));
}

bool admin_alter_configs(struct admin *a, struct section *s, int8_t type,
			 struct str name, const struct setting_change *v)
{
	struct incremental_alter_configs_request rq;
	struct incremental_alter_configs_request_resource r;
	struct incremental_alter_configs_response rs;
	int32_t n = 0;

	wire_preset(&incremental_alter_configs_request_type, &rq);
	wire_preset(&incremental_alter_configs_request_resource_type, &r);
	while (v[n].key.n >= 0)
		n++;
	r.resource_type = type;
	r.resource_name = name;
	r.configs = wire_new(&incremental_alter_configs_request_config_type, n,
			     client_arena(admin_client(a)));
	r.configs_n = n;
	for (int32_t i = 0; i < n; i++) {
		r.configs[i].name = v[i].key;
		r.configs[i].config_operation = v[i].value.n < 0; /* DELETE */
		r.configs[i].value = v[i].value;
	}
	rq.resources = &r;
	rq.resources_n = 1;
	rq.validate_only = a->dry_run;
	if (!admin_call(a, type == RESOURCE_BROKER ? target_of(type, name) :
			CLIENT_CONTROLLER, 44, &rq, &rs))
		return false;
	if (rs.responses_n == 1 && rs.responses[0].error_code) {
		admin_refused(a, rs.responses[0].error_code, name,
			      rs.responses[0].error_message);
		return false;
	}
	for (int32_t i = 0; i < n; i++) {
		row_begin(s);
		cell_text(s, entity_word(type));
		cell_str(s, name);
		cell_str(s, v[i].key);
		cell_str(s, v[i].value);
		cell_text(s, v[i].value.n < 0 ?
			  admin_done(a, "unset", "would be unset") :
			  admin_done(a, "set", "would be set"));
	}
	return true;
}

const struct column change_columns[] = {
	{ "ENTITY", "entity", CELL_TEXT },
	{ "NAME", "name", CELL_TEXT },
	{ "KEY", "key", CELL_TEXT },
	{ "VALUE", "value", CELL_TEXT },
	{ "STATUS", "status", CELL_TEXT },
};

static void change(struct admin *a, bool set)
{
	struct section *s = out_section_n(&a->out, "configs", change_columns,
					  CHANGE_COLUMNS);
	struct setting_change *v = mem_alloc(sizeof(*v) * (size_t)a->args_n);
	struct str name;
	int8_t type;
	bool ok = parse_entity(a, a->args[0], &type, &name);

	for (int i = 1; ok && i < a->args_n; i++) {
		pair_parse(a->args[i], &v[i - 1].key, &v[i - 1].value);
		if (set == (v[i - 1].value.n >= 0))
			continue;
		admin_usage(a, set ? "%s: KEY=VALUE is wanted" :
			    "%s: a KEY alone is wanted", a->args[i]);
		ok = false;
	}
	v[a->args_n - 1].key = STR_NULL;
	if (ok)
		admin_alter_configs(a, s, type, name, v);
	mem_free(v);
}

void config_set(struct admin *a)
{
	change(a, true);
}

void config_unset(struct admin *a)
{
	change(a, false);
}
