/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: a cluster made from a few lines of text, commands applied to it, and
 * the outcome as text of the same form.
 *
 *	brokers 1 2 3f 4s 5@rack     active, fenced, stopping, with a rack;
 *	                             epochs are 1, 2, .. in this order
 *	set NAME=VALUE               for the whole cluster
 *	topic t NAME=VALUE ..        what follows belongs to it
 *	0 leader=1 epoch=0 version=0 replicas=1,2 isr=1,2 elr=- last=-
 *
 * The arena of a stage lives as long as the stage.
 */
#ifndef TEST_CLUSTER_STAGE_H
#define TEST_CLUSTER_STAGE_H

#include <raftmq/cluster.h>
#include "unit.h"

struct stage {
	struct cluster *c;
	struct arena arena;
	struct cluster_effects fx; /* of the last command */
	uint64_t seed;
};

struct stage stage_of(const char *text);
void stage_fini(struct stage *s);
/* Applies it at the next index. The effects stay until the next. */
void stage_apply(struct stage *s, const struct wire_type *type,
		 const void *command);
/* All topics as above, in the arena. */
const char *stage_topics(struct stage *s);
/* "1 active 2 fenced ..", in the arena. */
const char *stage_brokers(struct stage *s);
/* "t/0 t/1 broker 3 ..": what the last command changed. */
const char *stage_changes(struct stage *s);

void stage_fence(struct stage *s, int32_t broker);
void stage_unfence(struct stage *s, int32_t broker);
void stage_stop(struct stage *s, int32_t broker);
/* Another process registers as that broker. clean: it stopped cleanly. */
void stage_restart(struct stage *s, int32_t broker, bool clean, bool same_disk);
/* The same after it lost its checkpoint. */
void stage_restart_blind(struct stage *s, int32_t broker);
/* 0 or the error of the first topic; why in *why if not NULL. */
int16_t stage_create(struct stage *s, const char *name, int32_t partitions,
		     int16_t replicas, const char **why);
/* ISR as "1,2"; the leader asks, with epochs that are right. */
int16_t stage_isr(struct stage *s, const char *topic, int32_t partition,
		  const char *isr);
int32_t ids_parse(const char *text, int32_t out[16]); /* "1,2" or "-" */

#define ck_topics(s, expected) ck_assert_str_eq(stage_topics(s), expected)

#endif
