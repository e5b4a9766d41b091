/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map: bytes -> pointer, on uthash. Not sorted, and not for hot paths that
 * could hold the pointer themselves.
 *
 * 1. Walking follows the order of insertion alone (uthash links its elements
 *    in that order); a replaced value keeps the place of its key.
 * 2. The key lives in the node, behind it; numbers are hashed as their eight
 *    big-endian bytes, so a map holds keys of one kind only.
 */
#include <raftmq/base.h>

static _Noreturn void give_up(void)
{
	fatal("out of memory: a map could not grow");
}

#define uthash_fatal(msg) give_up()
#define HASH_FUNCTION(key, n, h) ((h) = (unsigned)hash64(key, n, 0))
#include <uthash.h>

struct map_node {
	UT_hash_handle hh;
	void *value;
	uint8_t key[];
};

static struct map_node *find(const struct map *m, const void *key, size_t n)
{
	struct map_node *node = NULL;

	if (m->nodes)
		HASH_FIND(hh, m->nodes, key, n, node);
	return node;
}

void map_fini(struct map *m)
{
	struct map_node *node, *safe;

	HASH_ITER(hh, m->nodes, node, safe) {
		HASH_DEL(m->nodes, node);
		mem_free(node);
	}
	assert(!m->nodes);
}

size_t map_count(const struct map *m)
{
	return HASH_COUNT(m->nodes);
}

void *map_find(const struct map *m, const void *key, size_t n)
{
	struct map_node *node = find(m, key, n);

	return node ? node->value : NULL;
}

void map_put(struct map *m, const void *key, size_t n, void *v)
{
	struct map_node *node = find(m, key, n);

	assert(n <= INT32_MAX);
	if (node) {
		node->value = v;
		return;
	}
	node = mem_zalloc(sizeof(*node) + n);
	if (n)
		memcpy(node->key, key, n);
	node->value = v;
	HASH_ADD_KEYPTR(hh, m->nodes, node->key, (unsigned)n, node);
}

void *map_remove(struct map *m, const void *key, size_t n)
{
	struct map_node *node = find(m, key, n);
	void *value;

	if (!node)
		return NULL;
	value = node->value;
	HASH_DEL(m->nodes, node);
	mem_free(node);
	return value;
}

static size_t length(struct str key)
{
	assert(key.n >= 0);
	return (size_t)key.n;
}

void *map_find_str(const struct map *m, struct str key)
{
	return map_find(m, key.p, length(key));
}

void map_put_str(struct map *m, struct str key, void *v)
{
	map_put(m, key.p, length(key), v);
}

void *map_remove_str(struct map *m, struct str key)
{
	return map_remove(m, key.p, length(key));
}

void *map_find_i64(const struct map *m, int64_t key)
{
	uint8_t k[8];

	put_be64(k, (uint64_t)key);
	return map_find(m, k, sizeof(k));
}

void map_put_i64(struct map *m, int64_t key, void *v)
{
	uint8_t k[8];

	put_be64(k, (uint64_t)key);
	map_put(m, k, sizeof(k), v);
}

void *map_remove_i64(struct map *m, int64_t key)
{
	uint8_t k[8];

	put_be64(k, (uint64_t)key);
	return map_remove(m, k, sizeof(k));
}

static void look(struct map_iter *i, struct map_node *node)
{
	*i = (struct map_iter){ .at = node };
	if (!node)
		return;
	i->next = node->hh.next;
	i->key = node->key;
	i->key_n = node->hh.keylen;
	i->value = node->value;
}

struct map_iter map_first(const struct map *m)
{
	struct map_iter i;

	look(&i, m->nodes);
	return i;
}

void map_next(struct map_iter *i)
{
	look(i, i->next);
}
