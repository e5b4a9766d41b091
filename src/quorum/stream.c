/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: snapshots to and from peers, in pieces, beside everything else.
 * The core sends a snapshot as one message and sends it again at every
 * heartbeat (T9); here that message only begins a stream, of which there is
 * one per peer. The receiver says where it wants to go on, so a lost piece or
 * a broken connection costs one piece.
 *
 *   sender                                   receiver
 *   read piece (job), send       ------->    append, or not
 *   next piece                   <-------    wants `next`
 *   all arrived: wait, asking     <-------    wants `total`; installs
 *   with the last byte
 *   ends                         <-------    has installed it
 *   or when the core's match     <-------    AppendEntries result
 *   reaches the snapshot
 */
#include "core.h"

#define RETRY_MS 500       /* a piece without an answer is sent again */
#define GIVE_UP_MS 15000   /* no piece arrives */
#define INSTALL_MS 120000  /* all arrived, but it is not acknowledged */

struct piece {
	struct work work;
	int32_t peer;
	int64_t index, at, size;
	struct buf data;
};

static struct stream_out *find(struct quorum *q, int32_t peer)
{
	for (int i = 0; i < q->streams_n; i++)
		if (q->streams[i].peer == peer)
			return &q->streams[i];
	return NULL;
}

/*
 * The core waits for what it has asked for last, and deaf to anything else
 * the peer says: if that was not this one, it is begun now.
 */
static void stop(struct quorum *q, struct stream_out *s, const char *why)
{
	int32_t peer;
	bool again;

	trace_info("quorum", "snapshot stream ends",
		   "peer=%d index=%" PRId64 " why=\"%s\"", s->peer, s->index,
		   why);
	again = s->again;
	peer = s->peer;
	*s = q->streams[--q->streams_n];
	if (again)
		stream_begin(q, peer);
}

void stream_stop_all(struct quorum *q)
{
	q->streams_n = 0;
}

int64_t stream_oldest(const struct quorum *q)
{
	int64_t oldest = q->snapshot_index;

	for (int i = 0; i < q->streams_n; i++)
		oldest = min_of(oldest, q->streams[i].index);
	return oldest;
}

/* ---- sending ------------------------------------------------------------- */

/*
 * Where the next piece begins. When all has arrived that is the last byte,
 * over and over: a receiver that died while it installed wants all of it
 * again, and cannot say so unless it is asked.
 */
static int64_t wanted(const struct stream_out *s)
{
	return s->at == s->total ? s->total - 1 : s->at;
}

static int piece_run(struct work *w)
{
	struct piece *p = container_of(w, struct piece, work);
	struct disk *d = w->q->disk;
	char path[SNAPSHOT_PATH_MAX];
	struct file *f;
	int64_t n;
	int rc;

	snapshot_path(path, p->index);
	rc = d->ops->open(d, path, DISK_READ, &f);
	if (rc)
		return rc;
	p->size = d->ops->size(f);
	n = d->ops->read(f, p->at, buf_grow(&p->data, MESSAGE_PIECE_MAX),
			 MESSAGE_PIECE_MAX, false);
	p->data.n = n > 0 ? (size_t)n : 0;
	d->ops->close(f);
	return n < 0 ? (int)n : 0;
}

static void piece_done(struct work *w)
{
	struct piece *p = container_of(w, struct piece, work);
	struct quorum *q = w->q;
	struct stream_out *s = find(q, p->peer);
	struct message m = { .type = MESSAGE_PIECE };

	if (!s || s->index != p->index || wanted(s) != p->at || s->sent_ms)
		return; /* it ended, or went on elsewhere, meanwhile */
	if (w->rc || !p->data.n) {
		stop(q, s, "cannot be read");
		return;
	}
	s->total = p->size;
	s->sent_ms = q->now_ms;
	m.piece = (struct message_piece){
		.term = q->term,
		.index = s->index,
		.total = s->total,
		.at = p->at,
		.data = { p->data.p, (int32_t)p->data.n },
	};
	step_send(q, &m, s->peer, true);
}

static void piece_drop(struct work *w)
{
	struct piece *p = container_of(w, struct piece, work);

	buf_fini(&p->data);
	mem_free(p);
}

static void send_piece(struct quorum *q, struct stream_out *s)
{
	struct piece *p = mem_zalloc(sizeof(*p));

	s->sent_ms = 0;
	p->peer = s->peer;
	p->index = s->index;
	p->at = wanted(s);
	p->work.run = piece_run;
	p->work.done = piece_done;
	p->work.drop = piece_drop;
	write_give(q, &p->work);
}

void stream_begin(struct quorum *q, int32_t peer)
{
	struct stream_out *s = find(q, peer);

	if (s)
		s->again = s->index < q->snapshot_index;
	if (s || q->streams_n == QUORUM_MEMBERS_MAX || !q->snapshot_index)
		return;
	s = &q->streams[q->streams_n++];
	*s = (struct stream_out){ .peer = peer,
				  .index = q->snapshot_index,
				  .total = INT64_MAX,
				  .moved_ms = q->now_ms };
	trace_info("quorum", "snapshot stream begins",
		   "peer=%d index=%" PRId64, peer, s->index);
	send_piece(q, s);
}

void stream_result(struct quorum *q, int32_t from,
		   const struct message_piece_result *r)
{
	struct stream_out *s = find(q, from);

	if (!s || r->index != s->index)
		return;
	if (r->installed) {
		stop(q, s, "installed");
		return;
	}
	if (r->next > s->total || !s->sent_ms ||
	    r->next == s->at) /* an answer to an earlier copy */
		return;
	s->moved_ms = q->now_ms;
	s->at = r->next;
	if (s->at < s->total)
		send_piece(q, s);
}

void stream_acknowledged(struct quorum *q, int32_t peer)
{
	struct stream_out *s = find(q, peer);
	raft_index match;

	if (!s || raft_match_index(&q->raft, raft_id_of(peer), &match))
		return;
	if ((int64_t)match >= s->index)
		stop(q, s, "installed");
}

static int64_t patience(const struct stream_out *s)
{
	return s->at == s->total ? INSTALL_MS : GIVE_UP_MS;
}

void stream_tick(struct quorum *q)
{
	for (int i = q->streams_n - 1; i >= 0; i--) {
		struct stream_out *s = &q->streams[i];

		if (q->now_ms - s->moved_ms >= patience(s))
			stop(q, s, "no answer");
		else if (s->sent_ms && q->now_ms - s->sent_ms >= RETRY_MS)
			send_piece(q, s);
	}
}

int64_t stream_next(const struct quorum *q, int64_t before)
{
	for (int i = 0; i < q->streams_n; i++) {
		const struct stream_out *s = &q->streams[i];

		before = min_of(before, s->moved_ms + patience(s));
		if (s->sent_ms)
			before = min_of(before, s->sent_ms + RETRY_MS);
	}
	return before;
}

/* ---- receiving ----------------------------------------------------------- */

/* next -1: it is installed, or not wanted after all. */
static void answer(struct quorum *q, int32_t to, int64_t index, int64_t next)
{
	struct message m = { .type = MESSAGE_PIECE_RESULT };

	m.piece_result = (struct message_piece_result){
		.term = q->term,
		.index = index,
		.next = max_of(next, (int64_t)0),
		.installed = next < 0,
	};
	step_send(q, &m, to, false);
}

static bool contradicts(struct quorum *q, int32_t from,
			const struct raft_install_snapshot *is)
{
	uint64_t known = step_term_at(q, (int64_t)is->last_index);

	if (!guard_contradicts_snapshot(&q->raft, is, known))
		return false;
	trace_error("quorum", "a leader's snapshot contradicts what is "
		    "committed", "peer=%d index=%llu", from, is->last_index);
	return true;
}

/* The image is whole: the core decides whether it is wanted. */
static bool offer(struct quorum *q, int32_t from, uint64_t term)
{
	struct raft_message m = { .type = RAFT_INSTALL_SNAPSHOT,
				  .server_id = raft_id_of(from) };
	struct raft_install_snapshot *is = &m.install_snapshot;
	struct snapshot s;

	if (!snapshot_parse(&q->incoming.image, &s) ||
	    s.index != q->incoming.index ||
	    !guard_read_configuration(s.conf.p, (size_t)s.conf.n, &is->conf)) {
		trace_warn("quorum", "snapshot from a peer is damaged",
			   "peer=%d", from);
		return false;
	}
	is->term = term;
	is->last_index = (raft_index)s.index;
	is->last_term = s.term;
	is->conf_index = (raft_index)s.conf_index;
	is->data.base = raft_malloc(1); /* a handle: the image stays here */
	is->data.len = 1;
	if (guard_is_sound(&q->raft, &m) && !contradicts(q, from, is)) {
		step_receive(q, &m);
	} else {
		raft_configuration_close(&is->conf);
		raft_free(is->data.base);
	}
	return true;
}

static void forget(struct stream_in *in)
{
	buf_fini(&in->image);
	in->peer = -1;
}

static int64_t take_piece(struct quorum *q, int32_t from,
			  const struct message_piece *p)
{
	struct stream_in *in = &q->incoming;

	if (in->peer != from || in->index != p->index ||
	    in->total != p->total) {
		forget(in);
		in->peer = from;
		in->index = p->index;
		in->total = p->total;
	}
	if (p->at != (int64_t)in->image.n)
		return (int64_t)in->image.n;
	buf_put(&in->image, p->data.p, (size_t)p->data.n);
	if ((int64_t)in->image.n < in->total)
		return (int64_t)in->image.n;
	if (!offer(q, from, p->term)) {
		forget(in);
		return 0;
	}
	if (q->installing)
		return p->total;
	forget(in);
	return -1;
}

void stream_piece(struct quorum *q, int32_t from, const struct message_piece *p)
{
	if (p->term < q->term || p->total > SNAPSHOT_MAX ||
	    q->role == QUORUM_LEADER)
		return;
	if (q->installing) {
		/* this one, or another: then its sender has to wait */
		if (p->index == q->tail.first - 1)
			answer(q, from, p->index, p->total);
		return;
	}
	if (p->index <= q->snapshot_index)
		answer(q, from, p->index, -1);
	else
		answer(q, from, p->index, take_piece(q, from, p));
}

/* ---- installing ---------------------------------------------------------- */

struct install {
	struct work work;
	struct buf image;
	struct snapshot s;
	struct fsm_image state;
};

/* Decoding and the file first: nothing is lost if either fails. */
static int install_run(struct work *w)
{
	struct install *i = container_of(w, struct install, work);
	struct quorum *q = w->q;
	int rc;

	if (!i->state.cluster && !fsm_decode(i->s.data, &i->state))
		fatal("quorum: a snapshot that arrived whole cannot be "
		      "decoded: the leader is newer than this node");
	rc = snapshot_write(q->disk, &i->image, i->s.index,
			    "quorum/installed.new");
	return rc ? rc : entries_reset(&q->entries, i->s.index + 1);
}

static void install_done(struct work *w)
{
	struct install *i = container_of(w, struct install, work);

	trace_info("quorum", "snapshot installed", "index=%" PRId64,
		   i->s.index);
	apply_snapshot(w->q, &i->s, &i->state);
}

static void install_drop(struct work *w)
{
	struct install *i = container_of(w, struct install, work);

	fsm_image_fini(&i->state);
	buf_fini(&i->image);
	mem_free(i);
}

void stream_install(struct quorum *q)
{
	struct install *i = mem_zalloc(sizeof(*i));

	i->image = q->incoming.image;
	q->incoming.image = (struct buf){ 0 };
	q->incoming.peer = -1;
	if (!snapshot_parse(&i->image, &i->s))
		fatal("quorum: the snapshot to install is gone");
	i->work.run = install_run;
	i->work.done = install_done;
	i->work.drop = install_drop;
	write_order(q, &i->work);
}
