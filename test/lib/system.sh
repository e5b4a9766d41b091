# SPDX-License-Identifier: Apache-2.0
#
# What the tests with real daemons share, for sourcing: a directory of their
# own in $dir, a cluster that is gone when the test ends, and deploy/cluster.sh.
#
#	. "${0%/*}/../lib/system.sh"
#	system_cluster 3 [FLAG...]	# $brokers serve
#	same "three records" "$(...)" 3
#
# A test is a script in test/system or test/interop. It exits 0, or 77 with a
# reason on its last line when it cannot run here, or otherwise when it failed.
set -u
export LC_ALL=C
top=$(cd "${0%/*}/../.." && pwd)
build=${BUILD_DIR:-$top/build}
[ -x "$build/raftmqd" ] || { echo "no raftmqd in $build"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftmq-test.XXXXXX") || exit 1
size=0

leave() {
	code=$?
	trap - EXIT
	cluster_stop KILL
	for log in "$dir"/node*.log; do
		case $code in 0 | 77) break ;; esac
		[ -s "$log" ] && echo "--- ${log##*/}:" && tail -n 40 "$log"
	done
	rm -rf "$dir"
	exit $code
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() { # MESSAGE [FILE]
	echo "FAILED: $1"
	[ -z "${2:-}" ] || tail -n 20 "$2"
	exit 1
}
skip() { echo "$*"; exit 77; }
need() { # COMMAND...
	for c; do command -v "$c" >/dev/null 2>&1 || skip "no $c here"; done
}
same() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}
now() { date +%s%3N; }

. "$top/deploy/cluster.sh"

system_plan() { # SIZE: ports below those of raftmq.py, and of connections
	port=$((10000 + $$ % 50 * 30))
	cluster_plan "$1" $port $((port + 20))
}
system_cluster() { # SIZE [FLAG...]
	system_plan "$1"
	shift
	cluster_start "$@"
}
