/* SPDX-License-Identifier: Apache-2.0 */
/* story_show: what is, as text, looked up behind the back of the nodes; see
 * story.h. Only what a story can be about: no indices, no times. */
#include "parts.h"
#include "shard.h"
#include "story.h"

static void say_ids(struct story *s, const char *what, const struct int32s *l)
{
	say(s, ", %s", what);
	for (int32_t i = 0; i < l->n; i++)
		say(s, " %d", l->v[i]);
	if (!l->n)
		say(s, " none");
}

/* ---- partitions ---------------------------------------------------------- */

static void say_epochs(struct story *s, struct log *l)
{
	int32_t last = log_last_epoch(l), before = -1;
	int64_t from = log_start(l);

	say(s, ", epochs");
	for (int32_t e = 0; e <= last; e++) {
		int32_t is;
		int64_t end;

		log_epoch_end(l, e, &is, &end);
		if (is != e || is == before || end <= from)
			continue;
		say(s, " %d@%" PRId64, e, from);
		from = end;
		before = is;
	}
	if (before < 0)
		say(s, " none");
}

static void say_replica(struct story *s, int node, struct story_partition p)
{
	const struct hosted *h = hosted_on(s, node, p);

	say(s, "%d: ", node);
	if (!world_is_up(s->w, node)) {
		say(s, "down\n");
		return;
	}
	if (!h || !h->replica || log_error(h->log)) {
		say(s, h ? "offline\n" : "nothing\n");
		return;
	}
	say(s, "%" PRId64 "..%" PRId64 ", high watermark %" PRId64,
	    log_start(h->log), log_end(h->log), h->replica->high_watermark);
	say_epochs(s, h->log);
	say(s, "%s\n", h->replica->role == REPLICA_LEADER ? ", leads" : "");
}

/* "show t-0", or "show t-0 leader": without the replicas. */
static void show_partition(struct story *s, const char *text)
{
	struct story_partition p = partition_at(s, text);
	bool brief = word_flag(s, "leader");
	const struct cluster *c = newest_cluster(s);
	const struct partition *x = c ? cluster_partition(c, p.topic, p.index)
				      : NULL;

	if (!x) {
		say(s, "no such partition\n");
		return;
	}
	say(s, x->leader < 0 ? "leader none" : "leader %d", x->leader);
	say(s, ", epoch %d", x->leader_epoch);
	say_ids(s, "isr", &x->isr);
	if (x->elr.n)
		say_ids(s, "elr", &x->elr);
	if (x->isr.n == 0)
		say(s, ", last known leader %d", x->last_known_leader);
	say(s, "\n");
	for (int32_t i = 0; i < x->replicas.n && !brief; i++)
		say_replica(s, x->replicas.v[i], p);
}

/* ---- the quorum, the brokers --------------------------------------------- */

static void say_member(struct story *s, int node)
{
	static const char *const roles[] = { "follower", "candidate",
					     "leader" };
	struct quorum *q = world_quorum(s->w, node);

	if (q)
		say(s, "%d: %s, term %+" PRId64 "\n", node,
		    roles[quorum_role(q)], quorum_term(q) - s->term);
	else
		say(s, "%d: down\n", node);
}

/* Terms are counted from the first time it is shown; "show quorum 1": only
 * this one. */
static void show_quorum(struct story *s)
{
	int leader = world_quorum_leader(s->w), only[WORLD_NODES_MAX];
	const char *which = word_next(s);
	int n = which ? nodes_of(s, which, only) : s->config.nodes;

	for (int i = 1; i <= s->config.nodes && !s->terms_shown; i++)
		if (world_quorum(s->w, i))
			s->term = max_of(s->term,
					 quorum_term(world_quorum(s->w, i)));
	s->terms_shown = true;
	if (!which && leader)
		say(s, "leader %d\n", leader);
	else if (!which)
		say(s, "leader none\n");
	for (int i = 0; i < n; i++)
		say_member(s, which ? only[i] : i + 1);
}

static void show_brokers(struct story *s)
{
	const struct cluster *c = newest_cluster(s);

	for (int i = 1; c && i <= s->config.nodes; i++) {
		const struct broker_info *b = cluster_broker(c, i);

		say(s, "%d: %s\n", i, !b || b->epoch < 0 ? "unregistered"
				      : b->fenced	 ? "fenced"
				      : b->stopping	 ? "stopping"
							 : "active");
	}
}

/* ---- groups -------------------------------------------------------------- */

static void show_group(struct story *s, const char *name)
{
	const struct coord *c = newest_coord(s);
	const struct group *g = c ? coord_group(c, str_of(name)) : NULL;

	if (!g) {
		say(s, "no such group\n");
		return;
	}
	say(s, "%s, generation %d\n", group_state_name(g->state),
	    g->generation);
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;

		say(s, "member %s%s%s%s\n", person_named(s, str_of(m->id)),
		    m->instance_id ? ", instance " : "",
		    m->instance_id ? m->instance_id : "",
		    g->leader && !strcmp(g->leader, m->id) ? ", leads" : "");
	}
	for (struct map_iter i = map_first(&g->offsets); i.at; map_next(&i)) {
		const struct group_offset *o = i.value;

		say(s, "%s-%d at %" PRId64 "\n", o->topic, o->partition,
		    o->offset);
	}
}

static void show(struct story *s)
{
	const char *what = word_need(s, "what?");

	if (!strcmp(what, "quorum"))
		show_quorum(s);
	else if (!strcmp(what, "brokers"))
		show_brokers(s);
	else if (!strcmp(what, "group"))
		show_group(s, word_need(s, "a group"));
	else
		show_partition(s, what);
}

/* ---- bytes --------------------------------------------------------------- */

/* All batches below the high watermark of every node, one after the other. */
static void gather(struct story *s, int node, struct hosted *h, int64_t end,
		   struct buf *out)
{
	struct node *n = node_of(s->w, node);
	int64_t at = log_start(h->log);
	int owner = estate_enter(node);

	faulty_quiet(n->disk, true);
	while (at < end) {
		struct log_want want = { at, end, 1 << 20, true };
		struct log_slice slice;
		uint8_t *to;

		if (log_read(h->log, &want, &slice) != K_NONE || !slice.n)
			break;
		estate_enter(owner);
		to = buf_grow(out, (size_t)slice.n);
		estate_enter(node);
		if (log_slice_read(&slice, 0, to, (size_t)slice.n, false) < 0)
			say(s, "%d cannot be read\n", node);
		at = slice.next_offset;
		log_slice_drop(&slice);
	}
	faulty_quiet(n->disk, false);
	estate_enter(owner);
}

/* "bytes t-0 1 2 3": the same below all their high watermarks? "same" does not
 * say how far that is. */
static void bytes(struct story *s, bool how_far)
{
	struct story_partition p = partition_at(s, word_need(s, "of what"));
	struct hosted *h[WORLD_NODES_MAX];
	struct buf first = { 0 }, other = { 0 };
	int nodes[WORLD_NODES_MAX];
	int n = nodes_of(s, word_need(s, "whose"), nodes);
	int64_t end = INT64_MAX;

	for (int i = 0; i < n; i++) {
		h[i] = hosted_on(s, nodes[i], p);
		if (!h[i] || !h[i]->replica) {
			say(s, "%d has none\n", nodes[i]);
			return;
		}
		end = min_of(end, h[i]->replica->high_watermark);
	}
	gather(s, nodes[0], h[0], end, &first);
	for (int i = 1; i < n; i++) {
		other.n = 0;
		gather(s, nodes[i], h[i], end, &other);
		if (other.n != first.n || memcmp(other.p, first.p, first.n))
			say(s, "%d and %d differ below %" PRId64 "\n",
			    nodes[0], nodes[i], end);
	}
	if (how_far)
		say(s, "compared up to %" PRId64 "\n", end);
	buf_fini(&first);
	buf_fini(&other);
}

/* ---- disks --------------------------------------------------------------- */

/* An id in a name is different from seed to seed: it is not shown. */
static void say_dir(void *ctx, const char *name, bool is_dir)
{
	struct story *s = ctx;
	const char *dot = strchr(name, '.'), *dash = strrchr(name, '-');

	if (!is_dir)
		return;
	if (dot && dash > dot)
		say(s, "%.*s.ID%s\n", (int)(dot - name), name, dash);
	else
		say(s, "%s\n", name);
}

/* "dirs 1": the directories of its logs. */
static void dirs(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	struct disk *d = disk_mem_disk(world_disk(s->w, node));

	if (d->ops->list(d, "log", say_dir, s) < 0)
		say(s, "no logs\n");
}

static void last_words(struct story *s)
{
	int node = node_at(s, word_need(s, "a node"));
	const char *words = world_last_words(s->w, node);

	say(s, "%s\n", words ? words : "none");
}

bool show_command(struct story *s, const char *verb)
{
	if (!strcmp(verb, "show"))
		show(s);
	else if (!strcmp(verb, "bytes"))
		bytes(s, true);
	else if (!strcmp(verb, "same"))
		bytes(s, false);
	else if (!strcmp(verb, "dirs"))
		dirs(s);
	else if (!strcmp(verb, "last-words"))
		last_words(s);
	else
		return false;
	words_end(s);
	return true;
}
