/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: what quorums say to each other, as frames. Big-endian, fixed
 * layouts, a CRC over all of it; decoding accepts exactly what encoding makes
 * and nothing longer, so that no forged frame gets further than guard.c's
 * questions of sense.
 */
#ifndef QUORUM_MESSAGE_H
#define QUORUM_MESSAGE_H

#include <raft.h>

#include <raftmq/base.h>

#include "tail.h"

#define MESSAGE_HEADER 24
#define MESSAGE_APPEND_MAX (1 << 20) /* entries' bytes in one frame */
#define MESSAGE_PIECE_MAX (256 << 10)
#define MESSAGE_INDEX_MAX ((uint64_t)TAIL_INDEX_MAX / 2)
#define MESSAGE_TERM_MAX ((uint64_t)TAIL_TERM_MAX / 2)

enum message_type {
	MESSAGE_VOTE = 1,
	MESSAGE_VOTE_RESULT,
	MESSAGE_APPEND,
	MESSAGE_APPEND_RESULT,
	MESSAGE_TIMEOUT_NOW,
	MESSAGE_PIECE,        /* of a snapshot's image */
	MESSAGE_PIECE_RESULT,
	MESSAGE_PROBE, /* are you still in this term? */
	MESSAGE_PROBE_RESULT,
};

struct message_piece {
	uint64_t term; /* the sender's */
	int64_t index; /* the snapshot's */
	int64_t total; /* bytes of the image */
	int64_t at;
	struct bytes data;
};
struct message_piece_result {
	uint64_t term;
	int64_t index;
	int64_t next;   /* wants to go on there; == total: has it all */
	bool installed; /* or does not need it: the stream may end */
};
struct message_probe {
	uint64_t term, serial;
};
struct message {
	enum message_type type;
	uint64_t group; /* which quorum; 0 = does not know yet */
	int32_t from, to;
	/* who asks for a vote is one, who answers an append (newcomer.c) */
	bool newcomer;
	union {
		/* the first five; server_id and entries are filled in */
		struct raft_message raft;
		struct message_piece piece;
		struct message_piece_result piece_result;
		struct message_probe probe; /* and its result */
	};
};

/* Node ids start at 0, libraft's at 1. */
static inline raft_id raft_id_of(int32_t node)
{
	return (raft_id)node + 1;
}
static inline int32_t node_of(raft_id id)
{
	return (int32_t)id - 1;
}

/*
 * An append's entries come from the tail: from prev_log_index + 1 on, n of
 * them.
 */
void message_encode(struct buf *out, const struct message *m,
		    const struct tail *t);
/*
 * False: not a whole frame of this version. Entries live in the arena, their
 * data in the frame.
 */
bool message_decode(struct bytes frame, struct message *out,
		    struct arena *a) must_use;

#endif
