/* SPDX-License-Identifier: Apache-2.0 */
/* story_topic: topics of a story; see story.h. */
#include "story.h"

/* ---- topics -------------------------------------------------------------- */

static void tell_created(struct story *s, struct call *c)
{
	const struct create_topics_response *r = c->in;

	if (!say_error(s, r->topics[0].error_code))
		pass(s, 100000); /* all brokers have it */
}

/* "replicas=1,2,3" for all partitions, or one list each: "1,2/2,1". */
static void assign(struct story *s, struct create_topics_request_topic *t,
		   const char *lists, int32_t partitions)
{
	char *at = arena_printf(&s->arena, "%s", lists), *list = NULL;

	t->num_partitions = t->replication_factor = -1;
	t->assignments_n = partitions;
	t->assignments = wire_new(&create_topics_request_assignment_type,
				  partitions, &s->arena);
	for (int32_t p = 0; p < partitions; p++) {
		int ids[WORLD_NODES_MAX], n;
		char *one = strsep(&at, "/");

		list = one ? one : list;
		n = nodes_of(s, arena_printf(&s->arena, "%s", list), ids);
		t->assignments[p].partition_index = p;
		t->assignments[p].broker_ids = arena_dup(
			&s->arena, ids, (size_t)n * sizeof(*ids));
		t->assignments[p].broker_ids_n = n;
	}
}

static void topic(struct story *s)
{
	struct create_topics_request rq;
	struct create_topics_request_topic t;
	struct create_topics_request_config configs[16];
	struct call *c = call_new(s, 19, 5, any_node(s));
	const char *name = word_need(s, "its name"), *word;
	const char *parts = word_option(s, "partitions", "1");
	const char *replicas = word_option(s, "replicas", NULL);

	wire_preset(&create_topics_request_type, &rq);
	memset(&t, 0, sizeof(t));
	t.name = str_of(name);
	t.configs = configs;
	while ((word = word_next(s))) {
		const char *is = strchr(word, '=');

		if (!is || t.configs_n == (int32_t)countof(configs))
			wrong(s, "\"%s\": settings are name=value", word);
		configs[t.configs_n].name = (struct str){
			word, (int32_t)(is - word) };
		configs[t.configs_n++].value = str_of(is + 1);
	}
	if (replicas)
		assign(s, &t, replicas, (int32_t)number_of(s, parts));
	else
		wrong(s, "replicas=1,2,3 is missing");
	rq.topics = &t;
	rq.topics_n = 1;
	c->tell = tell_created;
	call_go(s, c, &rq);
}

/* What was acknowledged went with it. */
static void forget_acked(struct story *s, struct str topic)
{
	list_each (l, &s->acked, safe)
		if (str_eq(list_entry(l, struct acked, link)->p.topic, topic))
			list_remove(l);
}

static void tell_dropped(struct story *s, struct call *c)
{
	const struct delete_topics_response *r = c->in;

	if (!say_error(s, r->responses[0].error_code))
		forget_acked(s, str_of(c->who));
}

static void drop(struct story *s)
{
	struct delete_topics_request rq;
	struct call *c = call_new(s, 20, 5, any_node(s));
	struct str name;

	c->who = word_need(s, "a topic");
	name = str_of(c->who);
	wire_preset(&delete_topics_request_type, &rq);
	rq.topic_names = &name;
	rq.topic_names_n = 1;
	rq.timeout_ms = 5000;
	c->tell = tell_dropped;
	call_go(s, c, &rq);
}

static void tell_trimmed(struct story *s, struct call *c)
{
	const struct delete_records_response *r = c->in;
	const struct delete_records_response_partition *p =
		r->topics[0].partitions;

	if (!say_error(s, p->error_code))
		say(s, "start %" PRId64 "\n", p->low_watermark);
}

/* "trim t-0 to 5": DeleteRecords. */
static void trim(struct story *s)
{
	struct delete_records_request rq;
	struct delete_records_request_topic t = { 0 };
	struct delete_records_request_partition x = { 0 };
	struct story_partition p = partition_at(s, word_need(s, "what"));
	struct call *c = call_new(s, 21, 2, leader_node(s, p));

	wire_preset(&delete_records_request_type, &rq);
	rq.timeout_ms = 5000;
	word_is(s, "to");
	x.partition_index = p.index;
	x.offset = number_of(s, word_need(s, "an offset"));
	t.name = p.topic;
	t.partitions = &x;
	t.partitions_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	c->tell = tell_trimmed;
	call_go(s, c, &rq);
}

static void tell_asked(struct story *s, struct call *c)
{
	wire_print(&s->out, wire_api_find(c->key)->response, c->version,
		   c->in);
}

/* "ask 2 OffsetForLeaderEpoch v4 {..}": any request, the whole answer. */
static void ask(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	const char *name = word_need(s, "an API");
	const char *version = word_need(s, "a version");
	const struct wire_api *api = NULL;
	struct call *c;
	void *rq;

	for (int16_t key = 0; key < API_KEYS && !api; key++) {
		api = wire_api_find(key);
		if (api && strcmp(api->name, name))
			api = NULL;
	}
	if (!api || *version != 'v')
		wrong(s, "no API %s %s", name, version);
	c = call_new(s, api->request->key,
		     (int16_t)number_of(s, version + 1), node);
	rq = arena_zalloc(&s->arena, api->request->size);
	text_to_message(s, word_need(s, "a message"), api->request,
			c->version, rq);
	c->tell = tell_asked;
	call_go(s, c, rq);
}

bool topic_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "topic"))
		topic(s);
	else if (!strcmp(verb, "drop"))
		drop(s);
	else if (!strcmp(verb, "trim"))
		trim(s);
	else if (!strcmp(verb, "ask"))
		ask(s);
	else
		return false;
	return true;
}
