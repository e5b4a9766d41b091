/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_command: what the simulator's clients propose. Real commands, whose
 * time is their cookie, so that whoever applies one knows whose it is.
 */
#include <stdio.h>

#include "sim.h"

#define TEXT_MAX 32000 /* a string on the wire has 15 bits of length */
#define PARTS_MAX 40

/* State that grows with what is extra, and is replaced later. */
static void encode_offsets(struct prng *p, struct buf *out, uint64_t cookie,
			   int32_t extra)
{
	struct offsets_commit_partition v[PARTS_MAX] = { 0 };
	struct offsets_commit_topic t = { .name = STR("t"), .partitions = v };
	char group[32];
	struct offsets_commit c = { .group_id = { group, 0 },
				    .member_id = STR(""),
				    .group_instance_id = STR_NULL,
				    .generation_id = -1,
				    .retention_ms = -1,
				    .topics_n = 1,
				    .topics = &t };
	char *text = mem_alloc(TEXT_MAX);

	c.group_id.n = snprintf(group, sizeof(group), "g%d",
				(int)prng_below(p, 200));
	memset(text, 'a' + (int)(cookie % 26), TEXT_MAX);
	for (int i = 0; i < PARTS_MAX && extra > 0; i++, extra -= TEXT_MAX) {
		v[i].partition_index = i ? 10 + i : (int32_t)prng_below(p, 10);
		v[i].offset = (int64_t)cookie;
		v[i].leader_epoch = -1;
		v[i].metadata = (struct str){ text, min_of(extra, TEXT_MAX) };
		t.partitions_n++;
	}
	coord_command(out, (int64_t)cookie, &offsets_commit_type, &c);
	mem_free(text);
}

void sim_command(struct buf *out, struct prng *p, uint64_t cookie,
		 int32_t extra)
{
	struct producer_ids_allocate ids = {
		.count = 1 + (int32_t)prng_below(p, 9),
	};

	if (extra)
		encode_offsets(p, out, cookie, extra);
	else
		coord_command(out, (int64_t)cookie,
			      &producer_ids_allocate_type, &ids);
}
