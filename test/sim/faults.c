/* SPDX-License-Identifier: Apache-2.0 */
/* faults: see faults.h. */
#include <stdio.h>

#include "faults.h"

#define ROT_FILES 400

static const char *const names[FAULT_KINDS] = {
	"kill", "kill-all", "power", "power-all", "stop", "doom-exit",
	"doom-disk", "pause", "stall", "reset", "isolate", "one-way", "ring",
	"flap",
	"net", "slow-disk", "cold", "read", "lie", "write", "dead-disk",
	"space", "clock", "rot", "wipe" };

struct faults {
	struct world *w;
	struct prng prng; /* its own: actors do not change what goes wrong */
	uint32_t kinds;
	int64_t every_us;  /* mean time between two */
	int64_t last_us;   /* mean length of those that last */
	int64_t down_us;   /* at most, until a dead node starts again */
	int victim;        /* the node whose synced bytes may go */
	int64_t up_at_us[WORLD_NODES_MAX + 1]; /* 0: no plan */
	bool obeyed[WORLD_NODES_MAX + 1]; /* its wish to be started again */
	bool on;
	int64_t counts[FAULT_KINDS];
};

const char *fault_name(enum fault_kind k)
{
	return names[k];
}

int fault_find(const char *name)
{
	for (int i = 0; i < FAULT_KINDS; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

/* ---- chance -------------------------------------------------------------- */

static int64_t below(struct faults *f, int64_t limit)
{
	return limit > 0 ? (int64_t)prng_below(&f->prng, (uint64_t)limit) : 0;
}

static bool chance(struct faults *f, int percent)
{
	return below(f, 100) < percent;
}

/* Around a mean: mostly short, sometimes three times as long. */
static int64_t about(struct faults *f, int64_t mean)
{
	return 1 + (below(f, mean) + below(f, mean)) *
			   (chance(f, 20) ? 3 : 1) * (chance(f, 20) ? 0 : 1);
}

/* Any node; often the one that matters more. */
static int some_node(struct faults *f)
{
	int leader = world_quorum_leader(f->w);

	if (leader && chance(f, 30))
		return leader;
	return 1 + (int)below(f, world_nodes(f->w));
}

static bool is_on(const struct faults *f, enum fault_kind k)
{
	return f->kinds & 1u << k;
}

/* ---- what lasts ---------------------------------------------------------- */

/* Something that ends by itself. */
struct spell {
	struct faults *f;
	void (*end)(struct faults *f, int a, int b);
	int a, b;
};

static void end_spell(void *ctx)
{
	struct spell s = *(struct spell *)ctx;

	mem_free(ctx);
	if (s.f->on)
		s.end(s.f, s.a, s.b);
}

static void lasts(struct faults *f, void (*end)(struct faults *f, int a, int b),
		  int a, int b)
{
	struct spell s = { f, end, a, b };

	world_at(f->w, world_now_us(f->w) + about(f, f->last_us), end_spell,
		 mem_dup(&s, sizeof(s)));
}

/* ---- processes ----------------------------------------------------------- */

static void start_later(struct faults *f, int node)
{
	f->up_at_us[node] = world_now_us(f->w) + about(f, f->down_us / 2);
}

static void end_node(struct faults *f, int node, enum world_death how)
{
	world_end(f->w, node, how);
	start_later(f, node);
}

static void end_all(struct faults *f, enum world_death how)
{
	for (int i = 1; i <= world_nodes(f->w); i++)
		end_node(f, i, how);
}

static void doom(struct faults *f, bool disk)
{
	int node = some_node(f);
	enum world_death how = is_on(f, FAULT_POWER) && chance(f, 50)
				       ? DEATH_POWER : DEATH_KILL;
	int64_t after = below(f, chance(f, 50) ? 30 : 1000);

	world_doom(f->w, node, how, disk ? -1 : after, disk ? after : -1);
	f->up_at_us[node] = 0;
}

static void pause_node(struct faults *f)
{
	world_pause(f->w, some_node(f),
		    chance(f, 50) ? below(f, 300000) : about(f, f->last_us));
}

static void stall(struct faults *f)
{
	int node = some_node(f);

	world_stall(f->w, node, (int)below(f, world_shards(f->w, node) + 1),
		    chance(f, 70) ? below(f, 300000) : about(f, f->last_us));
}

/* ---- network ------------------------------------------------------------- */

static enum world_way closed(struct faults *f)
{
	return chance(f, 50) ? WAY_DROPS : WAY_CLOGS;
}

static void set_both(struct faults *f, int a, int b, enum world_way way)
{
	world_set_way(f->w, a, b, way);
	world_set_way(f->w, b, a, way);
}

static void rejoin(struct faults *f, int a, int b)
{
	(void)b;
	for (int i = 1; i < WORLD_ENDS; i++)
		if (i != a)
			set_both(f, a, i, WAY_OPEN);
}

static void isolate(struct faults *f)
{
	int node = some_node(f);
	int ends = chance(f, 50) ? world_nodes(f->w) : WORLD_ENDS - 1;
	enum world_way way = closed(f);

	world_note(f->w, "node %d is cut off%s", node,
		   ends == WORLD_ENDS - 1 ? ", from clients too" : "");
	for (int i = 1; i <= ends; i++)
		if (i != node)
			set_both(f, node, i, way);
	lasts(f, rejoin, node, 0);
}

static void open_way(struct faults *f, int a, int b)
{
	world_set_way(f->w, a, b, WAY_OPEN);
}

static void one_way(struct faults *f)
{
	int a = some_node(f), b = 1 + (int)below(f, WORLD_ENDS - 1);

	if (chance(f, 70))
		b = 1 + (int)below(f, world_nodes(f->w));
	if (a == b)
		return;
	if (chance(f, 50)) {
		int c = a;

		a = b;
		b = c;
	}
	world_note(f->w, "nothing gets from %d to %d", a, b);
	world_set_way(f->w, a, b, closed(f));
	lasts(f, open_way, a, b);
}

static void open_all(struct faults *f, int a, int b)
{
	(void)a, (void)b;
	for (int i = 1; i <= world_nodes(f->w); i++)
		for (int j = 1; j <= world_nodes(f->w); j++)
			if (i != j)
				world_set_way(f->w, i, j, WAY_OPEN);
}

/* Node i sees only its neighbours: with three, one pair is cut. */
static void ring(struct faults *f)
{
	int n = world_nodes(f->w), first = 1 + (int)below(f, n);
	enum world_way way = closed(f);

	if (n < 3)
		return;
	world_note(f->w, "the nodes stand in a ring");
	if (n == 3) {
		set_both(f, first, first % 3 + 1, way);
	} else {
		for (int i = 1; i <= n; i++)
			for (int j = i + 2; j <= n; j++)
				if (j - i != n - 1)
					set_both(f, i, j, way);
	}
	lasts(f, open_all, 0, 0);
}

static void flap_again(struct faults *f, int a, int b)
{
	bool close = chance(f, 50);

	set_both(f, a, b, close ? closed(f) : WAY_OPEN);
	if (close || chance(f, 80)) {
		struct spell s = { f, flap_again, a, b };

		world_at(f->w, world_now_us(f->w) + 50000 + below(f, 800000),
			 end_spell, mem_dup(&s, sizeof(s)));
	}
}

static void reset(struct faults *f)
{
	int a = some_node(f), b = 1 + (int)below(f, WORLD_ENDS - 1);

	if (chance(f, 60))
		b = 1 + (int)below(f, world_nodes(f->w));
	if (a != b)
		world_reset(f->w, a, b);
}

static void calm_net(struct faults *f, int a, int b)
{
	(void)a, (void)b;
	world_set_net(f->w, (struct world_net){ .delay_us = 150,
						.jitter_us = 200 });
}

static void rough_net(struct faults *f)
{
	struct world_net net = {
		.delay_us = 100 + below(f, chance(f, 30) ? 60000 : 2000),
		.jitter_us = below(f, chance(f, 30) ? 100000 : 3000),
		.slow = (int)below(f, 10),
		.slow_us = below(f, 2000000),
		.lose = (int)below(f, chance(f, 50) ? 30 : 5),
		.twice = (int)below(f, chance(f, 50) ? 50 : 5),
		.reorder = (int)below(f, 30),
	};

	world_note(f->w, "the network is rough: delay %" PRId64 "+%" PRId64
		   " us, %d %% lost", net.delay_us, net.jitter_us, net.lose);
	world_set_net(f->w, net);
	lasts(f, calm_net, 0, 0);
}

/* ---- disks --------------------------------------------------------------- */

static void good_disk(struct faults *f, int a, int b)
{
	(void)b;
	world_set_disk(f->w, a, (struct world_disk_faults){ 0 });
}

static void bad_disk(struct faults *f, enum fault_kind k)
{
	struct world_disk_faults d = { 0 };
	int node = k == FAULT_LIE ? f->victim : some_node(f);

	switch (k) {
	case FAULT_SLOW_DISK:
		d.job_us = 1000 + below(f, 300000);
		d.slow_sync = (int)below(f, 60);
		break;
	case FAULT_COLD:
		d.cold = 10 + (int)below(f, 90);
		break;
	case FAULT_READ:
		d.read_error = 1 + (int)below(f, 300);
		break;
	case FAULT_LIE: /* what looks damaged may be given up */
		world_damage(f->w, node);
		d.read_flip = (int)below(f, 200);
		d.read_stray = (int)below(f, 50);
		break;
	case FAULT_WRITE:
		d.write_error = (int)below(f, 100);
		if (node == f->victim) { /* bytes go with it */
			d.sync_error = (int)below(f, 100);
			world_damage(f->w, node);
		}
		break;
	default:
		d.dead = true;
		break;
	}
	world_note(f->w, "the disk of node %d: %s", node, names[k]);
	world_set_disk(f->w, node, d);
	lasts(f, good_disk, node, 0);
}

static void free_space(struct faults *f, int a, int b)
{
	(void)b;
	world_note(f->w, "node %d has room again", a);
	world_set_space(f->w, a, -1);
}

static void fill_disk(struct faults *f)
{
	int node = some_node(f);
	int64_t used = disk_mem_used(world_disk(f->w, node));

	world_note(f->w, "the disk of node %d is full", node);
	world_set_space(f->w, node, used + below(f, chance(f, 50) ? 4096 * 4
								 : 1 << 20));
	lasts(f, free_space, node, 0);
}

/* ---- bytes at rest ------------------------------------------------------- */

struct finds {
	struct disk *d;
	char dir[300];
	char paths[ROT_FILES][400];
	bool dirs[ROT_FILES];
	int n;
};

static void note_path(void *ctx, const char *name, bool is_dir)
{
	struct finds *x = ctx;

	if (x->n == ROT_FILES)
		return;
	snprintf(x->paths[x->n], sizeof(x->paths[0]), "%s%s%s", x->dir,
		 *x->dir ? "/" : "", name);
	x->dirs[x->n++] = is_dir;
}

static void find_files(struct finds *x)
{
	x->n = 0;
	*x->dir = '\0';
	(void)x->d->ops->list(x->d, "", note_path, x);
	for (int i = 0; i < x->n; i++) {
		if (!x->dirs[i])
			continue;
		snprintf(x->dir, sizeof(x->dir), "%.299s", x->paths[i]);
		(void)x->d->ops->list(x->d, x->dir, note_path, x);
	}
}

static int64_t size_of(struct disk *d, const char *path)
{
	struct file *file;
	int64_t n;

	if (d->ops->open(d, path, DISK_READ, &file) < 0)
		return 0;
	n = d->ops->size(file);
	d->ops->close(file);
	return n;
}

/* The victim goes down, a few bits of its files change, it comes back. */
static void rot(struct faults *f)
{
	struct disk_mem *m = world_disk(f->w, f->victim);
	struct finds *x = mem_zalloc(sizeof(*x));

	end_node(f, f->victim, DEATH_KILL);
	x->d = disk_mem_disk(m);
	find_files(x);
	for (int i = (int)below(f, 3); i >= 0 && x->n; i--) {
		int pick = (int)below(f, x->n);
		int64_t n = x->dirs[pick] ? 0 : size_of(x->d, x->paths[pick]);

		if (n <= 0 || (!strncmp(x->paths[pick], "quorum", 6) &&
			       !chance(f, 20)))
			continue;
		world_note(f->w, "a bit of node %d's %s flips", f->victim,
			   x->paths[pick]);
		disk_mem_flip(m, x->paths[pick], below(f, n),
			      (uint8_t)(1u << below(f, 8)));
		world_damage(f->w, f->victim);
	}
	mem_free(x);
}

static void wipe(struct faults *f)
{
	end_node(f, f->victim, DEATH_KILL);
	world_wipe(f->w, f->victim);
}

/* ---- one of them --------------------------------------------------------- */

static void inflict(struct faults *f, enum fault_kind k)
{
	f->counts[k]++;
	switch (k) {
	case FAULT_KILL:
		end_node(f, some_node(f), DEATH_KILL);
		break;
	case FAULT_KILL_ALL:
		end_all(f, DEATH_KILL);
		break;
	case FAULT_POWER:
		end_node(f, some_node(f), DEATH_POWER);
		break;
	case FAULT_POWER_ALL:
		end_all(f, DEATH_POWER);
		break;
	case FAULT_STOP:
		end_node(f, some_node(f), DEATH_STOP);
		break;
	case FAULT_DOOM_EXIT:
	case FAULT_DOOM_DISK:
		doom(f, k == FAULT_DOOM_DISK);
		break;
	case FAULT_PAUSE:
		pause_node(f);
		break;
	case FAULT_STALL:
		stall(f);
		break;
	case FAULT_RESET:
		reset(f);
		break;
	case FAULT_ISOLATE:
		isolate(f);
		break;
	case FAULT_ONE_WAY:
		one_way(f);
		break;
	case FAULT_RING:
		ring(f);
		break;
	case FAULT_FLAP:
		flap_again(f, some_node(f),
			   1 + (int)below(f, world_nodes(f->w)));
		break;
	case FAULT_NET:
		rough_net(f);
		break;
	case FAULT_SPACE:
		fill_disk(f);
		break;
	case FAULT_CLOCK:
		world_step_clock(f->w, some_node(f),
				 below(f, 7200000) - 3600000);
		break;
	case FAULT_ROT:
		rot(f);
		break;
	case FAULT_WIPE:
		wipe(f);
		break;
	default:
		bad_disk(f, k);
		break;
	}
}

static void next(void *ctx)
{
	struct faults *f = ctx;
	int k;

	if (!f->on)
		return;
	do
		k = (int)below(f, FAULT_KINDS);
	while (!is_on(f, (enum fault_kind)k));
	inflict(f, (enum fault_kind)k);
	world_at(f->w, world_now_us(f->w) + about(f, f->every_us), next, f);
}

/* Once the disks are well again; what was damaged for good stays so. */
static void start_again(struct faults *f, int node)
{
	if (f->on || f->obeyed[node] || !world_asks_for_start(f->w, node))
		return;
	f->obeyed[node] = true;
	world_end(f->w, node, DEATH_STOP);
}

/* The operator: what died, of us or by itself, is started again. */
static void look_after(void *ctx)
{
	struct faults *f = ctx;
	int64_t now = world_now_us(f->w);

	for (int i = 1; i <= world_nodes(f->w); i++) {
		if (world_is_up(f->w, i)) {
			start_again(f, i);
			continue;
		}
		if (!f->up_at_us[i] && f->on)
			start_later(f, i);
		if (!f->on || f->up_at_us[i] <= now) {
			f->up_at_us[i] = 0;
			world_start(f->w, i);
		}
	}
	world_at(f->w, now + (f->on ? 50000 : 500000), look_after, f);
}

/* ---- a run's faults ------------------------------------------------------ */

struct faults *faults_new(struct world *w, const struct faults_config *c)
{
	struct faults *f = mem_zalloc(sizeof(*f));

	f->w = w;
	prng_init(&f->prng, c->seed);
	if (!c->calm) {
		/* few kinds in one run, many in another */
		int percent = 10 + (int)below(f, 60);

		for (int i = 0; i < FAULT_KINDS; i++)
			if (chance(f, percent))
				f->kinds |= 1u << i;
		f->kinds &= c->kinds;
	}
	f->every_us = 100000 + below(f, chance(f, 50) ? 1000000 : 6000000);
	f->last_us = 50000 + below(f, chance(f, 50) ? 1000000 : 5000000);
	f->down_us = 10000 + below(f, chance(f, 50) ? 500000 : 5000000);
	f->victim = 1 + (int)below(f, world_nodes(w));
	if (world_nodes(w) < 3) { /* there is no other copy */
		f->victim = 0;
		f->kinds &= ~(1u << FAULT_ROT | 1u << FAULT_WIPE |
			      1u << FAULT_LIE);
	}
	return f;
}

bool faults_lose_synced(const struct faults *f)
{
	return f->victim && (is_on(f, FAULT_ROT) || is_on(f, FAULT_WIPE) ||
			     is_on(f, FAULT_WRITE) || is_on(f, FAULT_LIE));
}

bool faults_damage_reads(const struct faults *f)
{
	return is_on(f, FAULT_ROT) || is_on(f, FAULT_LIE);
}

void faults_begin(struct faults *f)
{
	f->on = true;
	look_after(f);
	if (f->kinds)
		world_at(f->w, world_now_us(f->w) + about(f, f->every_us),
			 next, f);
}

void faults_end(struct faults *f)
{
	f->on = false;
	world_heal(f->w);
}

void faults_free(struct faults *f)
{
	mem_free(f);
}

const int64_t *faults_counts(const struct faults *f)
{
	return f->counts;
}

void faults_print(const struct faults *f, struct buf *out)
{
	for (int i = 0; i < FAULT_KINDS; i++)
		if (is_on(f, (enum fault_kind)i))
			buf_printf(out, "%s%s", out->n ? " " : "", names[i]);
}
