#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Leaders are stopped and go on: the old one must not speak any more.

SIGSTOP, then SIGCONT after PAUSE seconds, of a partition's leader and of the
quorum leader, under load. What the stopped node's own clients asked it before
must not be acknowledged under the old epoch afterwards: a producer that talks
to it alone, with acks=1, may not have an answer without the record being there
in the end.
"""
import os
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Load, check_history, expect, read_all

PAUSE = float(os.environ.get("PAUSE", "6"))
GAP_MAX = 1.5  # seconds, with what the client waits for the one that hangs


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


with Cluster(3) as c:
    c.create("t", 6, 3)
    c.wait_in_sync("t", 3)
    # how long a client waits for a broker that hangs is its own decision
    # (60 s in librdkafka, 30 s in Java); this one gives it a quarter of a
    # second, twice if it asks the same one again where else it might go
    load = Load(c, "t", 6, socket_timeout_ms=250)
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
        since = time.time()
        c.freeze(victim)
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
        stops.append((victim, what, since))
        c.wait_in_sync("t", 3)
        time.sleep(2)
    load.end()
    gaps = []
    for victim, what, since in stops:
        gaps.append(load.gap(since - 0.5, since + PAUSE + 2))
        print("stopped %d (%s): gap %.0f ms" % (victim, what, gaps[-1] * 1000))
    expect(not load.failed, "failed: %s" % load.failed[:3])
    check_history(load, read_all(c, "t", 6))
    print("%d records, longest gap %.0f ms" % (load.total(), max(gaps) * 1000))
    expect(max(gaps) < GAP_MAX, "a gap of %.2f s" % max(gaps))
