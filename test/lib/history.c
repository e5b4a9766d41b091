/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: three arrays (operations, answers of polls, records of answers)
 * that grow by doubling, and the names. No judgement here, only that the
 * recorder keeps the order of its calls.
 */
#include "history.h"

#include <stdlib.h>

/* Makes room for one more element of an array. */
#define ROOM(array, n, cap)                                                    \
	((n) < (cap) ? (void)0 :                                               \
		       (void)((array) = grown((array), &(cap),                 \
					      sizeof(*(array)))))

static void *grown(void *array, uint32_t *cap, size_t size)
{
	assert(*cap < UINT32_MAX / 2);
	*cap = *cap ? 2 * *cap : 64;
	return mem_realloc(array, *cap * size);
}

/* ---- names --------------------------------------------------------------- */

static int name_id(struct history_names *s, const char *text)
{
	size_t n = strlen(text);
	void *found = map_find(&s->ids, text, n);

	if (found)
		return (int)(intptr_t)found - 1;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 8;
		s->text = mem_realloc(s->text,
				      (size_t)s->cap * sizeof(*s->text));
	}
	s->text[s->n] = mem_strdup(text);
	map_put(&s->ids, text, n, (void *)(intptr_t)(s->n + 1));
	return s->n++;
}

static void names_fini(struct history_names *s)
{
	for (int i = 0; i < s->n; i++)
		mem_free(s->text[i]);
	mem_free(s->text);
	map_fini(&s->ids);
	*s = (struct history_names){ 0 };
}

int history_topic(struct history *h, const char *name)
{
	return name_id(&h->topics, name);
}

int history_group(struct history *h, const char *name)
{
	return name_id(&h->groups, name);
}

int history_key(struct history *h, const char *topic, int partition)
{
	int t = history_topic(h, topic);
	int64_t id = (int64_t)t << 32 | (uint32_t)partition;
	void *found = map_find_i64(&h->key_ids, id);

	if (found)
		return (int)(intptr_t)found - 1;
	if (h->keys_n == h->keys_cap) {
		h->keys_cap = h->keys_cap ? 2 * h->keys_cap : 8;
		h->keys = mem_realloc(h->keys, (size_t)h->keys_cap *
						       sizeof(*h->keys));
	}
	h->keys[h->keys_n] = (struct history_partition){ t, partition, 0 };
	map_put_i64(&h->key_ids, id, (void *)(intptr_t)(h->keys_n + 1));
	return h->keys_n++;
}

void history_set(struct history *h, int key, unsigned properties)
{
	assert(key >= 0 && key < h->keys_n);
	h->keys[key].properties |= properties;
}

/* ---- life ---------------------------------------------------------------- */

void history_init(struct history *h)
{
	*h = (struct history){ 0 };
}

static void forget_names(struct history *h)
{
	names_fini(&h->topics);
	names_fini(&h->groups);
	names_fini(&h->labels);
	map_fini(&h->key_ids);
	h->key_ids = (struct map){ 0 };
	h->keys_n = 0;
}

void history_reset(struct history *h)
{
	forget_names(h);
	h->ops_n = h->answers_n = h->records_n = 0;
}

void history_fini(struct history *h)
{
	forget_names(h);
	mem_free(h->ops);
	mem_free(h->answers);
	mem_free(h->records);
	mem_free(h->keys);
	*h = (struct history){ 0 };
}

/* ---- operations ---------------------------------------------------------- */

static struct history_op *begin(struct history *h, enum history_kind kind,
				int32_t process, int64_t now_us)
{
	struct history_op *op;

	ROOM(h->ops, h->ops_n, h->ops_cap);
	op = &h->ops[h->ops_n++];
	*op = (struct history_op){ .kind = (uint8_t)kind,
				   .process = process,
				   .key = -1,
				   .invoked_us = now_us,
				   .completed_us = HISTORY_NOW };
	return op;
}

static uint32_t number(const struct history *h, const struct history_op *op)
{
	return (uint32_t)(op - h->ops);
}

static struct history_op *get_open(struct history *h, uint32_t op)
{
	assert(op < h->ops_n && h->ops[op].outcome == HISTORY_OPEN);
	return &h->ops[op];
}

static void end(struct history_op *op, enum history_outcome outcome,
		int64_t now_us)
{
	assert(outcome != HISTORY_OPEN);
	op->outcome = (uint8_t)outcome;
	op->completed_us = now_us;
}

uint32_t history_send(struct history *h, int64_t now_us,
		      const struct history_send *s)
{
	struct history_op *op = begin(h, HISTORY_SEND, s->process, now_us);

	assert(s->key >= 0 && s->key < h->keys_n);
	op->key = s->key;
	op->acks = s->acks;
	op->send.value = s->value;
	op->send.producer = s->producer;
	op->send.sequence = s->sequence;
	op->send.offset = -1;
	return number(h, op);
}

void history_retried(struct history *h, uint32_t op)
{
	get_open(h, op)->retried = 1;
}

void history_sent(struct history *h, uint32_t op, enum history_outcome outcome,
		  int64_t offset, int64_t now_us)
{
	assert(get_open(h, op)->kind == HISTORY_SEND);
	h->ops[op].send.offset = offset;
	end(&h->ops[op], outcome, now_us);
}

uint32_t history_poll(struct history *h, int32_t process,
		      enum history_mode mode, bool committed, int64_t now_us)
{
	struct history_op *op = begin(h, HISTORY_POLL, process, now_us);

	op->mode = (uint8_t)mode;
	op->committed = committed;
	return number(h, op);
}

void history_answer(struct history *h, uint32_t op,
		    const struct history_answer *a)
{
	struct history_op *poll = get_open(h, op);

	assert(poll->kind == HISTORY_POLL);
	assert(a->key >= 0 && a->key < h->keys_n);
	if (poll->poll.n == 0)
		poll->poll.first = h->answers_n;
	assert(poll->poll.first + poll->poll.n == h->answers_n);
	poll->poll.n++;
	ROOM(h->answers, h->answers_n, h->answers_cap);
	h->answers[h->answers_n] = *a;
	h->answers[h->answers_n].first = h->records_n;
	h->answers[h->answers_n].n = 0;
	h->answers_n++;
}

void history_read(struct history *h, int64_t offset, uint64_t value)
{
	assert(h->answers_n > 0);
	ROOM(h->records, h->records_n, h->records_cap);
	h->records[h->records_n++] = (struct history_record){ offset, value };
	h->answers[h->answers_n - 1].n++;
}

void history_polled(struct history *h, uint32_t op,
		    enum history_outcome outcome, int64_t now_us)
{
	assert(get_open(h, op)->kind == HISTORY_POLL);
	end(&h->ops[op], outcome, now_us);
}

void history_seek(struct history *h, int32_t process, int key, int64_t offset,
		  int64_t now_us)
{
	struct history_op *op = begin(h, HISTORY_SEEK, process, now_us);

	op->key = key;
	op->at.offset = offset;
	end(op, HISTORY_OK, now_us);
}

void history_crash(struct history *h, int32_t process, int64_t now_us)
{
	end(begin(h, HISTORY_CRASH, process, now_us), HISTORY_OK, now_us);
}

uint32_t history_commit(struct history *h, int64_t now_us,
			const struct history_commit *c)
{
	struct history_op *op = begin(h, HISTORY_COMMIT, c->process, now_us);

	op->key = c->key;
	op->at.offset = c->offset;
	op->at.group = c->group;
	op->at.generation = c->generation;
	return number(h, op);
}

void history_committed(struct history *h, uint32_t op,
		       enum history_outcome outcome, int64_t now_us)
{
	assert(get_open(h, op)->kind == HISTORY_COMMIT);
	end(&h->ops[op], outcome, now_us);
}

uint32_t history_fetch(struct history *h, int32_t process, int group, int key,
		       int64_t now_us)
{
	struct history_op *op = begin(h, HISTORY_FETCH, process, now_us);

	op->key = key;
	op->at.offset = -1;
	op->at.group = group;
	op->at.generation = -1;
	return number(h, op);
}

void history_fetched(struct history *h, uint32_t op,
		     enum history_outcome outcome, int64_t offset,
		     int64_t now_us)
{
	assert(get_open(h, op)->kind == HISTORY_FETCH);
	h->ops[op].at.offset = offset;
	end(&h->ops[op], outcome, now_us);
}

void history_own(struct history *h, int64_t now_us,
		 const struct history_own *o)
{
	struct history_op *op = begin(h, HISTORY_OWN, o->process, now_us);

	op->key = o->key;
	op->at.group = o->group;
	op->at.generation = o->generation;
	end(op, HISTORY_OK, now_us);
}

uint32_t history_start(struct history *h, int32_t process, int key,
		       int64_t offset, int64_t now_us)
{
	struct history_op *op = begin(h, HISTORY_START, process, now_us);

	op->key = key;
	op->at.offset = offset;
	return number(h, op);
}

uint32_t history_delete(struct history *h, int32_t process, int topic,
			int64_t now_us)
{
	struct history_op *op = begin(h, HISTORY_DELETE, process, now_us);

	op->key = topic;
	return number(h, op);
}

void history_done(struct history *h, uint32_t op, enum history_outcome outcome,
		  int64_t now_us)
{
	struct history_op *o = get_open(h, op);

	assert(o->kind == HISTORY_START || o->kind == HISTORY_DELETE);
	end(o, outcome, now_us);
}

void history_cut(struct history *h, int64_t now_us)
{
	end(begin(h, HISTORY_CUT, -1, now_us), HISTORY_OK, now_us);
}

void history_fault(struct history *h, const char *label, int64_t now_us)
{
	int id = name_id(&h->labels, label);
	struct history_op *op = begin(h, HISTORY_FAULT, -1, now_us);

	op->key = id;
	end(op, HISTORY_OK, now_us);
}
