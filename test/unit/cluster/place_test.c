/* SPDX-License-Identifier: Apache-2.0 */
/* Where replicas go: racks first, then evenness of leaders and replicas. */
#include "stage.h"

#include <stdio.h>

struct load {
	int leads[10], holds[10];
};

static struct load load_of(const struct stage *s)
{
	struct load l = { 0 };

	for (struct map_iter i = map_first(&s->c->topics); i.at;
	     map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct partition *p = &t->partitions[k];

			ck_assert_int_lt(p->leader, 10);
			l.leads[p->leader]++;
			for (int32_t r = 0; r < p->replicas.n; r++)
				l.holds[p->replicas.v[r]]++;
		}
	}
	return l;
}

TEST(leaders_and_replicas_are_even_within_a_topic)
{
	struct stage s = stage_of("brokers 1 2 3 4 5\n");
	struct load l;

	ck_assert_int_eq(stage_create(&s, "t", 20, 3, NULL), K_NONE);
	l = load_of(&s);
	for (int b = 1; b <= 5; b++) {
		ck_assert_int_eq(l.leads[b], 4);
		ck_assert_int_ge(l.holds[b], 11);
		ck_assert_int_le(l.holds[b], 13);
	}
	stage_fini(&s);
}

TEST(leaders_are_even_over_many_small_topics)
{
	struct stage s = stage_of("brokers 1 2 3\n");
	struct load l;
	char name[8];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		ck_assert_int_eq(stage_create(&s, name, 1, 3, NULL), K_NONE);
	}
	l = load_of(&s);
	for (int b = 1; b <= 3; b++)
		ck_assert_int_eq(l.leads[b], 10);
	stage_fini(&s);
}

TEST(who_takes_over_is_spread_as_well)
{
	struct stage s = stage_of("brokers 1 2 3\n");
	struct load l;

	ck_assert_int_eq(stage_create(&s, "t", 60, 3, NULL), K_NONE);
	stage_fence(&s, 1);
	l = load_of(&s);
	ck_assert_int_eq(l.leads[1], 0);
	ck_assert_int_eq(l.leads[2], 30);
	ck_assert_int_eq(l.leads[3], 30);
	stage_fini(&s);
}

TEST(replicas_are_on_different_racks_as_far_as_there_are_any)
{
	struct stage s = stage_of("brokers 1@a 2@a 3@b 4@b 5@c\n");

	ck_assert_int_eq(stage_create(&s, "t", 30, 3, NULL), K_NONE);
	for (int32_t k = 0; k < 30; k++) {
		const struct partition *p =
			cluster_partition(s.c, STR("t"), k);
		bool racks[256] = { false };

		for (int32_t i = 0; i < 3; i++) {
			const char *rack = cluster_broker(
				s.c, p->replicas.v[i])->rack;

			ck_assert(!racks[(uint8_t)rack[0]]);
			racks[(uint8_t)rack[0]] = true;
		}
	}
	ck_assert_int_eq(stage_create(&s, "u", 5, 5, NULL), K_NONE);
	stage_fini(&s);
}

TEST(fenced_and_stopping_brokers_come_last_and_never_lead)
{
	struct stage s = stage_of("brokers 1 2f 3s 4 5\n");
	struct load l;

	ck_assert_int_eq(stage_create(&s, "t", 30, 3, NULL), K_NONE);
	l = load_of(&s);
	ck_assert_int_eq(l.holds[2] + l.holds[3], 0);
	ck_assert_int_eq(stage_create(&s, "u", 30, 5, NULL), K_NONE);
	l = load_of(&s);
	ck_assert_int_eq(l.leads[2] + l.leads[3], 0);
	ck_assert_int_eq(l.holds[2] + l.holds[3], 60);
	stage_fini(&s);
}

TEST(places_come_from_the_seed)
{
	struct stage a = stage_of("brokers 1 2 3 4 5\n");
	struct stage b = stage_of("brokers 1 2 3 4 5\n");
	struct stage c = stage_of("brokers 1 2 3 4 5\n");

	c.seed = 7;
	stage_create(&a, "t", 10, 3, NULL);
	stage_create(&b, "t", 10, 3, NULL);
	stage_create(&c, "t", 10, 3, NULL);
	ck_assert_str_eq(stage_topics(&a), stage_topics(&b));
	ck_assert_str_ne(stage_topics(&a), stage_topics(&c));
	stage_fini(&a);
	stage_fini(&b);
	stage_fini(&c);
}
