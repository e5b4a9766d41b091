/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_conn: one connection to a broker: connects, learns the versions,
 * writes requests, cuts the answers out of the stream. Knows nothing of
 * brokers, leaders or repetition.
 *
 * Invariants:
 * 1. The socket does not block; whoever waits, waits in poll() with a deadline.
 * 2. Once anything failed or a frame was malformed, broken is set and every
 *    call returns it: the stream cannot be in step any more.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define FRAME_MAX (256 << 20)
#define READ_SIZE (64 << 10)

struct pending {
	int16_t key, version;
	int32_t id;
};

struct client_conn {
	int fd;
	int broken; /* 0 or negative errno, for good */
	struct client_address peer;
	char *client_id;
	int32_t next_id;
	struct buf out;
	struct buf in;
	size_t in_at;            /* first byte of in not yet taken */
	struct pending *pending; /* a ring: first is the oldest */
	int32_t pending_n, pending_first, pending_cap;
	int16_t version[CLIENT_API_MAX]; /* to use; -1 = not served */
	char why[CLIENT_WHY_MAX];
};

volatile sig_atomic_t client_interrupted;

int64_t client_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * The highest versions in which a topic has a name: from there on requests
 * carry topic ids, and a tool would first have to look them up. And those
 * that are meant for brokers.
 */
static int16_t version_limit(int16_t key)
{
	switch (key) {
	case 0: /* Produce */
	case 1: /* Fetch */
		return 12;
	case 8: /* OffsetCommit */
	case 9: /* OffsetFetch */
		return 9;
	case 24: /* AddPartitionsToTxn */
		return 3;
	default:
		return INT16_MAX;
	}
}

static int fail(struct client_conn *k, int err, const char *what)
{
	if (!k->broken) {
		k->broken = err;
		snprintf(k->why, sizeof(k->why), "%s:%" PRId32 ": %s",
			 k->peer.host, k->peer.port, what);
	}
	return k->broken;
}

static int fail_errno(struct client_conn *k, int err)
{
	return fail(k, err, strerror(-err));
}

/* 0 when ready, -EAGAIN at the deadline, -EINTR. */
static int await(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_ms - client_now_ms();
		int n;

		left = min_of(max_of(left, 0), 3600000);
		if (client_interrupted)
			return -EINTR;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n == 0)
			return -EAGAIN;
		if (errno != EINTR)
			return -errno;
	}
}

/* ---- connecting ---------------------------------------------------------- */

static int try_address(const struct addrinfo *ai, int64_t deadline_ms)
{
	int fd = socket(ai->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, err = 0;
	socklen_t n = sizeof(err);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS)
		err = errno;
	else if ((err = -await(fd, POLLOUT, deadline_ms)) == EAGAIN)
		err = ETIMEDOUT;
	if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		err = errno;
	if (!err)
		return fd;
	close(fd);
	return -err;
}

static int dial(struct client_conn *k, int64_t deadline_ms)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char port[16];
	int err;

	snprintf(port, sizeof(port), "%" PRId32, k->peer.port);
	err = getaddrinfo(k->peer.host, port, &hints, &list);
	if (err)
		return fail(k, -EHOSTUNREACH, gai_strerror(err));
	err = -EHOSTUNREACH;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		err = try_address(ai, deadline_ms);
		if (err >= 0)
			break;
	}
	freeaddrinfo(list);
	if (err < 0)
		return fail_errno(k, err);
	k->fd = err;
	return 0;
}

static void learn(struct client_conn *k, const struct api_versions_response *v)
{
	for (int32_t i = 0; i < v->api_keys_n; i++) {
		const struct api_versions_response_api *api = &v->api_keys[i];
		const struct wire_api *ours = wire_api_find(api->api_key);
		int16_t highest;

		if (!ours || api->api_key >= CLIENT_API_MAX)
			continue;
		highest = min_of(ours->request->max, api->max_version);
		highest = min_of(highest, version_limit(api->api_key));
		if (highest < api->min_version || highest < ours->request->min)
			continue;
		k->version[api->api_key] = highest;
	}
}

/* One question in the version asked for; the broker's error comes back. */
static int ask_versions(struct client_conn *k, int16_t version,
			int64_t deadline_ms, int16_t *code)
{
	struct api_versions_request rq;
	struct api_versions_response rs;
	struct client_answer a;
	struct arena arena = { 0 };
	int err;

	wire_preset(&api_versions_request_type, &rq);
	rq.client_software_name = STR("raftmq");
	rq.client_software_version = STR(PACKAGE_VERSION);
	k->version[18] = version;
	err = client_conn_send(k, 18, &rq, deadline_ms);
	if (err >= 0)
		err = client_conn_receive(k, deadline_ms, &a);
	if (err == -EAGAIN)
		return fail(k, -ETIMEDOUT,
			    "connected, but no answer to ApiVersions");
	if (err)
		return err;
	/* an unknown version is answered in version 0 (KIP-511) */
	if (reader_left(&a.body) >= 2 && get_be16(a.body.p) == 35)
		a.version = 0;
	if (!wire_decode(&a.body, &api_versions_response_type, a.version, &rs,
			 &arena))
		err = fail(k, -EBADMSG, "this does not speak Kafka's protocol");
	*code = rs.error_code;
	if (!err)
		learn(k, &rs);
	arena_fini(&arena);
	return err;
}

static int greet(struct client_conn *k, int64_t deadline_ms)
{
	int16_t code = K_NONE;
	int err = ask_versions(k, 3, deadline_ms, &code);

	if (!err && code == K_UNSUPPORTED_VERSION)
		err = ask_versions(k, 0, deadline_ms, &code);
	if (!err && code)
		err = fail(k, -EPROTO, kerr_text(code));
	return err;
}

int client_conn_open(struct client_conn **out, const struct client_address *to,
		     const char *client_id, int64_t deadline_ms, char *why)
{
	struct client_conn *k = mem_zalloc(sizeof(*k));
	int err;

	k->fd = -1;
	k->peer = *to;
	k->client_id = mem_strdup(client_id ? client_id : "raftmq");
	for (int i = 0; i < CLIENT_API_MAX; i++)
		k->version[i] = -1;
	err = dial(k, deadline_ms);
	if (!err)
		err = greet(k, deadline_ms);
	*out = k;
	if (err) {
		memcpy(why, k->why, CLIENT_WHY_MAX);
		client_conn_close(k);
		*out = NULL;
	}
	return err;
}

void client_conn_close(struct client_conn *k)
{
	if (!k)
		return;
	if (k->fd >= 0)
		close(k->fd);
	buf_fini(&k->out);
	buf_fini(&k->in);
	mem_free(k->pending);
	mem_free(k->client_id);
	mem_free(k);
}

const char *client_conn_why(const struct client_conn *k)
{
	return k->why;
}

const struct client_address *client_conn_peer(const struct client_conn *k)
{
	return &k->peer;
}

int client_conn_fd(const struct client_conn *k)
{
	return k->fd;
}

int16_t client_conn_version(const struct client_conn *k, int16_t key)
{
	return key >= 0 && key < CLIENT_API_MAX ? k->version[key] : -1;
}

int32_t client_conn_pending(const struct client_conn *k)
{
	return k->pending_n;
}

/* ---- sending ------------------------------------------------------------- */

static void expect(struct client_conn *k, struct pending p)
{
	int32_t cap = k->pending_cap;

	if (k->pending_n == cap) {
		struct pending *v = mem_alloc(
			sizeof(*v) * (size_t)(cap = cap ? cap * 2 : 8));

		for (int32_t i = 0; i < k->pending_n; i++)
			v[i] = k->pending[(k->pending_first + i) %
					  k->pending_cap];
		mem_free(k->pending);
		k->pending = v;
		k->pending_cap = cap;
		k->pending_first = 0;
	}
	k->pending[(k->pending_first + k->pending_n++) % k->pending_cap] = p;
}

static int write_out(struct client_conn *k, int64_t deadline_ms)
{
	for (size_t at = 0; at < k->out.n;) {
		ssize_t n = send(k->fd, k->out.p + at, k->out.n - at,
				 MSG_NOSIGNAL);
		int err = 0;

		if (n > 0)
			at += (size_t)n;
		else if (errno == EAGAIN)
			err = await(k->fd, POLLOUT, deadline_ms);
		else if (errno != EINTR)
			err = -errno;
		/* half a request is on its way: there is no going on */
		if (err == -EAGAIN)
			return fail(k, -ETIMEDOUT, "it takes no more requests");
		if (err)
			return fail_errno(k, err);
	}
	k->out.n = 0;
	return 0;
}

static bool wants_answer(int16_t key, const void *request)
{
	return key != 0 ||
	       ((const struct produce_request *)request)->acks != 0;
}

int32_t client_conn_send(struct client_conn *k, int16_t key,
			 const void *request, int64_t deadline_ms)
{
	const struct wire_api *api = wire_api_find(key);
	struct request_header h = {
		.key = key,
		.version = client_conn_version(k, key),
		.correlation_id = k->next_id,
		.client_id = str_of(k->client_id),
	};
	size_t begin;
	int err;

	if (k->broken)
		return k->broken;
	assert(api);
	if (h.version < 0) {
		snprintf(k->why, sizeof(k->why),
			 "%s:%" PRId32 ": the broker does not serve %s",
			 k->peer.host, k->peer.port, api->name);
		return -EOPNOTSUPP;
	}
	begin = frame_begin_request(&k->out, &h);
	wire_encode(&k->out, api->request, h.version, request, NULL);
	frame_end(&k->out, begin, 0);
	err = write_out(k, deadline_ms);
	if (err)
		return err;
	if (wants_answer(key, request))
		expect(k, (struct pending){ key, h.version, h.correlation_id });
	k->next_id = (k->next_id + 1) & INT32_MAX;
	return h.correlation_id;
}

/* ---- receiving ----------------------------------------------------------- */

/* Whole frame in the buffer: its size with the length, else 0; negative when
 * the length is nonsense. */
static int64_t frame_size(struct client_conn *k)
{
	size_t have = k->in.n - k->in_at;
	int64_t n;

	if (have < 4)
		return 0;
	n = (int32_t)get_be32(k->in.p + k->in_at);
	if (n < 4 || n > FRAME_MAX)
		return fail(k, -EBADMSG,
			    "this does not speak Kafka's protocol");
	return have >= (size_t)n + 4 ? n + 4 : 0;
}

static int read_more(struct client_conn *k, int64_t deadline_ms)
{
	ssize_t n;
	int err;

	if (k->in_at > 0) {
		k->in.n -= k->in_at;
		memmove(k->in.p, k->in.p + k->in_at, k->in.n);
		k->in_at = 0;
	}
	/* a long frame is read in as few steps as it has come in */
	buf_reserve(&k->in, max_of(k->in.n, (size_t)READ_SIZE));
	for (;;) {
		n = recv(k->fd, k->in.p + k->in.n, k->in.cap - k->in.n, 0);
		if (n > 0)
			break;
		if (n == 0)
			return fail(k, -ECONNRESET,
				    "the broker closed the connection");
		if (errno != EAGAIN && errno != EINTR)
			return fail_errno(k, -errno);
		err = await(k->fd, POLLIN, deadline_ms);
		if (err == -EAGAIN || err == -EINTR)
			return err;
		if (err)
			return fail_errno(k, err);
	}
	k->in.n += (size_t)n;
	return 0;
}

int client_conn_receive(struct client_conn *k, int64_t deadline_ms,
			struct client_answer *out)
{
	struct pending p;
	int64_t size;
	int32_t id;
	int err;

	if (k->broken)
		return k->broken;
	while ((size = frame_size(k)) == 0) {
		err = read_more(k, deadline_ms);
		if (err)
			return err;
	}
	assert(size > 0 || k->broken);
	if (size < 0)
		return k->broken;
	if (k->pending_n == 0)
		return fail(k, -EBADMSG, "an answer that nobody asked for");
	p = k->pending[k->pending_first];
	k->pending_first = (k->pending_first + 1) % k->pending_cap;
	k->pending_n--;
	out->body = reader_of(k->in.p + k->in_at + 4, (size_t)size - 4);
	k->in_at += (size_t)size;
	if (!frame_read_response(&out->body, p.key, p.version, &id) ||
	    id != p.id)
		return fail(k, -EBADMSG, "the answer to another request");
	out->key = p.key;
	out->version = p.version;
	out->id = id;
	return 0;
}
