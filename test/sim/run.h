/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: one whole run from one seed: a cluster, its clients, faults, healing,
 * and the judgement.
 *
 *	begin    all nodes start, topics are made, clients begin
 *	safety   faults, for some seconds or minutes
 *	heal     everything is mended: from here on all must come to an end
 *	settle   producers are told, groups are stable, replicas in sync
 *	read     everything is read from the start, and judged
 *
 * Whatever differs between runs follows from the seed alone.
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "faults.h"

struct run_config {
	uint64_t seed;
	uint32_t kinds; /* of faults that may be drawn; 0: a calm run */
	int64_t us;     /* length of the safety phase; 0: by the seed */
	int nodes;      /* 0: by the seed */
	bool loud;
	const char *history; /* a file for it, or NULL */
};
struct run_result {
	uint64_t seed, hash;
	bool failed;
	char why[600];  /* the first line tells what kind of failure it is */
	char what[300]; /* the configuration, in words */
	int64_t sim_us;
	struct world_counts world;
	int64_t faults[FAULT_KINDS];
	int64_t sends, acks, records; /* of clients; records finally read */
};
void run_seed(const struct run_config *c, struct run_result *r);

#endif
