/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raftmq-scenario: plays stories and compares what they say with what they
 * are expected to say; see story.h and test/scenario/README.md.
 *
 *	raftmq-scenario                 all of test/scenario
 *	raftmq-scenario FILE...         these
 *	  -r, --rewrite                 what they say becomes what is expected
 *	  -s, --seed N                  with another seed
 *	  -v, --verbose                 with all lines of the nodes on stderr
 *
 * Exit status: 0, or 1 if a story failed, or 2 if the command is wrong.
 */
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "story.h"

struct script {
	char *text, *at; /* the file; the next line */
	int line;
	bool rewrite, loud;
	uint64_t seed; /* 0: as the story says */
	struct buf again; /* the file as it should be */
	int differences;
};

void wrong(struct story *s, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", s->path, s->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

void say(struct story *s, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&s->out, "%s", text);
}

/* ---- one command --------------------------------------------------------- */

/* "cluster 3 seed=1 shards=1 clients=1" */
static void cluster(struct story *s)
{
	if (s->w || s->config.nodes)
		wrong(s, "one cluster is enough");
	s->config.nodes = (int)number_of(s, word_need(s, "how many"));
	s->config.seed = (uint64_t)number_of(s, word_option(s, "seed", "1"));
	if (s->seed)
		s->config.seed = s->seed;
	s->config.shards = (int)number_of(s, word_option(s, "shards", "1"));
	s->config.clients = (int)number_of(s, word_option(s, "clients", "2"));
	s->settings[s->settings_n++] = "auto.create.topics.enable=false";
	s->settings[s->settings_n++] = "auto.leader.rebalance.enable=false";
	words_end(s);
}

static void set(struct story *s)
{
	if (s->w)
		wrong(s, "settings come before all else");
	for (const char *word; (word = word_next(s));) {
		const char *is = strchr(word, '=');

		if (s->settings_n == STORY_SETTINGS_MAX)
			wrong(s, "too many settings");
		if (!is || !setting_find((struct str){
				   word, (int32_t)(is - word) }))
			wrong(s, "no setting: %s", word);
		s->settings[s->settings_n++] = word;
	}
}

static void make_world(struct story *s)
{
	if (s->w)
		return;
	if (!s->config.nodes)
		wrong(s, "a story begins with a cluster");
	s->config.settings = s->settings;
	s->w = world_new(&s->config);
}

/* "unacknowledged p": in whatever way it failed. */
static void end_without(struct story *s)
{
	call_end(s, word_need(s, "a name"));
	if (strncmp(buf_c(&s->out), "offset", 6) != 0)
		s->out.n = 0;
}

static void act(struct story *s, const char *verb)
{
	if (!strcmp(verb, "wait"))
		wait_command(s);
	else if (!strcmp(verb, "end"))
		call_end(s, word_need(s, "a name"));
	else if (!strcmp(verb, "unacknowledged"))
		end_without(s);
	else if (!world_command(s, verb) && !topic_command(s, verb) &&
		 !produce_command(s, verb) && !consume_command(s, verb) &&
		 !group_command(s, verb) && !show_command(s, verb))
		wrong(s, "\"%s\" is no command", verb);
}

/* "repeat 50 commit ..": what it says the last time. */
static void repeat(struct story *s)
{
	int64_t times = number_of(s, word_need(s, "how often"));
	const char *verb = word_need(s, "a command");
	char *words[STORY_WORDS_MAX];

	memcpy(words, s->words, sizeof(words));
	for (int64_t i = 0; i < times; i++) {
		memcpy(s->words, words, sizeof(words));
		s->out.n = 0;
		act(s, verb);
	}
}

/* "begin NAME [for 500us] ..": goes on so long after it was sent. */
static void begin(struct story *s)
{
	const char *time;

	s->begin = word_need(s, "a name");
	time = word_after(s, "for", "20ms");
	s->begin_us = time_of(s, time);
	act(s, word_need(s, "a command"));
}

static void command(struct story *s, const char *line)
{
	const char *verb;

	words_split(s, line);
	verb = word_need(s, "a command");
	s->begin = NULL;
	if (!strcmp(verb, "cluster")) {
		cluster(s);
		return;
	}
	if (!strcmp(verb, "set")) {
		set(s);
		return;
	}
	make_world(s);
	if (!strcmp(verb, "begin"))
		begin(s);
	else if (!strcmp(verb, "repeat"))
		repeat(s);
	else
		act(s, verb);
}

/* ---- the script ---------------------------------------------------------- */

/* The next line without its end; NULL: no more. */
static char *next_line(struct script *c)
{
	char *line = c->at, *end;

	if (!*line)
		return NULL;
	end = strchrnul(line, '\n');
	c->at = *end ? end + 1 : end;
	*end = '\0';
	c->line++;
	return line;
}

static bool is_dashes(const char *at)
{
	return !strncmp(at, "----\n", 5);
}

/* What stands below the dashes, up to an empty line. */
static void read_expected(struct script *c, struct buf *out)
{
	char *line;

	if (!is_dashes(c->at))
		return;
	(void)next_line(c);
	while ((line = next_line(c)) && *line)
		buf_printf(out, "%s\n", line);
}

static void print_lines(char mark, struct buf *b)
{
	const char *at = buf_c(b), *end;

	for (; (end = strchr(at, '\n')); at = end + 1)
		printf("    %c %.*s\n", mark, (int)(end - at), at);
}

static void compare(struct script *c, struct story *s, const char *line)
{
	struct buf expected = { 0 };

	read_expected(c, &expected);
	buf_printf(&c->again, "%s\n", line);
	if (s->out.n)
		buf_printf(&c->again, "----\n%s\n", buf_c(&s->out));
	else if (expected.n)
		buf_printf(&c->again, "\n");
	if (strcmp(buf_c(&expected), buf_c(&s->out))) {
		c->differences++;
		if (!c->rewrite) {
			printf("%s:%d: %s\n", s->path, s->line, line);
			print_lines('-', &expected);
			print_lines('+', &s->out);
		}
	}
	buf_fini(&expected);
}

static void play_line(struct script *c, struct story *s, const char *line)
{
	s->out.n = 0;
	s->line = c->line;
	if (!*line || *line == '#') {
		buf_printf(&c->again, "%s\n", line);
		return;
	}
	command(s, line);
	if (s->w && world_verdict(s->w))
		say(s, "VIOLATION: %s\n", world_verdict(s->w));
	compare(c, s, line);
}

static char *read_file(struct story *s)
{
	FILE *f = fopen(s->path, "r");
	struct buf text = { 0 };
	size_t n;

	if (!f) {
		perror(s->path);
		exit(2);
	}
	do {
		buf_reserve(&text, 65536);
		n = fread(text.p + text.n, 1, 65536, f);
		text.n += n;
	} while (n);
	fclose(f);
	buf_c(&text);
	return (char *)text.p;
}

static void write_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(b->p, 1, b->n, f) != b->n || fclose(f)) {
		perror(path);
		exit(2);
	}
}

static void forget(struct story *s)
{
	if (s->w)
		world_free(s->w);
	map_fini(&s->producers);
	map_fini(&s->persons);
	map_fini(&s->calls);
	buf_fini(&s->out);
	arena_fini(&s->arena);
}

static int play(const char *path, struct script *c)
{
	struct story s = { .path = path, .seed = c->seed,
			   .config = { .loud = c->loud } };
	char *line;

	list_init(&s.acked);
	c->text = c->at = read_file(&s);
	while ((line = next_line(c)) &&
	       !(s.w && world_verdict(s.w) && !c->rewrite))
		play_line(c, &s, line);
	if (c->rewrite && c->differences)
		write_file(path, &c->again);
	forget(&s);
	mem_free(c->text);
	buf_fini(&c->again);
	return c->differences && !c->rewrite;
}

/* ---- all of them --------------------------------------------------------- */

/* In a process of its own: an assertion there ends one story. */
static bool play_apart(const char *path, struct script c)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exit(play(path, &c));
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("raftmq-scenario");
		exit(2);
	}
	if (WIFSIGNALED(status))
		printf("%s: signal %d (%s)\n", path, WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	return status == 0;
}

static int play_all(char *const *paths, size_t n, struct script c)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += !play_apart(paths[i], c);
	printf("%zu stories, %zu failed\n", n, failed);
	return failed > 0;
}

static int play_default(struct script c)
{
	glob_t g;
	int rc;

	if (glob(SCENARIOS "/*.scn", 0, NULL, &g)) {
		fprintf(stderr, "no stories in " SCENARIOS "\n");
		return 2;
	}
	rc = play_all(g.gl_pathv, g.gl_pathc, c);
	globfree(&g);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rewrite", 0, NULL, 'r' }, { "seed", 1, NULL, 's' },
		{ "verbose", 0, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	struct script c = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "rs:v", options, NULL)) >= 0)
		if (option == 'r')
			c.rewrite = true;
		else if (option == 's')
			c.seed = strtoull(optarg, NULL, 0);
		else if (option == 'v')
			c.loud = true;
		else
			return 2;
	if (optind == argc)
		return play_default(c);
	return play_all(argv + optind, (size_t)(argc - optind), c);
}
