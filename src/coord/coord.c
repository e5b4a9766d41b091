/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator's state as a whole: one command in, one change out, by a
 * table. Framing of a command: its number, the proposer's time, its body.
 *
 * Not here: what each command does (classic.c, offset.c), snapshots (state.c).
 */
#include "group_internal.h"

struct command {
	const struct wire_type *type;
	void (*apply)(struct apply *a, const void *command);
};

static void join(struct apply *a, const void *c)
{
	classic_join(a, c);
}
static void sync(struct apply *a, const void *c)
{
	classic_sync(a, c);
}
static void leave(struct apply *a, const void *c)
{
	classic_leave(a, c);
}
static void expire(struct apply *a, const void *c)
{
	classic_expire(a, c);
}
static void complete(struct apply *a, const void *c)
{
	classic_complete(a, c);
}
static void commit(struct apply *a, const void *c)
{
	offsets_commit(a, c);
}
static void delete_offsets(struct apply *a, const void *c)
{
	offsets_delete(a, c);
}
static void delete_groups(struct apply *a, const void *c)
{
	groups_delete(a, c);
}
static void expire_offsets(struct apply *a, const void *c)
{
	offsets_expire(a, c);
}

static void allocate(struct apply *a, const void *command)
{
	const struct producer_ids_allocate *c = command;
	struct producer_ids_allocated *r =
		apply_result(a, &producer_ids_allocated_type);

	r->base = a->coord->next_producer_id;
	r->count = c->count;
	a->coord->next_producer_id += c->count;
}

static const struct command commands[] = {
	{ &group_join_type, join },
	{ &group_sync_type, sync },
	{ &group_leave_type, leave },
	{ &group_expire_type, expire },
	{ &group_complete_type, complete },
	{ &offsets_commit_type, commit },
	{ &offsets_delete_type, delete_offsets },
	{ &groups_delete_type, delete_groups },
	{ &offsets_expire_type, expire_offsets },
	{ &producer_ids_allocate_type, allocate },
};

struct coord *coord_new(void)
{
	return mem_zalloc(sizeof(struct coord));
}

void coord_free(struct coord *c)
{
	for (struct map_iter i = map_first(&c->groups); i.at; map_next(&i))
		group_free(i.value);
	map_fini(&c->groups);
	mem_free(c);
}

void *apply_result(struct apply *a, const struct wire_type *type)
{
	a->out->result_type = type;
	a->out->result = arena_zalloc(a->arena, type->size);
	wire_preset(type, a->out->result);
	return a->out->result;
}

void apply_changed(struct apply *a, const struct group *g)
{
	struct coord_effects *out = a->out;
	int32_t n = out->groups_n;
	struct str *more;

	if (n && str_eq_c(out->groups[n - 1], g->id))
		return;
	/* grows by doubling: room for 1, 2, 4, .. */
	if ((n & (n - 1)) == 0) {
		size_t cap = n ? (size_t)n * 2 : 1;

		more = arena_alloc(a->arena, cap * sizeof(*more));
		if (n)
			memcpy(more, out->groups, (size_t)n * sizeof(*more));
		out->groups = more;
	}
	out->groups[out->groups_n++] = str_dup(a->arena, str_of(g->id));
}

void coord_command(struct buf *out, int64_t wall_ms,
		   const struct wire_type *type, const void *command)
{
	buf_put_i16(out, type->key);
	buf_put_i64(out, wall_ms);
	wire_encode(out, type, 0, command, NULL);
}

void coord_apply(struct coord *c, const struct cluster *cluster, int64_t index,
		 struct bytes bytes, struct coord_effects *out)
{
	struct reader r = reader_of(bytes.p, (size_t)bytes.n);
	struct apply a = { c, cluster, 0, out->arena, out };
	int16_t key = read_i16(&r);
	const struct command *found = NULL;
	void *command;

	a.time_ms = read_i64(&r);
	for (size_t i = 0; i < countof(commands); i++)
		if (commands[i].type->key == key)
			found = &commands[i];
	if (!found)
		fatal("agreed log: unknown coordinator command %d at %" PRId64,
		      key, index);
	command = arena_zalloc(out->arena, found->type->size);
	if (!wire_decode(&r, found->type, 0, command, out->arena))
		fatal("agreed log: damaged command %s at %" PRId64,
		      found->type->name, index);
	found->apply(&a, command);
	c->applied = index;
}
