/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log on disk: what a crash may take from it and what must be noticed.
 * (Damage that looks like a write cut short: the reliability of libraft's own
 * storage, where one flipped bit drops all that was acknowledged behind it.)
 */
#include <raft.h>

#include "disk_mem.h"
#include "entries_file.h"
#include "unit.h"

#define NODE 3

struct world {
	struct disk_mem *mem;
	struct disk *disk;
	struct entries log;
	struct tail tail;
	int64_t segment_bytes;
};

static void begin(struct world *w)
{
	*w = (struct world){ .mem = disk_mem_new(1), .segment_bytes = 1000 };
	w->disk = disk_mem_disk(w->mem);
	tail_init(&w->tail, 1);
	ck_assert_int_eq(w->disk->ops->mkdir(w->disk, "quorum"), 0);
	ck_assert_int_eq(w->disk->ops->sync_dir(w->disk, "."), 0);
	ck_assert_int_eq(entries_create(&w->log, w->disk, NODE,
					&(struct buf){ 0 }), 0);
	w->log.segment_bytes = w->segment_bytes;
}

static void end(struct world *w)
{
	entries_close(&w->log);
	tail_fini(&w->tail);
	disk_mem_free(w->mem);
}

static int reopen(struct world *w)
{
	int rc;

	entries_close(&w->log);
	tail_reset(&w->tail, 1);
	rc = entries_open(&w->log, w->disk, NODE, &w->tail);
	w->log.segment_bytes = w->segment_bytes;
	return rc;
}

/* n entries from index on, as one batch. */
static int append(struct world *w, int64_t index, uint64_t term, int n)
{
	struct buf batch = { 0 };
	char text[40];
	int rc;

	tail_cut(&w->tail, index);
	for (int i = 0; i < n; i++) {
		memset(text, 'a' + (int)((index + i) % 26), sizeof(text));
		entries_encode(&batch, tail_push(&w->tail, term, 1,
						 (struct bytes){
							 (uint8_t *)text,
							 sizeof(text) }));
	}
	rc = entries_append(&w->log, &batch, index + n);
	buf_fini(&batch);
	return rc;
}

static void holds(struct world *w, int64_t first, int64_t last, uint64_t term)
{
	const struct entry *e;

	ck_assert_int_eq(w->tail.first, first);
	ck_assert_int_eq(tail_next(&w->tail), last + 1);
	if (last < first)
		return;
	e = tail_get(&w->tail, last);
	ck_assert_uint_eq(e->term, term);
	for (int64_t i = first; i <= last; i++) {
		e = tail_get(&w->tail, i);
		ck_assert_int_eq(e->index, i);
		ck_assert_int_eq(e->n, 40);
		ck_assert_int_eq(e->data[39], 'a' + (int)(i % 26));
	}
}

TEST(entries_come_back)
{
	struct world w;

	begin(&w);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(append(&w, 1 + i * 3, 1, 3), 0);
	ck_assert_int_eq(reopen(&w), 0);
	ck_assert_int_gt(w.log.segments_n, 5);
	holds(&w, 1, 150, 1);
	ck_assert_int_eq(append(&w, 151, 2, 1), 0);
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, 151, 2);
	end(&w);
}

TEST(entries_that_were_replaced_stay_replaced)
{
	struct world w;

	begin(&w);
	ck_assert_int_eq(append(&w, 1, 1, 30), 0);
	ck_assert_int_eq(append(&w, 12, 2, 5), 0); /* 12 to 30 are gone */
	ck_assert_int_eq(append(&w, 17, 2, 40), 0);
	ck_assert_int_eq(append(&w, 40, 3, 1), 0);
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, 40, 3);
	ck_assert_uint_eq(tail_get(&w.tail, 11)->term, 1);
	ck_assert_uint_eq(tail_get(&w.tail, 12)->term, 2);
	end(&w);
}

TEST(entries_of_a_batch_that_was_cut_short_are_dropped)
{
	for (int how = 0; how < DISK_MEM_CRASHES; how++)
		for (uint64_t power = 0; power < 4; power++) {
			struct world w;
			int rc;

			begin(&w);
			ck_assert_int_eq(append(&w, 1, 1, 5), 0);
			disk_mem_cut_power(w.mem, power);
			rc = append(&w, 6, 1, 30);
			disk_mem_crash(w.mem, (enum disk_mem_crash)how);
			ck_assert_int_eq(reopen(&w), 0);
			/* what was told to be there, is */
			ck_assert_int_ge(tail_next(&w.tail), rc ? 6 : 36);
			ck_assert_int_le(tail_next(&w.tail), 36);
			holds(&w, 1, tail_next(&w.tail) - 1, 1);
			/* and it goes on from there */
			ck_assert_int_eq(append(&w, tail_next(&w.tail), 2, 2),
					 0);
			ck_assert_int_eq(reopen(&w), 0);
			end(&w);
		}
}

TEST(entries_survive_a_crash_at_every_step)
{
	for (uint64_t power = 0; power < 200; power++) {
		struct world w;
		int64_t sure = 0;

		begin(&w);
		disk_mem_cut_power(w.mem, power);
		for (int i = 0; i < 20; i++) {
			if (append(&w, 1 + i * 4, 1, 4))
				break;
			sure = (i + 1) * 4;
			if (i == 10 && entries_trim(&w.log, 20))
				break;
		}
		disk_mem_crash(w.mem, (enum disk_mem_crash)(power % 4));
		ck_assert_int_eq(reopen(&w), 0);
		ck_assert_int_ge(tail_next(&w.tail), sure + 1);
		ck_assert_int_le(w.tail.first, 21);
		holds(&w, w.tail.first, tail_next(&w.tail) - 1, 1);
		end(&w);
	}
}

TEST(entries_survive_a_crash_at_every_step_of_a_reset)
{
	for (uint64_t power = 0; power < 60; power++) {
		struct world w;
		int rc;

		begin(&w);
		for (int i = 0; i < 8; i++)
			ck_assert_int_eq(append(&w, 1 + i * 5, 1, 5), 0);
		disk_mem_cut_power(w.mem, power);
		rc = entries_reset(&w.log, 100);
		if (!rc)
			tail_reset(&w.tail, 100);
		disk_mem_crash(w.mem, (enum disk_mem_crash)(power % 4));
		ck_assert_int_eq(reopen(&w), 0);
		/* the old log or the new one, never a part of either */
		if (rc && w.tail.first == 1)
			holds(&w, 1, 40, 1);
		else
			holds(&w, 100, 99, 0);
		end(&w);
	}
}

/* Every byte of the log matters, and so does every bit of it. */
TEST(entries_notice_a_flipped_bit_wherever_it_is)
{
	struct world w;
	int64_t size;

	begin(&w);
	w.segment_bytes = w.log.segment_bytes = 1 << 20;
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(append(&w, 1 + i * 2, 1, 2), 0);
	ck_assert_int_eq(entries_sync_mark(&w.log), 0);
	size = w.log.pos;
	for (int64_t pos = 0; pos < size; pos += 3) {
		const char *path = "quorum/log.00000000000000000001";

		ck_assert(disk_mem_flip(w.mem, path, pos, 4));
		ck_assert_int_eq(reopen(&w), -EBADMSG);
		ck_assert(disk_mem_flip(w.mem, path, pos, 4));
	}
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, 12, 1);
	end(&w);
}

TEST(entries_notice_a_flipped_bit_in_an_old_segment)
{
	struct world w;

	begin(&w);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(append(&w, 1 + i * 5, 1, 5), 0);
	ck_assert_int_gt(w.log.segments_n, 4);
	ck_assert(disk_mem_flip(w.mem, "quorum/log.00000000000000000002", 300,
				1));
	ck_assert_int_eq(reopen(&w), -EBADMSG);
	end(&w);
}

/* Even with the mark of long ago: a later batch proves the earlier ones. */
TEST(entries_notice_damage_without_the_mark)
{
	struct world w;
	struct mark old;

	begin(&w);
	w.segment_bytes = w.log.segment_bytes = 1 << 20;
	ck_assert_int_eq(append(&w, 1, 1, 2), 0);
	old = w.log.mark.now;
	for (int i = 1; i < 5; i++)
		ck_assert_int_eq(append(&w, 1 + i * 2, 1, 2), 0);
	ck_assert_int_eq(mark_put(&w.log.mark, &old), 0);
	ck_assert_int_eq(mark_put(&w.log.mark, &old), 0);
	ck_assert(disk_mem_flip(w.mem, "quorum/log.00000000000000000001",
				SEGMENT_HEADER + 5 * (RECORD_HEADER + 40), 1));
	ck_assert_int_eq(reopen(&w), -EBADMSG);
	end(&w);
}

TEST(entries_notice_that_the_end_is_missing)
{
	struct world w;
	struct file *f;

	begin(&w);
	w.segment_bytes = w.log.segment_bytes = 1 << 20;
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(append(&w, 1 + i * 2, 1, 2), 0);
	ck_assert_int_eq(w.disk->ops->open(w.disk,
			 "quorum/log.00000000000000000001", DISK_WRITE, &f), 0);
	ck_assert_int_eq(w.disk->ops->truncate(f, w.log.pos -
					       (RECORD_HEADER + 40)), 0);
	w.disk->ops->close(f);
	ck_assert_int_eq(reopen(&w), -EBADMSG);
	end(&w);
}

TEST(entries_notice_that_a_segment_is_missing)
{
	static const char *const paths[] = {
		"quorum/log.00000000000000000001", /* of 1 to 10 or so */
		"quorum/log.00000000000000000003",
	};

	for (unsigned i = 0; i < countof(paths); i++) {
		struct world w;
		int rc;

		begin(&w);
		for (int j = 0; j < 20; j++)
			ck_assert_int_eq(append(&w, 1 + j * 5, 1, 5), 0);
		ck_assert_int_eq(w.disk->ops->unlink(w.disk, paths[i]), 0);
		rc = reopen(&w);
		/* in front: quorum's open.c sees that a snapshot lacks it */
		ck_assert(rc == -EBADMSG || (!rc && w.tail.first > 1));
		end(&w);
	}
}

TEST(entries_notice_that_all_is_missing)
{
	struct world w;

	begin(&w);
	ck_assert_int_eq(append(&w, 1, 1, 5), 0);
	ck_assert_int_eq(w.disk->ops->unlink(w.disk,
			 "quorum/log.00000000000000000001"), 0);
	ck_assert_int_eq(reopen(&w), -EBADMSG);
	end(&w);
}

TEST(entries_are_trimmed_from_the_front)
{
	struct world w;

	begin(&w);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(append(&w, 1 + i * 5, 1, 5), 0);
	ck_assert_int_eq(entries_trim(&w.log, 0), 0);
	ck_assert_uint_eq(w.log.segments[0].serial, 1);
	ck_assert_int_eq(entries_trim(&w.log, 100), 0);
	ck_assert_int_le(w.log.segments[0].start, 101);
	ck_assert_int_gt(w.log.segments[0].start, 80);
	ck_assert_int_eq(reopen(&w), 0);
	ck_assert_int_gt(w.tail.first, 80);
	holds(&w, w.tail.first, 200, 1);
	end(&w);
}

TEST(entries_wait_for_room_on_a_full_disk)
{
	struct world w;
	int64_t next = 1;
	int rc = 0;

	begin(&w);
	disk_mem_set_budget(w.mem, disk_mem_used(w.mem) + 16384);
	while (!rc) {
		rc = append(&w, next, 1, 20);
		if (!rc)
			next += 20;
	}
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_int_eq(append(&w, next, 1, 20), -ENOSPC);
	disk_mem_set_budget(w.mem, -1);
	ck_assert_int_eq(append(&w, next, 1, 20), 0);
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, next + 19, 1);
	end(&w);
}

TEST(entries_never_try_a_failed_sync_again)
{
	struct world w;
	int rc;

	begin(&w);
	ck_assert_int_eq(append(&w, 1, 1, 5), 0);
	disk_mem_fail_sync(w.mem, 1);
	rc = append(&w, 6, 1, 5);
	ck_assert(rc && rc != -ENOSPC);
	end(&w);
}

TEST(entries_that_were_only_in_the_page_cache_are_synced_at_start)
{
	struct world w;

	begin(&w);
	disk_mem_cut_power(w.mem, 1); /* the write, and not its sync */
	ck_assert_int_ne(append(&w, 1, 1, 5), 0);
	disk_mem_crash(w.mem, DISK_MEM_KEEP);
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, 5, 1); /* and from here on they count as stored */
	entries_close(&w.log);
	disk_mem_crash(w.mem, DISK_MEM_LOSE);
	ck_assert_int_eq(reopen(&w), 0);
	holds(&w, 1, 5, 1);
	end(&w);
}

/* Found by fuzzing: it stopped the node only when it was applied. */
TEST(entries_of_an_unknown_type_are_damage)
{
	struct buf batch = { 0 };
	struct world w;

	begin(&w);
	ck_assert_int_eq(append(&w, 1, 1, 2), 0);
	entries_encode(&batch, tail_push(&w.tail, 1, RAFT_CHANGE + 1,
					 (struct bytes){ (const uint8_t *)"x",
							 1 }));
	ck_assert_int_eq(entries_append(&w.log, &batch, 4), 0);
	buf_fini(&batch);
	ck_assert_int_eq(reopen(&w), -EBADMSG);
	end(&w);
}

TEST(entries_of_another_node_are_not_ours)
{
	struct world w;

	begin(&w);
	entries_close(&w.log);
	ck_assert_int_eq(entries_open(&w.log, w.disk, NODE + 1, &w.tail),
			 -EBADMSG);
	end(&w);
}
