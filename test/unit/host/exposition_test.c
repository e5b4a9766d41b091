/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "exposition.h"
#include "sink.h"
#include "unit.h"

#define BYTES(text) { (const uint8_t *)(text), (int32_t)sizeof(text) - 1 }

TEST(exposition_adds_samples_of_the_same_labels)
{
	static const struct bytes parts[] = {
		BYTES("# HELP a A thing.\n# TYPE a counter\na{x=\"1\"} 2\n"
		      "a{x=\"2\"} 5\n# HELP b B\n# TYPE b gauge\nb 0.5\n"),
		BYTES("# HELP a A thing.\n# TYPE a counter\na{x=\"1\"} 3\n"
		      "# HELP b B\n# TYPE b gauge\nb 0.25\n"),
	};
	struct buf out = { 0 };

	exposition_merge(parts, 2, &out);
	ck_assert_str_eq(buf_c(&out),
			 "# HELP a A thing.\n# TYPE a counter\na{x=\"1\"} 5\n"
			 "a{x=\"2\"} 5\n# HELP b B\n# TYPE b gauge\nb 0.75\n");
	buf_fini(&out);
}

TEST(exposition_keeps_histograms_in_one_family)
{
	static const struct bytes parts[] = {
		BYTES("# HELP h H\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
		      "h_bucket{le=\"+Inf\"} 2\nh_sum 3.5\nh_count 2\n"),
		BYTES("# HELP h H\n# TYPE h histogram\nh_bucket{le=\"1\"} 0\n"
		      "h_bucket{le=\"+Inf\"} 1\nh_sum 9\nh_count 1\n"),
	};
	struct buf out = { 0 };

	exposition_merge(parts, 2, &out);
	ck_assert_str_eq(buf_c(&out),
			 "# HELP h H\n# TYPE h histogram\nh_bucket{le=\"1\"} 1"
			 "\nh_bucket{le=\"+Inf\"} 3\nh_sum 12.5\nh_count 3\n");
	buf_fini(&out);
}

TEST(sink_lets_a_line_repeat_a_few_times_and_counts_the_rest)
{
	struct buf out = { 0 };
	int passed = 0;

	for (int i = 0; i < 100; i++) {
		char line[80];

		snprintf(line, sizeof(line),
			 "level=warn comp=x msg=\"again\" n=%d", i);
		out.n = 0;
		passed += sink_format(&out, TRACE_WARN, line, 1000);
	}
	ck_assert_int_eq(passed, SINK_BURST);
	out.n = 0;
	ck_assert(sink_format(&out, TRACE_WARN,
			      "level=warn comp=x msg=\"other\"", 1000));
	out.n = 0;
	ck_assert(sink_format(&out, TRACE_WARN,
			      "level=warn comp=x msg=\"again\" n=7",
			      1000 + SINK_WINDOW_MS));
	ck_assert_ptr_nonnull(strstr(buf_c(&out), "suppressed=90"));
	buf_fini(&out);
}
