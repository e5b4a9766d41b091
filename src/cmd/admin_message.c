/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_message: messages sent from lines, and single messages read. Reading
 * many: admin_consume.c.
 */
#include <poll.h>
#include <unistd.h>

#include "admin.h"

#define BATCH_BYTES (512 << 10) /* half of what brokers take by default */
#define BATCH_RECORDS 20000
#define WALK_LIMIT ((size_t)256 << 20)

/* ---- produce ------------------------------------------------------------- */

struct lane { /* one partition */
	struct batch_builder batch;
	bool open;
	int64_t first, last, sent;
};
struct producer {
	struct str topic;
	struct lane *lanes;
	int32_t lanes_n, next; /* next: for messages without a key */
	int32_t only;          /* -1: any partition */
	struct buf separator;
	bool keyed;
	int16_t acks;
	enum codec codec;
	struct record_header *headers;
	bool failed;
};

static bool ship(struct admin *a, struct producer *p, int32_t partition)
{
	struct produce_request rq;
	struct produce_request_topic t;
	struct produce_request_partition part;
	struct produce_response rs;
	const struct produce_response_partition *r;
	struct lane *l = &p->lanes[partition];
	int64_t n = l->batch.count;
	struct bytes b;

	if (!l->open)
		return true;
	b = batch_build_end(&l->batch, -1, -1, -1);
	l->open = false;
	wire_preset(&produce_request_type, &rq);
	wire_preset(&produce_request_topic_type, &t);
	wire_preset(&produce_request_partition_type, &part);
	part.index = partition;
	part.records = (struct records){ .p = b.p, .n = b.n };
	t.name = p->topic;
	t.partition_data = &part;
	t.partition_data_n = 1;
	rq.acks = p->acks;
	rq.timeout_ms = a->timeout_ms;
	rq.topic_data = &t;
	rq.topic_data_n = 1;
	if (!admin_call(a, CLIENT_LEADER(p->topic, partition), 0, &rq, &rs))
		return false;
	l->sent += n;
	if (p->acks == 0 || rs.responses_n != 1 ||
	    rs.responses[0].partition_responses_n != 1)
		return true;
	r = &rs.responses[0].partition_responses[0];
	if (r->error_code) {
		l->sent -= n;
		admin_refused(a, r->error_code, p->topic, r->error_message);
		return false;
	}
	if (l->first < 0)
		l->first = r->base_offset;
	l->last = r->base_offset + n - 1;
	client_reset(a->client);
	return true;
}

static void ship_all(struct admin *a, struct producer *p)
{
	for (int32_t i = 0; !p->failed && i < p->lanes_n; i++)
		p->failed = !ship(a, p, i);
	/* without keys a batch goes to one partition, the next to another */
	p->next = (p->next + 1) % p->lanes_n;
}

static void add_message(struct admin *a, struct producer *p, struct bytes line)
{
	struct bytes key = BYTES_NULL, value = line;
	const uint8_t *cut = p->keyed && line.n > 0 ?
		memmem(line.p, (size_t)line.n, p->separator.p,
		       p->separator.n) : NULL;
	struct lane *l;
	int32_t partition = p->only;

	if (cut) {
		int32_t skip = (int32_t)(cut - line.p) +
			       (int32_t)p->separator.n;

		key = (struct bytes){ line.p, (int32_t)(cut - line.p) };
		value = (struct bytes){ line.p + skip, line.n - skip };
	}
	if (partition < 0)
		partition = key.n >= 0 ? key_partition(key, p->lanes_n) :
					 p->next;
	l = &p->lanes[partition];
	if (!l->open)
		batch_build_begin(&l->batch, p->codec);
	l->open = true;
	batch_build_add(&l->batch, admin_wall_ms(), key, value, p->headers);
	if (l->batch.out.n >= BATCH_BYTES || l->batch.count >= BATCH_RECORDS) {
		p->failed = !ship(a, p, partition);
		p->next = (p->next + 1) % p->lanes_n;
	}
}

/* Whole lines of the buffer become messages; the rest stays. */
static void take_lines(struct admin *a, struct producer *p, struct buf *in,
		       bool last)
{
	size_t at = 0;

	while (at < in->n && !p->failed) {
		const uint8_t *nl = memchr(in->p + at, '\n', in->n - at);
		size_t end = nl ? (size_t)(nl - in->p) : in->n;

		if (!nl && !last)
			break;
		add_message(a, p, (struct bytes){ in->p + at,
						  (int32_t)(end - at) });
		at = end + (nl != NULL);
	}
	memmove(in->p, in->p + at, in->n - at);
	in->n -= at;
}

static bool more_is_there(void)
{
	struct pollfd f = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&f, 1, 0) > 0;
}

static void pump(struct admin *a, struct producer *p)
{
	struct buf in = { 0 };
	ssize_t n = 1;

	while (n > 0 && !p->failed && !client_interrupted) {
		buf_reserve(&in, 1 << 16);
		n = read(STDIN_FILENO, in.p + in.n, 1 << 16);
		if (n < 0) {
			if (errno != EINTR)
				admin_fail(a, EXIT_FAILED, "INPUT",
					   "standard input: %s",
					   strerror(errno));
			break;
		}
		in.n += (size_t)n;
		if (in.n > (1u << 30)) {
			admin_fail(a, EXIT_FAILED, "INPUT", "a line of 1 GiB");
			break;
		}
		take_lines(a, p, &in, n == 0);
		/* somebody types, or a pipe trickles: send what there is */
		if (n == 0 || !more_is_there())
			ship_all(a, p);
	}
	buf_fini(&in);
}

static bool read_acks(struct admin *a, struct producer *p)
{
	const char *v = admin_value(a, "acks");
	const char *codec = admin_value(a, "compression");

	p->acks = -1;
	if (v && (strcmp(v, "0") == 0 || strcmp(v, "1") == 0))
		p->acks = (int16_t)(*v - '0');
	else if (v && strcmp(v, "all") != 0 && strcmp(v, "-1") != 0) {
		admin_usage(a, "--acks %s: all, 1 or 0 is wanted", v);
		return false;
	}
	if (codec && (!codec_parse(str_of(codec), &p->codec) ||
		      !codec_is_built(p->codec))) {
		admin_usage(a, "--compression %s: none, gzip, snappy, lz4 or "
			    "zstd is wanted (and built in)", codec);
		return false;
	}
	return true;
}

static bool read_headers(struct admin *a, struct producer *p)
{
	const char *v;
	int n = 0;

	while (admin_value_at(a, "header", n))
		n++;
	p->headers = mem_zalloc(sizeof(*p->headers) * (size_t)(n + 1));
	for (int i = 0; i < n; i++) {
		struct str value;

		v = admin_value_at(a, "header", i);
		pair_parse(v, &p->headers[i].key, &value);
		p->headers[i].value = (struct bytes){
			(const uint8_t *)value.p, value.n };
		if (value.n >= 0)
			continue;
		admin_usage(a, "--header %s: KEY=VALUE is wanted", v);
		return false;
	}
	p->headers[n].key = STR_NULL;
	return true;
}

/* A topic that is not there may be one that the broker makes when asked. */
static bool find_topic(struct admin *a, struct str topic,
		       struct metadata_response *m)
{
	struct metadata_request rq;
	struct metadata_request_topic t;
	int64_t deadline = client_now_ms() + a->timeout_ms;
	bool asked = false;

	if (client_metadata(admin_client(a), &topic, 1, m)) {
		admin_client_failed(a);
		return false;
	}
	wire_preset(&metadata_request_type, &rq);
	wire_preset(&metadata_request_topic_type, &t);
	t.name = topic;
	rq.topics = &t;
	rq.topics_n = 1;
	rq.allow_auto_topic_creation = true;
	while (m->topics_n == 1 && m->topics[0].error_code &&
	       client_now_ms() < deadline) {
		int16_t code = m->topics[0].error_code;

		/* unknown twice: nobody makes it (KRaft says so at first) */
		if (asked && code == K_UNKNOWN_TOPIC_OR_PARTITION &&
		    deadline - client_now_ms() < a->timeout_ms - 1000)
			break;
		if (code != K_UNKNOWN_TOPIC_OR_PARTITION &&
		    code != K_LEADER_NOT_AVAILABLE)
			break;
		if (asked)
			poll(NULL, 0, 50);
		asked = true;
		if (!admin_call(a, CLIENT_ANY, 3, &rq, m))
			return false;
	}
	if (m->topics_n != 1 || m->topics[0].error_code) {
		admin_refused(a, m->topics_n == 1 ? m->topics[0].error_code :
			      K_UNKNOWN_TOPIC_OR_PARTITION, topic, STR_NULL);
		return false;
	}
	if (asked)
		admin_note(a, "topic %.*s was created, with %" PRId32
			   " partition%s", STR_ARG(topic),
			   m->topics[0].partitions_n,
			   m->topics[0].partitions_n == 1 ? "" : "s");
	return m->topics[0].partitions_n > 0;
}

static void produced(struct admin *a, struct producer *p)
{
	static const struct column columns[] = {
		{ "TOPIC", "topic", CELL_TEXT },
		{ "PART", "partition", CELL_ID },
		{ "FIRST", "first_offset", CELL_ID },
		{ "LAST", "last_offset", CELL_ID },
		{ "MESSAGES", "messages", CELL_NUMBER },
	};
	struct section *s = out_section(&a->out, "partitions", columns);

	for (int32_t i = 0; i < p->lanes_n; i++) {
		if (!p->lanes[i].sent)
			continue;
		row_begin(s);
		cell_str(s, p->topic);
		cell_int(s, i);
		cell_known(s, p->lanes[i].first);
		cell_known(s, p->lanes[i].last);
		cell_int(s, p->lanes[i].sent);
	}
}

void message_produce(struct admin *a)
{
	struct producer p = { .topic = str_of(a->args[0]) };
	const char *separator = admin_value(a, "key");
	struct metadata_response m;
	int64_t only = -1;

	admin_client(a);
	p.keyed = separator != NULL;
	if (!read_acks(a, &p) || !read_headers(a, &p) ||
	    !admin_number(a, "partition", 0, INT32_MAX, &only))
		return;
	if (separator && (unescape(separator, &p.separator) ||
			  p.separator.n == 0)) {
		admin_usage(a, "--key %s: a separator is wanted", separator);
	} else if (find_topic(a, p.topic, &m)) {
		p.lanes_n = m.topics[0].partitions_n;
		p.only = (int32_t)only;
		if (only >= p.lanes_n) {
			admin_fail(a, EXIT_MISSING,
				   "UNKNOWN_TOPIC_OR_PARTITION",
				   "%s has no partition %" PRId64, a->args[0],
				   only);
			p.failed = true;
		}
		p.next = (int32_t)(admin_wall_ms() % p.lanes_n);
		p.lanes = mem_zalloc(sizeof(*p.lanes) * (size_t)p.lanes_n);
		for (int32_t i = 0; i < p.lanes_n; i++)
			p.lanes[i].first = p.lanes[i].last = -1;
		if (!p.failed && !a->dry_run)
			pump(a, &p);
		produced(a, &p);
	}
	for (int32_t i = 0; i < p.lanes_n; i++)
		batch_build_fini(&p.lanes[i].batch);
	mem_free(p.lanes);
	mem_free(p.headers);
	buf_fini(&p.separator);
}

/* ---- single messages ----------------------------------------------------- */

static bool fetch_at(struct admin *a, const struct place *at,
		     struct fetch_response *rs)
{
	struct fetch_request rq;
	struct fetch_request_topic t;
	struct fetch_request_partition p;

	wire_preset(&fetch_request_type, &rq);
	wire_preset(&fetch_request_topic_type, &t);
	wire_preset(&fetch_request_partition_type, &p);
	p.partition = at->partition;
	p.fetch_offset = at->offset;
	p.partition_max_bytes = 1 << 20;
	t.topic = at->topic;
	t.partitions = &p;
	t.partitions_n = 1;
	rq.replica_id = -1;
	rq.max_wait_ms = 0;
	rq.min_bytes = 0;
	rq.max_bytes = 1 << 20;
	rq.topics = &t;
	rq.topics_n = 1;
	return client_call(admin_client(a), CLIENT_LEADER(at->topic,
							  at->partition),
			   1, &rq, rs) == 0;
}

/* The first record at or after the offset; what it holds are loans of w. */
static bool first_record(struct batch_walk *w, const struct records *r,
			 int64_t offset, struct record *out)
{
	size_t at = 0, n = (size_t)max_of(r->n, 0);
	struct batch b;

	while (at < n && batch_peek(r->p + at, n - at, &b) == K_NONE &&
	       (size_t)b.size <= n - at) {
		at += (size_t)b.size;
		if (b.attributes & BATCH_CONTROL)
			continue;
		batch_walk_open(w, &b, WALK_LIMIT);
		while (batch_walk_next(w, out))
			if (out->offset >= offset)
				return true;
		batch_walk_close(w);
	}
	return false;
}

int64_t admin_time_at(struct admin *a, struct str topic, int32_t partition,
		      int64_t offset)
{
	struct place at = { topic, partition, offset };
	struct fetch_response rs;
	struct batch_walk w;
	struct record r;
	int64_t then = -1;

	if (fetch_at(a, &at, &rs) && rs.responses_n == 1 &&
	    rs.responses[0].partitions_n == 1 &&
	    first_record(&w, &rs.responses[0].partitions[0].records, offset,
			 &r)) {
		then = r.timestamp;
		batch_walk_close(&w);
	}
	return then;
}

static void get_one(struct admin *a, struct section *s, const struct place *at,
		    const char *format)
{
	const struct fetch_response_partition *p;
	struct fetch_response rs;
	struct batch_walk w;
	struct record r;
	struct buf text = { 0 };

	if (!fetch_at(a, at, &rs)) {
		admin_client_failed(a);
		return;
	}
	p = rs.responses_n == 1 && rs.responses[0].partitions_n == 1 ?
		&rs.responses[0].partitions[0] : NULL;
	if (p && p->error_code && p->error_code != K_OFFSET_OUT_OF_RANGE) {
		admin_refused(a, p->error_code, at->topic, STR_NULL);
		return;
	}
	if (!p || !first_record(&w, &p->records, at->offset, &r)) {
		admin_fail(a, EXIT_MISSING, "OFFSET_OUT_OF_RANGE",
			   "%.*s:%" PRId32 "@%" PRId64 ": no message there",
			   STR_ARG(at->topic), at->partition, at->offset);
		return;
	}
	if (r.offset != at->offset) {
		admin_fail(a, EXIT_MISSING, "OFFSET_OUT_OF_RANGE",
			   "%.*s:%" PRId32 "@%" PRId64 ": no message there; "
			   "the next is %" PRId64, STR_ARG(at->topic),
			   at->partition, at->offset, r.offset);
	} else if (a->out.format == OUT_TABLE) {
		format_message(&text, format, at->topic, at->partition, &r);
		fwrite(text.p, 1, text.n, stdout);
	} else {
		message_row(s, at->topic, at->partition, &r);
	}
	batch_walk_close(&w);
	buf_fini(&text);
}

void message_get(struct admin *a)
{
	struct section *s = out_section_n(&a->out, "messages", message_columns,
					  MESSAGE_COLUMNS);
	const char *format = admin_value(a, "format");
	struct place *v = arena_alloc(client_arena(admin_client(a)),
				      sizeof(*v) * (size_t)a->args_n);

	if (format && !format_check(format)) {
		admin_usage(a, "-f %s: not a format", format);
		return;
	}
	if (!admin_places(a, v))
		return;
	for (int i = 0; i < a->args_n; i++) {
		if (v[i].offset >= 0)
			get_one(a, s, &v[i], format ? format : "%v\\n");
		else
			admin_usage(a, "%s: TOPIC:P@OFFSET is wanted",
				    a->args[i]);
	}
}
