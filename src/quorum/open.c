/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open: from the files to a running node. What must hold between them:
 *
 * 1. The snapshot is newer than the first entry of the log and older than the
 *    last one, or continues it; otherwise a snapshot was being installed when
 *    the node died, and the log is void.
 * 2. No entry is of a later term than the vote: terms are synced first.
 * 3. The log reaches its mark (entries_load.c).
 * A node that finds otherwise has forgotten what it promised: its files are set
 * aside, and it is a newcomer (newcomer.c).
 *
 * Founding: log with entry 1, the members; mark; vote. The vote is last: with
 * it the node is founded, without it and with nothing but entry 1 it is blank.
 */
#include <stdlib.h>

#include "core.h"

#define ELECTION_MS 500
#define HEARTBEAT_MS 50
#define SNAPSHOT_ENTRIES 65536
#define SNAPSHOT_BYTES (64 << 20)
#define HASH_ENTRIES 1024
/* Then the core asks again; while a stream is under way nothing comes of it. */
#define INSTALL_TIMEOUT_MS 5000

static int damaged(const char *what)
{
	trace_error("quorum", "own files are damaged: this node may have "
		    "forgotten what it acknowledged", "what=\"%s\"", what);
	return -EBADMSG;
}

/* ---- founding ------------------------------------------------------------ */

static int compare_peers(const void *a, const void *b)
{
	int32_t x = (*(const struct quorum_peer *const *)a)->id;
	int32_t y = (*(const struct quorum_peer *const *)b)->id;

	return x < y ? -1 : x > y;
}

/* The same bytes on each of them, in whatever order the list came. */
static int encode_peers(const struct quorum_config *c, struct buf *out)
{
	const struct quorum_peer *sorted[QUORUM_MEMBERS_MAX];
	struct raft_configuration conf;
	struct raft_buffer b;
	bool self = false;
	int rc = 0;

	if (c->peers_n < 1 || c->peers_n > QUORUM_MEMBERS_MAX)
		return -EINVAL;
	for (int i = 0; i < c->peers_n; i++)
		sorted[i] = &c->peers[i];
	qsort(sorted, (size_t)c->peers_n, sizeof(*sorted), compare_peers);
	raft_configuration_init(&conf);
	for (int i = 0; i < c->peers_n && !rc; i++) {
		const struct quorum_peer *p = sorted[i];

		self = self || p->id == c->id;
		if (p->id < 0 || p->id == INT32_MAX || !*p->address ||
		    strlen(p->address) > QUORUM_ADDRESS_MAX ||
		    raft_configuration_add(&conf, raft_id_of(p->id),
					   p->address, RAFT_VOTER))
			rc = -EINVAL;
	}
	if (!rc && !self)
		rc = -EINVAL;
	if (!rc) {
		if (raft_configuration_encode(&conf, &b))
			fatal("out of memory");
		buf_put(out, b.base, b.len);
		raft_free(b.base);
	}
	raft_configuration_close(&conf);
	return rc;
}

static int found(struct quorum *q, const struct quorum_config *c)
{
	struct vote v = { 0 };
	struct buf conf = { 0 }, batch = { 0 };
	bool founds = c->peers && !newcomer_is_later(q->disk);
	int rc = founds ? encode_peers(c, &conf) : 0;

	if (rc)
		trace_error("quorum", "the list of peers is wrong",
			    "node=%d peers=%d", c->id, c->peers_n);
	if (!rc && founds) {
		struct bytes data = { conf.p, (int32_t)conf.n };

		v.term = 1;
		v.group = hash64(conf.p, conf.n, 0) | 1;
		entries_encode(&batch,
			       tail_push(&q->tail, 1, RAFT_CHANGE, data));
	}
	if (!rc && founds && c->peers_n == 1) { /* G1, at once */
		v.term = 2;
		v.voted_for = raft_id_of(q->id);
	}
	v.newcomer = !founds ? NEWCOMER_LATER
		   : c->peers_n > 1 ? NEWCOMER_FOUNDER : NEWCOMER_NO;
	if (!rc)
		rc = entries_create(&q->entries, q->disk, q->id, &batch);
	if (!rc)
		rc = vote_create(&q->vote, q->disk, q->id, &v);
	buf_fini(&conf);
	buf_fini(&batch);
	return rc;
}

/* ---- loading ------------------------------------------------------------- */

static int load_snapshot(struct quorum *q)
{
	struct buf image = { 0 };
	struct snapshot s;
	struct fsm_image state;
	int rc = snapshot_load(q->disk, &image, &s);

	if (!rc && (!guard_read_configuration(s.conf.p, (size_t)s.conf.n,
					      NULL) ||
		    !fsm_decode(s.data, &state)))
		rc = -EBADMSG;
	if (!rc) {
		fsm_replace(&q->fsm, &state);
		buf_put(&q->conf, s.conf.p, (size_t)s.conf.n);
		q->conf_index = s.conf_index;
		q->snapshot_index = s.index;
		q->snapshot_term = s.term;
		q->applied = s.index;
	}
	buf_fini(&image);
	if (rc == -EBADMSG)
		return damaged("snapshot");
	return rc == -ENOENT ? 0 : rc;
}

static const struct entry *newest_change(const struct quorum *q)
{
	for (int64_t i = tail_next(&q->tail) - 1; i >= q->tail.first; i--) {
		const struct entry *e = tail_get(&q->tail, i);

		if (e->type == RAFT_CHANGE)
			return e;
	}
	return NULL;
}

static int new_term_if_sole_voter(struct quorum *q)
{
	const struct entry *e = newest_change(q);
	const void *p = e ? (const void *)e->data : q->conf.p;
	size_t n = e ? (size_t)e->n : q->conf.n;
	struct raft_configuration c;
	struct vote v = q->vote.now;
	bool sole;

	if (!n)
		return 0;
	if (!guard_read_configuration(p, n, &c))
		return damaged("malformed members in the log");
	sole = guard_is_sole_voter(&c, raft_id_of(q->id));
	raft_configuration_close(&c);
	if (!sole)
		return 0;
	v.term++;
	v.voted_for = raft_id_of(q->id);
	return vote_save(&q->vote, &v);
}

/* Log and snapshot against each other. */
static int reconcile(struct quorum *q)
{
	int64_t s = q->snapshot_index;
	int64_t next = tail_next(&q->tail);
	const struct entry *e;

	if (q->tail.first > s + 1)
		return damaged("the log begins behind the snapshot");
	e = tail_get(&q->tail, next - 1);
	if (e && e->term > q->vote.now.term)
		return damaged("the log is of a later term than the vote");
	if (!s) {
		e = tail_get(&q->tail, 1);
		return e && e->type != RAFT_CHANGE ?
			       damaged("entry 1 does not name the members") : 0;
	}
	e = tail_get(&q->tail, s);
	if (next <= s || (e && e->term != q->snapshot_term)) {
		trace_info("quorum", "finishes installing a snapshot",
			   "index=%" PRId64, s);
		tail_reset(&q->tail, s + 1);
		return entries_reset(&q->entries, s + 1);
	}
	tail_trim(&q->tail, s - q->trailing_entries);
	return 0;
}

static int load(struct quorum *q)
{
	int rc = entries_open(&q->entries, q->disk, q->id, &q->tail);

	if (rc == -EBADMSG)
		return damaged("log");
	if (!rc)
		rc = load_snapshot(q);
	if (!rc)
		rc = reconcile(q);
	if (!rc && !guard_start_fits(&q->tail))
		return damaged("more entries, of longer numbers, than libraft "
			       "can start with");
	if (!rc)
		rc = snapshot_sweep(q->disk, q->snapshot_index, true);
	q->group = q->vote.now.group;
	return rc ? rc : new_term_if_sole_voter(q);
}

static int has_snapshot(struct quorum *q)
{
	struct buf image = { 0 };
	struct snapshot s;
	int rc = snapshot_load(q->disk, &image, &s);

	buf_fini(&image);
	return rc == -ENOENT ? 0 : rc ? rc : 1;
}

/* A blank directory, or one in which founding was cut short. */
static int found_if_blank(struct quorum *q, const struct quorum_config *c)
{
	int rc = q->disk->ops->mkdir(q->disk, "quorum");

	if (!rc)
		rc = q->disk->ops->sync_dir(q->disk, ".");
	if (!rc)
		rc = has_snapshot(q);
	if (rc < 0 && rc != -EBADMSG)
		return rc;
	if (rc || !entries_are_fresh(q->disk))
		return damaged("term and vote are missing");
	rc = found(q, c);
	q->group = rc ? 0 : q->vote.now.group;
	return rc;
}

/* ---- the event ----------------------------------------------------------- */

static struct raft_entry *describe_entries(const struct quorum *q)
{
	struct raft_entry *v =
		mem_zalloc(max_of(q->tail.n, (size_t)1) * sizeof(*v));

	for (size_t i = 0; i < q->tail.n; i++) {
		const struct entry *e =
			tail_get(&q->tail, q->tail.first + (int64_t)i);

		v[i].term = e->term;
		v[i].type = (enum raft_entry_type)e->type;
		if (e->type == RAFT_CHANGE) {
			v[i].buf.base = (void *)e->data;
			v[i].buf.len = (size_t)e->n;
		}
	}
	return v;
}

void quorum_begin(struct quorum *q)
{
	struct raft_event e = { .type = RAFT_START };
	struct raft_snapshot_metadata m = { 0 };

	e.start.term = q->vote.now.term;
	e.start.voted_for = q->vote.now.voted_for;
	e.start.start_index = (raft_index)q->tail.first;
	e.start.entries = describe_entries(q);
	e.start.n_entries = (unsigned)q->tail.n;
	if (q->snapshot_index) {
		m.index = (raft_index)q->snapshot_index;
		m.term = q->snapshot_term;
		m.configuration_index = (raft_index)q->conf_index;
		if (!guard_read_configuration(q->conf.p, q->conf.n,
					      &m.configuration))
			fatal("quorum: malformed members in a snapshot");
		e.start.metadata = &m;
	}
	q->term = q->vote.now.term;
	q->members_dirty = true;
	step_start(q, &e);
	mem_free(e.start.entries);
}

/* ---- opening and closing ------------------------------------------------- */

static int64_t or_else(int64_t v, int64_t preset)
{
	return v ? v : preset;
}

static void configure(struct quorum *q, const struct quorum_config *c)
{
	q->hooks = c->hooks;
	q->disk = c->disk;
	q->id = c->id;
	q->queue = c->queue;
	q->now_ms = c->now_ms;
	q->mark_synced_ms = c->now_ms;
	q->election_timeout_ms =
		(int32_t)or_else(c->election_timeout_ms, ELECTION_MS);
	q->heartbeat_ms = (int32_t)or_else(c->heartbeat_ms, HEARTBEAT_MS);
	q->snapshot_entries = or_else(c->snapshot_entries, SNAPSHOT_ENTRIES);
	q->snapshot_bytes = or_else(c->snapshot_bytes, SNAPSHOT_BYTES);
	q->hash_entries = or_else(c->hash_entries, HASH_ENTRIES);
	q->trailing_entries = or_else(c->trailing_entries, TRAILING_MAX);
	q->trailing_bytes = TRAILING_BYTES_MAX;
	q->leader = -1;
	q->incoming.peer = -1;
	list_init(&q->ordered);
	tail_init(&q->tail, 1);
	fsm_init(&q->fsm);
}

static void init_raft(struct quorum *q, uint64_t seed)
{
	struct raft *r = &q->raft;

	if (raft_init(r, NULL, NULL, raft_id_of(q->id), "-"))
		fatal("out of memory");
	q->raft_inited = true;
	raft_seed(r, (unsigned)(seed ^ seed >> 32));
	raft_set_election_timeout(r, (unsigned)q->election_timeout_ms);
	raft_set_heartbeat_timeout(r, (unsigned)q->heartbeat_ms);
	raft_set_install_snapshot_timeout(r, INSTALL_TIMEOUT_MS);
	raft_set_pre_vote(r, true);
	raft_set_max_inflight_entries(r, INFLIGHT_MAX);
}

static int open_files(struct quorum **out, const struct quorum_config *c)
{
	struct quorum *q;
	int rc;

	q = mem_zalloc(sizeof(*q));
	configure(q, c);
	init_raft(q, c->seed);
	rc = vote_open(&q->vote, q->disk, q->id);
	if (rc == -ENOENT)
		rc = found_if_blank(q, c);
	else if (rc == -EBADMSG)
		rc = damaged("term and vote");
	else if (!rc)
		rc = load(q);
	if (rc) {
		q->closed = true;
		quorum_free(q);
		return rc;
	}
	*out = q;
	return 0;
}

/* With one other voter, or none, nobody could give it what it had. */
static bool have_others_enough(const struct quorum_config *c)
{
	return !c->peers || c->peers_n > 2;
}

int quorum_open(struct quorum **out, const struct quorum_config *c)
{
	int rc;

	assert(c->queue && c->id >= 0 && c->id < INT32_MAX);
	rc = open_files(out, c);
	if (rc == -EBADMSG) /* perhaps what was read is wrong, not the disk */
		rc = open_files(out, c);
	if (rc != -EBADMSG || !have_others_enough(c))
		return rc;
	rc = newcomer_set_aside(c->disk);
	return rc < 0 ? rc : open_files(out, c);
}

/* The last one out: whoever closes it, or the last job to come back. */
void quorum_free(struct quorum *q)
{
	if (q->jobs_out)
		return;
	list_each(l, &q->ordered, safe) {
		struct work *w = list_entry(l, struct work, link);

		list_remove(&w->link);
		w->drop(w);
	}
	entries_close(&q->entries);
	vote_close(&q->vote);
	if (q->raft_inited)
		raft_close(&q->raft, NULL);
	tail_fini(&q->tail);
	fsm_fini(&q->fsm);
	arena_fini(&q->frame_arena);
	buf_fini(&q->frame);
	buf_fini(&q->batch);
	buf_fini(&q->conf);
	buf_fini(&q->expectation);
	buf_fini(&q->gather);
	buf_fini(&q->incoming.image);
	writes_fini(&q->writes);
	writes_fini(&q->flying);
	waitings_fini(&q->gathering);
	waitings_fini(&q->flight);
	waitings_fini(&q->reads);
	mem_free(q);
}

void quorum_stop(struct quorum *q)
{
	read_refuse_all(q);
}

void quorum_close(struct quorum *q)
{
	assert(!q->stepping && !q->applying);
	q->closed = true;
	quorum_free(q);
}
