/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between quorums. A frame that is accepted is exactly the one that
 * would be written for what it says (message.h promises that); and the members
 * in a change of configuration are read by the guard, never by the core.
 *
 * input: flags u8, the frame
 *   1  version and checksum are made right
 *   2  the bytes are those of a configuration, not of a frame
 */
#include "guard.h"
#include "message.h"

#include "fuzz.h"

#define SUM 1
#define MEMBERS 2

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	/* an entry of 13 bytes is 64 in memory, and again in the tail */
	return ((size_t)64 << 10) + 64 * n;
}

static struct arena arena;

static void seal(uint8_t *p, size_t n)
{
	if (n < MESSAGE_HEADER)
		return;
	p[0] = 1;
	p[2] = p[3] = 0;
	put_be32(p + 4, crc32c(0, p + 8, n - 8));
}

static void fill_tail(struct tail *t, const struct raft_append_entries *a)
{
	tail_init(t, (int64_t)a->prev_log_index + 1);
	for (unsigned i = 0; i < a->n_entries; i++) {
		const struct raft_entry *e = &a->entries[i];

		tail_push(t, e->term, (uint8_t)e->type,
			  (struct bytes){ e->buf.base, (int32_t)e->buf.len });
	}
}

static void write_again(const struct message *m, struct bytes frame)
{
	static struct buf out;
	const struct raft_append_entries *a = &m->raft.append_entries;
	bool has_tail = m->type == MESSAGE_APPEND;
	struct tail t;

	if (has_tail && a->prev_log_index >= MESSAGE_INDEX_MAX)
		return; /* the guard refuses it: tails do not reach that far */
	if (has_tail)
		fill_tail(&t, a);
	fuzz_clear(&out);
	message_encode(&out, m, has_tail ? &t : NULL);
	must(out.n == (size_t)frame.n && !memcmp(out.p, frame.p, out.n));
	if (has_tail)
		tail_fini(&t);
}

static void read_members(struct bytes in)
{
	struct raft_configuration c;

	if (!guard_read_configuration(in.p, (size_t)in.n, &c))
		return;
	must(c.n >= 1 && c.n <= 64);
	raft_configuration_close(&c);
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	uint8_t flags = read_u8(&r);
	struct bytes rest = fuzz_rest(&r);
	uint8_t *copy;
	struct message m;

	if (flags & MEMBERS) {
		read_members(rest);
		return;
	}
	arena_reset(&arena);
	copy = mem_dup(rest.p, (size_t)rest.n);
	if (flags & SUM)
		seal(copy, (size_t)rest.n);
	rest.p = copy;
	if (message_decode(rest, &m, &arena))
		write_again(&m, rest);
	mem_free(copy);
}
