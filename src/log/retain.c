/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retention: what a log may forget. By time and by size whole segments from
 * the old end, as Kafka does; by number of messages exactly, by moving
 * log_start.
 *
 * 1. Nothing at or above the high watermark goes.
 * 2. Only whole files are deleted, and only below log_start: the oldest first,
 *    and never one whose successor's name is not on disk. Whatever a power cut
 *    keeps of that, what is left is a log without its beginning.
 * 3. A log whose last segment goes keeps an empty one at log_end: the next
 *    offset stays on disk.
 */
#include "log_internal.h"

/*
 * Segments that lie wholly below log_start, the oldest first, each when it is
 * on disk that the one before it went and that the one behind it came.
 */
void log_drop_below_start(struct log *l)
{
	struct segment *g;

	while (l->seg_n && !l->naming && l->seg[0]->size > 0 &&
	       l->seg[0]->next <= l->start) {
		if (l->seg_n == 1) { /* the next sweep deletes the old one */
			(void)!log_roll(l, l->end, l->store->wall_ms, &g);
			return;
		}
		if (l->seg[1]->fresh || l->unnamed) {
			store_sync_names(l); /* and then comes here again */
			return;
		}
		log_remove_segments(l, 0, 1);
		log_forget_spots(l);
		l->unnamed = true;
	}
}

void log_retain_messages(struct log *l)
{
	if (l->set.retention_messages < 0 || l->error)
		return;
	log_raise_start(l, l->hw - l->set.retention_messages);
}

static bool is_old(const struct log *l, const struct segment *g,
		   int64_t wall_ms)
{
	int64_t ts = g->max_ts >= 0 ? g->max_ts : g->created_ms;

	return l->set.retention_ms >= 0 && ts < wall_ms &&
	       wall_ms - ts > l->set.retention_ms;
}

void log_retain(struct log *l, int64_t wall_ms)
{
	int64_t start = l->start, left = l->bytes;

	if (l->error)
		return;
	if (l->set.delete_old) {
		for (int32_t i = 0; i < l->seg_n; i++) {
			struct segment *g = l->seg[i];
			bool spare = l->set.retention_bytes >= 0 &&
				     left - g->size >= l->set.retention_bytes &&
				     i + 1 < l->seg_n;

			if (!g->size || g->next > l->hw ||
			    !(spare || is_old(l, g, wall_ms)))
				break;
			left -= g->size;
			start = g->next;
		}
	}
	if (start > l->start) {
		log_raise_start(l, start);
		journal_note(l->store, l, JOURNAL_START, start, 0);
	} else {
		log_drop_below_start(l);
	}
	log_retain_messages(l);
}

/* segment.ms passed without an append: the next one begins a new segment. */
void log_roll_by_time(struct log *l, int64_t wall_ms)
{
	struct segment *g = log_active(l);
	int64_t first;

	if (!g || !g->size || l->set.segment_ms < 0)
		return;
	first = g->first_ts >= 0 ? g->first_ts : g->created_ms;
	if (first < wall_ms && wall_ms - first > l->set.segment_ms)
		l->closed = true;
}
