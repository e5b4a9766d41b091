/* SPDX-License-Identifier: Apache-2.0 */
/* test/lib/disk_mem.c: the disk that other tests rely on */
#include <stdio.h>

#include "disk_mem.h"
#include "unit.h"

static struct disk_mem *mem;
static struct disk *disk;

static void begin(uint64_t seed)
{
	mem = disk_mem_new(seed);
	disk = disk_mem_disk(mem);
}

static struct file *must_open(const char *path, int flags)
{
	struct file *f = NULL;

	ck_assert_int_eq(disk->ops->open(disk, path, flags, &f), 0);
	return f;
}

static struct file *must_create(const char *path)
{
	return must_open(path, DISK_WRITE | DISK_CREATE | DISK_EXCL);
}

static int put(struct file *f, int64_t pos, const char *text)
{
	struct disk_span v = { text, strlen(text) };

	return disk->ops->write(f, pos, &v, 1);
}

static bool exists(const char *path)
{
	struct file *f;

	if (disk->ops->open(disk, path, DISK_READ, &f))
		return false;
	disk->ops->close(f);
	return true;
}

/* The file as text, "-" when there is none; zeroes are shown as dots. */
static const char *text_of(const char *path)
{
	static char text[20000];
	struct file *f;
	int64_t n;

	if (disk->ops->open(disk, path, DISK_READ, &f))
		return "-";
	n = disk->ops->read(f, 0, text, sizeof(text) - 1, false);
	ck_assert_int_eq(n, disk->ops->size(f));
	disk->ops->close(f);
	for (int64_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = '.';
	text[n] = '\0';
	return text;
}

TEST(disk_mem_loses_what_was_not_synced)
{
	struct file *f;

	begin(1);
	f = must_create("a");
	ck_assert_int_eq(put(f, 0, "kept"), 0);
	ck_assert_int_eq(disk->ops->sync(f), 0);
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
	ck_assert_int_eq(put(f, 4, " lost"), 0);
	ck_assert_str_eq(text_of("a"), "kept lost");
	disk_mem_crash(mem, DISK_MEM_KEEP);
	ck_assert_str_eq(text_of("a"), "kept lost");
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert_str_eq(text_of("a"), "kept");
	ck_assert_int_eq(put(f, 0, "x"), -EIO); /* opened before */
	ck_assert_int_eq(disk->ops->size(f), -EIO);
	disk->ops->close(f);
	disk_mem_free(mem);
}

TEST(disk_mem_loses_names_without_sync_dir)
{
	struct file *f;

	begin(1);
	ck_assert_int_eq(disk->ops->mkdir(disk, "d"), 0);
	ck_assert_int_eq(disk->ops->mkdir(disk, "d"), 0);
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
	f = must_create("d/a");
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0); /* not its own */
	ck_assert_int_eq(disk->ops->sync(f), 0);
	disk->ops->close(f);
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert(!exists("d/a"));
	disk->ops->close(must_create("d/a"));
	ck_assert_int_eq(disk->ops->sync_dir(disk, "d"), 0);
	ck_assert_int_eq(disk->ops->unlink(disk, "d/a"), 0);
	ck_assert(!exists("d/a"));
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert(exists("d/a"));
	disk_mem_free(mem);
}

TEST(disk_mem_rename_is_all_or_nothing)
{
	for (int seed = 0; seed < unit_rounds(200); seed++) {
		const char *a, *b;
		struct file *f;

		begin(seed);
		f = must_create("old");
		ck_assert_int_eq(put(f, 0, "1"), 0);
		ck_assert_int_eq(disk->ops->sync(f), 0);
		disk->ops->close(f);
		ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
		f = must_create("new");
		ck_assert_int_eq(put(f, 0, "2"), 0);
		ck_assert_int_eq(disk->ops->sync(f), 0);
		disk->ops->close(f);
		ck_assert_int_eq(disk->ops->rename(disk, "new", "old"), 0);
		ck_assert_str_eq(text_of("old"), "2");
		ck_assert_str_eq(text_of("new"), "-");
		disk_mem_crash(mem, DISK_MEM_RANDOM);
		a = *text_of("old") == '1' ? "1" : "2";
		ck_assert_str_eq(text_of("old"), a);
		b = text_of("new");
		/* nothing happened, it was created, or all happened */
		ck_assert(a[0] == '1' ? (*b == '-' || *b == '2') : *b == '-');
		disk_mem_free(mem);
	}
}

TEST(disk_mem_directory_moves_with_what_it_holds)
{
	begin(1);
	ck_assert_int_eq(disk->ops->mkdir(disk, "t-0"), 0);
	disk->ops->close(must_create("t-0/log"));
	ck_assert_int_eq(disk->ops->rename(disk, "t-0", "t-0.gone"), 0);
	ck_assert(exists("t-0.gone/log"));
	ck_assert(!exists("t-0/log"));
	ck_assert_int_eq(disk->ops->rmdir(disk, "t-0.gone"), -ENOTEMPTY);
	ck_assert_int_eq(disk->ops->unlink(disk, "t-0.gone"), -EISDIR);
	ck_assert_int_eq(disk->ops->unlink(disk, "t-0.gone/log"), 0);
	ck_assert_int_eq(disk->ops->rmdir(disk, "t-0.gone"), 0);
	ck_assert_int_eq(disk->ops->rmdir(disk, "t-0.gone"), -ENOENT);
	ck_assert_int_eq(disk->ops->mkdir(disk, "no/way"), -ENOENT);
	disk_mem_free(mem);
}

TEST(disk_mem_prefix_keeps_the_first_sectors)
{
	bool torn = false, all = false, none = false;
	static char data[5 * 512 + 1];

	for (int seed = 0; seed < unit_rounds(300); seed++) {
		struct file *f;
		size_t n;

		begin(seed);
		memset(data, 'x', sizeof(data) - 1);
		f = must_create("a");
		ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
		ck_assert_int_eq(put(f, 0, data), 0);
		disk->ops->close(f);
		disk_mem_crash(mem, DISK_MEM_PREFIX);
		n = strlen(text_of("a"));
		ck_assert_uint_eq(n % 512, 0);
		ck_assert_mem_eq(text_of("a"), data, n);
		none |= n == 0;
		torn |= n > 0 && n < sizeof(data) - 1;
		all |= n == sizeof(data) - 1;
		disk_mem_free(mem);
	}
	ck_assert(torn && none && all);
}

TEST(disk_mem_random_keeps_any_subset_of_sectors)
{
	unsigned seen = 0; /* bit per subset of three sectors */
	static char data[3 * 512 + 1];

	for (int seed = 0; seed < unit_rounds(400); seed++) {
		const char *text;
		unsigned subset = 0;
		struct file *f;

		begin(seed);
		memset(data, 'a', sizeof(data) - 1);
		f = must_create("a");
		ck_assert_int_eq(put(f, 0, data), 0);
		ck_assert_int_eq(disk->ops->sync(f), 0);
		ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
		memset(data, 'b', sizeof(data) - 1);
		ck_assert_int_eq(put(f, 0, data), 0);
		disk->ops->close(f);
		disk_mem_crash(mem, DISK_MEM_RANDOM);
		text = text_of("a");
		for (unsigned s = 0; s < 3; s++) {
			for (int i = 1; i < 512; i++)
				ck_assert_int_eq(text[s * 512 + i],
						 text[s * 512]);
			subset |= (unsigned)(text[s * 512] == 'b') << s;
		}
		seen |= 1u << subset;
		disk_mem_free(mem);
	}
	ck_assert_uint_eq(seen, 0xff);
}

TEST(disk_mem_same_seed_same_disk)
{
	char first[2000] = "", again[2000] = "";
	char *texts[] = { first, again };

	for (int k = 0; k < 2; k++) {
		begin(77);
		for (int i = 0; i < 20; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%d", i);
			disk->ops->close(must_create(name));
		}
		disk_mem_crash(mem, DISK_MEM_RANDOM);
		for (int i = 0; i < 20; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%d", i);
			strcat(texts[k], exists(name) ? "1" : "0");
		}
		disk_mem_free(mem);
	}
	ck_assert_str_eq(first, again);
	ck_assert_ptr_nonnull(strchr(first, '1'));
	ck_assert_ptr_nonnull(strchr(first, '0'));
}

TEST(disk_mem_failed_sync_is_final)
{
	struct file *f;

	begin(1);
	f = must_create("a");
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
	ck_assert_int_eq(put(f, 0, "lost"), 0);
	disk_mem_fail_sync(mem, 1);
	ck_assert_int_eq(disk->ops->sync(f), -EIO);
	ck_assert_int_eq(disk->ops->sync(f), 0);
	ck_assert_str_eq(text_of("a"), "lost"); /* reads still show it */
	disk->ops->close(f);
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert_str_eq(text_of("a"), "");
	disk_mem_free(mem);
}

TEST(disk_mem_nth_write_fails)
{
	struct file *f;

	begin(1);
	f = must_create("a");
	disk_mem_fail_write(mem, 2);
	ck_assert_int_eq(put(f, 0, "1"), 0);
	ck_assert_int_eq(put(f, 1, "2"), -EIO);
	ck_assert_int_eq(put(f, 1, "2"), 0);
	ck_assert_str_eq(text_of("a"), "12");
	disk->ops->close(f);
	disk_mem_free(mem);
}

TEST(disk_mem_budget_counts_pages)
{
	static char page[4097];
	struct file *f, *g;
	int64_t total, usable;

	begin(1);
	memset(page, 'x', 4096);
	disk_mem_set_budget(mem, 3 * 4096);
	f = must_create("a");
	g = must_create("b");
	ck_assert_int_eq(put(f, 0, page), 0);
	ck_assert_int_eq(put(f, 0, page), 0); /* again costs nothing */
	ck_assert_int_eq(disk_mem_used(mem), 4096);
	ck_assert_int_eq(disk->ops->reserve(g, 5000), 0);
	ck_assert_int_eq(disk->ops->size(g), 0);
	ck_assert_int_eq(put(f, 4090, page), -ENOSPC);
	ck_assert_uint_eq(strlen(text_of("a")), 4096);
	ck_assert_int_eq(put(g, 4096, "fits"), 0); /* it was reserved */
	ck_assert_int_eq(disk->ops->space(disk, &total, &usable), 0);
	ck_assert_int_eq(usable, 0);
	ck_assert_int_eq(disk->ops->truncate(g, 10), 0);
	ck_assert_int_eq(disk_mem_used(mem), 2 * 4096);
	ck_assert_int_eq(disk->ops->unlink(disk, "b"), 0);
	ck_assert_int_eq(disk_mem_used(mem), 2 * 4096); /* still open */
	disk->ops->close(g);
	ck_assert_int_eq(disk_mem_used(mem), 4096);
	ck_assert_int_eq(disk->ops->rename(disk, "a", "c"), 0);
	disk->ops->close(f);
	ck_assert_int_eq(disk_mem_used(mem), 4096);
	disk_mem_free(mem);
}

TEST(disk_mem_power_ends_after_n_changes)
{
	struct file *f;

	begin(1);
	f = must_create("a");
	disk_mem_cut_power(mem, 2);
	ck_assert_int_eq(put(f, 0, "1"), 0);
	ck_assert_int_eq(disk->ops->sync(f), 0);
	ck_assert_int_eq(disk->ops->size(f), 1);
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), -EIO);
	ck_assert_int_eq(disk->ops->size(f), -EIO);
	disk->ops->close(f);
	ck_assert(!exists("a"));
	disk_mem_crash(mem, DISK_MEM_KEEP);
	ck_assert_str_eq(text_of("a"), "1");
	disk_mem_free(mem);
}

TEST(disk_mem_truncation_leaves_zeroes_behind)
{
	struct file *f;

	begin(1);
	f = must_create("a");
	ck_assert_int_eq(put(f, 0, "abcdef"), 0);
	ck_assert_int_eq(disk->ops->truncate(f, 2), 0);
	ck_assert_int_eq(disk->ops->truncate(f, 5), 0);
	ck_assert_str_eq(text_of("a"), "ab...");
	ck_assert_int_eq(disk->ops->sync(f), 0);
	ck_assert_int_eq(disk->ops->sync_dir(disk, "."), 0);
	disk->ops->close(f);
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert_str_eq(text_of("a"), "ab...");
	ck_assert(disk_mem_flip(mem, "a", 0, 'a' ^ 'z'));
	ck_assert(!disk_mem_flip(mem, "a", 5, 1));
	disk_mem_crash(mem, DISK_MEM_LOSE);
	ck_assert_str_eq(text_of("a"), "zb...");
	disk_mem_free(mem);
}

TEST(disk_mem_cold_reads_ask_again)
{
	struct file *f;
	char c;

	begin(1);
	f = must_create("a");
	ck_assert_int_eq(put(f, 0, "x"), 0);
	disk_mem_set_cold(mem, 100);
	ck_assert_int_eq(disk->ops->read(f, 0, &c, 1, true), -EAGAIN);
	ck_assert_int_eq(disk->ops->read(f, 0, &c, 1, false), 1);
	ck_assert_int_eq(disk->ops->read(f, 1, &c, 1, false), 0);
	disk->ops->close(f);
	disk_mem_free(mem);
}

static void note_name(void *ctx, const char *name, bool is_dir)
{
	buf_printf(ctx, "%s%s ", name, is_dir ? "/" : "");
}

TEST(disk_mem_lists_sorted)
{
	struct buf out = { 0 };

	begin(1);
	disk->ops->close(must_create("b"));
	ck_assert_int_eq(disk->ops->mkdir(disk, "c"), 0);
	disk->ops->close(must_create("a"));
	ck_assert_int_eq(disk->ops->list(disk, "", note_name, &out), 0);
	ck_assert_str_eq(buf_c(&out), "a b c/ ");
	ck_assert_int_eq(disk->ops->list(disk, "a", note_name, &out), -ENOTDIR);
	ck_assert_int_eq(disk->ops->list(disk, "x", note_name, &out), -ENOENT);
	buf_fini(&out);
	disk_mem_free(mem);
}

/* A thousand random operations with crashes between them, under the
 * sanitizers: references, charges and order hold together. */
TEST_TIMES(disk_mem_survives_anything, 30)
{
	static const char *const paths[] = { "a", "b", "d", "d/a", "d/b",
					     "e", "e/a" };
	struct file *open[8] = { NULL };
	struct prng p;

	begin((uint64_t)_i);
	prng_init(&p, (uint64_t)_i + 1000);
	disk_mem_set_budget(mem, 20 * 4096);
	for (int step = 0; step < 1000; step++) {
		const char *path = paths[prng_below(&p, countof(paths))];
		const char *to = paths[prng_below(&p, countof(paths))];
		struct file **slot = &open[prng_below(&p, 8)];
		int64_t pos = (int64_t)prng_below(&p, 10000);

		switch (prng_below(&p, 11)) {
		case 0:
			if (!*slot && disk->ops->open(disk, path, DISK_WRITE |
						      DISK_CREATE, slot))
				*slot = NULL;
			break;
		case 1:
			if (*slot)
				disk->ops->close(*slot);
			*slot = NULL;
			break;
		case 2:
		case 3:
			if (*slot)
				put(*slot, pos, "some bytes to be written");
			break;
		case 4:
			if (*slot && disk->ops->sync(*slot))
				ck_assert(true);
			break;
		case 5:
			if (*slot)
				disk->ops->truncate(*slot, pos);
			break;
		case 6:
			disk->ops->rename(disk, path, to);
			break;
		case 7:
			disk->ops->unlink(disk, path);
			break;
		case 8:
			disk->ops->mkdir(disk, path);
			break;
		case 9:
			disk->ops->sync_dir(disk, path);
			break;
		default:
			if (prng_below(&p, 20) == 0)
				disk_mem_crash(mem, (enum disk_mem_crash)
					       prng_below(&p,
							  DISK_MEM_CRASHES));
			else
				disk->ops->rmdir(disk, path);
		}
		ck_assert_int_ge(disk_mem_used(mem), 0);
	}
	for (size_t i = 0; i < countof(open); i++)
		if (open[i])
			disk->ops->close(open[i]);
	disk_mem_free(mem);
}
