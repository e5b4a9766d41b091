/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw: the installed libraft as it is, driven by hand and without any guard.
 * Server 1 of a small configuration; a check that fails ends the test.
 */
#ifndef TEST_QUORUM_RAW_H
#define TEST_QUORUM_RAW_H

#include "core.h"
#include "unit.h"

#define COMMAND RAFT_COMMAND

struct raw {
	struct raft r;
	struct raft_update u;
	int64_t now;
};

/* What is shown here leaks: before the first allocation of a test. */
void raw_allow_leaks(void);
struct raft_configuration raw_conf(int voters, int standbys);
struct raft_buffer raw_encoded(const struct raft_configuration *c);
/* A change entry of that configuration; its buffer is never freed. */
struct raft_entry raw_change(int voters, int standbys, uint64_t term);
int raw_step(struct raw *s, struct raft_event *e);
/* last - 1 commands of the term stand behind the first entry */
void raw_start(struct raw *s, struct raft_entry first, uint64_t term,
	       int last);
int raw_timeout(struct raw *s);
int raw_receive(struct raw *s, struct raft_message *m);
int raw_vote(struct raw *s, raft_id from, bool pre_vote,
	     uint16_t capacity);
void raw_persist(struct raw *s);
void raw_lead(struct raw *s);
int raw_submit(struct raw *s, struct raft_entry *v, unsigned n);
struct raft_message raw_ack(struct raw *s, raft_id from, uint64_t last);
struct raft_message raw_rejection(struct raw *s, raft_id from,
				  uint64_t rejected, uint64_t last);
struct raft_message raw_append(raft_id from, uint64_t term, uint64_t prev,
			       uint64_t prev_term);
void raw_with_entries(struct raft_message *m, struct raft_entry *v,
		      unsigned n);
const struct raft_message *raw_sent(struct raw *s, int type);
uint64_t raw_match(struct raw *s, raft_id id);

#endif
