/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random commands: what must hold after every one of them (I7, I8, I12 and
 * KIP-966's rules), and that two nodes agree though one of them was restored
 * from a snapshot on the way.
 */
#include "chance.h"

static bool subset(const struct int32s *a, const struct int32s *of)
{
	for (int32_t i = 0; i < a->n; i++)
		if (!int32s_has(of, a->v[i]))
			return false;
	return true;
}

static void check_partition(const struct cluster *c, const struct partition *p)
{
	int32_t min_isr = cluster_min_isr(c, p->topic, p->replicas.n);
	const struct broker_info *leader;

	ck_assert(subset(&p->isr, &p->replicas));
	ck_assert(subset(&p->elr, &p->replicas));
	for (int32_t i = 0; i < p->elr.n; i++)
		ck_assert(!int32s_has(&p->isr, p->elr.v[i]));
	if (p->isr.n >= min_isr)
		ck_assert_int_eq(p->elr.n, 0);
	for (int32_t i = 0; i < p->isr.n; i++) {
		const struct broker_info *b = cluster_broker(c, p->isr.v[i]);

		ck_assert(b && !b->fenced);
	}
	if (p->leader >= 0) {
		leader = cluster_broker(c, p->leader);
		ck_assert(int32s_has(&p->isr, p->leader));
		ck_assert(leader && !leader->fenced);
		ck_assert_int_eq(p->last_known_leader, -1);
		for (int32_t i = 0; leader->stopping && i < p->isr.n; i++)
			ck_assert(!cluster_broker_active(c, p->isr.v[i]));
		return;
	}
	for (int32_t i = 0; i < p->isr.n; i++)
		ck_assert(!cluster_broker_active(c, p->isr.v[i]));
	for (int32_t i = 0; p->isr.n == 0 && i < p->elr.n; i++)
		ck_assert(!cluster_broker_active(c, p->elr.v[i]));
}

static bool same(const struct partition *a, const struct partition *b)
{
	return a->leader == b->leader && a->leader_epoch == b->leader_epoch &&
	       a->last_known_leader == b->last_known_leader &&
	       a->isr.n == b->isr.n && subset(&a->isr, &b->isr) &&
	       a->elr.n == b->elr.n && subset(&a->elr, &b->elr);
}

static bool is_noted(const struct stage *s, const struct partition *p)
{
	for (int32_t i = 0; i < s->fx.changes_n; i++) {
		const struct cluster_change *c = &s->fx.changes[i];

		if (c->kind == CLUSTER_PARTITION_CHANGED &&
		    c->partition == p->index &&
		    uuid_eq(c->topic_id, p->topic->id))
			return true;
	}
	return false;
}

/* A loss ends the leader's epoch though the leader stays. */
static bool is_epoch_right(const struct partition *p, const struct partition *o,
			   bool loss)
{
	int32_t more = p->leader_epoch - o->leader_epoch;

	return more == (p->leader != o->leader) || (loss && more == 1);
}

static void check_step(const struct stage *s, const struct cluster *before,
		       bool loss)
{
	for (struct map_iter i = map_first(&s->c->topics); i.at;
	     map_next(&i)) {
		const struct topic *t = i.value;
		const struct topic *old = cluster_topic_by_id(before, t->id);

		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct partition *p = &t->partitions[k], *o;

			check_partition(s->c, p);
			if (!old || k >= old->partitions_n)
				continue;
			o = &old->partitions[k];
			ck_assert_int_eq(p->partition_epoch -
					 o->partition_epoch, !same(p, o));
			ck_assert(is_epoch_right(p, o, loss));
			ck_assert(is_noted(s, p) == !same(p, o));
		}
	}
}

static struct cluster *copy_of(const struct cluster *c)
{
	struct buf b = { 0 };
	struct cluster *copy;

	cluster_encode(c, &b);
	copy = cluster_decode((struct bytes){ b.p, (int32_t)b.n });
	ck_assert_ptr_nonnull(copy);
	buf_fini(&b);
	return copy;
}

static void apply_beside(struct cluster *c, int64_t index, struct bytes command)
{
	struct arena a = { 0 };
	struct cluster_effects fx = { .arena = &a };

	cluster_apply(c, index, command, &fx);
	arena_fini(&a);
}

TEST_TIMES(what_must_hold_holds_after_every_command, 24)
{
	struct stage s = chance_stage((uint64_t)_i);
	struct cluster *other = copy_of(s.c), *before;
	struct prng p;

	prng_init(&p, (uint64_t)_i);
	for (int step = 0; step < unit_rounds(300); step++) {
		bool loss = step % 11 == 10;
		struct bytes command = loss ? chance_loss(&s, &p) :
					      chance_command(&s, &p);
		int64_t index = s.c->applied + 1;

		before = copy_of(s.c);
		s.fx = (struct cluster_effects){ .arena = &s.arena };
		cluster_apply(s.c, index, command, &s.fx);
		check_step(&s, before, loss);
		cluster_free(before);
		apply_beside(other, index, command);
		ck_assert(cluster_hash(other) == cluster_hash(s.c));
		if (step == 150) {
			before = other;
			other = copy_of(other);
			cluster_free(before);
		}
		arena_reset(&s.arena);
	}
	cluster_free(other);
	stage_fini(&s);
}
