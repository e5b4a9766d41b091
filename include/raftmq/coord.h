/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coord: consumer groups, committed offsets, producer ids. The second half of
 * the replicated state, with the same law as cluster: coord_apply decides and
 * changes in one step, reads no clock, draws nothing, never fails. Lives on
 * the quorum thread only; the quorum leader is the coordinator of all groups.
 *
 * Joins, the leader's sync, leaves, commits and expiries are commands
 * (src/coord/command.schema). Heartbeats and the followers' syncs are not: they
 * change nothing but the leader's timers (session.c). Requests that must wait
 * (join, sync) are parked by the broker floor at the leader, which looks at the
 * group again after every apply that names it as changed.
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
	char *instance_id; /* NULL = dynamic (KIP-345) */
	char *client_id, *client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct member_protocol *protocols; /* in order of preference */
	int32_t protocols_n;
	uint8_t *assignment;
	int32_t assignment_n;
	bool awaiting_join; /* has (re)joined the rebalance under way */
};

struct group_offset {
	struct uuid topic_id;
	char *topic;
	int32_t partition;
	int32_t leader_epoch; /* -1 = not given (KIP-320) */
	int64_t offset;
	char *metadata; /* never NULL */
	int64_t commit_ms;
	int64_t expire_ms; /* given by the client; -1 = by retention */
};

struct group {
	char *id;
	enum group_state state;
	int32_t generation;
	char *protocol_type, *protocol; /* NULL = none */
	char *leader;                   /* member id, NULL = none */
	struct map members; /* id -> struct member *, in order of joining */
	struct map statics; /* instance id -> struct member * */
	struct map offsets; /* topic id, partition -> group_offset * */
	int64_t rebalance_serial; /* grows when a rebalance begins */
	int64_t state_since_ms;   /* command time of the last state change */
	bool initial_delay;       /* the first members gather (KIP-134) */
};

struct coord {
	struct map groups; /* id -> struct group * */
	int64_t next_producer_id;
	int64_t applied;
	int64_t members_n, offsets_n;
};

struct coord *coord_new(void);
void coord_free(struct coord *c);

struct coord_effects {
	struct arena *arena; /* set by the caller; all below lives in it */
	/* groups that changed, so that parked requests are looked at again */
	struct str *groups;
	int32_t groups_n;
	/* the answer to the proposer: a response struct of the Kafka schema or
	 * a result of command.schema, which names it beside each command */
	const struct wire_type *result_type;
	void *result;
	int16_t error;
};
/* Applies one encoded command. Malformed bytes abort: only coord_command
 * made them. */
void coord_apply(struct coord *c, const struct cluster *cluster, int64_t index,
		 struct bytes command, struct coord_effects *out);
/* Encodes a command for propose; type is one of the commands' types. */
void coord_command(struct buf *out, int64_t wall_ms,
		   const struct wire_type *type, const void *command);

void coord_encode(const struct coord *c, struct buf *out); /* snapshot */
struct coord *coord_decode(struct bytes in);               /* NULL: damaged */
uint64_t coord_hash(const struct coord *c); /* equal on every node */
void coord_dump(const struct coord *c, struct buf *out); /* text */

const struct group *coord_group(const struct coord *c, struct str id);
const struct member *group_member_of(const struct group *g, struct str id);
/* The member behind an instance id, or NULL. */
const struct member *group_static(const struct group *g, struct str instance);
const struct group_offset *group_offset_of(const struct group *g,
					   struct uuid topic_id,
					   int32_t partition);
const char *group_state_name(enum group_state s);
/* All members' rebalance time-outs: the longest. */
int32_t group_rebalance_timeout_ms(const struct group *g);
/* Everyone has joined the rebalance under way. */
bool group_all_joined(const struct group *g);
/* The chosen protocol's metadata of a member; null when it has none. */
struct bytes member_metadata(const struct member *m, const char *protocol);
/*
 * Who speaks for this group: K_NONE, K_UNKNOWN_MEMBER_ID,
 * K_FENCED_INSTANCE_ID or K_ILLEGAL_GENERATION. g may be NULL.
 */
enum kerr group_check_member(const struct group *g, struct str member_id,
			     struct str instance_id, int32_t generation);
/* Could who joins so be one of them? except: its own former self, or NULL. g
 * may be NULL: a new one. */
bool group_supports(const struct group *g, const struct group_join *j,
		    const struct member *except);
/* True when the members' subscriptions ("consumer" protocol) name the topic. */
bool group_subscribes(const struct group *g, struct str topic);

/* ---- sessions (session.c): quorum leader only ---------------------------- */

/*
 * Everything that silence decides: member sessions, ids handed out and not yet
 * used, the time to join and to sync, the initial delay, offset expiry. Speaks
 * by proposing.
 */
struct sessions;
struct sessions_config {
	const struct coord *coord;
	struct wheel *wheel;
	void *ctx;
	/* a command struct and its type, to be encoded with coord_command */
	void (*propose)(void *ctx, const struct wire_type *type,
			const void *command);
	/* a request of this member waits for an answer: it is alive */
	bool (*is_waiting)(void *ctx, struct str group, struct str member);
	int64_t initial_delay_ms;
	int64_t offsets_retention_ms, offsets_check_ms;
};
struct sessions *sessions_new(const struct sessions_config *c);
void sessions_free(struct sessions *s);
/* Became leader: every member gets a fresh session. coord may be another one
 * than before (restored). */
void sessions_start(struct sessions *s, const struct coord *coord,
		    int64_t now_ms);
void sessions_stop(struct sessions *s);
/* Heartbeat, join, sync or commit of a member: its session begins anew. */
void sessions_heard(struct sessions *s, struct str group, struct str member,
		    int64_t now_ms);
/* The member has sent its SyncGroup of this generation. */
void sessions_synced(struct sessions *s, struct str group, struct str member,
		     int64_t now_ms);
/* After each apply that named the group as changed. */
void sessions_changed(struct sessions *s, struct str group, int64_t now_ms);
/* KIP-394: ids handed out with MEMBER_ID_REQUIRED, until used or timed out. */
void sessions_pend(struct sessions *s, struct str group, struct str member,
		   int32_t timeout_ms, int64_t now_ms);
bool sessions_unpend(struct sessions *s, struct str group, struct str member);
int32_t sessions_pending(const struct sessions *s, struct str group);

#endif
