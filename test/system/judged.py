#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What librdkafka's clients saw while leaders were killed, held against the
same rules as the simulator's histories (test/lib/verdict.h).

Producers with acks=all and acks=1, an assigned consumer, two members of a
group that commit what they read; leaders die; at the end one scan of all.
ROUNDS=n for more of it.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from history import History, judge
from raftmq import (BUILD, Cluster, Consumer, KafkaException, Producer,
                    TopicPartition, expect, read_all, skip)

ROUNDS = int(os.environ.get("ROUNDS", "1"))
PARTITIONS = 4

if not os.access(os.path.join(BUILD, "check-history"), os.X_OK):
    skip("no check-history in " + BUILD + ": make check builds it")


class Client(threading.Thread):
    """One process of the history, until halt."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.error = process, None

    def run(self):
        try:
            self.work()
        except Exception as e:  # shown by the main thread
            self.error = repr(e)


class Sender(Client):
    def __init__(self, process, acks):
        super().__init__(process)
        self.acks = acks
        safe = acks == "all"
        self.producer = Producer({
            "bootstrap.servers": c.bootstrap, "log_level": 0, "acks": acks,
            "enable.idempotence": safe, "linger.ms": 2,
            "message.timeout.ms": 60000, "reconnect.backoff.max.ms": 200})
        self.number = process if safe else None

    def send(self, partition, sequence):
        value = h.value()
        op = h.send(self.process, "t", partition, value, self.acks,
                    self.number, sequence, retried=self.number is None)

        def done(error, message):
            # librdkafka may have tried: nothing is certain
            op.info() if error else op.ok(message.offset())
        self.producer.produce("t", b"%d" % value, partition=partition,
                              on_delivery=done)

    def work(self):
        sequence = 0
        while not halt.is_set():
            for p in range(PARTITIONS):
                self.send(p, sequence)
            sequence += 1
            self.producer.poll(0.01)
        expect(self.producer.flush(90) == 0, "sends without an end")


class Reader(Client):
    """Assigned, or (group) a member that commits."""

    def __init__(self, process, group=None):
        super().__init__(process)
        self.group = group
        self.consumer = Consumer({
            "bootstrap.servers": c.bootstrap, "log_level": 0,
            "group.id": group or "none", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
            "reconnect.backoff.max.ms": 200})
        if group:
            self.consumer.subscribe(["t"], on_assign=self.assigned)
        else:
            self.consumer.assign([TopicPartition("t", p, 0)
                                  for p in range(PARTITIONS)])
            for p in range(PARTITIONS):
                h.seek(process, "t", p, 0)

    def assigned(self, consumer, parts):
        for p in parts:
            h.own(self.process, self.group, "t", p.partition)

    def commit(self, m):
        op = h.commit(self.process, self.group, "t", m.partition(),
                      m.offset() + 1)
        try:
            self.consumer.commit(asynchronous=False, offsets=[
                TopicPartition("t", m.partition(), m.offset() + 1)])
            op.ok()
        except KafkaException:
            op.info()

    def work(self):
        count = 0
        while not halt.is_set():
            op = h.poll(self.process, "subscribe" if self.group else "assign")
            m = self.consumer.poll(0.2)
            if m is not None and not m.error():
                op.read("t", m.partition(), m.offset(), int(m.value()))
                op.ok()
                count += 1
                if self.group and count % 50 == 0:
                    self.commit(m)
            else:
                op.ok()
        self.consumer.close()


def fetch_committed(process, group):
    consumer = Consumer({"bootstrap.servers": c.bootstrap, "log_level": 0,
                         "group.id": group})
    for p in range(PARTITIONS):
        op = h.fetch(process, group, "t", p)
        found = consumer.committed([TopicPartition("t", p)], timeout=30)[0]
        op.ok(found.offset)
    consumer.close()


def scan(process):
    op = h.poll(process, "final")
    for p, records in read_all(c, "t", PARTITIONS).items():
        op.answer("t", p, position=0, log_start=0,
                  hw=records[-1][0] + 1 if records else 0)
        for offset, value in records:
            op.read("t", p, offset, int(value))
    op.ok()


with Cluster(3) as c:
    c.create("t", PARTITIONS, 3)
    c.wait_in_sync("t", 3)
    path = os.path.join(c.dir, "history")
    with History(path) as h:
        halt = threading.Event()
        clients = [Sender(1, "all"), Sender(2, "1"), Reader(3),
                   Reader(4, "g"), Reader(5, "g")]
        for client in clients:
            client.start()
        time.sleep(3)
        for r in range(ROUNDS):
            for partition in range(2):
                victim = c.leader_of("t", partition)
                h.fault("kill %d" % victim)
                c.kill(victim)
                time.sleep(3)
                c.start(victim)
                c.wait_in_sync("t", 3)
                time.sleep(1)
        halt.set()
        for client in clients:
            client.join(120)
            expect(not client.is_alive() and not client.error,
                   "process %d: %s" % (client.process, client.error))
        fetch_committed(6, "g")
        scan(7)
    valid, verdict = judge(BUILD, path)
    print("\n".join(verdict.pop("lines")))
    print(verdict)
    expect(valid, "the clients saw what must not be")
    expect(verdict["values_read"] > 1000 and verdict["final_reads"] ==
           PARTITIONS and verdict["polls"] > 1000, "hardly anything was seen")
