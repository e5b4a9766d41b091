/* SPDX-License-Identifier: Apache-2.0 */
/* message: frames between quorums; the contract is in message.h. */
#include "message.h"

#define MESSAGE_VERSION 1
#define CRC_AT 4
#define ENTRY_HEADER 13 /* term u64, type u8, length u32 */

/*
 * version u8, type u8, zero u16, crc u32 of all behind it, group u64,
 * from i32, to i32
 */
static void put_header(struct buf *out, const struct message *m)
{
	buf_put_u8(out, MESSAGE_VERSION);
	buf_put_u8(out, (uint8_t)m->type);
	buf_put_i16(out, 0);
	buf_put_i32(out, 0);
	buf_put_i64(out, (int64_t)m->group);
	buf_put_i32(out, m->from);
	buf_put_i32(out, m->to);
}

static void put_u64(struct buf *out, uint64_t v)
{
	buf_put_i64(out, (int64_t)v);
}

static void put_vote(struct buf *out, const struct raft_request_vote *v,
		     bool newcomer)
{
	put_u64(out, v->term);
	put_u64(out, v->candidate_id);
	put_u64(out, v->last_log_index);
	put_u64(out, v->last_log_term);
	buf_put_u8(out, v->disrupt_leader);
	buf_put_u8(out, v->pre_vote);
	buf_put_u8(out, newcomer);
}

static void put_vote_result(struct buf *out,
			    const struct raft_request_vote_result *v)
{
	put_u64(out, v->term);
	buf_put_u8(out, v->vote_granted);
	buf_put_u8(out, v->pre_vote);
	buf_put_i16(out, (int16_t)v->features);
	buf_put_i16(out, (int16_t)v->capacity);
}

static void put_append(struct buf *out, const struct raft_append_entries *a,
		       const struct tail *t)
{
	put_u64(out, a->term);
	put_u64(out, a->prev_log_index);
	put_u64(out, a->prev_log_term);
	put_u64(out, a->leader_commit);
	buf_put_i32(out, (int32_t)a->n_entries);
	for (unsigned i = 0; i < a->n_entries; i++) {
		const struct entry *e =
			tail_get(t, (int64_t)a->prev_log_index + 1 + i);

		assert(e);
		put_u64(out, e->term);
		buf_put_u8(out, e->type);
		buf_put_i32(out, e->n);
		buf_put(out, e->data, (size_t)e->n);
	}
}

static void put_append_result(struct buf *out,
			      const struct raft_append_entries_result *a)
{
	put_u64(out, a->term);
	put_u64(out, a->rejected);
	put_u64(out, a->last_log_index);
	buf_put_i16(out, (int16_t)a->features);
	buf_put_i16(out, (int16_t)a->capacity);
}

static void put_piece(struct buf *out, const struct message_piece *p)
{
	put_u64(out, p->term);
	buf_put_i64(out, p->index);
	buf_put_i64(out, p->total);
	buf_put_i64(out, p->at);
	buf_put_i32(out, p->data.n);
	buf_put(out, p->data.p, (size_t)p->data.n);
}

void message_encode(struct buf *out, const struct message *m,
		    const struct tail *t)
{
	size_t begin = out->n;
	uint8_t *p;

	put_header(out, m);
	switch (m->type) {
	case MESSAGE_VOTE:
		put_vote(out, &m->raft.request_vote, m->newcomer);
		break;
	case MESSAGE_VOTE_RESULT:
		put_vote_result(out, &m->raft.request_vote_result);
		break;
	case MESSAGE_APPEND:
		put_append(out, &m->raft.append_entries, t);
		break;
	case MESSAGE_APPEND_RESULT:
		put_append_result(out, &m->raft.append_entries_result);
		buf_put_u8(out, m->newcomer);
		break;
	case MESSAGE_TIMEOUT_NOW:
		put_u64(out, m->raft.timeout_now.term);
		put_u64(out, m->raft.timeout_now.last_log_index);
		put_u64(out, m->raft.timeout_now.last_log_term);
		break;
	case MESSAGE_PIECE:
		put_piece(out, &m->piece);
		break;
	case MESSAGE_PIECE_RESULT:
		put_u64(out, m->piece_result.term);
		buf_put_i64(out, m->piece_result.index);
		buf_put_i64(out, m->piece_result.next);
		buf_put_u8(out, m->piece_result.installed);
		break;
	case MESSAGE_PROBE:
	case MESSAGE_PROBE_RESULT:
		put_u64(out, m->probe.term);
		put_u64(out, m->probe.serial);
		break;
	}
	p = out->p + begin;
	put_be32(p + CRC_AT,
		 crc32c(0, p + CRC_AT + 4, out->n - begin - CRC_AT - 4));
}

/* ---- decoding ------------------------------------------------------------ */

static uint64_t read_u64(struct reader *r)
{
	return (uint64_t)read_i64(r);
}

/* A flag is 0 or 1, nothing else. */
static bool read_flag(struct reader *r)
{
	uint8_t v = read_u8(r);

	if (v > 1)
		r->bad = true;
	return v == 1;
}

/* The versions are those libraft 0.22.1 sets: they switch checks on. */
static void read_vote(struct reader *r, struct message *out)
{
	struct raft_message *m = &out->raft;
	struct raft_request_vote *v = &m->request_vote;

	m->type = RAFT_REQUEST_VOTE;
	v->version = 2;
	v->term = read_u64(r);
	v->candidate_id = read_u64(r);
	v->last_log_index = read_u64(r);
	v->last_log_term = read_u64(r);
	v->disrupt_leader = read_flag(r);
	v->pre_vote = read_flag(r);
	out->newcomer = read_flag(r);
}

static void read_vote_result(struct reader *r, struct raft_message *m)
{
	struct raft_request_vote_result *v = &m->request_vote_result;

	m->type = RAFT_REQUEST_VOTE_RESULT;
	v->version = 2;
	v->term = read_u64(r);
	v->vote_granted = read_flag(r);
	v->pre_vote = read_flag(r);
	v->features = (unsigned short)read_i16(r);
	v->capacity = (unsigned short)read_i16(r);
}

static void read_entry(struct reader *r, struct raft_entry *e)
{
	int32_t n;

	e->term = read_u64(r);
	e->type = (enum raft_entry_type)read_u8(r);
	n = read_i32(r);
	if (n < 0)
		r->bad = true;
	e->buf.base = r->bad ? NULL : (void *)read_span(r, (size_t)n);
	e->buf.len = (size_t)n;
}

static void read_append(struct reader *r, struct raft_message *m,
			struct arena *a)
{
	struct raft_append_entries *ae = &m->append_entries;
	int32_t n;

	m->type = RAFT_APPEND_ENTRIES;
	ae->version = 0;
	ae->term = read_u64(r);
	ae->prev_log_index = read_u64(r);
	ae->prev_log_term = read_u64(r);
	ae->leader_commit = read_u64(r);
	n = read_i32(r);
	if (r->bad || n < 0 || (size_t)n > reader_left(r) / ENTRY_HEADER) {
		r->bad = true;
		return;
	}
	ae->n_entries = (unsigned)n;
	ae->entries = arena_zalloc(a, (size_t)n * sizeof(*ae->entries));
	for (int32_t i = 0; i < n && !r->bad; i++)
		read_entry(r, &ae->entries[i]);
}

static void read_append_result(struct reader *r, struct raft_message *m)
{
	struct raft_append_entries_result *a = &m->append_entries_result;

	m->type = RAFT_APPEND_ENTRIES_RESULT;
	a->version = 2;
	a->term = read_u64(r);
	a->rejected = read_u64(r);
	a->last_log_index = read_u64(r);
	a->features = (unsigned short)read_i16(r);
	a->capacity = (unsigned short)read_i16(r);
}

static void read_timeout_now(struct reader *r, struct raft_message *m)
{
	m->type = RAFT_TIMEOUT_NOW;
	m->timeout_now.version = 0;
	m->timeout_now.term = read_u64(r);
	m->timeout_now.last_log_index = read_u64(r);
	m->timeout_now.last_log_term = read_u64(r);
}

static void read_piece(struct reader *r, struct message_piece *p)
{
	p->term = read_u64(r);
	p->index = read_i64(r);
	p->total = read_i64(r);
	p->at = read_i64(r);
	p->data.n = read_i32(r);
	if (p->index < 1 || p->total < 1 || p->at < 0 || p->data.n < 1 ||
	    p->at > p->total - p->data.n)
		r->bad = true;
	p->data.p = r->bad ? NULL : read_span(r, (size_t)p->data.n);
}

static void read_body(struct reader *r, struct message *m, struct arena *a)
{
	switch (m->type) {
	case MESSAGE_VOTE:
		read_vote(r, m);
		break;
	case MESSAGE_VOTE_RESULT:
		read_vote_result(r, &m->raft);
		break;
	case MESSAGE_APPEND:
		read_append(r, &m->raft, a);
		break;
	case MESSAGE_APPEND_RESULT:
		read_append_result(r, &m->raft);
		m->newcomer = read_flag(r);
		break;
	case MESSAGE_TIMEOUT_NOW:
		read_timeout_now(r, &m->raft);
		break;
	case MESSAGE_PIECE:
		read_piece(r, &m->piece);
		break;
	case MESSAGE_PIECE_RESULT:
		m->piece_result.term = read_u64(r);
		m->piece_result.index = read_i64(r);
		m->piece_result.next = read_i64(r);
		m->piece_result.installed = read_flag(r);
		if (m->piece_result.next < 0)
			r->bad = true;
		break;
	case MESSAGE_PROBE:
	case MESSAGE_PROBE_RESULT:
		m->probe.term = read_u64(r);
		m->probe.serial = read_u64(r);
		break;
	default:
		r->bad = true;
	}
}

bool message_decode(struct bytes frame, struct message *out, struct arena *a)
{
	struct reader r;
	uint32_t crc;

	if (frame.n < MESSAGE_HEADER)
		return false;
	memset(out, 0, sizeof(*out));
	r = reader_of(frame.p, (size_t)frame.n);
	if (read_u8(&r) != MESSAGE_VERSION)
		return false;
	out->type = (enum message_type)read_u8(&r);
	if (read_i16(&r) != 0)
		return false;
	crc = read_u32(&r);
	if (crc != crc32c(0, r.p, reader_left(&r)))
		return false;
	out->group = read_u64(&r);
	out->from = read_i32(&r);
	out->to = read_i32(&r);
	if (out->from < 0 || out->from == INT32_MAX)
		return false;
	read_body(&r, out, a);
	if (out->type <= MESSAGE_TIMEOUT_NOW)
		out->raft.server_id = raft_id_of(out->from);
	return !r.bad && reader_left(&r) == 0;
}
