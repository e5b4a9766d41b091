/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: time, chance and the order of events; see world.h. Not the nodes:
 * process.c; not what lies between them: net.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "parts.h"
#include "watch.h"

static struct world *running; /* for fatal() and the sink: one at a time */

/* ---- the heap of events -------------------------------------------------- */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void push(struct world *w, struct event e)
{
	size_t i = w->heap_n++;

	if (w->heap_n > w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 1024;
		w->heap = mem_realloc(w->heap, w->heap_cap * sizeof(e));
	}
	for (; i > 0 && is_before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct event pop(struct world *w)
{
	struct event first = w->heap[0], last = w->heap[--w->heap_n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < w->heap_n) {
		if (c + 1 < w->heap_n &&
		    is_before(&w->heap[c + 1], &w->heap[c]))
			c++;
		if (!is_before(&w->heap[c], &last))
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	if (w->heap_n)
		w->heap[i] = last;
	return first;
}

static void put(struct world *w, struct event e)
{
	int owner = estate_enter(0);

	e.at_us = max_of(e.at_us, w->now_us);
	e.seq = ++w->seq;
	e.life = e.node ? node_of(w, e.node)->life : 0;
	push(w, e);
	estate_enter(owner);
}

void plan(struct world *w, int64_t at_us, int node, enum event_tag tag,
	  event_fn *fn, void *ctx)
{
	put(w, (struct event){ .at_us = at_us, .fn = fn, .ctx = ctx,
			       .node = node, .tag = tag });
}

void plan_on(struct sim_thread *t, int64_t at_us, enum event_tag tag,
	     event_fn *fn, void *ctx)
{
	put(t->node->w, (struct event){ .at_us = at_us, .fn = fn, .ctx = ctx,
					.node = t->node->id, .thread = t,
					.tag = tag });
}

void fold(struct world *w, uint64_t a, uint64_t b)
{
	uint64_t v[3] = { w->hash, a, b };

	w->hash = hash64(v, sizeof(v), 0);
}

static void hold(struct held *h, struct event e)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 64;
		h->v = mem_realloc(h->v, h->cap * sizeof(e));
	}
	h->v[h->n++] = e;
}

/* ---- running ------------------------------------------------------------- */

/* Where a death from inside of a node arrives. */
static void run_inside(struct world *w, struct node *n, const struct event *e)
{
	w->running = n;
	if (setjmp(w->left) == 0) {
		estate_enter(n->id);
		e->fn(w, e->ctx, true);
		estate_enter(0);
		w->running = NULL;
	} else {
		estate_enter(0);
		w->running = NULL;
		node_die(n, w->death);
	}
}

static void happen(struct world *w, struct event e)
{
	struct node *n = e.node ? node_of(w, e.node) : NULL;

	if (n && n->life != e.life) {
		e.fn(w, e.ctx, false);
		return;
	}
	if (n && n->paused_until_us) {
		hold(&n->held, e);
		return;
	}
	if (e.thread && e.thread->stalled_until_us) {
		hold(&e.thread->held, e);
		return;
	}
	w->counts.events++;
	fold(w, (uint64_t)e.at_us, (uint64_t)e.tag << 32 | (uint64_t)e.node);
	if (n)
		run_inside(w, n, &e);
	else
		e.fn(w, e.ctx, true);
}

void release(struct world *w, struct held *h)
{
	struct held all = *h;

	*h = (struct held){ 0 };
	for (size_t i = 0; i < all.n; i++)
		happen(w, all.v[i]);
	mem_free(all.v);
}

static bool run_one(struct world *w, int64_t until_us)
{
	struct event e;

	if (*w->verdict || !w->heap_n || w->heap[0].at_us > until_us)
		return false;
	e = pop(w);
	w->now_us = e.at_us;
	happen(w, e);
	return true;
}

void world_run(struct world *w, int64_t until_us)
{
	while (run_one(w, until_us))
		;
	if (!*w->verdict)
		w->now_us = max_of(w->now_us, until_us);
}

bool world_run_until(struct world *w, int64_t until_us,
		     bool (*holds)(void *ctx), void *ctx)
{
	while (!holds(ctx))
		if (!run_one(w, until_us))
			return false;
	return true;
}

struct appointment {
	void (*fn)(void *ctx);
	void *ctx;
};

static void keep_appointment(struct world *w, void *ctx, bool alive)
{
	struct appointment a = *(struct appointment *)ctx;

	(void)w;
	mem_free(ctx);
	if (alive)
		a.fn(a.ctx);
}

void world_at(struct world *w, int64_t at_us, void (*fn)(void *ctx), void *ctx)
{
	struct appointment a = { fn, ctx };

	plan(w, at_us, 0, TAG_CALL, keep_appointment, mem_dup(&a, sizeof(a)));
}

/* ---- small things -------------------------------------------------------- */

int64_t world_now_us(const struct world *w)
{
	return w->now_us;
}

struct prng *world_prng(struct world *w)
{
	return &w->prng;
}

int64_t world_below(struct world *w, int64_t limit)
{
	return limit > 0 ? (int64_t)prng_below(&w->prng, (uint64_t)limit) : 0;
}

bool world_chance(struct world *w, int percent)
{
	return percent > 0 && world_below(w, 100) < percent;
}

uint64_t world_hash(const struct world *w)
{
	return w->hash;
}

struct world_counts world_counts(const struct world *w)
{
	return w->counts;
}

const char *world_verdict(const struct world *w)
{
	return *w->verdict ? w->verdict : NULL;
}

/* ---- saying -------------------------------------------------------------- */

static void stamp(const struct world *w, FILE *to)
{
	fprintf(to, "%10.6f ", (double)w->now_us / 1e6);
}

void world_violation(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (*w->verdict)
		return;
	va_start(ap, fmt);
	vsnprintf(w->verdict, sizeof(w->verdict), fmt, ap);
	va_end(ap);
	if (w->config.loud) {
		stamp(w, stderr);
		fprintf(stderr, "VIOLATION %s\n", w->verdict);
	}
}

void world_note(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->config.loud)
		return;
	stamp(w, stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void sink(enum trace_level level, const char *line)
{
	struct node *n = running ? running->running : NULL;

	if (n && level == TRACE_ERROR && strstr(line, WORLD_START_AGAIN))
		n->asks = true;
	if (!running || !running->config.loud)
		return;
	stamp(running, stderr);
	fprintf(stderr, "node=%d %s\n",
		n ? n->id : 0, line);
}

/*
 * In the place of base's: a process that ends itself ends, and the world goes
 * on. It may do so after its disk has failed it; without that it is a bug.
 */
void fatal(const char *fmt, ...)
{
	struct world *w = running;
	struct node *n = w ? w->running : NULL;
	char text[sizeof(n->words)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!n) {
		fprintf(stderr, "fatal: %s\n", text);
		abort();
	}
	memcpy(n->words, text, sizeof(text));
	world_note(w, "node %d ends itself: %s", n->id, text);
	if (!n->failed)
		world_violation(w, "node %d ended itself: %s", n->id, text);
	w->counts.fatals++;
	w->death = DEATH_KILL;
	longjmp(w->left, 1);
}

/* ---- making one ---------------------------------------------------------- */

struct world *world_new(const struct world_config *c)
{
	struct world *w = mem_zalloc(sizeof(*w));

	assert(!running);
	assert(c->nodes >= 1 && c->nodes <= WORLD_NODES_MAX);
	assert(c->shards >= 1 && c->shards < SIM_THREADS);
	assert(c->clients <= WORLD_CLIENTS_MAX);
	running = w;
	w->config = *c;
	w->now_us = 1000000;
	prng_init(&w->prng, c->seed);
	estate_serve_libraft();
	trace_sink = sink;
	trace_level_max = c->loud ? TRACE_DEBUG : TRACE_ERROR;
	net_init(w);
	nodes_init(w);
	w->watch = watch_new(w);
	return w;
}

void world_free(struct world *w)
{
	nodes_fini(w);
	while (w->heap_n) {
		struct event e = pop(w);

		e.fn(w, e.ctx, false);
	}
	net_fini(w);
	watch_free(w->watch);
	mem_free(w->heap);
	mem_free(w);
	running = NULL;
}

/* ---- faults -------------------------------------------------------------- */

void world_set_disk(struct world *w, int node, struct world_disk_faults f)
{
	faulty_set(node_of(w, node)->disk, f);
}

void world_set_space(struct world *w, int node, int64_t bytes)
{
	disk_mem_set_budget(node_of(w, node)->mem, bytes);
}

void world_heal(struct world *w)
{
	world_set_net(w, (struct world_net){ .delay_us = 150,
					     .jitter_us = 200 });
	for (int a = 1; a < WORLD_ENDS; a++)
		for (int b = 1; b < WORLD_ENDS; b++)
			if (w->ways[a][b] != WAY_OPEN)
				world_set_way(w, a, b, WAY_OPEN);
	for (int i = 1; i <= w->config.nodes; i++) {
		struct node *n = node_of(w, i);

		n->doomed = false;
		faulty_set(n->disk, (struct world_disk_faults){ 0 });
		disk_mem_set_budget(n->mem, -1);
	}
}
