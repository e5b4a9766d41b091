/* SPDX-License-Identifier: Apache-2.0 */
/* watch: see watch.h. Reads logs behind the back of their node: no fault and
 * no death happens meanwhile. */
#include <stdio.h>

#include "log_internal.h"
#include "shard.h"
#include "watch.h"

#define HASH_EVERY 8 /* entries */

struct agreed { /* one entry of the quorum's log, as the first applied it */
	int64_t term;
	uint64_t command, state;
	bool hashed;
};
struct mark { /* one committed batch */
	int64_t base, last;
	uint32_t crc;
	int32_t epoch;
};
struct seen { /* a replica on one node, in one life */
	uint32_t life;
	uint32_t log; /* its id: a damaged one is replaced by an empty one */
	bool anew;    /* that has happened, and is still to be looked at */
	int32_t epoch;
	int64_t hw, start, checked;
};
struct canon { /* a partition, over all nodes and all time */
	struct mark *v;
	int64_t n, cap;
	int64_t committed;  /* the highest of all high watermarks */
	int32_t epoch;      /* the newest that had a leader */
	struct map leaders; /* epoch -> node */
	bool loose;         /* may have lost something */
	uint32_t counted;   /* nodes whose copies did, when any did last */
	struct seen seen[WORLD_NODES_MAX];
};
struct standing { /* of a broker, as the agreed log has it */
	int64_t applied;   /* where that was seen */
	int64_t fenced_us; /* since when; -1: it is not */
};
struct watch {
	struct world *w;
	struct standing standing[WORLD_NODES_MAX];
	struct map terms;  /* term -> node */
	struct map agreed; /* index -> struct agreed * */
	struct map canons; /* topic id and partition -> struct canon * */
	int64_t counted_at; /* applied: who counted was seen there */
	uint64_t visits;    /* of replicas */
};

#define NAME_EVERY 32 /* visits, for one look at the disk */

/* ---- the agreed log ------------------------------------------------------ */

static uint64_t state_of(struct node *n)
{
	return cluster_hash(quorum_cluster(n->quorum)) * 31 +
	       coord_hash(quorum_coord(n->quorum));
}

/* Who is fenced, by the first that applies it. */
static void note_standing(struct watch *x, const struct cluster *c)
{
	for (int i = 0; i < x->w->config.nodes; i++) {
		struct standing *s = &x->standing[i];
		const struct broker_info *b = cluster_broker(c, i + 1);

		if (c->applied <= s->applied)
			continue;
		s->applied = c->applied;
		if (!b || !b->fenced)
			s->fenced_us = -1;
		else if (s->fenced_us < 0)
			s->fenced_us = x->w->now_us;
	}
}

static struct canon *canon_of(struct watch *x, struct uuid topic,
			      int32_t index)
{
	uint8_t key[20];
	struct canon *c;
	int owner;

	memcpy(key, topic.b, 16);
	put_be32(key + 16, (uint32_t)index);
	c = map_find(&x->canons, key, sizeof(key));
	if (c)
		return c;
	owner = estate_enter(0);
	c = mem_zalloc(sizeof(*c));
	c->epoch = -1;
	map_put(&x->canons, key, sizeof(key), c);
	estate_enter(owner);
	return c;
}

static uint32_t nodes_of(const struct int32s *l)
{
	uint32_t nodes = 0;

	for (int32_t i = 0; i < l->n; i++)
		nodes |= 1u << l->v[i];
	return nodes;
}

/* In sync or eligible; where nobody is, the leader of the end. */
static uint32_t who_counts(const struct partition *p)
{
	uint32_t nodes = nodes_of(&p->isr) | nodes_of(&p->elr);

	if (!nodes && p->last_known_leader >= 0)
		nodes = 1u << p->last_known_leader;
	return nodes;
}

/* By the first that applies it. */
static void note_counted(struct watch *x, const struct cluster *c)
{
	if (c->applied <= x->counted_at)
		return;
	x->counted_at = c->applied;
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			uint32_t nodes = who_counts(&t->partitions[k]);

			if (nodes)
				canon_of(x, t->id, k)->counted = nodes;
		}
	}
}

void watch_applied(struct watch *x, struct node *n,
		   const struct quorum_applied *e)
{
	int owner = estate_enter(0);
	uint64_t h = hash64(e->command.p, (size_t)e->command.n, 0);
	struct agreed *a = map_find_i64(&x->agreed, e->index);
	bool hash = e->index % HASH_EVERY == 0;
	uint64_t state = hash ? state_of(n) : 0;

	if (e->index <= n->applied)
		world_violation(x->w, "node %d applies entry %" PRId64
				" after %" PRId64, n->id, e->index, n->applied);
	n->applied = e->index;
	if (!a) {
		a = mem_zalloc(sizeof(*a));
		*a = (struct agreed){ e->term, h, state, hash };
		map_put_i64(&x->agreed, e->index, a);
	} else if (a->term != e->term || a->command != h) {
		world_violation(x->w, "node %d applies another command as entry"
				" %" PRId64 " than others did", n->id,
				e->index);
	} else if (a->hashed && a->state != state) {
		world_violation(x->w, "node %d has another state than others "
				"after entry %" PRId64, n->id, e->index);
	}
	fold(x->w, h, (uint64_t)e->index);
	note_standing(x, quorum_cluster(n->quorum));
	note_counted(x, quorum_cluster(n->quorum));
	estate_enter(owner);
}

void watch_restored(struct watch *x, struct node *n)
{
	int64_t index = quorum_applied_index(n->quorum);
	const struct agreed *a;

	if (index < n->applied)
		world_violation(x->w, "node %d goes back from entry %" PRId64
				" to a snapshot of %" PRId64, n->id,
				n->applied, index);
	n->applied = index;
	a = map_find_i64(&x->agreed, index);
	if (a && a->hashed && a->state != state_of(n))
		world_violation(x->w, "a snapshot of entry %" PRId64 " holds "
				"another state on node %d", index, n->id);
}

void watch_role(struct watch *x, struct node *n, enum quorum_role role,
		int64_t term)
{
	intptr_t known;
	int owner;

	if (role != QUORUM_LEADER)
		return;
	owner = estate_enter(0);
	known = (intptr_t)map_find_i64(&x->terms, term);
	if (known && known != n->id)
		world_violation(x->w, "nodes %d and %d both lead the quorum in "
				"term %" PRId64, (int)known, n->id, term);
	if (!known)
		x->w->counts.elections++;
	map_put_i64(&x->terms, term, (void *)(intptr_t)n->id);
	estate_enter(owner);
}

/* ---- partitions ---------------------------------------------------------- */

#define NAME(h) (h)->topic->name, (int)(h)->index

static void add_mark(struct canon *c, struct mark m)
{
	int owner = estate_enter(0);

	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->v = mem_realloc(c->v, (size_t)c->cap * sizeof(m));
	}
	c->v[c->n++] = m;
	estate_enter(owner);
}

static const struct mark *mark_at(const struct canon *c, int64_t offset)
{
	int64_t lo = 0, hi = c->n;

	while (lo < hi) {
		int64_t mid = (lo + hi) / 2;

		if (c->v[mid].last < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n && c->v[lo].base <= offset ? &c->v[lo] : NULL;
}

/* One batch below a high watermark: new for everybody, or as it was. */
static bool check_mark(struct watch *x, struct node *n, struct hosted *h,
		       struct canon *c, struct mark m)
{
	const struct mark *known = mark_at(c, m.base);

	if (!known && m.last < c->committed)
		return true; /* the first reader began later */
	if (!known) {
		add_mark(c, m);
		return true;
	}
	if (known->base == m.base && known->last == m.last &&
	    known->crc == m.crc && known->epoch == m.epoch)
		return true;
	if (!c->loose)
		world_violation(x->w, "%s-%d: node %d has batch %" PRId64
				"..%" PRId64 " crc %08x epoch %d below its high"
				" watermark, committed was %" PRId64 "..%"
				PRId64 " crc %08x epoch %d", NAME(h), n->id,
				m.base, m.last, m.crc, m.epoch, known->base,
				known->last, known->crc, known->epoch);
	return c->loose;
}

static int64_t check_slice(struct watch *x, struct node *n, struct hosted *h,
			   struct canon *c, const struct log_slice *s)
{
	int64_t at = 0, next = -1;
	uint8_t head[61];

	while (at + 61 <= s->n &&
	       log_slice_read(s, at, head, sizeof(head), false) == 61) {
		int64_t base = (int64_t)get_be64(head);
		struct mark m = {
			base, base + (int32_t)get_be32(head + 23),
			get_be32(head + 17), (int32_t)get_be32(head + 12) };

		if (!check_mark(x, n, h, c, m))
			return -1;
		next = m.last + 1;
		at += 12 + (int64_t)get_be32(head + 8);
	}
	return next;
}

static void check_content(struct watch *x, struct node *n, struct hosted *h,
			  struct canon *c, struct seen *s)
{
	int64_t hw = h->replica->high_watermark;

	s->checked = max_of(s->checked, log_start(h->log));
	while (s->checked < hw) {
		struct log_want want = { s->checked, hw, 1 << 20, true };
		struct log_slice slice;
		int64_t next;

		if (log_read(h->log, &want, &slice) != K_NONE || slice.n == 0)
			return;
		next = check_slice(x, n, h, c, &slice);
		log_slice_drop(&slice);
		if (next <= s->checked)
			return;
		s->checked = next;
	}
}

/* Whichever of its shards has it; NULL: none. */
static struct hosted *find_on(const struct node *n, struct uuid topic,
			      int32_t index, struct broker **at)
{
	struct partition_id id = { topic, index };

	for (int i = 1; i <= n->info.shards; i++) {
		struct broker *b = n->threads[i].broker;
		struct hosted *h = n->state != NODE_DOWN && b && b->copy
					   ? hosted_find(b, id) : NULL;

		if (!h)
			continue;
		if (at)
			*at = b;
		return h;
	}
	return NULL;
}

static struct hosted *hosted_on(struct node *m, const struct hosted *h)
{
	struct hosted *other = find_on(m, h->topic->id, h->index, NULL);

	return other && other->replica && other->log ? other : NULL;
}

/* Who begins anew counts for nobody: no leader that knows as much. */
static void check_anew(struct watch *x, struct node *n, struct hosted *h,
		       struct seen *s)
{
	if (!s->anew || h->replica->leader_epoch < 0)
		return;
	s->anew = false;
	for (int i = 1; i <= x->w->config.nodes; i++) {
		const struct hosted *other = hosted_on(node_of(x->w, i), h);
		const struct replica *r = other ? other->replica : NULL;

		if (!r || r->role != REPLICA_LEADER ||
		    r->leader_epoch < h->replica->leader_epoch)
			continue;
		for (int32_t k = 0; k < r->isr_n; k++)
			if (r->isr[k] == n->id &&
			    log_end(h->log) < r->high_watermark)
				world_violation(x->w, "%s-%d: node %d begins "
						"anew at %" PRId64 ", and "
						"leader %d counts it as in "
						"sync up to %" PRId64, NAME(h),
						n->id, log_end(h->log), i,
						r->high_watermark);
	}
}

/* Everybody who is said to be in sync has it. */
static void check_isr(struct watch *x, struct node *n, struct hosted *h,
		      const struct canon *c)
{
	const struct replica *r = h->replica;

	for (int32_t i = 0; i < r->isr_n && !c->loose; i++) {
		struct node *m = node_of(x->w, r->isr[i]);
		const struct hosted *other = hosted_on(m, h);

		/* given up by agreement, which this leader has not heard */
		if (c->counted && !(c->counted & 1u << m->id))
			continue;
		if (m != n && other && !log_error(other->log) && !m->damaged &&
		    !m->wiped && log_end(other->log) < r->high_watermark)
			world_violation(x->w, "%s-%d: node %d, in sync, ends at"
					" %" PRId64 ", below the high watermark"
					" %" PRId64 " of leader %d", NAME(h),
					m->id, log_end(other->log),
					r->high_watermark, n->id);
	}
}

static void check_leader(struct watch *x, struct node *n, struct hosted *h,
			 struct canon *c)
{
	const struct replica *r = h->replica;
	intptr_t known = (intptr_t)map_find_i64(&c->leaders, r->leader_epoch);
	int owner;

	if (known == n->id)
		return;
	if (known)
		world_violation(x->w, "%s-%d: nodes %d and %d both lead in "
				"epoch %d", NAME(h), (int)known, n->id,
				r->leader_epoch);
	x->w->counts.epochs++;
	owner = estate_enter(0);
	map_put_i64(&c->leaders, r->leader_epoch, (void *)(intptr_t)n->id);
	estate_enter(owner);
	if (r->leader_epoch > c->epoch && !c->loose &&
	    log_end(h->log) < c->committed)
		world_violation(x->w, "%s-%d: node %d begins to lead in epoch "
				"%d with a log that ends at %" PRId64 "; up to "
				"%" PRId64 " was committed", NAME(h), n->id,
				r->leader_epoch, log_end(h->log), c->committed);
	c->epoch = max_of(c->epoch, r->leader_epoch);
}

/* A leader without all of it may have been chosen. */
static bool may_be_unclean(const struct broker *b, const struct hosted *h)
{
	const struct topic *t = cluster_topic_by_id(b->cluster, h->topic->id);

	return t && setting_bool(setting_of_topic(
			    b->cluster, NULL, t,
			    SETTING_UNCLEAN_LEADER_ELECTION_ENABLE));
}

static int64_t setting(const struct node *n, enum setting_id id)
{
	return setting_number(n->settings.values[id]);
}

/*
 * Who is fenced led until then by heartbeats that the quorum leader had heard,
 * or one that did not know yet that it leads no more, for an election timeout.
 */
static void check_lease(struct watch *x, struct node *n,
			const struct broker *b, const struct hosted *h)
{
	int64_t since = x->standing[n->id - 1].fenced_us, longest;

	if (since < 0 || hosted_check(b, h, -1, true) != K_NONE)
		return;
	longest = setting(n, SETTING_BROKER_SESSION_TIMEOUT_MS) +
		  setting(n, SETTING_QUORUM_ELECTION_TIMEOUT_MS);
	if (x->w->now_us - since > longest * 1000)
		world_violation(x->w, "%s-%d: node %d serves as leader of epoch"
				" %d, and was fenced %" PRId64 " ms ago",
				NAME(h), n->id, h->replica->leader_epoch,
				(x->w->now_us - since) / 1000);
}

/* A disk that has never failed holds nothing that looks damaged. */
static void check_damage(struct watch *x, struct node *n, struct hosted *h)
{
	if (log_error(h->log) != -EBADMSG || n->failed || n->was_failed)
		return;
	world_violation(x->w, "%s-%d: node %d calls its copy damaged, on a "
			"disk that never failed", NAME(h), n->id);
}

static void look_away(void *ctx, const char *name, bool is_dir)
{
	(void)ctx, (void)name, (void)is_dir;
}

/* What is open stands under its name, where the next start looks for it. */
static void check_name(struct watch *x, struct node *n, const struct hosted *h)
{
	struct disk *d = disk_mem_disk(n->mem);
	char dir[LOG_PATH_MAX], path[LOG_PATH_MAX + 32], id[UUID_TEXT_MAX];
	uint8_t text[128];
	struct file *f;
	int64_t got;

	if (x->visits++ % NAME_EVERY || log_error(h->log))
		return;
	log_dir_path(h->log, dir);
	snprintf(path, sizeof(path), "%s/" METADATA_NAME, dir);
	if (d->ops->open(d, path, DISK_READ, &f) < 0) {
		/* a power cut may have taken the file, not the directory */
		if (!n->was_cut || d->ops->list(d, dir, look_away, NULL) < 0)
			world_violation(x->w, "%s-%d: node %d has it open, and "
					"not on disk", NAME(h), n->id);
		return;
	}
	got = disk_read(d, f, 0, text, sizeof(text));
	d->ops->close(f);
	uuid_text(h->topic->id, id);
	got = max_of(got, (int64_t)0);
	if (!memmem(text, (size_t)got, id, strlen(id)) &&
	    (!n->was_cut || memmem(text, (size_t)got, "topic_id: ", 10)))
		world_violation(x->w, "%s-%d: on node %d another topic has its "
				"directory", NAME(h), n->id);
}

static void check_hosted(struct watch *x, struct node *n,
			 const struct broker *b, struct hosted *h)
{
	const struct replica *r = h->replica;
	struct canon *c = canon_of(x, h->topic->id, h->index);
	struct seen *s = &c->seen[n->id - 1];
	int64_t start = log_start(h->log);

	c->loose |= !h->topic->set.durable &&
		    x->w->counts.kills + x->w->counts.power_cuts +
		    x->w->counts.dooms + x->w->counts.fatals > 0;
	c->loose |= may_be_unclean(b, h);
	if (s->life != n->life || s->log != h->log->id)
		*s = (struct seen){ n->life, h->log->id,
				    s->log && s->life == n->life, -1, 0,
				    start, 0 };
	if (!c->loose)
		check_anew(x, n, h, s);
	if (r->role == REPLICA_LEADER) {
		check_leader(x, n, h, c);
		check_lease(x, n, b, h);
	}
	if (r->leader_epoch == s->epoch && r->high_watermark < s->hw &&
	    !c->loose)
		world_violation(x->w, "%s-%d: node %d: the high watermark falls"
				" from %" PRId64 " to %" PRId64 " in epoch %d",
				NAME(h), n->id, s->hw, r->high_watermark,
				r->leader_epoch);
	if (r->high_watermark > log_end(h->log))
		world_violation(x->w, "%s-%d: node %d: high watermark %" PRId64
				" beyond the log's end %" PRId64, NAME(h),
				n->id, r->high_watermark, log_end(h->log));
	if (start < s->start && !c->loose)
		world_violation(x->w, "%s-%d: node %d: the log start falls from"
				" %" PRId64 " to %" PRId64, NAME(h), n->id,
				s->start, start);
	if (r->high_watermark != s->hw) {
		check_content(x, n, h, c, s);
		/* without a lease its view of the cluster may be old */
		if (r->role == REPLICA_LEADER && broker_has_lease(b))
			check_isr(x, n, h, c);
		/* committed in that epoch: who leads an older one is late,
		 * even if the leader itself could not be looked at */
		if (r->high_watermark > c->committed)
			c->epoch = max_of(c->epoch, r->leader_epoch);
		c->committed = max_of(c->committed, r->high_watermark);
	}
	s->epoch = r->leader_epoch;
	s->hw = r->high_watermark;
	s->start = start;
}

void watch_turn(struct watch *x, struct sim_thread *t)
{
	struct node *n = t->node;
	struct world *w = x->w;
	struct shard *shard = t->broker ? t->broker->shard : NULL;
	bool failed = n->failed;

	if (!shard || n->damaged)
		return;
	w->running = NULL;
	faulty_quiet(n->disk, true);
	for (struct map_iter i = map_first(&shard->topics); i.at;
	     map_next(&i)) {
		struct hosted_topic *topic = i.value;

		for (int32_t p = 0; p < topic->at_n; p++) {
			struct hosted *h = topic->at[p];

			if (!h || !h->replica || !h->log)
				continue;
			check_damage(x, n, h);
			check_name(x, n, h);
			if (!log_error(h->log))
				check_hosted(x, n, t->broker, h);
		}
	}
	faulty_quiet(n->disk, false);
	n->failed = failed;
	w->running = n;
}

static bool is_damaged_copy(struct world *w, int node,
			    const struct partition *p)
{
	struct node *n = node_of(w, node);
	const struct hosted *h = n->damaged ? find_on(n, p->topic->id, p->index,
						      NULL) : NULL;

	return h && h->log && log_error(h->log);
}

bool world_is_lost(struct world *w, const struct partition *p)
{
	uint32_t counts = who_counts(p);
	uint32_t nodes = counts ? counts :
			 canon_of(w->watch, p->topic->id, p->index)->counted;

	if (p->leader >= 0 || !nodes)
		return false;
	for (int i = 1; i <= w->config.nodes; i++) {
		if (!(nodes & 1u << i))
			continue;
		if (counts ? !world_may_stay_down(w, i) &&
				     !is_damaged_copy(w, i, p) :
			     !node_of(w, i)->was_wiped)
			return false;
	}
	return true;
}

/* ---- life ---------------------------------------------------------------- */

void watch_died(struct watch *x, struct node *n)
{
	(void)x;
	n->applied = 0;
}

struct watch *watch_new(struct world *w)
{
	struct watch *x = mem_zalloc(sizeof(*x));

	x->w = w;
	for (int i = 0; i < WORLD_NODES_MAX; i++)
		x->standing[i].fenced_us = -1;
	return x;
}

void watch_free(struct watch *x)
{
	for (struct map_iter i = map_first(&x->agreed); i.at; map_next(&i))
		mem_free(i.value);
	for (struct map_iter i = map_first(&x->canons); i.at; map_next(&i)) {
		struct canon *c = i.value;

		map_fini(&c->leaders);
		mem_free(c->v);
		mem_free(c);
	}
	map_fini(&x->agreed);
	map_fini(&x->canons);
	map_fini(&x->terms);
	mem_free(x);
}

/* ---- for people ---------------------------------------------------------- */

static void dump_on(struct node *n, const struct partition *p, struct buf *out)
{
	struct broker *b = NULL;
	const struct hosted *h = find_on(n, p->topic->id, p->index, &b);

	buf_printf(out, "  node %d: ", n->id);
	if (!h || !h->replica) {
		buf_printf(out, "no replica\n");
		return;
	}
	replica_dump(h->replica, out);
	buf_printf(out, " lease=%d log=%" PRId64 "..%" PRId64 " durable=%"
		   PRId64 " error=%d\n", broker_has_lease(b),
		   log_start(h->log), log_end(h->log), log_durable_end(h->log),
		   log_error(h->log));
}

void world_dump(struct world *w, struct buf *out)
{
	int leader = world_quorum_leader(w);
	const struct cluster *c = leader ? world_cluster(w, leader) : NULL;

	if (!c) {
		buf_printf(out, "no quorum leader\n");
		return;
	}
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t k = 0; k < t->partitions_n; k++) {
			const struct partition *p = &t->partitions[k];

			if (p->leader >= 0 && p->isr.n == p->replicas.n)
				continue;
			buf_printf(out, "%s-%d leader=%d epoch=%d isr=%d elr=%d"
				   " of %d last=%d\n", t->name, (int)k,
				   (int)p->leader, (int)p->leader_epoch,
				   (int)p->isr.n, (int)p->elr.n,
				   (int)p->replicas.n,
				   (int)p->last_known_leader);
			for (int32_t r = 0; r < p->replicas.n; r++)
				dump_on(node_of(w, p->replicas.v[r]), p,
					out);
		}
	}
}
