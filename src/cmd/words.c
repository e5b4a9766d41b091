/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: parsers of what stands on a command line. They accept one meaning or
 * none; nothing is guessed but the nearest word, and that is only offered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "words.h"

/* The first that fits counts: ms before m. */
static const struct {
	const char *name;
	int64_t ms;
} units[] = {
	{ "ms", 1 },          { "s", 1000 },       { "m", 60000 },
	{ "h", 3600000 },     { "d", 86400000 },   { "w", 604800000 },
};

static bool take_number(struct str *s, int64_t *v)
{
	int32_t n = 0;
	struct str digits;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	digits = (struct str){ s->p, n };
	if (!n || !str_to_i64(digits, 0, INT64_MAX, v))
		return false;
	*s = (struct str){ s->p + n, s->n - n };
	return true;
}

static int64_t take_unit(struct str *s)
{
	for (unsigned i = 0; i < countof(units); i++) {
		int32_t n = (int32_t)strlen(units[i].name);

		if (str_has_prefix(*s, units[i].name)) {
			*s = (struct str){ s->p + n, s->n - n };
			return units[i].ms;
		}
	}
	return 0;
}

bool duration_parse(struct str s, int64_t *ms)
{
	int64_t sum = 0, v;

	if (str_to_i64(s, 0, INT64_MAX, ms))
		return true;
	if (s.n <= 0)
		return false;
	while (s.n > 0) {
		int64_t unit;

		if (!take_number(&s, &v))
			return false;
		unit = take_unit(&s);
		if (!unit || __builtin_mul_overflow(v, unit, &v) ||
		    __builtin_add_overflow(sum, v, &sum))
			return false;
	}
	*ms = sum;
	return true;
}

/* What is left of "14:05:01.250", in milliseconds. */
static bool take_fraction(const char **p, int64_t *ms)
{
	int64_t scale = 100;

	*ms = 0;
	if (**p != '.' && **p != ',')
		return true;
	(*p)++;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
		*ms += (**p - '0') * scale;
	return true;
}

/* "", "Z", "+02:00", "-0530". *offset_s as INT64_MIN: the machine's zone. */
static bool take_zone(const char *p, int64_t *offset_s)
{
	int h, m, n = 0;
	char sign;

	*offset_s = INT64_MIN;
	if (!*p)
		return true;
	*offset_s = 0;
	if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0)
		return true;
	if ((sscanf(p, "%c%2d:%2d%n", &sign, &h, &m, &n) != 3 || p[n]) &&
	    (sscanf(p, "%c%2d%2d%n", &sign, &h, &m, &n) != 3 || p[n]))
		return false;
	if ((sign != '+' && sign != '-') || h < 0 || h > 14 || m < 0 || m > 59)
		return false;
	*offset_s = (h * INT64_C(3600) + m * INT64_C(60)) *
		    (sign == '-' ? -1 : 1);
	return true;
}

static bool is_date(const struct tm *t)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };

	return t->tm_year >= 1970 && t->tm_year < 10000 && t->tm_mon >= 1 &&
	       t->tm_mon <= 12 && t->tm_mday >= 1 &&
	       t->tm_mday <= days[t->tm_mon - 1] && t->tm_hour >= 0 &&
	       t->tm_hour < 24 && t->tm_min >= 0 && t->tm_min < 60 &&
	       t->tm_sec >= 0 && t->tm_sec < 61;
}

static bool calendar_parse(const char *p, int64_t *epoch_ms)
{
	struct tm t = { .tm_isdst = -1 };
	int64_t ms = 0, offset, seconds;
	int n = 0, more = 0;

	if (sscanf(p, "%4d-%2d-%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday,
		   &n) != 3 || n != 10)
		return false;
	p += n;
	if (*p == 'T' || *p == 't' || *p == ' ') {
		if (sscanf(++p, "%2d:%2d%n", &t.tm_hour, &t.tm_min, &more) != 2)
			return false;
		p += more;
		more = 0;
		if (*p == ':' && sscanf(p, ":%2d%n", &t.tm_sec, &more) != 1)
			return false;
		p += more;
		if (!take_fraction(&p, &ms))
			return false;
	}
	if (!take_zone(p, &offset) || !is_date(&t))
		return false;
	t.tm_year -= 1900;
	t.tm_mon--;
	seconds = offset == INT64_MIN ? mktime(&t) : timegm(&t) - offset;
	*epoch_ms = seconds * 1000 + ms;
	return true;
}

bool time_parse(struct str s, int64_t *epoch_ms)
{
	char text[64];

	if (str_to_i64(s, 0, INT64_MAX, epoch_ms))
		return true;
	if (s.n < 10 || s.n >= (int32_t)sizeof(text))
		return false;
	memcpy(text, s.p, (size_t)s.n);
	text[s.n] = '\0';
	return calendar_parse(text, epoch_ms);
}

void time_text(int64_t epoch_ms, char out[32])
{
	time_t s = epoch_ms / 1000;
	struct tm t;
	size_t n;

	out[0] = '\0';
	if (epoch_ms < 0 || !gmtime_r(&s, &t))
		return;
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &t);
	if (n)
		snprintf(out + n, 32 - n, ".%03dZ", (int)(epoch_ms % 1000));
}

static bool shift_parse(const char *s, int64_t now_ms, struct position *out)
{
	struct str rest = str_of(s + 1);
	int64_t v;

	if (str_to_i64(rest, 0, INT64_MAX, &v)) {
		out->kind = POSITION_SHIFT;
		out->value = *s == '-' ? -v : v;
		return true;
	}
	if (*s != '-' || !duration_parse(rest, &v))
		return false;
	out->kind = POSITION_TIME;
	out->value = max_of(now_ms - v, 0);
	return true;
}

bool position_parse(const char *s, int64_t now_ms, struct position *out)
{
	*out = (struct position){ .kind = POSITION_START };
	if (strcmp(s, "start") == 0 || strcmp(s, "beginning") == 0)
		return true;
	out->kind = POSITION_END;
	if (strcmp(s, "end") == 0)
		return true;
	if (*s == '@') {
		out->kind = POSITION_TIME;
		return time_parse(str_of(s + 1), &out->value);
	}
	if (*s == '-' || *s == '+')
		return shift_parse(s, now_ms, out);
	if (strncmp(s, "file:", 5) == 0) {
		out->kind = POSITION_FILE;
		out->path = s + 5;
		return s[5] != '\0';
	}
	out->kind = POSITION_OFFSET;
	return str_to_i64(str_of(s), 0, INT64_MAX, &out->value);
}

bool place_parse(const char *s, struct place *out)
{
	const char *colon = strrchr(s, ':');
	const char *at = colon ? strchr(colon, '@') : NULL;
	int64_t partition;

	*out = (struct place){ str_of(s), -1, -1 };
	if (colon) {
		struct str p = str_of(colon + 1);

		if (at)
			p.n = (int32_t)(at - colon - 1);
		if (!str_to_i64(p, 0, INT32_MAX, &partition))
			return false;
		out->partition = (int32_t)partition;
		out->topic.n = (int32_t)(colon - s);
	}
	if (at && !str_to_i64(str_of(at + 1), 0, INT64_MAX, &out->offset))
		return false;
	return out->topic.n > 0;
}

void pair_parse(const char *s, struct str *key, struct str *value)
{
	const char *eq = strchr(s, '=');

	*key = str_of(s);
	*value = STR_NULL;
	if (eq) {
		key->n = (int32_t)(eq - s);
		*value = str_of(eq + 1);
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int unescape(const char *s, struct buf *out)
{
	static const char from[] = "ntr0\\", to[] = "\n\t\r\0\\";

	for (; *s; s++) {
		const char *known;

		if (*s != '\\') {
			buf_put_u8(out, (uint8_t)*s);
			continue;
		}
		s++;
		known = *s ? strchr(from, *s) : NULL;
		if (known) {
			buf_put_u8(out, (uint8_t)to[known - from]);
		} else if (*s == 'x' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			buf_put_u8(out, (uint8_t)(hex(s[1]) << 4 | hex(s[2])));
			s += 2;
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

uint32_t murmur2(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t m = 0x5bd1e995, h = 0x9747b28c ^ (uint32_t)n;

	for (; n >= 4; p += 4, n -= 4) {
		uint32_t k;

		memcpy(&k, p, 4);
		k = le32toh(k) * m;
		k = (k ^ k >> 24) * m;
		h = h * m ^ k;
	}
	if (n >= 3)
		h ^= (uint32_t)p[2] << 16;
	if (n >= 2)
		h ^= (uint32_t)p[1] << 8;
	if (n >= 1)
		h = (h ^ p[0]) * m;
	h = (h ^ h >> 13) * m;
	return h ^ h >> 15;
}

int32_t key_partition(struct bytes key, int32_t n)
{
	assert(n > 0);
	return (int32_t)((murmur2(key.p, (size_t)key.n) & INT32_MAX) %
			 (uint32_t)n);
}

const char *nearest_word(const char *typed, const char *const *words, int n)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(typed) / 3 + 2;

	for (int i = 0; i < n; i++) {
		unsigned d = str_distance(typed, words[i], least);
		size_t len = strlen(typed);

		/* a beginning is near, however much is missing */
		if (len >= 2 && strncmp(typed, words[i], len) == 0)
			d = 1;
		if (d < least) {
			least = d;
			best = words[i];
		}
	}
	return best;
}
