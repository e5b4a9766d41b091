#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages are well formed, as mandoc understands that.
command -v mandoc >/dev/null 2>&1 || { echo "no mandoc here"; exit 77; }
bad=0
for page in "${srcdir:-.}"/man/*.[1578] man/*.[1578]; do
	[ -f "$page" ] || continue
	mandoc -T lint -W warning "$page" || bad=1
done
exit $bad
