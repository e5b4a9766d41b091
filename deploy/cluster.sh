# SPDX-License-Identifier: Apache-2.0
#
# A cluster on 127.0.0.1, for sourcing by POSIX shell scripts (quickstart.sh
# and the system tests). The script that sources it has set
#
#	build	the directory with raftmqd and raftmq-admin
#	dir	a directory for data (nodeN/) and what was printed (nodeN.log)
#	fail	a function: MESSAGE [LOGFILE]; it must not return
#
# and gets: size, peers, brokers (the bootstrap list), pid1, pid2, ...
# node_kafka N, node_http N and node_peer N print a node's ports.

port_is_taken() { # PORT: somebody listens on it
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	awk -v p=":$(printf %04X "$1")\$" '$4 == "0A" && $2 ~ p { n++ }
		END { exit !n }'
}

node_kafka() { echo $((kafka_port + $1 - 1)); }
node_peer() { echo $((kafka_port + 100 + $1 - 1)); }
node_http() { echo $((http_port + $1 - 1)); }

cluster_port_taken() { # prints the first port of ours that is not free
	for i in $(seq "$size"); do
		for p in $(node_kafka $i) $(node_peer $i) $(node_http $i); do
			if port_is_taken $p; then echo $p; return; fi
		done
	done
	return 1
}

# cluster_plan SIZE KAFKA-PORT HTTP-PORT: free ports, these or the next ones
cluster_plan() {
	size=$1 kafka_port=$2 http_port=$3 peers= brokers=
	while cluster_port_taken >/dev/null; do
		kafka_port=$((kafka_port + 10)) http_port=$((http_port + 10))
		[ $kafka_port -lt 60000 ] || fail "No free ports from $2 on."
	done
	for i in $(seq "$size"); do
		peers=$peers,$i@127.0.0.1:$(node_peer $i)
		brokers=$brokers,127.0.0.1:$(node_kafka $i)
	done
	peers=${peers#,} brokers=${brokers#,}
}

node_start() { # N [FLAG...]; does not wait
	node=$1
	shift
	: >>"$dir/node$node.log"
	setsid "$build/raftmqd" --node-id "$node" --peers "$peers" \
		--listen "127.0.0.1:$(node_kafka "$node")" \
		--http "127.0.0.1:$(node_http "$node")" \
		--data-dir "$dir/node$node" "$@" \
		</dev/null >>"$dir/node$node.log" 2>&1 &
	eval "pid$node=\$!"
}

node_pid() { eval "echo \${pid$1:-}"; }

node_await() { # N: until it says that it serves
	node_tries=0
	until grep -q "^ready .*pid=$(node_pid "$1") " "$dir/node$1.log"; do
		kill -0 "$(node_pid "$1")" 2>/dev/null ||
			fail "Broker $1 ended instead of serving." \
				"$dir/node$1.log"
		node_tries=$((node_tries + 1))
		[ $node_tries -lt 600 ] ||
			fail "Broker $1 did not serve for 30 s." \
				"$dir/node$1.log"
		sleep 0.05
	done
}

node_stop() { # N SIGNAL; returns the status it ended with
	node=$(node_pid "$1")
	[ "$node" ] || return 0
	eval "pid$1="
	kill "-$2" "$node" 2>/dev/null
	wait "$node" 2>/dev/null
}

cluster_start() { # [FLAG...]
	for i in $(seq "$size"); do node_start "$i" "$@"; done
	for i in $(seq "$size"); do node_await "$i"; done
}

cluster_stop() { # SIGNAL: to all at once
	for i in $(seq "${size:-0}"); do
		kill "-$1" $(node_pid "$i") 2>/dev/null
	done
	for i in $(seq "${size:-0}"); do node_stop "$i" "$1"; done
}

admin() { # raftmq-admin; what it prints is in $dir/admin.log
	"$build/raftmq-admin" -b "$brokers" "$@" </dev/null \
		>"$dir/admin.log" 2>&1 ||
		fail "This failed: raftmq-admin $*" "$dir/admin.log"
}

# partition_state TOPIC PARTITION: "LEADER ISR,ISR,.." as any client sees it
partition_state() {
	kcat -b "$brokers" -L -t "$1" 2>>"$dir/kcat.log" | sed -n \
	"s/^ *partition $2, leader \([0-9]*\),.*isrs: \([0-9,]*\).*/\1 \2/p"
}
