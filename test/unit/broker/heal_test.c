/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails while the node runs: the copy is given up and fetched
 * again, and nobody counts on it in between (KIP-966, KIP-101).
 */
#include <stdio.h>

#include "rig.h"
#include "shard.h"

static struct rig r;

static int16_t produce(int32_t node, int16_t acks, int n)
{
	struct rig_call *p = rig_produce(&r, node, "t", 0, acks, n);

	rig_settle(&r);
	return rig_produced(p, NULL);
}

static bool says(int32_t node, const char *what)
{
	const char *text = rig_replica(&r, node, "t", 0);

	if (strstr(text, what))
		return true;
	fprintf(stderr, "node %d: %s", node, text);
	return false;
}

struct named {
	const char *suffix;
	int n;
};

static void note_name(void *ctx, const char *name, bool is_dir)
{
	struct named *w = ctx;
	size_t n = strlen(name), k = strlen(w->suffix);

	w->n += is_dir && n > k && strcmp(name + n - k, w->suffix) == 0;
}

static int kept_aside(int32_t node)
{
	struct disk *d = r.nodes[node - 1].info.disk;
	struct named w = { "-damaged", 0 };

	ck_assert_int_eq(d->ops->list(d, "log", note_name, &w), 0);
	return w.n;
}

static const struct partition *partition(void)
{
	return cluster_partition(r.c, STR("t"), 0);
}

/* Three copies with ten records each. */
static void begin(const char *set)
{
	rig_init(&r, 3, 1, NULL);
	rig_topic(&r, "t", "1,2,3", set);
	rig_pass(&r, 20);
	ck_assert_int_eq(produce(1, -1, 10), 0);
	rig_pass(&r, 20);
}

TEST_TIMES(a_follower_whose_disk_failed_fetches_all_again, 2)
{
	struct rig_call *p;

	begin(_i ? "durability=memory" : NULL);
	disk_mem_fail_write(r.nodes[1].mem, 1);
	p = rig_produce(&r, 1, "t", 0, -1, 5);
	rig_pass(&r, 30);
	ck_assert_int_eq(rig_produced(p, NULL), 0); /* by the two others */
	rig_pass(&r, 1000);
	ck_assert_int_eq(r.losses, 1);
	ck_assert_ptr_null(r.refused);
	ck_assert(says(2, "follower"));
	ck_assert(says(2, "hw=15 start=0 end=15 durable=15"));
	ck_assert(says(1, "isr=1,2,3"));
	ck_assert_int_eq(kept_aside(2), 1);
	ck_assert_int_eq(produce(1, -1, 1), 0);
	rig_fini(&r);
}

TEST(a_leader_whose_disk_failed_hands_over_and_follows)
{
	begin(NULL);
	disk_mem_fail_write(r.nodes[0].mem, 1);
	ck_assert_int_ne(produce(1, -1, 5), 0);
	ck_assert_int_eq(partition()->leader, 2);
	rig_pass(&r, 20);
	ck_assert_int_eq(produce(2, -1, 5), 0);
	rig_pass(&r, 1000);
	ck_assert(says(1, "follower leader=2"));
	ck_assert(says(1, "hw=15 start=0 end=15 durable=15"));
	ck_assert(says(2, "isr=1,2,3"));
	ck_assert_int_eq(kept_aside(1), 1);
	rig_fini(&r);
}

/* A producer that waits is not left to its time-out. */
TEST(who_waits_for_a_leader_whose_disk_failed_is_told)
{
	struct rig_call *p;

	begin(NULL);
	r.nodes[1].hold_asks = r.nodes[2].hold_asks = true;
	p = rig_produce(&r, 1, "t", 0, -1, 1);
	rig_turn(&r);
	disk_mem_fail_write(r.nodes[0].mem, 1);
	(void)!rig_produce(&r, 1, "t", 0, -1, 1);
	rig_turn(&r);
	ck_assert(p->done);
	ck_assert_int_ne(rig_produced(p, NULL), 0);
	rig_fini(&r);
}

TEST(a_failed_sync_of_one_file_is_not_the_end_of_the_node)
{
	begin("segment.bytes=1024");
	/* the cycle syncs the segment; the journal is not touched meanwhile */
	for (int i = 0; i < 3; i++)
		rig_pass(&r, 19000);
	disk_mem_fail_sync(r.nodes[1].mem, 2); /* the first is of log/ */
	rig_pass(&r, 10000);
	ck_assert_ptr_null(r.refused);
	ck_assert_int_eq(r.losses, 1);
	ck_assert(says(2, "end=10 durable=10"));
	ck_assert(says(1, "isr=1,2,3"));
	rig_fini(&r);
}

/* Which names are there nobody knows: the next start looks. */
TEST(a_failed_sync_of_the_names_of_logs_is_the_end_of_the_node)
{
	begin("segment.bytes=1024");
	for (int i = 0; i < 3; i++)
		rig_pass(&r, 19000);
	disk_mem_fail_sync(r.nodes[1].mem, 1);
	rig_pass(&r, 10000);
	ck_assert_ptr_nonnull(r.refused);
	rig_fini(&r);
}

/* What the old copy had told its leader must not bring back the new one. */
TEST(a_copy_that_begins_anew_is_not_in_sync_before_it_has_all)
{
	begin(NULL);
	disk_mem_fail_write(r.nodes[1].mem, 1);
	ck_assert_int_eq(produce(1, 1, 5), 0);
	r.nodes[1].hold_asks = true; /* it fetches nothing */
	rig_pass(&r, 5000);
	ck_assert_int_eq(r.losses, 1);
	ck_assert(says(1, "isr=1,3"));
	ck_assert(!int32s_has(&partition()->elr, 2));
	ck_assert_int_eq(produce(1, -1, 5), 0);
	ck_assert(says(1, "hw=20 "));
	r.nodes[1].hold_asks = false;
	rig_pass(&r, 1000);
	ck_assert(says(1, "isr=1,2,3"));
	ck_assert(says(2, "end=20 "));
	rig_fini(&r);
}

/* "I have all": by the old copy, under the epoch of then. */
static void say_late(int32_t epoch)
{
	struct request_header h = { 1, 17, 77, STR("late") };
	struct fetch_request *in = rig_fetch_new(&r, 0, 1);
	struct buf b = { 0 };
	struct rig_call *c;

	rig_fetch_add(&r, in, "t", 0, 15);
	in->replica_state.replica_id = 2;
	in->replica_state.replica_epoch = cluster_broker(r.c, 2)->epoch;
	in->topics->partitions->current_leader_epoch = epoch;
	frame_begin_request(&b, &h);
	wire_encode(&b, wire_api_find(1)->request, 17, in, NULL);
	c = rig_send_raw(&r, 1, 1, (struct bytes){ b.p + 4,
						   (int32_t)b.n - 4 }, 2);
	rig_settle(&r);
	ck_assert_int_eq(rig_fetched(&r, c, "t", 0)->error_code,
			 K_FENCED_LEADER_EPOCH);
	buf_fini(&b);
}

TEST(what_the_lost_copy_said_counts_for_nothing_when_it_comes_late)
{
	int32_t epoch;

	begin(NULL);
	epoch = partition()->leader_epoch;
	disk_mem_fail_write(r.nodes[1].mem, 1);
	ck_assert_int_eq(produce(1, 1, 5), 0);
	r.nodes[1].hold_asks = true;
	say_late(epoch);
	rig_pass(&r, 2000);
	ck_assert(says(1, "isr=1,3"));
	rig_fini(&r);
}

TEST(the_only_copy_stays_where_it_is)
{
	rig_init(&r, 1, 1, NULL);
	rig_topic(&r, "t", "1", NULL);
	rig_pass(&r, 20);
	ck_assert_int_eq(produce(1, -1, 10), 0);
	disk_mem_fail_write(r.nodes[0].mem, 1);
	ck_assert_int_ne(produce(1, -1, 5), 0);
	rig_pass(&r, 3000);
	ck_assert_int_eq(kept_aside(1), 0);
	ck_assert(says(1, "offline"));
	ck_assert_int_eq(partition()->leader, -1);
	ck_assert_int_eq(partition()->last_known_leader, 1);
	/* the journal alone has what it acknowledged: a start is needed */
	ck_assert_ptr_nonnull(r.refused);
	rig_fini(&r);
}

TEST(a_failed_journal_ends_the_node)
{
	begin(NULL);
	disk_mem_fail_sync(r.nodes[1].mem, 1);
	(void)!produce(1, 1, 5);
	rig_pass(&r, 100);
	ck_assert_ptr_nonnull(r.refused);
	ck_assert_int_eq(r.losses, 0);
	rig_fini(&r);
}

/* What is set aside is gone from the store: nobody is offline then. */
TEST(a_failed_journal_ends_the_node_though_no_log_is_open)
{
	begin(NULL);
	r.nodes[1].hold_jobs = true;
	disk_mem_fail_write(r.nodes[1].mem, 1);
	ck_assert_int_eq(produce(1, 1, 5), 0);
	rig_pass(&r, 20);
	ck_assert_int_eq(kept_aside(2), 1);
	ck_assert_str_eq(rig_replica(&r, 2, "t", 0), "none\n");
	disk_mem_fail_sync(r.nodes[1].mem, 1);
	r.nodes[1].hold_jobs = false;
	rig_pass(&r, 20);
	ck_assert_ptr_nonnull(r.refused);
	rig_fini(&r);
}

/* ---- no space ------------------------------------------------------------ */

TEST(a_partition_that_found_no_space_is_opened_when_there_is)
{
	rig_init(&r, 2, 1, NULL);
	disk_mem_set_budget(r.nodes[1].mem, disk_mem_used(r.nodes[1].mem));
	rig_topic(&r, "t", "1,2", NULL);
	rig_pass(&r, 1000);
	ck_assert_str_eq(rig_replica(&r, 2, "t", 0), "none\n");
	disk_mem_set_budget(r.nodes[1].mem, -1);
	rig_pass(&r, 1000);
	ck_assert(says(2, "follower"));
	ck_assert_int_eq(produce(1, -1, 3), 0);
	rig_pass(&r, 20);
	ck_assert(says(2, "end=3 durable=3"));
	ck_assert_int_eq(r.losses, 0);
	rig_fini(&r);
}

TEST(a_follower_without_space_waits_for_it)
{
	begin(NULL);
	disk_mem_set_budget(r.nodes[1].mem, disk_mem_used(r.nodes[1].mem));
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(produce(1, 1, 200), 0);
	rig_pass(&r, 3000);
	ck_assert(says(2, "follower"));
	disk_mem_set_budget(r.nodes[1].mem, -1);
	rig_pass(&r, 3000);
	ck_assert(says(2, "end=4010 durable=4010"));
	ck_assert_int_eq(r.losses, 0);
	ck_assert_ptr_null(r.refused);
	rig_fini(&r);
}
