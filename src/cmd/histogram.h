/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram: how often each value was seen, to three significant digits.
 *
 * Log-linear, as in HdrHistogram: values below 2,048 have a slot each, and
 * every doubling above is cut into 1,024 slots of equal width, so that a slot
 * is never wider than 1/1024 of its values. Adding is a few instructions and
 * never allocates; two histograms merge without loss.
 *
 * The unit is the caller's business (raftmq-bench: microseconds).
 */
#ifndef RAFTMQ_CMD_HISTOGRAM_H
#define RAFTMQ_CMD_HISTOGRAM_H

#include <stdio.h>

#include <raftmq/base.h>

/* Larger values count as this one: 2^40 - 1, twelve days in microseconds. */
#define HISTOGRAM_MAX ((INT64_C(1) << 40) - 1)

struct histogram {
	int64_t count;
	int64_t min, max; /* exact; 0 when empty */
	double sum, squares;
	int64_t *slots;
};

void histogram_init(struct histogram *h);
void histogram_fini(struct histogram *h);
void histogram_reset(struct histogram *h);
/* Negative values count as 0. */
void histogram_add(struct histogram *h, int64_t value, int64_t times);
void histogram_merge(struct histogram *to, const struct histogram *from);
/*
 * The smallest value that percent of all values do not exceed; the upper end
 * of its slot, but never more than max. 0 when empty; percent in [0, 100].
 */
int64_t histogram_at(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h);
double histogram_deviation(const struct histogram *h);
/*
 * The distribution as text in the columns that HdrHistogram's plotters read:
 * value, share of values up to it, how many, 1 / (1 - share).
 */
void histogram_print(const struct histogram *h, FILE *f);

#endif
