#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: ./configure --enable-coverage && make coverage
#
# Runs the unit tests and prints, by floor, how many lines they ran through
# (gcov), then the files below WANT per cent (90), and with SHOW=lines each line
# that was missed. cmd and host are for the tests with real daemons, too.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
ls src/*/*.gcno >/dev/null 2>&1 || {
	echo "no build for gcov: configure with --enable-coverage"
	exit 77
}
find . -name '*.gcda' -delete
export CK_TIMEOUT_MULTIPLIER=10 # nothing is optimized
make check TESTS="${UNITS:?make coverage knows them}" >coverage.log 2>&1 || {
	grep -E '^(FAIL|ERROR)|[0-9]%: Checks|:[FE]:' coverage.log
	echo "unit tests failed: coverage.log"
	exit 1
}

each_file() { # "floor file covered lines", then its missed lines: "! file:line"
	for note in $(find src -name '*.gcno'); do
		gcov -t -o "$(dirname "$note")" "$note" 2>/dev/null
	done | awk -v top="$top/" '
		function flush(    i) {
			if (name ~ /^src\// && name !~ /\/gen_/) {
				split(name, p, "/")
				print p[2], name, ran, ran + missed
				for (i = 1; i <= missed; i++)
					print "!", name ":" at[i]
			}
			name = ""
			ran = missed = 0
		}
		/^ *-: *0:Source:/ {
			flush()
			name = $0
			sub(/.*Source:/, "", name)
			if (index(name, top) == 1)
				name = substr(name, length(top) + 1)
			sub(/^(\.\.?\/)+/, "", name)
			next
		}
		{
			split($0, f, ":")
			gsub(/ /, "", f[1])
			if (f[1] ~ /^#####|^=====/)
				at[++missed] = f[2] + 0 substr($0, 17)
			else if (f[1] ~ /^[0-9]/)
				ran++
		}
		END { flush() }'
}
each_file >coverage.txt
awk -v want="${WANT:-90}" -v lines="${SHOW:-}" '
	$1 == "!" { if (lines) text[++t] = substr($0, 3); next }
	{
		n = split("base wire log replica cluster coord quorum broker" \
			" host cmd", floor, " ")
		ran[$1] += $3
		all[$1] += $4
		if ($4 && 100 * $3 / $4 < want)
			low[++l] = sprintf("  %-34s %5.1f %%", $2,
				100 * $3 / $4)
	}
	END {
		for (i = 1; i <= n; i++)
			if (all[floor[i]])
				printf "%-8s %5.1f %% of %5d lines\n", floor[i],
					100 * ran[floor[i]] / all[floor[i]],
					all[floor[i]]
		if (l)
			print "below " want " %:"
		for (i = 1; i <= l; i++)
			print low[i]
		for (i = 1; i <= t; i++)
			print text[i]
	}' coverage.txt
