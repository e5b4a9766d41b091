#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first command of the README does what it promises.
. "${0%/*}/../lib/system.sh"
need kcat
sh "$top/deploy/quickstart.sh" >"$dir/out" 2>&1 || fail "status $?" "$dir/out"
cat "$dir/out"
grep -q '0 lost, 0 doubled, in order' "$dir/out" || fail "no count of records"
