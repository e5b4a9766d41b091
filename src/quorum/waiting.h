/* SPDX-License-Identifier: Apache-2.0 */
/* waiting: two small queues, of those who wait and of writes under way. */
#ifndef QUORUM_WAITING_H
#define QUORUM_WAITING_H

#include <raftmq/base.h>

struct waiting { /* a proposal, or a read */
	int64_t index; /* 0 = not submitted yet */
	uint64_t cookie;
	int32_t bytes; /* of a proposal's entry */
	void (*done)(void *ctx, bool ok);
	void *ctx;
};
struct waitings {
	struct waiting *v;
	size_t head, n, cap;
};
void waitings_push(struct waitings *w, struct waiting x);
struct waiting *waitings_at(struct waitings *w, size_t i);
struct waiting waitings_pop(struct waitings *w); /* the first */
void waitings_fini(struct waitings *w);

struct write { /* one RAFT_UPDATE_ENTRIES on its way to disk */
	int64_t index; /* first */
	int64_t live;  /* so many of them are still in the log */
};
struct writes {
	struct write *v;
	size_t n, cap;
};
void writes_push(struct writes *w, int64_t index, int64_t n);
/* Entries from index on were replaced: none of them is to be reported. */
void writes_cut(struct writes *w, int64_t index);
/* Highest index up to which all is on disk and still in the log; 0 = none. */
int64_t writes_report(const struct writes *w);
void writes_move(struct writes *to, struct writes *from);
void writes_fini(struct writes *w);

#endif
