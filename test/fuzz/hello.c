/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first frame each way between brokers: read, written, read again.
 *
 * input: kind u8 (odd: the listener's answer), the body
 */
#include "hello.h"

#include "fuzz.h"

#define TEXT_MAX 512 /* a longer one is cut when it is written */

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	return 4096 + 4 * n;
}

static struct buf out;

static void try_hello(struct bytes in)
{
	struct hello h, g;

	if (!hello_decode(in.p, (size_t)in.n, &h))
		return;
	hello_encode(&out, &h);
	must(get_be32(out.p) == out.n - 4);
	must(hello_decode(out.p + 4, out.n - 4, &g));
	must(uuid_eq(h.cluster, g.cluster) && h.node == g.node &&
	     uuid_eq(h.incarnation, g.incarnation));
	must(h.purpose == g.purpose && h.thread == g.thread &&
	     h.shards == g.shards && h.joins == g.joins);
	h.address.n = min_of(h.address.n, TEXT_MAX);
	must(str_eq(h.address, g.address));
}

static void try_answer(struct bytes in)
{
	struct hello_answer a, b;

	if (!hello_answer_decode(in.p, (size_t)in.n, &a))
		return;
	hello_answer_encode(&out, &a);
	must(hello_answer_decode(out.p + 4, out.n - 4, &b));
	must(a.error == b.error && a.node == b.node &&
	     uuid_eq(a.cluster, b.cluster) && a.shards == b.shards);
	a.text.n = min_of(a.text.n, TEXT_MAX);
	must(str_eq(a.text, b.text));
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct reader r = reader_of(p, n);
	bool is_answer = read_u8(&r) & 1;

	fuzz_clear(&out);
	if (is_answer)
		try_answer(fuzz_rest(&r));
	else
		try_hello(fuzz_rest(&r));
}
