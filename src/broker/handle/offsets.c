/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ListOffsets (KIP-79, 207, 405, 734, 1005, 1075), OffsetForLeaderEpoch
 * (KIP-101, 279, 320) and DescribeProducers (KIP-664): questions about
 * partitions, answered by their shards.
 */
#include "shard.h"

enum { /* special timestamps of ListOffsets */
	LATEST = -1,
	EARLIEST = -2,
	MAX_TIMESTAMP = -3,
	EARLIEST_LOCAL = -4,
	LATEST_TIERED = -5,
	EARLIEST_PENDING_UPLOAD = -6,
};

struct item { /* one partition */
	struct partition_id id;
	const void *in;
	void *out;
};

/* The shard and the item, or K_UNKNOWN_TOPIC_OR_PARTITION. */
static int16_t add(struct spread *s, const struct topic *t, int32_t partition,
		   const void *in, void *out)
{
	struct item *it;

	if (!t || partition < 0 || partition >= t->partitions_n)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	it = arena_alloc(&s->rq->arena, sizeof(*it));
	*it = (struct item){ { t->id, partition }, in, out };
	spread_add(s, broker_shard_of(str_of(t->name), partition,
				      s->home->node->shards), it);
	return K_NONE;
}

static void answer(struct broker *b, struct spread *s)
{
	broker_answer(b, s->rq);
}

static enum kerr get(struct broker *b, const struct item *it, int32_t epoch,
		     bool leader_only, struct hosted **h)
{
	enum kerr error = hosted_get(b, it->id, epoch, leader_only, h);

	return error == K_UNKNOWN_TOPIC_ID ? K_UNKNOWN_TOPIC_OR_PARTITION :
					     error;
}

/* ---- ListOffsets --------------------------------------------------------- */

/* First version that has each special timestamp, from -1 downwards. */
static bool is_served(int64_t timestamp, int16_t version)
{
	static const int16_t since[] = { 0, 0, 7, 8, 9, 11 };

	if (timestamp >= 0)
		return true;
	if (timestamp < EARLIEST_PENDING_UPLOAD)
		return false;
	return version >= since[-timestamp - 1];
}

/* A new leader does not know yet how far the one before it had come. */
static bool end_is_unknown(const struct replica *r)
{
	return r->role == REPLICA_LEADER && r->high_watermark < r->epoch_start;
}

static void found(struct list_offsets_response_partition *out,
		  const struct hosted *h, int64_t timestamp, int64_t offset)
{
	out->timestamp = timestamp;
	out->offset = offset;
	out->leader_epoch = log_epoch_at(h->log, offset);
}

static enum kerr list_one(struct hosted *h, int64_t asked,
			  struct list_offsets_response_partition *out)
{
	int64_t ts, offset, end = replica_read_end(h->replica);
	int r;

	switch (asked) {
	case EARLIEST:
	case EARLIEST_LOCAL:
		found(out, h, -1, log_start(h->log));
		return K_NONE;
	case LATEST_TIERED: /* nothing is tiered, nothing will be */
	case EARLIEST_PENDING_UPLOAD:
		return K_NONE;
	case LATEST:
		if (end_is_unknown(h->replica))
			return K_OFFSET_NOT_AVAILABLE;
		out->offset = end;
		out->leader_epoch = log_last_epoch(h->log);
		return K_NONE;
	case MAX_TIMESTAMP:
		r = log_find_max_time(h->log, &ts, &offset);
		if (r > 0 && offset < end)
			found(out, h, ts, offset);
		return r < 0 ? K_KAFKA_STORAGE_ERROR : K_NONE;
	default:
		r = log_find_time(h->log, asked, end, &ts, &offset);
		if (r < 0)
			return K_KAFKA_STORAGE_ERROR;
		if (r > 0)
			found(out, h, ts, offset);
		else if (end_is_unknown(h->replica))
			return K_OFFSET_NOT_AVAILABLE;
		return K_NONE;
	}
}

static void list_run(struct broker *b, struct errand *e)
{
	const struct request *rq = e->spread->ctx;
	int16_t version = rq->header.version;
	const struct list_offsets_request *all = rq->in;

	for (int32_t i = 0; i < e->n; i++) {
		const struct item *it = e->items[i];
		const struct list_offsets_request_partition *in = it->in;
		struct list_offsets_response_partition *out = it->out;
		struct hosted *h;
		enum kerr error = get(b, it, in->current_leader_epoch,
				      all->replica_id != -2, &h);

		if (!error)
			error = list_one(h, in->timestamp, out);
		if (error == K_OFFSET_NOT_AVAILABLE && version < 5)
			error = K_LEADER_NOT_AVAILABLE;
		out->error_code = (int16_t)error;
		counters_error(b, 2, out->error_code);
	}
	errand_home(b, e);
}

/* The same partition twice is refused, both times (KIP-79). */
static bool is_twice(struct map *seen, struct str topic, int32_t partition,
		     struct arena *a)
{
	struct str key = str_printf(a, "%d %.*s", partition, STR_ARG(topic));
	void *before = map_find_str(seen, key);

	map_put_str(seen, key, seen);
	return before != NULL;
}

static void mark_twice(struct request *rq)
{
	const struct list_offsets_request *in = rq->in;
	struct list_offsets_response *out = rq->out;
	struct map seen = { 0 }, twice = { 0 };

	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct list_offsets_request_topic *t = &in->topics[i];

		for (int32_t k = 0; k < t->partitions_n; k++)
			if (is_twice(&seen, t->name,
				     t->partitions[k].partition_index,
				     &rq->arena))
				is_twice(&twice, t->name,
					 t->partitions[k].partition_index,
					 &rq->arena);
	}
	for (int32_t i = 0; map_count(&twice) && i < in->topics_n; i++) {
		struct list_offsets_response_topic *t = &out->topics[i];

		for (int32_t k = 0; k < t->partitions_n; k++)
			if (map_find_str(&twice,
					 str_printf(&rq->arena, "%d %.*s",
						    t->partitions[k]
							    .partition_index,
						    STR_ARG(t->name))))
				t->partitions[k].error_code =
					K_INVALID_REQUEST;
	}
	map_fini(&seen);
	map_fini(&twice);
}

static void list_preset(struct request *rq)
{
	const struct list_offsets_request *in = rq->in;
	struct list_offsets_response *out = rq->out;
	struct arena *a = &rq->arena;

	out->topics_n = in->topics_n;
	out->topics = arena_alloc(a, (size_t)in->topics_n *
					     sizeof(*out->topics));
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct list_offsets_request_topic *t = &in->topics[i];
		struct list_offsets_response_topic *o = &out->topics[i];

		o->name = t->name;
		o->partitions_n = t->partitions_n;
		o->partitions = arena_alloc(a, (size_t)t->partitions_n *
						       sizeof(*o->partitions));
		for (int32_t k = 0; k < t->partitions_n; k++) {
			wire_preset(&list_offsets_response_partition_type,
				    &o->partitions[k]);
			o->partitions[k].partition_index =
				t->partitions[k].partition_index;
		}
	}
}

static void list_add(struct spread *s, const struct topic *t,
		     const struct list_offsets_request_partition *in,
		     struct list_offsets_response_partition *out)
{
	if (out->error_code)
		return;
	if (!is_served(in->timestamp, s->rq->header.version))
		out->error_code = K_UNSUPPORTED_VERSION;
	else
		out->error_code = add(s, t, in->partition_index, in, out);
}

void handle_list_offsets(struct broker *b, struct request *rq)
{
	const struct list_offsets_request *in = rq->in;
	struct list_offsets_response *out = rq->out;
	struct spread *s = spread_new(b, rq, list_run, answer);

	s->ctx = rq;
	rq->data = true;
	list_preset(rq);
	mark_twice(rq);
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct topic *t =
			cluster_topic(b->cluster, in->topics[i].name);

		for (int32_t k = 0; k < in->topics[i].partitions_n; k++)
			list_add(s, t, &in->topics[i].partitions[k],
				 &out->topics[i].partitions[k]);
	}
	spread_go(s);
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------ */

static void epoch_run(struct broker *b, struct errand *e)
{
	const struct offset_for_leader_epoch_request *all = e->spread->ctx;

	for (int32_t i = 0; i < e->n; i++) {
		const struct item *it = e->items[i];
		const struct offset_for_leader_epoch_request_partition *in =
			it->in;
		struct offset_for_leader_epoch_response_partition *out =
			it->out;
		struct hosted *h;
		enum kerr error = get(b, it, in->current_leader_epoch,
				      all->replica_id != -2, &h);

		out->error_code = (int16_t)error;
		counters_error(b, 23, out->error_code);
		if (!error)
			log_epoch_end(h->log, in->leader_epoch,
				      &out->leader_epoch, &out->end_offset);
	}
	errand_home(b, e);
}

static void epoch_topic(struct spread *s,
			const struct offset_for_leader_epoch_request_topic *in,
			struct offset_for_leader_epoch_response_topic *out)
{
	const struct topic *t = cluster_topic(s->home->cluster, in->topic);

	out->topic = in->topic;
	out->partitions_n = in->partitions_n;
	out->partitions = arena_alloc(&s->rq->arena,
				      (size_t)in->partitions_n *
					      sizeof(*out->partitions));
	for (int32_t k = 0; k < in->partitions_n; k++) {
		struct offset_for_leader_epoch_response_partition *p =
			&out->partitions[k];

		wire_preset(&offset_for_leader_epoch_response_partition_type,
			    p);
		p->partition = in->partitions[k].partition;
		p->error_code = add(s, t, p->partition, &in->partitions[k], p);
	}
}

void handle_offset_for_leader_epoch(struct broker *b, struct request *rq)
{
	const struct offset_for_leader_epoch_request *in = rq->in;
	struct offset_for_leader_epoch_response *out = rq->out;
	struct spread *s = spread_new(b, rq, epoch_run, answer);

	s->ctx = rq->in;
	rq->data = true;
	out->topics_n = in->topics_n;
	out->topics = arena_alloc(&rq->arena, (size_t)in->topics_n *
						      sizeof(*out->topics));
	for (int32_t i = 0; i < in->topics_n; i++)
		epoch_topic(s, &in->topics[i], &out->topics[i]);
	spread_go(s);
}

/* ---- DescribeProducers --------------------------------------------------- */

struct gathered {
	struct arena *arena;
	struct describe_producers_response_producer *v;
	int32_t n, cap;
};

static void gather(void *ctx, const struct log_producer *p)
{
	struct gathered *g = ctx;
	struct describe_producers_response_producer *v = g->v;

	if (g->n == g->cap) {
		g->cap = max_of(8, 2 * g->cap);
		v = arena_alloc(g->arena, (size_t)g->cap * sizeof(*v));
		if (g->n)
			memcpy(v, g->v, (size_t)g->n * sizeof(*v));
		g->v = v;
	}
	wire_preset(&describe_producers_response_producer_type, &v[g->n]);
	v[g->n].producer_id = p->id;
	v[g->n].producer_epoch = p->epoch;
	v[g->n].last_sequence = p->last_sequence;
	v[g->n].last_timestamp = p->last_time_ms;
	v[g->n].coordinator_epoch = -1;
	g->n++;
}

static void producers_run(struct broker *b, struct errand *e)
{
	for (int32_t i = 0; i < e->n; i++) {
		const struct item *it = e->items[i];
		struct describe_producers_response_partition *out = it->out;
		struct gathered g = { .arena = &e->arena };
		struct hosted *h;
		enum kerr error = get(b, it, -1, false, &h);

		out->error_code = (int16_t)error;
		counters_error(b, 61, out->error_code);
		if (error)
			continue;
		log_each_producer(h->log, gather, &g);
		out->active_producers = g.v;
		out->active_producers_n = g.n;
	}
	errand_home(b, e);
}

static void producers_topic(struct spread *s,
			    const struct describe_producers_request_topic *in,
			    struct describe_producers_response_topic *out)
{
	const struct topic *t = cluster_topic(s->home->cluster, in->name);

	out->name = in->name;
	out->partitions_n = in->partition_indexes_n;
	out->partitions = arena_alloc(&s->rq->arena,
				      (size_t)in->partition_indexes_n *
					      sizeof(*out->partitions));
	for (int32_t k = 0; k < in->partition_indexes_n; k++) {
		struct describe_producers_response_partition *p =
			&out->partitions[k];

		wire_preset(&describe_producers_response_partition_type, p);
		p->partition_index = in->partition_indexes[k];
		p->error_code = add(s, t, p->partition_index, NULL, p);
	}
}

void handle_describe_producers(struct broker *b, struct request *rq)
{
	const struct describe_producers_request *in = rq->in;
	struct describe_producers_response *out = rq->out;
	struct spread *s = spread_new(b, rq, producers_run, answer);

	rq->data = true;
	out->topics_n = in->topics_n;
	out->topics = arena_alloc(&rq->arena, (size_t)in->topics_n *
						      sizeof(*out->topics));
	for (int32_t i = 0; i < in->topics_n; i++)
		producers_topic(s, &in->topics[i], &out->topics[i]);
	spread_go(s);
}
