/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer: a client that produces, with or without idempotence (KIP-98).
 *
 * A batch is a parcel. It waits in the lane of its partition, in order, goes
 * out in a cart (a request) with parcels of other lanes, and is delivered,
 * or comes back into its lane and is sent again, byte for byte.
 *
 * 1. At most five parcels of a lane are on their way.
 * 2. Operations begin in the history when a parcel goes out for the first
 *    time: what never left needs no outcome.
 * 3. A parcel that had a sequence number and was given up, or that the
 *    broker calls out of order although nothing before it is missing, ends the
 *    identity: nothing is sent any more until all carts are back, what is not
 *    acknowledged by then is given up (info), and a new identity begins.
 */
#ifndef SIM_PRODUCER_H
#define SIM_PRODUCER_H

#include "caller.h"

#define FLYING_MAX 5

struct lane {
	int topic, partition, key;
	struct list waiting; /* parcels by order */
	int flying;
	int64_t next_order;  /* of the next record under this identity */
	int32_t next_seq;
	int64_t acked_order; /* orders below it are acknowledged */
	int64_t not_before_ms;
};

struct parcel {
	struct list link; /* in its lane or in its cart */
	struct lane *lane;
	struct buf bytes; /* the batch */
	uint64_t value;   /* of the first record */
	int records;
	uint32_t op;      /* of the first record */
	int64_t order;    /* of its first record; -1: has never left */
	int32_t sequence;
	int64_t deadline_ms;
	bool maybe;       /* an attempt may have been written */
};

enum identity {
	IDENTITY_NONE,  /* needs one */
	IDENTITY_ASKED,
	IDENTITY_HELD,
	IDENTITY_LEFT, /* waits for carts to come back */
};

struct producer {
	struct caller caller;
	struct actors *a;
	int process;
	bool idempotent, retries, bumps;
	int16_t acks;
	enum codec codec;
	int size_max;     /* of a value */
	int32_t first_seq;
	int64_t delivery_ms;
	int64_t request_ms; /* Produce's own timeout */

	enum identity identity;
	int64_t id; /* producer id */
	int16_t epoch;
	int64_t number; /* in the history */
	int64_t ask_not_before_ms;

	struct lane **lanes;
	int lanes_n;
	int carts;   /* on their way */
	int parcels; /* that have no end yet */
	struct timer make, pump;
	struct batch_builder builder;
	struct buf value;
};

struct producer *producer_new(struct actors *a, int i, bool idempotent);
void producer_free(struct producer *p);
void producer_start(struct producer *p);
bool producer_is_settled(const struct producer *p);

/* producer_cart.c */
void producer_pump(struct producer *p); /* sends what may go */

/* producer_end.c: how parcels end, and identities */
void parcel_free(struct producer *p, struct parcel *x);
void parcel_end(struct producer *p, struct parcel *x, enum history_outcome o,
		int64_t base_offset);
void parcel_again(struct producer *p, struct parcel *x);
void producer_leave(struct producer *p);
void producer_identify(struct producer *p);

#endif
