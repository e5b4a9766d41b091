/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict: runs the parts of the judge (verdict_internal.h) and words what
 * they find.
 */
#include "verdict_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_US (60 * 1000000LL) /* after a fault, for outages */

static const char *const error_names[VERDICT_ERRORS] = {
	"duplicate",
	"inconsistent-offsets",
	"lost-write",
	"unseen",
	"G1a",
	"phantom",
	"int-poll-skip",
	"poll-skip",
	"int-nonmonotonic-poll",
	"nonmonotonic-poll",
	"nonmonotonic-send",
	"above-end",
	"hw-back",
	"start-back",
	"start-jump",
	"commit-back",
	"commit-phantom",
	"commit-beyond",
	"commit-fenced",
	"two-owners",
	"bad-history",
};

const char *verdict_error_name(enum verdict_error e)
{
	return error_names[e];
}

/* ---- words --------------------------------------------------------------- */

bool told(struct judge *j, enum verdict_error e, int key)
{
	j->v->violations++;
	if (j->v->errors[e]++ >= j->lines_max)
		return false;
	tell(j, "%s", error_names[e]);
	if (key >= 0)
		tell(j, " %s/%d", j->h->topics.text[j->h->keys[key].topic],
		     j->h->keys[key].partition);
	tell(j, ": ");
	return true;
}

void tell(struct judge *j, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_put(&j->v->lines, text,
			min_of((size_t)n, sizeof(text) - 1));
}

static void tell_send(struct judge *j, const struct history_op *o)
{
	if (o->acks < 0)
		tell(j, ", acks=all");
	else
		tell(j, ", acks=%d", o->acks);
	if (o->send.producer >= 0)
		tell(j, ", producer %" PRId64 " sequence %" PRId64,
		     o->send.producer, o->send.sequence);
	if (o->retried)
		tell(j, ", retried");
	if (o->send.offset >= 0)
		tell(j, ", offset %" PRId64, o->send.offset);
}

void tell_op(struct judge *j, const char *before, uint32_t op)
{
	const struct history_op *o = &j->h->ops[op];

	tell(j, "%s %s #%u of process %d (%" PRId64 "-", before,
	     o->kind == HISTORY_POLL && o->mode == HISTORY_FINAL ?
		     "final read" :
		     history_kind_name(o->kind),
	     op, o->process, o->invoked_us);
	if (o->outcome != HISTORY_OPEN)
		tell(j, "%" PRId64, o->completed_us);
	tell(j, " us, %s", history_outcome_name(o->outcome));
	if (o->kind == HISTORY_SEND)
		tell_send(j, o);
	if (o->kind == HISTORY_COMMIT)
		tell(j, ", offset %" PRId64, o->at.offset);
	if (o->kind == HISTORY_COMMIT || o->kind == HISTORY_OWN)
		tell(j, ", generation %d", o->at.generation);
	tell(j, ")");
}

void told_end(struct judge *j)
{
	buf_put(&j->v->lines, "\n", 1);
}

/* ---- the verdict --------------------------------------------------------- */

static void check_rules(struct judge *j)
{
	for (uint32_t i = 0; i < j->h->ops_n; i++) {
		const struct history_op *o = &j->h->ops[i];

		if (o->completed_us >= o->invoked_us ||
		    !told(j, VERDICT_BAD_HISTORY, -1))
			continue;
		tell(j, "completed before it was invoked:");
		tell_op(j, "", i);
		told_end(j);
	}
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure_outages(struct judge *j)
{
	const struct history *h = j->h;
	struct verdict *v = j->v;
	int64_t *at, *out;
	int n = 0;

	for (uint32_t i = 0; i < h->ops_n; i++)
		n += h->ops[i].kind == HISTORY_CUT ||
		     h->ops[i].kind == HISTORY_FAULT;
	v->outages_n = n;
	if (n == 0)
		return;
	at = mem_alloc((size_t)n * sizeof(*at));
	out = mem_alloc((size_t)n * sizeof(*out));
	n = 0;
	for (uint32_t i = 0; i < h->ops_n; i++)
		if (h->ops[i].kind == HISTORY_CUT ||
		    h->ops[i].kind == HISTORY_FAULT)
			at[n++] = h->ops[i].invoked_us;
	qsort(at, (size_t)n, sizeof(*at), by_time);
	history_outages(h, -1, at, n, WINDOW_US, out);
	v->outage_p50_us = history_percentile(out, n, 50);
	v->outage_p99_us = history_percentile(out, n, 99);
	v->outage_max_us = history_percentile(out, n, 100);
	mem_free(at);
	mem_free(out);
}

void verdict_judge(const struct history *h, unsigned lines_max,
		   struct verdict *v)
{
	struct judge j = { .h = h, .v = v, .lines_max = lines_max };

	*v = (struct verdict){ .ops = h->ops_n, .records = h->records_n };
	check_rules(&j);
	lanes_make(&j);
	log_make(&j);
	polls_judge(&j);
	loss_judge(&j);
	group_judge(&j);
	order_judge(&j);
	log_free(&j);
	lanes_free(&j);
	v->gap_worst_us = history_gap(h, -1, &v->gap_key);
	measure_outages(&j);
}

void verdict_fini(struct verdict *v)
{
	buf_fini(&v->lines);
	*v = (struct verdict){ 0 };
}

/* ---- as text, as JSON ---------------------------------------------------- */

void verdict_print(const struct verdict *v, const struct history *h,
		   struct buf *out)
{
	buf_put(out, v->lines.p, v->lines.n);
	for (int e = 0; e < VERDICT_ERRORS; e++)
		if (v->errors[e])
			buf_printf(out, "%8" PRIu64 " %s\n", v->errors[e],
				   error_names[e]);
	buf_printf(out,
		   "%s: %" PRIu64 " operations, sends %" PRIu64 " ok %" PRIu64
		   " failed %" PRIu64 " unknown, %" PRIu64
		   " values read, %" PRIu64 " polls, %" PRIu64
		   " records, %" PRIu64 " final reads\n",
		   v->violations ? "INVALID" : "valid", v->ops,
		   v->sends[HISTORY_OK], v->sends[HISTORY_FAIL],
		   v->sends[HISTORY_INFO] + v->sends[HISTORY_OPEN],
		   v->values_read, v->polls, v->records, v->final_reads);
	buf_printf(out,
		   "legal: %" PRIu64 " duplicates, %" PRIu64
		   " lost with acks 0 or 1, %" PRIu64 " stale polls (by at "
		   "most %" PRId64 " us), %" PRIu64 " operations unjudged\n",
		   v->duplicates, v->lost, v->stale, v->stale_worst_us,
		   v->unjudged);
	buf_printf(out, "worst lag %" PRId64 " us", v->lag_worst_us);
	if (v->lag_worst_us > 0)
		buf_printf(out, " (poll #%u)", v->lag_op);
	if (v->gap_key >= 0)
		buf_printf(out,
			   ", longest gap between acknowledgements %" PRId64
			   " us (%s/%d)",
			   v->gap_worst_us,
			   h->topics.text[h->keys[v->gap_key].topic],
			   h->keys[v->gap_key].partition);
	if (v->outages_n)
		buf_printf(out,
			   ", after %d faults p50 %" PRId64 " p99 %" PRId64
			   " max %" PRId64 " us",
			   v->outages_n, v->outage_p50_us, v->outage_p99_us,
			   v->outage_max_us);
	buf_put(out, "\n", 1);
}

/* Lines have names in them, which may be anything but control characters. */
static void json_string(struct buf *out, const char *p, size_t n)
{
	buf_put(out, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			buf_put(out, "\\", 1);
		buf_put(out, &p[i], 1);
	}
	buf_put(out, "\"", 1);
}

static void json_lines(const struct verdict *v, struct buf *out)
{
	const char *p = (const char *)v->lines.p;
	const char *end = p + v->lines.n;

	buf_printf(out, "\"lines\":[");
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		if (p > (const char *)v->lines.p)
			buf_put(out, ",", 1);
		json_string(out, p, (size_t)(newline - p));
		p = newline + 1;
	}
	buf_put(out, "]", 1);
}

static void json_numbers(const struct verdict *v, struct buf *out)
{
	const struct {
		const char *name;
		int64_t n;
	} all[] = {
		{ "ops", (int64_t)v->ops },
		{ "sends_ok", (int64_t)v->sends[HISTORY_OK] },
		{ "sends_fail", (int64_t)v->sends[HISTORY_FAIL] },
		{ "sends_info", (int64_t)(v->sends[HISTORY_INFO] +
					  v->sends[HISTORY_OPEN]) },
		{ "polls", (int64_t)v->polls },
		{ "records", (int64_t)v->records },
		{ "final_reads", (int64_t)v->final_reads },
		{ "values_read", (int64_t)v->values_read },
		{ "legal_duplicates", (int64_t)v->duplicates },
		{ "legal_lost", (int64_t)v->lost },
		{ "unjudged", (int64_t)v->unjudged },
		{ "stale", (int64_t)v->stale },
		{ "stale_worst_us", v->stale_worst_us },
		{ "lag_worst_us", v->lag_worst_us },
		{ "gap_worst_us", v->gap_worst_us },
		{ "outages", v->outages_n },
		{ "outage_p50_us", v->outage_p50_us },
		{ "outage_p99_us", v->outage_p99_us },
		{ "outage_max_us", v->outage_max_us },
	};

	for (unsigned i = 0; i < countof(all); i++)
		buf_printf(out, "\"%s\":%" PRId64 ",", all[i].name, all[i].n);
}

void verdict_json(const struct verdict *v, struct buf *out)
{
	const char *comma = "";

	buf_printf(out, "{\"valid\":%s,\"violations\":%" PRIu64 ",\"errors\":{",
		   v->violations ? "false" : "true", v->violations);
	for (int e = 0; e < VERDICT_ERRORS; e++) {
		if (!v->errors[e])
			continue;
		buf_printf(out, "%s\"%s\":%" PRIu64, comma, error_names[e],
			   v->errors[e]);
		comma = ",";
	}
	buf_printf(out, "},");
	json_numbers(v, out);
	json_lines(v, out);
	buf_printf(out, "}\n");
}
