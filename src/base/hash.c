/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash: 64 bits from bytes, by folded 64x64 multiplications. Not
 * cryptographic, and not to be found in Kafka: its murmur2 is the clients'.
 *
 * 1. The value is part of the data format (ids and placement are made from
 *    it): the same on every machine, and never changed. A test holds vectors.
 */
#include <raftmq/base.h>

#define K0 0x9e3779b97f4a7c15 /* odd, about half of the bits set */
#define K1 0xd1b54a32d192ed03
#define K2 0x8cb92ba72f3d8dd7

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
	wide m = (wide)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The last 0 to 15 bytes as two words; the length keeps them apart. */
static void get_tail(const uint8_t *p, size_t n, uint64_t *a, uint64_t *b)
{
	*a = *b = 0;
	if (n >= 8) {
		*a = get_be64(p);
		*b = get_be64(p + n - 8);
	} else if (n >= 4) {
		*a = get_be32(p);
		*b = get_be32(p + n - 4);
	} else if (n > 0) {
		*a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
	}
}

uint64_t hash64(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *at = p;
	uint64_t h = fold(seed ^ K0, n ^ K1);
	uint64_t a, b;

	for (; n >= 16; n -= 16, at += 16)
		h = fold(get_be64(at) ^ K1 ^ h, get_be64(at + 8) ^ K2);
	get_tail(at, n, &a, &b);
	h = fold(a ^ K1 ^ h, b ^ K0);
	return fold(h ^ K2, K0);
}
