/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_seek: ListOffsets, and OffsetForLeaderEpoch after a leader change.
 */
#include "intake.h"

struct seeking {
	struct intake_part *part;
	unsigned moved;
	int64_t before; /* position when it asked */
	int32_t epoch;  /* the leader had to be that of; -1: any */
};

static bool still(const struct seeking *s)
{
	return !s->part->dropped && s->moved == s->part->moved;
}

static struct seeking *seeking_new(struct intake_part *p, int32_t epoch)
{
	struct seeking *s = mem_zalloc(sizeof(*s));

	part_hold(p);
	*s = (struct seeking){ p, p->moved, p->position, epoch };
	return s;
}

static void seeking_done(struct seeking *s)
{
	struct intake *in = s->part->in;

	part_drop(s->part);
	mem_free(s);
	intake_pump(in);
}

static void seeking_drop(void *ctx)
{
	struct seeking *s = ctx;

	part_drop(s->part);
	mem_free(s);
}

/* ---- ListOffsets --------------------------------------------------------- */

/* What was read tells what the answer may be: the first record, by offset,
 * that is as late as the time asked for. */
static void check_time(struct intake_part *p, int64_t offset, int64_t timestamp)
{
	struct actors *a = p->in->a;
	struct actor_topic *t = &a->topics[p->topic];
	unsigned n = min_of(p->samples_n, (unsigned)SAMPLES);

	if (offset >= 0 && timestamp >= 0 && timestamp < p->seek)
		world_violation(a->w,
				"ListOffsets: %s-%d: %" PRId64
				" is older than asked for",
				t->name, p->partition, offset);
	if (t->retention || t->memory)
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct sample *s = &p->samples[i];

		if (s->timestamp < p->seek || s->offset < t->cut[p->partition])
			continue;
		if (offset < 0 || offset > s->offset) {
			world_violation(a->w,
					"ListOffsets: %s-%d: %" PRId64
					" given, %" PRId64 " is late enough",
					t->name, p->partition, offset,
					s->offset);
			return;
		}
	}
}

static void sought(struct seeking *s,
		   const struct list_offsets_response_partition *r)
{
	struct intake_part *p = s->part;
	struct actors *a = p->in->a;
	int64_t to = p->seek;

	if (r->error_code) {
		cast_may(a, "ListOffsets", r->error_code);
		part_later(p);
		return;
	}
	if (to >= 0)
		check_time(p, r->offset, r->timestamp);
	if (to == SEEK_EARLIEST && s->epoch >= 0 && r->offset < s->before &&
	    p->hw >= 0 && !a->topics[p->topic].memory && p->samples_n)
		world_note(a->w, "%s: %s-%d begins at %" PRId64
				 ", and %" PRId64 " was out of range",
			   p->in->caller->name, a->topics[p->topic].name,
			   p->partition, r->offset, s->before);
	if (r->offset < 0) { /* nothing is so late: the end */
		intake_seek(p, SEEK_LATEST);
		return;
	}
	part_move(p, r->offset);
	if (to == SEEK_LATEST) {
		p->latest = r->offset;
		p->latest_epoch = s->epoch;
	}
	if (to == SEEK_EARLIEST) /* old versions of Fetch do not tell it */
		p->log_start = r->offset;
}

static void on_sought(void *ctx, const struct answer *a)
{
	struct seeking *s = ctx;
	const struct list_offsets_response *r = a->body;

	if (still(s)) {
		s->part->state = PART_LOST;
		if (!r)
			part_later(s->part);
		else if (r->topics_n != 1 || r->topics->partitions_n != 1 ||
			 r->topics->partitions->partition_index !=
				 s->part->partition)
			world_violation(s->part->in->a->w,
					"ListOffsets: not what was asked for");
		else
			sought(s, r->topics->partitions);
	}
	seeking_done(s);
}

void part_seek(struct intake_part *p, const struct place *at)
{
	struct intake *in = p->in;
	struct list_offsets_request rq;
	struct list_offsets_request_topic t;
	struct list_offsets_request_partition q;

	wire_preset(&list_offsets_request_type, &rq);
	wire_preset(&list_offsets_request_topic_type, &t);
	wire_preset(&list_offsets_request_partition_type, &q);
	q.partition_index = p->partition;
	q.current_leader_epoch = in->epochs ? at->epoch : -1;
	q.timestamp = p->seek;
	t.name = str_of(in->a->topics[p->topic].name);
	t.partitions = &q;
	t.partitions_n = 1;
	rq.replica_id = -1;
	rq.topics = &t;
	rq.topics_n = 1;
	rq.timeout_ms = 5000;
	p->state = PART_SEEKING;
	caller_ask(in->caller,
		   &(struct caller_ask){
			   .node = at->leader,
			   .key = API_LIST_OFFSETS,
			   .body = &rq,
			   .then = on_sought,
			   .ctx = seeking_new(p, q.current_leader_epoch),
			   .drop = seeking_drop });
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------ */

/* What was read is committed: no leader of a clean election lacks it. */
void part_diverged(struct intake_part *p, int32_t epoch, int64_t end)
{
	struct actors *a = p->in->a;
	const struct actor_topic *t = &a->topics[p->topic];

	a->n.diverged++;
	if (!t->memory)
		world_violation(a->w,
				"%s has read %s-%d to %" PRId64
				" in epoch %d, and is told that epoch %d ends "
				"at %" PRId64,
				p->in->caller->name, t->name, p->partition,
				p->position, p->last_epoch, epoch, end);
	part_move(p, min_of(max_of(end, 0), p->position));
}

static void
checked(struct intake_part *p,
	const struct offset_for_leader_epoch_response_partition *r)
{
	struct actors *a = p->in->a;

	if (r->error_code) {
		cast_may(a, "OffsetForLeaderEpoch", r->error_code);
		p->state = PART_DOUBTED;
		part_later(p);
		return;
	}
	a->n.validated++;
	p->state = PART_READY;
	if (r->end_offset < 0) /* the leader knows no such epoch any more */
		return;
	if (r->end_offset < p->position || r->leader_epoch < p->last_epoch)
		part_diverged(p, r->leader_epoch, r->end_offset);
}

static void on_checked(void *ctx, const struct answer *a)
{
	struct seeking *s = ctx;
	const struct offset_for_leader_epoch_response *r = a->body;

	if (still(s)) {
		s->part->state = PART_DOUBTED;
		if (!r)
			part_later(s->part);
		else if (r->topics_n != 1 || r->topics->partitions_n != 1)
			world_violation(s->part->in->a->w,
					"OffsetForLeaderEpoch: not what was "
					"asked for");
		else
			checked(s->part, r->topics->partitions);
	}
	seeking_done(s);
}

void part_check(struct intake_part *p, const struct place *at)
{
	struct intake *in = p->in;
	struct offset_for_leader_epoch_request rq;
	struct offset_for_leader_epoch_request_topic t;
	struct offset_for_leader_epoch_request_partition q;

	wire_preset(&offset_for_leader_epoch_request_type, &rq);
	wire_preset(&offset_for_leader_epoch_request_topic_type, &t);
	wire_preset(&offset_for_leader_epoch_request_partition_type, &q);
	q.partition = p->partition;
	q.current_leader_epoch = at->epoch;
	q.leader_epoch = p->last_epoch;
	t.topic = str_of(in->a->topics[p->topic].name);
	t.partitions = &q;
	t.partitions_n = 1;
	rq.replica_id = -1;
	rq.topics = &t;
	rq.topics_n = 1;
	p->state = PART_CHECKING;
	caller_ask(in->caller,
		   &(struct caller_ask){ .node = at->leader,
					 .key = API_OFFSET_FOR_LEADER_EPOCH,
					 .body = &rq,
					 .then = on_checked,
					 .ctx = seeking_new(p, -1),
					 .drop = seeking_drop });
}
