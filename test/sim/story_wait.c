/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story_wait: "wait until ...": conditions of a story, asked after every
 * event of the world; see story.h.
 */
#include "parts.h"
#include "shard.h"
#include "story.h"

#define WAIT_US 10000000

enum what { LEADER_OF, ISR_OF, END_OF, HW_OF, START_OF, LEADER_OF_QUORUM, READY,
	    DOWN, GROUP, ANSWERED, IN_SYNC, FENCED, TOPIC_GONE };
struct condition {
	struct story *s;
	enum what what;
	struct story_partition p;
	bool not;
	int node; /* on which; of what it is about */
	int64_t number;
	int nodes[WORLD_NODES_MAX], nodes_n;
	const char *text, *word;
};

/* ---- does it hold? ------------------------------------------------------- */

static bool isr_is(const struct condition *c, const struct partition *x)
{
	if (x->isr.n != c->nodes_n)
		return false;
	for (int i = 0; i < c->nodes_n; i++)
		if (!int32s_has(&x->isr, c->nodes[i]))
			return false;
	return true;
}

/* The one that was chosen knows it, and serves. */
static bool leads_now(const struct condition *c, const struct partition *x)
{
	struct world *w = c->s->w;
	struct hosted *h = hosted_on(c->s, x->leader, c->p);

	return h && h->replica && h->replica->role == REPLICA_LEADER &&
	       h->replica->leader_epoch == x->leader_epoch &&
	       broker_lease_ok(h->topic->shard->b,
			       node_ms(node_of(w, x->leader)));
}

static bool partition_holds(const struct condition *c)
{
	const struct cluster *cl = newest_cluster(c->s);
	const struct partition *x = cl ? cluster_partition(cl, c->p.topic,
							   c->p.index) : NULL;
	struct hosted *h;

	if (c->what == TOPIC_GONE)
		return cl && !cluster_topic(cl, str_of(c->text));
	if (c->what == LEADER_OF)
		return x && x->leader == c->number &&
		       (x->leader < 0 || leads_now(c, x));
	if (c->what == ISR_OF)
		return x && isr_is(c, x);
	h = hosted_on(c->s, c->node, c->p);
	if (!h || !h->replica)
		return false;
	if (c->what == HW_OF)
		return h->replica->high_watermark == c->number;
	return (c->what == END_OF ? log_end(h->log) : log_start(h->log)) ==
	       c->number;
}

static bool nodes_hold(const struct condition *c)
{
	const struct cluster *cl = newest_cluster(c->s);

	for (int i = 0; i < c->nodes_n; i++) {
		int node = c->nodes[i];

		if (c->what == READY && !world_is_ready(c->s->w, node))
			return false;
		if (c->what == DOWN && world_is_up(c->s->w, node))
			return false;
		if (c->what == FENCED && (!cl || cluster_broker_active(cl,
								       node)))
			return false;
	}
	return true;
}

static bool group_holds(const struct condition *c)
{
	const struct coord *co = newest_coord(c->s);
	const struct group *g = co ? coord_group(co, str_of(c->text)) : NULL;

	return !strcmp(g ? group_state_name(g->state) : "Dead", c->word);
}

static bool is_so(const struct condition *c)
{
	switch (c->what) {
	case LEADER_OF_QUORUM:
		return world_quorum_leader(c->s->w) == c->number;
	case READY: case DOWN: case FENCED:
		return nodes_hold(c);
	case GROUP:
		return group_holds(c);
	case ANSWERED:
		return call_is_answered(c->s, c->text);
	case IN_SYNC:
		return is_in_sync(c->s);
	default:
		return partition_holds(c);
	}
}

static bool holds(void *ctx)
{
	const struct condition *c = ctx;

	return is_so(c) != c->not;
}

/* ---- reading it ---------------------------------------------------------- */

/* "[not] 2", "none" */
static void read_number(struct condition *c)
{
	const char *text;

	word_is(c->s, "is");
	c->not = word_flag(c->s, "not");
	text = word_need(c->s, "a number");
	c->number = strcmp(text, "none") ? number_of(c->s, text)
		    : c->what == LEADER_OF_QUORUM ? 0 : -1;
}

static void read_of(struct condition *c)
{
	word_is(c->s, "of");
	c->p = partition_at(c->s, word_need(c->s, "a partition"));
}

static void read_of_log(struct condition *c)
{
	const char *on = word_after(c->s, "on", NULL);

	if (!on)
		wrong(c->s, "on which node?");
	c->node = node_at(c->s, on);
	read_of(c);
	read_number(c);
}

static void read_nodes(struct condition *c)
{
	c->nodes_n = nodes_of(c->s, word_need(c->s, "a node"), c->nodes);
}

static bool read_more(struct condition *c, const char *word)
{
	struct story *s = c->s;

	if (!strcmp(word, "group")) {
		c->what = GROUP;
		c->text = word_need(s, "a group");
		word_is(s, "is");
		c->not = word_flag(s, "not");
		c->word = word_need(s, "a state");
	} else if (!strcmp(word, "answered")) {
		c->what = ANSWERED;
		c->text = word_need(s, "a name");
	} else if (!strcmp(word, "in")) {
		c->what = IN_SYNC;
		word_is(s, "sync");
	} else if (!strcmp(word, "gone")) {
		c->what = TOPIC_GONE;
		c->text = word_need(s, "a topic");
	} else {
		return false;
	}
	return true;
}

static void read_condition(struct condition *c)
{
	static const struct {
		const char *word;
		enum what what;
		void (*read)(struct condition *c);
	} nodes[] = { { "ready", READY, read_nodes },
		      { "down", DOWN, read_nodes },
		      { "fenced", FENCED, read_nodes },
		      { "end", END_OF, read_of_log },
		      { "start", START_OF, read_of_log },
		      { "high-watermark", HW_OF, read_of_log } };
	const char *word = word_need(c->s, "a condition");

	for (size_t i = 0; i < countof(nodes); i++)
		if (!strcmp(word, nodes[i].word)) {
			c->what = nodes[i].what;
			nodes[i].read(c);
			return;
		}
	if (!strcmp(word, "quorum")) {
		c->what = LEADER_OF_QUORUM;
		word_is(c->s, "leader");
		read_number(c);
	} else if (!strcmp(word, "leader")) {
		c->what = LEADER_OF;
		read_of(c);
		read_number(c);
	} else if (!strcmp(word, "isr")) {
		c->what = ISR_OF;
		read_of(c);
		word_is(c->s, "is");
		c->not = word_flag(c->s, "not");
		read_nodes(c);
	} else if (!read_more(c, word)) {
		wrong(c->s, "\"%s\" is no condition", word);
	}
}

void wait_command(struct story *s)
{
	struct condition c = { .s = s };
	const char *within = word_after(s, "within", NULL);
	int64_t us = within ? time_of(s, within) : WAIT_US;

	word_is(s, "until");
	read_condition(&c);
	words_end(s);
	if (!run_until(s, us, holds, &c))
		say(s, "not so after %" PRId64 " ms\n", us / 1000);
}
