/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_dump: the state as text, the same for the same state. For people,
 * for tests and for comparing two nodes that should agree.
 *
 *	cluster id=ID level=1 applied=9 next_epoch=4
 *	set NAME=VALUE
 *	broker 1 epoch=3 active peer=HOST:PORT rack=a PLAINTEXT=HOST:PORT
 *	broker-set 1 NAME=VALUE
 *	group-set GROUP NAME=VALUE
 *	topic NAME id=ID
 *		set NAME=VALUE
 *		0 leader=1 epoch=0 version=0 replicas=1,2 isr=1 elr=2 last=-
 */
#include "state.h"

static void print_settings(struct buf *b, const char *before,
			   const struct map *m)
{
	for (struct map_iter i = map_first(m); i.at; map_next(&i))
		buf_printf(b, "%sset %.*s=%s\n", before, (int)i.key_n,
			   (const char *)i.key, (const char *)i.value);
}

static const char *state_name(const struct broker_info *b)
{
	if (b->stopping)
		return b->fenced ? "stopped" : "stopping";
	return b->fenced ? "fenced" : "active";
}

static void print_broker(struct buf *b, const struct broker_info *info)
{
	buf_printf(b, "broker %d epoch=%" PRId64 " %s peer=%s:%d", info->id,
		   info->epoch, state_name(info), info->peer_host,
		   info->peer_port);
	if (info->rack)
		buf_printf(b, " rack=%s", info->rack);
	for (int32_t i = 0; i < info->listeners_n; i++)
		buf_printf(b, " %s=%s:%d", info->listeners[i].name,
			   info->listeners[i].host, info->listeners[i].port);
	buf_printf(b, "\n");
}

static void print_list(struct buf *b, const char *name, const struct int32s *l)
{
	buf_printf(b, " %s=%s", name, l->n ? "" : "-");
	for (int32_t i = 0; i < l->n; i++)
		buf_printf(b, i ? ",%d" : "%d", l->v[i]);
}

static void print_partition(struct buf *b, const struct partition *p)
{
	buf_printf(b, "\t%d leader=%d epoch=%d version=%d", p->index,
		   p->leader, p->leader_epoch, p->partition_epoch);
	print_list(b, "replicas", &p->replicas);
	print_list(b, "isr", &p->isr);
	print_list(b, "elr", &p->elr);
	if (p->last_known_leader < 0)
		buf_printf(b, " last=-\n");
	else
		buf_printf(b, " last=%d\n", p->last_known_leader);
}

static void print_topic(struct buf *b, const struct topic *t)
{
	char id[UUID_TEXT_MAX];

	uuid_text(t->id, id);
	buf_printf(b, "topic %s id=%s%s\n", t->name, id,
		   t->internal ? " internal" : "");
	print_settings(b, "\t", &t->settings);
	for (int32_t i = 0; i < t->partitions_n; i++)
		print_partition(b, &t->partitions[i]);
}

static void print_owned(struct buf *b, const struct cluster *c)
{
	for (struct map_iter i = map_first(&c->broker_settings); i.at;
	     map_next(&i))
		for (struct map_iter k = map_first(i.value); k.at;
		     map_next(&k))
			buf_printf(b, "broker-set %" PRId64 " %.*s=%s\n",
				   (int64_t)get_be64(i.key), (int)k.key_n,
				   (const char *)k.key, (const char *)k.value);
	for (struct map_iter i = map_first(&c->group_settings); i.at;
	     map_next(&i))
		for (struct map_iter k = map_first(i.value); k.at;
		     map_next(&k))
			buf_printf(b, "group-set %.*s %.*s=%s\n", (int)i.key_n,
				   (const char *)i.key, (int)k.key_n,
				   (const char *)k.key, (const char *)k.value);
}

void cluster_dump(const struct cluster *c, struct buf *out)
{
	char id[UUID_TEXT_MAX];

	uuid_text(c->id, id);
	buf_printf(out, "cluster id=%s level=%d applied=%" PRId64
		   " next_epoch=%" PRId64 "\n", id, c->level, c->applied,
		   c->next_broker_epoch);
	print_settings(out, "", &c->settings);
	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i))
		print_broker(out, i.value);
	print_owned(out, c);
	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i))
		print_topic(out, i.value);
}
