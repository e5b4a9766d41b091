/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_fetch: Fetch requests, and the sessions that make them short.
 */
#include "intake.h"

/* Answers are written late now and then: shorter waits tell nothing. */
#define WAIT_MIN_MS 400

struct item {
	struct intake_part *part;
	unsigned moved;
	int32_t epoch;
	bool follower;
};
struct fetch { /* on its way; freed when it comes back */
	struct intake *in;
	int node;
	int64_t asked_us;
	bool behind; /* a leader has told of more in one of them */
	int n;
	struct item items[INTAKE_PARTS_MAX];
};

/* ---- what to ask --------------------------------------------------------- */

static bool may_fetch(struct intake_part *p, int node, struct item *out)
{
	struct intake *in = p->in;
	const struct place *at;
	struct uuid id;

	if (p->state != PART_READY || p->fetching ||
	    p->not_before_ms > cast_now_ms(in->a))
		return false;
	at = caller_place(in->caller, p->topic, p->partition);
	if (!at)
		return false;
	if (p->replica_until_ms < cast_now_ms(in->a))
		p->replica = 0;
	if ((p->replica ? p->replica : at->leader) != node)
		return false;
	if (in->caller->version[API_FETCH] >= 13 &&
	    !caller_topic_id(in->caller, p->topic, &id)) {
		caller_doubt(in->caller);
		return false;
	}
	*out = (struct item){ p, p->moved, in->epochs ? at->epoch : -1,
			      p->replica && p->replica != at->leader };
	return true;
}

static struct told told_of(const struct item *i)
{
	const struct intake_part *p = i->part;
	struct told t = {
		.topic = p->topic,
		.partition = p->partition,
		.position = p->position,
		.epoch = i->epoch,
		/* a follower that is behind would call it divergence */
		.last_epoch = i->epoch >= 0 && !i->follower ? p->last_epoch :
							      -1,
	};

	caller_topic_id(p->in->caller, p->topic, &t.id);
	return t;
}

struct sheet { /* the topics of a request */
	int n;
	int numbers[TOPICS_MAX];
	struct fetch_request_topic topics[TOPICS_MAX];
	struct fetch_request_partition parts[TOPICS_MAX][PARTITIONS_MAX];
};

static void sheet_add(struct sheet *s, struct intake *in, const struct told *t)
{
	struct fetch_request_topic *topic;
	struct fetch_request_partition *p;
	int i = 0;

	while (i < s->n && s->numbers[i] != t->topic)
		i++;
	topic = &s->topics[i];
	if (i == s->n) {
		s->numbers[s->n++] = t->topic;
		wire_preset(&fetch_request_topic_type, topic);
		topic->topic = str_of(in->a->topics[t->topic].name);
		topic->topic_id = t->id;
		topic->partitions = s->parts[i];
	}
	p = &topic->partitions[topic->partitions_n++];
	wire_preset(&fetch_request_partition_type, p);
	p->partition = t->partition;
	p->current_leader_epoch = t->epoch;
	p->fetch_offset = t->position;
	p->last_fetched_epoch = t->last_epoch;
	p->partition_max_bytes = in->part_bytes;
}

struct forgotten {
	int n;
	struct fetch_request_forgotten topics[INTAKE_PARTS_MAX];
	int32_t parts[INTAKE_PARTS_MAX];
};

static bool is_wanted(const struct fetch *f, const struct told *t)
{
	for (int i = 0; i < f->n; i++)
		if (f->items[i].part->topic == t->topic &&
		    f->items[i].part->partition == t->partition)
			return true;
	return false;
}

/* Those that the session knows and that are not wanted now. */
static void forget(struct tap *tap, const struct fetch *f, struct forgotten *g)
{
	int kept = 0;

	for (int i = 0; i < tap->told_n; i++) {
		struct told *t = &tap->told[i];

		if (is_wanted(f, t)) {
			tap->told[kept++] = *t;
			continue;
		}
		wire_preset(&fetch_request_forgotten_type, &g->topics[g->n]);
		g->topics[g->n].topic = str_of(f->in->a->topics[t->topic].name);
		g->topics[g->n].topic_id = t->id;
		g->parts[g->n] = t->partition;
		g->topics[g->n].partitions = &g->parts[g->n];
		g->topics[g->n].partitions_n = 1;
		g->n++;
	}
	tap->told_n = kept;
}

/* True: the session has to be told. */
static bool tell(struct tap *tap, const struct told *t)
{
	for (int i = 0; i < tap->told_n; i++) {
		struct told *o = &tap->told[i];

		if (o->topic != t->topic || o->partition != t->partition)
			continue;
		if (o->position == t->position && o->epoch == t->epoch &&
		    o->last_epoch == t->last_epoch)
			return false;
		*o = *t;
		return true;
	}
	tap->told[tap->told_n++] = *t;
	return true;
}

static void write_sheet(struct fetch *f, struct sheet *s, struct forgotten *g)
{
	struct intake *in = f->in;
	struct tap *tap = &in->taps[f->node];

	s->n = g->n = 0;
	if (!in->sessions || tap->epoch == 0)
		tap->told_n = 0;
	else
		forget(tap, f, g);
	for (int i = 0; i < f->n; i++) {
		struct told t = told_of(&f->items[i]);

		if (!in->sessions || tell(tap, &t))
			sheet_add(s, in, &t);
	}
}

/* ---- what comes ---------------------------------------------------------- */

static void session_lost(struct tap *tap)
{
	tap->epoch = 0;
	tap->told_n = 0;
}

static struct item *take(struct fetch *f, int topic, int32_t partition)
{
	for (int i = 0; i < f->n; i++) {
		struct item *it = &f->items[i];

		if (it->part->topic == topic &&
		    it->part->partition == partition)
			return it;
	}
	return NULL;
}

static void each_part(struct fetch *f, const struct fetch_response *r,
		      int16_t version)
{
	struct actors *a = f->in->a;

	for (int32_t i = 0; i < r->responses_n; i++) {
		const struct fetch_response_topic *t = &r->responses[i];
		int topic = version >= 13 ?
				    caller_topic_of(f->in->caller,
						    t->topic_id) :
				    cast_topic_find(a, t->topic);

		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct fetch_response_partition *p =
				&t->partitions[k];
			struct item *it = take(f, topic, p->partition_index);

			if (!it) {
				world_violation(a->w,
						"Fetch: an answer for what "
						"was not asked for");
				return;
			}
			if (it->moved != it->part->moved || it->part->dropped)
				continue;
			part_fetched(it->part,
				     &(struct fetched){ f->node, it->epoch,
							it->follower,
							f->asked_us, p });
			/* at most once in an answer */
			it->moved = it->part->moved - 1;
		}
	}
}

static bool session_told(struct fetch *f, const struct fetch_response *r)
{
	struct tap *tap = &f->in->taps[f->node];

	if (r->error_code) {
		cast_may(f->in->a, "Fetch", r->error_code);
		session_lost(tap);
		return false;
	}
	if (!f->in->sessions)
		return true;
	if (r->session_id == 0) {
		tap->id = 0;
		session_lost(tap);
		return true;
	}
	if (tap->epoch == 0)
		f->in->a->n.sessions++;
	else if (tap->id != r->session_id)
		world_violation(f->in->a->w, "Fetch: another session");
	tap->id = r->session_id;
	tap->epoch = tap->epoch == INT32_MAX ? 1 : tap->epoch + 1;
	return true;
}

/* What is there is given at once, whichever shards the others wait at. */
static void check_wait(const struct fetch *f)
{
	struct actors *a = f->in->a;
	int64_t us = world_now_us(a->w) - f->asked_us;

	if (a->c.calm && f->behind && f->in->max_wait_ms >= WAIT_MIN_MS &&
	    us > (f->in->max_wait_ms - 5) * INT64_C(1000))
		world_violation(a->w, "Fetch: node %d waited for %" PRId64
				" us although it had records", f->node, us);
}

static void on_fetched(void *ctx, const struct answer *a)
{
	struct fetch *f = ctx;
	struct intake *in = f->in;
	struct tap *tap = &in->taps[f->node];
	bool fine;

	tap->busy = false;
	/* first: what is told of it may move it again */
	for (int i = 0; i < f->n; i++)
		if (f->items[i].moved == f->items[i].part->moved)
			f->items[i].part->fetching = false;
	fine = a->body && session_told(f, a->body);
	check_wait(f);
	if (fine)
		each_part(f, a->body, a->version);
	else if (!a->body)
		session_lost(tap);
	for (int i = 0; i < f->n; i++) {
		if (!fine && f->items[i].moved == f->items[i].part->moved)
			part_later(f->items[i].part);
		part_drop(f->items[i].part);
	}
	mem_free(f);
	intake_pump(in);
}

static void fetch_drop(void *ctx)
{
	struct fetch *f = ctx;

	for (int i = 0; i < f->n; i++)
		part_drop(f->items[i].part);
	mem_free(f);
}

/* ---- asking -------------------------------------------------------------- */

static void send(struct fetch *f)
{
	struct intake *in = f->in;
	struct tap *tap = &in->taps[f->node];
	struct sheet s;
	struct forgotten g;
	struct fetch_request rq;

	write_sheet(f, &s, &g);
	wire_preset(&fetch_request_type, &rq);
	rq.max_wait_ms = in->max_wait_ms;
	rq.min_bytes = 1;
	rq.max_bytes = 1 << 22;
	rq.session_id = in->sessions ? tap->id : 0;
	rq.session_epoch = in->sessions ? tap->epoch : -1;
	rq.topics = s.topics;
	rq.topics_n = s.n;
	rq.forgotten_topics_data = g.topics;
	rq.forgotten_topics_data_n = g.n;
	rq.rack_id = in->rack;
	tap->busy = true;
	f->asked_us = world_now_us(in->a->w);
	caller_ask(in->caller, &(struct caller_ask){ .node = f->node,
						     .key = API_FETCH,
						     .body = &rq,
						     .then = on_fetched,
						     .ctx = f,
						     .drop = fetch_drop });
}

/* Another one goes first each time: a big batch comes only from the first. */
bool intake_fetch(struct intake *in, int node)
{
	struct fetch *f;
	int first;

	if (in->taps[node].busy || !in->parts_n)
		return false;
	f = mem_zalloc(sizeof(*f));
	f->in = in;
	f->node = node;
	first = (int)cast_below(in->a, in->parts_n);
	for (int i = 0; i < in->parts_n; i++) {
		struct intake_part *p = in->parts[(first + i) % in->parts_n];

		if (may_fetch(p, node, &f->items[f->n])) {
			p->fetching = true;
			part_hold(p);
			f->behind |= !f->items[f->n].follower &&
				     p->position < p->hw;
			f->n++;
		}
	}
	if (!f->n) {
		mem_free(f);
		return false;
	}
	in->a->n.polls++;
	send(f);
	return true;
}
