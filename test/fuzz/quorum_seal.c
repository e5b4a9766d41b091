/* SPDX-License-Identifier: Apache-2.0 */
/* quorum_seal: see quorum_seal.h. Layouts as in src/quorum. */
#include "quorum_seal.h"

#define SLOT_DATA 48
#define SLOT_SIZE (4 + 8 + SLOT_DATA + 4)
#define SLOT_STRIDE 4096
#define SEGMENT_HEADER 64
#define RECORD_HEADER 56
#define TYPE_COMMAND 1
#define TYPE_BARRIER 2
#define FSM_CHECK 3
#define TO_COORD 2
#define ALLOCATE 10 /* producer ids: key i16, time i64, count i32, no tags */

void quorum_seal_command(uint8_t *type, uint8_t *data, size_t n)
{
	if (*type != TYPE_COMMAND)
		return;
	if (n == 0) {
		*type = TYPE_BARRIER;
		return;
	}
	data[0] = n < 16 ? FSM_CHECK : TO_COORD;
	if (n < 16)
		return;
	put_be16(data + 1, ALLOCATE);
	data[11] = data[12] = 0; /* not all ids at once */
	data[15] = 0;
}

static void seal_slots(uint8_t *p, size_t n)
{
	for (size_t at = 0; at + SLOT_SIZE <= n; at += SLOT_STRIDE)
		put_be32(p + at + 12 + SLOT_DATA,
			 crc32c(0, p + at, 12 + SLOT_DATA));
}

static void seal_log(uint8_t *p, size_t n)
{
	if (n < SEGMENT_HEADER)
		return;
	put_be32(p + 60, crc32c(0, p, 60));
	for (size_t at = SEGMENT_HEADER; at + RECORD_HEADER <= n;) {
		uint8_t *r = p + at;
		size_t size = get_be32(r + 48);

		if (size > n - at - RECORD_HEADER)
			return;
		put_be64(r + 8, at);
		quorum_seal_command(r + 52, r + RECORD_HEADER, size);
		put_be32(r + 4, crc32c(0, r + 8, RECORD_HEADER - 8 + size));
		at += RECORD_HEADER + size;
	}
}

static void seal_snapshot(uint8_t *p, size_t n)
{
	size_t conf;

	if (n < 48)
		return;
	conf = get_be32(p + 32);
	if (conf > n - 48)
		return;
	put_be64(p + 36, n - 48 - conf);
	put_be32(p + n - 4, crc32c(0, p, n - 4));
}

void quorum_seal(const char *name, uint8_t *p, size_t n)
{
	if (strncmp(name, "log.", 4) == 0)
		seal_log(p, n);
	else if (strncmp(name, "snapshot.", 9) == 0)
		seal_snapshot(p, n);
	else
		seal_slots(p, n);
}
