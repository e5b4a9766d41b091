/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DeleteRecords (KIP-107): the log start moves up, and the answer waits until
 * every replica that is up has moved its own: then nobody serves what was
 * deleted, whoever leads next.
 */
#include "shard.h"

struct item {
	struct partition_id id;
	const struct delete_records_request_partition *in;
	struct delete_records_response_partition *out;
	struct wait wait;
};

static enum kerr advance(struct hosted *h, int64_t *offset)
{
	int64_t hw = h->replica->high_watermark;

	if (!h->topic->set.delete_old) /* compacted only */
		return K_POLICY_VIOLATION;
	if (*offset == -1)
		*offset = hw;
	if (*offset < 0 || *offset > hw)
		return K_OFFSET_OUT_OF_RANGE;
	if (*offset <= log_start(h->log))
		return K_NONE;
	return log_advance_start(h->log, *offset) < 0 ? K_KAFKA_STORAGE_ERROR :
							K_NONE;
}

static void delete_one(struct broker *b, struct errand *e, struct item *it)
{
	struct delete_records_response_partition *out = it->out;
	int64_t offset = it->in->offset;
	struct hosted *h;
	enum kerr error = hosted_get(b, it->id, -1, true, &h);

	if (error == K_UNKNOWN_TOPIC_ID)
		error = K_UNKNOWN_TOPIC_OR_PARTITION;
	if (!error)
		error = advance(h, &offset);
	out->error_code = (int16_t)error;
	counters_error(b, 21, out->error_code);
	if (error)
		return;
	it->wait.error = &out->error_code;
	it->wait.low = &out->low_watermark;
	wait_for(&h->start_waits, &it->wait, e, offset);
	hosted_touch(h);
}

static void delete_run(struct broker *b, struct errand *e)
{
	const struct delete_records_request *in = e->spread->ctx;

	for (int32_t i = 0; i < e->n; i++)
		delete_one(b, e, e->items[i]);
	errand_wait(b, e, b->now_ms + max_of(in->timeout_ms, 0));
}

static void done(struct broker *b, struct spread *s)
{
	broker_answer(b, s->rq);
}

static void add(struct spread *s, const struct topic *t,
		const struct delete_records_request_partition *in,
		struct delete_records_response_partition *out)
{
	struct item *it;

	wire_preset(&delete_records_response_partition_type, out);
	out->partition_index = in->partition_index;
	out->low_watermark = -1;
	if (!t || in->partition_index < 0 ||
	    in->partition_index >= t->partitions_n) {
		out->error_code = K_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	it = arena_zalloc(&s->rq->arena, sizeof(*it));
	it->id = (struct partition_id){ t->id, in->partition_index };
	it->in = in;
	it->out = out;
	spread_add(s, broker_shard_of(str_of(t->name), in->partition_index,
				      s->home->node->shards), it);
}

void handle_delete_records(struct broker *b, struct request *rq)
{
	const struct delete_records_request *in = rq->in;
	struct delete_records_response *out = rq->out;
	struct spread *s = spread_new(b, rq, delete_run, done);

	s->ctx = rq->in;
	rq->data = true;
	out->topics_n = in->topics_n;
	out->topics = arena_alloc(&rq->arena, (size_t)in->topics_n *
						      sizeof(*out->topics));
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct delete_records_request_topic *t = &in->topics[i];
		struct delete_records_response_topic *o = &out->topics[i];

		o->name = t->name;
		o->partitions_n = t->partitions_n;
		o->partitions = arena_alloc(&rq->arena,
					    (size_t)t->partitions_n *
						    sizeof(*o->partitions));
		for (int32_t k = 0; k < t->partitions_n; k++)
			add(s, cluster_topic(b->cluster, t->name),
			    &t->partitions[k], &o->partitions[k]);
	}
	spread_go(s);
}
