/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes: what is done to nodes from outside, what may be asked of them, and
 * how they are made. Their life is process.c's, their end halt.c's.
 */
#include "parts.h"

/* ---- what else happens to a node ----------------------------------------- */

void world_doom(struct world *w, int node, enum world_death how, int64_t exits,
		int64_t disk_calls)
{
	struct node *n = node_of(w, node);

	n->doomed = true;
	n->doom = how;
	n->doom_exits = exits;
	n->doom_calls = disk_calls;
}

static void go_on(void *ctx)
{
	struct node *n = ctx;

	if (n->paused_until_us > n->w->now_us)
		return;
	n->paused_until_us = 0;
	release(n->w, &n->held);
}

void world_pause(struct world *w, int node, int64_t us)
{
	struct node *n = node_of(w, node);

	if (n->state == NODE_DOWN)
		return;
	w->counts.pauses++;
	world_note(w, "node %d is stopped for %" PRId64 " us", node, us);
	n->paused_until_us = max_of(n->paused_until_us, w->now_us + us);
	world_at(w, n->paused_until_us, go_on, n);
}

static void stalled_enough(void *ctx)
{
	struct sim_thread *t = ctx;

	struct node *n = t->node;

	if (t->stalled_until_us > n->w->now_us)
		return;
	if (n->paused_until_us) { /* what came before the pause comes first */
		t->stalled_until_us = n->paused_until_us + 1;
		world_at(n->w, t->stalled_until_us, stalled_enough, t);
		return;
	}
	t->stalled_until_us = 0;
	release(n->w, &t->held);
}

void world_stall(struct world *w, int node, int thread, int64_t us)
{
	struct node *n = node_of(w, node);
	struct sim_thread *t = &n->threads[thread];

	assert(thread >= 0 && thread <= n->info.shards);
	if (n->state == NODE_DOWN)
		return;
	world_note(w, "thread %d of node %d stalls for %" PRId64 " us", thread,
		   node, us);
	t->stalled_until_us = max_of(t->stalled_until_us, w->now_us + us);
	world_at(w, t->stalled_until_us, stalled_enough, t);
}

void world_step_clock(struct world *w, int node, int64_t wall_ms)
{
	world_note(w, "node %d: wall clock %+" PRId64 " ms", node, wall_ms);
	node_of(w, node)->wall_ms += wall_ms;
}

void world_damage(struct world *w, int node)
{
	node_of(w, node)->damaged = true;
}

static void lost(struct world *w, void *ctx, bool alive)
{
	struct node *n = w->running;
	int peer = (int)(intptr_t)ctx;

	if (!alive || !n->quorum || !n->threads[0].broker ||
	    n->state == NODE_CLOSING)
		return;
	node_set_time(&n->threads[0]);
	quorum_peer_lost(n->quorum, peer);
	broker_peer_lost(n->threads[0].broker, peer);
	node_wake_soon(&n->threads[0], 10);
}

void node_lost(struct node *n, int peer)
{
	plan_on(&n->threads[0], node_soon(n, 500), TAG_LOST, lost,
		(void *)(intptr_t)peer);
}

int node_founders(const struct world *w)
{
	return w->config.nodes - w->config.joining;
}

bool node_listens(const struct node *n)
{
	return n->state != NODE_DOWN && n->state != NODE_CLOSING &&
	       n->threads[0].broker;
}

void world_wipe(struct world *w, int node)
{
	struct node *n = node_of(w, node);

	assert(n->state == NODE_DOWN);
	world_note(w, "node %d: its disk is wiped", node);
	disk_mem_free(n->mem);
	n->mem = disk_mem_new(prng_next(&w->prng));
	n->info.directory_id = prng_uuid(&w->prng);
	n->wiped = n->was_wiped = true;
}

/* ---- asking about them --------------------------------------------------- */

int world_nodes(const struct world *w)
{
	return w->config.nodes;
}

int world_shards(const struct world *w, int node)
{
	return node_of(w, node)->info.shards;
}

bool world_is_up(const struct world *w, int node)
{
	return node_of(w, node)->state != NODE_DOWN;
}

bool world_is_damaged(const struct world *w, int node)
{
	return node_of(w, node)->damaged;
}

bool world_may_stay_down(const struct world *w, int node)
{
	const struct node *n = node_of(w, node);

	return n->damaged && n->state == NODE_DOWN && *n->words;
}

bool world_asks_for_start(const struct world *w, int node)
{
	return node_of(w, node)->asks;
}

bool world_is_ready(const struct world *w, int node)
{
	return node_of(w, node)->ready;
}

const char *world_last_words(const struct world *w, int node)
{
	const struct node *n = node_of(w, node);

	return *n->words ? n->words : NULL;
}

struct disk_mem *world_disk(struct world *w, int node)
{
	return node_of(w, node)->mem;
}

const struct cluster *world_cluster(const struct world *w, int node)
{
	struct quorum *q = node_of(w, node)->quorum;

	return q ? quorum_cluster(q) : NULL;
}

const struct coord *world_coord(const struct world *w, int node)
{
	struct quorum *q = node_of(w, node)->quorum;

	return q ? quorum_coord(q) : NULL;
}

struct quorum *world_quorum(const struct world *w, int node)
{
	return node_of(w, node)->quorum;
}

struct broker *world_broker(const struct world *w, int node, int thread)
{
	return node_of(w, node)->threads[thread].broker;
}

int world_quorum_leader(const struct world *w)
{
	int64_t best = 0;
	int leader = 0;

	for (int i = 1; i <= w->config.nodes; i++) {
		struct quorum *q = node_of(w, i)->quorum;

		if (q && quorum_role(q) == QUORUM_LEADER &&
		    quorum_term(q) > best) {
			best = quorum_term(q);
			leader = i;
		}
	}
	return leader;
}

/* ---- making them --------------------------------------------------------- */

static void set(struct node *n, const char *text)
{
	const char *is = strchr(text, '=');
	const struct setting *found;

	assert(is);
	found = setting_find((struct str){ text, (int32_t)(is - text) });
	assert(found);
	n->settings.values[setting_id_of(found)] = is + 1;
	n->settings.sources[setting_id_of(found)] = "flag";
}

static void prepare_settings(struct node *n)
{
	static char ids[WORLD_NODES_MAX][2] = { "1", "2", "3", "4", "5" };
	static char peers[] = "1@peer1:7000,2@peer2:7000,3@peer3:7000,"
			      "4@peer4:7000,5@peer5:7000";
	static char peers_of[WORLD_NODES_MAX + 1][sizeof(peers)];
	int all = node_founders(n->w);

	memcpy(peers_of[all], peers, (size_t)(13 * all - 1));
	node_settings_preset(&n->settings);
	n->settings.values[SETTING_NODE_ID] = ids[n->id - 1];
	if (n->id <= all)
		n->settings.values[SETTING_PEERS] = peers_of[all];
	for (const char *const *s = n->w->config.settings; s && *s; s++)
		set(n, *s);
}

static void prepare(struct node *n)
{
	struct world *w = n->w;

	n->clock_ms = 1000000 * n->id + world_below(w, 1000);
	n->wall_ms = world_below(w, 50);
	n->mem = disk_mem_new(prng_next(&w->prng));
	n->disk = faulty_new(n);
	n->listener = (struct listener_info){ (char *)"PLAINTEXT",
					      (char *)"node", 9000 + n->id };
	prepare_settings(n);
	n->info = (struct node_info){
		.id = n->id, .shards = w->config.shards,
		.directory_id = prng_uuid(&w->prng),
		.listeners = &n->listener, .listeners_n = 1,
		.peer_host = "peer", .peer_port = 7000 + n->id,
		.settings = &n->settings, .version = "sim",
		.disk = faulty_disk(n->disk) };
	list_init(&n->links);
	for (int i = 0; i < SIM_THREADS; i++) {
		struct sim_thread *t = &n->threads[i];

		*t = (struct sim_thread){ .node = n, .index = i };
		list_init(&t->letters);
		list_init(&t->answers);
	}
}

void nodes_init(struct world *w)
{
	for (int i = 0; i < w->config.nodes; i++) {
		struct node *n = &w->nodes[i];

		n->w = w;
		n->id = i + 1;
		n->life = 1;
		prepare(n);
	}
}

void nodes_fini(struct world *w)
{
	for (int i = 1; i <= w->config.nodes; i++) {
		struct node *n = node_of(w, i);

		node_die(n, DEATH_KILL);
		faulty_free(n->disk);
		disk_mem_free(n->mem);
	}
}
