/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liveness: which brokers the quorum leader still hears. Not agreed on, not
 * kept: a new leader begins anew, and what it concludes it proposes.
 *
 * 1. Only brokers that are registered and not fenced have a deadline.
 * 2. A deadline belongs to one registration: a newer one starts afresh.
 * 3. Silence counts only while this leader was listening: when its own loop
 *    stood still, everyone gets two heartbeats more.
 */
#include <raftmq/cluster.h>

enum { LOST_BEATS = 2 }; /* heartbeats a broken connection is waited for */

struct watch {
	int32_t broker;
	int64_t epoch;
	int64_t heard_ms;    /* -1 never, by this leader */
	int64_t deadline_ms; /* when it is due to be fenced */
};

struct liveness {
	const struct cluster *cluster;
	int64_t session_ms, heartbeat_ms;
	bool leading;
	struct watch *watches; /* sorted by broker */
	int32_t n, cap;
	int64_t started_ms, ticked_ms;
	int32_t old_leader;
};

struct liveness *liveness_new(const struct cluster *c, int64_t session_ms,
			      int64_t heartbeat_ms)
{
	struct liveness *l = mem_zalloc(sizeof(*l));

	l->cluster = c;
	l->session_ms = session_ms;
	l->heartbeat_ms = heartbeat_ms;
	l->old_leader = -1;
	return l;
}

void liveness_free(struct liveness *l)
{
	if (l)
		mem_free(l->watches);
	mem_free(l);
}

void liveness_restored(struct liveness *l, const struct cluster *c)
{
	l->cluster = c;
}

static struct watch *find(const struct liveness *l, int32_t broker)
{
	for (int32_t i = 0; i < l->n; i++)
		if (l->watches[i].broker == broker)
			return &l->watches[i];
	return NULL;
}

static struct watch *insert(struct liveness *l, int32_t broker)
{
	int32_t i = l->n;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 8;
		l->watches = mem_realloc(l->watches, (size_t)l->cap *
						     sizeof(*l->watches));
	}
	for (; i > 0 && l->watches[i - 1].broker > broker; i--)
		l->watches[i] = l->watches[i - 1];
	l->n++;
	l->watches[i] = (struct watch){ .broker = broker, .epoch = -1,
					.heard_ms = -1 };
	return &l->watches[i];
}

static void forget(struct liveness *l, struct watch *w)
{
	int32_t i = (int32_t)(w - l->watches);

	l->n--;
	memmove(w, w + 1, (size_t)(l->n - i) * sizeof(*w));
}

/* The watch of a broker's present registration. */
static struct watch *watch_of(struct liveness *l, int32_t broker,
			      int64_t epoch, int64_t now_ms)
{
	struct watch *w = find(l, broker);
	int64_t patience = l->session_ms;

	if (w && w->epoch == epoch)
		return w;
	if (broker == l->old_leader && !w && now_ms <= l->started_ms)
		patience = min_of(patience, LOST_BEATS * l->heartbeat_ms);
	if (!w)
		w = insert(l, broker);
	w->epoch = epoch;
	w->heard_ms = -1;
	w->deadline_ms = now_ms + patience;
	return w;
}

/* Watches follow what the cluster says of its brokers. */
static void follow(struct liveness *l, int64_t now_ms)
{
	for (int32_t i = 0; i < l->n; i++) {
		const struct broker_info *b =
			cluster_broker(l->cluster, l->watches[i].broker);

		if (!b || b->epoch != l->watches[i].epoch)
			forget(l, &l->watches[i--]);
	}
	for (struct map_iter i = map_first(&l->cluster->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *b = i.value;

		if (!b->fenced)
			watch_of(l, b->id, b->epoch, now_ms);
	}
}

void liveness_start(struct liveness *l, int64_t now_ms, int32_t old_leader)
{
	l->leading = true;
	l->n = 0;
	l->started_ms = l->ticked_ms = now_ms;
	l->old_leader = old_leader;
	follow(l, now_ms);
}

void liveness_stop(struct liveness *l)
{
	l->leading = false;
	l->n = 0;
}

void liveness_heard(struct liveness *l, int32_t broker, int64_t epoch,
		    int64_t now_ms)
{
	const struct broker_info *b = cluster_broker(l->cluster, broker);
	struct watch *w;

	if (!l->leading || !b || b->epoch != epoch)
		return;
	w = watch_of(l, broker, epoch, now_ms);
	w->heard_ms = now_ms;
	w->deadline_ms = now_ms + l->session_ms;
}

void liveness_lost(struct liveness *l, int32_t broker, int64_t now_ms)
{
	struct watch *w = l->leading ? find(l, broker) : NULL;

	if (w)
		w->deadline_ms = min_of(w->deadline_ms, now_ms +
					LOST_BEATS * l->heartbeat_ms);
}

bool liveness_is_alive(const struct liveness *l, int32_t broker,
		       int64_t now_ms)
{
	const struct watch *w = l->leading ? find(l, broker) : NULL;

	return w && w->heard_ms >= 0 && now_ms < w->deadline_ms;
}

bool liveness_has_heard_all(const struct liveness *l)
{
	for (struct map_iter i = map_first(&l->cluster->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *b = i.value;
		const struct watch *w = find(l, b->id);

		if (!b->fenced &&
		    (!w || w->epoch != b->epoch || w->heard_ms < 0))
			return false;
	}
	return true;
}

static bool is_watched(const struct liveness *l, const struct watch *w)
{
	const struct broker_info *b = cluster_broker(l->cluster, w->broker);

	return b && !b->fenced && b->epoch == w->epoch;
}

void liveness_tick(struct liveness *l, int64_t now_ms,
		   void (*fence)(void *ctx, int32_t broker, int64_t epoch),
		   void *ctx)
{
	bool stood_still = now_ms - l->ticked_ms > 2 * l->heartbeat_ms;

	if (!l->leading)
		return;
	l->ticked_ms = now_ms;
	follow(l, now_ms);
	for (int32_t i = 0; i < l->n; i++) {
		struct watch *w = &l->watches[i];

		if (stood_still)
			w->deadline_ms = max_of(w->deadline_ms, now_ms +
						LOST_BEATS * l->heartbeat_ms);
		if (now_ms < w->deadline_ms || !is_watched(l, w))
			continue;
		w->deadline_ms = now_ms + l->session_ms; /* lest it got lost */
		w->heard_ms = -1;
		fence(ctx, w->broker, w->epoch);
	}
}

int64_t liveness_next(const struct liveness *l)
{
	int64_t next = -1;

	for (int32_t i = 0; i < l->n; i++) {
		const struct watch *w = &l->watches[i];

		if (is_watched(l, w) && (next < 0 || w->deadline_ms < next))
			next = w->deadline_ms;
	}
	return next;
}
