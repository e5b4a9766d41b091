/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coord: consumer groups, committed offsets, producer ids. The second half of
 * the replicated state, with the same law as cluster: coord_apply decides and
 * changes in one step, reads no clock, draws nothing, never fails. Lives on
 * the quorum thread only; the quorum leader is the coordinator of all groups.
 *
 * Joins, syncs, leaves, commits and expiries are commands
 * (src/coord/command.schema). Heartbeats are not: they only reset the
 * leader's timers (session.c). Requests that must wait (join, sync) are parked
 * by the broker floor at the leader, which looks at the group again after
 * every apply that says it changed.
 */
#ifndef RAFTMQ_COORD_H
#define RAFTMQ_COORD_H

#include <raftmq/base.h>
#include <raftmq/cluster.h>
#include <raftmq/wire.h>
#include <raftmq/gen/coord_command.h> /* from src/coord/command.schema */

enum group_state { /* classic protocol; names as Kafka prints them */
	GROUP_EMPTY,
	GROUP_PREPARING_REBALANCE,
	GROUP_COMPLETING_REBALANCE,
	GROUP_STABLE,
	GROUP_DEAD,
};

struct member_protocol {
	char *name;
	uint8_t *metadata;
	int32_t metadata_n;
};

struct member {
	char *id;
	char *instance_id; /* NULL = dynamic */
	char *client_id, *client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct member_protocol *protocols;
	int32_t protocols_n;
	uint8_t *assignment;
	int32_t assignment_n;
	int64_t join_serial;    /* of its latest join in this rebalance */
	bool awaiting_join;     /* has (re)joined the rebalance under way */
	bool awaiting_sync;
	bool pending; /* got an id (MEMBER_ID_REQUIRED), has not joined */
};

struct group {
	char *id;
	enum group_state state;
	int32_t generation;
	char *protocol_type, *protocol; /* NULL = none */
	char *leader;                   /* member id, NULL = none */
	struct map members;             /* id -> struct member * */
	struct map statics;             /* instance id -> struct member * */
	struct map offsets; /* topic id + partition -> struct group_offset * */
	int64_t rebalance_serial;  /* grows when a rebalance begins */
	int64_t state_since_ms;    /* command time of the last state change */
	int64_t empty_since_ms;    /* for offset expiry (KIP-211) */
	bool initial_delay;        /* waiting for the first members */
};

struct group_offset {
	struct uuid topic_id;
	char *topic;
	int32_t partition;
	int64_t offset;
	int32_t leader_epoch;
	char *metadata;
	int64_t commit_ms, expire_ms; /* expire_ms -1 = by retention */
};

struct coord {
	struct map groups; /* id -> struct group * */
	int64_t next_producer_id;
	int64_t applied;
	int64_t members_n, offsets_n;
};

struct coord *coord_new(void);
void coord_free(struct coord *c);

/* Groups that an apply touched, so that parked requests are looked at. */
struct coord_effects {
	struct arena *arena;
	struct str *groups; /* changed */
	int32_t groups_n;
	const struct wire_type *result_type; /* as cluster_effects */
	void *result;
	int16_t error;
};
void coord_apply(struct coord *c, const struct cluster *cluster, int64_t index,
		 struct bytes command, struct coord_effects *out);
void coord_command(struct buf *out, int64_t wall_ms, uint64_t seed,
		   const struct wire_type *type, const void *command);

void coord_encode(const struct coord *c, struct buf *out);
struct coord *coord_decode(struct bytes in);
uint64_t coord_hash(const struct coord *c);
void coord_dump(const struct coord *c, struct buf *out);

const struct group *coord_group(const struct coord *c, struct str id);
const struct member *group_member(const struct group *g, struct str id);
const struct group_offset *group_offset_of(const struct group *g,
					   struct uuid topic_id,
					   int32_t partition);
const char *group_state_name(enum group_state s);

/* ---- sessions (session.c): quorum leader only ---------------------------- */

/*
 * Member sessions, pending members, rebalance and sync deadlines, the initial
 * delay, offset expiry: everything that silence decides. Speaks by proposing.
 */
struct sessions;
struct sessions_config {
	const struct coord *coord;
	struct wheel *wheel;
	void *ctx;
	/* propose this command (already encoded with coord_command's types) */
	void (*propose)(void *ctx, const struct wire_type *type,
			const void *command);
	int64_t initial_delay_ms;
	int64_t offsets_retention_ms, offsets_check_ms;
};
struct sessions *sessions_new(const struct sessions_config *c);
void sessions_free(struct sessions *s);
void sessions_start(struct sessions *s, int64_t now_ms); /* became leader */
void sessions_stop(struct sessions *s);
/* Heartbeat, join, sync or commit of a member: its session begins anew. */
void sessions_heard(struct sessions *s, struct str group, struct str member,
		    int64_t now_ms);
/* After each apply that changed the group. */
void sessions_changed(struct sessions *s, struct str group, int64_t now_ms);

#endif
