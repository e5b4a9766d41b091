/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed_read: one partition, one reader. Consumers read what is committed, from
 * the leader or, from version 11 on, from a follower (KIP-392); other brokers
 * read to the end, and by asking say how far they are (KIP-101, 320, 595).
 *
 * 1. A consumer sees nothing at or above the high watermark.
 * 2. A process that came back believes at first that it leads what its
 *    predecessor led. Its log may lack what that one had: before it holds a
 *    lease, followers hear nothing from it, least of all where to cut.
 * 3. What another broker says of its progress reaches the replica once per
 *    change.
 */
#include "feed_read.h"

static enum kerr why_absent(struct broker *b, const struct feed_part *p,
			    const struct feed_slot *s)
{
	struct hosted *h;
	enum kerr error = hosted_get(b, s->id, -1, false, &h);

	if (error == K_UNKNOWN_TOPIC_ID && p->version < 13)
		return K_UNKNOWN_TOPIC_OR_PARTITION;
	return error;
}

static enum feed_found refuse(struct broker *b, struct feed_slot *s,
			      struct feed_result *r, enum kerr error)
{
	r->error = (int16_t)error;
	r->high_watermark = -1;
	r->log_start = -1;
	if (error == K_NOT_LEADER_OR_FOLLOWER || error == K_FENCED_LEADER_EPOCH)
		hosted_leader(b, s->id, &r->leader, &r->leader_epoch);
	counters_error(b, 1, r->error);
	return FEED_URGENT;
}

void feed_describe(struct broker *b, struct feed_slot *s,
		   struct feed_result *r)
{
	(void)b;
	r->high_watermark = -1;
	r->log_start = -1;
	if (!s->hosted || !s->hosted->replica)
		return;
	r->high_watermark = s->hosted->replica->high_watermark;
	r->log_start = log_start(s->hosted->log);
}

static enum feed_found read_until(struct feed_part *p, struct feed_slot *s,
				  struct feed_result *r, int64_t end)
{
	int64_t room = (int64_t)p->max_bytes - p->bytes;
	bool first = p->bytes == 0;
	enum kerr error;

	if (s->offset >= end)
		return FEED_NOTHING;
	if (room <= 0 && !first)
		return FEED_LATER;
	error = log_read(s->hosted->log, &(struct log_want){
				 s->offset, end,
				 (int32_t)max_of(0, min_of(room, s->max_bytes)),
				 first }, &r->slice);
	if (error) {
		r->error = (int16_t)error;
		return FEED_URGENT;
	}
	if (r->slice.n)
		return FEED_DATA;
	/* it is being read into memory; on_readable wakes us */
	return r->slice.cold ? FEED_NOTHING : FEED_LATER;
}

static enum feed_found with_marks(const struct feed_slot *s,
				  const struct feed_result *r,
				  enum feed_found found)
{
	if (found != FEED_NOTHING)
		return found;
	if (s->told_hw != r->high_watermark || s->told_start != r->log_start)
		return FEED_NEWS;
	return FEED_NOTHING;
}

/* ---- other brokers ------------------------------------------------------- */

static enum kerr note_progress(struct broker *b, const struct feed_part *p,
			       struct feed_slot *s, struct feed_result *r)
{
	struct hosted *h = s->hosted;
	struct replica_fetch f = {
		.node = s->feed->peer,
		.broker_epoch = p->broker_epoch,
		.order = s->order,
		.offset = s->offset,
		.current_epoch = s->current_epoch,
		.last_epoch = s->last_epoch,
	};
	int changed;
	enum kerr error = replica_on_fetch(h->replica, &f, b->now_ms, &changed,
					   &r->diverging);

	hosted_changed(b, h, changed);
	if (!error && r->diverging.epoch < 0) {
		s->progress = false;
		isr_look(b, h);
	}
	return error;
}

static enum feed_found read_follower(struct broker *b, struct feed_part *p,
				     struct feed_slot *s,
				     struct feed_result *r)
{
	struct hosted *h = s->hosted;
	enum kerr error = replica_check_leader(h->replica, s->current_epoch);

	if (!error && !broker_has_lease(b))
		error = K_NOT_LEADER_OR_FOLLOWER;
	if (!error && s->progress)
		error = note_progress(b, p, s, r);
	if (error) {
		refuse(b, s, r, error);
		/* it may have to begin again at our first offset */
		if (error == K_OFFSET_OUT_OF_RANGE)
			feed_describe(b, s, r);
		return FEED_URGENT;
	}
	feed_describe(b, s, r);
	if (r->diverging.epoch >= 0)
		return FEED_URGENT;
	return with_marks(s, r, read_until(p, s, r, log_end(h->log)));
}

/* ---- consumers ----------------------------------------------------------- */

static bool prefers_racks(const struct broker *b)
{
	static const char name[] = "RackAwareReplicaSelector";
	const char *set = b->node->settings
				  ->values[SETTING_REPLICA_SELECTOR_CLASS];
	size_t n = strlen(set);

	return n >= sizeof(name) - 1 &&
	       !strcmp(set + n - (sizeof(name) - 1), name);
}

/* A closer replica that is in sync and has the offset (KIP-392); -1: none. */
static int32_t preferred(struct broker *b, const struct feed_part *p,
			 const struct feed_slot *s)
{
	const struct replica *r = s->hosted->replica;
	const char *own = b->node->rack;
	int32_t best = -1;

	if (p->rack.n <= 0 || r->role != REPLICA_LEADER ||
	    (own && str_eq_c(p->rack, own)) || !prefers_racks(b))
		return -1;
	for (int32_t i = 0; i < r->peers_n; i++) {
		const struct replica_peer *peer = &r->peers[i];
		const struct broker_info *info =
			cluster_broker(b->cluster, peer->node);

		if (!peer->in_isr || !peer->eligible || !info || !info->rack ||
		    !str_eq_c(p->rack, info->rack) || peer->end < s->offset)
			continue;
		if (best < 0 || peer->node < best)
			best = peer->node;
	}
	return best;
}

/* Only the first batch of an answer is looked at: the next one comes first in
 * the next answer. Bytes that are not in memory are let pass. */
static bool is_zstd(const struct log_slice *slice)
{
	uint8_t head[BATCH_HEADER_SIZE];
	struct batch batch;

	if (log_slice_read(slice, 0, head, sizeof(head), true) !=
	    (int64_t)sizeof(head))
		return false;
	return batch_peek(head, sizeof(head), &batch) == K_NONE &&
	       batch_codec(&batch) == CODEC_ZSTD;
}

/* A follower may be behind: the reader must not reset because of that. */
static enum kerr beyond(const struct replica *r)
{
	return r->role == REPLICA_LEADER ? K_OFFSET_OUT_OF_RANGE :
					   K_OFFSET_NOT_AVAILABLE;
}

/* Where the reader's history is not ours it is told so (KIP-320, KIP-595). */
static enum kerr check_position(const struct feed_slot *s,
				struct replica_divergence *d)
{
	const struct replica *r = s->hosted->replica;
	int32_t epoch;
	int64_t end;

	if (s->offset < log_start(r->log))
		return K_OFFSET_OUT_OF_RANGE;
	if (s->last_epoch >= 0) {
		log_epoch_end(r->log, s->last_epoch, &epoch, &end);
		if (epoch < 0)
			return beyond(r);
		if (epoch < s->last_epoch || end < s->offset) {
			*d = (struct replica_divergence){ epoch, end };
			return K_NONE;
		}
	}
	return s->offset > log_end(r->log) ? beyond(r) : K_NONE;
}

static enum feed_found read_consumer(struct broker *b, struct feed_part *p,
				     struct feed_slot *s,
				     struct feed_result *r)
{
	enum feed_found found;
	struct hosted *h = s->hosted;
	enum kerr error = hosted_check(b, h, s->current_epoch,
				       p->version < 11);

	if (!error)
		error = check_position(s, &r->diverging);
	if (error)
		return refuse(b, s, r, error);
	feed_describe(b, s, r);
	if (r->diverging.epoch >= 0)
		return FEED_URGENT;
	r->preferred = preferred(b, p, s);
	if (r->preferred >= 0)
		return FEED_URGENT;
	found = read_until(p, s, r, replica_read_end(h->replica));
	if (r->error)
		return refuse(b, s, r, (enum kerr)r->error);
	if (found == FEED_DATA && p->version < 10 && is_zstd(&r->slice)) {
		log_slice_drop(&r->slice);
		r->slice = (struct log_slice){ .n = 0 };
		return refuse(b, s, r, K_UNSUPPORTED_COMPRESSION_TYPE);
	}
	return with_marks(s, r, found);
}

enum feed_found feed_read(struct broker *b, struct feed_part *p,
			  struct feed_slot *s, struct feed_result *r)
{
	if (!s->hosted)
		return refuse(b, s, r, why_absent(b, p, s));
	if (!s->hosted->replica)
		return refuse(b, s, r, K_KAFKA_STORAGE_ERROR);
	if (s->feed->peer >= 0)
		return read_follower(b, p, s, r);
	return read_consumer(b, p, s, r);
}
