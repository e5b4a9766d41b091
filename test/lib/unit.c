/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit: main() of every check binary. Runs the tests that registered
 * themselves before main, in the order of the files and of their lines.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct unit *first, **last = &first;

void unit_add(struct unit *u)
{
	*last = u;
	last = &u->next;
}

int unit_rounds(int n)
{
	const char *text = getenv("UNIT_SHORT");
	int part = text ? atoi(text) : 1;

	return part > 1 && n > part ? n / part : part > 1 ? 1 : n;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED_SLOW = 20 };
#else
enum { SANITIZED_SLOW = 1 };
#endif

int unit_slow(void)
{
	const char *text = getenv("UNIT_SLOW");
	int times = text ? atoi(text) : 1;

	return times > SANITIZED_SLOW ? times : SANITIZED_SLOW;
}

/* test/unit/base/wheel_test.c -> wheel_test; lives as long as the process */
static char *name_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *name = strdup(slash ? slash + 1 : file);

	name[strcspn(name, ".")] = '\0';
	return name;
}

int main(void)
{
	Suite *suite = suite_create(program_invocation_short_name);
	SRunner *runner = srunner_create(suite);
	const char *file = "";
	TCase *tc = NULL;
	int failed;

	for (struct unit *u = first; u; u = u->next) {
		if (strcmp(u->file, file) != 0) {
			file = u->file;
			u->name = name_of(file);
			tc = tcase_create(u->name);
			tcase_set_timeout(tc, 60);
			suite_add_tcase(suite, tc);
		}
		if (u->signal && srunner_fork_status(runner) == CK_NOFORK)
			continue;
		_tcase_add_test(tc, u->test, u->signal, 0, 0, u->times);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
