/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uuid: 16 bytes and their text as Kafka prints them, RFC 4648 base64url
 * without padding. Not a generator: prng_uuid draws them.
 */
#include <raftmq/base.h>

#define TEXT_N (UUID_TEXT_MAX - 1)

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool uuid_is_zero(struct uuid u)
{
	return uuid_eq(u, (struct uuid){ { 0 } });
}

void uuid_text(struct uuid u, char out[UUID_TEXT_MAX])
{
	uint64_t hi = get_be64(u.b), lo = get_be64(u.b + 8);

	/* 128 bits and four zero bits, taken six by six from the top */
	for (int i = 0; i < TEXT_N; i++) {
		out[i] = letters[hi >> 58];
		hi = hi << 6 | lo >> 58;
		lo <<= 6;
	}
	out[TEXT_N] = '\0';
}

bool uuid_parse(struct str s, struct uuid *out)
{
	uint64_t hi = 0, lo = 0, last = 0;

	if (s.n == TEXT_N + 2 && s.p[TEXT_N] == '=' && s.p[TEXT_N + 1] == '=')
		s.n = TEXT_N;
	if (s.n != TEXT_N)
		return false;
	for (int i = 0; i < TEXT_N; i++) {
		const char *at = s.p[i] ? strchr(letters, s.p[i]) : NULL;

		if (!at)
			return false;
		last = (uint64_t)(at - letters);
		if (i == TEXT_N - 1)
			break;
		hi = hi << 6 | lo >> 58;
		lo = lo << 6 | last;
	}
	/* the last letter holds two bits; one text per id: the rest is zero */
	if (last & 15)
		return false;
	hi = hi << 2 | lo >> 62;
	lo = lo << 2 | last >> 4;
	put_be64(out->b, hi);
	put_be64(out->b + 8, lo);
	return true;
}
