/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_seek: the offsets of a group set to another place. The coordinator
 * takes such a commit only from a group without members; --stop-members
 * removes them first, and they come back by themselves, to read from there.
 */
#include <stdlib.h>

#include "admin_group.h"

#define ROUNDS 20 /* members that rejoin faster than we commit */

struct seek {
	struct group group;
	struct committed *old;
	int32_t old_n;
	struct spot *goal; /* offset: where to; by topic and partition */
	int32_t n;
	const char **status;
};

static int64_t old_offset(const struct seek *k, const struct spot *g)
{
	for (int32_t i = 0; i < k->old_n; i++)
		if (k->old[i].partition == g->partition &&
		    str_eq(k->old[i].topic, g->topic))
			return k->old[i].offset;
	return -1;
}

/* ---- which partitions ---------------------------------------------------- */

static bool wanted(struct admin *a, struct str topic, int32_t partition)
{
	struct place p;
	const char *v = admin_value_at(a, "topic", 0);

	for (int i = 0; v; v = admin_value_at(a, "topic", ++i))
		if (place_parse(v, &p) && str_eq(p.topic, topic) &&
		    (p.partition < 0 || p.partition == partition))
			return true;
	return !admin_has(a, "topic");
}

static void push(struct buf *b, struct str topic, int32_t partition,
		 int64_t offset)
{
	struct spot s = { .topic = topic, .partition = partition,
			  .leader = SPOT_ANY, .offset = offset };

	buf_put(b, &s, sizeof(s));
}

/* Topics that were named, whether the group has read them or not. */
static bool name_partitions(struct admin *a, struct buf *b)
{
	const char *v;

	for (int i = 0; (v = admin_value_at(a, "topic", i)); i++) {
		struct metadata_response m;
		struct place p;
		int32_t before = (int32_t)b->n;

		if (!place_parse(v, &p)) {
			admin_usage(a, "--topic %s: TOPIC or TOPIC:P is "
				    "wanted", v);
			return false;
		}
		if (!admin_metadata(a, &p.topic, 1, &m) || a->status)
			return false;
		admin_sort_topics(&m);
		for (int32_t k = 0; k < m.topics[0].partitions_n; k++) {
			int32_t index =
				m.topics[0].partitions[k].partition_index;

			if (p.partition < 0 || p.partition == index)
				push(b, p.topic, index, -1);
		}
		if ((int32_t)b->n > before)
			continue;
		admin_fail(a, EXIT_MISSING, "UNKNOWN_TOPIC_OR_PARTITION",
			   "%s: no such partition", v);
		return false;
	}
	return true;
}

static int by_place(const void *x, const void *y)
{
	const struct spot *a = x, *b = y;
	int d = str_cmp(a->topic, b->topic);

	return d ? d : (a->partition > b->partition) -
		       (a->partition < b->partition);
}

static bool keep(struct admin *a, struct seek *k, struct buf *b)
{
	int32_t n = (int32_t)(b->n / sizeof(*k->goal));

	k->goal = arena_dup(client_arena(a->client), b->p, b->n);
	buf_fini(b);
	if (n > 1)
		qsort(k->goal, (size_t)n, sizeof(*k->goal), by_place);
	for (int32_t i = 0; i < n; i++) /* named twice is named once */
		if (i == 0 || by_place(&k->goal[k->n - 1], &k->goal[i]))
			k->goal[k->n++] = k->goal[i];
	if (k->n == 0)
		admin_fail(a, EXIT_MISSING, "NO_OFFSETS",
			   "the group has no offsets: name what to seek in "
			   "with --topic");
	return k->n > 0;
}

static bool choose(struct admin *a, struct seek *k)
{
	struct buf b = { 0 };

	if (!name_partitions(a, &b)) {
		buf_fini(&b);
		return false;
	}
	for (int32_t i = 0; !admin_has(a, "topic") && i < k->old_n; i++)
		push(&b, k->old[i].topic, k->old[i].partition, -1);
	return keep(a, k, &b);
}

/* Lines of topic, partition, offset; between them blanks, tabs or commas. */
static bool read_file(struct admin *a, const char *path, struct seek *k)
{
	FILE *opened = strcmp(path, "-") == 0 ? NULL : fopen(path, "r");
	FILE *f = strcmp(path, "-") == 0 ? stdin : opened;
	struct buf b = { 0 };
	char line[512], topic[256], which[32], where[32];
	int number = 0;
	bool ok = f != NULL;

	if (!f)
		admin_fail(a, EXIT_FAILED, "FILE", "%s: %s", path,
			   strerror(errno));
	while (ok && fgets(line, sizeof(line), f)) {
		int64_t offset, partition;

		number++;
		for (char *c = line; *c; c++)
			if (*c == ',' || *c == '"')
				*c = ' ';
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;
		ok = sscanf(line, "%255s %31s %31s", topic, which,
			    where) == 3 &&
		     str_to_i64(str_of(which), 0, INT32_MAX, &partition) &&
		     str_to_i64(str_of(where), 0, INT64_MAX, &offset);
		if (!ok)
			admin_fail(a, EXIT_USAGE, "FILE",
				   "%s:%d: TOPIC PARTITION OFFSET is wanted",
				   path, number);
		else if (wanted(a, str_of(topic), (int32_t)partition))
			push(&b, str_dup(client_arena(a->client),
					 str_of(topic)),
			     (int32_t)partition, offset);
	}
	if (opened)
		fclose(opened);
	if (ok)
		return keep(a, k, &b);
	buf_fini(&b);
	return false;
}

/* ---- where to ------------------------------------------------------------ */

/* Never outside of what the log holds: the consumer would only reset. */
static bool clamp(struct admin *a, struct seek *k)
{
	size_t size = sizeof(*k->goal) * (size_t)k->n;
	struct spot *start = arena_dup(client_arena(a->client), k->goal, size);
	struct spot *end = arena_dup(client_arena(a->client), k->goal, size);

	for (int32_t i = 0; i < k->n; i++) {
		start[i].ask = TIME_EARLIEST;
		end[i].ask = TIME_LATEST;
	}
	if (!admin_offsets(a, start, k->n) || !admin_offsets(a, end, k->n))
		return false;
	for (int32_t i = 0; i < k->n; i++) {
		int16_t code = max_of(start[i].error, end[i].error);

		if (code) {
			admin_refused(a, code, k->goal[i].topic, STR_NULL);
			return false;
		}
		k->goal[i].offset = min_of(max_of(k->goal[i].offset,
						  start[i].offset),
					   end[i].offset);
	}
	return true;
}

static bool aim(struct admin *a, struct seek *k, const struct position *p)
{
	if (p->kind == POSITION_FILE)
		return read_file(a, p->path, k) && clamp(a, k);
	if (!choose(a, k))
		return false;
	if (p->kind != POSITION_OFFSET && p->kind != POSITION_SHIFT) {
		if (!admin_find_position(a, p, k->goal, k->n))
			return false;
		return clamp(a, k);
	}
	for (int32_t i = 0; i < k->n; i++) {
		int64_t old = old_offset(k, &k->goal[i]);

		k->goal[i].offset = p->value;
		if (p->kind == POSITION_OFFSET)
			continue;
		if (old < 0) {
			admin_fail(a, EXIT_FAILED, "NO_OFFSETS",
				   "%.*s:%" PRId32 " has no offset to count "
				   "from", STR_ARG(k->goal[i].topic),
				   k->goal[i].partition);
			return false;
		}
		k->goal[i].offset = max_of(old + p->value, 0);
	}
	return clamp(a, k);
}

/* ---- doing it ------------------------------------------------------------ */

static bool remove_members(struct admin *a, const struct group *g)
{
	struct leave_group_request rq;
	struct leave_group_response rs;

	wire_preset(&leave_group_request_type, &rq);
	rq.group_id = g->id;
	rq.members = wire_new(&leave_group_request_member_type, g->members_n,
			      client_arena(a->client));
	rq.members_n = g->members_n;
	for (int32_t i = 0; i < g->members_n; i++) {
		rq.members[i].member_id = g->members[i].id;
		rq.members[i].group_instance_id = g->members[i].instance;
		rq.members[i].reason = STR("raftmq-admin group seek");
	}
	if (!admin_call(a, CLIENT_GROUP(g->id), 13, &rq, &rs))
		return false;
	if (rs.error_code)
		admin_refused(a, rs.error_code, g->id, STR_NULL);
	return !rs.error_code;
}

static bool commit(struct admin *a, struct seek *k,
		   struct offset_commit_response *rs)
{
	struct offset_commit_request rq;
	struct offset_commit_request_topic *t = NULL;
	struct arena *arena = client_arena(a->client);

	wire_preset(&offset_commit_request_type, &rq);
	rq.group_id = k->group.id;
	rq.topics = wire_new(&offset_commit_request_topic_type, k->n, arena);
	rq.topics_n = 0;
	for (int32_t i = 0; i < k->n; i++) {
		struct offset_commit_request_partition *p;

		if (!t || !str_eq(t->name, k->goal[i].topic)) {
			t = &rq.topics[rq.topics_n++];
			t->name = k->goal[i].topic;
			t->partitions = wire_new(
				&offset_commit_request_partition_type,
				k->n - i, arena);
			t->partitions_n = 0;
		}
		p = &t->partitions[t->partitions_n++];
		p->partition_index = k->goal[i].partition;
		p->committed_offset = k->goal[i].offset;
		p->committed_metadata = STR("");
	}
	return admin_call(a, CLIENT_GROUP(k->group.id), 8, &rq, rs);
}

static void note_status(struct seek *k, struct str topic, int32_t partition,
			int16_t code)
{
	for (int32_t i = 0; i < k->n; i++)
		if (k->goal[i].partition == partition &&
		    str_eq(k->goal[i].topic, topic))
			k->status[i] = code ? kerr_name(code) : "set";
}

/* One error for all means that the group was not empty (any more). */
static int16_t outcome(struct seek *k, const struct offset_commit_response *rs)
{
	int16_t first = K_NONE;

	for (int32_t t = 0; t < rs->topics_n; t++)
		for (int32_t p = 0; p < rs->topics[t].partitions_n; p++) {
			int16_t code = rs->topics[t].partitions[p].error_code;

			note_status(k, rs->topics[t].name,
				    rs->topics[t].partitions[p].partition_index,
				    code);
			if (!first)
				first = code;
		}
	return first;
}

static bool members_are_back(int16_t code)
{
	return code == K_UNKNOWN_MEMBER_ID || code == K_ILLEGAL_GENERATION ||
	       code == K_STALE_MEMBER_EPOCH || code == K_REBALANCE_IN_PROGRESS;
}

static void set_offsets(struct admin *a, struct seek *k)
{
	struct offset_commit_response rs;
	int16_t code = K_NONE;

	for (int round = 0; round < ROUNDS; round++) {
		if (group_is_active(&k->group) &&
		    !remove_members(a, &k->group))
			return;
		if (!commit(a, k, &rs))
			return;
		code = outcome(k, &rs);
		if (!members_are_back(code))
			break;
		if (!group_get(a, k->group.id, &k->group))
			return;
	}
	if (code)
		admin_refused(a, code, k->group.id, STR_NULL);
}

static void show(struct admin *a, const struct seek *k)
{
	static const struct column columns[] = {
		{ "GROUP", "group", CELL_TEXT },
		{ "TOPIC", "topic", CELL_TEXT },
		{ "PART", "partition", CELL_ID },
		{ "OLD", "old_offset", CELL_NUMBER },
		{ "NEW", "new_offset", CELL_NUMBER },
		{ "STATUS", "status", CELL_TEXT },
	};
	struct section *s = out_section(&a->out, "offsets", columns);

	for (int32_t i = 0; i < k->n; i++) {
		row_begin(s);
		cell_str(s, k->group.id);
		cell_str(s, k->goal[i].topic);
		cell_int(s, k->goal[i].partition);
		cell_known(s, old_offset(k, &k->goal[i]));
		cell_known(s, k->goal[i].offset);
		cell_text(s, k->status[i]);
	}
}

/* A group that is not there yet gets its first offsets. */
static bool find_group(struct admin *a, struct seek *k)
{
	struct listed_group *all;
	int32_t n;

	k->group = (struct group){ .id = str_of(a->args[0]) };
	if (!group_each(a, &all, &n))
		return false;
	for (int32_t i = 0; i < n; i++)
		if (str_eq(all[i].id, k->group.id))
			return group_get(a, all[i].id, &k->group) &&
			       group_committed(a, all[i].id, &k->old,
					       &k->old_n);
	return true;
}

void group_seek(struct admin *a)
{
	struct seek k = { .n = 0 };
	struct position p;
	size_t room;

	if (!admin_has(a, "to")) {
		admin_usage(a, "--to is missing: where shall the group be?");
		return;
	}
	if (!admin_position(a, "to", &p) || !find_group(a, &k) ||
	    !aim(a, &k, &p))
		return;
	room = sizeof(*k.status) * (size_t)k.n;
	k.status = arena_alloc(client_arena(a->client), room);
	for (int32_t i = 0; i < k.n; i++)
		k.status[i] = a->dry_run ? "would be set" : "not set";
	if (!a->dry_run && group_is_active(&k.group) &&
	    !admin_has(a, "stop-members"))
		admin_fail(a, EXIT_FAILED, "NON_EMPTY_GROUP",
			   "%s has %" PRId32 " member%s: stop them, or "
			   "--stop-members removes them (they rejoin)",
			   a->args[0], k.group.members_n,
			   k.group.members_n == 1 ? "" : "s");
	else if (!a->dry_run)
		set_offsets(a, &k);
	show(a, &k);
}
