/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: finds who is responsible, asks, and asks again where that helps.
 * Synchronous, for one thread; no background work, no prefetching, no groups
 * of its own.
 *
 * Invariants:
 * 1. A connection belongs to one broker of the list, or is the bootstrap
 *    connection (boot), whose broker is not known (yet).
 * 2. What is remembered of leaders and coordinators is a guess; only an answer
 *    without a routing error makes it true.
 * 3. All waiting is bounded by the deadline of the call.
 */
#include <stdio.h>

#include "client.h"

#define BACKOFF_FIRST_MS 10
#define BACKOFF_MAX_MS 400
#define BOOTSTRAP_MAX 32

struct leaders { /* of one topic, by partition; -1 = none */
	int32_t n;
	int32_t node[];
};

struct client {
	struct client_address bootstrap[BOOTSTRAP_MAX];
	int32_t bootstrap_n;
	char *client_id;
	int32_t timeout_ms;
	bool verbose;
	bool informed; /* brokers and controller are known */
	struct client_conn *boot;
	struct client_broker *brokers;
	int32_t brokers_n, controller;
	struct map leaders;      /* topic -> struct leaders */
	struct map coordinators; /* group -> node id + 1 */
	struct arena arena;
	int16_t version, kerr;
	char error[CLIENT_WHY_MAX + 128];
};

static int say(struct client *c, int err, const char *fmt, ...)
	printf_like(3, 4);
static int say(struct client *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	c->kerr = K_NONE;
	return err;
}

/* The broker's own words are better than the table's, where it has some. */
static int say_kerr(struct client *c, int16_t code, struct str name)
{
	say(c, -EPROTO, "%.*s: %s (%s)", STR_ARG(name), kerr_text(code),
	    kerr_name(code));
	c->kerr = code;
	return -EPROTO;
}

/* ---- birth and death ----------------------------------------------------- */

static bool parse_address(struct str s, struct client_address *out)
{
	int32_t colon = s.n;
	int64_t port = 9092;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	/* HOST:PORT, HOST, [V6]:PORT; a bare v6 address has more colons */
	if (colon > 0 && memchr(s.p, ':', (size_t)colon - 1) && s.p[0] != '[')
		colon = 0;
	if (colon > 0) {
		struct str digits = { s.p + colon, s.n - colon };

		if (!str_to_i64(digits, 1, 65535, &port))
			return false;
		s.n = colon - 1;
	}
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct str){ s.p + 1, s.n - 2 };
	if (s.n <= 0 || s.n >= (int32_t)sizeof(out->host))
		return false;
	memcpy(out->host, s.p, (size_t)s.n);
	out->host[s.n] = '\0';
	out->port = (int32_t)port;
	return true;
}

struct client *client_new(const struct client_options *o)
{
	struct client *c = mem_zalloc(sizeof(*c));
	const char *p = o->bootstrap;

	while (*p && c->bootstrap_n < BOOTSTRAP_MAX) {
		size_t n = strcspn(p, ", ");
		struct str s = { p, (int32_t)n };

		if (n && parse_address(s, &c->bootstrap[c->bootstrap_n]))
			c->bootstrap_n++;
		p += n + (p[n] != '\0');
	}
	c->client_id = mem_strdup(o->client_id ? o->client_id : "raftmq");
	c->timeout_ms = o->timeout_ms;
	c->verbose = o->verbose;
	c->controller = -1;
	return c;
}

void client_forget(struct client *c)
{
	for (struct map_iter i = map_first(&c->leaders); i.at; map_next(&i))
		mem_free(i.value);
	map_fini(&c->leaders);
	map_fini(&c->coordinators);
	c->leaders = c->coordinators = (struct map){ 0 };
	c->informed = false;
}

static void free_brokers(struct client_broker *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		client_conn_close(v[i].conn);
		mem_free(v[i].rack);
	}
	mem_free(v);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	client_forget(c);
	client_conn_close(c->boot);
	free_brokers(c->brokers, c->brokers_n);
	arena_fini(&c->arena);
	mem_free(c->client_id);
	mem_free(c);
}

const char *client_error(const struct client *c)
{
	return c->error;
}

int16_t client_kerr(const struct client *c)
{
	return c->kerr;
}

int16_t client_version(const struct client *c)
{
	return c->version;
}

struct arena *client_arena(struct client *c)
{
	return &c->arena;
}

void client_reset(struct client *c)
{
	arena_reset(&c->arena);
}

const struct client_broker *client_brokers(const struct client *c, int32_t *n)
{
	*n = c->brokers_n;
	return c->brokers;
}

int32_t client_controller(const struct client *c)
{
	return c->controller;
}

static struct client_broker *find_broker(struct client *c, int32_t id)
{
	for (int32_t i = 0; i < c->brokers_n; i++)
		if (c->brokers[i].id == id)
			return &c->brokers[i];
	return NULL;
}

const struct client_broker *client_broker(struct client *c, int32_t id)
{
	return find_broker(c, id);
}

/* ---- what metadata tells ------------------------------------------------- */

static bool same_address(const struct client_address *a,
			 const struct client_address *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Connections follow their broker into the new list, others are closed. */
static void inherit(struct client *c, struct client_broker *b)
{
	struct client_broker *old = find_broker(c, b->id);

	if (old && old->conn && same_address(&old->at, &b->at)) {
		b->conn = old->conn;
		old->conn = NULL;
	} else if (c->boot &&
		   same_address(client_conn_peer(c->boot), &b->at)) {
		b->conn = c->boot;
		c->boot = NULL;
	}
}

static void remember_brokers(struct client *c,
			     const struct metadata_response *m)
{
	struct client_broker *v =
		mem_zalloc(sizeof(*v) * (size_t)max_of(m->brokers_n, 1));

	for (int32_t i = 0; i < m->brokers_n; i++) {
		const struct metadata_response_broker *b = &m->brokers[i];

		v[i].id = b->node_id;
		snprintf(v[i].at.host, sizeof(v[i].at.host), "%.*s",
			 STR_ARG(b->host));
		v[i].at.port = b->port;
		v[i].rack = b->rack.n >= 0 ? str_heap(b->rack) : NULL;
		inherit(c, &v[i]);
	}
	free_brokers(c->brokers, c->brokers_n);
	c->brokers = v;
	c->brokers_n = m->brokers_n;
	c->controller = m->controller_id;
	c->informed = true;
}

static void remember_leaders(struct client *c,
			     const struct metadata_response_topic *t)
{
	struct leaders *l;
	int32_t n = 0;

	if (t->error_code || t->name.n < 0)
		return;
	for (int32_t i = 0; i < t->partitions_n; i++)
		n = max_of(n, t->partitions[i].partition_index + 1);
	if (n > 1000000)
		return;
	l = mem_alloc(sizeof(*l) + sizeof(l->node[0]) * (size_t)n);
	l->n = n;
	memset(l->node, 0xff, sizeof(l->node[0]) * (size_t)n);
	for (int32_t i = 0; i < t->partitions_n; i++)
		if (t->partitions[i].partition_index >= 0)
			l->node[t->partitions[i].partition_index] =
				t->partitions[i].leader_id;
	mem_free(map_find_str(&c->leaders, t->name));
	map_put_str(&c->leaders, t->name, l);
}

int client_metadata(struct client *c, const struct str *topics, int32_t n,
		    struct metadata_response *out)
{
	struct metadata_request rq;
	int err;

	wire_preset(&metadata_request_type, &rq);
	rq.allow_auto_topic_creation = false;
	rq.topics_n = n;
	rq.topics = wire_new(&metadata_request_topic_type, max_of(n, 0),
			     &c->arena);
	for (int32_t i = 0; i < n; i++)
		rq.topics[i].name = topics[i];
	err = client_call(c, CLIENT_ANY, 3, &rq, out);
	if (err)
		return err;
	if (out->error_code)
		return say_kerr(c, out->error_code, STR("metadata"));
	remember_brokers(c, out);
	for (int32_t i = 0; i < out->topics_n; i++)
		remember_leaders(c, &out->topics[i]);
	return 0;
}

/* ---- connections --------------------------------------------------------- */

static int try_open(struct client *c, const struct client_address *to,
		    int64_t deadline_ms, struct client_conn **out)
{
	char why[CLIENT_WHY_MAX];
	int err = client_conn_open(out, to, c->client_id, deadline_ms, why);

	if (err == -EINTR)
		return say(c, err, "interrupted");
	if (err)
		say(c, err, "cannot connect to %s", why);
	return err;
}

/* Any connection there is, or the first that can be made. */
static int reach_any(struct client *c, int64_t deadline_ms,
		     struct client_conn ***out)
{
	int err = say(c, -EINVAL, "no usable HOST:PORT to connect to");

	*out = &c->boot;
	if (c->boot)
		return 0;
	for (int32_t i = 0; i < c->brokers_n; i++) {
		*out = &c->brokers[i].conn;
		if (**out)
			return 0;
	}
	for (int32_t i = 0; i < c->brokers_n; i++) {
		*out = &c->brokers[i].conn;
		err = try_open(c, &c->brokers[i].at, deadline_ms, *out);
		if (!err || err == -EINTR)
			return err;
	}
	*out = &c->boot;
	for (int32_t i = 0; i < c->bootstrap_n; i++) {
		/* a silent host must not eat the time of those behind it */
		int64_t left = deadline_ms - client_now_ms();
		int64_t behind = c->bootstrap_n - 1 - i;
		int64_t until = deadline_ms - left * behind / c->bootstrap_n;

		err = try_open(c, &c->bootstrap[i], until, *out);
		if (!err || err == -EINTR)
			return err;
	}
	return err;
}

static int inform(struct client *c)
{
	struct metadata_response m;

	return c->informed ? 0 : client_metadata(c, NULL, 0, &m);
}

static int reach_node(struct client *c, int32_t id, int64_t deadline_ms,
		      struct client_conn ***out)
{
	struct client_broker *b;
	int err = inform(c);

	if (err)
		return err;
	b = find_broker(c, id);
	if (!b)
		return say(c, -EHOSTUNREACH,
			   "broker %" PRId32 " is not in the cluster (or down)",
			   id);
	*out = &b->conn;
	return b->conn ? 0 : try_open(c, &b->at, deadline_ms, *out);
}

int client_connect(struct client *c, int32_t node, struct client_conn **out)
{
	struct client_broker *b;
	int err = inform(c);

	*out = NULL;
	if (err)
		return err;
	b = find_broker(c, node);
	if (!b)
		return say(c, -EHOSTUNREACH,
			   "broker %" PRId32 " is not in the cluster (or down)",
			   node);
	return try_open(c, &b->at, client_now_ms() + c->timeout_ms, out);
}

/* One call, from where it is understood to where it is answered. */
struct question {
	const struct wire_api *api;
	const void *request;
	void *response;
	int64_t deadline_ms;
	bool sent;  /* the broker may have done it, whatever comes back */
	bool again; /* not the first time */
};

/* ---- who is responsible -------------------------------------------------- */

static int pause_ms(struct client *c, int64_t ms, int64_t deadline_ms)
{
	int64_t left = deadline_ms - client_now_ms();

	if (left <= ms)
		return -ETIMEDOUT;
	poll(NULL, 0, (int)ms);
	return client_interrupted ? say(c, -EINTR, "interrupted") : 0;
}

static bool is_coordinator_error(int16_t code)
{
	return code == K_COORDINATOR_LOAD_IN_PROGRESS ||
	       code == K_COORDINATOR_NOT_AVAILABLE ||
	       code == K_NOT_COORDINATOR;
}

static bool is_controller_error(int16_t code)
{
	return code == K_NOT_CONTROLLER || is_coordinator_error(code);
}

/* From a leader that metadata named: one that does not know the partition has
 * not heard of it yet. */
static bool is_leader_error(int16_t code)
{
	return code == K_LEADER_NOT_AVAILABLE ||
	       code == K_UNKNOWN_TOPIC_OR_PARTITION ||
	       code == K_NOT_LEADER_OR_FOLLOWER ||
	       code == K_UNKNOWN_LEADER_EPOCH ||
	       code == K_FENCED_LEADER_EPOCH ||
	       code == K_OFFSET_NOT_AVAILABLE ||
	       code == K_LISTENER_NOT_FOUND;
}

/* One look: 0, -EAGAIN when it is worth another, -EPROTO, ... */
static int look_for_leader(struct client *c, struct str topic,
			   int32_t partition, int32_t *node)
{
	struct leaders *l = map_find_str(&c->leaders, topic);
	struct metadata_response m;
	int16_t code = K_LEADER_NOT_AVAILABLE;
	int err;

	if (!l || partition >= l->n || l->node[partition] < 0) {
		err = client_metadata(c, &topic, 1, &m);
		if (err)
			return err;
		if (m.topics_n == 1 && m.topics[0].error_code)
			code = m.topics[0].error_code;
		l = map_find_str(&c->leaders, topic);
		if (l && partition >= l->n)
			code = K_UNKNOWN_TOPIC_OR_PARTITION;
	}
	if (l && partition < l->n && l->node[partition] >= 0) {
		*node = l->node[partition];
		return 0;
	}
	say_kerr(c, code, topic);
	return code == K_LEADER_NOT_AVAILABLE ? -EAGAIN : -EPROTO;
}

int client_leader(struct client *c, struct str topic, int32_t partition,
		  int32_t *node)
{
	int64_t deadline = client_now_ms() + c->timeout_ms;
	int64_t backoff = BACKOFF_FIRST_MS;
	int err;

	assert(partition >= 0);
	while ((err = look_for_leader(c, topic, partition, node)) == -EAGAIN) {
		int16_t code = c->kerr;

		err = pause_ms(c, backoff, deadline);
		if (err == -ETIMEDOUT)
			return say_kerr(c, code, topic);
		if (err)
			return err;
		backoff = min_of(backoff * 2, BACKOFF_MAX_MS);
	}
	return err;
}

static int look_for_coordinator(struct client *c, struct str group,
				int32_t *node)
{
	struct find_coordinator_request rq;
	struct find_coordinator_response rs;
	struct client_broker *b;
	int32_t host_id;
	int16_t code;
	int err;

	wire_preset(&find_coordinator_request_type, &rq);
	rq.key = group;
	rq.coordinator_keys_n = 1;
	rq.coordinator_keys = &group;
	err = client_call(c, CLIENT_ANY, 10, &rq, &rs);
	if (err)
		return err;
	code = rs.error_code;
	host_id = rs.node_id;
	if (c->version >= 4 && rs.coordinators_n > 0) {
		code = rs.coordinators[0].error_code;
		host_id = rs.coordinators[0].node_id;
	}
	if (code) {
		say_kerr(c, code, group);
		return is_coordinator_error(code) ? -EAGAIN : -EPROTO;
	}
	err = inform(c);
	if (err)
		return err;
	b = find_broker(c, host_id);
	if (!b) {
		c->informed = false;
		say_kerr(c, K_COORDINATOR_NOT_AVAILABLE, group);
		return -EAGAIN;
	}
	map_put_str(&c->coordinators, group,
		    (void *)((intptr_t)host_id + 1));
	*node = host_id;
	return 0;
}

int client_coordinator(struct client *c, struct str group, int32_t *node)
{
	int64_t deadline = client_now_ms() + c->timeout_ms;
	int64_t backoff = BACKOFF_FIRST_MS;
	void *known = map_find_str(&c->coordinators, group);
	int err;

	if (known) {
		*node = (int32_t)((intptr_t)known - 1);
		return 0;
	}
	while ((err = look_for_coordinator(c, group, node)) == -EAGAIN) {
		int16_t code = c->kerr;

		err = pause_ms(c, backoff, deadline);
		if (err == -ETIMEDOUT)
			return say_kerr(c, code, group);
		if (err)
			return err;
		backoff = min_of(backoff * 2, BACKOFF_MAX_MS);
	}
	return err;
}

static int resolve(struct client *c, const struct client_target *to,
		   const struct question *q, struct client_conn ***out)
{
	int32_t node = to->number;
	int err = 0;

	switch (to->kind) {
	case TO_ANY:
		return reach_any(c, q->deadline_ms, out);
	case TO_NODE:
		break;
	case TO_CONTROLLER:
		/* any broker passes it on (KIP-590), and whoever reads there
		 * afterwards sees the change; one that does not says so */
		if (!q->again)
			return reach_any(c, q->deadline_ms, out);
		err = inform(c);
		if (err)
			return err;
		if (!find_broker(c, c->controller))
			return reach_any(c, q->deadline_ms, out);
		node = c->controller;
		break;
	case TO_GROUP:
		err = client_coordinator(c, to->name, &node);
		break;
	case TO_LEADER:
		err = client_leader(c, to->name, to->number, &node);
		break;
	}
	return err ? err : reach_node(c, node, q->deadline_ms, out);
}

/* ---- asking -------------------------------------------------------------- */

static bool struct_has(const struct wire_field *f, int16_t version,
		       const uint8_t *at, bool (*test)(int16_t))
{
	const uint8_t *object = (const uint8_t *)at + f->offset;
	int32_t n = 1;

	if (f->array)
		memcpy(&n, at + f->count_offset, sizeof(n));
	if (f->array || f->null_min <= f->null_max)
		memcpy(&object, at + f->offset, sizeof(object));
	for (int32_t i = 0; object && i < n; i++)
		if (client_answer_has(f->type, version,
				      object + (size_t)i * f->type->size, test))
			return true;
	return false;
}

bool client_answer_has(const struct wire_type *t, int16_t version,
		       const void *object, bool (*test)(int16_t code))
{
	for (uint16_t i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];
		int16_t code;

		if (version < f->min || version > f->max)
			continue;
		if (f->kind == WIRE_STRUCT) {
			if (struct_has(f, version, object, test))
				return true;
		} else if (f->kind == WIRE_I16 && !f->array &&
			   strcmp(f->name, "error_code") == 0) {
			memcpy(&code, (const uint8_t *)object + f->offset,
			       sizeof(code));
			if (test(code))
				return true;
		}
	}
	return false;
}

static bool misrouted(const struct client_target *to,
		      const struct wire_type *t, int16_t version,
		      const void *object)
{
	switch (to->kind) {
	case TO_CONTROLLER:
		return client_answer_has(t, version, object,
					 is_controller_error);
	case TO_GROUP:
		return client_answer_has(t, version, object,
					 is_coordinator_error);
	case TO_LEADER:
		return client_answer_has(t, version, object, is_leader_error);
	case TO_ANY:
	case TO_NODE:
		break;
	}
	return false;
}

/* Asking twice is asking once. */
static bool only_reads(int16_t key)
{
	static const int8_t keys[] = { 1, 2, 3, 9, 10, 15, 16, 18, 23, 32, 35,
				       46, 55, 60, 61, 69, 74, 75, 77 };

	return memchr(keys, key, sizeof(keys)) != NULL;
}

static void report(struct client *c, const struct client_conn *k,
		   const struct wire_api *api, int64_t since_ms)
{
	const struct client_address *at = client_conn_peer(k);

	if (c->verbose)
		fprintf(stderr, "%s v%d to %s:%" PRId32 ": %" PRId64 " ms\n",
			api->name, c->version, at->host, at->port,
			client_now_ms() - since_ms);
}

static int fail_conn(struct client *c, const struct client_conn *k,
		     const struct question *q, int err)
{
	const struct client_address *at = client_conn_peer(k);

	if (err == -EINTR)
		return say(c, err, "interrupted");
	if (err == -EAGAIN || err == -ETIMEDOUT)
		return say(c, -ETIMEDOUT,
			   "%s:%" PRId32 ": no answer to %s in time", at->host,
			   at->port, q->api->name);
	return say(c, err, "%s", client_conn_why(k));
}

static int exchange(struct client *c, struct client_conn *k,
		    struct question *q)
{
	int64_t since = client_now_ms();
	struct client_answer a;
	struct reader r;
	uint8_t *copy;
	int err = client_conn_send(k, q->api->key, q->request, q->deadline_ms);

	if (err < 0)
		return fail_conn(c, k, q, err);
	q->sent = true;
	if (client_conn_pending(k) == 0) {
		wire_preset(q->api->response, q->response);
		return 0; /* acks=0 */
	}
	err = client_conn_receive(k, q->deadline_ms, &a);
	if (err)
		return fail_conn(c, k, q, err);
	c->version = a.version;
	copy = arena_dup(&c->arena, a.body.p, reader_left(&a.body));
	r = reader_of(copy, reader_left(&a.body));
	if (!wire_decode(&r, q->api->response, a.version, q->response,
			 &c->arena))
		return say(c, -EBADMSG, "%s: malformed answer to %s",
			   client_conn_peer(k)->host, q->api->name);
	report(c, k, q->api, since);
	return 0;
}

/* A connection that failed or is out of step is of no more use. */
static void drop_conn(struct client_conn **k)
{
	client_conn_close(*k);
	*k = NULL;
}

static int call_once(struct client *c, const struct client_target *to,
		     struct question *q)
{
	struct client_conn **slot;
	int err = resolve(c, to, q, &slot);

	if (err)
		return err;
	err = exchange(c, *slot, q);
	if (err && err != -EOPNOTSUPP)
		drop_conn(slot);
	return err;
}

/* Trying again may help, and can do no harm. */
static bool worth_it(const struct client_target *to, const struct question *q,
		     int err)
{
	if (q->sent && !only_reads(q->api->key))
		return false;
	switch (err) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
	case -EHOSTUNREACH:
		return to->kind != TO_NODE && (to->kind != TO_ANY || q->sent);
	default:
		return false;
	}
}

int client_call(struct client *c, struct client_target to, int16_t key,
		const void *request, void *response)
{
	struct question q = {
		.api = wire_api_find(key),
		.request = request,
		.response = response,
		.deadline_ms = client_now_ms() + c->timeout_ms,
	};
	int64_t backoff = BACKOFF_FIRST_MS;
	int err;

	assert(q.api);
	c->error[0] = '\0';
	for (;;) {
		q.sent = false;
		err = call_once(c, &to, &q);
		if (!err && !misrouted(&to, q.api->response, c->version,
				       response)) {
			c->error[0] = '\0';
			return 0;
		}
		if (err && !worth_it(&to, &q, err))
			return err;
		client_forget(c);
		if (client_now_ms() + backoff >= q.deadline_ms)
			return err;
		poll(NULL, 0, (int)backoff);
		if (client_interrupted)
			return say(c, -EINTR, "interrupted");
		backoff = min_of(backoff * 2, BACKOFF_MAX_MS);
		q.again = true;
	}
}

int client_serves(struct client *c, int16_t key)
{
	struct client_conn **slot;
	int err = reach_any(c, client_now_ms() + c->timeout_ms, &slot);

	return err ? err : client_conn_version(*slot, key) >= 0;
}
