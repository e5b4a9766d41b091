/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller_version: which versions a client speaks. What a real client would
 * not mix is not mixed: topic ids need the metadata that tells them, static
 * members need all of theirs.
 */
#include "caller.h"

static const struct {
	int16_t key, min, max;
} served[] = {
#define API(key, name, snake, thread, acl, min, max, peer_only)                \
	{ key, min, max },
#include <raftmq/tbl/api.def>
#undef API
};

/* Versions 0 to 2 of Produce are advertised and not served. */
static int16_t lowest(int16_t key, int16_t min)
{
	return key == API_PRODUCE ? 3 : min;
}

static int between(struct prng *p, int most) /* 0 to most */
{
	return (int)prng_below(p, (uint64_t)most + 1);
}

static void cap(struct caller *c, enum api_key key, int16_t max)
{
	c->version[key] = min_of(c->version[key], max);
}

static void cap_by_metadata(struct caller *c)
{
	if (c->version[API_METADATA] >= 10)
		return;
	cap(c, API_PRODUCE, 12);
	cap(c, API_FETCH, 12);
	cap(c, API_OFFSET_COMMIT, 9);
	cap(c, API_OFFSET_FETCH, 9);
}

void caller_use_ids(struct caller *c)
{
	static const int16_t keys[] = { API_METADATA, API_PRODUCE, API_FETCH,
					API_DELETE_TOPICS };

	for (size_t i = 0; i < countof(served); i++)
		for (size_t k = 0; k < countof(keys); k++)
			if (served[i].key == keys[k])
				c->version[keys[k]] = served[i].max;
}

/* Half of the clients are new, some are as old as it goes. */
void caller_pick_versions(struct caller *c)
{
	struct prng *p = &c->a->prng;
	int age = (int)prng_below(p, 6);

	for (size_t i = 0; i < countof(served); i++) {
		int16_t min = lowest(served[i].key, served[i].min);
		int16_t v = served[i].max;

		if (age == 0 && c->a->c.old)
			v = min;
		else if (age <= 2)
			v = (int16_t)(min + between(p, v - min));
		c->version[served[i].key] = v;
	}
	/* before Fetch 10 zstd is refused (KIP-110) */
	if (c->a->c.codecs && c->version[API_FETCH] < 10)
		c->version[API_FETCH] = 10;
	/* ApiVersions 0 stands for a client that does not ask */
	cap_by_metadata(c);
}
