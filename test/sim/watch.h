/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: what must hold at every step, looked at from outside: inside of all
 * nodes at once. What only clients can know is the checker's (verdict.h).
 *
 *  1. One leader of the quorum per term, one leader of a partition per epoch.
 *  2. Every node applies the same commands at the same index, with the same
 *     state afterwards (the hash of cluster and coord).
 *  3. The high watermark never falls within an epoch, and lies between log
 *     start and log end.
 *  4. What is below a high watermark is the same on every replica, for ever:
 *     base, end, CRC and epoch of each batch.
 *  5. Who begins to lead a partition has everything that was committed, and
 *     so have all members of the in-sync set when the high watermark moves;
 *     who begins anew with an empty copy is not in it.
 *  6. The log start never falls.
 *  7. A broker that was fenced serves no longer than its lease can last.
 *  8. No copy looks damaged on a disk that has never failed.
 *  9. A log that is open stands on disk under its name, and is that topic's.
 * Partitions with durability=memory, or with unclean elections, are exempt
 * from 3 to 6 once something has died.
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "parts.h"

struct watch;
struct watch *watch_new(struct world *w);
void watch_free(struct watch *w);
void watch_died(struct watch *w, struct node *n);
void watch_turn(struct watch *w, struct sim_thread *t);
void watch_applied(struct watch *w, struct node *n,
		   const struct quorum_applied *e);
void watch_restored(struct watch *w, struct node *n);
void watch_role(struct watch *w, struct node *n, enum quorum_role role,
		int64_t term);

#endif
