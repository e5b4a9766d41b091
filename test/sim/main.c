/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include "world.h"

int main(int argc, char **argv)
{
	struct world_config c = { .seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1,
		.nodes = 3, .shards = 2, .clients = 4,
		.loud = getenv("LOUD") != NULL };
	struct world *w = world_new(&c);
	int64_t secs = argc > 2 ? atoi(argv[2]) : 10;
	for (int i = 1; i <= 3; i++)
		world_start(w, i);
	world_run(w, 5000000);
	if (argc > 3) {
		world_end(w, world_quorum_leader(w), DEATH_STOP);
		world_run(w, 8000000);
		for (int i = 1; i <= 3; i++)
			world_start(w, i);
	}
	world_run(w, secs * 1000000);
	struct world_counts k = world_counts(w);
	printf("hash %016" PRIx64 " events %" PRId64 " frames %" PRId64 " requests %" PRId64 " applied %" PRId64 " leader %d ready %d%d%d verdict %s\n",
	       world_hash(w), k.events, k.frames, k.requests, k.applied, world_quorum_leader(w),
	       world_is_ready(w, 1), world_is_ready(w, 2), world_is_ready(w, 3), world_verdict(w) ? world_verdict(w) : "ok");
	world_free(w);
	return 0;
}
