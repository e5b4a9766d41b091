/* SPDX-License-Identifier: Apache-2.0 */
/* What replica.c, leader.c and follower.c share among themselves. */
#ifndef REPLICA_INTERNAL_H
#define REPLICA_INTERNAL_H

#include <raftmq/replica.h>

struct replica_peer *replica_peer_find(struct replica *r, int32_t node);
/* The log failed: serve nothing more. Returns REPLICA_*_CHANGED bits. */
int replica_offline(struct replica *r);
/* Leader: moves the high watermark up if it may; REPLICA_HW_CHANGED or 0. */
int replica_raise_high_watermark(struct replica *r);
/* No ISR request is in flight any more. */
void replica_forget_wish(struct replica *r);

#endif
