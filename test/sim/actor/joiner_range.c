/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joiner_range: the range assignor, as the leader of a group does it, and the
 * bytes of the consumer protocol (subscription and assignment, version 0).
 */
#include "joiner.h"

#include <stdlib.h>

static void put_text(struct buf *b, const char *text)
{
	buf_put_i16(b, (int16_t)strlen(text));
	buf_put(b, text, strlen(text));
}

void joiner_subscribe(const struct joiner *m, struct buf *out)
{
	const struct actors *a = m->a;
	int32_t n = 0;

	for (int i = 0; i < a->topics_n; i++)
		n += cast_is_open(&a->topics[i]);
	buf_put_i16(out, 0);
	buf_put_i32(out, n);
	for (int i = 0; i < a->topics_n; i++)
		if (cast_is_open(&a->topics[i]))
			put_text(out, a->topics[i].name);
	buf_put_i32(out, -1); /* no user data */
}

static int by_id(const void *a, const void *b)
{
	const struct join_group_response_member *x = a, *y = b;

	return str_cmp(x->member_id, y->member_id);
}

/* Of n partitions, those of the member that is number i of k. */
static void range(int n, int i, int k, int *first, int *count)
{
	int each = n / k, more = n % k;

	*first = each * i + min_of(i, more);
	*count = each + (i < more);
}

static void put_share(struct joiner *m, struct buf *b, int i, int k)
{
	const struct actors *a = m->a;
	int32_t topics = 0;
	size_t at;

	buf_put_i16(b, 0);
	at = b->n;
	buf_put_i32(b, 0);
	for (int t = 0; t < a->topics_n; t++) {
		int first, count;

		range(cast_is_open(&a->topics[t]) ? a->topics[t].partitions : 0,
		      i, k, &first, &count);
		if (!count)
			continue;
		topics++;
		put_text(b, a->topics[t].name);
		buf_put_i32(b, count);
		for (int p = first; p < first + count; p++)
			buf_put_i32(b, p);
	}
	put_be32(b->p + at, (uint32_t)topics);
	buf_put_i32(b, -1);
}

void joiner_assign(struct joiner *m, const struct join_group_response *r,
		   struct sync_group_request *out, struct arena *arena)
{
	struct join_group_response_member *v;
	int n = r->members_n;

	if (n < 1) {
		world_violation(m->a->w, "JoinGroup: a leader of nobody");
		return;
	}
	v = arena_dup(arena, r->members, sizeof(*v) * (size_t)n);
	qsort(v, (size_t)n, sizeof(*v), by_id);
	out->assignments = wire_new(&sync_group_request_assignment_type, n,
				    arena);
	out->assignments_n = n;
	for (int i = 0; i < n; i++) {
		struct buf b = { 0 };

		put_share(m, &b, i, n);
		out->assignments[i].member_id = str_dup(arena, v[i].member_id);
		out->assignments[i].assignment = (struct bytes){
			arena_dup(arena, b.p, b.n), (int32_t)b.n };
		buf_fini(&b);
	}
}

static bool read_topic(struct joiner *m, struct reader *r)
{
	int16_t n = read_i16(r);
	const uint8_t *name = read_span(r, n < 0 ? 0 : (size_t)n);
	int topic = name ? cast_topic_find(m->a, (struct str){
							 (const char *)name,
							 n }) :
			   -1;
	int32_t parts = read_i32(r);

	for (int32_t i = 0; i < parts && !r->bad; i++) {
		int32_t p = read_i32(r);

		if (r->bad || topic < 0 || p < 0 || p >= PARTITIONS_MAX)
			return false;
		if (m->owned_n < INTAKE_PARTS_MAX)
			m->owned[m->owned_n++] =
				(struct joiner_part){ topic, p };
	}
	return !r->bad;
}

/* Nothing at all: it came too late for the leader, and owns nothing. */
bool joiner_assigned(struct joiner *m, struct bytes b)
{
	struct reader r = reader_of(b.p, b.n < 0 ? 0 : (size_t)b.n);
	int32_t topics;

	m->owned_n = 0;
	if (b.n <= 0)
		return true;
	if (read_i16(&r) != 0)
		return false;
	topics = read_i32(&r);
	for (int32_t i = 0; i < topics; i++)
		if (!read_topic(m, &r))
			return false;
	return !r.bad;
}
