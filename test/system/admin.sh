#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# raftmq-admin against three nodes: every noun, the exit codes, the output
# contract, and what it refuses.
. "${0%/*}/../lib/system.sh"
[ -x "$build/raftmq-admin" ] || skip "no raftmq-admin in $build"

# ask STATUS ARGUMENT...: stdout is in $dir/out, stderr in $dir/err
ask() {
	wanted=$1
	shift
	"$build/raftmq-admin" -b "$brokers" "$@" >"$dir/out" 2>"$dir/err" \
		</dev/null
	got=$?
	[ $got = "$wanted" ] && return
	cat "$dir/out"
	fail "raftmq-admin $*: exit $got, wanted $wanted" "$dir/err"
}
tsv() { # STATUS ARGUMENT...: prints the rows, blanks for tabs
	ask "$@" -o tsv --no-headers
	tr '\t' ' ' <"$dir/out"
}
says() { # WORDS: on stderr
	grep -q -- "$1" "$dir/err" || fail "not said: $1" "$dir/err"
}

# ---- what needs no broker
brokers=127.0.0.1:1
ask 2
ask 2 topik list
says 'did you mean topic?'
ask 2 topic lst
says 'did you mean list?'
ask 2 topic list --intrenal
says 'did you mean --internal?'
ask 2 topic create
ask 2 group seek g
ask 2 topic list --timeout never
ask 0 help topic create
ask 0 topic create --help
ask 0 version
for shell in bash zsh; do
	ask 0 completion $shell
	bash -n "$dir/out" || fail "completion of $shell"
done
ask 3 topic list
says 'cannot connect to 127.0.0.1:1: Connection refused'
ask 3 topic list -o json
grep -q '"schema": "raftmq.topic.list/v1"' "$dir/out" || fail "no document"
grep -q '"code": "CONNECT"' "$dir/out" || fail "no error in the document"

# ---- topics
system_cluster 3
ask 0 cluster health --exit-when-healthy --timeout 20s
same "health" "$(cat "$dir/out")" HEALTHY
same "brokers" "$(tsv 0 broker list | cut -d' ' -f1,5 | tr '\n' ' ')" \
	"1 up 2 up 3 up "
same "create" "$(tsv 0 topic create a b -p 3 -r 3 -c retention.ms=3600000)" \
	"a 3 3 created
b 3 3 created"
ask 1 topic create a
ask 0 topic create a --if-not-exists
same "dry run" "$(tsv 0 topic create c -n -p 2)" "c 2 3 would be created"
same "list" "$(tsv 0 topic list | cut -d' ' -f1-3)" "a 3 3
b 3 3"
ask 5 topic describe c
ask 0 completion bash
same "completion" "$(PATH=$build:$PATH RAFTMQ_BOOTSTRAP=$brokers bash -c \
	'. "$0"; COMP_WORDS=(raftmq-admin topic describe "") COMP_CWORD=3
	_raftmq_admin; echo ${COMPREPLY[*]}' "$dir/out" | tr ' ' '\n' |
	grep -v '^-' | tr '\n' ' ')" "a b "
ask 1 topic alter a -c retention.ms=soon
same "alter" "$(tsv 0 topic alter a -c retention.bytes=1000000 -d retention.ms)" \
	"topic a retention.bytes 1000000 set
topic a retention.ms - unset"
same "config" "$(tsv 0 config get topic/a | cut -d' ' -f2,3)" \
	"retention.bytes 1000000"
ask 5 config get topic/a no.such.key
ask 1 topic alter a -c retentoin.ms=1
says 'retention.ms'
ask 0 config set broker log.retention.ms=86400000
ask 0 config unset broker log.retention.ms
same "add" "$(tsv 0 topic add-partitions a -p +1)" "a 3 4 added"
ask 1 topic add-partitions a -p 2

# ---- messages
printf 'k%s=v%s\n' 1 1 2 2 3 3 4 4 |
	"$build/raftmq-admin" -b "$brokers" message produce a -k = -H h=1 \
		>"$dir/out" 2>"$dir/err" || fail "produce" "$dir/err"
ask 0 message consume a --from start --until end -f '%k %v %h\n'
same "consumed" "$(sort "$dir/out" | tr '\n' ';')" \
	"k1 v1 h=1;k2 v2 h=1;k3 v3 h=1;k4 v4 h=1;"
ask 0 message consume a --from start -c 2
same "count" "$(wc -l <"$dir/out")" 2
seq 5 | "$build/raftmq-admin" -b "$brokers" message produce b -p 1 \
	--compression lz4 >"$dir/out" 2>"$dir/err" || fail "lz4" "$dir/err"
seq 60000 | "$build/raftmq-admin" -b "$brokers" message produce many \
	-H of=many >"$dir/out" 2>"$dir/err" || fail "many" "$dir/err"
ask 0 message consume many --from start --until end -f '%v %h\n'
same "many" "$(sort -n "$dir/out" | md5sum)" \
	"$(seq 60000 | sed 's/$/ of=many/' | md5sum)"
ask 0 topic delete many -y
ask 0 message get b:1@3
same "get" "$(cat "$dir/out")" 4
ask 5 message get b:1@9
ask 5 message get b:7@0
ask 5 message consume nowhere
same "back" "$(ask 0 message consume b:1 --from -2 --until end; cat "$dir/out")" \
	"4
5"
same "trim" "$(tsv 0 topic trim b:1 --keep 2 -y)" "b 1 0 5 3 3 trimmed"
ask 0 message consume b --from start --until end
same "left" "$(cat "$dir/out")" "4
5"

# ---- groups
ask 0 group seek g --to start -t a
same "seek" "$(tsv 0 group seek g --to end -t a:0 | cut -d' ' -f2,3,6)" "a 0 set"
ask 0 group lag g
tsv 0 group lag g | grep -q '^g 4 ' || fail "no total" "$dir/out"
same "groups" "$(tsv 0 group list | cut -d' ' -f1,2)" "g Empty"
ask 5 group describe nobody
ask 2 group delete g
says 'there is no terminal'
ask 0 group delete g -y
ask 5 group describe g

# ---- the quorum, leaders
next=$(($(tsv 0 quorum status | head -n 1 | cut -d' ' -f1) % 3 + 1))
ask 0 quorum transfer-leader $next
same "quorum leader" "$(tsv 0 quorum status | head -n 1 | cut -d' ' -f1)" $next
ask 5 quorum transfer-leader 9
ask 0 partition elect-leader
same "trouble" "$(tsv 0 partition list -u)" ""

# ---- a dead node
node_stop 3 KILL
tries=0
while "$build/raftmq-admin" -q -b "$brokers" cluster health 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "still healthy"
	sleep 0.1
done
ask 10 cluster health -o json
grep -q '"state": "UNHEALTHY"' "$dir/out" || fail "no verdict" "$dir/out"
grep -q 'broker 3 is down' "$dir/out" || fail "not who is down" "$dir/out"
tsv 0 partition list -u | grep -q under-replicated || fail "no trouble"

# ---- its data
ask 0 storage check "$dir/node3"
segment=$(find "$dir/node3/log" -name '*.log' -size +0 -path '*/b-1/*' |
	sort | tail -n 1)
[ "$segment" ] || fail "no segment of b-1"
before=$(stat -c %s "$segment")
head -c 40 "$segment" >>"$segment"
ask 1 storage check "$dir/node3"
says 'part of a header'
ask 2 storage repair "$dir/node3"
ask 0 storage repair "$dir/node3" -n
ask 0 storage repair "$dir/node3" -y
same "repaired" "$(stat -c %s "$segment")" "$before"
ask 0 storage check "$dir/node3"
ask 0 storage dump "$segment" -o jsonl
ask 1 storage repair "$dir/node1" -y
says 'is in use'
node_start 3
node_await 3
ask 0 cluster health --exit-when-healthy --timeout 30s

# ---- deleting
ask 2 topic delete a
says 'messages'
ask 5 topic delete a nowhere -y
same "delete" "$(tsv 0 topic delete a b -y)" "a deleted
b deleted"
ask 0 topic delete a --if-exists -y

# ---- a sandbox of its own
box="$dir/box"
ask 0 sandbox start -d "$box" --nodes 1 --port $((port + 500)) \
	-D num.partitions=2
same "box" "$(tsv 0 sandbox status -d "$box" | cut -d' ' -f1,2)" "1 up"
brokers=$(tsv 0 sandbox status -d "$box" | cut -d' ' -f4)
same "box topic" "$(tsv 0 topic create t)" "t 2 1 created"
ask 0 sandbox kill 1 -d "$box"
ask 10 sandbox status -d "$box"
ask 0 sandbox start -d "$box"
ask 0 topic describe t
ask 0 sandbox stop -d "$box" --purge -y
[ ! -e "$box" ] || fail "the sandbox is still there"
echo "raftmq-admin does what its page says"
