/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: what the files of the broker floor share and nobody else sees.
 *
 * One struct broker per thread. shard is what threads 1..N have: partitions,
 * their waiting requests, their fetchers. control is what thread 0 has: the
 * leader's timers, membership, parked groups. Everything that crosses from
 * one thread to another is a letter.
 */
#ifndef BROKER_INSIDE_H
#define BROKER_INSIDE_H

#include <raftmq/broker.h>

struct shard;
struct control;
struct coordinator;
struct counters;
struct isr_wish;
struct proposals;

/* A partition, by what never changes. */
struct partition_id {
	struct uuid topic;
	int32_t index;
};

struct broker {
	int thread; /* 0, or 1..shards */
	const struct node_info *node;
	struct outbox out;
	int64_t now_ms, wall_ms;
	struct prng prng;
	struct wheel *wheel;
	struct arena scratch; /* for the length of one function */
	struct list held;     /* requests of this thread not answered yet */
	bool stopping;        /* broker_stop: nothing new */
	bool dying;           /* broker_free: let go, touch nothing else */
	/* thread 0: the quorum's own; shards: their copy, kept by relay.c */
	const struct cluster *cluster;
	struct cluster *copy; /* shards: the same, writable */
	const struct coord *coord; /* thread 0 */
	struct quorum_view quorum; /* thread 0 */
	void *host_ctx;
	void (*on_ready)(void *host_ctx);
	void (*on_refused)(void *host_ctx, const char *why);

	/* told by thread 0 (relay_standing) */
	int64_t lease_until_ms; /* monotonic; 0 = never had one */
	int32_t quorum_leader;  /* -1 unknown */

	struct shard *shard;     /* NULL on thread 0 */
	int64_t refused_ms; /* when the last of these was counted from */
	int refused;        /* requests refused since, for the log */
	bool failed; /* thread 0: a disk has */
	/* thread 0: */
	struct control *control;         /* control.c's own */
	struct proposals *proposals;     /* propose.h */
	struct coordinator *coordinator; /* coordinator.h */
	/* thread 0, set by control.c: a shard's leader wishes another ISR; the
	 * wish is taken over and answered with isr_answer. NULL: not served. */
	void (*on_isr_wish)(struct broker *b, struct isr_wish *w);
	struct counters *counters;
};

/* ---- the copy of the cluster on every shard (relay.c) -------------------- */

/* Thread 0, after each applied cluster command: to all shards. */
void relay_command(struct broker *b, int64_t index, struct bytes command);
/* Thread 0, at start and after a snapshot replaced the state: to all shards. */
void relay_snapshot(struct broker *b);
/* Thread 0, whenever one of them changes, its own copy included: how long
 * this node may serve what it leads, and who leads the quorum. */
void relay_standing(struct broker *b, int64_t lease_until_ms,
		    int32_t quorum_leader);

/* ---- in-sync replicas (insync.c) ----------------------------------------- */

/*
 * A leader's wish for another in-sync set, or anybody's word that its copy is
 * lost, on its way to thread 0 and, when it is decided, back. Epochs are those
 * of cluster_broker_epoch (KIP-903).
 */
struct isr_wish {
	struct letter letter;
	int thread; /* of the shard */
	struct uuid topic_id;
	int32_t partition;
	int32_t leader_epoch, partition_epoch;
	bool lost;     /* the copy is; isr is empty then */
	int16_t error; /* the decision */
	int32_t n;
	struct alter_partition_request_broker isr[];
};
/* Thread 0: K_NONE, or why not; the wish goes home. A wish whose fate is
 * unknown is not answered but asked again. */
void isr_answer(struct broker *b, struct isr_wish *w, int16_t error);

/* ---- a request that several shards answer together (spread.c) ------------ */

/*
 * Items of a request (partitions, mostly) are dealt to the shards that can
 * answer them; each shard runs its errand and sends it home; when all are
 * home, done is called. What an item points at may be written by the errand
 * that has it and by nobody else meanwhile.
 */
struct errand {
	struct letter letter;
	struct spread *spread;
	int thread;
	struct broker *at; /* who runs it */
	int32_t n, cap;
	void **items;
	/* run's own: */
	struct arena arena; /* lives as long as the request */
	struct timer timer; /* for errands that wait */
	struct list waits;  /* struct wait */
	int32_t left;       /* how many */
	struct list link;
	void *found;
	int32_t found_n;
};
struct spread {
	struct owned owned;
	struct broker *home; /* whose thread the request is on */
	struct request *rq;
	/* on the shard; ends, then or later, with errand_home */
	void (*run)(struct broker *b, struct errand *e);
	void (*done)(struct broker *b, struct spread *s);
	void *ctx; /* read by run, not written */
	int64_t applied; /* what home had of the cluster's commands */
	int out;
	int errands_n;
	struct errand errands[]; /* by thread */
};
struct spread *spread_new(struct broker *b, struct request *rq,
			  void (*run)(struct broker *b, struct errand *e),
			  void (*done)(struct broker *b, struct spread *s));
void spread_add(struct spread *s, int thread, void *item);
void spread_go(struct spread *s);
void errand_home(struct broker *b, struct errand *e);
/* A shard has applied more, or applies no more: those that came too early. */
void spread_caught_up(struct broker *b);

/* ---- handlers, one per row of api.def (handle/) -------------------------- */

#define API(key, name, snake, thread, acl, min, max, peer_only)                \
	void handle_##snake(struct broker *b, struct request *rq);
#include <raftmq/tbl/api.def>
#undef API

/* ---- small things -------------------------------------------------------- */

/* A setting of this broker, as a number. */
int64_t broker_number(const struct broker *b, enum setting_id id);
/* Who answers clients as controller: any broker that is up (KIP-500). */
int32_t broker_controller(const struct broker *b);
/* Where a client that came in by that listener reaches a broker; NULL: not
 * registered, fenced, or without such a listener. */
const struct broker_listener *broker_address(const struct broker *b,
					     const struct broker_info *info,
					     int listener);
bool broker_has_lease(const struct broker *b);
/* A disk has failed: the node must end, and find out at its next start what
 * the disk still has. Any thread; why is a static text. */
void broker_fail(struct broker *b, const char *why);

/* ---- counters (counters.c) ----------------------------------------------- */

struct counters *counters_new(void);
void counters_free(struct counters *c);
void counters_refused(struct broker *b);
void counters_answered(struct broker *b, const struct request *rq);
void counters_error(struct broker *b, int16_t key, int16_t code);

#endif
