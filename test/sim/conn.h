/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn: a connection of the world, between net.c, which carries it, and
 * link.c, which dials from one node to another.
 */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include "parts.h"

struct conn {
	struct world *w;
	uint64_t id;
	int from, to; /* ends; to is a node */
	int thread;   /* of the node */
	bool client_open, server_open;
	bool stuck_out, stuck_back; /* half-open: the rest is lost */
	bool writing;               /* a write is planned */
	struct link *link;          /* of a node; NULL: a client's, or gone */
	struct sim_thread *dialler; /* whose link it is; NULL: a client's */
	bool of_peer; /* another node dialled it */
	struct dialled to_client;
	int64_t out_us, back_us; /* lanes */
	struct request **slots;  /* by order: answered, not written */
	uint32_t slots_n;
	uint64_t first, next; /* orders */
	int refs;             /* events that know it */
};
struct conn *conn_new(struct world *w, int from, int to, int thread);
void conn_send(struct conn *c, const uint8_t *frame, size_t n);
void conn_leave(struct conn *c); /* the client's side hangs up */
struct request **conn_slot(struct conn *c, uint64_t order);
bool net_is_open(const struct world *w, int a, int b);

/* link.c */
void link_broken(struct link *l);
void link_answered(struct link *l, struct reader *r);
void links_forget(struct node *n); /* it died */
/* A clean stop: of the shards, or of thread 0. */
void links_cancel(struct node *n, bool thread_0);

#endif
