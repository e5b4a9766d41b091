/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setting: the table of settings, what a value may be, and which value counts.
 * Not the parser of files and flags (that is the host's), not the command
 * that changes settings (alter.c).
 *
 * 1. A value that stands in the cluster or in node_settings has been checked
 *    by setting_fault; the readers of values may rely on it.
 * 2. AGREED settings never depend on a node: apply acts on them.
 */
#include <raftmq/cluster.h>

enum {
	SCOPE_STATIC = SETTING_NODE,
	SCOPE_LIVE = SETTING_NODE | SETTING_CLUSTER | SETTING_BROKER,
	SCOPE_TOPIC = SETTING_TOPIC,
	SCOPE_BOTH = SCOPE_LIVE | SETTING_TOPIC,
	SCOPE_GROUP = SETTING_GROUP,
	SCOPE_AGREED_DEFAULT = SETTING_NODE | SETTING_CLUSTER | SETTING_AGREED,
	SCOPE_AGREED = SCOPE_AGREED_DEFAULT | SETTING_TOPIC,
};

const struct setting settings[SETTING_COUNT] = {
#define CONFIG(id, name, type, preset, min, max, choices, scope, broker, doc)  \
	[SETTING_##id] = { name, sizeof(name) - 1, SETTING_##type, preset,     \
			   min, max, choices, SCOPE_##scope, broker, doc },
#include <raftmq/tbl/config.def>
#undef CONFIG
};

static const struct setting_alias aliases[] = {
#define CONFIG_ALIAS(name, id, factor, rank)                                   \
	{ name, SETTING_##id, factor, rank },
#include <raftmq/tbl/config.def>
#undef CONFIG_ALIAS
};

static const struct {
	const char *name, *why;
} ignored[] = {
#define CONFIG_IGNORED(name, why) { name, why },
#include <raftmq/tbl/config.def>
#undef CONFIG_IGNORED
};

/* ---- finding ------------------------------------------------------------- */

const struct setting *setting_find(struct str name)
{
	for (size_t i = 0; i < countof(settings); i++)
		if (name.n == settings[i].name_n &&
		    memcmp(name.p, settings[i].name, (size_t)name.n) == 0)
			return &settings[i];
	return NULL;
}

const struct setting_alias *setting_alias_find(struct str name)
{
	for (size_t i = 0; i < countof(aliases); i++)
		if (str_eq_c(name, aliases[i].name))
			return &aliases[i];
	return NULL;
}

const char *setting_ignored(struct str name)
{
	for (size_t i = 0; i < countof(ignored); i++)
		if (str_eq_c(name, ignored[i].name))
			return ignored[i].why;
	return NULL;
}

const char *setting_nearest(struct str name, int scope)
{
	const char *best = NULL;
	unsigned best_distance = 6; /* farther away it is no help */
	char text[65];

	if (name.n < 0 || (size_t)name.n >= sizeof(text))
		return NULL;
	memcpy(text, name.p, (size_t)name.n);
	text[name.n] = '\0';
	for (size_t i = 0; i < countof(settings); i++) {
		unsigned d;

		if (!(settings[i].scope & scope))
			continue;
		d = str_distance(text, settings[i].name, best_distance);
		if (d < best_distance) {
			best_distance = d;
			best = settings[i].name;
		}
	}
	return best;
}

/* ---- values -------------------------------------------------------------- */

static struct str trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The next word before a separator; false when there is none left. */
static bool next_word(struct str *rest, char separator, struct str *word)
{
	int32_t n = 0;

	if (rest->n < 0)
		return false;
	while (n < rest->n && rest->p[n] != separator)
		n++;
	*word = trim((struct str){ rest->p, n });
	if (n == rest->n) {
		rest->n = -1;
	} else {
		rest->p += n + 1;
		rest->n -= n + 1;
	}
	return true;
}

static bool is_choice(const char *choices, struct str value)
{
	struct str rest = str_of(choices), word;

	while (next_word(&rest, '|', &word))
		if (str_eq(word, value))
			return true;
	return false;
}

bool setting_list_has(const char *list, const char *word)
{
	struct str rest = str_of(list), w;

	while (next_word(&rest, ',', &w))
		if (str_eq_c(w, word))
			return true;
	return false;
}

static bool eq_ignoring_case(struct str s, const char *word)
{
	for (int32_t i = 0; i < s.n; i++)
		if (!word[i] || (s.p[i] | 0x20) != word[i])
			return false;
	return s.n >= 0 && !word[s.n];
}

/* Digits, perhaps a point and digits. No signs, no exponents. */
static bool to_double(struct str s, double *out)
{
	double value = 0, unit = 1;
	bool point = false;

	if (s.n < 1 || (s.n == 1 && s.p[0] == '.'))
		return false;
	for (int32_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (point) {
			unit /= 10;
			value += unit * (s.p[i] - '0');
		} else {
			value = value * 10 + (s.p[i] - '0');
		}
	}
	*out = value;
	return true;
}

static const char *number_fault(const struct setting *s, struct str v,
				struct arena *a)
{
	bool narrow = s->type == SETTING_INT;
	int64_t n;

	if (!str_to_i64(v, narrow ? INT32_MIN : INT64_MIN,
			narrow ? INT32_MAX : INT64_MAX, &n))
		return arena_printf(a, "not a number of type %s",
				    narrow ? "INT" : "LONG");
	if (n < s->min)
		return arena_printf(a, "must be at least %" PRId64, s->min);
	if (n > s->max)
		return arena_printf(a, "must be no more than %" PRId64, s->max);
	/* -1 is "as fits the replicas"; nothing lies between it and 1 */
	if (n == 0 && s == &settings[SETTING_MIN_INSYNC_REPLICAS])
		return "must be at least 1";
	return NULL;
}

static const char *words_fault(const struct setting *s, struct str v,
			       struct arena *a)
{
	struct str rest = v, word;

	if (v.n == 0) /* of cleanup.policy: nothing is ever cleaned up */
		return NULL;
	while (next_word(&rest, ',', &word))
		if (!is_choice(s->choices, word))
			return arena_printf(a, "%.*s is not one of %s",
					    STR_ARG(word), s->choices);
	return NULL;
}

static const char *bool_fault(const struct setting *s, struct str v,
			      struct arena *a)
{
	if (!eq_ignoring_case(v, "true") && !eq_ignoring_case(v, "false"))
		return "must be true or false";
	if (s->choices && !eq_ignoring_case(v, s->choices))
		return arena_printf(a, "only %s is served", s->choices);
	return NULL;
}

static const char *double_fault(const struct setting *s, struct str v,
				struct arena *a)
{
	double d;

	if (!to_double(v, &d))
		return "not a number of type DOUBLE";
	if (d < (double)s->min || d > (double)s->max)
		return arena_printf(a, "must be between %" PRId64
				    " and %" PRId64, s->min, s->max);
	return NULL;
}

static const char *text_fault(const struct setting *s, struct str v,
			      struct arena *a)
{
	if (v.n < s->min)
		return "must not be empty";
	if (v.n > s->max)
		return arena_printf(a, "longer than %" PRId64 " bytes", s->max);
	for (int32_t i = 0; i < v.n; i++)
		if ((uint8_t)v.p[i] < ' ')
			return "has a control character";
	return NULL;
}

static const char *value_fault(const struct setting *s, struct str v,
			       struct arena *a)
{
	switch (s->type) {
	case SETTING_BOOL:
		return bool_fault(s, v, a);
	case SETTING_INT:
	case SETTING_LONG:
		return number_fault(s, v, a);
	case SETTING_DOUBLE:
		return double_fault(s, v, a);
	case SETTING_ENUM:
		return is_choice(s->choices, v) ? NULL :
			arena_printf(a, "must be one of %s", s->choices);
	case SETTING_ENUM_LIST:
		return words_fault(s, v, a);
	case SETTING_STRING:
	case SETTING_LIST:
		return text_fault(s, v, a);
	}
	return NULL;
}

const char *setting_fault(const struct setting *s, struct str value,
			  struct arena *a)
{
	const char *why;

	if (value.n < 0)
		return arena_printf(a, "Null value not supported for %s.",
				    s->name);
	why = value_fault(s, trim(value), a);
	if (!why)
		return NULL;
	value.n = min_of(value.n, 200);
	return arena_printf(a, "Invalid value %.*s for configuration %s: %s",
			    STR_ARG(value), s->name, why);
}

static const char *unknown(struct str name, int scope, struct arena *a)
{
	const char *why = setting_ignored(name);
	const char *near = setting_nearest(name, scope);

	name.n = min_of(name.n, 200);
	if (why)
		return arena_printf(a, "Configuration %.*s means nothing here: "
				    "%s.", STR_ARG(name), why);
	if (near)
		return arena_printf(a, "Unknown configuration %.*s; did you "
				    "mean %s?", STR_ARG(name), near);
	return arena_printf(a, "Unknown configuration %.*s.", STR_ARG(name));
}

const char *setting_refusal(struct str name, struct str value, int scope,
			    struct arena *a)
{
	const struct setting *s = setting_find(name);

	if (s && (s->scope & scope))
		return setting_fault(s, value, a);
	if (s && (s->scope & SETTING_AGREED) && scope == SETTING_BROKER)
		return arena_printf(a, "%s is the same on all brokers: it "
				    "cannot be set for one.", s->name);
	if (s && (scope & (SETTING_CLUSTER | SETTING_BROKER)) &&
	    (s->scope & SETTING_NODE))
		return arena_printf(a, "Cannot update %s at run time: it is "
				    "read at start.", s->name);
	return unknown(name, scope, a);
}

int64_t setting_number(const char *value)
{
	int64_t n;

	if (!str_to_i64(trim(str_of(value)), INT64_MIN, INT64_MAX, &n))
		fatal("setting: %s is no number and was not checked", value);
	return n;
}

bool setting_bool(const char *value)
{
	return eq_ignoring_case(trim(str_of(value)), "true");
}

double setting_double(const char *value)
{
	double d;

	if (!to_double(trim(str_of(value)), &d))
		fatal("setting: %s is no number and was not checked", value);
	return d;
}

/* ---- which value counts -------------------------------------------------- */

void node_settings_preset(struct node_settings *n)
{
	for (size_t i = 0; i < countof(settings); i++) {
		n->values[i] = settings[i].preset;
		n->sources[i] = "default";
	}
}

static const char *lookup(const struct map *m, const char *name)
{
	return m ? map_find_str(m, str_of(name)) : NULL;
}

static void push(struct setting_place *out, int *n, enum setting_source source,
		 const char *name, const char *value)
{
	if (value)
		out[(*n)++] = (struct setting_place){ source, name, value };
}

/* The broker's side of it: per broker, cluster-wide, the node's, the preset. */
static int push_broker_places(const struct setting_view *v, enum setting_id id,
			      struct setting_place *out)
{
	const struct setting *s = &settings[id];
	bool agreed = s->scope & SETTING_AGREED;
	int count = 0;

	if (v->broker >= 0 && !agreed)
		push(out, &count, SOURCE_BROKER, s->name,
		     lookup(map_find_i64(&v->c->broker_settings, v->broker),
			    s->name));
	push(out, &count, SOURCE_CLUSTER, s->name,
	     lookup(&v->c->settings, s->name));
	if (v->node && !agreed && strcmp(v->node->sources[id], "default") != 0)
		push(out, &count, SOURCE_NODE, s->name, v->node->values[id]);
	push(out, &count, SOURCE_DEFAULT, s->name, s->preset);
	return count;
}

int setting_places(const struct setting_view *v, enum setting_id id,
		   struct setting_place out[SETTING_PLACES_MAX])
{
	const struct setting *s = &settings[id];
	int count = 0;

	if (v->topic && (s->scope & SETTING_TOPIC))
		push(out, &count, SOURCE_TOPIC, s->name,
		     lookup(&v->topic->settings, s->name));
	else if (v->group.n >= 0 && (s->scope & SETTING_GROUP))
		push(out, &count, SOURCE_GROUP, s->name,
		     lookup(map_find_str(&v->c->group_settings, v->group),
			    s->name));
	if (s->broker_name)
		id = setting_id_of(setting_find(str_of(s->broker_name)));
	count += push_broker_places(v, id, out + count);
	assert(count > 0 && count <= SETTING_PLACES_MAX);
	return count;
}

static int32_t own_id(const struct node_settings *n)
{
	return n ? (int32_t)setting_number(n->values[SETTING_NODE_ID]) : -1;
}

static const char *first_of(const struct setting_view *v, enum setting_id id)
{
	struct setting_place places[SETTING_PLACES_MAX];

	setting_places(v, id, places);
	return places[0].value;
}

const char *setting_of_topic(const struct cluster *c,
			     const struct node_settings *n,
			     const struct topic *t, enum setting_id id)
{
	return first_of(&(struct setting_view){ c, n, own_id(n), t, STR_NULL },
			id);
}

const char *setting_of_broker(const struct cluster *c,
			      const struct node_settings *n, int32_t broker,
			      enum setting_id id)
{
	return first_of(&(struct setting_view){ c, n, broker, NULL, STR_NULL },
			id);
}

const char *setting_of_group(const struct cluster *c,
			     const struct node_settings *n, struct str group,
			     enum setting_id id)
{
	return first_of(&(struct setting_view){ c, n, own_id(n), NULL, group },
			id);
}
