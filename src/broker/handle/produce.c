/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produce (KIP-98, KIP-467, KIP-516, KIP-951): batches are checked, stamped
 * and appended in place in the frame they came in; the answer waits as acks
 * says. Partitions of other shards travel as errands.
 *
 * 1. Every partition that was asked for is answered, on its own.
 * 2. Requests of one connection for one partition are appended in the order in
 *    which they came: errands keep their order, and behind one that waits for
 *    the disk wait all that follow.
 * 3. acks=1 waits until the batch is durable here, acks=all until the high
 *    watermark has passed it; for durability=memory both are at once where
 *    there is one replica.
 */
#include "shard.h"

#include "hints.h"

struct item { /* one partition of the request */
	struct partition_id id;
	const struct produce_request_partition *in;
	struct produce_response_partition *out;
	struct wait wait;
};

struct produce { /* rq->state; read by all errands */
	int16_t acks, version;
	int32_t timeout_ms;
};

/* ---- on the shard of the partition --------------------------------------- */

static enum kerr check_batch(const struct item *it, const struct produce *p,
			     const char **why)
{
	const struct records *rec = &it->in->records;
	struct batch batch;
	enum kerr error;

	*why = NULL;
	if (!rec->p || rec->n < BATCH_HEADER_SIZE) {
		*why = "a record batch is missing or cut short";
		return rec->n <= 0 ? K_INVALID_RECORD : K_CORRUPT_MESSAGE;
	}
	error = batch_peek(rec->p, (size_t)rec->n, &batch);
	if (error)
		return error;
	if (batch.size > rec->n) {
		*why = "the record batch is cut short";
		return K_CORRUPT_MESSAGE;
	}
	if (batch.size < rec->n) {
		*why = "one batch per partition is allowed";
		return K_INVALID_RECORD;
	}
	if (batch_codec(&batch) == CODEC_ZSTD && p->version < 7)
		return K_UNSUPPORTED_COMPRESSION_TYPE; /* KIP-110 */
	if (batch.attributes & BATCH_TRANSACTIONAL) {
		*why = "no transaction is open on this partition";
		return K_INVALID_TXN_STATE;
	}
	return K_NONE;
}

/* Whoever had everything until now was caught up until now: without this an
 * idle partition's followers would seem to lag at its next record. */
static void note_caught_up(struct replica *r, int64_t now_ms)
{
	for (int32_t i = 0; i < r->peers_n; i++)
		if (r->peers[i].end == log_end(r->log))
			r->peers[i].caught_up_ms = now_ms;
}

static enum kerr append(struct broker *b, struct item *it, struct hosted *h,
			const struct produce *p, struct log_append *done)
{
	struct replica *r = h->replica;
	const struct records *rec = &it->in->records;
	enum kerr error = K_NONE;

	done->why = NULL;
	if (p->acks == -1)
		error = replica_check_min_isr(r);
	if (error)
		log_refused(r->log, rec->p, (size_t)max_of(rec->n, 0), error);
	else
		error = check_batch(it, p, &done->why);
	if (error)
		return error;
	note_caught_up(r, b->now_ms);
	/* the frame is ours: only the type of records says const */
	error = replica_append(r, (uint8_t *)(uintptr_t)rec->p, (size_t)rec->n,
			       b->wall_ms, done);
	if (r->role != REPLICA_LEADER) /* its log has failed */
		hosted_changed(b, h, REPLICA_ROLE_CHANGED);
	return error;
}

static void produce_one(struct broker *b, struct errand *e, struct item *it)
{
	const struct produce *p = e->spread->ctx;
	struct produce_response_partition *out = it->out;
	struct log_append done = { .why = NULL };
	struct hosted *h;
	enum kerr error = hosted_get(b, it->id, -1, true, &h);

	if (!error)
		error = append(b, it, h, p, &done);
	else if (h && h->log)
		log_refused(h->log, it->in->records.p,
			    (size_t)max_of(it->in->records.n, 0), error);
	if (error == K_UNKNOWN_TOPIC_ID && p->version < 13)
		error = K_UNKNOWN_TOPIC_OR_PARTITION;
	out->error_code = (int16_t)error;
	if (error) {
		if (done.why && p->version >= 8)
			out->error_message = str_of(done.why);
		hint_produce(b, it->id, out);
		counters_error(b, 0, (int16_t)error);
		return;
	}
	hosted_touch(h);
	out->base_offset = done.base_offset;
	out->log_append_time_ms = done.append_time_ms;
	out->log_start_offset = log_start(h->log);
	if (!done.duplicate) {
		h->topic->messages_in +=
			(uint64_t)(done.last_offset - done.base_offset + 1);
		h->topic->bytes_in += (uint64_t)it->in->records.n;
	}
	it->wait.error = &out->error_code;
	if (p->acks == -1)
		wait_for(&h->hw_waits, &it->wait, e, done.last_offset + 1);
	else if (p->acks == 1 && log_durable_end(h->log) <= done.last_offset)
		wait_for(&h->durable_waits, &it->wait, e, done.last_offset + 1);
}

static void produce_now(struct broker *b, struct errand *e)
{
	const struct produce *p = e->spread->ctx;

	for (int32_t i = 0; i < e->n; i++)
		produce_one(b, e, e->items[i]);
	errand_wait(b, e, b->now_ms + max_of(p->timeout_ms, 0));
}

static bool disk_is_behind(const struct shard *s)
{
	return store_unsynced_bytes(s->store) > s->unsynced_max;
}

static void produce_run(struct broker *b, struct errand *e)
{
	struct shard *s = b->shard;

	if (list_empty(&s->stalled) && !disk_is_behind(s))
		produce_now(b, e);
	else
		list_push(&s->stalled, &e->link);
}

void produce_resume(struct broker *b)
{
	struct shard *s = b->shard;

	while (!list_empty(&s->stalled) && !disk_is_behind(s))
		produce_now(b, list_entry(list_pop(&s->stalled), struct errand,
					  link));
}

void produce_resume_all(struct broker *b)
{
	struct list *l;

	while ((l = list_pop(&b->shard->stalled)))
		produce_now(b, list_entry(l, struct errand, link));
}

/* ---- on the thread of the connection ------------------------------------- */

static bool any_error(const struct produce_response *out)
{
	for (int32_t i = 0; i < out->responses_n; i++) {
		const struct produce_response_topic *t = &out->responses[i];

		for (int32_t k = 0; k < t->partition_responses_n; k++)
			if (t->partition_responses[k].error_code)
				return true;
	}
	return false;
}

static void produce_done(struct broker *b, struct spread *s)
{
	const struct produce *p = s->ctx;
	struct request *rq = s->rq;
	struct produce_response *out = rq->out;

	if (p->acks == 0) { /* nobody listens: a closed connection is heard */
		rq->silent = true;
		rq->close = any_error(out);
	} else if (p->version >= 10) {
		hint_produce_nodes(b, rq, out);
	}
	broker_answer(b, rq);
}

/* One error for the whole topic, before anything is sent to its shards. */
static enum kerr check_topic(const struct request *rq, const struct topic *t)
{
	const struct produce_request *in = rq->in;

	if (in->acks < -1 || in->acks > 1)
		return K_INVALID_REQUIRED_ACKS;
	if (!t)
		return rq->header.version >= 13 ? K_UNKNOWN_TOPIC_ID :
						  K_UNKNOWN_TOPIC_OR_PARTITION;
	if (t->internal && !str_eq_c(rq->header.client_id, "__admin_client"))
		return K_INVALID_TOPIC_EXCEPTION;
	return K_NONE;
}

static void add_partition(struct spread *s, const struct topic *t,
			  enum kerr error,
			  const struct produce_request_partition *in,
			  struct produce_response_partition *out)
{
	struct item *it;

	wire_preset(&produce_response_partition_type, out);
	out->index = in->index;
	out->base_offset = -1;
	if (!error && (in->index < 0 || in->index >= t->partitions_n))
		error = K_UNKNOWN_TOPIC_OR_PARTITION;
	out->error_code = (int16_t)error;
	if (error)
		return;
	it = arena_zalloc(&s->rq->arena, sizeof(*it));
	it->id = (struct partition_id){ t->id, in->index };
	it->in = in;
	it->out = out;
	spread_add(s, broker_shard_of(str_of(t->name), in->index,
				      s->home->node->shards), it);
}

static void add_topic(struct spread *s, const struct produce_request_topic *in,
		      struct produce_response_topic *out)
{
	struct request *rq = s->rq;
	const struct cluster *c = s->home->cluster;
	const struct topic *t = rq->header.version >= 13 ?
		cluster_topic_by_id(c, in->topic_id) :
		cluster_topic(c, in->name);
	enum kerr error = check_topic(rq, t);

	*out = (struct produce_response_topic){
		.name = in->name,
		.topic_id = in->topic_id,
		.partition_responses_n = in->partition_data_n,
		.partition_responses = arena_alloc(
			&rq->arena, (size_t)in->partition_data_n *
				sizeof(struct produce_response_partition)),
	};
	for (int32_t i = 0; i < in->partition_data_n; i++)
		add_partition(s, t, error, &in->partition_data[i],
			      &out->partition_responses[i]);
}

void handle_produce(struct broker *b, struct request *rq)
{
	const struct produce_request *in = rq->in;
	struct produce_response *out = rq->out;
	struct produce *p = arena_alloc(&rq->arena, sizeof(*p));
	struct spread *s = spread_new(b, rq, produce_run, produce_done);

	*p = (struct produce){ in->acks, rq->header.version, in->timeout_ms };
	s->ctx = p;
	rq->data = true;
	out->responses_n = in->topic_data_n;
	out->responses = arena_alloc(&rq->arena, (size_t)in->topic_data_n *
						    sizeof(*out->responses));
	for (int32_t i = 0; i < in->topic_data_n; i++)
		add_topic(s, &in->topic_data[i], &out->responses[i]);
	spread_go(s);
}
