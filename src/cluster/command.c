/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: commands to bytes and from bytes to the handler that applies them.
 * An encoded command is
 *
 *	i16 key, i16 version, i64 wall clock in ms, i64 seed, body
 *
 * with the body as the schema says. Not the decisions.
 */
#include "state.h"

struct kind {
	const struct wire_type *type;
	void (*apply)(struct change *x, const void *command);
};

static const struct kind kinds[] = {
	{ &bootstrap_command_type, apply_bootstrap },
	{ &register_broker_command_type, apply_register_broker },
	{ &set_broker_state_command_type, apply_set_broker_state },
	{ &unregister_broker_command_type, apply_unregister_broker },
	{ &create_topics_command_type, apply_create_topics },
	{ &delete_topics_command_type, apply_delete_topics },
	{ &create_partitions_command_type, apply_create_partitions },
	{ &alter_settings_command_type, apply_alter_settings },
	{ &alter_isr_command_type, apply_alter_isr },
	{ &elect_leaders_command_type, apply_elect_leaders },
	{ &set_level_command_type, apply_set_level },
	{ &lose_replicas_command_type, apply_lose_replicas },
};

static const struct kind *kind_of(int16_t key)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].type->key == key)
			return &kinds[i];
	return NULL;
}

/* ---- what a handler notes ------------------------------------------------ */

struct cluster_change *change_note(struct change *x,
				   enum cluster_change_kind kind)
{
	struct cluster_effects *out = x->out;
	struct cluster_change *note;

	if (out->changes_n == x->changes_cap) {
		int32_t cap = x->changes_cap ? 2 * x->changes_cap : 16;
		struct cluster_change *bigger = arena_alloc(
			x->arena, (size_t)cap * sizeof(*bigger));

		if (out->changes_n)
			memcpy(bigger, out->changes, (size_t)out->changes_n *
						     sizeof(*bigger));
		out->changes = bigger;
		x->changes_cap = cap;
	}
	note = &out->changes[out->changes_n++];
	*note = (struct cluster_change){ .kind = kind,
					 .topic = STR_NULL,
					 .partition = -1,
					 .broker = -1,
					 .group = STR_NULL };
	return note;
}

void change_note_partition(struct change *x, const struct partition *p)
{
	struct cluster_change *note =
		change_note(x, CLUSTER_PARTITION_CHANGED);

	note->topic = str_of(p->topic->name); /* a loan until the next apply */
	note->topic_id = p->topic->id;
	note->partition = p->index;
}

void change_note_topic(struct change *x, enum cluster_change_kind kind,
		       const struct topic *t)
{
	struct cluster_change *note = change_note(x, kind);
	struct str name = str_of(t->name);

	note->topic = kind == CLUSTER_TOPIC_DELETED ? str_dup(x->arena, name) :
						      name;
	note->topic_id = t->id;
}

void change_note_broker(struct change *x, int32_t id)
{
	change_note(x, CLUSTER_BROKER_CHANGED)->broker = id;
}

void *change_answer(struct change *x, const struct wire_type *type)
{
	x->out->result_type = type;
	x->out->result = wire_new(type, 1, x->arena);
	return x->out->result;
}

/* ---- in and out ---------------------------------------------------------- */

void cluster_command(struct buf *out, const struct cluster *c,
		     struct cluster_origin origin,
		     const struct wire_type *type, const void *command)
{
	(void)c; /* its level will choose the version once there are two */
	assert(kind_of(type->key) && kind_of(type->key)->type == type);
	buf_put_i16(out, type->key);
	buf_put_i16(out, 0);
	buf_put_i64(out, origin.wall_ms);
	buf_put_i64(out, (int64_t)origin.seed);
	wire_encode(out, type, 0, command, NULL);
}

static void start(struct change *x, struct cluster_effects *out,
		  struct cluster_origin origin)
{
	out->changes = NULL;
	out->changes_n = 0;
	out->result_type = NULL;
	out->result = NULL;
	out->error = K_NONE;
	x->out = out;
	x->arena = out->arena;
	x->wall_ms = origin.wall_ms;
	prng_init(&x->prng, origin.seed);
}

void cluster_apply(struct cluster *c, int64_t index, struct bytes command,
		   struct cluster_effects *out)
{
	struct reader r = reader_of(command.p, (size_t)command.n);
	int16_t key = read_i16(&r), version = read_i16(&r);
	struct cluster_origin origin;
	const struct kind *kind = kind_of(key);
	struct change x = { .c = c, .index = index };
	void *body;

	origin.wall_ms = read_i64(&r);
	origin.seed = (uint64_t)read_i64(&r);
	assert(index > c->applied);
	if (r.bad || !kind || version < kind->type->min ||
	    version > kind->type->max)
		fatal("cluster: command %d version %d at index %" PRId64
		      " is unknown to this program", key, version, index);
	body = arena_alloc(out->arena, kind->type->size);
	if (!wire_decode(&r, kind->type, version, body, out->arena) ||
	    reader_left(&r) != 0)
		fatal("cluster: %s at index %" PRId64 " is damaged",
		      kind->type->name, index);
	start(&x, out, origin);
	kind->apply(&x, body);
	c->applied = index;
}

/* The state is only read: every handler that may be previewed looks at dry
 * before it changes anything. */
void cluster_preview(const struct cluster *c, struct cluster_origin origin,
		     const struct wire_type *type, const void *command,
		     struct cluster_effects *out)
{
	const struct kind *kind = kind_of(type->key);
	struct change x = { .c = (struct cluster *)(uintptr_t)c,
			    .index = c->applied + 1, .dry = true };

	assert(kind);
	assert(type == &create_topics_command_type ||
	       type == &create_partitions_command_type ||
	       type == &alter_settings_command_type);
	start(&x, out, origin);
	kind->apply(&x, command);
	assert(out->changes_n == 0);
}
