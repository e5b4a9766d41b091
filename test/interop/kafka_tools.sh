#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Apache Kafka's own command-line tools against three nodes: each does its job
# unchanged, and kafka-dump-log reads the segments.
. "${0%/*}/../lib/system.sh"
libs=$(sh "$top/test/lib/get-kafka.sh") || skip "$libs"
need java
system_cluster 3

java_tool() { # CLASS [ARGUMENT...]
	class=$1
	shift
	java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$libs/*" "$class" "$@"
}
tool() { # NAME CLASS ARGUMENT...: output in $dir/NAME, and it has to succeed
	name=$1
	shift
	java_tool "$@" >"$dir/$name" 2>"$dir/$name.err" </dev/null ||
		{ cat "$dir/$name.err"; fail "$name" "$dir/$name"; }
}
has() { # NAME TEXT
	grep -q -- "$2" "$dir/$1" || fail "$1 does not say '$2'" "$dir/$1"
}
tools=org.apache.kafka.tools
topics=$tools.TopicCommand
groups=$tools.consumer.group.ConsumerGroupCommand
configs=kafka.admin.ConfigCommand
b="--bootstrap-server $brokers"

# ---- kafka-topics, kafka-console-producer, kafka-console-consumer
tool topics-create $topics $b --create --topic tools --partitions 4 \
	--replication-factor 3 --config segment.bytes=1048576
tool topics-describe $topics $b --describe --topic tools
has topics-describe 'PartitionCount: 4'
has topics-describe 'ReplicationFactor: 3'
has topics-describe 'segment.bytes=1048576'
tool topics-alter $topics $b --alter --topic tools --partitions 6
seq 1 1000 | sed 's/^/value /' >"$dir/lines"
java_tool $tools.ConsoleProducer $b --topic tools \
	<"$dir/lines" >"$dir/producer" 2>&1 ||
	fail "console producer" "$dir/producer"
tool console-consumer $tools.consumer.ConsoleConsumer $b --topic tools \
	--group console --from-beginning --max-messages 1000 --timeout-ms 30000
sort "$dir/console-consumer" >"$dir/got"
sort "$dir/lines" | cmp - "$dir/got" || fail "the consumer's lines differ"

# ---- kafka-consumer-groups
tool groups-list $groups $b --list
has groups-list '^console$'
tool groups-describe $groups $b --describe --group console
has groups-describe 'tools'
tool groups-reset $groups $b --group console --topic tools \
	--reset-offsets --to-earliest --execute
tool groups-after $groups $b --describe --group console
awk '$2 == "tools" && $4 != 0 { bad = 1 } END { exit bad }' \
	"$dir/groups-after" || fail "offsets were not reset" "$dir/groups-after"
tool groups-delete $groups $b --delete --group console

# ---- kafka-configs
tool configs-alter $configs $b --alter --entity-type topics \
	--entity-name tools \
	--add-config retention.ms=100000000,retention.messages=5000
tool configs-describe $configs $b --describe --entity-type topics \
	--entity-name tools
has configs-describe 'retention.ms=100000000'
has configs-describe 'retention.messages=5000'
tool configs-delete $configs $b --alter --entity-type topics \
	--entity-name tools --delete-config retention.messages

# ---- kafka-verifiable-producer, kafka-verifiable-consumer
tool topics-verified $topics $b --create --topic verified --partitions 1 \
	--replication-factor 3
tool verifiable-producer $tools.VerifiableProducer $b --topic verified \
	--max-messages 2000 --acks -1
same "verified records" "$(grep -c producer_send_success \
	"$dir/verifiable-producer")" 2000
tool verifiable-consumer $tools.VerifiableConsumer $b --topic verified \
	--group-id verify --max-messages 2000 --reset-policy earliest
same "consumed records" "$(awk -F'"count":' '/"records_consumed"/ {
	split($2, a, /[,}]/); n += a[1] } END { print n }' \
	"$dir/verifiable-consumer")" 2000

# ---- kafka-get-offsets, kafka-delete-records, and the administrators' rest
tool get-offsets $tools.GetOffsetShell $b --topic tools
same "records by kafka-get-offsets" \
	"$(awk -F: '{ n += $3 } END { print n }' "$dir/get-offsets")" 1000
printf '{"partitions":[%s],"version":1}' \
	'{"topic":"verified","partition":0,"offset":10}' >"$dir/delete.json"
tool delete-records $tools.DeleteRecordsCommand $b \
	--offset-json-file "$dir/delete.json"
has delete-records 'low_watermark: 10'
tool metadata-quorum $tools.MetadataQuorumCommand $b describe --status
has metadata-quorum 'LeaderId'
tool leader-election $tools.LeaderElectionCommand $b \
	--election-type preferred --all-topic-partitions
tool log-dirs $tools.LogDirsCommand $b --describe --topic-list tools
has log-dirs 'tools-0'
tool api-versions $tools.BrokerApiVersionsCommand $b
has api-versions 'Produce(0)'

# ---- kafka-dump-log
segment=$(find "$dir" -path '*/verified-0/*.log' | head -n 1)
tool dump-log kafka.tools.DumpLogSegments --deep-iteration \
	--print-data-log --files "$segment"
has dump-log 'isvalid: true'
same "records by kafka-dump-log" "$(grep -c 'payload:' "$dir/dump-log")" 2000

tool topics-delete $topics $b --delete --topic tools
tool topics-list $topics $b --list
grep -q '^tools$' "$dir/topics-list" && fail "the topic was not deleted"
echo "Kafka's command-line tools do their jobs"
