# SPDX-License-Identifier: Apache-2.0
"""The clients of a run: what they did and what they were told.

Producers (librdkafka, idempotent; kafka-python, without retries) give every
record a value of its own; consumers (assigned; two members of a group) note
what they see. judge() compares it all with one last reading.
"""
import collections
import glob
import json
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time

from raftmq import (AdminClient, Consumer, KafkaError, KafkaException, Producer,
                    TopicPartition)

SOCKET_MS = 500  # how long these clients wait for a broker that hangs
EACH = 1 << 40   # values of one producer; below, of one of its partitions
PART = 1 << 32


def now_us():
    return time.monotonic_ns() // 1000


class Sends(threading.Thread):
    """Sends to all partitions of a topic at a rate, until told to stop."""

    def __init__(self, clients, number, rate):
        super().__init__(daemon=True)
        self.clients, self.number, self.rate = clients, number, rate
        self.topic, self.partitions = clients.topic, clients.partitions
        self.ops = []    # [partition, value, begin, end, outcome, offset]
        self.acks = {p: [] for p in range(self.partitions)}  # (end, begin)
        self.halt = threading.Event()
        self.left = 0

    def value(self, p, n):
        return self.number * EACH + p * PART + n

    def run(self):
        n, begin = 0, time.monotonic()
        while not self.halt.is_set():
            for p in range(self.partitions):
                self.send(p, self.value(p, n))
            n += 1
            self.wait(max(0, begin + n / self.rate - time.monotonic()))
            if time.monotonic() - begin > n / self.rate + 1:
                begin = time.monotonic() - n / self.rate
        self.finish()

    def done(self, op, outcome, offset):
        op[3:6] = now_us(), outcome, -1 if offset is None else offset
        if outcome == "ok":
            self.acks[op[0]].append((op[3], op[2]))

    def begun(self, p, value):
        op = [p, value, now_us(), None, "info", -1]
        self.ops.append(op)
        return op


class Librdkafka(Sends):
    """Before 2.4 a time-out while a leader changes can end an idempotent
    producer ("sequence desynchronization"): then another one goes on, with
    another number, and what was under way may or may not have happened."""
    name = "librdkafka"
    idempotent = True

    def __init__(self, clients, number, rate):
        super().__init__(clients, number, rate)
        self.fatal, self.gaps, self.hung = [], [], []
        self.said = collections.deque(maxlen=1000)
        self.log = logging.Logger("eos")  # what it says of gaps in sequences
        handler = logging.Handler()
        handler.emit = self.note
        self.log.addHandler(handler)
        self.renew()

    def note(self, record):
        text = record.getMessage()
        if not text.startswith(("MSGSET", "PRODUCE", "TOPPAR")) or "error" in text:
            self.said.append((now_us(), text))
        if "sequence" in text and not text.startswith("REBOOTSTRAP"):
            self.gaps.append((now_us(), text))

    def renew(self):
        self.producer = Producer({
            "bootstrap.servers": self.clients.bootstrap, "acks": "all",
            "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 120000,
            # what heaps up behind a hung broker still fits a segment: a batch that
            # is refused for good makes it send others again, under another epoch
            "batch.size": 16384,
            "socket.timeout.ms": SOCKET_MS, "reconnect.backoff.max.ms": 200,
            "error_cb": self.error, "debug": "eos,msg,topic", "log_level": 7}, logger=self.log)

    def error(self, e):
        if e.code() == KafkaError._FATAL or e.fatal():
            self.ended = True

    ended = False

    def send(self, p, value):
        if self.ended:
            self.fatal.append(now_us())
            self.ended = False
            self.number += 10
            value = self.number * EACH + value % EACH
            self.renew()
        op = self.begun(p, value)

        def done(error, message):
            self.done(op, "info" if error else "ok", message.offset())
        while not self.ended:
            try:
                self.producer.produce(self.topic, b"%d" % value, partition=p,
                                      on_delivery=done)
                return
            except BufferError:
                self.producer.poll(0.1)
            except KafkaException:
                self.ended = True

    def wait(self, s):
        try:
            self.producer.poll(s)
        except KafkaException:
            self.ended = True

    def finish(self):
        try:
            self.left = 0 if self.ended else self.producer.flush(120)
        except KafkaException:
            self.ended = True


class KafkaPython(Sends):
    """No retries: what fails may or may not have happened, once."""
    name = "kafka-python"
    idempotent = False

    def __init__(self, clients, number, rate):
        super().__init__(clients, number, rate)
        import kafka
        self.producer = kafka.KafkaProducer(
            bootstrap_servers=clients.bootstrap.split(","), acks="all", retries=0,
            max_in_flight_requests_per_connection=1, request_timeout_ms=2000,
            api_version=(2, 0, 0), max_block_ms=1000, linger_ms=2,
            metadata_max_age_ms=1000)

    def send(self, p, value):
        op = self.begun(p, value)
        try:
            f = self.producer.send(self.topic, b"%d" % value, partition=p)
        except Exception:
            self.done(op, "fail", -1)
            return
        f.add_callback(lambda m: self.done(op, "ok", m.offset))
        f.add_errback(lambda e: self.done(op, "info", -1))

    def wait(self, s):
        self.halt.wait(s)

    def finish(self):
        self.producer.flush(30)
        self.producer.close(5)


def kafka_libs():
    """The directory of Kafka's own tools, if they have been fetched already."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or
                         os.path.expanduser("~/.cache"), "raftmq")
    for d in [os.environ.get("KAFKA_LIBS", "")] + glob.glob(cache + "/kafka-*/libs"):
        if glob.glob(os.path.join(d, "kafka-clients-*.jar")) and shutil.which("java"):
            return d
    return None


class Java(Sends):
    """kafka-verifiable-producer, idempotent. It tells what was acknowledged;
    what else it sent is learned when everything is read at the end."""
    name = "Java"
    idempotent = True

    def __init__(self, clients, number, rate):
        super().__init__(clients, number, rate)
        self.config = tempfile.NamedTemporaryFile("w", suffix=".properties")
        self.config.write("enable.idempotence=true\nretries=2147483647\n"
                          "request.timeout.ms=2000\nlinger.ms=2\n"
                          "delivery.timeout.ms=120000\nmax.block.ms=60000\n")
        self.config.flush()
        self.process = None

    def run(self):
        self.begin = now_us()
        self.process = subprocess.Popen(
            ["java", "-Xmx128m", "-cp", os.path.join(kafka_libs(), "*"),
             "org.apache.kafka.tools.VerifiableProducer",
             "--bootstrap-server", self.clients.bootstrap, "--topic", self.topic,
             "--throughput", "%d" % (self.rate * self.partitions), "--acks", "-1",
             "--value-prefix", str(self.number), "--command-config", self.config.name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if '"producer_send_success"' in line:
                j = json.loads(line)
                self.ops.append([j["partition"], value_of(j["value"].encode()),
                                 self.begin, now_us(), "ok", j["offset"]])
        self.process.wait()

    def stop_process(self):
        if self.process:
            self.process.terminate()

    def learn(self, found):
        known = {op[1] for op in self.ops}
        for p, records in found.items():
            for _, text in records:
                v = value_of(text)
                if v // EACH == self.number and v not in known:
                    self.ops.append([p, v, self.begin, None, "info", -1])
        self.ops.sort(key=lambda op: op[1])


def value_of(text):
    """A number, or "4.17": the 17th of Java's producer 4."""
    number, dot, n = text.partition(b".")
    return int(number) * EACH + int(n) if dot else int(number)


class Polls(threading.Thread):
    """Reads; what it saw stands in polls: (begin, end, [(p, offset, value)])."""

    def __init__(self, clients, number, group=None):
        super().__init__(daemon=True)
        self.clients, self.number, self.group = clients, number, group
        self.polls, self.moves = [], []
        self.halt = threading.Event()
        self.consumer = Consumer({
            "bootstrap.servers": clients.bootstrap, "log_level": 0,
            "group.id": group or "none", "auto.offset.reset": "earliest",
            "enable.auto.commit": bool(group), "auto.commit.interval.ms": 500,
            "session.timeout.ms": 6000, "socket.timeout.ms": 1000,
            "reconnect.backoff.max.ms": 200, "fetch.wait.max.ms": 100})
        if group:
            self.consumer.subscribe([clients.topic])
        else:
            self.consumer.assign([TopicPartition(clients.topic, p, 0)
                                  for p in range(clients.partitions)])

    def run(self):
        while not self.halt.is_set():
            begin = now_us()
            got = []
            for m in self.consumer.consume(500, 0.2):
                if not m.error():
                    got.append((m.partition(), m.offset(), value_of(m.value())))
            if got:
                self.polls.append((begin, now_us(), got))
        try:
            self.consumer.close()
        except KafkaException:
            pass


class Clients:
    """All of one round, on one topic."""

    def __init__(self, cluster, topic, partitions, rate, java=False):
        self.bootstrap, self.topic = cluster.bootstrap, topic
        self.partitions = partitions
        self.senders = [Librdkafka(self, 1, rate)]
        self.readers = []
        self.senders.append(Librdkafka(self, 2, rate / 10))
        try:
            self.senders.append(KafkaPython(self, 3, rate / 20))
        except ImportError:
            pass
        if java:
            self.senders.append(Java(self, 4, max(1, rate / 20)))
        self.readers = [Polls(self, 1), Polls(self, 2, topic + "-group"),
                        Polls(self, 3, topic + "-group")]
        self.threads = self.senders + self.readers

    def start(self):
        for t in self.threads:
            t.start()

    def wait_acks(self, since_us, timeout):
        """Until each partition has acknowledged something sent after since."""
        main, end = self.senders[0], time.monotonic() + timeout
        while True:
            missing = [p for p, acks in main.acks.items()
                       if not any(b > since_us for _, b in acks[-50:])]
            if not missing:
                return []
            if time.monotonic() > end:
                return self.give_up(missing, since_us)
            time.sleep(0.01)

    def give_up(self, missing, since_us):
        """One producer alone hangs, others do not: then it is the client."""
        served = {op[0] for t in self.senders[1:] for op in t.ops[-5000:]
                  if op[4] == "ok" and op[2] > since_us}
        if not set(missing) <= served:
            return missing
        main = self.senders[0]
        main.hung.append((now_us(), missing, list(main.said) +
                          [(now_us(), text) for text in self.leaders(missing)]))
        main.ended = True
        return []

    def leaders(self, partitions):
        """Who leads them, as each node says, on connections of several shards."""
        for at in self.bootstrap.split(",") * 4:
            try:
                t = AdminClient({"bootstrap.servers": at, "log_level": 0}
                                ).list_topics(self.topic, timeout=1).topics[self.topic]
                yield "%s says: %s" % (at, ", ".join(
                    "%d is led by %d" % (p, t.partitions[p].leader) for p in partitions))
            except KafkaException as e:
                yield "%s does not say: %s" % (at, e)

    def gap_ms(self, since_us, until_us):
        """The longest time without an acknowledgement, on any partition."""
        worst = 0
        for acks in self.senders[0].acks.values():
            last = None
            for i in range(len(acks) - 1, -1, -1):
                at = acks[i][0]
                if at <= until_us and last is not None:
                    worst = max(worst, last - at)
                last = at
                if at < since_us:
                    break
        return worst / 1000

    def stop(self):
        for t in self.senders:
            t.halt.set()
        self.stop_processes()
        for t in self.senders:
            t.join(150)

    def stop_processes(self):
        for t in self.senders:
            if isinstance(t, Java):
                t.stop_process()

    def learn(self, found):
        for t in self.senders:
            if isinstance(t, Java):
                t.learn(found)

    def stop_readers(self):
        for t in self.readers:
            t.halt.set()
        for t in self.readers:
            t.join(30)

    def acked(self):
        return sum(op[4] == "ok" for t in self.senders for op in t.ops)


# ---- judging ------------------------------------------------------------------

def judge(clients, found, most=20):
    """What is wrong, as lines of text; found is read_all's."""
    bad = []
    where, at = {}, {}
    for p, records in found.items():
        for offset, text in records:
            value = value_of(text)
            if value in where:
                bad.append("duplicate: %d at %d:%d and %d:%d" %
                           (value, *where[value], p, offset))
            where[value] = (p, offset)
            at[p, offset] = value
        offsets = [o for o, _ in records]
        if offsets != list(range(len(offsets))):
            bad.append("partition %d: offsets are not 0..%d" % (p, len(offsets) - 1))
    for t in clients.senders:
        judge_sender(t, found, where, bad)
    for t in clients.readers:
        judge_reader(t, at, bad)
    return bad[:most] + (["and %d more" % (len(bad) - most)] if len(bad) > most else [])


def judge_sender(t, found, where, bad):
    if t.left:
        bad.append("%s %d: %d records neither acknowledged nor failed" %
                   (t.name, t.number, t.left))
    for p, value, _, _, outcome, offset in t.ops:
        if outcome == "ok" and value not in where:
            bad.append("lost: %d (%s), acknowledged at %d:%d" % (value, t.name, p, offset))
        elif outcome == "ok" and offset >= 0 and where[value] != (p, offset):
            bad.append("moved: %d from %d:%d to %d:%d" % (value, p, offset, *where[value]))
        elif outcome == "fail" and value in where:
            bad.append("came true: %d had failed" % value)
    if t.idempotent:
        for p, records in found.items():
            order = {}
            for _, text in records:
                v = value_of(text)
                if v // EACH % 10 == t.number % 10 and v < order.get(v // EACH, 0):
                    bad.append("partition %d: %d comes after %d" % (
                        p, v, order[v // EACH]))
                order[v // EACH] = v


def judge_reader(t, at, bad):
    position = {}
    for _, _, got in t.polls:
        for p, offset, value in got:
            if at.get((p, offset)) != value:
                bad.append("reader %d saw %d at %d:%d, where %s is" %
                           (t.number, value, p, offset, at.get((p, offset), "nothing")))
            if not t.group and offset != position.get(p, 0):
                bad.append("reader %d: %d:%d after %d" %
                           (t.number, p, offset, position.get(p, 0) - 1))
            position[p] = offset + 1

