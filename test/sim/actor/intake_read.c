/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_read: what a Fetch says of one partition. Batches are checked as no
 * real consumer does it, and their records go into the history.
 */
#include "intake.h"

#define PLAIN_MAX (1u << 22)

static const char *topic_name(const struct intake_part *p)
{
	return p->in->a->topics[p->topic].name;
}

static void violate(const struct intake_part *p, int node, const char *what,
		    int64_t offset)
{
	world_violation(p->in->a->w,
			"%s reads %s-%d at %" PRId64 " from node %d: %s at "
			"%" PRId64,
			p->in->caller->name, topic_name(p), p->partition,
			p->position, node, what, offset);
}

static void read_records(struct intake_part *p, const struct batch *b, int node)
{
	struct actors *a = p->in->a;
	struct batch_walk w;
	struct record r;
	int n = 0;

	batch_walk_open(&w, b, PLAIN_MAX);
	for (; batch_walk_next(&w, &r); n++) {
		uint64_t value;

		if (r.offset < p->position)
			continue;
		if (!cast_value_read(r.value, &value)) {
			violate(p, node, "a record that nobody wrote",
				r.offset);
			break;
		}
		history_read(a->h, r.offset, value);
		a->n.records++;
		p->samples[p->samples_n++ % SAMPLES] =
			(struct sample){ r.offset, r.timestamp };
		if (p->in->mode == HISTORY_FINAL)
			a->n.final_records++;
	}
	if (w.error || n != b->count)
		violate(p, node, "a batch that cannot be read", b->base_offset);
	batch_walk_close(&w);
}

/* False: no more of this answer. */
static bool read_batch(struct intake_part *p, const struct batch *b, int node,
		       bool first)
{
	struct actors *a = p->in->a;

	if (!batch_crc_ok(b)) {
		a->n.damaged++;
		if (!a->damage[node])
			violate(p, node, "a bad CRC", b->base_offset);
		part_later(p);
		return false;
	}
	if (batch_last_offset(b) < p->position ||
	    (!first && b->base_offset < p->position)) {
		violate(p, node, "an old batch", b->base_offset);
		return false;
	}
	if (b->base_offset > p->position) {
		violate(p, node, "a gap, the next batch is", b->base_offset);
		return false;
	}
	if (b->leader_epoch < p->last_epoch) {
		violate(p, node, "an older leader epoch", b->base_offset);
		return false;
	}
	if (b->count != b->last_offset_delta + 1) {
		violate(p, node, "a batch with holes", b->base_offset);
		return false;
	}
	read_records(p, b, node);
	p->position = batch_next_offset(b);
	p->last_epoch = b->leader_epoch;
	return true;
}

static void read_batches(struct intake_part *p, const struct records *r,
			 int node)
{
	const uint8_t *at = r->p, *end = r->p + r->n;
	bool first = true;
	struct batch b;

	while (end - at >= BATCH_HEADER_SIZE) {
		if (batch_peek(at, (size_t)(end - at), &b) != K_NONE) {
			p->in->a->n.damaged++;
			if (!p->in->a->damage[node])
				violate(p, node, "no batch", p->position);
			part_later(p);
			return;
		}
		if (b.size > end - at || !read_batch(p, &b, node, first))
			return;
		at += b.size;
		first = false;
	}
}

static void note_poll(struct intake_part *p, const struct fetched *f)
{
	struct actors *a = p->in->a;
	const struct fetch_response_partition *t = f->told;
	int64_t now = world_now_us(a->w);
	struct history_answer h = {
		.key = p->key,
		.epoch = f->follower ? -1 : f->epoch,
		.from = p->position,
		.hw = t->high_watermark,
		.log_start = t->log_start_offset,
		.stable = t->last_stable_offset,
	};
	uint32_t op = history_poll(a->h, p->process, p->in->mode, false, now);

	history_answer(a->h, op, &h);
	if (t->records.n > 0)
		read_batches(p, &t->records, f->node);
	history_polled(a->h, op, HISTORY_OK, now);
	if (p->position > h.from)
		p->news_ms = cast_now_ms(a);
	p->hw = t->high_watermark;
	if (t->log_start_offset >= 0)
		p->log_start = t->log_start_offset;
	if (p->position < p->hw)
		p->idle_ms = 0;
	else if (!p->idle_ms || p->position > h.from)
		p->idle_ms = cast_now_ms(a);
}

static void went_out_of_range(struct intake_part *p, const struct fetched *f)
{
	p->in->a->n.out_of_range++;
	if (f->follower) {
		/* perhaps it is only behind: the leader knows (KIP-392) */
		part_later(p);
		return;
	}
	intake_seek(p, SEEK_EARLIEST);
}

static void went_well(struct intake_part *p, const struct fetched *f)
{
	struct actors *a = p->in->a;
	const struct fetch_response_partition *t = f->told;

	if (t->diverging_epoch.end_offset >= 0) {
		part_diverged(p, t->diverging_epoch.epoch,
			      t->diverging_epoch.end_offset);
		return;
	}
	if (f->follower)
		a->n.follower_reads++;
	if (t->preferred_read_replica > 0 &&
	    t->preferred_read_replica <= world_nodes(a->w)) {
		p->replica = t->preferred_read_replica;
		p->replica_until_ms = cast_now_ms(a) + 3000 +
				      cast_below(a, 7000);
		if (t->records.n <= 0)
			return;
	}
	note_poll(p, f);
}

void part_fetched(struct intake_part *p, const struct fetched *f)
{
	struct intake *in = p->in;
	const struct fetch_response_partition *t = f->told;

	caller_hint(in->caller, p->topic, p->partition,
		    (struct place){ t->current_leader.leader_id,
				    t->current_leader.leader_epoch });
	if (t->error_code == K_OFFSET_OUT_OF_RANGE) {
		cast_count_error(in->a, t->error_code);
		went_out_of_range(p, f);
	} else if (t->error_code) {
		cast_may(in->a, "Fetch of a partition", t->error_code);
		part_later(p);
	} else {
		went_well(p, f);
	}
}
