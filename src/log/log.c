/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: appending to one partition, and what everyone asks about it. Reading
 * stands in log_read.c and log_time.c, going back in log_cut.c.
 *
 * 1. An append is checked wholly before the first byte is written and noted
 *    wholly after the last one was.
 * 2. Batches are noted in one place, log_note_batch, whether they come from a
 *    client, a leader or a recovery: the state is a function of the bytes.
 * 3. Bytes reach the page cache here; that they reach the disk is the
 *    journal's business (journal.c), and moves durable_end.
 */
#include "log_internal.h"

bool log_can_be(struct str topic, int32_t partition)
{
	return topic.n > 0 && topic.n <= LOG_TOPIC_MAX && partition >= 0 &&
	       !memchr(topic.p, '/', (size_t)topic.n) &&
	       !memchr(topic.p, '\0', (size_t)topic.n);
}

struct log *log_new(struct store *s, struct str topic, struct uuid topic_id,
		    int32_t partition, const struct log_settings *set)
{
	struct log *l = mem_zalloc(sizeof(*l));
	struct buf name = { 0 };

	buf_printf(&name, "%.*s-%" PRId32, STR_ARG(topic), partition);
	l->dir = mem_strdup(buf_c(&name));
	buf_fini(&name);
	list_init(&l->link);
	list_init(&l->failed);
	l->store = s;
	l->topic_n = topic.n;
	l->topic_id = topic_id;
	l->partition = partition;
	l->set = *set;
	l->frame_slot[0] = l->frame_slot[1] = -1;
	producers_init(&l->producers);
	log_forget_spots(l);
	return l;
}

void log_free(struct log *l)
{
	for (int32_t i = 0; i < l->seg_n; i++)
		segment_abandon(l->seg[i]);
	list_remove(&l->link);
	list_remove(&l->failed);
	epochs_fini(&l->epochs);
	producers_fini(&l->producers);
	mem_free(l->seg);
	mem_free(l->recent);
	mem_free(l->dir);
	mem_free(l);
}

void log_fail(struct log *l, int error)
{
	if (l->error)
		return;
	l->error = error;
	l->held = log_needs_journal(l);
	l->store->held += l->held;
	trace_error("log", "log is offline", "log=%s error=\"%s\"", l->dir,
		    strerror(-error));
	if (list_empty(&l->failed))
		list_push(&l->store->failed, &l->failed);
}

void log_release(struct log *l)
{
	if (!l->held)
		return;
	l->held = false;
	if (--l->store->held == 0)
		cycle_step(l->store);
}

bool log_needs_journal(const struct log *l)
{
	if (!l->error || l->damaged || !l->set.durable)
		return false;
	for (int32_t i = l->seg_n - 1; i >= 0; i--)
		if (l->seg[i]->synced < l->seg[i]->size || l->seg[i]->fresh)
			return true;
	return false;
}

void log_forsake(struct log *l)
{
	assert(l->error);
	if (!l->damaged)
		l->promised_end = l->set.durable ? l->durable_end : -1;
	l->damaged = true;
	log_release(l);
}

/* ---- what everyone asks -------------------------------------------------- */

struct str log_topic(const struct log *l)
{
	return (struct str){ l->dir, l->topic_n };
}

struct uuid log_topic_id(const struct log *l)
{
	return l->topic_id;
}

int32_t log_partition(const struct log *l)
{
	return l->partition;
}

void log_set_owner(struct log *l, void *owner)
{
	l->owner = owner;
}

void *log_owner(const struct log *l)
{
	return l->owner;
}

int64_t log_start(const struct log *l)
{
	return l->start;
}

int64_t log_end(const struct log *l)
{
	return l->end;
}

int64_t log_durable_end(const struct log *l)
{
	return l->set.durable ? l->durable_end : l->end;
}

int64_t log_bytes(const struct log *l)
{
	return l->bytes;
}

int32_t log_segments(const struct log *l)
{
	return l->seg_n;
}

int log_error(const struct log *l)
{
	return l->error;
}

int64_t log_high_watermark(const struct log *l)
{
	return l->hw;
}

void log_set_high_watermark(struct log *l, int64_t hw)
{
	l->hw = min_of(hw, l->end);
	log_retain_messages(l);
}

/* ---- segments ------------------------------------------------------------ */

void log_add_segment(struct log *l, struct segment *g)
{
	if (l->seg_n == l->seg_cap) {
		l->seg_cap = l->seg_cap ? l->seg_cap * 2 : 1;
		l->seg = mem_realloc(l->seg,
				     (size_t)l->seg_cap * sizeof(*l->seg));
	}
	l->seg[l->seg_n++] = g;
	l->bytes += g->size;
}

void log_remove_segments(struct log *l, int32_t from, int32_t n)
{
	for (int32_t i = from; i < from + n; i++) {
		l->bytes -= l->seg[i]->size;
		segment_delete(l->seg[i]);
	}
	memmove(l->seg + from, l->seg + from + n,
		(size_t)(l->seg_n - from - n) * sizeof(*l->seg));
	l->seg_n -= n;
}

void log_pop_segment(struct log *l)
{
	struct segment *g = l->seg[--l->seg_n];

	l->bytes -= g->size;
	segment_abandon(g);
}

struct segment *log_active(const struct log *l)
{
	struct segment *g = l->seg_n ? l->seg[l->seg_n - 1] : NULL;

	return g && !l->closed && !g->trim ? g : NULL;
}

int log_roll(struct log *l, int64_t base, int64_t now_ms, struct segment **out)
{
	struct segment *g = segment_new(l, base, now_ms), *last;
	struct file *f;
	int error;

	last = l->seg_n ? l->seg[l->seg_n - 1] : NULL;
	if (last && last->size == 0 && last->base == base && !last->trim) {
		segment_drop(g); /* an empty one of that name will do */
		l->closed = false;
		*out = last;
		return 0;
	}
	g->create = true;
	g->index.built = true;
	error = segment_file(g, &f);
	if (error) {
		segment_abandon(g);
		return error;
	}
	if (last && last->size == 0)
		log_remove_segments(l, l->seg_n - 1, 1);
	log_add_segment(l, g);
	segment_mark_dirty(g);
	l->closed = false;
	l->recent_n = l->recent_at = 0;
	*out = g;
	return 0;
}

static bool must_roll(const struct log *l, const struct segment *g, size_t n,
		      const struct batch *b, int64_t wall_ms)
{
	int64_t first;

	if (!g)
		return true;
	if (!g->size)
		return g->base > b->base_offset ||
		       b->base_offset - g->base > INT32_MAX;
	if (g->size + (int64_t)n > l->set.segment_bytes)
		return true;
	if (batch_last_offset(b) - g->base > INT32_MAX)
		return true;
	if (l->set.segment_ms < 0)
		return false;
	/* As Kafka does: by the records' time where they have one. */
	first = g->first_ts >= 0 ? g->first_ts : g->created_ms;
	return (g->first_ts >= 0 && b->max_timestamp >= 0 ? b->max_timestamp :
							     wall_ms) -
		       first >
	       l->set.segment_ms;
}

/* ---- writing ------------------------------------------------------------- */

static void note_recent(struct log *l, const struct segment *g, int64_t offset,
			uint32_t pos)
{
	if (!l->recent)
		l->recent = mem_alloc(LOG_RECENT * sizeof(*l->recent));
	l->recent[l->recent_at] = (struct spot){ g->base, offset, pos };
	l->recent_at = (l->recent_at + 1) % LOG_RECENT;
	if (l->recent_n < LOG_RECENT)
		l->recent_n++;
}

void log_note_batch(struct log *l, const struct batch *b, int64_t wall_ms)
{
	struct segment *g = l->seg[l->seg_n - 1];

	if (g->index.built)
		segment_index_note(g, b, g->size);
	note_recent(l, g, b->base_offset, g->size);
	if (!g->size)
		g->first_ts = b->max_timestamp;
	g->max_ts = max_of(g->max_ts, b->max_timestamp);
	segment_grow(g, (uint32_t)b->size);
	l->bytes += b->size;
	g->next = l->end = batch_next_offset(b);
	epochs_begin(&l->epochs, b->leader_epoch, b->base_offset);
	producers_note(&l->producers, b, wall_ms);
}

/* Whole batches with final offsets, into the active segment or a new one. */
int log_write_batches(struct log *l, const uint8_t *p, size_t n,
		      const struct batch *first)
{
	struct segment *g = log_active(l);
	int64_t wall_ms = l->store->wall_ms;
	struct batch b;
	int error;

	if (must_roll(l, g, n, first, wall_ms)) {
		error = log_roll(l, first->base_offset, wall_ms, &g);
		if (error)
			return error;
	}
	error = segment_write(g, p, n);
	if (error)
		return error;
	for (size_t at = 0; at < n; at += (size_t)b.size) {
		enum kerr e = batch_peek(p + at, n - at, &b);

		assert(e == K_NONE);
		log_note_batch(l, &b, wall_ms);
	}
	segment_writeback(g);
	if (l->set.durable)
		journal_append(l->store, l, p, n);
	return 0;
}

static int write_or_fail(struct log *l, const uint8_t *p, size_t n,
			 const struct batch *first)
{
	int error = log_write_batches(l, p, n, first);

	if (error && !disk_error_passes(error))
		log_fail(l, error);
	return error;
}

/* ---- the leader's append ------------------------------------------------- */

static enum kerr check_times(const struct log *l, const struct batch *b,
			     int64_t wall_ms, const char **why)
{
	const struct log_settings *set = &l->set;

	if (b->attributes & BATCH_LOG_APPEND_TIME) {
		*why = "a producer may not set the log-append-time bit";
		return K_INVALID_TIMESTAMP;
	}
	if (set->log_append_time)
		return K_NONE;
	/* Differences could overflow for absurd settings, sums cannot here. */
	if (b->base_timestamp >= 0 && set->timestamp_before_max_ms >= 0 &&
	    b->base_timestamp < wall_ms &&
	    wall_ms - b->base_timestamp > set->timestamp_before_max_ms) {
		*why = "a timestamp is too old for this topic";
		return K_INVALID_TIMESTAMP;
	}
	if (b->max_timestamp > wall_ms && set->timestamp_after_max_ms >= 0 &&
	    b->max_timestamp - wall_ms > set->timestamp_after_max_ms) {
		*why = "a timestamp is too far in the future";
		return K_INVALID_TIMESTAMP;
	}
	return K_NONE;
}

static enum kerr check_keys(const struct batch *b, const char **why)
{
	struct batch_walk w;
	struct record r;
	enum kerr e;

	batch_walk_open(&w, b, LOG_WALK_LIMIT);
	e = K_NONE;
	while (e == K_NONE && batch_walk_next(&w, &r)) {
		if (r.key.n < 0) {
			*why = "a compacted topic takes no record without key";
			e = K_INVALID_RECORD;
		}
	}
	if (e == K_NONE && w.error != K_NONE) {
		*why = "the records of the batch cannot be read";
		e = w.error;
	}
	batch_walk_close(&w);
	return e;
}

static enum kerr check_batch(const struct log *l, const uint8_t *p, size_t n,
			     struct batch *b, const char **why)
{
	enum kerr e;

	*why = "not a record batch";
	if (n < BATCH_HEADER_SIZE)
		return n ? K_CORRUPT_MESSAGE : K_INVALID_RECORD;
	e = batch_peek(p, n, b);
	if (e != K_NONE)
		return e;
	if (b->size < 0 || (size_t)b->size > n)
		return K_CORRUPT_MESSAGE;
	*why = NULL;
	e = batch_check_client(b, l->set.max_message_bytes, why);
	if (e != K_NONE)
		return e;
	if ((size_t)b->size < n) {
		*why = "a produce request has one batch for each partition";
		return K_INVALID_RECORD;
	}
	if (b->size > l->set.segment_bytes) {
		*why = "the batch is larger than segment.bytes";
		return K_RECORD_LIST_TOO_LARGE;
	}
	return K_NONE;
}

static enum kerr check_append(const struct log *l,
			      const struct log_offer *o, struct batch *b,
			      const char **why)
{
	enum kerr e;

	if (l->error) {
		*why = "the log is offline";
		return K_KAFKA_STORAGE_ERROR;
	}
	e = check_batch(l, o->p, o->n, b, why);
	if (e == K_NONE)
		e = check_times(l, b, o->wall_ms, why);
	if (e == K_NONE && l->set.compact)
		e = check_keys(b, why);
	return e;
}

void log_refused(struct log *l, const uint8_t *p, size_t n, enum kerr error)
{
	struct batch b;

	if (n >= BATCH_HEADER_SIZE && batch_peek(p, n, &b) == K_NONE)
		producers_refused(&l->producers, &b, error);
}

/* For want of room: the same batch may well be taken later. */
static enum kerr refuse(struct log *l, const struct batch *b,
			struct log_append *out, const char *why)
{
	if (!l->error)
		producers_refused(&l->producers, b, K_KAFKA_STORAGE_ERROR);
	out->append_time_ms = -1;
	out->why = why;
	return K_KAFKA_STORAGE_ERROR;
}

static struct tenure tenure_of(const struct log *l, int32_t leader_epoch)
{
	const struct epochs *e = &l->epochs;
	const struct epoch *last = e->n ? &e->v[e->n - 1] : NULL;

	if (leader_epoch <= 0)
		return (struct tenure){ -1, false };
	return (struct tenure){
		last && last->epoch == leader_epoch ? last->start : l->end,
		l->start == 0,
	};
}

enum kerr log_append(struct log *l, const struct log_offer *offer,
		     struct log_append *out)
{
	struct tenure tenure = tenure_of(l, offer->leader_epoch);
	const struct producer_batch *dup;
	struct batch b;
	enum kerr e;
	int error;

	*out = (struct log_append){ -1, -1, -1, false, NULL };
	e = check_append(l, offer, &b, &out->why);
	if (e == K_NONE && l->set.durable && !journal_takes(l->store))
		return refuse(l, &b, out,
			      "the journal takes nothing at the moment");
	if (e == K_NONE)
		e = producers_check(&l->producers, &b, &tenure, &dup,
				    &out->why);
	if (e != K_NONE)
		return e;
	if (dup) {
		out->base_offset = dup->first_offset;
		out->last_offset = dup->last_offset;
		if (l->set.log_append_time)
			out->append_time_ms = dup->time_ms;
		out->duplicate = true;
		return K_NONE;
	}
	l->store->wall_ms = offer->wall_ms;
	batch_stamp(offer->p, l->end, offer->leader_epoch);
	if (l->set.log_append_time) {
		batch_stamp_append_time(offer->p, offer->wall_ms);
		out->append_time_ms = offer->wall_ms;
	}
	e = batch_peek(offer->p, offer->n, &b);
	assert(e == K_NONE);
	error = write_or_fail(l, offer->p, offer->n, &b);
	if (error)
		return refuse(l, &b, out, strerror(-error));
	out->base_offset = b.base_offset;
	out->last_offset = batch_last_offset(&b);
	return K_NONE;
}

/* ---- the follower's append ----------------------------------------------- */

bool log_follows(const struct log *l, int64_t next, int64_t offset)
{
	return offset == next || (l->set.compact && offset > next);
}

/*
 * A leader whose log starts inside a batch sends that whole batch; an empty
 * follower takes it, its log_end then lies before what it had asked for.
 */
static bool in_place(const struct log *l, const struct batch *b, int64_t end)
{
	if (b->base_offset >= end)
		return log_follows(l, end, b->base_offset);
	return end == l->end && l->start == l->end && l->bytes == 0 &&
	       batch_last_offset(b) >= end;
}

static size_t room(const struct log *l)
{
	const struct segment *g = log_active(l);
	int64_t left = l->set.segment_bytes - (g ? g->size : 0);

	return (size_t)(left > 0 ? left : l->set.segment_bytes);
}

/* How many of the n bytes are whole batches that fit; -EBADMSG in *error. */
static size_t fitting(const struct log *l, const uint8_t *p, size_t n,
		      int32_t leader_epoch, int *error)
{
	int64_t end = l->end;
	int32_t epoch = log_last_epoch(l);
	size_t at = 0, max = room(l);
	struct batch b;

	*error = 0;
	while (n - at >= BATCH_HEADER_SIZE) {
		enum kerr e = batch_peek(p + at, n - at, &b);

		if (e == K_NONE && b.size > 0 && (size_t)b.size > n - at)
			break; /* cut by the leader */
		if (e != K_NONE || !batch_crc_ok(&b) ||
		    b.last_offset_delta < 0 || !in_place(l, &b, end) ||
		    b.leader_epoch < epoch || b.leader_epoch > leader_epoch) {
			*error = -EBADMSG;
			break;
		}
		if (at && at + (size_t)b.size > max)
			break; /* into the next segment */
		if (at && batch_last_offset(&b) - l->end > INT32_MAX / 2)
			break;
		at += (size_t)b.size;
		end = batch_next_offset(&b);
		epoch = b.leader_epoch;
	}
	return at;
}

/*
 * The leader has records of an older epoch where one began here that has none:
 * this log was longer once (its disk was lost), or that epoch never had any.
 */
static void heed_epoch(struct log *l, const uint8_t *p, size_t n)
{
	struct batch b;

	if (n >= BATCH_HEADER_SIZE && batch_peek(p, n, &b) == K_NONE &&
	    b.leader_epoch < log_last_epoch(l) &&
	    b.size > 0 && (size_t)b.size <= n && batch_crc_ok(&b))
		log_forget_epochs(l);
}

/*
 * The empty file makes way for one that begins before it, and a checkpoint may
 * vouch for that name: it is noted that the log begins anew where it stands.
 */
static int begin_inside(struct log *l)
{
	int error = cut_note(l, JOURNAL_CLEAR, l->end);

	if (error && !disk_error_passes(error))
		log_fail(l, error);
	if (!error)
		journal_note(l->store, l, JOURNAL_CLEAR, l->end,
			     l->set.durable);
	return error;
}

int log_append_copy(struct log *l, int32_t leader_epoch, const uint8_t *p,
		    size_t n)
{
	struct batch b;
	size_t at = 0, k;
	int error;

	if (l->error)
		return l->error;
	if (l->set.durable && !journal_takes(l->store))
		return -ENOSPC;
	heed_epoch(l, p, n);
	while (at < n) {
		k = fitting(l, p + at, n - at, leader_epoch, &error);
		if (!k)
			return error;
		if (batch_peek(p + at, k, &b) != K_NONE)
			return -EBADMSG;
		error = b.base_offset < l->end ? begin_inside(l) : 0;
		if (!error)
			error = write_or_fail(l, p + at, k, &b);
		if (error)
			return error;
		at += k;
	}
	return 0;
}

/* ---- settings ------------------------------------------------------------ */

void log_configure(struct log *l, const struct log_settings *set)
{
	bool was = l->set.durable;

	l->set = *set;
	if (set->durable && !was) {
		/*
		 * What was promised from the page cache stays promised; the
		 * next promise waits until that is on disk, too.
		 */
		l->durable_end = l->end;
		l->journaled_end = l->end;
		store_sync_log(l);
	}
	log_retain_messages(l);
}
