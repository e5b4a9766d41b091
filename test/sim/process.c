/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: a node of the world from start to death: its threads and their
 * turns, the exits of its floors, its pool, the wiring between quorum and
 * broker. What host does in the daemon, in virtual time; the network is
 * net.c's.
 *
 * 1. A turn of a thread is one event; letters, answers and jobs arrive
 *    between turns and are looked at in the next.
 * 2. Jobs of one queue run in order, others when they like; what a job does
 *    to the disk happens at one moment, before its done() is called.
 */
#include <stdio.h>

#include "parts.h"
#include "watch.h"

#define WALL_MS 1700000000000
#define QUEUE_OF_QUORUM 0x71756f72u
#define DRAIN_MS 3000
#define HAND_OVER_MS 2000

struct node *node_of(const struct world *w, int id)
{
	assert(id >= 1 && id <= w->config.nodes);
	return (struct node *)&w->nodes[id - 1];
}

int64_t node_ms(const struct node *n)
{
	return n->w->now_us / 1000 + n->clock_ms;
}

int64_t node_us(const struct node *n, int64_t ms)
{
	return ms > INT64_MAX / 2000 ? INT64_MAX : (ms - n->clock_ms) * 1000;
}

static int64_t wall(const struct node *n)
{
	return WALL_MS + n->w->now_us / 1000 + n->wall_ms;
}

static int64_t little(struct node *n, int64_t us)
{
	return n->w->now_us + 1 + world_below(n->w, us);
}

/* ---- dying --------------------------------------------------------------- */

static _Noreturn void leave(struct node *n, enum world_death how)
{
	n->w->death = how;
	longjmp(n->w->left, 1);
}

void node_exit_point(struct node *n, bool disk)
{
	int64_t *left = disk ? &n->doom_calls : &n->doom_exits;

	if (!n->doomed || n->w->running != n || *left < 0 || --*left >= 0)
		return;
	n->doomed = false;
	n->w->counts.dooms++;
	world_note(n->w, "node %d dies at %s", n->id,
		   disk ? "a call of its disk" : "an exit");
	leave(n, n->doom);
}

void node_die(struct node *n, enum world_death how)
{
	static const enum disk_mem_crash crashes[] = {
		DISK_MEM_LOSE, DISK_MEM_PREFIX, DISK_MEM_RANDOM };
	struct world *w = n->w;

	if (n->state == NODE_DOWN)
		return;
	world_note(w, "node %d is dead (%s)", n->id,
		   how == DEATH_POWER ? "power" : how == DEATH_KILL ? "killed"
								   : "stopped");
	if (how == DEATH_POWER && w->config.on_power)
		w->config.on_power(w->config.ctx);
	net_node_died(n);
	faulty_crash(n->disk, how == DEATH_POWER
				      ? crashes[world_below(w, 3)]
				      : DISK_MEM_KEEP);
	watch_died(w->watch, n);
	estate_burn(n->id);
	map_fini(&n->queues);
	n->queues = (struct map){ 0 };
	n->life++;
	release(w, n);
	n->state = NODE_DOWN;
	n->ready = n->doomed = n->failed = false;
	n->quorum = NULL;
	n->paused_until_us = 0;
	for (int i = 0; i < SIM_THREADS; i++) {
		struct sim_thread *t = &n->threads[i];

		*t = (struct sim_thread){ .node = n, .index = i };
		list_init(&t->letters);
		list_init(&t->answers);
	}
}

/* ---- turns --------------------------------------------------------------- */

void node_set_time(struct sim_thread *t)
{
	struct node *n = t->node;

	if (t->broker)
		broker_set_time(t->broker, node_ms(n), wall(n));
	if (t->index == 0 && n->quorum && t->broker)
		quorum_tick(n->quorum, node_ms(n));
}

static void turn(struct world *w, void *ctx, bool alive);

void node_wake(struct sim_thread *t, int64_t at_us)
{
	if (t->turn_us && t->turn_us <= at_us)
		return;
	t->turn_us = max_of(at_us, t->node->w->now_us + 1);
	plan(t->node->w, t->turn_us, t->node->id, TAG_TURN, turn, t);
}

static void wake_soon(struct sim_thread *t, int64_t us)
{
	node_wake(t, little(t->node, us));
}

static void look_after_stop(struct sim_thread *t);

static void plan_next(struct sim_thread *t)
{
	struct node *n = t->node;
	int64_t at = t->broker ? broker_next_tick(t->broker) : -1;
	int64_t due = at >= 0 ? at : INT64_MAX;

	if (t->index == 0 && n->quorum && t->broker)
		due = min_of(due, quorum_next_tick(n->quorum));
	if (!list_empty(&t->letters) || !list_empty(&t->answers))
		wake_soon(t, 20);
	else if (due < INT64_MAX)
		node_wake(t, node_us(n, due));
}

static void turn(struct world *w, void *ctx, bool alive)
{
	struct sim_thread *t = ctx;
	struct list *l;
	int64_t at;

	if (!alive || t->turn_us == 0 || w->now_us < t->turn_us)
		return;
	t->turn_us = 0;
	node_set_time(t);
	while ((l = list_pop(&t->answers)))
		net_answer(t, list_entry(l, struct request, link));
	while ((l = list_pop(&t->letters))) {
		struct letter *m = list_entry(l, struct letter, link);

		w->counts.letters++;
		m->deliver(t->broker, m);
	}
	at = t->broker ? broker_next_tick(t->broker) : -1;
	if (at >= 0 && at <= node_ms(t->node))
		broker_tick(t->broker);
	if (t->broker)
		broker_turn_end(t->broker);
	if (t->index == 0 && t->node->quorum && t->broker)
		quorum_turn_end(t->node->quorum);
	watch_turn(w->watch, t);
	plan_next(t);
	look_after_stop(t);
}

/* ---- exits --------------------------------------------------------------- */

static void out_answer(void *ctx, struct request *rq)
{
	struct sim_thread *t = ctx, *home = &t->node->threads[rq->thread];

	node_exit_point(t->node, false);
	if (home == t) {
		net_answer(t, rq);
		return;
	}
	list_push(&home->answers, &rq->link);
	wake_soon(home, 60);
}

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct sim_thread *t = ctx, *to = &t->node->threads[thread];

	node_exit_point(t->node, false);
	assert(thread >= 0 && thread <= t->node->w->config.shards);
	list_push(&to->letters, &l->link);
	wake_soon(to, 60);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	struct sim_thread *t = ctx;

	node_exit_point(t->node, false);
	assert(t->index == 0);
	quorum_propose(t->node->quorum, (enum quorum_target)target, command,
		       cookie);
	wake_soon(t, 10);
}

static void out_ask(void *ctx, struct ask *a)
{
	struct sim_thread *t = ctx;

	node_exit_point(t->node, false);
	t->node->w->counts.asks++;
	net_ask(t, a);
}

/* ---- the pool ------------------------------------------------------------ */

static void job_done(struct world *w, void *ctx, bool alive)
{
	struct job *j = ctx;
	struct sim_thread *t;

	if (!alive)
		return;
	(void)w;
	t = j->home;
	t->node->jobs_out--;
	node_set_time(t);
	j->done(j);
	wake_soon(t, 10);
}

static void job_run(struct world *w, void *ctx, bool alive)
{
	struct job *j = ctx;
	struct sim_thread *t;

	if (!alive)
		return;
	t = j->home;
	w->counts.jobs++;
	j->run(j);
	plan(w, w->now_us + 15, t->node->id, TAG_DONE, job_done, j);
}

static void out_give(void *ctx, struct job *j)
{
	struct sim_thread *t = ctx;
	struct node *n = t->node;
	int64_t at, busy;
	int owner;

	node_exit_point(n, false);
	j->home = t;
	n->jobs_out++;
	owner = estate_enter(0);
	at = n->w->now_us + 10 + faulty_job_us(n->disk);
	if (j->queue) {
		busy = (intptr_t)map_find_i64(&n->queues, j->queue);
		at = max_of(at, busy + 1);
		map_put_i64(&n->queues, j->queue, (void *)(intptr_t)at);
	}
	plan(n->w, at, n->id, TAG_RUN, job_run, j);
	estate_enter(owner);
}

static struct outbox outbox_of(struct sim_thread *t)
{
	return (struct outbox){ t, out_answer, out_tell, out_propose, out_ask,
				out_give };
}

/* ---- quorum: its hooks, and how the broker sees it ----------------------- */

static void on_send(void *ctx, int32_t peer, struct bytes frame, bool bulk)
{
	struct node *n = ctx;

	node_exit_point(n, false);
	net_frame(n, peer, frame, bulk);
}

static void on_give(void *ctx, struct job *j)
{
	struct node *n = ctx;

	out_give(&n->threads[0], j);
}

static void on_applied(void *ctx, const struct quorum_applied *e)
{
	struct node *n = ctx;

	n->w->counts.applied++;
	watch_applied(n->w->watch, n, e);
	broker_applied(n->threads[0].broker, &(struct broker_entry){
		e->index, (int)e->target, e->command, e->cookie,
		e->cluster_effects, e->coord_effects });
}

static void on_dropped(void *ctx, uint64_t cookie, bool may_still_commit)
{
	struct node *n = ctx;

	broker_dropped(n->threads[0].broker, cookie, may_still_commit);
}

static void on_restored(void *ctx)
{
	struct node *n = ctx;

	watch_restored(n->w->watch, n);
	broker_restored(n->threads[0].broker, quorum_cluster(n->quorum),
			quorum_coord(n->quorum));
}

static void close_node(struct node *n);

static void on_role_changed(void *ctx, enum quorum_role role, int64_t term,
			    int32_t leader)
{
	struct node *n = ctx;
	int32_t old = n->last_leader;

	watch_role(n->w->watch, n, role, term);
	if (leader >= 0)
		n->last_leader = leader;
	broker_role_changed(n->threads[0].broker, role == QUORUM_LEADER, term,
			    leader, old);
	if (n->state == NODE_HANDING_OVER && leader >= 0 && leader != n->id)
		close_node(n);
}

static bool view_is_leader(void *ctx)
{
	return quorum_role(((struct node *)ctx)->quorum) == QUORUM_LEADER;
}

static int32_t view_leader(void *ctx)
{
	return quorum_leader(((struct node *)ctx)->quorum);
}

static int64_t view_term(void *ctx)
{
	return quorum_term(((struct node *)ctx)->quorum);
}

static int64_t view_commit(void *ctx)
{
	return quorum_commit_index(((struct node *)ctx)->quorum);
}

static void view_read(void *ctx, void (*done)(void *ctx, bool ok), void *arg)
{
	struct node *n = ctx;

	quorum_read(n->quorum, done, arg);
	wake_soon(&n->threads[0], 10);
}

static int view_transfer(void *ctx, int32_t to)
{
	return quorum_transfer(((struct node *)ctx)->quorum, to);
}

static int view_members(void *ctx, struct quorum_view_member *v, int max)
{
	struct quorum *q = ((struct node *)ctx)->quorum;
	int n = quorum_members_n(q);

	for (int i = 0; i < min_of(n, max); i++) {
		struct quorum_member m = quorum_member_at(q, i);

		v[i] = (struct quorum_view_member){
			.id = m.id, .voter = m.voter,
			.match_index = m.match_index,
			.last_heard_ms = m.last_heard_ms };
	}
	return n;
}

/* ---- starting ------------------------------------------------------------ */

static void on_ready(void *ctx)
{
	struct node *n = ctx;

	n->ready = true;
	world_note(n->w, "node %d is ready", n->id);
}

static void on_refused(void *ctx, const char *why)
{
	struct node *n = ctx;

	snprintf(n->words, sizeof(n->words), "%s", why);
	world_note(n->w, "node %d is refused: %s", n->id, why);
	close_node(n);
}

static _Noreturn void cannot_start(struct node *n, const char *what, int error)
{
	snprintf(n->words, sizeof(n->words), "%s: %s", what, strerror(-error));
	world_note(n->w, "node %d cannot start: %s", n->id, n->words);
	if (!n->failed && !n->damaged)
		world_violation(n->w, "node %d cannot start: %s", n->id,
				n->words);
	leave(n, DEATH_KILL);
}

static int64_t number(const struct node *n, enum setting_id id)
{
	return setting_number(n->settings.values[id]);
}

static void open_quorum(struct node *n)
{
	struct quorum_peer peers[WORLD_NODES_MAX];
	char text[WORLD_NODES_MAX][24];
	struct quorum_config c = {
		.id = n->id, .peers = peers, .peers_n = n->w->config.nodes,
		.disk = faulty_disk(n->disk), .queue = QUEUE_OF_QUORUM,
		.seed = prng_next(&n->w->prng), .now_ms = node_ms(n),
		.election_timeout_ms = (int32_t)number(
			n, SETTING_QUORUM_ELECTION_TIMEOUT_MS),
		.heartbeat_ms = (int32_t)number(
			n, SETTING_QUORUM_HEARTBEAT_INTERVAL_MS),
		.snapshot_entries = number(n, SETTING_QUORUM_SNAPSHOT_ENTRIES),
		.snapshot_bytes = number(n, SETTING_QUORUM_SNAPSHOT_BYTES),
		.hash_entries = 64,
		.hooks = { .ctx = n, .send = on_send, .give = on_give,
			   .applied = on_applied, .dropped = on_dropped,
			   .restored = on_restored,
			   .role_changed = on_role_changed },
	};
	int rc;

	for (int i = 0; i < c.peers_n; i++) {
		snprintf(text[i], sizeof(text[i]), "peer%d:7000", i + 1);
		peers[i] = (struct quorum_peer){ i + 1, text[i] };
	}
	rc = quorum_open(&n->quorum, &c);
	if (rc < 0)
		cannot_start(n, "the quorum's files", rc);
	n->applied = quorum_applied_index(n->quorum);
}

static void open_thread(struct node *n, int i)
{
	struct sim_thread *t = &n->threads[i];
	struct broker_config c = {
		.thread = i, .node = &n->info, .out = outbox_of(t),
		.seed = prng_next(&n->w->prng), .now_ms = node_ms(n),
		.wall_ms = wall(n),
	};
	int rc;

	if (i == 0) {
		c.cluster = quorum_cluster(n->quorum);
		c.coord = quorum_coord(n->quorum);
		c.host_ctx = n;
		c.on_ready = on_ready;
		c.on_refused = on_refused;
		c.quorum = (struct quorum_view){
			.ctx = n, .is_leader = view_is_leader,
			.leader = view_leader, .term = view_term,
			.read = view_read, .transfer = view_transfer,
			.members = view_members, .commit_index = view_commit };
	}
	rc = broker_open(&t->broker, &c);
	if (rc < 0)
		cannot_start(n, "a thread", rc);
}

static void start(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;
	struct store_recovery found;
	int rc;

	if (!alive || n->state != NODE_DOWN)
		return;
	n->state = NODE_UP;
	n->last_leader = -1;
	n->jobs_out = 0;
	*n->words = '\0';
	n->info.incarnation = prng_uuid(&w->prng);
	rc = store_recover(faulty_disk(n->disk), wall(n), &found);
	if (rc < 0)
		cannot_start(n, "the logs", rc);
	open_quorum(n);
	for (int i = w->config.shards; i >= 0; i--)
		open_thread(n, i);
	watch_started(w->watch, n);
	for (int i = 0; i <= w->config.shards; i++)
		wake_soon(&n->threads[i], 100);
}

void world_start(struct world *w, int node)
{
	struct node *n = node_of(w, node);

	if (n->state != NODE_DOWN)
		return;
	w->counts.starts++;
	world_note(w, "node %d starts", node);
	plan(w, w->now_us, node, TAG_START, start, n);
}

/* ---- a clean stop: drain, hand over, close ------------------------------- */

static void close_node(struct node *n)
{
	if (n->state == NODE_CLOSING)
		return;
	n->state = NODE_CLOSING;
	broker_stop(n->threads[0].broker);
	net_close_conns(n);
	for (int i = 1; i <= n->w->config.shards; i++) {
		broker_stop(n->threads[i].broker);
		n->threads[i].stopping = true;
		wake_soon(&n->threads[i], 50);
	}
}

static bool are_idle(const struct node *n)
{
	if (n->jobs_out || !list_empty(&n->threads[0].letters))
		return false;
	for (int i = 1; i <= n->w->config.shards; i++)
		if (!list_empty(&n->threads[i].letters) ||
		    !list_empty(&n->threads[i].answers) ||
		    !broker_is_idle(n->threads[i].broker))
			return false;
	return true;
}

/* Of those whose thread has ended before. */
static void drop_answers(struct sim_thread *t)
{
	struct list *l;

	while ((l = list_pop(&t->answers)))
		request_free(list_entry(l, struct request, link));
}

/* Thread 0 ends last and takes the process with it. */
static void finish(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;
	int rc = 0;

	if (!alive)
		return;
	if (!are_idle(n)) { /* the quorum went on meanwhile */
		plan(w, w->now_us + 200, n->id, TAG_CLOSE, finish, n);
		return;
	}
	for (int i = w->config.shards; i >= 0; i--) {
		int r;

		if (i == 0) {
			net_close_links(n);
			broker_stop(n->threads[0].broker);
		}
		r = broker_close(n->threads[i].broker);
		n->threads[i].broker = NULL;
		rc = rc < 0 ? rc : r;
	}
	if (rc < 0 && !n->failed)
		world_violation(w, "node %d did not close: %s", n->id,
				strerror(-rc));
	quorum_close(n->quorum);
	n->quorum = NULL;
	for (int i = 0; i <= w->config.shards; i++)
		drop_answers(&n->threads[i]);
	if (estate_bytes(n->id) && !n->failed)
		world_violation(w, "node %d stopped, and %zu bytes were not "
				"freed", n->id, estate_bytes(n->id));
	leave(n, DEATH_STOP);
}

static void look_after_stop(struct sim_thread *t)
{
	struct node *n = t->node;

	if (n->state != NODE_CLOSING || t->idle || !are_idle(n)) {
		if (n->state == NODE_CLOSING && !t->idle && t->index > 0)
			wake_soon(t, 1000);
		return;
	}
	for (int i = 0; i <= n->w->config.shards; i++)
		n->threads[i].idle = true;
	plan(n->w, n->w->now_us + 50, n->id, TAG_CLOSE, finish, n);
}

static void hand_over_late(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;

	(void)w;
	if (alive && n->state == NODE_HANDING_OVER)
		close_node(n);
}

static void on_drained(void *ctx)
{
	struct node *n = ctx;

	if (n->state != NODE_DRAINING)
		return;
	n->state = NODE_HANDING_OVER;
	if (quorum_role(n->quorum) != QUORUM_LEADER ||
	    quorum_transfer(n->quorum, -1) < 0) {
		close_node(n);
		return;
	}
	wake_soon(&n->threads[0], 10);
	plan(n->w, n->w->now_us + HAND_OVER_MS * 1000, n->id, TAG_CLOSE,
	     hand_over_late, n);
}

static void begin_stop(struct world *w, void *ctx, bool alive)
{
	struct node *n = ctx;

	(void)w;
	if (!alive || n->state != NODE_UP)
		return;
	if (!n->ready) {
		close_node(n);
		return;
	}
	n->state = NODE_DRAINING;
	node_set_time(&n->threads[0]);
	broker_drain(n->threads[0].broker, node_ms(n) + DRAIN_MS, on_drained,
		     n);
	wake_soon(&n->threads[0], 10);
}

void world_end(struct world *w, int node, enum world_death how)
{
	struct node *n = node_of(w, node);

	if (n->state == NODE_DOWN)
		return;
	if (how == DEATH_STOP) {
		w->counts.stops++;
		world_note(w, "node %d is told to stop", node);
		plan(w, w->now_us, node, TAG_CLOSE, begin_stop, n);
		return;
	}
	w->counts.kills += how == DEATH_KILL;
	w->counts.power_cuts += how == DEATH_POWER;
	node_die(n, how);
}

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

	if (n->paused_until_us <= n->w->now_us)
		release(n->w, n);
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
	wake_soon(&n->threads[0], 10);
}

void node_lost(struct node *n, int peer)
{
	plan(n->w, little(n, 500), n->id, TAG_LOST, lost,
	     (void *)(intptr_t)peer);
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
}

/* ---- asking about them --------------------------------------------------- */

int world_nodes(const struct world *w)
{
	return w->config.nodes;
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
	int all = n->w->config.nodes;

	memcpy(peers_of[all], peers, (size_t)(13 * all - 1));
	node_settings_preset(&n->settings);
	n->settings.values[SETTING_NODE_ID] = ids[n->id - 1];
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
		mem_free(n->held);
		faulty_free(n->disk);
		disk_mem_free(n->mem);
	}
}
