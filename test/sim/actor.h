/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actor: the clients of the simulated cluster. Producers, consumers under
 * assign, members of groups, administrators, and in the end the readers that
 * read everything; they speak the real protocol through world_dial and write
 * down in a history all that they did and were told (history.h).
 *
 *	struct actors_config c = actors_config_random(seed);
 *	struct actors *a = actors_new(w, h, &c);
 *	actors_start(a);
 *	world_run(w, ...);                      faults
 *	actors_stop(a); world_heal(w);
 *	world_run_until(w, ..., actors_settled, a);
 *	actors_read_all(a);
 *	world_run_until(w, ..., actors_read, a);
 *	actors_free(a);                         not before the world has ended
 *
 * 1. All that they do follows from their configuration, the random numbers of
 *    the world, and what they are told.
 * 2. They behave as real clients do: versions of each API differ from client
 *    to client, requests time out, metadata is as old as it happens to be.
 * 3. An answer that no client may ever get (an unknown error, a bad CRC,
 *    offsets that do not follow) is a violation at once; all else is for the
 *    verdict on the history.
 *
 * One administrator creates the topics before anybody else begins. The world
 * must not create topics by itself (auto.create.topics.enable=false).
 */
#ifndef SIM_ACTOR_H
#define SIM_ACTOR_H

#include "history.h"
#include "world.h"

struct actors_config {
	uint64_t seed; /* of values and versions */
	int producers; /* idempotent */
	int plain;     /* producers that are not, with acks=all, 1 and 0 */
	int consumers; /* under assign */
	int groups, members; /* members of each group */
	int topics, partitions; /* at first; replicas as many as nodes, to 3 */
	int rate;      /* batches a second of each producer */
	int records;   /* at most in a batch */
	int admin;     /* deeds of the administrator a minute */
	bool clerk;    /* somebody asks what operators ask */
	bool again;    /* it makes topics of one name again and again */
	bool memory;   /* some topics have durability=memory */
	bool retention; /* some topics have retention.messages */
	bool codecs;   /* some producers compress */
	bool wrap;     /* sequence numbers begin near their end */
	bool follower_reads; /* some consumers name the rack of a follower */
	bool old;      /* some clients speak the oldest versions */
	int min_insync; /* of topics; 0: the default */
	bool calm;     /* nothing goes wrong: who waits in vain is wrong */
};
struct actors_config actors_config_random(uint64_t seed);
/* Ends of the network that they need (world_config.clients). */
int actors_ends(const struct actors_config *c);

struct actors;
struct actors *actors_new(struct world *w, struct history *h,
			  const struct actors_config *c);
void actors_free(struct actors *a);

void actors_start(struct actors *a);
/* Nothing new; what is outstanding is finished. */
void actors_stop(struct actors *a);
/* Nothing is outstanding: sends are told their end, groups are stable. Of a
 * struct actors, for world_run_until; before actors_stop: topics are there. */
bool actors_settled(void *actors);
/* What is not settled, in words; "" if nothing. */
const char *actors_waiting(struct actors *a);

/* Nobody can lead it any more, and that is right: it is not read. */
void actors_offline(struct actors *a, const char *topic, int partition);
/* The final read: each partition of each topic, from its start to its end. */
void actors_read_all(struct actors *a);
bool actors_read(void *actors);

/* From now on the disk of this node may return wrong bytes: a batch with a
 * bad CRC from there is counted and fetched again. */
void actors_allow_damage(struct actors *a, int node);

struct actors_counts {
	int64_t requests, answers, timeouts, broken, connections;
	int64_t sends, acks, fails, infos, retries, resets; /* records */
	int64_t polls, records, seeks, out_of_range, diverged, validated;
	int64_t follower_reads, sessions, damaged;
	int64_t commits, commits_ok, joins, generations, crashes, leaves;
	int64_t recalls; /* of an offset that the clerk has committed */
	int64_t created, deleted, extended, altered, cuts, elections;
	int64_t final_records, final_partitions;
	int64_t errors[256]; /* by code; 255 is -1 */
};
const struct actors_counts *actors_counts(const struct actors *a);
void actors_print(const struct actors *a, struct buf *out);

#endif
