/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: the first frame each way on a connection between brokers. Pure.
 *
 * The dialler says who it is and what the connection is for; the listener
 * answers who it is, or why not. Nothing else is sent before the answer.
 *
 *	frame    int32 size, then the body; all numbers big-endian
 *	hello    "RMQP" int16 version, uuid cluster, int32 node, uuid
 *	         incarnation, int8 purpose, int16 thread, int16 shards, int8
 *	         joins, int16 n and n bytes: own peer listener as HOST:PORT
 *	answer   "RMQP" int16 version, int16 error, int32 node, uuid cluster,
 *	         int16 shards, int16 n and n bytes: a sentence
 */
#ifndef HOST_HELLO_H
#define HOST_HELLO_H

#include <raftmq/base.h>

#define HELLO_VERSION 1
#define HELLO_MAX 1024 /* bytes of either frame's body */

enum hello_purpose {
	HELLO_QUORUM = 1,  /* one-way frames of the agreed log */
	HELLO_BULK = 2,    /* the same, snapshots */
	HELLO_CONTROL = 3, /* requests to thread 0 */
	HELLO_DATA = 4,    /* requests to a shard */
	HELLO_JOIN = 5,    /* only the answer is wanted: let me be a member */
};
enum hello_error {
	HELLO_WELCOME = 0,
	HELLO_OTHER_VERSION,
	HELLO_OTHER_CLUSTER,
	HELLO_SAME_NODE,
	HELLO_UNKNOWN_NODE,
	HELLO_MALFORMED,
	HELLO_NOT_LEADER, /* join: text is the quorum leader's HOST:PORT */
	HELLO_TRY_AGAIN,  /* join: not now */
};
struct hello {
	struct uuid cluster; /* zero: not known yet */
	int32_t node;
	struct uuid incarnation;
	enum hello_purpose purpose;
	int16_t thread; /* who asks; a shard's peer is the same shard there */
	int16_t shards;
	bool joins; /* not a member yet */
	struct str address; /* on decode a loan */
};
struct hello_answer {
	enum hello_error error;
	int32_t node;
	struct uuid cluster;
	int16_t shards;
	struct str text; /* on decode a loan */
};
void hello_encode(struct buf *out, const struct hello *h); /* with size */
bool hello_decode(const uint8_t *body, size_t n, struct hello *h) must_use;
void hello_answer_encode(struct buf *out, const struct hello_answer *a);
bool hello_answer_decode(const uint8_t *body, size_t n,
			 struct hello_answer *a) must_use;

#endif
