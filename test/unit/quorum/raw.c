/* SPDX-License-Identifier: Apache-2.0 */
/* raw: the installed libraft as it is; the contract is in raw.h. */
#include "raw.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

void raw_allow_leaks(void)
{
#if defined(__SANITIZE_ADDRESS__)
	__lsan_disable();
#endif
}

struct raft_configuration raw_conf(int voters, int standbys)
{
	struct raft_configuration c;

	raft_configuration_init(&c);
	for (int i = 1; i <= voters + standbys; i++) {
		char address[2] = { (char)('0' + i), 0 };

		ck_assert_int_eq(raft_configuration_add(
					 &c, (raft_id)i, address,
					 i <= voters ? RAFT_VOTER :
						       RAFT_STANDBY), 0);
	}
	return c;
}

struct raft_buffer raw_encoded(const struct raft_configuration *c)
{
	struct raft_buffer b;

	ck_assert_int_eq(raft_configuration_encode(c, &b), 0);
	return b;
}

/* A change entry of that configuration; the buffer leaks into the test. */
struct raft_entry raw_change(int voters, int standbys, uint64_t term)
{
	struct raft_configuration c;
	struct raft_entry e = { .type = RAFT_CHANGE, .term = term };

	raw_allow_leaks();
	c = raw_conf(voters, standbys);
	e.buf = raw_encoded(&c);
	raft_configuration_close(&c);
	return e;
}

int raw_step(struct raw *s, struct raft_event *e)
{
	e->time = (raft_time)s->now;
	e->capacity = GUARD_CAPACITY;
	memset(&s->u, 0, sizeof(s->u));
	return raft_step(&s->r, e, &s->u);
}

/* Server 1 of a configuration; last - 1 commands of the term behind it. */
void raw_start(struct raw *s, struct raft_entry first, uint64_t term,
	       int last)
{
	struct raft_entry v[64] = { first };
	struct raft_event e = { .type = RAFT_START };

	raw_allow_leaks();
	memset(s, 0, sizeof(*s));
	s->now = 10000;
	ck_assert_int_eq(raft_init(&s->r, NULL, NULL, 1, "1"), 0);
	raft_seed(&s->r, 42);
	raft_set_election_timeout(&s->r, 500);
	raft_set_heartbeat_timeout(&s->r, 50);
	raft_set_pre_vote(&s->r, true);
	for (int i = 1; i < last; i++)
		v[i] = (struct raft_entry){ .term = term, .type = COMMAND };
	e.start.term = term;
	e.start.start_index = 1;
	e.start.entries = v;
	e.start.n_entries = (unsigned)last;
	ck_assert_int_eq(raw_step(s, &e), 0);
}

int raw_timeout(struct raw *s)
{
	struct raft_event e = { .type = RAFT_TIMEOUT };

	s->now = max_of(s->now, (int64_t)raft_timeout(&s->r));
	return raw_step(s, &e);
}

int raw_receive(struct raw *s, struct raft_message *m)
{
	struct raft_event e = { .type = RAFT_RECEIVE };

	m->server_address = "?";
	e.receive.message = m;
	return raw_step(s, &e);
}

int raw_vote(struct raw *s, raft_id from, bool pre_vote,
	     uint16_t capacity)
{
	struct raft_message m = { .type = RAFT_REQUEST_VOTE_RESULT,
				  .server_id = from };

	m.request_vote_result.version = 2;
	m.request_vote_result.term =
		raft_current_term(&s->r) + (pre_vote ? 1 : 0);
	m.request_vote_result.vote_granted = true;
	m.request_vote_result.pre_vote = pre_vote;
	m.request_vote_result.features = 1;
	m.request_vote_result.capacity = capacity;
	return raw_receive(s, &m);
}

void raw_persist(struct raw *s)
{
	struct raft_event e = { .type = RAFT_PERSISTED_ENTRIES };

	e.persisted_entries.index = raft_last_index(&s->r);
	if (e.persisted_entries.index > s->r.last_stored)
		ck_assert_int_eq(raw_step(s, &e), 0);
}

void raw_lead(struct raw *s)
{
	ck_assert_int_eq(raw_timeout(s), 0);
	ck_assert_int_eq(raw_vote(s, 2, true, 0), 0);
	ck_assert_int_eq(raw_vote(s, 2, false, 0), 0);
	ck_assert_int_eq(raft_state(&s->r), RAFT_LEADER);
	raw_persist(s);
}

int raw_submit(struct raw *s, struct raft_entry *v, unsigned n)
{
	static char batch;
	struct raft_event e = { .type = RAFT_SUBMIT };

	for (unsigned i = 0; i < n; i++) {
		v[i].term = raft_current_term(&s->r);
		v[i].batch = &batch;
	}
	e.submit.entries = v;
	e.submit.n = n;
	return raw_step(s, &e);
}

struct raft_message raw_ack(struct raw *s, raft_id from, uint64_t last)
{
	struct raft_message m = { .type = RAFT_APPEND_ENTRIES_RESULT,
				  .server_id = from };

	m.append_entries_result.version = 2;
	m.append_entries_result.term = raft_current_term(&s->r);
	m.append_entries_result.last_log_index = last;
	return m;
}

struct raft_message raw_rejection(struct raw *s, raft_id from,
				  uint64_t rejected, uint64_t last)
{
	struct raft_message m = raw_ack(s, from, last);

	m.append_entries_result.rejected = rejected;
	return m;
}

struct raft_message raw_append(raft_id from, uint64_t term, uint64_t prev,
			       uint64_t prev_term)
{
	struct raft_message m = { .type = RAFT_APPEND_ENTRIES,
				  .server_id = from };

	m.append_entries.term = term;
	m.append_entries.prev_log_index = prev;
	m.append_entries.prev_log_term = prev_term;
	return m;
}

void raw_with_entries(struct raft_message *m, struct raft_entry *v,
		      unsigned n)
{
	void *batch = raft_malloc(1);

	for (unsigned i = 0; i < n; i++)
		v[i].batch = batch;
	m->append_entries.entries = v;
	m->append_entries.n_entries = n;
}

const struct raft_message *raw_sent(struct raw *s, int type)
{
	for (unsigned i = 0; i < s->u.messages.n; i++)
		if ((int)s->u.messages.batch[i].type == type)
			return &s->u.messages.batch[i];
	return NULL;
}

uint64_t raw_match(struct raw *s, raft_id id)
{
	raft_index index = 0;

	ck_assert_int_eq(raft_match_index(&s->r, id, &index), 0);
	return index;
}
