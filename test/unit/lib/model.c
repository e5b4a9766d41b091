/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model: see model.h. One step begins an operation, lets one take effect, ends
 * one, or does something to a partition.
 */
#include "model.h"

#define PENDING 24
#define READERS 4 /* two assigned, two members */

struct entry {
	int64_t offset;
	uint64_t value;
	uint32_t op;
	bool keep; /* a copy of a retry: its send may be gone */
};

struct part {
	struct entry *log;
	int n, cap;
	int64_t end, hw, start;
	int64_t told; /* high watermark of the leader, which may lag behind */
	int32_t epoch;
	int64_t committed; /* of the group, -1 */
	int owner;         /* member 0 or 1 */
};

/* A send, commit or fetch under way. */
struct pending {
	bool used;
	uint32_t op;
	bool idle; /* it will not take effect (any more) */
	bool done; /* it took effect */
	bool ended;
	int64_t offset;
	int32_t generation;
};

struct model {
	struct history *h;
	struct prng rng;
	int64_t now;
	uint64_t value;
	int64_t sequence;
	int32_t generation;
	int group;
	struct part parts[MODEL_KEYS];
	struct pending pending[PENDING]; /* in the order of their beginning */
	int64_t position[READERS][MODEL_KEYS];
};

static uint64_t below(struct model *m, uint64_t limit)
{
	return prng_below(&m->rng, limit);
}

static bool chance(struct model *m, unsigned percent)
{
	return below(m, 100) < percent;
}

/* Time goes on, now and then not. */
static int64_t tick(struct model *m)
{
	m->now += (int64_t)below(m, 4);
	return m->now;
}

static struct history_op *op_of(struct model *m, const struct pending *p)
{
	return &m->h->ops[p->op];
}

/* ---- the log ------------------------------------------------------------- */

static void append(struct model *m, struct pending *p)
{
	const struct history_op *o = op_of(m, p);
	struct part *part = &m->parts[o->key];

	if (chance(m, 5))
		part->end++; /* no record here */
	if (part->n == part->cap) {
		part->cap = part->cap ? 2 * part->cap : 32;
		part->log = mem_realloc(part->log, (size_t)part->cap *
							   sizeof(*part->log));
	}
	part->log[part->n++] =
		(struct entry){ part->end, o->send.value, p->op, p->done };
	p->offset = part->end++;
	p->done = true;
}

/* Those under way must be appended once more, or are gone. */
static void forget(struct model *m, uint32_t op)
{
	for (int i = 0; i < PENDING; i++) {
		struct pending *p = &m->pending[i];

		if (!p->used || p->op != op || p->ended)
			continue;
		if (m->h->ops[op].acks == 1)
			return; /* told before it was lost */
		p->done = false;
		m->h->ops[op].retried = 1;
		return;
	}
}

static void truncate(struct model *m, struct part *part, int64_t end)
{
	int n = part->n;

	while (n > 0 && part->log[n - 1].offset >= end)
		n--;
	for (int i = n; i < part->n; i++)
		forget(m, part->log[i].op);
	part->n = n;
	part->end = max_of(end, n > 0 ? part->log[n - 1].offset + 1 : 0);
}

static void new_leader(struct model *m, struct part *part)
{
	int64_t lag = (int64_t)below(m, 4);

	part->epoch++;
	truncate(m, part, part->hw);
	part->told = max_of(part->start, part->hw - lag);
}

static void advance(struct model *m, struct part *part)
{
	int64_t lag = chance(m, 30) ? (int64_t)below(m, 3) : 0;

	part->hw += (int64_t)below(m, (uint64_t)(part->end - part->hw) + 1);
	part->told = max_of(part->told, part->hw - lag);
}

/* ---- sends --------------------------------------------------------------- */

static struct pending *room(struct model *m)
{
	struct pending *last = &m->pending[PENDING - 1];

	if (last->used)
		return NULL;
	for (int i = PENDING - 1; i > 0 && !m->pending[i - 1].used; i--)
		last = &m->pending[i - 1];
	*last = (struct pending){ .used = true, .offset = -1 };
	return last;
}

static void remove_pending(struct model *m, struct pending *p)
{
	size_t after = (size_t)(&m->pending[PENDING - 1] - p);

	memmove(p, p + 1, after * sizeof(*p));
	m->pending[PENDING - 1].used = false;
}

static void begin_send(struct model *m)
{
	struct pending *p = room(m);
	int process = (int)below(m, MODEL_PRODUCERS);
	struct history_send s = { .process = process,
				  .key = (int32_t)below(m, MODEL_KEYS),
				  .acks = -1,
				  .producer = -1,
				  .sequence = -1 };

	if (!p)
		return;
	s.value = m->value++;
	if (process == MODEL_IDEMPOTENT) {
		s.producer = 77;
		s.sequence = m->sequence++;
	} else if (process == MODEL_CARELESS) {
		s.acks = (int8_t)below(m, 2);
	}
	p->op = history_send(m->h, tick(m), &s);
	p->idle = chance(m, 10);
}

/* An idempotent producer's sends to a partition take effect in order. */
static bool is_next(struct model *m, const struct pending *p)
{
	const struct history_op *o = op_of(m, p), *other;

	if (o->send.producer < 0)
		return true;
	for (const struct pending *q = m->pending; q < p; q++) {
		other = op_of(m, q);
		if (other->kind == HISTORY_SEND && other->key == o->key &&
		    other->send.producer == o->send.producer && !q->done &&
		    !q->idle)
			return false;
	}
	return true;
}

static void effect_send(struct model *m, struct pending *p)
{
	struct history_op *o = op_of(m, p);

	if (!p->done && is_next(m, p)) {
		append(m, p);
	} else if (p->done && !p->ended && o->send.producer < 0 &&
		   o->acks < 0 && chance(m, 20)) {
		o->retried = 1; /* once more */
		append(m, p);
	}
}

static void end_send(struct model *m, struct pending *p)
{
	struct history_op *o = op_of(m, p);
	struct part *part = &m->parts[o->key];

	if (p->idle && !p->done) {
		bool fails = chance(m, 50) && !o->retried;

		history_sent(m->h, p->op, fails ? HISTORY_FAIL : HISTORY_INFO,
			     -1, tick(m));
	} else if (o->acks == 0) {
		history_sent(m->h, p->op, HISTORY_OK, -1, tick(m));
	} else if (p->done && (o->acks == 1 || p->offset < part->hw) &&
		   chance(m, 90)) {
		history_sent(m->h, p->op, HISTORY_OK,
			     chance(m, 90) ? p->offset : -1, tick(m));
	} else if (chance(m, 10)) {
		history_sent(m->h, p->op, HISTORY_INFO, -1, tick(m));
		/* what is on its way may arrive, unless fenced */
		p->idle = !p->done && chance(m, 50);
	} else {
		return;
	}
	p->ended = true;
}

/* ---- readers ------------------------------------------------------------- */

static void read_part(struct model *m, uint32_t op, int reader, int key)
{
	struct part *part = &m->parts[key];
	int64_t *position = &m->position[reader][key];
	struct history_answer a = { .key = key,
				    .from = chance(m, 80) ? *position : -1,
				    .hw = chance(m, 80) ? part->told : -1,
				    .log_start = part->start,
				    .stable = part->told,
				    .epoch = chance(m, 80) ? part->epoch : -1 };
	uint64_t most = below(m, 6);

	history_answer(m->h, op, &a);
	for (int i = 0; i < part->n && most > 0; i++) {
		const struct entry *e = &part->log[i];

		if (e->offset < *position || e->offset >= part->told)
			continue;
		history_read(m->h, e->offset, e->value);
		*position = e->offset + 1;
		most--;
	}
}

/* Out of range: to where the log begins or ends, as a client would do. */
static void reset(struct model *m, int reader, int key)
{
	struct part *part = &m->parts[key];
	int64_t *position = &m->position[reader][key];

	if (*position >= part->start && *position <= part->end)
		return;
	*position = *position < part->start ? part->start : part->told;
	history_seek(m->h, MODEL_READER + reader, key, *position, tick(m));
}

static void poll(struct model *m)
{
	int reader = (int)below(m, READERS);
	bool member = reader >= 2;
	uint32_t op;

	for (int k = 0; k < MODEL_KEYS; k++)
		if (!member || m->parts[k].owner == reader - 2)
			reset(m, reader, k);
	op = history_poll(m->h, MODEL_READER + reader,
			  member ? HISTORY_SUBSCRIBE : HISTORY_ASSIGN,
			  chance(m, 20), tick(m));
	if (chance(m, 5)) {
		history_polled(m->h, op, HISTORY_INFO, tick(m));
		return;
	}
	for (int k = 0; k < MODEL_KEYS; k++)
		if ((!member || m->parts[k].owner == reader - 2) &&
		    chance(m, 60))
			read_part(m, op, reader, k);
	history_polled(m->h, op, HISTORY_OK, tick(m));
}

static void move(struct model *m)
{
	int reader = (int)below(m, READERS);
	int key = (int)below(m, MODEL_KEYS);
	const struct part *part = &m->parts[key];

	if (chance(m, 50)) {
		history_crash(m->h, MODEL_READER + reader, tick(m));
		for (int k = 0; k < MODEL_KEYS; k++)
			m->position[reader][k] = m->parts[k].start;
	} else {
		m->position[reader][key] = (int64_t)below(
			m, (uint64_t)(part->told - part->start) + 1);
		m->position[reader][key] += part->start;
		history_seek(m->h, MODEL_READER + reader, key,
			     chance(m, 70) ? m->position[reader][key] : -1,
			     tick(m));
	}
}

/* ---- the group ----------------------------------------------------------- */

static void rebalance(struct model *m)
{
	m->generation++;
	for (int k = 0; k < MODEL_KEYS; k++) {
		struct part *part = &m->parts[k];
		struct history_own own = { .group = m->group,
					   .generation = m->generation,
					   .key = k };

		part->owner = (int)below(m, 2);
		own.process = MODEL_MEMBER + part->owner;
		history_own(m->h, tick(m), &own);
		m->position[2 + part->owner][k] =
			max_of(part->committed, part->start);
	}
}

static void begin_commit(struct model *m)
{
	struct pending *p = room(m);
	int key = (int)below(m, MODEL_KEYS);
	struct part *part = &m->parts[key];
	struct history_commit c = { .process = MODEL_MEMBER + part->owner,
				    .group = m->group,
				    .key = key,
				    .generation = m->generation };

	if (!p)
		return;
	c.offset = m->position[2 + part->owner][key];
	p->op = history_commit(m->h, tick(m), &c);
	p->offset = c.offset;
	p->generation = m->generation;
	p->idle = chance(m, 10);
}

static void begin_fetch(struct model *m)
{
	struct pending *p = room(m);

	if (p)
		p->op = history_fetch(m->h, MODEL_ADMIN, m->group,
				      (int)below(m, MODEL_KEYS), tick(m));
}

static void effect_group(struct model *m, struct pending *p)
{
	struct history_op *o = op_of(m, p);
	struct part *part = &m->parts[o->key];

	if (p->done)
		return;
	if (o->kind == HISTORY_FETCH) {
		p->offset = part->committed;
	} else if (p->generation != m->generation) {
		p->idle = true;
		return;
	} else {
		part->committed = p->offset;
	}
	p->done = true;
}

static void end_commit(struct model *m, struct pending *p)
{
	enum history_outcome outcome = HISTORY_INFO;

	if (p->done && chance(m, 90))
		outcome = HISTORY_OK;
	else if (p->idle && !p->done && chance(m, 50))
		outcome = HISTORY_FAIL;
	else if (!p->idle && !p->done && chance(m, 80))
		return;
	history_committed(m->h, p->op, outcome, tick(m));
	p->ended = true;
}

/* ---- what goes ----------------------------------------------------------- */

static int64_t some_start(struct model *m, const struct part *part)
{
	return part->start +
	       (int64_t)below(m, (uint64_t)(part->told - part->start) + 1);
}

static void start_at(struct part *part, int64_t start)
{
	int gone = 0;

	part->start = max_of(part->start, start);
	while (gone < part->n && part->log[gone].offset < part->start)
		gone++;
	part->n -= gone;
	if (part->n > 0)
		memmove(part->log, part->log + gone,
			(size_t)part->n * sizeof(*part->log));
}

static void delete_records(struct model *m)
{
	struct part *part = &m->parts[MODEL_STARTS];
	int64_t start = some_start(m, part);
	uint32_t op = history_start(m->h, MODEL_ADMIN, MODEL_STARTS, start,
				    tick(m));
	bool fails = chance(m, 20);

	if (!fails)
		start_at(part, start);
	history_done(m->h, op,
		     fails	   ? HISTORY_FAIL :
		     chance(m, 80) ? HISTORY_OK :
				     HISTORY_INFO,
		     tick(m));
}

/* All that is under way is gone for it, but may be told of. */
static void delete_topic(struct model *m)
{
	struct part *part = &m->parts[MODEL_DELETED];
	int topic = history_topic(m->h, "deleted");
	uint32_t op = history_delete(m->h, MODEL_ADMIN, topic, tick(m));

	if (chance(m, 20)) {
		history_done(m->h, op, HISTORY_FAIL, tick(m));
		return;
	}
	tick(m);
	truncate(m, part, 0);
	part->n = 0;
	part->end = part->hw = part->told = part->start = 0;
	history_done(m->h, op, HISTORY_OK, tick(m));
}

static void cut(struct model *m)
{
	struct part *part = &m->parts[MODEL_MEMORY];
	int64_t left = some_start(m, part);

	history_cut(m->h, tick(m));
	truncate(m, part, left);
	part->hw = part->told = part->end;
	part->epoch++;
}

static void disturb(struct model *m)
{
	switch (below(m, 8)) {
	case 0:
		delete_records(m);
		break;
	case 1:
		start_at(&m->parts[MODEL_RETENTION],
			 some_start(m, &m->parts[MODEL_RETENTION]));
		break;
	case 2:
		cut(m);
		break;
	case 3:
		delete_topic(m);
		break;
	case 4:
		rebalance(m);
		break;
	case 5:
		move(m);
		break;
	default:
		new_leader(m, &m->parts[below(m, MODEL_KEYS)]);
	}
}

/* ---- all ----------------------------------------------------------------- */

static void effect(struct model *m)
{
	struct pending *p = &m->pending[below(m, PENDING)];

	if (!p->used || p->idle)
		return;
	tick(m);
	if (op_of(m, p)->kind == HISTORY_SEND)
		effect_send(m, p);
	else
		effect_group(m, p);
}

static void end(struct model *m, struct pending *p)
{
	if (!p->used)
		return;
	if (!p->ended) {
		switch (op_of(m, p)->kind) {
		case HISTORY_SEND:
			end_send(m, p);
			break;
		case HISTORY_COMMIT:
			end_commit(m, p);
			break;
		default:
			if (!p->done)
				break;
			history_fetched(m->h, p->op, HISTORY_OK, p->offset,
					tick(m));
			p->ended = true;
		}
	}
	/* what has ended and may still arrive stays for a while */
	if (p->ended && (p->done || p->idle || chance(m, 20)))
		remove_pending(m, p);
}

static void step(struct model *m)
{
	uint64_t what = below(m, 100);

	if (what < 24)
		begin_send(m);
	else if (what < 60)
		effect(m);
	else if (what < 78)
		end(m, &m->pending[below(m, PENDING)]);
	else if (what < 88)
		poll(m);
	else if (what < 91)
		begin_commit(m);
	else if (what < 93)
		begin_fetch(m);
	else if (what < 98)
		advance(m, &m->parts[below(m, MODEL_KEYS)]);
	else
		disturb(m);
}

static void scan(struct model *m, int process)
{
	uint32_t op = history_poll(m->h, process, HISTORY_FINAL, false,
				   tick(m));

	for (int k = 0; k < MODEL_KEYS; k++) {
		struct part *part = &m->parts[k];
		struct history_answer a = { .key = k,
					    .from = part->start,
					    .hw = part->end,
					    .log_start = part->start,
					    .stable = -1,
					    .epoch = -1 };

		history_answer(m->h, op, &a);
		for (int i = 0; i < part->n; i++)
			history_read(m->h, part->log[i].offset,
				     part->log[i].value);
	}
	history_polled(m->h, op, HISTORY_OK, tick(m));
}

static void names(struct model *m)
{
	static const char *const topics[] = { "plain", "starts", "retention",
					      "memory", "deleted" };

	for (int k = 0; k < MODEL_KEYS; k++) {
		int key = history_key(m->h, topics[k], 0);

		assert(key == k);
		m->parts[k].committed = -1;
	}
	history_set(m->h, MODEL_MEMORY, HISTORY_MEMORY);
	history_set(m->h, MODEL_RETENTION, HISTORY_RETENTION);
	m->group = history_group(m->h, "g");
}

void model_run(struct history *h, uint64_t seed, int steps)
{
	struct model m = { .h = h, .now = 1000, .value = 1 };

	prng_init(&m.rng, seed);
	names(&m);
	rebalance(&m);
	while (steps-- > 0)
		step(&m);
	/* those that have not ended stay open */
	m.now += 10;
	for (int k = 0; k < MODEL_KEYS; k++)
		m.parts[k].hw = m.parts[k].told = m.parts[k].end;
	scan(&m, MODEL_SCANNER);
	m.now += 10;
	scan(&m, MODEL_SCANNER + 1);
	for (int k = 0; k < MODEL_KEYS; k++)
		mem_free(m.parts[k].log);
}
