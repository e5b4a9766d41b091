/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed: what one reader wants of this shard's partitions, and what there is
 * for it. A fetch session has one feed on every shard where it reads; a fetch
 * without a session brings its feeds along and takes them away again.
 *
 * A slot is one partition of a feed. It is on the feed's ready list while
 * there may be something to tell; a partition in which something moved puts
 * its slots there. So a look at a feed costs what changed, not what it has
 * (KIP-227).
 *
 * A part is one shard's part of one fetch. It travels to the shard, waits
 * there with its feed until it is worth an answer, and comes home. The shard
 * owns feed and slots, the holder of the part owns the part.
 *
 *   home --feed_send--> at the shard --(data, error, recall)--> home
 */
#ifndef BROKER_FEED_H
#define BROKER_FEED_H

#include "shard.h"

struct feed_slot {
	struct list at_hosted; /* hosted->readers or ->followers */
	struct list in_feed;   /* feed->slots */
	struct list ready;     /* feed->ready */
	struct feed *feed;
	struct hosted *hosted; /* NULL: not here (any more, or yet) */
	void *cookie;          /* the other side's; only carried */
	struct partition_id id;
	int32_t max_bytes, current_epoch, last_epoch;
	int64_t offset;
	int64_t log_start;         /* of a follower; -1 unknown */
	int64_t order;             /* of the part that said so */
	int64_t told_hw, told_start; /* in the last answer */
	bool progress; /* a follower's offset that the replica has not seen */
	bool answered; /* while an answer is put together */
};

struct feed {
	struct list slots;
	struct list ready;
	struct list due;        /* shard->due_feeds */
	struct list in_shard;   /* shard->feeds, those of sessions */
	struct feed_part *part; /* waits here; NULL: none */
	struct shard *shard;    /* where it is; NULL before it arrived */
	struct timer hw_timer;  /* a follower is told the HW a little later */
	bool hw_due;
	int32_t peer; /* follower's broker id, -1 a consumer */
};

struct feed_change { /* what a fetch says about one slot */
	enum feed_verb { FEED_ADD, FEED_SET, FEED_DROP } verb;
	struct feed_slot *slot;
	int64_t offset, log_start, high_watermark;
	int32_t max_bytes, current_epoch, last_epoch;
};

struct feed_result { /* one partition of the answer */
	struct feed_slot *slot; /* the shard's */
	void *cookie;
	int16_t error;
	int32_t preferred; /* KIP-392; -1 none */
	int64_t high_watermark, log_start;
	struct replica_divergence diverging;
	int32_t leader, leader_epoch; /* hints; -1 none */
	struct log_slice slice;       /* held; n == 0: none */
};

struct feed_part {
	struct letter letter;
	struct letter recall; /* of its own, since the part is away */
	struct owned owned;   /* by the request */
	struct broker *home;
	void (*on_home)(struct feed_part *p);
	void *ctx;
	int thread; /* the shard's */
	struct feed *feed;
	struct feed own; /* without a session */
	struct arena arena; /* changes, results, slots without a session */

	/* what is asked */
	struct feed_change *changes;
	int32_t changes_n, changes_cap;
	int64_t want;      /* bytes that are worth an answer */
	int32_t max_bytes;
	int16_t version;
	bool full;         /* every slot is answered, not only what changed */
	bool no_wait;
	int64_t broker_epoch; /* of a follower */
	int64_t order;        /* of its connection: a younger one has more */
	struct str rack;      /* of a consumer; in the request's arena */

	/* what came */
	struct feed_result **results;
	int32_t results_n, results_made, results_cap;
	int64_t bytes;
	bool urgent; /* waiting for more bytes would be wrong */

	bool recall_met; /* the recall reached it, before it left by itself */

	/* the home's */
	bool away, recalled;
	int64_t known; /* bytes that it had when it was last at home */
};

struct feed *feed_new(int32_t peer);
/* Home: a part for that shard; belongs to the request. feed NULL: its own. */
struct feed_part *feed_part_new(struct broker *b, struct request *rq,
				int thread, struct feed *feed, int32_t peer);
/* Home: a slot for that part's feed, to go with FEED_ADD. */
struct feed_slot *feed_slot_new(struct feed_part *p, struct partition_id id,
				void *cookie);
struct feed_change *feed_change_add(struct feed_part *p, enum feed_verb verb,
				    struct feed_slot *slot);
void feed_send(struct broker *b, struct feed_part *p);
/* Home: come back with what you have. The part comes home once. */
void feed_recall(struct broker *b, struct feed_part *p);
/* Home: the session is over. Behind all its parts. */
void feed_close(struct broker *b, int thread, struct feed *feed);

#endif
