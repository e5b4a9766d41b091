/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetCommit, OffsetFetch, OffsetDelete: how far a group has read.
 *
 * 1. What OffsetFetch answers is at least as new as every commit that was
 *    acknowledged before it was asked: it waits for a read of the agreed log.
 */
#include "coordinator.h"

/* ---- OffsetCommit -------------------------------------------------------- */

static int16_t check_offset(struct broker *b, const struct topic *t,
			    const struct offset_commit_request_partition *p,
			    int16_t version)
{
	int64_t most = broker_number(b, SETTING_OFFSET_METADATA_MAX_BYTES);

	if (!t)
		return version >= 10 ? K_UNKNOWN_TOPIC_ID
				     : K_UNKNOWN_TOPIC_OR_PARTITION;
	if (p->partition_index < 0 || p->partition_index >= t->partitions_n)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	if (p->committed_metadata.n > most)
		return K_OFFSET_METADATA_TOO_LARGE;
	return K_NONE;
}

static const struct topic *
topic_of(const struct broker *b, const struct request *rq,
	 const struct offset_commit_request_topic *from)
{
	return rq->header.version >= 10
		? cluster_topic_by_id(b->cluster, from->topic_id)
		: cluster_topic(b->cluster, from->name);
}

static void fill_commit_topic(struct broker *b, struct request *rq,
			      const struct offset_commit_request_topic *from,
			      struct offsets_commit_topic *to)
{
	const struct topic *t = topic_of(b, rq, from);
	size_t n = (size_t)max_of(from->partitions_n, 0);

	to->name = from->name;
	to->topic_id = t ? t->id : from->topic_id;
	to->partitions_n = (int32_t)n;
	to->partitions = arena_zalloc(&rq->arena,
				      max_of(n, 1) * sizeof(*to->partitions));
	for (size_t i = 0; i < n; i++) {
		const struct offset_commit_request_partition *p =
			&from->partitions[i];

		to->partitions[i] = (struct offsets_commit_partition){
			.partition_index = p->partition_index,
			.offset = p->committed_offset,
			.leader_epoch = p->committed_leader_epoch,
			.metadata = p->committed_metadata,
			.error_code = check_offset(b, t, p, rq->header.version),
		};
	}
}

/* Every partition of the request with the same error, or each its own. */
static void refuse_commit(struct broker *b, struct request *rq,
			  enum kerr error,
			  const struct offsets_commit_topic *own)
{
	const struct offset_commit_request *in = rq->in;
	struct offset_commit_response *out = rq->out;
	size_t topics_n = (size_t)max_of(in->topics_n, 0);

	out->topics = arena_zalloc(&rq->arena, max_of(topics_n, 1) *
						       sizeof(*out->topics));
	out->topics_n = (int32_t)topics_n;
	for (size_t i = 0; i < topics_n; i++) {
		const struct offset_commit_request_topic *from = &in->topics[i];
		struct offset_commit_response_topic *to = &out->topics[i];
		size_t n = (size_t)max_of(from->partitions_n, 0);

		to->name = from->name;
		to->topic_id = from->topic_id;
		to->partitions = arena_zalloc(
			&rq->arena, max_of(n, 1) * sizeof(*to->partitions));
		to->partitions_n = (int32_t)n;
		for (size_t k = 0; k < n; k++) {
			to->partitions[k].partition_index =
				from->partitions[k].partition_index;
			to->partitions[k].error_code = own
				? own[i].partitions[k].error_code
				: (int16_t)error;
		}
	}
	broker_answer(b, rq);
}

/* A commit of nothing that exists does not get as far as the group. */
static bool has_any(const struct offsets_commit *c)
{
	for (int32_t i = 0; i < c->topics_n; i++) {
		const struct offsets_commit_topic *t = &c->topics[i];

		for (int32_t k = 0; k < t->partitions_n; k++)
			if (!t->partitions[k].error_code ||
			    t->partitions[k].error_code ==
				    K_OFFSET_METADATA_TOO_LARGE)
				return true;
	}
	return false;
}

/* A commit that was refused to a member does not keep its session. */
static void heard(struct broker *b, const struct offset_commit_request *in)
{
	const struct group *g = coord_group(b->coord, in->group_id);

	if (group_check_member(g, in->member_id, in->group_instance_id,
			       in->generation_id_or_member_epoch) ||
	    g->state == GROUP_COMPLETING_REBALANCE)
		return;
	sessions_heard(b->coordinator->sessions, in->group_id, in->member_id,
		       b->now_ms);
}

static void on_committed(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;
	const struct offset_commit_request *in = rq->in;
	struct offset_commit_response *out = rq->out;
	const struct offset_commit_response *r;

	if (p->error) {
		refuse_commit(b, rq, K_NOT_COORDINATOR, NULL);
		return;
	}
	r = p->coord->result;
	out->topics = r->topics; /* encoded before the loan ends */
	out->topics_n = r->topics_n;
	heard(b, in);
	broker_answer(b, rq);
}

/* Has it an offset that the group has not got yet? */
static bool adds_offsets(const struct broker *b, const struct request *rq,
			 const struct group *g)
{
	const struct offset_commit_request *in = rq->in;

	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct offset_commit_request_topic *from = &in->topics[i];
		const struct offset_commit_request_partition *p =
			from->partitions;
		const struct topic *t = topic_of(b, rq, from);

		for (int32_t k = 0; t && k < from->partitions_n; k++)
			if (!group_offset_of(g, t->id, p[k].partition_index))
				return true;
	}
	return false;
}

static enum kerr check_commit(struct broker *b, const struct request *rq)
{
	const struct offset_commit_request *in = rq->in;
	const struct group *g = coord_group(b->coord, in->group_id);
	enum kerr error = coordinator_here(b);

	if (error)
		return error;
	if (!g && in->generation_id_or_member_epoch >= 0)
		return rq->header.version >= 9 ? K_GROUP_ID_NOT_FOUND
					       : K_ILLEGAL_GENERATION;
	if ((b->coord->offsets_n >= broker_number(b, SETTING_MAX_OFFSETS) &&
	     adds_offsets(b, rq, g)) ||
	    (!g && (int64_t)map_count(&b->coord->groups) >=
			    broker_number(b, SETTING_MAX_GROUPS)))
		return K_COORDINATOR_NOT_AVAILABLE;
	return K_NONE;
}

void handle_offset_commit(struct broker *b, struct request *rq)
{
	const struct offset_commit_request *in = rq->in;
	size_t n = (size_t)max_of(in->topics_n, 0);
	enum kerr error = check_commit(b, rq);
	struct offsets_commit c = {
		.group_id = in->group_id,
		.member_id = in->member_id,
		.group_instance_id = in->group_instance_id,
		.generation_id = in->generation_id_or_member_epoch,
		.retention_ms = in->retention_time_ms,
		.topics_n = (int32_t)n,
	};

	if (error) {
		refuse_commit(b, rq, error, NULL);
		return;
	}
	c.topics = arena_zalloc(&rq->arena, max_of(n, 1) * sizeof(*c.topics));
	for (size_t i = 0; i < n; i++)
		fill_commit_topic(b, rq, &in->topics[i], &c.topics[i]);
	if (has_any(&c))
		propose_coord(b, &offsets_commit_type, &c, on_committed, rq);
	else
		refuse_commit(b, rq, K_NONE, c.topics);
}

/* ---- OffsetFetch --------------------------------------------------------- */

/*
 * Versions below 8 ask for one group in fields of their own; from there both
 * ways, in the shape of the newer one, with names and ids filled in.
 */
struct wanted {
	struct str name;
	struct uuid id;
	int32_t *partitions;
	int32_t n;
};

static void fill_partition(struct offset_fetch_response_partition *to,
			   const struct group *g, const struct topic *t,
			   int32_t index, enum kerr error)
{
	const struct group_offset *o =
		g && t ? group_offset_of(g, t->id, index) : NULL;

	to->partition_index = index;
	to->committed_offset = o && !error ? o->offset : -1;
	to->committed_leader_epoch = o && !error ? o->leader_epoch : -1;
	to->metadata = o && !error ? str_of(o->metadata) : STR("");
	to->error_code = (int16_t)error;
}

static struct offset_fetch_response_partition *
fetch_partitions(struct broker *b, struct request *rq, const struct group *g,
		 const struct wanted *w, enum kerr error)
{
	const struct topic *t = uuid_is_zero(w->id)
		? cluster_topic(b->cluster, w->name)
		: cluster_topic_by_id(b->cluster, w->id);
	struct offset_fetch_response_partition *to =
		arena_zalloc(&rq->arena, (size_t)max_of(w->n, 1) * sizeof(*to));

	if (!error && !t && rq->header.version >= 10)
		error = K_UNKNOWN_TOPIC_ID;
	for (int32_t i = 0; i < w->n; i++)
		fill_partition(&to[i], g, t, w->partitions[i], error);
	return to;
}

/* Everything the group has committed, by topic, in order of first commit; what
 * is left of topics that were deleted does not count. */
static int32_t want_all(const struct cluster *c, const struct group *g,
			struct arena *a, struct wanted **out)
{
	size_t most = g ? map_count(&g->offsets) : 0;
	struct wanted *w = arena_zalloc(a, max_of(most, 1) * sizeof(*w));
	struct map topics = { 0 };
	int32_t n = 0;

	*out = w;
	if (!g)
		return 0;
	for (struct map_iter i = map_first(&g->offsets); i.at; map_next(&i)) {
		const struct group_offset *o = i.value;
		struct wanted *t = map_find(&topics, o->topic_id.b, 16);

		if (!cluster_topic_by_id(c, o->topic_id))
			continue;
		if (!t) {
			t = &w[n++];
			t->name = str_of(o->topic);
			t->id = o->topic_id;
			t->partitions = arena_alloc(a, most * sizeof(int32_t));
			map_put(&topics, o->topic_id.b, 16, t);
		}
		t->partitions[t->n++] = o->partition;
	}
	map_fini(&topics);
	return n;
}

static void fetch_old(struct broker *b, struct request *rq, enum kerr error)
{
	const struct offset_fetch_request *in = rq->in;
	struct offset_fetch_response *out = rq->out;
	const struct group *g = coord_group(b->coord, in->group_id);
	int32_t n = in->topics_n;
	struct wanted *all = NULL;

	if (error && rq->header.version >= 2)
		n = 0; /* the error of all says it */
	if (n < 0)
		n = want_all(b->cluster, g, &rq->arena, &all);
	out->error_code = (int16_t)error;
	out->topics_n = n;
	out->topics = arena_zalloc(&rq->arena, (size_t)max_of(n, 1) *
						       sizeof(*out->topics));
	for (int32_t i = 0; i < n; i++) {
		struct wanted w = all ? all[i] : (struct wanted){
			.name = in->topics[i].name,
			.partitions = in->topics[i].partition_indexes,
			.n = in->topics[i].partition_indexes_n };

		out->topics[i].name = w.name;
		out->topics[i].partitions_n = max_of(w.n, 0);
		out->topics[i].partitions =
			fetch_partitions(b, rq, g, &w, error);
	}
}

static void fetch_group(struct broker *b, struct request *rq,
			const struct offset_fetch_request_group *in,
			struct offset_fetch_response_group *out)
{
	enum kerr error = coordinator_here(b);
	const struct group *g = coord_group(b->coord, in->group_id);
	int32_t n = in->topics_n;
	struct wanted *all = NULL;

	out->group_id = in->group_id;
	out->error_code = (int16_t)error;
	if (error)
		return;
	if (n < 0)
		n = want_all(b->cluster, g, &rq->arena, &all);
	out->topics_n = n;
	out->topics = arena_zalloc(&rq->arena, (size_t)max_of(n, 1) *
						       sizeof(*out->topics));
	for (int32_t i = 0; i < n; i++) {
		struct wanted w = all ? all[i] : (struct wanted){
			.name = in->topics[i].name,
			.id = in->topics[i].topic_id,
			.partitions = in->topics[i].partition_indexes,
			.n = in->topics[i].partition_indexes_n };

		out->topics[i].name = w.name;
		out->topics[i].topic_id = w.id;
		out->topics[i].partitions_n = max_of(w.n, 0);
		out->topics[i].partitions =
			fetch_partitions(b, rq, g, &w, K_NONE);
	}
}

static void fetch_new(struct broker *b, struct request *rq, bool ok)
{
	const struct offset_fetch_request *in = rq->in;
	struct offset_fetch_response *out = rq->out;
	size_t n = (size_t)max_of(in->groups_n, 0);

	out->groups_n = (int32_t)n;
	out->groups = arena_zalloc(&rq->arena,
				   max_of(n, 1) * sizeof(*out->groups));
	for (size_t i = 0; i < n; i++) {
		fetch_group(b, rq, &in->groups[i], &out->groups[i]);
		if (ok || out->groups[i].error_code)
			continue;
		out->groups[i].error_code = K_NOT_COORDINATOR;
		out->groups[i].topics_n = 0;
	}
}

static void fetch_now(struct broker *b, struct request *rq, bool ok)
{
	enum kerr error;

	if (rq->header.version >= 8) {
		fetch_new(b, rq, ok);
	} else {
		error = coordinator_here(b);
		fetch_old(b, rq, error || ok ? error : K_NOT_COORDINATOR);
	}
	broker_answer(b, rq);
}

void handle_offset_fetch(struct broker *b, struct request *rq)
{
	if (b->coordinator->active)
		coordinator_read(b, rq, fetch_now);
	else
		fetch_now(b, rq, true); /* to say where else, or when */
}

/* ---- OffsetDelete -------------------------------------------------------- */

static void on_deleted(struct broker *b, void *ctx, const struct proposed *p)
{
	struct request *rq = ctx;
	struct offset_delete_response *out = rq->out;

	if (p->error)
		out->error_code = K_NOT_COORDINATOR;
	else
		*out = *(struct offset_delete_response *)p->coord->result;
	broker_answer(b, rq);
}

void handle_offset_delete(struct broker *b, struct request *rq)
{
	const struct offset_delete_request *in = rq->in;
	struct offset_delete_response *out = rq->out;
	size_t n = (size_t)max_of(in->topics_n, 0);
	struct offsets_delete d = { .group_id = in->group_id,
				    .topics_n = (int32_t)n };

	out->error_code = (int16_t)coordinator_check(b, in->group_id);
	if (out->error_code) {
		broker_answer(b, rq);
		return;
	}
	d.topics = arena_zalloc(&rq->arena, max_of(n, 1) * sizeof(*d.topics));
	for (size_t i = 0; i < n; i++) {
		const struct offset_delete_request_topic *from = &in->topics[i];
		int32_t m = max_of(from->partitions_n, 0);

		d.topics[i].name = from->name;
		d.topics[i].partitions_n = m;
		d.topics[i].partitions = arena_zalloc(
			&rq->arena, (size_t)max_of(m, 1) * sizeof(int32_t));
		for (int32_t k = 0; k < m; k++)
			d.topics[i].partitions[k] =
				from->partitions[k].partition_index;
	}
	propose_coord(b, &offsets_delete_type, &d, on_deleted, rq);
}
