/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer: a client that was told its partitions (assign). It follows them,
 * now and then from another place, and dies sometimes.
 */
#ifndef SIM_CONSUMER_H
#define SIM_CONSUMER_H

#include "intake.h"

struct consumer {
	struct caller caller;
	struct intake in;
	struct actors *a;
	bool dead;
	int share;  /* per cent of all partitions that it reads */
	struct timer deed;
};

struct consumer *consumer_new(struct actors *a, int i);
void consumer_free(struct consumer *c);
void consumer_start(struct consumer *c);
void consumer_stop(struct consumer *c);
bool consumer_is_settled(const struct consumer *c);

/* finale: the final read. */
struct finale;
struct finale *finale_new(struct actors *a);
void finale_free(struct finale *f);
bool finale_is_done(const struct finale *f);
/* The first partition that is not at its end, in words; NULL: none. */
const char *finale_waits(const struct finale *f, char *out, size_t n);

#endif
