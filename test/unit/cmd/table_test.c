/* SPDX-License-Identifier: Apache-2.0 */
/* The table of nouns and verbs: in itself, and against the manual page. */
#include <stdlib.h>

#include "admin.h"
#include "unit.h"

static char *page;

static void load_page(void)
{
	FILE *f = fopen(MAN "/raftmq-admin.1", "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	page = mem_zalloc(1 << 18);
	n = fread(page, 1, (1 << 18) - 1, f);
	ck_assert_uint_lt(n, (1 << 18) - 1);
	fclose(f);
}

TEST(every_noun_has_verbs_and_every_verb_its_noun)
{
	for (const struct noun *n = admin_nouns; n->name; n++) {
		int verbs = 0;

		for (const struct verb *v = admin_verbs; v->noun; v++)
			verbs += strcmp(v->noun, n->name) == 0;
		ck_assert_msg(verbs > 0, "%s", n->name);
	}
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		ck_assert_msg(noun_find(v->noun) != NULL, "%s", v->noun);
		ck_assert_ptr_eq(verb_find(v->noun, v->name), v);
		ck_assert_ptr_nonnull(v->run);
	}
}

TEST(short_names_are_unique)
{
	for (const struct noun *n = admin_nouns; n->name; n++)
		for (const struct noun *m = n + 1; m->name; m++)
			ck_assert_msg(!n->alias || !m->alias ||
				      strcmp(n->alias, m->alias) != 0,
				      "%s %s", n->name, m->name);
}

static void differ(const struct flag *f, const struct flag *g,
		   const struct verb *v)
{
	ck_assert_msg(strcmp(f->name, g->name) != 0, "%s %s --%s", v->noun,
		      v->name, f->name);
	ck_assert_msg(!f->letter || f->letter != g->letter, "%s %s -%c",
		      v->noun, v->name, f->letter);
}

TEST(a_verb_has_no_flag_twice)
{
	for (const struct verb *v = admin_verbs; v->noun; v++)
		for (const struct flag *f = v->flags; f && f->name; f++) {
			for (const struct flag *g = f + 1; g->name; g++)
				differ(f, g, v);
			for (const struct flag *g = admin_flags; g->name; g++)
				differ(f, g, v);
		}
}

TEST(words_of_other_tools_are_understood)
{
	ck_assert_str_eq(verb_find("topic", "ls")->name, "list");
	ck_assert_str_eq(verb_find("topic", "info")->name, "describe");
	ck_assert_str_eq(verb_find("topic", "rm")->name, "delete");
	ck_assert_str_eq(noun_find("t")->name, "topic");
	ck_assert_ptr_null(verb_find("topic", "health"));
	ck_assert_str_eq(noun_nearest("topics"), "topic");
	ck_assert_str_eq(verb_nearest("group", "descirbe"), "describe");
}

/* mdoc writes --dry-run as "Fl -dry-run" and group list as "Ic group list". */
static void stands_in_page(const char *macro, const char *a, const char *b)
{
	char text[160];

	snprintf(text, sizeof(text), "%s%s%s%s", macro, a, b ? " " : "",
		 b ? b : "");
	ck_assert_msg(strstr(page, text) != NULL, "no `%s' in the page", text);
}

TEST(the_manual_page_has_every_verb_and_every_flag)
{
	load_page();
	for (const struct verb *v = admin_verbs; v->noun; v++) {
		stands_in_page("Ic ", v->noun, v->name);
		for (const struct flag *f = v->flags; f && f->name; f++)
			stands_in_page("Fl -", f->name, NULL);
	}
	for (const struct flag *f = admin_flags; f->name; f++)
		stands_in_page("Fl -", f->name, NULL);
	mem_free(page);
}
