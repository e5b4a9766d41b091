/* SPDX-License-Identifier: Apache-2.0 */
/* random_message: any message of any schema, filled from a seed. */
#ifndef TEST_RANDOM_MESSAGE_H
#define TEST_RANDOM_MESSAGE_H

#include <raftmq/wire.h>

/* Presets, then fills the fields of the version; all memory in the arena. */
void random_message(const struct wire_type *t, int16_t version, void *object,
		    struct arena *a, struct prng *p);

#endif
