/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults: what goes wrong in a run, drawn from its seed. Each run has a mood:
 * a few kinds of faults, how often they come and how long they last, so that
 * runs differ in more than timing.
 *
 * 1. Of every committed batch one good copy is left: bytes that were synced
 *    are lost or damaged on one node at most, the same all through a run.
 * 2. What is down comes up again, sooner or later; heal() ends everything.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "world.h"

enum fault_kind {
	FAULT_KILL,      /* kill -9 of one */
	FAULT_KILL_ALL,
	FAULT_POWER,     /* power cut of one */
	FAULT_POWER_ALL,
	FAULT_STOP,      /* SIGTERM of one */
	FAULT_DOOM_EXIT, /* dies at an exit of its outbox */
	FAULT_DOOM_DISK, /* dies in the middle of its disk */
	FAULT_PAUSE,     /* SIGSTOP, SIGCONT */
	FAULT_STALL,     /* one thread gets no time */
	FAULT_RESET,     /* connections of two ends break */
	FAULT_ISOLATE,   /* one node from the others, or also from clients */
	FAULT_ONE_WAY,   /* one direction of one pair */
	FAULT_RING,      /* each sees a majority, no two the same */
	FAULT_FLAP,      /* a way that opens and closes */
	FAULT_NET,       /* delay, loss, duplicates, reordering */
	FAULT_SLOW_DISK,
	FAULT_COLD,      /* reads would block */
	FAULT_READ,      /* -EIO now and then */
	FAULT_LIE,       /* reads with flipped or strayed bytes */
	FAULT_WRITE,     /* a write or a sync fails */
	FAULT_DEAD_DISK, /* every call fails, until it is mended */
	FAULT_SPACE,     /* full, and free again */
	FAULT_CLOCK,     /* steps of the wall clock */
	FAULT_ROT,       /* bits of files at rest, of the victim */
	FAULT_WIPE,      /* the victim's disk is empty */
	FAULT_KINDS,
};
const char *fault_name(enum fault_kind k);
int fault_find(const char *name); /* -1: none */

struct faults;
struct faults_config {
	uint64_t seed;
	uint32_t kinds;  /* bits that may be drawn; ~0u: all of them */
	bool calm;       /* none at all */
};
struct faults *faults_new(struct world *w, const struct faults_config *c);
/* May synced bytes of one node go? Then topics need min.insync.replicas=2. */
bool faults_lose_synced(const struct faults *f);
/* May a client be given bytes that are wrong? It sees it by the CRC. */
bool faults_damage_reads(const struct faults *f);
void faults_begin(struct faults *f);
void faults_end(struct faults *f); /* heals all and starts all that is down */
void faults_free(struct faults *f);
/* How often each kind was inflicted: FAULT_KINDS numbers. */
const int64_t *faults_counts(const struct faults *f);
/* "kill pause net", for a line of output */
void faults_print(const struct faults *f, struct buf *out);

#endif
