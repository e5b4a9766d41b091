/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden: finds test/golden from the top of the sources, from a directory of
 * builds in it, or by $srcdir, which make check sets.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "golden.h"
#include "unit.h"

static const char *find_root(void)
{
	static char at[4096];
	const char *places[] = { getenv("srcdir"), ".", "..", "../.." };

	for (size_t i = 0; i < countof(places); i++) {
		if (!places[i])
			continue;
		snprintf(at, sizeof(at), "%s/test/golden", places[i]);
		if (access(at, X_OK) == 0)
			return at;
	}
	ck_abort_msg("no test/golden: set srcdir to the top of the sources");
	return NULL;
}

void golden_read(const char *path, struct buf *out)
{
	char name[8192];
	FILE *f;
	size_t n;

	snprintf(name, sizeof(name), "%s/%s", find_root(), path);
	f = fopen(name, "rb");
	ck_assert_msg(f != NULL, "%s: %s", name, strerror(errno));
	do {
		buf_reserve(out, 65536);
		n = fread(out->p + out->n, 1, 65536, f);
		out->n += n;
	} while (n);
	ck_assert_int_eq(ferror(f), 0);
	fclose(f);
}

void golden_list(const char *dir, const char *ending,
		 void (*each)(const char *path))
{
	char name[8192], path[1024];
	struct dirent **found;
	int n;

	snprintf(name, sizeof(name), "%s/%s", find_root(), dir);
	n = scandir(name, &found, NULL, alphasort);
	ck_assert_msg(n >= 0, "%s: %s", name, strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *at = found[i]->d_name;
		size_t len = strlen(at), tail = strlen(ending);

		if (len >= tail && strcmp(at + len - tail, ending) == 0) {
			snprintf(path, sizeof(path), "%s/%s", dir, at);
			each(path);
		}
		free(found[i]);
	}
	free(found);
}
