/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topology: the brokers, the partitions of the topic and who leads them. Before
 * the run it waits, through the tools' client; while the run goes on it asks
 * on a connection of its own and never waits.
 *
 * Invariants:
 * 1. Indexes of brokers never change; partitions never become more or fewer.
 * 2. The leader of a partition never goes back to an older epoch.
 * 3. At most one question about the metadata is on its way.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define ASK_AGAIN_NS (20 * MILLISECOND)
#define ASK_AGAIN_US 2000 /* during set-up */
#define ASK_TIMEOUT_NS (1000 * MILLISECOND)
#define PRODUCE_VERSION_MAX 11 /* 12 is about transactions (KIP-890) */

/* ---- what the metadata says ---------------------------------------------- */

static void resolve(struct broker *b)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char port[16];

	b->at_n = 0;
	snprintf(port, sizeof(port), "%d", (int)b->port);
	if (getaddrinfo(b->host, port, &hints, &found) != 0 || !found)
		return;
	memcpy(&b->at, found->ai_addr, found->ai_addrlen);
	b->at_n = found->ai_addrlen;
	freeaddrinfo(found);
}

static int32_t find_broker(const struct topology *t, int32_t node)
{
	for (int32_t i = 0; i < t->brokers_n; i++)
		if (t->brokers[i].node == node)
			return i;
	return -1;
}

static void learn_broker(struct topology *t,
			 const struct metadata_response_broker *m)
{
	int32_t i = find_broker(t, m->node_id);
	struct broker *b;

	if (i < 0) {
		i = t->brokers_n++;
		t->brokers = mem_realloc(t->brokers, (size_t)t->brokers_n *
					 sizeof(*t->brokers));
		t->brokers[i] = (struct broker){ .node = m->node_id };
	}
	b = &t->brokers[i];
	if (b->at_n && b->port == m->port && str_eq_c(m->host, b->host))
		return;
	snprintf(b->host, sizeof(b->host), "%.*s", STR_ARG(m->host));
	b->port = m->port;
	resolve(b);
}

/* Returns whether the leader became another one. */
static bool learn_partition(struct topology *t,
			    const struct metadata_response_partition *m)
{
	struct partition *p;
	int32_t before;

	if (m->partition_index < 0 || m->partition_index >= t->partitions_n)
		return false;
	p = &t->partitions[m->partition_index];
	if (m->leader_epoch < p->epoch)
		return false;
	before = p->leader;
	p->leader = m->leader_id < 0 ? -1 : find_broker(t, m->leader_id);
	if (m->leader_epoch > p->epoch && p->epoch >= 0) {
		p->epoch = m->leader_epoch;
		return true;
	}
	p->epoch = m->leader_epoch;
	return before != p->leader;
}

static void list_led(struct topology *t)
{
	for (int32_t i = 0; i < t->brokers_n; i++) {
		mem_free(t->brokers[i].led);
		t->brokers[i].led = mem_alloc((size_t)t->partitions_n *
					      sizeof(int32_t));
		t->brokers[i].led_n = 0;
	}
	for (int32_t i = 0; i < t->partitions_n; i++) {
		struct broker *b;

		if (t->partitions[i].leader < 0)
			continue;
		b = &t->brokers[t->partitions[i].leader];
		b->led[b->led_n++] = i;
	}
}

/* The leaders that changed, or -1 when the answer is not about the topic. */
static int32_t learn(struct topology *t, const struct metadata_response *m)
{
	int32_t moved = 0;

	for (int32_t i = 0; i < m->brokers_n; i++)
		learn_broker(t, &m->brokers[i]);
	if (m->topics_n != 1 || m->topics[0].error_code != K_NONE)
		return -1;
	for (int32_t i = 0; i < m->topics[0].partitions_n; i++)
		moved += learn_partition(t, &m->topics[0].partitions[i]);
	list_led(t);
	return moved;
}

static bool all_led(const struct topology *t)
{
	for (int32_t i = 0; i < t->partitions_n; i++)
		if (t->partitions[i].leader < 0)
			return false;
	return true;
}

/* ---- set-up: waits ------------------------------------------------------- */

/* Its reason is printed later, when there is no further attempt. */
static char reason[512];

static int failed(const char *what, int error, int16_t code, const char *why)
{
	snprintf(reason, sizeof(reason), "%s: %s", what,
		 code ? kerr_name(code) : why);
	switch (code) {
	case K_TOPIC_AUTHORIZATION_FAILED:
	case K_CLUSTER_AUTHORIZATION_FAILED:
		return 4;
	case K_UNKNOWN_TOPIC_OR_PARTITION:
		return 5;
	}
	return error && error != -EPROTO && error != -EOPNOTSUPP ? 3 : 1;
}

static int call_failed(struct run *r, const char *what, int error)
{
	struct client *c = r->topology.client;

	return failed(what, error, client_kerr(c), client_error(c));
}

static void fill_configs(const struct options *o,
			 struct create_topics_request_topic *topic,
			 struct create_topics_request_config *configs)
{
	topic->configs = configs;
	topic->configs_n = o->configs_n;
	for (int i = 0; i < o->configs_n; i++) {
		const char *eq = strchr(o->configs[i], '=');

		wire_preset(&create_topics_request_config_type, &configs[i]);
		configs[i].name.p = o->configs[i];
		configs[i].name.n = (int32_t)(eq - o->configs[i]);
		configs[i].value = str_of(eq + 1);
	}
}

static int create(struct run *r)
{
	const struct options *o = &r->options;
	struct create_topics_request q;
	struct create_topics_request_topic topic;
	struct create_topics_request_config configs[BENCH_CONFIGS_MAX];
	struct create_topics_response a;
	int error;

	wire_preset(&create_topics_request_type, &q);
	wire_preset(&create_topics_request_topic_type, &topic);
	topic.name = str_of(o->topic);
	topic.num_partitions = (int32_t)o->partitions;
	topic.replication_factor = (int16_t)o->replicas;
	fill_configs(o, &topic, configs);
	q.topics = &topic;
	q.topics_n = 1;
	q.timeout_ms = (int32_t)(o->timeout_ns / MILLISECOND);
	error = client_call(r->topology.client, CLIENT_CONTROLLER, 19, &q, &a);
	if (error)
		return call_failed(r, "cannot make the topic", error);
	if (a.topics_n != 1)
		return failed("cannot make the topic", 0, 0, "no answer");
	if (a.topics[0].error_code == K_NONE ||
	    a.topics[0].error_code == K_TOPIC_ALREADY_EXISTS)
		return 0;
	if (a.topics[0].error_message.n <= 0)
		return failed("cannot make the topic", 0,
			      a.topics[0].error_code, "");
	return failed("cannot make the topic", 0, 0,
		      str_c(client_arena(r->topology.client),
			    a.topics[0].error_message));
}

/* Takes the topic over when the answer has it whole. */
static bool adopt(struct topology *t, const struct metadata_response *m)
{
	if (m->topics_n != 1 || m->topics[0].error_code != K_NONE ||
	    m->topics[0].partitions_n < 1)
		return false;
	if (!t->partitions) {
		t->partitions_n = m->topics[0].partitions_n;
		t->partitions = mem_zalloc((size_t)t->partitions_n *
					   sizeof(*t->partitions));
		for (int32_t i = 0; i < t->partitions_n; i++)
			t->partitions[i] = (struct partition){
				.leader = -1, .epoch = -1 };
	}
	return learn(t, m) >= 0 && all_led(t);
}

static int find_topic(struct run *r)
{
	struct topology *t = &r->topology;
	struct str name = str_of(r->options.topic);
	int64_t deadline = clock_ns() + r->options.timeout_ns;
	struct metadata_response m;
	bool created = false;
	int error;

	for (;;) {
		error = client_metadata(t->client, &name, 1, &m);
		if (error)
			return call_failed(r, "no metadata", error);
		if (adopt(t, &m))
			return 0;
		if (!created && m.topics_n == 1 && m.topics[0].error_code ==
		    K_UNKNOWN_TOPIC_OR_PARTITION) {
			error = create(r);
			if (error)
				return error;
			created = true;
		}
		if (client_interrupted)
			return 130;
		if (clock_ns() > deadline)
			break;
		client_reset(t->client);
		usleep(ASK_AGAIN_US);
	}
	return failed("topic without leaders", -ETIMEDOUT,
		      m.topics_n == 1 ? m.topics[0].error_code : 0, "time-out");
}

static int find_versions(struct run *r)
{
	struct topology *t = &r->topology;
	struct client_conn *k;
	int error = client_connect(t->client, t->brokers[0].node, &k);

	if (error)
		return call_failed(r, "cannot connect", error);
	t->produce_version = client_conn_version(k, 0);
	t->fetch_version = client_conn_version(k, 1);
	t->metadata_version = client_conn_version(k, 3);
	client_conn_close(k);
	if (t->produce_version < 3 || t->fetch_version < 4)
		return failed("produce, fetch", 0, K_UNSUPPORTED_VERSION, "");
	t->produce_version = min_of(t->produce_version, PRODUCE_VERSION_MAX);
	return 0;
}

static int list_offsets(struct run *r, const struct broker *b, int64_t when)
{
	struct topology *t = &r->topology;
	struct arena *arena = client_arena(t->client);
	struct list_offsets_request q;
	struct list_offsets_request_topic topic;
	struct list_offsets_response a;
	int error;

	wire_preset(&list_offsets_request_type, &q);
	wire_preset(&list_offsets_request_topic_type, &topic);
	q.replica_id = -1;
	q.topics = &topic;
	q.topics_n = 1;
	topic.name = str_of(t->topic);
	topic.partitions_n = b->led_n;
	topic.partitions = wire_new(&list_offsets_request_partition_type,
				    b->led_n, arena);
	for (int32_t i = 0; i < b->led_n; i++) {
		topic.partitions[i].partition_index = b->led[i];
		topic.partitions[i].timestamp = when;
	}
	error = client_call(t->client, CLIENT_NODE(b->node), 2, &q, &a);
	if (error)
		return call_failed(r, "cannot list offsets", error);
	for (int32_t i = 0; a.topics_n == 1 && i < a.topics[0].partitions_n;
	     i++) {
		const struct list_offsets_response_partition *p =
			&a.topics[0].partitions[i];

		if (p->error_code != K_NONE)
			return failed("cannot list offsets", 0, p->error_code,
				      "");
		if (p->partition_index < 0 ||
		    p->partition_index >= t->partitions_n)
			continue;
		if (when == -2)
			t->partitions[p->partition_index].first_offset =
				p->offset;
		else
			t->partitions[p->partition_index].end_offset =
				p->offset;
	}
	return 0;
}

static int find_offsets(struct run *r)
{
	struct topology *t = &r->topology;
	int error = 0;

	for (int32_t i = 0; !error && i < t->brokers_n; i++) {
		if (t->brokers[i].led_n == 0)
			continue;
		error = list_offsets(r, &t->brokers[i], -2);
		if (!error)
			error = list_offsets(r, &t->brokers[i], -1);
		client_reset(t->client);
	}
	return error;
}

static int told(int code)
{
	if (code)
		fprintf(stderr, "raftmq-bench: %s\n", reason);
	return code;
}

int topology_producer_id(struct run *r, int64_t *id, int16_t *epoch)
{
	struct client *c = r->topology.client;
	int64_t deadline = clock_ns() + r->options.timeout_ns;
	struct init_producer_id_request q;
	struct init_producer_id_response a;
	int error;

	wire_preset(&init_producer_id_request_type, &q);
	q.transactional_id = STR_NULL;
	q.transaction_timeout_ms = 60000;
	do {
		error = client_call(c, CLIENT_ANY, 22, &q, &a);
		if (error)
			return told(call_failed(r, "no producer id", error));
		*id = a.producer_id;
		*epoch = a.producer_epoch;
		if (a.error_code == K_NONE)
			return 0;
		client_reset(c);
		usleep(ASK_AGAIN_US);
	} while (kerr_is_retriable(a.error_code) && clock_ns() < deadline &&
		 !client_interrupted);
	return told(failed("no producer id", 0, a.error_code, ""));
}

static int attempt(struct run *r)
{
	int error = find_topic(r);

	if (!error)
		error = find_versions(r);
	if (!error && r->options.mode != BENCH_PRODUCE)
		error = find_offsets(r);
	return error;
}

static void control_down(struct conn *c, int error);

int topology_open(struct run *r)
{
	struct topology *t = &r->topology;
	struct client_options o = {
		.bootstrap = r->options.bootstrap,
		.client_id = "raftmq-bench",
		.timeout_ms = (int32_t)(r->options.timeout_ns / MILLISECOND),
		.verbose = r->options.verbose,
	};
	int64_t deadline = clock_ns() + r->options.timeout_ns;
	int code;

	t->topic = mem_strdup(r->options.topic);
	conn_init(&t->control, &r->loop);
	t->control.owner = r;
	t->control.on_down = control_down;
	t->client = client_new(&o);
	code = attempt(r);
	while (code && r->options.wait && clock_ns() < deadline &&
	       !client_interrupted) {
		usleep(1000);
		client_reset(t->client);
		code = attempt(r);
	}
	return told(code);
}

void topology_close(struct run *r)
{
	struct topology *t = &r->topology;

	t->asking = false;
	conn_fini(&t->control);
	client_free(t->client);
	for (int32_t i = 0; i < t->brokers_n; i++)
		mem_free(t->brokers[i].led);
	mem_free(t->brokers);
	mem_free(t->partitions);
	mem_free(t->topic);
	buf_fini(&t->ask_bytes);
	arena_fini(&t->arena);
}

/* ---- refreshing: never waits --------------------------------------------- */

void topology_doubt(struct run *r)
{
	r->topology.wanted = true;
}

static void control_down(struct conn *c, int error)
{
	struct run *r = c->owner;

	(void)error;
	r->topology.asking = false;
}

static void answered(struct call *call, struct conn *c, enum call_end how,
		     struct reader *in)
{
	struct run *r = c->owner;
	struct topology *t = &r->topology;
	struct metadata_response m;
	int64_t now = clock_ns();
	int32_t moved;

	t->asking = false;
	if (how != CALL_ANSWERED)
		return;
	arena_reset(&t->arena);
	if (!wire_decode(in, &metadata_response_type, call->version, &m,
			 &t->arena))
		return;
	r->tally.refreshes++;
	moved = learn(t, &m);
	t->wanted = moved < 0 || !all_led(t);
	if (moved < 0)
		return;
	r->tally.moves += moved;
	if (r->produce)
		produce_moved(r->produce, now);
	if (r->consume)
		consume_moved(r->consume, now);
}

static void encode_ask(struct topology *t)
{
	struct request_header h = { 3, t->metadata_version, 0,
				    STR("raftmq-bench") };
	struct metadata_request q;
	struct metadata_request_topic topic;
	size_t begin;

	wire_preset(&metadata_request_type, &q);
	wire_preset(&metadata_request_topic_type, &topic);
	topic.name = str_of(t->topic);
	q.topics = &topic;
	q.topics_n = 1;
	q.allow_auto_topic_creation = false;
	h.correlation_id = t->ask.id = conn_take_id(&t->control);
	t->ask_bytes.n = 0;
	begin = frame_begin_request(&t->ask_bytes, &h);
	wire_encode(&t->ask_bytes, &metadata_request_type, h.version, &q, NULL);
	frame_end(&t->ask_bytes, begin, 0);
	t->ask_iov = (struct iovec){ t->ask_bytes.p, t->ask_bytes.n };
}

/* Connects to the next broker that can be tried, the one asked last at last. */
static bool connect_next(struct topology *t)
{
	for (int32_t i = 0; i < t->brokers_n; i++) {
		struct broker *b;

		t->asked = (t->asked + 1) % t->brokers_n;
		b = &t->brokers[t->asked];
		if (!b->at_n)
			resolve(b);
		if (b->at_n && conn_open(&t->control, (void *)&b->at,
					 b->at_n) == 0)
			return true;
	}
	return false;
}

static void ask(struct run *r, int64_t now_ns)
{
	struct topology *t = &r->topology;

	t->asked_ns = now_ns;
	if (t->control.state == CONN_DOWN && !connect_next(t))
		return;
	encode_ask(t);
	t->ask.key = 3;
	t->ask.version = t->metadata_version;
	t->ask.iov = &t->ask_iov;
	t->ask.iov_n = 1;
	t->ask.on_end = answered;
	t->asking = true;
	conn_send(&t->control, &t->ask);
}

int64_t topology_tick(struct run *r, int64_t now_ns)
{
	struct topology *t = &r->topology;

	if (t->asking && now_ns >= t->asked_ns + ASK_TIMEOUT_NS)
		conn_break(&t->control, ETIMEDOUT);
	if (t->asking)
		return t->asked_ns + ASK_TIMEOUT_NS;
	if (!t->wanted)
		return INT64_MAX;
	if (now_ns >= t->asked_ns + ASK_AGAIN_NS)
		ask(r, now_ns);
	return t->asked_ns + (t->asking ? ASK_TIMEOUT_NS : ASK_AGAIN_NS);
}
