/* SPDX-License-Identifier: Apache-2.0 */
/* club: see club.h */
#include "club.h"

enum { PROTOCOLS_MAX = 8 };

/* version 0, one topic, "t", no user data */
static const uint8_t subscription[] = { 0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff,
					0xff, 0xff };

struct consumer consumer_new(void)
{
	return (struct consumer){
		.group = "g", .member = "", .type = "consumer",
		.protocols = "range:x", .session_ms = 10000,
		.rebalance_ms = 60000, .generation = -1,
		.join = 9, .sync = 5, .heartbeat = 4, .leave = 5,
	};
}

struct consumer consumer_static(const char *instance)
{
	struct consumer k = consumer_new();

	k.instance = instance;
	return k;
}

struct consumer consumer_reader(void)
{
	struct consumer k = consumer_new();

	k.protocols = "range:";
	k.metadata = (struct bytes){ subscription, sizeof(subscription) };
	return k;
}

static struct bytes bytes_of(struct str s)
{
	return (struct bytes){ (const uint8_t *)s.p, s.n };
}

/* The next "name<mark>value" of a list with spaces between. */
static bool next_pair(const char **at, char mark, struct str *name,
		      struct str *value)
{
	const char *is;

	while (**at == ' ')
		++*at;
	if (!**at)
		return false;
	is = strchr(*at, mark);
	ck_assert_ptr_nonnull(is);
	*name = (struct str){ *at, (int32_t)(is - *at) };
	*value = (struct str){ is + 1, (int32_t)strcspn(is + 1, " ") };
	*at = value->p + value->n;
	return true;
}

/* ---- requests ------------------------------------------------------------ */

void club_send_join(struct council *c, int32_t node, struct consumer *k)
{
	struct join_group_request_protocol protocols[PROTOCOLS_MAX];
	struct join_group_request in;
	const char *at = k->protocols;
	struct str name, metadata;

	wire_preset(&join_group_request_type, &in);
	in.group_id = str_of(k->group);
	in.session_timeout_ms = k->session_ms;
	in.rebalance_timeout_ms = k->rebalance_ms;
	in.member_id = str_of(k->member);
	in.group_instance_id = str_of(k->instance);
	in.protocol_type = str_of(k->type);
	in.protocols = protocols;
	while (next_pair(&at, ':', &name, &metadata)) {
		ck_assert_int_lt(in.protocols_n, PROTOCOLS_MAX);
		protocols[in.protocols_n++] =
			(struct join_group_request_protocol){
				name, k->metadata.p ? k->metadata
						    : bytes_of(metadata) };
	}
	k->call = council_send(c, node, JOIN, k->join, &in);
}

void club_send_sync(struct council *c, int32_t node, struct consumer *k,
		    const char *assignment)
{
	struct sync_group_request_assignment v[PROTOCOLS_MAX];
	struct sync_group_request in;
	struct str member, text;

	wire_preset(&sync_group_request_type, &in);
	in.group_id = str_of(k->group);
	in.generation_id = k->generation;
	in.member_id = str_of(k->member);
	in.group_instance_id = str_of(k->instance);
	in.protocol_type = str_of(k->type);
	in.protocol_name = (struct str){
		k->protocols, (int32_t)strcspn(k->protocols, ":") };
	in.assignments = v;
	while (next_pair(&assignment, '=', &member, &text)) {
		ck_assert_int_lt(in.assignments_n, PROTOCOLS_MAX);
		v[in.assignments_n++] = (struct sync_group_request_assignment){
			member, bytes_of(text) };
	}
	k->call = council_send(c, node, SYNC, k->sync, &in);
}

int16_t club_heartbeat(struct council *c, int32_t node,
		       const struct consumer *k)
{
	struct heartbeat_request in;
	struct council_call *call;

	wire_preset(&heartbeat_request_type, &in);
	in.group_id = str_of(k->group);
	in.generation_id = k->generation;
	in.member_id = str_of(k->member);
	in.group_instance_id = str_of(k->instance);
	call = council_send(c, node, HEARTBEAT, k->heartbeat, &in);
	council_pass(c, 1);
	ck_assert(call->done);
	return ((const struct heartbeat_response *)call->out)->error_code;
}

int16_t club_leave(struct council *c, int32_t node, const struct consumer *k)
{
	struct leave_group_request_member m = {
		str_of(k->member), str_of(k->instance), STR_NULL };
	struct leave_group_request in;
	const struct leave_group_response *out;

	wire_preset(&leave_group_request_type, &in);
	in.group_id = str_of(k->group);
	if (k->leave < 3) {
		in.member_id = m.member_id;
	} else {
		in.members_n = 1;
		in.members = &m;
	}
	out = council_ask(c, node, LEAVE, k->leave, &in);
	if (k->leave < 3 || out->error_code)
		return out->error_code;
	ck_assert_int_eq(out->members_n, 1);
	ck_assert(str_eq(out->members[0].member_id, m.member_id));
	return out->members[0].error_code;
}

/* ---- answers ------------------------------------------------------------- */

const struct join_group_response *club_joined(struct council *c,
					      struct consumer *k)
{
	const struct join_group_response *out = k->call->out;

	ck_assert_int_eq(k->call->key, JOIN);
	ck_assert(k->call->done);
	ck_assert_ptr_nonnull(out);
	if (!out->error_code || out->error_code == K_MEMBER_ID_REQUIRED)
		k->member = str_c(&c->arena, out->member_id);
	if (!out->error_code)
		k->generation = out->generation_id;
	return out;
}

int16_t club_join_error(struct council *c, struct consumer *k)
{
	return club_joined(c, k)->error_code;
}

int16_t club_sync_error(const struct consumer *k)
{
	ck_assert_int_eq(k->call->key, SYNC);
	ck_assert(k->call->done);
	return ((const struct sync_group_response *)k->call->out)->error_code;
}

const char *club_assigned(struct council *c, struct consumer *k)
{
	const struct sync_group_response *out = k->call->out;

	ck_assert_int_eq(club_sync_error(k), K_NONE);
	return str_c(&c->arena, (struct str){ (const char *)out->assignment.p,
					      out->assignment.n });
}

int16_t club_join(struct council *c, int32_t node, struct consumer *k)
{
	club_send_join(c, node, k);
	council_pass(c, 300);
	return club_join_error(c, k);
}

int16_t club_sync(struct council *c, int32_t node, struct consumer *k,
		  const char *assignment)
{
	club_send_sync(c, node, k, assignment);
	council_pass(c, 1);
	return club_sync_error(k);
}

/* ---- together ------------------------------------------------------------ */

void club_enter(struct council *c, int32_t node, struct consumer *k)
{
	club_send_join(c, node, k);
	if (k->join < 4 || k->instance || k->member[0])
		return;
	council_pass(c, 1);
	ck_assert_int_eq(club_join_error(c, k), K_MEMBER_ID_REQUIRED);
	club_send_join(c, node, k);
}

void club_admit(struct council *c, int32_t node, struct consumer *k)
{
	club_enter(c, node, k);
	council_pass(c, 300);
	ck_assert_int_eq(club_join_error(c, k), K_NONE);
}

void club_gather(struct council *c, int32_t node, struct consumer *v, int n)
{
	struct buf b = { 0 };

	for (int i = 0; i < n; i++) {
		club_enter(c, node, &v[i]);
		council_pass(c, 1);
	}
	council_pass(c, 300);
	for (int i = 0; i < n; i++) {
		const struct join_group_response *out = club_joined(c, &v[i]);

		ck_assert_int_eq(out->error_code, K_NONE);
		ck_assert(str_eq_c(out->leader, v[0].member));
		buf_printf(&b, "%s=part-%d ", v[i].member, i);
	}
	for (int i = n; i-- > 0;)
		club_send_sync(c, node, &v[i], i ? "" : buf_c(&b));
	council_pass(c, 1);
	for (int i = 0; i < n; i++)
		ck_assert_str_eq(club_assigned(c, &v[i]),
				 arena_printf(&c->arena, "part-%d", i));
	buf_fini(&b);
}

void club_found(struct council *c, struct consumer *v, int n)
{
	council_init(c, 1, NULL);
	council_begin(c);
	for (int i = 0; i < n; i++)
		v[i] = consumer_new();
	club_gather(c, 1, v, n);
}

void club_beat(struct council *c, int32_t node, struct consumer *v, int n,
	       int64_t ms)
{
	for (; ms > 0; ms -= 2000) {
		council_pass(c, min_of(ms, 2000));
		for (int i = 0; i < n; i++)
			ck_assert_int_eq(club_heartbeat(c, node, &v[i]),
					 K_NONE);
	}
}

const struct group *club_group(struct council *c, int32_t node,
			       const char *name)
{
	return coord_group(node_of(c, node)->coord, str_of(name));
}
