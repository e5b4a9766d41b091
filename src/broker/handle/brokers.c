/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers: DescribeCluster and DescribeLogDirs, from what this node has.
 * KIP-700, 1073 (fenced brokers); KIP-113, 827 (sizes of the file system).
 */
#include "control.h"
#include "shard.h"

/* ---- DescribeCluster ----------------------------------------------------- */

enum { BROKERS = 1 };
/* What may be done to a cluster when nothing is forbidden: a bit for each of
 * Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs and
 * IdempotentWrite (KIP-430). */
enum { ALL_OPERATIONS = 0x1fa0 };

/* A fenced broker has no address for clients; it is shown by what it told. */
static bool show_broker(const struct broker *b, const struct request *rq,
			const struct broker_info *info,
			struct describe_cluster_response_broker *out)
{
	const struct describe_cluster_request *in = rq->in;
	const struct broker_listener *l = broker_address(b, info,
							 rq->listener);

	if (!l && in->include_fenced_brokers)
		l = broker_listener(info, STR_NULL);
	if (!l)
		return false;
	out->broker_id = info->id;
	out->host = str_of(l->host);
	out->port = l->port;
	out->rack = str_of(info->rack);
	out->is_fenced = info->fenced;
	return true;
}

void handle_describe_cluster(struct broker *b, struct request *rq)
{
	const struct describe_cluster_request *in = rq->in;
	struct describe_cluster_response *out = rq->out;
	char id[UUID_TEXT_MAX];

	out->endpoint_type = in->endpoint_type;
	if (in->endpoint_type != BROKERS) {
		out->error_code = in->endpoint_type == 2 ?
			K_MISMATCHED_ENDPOINT_TYPE :
			K_UNSUPPORTED_ENDPOINT_TYPE;
		out->error_message = str_of(kerr_text(out->error_code));
		out->cluster_id = STR("");
		broker_answer(b, rq);
		return;
	}
	uuid_text(b->cluster->id, id);
	out->cluster_id = str_dup(&rq->arena, str_of(id));
	out->controller_id = broker_controller(b);
	if (in->include_cluster_authorized_operations)
		out->cluster_authorized_operations = ALL_OPERATIONS;
	out->brokers = wire_new(&describe_cluster_response_broker_type,
				(int32_t)map_count(&b->cluster->brokers),
				&rq->arena);
	for (struct map_iter i = map_first(&b->cluster->brokers); i.at;
	     map_next(&i))
		if (show_broker(b, rq, i.value, &out->brokers[out->brokers_n]))
			out->brokers_n++;
	broker_answer(b, rq);
}

/* ---- DescribeLogDirs ----------------------------------------------------- */

enum { NAME_MAX_BYTES = 249, KEY_MAX = 4 + NAME_MAX_BYTES };

/* A partition of a topic as the key of a map; 0: there is none such. */
static size_t key_of(uint8_t key[static KEY_MAX], struct str topic,
		     int32_t partition)
{
	if (topic.n <= 0 || topic.n > NAME_MAX_BYTES)
		return 0;
	put_be32(key, (uint32_t)partition);
	memcpy(key + 4, topic.p, (size_t)topic.n);
	return 4 + (size_t)topic.n;
}

/*
 * Of what is here, what is asked for. A request may name millions: it is gone
 * through once, and only what is here is remembered.
 */
static void find_asked(const struct describe_log_dirs_request *in,
		       const struct spread *s, struct map *asked)
{
	struct map here = { 0 };
	uint8_t key[KEY_MAX];

	if (in->topics_n <= 0) /* all, or none */
		return;
	for (int i = 0; i < s->errands_n; i++) {
		const struct log_size *v = s->errands[i].found;

		for (int32_t k = 0; k < s->errands[i].found_n; k++)
			map_put(&here, key,
				key_of(key, v[k].topic, v[k].partition), asked);
	}
	for (int32_t i = 0; i < in->topics_n; i++)
		for (int32_t k = 0; k < in->topics[i].partitions_n; k++) {
			size_t n = key_of(key, in->topics[i].topic,
					  in->topics[i].partitions[k]);

			if (n && map_find(&here, key, n))
				map_put(asked, key, n, asked);
		}
	map_fini(&here);
}

static bool is_asked(const struct describe_log_dirs_request *in,
		     const struct map *asked, const struct log_size *s)
{
	uint8_t key[KEY_MAX];

	return in->topics_n < 0 ||
	       map_find(asked, key, key_of(key, s->topic, s->partition));
}

static struct describe_log_dirs_response_topic *topic_of(
	struct map *topics, struct describe_log_dirs_response_result *out,
	struct str name)
{
	struct describe_log_dirs_response_topic *t =
		map_find_str(topics, name);

	if (t)
		return t;
	t = &out->topics[out->topics_n++];
	t->name = name;
	map_put_str(topics, name, t);
	return t;
}

static void add_size(struct arena *a,
		     struct describe_log_dirs_response_topic *t,
		     const struct log_size *s)
{
	struct describe_log_dirs_response_partition *p = t->partitions;
	int32_t n = t->partitions_n;

	if ((n & (n - 1)) == 0) { /* full at every power of two */
		t->partitions = wire_new(
			&describe_log_dirs_response_partition_type,
			max_of(2 * n, 1), a);
		if (n > 0)
			memcpy(t->partitions, p, (size_t)n * sizeof(*p));
	}
	t->partitions[t->partitions_n++] =
		(struct describe_log_dirs_response_partition){
			s->partition, s->size, s->lag, false };
}

static void gathered(struct broker *b, struct spread *s)
{
	struct request *rq = s->rq;
	const struct describe_log_dirs_request *in = rq->in;
	struct describe_log_dirs_response *out = rq->out;
	struct describe_log_dirs_response_result *dir;
	struct map topics = { 0 }, asked = { 0 };
	struct disk *d = b->node->disk;

	out->results = dir = wire_new(&describe_log_dirs_response_result_type,
				      1, &rq->arena);
	out->results_n = 1;
	dir->log_dir = str_of(b->node->settings->values[SETTING_LOG_DIRS]);
	dir->topics = wire_new(&describe_log_dirs_response_topic_type,
			       (int32_t)map_count(&b->cluster->topics) +
				       s->out, &rq->arena);
	find_asked(in, s, &asked);
	for (int i = 0; i < s->errands_n; i++) {
		const struct log_size *v = s->errands[i].found;

		for (int32_t k = 0; k < s->errands[i].found_n; k++)
			if (is_asked(in, &asked, &v[k]) &&
			    (cluster_topic(b->cluster, v[k].topic) ||
			     map_find_str(&topics, v[k].topic)))
				add_size(&rq->arena,
					 topic_of(&topics, dir, v[k].topic),
					 &v[k]);
	}
	map_fini(&topics);
	map_fini(&asked);
	if (d && d->ops->space(d, &dir->total_bytes, &dir->usable_bytes) < 0)
		dir->total_bytes = dir->usable_bytes = -1;
	broker_answer(b, rq);
}

void handle_describe_log_dirs(struct broker *b, struct request *rq)
{
	struct spread *s = spread_new(b, rq, shard_describe_logs, gathered);

	for (int i = 1; i <= b->node->shards; i++)
		spread_add(s, i, s);
	spread_go(s);
}
