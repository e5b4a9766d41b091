/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file, from its bytes to the plan of a node: properties,
 * settings, addresses, peers. What is printed reads back to the same values.
 *
 * input: the file
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <raftmq/host.h>

#include "properties.h"

#include "fuzz.h"

size_t fuzz_memory(const uint8_t *p, size_t n)
{
	(void)p;
	/* the table of settings, and a sentence for each line that is wrong */
	return ((size_t)512 << 10) + 256 * n;
}

static int file = -1;
static char path[64];

static void make_file(void)
{
	file = memfd_create("conf", 0);
	must(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	unsetenv("RAFTMQ_CONFIG");
}

static void put_file(const uint8_t *p, size_t n)
{
	must(ftruncate(file, 0) == 0);
	must(pwrite(file, p, n, 0) == (ssize_t)n);
}

struct seen {
	int lines, entries;
};

static void note(void *ctx, int line, const char *key, const char *value)
{
	struct seen *s = ctx;

	must(line > s->lines && key && value);
	s->lines = line;
	s->entries++;
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == '\\' || *s == 0x7f ||
		    *s == '#')
			return false;
	return true;
}

/* Its own lines, as flags of another one. */
static void load_again(const struct conf *c)
{
	const struct node_settings *s = conf_settings(c), *t;
	struct conf *again = conf_new();

	for (int i = 0; i < SETTING_COUNT; i++)
		if (settings[i].scope & SETTING_NODE)
			conf_flag(again, settings[i].name, s->values[i], "-D");
	must(conf_load(again, NULL) == 0);
	t = conf_settings(again);
	for (int i = 0; i < SETTING_COUNT; i++)
		if (settings[i].scope & SETTING_NODE &&
		    is_printable(s->values[i]))
			must(!strcmp(s->values[i], t->values[i]));
	conf_free(again);
}

void fuzz_one(const uint8_t *p, size_t n)
{
	struct conf *c = conf_new();
	struct seen seen = { 0 };
	struct buf out = { 0 };
	int rc, line = 0;

	if (file < 0)
		make_file();
	put_file(p, n);
	rc = properties_parse((const char *)p, n, note, &seen, &line);
	must(rc == 0 || (rc == -EINVAL && line > seen.lines));
	rc = conf_load(c, path);
	must(rc == 0 || rc == -EINVAL);
	must((rc == 0) == !*conf_faults(c));
	conf_print(c, true, &out);
	if (rc == 0)
		load_again(c);
	buf_fini(&out);
	conf_free(c);
}
