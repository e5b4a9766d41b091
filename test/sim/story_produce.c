/* SPDX-License-Identifier: Apache-2.0 */
/* story_produce: producers of a story, and what was acknowledged to them; see
 * story.h. */
#include "story.h"

static void tell_producer(struct story *s, struct call *c)
{
	const struct init_producer_id_response *r = c->in;
	struct story_producer *p = map_find_str(&s->producers, str_of(c->who));

	if (say_error(s, r->error_code))
		return;
	if (!p) {
		p = arena_zalloc(&s->arena, sizeof(*p));
		map_put_str(&s->producers, str_of(c->who), p);
	} else {
		say(s, "epoch %d%s\n", r->producer_epoch,
		    r->producer_id == p->id ? "" : ", another id");
	}
	p->id = r->producer_id;
	p->epoch = r->producer_epoch;
}

/* "producer p": an id for it; again: its next epoch (KIP-360). */
static void producer(struct story *s)
{
	struct init_producer_id_request rq;
	struct call *c = call_new(s, 22, 4, any_node(s));
	const struct story_producer *p;

	wire_preset(&init_producer_id_request_type, &rq);
	c->who = word_need(s, "its name");
	p = map_find_str(&s->producers, str_of(c->who));
	rq.transactional_id = STR_NULL;
	rq.transaction_timeout_ms = 60000;
	if (p) {
		rq.producer_id = p->id;
		rq.producer_epoch = p->epoch;
	}
	c->tell = tell_producer;
	call_go(s, c, &rq);
}

static bool is_known(struct story *s, struct story_partition p, int64_t offset,
		     const char *value)
{
	list_each (l, &s->acked, safe) {
		const struct acked *a = list_entry(l, struct acked, link);

		if (str_eq(a->p.topic, p.topic) && a->p.index == p.index &&
		    a->offset == offset && !strcmp(a->value, value))
			return true;
	}
	return false;
}

static void note_acked(struct story *s, const struct call *c, int64_t base)
{
	for (int i = 0; i < c->values_n; i++) {
		struct acked *a;

		if (is_known(s, c->p, base + i, c->values[i]))
			continue; /* a retry */
		a = arena_zalloc(&s->arena, sizeof(*a));
		a->p = c->p;
		a->offset = base + i;
		a->value = c->values[i];
		list_push(&s->acked, &a->link);
	}
}

static void tell_produced(struct story *s, struct call *c)
{
	const struct produce_response *r = c->in;
	const struct produce_response_partition *p =
		r->responses[0].partition_responses;

	if (say_error(s, p->error_code))
		return;
	say(s, "offset %" PRId64 "\n", p->base_offset);
	if (c->counts)
		note_acked(s, c, p->base_offset);
}

struct stamp { /* of a batch */
	const struct story_producer *producer;
	int16_t epoch;
	int32_t seq;
	int64_t time_ms;
};

static struct stamp read_stamp(struct story *s)
{
	const char *as = word_after(s, "as", NULL);
	const char *seq = word_option(s, "seq", NULL);
	const char *epoch = word_option(s, "producer-epoch", NULL);
	const char *time = word_option(s, "time", NULL);
	struct stamp x = { NULL, -1, -1, 0 };

	if (as && !(x.producer = map_find_str(&s->producers, str_of(as))))
		wrong(s, "there is no producer %s", as);
	if (!as != !seq)
		wrong(s, "\"as\" a producer and seq= go together");
	x.seq = seq ? (int32_t)number_of(s, seq) : -1;
	x.epoch = epoch ? (int16_t)number_of(s, epoch)
		  : as  ? x.producer->epoch : -1;
	x.time_ms = time ? time_of(s, time) / 1000
			 : 1700000000000 + world_now_us(s->w) / 1000;
	return x;
}

static struct bytes build(struct batch_builder *b, const struct stamp *x,
			  const struct call *c)
{
	batch_build_begin(b, CODEC_NONE);
	for (int i = 0; i < c->values_n; i++) {
		const char *v = c->values[i];

		batch_build_add(b, x->time_ms, (struct bytes){ NULL, -1 },
				(struct bytes){ (const uint8_t *)v,
						(int32_t)strlen(v) }, NULL);
	}
	return batch_build_end(b, x->producer ? x->producer->id : -1,
			       x->epoch, x->seq);
}

static void add_value(struct story *s, struct call *c, char *value)
{
	enum { MOST = 4096 };

	if (!c->values)
		c->values = arena_alloc(&s->arena, MOST * sizeof(char *));
	if (c->values_n == MOST)
		wrong(s, "too many records");
	c->values[c->values_n++] = value;
}

/* "a*100": the same a hundred times; "a^5000": filled up with dots. */
static void take_values(struct story *s, struct call *c)
{
	const char *word;

	while ((word = word_next(s))) {
		const char *star = strrchr(word, '*');
		const char *wide = strrchr(word, '^');
		int64_t times = star ? number_of(s, star + 1) : 1;
		int64_t n = wide ? number_of(s, wide + 1) : 0;
		int plain = star ? (int)(star - word)
			    : wide ? (int)(wide - word) : (int)strlen(word);
		char *value = arena_zalloc(&s->arena,
					   (size_t)(max_of(n, (int64_t)plain) +
						    1));

		memset(value, '.', (size_t)n);
		memcpy(value, word, (size_t)plain);
		for (int64_t i = 0; i < times; i++)
			add_value(s, c, value);
	}
	if (!c->values_n)
		wrong(s, "what is produced?");
}

/* acks=0: nobody answers. */
static void produce_silently(struct story *s, struct call *c,
			     const struct produce_request *rq)
{
	words_end(s);
	c->limit_us = 50000;
	(void)call_do(s, c, rq);
	s->out.n = 0;
}

static void produce(struct story *s)
{
	struct produce_request rq;
	struct produce_request_topic t = { 0 };
	struct produce_request_partition x = { 0 };
	struct story_partition p = partition_at(s, word_need(s, "where to"));
	struct call *c = call_new(s, 0, 9, leader_node(s, p));
	const char *acks = word_option(s, "acks", "all");
	const char *timeout = word_option(s, "timeout", "10s");
	struct stamp stamp = read_stamp(s);
	struct batch_builder b = { 0 };
	struct bytes batch;

	wire_preset(&produce_request_type, &rq);
	rq.transactional_id = STR_NULL;
	rq.acks = strcmp(acks, "all") ? (int16_t)number_of(s, acks) : -1;
	rq.timeout_ms = (int32_t)(time_of(s, timeout) / 1000);
	take_values(s, c);
	c->counts = rq.acks == -1;
	c->p = p;
	c->tell = tell_produced;
	batch = build(&b, &stamp, c);
	x.index = p.index;
	x.records = (struct records){ batch.p, batch.n, NULL };
	t.name = p.topic;
	t.partition_data = &x;
	t.partition_data_n = 1;
	rq.topic_data = &t;
	rq.topic_data_n = 1;
	if (rq.acks == 0)
		produce_silently(s, c, &rq);
	else
		call_go(s, c, &rq);
	batch_build_fini(&b);
}

bool produce_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "produce"))
		produce(s);
	else if (!strcmp(verb, "producer"))
		producer(s);
	else
		return false;
	return true;
}
