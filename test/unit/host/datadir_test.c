/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datadir.h"
#include "disk_file.h"
#include "unit.h"

static char top[] = "/tmp/raftmq-dir-test.XXXXXX";
static struct arena arena;
static const char *why;

static const char *in(const char *name)
{
	return arena_printf(&arena, "%s/%s", top, name);
}

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static void end(void)
{
	char *command = arena_printf(&arena, "rm -r '%s'", top);

	ck_assert_int_eq(system(command), 0);
	arena_fini(&arena);
}

TEST(datadir_is_made_and_remembers_its_node_and_cluster)
{
	struct uuid cluster = { { 1, 2, 3 } }, other = { { 9 } };
	struct datadir d;

	begin();
	ck_assert_int_eq(datadir_open(&d, in("a/b"), 3, &arena, &why), 0);
	ck_assert(d.fresh);
	ck_assert_int_eq(datadir_set_cluster(&d, cluster), 0);
	ck_assert_int_eq(datadir_set_cluster(&d, other), -EPERM);
	datadir_close(&d);
	ck_assert_int_eq(datadir_open(&d, in("a/b"), 3, &arena, &why), 0);
	ck_assert(!d.fresh);
	ck_assert(uuid_eq(d.cluster, cluster));
	datadir_close(&d);
	ck_assert_int_eq(datadir_open(&d, in("a/b"), 4, &arena, &why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "belongs to node 3, not to node 4"));
	end();
}

TEST(datadir_is_for_one_process_at_a_time)
{
	struct datadir d, e;

	begin();
	ck_assert_int_eq(datadir_open(&d, in("a"), 1, &arena, &why), 0);
	ck_assert_int_eq(datadir_open(&e, in("a"), 1, &arena, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why, "another raftmqd (pid "));
	datadir_close(&d);
	ck_assert_int_eq(datadir_open(&e, in("a"), 1, &arena, &why), 0);
	datadir_close(&e);
	end();
}

TEST(datadir_of_something_else_is_refused)
{
	struct datadir d;

	begin();
	ck_assert_int_eq(mkdir(in("a"), 0700), 0);
	close(open(in("a/precious"), O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(datadir_open(&d, in("a"), 1, &arena, &why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "no data directory of raftmq"));
	end();
}

TEST(datadir_with_damaged_meta_is_refused)
{
	struct datadir d;
	int fd;

	begin();
	ck_assert_int_eq(datadir_open(&d, in("a"), 1, &arena, &why), 0);
	datadir_close(&d);
	fd = open(in("a/meta"), O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "2", 1, 18), 1); /* node.id=2 */
	close(fd);
	ck_assert_int_eq(datadir_open(&d, in("a"), 2, &arena, &why), -EBADMSG);
	end();
}

/* ---- disk_file ----------------------------------------------------------- */

static struct buf names;

static void note(void *ctx, const char *name, bool is_dir)
{
	(void)ctx;
	buf_printf(&names, "%s%s ", name, is_dir ? "/" : "");
}

TEST(disk_file_writes_pieces_and_reads_them_back)
{
	struct disk_span v[100];
	char text[200], back[256];
	struct disk *d;
	struct file *f;

	begin();
	d = disk_file_new(open(top, O_RDONLY | O_DIRECTORY));
	for (int i = 0; i < 100; i++) {
		text[2 * i] = (char)('0' + i / 10);
		text[2 * i + 1] = (char)('0' + i % 10);
		v[i] = (struct disk_span){ text + 2 * i, 2 };
	}
	ck_assert_int_eq(d->ops->open(d, "x", DISK_READ, &f), -ENOENT);
	ck_assert_int_eq(d->ops->mkdir(d, "dir"), 0);
	ck_assert_int_eq(d->ops->mkdir(d, "dir"), 0);
	ck_assert_int_eq(d->ops->open(d, "dir/x", DISK_WRITE | DISK_CREATE |
							  DISK_EXCL, &f), 0);
	ck_assert_int_eq(d->ops->write(f, 5, v, 100), 0);
	ck_assert_int_eq(d->ops->size(f), 205);
	ck_assert_int_eq(d->ops->sync(f), 0);
	ck_assert_int_eq(d->ops->read(f, 5, back, 256, false), 200);
	ck_assert_int_eq(memcmp(back, text, 200), 0);
	ck_assert_int_eq(d->ops->read(f, 205, back, 8, false), 0);
	ck_assert_int_eq(d->ops->reserve(f, 1 << 20), 0);
	ck_assert_int_eq(d->ops->size(f), 205);
	ck_assert_int_eq(d->ops->truncate(f, 7), 0);
	ck_assert_int_eq(d->ops->size(f), 7);
	d->ops->close(f);
	ck_assert_int_eq(d->ops->rename(d, "dir/x", "b"), 0);
	ck_assert_int_eq(d->ops->sync_dir(d, ""), 0);
	ck_assert_int_eq(d->ops->list(d, "", note, NULL), 0);
	ck_assert_str_eq(buf_c(&names), "b dir/ ");
	ck_assert_int_eq(d->ops->unlink(d, "b"), 0);
	ck_assert_int_eq(d->ops->rmdir(d, "dir"), 0);
	disk_file_free(d);
	end();
}
