/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cast: what the actors have in common: their clock, the topics as the
 * administrator made them, values that have not been sent before.
 */
#ifndef SIM_CAST_H
#define SIM_CAST_H

#include "actor.h"

#define TOPICS_MAX 24
#define PARTITIONS_MAX 16
#define DAY_MS INT64_C(86400000)

struct caller;
struct producer;
struct consumer;
struct joiner;
struct admin;
struct finale;
struct clerk;

struct actor_topic { /* as the administrator knows it */
	char name[24];
	int number; /* in the history */
	int partitions;
	bool there;   /* created for certain, and not being deleted */
	bool deleted; /* deleted, or being deleted */
	/* There were others of this name, or will be. A request by name may
	 * meet any of them, so only those go there who say the id. */
	bool again;
	struct uuid id; /* of one that is again; zero: not known yet */
	bool memory, retention;
	int64_t deleted_ms;
	bool offline[PARTITIONS_MAX]; /* rightly, in the end */
	int keys[PARTITIONS_MAX]; /* in the history */
	/* highest offset given to DeleteRecords */
	int64_t cut[PARTITIONS_MAX];
	/* one more than the highest offset that was acknowledged */
	int64_t end[PARTITIONS_MAX];
};

struct actors {
	struct world *w;
	struct history *h;
	struct actors_config c;
	struct prng prng; /* of what they are, not of what they do */
	struct wheel *wheel;
	int64_t tick_ms; /* when the world calls, INT64_MAX: not asked to */
	int64_t pending; /* calls asked for */
	bool started, stopping;

	struct actor_topic topics[TOPICS_MAX];
	int topics_n;

	uint64_t next_value;
	int64_t next_identity; /* of producers in the history */
	int next_end, ends;
	bool damage[WORLD_NODES_MAX + 1];

	struct producer **producers;
	int producers_n;
	struct consumer **consumers;
	int consumers_n;
	struct joiner **members;
	int members_n;
	struct admin *admin;
	struct clerk *clerk; /* or NULL */
	struct finale *finale;
	struct actors_counts n;
	char waiting[96];
};

int64_t cast_now_ms(const struct actors *a);
int64_t cast_wall_ms(const struct actors *a); /* for records */
void cast_arm(struct actors *a, struct timer *t, int64_t in_ms);
int64_t cast_below(struct actors *a, int64_t limit);
bool cast_chance(struct actors *a, int percent);
int64_t cast_backoff(struct actors *a); /* 20 to 200 ms */
void cast_count_error(struct actors *a, int16_t code);
/* The code is one that a client may see, else it is a violation. */
bool cast_may(struct actors *a, const char *where, int16_t code);
/* It is there, and who knows its name may use it. */
bool cast_is_open(const struct actor_topic *t);
/* One that is open, or with by_id also one that is again; -1: none. */
int cast_some_topic(struct actors *a, bool by_id);
/* The last of that name; -1: none. */
int cast_topic_find(const struct actors *a, struct str name);
/* Under a name of its own, or under the one that is used again and again. */
struct actor_topic *cast_topic_add(struct actors *a, int partitions,
				   bool again);
int cast_process(int actor, int key); /* of the history */

/*
 * A value as the bytes of a record: its number in 20 digits and the length of
 * all in 5, then bytes that follow from the number.
 */
#define VALUE_MIN 27
struct bytes cast_value(struct buf *b, uint64_t value, int size);
bool cast_value_read(struct bytes b, uint64_t *value) must_use;

#endif
