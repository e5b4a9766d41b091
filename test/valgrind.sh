#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: make valgrind			(every unit test, in a build directory)
#        make valgrind UNITS="unit-base unit-wire"
#
# The unit tests under valgrind: no invalid access, no decision on bytes that
# were never written, no block that is lost. Where tests repeat themselves they
# do a tenth of the rounds (UNIT_SHORT). Each test is a process of its own, as
# always; an error makes it exit with 9, which fails it.
set -u
command -v valgrind >/dev/null 2>&1 || { echo "no valgrind here"; exit 77; }
export CK_TIMEOUT_MULTIPLIER=50 UNIT_SLOW=50 UNIT_SHORT="${UNIT_SHORT:-10}"
export srcdir="${srcdir:-$(cd "$(dirname "$0")/.." && pwd)}"
out=${VALGRIND_OUT:-$PWD/valgrind-out}
mkdir -p "$out"
one() { # UNIT
	begin=$(date +%s)
	# what is only reachable at the end is the process's to give back
	valgrind --quiet --error-exitcode=9 --leak-check=full \
		--show-leak-kinds=definite,indirect --num-callers=20 \
		--errors-for-leak-kinds=definite,indirect \
		--suppressions="$srcdir/test/valgrind.supp" \
		"./$1" >"$out/$1.txt" 2>&1
	code=$?
	printf '%-14s %s, %d s\n' "$1" \
		"$(sed -n 's/^100%: //p' "$out/$1.txt")" \
		$(($(date +%s) - begin))
	[ $code = 0 ] || grep -E '^==|:[FE]:' "$out/$1.txt" | head -n 60
	return $code
}
[ "${1:-}" = --one ] && { one "$2"; exit; }
for unit in ${UNITS:-unit-*}; do
	[ ! -x "$unit" ] || echo "$unit"
done | xargs -P "$(nproc)" -n 1 sh "$0" --one
[ $? = 0 ] || exit 1
