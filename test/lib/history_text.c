/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_text: a history as lines and back. The form is in history.h; what
 * can be written can be read, and nothing else is taken.
 */
#include "history.h"

static const char *const kind_names[HISTORY_KINDS] = {
	"send", "poll",  "seek",   "crash", "commit", "fetch",
	"own",	"start", "delete", "cut",   "fault",
};
static const char *const outcome_names[HISTORY_OUTCOMES] = {
	"open",
	"ok",
	"fail",
	"info",
};
static const char *const mode_names[HISTORY_MODES] = {
	"assign",
	"subscribe",
	"final",
};
static const char *const property_names[] = {
	"memory",
	"retention",
	"compacted",
	"offline",
};

const char *history_kind_name(enum history_kind kind)
{
	return kind_names[kind];
}

const char *history_outcome_name(enum history_outcome outcome)
{
	return outcome_names[outcome];
}

/* ---- writing ------------------------------------------------------------- */

static void put_number(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_put(out, " -", 2);
	else
		buf_printf(out, " %" PRId64, v);
}

static void put_key(const struct history *h, int key, struct buf *out)
{
	const struct history_partition *p = &h->keys[key];

	buf_printf(out, " %s/%d", h->topics.text[p->topic], p->partition);
}

static void put_send(const struct history *h, const struct history_op *o,
		     struct buf *out)
{
	put_key(h, o->key, out);
	buf_printf(out, " %" PRIu64, o->send.value);
	if (o->acks < 0)
		buf_printf(out, " all");
	else
		buf_printf(out, " %d", o->acks);
	put_number(out, o->send.producer);
	put_number(out, o->send.sequence);
	buf_printf(out, " %d", o->retried);
	put_number(out, o->send.offset);
}

static void put_answer(const struct history *h, const struct history_answer *a,
		       struct buf *out)
{
	buf_put(out, " @", 2);
	put_key(h, a->key, out);
	put_number(out, a->from);
	put_number(out, a->hw);
	put_number(out, a->log_start);
	put_number(out, a->stable);
	put_number(out, a->epoch);
	for (uint32_t i = 0; i < a->n; i++) {
		const struct history_record *r = &h->records[a->first + i];

		buf_printf(out, " %" PRId64 "=%" PRIu64, r->offset, r->value);
	}
}

static void put_poll(const struct history *h, const struct history_op *o,
		     struct buf *out)
{
	buf_printf(out, " %s %s", mode_names[o->mode],
		   o->committed ? "committed" : "uncommitted");
	for (uint32_t i = 0; i < o->poll.n; i++)
		put_answer(h, &h->answers[o->poll.first + i], out);
}

static void put_at(const struct history *h, const struct history_op *o,
		   struct buf *out)
{
	if (o->kind == HISTORY_COMMIT || o->kind == HISTORY_FETCH ||
	    o->kind == HISTORY_OWN)
		buf_printf(out, " %s", h->groups.text[o->at.group]);
	if (o->kind == HISTORY_COMMIT || o->kind == HISTORY_OWN)
		put_number(out, o->at.generation);
	put_key(h, o->key, out);
	if (o->kind != HISTORY_OWN)
		put_number(out, o->at.offset);
}

void history_write_op(const struct history *h, uint32_t op, struct buf *out)
{
	const struct history_op *o = &h->ops[op];

	buf_printf(out, "%s", kind_names[o->kind]);
	put_number(out, o->process);
	buf_printf(out, " %" PRId64, o->invoked_us);
	if (o->outcome == HISTORY_OPEN)
		buf_put(out, " -", 2);
	else
		buf_printf(out, " %" PRId64, o->completed_us);
	buf_printf(out, " %s", outcome_names[o->outcome]);
	if (o->kind == HISTORY_SEND)
		put_send(h, o, out);
	else if (o->kind == HISTORY_POLL)
		put_poll(h, o, out);
	else if (o->kind == HISTORY_DELETE)
		buf_printf(out, " %s", h->topics.text[o->key]);
	else if (o->kind == HISTORY_FAULT)
		buf_printf(out, " %s", h->labels.text[o->key]);
	else if (o->kind != HISTORY_CRASH && o->kind != HISTORY_CUT)
		put_at(h, o, out);
	buf_put(out, "\n", 1);
}

void history_write(const struct history *h, struct buf *out)
{
	for (int k = 0; k < h->keys_n; k++) {
		unsigned properties = h->keys[k].properties;

		if (!properties)
			continue;
		buf_put(out, "key", 3);
		put_key(h, k, out);
		for (unsigned i = 0; i < countof(property_names); i++)
			if (properties & 1U << i)
				buf_printf(out, " %s", property_names[i]);
		buf_put(out, "\n", 1);
	}
	for (uint32_t i = 0; i < h->ops_n; i++)
		history_write_op(h, i, out);
}

/* ---- reading ------------------------------------------------------------- */

struct line {
	struct history *h;
	const char *p, *end;
	const char *why; /* sticky: the first thing that was wrong */
	/* what all operations have */
	int32_t process;
	int64_t invoked_us, completed_us;
	enum history_outcome outcome;
};

static void wrong(struct line *l, const char *why)
{
	if (!l->why)
		l->why = why;
}

static bool more(const struct line *l)
{
	return l->p < l->end;
}

/* Up to the next blank, which is taken too. */
static struct str word(struct line *l)
{
	const char *from = l->p;
	const char *blank = memchr(from, ' ', (size_t)(l->end - from));
	struct str w;

	if (!blank)
		blank = l->end;
	w = (struct str){ from, (int32_t)(blank - from) };
	l->p = blank < l->end ? blank + 1 : blank;
	if (w.n == 0)
		wrong(l, "a field is missing");
	return w;
}

static int choice(struct line *l, const char *const *names, int n)
{
	struct str w = word(l);

	for (int i = 0; i < n; i++)
		if (str_eq_c(w, names[i]))
			return i;
	wrong(l, "a word that is none of those possible");
	return 0;
}

static int64_t number_of(struct line *l, struct str w, int64_t max)
{
	int64_t v = -1;

	if (str_eq_c(w, "-"))
		return -1;
	if (!str_to_i64(w, -max, max, &v))
		wrong(l, "not a number, or out of range");
	return v;
}

static int64_t number(struct line *l)
{
	return number_of(l, word(l), INT64_MAX - 1);
}

static int32_t small_number(struct line *l)
{
	return (int32_t)number_of(l, word(l), INT32_MAX);
}

static uint64_t value_of(struct line *l, struct str w)
{
	uint64_t v = 0;

	if (w.n <= 0 || w.n > 20)
		wrong(l, "not a value");
	for (int i = 0; i < w.n; i++) {
		unsigned digit = (unsigned)(w.p[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			wrong(l, "not a value");
	}
	return v;
}

/* A name of the caller's size, terminated. */
static bool name_of(struct line *l, struct str w, char name[256])
{
	if (w.n <= 0 || w.n > 255) {
		wrong(l, "a name is missing or too long");
		return false;
	}
	memcpy(name, w.p, (size_t)w.n);
	name[w.n] = '\0';
	return true;
}

static int key_of(struct line *l)
{
	struct str w = word(l);
	const char *slash = w.n > 0 ? memrchr(w.p, '/', (size_t)w.n) : NULL;
	int64_t partition;
	char topic[256];

	if (!slash) {
		wrong(l, "not topic/partition");
		return 0;
	}
	partition = number_of(
		l,
		(struct str){ slash + 1,
			      (int32_t)(w.p + w.n - slash - 1) },
		INT32_MAX);
	if (partition < 0)
		wrong(l, "not topic/partition");
	w.n = (int32_t)(slash - w.p);
	if (!name_of(l, w, topic) || l->why)
		return 0;
	return history_key(l->h, topic, (int)partition);
}

static int group_of(struct line *l)
{
	char name[256];

	if (!name_of(l, word(l), name) || l->why)
		return 0;
	return history_group(l->h, name);
}

static void take_send(struct line *l)
{
	static const char *const acks[] = { "all", "0", "1" };
	static const char *const flag[] = { "0", "1" };
	struct history_send s = { .process = l->process, .key = key_of(l) };
	int64_t offset;
	uint32_t op;
	bool retried;

	s.value = value_of(l, word(l));
	s.acks = (int8_t)(choice(l, acks, 3) - 1);
	s.producer = number(l);
	s.sequence = number(l);
	retried = choice(l, flag, 2);
	offset = number(l);
	if (l->why)
		return;
	op = history_send(l->h, l->invoked_us, &s);
	if (retried)
		history_retried(l->h, op);
	if (l->outcome != HISTORY_OPEN)
		history_sent(l->h, op, l->outcome, offset, l->completed_us);
}

static void take_record(struct line *l, struct str w)
{
	const char *equal = memchr(w.p, '=', (size_t)w.n);
	struct str left = w, right = w;
	int64_t offset;
	uint64_t value;

	if (!equal) {
		wrong(l, "not offset=value");
		return;
	}
	left.n = (int32_t)(equal - w.p);
	right.p = equal + 1;
	right.n = w.n - left.n - 1;
	offset = number_of(l, left, INT64_MAX - 1);
	value = value_of(l, right);
	if (offset < 0)
		wrong(l, "not offset=value");
	if (!l->why)
		history_read(l->h, offset, value);
}

static void take_answer(struct line *l, uint32_t op)
{
	struct history_answer a = { .key = key_of(l) };

	a.from = number(l);
	a.hw = number(l);
	a.log_start = number(l);
	a.stable = number(l);
	a.epoch = small_number(l);
	if (!l->why)
		history_answer(l->h, op, &a);
	while (!l->why && more(l) && *l->p != '@')
		take_record(l, word(l));
}

static void take_poll(struct line *l)
{
	static const char *const levels[] = { "uncommitted", "committed" };
	enum history_mode mode = choice(l, mode_names, HISTORY_MODES);
	bool committed = choice(l, levels, 2);
	uint32_t op;

	if (l->why)
		return;
	op = history_poll(l->h, l->process, mode, committed, l->invoked_us);
	while (!l->why && more(l)) {
		if (!str_eq_c(word(l), "@"))
			wrong(l, "@ was expected");
		else
			take_answer(l, op);
	}
	if (!l->why && l->outcome != HISTORY_OPEN)
		history_polled(l->h, op, l->outcome, l->completed_us);
}

static void take_commit(struct line *l)
{
	struct history_commit c = { .process = l->process };
	uint32_t op;

	c.group = group_of(l);
	c.generation = small_number(l);
	c.key = key_of(l);
	c.offset = number(l);
	if (l->why)
		return;
	op = history_commit(l->h, l->invoked_us, &c);
	if (l->outcome != HISTORY_OPEN)
		history_committed(l->h, op, l->outcome, l->completed_us);
}

static void take_fetch(struct line *l)
{
	int group = group_of(l);
	int key = key_of(l);
	int64_t offset = number(l);
	uint32_t op;

	if (l->why)
		return;
	op = history_fetch(l->h, l->process, group, key, l->invoked_us);
	if (l->outcome != HISTORY_OPEN)
		history_fetched(l->h, op, l->outcome, offset, l->completed_us);
}

static void take_own(struct line *l)
{
	struct history_own o = { .process = l->process };

	o.group = group_of(l);
	o.generation = small_number(l);
	o.key = key_of(l);
	if (!l->why)
		history_own(l->h, l->invoked_us, &o);
}

static void take_start(struct line *l)
{
	int key = key_of(l);
	int64_t offset = number(l);
	uint32_t op;

	if (l->why)
		return;
	op = history_start(l->h, l->process, key, offset, l->invoked_us);
	if (l->outcome != HISTORY_OPEN)
		history_done(l->h, op, l->outcome, l->completed_us);
}

static void take_delete(struct line *l)
{
	char name[256];
	uint32_t op;

	if (!name_of(l, word(l), name) || l->why)
		return;
	op = history_delete(l->h, l->process, history_topic(l->h, name),
			    l->invoked_us);
	if (l->outcome != HISTORY_OPEN)
		history_done(l->h, op, l->outcome, l->completed_us);
}

static void take_seek(struct line *l)
{
	int key = key_of(l);
	int64_t offset = number(l);

	if (!l->why)
		history_seek(l->h, l->process, key, offset, l->invoked_us);
}

static void take_fault(struct line *l)
{
	struct str rest = { l->p, (int32_t)(l->end - l->p) };
	char label[256];

	l->p = l->end;
	if (name_of(l, rest, label) && !l->why)
		history_fault(l->h, label, l->invoked_us);
}

static void take_crash(struct line *l)
{
	if (!l->why && !more(l))
		history_crash(l->h, l->process, l->invoked_us);
}

static void take_cut(struct line *l)
{
	if (!l->why && !more(l))
		history_cut(l->h, l->invoked_us);
}

static void (*const takers[HISTORY_KINDS])(struct line *) = {
	take_send, take_poll,  take_seek,   take_crash, take_commit, take_fetch,
	take_own,  take_start, take_delete, take_cut,	take_fault,
};

/* What is one moment is complete at once. */
static bool is_moment(enum history_kind kind)
{
	return kind == HISTORY_SEEK || kind == HISTORY_CRASH ||
	       kind == HISTORY_OWN || kind == HISTORY_CUT ||
	       kind == HISTORY_FAULT;
}

static void take_head(struct line *l, enum history_kind kind)
{
	struct str completed;

	l->process = small_number(l);
	l->invoked_us = number(l);
	completed = word(l);
	l->completed_us = number_of(l, completed, INT64_MAX - 1);
	l->outcome = choice(l, outcome_names, HISTORY_OUTCOMES);
	if (str_eq_c(completed, "-") != (l->outcome == HISTORY_OPEN))
		wrong(l, "`-' and open go together");
	if (is_moment(kind) && (l->outcome != HISTORY_OK ||
				l->completed_us != l->invoked_us))
		wrong(l, "one moment only: completed as invoked, ok");
}

static void take_properties(struct line *l)
{
	int key = key_of(l);

	while (!l->why && more(l)) {
		int i = choice(l, property_names, countof(property_names));

		if (!l->why)
			history_set(l->h, key, 1U << i);
	}
}

bool history_read_line(struct history *h, struct str line, const char **why)
{
	struct line l = { .h = h, .p = line.p, .end = line.p + line.n };
	uint32_t ops = h->ops_n, answers = h->answers_n, records = h->records_n;

	if (line.n <= 0 || line.p[0] == '#')
		return true;
	if (str_has_prefix(line, "key ")) {
		l.p += 4;
		take_properties(&l);
	} else {
		enum history_kind kind = choice(&l, kind_names, HISTORY_KINDS);

		if (!l.why)
			take_head(&l, kind);
		if (!l.why)
			takers[kind](&l);
	}
	if (more(&l) || line.p[line.n - 1] == ' ')
		wrong(&l, "more fields than the line has");
	if (l.why) {
		h->ops_n = ops;
		h->answers_n = answers;
		h->records_n = records;
		*why = l.why;
	}
	return !l.why;
}
