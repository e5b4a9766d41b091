# SPDX-License-Identifier: Apache-2.0
"""What the Python tests with real daemons share.

    with Cluster(3) as c:
        c.kill(c.leader_of("t", 0)); c.start(2)

Nodes listen on 127.0.0.1 only, are ended by their process ids, and keep their
data in a directory that goes with the test. A test is a script in test/system
or test/interop: it exits 0, or 77 with a reason on its last line, or 1.
"""
import atexit
import json
import logging
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD_DIR", os.path.join(TOP, "build"))
# BUILD has sanitizers in it: it is big and slow, and what still runs at the
# end of a test is ended by SIGTERM, so that leaks are looked for, and must
# exit 0.
SANITIZED = bool(os.environ.get("SANITIZED"))


def skip(reason):
    print(reason)
    sys.exit(77)


def fail(message):
    print("FAILED:", message)
    sys.exit(1)


def expect(condition, message):
    if not condition:
        fail(message)


try:
    from confluent_kafka import (Consumer, KafkaError, KafkaException, Producer,
                                 TopicPartition)
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    skip("no python3-confluent-kafka here")


def free_ports(n):
    """Below those that connections get of themselves: between here and the
    server's listen one of them would take the port."""
    socks = []
    while len(socks) < n:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.randrange(12000, 32000)))
            socks.append(s)
        except OSError:
            s.close()
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


class Cluster:
    """Real nodes, 1..n."""

    def __init__(self, n=3, settings=(), data=None):
        if not os.access(os.path.join(BUILD, "raftmqd"), os.X_OK):
            skip("no raftmqd in " + BUILD)
        self.n = n
        self.dir = data or tempfile.mkdtemp(prefix="raftmq-test.")
        self.own_dir = data is None
        self.settings = list(settings)
        ports = free_ports(3 * n)
        self.kafka = {i: ports[i - 1] for i in range(1, n + 1)}
        self.http = {i: ports[n + i - 1] for i in range(1, n + 1)}
        self.peer = {i: ports[2 * n + i - 1] for i in range(1, n + 1)}
        self.host = {i: "127.0.0.1" for i in range(1, n + 1)}
        self.program = "raftmqd"
        self.procs = {}
        self.ready_ms = {}
        self._admin = None
        atexit.register(self.end)

    def __enter__(self):
        self.start_all()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not (kind is SystemExit and value.code in (0, 77)):
            self.show_logs()
        self.end()

    @property
    def bootstrap(self):
        return ",".join("%s:%d" % (self.host[i], p) for i, p in self.kafka.items())

    def log_path(self, i):
        return os.path.join(self.dir, "node%d.log" % i)

    def data_dir(self, i):
        return os.path.join(self.dir, "data%d" % i)

    def command(self, i):
        cmd = [os.path.join(BUILD, self.program), "--node-id", str(i),
               "--listen", "%s:%d" % (self.host[i], self.kafka[i]),
               "--http", "%s:%d" % (self.host[i], self.http[i]),
               "--data-dir", self.data_dir(i)]
        if self.n > 1:
            cmd += ["--peers", ",".join("%d@%s:%d" % (j, self.host[j], p)
                                        for j, p in self.peer.items())]
        for s in self.settings:
            cmd += ["-D", s]
        return cmd

    def environment(self, i):
        return {k: v for k, v in os.environ.items() if not k.startswith("RAFTMQ_")}

    def spawn(self, i):
        log = open(self.log_path(i), "ab")
        env = self.environment(i)
        self.procs[i] = subprocess.Popen(self.command(i), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=log,
                                         env=env)
        log.close()

    def wait_ready(self, i, timeout=30):
        p, begin = self.procs[i], time.time()
        timer = threading.Timer(timeout, p.kill)
        timer.start()
        line = p.stdout.readline().decode()
        timer.cancel()
        if not line.startswith("ready "):
            self.show_logs()
            fail("node %d was not ready after %.1f s (%r)" %
                 (i, time.time() - begin, line))
        self.ready_ms[i] = int(line.split(" in ")[1].split()[0])

    def start(self, i, timeout=30):
        self.spawn(i)
        self.wait_ready(i, timeout)

    def start_all(self, timeout=30):
        for i in self.kafka:
            self.spawn(i)
        for i in self.kafka:
            self.wait_ready(i, timeout)

    def signal(self, i, sig):
        self.procs[i].send_signal(sig)

    def freeze(self, i):
        """SIGSTOP, and back when every thread has stopped."""
        self.signal(i, signal.SIGSTOP)
        task = "/proc/%d/task" % self.procs[i].pid

        def state(t):
            with open("%s/%s/stat" % (task, t)) as f:
                return f.read().rsplit(")", 1)[1].split()[0]
        while not all(state(t) == "T" for t in os.listdir(task)):
            time.sleep(0.001)

    def kill(self, i):
        self.procs[i].kill()
        self.procs[i].wait()
        self.procs[i].stdout.close()

    def kill_all(self):
        for i in self.procs:
            self.procs[i].kill()
        for i in self.procs:
            self.procs[i].wait()
            self.procs[i].stdout.close()

    def stop(self, i, timeout=30):
        self.signal(i, signal.SIGTERM)
        code = self.procs[i].wait(timeout)
        self.procs[i].stdout.close()
        return code

    def alive(self, i):
        return self.procs[i].poll() is None

    def end(self):
        left = {i: p for i, p in self.procs.items() if p.poll() is None}
        for p in left.values():
            p.send_signal(signal.SIGCONT)
            p.send_signal(signal.SIGTERM if SANITIZED else signal.SIGKILL)
        for i, p in left.items():
            code = p.wait(60)
            if SANITIZED and code:
                self.show_logs()
                fail("node %d ended with %d" % (i, code))
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def show_logs(self, lines=40):
        for i in self.kafka:
            if os.path.exists(self.log_path(i)):
                print("--- node%d.log" % i)
                with open(self.log_path(i), errors="replace") as f:
                    print("".join(f.readlines()[-lines:]))

    def get(self, i, path, timeout=5):
        url = "http://%s:%d%s" % (self.host[i], self.http[i], path)
        with urllib.request.urlopen(url, timeout=timeout) as r:
            return r.read().decode()

    def metric(self, i, name):
        for line in self.get(i, "/metrics").splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.rsplit(" ", 1)[1])
        return None

    def rss_kb(self, i):
        with open("/proc/%d/status" % self.procs[i].pid) as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])

    def cpu_s(self, i):
        with open("/proc/%d/stat" % self.procs[i].pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def fds(self, i):
        return len(os.listdir("/proc/%d/fd" % self.procs[i].pid))

    # ---- through the Kafka protocol

    def admin(self):
        """One for all: librdkafka forgets what a freed client was asked."""
        if self._admin is None:  # one with nothing to do counts as false
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0,
                                       "reconnect.backoff.max.ms": 200})
        return self._admin

    def create(self, name, partitions=1, replicas=1, timeout=30, **config):
        config = {k.replace("_", "."): str(v) for k, v in config.items()}
        f = self.admin().create_topics(
            [NewTopic(name, partitions, replicas, config=config)],
            operation_timeout=timeout, request_timeout=timeout)
        f[name].result()

    def metadata(self, topic=None, timeout=10):
        try:
            return self.admin().list_topics(topic, timeout=timeout)
        except KafkaException as e:
            if e.args[0].code() != KafkaError._TIMED_OUT:
                raise
        # librdkafka asks a node again and again that took its question and was
        # killed: another client has to get an answer
        other = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return other.list_topics(topic, timeout=timeout)

    def leader_of(self, topic, partition):
        return self.metadata(topic).topics[topic].partitions[partition].leader

    def controller(self):
        return self.metadata().controller_id

    def wait_in_sync(self, topic, replicas, timeout=60):
        end = time.time() + timeout
        while time.time() < end:
            try:
                t = self.metadata(topic).topics[topic]
                if t.partitions and all(len(p.isrs) == replicas and p.leader > 0
                                        for p in t.partitions.values()):
                    return
            except KafkaException:
                pass
            time.sleep(0.2)
        fail("%s: not all replicas in sync after %d s: %s" % (
            topic, timeout, {p.id: p.isrs for p in t.partitions.values()}))


class Load(threading.Thread):
    """Numbered records into every partition, with when each was acknowledged."""

    def __init__(self, cluster, topic, partitions, rate=200, **config):
        super().__init__(daemon=True)
        self.topic, self.partitions, self.rate = topic, partitions, rate
        self.acked = {p: {} for p in range(partitions)}  # seq -> offset
        self.times = {p: [] for p in range(partitions)}
        self.failed = []
        self.halt = threading.Event()
        conf = {"bootstrap.servers": cluster.bootstrap, "log_level": 0, "acks": "all",
                "enable.idempotence": True, "linger.ms": 2,
                "message.timeout.ms": 120000, "socket.timeout.ms": 10000,
                "reconnect.backoff.max.ms": 200, "debug": "topic", "log_level": 7}
        conf.update({k.replace("_", "."): v for k, v in config.items()})
        self.stuck = {}  # partition -> when librdkafka said last that it stays
        log = logging.Logger("librdkafka")
        log.addFilter(self.note)
        self.producer = Producer(conf, logger=log)
        self.sent = 0

    def run(self):
        seq, begin = 0, time.time()
        while not self.halt.is_set():
            for p in range(self.partitions):
                self.send(p, seq)
            seq += 1
            wait = begin + seq / self.rate - time.time()
            self.producer.poll(max(0, wait))
        self.left = self.producer.flush(10)
        if self.left and not self.hangs():
            self.left = self.producer.flush(110)

    def note(self, record):
        m = re.search(r"\[(\d+)\]: leader \d+ unchanged, not migrating away",
                      record.getMessage())
        if m:
            self.stuck[int(m[1])] = time.time()
        return False

    def hangs(self):
        """librdkafka before 2.1 may take a producer's broker for the follower
        that a consumer prefers, when a leader went and came back between two
        answers (they may be of different nodes): then it asks it for ever."""
        late = [p for p in self.acked if not self.times[p] or
                self.times[p][-1] < time.time() - 5]
        return late and all(self.stuck.get(p, 0) > time.time() - 5 for p in late)

    def send(self, p, seq):
        def done(error, message):
            if error:
                self.failed.append((p, seq, str(error)))
            else:
                self.acked[p][seq] = message.offset()
                self.times[p].append(time.time())
        while True:
            try:
                self.producer.produce(self.topic, b"%d:%d" % (p, seq),
                                      partition=p, on_delivery=done)
                self.sent += 1
                return
            except BufferError:
                self.producer.poll(0.1)

    def end(self):
        self.halt.set()
        self.join()
        if self.left and self.hangs():
            print("librdkafka hangs: %d records left" % self.left)
        else:
            expect(self.left == 0, "%d records neither acknowledged nor failed" %
                   self.left)

    def total(self):
        return sum(len(a) for a in self.acked.values())

    def gap(self, since=0.0, until=float("inf")):
        """The longest time without an acknowledgement on any partition."""
        worst = 0.0
        for times in self.times.values():
            t = sorted(x for x in times if since <= x <= until)
            t = [x for x in t]
            for a, b in zip(t, t[1:]):
                worst = max(worst, b - a)
        return worst


def read_all(cluster, topic, partitions, timeout=60):
    """Every record of the topic: partition -> list of (offset, value)."""
    c = Consumer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, "group.id": "reader",
                  "enable.auto.commit": False, "enable.partition.eof": True,
                  "auto.offset.reset": "earliest"})
    c.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    out, at_end = {p: [] for p in range(partitions)}, set()
    end = time.time() + timeout
    while len(at_end) < partitions:
        expect(time.time() < end, "reading %s did not end in %d s" % (topic, timeout))
        m = c.poll(0.5)
        if m is None:
            continue
        if m.error():
            if m.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(m.partition())
            continue
        out[m.partition()].append((m.offset(), m.value()))
    c.close()
    return out


def check_history(load, found):
    """Acknowledged once, read once, at its offset, in order.

    librdkafka knows no offset where the answer was lost and a later batch was
    taken, which tells it that the earlier one is there.
    """
    for p, acked in load.acked.items():
        where = {}
        for offset, value in found[p]:
            part, seq = (int(x) for x in value.split(b":"))
            expect(part == p, "a record of %d in partition %d" % (part, p))
            expect(seq not in where, "duplicate: %d:%d at %d and %d" %
                   (p, seq, where.get(seq, -1), offset))
            where[seq] = offset
        for seq, offset in acked.items():
            expect(seq in where, "lost: %d:%d, acknowledged at %s" % (p, seq, offset))
            expect(offset is None or where[seq] == offset,
                   "moved: %d:%d from %s to %d" % (p, seq, offset, where[seq]))
        order = [int(v.split(b":")[1]) for _, v in found[p]]
        expect(order == sorted(order), "partition %d is out of order" % p)
        offsets = [o for o, _ in found[p]]
        expect(offsets == sorted(set(offsets)), "offsets of %d repeat" % p)
