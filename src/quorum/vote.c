/* SPDX-License-Identifier: Apache-2.0 */
/* vote: term and vote on disk; the contract is in vote.h. */
#include "vote.h"

#include <raftmq/base.h>

#include "tail.h"

#define VOTE_PATH "quorum/vote"
#define VOTE_MAGIC 0x52515654 /* RQVT */

static void encode(const struct vote_file *v, const struct vote *x,
		   uint8_t data[SLOT_DATA])
{
	memset(data, 0, SLOT_DATA);
	put_be32(data, (uint32_t)v->node);
	put_be64(data + 8, x->term);
	put_be64(data + 16, x->voted_for);
	put_be64(data + 24, x->group);
	data[32] = x->newcomer;
}

int vote_open(struct vote_file *v, struct disk *d, int32_t node)
{
	uint8_t data[SLOT_DATA];
	int rc = slots_open(&v->slots, d, VOTE_PATH, VOTE_MAGIC, data);

	v->node = node;
	if (rc == -EBADMSG)
		trace_error("quorum", "term and vote are damaged",
			    "file=" VOTE_PATH);
	if (rc)
		return rc;
	if ((int32_t)get_be32(data) != node) {
		trace_error("quorum", "data directory belongs to another node",
			    "node=%d ours=%d", (int32_t)get_be32(data), node);
		vote_close(v);
		return -EINVAL;
	}
	v->now.term = get_be64(data + 8);
	v->now.voted_for = get_be64(data + 16);
	v->now.group = get_be64(data + 24);
	v->now.newcomer = data[32];
	if (v->now.term > TAIL_TERM_MAX) {
		trace_error("quorum", "term and vote are damaged",
			    "file=" VOTE_PATH);
		vote_close(v);
		return -EBADMSG;
	}
	if (v->slots.whole)
		return 0;
	/* a crash in between, or one copy is damaged: make it whole again */
	trace_warn("quorum", "term and vote: one copy repaired",
		   "file=" VOTE_PATH);
	rc = slots_put_both(&v->slots, data);
	if (rc)
		vote_close(v);
	return rc;
}

int vote_create(struct vote_file *v, struct disk *d, int32_t node,
		const struct vote *first)
{
	uint8_t data[SLOT_DATA];

	v->node = node;
	v->now = *first;
	encode(v, first, data);
	return slots_create(&v->slots, d, VOTE_PATH, VOTE_MAGIC, data);
}

int vote_save(struct vote_file *v, const struct vote *next)
{
	uint8_t data[SLOT_DATA];

	v->now = *next;
	encode(v, next, data);
	return slots_put_both(&v->slots, data);
}

void vote_close(struct vote_file *v)
{
	slots_close(&v->slots);
}
