/* SPDX-License-Identifier: Apache-2.0 */
/* clerk: see clerk.h. */
#include "clerk.h"

static const struct actor_topic *topic(const struct clerk *c)
{
	return &c->a->topics[c->topic];
}

/* Offsets go with their topic. */
static bool is_of_a_topic(const struct clerk *c)
{
	return c->topic >= 0 && !topic(c)->deleted;
}

static void begin_book(struct clerk *c)
{
	c->topic = cast_some_topic(c->a, false);
	c->offset = -1;
	c->doubts_n = 0;
	c->lost_count = false;
}

/* ---- what may be there --------------------------------------------------- */

static void doubt(struct clerk *c, int64_t offset)
{
	for (int i = 0; i < c->doubts_n; i++)
		if (c->doubts[i] == offset)
			return;
	if (c->doubts_n == CLERK_DOUBTS_MAX)
		c->lost_count = true;
	else
		c->doubts[c->doubts_n++] = offset;
}

static bool may_be(const struct clerk *c, int64_t offset)
{
	for (int i = 0; i < c->doubts_n; i++)
		if (c->doubts[i] == offset)
			return true;
	return offset == c->offset || c->lost_count;
}

void clerk_recalled(struct clerk *c, int64_t offset)
{
	c->a->n.recalls += offset >= 0;
	if (is_of_a_topic(c) && !may_be(c, offset))
		world_violation(c->a->w, "clerk: the offset is %" PRId64 " and "
				"not %" PRId64, offset, c->offset);
}

/* ---- one deed after another ---------------------------------------------- */

static enum clerk_deed some_deed(struct clerk *c)
{
	static const enum clerk_deed books[] = {
		CLERK_COMMIT, CLERK_COMMIT, CLERK_COMMIT, CLERK_RECALL,
		CLERK_RECALL, CLERK_RECALL, CLERK_FORGET, CLERK_DISSOLVE };

	return cast_chance(c->a, 60) ?
		       books[cast_below(c->a, countof(books))] :
		       (enum clerk_deed)cast_below(c->a, CLERK_DEEDS);
}

static void on_next(struct timer *t)
{
	struct clerk *c = container_of(t, struct clerk, next);

	if (c->a->stopping)
		return;
	if (!is_of_a_topic(c))
		begin_book(c);
	c->deed = some_deed(c);
	if (c->topic < 0) {
		cast_arm(c->a, &c->next, 500);
		return;
	}
	c->busy = true;
	if (c->deed == CLERK_COMMIT)
		c->last++;
	clerk_ask(c);
}

static int64_t wanted(const struct clerk *c)
{
	return c->deed == CLERK_COMMIT ? c->last : -1;
}

/* There is no such group, or topic: it is as if it had been deleted. */
static bool is_gone(const struct clerk *c, int16_t code)
{
	if (c->deed == CLERK_FORGET || c->deed == CLERK_DISSOLVE)
		return code == K_GROUP_ID_NOT_FOUND ||
		       code == K_UNKNOWN_TOPIC_OR_PARTITION;
	return c->deed == CLERK_COMMIT && !is_of_a_topic(c) &&
	       code == K_UNKNOWN_TOPIC_OR_PARTITION;
}

/* A topic that is going, or has yet to come to that node. */
static bool may_lack_the_topic(const struct clerk *c, int16_t code)
{
	return (c->deed == CLERK_CONFIGS || c->deed == CLERK_PARTITIONS ||
		c->deed == CLERK_PRODUCERS) &&
	       (code == K_UNKNOWN_TOPIC_OR_PARTITION ||
		code == K_NOT_LEADER_OR_FOLLOWER);
}

void clerk_told(struct clerk *c, int16_t code, bool lost)
{
	bool books = c->deed <= CLERK_DISSOLVE;

	c->busy = false;
	if (!lost)
		cast_count_error(c->a, code);
	if (lost || code)
		c->coordinator = 0;
	if (!lost && code && !is_gone(c, code) && !kerr_is_retriable(code) &&
	    !may_lack_the_topic(c, code))
		world_violation(c->a->w, "clerk: deed %d: %s", (int)c->deed,
				kerr_name(code));
	if (books && (lost || (code && !is_gone(c, code))))
		doubt(c, wanted(c));
	else if (books)
		c->offset = wanted(c);
	caller_doubt(&c->caller);
	cast_arm(c->a, &c->next, code ? cast_backoff(c->a) :
					1 + cast_below(c->a, 400));
}

struct clerk *clerk_new(struct actors *a, int i)
{
	struct clerk *c = mem_zalloc(sizeof(*c));

	c->a = a;
	c->topic = -1;
	c->offset = -1;
	caller_init(&c->caller, a, "clerk", i);
	/* one form of each is enough here: joiner.c speaks them all */
	c->caller.version[API_OFFSET_COMMIT] = 9;
	c->caller.version[API_OFFSET_FETCH] = 7;
	timer_init(&c->next, on_next);
	return c;
}

void clerk_start(struct clerk *c)
{
	caller_watch(&c->caller);
	cast_arm(c->a, &c->next, 1000);
}

bool clerk_is_settled(const struct clerk *c)
{
	return !c->busy;
}

void clerk_free(struct clerk *c)
{
	caller_fini(&c->caller);
	mem_free(c);
}
