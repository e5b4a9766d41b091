/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membership: this node as a broker of the cluster. It registers with the
 * quorum leader, sends heartbeats, and from their answers knows how long it
 * may serve what it leads (the lease), and when it may stop. KIP-500, 631.
 *
 *	             register                  answered, fenced
 *	  OUTSIDE ------------> (asking) ------------------> REGISTERED
 *	     ^                                                   | heartbeats
 *	     | epoch unknown there                               v
 *	     +--------------------------------------------- (active, stopping)
 *
 * 1. The lease counts from the moment when a heartbeat was sent, never from
 *    that of its answer.
 * 2. A process whose place another process has taken says so and ends; it
 *    does not take the place back.
 */
#include <stdio.h>

#include "call.h"
#include "control.h"

enum { BROKER_REGISTRATION = 62, BROKER_HEARTBEAT = 63 };
enum { RETRY_MS = 20 };
#define MARK "clean-stop"

struct membership {
	struct broker *broker;
	struct timer timer;
	int64_t interval_ms, session_ms;
	int64_t epoch;    /* -1: not registered */
	int64_t previous; /* of a clean stop; -1 */
	int64_t refused_since_ms; /* -1 */
	uint64_t serial;  /* of the request under way; older ones count not */
	bool asking;
	bool again;       /* ask once more when that is answered */
	bool ready;       /* said so */
	bool over;        /* refused for good */
	bool stopping;
	bool leaving;     /* the last heartbeat: fence me */
	struct timer stop_timer;
	void (*drained)(void *ctx);
	void *drained_ctx;
};

struct asked { /* one request of ours */
	struct membership *m;
	uint64_t serial;
	int64_t sent_ms;
};

static void step(struct membership *m);

static struct asked *ask(struct membership *m)
{
	struct asked *a = mem_alloc(sizeof(*a));

	m->asking = true;
	*a = (struct asked){ m, ++m->serial, m->broker->now_ms };
	return a;
}

/* Ends it; false: another one has been sent since, or nothing matters now. */
static bool is_current(struct asked *a, int64_t *sent_ms)
{
	struct membership *m = a->m;
	bool current = a->serial == m->serial && !m->over;

	*sent_ms = a->sent_ms;
	mem_free(a);
	if (current)
		m->asking = false;
	return current;
}

static void later(struct membership *m, int64_t ms)
{
	wheel_arm(m->broker->wheel, &m->timer, m->broker->now_ms + ms);
}

static void refuse(struct membership *m, const char *why)
{
	if (m->over)
		return;
	m->over = true;
	wheel_disarm(&m->timer);
	m->broker->on_refused(m->broker->host_ctx, why);
}

/* ---- registration -------------------------------------------------------- */

static struct broker_registration_request_listener *listeners(
	const struct node_info *n, struct arena *a)
{
	struct broker_registration_request_listener *v = arena_zalloc(
		a, (size_t)(n->listeners_n + 1) * sizeof(*v));

	for (int i = 0; i < n->listeners_n; i++) {
		v[i].name = str_of(n->listeners[i].name);
		v[i].host = str_of(n->listeners[i].host);
		v[i].port = (uint16_t)n->listeners[i].port;
	}
	v[n->listeners_n].name = STR(PEER_LISTENER);
	v[n->listeners_n].host = str_of(n->peer_host ? n->peer_host : "");
	v[n->listeners_n].port = (uint16_t)n->peer_port;
	return v;
}

static bool lasts_too_long(struct membership *m)
{
	if (m->refused_since_ms < 0)
		m->refused_since_ms = m->broker->now_ms;
	return m->broker->now_ms - m->refused_since_ms >
	       3 * m->session_ms + 1000;
}

static void on_registration_error(struct membership *m, int16_t error)
{
	switch (error) {
	case K_DUPLICATE_BROKER_REGISTRATION:
		/* perhaps our own predecessor: its session has to end */
		if (lasts_too_long(m))
			refuse(m, "another process is running as this broker");
		break;
	case K_INCONSISTENT_CLUSTER_ID:
		refuse(m, "the quorum is of another cluster");
		break;
	case K_UNSUPPORTED_VERSION:
		refuse(m, "this program cannot play the cluster's level");
		break;
	case K_POLICY_VIOLATION:
		refuse(m, "the cluster has as many brokers as it may have");
		break;
	default:
		break;
	}
	if (!m->over)
		later(m, RETRY_MS);
}

static void on_registered(struct broker *b, void *ctx, const void *out,
			  int error)
{
	const struct broker_registration_response *r = out;
	struct membership *m = ((struct asked *)ctx)->m;
	int64_t sent_ms;

	if (!is_current(ctx, &sent_ms))
		return;
	if (error) {
		later(m, RETRY_MS);
		return;
	}
	if (r->error_code != K_NONE) {
		on_registration_error(m, r->error_code);
		return;
	}
	m->epoch = r->broker_epoch;
	m->refused_since_ms = -1;
	if (b->node->blind && b->node->disk) /* else it says so once more */
		(void)!store_seen(b->node->disk);
	trace_info("membership", "registered", "broker=%d epoch=%" PRId64,
		   b->node->id, m->epoch);
	step(m);
}

static void register_now(struct membership *m)
{
	struct broker *b = m->broker;
	struct broker_registration_request_feature level = {
		STR(LEVEL_FEATURE), CLUSTER_LEVEL_MIN, CLUSTER_LEVEL_MAX };
	struct uuid directory = b->node->directory_id;
	struct broker_registration_request in;
	char id[UUID_TEXT_MAX];
	struct arena a = { 0 };

	wire_preset(&broker_registration_request_type, &in);
	in.broker_id = b->node->id;
	if (!uuid_is_zero(b->cluster->id)) {
		uuid_text(b->cluster->id, id);
		in.cluster_id = str_of(id);
	}
	in.incarnation_id = b->node->incarnation;
	in.listeners = listeners(b->node, &a);
	in.listeners_n = b->node->listeners_n + 1;
	in.features = &level;
	in.features_n = 1;
	in.rack = str_of(b->node->rack);
	in.log_dirs = &directory;
	in.log_dirs_n = 1;
	in.previous_broker_epoch = m->previous;
	call_leader(b, BROKER_REGISTRATION, &in, m->session_ms,
		    (struct callback){ on_registered, ask(m) });
	arena_fini(&a);
}

/* ---- heartbeats ---------------------------------------------------------- */

static void end_drain(struct membership *m)
{
	void (*drained)(void *ctx) = m->drained;

	m->drained = NULL;
	membership_stop(m);
	if (drained)
		drained(m->drained_ctx);
}

/* Our place is another's, or the cluster has forgotten us. */
static void on_stale(struct membership *m)
{
	const struct broker_info *self = cluster_broker(
		m->broker->cluster, m->broker->node->id);

	if (m->stopping) {
		end_drain(m);
		return;
	}
	if (self && self->epoch > m->epoch &&
	    !uuid_eq(self->incarnation, m->broker->node->incarnation)) {
		refuse(m, "another process has registered as this broker");
		return;
	}
	m->epoch = -1;
	later(m, RETRY_MS);
}

/* A lease bounds how long two may lead. Alone there is nobody else. */
static int64_t lease_until(const struct membership *m, int64_t sent_ms)
{
	if (map_count(&m->broker->cluster->brokers) == 1)
		return INT64_MAX;
	return sent_ms + m->session_ms;
}

static void on_heard(struct membership *m, int64_t sent_ms,
		     const struct broker_heartbeat_response *r)
{
	struct broker *b = m->broker;

	/* who is fenced leads nothing, whatever its copy of the cluster says */
	if (!r->is_fenced)
		relay_standing(b, lease_until(m, sent_ms), b->quorum_leader);
	membership_applied(b);
	if (m->leaving) {
		end_drain(m);
		return;
	}
	if (m->stopping && r->should_shut_down) {
		m->leaving = true;
		step(m);
		return;
	}
	later(m, r->is_fenced || m->stopping ? RETRY_MS : m->interval_ms);
}

static void on_heartbeat(struct broker *b, void *ctx, const void *out,
			 int error)
{
	const struct broker_heartbeat_response *r = out;
	struct membership *m = ((struct asked *)ctx)->m;
	bool again = m->again;
	int64_t sent_ms;

	(void)b;
	if (!is_current(ctx, &sent_ms))
		return;
	m->again = false;
	if (!error && (r->error_code == K_STALE_BROKER_EPOCH ||
		       r->error_code == K_BROKER_ID_NOT_REGISTERED))
		on_stale(m);
	else if (error || r->error_code)
		later(m, RETRY_MS);
	else
		on_heard(m, sent_ms, r);
	if (again && !m->over)
		step(m);
}

static void heartbeat_now(struct membership *m)
{
	struct broker *b = m->broker;
	struct broker_heartbeat_request in;

	wire_preset(&broker_heartbeat_request_type, &in);
	in.broker_id = b->node->id;
	in.broker_epoch = m->epoch;
	in.current_metadata_offset = b->cluster->applied;
	in.want_fence = m->leaving;
	in.want_shut_down = m->stopping;
	call_leader(b, BROKER_HEARTBEAT, &in, m->session_ms,
		    (struct callback){ on_heartbeat, ask(m) });
}

static void step(struct membership *m)
{
	if (m->over)
		return;
	if (m->asking) {
		m->again = true;
		return;
	}
	wheel_disarm(&m->timer);
	if (m->epoch < 0)
		register_now(m);
	else
		heartbeat_now(m);
}

static void on_timer(struct timer *t)
{
	step(container_of(t, struct membership, timer));
}

/* What is under way goes to a leader that may be gone: do not wait for it. */
void membership_poke(struct broker *b)
{
	struct membership *m = b->control->membership;

	m->asking = m->again = false;
	step(m);
}

/* Ready when everybody agrees that we are. */
void membership_applied(struct broker *b)
{
	struct membership *m = b->control ? b->control->membership : NULL;

	if (!m || m->epoch < 0 || m->stopping || m->over ||
	    cluster_broker_epoch(b->cluster, b->node->id) != m->epoch)
		return;
	if (!broker_has_lease(b)) { /* unfenced: the lease is there to take */
		if (!m->asking)
			step(m);
		return;
	}
	if (m->ready)
		return;
	m->ready = true;
	b->on_ready(b->host_ctx);
}

int64_t membership_epoch(const struct broker *b)
{
	return b->control->membership->epoch;
}

/* ---- stopping ------------------------------------------------------------ */

static void on_drain_late(struct timer *t)
{
	end_drain(container_of(t, struct membership, stop_timer));
}

void broker_drain(struct broker *b, int64_t deadline_ms,
		  void (*done)(void *ctx), void *ctx)
{
	struct membership *m = b->control->membership;

	m->drained = done;
	m->drained_ctx = ctx;
	m->stopping = true;
	timer_init(&m->stop_timer, on_drain_late);
	wheel_arm(b->wheel, &m->stop_timer, deadline_ms);
	step(m);
}

/* ---- the mark of a clean stop -------------------------------------------- */

int64_t membership_take_mark(struct broker *b)
{
	struct disk *d = b->node->disk;
	char text[24];
	int64_t n, epoch;
	struct file *f;

	if (!d || d->ops->open(d, MARK, DISK_READ, &f) < 0)
		return -1;
	n = d->ops->read(f, 0, text, sizeof(text), false);
	d->ops->close(f);
	d->ops->unlink(d, MARK);
	d->ops->sync_dir(d, "");
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0 || !str_to_i64((struct str){ text, (int32_t)n }, 0,
				  INT64_MAX, &epoch))
		return -1;
	return epoch;
}

int membership_leave_mark(struct broker *b)
{
	struct disk *d = b->node->disk;
	struct disk_span span;
	char text[24];
	struct file *f;
	int rc;

	if (!d || membership_epoch(b) < 0)
		return 0;
	span.p = text;
	span.n = (size_t)snprintf(text, sizeof(text), "%" PRId64 "\n",
				  membership_epoch(b));
	rc = d->ops->open(d, MARK, DISK_WRITE | DISK_CREATE, &f);
	if (rc < 0)
		return rc;
	rc = d->ops->write(f, 0, &span, 1);
	if (rc == 0)
		rc = d->ops->sync(f);
	d->ops->close(f);
	return rc < 0 ? rc : d->ops->sync_dir(d, "");
}

/* ---- opening, closing ---------------------------------------------------- */

struct membership *membership_new(struct broker *b)
{
	struct membership *m = mem_zalloc(sizeof(*m));

	m->broker = b;
	m->epoch = -1;
	m->refused_since_ms = -1;
	m->previous = membership_take_mark(b);
	if (b->node->blind)
		m->previous = BROKER_EPOCH_BLIND;
	m->interval_ms = broker_number(b,
				SETTING_BROKER_HEARTBEAT_INTERVAL_MS);
	m->session_ms = broker_number(b, SETTING_BROKER_SESSION_TIMEOUT_MS);
	timer_init(&m->timer, on_timer);
	timer_init(&m->stop_timer, on_drain_late);
	later(m, 0);
	return m;
}

void membership_stop(struct membership *m)
{
	m->over = true;
	wheel_disarm(&m->timer);
	wheel_disarm(&m->stop_timer);
}

void membership_free(struct membership *m)
{
	membership_stop(m);
	mem_free(m);
}
