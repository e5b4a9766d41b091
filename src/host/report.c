/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: see report.h. Not an API to build on but for /metrics and the
 * probes: the console page reads the JSON, tools speak the Kafka protocol.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "exposition.h"
#include "node.h"
#include "report.h"

/* ---- probes -------------------------------------------------------------- */

static const char *const states[] = {
	[NODE_OPENING] = "opening",
	[NODE_JOINING] = "joining",
	[NODE_SERVING] = "serving",
	[NODE_DRAINING] = "draining",
	[NODE_HANDING_OVER] = "handing over",
	[NODE_CLOSING] = "closing",
};

bool report_ready(const struct node *n, struct buf *text)
{
	const struct broker_info *self =
		cluster_broker(quorum_cluster(n->quorum), n->plan->id);

	if (n->state != NODE_SERVING) {
		buf_printf(text, "not ready: %s\n", states[n->state]);
		return false;
	}
	if (!self || self->fenced) {
		buf_printf(text, "not ready: fenced\n");
		return false;
	}
	buf_printf(text, "ready\n");
	return true;
}

struct tally { /* of all partitions */
	int64_t partitions, offline, lagging, few;
};

static int64_t min_isr(const struct node *n, const struct topic *t)
{
	return setting_number(setting_of_topic(quorum_cluster(n->quorum),
					       n->settings, t,
					       SETTING_MIN_INSYNC_REPLICAS));
}

static struct tally tally_topic(const struct node *n, const struct topic *t)
{
	struct tally sum = { .partitions = t->partitions_n };
	int64_t few = min_isr(n, t);

	for (int32_t i = 0; i < t->partitions_n; i++) {
		const struct partition *p = &t->partitions[i];

		sum.offline += p->leader < 0;
		sum.lagging += p->isr.n < p->replicas.n;
		sum.few += p->isr.n < few;
	}
	return sum;
}

static struct tally tally_all(const struct node *n)
{
	const struct cluster *c = quorum_cluster(n->quorum);
	struct tally sum = { 0 };

	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		struct tally one = tally_topic(n, i.value);

		sum.partitions += one.partitions;
		sum.offline += one.offline;
		sum.lagging += one.lagging;
		sum.few += one.few;
	}
	return sum;
}

bool report_health(const struct node *n, struct buf *text)
{
	struct tally sum = tally_all(n);
	bool ok = report_ready(n, text);

	if (quorum_leader(n->quorum) < 0) {
		buf_printf(text, "no quorum leader\n");
		ok = false;
	}
	if (quorum_disk_full(n->quorum)) {
		buf_printf(text, "disk full\n");
		ok = false;
	}
	if (sum.offline) {
		buf_printf(text, "%" PRId64 " of %" PRId64 " partitions have "
				 "no leader\n", sum.offline, sum.partitions);
		ok = false;
	}
	if (sum.lagging) /* worth knowing, served all the same */
		buf_printf(text, "%" PRId64 " of %" PRId64 " partitions lack a "
				 "copy\n", sum.lagging, sum.partitions);
	return ok;
}

/* ---- JSON ---------------------------------------------------------------- */

static void put_string(struct buf *out, const char *s)
{
	buf_put_u8(out, '"');
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c == '<')
			buf_printf(out, "\\u%04x", c);
		else
			buf_put_u8(out, c);
	}
	buf_put_u8(out, '"');
}

static int64_t leads(const struct cluster *c, int32_t id)
{
	int64_t n = 0;

	for (struct map_iter i = map_first(&c->topics); i.at; map_next(&i)) {
		const struct topic *t = i.value;

		for (int32_t p = 0; p < t->partitions_n; p++)
			n += t->partitions[p].leader == id;
	}
	return n;
}

static void put_brokers(const struct node *n, struct buf *out)
{
	const struct cluster *c = quorum_cluster(n->quorum);
	const char *sep = "";

	for (struct map_iter i = map_first(&c->brokers); i.at; map_next(&i)) {
		const struct broker_info *b = i.value;

		buf_printf(out, "%s{\"id\":%d,\"host\":", sep, (int)b->id);
		put_string(out, b->host);
		buf_printf(out, ",\"port\":%d,\"rack\":", (int)b->port);
		put_string(out, b->rack);
		buf_printf(out, ",\"fenced\":%s,\"stopping\":%s,\"leads\":%"
				PRId64 "}", b->fenced ? "true" : "false",
			   b->stopping ? "true" : "false", leads(c, b->id));
		sep = ",";
	}
}

#define TOPICS_SHOWN 1000

static void put_topics(const struct node *n, struct buf *out)
{
	const struct cluster *c = quorum_cluster(n->quorum);
	const char *sep = "";
	int shown = 0;

	for (struct map_iter i = map_first(&c->topics);
	     i.at && shown < TOPICS_SHOWN; map_next(&i), shown++) {
		const struct topic *t = i.value;
		struct tally sum = tally_topic(n, t);

		buf_printf(out, "%s{\"name\":", sep);
		put_string(out, t->name);
		buf_printf(out, ",\"partitions\":%" PRId64 ",\"replicas\":%d,"
				"\"offline\":%" PRId64 ",\"lagging\":%" PRId64
				",\"below_min_isr\":%" PRId64 "}",
			   sum.partitions, t->partitions_n
				? (int)t->partitions[0].replicas.n : 0,
			   sum.offline, sum.lagging, sum.few);
		sep = ",";
	}
}

static void put_quorum(const struct node *n, struct buf *out)
{
	const struct quorum *q = n->quorum;

	buf_printf(out, "{\"leader\":%d,\"term\":%" PRId64 ",\"commit\":%"
			PRId64 ",\"applied\":%" PRId64 ",\"members\":[",
		   (int)quorum_leader(q), quorum_term(q),
		   quorum_commit_index(q), quorum_applied_index(q));
	for (int i = 0; i < quorum_members_n(q); i++) {
		struct quorum_member m = quorum_member_at(q, i);

		buf_printf(out, "%s{\"id\":%d,\"voter\":%s,\"match\":%" PRId64
				"}", i ? "," : "", (int)m.id,
			   m.voter ? "true" : "false", m.match_index);
	}
	buf_printf(out, "]}");
}

static void put_groups(const struct node *n, struct buf *out)
{
	const struct coord *c = quorum_coord(n->quorum);
	const char *sep = "";
	int shown = 0;

	for (struct map_iter i = map_first(&c->groups);
	     i.at && shown < TOPICS_SHOWN; map_next(&i), shown++) {
		const struct group *g = i.value;

		buf_printf(out, "%s{\"id\":", sep);
		put_string(out, g->id);
		buf_printf(out, ",\"state\":\"%s\",\"members\":%zu,\"offsets\":"
				"%zu}", group_state_name(g->state),
			   map_count(&g->members), map_count(&g->offsets));
		sep = ",";
	}
}

void report_cluster(const struct node *n, struct buf *json)
{
	const struct cluster *c = quorum_cluster(n->quorum);
	struct tally sum = tally_all(n);
	struct buf why = { 0 };
	bool ok = report_health(n, &why);
	char id[UUID_TEXT_MAX];

	uuid_text(c->id, id);
	buf_printf(json, "{\"cluster\":\"%s\",\"node\":%d,\"version\":\"%s\","
			 "\"state\":\"%s\",\"healthy\":%s,\"why\":", id,
		   (int)n->plan->id, HOST_VERSION, states[n->state],
		   ok ? "true" : "false");
	put_string(json, buf_c(&why));
	buf_printf(json, ",\"partitions\":%" PRId64 ",\"offline\":%" PRId64
			 ",\"lagging\":%" PRId64 ",\"below_min_isr\":%" PRId64
			 ",\"topics_n\":%zu,\"quorum\":", sum.partitions,
		   sum.offline, sum.lagging, sum.few, map_count(&c->topics));
	put_quorum(n, json);
	buf_printf(json, ",\"brokers\":[");
	put_brokers(n, json);
	buf_printf(json, "],\"topics\":[");
	put_topics(n, json);
	buf_printf(json, "],\"groups\":[");
	put_groups(n, json);
	buf_printf(json, "]}\n");
	buf_fini(&why);
}

/* ---- metrics of the host ------------------------------------------------- */

static int64_t count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = -3; /* ".", ".." and the one that reads */

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return max_of(n, 0);
}

static void put_memory(struct buf *out)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long total = 0, resident = 0, page = sysconf(_SC_PAGESIZE);

	if (f && fscanf(f, "%ld %ld", &total, &resident) == 2) {
		exposition_put(out, "process_virtual_memory_bytes", "gauge",
			       "Virtual memory.",
			       (double)total * (double)page);
		exposition_put(out, "process_resident_memory_bytes", "gauge",
			       "Resident memory.",
			       (double)resident * (double)page);
	}
	if (f)
		fclose(f);
}

static void put_process(const struct node *n, struct buf *out)
{
	struct rusage u;
	struct rlimit files;

	if (getrusage(RUSAGE_SELF, &u) == 0)
		exposition_put(out, "process_cpu_seconds_total", "counter",
			       "User and system time.",
			       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			       (double)(u.ru_utime.tv_usec +
					u.ru_stime.tv_usec) / 1e6);
	put_memory(out);
	exposition_put(out, "process_open_fds", "gauge",
		       "Open file descriptors.", (double)count_files());
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		exposition_put(out, "process_max_fds", "gauge",
			       "Largest number of file descriptors.",
			       (double)files.rlim_cur);
	exposition_put(out, "process_start_time_seconds", "gauge",
		       "Start, in seconds since 1970.",
		       (double)(clock_wall_ms() - clock_now_ms() +
				n->started_ms) / 1000);
}

static void put_raft(const struct node *n, struct buf *out)
{
	const struct quorum *q = n->quorum;

	exposition_put(out, "raftmq_raft_term", "gauge", "Term of the quorum.",
		       (double)quorum_term(q));
	exposition_put(out, "raftmq_raft_commit_index", "gauge",
		       "Last entry of the agreed log that is committed.",
		       (double)quorum_commit_index(q));
	exposition_put(out, "raftmq_raft_applied_index", "gauge",
		       "Last entry of the agreed log that is applied here.",
		       (double)quorum_applied_index(q));
	exposition_put(out, "raftmq_raft_leader", "gauge",
		       "Node id of the quorum leader; -1 unknown.",
		       (double)quorum_leader(q));
	exposition_put(out, "raftmq_controller_is_leader", "gauge",
		       "1 on the quorum leader.",
		       quorum_role(q) == QUORUM_LEADER);
}

void report_metrics(struct node *n, struct buf *out)
{
	int64_t total, usable;

	exposition_put(out, "raftmq_build_info{version=\"" HOST_VERSION "\"}",
		       "gauge", "Always 1.", 1);
	exposition_put(out, "raftmq_broker_state", "gauge",
		       "0 opening, 1 joining, 2 serving, 3 draining, 4 handing "
		       "over, 5 closing.", n->state);
	exposition_put(out, "raftmq_connections", "gauge",
		       "Connections of clients.", (double)n->gate.total);
	exposition_put(out, "raftmq_connections_refused_total", "counter",
		       "Connections of clients over a limit.",
		       (double)n->gate.refused);
	if (n->disk->ops->space(n->disk, &total, &usable) == 0) {
		exposition_put(out, "raftmq_disk_total_bytes", "gauge",
			       "Size of the data directory's file system.",
			       (double)total);
		exposition_put(out, "raftmq_disk_free_bytes", "gauge",
			       "What is left of it.", (double)usable);
	}
	put_raft(n, out);
	put_process(n, out);
}
