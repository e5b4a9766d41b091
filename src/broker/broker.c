/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker: one thread's broker, from opening to closing, and its place in the
 * loop of whoever drives it. What it does stands in dispatch.c and handle/.
 */
#include "control.h"
#include "coordinator.h"
#include "shard.h"

int broker_open(struct broker **out, const struct broker_config *c)
{
	struct broker *b = mem_zalloc(sizeof(*b));
	int rc = 0;

	assert(c->thread >= 0 && c->thread <= c->node->shards);
	b->thread = c->thread;
	b->node = c->node;
	b->out = c->out;
	b->now_ms = c->now_ms;
	b->wall_ms = c->wall_ms;
	b->cluster = c->cluster;
	b->coord = c->coord;
	b->quorum = c->quorum;
	b->host_ctx = c->host_ctx;
	b->on_ready = c->on_ready;
	b->on_refused = c->on_refused;
	b->quorum_leader = -1;
	prng_init(&b->prng, c->seed);
	list_init(&b->held);
	b->wheel = wheel_new(c->now_ms);
	b->counters = counters_new();
	if (c->thread > 0) {
		rc = shard_open(b, c);
	} else {
		relay_snapshot(b);
		rc = control_open(b);
	}
	if (rc < 0) {
		broker_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

/* With thread 0, which may still be at work on it: it is not ours to free. */
static bool is_away(const struct broker *b, const struct request *rq)
{
	return b->thread > 0 && rq->api && rq->api->thread == ON_QUORUM;
}

/* Requests first: they may hold what shard and wheel own. */
void broker_free(struct broker *b)
{
	struct list *l;

	if (!b)
		return;
	b->dying = true;
	if (b->control)
		coordinator_close(b);
	while ((l = list_pop(&b->held))) {
		struct request *rq = list_entry(l, struct request, held);

		if (!is_away(b, rq))
			request_free(rq);
	}
	if (b->shard)
		shard_free(b);
	if (b->control)
		control_close(b);
	cluster_free(b->copy);
	arena_fini(&b->scratch);
	counters_free(b->counters);
	wheel_free(b->wheel);
	mem_free(b);
}

void broker_stop(struct broker *b)
{
	b->stopping = true;
	if (b->shard)
		shard_stop(b);
	else
		control_stop(b);
}

/* What is with thread 0 ends there. */
bool broker_is_idle(const struct broker *b)
{
	list_each (l, &b->held, safe)
		if (!is_away(b, list_entry(l, struct request, held)))
			return false;
	return !b->shard || store_is_idle(b->shard->store);
}

/* The mark says that all that was promised is on disk: not after a failure. */
int broker_close(struct broker *b)
{
	int rc = 0;

	if (b->shard)
		rc = shard_close(b);
	else if (!b->failed)
		rc = membership_leave_mark(b);
	if (b->shard && rc < 0)
		broker_fail(b, "the disk has failed");

	broker_free(b);
	return rc;
}

void broker_set_time(struct broker *b, int64_t now_ms, int64_t wall_ms)
{
	b->now_ms = max_of(b->now_ms, now_ms);
	b->wall_ms = wall_ms;
}

void broker_tick(struct broker *b)
{
	wheel_advance(b->wheel, b->now_ms);
}

int64_t broker_next_tick(const struct broker *b)
{
	return wheel_next(b->wheel);
}

void broker_turn_end(struct broker *b)
{
	if (b->shard)
		shard_turn_end(b);
	else
		wishes_turn_end(b);
}

struct failure {
	struct letter letter;
	const char *why;
};

static void deliver_failure(struct broker *b, struct letter *l)
{
	struct failure *f = list_entry(l, struct failure, letter);

	b->failed = true;
	if (b->on_refused)
		b->on_refused(b->host_ctx, f->why);
	mem_free(f);
}

void broker_fail(struct broker *b, const char *why)
{
	struct failure *f = mem_zalloc(sizeof(*f));

	list_init(&f->letter.link);
	f->letter.deliver = deliver_failure;
	f->why = why;
	b->out.tell(b->out.ctx, 0, &f->letter);
}

bool broker_lease_ok(const struct broker *b, int64_t now_ms)
{
	return now_ms < b->lease_until_ms;
}

bool broker_has_lease(const struct broker *b)
{
	return broker_lease_ok(b, b->now_ms);
}

int broker_shard_of(struct str topic, int32_t partition, int shards)
{
	uint64_t h = hash64(topic.p, (size_t)topic.n, 0);

	return (int)((h + (uint64_t)partition) % (uint64_t)shards) + 1;
}

bool broker_peer_address(const struct broker *b, int32_t node,
			 const char **host, int32_t *port)
{
	const struct broker_info *info = cluster_broker(b->cluster, node);

	if (!info || !info->peer_host)
		return false;
	*host = info->peer_host;
	*port = info->peer_port;
	return true;
}

int64_t broker_number(const struct broker *b, enum setting_id id)
{
	return setting_number(setting_of_broker(b->cluster, b->node->settings,
						b->node->id, id));
}

const struct broker_listener *broker_address(const struct broker *b,
					     const struct broker_info *info,
					     int listener)
{
	const char *name = NULL;

	if (!info || info->fenced || info->listeners_n < 1)
		return NULL;
	if (listener >= 0 && listener < b->node->listeners_n)
		name = b->node->listeners[listener].name;
	return broker_listener(info, str_of(name));
}

int32_t broker_controller(const struct broker *b)
{
	if (cluster_broker_active(b->cluster, b->quorum_leader))
		return b->quorum_leader;
	if (cluster_broker_active(b->cluster, b->node->id))
		return b->node->id;
	for (struct map_iter i = map_first(&b->cluster->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *info = i.value;

		if (!info->fenced)
			return info->id;
	}
	return -1;
}
