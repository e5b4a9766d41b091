#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: make analyse			(all of it, in a build directory)
#        make analyse TOOLS="cppcheck gcc" FILES="src/log/log.c src/log/scan.c"
#
# Static analysis of src and include: clang-tidy (.clang-tidy says what for),
# the analyzer of clang (what scan-build calls), gcc -fanalyzer, cppcheck.
# Prints one line per tool, and every finding; 0: there is none, 77: there is
# no tool. A finding is mended, or it is wrong and stands below, or beside the
# line it is about (NOLINT, cppcheck-suppress), with the reason.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)

# tool file check how-many reason
known() {
	cat <<'END'
gcc src/base/map.c -Wanalyzer-malloc-leak 2 the hash table holds the node
gcc src/log/replay.c -Wanalyzer-use-of-uninitialized-value 2 read_at() fills it
END
}

# What is on in cppcheck, and off:
#   readdirCalled     readdir is safe with a stream per caller; readdir_r is
#                     deprecated
run_cppcheck() { # FILE...
	cat >"$out/raftmq.cfg" <<'END'
<?xml version="1.0"?>
<def format="2">
  <function name="fatal">
    <noreturn>true</noreturn><arg nr="1"/><arg nr="variadic"/>
  </function>
  <define name="json_array_foreach(a, i, v)"
    value="for (i = 0; i &lt; json_array_size(a) &amp;&amp; (v = json_array_get(a, i)); i++)"/>
</def>
END
	eval "set -- \"\$@\" $ANALYSE_FLAGS"
	for flag; do # the headers of libraries would only take time
		shift
		case $flag in -I/usr/* | -U*) ;; *) set -- "$@" "$flag" ;; esac
	done
	cppcheck -j"$jobs" --quiet --std=c11 --library="$out/raftmq.cfg" \
		--enable=warning,performance,portability --inline-suppr \
		--suppress=readdirCalled --max-configs=1 \
		--template='{file}:{line}: {message} [{id}]' \
		-D__linux__ -D__x86_64__ "$@" >"$out/cppcheck.txt" 2>&1
}

# One file, its output beside the others'.
one() { # TOOL FILE
	log=$out/$1.$(echo "$2" | sed 's,.*src/,,; s,/,-,g').log
	tool=$1 file=$2
	eval "set -- $ANALYSE_FLAGS"
	case $tool in
	clang-tidy)
		clang-tidy --quiet --config-file="$top/.clang-tidy" \
			--checks='-clang-analyzer-*' "$file" -- -std=gnu11 "$@"
		;;
	clang) # a tenth of the default of nodes finds the same, much sooner
		clang --analyze -std=gnu11 "$@" "$file" -o /dev/null \
			-Xclang -analyzer-output=text \
			-Xclang -analyzer-config -Xclang max-nodes=30000
		;;
	gcc)
		gcc -fanalyzer -O1 -std=gnu11 "$@" -c -o /dev/null "$file"
		;;
	esac >"$log" 2>&1 || echo "$file:0: error: $tool failed, see $log" >>"$log"
}

# What a tool says, without what is known to be wrong: file:line:col: ... [check]
findings() { # TOOL
	case $1 in
	cppcheck) cat "$out/cppcheck.txt" ;;
	*) cat "$out/$1".*.log | grep -E '(warning|error): ' ;;
	esac | sed "s,^$top/,," | sort -u | awk -v tool="$1" -v known="$(known)" '
		BEGIN {
			for (n = split(known, line, "\n"); n; n--) {
				split(line[n], w, " ")
				if (w[1] == tool) {
					may[w[3]] += w[4]
					at[w[3]] = at[w[3]] " " w[2]
				}
			}
		}
		{
			check = $NF
			gsub(/[][]/, "", check)
			file = $1
			sub(/:.*/, "", file)
			# what is inlined is reported where it comes from
			if (may[check] > 0 && (index(at[check], file) ||
			    file ~ /^include\//) && may[check]--)
				next
			print
		}'
}

if [ "${1:-}" = --one ]; then
	one "$2" "$3"
	exit
fi
: "${ANALYSE_FLAGS:?make analyse knows the flags}"
export ANALYSE_FLAGS
export out="${ANALYSE_OUT:-$PWD/analyse-out}"
jobs=${JOBS:-$(nproc)}
rm -rf "$out"
mkdir -p "$out"
files=$(cd "$top" && find ${FILES:-src} -name '*.c' | sed "s,^,$top/," | sort)
bad=0 ran=0
for tool in ${TOOLS:-clang-tidy cppcheck clang gcc}; do
	command -v "$tool" >/dev/null 2>&1 || {
		printf '%-12s skipped: it is not installed\n' "$tool"
		continue
	}
	ran=1 begin=$(date +%s)
	case $tool in
	cppcheck) run_cppcheck $files ;;
	*) echo "$files" | xargs -P "$jobs" -n 1 sh "$0" --one "$tool" ;;
	esac
	findings "$tool" >"$out/$tool.found"
	n=$(wc -l <"$out/$tool.found")
	printf '%-12s %d findings in %d files, %d s\n' "$tool" "$n" \
		"$(echo "$files" | wc -l)" $(($(date +%s) - begin))
	[ "$n" = 0 ] || { bad=1; sed 's/^/  /' "$out/$tool.found"; }
done
[ $ran = 1 ] || { echo "no tool of these is installed"; exit 77; }
exit $bad
