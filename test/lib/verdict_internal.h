/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the judge (verdict.h), in the order in which they run:
 *
 *	verdict_lane.c	cuts the life of each partition where it may change:
 *			lanes; and says what may be gone from them
 *	verdict_log.c	puts the log of each lane together: values at offsets
 *	verdict_poll.c	walks the polls of each process along it
 *	verdict_loss.c	final reads, what is missing
 *	verdict_order.c	acknowledgements against the order of the log
 *	verdict_group.c	committed offsets and owners
 *
 * A lane is a partition between two boundaries: deletions of its topic and,
 * for HISTORY_MEMORY, power cuts. Lanes of a partition between two deletions
 * make a life. Within a lane a log only grows.
 */
#ifndef TEST_VERDICT_INTERNAL_H
#define TEST_VERDICT_INTERNAL_H

#include "verdict.h"

#define NONE UINT32_MAX

struct boundary {
	int64_t begin_us, end_us; /* an operation within is on neither side */
	bool deleted;
};

struct lane {
	int key;
	uint32_t life;
	uint32_t first, n;     /* known */
	int64_t highest_read;  /* offset by anyone, -1: nothing */
	uint32_t last_final;   /* ok answer of a final read: its poll */
	int64_t final_end;     /* where that ended */
};

struct life {
	int64_t told_start; /* by polls */
	bool jump_told;
};

/* What is at an offset, and since when at the latest. */
struct known {
	int64_t offset;
	int64_t since_us;
	uint32_t op; /* its send */
	uint32_t lane;
};

struct start {
	int64_t from_us;
	int64_t offset; /* the highest of those of its life up to here */
	int32_t key;
	uint32_t life;
};

enum {
	SEND_READ = 1,
	SEND_DUPLICATE = 2, /* told */
	SEND_MISSED = 4,    /* told */
	SEND_FAILED_READ = 8,
	SEND_PHANTOM = 16,
};

struct judge {
	const struct history *h;
	struct verdict *v;
	unsigned lines_max;

	/* Of each key, and one more. Key k has one boundary less than lanes:
	 * [lane_first[k] - k, lane_first[k + 1] - k - 1) */
	uint32_t *lane_first;
	struct boundary *boundaries;
	struct lane *lanes;
	struct life *lives;
	struct start *starts;
	uint32_t starts_n;

	uint32_t *by_value; /* open addressing: the send of a value */
	uint64_t by_value_mask;
	struct known *known; /* once sealed: by lane, offset */
	int64_t *since_min;  /* of each known and those after it in the lane */
	uint32_t known_n, known_cap;
	uint32_t *seen; /* of each operation: one of its known, or NONE */
	uint8_t *flags; /* of each operation: SEND_ */
};

/* verdict.c */
/* Counts; true: write the rest of the line to v->lines, then told_end. */
bool told(struct judge *j, enum verdict_error e, int key);
void tell(struct judge *j, const char *fmt, ...) printf_like(2, 3);
void tell_op(struct judge *j, const char *before, uint32_t op);
void told_end(struct judge *j);

/* verdict_lane.c */
void lanes_make(struct judge *j);
void lanes_free(struct judge *j);
/* The lane in which all of an interval lies, or NONE. */
uint32_t lane_at(const struct judge *j, int key, int64_t from_us,
		 int64_t to_us);
/* When its effect is over: never, if that is not known. */
int64_t effect_end(const struct history_op *op);
/* Where the effect is that was acknowledged, if it was. */
uint32_t lane_of_send(const struct judge *j, uint32_t op);
/* The one life that its attempts can have met, or NONE: a first attempt may
 * arrive after a second one was acknowledged. */
uint32_t life_of_send(const struct judge *j, uint32_t op);
uint32_t lane_of_poll(const struct judge *j, uint32_t op, int key);
bool has_deletions(const struct judge *j, int key);
bool is_last_lane(const struct judge *j, uint32_t lane);
/* Below this offset records may be gone at a time. */
int64_t gone_below(const struct judge *j, uint32_t lane, int64_t at_us);
/* The same, by `start' alone. */
int64_t started_below(const struct judge *j, uint32_t lane, int64_t at_us);

/* verdict_log.c */
/* May the log have begun behind an offset when one was written that a client
 * knew of at that time? */
bool was_gone(const struct judge *j, uint32_t lane, int64_t offset,
	      int64_t at_us);
void log_make(struct judge *j);
void log_fini_all(struct judge *j);
/* The first known of the lane at or above an offset (may be its end). */
uint32_t known_from(const struct judge *j, uint32_t lane, int64_t offset);
uint32_t send_of(const struct judge *j, uint64_t value); /* or NONE */

void polls_judge(struct judge *j); /* verdict_poll.c */
void loss_judge(struct judge *j);  /* verdict_loss.c */
void order_judge(struct judge *j); /* verdict_order.c */
void group_judge(struct judge *j); /* verdict_group.c */

static inline bool is_acked(const struct history_op *op)
{
	return op->kind == HISTORY_SEND && op->outcome == HISTORY_OK &&
	       op->acks < 0;
}

#endif
