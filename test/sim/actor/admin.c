/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: what it decides to do, and what follows when it is done.
 */
#include "admin.h"

#include <stdio.h>

static struct actor_topic *topic(const struct admin *d)
{
	return &d->a->topics[d->topic];
}

/* ---- deciding ------------------------------------------------------------ */

static bool plan_create(struct admin *d)
{
	struct actors *a = d->a;
	struct actor_topic *t;

	if (a->topics_n == TOPICS_MAX)
		return false;
	t = cast_topic_add(a, 1 + (int)cast_below(a, a->c.partitions), false);
	t->memory = a->c.memory && cast_chance(a, 25);
	t->retention = a->c.retention && cast_chance(a, 30);
	for (int i = 0; i < PARTITIONS_MAX; i++)
		history_set(a->h, t->keys[i],
			    (t->memory ? HISTORY_MEMORY : 0u) |
				    (t->retention ? HISTORY_RETENTION : 0u));
	d->topic = a->topics_n - 1;
	d->deed = DEED_CREATE;
	return true;
}

static bool delete(struct admin *d)
{
	topic(d)->there = false;
	topic(d)->deleted = true;
	d->op = history_delete(d->a->h, cast_process(0, 0), topic(d)->number,
			       world_now_us(d->a->w));
	d->deed = DEED_DELETE;
	return true;
}

static bool plan_delete(struct admin *d)
{
	int open = 0;

	for (int i = 0; i < d->a->topics_n; i++)
		open += cast_is_open(&d->a->topics[i]);
	return open >= 2 && delete(d);
}

/* A try to create that was lost may be heard late, and count: so all have as
 * many partitions, and no settings of their own. */
static bool plan_again(struct admin *d)
{
	struct actors *a = d->a;
	int last = cast_topic_find(a, str_of("again"));
	int partitions = last < 0 ? 1 + (int)cast_below(a, a->c.partitions)
				  : a->topics[last].partitions;

	if (last >= 0 && a->topics[last].there) {
		d->topic = last;
		if (!uuid_is_zero(topic(d)->id))
			return delete(d);
		caller_doubt(&d->caller);
		return false;
	}
	if (a->topics_n == TOPICS_MAX)
		return false;
	(void)cast_topic_add(a, partitions, true);
	d->topic = a->topics_n - 1;
	d->deed = DEED_CREATE;
	return true;
}

static bool plan_extend(struct admin *d)
{
	if (topic(d)->partitions == PARTITIONS_MAX)
		return false;
	d->number = topic(d)->partitions + 1;
	d->deed = DEED_EXTEND;
	return true;
}

static void set(struct admin *d, const char *name, int64_t value)
{
	d->name = name;
	snprintf(d->value, sizeof(d->value), "%" PRId64, value);
}

static bool plan_alter(struct admin *d)
{
	struct actors *a = d->a;

	switch (cast_below(a, 4)) {
	case 0:
		set(d, "segment.bytes", 2000 + cast_below(a, 200000));
		break;
	case 1:
		if (!topic(d)->retention)
			return false;
		set(d, "retention.messages", 1 + cast_below(a, 500));
		break;
	case 2:
		if (!topic(d)->retention)
			return false;
		set(d, "retention.ms", 1000 + cast_below(a, 20000));
		break;
	default:
		/* one replica, or as many as a majority of three */
		if (a->c.min_insync || world_nodes(a->w) < 3)
			return false;
		set(d, "min.insync.replicas", 1 + cast_below(a, 2));
	}
	d->deed = DEED_ALTER;
	return true;
}

static bool plan_cut(struct admin *d)
{
	struct actors *a = d->a;
	struct actor_topic *t = topic(d);
	int64_t from = t->cut[d->partition], end = t->end[d->partition];

	if (end <= from)
		return false;
	d->number = from + 1 + cast_below(a, end - from);
	t->cut[d->partition] = d->number;
	d->op = history_start(a->h, cast_process(0, 0), t->keys[d->partition],
			      d->number, world_now_us(a->w));
	d->deed = DEED_CUT;
	return true;
}

static bool plan_elect(struct admin *d)
{
	d->deed = DEED_ELECT;
	return true;
}

static bool plan(struct admin *d)
{
	static bool (*const plans[])(struct admin *d) = {
		plan_create, plan_delete, plan_extend, plan_alter, plan_alter,
		plan_cut,    plan_cut,    plan_elect,  plan_elect,
	};
	struct actors *a = d->a;

	d->tries = 0;
	d->op = HISTORY_NONE;
	d->topic = cast_some_topic(a, false);
	if (a->topics_n < a->c.topics)
		return plan_create(d);
	if (d->remakes || (a->c.again && cast_chance(a, 40))) {
		d->remakes = false;
		return plan_again(d);
	}
	if (d->topic < 0)
		return false;
	d->partition = (int)cast_below(a, topic(d)->partitions);
	return plans[cast_below(a, countof(plans))](d);
}

static void on_next(struct timer *t)
{
	struct admin *d = container_of(t, struct admin, next);
	struct actors *a = d->a;

	if (d->deed == DEED_NONE && a->stopping)
		return;
	if (d->deed == DEED_NONE && !plan(d)) {
		cast_arm(a, &d->next, 1000);
		return;
	}
	admin_ask(d);
}

/* ---- done ---------------------------------------------------------------- */

static void count(struct admin *d)
{
	struct actors_counts *n = &d->a->n;

	switch (d->deed) {
	case DEED_CREATE:
		n->created++;
		break;
	case DEED_DELETE:
		n->deleted++;
		break;
	case DEED_EXTEND:
		n->extended++;
		break;
	case DEED_ALTER:
		n->altered++;
		break;
	case DEED_CUT:
		n->cuts++;
		break;
	default:
		n->elections++;
	}
}

static void done(struct admin *d, enum history_outcome o)
{
	struct actors *a = d->a;

	/* a deletion has no end in the history: a node that has not heard of
	 * it yet goes on serving what it has, as Kafka's brokers do */
	if (d->op != HISTORY_NONE && d->deed != DEED_DELETE)
		history_done(a->h, d->op, o, world_now_us(a->w));
	if (o == HISTORY_OK && d->deed == DEED_CREATE)
		topic(d)->there = true;
	if (o == HISTORY_OK && d->deed == DEED_EXTEND)
		topic(d)->partitions = (int)d->number;
	if (o == HISTORY_OK)
		count(d);
	d->remakes = d->deed == DEED_DELETE && topic(d)->again &&
		     cast_chance(a, 80);
	d->deed = DEED_NONE;
	if (a->topics_n < a->c.topics)
		cast_arm(a, &d->next, 1);
	else if (d->remakes)
		cast_arm(a, &d->next, cast_below(a, 50));
	else if (a->c.admin)
		cast_arm(a, &d->next, cast_below(a, 120000 / a->c.admin));
}

/* Answers that say: it is done already, by a try whose answer was lost; or
 * the broker tried it twice, after its own connection broke. */
static bool is_done_before(const struct admin *d, int16_t code)
{
	switch (d->deed) {
	case DEED_CREATE:
		return code == K_TOPIC_ALREADY_EXISTS;
	case DEED_DELETE:
		return code == K_UNKNOWN_TOPIC_OR_PARTITION ||
		       code == K_UNKNOWN_TOPIC_ID;
	case DEED_EXTEND:
		return code == K_INVALID_PARTITIONS;
	default:
		return false;
	}
}

static bool is_refused(const struct admin *d, int16_t code)
{
	switch (d->deed) {
	case DEED_CUT: /* a leader whose high watermark is not known yet */
		return code == K_OFFSET_OUT_OF_RANGE;
	case DEED_CREATE: /* too few brokers are there now, or none */
	case DEED_EXTEND:
		return code == K_INVALID_REPLICATION_FACTOR;
	case DEED_ELECT:
		return code == K_ELECTION_NOT_NEEDED ||
		       code == K_PREFERRED_LEADER_NOT_AVAILABLE;
	default:
		return false;
	}
}

void admin_told(struct admin *d, int16_t code, bool lost)
{
	struct actors *a = d->a;

	d->tries++;
	if (lost || code)
		world_note(a->w, "admin: deed %d on %s: %s", (int)d->deed,
			   topic(d)->name, lost ? "lost" : kerr_name(code));
	if (!lost)
		cast_count_error(a, code);
	if (!lost && (code == K_NONE || is_done_before(d, code))) {
		done(d, HISTORY_OK);
		return;
	}
	if (!lost && d->deed == DEED_ELECT && is_refused(d, code)) {
		done(d, HISTORY_FAIL);
		return;
	}
	if (!lost && !is_refused(d, code) && !kerr_is_retriable(code))
		world_violation(a->w, "admin: deed %d on %s: %s", (int)d->deed,
				topic(d)->name, kerr_name(code));
	if (d->deed == DEED_CUT && d->tries > 20) {
		done(d, HISTORY_INFO);
		return;
	}
	caller_doubt(&d->caller);
	cast_arm(a, &d->next, cast_backoff(a));
}

struct admin *admin_new(struct actors *a)
{
	struct admin *d = mem_zalloc(sizeof(*d));

	d->a = a;
	caller_init(&d->caller, a, "admin", 0);
	d->caller.timeout_ms = min_of(d->caller.timeout_ms, 5000);
	if (a->c.again)
		caller_use_ids(&d->caller);
	timer_init(&d->next, on_next);
	return d;
}

void admin_start(struct admin *d)
{
	caller_watch(&d->caller);
	cast_arm(d->a, &d->next, 1);
}

bool admin_is_settled(const struct admin *d)
{
	return d->deed == DEED_NONE && d->a->topics_n >= d->a->c.topics;
}

void admin_free(struct admin *d)
{
	caller_fini(&d->caller);
	mem_free(d);
}
