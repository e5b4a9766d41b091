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

/* A violation, but where the disk may lie: base offset and leader epoch of a
 * batch lie outside of its CRC. There it is fetched again. */
static void violate(struct intake_part *p, int node, const char *what,
		    int64_t offset)
{
	if (p->in->a->damage[node]) {
		p->in->a->n.damaged++;
		part_later(p);
		return;
	}
	world_violation(p->in->a->w,
			"%s reads %s-%d at %" PRId64 " from node %d: %s at "
			"%" PRId64,
			p->in->caller->name, topic_name(p), p->partition,
			p->position, node, what, offset);
}

static void note_record(struct intake_part *p, int64_t offset, uint64_t value)
{
	struct actors *a = p->in->a;
	struct history_record r = { offset, value };

	if (p->in->mode == HISTORY_FINAL) {
		buf_put(&p->scan, &r, sizeof(r));
		a->n.final_records++;
	} else {
		history_read(a->h, offset, value);
		a->n.records++;
	}
}

static void read_records(struct intake_part *p, const struct batch *b, int node)
{
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
		note_record(p, r.offset, value);
		p->samples[p->samples_n++ % SAMPLES] =
			(struct sample){ r.offset, r.timestamp };
	}
	if (w.error || n != b->count)
		violate(p, node, "a batch that cannot be read", b->base_offset);
	batch_walk_close(&w);
}

/* Records may go: a disk lies, or all nodes lose their memory. */
static bool may_begin_again(const struct intake_part *p, int node)
{
	const struct actors *a = p->in->a;

	return a->damage[node] || a->topics[p->topic].memory;
}

/* False: no more of this answer. */
static bool read_batch(struct intake_part *p, const struct batch *b, int node,
		       bool first)
{
	if (!batch_crc_ok(b)) {
		violate(p, node, "a bad CRC", b->base_offset);
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
	if (b->leader_epoch < p->last_epoch && !may_begin_again(p, node)) {
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
			violate(p, node, "no batch", p->position);
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
	uint32_t op = history_poll(a->h, p->process, p->in->mode, false,
				   f->asked_us);

	history_answer(a->h, op, &h);
	if (t->records.n > 0)
		read_batches(p, &t->records, f->node);
	history_polled(a->h, op, HISTORY_OK, now);
}

/* All that was read since the last move, as one poll. */
/* Retention is each replica's own: the leader that told where to begin may have
 * gone further than the one that was read. */
static int64_t start_of_scan(const struct intake_part *p)
{
	if (!p->in->a->topics[p->topic].retention)
		return p->log_start;
	return max_of(p->log_start, p->from);
}

static void note_scan(struct intake_part *p)
{
	struct actors *a = p->in->a;
	int64_t now = world_now_us(a->w);
	uint32_t op = history_poll(a->h, p->process, HISTORY_FINAL, false,
				   p->began_us);
	struct history_record r;

	history_answer(a->h, op,
		       &(struct history_answer){ .key = p->key,
						 .epoch = -1,
						 .from = p->from,
						 .hw = p->hw,
						 .log_start = start_of_scan(p),
						 .stable = -1 });
	for (size_t i = 0; i + sizeof(r) <= p->scan.n; i += sizeof(r)) {
		memcpy(&r, p->scan.p + i, sizeof(r));
		history_read(a->h, r.offset, r.value);
	}
	history_polled(a->h, op, HISTORY_OK, now);
}

void intake_conclude(struct intake *in)
{
	for (int i = 0; i < in->parts_n; i++)
		note_scan(in->parts[i]);
	intake_stop(in);
}

/* The end that a consumer is told is the high watermark: it never falls. */
static void check_latest(struct intake_part *p, const struct fetched *f)
{
	struct actors *a = p->in->a;
	const struct actor_topic *t = &a->topics[p->topic];

	if (f->follower || f->epoch < 0 || f->epoch != p->latest_epoch ||
	    t->memory || f->told->high_watermark < 0 ||
	    f->told->high_watermark >= p->latest)
		return;
	world_violation(a->w, "%s-%d: ListOffsets told the end %" PRId64
			", the leader of the same epoch %d now the high "
			"watermark %" PRId64, t->name, p->partition,
			p->latest, f->epoch, f->told->high_watermark);
}

static void take_in(struct intake_part *p, const struct fetched *f)
{
	const struct fetch_response_partition *t = f->told;
	int64_t from = p->position, now = cast_now_ms(p->in->a);

	check_latest(p, f);
	if (p->in->mode != HISTORY_FINAL)
		note_poll(p, f);
	else if (t->records.n > 0)
		read_batches(p, &t->records, f->node);
	if (p->position > from)
		p->news_ms = now;
	p->hw = t->high_watermark;
	if (t->log_start_offset >= 0)
		p->log_start = t->log_start_offset;
	if (p->position < p->hw)
		p->idle_ms = 0;
	else if (!p->idle_ms || p->position > from)
		p->idle_ms = now;
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
	take_in(p, f);
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
	} else if (t->error_code == K_UNSUPPORTED_COMPRESSION_TYPE &&
		   in->a->damage[f->node]) { /* a flipped bit of its header */
		cast_count_error(in->a, t->error_code);
		part_later(p);
	} else if (t->error_code) {
		cast_may(in->a, "Fetch of a partition", t->error_code);
		part_later(p);
	} else {
		went_well(p, f);
	}
}
