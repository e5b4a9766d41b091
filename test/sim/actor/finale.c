/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finale: one reader for each topic that is there, from the start of all its
 * partitions to their end. A partition is at its end once its leader has said
 * for a while that there is nothing more below the high watermark.
 */
#include "consumer.h"

#include <stdio.h>

#define IDLE_MS 1500

struct finale_reader {
	struct caller caller;
	struct intake in;
};

struct finale {
	struct actors *a;
	bool done;
	int n;
	struct finale_reader *readers[TOPICS_MAX];
};

static struct finale_reader *reader_new(struct actors *a, int topic, int actor)
{
	struct finale_reader *r = mem_zalloc(sizeof(*r));

	caller_init(&r->caller, a, "final", topic);
	if (a->topics[topic].again)
		caller_use_ids(&r->caller);
	r->caller.timeout_ms = min_of(r->caller.timeout_ms, 5000);
	intake_init(&r->in, &r->caller, actor, HISTORY_FINAL);
	r->in.part_bytes = 1 << 20;
	caller_watch(&r->caller);
	for (int p = 0; p < a->topics[topic].partitions; p++) {
		if (a->topics[topic].offline[p])
			continue;
		intake_add(&r->in, topic, p, SEEK_EARLIEST);
		a->n.final_partitions++;
	}
	intake_pump(&r->in);
	return r;
}

struct finale *finale_new(struct actors *a)
{
	struct finale *f = mem_zalloc(sizeof(*f));
	int actor = a->c.producers + a->c.plain + a->c.consumers +
		    a->c.groups * a->c.members;

	f->a = a;
	for (int t = 0; t < a->topics_n; t++)
		if (a->topics[t].there)
			f->readers[f->n++] = reader_new(a, t, actor + 1);
	return f;
}

static bool part_is_done(const struct intake_part *p)
{
	return p->state == PART_READY && p->hw >= 0 && p->position >= p->hw &&
	       p->idle_ms &&
	       p->idle_ms + IDLE_MS <= cast_now_ms(p->in->a);
}

static const struct intake_part *not_done(const struct finale *f)
{
	for (int i = 0; i < f->n; i++)
		for (int k = 0; k < f->readers[i]->in.parts_n; k++)
			if (!part_is_done(f->readers[i]->in.parts[k]))
				return f->readers[i]->in.parts[k];
	return NULL;
}

bool finale_is_done(struct finale *f)
{
	if (f->done)
		return true;
	if (not_done(f))
		return false;
	f->done = true;
	for (int i = 0; i < f->n; i++) {
		intake_conclude(&f->readers[i]->in);
		caller_quiet(&f->readers[i]->caller);
	}
	return true;
}

const char *finale_waits(const struct finale *f, char *out, size_t n)
{
	const struct intake_part *p = not_done(f);

	if (!p)
		return NULL;
	snprintf(out, n, "final read of %s-%d at %" PRId64 " of %" PRId64
			 " (state %d)",
		 f->a->topics[p->topic].name, p->partition, p->position, p->hw,
		 (int)p->state);
	return out;
}

void finale_free(struct finale *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++) {
		caller_fini(&f->readers[i]->caller);
		intake_fini(&f->readers[i]->in);
		mem_free(f->readers[i]);
	}
	mem_free(f);
}
