/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_tree: the files and directories of disk_mem, each twice: as it is seen
 * and as a crash would leave it. Not the faults and not the operations: those
 * are disk_mem's.
 *
 * 1. A file has two images; the changes between them stand in order in its
 *    list.
 * 2. A directory has two maps of names; the moves between them stand in one
 *    list of the tree, because a rename touches two directories.
 * 3. A move may become durable only after every earlier move of the same
 *    name in the same directory.
 * 4. A node lives as long as a map, a move or an open file refers to it.
 */
#ifndef TEST_DISK_TREE_H
#define TEST_DISK_TREE_H

#include "disk_mem.h"

#define DISK_PAGE 4096

struct image {
	uint8_t **pages; /* NULL: all zeroes */
	size_t pages_n;
	int64_t size;
};

struct node {
	struct list link; /* in tree.nodes */
	unsigned refs;
	unsigned users; /* names that show it, and open files */
	bool is_dir;
	bool unreadable;
	struct map now, kept;    /* of a directory: name -> node */
	struct image seen, safe; /* of a file */
	struct list changes;
	int64_t charged;
};

struct place {
	struct node *dir; /* NULL: none */
	const char *name;
};

struct tree {
	struct node *root;
	struct list nodes, moves;
	int64_t used; /* bytes charged to nodes that have users */
};

void disk_tree_init(struct tree *t);
void disk_tree_fini(struct tree *t);
/* No node may go while the list is walked. */
void disk_tree_hold_all(struct tree *t);
void disk_tree_drop_all(struct tree *t);
/* What is seen becomes what the crash has left; not for DISK_MEM_KEEP. */
void disk_tree_crash(struct tree *t, struct prng *prng,
		     enum disk_mem_crash how);
/* The names of the directory are kept from now on. */
void disk_tree_sync_dir(struct tree *t, struct node *dir);
/* The node leaves from and appears at to; either may be nowhere. */
void disk_tree_move(struct tree *t, struct place from, struct place to,
		    struct node *n);
void disk_tree_charge(struct tree *t, struct node *n, int64_t bytes);
int64_t disk_tree_round_up(int64_t size); /* to whole pages */

struct node *disk_tree_add(struct tree *t, bool is_dir); /* no name yet */
struct node *disk_node_hold(struct node *n);
void disk_node_drop(struct node *n);
void disk_tree_lose_user(struct tree *t, struct node *n);
void disk_node_write(struct node *n, int64_t pos, const uint8_t *p, size_t len);
void disk_node_truncate(struct node *n, int64_t size);
void disk_node_sync(struct node *n);
void disk_node_forget(struct node *n); /* unsynced changes will never be kept */
bool disk_node_flip(struct node *n, int64_t pos, uint8_t mask);
size_t disk_image_read(const struct image *i, int64_t pos, uint8_t *p,
		       size_t n);

#endif
