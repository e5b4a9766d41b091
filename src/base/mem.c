/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem: memory that is never NULL, and arenas. Not an accounting of memory:
 * what a client can grow is bounded by the structure that grows.
 *
 * 1. Every arena block is 16-byte aligned; asking for nothing gives a pointer
 *    that may be compared and freed with the arena, not read.
 * 2. The chunk at the head is the one with room; chunks made for one large
 *    block stand behind it, so that its rest stays usable.
 * 3. Under AddressSanitizer the bytes of a chunk that were not handed out are
 *    poisoned, with a gap behind each block: an overrun is caught as it would
 *    be on the heap.
 */
#include <stdio.h>
#include <stdlib.h>

#include <raftmq/base.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 16
#define poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define GAP 0
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16
#define CHUNK_MIN 1008 /* with header and malloc's own word: 1 KiB */
#define CHUNK_MAX ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	_Alignas(ALIGN) uint8_t data[];
};

static void *checked(void *p, size_t n)
{
	if (!p)
		fatal("out of memory: %zu bytes", n);
	return p;
}

void *mem_alloc(size_t n)
{
	return checked(malloc(n ? n : 1), n);
}

void *mem_zalloc(size_t n)
{
	return checked(calloc(1, n ? n : 1), n);
}

void *mem_realloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1), n);
}

void *mem_dup(const void *p, size_t n)
{
	void *copy = mem_alloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
	free(p);
}

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

static void free_chunks(struct arena_chunk *c)
{
	struct arena_chunk *next;

	for (; c; c = next) {
		next = c->next;
		unpoison(c->data, c->size);
		free(c);
	}
}

void arena_fini(struct arena *a)
{
	free_chunks(a->head);
	arena_init(a);
}

/* Keeps the head chunk: an arena that is used again and again settles. */
void arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->head;

	a->bytes = 0;
	if (!c)
		return;
	free_chunks(c->next);
	c->next = NULL;
	c->used = 0;
	poison(c->data, c->size);
}

static struct arena_chunk *make_chunk(size_t size)
{
	struct arena_chunk *c;

	c = mem_alloc(sizeof(*c) + size);
	c->next = NULL;
	c->size = size;
	c->used = 0;
	poison(c->data, size);
	return c;
}

/* A chunk with room for n; becomes the head unless it is for n alone. */
static struct arena_chunk *add_chunk(struct arena *a, size_t n)
{
	struct arena_chunk *head = a->head;
	struct arena_chunk *c;
	size_t size = head ? head->size * 2 : CHUNK_MIN;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (head && n > size / 2) {
		c = make_chunk(n);
		c->next = head->next;
		head->next = c;
		return c;
	}
	c = make_chunk(max_of(n, size));
	c->next = head;
	a->head = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->head;
	size_t room;
	void *p;

	if (n > SIZE_MAX / 2)
		fatal("out of memory: %zu bytes", n);
	room = (n + GAP + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!c || c->size - c->used < room)
		c = add_chunk(a, room);
	p = c->data + c->used;
	c->used += room;
	a->bytes += n;
	unpoison(p, n);
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
	void *copy = arena_alloc(a, n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	text = arena_alloc(a, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}
