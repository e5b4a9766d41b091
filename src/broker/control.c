/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: thread 0, as it follows the quorum. Every committed command passes
 * here: shards are told, waiting requests looked at, proposals answered. And
 * what the quorum leader does by the clock: found the cluster, fence who is
 * silent, bring leaderships back to where they are preferred.
 *
 * 1. Shards hear of a command before anyone hears of its outcome, so whoever
 *    was answered sees it on every shard of this node.
 * 2. The leader acts only once it has applied all that was agreed before its
 *    term (active).
 */
#include "control.h"

#include "call.h"
#include "coordinator.h"

enum { LIVE_TICK_MS = 20, BALANCE_MAX = 1000 };

/* ---- founding ------------------------------------------------------------ */

/* "1@host:port, 2@host:port": what could not be read was refused at start. */
static int32_t parse_members(struct arena *a, const char *peers,
			     struct bootstrap_command_member **out)
{
	int32_t n = 0, cap = 1;
	struct bootstrap_command_member *v;

	for (const char *p = peers; *p; p++)
		cap += *p == ',';
	v = arena_zalloc(a, (size_t)cap * sizeof(*v));
	for (const char *p = peers; *p; p += *p == ',') {
		struct str item = { p, (int32_t)strcspn(p, ",") };
		const char *at = memchr(p, '@', (size_t)item.n);
		const char *colon = memrchr(p, ':', (size_t)item.n);
		int64_t id, port;

		p += item.n;
		while (item.n > 0 && item.p[0] == ' ') {
			item.p++;
			item.n--;
		}
		if (!at || !colon || colon < at ||
		    !str_to_i64((struct str){ item.p, (int32_t)(at - item.p) },
				0, INT32_MAX, &id) ||
		    !str_to_i64((struct str){ colon + 1,
				(int32_t)(item.p + item.n - colon - 1) },
				1, 65535, &port))
			continue;
		v[n++] = (struct bootstrap_command_member){
			(int32_t)id,
			{ at + 1, (int32_t)(colon - at - 1) }, (int32_t)port };
	}
	*out = v;
	return n;
}

/* What apply acts on comes from this node's file now, and never again. */
static int32_t agreed_settings(const struct broker *b, struct arena *a,
			       struct bootstrap_command_setting **out)
{
	const struct node_settings *n = b->node->settings;
	struct bootstrap_command_setting *v =
		arena_alloc(a, SETTING_COUNT * sizeof(*v));
	int32_t count = 0;

	for (int i = 0; i < SETTING_COUNT; i++)
		if ((settings[i].scope & SETTING_AGREED) &&
		    strcmp(n->sources[i], "default") != 0)
			v[count++] = (struct bootstrap_command_setting){
				str_of(settings[i].name),
				str_of(n->values[i]) };
	*out = v;
	return count;
}

static void found(struct broker *b)
{
	struct bootstrap_command m = { .cluster_id = prng_uuid(&b->prng) };
	struct arena a = { 0 };

	m.members_n = parse_members(&a, b->node->settings->values
						[SETTING_PEERS], &m.members);
	m.settings_n = agreed_settings(b, &a, &m.settings);
	propose_cluster(b, &bootstrap_command_type, &m, NULL, NULL);
	arena_fini(&a);
}

/* ---- the leader's clock -------------------------------------------------- */

static void fence(void *ctx, int32_t broker, int64_t epoch)
{
	struct broker *b = ctx;
	struct set_broker_state_command m = { .broker_id = broker,
					      .broker_epoch = epoch,
					      .fence = 1 };

	/* our own heartbeat is late because we are: others judge us */
	if (broker == b->node->id) {
		liveness_heard(b->control->liveness, broker, epoch, b->now_ms);
		return;
	}
	trace_warn("control", "broker is silent", "broker=%d epoch=%" PRId64,
		   broker, epoch);
	propose_cluster(b, &set_broker_state_command_type, &m, NULL, NULL);
}

static void on_live_timer(struct timer *t)
{
	struct control *c = container_of(t, struct control, live_timer);
	struct broker *b = c->broker;

	if (!c->active)
		return;
	liveness_tick(c->liveness, b->now_ms, fence, b);
	wheel_arm(b->wheel, t, b->now_ms + LIVE_TICK_MS);
}

static bool wants_back(const struct broker *b, const struct partition *p)
{
	int32_t first = p->replicas.v[0];

	return p->leader != first && int32s_has(&p->isr, first) &&
	       cluster_broker_active(b->cluster, first);
}

/* Some of a topic's partitions, as far as there is room for them. */
static int32_t list_imbalance(const struct broker *b, struct arena *a,
			      const struct topic *t, int32_t room,
			      struct elect_leaders_command_topic *out)
{
	out->name = str_of(t->name);
	out->partitions_n = 0;
	for (int32_t i = 0; i < t->partitions_n && out->partitions_n < room;
	     i++) {
		if (!wants_back(b, &t->partitions[i]))
			continue;
		if (!out->partitions_n)
			out->partitions = arena_alloc(
				a, (size_t)min_of(room, t->partitions_n) *
				   sizeof(*out->partitions));
		out->partitions[out->partitions_n++] = i;
	}
	return out->partitions_n;
}

static void balance(struct broker *b)
{
	struct elect_leaders_command m = { .type = 0 };
	int32_t room = BALANCE_MAX;
	struct arena a = { 0 };

	m.topics = arena_alloc(&a, BALANCE_MAX * sizeof(*m.topics));
	for (struct map_iter i = map_first(&b->cluster->topics);
	     i.at && room > 0; map_next(&i)) {
		int32_t n = list_imbalance(b, &a, i.value, room,
					   &m.topics[m.topics_n]);

		room -= n;
		m.topics_n += n > 0;
	}
	if (m.topics_n > 0)
		propose_cluster(b, &elect_leaders_command_type, &m, NULL,
				NULL);
	arena_fini(&a);
}

static void arm_balance(struct control *c)
{
	int64_t seconds = broker_number(
		c->broker, SETTING_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS);

	wheel_arm(c->broker->wheel, &c->balance_timer,
		  c->broker->now_ms + 1000 * seconds);
}

static void on_balance_timer(struct timer *t)
{
	struct control *c = container_of(t, struct control, balance_timer);
	struct broker *b = c->broker;

	if (!c->active)
		return;
	if (setting_bool(setting_of_broker(b->cluster, b->node->settings,
			 b->node->id, SETTING_AUTO_LEADER_REBALANCE_ENABLE)))
		balance(b);
	arm_balance(c);
}

/* ---- role ---------------------------------------------------------------- */

struct begin {
	struct broker *broker;
	uint64_t serial;
};

static void activate(struct broker *b)
{
	struct control *c = b->control;

	c->active = true;
	liveness_start(c->liveness, b->now_ms, c->old_leader);
	wheel_arm(b->wheel, &c->live_timer, b->now_ms + LIVE_TICK_MS);
	arm_balance(c);
	if (uuid_is_zero(b->cluster->id))
		found(b);
	forward_look(b);
	wishes_look(b);
	membership_poke(b);
}

static void on_caught_up(void *ctx, bool ok)
{
	struct begin *begin = ctx;
	struct broker *b = begin->broker;
	bool ours = begin->serial == b->control->serial;

	mem_free(begin);
	if (ours && ok)
		activate(b);
}

void broker_role_changed(struct broker *b, bool leader, int64_t term,
			 int32_t leader_id, int32_t old_leader)
{
	struct control *c = b->control;
	struct begin *begin;

	(void)term;
	relay_standing(b, b->lease_until_ms, leader_id);
	c->serial++;
	c->leads = leader;
	c->active = false;
	c->old_leader = old_leader == b->node->id ? -1 : old_leader;
	liveness_stop(c->liveness);
	wheel_disarm(&c->live_timer);
	wheel_disarm(&c->balance_timer);
	heartbeats_forget(b);
	coordinator_role(b, leader);
	if (leader) {
		begin = mem_alloc(sizeof(*begin));
		*begin = (struct begin){ b, c->serial };
		b->quorum.read(b->quorum.ctx, on_caught_up, begin);
	} else if (leader_id >= 0) {
		forward_look(b);
		wishes_look(b);
		membership_poke(b);
	}
}

void broker_peer_lost(struct broker *b, int32_t node)
{
	liveness_lost(b->control->liveness, node, b->now_ms);
}

/* ---- the agreed log ------------------------------------------------------ */

static bool is_founded_by(const struct cluster_effects *e)
{
	for (int32_t i = 0; i < e->changes_n; i++)
		if (e->changes[i].kind == CLUSTER_BOOTSTRAPPED)
			return true;
	return false;
}

void broker_applied(struct broker *b, const struct broker_entry *e)
{
	if (e->target == QUORUM_TO_CLUSTER) {
		relay_command(b, e->index, e->command);
		membership_applied(b);
		forward_caught_up(b);
		if (is_founded_by(e->cluster)) /* only now can one register */
			membership_poke(b);
	} else {
		coordinator_applied(b, e->coord);
	}
	if (e->cookie)
		proposals_applied(b, e->cookie, e->cluster, e->coord);
}

void broker_dropped(struct broker *b, uint64_t cookie, bool may_still_commit)
{
	proposals_dropped(b, cookie, may_still_commit);
}

void broker_restored(struct broker *b, const struct cluster *cluster,
		     const struct coord *coord)
{
	b->cluster = cluster;
	b->coord = coord;
	liveness_restored(b->control->liveness, cluster);
	relay_snapshot(b);
	coordinator_restored(b);
	membership_applied(b);
	forward_caught_up(b);
}

/* ---- opening, closing ---------------------------------------------------- */

int control_open(struct broker *b)
{
	struct control *c = mem_zalloc(sizeof(*c));

	b->control = c;
	c->broker = b;
	c->old_leader = -1;
	list_init(&c->forwards);
	list_init(&c->behind);
	list_init(&c->admissions);
	list_init(&c->calls);
	timer_init(&c->live_timer, on_live_timer);
	timer_init(&c->balance_timer, on_balance_timer);
	c->liveness = liveness_new(
		b->cluster, broker_number(b, SETTING_BROKER_SESSION_TIMEOUT_MS),
		broker_number(b, SETTING_BROKER_HEARTBEAT_INTERVAL_MS));
	b->proposals = proposals_new();
	b->coordinator = coordinator_new(b);
	c->wishes = wishes_new(b);
	c->membership = membership_new(b);
	return 0;
}

/* Who waits for something to be agreed on does not any more. */
void control_stop(struct broker *b)
{
	membership_stop(b->control->membership);
	coordinator_role(b, false);
	proposals_stop(b);
}

void control_close(struct broker *b)
{
	struct control *c = b->control;

	wheel_disarm(&c->live_timer);
	wheel_disarm(&c->balance_timer);
	heartbeats_forget(b);
	call_close(b);
	forward_close(b);
	admit_close(b);
	wishes_free(c->wishes);
	membership_free(c->membership);
	liveness_free(c->liveness);
	coordinator_free(b->coordinator);
	proposals_free(b->proposals);
	mem_free(c);
	b->control = NULL;
}
