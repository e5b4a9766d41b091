/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: which brokers hold a new partition, and which leads it. Replicas are
 * put on different racks as far as there are any; leaders, and replicas, are
 * spread evenly within a topic first and over the cluster second; what is left
 * open is decided by the seed of the command. Brokers that are fenced or stop
 * get replicas only when there are too few others, and never lead.
 *
 * 1. The same state and seed give the same places.
 * 2. The first replica of a partition is on an active broker.
 */
#include "state.h"

struct seat { /* one broker */
	int32_t id, rack;
	bool active;
	int64_t leads, holds;             /* in the cluster */
	int32_t topic_leads, topic_holds; /* in the topic under way */
};
struct placer {
	struct change *x;
	struct seat *seats; /* in an order drawn from the seed */
	int32_t n, active_n;
	int32_t *rack_used, racks_n; /* by the partition under way */
	bool *taken;
	int32_t (*by_id)[2]; /* ids from low to high, each with its seat */
};

/* ---- the table of brokers ------------------------------------------------ */

static int32_t rack_of(struct placer *p, struct map *racks, const char *rack)
{
	struct str name = str_of(rack ? rack : "");
	intptr_t number = (intptr_t)map_find_str(racks, name);

	if (!number) {
		number = ++p->racks_n;
		map_put_str(racks, name, (void *)number);
	}
	return (int32_t)number - 1;
}

static void shuffle(struct placer *p)
{
	for (int32_t i = p->n - 1; i > 0; i--) {
		int32_t k = (int32_t)prng_below(&p->x->prng, (uint64_t)i + 1);
		struct seat s = p->seats[i];

		p->seats[i] = p->seats[k];
		p->seats[k] = s;
	}
}

static int32_t seat_of(const struct placer *p, int32_t id)
{
	int32_t low = 0, high = p->n;

	while (low < high) {
		int32_t mid = low + (high - low) / 2;

		if (p->by_id[mid][0] < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == p->n || p->by_id[low][0] != id)
		return -1;
	return p->by_id[low][1];
}

static void index_seats(struct placer *p)
{
	for (int32_t i = 0; i < p->n; i++) {
		int32_t k = i;

		for (; k > 0 && p->by_id[k - 1][0] > p->seats[i].id; k--)
			memcpy(p->by_id[k], p->by_id[k - 1],
			       sizeof(p->by_id[k]));
		p->by_id[k][0] = p->seats[i].id;
		p->by_id[k][1] = i;
	}
}

static void count_existing(struct placer *p)
{
	for (struct map_iter i = map_first(&p->x->c->topics); i.at;
	     map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++)
			placer_count(p, t->partitions[k].replicas.v,
				     t->partitions[k].replicas.n);
	}
}

struct placer *placer_new(struct change *x)
{
	int32_t n = (int32_t)map_count(&x->c->brokers);
	struct placer *p = arena_zalloc(x->arena, sizeof(*p));
	size_t size = (size_t)max_of(n, 1);
	struct map racks = { 0 };

	p->x = x;
	p->seats = arena_zalloc(x->arena, size * sizeof(*p->seats));
	for (struct map_iter i = map_first(&x->c->brokers); i.at;
	     map_next(&i)) {
		const struct broker_info *b = i.value;
		struct seat *s = &p->seats[p->n++];

		s->id = b->id;
		s->rack = rack_of(p, &racks, b->rack);
		s->active = !b->fenced && !b->stopping;
		p->active_n += s->active;
	}
	map_fini(&racks);
	shuffle(p);
	p->by_id = arena_alloc(x->arena, size * sizeof(*p->by_id));
	p->rack_used = arena_alloc(x->arena, size * sizeof(*p->rack_used));
	p->taken = arena_alloc(x->arena, size * sizeof(*p->taken));
	index_seats(p);
	count_existing(p);
	return p;
}

void placer_count(struct placer *p, const int32_t *replicas, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		int32_t k = seat_of(p, replicas[i]);

		if (k < 0) /* unregistered */
			continue;
		p->seats[k].holds++;
		p->seats[k].topic_holds++;
		p->seats[k].leads += i == 0;
		p->seats[k].topic_leads += i == 0;
	}
}

void placer_begin_topic(struct placer *p, const struct topic *t)
{
	for (int32_t i = 0; i < p->n; i++)
		p->seats[i].topic_leads = p->seats[i].topic_holds = 0;
	for (int32_t k = 0; t && k < t->partitions_n; k++) {
		const struct int32s *replicas = &t->partitions[k].replicas;

		for (int32_t i = 0; i < replicas->n; i++) {
			int32_t s = seat_of(p, replicas->v[i]);

			if (s < 0)
				continue;
			p->seats[s].topic_holds++;
			p->seats[s].topic_leads += i == 0;
		}
	}
}

const char *placer_fault(struct placer *p, int32_t replicas_n)
{
	if (p->active_n == 0)
		return arena_printf(p->x->arena, "Unable to replicate the "
				    "partition %d time(s): All brokers are "
				    "currently fenced.", replicas_n);
	if (replicas_n > p->n)
		return arena_printf(p->x->arena, "Unable to replicate the "
				    "partition %d time(s): The target "
				    "replication factor of %d cannot be "
				    "reached because only %d broker(s) are "
				    "registered.", replicas_n, replicas_n,
				    p->n);
	return NULL;
}

/* ---- one partition ------------------------------------------------------- */

static int order(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static bool leads_better(const struct seat *a, const struct seat *b)
{
	int o = order(a->topic_leads, b->topic_leads);

	if (!o)
		o = order(a->leads, b->leads);
	if (!o)
		o = order(a->topic_holds, b->topic_holds);
	if (!o)
		o = order(a->holds, b->holds);
	return o < 0;
}

static int32_t choose_leader(const struct placer *p)
{
	int32_t best = -1;

	for (int32_t i = 0; i < p->n; i++)
		if (p->seats[i].active &&
		    (best < 0 || leads_better(&p->seats[i], &p->seats[best])))
			best = i;
	return best;
}

static bool holds_better(const struct placer *p, const struct seat *a,
			 const struct seat *b)
{
	int o = order(!a->active, !b->active);

	if (!o)
		o = order(p->rack_used[a->rack], p->rack_used[b->rack]);
	if (!o)
		o = order(a->topic_holds, b->topic_holds);
	if (!o)
		o = order(a->holds, b->holds);
	return o < 0;
}

/* Who takes over when the leader dies is spread, too: each further partition
 * of a leader begins its round one seat later. */
static int32_t choose_follower(const struct placer *p, int32_t leader,
			       int64_t round)
{
	int32_t start = (int32_t)((leader + 1 + round % max_of(p->n - 1, 1)) %
				  p->n);
	int32_t best = -1;

	for (int32_t i = 0; i < p->n; i++) {
		int32_t k = (start + i) % p->n;

		if (!p->taken[k] &&
		    (best < 0 ||
		     holds_better(p, &p->seats[k], &p->seats[best])))
			best = k;
	}
	return best;
}

static void take(struct placer *p, int32_t k)
{
	p->taken[k] = true;
	p->rack_used[p->seats[k].rack]++;
}

void placer_place(struct placer *p, int32_t replicas_n, int32_t *out)
{
	int32_t leader = choose_leader(p);
	int64_t round;

	assert(leader >= 0 && replicas_n <= p->n);
	round = p->seats[leader].leads;
	memset(p->taken, 0, (size_t)p->n * sizeof(*p->taken));
	memset(p->rack_used, 0, (size_t)p->racks_n * sizeof(*p->rack_used));
	take(p, leader);
	out[0] = p->seats[leader].id;
	for (int32_t i = 1; i < replicas_n; i++) {
		int32_t k = choose_follower(p, leader, round);

		take(p, k);
		out[i] = p->seats[k].id;
	}
	placer_count(p, out, replicas_n);
}
