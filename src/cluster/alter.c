/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alter: settings of topics, brokers, groups and of the whole cluster change.
 * KIP-133 (AlterConfigs, DescribeConfigs), KIP-226 (brokers), KIP-339
 * (incremental). Names and values have been checked by the proposer; what
 * depends on the state, such as appending to a list, is done here.
 *
 * 1. A resource is altered as a whole or not at all.
 */
#include "state.h"

enum { TOPIC_RESOURCE = 2, BROKER_RESOURCE = 4, GROUP_RESOURCE = 32 };
enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };
enum { LIST_MAX = 32767 }; /* bytes; what the protocol can carry */

struct target { /* of one resource */
	int8_t type;
	struct topic *topic;
	int32_t broker; /* -1 all */
	struct str group;
	const struct map *now; /* NULL = none yet */
};
static struct verdict find_target(struct change *x,
				  const struct alter_settings_command_resource
					  *m, struct target *out)
{
	int64_t id;

	*out = (struct target){ .type = m->type, .broker = -1,
				.group = STR_NULL };
	switch (m->type) {
	case TOPIC_RESOURCE:
		out->topic = topic_of(x->c, m->name);
		if (!out->topic)
			return (struct verdict){ K_UNKNOWN_TOPIC_OR_PARTITION,
				arena_printf(x->arena, "The topic '%.*s' does "
					     "not exist.", STR_ARG(m->name)) };
		out->now = &out->topic->settings;
		break;
	case BROKER_RESOURCE:
		out->now = &x->c->settings;
		if (m->name.n <= 0)
			break;
		if (!str_to_i64(m->name, 0, INT32_MAX, &id))
			return (struct verdict){ K_INVALID_REQUEST,
				"The name of a broker is its id." };
		if (!broker_of(x->c, (int32_t)id))
			return (struct verdict){ K_BROKER_ID_NOT_REGISTERED,
				arena_printf(x->arena, "No broker with id %"
					     PRId64 " found.", id) };
		out->broker = (int32_t)id;
		out->now = map_find_i64(&x->c->broker_settings, id);
		break;
	case GROUP_RESOURCE:
		if (m->name.n <= 0)
			return (struct verdict){ K_INVALID_REQUEST,
				"The name of a group is its id." };
		out->group = m->name;
		out->now = map_find_str(&x->c->group_settings, m->name);
		break;
	default:
		return (struct verdict){ K_INVALID_REQUEST,
					 "Unexpected resource type." };
	}
	return (struct verdict){ K_NONE, NULL };
}

/* ---- lists --------------------------------------------------------------- */

static struct str next_word(struct str *rest)
{
	struct str word = { rest->p, 0 };

	while (word.n < rest->n && rest->p[word.n] != ',')
		word.n++;
	if (word.n == rest->n) {
		rest->n = -1;
	} else {
		rest->p += word.n + 1;
		rest->n -= word.n + 1;
	}
	while (word.n > 0 && word.p[0] == ' ') {
		word.p++;
		word.n--;
	}
	while (word.n > 0 && word.p[word.n - 1] == ' ')
		word.n--;
	return word;
}

static bool has_word(struct str list, struct str word)
{
	while (list.n >= 0)
		if (str_eq(next_word(&list), word))
			return true;
	return false;
}

static void put_words(struct buf *b, struct str list, struct str without)
{
	while (list.n >= 0) {
		struct str word = next_word(&list);
		struct str sofar = { (const char *)b->p, (int32_t)b->n };

		if (word.n == 0 || has_word(sofar, word) ||
		    (without.n >= 0 && has_word(without, word)))
			continue;
		if (b->n)
			buf_put_u8(b, ',');
		buf_put(b, word.p, (size_t)word.n);
	}
}

static struct str combine(struct change *x, const struct map *now,
			  const struct alter_settings_command_entry *m)
{
	const char *value = now ? map_find_str(now, m->name) : NULL;
	struct str old = value ? str_of(value) : m->fallback;
	struct buf b = { 0 };
	struct str out;

	if (m->op == OP_APPEND) {
		put_words(&b, old, STR_NULL);
		put_words(&b, m->value, STR_NULL);
	} else {
		put_words(&b, old, m->value);
	}
	out = str_dup(x->arena,
		      (struct str){ (const char *)b.p, (int32_t)b.n });
	buf_fini(&b);
	return out.n < 0 ? STR("") : out;
}

/* ---- altering ------------------------------------------------------------ */

/* Values as they shall be: deleted ones are null. */
static struct verdict plan(struct change *x, const struct target *t,
			   const struct alter_settings_command_resource *m,
			   struct str *values)
{
	for (int32_t i = 0; i < m->entries_n; i++) {
		const struct alter_settings_command_entry *e = &m->entries[i];

		values[i] = e->op == OP_DELETE ? STR_NULL : e->value;
		if (e->op != OP_APPEND && e->op != OP_SUBTRACT)
			continue;
		values[i] = combine(x, t->now, e);
		if (values[i].n > LIST_MAX || (values[i].n == 0 && !e->empty))
			return (struct verdict){ K_INVALID_CONFIG,
				arena_printf(x->arena, "Invalid value for "
					     "configuration %.*s: the list "
					     "would be %s", STR_ARG(e->name),
					     values[i].n ? "too long" :
							   "empty") };
	}
	return (struct verdict){ K_NONE, NULL };
}

static struct map *map_of(struct change *x, const struct target *t)
{
	if (t->topic)
		return &t->topic->settings;
	if (t->group.n >= 0)
		return settings_of_group(x->c, t->group);
	if (t->broker >= 0)
		return settings_of_broker(x->c, t->broker);
	return &x->c->settings;
}

static void put_values(struct change *x, const struct target *t,
		       const struct alter_settings_command_resource *m,
		       const struct str *values)
{
	struct map *own = map_of(x, t);

	if (m->replace)
		settings_fini(own);
	for (int32_t i = 0; i < m->entries_n; i++) {
		if (values[i].n < 0)
			settings_drop(own, m->entries[i].name);
		else
			settings_put(own, m->entries[i].name, values[i]);
	}
	if (t->broker >= 0)
		settings_tidy_broker(x->c, t->broker);
	if (t->group.n >= 0)
		settings_tidy_group(x->c, t->group);
}

static void note(struct change *x, const struct target *t)
{
	if (t->topic)
		change_note_topic(x, CLUSTER_TOPIC_CONFIGURED, t->topic);
	else if (t->group.n >= 0)
		change_note(x, CLUSTER_GROUP_CONFIGURED)->group =
			str_dup(x->arena, t->group);
	else
		change_note(x, CLUSTER_SETTINGS_CHANGED)->broker = t->broker;
}

/* Elections go by how many must be in sync and whether one may be unclean. */
static bool touches_elections(const struct alter_settings_command_resource *m)
{
	for (int32_t i = 0; i < m->entries_n; i++)
		if (str_eq_c(m->entries[i].name, "min.insync.replicas") ||
		    str_eq_c(m->entries[i].name,
			     "unclean.leader.election.enable"))
			return true;
	return m->replace;
}

static struct verdict alter_one(struct change *x,
				const struct alter_settings_command_resource *m)
{
	struct str *values = arena_alloc(x->arena, sizeof(*values) *
					 (size_t)max_of(m->entries_n, 1));
	struct target t;
	struct verdict v = find_target(x, m, &t);

	if (!v.error)
		v = plan(x, &t, m, values);
	if (v.error || x->dry)
		return v;
	put_values(x, &t, m, values);
	note(x, &t);
	if (touches_elections(m) && t.group.n < 0 && t.broker < 0)
		elect_again(x, t.topic);
	return v;
}

void apply_alter_settings(struct change *x, const void *command)
{
	const struct alter_settings_command *m = command;
	struct incremental_alter_configs_response *answer =
		change_answer(x, &incremental_alter_configs_response_type);

	answer->responses_n = m->resources_n;
	answer->responses =
		wire_new(&incremental_alter_configs_response_response_type,
			 m->resources_n, x->arena);
	for (int32_t i = 0; i < m->resources_n; i++) {
		struct incremental_alter_configs_response_response *out =
			&answer->responses[i];
		struct verdict v = alter_one(x, &m->resources[i]);

		out->resource_type = m->resources[i].type;
		out->resource_name = m->resources[i].name;
		out->error_code = v.error;
		if (v.why)
			out->error_message = str_of(v.why);
	}
}
