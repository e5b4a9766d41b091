/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_loss: what is missing. A final read has to show everything known in
 * its lane; without one the polls together have to show what was acknowledged.
 */
#include "verdict_internal.h"

static bool is_compacted(const struct judge *j, int key)
{
	return j->h->keys[key].properties & HISTORY_COMPACTED;
}

/* by: a final read that does not have it, or NONE. */
static void missed(struct judge *j, enum verdict_error e, uint32_t op,
		   int64_t offset, uint32_t by)
{
	const struct history_op *o = &j->h->ops[op];

	if (j->flags[op] & SEND_MISSED)
		return;
	j->flags[op] |= SEND_MISSED;
	if (!told(j, e, o->key))
		return;
	tell(j, "value %" PRIu64, o->send.value);
	if (offset >= 0)
		tell(j, " at offset %" PRId64, offset);
	tell(j, "%s:", j->flags[op] & SEND_READ ? ", read before" :
						  ", acknowledged");
	tell_op(j, "", op);
	if (by != NONE)
		tell_op(j, " is not in", by);
	told_end(j);
}

/* One answer of a final read against the known of its lane, side by side. */
static void judge_final(struct judge *j, uint32_t poll,
			const struct history_answer *a, uint32_t lane)
{
	const struct lane *l = &j->lanes[lane];
	const struct history_op *o = &j->h->ops[poll];
	const struct history_record *records = j->h->records;
	uint32_t r = a->first, end = a->first + a->n;
	int64_t gone = gone_below(j, lane, o->completed_us);
	uint32_t i = known_from(j, lane, gone);

	for (; i < l->first + l->n; i++) {
		const struct known *k = &j->known[i];

		while (r < end && records[r].offset < k->offset)
			r++;
		if (r < end && records[r].offset == k->offset)
			continue;
		if (k->offset < a->hw)
			missed(j, VERDICT_LOST_WRITE, k->op, k->offset, poll);
		else if (k->since_us < o->invoked_us)
			missed(j, VERDICT_UNSEEN, k->op, k->offset, poll);
	}
}

static void judge_finals(struct judge *j, uint32_t poll)
{
	const struct history_op *o = &j->h->ops[poll];

	for (uint32_t i = 0; i < o->poll.n; i++) {
		const struct history_answer *a =
			&j->h->answers[o->poll.first + i];
		uint32_t lane = lane_of_poll(j, poll, a->key);

		if (lane != NONE && !is_compacted(j, a->key))
			judge_final(j, poll, a, lane);
	}
}

/* Nobody who has it is there in the end. */
static bool is_offline(const struct judge *j, const struct lane *l)
{
	return l->last_final == NONE &&
	       j->h->keys[l->key].properties & HISTORY_OFFLINE;
}

/* What no final read has judged. */
static void judge_send(struct judge *j, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];
	uint32_t lane = lane_of_send(j, op);
	const struct lane *l;
	uint32_t final;
	bool after;

	if (lane == NONE || !is_last_lane(j, lane) ||
	    j->flags[op] & SEND_READ || is_compacted(j, o->key))
		return;
	l = &j->lanes[lane];
	if (is_offline(j, l))
		return;
	final = l->last_final;
	after = final != NONE &&
		j->h->ops[final].invoked_us > o->completed_us;
	if (after && o->send.offset >= 0)
		return; /* it is known: judge_final has seen to it */
	if (gone_below(j, lane, INT64_MAX) > max_of(o->send.offset, 0))
		return;
	missed(j,
	       o->send.offset >= 0 && o->send.offset < l->highest_read ?
		       VERDICT_LOST_WRITE :
		       VERDICT_UNSEEN,
	       op, o->send.offset, after ? final : NONE);
}

void loss_judge(struct judge *j)
{
	const struct history *h = j->h;

	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (o->kind == HISTORY_POLL && o->mode == HISTORY_FINAL &&
		    o->outcome == HISTORY_OK)
			judge_finals(j, i);
	}
	for (uint32_t i = 0; i < h->ops_n; i++) {
		const struct history_op *o = &h->ops[i];

		if (is_acked(o))
			judge_send(j, i);
		else if (o->kind == HISTORY_SEND && o->outcome == HISTORY_OK)
			j->v->lost += !(j->flags[i] & SEND_READ);
	}
}
