/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeGroups, ListGroups, DeleteGroups, FindCoordinator: the groups as an
 * administrator sees them, and where they are.
 */
#include "coordinator.h"

/* KIP-430: without an authorizer everyone may do everything a group allows:
 * read, delete, describe, and its settings. */
#define GROUP_OPERATIONS (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)

/* ---- FindCoordinator ----------------------------------------------------- */

enum { KEY_GROUP, KEY_TRANSACTION, KEY_SHARE };

/* Groups live beside the quorum: its leader coordinates them all. */
static const struct broker_listener *find(struct broker *b, int listener,
					  int8_t type, int16_t *error,
					  struct str *why)
{
	const struct broker_info *info =
		cluster_broker(b->cluster, b->quorum_leader);
	const struct broker_listener *at =
		info ? broker_address(b, info, listener) : NULL;

	*why = STR_NULL;
	if (type != KEY_GROUP) {
		*error = K_INVALID_REQUEST;
		*why = STR("Only consumer groups have a coordinator here.");
		return NULL;
	}
	*error = at ? K_NONE : K_COORDINATOR_NOT_AVAILABLE;
	if (!at)
		*why = STR("No coordinator at the moment.");
	return at;
}

static void find_many(struct broker *b, struct request *rq)
{
	const struct find_coordinator_request *in = rq->in;
	struct find_coordinator_response *out = rq->out;
	size_t n = (size_t)max_of(in->coordinator_keys_n, 0);

	out->coordinators_n = (int32_t)n;
	out->coordinators = arena_zalloc(
		&rq->arena, max_of(n, 1) * sizeof(*out->coordinators));
	for (size_t i = 0; i < n; i++) {
		struct find_coordinator_response_coordinator *to =
			&out->coordinators[i];
		const struct broker_listener *at =
			find(b, rq->listener, in->key_type, &to->error_code,
			     &to->error_message);

		to->key = in->coordinator_keys[i];
		to->node_id = at ? b->quorum_leader : -1;
		to->host = at ? str_of(at->host) : STR("");
		to->port = at ? at->port : -1;
	}
}

void handle_find_coordinator(struct broker *b, struct request *rq)
{
	const struct find_coordinator_request *in = rq->in;
	struct find_coordinator_response *out = rq->out;
	const struct broker_listener *at;

	if (rq->header.version >= 4) {
		find_many(b, rq);
		broker_answer(b, rq);
		return;
	}
	at = find(b, rq->listener, in->key_type, &out->error_code,
		  &out->error_message);
	out->node_id = at ? b->quorum_leader : -1;
	out->host = at ? str_of(at->host) : STR("");
	out->port = at ? at->port : -1;
	broker_answer(b, rq);
}

/* ---- DescribeGroups ------------------------------------------------------ */

static void describe_members(struct describe_groups_response_group *to,
			     const struct group *g, struct arena *a)
{
	bool settled = g->state == GROUP_STABLE;
	size_t n = map_count(&g->members);
	struct describe_groups_response_member *m =
		arena_zalloc(a, max_of(n, 1) * sizeof(*m));

	to->members = m;
	to->members_n = (int32_t)n;
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *from = i.value;
		struct bytes metadata = settled
			? member_metadata(from, g->protocol) : BYTES_NULL;

		m->member_id = str_of(from->id);
		m->group_instance_id = str_of(from->instance_id);
		m->client_id = str_of(from->client_id);
		m->client_host = str_of(from->client_host);
		m->member_metadata = metadata.n < 0
			? (struct bytes){ NULL, 0 } : metadata;
		m->member_assignment = (struct bytes){
			from->assignment, settled ? from->assignment_n : 0 };
		m++;
	}
}

static void describe(struct broker *b, struct request *rq, struct str id,
		     struct describe_groups_response_group *to)
{
	const struct describe_groups_request *in = rq->in;
	enum kerr error = coordinator_here(b);
	const struct group *g = coord_group(b->coord, id);

	to->group_id = id;
	to->group_state = STR("");
	to->protocol_type = STR("");
	to->protocol_data = STR("");
	to->error_message = STR_NULL;
	to->error_code = (int16_t)error;
	to->authorized_operations = INT32_MIN;
	if (error)
		return;
	if (!g) {
		to->group_state = STR("Dead");
		if (rq->header.version >= 6) {
			to->error_code = K_GROUP_ID_NOT_FOUND;
			to->error_message = str_printf(&rq->arena,
						       "Group %.*s not found.",
						       STR_ARG(id));
		}
	}
	if (in->include_authorized_operations && !to->error_code)
		to->authorized_operations = GROUP_OPERATIONS;
	if (!g)
		return;
	to->group_state = str_of(group_state_name(g->state));
	to->protocol_type = str_of(g->protocol_type ? g->protocol_type : "");
	if (g->state == GROUP_STABLE)
		to->protocol_data = str_of(g->protocol);
	describe_members(to, g, &rq->arena);
}

void handle_describe_groups(struct broker *b, struct request *rq)
{
	const struct describe_groups_request *in = rq->in;
	struct describe_groups_response *out = rq->out;
	size_t n = (size_t)max_of(in->groups_n, 0);

	out->groups_n = (int32_t)n;
	out->groups = arena_zalloc(&rq->arena,
				   max_of(n, 1) * sizeof(*out->groups));
	for (size_t i = 0; i < n; i++)
		describe(b, rq, in->groups[i], &out->groups[i]);
	broker_answer(b, rq);
}

/* ---- ListGroups ---------------------------------------------------------- */

static bool same_word(struct str a, const char *b)
{
	size_t n = strlen(b);

	if (a.n < 0 || (size_t)a.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((a.p[i] | 0x20) != (b[i] | 0x20))
			return false;
	return true;
}

static bool wanted(const struct str *filter, int32_t n, const char *word)
{
	for (int32_t i = 0; i < n; i++)
		if (same_word(filter[i], word))
			return true;
	return n <= 0;
}

/* Each broker lists what it coordinates; the asker joins the lists. */
void handle_list_groups(struct broker *b, struct request *rq)
{
	const struct list_groups_request *in = rq->in;
	struct list_groups_response *out = rq->out;
	size_t n = map_count(&b->coord->groups);
	struct map_iter i;

	if (!b->coordinator->active) {
		if (b->quorum.is_leader(b->quorum.ctx))
			out->error_code = K_COORDINATOR_LOAD_IN_PROGRESS;
		broker_answer(b, rq);
		return;
	}
	out->groups = arena_zalloc(&rq->arena,
				   max_of(n, 1) * sizeof(*out->groups));
	for (i = map_first(&b->coord->groups); i.at; map_next(&i)) {
		const struct group *g = i.value;
		struct list_groups_response_group *to =
			&out->groups[out->groups_n];

		if (!wanted(in->states_filter, in->states_filter_n,
			    group_state_name(g->state)) ||
		    !wanted(in->types_filter, in->types_filter_n, "classic"))
			continue;
		to->group_id = str_of(g->id);
		to->protocol_type =
			str_of(g->protocol_type ? g->protocol_type : "");
		to->group_state = str_of(group_state_name(g->state));
		to->group_type = STR("classic");
		out->groups_n++;
	}
	broker_answer(b, rq);
}

/* ---- DeleteGroups -------------------------------------------------------- */

static void refuse_delete(struct broker *b, struct request *rq,
			  enum kerr error)
{
	const struct delete_groups_request *in = rq->in;
	struct delete_groups_response *out = rq->out;
	size_t n = (size_t)max_of(in->groups_names_n, 0);

	out->results_n = (int32_t)n;
	out->results = arena_zalloc(&rq->arena,
				    max_of(n, 1) * sizeof(*out->results));
	for (size_t i = 0; i < n; i++) {
		out->results[i].group_id = in->groups_names[i];
		out->results[i].error_code = (int16_t)error;
	}
	broker_answer(b, rq);
}

static void on_deleted(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;

	if (p->error) {
		refuse_delete(b, rq, K_NOT_COORDINATOR);
		return;
	}
	*(struct delete_groups_response *)rq->out =
		*(struct delete_groups_response *)p->coord->result;
	broker_answer(b, rq);
}

void handle_delete_groups(struct broker *b, struct request *rq)
{
	const struct delete_groups_request *in = rq->in;
	enum kerr error = coordinator_here(b);
	struct groups_delete d = { .groups = in->groups_names,
				   .groups_n = max_of(in->groups_names_n, 0) };

	if (error)
		refuse_delete(b, rq, error);
	else
		propose_coord(b, &groups_delete_type, &d, on_deleted, rq);
}
