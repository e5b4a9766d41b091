/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_parts: what conn.c and conn_write.c share, and nobody else.
 */
#ifndef HOST_CONN_PARTS_H
#define HOST_CONN_PARTS_H

#include "conn.h"

#define SCRATCH_READ (128 << 10)
#define SCRATCH_SLICES (64 << 10)

struct conn_cursor { /* where in the oldest answer the next byte stands */
	size_t at;       /* in its buffer */
	int32_t splice;  /* the next splice */
	int32_t spliced; /* bytes of it that are gone */
};
struct conn {
	struct conns *home;
	uv_poll_t poll;
	struct conn_origin origin;
	uint64_t id; /* slot in the low half, serial in the high one */

	/* reading: the frame under way */
	uint8_t head[4];
	uint8_t head_n;
	uint8_t *frame;
	size_t want, have, cap;
	int64_t frame_since_ms; /* 0: between frames */
	struct buf rest;        /* read, and then it was paused */

	/* requests under way, oldest first; NULL = not answered yet */
	struct request **ring;
	uint32_t ring_cap; /* a power of two, or 0 */
	uint64_t first, next; /* orders of the oldest and of the one to come */
	int64_t request_bytes, answer_bytes;

	/* writing */
	struct conn_cursor cursor;
	struct list dirty_link, starved_link;
	int events;    /* what the poll watches */
	bool blocked;  /* the socket is full */
	bool warming;  /* the pool reads what comes next */
	bool ending;   /* no more reading; close when written */
	int64_t active_ms;
	struct timer timer;
};

struct conn *conn_find(struct conns *cs, uint64_t id);
void conn_close(struct conn *c, bool lost);
void conn_watch(struct conn *c); /* as its state wants */
void conn_mark(struct conn *c);  /* dirty */
void conn_flush(struct conn *c);
void conn_resume(struct conn *c); /* reads on, if it may; watches */
/* The oldest request is written or dropped. */
void conn_pop(struct conn *c);

static inline struct request **conn_slot(struct conn *c, uint64_t order)
{
	return &c->ring[order & (c->ring_cap - 1)];
}

#endif
