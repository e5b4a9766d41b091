/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn_write: the writing half of a connection. All answers that are ready go
 * into one sendmsg; file bytes follow by sendfile. Not a cache: small slices
 * are copied once because that is one system call less.
 *
 * 1. The cursor (answer, position in its buffer, position in its slice) says
 *    what has left; it moves only by what the kernel took.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "clock.h"
#include "conn_parts.h"

#define PIECES 64
#define TURN_BYTES (1 << 20)  /* of one connection in one turn */
#define COPY_MAX (16 << 10)   /* slices up to this are copied */
#define SEND_BYTES (256 << 10) /* of one sendfile: probed as a whole */
#define PROBE_STEP (32 << 10)
#define WARM_BYTES (1 << 20)  /* read ahead by the pool */

/* Straight from the file: a slice of another shard's log is read here too. */
static int64_t read_now(const struct conns *cs, const struct log_slice *s,
			int32_t from, void *p, size_t n)
{
	return cs->disk->read(s->file, s->pos + from, p, n, true);
}

/* ---- what comes next ----------------------------------------------------- */

struct batch_out {
	struct iovec v[PIECES];
	int n;
	size_t bytes, copied;
	bool leased;        /* depends on the lease */
	bool slice;         /* a slice for sendfile stands behind it */
};

static bool copy_slice(struct conn *c, struct batch_out *out,
		       const struct splice *s, int32_t from)
{
	size_t n = (size_t)(s->n - from);
	uint8_t *p = c->home->scratch + SCRATCH_READ + out->copied;

	if (n > COPY_MAX || out->copied + n > SCRATCH_SLICES)
		return false;
	if (read_now(c->home, s->ref, from, p, n) != (int64_t)n)
		return false;
	out->v[out->n++] = (struct iovec){ p, n };
	out->copied += n;
	out->bytes += n;
	return true;
}

/* The rest of one answer; false: stop here. */
static bool gather_answer(struct conn *c, struct batch_out *out,
			  const struct request *rq, struct conn_cursor at)
{
	const struct splices *s = &rq->splices;

	out->leased |= rq->data;
	for (;;) {
		size_t end = at.splice < s->n ? s->v[at.splice].at
					      : rq->answer.n;

		if (out->n == PIECES)
			return false;
		if (at.at < end) {
			out->v[out->n++] = (struct iovec){
				rq->answer.p + at.at, end - at.at };
			out->bytes += end - at.at;
			at.at = end;
		}
		if (at.splice == s->n)
			return !rq->close;
		if (out->n == PIECES)
			return false;
		if (at.spliced < s->v[at.splice].n &&
		    !copy_slice(c, out, &s->v[at.splice], at.spliced)) {
			out->slice = true;
			return false;
		}
		at.splice++;
		at.spliced = 0;
	}
}

static void gather(struct conn *c, struct batch_out *out)
{
	struct conn_cursor at = c->cursor;

	out->n = 0;
	out->bytes = out->copied = 0;
	out->leased = out->slice = false;
	for (uint64_t i = c->first; i < c->next; i++) {
		const struct request *rq = *conn_slot(c, i);

		if (!rq || !gather_answer(c, out, rq, at) ||
		    out->bytes >= TURN_BYTES)
			break;
		at = (struct conn_cursor){ 0 };
	}
}

/* n bytes have left. Answers that are complete go, empty ones too. */
static void advance(struct conn *c, size_t n)
{
	struct conn_cursor *at = &c->cursor;
	struct request *rq;

	c->active_ms = c->home->now_ms;
	while (c->first < c->next && (rq = *conn_slot(c, c->first))) {
		bool spliced = at->splice < rq->splices.n;
		const struct splice *s = spliced ? &rq->splices.v[at->splice]
						 : NULL;
		size_t end = s ? s->at : rq->answer.n;
		size_t take = min_of(n, end - at->at);

		at->at += take;
		n -= take;
		if (at->at < end)
			return;
		if (!s) {
			conn_pop(c);
			if (c->ending)
				return;
			continue;
		}
		take = min_of(n, (size_t)(s->n - at->spliced));
		at->spliced += (int32_t)take;
		n -= take;
		if (at->spliced < s->n)
			return;
		at->splice++;
		at->spliced = 0;
	}
}

/* ---- slices that are not in the page cache ------------------------------- */

struct warm {
	struct job job;
	struct conns *home;
	uint64_t conn;
	struct request *rq; /* ours when the connection is gone */
	const struct log_slice *slice;
	int32_t from;
};

static void read_ahead(struct job *j)
{
	struct warm *w = container_of(j, struct warm, job);
	int32_t end = min_of(w->slice->n, w->from + WARM_BYTES);
	size_t step = 64 << 10;
	uint8_t *p = mem_alloc(step);

	for (int32_t at = w->from; at < end; at += (int32_t)step) {
		size_t n = min_of(step, (size_t)(end - at));

		/* an error shows itself again, to sendfile */
		if (w->home->disk->read(w->slice->file, w->slice->pos + at, p,
					n, false) < (int64_t)n)
			break;
	}
	mem_free(p);
}

static void read_ahead_done(struct job *j)
{
	struct warm *w = container_of(j, struct warm, job);
	struct conn *c = conn_find(w->home, w->conn);

	if (c) {
		c->warming = false;
		conn_mark(c);
	} else {
		w->home->hooks.done(w->home->hooks.ctx, w->rq);
	}
	mem_free(w);
}

static void warm_up(struct conn *c, const struct splice *s)
{
	struct warm *w = mem_zalloc(sizeof(*w));

	w->job.run = read_ahead;
	w->job.done = read_ahead_done;
	w->home = c->home;
	w->conn = c->id;
	w->rq = *conn_slot(c, c->first);
	w->slice = s->ref;
	w->from = c->cursor.spliced;
	c->warming = true;
	c->home->hooks.give(c->home->hooks.ctx, &w->job);
}

/* Looks at one byte in each stretch: pages come and go in stretches. */
static bool is_cached(const struct conns *cs, const struct log_slice *s,
		      int32_t from, int32_t n)
{
	uint8_t byte;

	for (int32_t at = from; at < from + n; at += PROBE_STEP)
		if (read_now(cs, s, at, &byte, 1) == -EAGAIN)
			return false;
	return read_now(cs, s, from + n - 1, &byte, 1) != -EAGAIN;
}

/* ---- system calls -------------------------------------------------------- */

/* 1 go on, 0 stop for now, -1 closed */
static int result(struct conn *c, ssize_t n, size_t asked)
{
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno != EAGAIN) {
		conn_close(c, true);
		return -1;
	}
	if (n > 0)
		advance(c, (size_t)n);
	if (n < (ssize_t)asked) {
		c->blocked = true;
		return 0;
	}
	return 1;
}

static bool may_write(struct conn *c, bool leased)
{
	struct conns *cs = c->home;

	if (!leased || cs->hooks.lease_ok(cs->hooks.ctx, clock_now_ms()))
		return true;
	trace_warn("conn", "answer dropped: the lease is gone", "client=%s",
		   c->origin.host);
	conn_close(c, false);
	return false;
}

static int send_pieces(struct conn *c, struct batch_out *out)
{
	struct msghdr m = { .msg_iov = out->v, .msg_iovlen = (size_t)out->n };

	if (!may_write(c, out->leased))
		return -1;
	return result(c, sendmsg(c->origin.fd, &m,
				 MSG_NOSIGNAL | (out->slice ? MSG_MORE : 0)),
		      out->bytes);
}

static int send_slice(struct conn *c, size_t *sent)
{
	struct request *rq = *conn_slot(c, c->first);
	const struct splice *s = &rq->splices.v[c->cursor.splice];
	const struct log_slice *slice = s->ref;
	int32_t left = s->n - c->cursor.spliced;
	size_t n = (size_t)min_of(left, SEND_BYTES);
	off_t pos = slice->pos + c->cursor.spliced;
	ssize_t put;

	if (!is_cached(c->home, slice, c->cursor.spliced, (int32_t)n)) {
		warm_up(c, s);
		return 0;
	}
	if (!may_write(c, rq->data))
		return -1;
	put = sendfile(c->origin.fd, c->home->disk->fd(slice->file), &pos, n);
	if (put == 0) { /* the file is shorter than its index says */
		trace_error("conn", "segment ends too early", "pos=%" PRId64,
			    (int64_t)pos);
		conn_close(c, false);
		return -1;
	}
	if (put > 0)
		*sent += (size_t)put;
	return result(c, put, n);
}

void conn_flush(struct conn *c)
{
	struct batch_out out;
	size_t sent = 0;
	int rv = 1;

	while (rv > 0 && !c->blocked && !c->warming && !c->ending &&
	       c->first < c->next && *conn_slot(c, c->first)) {
		gather(c, &out);
		if (out.n) {
			sent += out.bytes;
			rv = send_pieces(c, &out);
		} else if (out.slice) {
			rv = send_slice(c, &sent);
		} else {
			advance(c, 0); /* nothing to write: acks=0 */
		}
		if (rv > 0 && sent >= TURN_BYTES) {
			c->blocked = true; /* others first */
			break;
		}
	}
	if (rv < 0)
		return;
	if (c->ending && !c->blocked)
		conn_close(c, false);
	else
		conn_resume(c);
}

bool conns_flush(struct conns *cs)
{
	struct list now;
	struct list *at;

	list_init(&now);
	list_splice(&now, &cs->dirty);
	while ((at = list_pop(&now)))
		conn_flush(list_entry(at, struct conn, dirty_link));
	return !list_empty(&cs->dirty);
}

void conns_answer(struct conns *cs, struct request *rq)
{
	struct conn *c = conn_find(cs, rq->conn);

	if (!c) {
		cs->hooks.done(cs->hooks.ctx, rq);
		return;
	}
	assert(rq->order >= c->first && rq->order < c->next);
	assert(!*conn_slot(c, rq->order));
	if (rq->silent) {
		rq->answer.n = 0;
		assert(rq->splices.n == 0);
	}
	c->answer_bytes += (int64_t)rq->answer.n + rq->splices.bytes;
	*conn_slot(c, rq->order) = rq;
	if (rq->order == c->first)
		conn_mark(c);
}

bool conns_are_quiet(const struct conns *cs)
{
	for (uint32_t i = 0; i < cs->slots_n; i++) {
		const struct conn *c = cs->slots[i];

		if (c && c->first < c->next && c->answer_bytes > 0)
			return false;
	}
	return true;
}
