/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: a whole cluster in one process and one thread, in virtual time, from
 * one seed. Its nodes are the real quorum, cluster, coord, log, replica and
 * broker floors; the world is their host: clock, mailboxes, pool, network,
 * disks (disk_mem), processes. Clients are actors beside them (actor.h).
 *
 * 1. Nothing in it depends on anything but the seed and the configuration: no
 *    clock, no address, no order of a hash. world_hash tells two runs apart.
 * 2. A process dies where the world says: at an exit of the outbox, at a call
 *    of its disk, or between two events. All its memory goes (estate.h).
 * 3. What is checked at every step stands in watch.h. A violation is told with
 *    world_violation and ends the run.
 *
 * Nodes are numbered from 1, as brokers are; clients follow them as ends of
 * the network: world_client_end(w, 0) is the first.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <raftmq/broker.h>
#include <raftmq/quorum.h>

#include "disk_mem.h"

#define WORLD_NODES_MAX 5
#define WORLD_CLIENTS_MAX 16
#define WORLD_ENDS (1 + WORLD_NODES_MAX + WORLD_CLIENTS_MAX)

struct world;
struct world_config {
	uint64_t seed;
	int nodes;   /* 1 to WORLD_NODES_MAX */
	int joining; /* the last so many of them are no founders: they come
		      * later, and ask to be let in */
	int shards;  /* 1 to 3 per node */
	int reshape; /* per cent of starts with another number of them */
	int clients;
	int64_t trailing; /* agreed entries kept below a snapshot; 0: many */
	/* "name=value" settings of every node; NULL ends the list */
	const char *const *settings;
	bool loud;   /* trace lines of the nodes to stderr */
	void *ctx;
	void (*on_power)(void *ctx); /* before a node loses power; or NULL */
};

/* Faults of the whole network; per cent unless said otherwise. */
struct world_net {
	int64_t delay_us, jitter_us; /* of one way */
	int slow;     /* messages that take up to slow_us */
	int64_t slow_us;
	int lose;     /* quorum frames lost */
	int twice;    /* quorum frames that come again, later */
	int reorder;  /* quorum frames that overtake */
};
/* How a way from one end to another is closed. */
enum world_way {
	WAY_OPEN,
	WAY_DROPS, /* what is sent is gone, connections are half-open */
	WAY_CLOGS, /* what is sent comes when the way is open again */
};
/* How a process ends. */
enum world_death {
	DEATH_KILL,  /* kill -9: the kernel keeps what was written */
	DEATH_POWER, /* what was not synced: lost, cut or torn, by chance */
	DEATH_STOP,  /* SIGTERM: hands over, syncs */
};

struct world *world_new(const struct world_config *c);
void world_free(struct world *w);

/* ---- time ---------------------------------------------------------------- */

int64_t world_now_us(const struct world *w);
struct prng *world_prng(struct world *w);
bool world_chance(struct world *w, int percent);
int64_t world_below(struct world *w, int64_t limit); /* 0 if limit <= 0 */
/* Calls fn(ctx) at that time; for actors and faults, not for nodes. */
void world_at(struct world *w, int64_t at_us, void (*fn)(void *ctx), void *ctx);
/* Until that time, or until a violation. */
void world_run(struct world *w, int64_t until_us);
/* Until holds(ctx), asked after every event; false: not by then. */
bool world_run_until(struct world *w, int64_t until_us,
		     bool (*holds)(void *ctx), void *ctx);

/* ---- nodes --------------------------------------------------------------- */

int world_nodes(const struct world *w);
int world_shards(const struct world *w, int node); /* in this life */
/* Starts at once; a node that may not start says why in its trace. */
void world_start(struct world *w, int node);
/* KILL and POWER at once; STOP begins a clean stop. */
void world_end(struct world *w, int node, enum world_death how);
/* Dies in this way after so many more exits (or calls of its disk). */
void world_doom(struct world *w, int node, enum world_death how, int64_t exits,
		int64_t disk_calls);
void world_pause(struct world *w, int node, int64_t us); /* SIGSTOP, SIGCONT */
/* One thread of it gets no time: the others go on. 0: the quorum's. */
void world_stall(struct world *w, int node, int thread, int64_t us);
void world_step_clock(struct world *w, int node, int64_t wall_ms);
bool world_is_up(const struct world *w, int node);
bool world_is_ready(const struct world *w, int node);
/* Its log tells the operator to do so, since it was started last. */
#define WORLD_START_AGAIN "start the node again"
bool world_asks_for_start(const struct world *w, int node);
/* Why it last ended by itself; NULL: it did not. */
const char *world_last_words(const struct world *w, int node);
void world_wipe(struct world *w, int node); /* of one that is down */
/* Its medium was touched from outside: it may refuse to start. */
void world_damage(struct world *w, int node);
bool world_is_damaged(const struct world *w, int node);
/* It was damaged, and refused to go on: nobody can ask more of it. */
bool world_may_stay_down(const struct world *w, int node);
/*
 * A partition without a leader, and rightly: each copy that counts is on a
 * node that was damaged, and refuses or calls the copy damaged; or the last
 * that counted went with a disk that was wiped. Kafka, too, waits for an
 * operator then, or elects an empty copy.
 */
bool world_is_lost(struct world *w, const struct partition *p);
struct disk_mem *world_disk(struct world *w, int node);
const struct cluster *world_cluster(const struct world *w, int node);
const struct coord *world_coord(const struct world *w, int node);
struct quorum *world_quorum(const struct world *w, int node);
struct broker *world_broker(const struct world *w, int node, int thread);
/* Of the newest term among those that are up; 0: nobody leads. */
int world_quorum_leader(const struct world *w);

/* Faults of one disk, until it is told otherwise. */
struct world_disk_faults {
	int64_t job_us;    /* a job of the pool takes up to so long; 0: 1 ms */
	int slow_sync;     /* per cent that take up to 200 ms */
	int cold;          /* per cent of reads that would block */
	int read_error;    /* per ten thousand reads: -EIO */
	int read_flip;     /* per ten thousand reads: one bit is wrong */
	int read_stray;    /* per ten thousand reads: bytes of another place */
	int write_error;   /* per ten thousand writes: -EIO, partly done */
	int sync_error;    /* per ten thousand syncs: -EIO, and lost */
	bool dead;         /* every call is -EIO */
};
void world_set_disk(struct world *w, int node, struct world_disk_faults f);
/* Bytes it may hold; -1: no limit. */
void world_set_space(struct world *w, int node, int64_t bytes);

/* ---- network ------------------------------------------------------------- */

int world_client_end(const struct world *w, int client);
void world_set_net(struct world *w, struct world_net net);
void world_set_way(struct world *w, int from, int to, enum world_way way);
/* Connections between the two break, now and for both. */
void world_reset(struct world *w, int a, int b);
void world_heal(struct world *w); /* all ways, the network, disks, dooms */

/*
 * A client's connection to a node's listener. What is sent arrives in order,
 * answers come in the order of the requests, until it closes: on_closed is
 * called once, unless the client closed it. A node that cannot be reached
 * closes it too, or never answers.
 */
struct dialled {
	void *ctx;
	/* r: behind the response header; bodies of records stand in it */
	void (*on_answer)(void *ctx, int16_t key, int16_t version,
			  int32_t correlation, struct reader *r);
	void (*on_closed)(void *ctx);
};
struct conn;
struct conn *world_dial(struct world *w, int client, int node,
			struct dialled to);
/* A whole frame with its size, as frame_end has left it; copied. */
void world_send(struct conn *c, const struct buf *frame);
void world_hang_up(struct conn *c); /* c is gone */

/* ---- judging ------------------------------------------------------------- */

/* Something is wrong: said once, with the time; the run ends. */
void world_violation(struct world *w, const char *fmt, ...) printf_like(2, 3);
const char *world_verdict(const struct world *w); /* NULL: nothing so far */
/* A line of the story, when it is loud or the story is wanted. */
void world_note(struct world *w, const char *fmt, ...) printf_like(2, 3);
/* Every partition whose replicas are not all in sync, and what each node
 * thinks of it: a line each. */
void world_dump(struct world *w, struct buf *out);
uint64_t world_hash(const struct world *w);

struct world_counts {
	int64_t events, frames, requests, asks, letters, jobs;
	int64_t starts, kills, power_cuts, stops, pauses, resets, dooms;
	int64_t fatals; /* processes that ended themselves, as they should */
	int64_t elections, applied, epochs;
};
struct world_counts world_counts(const struct world *w);

#endif
