/* SPDX-License-Identifier: Apache-2.0 */
/* sim: whole quorums in one process; the contract is in sim.h. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "core.h"

enum kind { FRAME, JOB, DONE, TICK, LOST };

struct event {
	int64_t at_us;
	uint64_t serial;
	enum kind kind;
	int node, from;
	uint64_t life; /* of the node, when it was planned */
	struct buf frame;
	struct job *job;
};

struct node {
	struct sim *sim;
	int id;
	struct quorum *q;
	struct disk_mem *disk;
	uint64_t life;
	int64_t busy_us;  /* its ordered jobs */
	int64_t tick_us;  /* planned; 0 none */
	int64_t applied;  /* highest index told */
	bool doomed;
};

/* What is known about one index, whoever applied it first. */
struct agreed {
	int64_t index;
	int64_t term;
	uint64_t command, state; /* hashes */
	uint64_t cookie;         /* 0 unknown */
	struct agreed *next;
};

enum fate { OPEN, ACKED, REFUSED, UNKNOWN };

struct sim {
	struct sim_config config;
	struct prng prng;
	int64_t now_us;
	struct event *heap;
	size_t heap_n, heap_cap;
	uint64_t serial;
	struct node nodes[SIM_NODES_MAX];
	int nodes_n;
	struct sim_net net;
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX];
	struct map agreed;  /* index -> struct agreed * */
	struct map leaders; /* term -> id + 1 */
	uint8_t *fates;     /* by cookie */
	size_t fates_cap;
	uint64_t cookies;
	int64_t acked_index;
	struct sim_counts counts;
	int change_error;
};

#define HOLDS(s, condition)                                                    \
	do {                                                                   \
		if (!(condition))                                              \
			broken(s, #condition, __LINE__);                       \
	} while (0)

static void broken(const struct sim *s, const char *what, int line)
{
	fprintf(stderr, "sim.c:%d: seed %" PRIu64 " at %" PRId64 " us: %s\n",
		line, s->config.seed, s->now_us, what);
	abort();
}

/* ---- events -------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us :
				      a->serial < b->serial;
}

static struct event *plan(struct sim *s, int64_t at_us, enum kind kind,
			  int node)
{
	struct event e = { .at_us = max_of(at_us, s->now_us),
			   .serial = s->serial++,
			   .kind = kind,
			   .node = node,
			   .life = s->nodes[node].life };
	size_t i = s->heap_n;

	if (s->heap_n == s->heap_cap) {
		s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 256;
		s->heap = mem_realloc(s->heap,
				      s->heap_cap * sizeof(*s->heap));
	}
	s->heap_n++;
	for (; i && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
	return &s->heap[i]; /* valid until the next plan */
}

static struct event pop(struct sim *s)
{
	struct event first = s->heap[0];
	struct event last = s->heap[--s->heap_n];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= s->heap_n)
			break;
		if (c + 1 < s->heap_n && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	if (s->heap_n)
		s->heap[i] = last;
	return first;
}

static int64_t below(struct sim *s, int64_t limit)
{
	return limit > 0 ? (int64_t)prng_below(&s->prng, (uint64_t)limit) : 0;
}

static bool chance(struct sim *s, int percent)
{
	return below(s, 100) < percent;
}

int64_t sim_now_ms(const struct sim *s)
{
	return s->now_us / 1000;
}

/* The end of a turn of that node's loop. */
static void turn_end(struct node *n)
{
	struct sim *s = n->sim;
	int64_t at;

	quorum_turn_end(n->q);
	at = quorum_next_tick(n->q) * 1000;
	if (n->tick_us && n->tick_us <= at && n->tick_us > s->now_us)
		return;
	n->tick_us = max_of(at, s->now_us + 1);
	plan(s, n->tick_us, TICK, n->id);
}

static void turn_begin(struct node *n)
{
	quorum_tick(n->q, sim_now_ms(n->sim));
}

/* ---- hooks --------------------------------------------------------------- */

static void on_send(void *ctx, int32_t peer, struct bytes frame, bool bulk)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	int copies = 1 + chance(s, s->net.twice);

	assert(peer >= 0 && peer < s->nodes_n);
	s->counts.frames++;
	if (s->cut[n->id][peer] || chance(s, s->net.lose))
		return;
	while (copies--) {
		int64_t at = s->now_us + s->net.delay_us;
		struct event *e;

		/* without this, jitter alone keeps the order of a connection */
		if (chance(s, s->net.reorder) || bulk)
			at += below(s, 10 * s->net.jitter_us + 1);
		else
			at += s->net.jitter_us;
		if (chance(s, s->net.ancient))
			at += below(s, 3000000);
		e = plan(s, at, FRAME, peer);
		e->from = n->id;
		buf_put(&e->frame, frame.p, (size_t)frame.n);
	}
}

static void on_give(void *ctx, struct job *j)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	int64_t at = s->now_us + 50 +
		     below(s, s->config.disk_us ? s->config.disk_us : 1000);

	if (chance(s, 2))
		at += below(s, 50000); /* a slow sync */
	if (j->queue) {
		at = max_of(at, n->busy_us + 1);
		n->busy_us = at;
	}
	plan(s, at, JOB, n->id)->job = j;
}

static uint64_t state_of(const struct sim *s, const struct quorum *q)
{
	if (s->config.big_state)
		return 0;
	return cluster_hash(quorum_cluster(q)) * 31 +
	       coord_hash(quorum_coord(q));
}

static struct agreed *agree(struct sim *s, const struct quorum_applied *e,
			    uint64_t state)
{
	struct agreed *a = map_find_i64(&s->agreed, e->index);

	if (a)
		return a;
	a = mem_zalloc(sizeof(*a));
	a->index = e->index;
	a->term = e->term;
	a->command = hash64(e->command.p, (size_t)e->command.n, 0);
	a->state = state;
	map_put_i64(&s->agreed, e->index, a);
	return a;
}

static void on_applied(void *ctx, const struct quorum_applied *e)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	uint64_t state = state_of(s, n->q);
	const struct agreed *a = agree(s, e, state);
	uint64_t cookie;

	s->counts.applied++;
	HOLDS(s, e->index > n->applied);
	n->applied = e->index;
	HOLDS(s, a->term == e->term);
	HOLDS(s, a->command == hash64(e->command.p, (size_t)e->command.n, 0));
	HOLDS(s, a->state == state);
	/* the command's time is its cookie */
	cookie = get_be64(e->command.p + 2);
	HOLDS(s, cookie >= 1 && cookie <= s->cookies);
	HOLDS(s, s->fates[cookie] != REFUSED);
	if (!e->cookie)
		return;
	HOLDS(s, e->cookie == cookie);
	HOLDS(s, s->fates[cookie] == OPEN);
	s->fates[cookie] = ACKED;
	s->counts.acked++;
	s->acked_index = max_of(s->acked_index, e->index);
}

static void on_dropped(void *ctx, uint64_t cookie, bool may_still_commit)
{
	struct node *n = ctx;
	struct sim *s = n->sim;

	HOLDS(s, s->fates[cookie] == OPEN);
	s->fates[cookie] = may_still_commit ? UNKNOWN : REFUSED;
	if (may_still_commit)
		s->counts.unknown++;
	else
		s->counts.refused++;
}

static void on_restored(void *ctx)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	int64_t index = quorum_applied_index(n->q);
	const struct agreed *a = NULL;

	s->counts.installs++;
	HOLDS(s, index > n->applied);
	n->applied = index;
	while (index && !a)
		a = map_find_i64(&s->agreed, index--);
	HOLDS(s, a && a->state == state_of(s, n->q));
}

static void on_role(void *ctx, enum quorum_role role, int64_t term,
		    int32_t leader)
{
	struct node *n = ctx;
	struct sim *s = n->sim;
	intptr_t known;

	if (role != QUORUM_LEADER)
		return;
	HOLDS(s, leader == n->id);
	known = (intptr_t)map_find_i64(&s->leaders, term);
	HOLDS(s, !known || known == n->id + 1);
	if (!known)
		s->counts.elections++;
	map_put_i64(&s->leaders, term, (void *)(intptr_t)(n->id + 1));
}

/* ---- nodes --------------------------------------------------------------- */

static void addresses(struct sim *s, struct quorum_peer *peers)
{
	static char text[SIM_NODES_MAX][24];

	for (int i = 0; i < s->config.founders; i++) {
		snprintf(text[i], sizeof(text[i]), "node%d:9", i);
		peers[i] = (struct quorum_peer){ i, text[i] };
	}
}

int sim_try_start(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];
	struct quorum_peer peers[SIM_NODES_MAX];
	struct quorum_config c = {
		.id = node,
		.peers = node < s->config.founders ? peers : NULL,
		.peers_n = s->config.founders,
		.disk = disk_mem_disk(n->disk),
		.queue = 7,
		.seed = prng_next(&s->prng),
		.now_ms = sim_now_ms(s),
		.election_timeout_ms = s->config.election_timeout_ms,
		.heartbeat_ms = s->config.heartbeat_ms,
		.snapshot_entries = s->config.snapshot_entries,
		.trailing_entries = s->config.trailing_entries,
		.hash_entries = s->config.hash_entries,
		.hooks = { n, on_send, on_give, on_applied, on_dropped,
			   on_restored, on_role, NULL },
	};
	int rc;

	assert(!n->q);
	addresses(s, peers);
	rc = quorum_open(&n->q, &c);
	if (rc)
		return rc;
	if (s->config.segment_bytes)
		n->q->entries.segment_bytes = s->config.segment_bytes;
	n->applied = quorum_applied_index(n->q);
	n->busy_us = n->tick_us = 0;
	turn_begin(n);
	turn_end(n);
	return 0;
}

void sim_start(struct sim *s, int node)
{
	HOLDS(s, sim_try_start(s, node) == 0);
}

/* Its jobs come back unrun, and nothing planned for it happens. */
static void forget_events(struct sim *s, int node)
{
	for (size_t i = 0; i < s->heap_n; i++) {
		struct event *e = &s->heap[i];

		if (e->node == node && e->job) {
			e->job->done(e->job);
			e->job = NULL;
		}
	}
}

/* What a dead process had promised: nobody will ever know. */
static void orphan(struct sim *s, struct waitings *waiting)
{
	while (waiting->n) {
		struct waiting w = waitings_pop(waiting);

		if (w.cookie)
			s->fates[w.cookie] = UNKNOWN;
		if (w.done)
			mem_free(w.ctx);
	}
}

void sim_crash(struct sim *s, int node, enum disk_mem_crash how,
	       bool peers_notice)
{
	struct node *n = &s->nodes[node];

	if (!n->q)
		return;
	s->counts.crashes++;
	disk_mem_crash(n->disk, how);
	orphan(s, &n->q->flight);
	orphan(s, &n->q->gathering);
	orphan(s, &n->q->reads);
	quorum_close(n->q);
	n->q = NULL;
	forget_events(s, node);
	n->life++;
	n->doomed = false;
	for (int i = 0; i < s->nodes_n && peers_notice; i++)
		if (i != node && s->nodes[i].q && !s->cut[node][i])
			plan(s, s->now_us + s->net.delay_us + below(s, 2000),
			     LOST, i)->from = node;
}

void sim_wipe(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];

	assert(!n->q);
	disk_mem_free(n->disk);
	n->disk = disk_mem_new(prng_next(&s->prng));
}

void sim_crash_in_job(struct sim *s, int node)
{
	s->nodes[node].doomed = s->nodes[node].q != NULL;
}

struct sim *sim_new(const struct sim_config *c)
{
	struct sim *s = mem_zalloc(sizeof(*s));

	s->config = *c;
	prng_init(&s->prng, c->seed);
	s->nodes_n = c->founders + c->joiners;
	assert(s->nodes_n <= SIM_NODES_MAX);
	s->now_us = 1000000;
	s->net = (struct sim_net){ .delay_us = 200, .jitter_us = 300 };
	for (int i = 0; i < s->nodes_n; i++) {
		struct node *n = &s->nodes[i];

		*n = (struct node){ .sim = s, .id = i, .life = 1 };
		n->disk = disk_mem_new(prng_next(&s->prng));
	}
	return s;
}

void sim_free(struct sim *s)
{
	for (int i = 0; i < s->nodes_n; i++) {
		if (s->nodes[i].q)
			sim_crash(s, i, DISK_MEM_KEEP, false);
		disk_mem_free(s->nodes[i].disk);
	}
	while (s->heap_n) {
		struct event e = pop(s);

		buf_fini(&e.frame);
	}
	for (struct map_iter i = map_first(&s->agreed); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&s->agreed);
	map_fini(&s->leaders);
	mem_free(s->heap);
	mem_free(s->fates);
	mem_free(s);
}

struct quorum *sim_node(struct sim *s, int node)
{
	return s->nodes[node].q;
}

struct disk_mem *sim_disk(struct sim *s, int node)
{
	return s->nodes[node].disk;
}

struct prng *sim_prng(struct sim *s)
{
	return &s->prng;
}

struct sim_net *sim_net(struct sim *s)
{
	return &s->net;
}

struct sim_counts sim_counts(const struct sim *s)
{
	return s->counts;
}

int64_t sim_acked_index(const struct sim *s)
{
	return s->acked_index;
}

int sim_last_change_error(const struct sim *s)
{
	return s->change_error;
}

void sim_cut(struct sim *s, int a, int b, bool on)
{
	s->cut[a][b] = s->cut[b][a] = on;
}

bool sim_leads(struct sim *s, int node)
{
	struct quorum *q = s->nodes[node].q;

	return q && quorum_role(q) == QUORUM_LEADER;
}

void sim_heal(struct sim *s)
{
	memset(s->cut, 0, sizeof(s->cut));
	for (int i = 0; i < s->nodes_n; i++)
		s->nodes[i].doomed = false;
	s->net = (struct sim_net){ .delay_us = 200, .jitter_us = 300 };
}

/* ---- running ------------------------------------------------------------- */

static void run_job(struct sim *s, struct node *n, struct event *e)
{
	bool dies = n->doomed;

	if (dies)
		disk_mem_cut_power(n->disk, (uint64_t)below(s, 6));
	e->job->run(e->job);
	plan(s, s->now_us + 20, DONE, n->id)->job = e->job;
	e->job = NULL;
	if (dies)
		sim_crash(s, n->id, (enum disk_mem_crash)below(
				  s, DISK_MEM_CRASHES), chance(s, 50));
}

static void happen(struct sim *s, struct event *e)
{
	struct node *n = &s->nodes[e->node];

	if (!n->q || e->life != n->life)
		return;
	if (e->kind == JOB) { /* on another thread */
		run_job(s, n, e);
		return;
	}
	if (e->kind == TICK) {
		if (e->at_us != n->tick_us)
			return; /* an earlier plan */
		n->tick_us = 0;
	}
	turn_begin(n);
	if (e->kind == FRAME)
		quorum_receive(n->q, e->from,
			       (struct bytes){ e->frame.p,
					       (int32_t)e->frame.n });
	else if (e->kind == DONE)
		e->job->done(e->job);
	else if (e->kind == LOST)
		quorum_peer_lost(n->q, e->from);
	turn_end(n);
}

static bool run_one(struct sim *s, int64_t until_us)
{
	struct event e;

	if (!s->heap_n || s->heap[0].at_us > until_us)
		return false;
	e = pop(s);
	s->now_us = e.at_us;
	happen(s, &e);
	buf_fini(&e.frame);
	return true;
}

void sim_run(struct sim *s, int64_t ms)
{
	int64_t until_us = s->now_us + ms * 1000;

	while (run_one(s, until_us))
		;
	s->now_us = until_us;
}

bool sim_run_until(struct sim *s, int64_t ms,
		   bool (*holds)(struct sim *s, void *arg), void *arg)
{
	int64_t until_us = s->now_us + ms * 1000;

	while (!holds(s, arg))
		if (!run_one(s, until_us))
			return false;
	return true;
}

int sim_leader(struct sim *s)
{
	int best = -1;
	int64_t term = 0;

	for (int i = 0; i < s->nodes_n; i++) {
		struct quorum *q = s->nodes[i].q;

		if (q && quorum_role(q) == QUORUM_LEADER &&
		    quorum_term(q) > term) {
			term = quorum_term(q);
			best = i;
		}
	}
	return best;
}

bool sim_has_leader(struct sim *s, void *unused)
{
	int leader = sim_leader(s);

	(void)unused;
	return leader >= 0 && s->nodes[leader].q->own_term_applied;
}

static bool is_member(struct quorum *q, int node)
{
	for (int i = 0; i < quorum_members_n(q); i++)
		if (quorum_member_at(q, i).id == node)
			return true;
	return false;
}

bool sim_settled(struct sim *s, void *unused)
{
	int leader = sim_leader(s);
	int64_t applied;

	if (!sim_has_leader(s, unused))
		return false;
	applied = quorum_applied_index(s->nodes[leader].q);
	if (applied < s->acked_index ||
	    applied < quorum_last_index(s->nodes[leader].q))
		return false;
	for (int i = 0; i < s->nodes_n; i++) {
		struct quorum *q = s->nodes[i].q;

		if (!q || !is_member(s->nodes[leader].q, i))
			continue;
		if (quorum_applied_index(q) != applied)
			return false;
		HOLDS(s, state_of(s, q) ==
			 state_of(s, s->nodes[leader].q));
	}
	return true;
}

/* ---- what clients do ----------------------------------------------------- */

void sim_receive(struct sim *s, int node, int from, struct bytes frame)
{
	struct node *n = &s->nodes[node];

	turn_begin(n);
	quorum_receive(n->q, from, frame);
	turn_end(n);
}

void sim_propose(struct sim *s, int node, int32_t extra_bytes)
{
	struct node *n = &s->nodes[node];
	struct buf b = { 0 };
	uint64_t cookie;

	if (!n->q)
		return;
	cookie = ++s->cookies;
	if (cookie >= s->fates_cap) {
		size_t cap = s->fates_cap ? s->fates_cap * 2 : 1024;

		s->fates = mem_realloc(s->fates, cap);
		memset(s->fates + s->fates_cap, 0, cap - s->fates_cap);
		s->fates_cap = cap;
	}
	s->counts.proposed++;
	sim_command(&b, &s->prng, cookie, extra_bytes);
	turn_begin(n);
	quorum_propose(n->q, QUORUM_TO_COORD,
		       (struct bytes){ b.p, (int32_t)b.n }, cookie);
	turn_end(n);
	buf_fini(&b);
}

struct read {
	struct node *n;
	int64_t acked_index;
};

static void on_read(void *ctx, bool ok)
{
	struct read *r = ctx;

	if (ok) {
		r->n->sim->counts.reads_ok++;
		HOLDS(r->n->sim,
		      quorum_applied_index(r->n->q) >= r->acked_index);
	}
	mem_free(r);
}

void sim_read(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];
	struct read *r;

	if (!n->q)
		return;
	r = mem_alloc(sizeof(*r));
	*r = (struct read){ n, s->acked_index };
	s->counts.reads++;
	turn_begin(n);
	quorum_read(n->q, on_read, r);
	turn_end(n);
}

static void on_changed(void *ctx, int error)
{
	struct sim *s = ctx;

	s->change_error = error;
	if (!error)
		s->counts.changes_ok++;
}

void sim_change(struct sim *s, enum quorum_change_kind kind, int node)
{
	struct node *n;
	char address[24];
	int leader = sim_leader(s);

	s->change_error = -EINPROGRESS;
	if (leader < 0)
		return;
	n = &s->nodes[leader];
	snprintf(address, sizeof(address), "node%d:9", node);
	turn_begin(n);
	quorum_change(n->q, &(struct quorum_change){ kind, node, address,
						     on_changed, s });
	turn_end(n);
}

/* ---- log matching -------------------------------------------------------- */

static void compare_two(struct sim *s, const struct tail *a,
			const struct tail *b)
{
	int64_t first = max_of(a->first, b->first);
	int64_t end = min_of(tail_next(a), tail_next(b));
	bool same = false;

	/* from the end: once index and term agree, all before must agree */
	for (int64_t i = end - 1; i >= first; i--) {
		const struct entry *x = tail_get(a, i), *y = tail_get(b, i);

		same = same || x->term == y->term;
		if (!same)
			continue;
		HOLDS(s, x->term == y->term && x->type == y->type &&
			 x->n == y->n &&
			 memcmp(x->data, y->data, (size_t)x->n) == 0);
	}
}

void sim_compare_logs(struct sim *s)
{
	for (int i = 0; i < s->nodes_n; i++)
		for (int j = 0; j < i; j++)
			if (s->nodes[i].q && s->nodes[j].q)
				compare_two(s, &s->nodes[i].q->tail,
					    &s->nodes[j].q->tail);
}
