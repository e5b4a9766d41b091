/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster: the agreed facts. Brokers, topics, partitions, settings.
 *
 * A deterministic state machine: cluster_apply decides and changes in one
 * step. It never fails, never reads a clock (the command carries time), never
 * draws entropy (the command carries a seed), never walks in address order.
 * Every node applies the same commands in the same order and holds the same
 * state; so do the copies on each shard. Commands are intents (create this
 * topic; this broker is silent; these replicas are in sync) and stand in
 * src/cluster/command.schema.
 */
#ifndef RAFTMQ_CLUSTER_H
#define RAFTMQ_CLUSTER_H

#include <raftmq/base.h>
#include <raftmq/wire.h>
#include <raftmq/gen/cluster_command.h> /* from src/cluster/command.schema */

struct broker_listener { /* where clients are told to connect to */
	char *name; /* "PLAINTEXT" */
	char *host;
	int32_t port;
	int16_t security; /* Kafka's number: 0 PLAINTEXT, 1 SSL, .. */
};
/*
 * One registered broker. The first members are known from the bootstrap on,
 * before they register: fenced, with epoch -1 and no listeners.
 */
struct broker_info {
	int32_t id;
	int64_t epoch; /* of this registration; grows at each (KIP-500) */
	struct uuid incarnation; /* of the process */
	struct uuid directory;   /* of its data; another one: data are lost */
	struct broker_listener *listeners; /* n >= 1 once registered */
	int32_t listeners_n;
	const char *host; /* of listeners[0]; NULL before it registers */
	int32_t port;
	char *peer_host; /* peer listener */
	int32_t peer_port;
	char *rack; /* NULL = none */
	int32_t level_min, level_max; /* behaviour versions it can play */
	bool fenced;
	bool stopping; /* controlled shutdown: leads nothing new */
};

struct int32s { /* a small owned list of node ids */
	int32_t *v;
	int32_t n;
};

struct partition {
	int32_t index;
	struct topic *topic;
	struct int32s replicas, isr;
	struct int32s elr; /* eligible leader replicas, not in isr (KIP-966) */
	int32_t last_known_leader; /* who led when the ISR ran empty; -1 */
	int32_t leader; /* -1 = none */
	int32_t leader_epoch;
	int32_t partition_epoch; /* grows at every change (KIP-497) */
};

struct topic {
	char *name;
	struct uuid id;
	struct partition *partitions; /* by index */
	int32_t partitions_n;
	struct map settings; /* name -> char * (owned), explicitly set */
	bool internal;
};

struct cluster {
	struct uuid id;     /* zero until bootstrapped */
	int32_t level;      /* behaviour version; 0 until bootstrapped */
	int64_t applied;    /* index of the last command */
	int64_t next_broker_epoch;
	struct map brokers;        /* int32 id as i64 -> struct broker_info * */
	struct map topics;         /* name -> struct topic * */
	struct map topics_by_id;   /* 16 bytes -> struct topic * */
	struct map flat_names;     /* names with . as _ -> struct topic * */
	struct map settings;       /* cluster-wide dynamic: name -> char * */
	struct map broker_settings; /* id -> struct map * of name -> char * */
	struct map group_settings; /* group -> struct map *, the same */
	int64_t partitions_n;
};

/* The behaviour versions that this program can play (src/cluster/level.c). */
/* A registration's previous epoch: its disk's own records are gone. */
#define BROKER_EPOCH_BLIND (-2)
enum { CLUSTER_LEVEL_MIN = 1, CLUSTER_LEVEL_MAX = 1 };

struct cluster *cluster_new(void);
void cluster_free(struct cluster *c);

/* What one command changed: what others must react to. Arena memory. */
enum cluster_change_kind {
	CLUSTER_TOPIC_CREATED,
	CLUSTER_TOPIC_DELETED, /* topic is gone: name and id are copies */
	CLUSTER_PARTITION_CHANGED,
	CLUSTER_TOPIC_CONFIGURED,
	CLUSTER_SETTINGS_CHANGED,
	CLUSTER_BROKER_CHANGED,
	CLUSTER_GROUP_CONFIGURED,
	CLUSTER_BOOTSTRAPPED,
};
struct cluster_change {
	enum cluster_change_kind kind;
	struct str topic;
	struct uuid topic_id;
	int32_t partition; /* of PARTITION_CHANGED */
	int32_t broker;    /* of BROKER_CHANGED; SETTINGS_CHANGED, -1 all */
	struct str group;  /* of GROUP_CONFIGURED */
};
struct cluster_effects {
	struct arena *arena;
	struct cluster_change *changes;
	int32_t changes_n;
	/*
	 * The answer to whoever proposed: a response struct from the Kafka
	 * schema where an API exists (struct create_topics_response, ...), as
	 * command.schema says beside each command; else NULL and error tells.
	 */
	const struct wire_type *result_type;
	void *result;
	int16_t error;
};
/* Applies one encoded command; out->arena is the caller's, the rest is set.
 * Malformed bytes abort: only cluster_command made them. */
void cluster_apply(struct cluster *c, int64_t index, struct bytes command,
		   struct cluster_effects *out);
/* What a command brings along because apply must not look for it. */
struct cluster_origin {
	int64_t wall_ms; /* the proposer's clock */
	uint64_t seed;   /* whatever is drawn in apply is drawn from it */
};
/* Encodes a command for propose; type is one of the command structs. */
void cluster_command(struct buf *out, const struct cluster *c,
		     struct cluster_origin origin,
		     const struct wire_type *type, const void *command);
/* What a command would answer, without doing it (validateOnly). */
void cluster_preview(const struct cluster *c, struct cluster_origin origin,
		     const struct wire_type *type, const void *command,
		     struct cluster_effects *out);

void cluster_encode(const struct cluster *c, struct buf *out); /* snapshot */
struct cluster *cluster_decode(struct bytes in); /* NULL: damaged */
uint64_t cluster_hash(const struct cluster *c);  /* equal on every node */
void cluster_dump(const struct cluster *c, struct buf *out); /* text */

const struct broker_info *cluster_broker(const struct cluster *c, int32_t id);
const struct topic *cluster_topic(const struct cluster *c, struct str name);
const struct topic *cluster_topic_by_id(const struct cluster *c,
					struct uuid id);
const struct partition *cluster_partition(const struct cluster *c,
					  struct str topic, int32_t index);
bool int32s_has(const struct int32s *l, int32_t v);
/* The listener of that name, else the first; NULL before it registered. */
const struct broker_listener *broker_listener(const struct broker_info *b,
					      struct str name);
/* Registered, not fenced, not stopping: may lead and may be in the ISR. */
bool cluster_broker_active(const struct cluster *c, int32_t id);
/* Its registration's epoch while it is active, else -1 (KIP-903). */
int64_t cluster_broker_epoch(const struct cluster *c, int32_t id);
/* The effective min.insync.replicas of a partition with so many replicas. */
int32_t cluster_min_isr(const struct cluster *c, const struct topic *t,
			int32_t replicas_n);
/* default.replication.factor as a number: -1 is min(3, brokers known). */
int32_t cluster_default_replicas(const struct cluster *c, int64_t setting);

/* Why a topic name is refused, or NULL when it is fine (249, charset, ..). */
const char *topic_name_fault(struct str name);

/* ---- settings (setting.c, from tbl/config.def) --------------------------- */

enum setting_type {
	SETTING_BOOL, SETTING_INT, SETTING_LONG, SETTING_DOUBLE,
	SETTING_STRING, SETTING_LIST,
	SETTING_ENUM, /* one of the words in choices */
	SETTING_ENUM_LIST,
};
enum setting_scope {
	SETTING_NODE = 1,    /* file, environment, flag; read at start */
	SETTING_CLUSTER = 2, /* may also be changed at run time, for all */
	SETTING_BROKER = 4,  /* may also be changed at run time, per broker */
	SETTING_TOPIC = 8,   /* may be set per topic */
	SETTING_GROUP = 16,  /* may be set per group */
	SETTING_AGREED = 32, /* apply acts on it: NODE only at bootstrap */
};
struct setting {
	const char *name;    /* Kafka's own where the meaning is the same */
	int32_t name_n;
	enum setting_type type;
	const char *preset;  /* default as text; "": unset, or broker_name's */
	int64_t min, max;    /* of numbers; lengths of strings */
	const char *choices; /* "a|b|c" or NULL */
	int scope;           /* enum setting_scope bits */
	const char *broker_name; /* of a topic setting: its broker default */
	const char *doc;     /* one sentence */
};
enum setting_id {
#define CONFIG(id, name, type, preset, min, max, choices, scope, broker, doc)  \
	SETTING_##id,
#include <raftmq/tbl/config.def>
#undef CONFIG
	SETTING_COUNT,
};
extern const struct setting settings[SETTING_COUNT];
const struct setting *setting_find(struct str name);
const char *setting_nearest(struct str name, int scope); /* did you mean */
/* NULL when fine, else why not (in the arena). */
const char *setting_fault(const struct setting *s, struct str value,
			  struct arena *a);
/* Why name=value may not be set in that scope, or NULL; names the nearest. */
const char *setting_refusal(struct str name, struct str value, int scope,
			    struct arena *a);
static inline enum setting_id setting_id_of(const struct setting *s)
{
	return (enum setting_id)(s - settings);
}
/* Kafka's other names and units ("log.retention.hours"); NULL: none. */
struct setting_alias {
	const char *name;
	enum setting_id id;
	int64_t factor; /* a number in the setting's unit is this times it */
	int rank;       /* lower wins; the setting's own name beats all */
};
const struct setting_alias *setting_alias_find(struct str name);
/* A key of Kafka's that means nothing here: why, or NULL. */
const char *setting_ignored(struct str name);

/*
 * The node's static settings (from conf.c): values[id] is never NULL.
 * sources[id]: where it came from, for --print-config and DescribeConfigs.
 */
struct node_settings {
	const char *values[SETTING_COUNT];
	const char *sources[SETTING_COUNT]; /* "default", "flag", "file:12" */
};
void node_settings_preset(struct node_settings *n); /* all at their default */
/*
 * Resolution: topic -> per broker -> cluster-wide -> node -> default; AGREED
 * settings: topic -> cluster-wide -> default. n may be NULL. The value is a
 * loan until the next apply; never NULL, "" = unset.
 */
const char *setting_of_topic(const struct cluster *c,
			     const struct node_settings *n,
			     const struct topic *t, enum setting_id id);
const char *setting_of_broker(const struct cluster *c,
			      const struct node_settings *n, int32_t broker,
			      enum setting_id id);
const char *setting_of_group(const struct cluster *c,
			     const struct node_settings *n, struct str group,
			     enum setting_id id);
int64_t setting_number(const char *value); /* of a value that was checked */
bool setting_bool(const char *value);
double setting_double(const char *value);
bool setting_list_has(const char *list, const char *word); /* "a, b" has b */

/* All places a value comes from, the one that counts first: DescribeConfigs.
 * The sources are Kafka's numbers. */
enum setting_source {
	SOURCE_TOPIC = 1, SOURCE_BROKER = 2, SOURCE_CLUSTER = 3,
	SOURCE_NODE = 4, SOURCE_DEFAULT = 5, SOURCE_GROUP = 8,
};
struct setting_place {
	enum setting_source source;
	const char *name; /* under which it stands there */
	const char *value;
};
enum { SETTING_PLACES_MAX = 5 };
/* Whose value it is. An all-zero view but for c and group = STR_NULL and
 * broker = -1 is the cluster's own. */
struct setting_view {
	const struct cluster *c;
	const struct node_settings *node; /* or NULL */
	int32_t broker;            /* whose dynamic settings count; -1 none */
	const struct topic *topic; /* of SETTING_TOPIC, or NULL */
	struct str group;          /* of SETTING_GROUP, or null */
};
int setting_places(const struct setting_view *v, enum setting_id id,
		   struct setting_place out[SETTING_PLACES_MAX]);

/* ---- liveness (liveness.c): quorum leader only --------------------------- */

/*
 * Silence becomes a command. The leader notes each heartbeat; a broker that
 * stays silent for its session is proposed to be fenced. A lost connection
 * shortens the wait to two heartbeats.
 */
struct liveness;
struct liveness *liveness_new(const struct cluster *c, int64_t session_ms,
			      int64_t heartbeat_ms);
void liveness_free(struct liveness *l);
/* The cluster was replaced as a whole by a snapshot. */
void liveness_restored(struct liveness *l, const struct cluster *c);
/* Became leader: everyone gets a fresh session; the leader before us, whose
 * silence made the election, only two heartbeats. */
void liveness_start(struct liveness *l, int64_t now_ms, int32_t old_leader);
void liveness_stop(struct liveness *l);
void liveness_heard(struct liveness *l, int32_t broker, int64_t epoch,
		    int64_t now_ms);
void liveness_lost(struct liveness *l, int32_t broker, int64_t now_ms);
/* By this leader, all that are not fenced: so whoever counts as active is. */
bool liveness_has_heard_all(const struct liveness *l);
/* Heard within its session: for the duplicate check at registration. */
bool liveness_is_alive(const struct liveness *l, int32_t broker,
		       int64_t now_ms);
/* Calls fence for each broker that is due; again after another session, if
 * it still is not fenced. To be called more often than there are heartbeats:
 * a longer pause is taken for one of our own. */
void liveness_tick(struct liveness *l, int64_t now_ms,
		   void (*fence)(void *ctx, int32_t broker, int64_t epoch),
		   void *ctx);
int64_t liveness_next(const struct liveness *l); /* -1 none */

#endif
