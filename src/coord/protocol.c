/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The assignment protocols that members offer, and the one the group takes:
 * each member votes for its favourite among those that all of them know. The
 * metadata is the clients' own; only a "consumer" subscription is looked into,
 * to know which topics the group reads.
 */
#include "group_internal.h"

static void drop_protocols(struct member *m)
{
	for (int32_t i = 0; i < m->protocols_n; i++) {
		mem_free(m->protocols[i].name);
		mem_free(m->protocols[i].metadata);
	}
	mem_free(m->protocols);
	m->protocols = NULL;
	m->protocols_n = 0;
}

void member_set_protocols(struct member *m, const struct group_join *j)
{
	drop_protocols(m);
	if (j->protocols_n <= 0)
		return;
	m->protocols =
		mem_zalloc((size_t)j->protocols_n * sizeof(*m->protocols));
	m->protocols_n = j->protocols_n;
	for (int32_t i = 0; i < j->protocols_n; i++) {
		const struct group_join_protocol *from = &j->protocols[i];
		struct member_protocol *to = &m->protocols[i];

		to->name = str_heap(from->name);
		to->metadata_n = max_of(from->metadata.n, 0);
		if (to->metadata_n)
			to->metadata = mem_dup(from->metadata.p,
					       (size_t)to->metadata_n);
	}
}

/* Same protocols, same order, same metadata: nothing to rebalance for. */
bool member_matches(const struct member *m, const struct group_join *j)
{
	if (m->protocols_n != max_of(j->protocols_n, 0))
		return false;
	for (int32_t i = 0; i < m->protocols_n; i++) {
		const struct group_join_protocol *b = &j->protocols[i];
		const struct member_protocol *a = &m->protocols[i];

		if (!str_eq_c(b->name, a->name) ||
		    a->metadata_n != max_of(b->metadata.n, 0) ||
		    (a->metadata_n && memcmp(a->metadata, b->metadata.p,
					     (size_t)a->metadata_n) != 0))
			return false;
	}
	return true;
}

static bool knows(const struct member *m, struct str name)
{
	for (int32_t i = 0; i < m->protocols_n; i++)
		if (str_eq_c(name, m->protocols[i].name))
			return true;
	return false;
}

static bool all_know(const struct group *g, struct str name,
		     const struct member *except)
{
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i))
		if (i.value != except && !knows(i.value, name))
			return false;
	return true;
}

bool group_supports(const struct group *g, const struct group_join *j,
		    const struct member *except)
{
	size_t others = g ? map_count(&g->members) - (except ? 1 : 0) : 0;

	if (j->protocol_type.n <= 0 || j->protocols_n <= 0)
		return false;
	if (others == 0)
		return true;
	if (!g->protocol_type || !str_eq_c(j->protocol_type, g->protocol_type))
		return false;
	for (int32_t i = 0; i < j->protocols_n; i++)
		if (all_know(g, j->protocols[i].name, except))
			return true;
	return false;
}

/* The first of m's protocols that everyone knows. */
static const char *favourite(const struct group *g, const struct member *m)
{
	for (int32_t i = 0; i < m->protocols_n; i++)
		if (all_know(g, str_of(m->protocols[i].name), NULL))
			return m->protocols[i].name;
	return NULL;
}

const char *group_select_protocol(const struct group *g)
{
	const char *best = NULL;
	int most = 0;

	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const char *name = favourite(g, i.value);
		int votes = 0;

		if (!name || (best && strcmp(best, name) == 0))
			continue;
		for (struct map_iter k = map_first(&g->members); k.at;
		     map_next(&k)) {
			const char *other = favourite(g, k.value);

			votes += other && strcmp(other, name) == 0;
		}
		if (votes > most) {
			best = name;
			most = votes;
		}
	}
	return best;
}

struct bytes member_metadata(const struct member *m, const char *protocol)
{
	for (int32_t i = 0; protocol && i < m->protocols_n; i++)
		if (strcmp(m->protocols[i].name, protocol) == 0)
			return (struct bytes){ m->protocols[i].metadata,
					       m->protocols[i].metadata_n };
	return BYTES_NULL;
}

/* ConsumerProtocolSubscription: version, then the topics, in all versions. One
 * that cannot be read may name any topic. */
static bool names_topic(struct bytes metadata, struct str topic)
{
	struct reader r = reader_of(metadata.p, (size_t)max_of(metadata.n, 0));
	int32_t n;

	read_i16(&r);
	n = read_i32(&r);
	for (int32_t i = 0; i < n && !r.bad; i++) {
		int16_t length = read_i16(&r);
		const uint8_t *p;

		if (length < 0)
			return true;
		p = read_span(&r, (size_t)length);
		if (p && str_eq(topic, (struct str){ (const char *)p, length }))
			return true;
	}
	return r.bad || n < 0;
}

bool group_subscribes(const struct group *g, struct str topic)
{
	if (!g->protocol_type || strcmp(g->protocol_type, "consumer") != 0)
		return false;
	for (struct map_iter i = map_first(&g->members); i.at; map_next(&i)) {
		const struct member *m = i.value;
		const char *p = g->protocol;

		if (!p && m->protocols_n)
			p = m->protocols[0].name;
		if (names_topic(member_metadata(m, p), topic))
			return true;
	}
	return false;
}
