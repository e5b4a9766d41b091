/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heartbeats: BrokerRegistration, BrokerHeartbeat and UnregisterBroker at the
 * quorum leader. A heartbeat itself is not agreed on: it resets a timer. What
 * follows from it is: a broker that is caught up is unfenced, one that stops
 * is drained. KIP-500, 631, 966.
 */
#include "control.h"
#include "coordinator.h"

enum { TIMEOUT_MS = 5000 };

struct newcomer { /* a broker that wants something */
	int64_t epoch;
	int64_t goal;   /* it is caught up when it has applied this */
	bool fenced;    /* when it was last heard */
	bool proposing; /* a change of its state is under way */
};

/* ---- registration -------------------------------------------------------- */

static void registration_late(struct request *rq, int16_t error)
{
	struct broker_registration_response *out = rq->out;

	out->error_code = error;
}

static void registered(struct broker *b, struct request *rq, void *result)
{
	const struct broker_registration_request *in = rq->in;
	struct broker_registration_response *out = result;

	rq->out = out;
	if (out->error_code == K_NONE)
		liveness_heard(b->control->liveness, in->broker_id,
			       out->broker_epoch, b->now_ms);
}

static void split_listeners(const struct broker_registration_request *in,
			    struct arena *a,
			    struct register_broker_command *m)
{
	m->listeners = arena_alloc(a, (size_t)max_of(in->listeners_n, 1) *
				      sizeof(*m->listeners));
	for (int32_t i = 0; i < in->listeners_n; i++) {
		const struct broker_registration_request_listener *l =
			&in->listeners[i];

		if (str_eq_c(l->name, PEER_LISTENER)) {
			m->peer_host = l->host;
			m->peer_port = l->port;
			continue;
		}
		m->listeners[m->listeners_n++] =
			(struct register_broker_command_listener){
				l->name, l->host, l->port,
				l->security_protocol };
	}
}

static void split_features(const struct broker_registration_request *in,
			   struct register_broker_command *m)
{
	for (int32_t i = 0; i < in->features_n; i++) {
		if (!str_eq_c(in->features[i].name, LEVEL_FEATURE))
			continue;
		m->level_min = in->features[i].min_supported_version;
		m->level_max = in->features[i].max_supported_version;
	}
}

static bool is_other_cluster(const struct broker *b, struct str id)
{
	struct uuid theirs;

	if (id.n <= 0 || uuid_is_zero(b->cluster->id))
		return false;
	return !uuid_parse(id, &theirs) || !uuid_eq(theirs, b->cluster->id);
}

/*
 * Two processes cannot share a data directory, so one that comes with the
 * directory of its predecessor is the proof that the other is gone.
 */
static bool has_living_double(const struct broker *b,
			      const struct broker_registration_request *in,
			      struct uuid directory)
{
	const struct broker_info *old = cluster_broker(b->cluster,
						       in->broker_id);

	return old && !uuid_eq(old->directory, directory) &&
	       liveness_is_alive(b->control->liveness, in->broker_id,
				 b->now_ms);
}

void handle_broker_registration(struct broker *b, struct request *rq)
{
	const struct broker_registration_request *in = rq->in;
	struct broker_registration_response *out = rq->out;
	struct register_broker_command m;

	wire_preset(&register_broker_command_type, &m);
	if (!b->control->active || uuid_is_zero(b->cluster->id))
		out->error_code = K_NOT_CONTROLLER;
	else if (rq->peer != in->broker_id)
		out->error_code = K_CLUSTER_AUTHORIZATION_FAILED;
	else if (is_other_cluster(b, in->cluster_id))
		out->error_code = K_INCONSISTENT_CLUSTER_ID;
	if (out->error_code) {
		broker_answer(b, rq);
		return;
	}
	m.broker_id = in->broker_id;
	m.incarnation = in->incarnation_id;
	if (in->log_dirs_n > 0)
		m.directory = in->log_dirs[0];
	m.previous_epoch = in->previous_broker_epoch;
	m.rack = in->rack;
	split_listeners(in, &rq->arena, &m);
	split_features(in, &m);
	m.alive = has_living_double(b, in, m.directory);
	m.brokers_max = (int32_t)broker_number(b, SETTING_MAX_BROKERS);
	control_admit(b, rq, &(struct admission){
		&register_broker_command_type, &m, TIMEOUT_MS, registered,
		registration_late });
}

/* ---- heartbeats ---------------------------------------------------------- */

void heartbeats_forget(struct broker *b)
{
	struct map *m = &b->control->newcomers;

	for (struct map_iter i = map_first(m); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(m);
}

static struct newcomer *newcomer_of(struct broker *b,
				    const struct broker_info *info)
{
	struct map *m = &b->control->newcomers;
	struct newcomer *n = map_find_i64(m, info->id);

	if (!n) {
		n = mem_zalloc(sizeof(*n));
		n->epoch = -1;
		map_put_i64(m, info->id, n);
	}
	if (n->epoch != info->epoch)
		*n = (struct newcomer){ .epoch = info->epoch,
					.goal = b->cluster->applied,
					.fenced = info->fenced };
	/* one that comes back has to see first what it has lost meanwhile */
	if (info->fenced && !n->fenced)
		n->goal = b->cluster->applied;
	n->fenced = info->fenced;
	return n;
}

/* The next heartbeat looks again, whatever came of it. */
static void on_changed(struct broker *b, void *ctx, const struct proposed *p)
{
	struct newcomer *n = map_find_i64(&b->control->newcomers,
					  (intptr_t)ctx);

	(void)p;
	if (n)
		n->proposing = false;
}

static void change(struct broker *b, struct newcomer *n,
		   struct set_broker_state_command *m)
{
	if (n->proposing)
		return;
	n->proposing = true;
	propose_cluster(b, &set_broker_state_command_type, m, on_changed,
			(void *)(intptr_t)m->broker_id);
}

/* What the cluster should know after this heartbeat. */
static void consider(struct broker *b, const struct broker_info *info,
		     const struct broker_heartbeat_request *in,
		     struct broker_heartbeat_response *out)
{
	struct set_broker_state_command m = { .broker_id = info->id,
					      .broker_epoch = info->epoch };
	struct newcomer *n = newcomer_of(b, info);

	out->is_caught_up = in->current_metadata_offset >= n->goal;
	if (in->want_shut_down && !info->stopping)
		m.stopping = true;
	if (in->want_fence && !info->fenced)
		m.fence = 1;
	else if (!in->want_fence && !in->want_shut_down && info->fenced &&
		 !info->stopping && out->is_caught_up)
		m.fence = 2;
	if (m.stopping || m.fence)
		change(b, n, &m);
}

/* Nothing is left that somebody else could lead, now or soon. */
static bool has_handed_over(const struct broker *b, int32_t id)
{
	for (struct map_iter i = map_first(&b->cluster->topics); i.at;
	     map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct partition *p = &t->partitions[k];

			for (int32_t r = 0;
			     p->leader == id && r < p->replicas.n; r++)
				if (p->replicas.v[r] != id &&
				    cluster_broker_active(b->cluster,
							  p->replicas.v[r]))
					return false;
		}
	}
	return true;
}

/* We still led after the heartbeat had come: what we say is true. */
static void answer_heartbeat(struct broker *b, struct request *rq, bool ok)
{
	const struct broker_heartbeat_request *in = rq->in;
	struct broker_heartbeat_response *out = rq->out;
	const struct broker_info *info = cluster_broker(b->cluster,
							in->broker_id);

	if (!ok || !b->control->active)
		out->error_code = K_NOT_CONTROLLER;
	else if (!info || info->epoch != in->broker_epoch)
		out->error_code = K_STALE_BROKER_EPOCH;
	else
		consider(b, info, in, out);
	/* the command may have been applied meanwhile: look again */
	info = cluster_broker(b->cluster, in->broker_id);
	out->is_fenced = !info || info->fenced;
	out->should_shut_down = info && info->stopping &&
				has_handed_over(b, in->broker_id);
	broker_answer(b, rq);
}

/*
 * The answer is a lease (membership.c), so a leader that was deposed while it
 * was stopped must not give it, least of all to itself: it asks the voters
 * first, one round trip for all heartbeats of a turn.
 */
void handle_broker_heartbeat(struct broker *b, struct request *rq)
{
	const struct broker_heartbeat_request *in = rq->in;
	struct broker_heartbeat_response *out = rq->out;
	const struct broker_info *info = cluster_broker(b->cluster,
							in->broker_id);

	if (!b->control->active)
		out->error_code = K_NOT_CONTROLLER;
	else if (rq->peer != in->broker_id)
		out->error_code = K_CLUSTER_AUTHORIZATION_FAILED;
	else if (!info || info->epoch < 0)
		out->error_code = K_BROKER_ID_NOT_REGISTERED;
	else if (info->epoch != in->broker_epoch)
		out->error_code = K_STALE_BROKER_EPOCH;
	if (out->error_code) {
		broker_answer(b, rq);
		return;
	}
	liveness_heard(b->control->liveness, info->id, info->epoch, b->now_ms);
	coordinator_read(b, rq, answer_heartbeat);
}

/* ---- UnregisterBroker ---------------------------------------------------- */

static void unregister_late(struct request *rq, int16_t error)
{
	struct unregister_broker_response *out = rq->out;

	out->error_code = error;
	out->error_message = str_of(kerr_text(error));
}

static void unregistered(struct broker *b, struct request *rq, void *result)
{
	(void)b;
	rq->out = result;
}

void handle_unregister_broker(struct broker *b, struct request *rq)
{
	const struct unregister_broker_request *in = rq->in;
	struct unregister_broker_command m = { in->broker_id };

	if (control_here(b, rq, TIMEOUT_MS, unregister_late))
		control_admit(b, rq, &(struct admission){
			&unregister_broker_command_type, &m, TIMEOUT_MS,
			unregistered, unregister_late });
}
