/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consume: plain reads, without a group. A reader has a tap (a connection) to
 * each broker that leads partitions of its share, with one fetch at a time: the
 * next one needs the offsets that the last one brought.
 *
 * Records are counted from the headers of their batches; batches are neither
 * decompressed nor walked.
 *
 * Invariant: a partition is asked for by one reader, in one fetch at a time.
 */
#include "bench.h"

#define RETRY_NS (20 * MILLISECOND)
#define RECONNECT_NS (50 * MILLISECOND)
#define SILENCE_NS (250 * MILLISECOND)

struct cursor {
	int64_t next, retry_ns;
	bool done;
};
struct tap {
	struct conn conn;
	struct call call;
	struct iovec iov;
	struct buf bytes;
	struct share *share;
	int32_t broker;
	bool asked;
};
struct share {
	struct consume *consume;
	int32_t no;
	int32_t turn; /* which partition stands first in the next fetch */
	struct tap **taps;
	int32_t taps_n;
};
struct consume {
	struct run *run;
	struct cursor *cursors;
	struct share *shares;
	int32_t shares_n;
	int32_t left; /* partitions that are not done */
	struct fetch_request request; /* filled anew for every fetch */
	struct fetch_request_topic topic;
	struct arena arena;
	int64_t swept_ns;
	bool wanted; /* somebody may ask again */
};

/* ---- what came ----------------------------------------------------------- */

static void finish(struct consume *c, struct cursor *at, int32_t partition)
{
	const struct run *r = c->run;
	const struct partition *p = &r->topology.partitions[partition];

	if (at->next < p->end_offset || p->end_offset == p->first_offset)
		return;
	if (r->options.again)
		at->next = p->first_offset;
	if (r->options.until_end && !at->done) {
		at->done = true;
		c->left--;
	}
}

static void walk(struct consume *c, int32_t partition, struct records records,
		 struct fetched *f)
{
	struct run *r = c->run;
	struct cursor *at = &c->cursors[partition];
	const uint8_t *p = records.p;
	int64_t left = records.n;
	struct batch b;

	while (left >= BATCH_HEADER_SIZE &&
	       batch_peek(p, (size_t)left, &b) == K_NONE && b.size <= left) {
		if (r->options.check_crc && !batch_crc_ok(&b))
			r->tally.crc_bad++;
		if (batch_next_offset(&b) > at->next) {
			f->records += b.count;
			f->batches++;
			f->size += b.size;
			at->next = batch_next_offset(&b);
			if (r->match)
				match_seen(r->match, partition, b.base_offset,
					   f->now_ns);
		}
		p += b.size;
		left -= b.size;
	}
	finish(c, at, partition);
}

static void failed(struct tap *tap, const struct fetch_response_partition *m)
{
	struct run *r = tap->share->consume->run;
	struct cursor *at = &tap->share->consume->cursors[m->partition_index];
	struct partition *p = &r->topology.partitions[m->partition_index];

	tally_error(&r->tally, m->error_code);
	at->retry_ns = clock_ns() + RETRY_NS;
	if (m->error_code == K_OFFSET_OUT_OF_RANGE) {
		/* retention was here; its start is in the answer, or not */
		if (m->log_start_offset >= 0) {
			at->next = max_of(at->next, m->log_start_offset);
			p->first_offset = m->log_start_offset;
		}
		return;
	}
	if (p->leader == tap->broker)
		p->leader = -1;
	topology_doubt(r);
}

static void answered(struct tap *tap, struct reader *in, int64_t now_ns)
{
	struct consume *c = tap->share->consume;
	struct run *r = c->run;
	struct fetched f = { .asked_ns = tap->call.sent_ns, .now_ns = now_ns };
	struct fetch_response a;

	arena_reset(&c->arena);
	if (!wire_decode(in, &fetch_response_type, tap->call.version, &a,
			 &c->arena)) {
		r->broken = "an answer to Fetch is malformed";
		return;
	}
	if (a.error_code != K_NONE)
		tally_error(&r->tally, a.error_code);
	for (int32_t i = 0; i < a.responses_n; i++)
		for (int32_t n = 0; n < a.responses[i].partitions_n; n++) {
			const struct fetch_response_partition *m =
				&a.responses[i].partitions[n];

			if (m->partition_index < 0 ||
			    m->partition_index >= r->topology.partitions_n)
				continue;
			if (m->error_code != K_NONE)
				failed(tap, m);
			else if (m->records.n > 0)
				walk(c, m->partition_index, m->records, &f);
		}
	tally_fetched(&r->tally, &f);
}

static void ended(struct call *call, struct conn *conn, enum call_end how,
		  struct reader *in)
{
	struct tap *tap = container_of(call, struct tap, call);

	tap->asked = false;
	tap->share->consume->wanted = true;
	if (how == CALL_ANSWERED)
		answered(tap, in, conn->read_ns);
}

static void tap_down(struct conn *conn, int error)
{
	struct tap *tap = conn->owner;
	struct run *r = tap->share->consume->run;

	(void)error;
	r->tally.breaks += conn->read_ns > 0;
	r->topology.brokers[tap->broker].not_before_ns =
		clock_ns() + RECONNECT_NS;
	topology_doubt(r);
}

/* ---- asking -------------------------------------------------------------- */

static struct tap *tap_to(struct share *s, int32_t broker)
{
	struct tap *tap;

	if (broker >= s->taps_n) {
		s->taps = mem_realloc(s->taps, (size_t)(broker + 1) *
				      sizeof(*s->taps));
		while (s->taps_n <= broker)
			s->taps[s->taps_n++] = NULL;
	}
	tap = s->taps[broker];
	if (!tap) {
		tap = s->taps[broker] = mem_zalloc(sizeof(*tap));
		conn_init(&tap->conn, &s->consume->run->loop);
		tap->conn.owner = tap;
		tap->conn.on_down = tap_down;
		tap->share = s;
		tap->broker = broker;
	}
	return tap;
}

static bool is_ours(const struct share *s, int32_t partition)
{
	return partition % s->consume->shares_n == s->no;
}

/*
 * Fills the list of partitions, beginning one further each time, because a
 * broker fills its answer in their order.
 */
static int32_t choose(struct tap *tap, int64_t now_ns)
{
	struct share *s = tap->share;
	struct consume *c = s->consume;
	const struct broker *b = &c->run->topology.brokers[tap->broker];
	int32_t n = 0;

	for (int32_t i = 0; i < b->led_n; i++) {
		int32_t partition = b->led[(s->turn + i) % b->led_n];
		const struct cursor *at = &c->cursors[partition];

		if (!is_ours(s, partition) || at->done ||
		    now_ns < at->retry_ns ||
		    c->run->topology.partitions[partition].leader !=
		    tap->broker)
			continue;
		c->topic.partitions[n].partition = partition;
		c->topic.partitions[n++].fetch_offset = at->next;
	}
	s->turn = b->led_n ? (s->turn + 1) % b->led_n : 0;
	return n;
}

static void fetch(struct tap *tap, int64_t now_ns)
{
	struct consume *c = tap->share->consume;
	const struct broker *b = &c->run->topology.brokers[tap->broker];
	struct request_header h = { 1, c->run->topology.fetch_version, 0,
				    STR("raftmq-bench") };
	size_t begin;

	if (tap->conn.state == CONN_DOWN && now_ns < b->not_before_ns)
		return;
	c->topic.partitions_n = choose(tap, now_ns);
	if (c->topic.partitions_n == 0)
		return;
	if (!b->at_n || conn_open(&tap->conn, (const void *)&b->at,
				  b->at_n) < 0)
		return;
	h.correlation_id = tap->call.id = conn_take_id(&tap->conn);
	tap->bytes.n = 0;
	begin = frame_begin_request(&tap->bytes, &h);
	wire_encode(&tap->bytes, &fetch_request_type, h.version, &c->request,
		    NULL);
	frame_end(&tap->bytes, begin, 0);
	tap->iov = (struct iovec){ tap->bytes.p, tap->bytes.n };
	tap->call.key = 1;
	tap->call.version = h.version;
	tap->call.iov = &tap->iov;
	tap->call.iov_n = 1;
	tap->call.on_end = ended;
	tap->asked = true;
	conn_send(&tap->conn, &tap->call);
}

int64_t consume_tick(struct consume *c, int64_t now_ns)
{
	const struct topology *t = &c->run->topology;

	if (!c->wanted && now_ns < c->swept_ns + RETRY_NS)
		return c->swept_ns + RETRY_NS;
	c->wanted = false;
	c->swept_ns = now_ns;
	for (int32_t i = 0; i < c->shares_n; i++)
		for (int32_t b = 0; b < t->brokers_n; b++) {
			struct tap *tap;

			if (t->brokers[b].led_n == 0)
				continue;
			tap = tap_to(&c->shares[i], b);
			if (!tap->asked)
				fetch(tap, now_ns);
		}
	return now_ns + RETRY_NS;
}

/* It asked a broker that leads nothing any more, and hears nothing. */
static bool is_silent(const struct tap *tap, int64_t now_ns)
{
	const struct run *r;
	int64_t since;

	if (!tap || !tap->asked)
		return false;
	r = tap->share->consume->run;
	since = max_of(tap->conn.read_ns, tap->conn.opened_ns);
	return r->topology.brokers[tap->broker].led_n == 0 &&
	       now_ns - since > r->options.max_wait_ns + SILENCE_NS;
}

void consume_moved(struct consume *c, int64_t now_ns)
{
	for (int32_t i = 0; i < c->shares_n; i++) {
		struct share *s = &c->shares[i];

		for (int32_t b = 0; b < s->taps_n; b++)
			if (is_silent(s->taps[b], now_ns))
				conn_break(&s->taps[b]->conn, ETIMEDOUT);
	}
	c->wanted = true;
}

bool consume_is_done(const struct consume *c)
{
	return c->run->options.until_end && c->left == 0;
}

/* ---- beginning and end --------------------------------------------------- */

struct consume *consume_new(struct run *r)
{
	const struct options *o = &r->options;
	const struct topology *t = &r->topology;
	struct consume *c = mem_zalloc(sizeof(*c));
	size_t n = (size_t)t->partitions_n;

	c->run = r;
	c->left = t->partitions_n;
	c->wanted = true;
	c->cursors = mem_zalloc(n * sizeof(*c->cursors));
	wire_preset(&fetch_request_type, &c->request);
	wire_preset(&fetch_request_topic_type, &c->topic);
	c->topic.partitions = mem_zalloc(n * sizeof(*c->topic.partitions));
	c->topic.topic = str_of(t->topic);
	c->request.topics = &c->topic;
	c->request.topics_n = 1;
	c->request.max_wait_ms = (int32_t)(o->max_wait_ns / MILLISECOND);
	c->request.min_bytes = (int32_t)o->min_bytes;
	c->request.max_bytes = (int32_t)o->fetch_bytes;
	for (int32_t i = 0; i < t->partitions_n; i++) {
		const struct partition *p = &t->partitions[i];

		wire_preset(&fetch_request_partition_type,
			    &c->topic.partitions[i]);
		c->topic.partitions[i].partition_max_bytes =
			(int32_t)o->partition_bytes;
		c->cursors[i].next = o->from_end ? p->end_offset :
						   p->first_offset;
		if (o->until_end && p->first_offset == p->end_offset) {
			c->cursors[i].done = true;
			c->left--;
		}
	}
	c->shares_n = (int32_t)min_of(o->clients, t->partitions_n);
	c->shares = mem_zalloc((size_t)c->shares_n * sizeof(*c->shares));
	for (int32_t i = 0; i < c->shares_n; i++) {
		c->shares[i].consume = c;
		c->shares[i].no = i;
	}
	return c;
}

static void free_tap(struct tap *tap)
{
	if (!tap)
		return;
	conn_fini(&tap->conn);
	buf_fini(&tap->bytes);
	mem_free(tap);
}

void consume_free(struct consume *c)
{
	if (!c)
		return;
	for (int32_t i = 0; i < c->shares_n; i++) {
		for (int32_t b = 0; b < c->shares[i].taps_n; b++)
			free_tap(c->shares[i].taps[b]);
		mem_free(c->shares[i].taps);
	}
	mem_free(c->shares);
	mem_free(c->cursors);
	mem_free(c->topic.partitions);
	arena_fini(&c->arena);
	mem_free(c);
}
