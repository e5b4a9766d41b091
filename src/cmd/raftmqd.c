/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raftmqd: the daemon's command line. Not the daemon: host/node.c.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raftmq/host.h>

const char *argp_program_version = "raftmqd " HOST_VERSION;
const char *argp_program_bug_address = NULL;

enum {
	KEY_NODE_ID = 256,
	KEY_PEERS,
	KEY_JOIN,
	KEY_LISTEN,
	KEY_ADVERTISE,
	KEY_HTTP,
	KEY_DATA_DIR,
	KEY_CHECK,
	KEY_PRINT,
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read settings from FILE", 0 },
	{ "node-id", KEY_NODE_ID, "N", 0, "The number of this node", 1 },
	{ "peers", KEY_PEERS, "ID@HOST:PORT,...", 0,
	  "The first members of a cluster, the same list on each of them: node "
	  "ids and addresses at which brokers hear each other", 1 },
	{ "join", KEY_JOIN, "HOST:PORT", 0,
	  "Join a cluster that exists; HOST:PORT is the peer address of any "
	  "member", 1 },
	{ "listen", KEY_LISTEN, "HOST:PORT", 0, "Where clients are heard", 2 },
	{ "advertise", KEY_ADVERTISE, "HOST:PORT", 0,
	  "What clients are told to connect to", 2 },
	{ "http", KEY_HTTP, "HOST:PORT|none", 0,
	  "Metrics, health and the console page", 2 },
	{ "data-dir", KEY_DATA_DIR, "DIR", 0, "Where everything is kept", 3 },
	{ "define", 'D', "key=value", 0, "Set any setting", 3 },
	{ "check-config", KEY_CHECK, NULL, 0,
	  "Say what is wrong with the configuration, and end", 4 },
	{ "print-config", KEY_PRINT, NULL, 0,
	  "Print all settings and where each comes from, and end", 4 },
	{ 0 },
};

static const char doc[] =
	"A broker for Kafka clients. Without arguments: a cluster of one node "
	"on 127.0.0.1:9092, HTTP on 127.0.0.1:9644, data in ./raftmq-data."
	"\vA flag counts more than the environment (RAFTMQ_NODE_ID for "
	"node.id), that more than the file. See raftmqd(8) and raftmq.conf(5).";

struct arguments {
	struct conf *conf;
	const char *file;
	bool check, print;
};

static void set_address(struct conf *c, const char *key, const char *address,
			const char *flag)
{
	struct buf b = { 0 };

	buf_printf(&b, strstr(address, "://") ? "%s" : "PLAINTEXT://%s",
		   address);
	conf_flag(c, key, buf_c(&b), flag);
	buf_fini(&b);
}

static void define(struct conf *c, char *pair, struct argp_state *state)
{
	char *eq = strchr(pair, '=');
	char *end;

	if (!eq || eq == pair) {
		argp_error(state, "-D wants key=value, not '%s'", pair);
		return;
	}
	for (end = eq; end > pair && end[-1] == ' '; end--)
		;
	*end = '\0';
	eq += 1 + strspn(eq + 1, " ");
	conf_flag(c, pair, eq, "-D");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'c':
		a->file = arg;
		break;
	case 'D':
		define(a->conf, arg, state);
		break;
	case KEY_NODE_ID:
		conf_flag(a->conf, "node.id", arg, "--node-id");
		break;
	case KEY_PEERS:
		conf_flag(a->conf, "peers", arg, "--peers");
		break;
	case KEY_JOIN:
		conf_flag(a->conf, "join", arg, "--join");
		break;
	case KEY_LISTEN:
		set_address(a->conf, "listeners", arg, "--listen");
		break;
	case KEY_ADVERTISE:
		set_address(a->conf, "advertised.listeners", arg,
			    "--advertise");
		break;
	case KEY_HTTP:
		conf_flag(a->conf, "http.listen", arg, "--http");
		break;
	case KEY_DATA_DIR:
		conf_flag(a->conf, "log.dirs", arg, "--data-dir");
		break;
	case KEY_CHECK:
		a->check = true;
		break;
	case KEY_PRINT:
		a->print = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* One line of text after the other, with the program's name in front. */
static void print_lines(const char *what, const char *lines)
{
	while (*lines) {
		int n = (int)strcspn(lines, "\n");

		if (*lines == ' ')
			fprintf(stderr, "%.*s\n", n, lines);
		else
			fprintf(stderr, "raftmqd: %s%.*s\n", what, n, lines);
		lines += n + (lines[n] == '\n');
	}
}

static void print_config(const struct conf *c)
{
	struct buf b = { 0 };

	conf_print(c, true, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, doc,
					  NULL, NULL, NULL };
	struct arguments a = { .conf = conf_new() };
	int status = 0, rv;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	rv = conf_load(a.conf, a.file);
	print_lines("warning: ", conf_warnings(a.conf));
	print_lines("", conf_faults(a.conf));
	if (a.print)
		print_config(a.conf);
	if (rv < 0)
		status = 2;
	else if (a.check)
		printf("configuration ok\n");
	else if (!a.print)
		status = node_run(a.conf);
	conf_free(a.conf);
	return status;
}
