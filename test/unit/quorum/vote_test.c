/* SPDX-License-Identifier: Apache-2.0 */
/* Term and vote: a promise that was given is never forgotten. */
#include "disk_mem.h"
#include "message.h"
#include "unit.h"
#include "vote.h"

static struct disk_mem *mem;
static struct disk *disk;

static void begin(struct vote_file *v)
{
	struct vote first = { .term = 1, .group = 77 };

	mem = disk_mem_new(4);
	disk = disk_mem_disk(mem);
	ck_assert_int_eq(disk->ops->mkdir(disk, "quorum"), 0);
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
	ck_assert_int_eq(vote_create(v, disk, 2, &first), 0);
}

static void end(struct vote_file *v)
{
	vote_close(v);
	disk_mem_free(mem);
}

TEST(vote_is_remembered)
{
	struct vote_file v;
	struct vote x = { 5, 3, 77, 0 };

	begin(&v);
	ck_assert_int_eq(vote_save(&v, &x), 0);
	vote_close(&v);
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert_int_eq(vote_open(&v, disk, 2), 0);
	ck_assert_uint_eq(v.now.term, 5);
	ck_assert_uint_eq(v.now.voted_for, 3);
	ck_assert_uint_eq(v.now.group, 77);
	end(&v);
}

TEST(vote_survives_a_crash_at_every_step)
{
	for (int how = 0; how < DISK_MEM_CRASHES; how++)
		for (uint64_t power = 0; power < 30; power++) {
			struct vote_file v;
			uint64_t sure = 1, tried = 1;

			begin(&v);
			disk_mem_cut_power(mem, power);
			for (uint64_t term = 2; term < 8; term++) {
				struct vote x = { term, term % 3, 77, 0 };

				tried = term;
				if (vote_save(&v, &x))
					break;
				sure = term;
			}
			vote_close(&v);
			disk_mem_crash(mem, (enum disk_mem_crash)how);
			ck_assert_int_eq(vote_open(&v, disk, 2), 0);
			ck_assert_uint_ge(v.now.term, sure);
			ck_assert_uint_le(v.now.term, tried);
			/* and what was found stays: it may be told now */
			sure = v.now.term;
			vote_close(&v);
			disk_mem_crash(mem, DISK_MEM_LOSE);
			ck_assert_int_eq(vote_open(&v, disk, 2), 0);
			ck_assert_uint_eq(v.now.term, sure);
			end(&v);
		}
}

TEST(vote_survives_damage_of_either_copy)
{
	for (int copy = 0; copy < 2; copy++)
		for (int64_t pos = 0; pos < 64; pos += 5) {
			struct vote_file v;
			struct vote x = { 5, 3, 77, 0 };

			begin(&v);
			ck_assert_int_eq(vote_save(&v, &x), 0);
			vote_close(&v);
			ck_assert(disk_mem_flip(mem, "quorum/vote",
						copy * 4096 + pos, 1));
			ck_assert_int_eq(vote_open(&v, disk, 2), 0);
			ck_assert_uint_eq(v.now.term, 5);
			ck_assert_uint_eq(v.now.voted_for, 3);
			vote_close(&v);
			/* repaired: the other one may go now */
			ck_assert(disk_mem_flip(mem, "quorum/vote",
						(1 - copy) * 4096 + pos, 1));
			ck_assert_int_eq(vote_open(&v, disk, 2), 0);
			ck_assert_uint_eq(v.now.term, 5);
			end(&v);
		}
}

TEST(vote_with_both_copies_damaged_is_no_vote)
{
	struct vote_file v;

	begin(&v);
	vote_close(&v);
	ck_assert(disk_mem_flip(mem, "quorum/vote", 20, 1));
	ck_assert(disk_mem_flip(mem, "quorum/vote", 4096 + 20, 1));
	ck_assert_int_eq(vote_open(&v, disk, 2), -EBADMSG);
	disk_mem_free(mem);
}

TEST(vote_of_another_node_is_not_ours)
{
	struct vote_file v;

	begin(&v);
	vote_close(&v);
	ck_assert_int_eq(vote_open(&v, disk, 3), -EINVAL);
	disk_mem_free(mem);
}

/* What a term that a peer may send becomes by own candidacies is taken; one
 * that no snapshot would take is damage. */
TEST(vote_of_an_impossible_term_is_damage)
{
	struct vote x = { MESSAGE_TERM_MAX + 1000, 0, 77, 0 };
	struct vote_file v;

	begin(&v);
	ck_assert_int_eq(vote_save(&v, &x), 0);
	vote_close(&v);
	ck_assert_int_eq(vote_open(&v, disk, 2), 0);
	x.term = TAIL_TERM_MAX + 1;
	ck_assert_int_eq(vote_save(&v, &x), 0);
	vote_close(&v);
	ck_assert_int_eq(vote_open(&v, disk, 2), -EBADMSG);
	disk_mem_free(mem);
}

TEST(vote_that_was_never_given_is_blank)
{
	struct vote_file v;

	mem = disk_mem_new(4);
	disk = disk_mem_disk(mem);
	ck_assert_int_eq(disk->ops->mkdir(disk, "quorum"), 0);
	ck_assert_int_eq(vote_open(&v, disk, 3), -ENOENT);
	disk_mem_free(mem);
}
