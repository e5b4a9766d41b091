/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joiner_offsets: where to begin (OffsetFetch), and how far it came
 * (OffsetCommit).
 */
#include "joiner.h"

struct offsets_wish { /* on its way: an operation for each partition */
	struct joiner *m;
	int32_t generation;
	int n;
	struct joiner_part parts[INTAKE_PARTS_MAX];
	uint32_t ops[INTAKE_PARTS_MAX];
	int64_t offsets[INTAKE_PARTS_MAX];
	bool told[INTAKE_PARTS_MAX];
};

static int key_of(const struct joiner *m, struct joiner_part o)
{
	return m->a->topics[o.topic].keys[o.partition];
}

static int wish_find(struct offsets_wish *x, int topic, int32_t partition)
{
	for (int i = 0; i < x->n; i++)
		if (x->parts[i].topic == topic &&
		    x->parts[i].partition == partition)
			return i;
	return -1;
}

static int topic_of(struct joiner *m, struct str name, struct uuid id,
		    bool by_id)
{
	return by_id ? caller_topic_of(&m->caller, id) :
		       cast_topic_find(m->a, name);
}

/* ---- OffsetFetch --------------------------------------------------------- */

static void fetched(struct offsets_wish *x, int i, enum history_outcome o,
		    int64_t offset)
{
	struct actors *a = x->m->a;

	history_fetched(a->h, x->ops[i], o, offset, world_now_us(a->w));
	x->offsets[i] = offset;
	x->told[i] = true;
}

static int16_t
fetched_topic(struct offsets_wish *x, int topic,
	      const struct offset_fetch_response_partition *v, int32_t n)
{
	int16_t code = K_NONE;

	for (int32_t k = 0; k < n; k++) {
		int i = wish_find(x, topic, v[k].partition_index);

		if (i < 0) {
			world_violation(x->m->a->w, "OffsetFetch: not asked");
			return K_NONE;
		}
		if (v[k].error_code)
			code = v[k].error_code;
		else
			fetched(x, i, HISTORY_OK, v[k].committed_offset);
	}
	return code;
}

static int16_t fetched_all(struct offsets_wish *x, const struct answer *a)
{
	struct joiner *m = x->m;
	const struct offset_fetch_response *r = a->body;
	const struct offset_fetch_response_group *g = r->groups;
	int16_t code = a->version >= 8 ? (r->groups_n ? g->error_code : -1) :
					 r->error_code;

	if (code)
		return code;
	for (int32_t i = 0; a->version < 8 && i < r->topics_n; i++) {
		int16_t e = fetched_topic(x,
					  cast_topic_find(m->a,
							  r->topics[i].name),
					  r->topics[i].partitions,
					  r->topics[i].partitions_n);
		code = e ? e : code;
	}
	for (int32_t i = 0; a->version >= 8 && i < g->topics_n; i++) {
		int16_t e = fetched_topic(
			x,
			topic_of(m, g->topics[i].name, g->topics[i].topic_id,
				 a->version >= 10),
			(const void *)g->topics[i].partitions,
			g->topics[i].partitions_n);
		code = e ? e : code;
	}
	return code;
}

static void begin_reading(struct offsets_wish *x)
{
	struct joiner *m = x->m;

	for (int i = 0; i < x->n; i++) {
		if (!x->told[i])
			continue;
		intake_add(&m->in, x->parts[i].topic, x->parts[i].partition,
			   x->offsets[i] >= 0 ? x->offsets[i] : SEEK_EARLIEST);
	}
	joiner_go(m, JOINER_STABLE, 1);
	if (cast_chance(m->a, 30))
		joiner_commit_late(m);
}

static bool is_all_told(const struct offsets_wish *x)
{
	for (int i = 0; i < x->n; i++)
		if (!x->told[i])
			return false;
	return true;
}

static void on_fetched(void *ctx, const struct answer *a)
{
	struct offsets_wish *x = ctx;
	struct joiner *m = x->m;
	int16_t code = a->body ? fetched_all(x, a) : K_NONE;

	m->busy = false;
	for (int i = 0; i < x->n; i++)
		if (!x->told[i])
			history_fetched(m->a->h, x->ops[i], HISTORY_INFO, -1,
					world_now_us(m->a->w));
	if (m->state == JOINER_OFFSETS && m->generation == x->generation) {
		if (a->body && !code && is_all_told(x))
			begin_reading(x);
		else if (a->body && code)
			joiner_erred(m, "OffsetFetch", code);
		else
			joiner_go(m, JOINER_OFFSETS, cast_backoff(m->a));
		if (!a->body)
			m->coordinator = 0;
	}
	mem_free(x);
}

/* From v10 on topics have no names in these requests. */
static bool has_ids(struct joiner *m)
{
	struct uuid id;

	for (int i = 0; i < m->owned_n; i++)
		if (!m->a->topics[m->owned[i].topic].deleted &&
		    !caller_topic_id(&m->caller, m->owned[i].topic, &id))
			return false;
	return true;
}

static struct offsets_wish *wish_owned(struct joiner *m)
{
	struct offsets_wish *x = mem_zalloc(sizeof(*x));

	x->m = m;
	x->generation = m->generation;
	for (int i = 0; i < m->owned_n; i++) {
		struct joiner_part o = m->owned[i];

		if (m->a->topics[o.topic].deleted)
			continue;
		x->parts[x->n] = o;
		x->ops[x->n++] = history_fetch(
			m->a->h, cast_process(m->actor, key_of(m, o)), m->group,
			key_of(m, o), world_now_us(m->a->w));
	}
	return x;
}

/* One entry a partition: topics may stand there twice. */
void joiner_fetch(struct joiner *m)
{
	struct offset_fetch_request rq;
	struct offset_fetch_request_group g;
	struct offset_fetch_request_topic t[INTAKE_PARTS_MAX];
	struct offset_fetch_request_group_topic gt[INTAKE_PARTS_MAX];
	int32_t index[INTAKE_PARTS_MAX];
	struct offsets_wish *x;

	if (m->caller.version[API_OFFSET_FETCH] >= 10 && !has_ids(m)) {
		caller_doubt(&m->caller);
		joiner_go(m, JOINER_OFFSETS, cast_backoff(m->a));
		return;
	}
	x = wish_owned(m);
	if (!x->n) {
		mem_free(x);
		joiner_go(m, JOINER_STABLE, 1);
		return;
	}
	wire_preset(&offset_fetch_request_type, &rq);
	wire_preset(&offset_fetch_request_group_type, &g);
	for (int i = 0; i < x->n; i++) {
		index[i] = x->parts[i].partition;
		t[i] = (struct offset_fetch_request_topic){
			.name = str_of(m->a->topics[x->parts[i].topic].name),
			.partition_indexes = &index[i],
			.partition_indexes_n = 1 };
		gt[i] = (struct offset_fetch_request_group_topic){
			.name = t[i].name,
			.partition_indexes = &index[i],
			.partition_indexes_n = 1 };
		caller_topic_id(&m->caller, x->parts[i].topic,
				&gt[i].topic_id);
	}
	g.group_id = rq.group_id = str_of(m->group_name);
	g.topics = gt;
	g.topics_n = rq.topics_n = x->n;
	rq.topics = t;
	rq.groups = &g;
	rq.groups_n = 1;
	m->busy = true;
	caller_ask(&m->caller,
		   &(struct caller_ask){
			   .node = m->coordinator ? m->coordinator :
						    caller_any(&m->caller),
			   .key = API_OFFSET_FETCH,
			   .body = &rq,
			   .then = on_fetched,
			   .ctx = x,
			   .drop = mem_free });
}

/* ---- OffsetCommit -------------------------------------------------------- */

static bool is_certain(int16_t code)
{
	return code == K_ILLEGAL_GENERATION || code == K_UNKNOWN_MEMBER_ID ||
	       code == K_FENCED_INSTANCE_ID ||
	       code == K_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t committed_all(struct offsets_wish *x, const struct answer *a)
{
	struct joiner *m = x->m;
	const struct offset_commit_response *r = a->body;
	int64_t now = world_now_us(m->a->w);
	int16_t code = K_NONE;

	for (int32_t i = 0; i < r->topics_n; i++) {
		int topic = topic_of(m, r->topics[i].name,
				     r->topics[i].topic_id, a->version >= 10);

		for (int32_t k = 0; k < r->topics[i].partitions_n; k++) {
			int16_t e = r->topics[i].partitions[k].error_code;
			int at = wish_find(
				x, topic,
				r->topics[i].partitions[k].partition_index);

			if (at < 0) {
				world_violation(m->a->w, "OffsetCommit: not "
							 "asked for");
				return K_NONE;
			}
			history_committed(m->a->h, x->ops[at],
					  !e		? HISTORY_OK :
					  is_certain(e) ? HISTORY_FAIL :
							  HISTORY_INFO,
					  now);
			m->a->n.commits_ok += !e;
			x->told[at] = true;
			code = e ? e : code;
		}
	}
	return code;
}

static void on_committed(void *ctx, const struct answer *a)
{
	struct offsets_wish *x = ctx;
	struct joiner *m = x->m;
	int16_t code = a->body ? committed_all(x, a) : K_NONE;

	m->committing = false;
	for (int i = 0; i < x->n; i++)
		if (!x->told[i])
			history_committed(m->a->h, x->ops[i], HISTORY_INFO,
					  world_now_us(m->a->w));
	if (m->state == JOINER_STABLE && m->generation == x->generation) {
		/* a deleted topic is no reason to leave a group */
		if (code == K_UNKNOWN_TOPIC_OR_PARTITION ||
		    code == K_UNKNOWN_TOPIC_ID)
			cast_count_error(m->a, code);
		else if (code && kerr_is_retriable(code) && !m->rejoins)
			m->state = JOINER_FIND;
		if (m->rejoins)
			joiner_go(m, JOINER_JOIN, 1);
		else if (code && code != K_UNKNOWN_TOPIC_OR_PARTITION &&
			 code != K_UNKNOWN_TOPIC_ID)
			joiner_erred(m, "OffsetCommit", code);
	} else if (m->state == JOINER_STABLE && m->rejoins) {
		joiner_go(m, JOINER_JOIN, 1); /* it had waited for this one */
	}
	mem_free(x);
}

static void wish_offset(struct offsets_wish *x, struct joiner_part o,
			int64_t offset)
{
	struct joiner *m = x->m;
	struct uuid id;

	if (m->a->topics[o.topic].deleted ||
	    (m->caller.version[API_OFFSET_COMMIT] >= 10 &&
	     !caller_topic_id(&m->caller, o.topic, &id)))
		return;
	x->parts[x->n] = o;
	x->offsets[x->n] = offset;
	x->ops[x->n++] = history_commit(
		m->a->h, world_now_us(m->a->w),
		&(struct history_commit){
			.process = cast_process(m->actor, key_of(m, o)),
			.group = m->group,
			.key = key_of(m, o),
			.offset = offset,
			.generation = x->generation });
}

static struct offsets_wish *wish_positions(struct joiner *m)
{
	struct offsets_wish *x = mem_zalloc(sizeof(*x));

	x->m = m;
	x->generation = m->generation;
	for (int i = 0; i < m->in.parts_n; i++) {
		const struct intake_part *p = m->in.parts[i];

		if (p->state == PART_READY)
			wish_offset(x, (struct joiner_part){ p->topic,
							     p->partition },
				    p->position);
	}
	return x;
}

static void commit(struct joiner *m, struct offsets_wish *x)
{
	struct offset_commit_request rq;
	struct offset_commit_request_topic t[INTAKE_PARTS_MAX];
	struct offset_commit_request_partition q[INTAKE_PARTS_MAX];

	wire_preset(&offset_commit_request_type, &rq);
	for (int i = 0; i < x->n; i++) {
		wire_preset(&offset_commit_request_topic_type, &t[i]);
		wire_preset(&offset_commit_request_partition_type, &q[i]);
		q[i].partition_index = x->parts[i].partition;
		q[i].committed_offset = x->offsets[i];
		q[i].committed_metadata = STR("");
		t[i].name = str_of(m->a->topics[x->parts[i].topic].name);
		caller_topic_id(&m->caller, x->parts[i].topic, &t[i].topic_id);
		t[i].partitions = &q[i];
		t[i].partitions_n = 1;
	}
	rq.group_id = str_of(m->group_name);
	rq.generation_id_or_member_epoch = x->generation;
	rq.member_id = str_of(m->id);
	rq.group_instance_id = joiner_instance(m);
	rq.topics = t;
	rq.topics_n = x->n;
	m->a->n.commits += x->n;
	m->committing = true;
	caller_ask(&m->caller,
		   &(struct caller_ask){
			   .node = m->coordinator ? m->coordinator :
						    caller_any(&m->caller),
			   .key = API_OFFSET_COMMIT,
			   .body = &rq,
			   .then = on_committed,
			   .ctx = x,
			   .drop = mem_free });
}

bool joiner_commit(struct joiner *m)
{
	struct offsets_wish *x = wish_positions(m);

	if (!x->n) {
		mem_free(x);
		return false;
	}
	commit(m, x);
	return true;
}

/* ---- a commit that comes late -------------------------------------------- */

/* It gives up what it owns: how far it had come there. */
void joiner_remember(struct joiner *m)
{
	struct joiner_past *past = &m->past;

	if (m->generation < 0 || !m->in.parts_n)
		return;
	past->n = 0;
	past->generation = m->generation;
	for (int i = 0; i < m->in.parts_n; i++) {
		const struct intake_part *p = m->in.parts[i];

		if (p->state != PART_READY)
			continue;
		past->parts[past->n] = (struct joiner_part){ p->topic,
							     p->partition };
		past->offsets[past->n++] = p->position;
	}
}

/* Real clients commit from several threads, and try again: one of an older
 * generation must not count (only others can tell whether it did). */
void joiner_commit_late(struct joiner *m)
{
	const struct joiner_past *past = &m->past;
	struct offsets_wish *x;

	if (!past->n || past->generation >= m->generation || m->committing)
		return;
	x = mem_zalloc(sizeof(*x));
	x->m = m;
	x->generation = past->generation;
	for (int i = 0; i < past->n; i++)
		wish_offset(x, past->parts[i], past->offsets[i]);
	if (x->n)
		commit(m, x);
	else
		mem_free(x);
}
