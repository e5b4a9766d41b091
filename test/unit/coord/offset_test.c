/* SPDX-License-Identifier: Apache-2.0 */
/* Committed offsets, their groups, and producer ids. */
#include "world.h"

#define WORLD(w)                                                               \
	struct world w __attribute__((cleanup(world_fini)));                   \
	world_init(&w)
#define DAY 86400000LL

TEST(anyone_may_commit_for_a_group_without_members)
{
	WORLD(w);
	ck_assert_int_eq(commit(&w, "g", "", -1, 42), K_NONE);
	expect_dump(&w, "producer_ids 0\n"
		"group g Empty generation=0 type=- protocol=- leader=-\n"
		"  offset t-0 42 epoch=3 \"note\"\n");
}

TEST(commit_needs_the_generation_of_a_member)
{
	WORLD(w);
	ck_assert_int_eq(commit(&w, "g", "m1", 1, 1), K_ILLEGAL_GENERATION);
	stable_group(&w, "g", 1);
	ck_assert_int_eq(commit(&w, "g", "m1", 1, 7), K_NONE);
	ck_assert_int_eq(commit(&w, "g", "m1", 0, 8), K_ILLEGAL_GENERATION);
	ck_assert_int_eq(commit(&w, "g", "m2", 1, 8), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(commit(&w, "g", "", -1, 8), K_UNKNOWN_MEMBER_ID);
	ck_assert_int_eq(committed(&w, "g"), 7);
}

TEST(commit_between_join_and_sync_has_to_wait)
{
	WORLD(w);
	join(&w, "g", "m1", "range:a");
	complete(&w, "g");
	ck_assert_int_eq(commit(&w, "g", "m1", 1, 8),
			 K_REBALANCE_IN_PROGRESS);
}

TEST(commit_during_the_joining_is_still_taken)
{
	WORLD(w);
	stable_group(&w, "g", 1);
	join(&w, "g", "m2", "range:a");
	ck_assert_int_eq(commit(&w, "g", "m1", 1, 8), K_NONE);
}

TEST(topic_made_again_has_no_offsets)
{
	WORLD(w);
	commit(&w, "g", "", -1, 42);
	world_untopic(&w, "t");
	world_topic(&w, "t", 4);
	ck_assert_int_eq(committed(&w, "g"), -1);
	expire_offsets(&w, DAY);
	ck_assert_int_eq(w.coord->offsets_n, 0);
}

TEST(offsets_of_an_empty_group_expire_after_it_became_empty) /* KIP-211 */
{
	WORLD(w);
	stable_group(&w, "g", 1);
	commit(&w, "g", "m1", 1, 5);
	w.now_ms += 10 * DAY;
	expire_offsets(&w, DAY);
	ck_assert_int_eq(committed(&w, "g"), 5); /* someone is there */
	leave(&w, "g", "m1");
	w.now_ms += DAY - 1;
	expire_offsets(&w, DAY);
	ck_assert_int_eq(committed(&w, "g"), 5);
	w.now_ms += 1;
	expire_offsets(&w, DAY);
	ck_assert_ptr_null(coord_group(w.coord, STR("g")));
}

TEST(offsets_of_a_simple_consumer_expire_after_the_commit)
{
	WORLD(w);
	commit(&w, "g", "", -1, 5);
	w.now_ms += DAY;
	expire_offsets(&w, DAY);
	ck_assert_ptr_null(coord_group(w.coord, STR("g")));
}

TEST(group_with_members_is_not_deleted)
{
	struct str names[] = { STR("g"), STR("none"), STR("simple") };
	struct groups_delete d = { .groups = names, .groups_n = 3 };
	const struct delete_groups_response *r;
	WORLD(w);

	stable_group(&w, "g", 1);
	commit(&w, "simple", "", -1, 1);
	world_apply(&w, &groups_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->results[0].error_code, K_NON_EMPTY_GROUP);
	ck_assert_int_eq(r->results[1].error_code, K_GROUP_ID_NOT_FOUND);
	ck_assert_int_eq(r->results[2].error_code, K_NONE);
	ck_assert_ptr_null(coord_group(w.coord, STR("simple")));
	ck_assert_int_eq(w.coord->offsets_n, 0);
}

TEST(offsets_of_a_subscribed_topic_are_not_deleted) /* KIP-496 */
{
	/* version 0, one topic, "t", no user data */
	static const uint8_t subscription[] = { 0, 0, 0, 0, 0, 1, 0, 1, 't',
						0xff, 0xff, 0xff, 0xff };
	struct group_join_protocol p = { STR("range"),
		{ subscription, sizeof(subscription) } };
	struct group_join j = { .group_id = STR("g"),
				.member_id = STR("m1"),
				.known = true,
				.new_member_id = STR("x"),
				.group_instance_id = STR_NULL,
				.protocol_type = STR("consumer"),
				.protocols = &p,
				.protocols_n = 1 };
	int32_t zero = 0;
	struct offsets_delete_topic t = { STR("t"), 1, &zero };
	struct offsets_delete d = { STR("g"), 1, &t };
	const struct offset_delete_response *r;
	WORLD(w);

	commit(&w, "g", "", -1, 3);
	world_apply(&w, &group_join_type, &j);
	complete(&w, "g");
	ck_assert(group_subscribes(group_named(&w, "g"), STR("t")));
	ck_assert(!group_subscribes(group_named(&w, "g"), STR("u")));
	world_apply(&w, &offsets_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->topics[0].partitions[0].error_code,
			 K_GROUP_SUBSCRIBED_TO_TOPIC);
	leave(&w, "g", "m1");
	world_apply(&w, &offsets_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->topics[0].partitions[0].error_code, K_NONE);
	ck_assert_int_eq(committed(&w, "g"), -1);
}

TEST(offsets_of_a_group_of_another_kind_are_not_deleted_while_it_has_members)
{
	struct group_join_protocol p = { STR("v1"),
		{ (const uint8_t *)"x", 1 } };
	struct group_join j = { .group_id = STR("workers"),
				.member_id = STR("m1"),
				.known = true,
				.new_member_id = STR("x"),
				.group_instance_id = STR_NULL,
				.protocol_type = STR("connect"),
				.protocols = &p,
				.protocols_n = 1 };
	int32_t zero = 0;
	struct offsets_delete_topic t = { STR("t"), 1, &zero };
	struct offsets_delete d = { STR("workers"), 1, &t };
	const struct offset_delete_response *r;
	WORLD(w);

	world_apply(&w, &offsets_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->error_code, K_GROUP_ID_NOT_FOUND);
	commit(&w, "workers", "", -1, 3);
	world_apply(&w, &group_join_type, &j);
	world_apply(&w, &offsets_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->error_code, K_NON_EMPTY_GROUP);
	ck_assert_int_eq(r->topics_n, 0);
	ck_assert_int_eq(committed(&w, "workers"), 3);
	leave(&w, "workers", "m1");
	world_apply(&w, &offsets_delete_type, &d);
	r = w.effects.result;
	ck_assert_int_eq(r->error_code, K_NONE);
	ck_assert_int_eq(committed(&w, "workers"), -1);
}

/* As OffsetCommit 2 to 4 can ask for. */
static void commit_with_retention(struct world *w, int64_t ms)
{
	struct offsets_commit_partition p = { .offset = 7, .leader_epoch = -1,
					      .metadata = STR("") };
	struct offsets_commit_topic t = { .name = STR("t"),
					  .partitions = &p,
					  .partitions_n = 1 };
	struct offsets_commit c = { .group_id = STR("g"),
				    .member_id = STR(""),
				    .group_instance_id = STR_NULL,
				    .generation_id = -1,
				    .retention_ms = ms,
				    .topics = &t,
				    .topics_n = 1 };

	t.topic_id = cluster_topic(w->cluster, STR("t"))->id;
	world_apply(w, &offsets_commit_type, &c);
}

TEST(a_commit_with_its_own_retention_expires_by_that)
{
	WORLD(w);

	commit_with_retention(&w, 3 * DAY);
	w.now_ms += 3 * DAY - 1;
	expire_offsets(&w, DAY);
	ck_assert_int_eq(committed(&w, "g"), 7);
	w.now_ms += 1;
	expire_offsets(&w, DAY);
	ck_assert_ptr_null(coord_group(w.coord, STR("g")));
}

TEST(a_commit_can_be_kept_for_ever)
{
	WORLD(w);

	commit_with_retention(&w, INT64_MAX);
	w.now_ms += 1000 * DAY;
	expire_offsets(&w, DAY);
	ck_assert_int_eq(committed(&w, "g"), 7);
}

TEST(producer_ids_are_never_given_twice)
{
	struct producer_ids_allocate a = { .count = 1000 };
	const struct producer_ids_allocated *r;
	WORLD(w);

	world_apply(&w, &producer_ids_allocate_type, &a);
	r = w.effects.result;
	ck_assert_int_eq(r->base, 0);
	world_apply(&w, &producer_ids_allocate_type, &a);
	r = w.effects.result;
	ck_assert_int_eq(r->base, 1000);
}

TEST(damaged_snapshot_is_refused)
{
	struct buf image = { 0 };
	WORLD(w);

	stable_group(&w, "g", 2);
	commit(&w, "g", "m1", 1, 5);
	coord_encode(w.coord, &image);
	for (size_t n = 0; n < image.n; n++) {
		struct coord *c =
			coord_decode((struct bytes){ image.p, (int32_t)n });

		ck_assert_ptr_null(c);
	}
	buf_fini(&image);
}

TEST(a_snapshot_with_a_member_twice_is_refused)
{
	struct buf image = { 0 };
	int changed = 0;
	WORLD(w);

	stable_group(&w, "g", 2);
	coord_encode(w.coord, &image);
	for (size_t i = 0; i + 1 < image.n; i++)
		if (image.p[i] == 'm' && image.p[i + 1] == '2') {
			image.p[i + 1] = '1';
			changed++;
		}
	ck_assert_int_gt(changed, 0);
	ck_assert_ptr_null(
		coord_decode((struct bytes){ image.p, (int32_t)image.n }));
	buf_fini(&image);
}
