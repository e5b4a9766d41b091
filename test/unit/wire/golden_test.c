/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that others wrote. test/golden/messages.bin: every message in every
 * version by Kafka's encoder (Messages.java). test/golden/frames: what clients
 * and Kafka's brokers said to each other (capture.py).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <raftmq/wire.h>

#include "unit.h"

static void read_file(struct buf *out, const char *dir, const char *name)
{
	char path[1024];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	do {
		n = fread(buf_grow(out, 65536), 1, 65536, f);
		out->n -= 65536 - n;
	} while (n > 0);
	fclose(f);
}

/* The body is read to its last byte, and written again to the same bytes. */
static void check_body(const char *title, const struct wire_type *t,
		       int16_t version, struct reader r)
{
	struct arena a = { 0 };
	struct buf out = { 0 };
	void *object = mem_alloc(t->size);
	size_t n = reader_left(&r);
	const uint8_t *p = r.p;

	ck_assert_msg(wire_decode(&r, t, version, object, &a),
		      "%s: %s v%d is malformed", title, t->name, version);
	ck_assert_msg(reader_left(&r) == 0, "%s: %s v%d leaves %zu bytes",
		      title, t->name, version, reader_left(&r));
	wire_encode(&out, t, version, object, NULL);
	ck_assert_msg(out.n == n && (n == 0 || memcmp(out.p, p, n) == 0),
		      "%s: %s v%d is written differently", title, t->name,
		      version);
	buf_fini(&out);
	arena_fini(&a);
	mem_free(object);
}

static const struct wire_type *find_message(struct str name)
{
	for (int i = 0; i < kafka_messages_n; i++)
		if (str_eq_c(name, kafka_messages[i]->name))
			return kafka_messages[i];
	return NULL;
}

TEST(every_message_in_every_version_is_kafkas)
{
	struct buf in = { 0 };
	struct reader r;
	int seen = 0, versions = 0;

	for (int i = 0; i < kafka_messages_n; i++)
		versions += kafka_messages[i]->max - kafka_messages[i]->min + 1;
	read_file(&in, GOLDEN, "messages.bin");
	r = reader_of(in.p, in.n);
	while (reader_left(&r) > 0) {
		const struct wire_type *t;
		struct str name;
		int16_t version;
		int32_t n;

		name.n = read_i16(&r);
		name.p = (const char *)read_span(&r, (size_t)name.n);
		version = read_i16(&r);
		n = read_i32(&r);
		ck_assert(!r.bad);
		t = find_message(name);
		ck_assert_msg(t != NULL, "%.*s", STR_ARG(name));
		check_body("messages.bin", t, version,
			   reader_of(read_span(&r, (size_t)n), (size_t)n));
		seen++;
	}
	ck_assert(!r.bad);
	ck_assert_int_eq(seen, 2 * versions);
	buf_fini(&in);
}

/* Produce-v7-kcat-request.bin */
struct frame_name {
	char api[64];
	int version;
	char client[32];
	bool is_request;
};

static bool parse_name(const char *file, struct frame_name *n)
{
	char kind[32];

	if (sscanf(file, "%63[A-Za-z]-v%d-%31[a-z0-9_]-%31[a-z].bin", n->api,
		   &n->version, n->client, kind) != 4)
		return false;
	n->is_request = strcmp(kind, "request") == 0;
	return true;
}

static void check_request(const char *file, const struct frame_name *n,
			  const struct buf *in)
{
	struct reader r = reader_of(in->p + 4, in->n - 4);
	const struct wire_api *api;
	struct request_header h;
	struct buf out = { 0 };

	ck_assert(frame_read_request(&r, &h));
	api = wire_api_find(h.key);
	ck_assert_msg(api != NULL, "%s: key %d", file, h.key);
	ck_assert_str_eq(api->name, n->api);
	ck_assert_int_eq(h.version, n->version);
	frame_end(&out, frame_begin_request(&out, &h), 0);
	ck_assert_mem_eq(out.p + 4, in->p + 4, out.n - 4);
	ck_assert_uint_eq(out.n, (size_t)(r.p - in->p));
	check_body(file, api->request, h.version, r);
	buf_fini(&out);
}

static const struct wire_api *find_api(const char *name)
{
	for (int16_t key = 0; key < kafka_apis_n; key++)
		if (kafka_apis[key].name &&
		    strcmp(kafka_apis[key].name, name) == 0)
			return &kafka_apis[key];
	return NULL;
}

static void check_response(const char *file, const struct frame_name *n,
			   const struct buf *in)
{
	struct reader r = reader_of(in->p + 4, in->n - 4);
	const struct wire_api *api = find_api(n->api);
	int16_t version = (int16_t)n->version;
	int32_t correlation_id;
	struct buf out = { 0 };

	ck_assert_msg(api != NULL, "%s", file);
	ck_assert(frame_read_response(&r, api->key, version, &correlation_id));
	frame_end(&out, frame_begin_response(&out, api->key, version,
					     correlation_id), 0);
	ck_assert_mem_eq(out.p + 4, in->p + 4, out.n - 4);
	ck_assert_uint_eq(out.n, (size_t)(r.p - in->p));
	check_body(file, api->response, version, r);
	buf_fini(&out);
}

static int is_frame(const struct dirent *d)
{
	return strstr(d->d_name, ".bin") != NULL;
}

TEST(frames_of_real_clients_and_brokers_survive_a_round_trip)
{
	struct dirent **files;
	int n = scandir(GOLDEN "/frames", &files, is_frame, alphasort);

	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		const char *file = files[i]->d_name;
		struct frame_name name;
		struct buf in = { 0 };

		ck_assert_msg(parse_name(file, &name), "%s", file);
		read_file(&in, GOLDEN "/frames", file);
		ck_assert_uint_gt(in.n, 8);
		ck_assert_uint_eq(get_be32(in.p), in.n - 4);
		if (name.is_request)
			check_request(file, &name, &in);
		else
			check_response(file, &name, &in);
		buf_fini(&in);
		free(files[i]);
	}
	free(files);
}
