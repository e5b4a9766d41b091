/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_common: what every command of raftmq-admin does: ask the cluster, say
 * what went wrong, look at its flags, have the user agree.
 *
 * 1. An error goes to stderr as one sentence, into the document, and into the
 *    exit code, all three.
 */
#include <time.h>
#include <unistd.h>

#include "admin.h"

/* ---- what went wrong ----------------------------------------------------- */

void admin_set_status(struct admin *a, int status)
{
	if (a->status == EXIT_OK || status == EXIT_INTERRUPTED)
		a->status = status;
	else if (a->status != status && a->status != EXIT_INTERRUPTED)
		a->status = EXIT_FAILED;
}

static void complain(struct admin *a, const char *code, const char *about,
		     const char *text)
{
	fflush(stdout);
	if (about)
		fprintf(stderr, "raftmq-admin: %s: %s\n", about, text);
	else
		fprintf(stderr, "raftmq-admin: %s\n", text);
	if (a->out.doc)
		out_error(&a->out, code, about, text);
}

void admin_fail(struct admin *a, int status, const char *code,
		const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain(a, code, NULL, text);
	admin_set_status(a, status);
}

void admin_usage(struct admin *a, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain(a, "USAGE", NULL, text);
	admin_set_status(a, EXIT_USAGE);
}

static int status_of(int16_t kerr)
{
	switch (kerr) {
	case K_TOPIC_AUTHORIZATION_FAILED:
	case K_GROUP_AUTHORIZATION_FAILED:
	case K_CLUSTER_AUTHORIZATION_FAILED:
	case K_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
	case K_SASL_AUTHENTICATION_FAILED:
		return EXIT_DENIED;
	case K_UNKNOWN_TOPIC_OR_PARTITION:
	case K_UNKNOWN_TOPIC_ID:
	case K_GROUP_ID_NOT_FOUND:
	case K_RESOURCE_NOT_FOUND:
	case K_BROKER_ID_NOT_REGISTERED:
		return EXIT_MISSING;
	case K_REQUEST_TIMED_OUT:
		return EXIT_CONNECT;
	default:
		return EXIT_FAILED;
	}
}

void admin_refused(struct admin *a, int16_t kerr, struct str about,
		   struct str message)
{
	char *what = str_heap(about);
	char *why = message.n > 0 ? str_heap(message) :
				    mem_strdup(kerr_text(kerr));

	complain(a, kerr_name(kerr), about.n > 0 ? what : NULL, why);
	admin_set_status(a, status_of(kerr));
	mem_free(what);
	mem_free(why);
}

void admin_note(const struct admin *a, const char *fmt, ...)
{
	va_list ap;

	if (a->quiet)
		return;
	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const char *admin_done(const struct admin *a, const char *done,
		       const char *would)
{
	return a->dry_run ? would : done;
}

/* ---- what was typed ------------------------------------------------------ */

const char *admin_value_at(const struct admin *a, const char *flag, int i)
{
	for (int n = 0; n < a->given_n; n++)
		if (strcmp(a->given[n].flag->name, flag) == 0 && i-- == 0)
			return a->given[n].value ? a->given[n].value : "";
	return NULL;
}

const char *admin_value(const struct admin *a, const char *flag)
{
	const char *last = NULL, *v;

	for (int i = 0; (v = admin_value_at(a, flag, i)); i++)
		last = v;
	return last;
}

bool admin_has(const struct admin *a, const char *flag)
{
	return admin_value_at(a, flag, 0) != NULL;
}

bool admin_number(struct admin *a, const char *flag, int64_t min, int64_t max,
		  int64_t *out)
{
	const char *v = admin_value(a, flag);

	if (!v || str_to_i64(str_of(v), min, max, out))
		return true;
	admin_usage(a, "--%s %s: a number from %" PRId64 " to %" PRId64
		    " is wanted", flag, v, min, max);
	return false;
}

bool admin_places(struct admin *a, struct place *out)
{
	for (int i = 0; i < a->args_n; i++) {
		if (place_parse(a->args[i], &out[i]))
			continue;
		admin_usage(a, "%s: %s is wanted", a->args[i], a->verb->args);
		return false;
	}
	return true;
}

bool admin_position(struct admin *a, const char *flag, struct position *out)
{
	const char *v = admin_value(a, flag);

	if (!v || position_parse(v, admin_wall_ms(), out))
		return true;
	admin_usage(a, "--%s %s: start, end, OFFSET, +N, -N, @TIME or -TIME is "
		    "wanted", flag, v);
	return false;
}

int64_t admin_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- asking -------------------------------------------------------------- */

struct client *admin_client(struct admin *a)
{
	struct client_options o = {
		.bootstrap = a->bootstrap,
		.client_id = "raftmq-admin",
		.timeout_ms = a->timeout_ms,
		.verbose = a->verbose,
	};

	if (!a->client)
		a->client = client_new(&o);
	return a->client;
}

void admin_client_failed(struct admin *a)
{
	int16_t kerr = client_kerr(a->client);
	const char *why = client_error(a->client);

	if (client_interrupted)
		admin_set_status(a, EXIT_INTERRUPTED);
	else if (kerr)
		admin_fail(a, status_of(kerr), kerr_name(kerr), "%s", why);
	else
		admin_fail(a, EXIT_CONNECT, "CONNECT", "%s", why);
}

bool admin_call(struct admin *a, struct client_target to, int16_t key,
		const void *request, void *response)
{
	int err = client_call(admin_client(a), to, key, request, response);

	if (err == -EOPNOTSUPP)
		admin_fail(a, EXIT_FAILED, "UNSUPPORTED_VERSION", "%s",
			   client_error(a->client));
	else if (err)
		admin_client_failed(a);
	return !err;
}

bool admin_metadata(struct admin *a, const struct str *topics, int32_t n,
		    struct metadata_response *out)
{
	if (client_metadata(admin_client(a), topics, n, out)) {
		admin_client_failed(a);
		return false;
	}
	for (int32_t i = 0; i < out->topics_n; i++)
		if (out->topics[i].error_code &&
		    out->topics[i].error_code != K_LEADER_NOT_AVAILABLE)
			admin_refused(a, out->topics[i].error_code,
				      out->topics[i].name, STR_NULL);
	return true;
}

bool admin_confirm(struct admin *a, const char *name, const char *loss)
{
	char line[512];

	if (a->dry_run)
		return false;
	if (a->yes)
		return true;
	fflush(stdout);
	fprintf(stderr, "%s\n", loss);
	if (!isatty(STDIN_FILENO)) {
		admin_usage(a, "there is no terminal to ask at: -y says that "
			    "it is wanted");
		return false;
	}
	fprintf(stderr, "Type %s to go on: ", name);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (strcmp(line, name) == 0)
		return true;
	admin_fail(a, EXIT_FAILED, "NOT_CONFIRMED", "nothing was changed");
	return false;
}
