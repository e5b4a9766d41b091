/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorded log of a cluster and the hash of its state after each command.
 * Apply is part of the data format: this test fails when it decides otherwise
 * than it did. Then either it is a mistake, or the change belongs behind a new
 * level (level.c) and gets a log of its own; a log is never made anew once a
 * release has been out. UPDATE=1 writes it.
 */
#include "chance.h"

#include <stdio.h>
#include <stdlib.h>

enum { COMMANDS = 250 };

static FILE *open_log(const char *mode)
{
	const char *top = getenv("srcdir");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/test/golden/raft/cluster-level-1.txt",
		 top ? top : ".");
	f = fopen(path, mode);
	ck_assert_msg(f != NULL, "%s", path);
	return f;
}

static void record(void)
{
	struct stage s = chance_stage(4711);
	FILE *f = open_log("w");
	struct prng p;

	prng_init(&p, 4711);
	fprintf(f, "# command in hex, hash of the state after it\n");
	for (int i = 0; i < COMMANDS; i++) {
		struct bytes command = chance_command(&s, &p);

		s.fx = (struct cluster_effects){ .arena = &s.arena };
		cluster_apply(s.c, s.c->applied + 1, command, &s.fx);
		for (int32_t k = 0; k < command.n; k++)
			fprintf(f, "%02x", command.p[k]);
		fprintf(f, " %016" PRIx64 "\n", cluster_hash(s.c));
	}
	ck_assert_int_eq(fclose(f), 0);
	stage_fini(&s);
}

static struct bytes from_hex(const char *text, uint8_t *out)
{
	struct bytes b = { out, 0 };
	unsigned byte;

	while (sscanf(text + 2 * b.n, "%2x", &byte) == 1 &&
	       text[2 * b.n] != ' ')
		out[b.n++] = (uint8_t)byte;
	return b;
}

TEST(the_log_of_level_1_is_applied_as_it_always_was)
{
	struct stage s = chance_stage(4711);
	static char line[1 << 16];
	static uint8_t command[1 << 15];
	int n = 0;
	FILE *f;

	if (getenv("UPDATE"))
		record();
	f = open_log("r");
	while (fgets(line, sizeof(line), f)) {
		char *hash = strchr(line, ' ');

		if (line[0] == '#')
			continue;
		ck_assert_ptr_nonnull(hash);
		s.fx = (struct cluster_effects){ .arena = &s.arena };
		cluster_apply(s.c, s.c->applied + 1, from_hex(line, command),
			      &s.fx);
		ck_assert_msg(strtoull(hash, NULL, 16) == cluster_hash(s.c),
			      "command %d decides otherwise than it did", n);
		n++;
	}
	fclose(f);
	ck_assert_int_eq(n, COMMANDS);
	stage_fini(&s);
}
