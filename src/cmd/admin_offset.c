/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_offset: offsets of many partitions, asked of their leaders in one
 * request each, and asked again where the leader has moved.
 */
#include "admin.h"

#define PENDING (-2) /* in place of an error: not answered yet */

static bool leads(const struct spot *s, int32_t node)
{
	return s->leader == node && s->error == PENDING;
}

/* Neighbours of one topic become one entry of the request. */
static void fill(struct list_offsets_request *rq, struct arena *arena,
		 const struct spot *v, int32_t n, int32_t node)
{
	struct list_offsets_request_topic *t = NULL;
	int32_t wanted = 0;

	for (int32_t i = 0; i < n; i++)
		wanted += leads(&v[i], node);
	rq->topics = wire_new(&list_offsets_request_topic_type, wanted, arena);
	rq->topics_n = 0;
	for (int32_t i = 0; i < n; i++) {
		struct list_offsets_request_partition *p;

		if (!leads(&v[i], node))
			continue;
		if (!t || !str_eq(t->name, v[i].topic)) {
			t = &rq->topics[rq->topics_n++];
			t->name = v[i].topic;
			t->partitions = wire_new(
				&list_offsets_request_partition_type, n - i,
				arena);
			t->partitions_n = 0;
		}
		p = &t->partitions[t->partitions_n++];
		p->partition_index = v[i].partition;
		p->timestamp = v[i].ask;
	}
}

static void take(const struct list_offsets_response *rs, struct spot *v,
		 int32_t n, int32_t node)
{
	int32_t at = 0;

	/* answers come in the order of the questions, mostly */
	for (int32_t t = 0; t < rs->topics_n; t++) {
		const struct list_offsets_response_topic *topic =
			&rs->topics[t];

		for (int32_t i = 0; i < topic->partitions_n; i++) {
			const struct list_offsets_response_partition *p =
				&topic->partitions[i];
			int32_t left = n;

			while (left-- > 0) {
				struct spot *s = &v[at++ % n];

				if (!leads(s, node) ||
				    s->partition != p->partition_index ||
				    !str_eq(s->topic, topic->name))
					continue;
				s->error = p->error_code;
				s->offset = p->offset;
				s->timestamp = p->timestamp;
				break;
			}
			at %= n;
		}
	}
}

static bool ask_node(struct admin *a, struct spot *v, int32_t n, int32_t node)
{
	struct list_offsets_request rq;
	struct list_offsets_response rs;

	wire_preset(&list_offsets_request_type, &rq);
	rq.replica_id = -1;
	fill(&rq, client_arena(a->client), v, n, node);
	if (!admin_call(a, CLIENT_NODE(node), 2, &rq, &rs))
		return false;
	take(&rs, v, n, node);
	return true;
}

/* Nobody waits for a leader that the metadata does not have; but one that has
 * moved is looked for. */
static void find_leaders(struct admin *a, struct spot *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		struct spot *s = &v[i];

		if (s->error != PENDING || s->leader >= 0)
			continue;
		if (s->leader == SPOT_LEADERLESS) {
			s->error = K_LEADER_NOT_AVAILABLE;
			continue;
		}
		if (client_leader(a->client, s->topic, s->partition,
				  &s->leader)) {
			s->error = client_kerr(a->client);
			if (!s->error)
				s->error = K_LEADER_NOT_AVAILABLE;
			s->leader = SPOT_LEADERLESS;
		}
	}
}

static bool moved(int16_t error)
{
	return error == K_NOT_LEADER_OR_FOLLOWER ||
	       error == K_FENCED_LEADER_EPOCH ||
	       error == K_UNKNOWN_LEADER_EPOCH ||
	       error == K_OFFSET_NOT_AVAILABLE;
}

bool admin_offsets(struct admin *a, struct spot *v, int32_t n)
{
	int64_t deadline = client_now_ms() + a->timeout_ms;

	for (int32_t i = 0; i < n; i++) {
		v[i].error = PENDING;
		v[i].offset = v[i].timestamp = -1;
	}
	for (;;) {
		bool again = false;

		find_leaders(a, v, n);
		for (int32_t i = 0; i < n; i++)
			if (v[i].error == PENDING &&
			    !ask_node(a, v, n, v[i].leader))
				return false;
		for (int32_t i = 0; i < n; i++)
			again |= moved(v[i].error);
		if (!again || client_now_ms() > deadline)
			return true;
		for (int32_t i = 0; i < n; i++)
			if (moved(v[i].error)) {
				v[i].error = PENDING;
				v[i].leader = SPOT_ANY;
			}
		client_forget(a->client);
		poll(NULL, 0, 100);
	}
}

struct spot *admin_spots(struct admin *a, const struct metadata_response *m,
			 int64_t ask, int32_t *n)
{
	struct spot *v;
	int32_t count = 0;

	for (int32_t i = 0; i < m->topics_n; i++)
		count += m->topics[i].partitions_n;
	v = arena_zalloc(client_arena(a->client),
			 sizeof(*v) * (size_t)max_of(count, 1));
	*n = 0;
	for (int32_t i = 0; i < m->topics_n; i++) {
		const struct metadata_response_topic *t = &m->topics[i];

		for (int32_t p = 0; !t->error_code && p < t->partitions_n; p++)
			v[(*n)++] = (struct spot){
				.topic = t->name,
				.partition = t->partitions[p].partition_index,
				.leader = t->partitions[p].leader_id,
				.ask = ask,
			};
	}
	return v;
}

bool admin_find_position(struct admin *a, const struct position *p,
			 struct spot *v, int32_t n)
{
	int64_t ask = p->kind == POSITION_START ? TIME_EARLIEST :
		      p->kind == POSITION_TIME ? p->value : TIME_LATEST;
	int64_t *end = arena_alloc(client_arena(a->client),
				   sizeof(*end) * (size_t)max_of(n, 1));

	for (int32_t i = 0; i < n; i++)
		v[i].ask = TIME_LATEST;
	if (!admin_offsets(a, v, n))
		return false;
	if (ask == TIME_LATEST)
		return true;
	for (int32_t i = 0; i < n; i++) {
		end[i] = v[i].offset;
		v[i].ask = ask;
	}
	if (!admin_offsets(a, v, n))
		return false;
	for (int32_t i = 0; i < n; i++)
		if (!v[i].error && v[i].offset < 0)
			v[i].offset = end[i];
	return true;
}

/* What one broker has of the partitions it leads; -1: it does not say. */
static int64_t led_bytes(struct admin *a,
			 const struct metadata_response_topic *t, int32_t node)
{
	struct describe_log_dirs_request rq;
	struct describe_log_dirs_response rs;
	struct describe_log_dirs_request_topic want;
	int64_t sum = 0;

	wire_preset(&describe_log_dirs_request_type, &rq);
	wire_preset(&describe_log_dirs_request_topic_type, &want);
	want.topic = t->name;
	want.partitions = arena_alloc(client_arena(a->client),
				      4 * (size_t)max_of(t->partitions_n, 1));
	want.partitions_n = 0;
	for (int32_t i = 0; i < t->partitions_n; i++)
		if (t->partitions[i].leader_id == node)
			want.partitions[want.partitions_n++] =
				t->partitions[i].partition_index;
	if (!want.partitions_n)
		return 0;
	rq.topics_n = 1;
	rq.topics = &want;
	if (client_call(a->client, CLIENT_NODE(node), 35, &rq, &rs))
		return -1;
	for (int32_t d = 0; d < rs.results_n; d++)
		for (int32_t k = 0; k < rs.results[d].topics_n; k++)
			for (int32_t p = 0;
			     p < rs.results[d].topics[k].partitions_n; p++)
				sum += rs.results[d].topics[k].partitions[p]
					       .partition_size;
	return sum;
}

int64_t admin_topic_bytes(struct admin *a,
			  const struct metadata_response_topic *t)
{
	const struct client_broker *b;
	int64_t sum = 0;
	int32_t n;

	if (client_serves(a->client, 35) != 1)
		return -1;
	b = client_brokers(a->client, &n);
	for (int32_t i = 0; i < n; i++) {
		int64_t more = led_bytes(a, t, b[i].id);

		if (more < 0)
			return -1;
		sum += more;
	}
	return sum;
}
