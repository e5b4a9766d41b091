#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh test/run.sh [NAME...]
#
# Everything that CI runs, from a clean clone: installs the Debian packages
# that are missing, builds (gcc, gcc with sanitizers, clang, make distcheck),
# runs every unit test and then the tests with real daemons. With NAMEs (parts
# of what is printed, such as unit, asan, system/ or java) only those.
#
# The last line counts test cases: N passed, N failed, N skipped. Builds and
# the output of every test stay in test-out/ (or in OUT).
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
out=${OUT:-$top/test-out}
passed=0 failed=0 skipped=0
only=$*
mkdir -p "$out/log"
jobs=$(nproc)

wanted() { # NAME
	[ "$only" ] || return 0
	for o in $only; do case $1 in *"$o"*) return 0 ;; esac; done
	return 1
}
# report NAME STATUS SECONDS LOG [PASSED FAILED]: one line, and the counting
report() {
	case $2 in
	0)
		passed=$((passed + ${5:-1})) word=ok
		[ "${5:-}" ] && word="ok ($5)"
		;;
	77)
		skipped=$((skipped + 1))
		word="skipped: $(tail -n 1 "$4")"
		;;
	*)
		passed=$((passed + ${5:-0})) failed=$((failed + ${6:-1}))
		word=FAILED
		;;
	esac
	printf '%4ss  %-34s %s\n' "$3" "$1" "$word"
	case $word in FAILED)
		tail -n 60 "$4" | sed 's/^/       | /'
		echo "       whole output: $4"
	esac
}
log_of() { # NAME
	echo "$out/log/$(echo "$1" | tr '/ ' --).txt"
}
go() { # NAME SECONDS COMMAND...: its output in a file, how it ended beside it
	log=$(log_of "$1") limit=$2 begin=$(date +%s)
	shift 2
	timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
	status=$?
	[ $status = 124 ] && echo "killed after $limit s" >>"$log"
	echo "$status $(($(date +%s) - begin))" >"$log.end"
}
tell() { # NAME
	log=$(log_of "$1")
	read -r status seconds <"$log.end"
	report "$1" "$status" "$seconds" "$log"
	return "$status"
}
run() { # NAME SECONDS COMMAND...: one test
	wanted "$1" || return 0
	go "$@"
	tell "$1"
}
# The same for tests that mostly wait and have time to spare: two at a time.
# Then `beside_all` for the last of them.
first= first_pid=
beside() { # NAME SECONDS COMMAND...
	wanted "$1" || return 0
	go "$@" &
	set -- "$1" $!
	beside_all
	first=$1 first_pid=$2
}
beside_all() {
	[ "$first" ] || return 0
	wait "$first_pid"
	tell "$first"
	first=
}

configure() { # DIRECTORY [ARGUMENT...]
	mkdir -p "$out/$1" && cd "$out/$1" && shift || return
	[ -f Makefile ] || "$top/configure" "$@"
}
no_warning() {
	! grep -n 'warning:' "$out/log/build.txt"
}
build_gcc() {
	# always from nothing: what is built is what a clean clone builds
	rm -rf "$out/gcc" && cd "$top" && autoreconf -fi &&
		configure gcc CC="${CC:-gcc}" && make -j"$jobs"
}
build_clang() {
	configure clang CC=clang CFLAGS=-O0 --enable-werror \
		--disable-dependency-tracking &&
		make -j"$jobs" && make -j"$jobs" check TESTS=
}
unit_sanitized() {
	configure asan CC="${CC:-gcc}" CFLAGS="-O1 -g1" \
		--enable-sanitize=address,undefined && make -j"$jobs" &&
		SEEDS=10 KEPT=10 UNIT_SHORT=5 \
		make -j"$jobs" check VERBOSE=yes
}
build_tsan() {
	configure tsan CC="${CC:-gcc}" CFLAGS="-O1 -g1" \
		--enable-sanitize=thread --disable-dependency-tracking &&
		make -j"$jobs" all unit-host && srcdir=$top ./unit-host
}
# A system test with the daemons of another build: they must end well, and the
# sanitizers must have nothing to report.
sanitized() { # BUILD TEST
	reports=$out/log/$1-$2-report
	rm -f "$reports".*
	options=log_path=$reports:print_stacktrace=1
	SANITIZED=yes BUILD_DIR=$out/$1 MUTATIONS=${MUTATIONS:-3000} \
		ASAN_OPTIONS=$options UBSAN_OPTIONS=$options \
		TSAN_OPTIONS=$options:halt_on_error=1 \
		/usr/bin/python3 -B "$top/test/system/$2.py"
	code=$?
	set -- "$reports".*
	[ -e "$1" ] || return $code
	cat "$@"
	return 1
}
analyse() {
	cd "$out/gcc" && nice -n 10 make -s analyse
}
valgrind_slice() { # the floors that turn bytes of others into structs
	cd "$out/gcc" && make -s valgrind \
		UNITS="unit-wire unit-base unit-replica unit-coord"
}
mutants() {
	cd "$out/gcc" && sh "$top/test/mutants.sh" --fast
}
dist() {
	cd "$out/gcc" && nice -n 10 make -j"$jobs" distcheck TESTS= \
		AM_DISTCHECK_CONFIGURE_FLAGS="CFLAGS=-O0"
}

# The check library counts its cases in each log; other tests are one each.
unit() {
	wanted unit || return 0
	begin=$(date +%s)
	(cd "$out/gcc" && make -j"$jobs" check VERBOSE=yes) \
		>"$out/log/unit.txt" 2>&1
	status=$?
	[ -f "$out/gcc/test-suite.log" ] || {
		report unit 1 $(($(date +%s) - begin)) "$out/log/unit.txt"
		return
	}
	for trs in $(find "$out/gcc" -name '*.trs' | sort); do
		log=${trs%.trs}.log
		name=${log#"$out/gcc/"}
		set -- $(sed -n \
	's/.*Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' \
			"$log")
		case $(sed -n 's/^:test-result: //p' "$trs") in
		PASS*) code=0 ;;
		SKIP*) code=77 ;;
		*) code=1 ;;
		esac
		if [ $# -eq 3 ] && [ $(($1 - $2 - $3)) -ge 0 ]; then
			bad=$(($2 + $3))
			[ $code = 1 ] && [ $bad = 0 ] && bad=1
			report "${name%.log}" $code - "$log" $(($1 - $2 - $3)) \
				$bad
		else
			report "${name%.log}" $code - "$log"
		fi
	done
	[ $status = 0 ] || [ $failed -gt 0 ] ||
		report "make check" 1 - "$out/log/unit.txt"
}

total() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

case ${1:-} in
--step) # how run() calls the functions above
	shift
	"$@"
	exit
	;;
esac
sh "$top/deploy/install-packages.sh" build || exit 1
sh "$top/deploy/install-packages.sh" run test ||
	echo "some packages are missing: the tests that need them are skipped"

only=
run build 600 sh "$0" --step build_gcc || total
only=$*
unit
export BUILD_DIR="$out/gcc"
system() { # HOW TEST...
	how=$1
	shift
	for t; do
		name=${t#"$top/test/"}
		case $t in
		*.sh) $how "${name%.sh}" 240 sh "$t" ;;
		*.py) $how "${name%.py}" 240 /usr/bin/python3 -B "$t" ;;
		esac
	done
}
measured= others=
for t in "$top"/test/system/* "$top"/test/interop/*; do
	case ${t##*/} in
	failover.* | groups.* | many_topics.* | one_node.* | pause.* | quick*)
		measured="$measured $t" ;;
	*) others="$others $t" ;;
	esac
done
# shellcheck disable=SC2086
system run $measured
# shellcheck disable=SC2086
system beside $others
beside mutants 300 sh "$0" --step mutants
beside_all
run "gcc warns of nothing" 10 sh "$0" --step no_warning
run "clang warns of nothing" 600 sh "$0" --step build_clang
run "unit tests with ASan and UBSan" 900 sh "$0" --step unit_sanitized
run "fuzz" 1500 env FUZZ_BUILD="$out/fuzz" JOBS="$jobs" \
	sh "$top/test/fuzz/run.sh" 3
# daemons under a sanitizer mostly wait: what only computes runs beside them
beside "static analysis" 600 sh "$0" --step analyse
for t in failover groups bad_input; do
	beside "$t with ASan and UBSan" 240 sh "$0" --step sanitized asan $t
done
beside "unit tests with valgrind" 300 sh "$0" --step valgrind_slice
beside_all
run "threads with TSan" 600 sh "$0" --step build_tsan
beside "failover with TSan" 240 sh "$0" --step sanitized tsan failover
beside "make distcheck" 600 sh "$0" --step dist
for t in groups one_node; do
	beside "$t with TSan" 240 sh "$0" --step sanitized tsan $t
done
beside_all
total
