/* SPDX-License-Identifier: Apache-2.0 */
/* batch: where the fields of a batch header lie; inside wire only. */
#ifndef WIRE_BATCH_H
#define WIRE_BATCH_H

#include <raftmq/wire.h>

#define BATCH_LEADER_EPOCH_AT 12
#define BATCH_CRC_AT 17
#define BATCH_ATTRIBUTES_AT 21
#define BATCH_LAST_DELTA_AT 23
#define BATCH_BASE_TIMESTAMP_AT 27
#define BATCH_MAX_TIMESTAMP_AT 35
#define BATCH_PRODUCER_ID_AT 43
#define BATCH_PRODUCER_EPOCH_AT 51
#define BATCH_SEQUENCE_AT 53
#define BATCH_COUNT_AT 57

/* Writes the checksum of a batch of this size. */
void batch_seal(uint8_t *p, int32_t size);

#endif
