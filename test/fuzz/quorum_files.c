/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in quorum/ at a start: term and vote, mark, log, snapshots. The
 * node names what is wrong (-EBADMSG, -EINVAL), or runs; then it can be killed
 * and starts again, with no less of a term and of a log.
 *
 * input: flags u8 (1: sums are made right, and commands; 2: it is alone, else
 * one of three), files (files.h)
 */
#include "files.h"
#include "node.h"
#include "quorum_seal.h"
#include "world.h"

#define SUMS 1
#define ALONE 2

static const char *const paths[] = {
	"quorum/vote",
	"quorum/mark",
	"quorum/log.00000000000000000001",
	"quorum/log.00000000000000000002",
	"quorum/log.00000000000000000003",
	"quorum/snapshot.00000000000000000003",
	"quorum/snapshot.00000000000000000008",
	"quorum/taken.new",
	"quorum/vote.new",
};

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	size_t pages = 0;

	for (size_t i = 1; i + 1 < n; i++)
		pages += p[i] > 0;
	pages = min_of(pages, countof(paths)) * 16;
	return ((size_t)4 << 20) + 10 * FILES_PAGE * pages + 1024 * n;
}

/* Has it a snapshot that only a newer program can play? */
static bool is_newer(const struct files *f)
{
	struct snapshot s;

	for (int i = 0; i < f->n; i++) {
		/* behind the length of the cluster's half, fsm.c */
		if (snapshot_parse(&f->bytes[i], &s) && s.data.n >= 8 &&
		    world_is_newer((struct bytes){ s.data.p + 8,
						   s.data.n - 8 }))
			return true;
	}
	return false;
}

/* What it adds itself would go beyond what the next start takes. */
static bool at_the_edge(const struct node *n)
{
	return quorum_term(n->q) > TAIL_TERM_MAX - 1000 ||
	       quorum_last_index(n->q) > TAIL_INDEX_MAX - 1000;
}

static void live(struct node *n)
{
	int64_t term, committed;

	node_pass(n, 1);
	if (at_the_edge(n)) {
		node_close(n);
		return;
	}
	node_pass(n, 100);
	node_pass(n, 2000); /* whoever can be elected alone has been */
	if (quorum_role(n->q) == QUORUM_LEADER)
		for (int i = 0; i < 10; i++)
			node_propose(n);
	node_pass(n, 10);
	node_pass(n, 1100);
	term = quorum_term(n->q);
	committed = quorum_commit_index(n->q); /* behind it none was promised */
	node_close(n);
	disk_mem_crash(n->mem, DISK_MEM_LOSE);
	n->applied = 0;
	must(node_open(n, 1) == 0);
	node_pass(n, 1);
	must(quorum_term(n->q) >= term &&
	     quorum_last_index(n->q) >= committed);
	node_close(n);
}

static void start(struct node *n, int peers)
{
	int rc = node_open(n, peers);

	must(rc == 0 || rc == -EBADMSG || rc == -EINVAL);
	if (rc == 0)
		live(n);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct reader r = reader_of(bytes, size);
	uint8_t flags = read_u8(&r);
	struct node n = { .mem = disk_mem_new(1), .now_ms = 1000 };
	struct files f;

	files_read(&f, &r, paths, countof(paths));
	if (flags & SUMS)
		for (int i = 0; i < f.n; i++)
			quorum_seal(paths[i] + 7, f.bytes[i].p, f.bytes[i].n);
	files_write(&f, disk_mem_disk(n.mem));
	if (!is_newer(&f))
		start(&n, flags & ALONE ? 1 : 3);
	disk_mem_free(n.mem);
	files_fini(&f);
}
