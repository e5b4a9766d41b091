#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Consumer groups while nodes die: every record is seen, committed offsets
never go back, static members come back without a rebalance, and fifty members
share a thousand partitions quickly."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import (Cluster, Consumer, KafkaException, Producer,
                    TopicPartition, expect)

RECORDS = int(os.environ.get("RECORDS", "20000"))


class Reader(threading.Thread):
    def __init__(self, c, group, topics, **config):
        super().__init__(daemon=True)
        conf = {"bootstrap.servers": c.bootstrap, "log_level": 0, "group.id": group,
                "auto.offset.reset": "earliest", "enable.auto.commit": False,
                "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
                "reconnect.backoff.max.ms": 200,
                "topic.metadata.refresh.interval.ms": 2000}
        conf.update({k.replace("_", "."): v for k, v in config.items()})
        self.consumer = Consumer(conf)
        self.seen, self.assignments, self.halt = set(), [], threading.Event()
        self.assigned = None
        self.error = None
        self.consumer.subscribe(topics, on_assign=self.on_assign,
                                on_revoke=self.on_revoke)

    def on_assign(self, consumer, partitions):
        self.assigned = sorted((p.topic, p.partition) for p in partitions)
        self.assignments.append((time.time(), self.assigned))

    def on_revoke(self, consumer, partitions):
        self.assigned = None

    def run(self):
        n = 0
        while not self.halt.is_set():
            m = self.consumer.poll(0.1)
            if m is None or m.error():
                continue
            self.seen.add((m.partition(), m.offset(), m.value()))
            n += 1
            if n % 50 == 0:
                self.consumer.commit(asynchronous=True)
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as e:
            self.error = e

    def end(self, leave=True):
        self.halt.set()
        self.join()
        if leave:
            self.consumer.close()


def every_record(c):
    c.create("t", 6, 3)
    c.wait_in_sync("t", 3)
    readers = [Reader(c, "g", ["t"]) for _ in range(3)]
    for r in readers:
        r.start()
    p = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "acks": "all",
                  "enable.idempotence": True, "reconnect.backoff.max.ms": 200})
    watch = Consumer({"bootstrap.servers": c.bootstrap, "log_level": 0, "group.id": "g",
                      "reconnect.backoff.max.ms": 200})
    parts = [TopicPartition("t", i) for i in range(6)]
    high = [-1] * 6

    def look():
        try:
            for tp in watch.committed(parts, timeout=10):
                if tp.offset >= 0:
                    expect(tp.offset >= high[tp.partition],
                           "t-%d went back from %d to %d" %
                           (tp.partition, high[tp.partition], tp.offset))
                    high[tp.partition] = tp.offset
        except KafkaException:
            pass

    victims = [1, 2, 3]
    for i in range(RECORDS):
        while True:
            try:
                p.produce("t", b"%d" % i, partition=i % 6)
                break
            except BufferError:
                p.poll(0.1)
        if i % 50 == 0:
            p.poll(0)
            time.sleep(0.02)
        if i % 1000 == 999:
            look()
        if victims and i >= RECORDS * (4 - len(victims)) // 4:
            victim = victims.pop(0)
            c.kill(victim)
            look()
            c.start(victim)
            c.wait_in_sync("t", 3)
    expect(p.flush(60) == 0, "not all records were acknowledged")
    end = time.time() + 60
    while time.time() < end:
        got = {v for r in readers for _, _, v in list(r.seen)}
        if len(got) == RECORDS:
            break
        time.sleep(0.2)
    expect(len(got) == RECORDS, "%d of %d records seen" % (len(got), RECORDS))
    for r in readers:
        r.end()
    look()
    print("%d records seen by 3 members while each node died once" % RECORDS)


def static_members(c):
    c.create("s", 4, 3)
    a = Reader(c, "static", ["s"], group_instance_id="a")
    b = Reader(c, "static", ["s"], group_instance_id="b")
    a.start()
    b.start()
    end = time.time() + 30
    while not (a.assigned and b.assigned and len(a.assigned) == 2 and
               len(b.assigned) == 2):
        expect(time.time() < end, "static members were not assigned")
        time.sleep(0.05)
    before, rounds = b.assigned, len(a.assignments)
    b.end(leave=False)  # librdkafka does not leave for static members
    b.consumer.close()
    b = Reader(c, "static", ["s"], group_instance_id="b")
    b.start()
    while not b.assigned:
        expect(time.time() < end, "the static member did not come back")
        time.sleep(0.05)
    expect(b.assigned == before, "another assignment: %s" % b.assigned)
    expect(len(a.assignments) == rounds, "the other member was rebalanced")
    a.end()
    b.end()
    print("a static member came back to its partitions, nobody else noticed")


def fifty_members(c):
    c.create("many", 1000, 1, timeout=60)
    members = [Reader(c, "fifty", ["many"]) for _ in range(50)]
    begin = time.time()
    for m in members:
        m.start()

    def settled():
        owned = [p for m in members if m.assigned for p in m.assigned]
        return len(owned) == 1000 and len(set(owned)) == 1000 and \
            all(m.assigned for m in members)
    while not settled():
        expect(time.time() < begin + 60, "fifty members did not settle: %d" %
               sum(len(m.assigned or ()) for m in members))
        time.sleep(0.02)
    joined = time.time() - begin
    begin = time.time()
    members.pop().end()
    while not settled():
        expect(time.time() < begin + 30, "no rebalance after one left")
        time.sleep(0.02)
    print("50 members over 1,000 partitions: %.1f s to join, %.1f s after one left"
          % (joined, time.time() - begin))
    expect(time.time() - begin < 3, "the rebalance took %.1f s" %
           (time.time() - begin))
    for m in members:
        m.halt.set()
    for m in members:
        m.end()


with Cluster(3) as c:
    for part in sys.argv[1:] or ("every_record", "static_members", "fifty_members"):
        globals()[part](c)
