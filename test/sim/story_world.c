/* SPDX-License-Identifier: Apache-2.0 */
/* story_world: nodes, network, disks and time of a story; see story.h. */
#include <stdio.h>

#include "parts.h"
#include "shard.h"
#include "story.h"

#define START_US 20000000

/* ---- looking ------------------------------------------------------------- */

static int newest_node(const struct story *s)
{
	int best = world_quorum_leader(s->w);

	for (int i = 1; i <= s->config.nodes && !best; i++)
		if (world_cluster(s->w, i))
			best = i;
	for (int i = 1; i <= s->config.nodes && best; i++) {
		const struct cluster *c = world_cluster(s->w, i);

		if (c && c->applied > world_cluster(s->w, best)->applied)
			best = i;
	}
	return best;
}

const struct cluster *newest_cluster(const struct story *s)
{
	int n = newest_node(s);

	return n ? world_cluster(s->w, n) : NULL;
}

const struct coord *newest_coord(const struct story *s)
{
	int n = newest_node(s);

	return n ? world_coord(s->w, n) : NULL;
}

bool run_until(struct story *s, int64_t us, bool (*holds)(void *ctx),
	       void *ctx)
{
	return world_run_until(s->w, world_now_us(s->w) + us, holds, ctx);
}

void pass(struct story *s, int64_t us)
{
	world_run(s->w, world_now_us(s->w) + us);
}

struct hosted *hosted_on(struct story *s, int node, struct story_partition p)
{
	const struct cluster *c = newest_cluster(s);
	const struct topic *t = c ? cluster_topic(c, p.topic) : NULL;
	struct broker *b;

	if (!t || !world_is_up(s->w, node))
		return NULL;
	b = world_broker(s->w, node,
			 broker_shard_of(str_of(t->name), p.index,
					 s->config.shards));
	return b && b->copy ? hosted_find(b, (struct partition_id){
						     t->id, p.index })
			    : NULL;
}

static bool is_partition_in_sync(struct story *s, const struct partition *x)
{
	int64_t end = -1;

	if (x->leader < 0 || x->isr.n < x->replicas.n)
		return false;
	for (int32_t i = 0; i < x->replicas.n; i++) {
		struct hosted *h = hosted_on(s, x->replicas.v[i],
			(struct story_partition){ str_of(x->topic->name),
						  x->index });

		if (!h || !h->replica || h->replica->leader_epoch !=
						 x->leader_epoch)
			return false;
		end = end < 0 ? log_end(h->log) : end;
		if (h->replica->isr_n < x->replicas.n ||
		    log_end(h->log) != end ||
		    h->replica->high_watermark != end)
			return false;
	}
	return true;
}

bool is_in_sync(void *story)
{
	struct story *s = story;
	const struct cluster *c = newest_cluster(s);

	for (int i = 1; i <= s->config.nodes; i++)
		if (!world_is_ready(s->w, i) && !world_may_stay_down(s->w, i))
			return false;
	if (!c || !world_quorum_leader(s->w))
		return false;
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t p = 0; p < t->partitions_n; p++)
			if (!is_partition_in_sync(s, &t->partitions[p]))
				return false;
	}
	return true;
}

/* ---- starting and ending ------------------------------------------------- */

struct some_nodes {
	struct story *s;
	int v[WORLD_NODES_MAX], n;
};

static struct some_nodes nodes_here(struct story *s)
{
	struct some_nodes some = { .s = s };

	some.n = nodes_of(s, word_need(s, "a node"), some.v);
	return some;
}

static bool are_ready(void *ctx)
{
	const struct some_nodes *some = ctx;

	for (int i = 0; i < some->n; i++)
		if (!world_is_ready(some->s->w, some->v[i]))
			return false;
	return true;
}

static bool are_down(void *ctx)
{
	const struct some_nodes *some = ctx;

	for (int i = 0; i < some->n; i++)
		if (world_is_up(some->s->w, some->v[i]))
			return false;
	return true;
}

/* "start 1 2": until they are ready; "boot 1": without waiting. */
static void start(struct story *s, bool wait)
{
	struct some_nodes some = nodes_here(s);

	for (int i = 0; i < some.n; i++)
		world_start(s->w, some.v[i]);
	if (!wait || run_until(s, START_US, are_ready, &some))
		return;
	for (int i = 0; i < some.n; i++)
		if (!world_is_ready(s->w, some.v[i])) {
			const char *words = world_last_words(s->w, some.v[i]);

			say(s, "%d is not ready%s%s\n", some.v[i],
			    words ? ": " : "", words ? words : "");
		}
}

static void end(struct story *s, enum world_death how)
{
	struct some_nodes some = nodes_here(s);

	for (int i = 0; i < some.n; i++)
		world_end(s->w, some.v[i], how);
	if (how == DEATH_STOP && !run_until(s, START_US, are_down, &some))
		say(s, "it does not end\n");
}

static void doom(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	bool power = word_flag(s, "power");
	int64_t n, exits = -1, calls = -1;
	const char *what;

	word_is(s, "after");
	n = number_of(s, word_need(s, "a number"));
	what = word_need(s, "exits or writes");
	if (!strcmp(what, "exits"))
		exits = n;
	else if (!strcmp(what, "disk-calls"))
		calls = n;
	else
		wrong(s, "\"%s\": exits or disk-calls", what);
	world_doom(s->w, node, power ? DEATH_POWER : DEATH_KILL, exits, calls);
}

/* ---- the network --------------------------------------------------------- */

static int ends_of(struct story *s, const char *text, int out[WORLD_ENDS])
{
	char *copy, *at, *one;
	int n = 0;

	at = copy = arena_printf(&s->arena, "%s", text);
	while ((one = strsep(&at, ",")) && n < WORLD_ENDS) {
		if (*one != 'c') {
			out[n++] = node_at(s, one);
			continue;
		}
		out[n++] = world_client_end(s->w, (int)number_of(s, one + 1) -
							  1);
		if (out[n - 1] <= s->config.nodes ||
		    out[n - 1] > s->config.nodes + s->config.clients)
			wrong(s, "there is no client %s", one);
	}
	return n;
}

/* "cut 1 from 2,3" both ways; "cut 1 to 2" only what 1 sends. */
static void set_ways(struct story *s, enum world_way way)
{
	int a[WORLD_ENDS], b[WORLD_ENDS], a_n, b_n;
	const char *one_way, *both;

	one_way = word_after(s, "to", NULL);
	both = word_after(s, "from", NULL);
	if (!one_way == !both)
		wrong(s, "\"from\" or \"to\" whom?");
	a_n = ends_of(s, word_need(s, "who"), a);
	b_n = ends_of(s, both ? both : one_way, b);
	for (int i = 0; i < a_n; i++)
		for (int j = 0; j < b_n; j++) {
			world_set_way(s->w, a[i], b[j], way);
			if (both)
				world_set_way(s->w, b[j], a[i], way);
		}
}

static void reset(struct story *s)
{
	int a[WORLD_ENDS], b[WORLD_ENDS];

	if (ends_of(s, word_need(s, "who"), a) != 1 ||
	    ends_of(s, word_need(s, "and who"), b) != 1)
		wrong(s, "two ends");
	world_reset(s->w, a[0], b[0]);
}

/* ---- disks --------------------------------------------------------------- */

static void disk(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	struct world_disk_faults f = { 0 };
	const char *what;

	while ((what = word_next(s))) {
		if (!strcmp(what, "sync-error"))
			f.sync_error = 10000;
		else if (!strcmp(what, "write-error"))
			f.write_error = 10000;
		else if (!strcmp(what, "read-error"))
			f.read_error = 10000;
		else if (!strcmp(what, "flips"))
			f.read_flip = 10000;
		else if (!strcmp(what, "cold"))
			f.cold = 100;
		else if (!strcmp(what, "slow"))
			f.job_us = 500000;
		else if (!strcmp(what, "dead"))
			f.dead = true;
		else if (strcmp(what, "good"))
			wrong(s, "a disk that is \"%s\"?", what);
	}
	world_set_disk(s->w, node, f);
}

struct damaged {
	struct story *s;
	struct disk_mem *m;
	const char *dir;
	int files;
};

static void flip_one(void *ctx, const char *name, bool is_dir)
{
	struct damaged *d = ctx;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	if (!is_dir && disk_mem_flip(d->m, path, 40, 0x10))
		d->files++;
}

/* "damage 2 quorum": a bit of every file in that directory is wrong. */
static void damage(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	struct damaged d = { s, world_disk(s->w, node), NULL, 0 };
	struct disk *disk = disk_mem_disk(d.m);

	d.dir = word_need(s, "a directory");
	if (world_is_up(s->w, node))
		wrong(s, "%d is up", node);
	if (disk->ops->list(disk, d.dir, flip_one, &d) < 0 || !d.files)
		wrong(s, "%s has no files on node %d", d.dir, node);
	world_damage(s->w, node);
}

/* "full 1": not a page more; "full 1 but 8192": so many bytes more. */
static void fill(struct story *s)
{
	const char *but = word_after(s, "but", "0");
	struct some_nodes some = nodes_here(s);

	for (int i = 0; i < some.n; i++)
		world_set_space(s->w, some.v[i],
				disk_mem_used(world_disk(s->w, some.v[i])) +
					number_of(s, but));
}

static void give_room(struct story *s)
{
	struct some_nodes some = nodes_here(s);

	for (int i = 0; i < some.n; i++)
		world_set_space(s->w, some.v[i], -1);
}

/* ---- the quorum ---------------------------------------------------------- */

static void transfer(struct world *w, void *ctx, bool alive)
{
	struct sim_thread *t = &w->running->threads[0];

	if (!alive || !w->running->quorum)
		return;
	node_set_time(t);
	if (quorum_transfer(w->running->quorum, (int32_t)(intptr_t)ctx) == 0)
		node_wake(t, w->now_us + 10);
}

struct wish {
	struct story *s;
	int node;
};

static bool leads_quorum(void *ctx)
{
	const struct wish *x = ctx;

	return world_quorum_leader(x->s->w) == x->node;
}

/* "quorum leader 2": hands over to it, and waits until it leads. */
static void make_quorum_leader(struct story *s)
{
	struct wish x = { s, 0 };

	word_is(s, "leader");
	x.node = node_at(s, word_need(s, "a node"));
	for (int i = 0; i < 20 && !leads_quorum(&x); i++) {
		int now = world_quorum_leader(s->w);

		if (now)
			plan(s->w, s->w->now_us, now, TAG_CALL, transfer,
			     (void *)(intptr_t)x.node);
		(void)run_until(s, 500000, leads_quorum, &x);
	}
	if (!leads_quorum(&x))
		say(s, "%d does not lead\n", x.node);
	pass(s, 200000);
}

/* ---- all of them --------------------------------------------------------- */

static void each_node(struct story *s, void (*fn)(struct world *w, int node))
{
	struct some_nodes some = nodes_here(s);

	for (int i = 0; i < some.n; i++)
		fn(s->w, some.v[i]);
}

static void pause(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));

	world_pause(s->w, node, time_of(s, word_need(s, "how long")));
}

static void clock(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	const char *by = word_need(s, "by how much");
	int64_t us = time_of(s, by + (*by == '+' || *by == '-'));

	world_step_clock(s->w, node, (*by == '-' ? -us : us) / 1000);
}

static bool node_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "start"))
		start(s, true);
	else if (!strcmp(verb, "boot"))
		start(s, false);
	else if (!strcmp(verb, "kill"))
		end(s, DEATH_KILL);
	else if (!strcmp(verb, "power"))
		end(s, DEATH_POWER);
	else if (!strcmp(verb, "stop"))
		end(s, DEATH_STOP);
	else if (!strcmp(verb, "doom"))
		doom(s);
	else if (!strcmp(verb, "pause"))
		pause(s);
	else if (!strcmp(verb, "clock"))
		clock(s);
	else if (!strcmp(verb, "quorum"))
		make_quorum_leader(s);
	else
		return false;
	return true;
}

bool world_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "cut"))
		set_ways(s, WAY_DROPS);
	else if (!strcmp(verb, "clog"))
		set_ways(s, WAY_CLOGS);
	else if (!strcmp(verb, "open"))
		set_ways(s, WAY_OPEN);
	else if (!strcmp(verb, "reset"))
		reset(s);
	else if (!strcmp(verb, "heal"))
		world_heal(s->w);
	else if (!strcmp(verb, "disk"))
		disk(s);
	else if (!strcmp(verb, "damage"))
		damage(s);
	else if (!strcmp(verb, "full"))
		fill(s);
	else if (!strcmp(verb, "room"))
		give_room(s);
	else if (!strcmp(verb, "wipe"))
		each_node(s, world_wipe);
	else if (!strcmp(verb, "pass"))
		pass(s, time_of(s, word_need(s, "how long")));
	else if (!node_command(s, verb))
		return false;
	words_end(s);
	return true;
}
