/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: see plan.h. Not a parser of files: conf.c collected the settings.
 */
#include <stdio.h>
#include <unistd.h>

#include "plan.h"

#define KAFKA_PORT 9092
#define HTTP_PORT 9644
#define PEER_PORT_OFFSET 10000
#define SHARDS_MAX 8

struct maker {
	struct plan *p;
	struct node_settings *s;
	struct arena *a;
	struct buf *faults, *warnings;
};

static const char *value(const struct maker *m, enum setting_id id)
{
	return m->s->values[id];
}

static bool is_default(const struct maker *m, enum setting_id id)
{
	return !strcmp(m->s->sources[id], "default");
}

static void fault(struct maker *m, enum setting_id id, const char *why)
{
	buf_printf(m->faults, "%s: %s: %s\n", m->s->sources[id],
		   settings[id].name, why);
}

/* The next word between commas, without blanks; false at the end. */
static bool next_word(const char **at, struct str *word)
{
	const char *p = *at, *end;

	p += strspn(p, ", \t");
	if (!*p)
		return false;
	end = p + strcspn(p, ",");
	*at = end;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*word = (struct str){ p, (int32_t)(end - p) };
	return true;
}

/* ---- peers --------------------------------------------------------------- */

static bool parse_peer(struct maker *m, struct str word,
		       struct quorum_peer *out)
{
	const char *at = memchr(word.p, '@', (size_t)word.n);
	struct endpoint e;
	struct buf b = { 0 };
	const char *why;
	int64_t id;
	struct str rest;

	if (!at || !str_to_i64((struct str){ word.p, (int32_t)(at - word.p) },
			       0, INT32_MAX, &id)) {
		fault(m, SETTING_PEERS,
		      arena_printf(m->a, "'%.*s' is not ID@HOST:PORT",
				   STR_ARG(word)));
		return false;
	}
	rest = (struct str){ at + 1, word.n - (int32_t)(at + 1 - word.p) };
	if (!endpoint_parse(rest, false, &e, m->a, &why)) {
		fault(m, SETTING_PEERS, why);
		return false;
	}
	if (endpoint_is_wildcard(e.host)) {
		fault(m, SETTING_PEERS,
		      arena_printf(m->a, "'%.*s': peers must be told where to "
					 "find each other, not every address",
				   STR_ARG(word)));
		endpoint_fini(&e);
		return false;
	}
	endpoint_print(&b, e.host, e.port);
	*out = (struct quorum_peer){ (int32_t)id, mem_strdup(buf_c(&b)) };
	buf_fini(&b);
	endpoint_fini(&e);
	return true;
}

/* One of those it clashes with is named; a list may have hundreds. */
static void check_twice(struct maker *m, const struct quorum_peer *q)
{
	for (int i = 0; i < m->p->peers_n; i++) {
		const struct quorum_peer *o = &m->p->peers[i];
		const char *why;

		if (o->id == q->id)
			why = arena_printf(m->a, "node %d is there twice",
					   (int)q->id);
		else if (!strcmp(o->address, q->address))
			why = arena_printf(m->a, "nodes %d and %d have the same"
						 " address %s", (int)o->id,
					   (int)q->id, q->address);
		else
			continue;
		fault(m, SETTING_PEERS, why);
		return;
	}
}

static void parse_peers(struct maker *m)
{
	const char *at = value(m, SETTING_PEERS);
	struct plan *p = m->p;
	struct str word;

	while (next_word(&at, &word)) {
		struct quorum_peer q;

		if (!parse_peer(m, word, &q))
			continue;
		check_twice(m, &q);
		p->peers = mem_realloc(p->peers, (size_t)(p->peers_n + 1) *
							 sizeof(q));
		p->peers[p->peers_n++] = q;
	}
	if (p->peers_n == 2)
		buf_printf(m->warnings, "peers: a cluster of two stops when "
					"either of them does; three survive "
					"one\n");
	else if (p->peers_n > 7)
		buf_printf(m->warnings, "peers: every one of the %d peers "
					"votes; three or five are enough, "
					"others may join\n", p->peers_n);
}

static const struct quorum_peer *own_peer(const struct plan *p)
{
	for (int i = 0; i < p->peers_n; i++)
		if (p->peers[i].id == p->id)
			return &p->peers[i];
	return NULL;
}

static char *ids_of(struct maker *m)
{
	struct buf b = { 0 };
	char *text;

	for (int i = 0; i < m->p->peers_n; i++)
		buf_printf(&b, "%s%d", i ? ", " : "", (int)m->p->peers[i].id);
	text = arena_printf(m->a, "%s", buf_c(&b));
	buf_fini(&b);
	return text;
}

static void check_member(struct maker *m)
{
	struct plan *p = m->p;

	if ((p->peers_n || p->join.host) && is_default(m, SETTING_NODE_ID))
		fault(m, SETTING_NODE_ID,
		      "a node of a cluster must say which one it is: "
		      "--node-id N, or node.id = N in the file");
	else if (p->peers_n && !own_peer(p) && !p->join.host)
		fault(m, SETTING_NODE_ID,
		      arena_printf(m->a, "node %d is not among peers (%s); a "
					 "node that comes later says --join "
					 "HOST:PORT instead of --peers",
				   (int)p->id, ids_of(m)));
	if (p->join.host && p->peers_n)
		fault(m, SETTING_JOIN,
		      "peers are the first members of a new cluster, join is "
		      "for a cluster that exists: give one of them");
}

/* ---- addresses ----------------------------------------------------------- */

/* How many peers before us live on our host, and how many do at all. */
static int rank_on_host(const struct plan *p, int *same)
{
	const struct quorum_peer *own = own_peer(p);
	const char *colon = own ? strrchr(own->address, ':') : NULL;
	size_t n = own ? (size_t)(colon - own->address) : 0;
	int rank = 0;

	*same = 0;
	for (int i = 0; own && i < p->peers_n; i++) {
		if (strncmp(p->peers[i].address, own->address, n + 1) != 0)
			continue;
		if (&p->peers[i] < own)
			rank++;
		++*same;
	}
	return rank;
}

static void preset(struct maker *m, enum setting_id id, const char *text)
{
	if (is_default(m, id))
		m->s->values[id] = text;
}

/* Defaults that depend on the peers: see invariant 2. */
static void derive(struct maker *m)
{
	struct plan *p = m->p;
	int same, rank = rank_on_host(p, &same);
	const char *host = p->peer_advertised.host;
	struct buf b = { 0 };

	if (!host || (p->join.host && is_default(m, SETTING_PEER_LISTEN)))
		return;
	if (endpoint_is_loopback(host))
		host = "127.0.0.1";
	endpoint_print(&b, host, KAFKA_PORT + rank);
	preset(m, SETTING_LISTENERS,
	       arena_printf(m->a, "PLAINTEXT://%s", buf_c(&b)));
	preset(m, SETTING_HTTP_LISTEN,
	       arena_printf(m->a, "127.0.0.1:%d", HTTP_PORT + rank));
	if (same > 1)
		preset(m, SETTING_LOG_DIRS,
		       arena_printf(m->a, "./raftmq-data-%d", (int)p->id));
	buf_fini(&b);
}

static void parse_optional(struct maker *m, enum setting_id id, bool port_zero,
			   struct endpoint *out)
{
	struct str text = str_of(value(m, id));
	const char *why;

	if (text.n == 0 || (id == SETTING_HTTP_LISTEN &&
			    str_eq_c(text, "none")))
		return;
	if (!endpoint_parse(text, port_zero, out, m->a, &why))
		fault(m, id, why);
}

/* Where other brokers are heard: peer.listen, else our line in peers. */
static void find_peer_listener(struct maker *m)
{
	struct plan *p = m->p;
	const struct quorum_peer *own = own_peer(p);
	const char *why;

	parse_optional(m, SETTING_PEER_LISTEN, false, &p->peer);
	if (own && !endpoint_parse(str_of(own->address), false,
				   &p->peer_advertised, m->a, &why))
		fault(m, SETTING_PEERS, why);
	if (own && !p->peer.host && p->peer_advertised.host)
		p->peer = (struct endpoint){
			mem_strdup(p->peer_advertised.host),
			p->peer_advertised.port };
}

/* A node that joins, or is alone, has no line in peers. */
static void advertise_peer(struct maker *m)
{
	struct plan *p = m->p;
	const struct plan_listener *l = &p->listeners[0];

	if (p->join.host && !p->peer.host)
		p->peer = (struct endpoint){
			mem_strdup(l->bind.host),
			l->bind.port < 55536 ? l->bind.port + PEER_PORT_OFFSET
					     : l->bind.port - PEER_PORT_OFFSET
		};
	if (!p->peer.host || p->peer_advertised.host)
		return;
	p->peer_advertised = (struct endpoint){
		mem_strdup(endpoint_is_wildcard(p->peer.host)
				   ? l->advertised.host : p->peer.host),
		p->peer.port };
}

/* ---- listeners ----------------------------------------------------------- */

static bool parse_listener(struct maker *m, enum setting_id id, struct str word,
			   struct str *name, struct endpoint *out)
{
	const char *sep = memmem(word.p, (size_t)word.n, "://", 3);
	struct str rest = word;
	const char *why;

	*name = STR("PLAINTEXT");
	if (sep) {
		*name = (struct str){ word.p, (int32_t)(sep - word.p) };
		rest = (struct str){ sep + 3, word.n - name->n - 3 };
	}
	if (str_eq_c(*name, "SSL") || str_has_prefix(*name, "SASL_")) {
		fault(m, id, arena_printf(m->a, "'%.*s': %.*s is not served, "
						"only PLAINTEXT is",
					  STR_ARG(word), STR_ARG(*name)));
		return false;
	}
	if (!endpoint_parse(rest, id == SETTING_LISTENERS, out, m->a, &why)) {
		fault(m, id, why);
		return false;
	}
	return true;
}

static void parse_listeners(struct maker *m)
{
	const char *at = value(m, SETTING_LISTENERS);
	struct plan *p = m->p;
	struct str word, name;

	while (next_word(&at, &word)) {
		struct plan_listener l = { 0 };

		if (!parse_listener(m, SETTING_LISTENERS, word, &name, &l.bind))
			continue;
		l.name = str_heap(name);
		p->listeners = mem_realloc(p->listeners,
					   (size_t)(p->listeners_n + 1) *
						   sizeof(l));
		p->listeners[p->listeners_n++] = l;
	}
	if (p->listeners_n == 0 && m->faults->n == 0)
		fault(m, SETTING_LISTENERS, "there must be at least one");
}

static struct plan_listener *named(struct plan *p, struct str name)
{
	for (int i = 0; i < p->listeners_n; i++)
		if (str_eq_c(name, p->listeners[i].name))
			return &p->listeners[i];
	return NULL;
}

static void parse_advertised(struct maker *m)
{
	const char *at = value(m, SETTING_ADVERTISED_LISTENERS);
	struct str word, name;

	while (next_word(&at, &word)) {
		struct endpoint e;
		struct plan_listener *l;

		if (!parse_listener(m, SETTING_ADVERTISED_LISTENERS, word,
				    &name, &e))
			continue;
		l = named(m->p, name);
		if (!l || endpoint_is_wildcard(e.host)) {
			fault(m, SETTING_ADVERTISED_LISTENERS,
			      arena_printf(m->a, l ? "'%.*s': a client cannot "
						     "connect to every address"
						   : "'%.*s': listeners has "
						     "none of that name",
					   STR_ARG(word)));
			endpoint_fini(&e);
			continue;
		}
		endpoint_fini(&l->advertised);
		l->advertised = e;
	}
}

static void advertise(struct maker *m, struct plan_listener *l)
{
	char host[256] = "broker1.example.com";

	if (l->advertised.host)
		return;
	if (!endpoint_is_wildcard(l->bind.host)) {
		l->advertised = (struct endpoint){ mem_strdup(l->bind.host),
						   l->bind.port };
		return;
	}
	gethostname(host, sizeof(host) - 1);
	buf_printf(m->faults,
		   "%s: %s: %s://%s:%d listens on every address, so clients "
		   "must be told which one to use. Write:\n"
		   "    listeners = %s://0.0.0.0:%d\n"
		   "    advertised.listeners = %s://%s:%d\n",
		   m->s->sources[SETTING_LISTENERS],
		   settings[SETTING_LISTENERS].name, l->name, l->bind.host,
		   (int)l->bind.port, l->name, (int)l->bind.port, l->name, host,
		   (int)l->bind.port);
}

/* ---- all of it ----------------------------------------------------------- */

static int count_shards(const struct maker *m)
{
	int64_t n = setting_number(value(m, SETTING_SHARDS));
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (n == 0)
		n = min_of(max_of(cores, 1), SHARDS_MAX);
	return (int)n;
}

bool plan_make(struct plan *p, struct node_settings *s, struct arena *a,
	       struct buf *faults, struct buf *warnings)
{
	struct maker m = { p, s, a, faults, warnings };
	size_t before = faults->n;

	*p = (struct plan){ 0 };
	p->id = (int32_t)setting_number(value(&m, SETTING_NODE_ID));
	p->shards = count_shards(&m);
	parse_peers(&m);
	parse_optional(&m, SETTING_JOIN, false, &p->join);
	check_member(&m);
	p->alone = p->peers_n == 0 && !p->join.host;
	find_peer_listener(&m);
	derive(&m);
	parse_optional(&m, SETTING_HTTP_LISTEN, true, &p->http);
	parse_listeners(&m);
	parse_advertised(&m);
	for (int i = 0; i < p->listeners_n; i++)
		advertise(&m, &p->listeners[i]);
	if (faults->n == before)
		advertise_peer(&m);
	return faults->n == before;
}

void plan_fini(struct plan *p)
{
	for (int i = 0; i < p->listeners_n; i++) {
		mem_free(p->listeners[i].name);
		endpoint_fini(&p->listeners[i].bind);
		endpoint_fini(&p->listeners[i].advertised);
	}
	for (int i = 0; i < p->peers_n; i++)
		mem_free(p->peers[i].address);
	mem_free(p->listeners);
	mem_free(p->peers);
	endpoint_fini(&p->peer);
	endpoint_fini(&p->peer_advertised);
	endpoint_fini(&p->join);
	endpoint_fini(&p->http);
	*p = (struct plan){ 0 };
}
