/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster: the state itself. Making, finding, inserting and removing brokers,
 * topics and settings. Not the decisions: those are in the files that apply
 * commands.
 *
 * 1. All maps are walked in order of insertion, which is the order of the
 *    agreed log; a snapshot keeps that order.
 * 2. A topic stands in topics and topics_by_id, and in flat_names if its name
 *    has a '.' or a '_'.
 */
#include "state.h"

struct cluster *cluster_new(void)
{
	struct cluster *c = mem_zalloc(sizeof(*c));

	c->next_broker_epoch = 1;
	return c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i))
		broker_free_info(i.value);
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i))
		topic_free(i.value);
	for (struct map_iter i = map_first(&c->broker_settings); i.at;
	     map_next(&i)) {
		settings_fini(i.value);
		mem_free(i.value);
	}
	for (struct map_iter i = map_first(&c->group_settings); i.at;
	     map_next(&i)) {
		settings_fini(i.value);
		mem_free(i.value);
	}
	settings_fini(&c->settings);
	map_fini(&c->brokers);
	map_fini(&c->topics);
	map_fini(&c->topics_by_id);
	map_fini(&c->flat_names);
	map_fini(&c->broker_settings);
	map_fini(&c->group_settings);
	mem_free(c);
}

/* ---- lists of node ids --------------------------------------------------- */

bool int32s_has(const struct int32s *l, int32_t v)
{
	for (int32_t i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

void int32s_set(struct int32s *l, const int32_t *v, int32_t n)
{
	int32_t *copy = NULL;

	if (n > 0)
		copy = mem_dup(v, (size_t)n * sizeof(*v));
	mem_free(l->v);
	l->v = copy;
	l->n = n;
}

void int32s_fini(struct int32s *l)
{
	mem_free(l->v);
	l->v = NULL;
	l->n = 0;
}

bool int32s_eq(const struct int32s *a, const struct int32s *b)
{
	return a->n == b->n &&
	       (a->n == 0 ||
		memcmp(a->v, b->v, (size_t)a->n * sizeof(*a->v)) == 0);
}

/* ---- brokers ------------------------------------------------------------- */

struct broker_info *broker_of(struct cluster *c, int32_t id)
{
	return map_find_i64(&c->brokers, id);
}

struct broker_info *broker_of_epoch(struct cluster *c, int32_t id,
				    int64_t epoch)
{
	struct broker_info *b = broker_of(c, id);

	return b && b->epoch >= 0 && b->epoch == epoch ? b : NULL;
}

const struct broker_info *cluster_broker(const struct cluster *c, int32_t id)
{
	return map_find_i64(&c->brokers, id);
}

void broker_free_info(struct broker_info *b)
{
	for (int32_t i = 0; i < b->listeners_n; i++) {
		mem_free(b->listeners[i].name);
		mem_free(b->listeners[i].host);
	}
	mem_free(b->listeners);
	mem_free(b->peer_host);
	mem_free(b->rack);
	mem_free(b);
}

const struct broker_listener *broker_listener(const struct broker_info *b,
					      struct str name)
{
	for (int32_t i = 0; i < b->listeners_n; i++)
		if (str_eq_c(name, b->listeners[i].name))
			return &b->listeners[i];
	return b->listeners_n > 0 ? &b->listeners[0] : NULL;
}

bool cluster_broker_active(const struct cluster *c, int32_t id)
{
	const struct broker_info *b = cluster_broker(c, id);

	return b && !b->fenced && !b->stopping;
}

int64_t cluster_broker_epoch(const struct cluster *c, int32_t id)
{
	return cluster_broker_active(c, id) ? cluster_broker(c, id)->epoch : -1;
}

int32_t cluster_default_replicas(const struct cluster *c, int64_t setting)
{
	int64_t known = (int64_t)map_count(&c->brokers);

	if (setting > 0)
		return (int32_t)setting;
	return (int32_t)max_of(min_of(known, 3), 1);
}

/* ---- topics -------------------------------------------------------------- */

struct topic *topic_of(struct cluster *c, struct str name)
{
	return map_find_str(&c->topics, name);
}

struct topic *topic_of_id(struct cluster *c, struct uuid id)
{
	return map_find(&c->topics_by_id, id.b, sizeof(id.b));
}

const struct topic *cluster_topic(const struct cluster *c, struct str name)
{
	return map_find_str(&c->topics, name);
}

const struct topic *cluster_topic_by_id(const struct cluster *c,
					struct uuid id)
{
	return map_find(&c->topics_by_id, id.b, sizeof(id.b));
}

const struct partition *cluster_partition(const struct cluster *c,
					  struct str topic, int32_t index)
{
	const struct topic *t = cluster_topic(c, topic);

	if (!t || index < 0 || index >= t->partitions_n)
		return NULL;
	return &t->partitions[index];
}

/* Topics that Kafka keeps for itself; here they can only be made by hand. */
static bool is_internal(struct str name)
{
	return str_eq_c(name, "__consumer_offsets") ||
	       str_eq_c(name, "__transaction_state") ||
	       str_eq_c(name, "__share_group_state");
}

static void init_partitions(struct topic *t, int32_t from)
{
	for (int32_t i = from; i < t->partitions_n; i++)
		t->partitions[i] = (struct partition){
			.index = i,
			.topic = t,
			.leader = -1,
			.last_known_leader = -1,
		};
}

struct topic *topic_new(struct str name, struct uuid id, int32_t partitions_n)
{
	struct topic *t = mem_zalloc(sizeof(*t));

	t->name = str_heap(name);
	t->id = id;
	t->internal = is_internal(name);
	t->partitions_n = partitions_n;
	t->partitions = mem_zalloc((size_t)partitions_n *
				   sizeof(*t->partitions));
	init_partitions(t, 0);
	return t;
}

void topic_free(struct topic *t)
{
	for (int32_t i = 0; i < t->partitions_n; i++) {
		int32s_fini(&t->partitions[i].replicas);
		int32s_fini(&t->partitions[i].isr);
		int32s_fini(&t->partitions[i].elr);
	}
	mem_free(t->partitions);
	settings_fini(&t->settings);
	mem_free(t->name);
	mem_free(t);
}

/* '.' as '_'; -1 when the name has neither and nothing can collide. */
static struct str flat(struct str name, char buffer[static 250])
{
	bool special = false;

	assert(name.n >= 0 && name.n < 250);
	for (int32_t i = 0; i < name.n; i++) {
		buffer[i] = name.p[i] == '.' ? '_' : name.p[i];
		special |= buffer[i] == '_';
	}
	return special ? (struct str){ buffer, name.n } : STR_NULL;
}

void topic_insert(struct cluster *c, struct topic *t)
{
	struct str name = str_of(t->name);
	char buffer[250];
	struct str key = flat(name, buffer);

	map_put_str(&c->topics, name, t);
	map_put(&c->topics_by_id, t->id.b, sizeof(t->id.b), t);
	if (key.n >= 0)
		map_put_str(&c->flat_names, key, t);
	c->partitions_n += t->partitions_n;
}

void topic_remove(struct cluster *c, struct topic *t)
{
	struct str name = str_of(t->name);
	char buffer[250];
	struct str key = flat(name, buffer);

	map_remove_str(&c->topics, name);
	map_remove(&c->topics_by_id, t->id.b, sizeof(t->id.b));
	if (key.n >= 0)
		map_remove_str(&c->flat_names, key);
	c->partitions_n -= t->partitions_n;
	topic_free(t);
}

void topic_grow(struct cluster *c, struct topic *t, int32_t partitions_n)
{
	int32_t from = t->partitions_n;

	assert(partitions_n >= from);
	c->partitions_n += partitions_n - from;
	t->partitions = mem_realloc(t->partitions, (size_t)partitions_n *
						   sizeof(*t->partitions));
	t->partitions_n = partitions_n;
	init_partitions(t, from);
}

struct topic *topic_collision(struct cluster *c, struct str name)
{
	char buffer[250];
	struct str key = flat(name, buffer);

	return key.n < 0 ? NULL : map_find_str(&c->flat_names, key);
}

const char *topic_name_fault(struct str name)
{
	if (name.n <= 0)
		return "the empty string is not allowed";
	if (name.n > 249)
		return "the length is more than the max length 249";
	if (str_eq_c(name, ".") || str_eq_c(name, ".."))
		return "'.' or '..' is not allowed";
	for (int32_t i = 0; i < name.n; i++) {
		char ch = name.p[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		      (ch >= '0' && ch <= '9') || ch == '.' || ch == '_' ||
		      ch == '-'))
			return "it contains one or more characters other than "
			       "ASCII alphanumerics, '.', '_' and '-'";
	}
	return NULL;
}

/* ---- settings ------------------------------------------------------------ */

void settings_put(struct map *m, struct str name, struct str value)
{
	char *old = map_find_str(m, name);

	map_put_str(m, name, str_heap(value));
	mem_free(old);
}

void settings_drop(struct map *m, struct str name)
{
	mem_free(map_remove_str(m, name));
}

void settings_fini(struct map *m)
{
	for (struct map_iter i = map_first(m); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(m);
}

struct map *settings_of_broker(struct cluster *c, int32_t id)
{
	struct map *m = map_find_i64(&c->broker_settings, id);

	if (!m) {
		m = mem_zalloc(sizeof(*m));
		map_put_i64(&c->broker_settings, id, m);
	}
	return m;
}

struct map *settings_of_group(struct cluster *c, struct str group)
{
	struct map *m = map_find_str(&c->group_settings, group);

	if (!m) {
		m = mem_zalloc(sizeof(*m));
		map_put_str(&c->group_settings, group, m);
	}
	return m;
}

void settings_tidy_broker(struct cluster *c, int32_t id)
{
	struct map *m = map_find_i64(&c->broker_settings, id);

	if (m && map_count(m) == 0)
		mem_free(map_remove_i64(&c->broker_settings, id));
}

void settings_tidy_group(struct cluster *c, struct str group)
{
	struct map *m = map_find_str(&c->group_settings, group);

	if (m && map_count(m) == 0)
		mem_free(map_remove_str(&c->group_settings, group));
}
