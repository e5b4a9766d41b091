/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: the only place that reads a clock or draws entropy.
 *
 * 1. clock_now_ms counts the time a machine was suspended (CLOCK_BOOTTIME): a
 *    lease must not survive a laptop's lid.
 * 2. It never goes backwards and has no relation to uv_now.
 */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include <raftmq/base.h>

int64_t clock_now_ms(void);
int64_t clock_wall_ms(void);
uint64_t clock_entropy(void); /* 64 random bits of the kernel */
struct uuid clock_uuid(void); /* version 4 */
/* "2026-01-31T23:59:59.123Z" of the wall clock */
#define CLOCK_TEXT_MAX 32
void clock_text(char out[CLOCK_TEXT_MAX]);

#endif
