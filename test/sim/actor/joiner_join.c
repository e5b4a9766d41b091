/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joiner_join: from finding the coordinator to being told what to read, and
 * the heartbeats and the leaving.
 */
#include "joiner.h"

#include <stdio.h>

static void ask(struct joiner *m, enum api_key key, const void *body,
		caller_then then)
{
	if (key == API_HEARTBEAT)
		m->beating = true;
	else
		m->busy = true;
	caller_ask(&m->caller,
		   &(struct caller_ask){
			   .node = m->coordinator ? m->coordinator :
						    caller_any(&m->caller),
			   .key = (int16_t)key,
			   .body = body,
			   .timeout_ms = key == API_JOIN_GROUP ?
						 m->rebalance_ms + 5000 :
						 0,
			   .then = then,
			   .ctx = m });
}

/* True: nothing more is to be done with this answer. */
static bool is_useless(struct joiner *m, const struct answer *a,
		       enum joiner_state state)
{
	m->busy = false;
	if (m->state != state)
		return true;
	if (a->body)
		return false;
	joiner_lost(m);
	return true;
}

/* ---- FindCoordinator ----------------------------------------------------- */

static void on_found(void *ctx, const struct answer *a)
{
	struct joiner *m = ctx;
	const struct find_coordinator_response *r = a->body;
	int16_t code;
	int32_t node;

	if (is_useless(m, a, JOINER_FIND))
		return;
	code = r->error_code;
	node = r->node_id;
	if (a->version >= 4) {
		if (r->coordinators_n != 1) {
			world_violation(m->a->w, "FindCoordinator: %d answers",
					r->coordinators_n);
			return;
		}
		code = r->coordinators->error_code;
		node = r->coordinators->node_id;
	}
	if (joiner_erred(m, "FindCoordinator", code))
		return;
	if (node < 1 || node > world_nodes(m->a->w)) {
		world_violation(m->a->w, "FindCoordinator: node %d", node);
		return;
	}
	m->coordinator = node;
	/* a member of before goes on where it was */
	joiner_go(m, m->generation >= 0 && m->owned_n ? JOINER_STABLE :
							JOINER_JOIN,
		  1);
}

void joiner_find(struct joiner *m)
{
	struct find_coordinator_request rq;
	struct str key = str_of(m->group_name);

	wire_preset(&find_coordinator_request_type, &rq);
	rq.key = key;
	rq.coordinator_keys = &key;
	rq.coordinator_keys_n = 1;
	ask(m, API_FIND_COORDINATOR, &rq, on_found);
}

/* ---- JoinGroup ----------------------------------------------------------- */

static void sync_with(struct joiner *m, const struct join_group_response *r);

static bool take_id(struct joiner *m, struct str id)
{
	if (id.n <= 0 || id.n >= JOINER_ID_MAX) {
		world_violation(m->a->w, "JoinGroup: a member id of %d bytes",
				id.n);
		return false;
	}
	snprintf(m->id, sizeof(m->id), "%.*s", STR_ARG(id));
	return true;
}

static void on_joined(void *ctx, const struct answer *a)
{
	struct joiner *m = ctx;
	const struct join_group_response *r = a->body;

	if (is_useless(m, a, JOINER_JOIN))
		return;
	if (r->error_code == K_MEMBER_ID_REQUIRED) {
		cast_count_error(m->a, r->error_code);
		if (take_id(m, r->member_id))
			joiner_go(m, JOINER_JOIN, 1);
		return;
	}
	if (joiner_erred(m, "JoinGroup", r->error_code))
		return;
	if (r->generation_id < m->generation)
		world_violation(m->a->w, "JoinGroup: generation %d after %d",
				r->generation_id, m->generation);
	if (!take_id(m, r->member_id))
		return;
	m->generation = r->generation_id;
	sync_with(m, r);
}

void joiner_join(struct joiner *m)
{
	struct join_group_request rq;
	struct join_group_request_protocol p;
	struct buf b = { 0 };

	if (!m->coordinator) {
		joiner_go(m, JOINER_FIND, 1);
		return;
	}
	m->a->n.joins++;
	m->seen = joiner_topics_seen(m);
	joiner_subscribe(m, &b);
	wire_preset(&join_group_request_type, &rq);
	wire_preset(&join_group_request_protocol_type, &p);
	p.name = STR("range");
	p.metadata = (struct bytes){ b.p, (int32_t)b.n };
	rq.group_id = str_of(m->group_name);
	rq.session_timeout_ms = m->session_ms;
	rq.rebalance_timeout_ms = m->rebalance_ms;
	rq.member_id = str_of(m->id);
	rq.group_instance_id = joiner_instance(m);
	rq.protocol_type = STR("consumer");
	rq.protocols = &p;
	rq.protocols_n = 1;
	ask(m, API_JOIN_GROUP, &rq, on_joined);
	buf_fini(&b);
}

/* ---- SyncGroup ----------------------------------------------------------- */

static void own_all(struct joiner *m)
{
	struct actors *a = m->a;

	a->n.generations++;
	for (int i = 0; i < m->owned_n; i++) {
		int key = a->topics[m->owned[i].topic]
				  .keys[m->owned[i].partition];

		history_own(a->h, world_now_us(a->w),
			    &(struct history_own){
				    .process = cast_process(m->actor, key),
				    .group = m->group,
				    .generation = m->generation,
				    .key = key });
	}
}

static void on_synced(void *ctx, const struct answer *a)
{
	struct joiner *m = ctx;
	const struct sync_group_response *r = a->body;

	if (is_useless(m, a, JOINER_SYNC)) {
		/* lost: whether it is in the group it finds out by joining */
		if (m->state == JOINER_SYNC)
			m->state = JOINER_JOIN;
		return;
	}
	if (r->error_code) {
		m->state = JOINER_JOIN;
		joiner_erred(m, "SyncGroup", r->error_code);
		return;
	}
	if (!joiner_assigned(m, r->assignment)) {
		world_violation(m->a->w, "SyncGroup: not what was assigned");
		return;
	}
	own_all(m);
	joiner_go(m, JOINER_OFFSETS, 1);
}

static void send_sync(struct joiner *m, struct sync_group_request *rq)
{
	rq->group_id = str_of(m->group_name);
	rq->generation_id = m->generation;
	rq->member_id = str_of(m->id);
	rq->group_instance_id = joiner_instance(m);
	rq->protocol_type = STR("consumer");
	rq->protocol_name = STR("range");
	m->state = JOINER_SYNC;
	ask(m, API_SYNC_GROUP, rq, on_synced);
}

static void sync_with(struct joiner *m, const struct join_group_response *r)
{
	struct sync_group_request rq;
	struct arena arena = { 0 };

	wire_preset(&sync_group_request_type, &rq);
	if (str_eq_c(r->leader, m->id))
		joiner_assign(m, r, &rq, &arena);
	send_sync(m, &rq);
	arena_fini(&arena);
}

/* Only after an error: the assignment of before is not there any more. */
void joiner_sync(struct joiner *m)
{
	joiner_go(m, JOINER_JOIN, 1);
}

/* ---- Heartbeat ----------------------------------------------------------- */

static void on_beaten(void *ctx, const struct answer *a)
{
	struct joiner *m = ctx;
	const struct heartbeat_response *r = a->body;

	m->beating = false;
	if (m->state != JOINER_STABLE || m->rejoins)
		return;
	if (!r) {
		m->state = JOINER_FIND;
		joiner_lost(m);
		return;
	}
	if (r->error_code == K_NONE)
		return;
	if (kerr_is_retriable(r->error_code))
		m->state = JOINER_FIND;
	joiner_erred(m, "Heartbeat", r->error_code);
}

void joiner_beat(struct joiner *m)
{
	struct heartbeat_request rq;

	wire_preset(&heartbeat_request_type, &rq);
	rq.group_id = str_of(m->group_name);
	rq.generation_id = m->generation;
	rq.member_id = str_of(m->id);
	rq.group_instance_id = joiner_instance(m);
	ask(m, API_HEARTBEAT, &rq, on_beaten);
}

/* ---- LeaveGroup ---------------------------------------------------------- */

static void gone(struct joiner *m)
{
	m->state = JOINER_DEAD;
	m->generation = -1;
	wheel_disarm(&m->step);
	wheel_disarm(&m->beat);
	wheel_disarm(&m->commit);
	caller_quiet(&m->caller);
}

static void on_left(void *ctx, const struct answer *a)
{
	struct joiner *m = ctx;
	const struct leave_group_response *r = a->body;

	m->busy = false;
	if (r)
		cast_count_error(m->a, r->error_code);
	m->a->n.leaves++;
	gone(m);
}

/* A static member just goes; its place stays for a while. */
void joiner_leave(struct joiner *m)
{
	struct leave_group_request rq;
	struct leave_group_request_member who;

	if (m->committing || m->beating) {
		joiner_go(m, JOINER_LEAVE, 10);
		return;
	}
	intake_clear(&m->in);
	m->owned_n = 0;
	if (m->instance[0]) {
		gone(m);
		return;
	}
	wire_preset(&leave_group_request_type, &rq);
	wire_preset(&leave_group_request_member_type, &who);
	who.member_id = str_of(m->id);
	rq.group_id = str_of(m->group_name);
	rq.member_id = who.member_id;
	rq.members = &who;
	rq.members_n = 1;
	ask(m, API_LEAVE_GROUP, &rq, on_left);
}
