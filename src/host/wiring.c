/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wiring: the quorum on thread 0, between its hooks, the broker, the links to
 * other nodes and the address book. Not a part of the protocol: it moves calls.
 */
#include "clock.h"
#include "node.h"

#define QUEUE_OF_QUORUM 0x71756f72u /* its ordered jobs on the pool */

/* ---- the address book ---------------------------------------------------- */

struct entry { /* travels to each thread */
	int32_t node;
	int32_t port;
	char *host;
};

static void deliver_address(void *owner, void *body)
{
	struct thread *t = owner;
	struct entry *e = body;

	links_address(&t->links, e->node, e->host, e->port);
	mem_free(e->host);
	mem_free(e);
}

static void publish(struct node *n, int32_t id, const char *host, int32_t port)
{
	const struct endpoint *known =
		map_find_i64(&n->threads[0].links.addresses, id);

	if (id == n->plan->id || !host || !*host ||
	    (known && known->port == port && !strcmp(known->host, host)))
		return;
	links_address(&n->threads[0].links, id, host, port);
	links_keep(&n->threads[0].links, id, HELLO_QUORUM);
	for (int i = 1; i < n->threads_n; i++) {
		struct entry *e = mem_zalloc(sizeof(*e));

		*e = (struct entry){ id, port, mem_strdup(host) };
		thread_post(&n->threads[i], deliver_address, e);
	}
}

static void publish_text(struct node *n, int32_t id, const char *address)
{
	struct arena a = { 0 };
	struct endpoint e;
	const char *why;

	if (endpoint_parse(str_of(address), false, &e, &a, &why)) {
		publish(n, id, e.host, e.port);
		endpoint_fini(&e);
	} else {
		trace_error("node", "a member's address is none",
			    "node=%d why=\"%s\"", (int)id, why);
	}
	arena_fini(&a);
}

void node_met(struct node *n, int32_t id, const char *address)
{
	if (*address && !links_knows(&n->threads[0].links, id))
		publish_text(n, id, address);
}

void node_addresses(struct node *n)
{
	const struct cluster *c = n->quorum ? quorum_cluster(n->quorum) : NULL;

	for (int i = 0; i < n->plan->peers_n; i++)
		if (!c || !cluster_broker(c, n->plan->peers[i].id))
			publish_text(n, n->plan->peers[i].id,
				     n->plan->peers[i].address);
	if (!n->quorum)
		return;
	for (int i = 0; i < quorum_members_n(n->quorum); i++) {
		struct quorum_member m = quorum_member_at(n->quorum, i);

		if (!cluster_broker(c, m.id))
			publish_text(n, m.id, m.address);
	}
	/* what a broker registered is the newest word */
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i)) {
		const struct broker_info *b = i.value;

		publish(n, b->id, b->peer_host, b->peer_port);
	}
}

bool node_knows(void *node, int32_t peer)
{
	struct node *n = node;
	int members = quorum_members_n(n->quorum);

	for (int i = 0; i < members; i++)
		if (quorum_member_at(n->quorum, i).id == peer)
			return true;
	for (int i = 0; members == 0 && i < n->plan->peers_n; i++)
		if (n->plan->peers[i].id == peer)
			return true;
	if (members == 0 && n->plan->join.host)
		return true; /* whoever brings us the agreed log */
	return cluster_broker(quorum_cluster(n->quorum), peer) != NULL;
}

struct uuid node_cluster_id(void *node)
{
	const struct node *n = node;
	struct uuid id = quorum_cluster(n->quorum)->id;

	return uuid_is_zero(id) ? n->dir.cluster : id;
}

/* ---- hooks --------------------------------------------------------------- */

static void on_send(void *ctx, int32_t peer, struct bytes frame, bool bulk)
{
	struct node *n = ctx;

	links_send(&n->threads[0].links, peer,
		   bulk ? HELLO_BULK : HELLO_QUORUM, frame);
}

static void on_give(void *ctx, struct job *j)
{
	struct node *n = ctx;

	thread_give(&n->threads[0], j);
}

struct identity {
	struct uuid cluster;
};

static void deliver_identity(void *owner, void *body)
{
	struct thread *t = owner;
	struct identity *i = body;

	t->links.self.cluster = i->cluster;
	mem_free(i);
}

/* The cluster has, or already had, an id: ours must be the same. */
static void check_identity(struct node *n)
{
	struct uuid id = quorum_cluster(n->quorum)->id;
	char ours[UUID_TEXT_MAX], theirs[UUID_TEXT_MAX];
	int rv;

	if (uuid_is_zero(id) || uuid_eq(id, n->dir.cluster))
		return;
	uuid_text(id, theirs);
	uuid_text(n->dir.cluster, ours);
	rv = datadir_set_cluster(&n->dir, id);
	if (rv == -EPERM) {
		trace_error("node", "this data directory belongs to another "
				    "cluster", "dir=%s cluster=%s peers=%s",
			    n->dir.path, ours, theirs);
		node_close(n, 2);
		return;
	}
	if (rv < 0)
		fatal("%s/meta cannot be written: %s", n->dir.path,
		      strerror(-rv));
	for (int i = 0; i < n->threads_n; i++)
		thread_post(&n->threads[i], deliver_identity,
			    mem_dup(&(struct identity){ id },
				    sizeof(struct identity)));
}

static void react(struct node *n, const struct cluster_effects *e)
{
	bool brokers = false, limits = false;

	for (int32_t i = 0; i < e->changes_n; i++) {
		enum cluster_change_kind kind = e->changes[i].kind;

		brokers |= kind == CLUSTER_BROKER_CHANGED;
		limits |= kind == CLUSTER_SETTINGS_CHANGED;
		if (kind == CLUSTER_BOOTSTRAPPED)
			check_identity(n);
	}
	if (brokers)
		node_addresses(n);
	if (limits)
		node_limits(n);
}

static void on_applied(void *ctx, const struct quorum_applied *e)
{
	struct node *n = ctx;

	if (e->cluster_effects)
		react(n, e->cluster_effects);
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

	check_identity(n);
	node_addresses(n);
	node_limits(n);
	broker_restored(n->threads[0].broker, quorum_cluster(n->quorum),
			quorum_coord(n->quorum));
}

static void on_role_changed(void *ctx, enum quorum_role role, int64_t term,
			    int32_t leader)
{
	struct node *n = ctx;
	int32_t old = n->last_leader;

	trace_info("quorum", "role", "role=%s term=%" PRId64 " leader=%d",
		   role == QUORUM_LEADER ? "leader"
		   : role == QUORUM_CANDIDATE ? "candidate" : "follower",
		   term, (int)leader);
	if (leader >= 0)
		n->last_leader = leader;
	broker_role_changed(n->threads[0].broker, role == QUORUM_LEADER, term,
			    leader, old);
	if (n->state == NODE_HANDING_OVER && leader >= 0 &&
	    leader != n->plan->id)
		node_close(n, 0);
}

static void on_members_changed(void *ctx)
{
	node_addresses(ctx);
}

int node_open_quorum(struct node *n)
{
	const struct node_settings *s = n->settings;
	char own[QUORUM_ADDRESS_MAX] = "127.0.0.1:1"; /* nobody dials it */
	struct quorum_peer alone = { n->plan->id, own };
	struct quorum_config c = {
		.id = n->plan->id,
		.peers = n->plan->alone ? &alone
		       : n->plan->peers_n ? n->plan->peers : NULL,
		.peers_n = n->plan->alone ? 1 : n->plan->peers_n,
		.disk = n->disk,
		.queue = QUEUE_OF_QUORUM,
		.seed = clock_entropy(),
		.now_ms = clock_now_ms(),
		.election_timeout_ms = (int32_t)setting_number(
			s->values[SETTING_QUORUM_ELECTION_TIMEOUT_MS]),
		.heartbeat_ms = (int32_t)setting_number(
			s->values[SETTING_QUORUM_HEARTBEAT_INTERVAL_MS]),
		.snapshot_entries = setting_number(
			s->values[SETTING_QUORUM_SNAPSHOT_ENTRIES]),
		.snapshot_bytes = setting_number(
			s->values[SETTING_QUORUM_SNAPSHOT_BYTES]),
		.hooks = { .ctx = n, .send = on_send, .give = on_give,
			   .applied = on_applied, .dropped = on_dropped,
			   .restored = on_restored,
			   .role_changed = on_role_changed,
			   .members_changed = on_members_changed },
	};
	struct buf b = { 0 };

	if (n->plan->alone && n->plan->peer_advertised.host) {
		endpoint_print(&b, n->plan->peer_advertised.host,
			       n->plan->peer_advertised.port);
		alone.address = arena_printf(&n->arena, "%s", buf_c(&b));
		buf_fini(&b);
	}
	return quorum_open(&n->quorum, &c);
}

/* ---- what the broker sees of the quorum ---------------------------------- */

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
	quorum_read(((struct node *)ctx)->quorum, done, arg);
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

struct quorum_view node_quorum_view(struct node *n)
{
	return (struct quorum_view){
		.ctx = n, .is_leader = view_is_leader, .leader = view_leader,
		.term = view_term, .read = view_read,
		.transfer = view_transfer, .members = view_members,
		.commit_index = view_commit,
	};
}

/* ---- calls of thread 0 --------------------------------------------------- */

void node_propose(struct node *n, int target, struct bytes command,
		  uint64_t cookie)
{
	quorum_propose(n->quorum, (enum quorum_target)target, command, cookie);
}

void node_frame(struct node *n, int32_t peer, struct bytes frame)
{
	if (n->state != NODE_CLOSING)
		quorum_receive(n->quorum, peer, frame);
}

void node_turn_begin(struct node *n, int64_t now_ms)
{
	n->peers.now_ms = now_ms;
	if (n->quorum && n->threads[0].broker)
		quorum_tick(n->quorum, now_ms);
}

void node_turn_end(struct node *n)
{
	if (n->quorum && n->threads[0].broker)
		quorum_turn_end(n->quorum);
}

int64_t node_next_tick(const struct node *n)
{
	return n->quorum ? quorum_next_tick(n->quorum) : -1;
}

struct loss {
	int32_t peer;
};

static void deliver_loss(void *owner, void *body)
{
	struct thread *t = owner;
	struct loss *l = body;
	struct node *n = t->node;

	if (n->quorum && t->broker && n->state != NODE_CLOSING) {
		quorum_peer_lost(n->quorum, l->peer);
		broker_peer_lost(t->broker, l->peer);
	}
	mem_free(l);
}

void node_peer_lost(struct node *n, int32_t peer)
{
	/* by mail even on thread 0: links are in the middle of something */
	thread_post(&n->threads[0], deliver_loss,
		    mem_dup(&(struct loss){ peer }, sizeof(struct loss)));
}
