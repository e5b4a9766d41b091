/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the agreed log: whatever a proposer lets pass, apply must take,
 * in any order; it never fails. Half way the state becomes a snapshot and is
 * read back, and both go on: they must stay the same to the last byte.
 *
 * input: flags u8 (1: begin furnished), commands before the snapshot u8, then
 * commands: target and key u8 (128: coord), length u16, body
 */
#include "world.h"

#define COORD 128

#define PARTITIONS_MAX 2000 /* of all topics: asked for in a few bytes */

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)16 << 20) + 1024 * n;
}

/* As large as they may be in a fuzzer that tries thousands a second. */
static bool is_small(const struct world *w)
{
	return w->cluster->partitions_n < PARTITIONS_MAX;
}

static bool next(struct world *w, struct reader *r, struct world *twin)
{
	uint8_t kind = read_u8(r);
	uint16_t n = (uint16_t)read_i16(r);
	struct bytes body;
	enum quorum_target target =
		kind & COORD ? QUORUM_TO_COORD : QUORUM_TO_CLUSTER;

	if (r->bad || !is_small(w))
		return false;
	body = fuzz_take(r, n);
	if (world_apply(w, target, kind & ~COORD, body) && twin)
		must(world_apply(twin, target, kind & ~COORD, body));
	return true;
}

static void look(const struct world *w)
{
	struct buf text = { 0 };

	cluster_dump(w->cluster, &text);
	coord_dump(w->coord, &text);
	buf_fini(&text);
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	uint8_t flags = read_u8(&r);
	int before = read_u8(&r);
	struct world w, twin;

	world_init(&w, flags & 1);
	while (before-- && next(&w, &r, NULL))
		;
	must(world_copy(&twin, &w));
	must(world_same(&w, &twin));
	while (next(&w, &r, &twin))
		;
	must(world_same(&w, &twin));
	look(&w);
	world_fini(&w);
	world_fini(&twin);
}
