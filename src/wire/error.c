/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error: Kafka's error codes by number. A table made from tbl/error.def; the
 * code of a row is its place in the table.
 */
#include <raftmq/wire.h>

struct row {
	const char *name;
	const char *text;
	bool retriable;
};

#define FIRST (-1)

static const struct row rows[] = {
#define ERROR(name, code, retriable, text)                                     \
	[(code) - FIRST] = { #name, text, retriable },
#include <raftmq/tbl/error.def>
#undef ERROR
};

/* A code from a newer peer may be unknown here; it stands for "unexpected". */
static const struct row *find(int16_t code)
{
	int i = code - FIRST;

	if (i < 0 || (size_t)i >= countof(rows) || !rows[i].name)
		return &rows[K_UNKNOWN_SERVER_ERROR - FIRST];
	return &rows[i];
}

const char *kerr_name(int16_t code)
{
	return find(code)->name;
}

const char *kerr_text(int16_t code)
{
	return find(code)->text;
}

bool kerr_is_retriable(int16_t code)
{
	return find(code)->retriable;
}
