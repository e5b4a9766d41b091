/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard: the partitions of one thread, and who waits for them.
 *
 * struct hosted is the broker's bookkeeping for one partition that lives here:
 * its replica, the producers that wait for it, the feeds that read it, the
 * fetcher that fills it. Whatever may have moved in it is put on the dirty
 * list; shard_turn_end settles those, once each.
 */
#ifndef BROKER_SHARD_H
#define BROKER_SHARD_H

#include "inside.h"

struct fetcher;
struct fetch_session;

struct hosted_topic { /* of partitions that live on this shard */
	struct shard *shard;
	struct uuid id;
	char *name;
	struct log_settings set;
	struct hosted **at; /* by partition; NULL: not here */
	int32_t at_n;
	int32_t hosted_n;
	uint64_t messages_in, bytes_in, bytes_out;
};

enum heal { HEAL_WELL, HEAL_TELLING, HEAL_LATER, HEAL_WAITING, HEAL_ALONE };

struct hosted {
	struct hosted_topic *topic;
	int32_t index;
	struct replica *replica; /* NULL: its log could not be opened */
	struct log *log;
	int open_error; /* why, to say it once */

	struct list dirty;         /* shard->dirty */
	struct list durable_waits; /* struct wait, by need */
	struct list hw_waits;
	struct list start_waits;   /* DeleteRecords; struct wait */
	struct list readers;       /* struct feed_slot of consumers */
	struct list followers;     /* struct feed_slot of other brokers */
	int64_t shown_hw, shown_end, shown_start; /* to the feeds */
	struct list isr_retry; /* shard->isr_retry: look again soon */

	/* when its log has failed (heal.c) */
	enum heal heal;
	int32_t heal_epoch; /* nothing was fetched under a later one */
	int32_t heal_told_epoch; /* under which the cluster was told last */
	struct list ill;    /* shard->ill: look again soon */

	/* follower (fetcher.c) */
	struct fetcher *fetcher;  /* NULL: does not follow */
	struct list in_fetcher;   /* its partitions, changed or resting */
	int64_t told;             /* serial of the ask that knows our offset */
	int64_t told_offset, told_start;
	int32_t told_epoch;       /* leader epoch under which it was asked */
	bool in_session;          /* the leader has it in our session */
	bool unsynced;            /* appended, not durable yet */
	int32_t rest_ms;          /* grows with errors in a row */
	int64_t rest_until_ms;
};

struct shard {
	struct broker *b;
	struct store *store; /* NULL before the first cluster state */
	struct map topics;   /* 16 bytes of id -> struct hosted_topic * */
	struct list dirty;
	struct list due_feeds;   /* struct feed: something for them came */
	struct list feeds;       /* struct feed of sessions */
	struct list isr_retry;
	struct list ill;
	struct list early;       /* struct errand: what it needs is to come */
	struct list stalled;     /* struct errand of Produce: disk is behind */
	struct map fetchers;     /* leader -> struct fetcher * */
	struct map sessions;     /* id -> struct fetch_session * */
	struct list session_lru; /* idle longest first */
	int64_t session_entries;
	int64_t unsynced_max;
	bool failed; /* the journal has, and thread 0 knows */
	bool current; /* what the cluster says is of this process's time */
	struct map deleted; /* until then: topic id -> any, heard to be gone */
	struct timer store_timer, isr_timer, retry_timer, heal_timer;
};

int shard_open(struct broker *b, const struct broker_config *c) must_use;
/* Whoever waits here is sent away; the readers of this thread are answered. */
void shard_stop(struct broker *b);
int shard_close(struct broker *b) must_use;
void shard_free(struct broker *b);
void shard_turn_end(struct broker *b);
/* The copy of the cluster changed: by one command, or as a whole. */
void shard_applied(struct broker *b, const struct cluster_effects *e);
void shard_restored(struct broker *b);

struct hosted *hosted_find(struct broker *b, struct partition_id id);
/* Something moved (REPLICA_*_CHANGED or an append): settle it at turn end. */
void hosted_touch(struct hosted *h);
void hosted_changed(struct broker *b, struct hosted *h, int changed);
/*
 * The partition for a request of a client: K_NONE and *out, or why not, by
 * Kafka's order: lease, existence, epoch (-1 = not given), leadership.
 * leader_only false: followers will do as well.
 */
enum kerr hosted_get(struct broker *b, struct partition_id id, int32_t epoch,
		     bool leader_only, struct hosted **out);
enum kerr hosted_check(const struct broker *b, const struct hosted *h,
		       int32_t epoch, bool leader_only);
/* Who leads, for the hints of KIP-951; -1, -1 when nobody knows. */
void hosted_leader(struct broker *b, struct partition_id id, int32_t *leader,
		   int32_t *epoch);

/* ---- producers and deleters that wait (park.c) --------------------------- */

/* One partition of an errand that waits for an offset. */
struct wait {
	struct list link; /* in the partition's list */
	struct list mine; /* errand->waits */
	struct errand *errand;
	int64_t need;
	int16_t *error;      /* where the end of the waiting is noted */
	int64_t *low;        /* DeleteRecords: the low watermark; else NULL */
};
void wait_for(struct list *waits, struct wait *w, struct errand *e,
	      int64_t need);
/* The errand goes home when the last of its waits has ended, or at its time,
 * with K_REQUEST_TIMED_OUT for those that have not. */
void errand_wait(struct broker *b, struct errand *e, int64_t until_ms);
/* Ends those whose offset has come. */
void park_settle(struct broker *b, struct hosted *h);
/* Ends all: not leader any more, or the partition is gone. */
void park_fail(struct broker *b, struct hosted *h, enum kerr error);

/* ---- Produce (handle/produce.c) ------------------------------------------ */

/* The disk has caught up: run the errands that were made to wait for it. */
void produce_resume(struct broker *b);
/* All of them, whether or not it has. */
void produce_resume_all(struct broker *b);

/* ---- in-sync replicas (insync.c) ----------------------------------------- */

void isr_look(struct broker *b, struct hosted *h);
void isr_start(struct broker *b);

/* On thread 0: takes the wish over. */
void isr_deliver_wish(struct broker *b, struct letter *l);

/* ---- copies that failed (heal.c) ----------------------------------------- */

/* Its log is offline, or the cluster's mind about it has changed. */
void heal_look(struct broker *b, struct hosted *h);
/* What the cluster says to the loss. */
void heal_told(struct broker *b, struct hosted *h, int16_t error);
/* Its log could not be opened: hosted_reopen will be called soon. */
void heal_unopened(struct broker *b, struct hosted *h);
void heal_start(struct broker *b);
/* Opens the log that it has not, and takes the place that the cluster gives. */
void hosted_reopen(struct broker *b, struct hosted *h);

/* ---- follower side (fetcher.c) ------------------------------------------- */

/* The replica's role, leader or epoch changed: fetch from the right one. */
void fetcher_follow(struct broker *b, struct hosted *h);
/* It leaves this shard. */
void fetcher_forget(struct broker *b, struct hosted *h);
void fetcher_on_durable(struct broker *b, struct hosted *h);
void fetcher_turn_end(struct broker *b);
void fetcher_free_all(struct broker *b);

/* ---- reader side (feed.c) ------------------------------------------------ */

void feed_wake(struct broker *b, struct hosted *h);   /* what moved shows */
void feed_wake_all(struct broker *b, struct hosted *h); /* role, epoch, gone */
void feed_orphan(struct broker *b, struct hosted *h); /* it leaves */
/* The log start that a follower said it has; -1 unknown. */
int64_t feed_start_of(const struct hosted *h, int32_t node);
void feed_turn_end(struct broker *b);
void feed_free_all(struct broker *b);

void fetch_session_free_all(struct broker *b);
/* Whatever there is, is enough: a fetch of this thread is answered now. */
void fetch_settle(struct request *rq);
bool fetch_is_waiting(const struct request *rq);

/* ---- for handlers on thread 0 -------------------------------------------- */

/* Errand: sizes of all partitions here, as e->found, an array of found_n. */
struct log_size {
	struct str topic;
	int32_t partition;
	int64_t size, lag;
};
void shard_describe_logs(struct broker *b, struct errand *e);

#endif
