/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prng: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. Not for
 * secrets: host asks the kernel for those.
 *
 * 1. The same seed gives the same numbers on every machine, for ever.
 */
#include <raftmq/base.h>

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

void prng_init(struct prng *p, uint64_t seed)
{
	for (size_t i = 0; i < countof(p->s); i++)
		p->s[i] = splitmix(&seed);
}

uint64_t prng_next(struct prng *p)
{
	uint64_t *s = p->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t prng_below(struct prng *p, uint64_t limit)
{
	uint64_t unfair, x;

	assert(limit > 0);
	unfair = (0 - limit) % limit; /* 2^64 mod limit: drawn again */
	do
		x = prng_next(p);
	while (x < unfair);
	return x % limit;
}

struct uuid prng_uuid(struct prng *p)
{
	struct uuid u;

	put_be64(u.b, prng_next(p));
	put_be64(u.b + 8, prng_next(p));
	u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40); /* RFC 9562: version 4, */
	u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80); /* its variant */
	return u;
}
