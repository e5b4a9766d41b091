/* SPDX-License-Identifier: Apache-2.0 */
/* stage: see stage.h */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

#include "state.h"

int32_t ids_parse(const char *text, int32_t out[16])
{
	int32_t n = 0;

	while (*text && *text != '-') {
		char *end;

		ck_assert_int_lt(n, 16);
		out[n++] = (int32_t)strtol(text, &end, 10);
		ck_assert_ptr_ne(text, end);
		text = end + (*end == ',');
	}
	return n;
}

/* ---- from text ----------------------------------------------------------- */

static void add_broker(struct cluster *c, char *word)
{
	struct broker_info *b = mem_zalloc(sizeof(*b));
	char *end, *rack = strchr(word, '@');

	b->id = (int32_t)strtol(word, &end, 10);
	b->epoch = c->next_broker_epoch++;
	b->incarnation.b[0] = b->directory.b[0] = (uint8_t)b->id;
	b->peer_host = mem_strdup("peer");
	b->level_min = b->level_max = 1;
	b->fenced = *end == 'f';
	b->stopping = *end == 's';
	b->rack = rack ? mem_strdup(rack + 1) : NULL;
	map_put_i64(&c->brokers, b->id, b);
}

static void set(struct map *m, char *word)
{
	char *equals = strchr(word, '=');

	ck_assert_ptr_nonnull(equals);
	*equals = '\0';
	settings_put(m, str_of(word), str_of(equals + 1));
}

static void add_partition(struct topic *t, const char *line)
{
	char replicas[64], isr[64], elr[64], last[16];
	struct partition *p;
	int32_t v[16];
	int index, leader, epoch, version;

	ck_assert_int_eq(8, sscanf(line, "%d leader=%d epoch=%d version=%d "
				   "replicas=%63s isr=%63s elr=%63s last=%15s",
				   &index, &leader, &epoch, &version, replicas,
				   isr, elr, last));
	ck_assert_int_eq(index, t->partitions_n);
	t->partitions = mem_realloc(t->partitions,
				    ((size_t)index + 1) * sizeof(*p));
	t->partitions_n++;
	for (int i = 0; i <= index; i++)
		t->partitions[i].topic = t;
	p = &t->partitions[index];
	*p = (struct partition){ .index = index, .topic = t, .leader = leader,
				 .leader_epoch = epoch,
				 .partition_epoch = version,
				 .last_known_leader = -1 };
	if (last[0] != '-')
		p->last_known_leader = atoi(last);
	int32s_set(&p->replicas, v, ids_parse(replicas, v));
	int32s_set(&p->isr, v, ids_parse(isr, v));
	int32s_set(&p->elr, v, ids_parse(elr, v));
}

static void add_line(struct cluster *c, struct topic **t, char *line)
{
	char *rest, *word;

	if (line[0] >= '0' && line[0] <= '9') {
		ck_assert_ptr_nonnull(*t);
		add_partition(*t, line);
		c->partitions_n++;
		return;
	}
	word = strtok_r(line, " ", &rest);
	if (!word)
		return;
	if (strcmp(word, "brokers") == 0) {
		while ((word = strtok_r(NULL, " ", &rest)))
			add_broker(c, word);
	} else if (strcmp(word, "set") == 0) {
		set(&c->settings, strtok_r(NULL, " ", &rest));
	} else {
		struct uuid id = { { (uint8_t)(map_count(&c->topics) + 1) } };

		ck_assert_str_eq(word, "topic");
		*t = topic_new(str_of(strtok_r(NULL, " ", &rest)), id, 0);
		while ((word = strtok_r(NULL, " ", &rest)))
			set(&(*t)->settings, word);
		topic_insert(c, *t);
	}
}

struct stage stage_of(const char *text)
{
	struct stage s = { .c = cluster_new(), .seed = 1 };
	char *copy = mem_strdup(text), *rest, *line;
	struct topic *t = NULL;

	s.c->id.b[0] = 1;
	s.c->level = 1;
	for (line = strtok_r(copy, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		add_line(s.c, &t, line);
	mem_free(copy);
	return s;
}

void stage_fini(struct stage *s)
{
	cluster_free(s->c);
	arena_fini(&s->arena);
}

/* ---- to text ------------------------------------------------------------- */

const char *stage_topics(struct stage *s)
{
	struct buf b = { 0 };
	const char *text, *at;
	struct buf out = { 0 };

	cluster_dump(s->c, &b);
	text = buf_c(&b);
	for (at = text; *at; at = strchr(at, '\n') + 1) {
		int n = (int)strcspn(at, "\n");
		const char *id = strstr(at, " id=");

		if (strncmp(at, "topic ", 6) == 0)
			buf_printf(&out, "%.*s\n", (int)(id - at), at);
		else if (at[0] == '\t')
			buf_printf(&out, "%.*s\n", n - 1, at + 1);
	}
	text = arena_dup(&s->arena, buf_c(&out), out.n + 1);
	buf_fini(&b);
	buf_fini(&out);
	return text;
}

const char *stage_brokers(struct stage *s)
{
	struct buf b = { 0 };
	const char *text;

	for (struct map_iter i = map_first(&s->c->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *info = i.value;

		buf_printf(&b, "%s%d %s%s", b.n ? " " : "", info->id,
			   info->fenced ? "fenced" : "active",
			   info->stopping ? " stopping" : "");
	}
	text = arena_dup(&s->arena, buf_c(&b), b.n + 1);
	buf_fini(&b);
	return text;
}

static void print_change(struct buf *b, const struct cluster_change *c)
{
	static const char *const names[] = {
		[CLUSTER_TOPIC_CREATED] = "created",
		[CLUSTER_TOPIC_DELETED] = "deleted",
		[CLUSTER_TOPIC_CONFIGURED] = "configured",
	};

	if (b->n)
		buf_printf(b, " ");
	switch (c->kind) {
	case CLUSTER_TOPIC_CREATED:
	case CLUSTER_TOPIC_DELETED:
	case CLUSTER_TOPIC_CONFIGURED:
		buf_printf(b, "%s %.*s", names[c->kind], STR_ARG(c->topic));
		break;
	case CLUSTER_PARTITION_CHANGED:
		buf_printf(b, "%.*s/%d", STR_ARG(c->topic), c->partition);
		break;
	case CLUSTER_SETTINGS_CHANGED:
		buf_printf(b, "settings %d", c->broker);
		break;
	case CLUSTER_BROKER_CHANGED:
		buf_printf(b, "broker %d", c->broker);
		break;
	case CLUSTER_GROUP_CONFIGURED:
		buf_printf(b, "group %.*s", STR_ARG(c->group));
		break;
	case CLUSTER_BOOTSTRAPPED:
		buf_printf(b, "bootstrapped");
		break;
	}
}

const char *stage_changes(struct stage *s)
{
	struct buf b = { 0 };
	const char *text;

	for (int32_t i = 0; i < s->fx.changes_n; i++)
		print_change(&b, &s->fx.changes[i]);
	text = arena_dup(&s->arena, buf_c(&b), b.n + 1);
	buf_fini(&b);
	return text;
}

/* ---- commands ------------------------------------------------------------ */

void stage_apply(struct stage *s, const struct wire_type *type,
		 const void *command)
{
	struct buf b = { 0 };

	cluster_command(&b, s->c, (struct cluster_origin){ 1000, s->seed++ },
			type, command);
	s->fx = (struct cluster_effects){ .arena = &s->arena };
	/* texts of the answer are loans from the command */
	cluster_apply(s->c, s->c->applied + 1,
		      (struct bytes){ arena_dup(&s->arena, b.p, b.n),
				      (int32_t)b.n }, &s->fx);
	buf_fini(&b);
}

static void set_state(struct stage *s, int32_t broker, int8_t fence, bool stop)
{
	struct set_broker_state_command m = {
		.broker_id = broker,
		.broker_epoch = cluster_broker(s->c, broker)->epoch,
		.fence = fence,
		.stopping = stop,
	};

	stage_apply(s, &set_broker_state_command_type, &m);
	ck_assert_int_eq(s->fx.error, K_NONE);
}

void stage_fence(struct stage *s, int32_t broker)
{
	set_state(s, broker, 1, false);
}

void stage_unfence(struct stage *s, int32_t broker)
{
	set_state(s, broker, 2, false);
}

void stage_stop(struct stage *s, int32_t broker)
{
	set_state(s, broker, 0, true);
}

static void restart(struct stage *s, int32_t broker, bool same_disk,
		    int64_t previous)
{
	const struct broker_info *b = cluster_broker(s->c, broker);
	struct register_broker_command m;

	wire_preset(&register_broker_command_type, &m);
	m.broker_id = broker;
	m.incarnation = b->incarnation;
	m.incarnation.b[1]++;
	m.directory = b->directory;
	if (!same_disk)
		m.directory.b[1]++;
	m.previous_epoch = previous;
	m.peer_host = str_of(b->peer_host);
	if (b->rack)
		m.rack = str_of(b->rack);
	stage_apply(s, &register_broker_command_type, &m);
	ck_assert_int_eq(s->fx.error, K_NONE);
}

void stage_restart(struct stage *s, int32_t broker, bool clean, bool same_disk)
{
	restart(s, broker, same_disk,
		clean ? cluster_broker(s->c, broker)->epoch : -1);
}

void stage_restart_blind(struct stage *s, int32_t broker)
{
	restart(s, broker, true, BROKER_EPOCH_BLIND);
}

int16_t stage_create(struct stage *s, const char *name, int32_t partitions,
		     int16_t replicas, const char **why)
{
	struct create_topics_command m;
	struct create_topics_command_topic t;
	const struct create_topics_response *answer;

	wire_preset(&create_topics_command_type, &m);
	wire_preset(&create_topics_command_topic_type, &t);
	t.name = str_of(name);
	t.num_partitions = partitions;
	t.replication_factor = replicas;
	m.topics = &t;
	m.topics_n = 1;
	stage_apply(s, &create_topics_command_type, &m);
	answer = s->fx.result;
	if (why)
		*why = str_c(&s->arena, answer->topics[0].error_message);
	return answer->topics[0].error_code;
}

int16_t stage_isr(struct stage *s, const char *topic, int32_t partition,
		  const char *isr)
{
	const struct partition *p =
		cluster_partition(s->c, str_of(topic), partition);
	struct alter_isr_command_broker members[16];
	struct alter_isr_command_partition mp = {
		.partition = partition,
		.leader_epoch = p->leader_epoch,
		.partition_epoch = p->partition_epoch,
		.isr = members,
	};
	struct alter_isr_command_topic mt = { .topic_id = p->topic->id,
					      .partitions_n = 1,
					      .partitions = &mp };
	struct alter_isr_command m = {
		.broker_id = p->leader,
		.broker_epoch = cluster_broker(s->c, p->leader)->epoch,
		.topics_n = 1,
		.topics = &mt,
	};
	const struct alter_partition_response *answer;
	int32_t v[16];

	mp.isr_n = ids_parse(isr, v);
	for (int32_t i = 0; i < mp.isr_n; i++) {
		const struct broker_info *b = cluster_broker(s->c, v[i]);

		members[i].id = v[i];
		members[i].epoch = b ? b->epoch : 99;
	}
	stage_apply(s, &alter_isr_command_type, &m);
	answer = s->fx.result;
	return answer->error_code ? answer->error_code :
				    answer->topics[0].partitions[0].error_code;
}
