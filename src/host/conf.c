/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf: settings from flags, environment, file and defaults, with the source
 * of each. Not the meaning of addresses: plan.c.
 *
 * 1. Flag over environment over file over default; a setting's own name over
 *    an alias of lower rank, within one source.
 * 2. Everything that is wrong is said at once, one line each, with its place.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "properties.h"

#define FILE_MAX ((off_t)1 << 20)

extern char **environ;

enum { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };

struct given { /* what stands for one setting so far */
	int from, rank;
};
struct flag {
	char *key, *value, *name;
};
struct conf {
	struct arena arena; /* of all texts in settings */
	struct node_settings s;
	struct given given[SETTING_COUNT];
	struct flag *flags;
	int flags_n;
	char *file;
	struct buf faults, warnings;
	struct plan plan;
};

struct conf *conf_new(void)
{
	return mem_zalloc(sizeof(struct conf));
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->flags_n; i++) {
		mem_free(c->flags[i].key);
		mem_free(c->flags[i].value);
		mem_free(c->flags[i].name);
	}
	mem_free(c->flags);
	mem_free(c->file);
	buf_fini(&c->faults);
	buf_fini(&c->warnings);
	plan_fini(&c->plan);
	arena_fini(&c->arena);
	mem_free(c);
}

void conf_flag(struct conf *c, const char *key, const char *value,
	       const char *flag)
{
	c->flags = mem_realloc(c->flags, (size_t)(c->flags_n + 1) *
						 sizeof(*c->flags));
	c->flags[c->flags_n++] = (struct flag){ mem_strdup(key),
						mem_strdup(value),
						mem_strdup(flag) };
}

/* ---- one key and its value ----------------------------------------------- */

static void put(struct conf *c, enum setting_id id, struct given g,
		const char *value, const char *source)
{
	const struct setting *s = &settings[id];
	const char *why = setting_fault(s, str_of(value), &c->arena);

	if (why) {
		buf_printf(&c->faults, "%s: %s: %s\n", source, s->name, why);
		return;
	}
	if (g.from < c->given[id].from ||
	    (g.from == c->given[id].from && g.rank > c->given[id].rank))
		return;
	c->given[id] = g;
	c->s.values[id] = arena_printf(&c->arena, "%s", value);
	c->s.sources[id] = arena_printf(&c->arena, "%s", source);
}

static void put_alias(struct conf *c, const struct setting_alias *a, int from,
		      const char *value, const char *source)
{
	struct given g = { from, a->rank };
	int64_t v;

	if (a->factor == 1) {
		put(c, a->id, g, value, source);
		return;
	}
	if (!str_to_i64(str_of(value), -1, INT64_MAX / a->factor, &v)) {
		buf_printf(&c->faults, "%s: %s: '%s' is not a number in its "
				       "range\n", source, a->name, value);
		return;
	}
	put(c, a->id, g,
	    arena_printf(&c->arena, "%" PRId64, v < 0 ? v : v * a->factor),
	    source);
}

static void put_unknown(struct conf *c, const char *key, const char *source)
{
	const struct setting *s = setting_find(str_of(key));
	const char *near, *why = setting_ignored(str_of(key));

	if (why) {
		buf_printf(&c->warnings, "%s: %s is ignored: %s\n", source, key,
			   why);
		return;
	}
	if (s) {
		buf_printf(&c->faults, "%s: %s is set per %s%s%s\n", source,
			   key, s->scope & SETTING_GROUP ? "group" : "topic",
			   s->broker_name ? "; its default for all is " : "",
			   s->broker_name ? s->broker_name : "");
		return;
	}
	near = setting_nearest(str_of(key), SETTING_NODE);
	buf_printf(&c->faults, "%s: there is no setting '%s'%s%s%s\n", source,
		   key, near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
}

static void put_key(struct conf *c, int from, const char *key,
		    const char *value, const char *source)
{
	const struct setting *s = setting_find(str_of(key));
	const struct setting_alias *a = setting_alias_find(str_of(key));

	if (s && s->scope & SETTING_NODE)
		put(c, setting_id_of(s), (struct given){ from, 0 }, value,
		    source);
	else if (a)
		put_alias(c, a, from, value, source);
	else
		put_unknown(c, key, source);
}

/* ---- sources ------------------------------------------------------------- */

static void load_defaults(struct conf *c)
{
	node_settings_preset(&c->s);
	for (int i = 0; i < SETTING_COUNT; i++)
		c->given[i] = (struct given){ FROM_DEFAULT, INT32_MAX };
}

static void load_entry(void *ctx, int line, const char *key, const char *value)
{
	struct conf *c = ctx;

	put_key(c, FROM_FILE, key, value,
		arena_printf(&c->arena, "%s:%d", c->file, line));
}

static int read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	while (n > 0 && (off_t)out->n <= FILE_MAX) {
		buf_reserve(out, 4096);
		n = read(fd, out->p + out->n, 4096);
		if (n > 0)
			out->n += (size_t)n;
	}
	close(fd);
	if ((off_t)out->n > FILE_MAX)
		return -EFBIG;
	return n < 0 ? -errno : 0;
}

static void load_file(struct conf *c)
{
	struct buf text = { 0 };
	int line = 0, rv;

	if (!c->file)
		return;
	rv = read_file(c->file, &text);
	if (rv < 0)
		buf_printf(&c->faults, "%s: cannot be read: %s\n", c->file,
			   strerror(-rv));
	else if (properties_parse((char *)text.p, text.n, load_entry, c,
				  &line) < 0)
		buf_printf(&c->faults, "%s:%d: this line is not text\n",
			   c->file, line);
	buf_fini(&text);
}

/* NODE_ID=2 -> node.id; NULL when that names nothing */
static const char *key_of_env(struct conf *c, const char *entry)
{
	struct str name = { entry, (int32_t)strcspn(entry, "=") };
	char *key = str_c(&c->arena, name);

	for (char *p = key; *p; p++) {
		if (*p == '_')
			*p = '.';
		else if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	name.p = key;
	return setting_find(name) || setting_alias_find(name) ||
	       setting_ignored(name) ? key : NULL;
}

/* Kubernetes sets RAFTMQ_PORT_9092_TCP and the like for a service's name. */
static bool is_service_link(const char *entry)
{
	size_t n = strcspn(entry, "=");

	return memmem(entry, n, "SERVICE_HOST", 12) ||
	       memmem(entry, n, "SERVICE_PORT", 12) ||
	       !strncmp(entry, "PORT=", 5) || memmem(entry, n, "_TCP", 4) ||
	       (n > 5 && !strncmp(entry + n - 5, "_PORT", 5));
}

static void load_env(struct conf *c)
{
	for (char **e = environ; *e; e++) {
		const char *entry = *e + 7, *key;
		int name_n = (int)strcspn(*e, "=");

		if (strncmp(*e, "RAFTMQ_", 7) != 0 ||
		    !strncmp(entry, "CONFIG=", 7))
			continue;
		key = key_of_env(c, entry);
		if (key)
			put_key(c, FROM_ENV, key, strchr(entry, '=') + 1,
				arena_printf(&c->arena, "env %.*s", name_n,
					     *e));
		else if (!is_service_link(entry))
			buf_printf(&c->warnings, "env: %.*s is ignored: there "
						 "is no such setting\n",
				   name_n, *e);
	}
}

static void load_flags(struct conf *c)
{
	for (int i = 0; i < c->flags_n; i++) {
		const struct flag *f = &c->flags[i];

		put_key(c, FROM_FLAG, f->key, f->value,
			arena_printf(&c->arena, "flag %s", f->name));
	}
}

/* A number may stand above another that the table cannot compare. */
static void check_together(struct conf *c)
{
	static const struct {
		enum setting_id low, high;
		int64_t factor;
	} pairs[] = {
		{ SETTING_QUORUM_HEARTBEAT_INTERVAL_MS,
		  SETTING_QUORUM_ELECTION_TIMEOUT_MS, 2 },
		{ SETTING_BROKER_HEARTBEAT_INTERVAL_MS,
		  SETTING_BROKER_SESSION_TIMEOUT_MS, 2 },
	};

	for (unsigned i = 0; i < countof(pairs); i++) {
		int64_t low = setting_number(c->s.values[pairs[i].low]);
		int64_t high = setting_number(c->s.values[pairs[i].high]);

		if (low * pairs[i].factor <= high)
			continue;
		buf_printf(&c->faults,
			   "%s: %s: %" PRId64 " must be at least twice %s "
			   "(%" PRId64 ")\n", c->s.sources[pairs[i].high],
			   settings[pairs[i].high].name, high,
			   settings[pairs[i].low].name, low);
	}
}

int conf_load(struct conf *c, const char *file)
{
	if (!file)
		file = getenv("RAFTMQ_CONFIG");
	if (file && *file && file != c->file) {
		mem_free(c->file);
		c->file = mem_strdup(file);
	}
	load_defaults(c);
	load_file(c);
	load_env(c);
	load_flags(c);
	if (c->faults.n == 0)
		check_together(c);
	if (c->faults.n == 0 &&
	    !plan_make(&c->plan, &c->s, &c->arena, &c->faults, &c->warnings))
		return -EINVAL;
	return c->faults.n ? -EINVAL : 0;
}

const char *conf_faults(const struct conf *c)
{
	return buf_c((struct buf *)&c->faults);
}

const char *conf_warnings(const struct conf *c)
{
	return buf_c((struct buf *)&c->warnings);
}

const struct node_settings *conf_settings(const struct conf *c)
{
	return &c->s;
}

const struct plan *conf_plan(const struct conf *c)
{
	return &c->plan;
}

void conf_print(const struct conf *c, bool all, struct buf *out)
{
	for (int i = 0; i < SETTING_COUNT; i++) {
		const char *value = c->s.values[i];

		if (!(settings[i].scope & SETTING_NODE))
			continue;
		if (!all && !strcmp(c->s.sources[i], "default") && !*value)
			continue;
		buf_printf(out, "%s = %s  # %s\n", settings[i].name, value,
			   c->s.sources[i]);
	}
}

struct conf *conf_again(const struct conf *c)
{
	struct conf *again = conf_new();

	for (int i = 0; i < c->flags_n; i++)
		conf_flag(again, c->flags[i].key, c->flags[i].value,
			  c->flags[i].name);
	if (conf_load(again, c->file) == 0)
		return again;
	trace_error("conf", "configuration refused", "why=\"%s\"",
		    conf_faults(again));
	conf_free(again);
	return NULL;
}
