/* SPDX-License-Identifier: Apache-2.0 */
/* story_consume: what readers of a story see, and the audit at its end; see
 * story.h. */
#include "story.h"

/* ---- reading records ----------------------------------------------------- */

struct found {
	int64_t offset;
	struct str value;
};
struct reading {
	struct story_partition p;
	int64_t from; /* the next fetch */
	int64_t start, end;
	struct found *v;
	int32_t n, cap;
	int16_t error;
};

static void add_found(struct story *s, struct reading *r,
		      const struct record *x)
{
	struct bytes v = x->value;

	if (r->n == r->cap) {
		struct found *more;

		r->cap = r->cap ? 2 * r->cap : 64;
		more = arena_alloc(&s->arena,
				   (size_t)r->cap * sizeof(*more));
		if (r->n)
			memcpy(more, r->v, (size_t)r->n * sizeof(*more));
		r->v = more;
	}
	r->v[r->n++] = (struct found){
		x->offset, str_dup(&s->arena, (struct str){
				   (const char *)v.p, v.n }) };
}

/* Records from `from` on: a batch may begin before it. */
static void take_records(struct story *s, struct reading *r,
			 const struct records *rec)
{
	int32_t at = 0;
	struct batch b;

	while (rec->n > 0 &&
	       batch_peek(rec->p + at, (size_t)(rec->n - at), &b) == K_NONE &&
	       b.size <= rec->n - at) {
		struct batch_walk w;
		struct record x;

		if (!batch_crc_ok(&b))
			say(s, "a batch with a wrong CRC at %" PRId64 "\n",
			    b.base_offset);
		batch_walk_open(&w, &b, 1 << 20);
		while (batch_walk_next(&w, &x))
			if (x.offset >= r->from)
				add_found(s, r, &x);
		batch_walk_close(&w);
		r->from = max_of(r->from, batch_next_offset(&b));
		at += b.size;
		if (rec->n - at < 61)
			return;
	}
}

struct asked { /* of a fetch */
	int32_t replica, epoch, last_epoch;
	int32_t wait_ms;
};

static void fetch_request(struct story *s, struct fetch_request *rq,
			  const struct reading *r, const struct asked *a)
{
	struct fetch_request_topic *t =
		arena_zalloc(&s->arena, sizeof(*t));
	struct fetch_request_partition *x =
		arena_zalloc(&s->arena, sizeof(*x));

	wire_preset(&fetch_request_type, rq);
	rq->replica_id = a->replica;
	rq->max_wait_ms = a->wait_ms;
	rq->min_bytes = a->wait_ms > 0;
	rq->topics = t;
	rq->topics_n = 1;
	t->topic = r->p.topic;
	t->partitions = x;
	t->partitions_n = 1;
	x->partition = r->p.index;
	x->current_leader_epoch = a->epoch;
	x->fetch_offset = r->from;
	x->last_fetched_epoch = a->last_epoch;
	x->log_start_offset = -1;
	x->partition_max_bytes = 1 << 20;
}

static bool say_divergence(struct story *s,
			   const struct fetch_response_partition *p)
{
	if (p->diverging_epoch.epoch < 0)
		return false;
	say(s, "diverging: epoch %d ends at %" PRId64 "\n",
	    p->diverging_epoch.epoch, p->diverging_epoch.end_offset);
	return true;
}

/* As it was written in the story: "a^5000" was filled up with dots. */
static void say_found(struct story *s, const struct found *f)
{
	int32_t n = f->value.n;

	while (n > 0 && f->value.p[n - 1] == '.')
		n--;
	say(s, "%" PRId64 " %.*s", f->offset, n, f->value.p);
	if (n < f->value.n)
		say(s, "^%d", f->value.n);
	say(s, "\n");
}

static void tell_fetched(struct story *s, struct call *c)
{
	const struct fetch_response *r = c->in;
	const struct fetch_response_partition *p;
	struct reading *to = c->ctx;

	if (say_error(s, r->error_code))
		return;
	p = r->responses[0].partitions;
	if (say_error(s, p->error_code) || say_divergence(s, p))
		return;
	take_records(s, to, &p->records);
	for (int32_t i = 0; i < to->n; i++)
		say_found(s, &to->v[i]);
	say(s, "high watermark %" PRId64 "%s\n", p->high_watermark,
	    p->log_start_offset > 0
		    ? arena_printf(&s->arena, ", start %" PRId64,
				   p->log_start_offset) : "");
}

/* "fetch t-0 from 3 on 2 epoch=1 last-epoch=0 replica=2" */
static void fetch(struct story *s)
{
	struct fetch_request rq;
	struct reading *r = arena_zalloc(&s->arena, sizeof(*r));
	struct asked a = { -1, -1, -1, 0 };
	const char *wait = word_option(s, "wait", "0ms");
	struct call *c;

	r->p = partition_at(s, word_need(s, "from where"));
	r->from = number_of(s, word_after(s, "from", "0"));
	a.replica = (int32_t)number_of(s, word_option(s, "replica", "-1"));
	a.epoch = (int32_t)number_of(s, word_option(s, "epoch", "-1"));
	a.last_epoch = (int32_t)number_of(
		s, word_option(s, "last-epoch", "-1"));
	a.wait_ms = (int32_t)(time_of(s, wait) / 1000);
	c = call_new(s, 1, 12, leader_node(s, r->p));
	c->ctx = r;
	c->tell = tell_fetched;
	fetch_request(s, &rq, r, &a);
	call_go(s, c, &rq);
}

/* ---- offsets and epochs -------------------------------------------------- */

static void tell_offset(struct story *s, struct call *c)
{
	const struct list_offsets_response *r = c->in;
	const struct list_offsets_response_partition *p =
		r->topics[0].partitions;

	if (!say_error(s, p->error_code))
		say(s, "%" PRId64 "\n", p->offset);
}

static void offset_request(struct list_offsets_request *rq,
			   struct list_offsets_request_topic *t,
			   struct list_offsets_request_partition *x,
			   struct story_partition p)
{
	wire_preset(&list_offsets_request_type, rq);
	rq->replica_id = -1;
	x->partition_index = p.index;
	x->current_leader_epoch = -1;
	t->name = p.topic;
	t->partitions = x;
	t->partitions_n = 1;
	rq->topics = t;
	rq->topics_n = 1;
}

/* "offset t-0 earliest", "latest", or one by a time in ms. */
static void offset(struct story *s)
{
	struct list_offsets_request rq;
	struct list_offsets_request_topic t = { 0 };
	struct list_offsets_request_partition x = { 0 };
	struct story_partition p = partition_at(s, word_need(s, "of what"));
	struct call *c = call_new(s, 2, 6, leader_node(s, p));
	const char *which = word_need(s, "earliest or latest");

	offset_request(&rq, &t, &x, p);
	x.current_leader_epoch =
		(int32_t)number_of(s, word_option(s, "epoch", "-1"));
	x.timestamp = !strcmp(which, "earliest") ? -2
		      : !strcmp(which, "latest") ? -1 : number_of(s, which);
	c->tell = tell_offset;
	call_go(s, c, &rq);
}

static void tell_epoch_end(struct story *s, struct call *c)
{
	const struct offset_for_leader_epoch_response *r = c->in;
	const struct offset_for_leader_epoch_response_partition *p =
		r->topics[0].partitions;

	if (!say_error(s, p->error_code))
		say(s, "epoch %d ends at %" PRId64 "\n", p->leader_epoch,
		    p->end_offset);
}

/* "epoch-end t-0 of 3 epoch=4": OffsetForLeaderEpoch. */
static void epoch_end(struct story *s)
{
	struct offset_for_leader_epoch_request rq;
	struct offset_for_leader_epoch_request_topic t = { 0 };
	struct offset_for_leader_epoch_request_partition x = { 0 };
	struct story_partition p = partition_at(s, word_need(s, "of what"));
	struct call *c = call_new(s, 23, 4, leader_node(s, p));

	wire_preset(&offset_for_leader_epoch_request_type, &rq);
	rq.replica_id = -1;
	word_is(s, "of");
	x.partition = p.index;
	x.current_leader_epoch =
		(int32_t)number_of(s, word_option(s, "epoch", "-1"));
	x.leader_epoch = (int32_t)number_of(s, word_need(s, "an epoch"));
	t.topic = p.topic;
	t.partitions = &x;
	t.partitions_n = 1;
	rq.topics = &t;
	rq.topics_n = 1;
	c->tell = tell_epoch_end;
	call_go(s, c, &rq);
}

/* ---- the audit ----------------------------------------------------------- */

static void take_all(struct story *s, struct call *c)
{
	const struct fetch_response *r = c->in;
	const struct fetch_response_partition *p =
		r->responses[0].partitions;
	struct reading *to = c->ctx;

	to->error = p->error_code;
	to->end = p->high_watermark;
	if (p->error_code == K_NONE)
		take_records(s, to, &p->records);
}

static void take_start(struct story *s, struct call *c)
{
	const struct list_offsets_response *r = c->in;
	const struct list_offsets_response_partition *p =
		r->topics[0].partitions;
	struct reading *to = c->ctx;

	if (!say_error(s, p->error_code))
		to->from = to->start = p->offset;
}

static bool read_start(struct story *s, struct reading *r)
{
	struct list_offsets_request rq;
	struct list_offsets_request_topic t = { 0 };
	struct list_offsets_request_partition x = { 0 };
	struct call *c = call_new(s, 2, 6, leader_node(s, r->p));

	offset_request(&rq, &t, &x, r->p);
	x.timestamp = -2;
	c->ctx = r;
	c->tell = take_start;
	return call_do(s, c, &rq);
}

static bool read_all(struct story *s, struct reading *r)
{
	struct asked a = { -1, -1, -1, 0 };

	if (!read_start(s, r))
		return false;
	do {
		struct call *c = call_new(s, 1, 12, leader_node(s, r->p));
		struct fetch_request rq;
		int64_t before = r->from;

		c->ctx = r;
		c->tell = take_all;
		fetch_request(s, &rq, r, &a);
		if (!call_do(s, c, &rq))
			return false;
		if (r->from == before && r->from < r->end)
			return !say_error(s, r->error) && r->error == K_NONE;
	} while (r->from < r->end);
	return true;
}

static const struct found *find(const struct reading *r, int64_t offset)
{
	for (int32_t i = 0; i < r->n; i++)
		if (r->v[i].offset == offset)
			return &r->v[i];
	return NULL;
}

static void judge(struct story *s, const struct reading *r, bool all)
{
	int64_t kept = 0, trimmed = 0;

	list_each (l, &s->acked, safe) {
		struct acked *a = list_entry(l, struct acked, link);
		const struct found *f;

		if (!str_eq(a->p.topic, r->p.topic) ||
		    a->p.index != r->p.index)
			continue;
		f = find(r, a->offset);
		if (f && str_eq_c(f->value, a->value))
			kept++;
		else if (a->offset < r->start)
			trimmed++;
		else
			say(s, "%.20s, acknowledged at %" PRId64
			    ", is lost: %.*s\n", a->value, a->offset,
			    f ? min_of(f->value.n, 20) : 7,
			    f ? f->value.p : "nothing");
	}
	say(s, "%.*s-%d: ", STR_ARG(r->p.topic), r->p.index);
	if (all)
		say(s, "%d records, ", r->n);
	say(s, "%" PRId64 " acknowledged ones in place", kept);
	say(s, trimmed ? ", %" PRId64 " deleted\n" : "\n", trimmed);
}

/*
 * Heals, starts, waits for all to agree, reads everything. "audit acknowledged"
 * does not say how many records there are: those of which nobody knows.
 */
static void audit(struct story *s)
{
	bool all = !word_flag(s, "acknowledged");
	const struct cluster *c;

	words_end(s);
	world_heal(s->w);
	for (int i = 1; i <= s->config.nodes; i++)
		world_start(s->w, i);
	if (!run_until(s, 30000000, is_in_sync, s)) {
		say(s, "not in sync after 30 s\n");
		return;
	}
	pass(s, 100000);
	c = newest_cluster(s);
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t p = 0; p < t->partitions_n; p++) {
			struct reading r = { .p = { str_of(t->name), p } };

			if (read_all(s, &r))
				judge(s, &r, all);
		}
	}
}

bool consume_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "fetch"))
		fetch(s);
	else if (!strcmp(verb, "offset"))
		offset(s);
	else if (!strcmp(verb, "epoch-end"))
		epoch_end(s);
	else if (!strcmp(verb, "audit"))
		audit(s);
	else
		return false;
	return true;
}
