/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_code: the whole state to bytes and back, for snapshots, for the
 * copies of the shards and for the hash. Varints, so that a partition costs
 * some 15 bytes. Not checksummed: whoever stores it does that.
 *
 * 1. Everything is written in order of insertion, so that two nodes that
 *    applied the same commands write the same bytes, and one that read them
 *    goes on writing the same.
 */
#include "state.h"

enum { FORMAT = 1 };

/* ---- out ----------------------------------------------------------------- */

static void put_text(struct buf *b, const char *s) /* NULL is kept apart */
{
	size_t n = s ? strlen(s) : 0;

	buf_put_uvarint(b, s ? n + 1 : 0);
	buf_put(b, s, n);
}

static void put_settings(struct buf *b, const struct map *m)
{
	buf_put_uvarint(b, map_count(m));
	for (struct map_iter i = map_first(m); i.at; map_next(&i)) {
		buf_put_uvarint(b, i.key_n);
		buf_put(b, i.key, i.key_n);
		put_text(b, i.value);
	}
}

static void put_broker(struct buf *b, const struct broker_info *info)
{
	buf_put_varint(b, info->id);
	buf_put_varint(b, info->epoch);
	buf_put(b, info->incarnation.b, sizeof(info->incarnation.b));
	buf_put(b, info->directory.b, sizeof(info->directory.b));
	buf_put_uvarint(b, (uint64_t)info->listeners_n);
	for (int32_t i = 0; i < info->listeners_n; i++) {
		put_text(b, info->listeners[i].name);
		put_text(b, info->listeners[i].host);
		buf_put_varint(b, info->listeners[i].port);
		buf_put_varint(b, info->listeners[i].security);
	}
	put_text(b, info->peer_host);
	buf_put_varint(b, info->peer_port);
	put_text(b, info->rack);
	buf_put_varint(b, info->level_min);
	buf_put_varint(b, info->level_max);
	buf_put_u8(b, (uint8_t)(info->fenced | info->stopping << 1));
}

static void put_list(struct buf *b, const struct int32s *l)
{
	buf_put_uvarint(b, (uint64_t)l->n);
	for (int32_t i = 0; i < l->n; i++)
		buf_put_varint(b, l->v[i]);
}

static void put_partition(struct buf *b, const struct partition *p)
{
	put_list(b, &p->replicas);
	put_list(b, &p->isr);
	put_list(b, &p->elr);
	buf_put_varint(b, p->last_known_leader);
	buf_put_varint(b, p->leader);
	buf_put_varint(b, p->leader_epoch);
	buf_put_varint(b, p->partition_epoch);
}

static void put_topic(struct buf *b, const struct topic *t)
{
	put_text(b, t->name);
	buf_put(b, t->id.b, sizeof(t->id.b));
	put_settings(b, &t->settings);
	buf_put_uvarint(b, (uint64_t)t->partitions_n);
	for (int32_t i = 0; i < t->partitions_n; i++)
		put_partition(b, &t->partitions[i]);
}

void cluster_encode(const struct cluster *c, struct buf *out)
{
	buf_put_u8(out, FORMAT);
	buf_put(out, c->id.b, sizeof(c->id.b));
	buf_put_varint(out, c->level);
	buf_put_varint(out, c->applied);
	buf_put_varint(out, c->next_broker_epoch);
	buf_put_uvarint(out, map_count(&c->brokers));
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i))
		put_broker(out, i.value);
	put_settings(out, &c->settings);
	buf_put_uvarint(out, map_count(&c->broker_settings));
	for (struct map_iter i = map_first(&c->broker_settings); i.at;
	     map_next(&i)) {
		buf_put(out, i.key, i.key_n);
		put_settings(out, i.value);
	}
	buf_put_uvarint(out, map_count(&c->group_settings));
	for (struct map_iter i = map_first(&c->group_settings); i.at;
	     map_next(&i)) {
		buf_put_uvarint(out, i.key_n);
		buf_put(out, i.key, i.key_n);
		put_settings(out, i.value);
	}
	buf_put_uvarint(out, map_count(&c->topics));
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i))
		put_topic(out, i.value);
}

uint64_t cluster_hash(const struct cluster *c)
{
	struct buf b = { 0 };
	uint64_t h;

	cluster_encode(c, &b);
	h = hash64(b.p, b.n, 0);
	buf_fini(&b);
	return h;
}

/* ---- in ------------------------------------------------------------------ */

/* A count of things that take at least one byte each. */
static int32_t read_count(struct reader *r)
{
	uint64_t n = read_uvarint(r);

	if (n > reader_left(r) || n > INT32_MAX)
		r->bad = true;
	return r->bad ? 0 : (int32_t)n;
}

static int32_t read_int(struct reader *r)
{
	int64_t v = read_varint(r);

	if (v < INT32_MIN || v > INT32_MAX)
		r->bad = true;
	return (int32_t)v;
}

static struct str read_key(struct reader *r)
{
	int32_t n = read_count(r);
	const void *p = read_span(r, (size_t)n);

	return p ? (struct str){ p, n } : STR("");
}

static char *read_text(struct reader *r)
{
	uint64_t n = read_uvarint(r);
	const void *p;

	if (n == 0 || n > INT32_MAX)
		return NULL;
	p = read_span(r, (size_t)n - 1);
	return p ? str_heap((struct str){ p, (int32_t)n - 1 }) : NULL;
}

/* One that must be there. */
static char *need_text(struct reader *r)
{
	char *s = read_text(r);

	if (!s)
		r->bad = true;
	return s ? s : mem_strdup("");
}

static void read_uuid(struct reader *r, struct uuid *u)
{
	const void *p = read_span(r, sizeof(u->b));

	if (p)
		memcpy(u->b, p, sizeof(u->b));
}

static void read_settings(struct reader *r, struct map *m)
{
	int32_t n = read_count(r);

	while (n-- > 0 && !r->bad) {
		struct str name = read_key(r);
		char *value = need_text(r);

		mem_free(map_remove_str(m, name));
		map_put_str(m, name, value);
	}
}

static void read_listeners(struct reader *r, struct broker_info *b)
{
	b->listeners_n = read_count(r);
	b->listeners = mem_zalloc((size_t)b->listeners_n *
				  sizeof(*b->listeners));
	for (int32_t i = 0; i < b->listeners_n; i++) {
		b->listeners[i].name = need_text(r);
		b->listeners[i].host = need_text(r);
		b->listeners[i].port = read_int(r);
		b->listeners[i].security = (int16_t)read_int(r);
	}
	b->host = b->listeners_n > 0 ? b->listeners[0].host : NULL;
	b->port = b->listeners_n > 0 ? b->listeners[0].port : 0;
}

static void read_broker(struct reader *r, struct cluster *c)
{
	struct broker_info *b = mem_zalloc(sizeof(*b));
	uint8_t flags;

	b->id = read_int(r);
	b->epoch = read_varint(r);
	read_uuid(r, &b->incarnation);
	read_uuid(r, &b->directory);
	read_listeners(r, b);
	b->peer_host = need_text(r);
	b->peer_port = read_int(r);
	b->rack = read_text(r);
	b->level_min = read_int(r);
	b->level_max = read_int(r);
	flags = read_u8(r);
	b->fenced = flags & 1;
	b->stopping = flags & 2;
	if (r->bad || broker_of(c, b->id)) {
		r->bad = true;
		broker_free_info(b);
		return;
	}
	map_put_i64(&c->brokers, b->id, b);
}

static void read_list(struct reader *r, struct int32s *l)
{
	int32_t n = read_count(r);

	if (n == 0)
		return;
	l->v = mem_alloc((size_t)n * sizeof(*l->v));
	l->n = n;
	for (int32_t i = 0; i < n; i++)
		l->v[i] = read_int(r);
}

static void read_partition(struct reader *r, struct partition *p)
{
	read_list(r, &p->replicas);
	read_list(r, &p->isr);
	read_list(r, &p->elr);
	p->last_known_leader = read_int(r);
	p->leader = read_int(r);
	p->leader_epoch = read_int(r);
	p->partition_epoch = read_int(r);
	if (p->replicas.n == 0)
		r->bad = true;
}

static void read_topic(struct reader *r, struct cluster *c)
{
	char *name = need_text(r);
	struct uuid id = { { 0 } };
	struct map own = { 0 };
	struct topic *t;

	read_uuid(r, &id);
	read_settings(r, &own);
	t = topic_new(str_of(name), id, read_count(r));
	t->settings = own;
	for (int32_t i = 0; i < t->partitions_n && !r->bad; i++)
		read_partition(r, &t->partitions[i]);
	if (topic_name_fault(str_of(name)) || topic_of(c, str_of(name)) ||
	    topic_of_id(c, id))
		r->bad = true;
	mem_free(name);
	if (r->bad)
		topic_free(t);
	else
		topic_insert(c, t);
}

static void read_all(struct reader *r, struct cluster *c)
{
	if (read_u8(r) != FORMAT)
		r->bad = true;
	read_uuid(r, &c->id);
	c->level = read_int(r);
	c->applied = read_varint(r);
	c->next_broker_epoch = read_varint(r);
	for (int32_t n = read_count(r); n > 0 && !r->bad; n--)
		read_broker(r, c);
	read_settings(r, &c->settings);
	for (int32_t n = read_count(r); n > 0 && !r->bad; n--) {
		int32_t id = (int32_t)read_i64(r);

		read_settings(r, settings_of_broker(c, id));
	}
	for (int32_t n = read_count(r); n > 0 && !r->bad; n--) {
		struct str group = read_key(r);

		read_settings(r, settings_of_group(c, group));
	}
	for (int32_t n = read_count(r); n > 0 && !r->bad; n--)
		read_topic(r, c);
}

struct cluster *cluster_decode(struct bytes in)
{
	struct cluster *c = cluster_new();
	struct reader r = reader_of(in.p, (size_t)in.n);

	read_all(&r, c);
	if (r.bad || reader_left(&r) != 0) {
		cluster_free(c);
		return NULL;
	}
	if (c->level > CLUSTER_LEVEL_MAX)
		fatal("cluster: the state is of level %d, this program plays "
		      "up to %d", c->level, CLUSTER_LEVEL_MAX);
	return c;
}
