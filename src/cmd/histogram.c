/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram: log-linear counts. It is not a metric of the broker and knows
 * neither time nor threads.
 *
 * Invariants:
 * 1. count is the sum of all slots.
 * 2. slot_of is monotonic, and slot_end(slot_of(v)) >= v, by at most v / 1024.
 */
#include <math.h>

#include "histogram.h"

#define LINEAR_BITS 11 /* values below 2^11 have a slot each */
#define HALF (1 << (LINEAR_BITS - 1))
#define VALUE_BITS 40
#define SLOTS ((1 << LINEAR_BITS) + (VALUE_BITS - LINEAR_BITS) * HALF)

static int32_t slot_of(int64_t v)
{
	int shift = 64 - __builtin_clzll((uint64_t)v | 1) - LINEAR_BITS;

	if (shift <= 0)
		return (int32_t)v;
	/* v >> shift is in [HALF, 2 * HALF) */
	return shift * HALF + (int32_t)(v >> shift);
}

/* The largest value that falls into the slot. */
static int64_t slot_end(int32_t slot)
{
	int shift = slot / HALF - 1;

	if (shift <= 0)
		return slot;
	return (((int64_t)(slot - shift * HALF) + 1) << shift) - 1;
}

void histogram_init(struct histogram *h)
{
	*h = (struct histogram){ 0 };
	h->slots = mem_zalloc(SLOTS * sizeof(*h->slots));
}

void histogram_fini(struct histogram *h)
{
	mem_free(h->slots);
	*h = (struct histogram){ 0 };
}

void histogram_reset(struct histogram *h)
{
	int64_t *slots = h->slots;

	if (h->count > 0)
		memset(slots, 0, SLOTS * sizeof(*slots));
	*h = (struct histogram){ .slots = slots };
}

void histogram_add(struct histogram *h, int64_t value, int64_t times)
{
	double v;

	assert(times >= 0);
	if (times == 0)
		return;
	value = max_of(value, 0);
	value = min_of(value, HISTOGRAM_MAX);
	h->min = h->count ? min_of(h->min, value) : value;
	h->max = max_of(h->max, value);
	h->count += times;
	v = (double)value;
	h->sum += v * (double)times;
	h->squares += v * v * (double)times;
	h->slots[slot_of(value)] += times;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	if (from->count == 0)
		return;
	to->min = to->count ? min_of(to->min, from->min) : from->min;
	to->max = max_of(to->max, from->max);
	to->count += from->count;
	to->sum += from->sum;
	to->squares += from->squares;
	for (int32_t i = 0; i < SLOTS; i++)
		to->slots[i] += from->slots[i];
}

int64_t histogram_at(const struct histogram *h, double percent)
{
	int64_t wanted, seen = 0;

	assert(percent >= 0 && percent <= 100);
	if (h->count == 0)
		return 0;
	/* the tiny slack undoes what 99.9 / 100 * 1000 adds in binary */
	wanted = (int64_t)ceil(percent / 100 * (double)h->count - 1e-6);
	wanted = max_of(wanted, 1);
	for (int32_t i = 0; i < SLOTS; i++) {
		seen += h->slots[i];
		if (seen >= wanted)
			return min_of(slot_end(i), h->max);
	}
	return h->max;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}

double histogram_deviation(const struct histogram *h)
{
	double mean = histogram_mean(h), variance;

	if (h->count == 0)
		return 0;
	variance = h->squares / (double)h->count - mean * mean;
	return variance > 0 ? sqrt(variance) : 0;
}

static void print_row(const struct histogram *h, FILE *f, int64_t value,
		      int64_t seen)
{
	double share = (double)seen / (double)h->count;

	if (seen < h->count)
		fprintf(f, "%12" PRId64 " %14.12f %10" PRId64 " %14.2f\n",
			value, share, seen, 1 / (1 - share));
	else
		fprintf(f, "%12" PRId64 " %14.12f %10" PRId64 "\n", value,
			share, seen);
}

void histogram_print(const struct histogram *h, FILE *f)
{
	double left = 1; /* share of values above the last row */
	int64_t seen = 0;

	fprintf(f, "%12s %14s %10s %14s\n\n", "Value", "Percentile",
		"TotalCount", "1/(1-Percentile)");
	for (int32_t i = 0; i < SLOTS && h->count > 0; i++) {
		double above;

		if (h->slots[i] == 0)
			continue;
		seen += h->slots[i];
		above = (double)(h->count - seen) / (double)h->count;
		/* about 20 rows for each halving of what is left */
		if (seen < h->count && above > left * 0.966)
			continue;
		left = above;
		print_row(h, f, min_of(slot_end(i), h->max), seen);
	}
	fprintf(f, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
		histogram_mean(h), histogram_deviation(h));
	fprintf(f, "#[Max     = %12" PRId64 ", Total count    = %12" PRId64
		"]\n", h->max, h->count);
}
