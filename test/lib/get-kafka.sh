#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: libs=$(sh test/lib/get-kafka.sh) || { echo "$libs"; exit 77; }
#
# Prints the directory with the jars of Apache Kafka 4.2.0 and its tools, from
# Maven Central through mvn, once; they stay in ${XDG_CACHE_HOME:-~/.cache}.
# KAFKA_LIBS names a directory that has them already. When they cannot be had
# it prints the reason and exits 77.
set -u
version=4.2.0
if [ "${KAFKA_LIBS:-}" ]; then
	ls "$KAFKA_LIBS"/kafka_2.13-*.jar >/dev/null 2>&1 ||
		{ echo "no kafka_2.13 jar in KAFKA_LIBS=$KAFKA_LIBS"; exit 77; }
	echo "$KAFKA_LIBS"
	exit
fi
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/raftmq/kafka-$version
if [ -e "$cache/complete" ]; then
	echo "$cache/libs"
	exit
fi
for c in java mvn; do
	command -v $c >/dev/null 2>&1 || { echo "no $c here"; exit 77; }
done
mkdir -p "$cache" || { echo "cannot write to $cache"; exit 77; }
cat >"$cache/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>raftmq</groupId><artifactId>oracle</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
END
timeout 300 mvn -q -B -f "$cache/pom.xml" dependency:copy-dependencies \
	-DoutputDirectory="$cache/libs" >"$cache/log" 2>&1 || {
	echo "Maven Central cannot be reached: $(grep -m1 ERROR "$cache/log")"
	exit 77
}
touch "$cache/complete"
echo "$cache/libs"
