/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: strings as loans. Never an owner (str_heap and str_c make copies that
 * have one), and no characters: bytes throughout.
 *
 * 1. n == -1 is null, and null differs from empty.
 */
#include <stdio.h>

#include <raftmq/base.h>

struct str str_of(const char *terminated)
{
	size_t n;

	if (!terminated)
		return STR_NULL;
	n = strlen(terminated);
	assert(n <= INT32_MAX);
	return (struct str){ terminated, (int32_t)n };
}

static bool same(const char *a, const char *b, int32_t n)
{
	return n <= 0 || memcmp(a, b, (size_t)n) == 0;
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && same(a.p, b.p, a.n);
}

bool str_eq_c(struct str a, const char *terminated)
{
	return str_eq(a, str_of(terminated));
}

int str_cmp(struct str a, struct str b)
{
	int32_t n = min_of(a.n, b.n);
	int diff = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;

	if (diff)
		return diff;
	return (a.n > b.n) - (a.n < b.n);
}

bool str_has_prefix(struct str s, const char *prefix)
{
	struct str p = str_of(prefix);

	return s.n >= p.n && same(s.p, p.p, p.n);
}

struct str str_dup(struct arena *a, struct str s)
{
	if (s.n < 0)
		return STR_NULL;
	return (struct str){ str_c(a, s), s.n };
}

char *str_c(struct arena *a, struct str s)
{
	size_t n = s.n > 0 ? (size_t)s.n : 0;
	char *text = arena_alloc(a, n + 1);

	if (n)
		memcpy(text, s.p, n);
	text[n] = '\0';
	return text;
}

char *str_heap(struct str s)
{
	size_t n = s.n > 0 ? (size_t)s.n : 0;
	char *text = mem_alloc(n + 1);

	if (n)
		memcpy(text, s.p, n);
	text[n] = '\0';
	return text;
}

struct str str_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	text = arena_alloc(a, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct str){ text, n };
}

bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	int64_t v = 0;

	if (s.n <= minus)
		return false;
	/* negative throughout: INT64_MIN has no positive twin */
	for (int32_t i = minus; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9)
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return false;
	}
	if (!minus && __builtin_sub_overflow((int64_t)0, v, &v))
		return false;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
	enum { LOOKED_AT = 64 };
	unsigned row[LOOKED_AT + 1];
	size_t an = strnlen(a, LOOKED_AT), bn = strnlen(b, LOOKED_AT);

	limit = min_of(limit, LOOKED_AT + 1U);
	if (max_of(an, bn) - min_of(an, bn) >= limit)
		return limit;
	for (unsigned j = 0; j < countof(row); j++)
		row[j] = j;
	for (unsigned i = 1; i <= an; i++) {
		/* farther from the diagonal nothing is below the limit */
		unsigned from = i < limit ? 1 : i - limit + 1;
		unsigned to = min_of((unsigned)bn, i + limit - 1);
		unsigned diagonal = row[from - 1], least = i;

		row[from - 1] = i;
		for (unsigned j = from; j <= to; j++) {
			unsigned up = row[j];
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned step = min_of(up, row[j - 1]) + 1;

			row[j] = min_of(change, step);
			least = min_of(least, row[j]);
			diagonal = up;
		}
		if (least >= limit) /* no later row has less */
			return limit;
	}
	return min_of(row[bn], limit);
}
