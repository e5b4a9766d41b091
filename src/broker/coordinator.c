/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group coordinator's own: its role, its timers, its waiting requests.
 * The decisions are coord's, the requests are handle/groups.c's.
 *
 * 1. Active only from the moment when everything that earlier leaders agreed
 *    has been applied here, until the leadership ends.
 * 2. Whoever waits is looked at after every change of its group, and answered
 *    when the role ends.
 */
#include "coordinator.h"

static void silent(struct broker *b, void *ctx, const struct proposed *p)
{
	(void)b, (void)ctx, (void)p; /* the timer asks again */
}

static void on_propose(void *ctx, const struct wire_type *type,
		       const void *command)
{
	struct coordinator *c = ctx;

	propose_coord(c->broker, type, command, silent, NULL);
}

static bool is_waiting(void *ctx, struct str group, struct str member)
{
	struct coordinator *c = ctx;
	struct list *head = map_find_str(&c->parked, group);

	if (!head)
		return false;
	list_each (l, head, next) {
		struct parked *p = list_entry(l, struct parked, link);

		if (str_eq(p->member, member))
			return true;
	}
	return false;
}

struct coordinator *coordinator_new(struct broker *b)
{
	struct coordinator *c = mem_zalloc(sizeof(*c));
	struct sessions_config config = {
		.coord = b->coord,
		.wheel = b->wheel,
		.ctx = c,
		.propose = on_propose,
		.is_waiting = is_waiting,
		.initial_delay_ms = broker_number(
			b, SETTING_GROUP_INITIAL_REBALANCE_DELAY_MS),
		.offsets_retention_ms =
			60000 * broker_number(
				b, SETTING_OFFSETS_RETENTION_MINUTES),
		.offsets_check_ms = broker_number(
			b, SETTING_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
	};

	c->broker = b;
	c->sessions = sessions_new(&config);
	list_init(&c->id_waiters);
	return c;
}

static struct list *list_of(struct coordinator *c, struct str group)
{
	struct list *head = map_find_str(&c->parked, group);

	if (head)
		return head;
	head = mem_alloc(sizeof(*head));
	list_init(head);
	map_put_str(&c->parked, group, head);
	return head;
}

static void drop_if_empty(struct coordinator *c, struct str group)
{
	struct list *head = map_find_str(&c->parked, group);

	if (!head || !list_empty(head))
		return;
	map_remove_str(&c->parked, group);
	mem_free(head);
}

void coordinator_park(struct broker *b, struct parked *p)
{
	struct coordinator *c = b->coordinator;

	if (!c->active) {
		p->fail(b, p, K_NOT_COORDINATOR);
		return;
	}
	list_push(list_of(c, p->group), &p->link);
	c->parked_n++;
}

static void look_again(struct broker *b, struct str group)
{
	struct coordinator *c = b->coordinator;
	struct list *head = map_find_str(&c->parked, group);
	struct list now;

	if (!head)
		return;
	list_init(&now);
	list_splice(&now, head);
	for (struct list *l; (l = list_pop(&now));) {
		struct parked *p = list_entry(l, struct parked, link);

		c->parked_n--;
		if (p->settle(b, p))
			continue;
		list_push(head, &p->link);
		c->parked_n++;
	}
	drop_if_empty(c, group);
}

static void fail_all(struct broker *b, enum kerr error)
{
	struct coordinator *c = b->coordinator;
	struct map parked = c->parked;

	c->parked = (struct map){ 0 };
	c->parked_n = 0;
	for (struct map_iter i = map_first(&parked); i.at; map_next(&i)) {
		struct list *head = i.value;

		for (struct list *l; (l = list_pop(head));) {
			struct parked *p = list_entry(l, struct parked, link);

			p->fail(b, p, error);
		}
		mem_free(head);
	}
	map_fini(&parked);
}

static void let_go(const struct broker *b, struct request *rq)
{
	if (rq->thread != b->thread) /* ours are in b->held */
		request_free(rq);
}

void coordinator_close(struct broker *b)
{
	struct coordinator *c = b->coordinator;
	struct list *l;

	for (struct map_iter i = map_first(&c->parked); i.at; map_next(&i)) {
		while ((l = list_pop(i.value)))
			let_go(b, list_entry(l, struct parked, link)->rq);
		mem_free(i.value);
	}
	map_fini(&c->parked);
	c->parked = (struct map){ 0 };
	while ((l = list_pop(&c->id_waiters)))
		let_go(b, list_entry(l, struct request, link));
}

/* After coordinator_close, which goes first: requests hold what waits. */
void coordinator_free(struct coordinator *c)
{
	sessions_free(c->sessions);
	mem_free(c);
}

/* ---- role ---------------------------------------------------------------- */

struct begin {
	struct broker *broker;
	uint64_t serial;
};

/* Everything agreed before our term is applied: now the groups are ours. */
static void on_caught_up(void *ctx, bool ok)
{
	struct begin *begin = ctx;
	struct broker *b = begin->broker;
	struct coordinator *c = b->coordinator;
	bool ours = begin->serial == c->serial;

	mem_free(begin);
	if (!ours || !ok)
		return; /* lost again: the next role tells */
	c->active = true;
	sessions_start(c->sessions, b->coord, b->now_ms);
	trace_info("coord", "coordinator", "groups=%zu",
		   map_count(&b->coord->groups));
}

void coordinator_role(struct broker *b, bool leader)
{
	struct coordinator *c = b->coordinator;
	struct begin *begin;

	c->serial++;
	c->active = false;
	sessions_stop(c->sessions);
	fail_all(b, K_NOT_COORDINATOR);
	if (!leader)
		return;
	begin = mem_alloc(sizeof(*begin));
	*begin = (struct begin){ b, c->serial };
	b->quorum.read(b->quorum.ctx, on_caught_up, begin);
}

void coordinator_applied(struct broker *b, const struct coord_effects *e)
{
	for (int32_t i = 0; i < e->groups_n; i++) {
		if (b->coordinator->active)
			sessions_changed(b->coordinator->sessions, e->groups[i],
					 b->now_ms);
		look_again(b, e->groups[i]);
	}
}

void coordinator_restored(struct broker *b)
{
	/* a snapshot comes to followers only */
	sessions_stop(b->coordinator->sessions);
	fail_all(b, K_NOT_COORDINATOR);
}

enum kerr coordinator_here(const struct broker *b)
{
	if (!b->quorum.is_leader(b->quorum.ctx))
		return K_NOT_COORDINATOR;
	if (!b->coordinator->active)
		return K_COORDINATOR_LOAD_IN_PROGRESS;
	return K_NONE;
}

enum kerr coordinator_check(const struct broker *b, struct str group)
{
	return group.n <= 0 ? K_INVALID_GROUP_ID : coordinator_here(b);
}

/* ---- reads --------------------------------------------------------------- */

struct reading {
	struct broker *broker;
	struct request *rq;
	void (*then)(struct broker *b, struct request *rq, bool ok);
};

static void on_read(void *ctx, bool ok)
{
	struct reading *r = ctx;

	r->then(r->broker, r->rq, ok); /* r lives in the request's arena */
}

void coordinator_read(struct broker *b, struct request *rq,
		      void (*then)(struct broker *b, struct request *rq,
				   bool ok))
{
	struct reading *r = arena_alloc(&rq->arena, sizeof(*r));

	*r = (struct reading){ b, rq, then };
	b->quorum.read(b->quorum.ctx, on_read, r);
}
