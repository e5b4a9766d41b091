/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: what a fuzz target is. A target is one file here; it reads bytes that
 * a stranger or a broken disk may have written, through the code that reads
 * them in the broker, and aborts when something is wrong. libFuzzer, AFL++ and
 * the replayer of `make check` (driver.c) call it in the same way.
 *
 * What a target promises and fuzz.c checks for each input:
 *
 * 1. The memory held at any one time stays within fuzz_memory.
 * 2. Memory does not grow from run to run on the same input (replayer; under
 *    libFuzzer LeakSanitizer looks): nothing leaks.
 *
 * Where a checksum would stop every mutation, a flag in the first byte of the
 * input asks the target to make the sums right before it lets the bytes in, so
 * that any fuzzer gets behind them, and a kept input is the same for all.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <raftmq/base.h>

/* The target: reads n bytes at p, which end exactly there. */
void fuzz_one(const uint8_t *p, size_t n);
/* The most that such an input may hold in memory at a time, in bytes. */
size_t fuzz_memory(const uint8_t *p, size_t n);

/* What must be true whatever the input is. Also counts as a finding. */
#define must(what)                                                             \
	((what) ? (void)0 : fuzz_failed(#what, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* Bytes that are the same. */
bool fuzz_same(const struct buf *a, const struct buf *b);
/* What is left in the reader, as a loan. */
struct bytes fuzz_rest(struct reader *r);
/* At most n bytes; fewer at the end of the input. */
struct bytes fuzz_take(struct reader *r, size_t n);
/* Forgets the content, keeps the memory. */
void fuzz_clear(struct buf *b);

/* Runs one input and checks what stands above; driver.c and libFuzzer call. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Bytes held now; 0 where they cannot be counted (ThreadSanitizer). */
size_t fuzz_held(void);
/* The most since the last input began. */
size_t fuzz_peak(void);

#endif
