/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ApiVersions (KIP-35, KIP-511, KIP-584): what this broker serves, from
 * tbl/api.def. dispatch.c answers versions that nobody knows.
 */
#include "inside.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool is_software_name(struct str s)
{
	if (s.n < 1 || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
		return false;
	for (int32_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return true;
}

static void list_apis(struct request *rq, struct api_versions_response *out)
{
	out->api_keys = arena_alloc(&rq->arena,
				    API_KEYS * sizeof(*out->api_keys));
	for (int16_t key = 0; key < API_KEYS; key++) {
		const struct api *api = api_find(key);

		if (api && !api->peer_only)
			out->api_keys[out->api_keys_n++] =
				(struct api_versions_response_api){
					key, api->min, api->max };
	}
}

void handle_api_versions(struct broker *b, struct request *rq)
{
	const struct api_versions_request *in = rq->in;
	struct api_versions_response *out = rq->out;

	if (rq->header.version >= 3 &&
	    (!is_software_name(in->client_software_name) ||
	     !is_software_name(in->client_software_version))) {
		out->error_code = K_INVALID_REQUEST;
		broker_answer(b, rq);
		return;
	}
	list_apis(rq, out);
	broker_answer(b, rq);
}
