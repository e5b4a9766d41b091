/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller: what all clients share. A connection to each node, requests and
 * their answers, time-outs, versions, and what it believes of the topics.
 *
 * 1. Each request comes back exactly once, later than caller_ask returns,
 *    unless the caller is crashed meanwhile.
 * 2. A time-out closes the connection, as the clients of Kafka do: all that
 *    waits on it is lost too.
 * 3. It never goes back to an older leader epoch of a partition.
 */
#ifndef SIM_CALLER_H
#define SIM_CALLER_H

#include "cast.h"

#define CALLER_KEYS 76

enum api_key {
	API_PRODUCE = 0,
	API_FETCH = 1,
	API_LIST_OFFSETS = 2,
	API_METADATA = 3,
	API_OFFSET_COMMIT = 8,
	API_OFFSET_FETCH = 9,
	API_FIND_COORDINATOR = 10,
	API_JOIN_GROUP = 11,
	API_HEARTBEAT = 12,
	API_LEAVE_GROUP = 13,
	API_SYNC_GROUP = 14,
	API_DESCRIBE_GROUPS = 15,
	API_LIST_GROUPS = 16,
	API_API_VERSIONS = 18,
	API_CREATE_TOPICS = 19,
	API_DELETE_TOPICS = 20,
	API_DELETE_RECORDS = 21,
	API_INIT_PRODUCER_ID = 22,
	API_OFFSET_FOR_LEADER_EPOCH = 23,
	API_DESCRIBE_CONFIGS = 32,
	API_DESCRIBE_LOG_DIRS = 35,
	API_CREATE_PARTITIONS = 37,
	API_DELETE_GROUPS = 42,
	API_ELECT_LEADERS = 43,
	API_INCREMENTAL_ALTER_CONFIGS = 44,
	API_OFFSET_DELETE = 47,
	API_DESCRIBE_QUORUM = 55,
	API_DESCRIBE_CLUSTER = 60,
	API_DESCRIBE_PRODUCERS = 61,
	API_DESCRIBE_TOPIC_PARTITIONS = 75,
};

struct caller;

struct answer {
	int node;
	int16_t key, version;
	const void *body; /* NULL: lost, or timed out; a loan for the call */
};
typedef void (*caller_then)(void *ctx, const struct answer *a);

struct caller_ask {
	int node;
	int16_t key;
	const void *body;
	bool silent;        /* no answer comes (acks=0): not called back */
	int64_t timeout_ms; /* 0: the caller's own */
	caller_then then;
	void *ctx;
	void (*drop)(void *ctx); /* instead, when the caller crashes */
};

struct caller_line {
	struct caller *caller;
	int node;
	struct conn *conn;
	struct list calls; /* in the order in which they were sent */
	int32_t correlation;
};

struct place {
	int32_t leader, epoch; /* -1: not known */
};
struct sight { /* of a topic */
	struct uuid id;
	bool known;
	int32_t places_n;
	struct place *places;
};

struct caller {
	struct actors *a;
	int end;        /* number of the client in the world */
	char name[16];  /* client id */
	int16_t version[CALLER_KEYS];
	int64_t timeout_ms;
	struct caller_line lines[WORLD_NODES_MAX + 1];
	struct buf out;
	struct arena arena;

	struct sight *sights; /* by number of the topic */
	int sights_n;
	bool doubting; /* wants new metadata */
	bool looking;  /* has asked for it */
	int64_t looked_ms;
	struct timer look;
	int64_t look_every_ms;
};

void caller_init(struct caller *c, struct actors *a, const char *role, int i);
void caller_fini(struct caller *c);
/* Connections go, answers are not wanted any more, beliefs are forgotten. */
void caller_crash(struct caller *c);
void caller_quiet(struct caller *c); /* asks for metadata no more by itself */

void caller_ask(struct caller *c, const struct caller_ask *q);
bool caller_is_idle(const struct caller *c);
int caller_any(struct caller *c); /* some node */

/* caller_version.c */
void caller_pick_versions(struct caller *c);
void caller_use_ids(struct caller *c); /* says topics by their ids */

/* caller_map.c */
void caller_map_init(struct caller *c);
void caller_map_fini(struct caller *c);
void caller_watch(struct caller *c); /* begins to look every few seconds */
void caller_doubt(struct caller *c); /* what it believes led to an error */
/* NULL: not known, and asked for. */
const struct place *caller_place(struct caller *c, int topic, int partition);
int caller_partitions(const struct caller *c, int topic); /* 0: not known */
bool caller_topic_id(const struct caller *c, int topic, struct uuid *out);
int caller_topic_of(const struct caller *c, struct uuid id); /* -1 */
/* A newer leader stood in an answer. */
void caller_hint(struct caller *c, int topic, int partition, struct place p);

#endif
