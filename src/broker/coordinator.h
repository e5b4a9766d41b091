/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coordinator: what thread 0 of the quorum leader adds to coord (which is the
 * agreed state): is it us, are we ready, who waits for what.
 */
#ifndef BROKER_COORDINATOR_H
#define BROKER_COORDINATOR_H

#include "inside.h"
#include "propose.h"

struct coordinator {
	struct broker *broker;
	struct sessions *sessions;
	struct map parked; /* group id -> struct list * of struct parked */
	int32_t parked_n;
	bool active;      /* leader, and has applied all before its term */
	uint64_t serial;  /* grows with every change of role */
	int64_t next_id, end_id; /* producer ids left to hand out here */
	struct list id_waiters;  /* requests that wait for a block of ids */
	bool asking_ids;
};

struct coordinator *coordinator_new(struct broker *b);
void coordinator_free(struct coordinator *c);
/* The broker ends, and what waits here is answered by nobody. */
void coordinator_close(struct broker *b);
/* From broker_role_changed, broker_applied (coord) and broker_restored. */
void coordinator_role(struct broker *b, bool leader);
void coordinator_applied(struct broker *b, const struct coord_effects *e);
void coordinator_restored(struct broker *b);

/* May groups be served here now: K_NONE, K_NOT_COORDINATOR,
 * K_COORDINATOR_LOAD_IN_PROGRESS. */
enum kerr coordinator_here(const struct broker *b);
/* The same for requests that want a group's name: or K_INVALID_GROUP_ID. The
 * empty name is good for offsets alone, as old consumers have it (KIP-289). */
enum kerr coordinator_check(const struct broker *b, struct str group);

/*
 * A request that waits until its group looks different. settle is called after
 * every change of the group; it answers and returns true, or false to go on
 * waiting. When this node stops being the coordinator, fail answers.
 */
struct parked {
	struct list link;
	struct request *rq;
	struct str group, member; /* in rq's arena */
	bool (*settle)(struct broker *b, struct parked *p);
	void (*fail)(struct broker *b, struct parked *p, enum kerr error);
};
void coordinator_park(struct broker *b, struct parked *p);

/* A read of the agreed state that must not be stale: then, with ok. */
void coordinator_read(struct broker *b, struct request *rq,
		      void (*then)(struct broker *b, struct request *rq,
				   bool ok));

#endif
