/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim: whole quorums in one process, in virtual time, from one seed. Nodes
 * are struct quorum on disk_mem; frames are delayed, lost, doubled and
 * reordered; jobs take time; nodes crash between and inside of jobs and lose
 * what was not synced. Not a test: sim_test.c says what to do and what has
 * to hold in the end.
 *
 * Checked at every step, with a failing assertion that names the seed:
 *  - at most one leader per term;
 *  - every node applies the same commands at the same index, with the same
 *    state afterwards, and none of them twice;
 *  - what was refused for certain is never applied, what was acknowledged is
 *    never missing;
 *  - a read that was answered shows everything acknowledged before it;
 *  - entries of the same index and term are the same, and so are all before
 *    them (sim_compare_logs).
 */
#ifndef TEST_QUORUM_SIM_H
#define TEST_QUORUM_SIM_H

#include <raftmq/quorum.h>

#include "disk_mem.h"

#define SIM_NODES_MAX 8

struct sim_config {
	uint64_t seed;
	int founders; /* nodes 0 .. founders - 1 */
	int joiners;  /* the ones behind them start blank and join */
	int64_t snapshot_entries;
	int64_t hash_entries;
	int32_t election_timeout_ms, heartbeat_ms; /* 0: the defaults */
	int64_t trailing_entries; /* kept below a snapshot; 0: the default */
	int64_t segment_bytes;    /* of the log; 0: the default */
	int64_t disk_us; /* a job takes up to so long; 0: 1 ms */
	bool big_state; /* too big to be hashed at every command */
};

struct sim_net {
	int lose, twice, reorder; /* per cent */
	int ancient; /* per cent that come seconds later */
	int64_t delay_us, jitter_us;
};

struct sim;
struct sim *sim_new(const struct sim_config *c);
void sim_free(struct sim *s);
struct quorum *sim_node(struct sim *s, int node); /* NULL: it is down */
struct disk_mem *sim_disk(struct sim *s, int node);
struct prng *sim_prng(struct sim *s);
int64_t sim_now_ms(const struct sim *s);
struct sim_net *sim_net(struct sim *s);

void sim_start(struct sim *s, int node);
/* As quorum_open tells: for tests of damage. */
int sim_try_start(struct sim *s, int node);
/* peers_notice: connections to it are reset, as when a process is killed */
void sim_crash(struct sim *s, int node, enum disk_mem_crash how,
	       bool peers_notice);
void sim_wipe(struct sim *s, int node); /* of one that is down */
void sim_crash_in_job(struct sim *s, int node); /* at its next one */
void sim_cut(struct sim *s, int a, int b, bool on); /* both directions */
void sim_heal(struct sim *s); /* links, network, dooms */

void sim_run(struct sim *s, int64_t ms);
/* Until the condition holds; false: it did not within that time. */
bool sim_run_until(struct sim *s, int64_t ms,
		   bool (*holds)(struct sim *s, void *arg), void *arg);
int sim_leader(struct sim *s); /* with the highest term; -1 none */
bool sim_leads(struct sim *s, int node); /* or believes so */
bool sim_has_leader(struct sim *s, void *unused);
/* All that run have applied everything that was acknowledged, and agree. */
bool sim_settled(struct sim *s, void *unused);

/* frame as if from that node; it happens at once */
void sim_receive(struct sim *s, int node, int from, struct bytes frame);
void sim_propose(struct sim *s, int node, int32_t extra_bytes);
void sim_read(struct sim *s, int node);
void sim_change(struct sim *s, enum quorum_change_kind kind, int node);

/* sim_command.c: extra bytes of state, or a small command when 0 */
void sim_command(struct buf *out, struct prng *p, uint64_t cookie,
		 int32_t extra);

struct sim_counts {
	int64_t proposed, acked, refused, unknown, applied;
	int64_t reads, reads_ok, elections, snapshots, installs, crashes;
	int64_t frames, changes_ok;
};
struct sim_counts sim_counts(const struct sim *s);
int64_t sim_acked_index(const struct sim *s);
void sim_compare_logs(struct sim *s);
int sim_last_change_error(const struct sim *s);

#endif
