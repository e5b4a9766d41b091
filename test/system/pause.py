#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Leaders are stopped and go on: the old one must not speak any more.

SIGSTOP, then SIGCONT after PAUSE seconds, of a partition's leader and of the
quorum leader, under load. What the stopped node's own clients asked it before
must not be acknowledged under the old epoch afterwards: a producer that talks
to it alone, with acks=1, may not have an answer without the record being there
in the end.

Two times are bounded. How long until both other nodes name another leader of
all that the stopped one led: that is the cluster's. And the gap in what a
client is acknowledged: librdkafka looks once a second which of its requests
are late, and may ask the stopped node once more.
"""
import os
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Load, check_history, expect, read_all

PAUSE = float(os.environ.get("PAUSE", "6"))
NAMED_MAX = 1.3  # seconds: an election's longest time-out, and the leaders'
GAP_MAX = NAMED_MAX + 1.2


def fetch_request(topic, partition):
    """Fetch v4 of offset 0, as any client would send it."""
    t = topic.encode()
    body = struct.pack(">iiiib", -1, 0, 0, 1 << 20, 0)
    body += struct.pack(">i", 1) + struct.pack(">h", len(t)) + t
    body += struct.pack(">iiqi", 1, partition, 0, 1 << 20)
    head = struct.pack(">hhih", 1, 4, 7, 4) + b"test"
    return struct.pack(">i", len(head) + len(body)) + head + body


def receive(s):
    data = b""
    try:
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = s.recv(65536)
            if not more:
                return None
            data += more
    except OSError:
        return None
    return data[4:]


def fetch_error(answer):
    """The partition's error code of a Fetch v4 answer."""
    n = struct.unpack(">h", answer[12:14])[0]
    return struct.unpack(">h", answer[14 + n + 4 + 4:14 + n + 4 + 6])[0]


def leaders(s, topic):
    """Partition -> leader, as that node sees it: Metadata v1."""
    t = topic.encode()
    body = struct.pack(">i", 1) + struct.pack(">h", len(t)) + t
    head = struct.pack(">hhih", 3, 1, 9, 4) + b"test"
    s.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
    data, at = receive(s), 4

    def number(kind):
        nonlocal at
        v = struct.unpack_from(">" + kind, data, at)[0]
        at += struct.calcsize(">" + kind)
        return v

    def skip_text():
        nonlocal at
        n = max(number("h"), 0)
        at += n
    for _ in range(number("i")):  # brokers
        number("i"), skip_text(), number("i"), skip_text()
    number("i")
    found = {}
    for _ in range(number("i")):  # topics
        number("h"), skip_text(), number("b")
        for _ in range(number("i")):
            number("h")
            partition, leader = number("i"), number("i")
            found[partition] = leader
            for _ in range(2):  # replicas, those in sync
                for _ in range(number("i")):
                    number("i")
    return found


class Named(threading.Thread):
    """When all others have named another leader of what that node led."""

    def __init__(self, cluster, topic, victim, led):
        super().__init__(daemon=True)
        self.socks = [socket.create_connection(("127.0.0.1", p), 30)
                      for i, p in cluster.kafka.items() if i != victim]
        self.topic, self.victim, self.led = topic, victim, led
        self.begin, self.seconds = time.time(), None

    def is_over(self):
        for s in self.socks:
            seen = leaders(s, self.topic)
            if any(seen.get(p, -1) in (-1, self.victim) for p in self.led):
                return False
        return True

    def run(self):
        while not self.is_over():
            time.sleep(0.01)
        self.seconds = time.time() - self.begin
        for s in self.socks:
            s.close()


with Cluster(3) as c:
    c.create("t", 6, 3)
    c.wait_in_sync("t", 3)
    # how long a client waits for a broker that hangs is its own decision
    # (60 s in librdkafka, 30 s in Java); this one gives it half a second
    load = Load(c, "t", 6, socket_timeout_ms=500)
    load.start()
    time.sleep(2)
    stops = []
    for what in ("leader of t-0", "quorum leader"):
        victim = (c.controller() if what == "quorum leader"
                  else c.leader_of("t", 0))
        led = [p.id for p in c.metadata("t").topics["t"].partitions.values()
               if p.leader == victim]
        s = socket.create_connection(("127.0.0.1", c.kafka[victim]), 30)
        if led:
            s.sendall(fetch_request("t", led[0]))
            expect(fetch_error(receive(s)) == 0, "the leader did not serve")
        named = Named(c, "t", victim, led)
        since = time.time()
        c.freeze(victim)
        named.start()
        if led:
            s.sendall(fetch_request("t", led[0]))  # waits in its socket
        time.sleep(PAUSE)
        c.signal(victim, signal.SIGCONT)
        if led:
            answer = receive(s)
            code = None if answer is None else fetch_error(answer)
            expect(code != 0, "a deposed leader served a read")
            print("the old leader of t-%d: %s" % (
                led[0], "hung up" if code is None else "error %d" % code))
        s.close()
        stops.append((victim, what, since, named))
        c.wait_in_sync("t", 3)
        time.sleep(2)
    load.end()
    gaps = []
    for victim, what, since, named in stops:
        gaps.append(load.gap(since - 0.5, since + PAUSE + 2))
        named.join(1)
        expect(named.seconds is not None, "no other leader was named")
        print("stopped %d (%s): others lead after %.0f ms, gap %.0f ms" % (
            victim, what, named.seconds * 1000, gaps[-1] * 1000))
    expect(not load.failed, "failed: %s" % load.failed[:3])
    check_history(load, read_all(c, "t", 6))
    print("%d records, longest gap %.0f ms" % (load.total(), max(gaps) * 1000))
    slowest = max(named.seconds for *_, named in stops)
    expect(slowest < NAMED_MAX, "others lead after %.2f s" % slowest)
    expect(max(gaps) < GAP_MAX, "a gap of %.2f s" % max(gaps))
