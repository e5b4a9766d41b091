/* SPDX-License-Identifier: Apache-2.0 */
/*
 * estate: see estate.h. A header of two words and a size before each block
 * keeps it in the list of its owner.
 */
#include "estate.h"

#include <assert.h>
#include <raft.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

struct block {
	struct block *next, *prev;
	size_t n;
	int64_t owner;
};
static struct block heads[ESTATE_OWNERS];
static size_t held[ESTATE_OWNERS];
static int current;

int estate_enter(int owner)
{
	int before = current;

	assert(owner >= 0 && owner < ESTATE_OWNERS);
	current = owner;
	return before;
}

size_t estate_bytes(int owner)
{
	return held[owner];
}

static void insert(struct block *b, size_t n, int64_t owner)
{
	struct block *head = &heads[owner];

	if (!head->next)
		head->next = head->prev = head;
	b->n = n;
	b->owner = owner;
	b->next = head->next;
	b->prev = head;
	head->next->prev = b;
	head->next = b;
	held[owner] += n;
}

static void take_out(struct block *b)
{
	b->prev->next = b->next;
	b->next->prev = b->prev;
	held[b->owner] -= b->n;
}

void *__wrap_malloc(size_t n)
{
	struct block *b = __real_malloc(sizeof(*b) + n);

	if (!b)
		return NULL;
	insert(b, n, current);
	return b + 1;
}

void *__wrap_calloc(size_t n, size_t each)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, each, &all))
		return NULL;
	p = __wrap_malloc(all);
	if (p)
		memset(p, 0, all);
	return p;
}

void __wrap_free(void *p)
{
	struct block *b = p;

	if (!p)
		return;
	take_out(b - 1);
	__real_free(b - 1);
}

void *__wrap_realloc(void *p, size_t n)
{
	struct block *b = p;
	int64_t owner;

	if (!p)
		return __wrap_malloc(n);
	b--;
	owner = b->owner;
	take_out(b);
	b = __real_realloc(b, sizeof(*b) + n);
	assert(b);
	insert(b, n, owner);
	return b + 1;
}

void estate_each(int owner, void (*each)(const void *p, size_t n))
{
	const struct block *head = &heads[owner];

	for (struct block *b = head->next; b && b != head; b = b->next)
		each(b + 1, b->n);
}

void estate_burn(int owner)
{
	struct block *head = &heads[owner];

	while (head->next && head->next != head)
		__wrap_free(head->next + 1);
}

/* ---- libraft ------------------------------------------------------------- */

static void *raft_block(void *data, size_t n)
{
	(void)data;
	return __wrap_malloc(n);
}

static void *raft_zeroed(void *data, size_t n, size_t each)
{
	(void)data;
	return __wrap_calloc(n, each);
}

static void *raft_resized(void *data, void *p, size_t n)
{
	(void)data;
	return __wrap_realloc(p, n);
}

static void raft_done(void *data, void *p)
{
	(void)data;
	__wrap_free(p);
}

static void *raft_aligned(void *data, size_t align, size_t n)
{
	(void)data, (void)align;
	return __wrap_malloc(n);
}

static void raft_aligned_done(void *data, size_t align, void *p)
{
	(void)data, (void)align;
	__wrap_free(p);
}

void estate_serve_libraft(void)
{
	static struct raft_heap heap = {
		.malloc = raft_block, .free = raft_done,
		.calloc = raft_zeroed, .realloc = raft_resized,
		.aligned_alloc = raft_aligned,
		.aligned_free = raft_aligned_done,
	};

	raft_heap_set(&heap);
}
