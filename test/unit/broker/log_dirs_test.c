/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeLogDirs: KIP-113, 827. */
#include "rig.h"

enum { LOG_DIRS = 35 };

typedef struct describe_log_dirs_response_result dir;
typedef struct describe_log_dirs_request_topic asked;

static struct rig r;

static const dir *describe(int16_t version, asked *v, int32_t n)
{
	struct describe_log_dirs_request in = { n, v };
	const struct describe_log_dirs_response *out =
		rig_ask(&r, 1, LOG_DIRS, version, &in);

	ck_assert_int_eq(out->error_code, K_NONE);
	ck_assert_int_eq(out->results_n, 1);
	ck_assert_int_eq(out->results[0].error_code, K_NONE);
	ck_assert(str_eq_c(out->results[0].log_dir, "./raftmq-data"));
	return &out->results[0];
}

static const struct describe_log_dirs_response_partition *find(
	const dir *d, const char *topic, int32_t partition)
{
	for (int32_t i = 0; i < d->topics_n; i++)
		for (int32_t k = 0; str_eq_c(d->topics[i].name, topic) &&
				    k < d->topics[i].partitions_n; k++)
			if (d->topics[i].partitions[k].partition_index ==
			    partition)
				return &d->topics[i].partitions[k];
	return NULL;
}

/* t has five partitions here on three shards, and one elsewhere. */
static void begin(void)
{
	rig_init(&r, 2, 3, NULL);
	rig_topic(&r, "t", "1|1|2|1|1|1", NULL);
	rig_topic(&r, "u", "1", NULL);
	for (int32_t i = 0; i < 2; i++) {
		struct rig_call *p = rig_produce(&r, 1, "t", i, -1, 1 + 4 * i);

		rig_settle(&r);
		ck_assert_int_eq(rig_produced(p, NULL), K_NONE);
	}
}

TEST(what_is_here_is_described_with_its_size)
{
	begin();
	for (int16_t v = 1; v <= 4; v++) {
		const dir *d = describe(v, NULL, -1);

		ck_assert_int_eq(d->topics_n, 2);
		ck_assert_int_eq(d->topics[0].partitions_n +
				 d->topics[1].partitions_n, 6);
		ck_assert_int_gt(find(d, "t", 0)->partition_size, 0);
		ck_assert_int_gt(find(d, "t", 1)->partition_size,
				 find(d, "t", 0)->partition_size);
		ck_assert_int_eq(find(d, "t", 3)->partition_size, 0);
		ck_assert_int_eq(find(d, "t", 1)->offset_lag, 0);
		ck_assert(!find(d, "t", 1)->is_future_key);
		ck_assert_ptr_null(find(d, "t", 2)); /* of another broker */
		ck_assert_ptr_nonnull(find(d, "u", 0));
	}
	rig_fini(&r);
}

TEST(partitions_are_asked_for_by_topic)
{
	int32_t some[] = { 4, 2, 0, 99 };
	char long_name[260];
	asked v[5] = { { STR("t"), 4, some }, { STR("no"), 1, some },
		       { { long_name, sizeof(long_name) }, 1, some },
		       { STR(""), 1, some }, { STR("t"), 3, some } };
	const dir *d;

	begin();
	memset(long_name, 't', sizeof(long_name));
	d = describe(4, v, 5);
	ck_assert_int_eq(d->topics_n, 1);
	ck_assert_int_eq(d->topics[0].partitions_n, 2);
	ck_assert_ptr_nonnull(find(d, "t", 4));
	ck_assert_ptr_nonnull(find(d, "t", 0));
	ck_assert_int_eq(describe(4, v, 0)->topics_n, 0);
	rig_fini(&r);
}

TEST(the_disk_has_a_size_if_it_can_be_known)
{
	struct disk *disk;
	const dir *d;

	begin();
	disk = disk_mem_disk(r.nodes[0].mem);
	disk_mem_set_budget(r.nodes[0].mem, 1 << 30);
	d = describe(4, NULL, -1);
	ck_assert_int_eq(d->total_bytes, 1 << 30);
	ck_assert_int_gt(d->usable_bytes, 0);
	ck_assert_int_lt(d->usable_bytes, 1 << 30);
	d = describe(3, NULL, -1); /* before KIP-827 */
	ck_assert_int_eq(d->total_bytes, -1);
	disk_mem_cut_power(r.nodes[0].mem, 0);
	ck_assert_int_eq(disk->ops->mkdir(disk, "x"), -EIO);
	d = describe(4, NULL, -1);
	ck_assert_int_eq(d->total_bytes, -1);
	ck_assert_int_eq(d->usable_bytes, -1);
	rig_fini(&r);
}
