/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: what the files of the world share and its users do not see.
 *
 * Whatever runs inside of a node runs with the node as owner of memory
 * (estate) and may be left at any exit by a longjmp: so every exit looks at
 * the node's doom first, before it touches anything of the world.
 */
#ifndef SIM_PARTS_H
#define SIM_PARTS_H

#include <setjmp.h>

#include "estate.h"
#include "world.h"

#define SIM_THREADS 4 /* thread 0 and at most three shards */

struct node;

struct sim_thread;

/* ---- events (world.c) ---------------------------------------------------- */

/* alive: it happens. Else its node has died: only free what ctx holds. */
typedef void event_fn(struct world *w, void *ctx, bool alive);
struct event {
	int64_t at_us;
	uint64_t seq; /* of planning: what happens first at the same time */
	event_fn *fn;
	void *ctx;
	int node; /* whose it is; 0: the world's */
	struct sim_thread *thread; /* of it; NULL: any */
	uint32_t life;
	uint32_t tag; /* for the hash */
};
enum event_tag {
	TAG_CALL = 1, TAG_TURN, TAG_RUN, TAG_DONE, TAG_FRAME, TAG_LOST,
	TAG_START, TAG_REQUEST, TAG_WRITE, TAG_ANSWER, TAG_CLOSED, TAG_DIAL,
	TAG_EXPIRY, TAG_RETRY, TAG_CLOSE, TAG_APPLIED, TAG_JOIN,
};
void plan(struct world *w, int64_t at_us, int node, enum event_tag tag,
	  event_fn *fn, void *ctx);
void plan_on(struct sim_thread *t, int64_t at_us, enum event_tag tag,
	     event_fn *fn, void *ctx);
/* What came while nobody could look at it, in order; it happens with release,
 * before all that is planned for that moment. */
struct held {
	struct event *v;
	size_t n, cap;
};
void release(struct world *w, struct held *h);
void fold(struct world *w, uint64_t a, uint64_t b); /* into the hash */

/* ---- processes (process.c) ----------------------------------------------- */

struct faulty;
struct sim_thread {
	struct node *node;
	int index;
	struct broker *broker;
	struct list letters; /* struct letter */
	struct list answers; /* struct request, of other threads */
	int64_t turn_us;     /* planned; 0: not */
	int64_t stalled_until_us;
	struct held held; /* meanwhile */
	bool stopping, idle;
};
enum node_state { NODE_DOWN, NODE_UP, NODE_DRAINING, NODE_HANDING_OVER,
		  NODE_CLOSING };
struct link;
struct node {
	struct world *w;
	int id;
	uint32_t life;
	enum node_state state;
	bool ready;
	struct disk_mem *mem;
	struct faulty *disk;
	struct listener_info listener;
	struct node_info info;
	struct node_settings settings;
	struct quorum *quorum;
	struct sim_thread threads[SIM_THREADS];
	int32_t last_leader;
	int64_t applied; /* index, by the hooks */
	int64_t paused_until_us;
	struct held held; /* meanwhile */
	int64_t clock_ms, wall_ms; /* added to the world's time */
	struct map queues; /* of the pool: queue -> int64_t * busy until */
	int jobs_out;
	int next_shard;
	struct list links; /* struct link */
	/* doom: dies at an exit or at a call of the disk */
	bool doomed;
	enum world_death doom;
	int64_t doom_exits, doom_calls;
	bool failed;  /* a disk fault was met in this life */
	bool was_failed; /* or in an earlier one */
	bool was_cut; /* from its power, ever */
	bool wiped; /* and nobody may have heard of it yet */
	bool was_wiped; /* ever */
	bool damaged; /* bytes on its medium are wrong: it may refuse */
	bool asks; /* to be started again, says its log */
	char words[200]; /* its last */
};
struct node *node_of(const struct world *w, int id);
int64_t node_ms(const struct node *n);
int64_t node_us(const struct node *n, int64_t ms); /* the world's time of it */
void node_set_time(struct sim_thread *t); /* before each call into it */
void node_wake(struct sim_thread *t, int64_t at_us);
/* So soon, at most; and that time. */
void node_wake_soon(struct sim_thread *t, int64_t us);
int64_t node_soon(struct node *n, int64_t us);
void node_die(struct node *n, enum world_death how);
/* From inside of it: it dies, and this does not return. */
_Noreturn void node_leave(struct node *n, enum world_death how);
/* An exit of a node: it may end here, and then this does not return. */
void node_exit_point(struct node *n, bool disk);
void node_lost(struct node *n, int peer); /* a connection to it broke */
/* halt.c: begins a clean stop; and after each turn. */
void node_close(struct node *n);
void node_look_after_stop(struct sim_thread *t);
bool node_listens(const struct node *n);
int node_founders(const struct world *w); /* the first so many */
void node_join(struct node *n); /* join.c: a start of one that is none */
void nodes_init(struct world *w);
void nodes_fini(struct world *w);

/* ---- network (net.c) ----------------------------------------------------- */

void net_init(struct world *w);
void net_fini(struct world *w);
void net_node_died(struct node *n);
void net_frame(struct node *n, int32_t peer, struct bytes frame, bool bulk);
void net_ask(struct sim_thread *t, struct ask *a);
/* On the thread of its connection. */
void net_answer(struct sim_thread *t, struct request *rq);
void net_close_links(struct node *n); /* a clean stop: all are cancelled */
void net_close_conns(struct node *n);

/* ---- disks (faulty.c) ---------------------------------------------------- */

struct faulty *faulty_new(struct node *n);
void faulty_free(struct faulty *f);
struct disk *faulty_disk(struct faulty *f);
void faulty_set(struct faulty *f, struct world_disk_faults faults);
int64_t faulty_job_us(struct faulty *f); /* how long the next job takes */
bool faulty_lies(const struct faulty *f); /* reads may tell other bytes */
/* No faults for now: somebody else looks at the files. */
void faulty_quiet(struct faulty *f, bool quiet);
void faulty_crash(struct faulty *f, enum disk_mem_crash how);

/* ---- the world itself ---------------------------------------------------- */

struct clogged;
struct world {
	struct world_config config;
	struct prng prng;
	int64_t now_us;
	struct event *heap;
	size_t heap_n, heap_cap;
	uint64_t seq, hash;
	struct node nodes[WORLD_NODES_MAX];
	struct node *running; /* inside of it */
	jmp_buf left;         /* where a death inside goes */
	enum world_death death;
	struct world_net net;
	enum world_way ways[WORLD_ENDS][WORLD_ENDS];
	int64_t lanes[WORLD_ENDS][WORLD_ENDS]; /* frames keep their order */
	struct list clogged;
	struct map conns; /* id -> struct conn * */
	uint64_t conns_made;
	struct watch *watch;
	struct world_counts counts;
	char verdict[1000];
};

#endif
