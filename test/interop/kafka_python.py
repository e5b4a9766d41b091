#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kafka-python beside librdkafka: each reads what the other wrote, in every
codec that both have; groups of one library alone; admin calls."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Consumer, Producer, expect, read_all, skip

try:
    import kafka
    import kafka.codec
    from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
except ImportError:
    skip("no python3-kafka here")


def codecs():
    have = {"gzip": kafka.codec.has_gzip, "snappy": kafka.codec.has_snappy,
            "lz4": kafka.codec.has_lz4, "zstd": kafka.codec.has_zstd}
    return [None] + [name for name, has in have.items() if has()]


def values(prefix, n=500):
    return [b"%s %d " % (prefix, i) + b"x" * 50 for i in range(n)]


with Cluster(3) as c:
    servers = c.bootstrap.split(",")
    admin = kafka.KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic("k-%s" % (codec or "none"), 1, 3)
                         for codec in codecs()])
    for codec in codecs():
        topic = "k-%s" % (codec or "none")
        c.wait_in_sync(topic, 3)
        ours = values(b"kafka-python")
        p = kafka.KafkaProducer(bootstrap_servers=servers, acks="all",
                                compression_type=codec, linger_ms=5)
        futures = [p.send(topic, v, key=b"key", headers=[("h", b"1")]) for v in ours]
        offsets = [f.get(30).offset for f in futures]
        p.close()
        expect(offsets == list(range(500)), "%s: offsets %s.." % (topic, offsets[:3]))
        theirs = values(b"librdkafka")
        q = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "acks": "all",
                      "compression.type": codec or "none", "linger.ms": 5})
        for v in theirs:
            q.produce(topic, v, partition=0)
        expect(q.flush(30) == 0, "librdkafka's records were not acknowledged")
        k = kafka.KafkaConsumer(topic, bootstrap_servers=servers,
                                group_id="g-" + topic, auto_offset_reset="earliest",
                                consumer_timeout_ms=15000)
        got = []
        for m in k:
            got.append(m.value)
            if len(got) == 1000:
                break
        k.commit()
        k.close()
        expect(got == ours + theirs, "%s: kafka-python read %d records" % (
            topic, len(got)))
        got = [v for _, v in read_all(c, topic, 1)[0]]
        expect(got == ours + theirs, "%s: librdkafka read %d records" % (
            topic, len(got)))
        print(topic, "ok", flush=True)
    k = kafka.KafkaConsumer("k-none", bootstrap_servers=servers, group_id="g-k-none",
                            auto_offset_reset="earliest", consumer_timeout_ms=3000)
    expect(list(k) == [], "committed offsets were forgotten")
    tp = kafka.TopicPartition("k-none", 0)
    expect(k.beginning_offsets([tp])[tp] == 0 and k.end_offsets([tp])[tp] == 1000,
           "begin and end are elsewhere")
    k.close()
    groups = dict(admin.list_consumer_groups())
    expect("g-k-none" in groups, "the group is not listed: %s" % groups)
    lag = admin.list_consumer_group_offsets("g-k-none")
    expect(lag[tp].offset == 1000, "committed %s" % (lag,))
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC,
                                                       "k-none")])
    expect("retention.messages" in str(described), "the topic's settings lack ours")
    admin.delete_topics(["k-none"])
    end = time.time() + 10
    while "k-none" in admin.list_topics():
        expect(time.time() < end, "the topic was not deleted")
        time.sleep(0.1)
    admin.close()
