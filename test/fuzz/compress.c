/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four codecs: any bytes are decompressed within a limit; what came out
 * is compressed and must come out again.
 *
 * input: codec u8 (modulo 5), limit u8 (0: the broker's rule, a hundred times
 * the input, at most 64 MiB; else so many times 64 bytes), the compressed bytes
 */
#include <raftmq/wire.h>

#include "fuzz.h"

/*
 * Besides what comes out: a zstd window of 8 MiB and its block, twice while
 * the decoder makes room; LZ4's largest block of 4 MiB, twice.
 */
#define WINDOWS ((size_t)20 << 20)

static size_t limit_of(uint8_t choice, size_t n)
{
	return choice ? choice * (size_t)64 :
			min_of((size_t)64 << 20, 100 * n);
}

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	size_t limit = n > 1 ? limit_of(p[1], n) : 0;

	return WINDOWS + 5 * limit + 16 * n;
}

void fuzz_one(const uint8_t *p, size_t n)
{
	static struct buf plain, packed, again;
	struct reader r = reader_of(p, n);
	enum codec c = (enum codec)(read_u8(&r) % 5);
	size_t limit = limit_of(read_u8(&r), n);
	struct bytes in = fuzz_rest(&r);
	int err;

	if (!codec_is_built(c))
		return;
	fuzz_clear(&packed);
	buf_fini(&plain);
	buf_fini(&again);
	buf_put(&plain, "xyz", 3); /* it appends */
	err = codec_decompress(c, in, limit, &plain);
	must(!memcmp(plain.p, "xyz", 3));
	must(err == 0 || err == -EBADMSG || err == -E2BIG);
	must(err ? plain.n == 3 : plain.n <= 3 + limit);
	if (err || plain.n > (size_t)64 << 10)
		return;
	in = (struct bytes){ plain.p + 3, (int32_t)plain.n - 3 };
	must(codec_compress(c, in, &packed) == 0);
	in = (struct bytes){ packed.p, (int32_t)packed.n };
	must(codec_decompress(c, in, plain.n - 3, &again) == 0);
	must(again.n == plain.n - 3 &&
	     (!again.n || !memcmp(again.p, plain.p + 3, again.n)));
}
