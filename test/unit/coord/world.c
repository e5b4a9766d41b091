/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

static void apply_cluster(struct world *w, const struct wire_type *type,
			  const void *command)
{
	struct cluster_effects e = { .arena = &w->arena };
	struct buf bytes = { 0 };

	cluster_command(&bytes, w->cluster,
			(struct cluster_origin){ w->now_ms,
						 (uint64_t)w->index },
			type, command);
	cluster_apply(w->cluster, ++w->index,
		      (struct bytes){ bytes.p, (int32_t)bytes.n }, &e);
	buf_fini(&bytes);
}

static void add_broker(struct world *w)
{
	struct register_broker_command_listener at = {
		.name = STR("PLAINTEXT"), .host = STR("h"), .port = 9092 };
	struct register_broker_command r;
	struct set_broker_state_command s;
	struct bootstrap_command b;

	wire_preset(&bootstrap_command_type, &b);
	b.cluster_id.b[0] = 1;
	apply_cluster(w, &bootstrap_command_type, &b);
	wire_preset(&register_broker_command_type, &r);
	r.broker_id = 1;
	r.incarnation.b[0] = 1;
	r.listeners = &at;
	r.listeners_n = 1;
	r.peer_host = STR("h");
	r.peer_port = 9091;
	apply_cluster(w, &register_broker_command_type, &r);
	wire_preset(&set_broker_state_command_type, &s);
	s.broker_id = 1;
	s.broker_epoch = cluster_broker(w->cluster, 1)->epoch;
	s.fence = 2;
	apply_cluster(w, &set_broker_state_command_type, &s);
}

void world_topic(struct world *w, const char *name, int32_t partitions)
{
	struct create_topics_command_topic t = { 0 };
	struct create_topics_command c;

	t.name = str_of(name);
	t.num_partitions = partitions;
	t.replication_factor = 1;
	wire_preset(&create_topics_command_type, &c);
	c.topics = &t;
	c.topics_n = 1;
	apply_cluster(w, &create_topics_command_type, &c);
	ck_assert_ptr_nonnull(cluster_topic(w->cluster, str_of(name)));
}

void world_untopic(struct world *w, const char *name)
{
	struct delete_topics_command_topic t = { .name = str_of(name) };
	struct delete_topics_command c;

	wire_preset(&delete_topics_command_type, &c);
	c.topics = &t;
	c.topics_n = 1;
	apply_cluster(w, &delete_topics_command_type, &c);
	ck_assert_ptr_null(cluster_topic(w->cluster, str_of(name)));
}

void world_init(struct world *w)
{
	*w = (struct world){ .coord = coord_new(),
			     .cluster = cluster_new(),
			     .now_ms = 1000 };
	add_broker(w);
	world_topic(w, "t", 4);
}

void world_fini(struct world *w)
{
	coord_free(w->coord);
	cluster_free(w->cluster);
	arena_fini(&w->arena);
}

static void expect_same_copy(const struct world *w)
{
	struct buf image = { 0 }, a = { 0 }, b = { 0 };
	struct coord *copy;

	coord_encode(w->coord, &image);
	copy = coord_decode((struct bytes){ image.p, (int32_t)image.n });
	ck_assert_ptr_nonnull(copy);
	coord_dump(w->coord, &a);
	coord_dump(copy, &b);
	ck_assert_str_eq(buf_c(&a), buf_c(&b));
	ck_assert_uint_eq(coord_hash(w->coord), coord_hash(copy));
	ck_assert_int_eq(copy->members_n, w->coord->members_n);
	ck_assert_int_eq(copy->offsets_n, w->coord->offsets_n);
	coord_free(copy);
	buf_fini(&image);
	buf_fini(&a);
	buf_fini(&b);
}

void world_apply(struct world *w, const struct wire_type *type,
		 const void *command)
{
	struct buf bytes = { 0 };

	coord_command(&bytes, w->now_ms, type, command);
	arena_reset(&w->arena);
	w->effects = (struct coord_effects){ .arena = &w->arena };
	coord_apply(w->coord, w->cluster, ++w->index,
		    (struct bytes){ bytes.p, (int32_t)bytes.n }, &w->effects);
	buf_fini(&bytes);
	expect_same_copy(w);
}

/* "range:a,roundrobin:b" */
static int32_t split(char *text, struct group_join_protocol *to)
{
	int32_t n = 0;

	for (char *save, *p = strtok_r(text, ",", &save); p;
	     p = strtok_r(NULL, ",", &save)) {
		char *colon = strchr(p, ':');

		ck_assert_ptr_nonnull(colon);
		to[n].name = (struct str){ p, (int32_t)(colon - p) };
		to[n].metadata = (struct bytes){
			(const uint8_t *)colon + 1,
			(int32_t)strlen(colon + 1) };
		n++;
	}
	return n;
}

int16_t join_with(struct world *w, struct group_join *j, const char *protocols)
{
	struct group_join_protocol list[8] = { 0 };
	char text[256];

	snprintf(text, sizeof(text), "%s", protocols);
	j->protocols = list;
	j->protocols_n = split(text, list);
	j->protocol_type = STR("consumer");
	j->client_id = STR("client");
	j->client_host = STR("/127.0.0.1");
	j->session_timeout_ms = 10000;
	j->rebalance_timeout_ms = 60000;
	world_apply(w, &group_join_type, j);
	return joined(w)->error_code;
}

/* A dynamic member with its id handed out, or one that is back. */
int16_t join(struct world *w, const char *group, const char *member,
	     const char *protocols)
{
	struct group_join j = { .group_id = str_of(group),
				.member_id = str_of(member),
				.new_member_id = STR("unused"),
				.group_instance_id = STR_NULL,
				.known = true };

	return join_with(w, &j, protocols);
}

int16_t join_static(struct world *w, const char *group, const char *new_id,
		    const char *instance, const char *protocols)
{
	struct group_join j = { .group_id = str_of(group),
				.member_id = STR(""),
				.new_member_id = str_of(new_id),
				.group_instance_id = str_of(instance) };

	return join_with(w, &j, protocols);
}

const struct group_joined *joined(const struct world *w)
{
	ck_assert_ptr_eq(w->effects.result_type, &group_joined_type);
	return w->effects.result;
}

static int16_t synced(const struct world *w)
{
	const struct group_synced *s = w->effects.result;

	ck_assert_ptr_eq(w->effects.result_type, &group_synced_type);
	return s->error_code;
}

/* Every member is assigned its own id. */
int16_t sync_all(struct world *w, const char *group, const char *from,
		 int32_t generation)
{
	const struct group *g = group_named(w, group);
	struct group_sync_assignment list[64] = { 0 };
	struct group_sync s = { .group_id = str_of(group),
				.member_id = str_of(from),
				.group_instance_id = STR_NULL,
				.generation_id = generation,
				.assignments = list };

	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;
		struct str id = str_of(m->id);

		list[s.assignments_n].member_id = id;
		list[s.assignments_n++].assignment =
			(struct bytes){ (const uint8_t *)id.p, id.n };
	}
	world_apply(w, &group_sync_type, &s);
	return synced(w);
}

static int16_t leave_as(struct world *w, const char *group, struct str member,
			struct str instance)
{
	struct group_leave_member m = { member, instance };
	struct group_leave l = { .group_id = str_of(group),
				 .members = &m,
				 .members_n = 1 };
	const struct leave_group_response *r;

	world_apply(w, &group_leave_type, &l);
	r = w->effects.result;
	ck_assert_int_eq(r->members_n, 1);
	return r->members[0].error_code;
}

int16_t leave(struct world *w, const char *group, const char *member)
{
	return leave_as(w, group, str_of(member), STR_NULL);
}

int16_t leave_static(struct world *w, const char *group, const char *instance)
{
	return leave_as(w, group, STR(""), str_of(instance));
}

int16_t expire(struct world *w, const char *group, const char *member)
{
	struct group_expire e = { .group_id = str_of(group),
				  .member_id = str_of(member),
				  .generation_id =
					  group_named(w, group)->generation };

	world_apply(w, &group_expire_type, &e);
	return synced(w);
}

int16_t complete(struct world *w, const char *group)
{
	struct group_complete c = {
		.group_id = str_of(group),
		.rebalance_serial = group_named(w, group)->rebalance_serial,
	};

	world_apply(w, &group_complete_type, &c);
	return synced(w);
}

int16_t commit(struct world *w, const char *group, const char *member,
	       int32_t generation, int64_t offset)
{
	struct offsets_commit_partition p = { .partition_index = 0,
					      .offset = offset,
					      .leader_epoch = 3,
					      .metadata = STR("note") };
	struct offsets_commit_topic t = {
		.name = STR("t"),
		.topic_id = cluster_topic(w->cluster, STR("t"))->id,
		.partitions = &p,
		.partitions_n = 1,
	};
	struct offsets_commit c = { .group_id = str_of(group),
				    .member_id = str_of(member),
				    .group_instance_id = STR_NULL,
				    .generation_id = generation,
				    .retention_ms = -1,
				    .topics = &t,
				    .topics_n = 1 };
	const struct offset_commit_response *r;

	world_apply(w, &offsets_commit_type, &c);
	r = w->effects.result;
	return r->topics[0].partitions[0].error_code;
}

int64_t committed(struct world *w, const char *group)
{
	const struct topic *t = cluster_topic(w->cluster, STR("t"));
	const struct group *g = coord_group(w->coord, str_of(group));
	const struct group_offset *o =
		g && t ? group_offset_of(g, t->id, 0) : NULL;

	return o ? o->offset : -1;
}

void expire_offsets(struct world *w, int64_t retention_ms)
{
	struct offsets_expire e = { .retention_ms = retention_ms };

	world_apply(w, &offsets_expire_type, &e);
}

void stable_group(struct world *w, const char *group, int members)
{
	char id[16];

	for (int i = 1; i <= members; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		ck_assert_int_eq(join(w, group, id, "range:a"), 0);
	}
	ck_assert_int_eq(complete(w, group), 0);
	ck_assert_int_eq(sync_all(w, group, "m1", 1), 0);
	expect_state(w, group, "Stable");
}

const struct group *group_named(struct world *w, const char *id)
{
	const struct group *g = coord_group(w->coord, str_of(id));

	ck_assert_msg(g, "no group %s", id);
	return g;
}

void expect_dump(struct world *w, const char *text)
{
	struct buf b = { 0 };

	coord_dump(w->coord, &b);
	ck_assert_str_eq(buf_c(&b), text);
	buf_fini(&b);
}
