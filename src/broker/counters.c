/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters: what one thread counts, and its share of /metrics. Names and help
 * stand in tbl/metric.def. Time has milliseconds here: shorter requests fall
 * into the first bucket.
 *
 * 1. Per-partition series are printed for partitions led here only, so that
 *    the cluster as a whole has each once, and for the first SERIES_MAX.
 */
#include "feed.h"

#define SERIES_MAX 10000
#define CODES 160 /* error codes + 1: the smallest is -1 */
#define BUCKETS 12

static const int32_t bucket_ms[BUCKETS] = { 1, 2, 5, 10, 20, 50, 100, 200, 500,
					    1000, 2000, 5000 };

struct api_counters {
	uint64_t requests;
	uint64_t buckets[BUCKETS]; /* not cumulated */
	int64_t sum_ms;
	uint64_t errors[CODES];
};
struct counters {
	struct api_counters *apis[API_KEYS]; /* made when first needed */
	uint64_t refused;
};

struct counters *counters_new(void)
{
	return mem_zalloc(sizeof(struct counters));
}

void counters_free(struct counters *c)
{
	if (!c)
		return;
	for (int i = 0; i < API_KEYS; i++)
		mem_free(c->apis[i]);
	mem_free(c);
}

static struct api_counters *of_api(struct broker *b, int16_t key)
{
	struct api_counters **a;

	assert(key >= 0 && key < API_KEYS);
	a = &b->counters->apis[key];
	if (!*a)
		*a = mem_zalloc(sizeof(**a));
	return *a;
}

void counters_answered(struct broker *b, const struct request *rq)
{
	struct api_counters *a = of_api(b, rq->api->key);
	int64_t ms = max_of(b->now_ms - rq->arrived_ms, 0);

	a->requests++;
	a->sum_ms += ms;
	for (int i = 0; i < BUCKETS; i++) {
		if (ms < bucket_ms[i]) {
			a->buckets[i]++;
			return;
		}
	}
}

void counters_refused(struct broker *b)
{
	b->counters->refused++;
}

void counters_error(struct broker *b, int16_t key, int16_t code)
{
	if (code && code >= -1 && code < CODES - 1)
		of_api(b, key)->errors[code + 1]++;
}

/* ---- printing ------------------------------------------------------------ */

struct metric {
	const char *kind, *name, *help;
};
static const struct metric metrics[METRIC_COUNT] = {
#define METRIC(id, kind, name, labels, help)                                   \
	[METRIC_##id] = { #kind, name, help },
#include <raftmq/tbl/metric.def>
#undef METRIC
};

static void head(struct buf *out, enum metric_id id)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[id].name,
		   metrics[id].help, metrics[id].name, metrics[id].kind);
}

static void number(struct buf *out, enum metric_id id, int64_t v)
{
	head(out, id);
	buf_printf(out, "%s %" PRId64 "\n", metrics[id].name, v);
}

static void each_api(const struct broker *b, struct buf *out,
		     enum metric_id id,
		     void (*print)(struct buf *out, const char *name,
				   const char *api,
				   const struct api_counters *a))
{
	head(out, id);
	for (int16_t k = 0; k < API_KEYS; k++)
		if (b->counters->apis[k] && api_find(k))
			print(out, metrics[id].name, api_find(k)->name,
			      b->counters->apis[k]);
}

static void print_requests(struct buf *out, const char *name, const char *api,
			   const struct api_counters *a)
{
	buf_printf(out, "%s{api=\"%s\"} %" PRIu64 "\n", name, api, a->requests);
}

static void print_errors(struct buf *out, const char *name, const char *api,
			 const struct api_counters *a)
{
	for (int i = 0; i < CODES; i++)
		if (a->errors[i])
			buf_printf(out,
				   "%s{api=\"%s\",code=\"%s\"} %" PRIu64 "\n",
				   name, api, kerr_name((int16_t)(i - 1)),
				   a->errors[i]);
}

static void print_duration(struct buf *out, const char *name, const char *api,
			   const struct api_counters *a)
{
	uint64_t sum = 0;

	for (int i = 0; i < BUCKETS; i++) {
		sum += a->buckets[i];
		buf_printf(out,
			   "%s_bucket{api=\"%s\",le=\"%d.%03d\"} %" PRIu64 "\n",
			   name, api, bucket_ms[i] / 1000, bucket_ms[i] % 1000,
			   sum);
	}
	buf_printf(out, "%s_bucket{api=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name,
		   api, a->requests);
	buf_printf(out, "%s_sum{api=\"%s\"} %" PRId64 ".%03d\n", name, api,
		   a->sum_ms / 1000, (int)(a->sum_ms % 1000));
	buf_printf(out, "%s_count{api=\"%s\"} %" PRIu64 "\n", name, api,
		   a->requests);
}

/* ---- partitions ---------------------------------------------------------- */

struct census {
	int64_t partitions, leaders, offline, under_replicated, under_min_isr;
};

static void count(struct census *c, const struct hosted *h)
{
	const struct replica *r = h->replica;

	c->partitions++;
	if (!r || r->role == REPLICA_OFFLINE)
		c->offline++;
	if (!r || r->role != REPLICA_LEADER)
		return;
	c->leaders++;
	c->under_replicated += r->isr_n < r->peers_n + 1;
	c->under_min_isr += replica_check_min_isr(r) != K_NONE;
}

static void each_hosted(const struct broker *b, void *ctx,
			void (*each)(void *ctx, const struct hosted *h))
{
	for (struct map_iter i = map_first(&b->shard->topics); i.at;
	     map_next(&i)) {
		const struct hosted_topic *t = i.value;

		for (int32_t k = 0; k < t->at_n; k++)
			if (t->at[k])
				each(ctx, t->at[k]);
	}
}

static void count_one(void *ctx, const struct hosted *h)
{
	count(ctx, h);
}

struct series {
	struct buf *out;
	enum metric_id id;
	int left;
};

static int64_t mark_of(const struct hosted *h, enum metric_id id)
{
	switch (id) {
	case METRIC_LOG_START:
		return log_start(h->log);
	case METRIC_HIGH_WATERMARK:
		return h->replica->high_watermark;
	case METRIC_LOG_END:
		return log_end(h->log);
	case METRIC_LOG_BYTES:
		return log_bytes(h->log);
	default:
		return log_segments(h->log);
	}
}

static void print_mark(void *ctx, const struct hosted *h)
{
	struct series *s = ctx;

	if (!h->replica || h->replica->role != REPLICA_LEADER || s->left-- <= 0)
		return;
	buf_printf(s->out, "%s{topic=\"%s\",partition=\"%d\"} %" PRId64 "\n",
		   metrics[s->id].name, h->topic->name, h->index,
		   mark_of(h, s->id));
}

static void print_topics(const struct broker *b, struct buf *out,
			 enum metric_id id)
{
	int left = SERIES_MAX;

	head(out, id);
	for (struct map_iter i = map_first(&b->shard->topics); i.at && left > 0;
	     map_next(&i), left--) {
		const struct hosted_topic *t = i.value;
		uint64_t v = id == METRIC_MESSAGES_IN ? t->messages_in :
			     id == METRIC_BYTES_IN ? t->bytes_in :
						     t->bytes_out;

		buf_printf(out, "%s{topic=\"%s\"} %" PRIu64 "\n",
			   metrics[id].name, t->name, v);
	}
}

static void print_shard(const struct broker *b, struct buf *out)
{
	static const enum metric_id marks[] = {
		METRIC_LOG_START, METRIC_HIGH_WATERMARK, METRIC_LOG_END,
		METRIC_LOG_BYTES, METRIC_SEGMENTS
	};
	struct census c = { 0 };

	each_hosted(b, &c, count_one);
	number(out, METRIC_PARTITIONS, c.partitions);
	number(out, METRIC_LEADERS, c.leaders);
	number(out, METRIC_OFFLINE, c.offline);
	number(out, METRIC_UNDER_REPLICATED, c.under_replicated);
	number(out, METRIC_UNDER_MIN_ISR, c.under_min_isr);
	number(out, METRIC_SESSIONS, (int64_t)map_count(&b->shard->sessions));
	number(out, METRIC_UNSYNCED, store_unsynced_bytes(b->shard->store));
	print_topics(b, out, METRIC_MESSAGES_IN);
	print_topics(b, out, METRIC_BYTES_IN);
	print_topics(b, out, METRIC_BYTES_OUT);
	for (size_t i = 0; i < countof(marks); i++) {
		struct series s = { out, marks[i], SERIES_MAX };

		head(out, marks[i]);
		each_hosted(b, &s, print_mark);
	}
}

void broker_metrics(const struct broker *b, struct buf *out)
{
	int64_t waiting = 0;

	list_each (l, &b->held, safe)
		waiting++;
	each_api(b, out, METRIC_REQUESTS, print_requests);
	each_api(b, out, METRIC_ERRORS, print_errors);
	each_api(b, out, METRIC_DURATION, print_duration);
	number(out, METRIC_REFUSED, (int64_t)b->counters->refused);
	number(out, METRIC_PARKED, waiting);
	if (b->shard)
		print_shard(b, out);
	else /* once per node: all threads have the same */
		number(out, METRIC_LEASE, broker_has_lease(b));
}
