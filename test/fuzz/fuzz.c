/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: the frame around every target. Counts memory: through the hooks of
 * the sanitizer where there is one, else by standing before malloc itself, so
 * that what libraries allocate on our behalf (a codec's window) counts too.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNT_BY_HOOKS 1
#endif
#if __has_feature(thread_sanitizer)
#define COUNT_NOTHING 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define COUNT_BY_HOOKS 1
#endif
#ifdef __SANITIZE_THREAD__
#define COUNT_NOTHING 1
#endif

static int64_t held, peak; /* fuzz targets have one thread */

#ifndef COUNT_NOTHING
static void gained(size_t n)
{
	held += (int64_t)n;
	if (held > peak)
		peak = held;
}

static void lost(size_t n)
{
	held -= (int64_t)n;
}
#endif

#if defined(COUNT_BY_HOOKS)
/* as in clang's sanitizer/allocator_interface.h; gcc has no such header */
int __sanitizer_install_malloc_and_free_hooks(
	void (*on_malloc)(const volatile void *, size_t),
	void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	gained(n);
}

static void on_free(const volatile void *p)
{
	if (p)
		lost(__sanitizer_get_allocated_size(p));
}

static void start_counting(void)
{
	if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free))
		abort();
}

#elif defined(COUNT_NOTHING)

static void start_counting(void)
{
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

void *malloc(size_t n)
{
	void *p = __libc_malloc(n);

	gained(malloc_usable_size(p));
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);

	gained(malloc_usable_size(p));
	return p;
}

void *realloc(void *old, size_t n)
{
	size_t before = malloc_usable_size(old);
	void *p = __libc_realloc(old, n);

	if (p || !n) {
		gained(malloc_usable_size(p));
		lost(before);
	}
	return p;
}

void free(void *p)
{
	lost(malloc_usable_size(p));
	__libc_free(p);
}

static void start_counting(void)
{
}
#endif

size_t fuzz_held(void)
{
	return held > 0 ? (size_t)held : 0;
}

size_t fuzz_peak(void)
{
	return peak > 0 ? (size_t)peak : 0;
}

/* ---- helpers ------------------------------------------------------------- */

void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: must be true: %s\n", file, line, what);
	abort();
}

bool fuzz_same(const struct buf *a, const struct buf *b)
{
	return a->n == b->n && (!a->n || memcmp(a->p, b->p, a->n) == 0);
}

struct bytes fuzz_take(struct reader *r, size_t n)
{
	size_t take = min_of(n, reader_left(r));
	struct bytes b = { r->p, (int32_t)take };

	r->p += take;
	return b;
}

struct bytes fuzz_rest(struct reader *r)
{
	return fuzz_take(r, reader_left(r));
}

void fuzz_clear(struct buf *b)
{
	b->n = 0;
}

/* ---- one input ----------------------------------------------------------- */

/* Lines are made, so that a wrong format shows, and dropped. */
static void drop_line(enum trace_level level, const char *line)
{
	if (getenv("FUZZ_TRACE"))
		fprintf(stderr, "%d %s\n", (int)level, line);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	trace_sink = drop_line;
	trace_level_max = TRACE_DEBUG;
	start_counting();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int64_t before = held, bound = (int64_t)fuzz_memory(p, n);

	peak = held;
	fuzz_one(p, n);
	if (peak - before > bound) {
		fprintf(stderr, "%zu bytes of input took %" PRId64 " bytes of "
			"memory, more than %" PRId64 "\n", n, peak - before,
			bound);
		abort();
	}
	return 0;
}
