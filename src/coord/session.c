/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What silence decides, on the quorum leader only: nothing here is replicated,
 * all of it is built anew from the groups when a leader begins.
 *
 * A session is a member's (or a handed-out id's) timer. A watch is a group's:
 * one timer for the rebalance under way, and the group's sessions.
 *
 * Invariants:
 * 1. While started, every member of every group has one session.
 * 2. A timer that proposed arms itself again: a lost proposal is repeated, and
 *    one that comes too late is refused by the state machine.
 */
#include <raftmq/coord.h>

#define REPEAT_MS 1000

struct watch;
struct session {
	struct timer timer;
	struct watch *watch;
	char *member;
	int32_t timeout_ms;
	int32_t synced_generation; /* whose SyncGroup has been seen */
	bool pending; /* an id handed out and not yet used (KIP-394) */
};
struct watch {
	struct timer timer;
	struct sessions *owner;
	char *group;
	struct map sessions; /* member id -> struct session * */
	int64_t serial;      /* of the rebalance the timer is for; -1 none */
	int32_t generation;  /* whose syncs the timer is for; -1 none */
	int64_t delay_end_ms; /* the initial delay may last until then */
	size_t members_seen;  /* when the initial delay was last extended */
	int32_t pending_n;
};
struct sessions {
	struct sessions_config config;
	struct timer expiry;
	struct map watches; /* group id -> struct watch * */
	bool started;
};

/* ---- making and freeing -------------------------------------------------- */

static void session_free(struct session *x)
{
	wheel_disarm(&x->timer);
	if (x->pending)
		x->watch->pending_n--;
	mem_free(x->member);
	mem_free(x);
}

static void watch_free(struct watch *w)
{
	for (struct map_iter i = map_first(&w->sessions); i.at; map_next(&i))
		session_free(i.value);
	map_fini(&w->sessions);
	wheel_disarm(&w->timer);
	mem_free(w->group);
	mem_free(w);
}

static void propose(struct sessions *s, const struct wire_type *type,
		    const void *command)
{
	s->config.propose(s->config.ctx, type, command);
}

static void propose_complete(struct watch *w)
{
	struct group_complete c = { .group_id = str_of(w->group),
				    .rebalance_serial = w->serial };

	propose(w->owner, &group_complete_type, &c);
}

static void propose_expire(struct watch *w, const char *member,
			   int32_t generation)
{
	struct group_expire e = { .group_id = str_of(w->group),
				  .member_id = str_of(member),
				  .generation_id = generation };

	trace_info("coord", "member expired",
		   "group=%s member=%s generation=%d", w->group, member,
		   generation);
	propose(w->owner, &group_expire_type, &e);
}

static const struct group *group_of(const struct watch *w)
{
	return coord_group(w->owner->config.coord, str_of(w->group));
}

/* All have joined and nobody is on the way any more: no need to wait. */
static void complete_early(struct watch *w)
{
	const struct group *g = group_of(w);

	if (g && g->state == GROUP_PREPARING_REBALANCE && !g->initial_delay &&
	    w->pending_n == 0 && map_count(&g->members) && group_all_joined(g))
		propose_complete(w);
}

static void on_silent(struct timer *t)
{
	struct session *x = container_of(t, struct session, timer);
	struct watch *w = x->watch;
	struct sessions *s = w->owner;
	const struct group *g = group_of(w);

	if (x->pending) {
		map_remove_str(&w->sessions, str_of(x->member));
		session_free(x);
		complete_early(w);
		return;
	}
	if (!g)
		return;
	if (s->config.is_waiting(s->config.ctx, str_of(w->group),
				 str_of(x->member))) {
		wheel_arm(s->config.wheel, t, t->at_ms + x->timeout_ms);
		return;
	}
	wheel_arm(s->config.wheel, t, t->at_ms + REPEAT_MS);
	propose_expire(w, x->member, g->generation);
}

static struct session *session_make(struct watch *w, struct str member,
				    int32_t timeout_ms, int64_t now_ms)
{
	struct session *x = mem_zalloc(sizeof(*x));

	x->watch = w;
	x->member = str_heap(member);
	x->timeout_ms = timeout_ms;
	x->synced_generation = -1;
	timer_init(&x->timer, on_silent);
	map_put_str(&w->sessions, member, x);
	wheel_arm(w->owner->config.wheel, &x->timer, now_ms + timeout_ms);
	return x;
}

/* ---- the group's own timer ----------------------------------------------- */

static void expire_unsynced(struct watch *w, const struct group *g)
{
	struct sessions_config *c = &w->owner->config;

	for (struct map_iter i = map_first(&w->sessions); i.at; map_next(&i)) {
		struct session *x = i.value;

		if (x->pending || x->synced_generation == g->generation ||
		    !group_member_of(g, str_of(x->member)))
			continue;
		wheel_arm(c->wheel, &w->timer, w->timer.at_ms + REPEAT_MS);
		propose_expire(w, x->member, g->generation);
	}
}

/* Newcomers during the initial delay make it last a little longer (KIP-134). */
static bool extend_delay(struct watch *w, const struct group *g)
{
	size_t n = map_count(&g->members) + (size_t)w->pending_n;
	int64_t left = w->delay_end_ms - w->timer.at_ms;

	if (!g->initial_delay || n == w->members_seen || left <= 0)
		return false;
	w->members_seen = n;
	wheel_arm(w->owner->config.wheel, &w->timer,
		  w->timer.at_ms +
			  min_of(left, w->owner->config.initial_delay_ms));
	return true;
}

static void on_group_timer(struct timer *t)
{
	struct watch *w = container_of(t, struct watch, timer);
	const struct group *g = group_of(w);

	if (!g)
		return;
	if (g->state == GROUP_PREPARING_REBALANCE) {
		if (extend_delay(w, g))
			return;
		wheel_arm(w->owner->config.wheel, t, t->at_ms + REPEAT_MS);
		propose_complete(w);
	} else if (g->state != GROUP_EMPTY) {
		expire_unsynced(w, g);
	}
}

static void watch_joining(struct watch *w, const struct group *g,
			  int64_t now_ms)
{
	int64_t wait = group_rebalance_timeout_ms(g);
	int64_t delay = w->owner->config.initial_delay_ms;

	if (w->serial == g->rebalance_serial) {
		complete_early(w);
		return;
	}
	w->serial = g->rebalance_serial;
	w->generation = -1;
	w->delay_end_ms = now_ms + wait;
	w->members_seen = map_count(&g->members) + (size_t)w->pending_n;
	if (g->initial_delay)
		wait = min_of(wait, delay);
	wheel_arm(w->owner->config.wheel, &w->timer, now_ms + wait);
}

static void watch_syncing(struct watch *w, const struct group *g,
			  int64_t now_ms)
{
	if (w->generation == g->generation)
		return;
	w->generation = g->generation;
	w->serial = -1;
	wheel_arm(w->owner->config.wheel, &w->timer,
		  now_ms + group_rebalance_timeout_ms(g));
}

static void watch_state(struct watch *w, const struct group *g, int64_t now_ms)
{
	switch (g->state) {
	case GROUP_PREPARING_REBALANCE:
		watch_joining(w, g, now_ms);
		break;
	case GROUP_COMPLETING_REBALANCE:
	case GROUP_STABLE:
		watch_syncing(w, g, now_ms);
		break;
	case GROUP_EMPTY:
	case GROUP_DEAD:
		w->serial = w->generation = -1;
		wheel_disarm(&w->timer);
		break;
	}
}

static struct watch *watch_of(struct sessions *s, struct str group)
{
	struct watch *w = map_find_str(&s->watches, group);

	if (w)
		return w;
	w = mem_zalloc(sizeof(*w));
	w->owner = s;
	w->group = str_heap(group);
	w->serial = w->generation = -1;
	timer_init(&w->timer, on_group_timer);
	map_put_str(&s->watches, group, w);
	return w;
}

static void match_members(struct watch *w, const struct group *g,
			  int64_t now_ms)
{
	struct map_iter i;

	for (i = map_first(&w->sessions); i.at; map_next(&i)) {
		struct session *x = i.value;

		if (x->pending || group_member_of(g, str_of(x->member)))
			continue;
		map_remove_str(&w->sessions, str_of(x->member));
		session_free(x);
	}
	for (i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;
		struct session *x =
			map_find_str(&w->sessions, str_of(m->id));

		if (!x)
			x = session_make(w, str_of(m->id),
					 m->session_timeout_ms, now_ms);
		x->timeout_ms = m->session_timeout_ms;
	}
}

void sessions_changed(struct sessions *s, struct str group, int64_t now_ms)
{
	const struct group *g = coord_group(s->config.coord, group);
	struct watch *w;

	if (!s->started)
		return;
	w = map_find_str(&s->watches, group);
	if (!g && w && w->pending_n == 0) {
		map_remove_str(&s->watches, group);
		watch_free(w);
	}
	if (!g)
		return;
	w = watch_of(s, group);
	match_members(w, g, now_ms);
	watch_state(w, g, now_ms);
}

/* ---- signs of life ------------------------------------------------------- */

static struct session *find(const struct sessions *s, struct str group,
			    struct str member)
{
	struct watch *w = map_find_str(&s->watches, group);

	return w ? map_find_str(&w->sessions, member) : NULL;
}

void sessions_heard(struct sessions *s, struct str group, struct str member,
		    int64_t now_ms)
{
	struct session *x = find(s, group, member);

	if (x && !x->pending)
		wheel_arm(s->config.wheel, &x->timer, now_ms + x->timeout_ms);
}

void sessions_synced(struct sessions *s, struct str group, struct str member,
		     int64_t now_ms)
{
	struct session *x = find(s, group, member);
	const struct group *g = coord_group(s->config.coord, group);

	sessions_heard(s, group, member, now_ms);
	if (x && g)
		x->synced_generation = g->generation;
}

void sessions_pend(struct sessions *s, struct str group, struct str member,
		   int32_t timeout_ms, int64_t now_ms)
{
	struct watch *w = watch_of(s, group);

	if (map_find_str(&w->sessions, member))
		return;
	session_make(w, member, timeout_ms, now_ms)->pending = true;
	w->pending_n++;
}

bool sessions_unpend(struct sessions *s, struct str group, struct str member)
{
	struct session *x = find(s, group, member);

	if (!x || !x->pending)
		return false;
	map_remove_str(&x->watch->sessions, member);
	session_free(x);
	return true;
}

int32_t sessions_pending(const struct sessions *s, struct str group)
{
	const struct watch *w = map_find_str(&s->watches, group);

	return w ? w->pending_n : 0;
}

/* ---- as a whole ---------------------------------------------------------- */

static void on_expiry(struct timer *t)
{
	struct sessions *s = container_of(t, struct sessions, expiry);
	struct offsets_expire e = {
		.retention_ms = s->config.offsets_retention_ms,
	};

	wheel_arm(s->config.wheel, t, t->at_ms + s->config.offsets_check_ms);
	if (map_count(&s->config.coord->groups))
		propose(s, &offsets_expire_type, &e);
}

struct sessions *sessions_new(const struct sessions_config *c)
{
	struct sessions *s = mem_zalloc(sizeof(*s));

	s->config = *c;
	timer_init(&s->expiry, on_expiry);
	return s;
}

void sessions_stop(struct sessions *s)
{
	for (struct map_iter i = map_first(&s->watches); i.at; map_next(&i))
		watch_free(i.value);
	map_fini(&s->watches);
	s->watches = (struct map){ 0 };
	wheel_disarm(&s->expiry);
	s->started = false;
}

void sessions_free(struct sessions *s)
{
	sessions_stop(s);
	mem_free(s);
}

void sessions_start(struct sessions *s, const struct coord *coord,
		    int64_t now_ms)
{
	struct map_iter i;

	sessions_stop(s);
	s->config.coord = coord;
	s->started = true;
	for (i = map_first(&coord->groups); i.at; map_next(&i)) {
		const struct group *g = i.value;

		sessions_changed(s, str_of(g->id), now_ms);
	}
	if (s->config.offsets_check_ms > 0)
		wheel_arm(s->config.wheel, &s->expiry,
			  now_ms + s->config.offsets_check_ms);
}
