/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running node of a quorum of three, and peers that say whatever they like,
 * in frames that are well formed: no message stops it, and after a kill it
 * starts again with what it had synced.
 *
 * input: flags u8 (1: it joins and knows nobody), steps:
 *   0 type from n, n bytes   a frame with that body, numbers as they stand
 *   1 type from and fields   a frame whose numbers are near the node's own:
 *                            each a signed byte from its term or last index
 *   2 ms u16                 time passes, jobs run
 *   3                        a proposal
 *   4 peer                   a connection breaks
 *   5 from term index cut    a snapshot, whole or with one byte changed
 *   6                        time passes, jobs do not run
 *   7 peer                   handing over
 */
#include "node.h"
#include "quorum_seal.h"

#define STEPS_MAX 200

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return ((size_t)8 << 20) + 4096 * n;
}

static struct buf frame;

/* ---- frames -------------------------------------------------------------- */

static void begin_frame(struct node *n, uint8_t type, int32_t from)
{
	fuzz_clear(&frame);
	buf_put_u8(&frame, 1);
	buf_put_u8(&frame, type);
	buf_put_i16(&frame, 0);
	buf_put_i32(&frame, 0);
	buf_put_i64(&frame, (int64_t)(n->q->group ? n->q->group : 77));
	buf_put_i32(&frame, from);
	buf_put_i32(&frame, 1);
}

/* The commands in an append: apply trusts them (quorum_seal.h). */
static void seal_entries(uint8_t *p, size_t n)
{
	for (p += 36, n = n < 36 ? 0 : n - 36; n >= 13;) {
		size_t size = get_be32(p + 9);

		if (size > n - 13)
			return;
		quorum_seal_command(p + 8, p + 13, size);
		p += 13 + size;
		n -= 13 + size;
	}
}

static void end_frame(struct node *n, int32_t from)
{
	if (frame.p[1] == MESSAGE_APPEND)
		seal_entries(frame.p + MESSAGE_HEADER,
			     frame.n - MESSAGE_HEADER);
	put_be32(frame.p + 4, crc32c(0, frame.p + 8, frame.n - 8));
	quorum_receive(n->q, from,
		       (struct bytes){ frame.p, (int32_t)frame.n });
}

static uint64_t near(struct reader *r, int64_t base, uint64_t edge)
{
	int8_t v = (int8_t)read_u8(r);

	if (v == 127)
		return edge - 1;
	if (v == 126)
		return UINT64_MAX;
	if (v == 125)
		return 0;
	return (uint64_t)(base + v);
}

static uint64_t near_term(struct reader *r, const struct node *n)
{
	return near(r, quorum_term(n->q), MESSAGE_TERM_MAX);
}

static void put_term(struct reader *r, const struct node *n)
{
	buf_put_i64(&frame, (int64_t)near_term(r, n));
}

static int64_t near_index(struct reader *r, int64_t base)
{
	return (int64_t)near(r, base, MESSAGE_INDEX_MAX);
}

static void put_index(struct reader *r, int64_t base)
{
	buf_put_i64(&frame, near_index(r, base));
}

static void put_entries(struct node *n, struct reader *r)
{
	uint8_t count = read_u8(r) % 8;

	buf_put_i32(&frame, count);
	for (int i = 0; i < count; i++) {
		uint8_t type, size;

		put_term(r, n);
		type = read_u8(r);
		size = read_u8(r) % 64;
		buf_put_u8(&frame, type);
		if (type == RAFT_CHANGE && n->q->conf.n && size < 32) {
			buf_put_i32(&frame, (int32_t)n->q->conf.n);
			buf_put(&frame, n->q->conf.p, n->q->conf.n);
			continue;
		}
		buf_put_i32(&frame, size);
		for (int k = 0; k < size; k++)
			buf_put_u8(&frame, read_u8(r));
	}
}

static void put_body(struct node *n, struct reader *r, uint8_t type)
{
	int64_t last = quorum_last_index(n->q);

	put_term(r, n);
	switch (type) {
	case MESSAGE_VOTE:
		buf_put_i64(&frame, read_u8(r)); /* the candidate */
		put_index(r, last);
		put_term(r, n);
		buf_put_i16(&frame, read_i16(r) & 0x101);
		break;
	case MESSAGE_VOTE_RESULT:
		buf_put_i16(&frame, read_i16(r) & 0x101);
		buf_put_i32(&frame, 0);
		break;
	case MESSAGE_APPEND:
		put_index(r, last);
		put_term(r, n);
		put_index(r, last);
		put_entries(n, r);
		break;
	case MESSAGE_APPEND_RESULT:
		put_index(r, read_u8(r) & 1 ? last : 0);
		put_index(r, last);
		buf_put_i32(&frame, 0);
		break;
	case MESSAGE_TIMEOUT_NOW:
		put_index(r, last);
		put_term(r, n);
		break;
	case MESSAGE_PIECE_RESULT:
		put_index(r, last);
		put_index(r, last);
		buf_put_u8(&frame, read_u8(r) & 1);
		break;
	default: /* probes */
		put_index(r, 0);
	}
}

/* ---- snapshots ----------------------------------------------------------- */

static void send_image(struct node *n, struct reader *r, int32_t from,
		       const struct buf *image, int64_t index)
{
	size_t half = 1 + read_u8(r) * (image->n - 1) / 256, at = 0;

	while (n->q && at < image->n) {
		size_t part = at ? image->n - at : half;

		begin_frame(n, MESSAGE_PIECE, from);
		put_term(r, n);
		buf_put_i64(&frame, index);
		buf_put_i64(&frame, (int64_t)image->n);
		buf_put_i64(&frame, (int64_t)at);
		buf_put_i32(&frame, (int32_t)part);
		buf_put(&frame, image->p + at, part);
		end_frame(n, from);
		at += part;
	}
}

static void send_snapshot(struct node *n, struct reader *r, int32_t from)
{
	struct snapshot s = {
		.term = near_term(r, n),
		.index = near_index(r, quorum_last_index(n->q)),
		.conf_index = max_of(n->q->conf_index, (int64_t)1),
		.conf = { n->q->conf.p, (int32_t)n->q->conf.n },
	};
	struct buf image = { 0 };
	uint8_t cut = read_u8(r);

	if (!n->q->conf.n)
		return;
	snapshot_begin(&image, &s);
	fsm_encode(&n->q->fsm, &image);
	snapshot_end(&image);
	if (cut)
		image.p[cut * (image.n - 1) / 255] ^= cut;
	send_image(n, r, from, &image, s.index);
	buf_fini(&image);
}

/* ---- steps --------------------------------------------------------------- */

static int32_t peer_of(uint8_t v)
{
	return v < 200 ? 2 + v % 2 : v; /* 4 and up: nobody knows them */
}

static void send_frame(struct node *n, struct reader *r, bool is_near)
{
	uint8_t type = read_u8(r);
	int32_t from = peer_of(read_u8(r));

	type = (uint8_t)(1 + type % MESSAGE_PROBE_RESULT);
	begin_frame(n, type, from);
	if (is_near) {
		put_body(n, r, type);
	} else {
		struct bytes b = fuzz_take(r, read_u8(r));

		buf_put(&frame, b.p, (size_t)b.n);
	}
	end_frame(n, from);
}

static void step(struct node *n, struct reader *r)
{
	switch (read_u8(r) % 8) {
	case 0:
		send_frame(n, r, false);
		break;
	case 1:
		send_frame(n, r, true);
		break;
	case 2:
		node_pass(n, (uint16_t)read_i16(r) % 5000);
		break;
	case 3:
		node_propose(n);
		break;
	case 4:
		quorum_peer_lost(n->q, peer_of(read_u8(r)));
		break;
	case 5:
		send_snapshot(n, r, peer_of(read_u8(r)));
		break;
	case 6:
		n->now_ms += read_u8(r);
		quorum_tick(n->q, n->now_ms);
		quorum_turn_end(n->q);
		break;
	case 7:
		(void)!quorum_transfer(n->q, peer_of(read_u8(r)));
		break;
	}
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct reader r = reader_of(bytes, size);
	struct node n = { .mem = disk_mem_new(1), .now_ms = 1000 };
	bool joins = read_u8(&r) & 1;
	struct buf state = { 0 };
	int64_t term;

	must(node_open(&n, joins ? 0 : 3) == 0);
	node_pass(&n, 1);
	for (int i = 0; i < STEPS_MAX && reader_left(&r); i++)
		step(&n, &r);
	node_pass(&n, 1);
	term = quorum_term(n.q);
	quorum_state_encode(n.q, &state);
	must(state.n > 0);
	buf_fini(&state);
	node_close(&n);
	disk_mem_crash(n.mem, DISK_MEM_LOSE);
	n.applied = 0;
	must(node_open(&n, joins ? 0 : 3) == 0);
	node_pass(&n, 1);
	must(quorum_term(n.q) >= term);
	node_close(&n);
	disk_mem_free(n.mem);
}
