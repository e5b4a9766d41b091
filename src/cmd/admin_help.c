/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_help: help, completion and the nearest word, all from the table.
 */
#include "admin.h"

#define WIDTH 22 /* of the column of words */

const struct noun *noun_find(const char *word)
{
	for (const struct noun *n = admin_nouns; n->name; n++)
		if (strcmp(n->name, word) == 0 ||
		    (n->alias && strcmp(n->alias, word) == 0))
			return n;
	return NULL;
}

/* What people type elsewhere for the same. */
static const char *plain(const char *word)
{
	static const char *const same[][2] = {
		{ "ls", "list" },        { "info", "describe" },
		{ "desc", "describe" },  { "rm", "delete" },
		{ "show", "describe" },  { "trim-prefix", "trim" },
	};

	for (unsigned i = 0; i < countof(same); i++)
		if (strcmp(word, same[i][0]) == 0)
			return same[i][1];
	return word;
}

const struct verb *verb_find(const char *noun, const char *word)
{
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		if (strcmp(v->noun, noun) != 0)
			continue;
		if (!word || !v->name) {
			if (!word && !v->name)
				return v;
			continue;
		}
		if (strcmp(v->name, word) == 0 ||
		    strcmp(v->name, plain(word)) == 0)
			return v;
	}
	return NULL;
}

const char *noun_nearest(const char *word)
{
	const char *words[64];
	int n = 0;

	for (const struct noun *i = admin_nouns; i->name && n < 64; i++)
		words[n++] = i->name;
	return nearest_word(word, words, n);
}

const char *verb_nearest(const char *noun, const char *word)
{
	const char *words[64];
	int n = 0;

	for (const struct verb *v = admin_verbs; v->noun && n < 64; v++)
		if (v->name && strcmp(v->noun, noun) == 0)
			words[n++] = v->name;
	return nearest_word(word, words, n);
}

/* ---- help ---------------------------------------------------------------- */

static void print_flags(FILE *f, const struct flag *flags)
{
	for (const struct flag *g = flags; g && g->name; g++) {
		char words[80];
		int n = 0;

		n = g->letter ? snprintf(words, sizeof(words), "-%c, ",
					 g->letter) :
				snprintf(words, sizeof(words), "    ");
		snprintf(words + n, sizeof(words) - (size_t)n, "--%s%s%s",
			 g->name, g->arg ? " " : "", g->arg ? g->arg : "");
		if (strlen(words) > WIDTH + 10)
			fprintf(f, "  %s\n  %-*s  %s\n", words, WIDTH + 10, "",
				g->doc);
		else
			fprintf(f, "  %-*s  %s\n", WIDTH + 10, words, g->doc);
	}
}

static void print_verbs(FILE *f, const char *noun)
{
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		char words[120];

		if (strcmp(v->noun, noun) != 0 || !v->name)
			continue;
		snprintf(words, sizeof(words), "%s %s", v->name, v->args);
		if (strlen(words) > WIDTH + 10)
			fprintf(f, "  %s\n  %-*s  %s\n", words, WIDTH + 10, "",
				v->doc);
		else
			fprintf(f, "  %-*s  %s\n", WIDTH + 10, words, v->doc);
	}
}

static void print_verb_names(FILE *f, const char *noun)
{
	const char *between = "";

	for (const struct verb *v = admin_verbs; v->noun; v++) {
		if (strcmp(v->noun, noun) != 0 || !v->name)
			continue;
		fprintf(f, "%s%s", between, v->name);
		between = " | ";
	}
}

void help_usage(FILE *f)
{
	fprintf(f, "usage: raftmq-admin [FLAG...] NOUN VERB [ARGUMENT...]\n\n");
	for (const struct noun *n = admin_nouns; n->name; n++) {
		fprintf(f, "  %-12s", n->name);
		if (verb_find(n->name, NULL))
			fprintf(f, "%s", n->doc);
		else
			print_verb_names(f, n->name);
		fputc('\n', f);
	}
	fprintf(f, "\nFlags may stand anywhere:\n");
	print_flags(f, admin_flags);
	fprintf(f, "\nraftmq-admin help NOUN [VERB] says more, and so does "
		   "raftmq-admin(1).\n");
}

void help_noun(FILE *f, const char *noun)
{
	const struct noun *n = noun_find(noun);

	fprintf(f, "usage: raftmq-admin %s VERB [ARGUMENT...]\n", n->name);
	if (n->alias)
		fprintf(f, "       raftmq-admin %s VERB [ARGUMENT...]\n",
			n->alias);
	fprintf(f, "\n%s: %s\n\n", n->name, n->doc);
	print_verbs(f, n->name);
}

void help_verb(FILE *f, const struct verb *v)
{
	fprintf(f, "usage: raftmq-admin %s%s%s%s%s%s\n\n  %s\n", v->noun,
		v->name ? " " : "", v->name ? v->name : "",
		*v->args ? " " : "", v->args,
		v->flags ? " [FLAG...]" : "", v->doc);
	if (v->flags) {
		fputc('\n', f);
		print_flags(f, v->flags);
	}
	fprintf(f, "\nFlags of all commands:\n");
	print_flags(f, admin_flags);
}

void help_print(struct admin *a)
{
	const struct noun *n;
	const struct verb *v;
	const char *near;

	if (a->args_n == 0) {
		help_usage(stdout);
		return;
	}
	n = noun_find(a->args[0]);
	if (!n) {
		near = noun_nearest(a->args[0]);
		admin_usage(a, "no noun %s%s%s", a->args[0],
			    near ? "; did you mean " : "", near ? near : "");
		return;
	}
	v = verb_find(n->name, a->args_n > 1 ? a->args[1] : NULL);
	if (v) {
		help_verb(stdout, v);
	} else if (a->args_n == 1) {
		help_noun(stdout, n->name);
	} else {
		near = verb_nearest(n->name, a->args[1]);
		admin_usage(a, "no verb %s %s%s%s", n->name, a->args[1],
			    near ? "; did you mean " : "", near ? near : "");
	}
}

void version_print(struct admin *a)
{
	static const struct column columns[] = {
		{ "VERSION", "version", CELL_TEXT },
	};

	if (a->out.format == OUT_TABLE) {
		printf("raftmq-admin %s\n", PACKAGE_VERSION);
		return;
	}
	row_begin(out_section(&a->out, "program", columns));
	cell_text(&a->out.sections[0], PACKAGE_VERSION);
}

/* ---- completion ---------------------------------------------------------- */

static void put_words(FILE *f, const struct flag *flags)
{
	for (const struct flag *g = flags; g && g->name; g++)
		fprintf(f, " --%s", g->name);
}

static void put_verbs(FILE *f, const char *noun)
{
	for (const struct verb *v = admin_verbs; v->noun; v++)
		if (v->name && strcmp(v->noun, noun) == 0)
			fprintf(f, " %s", v->name);
}

static void put_nouns(FILE *f)
{
	for (const struct noun *n = admin_nouns; n->name; n++)
		fprintf(f, " %s", n->name);
}

/* What comes third: names the cluster knows. */
static const char *names_of(const struct verb *v)
{
	if (strncmp(v->args, "TOPIC", 5) == 0 ||
	    strncmp(v->args, "[TOPIC", 6) == 0)
		return "topic";
	if (strncmp(v->args, "GROUP", 5) == 0 ||
	    strncmp(v->args, "[GROUP", 6) == 0)
		return "group";
	return NULL;
}

static void complete_bash(FILE *f)
{
	fprintf(f,
		"_raftmq_admin() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} noun= verb= words= w i\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tw=${COMP_WORDS[i]}\n"
		"\t\tcase $w in -b | -o | --timeout) ((i++)); continue;; "
		"-*) continue;; esac\n"
		"\t\tif [ -z \"$noun\" ]; then noun=$w\n"
		"\t\telif [ -z \"$verb\" ]; then verb=$w; fi\n"
		"\tdone\n"
		"\tcase \"$noun $verb\" in\n\t' ') words='");
	put_nouns(f);
	put_words(f, admin_flags);
	fprintf(f, "';;\n");
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		const char *names = names_of(v);

		if (!v->name)
			continue;
		fprintf(f, "\t'%s %s') words='", v->noun, v->name);
		put_words(f, v->flags);
		fprintf(f, "'");
		if (names)
			fprintf(f, "\" $(raftmq-admin -o tsv --no-headers "
				"--timeout 1s %s list 2>/dev/null | cut -f1)\"",
				names);
		fprintf(f, ";;\n");
	}
	for (const struct noun *n = admin_nouns; n->name; n++) {
		fprintf(f, "\t'%s ') words='", n->name);
		put_verbs(f, n->name);
		fprintf(f, "';;\n");
	}
	fprintf(f, "\tesac\n"
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		"}\n"
		"complete -F _raftmq_admin raftmq-admin\n");
}

/* zsh runs bash's, through its own compatibility layer. */
static void complete_zsh(FILE *f)
{
	fprintf(f, "autoload -U +X compinit && compinit\n"
		"autoload -U +X bashcompinit && bashcompinit\n");
	complete_bash(f);
}

static void put_quoted(FILE *f, const char *s)
{
	fputc('\'', f);
	for (; *s; s++)
		if (*s == '\'' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	fputc('\'', f);
}

static void complete_fish_flags(FILE *f, const struct flag *flags,
				const char *when)
{
	for (const struct flag *g = flags; g && g->name; g++) {
		fprintf(f, "complete -c raftmq-admin%s -l %s%s -d ", when,
			g->name, g->arg ? " -r" : "");
		put_quoted(f, g->doc);
		fputc('\n', f);
	}
}

static void complete_fish(FILE *f)
{
	fprintf(f, "complete -c raftmq-admin -f\n");
	complete_fish_flags(f, admin_flags, "");
	for (const struct noun *n = admin_nouns; n->name; n++) {
		fprintf(f, "complete -c raftmq-admin -n __fish_use_subcommand "
			"-a %s -d ", n->name);
		put_quoted(f, n->doc);
		fputc('\n', f);
	}
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		char when[160];

		if (!v->name)
			continue;
		fprintf(f, "complete -c raftmq-admin -n "
			"'__fish_seen_subcommand_from %s' -a %s -d ",
			v->noun, v->name);
		put_quoted(f, v->doc);
		fputc('\n', f);
		snprintf(when, sizeof(when),
			 " -n '__fish_seen_subcommand_from %s; and "
			 "__fish_seen_subcommand_from %s'", v->noun, v->name);
		complete_fish_flags(f, v->flags, when);
	}
}

void completion_print(struct admin *a)
{
	switch (a->verb->name[0]) {
	case 'b':
		complete_bash(stdout);
		break;
	case 'z':
		complete_zsh(stdout);
		break;
	default:
		complete_fish(stdout);
		break;
	}
}
