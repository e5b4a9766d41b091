#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test/tidy.awk over the tree, from any build directory; part of make check.
cd "${srcdir:-$(dirname "$0")/..}" || exit 1
export LC_ALL=C
find src include test deploy man -type f \( -name '*.[ch]' -o -name '*.awk' \
	-o -name '*.sh' -o -name '*.def' -o -name '*.schema' -o -name '*.py' \
	-o -name '*.[1578]' -o -name '*.md' \) ! -path '*/gen/*' \
	! -name 'gen_*' 2>/dev/null | sort |
xargs ${AWK:-awk} -f test/tidy.awk Makefile.am || exit 1
