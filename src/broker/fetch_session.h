/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_session: what an incremental fetch need not repeat (KIP-227). Lives on
 * the shard where the session was begun; a reader that comes back elsewhere is
 * told that its session is unknown, and begins another.
 *
 *   full fetch --session_new--> IDLE --take--> BUSY --release--> IDLE
 *   IDLE or BUSY --session_end--> gone (when BUSY: after its fetch)
 */
#ifndef BROKER_FETCH_SESSION_H
#define BROKER_FETCH_SESSION_H

#include "feed.h"

struct fetch;

struct fetch_topic {
	struct uuid id;
	struct str name; /* null in sessions by id */
	struct map entries; /* of sessions: partition -> struct fetch_entry * */
	struct fetch_response_topic *out; /* while it is answered */
	int32_t out_n;
};
struct fetch_entry {
	struct fetch_topic *topic;
	int32_t partition;
	int thread;              /* of the shard */
	int16_t error;           /* why it is in unknown */
	struct feed_slot *slot;  /* the shard's; NULL while unknown */
	struct uuid id;          /* of the topic the slot was made for */
	struct list unknown;     /* topic or partition is not known (yet) */
	struct fetch_request_partition *want; /* while unknown */
};
struct fetch_session {
	struct list lru; /* shard->session_lru */
	int32_t id;
	int32_t epoch; /* the next fetch must have */
	int32_t peer;  /* broker id, -1 a client */
	bool by_id;    /* begun with version 13 or later */
	bool doomed;
	int64_t used_ms;
	struct map topics; /* 16 bytes of id, or name -> struct fetch_topic * */
	struct list unknown;
	int64_t entries_n;
	struct fetch *current; /* BUSY: it is being answered */
	struct request *next;  /* waits for that */
	int threads;
	struct feed **feeds;   /* by thread */
	int32_t *slots_n;      /* by thread */
};

/* NULL: no room, the fetch goes without. */
struct fetch_session *session_new(struct broker *b, int32_t peer, bool by_id);
struct fetch_session *session_find(struct broker *b, int32_t id);
void session_end(struct broker *b, struct fetch_session *s);
/* After a fetch: a doomed one goes now. False: it is gone. */
bool session_release(struct broker *b, struct fetch_session *s);
/* As a request names a partition: by id from version 13 on, else by name. */
struct fetch_key {
	struct uuid id;
	struct str name;
	int32_t partition;
};
/* Finds or makes. NULL: more partitions than may be remembered. */
struct fetch_entry *session_entry(struct broker *b, struct fetch_session *s,
				  const struct fetch_key *key);
/* The entry is forgotten; its slot is the caller's to drop. */
struct feed_slot *session_forget(struct broker *b, struct fetch_session *s,
				 const struct fetch_key *key, int *thread);

#endif
