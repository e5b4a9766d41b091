/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JoinGroup, SyncGroup, Heartbeat, LeaveGroup: the members' side of the classic
 * protocol. Decisions are agreed (coord); here requests become commands, wait,
 * and become answers.
 *
 * Rules: KIP-62, KIP-345, KIP-394, KIP-559, KIP-814.
 */
#include "coordinator.h"

/* Refused or lost: the client finds the coordinator anew and asks again. */
static enum kerr lost(const struct proposed *p)
{
	return p->error ? K_NOT_COORDINATOR : K_NONE;
}

/* "client-1-0f8f…": what Kafka's broker would draw. */
static struct str draw_member_id(struct broker *b, struct request *rq,
				 struct str prefix)
{
	struct uuid u = prng_uuid(&b->prng);
	const uint8_t *x = u.b;

	return str_printf(&rq->arena,
			  "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
			  "%02x%02x%02x%02x%02x%02x",
			  STR_ARG(prefix), x[0], x[1], x[2], x[3], x[4], x[5],
			  x[6], x[7], x[8], x[9], x[10], x[11], x[12], x[13],
			  x[14], x[15]);
}

/* Why a member that was here is not: it has a successor, or it is out. */
static enum kerr gone(const struct group *g, struct str instance_id)
{
	return group_static(g, instance_id) ? K_FENCED_INSTANCE_ID
					    : K_UNKNOWN_MEMBER_ID;
}

/* ---- JoinGroup ----------------------------------------------------------- */

static void refuse_join(struct broker *b, struct request *rq, enum kerr error,
			struct str member_id)
{
	struct join_group_response *out = rq->out;

	out->error_code = (int16_t)error;
	out->generation_id = -1;
	out->protocol_name = rq->header.version >= 7 ? STR_NULL : STR("");
	out->leader = STR("");
	out->member_id = member_id.n < 0 ? STR("") : member_id;
	broker_answer(b, rq);
}

static void list_members(struct join_group_response *out,
			 const struct group *g, struct arena *a)
{
	size_t n = map_count(&g->members);
	struct join_group_response_member *to =
		arena_zalloc(a, max_of(n, 1) * sizeof(*to));

	out->members = to;
	out->members_n = (int32_t)n;
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;

		to->member_id = str_of(m->id);
		to->group_instance_id = str_of(m->instance_id);
		to->metadata = member_metadata(m, g->protocol);
		if (to->metadata.n < 0)
			to->metadata.n = 0;
		to++;
	}
}

static void answer_join(struct broker *b, struct request *rq,
			const struct group *g, const struct member *m,
			const struct group_joined *j)
{
	struct join_group_response *out = rq->out;
	bool named = j && j->leader.n >= 0;

	out->generation_id = g->generation;
	out->protocol_type = str_of(g->protocol_type);
	out->protocol_name = str_of(g->protocol ? g->protocol : "");
	out->leader = named ? j->leader : str_of(g->leader ? g->leader : "");
	out->member_id = str_of(m->id);
	out->skip_assignment = j && j->skip_assignment;
	if (!named && g->leader && strcmp(g->leader, m->id) == 0)
		list_members(out, g, &rq->arena);
	sessions_heard(b->coordinator->sessions, str_of(g->id), str_of(m->id),
		       b->now_ms);
	broker_answer(b, rq);
}

static bool settle_join(struct broker *b, struct parked *p)
{
	const struct join_group_request *in = p->rq->in;
	const struct group *g = coord_group(b->coord, p->group);
	const struct member *m = g ? group_member_of(g, p->member) : NULL;

	if (!m) {
		refuse_join(b, p->rq, gone(g, in->group_instance_id),
			    p->member);
		return true;
	}
	if (m->awaiting_join)
		return false;
	if (g->state == GROUP_PREPARING_REBALANCE)
		refuse_join(b, p->rq, K_REBALANCE_IN_PROGRESS, p->member);
	else
		answer_join(b, p->rq, g, m, NULL);
	return true;
}

static void fail_join(struct broker *b, struct parked *p, enum kerr error)
{
	refuse_join(b, p->rq, error, p->member);
}

static void on_joined(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;
	const struct join_group_request *in = rq->in;
	const struct group_joined *j = lost(p) ? NULL : p->coord->result;
	const struct group *g = coord_group(b->coord, in->group_id);
	const struct member *m;
	struct parked *wait;

	if (!j || j->error_code) {
		refuse_join(b, rq, j ? (enum kerr)j->error_code : lost(p),
			    in->member_id);
		return;
	}
	m = group_member_of(g, j->member_id);
	if (m && !m->awaiting_join && g->state != GROUP_PREPARING_REBALANCE &&
	    (j->leader.n >= 0 || j->skip_assignment)) {
		answer_join(b, rq, g, m, j);
		return;
	}
	wait = arena_zalloc(&rq->arena, sizeof(*wait));
	wait->rq = rq;
	wait->group = in->group_id;
	wait->member = str_dup(&rq->arena, j->member_id);
	wait->settle = settle_join;
	wait->fail = fail_join;
	if (!settle_join(b, wait))
		coordinator_park(b, wait);
}

/* KIP-394: without this, clients that gave up waiting would leave ghosts. */
static bool hand_out_id(struct broker *b, struct request *rq,
			const struct group_join *j)
{
	const struct join_group_request *in = rq->in;
	struct sessions *s = b->coordinator->sessions;
	const struct group *g = coord_group(b->coord, in->group_id);
	int64_t most = broker_number(b, SETTING_GROUP_MAX_SIZE);
	int64_t n = sessions_pending(s, in->group_id) +
		    (g ? (int64_t)map_count(&g->members) : 0);
	struct str id;

	if (rq->header.version < 4 || in->member_id.n > 0 ||
	    in->group_instance_id.n >= 0)
		return false;
	if (n >= most) {
		refuse_join(b, rq, K_GROUP_MAX_SIZE_REACHED, in->member_id);
		return true;
	}
	if (!group_supports(g, j, NULL)) {
		refuse_join(b, rq, K_INCONSISTENT_GROUP_PROTOCOL,
			    in->member_id);
		return true;
	}
	id = draw_member_id(b, rq, rq->header.client_id);
	sessions_pend(s, in->group_id, id, in->session_timeout_ms, b->now_ms);
	refuse_join(b, rq, K_MEMBER_ID_REQUIRED, id);
	return true;
}

static enum kerr check_join(struct broker *b,
			    const struct join_group_request *in)
{
	enum kerr error = coordinator_check(b, in->group_id);

	if (error)
		return error;
	if (in->session_timeout_ms <
		    broker_number(b, SETTING_GROUP_MIN_SESSION_TIMEOUT_MS) ||
	    in->session_timeout_ms >
		    broker_number(b, SETTING_GROUP_MAX_SESSION_TIMEOUT_MS))
		return K_INVALID_SESSION_TIMEOUT;
	if (!coord_group(b->coord, in->group_id) &&
	    (int64_t)map_count(&b->coord->groups) >=
		    broker_number(b, SETTING_MAX_GROUPS))
		return K_COORDINATOR_NOT_AVAILABLE;
	return K_NONE;
}

static void fill_protocols(struct group_join *j,
			   const struct join_group_request *in,
			   struct arena *a)
{
	size_t n = (size_t)max_of(in->protocols_n, 0);

	j->protocols = arena_zalloc(a, max_of(n, 1) * sizeof(*j->protocols));
	j->protocols_n = (int32_t)n;
	for (size_t i = 0; i < n; i++) {
		j->protocols[i].name = in->protocols[i].name;
		j->protocols[i].metadata = in->protocols[i].metadata;
	}
}

void handle_join_group(struct broker *b, struct request *rq)
{
	const struct join_group_request *in = rq->in;
	struct sessions *s = b->coordinator->sessions;
	enum kerr error = check_join(b, in);
	struct str prefix = in->group_instance_id.n >= 0
		? in->group_instance_id : rq->header.client_id;
	struct group_join j = {
		.group_id = in->group_id,
		.member_id = in->member_id,
		.group_instance_id = in->group_instance_id,
		.client_id = rq->header.client_id.n < 0 ? STR("")
							: rq->header.client_id,
		.client_host = str_printf(&rq->arena, "/%s",
					  rq->host ? rq->host : ""),
		.session_timeout_ms = in->session_timeout_ms,
		.rebalance_timeout_ms = in->rebalance_timeout_ms,
		.protocol_type = in->protocol_type,
		.can_skip = rq->header.version >= 9,
		.size_max = (int32_t)broker_number(b, SETTING_GROUP_MAX_SIZE),
	};

	if (error) {
		refuse_join(b, rq, error, in->member_id);
		return;
	}
	fill_protocols(&j, in, &rq->arena);
	if (hand_out_id(b, rq, &j))
		return;
	if (rq->header.version == 0 || j.rebalance_timeout_ms < 0)
		j.rebalance_timeout_ms = in->session_timeout_ms;
	j.new_member_id = draw_member_id(b, rq, prefix);
	j.known = in->member_id.n > 0 &&
		  sessions_unpend(s, in->group_id, in->member_id);
	j.hold = sessions_pending(s, in->group_id) > 0;
	propose_coord(b, &group_join_type, &j, on_joined, rq);
}

/* ---- SyncGroup ----------------------------------------------------------- */

static void refuse_sync(struct broker *b, struct request *rq, enum kerr error)
{
	struct sync_group_response *out = rq->out;

	out->error_code = (int16_t)error;
	out->assignment = (struct bytes){ (const uint8_t *)"", 0 };
	broker_answer(b, rq);
}

static bool settle_sync(struct broker *b, struct parked *p)
{
	const struct sync_group_request *in = p->rq->in;
	struct sync_group_response *out = p->rq->out;
	const struct group *g = coord_group(b->coord, p->group);
	const struct member *m = g ? group_member_of(g, p->member) : NULL;

	if (!m) {
		refuse_sync(b, p->rq, gone(g, in->group_instance_id));
		return true;
	}
	if (g->state == GROUP_PREPARING_REBALANCE ||
	    g->generation != in->generation_id) {
		refuse_sync(b, p->rq, K_REBALANCE_IN_PROGRESS);
		return true;
	}
	if (g->state != GROUP_STABLE)
		return false;
	out->protocol_type = str_of(g->protocol_type);
	out->protocol_name = str_of(g->protocol);
	out->assignment = (struct bytes){ m->assignment, m->assignment_n };
	sessions_heard(b->coordinator->sessions, p->group, p->member,
		       b->now_ms);
	broker_answer(b, p->rq);
	return true;
}

static void fail_sync(struct broker *b, struct parked *p, enum kerr error)
{
	refuse_sync(b, p->rq, error);
}

static void wait_sync(struct broker *b, struct request *rq)
{
	const struct sync_group_request *in = rq->in;
	struct parked *wait = arena_zalloc(&rq->arena, sizeof(*wait));

	wait->rq = rq;
	wait->group = in->group_id;
	wait->member = in->member_id;
	wait->settle = settle_sync;
	wait->fail = fail_sync;
	if (!settle_sync(b, wait))
		coordinator_park(b, wait);
}

static void on_synced(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;
	const struct group_synced *r = lost(p) ? NULL : p->coord->result;

	if (!r || r->error_code)
		refuse_sync(b, rq, r ? (enum kerr)r->error_code : lost(p));
	else
		wait_sync(b, rq);
}

static bool differs(struct str given, const char *ours)
{
	return given.n >= 0 && !str_eq_c(given, ours ? ours : "");
}

static enum kerr check_sync(struct broker *b, int16_t version,
			    const struct sync_group_request *in)
{
	const struct group *g = coord_group(b->coord, in->group_id);
	enum kerr error = coordinator_check(b, in->group_id);

	if (version >= 5 &&
	    (in->protocol_type.n < 0 || in->protocol_name.n < 0))
		return K_INCONSISTENT_GROUP_PROTOCOL; /* it has to say */
	if (error)
		return error;
	error = group_check_member(g, in->member_id, in->group_instance_id,
				   in->generation_id);
	if (error)
		return error;
	if (differs(in->protocol_type, g->protocol_type) ||
	    differs(in->protocol_name, g->protocol))
		return K_INCONSISTENT_GROUP_PROTOCOL;
	if (g->state == GROUP_PREPARING_REBALANCE)
		return K_REBALANCE_IN_PROGRESS;
	return K_NONE;
}

static void propose_sync(struct broker *b, struct request *rq)
{
	const struct sync_group_request *in = rq->in;
	size_t n = (size_t)max_of(in->assignments_n, 0);
	struct group_sync s = {
		.group_id = in->group_id,
		.member_id = in->member_id,
		.group_instance_id = in->group_instance_id,
		.generation_id = in->generation_id,
		.assignments_n = (int32_t)n,
	};

	s.assignments = arena_zalloc(&rq->arena,
				     max_of(n, 1) * sizeof(*s.assignments));
	for (size_t i = 0; i < n; i++) {
		s.assignments[i].member_id = in->assignments[i].member_id;
		s.assignments[i].assignment = in->assignments[i].assignment;
	}
	propose_coord(b, &group_sync_type, &s, on_synced, rq);
}

void handle_sync_group(struct broker *b, struct request *rq)
{
	const struct sync_group_request *in = rq->in;
	enum kerr error = check_sync(b, rq->header.version, in);
	const struct group *g = coord_group(b->coord, in->group_id);

	if (error) {
		refuse_sync(b, rq, error);
		return;
	}
	sessions_synced(b->coordinator->sessions, in->group_id, in->member_id,
			b->now_ms);
	if (g->state == GROUP_COMPLETING_REBALANCE &&
	    str_eq_c(in->member_id, g->leader))
		propose_sync(b, rq);
	else
		wait_sync(b, rq);
}

/* ---- Heartbeat ----------------------------------------------------------- */

static enum kerr check_heartbeat(struct broker *b,
				 const struct heartbeat_request *in)
{
	const struct group *g = coord_group(b->coord, in->group_id);
	enum kerr error = coordinator_check(b, in->group_id);

	if (error)
		return error;
	error = group_check_member(g, in->member_id, in->group_instance_id,
				   in->generation_id);
	if (error)
		return error;
	sessions_heard(b->coordinator->sessions, in->group_id, in->member_id,
		       b->now_ms);
	return g->state == GROUP_PREPARING_REBALANCE ? K_REBALANCE_IN_PROGRESS
						     : K_NONE;
}

void handle_heartbeat(struct broker *b, struct request *rq)
{
	struct heartbeat_response *out = rq->out;

	out->error_code = (int16_t)check_heartbeat(b, rq->in);
	broker_answer(b, rq);
}

/* ---- LeaveGroup ---------------------------------------------------------- */

struct leaving {
	struct request *rq;
	bool *pending; /* of each: it had an id and nothing else */
};

static void on_left(struct broker *b, void *ctx, const struct proposed *p)
{
	const struct leaving *leaving = ctx;
	struct request *rq = leaving->rq;
	struct leave_group_response *out = rq->out;
	const struct leave_group_response *r;

	if (lost(p)) {
		out->error_code = (int16_t)lost(p);
		broker_answer(b, rq);
		return;
	}
	r = p->coord->result;
	for (int32_t i = 0; i < r->members_n; i++)
		if (leaving->pending[i])
			r->members[i].error_code = K_NONE;
	if (rq->header.version < 3) {
		out->error_code = r->members_n ? r->members[0].error_code
					       : (int16_t)K_UNKNOWN_MEMBER_ID;
	} else {
		out->members = r->members; /* encoded before the loan ends */
		out->members_n = r->members_n;
	}
	broker_answer(b, rq);
}

static void list_leavers(struct group_leave *l, struct request *rq)
{
	const struct leave_group_request *in = rq->in;
	bool single = rq->header.version < 3;
	size_t n = single ? 1 : (size_t)max_of(in->members_n, 0);

	l->members = arena_zalloc(&rq->arena,
				  max_of(n, 1) * sizeof(*l->members));
	l->members_n = (int32_t)n;
	for (size_t i = 0; i < n; i++) {
		l->members[i].member_id =
			single ? in->member_id : in->members[i].member_id;
		l->members[i].group_instance_id =
			single ? STR_NULL : in->members[i].group_instance_id;
	}
}

static bool unpend_leavers(struct broker *b, const struct group_leave *l,
			   bool *pending)
{
	struct sessions *s = b->coordinator->sessions;
	bool any = false;

	for (int32_t i = 0; i < l->members_n; i++) {
		pending[i] = sessions_unpend(s, l->group_id,
					     l->members[i].member_id);
		any |= pending[i];
	}
	if (any) /* a rebalance need not wait for them any more */
		sessions_changed(s, l->group_id, b->now_ms);
	return any;
}

void handle_leave_group(struct broker *b, struct request *rq)
{
	const struct leave_group_request *in = rq->in;
	struct leave_group_response *out = rq->out;
	struct group_leave l = { .group_id = in->group_id };
	struct leaving *leaving;

	out->error_code = (int16_t)coordinator_check(b, in->group_id);
	if (out->error_code) {
		broker_answer(b, rq);
		return;
	}
	list_leavers(&l, rq);
	leaving = arena_zalloc(&rq->arena, sizeof(*leaving));
	leaving->rq = rq;
	leaving->pending = arena_zalloc(&rq->arena,
					(size_t)max_of(l.members_n, 1));
	if (unpend_leavers(b, &l, leaving->pending) && rq->header.version < 3)
		broker_answer(b, rq);
	else
		propose_coord(b, &group_leave_type, &l, on_left, leaving);
}
