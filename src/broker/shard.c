/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard: which partitions live on this thread, kept true to the cluster; and
 * the end of each turn, when what moved is shown to those who wait.
 *
 * 1. A partition is here iff this broker is among its replicas and
 *    broker_shard_of() says so. Its log is opened when it comes and deleted
 *    when the cluster says that it went; a log that nobody mentions is left
 *    alone.
 * 2. A log that fails takes its partition offline, not the shard.
 * 3. After a start the copy of the cluster goes through its past again. No
 *    partition leads or follows before the copy has this process's own
 *    registration: what was decided before that may be older than the logs,
 *    and a follower would cut what has been acknowledged since.
 */
#include "shard.h"

#define STORE_TICK_MS 100

/* ---- finding ------------------------------------------------------------- */

static struct hosted_topic *find_topic(struct broker *b, struct uuid id)
{
	return map_find(&b->shard->topics, id.b, sizeof(id.b));
}

struct hosted *hosted_find(struct broker *b, struct partition_id id)
{
	struct hosted_topic *t = find_topic(b, id.topic);

	if (!t || id.index < 0 || id.index >= t->at_n)
		return NULL;
	return t->at[id.index];
}

void hosted_leader(struct broker *b, struct partition_id id, int32_t *leader,
		   int32_t *epoch)
{
	const struct topic *t = cluster_topic_by_id(b->cluster, id.topic);

	*leader = *epoch = -1;
	if (!t || id.index < 0 || id.index >= t->partitions_n)
		return;
	*leader = t->partitions[id.index].leader;
	*epoch = t->partitions[id.index].leader_epoch;
}

static enum kerr why_not_here(struct broker *b, struct partition_id id)
{
	const struct topic *t = cluster_topic_by_id(b->cluster, id.topic);

	if (!t)
		return K_UNKNOWN_TOPIC_ID;
	if (id.index < 0 || id.index >= t->partitions_n)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	return K_NOT_LEADER_OR_FOLLOWER;
}

enum kerr hosted_check(const struct broker *b, const struct hosted *h,
		       int32_t epoch, bool leader_only)
{
	enum kerr error;

	if (!broker_has_lease(b) || b->stopping)
		return K_NOT_LEADER_OR_FOLLOWER;
	if (!h->replica)
		return K_KAFKA_STORAGE_ERROR;
	error = replica_check_leader(h->replica, epoch);
	if (error == K_NOT_LEADER_OR_FOLLOWER && !leader_only)
		return K_NONE;
	return error;
}

enum kerr hosted_get(struct broker *b, struct partition_id id, int32_t epoch,
		     bool leader_only, struct hosted **out)
{
	*out = hosted_find(b, id);
	if (!*out)
		return why_not_here(b, id);
	return hosted_check(b, *out, epoch, leader_only);
}

/* ---- settings ------------------------------------------------------------ */

static int64_t number(struct broker *b, const struct topic *t,
		      enum setting_id id)
{
	return setting_number(setting_of_topic(b->cluster, b->node->settings,
					       t, id));
}

static bool is(struct broker *b, const struct topic *t, enum setting_id id,
	       const char *word)
{
	return setting_list_has(setting_of_topic(b->cluster, b->node->settings,
						 t, id), word);
}

static void resolve(struct broker *b, const struct topic *t,
		    struct log_settings *set)
{
	*set = (struct log_settings){
		.segment_bytes = number(b, t, SETTING_SEGMENT_BYTES),
		.segment_ms = number(b, t, SETTING_SEGMENT_MS),
		.retention_ms = number(b, t, SETTING_RETENTION_MS),
		.retention_bytes = number(b, t, SETTING_RETENTION_BYTES),
		.retention_messages = number(b, t, SETTING_RETENTION_MESSAGES),
		.file_delete_delay_ms =
			number(b, t, SETTING_FILE_DELETE_DELAY_MS),
		.index_interval_bytes =
			(int32_t)number(b, t, SETTING_INDEX_INTERVAL_BYTES),
		.max_message_bytes =
			(int32_t)number(b, t, SETTING_MAX_MESSAGE_BYTES),
		.timestamp_before_max_ms =
			number(b, t, SETTING_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
		.timestamp_after_max_ms =
			number(b, t, SETTING_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
		.delete_retention_ms =
			number(b, t, SETTING_DELETE_RETENTION_MS),
		.delete_old = is(b, t, SETTING_CLEANUP_POLICY, "delete"),
		.compact = is(b, t, SETTING_CLEANUP_POLICY, "compact"),
		.log_append_time = is(b, t, SETTING_MESSAGE_TIMESTAMP_TYPE,
				      "LogAppendTime"),
		.durable = is(b, t, SETTING_DURABILITY, "disk"),
	};
}

/* ---- coming and going ---------------------------------------------------- */

static struct hosted_topic *get_topic(struct broker *b, const struct topic *t)
{
	struct hosted_topic *ht = find_topic(b, t->id);

	if (!ht) {
		ht = mem_zalloc(sizeof(*ht));
		ht->shard = b->shard;
		ht->id = t->id;
		ht->name = mem_strdup(t->name);
		resolve(b, t, &ht->set);
		map_put(&b->shard->topics, t->id.b, sizeof(t->id.b), ht);
	}
	if (ht->at_n < t->partitions_n) {
		ht->at = mem_realloc(ht->at, (size_t)t->partitions_n *
						     sizeof(struct hosted *));
		memset(ht->at + ht->at_n, 0,
		       (size_t)(t->partitions_n - ht->at_n) *
			       sizeof(struct hosted *));
		ht->at_n = t->partitions_n;
	}
	return ht;
}

/* No space, no file descriptors, a bad moment: it is tried again. */
static void open_later(struct broker *b, struct hosted *h, int error)
{
	if (error != h->open_error && error != -EAGAIN)
		trace_error("broker", "partition is offline",
			    "topic=%s partition=%d error=\"%s\"",
			    h->topic->name, h->index, strerror(-error));
	h->open_error = error;
	heal_unopened(b, h);
}

static bool open_log(struct broker *b, struct hosted *h)
{
	struct hosted_topic *t = h->topic;
	struct log_id id = { str_of(t->name), t->id, h->index };
	int rc = store_log_open(b->shard->store, &id, &t->set, &h->log);

	if (rc < 0) {
		h->log = NULL;
		open_later(b, h, rc);
		return false;
	}
	if (h->open_error)
		trace_info("broker", "partition is opened after all",
			   "topic=%s partition=%d", t->name, h->index);
	h->open_error = 0;
	h->replica = replica_new(
		h->log, b->node->id,
		broker_number(b, SETTING_REPLICA_LAG_TIME_MAX_MS));
	h->replica->owner = h;
	log_set_owner(h->log, h);
	h->shown_hw = h->replica->high_watermark;
	h->shown_end = log_end(h->log);
	h->shown_start = log_start(h->log);
	return true;
}

static struct hosted *come(struct broker *b, const struct partition *p)
{
	struct hosted_topic *t = get_topic(b, p->topic);
	struct hosted *h = t->at[p->index];

	if (h)
		return h;
	h = mem_zalloc(sizeof(*h));
	h->topic = t;
	h->index = p->index;
	list_init(&h->dirty);
	list_init(&h->durable_waits);
	list_init(&h->hw_waits);
	list_init(&h->start_waits);
	list_init(&h->readers);
	list_init(&h->followers);
	list_init(&h->isr_retry);
	list_init(&h->in_fetcher);
	list_init(&h->ill);
	t->at[p->index] = h;
	t->hosted_n++;
	open_log(b, h);
	return h;
}

static void empty(struct list *l)
{
	while (list_pop(l))
		;
}

static void free_hosted(struct hosted *h)
{
	empty(&h->durable_waits);
	empty(&h->hw_waits);
	empty(&h->start_waits);
	empty(&h->readers);
	empty(&h->followers);
	list_remove(&h->dirty);
	list_remove(&h->isr_retry);
	list_remove(&h->in_fetcher);
	list_remove(&h->ill);
	if (h->replica)
		replica_free(h->replica);
	mem_free(h);
}

static void free_topic(struct broker *b, struct hosted_topic *t)
{
	map_remove(&b->shard->topics, t->id.b, sizeof(t->id.b));
	mem_free(t->at);
	mem_free(t->name);
	mem_free(t);
}

/* The cluster says that it is not here any more: so its data go too. */
static void go(struct broker *b, struct hosted *h, enum kerr error)
{
	struct hosted_topic *t = h->topic;

	park_fail(b, h, error);
	feed_orphan(b, h);
	fetcher_forget(b, h);
	if (h->log)
		store_log_delete(b->shard->store, h->log);
	t->at[h->index] = NULL;
	t->hosted_n--;
	free_hosted(h);
}

static void go_topic(struct broker *b, struct hosted_topic *t)
{
	for (int32_t i = 0; i < t->at_n; i++)
		if (t->at[i])
			go(b, t->at[i], K_UNKNOWN_TOPIC_OR_PARTITION);
	free_topic(b, t);
}

/* ---- assignment ---------------------------------------------------------- */

static bool is_registered(const struct broker *b)
{
	const struct broker_info *self = cluster_broker(b->cluster,
							b->node->id);

	return self && uuid_eq(self->incarnation, b->node->incarnation);
}

static void assign(struct broker *b, struct hosted *h,
		   const struct partition *p)
{
	bool eligible[256];
	bool *e = eligible;
	struct replica_assignment a = {
		.leader = p->leader,
		.leader_epoch = p->leader_epoch,
		.partition_epoch = p->partition_epoch,
		.replicas = p->replicas.v,
		.replicas_n = p->replicas.n,
		.isr = p->isr.v,
		.isr_n = p->isr.n,
		.min_isr = cluster_min_isr(b->cluster, p->topic,
					   p->replicas.n),
	};

	if (!h->replica)
		return;
	if (p->replicas.n > (int32_t)countof(eligible))
		e = mem_alloc((size_t)p->replicas.n * sizeof(*e));
	for (int32_t i = 0; i < p->replicas.n; i++)
		e[i] = cluster_broker_active(b->cluster, p->replicas.v[i]);
	a.eligible = e;
	hosted_changed(b, h, replica_assign(h->replica, &a, b->now_ms));
	if (e != eligible)
		mem_free(e);
	if (h->replica->role == REPLICA_LEADER)
		isr_look(b, h);
	if (h->replica->role == REPLICA_OFFLINE)
		heal_look(b, h);
}

void hosted_reopen(struct broker *b, struct hosted *h)
{
	const struct topic *t = cluster_topic_by_id(b->cluster, h->topic->id);

	if (open_log(b, h) && t && h->index < t->partitions_n)
		assign(b, h, &t->partitions[h->index]);
}

static bool belongs_here(struct broker *b, const struct partition *p)
{
	return broker_shard_of(str_of(p->topic->name), p->index,
			       b->node->shards) == b->thread &&
	       int32s_has(&p->replicas, b->node->id);
}

static void look_at(struct broker *b, const struct partition *p)
{
	struct hosted *h = hosted_find(b, (struct partition_id){
					  p->topic->id, p->index });

	if (belongs_here(b, p))
		assign(b, come(b, p), p);
	else if (h)
		go(b, h, K_NOT_LEADER_OR_FOLLOWER);
}

static void look_at_topic(struct broker *b, const struct topic *t)
{
	for (int32_t i = 0; i < t->partitions_n; i++)
		look_at(b, &t->partitions[i]);
}

static void configure(struct broker *b, const struct topic *t)
{
	struct hosted_topic *ht = find_topic(b, t->id);

	if (!ht)
		return;
	resolve(b, t, &ht->set);
	for (int32_t i = 0; i < ht->at_n; i++) {
		struct hosted *h = ht->at[i];

		if (!h || !h->replica)
			continue;
		log_configure(h->log, &ht->set);
		h->replica->lag_max_ms =
			broker_number(b, SETTING_REPLICA_LAG_TIME_MAX_MS);
		assign(b, h, &t->partitions[i]); /* min.insync.replicas */
	}
}

static void each_topic(struct broker *b,
		       void (*f)(struct broker *b, const struct topic *t))
{
	for (struct map_iter i = map_first(&b->cluster->topics); i.at;
	     map_next(&i))
		f(b, i.value);
}

/* Its epoch or its fence: who may be in an ISR, and may leaders be led. */
static void look_at_broker(struct broker *b, int32_t node)
{
	for (struct map_iter i = map_first(&b->cluster->topics); i.at;
	     map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++)
			if (int32s_has(&t->partitions[k].replicas, node))
				look_at(b, &t->partitions[k]);
	}
}

/*
 * It went while this node was away, and the agreed log says so. What the state
 * does not mention stays where it is.
 */
static void drop_left(void *ctx, const struct log_id *id)
{
	struct broker *b = ctx;
	const struct topic *t = cluster_topic_by_id(b->cluster, id->topic_id);
	struct log_settings set = { .segment_bytes = INT32_MAX,
				    .segment_ms = -1,
				    .retention_ms = -1,
				    .retention_bytes = -1,
				    .retention_messages = -1 };
	struct log *l;

	if (uuid_is_zero(id->topic_id) ||
	    broker_shard_of(id->topic, id->partition, b->node->shards) !=
		    b->thread)
		return;
	if (t ? id->partition >= t->partitions_n ||
			int32s_has(&t->partitions[id->partition].replicas,
				   b->node->id) :
		!map_find(&b->shard->deleted, id->topic_id.b,
			  sizeof(id->topic_id.b)))
		return;
	set.file_delete_delay_ms =
		broker_number(b, SETTING_FILE_DELETE_DELAY_MS);
	if (store_log_open(b->shard->store, id, &set, &l) < 0)
		return; /* the next start tries again */
	trace_info("broker", "a replica that is not here any more is removed",
		   "topic=%.*s partition=%d", STR_ARG(id->topic),
		   id->partition);
	store_log_delete(b->shard->store, l);
}

/*
 * Until this process is registered the agreed log tells of the past: a topic
 * of a name that another has now, a replica that went and came back. Nothing is
 * opened, begun or removed for that; what is so at the end is looked at then.
 */
static void look_whether_present(struct broker *b)
{
	if (!is_registered(b))
		return;
	b->shard->current = true;
	(void)!store_each_unopened(b->shard->store, drop_left, b);
	map_fini(&b->shard->deleted);
	each_topic(b, look_at_topic);
}

static void apply(struct broker *b, const struct cluster_change *c)
{
	struct hosted_topic *ht;
	const struct topic *t;

	if (!b->shard->current) {
		if (c->kind == CLUSTER_TOPIC_DELETED)
			map_put(&b->shard->deleted, c->topic_id.b,
				sizeof(c->topic_id.b), b->shard);
		look_whether_present(b);
		return;
	}
	switch (c->kind) {
	case CLUSTER_TOPIC_CREATED:
	case CLUSTER_PARTITION_CHANGED:
	case CLUSTER_TOPIC_CONFIGURED:
		t = cluster_topic_by_id(b->cluster, c->topic_id);
		if (!t)
			return;
		if (c->kind == CLUSTER_TOPIC_CREATED)
			look_at_topic(b, t);
		else if (c->kind == CLUSTER_TOPIC_CONFIGURED)
			configure(b, t);
		else if (c->partition >= 0 && c->partition < t->partitions_n)
			look_at(b, &t->partitions[c->partition]);
		return;
	case CLUSTER_TOPIC_DELETED:
		ht = find_topic(b, c->topic_id);
		if (ht)
			go_topic(b, ht);
		return;
	case CLUSTER_SETTINGS_CHANGED:
		if (c->broker < 0 || c->broker == b->node->id)
			each_topic(b, configure);
		return;
	case CLUSTER_BROKER_CHANGED:
		look_at_broker(b, c->broker);
		return;
	case CLUSTER_GROUP_CONFIGURED:
	case CLUSTER_BOOTSTRAPPED:
		return;
	}
}

void shard_applied(struct broker *b, const struct cluster_effects *e)
{
	for (int32_t i = 0; i < e->changes_n; i++)
		apply(b, &e->changes[i]);
}

void shard_restored(struct broker *b)
{
	if (!b->shard->current) {
		look_whether_present(b);
		return;
	}
	for (struct map_iter i = map_first(&b->shard->topics); i.at;
	     map_next(&i)) {
		struct hosted_topic *ht = i.value;

		if (!cluster_topic_by_id(b->cluster, ht->id))
			go_topic(b, ht);
	}
	each_topic(b, look_at_topic);
	each_topic(b, configure);
}

/* ---- what moves ---------------------------------------------------------- */

void hosted_touch(struct hosted *h)
{
	if (list_empty(&h->dirty))
		list_push(&h->topic->shard->dirty, &h->dirty);
}

void hosted_changed(struct broker *b, struct hosted *h, int changed)
{
	if (changed)
		hosted_touch(h);
	if (!(changed & (REPLICA_ROLE_CHANGED | REPLICA_EPOCH_CHANGED)))
		return;
	if (h->replica->role != REPLICA_LEADER)
		park_fail(b, h, h->replica->role == REPLICA_OFFLINE ?
				K_KAFKA_STORAGE_ERROR :
				K_NOT_LEADER_OR_FOLLOWER);
	trace_debug("broker", "partition changed",
		    "topic=%s partition=%d leader=%d epoch=%d", h->topic->name,
		    h->index, h->replica->leader, h->replica->leader_epoch);
	feed_wake_all(b, h);
	fetcher_follow(b, h);
}

static void settle(struct broker *b, struct hosted *h)
{
	if (!h->replica)
		return;
	if (h->replica->role == REPLICA_LEADER)
		replica_on_durable(h->replica);
	park_settle(b, h);
	feed_wake(b, h);
}

/*
 * What the kernel could not write it may show as written: only a start tells.
 * Until then others lead what this node led. No log may be there to say it.
 */
static void look_at_journal(struct broker *b)
{
	if (!store_error(b->shard->store) || b->shard->failed)
		return;
	b->shard->failed = true;
	broker_fail(b, "the disk has failed");
}

void shard_turn_end(struct broker *b)
{
	struct shard *s = b->shard;
	struct list *l;

	if (!s->store)
		return;
	store_turn_end(s->store, b->now_ms);
	look_at_journal(b);
	produce_resume(b);
	while ((l = list_pop(&s->dirty)))
		settle(b, list_entry(l, struct hosted, dirty));
	feed_turn_end(b);
	fetcher_turn_end(b);
}

/* ---- the store speaks ---------------------------------------------------- */

static void on_durable(void *ctx, struct log *l)
{
	struct broker *b = ctx;
	struct hosted *h = log_owner(l);

	if (!h)
		return;
	fetcher_on_durable(b, h);
	hosted_touch(h);
}

static void on_readable(void *ctx, struct log *l)
{
	if (log_owner(l))
		feed_wake_all(ctx, log_owner(l));
}

static void on_offline(void *ctx, struct log *l, int error)
{
	struct broker *b = ctx;
	struct hosted *h = log_owner(l);
	struct replica_assignment none = { .leader = -1 };

	trace_error("broker", "partition is offline",
		    "topic=%.*s partition=%d error=%s", STR_ARG(log_topic(l)),
		    log_partition(l), strerror(error < 0 ? -error : error));
	if (h && h->replica) { /* it sees that its log has failed */
		(void)replica_assign(h->replica, &none, b->now_ms);
		hosted_changed(b, h, REPLICA_ROLE_CHANGED);
		heal_look(b, h);
	}
}

static void tick_store(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, store_timer);
	struct broker *b = s->b;

	store_tick(s->store, b->now_ms, b->wall_ms);
	wheel_arm(b->wheel, t, b->now_ms + STORE_TICK_MS);
}

/* ---- opening and closing ------------------------------------------------- */

/* 0 leaves it to the store. */
static int32_t files_max(const struct broker *b)
{
	int64_t all = broker_number(b, SETTING_LOG_OPEN_FILES_MAX);

	return (int32_t)((all + b->node->shards - 1) / b->node->shards);
}

int shard_open(struct broker *b, const struct broker_config *c)
{
	struct shard *s = mem_zalloc(sizeof(*s));
	struct store_config sc = {
		.disk = c->node->disk,
		.out = &b->out,
		.shard = c->thread,
		.shards = c->node->shards,
		.now_ms = c->now_ms,
		.wall_ms = c->wall_ms,
		.ctx = b,
		.on_durable = on_durable,
		.on_offline = on_offline,
		.on_readable = on_readable,
	};

	b->shard = s;
	s->b = b;
	list_init(&s->dirty);
	list_init(&s->due_feeds);
	list_init(&s->feeds);
	list_init(&s->isr_retry);
	list_init(&s->early);
	list_init(&s->stalled);
	list_init(&s->session_lru);
	b->copy = cluster_new();
	b->cluster = b->copy;
	timer_init(&s->store_timer, tick_store);
	s->unsynced_max = broker_number(b, SETTING_LOG_UNSYNCED_MAX_BYTES);
	sc.journal_bytes = broker_number(b, SETTING_JOURNAL_BYTES);
	sc.checkpoint_ms = max_of(1, broker_number(
		b, SETTING_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
	sc.files_max = files_max(b);
	sc.producer_expiry_ms =
		broker_number(b, SETTING_PRODUCER_ID_EXPIRATION_MS);
	prng_init(&sc.prng, prng_next(&b->prng));
	isr_start(b);
	heal_start(b);
	wheel_arm(b->wheel, &s->store_timer, b->now_ms + STORE_TICK_MS);
	return store_open(&s->store, &sc);
}

static void free_all(struct broker *b)
{
	struct shard *s = b->shard;

	fetch_session_free_all(b);
	feed_free_all(b);
	for (struct map_iter i = map_first(&s->topics); i.at; map_next(&i)) {
		struct hosted_topic *t = i.value;

		for (int32_t k = 0; k < t->at_n; k++)
			if (t->at[k])
				free_hosted(t->at[k]);
		free_topic(b, t);
	}
	map_fini(&s->topics);
	map_fini(&s->deleted);
	fetcher_free_all(b);
	empty(&s->due_feeds);
	empty(&s->early);
	empty(&s->stalled);
	wheel_disarm(&s->store_timer);
	wheel_disarm(&s->isr_timer);
	wheel_disarm(&s->retry_timer);
	wheel_disarm(&s->heal_timer);
	mem_free(s);
	b->shard = NULL;
}

void shard_free(struct broker *b)
{
	if (b->shard->store)
		store_free(b->shard->store);
	b->shard->store = NULL;
	free_all(b);
}

static struct request *find_waiting(struct broker *b)
{
	list_each (l, &b->held, safe) {
		struct request *rq = list_entry(l, struct request, held);

		if (rq->api && rq->api->handle == handle_fetch &&
		    fetch_is_waiting(rq))
			return rq;
	}
	return NULL;
}

void shard_stop(struct broker *b)
{
	struct shard *s = b->shard;
	struct request *rq;

	store_stop(s->store);
	spread_caught_up(b);
	produce_resume_all(b);
	for (struct map_iter i = map_first(&s->topics); i.at; map_next(&i)) {
		struct hosted_topic *t = i.value;

		for (int32_t k = 0; k < t->at_n; k++)
			if (t->at[k])
				park_fail(b, t->at[k],
					  K_NOT_LEADER_OR_FOLLOWER);
	}
	/* one that is answered may let another go: begin anew each time */
	while ((rq = find_waiting(b)))
		fetch_settle(rq);
}

int shard_close(struct broker *b)
{
	int rc = store_close(b->shard->store);

	b->shard->store = NULL;
	return rc;
}

/* ---- for DescribeLogDirs ------------------------------------------------- */

static int64_t lag_of(const struct hosted *h)
{
	return max_of(0, h->replica->high_watermark - log_end(h->log));
}

void shard_describe_logs(struct broker *b, struct errand *e)
{
	struct log_size *v;
	int32_t n = 0;

	for (struct map_iter i = map_first(&b->shard->topics); i.at;
	     map_next(&i))
		n += ((struct hosted_topic *)i.value)->hosted_n;
	v = arena_alloc(&e->arena, (size_t)n * sizeof(*v));
	n = 0;
	for (struct map_iter i = map_first(&b->shard->topics); i.at;
	     map_next(&i)) {
		struct hosted_topic *t = i.value;
		struct str name = str_dup(&e->arena, str_of(t->name));

		for (int32_t k = 0; k < t->at_n; k++)
			if (t->at[k] && t->at[k]->replica)
				v[n++] = (struct log_size){
					name, k, log_bytes(t->at[k]->log),
					lag_of(t->at[k]) };
	}
	e->found = v;
	e->found_n = n;
	errand_home(b, e);
}
