/* SPDX-License-Identifier: Apache-2.0 */
/* story_words: a line as words; see story.h. A word is taken by making it
 * NULL; what is left at the end was not understood. */
#include <ctype.h>
#include <stdlib.h>

#include "story.h"

static const char *word_end(struct story *s, const char *at)
{
	int depth = 0;
	bool quoted = false;

	for (; *at && (quoted || depth || !isspace((unsigned char)*at)); at++) {
		if (*at == '"')
			quoted = !quoted;
		if (!quoted)
			depth += (*at == '{') - (*at == '}');
	}
	if (quoted || depth)
		wrong(s, "a word without an end");
	return at;
}

/* The quotes around a word go; those inside of a message stay. */
static char *plain_word(struct story *s, const char *p, size_t n)
{
	if (n >= 2 && *p == '"' && p[n - 1] == '"') {
		p++;
		n -= 2;
	}
	return arena_printf(&s->arena, "%.*s", (int)n, p);
}

void words_split(struct story *s, const char *line)
{
	s->words_n = 0;
	for (;;) {
		const char *end;

		while (isspace((unsigned char)*line))
			line++;
		if (!*line)
			return;
		if (s->words_n == STORY_WORDS_MAX)
			wrong(s, "too many words");
		end = word_end(s, line);
		s->words[s->words_n++] = plain_word(s, line,
						    (size_t)(end - line));
		line = end;
	}
}

const char *word_option(struct story *s, const char *name, const char *absent)
{
	size_t n = strlen(name);

	for (int i = 0; i < s->words_n; i++) {
		const char *word = s->words[i];

		if (!word || strncmp(word, name, n) || word[n] != '=')
			continue;
		s->words[i] = NULL;
		return word + n + 1;
	}
	return absent;
}

const char *word_after(struct story *s, const char *name, const char *absent)
{
	for (int i = 0; i + 1 < s->words_n; i++) {
		const char *value = s->words[i + 1];

		if (!s->words[i] || !value || strcmp(s->words[i], name))
			continue;
		s->words[i] = s->words[i + 1] = NULL;
		return value;
	}
	return absent;
}

bool word_flag(struct story *s, const char *name)
{
	for (int i = 0; i < s->words_n; i++)
		if (s->words[i] && !strcmp(s->words[i], name)) {
			s->words[i] = NULL;
			return true;
		}
	return false;
}

const char *word_next(struct story *s)
{
	for (int i = 0; i < s->words_n; i++) {
		const char *word = s->words[i];

		if (!word)
			continue;
		s->words[i] = NULL;
		return word;
	}
	return NULL;
}

const char *word_need(struct story *s, const char *what)
{
	const char *word = word_next(s);

	if (!word)
		wrong(s, "%s is missing", what);
	return word;
}

void word_is(struct story *s, const char *word)
{
	const char *next = word_need(s, word);

	if (strcmp(next, word))
		wrong(s, "\"%s\" where \"%s\" was expected", next, word);
}

void words_end(struct story *s)
{
	const char *word = word_next(s);

	if (word)
		wrong(s, "\"%s\" is not understood", word);
}

/* ---- what words mean ----------------------------------------------------- */

int64_t number_of(struct story *s, const char *text)
{
	int64_t v;

	if (!str_to_i64(str_of(text), INT64_MIN, INT64_MAX, &v))
		wrong(s, "\"%s\" is not a number", text);
	return v;
}

int64_t time_of(struct story *s, const char *text)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 },
		      { "m", 60000000 }, { "h", 3600000000 } };
	char *unit;
	long v = strtol(text, &unit, 10);

	for (size_t i = 0; unit != text && i < countof(units); i++)
		if (!strcmp(unit, units[i].unit))
			return v * units[i].us;
	wrong(s, "\"%s\" is not a time", text);
}

int node_at(struct story *s, const char *text)
{
	int64_t v = number_of(s, text);

	if (v < 1 || v > s->config.nodes)
		wrong(s, "there is no node %s", text);
	return (int)v;
}

int nodes_of(struct story *s, const char *text, int out[WORLD_NODES_MAX])
{
	char *copy, *at, *one;
	int n = 0;

	for (; text; text = word_next(s)) {
		at = copy = arena_printf(&s->arena, "%s", text);
		while ((one = strsep(&at, ","))) {
			if (n == WORLD_NODES_MAX)
				wrong(s, "too many nodes");
			out[n++] = node_at(s, one);
		}
	}
	if (!n)
		wrong(s, "which nodes?");
	return n;
}

struct story_partition partition_at(struct story *s, const char *text)
{
	const char *dash = strrchr(text, '-');

	if (!dash || dash == text)
		wrong(s, "\"%s\" is not TOPIC-PARTITION", text);
	return (struct story_partition){
		{ text, (int32_t)(dash - text) },
		(int32_t)number_of(s, dash + 1) };
}
