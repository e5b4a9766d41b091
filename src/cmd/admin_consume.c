/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_consume: messages of some partitions, printed as they come. One
 * connection and one Fetch in flight per broker that leads any of them; no
 * group, no commits.
 *
 * Invariants:
 * 1. A feed is at one source or at none; one that failed finds its leader anew.
 * 2. next only grows, and every record below it was printed or is not there.
 */
#include <stdlib.h>

#include "admin.h"

#define FETCH_WAIT_MS 500
#define FETCH_BYTES (8 << 20)
#define FETCH_PARTITION_BYTES (1 << 20)
#define WALK_LIMIT ((size_t)256 << 20)

struct feed { /* one partition */
	struct str topic;
	int32_t partition;
	int32_t node; /* -1: not known */
	int64_t next, until; /* until: INT64_MAX = for ever */
};
struct source { /* one broker */
	int32_t node;
	struct client_conn *conn;
	bool asked;
};
struct reading {
	struct feed *feeds;
	int32_t feeds_n;
	struct source *sources;
	int32_t sources_n;
	int64_t left; /* messages; INT64_MAX: any number */
	const char *format;
	struct section *rows; /* NULL: by format */
	struct buf text;
	struct arena arena; /* of one answer */
	int64_t trouble_since; /* 0: none */
	bool stop;
};

static bool is_done(const struct feed *f)
{
	return f->next >= f->until;
}

/* ---- asking -------------------------------------------------------------- */

static struct source *source_of(struct admin *a, struct reading *r,
				int32_t node)
{
	struct source *s;

	for (int32_t i = 0; i < r->sources_n; i++)
		if (r->sources[i].node == node)
			return &r->sources[i];
	r->sources = mem_realloc(r->sources, sizeof(*s) *
					     (size_t)(r->sources_n + 1));
	s = &r->sources[r->sources_n];
	*s = (struct source){ .node = node };
	if (client_connect(a->client, node, &s->conn))
		return NULL;
	r->sources_n++;
	return s;
}

static bool ask(struct reading *r, struct source *s)
{
	struct fetch_request rq;
	struct fetch_request_topic *t = NULL;

	wire_preset(&fetch_request_type, &rq);
	rq.replica_id = -1;
	rq.max_wait_ms = FETCH_WAIT_MS;
	rq.min_bytes = 1;
	rq.max_bytes = FETCH_BYTES;
	rq.topics = wire_new(&fetch_request_topic_type, r->feeds_n, &r->arena);
	for (int32_t i = 0; i < r->feeds_n; i++) {
		const struct feed *f = &r->feeds[i];
		struct fetch_request_partition *p;

		if (f->node != s->node || is_done(f))
			continue;
		if (!t || !str_eq(t->topic, f->topic)) {
			t = &rq.topics[rq.topics_n++];
			t->topic = f->topic;
			t->partitions = wire_new(&fetch_request_partition_type,
						 r->feeds_n - i, &r->arena);
		}
		p = &t->partitions[t->partitions_n++];
		p->partition = f->partition;
		p->fetch_offset = f->next;
		p->partition_max_bytes = FETCH_PARTITION_BYTES;
	}
	if (!t)
		return true;
	s->asked = true;
	return client_conn_send(s->conn, 1, &rq, client_now_ms() + 5000) >= 0;
}

static void lose(struct admin *a, struct reading *r, struct source *s)
{
	client_conn_close(s->conn);
	for (int32_t i = 0; i < r->feeds_n; i++)
		if (r->feeds[i].node == s->node)
			r->feeds[i].node = -1;
	*s = r->sources[--r->sources_n];
	client_forget(a->client);
}

/* Leaders come back; how long we wait for them is --timeout. */
static bool give_up(struct admin *a, struct reading *r)
{
	int64_t now = client_now_ms();

	if (!r->trouble_since)
		r->trouble_since = now;
	if (now - r->trouble_since > a->timeout_ms) {
		admin_client_failed(a);
		return true;
	}
	client_forget(a->client);
	poll(NULL, 0, 100);
	return false;
}

static bool ask_all(struct admin *a, struct reading *r)
{
	for (int32_t i = 0; i < r->feeds_n; i++) {
		struct feed *f = &r->feeds[i];

		if (f->node >= 0 || is_done(f))
			continue;
		if (client_leader(a->client, f->topic, f->partition,
				  &f->node) ||
		    !source_of(a, r, f->node)) {
			f->node = -1;
			if (give_up(a, r))
				return false;
		}
	}
	for (int32_t i = 0; i < r->sources_n; i++)
		if (!r->sources[i].asked && !ask(r, &r->sources[i]))
			lose(a, r, &r->sources[i--]);
	return true;
}

/* ---- printing ------------------------------------------------------------ */

static void print_record(struct reading *r, struct feed *f,
			 const struct record *rec)
{
	if (r->rows)
		message_row(r->rows, f->topic, f->partition, rec);
	else
		format_message(&r->text, r->format, f->topic, f->partition,
			       rec);
	r->left--;
}

static void flush(struct admin *a, struct reading *r)
{
	if (r->rows)
		out_flush_rows(&a->out);
	else if (r->text.n)
		fwrite(r->text.p, 1, r->text.n, stdout);
	r->text.n = 0;
	/* nobody reads any more (head): that is an end, not a failure */
	if (fflush(stdout) || ferror(stdout))
		r->stop = true;
}

static bool print_batch(struct admin *a, struct reading *r, struct feed *f,
			const struct batch *b)
{
	struct batch_walk w;
	struct record rec;
	enum kerr bad;

	batch_walk_open(&w, b, WALK_LIMIT);
	while (r->left > 0 && batch_walk_next(&w, &rec)) {
		if (rec.offset < f->next)
			continue;
		if (rec.offset >= f->until)
			break;
		print_record(r, f, &rec);
	}
	bad = w.error;
	batch_walk_close(&w);
	if (bad)
		admin_refused(a, (int16_t)bad, f->topic, STR_NULL);
	return bad == K_NONE;
}

static void print_records(struct admin *a, struct reading *r, struct feed *f,
			  const struct records *rs)
{
	size_t at = 0, n = (size_t)max_of(rs->n, 0);
	struct batch b;

	while (at < n && r->left > 0 && !is_done(f)) {
		enum kerr bad = batch_peek(rs->p + at, n - at, &b);

		/* the last one may be cut */
		if (n - at < BATCH_HEADER_SIZE || (size_t)b.size > n - at)
			break;
		if (bad) {
			admin_refused(a, (int16_t)bad, f->topic, STR_NULL);
			r->stop = true;
			break;
		}
		at += (size_t)b.size;
		if (!(b.attributes & BATCH_CONTROL) &&
		    !print_batch(a, r, f, &b)) {
			r->stop = true;
			break;
		}
		f->next = max_of(f->next, batch_next_offset(&b));
	}
}

/* ---- answers ------------------------------------------------------------- */

static void trouble(struct admin *a, struct reading *r, struct feed *f,
		    const struct fetch_response_partition *p)
{
	switch (p->error_code) {
	case K_OFFSET_OUT_OF_RANGE:
		if (p->log_start_offset > f->next) {
			admin_note(a, "%.*s:%" PRId32 ": %" PRId64 " to %"
				   PRId64 " are deleted", STR_ARG(f->topic),
				   f->partition, f->next,
				   p->log_start_offset - 1);
			f->next = p->log_start_offset;
			break;
		}
		admin_refused(a, p->error_code, f->topic, STR_NULL);
		r->stop = true;
		break;
	default:
		if (!kerr_is_retriable(p->error_code)) {
			admin_refused(a, p->error_code, f->topic, STR_NULL);
			r->stop = true;
			break;
		}
		f->node = -1;
		r->stop |= give_up(a, r);
		break;
	}
}

static struct feed *feed_of(struct reading *r, struct str topic,
			    int32_t partition)
{
	for (int32_t i = 0; i < r->feeds_n; i++)
		if (r->feeds[i].partition == partition &&
		    str_eq(r->feeds[i].topic, topic))
			return &r->feeds[i];
	return NULL;
}

static void take(struct admin *a, struct reading *r,
		 const struct fetch_response *rs)
{
	if (rs->error_code) {
		admin_refused(a, rs->error_code, STR("fetch"), STR_NULL);
		r->stop = true;
	}
	for (int32_t t = 0; t < rs->responses_n; t++)
		for (int32_t i = 0; i < rs->responses[t].partitions_n; i++) {
			const struct fetch_response_partition *p =
				&rs->responses[t].partitions[i];
			struct feed *f = feed_of(r, rs->responses[t].topic,
						 p->partition_index);

			if (!f)
				continue;
			if (p->error_code)
				trouble(a, r, f, p);
			else
				print_records(a, r, f, &p->records);
			if (!p->error_code)
				r->trouble_since = 0;
		}
	flush(a, r);
}

/* False: the connection is of no more use. */
static bool receive(struct admin *a, struct reading *r, struct source *s)
{
	struct client_answer answer;
	struct fetch_response rs;
	int err = client_conn_receive(s->conn, client_now_ms() + 5000,
				      &answer);

	if (err == -EINTR)
		return true;
	if (err)
		return false;
	s->asked = false;
	if (!wire_decode(&answer.body, &fetch_response_type, answer.version,
			 &rs, &r->arena))
		return false;
	take(a, r, &rs);
	arena_reset(&r->arena);
	return true;
}

static void await(struct admin *a, struct reading *r)
{
	struct pollfd *f = mem_zalloc(sizeof(*f) *
				      (size_t)max_of(r->sources_n, 1));
	int32_t n = r->sources_n;

	for (int32_t i = 0; i < n; i++) {
		f[i].fd = client_conn_fd(r->sources[i].conn);
		f[i].events = POLLIN;
	}
	if (n > 0 && poll(f, (nfds_t)n, 1000) > 0)
		/* from the end: lose() fills the gap with the last */
		for (int32_t i = n - 1; i >= 0; i--)
			if (f[i].revents && !r->stop &&
			    !receive(a, r, &r->sources[i]))
				lose(a, r, &r->sources[i]);
	mem_free(f);
}

static bool all_done(const struct reading *r)
{
	for (int32_t i = 0; i < r->feeds_n; i++)
		if (!is_done(&r->feeds[i]))
			return false;
	return true;
}

static void follow(struct admin *a, struct reading *r)
{
	while (!r->stop && r->left > 0 && !all_done(r) &&
	       !client_interrupted && ask_all(a, r))
		await(a, r);
	for (int32_t i = 0; i < r->sources_n; i++)
		client_conn_close(r->sources[i].conn);
	mem_free(r->sources);
	buf_fini(&r->text);
	arena_fini(&r->arena);
}

/* ---- where from, where to ------------------------------------------------ */

static bool locate(struct admin *a, const char *flag, struct spot *v, int32_t n)
{
	struct position p = { .kind = POSITION_END };
	int64_t shift = 0;

	if (!admin_position(a, flag, &p))
		return false;
	if (p.kind == POSITION_FILE) {
		admin_usage(a, "--%s: not from a file", flag);
		return false;
	}
	if (p.kind == POSITION_OFFSET) {
		for (int32_t i = 0; i < n; i++)
			v[i].offset = p.value;
		return true;
	}
	/* -N counts back from the end, +N on from the start */
	if (p.kind == POSITION_SHIFT) {
		shift = p.value;
		p.kind = shift < 0 ? POSITION_END : POSITION_START;
	}
	if (!admin_find_position(a, &p, v, n))
		return false;
	for (int32_t i = 0; i < n; i++) {
		v[i].offset = max_of(v[i].offset + shift, 0);
		if (!v[i].error)
			continue;
		admin_refused(a, v[i].error, v[i].topic, STR_NULL);
		return false;
	}
	return true;
}

/* -N may reach before the start; what is deleted is nothing to complain of. */
static bool at_least_start(struct admin *a, struct spot *v, int32_t n)
{
	struct spot *start = arena_dup(client_arena(a->client), v,
				       sizeof(*v) * (size_t)n);

	for (int32_t i = 0; i < n; i++)
		start[i].ask = TIME_EARLIEST;
	if (!admin_offsets(a, start, n))
		return false;
	for (int32_t i = 0; i < n; i++)
		v[i].offset = max_of(v[i].offset, start[i].offset);
	return true;
}

static bool open_feeds(struct admin *a, struct reading *r)
{
	struct arena *arena = client_arena(a->client);
	struct spot *v, *until;
	int32_t n;

	v = admin_argument_spots(a, &n);
	if (!v)
		return false;
	until = arena_dup(arena, v, sizeof(*v) * (size_t)n);
	if (!locate(a, "from", v, n) || !at_least_start(a, v, n))
		return false;
	if (admin_has(a, "until") && !locate(a, "until", until, n))
		return false;
	r->feeds = arena_alloc(arena, sizeof(*r->feeds) * (size_t)n);
	for (int32_t i = 0; i < n; i++)
		r->feeds[r->feeds_n++] = (struct feed){
			v[i].topic, v[i].partition, -1, v[i].offset,
			admin_has(a, "until") ? until[i].offset : INT64_MAX,
		};
	return true;
}

void message_consume(struct admin *a)
{
	struct reading r = { .left = INT64_MAX };
	struct section *rows = out_section_n(&a->out, "messages",
					     message_columns, MESSAGE_COLUMNS);

	r.format = admin_value(a, "format");
	if (a->out.format != OUT_TABLE)
		r.rows = rows;
	if (r.format && !format_check(r.format)) {
		admin_usage(a, "-f %s: not a format", r.format);
		return;
	}
	if (!r.format)
		r.format = "%v\\n";
	admin_client(a);
	if (admin_number(a, "count", 1, INT64_MAX - 1, &r.left) &&
	    open_feeds(a, &r))
		follow(a, &r);
}
