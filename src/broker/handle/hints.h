/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hints: who leads instead, told with the error (KIP-951), so that a client
 * need not ask for metadata first.
 */
#ifndef BROKER_HINTS_H
#define BROKER_HINTS_H

#include "inside.h"

/* The error of one partition: sets current_leader where it helps. */
void hint_produce(struct broker *b, struct partition_id id,
		  struct produce_response_partition *out);
bool hint_wanted(int16_t error);
/* The addresses of all leaders that were named. */
void hint_produce_nodes(struct broker *b, struct request *rq,
			struct produce_response *out);
void hint_fetch_nodes(struct broker *b, struct request *rq,
		      struct fetch_response *out);

#endif
