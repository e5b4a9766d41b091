/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of the state: what is read back is what was written. */
#include "stage.h"

static const char everything[] =
	"brokers 1@a 2f 3s\n"
	"set log.retention.ms=7\n"
	"topic t retention.ms=5 cleanup.policy=compact\n"
	"0 leader=1 epoch=3 version=9 replicas=1,2,3 isr=1 elr=2,3 last=-\n"
	"1 leader=-1 epoch=3 version=9 replicas=2 isr=- elr=2 last=2\n"
	"topic a.b\n"
	"0 leader=1 epoch=0 version=0 replicas=1 isr=1 elr=- last=-\n";

static void add_the_rest(struct stage *s)
{
	struct alter_settings_command_entry e[] = {
		{ STR("consumer.session.timeout.ms"), 0, STR("50000"),
		  STR(""), false },
		{ STR("log.retention.ms"), 0, STR("8"), STR(""), false },
	};
	struct alter_settings_command_resource r[] = {
		{ 32, STR("g"), false, 1, &e[0] },
		{ 4, STR("1"), false, 1, &e[1] },
	};
	struct alter_settings_command m = { 2, r };

	stage_apply(s, &alter_settings_command_type, &m);
}

TEST(a_snapshot_is_the_state)
{
	struct stage s = stage_of(everything);
	struct buf b = { 0 }, one = { 0 }, two = { 0 };
	struct cluster *copy;

	add_the_rest(&s);
	cluster_encode(s.c, &b);
	copy = cluster_decode((struct bytes){ b.p, (int32_t)b.n });
	ck_assert_ptr_nonnull(copy);
	cluster_dump(s.c, &one);
	cluster_dump(copy, &two);
	ck_assert_str_eq(buf_c(&one), buf_c(&two));
	ck_assert(cluster_hash(s.c) == cluster_hash(copy));
	ck_assert_int_eq(s.c->partitions_n, copy->partitions_n);
	ck_assert_ptr_nonnull(cluster_partition(copy, STR("t"), 1));
	buf_fini(&b);
	buf_fini(&one);
	buf_fini(&two);
	cluster_free(copy);
	stage_fini(&s);
}

TEST(a_dump_is_text_for_people)
{
	struct stage s = stage_of("brokers 1@a 2f\n"
		"set log.retention.ms=7\ntopic t retention.ms=5\n"
		"0 leader=1 epoch=3 version=9 replicas=1,2 isr=1 elr=2 last=-\n");
	struct buf b = { 0 };

	cluster_dump(s.c, &b);
	ck_assert_str_eq(buf_c(&b),
		"cluster id=AQAAAAAAAAAAAAAAAAAAAA level=1 applied=0 "
		"next_epoch=3\n"
		"set log.retention.ms=7\n"
		"broker 1 epoch=1 active peer=peer:0 rack=a\n"
		"broker 2 epoch=2 fenced peer=peer:0\n"
		"topic t id=AQAAAAAAAAAAAAAAAAAAAA\n"
		"\tset retention.ms=5\n"
		"\t0 leader=1 epoch=3 version=9 replicas=1,2 isr=1 elr=2 last=-\n");
	buf_fini(&b);
	stage_fini(&s);
}

TEST(a_damaged_snapshot_is_refused_or_harmless)
{
	struct stage s = stage_of(everything);
	struct buf b = { 0 };
	struct prng p;

	add_the_rest(&s);
	cluster_encode(s.c, &b);
	for (size_t n = 0; n < b.n; n++)
		ck_assert_ptr_null(cluster_decode(
			(struct bytes){ b.p, (int32_t)n }));
	prng_init(&p, 1);
	for (int i = 0; i < 3000; i++) {
		/* behind the level, which would be refused loudly */
		size_t at = 18 + prng_below(&p, b.n - 18);
		uint8_t old = b.p[at];

		b.p[at] = (uint8_t)prng_next(&p);
		cluster_free(cluster_decode(
			(struct bytes){ b.p, (int32_t)b.n }));
		b.p[at] = old;
	}
	buf_fini(&b);
	stage_fini(&s);
}

TEST_ABORTS(a_snapshot_of_a_level_beyond_this_program_is_refused_loudly)
{
	struct stage s = stage_of(everything);
	struct buf b = { 0 };

	s.c->level = CLUSTER_LEVEL_MAX + 1;
	cluster_encode(s.c, &b);
	cluster_decode((struct bytes){ b.p, (int32_t)b.n });
}

TEST_ABORTS(an_unknown_command_is_refused_loudly)
{
	struct stage s = stage_of(everything);
	uint8_t command[20] = { 0x7f, 0xff };

	s.fx.arena = &s.arena;
	cluster_apply(s.c, 1, (struct bytes){ command, sizeof(command) },
		      &s.fx);
}
