/* SPDX-License-Identifier: Apache-2.0 */
/* fsm: what the agreed log feeds; the contract is in fsm.h. */
#include "fsm.h"

void fsm_init(struct fsm *f)
{
	*f = (struct fsm){ .cluster = cluster_new(), .coord = coord_new() };
}

void fsm_fini(struct fsm *f)
{
	cluster_free(f->cluster);
	coord_free(f->coord);
	arena_fini(&f->arena);
}

static void check(struct fsm *f, int64_t index)
{
	memmove(f->hashes + 1, f->hashes,
		(FSM_HASHES - 1) * sizeof(*f->hashes));
	f->hashes[0] = (struct fsm_hash){ index, cluster_hash(f->cluster),
					  coord_hash(f->coord) };
}

static const struct fsm_hash *find(const struct fsm *f, int64_t index)
{
	for (int i = 0; i < FSM_HASHES; i++)
		if (f->hashes[i].index == index)
			return &f->hashes[i];
	return NULL;
}

/* A node that started behind the check has nothing to compare. */
static void compare(struct fsm *f, struct bytes expectation)
{
	struct reader r = reader_of(expectation.p, (size_t)expectation.n);
	int64_t index = read_i64(&r);
	uint64_t cluster = (uint64_t)read_i64(&r);
	uint64_t coord = (uint64_t)read_i64(&r);
	const struct fsm_hash *h = index > 0 ? find(f, index) : NULL;

	if (r.bad)
		fatal("quorum: malformed state hash in the agreed log");
	if (h && (h->cluster != cluster || h->coord != coord))
		fatal("quorum: the state of this node has drifted from the "
		      "leader's at index %" PRId64 " (%s). Keep the directory "
		      "quorum/ for a report, and replace this node by a new "
		      "one",
		      index, h->cluster != cluster ? "cluster" : "coord");
}

static void apply_cluster(struct fsm *f, struct quorum_applied *out)
{
	struct cluster_effects *e = &f->cluster_effects;

	*e = (struct cluster_effects){ .arena = &f->arena };
	cluster_apply(f->cluster, out->index, out->command, e);
	out->cluster_effects = e;
}

static void apply_coord(struct fsm *f, struct quorum_applied *out)
{
	struct coord_effects *e = &f->coord_effects;

	*e = (struct coord_effects){ .arena = &f->arena };
	coord_apply(f->coord, f->cluster, out->index, out->command, e);
	out->coord_effects = e;
}

bool fsm_apply(struct fsm *f, const struct entry *e, struct quorum_applied *out)
{
	struct bytes command = { e->data + 1, e->n - 1 };

	if (e->n < 1)
		fatal("quorum: empty command at index %" PRId64, e->index);
	arena_reset(&f->arena);
	*out = (struct quorum_applied){ .index = e->index,
					.term = (int64_t)e->term,
					.command = command };
	switch (e->data[0]) {
	case QUORUM_TO_CLUSTER:
		out->target = QUORUM_TO_CLUSTER;
		apply_cluster(f, out);
		return true;
	case QUORUM_TO_COORD:
		out->target = QUORUM_TO_COORD;
		apply_coord(f, out);
		return true;
	case FSM_CHECK:
		check(f, e->index);
		return false;
	case FSM_EXPECT:
		compare(f, command);
		return false;
	}
	fatal("quorum: entry %" PRId64 " is of a kind this version does not "
	      "know (%u): another node is newer", e->index, e->data[0]);
}

bool fsm_expectation(const struct fsm *f, int64_t index, struct buf *out)
{
	const struct fsm_hash *h = find(f, index);

	if (!h)
		return false;
	buf_put_i64(out, h->index);
	buf_put_i64(out, (int64_t)h->cluster);
	buf_put_i64(out, (int64_t)h->coord);
	return true;
}

/* length of the cluster half i64, cluster half, coord half */
void fsm_encode(const struct fsm *f, struct buf *out)
{
	size_t at = out->n;

	buf_put_i64(out, 0);
	cluster_encode(f->cluster, out);
	put_be64(out->p + at, out->n - at - 8);
	coord_encode(f->coord, out);
}

bool fsm_decode(struct bytes in, struct fsm_image *out)
{
	struct reader r = reader_of(in.p, (size_t)in.n);
	int64_t n = read_i64(&r);

	*out = (struct fsm_image){ 0 };
	if (r.bad || n < 0 || n > (int64_t)reader_left(&r))
		return false;
	out->cluster = cluster_decode((struct bytes){ r.p, (int32_t)n });
	if (!out->cluster)
		return false;
	r.p += n;
	out->coord = coord_decode(
		(struct bytes){ r.p, (int32_t)reader_left(&r) });
	if (out->coord)
		return true;
	fsm_image_fini(out);
	return false;
}

void fsm_replace(struct fsm *f, struct fsm_image *image)
{
	cluster_free(f->cluster);
	coord_free(f->coord);
	f->cluster = image->cluster;
	f->coord = image->coord;
	*image = (struct fsm_image){ 0 };
	memset(f->hashes, 0, sizeof(f->hashes));
}

void fsm_image_fini(struct fsm_image *image)
{
	if (image->cluster)
		cluster_free(image->cluster);
	if (image->coord)
		coord_free(image->coord);
	*image = (struct fsm_image){ 0 };
}
