/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story: a plain text that is played on the world, one command a line, each
 * with what it is expected to say below a line of dashes. The language is
 * described in test/scenario/README.md.
 *
 *	story.c         files: reading, comparing, rewriting; the program
 *	story_words.c   a line as words
 *	story_world.c   nodes, network, disks, time
 *	story_wait.c    conditions
 *	story_call.c    requests and their answers
 *	story_topic.c   topics, and any request of the protocol
 *	story_text.c    its message, from text
 *	story_produce.c producers
 *	story_consume.c readers, the audit
 *	story_group.c   members of groups and what they commit
 *	story_show.c    what is, as text
 *
 * A story that cannot be understood ends the process (wrong): each is played
 * in one of its own.
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "world.h"

#define STORY_WORDS_MAX 64
#define STORY_SETTINGS_MAX 24

struct story {
	const char *path;
	int line;
	uint64_t seed; /* in place of the story's own; 0: that */
	struct arena arena; /* as long as the story */
	/* the line: words and the options among them, each taken once */
	char *words[STORY_WORDS_MAX];
	int words_n;
	struct buf out; /* what the command says */
	/* the world, made by the first command that needs it */
	struct world *w;
	struct world_config config;
	const char *settings[STORY_SETTINGS_MAX + 1];
	int settings_n;
	int64_t term; /* terms are shown relative to it */
	bool terms_shown;
	/* who is who */
	struct map producers; /* name -> struct story_producer * */
	struct map persons;   /* name -> struct story_person * */
	struct map calls;     /* name -> struct call *: begun, not ended */
	const char *begin;    /* the name under which this one begins */
	int64_t begin_us;     /* how long before the story goes on */
	struct list acked;    /* struct acked: what may not be lost */
};

_Noreturn void wrong(struct story *s, const char *fmt, ...)
	printf_like(2, 3);
void say(struct story *s, const char *fmt, ...) printf_like(2, 3);

/* ---- words (story_words.c) ----------------------------------------------- */

void words_split(struct story *s, const char *line);
/* The value of NAME=value, or absent; both are taken. */
const char *word_option(struct story *s, const char *name, const char *absent);
/* The word behind this one: "on 2". */
const char *word_after(struct story *s, const char *name, const char *absent);
bool word_flag(struct story *s, const char *name);
const char *word_next(struct story *s); /* NULL: no more */
const char *word_need(struct story *s, const char *what);
void word_is(struct story *s, const char *word); /* the next one must be */
void words_end(struct story *s);
int64_t number_of(struct story *s, const char *text);
int64_t time_of(struct story *s, const char *text); /* "500ms", "3s": us */
int node_at(struct story *s, const char *text);
/* "1,2,3" or the rest of the words; how many */
int nodes_of(struct story *s, const char *text, int out[WORLD_NODES_MAX]);
struct story_partition {
	struct str topic;
	int32_t index;
};
struct story_partition partition_at(struct story *s, const char *text);

/* ---- the world (story_world.c) ------------------------------------------- */

bool world_command(struct story *s, const char *verb);
void wait_command(struct story *s);
/* The state of the quorum leader, else of whoever has applied most. */
const struct cluster *newest_cluster(const struct story *s);
const struct coord *newest_coord(const struct story *s);
bool run_until(struct story *s, int64_t us, bool (*holds)(void *ctx),
	       void *ctx);
void pass(struct story *s, int64_t us);
/* All up, all partitions led and in sync, all high watermarks at the end. */
bool is_in_sync(void *story);

/* ---- calls (story_call.c) ------------------------------------------------ */

struct call {
	struct story *s;
	int node;
	int16_t key, version;
	struct conn *conn;
	bool answered, closed;
	uint8_t *answer;
	size_t answer_n;
	void *in; /* decoded */
	void (*tell)(struct story *s, struct call *c); /* answered */
	int64_t limit_us;
	const char *who; /* the person, the producer */
	struct str group;
	struct story_partition p;
	char **values; /* sent */
	int values_n;
	bool counts; /* acks=all: may not be lost */
	void *ctx;   /* of whoever tells */
};
/* On that node, or on "on N" of the line, by client "by cN". */
struct call *call_new(struct story *s, int16_t key, int16_t version, int node);
/* Sends, waits, tells the answer; true: there was one. */
bool call_do(struct story *s, struct call *c, const void *request);
/* The same for a line of the story, which ends here; or notes it as begun. */
void call_go(struct story *s, struct call *c, const void *request);
void call_end(struct story *s, const char *name);
bool call_is_answered(struct story *s, const char *name);
int any_node(struct story *s);          /* the quorum leader, if there is one */
int leader_node(struct story *s, struct story_partition p);
/* K_NONE: false; else says its name */
bool say_error(struct story *s, int16_t error);
bool call_finished(void *call);

/* ---- clients ------------------------------------------------------------- */

struct acked {
	struct list link;
	struct story_partition p;
	int64_t offset;
	char *value;
};
struct story_producer {
	int64_t id;
	int16_t epoch;
};
struct story_person {
	char *name, *id, *instance;
	int32_t generation;
};
bool topic_command(struct story *s, const char *verb);
bool produce_command(struct story *s, const char *verb);
bool consume_command(struct story *s, const char *verb);
bool group_command(struct story *s, const char *verb);
/* The name for a member id of the cluster. */
const char *person_named(struct story *s, struct str id);
bool show_command(struct story *s, const char *verb);
struct hosted;
struct hosted *hosted_on(struct story *s, int node, struct story_partition p);
/* "{a: 1, b: [x, y]}" as a message of that version. */
void text_to_message(struct story *s, const char *text,
		     const struct wire_type *t, int16_t version, void *object);

#endif
