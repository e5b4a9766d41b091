/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin: what the commands of raftmq-admin share. A command is a row of the
 * table in admin_table.c and a function that fills a document (output.h) by
 * asking the cluster (client.h).
 *
 * Exit codes: 0 done; 1 something was refused or failed; 2 wrong usage; 3 no
 * connection or no answer in time; 4 not allowed; 5 not found; 10 unhealthy;
 * 130 interrupted.
 */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include <stdio.h>

#include "client.h"
#include "output.h"
#include "words.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_CONNECT = 3,
	EXIT_DENIED = 4,
	EXIT_MISSING = 5,
	EXIT_UNHEALTHY = 10,
	EXIT_INTERRUPTED = 130,
};

struct admin;

struct flag {
	char letter; /* or 0 */
	const char *name;
	const char *arg; /* what it takes, for help; NULL: nothing */
	const char *doc;
};
struct verb {
	const char *noun, *name;
	const char *args; /* for help: "TOPIC..." */
	int8_t args_min, args_max; /* -1: any number */
	const char *doc;
	const struct flag *flags; /* up to one without a name; or NULL */
	void (*run)(struct admin *a);
};
struct noun {
	const char *name;
	const char *alias; /* a short one, or NULL */
	const char *doc;
};

/* admin_table.c; all end with a row without a name */
extern const struct flag admin_flags[];
extern const struct noun admin_nouns[];
extern const struct verb admin_verbs[];

#define GIVEN_MAX 128
struct admin {
	struct client *client; /* admin_call makes it */
	struct out out;
	const struct verb *verb;
	char **args; /* behind noun and verb */
	int args_n;
	struct {
		const struct flag *flag;
		const char *value;
	} given[GIVEN_MAX];
	int given_n;
	const char *bootstrap;
	int32_t timeout_ms;
	bool timeout_given;
	bool dry_run, yes, quiet, verbose;
	int status; /* exit code so far */
};

/* ---- what was typed (admin_common.c) ------------------------------------- */

bool admin_has(const struct admin *a, const char *flag);
const char *admin_value(const struct admin *a, const char *flag); /* or NULL */
/* The i-th value of a flag that may be given more than once. */
const char *admin_value_at(const struct admin *a, const char *flag, int i);
/* A number in [min, max]; absent: *out as it is. Reports nonsense. */
bool admin_number(struct admin *a, const char *flag, int64_t min, int64_t max,
		  int64_t *out) must_use;
/* All arguments as topic[:partition[@offset]]; reports nonsense. */
bool admin_places(struct admin *a, struct place *out) must_use;
bool admin_position(struct admin *a, const char *flag,
		    struct position *out) must_use;
int64_t admin_wall_ms(void);

/* ---- what went wrong ----------------------------------------------------- */

/* One sentence on stderr, the same among the errors of the document. */
void admin_fail(struct admin *a, int status, const char *code,
		const char *fmt, ...) printf_like(4, 5);
void admin_usage(struct admin *a, const char *fmt, ...) printf_like(2, 3);
/* What the broker refused; message may be null: then the table's text. */
void admin_refused(struct admin *a, int16_t kerr, struct str about,
		   struct str message);
/* Progress and hints on stderr, unless -q. */
void admin_note(const struct admin *a, const char *fmt, ...) printf_like(2, 3);
void admin_set_status(struct admin *a, int status);

/* ---- asking the cluster -------------------------------------------------- */

struct client *admin_client(struct admin *a);
/* client_call, with the failure reported. */
bool admin_call(struct admin *a, struct client_target to, int16_t key,
		const void *request, void *response) must_use;
/* Metadata of n topics (-1: all); topics that failed are reported. */
bool admin_metadata(struct admin *a, const struct str *topics, int32_t n,
		    struct metadata_response *out) must_use;
/* Reports the last failure of the client. */
void admin_client_failed(struct admin *a);
/*
 * Is it wanted? Says what will be lost (stderr) and has the name typed. -y
 * agrees; without a terminal and without -y it is refused. With --dry-run the
 * answer is no, silently.
 */
bool admin_confirm(struct admin *a, const char *name, const char *loss);
/* "yes" while looking, "would be" in a dry run. */
const char *admin_done(const struct admin *a, const char *done,
		       const char *would);

/* ---- offsets (admin_offset.c) -------------------------------------------- */

#define TIME_LATEST (-1)
#define TIME_EARLIEST (-2)
#define SPOT_LEADERLESS (-1) /* so says the metadata */
#define SPOT_ANY (-2)        /* to be found out */
struct spot {
	struct str topic;
	int32_t partition;
	int32_t leader;    /* node, SPOT_LEADERLESS or SPOT_ANY */
	int64_t ask;       /* epoch ms, TIME_LATEST, TIME_EARLIEST */
	int16_t error;     /* K_NONE or why offset is -1 */
	int64_t offset;    /* -1: nothing is that late */
	int64_t timestamp; /* of it; -1 for the ends */
};
/* ListOffsets at the leaders; false only when nobody can be asked. Order is
 * kept; spots of one topic should be neighbours. */
bool admin_offsets(struct admin *a, struct spot *v, int32_t n) must_use;
/* All partitions of the topics without error. In the client's arena. */
struct spot *admin_spots(struct admin *a, const struct metadata_response *m,
			 int64_t ask, int32_t *n);
/* Sets ask of the spots for a position, asks, and leaves the offsets:
 * start, end, time (none so late: the end), or the offset itself. */
bool admin_find_position(struct admin *a, const struct position *p,
			 struct spot *v, int32_t n) must_use;
/* Bytes of the leaders' copies of a topic; -1 when somebody does not say. */
int64_t admin_topic_bytes(struct admin *a,
			  const struct metadata_response_topic *t);

/* The partitions that the arguments name, in order; NULL: reported. */
struct spot *admin_argument_spots(struct admin *a, int32_t *n);
/* By name, and their partitions by number. */
void admin_sort_topics(struct metadata_response *m);
/* Metadata of the topics that are the arguments, or of all, in order. */
bool admin_topics(struct admin *a, struct metadata_response *m) must_use;

/* ---- groups (admin_group.c) ---------------------------------------------- */

/* How many groups have offsets in the topic; -1 when that is not known. */
int32_t admin_readers(struct admin *a, struct str topic);

/* ---- settings (admin_config.c) ------------------------------------------- */

enum resource_type {
	RESOURCE_TOPIC = 2,
	RESOURCE_BROKER = 4,
	RESOURCE_METRICS = 16,
	RESOURCE_GROUP = 32,
};
/* Topic settings that are not at their default, or all of them. */
void admin_describe_configs(struct admin *a, struct section *s, int8_t type,
			    struct str name, bool all);
extern const struct column config_columns[];
#define CONFIG_COLUMNS 6
struct setting_change {
	struct str key;   /* null ends a list */
	struct str value; /* null: back to the default */
};
/* Sets and unsets in one request, a row of s for each; or reports. */
bool admin_alter_configs(struct admin *a, struct section *s, int8_t type,
			 struct str name, const struct setting_change *v);
extern const struct column change_columns[];
#define CHANGE_COLUMNS 5
/* A topic's setting as text; NULL when it cannot be read. */
const char *admin_config_value(struct admin *a, int8_t type, struct str name,
			       const char *key);

/* ---- messages (admin_message.c, admin_format.c) -------------------------- */

/* Timestamp of the first message at or after the offset; -1: not known. */
int64_t admin_time_at(struct admin *a, struct str topic, int32_t partition,
		      int64_t offset);
/* One message by the format of -f: %t %p %o %k %v %T %h %% and escapes. */
bool format_check(const char *format);
void format_message(struct buf *out, const char *format, struct str topic,
		    int32_t partition, const struct record *r);
extern const struct column message_columns[];
#define MESSAGE_COLUMNS 8
void message_row(struct section *s, struct str topic, int32_t partition,
		 const struct record *r);

/* ---- the commands -------------------------------------------------------- */

#define COMMAND(name) void name(struct admin *a)
COMMAND(cluster_status);
COMMAND(cluster_health);
COMMAND(broker_list);
COMMAND(broker_describe);
COMMAND(quorum_status);
COMMAND(quorum_transfer_leader);
COMMAND(topic_list);
COMMAND(topic_create);
COMMAND(topic_describe);
COMMAND(topic_alter);
COMMAND(topic_add_partitions);
COMMAND(topic_trim);
COMMAND(topic_delete);
COMMAND(partition_list);
COMMAND(partition_elect_leader);
COMMAND(group_list);
COMMAND(group_describe);
COMMAND(group_lag);
COMMAND(group_seek);
COMMAND(group_delete);
COMMAND(config_get);
COMMAND(config_set);
COMMAND(config_unset);
COMMAND(message_produce);
COMMAND(message_consume);
COMMAND(message_get);
COMMAND(storage_check);
COMMAND(storage_dump);
COMMAND(storage_repair);
COMMAND(sandbox_start);
COMMAND(sandbox_stop);
COMMAND(sandbox_kill);
COMMAND(sandbox_status);
COMMAND(completion_print);
COMMAND(version_print);
COMMAND(help_print);

/* ---- help (admin_help.c) ------------------------------------------------- */

void help_usage(FILE *f);
void help_noun(FILE *f, const char *noun);
void help_verb(FILE *f, const struct verb *v);
const struct noun *noun_find(const char *word);
const struct verb *verb_find(const char *noun, const char *word);
const char *noun_nearest(const char *word);
const char *verb_nearest(const char *noun, const char *word);

#endif
