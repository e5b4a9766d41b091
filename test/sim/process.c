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

int64_t node_soon(struct node *n, int64_t us)
{
	return n->w->now_us + 1 + world_below(n->w, us);
}

/* ---- dying --------------------------------------------------------------- */

_Noreturn void node_leave(struct node *n, enum world_death how)
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
	node_leave(n, n->doom);
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
	release(w, &n->held);
	n->state = NODE_DOWN;
	n->was_failed |= n->failed;
	n->was_cut |= how == DEATH_POWER;
	n->wiped &= !n->ready;
	n->ready = n->doomed = n->failed = false;
	n->quorum = NULL;
	n->paused_until_us = 0;
	for (int i = 0; i < SIM_THREADS; i++) {
		struct sim_thread *t = &n->threads[i];

		release(w, &t->held);
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
	plan_on(t, t->turn_us, TAG_TURN, turn, t);
}

void node_wake_soon(struct sim_thread *t, int64_t us)
{
	node_wake(t, node_soon(t->node, us));
}

static void plan_next(struct sim_thread *t)
{
	struct node *n = t->node;
	int64_t at = t->broker ? broker_next_tick(t->broker) : -1;
	int64_t due = at >= 0 ? at : INT64_MAX;

	if (t->index == 0 && n->quorum && t->broker)
		due = min_of(due, quorum_next_tick(n->quorum));
	if (!list_empty(&t->letters) || !list_empty(&t->answers))
		node_wake_soon(t, 20);
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
	node_look_after_stop(t);
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
	node_wake_soon(home, 60);
}

static void out_tell(void *ctx, int thread, struct letter *l)
{
	struct sim_thread *t = ctx, *to = &t->node->threads[thread];

	node_exit_point(t->node, false);
	assert(thread >= 0 && thread <= t->node->info.shards);
	list_push(&to->letters, &l->link);
	node_wake_soon(to, 60);
}

static void out_propose(void *ctx, int target, struct bytes command,
			uint64_t cookie)
{
	struct sim_thread *t = ctx;

	node_exit_point(t->node, false);
	assert(t->index == 0);
	quorum_propose(t->node->quorum, (enum quorum_target)target, command,
		       cookie);
	node_wake_soon(t, 10);
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
	node_wake_soon(t, 10);
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
	plan_on(t, w->now_us + 15, TAG_DONE, job_done, j);
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
		node_close(n);
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
	node_wake_soon(&n->threads[0], 10);
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
	node_close(n);
}

static _Noreturn void cannot_start(struct node *n, const char *what, int error)
{
	snprintf(n->words, sizeof(n->words), "%s: %s", what, strerror(-error));
	world_note(n->w, "node %d cannot start: %s", n->id, n->words);
	if (!n->failed && !n->damaged)
		world_violation(n->w, "node %d cannot start: %s", n->id,
				n->words);
	node_leave(n, DEATH_KILL);
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
		.id = n->id,
		.disk = faulty_disk(n->disk), .queue = QUEUE_OF_QUORUM,
		.seed = prng_next(&n->w->prng), .now_ms = node_ms(n),
		.election_timeout_ms = (int32_t)number(
			n, SETTING_QUORUM_ELECTION_TIMEOUT_MS),
		.heartbeat_ms = (int32_t)number(
			n, SETTING_QUORUM_HEARTBEAT_INTERVAL_MS),
		.snapshot_entries = number(n, SETTING_QUORUM_SNAPSHOT_ENTRIES),
		.snapshot_bytes = number(n, SETTING_QUORUM_SNAPSHOT_BYTES),
		.trailing_entries = n->w->config.trailing,
		.hash_entries = 64,
		.hooks = { .ctx = n, .send = on_send, .give = on_give,
			   .applied = on_applied, .dropped = on_dropped,
			   .restored = on_restored,
			   .role_changed = on_role_changed },
	};
	int rc;

	if (n->id <= node_founders(n->w)) {
		c.peers = peers;
		c.peers_n = node_founders(n->w);
	}
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
	n->asks = false;
	if (world_chance(w, w->config.reshape))
		n->info.shards = 1 + (int)world_below(w, SIM_THREADS - 1);
	n->info.incarnation = prng_uuid(&w->prng);
	rc = store_recover(faulty_disk(n->disk), wall(n), &found);
	if (rc < 0)
		cannot_start(n, "the logs", rc);
	open_quorum(n);
	n->info.blind = found.blind || quorum_has_forgotten(n->quorum);
	for (int i = n->info.shards; i >= 0; i--)
		open_thread(n, i);
	for (int i = 0; i <= n->info.shards; i++)
		node_wake_soon(&n->threads[i], 100);
	node_join(n);
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
