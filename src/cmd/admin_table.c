/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_table: every noun, verb and flag of raftmq-admin, once. Dispatch, help,
 * completion and the nearest word are made from it; the manual page is held
 * against it by a test.
 */
#include "admin.h"

#define END { 0, NULL, NULL, NULL }

const struct flag admin_flags[] = {
	{ 'b', "bootstrap-server", "HOST:PORT[,...]",
	  "brokers to ask first (RAFTMQ_BOOTSTRAP, localhost:9092)" },
	{ 'o', "output", "FORMAT", "table, json, jsonl or tsv" },
	{ 0, "json", NULL, "the same as -o json" },
	{ 0, "no-headers", NULL, "no line of titles above tables and TSV" },
	{ 'n', "dry-run", NULL, "show what would change, change nothing" },
	{ 'y', "yes", NULL, "do not ask before something is lost" },
	{ 0, "timeout", "TIME", "longest time for one request (10s)" },
	{ 'q', "quiet", NULL, "no tables and no notes" },
	{ 'v', "verbose", NULL, "a line on stderr for every Kafka request" },
	{ 'h', "help", NULL, "what can be typed here" },
	END,
};

const struct noun admin_nouns[] = {
	{ "cluster", "c", "the cluster as a whole" },
	{ "broker", "b", "its nodes" },
	{ "quorum", "q", "the Raft group that agrees on everything" },
	{ "topic", "t", "topics" },
	{ "partition", "p", "partitions, their replicas and leaders" },
	{ "group", "g", "consumer groups, their lag and offsets" },
	{ "config", NULL, "settings of topics, brokers and groups" },
	{ "message", "m", "messages, one by one" },
	{ "storage", NULL, "a data directory, while nobody uses it" },
	{ "sandbox", "s", "a cluster on this machine, to try things" },
	{ "completion", NULL, "completion for shells" },
	{ "version", NULL, "the version of this program" },
	{ "help", NULL, "this, or help on a noun or verb" },
	{ NULL, NULL, NULL },
};

static const struct flag health_flags[] = {
	{ 'e', "exit-when-healthy", NULL, "wait until it is" },
	END,
};
static const struct flag describe_broker_flags[] = {
	{ 'a', "all", NULL, "all settings, not only those that were set" },
	END,
};
static const struct flag topic_list_flags[] = {
	{ 'i', "internal", NULL, "internal topics as well" },
	END,
};
static const struct flag topic_create_flags[] = {
	{ 'p', "partitions", "N", "how many (the broker's default)" },
	{ 'r', "replicas", "N", "copies of each (the broker's default)" },
	{ 'c', "config", "KEY=VALUE", "a setting; may be repeated" },
	{ 0, "if-not-exists", NULL, "a topic that exists is no error" },
	END,
};
static const struct flag topic_describe_flags[] = {
	{ 's', "summary", NULL, "only the summary" },
	{ 'p', "partitions", NULL, "only the partitions" },
	{ 'c', "configs", NULL, "only the settings" },
	{ 'a', "all", NULL, "all settings, not only those that were set" },
	END,
};
static const struct flag topic_alter_flags[] = {
	{ 'c', "config", "KEY=VALUE", "a setting; may be repeated" },
	{ 'd', "unset", "KEY", "back to the default; may be repeated" },
	END,
};
static const struct flag add_partitions_flags[] = {
	{ 'p', "partitions", "N|+N", "how many there shall be, or be added" },
	END,
};
static const struct flag topic_trim_flags[] = {
	{ 0, "to", "OFFSET|@TIME|-TIME|end", "the first message to keep" },
	{ 0, "keep", "COUNT", "keep this many messages per partition" },
	END,
};
static const struct flag topic_delete_flags[] = {
	{ 0, "if-exists", NULL, "a topic that is not there is no error" },
	END,
};
static const struct flag partition_list_flags[] = {
	{ 'u', "under-replicated", NULL, "fewer in sync than replicas" },
	{ 0, "offline", NULL, "without a leader" },
	{ 0, "under-min-isr", NULL, "fewer in sync than min.insync.replicas" },
	END,
};
static const struct flag elect_flags[] = {
	{ 0, "unclean", NULL, "of a partition without a leader: any replica "
	  "that lives, though messages may be lost" },
	END,
};
static const struct flag group_list_flags[] = {
	{ 0, "state", "STATE", "only groups in this state" },
	END,
};
static const struct flag group_describe_flags[] = {
	{ 0, "members", NULL, "only the members" },
	{ 0, "offsets", NULL, "only the offsets" },
	END,
};
static const struct flag group_lag_flags[] = {
	{ 0, "age", NULL, "how old the first message not yet read is" },
	END,
};
static const struct flag group_seek_flags[] = {
	{ 0, "to", "POSITION",
	  "start, end, OFFSET, +N, -N, @TIME, -TIME (ago) or file:FILE" },
	{ 't', "topic", "TOPIC[:P]",
	  "only this; may be repeated (all the group has offsets of)" },
	{ 0, "stop-members", NULL, "remove the members first; they rejoin" },
	END,
};
static const struct flag config_get_flags[] = {
	{ 'a', "all", NULL, "also what is at its default" },
	END,
};
static const struct flag produce_flags[] = {
	{ 'k', "key", "SEPARATOR", "a line is KEY SEPARATOR VALUE" },
	{ 'p', "partition", "N", "all messages go there" },
	{ 'H', "header", "KEY=VALUE", "a header of all; may be repeated" },
	{ 0, "acks", "all|1|0", "when a message counts as sent (all)" },
	{ 0, "compression", "CODEC", "none, gzip, snappy, lz4 or zstd" },
	END,
};
static const struct flag consume_flags[] = {
	{ 0, "from", "POSITION",
	  "start, end, OFFSET, -N (before the end), @TIME or -TIME (end)" },
	{ 0, "until", "POSITION", "stop there; end is the end as of now" },
	{ 'c', "count", "N", "stop after so many messages" },
	{ 'f', "format", "FORMAT", "%t topic, %p partition, %o offset, %k key, "
	  "%v value, %T time, %h headers (%v\\n)" },
	END,
};
static const struct flag get_flags[] = {
	{ 'f', "format", "FORMAT", "as for consume (%v\\n)" },
	END,
};
static const struct flag dump_flags[] = {
	{ 'r', "records", NULL, "records instead of batches" },
	END,
};
static const struct flag sandbox_start_flags[] = {
	{ 0, "nodes", "N", "how many (3)" },
	{ 'd', "dir", "DIRECTORY", "where it lives (./raftmq-sandbox)" },
	{ 0, "port", "PORT", "the first Kafka port, or free ones behind it "
	  "(9092)" },
	{ 'D', "define", "KEY=VALUE", "a setting of all nodes; may be "
	  "repeated" },
	END,
};
static const struct flag sandbox_stop_flags[] = {
	{ 'd', "dir", "DIRECTORY", "where it lives (./raftmq-sandbox)" },
	{ 0, "purge", NULL, "and delete its data" },
	END,
};
static const struct flag sandbox_flags[] = {
	{ 'd', "dir", "DIRECTORY", "where it lives (./raftmq-sandbox)" },
	END,
};

const struct verb admin_verbs[] = {
	{ "cluster", "status", "", 0, 0,
	  "brokers, controller, and how many of what", NULL, cluster_status },
	{ "cluster", "health", "", 0, 0,
	  "healthy or not, and why; exit code 10 when not", health_flags,
	  cluster_health },
	{ "broker", "list", "", 0, 0, "all brokers", NULL, broker_list },
	{ "broker", "describe", "ID...", 1, -1,
	  "a broker, its disks and its settings", describe_broker_flags,
	  broker_describe },
	{ "quorum", "status", "", 0, 0,
	  "who leads, who follows, how far behind", NULL, quorum_status },
	{ "quorum", "transfer-leader", "ID", 1, 1,
	  "has another member lead (raftmqd only)", NULL,
	  quorum_transfer_leader },
	{ "topic", "list", "[TOPIC...]", 0, -1, "topics", topic_list_flags,
	  topic_list },
	{ "topic", "create", "TOPIC...", 1, -1, "new topics",
	  topic_create_flags, topic_create },
	{ "topic", "describe", "TOPIC...", 1, -1,
	  "partitions, offsets and settings", topic_describe_flags,
	  topic_describe },
	{ "topic", "alter", "TOPIC...", 1, -1, "other settings",
	  topic_alter_flags, topic_alter },
	{ "topic", "add-partitions", "TOPIC...", 1, -1, "more partitions",
	  add_partitions_flags, topic_add_partitions },
	{ "topic", "trim", "TOPIC[:P]...", 1, -1,
	  "deletes messages before an offset or time", topic_trim_flags,
	  topic_trim },
	{ "topic", "delete", "TOPIC...", 1, -1,
	  "deletes topics with all messages", topic_delete_flags,
	  topic_delete },
	{ "partition", "list", "[TOPIC...]", 0, -1,
	  "leaders and replicas", partition_list_flags, partition_list },
	{ "partition", "elect-leader", "[TOPIC[:P]...]", 0, -1,
	  "leadership back to the first replica", elect_flags,
	  partition_elect_leader },
	{ "group", "list", "", 0, 0, "all groups", group_list_flags,
	  group_list },
	{ "group", "describe", "GROUP...", 1, -1,
	  "state, members and offsets", group_describe_flags,
	  group_describe },
	{ "group", "lag", "[GROUP...]", 0, -1,
	  "how far groups are behind, by partition", group_lag_flags,
	  group_lag },
	{ "group", "seek", "GROUP", 1, 1, "sets the offsets of a group",
	  group_seek_flags, group_seek },
	{ "group", "delete", "GROUP...", 1, -1, "forgets groups and offsets",
	  NULL, group_delete },
	{ "config", "get", "ENTITY [KEY...]", 1, -1,
	  "settings of topic/NAME, broker/ID, broker (all), group/NAME",
	  config_get_flags, config_get },
	{ "config", "set", "ENTITY KEY=VALUE...", 2, -1, "changes settings",
	  NULL, config_set },
	{ "config", "unset", "ENTITY KEY...", 2, -1,
	  "settings back to their default", NULL, config_unset },
	{ "message", "produce", "TOPIC", 1, 1,
	  "sends the lines of the standard input", produce_flags,
	  message_produce },
	{ "message", "consume", "TOPIC[:P]...", 1, -1, "prints messages",
	  consume_flags, message_consume },
	{ "message", "get", "TOPIC:P@OFFSET...", 1, -1,
	  "prints single messages", get_flags, message_get },
	{ "storage", "check", "DIRECTORY|FILE", 1, 1,
	  "reads all batches and their checksums", NULL, storage_check },
	{ "storage", "dump", "DIRECTORY|FILE", 1, 1,
	  "what the batches hold", dump_flags, storage_dump },
	{ "storage", "repair", "DIRECTORY|FILE", 1, 1,
	  "cuts off what a crash left half written", NULL, storage_repair },
	{ "sandbox", "start", "", 0, 0,
	  "starts nodes on this machine, or those that are dead",
	  sandbox_start_flags, sandbox_start },
	{ "sandbox", "stop", "", 0, 0, "stops them", sandbox_stop_flags,
	  sandbox_stop },
	{ "sandbox", "kill", "ID", 1, 1, "kills one without warning",
	  sandbox_flags, sandbox_kill },
	{ "sandbox", "status", "", 0, 0, "which nodes live", sandbox_flags,
	  sandbox_status },
	{ "completion", "bash", "", 0, 0, "source <(raftmq-admin completion "
	  "bash)", NULL, completion_print },
	{ "completion", "zsh", "", 0, 0, "source <(raftmq-admin completion "
	  "zsh)", NULL, completion_print },
	{ "completion", "fish", "", 0, 0, "raftmq-admin completion fish | "
	  "source", NULL, completion_print },
	{ "version", NULL, "", 0, 0, "the version of this program", NULL,
	  version_print },
	{ "help", NULL, "[NOUN [VERB]]", 0, 2, "what can be typed", NULL,
	  help_print },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};
