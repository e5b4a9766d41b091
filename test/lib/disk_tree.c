/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_tree: see disk_tree.h, where the invariants stand. Not an operation of
 * struct disk: those are in disk_mem.c.
 */
#include "disk_tree.h"

#define SECTOR 512

struct change {
	struct list link;
	bool truncates; /* to pos */
	int64_t pos;
	size_t n;
	uint8_t data[];
};

struct move {
	struct list link;
	struct place from, to; /* hold the directories, own the names */
	struct node *node;
	bool chosen;
	struct move *mate; /* the next that was chosen, or was not */
};

/* ---- images -------------------------------------------------------------- */

static void fini_image(struct image *i)
{
	for (size_t k = 0; k < i->pages_n; k++)
		mem_free(i->pages[k]);
	mem_free(i->pages);
	*i = (struct image){ 0 };
}

static uint8_t *find_page(const struct image *i, size_t k)
{
	return k < i->pages_n ? i->pages[k] : NULL;
}

static uint8_t *get_page(struct image *i, size_t k)
{
	if (k >= i->pages_n) {
		size_t n = max_of(k + 1, i->pages_n * 2);

		i->pages = mem_realloc(i->pages, n * sizeof(*i->pages));
		memset(i->pages + i->pages_n, 0,
		       (n - i->pages_n) * sizeof(*i->pages));
		i->pages_n = n;
	}
	if (!i->pages[k])
		i->pages[k] = mem_zalloc(DISK_PAGE);
	return i->pages[k];
}

size_t disk_image_read(const struct image *i, int64_t pos, uint8_t *p,
		       size_t n)
{
	size_t done = 0;

	if (pos >= i->size)
		return 0;
	n = (size_t)min_of((int64_t)n, i->size - pos);
	while (done < n) {
		size_t at = (size_t)pos + done;
		size_t part = min_of(n - done, DISK_PAGE - at % DISK_PAGE);
		const uint8_t *page = find_page(i, at / DISK_PAGE);

		if (page)
			memcpy(p + done, page + at % DISK_PAGE, part);
		else
			memset(p + done, 0, part);
		done += part;
	}
	return n;
}

static void write_image(struct image *i, int64_t pos, const uint8_t *p,
			size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t at = (size_t)pos + done;
		size_t part = min_of(n - done, DISK_PAGE - at % DISK_PAGE);

		memcpy(get_page(i, at / DISK_PAGE) + at % DISK_PAGE, p + done,
		       part);
		done += part;
	}
	if (n)
		i->size = max_of(i->size, pos + (int64_t)n);
}

static void truncate_image(struct image *i, int64_t size)
{
	size_t keep = (size_t)(size + DISK_PAGE - 1) / DISK_PAGE;
	size_t rest = (size_t)(size % DISK_PAGE);
	uint8_t *last;

	for (size_t k = keep; k < i->pages_n; k++) {
		mem_free(i->pages[k]);
		i->pages[k] = NULL;
	}
	last = rest ? find_page(i, keep - 1) : NULL;
	if (last)
		memset(last + rest, 0, DISK_PAGE - rest);
	i->size = size;
}

static void copy_image(struct image *to, const struct image *from)
{
	fini_image(to);
	for (size_t k = 0; k < from->pages_n; k++)
		if (from->pages[k])
			memcpy(get_page(to, k), from->pages[k], DISK_PAGE);
	to->size = from->size;
}

/* ---- nodes --------------------------------------------------------------- */

struct node *disk_node_hold(struct node *n)
{
	n->refs++;
	return n;
}

struct node *disk_tree_add(struct tree *t, bool is_dir)
{
	struct node *n = mem_zalloc(sizeof(*n));

	n->is_dir = is_dir;
	list_init(&n->changes);
	list_init(&n->link);
	list_push(&t->nodes, &n->link);
	return n;
}

void disk_node_forget(struct node *n)
{
	struct list *l;

	while ((l = list_pop(&n->changes)))
		mem_free(list_entry(l, struct change, link));
}

void disk_node_drop(struct node *n)
{
	struct map_iter i;

	assert(n->refs > 0);
	if (--n->refs > 0)
		return;
	for (i = map_first(&n->now); i.at; map_next(&i))
		disk_node_drop(i.value);
	for (i = map_first(&n->kept); i.at; map_next(&i))
		disk_node_drop(i.value);
	map_fini(&n->now);
	map_fini(&n->kept);
	disk_node_forget(n);
	fini_image(&n->seen);
	fini_image(&n->safe);
	list_remove(&n->link);
	mem_free(n);
}

int64_t disk_tree_round_up(int64_t size)
{
	return (size + DISK_PAGE - 1) / DISK_PAGE * DISK_PAGE;
}

void disk_tree_charge(struct tree *t, struct node *n, int64_t bytes)
{
	t->used += bytes - n->charged;
	n->charged = bytes;
}

void disk_tree_lose_user(struct tree *t, struct node *n)
{
	assert(n->users > 0);
	if (--n->users == 0)
		disk_tree_charge(t, n, 0);
}

/* Both maps own a reference to what they name. */
static void put_name(struct map *names, const char *name, struct node *n)
{
	struct node *old = map_find_str(names, str_of(name));

	disk_node_hold(n);
	map_put_str(names, str_of(name), n);
	if (old)
		disk_node_drop(old);
}

static void remove_name(struct map *names, const char *name)
{
	struct node *old = map_remove_str(names, str_of(name));

	if (old)
		disk_node_drop(old);
}

/* ---- moves --------------------------------------------------------------- */

static struct place copy_place(struct place p)
{
	if (!p.dir)
		return p;
	return (struct place){ disk_node_hold(p.dir), mem_strdup(p.name) };
}

static void free_place(struct place p)
{
	if (!p.dir)
		return;
	disk_node_drop(p.dir);
	mem_free((char *)(uintptr_t)p.name);
}

static void free_move(struct move *v)
{
	free_place(v->from);
	free_place(v->to);
	disk_node_drop(v->node);
	list_remove(&v->link);
	mem_free(v);
}

/* Shows the move at once, and notes it for the next crash or sync. */
void disk_tree_move(struct tree *t, struct place from, struct place to,
		    struct node *n)
{
	struct move *v = mem_zalloc(sizeof(*v));
	struct node *old = NULL;

	v->from = copy_place(from);
	v->to = copy_place(to);
	v->node = disk_node_hold(n);
	list_init(&v->link);
	list_push(&t->moves, &v->link);
	if (to.dir) {
		n->users++; /* first: without users it would be uncharged */
		old = map_find_str(&to.dir->now, str_of(to.name));
	}
	if (old)
		disk_tree_lose_user(t, old);
	if (from.dir) {
		remove_name(&from.dir->now, from.name);
		disk_tree_lose_user(t, n);
	}
	if (to.dir)
		put_name(&to.dir->now, to.name, n);
}

static void keep_move(struct move *v)
{
	if (v->from.dir)
		remove_name(&v->from.dir->kept, v->from.name);
	if (v->to.dir)
		put_name(&v->to.dir->kept, v->to.name, v->node);
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->dir && a->dir == b->dir && strcmp(a->name, b->name) == 0;
}

static bool share_name(const struct move *a, const struct move *b)
{
	return same_place(&a->from, &b->from) || same_place(&a->from, &b->to) ||
	       same_place(&a->to, &b->from) || same_place(&a->to, &b->to);
}

static bool shares_with_any(const struct move *v, const struct move *first)
{
	for (; first; first = first->mate)
		if (share_name(v, first))
			return true;
	return false;
}

/* Chooses the moves of one directory and those they build upon. */
static void choose_dir(struct tree *t, struct node *dir)
{
	struct move *chosen = NULL;

	for (struct list *l = t->moves.prev; l != &t->moves; l = l->prev) {
		struct move *v = list_entry(l, struct move, link);

		v->chosen = v->from.dir == dir || v->to.dir == dir ||
			    shares_with_any(v, chosen);
		if (!v->chosen)
			continue;
		v->mate = chosen;
		chosen = v;
	}
}

/* Chooses at random, but no move whose forerunner was not chosen. */
static void choose_random(struct tree *t, struct prng *prng)
{
	struct move *left = NULL;

	list_each(l, &t->moves, safe) {
		struct move *v = list_entry(l, struct move, link);

		v->chosen = prng_below(prng, 2) == 0;
		if (v->chosen && shares_with_any(v, left))
			v->chosen = false;
		if (v->chosen)
			continue;
		v->mate = left;
		left = v;
	}
}

static void choose_first(struct tree *t, uint64_t n)
{
	list_each(l, &t->moves, safe)
		list_entry(l, struct move, link)->chosen = n && n--;
}

static void keep_chosen(struct tree *t)
{
	list_each(l, &t->moves, safe) {
		struct move *v = list_entry(l, struct move, link);

		if (!v->chosen)
			continue;
		keep_move(v);
		free_move(v);
	}
}

/* ---- changes of a file --------------------------------------------------- */

static void note(struct node *node, int64_t pos, const uint8_t *p, size_t n)
{
	struct change *c = mem_zalloc(sizeof(*c) + n);

	c->pos = pos;
	c->n = n;
	c->truncates = !p;
	if (p)
		memcpy(c->data, p, n);
	list_init(&c->link);
	list_push(&node->changes, &c->link);
}

void disk_node_write(struct node *n, int64_t pos, const uint8_t *p, size_t len)
{
	if (!len)
		return;
	note(n, pos, p, len);
	write_image(&n->seen, pos, p, len);
}

void disk_node_truncate(struct node *n, int64_t size)
{
	note(n, size, NULL, 0);
	truncate_image(&n->seen, size);
}

static void apply(struct image *i, const struct change *c)
{
	if (c->truncates)
		truncate_image(i, c->pos);
	else
		write_image(i, c->pos, c->data, c->n);
}

void disk_node_sync(struct node *n)
{
	list_each(l, &n->changes, safe)
		apply(&n->safe, list_entry(l, struct change, link));
	disk_node_forget(n);
}

bool disk_node_flip(struct node *n, int64_t pos, uint8_t mask)
{
	struct image *images[] = { &n->seen, &n->safe };
	uint8_t *page;

	if (n->is_dir || pos < 0 || pos >= n->seen.size)
		return false;
	for (size_t i = 0; i < countof(images); i++) {
		if (pos >= images[i]->size)
			continue;
		page = get_page(images[i], (size_t)pos / DISK_PAGE);
		page[pos % DISK_PAGE] ^= mask;
	}
	return true;
}

/* ---- crashing ------------------------------------------------------------ */

/* The first so many changes, and of the next the first so many sectors. */
static void keep_prefix(struct prng *prng, struct node *n)
{
	uint64_t count = 0, whole;

	list_each(l, &n->changes, safe)
		count++;
	whole = prng_below(prng, count + 1);
	list_each(k, &n->changes, after) {
		struct change *c = list_entry(k, struct change, link);
		size_t from = (size_t)c->pos, end;

		if (whole && whole--) {
			apply(&n->safe, c);
			continue;
		}
		end = from + prng_below(prng, c->n + 1);
		end -= end % SECTOR;
		if (end > from)
			write_image(&n->safe, c->pos, c->data, end - from);
		return;
	}
}

static void keep_some_sectors(struct prng *prng, struct image *i,
			      const struct change *c)
{
	size_t done = 0;

	while (done < c->n) {
		size_t at = (size_t)c->pos + done;
		size_t part = min_of(c->n - done, SECTOR - at % SECTOR);

		if (prng_below(prng, 2))
			write_image(i, (int64_t)at, c->data + done, part);
		done += part;
	}
}

static void keep_random(struct prng *prng, struct node *n)
{
	if (list_empty(&n->changes))
		return;
	list_each(l, &n->changes, safe) {
		struct change *c = list_entry(l, struct change, link);

		if (!c->truncates)
			keep_some_sectors(prng, &n->safe, c);
		else if (prng_below(prng, 2))
			apply(&n->safe, c);
	}
	/* the length came down without its bytes: zeroes at the end */
	if (prng_below(prng, 4) == 0 && n->safe.size < n->seen.size)
		n->safe.size = n->seen.size;
}

static void crash_file(struct prng *prng, struct node *n,
		       enum disk_mem_crash how)
{
	if (how == DISK_MEM_PREFIX)
		keep_prefix(prng, n);
	else if (how == DISK_MEM_RANDOM)
		keep_random(prng, n);
	disk_node_forget(n);
	copy_image(&n->seen, &n->safe);
}

static void crash_names(struct tree *t, struct prng *prng,
			enum disk_mem_crash how)
{
	uint64_t n = 0;

	list_each(l, &t->moves, safe)
		n++;
	if (how == DISK_MEM_PREFIX)
		choose_first(t, prng_below(prng, n + 1));
	else if (how == DISK_MEM_RANDOM)
		choose_random(t, prng);
	else
		choose_first(t, 0);
	keep_chosen(t);
	list_each(k, &t->moves, after)
		free_move(list_entry(k, struct move, link));
}

/* What is shown becomes what was kept. */
static void show_kept(struct tree *t, struct node *dir)
{
	struct map_iter i;

	for (i = map_first(&dir->now); i.at; map_next(&i)) {
		disk_tree_lose_user(t, i.value);
		disk_node_drop(i.value);
	}
	map_fini(&dir->now);
	for (i = map_first(&dir->kept); i.at; map_next(&i)) {
		struct node *n = i.value;

		n->users++;
		map_put(&dir->now, i.key, i.key_n, disk_node_hold(n));
	}
}

void disk_tree_hold_all(struct tree *t)
{
	list_each(l, &t->nodes, safe)
		disk_node_hold(list_entry(l, struct node, link));
}

void disk_tree_drop_all(struct tree *t)
{
	for (struct list *l = t->nodes.prev, *before; l != &t->nodes;
	     l = before) {
		before = l->prev; /* still held, whatever goes with this one */
		disk_node_drop(list_entry(l, struct node, link));
	}
}

void disk_tree_crash(struct tree *t, struct prng *prng,
		     enum disk_mem_crash how)
{
	crash_names(t, prng, how);
	disk_tree_hold_all(t);
	list_each(k, &t->nodes, after) {
		struct node *n = list_entry(k, struct node, link);

		if (n->is_dir)
			show_kept(t, n);
		else
			crash_file(prng, n, how);
	}
	list_each(j, &t->nodes, next) {
		struct node *n = list_entry(j, struct node, link);

		if (n->users && !n->is_dir)
			disk_tree_charge(t, n,
					 disk_tree_round_up(n->seen.size));
	}
	disk_tree_drop_all(t);
}

void disk_tree_sync_dir(struct tree *t, struct node *dir)
{
	choose_dir(t, dir);
	keep_chosen(t);
}

void disk_tree_init(struct tree *t)
{
	*t = (struct tree){ 0 };
	list_init(&t->nodes);
	list_init(&t->moves);
	t->root = disk_node_hold(disk_tree_add(t, true));
}

void disk_tree_fini(struct tree *t)
{
	list_each(l, &t->moves, safe)
		free_move(list_entry(l, struct move, link));
	disk_node_drop(t->root);
	assert(list_empty(&t->nodes)); /* no file is open any more */
}
