/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: non-blocking connections to Kafka brokers for the load generator, on
 * one epoll set and one thread. It frames, pipelines and tells time; it knows
 * no API. What it is not: the tools' client (client.h), which waits.
 *
 * A call is one request. Whoever makes it fills key, version and the vectors,
 * and gets it back exactly once through on_end.
 */
#ifndef RAFTMQ_CMD_LOOP_H
#define RAFTMQ_CMD_LOOP_H

#include <sys/socket.h>
#include <sys/uio.h>

#include <raftmq/wire.h>

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

int64_t clock_ns(void); /* monotonic */

struct loop {
	int epoll, timer;
	int64_t armed_ns;       /* what the timer stands on; 0 = not armed */
	struct list dirty;      /* connections with something to write */
	struct list conns;      /* all that are not down */
	bool hurry;             /* a call ended while writing */
	int64_t bytes_in, bytes_out;
};
void loop_init(struct loop *l);
void loop_fini(struct loop *l); /* its connections are down */
/* Writes what is to be written, waits until then_ns at most, reads. */
void loop_turn(struct loop *l, int64_t then_ns);
/* Breaks connections that do not come up or do not answer in time. */
void loop_check(struct loop *l, int64_t now_ns, int64_t patience_ns);

enum call_end {
	CALL_ANSWERED,  /* r stands behind the response header */
	CALL_WRITTEN,   /* no answer was expected */
	CALL_BROKEN,    /* the connection is gone; effects unknown */
};
struct conn;
struct call {
	struct list link;
	int16_t key, version;
	bool unanswered;        /* expects no answer (acks=0) */
	int32_t id;             /* correlation id, set by call_frame */
	int64_t sent_ns;        /* handed to the socket's queue */
	struct iovec *iov;
	int iov_n, iov_at;      /* iov_at: first not written completely */
	void (*on_end)(struct call *call, struct conn *c, enum call_end how,
		       struct reader *r);
};

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_UP };
struct conn {
	struct loop *loop;
	struct list link, dirty_link;
	int fd;
	enum conn_state state;
	bool wants_write;       /* EPOLLOUT is on */
	struct list unsent;     /* calls, the first perhaps written in part */
	struct list sent;       /* calls that wait for their answer */
	int32_t calls;          /* in both lists */
	int32_t next_id;
	struct buf in;
	int64_t opened_ns;
	int64_t read_ns;        /* last sign of life; 0 = never came up */
	void (*on_down)(struct conn *c, int error); /* after all on_end */
	void *owner;
};
void conn_init(struct conn *c, struct loop *l);
void conn_fini(struct conn *c); /* its calls end as broken */
/* Starts to connect; 0 or a negative errno. May be called when not down. */
int conn_open(struct conn *c, const struct sockaddr *to, socklen_t n) must_use;
void conn_send(struct conn *c, struct call *call); /* not when down */
void conn_break(struct conn *c, int error);
/* A correlation id for the next call of the connection. */
int32_t conn_take_id(struct conn *c);

#endif
