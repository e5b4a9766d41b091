#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Retention by number of messages is exact on every replica; by size and time
within one segment; seek by timestamp is exact; a segment that is being read is
not pulled from under its reader."""
import glob
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import (Cluster, Consumer, KafkaException, Producer, TopicPartition, expect,
                    read_all)


def produce(c, topic, n, size=100, first=0, **kw):
    p = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "acks": "all", "linger.ms": 1,
                  "batch.num.messages": 100})
    for i in range(first, first + n):
        while True:
            try:
                p.produce(topic, (b"%010d" % i).ljust(size, b"."), partition=0, **kw)
                break
            except BufferError:
                p.poll(0.1)
    expect(p.flush(60) == 0, "not all records of %s acknowledged" % topic)


def watermarks(c, topic):
    k = Consumer({"bootstrap.servers": c.bootstrap, "log_level": 0, "group.id": "w"})
    try:
        return k.get_watermark_offsets(TopicPartition(topic, 0), timeout=10,
                                       cached=False)
    except KafkaException as e:
        return str(e)  # no leader at the moment
    finally:
        k.close()


def until(what, test, timeout=60):
    end = time.time() + timeout
    while not test():
        expect(time.time() < end, what)
        time.sleep(0.2)


def by_messages(c):
    c.create("n", 1, 3, retention_messages=1000, segment_bytes=65536)
    c.wait_in_sync("n", 3)
    produce(c, "n", 5500)
    until("not 1,000 messages: %s" % (watermarks(c, "n"),),
          lambda: watermarks(c, "n") == (4500, 5500))
    got = read_all(c, "n", 1)[0]
    expect([o for o, _ in got] == list(range(4500, 5500)), "other offsets")
    produce(c, "n", 10, first=5500)
    until("not the newest 1,000", lambda: watermarks(c, "n") == (4510, 5510))
    # each replica in turn as the leader has the same first offset
    for _ in range(3):
        leader = c.leader_of("n", 0)
        c.kill(leader)
        until("no other leader", lambda: c.leader_of("n", 0) not in (leader, -1))
        # a new leader has to hear of its followers before it knows the end
        until("another replica keeps something else",
              lambda: watermarks(c, "n") == (4510, 5510), 10)
        got = read_all(c, "n", 1)[0]
        expect([o for o, _ in got] == list(range(4510, 5510)),
               "another replica has %d records" % len(got))
        c.start(leader)
        c.wait_in_sync("n", 3)
    print("retention.messages=1000 keeps exactly the newest 1,000 on each replica")


def by_size(c):
    c.create("b", 1, 1, retention_bytes=1 << 20, segment_bytes=1 << 17)
    leader = c.leader_of("b", 0)
    produce(c, "b", 4000, size=1000)

    def size():
        while True:
            try:
                return sum(os.path.getsize(f) for f in
                           glob.glob(c.data_dir(leader) + "/log/b-0/*.log"))
            except FileNotFoundError:
                pass  # just deleted
    until("more than a segment above the limit",
          lambda: size() <= (1 << 20) + (1 << 17))
    expect(size() >= (1 << 20) - (1 << 17), "too much was deleted: %d" % size())
    print("retention.bytes=1 MiB keeps %d KiB in segments of 128 KiB" % (size() >> 10))


def by_time(c):
    c.create("m", 1, 1, retention_ms=3000, segment_ms=1000)
    produce(c, "m", 100)
    time.sleep(2)
    produce(c, "m", 100, first=100)
    until("old records were not deleted",
          lambda: watermarks(c, "m")[0] in range(100, 201), 30)
    print("retention.ms=3000: first offset is %d of 200" % watermarks(c, "m")[0])


def by_timestamp(c):
    c.create("ts", 1, 1, segment_bytes=65536, retention_ms=-1)
    base = 1700000000000
    p = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "linger.ms": 5,
                  "batch.num.messages": 100})
    for i in range(5000):
        p.produce("ts", b"x" * 50, partition=0, timestamp=base + 10 * i)
        p.poll(0)
    expect(p.flush(60) == 0, "not acknowledged")
    k = Consumer({"bootstrap.servers": c.bootstrap, "log_level": 0, "group.id": "ts"})
    for i in (0, 1, 99, 100, 2500, 4999):
        for ask, want in ((base + 10 * i, i), (base + 10 * i - 9, i)):
            got = k.offsets_for_times([TopicPartition("ts", 0, ask)], timeout=10)
            expect(got[0].offset == want, "time %d: offset %d, wanted %d" %
                   (ask - base, got[0].offset, want))
    k.close()
    print("seek by timestamp is exact")


def while_read(c):
    c.create("r", 1, 1, segment_bytes=1 << 20, retention_bytes=1 << 20)
    produce(c, "r", 1000, size=1000)
    bad = []
    halt = threading.Event()

    def reader():
        k = Consumer({"bootstrap.servers": c.bootstrap, "log_level": 0, "group.id": "slow",
                      "auto.offset.reset": "earliest", "check.crcs": True,
                      "fetch.message.max.bytes": 1 << 20})
        k.assign([TopicPartition("r", 0, 0)])
        while not halt.is_set():
            m = k.poll(0.1)
            if m is None:
                continue
            if m.error():
                bad.append(str(m.error()))
            elif int(m.value()[:10]) != m.offset():
                bad.append("%d holds %s" % (m.offset(), m.value()[:10]))
        k.close()
    t = threading.Thread(target=reader)
    t.start()
    for i in range(1, 20):
        produce(c, "r", 1000, size=1000, first=1000 * i)
    time.sleep(1)
    halt.set()
    t.join()
    expect(not bad, "the reader saw %s" % bad[:3])
    print("segments went away under a reader, which noticed nothing")


with Cluster(3, ["log.retention.check.interval.ms=500"]) as c:
    for part in sys.argv[1:] or ("by_messages", "by_size", "by_time",
                                 "by_timestamp", "while_read"):
        globals()[part](c)
