/* SPDX-License-Identifier: Apache-2.0 */
/* chance: commands drawn from a seed, mostly sensible, some not. */
#ifndef TEST_CLUSTER_CHANCE_H
#define TEST_CLUSTER_CHANCE_H

#include "stage.h"

/* A cluster of five brokers that has just been bootstrapped. */
struct stage chance_stage(uint64_t seed);
/* Encodes the next command; bytes in the stage's arena. */
struct bytes chance_command(struct stage *s, struct prng *p);
/* A replica of some partition is lost; not among the above, of which the golden
 * log is made. */
struct bytes chance_loss(struct stage *s, struct prng *p);

#endif
