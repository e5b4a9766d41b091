#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh test/fuzz/run.sh [SECONDS [TARGET [RUNS]]]
#
# What `make fuzz` calls: builds the targets with clang, libFuzzer, ASan and
# UBSan in a directory of its own (fuzz-build, or FUZZ_BUILD) and runs each for
# that many seconds (60), or until RUNS inputs were tried, whichever is first,
# JOBS of them at a time (one per processor);
# TARGET is one name or several ("batch frame"). A line per target tells what
# was tried and found. Exit status: 1 when anything was found, 77 when this
# machine has no libFuzzer.
#
# Inputs that reach new code stay in fuzz-build/found/TARGET/ and are where the
# next run goes on; inputs that broke something in fuzz-build/broke/TARGET/.
# `fuzz-build/fuzz-TARGET FILE` runs one again. To keep one for ever, copy it to
# test/fuzz/corpus/TARGET/ under a name that tells what it found: `make check`
# replays everything there. FUZZ_FLAGS goes to libFuzzer as it is;
# FUZZ_MERGE=1 instead minimises what is kept and found into fuzz-build/merged/.
#
# AFL++: configure with CC=afl-clang-fast, make fuzz-batch, then
#   afl-fuzz -i test/fuzz/corpus/batch -o found -- ./fuzz-batch -
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

# The longest input worth trying: files are longer than frames.
longest() {
	case $1 in
	log | quorum_files) echo 65536 ;;
	broker | quorum | state | command) echo 8192 ;;
	words | hello | frame | peer) echo 1024 ;;
	*) echo 4096 ;;
	esac
}
number() { # NAME FILE: a figure of -print_final_stats=1
	sed -n "s/^stat::$1: *//p" "$2" | tail -n 1
}

one() { # TARGET
	mkdir -p "found/$1" "broke/$1" "$here/corpus/$1"
	set -- "$1" "$(find "found/$1" -type f | wc -l)"
	dictionary=
	case $1 in conf | words | broker | command | state)
		dictionary=-dict=settings.dict ;;
	esac
	begin=$(date +%s)
	# shellcheck disable=SC2086
	ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} \
		"./fuzz-$1" -max_total_time="$seconds" -runs="$runs" \
		-max_len="$(longest "$1")" -timeout=20 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="broke/$1/" \
		$dictionary ${FUZZ_FLAGS:-} "found/$1" "$here/corpus/$1" \
		>"$1.txt" 2>&1
	code=$?
	tried=$(number number_of_executed_units "$1.txt")
	if [ $code = 0 ]; then
		bad=none
	else
		bad=$(sed -n 's/.*Test unit written to //p' "$1.txt" | tail -n 1)
		: "${bad:=exit status $code}"
	fi
	printf '%-13s %10s inputs %7s/s %4ss  cov %5s  new %5s  found %s\n' \
		"$1" "${tried:-?}" "$(number average_exec_per_sec "$1.txt")" \
		$(($(date +%s) - begin)) \
		"$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$1.txt" | tail -n 1)" \
		$(($(find "found/$1" -type f | wc -l) - $2)) "$bad"
	[ $code = 0 ] || grep -a -E -m 3 -B 2 \
		'must be true|SUMMARY|bytes of memory|msg=|Assertion' "$1.txt" |
		sed 's/^/    | /'
	return $code
}
merge() { # TARGET: the fewest files that reach the same code
	mkdir -p "merged/$1" "found/$1"
	"./fuzz-$1" -merge=1 -max_len="$(longest "$1")" "merged/$1" \
		"$here/corpus/$1" "found/$1" >"$1-merge.txt" 2>&1
	code=$?
	printf '%-13s %5s files of %5s are enough\n' "$1" \
		"$(find "merged/$1" -type f | wc -l)" \
		"$(find "found/$1" "$here/corpus/$1" -type f | wc -l)"
	return $code
}
case ${1:-} in
--one | --merge) # in the build directory, with $seconds and $runs
	"${1#--}" "$2"
	exit
	;;
esac
seconds=${1:-}
only=${2:-}
runs=${3:-}
build=${FUZZ_BUILD:-fuzz-build}
clang=${CLANG:-clang}
jobs=${JOBS:-$(nproc)}
: "${seconds:=60}" "${runs:=-1}"
export seconds runs

mkdir -p "$build" || exit 1
cd "$build" || exit 1
build=$(pwd)
echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n)
{ return n && !p; }' >have.c
if ! $clang -fsanitize=fuzzer,address have.c -o have 2>have.txt; then
	echo "$clang has no libFuzzer (Debian: libclang-rt-14-dev)"
	exit 77
fi

targets=$(cd "$here" && grep -l '^void fuzz_one(' \
	*.c | sed 's/\.c$//')
: "${only:=$targets}"
programs=
for t in $only; do
	[ -f "$here/$t.c" ] || { echo "no target $t"; exit 1; }
	programs="$programs fuzz-$t"
done
[ -f Makefile ] || "$top/configure" CC="$clang" CFLAGS="-O1 -g" \
	--enable-fuzz --enable-sanitize=address,undefined \
	>configure.txt 2>&1 || {
	tail -n 20 configure.txt
	exit 1
}
# shellcheck disable=SC2086
{ make fuzz-sources && make -j"$jobs" $programs; } >make.txt 2>&1 || {
	tail -n 40 make.txt
	exit 1
}

# Names that no mutation would guess.
awk -F'"' '/^CONFIG\(/ { printf "\"%s\"\n", $2 }' \
	"$top/include/raftmq/tbl/config.def" | grep -v '""' >settings.dict

do=--one
[ "${FUZZ_MERGE:-}" ] && do=--merge
# shellcheck disable=SC2086
printf '%s\n' $only |
	xargs -P "$jobs" -n 1 sh "$here/run.sh" $do
[ $? = 0 ] || exit 1
