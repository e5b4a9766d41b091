/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epochs: where each leader epoch began in one log (KIP-101, KIP-279).
 *
 * 1. Epochs and starts both grow strictly: an epoch without a record gives
 *    way to the next one that begins at the same offset.
 */
#include "log_internal.h"

void epochs_fini(struct epochs *e)
{
	mem_free(e->v);
	memset(e, 0, sizeof(*e));
}

void epochs_begin(struct epochs *e, int32_t epoch, int64_t start)
{
	if (epoch < 0)
		return;
	while (e->n && (e->v[e->n - 1].epoch > epoch ||
			e->v[e->n - 1].start >= start)) {
		if (e->v[e->n - 1].epoch == epoch &&
		    e->v[e->n - 1].start == start)
			return;
		e->n--;
	}
	if (e->n && e->v[e->n - 1].epoch == epoch)
		return; /* it has begun before */
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 2;
		e->v = mem_realloc(e->v, (size_t)e->cap * sizeof(*e->v));
	}
	e->v[e->n++] = (struct epoch){ epoch, start };
}

void epochs_cut_end(struct epochs *e, int64_t offset)
{
	while (e->n && e->v[e->n - 1].start >= offset)
		e->n--;
}

/* The epoch that offset lies in begins there now; older ones are forgotten. */
void epochs_cut_start(struct epochs *e, int64_t offset)
{
	int32_t k = 0;

	while (k + 1 < e->n && e->v[k + 1].start <= offset)
		k++;
	if (k) {
		e->n -= k;
		memmove(e->v, e->v + k, (size_t)e->n * sizeof(*e->v));
	}
	if (e->n && e->v[0].start < offset)
		e->v[0].start = offset;
}

int32_t log_last_epoch(const struct log *l)
{
	return l->epochs.n ? l->epochs.v[l->epochs.n - 1].epoch : -1;
}

int32_t log_epoch_at(const struct log *l, int64_t offset)
{
	for (int32_t i = l->epochs.n - 1; i >= 0; i--)
		if (l->epochs.v[i].start <= offset)
			return l->epochs.v[i].epoch;
	return -1;
}

void log_epoch_end(const struct log *l, int32_t epoch, int32_t *epoch_out,
		   int64_t *end_out)
{
	const struct epochs *e = &l->epochs;
	int32_t i = 0;

	*epoch_out = -1;
	*end_out = -1;
	if (epoch < 0 || !e->n || epoch > e->v[e->n - 1].epoch)
		return;
	if (epoch == e->v[e->n - 1].epoch) {
		*epoch_out = epoch;
		*end_out = l->end;
		return;
	}
	while (e->v[i].epoch <= epoch) /* ends: the last epoch is higher */
		i++;
	*epoch_out = i ? e->v[i - 1].epoch : epoch;
	*end_out = e->v[i].start;
}

void log_begin_epoch(struct log *l, int32_t epoch)
{
	if (epoch <= log_last_epoch(l) || l->error)
		return;
	epochs_begin(&l->epochs, epoch, l->end);
	if (l->set.durable)
		journal_note(l->store, l, JOURNAL_EPOCH, epoch, l->end);
}
