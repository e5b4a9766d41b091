/* SPDX-License-Identifier: Apache-2.0 */
/* log_seal: see log_seal.h. */
#include "log_seal.h"

#include <raftmq/wire.h>

#define PAGE 4096
#define CHECKPOINT_HEAD 64
#define FRAME_HEADER 64
#define BATCH_CRC_AT 17
#define BATCH_SUM_AT 21
#define JOURNAL_APPEND 2

/* Batches one behind the other. */
static void seal_batches(uint8_t *p, size_t n)
{
	struct batch b;

	while (n && batch_peek(p, n, &b) == K_NONE && (size_t)b.size <= n) {
		put_be32(p + BATCH_CRC_AT,
			 crc32c(0, p + BATCH_SUM_AT,
				(size_t)b.size - BATCH_SUM_AT));
		p += b.size;
		n -= (size_t)b.size;
	}
}

static void seal_checkpoint(uint8_t *p, size_t n)
{
	if (n < CHECKPOINT_HEAD)
		return;
	put_be64(p + 36, n - CHECKPOINT_HEAD);
	put_be32(p + 60, crc32c(0, p, 60));
	p += CHECKPOINT_HEAD;
	n -= CHECKPOINT_HEAD;
	while (n >= 8) {
		uint32_t size = get_be32(p);

		if (size > n - 8)
			return;
		put_be32(p + 4, crc32c(0, p + 8, size));
		p += 8 + size;
		n -= 8 + size;
	}
}

/* kind u8, id u32, length u32, payload; of an append: 16 bytes, batches */
static void seal_entries(uint8_t *p, size_t n)
{
	while (n >= 9) {
		uint32_t size = get_be32(p + 5);

		if (size > n - 9)
			return;
		if (*p == JOURNAL_APPEND && size > 16)
			seal_batches(p + 9 + 16, size - 16);
		p += 9 + size;
		n -= 9 + size;
	}
}

static void seal_journal(uint8_t *p, size_t n)
{
	const uint8_t *head = p;

	if (n < PAGE)
		return;
	put_be32(p + 48, crc32c(0, p, 48));
	for (size_t at = PAGE; at + PAGE <= n;) {
		uint8_t *f = p + at;
		size_t used = get_be32(f + 24);
		size_t whole = (used + PAGE - 1) / PAGE * PAGE;

		if (used < FRAME_HEADER || whole > n - at) {
			at += PAGE;
			continue;
		}
		memcpy(f + 8, head + 32, 8); /* the file's salt */
		seal_entries(f + FRAME_HEADER, used - FRAME_HEADER);
		put_be32(f + 28, 0);
		put_be32(f + 28, crc32c(0, f, whole));
		at += whole;
	}
}

static void seal_cut(uint8_t *p, size_t n)
{
	if (n >= 60)
		put_be32(p + 56, crc32c(0, p, 56));
}

void log_seal(const char *path, struct buf *b)
{
	const char *name = strrchr(path, '/') + 1;

	if (!b->n)
		return;
	if (strstr(name, ".checkpoint"))
		seal_checkpoint(b->p, b->n);
	else if (strncmp(path, "journal/", 8) == 0)
		seal_journal(b->p, b->n);
	else if (strcmp(name, "cut") == 0)
		seal_cut(b->p, b->n);
	else if (strstr(name, ".log"))
		seal_batches(b->p, b->n);
}
