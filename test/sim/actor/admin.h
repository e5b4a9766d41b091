/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: the one administrator. It makes the topics at first, then now and
 * then creates, deletes and extends some, alters their settings, deletes
 * records, and has leaders elected; and deletes and makes again topics of one
 * name.
 *
 * 1. One deed at a time, asked again until its end is known: nobody else
 *    changes topics, so what it finds done it has done itself.
 */
#ifndef SIM_ADMIN_H
#define SIM_ADMIN_H

#include "caller.h"

enum deed {
	DEED_NONE,
	DEED_CREATE,
	DEED_DELETE,
	DEED_EXTEND,
	DEED_ALTER,
	DEED_CUT,
	DEED_ELECT,
};

struct admin {
	struct caller caller;
	struct actors *a;
	enum deed deed;
	int topic, partition;
	int tries;
	int64_t number; /* what DEED_CUT and DEED_EXTEND go to */
	uint32_t op;    /* in the history, or HISTORY_NONE */
	const char *name; /* of a setting */
	char value[24];
	bool remakes;   /* what it has just deleted */
	struct timer next;
};

struct admin *admin_new(struct actors *a);
void admin_free(struct admin *d);
void admin_start(struct admin *d);
bool admin_is_settled(const struct admin *d);

/* admin_ask.c */
void admin_ask(struct admin *d);
void admin_told(struct admin *d, int16_t code, bool lost);

#endif
