/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newcomer: a voter that begins with an empty directory. At the founding all
 * are; later it is one whose disk was wiped or replaced, or whose files were
 * damaged and set aside. Then Raft's promises are at stake: what it had
 * acknowledged may be committed, and its vote could elect a leader that lacks
 * it.
 *
 * 1. A newcomer votes for newcomers only: a quorum is founded by them, and
 *    whoever has ever seen an entry committed is none any more. One that knows
 *    that the quorum is older than its directory votes for nobody.
 * 2. It stops being one when it has, from a leader, an entry of that leader's
 *    own term that is committed: such a leader has all that was committed
 *    before (Raft, 5.4.3), so this node has it too.
 * 3. The core of the leader that knew it before takes its answers for echoes
 *    (guard T1) and never feeds it again; so that leader hands over to a
 *    voter that has everything, which asks the newcomer what it has.
 *
 * Not covered: two of three disks wiped, and a voter wiped before the rest of
 * a majority ever heard of a commit. Those need an operator.
 */
#include "core.h"

#define ASIDE "quorum-damaged-"
#define ASIDE_MAX 100
#define TRY_EVERY 50 /* answers below what it had acknowledged */

bool quorum_has_forgotten(const struct quorum *q)
{
	return q->vote.now.newcomer == NEWCOMER_LATER;
}

bool newcomer_may_vote(const struct quorum *q, const struct message *m)
{
	switch ((enum newcomer)q->vote.now.newcomer) {
	case NEWCOMER_FOUNDER:
		return m->newcomer;
	case NEWCOMER_LATER:
		return false;
	default:
		return true;
	}
}

void newcomer_look(struct quorum *q)
{
	struct vote v = q->vote.now;
	int rc;

	if (!v.newcomer || q->leader < 0 ||
	    step_term_at(q, quorum_commit_index(q)) != q->term)
		return;
	v.newcomer = NEWCOMER_NO;
	rc = vote_save(&q->vote, &v);
	if (rc)
		fatal("quorum: cannot save term and vote: %s; what is on disk "
		      "is unknown, so this node stops", strerror(-rc));
	trace_debug("quorum", "has what was agreed: votes from now on",
		    "index=%" PRId64, quorum_commit_index(q));
}

/* The leader's side; an echo now and then is a matter of course. */
void newcomer_lacks(struct quorum *q, int32_t peer, int row)
{
	if (row == TRY_EVERY)
		trace_warn("quorum", "peer lacks what it had acknowledged: its "
			   "data directory was erased or replaced; another "
			   "leader will give it all anew", "peer=%d", peer);
	if (row % TRY_EVERY || q->role != QUORUM_LEADER ||
	    q->transfer_until_ms)
		return;
	for (int i = 0; i < quorum_members_n(q); i++) {
		struct quorum_member m = quorum_member_at(q, i);

		if (m.voter && m.id != q->id && m.id != peer &&
		    quorum_transfer(q, m.id) == 0)
			return;
	}
}

/* ---- damaged files ------------------------------------------------------- */

/* The directory's name gets a number: nothing is deleted for looking wrong. */
static void count_aside(void *ctx, const char *name, bool is_dir)
{
	int *last = ctx;
	int64_t n;

	(void)is_dir;
	if (strncmp(name, ASIDE, sizeof(ASIDE) - 1) == 0 &&
	    str_to_i64(str_of(name + sizeof(ASIDE) - 1), 1, ASIDE_MAX, &n))
		*last = max_of(*last, (int)n);
}

bool newcomer_is_later(struct disk *d)
{
	int last = 0;

	return d->ops->list(d, "", count_aside, &last) == 0 && last > 0;
}

int newcomer_set_aside(struct disk *d)
{
	struct arena a = { 0 };
	int last = 0, rc = d->ops->list(d, "", count_aside, &last);
	const char *to = arena_printf(&a, ASIDE "%d", last + 1);

	if (rc >= 0 && last == ASIDE_MAX)
		rc = -EEXIST;
	if (rc >= 0)
		rc = d->ops->rename(d, "quorum", to);
	if (rc >= 0)
		rc = d->ops->sync_dir(d, "");
	if (rc >= 0)
		trace_warn("quorum", "damaged files are set aside; the other "
			   "nodes give this one all anew, and until then it "
			   "does not vote", "dir=%s", to);
	arena_fini(&a);
	return rc;
}
