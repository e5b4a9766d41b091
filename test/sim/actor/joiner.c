/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joiner: its states, and its fate.
 */
#include "joiner.h"

#include <stdio.h>

void joiner_go(struct joiner *m, enum joiner_state to, int64_t in_ms)
{
	m->state = to;
	cast_arm(m->a, &m->step, in_ms);
}

struct str joiner_instance(const struct joiner *m)
{
	return m->instance[0] ? str_of(m->instance) : STR_NULL;
}

uint64_t joiner_topics_seen(const struct joiner *m)
{
	const struct actors *a = m->a;
	uint64_t h = 0;

	for (int i = 0; i < a->topics_n; i++)
		if (cast_is_open(&a->topics[i]))
			h = h * 1000003 + (uint64_t)(i * 64 + 1 +
						     a->topics[i].partitions);
	return h;
}

/* Gives up what it owns. */
static void revoke(struct joiner *m)
{
	joiner_remember(m);
	intake_clear(&m->in);
	m->owned_n = 0;
	m->rejoins = false;
}

static void on_step(struct timer *t)
{
	struct joiner *m = container_of(t, struct joiner, step);

	if (m->busy || m->stopped)
		return;
	switch (m->state) {
	case JOINER_FIND:
		joiner_find(m);
		break;
	case JOINER_JOIN:
		revoke(m);
		joiner_join(m);
		break;
	case JOINER_SYNC:
		joiner_sync(m);
		break;
	case JOINER_OFFSETS:
		joiner_fetch(m);
		break;
	case JOINER_LEAVE:
		joiner_leave(m);
		break;
	case JOINER_STABLE:
		intake_pump(&m->in);
		break;
	case JOINER_DEAD:
		break;
	}
}

static void on_beat(struct timer *t)
{
	struct joiner *m = container_of(t, struct joiner, beat);

	cast_arm(m->a, &m->beat, m->beat_ms);
	if (m->state == JOINER_STABLE && !m->beating && !m->rejoins)
		joiner_beat(m);
}

static void on_commit(struct timer *t)
{
	struct joiner *m = container_of(t, struct joiner, commit);

	cast_arm(m->a, &m->commit, m->commit_ms);
	if (m->state == JOINER_STABLE && !m->committing)
		joiner_commit(m);
}

/* ---- errors -------------------------------------------------------------- */

void joiner_lost(struct joiner *m)
{
	m->coordinator = 0;
	if (m->state != JOINER_DEAD && m->state != JOINER_LEAVE)
		cast_arm(m->a, &m->step, cast_backoff(m->a));
}

static void start_over(struct joiner *m, bool forget)
{
	if (forget)
		m->id[0] = '\0';
	m->generation = -1;
	revoke(m);
	joiner_go(m, JOINER_JOIN, 1 + cast_below(m->a, 50));
}

static void rebalance(struct joiner *m)
{
	if (m->rejoins)
		return;
	m->rejoins = true;
	if (m->committing || joiner_commit(m))
		return; /* first that: joiner_offsets.c goes on */
	joiner_go(m, JOINER_JOIN, 1);
}

bool joiner_erred(struct joiner *m, const char *where, int16_t code)
{
	switch (code) {
	case K_NONE:
		return false;
	case K_REBALANCE_IN_PROGRESS:
		cast_count_error(m->a, code);
		if (m->state == JOINER_STABLE)
			rebalance(m);
		else
			joiner_go(m, JOINER_JOIN, 1);
		return true;
	case K_ILLEGAL_GENERATION:
	case K_UNKNOWN_MEMBER_ID:
		cast_count_error(m->a, code);
		start_over(m, code == K_UNKNOWN_MEMBER_ID);
		return true;
	case K_FENCED_INSTANCE_ID: /* somebody else bears its name */
		cast_count_error(m->a, code);
		start_over(m, true);
		return true;
	default:
		cast_may(m->a, where, code);
		joiner_lost(m);
		return true;
	}
}

/* ---- fate ---------------------------------------------------------------- */

static void live(struct joiner *m)
{
	caller_watch(&m->caller);
	m->generation = -1;
	m->id[0] = '\0';
	m->coordinator = 0;
	m->busy = m->beating = m->committing = m->rejoins = false;
	joiner_go(m, JOINER_FIND, 1 + cast_below(m->a, 500));
	cast_arm(m->a, &m->beat, m->beat_ms);
	cast_arm(m->a, &m->commit, m->commit_ms);
}

static void die(struct joiner *m)
{
	m->a->n.crashes++;
	caller_crash(&m->caller);
	intake_crash(&m->in);
	m->owned_n = 0;
	m->state = JOINER_DEAD;
	wheel_disarm(&m->step);
	wheel_disarm(&m->beat);
	wheel_disarm(&m->commit);
}

/* Real consumers look at the topics they subscribed to. */
static void look_at_topics(struct joiner *m)
{
	intake_prune(&m->in);
	if (m->seen != joiner_topics_seen(m))
		rebalance(m);
}

static void on_fate(struct timer *t)
{
	struct joiner *m = container_of(t, struct joiner, fate);
	struct actors *a = m->a;

	if (m->stopped)
		return;
	cast_arm(a, &m->fate, 1000 + cast_below(a, 4000));
	if (m->state == JOINER_DEAD) {
		live(m);
		return;
	}
	if (m->state == JOINER_STABLE)
		look_at_topics(m);
	if (a->stopping)
		return;
	if (cast_chance(a, 3)) {
		die(m);
		cast_arm(a, &m->fate, cast_below(a, 15000));
	} else if (m->state == JOINER_STABLE && !m->rejoins &&
		   cast_chance(a, 3)) {
		joiner_go(m, JOINER_LEAVE, 1);
	}
}

struct joiner *joiner_new(struct actors *a, int actor, int group)
{
	struct joiner *m = mem_zalloc(sizeof(*m));
	struct prng *r = &a->prng;

	m->a = a;
	m->actor = actor;
	m->number = group;
	snprintf(m->group_name, sizeof(m->group_name), "g%d", group % 1000);
	m->group = history_group(a->h, m->group_name);
	caller_init(&m->caller, a, "member", actor);
	intake_init(&m->in, &m->caller, actor, HISTORY_SUBSCRIBE);
	if (prng_below(r, 3) == 0 && m->caller.version[API_JOIN_GROUP] >= 5 &&
	    m->caller.version[API_SYNC_GROUP] >= 3 &&
	    m->caller.version[API_HEARTBEAT] >= 3 &&
	    m->caller.version[API_LEAVE_GROUP] >= 3 &&
	    m->caller.version[API_OFFSET_COMMIT] >= 7)
		snprintf(m->instance, sizeof(m->instance), "static-%d", actor);
	m->session_ms = 6000 + (int32_t)prng_below(r, 4000);
	m->rebalance_ms = 3000 + (int32_t)prng_below(r, 6000);
	m->beat_ms = 300 + (int64_t)prng_below(r, 1500);
	m->commit_ms = 200 + (int64_t)prng_below(r, 4000);
	timer_init(&m->step, on_step);
	timer_init(&m->beat, on_beat);
	timer_init(&m->commit, on_commit);
	timer_init(&m->fate, on_fate);
	return m;
}

void joiner_start(struct joiner *m)
{
	cast_arm(m->a, &m->fate, 1 + cast_below(m->a, 2000));
}

void joiner_stop(struct joiner *m)
{
	m->stopped = true;
	wheel_disarm(&m->step);
	wheel_disarm(&m->beat);
	wheel_disarm(&m->commit);
	wheel_disarm(&m->fate);
	caller_quiet(&m->caller);
	intake_stop(&m->in);
}

/* All of its group stand in one generation, and nothing is in doubt. */
bool joiner_is_settled(const struct joiner *m)
{
	const struct actors *a = m->a;

	if (m->state != JOINER_STABLE || m->rejoins || m->committing ||
	    m->seen != joiner_topics_seen(m))
		return false;
	for (int i = 0; i < a->members_n; i++)
		if (a->members[i]->number == m->number &&
		    a->members[i]->generation != m->generation)
			return false;
	return true;
}

void joiner_free(struct joiner *m)
{
	caller_fini(&m->caller);
	intake_fini(&m->in);
	buf_fini(&m->plan);
	mem_free(m);
}
