/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judged: see judged.h.
 */
#include "judged.h"

void history_of(struct history *h, const char *text)
{
	history_init(h);
	while (*text) {
		size_t n = strcspn(text, "\n");
		const char *why = NULL;

		if (!history_read_line(h, (struct str){ text, (int32_t)n },
				       &why))
			ck_abort_msg("%.*s: %s", (int)n, text, why);
		text += n + (text[n] == '\n');
	}
}

void expect_verdict(const struct verdict *v, int error, const char *about)
{
	struct buf lines = { 0 };

	buf_put(&lines, v->lines.p, v->lines.n);
	for (int e = 0; e < VERDICT_ERRORS; e++)
		if ((v->errors[e] > 0) != (e == error))
			ck_abort_msg("%s: %" PRIu64 " %s, expected %s\n%s%s",
				     about, v->errors[e],
				     verdict_error_name(e),
				     error < 0 ? "none" :
						 verdict_error_name(error),
				     buf_c(&lines), "");
	ck_assert_int_eq(v->violations > 0, error != VALID);
	buf_fini(&lines);
}

struct verdict judged(const char *text, int error)
{
	struct history h;
	struct verdict v;

	history_of(&h, text);
	verdict_judge(&h, 16, &v);
	expect_verdict(&v, error, text);
	history_fini(&h);
	return v;
}

void expect(const char *text, int error)
{
	struct verdict v = judged(text, error);

	verdict_fini(&v);
}
