/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configs: AlterConfigs and IncrementalAlterConfigs. Names and values are
 * checked here, by the table of the leader's program; the command says only
 * what shall be (alter.c). KIP-133, 226, 339.
 *
 * 1. A resource is altered as a whole or not at all.
 */
#include "control.h"

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, GROUP = 32 };
enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };
enum { TIMEOUT_MS = 30000 }; /* the requests have none of their own */

struct item { /* one resource of either request */
	int8_t type;
	struct str name;
	int32_t entries_n;
	struct alter_settings_command_entry *entries;
	bool replace; /* what is not named is dropped */
	int16_t error;
	const char *why;
};
struct altering { /* rq->state */
	struct item *items;
	int32_t n;
	bool replace;
};

static void fail(struct item *item, int16_t error, const char *why)
{
	item->error = error;
	item->why = why;
}

/* ---- checking ------------------------------------------------------------ */

static int scope_of(const struct item *item)
{
	switch (item->type) {
	case TOPIC:
		return SETTING_TOPIC;
	case BROKER:
		return item->name.n > 0 ? SETTING_BROKER : SETTING_CLUSTER;
	case GROUP:
		return SETTING_GROUP;
	default:
		return 0;
	}
}

static bool is_list(const struct setting *s)
{
	return s->type == SETTING_LIST || s->type == SETTING_ENUM_LIST;
}

/* What a list is while the resource says nothing: what to append to. */
static struct str fallback(const struct broker *b, const struct item *item,
			   const struct setting *s)
{
	enum setting_id id = setting_id_of(s);
	struct setting_place places[SETTING_PLACES_MAX];

	if (item->type == BROKER && item->name.n > 0) {
		setting_places(&(struct setting_view){
				       b->cluster, NULL, -1, NULL, STR_NULL },
			       id, places);
		return str_of(places[0].value);
	}
	return str_of(setting_of_topic(b->cluster, b->node->settings, NULL,
				       id));
}

static void check_entry(const struct broker *b, struct item *item,
			struct alter_settings_command_entry *e,
			struct arena *a)
{
	const struct setting *s = setting_find(e->name);
	bool wordwise = e->op == OP_APPEND || e->op == OP_SUBTRACT;
	const char *why;

	if (e->op < OP_SET || e->op > OP_SUBTRACT) {
		fail(item, K_INVALID_REQUEST, arena_printf(a,
		     "Unknown operation type %d for configuration %.*s.",
		     e->op, STR_ARG(e->name)));
		return;
	}
	if (s && (s->scope & SETTING_NODE) && !(s->scope & scope_of(item)) &&
	    !(s->scope & SETTING_AGREED) && item->type == BROKER) {
		fail(item, K_INVALID_REQUEST, arena_printf(a,
		     "Cannot update %s at run time: it is read at start.",
		     s->name));
		return;
	}
	if (e->op == OP_DELETE) /* of what is not there: nothing to do */
		return;
	if (e->value.n < 0) {
		fail(item, K_INVALID_REQUEST, arena_printf(a,
		     "Null value not supported for : %.*s", STR_ARG(e->name)));
		return;
	}
	if (wordwise && s && !is_list(s)) {
		fail(item, K_INVALID_CONFIG, arena_printf(a,
		     "Can't %s to key %s because its type is not LIST.",
		     e->op == OP_APPEND ? "APPEND" : "SUBTRACT", s->name));
		return;
	}
	why = setting_refusal(e->name, e->value, scope_of(item), a);
	if (why) {
		fail(item, K_INVALID_CONFIG, why);
		return;
	}
	if (wordwise) {
		e->fallback = fallback(b, item, s);
		e->empty = true;
	}
}

static bool names_twice(const struct item *item)
{
	struct map seen = { 0 };
	bool twice = false;

	for (int32_t i = 0; i < item->entries_n; i++) {
		twice |= map_find_str(&seen, item->entries[i].name) != NULL;
		map_put_str(&seen, item->entries[i].name, &seen);
	}
	map_fini(&seen);
	return twice;
}

static bool sets(const struct item *item, const char *name)
{
	for (int32_t i = 0; i < item->entries_n; i++)
		if (str_eq_c(item->entries[i].name, name) &&
		    item->entries[i].op == OP_SET)
			return true;
	return false;
}

static int64_t number_after(const struct broker *b, const struct item *item,
			    enum setting_id id, struct arena *a)
{
	const struct topic *t = item->replace ? NULL :
		cluster_topic(b->cluster, item->name);

	for (int32_t i = 0; i < item->entries_n; i++) {
		if (!str_eq_c(item->entries[i].name, settings[id].name))
			continue;
		if (item->entries[i].op == OP_SET)
			return setting_number(str_c(a, item->entries[i].value));
		t = NULL; /* dropped */
	}
	return setting_number(setting_of_topic(b->cluster, b->node->settings,
					       t, id));
}

const char *setting_lag_conflict(int64_t min_ms, int64_t max_ms)
{
	return min_ms > max_ms ?
		"conflict topic config setting min.compaction.lag.ms is "
		"larger than max.compaction.lag.ms" : NULL;
}

/* Settings that contradict each other. */
static void check_together(const struct broker *b, struct item *item,
			   struct arena *a)
{
	const char *why;

	if (item->type != TOPIC ||
	    (!sets(item, "min.compaction.lag.ms") &&
	     !sets(item, "max.compaction.lag.ms")))
		return;
	why = setting_lag_conflict(
		number_after(b, item, SETTING_MIN_COMPACTION_LAG_MS, a),
		number_after(b, item, SETTING_MAX_COMPACTION_LAG_MS, a));
	if (why)
		fail(item, K_INVALID_CONFIG, why);
}

static bool has_room_for_group(const struct broker *b, struct str group)
{
	return map_find_str(&b->cluster->group_settings, group) ||
	       (int64_t)map_count(&b->cluster->group_settings) <
		       broker_number(b, SETTING_MAX_GROUPS);
}

static void check(const struct broker *b, struct item *item, struct arena *a)
{
	if (item->type == BROKER_LOGGER)
		fail(item, K_INVALID_REQUEST, "Log levels are set by log.level "
		     "at the start of a broker.");
	else if (!scope_of(item))
		fail(item, K_INVALID_REQUEST, arena_printf(a,
		     "Unknown resource type %d", item->type));
	else if (names_twice(item))
		fail(item, K_INVALID_REQUEST,
		     "Error due to duplicate config keys");
	else if (item->type == GROUP && !has_room_for_group(b, item->name))
		fail(item, K_POLICY_VIOLATION,
		     "There are settings for as many groups as there may be.");
	for (int32_t i = 0; i < item->entries_n && !item->error; i++)
		check_entry(b, item, &item->entries[i], a);
	if (!item->error)
		check_together(b, item, a);
	if (item->error == K_INVALID_CONFIG && item->type == TOPIC &&
	    !cluster_topic(b->cluster, item->name))
		fail(item, K_UNKNOWN_TOPIC_OR_PARTITION, arena_printf(a,
		     "The topic '%.*s' does not exist.", STR_ARG(item->name)));
}

/* One resource twice: neither counts, and the answer names it once. */
static void check_doubles(struct altering *x)
{
	struct map seen = { 0 };

	for (int32_t i = 0; i < x->n; i++) {
		struct str name = x->items[i].name;
		struct buf key = { 0 };
		struct item *first;

		buf_put_u8(&key, (uint8_t)x->items[i].type);
		buf_put(&key, name.p, (size_t)max_of(name.n, 0));
		first = map_find(&seen, key.p, key.n);
		if (first) {
			fail(first, K_INVALID_REQUEST,
			     "Each resource must appear at most once.");
			fail(&x->items[i], first->error, NULL); /* not told */
			x->items[i].type = -1;
		} else {
			map_put(&seen, key.p, key.n, &x->items[i]);
		}
		buf_fini(&key);
	}
	map_fini(&seen);
}

/* ---- answering ----------------------------------------------------------- */

/* The answers of both requests have the same shape, field by field. */
static void put_answer(struct request *rq, int32_t at, const struct item *item,
		       int16_t error, struct str why)
{
	struct incremental_alter_configs_response *out = rq->out;
	struct alter_configs_response *legacy = rq->out;
	const struct altering *x = rq->state;

	if (x->replace) {
		legacy->responses_n = at + 1;
		legacy->responses[at] =
			(struct alter_configs_response_response){
				error, why, item->type, item->name };
		return;
	}
	out->responses_n = at + 1;
	out->responses[at] =
		(struct incremental_alter_configs_response_response){
			error, why, item->type, item->name };
}

static void begin_answer(struct request *rq)
{
	struct incremental_alter_configs_response *out = rq->out;
	struct alter_configs_response *legacy = rq->out;
	const struct altering *x = rq->state;

	if (x->replace)
		legacy->responses =
			wire_new(&alter_configs_response_response_type, x->n,
				 &rq->arena);
	else
		out->responses = wire_new(
			&incremental_alter_configs_response_response_type,
			x->n, &rq->arena);
}

static void answer_from(struct request *rq,
			const struct incremental_alter_configs_response *r,
			int16_t late)
{
	const struct altering *x = rq->state;
	int32_t decided = 0, at = 0;

	begin_answer(rq);
	for (int32_t i = 0; i < x->n; i++) {
		const struct item *item = &x->items[i];

		if (item->type == -1)
			continue;
		if (item->error)
			put_answer(rq, at++, item, item->error,
				   str_of(item->why));
		else if (r)
			put_answer(rq, at++, item,
				   r->responses[decided].error_code,
				   r->responses[decided].error_message);
		else
			put_answer(rq, at++, item, late,
				   str_of(kerr_text(late)));
		decided += !item->error;
	}
}

static void alter_late(struct request *rq, int16_t error)
{
	answer_from(rq, NULL, error);
}

static void altered(struct broker *b, struct request *rq, void *result)
{
	(void)b;
	answer_from(rq, result, K_NONE);
}

/* ---- the two requests ---------------------------------------------------- */

static void alter(struct broker *b, struct request *rq, bool validate_only)
{
	struct altering *x = rq->state;
	struct alter_settings_command m = { 0 };
	struct admission a = { &alter_settings_command_type, &m, TIMEOUT_MS,
			       altered, alter_late };

	if (!control_here(b, rq, TIMEOUT_MS, alter_late))
		return;
	check_doubles(x);
	m.resources = arena_zalloc(&rq->arena, (size_t)max_of(x->n, 1) *
					       sizeof(*m.resources));
	for (int32_t i = 0; i < x->n; i++) {
		struct item *item = &x->items[i];

		if (!item->error)
			check(b, item, &rq->arena);
		if (item->error)
			continue;
		m.resources[m.resources_n++] =
			(struct alter_settings_command_resource){
				item->type, item->name, x->replace,
				item->entries_n, item->entries };
	}
	if (validate_only || m.resources_n == 0)
		control_rehearse(b, rq, &a);
	else
		control_admit(b, rq, &a);
}

static struct altering *begin(struct request *rq, int32_t n, bool replace)
{
	struct altering *x = arena_zalloc(&rq->arena, sizeof(*x));

	x->n = n;
	x->replace = replace;
	x->items = arena_zalloc(&rq->arena,
				(size_t)max_of(n, 1) * sizeof(*x->items));
	for (int32_t i = 0; i < n; i++)
		x->items[i].replace = replace;
	rq->state = x;
	return x;
}

static struct alter_settings_command_entry *entries(struct request *rq,
						    int32_t n)
{
	return wire_new(&alter_settings_command_entry_type, n, &rq->arena);
}

void handle_incremental_alter_configs(struct broker *b, struct request *rq)
{
	const struct incremental_alter_configs_request *in = rq->in;
	struct altering *x = begin(rq, in->resources_n, false);

	for (int32_t i = 0; i < x->n; i++) {
		const struct incremental_alter_configs_request_resource *r =
			&in->resources[i];
		struct item *item = &x->items[i];

		item->type = r->resource_type;
		item->name = r->resource_name;
		item->entries_n = r->configs_n;
		item->entries = entries(rq, r->configs_n);
		for (int32_t k = 0; k < r->configs_n; k++) {
			item->entries[k].name = r->configs[k].name;
			item->entries[k].op = r->configs[k].config_operation;
			item->entries[k].value = r->configs[k].value;
		}
	}
	alter(b, rq, in->validate_only);
}

void handle_alter_configs(struct broker *b, struct request *rq)
{
	const struct alter_configs_request *in = rq->in;
	struct altering *x = begin(rq, in->resources_n, true);

	for (int32_t i = 0; i < x->n; i++) {
		const struct alter_configs_request_resource *r =
			&in->resources[i];
		struct item *item = &x->items[i];

		item->type = r->resource_type;
		item->name = r->resource_name;
		item->entries_n = r->configs_n;
		item->entries = entries(rq, r->configs_n);
		for (int32_t k = 0; k < r->configs_n; k++) {
			item->entries[k].name = r->configs[k].name;
			item->entries[k].op = OP_SET;
			item->entries[k].value = r->configs[k].value;
		}
	}
	alter(b, rq, in->validate_only);
}
