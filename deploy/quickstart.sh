#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh deploy/quickstart.sh [--keep]
#
# From a fresh clone to three brokers that survive the death of one: installs
# the Debian packages that are missing, builds, starts a cluster on 127.0.0.1,
# writes and reads with kcat, kills a leader, counts what is there, and stops.
# --keep leaves the cluster running and says how to use and how to stop it.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
keep=
case ${1:-} in
'') ;;
-k | --keep) keep=yes ;;
*) sed -n 's/^# \{0,1\}//; 4,9p' "$0"; [ "$1" = --help ]; exit ;;
esac

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') good=$(printf '\033[32m')
	bad=$(printf '\033[31m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
	bold= good= bad= dim= off=
fi
step() { printf '%s%-10s%s' "$bold" "$1" "$off"; }
done_() { printf '%sok%s  %s\n' "$good" "$off" "$*"; }
note() { printf '%10s%s%s%s\n' '' "$dim" "$*" "$off"; }
now() { date +%s%3N; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/raftmq-quickstart.XXXXXX") || exit 1
finished=
leave() { # what happens however the script ends
	code=$?
	trap - EXIT
	touch "$dir/stop"
	[ "$finished" = kept ] && exit 0
	cluster_stop KILL
	if [ "$finished" ]; then
		rm -rf "$dir"
	else
		printf 'everything that was logged: %s\n' "$dir" >&2
	fi
	exit $code
}
trap leave EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM HUP

fail() { # MESSAGE [FILE]
	printf '%sfailed%s\n\n%s\n' "$bad" "$off" "$1" >&2
	if [ "${2:-}" ] && [ -s "$2" ]; then
		printf '%s\n' "--- the end of $2" >&2
		tail -n 20 "$2" >&2
		echo --- >&2
	fi
	exit 1
}

build=${BUILD_DIR:-$top/build}
[ -f "$top/config.status" ] && build=$top # configured in place already
. "$top/deploy/cluster.sh"

# -- packages, build ----------------------------------------------------------
step packages
INDENT='          ' sh "$top/deploy/install-packages.sh" build run ||
	fail "The packages above are needed; deploy/packages.txt names them all."
done_ "all there"

step build
start=$(now)
make_it() {
	cd "$top" || return
	[ -f configure ] || autoreconf -fi || return
	mkdir -p "$build" && cd "$build" || return
	[ -f Makefile ] || "$top/configure" || return
	make -j"$(nproc)"
}
(make_it) >"$dir/build.log" 2>&1 ||
	fail "The build stopped. It was: make in $build" "$dir/build.log"
done_ "$build in $((($(now) - start) / 1000)) s"

# -- three brokers ------------------------------------------------------------
step cluster
cluster_plan 3 9092 9644
[ "$kafka_port" = 9092 ] || printf 'some port of %s is taken: %s\n%10s' \
	"9092-9094, 9192-9194, 9644-9646" "the next free ones are used" ''
start=$(now)
cluster_start
done_ "3 brokers serve after $(($(now) - start)) ms: $brokers"

client() { kcat -b "$brokers" "$@" 2>>"$dir/kcat.log"; }

step topic
admin topic create orders -p 1 -r 3 -c message.timestamp.type=LogAppendTime \
	-c min.insync.replicas=2
done_ "orders: 3 copies, a write needs 2 of them"

# -- write, read --------------------------------------------------------------
step write
start=$(now)
seq 10000 | sed 's/^/before-/' | client -P -t orders -X acks=all ||
	fail "kcat could not produce to $brokers." "$dir/kcat.log"
done_ "10000 records with acks=all in $(($(now) - start)) ms"

step read
start=$(now)
client -C -t orders -o beginning -e -q >"$dir/read" ||
	fail "kcat could not consume from $brokers." "$dir/kcat.log"
seq 10000 | sed 's/^/before-/' | cmp -s - "$dir/read" ||
	fail "What came back is not what was written: $dir/read"
done_ "all 10000, in order, in $(($(now) - start)) ms"

# -- kill the leader while records are written --------------------------------
numbers() { # a record about every 10 ms until told to stop
	i=0 pad=$(printf %01024d 0) # kcat takes its input by the KiB
	while [ ! -e "$dir/stop" ]; do
		i=$((i + 1))
		echo "after-$i $pad"
		sleep 0.01
	done
	echo $i >"$dir/sent"
}
step kill
set -- $(partition_state orders 0)
leader=${1:-}
case $leader in [123]) ;; *) fail "The partition shows no leader." \
	"$dir/kcat.log" ;; esac
(numbers | client -P -t orders -X acks=all -X enable.idempotence=true \
	-X message.timeout.ms=30000
	echo $? >"$dir/wrote") &
writer=$!
sleep 1
node_stop "$leader" KILL
killed=$(now)
living=$brokers
brokers=127.0.0.1:$(node_kafka $((leader % 3 + 1)))
until set -- $(partition_state orders 0) && [ "${1:-$leader}" != "$leader" ]; do
	[ $(($(now) - killed)) -lt 20000 ] ||
		fail "No other leader within 20 s." "$dir/node$leader.log"
	sleep 0.02
done
elected=$(($(now) - killed)) brokers=$living
sleep 1.5
touch "$dir/stop"
wait $writer
[ "$(cat "$dir/wrote")" = 0 ] ||
	fail "The writer did not get all its records through." "$dir/kcat.log"
done_ "broker $leader led and got kill -9; broker $1 took over"

step count
sent=$(cat "$dir/sent")
client -C -t orders -o beginning -e -q -f '%T %s\n' >"$dir/read" ||
	fail "kcat could not consume after the kill." "$dir/kcat.log"
# The broker stamped every record: the longest pause between two of them.
set -- $(awk -v want="$sent" '
	$2 ~ /^before-/ { before++; next }
	{ n = substr($2, 7) + 0 }
	seen[n]++ { twice++; next }
	n != ++last { last = n; unordered++ }
	at && $1 - at > gap { gap = $1 - at }
	{ at = $1; got++ }
	END { print 10000 - before + want - got, twice + 0, unordered + 0, gap + 0 }
' "$dir/read")
[ "$1 $2 $3" = "0 0 0" ] ||
	fail "lost $1, doubled $2, out of order $3 of $((10000 + sent))." \
		"$dir/kcat.log"
done_ "$((10000 + sent)) records acknowledged: 0 lost, 0 doubled, in order"
note "another leader was seen after $elected ms; the longest pause for" \
	"the writer was $4 ms"
note "(kcat looks for a new leader once a second, unless told otherwise)"

step rejoin
start=$(now)
node_start "$leader"
node_await "$leader"
until set -- $(partition_state orders 0) && [ "${2:-}" ] &&
	[ ${#2} -eq 5 ]; do
	[ $(($(now) - start)) -lt 30000 ] ||
		fail "Broker $leader is not in sync after 30 s." \
			"$dir/node$leader.log"
	sleep 0.05
done
done_ "broker $leader is back and in sync after $(($(now) - start)) ms"

# -- stop, or leave it --------------------------------------------------------
if [ "$keep" ]; then
	finished=kept
	cat <<END

The cluster is yours: ${bold}$brokers${off}
  write       kcat -b $brokers -P -t orders
  read        kcat -b $brokers -C -t orders -o beginning
  manage      $build/raftmq-admin -b 127.0.0.1:$kafka_port topic list
  look        http://127.0.0.1:$http_port/
  logs, data  $dir
  stop        kill $pid1 $pid2 $pid3 && rm -r $dir
END
	exit 0
fi
step stop
start=$(now)
cluster_stop TERM
finished=yes
done_ "3 brokers stopped in $(($(now) - start)) ms"
echo
echo "Again, and keep it running: ${bold}sh deploy/quickstart.sh --keep${off}"
