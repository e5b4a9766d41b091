# SPDX-License-Identifier: Apache-2.0
"""How soon the brokers' part of a fail-over is done, without a client library
and its timers: nodes are asked again and again, each on a connection of its
own, who leads.

    p = Probe(nodes, topic, victim)     # before the fault
    p.wait(10)                          # ms until the victim leads nothing
"""
import socket
import struct
import threading
import time


def metadata_request(topic):
    t = topic.encode()
    body = struct.pack(">i", 1) + struct.pack(">h", len(t)) + t
    head = struct.pack(">hhih", 3, 1, 1, 5) + b"probe"
    return struct.pack(">i", len(head) + len(body)) + head + body


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 4  # behind the correlation id

    def take(self, form):
        v = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return v[0]

    def text(self):
        n = self.take("h")
        self.at += max(n, 0)
        return self.data[self.at - max(n, 0):self.at].decode()

    def many(self, each):
        return [each() for _ in range(self.take("i"))]


def leaders(data):
    """Of a Metadata v1 answer about one topic: partition -> leader."""
    r = Reader(data)
    r.many(lambda: (r.take("i"), r.text(), r.take("i"), r.text()))
    r.take("i")
    out = {}

    def partition():
        error, index, leader = r.take("h"), r.take("i"), r.take("i")
        r.many(lambda: r.take("i"))
        r.many(lambda: r.take("i"))
        out[index] = -1 if error else leader

    def topic():
        r.take("h"), r.text(), r.take("b")
        r.many(partition)
    r.many(topic)
    return out


class Probe:
    def __init__(self, nodes, topic, victim):
        self.request, self.victim = metadata_request(topic), victim
        self.begin, self.done = time.monotonic(), None
        self.halt = threading.Event()
        self.threads = [threading.Thread(target=self.watch, daemon=True,
                                         args=(nodes.host[i], nodes.kafka[i]))
                        for i in nodes.wanted if i != victim]
        for t in self.threads:
            t.start()

    def start(self):
        self.begin = time.monotonic()

    def watch(self, host, port):
        while not self.halt.is_set():
            try:
                with socket.create_connection((host, port), 1) as s:
                    while not self.halt.is_set():
                        self.look(s)
                        self.halt.wait(0.004)
            except OSError:
                self.halt.wait(0.01)

    def look(self, s):
        s.sendall(self.request)
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = s.recv(65536)
            if not more:
                raise OSError("closed")
            data += more
        found = leaders(data[4:])
        if found and self.victim not in found.values() and -1 not in found.values():
            self.done = self.done or time.monotonic()
            self.halt.set()

    def wait(self, timeout):
        """ms since start() until every partition has another leader, or None."""
        self.halt.wait(timeout)
        self.halt.set()
        for t in self.threads:
            t.join(2)
        return (self.done - self.begin) * 1000 if self.done else None
