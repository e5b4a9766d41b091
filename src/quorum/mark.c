/* SPDX-License-Identifier: Apache-2.0 */
/* mark: how far the log was on disk for certain; the contract is in mark.h. */
#include "mark.h"

#include <raftmq/base.h>

#define MARK_PATH "quorum/mark"
#define MARK_MAGIC 0x52514d4b /* RQMK */

static void encode(const struct mark *x, uint8_t data[SLOT_DATA])
{
	memset(data, 0, SLOT_DATA);
	put_be64(data, x->segment);
	put_be64(data + 8, (uint64_t)x->pos);
	put_be64(data + 16, (uint64_t)x->index);
}

int mark_open(struct mark_file *m, struct disk *d)
{
	uint8_t data[SLOT_DATA];
	int rc = slots_open(&m->slots, d, MARK_PATH, MARK_MAGIC, data);

	if (rc)
		return rc;
	m->now.segment = get_be64(data);
	m->now.pos = (int64_t)get_be64(data + 8);
	m->now.index = (int64_t)get_be64(data + 16);
	return 0;
}

int mark_create(struct mark_file *m, struct disk *d, const struct mark *first)
{
	uint8_t data[SLOT_DATA];

	m->now = *first;
	encode(first, data);
	return slots_create(&m->slots, d, MARK_PATH, MARK_MAGIC, data);
}

int mark_put(struct mark_file *m, const struct mark *next)
{
	uint8_t data[SLOT_DATA];

	m->now = *next;
	encode(next, data);
	return slots_put(&m->slots, data);
}

int mark_sync(struct mark_file *m)
{
	return slots_sync(&m->slots);
}

void mark_close(struct mark_file *m)
{
	slots_close(&m->slots);
}
