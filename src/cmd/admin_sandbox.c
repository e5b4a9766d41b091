/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_sandbox: a cluster of real nodes on 127.0.0.1 in one directory:
 * DIR/sandbox (how many, which ports), and per node DIR/nodeN (its data),
 * nodeN.log, nodeN.pid. The nodes outlive this program.
 *
 * Invariants:
 * 1. A process is signalled only when /proc says that it runs on our
 *    directory: numbers of processes are used again.
 * 2. The ports of a sandbox stay what they were at its first start.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"

#define NODES_MAX 9
#define READY_MS 30000
#define STOP_MS 15000

struct sandbox {
	char dir[PATH_MAX / 2]; /* absolute */
	int nodes, kafka, http; /* first ports; peers: kafka + 100 */
	char define[4096];      /* KEY=VALUE lines */
};

static void node_path(const struct sandbox *s, int node, const char *tail,
		      char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/node%d%s", s->dir, node, tail);
}

/* ---- what is known of it ------------------------------------------------- */

static bool find_dir(struct admin *a, struct sandbox *s, bool make)
{
	const char *dir = admin_value(a, "dir");
	char full[PATH_MAX];

	dir = dir ? dir : "raftmq-sandbox";
	if (make && mkdir(dir, 0755) < 0 && errno != EEXIST) {
		admin_fail(a, EXIT_FAILED, "SANDBOX", "%s: %s", dir,
			   strerror(errno));
		return false;
	}
	if (!realpath(dir, full)) {
		admin_fail(a, EXIT_MISSING, "SANDBOX",
			   "%s: no sandbox there (%s)", dir, strerror(errno));
		return false;
	}
	if (strlen(full) >= sizeof(s->dir)) {
		admin_fail(a, EXIT_FAILED, "SANDBOX", "%s: too long", full);
		return false;
	}
	memcpy(s->dir, full, strlen(full) + 1);
	return true;
}

static bool load(struct sandbox *s)
{
	char path[PATH_MAX];
	FILE *f;
	size_t n;
	bool ok;

	snprintf(path, sizeof(path), "%s/sandbox", s->dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "nodes %d kafka %d http %d\n", &s->nodes, &s->kafka,
		    &s->http) == 3 && s->nodes >= 1 && s->nodes <= NODES_MAX;
	n = ok ? fread(s->define, 1, sizeof(s->define) - 1, f) : 0;
	s->define[n] = '\0';
	fclose(f);
	return ok;
}

static bool save(struct admin *a, const struct sandbox *s)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sandbox", s->dir);
	f = fopen(path, "we");
	if (f)
		fprintf(f, "nodes %d kafka %d http %d\n%s", s->nodes, s->kafka,
			s->http, s->define);
	if (f && fclose(f) == 0)
		return true;
	admin_fail(a, EXIT_FAILED, "SANDBOX", "%s: %s", path, strerror(errno));
	return false;
}

static bool open_sandbox(struct admin *a, struct sandbox *s)
{
	if (!find_dir(a, s, false))
		return false;
	if (load(s))
		return true;
	admin_fail(a, EXIT_MISSING, "SANDBOX", "%s: no sandbox there", s->dir);
	return false;
}

/* Does the process run on this node's directory? */
static bool is_ours(const struct sandbox *s, int node, pid_t pid)
{
	char path[64], data[PATH_MAX], words[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(words, 1, sizeof(words) - 1, f);
	fclose(f);
	words[n] = '\0';
	node_path(s, node, "", data);
	for (size_t at = 0; at < n; at += strlen(words + at) + 1)
		if (strcmp(words + at, data) == 0)
			return true;
	return false;
}

/* 0 when it does not live. */
static pid_t node_pid(const struct sandbox *s, int node)
{
	char path[PATH_MAX];
	int pid = 0;
	FILE *f;

	node_path(s, node, ".pid", path);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid > 1 && is_ours(s, node, pid) ? pid : 0;
}

static const struct column columns[] = {
	{ "NODE", "node", CELL_ID },
	{ "STATE", "state", CELL_TEXT },
	{ "PID", "pid", CELL_ID },
	{ "KAFKA", "kafka", CELL_TEXT },
	{ "HTTP", "http", CELL_TEXT },
	{ "LOG", "log", CELL_TEXT },
};

static void node_rows(struct admin *a, const struct sandbox *s)
{
	struct section *rows = out_section(&a->out, "nodes", columns);

	for (int i = 1; i <= s->nodes; i++) {
		pid_t pid = node_pid(s, i);
		char text[PATH_MAX];

		row_begin(rows);
		cell_int(rows, i);
		cell_text(rows, pid ? "up" : "down");
		cell_known(rows, pid ? pid : -1);
		snprintf(text, sizeof(text), "127.0.0.1:%d", s->kafka + i - 1);
		cell_text(rows, text);
		snprintf(text, sizeof(text), "127.0.0.1:%d", s->http + i - 1);
		cell_text(rows, text);
		node_path(s, i, ".log", text);
		cell_text(rows, text);
	}
}

/* ---- ports --------------------------------------------------------------- */

static bool is_free(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok = bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(fd);
	return ok;
}

static bool all_free(const struct sandbox *s)
{
	for (int i = 0; i < s->nodes; i++)
		if (!is_free(s->kafka + i) || !is_free(s->kafka + 100 + i) ||
		    !is_free(s->http + i))
			return false;
	return true;
}

static bool choose_ports(struct admin *a, struct sandbox *s)
{
	int64_t port = 9092;

	if (!admin_number(a, "port", 1024, 60000, &port))
		return false;
	s->kafka = (int)port;
	s->http = (int)port + 552; /* 9092 gives 9644 */
	while (s->kafka < 60000 && !all_free(s)) {
		s->kafka += 10;
		s->http += 10;
	}
	if (s->kafka < 60000)
		return true;
	admin_fail(a, EXIT_FAILED, "SANDBOX", "no free ports");
	return false;
}

/* ---- starting ------------------------------------------------------------ */

/* Beside this program, else wherever PATH has it. */
static void find_program(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 16);
	char *slash;

	out[max_of(n, 0)] = '\0';
	slash = strrchr(out, '/');
	if (slash) {
		memcpy(slash + 1, "raftmqd", sizeof("raftmqd"));
		if (access(out, X_OK) == 0)
			return;
	}
	memcpy(out, "raftmqd", sizeof("raftmqd"));
}

struct command {
	char program[PATH_MAX], data[PATH_MAX];
	char node[16], listen[32], http[32], peers[NODES_MAX * 32];
	char define[4096];
	const char *argv[160];
};

static void compose(const struct sandbox *s, int node, struct command *c)
{
	const char **v = c->argv;
	size_t at = 0;
	char *save_at;

	find_program(c->program);
	node_path(s, node, "", c->data);
	snprintf(c->node, sizeof(c->node), "%d", node);
	snprintf(c->listen, sizeof(c->listen), "127.0.0.1:%d",
		 s->kafka + node - 1);
	snprintf(c->http, sizeof(c->http), "127.0.0.1:%d", s->http + node - 1);
	for (int i = 1; i <= s->nodes; i++)
		at += (size_t)snprintf(c->peers + at, sizeof(c->peers) - at,
				       "%s%d@127.0.0.1:%d", i > 1 ? "," : "",
				       i, s->kafka + 100 + i - 1);
	*v++ = c->program;
	*v++ = "--node-id";
	*v++ = c->node;
	*v++ = "--peers";
	*v++ = c->peers;
	*v++ = "--listen";
	*v++ = c->listen;
	*v++ = "--http";
	*v++ = c->http;
	*v++ = "--data-dir";
	*v++ = c->data;
	memcpy(c->define, s->define, sizeof(c->define));
	for (char *line = strtok_r(c->define, "\n", &save_at); line;
	     line = strtok_r(NULL, "\n", &save_at)) {
		*v++ = "-D";
		*v++ = line;
	}
	*v = NULL;
}

static void become(const struct sandbox *s, int node, struct command *c)
{
	char log[PATH_MAX];
	int in, out;

	node_path(s, node, ".log", log);
	in = open("/dev/null", O_RDONLY);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0)
		_exit(126);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	execvp(c->program, (char *const *)c->argv);
	dprintf(2, "%s: %s\n", c->program, strerror(errno));
	_exit(127);
}

/* Its process, or 0: reported. */
static pid_t start_node(struct admin *a, const struct sandbox *s, int node)
{
	static struct command c;
	char path[PATH_MAX];
	pid_t pid;
	FILE *f;

	compose(s, node, &c);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(s, node, &c);
	node_path(s, node, ".pid", path);
	f = pid > 0 ? fopen(path, "we") : NULL;
	if (f)
		fprintf(f, "%d\n", (int)pid);
	if (f && fclose(f) == 0)
		return pid;
	admin_fail(a, EXIT_FAILED, "SANDBOX", "%s: %s", path, strerror(errno));
	if (pid > 0)
		kill(pid, SIGTERM);
	return 0;
}

/* It printed its ready line: "ready ... pid=P ..." */
static bool is_ready(const struct sandbox *s, int node, pid_t pid)
{
	char path[PATH_MAX], line[1024], mark[32];
	bool ready = false;
	FILE *f;

	node_path(s, node, ".log", path);
	snprintf(mark, sizeof(mark), "pid=%d ", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		ready |= strncmp(line, "ready ", 6) == 0 &&
			 strstr(line, mark) != NULL;
	if (f)
		fclose(f);
	return ready;
}

static void say_why(struct admin *a, const struct sandbox *s, int node)
{
	char path[PATH_MAX], line[1024], last[1024] = "it said nothing";
	FILE *f;

	node_path(s, node, ".log", path);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		memcpy(last, line, sizeof(last));
	}
	if (f)
		fclose(f);
	admin_fail(a, EXIT_FAILED, "SANDBOX", "node %d ended: %s (%s)", node,
		   last, path);
}

static void await_ready(struct admin *a, const struct sandbox *s,
			const pid_t *started)
{
	int64_t deadline = client_now_ms() + max_of(a->timeout_ms, READY_MS);

	for (int i = 1; i <= s->nodes; i++) {
		while (started[i] && !is_ready(s, i, started[i]) &&
		       !client_interrupted) {
			if (waitpid(started[i], NULL, WNOHANG)) {
				say_why(a, s, i);
				break;
			}
			if (client_now_ms() > deadline) {
				admin_fail(a, EXIT_CONNECT, "SANDBOX",
					   "node %d is not ready yet", i);
				return;
			}
			poll(NULL, 0, 5);
		}
	}
}

static bool prepare(struct admin *a, struct sandbox *s)
{
	int64_t nodes = 3;
	const char *v;
	size_t at = 0;

	if (!admin_number(a, "nodes", 1, NODES_MAX, &nodes) ||
	    !find_dir(a, s, true))
		return false;
	if (load(s)) {
		if (!admin_has(a, "nodes") || nodes == s->nodes)
			return true;
		admin_fail(a, EXIT_FAILED, "SANDBOX",
			   "%s has %d nodes; sandbox stop --purge ends it",
			   s->dir, s->nodes);
		return false;
	}
	s->nodes = (int)nodes;
	for (int i = 0; (v = admin_value_at(a, "define", i)) && i < 64; i++) {
		int n = snprintf(s->define + at, sizeof(s->define) - at,
				 "%s\n", v);

		at += (size_t)n;
		if (strchr(v, '\n') || !strchr(v, '=') ||
		    at >= sizeof(s->define)) {
			admin_usage(a, "-D %s: KEY=VALUE is wanted", v);
			return false;
		}
	}
	return choose_ports(a, s) && save(a, s);
}

void sandbox_start(struct admin *a)
{
	pid_t started[NODES_MAX + 1] = { 0 };
	static struct sandbox s;

	if (!prepare(a, &s))
		return;
	for (int i = 1; i <= s.nodes; i++) {
		if (node_pid(&s, i))
			continue;
		started[i] = start_node(a, &s, i);
		if (!started[i])
			return;
	}
	await_ready(a, &s, started);
	node_rows(a, &s);
	if (a->status == EXIT_OK)
		admin_note(a, "export RAFTMQ_BOOTSTRAP=127.0.0.1:%d", s.kafka);
}

/* ---- stopping ------------------------------------------------------------ */

static int living(const struct sandbox *s)
{
	int n = 0;

	for (int i = 1; i <= s->nodes; i++)
		n += node_pid(s, i) != 0;
	return n;
}

static void signal_all(const struct sandbox *s, int sig)
{
	for (int i = 1; i <= s->nodes; i++) {
		pid_t pid = node_pid(s, i);

		if (pid)
			kill(pid, sig);
	}
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void purge(const struct sandbox *s)
{
	static const char *const tails[] = { ".log", ".pid", "" };
	char path[PATH_MAX];

	for (int i = 1; i <= s->nodes; i++)
		for (unsigned k = 0; k < countof(tails); k++) {
			node_path(s, i, tails[k], path);
			nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		}
	snprintf(path, sizeof(path), "%s/sandbox", s->dir);
	unlink(path);
	rmdir(s->dir);
}

void sandbox_stop(struct admin *a)
{
	int64_t deadline = client_now_ms() + STOP_MS;
	static struct sandbox s;
	char loss[PATH_MAX + 64];
	const char *name;

	if (!open_sandbox(a, &s))
		return;
	name = strrchr(s.dir, '/') + 1;
	snprintf(loss, sizeof(loss), "All data below %s will be deleted.",
		 s.dir);
	if (admin_has(a, "purge") && !admin_confirm(a, name, loss))
		return;
	if (a->dry_run) {
		node_rows(a, &s);
		return;
	}
	signal_all(&s, SIGTERM);
	while (living(&s) && client_now_ms() < deadline && !client_interrupted)
		poll(NULL, 0, 10);
	if (living(&s)) {
		admin_note(a, "killing %d that did not stop", living(&s));
		signal_all(&s, SIGKILL);
		while (living(&s) && !client_interrupted)
			poll(NULL, 0, 10);
	}
	node_rows(a, &s);
	if (admin_has(a, "purge"))
		purge(&s);
}

void sandbox_kill(struct admin *a)
{
	static struct sandbox s;
	int64_t id;
	pid_t pid;

	if (!open_sandbox(a, &s))
		return;
	if (!str_to_i64(str_of(a->args[0]), 1, s.nodes, &id)) {
		admin_fail(a, EXIT_MISSING, "SANDBOX", "no node %s here",
			   a->args[0]);
		return;
	}
	pid = node_pid(&s, (int)id);
	if (!pid) {
		admin_fail(a, EXIT_FAILED, "SANDBOX", "node %s does not live",
			   a->args[0]);
		return;
	}
	if (!a->dry_run)
		kill(pid, SIGKILL);
	while (!a->dry_run && node_pid(&s, (int)id) && !client_interrupted)
		poll(NULL, 0, 5);
	node_rows(a, &s);
}

void sandbox_status(struct admin *a)
{
	static struct sandbox s;

	if (!open_sandbox(a, &s))
		return;
	node_rows(a, &s);
	if (living(&s) < s.nodes)
		admin_set_status(a, EXIT_UNHEALTHY);
}
