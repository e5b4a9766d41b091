/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail: the entries of the log that are in memory, by index. All that are not
 * yet covered by a snapshot, and some below it for followers that lag.
 *
 * 1. Indexes are contiguous from first to next - 1; first never goes back.
 * 2. It holds exactly what libraft believes to be in the log: cut, trimmed
 *    and reset in the same step.
 */
#ifndef QUORUM_TAIL_H
#define QUORUM_TAIL_H

#include <raftmq/base.h>

/*
 * No index and no term on a disk is beyond: with a million entries a start of
 * libraft just has the room to speak of them (guard.h, T16). Ten thousand
 * entries a second make such an index in thirty years. Peers may send half of
 * it, so that what is added, by candidacies for one, stays below.
 */
#define TAIL_INDEX_MAX 9999999999999
#define TAIL_TERM_MAX 99999999

struct entry {
	int64_t index;
	uint64_t term;
	uint8_t type; /* enum raft_entry_type */
	int32_t n;
	uint8_t data[];
};

struct tail {
	struct entry **ring;
	size_t cap, head, n; /* cap is a power of two */
	int64_t first; /* index of the first one, or of the next if none */
	int64_t bytes; /* of the data */
};

void tail_init(struct tail *t, int64_t first);
void tail_fini(struct tail *t);
int64_t tail_next(const struct tail *t); /* index behind the last */
const struct entry *tail_get(const struct tail *t, int64_t index); /* NULL */
/* Copies the data; the index is tail_next. The entry is a loan. */
const struct entry *tail_push(struct tail *t, uint64_t term, uint8_t type,
			      struct bytes data);
void tail_cut(struct tail *t, int64_t index);  /* drops it and all behind */
void tail_trim(struct tail *t, int64_t index); /* drops it and all before */
void tail_reset(struct tail *t, int64_t first); /* empty, starts there */

#endif
