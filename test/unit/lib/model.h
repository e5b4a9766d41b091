/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model: legal histories from a seed. A few partitions, each a list of values
 * with a high watermark, and clients whose operations begin, take effect and
 * end at different times. It does all that Kafka may do to a client: retries
 * that stand twice, sends of which the outcome is not known, leaders that
 * change and forget what was not committed, high watermarks that lag behind,
 * offsets without records, rebalances, and the losses that a history excuses.
 */
#ifndef TEST_UNIT_MODEL_H
#define TEST_UNIT_MODEL_H

#include "history.h"

/* The partitions, by their numbers in the history. */
enum {
	MODEL_PLAIN,     /* on disk, nothing ever goes */
	MODEL_STARTS,    /* DeleteRecords */
	MODEL_RETENTION, /* its start moves by itself */
	MODEL_MEMORY,    /* power cuts */
	MODEL_DELETED,   /* its topic is deleted and made anew */
	MODEL_KEYS,
};

/* Processes. */
enum {
	MODEL_PRODUCER, /* not idempotent, retries */
	MODEL_IDEMPOTENT,
	MODEL_CARELESS, /* acks 0 and 1 */
	MODEL_PRODUCERS,
	MODEL_READER = MODEL_PRODUCERS, /* two, assigned */
	MODEL_MEMBER = MODEL_READER + 2, /* two, of one group */
	MODEL_ADMIN = MODEL_MEMBER + 2,
	MODEL_SCANNER, /* two, final */
	MODEL_STRANGER = MODEL_SCANNER + 2, /* free for tests */
};

/* Appends a history of about so many operations to an empty one. */
void model_run(struct history *h, uint64_t seed, int steps);

#endif
