/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker: a request in, an answer out. One struct broker per thread: thread 0
 * beside the quorum (groups, admin, membership), threads 1..N with a shard's
 * partitions. All share tbl/api.def, the request life cycle and a copy of the
 * cluster; none shares memory with another.
 *
 * Pure: time is set by the caller before each call, effects leave through the
 * outbox. The host and the simulator are its two callers.
 */
#ifndef RAFTMQ_BROKER_H
#define RAFTMQ_BROKER_H

#include <raftmq/base.h>
#include <raftmq/cluster.h>
#include <raftmq/coord.h>
#include <raftmq/disk.h>
#include <raftmq/log.h>
#include <raftmq/replica.h>
#include <raftmq/wire.h>

struct broker;

/* The receiver owns it; deliver runs on the receiving thread. Letters from one
 * thread to another arrive in the order in which they were told. */
struct letter {
	struct list link;
	void (*deliver)(struct broker *to, struct letter *l);
};

/* ---- requests ------------------------------------------------------------ */

enum api_thread { ON_SHARD, ON_QUORUM };
struct api { /* one row of tbl/api.def */
	int16_t key;
	const char *name;
	int16_t min, max; /* served, and what ApiVersions says */
	enum api_thread thread;
	const char *acl; /* "READ Topic": what an authorizer is asked for */
	bool peer_only; /* served on the peer listener alone, not advertised */
	const struct wire_type *request, *response;
	void (*handle)(struct broker *b, struct request *rq);
};
const struct api *api_find(int16_t key); /* NULL: not served */
#define API_KEYS 93 /* one more than the largest key there is */

/* What must be let go of when a request is freed. */
struct owned {
	struct list link;
	void (*drop)(struct owned *o);
};

/*
 * A request from its frame to its answer: owned by one holder at a time. The
 * arena holds the decoded request, the response and whatever the handler
 * needs; all is freed when the answer has been written.
 */
struct request {
	struct list link; /* in whichever list its holder keeps it */
	struct letter letter; /* it travels between threads in itself */
	struct arena arena;
	const struct api *api;
	struct request_header header;
	uint8_t *frame; /* owned: header and body; batches are stamped there */
	size_t frame_n;
	void *in;  /* decoded, of api->request */
	void *out; /* response in the arena, of api->response */

	int thread;        /* of the connection: where the answer goes */
	uint64_t conn;     /* the connection's id there; 0 = internal */
	uint64_t order;    /* the host's: its place among the answers there */
	int32_t peer;      /* authenticated broker id, -1 = a client */
	int64_t peer_order; /* of its connections: a younger one has more */
	const char *host;  /* of the client, "10.0.0.7"; arena */
	int listener;      /* which listener: its advertised name */
	int64_t arrived_ms;

	struct buf answer;         /* encoded frame, after broker_answer */
	struct splices splices;    /* refs are struct log_slice *: loans until
				    * request_free */
	bool silent;               /* no answer at all (acks=0, or refused) */
	bool close;                /* close the connection afterwards */
	bool data;                 /* answer depends on a partition lease */
	struct timer timer;        /* for parked requests */
	void *state;               /* the handler's own, in the arena */
	void (*on_answer)(struct request *rq); /* of internal ones: conn 0 */
	void *on_answer_ctx;
	struct list owned;         /* struct owned */
	struct list held; /* the broker's: all requests of this thread */
	int32_t memory; /* bytes charged to the connection */
};
/*
 * frame is taken over (mem_free'd later); behind the size: header and body.
 * The host then sets thread, conn, peer, host, listener and arrived_ms.
 */
struct request *request_new(uint8_t *frame, size_t frame_n);
/*
 * An internal request of this thread: version api->max, in preset, out NULL;
 * fill in and hand to broker_submit. on_answer is called on this thread with
 * out filled in and frees the request.
 */
struct request *request_internal(struct broker *b, int16_t key,
				 void (*on_answer)(struct request *rq),
				 void *ctx);
/* On the thread of the connection; drops what it owns. */
void request_free(struct request *rq);
void request_own(struct request *rq, struct owned *o);

/* ---- messages between threads, brokers and the pool ---------------------- */

enum ask_link { ASK_CONTROL, ASK_DATA };
/*
 * A request to another broker's peer listener. done() is called exactly once,
 * on the asking thread: with the answer's body behind the response header, or
 * with error (-ECONNRESET, -ETIMEDOUT, ...) and r == NULL; it frees the ask.
 * Frames of one (node, link, thread) are answered in order.
 */
struct ask {
	struct list link;
	int32_t node;
	enum ask_link kind;
	int16_t key, version; /* of the request in frame */
	struct buf frame;     /* whole frame; the link sets correlation ids */
	int64_t deadline_ms;
	void (*done)(struct ask *a, struct reader *r, int error);
	struct broker *broker; /* who asks */
	void *ctx;
};

/* Where a broker's peer listener is, as the cluster knows; false: unknown.
 * host is a loan until the next call. */
bool broker_peer_address(const struct broker *b, int32_t node,
			 const char **host, int32_t *port);
/* Which shard, 1..shards, serves a partition; the same on every thread, and the
 * same for every topic of that name: it has what is left of the last one. */
int broker_shard_of(struct str topic, int32_t partition, int shards);

/* ---- one thread's broker ------------------------------------------------- */

struct listener_info {
	char *name; /* "PLAINTEXT" */
	char *host; /* advertised */
	int32_t port;
};
struct node_info { /* same for all threads, constant after start */
	int32_t id;
	struct uuid incarnation;
	struct uuid directory_id;
	bool blind; /* its logs may lack the end of what they had promised
		     * (store_recovery's blind, quorum_has_forgotten) */
	int shards;
	const struct listener_info *listeners;
	int listeners_n;
	const char *peer_host; /* own peer listener, as in peers */
	int32_t peer_port;
	const char *rack; /* NULL = none */
	const struct node_settings *settings;
	const char *version; /* of the program */
	struct disk *disk;
};

struct quorum_view_member;
struct quorum_view_member {
	int32_t id;
	bool voter;
	int64_t match_index, last_heard_ms;
};

struct quorum_view { /* thread 0 reads the quorum through this (host fills) */
	void *ctx;
	bool (*is_leader)(void *ctx);
	int32_t (*leader)(void *ctx); /* -1 unknown */
	int64_t (*term)(void *ctx);
	void (*read)(void *ctx, void (*done)(void *ctx, bool ok), void *arg);
	int (*transfer)(void *ctx, int32_t to);
	/* for DescribeQuorum: fills at most n, returns how many there are */
	int (*members)(void *ctx, struct quorum_view_member *v, int n);
	int64_t (*commit_index)(void *ctx);
};
struct broker_config {
	int thread; /* 0, or 1..shards */
	const struct node_info *node;
	struct outbox out;
	uint64_t seed;
	int64_t now_ms, wall_ms;
	/* thread 0 only: the live state in the quorum, else NULL */
	const struct cluster *cluster;
	const struct coord *coord;
	struct quorum_view quorum;
	/* thread 0 only: ready, lease, fatal conditions for the host */
	void *host_ctx;
	void (*on_ready)(void *host_ctx); /* registered, unfenced, caught up */
	void (*on_refused)(void *host_ctx, const char *why); /* must exit */
};
int broker_open(struct broker **out, const struct broker_config *c) must_use;
/*
 * The beginning of a clean stop: connections and links of this thread are
 * closed. What waits is answered, nothing is asked any more. Threads still
 * hold each other's requests: close none before all shards are idle.
 */
void broker_stop(struct broker *b);
bool broker_is_idle(const struct broker *b);
int broker_close(struct broker *b) must_use; /* syncs; blocks; clean stop */
void broker_free(struct broker *b);          /* without syncing: crash, tests */

/* Before each of the calls below. Monotonic and wall clock, milliseconds. */
void broker_set_time(struct broker *b, int64_t now_ms, int64_t wall_ms);
/* A whole frame (without its size) arrived. Answers come through the outbox,
 * in any order: the connection puts them back into order. */
void broker_request(struct broker *b, struct request *rq);
/* An internal request, filled in: runs its handler on the right thread. */
void broker_submit(struct broker *b, struct request *rq);
/* Encodes rq->out and hands it to the outbox of the connection's thread. Any
 * thread may answer, once. */
void broker_answer(struct broker *b, struct request *rq);
/* No answer: the connection is closed. For malformed requests. */
void broker_refuse(struct broker *b, struct request *rq, const char *why);
/* Timers and retention; call when broker_next_tick is due. */
void broker_tick(struct broker *b);
int64_t broker_next_tick(const struct broker *b);
/* End of a loop turn: group commit, gathered proposals. */
void broker_turn_end(struct broker *b);
/* Leader's lease: false = must not serve or acknowledge partition data now.
 * The host asks again, with a fresh clock, before writing rq->data answers. */
bool broker_lease_ok(const struct broker *b, int64_t now_ms);

/* Thread 0 only, called by the host's quorum hooks: */
struct broker_entry { /* of the agreed log, as it was applied */
	int64_t index;
	int target; /* QUORUM_TO_* */
	struct bytes command;
	uint64_t cookie; /* 0: somebody else's */
	const struct cluster_effects *cluster; /* NULL: of the other target */
	const struct coord_effects *coord;
};
void broker_applied(struct broker *b, const struct broker_entry *e);
void broker_dropped(struct broker *b, uint64_t cookie, bool may_still_commit);
void broker_restored(struct broker *b, const struct cluster *cluster,
		     const struct coord *coord);
void broker_role_changed(struct broker *b, bool leader, int64_t term,
			 int32_t leader_id, int32_t old_leader);
void broker_peer_lost(struct broker *b, int32_t node);
/* Begin a controlled shutdown: leaderships move away; done is called when they
 * have, or at the deadline. */
void broker_drain(struct broker *b, int64_t deadline_ms,
		  void (*done)(void *ctx), void *ctx);

/* ---- counters (metric.def) ----------------------------------------------- */

enum metric_id {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#include <raftmq/tbl/metric.def>
#undef METRIC
	METRIC_COUNT,
};
/* Prometheus text of this thread's share; the host gathers and sums. */
void broker_metrics(const struct broker *b, struct buf *out);

#endif
