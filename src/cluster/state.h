/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what the files of this floor share. struct change is one command
 * under way: every file changes the cluster through it and notes there what
 * others must react to.
 *
 * 1. A handler of a command decides from the state and the command alone.
 * 2. When dry is set nothing of the state changes; only the answer counts.
 */
#ifndef CLUSTER_STATE_H
#define CLUSTER_STATE_H

#include <raftmq/cluster.h>

struct change {
	struct cluster *c;
	int64_t index, wall_ms;
	struct prng prng; /* from the seed of the command */
	struct arena *arena;
	struct cluster_effects *out;
	int32_t changes_cap;
	bool dry;
};

struct verdict { /* on one item of a command */
	int16_t error;   /* enum kerr */
	const char *why; /* or NULL; static or in the arena */
};
#define FINE ((struct verdict){ K_NONE, NULL })

/* ---- cluster.c ----------------------------------------------------------- */

struct broker_info *broker_of(struct cluster *c, int32_t id);
/* The broker, if that is the epoch of its registration; else NULL. */
struct broker_info *broker_of_epoch(struct cluster *c, int32_t id,
				    int64_t epoch);
struct topic *topic_of(struct cluster *c, struct str name);
struct topic *topic_of_id(struct cluster *c, struct uuid id);

void broker_free_info(struct broker_info *b);
/* An empty topic of that many partitions, not in the cluster yet. */
struct topic *topic_new(struct str name, struct uuid id, int32_t partitions_n);
void topic_free(struct topic *t);
void topic_insert(struct cluster *c, struct topic *t); /* owns it from now */
void topic_remove(struct cluster *c, struct topic *t); /* and frees it */
/* More partitions at the end, all empty; pointers into the old go stale. */
void topic_grow(struct cluster *c, struct topic *t, int32_t partitions_n);
/* The topic whose name is the same but for '.' and '_' (metrics), or NULL. */
struct topic *topic_collision(struct cluster *c, struct str name);

void int32s_set(struct int32s *l, const int32_t *v, int32_t n); /* copies */
void int32s_fini(struct int32s *l);
bool int32s_eq(const struct int32s *a, const struct int32s *b);

void settings_put(struct map *m, struct str name, struct str value);
void settings_drop(struct map *m, struct str name);
void settings_fini(struct map *m);
/* The map of a broker or group; made when it is missing. */
struct map *settings_of_broker(struct cluster *c, int32_t id);
struct map *settings_of_group(struct cluster *c, struct str group);
/* Maps that became empty go. */
void settings_tidy_broker(struct cluster *c, int32_t id);
void settings_tidy_group(struct cluster *c, struct str group);

/* ---- command.c: what a handler notes ------------------------------------- */

struct cluster_change *change_note(struct change *x,
				   enum cluster_change_kind kind);
void change_note_partition(struct change *x, const struct partition *p);
void change_note_topic(struct change *x, enum cluster_change_kind kind,
		       const struct topic *t);
void change_note_broker(struct change *x, int32_t id);
/* A response struct in the arena, preset; becomes the result. */
void *change_answer(struct change *x, const struct wire_type *type);

/* ---- the handlers -------------------------------------------------------- */

void apply_bootstrap(struct change *x, const void *command);
void apply_register_broker(struct change *x, const void *command);
void apply_set_broker_state(struct change *x, const void *command);
void apply_unregister_broker(struct change *x, const void *command);
void apply_create_topics(struct change *x, const void *command);
void apply_delete_topics(struct change *x, const void *command);
void apply_create_partitions(struct change *x, const void *command);
void apply_alter_settings(struct change *x, const void *command);
void apply_alter_isr(struct change *x, const void *command);
void apply_elect_leaders(struct change *x, const void *command);
void apply_set_level(struct change *x, const void *command);
void apply_lose_replicas(struct change *x, const void *command);

/* ---- elect.c: who leads, who is in sync ---------------------------------- */

struct topic_rules { /* a topic's settings that elections go by */
	int64_t min_isr; /* -1: as fits the replicas */
	bool unclean;
	bool durable; /* acknowledged means on disk */
};
struct topic_rules topic_rules(const struct cluster *c, const struct topic *t);
int32_t rules_min_isr(const struct topic_rules *r, int32_t replicas_n);

enum election {
	ELECT_ONLINE,    /* keep the leader if it may lead */
	ELECT_PREFERRED, /* the first replica if it may lead */
	ELECT_UNCLEAN,   /* any replica rather than none */
};
struct isr_change {
	const int32_t *isr; /* as it shall be, a subset of the replicas */
	int32_t isr_n;
	enum election how;
	int32_t lost;      /* a replica that lost its data, or -1 */
	bool lost_for_ever; /* it must not be remembered as the last leader */
};
/* The partition as it is, but for one member of the ISR (-1: all stay). */
bool partition_without(struct change *x, struct partition *p,
		       const struct topic_rules *rules, int32_t broker,
		       const struct isr_change *how);
/*
 * Brings ISR, ELR, leader and epochs to what the change implies, and notes it.
 * Returns whether anything changed.
 */
bool partition_settle(struct change *x, struct partition *p,
		      const struct topic_rules *rules,
		      const struct isr_change *change);
/* What AlterPartition is answered about it (isr.c). */
struct alter_partition_response_partition;
void partition_describe(struct change *x, const struct partition *p,
			struct alter_partition_response_partition *out);
enum loss { /* what a broker lost since it was last in sync */
	LOST_NOTHING,
	LOST_CACHE, /* it stopped uncleanly: what was not on disk (KIP-966) */
	LOST_TRACK, /* of what it had: perhaps nothing, perhaps the end */
	LOST_ALL,   /* it has another data directory */
};
/* Removes a broker from all ISRs; its leaderships move. What it lost, it is
 * not eligible for any more. */
void elect_without(struct change *x, int32_t broker, enum loss loss);
/* The broker stops: as far as others can take over (KIP-500's draining). */
void elect_drain(struct change *x, int32_t broker);
/* Is any other of them there to lead? */
bool elect_has_other(const struct change *x, const struct int32s *of,
		     int32_t broker);
/* Leaderless partitions: now somebody may be able to lead. topic NULL: all */
void elect_leaderless(struct change *x, struct topic *topic);
/* min.insync.replicas changed: ELRs that are not valid any more go. */
void elect_again(struct change *x, struct topic *topic);

/* ---- place.c: where new replicas go -------------------------------------- */

struct placer;
struct placer *placer_new(struct change *x);
void placer_begin_topic(struct placer *p, const struct topic *t /* or NULL */);
/* Why so many replicas cannot be placed, or NULL. */
const char *placer_fault(struct placer *p, int32_t replicas_n);
void placer_place(struct placer *p, int32_t replicas_n, int32_t *out);
/* The same bookkeeping for an assignment that was given. */
void placer_count(struct placer *p, const int32_t *replicas, int32_t n);

#endif
