/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed_read: what one partition has for one reader, now.
 */
#ifndef BROKER_FEED_READ_H
#define BROKER_FEED_READ_H

#include "feed.h"

enum feed_found {
	FEED_NOTHING, /* it knows everything: wake it when something moves */
	FEED_LATER,   /* there is data, but no room for it in this answer */
	FEED_NEWS,    /* the marks moved; goes along with others' data */
	FEED_DATA,
	FEED_URGENT,  /* an error, a divergence, another replica to read from */
};

enum feed_found feed_read(struct broker *b, struct feed_part *p,
			  struct feed_slot *s, struct feed_result *r);
/* The marks alone. */
void feed_describe(struct broker *b, struct feed_slot *s,
		   struct feed_result *r);

#endif
