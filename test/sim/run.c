/* SPDX-License-Identifier: Apache-2.0 */
/* run: see run.h. */
#include <stdio.h>
#include <stdlib.h>

#include "actor.h"
#include "estate.h"
#include "run.h"
#include "verdict.h"

#define BEGIN_US 30000000  /* at most, to be ready and have topics */
#define SETTLE_US 60000000 /* at most, after healing */
#define READ_US 60000000
#define DELIVERY_US 200000000 /* until the most patient producer gives up */

struct run {
	const struct run_config *config;
	struct run_result *result;
	struct prng prng;
	struct world_config wc;
	const char *settings[24];
	int settings_n;
	char texts[24][64];
	struct actors_config ac;
	struct faults_config fc;
	struct world *w;
	struct history h;
	struct actors *actors;
	struct faults *faults;
};

static int64_t below(struct run *r, int64_t limit)
{
	return limit > 0 ? (int64_t)prng_below(&r->prng, (uint64_t)limit) : 0;
}

static bool chance(struct run *r, int percent)
{
	return below(r, 100) < percent;
}

/* ---- what differs between runs ------------------------------------------- */

static void set(struct run *r, const char *name, int64_t value)
{
	char *text = r->texts[r->settings_n];

	assert(r->settings_n + 1 < (int)countof(r->settings));
	snprintf(text, sizeof(r->texts[0]), "%s=%" PRId64, name, value);
	r->settings[r->settings_n++] = text;
}

static void draw_settings(struct run *r)
{
	r->settings[r->settings_n++] = "auto.create.topics.enable=false";
	if (chance(r, 50))
		set(r, "quorum.snapshot.entries",
		    16 + below(r, chance(r, 50) ? 10 : 200));
	if (chance(r, 50))
		set(r, "log.segment.bytes", 2000 + below(r, 60000));
	if (chance(r, 30))
		set(r, "journal.bytes", 1 << 20);
	if (chance(r, 30))
		set(r, "log.flush.offset.checkpoint.interval.ms",
		    below(r, 5000));
	if (chance(r, 40))
		set(r, "replica.lag.time.max.ms", 300 + below(r, 5000));
	if (chance(r, 20))
		set(r, "replica.fetch.max.bytes", 1000 + below(r, 20000));
	if (chance(r, 20))
		set(r, "broker.session.timeout.ms", 200 + below(r, 3000));
	if (chance(r, 20))
		set(r, "fetch.max.bytes", 2000 + below(r, 50000));
	if (chance(r, 20))
		set(r, "max.incremental.fetch.session.cache.slots",
		    below(r, 10));
	if (chance(r, 30))
		set(r, "log.retention.check.interval.ms", 100 + below(r, 2000));
	if (chance(r, 30))
		set(r, "log.segment.delete.delay.ms", below(r, 3000));
	r->settings[r->settings_n] = NULL;
}

static void on_power(void *ctx)
{
	struct run *r = ctx;
	int owner = estate_enter(0);

	history_cut(&r->h, world_now_us(r->w));
	estate_enter(owner);
}

static void draw(struct run *r)
{
	const struct run_config *c = r->config;
	static const int nodes[] = { 3, 3, 3, 3, 3, 3, 5, 5, 1, 1 };
	static const int64_t trailing[] = { 0, 0, 1, 1, 5, 50 };

	prng_init(&r->prng, c->seed * 0x9e3779b97f4a7c15u + 1);
	draw_settings(r);
	r->ac = actors_config_random(prng_next(&r->prng));
	r->wc = (struct world_config){
		.seed = prng_next(&r->prng),
		.nodes = c->nodes ? c->nodes : nodes[below(r, 10)],
		.shards = 1 + (int)below(r, 3),
		.reshape = chance(r, 20) ? 40 : 0,
		.clients = actors_ends(&r->ac),
		.trailing = trailing[below(r, countof(trailing))],
		.settings = r->settings, .loud = c->loud,
		.ctx = r, .on_power = on_power };
	if (r->wc.nodes == 3 && !c->nodes && chance(r, 25)) {
		r->wc.joining = 1 + (int)below(r, 2);
		r->wc.nodes += r->wc.joining; /* founders, and more later */
	}
	r->fc = (struct faults_config){ .seed = prng_next(&r->prng),
					.kinds = c->kinds,
					.calm = !c->kinds || chance(r, 3) };
	r->ac.calm = r->fc.calm;
}

static void describe(struct run *r)
{
	struct buf b = { 0 };

	faults_print(r->faults, &b);
	snprintf(r->result->what, sizeof(r->result->what),
		 "%d+%d nodes x %d shards, %d topics x %d, faults: %s",
		 r->wc.nodes - r->wc.joining, r->wc.joining, r->wc.shards,
		 r->ac.topics, r->ac.partitions, buf_c(&b));
	buf_fini(&b);
	world_note(r->w, "%s", r->result->what);
	for (int i = 0; i < r->settings_n; i++)
		world_note(r->w, "%s", r->settings[i]);
}

/* ---- its phases ---------------------------------------------------------- */

static bool is_in_isr(const struct partition *p, int32_t node)
{
	for (int32_t i = 0; i < p->isr.n; i++)
		if (p->isr.v[i] == node)
			return true;
	return false;
}

/* All but those on nodes that were damaged and refuse to start. */
static bool is_whole(struct run *r, const struct partition *p)
{
	if (p->leader < 0)
		return world_is_lost(r->w, p);
	for (int32_t i = 0; i < p->replicas.n; i++) {
		int32_t node = p->replicas.v[i];

		if (!world_may_stay_down(r->w, node) && !is_in_isr(p, node))
			return false;
	}
	return true;
}

/* Every node up and ready, every replica of every partition in sync. */
static bool are_in_sync(struct run *r)
{
	int leader = world_quorum_leader(r->w);
	const struct cluster *c = leader ? world_cluster(r->w, leader) : NULL;

	if (!c)
		return false;
	for (int i = 1; i <= r->wc.nodes; i++)
		if (!world_is_ready(r->w, i) &&
		    !world_may_stay_down(r->w, i))
			return false;
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t p = 0; p < t->partitions_n; p++)
			if (!is_whole(r, &t->partitions[p]))
				return false;
	}
	return true;
}

static bool is_settled(void *ctx)
{
	struct run *r = ctx;

	return actors_settled(r->actors) && are_in_sync(r);
}

/* Is there a partition that nobody can lead? Before the final read the actors
 * hear of them all. */
static bool any_is_lost(struct run *r, bool tell)
{
	int leader = world_quorum_leader(r->w);
	const struct cluster *c = leader ? world_cluster(r->w, leader) : NULL;
	bool any = false;

	if (!c)
		return false;
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t p = 0; p < t->partitions_n; p++) {
			if (!world_is_lost(r->w, &t->partitions[p]))
				continue;
			any = true;
			if (!tell)
				continue;
			world_note(r->w, "%s-%d: nobody is left to lead it",
				   t->name, (int)p);
			actors_offline(r->actors, t->name, p);
		}
	}
	return any;
}

/* Who waits for a partition that nobody can lead waits as long as it may. */
static bool settle(struct run *r)
{
	if (world_run_until(r->w, world_now_us(r->w) + SETTLE_US, is_settled,
			    r))
		return true;
	return any_is_lost(r, false) && !world_verdict(r->w) &&
	       world_run_until(r->w, world_now_us(r->w) + DELIVERY_US,
			       is_settled, r);
}

static void stuck(struct run *r, const char *phase)
{
	struct buf b = { 0 };

	if (world_verdict(r->w))
		return;
	world_dump(r->w, &b);
	world_violation(r->w, "stuck: %s: %s\n%.700s", phase,
			actors_waiting(r->actors), buf_c(&b));
	buf_fini(&b);
}

static bool begin(struct run *r)
{
	for (int i = 1; i <= r->wc.nodes - r->wc.joining; i++)
		world_start(r->w, i);
	actors_start(r->actors);
	if (world_run_until(r->w, world_now_us(r->w) + BEGIN_US,
			    actors_settled, r->actors))
		return true;
	stuck(r, "it does not begin");
	return false;
}

static void endanger(struct run *r)
{
	int64_t us = r->config->us;

	if (!us)
		us = 2000000 + below(r, chance(r, 80) ? 30000000 : 120000000);
	faults_begin(r->faults);
	world_run(r->w, world_now_us(r->w) + us);
	faults_end(r->faults);
	world_note(r->w, "healed");
}

static void run_through(struct run *r)
{
	struct world *w = r->w;

	if (!begin(r))
		return;
	endanger(r);
	world_run(w, world_now_us(w) + 1000000 + below(r, 3000000));
	actors_stop(r->actors);
	if (!settle(r)) {
		stuck(r, "it does not settle");
		return;
	}
	(void)any_is_lost(r, true);
	actors_read_all(r->actors);
	if (!world_run_until(w, world_now_us(w) + READ_US, actors_read,
			     r->actors))
		stuck(r, "not everything can be read");
}

/* ---- judging ------------------------------------------------------------- */

static void judge(struct run *r)
{
	struct verdict v;

	verdict_judge(&r->h, 3, &v);
	if (v.violations)
		world_violation(r->w, "history: %.*s",
				(int)min_of(v.lines.n, (size_t)900),
				buf_c(&v.lines));
	verdict_fini(&v);
}

static void write_history(struct run *r)
{
	struct buf b = { 0 };
	FILE *f = fopen(r->config->history, "w");

	history_write(&r->h, &b);
	if (!f || fwrite(b.p, 1, b.n, f) != b.n || fclose(f))
		fprintf(stderr, "cannot write %s\n", r->config->history);
	buf_fini(&b);
}

static void conclude(struct run *r)
{
	struct run_result *out = r->result;
	const struct actors_counts *n = actors_counts(r->actors);
	const char *why;

	if (!world_verdict(r->w))
		judge(r);
	if (r->config->history)
		write_history(r);
	why = world_verdict(r->w);
	out->failed = why != NULL;
	snprintf(out->why, sizeof(out->why), "%s", why ? why : "");
	out->hash = world_hash(r->w);
	out->sim_us = world_now_us(r->w);
	out->world = world_counts(r->w);
	memcpy(out->faults, faults_counts(r->faults), sizeof(out->faults));
	out->sends = n->sends;
	out->acks = n->acks;
	out->records = n->final_records;
	if (r->config->loud) {
		struct buf b = { 0 };

		actors_print(r->actors, &b);
		world_note(r->w, "%s", buf_c(&b));
		buf_fini(&b);
	}
}

void run_seed(const struct run_config *c, struct run_result *result)
{
	struct run *r = mem_zalloc(sizeof(*r));

	r->config = c;
	r->result = result;
	memset(result, 0, sizeof(*result));
	result->seed = c->seed;
	draw(r);
	r->w = world_new(&r->wc);
	r->faults = faults_new(r->w, &r->fc);
	/* One copy may go at any time. In memory the others may, too: then
	 * nobody may lead, and only an operator could say otherwise. */
	if (faults_lose_synced(r->faults) && r->wc.nodes > 1) {
		r->ac.min_insync = 2;
		r->ac.memory = false;
	}
	history_init(&r->h);
	r->actors = actors_new(r->w, &r->h, &r->ac);
	for (int i = 1; faults_damage_reads(r->faults) && i <= r->wc.nodes; i++)
		actors_allow_damage(r->actors, i);
	describe(r);
	run_through(r);
	conclude(r);
	world_free(r->w);
	actors_free(r->actors);
	faults_free(r->faults);
	history_fini(&r->h);
	mem_free(r);
}
