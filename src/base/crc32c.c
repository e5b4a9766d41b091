/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c: the Castagnoli checksum (RFC 3720, appendix B.4), by isa-l where
 * configure found it, else by tables, eight bytes a step. Not a defence
 * against anyone who means it.
 *
 * 1. Both ways give the same numbers: tests compare them.
 * 2. The tables are filled before main() and only read afterwards.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <limits.h>
#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif

#include <raftmq/base.h>

#define POLYNOMIAL 0x82f63b78 /* reflected */

static uint32_t table[8][256];

static __attribute__((constructor)) void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = table[t - 1][i];

			table[t][i] = c >> 8 ^ table[0][c & 0xff];
		}
}

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

uint32_t crc32c_table(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t c = ~crc;

	for (; n >= 8; n -= 8, b += 8) {
		uint32_t lo = c ^ get_le32(b), hi = get_le32(b + 4);

		c = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^
		    table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
		    table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^
		    table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
	}
	for (; n; n--, b++)
		c = c >> 8 ^ table[0][(c ^ *b) & 0xff];
	return ~c;
}

#ifdef HAVE_ISAL
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n) {
		size_t part = min_of(n, (size_t)INT_MAX);

		/* isa-l does not write, it only forgot the const */
		crc = ~crc32_iscsi((uint8_t *)(uintptr_t)b, (int)part, ~crc);
		b += part;
		n -= part;
	}
	return crc;
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_table(crc, p, n);
}
#endif
