/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: thread 0 asks the quorum leader's thread 0, which may be itself. The
 * request is one of api.def's rows that run on QUORUM.
 */
#ifndef BROKER_CALL_H
#define BROKER_CALL_H

#include "inside.h"

/*
 * error 0: out is the response struct, a loan for the call. -EAGAIN: no leader
 * is known. Else what the connection said (-ECONNRESET, -ETIMEDOUT, ...): the
 * request may have been carried out.
 */
typedef void called_fn(struct broker *b, void *ctx, const void *out, int error);

/*
 * in: a struct of the API's request type, needed only for this call. Sent in
 * the newest version served. done is called once, maybe before this returns;
 * not when the broker ends first: then ctx (heap memory, or NULL) is freed.
 */
struct callback {
	called_fn *done;
	void *ctx;
};
void call_leader(struct broker *b, int16_t key, const void *in,
		 int64_t timeout_ms, struct callback then);

/* When the broker ends. */
void call_close(struct broker *b);

#endif
