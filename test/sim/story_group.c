/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story_group: members of consumer groups, called by names of the story; see
 * story.h. A person is one consumer process: it keeps the member id and the
 * generation that it was told, and sends those until it is told others.
 */
#include "story.h"

static struct story_person *person_at(struct story *s, const char *name)
{
	struct story_person *p = map_find_str(&s->persons, str_of(name));

	if (p)
		return p;
	p = arena_zalloc(&s->arena, sizeof(*p));
	p->name = arena_printf(&s->arena, "%s", name);
	p->id = (char *)"";
	p->generation = -1;
	map_put_str(&s->persons, str_of(name), p);
	return p;
}

const char *person_named(struct story *s, struct str id)
{
	for (struct map_iter i = map_first(&s->persons); i.at; map_next(&i)) {
		const struct story_person *p = i.value;

		if (id.n > 0 && str_eq_c(id, p->id))
			return p->name;
	}
	return "a stranger";
}

/* "as m1" [generation=3] */
static struct story_person *speaker(struct story *s)
{
	const char *as = word_after(s, "as", NULL);

	if (!as)
		wrong(s, "as whom?");
	return person_at(s, as);
}

static int32_t generation_of(struct story *s, const struct story_person *p)
{
	const char *g = word_option(s, "generation", NULL);

	return g ? (int32_t)number_of(s, g) : p ? p->generation : -1;
}

/* ---- join ---------------------------------------------------------------- */

static void tell_joined(struct story *s, struct call *c)
{
	const struct join_group_response *r = c->in;
	struct story_person *p = person_at(s, c->who);

	if (say_error(s, r->error_code))
		return;
	p->id = str_c(&s->arena, r->member_id);
	p->generation = r->generation_id;
	say(s, "generation %d, leader %s", r->generation_id,
	    person_named(s, r->leader));
	for (int32_t i = 0; i < r->members_n; i++)
		say(s, "%s%s", i ? " " : ", members ",
		    person_named(s, r->members[i].member_id));
	say(s, "\n");
}

/* "join g as m1 [instance=i] [session=6s] [rebalance=10s]" */
static void join(struct story *s)
{
	struct join_group_request rq;
	struct join_group_request_protocol proto = {
		.name = str_of("range"), .metadata = { (const uint8_t *)"t",
						       1 } };
	struct str group = str_of(word_need(s, "a group"));
	struct story_person *p = speaker(s);
	const char *instance = word_option(s, "instance", NULL);
	struct call *c;

	if (instance)
		p->instance = arena_printf(&s->arena, "%s", instance);
	c = call_new(s, 11, p->instance ? 5 : 3, any_node(s));
	c->who = p->name;
	c->tell = tell_joined;
	wire_preset(&join_group_request_type, &rq);
	rq.group_id = group;
	rq.session_timeout_ms = (int32_t)(time_of(
		s, word_option(s, "session", "10s")) / 1000);
	rq.rebalance_timeout_ms = (int32_t)(time_of(
		s, word_option(s, "rebalance", "10s")) / 1000);
	rq.member_id = str_of(p->id);
	rq.group_instance_id = str_of(p->instance);
	rq.protocol_type = str_of("consumer");
	rq.protocols = &proto;
	rq.protocols_n = 1;
	call_go(s, c, &rq);
}

/* ---- sync ---------------------------------------------------------------- */

static void tell_synced(struct story *s, struct call *c)
{
	const struct sync_group_response *r = c->in;

	if (!say_error(s, r->error_code))
		say(s, "assigned \"%.*s\"\n", r->assignment.n,
		    (const char *)r->assignment.p);
}

/* "sync g as m1 [m1=t-0 m2=t-1]": the leader says who gets what. */
static void sync(struct story *s)
{
	struct sync_group_request rq;
	struct sync_group_request_assignment v[16];
	struct str group = str_of(word_need(s, "a group"));
	const struct story_person *p = speaker(s);
	struct call *c = call_new(s, 14, 3, any_node(s));
	const char *word;

	wire_preset(&sync_group_request_type, &rq);
	rq.group_id = group;
	rq.generation_id = generation_of(s, p);
	rq.member_id = str_of(p->id);
	rq.group_instance_id = str_of(p->instance);
	rq.assignments = v;
	while ((word = word_next(s))) {
		const char *is = strchr(word, '=');
		struct sync_group_request_assignment *a =
			&v[rq.assignments_n++];

		if (!is || rq.assignments_n > (int32_t)countof(v))
			wrong(s, "\"%s\" is not MEMBER=WHAT", word);
		a->member_id = str_of(person_at(s, arena_printf(
			&s->arena, "%.*s", (int)(is - word), word))->id);
		a->assignment = (struct bytes){ (const uint8_t *)is + 1,
						(int32_t)strlen(is + 1) };
	}
	c->tell = tell_synced;
	call_go(s, c, &rq);
}

/* ---- heartbeat, leave ---------------------------------------------------- */

static void tell_heard(struct story *s, struct call *c)
{
	const struct heartbeat_response *r = c->in;

	say_error(s, r->error_code);
}

static void heartbeat(struct story *s)
{
	struct heartbeat_request rq;
	struct str group = str_of(word_need(s, "a group"));
	const struct story_person *p = speaker(s);
	struct call *c = call_new(s, 12, 3, any_node(s));

	wire_preset(&heartbeat_request_type, &rq);
	rq.group_id = group;
	rq.generation_id = generation_of(s, p);
	rq.member_id = str_of(p->id);
	rq.group_instance_id = str_of(p->instance);
	c->tell = tell_heard;
	call_go(s, c, &rq);
}

static void tell_left(struct story *s, struct call *c)
{
	const struct leave_group_response *r = c->in;

	say_error(s, r->error_code);
}

static void leave(struct story *s)
{
	struct leave_group_request rq;
	struct str group = str_of(word_need(s, "a group"));
	const struct story_person *p = speaker(s);
	struct call *c = call_new(s, 13, 1, any_node(s));

	wire_preset(&leave_group_request_type, &rq);
	rq.group_id = group;
	rq.member_id = str_of(p->id);
	c->tell = tell_left;
	call_go(s, c, &rq);
}

/* ---- offsets ------------------------------------------------------------- */

static void tell_committed(struct story *s, struct call *c)
{
	const struct offset_commit_response *r = c->in;

	say_error(s, r->topics[0].partitions[0].error_code);
}

/* "commit g t-0 5 [as m1]": without a member only where there is none. */
static void commit(struct story *s)
{
	struct offset_commit_request rq;
	struct offset_commit_request_topic t = { 0 };
	struct offset_commit_request_partition x = { 0 };
	struct str group = str_of(word_need(s, "a group"));
	struct story_partition p = partition_at(s, word_need(s, "of what"));
	const char *as = word_after(s, "as", NULL);
	const struct story_person *who = as ? person_at(s, as) : NULL;
	struct call *c = call_new(s, 8, 7, any_node(s));

	wire_preset(&offset_commit_request_type, &rq);
	rq.group_id = group;
	rq.generation_id_or_member_epoch = generation_of(s, who);
	rq.member_id = str_of(who ? who->id : "");
	rq.group_instance_id = str_of(who ? who->instance : NULL);
	x.partition_index = p.index;
	x.committed_offset = number_of(s, word_need(s, "an offset"));
	x.committed_leader_epoch = -1;
	t.name = p.topic;
	t.partitions = &x;
	t.partitions_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	c->tell = tell_committed;
	call_go(s, c, &rq);
}

static void tell_offset(struct story *s, struct call *c)
{
	const struct offset_fetch_response *r = c->in;
	const struct offset_fetch_response_partition *p;

	if (say_error(s, r->error_code))
		return;
	p = r->topics[0].partitions;
	if (!say_error(s, p->error_code))
		say(s, "%" PRId64 "\n", p->committed_offset);
}

/* "committed g t-0": as a consumer that starts asks for it. */
static void committed(struct story *s)
{
	struct offset_fetch_request rq;
	struct offset_fetch_request_topic t = { 0 };
	struct str group = str_of(word_need(s, "a group"));
	struct story_partition p = partition_at(s, word_need(s, "of what"));
	struct call *c = call_new(s, 9, 6, any_node(s));

	wire_preset(&offset_fetch_request_type, &rq);
	rq.group_id = group;
	t.name = p.topic;
	t.partition_indexes = &p.index;
	t.partition_indexes_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	c->tell = tell_offset;
	call_go(s, c, &rq);
}

bool group_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "join"))
		join(s);
	else if (!strcmp(verb, "sync"))
		sync(s);
	else if (!strcmp(verb, "heartbeat"))
		heartbeat(s);
	else if (!strcmp(verb, "leave"))
		leave(s);
	else if (!strcmp(verb, "commit"))
		commit(s);
	else if (!strcmp(verb, "committed"))
		committed(s);
	else
		return false;
	return true;
}
