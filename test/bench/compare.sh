#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh test/bench/compare.sh [OPTION...] [CELL...]
#
# raftmq beside Apache Kafka on this machine, in one run: the same generator,
# the same batches, the same topic settings, in turns (Kafka, raftmq, Kafka,
# raftmq, ..) with a fresh directory each time. Prints the medians of both and
# of the ratios raftmq : Kafka of each round, with the least and the most.
#
#	-r N	rounds (3)			-d S	seconds measured (10)
#	-w S	seconds of warm-up (10)		-p	pin: broker on core 0,
#	-m N	partitions of W9 (1000)			generator on core 1
#	-t MB	page cache to touch first (2048; 0: none)
#	-o FILE	all values of all rounds, as TSV (compare.tsv)
#
# Cells (all when none is named):
#	W1  100-byte records in 16-KiB batches, 16 partitions, one connection
#	W3  one record per request; 1, 16, 256 connections
#	W5  acknowledged after fsync (Kafka: flush.messages=1); 1, 100 partitions
#	W9  exec to first acknowledged record; memory when idle
#
# Each of W1, W3 and W5 is run as fast as the window allows (max) and at half
# of what Kafka did in the first round (half): latencies are comparable only
# at one rate. "disk" and "memory" name what raftmq promises: Kafka without
# flush.messages acknowledges from memory.
#
# KAFKA_LIBS: jars of Apache Kafka (default: test/lib/get-kafka.sh gets them).
# KAFKA_HEAP: what kafka-server-start would give it (-Xmx1G -Xms1G).
# A ratio with * had a generator over 70 % of a core: a lower bound of the
# difference. Rounds in which the hypervisor took more than 2 % are named.
set -u
export LC_ALL=C
top=$(cd "${0%/*}/../.." && pwd)
build=${RAFTMQ_BUILD:-$top/build}
rounds=3 seconds=10 warm=10 pin= many=1000 touch=2048 out=compare.tsv
heap=${KAFKA_HEAP:--Xmx1G -Xms1G}

while getopts r:d:w:pm:t:o: flag; do
	case $flag in
	r) rounds=$OPTARG ;;
	d) seconds=$OPTARG ;;
	w) warm=$OPTARG ;;
	p) pin=yes ;;
	m) many=$OPTARG ;;
	t) touch=$OPTARG ;;
	o) out=$OPTARG ;;
	*) sed -n '4,17p' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- W1 W3 W5 W9

for program in raftmqd raftmq-bench; do
	[ -x "$build/$program" ] || { echo "no $program in $build"; exit 77; }
done
libs=$(sh "$top/test/lib/get-kafka.sh") || { echo "$libs"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftmq-compare.XXXXXX") || exit 1
pid=

leave() {
	code=$?
	trap - EXIT
	broker_stop KILL
	rm -rf "$dir"
	exit $code
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

port_is_taken() {
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	awk -v p=":$(printf %04X "$1")\$" '$4 == "0A" && $2 ~ p { n++ }
		END { exit !n }'
}
port=$((12000 + $$ % 1000 * 20)) # below those that connections get
while port_is_taken $port || port_is_taken $((port + 1)); do
	port=$((port + 2))
done

fail() { echo "FAILED: $1"; tail -n 20 "$dir/log" "$dir/err"; exit 1; }
note() { echo "$*" >&2; }
ms() { echo $(($(date +%s%N) / 1000000)); }
on() { # CORE COMMAND...: pinned, if that is wanted
	core=$1
	shift
	if [ "$pin" ]; then exec taskset -c "$core" "$@"; fi
	exec "$@"
}
one() { [ -z "$pin" ] || echo "$1"; }

# ---- brokers -----------------------------------------------------------------

kafka_format() {
	cat >"$dir/server.properties" <<-END
	process.roles=broker,controller
	node.id=1
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
	advertised.listeners=PLAINTEXT://127.0.0.1:$port
	controller.listener.names=CONTROLLER
	controller.quorum.voters=1@127.0.0.1:$((port + 1))
	log.dirs=$dir/data
	offsets.topic.replication.factor=1
	END
	java -cp "$libs/*" kafka.tools.StorageTool format \
		-t AAAAAAAAAAAAAAAAAAAAAA -c "$dir/server.properties" \
		>"$dir/log" 2>&1 || fail "kafka-storage format"
}

broker_prepare() { # SYSTEM: an empty directory
	: >"$dir/err"
	rm -rf "$dir/data"
	sync
	[ "$1" = raftmq ] || kafka_format
}

broker_exec() { # SYSTEM: starts it, does not wait
	case $1 in # in a process of its own, which becomes the broker
	kafka)
		on 0 java $heap -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
			-XX:InitiatingHeapOccupancyPercent=35 \
			$(one -XX:ActiveProcessorCount=1) -cp "$libs/*" \
			kafka.Kafka "$dir/server.properties" ;;
	raftmq)
		on 0 "$build/raftmqd" --listen 127.0.0.1:$port --http none \
			--data-dir "$dir/data" ;;
	esac >"$dir/log" 2>&1 &
	pid=$!
}

broker_await() { # until somebody listens
	until port_is_taken $port; do
		kill -0 "$pid" 2>/dev/null || fail "the broker ended"
		sleep 0.1
	done
}

broker_stop() { # SIGNAL
	[ "$pid" ] || return 0
	kill "-$1" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	pid=
}

bench() { # COMMAND OPTION...: its TSV in $dir/row
	command=$1
	shift
	(on 1 "$build/raftmq-bench" "$command" -b 127.0.0.1:$port -Q -o tsv \
		--wait -T 300 "$@") >"$dir/row" 2>"$dir/err"
	code=$?
	[ $code -le 1 ] || fail "raftmq-bench $command $* ($code)"
}

# ---- values ------------------------------------------------------------------

value() { # NAME...: of the last report, one to a line, in this order
	awk -F '\t' -v want="$*" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		NR == 2 { n = split(want, w, " ")
			for (i = 1; i <= n; i++) print $at[w[i]] }' "$dir/row"
}

put() { # ROUND SYSTEM CELL METRIC BETTER VALUE
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" "$mark" >>"$out"
}

note_run() { # what makes a run doubtful
	mark=$(value own_cpu_percent | awk '$1 > 70 { print "*" }')
	value steal_percent | awk -v r="$1" '$1 > 2 {
		print r ": " $1 " % of the time was stolen" }' >&2
	value refused unacked errors | paste -s -d ' ' | grep -qx '0 0 none' ||
		note "$1: $(value refused unacked errors | paste -s -d ' ')"
}

# ---- cells -------------------------------------------------------------------

# variant ROUND SYSTEM CELL NAME OPTION...: as fast as it can, then at half
variant() {
	round=$1 system=$2 cell=$3 name=$4
	shift 4
	topic=$(echo "$cell-$name" | tr ', =' '---')
	note "round $round  $system  $cell $name"
	bench produce -t "$topic" -c segment.bytes=67108864 "$@" \
		-I "$pid" -w "$warm" -d "$seconds"
	note_run "round $round, $system, $cell $name"
	cell="$cell $name"
	max=$(value sent_records_per_s)
	put "$round" "$system" "$cell" "max: records/s" more "$max"
	put "$round" "$system" "$cell" "max: requests per core-second" more \
		"$(value broker_cpu_us_per_request |
		awk '{ print ($1 > 0 ? 1e6 / $1 : 0) }')"
	put "$round" "$system" "$cell" "max: broker CPU-s/GB" less \
		"$(value broker_cpu_s_per_gb)"
	rates=$dir/rate.$topic
	[ -e "$rates" ] || echo "$max" | awk '{ print int($1 / 2) + 1 }' >"$rates"
	bench produce -t "$topic" "$@" -I "$pid" -w 2 -d "$seconds" \
		-R "$(cat "$rates")"
	note_run "round $round, $system, $cell at half"
	for p in p50 p99 p99_9; do
		put "$round" "$system" "$cell" "half: $p us" less \
			"$(value ack_${p}_us)"
	done
	put "$round" "$system" "$cell" "half: broker CPU-s/GB" less \
		"$(value broker_cpu_s_per_gb)"
}

durability() { # SYSTEM memory|disk: the topic settings that promise it
	case $1-$2 in
	kafka-memory) ;;
	kafka-disk) echo -c flush.messages=1 ;;
	raftmq-*) echo -c durability=$2 ;;
	esac
}

W1() { # ROUND SYSTEM
	for acks in 1 all; do
		variant "$1" "$2" W1 "acks=$acks, memory" -a $acks \
			$(durability "$2" memory)
	done
	# what raftmq does by default, against what Kafka does by default
	more=$(durability "$2" disk)
	[ "$2" = raftmq ] || more=
	variant "$1" "$2" W1 "acks=all, defaults" -a all $more
}
W3() {
	for n in 1 16 256; do
		variant "$1" "$2" W3 "$n connections, memory" -n 1 -C $n \
			$(durability "$2" memory)
	done
}
W5() {
	for n in 1 100; do
		variant "$1" "$2" W5 "$n partitions, disk" -p $n -W 20 \
			-s 1000 -n 1 $(durability "$2" disk)
	done
}

first_ack() { # prints the milliseconds from exec to an acknowledged record
	began=$(ms)
	broker_exec "$1"
	bench produce -t first -p 1 -n 1 -R 1000 -w 0 -d 1ms
	echo $(($(ms) - began)) >"$dir/first"
}

rss() { awk '$1 == "VmRSS:" { print $2 / 1000 }' "/proc/$pid/status"; }

W9() {
	mark=
	note "round $1  $2  W9"
	broker_stop KILL
	broker_prepare "$2"
	first_ack "$2"
	put "$1" "$2" "W9 empty" "first ack ms" less "$(cat "$dir/first")"
	sleep 3
	put "$1" "$2" "W9 empty" "resident MB" less "$(rss)"
	bench produce -t many -p "$many" -w 0 -n 1 -d 2 -C 4
	put "$1" "$2" "W9 $many partitions" "resident MB" less "$(rss)"
	broker_stop KILL
	first_ack "$2"
	put "$1" "$2" "W9 $many partitions, after kill -9" "first ack ms" \
		less "$(cat "$dir/first")"
}

cell() { # ROUND SYSTEM CELL
	broker_prepare "$2"
	[ "$3" = W9 ] || { broker_exec "$2"; broker_await; }
	"$3" "$1" "$2"
	broker_stop KILL
	rm -rf "$dir/data"
}

# ---- the table ---------------------------------------------------------------

table() {
	awk -F '\t' '
	function sort(v, n,    i, j, x) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
				x = v[j]; v[j] = v[j - 1]; v[j - 1] = x
			}
	}
	function middle(v, n) {
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function short(x) {
		return sprintf(x >= 100 ? "%.0f" : "%.3g", x)
	}
	function summary(v, n) {
		if (!n)
			return "-"
		sort(v, n)
		return short(middle(v, n)) " (" short(v[1]) "-" short(v[n]) ")"
	}
	{
		key = $3 "\t" $4
		if (!(key in seen)) { seen[key] = ++keys; name[keys] = key }
		got[key, $1, $2] = $6
		better[key] = $5
		if ($7 == "*" && $2 == "raftmq") bound[key] = "*"
		if ($1 > rounds) rounds = $1
	}
	END {
		printf "%-34s %-30s %-26s %-26s %s\n", "CELL", "METRIC",
			"KAFKA", "RAFTMQ", "RATIO raftmq : kafka"
		for (i = 1; i <= keys; i++) {
			k = name[i]; nk = nr = nq = 0
			for (r = 1; r <= rounds; r++) {
				of = got[k, r, "kafka"]
				us = got[k, r, "raftmq"]
				if (of != "")
					a[++nk] = of + 0
				if (us != "")
					b[++nr] = us + 0
				if (us != "" && of > 0)
					q[++nq] = us / of
			}
			split(k, part, "\t")
			printf "%-34s %-30s %-26s %-26s %s%s, %s is better\n",
				part[1], part[2], summary(a, nk),
				summary(b, nr), summary(q, nq), bound[k],
				better[k]
		}
	}' "$out"
}

: >"$out" || exit 1
mark=
echo "Apache Kafka: $(basename "$(ls "$libs"/kafka_2.13-*.jar)"), java $heap," \
	"$(java -version 2>&1 | head -n 1)"
echo "raftmq: $("$build/raftmqd" --version | head -n 1), $build/raftmqd"
echo "$(nproc) cores${pin:+, pinned}, $(uname -sr);" \
	"$rounds rounds, $warm s of warm-up, $seconds s measured"
[ "$touch" -eq 0 ] || { # guest memory that was never used is slow at first
	dd if=/dev/zero of="$dir/touch" bs=1M count="$touch" 2>/dev/null
	cat "$dir/touch" >/dev/null
	rm -f "$dir/touch"
	sync
}
for round in $(seq "$rounds"); do
	for c; do
		for system in kafka raftmq; do
			cell "$round" "$system" "$c"
		done
	done
done
table
