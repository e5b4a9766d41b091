/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, starting again, and who must not start: open.c. */
#include "core.h"
#include "sim.h"
#include "unit.h"

static struct sim *begin(int nodes)
{
	struct sim_config c = { .seed = 9,
				.founders = nodes,
				.snapshot_entries = 40,
				.trailing_entries = 10,
				.segment_bytes = 2000 };
	struct sim *s = sim_new(&c);

	for (int i = 0; i < nodes; i++)
		sim_start(s, i);
	ck_assert(sim_run_until(s, 10000, sim_settled, NULL));
	return s;
}

static void work(struct sim *s, int n)
{
	int64_t acked = sim_counts(s).acked;

	for (int i = 0; i < n; i++) {
		sim_propose(s, sim_leader(s), 20);
		sim_run(s, 5);
	}
	ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	ck_assert_int_eq(sim_counts(s).acked, acked + n);
}

static int follower(struct sim *s)
{
	return (sim_leader(s) + 1) % 3;
}

TEST(quorum_of_one_takes_a_new_term_at_every_start)
{
	struct sim *s = begin(1);
	int64_t term = quorum_term(sim_node(s, 0));

	ck_assert_int_gt(term, 1);
	for (int i = 0; i < 5; i++) {
		work(s, 30);
		sim_crash(s, 0, DISK_MEM_LOSE, false);
		sim_start(s, 0);
		ck_assert(sim_run_until(s, 1000, sim_settled, NULL));
		ck_assert_int_gt(quorum_term(sim_node(s, 0)), term);
		term = quorum_term(sim_node(s, 0));
	}
	sim_free(s);
}

TEST(quorum_loses_nothing_when_all_lose_power)
{
	struct sim *s = begin(3);

	for (int i = 0; i < 5; i++) {
		work(s, 30);
		for (int n = 0; n < 3; n++)
			sim_crash(s, n, DISK_MEM_LOSE, true);
		for (int n = 0; n < 3; n++)
			sim_start(s, n);
		ck_assert(sim_run_until(s, 5000, sim_settled, NULL));
	}
	ck_assert_int_eq(sim_counts(s).acked, 150);
	sim_free(s);
}

/* Its files are set aside; the others give it all, then it votes again. */
static void begins_anew(struct sim *s, int node)
{
	struct disk *d = disk_mem_disk(sim_disk(s, node));
	int other;

	ck_assert_int_eq(sim_try_start(s, node), 0);
	ck_assert_int_eq(sim_node(s, node)->vote.now.newcomer, NEWCOMER_LATER);
	ck_assert(newcomer_is_later(d));
	ck_assert(quorum_has_forgotten(sim_node(s, node)));
	ck_assert(sim_run_until(s, 20000, sim_settled, NULL));
	work(s, 20);
	sim_run(s, 200);
	ck_assert_int_eq(sim_node(s, node)->vote.now.newcomer, NEWCOMER_NO);
	ck_assert(!quorum_has_forgotten(sim_node(s, node)));
	other = sim_leader(s) == node ? (node + 1) % 3 : sim_leader(s);
	sim_crash(s, other, DISK_MEM_KEEP, true);
	ck_assert(sim_run_until(s, 20000, sim_has_leader, NULL));
	sim_free(s);
}

TEST(quorum_node_with_a_damaged_log_begins_anew)
{
	struct sim *s = begin(3);
	int node = follower(s);

	work(s, 20);
	sim_crash(s, node, DISK_MEM_KEEP, true);
	ck_assert(disk_mem_flip(sim_disk(s, node),
				"quorum/log.00000000000000000001", 700, 8));
	begins_anew(s, node);
}

TEST(quorum_node_with_a_damaged_snapshot_begins_anew)
{
	struct sim *s = begin(3);
	int node = follower(s);
	char path[SNAPSHOT_PATH_MAX];

	work(s, 60);
	snapshot_path(path, quorum_snapshot_index(sim_node(s, node)));
	sim_crash(s, node, DISK_MEM_KEEP, true);
	ck_assert(disk_mem_flip(sim_disk(s, node), path, 60, 8));
	begins_anew(s, node);
}

static void without(const char *path)
{
	struct sim *s = begin(3);
	int node = follower(s);
	struct disk *d = disk_mem_disk(sim_disk(s, node));

	work(s, 20);
	sim_crash(s, node, DISK_MEM_KEEP, true);
	ck_assert_int_eq(d->ops->unlink(d, path), 0);
	begins_anew(s, node);
}

TEST(quorum_node_without_its_vote_begins_anew)
{
	without("quorum/vote");
}

TEST(quorum_node_without_its_mark_begins_anew)
{
	without("quorum/mark");
}

TEST(quorum_node_without_its_log_begins_anew)
{
	without("quorum/log.00000000000000000001");
}

TEST(quorum_node_with_an_old_vote_begins_anew)
{
	struct sim *s = begin(3);
	int node = follower(s);
	struct vote_file v;
	struct vote old = { .term = 1 };

	work(s, 20);
	old.group = sim_node(s, node)->group;
	sim_crash(s, node, DISK_MEM_KEEP, true);
	ck_assert_int_eq(vote_create(&v, disk_mem_disk(sim_disk(s, node)),
				     node, &old), 0);
	vote_close(&v);
	begins_anew(s, node);
}

/* With no two others there is nobody who has what it had. */
TEST(quorum_node_with_a_damaged_log_alone_does_not_start)
{
	struct sim *s = begin(1);

	work(s, 20);
	sim_crash(s, 0, DISK_MEM_KEEP, true);
	ck_assert(disk_mem_flip(sim_disk(s, 0),
				"quorum/log.00000000000000000001", 700, 8));
	ck_assert_int_eq(sim_try_start(s, 0), -EBADMSG);
	ck_assert_int_eq(sim_try_start(s, 0), -EBADMSG);
	sim_free(s);
}

/* Two that begin anew must not found a quorum against the one that knows. */
TEST(two_damaged_nodes_elect_nobody)
{
	struct sim *s = begin(3);
	int healthy = follower(s);

	work(s, 60);
	for (int i = 0; i < 3; i++)
		sim_crash(s, i, DISK_MEM_KEEP, true);
	for (int i = 0; i < 3; i++) {
		struct disk *d = disk_mem_disk(sim_disk(s, i));

		if (i != healthy)
			ck_assert_int_eq(d->ops->unlink(d, "quorum/vote"), 0);
		ck_assert_int_eq(sim_try_start(s, i), 0);
	}
	sim_run(s, 20000);
	ck_assert_int_eq(sim_leader(s), -1);
	sim_free(s);
}

/* ---- founding ------------------------------------------------------------ */

static void no_send(void *ctx, int32_t peer, struct bytes frame, bool bulk)
{
	(void)ctx, (void)peer, (void)frame, (void)bulk;
}

static int found(struct disk_mem *m, int32_t id, const struct quorum_peer *p,
		 int n, uint64_t *group)
{
	struct quorum_config c = { .id = id, .peers = p, .peers_n = n,
				   .disk = disk_mem_disk(m), .queue = 1,
				   .hooks = { .send = no_send } };
	struct quorum *q;
	int rc = quorum_open(&q, &c);

	if (rc)
		return rc;
	if (group)
		*group = q->group;
	quorum_close(q);
	return 0;
}

TEST(quorum_is_the_same_in_whatever_order_peers_are_listed)
{
	struct quorum_peer a[] = { { 1, "x:1" }, { 2, "y:1" }, { 3, "z:1" } };
	struct quorum_peer b[] = { { 3, "z:1" }, { 1, "x:1" }, { 2, "y:1" } };
	struct quorum_peer c[] = { { 3, "z:2" }, { 1, "x:1" }, { 2, "y:1" } };
	struct disk_mem *m[3];
	uint64_t group[3];

	for (int i = 0; i < 3; i++)
		m[i] = disk_mem_new(1);
	ck_assert_int_eq(found(m[0], 1, a, 3, &group[0]), 0);
	ck_assert_int_eq(found(m[1], 2, b, 3, &group[1]), 0);
	ck_assert_int_eq(found(m[2], 3, c, 3, &group[2]), 0);
	ck_assert_uint_eq(group[0], group[1]);
	ck_assert_uint_ne(group[0], group[2]);
	for (int i = 0; i < 3; i++)
		disk_mem_free(m[i]);
}

TEST(quorum_refuses_a_wrong_list_of_peers)
{
	struct quorum_peer twice[] = { { 1, "x:1" }, { 1, "y:1" } };
	struct quorum_peer same[] = { { 1, "x:1" }, { 2, "x:1" } };
	struct quorum_peer empty[] = { { 1, "" } };
	struct quorum_peer other[] = { { 2, "y:1" }, { 3, "z:1" } };
	struct disk_mem *m = disk_mem_new(1);

	ck_assert_int_eq(found(m, 1, twice, 2, NULL), -EINVAL);
	ck_assert_int_eq(found(m, 1, same, 2, NULL), -EINVAL);
	ck_assert_int_eq(found(m, 1, empty, 1, NULL), -EINVAL);
	ck_assert_int_eq(found(m, 1, other, 2, NULL), -EINVAL);
	/* none of them was founded: the right one still can be */
	ck_assert_int_eq(found(m, 2, other, 2, NULL), 0);
	/* but a directory has one owner */
	ck_assert_int_eq(found(m, 3, other, 2, NULL), -EINVAL);
	disk_mem_free(m);
}

TEST(quorum_can_be_founded_after_a_crash_at_every_step)
{
	struct quorum_peer peers[] = { { 1, "x:1" }, { 2, "y:1" } };
	struct quorum_peer changed[] = { { 1, "x:1" }, { 2, "y:10000" } };
	int cut_short = 0;

	for (int how = 0; how < DISK_MEM_CRASHES; how++)
		for (uint64_t power = 0; power < 40; power++) {
			struct disk_mem *m = disk_mem_new(power);

			disk_mem_cut_power(m, power);
			cut_short += found(m, 1, peers, 2, NULL) != 0;
			disk_mem_crash(m, (enum disk_mem_crash)how);
			ck_assert_int_eq(found(m, 1, changed, 2, NULL), 0);
			disk_mem_crash(m, DISK_MEM_LOSE);
			ck_assert_int_eq(found(m, 1, changed, 2, NULL), 0);
			disk_mem_free(m);
		}
	ck_assert_int_gt(cut_short, 40);
}
